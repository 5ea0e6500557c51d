/*
 * tokenizer_spacing.c - trims white space off the offsets of tokens as the
 * reference does, which goes by a token's string and not by the text. It must
 * never walk over the same long white space for every token in it.
 */
#include "tokenizer/tokenizer_internal.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_unicode.h"
#include "tokenizer/text/tokenizer_utf8.h"

enum { MOST = 255, SPACE_LETTER = 0x120 };

/* ----------------------------------------------------------------- counting
 */

static int is_space(uint32_t code)
{
    return code == SPACE_LETTER || (rmr_char_of(code)->flags & RMR_CHAR_SPACE);
}

static size_t count_leading(const unsigned char *bytes, size_t len)
{
    size_t count = 0;
    for (size_t at = 0; at < len; count++) {
        uint32_t code;
        at += rmr_utf8_decode(bytes + at, len - at, &code);
        if (!is_space(code))
            break;
    }
    return count;
}

static size_t count_trailing(const unsigned char *bytes, size_t len)
{
    size_t count = 0;
    for (; len; count++) {
        uint32_t code;
        len -= rmr_utf8_decode_before(bytes, len, &code);
        if (!is_space(code))
            break;
    }
    return count;
}

static void note_id(rmr_spacing *spacing, uint32_t id, const char *string,
                    size_t len)
{
    const unsigned char *bytes = (const unsigned char *)string;
    size_t leading = count_leading(bytes, len);
    size_t trailing = count_trailing(bytes, len);
    spacing->leading[id] = (unsigned char)(leading < MOST ? leading : MOST);
    spacing->trailing[id] = (unsigned char)(trailing < MOST ? trailing : MOST);
}

rmr_status rmr_spacing_open(rmr_spacing *spacing,
                            const rmr_tokenizer *tokenizer, const json_t *model,
                            rmr_error *err)
{
    const char *type = tokenizer->model.type->component.type;
    const json_t *unk_id = json_object_get(model, "unk_id");
    spacing->limit = tokenizer->model.vocabulary.id_limit;
    spacing->text_id = RMR_NO_ID;
    if (!strcmp(type, "Unigram") && json_is_integer(unk_id))
        spacing->text_id = (uint32_t)json_integer_value(unk_id);
    spacing->leading = rmr_calloc(spacing->limit, 1);
    spacing->trailing = rmr_calloc(spacing->limit, 1);
    if (!spacing->leading || !spacing->trailing)
        return rmr_fail_nomem(err, "the spacing of tokens");
    for (uint32_t id = 0; id < spacing->limit; id++) {
        size_t len;
        const char *string =
            rmr_vocabulary_string(&tokenizer->model.vocabulary, id, &len);
        if (string)
            note_id(spacing, id, string, len);
    }
    return RMR_OK;
}

void rmr_spacing_close(rmr_spacing *spacing)
{
    rmr_free(spacing->leading);
    rmr_free(spacing->trailing);
    memset(spacing, 0, sizeof *spacing);
}

/* ------------------------------------------------- tokens with other strings
 */

static int note(const rmr_spacing *spacing, rmr_encoding *encoding,
                size_t token, const unsigned char *bytes, size_t len)
{
    uint32_t id = encoding->tokens[token].id;
    const struct rmr_own_spacing own = {token, count_leading(bytes, len),
                                        count_trailing(bytes, len)};
    if (id < spacing->limit ? own.leading == spacing->leading[id] &&
                                  own.trailing == spacing->trailing[id] &&
                                  own.leading < MOST && own.trailing < MOST
                            : !own.leading && !own.trailing)
        return 1;
    struct rmr_own_spacing *grown =
        rmr_grow(encoding->spacing, &encoding->spacing_capacity,
                 encoding->num_spacing + 1, sizeof *grown);
    if (!grown)
        return 0;
    encoding->spacing = grown;
    grown[encoding->num_spacing++] = own;
    return 1;
}

int rmr_spacing_note(const rmr_spacing *spacing, rmr_encoding *encoding,
                     const unsigned char *bytes, size_t len)
{
    return !spacing->leading ||
           note(spacing, encoding, encoding->count - 1, bytes, len);
}

int rmr_spacing_note_words(const rmr_spacing *spacing, rmr_encoding *encoding,
                           size_t first, const unsigned char *bytes)
{
    if (!spacing->leading || spacing->text_id == RMR_NO_ID)
        return 1;
    for (size_t i = first; i < encoding->count; i++) {
        const rmr_token *token = &encoding->tokens[i];
        if (token->id == spacing->text_id &&
            !note(spacing, encoding, i, bytes + token->start,
                  token->end - token->start))
            return 0;
    }
    return 1;
}

void rmr_spacing_drop(rmr_encoding *encoding, size_t first, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < encoding->num_spacing; i++) {
        struct rmr_own_spacing own = encoding->spacing[i];
        if (own.token >= first && own.token < first + count)
            continue;
        if (own.token >= first)
            own.token -= count;
        encoding->spacing[kept++] = own;
    }
    encoding->num_spacing = kept;
}

/* The first of those whose token is `token` or a later one. */
static size_t find_own(const rmr_encoding *encoding, size_t token)
{
    size_t low = 0, high = encoding->num_spacing;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (encoding->spacing[middle].token < token)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ----------------------------------------------------------------- trimming
 */

typedef struct trimming {
    const rmr_tokenizer *tokenizer;
    const unsigned char *text;
    size_t len;
    size_t at;    /* a place in the text, ... */
    size_t chars; /* ... and how many characters are before it */
} trimming;

/* Whether the text has at least `count` characters before `end`. */
static int has_before(trimming *t, size_t end, size_t count)
{
    if (end < t->at)
        t->at = t->chars = 0;
    while (t->at < end && t->chars < count) {
        uint32_t code;
        t->at += rmr_utf8_decode(t->text + t->at, t->len - t->at, &code);
        t->chars++;
    }
    return t->chars >= count;
}

static void trim_start(const trimming *t, rmr_token *token, size_t count)
{
    uint32_t code;
    for (; count && token->start < token->end; count--)
        token->start += rmr_utf8_decode(t->text + token->start,
                                        t->len - token->start, &code);
    if (token->start > token->end)
        token->start = token->end;
}

static void trim_end(trimming *t, rmr_token *token, size_t count)
{
    size_t end = token->end;
    uint32_t code;
    while (count && end > token->start) {
        end -= rmr_utf8_decode_before(t->text, end, &code);
        count--;
    }
    if (!count || has_before(t, token->start, count))
        token->end = end;
}

/* How the string of an id begins and ends. */
static void spacing_of(const rmr_tokenizer *tokenizer, uint32_t id,
                       size_t *leading, size_t *trailing)
{
    const rmr_spacing *spacing = &tokenizer->spacing;
    size_t len;
    *leading = id < spacing->limit ? spacing->leading[id] : 0;
    *trailing = id < spacing->limit ? spacing->trailing[id] : 0;
    if (*leading < MOST && *trailing < MOST)
        return;
    const unsigned char *bytes = (const unsigned char *)rmr_vocabulary_string(
        &tokenizer->model.vocabulary, id, &len);
    *leading = count_leading(bytes, len);
    *trailing = count_trailing(bytes, len);
}

static void trim_token(trimming *t, rmr_post_trim trim, int first,
                       size_t leading, size_t trailing, rmr_token *token)
{
    if (leading == 1 && trim.add_prefix_space && (first || !token->start))
        leading = 0;
    trim_start(t, token, leading);
    trim_end(t, token, trailing);
}

void rmr_spacing_trim(const rmr_tokenizer *tokenizer, rmr_post_trim trim,
                      rmr_text text, const rmr_encoding *encoding, size_t first,
                      rmr_token *tokens, size_t count)
{
    trimming t = {.tokenizer = tokenizer,
                  .text = (const unsigned char *)text.data,
                  .len = text.len};
    size_t own = find_own(encoding, first);
    for (size_t i = 0; i < count; i++) {
        size_t leading, trailing;
        if (own < encoding->num_spacing &&
            encoding->spacing[own].token == first + i) {
            leading = encoding->spacing[own].leading;
            trailing = encoding->spacing[own].trailing;
            own++;
        } else {
            spacing_of(tokenizer, tokens[i].id, &leading, &trailing);
        }
        if (leading || trailing)
            trim_token(&t, trim, !i && !trim.preceded, leading, trailing,
                       &tokens[i]);
    }
}
