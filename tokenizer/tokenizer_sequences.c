/*
 * tokenizer_sequences.c - what becomes of the tokens of one text or of two:
 * truncation, windows, and the post-processor's program. It must never give
 * other windows than the reference, nor in another order.
 */
#include "tokenizer/tokenizer_internal.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* More in several windows are refused. */
#define MOST_TOKENS ((size_t)1 << 26)

/* A text's own tokens, and the windows that truncation makes of them. */
typedef struct part {
    rmr_text text;
    size_t first;   /* where in the encoding they begin */
    size_t count;   /* of those that are there */
    size_t total;   /* as rmr_encode_text has it */
    size_t most;    /* in a window */
    size_t step;    /* from one window to the next */
    size_t windows; /* how many */
} part;

/* The state of one call. */
typedef struct run {
    const rmr_tokenizer *tokenizer;
    const rmr_post_program *program;
    rmr_tokenize_options options;
    size_t max; /* of the texts' own tokens in a window */
    rmr_encoding *encoding;
    part parts[2];
    size_t num_parts;
    rmr_error *err;
} run;

/* --------------------------------------------------------------- truncation
 */

/* Cuts a part into windows of at most `most`. */
static rmr_status cut(run *r, part *p, size_t most)
{
    if (most >= p->total)
        return RMR_OK;
    r->encoding->truncated = 1;
    p->most = most;
    if (!r->options.windows)
        return RMR_OK;
    if (!most) {
        p->windows = 2; /* nothing, and then everything */
        return RMR_OK;
    }
    if (r->options.stride >= most)
        return rmr_fail(r->err, RMR_ERR_RANGE,
                        "a stride of %u tokens is not below the %zu that a "
                        "window has of a text",
                        (unsigned)r->options.stride, most);
    p->step = most - r->options.stride;
    p->windows = 1 + (p->count - most + p->step - 1) / p->step;
    return RMR_OK;
}

static rmr_status cut_longest_first(run *r)
{
    size_t n1 = r->parts[0].total, n2 = r->parts[1].total, max = r->max;
    if (r->num_parts == 1)
        return cut(r, &r->parts[0], max);
    int swap = n1 > n2;
    size_t shorter = swap ? n2 : n1, longer;
    longer = shorter > max ? shorter : max - shorter;
    if (longer < shorter)
        longer = shorter;
    if (shorter + longer > max) {
        shorter = max / 2;
        longer = shorter + max % 2;
    }
    rmr_status status = cut(r, &r->parts[0], swap ? longer : shorter);
    return status ? status : cut(r, &r->parts[1], swap ? shorter : longer);
}

static rmr_status cut_only(run *r, size_t index)
{
    if (index >= r->num_parts)
        return rmr_fail(r->err, RMR_ERR_RANGE,
                        "only the second text is to be cut, and there is none");
    size_t other = r->num_parts > 1 ? r->parts[1 - index].total : 0;
    if (other >= r->max)
        return rmr_fail(r->err, RMR_ERR_TOO_LONG,
                        "the text that is not to be cut leaves the other no "
                        "room in %zu tokens",
                        r->max);
    return cut(r, &r->parts[index], r->max - other);
}

static rmr_status truncate_parts(run *r)
{
    size_t total = r->parts[0].total + r->parts[1].total;
    if (total <= r->max && r->max)
        return RMR_OK;
    if (total > r->max && r->options.truncate == RMR_TRUNCATE_NONE)
        return rmr_fail(r->err, RMR_ERR_TOO_LONG,
                        "the text has over %zu tokens",
                        (size_t)r->options.max_tokens);
    if (!r->max || r->options.strategy == RMR_TRUNCATE_LONGEST_FIRST)
        return cut_longest_first(r);
    return cut_only(r, r->options.strategy == RMR_TRUNCATE_ONLY_SECOND);
}

/* ------------------------------------------------------------------ encoding
 */

static rmr_status encode_part(run *r, part *p, size_t limit)
{
    int keeps_end = r->options.truncate == RMR_TRUNCATE_START;
    p->first = r->encoding->count;
    rmr_status status = rmr_encode_text(r->tokenizer, p->text, limit, keeps_end,
                                        r->encoding, &p->total, r->err);
    p->count = r->encoding->count - p->first;
    p->most = p->count;
    p->windows = 1;
    return status;
}

/* The tokens of all texts, as many as are needed to know what to keep. */
static rmr_status encode_parts(run *r)
{
    size_t limit = r->max < SIZE_MAX ? r->max + 1 : SIZE_MAX;
    if (r->options.windows)
        limit = SIZE_MAX;
    for (size_t i = 0; i < r->num_parts; i++) {
        rmr_status status = encode_part(r, &r->parts[i], limit);
        if (status)
            return status;
    }
    /* Which of two long ones is longer says who gets an odd token more. */
    if (limit < SIZE_MAX && r->max % 2 && r->num_parts == 2 &&
        r->options.truncate == RMR_TRUNCATE_END &&
        r->options.strategy == RMR_TRUNCATE_LONGEST_FIRST &&
        r->parts[0].total > r->max && r->parts[1].total > r->max) {
        r->encoding->count = 0;
        r->encoding->num_spacing = 0;
        for (size_t i = 0; i < r->num_parts; i++) {
            rmr_status status = encode_part(r, &r->parts[i], SIZE_MAX);
            if (status)
                return status;
        }
    }
    return RMR_OK;
}

/* ------------------------------------------------------------------ assembly
 */

/* The tokens of window `index` of a part. */
static rmr_window window_of(const run *r, const part *p, size_t index)
{
    size_t n = p->count;
    if (!p->most)
        return (rmr_window){0, index ? n : 0};
    if (r->options.truncate == RMR_TRUNCATE_START) {
        size_t end = n - index * p->step;
        return (rmr_window){end > p->most ? end - p->most : 0, end};
    }
    size_t start = index * p->step;
    return (rmr_window){start, n - start > p->most ? start + p->most : n};
}

static int push_token(rmr_encoding *encoding, size_t *count, rmr_token token)
{
    if (*count >= encoding->spare_capacity) {
        rmr_token *grown = rmr_grow(encoding->spare, &encoding->spare_capacity,
                                    *count + 1, sizeof *grown);
        if (!grown)
            return 0;
        encoding->spare = grown;
    }
    encoding->spare[(*count)++] = token;
    return 1;
}

static int push_added(rmr_encoding *encoding, size_t *count,
                      const rmr_post_tokens *tokens, int overflow)
{
    for (size_t i = 0; i < tokens->count; i++) {
        const rmr_post_token *t = &tokens->list[i];
        rmr_token token = {.id = t->id,
                           .type_id =
                               overflow ? t->overflow_type_id : t->type_id};
        if (!push_token(encoding, count, token))
            return 0;
    }
    return 1;
}

/* Window `index` of the text of a piece. */
static int push_text(run *r, size_t *count, const rmr_post_piece *piece,
                     size_t index)
{
    rmr_encoding *encoding = r->encoding;
    const part *p = &r->parts[piece->text];
    rmr_window window = window_of(r, p, index);
    size_t from = *count, first = p->first + window.start;
    for (size_t i = window.start; i < window.end; i++) {
        rmr_token token = encoding->tokens[p->first + i];
        token.type_id = index ? piece->overflow_type_id : piece->type_id;
        if (!push_token(encoding, count, token))
            return 0;
    }
    size_t added = *count - from;
    for (size_t i = 0; added && i < piece->num_trims; i++)
        rmr_spacing_trim(r->tokenizer, piece->trims[i], p->text, encoding,
                         first, encoding->spare + from, added);
    return 1;
}

static int reach_texts(rmr_encoding *encoding, size_t count)
{
    unsigned char *texts =
        rmr_grow(encoding->texts, &encoding->text_capacity, count + 1, 1);
    if (texts)
        encoding->texts = texts;
    return texts != NULL;
}

static int push_piece(run *r, size_t *count, const rmr_post_piece *piece,
                      size_t index)
{
    rmr_encoding *encoding = r->encoding;
    size_t before = *count, own, after;
    if (!push_added(encoding, count, &piece->before, index > 0))
        return 0;
    own = *count;
    if (piece->text != RMR_POST_NO_TEXT && !push_text(r, count, piece, index))
        return 0;
    after = *count;
    if (!push_added(encoding, count, &piece->after, index > 0) ||
        !reach_texts(encoding, *count))
        return 0;
    memset(encoding->texts + before, RMR_TOKEN_ADDED, *count - before);
    if (after > own)
        memset(encoding->texts + own, piece->text, after - own);
    return 1;
}

/* One window of the whole: the given window of each piece. */
static int push_window(run *r, size_t *count, const size_t *indexes)
{
    rmr_encoding *encoding = r->encoding;
    size_t start = *count;
    for (size_t i = 0; i < r->program->count; i++) {
        if (!push_piece(r, count, &r->program->pieces[i],
                        indexes ? indexes[i] : 0))
            return 0;
    }
    rmr_window *windows =
        rmr_grow(encoding->windows, &encoding->window_capacity,
                 encoding->num_windows + 1, sizeof *windows);
    if (!windows)
        return 0;
    encoding->windows = windows;
    windows[encoding->num_windows++] = (rmr_window){start, *count};
    return 1;
}

static size_t windows_of(const run *r, const rmr_post_piece *piece)
{
    return piece->text == RMR_POST_NO_TEXT ? 1 : r->parts[piece->text].windows;
}

/*
 * Goes to the next combination of the pieces' windows, in the order that
 * merging them one after another gives: those in which all pieces up to some
 * have their first window come after those in which they do not. 0 after the
 * last, when all have their first window again.
 */
static int next_combination(const run *r, size_t *indexes)
{
    size_t count = r->program->count, at, first = 0;
    while (first < count && !indexes[first])
        first++; /* all before it are 0 */
    for (at = count; at-- > 0;) {
        size_t last = windows_of(r, &r->program->pieces[at]) - 1;
        int leads = first >= at; /* nothing but 0 before it */
        if (leads && !indexes[at])
            continue;
        if (indexes[at] < last) {
            indexes[at]++;
            break;
        }
        if (leads) {
            indexes[at] = 0;
            break;
        }
    }
    if (at == SIZE_MAX)
        return 0;
    int zero = 1;
    for (size_t i = 0; i <= at; i++)
        zero = zero && !indexes[i];
    for (size_t i = at + 1; i < count; i++) {
        size_t windows = windows_of(r, &r->program->pieces[i]);
        indexes[i] = zero && windows > 1 ? 1 : 0;
        zero = zero && !indexes[i];
    }
    return !zero;
}

/* How many windows there are; RANGE when too many. */
static rmr_status count_windows(const run *r, size_t *count)
{
    size_t tokens = r->program->num_tokens + 1, room;
    *count = 1;
    for (size_t i = 0; i < r->program->count; i++) {
        const rmr_post_piece *piece = &r->program->pieces[i];
        if (piece->text == RMR_POST_NO_TEXT)
            continue;
        const part *p = &r->parts[piece->text];
        if (!rmr_mul_size(*count, p->windows, count) ||
            !rmr_add_size(tokens, p->most ? p->most : p->count, &tokens))
            tokens = SIZE_MAX;
    }
    if (*count > 1 &&
        (!rmr_mul_size(*count, tokens, &room) || room > MOST_TOKENS))
        return rmr_fail(r->err, RMR_ERR_RANGE,
                        "the windows would have over %zu tokens", MOST_TOKENS);
    return RMR_OK;
}

static rmr_status push_windows(run *r, size_t *count)
{
    size_t windows;
    rmr_status status = count_windows(r, &windows);
    if (status)
        return status;
    if (!push_window(r, count, NULL))
        return rmr_fail_nomem(r->err, "tokens");
    if (windows == 1)
        return RMR_OK;
    size_t pieces = r->program->count;
    size_t *indexes =
        rmr_scratch_room(r->encoding->scratch, pieces * sizeof *indexes);
    if (!indexes)
        return rmr_fail_nomem(r->err, "tokens");
    memset(indexes, 0, pieces * sizeof *indexes);
    for (size_t i = 0; i < pieces; i++) {
        if (windows_of(r, &r->program->pieces[i]) > 1) {
            indexes[i] = 1;
            break;
        }
    }
    do {
        if (!push_window(r, count, indexes))
            return rmr_fail_nomem(r->err, "tokens");
    } while (next_combination(r, indexes));
    return RMR_OK;
}

static rmr_status assemble(run *r)
{
    rmr_encoding *encoding = r->encoding;
    size_t count = 0;
    rmr_status status = push_windows(r, &count);
    if (status)
        return status;
    rmr_token *tokens = encoding->tokens;
    size_t capacity = encoding->capacity;
    encoding->tokens = encoding->spare;
    encoding->capacity = encoding->spare_capacity;
    encoding->spare = tokens;
    encoding->spare_capacity = capacity;
    encoding->count = count;
    return RMR_OK;
}

/* ------------------------------------------------------------------- calls */

/* The reference wants the window of a single text to hold the stride beside
 * its special tokens, if it holds these, whatever is asked for. */
static rmr_status check_stride(const run *r)
{
    size_t added = r->tokenizer->post.programs[0][1].added;
    size_t most = r->options.max_tokens;
    if (!r->options.windows || most < added ||
        r->options.stride <= most - added || !most)
        return RMR_OK;
    return rmr_fail(r->err, RMR_ERR_RANGE,
                    "a stride of %u tokens and the %zu special ones are more "
                    "than the limit of %zu",
                    (unsigned)r->options.stride, added, most);
}

static rmr_status begin(run *r, const rmr_tokenizer *tokenizer, rmr_text first,
                        const rmr_text *second,
                        const rmr_tokenize_options *options,
                        rmr_encoding *encoding, rmr_error *err)
{
    int special = !options->no_special_tokens;
    *r = (run){.tokenizer = tokenizer,
               .program = &tokenizer->post.programs[second != NULL][special],
               .options = *options,
               .max = SIZE_MAX,
               .encoding = encoding,
               .parts = {{.text = first}},
               .num_parts = second ? 2 : 1,
               .err = err};
    if (second)
        r->parts[1].text = *second;
    encoding->count = encoding->num_windows = encoding->num_spacing = 0;
    encoding->truncated = 0;
    if (r->program->problem)
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "the tokenizer's post-processor cannot take this: %s",
                        r->program->problem);
    if (options->max_tokens && options->max_tokens < r->program->added)
        return rmr_fail(err, RMR_ERR_RANGE,
                        "a limit of %u tokens leaves no room for the %zu "
                        "special ones",
                        (unsigned)options->max_tokens, r->program->added);
    if (options->max_tokens)
        r->max = options->max_tokens - r->program->added;
    return check_stride(r);
}

static rmr_status end(run *r, rmr_status status)
{
    rmr_encoding *encoding = r->encoding;
    if (status)
        encoding->count = encoding->num_windows = 0;
    if (encoding->scratch)
        rmr_encoder_scratch_trim(encoding->scratch);
    return status;
}

rmr_status rmr_tokenizer_encode_pair(const rmr_tokenizer *tokenizer,
                                     rmr_text first, const rmr_text *second,
                                     const rmr_tokenize_options *options,
                                     rmr_encoding *encoding, rmr_error *err)
{
    run r;
    rmr_status status =
        begin(&r, tokenizer, first, second, options, encoding, err);
    if (!status && !(status = encode_parts(&r)) &&
        !(status = truncate_parts(&r)))
        status = assemble(&r);
    return end(&r, status);
}

/* ------------------------------------------------------------- one text only
 */

static int append_added(rmr_encoding *encoding, const rmr_post_tokens *tokens)
{
    for (size_t i = 0; i < tokens->count; i++) {
        if (!rmr_encoding_push(encoding, tokens->list[i].id, 0, 0))
            return 0;
        encoding->tokens[encoding->count - 1].type_id = tokens->list[i].type_id;
    }
    return 1;
}

/* The one piece with the text, or NULL when there are several or none. */
static const rmr_post_piece *only_text(const rmr_post_program *program)
{
    const rmr_post_piece *found = NULL;
    for (size_t i = 0; i < program->count; i++) {
        const rmr_post_piece *piece = &program->pieces[i];
        if (piece->text == RMR_POST_NO_TEXT)
            continue;
        if (found)
            return NULL;
        found = piece;
    }
    return found;
}

/* The text of the one piece, where it stays. */
static rmr_status append_text(run *r, const rmr_post_piece *piece)
{
    rmr_encoding *encoding = r->encoding;
    part *p = &r->parts[0];
    rmr_status status = encode_part(r, p, r->max);
    if (status)
        return status;
    encoding->truncated = p->total > p->count;
    if (encoding->truncated && r->options.truncate == RMR_TRUNCATE_NONE)
        return rmr_fail(r->err, RMR_ERR_TOO_LONG,
                        "the text has over %zu tokens",
                        r->max + r->program->added);
    if (!p->count)
        return RMR_OK;
    rmr_token *tokens = encoding->tokens + p->first;
    for (size_t i = 0; piece->type_id && i < p->count; i++)
        tokens[i].type_id = piece->type_id;
    for (size_t i = 0; i < piece->num_trims; i++)
        rmr_spacing_trim(r->tokenizer, piece->trims[i], p->text, encoding,
                         p->first, tokens, p->count);
    return RMR_OK;
}

static rmr_status encode_in_place(run *r, const rmr_post_piece *own)
{
    for (size_t i = 0; i < r->program->count; i++) {
        const rmr_post_piece *piece = &r->program->pieces[i];
        if (!append_added(r->encoding, &piece->before))
            return rmr_fail_nomem(r->err, "tokens");
        if (piece == own) {
            rmr_status status = append_text(r, piece);
            if (status)
                return status;
        }
        if (!append_added(r->encoding, &piece->after))
            return rmr_fail_nomem(r->err, "tokens");
    }
    return RMR_OK;
}

rmr_status rmr_tokenizer_encode(const rmr_tokenizer *tokenizer,
                                const char *text, size_t len, size_t max_tokens,
                                rmr_truncate truncate, rmr_encoding *encoding,
                                rmr_error *err)
{
    run r;
    const rmr_tokenize_options options = {
        .max_tokens = max_tokens < UINT32_MAX ? (uint32_t)max_tokens : 0,
        .truncate = truncate};
    rmr_status status = begin(&r, tokenizer, (rmr_text){text, len}, NULL,
                              &options, encoding, err);
    const rmr_post_piece *own = only_text(r.program);
    if (!status && own)
        status = encode_in_place(&r, own);
    else if (!status && !(status = encode_parts(&r)) &&
             !(status = truncate_parts(&r)))
        status = assemble(&r);
    if (!status && max_tokens && encoding->count > max_tokens)
        status = rmr_fail(err, RMR_ERR_RANGE,
                          "the tokenizer's post-processor adds more tokens "
                          "than it leaves room for");
    return end(&r, status);
}

/* -------------------------------------------------------------- code points
 */

/* A place in a text, in bytes and in characters. */
typedef struct place {
    size_t at;
    size_t chars;
} place;

/* Moves to the last beginning of a character that is not beyond `to`. */
static size_t move(place *p, rmr_text text, size_t to)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    uint32_t code;
    while (p->at > to) {
        p->at -= rmr_utf8_decode_before(bytes, p->at, &code);
        p->chars--;
    }
    while (p->at < to) {
        size_t n = rmr_utf8_decode(bytes + p->at, text.len - p->at, &code);
        if (p->at + n > to)
            break;
        p->at += n;
        p->chars++;
    }
    return p->chars;
}

void rmr_encoding_use_code_points(rmr_encoding *encoding, rmr_text first,
                                  const rmr_text *second)
{
    const rmr_text texts[2] = {first, second ? *second : (rmr_text){NULL, 0}};
    /* Of starts and of ends: tokens that all stand for one long part of a text
     * then take no time. */
    place starts[2] = {{0, 0}, {0, 0}}, ends[2] = {{0, 0}, {0, 0}};
    for (size_t i = 0; i < encoding->count; i++) {
        rmr_token *token = &encoding->tokens[i];
        unsigned text = encoding->num_windows ? encoding->texts[i] : 0;
        if (text > 1 || (!token->start && !token->end))
            continue;
        token->start = move(&starts[text], texts[text], token->start);
        token->end = move(&ends[text], texts[text], token->end);
    }
}
