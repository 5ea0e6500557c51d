/*
 * zero_shot.c - labels for zero-shot classification, checked and copied. It
 * must never take a list of labels that a model cannot tell apart.
 */
#include "common/runtime/zero_shot.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/options.h"
#include "common/runtime/texts.h"

void rmr_zero_shot_options_init(rmr_zero_shot_options *options)
{
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
    options->hypothesis_template = "This example is {}.";
    options->scale = 20;
}

rmr_zero_shot *rmr_zero_shot_retain(rmr_zero_shot *zero_shot)
{
    atomic_fetch_add(&zero_shot->references, 1);
    return zero_shot;
}

void rmr_zero_shot_release(rmr_zero_shot *zero_shot)
{
    if (!zero_shot || atomic_fetch_sub(&zero_shot->references, 1) != 1)
        return;
    rmr_model_release(zero_shot->model);
    rmr_free(zero_shot->names);
    rmr_free(zero_shot->hypotheses);
    rmr_free(zero_shot->examples);
    rmr_free(zero_shot->examples_ends);
    rmr_free(zero_shot->centroids);
    rmr_free(zero_shot);
}

/* ----------------------------------------------------------------- checking
 */

static int is_fraction(float value)
{
    return value >= 0 && value <= 1;
}

static rmr_status check_options(const rmr_zero_shot_options *options,
                                rmr_error *err)
{
    const char *template = options->hypothesis_template;
    const char *hole = template ? strstr(template, "{}") : NULL;
    if (!hole || strcspn(template, "{}") != (size_t)(hole - template) ||
        strpbrk(hole + 2, "{}")) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "hypothesis_template must have {} once, and no other "
                        "braces");
    }
    if (!is_fraction(options->threshold) || !is_fraction(options->margin)) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "threshold and margin must be from 0 to 1");
    }
    if (!isfinite(options->scale) || options->scale <= 0) {
        return rmr_fail(err, RMR_ERR_RANGE, "scale must be above 0");
    }
    return RMR_OK;
}

static rmr_status check_labels(const rmr_candidate *labels, size_t count,
                               rmr_error *err)
{
    if (!count || count > RMR_MAX_CANDIDATES) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "there must be from 1 to %d labels, not %zu",
                        RMR_MAX_CANDIDATES, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (!labels[i].name || !*labels[i].name) {
            return rmr_fail(err, RMR_ERR_RANGE, "label %zu has no name", i);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(labels[i].name, labels[j].name) == 0)
                return rmr_fail(err, RMR_ERR_RANGE,
                                "labels %zu and %zu have the same name", j, i);
        }
    }
    return RMR_OK;
}

static int begins_with(const char *name, const char *beginning)
{
    return strncasecmp(name, beginning, strlen(beginning)) == 0;
}

/* The first label that begins so; the number of labels when none does. */
static size_t find_label(const rmr_labels *labels, const char *beginning)
{
    size_t i = 0;
    while (i < labels->count && !begins_with(labels->names[i], beginning))
        i++;
    return i;
}

/* The logits that matter: by the labels' names, in whatever order. */
static rmr_status find_entailment(rmr_zero_shot *z, rmr_error *err)
{
    static const char *const opposites[] = {"contradict", "not_entail",
                                            "not entail", "non_entail",
                                            "non-entail", "not-entail"};
    const rmr_labels *labels = &z->model->head->labels;
    size_t opposite = labels->count;
    z->entailment = find_label(labels, "entail");
    for (size_t i = 0;
         i < sizeof opposites / sizeof *opposites && opposite == labels->count;
         i++)
        opposite = find_label(labels, opposites[i]);
    if (z->entailment == labels->count || opposite == labels->count) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s/config.json: \"id2label\" must name entailment, "
                        "and contradiction or not_entailment, for zero-shot",
                        z->model->path);
    }
    z->contradiction = opposite;
    return RMR_OK;
}

static rmr_status check_model(rmr_zero_shot *z, const rmr_candidate *labels,
                              rmr_error *err)
{
    const rmr_model *model = z->model;
    if (model->arch && model->task == RMR_TASK_EMBED)
        return RMR_OK;
    if (model->task != RMR_TASK_CLASSIFY) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "zero-shot needs a model for classification or for "
                        "embedding");
    }
    for (size_t i = 0; i < z->count; i++) {
        if (labels[i].num_examples)
            return rmr_fail(err, RMR_ERR_RANGE,
                            "label %zu has examples, which only a model for "
                            "embedding takes",
                            i);
    }
    if (!model->takes_pairs) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s: its tokenizer makes no sequence of two texts that "
                        "the model takes",
                        model->path);
    }
    return find_entailment(z, err);
}

/* ------------------------------------------------------------------ copying
 */

/* Names with their NULs, in one block. */
static rmr_status copy_names(rmr_zero_shot *z, const rmr_candidate *labels,
                             rmr_error *err)
{
    size_t bytes, count = z->count;
    const char *other = z->options.default_label;
    rmr_text last = {other, other ? strlen(other) + 1 : 0};
    rmr_text *names = rmr_malloc_array(count, sizeof *names);
    if (!names)
        return rmr_fail_nomem(err, "labels");
    for (size_t i = 0; i < count; i++)
        names[i] = (rmr_text){labels[i].name, strlen(labels[i].name) + 1};
    z->names = rmr_copy_texts(names, count, &last, 1, &bytes);
    rmr_free(names);
    if (!z->names)
        return rmr_fail_nomem(err, "labels");
    if (other)
        z->default_label = z->names[count].data;
    for (size_t i = 0; i <= count; i++)
        z->names[i].len -= z->names[i].len > 0;
    return RMR_OK;
}

static rmr_status make_hypotheses(rmr_zero_shot *z, rmr_error *err)
{
    const char *template = z->options.hypothesis_template;
    size_t before = (size_t)(strstr(template, "{}") - template);
    size_t after = strlen(template + before + 2);
    size_t total = z->count * sizeof *z->hypotheses;
    for (size_t i = 0; i < z->count; i++)
        total += before + z->names[i].len + after;
    z->hypotheses = rmr_malloc(total);
    if (!z->hypotheses)
        return rmr_fail_nomem(err, "hypotheses");
    char *at = (char *)(z->hypotheses + z->count);
    for (size_t i = 0; i < z->count; i++) {
        size_t len = z->names[i].len;
        z->hypotheses[i] = (rmr_text){at, before + len + after};
        memcpy(at, template, before);
        memcpy(at + before, z->names[i].data, len);
        memcpy(at + before + len, template + before + 2, after);
        at += before + len + after;
    }
    return RMR_OK;
}

/* A label without examples has its name as one. */
static rmr_status copy_examples(rmr_zero_shot *z, const rmr_candidate *labels,
                                rmr_error *err)
{
    size_t total = 0, bytes;
    z->examples_ends = rmr_malloc_array(z->count, sizeof *z->examples_ends);
    if (!z->examples_ends)
        return rmr_fail_nomem(err, "examples");
    for (size_t i = 0; i < z->count; i++) {
        total += labels[i].num_examples ? labels[i].num_examples : 1;
        z->examples_ends[i] = total;
    }
    rmr_text *list = rmr_malloc_array(total, sizeof *list);
    if (!list)
        return rmr_fail_nomem(err, "examples");
    for (size_t i = 0, at = 0; i < z->count; at = z->examples_ends[i++]) {
        if (labels[i].num_examples)
            memcpy(list + at, labels[i].examples,
                   labels[i].num_examples * sizeof *list);
        else
            list[at] = z->names[i];
    }
    z->num_examples = total;
    z->examples = rmr_copy_texts(list, total, NULL, 0, &bytes);
    rmr_free(list);
    return z->examples ? RMR_OK : rmr_fail_nomem(err, "examples");
}

static rmr_status fill(rmr_zero_shot *z, const rmr_candidate *labels,
                       rmr_error *err)
{
    rmr_status status = check_options(&z->options, err);
    if (!status)
        status = check_labels(labels, z->count, err);
    if (!status)
        status = check_model(z, labels, err);
    if (!status)
        status = copy_names(z, labels, err);
    if (!status)
        status = z->model->head ? make_hypotheses(z, err)
                                : copy_examples(z, labels, err);
    z->options.hypothesis_template = z->options.default_label = NULL;
    return status;
}

rmr_status rmr_zero_shot_new(rmr_zero_shot **out, rmr_model *model,
                             const rmr_candidate *labels, size_t count,
                             const rmr_zero_shot_options *options,
                             rmr_error *err)
{
    *out = NULL;
    rmr_zero_shot *z = rmr_calloc(1, sizeof *z);
    if (!z)
        return rmr_fail_nomem(err, "labels");
    z->references = 1;
    z->model = rmr_model_retain(model);
    z->count = count;
    rmr_zero_shot_options_init(&z->options);
    rmr_read_options(&z->options, options);
    rmr_status status = fill(z, labels, err);
    if (status)
        rmr_zero_shot_release(z);
    else
        *out = z;
    return status;
}
