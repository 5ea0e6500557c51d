/*
 * head_scores.c - logits to scores, by what a model was trained for. It must
 * never make a score of what is not finite.
 */
#include "common/model/head.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *problem_type;
    rmr_scores scores;
} problems[] = {
    {"single_label_classification", RMR_SCORES_SOFTMAX},
    {"multi_label_classification", RMR_SCORES_SIGMOID},
    {"regression", RMR_SCORES_RAW},
};

rmr_status rmr_scores_read(rmr_scores *scores, rmr_json_source source,
                           size_t num_labels, rmr_error *err)
{
    const char *problem;
    *scores = num_labels == 1 ? RMR_SCORES_SIGMOID : RMR_SCORES_SOFTMAX;
    rmr_status status =
        rmr_json_get_string(source, "problem_type", "", &problem, err);
    if (status || !*problem)
        return status;
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        if (strcmp(problem, problems[i].problem_type) != 0)
            continue;
        *scores = problems[i].scores;
        if (num_labels > 1 || *scores != RMR_SCORES_SOFTMAX)
            return RMR_OK;
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"problem_type\" \"%s\" needs more than one label",
                        source.name, problem);
    }
    return rmr_fail(err, RMR_ERR_FORMAT,
                    "%s: \"problem_type\" must be regression, "
                    "single_label_classification or "
                    "multi_label_classification, not \"%s\"",
                    source.name, problem);
}

rmr_status rmr_rank_scores_read(rmr_scores *scores, rmr_json_source source,
                                rmr_json_source sentence, rmr_error *err)
{
    const json_t *own = json_object_get(source.object, "sentence_transformers");
    const json_t *last = json_object_get(sentence.object, "activation_fn");
    const char *field = "sbert_ce_default_activation_function", *name;
    *scores = RMR_SCORES_SIGMOID;
    if (json_is_object(own)) {
        source.object = own;
        field = "activation_fn";
    }
    if (last && !json_is_null(last)) {
        source = sentence;
        field = "activation_fn";
    }
    rmr_status status = rmr_json_get_string(source, field, "", &name, err);
    if (status || !*name ||
        strcmp(name, "torch.nn.modules.activation.Sigmoid") == 0)
        return status;
    *scores = RMR_SCORES_RAW;
    if (strcmp(name, "torch.nn.modules.linear.Identity") == 0)
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s: \"%s\" must be Sigmoid or Identity of torch.nn, not "
                    "\"%s\"",
                    source.name, field, name);
}

static void softmax(size_t count, float *x)
{
    float largest = x[0];
    double sum = 0;
    for (size_t i = 1; i < count; i++)
        largest = x[i] > largest ? x[i] : largest;
    for (size_t i = 0; i < count; i++)
        sum += exp((double)x[i] - largest);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(exp((double)x[i] - largest) / sum);
}

int rmr_score(rmr_scores scores, size_t count, float *logits)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(logits[i]))
            return 0;
    }
    if (scores == RMR_SCORES_SOFTMAX)
        softmax(count, logits);
    for (size_t i = 0; i < count && scores == RMR_SCORES_SIGMOID; i++)
        logits[i] = (float)(1 / (1 + exp(-(double)logits[i])));
    return 1;
}
