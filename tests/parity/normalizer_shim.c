/*
 * normalizer_shim.c - a normalizer alone, for normalizer_live.py: each
 * character of the normal form with the part of the text that it stands for.
 * It must never change or check what the normalizer gives.
 */
#include <stdlib.h>
#include <string.h>
#include "tokenizer/tokenizer_internal.h"
#include "tokenizer/text/tokenizer_utf8.h"

#define SHIM_API __attribute__((visibility("default")))

typedef struct shim_char {
    uint32_t code;
    uint32_t start;
    uint32_t end;
} shim_char;

typedef struct shim {
    rmr_normalizer normalizer;
    struct rmr_encoder_scratch scratch;
    shim_char *chars; /* of all texts of the last call */
    size_t count;
    size_t capacity;
    rmr_error err;
} shim;

SHIM_API shim *shim_open(const char *json, size_t len)
{
    shim *it = calloc(1, sizeof *it);
    json_t *value;

    if (!it)
        return NULL;
    if (!rmr_json_load(&value, json, len, "normalizer.json", &it->err)) {
        rmr_normalizer_open(&it->normalizer, value, "normalizer.json",
                            &it->err);
        json_decref(value);
    }
    return it;
}

SHIM_API void shim_close(shim *it)
{
    rmr_normalizer_close(&it->normalizer);
    rmr_encoder_scratch_clear(&it->scratch);
    free(it->chars);
    free(it);
}

/* NULL when the normalizer is open. */
SHIM_API const char *shim_message(const shim *it)
{
    return it->err.status ? it->err.message : NULL;
}

SHIM_API int shim_local(const shim *it)
{
    return rmr_normalizer_local(&it->normalizer);
}

static int keep(shim *it, shim_char c)
{
    if (it->count == it->capacity) {
        size_t capacity = it->capacity * 2 + 1024;
        shim_char *chars = realloc(it->chars, capacity * sizeof *chars);

        if (!chars)
            return 0;
        it->chars = chars;
        it->capacity = capacity;
    }
    it->chars[it->count++] = c;
    return 1;
}

static int run(shim *it, const char *blob, size_t from, size_t to)
{
    if (rmr_normalizer_run(&it->normalizer, (const unsigned char *)blob, from,
                           to, &it->scratch))
        return 0;
    rmr_normalized *text = it->scratch.text;
    for (size_t at = 0; at < text->len;) {
        shim_char c;
        size_t start = at;

        at += rmr_utf8_decode(text->bytes + at, text->len - at, &c.code);
        size_t end = at;
        rmr_normalized_to_text(text, &start, &end);
        c.start = (uint32_t)start;
        c.end = (uint32_t)end;
        if (!keep(it, c))
            return 0;
    }
    return 1;
}

/* Normalizes text i, blob[at[i], at[i + 1]), in two parts where cut[i] is not
 * 0, the second one beginning there. counts[i] is how many characters it gave.
 * NULL when one failed. */
SHIM_API const shim_char *shim_run(shim *it, const char *blob,
                                   const uint64_t *at, const uint64_t *cut,
                                   size_t count, uint64_t *counts)
{
    it->count = 0;
    for (size_t i = 0; i < count; i++) {
        size_t before = it->count;

        if (cut[i]) {
            it->scratch.open_end = 1;
            if (!run(it, blob, at[i], cut[i]))
                return NULL;
            it->scratch.open_end = 0;
            it->scratch.open_start = 1;
        }
        if (!run(it, blob, cut[i] ? cut[i] : at[i], at[i + 1]))
            return NULL;
        it->scratch.open_start = 0;
        counts[i] = it->count - before;
    }
    return it->chars ? it->chars : calloc(1, sizeof *it->chars);
}
