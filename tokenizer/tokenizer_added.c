/*
 * tokenizer_added.c - added tokens: strings that are cut out of the text
 * before anything else looks at it. It must never find one where the
 * reference would not, and never walk over the same white space twice.
 */
#include "tokenizer/tokenizer_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_unicode.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* ------------------------------------------------------------------ opening */

static rmr_status read_token(rmr_added_token *token, rmr_json_source source,
                             rmr_error *err)
{
    const char *content;
    size_t len;
    rmr_status status =
        rmr_tokenizer_need_object(source.object, source.name, err);
    if (status ||
        (status =
             rmr_tokenizer_get_bytes(source, "content", &content, &len, err)) ||
        (status = rmr_tokenizer_get_id(source, "id", &token->id, err)) ||
        (status = rmr_tokenizer_get_bool(source, "single_word",
                                         &token->single_word, err)) ||
        (status =
             rmr_tokenizer_get_bool(source, "lstrip", &token->lstrip, err)) ||
        (status =
             rmr_tokenizer_get_bool(source, "rstrip", &token->rstrip, err)) ||
        (status = rmr_tokenizer_get_bool(source, "normalized",
                                         &token->normalized, err)) ||
        (status =
             rmr_tokenizer_get_bool(source, "special", &token->special, err)))
        return status;
    token->len = len;
    token->content = rmr_strndup(content, token->len);
    return token->content ? RMR_OK : rmr_fail_nomem(err, source.name);
}

static int is_same(const rmr_added_token *a, const rmr_added_token *b)
{
    return a->single_word == b->single_word && a->lstrip == b->lstrip &&
           a->rstrip == b->rstrip && a->normalized == b->normalized &&
           a->special == b->special && a->len == b->len &&
           !memcmp(a->content, b->content, a->len);
}

/* What opening needs for a while. */
typedef struct opening {
    rmr_added_tokens *added;
    const char *name;
    rmr_trie contents;  /* of all tokens, to one that has that content */
    uint32_t *id_of;    /* [count] by such a token: its id, or NONE */
    uint32_t *owner_of; /* [id_limit] 1 + the token that an id is, or 0 */
    rmr_trie_key *keys; /* [count] */
    struct rmr_encoder_scratch scratch;
} opening;

/* The reference does not take ids from the file: a token that the model knows
 * has the model's, the others follow the vocabulary's size. */
static void assign_ids(opening *o, const rmr_vocabulary *vocabulary)
{
    rmr_added_tokens *added = o->added;
    uint32_t next_id = (uint32_t)vocabulary->count;
    for (uint32_t i = 0; i < added->count; i++) {
        rmr_added_token *token = &added->tokens[i];
        const unsigned char *bytes = (unsigned char *)token->content;
        if (!token->len)
            continue;
        uint32_t *id =
            &o->id_of[rmr_trie_find(&o->contents, bytes, token->len)];
        if (*id != RMR_NO_ID && o->owner_of[*id] &&
            is_same(&added->tokens[o->owner_of[*id] - 1], token))
            continue;
        if (*id == RMR_NO_ID)
            *id = rmr_vocabulary_find(vocabulary, token->content, token->len);
        if (*id == RMR_NO_ID)
            *id = next_id++;
        o->owner_of[*id] = i + 1;
    }
}

static int compare_ids(const void *left, const void *right)
{
    uint32_t a = ((const rmr_added_token *)left)->id;
    uint32_t b = ((const rmr_added_token *)right)->id;
    return (a > b) - (a < b);
}

/* Drops the tokens that have lost their id to a later one. */
static void keep_owners(opening *o)
{
    rmr_added_tokens *added = o->added;
    size_t kept = 0;
    for (uint32_t i = 0; i < added->count; i++) {
        rmr_added_token token = added->tokens[i];
        uint32_t id = RMR_NO_ID;
        if (token.len)
            id = o->id_of[rmr_trie_find(
                &o->contents, (unsigned char *)token.content, token.len)];
        if (id == RMR_NO_ID || o->owner_of[id] != i + 1) {
            rmr_free(token.content);
            added->tokens[i].content = NULL;
            continue;
        }
        token.id = id;
        added->tokens[i].content = NULL;
        added->tokens[kept++] = token;
    }
    added->count = kept;
    qsort(added->tokens, kept, sizeof *added->tokens, compare_ids);
}

const rmr_added_token *rmr_added_token_by_id(const rmr_added_tokens *added,
                                             uint32_t id)
{
    const rmr_added_token key = {.id = id};
    return added->count ? bsearch(&key, added->tokens, added->count,
                                  sizeof *added->tokens, compare_ids)
                        : NULL;
}

static rmr_status settle_ids(opening *o, const rmr_vocabulary *vocabulary,
                             rmr_error *err)
{
    rmr_added_tokens *added = o->added;
    size_t ids = vocabulary->count + added->count;
    if (ids < vocabulary->id_limit)
        ids = vocabulary->id_limit;
    if (ids > RMR_TOKENIZER_MAX_ID)
        return rmr_fail(err, RMR_ERR_RANGE, "%s: too many ids", o->name);
    o->id_of = rmr_malloc_array(added->count, sizeof *o->id_of);
    o->owner_of = rmr_calloc(ids, sizeof *o->owner_of);
    o->keys = rmr_malloc_array(added->count, sizeof *o->keys);
    if (!o->id_of || !o->owner_of || !o->keys)
        return rmr_fail_nomem(err, o->name);
    for (uint32_t i = 0; i < added->count; i++) {
        o->id_of[i] = RMR_NO_ID;
        o->keys[i] = (rmr_trie_key){(unsigned char *)added->tokens[i].content,
                                    added->tokens[i].len, i};
    }
    rmr_status status =
        rmr_trie_build(&o->contents, o->keys, added->count, err);
    if (status)
        return status;
    assign_ids(o, vocabulary);
    keep_owners(o);
    return RMR_OK;
}

/* Whether it could take part in a match that white space is in or beside. */
static int involves_space(const rmr_added_token *token, const char *pattern,
                          size_t len)
{
    const unsigned char *bytes = (const unsigned char *)pattern;
    uint32_t code;
    for (size_t i = 0; i < len;) {
        i += rmr_utf8_decode(bytes + i, len - i, &code);
        if (rmr_char_of(code)->flags & RMR_CHAR_SPACE)
            return 1;
    }
    return token->lstrip || token->rstrip;
}

/* A token's content as it is looked for, into *key; allocated. */
static rmr_status make_pattern(opening *o, const rmr_normalizer *normalizer,
                               uint32_t index, rmr_trie_key *key,
                               rmr_error *err)
{
    const rmr_added_token *token = &o->added->tokens[index];
    const char *pattern = token->content;
    size_t len = token->len;
    *key = (rmr_trie_key){0};
    if (token->normalized) {
        rmr_status status = rmr_normalizer_run(
            normalizer, (const unsigned char *)pattern, 0, len, &o->scratch);
        if (status == RMR_ERR_NOMEM)
            return rmr_fail_nomem(err, o->name);
        if (status)
            return rmr_fail(
                err, status, "%s: \"%.*s\" takes too much work to normalize",
                o->name, rmr_tokenizer_quoted(token->content), token->content);
        pattern = (const char *)o->scratch.text->bytes;
        len = o->scratch.text->len;
        if (!len)
            return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                            "%s: \"%.*s\" is empty once it is normalized",
                            o->name, rmr_tokenizer_quoted(token->content),
                            token->content);
        if (involves_space(token, pattern, len))
            o->added->normalized_spaces = 1;
    }
    char *copy = rmr_strndup(pattern, len);
    *key = (rmr_trie_key){(unsigned char *)copy, len, index};
    return copy ? RMR_OK : rmr_fail_nomem(err, o->name);
}

static void note_first(rmr_added_set *set, const unsigned char *pattern)
{
    static const unsigned char replacement[] = {0xEF, 0xBF, 0xBD};
    set->first[pattern[0]] = 1;
    if (set->count == 1)
        set->only_byte = pattern[0];
    else if (set->only_byte != pattern[0])
        set->only_byte = -1;
    /* Any byte that is not ASCII may begin an ill-formed part. */
    if (!strncmp((const char *)pattern, (const char *)replacement, 3)) {
        set->only_byte = -1;
        memset(set->first + 128, 1, 128);
    }
}

static rmr_status build_set(opening *o, rmr_added_set *set, size_t count,
                            rmr_error *err)
{
    rmr_status status = rmr_trie_build(&set->trie, o->keys, count, err);
    for (size_t i = 0; i < count && !status; i++) {
        const rmr_trie_key *key = &o->keys[i];
        set->count++;
        note_first(set, key->bytes);
        const char *content = o->added->tokens[key->value].content;
        if (rmr_trie_find(&set->trie, key->bytes, key->len) != key->value)
            status = rmr_fail(err, RMR_ERR_UNSUPPORTED,
                              "%s: \"%.*s\" is the same as another once both "
                              "are normalized",
                              o->name, rmr_tokenizer_quoted(content), content);
    }
    return status;
}

/* The set of those tokens whose "normalized" is as given. */
static rmr_status open_set(opening *o, rmr_added_set *set, int normalized,
                           const rmr_normalizer *normalizer, rmr_error *err)
{
    rmr_status status = RMR_OK;
    size_t count = 0;
    for (uint32_t i = 0; i < o->added->count && !status; i++) {
        if (o->added->tokens[i].normalized == normalized)
            status = make_pattern(o, normalizer, i, &o->keys[count++], err);
    }
    if (!status && count)
        status = build_set(o, set, count, err);
    for (size_t i = 0; i < count; i++)
        rmr_free((void *)o->keys[i].bytes);
    return status;
}

static rmr_status read_tokens(opening *o, const json_t *value, const char *file,
                              rmr_error *err)
{
    rmr_added_tokens *added = o->added;
    size_t count = json_array_size(value);
    rmr_status status = RMR_OK;
    added->tokens = rmr_calloc(count, sizeof *added->tokens);
    if (!added->tokens)
        return rmr_fail_nomem(err, o->name);
    for (size_t i = 0; i < count && !status; i++) {
        char path[40], name[RMR_JSON_NAME_SIZE];
        snprintf(path, sizeof path, "added_tokens[%zu]", i);
        rmr_tokenizer_json_name(name, file, path);
        added->count = i + 1;
        status =
            read_token(&added->tokens[i],
                       (rmr_json_source){json_array_get(value, i), name}, err);
    }
    return status;
}

rmr_status rmr_added_tokens_open(rmr_added_tokens *added, const json_t *value,
                                 const rmr_normalizer *normalizer,
                                 const rmr_token_model *model, const char *file,
                                 rmr_error *err)
{
    char name[RMR_JSON_NAME_SIZE];
    opening o = {.added = added, .name = name};
    rmr_status status;
    memset(added, 0, sizeof *added);
    if (!value)
        return RMR_OK;
    rmr_tokenizer_json_name(name, file, "added_tokens");
    if (!json_is_array(value))
        return rmr_fail(err, RMR_ERR_FORMAT, "%s must be an array", name);
    if (!(status = read_tokens(&o, value, file, err)) &&
        !(status = settle_ids(&o, &model->vocabulary, err)) &&
        !(status = open_set(&o, &added->verbatim, 0, normalizer, err)))
        status = open_set(&o, &added->normalized, 1, normalizer, err);
    rmr_trie_free(&o.contents);
    rmr_free(o.id_of);
    rmr_free(o.owner_of);
    rmr_free(o.keys);
    rmr_encoder_scratch_clear(&o.scratch);
    if (status)
        rmr_added_tokens_close(added);
    return status;
}

void rmr_added_tokens_close(rmr_added_tokens *added)
{
    for (size_t i = 0; i < added->count; i++)
        rmr_free(added->tokens[i].content);
    rmr_free(added->tokens);
    rmr_trie_free(&added->verbatim.trie);
    rmr_trie_free(&added->normalized.trie);
    memset(added, 0, sizeof *added);
}

/* ---------------------------------------------------------------- searching */

/* The longest token that begins at `at`: its end, or 0, and its index. */
static size_t match_at(const rmr_added_search *search, size_t at,
                       uint32_t *index)
{
    const rmr_trie *trie = &search->set->trie;
    uint32_t node = RMR_TRIE_ROOT, code;
    size_t end = 0;
    while (at < search->len) {
        unsigned char bytes[4];
        at += rmr_utf8_decode(search->text + at, search->len - at, &code);
        node = rmr_trie_follow(trie, node, bytes, rmr_utf8_encode(code, bytes));
        if (node == RMR_TRIE_NONE)
            break;
        if (trie->units[node].value != RMR_TRIE_NONE) {
            *index = trie->units[node].value;
            end = at;
        }
    }
    return end;
}

/* The next place from `at` on where a token may begin; limit when none. */
static size_t next_candidate(const rmr_added_search *search, size_t at,
                             size_t limit)
{
    const rmr_added_set *set = search->set;
    if (set->only_byte >= 0 && at < limit) {
        const unsigned char *found =
            memchr(search->text + at, set->only_byte, limit - at);
        return found ? (size_t)(found - search->text) : limit;
    }
    while (at < limit && !set->first[search->text[at]])
        at++;
    return at;
}

static int is_word_char(uint32_t code)
{
    return rmr_char_of(code)->flags & RMR_CHAR_WORD;
}

static int is_single_word(const rmr_added_search *search, rmr_span span)
{
    uint32_t code;
    if (span.start) {
        rmr_utf8_decode_before(search->text, span.start, &code);
        if (is_word_char(code))
            return 0;
    }
    if (span.end == search->len)
        return 1;
    rmr_utf8_decode(search->text + span.end, search->len - span.end, &code);
    return !is_word_char(code);
}

/* Takes in the white space before, but not what is used up already. */
static size_t strip_left(const rmr_added_search *search, size_t start)
{
    while (start > search->done) {
        uint32_t code;
        size_t n = rmr_utf8_decode_before(search->text, start, &code);
        if (!(rmr_char_of(code)->flags & RMR_CHAR_SPACE))
            break;
        start -= n;
    }
    return start > search->done ? start : search->done;
}

/* Takes in the white space after; what was walked over once is remembered,
 * since tokens may themselves be white space. */
static size_t strip_right(rmr_added_search *search, size_t end)
{
    if (end >= search->spaces.start && end <= search->spaces.end)
        return search->spaces.end;
    search->spaces.start = end;
    while (end < search->len) {
        uint32_t code;
        size_t n =
            rmr_utf8_decode(search->text + end, search->len - end, &code);
        if (!(rmr_char_of(code)->flags & RMR_CHAR_SPACE))
            break;
        end += n;
    }
    search->spaces.end = end;
    return end;
}

int rmr_added_next(rmr_added_search *search, size_t limit, rmr_span *span,
                   uint32_t *id)
{
    if (!search->set->count)
        return 0;
    while ((search->next = next_candidate(search, search->next, limit)) <
           limit) {
        uint32_t index, code;
        span->start = search->next;
        span->end = match_at(search, search->next, &index);
        if (!span->end) {
            search->next += rmr_utf8_decode(search->text + search->next,
                                            search->len - search->next, &code);
            continue;
        }
        search->next = span->end;
        const rmr_added_token *token = &search->added->tokens[index];
        if (token->single_word && !is_single_word(search, *span))
            continue;
        if (token->lstrip)
            span->start = strip_left(search, span->start);
        if (token->rstrip)
            span->end = strip_right(search, span->end);
        *id = token->id;
        return 1;
    }
    return 0;
}
