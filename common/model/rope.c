/*
 * rope.c - the paces of rotary positions, by their ways of scaling, and the
 * turning itself. It must never compute an angle in more than the float32 that
 * the reference has: models were trained with those.
 */
#include "common/model/rope.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------ reading
 */

typedef struct rope_number {
    const char *name;
    double fallback; /* NAN: it must be there */
    float *out;
} rope_number;

/* Numbers above 0. */
static rmr_status read_numbers(rmr_json_source source,
                               const rope_number *numbers, size_t count,
                               rmr_error *err)
{
    for (size_t i = 0; i < count; i++) {
        double value;
        rmr_status status = rmr_json_get_number(
            source, numbers[i].name, numbers[i].fallback, &value, err);
        if (status)
            return status;
        if (!(value > 0 && value < 1e30)) {
            return rmr_fail(err, RMR_ERR_RANGE,
                            "%s: \"%s\" must be greater than 0", source.name,
                            numbers[i].name);
        }
        *numbers[i].out = (float)value;
    }
    return RMR_OK;
}

static rmr_status read_llama3(rmr_rope *rope, rmr_json_source source,
                              rmr_error *err)
{
    const rope_number numbers[] = {
        {"factor", NAN, &rope->factor},
        {"low_freq_factor", NAN, &rope->low_freq_factor},
        {"high_freq_factor", NAN, &rope->high_freq_factor},
        {"original_max_position_embeddings", NAN, &rope->original_positions},
    };
    rmr_status status = read_numbers(source, numbers, 4, err);
    if (!status && !(rope->high_freq_factor > rope->low_freq_factor)) {
        status = rmr_fail(err, RMR_ERR_RANGE,
                          "%s: \"high_freq_factor\" must be greater than "
                          "\"low_freq_factor\"",
                          source.name);
    }
    return status;
}

static rmr_status read_ntk(rmr_rope *rope, rmr_json_source source,
                           rmr_error *err)
{
    const json_t *mixed = json_object_get(source.object, "mixed_b");
    const rope_number numbers[] = {{"factor", NAN, &rope->factor},
                                   {"mixed_b", NAN, &rope->mixed_b}};
    int is_mixed = mixed && !json_is_null(mixed);
    if (is_mixed)
        rope->scaling = RMR_ROPE_NTK_MIXED;
    return read_numbers(source, numbers, is_mixed ? 2 : 1, err);
}

/* An object with "rope_type", as older files say "type", and what goes with it.
 */
static rmr_status read_scaling(rmr_rope *rope, rmr_json_source source,
                               rmr_error *err)
{
    const char *type;
    const rope_number factor[] = {{"factor", NAN, &rope->factor}};
    const char *field =
        json_object_get(source.object, "rope_type") ? "rope_type" : "type";
    rmr_status status =
        rmr_json_get_string(source, field, "default", &type, err);
    if (status || strcmp(type, "default") == 0)
        return status;
    if (strcmp(type, "linear") == 0) {
        rope->scaling = RMR_ROPE_LINEAR;
        return read_numbers(source, factor, 1, err);
    }
    if (strcmp(type, "llama3") == 0) {
        rope->scaling = RMR_ROPE_LLAMA3;
        return read_llama3(rope, source, err);
    }
    if (strcmp(type, "ntk") == 0) {
        rope->scaling = RMR_ROPE_NTK;
        return read_ntk(rope, source, err);
    }
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s: the \"%s\" \"%s\" is not supported; default, linear, "
                    "llama3 and ntk are",
                    source.name, field, type);
}

/* A field that is an object; NULL where there is none. */
static rmr_status get_object(rmr_json_source source, const char *field,
                             const json_t **out, rmr_error *err)
{
    *out = json_object_get(source.object, field);
    if (json_is_null(*out))
        *out = NULL;
    if (!*out || json_is_object(*out))
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_FORMAT, "%s: \"%s\" must be an object",
                    source.name, field);
}

/* As newer files say it. */
static rmr_status read_parameters(rmr_rope *rope, rmr_json_source source,
                                  const char *layers, rmr_error *err)
{
    const rope_number theta[] = {{"rope_theta", rope->theta, &rope->theta}};
    const json_t *apart = NULL;
    rmr_status status = RMR_OK;
    if (layers)
        status = get_object(source, layers, &apart, err);
    if (apart)
        source.object = apart;
    if (!status)
        status = read_numbers(source, theta, 1, err);
    if (!status)
        status = read_scaling(rope, source, err);
    return status;
}

rmr_status rmr_rope_read(rmr_rope *rope, rmr_json_source source,
                         const rmr_rope_names *names, rmr_error *err)
{
    const rope_number theta[] = {{names->theta, rope->theta, &rope->theta}};
    rmr_json_source inner = source;
    rmr_status status =
        get_object(source, "rope_parameters", &inner.object, err);
    if (status)
        return status;
    if (inner.object)
        return read_parameters(rope, inner, names->layers, err);
    status = read_numbers(source, theta, 1, err);
    if (!status && names->scaling)
        status = get_object(source, names->scaling, &inner.object, err);
    if (!status && inner.object)
        status = read_scaling(rope, inner, err);
    return status;
}

/* -------------------------------------------------------------------- paces
 */

/* 1 / base^(2 i / size). */
static float pace(const rmr_rope *rope, float base, size_t i)
{
    return 1 / powf(base, (float)(2 * i) / (float)rope->size);
}

/* Of waves longer than what the model saw, of shorter ones, and between (Llama
 * 3.1). */
static float llama3_pace(const rmr_rope *rope, float plain)
{
    const float turn = 6.28318531f;
    float wave = turn / plain, trained = rope->original_positions;
    float low = rope->low_freq_factor, high = rope->high_freq_factor;
    if (wave < trained / high)
        return plain;
    if (wave > trained / low)
        return plain / rope->factor;
    float smooth = (trained / wave - low) / (high - low);
    return (1 - smooth) * plain / rope->factor + smooth * plain;
}

/* Of pair i, counted from 0. */
static float scaled_pace(const rmr_rope *rope, size_t length, size_t i)
{
    float size = (float)rope->size, factor = rope->factor;
    float plain = pace(rope, rope->theta, i);
    switch (rope->scaling) {
    case RMR_ROPE_PLAIN:
        break;
    case RMR_ROPE_LINEAR:
        return plain / factor;
    case RMR_ROPE_LLAMA3:
        return llama3_pace(rope, plain);
    case RMR_ROPE_NTK:
        return pace(rope, rope->theta * factor, i) / powf(factor, 2 / size);
    case RMR_ROPE_NTK_MIXED: {
        float rate = logf(factor) / powf(size / 2, rope->mixed_b);
        return plain / expf(rate * powf((float)(i + 1), rope->mixed_b));
    }
    case RMR_ROPE_DYNAMIC: {
        float trained = rope->original_positions;
        if ((float)length <= trained)
            break;
        float longer = factor * (float)length / trained - (factor - 1);
        return pace(rope, rope->theta * powf(longer, size / (size - 2)), i);
    }
    }
    return plain;
}

/* ------------------------------------------------------------------ turning
 */

void rmr_rope_fill(const rmr_rope *rope, size_t length, size_t first,
                   size_t last, float *turns)
{
    size_t pairs = rope->size / 2;
    for (size_t i = 0; i < pairs; i++) {
        float each = scaled_pace(rope, length, i), *to = turns + i;
        for (size_t p = first; p < last; p++, to += rope->size) {
            float angle = (float)p * each;
            to[0] = cosf(angle);
            to[pairs] = sinf(angle);
        }
    }
}

static inline void turn_pair(float cosine, float sine, float *a, float *b)
{
    float x = *a, y = *b;
    *a = x * cosine - y * sine;
    *b = y * cosine + x * sine;
}

void rmr_rope_turn(const rmr_rope *rope, const float *turns, float *head)
{
    size_t pairs = rope->size / 2;
    const float *sines = turns + pairs;
    for (size_t i = 0; i < pairs && !rope->interleaved; i++)
        turn_pair(turns[i], sines[i], &head[i], &head[pairs + i]);
    for (size_t i = 0; i < pairs && rope->interleaved; i++)
        turn_pair(turns[i], sines[i], &head[2 * i], &head[2 * i + 1]);
}
