/*
 * tokenizer_encode.c - one text through all the stages up to the model. It
 * must never do more for a text that is cut at its end than is needed to know
 * the tokens that stay.
 */
#include "tokenizer/tokenizer_internal.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_unicode.h"
#include "tokenizer/text/tokenizer_utf8.h"

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
    size_t first; /* where in the encoding the text's tokens begin */
    size_t limit; /* of them */
    int keeps_end;
    size_t dropped; /* how many were dropped at the beginning */
    int after_cut;  /* what comes begins where the text was cut */
    int full;       /* what comes now cannot change the result */
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
    rmr_free(encoding->spare);
    rmr_free(encoding->windows);
    rmr_free(encoding->texts);
    rmr_free(encoding->spacing);
    memset(encoding, 0, sizeof *encoding);
}

/* ------------------------------------------------------------------- stages */

static size_t own_count(const run *r)
{
    return r->encoding->count - r->first;
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
    if (!status && !rmr_spacing_note_words(&r->tokenizer->spacing, encoding,
                                           first, scratch->text->bytes))
        status = RMR_ERR_NOMEM;
    for (size_t i = first; i < encoding->count && !status; i++)
        rmr_normalized_to_text(scratch->text, &encoding->tokens[i].start,
                               &encoding->tokens[i].end);
    return status;
}

/* The token itself, which `text` has at `span` and which stands for `source`,
 * unless its span is empty or reversed. */
static rmr_status push_added(run *r, uint32_t id, const unsigned char *text,
                             rmr_span span, rmr_span source)
{
    if (span.start >= span.end)
        return RMR_OK;
    if (!rmr_encoding_push(r->encoding, id, source.start, source.end) ||
        !rmr_spacing_note(&r->tokenizer->spacing, r->encoding,
                          text + span.start, span.end - span.start))
        return RMR_ERR_NOMEM;
    note_full(r);
    return RMR_OK;
}

/* Drops tokens that truncation will not keep, so that memory is bounded. */
static void drop_early(run *r, size_t slack)
{
    size_t count = own_count(r);
    if (!r->keeps_end || count <= r->limit || count - r->limit <= slack)
        return;
    size_t dropped = count - r->limit;
    rmr_token *own = r->encoding->tokens + r->first;
    memmove(own, own + dropped, r->limit * sizeof *own);
    r->encoding->count -= dropped;
    r->dropped += dropped;
    rmr_spacing_drop(r->encoding, r->first, dropped);
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
        rmr_span source = span;
        if (span.start < span.end)
            rmr_normalized_to_text(base, &source.start, &source.end);
        if ((status = push_added(r, id, base->bytes, span, source)))
            return status;
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
    if (pre->steps.count == 1 &&
        pre->steps.list->type == &rmr_pre_tokenizer_bert.step &&
        (!normalizer->steps.count || rmr_normalizer_bert_options(normalizer)))
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
        if ((status = push_added(r, id, r->text, span, span)))
            return status;
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

rmr_status rmr_encode_text(const rmr_tokenizer *tokenizer, rmr_text text,
                           size_t limit, int keeps_end, rmr_encoding *encoding,
                           size_t *total, rmr_error *err)
{
    if (!encoding->scratch) {
        encoding->scratch = rmr_calloc(1, sizeof *encoding->scratch);
        if (!encoding->scratch)
            return rmr_fail_nomem(err, "tokens");
    }
    run r = {.tokenizer = tokenizer,
             .text = (const unsigned char *)text.data,
             .len = text.len,
             .scratch = encoding->scratch,
             .encoding = encoding,
             .first = encoding->count,
             .limit = limit,
             .keeps_end = keeps_end};
    rmr_status status = encode_text(&r);
    if (status)
        return explain(status, err);
    *total = own_count(&r) + r.dropped;
    drop_early(&r, 0);
    if (own_count(&r) > limit) {
        rmr_spacing_drop(encoding, r.first + limit, own_count(&r) - limit);
        encoding->count = r.first + limit;
    }
    return RMR_OK;
}
