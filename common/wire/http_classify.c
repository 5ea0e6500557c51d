/*
 * http_classify.c - POST /v1/classify: labels of texts, the model's own or any
 * that the request gives, or entities in them. Clients of Jina's and of vLLM's
 * route of that name read the reply. It must never guess at labels.
 */
#include <string.h>

#include "common/base/alloc.h"
#include "common/wire/http_exchange.h"

/* -------------------------------------------------------------- the request */

static rmr_status read_flag(rmr_exchange *x, const char *name, int *flag,
                            rmr_error *err)
{
    const json_t *value = rmr_exchange_field(x, name);
    *flag = json_is_true(value);
    if (!value || json_is_boolean(value))
        return RMR_OK;
    return rmr_exchange_refuse(x, err, 400, name,
                               "\"%s\" must be true or false", name);
}

static rmr_status read_top_k(rmr_exchange *x, rmr_error *err)
{
    const json_t *value = rmr_exchange_field(x, "top_k");
    json_int_t n = json_is_integer(value) ? json_integer_value(value) : 0;
    if (value && (n < 1 || n > UINT32_MAX)) {
        return rmr_exchange_refuse(
            x, err, 400, "top_k",
            "\"top_k\" must be a whole number of at least 1");
    }
    x->top_k = (size_t)n;
    return RMR_OK;
}

static rmr_status read_threshold(rmr_exchange *x, float *threshold,
                                 rmr_error *err)
{
    const json_t *value = rmr_exchange_field(x, "threshold");
    double number = json_number_value(value);
    *threshold = (float)number;
    if (!value || (json_is_number(value) && number >= 0 && number <= 1))
        return RMR_OK;
    return rmr_exchange_refuse(x, err, 400, "threshold",
                               "\"threshold\" must be a number from 0 to 1");
}

/* A string without NUL, into *text where it is given. */
static rmr_status read_template(rmr_exchange *x, const char **text,
                                rmr_error *err)
{
    const json_t *value = rmr_exchange_field(x, "hypothesis_template");
    if (!value)
        return RMR_OK;
    if (!json_is_string(value) ||
        strlen(json_string_value(value)) != json_string_length(value)) {
        return rmr_exchange_refuse(
            x, err, 400, "hypothesis_template",
            "\"hypothesis_template\" must be a string without NUL");
    }
    *text = json_string_value(value);
    return RMR_OK;
}

static rmr_status read_zero_shot_options(rmr_exchange *x,
                                         rmr_zero_shot_options *options,
                                         rmr_error *err)
{
    rmr_zero_shot_options_init(options);
    rmr_status status = read_flag(x, "multi_label", &options->multi_label, err);
    if (!status)
        status = read_threshold(x, &options->threshold, err);
    if (!status)
        status = read_template(x, &options->hypothesis_template, err);
    return status;
}

/* The labels of the request; x->texts has them. */
static rmr_status make_zero_shot(rmr_exchange *x, rmr_model *model,
                                 size_t count,
                                 const rmr_zero_shot_options *options,
                                 rmr_zero_shot **zero_shot, rmr_error *err)
{
    rmr_error why;
    rmr_candidate *labels = rmr_calloc(count, sizeof *labels);
    if (!labels)
        return rmr_fail_nomem(err, "labels");
    for (size_t i = 0; i < count; i++) {
        labels[i].name = x->texts[i].data;
        if (strlen(x->texts[i].data) != x->texts[i].len)
            labels[i].name = NULL; /* refused, as an empty one */
    }
    rmr_status status =
        rmr_zero_shot_new(zero_shot, model, labels, count, options, &why);
    rmr_free(labels);
    if (status == RMR_ERR_RANGE)
        return rmr_exchange_refuse(x, err, 400, "labels", "%s", why.message);
    if (status == RMR_ERR_UNSUPPORTED)
        return rmr_exchange_refuse(
            x, err, 400, "model",
            "the model was trained neither for entailment nor for embedding, "
            "as \"labels\" need it");
    if (status)
        *err = why;
    return status;
}

static rmr_status read_zero_shot(rmr_job *job, rmr_exchange *x,
                                 rmr_model *model, rmr_truncate truncate,
                                 rmr_error *err)
{
    rmr_zero_shot_options options;
    rmr_zero_shot *zero_shot = NULL;
    size_t count;
    rmr_status status = read_zero_shot_options(x, &options, err);
    if (!status)
        status = rmr_exchange_read_texts(x, "labels", &count, err);
    if (!status)
        status = make_zero_shot(x, model, count, &options, &zero_shot, err);
    if (!status)
        status = rmr_exchange_read_texts(x, "input", &count, err);
    if (!status)
        status = rmr_job_set_zero_shot(job, zero_shot, x->texts, count,
                                       truncate, err);
    rmr_zero_shot_release(zero_shot);
    return status;
}

static rmr_status read_classify(rmr_job *job, rmr_exchange *x, rmr_model *model,
                                rmr_truncate truncate, int windows,
                                rmr_error *err)
{
    rmr_classify_options options;
    size_t count;
    int raw;
    rmr_classify_options_init(&options);
    options.truncate = truncate;
    options.windows = windows;
    options.stride = x->stride;
    rmr_status status = read_flag(x, "raw_scores", &raw, err);
    if (!status)
        status = rmr_exchange_read_texts(x, "input", &count, err);
    if (status)
        return status;
    if (raw)
        options.function = RMR_SCORE_NONE;
    return rmr_job_set_classify(job, model, x->texts, count, &options, err);
}

static rmr_status read_entities(rmr_job *job, rmr_exchange *x, rmr_model *model,
                                rmr_truncate truncate, int windows,
                                rmr_error *err)
{
    rmr_token_classify_options options;
    size_t count;
    rmr_token_classify_options_init(&options);
    options.truncate = truncate;
    options.windows = windows;
    options.stride = x->stride;
    rmr_status status = rmr_exchange_read_texts(x, "input", &count, err);
    if (status)
        return status;
    return rmr_job_set_token_classify(job, model, x->texts, count, &options,
                                      err);
}

static rmr_status read_request(rmr_job *job, rmr_exchange *x, rmr_error *err)
{
    rmr_model *model = NULL;
    rmr_truncate truncate = RMR_TRUNCATE_NONE;
    int windows = 0;
    rmr_status status = rmr_exchange_read_model(x, &model, err);
    if (!status)
        status = rmr_exchange_read_truncate(x, &truncate, err);
    if (!status)
        status = rmr_exchange_read_windows(x, &windows, &truncate, err);
    if (!status)
        status = read_top_k(x, err);
    if (status)
        return status;
    if (rmr_exchange_field(x, "labels") && windows) {
        return rmr_exchange_refuse(x, err, 400, "windows",
                                   "\"windows\" is not for \"labels\"");
    }
    if (rmr_exchange_field(x, "labels"))
        return read_zero_shot(job, x, model, truncate, err);
    if (model->task == RMR_TASK_EMBED) {
        return rmr_exchange_refuse(x, err, 400, "labels",
                                   "\"labels\" must be given, since the model "
                                   "has none of its own");
    }
    return model->task == RMR_TASK_CLASSIFY
               ? read_classify(job, x, model, truncate, windows, err)
               : read_entities(job, x, model, truncate, windows, err);
}

/* ---------------------------------------------------------------- the reply */

static int put_score(rmr_exchange *x, float score)
{
    char number[RMR_F32_CHARS];
    return rmr_exchange_put(x, number, rmr_format_f32(score, number));
}

static int put_label(rmr_exchange *x, const char *name, const char *label)
{
    int done = rmr_exchange_put_format(x, "\"%s\":", name);
    if (!label)
        return done && rmr_exchange_put_format(x, "null,");
    return done && rmr_exchange_put_string(x, label) &&
           rmr_exchange_put_format(x, ",");
}

/* All scores in the order of the labels, as vLLM has them. */
static int put_probs(rmr_exchange *x, const rmr_label_score *labels,
                     size_t count)
{
    float *scores = rmr_malloc_array(count, sizeof *scores);
    int done = scores && rmr_exchange_put_format(x, ",\"probs\":[");
    for (size_t i = 0; i < count && done; i++)
        scores[labels[i].index] = labels[i].score;
    for (size_t i = 0; i < count && done; i++)
        done = rmr_exchange_put_format(x, "%s", i ? "," : "") &&
               put_score(x, scores[i]);
    rmr_free(scores);
    return done && rmr_exchange_put_format(x, "],\"num_classes\":%zu", count);
}

/* The best first, as Jina has them. */
static int put_predictions(rmr_exchange *x, const rmr_label_score *labels,
                           size_t count)
{
    int done = rmr_exchange_put_format(x, ",\"predictions\":[");
    if (x->top_k && x->top_k < count)
        count = x->top_k;
    for (size_t i = 0; i < count && done; i++)
        done = rmr_exchange_put_format(x, "%s{", i ? "," : "") &&
               put_label(x, "label", labels[i].label) &&
               rmr_exchange_put_format(x, "\"score\":") &&
               put_score(x, labels[i].score) && rmr_exchange_put_format(x, "}");
    return done && rmr_exchange_put_format(x, "]");
}

static int put_labels(rmr_exchange *x, const rmr_job *job, size_t i)
{
    size_t count;
    const rmr_label_score *labels = rmr_job_labels(job, i, &count);
    const char *choice =
        job->choices ? rmr_job_choice(job, i) : labels[0].label;
    return rmr_exchange_put_format(
               x, "{\"object\":\"classification\",\"index\":%zu,", i) &&
           put_label(x, "prediction", choice) &&
           put_label(x, "label", choice) &&
           rmr_exchange_put_format(x, "\"score\":") &&
           put_score(x, labels[0].score) && put_probs(x, labels, count) &&
           put_predictions(x, labels, count);
}

static int put_entities(rmr_exchange *x, const rmr_job *job, size_t i)
{
    size_t count;
    const rmr_entity *entities = rmr_job_entities(job, i, &count);
    int done = rmr_exchange_put_format(
        x, "{\"object\":\"entities\",\"index\":%zu,\"entities\":[", i);
    for (size_t e = 0; e < count && done; e++)
        done = rmr_exchange_put_format(x, "%s{", e ? "," : "") &&
               put_label(x, "label", entities[e].name) &&
               rmr_exchange_put_format(x, "\"score\":") &&
               put_score(x, entities[e].score) &&
               rmr_exchange_put_format(x, ",\"start\":%zu,\"end\":%zu}",
                                       entities[e].start, entities[e].end);
    return done && rmr_exchange_put_format(x, "]");
}

static int write_reply(rmr_exchange *x, const rmr_job *job)
{
    int done = rmr_exchange_put_format(x, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; done && i < job->num_texts; i++) {
        done = rmr_exchange_put_format(x, "%s", i ? "," : "") &&
               (job->entities ? put_entities : put_labels)(x, job, i) &&
               rmr_exchange_put_format(
                   x, "%s}",
                   job->results[i].truncated ? ",\"truncated\":true" : "");
    }
    done = done && rmr_exchange_put_format(x, "],\"model\":");
    done = done && rmr_exchange_put_string(x, x->model_name);
    done = done && rmr_exchange_put_format(x, ",");
    done = done && rmr_exchange_put_usage(x, job);
    return done && rmr_exchange_put_format(x, "}\n");
}

static const rmr_route classify_route = {read_request, write_reply};

rmr_status rmr_http_classify_start(rmr_engine *engine, const char *body,
                                   size_t len, const rmr_http_options *options,
                                   rmr_job_done *done, void *user,
                                   rmr_job **out, rmr_error *err)
{
    return rmr_exchange_start(engine, &classify_route, body, len, options, done,
                              user, out, err);
}
