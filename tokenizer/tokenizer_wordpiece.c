/*
 * tokenizer_wordpiece.c - the WordPiece model and its vocabulary: a word to
 * the longest pieces from its beginning on, or to the unknown token. It must
 * never spend more on a byte than the longest entry of the vocabulary is long.
 */
#include "tokenizer/tokenizer_internal.h"

#include <limits.h>
#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/tokenizer_utf8.h"

/* --------------------------------------------------------------- vocabulary */

static rmr_status bad_entry(const char *name, const char *entry,
                            const char *problem, rmr_error *err)
{
    return rmr_fail(err, RMR_ERR_FORMAT, "%s: the id of \"%.*s\" %s", name,
                    rmr_tokenizer_quoted(entry), entry, problem);
}

/* Sizes of what is to come: bytes of all strings, largest id. */
static rmr_status measure(const json_t *vocab, const char *name, size_t *bytes,
                          uint32_t *id_limit, rmr_error *err)
{
    const char *entry;
    json_t *value;
    *bytes = 0;
    *id_limit = 0;
    json_object_foreach((json_t *)vocab, entry, value)
    {
        if (!json_is_integer(value))
            return bad_entry(name, entry, "must be a whole number", err);
        json_int_t id = json_integer_value(value);
        if (id < 0)
            return bad_entry(name, entry, "is negative", err);
        if (id >= RMR_TOKENIZER_MAX_ID)
            return bad_entry(name, entry, "is 16777216 or more", err);
        *bytes += strlen(entry) + 1;
        if ((uint32_t)id >= *id_limit)
            *id_limit = (uint32_t)id + 1;
    }
    if (*bytes >= UINT32_MAX)
        return rmr_fail(err, RMR_ERR_RANGE, "%s has over 4 GiB of strings",
                        name);
    return RMR_OK;
}

/* Copies the strings, and makes the keys of the trie that point to them. */
static rmr_status copy_strings(rmr_vocabulary *v, const json_t *vocab,
                               const char *name, rmr_trie_key *keys,
                               rmr_error *err)
{
    const char *entry;
    json_t *value;
    size_t at = 0;
    json_object_foreach((json_t *)vocab, entry, value)
    {
        uint32_t id = (uint32_t)json_integer_value(value);
        size_t len = strlen(entry);
        if (v->string_at[id])
            return bad_entry(name, entry, "is that of another entry too", err);
        memcpy(v->strings + at, entry, len + 1);
        v->string_at[id] = (uint32_t)at + 1;
        *keys++ = (rmr_trie_key){(unsigned char *)v->strings + at, len, id};
        at += len + 1;
    }
    return RMR_OK;
}

static rmr_status open_vocabulary(rmr_vocabulary *v, const json_t *vocab,
                                  const char *file, rmr_error *err)
{
    char name[RMR_JSON_NAME_SIZE];
    size_t bytes;
    rmr_tokenizer_json_name(name, file, "model.vocab");
    rmr_status status = rmr_tokenizer_need_object(vocab, name, err);
    if (status || (status = measure(vocab, name, &bytes, &v->id_limit, err)))
        return status;
    v->count = json_object_size(vocab);
    v->strings = rmr_malloc(bytes);
    v->string_at = rmr_calloc(v->id_limit, sizeof *v->string_at);
    rmr_trie_key *keys = rmr_malloc_array(v->count, sizeof *keys);
    if (!v->strings || !v->string_at || !keys)
        status = rmr_fail_nomem(err, name);
    else if (!(status = copy_strings(v, vocab, name, keys, err)))
        status = rmr_trie_build(&v->trie, keys, v->count, err);
    rmr_free(keys);
    return status;
}

uint32_t rmr_vocabulary_find(const rmr_vocabulary *vocabulary,
                             const char *string, size_t len)
{
    return rmr_trie_find(&vocabulary->trie, (const unsigned char *)string, len);
}

/* -------------------------------------------------------------------- model */

/* The reference tells a model without a type by its fields. */
static rmr_status need_wordpiece(rmr_json_source source, rmr_error *err)
{
    const char *type;
    if (!json_object_get(source.object, "type") &&
        json_object_get(source.object, "unk_token") &&
        json_object_get(source.object, "continuing_subword_prefix") &&
        !json_object_get(source.object, "merges"))
        return RMR_OK;
    rmr_status status = rmr_json_get_string(source, "type", NULL, &type, err);
    if (!status && strcmp(type, "WordPiece"))
        status = rmr_tokenizer_unsupported(source, "WordPiece", err);
    return status;
}

static rmr_status read_model(rmr_token_model *model, rmr_json_source source,
                             const char *file, rmr_error *err)
{
    const char *unk, *prefix;
    int64_t max_chars;
    rmr_status status;
    if ((status = need_wordpiece(source, err)) ||
        (status = rmr_json_get_string(source, "unk_token", NULL, &unk, err)) ||
        (status = rmr_json_get_string(source, "continuing_subword_prefix", NULL,
                                      &prefix, err)) ||
        (status =
             rmr_json_get_int(source, "max_input_chars_per_word", 0, INT64_MAX,
                              RMR_JSON_REQUIRED, &max_chars, err)))
        return status;
    const json_t *vocab = json_object_get(source.object, "vocab");
    if (!vocab)
        return rmr_fail(err, RMR_ERR_FORMAT, "%s has no \"vocab\"",
                        source.name);
    if ((status = open_vocabulary(&model->vocabulary, vocab, file, err)))
        return status;
    model->max_word_chars = (size_t)max_chars;
    model->unk_id = rmr_vocabulary_find(&model->vocabulary, unk, strlen(unk));
    if (model->unk_id == RMR_TRIE_NONE)
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"unk_token\" is not in \"vocab\"", source.name);
    model->continuing =
        rmr_trie_follow(&model->vocabulary.trie, RMR_TRIE_ROOT,
                        (const unsigned char *)prefix, strlen(prefix));
    return RMR_OK;
}

rmr_status rmr_token_model_open(rmr_token_model *model, const json_t *value,
                                const char *file, rmr_error *err)
{
    char name[RMR_JSON_NAME_SIZE];
    memset(model, 0, sizeof *model);
    rmr_tokenizer_json_name(name, file, "model");
    rmr_status status = rmr_tokenizer_need_object(value, name, err);
    if (!status)
        status = read_model(model, (rmr_json_source){value, name}, file, err);
    if (status)
        rmr_token_model_close(model);
    return status;
}

void rmr_token_model_close(rmr_token_model *model)
{
    rmr_free(model->vocabulary.strings);
    rmr_free(model->vocabulary.string_at);
    rmr_trie_free(&model->vocabulary.trie);
    memset(model, 0, sizeof *model);
}

/* Whether a word has more than max characters. */
static int is_longer(const unsigned char *word, size_t len, size_t max)
{
    if (len <= max)
        return 0;
    size_t chars = 0;
    for (size_t i = 0; i < len; i++)
        chars += !rmr_utf8_is_continuation(word[i]);
    return chars > max;
}

/* The longest string below `node` that the bytes begin with: its length, 0
 * for none, and its id. */
static size_t longest_piece(const rmr_trie *trie, uint32_t node,
                            const unsigned char *bytes, size_t len,
                            uint32_t *id)
{
    size_t longest = 0;
    for (size_t i = 0; i < len; i++) {
        node = rmr_trie_step(trie, node, bytes[i]);
        if (node == RMR_TRIE_NONE)
            break;
        if (trie->units[node].value != RMR_TRIE_NONE) {
            *id = trie->units[node].value;
            longest = i + 1;
        }
    }
    return longest;
}

int rmr_token_model_run(const rmr_token_model *model, const unsigned char *word,
                        size_t len, size_t at, rmr_encoding *encoding)
{
    const rmr_trie *trie = &model->vocabulary.trie;
    size_t before = encoding->count;
    uint32_t node = RMR_TRIE_ROOT, id = 0;
    if (is_longer(word, len, model->max_word_chars))
        return rmr_encoding_push(encoding, model->unk_id, at, at + len);
    for (size_t from = 0; from < len;) {
        size_t n = 0;
        if (node != RMR_TRIE_NONE)
            n = longest_piece(trie, node, word + from, len - from, &id);
        if (!n) {
            encoding->count = before;
            return rmr_encoding_push(encoding, model->unk_id, at, at + len);
        }
        if (!rmr_encoding_push(encoding, id, at + from, at + from + n))
            return 0;
        from += n;
        node = model->continuing;
    }
    return 1;
}
