/*
 * model_wordpiece.c - WordPiece: a word to the longest pieces from its
 * beginning on, or to the unknown token (greedy longest match first, Schuster
 * and Nakajima 2012). It must never spend more on a byte than the longest
 * entry of the vocabulary is long.
 */
#include "tokenizer/tokenizer_internal.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_utf8.h"

typedef struct wordpiece {
    rmr_trie pieces;
    uint32_t unk_id;
    uint32_t continuing; /* where in the trie the pieces inside a word are, or
                          * RMR_TRIE_NONE */
    size_t max_word_chars;
} wordpiece;

static void close_wordpiece(void *self)
{
    wordpiece *w = self;
    rmr_trie_free(&w->pieces);
    rmr_free(w);
}

/* The strings that need the vocabulary to be of use. */
typedef struct options {
    const char *unk;
    const char *prefix;
    size_t unk_len;
    size_t prefix_len;
} options;

static rmr_status read_options(wordpiece *w, options *o, rmr_json_source source,
                               rmr_error *err)
{
    int64_t max_chars;
    rmr_status status;
    if ((status = rmr_tokenizer_get_bytes(source, "unk_token", &o->unk,
                                          &o->unk_len, err)) ||
        (status = rmr_tokenizer_get_bytes(source, "continuing_subword_prefix",
                                          &o->prefix, &o->prefix_len, err)) ||
        (status =
             rmr_json_get_int(source, "max_input_chars_per_word", 0, INT64_MAX,
                              RMR_JSON_REQUIRED, &max_chars, err)))
        return status;
    w->max_word_chars = (size_t)max_chars;
    return RMR_OK;
}

static rmr_status open_wordpiece(rmr_token_model *model,
                                 const rmr_document *document, rmr_error *err)
{
    char name[RMR_JSON_NAME_SIZE];
    options o;
    rmr_status status;
    wordpiece *w = model->self = rmr_calloc(1, sizeof *w);
    rmr_tokenizer_json_name(name, document->file, "model");
    if (!w)
        return rmr_fail_nomem(err, name);
    if ((status = read_options(w, &o, (rmr_json_source){document->model, name},
                               err)) ||
        (status = rmr_vocabulary_read(&model->vocabulary, document, err)) ||
        (status = rmr_vocabulary_trie(&model->vocabulary, &w->pieces, err)))
        return status;
    w->unk_id = rmr_vocabulary_find(&model->vocabulary, o.unk, o.unk_len);
    w->continuing =
        rmr_trie_follow(&w->pieces, RMR_TRIE_ROOT,
                        (const unsigned char *)o.prefix, o.prefix_len);
    return RMR_OK;
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

static rmr_status push_unknown(const wordpiece *w, size_t at, size_t len,
                               rmr_encoding *encoding)
{
    if (w->unk_id == RMR_NO_ID)
        return RMR_ERR_FORMAT;
    return rmr_encoding_push(encoding, w->unk_id, at, at + len) ? RMR_OK
                                                                : RMR_ERR_NOMEM;
}

static rmr_status run_wordpiece(const rmr_token_model *model,
                                const unsigned char *word, size_t len,
                                size_t at, rmr_encoding *encoding)
{
    const wordpiece *w = model->self;
    size_t before = encoding->count;
    uint32_t node = RMR_TRIE_ROOT, id = 0;
    if (is_longer(word, len, w->max_word_chars))
        return push_unknown(w, at, len, encoding);
    for (size_t from = 0; from < len;) {
        size_t n = 0;
        if (node != RMR_TRIE_NONE)
            n = longest_piece(&w->pieces, node, word + from, len - from, &id);
        if (!n) {
            encoding->count = before;
            return push_unknown(w, at, len, encoding);
        }
        if (!rmr_encoding_push(encoding, id, at + from, at + from + n))
            return RMR_ERR_NOMEM;
        from += n;
        node = w->continuing;
    }
    return RMR_OK;
}

const rmr_token_model_type rmr_model_wordpiece = {
    .component = {"WordPiece", "`unk_token`, `continuing_subword_prefix`, "
                               "`max_input_chars_per_word`"},
    .open = open_wordpiece,
    .close = close_wordpiece,
    .run = run_wordpiece,
};
