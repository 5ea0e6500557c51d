/*
 * attention_tmpl.h - attention on the packed matrix product, once for each tier
 * and type of values. A head's keys and values are packed; then some queries at
 * a time go past some keys at a time, and keep their largest score, the sum of
 * their exponentials and their context as they go. It must never hold a whole
 * row of scores. Before it is included there must be:
 *
 *   ATTENTION(name)   its prefix
 *   VALUE             float or uint16_t (bfloat16), and VALUE_DTYPE
 *   MULTIPLY          a product_tmpl.h's multiply for that type
 *   STORE(to, v)      writes a vector of floats as such values
 */
#include <math.h>
#include <string.h>

#include "kernels/template/product.h"
#include "kernels/template/sum.h"

/* Some queries, and what is known of each so far. */
typedef struct ATTENTION(queries) {
    const rmr_attention_args *args;
    float scale; /* of scores as they are kept: 1 where they have a bias */
    size_t first, rows;
    size_t width;         /* floats of a row of context */
    const char *keys;     /* packed: columns are keys */
    const char *values;   /* packed: columns are components */
    float *scores;        /* [rows, RMR_ATTENTION_KEYS] */
    VALUE *probabilities; /* the same, in the type of values; may be scores */
    float *context;       /* [rows, width], not yet divided by totals */
    float *largest;       /* [rows], of the scaled scores */
    float *totals;        /* [rows], of the exponentials */
} ATTENTION(queries);

/* The keys of one panel, `count` of them, step by step. */
static void ATTENTION(pack_panel)(const rmr_attention_args *args,
                                  const char *keys, size_t count, char *to)
{
    size_t steps = rmr_steps(VALUE_DTYPE, args->head_size), s = 0;
    for (; count == RMR_PANEL && s + RMR_PANEL <= steps; s += RMR_PANEL)
        vec_transpose(keys + s * RMR_STEP, args->stride,
                      to + s * RMR_PANEL_STEP);
    for (; s < steps; s++) {
        uint32_t step[RMR_PANEL] = {0};
        for (size_t key = 0; key < count; key++)
            memcpy(&step[key], keys + key * args->stride + s * RMR_STEP,
                   RMR_STEP);
        memcpy(to + s * RMR_PANEL_STEP, step, sizeof step);
    }
}

static void ATTENTION(pack_keys)(const rmr_attention_args *args, char *packed)
{
    size_t steps = rmr_steps(VALUE_DTYPE, args->head_size);
    for (size_t key = 0; key < args->length; key += RMR_PANEL) {
        size_t left = args->length - key;
        ATTENTION(pack_panel)
        (args, (const char *)args->k + key * args->stride,
         left < RMR_PANEL ? left : RMR_PANEL, packed);
        packed += steps * RMR_PANEL_STEP;
    }
}

/* `count` columns of one step: the values of one key, or of two. */
static inline __attribute__((always_inline)) void
ATTENTION(pack_columns)(const VALUE *const *keys, size_t count, VALUE *to)
{
    enum { KEYS = RMR_STEP / sizeof(VALUE) };
    for (size_t c = 0; c < count; c++) {
        for (size_t i = 0; i < KEYS; i++)
            to[c * KEYS + i] = keys[i][c];
    }
}

/* One step of all panels. */
static void ATTENTION(pack_step)(const rmr_attention_args *args, size_t key,
                                 size_t steps, char *to)
{
    enum { KEYS = RMR_STEP / sizeof(VALUE) };
    static const VALUE zeros[RMR_PANEL];
    for (size_t c = 0; c < args->head_size; c += RMR_PANEL) {
        size_t left = args->head_size - c;
        const VALUE *keys[KEYS];
        for (size_t i = 0; i < KEYS; i++) {
            const char *row = (const char *)args->v + (key + i) * args->stride;
            keys[i] = key + i < args->length ? (const VALUE *)row + c : zeros;
        }
        if (left < RMR_PANEL)
            memset(to, 0, RMR_PANEL_STEP);
        if (left >= RMR_PANEL)
            ATTENTION(pack_columns)(keys, RMR_PANEL, (VALUE *)to);
        else
            ATTENTION(pack_columns)(keys, left, (VALUE *)to);
        to += steps * RMR_PANEL_STEP;
    }
}

/* Blocks of keys are packed apart, since a product's panels are as long as its
 * steps. */
static void ATTENTION(pack_values)(const rmr_attention_args *args, char *packed)
{
    enum { KEYS = RMR_STEP / sizeof(VALUE) };
    size_t panels = rmr_panels(args->head_size) / RMR_PANEL;
    for (size_t key = 0; key < args->length; key += RMR_ATTENTION_KEYS) {
        size_t left = args->length - key;
        size_t count = left < RMR_ATTENTION_KEYS ? left : RMR_ATTENTION_KEYS;
        size_t steps = rmr_steps(VALUE_DTYPE, count);
        for (size_t s = 0; s < steps; s++)
            ATTENTION(pack_step)
        (args, key + s * KEYS, steps, packed + s * RMR_PANEL_STEP);
        packed += panels * steps * RMR_PANEL_STEP;
    }
}

static inline void ATTENTION(keep_scores)(const void *context, size_t row,
                                          size_t column, size_t rows,
                                          size_t columns, void *sums)
{
    const ATTENTION(queries) *q = context;
    for (size_t r = 0; r < rows; r++) {
        const float *from = (const float *)sums + r * RMR_TILE_COLUMNS;
        float *to = q->scores + (row + r) * RMR_ATTENTION_KEYS + column;
        for (size_t c = 0; c < columns; c += VEC_WIDTH)
            VEC_STORE(to + c, VEC_LOAD(from + c));
    }
}

static inline void ATTENTION(add_context)(const void *context, size_t row,
                                          size_t column, size_t rows,
                                          size_t columns, void *sums)
{
    const ATTENTION(queries) *q = context;
    for (size_t r = 0; r < rows; r++) {
        const float *from = (const float *)sums + r * RMR_TILE_COLUMNS;
        float *to = q->context + (row + r) * q->width + column;
        for (size_t c = 0; c < columns; c += VEC_WIDTH)
            VEC_STORE(to + c, VEC_ADD(VEC_LOAD(to + c), VEC_LOAD(from + c)));
    }
}

static float ATTENTION(exp2)(float x)
{
    float result[VEC_WIDTH];
    VEC_STORE(result, RMR_NAME(exp2)(VEC_SET1(x)));
    return result[0];
}

/* 2^(scale x - largest) of whole vectors, into `to`; returns their sum, in 16
 * lanes that are folded at the end. */
static float ATTENTION(exponentials)(size_t count, float scale, float largest,
                                     float *x, VALUE *to)
{
    float lanes[RMR_LANES] = {0};
    vec totals[RMR_LANES / VEC_WIDTH];
    for (size_t v = 0; v < RMR_LANES / VEC_WIDTH; v++)
        totals[v] = VEC_SET1(0.0f);
    for (size_t i = 0; i < count; i += RMR_LANES) {
        for (size_t v = 0; v < RMR_LANES / VEC_WIDTH; v++) {
            size_t at = i + v * VEC_WIDTH;
            vec y =
                VEC_FMA(VEC_LOAD(x + at), VEC_SET1(scale), VEC_SET1(-largest));
            y = RMR_NAME(exp2)(y);
            totals[v] = VEC_ADD(totals[v], y);
            STORE(to + at, y);
        }
    }
    for (size_t v = 0; v < RMR_LANES / VEC_WIDTH; v++)
        VEC_STORE(lanes + v * VEC_WIDTH, totals[v]);
    return rmr_fold_lanes(lanes);
}

static float ATTENTION(largest)(size_t count, const float *x)
{
    float lanes[VEC_WIDTH];
    vec largest = VEC_LOAD(x);
    for (size_t i = VEC_WIDTH; i < count; i += VEC_WIDTH)
        largest = VEC_MAX(largest, VEC_LOAD(x + i));
    VEC_STORE(lanes, largest);
    for (size_t lane = 1; lane < VEC_WIDTH; lane++)
        lanes[0] = lanes[lane] > lanes[0] ? lanes[lane] : lanes[0];
    return lanes[0];
}

/* What a query makes of the distances of `count` keys, from `distance` on. */
static void ATTENTION(add_of_query)(const rmr_attention_bias *b, size_t query,
                                    ptrdiff_t distance, size_t count,
                                    int follow, float *scores)
{
    const float *row = b->of_query + query * b->stride;
    const int32_t *columns = b->columns + distance;
    if (follow) {
        row += columns[0];
        for (size_t c = 0; c < count; c += VEC_WIDTH)
            VEC_STORE(scores + c,
                      VEC_ADD(VEC_LOAD(scores + c), VEC_LOAD(row + c)));
        return;
    }
    for (size_t c = 0; c < count; c++)
        scores[c] += row[columns[c]];
}

/* What `count` keys from `first` on make of their distances to a query. */
static void ATTENTION(add_of_keys)(const rmr_attention_bias *b, size_t first,
                                   ptrdiff_t distance, size_t count, int follow,
                                   float *scores)
{
    size_t stride = b->stride;
    const float *row = b->of_key + first * stride;
    const int32_t *columns = b->columns + distance;
    if (follow) {
        row += columns[0];
        for (size_t c = 0; c < count; c++)
            scores[c] += row[c * (stride + 1)];
        return;
    }
    for (size_t c = 0; c < count; c++, row += stride)
        scores[c] += row[columns[c]];
}

/* Added to the scores of query i, which are scaled then, from key `first` on.
 */
static void ATTENTION(add_bias)(const rmr_attention_args *args, size_t i,
                                size_t first, size_t count, float *scores)
{
    const rmr_attention_bias *b = args->bias;
    ptrdiff_t distance = (ptrdiff_t)first - (ptrdiff_t)i;
    ptrdiff_t near = (ptrdiff_t)b->near;
    int follow = distance >= -near && distance + (ptrdiff_t)count - 1 <= near;
    if (b->of_query)
        ATTENTION(add_of_query)(b, i, distance, count, follow, scores);
    if (b->of_key)
        ATTENTION(add_of_keys)(b, first, distance, count, follow, scores);
    vec scale = VEC_SET1(args->scale);
    for (size_t c = 0; c < count; c += VEC_WIDTH) {
        vec score = VEC_MUL(VEC_LOAD(scores + c), scale);
        if (b->distance)
            score =
                VEC_ADD(score, VEC_LOAD(b->distance + distance + (ptrdiff_t)c));
        VEC_STORE(scores + c, score);
    }
}

/* What query i does not see of `count` keys from `first` on. */
static void ATTENTION(hide)(const rmr_attention_bias *b, size_t i, size_t first,
                            size_t count, float *scores)
{
    size_t from = i > b->before ? i - b->before : 0;
    size_t to = b->after < SIZE_MAX - i ? i + b->after + 1 : SIZE_MAX;
    for (size_t j = first; j < from && j < first + count; j++)
        scores[j - first] = -INFINITY;
    for (size_t j = first > to ? first : to; j < first + count; j++)
        scores[j - first] = -INFINITY;
}

/* Whether some of the queries [query, query + rows) sees some of the keys
 * [first, first + count). */
static int ATTENTION(sees)(const rmr_attention_bias *b, size_t query,
                           size_t rows, size_t first, size_t count)
{
    size_t last = first + count - 1, last_query = query + rows - 1;
    if (!b)
        return 1;
    return !(first > last_query && first - last_query > b->after) &&
           !(last < query && query - last > b->before);
}

/* The scores of one query with `count` keys to the exponentials of what they
 * are above the largest so far; what was summed before is brought in line. A
 * NaN comes out as NaN, whatever the largest is. */
static void ATTENTION(take_scores)(const ATTENTION(queries) * q, size_t row,
                                   size_t count)
{
    /* Powers of 2 for those of e: scores are scaled by log2(e) more. */
    float scale = q->scale * 1.44269504f, before = q->largest[row];
    float *scores = q->scores + row * RMR_ATTENTION_KEYS;
    float *context = q->context + row * q->width;
    VALUE *to = q->probabilities + row * RMR_ATTENTION_KEYS;
    /* What is beyond the last key counts nothing. */
    for (size_t i = count; i < rmr_panels(count); i++)
        scores[i] = -INFINITY;
    float largest = ATTENTION(largest)(rmr_panels(count), scores) * scale;
    largest = before > largest ? before : largest;
    float total =
        ATTENTION(exponentials)(rmr_panels(count), scale, largest, scores, to);
    if (before > -INFINITY) {
        float rest = ATTENTION(exp2)(before - largest);
        total += q->totals[row] * rest;
        for (size_t c = 0; c < q->width; c++)
            context[c] *= rest;
    }
    q->largest[row] = largest;
    q->totals[row] = total;
}

/* The same for keys from `first` on, whatever the bias. */
static void ATTENTION(take_row)(const ATTENTION(queries) * q, size_t row,
                                size_t first, size_t count)
{
    const rmr_attention_args *args = q->args;
    size_t query = q->first + row;
    if (!ATTENTION(sees)(args->bias, query, 1, first, count)) {
        VALUE *to = q->probabilities + row * RMR_ATTENTION_KEYS;
        memset(to, 0, rmr_panels(count) * sizeof *to);
        return;
    }
    if (args->bias) {
        float *scores = q->scores + row * RMR_ATTENTION_KEYS;
        ATTENTION(add_bias)(args, query, first, count, scores);
        ATTENTION(hide)(args->bias, query, first, count, scores);
    }
    ATTENTION(take_scores)(q, row, count);
}

/* `count` keys from `first` on. */
static void ATTENTION(attend_keys)(const ATTENTION(queries) * q, size_t first,
                                   const char *keys, size_t count,
                                   const char *values)
{
    const rmr_attention_args *args = q->args;
    rmr_product scores = {
        .rows = q->rows,
        .steps = rmr_steps(VALUE_DTYPE, args->head_size),
        .panels = rmr_panels(count) / RMR_PANEL,
        .left = (const char *)args->q + q->first * args->stride,
        .stride = args->stride,
        .right = keys,
    };
    MULTIPLY(&scores, ATTENTION(keep_scores), q);
    for (size_t r = 0; r < q->rows; r++)
        ATTENTION(take_row)(q, r, first, count);
    rmr_product context = {
        .rows = q->rows,
        .steps = rmr_steps(VALUE_DTYPE, count),
        .panels = q->width / RMR_PANEL,
        .left = (const char *)q->probabilities,
        .stride = RMR_ATTENTION_KEYS * sizeof(VALUE),
        .right = values,
    };
    MULTIPLY(&context, ATTENTION(add_context), q);
}

static void ATTENTION(attend)(const ATTENTION(queries) * q)
{
    const rmr_attention_args *args = q->args;
    size_t head_steps = rmr_steps(VALUE_DTYPE, args->head_size);
    const char *keys = q->keys, *values = q->values;
    memset(q->context, 0, q->rows * q->width * sizeof *q->context);
    for (size_t r = 0; r < q->rows; r++)
        q->largest[r] = -INFINITY;
    for (size_t key = 0; key < args->length; key += RMR_ATTENTION_KEYS) {
        size_t left = args->length - key;
        size_t count = left < RMR_ATTENTION_KEYS ? left : RMR_ATTENTION_KEYS;
        if (ATTENTION(sees)(args->bias, q->first, q->rows, key, count))
            ATTENTION(attend_keys)(q, key, keys, count, values);
        keys += RMR_ATTENTION_KEYS * head_steps * RMR_STEP;
        values += q->width * rmr_steps(VALUE_DTYPE, count) * RMR_STEP;
    }
    for (size_t r = 0; r < q->rows; r++) {
        float *row = q->context + r * q->width, inverse = 1 / q->totals[r];
        for (size_t c = 0; c < args->head_size; c++)
            row[c] *= inverse;
        void *to =
            (char *)args->context + (q->first + r) * args->context_stride;
        if (args->context_dtype == RMR_DTYPE_F32)
            RMR_NAME(write_f32)(args->head_size, row, to);
        else
            RMR_NAME(write_bf16)(args->head_size, row, to);
    }
}

static void ATTENTION(head)(const rmr_attention_args *args)
{
    size_t width = rmr_panels(args->head_size);
    size_t packed = width * rmr_panels(args->length);
    size_t block = RMR_ATTENTION_ROWS * RMR_ATTENTION_KEYS;
    float *keys = args->scratch, *values = keys + packed;
    float *scores = values + packed, *probabilities = scores + block;
    float *context = probabilities + block;
    float *largest = context + RMR_ATTENTION_ROWS * width;
    ATTENTION(queries)
    q = {.args = args,
         .scale = args->bias ? 1 : args->scale,
         .width = width,
         .keys = (const char *)keys,
         .values = (const char *)values,
         .scores = scores,
         .probabilities =
             (VALUE *)(sizeof(VALUE) == sizeof(float) ? scores : probabilities),
         .context = context,
         .largest = largest,
         .totals = largest + RMR_ATTENTION_ROWS};
    ATTENTION(pack_keys)(args, (char *)keys);
    ATTENTION(pack_values)(args, (char *)values);
    for (size_t row = 0; row < args->length; row += RMR_ATTENTION_ROWS) {
        size_t left = args->length - row;
        q.first = row;
        q.rows = left < RMR_ATTENTION_ROWS ? left : RMR_ATTENTION_ROWS;
        ATTENTION(attend)(&q);
    }
}

#undef ATTENTION
#undef VALUE
#undef VALUE_DTYPE
#undef MULTIPLY
#undef STORE
