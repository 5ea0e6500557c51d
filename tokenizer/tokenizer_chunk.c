/*
 * tokenizer_chunk.c - a text in pieces that the model can take, cut where
 * sentences, words or at least tokens end. Each piece is tokenized alone
 * before it is given out: it must never have more tokens than was asked for.
 *
 * The whole text is tokenized once, which says about where to cut; what a
 * piece is tokenized to alone may differ, and then it is made smaller.
 *
 * Where sentences end: after one of . ! ? or an ellipsis, with whatever
 * closing quotes and brackets follow, when white space or nothing does; after
 * an ideographic full stop or a fullwidth ! ? also without white space; and
 * where a line is blank. These are the rules of UAX #29 that need no word
 * lists; abbreviations are not guessed.
 */
#include "tokenizer/tokenizer_internal.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_unicode.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* What ends between two tokens, at the beginning of the second. */
enum { EDGE_NONE, EDGE_TOKEN, EDGE_WORD, EDGE_SENTENCE };

/* The state of one call. */
typedef struct run {
    const rmr_tokenizer *tokenizer;
    const unsigned char *text;
    size_t len;
    size_t max;     /* tokens of a chunk */
    size_t room;    /* those of them that are the text's own */
    size_t overlap; /* tokens */
    int wanted;     /* edge */
    rmr_chunking *chunking;
    const rmr_token *tokens; /* of the whole text, [count] */
    size_t count;
    unsigned char *edges; /* [count + 1] before each token, and at the end */
    size_t bad_end;       /* up to there no edge helps */
    size_t bad_chars;     /* how many characters of that fitted last */
    rmr_error *err;
} run;

/* -------------------------------------------------------------------- edges
 */

/* A walk through the text, character by character. */
typedef struct walk {
    const unsigned char *text;
    size_t len;
    size_t at;
    size_t solid;     /* where the last character that is no space ends */
    int ended;        /* what is before `solid` ends a sentence, ... */
    int strong;       /* ... whatever follows */
    size_t run_start; /* white space that was looked at */
    size_t run_end;
    int blank; /* it has a blank line */
} walk;

static int is_space(uint32_t code)
{
    return rmr_char_of(code)->flags & RMR_CHAR_SPACE;
}

static int is_terminator(uint32_t code)
{
    return code == '.' || code == '!' || code == '?' || code == 0x2026;
}

static int is_strong_terminator(uint32_t code)
{
    return code == 0x3002 || code == 0xFF01 || code == 0xFF1F || code == 0xFF61;
}

/* Opening quotes close in some languages, but not right after a strong end,
 * where the next sentence may begin with one. */
static int is_closer(uint32_t code, int strong)
{
    unsigned category = rmr_char_of(code)->category;
    return code == '"' || code == '\'' || category == RMR_CATEGORY_PE ||
           category == RMR_CATEGORY_PF ||
           (category == RMR_CATEGORY_PI && !strong);
}

/* The character at `at`; its length, 0 at the end. */
static size_t char_at(const walk *w, size_t at, uint32_t *code)
{
    *code = 0;
    return at < w->len ? rmr_utf8_decode(w->text + at, w->len - at, code) : 0;
}

/* Looks at the white space that begins at `solid`, once. */
static void look_at_space(walk *w)
{
    unsigned lines = 0;
    uint32_t code;
    size_t n, at = w->solid;
    if (w->run_start == w->solid && w->run_end > w->solid)
        return;
    while ((n = char_at(w, at, &code)) && is_space(code)) {
        lines += code == 0x2029 ? 2 : code == '\n' || code == 0x85;
        at += n;
    }
    w->run_start = w->solid;
    w->run_end = at;
    w->blank = lines > 1;
}

static void step(walk *w)
{
    uint32_t code;
    size_t n = char_at(w, w->at, &code);
    w->at += n;
    if (is_space(code))
        return;
    if (w->solid < w->at - n)
        w->ended = w->strong = 0;
    w->solid = w->at;
    if (is_strong_terminator(code))
        w->ended = w->strong = 1;
    else if (is_terminator(code))
        w->ended = 1;
    else if (!w->ended || !is_closer(code, w->strong))
        w->ended = w->strong = 0;
}

/* The edge where the walk is. */
static int edge_here(walk *w)
{
    uint32_t code;
    size_t n = char_at(w, w->at, &code);
    if (w->solid < w->at || (n && is_space(code))) {
        look_at_space(w);
        return w->ended || w->blank ? EDGE_SENTENCE : EDGE_WORD;
    }
    return w->strong && !is_closer(code, 1) && !is_terminator(code) &&
                   !is_strong_terminator(code)
               ? EDGE_SENTENCE
               : EDGE_TOKEN;
}

static rmr_status find_edges(run *r)
{
    walk w = {.text = r->text, .len = r->len, .run_start = SIZE_MAX};
    size_t reached = 0; /* by the tokens so far */
    rmr_chunking *c = r->chunking;
    unsigned char *edges =
        rmr_grow(c->edges, &c->edge_capacity, r->count + 1, 1);
    if (!edges)
        return rmr_fail_nomem(r->err, "chunks");
    r->edges = c->edges = edges;
    for (size_t k = 0; k < r->count; k++) {
        size_t at = r->tokens[k].start;
        edges[k] = EDGE_NONE;
        if (at >= reached) {
            while (w.at < at)
                step(&w);
            if (w.at == at)
                edges[k] = (unsigned char)edge_here(&w);
        }
        if (r->tokens[k].end > reached)
            reached = r->tokens[k].end;
    }
    edges[r->count] = EDGE_SENTENCE;
    return RMR_OK;
}

/* ------------------------------------------------------------------ cutting
 */

/* Where the edge before token k is. */
static size_t place_of(const run *r, size_t k)
{
    return k < r->count ? r->tokens[k].start : r->len;
}

static size_t skip_spaces(const run *r, size_t at)
{
    uint32_t code;
    while (at < r->len) {
        size_t n = rmr_utf8_decode(r->text + at, r->len - at, &code);
        if (!is_space(code))
            break;
        at += n;
    }
    return at;
}

static size_t strip_spaces(const run *r, size_t start, size_t end)
{
    uint32_t code;
    while (end > start) {
        size_t n = rmr_utf8_decode_before(r->text, end, &code);
        if (!is_space(code))
            break;
        end -= n;
    }
    return end;
}

/* The last edge in (after, to] that is `wanted` or, failing that, the best
 * there is; `after` when there is none. */
static size_t last_edge(const run *r, size_t after, size_t to)
{
    size_t best = after;
    int best_edge = EDGE_NONE;
    for (size_t k = to; k > after; k--) {
        if (r->edges[k] >= r->wanted)
            return k;
        if (r->edges[k] > best_edge) {
            best = k;
            best_edge = r->edges[k];
        }
    }
    return best;
}

/* Tokenizes [start, end) alone. */
static rmr_status count_tokens(run *r, size_t start, size_t end, size_t *count)
{
    rmr_encoding *alone = &r->chunking->alone;
    rmr_status status =
        rmr_tokenizer_encode(r->tokenizer, (const char *)r->text + start,
                             end - start, 0, RMR_TRUNCATE_END, alone, r->err);
    *count = alone->count;
    return status;
}

static rmr_status push_chunk(run *r, size_t start, size_t end, size_t tokens)
{
    rmr_chunking *c = r->chunking;
    rmr_chunk *chunks =
        rmr_grow(c->chunks, &c->capacity, c->count + 1, sizeof *chunks);
    if (!chunks)
        return rmr_fail_nomem(r->err, "chunks");
    c->chunks = chunks;
    chunks[c->count++] = (rmr_chunk){start, end, tokens};
    return RMR_OK;
}

/*
 * A chunk from `start`, where token `first` begins or soon after, to an edge
 * beyond `after`: *next is that edge, or `after` when no chunk fits.
 */
static rmr_status cut_at_edge(run *r, size_t start, size_t first, size_t after,
                              size_t *next)
{
    enum { CLOSE = 3 }; /* times that as much as is too much is taken off */
    size_t limit = r->room;
    for (int tries = 0;; tries++) {
        size_t to = limit < r->count - first ? first + limit : r->count;
        size_t k = to > after ? last_edge(r, after, to) : after;
        size_t tokens;
        *next = after;
        if (k == after)
            return RMR_OK;
        size_t end = strip_spaces(r, start, place_of(r, k));
        rmr_status status = count_tokens(r, start, end, &tokens);
        if (status)
            return status;
        if (tokens <= r->max) {
            *next = k;
            return end > start ? push_chunk(r, start, end, tokens) : RMR_OK;
        }
        size_t most = k - first, excess = tokens - r->max;
        limit = tries < CLOSE && excess < most ? most - excess : most / 2;
    }
}

/* The end of `count` characters from `start`, `end` at most. */
static size_t after_chars(const run *r, size_t start, size_t end, size_t count)
{
    uint32_t code;
    for (; count && start < end; count--)
        start += rmr_utf8_decode(r->text + start, r->len - start, &code);
    return start;
}

/* A chunk of characters from `start`, before `bad_end`, since no edge helps;
 * *next is where it ends. */
static rmr_status cut_at_char(run *r, size_t start, size_t *next)
{
    size_t chars = 2 * r->bad_chars;
    for (;;) {
        size_t end = after_chars(r, start, r->bad_end, chars), tokens;
        size_t solid = strip_spaces(r, start, end);
        rmr_status status = count_tokens(r, start, solid, &tokens);
        if (status)
            return status;
        if (tokens <= r->max) {
            r->bad_chars = chars;
            *next = end;
            return push_chunk(r, start, solid, tokens);
        }
        if (chars == 1)
            return rmr_fail(r->err, RMR_ERR_RANGE,
                            "one character of the text has over %zu tokens",
                            r->max);
        chars /= 2;
    }
}

/* The edge from which the chunk after one of tokens [first, next) begins: at
 * most `overlap` tokens before `next`, where the next sentence or word still
 * fits. */
static size_t overlap_edge(const run *r, size_t first, size_t next)
{
    int wanted = r->edges[next] < r->wanted ? r->edges[next] : r->wanted;
    size_t from = next - first > r->overlap ? next - r->overlap : first + 1;
    for (size_t k = next + 1; k <= r->count && k - next <= r->room; k++) {
        if (r->edges[k] < wanted)
            continue;
        if (k - from > r->room)
            from = k - r->room;
        break;
    }
    while (from < next && r->edges[from] < wanted)
        from++;
    return from < next ? from : next;
}

/* The edges from `first` on help no more until the one after it. */
static void begin_bad(run *r, size_t first)
{
    size_t k = first + 1;
    while (k < r->count && r->edges[k] == EDGE_NONE)
        k++;
    r->bad_end = place_of(r, k);
    r->bad_chars = (r->bad_end - place_of(r, first)) / 2 + 1;
}

/* Moves to `at` and over white space: *first is then the token that begins
 * there or, where that is white space too, before. */
static void move_to(run *r, size_t at, size_t *start, size_t *first,
                    size_t *reached)
{
    *start = skip_spaces(r, at);
    while (*first < r->count && place_of(r, *first + 1) <= *start)
        ++*first;
    if (*reached < *first)
        *reached = *first;
}

/* One chunk from `*start`; `*first` is the token there, `*reached` the edge
 * where the last chunk ended. All three move on. */
static rmr_status cut_one(run *r, size_t *start, size_t *first, size_t *reached)
{
    size_t next = *reached, solid;
    rmr_status status = cut_at_edge(r, *start, *first, *reached, &next);
    if (status)
        return status;
    if (next == *reached && *first < *reached) {
        /* The overlap leaves no room for anything new. */
        *first = *reached;
        move_to(r, place_of(r, *first), start, first, reached);
        return RMR_OK;
    }
    if (next == *reached) {
        begin_bad(r, *first);
        return RMR_OK;
    }
    *first = r->overlap ? overlap_edge(r, *first, next) : next;
    *reached = next;
    *start = place_of(r, *first);
    /* White space alone is nothing new. */
    move_to(r, place_of(r, next), &solid, reached, &next);
    move_to(r, solid < r->len ? *start : r->len, start, first, reached);
    return RMR_OK;
}

/* The same where no edge helps. */
static rmr_status cut_bad(run *r, size_t *start, size_t *first, size_t *reached)
{
    size_t next = *start;
    rmr_status status = cut_at_char(r, *start, &next);
    if (status)
        return status;
    move_to(r, next, start, first, reached);
    return RMR_OK;
}

static rmr_status cut_text(run *r)
{
    size_t start, first = 0, reached = 0;
    rmr_status status = RMR_OK;
    move_to(r, 0, &start, &first, &reached);
    while (start < r->len && !status)
        status = start < r->bad_end ? cut_bad(r, &start, &first, &reached)
                                    : cut_one(r, &start, &first, &reached);
    return status;
}

/* ------------------------------------------------------------------- calls */

static rmr_status read_options(run *r, const rmr_chunk_options *options)
{
    size_t added = r->tokenizer->post.programs[0][1].added;
    r->max = options->max_tokens;
    if (r->max <= added)
        return rmr_fail(r->err, RMR_ERR_RANGE,
                        "a limit of %zu tokens leaves no room beside the %zu "
                        "special ones",
                        r->max, added);
    r->room = r->max - added;
    r->overlap = options->overlap;
    if (r->overlap >= r->room)
        return rmr_fail(r->err, RMR_ERR_RANGE,
                        "an overlap of %zu tokens is not below the %zu that a "
                        "chunk has of the text",
                        r->overlap, r->room);
    r->wanted = options->boundary == RMR_BOUNDARY_TOKEN  ? EDGE_TOKEN
                : options->boundary == RMR_BOUNDARY_WORD ? EDGE_WORD
                                                         : EDGE_SENTENCE;
    return RMR_OK;
}

rmr_status rmr_tokenizer_chunk(const rmr_tokenizer *tokenizer, rmr_text text,
                               const rmr_chunk_options *options,
                               rmr_chunking *chunking, rmr_error *err)
{
    rmr_encoding *whole = &chunking->whole;
    size_t total;
    run r = {.tokenizer = tokenizer,
             .text = (const unsigned char *)text.data,
             .len = text.len,
             .chunking = chunking,
             .err = err};
    chunking->count = 0;
    rmr_status status = read_options(&r, options);
    whole->count = whole->num_spacing = 0;
    if (!status)
        status =
            rmr_encode_text(tokenizer, text, SIZE_MAX, 0, whole, &total, err);
    r.tokens = whole->tokens;
    r.count = whole->count;
    if (!status && !(status = find_edges(&r)))
        status = cut_text(&r);
    if (status)
        chunking->count = 0;
    return status;
}

void rmr_chunking_free(rmr_chunking *chunking)
{
    if (!chunking)
        return;
    rmr_encoding_free(&chunking->whole);
    rmr_encoding_free(&chunking->alone);
    rmr_free(chunking->chunks);
    rmr_free(chunking->edges);
    memset(chunking, 0, sizeof *chunking);
}
