/*
 * pooling.h - how the vectors of a text's tokens become one: the modes of
 * sentence-transformers' Pooling, one or several behind one another.
 */
#ifndef RMR_MODEL_POOLING_H
#define RMR_MODEL_POOLING_H

#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"
#include "common/base/json.h"
#include "kernels/kern.h"

typedef enum rmr_pooling {
    RMR_POOLING_CLS = 1,
    RMR_POOLING_MAX,
    RMR_POOLING_MEAN,
    RMR_POOLING_MEAN_SQRT_LEN, /* the sum over the root of the length */
    RMR_POOLING_WEIGHTEDMEAN,  /* token i, from 1, counts i times */
    RMR_POOLING_LASTTOKEN
} rmr_pooling;

enum { RMR_MAX_POOLINGS = 6, RMR_POOLING_CHARS = 128 };

typedef struct rmr_poolings {
    rmr_pooling modes[RMR_MAX_POOLINGS]; /* their vectors in this order */
    size_t count;
    char name[RMR_POOLING_CHARS]; /* "mean", "cls+max" */
    int exclude_prompt;           /* tokens of a prompt are left out */
} rmr_poolings;

/* One mode. */
void rmr_poolings_set(rmr_poolings *poolings, rmr_pooling mode);

/* Reads names joined by "+"; `where` is what errors call them. Errors:
 * UNSUPPORTED (a name that is not known; more than RMR_MAX_POOLINGS). */
rmr_status rmr_poolings_parse(rmr_poolings *poolings, const char *where,
                              const char *names, rmr_error *err);

/* Reads the modes, in their older form and in today's, and "include_prompt" of
 * a Pooling module's config.json. Errors: FORMAT, UNSUPPORTED. */
rmr_status rmr_poolings_read(rmr_poolings *poolings, rmr_json_source source,
                             rmr_error *err);

/*
 * Pools `count` rows of x [count, columns] into y [poolings->count * columns].
 * The first `prompt` rows are left out, and when that leaves none: the first
 * one is cls, a mean and the last are 0, a maximum is -infinity, as in the
 * reference.
 */
void rmr_pool(const rmr_poolings *poolings, const rmr_kern *kern, size_t count,
              size_t columns, size_t prompt, const float *x, float *y);

#endif
