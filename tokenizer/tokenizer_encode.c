/*
 * tokenizer_encode.c - text through all the stages, and truncation. It must
 * never do more for a text that is cut at its end than is needed to know the
 * tokens that stay.
 */
#include "tokenizer/tokenizer_internal.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/tokenizer_unicode.h"
#include "tokenizer/tokenizer_utf8.h"

/* Bytes that are looked at first, and at most, each time: about a cache. Tests
 * make them small, so that every text is cut in many places. */
#ifndef RMR_TOKENIZER_FIRST_WINDOW
#define RMR_TOKENIZER_FIRST_WINDOW 2048
#define RMR_TOKENIZER_LAST_WINDOW 32768
#endif

enum {
    KEPT_SLACK = 4096 /* tokens beyond those that truncation keeps */
};

/* The state of one call. */
typedef struct run {
    const rmr_tokenizer *tokenizer;
    const unsigned char *text;
    size_t len;
    struct rmr_encoder_scratch *scratch;
    rmr_encoding *encoding;
    size_t limit; /* of the text's own tokens */
    int keeps_end;
    int after_cut; /* what comes begins where the text was cut */
    int dropped;   /* tokens were dropped at the beginning */
    int full;      /* what comes now cannot change the result */
} run;

/* ----------------------------------------------------------------- encodings
 */

int rmr_encoding_grow(rmr_encoding *encoding)
{
    rmr_token *tokens = rmr_grow(encoding->tokens, &encoding->capacity,
                                 encoding->count + 1, sizeof *tokens);
    if (tokens)
        encoding->tokens = tokens;
    return tokens != NULL;
}

void rmr_encoding_free(rmr_encoding *encoding)
{
    if (!encoding)
        return;
    if (encoding->scratch)
        rmr_encoder_scratch_clear(encoding->scratch);
    rmr_free(encoding->scratch);
    rmr_free(encoding->tokens);
    memset(encoding, 0, sizeof *encoding);
}

/* ------------------------------------------------------------------- stages */

static size_t own_count(const run *r)
{
    return r->encoding->count - r->tokenizer->post.before;
}

static void note_full(run *r)
{
    r->full = !r->keeps_end && own_count(r) > r->limit;
}

/* Words and their tokens for normalized [from, to). */
static rmr_status encode_normalized(run *r, size_t from, size_t to)
{
    struct rmr_encoder_scratch *scratch = r->scratch;
    const rmr_token_model *model = &r->tokenizer->model;
    rmr_encoding *encoding = r->encoding;
    size_t first = encoding->count;
    rmr_status status =
        rmr_pre_tokenizer_run(&r->tokenizer->pre_tokenizer, from, to, scratch);
    for (size_t i = 0; i < scratch->words.count && !r->full && !status; i++) {
        rmr_span word = scratch->words.spans[i];
        status = model->type->run(model, scratch->text->bytes + word.start,
                                  word.end - word.start, word.start, encoding);
        note_full(r);
    }
    for (size_t i = first; i < encoding->count && !status; i++)
        rmr_normalized_to_text(scratch->text, &encoding->tokens[i].start,
                               &encoding->tokens[i].end);
    return status;
}

/* The token itself, unless its span is empty or reversed. */
static int push_added(run *r, uint32_t id, rmr_span span)
{
    if (span.start >= span.end)
        return 1;
    if (!rmr_encoding_push(r->encoding, id, span.start, span.end))
        return 0;
    note_full(r);
    return 1;
}

/* Drops tokens that truncation will not keep, so that memory is bounded. */
static void drop_early(run *r, size_t slack)
{
    size_t count = own_count(r);
    if (!r->keeps_end || count <= r->limit || count - r->limit <= slack)
        return;
    rmr_token *own = r->encoding->tokens + r->tokenizer->post.before;
    memmove(own, own + (count - r->limit), r->limit * sizeof *own);
    r->encoding->count -= count - r->limit;
    r->dropped = 1;
}

/* text[from, to), in which no verbatim added token is left. open_end: the text
 * was cut there. */
static rmr_status encode_piece(run *r, size_t from, size_t to, int open_end)
{
    r->scratch->open_start = r->after_cut;
    r->scratch->open_end = open_end;
    rmr_status status = rmr_normalizer_run(&r->tokenizer->normalizer, r->text,
                                           from, to, r->scratch);
    if (status)
        return status;
    rmr_normalized *base = r->scratch->base;
    rmr_added_search search = {.added = &r->tokenizer->added,
                               .set = &r->tokenizer->added.normalized,
                               .text = base->bytes,
                               .len = base->len,
                               .spaces = {1, 0}};
    rmr_span span;
    uint32_t id;
    while (!r->full && rmr_added_next(&search, search.len, &span, &id)) {
        if (search.done < span.start &&
            (status = encode_normalized(r, search.done, span.start)))
            return status;
        search.done = span.end;
        if (span.start < span.end)
            rmr_normalized_to_text(base, &span.start, &span.end);
        if (!push_added(r, id, span))
            return RMR_ERR_NOMEM;
    }
    if (!r->full && search.done < search.len)
        status = encode_normalized(r, search.done, search.len);
    drop_early(r, r->limit + KEPT_SLACK);
    return status;
}

/* -------------------------------------------------------------------- cuts */

/* Where a long text may be cut so that encoding both parts gives what encoding
 * the whole does. */
enum { CUT_NOWHERE, CUT_BERT, CUT_BEFORE_SPACE };

int rmr_tokenizer_cuts(const rmr_tokenizer *tokenizer)
{
    const rmr_normalizer *normalizer = &tokenizer->normalizer;
    const rmr_pre_tokenizer *pre = &tokenizer->pre_tokenizer;
    if (tokenizer->added.normalized_spaces)
        return CUT_NOWHERE;
    if (pre->count == 1 && pre->steps->type == &rmr_pre_tokenizer_bert &&
        (!normalizer->count || rmr_normalizer_bert_options(normalizer)))
        return CUT_BERT;
    if (rmr_normalizer_local(normalizer) &&
        rmr_pre_tokenizer_cut(pre) == RMR_CUT_SPLITS)
        return CUT_BEFORE_SPACE;
    return CUT_NOWHERE;
}

/* Whether a character to be cut before, given that no verbatim added token
 * begins there, begins a word to Bert's normalizer and pre-tokenizer, does not
 * wait for the one before it, and is no white space that a token could strip.
 */
static int can_cut_bert(const run *r, size_t at)
{
    const rmr_tokenizer *t = r->tokenizer;
    const rmr_bert_options *bert = rmr_normalizer_bert_options(&t->normalizer);
    uint32_t code;
    unsigned char previous = r->text[at - 1];
    if (rmr_utf8_is_continuation(r->text[at]))
        return 0;
    rmr_utf8_decode(r->text + at, r->len - at, &code);
    const rmr_char *c = rmr_char_of(code);
    int spaced =
        bert && bert->handle_chinese_chars && (c->flags & RMR_CHAR_CHINESE);
    if (!(c->flags & RMR_CHAR_NFC_INERT) ||
        (c->flags & (RMR_CHAR_SPACE | RMR_CHAR_REMOVED | RMR_CHAR_MARK)))
        return 0;
    /* One that is looked for in normal form begins and ends at the cut at
     * most, unless the cut is where the normal form has a space more. */
    if (t->added.normalized.count && spaced)
        return 0;
    if (previous == ' ' || previous == '\n' || previous == '\t')
        return 1;
    if (t->added.normalized.count)
        return 0;
    return spaced || (c->flags & RMR_CHAR_PUNCT) ||
           (previous < 0x80 && (rmr_char_of(previous)->flags & RMR_CHAR_PUNCT));
}

static int is_letter(unsigned char byte)
{
    return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
}

/* As rmr_normalizer_type.local and rmr_pre_tokenizer_type.cut have it. */
static int can_cut_before_space(const run *r, size_t at)
{
    unsigned char previous = r->text[at - 1];
    return r->text[at] == ' ' && at + 1 < r->len &&
           is_letter(r->text[at + 1]) &&
           (is_letter(previous) || (previous >= '0' && previous <= '9'));
}

/* The last place in (from, to) where the text can be cut; 0 when none. */
static size_t find_cut(const run *r, size_t from, size_t to)
{
    int cuts = r->tokenizer->cuts;
    if (cuts == CUT_NOWHERE)
        return 0;
    for (size_t at = to; at-- > from + 1;) {
        if (cuts == CUT_BERT ? can_cut_bert(r, at)
                             : can_cut_before_space(r, at))
            return at;
    }
    return 0;
}

/* --------------------------------------------------------------------- text */

/* One window: looks for verbatim added tokens up to `to`, and encodes what is
 * certain by then. */
static rmr_status encode_window(run *r, rmr_added_search *search, size_t to)
{
    size_t looked = search->next;
    rmr_status status = RMR_OK;
    rmr_span span;
    uint32_t id;
    while (!r->full && rmr_added_next(search, to, &span, &id)) {
        if (search->done < span.start &&
            (status = encode_piece(r, search->done, span.start, 0)))
            return status;
        search->done = span.end;
        r->after_cut = 0;
        looked = span.end;
        if (!push_added(r, id, span))
            return RMR_ERR_NOMEM;
        drop_early(r, r->limit + KEPT_SLACK);
    }
    if (looked < search->done)
        looked = search->done;
    size_t cut = to == r->len ? to : find_cut(r, looked, to);
    if (r->full || cut <= search->done)
        return RMR_OK;
    status = encode_piece(r, search->done, cut, cut < r->len);
    search->done = cut;
    r->after_cut = 1;
    return status;
}

static rmr_status encode_text(run *r)
{
    rmr_added_search search = {.added = &r->tokenizer->added,
                               .set = &r->tokenizer->added.verbatim,
                               .text = r->text,
                               .len = r->len,
                               .spaces = {1, 0}};
    size_t window = RMR_TOKENIZER_FIRST_WINDOW, to;
    do {
        size_t left = r->len - search.next;
        to = left > window ? search.next + window : r->len;
        rmr_status status = encode_window(r, &search, to);
        if (status)
            return status;
        /* A token that was looked at may have ended beyond. */
        if (search.next < to)
            search.next = to;
        if (window < RMR_TOKENIZER_LAST_WINDOW)
            window *= 2;
    } while (to < r->len && !r->full);
    return RMR_OK;
}

/* Cuts the text's own tokens to the limit. */
static rmr_status truncate_own(run *r, rmr_truncate truncate, rmr_error *err)
{
    size_t count = own_count(r);
    r->encoding->truncated = r->dropped || count > r->limit;
    if (!r->encoding->truncated)
        return RMR_OK;
    if (truncate == RMR_TRUNCATE_NONE)
        return rmr_fail(err, RMR_ERR_TOO_LONG, "the text has over %zu tokens",
                        r->limit + r->tokenizer->post.before +
                            r->tokenizer->post.after);
    drop_early(r, 0);
    r->encoding->count = r->tokenizer->post.before + r->limit;
    return RMR_OK;
}

/* Tokens [from, to) of the post-processor. */
static int push_special(run *r, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const rmr_token *token = &r->tokenizer->post.tokens[i];
        if (!rmr_encoding_push(r->encoding, token->id, 0, 0))
            return 0;
        r->encoding->tokens[r->encoding->count - 1].type_id = token->type_id;
    }
    return 1;
}

static void set_type_ids(run *r)
{
    const rmr_post_processor *post = &r->tokenizer->post;
    for (size_t i = post->before; post->type_id && i < r->encoding->count; i++)
        r->encoding->tokens[i].type_id = post->type_id;
}

/* What a status of the stages means. */
static rmr_status explain(rmr_status status, rmr_error *err)
{
    if (status == RMR_ERR_FORMAT)
        return rmr_fail(err, status,
                        "the text has a word that needs an unknown token, and "
                        "the tokenizer has none");
    if (status == RMR_ERR_RANGE)
        return rmr_fail(err, status,
                        "a pattern of the tokenizer takes too much work for "
                        "the text");
    return rmr_fail_nomem(err, "tokens");
}

static rmr_status encode(run *r, rmr_truncate truncate, rmr_error *err)
{
    const rmr_post_processor *post = &r->tokenizer->post;
    if (!push_special(r, 0, post->before))
        return rmr_fail_nomem(err, "tokens");
    rmr_status status = encode_text(r);
    if (status)
        return explain(status, err);
    if ((status = truncate_own(r, truncate, err)))
        return status;
    set_type_ids(r);
    if (!push_special(r, post->before, post->before + post->after))
        return rmr_fail_nomem(err, "tokens");
    return RMR_OK;
}

rmr_status rmr_tokenizer_encode(const rmr_tokenizer *tokenizer,
                                const char *text, size_t len, size_t max_tokens,
                                rmr_truncate truncate, rmr_encoding *encoding,
                                rmr_error *err)
{
    size_t special = tokenizer->post.before + tokenizer->post.after;
    encoding->count = 0;
    encoding->truncated = 0;
    if (max_tokens && max_tokens < special)
        return rmr_fail(err, RMR_ERR_RANGE,
                        "a limit of %zu tokens leaves no room for the %zu "
                        "special ones",
                        max_tokens, special);
    if (!encoding->scratch) {
        encoding->scratch = rmr_calloc(1, sizeof *encoding->scratch);
        if (!encoding->scratch)
            return rmr_fail_nomem(err, "tokens");
    }
    run r = {.tokenizer = tokenizer,
             .text = (const unsigned char *)text,
             .len = len,
             .scratch = encoding->scratch,
             .encoding = encoding,
             .limit = max_tokens ? max_tokens - special : SIZE_MAX,
             .keeps_end = truncate == RMR_TRUNCATE_START};
    rmr_status status = encode(&r, truncate, err);
    if (status)
        encoding->count = 0;
    rmr_encoder_scratch_trim(encoding->scratch);
    return status;
}
