/*
 * tokenizer_shim.c - many texts at once through tokenizer.h, for the programs
 * in Python that compare it with the reference and time it: a call per text
 * would measure Python. It must never change or check what the tokenizer
 * gives.
 */
#include <stdlib.h>
#include <string.h>
#include "tokenizer/tokenizer.h"

#define SHIM_API __attribute__((visibility("default")))

typedef struct shim {
    rmr_tokenizer *tokenizer;
    rmr_encoding encoding;
    rmr_token *tokens; /* of all texts of the last call */
    size_t capacity;
    rmr_error err; /* of the last text that failed */
} shim;

/* A tokenizer and what one thread needs; its status is in err. NULL only when
 * out of memory. */
SHIM_API shim *shim_open(const char *path)
{
    shim *made = calloc(1, sizeof *made);

    if (made)
        rmr_tokenizer_open(&made->tokenizer, path, &made->err);
    return made;
}

SHIM_API void shim_close(shim *it)
{
    rmr_encoding_free(&it->encoding);
    rmr_tokenizer_close(it->tokenizer);
    free(it->tokens);
    free(it);
}

SHIM_API int shim_status(const shim *it)
{
    return it->tokenizer ? 0 : it->err.status;
}

SHIM_API const char *shim_message(const shim *it)
{
    return it->err.message;
}

SHIM_API const char *shim_string(const shim *it, uint32_t id)
{
    return rmr_tokenizer_string(it->tokenizer, id);
}

/* Encodes text i, blob[at[i], at[i + 1]). counts[i] is its number of tokens or
 * the negative status, cut[i] whether it was truncated. The tokens of all lie
 * one after another; NULL when out of memory. */
SHIM_API const rmr_token *shim_encode(shim *it, const char *blob,
                                      const uint64_t *at, size_t count,
                                      size_t limit, int truncate,
                                      int64_t *counts, unsigned char *cut)
{
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        rmr_status status = rmr_tokenizer_encode(
            it->tokenizer, blob + at[i], at[i + 1] - at[i], limit,
            (rmr_truncate)truncate, &it->encoding, &it->err);
        size_t need = used + (status ? 0 : it->encoding.count);

        counts[i] = status ? status : (int64_t)it->encoding.count;
        cut[i] = !status && it->encoding.truncated;
        if (need >= it->capacity) {
            rmr_token *grown =
                realloc(it->tokens, (need * 2 + 64) * sizeof *grown);
            if (!grown)
                return NULL;
            it->tokens = grown;
            it->capacity = need * 2 + 64;
        }
        if (need > used)
            memcpy(it->tokens + used, it->encoding.tokens,
                   (need - used) * sizeof *it->tokens);
        used = need;
    }
    return it->tokens;
}

/* The same without keeping anything, to be timed; the number of tokens. */
SHIM_API uint64_t shim_run(shim *it, const char *blob, const uint64_t *at,
                           size_t count, size_t limit)
{
    uint64_t tokens = 0;

    for (size_t i = 0; i < count; i++)
        if (!rmr_tokenizer_encode(it->tokenizer, blob + at[i],
                                  at[i + 1] - at[i], limit, RMR_TRUNCATE_END,
                                  &it->encoding, &it->err))
            tokens += it->encoding.count;
    return tokens;
}
