/*
 * pretokenizer_shim.c - texts through a pre-tokenizer alone, for the program in
 * Python that compares it with the reference. It must never change what the
 * pre-tokenizer gives.
 */
#include <stdlib.h>
#include <string.h>
#include "common/base/alloc.h"
#include "tokenizer/pretokenizer/pretokenizer.h"

#define SHIM_API __attribute__((visibility("default")))

typedef struct shim_word {
    uint64_t start; /* in the text */
    uint64_t end;
    uint64_t len; /* of the word's bytes */
} shim_word;

typedef struct shim {
    rmr_pre_tokenizer pre;
    struct rmr_encoder_scratch scratch;
    shim_word *words;
    size_t num_words;
    size_t word_capacity;
    unsigned char *bytes;
    size_t num_bytes;
    size_t byte_capacity;
    rmr_error err;
} shim;

/* NULL when out of memory; what else failed is in shim_message. */
SHIM_API shim *shim_open(const char *json, size_t len, int raw_bytes)
{
    shim *it = calloc(1, sizeof *it);
    json_t *value;
    if (!it || rmr_json_load(&value, json, len, "test", &it->err))
        return it;
    if (!rmr_pre_tokenizer_open(&it->pre, json_object_get(value, "it"), "test",
                                &it->err) &&
        raw_bytes && rmr_pre_tokenizer_from_bytes(&it->pre))
        rmr_pre_tokenizer_use_raw_bytes(&it->pre);
    json_decref(value);
    return it;
}

SHIM_API void shim_close(shim *it)
{
    rmr_pre_tokenizer_close(&it->pre);
    rmr_encoder_scratch_clear(&it->scratch);
    rmr_free(it->words);
    rmr_free(it->bytes);
    free(it);
}

SHIM_API const char *shim_message(const shim *it)
{
    return it->err.message;
}

SHIM_API int shim_cut(const shim *it)
{
    return rmr_pre_tokenizer_cut(&it->pre);
}

static int add_word(shim *it, rmr_span word)
{
    size_t start = word.start, end = word.end, len = end - start;
    shim_word *words = rmr_grow(it->words, &it->word_capacity,
                                it->num_words + 1, sizeof *words);
    unsigned char *bytes =
        rmr_grow(it->bytes, &it->byte_capacity, it->num_bytes + len, 1);
    if (words)
        it->words = words;
    if (bytes)
        it->bytes = bytes;
    if (!words || !bytes)
        return 0;
    rmr_normalized_to_text(it->scratch.text, &start, &end);
    words[it->num_words++] = (shim_word){start, end, len};
    memcpy(bytes + it->num_bytes, it->scratch.text->bytes + word.start, len);
    it->num_bytes += len;
    return 1;
}

/* Cuts text[from, to) into words and appends them; the status. */
SHIM_API int shim_run(shim *it, const char *text, size_t from, size_t to)
{
    struct rmr_encoder_scratch *s = &it->scratch;
    s->base = s->texts;
    if (!rmr_normalized_set(s->base, (const unsigned char *)text, from, to))
        return RMR_ERR_NOMEM;
    rmr_status status = rmr_pre_tokenizer_run(&it->pre, 0, s->base->len, s);
    for (size_t i = 0; i < s->words.count && !status; i++) {
        if (!add_word(it, s->words.spans[i]))
            return RMR_ERR_NOMEM;
    }
    return status;
}

/* Forgets the words. */
SHIM_API void shim_clear(shim *it)
{
    it->num_words = 0;
    it->num_bytes = 0;
}

SHIM_API size_t shim_count(const shim *it)
{
    return it->num_words;
}

SHIM_API const shim_word *shim_words(const shim *it)
{
    return it->words;
}

SHIM_API const unsigned char *shim_bytes(const shim *it)
{
    return it->bytes;
}
