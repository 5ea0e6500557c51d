/*
 * pooling.c - reads which modes of pooling a model has, and pools. It must
 * never let one text's tokens, or how many texts there are, reach another's
 * vector.
 */
#include "common/model/pooling.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* In the order in which sentence-transformers joins them where the older form
 * asks for several. */
static const struct {
    const char *name, *flag;
    rmr_pooling mode;
} known[] = {
    {"cls", "pooling_mode_cls_token", RMR_POOLING_CLS},
    {"max", "pooling_mode_max_tokens", RMR_POOLING_MAX},
    {"mean", "pooling_mode_mean_tokens", RMR_POOLING_MEAN},
    {"mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens",
     RMR_POOLING_MEAN_SQRT_LEN},
    {"weightedmean", "pooling_mode_weightedmean_tokens",
     RMR_POOLING_WEIGHTEDMEAN},
    {"lasttoken", "pooling_mode_lasttoken", RMR_POOLING_LASTTOKEN},
};

enum { NUM_KNOWN = sizeof known / sizeof *known };

/* ------------------------------------------------------------------ reading
 */

static void append(rmr_poolings *p, size_t which)
{
    size_t len = strlen(p->name);
    p->modes[p->count++] = known[which].mode;
    snprintf(p->name + len, sizeof p->name - len, "%s%s", len ? "+" : "",
             known[which].name);
}

static void clear(rmr_poolings *p)
{
    p->count = 0;
    *p->name = '\0';
}

void rmr_poolings_set(rmr_poolings *p, rmr_pooling mode)
{
    clear(p);
    for (size_t i = 0; i < NUM_KNOWN; i++) {
        if (known[i].mode == mode)
            append(p, i);
    }
}

/* Appends the mode whose name has these bytes. */
static rmr_status append_named(rmr_poolings *p, const char *where,
                               const char *name, size_t len, rmr_error *err)
{
    if (p->count == RMR_MAX_POOLINGS)
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s: more than %d pooling modes are not supported",
                        where, RMR_MAX_POOLINGS);
    for (size_t i = 0; i < NUM_KNOWN; i++) {
        if (strlen(known[i].name) == len &&
            memcmp(known[i].name, name, len) == 0) {
            append(p, i);
            return RMR_OK;
        }
    }
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s: the pooling mode \"%.*s\" is not supported; cls, max, "
                    "mean, mean_sqrt_len_tokens, weightedmean and lasttoken "
                    "are",
                    where, (int)(len < 64 ? len : 64), name);
}

rmr_status rmr_poolings_parse(rmr_poolings *p, const char *where,
                              const char *names, rmr_error *err)
{
    clear(p);
    for (;;) {
        size_t len = strcspn(names, "+");
        rmr_status status = append_named(p, where, names, len, err);
        if (status || !names[len])
            return status;
        names += len + 1;
    }
}

/* The older form: one boolean for each mode. */
static rmr_status read_flags(rmr_poolings *p, rmr_json_source source,
                             rmr_error *err)
{
    for (size_t i = 0; i < NUM_KNOWN; i++) {
        int on;
        rmr_status status =
            rmr_json_get_bool(source, known[i].flag, 0, &on, err);
        if (status)
            return status;
        if (on)
            append(p, i);
    }
    if (!p->count)
        rmr_poolings_set(p, RMR_POOLING_MEAN);
    return RMR_OK;
}

/* A name, or a list of names. */
static rmr_status read_names(rmr_poolings *p, const json_t *mode,
                             const char *where, rmr_error *err)
{
    size_t count = json_is_array(mode) ? json_array_size(mode) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *item =
            json_is_array(mode) ? json_array_get(mode, i) : mode;
        if (!json_is_string(item))
            return rmr_fail(err, RMR_ERR_FORMAT,
                            "%s: \"pooling_mode\" must be a string or a list "
                            "of strings",
                            where);
        rmr_status status = append_named(p, where, json_string_value(item),
                                         json_string_length(item), err);
        if (status)
            return status;
    }
    if (p->count)
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_FORMAT,
                    "%s: \"pooling_mode\" must have a mode", where);
}

rmr_status rmr_poolings_read(rmr_poolings *p, rmr_json_source source,
                             rmr_error *err)
{
    int include;
    const json_t *mode = json_object_get(source.object, "pooling_mode");
    clear(p);
    rmr_status status =
        rmr_json_get_bool(source, "include_prompt", 1, &include, err);
    if (status)
        return status;
    p->exclude_prompt = !include;
    return mode ? read_names(p, mode, source.name, err)
                : read_flags(p, source, err);
}

/* ------------------------------------------------------------------ running
 */

static void fill(size_t columns, float value, float *y)
{
    for (size_t i = 0; i < columns; i++)
        y[i] = value;
}

static void scale(size_t columns, float factor, float *y)
{
    for (size_t i = 0; i < columns; i++)
        y[i] *= factor;
}

/* Rows [from, to), each as often as its number from 1. */
static void weighted_mean(size_t from, size_t to, size_t columns,
                          const float *x, float *y)
{
    float total = 0;
    fill(columns, 0, y);
    for (size_t t = from; t < to; t++) {
        float weight = (float)(t + 1);
        for (size_t i = 0; i < columns; i++)
            y[i] += x[t * columns + i] * weight;
        total += weight;
    }
    for (size_t i = 0; i < columns; i++)
        y[i] /= total;
}

/* Where all rows are left out. */
static void pool_nothing(rmr_pooling mode, size_t columns, const float *x,
                         float *y)
{
    if (mode == RMR_POOLING_CLS)
        memcpy(y, x, columns * sizeof *y);
    else
        fill(columns, mode == RMR_POOLING_MAX ? -INFINITY : 0, y);
}

static void pool_one(rmr_pooling mode, const rmr_kern *kern, size_t from,
                     size_t to, size_t columns, const float *x, float *y)
{
    const float *first = x + from * columns;
    switch (mode) {
    case RMR_POOLING_CLS:
        memcpy(y, first, columns * sizeof *y);
        break;
    case RMR_POOLING_MAX:
        kern->max_rows(to - from, columns, first, y);
        break;
    case RMR_POOLING_MEAN:
        kern->mean_rows(to - from, columns, first, y);
        break;
    case RMR_POOLING_MEAN_SQRT_LEN:
        kern->mean_rows(to - from, columns, first, y);
        scale(columns, sqrtf((float)(to - from)), y);
        break;
    case RMR_POOLING_WEIGHTEDMEAN:
        weighted_mean(from, to, columns, x, y);
        break;
    case RMR_POOLING_LASTTOKEN:
        memcpy(y, x + (to - 1) * columns, columns * sizeof *y);
        break;
    }
}

void rmr_pool(const rmr_poolings *poolings, const rmr_kern *kern, size_t count,
              size_t columns, size_t prompt, const float *x, float *y)
{
    for (size_t i = 0; i < poolings->count; i++) {
        float *to = y + i * columns;
        if (prompt < count)
            pool_one(poolings->modes[i], kern, prompt, count, columns, x, to);
        else
            pool_nothing(poolings->modes[i], columns, x, to);
    }
}
