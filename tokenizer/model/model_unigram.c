/*
 * model_unigram.c - Unigram: a word to the pieces whose scores have the
 * greatest sum, by dynamic programming over its bytes (Kudo 2018; Viterbi). It
 * must never add scores in another order than the reference does, nor in
 * another precision.
 */
#include "tokenizer/tokenizer_internal.h"

#include <math.h>

#include "common/base/alloc.h"
#include "tokenizer/model/tokenizer_cache.h"
#include "tokenizer/text/tokenizer_utf8.h"

#define UNKNOWN_PENALTY 10.0

typedef struct unigram {
    rmr_trie pieces;
    double *scores; /* by id */
    double unk_score;
    uint32_t unk_id;        /* RMR_NO_ID: none */
    uint32_t byte_ids[256]; /* of "<0x00>" ...; RMR_NO_ID */
    int byte_fallback;
} unigram;

/* ------------------------------------------------------------------ opening */

static void close_unigram(void *self)
{
    unigram *u = self;
    rmr_trie_free(&u->pieces);
    rmr_free(u->scores);
    rmr_free(u);
}

static rmr_status read_options(unigram *u, rmr_json_source source,
                               rmr_error *err)
{
    int64_t unk_id;
    rmr_status status =
        rmr_json_get_int(source, "unk_id", 0, INT64_MAX, -1, &unk_id, err);
    if (!status)
        status = rmr_json_get_bool(source, "byte_fallback", 0,
                                   &u->byte_fallback, err);
    u->unk_id = unk_id < 0                       ? RMR_NO_ID
                : unk_id >= RMR_TOKENIZER_MAX_ID ? RMR_TOKENIZER_MAX_ID
                                                 : (uint32_t)unk_id;
    return status;
}

static rmr_status open_unigram(rmr_token_model *model,
                               const rmr_document *document, rmr_error *err)
{
    char name[RMR_JSON_NAME_SIZE];
    rmr_vocabulary *vocabulary = &model->vocabulary;
    rmr_status status;
    unigram *u = model->self = rmr_calloc(1, sizeof *u);
    rmr_tokenizer_json_name(name, document->file, "model");
    if (!u)
        return rmr_fail_nomem(err, name);
    if ((status =
             read_options(u, (rmr_json_source){document->model, name}, err)) ||
        (status = rmr_vocabulary_read_scores(vocabulary, &u->scores, document,
                                             err)) ||
        (status = rmr_vocabulary_trie(vocabulary, &u->pieces, err)))
        return status;
    if (u->unk_id != RMR_NO_ID && u->unk_id >= vocabulary->id_limit)
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"unk_id\" is not that of an entry of \"vocab\"",
                        name);
    double least = INFINITY;
    for (uint32_t id = 0; id < vocabulary->id_limit; id++)
        least = u->scores[id] < least ? u->scores[id] : least;
    u->unk_score = least - UNKNOWN_PENALTY;
    rmr_byte_token_ids(vocabulary, u->byte_ids);
    return RMR_OK;
}

/* ------------------------------------------------------------------ running */

/* The best way to get to a place of the word: by the piece that ends there. */
typedef struct node {
    double score;   /* of all pieces up to here */
    uint32_t start; /* of that piece; NOWHERE when there is no way */
    uint32_t id;
} node;
#define NOWHERE UINT32_MAX

static inline void offer(node *node, double score, size_t start, uint32_t id)
{
    if (node->start == NOWHERE || score > node->score) {
        node->score = score;
        node->start = (uint32_t)start;
        node->id = id;
    }
}

/* Fills nodes[0, len]. */
static rmr_status find_paths(const unigram *u, const unsigned char *word,
                             size_t len, node *nodes)
{
    const rmr_trie *trie = &u->pieces;
    nodes[0].score = 0;
    for (size_t i = 1; i <= len; i++)
        nodes[i].start = NOWHERE;
    for (size_t start = 0, first; start < len; start += first) {
        uint32_t code, place = RMR_TRIE_ROOT;
        double so_far = nodes[start].score;
        int has_first = 0;
        first = rmr_utf8_decode(word + start, len - start, &code);
        for (size_t end = start; end < len;) {
            place = rmr_trie_step(trie, place, word[end++]);
            if (place == RMR_TRIE_NONE)
                break;
            uint32_t id = trie->units[place].value;
            if (id == RMR_TRIE_NONE)
                continue;
            has_first |= end - start == first;
            offer(&nodes[end], u->scores[id] + so_far, start, id);
        }
        if (has_first)
            continue;
        node *next = &nodes[start + first];
        double score = u->unk_score + so_far;
        if (next->start != NOWHERE && !(score > next->score))
            continue;
        if (u->unk_id == RMR_NO_ID)
            return RMR_ERR_FORMAT;
        offer(next, score, start, u->unk_id);
    }
    return RMR_OK;
}

/* A piece that is not in the vocabulary. */
static rmr_status push_unknown(const unigram *u, const unsigned char *piece,
                               size_t len, size_t at, rmr_encoding *encoding)
{
    int all = u->byte_fallback;
    for (size_t i = 0; i < len && all; i++)
        all = u->byte_ids[piece[i]] != RMR_NO_ID;
    if (!all && u->unk_id == RMR_NO_ID)
        return RMR_ERR_FORMAT;
    if (!all)
        return rmr_encoding_push(encoding, u->unk_id, at, at + len)
                   ? RMR_OK
                   : RMR_ERR_NOMEM;
    for (size_t i = 0; i < len; i++) {
        if (!rmr_encoding_push(encoding, u->byte_ids[piece[i]], at, at + len))
            return RMR_ERR_NOMEM;
    }
    return RMR_OK;
}

/* The pieces of the best path, in order. Neighbours that are unknown are one
 * piece, which may then happen to be an entry of the vocabulary. */
static rmr_status push_path(const rmr_token_model *model,
                            const unsigned char *word, size_t len, size_t at,
                            node *nodes, rmr_encoding *encoding)
{
    const unigram *u = model->self;
    size_t last = len, next = NOWHERE;
    /* Turns the links round: each start then has where its piece ends. */
    while (last > 0) {
        size_t start = nodes[last].start;
        nodes[last].start = (uint32_t)next;
        next = last;
        last = start;
    }
    nodes[0].start = (uint32_t)next;
    for (size_t start = 0, end; start < len; start = end) {
        end = nodes[start].start;
        uint32_t id = nodes[end].id;
        rmr_status status = RMR_OK;
        if (id != u->unk_id) {
            if (!rmr_encoding_push(encoding, id, at + start, at + end))
                return RMR_ERR_NOMEM;
            continue;
        }
        while (end < len && nodes[nodes[end].start].id == id)
            end = nodes[end].start;
        id = rmr_vocabulary_find(&model->vocabulary, (const char *)word + start,
                                 end - start);
        if (id == RMR_NO_ID)
            status = push_unknown(u, word + start, end - start, at + start,
                                  encoding);
        else if (!rmr_encoding_push(encoding, id, at + start, at + end))
            return RMR_ERR_NOMEM;
        if (status)
            return status;
    }
    return RMR_OK;
}

static rmr_status run_uncached(const rmr_token_model *model,
                               const unsigned char *word, size_t len, size_t at,
                               rmr_encoding *encoding)
{
    enum { FEW = 255 };
    node few[FEW + 1], *nodes = few;
    if (len >= NOWHERE)
        return RMR_ERR_RANGE;
    if (len > FEW) {
        nodes = rmr_scratch_room(encoding->scratch, (len + 1) * sizeof *nodes);
        if (!nodes)
            return RMR_ERR_NOMEM;
    }
    rmr_status status = find_paths(model->self, word, len, nodes);
    if (!status)
        status = push_path(model, word, len, at, nodes, encoding);
    return status;
}

static rmr_status run_unigram(const rmr_token_model *model,
                              const unsigned char *word, size_t len, size_t at,
                              rmr_encoding *encoding)
{
    struct rmr_encoder_scratch *scratch = encoding->scratch;
    size_t first = encoding->count;
    if (!len || len > RMR_CACHED_BYTES)
        return run_uncached(model, word, len, at, encoding);
    if (!rmr_word_cache_open(scratch, model->number))
        return RMR_ERR_NOMEM;
    rmr_cached_word *place = rmr_word_cache_place(scratch->cache, word, len);
    if (rmr_word_cache_has(place, word, len))
        return rmr_word_cache_push(place, at, encoding) ? RMR_OK
                                                        : RMR_ERR_NOMEM;
    rmr_status status = run_uncached(model, word, len, at, encoding);
    if (!status)
        rmr_word_cache_store(place, word, len, at, encoding, first);
    return status;
}

const rmr_token_model_type rmr_model_unigram = {
    .component = {"Unigram", "`unk_id`, `byte_fallback`"},
    .open = open_unigram,
    .close = close_unigram,
    .run = run_unigram,
};
