/*
 * tokenizer_shim.c - many texts at once through tokenizer.h, for the programs
 * in Python that compare it with the reference and time it: a call per text
 * would measure Python. It must never change or check what the tokenizer
 * gives.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "tokenizer/tokenizer.h"

#define SHIM_API __attribute__((visibility("default")))

typedef struct shim {
    rmr_tokenizer *tokenizer;
    rmr_encoding encoding;
    rmr_token *tokens; /* of all texts of the last call */
    size_t capacity;
    rmr_decoding decoding;
    rmr_error err; /* of the last text that failed */
} shim;

/* A tokenizer, of a file or of a model directory, and what one thread needs;
 * its status is in err. NULL only when out of memory. */
SHIM_API shim *shim_open(const char *path)
{
    shim *made = calloc(1, sizeof *made);
    struct stat st;

    if (!made)
        return NULL;
    if (!stat(path, &st) && S_ISDIR(st.st_mode))
        rmr_tokenizer_open_directory(&made->tokenizer, path, &made->err);
    else
        rmr_tokenizer_open(&made->tokenizer, path, &made->err);
    return made;
}

SHIM_API void shim_close(shim *it)
{
    rmr_encoding_free(&it->encoding);
    rmr_decoding_free(&it->decoding);
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

/* One text, or two with lens[1] not negative, with all options. How many tokens
 * there are, or the negative status; the result then is in *encoding. */
SHIM_API int64_t shim_pair(shim *it, const char *const texts[2],
                           const int64_t lens[2], uint32_t limit, int truncate,
                           int strategy, int stride, int no_special,
                           int code_points, const rmr_encoding **encoding)
{
    rmr_text first = {texts[0], (size_t)lens[0]};
    rmr_text second = {texts[1], (size_t)lens[1]};
    const rmr_text *other = lens[1] < 0 ? NULL : &second;
    const rmr_tokenize_options options = {
        .size = sizeof options,
        .max_tokens = limit,
        .truncate = (rmr_truncate)truncate,
        .strategy = (rmr_truncate_strategy)strategy,
        .windows = stride >= 0,
        .stride = stride < 0 ? 0 : (uint32_t)stride,
        .no_special_tokens = no_special,
    };

    rmr_status status = rmr_tokenizer_encode_pair(
        it->tokenizer, first, other, &options, &it->encoding, &it->err);
    if (status)
        return status;
    if (code_points)
        rmr_encoding_use_code_points(&it->encoding, first, other);
    *encoding = &it->encoding;
    return (int64_t)it->encoding.count;
}

SHIM_API const rmr_window *shim_windows(const rmr_encoding *encoding,
                                        size_t *count)
{
    *count = encoding->num_windows;
    return encoding->windows;
}

SHIM_API const rmr_token *shim_tokens(const rmr_encoding *encoding)
{
    return encoding->tokens;
}

SHIM_API const unsigned char *shim_texts(const rmr_encoding *encoding)
{
    return encoding->texts;
}

/* The text of ids and its length, or a negative status in it. */
SHIM_API const char *shim_decode(shim *it, const uint32_t *ids, size_t count,
                                 int skip_special, int64_t *len)
{
    rmr_status status = rmr_tokenizer_decode(
        it->tokenizer, ids, count, skip_special, &it->decoding, &it->err);

    *len = status ? status : (int64_t)it->decoding.len;
    return it->decoding.text;
}
