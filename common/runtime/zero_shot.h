/*
 * zero_shot.h - labels that a model tells apart without having been trained for
 * them: what is known before there is a text. For its two files.
 */
#ifndef RMR_RUNTIME_ZERO_SHOT_H
#define RMR_RUNTIME_ZERO_SHOT_H

#include <stdatomic.h>
#include "common/model/model.h"

enum { RMR_MAX_CANDIDATES = 1 << 12 };

struct rmr_zero_shot {
    _Atomic size_t references;
    rmr_model *model;              /* retained */
    rmr_zero_shot_options options; /* complete; its strings are not kept */
    size_t count;                  /* of labels */
    rmr_text *names;               /* [count], terminated, then default_label */
    const char *default_label;     /* in names, or NULL */

    /* Of a model of entailment: */
    rmr_text *hypotheses;             /* [count] */
    size_t entailment, contradiction; /* logits */

    /* Of one that embeds: */
    rmr_text *examples; /* [num_examples], of the first label, then the next */
    size_t *examples_ends; /* [count] */
    size_t num_examples;
    /* Unit vectors, [count, dim], once they are known. */
    float *_Atomic centroids;
};

#endif
