/*
 * pretokenizer_scan.c - scanners for patterns that are known. What a character
 * is comes from the generated tables; for ASCII, from a table of bytes. It
 * must never read a character twice more than its pattern needs.
 */
#include "tokenizer/pretokenizer_scan.h"

#include <string.h>

#include "tokenizer/tokenizer_unicode.h"
#include "tokenizer/tokenizer_utf8.h"

/* What a character is; every one has LETTER, NUMBER, SPACE or OTHER. */
enum {
    LETTER = 1, /* \p{L} */
    NUMBER = 2, /* \p{N} */
    SPACE = 4,  /* \s */
    OTHER = 8,  /* [^\s\p{L}\p{N}] */
};

static unsigned class_of(uint32_t code)
{
    const rmr_char *c = rmr_char_of(code);
    if (RMR_LETTERS >> c->category & 1)
        return LETTER;
    if (RMR_NUMBERS >> c->category & 1)
        return NUMBER;
    return c->flags & RMR_CHAR_REGEX_SPACE ? SPACE : OTHER;
}

/* The class of the character at `at`, and its length. */
static inline unsigned class_at(const rmr_scanner *s, const unsigned char *text,
                                size_t at, size_t end, size_t *len)
{
    unsigned class = s->class_of_byte[text[at]];
    *len = 1;
    if (!class) {
        uint32_t code;
        *len = rmr_utf8_decode(text + at, end - at, &code);
        class = class_of(code);
    }
    return class;
}

/* Where the characters of these classes end. */
static inline size_t run_of(const rmr_scanner *s, const unsigned char *text,
                            size_t at, size_t end, unsigned classes)
{
    size_t len;
    while (at < end && (class_at(s, text, at, end, &len) & classes))
        at += len;
    return at;
}

/* -------------------------------------------------------------------- GPT-2 */

const char rmr_scan_gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+"
                             "| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/* The length of 's, 't, 're, 've, 'm, 'll or 'd, which `text` may begin with;
 * 0 when it does not. */
static size_t contraction(const unsigned char *text, size_t len)
{
    if (len < 2 || *text != '\'')
        return 0;
    if (memchr("stmd", text[1], 4))
        return 2;
    if (len < 3)
        return 0;
    return !memcmp(text + 1, "re", 2) || !memcmp(text + 1, "ve", 2) ||
                   !memcmp(text + 1, "ll", 2)
               ? 3
               : 0;
}

/* \s+(?!\S)|\s+ : white space, less its last character when something follows
 * it, unless that is all. */
static size_t white_space(const rmr_scanner *s, const unsigned char *text,
                          size_t at, size_t end)
{
    size_t to = run_of(s, text, at, end, SPACE);
    uint32_t code;
    if (to == end)
        return to;
    size_t last = to - rmr_utf8_decode_before(text, to, &code);
    return last > at ? last : to;
}

static size_t next_gpt2(const rmr_scanner *s, const unsigned char *text,
                        size_t at, size_t end)
{
    size_t len = contraction(text + at, end - at);
    if (len)
        return at + len;
    size_t from = text[at] == ' ' && at + 1 < end ? at + 1 : at;
    unsigned class = class_at(s, text, from, end, &len);
    if (class == SPACE)
        return white_space(s, text, at, end);
    return run_of(s, text, from + len, end, class);
}

/* ------------------------------------------------------------ cl100k, Qwen2
 */

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define WORD_OR_DIGITS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
#define THE_REST                                                               \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
static const char cl100k[] = CONTRACTIONS WORD_OR_DIGITS "{1,3}" THE_REST;
static const char qwen2[] = CONTRACTIONS WORD_OR_DIGITS THE_REST;

static int is_line_end(unsigned char byte)
{
    return byte == '\r' || byte == '\n';
}

/* As contraction(), in any case; the long s is an s, too. */
static size_t contraction_of_any_case(const unsigned char *text, size_t len)
{
    unsigned char folded[3] = {'\''};
    if (len < 2 || *text != '\'')
        return 0;
    if (len >= 3 && !memcmp(text + 1, "\xC5\xBF", 2))
        return 3;
    folded[1] = text[1] | 0x20;
    folded[2] = len > 2 ? text[2] | 0x20 : 0;
    return contraction(folded, len > 3 ? 3 : len);
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ : up to the last line end, if there is one. */
static size_t lines(const rmr_scanner *s, const unsigned char *text, size_t at,
                    size_t end)
{
    size_t to = run_of(s, text, at, end, SPACE);
    for (size_t last = to; last > at; last--) {
        if (is_line_end(text[last - 1]))
            return last;
    }
    return white_space(s, text, at, end);
}

/* Up to `most` digits, of which there is one of `len` bytes. */
static size_t digits(const rmr_scanner *s, const unsigned char *text, size_t at,
                     size_t end, size_t len, int most)
{
    do
        at += len;
    while (--most && at < end && class_at(s, text, at, end, &len) == NUMBER);
    return at;
}

/* [^\s\p{L}\p{N}]+[\r\n]* */
static size_t symbols(const rmr_scanner *s, const unsigned char *text,
                      size_t at, size_t end)
{
    at = run_of(s, text, at, end, OTHER);
    while (at < end && is_line_end(text[at]))
        at++;
    return at;
}

static inline size_t next_of_lines(const rmr_scanner *s,
                                   const unsigned char *text, size_t at,
                                   size_t end, int most_digits)
{
    size_t len, next_len, next = contraction_of_any_case(text + at, end - at);
    if (next)
        return at + next;
    unsigned class = class_at(s, text, at, end, &len), second = 0;
    if (class == LETTER)
        return run_of(s, text, at + len, end, LETTER);
    if (class == NUMBER)
        return digits(s, text, at, end, len, most_digits);
    next = at + len;
    if (next < end)
        second = class_at(s, text, next, end, &next_len);
    if (second == LETTER && !is_line_end(text[at]))
        return run_of(s, text, next + next_len, end, LETTER);
    if (class == OTHER)
        return symbols(s, text, next, end);
    if (second == OTHER && text[at] == ' ')
        return symbols(s, text, next, end);
    return lines(s, text, at, end);
}

static size_t next_cl100k(const rmr_scanner *s, const unsigned char *text,
                          size_t at, size_t end)
{
    return next_of_lines(s, text, at, end, 3);
}

static size_t next_qwen2(const rmr_scanner *s, const unsigned char *text,
                         size_t at, size_t end)
{
    return next_of_lines(s, text, at, end, 1);
}

/* ------------------------------------------------------------------ opening */

int rmr_scanner_open(rmr_scanner *scanner, const char *pattern, size_t len)
{
    static const struct {
        const char *pattern;
        size_t (*next)(const rmr_scanner *, const unsigned char *, size_t,
                       size_t);
    } known[] = {
        {rmr_scan_gpt2, next_gpt2},
        {cl100k, next_cl100k},
        {qwen2, next_qwen2},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i].pattern) != len ||
            memcmp(known[i].pattern, pattern, len))
            continue;
        scanner->next = known[i].next;
        for (uint32_t byte = 0; byte < 256; byte++)
            scanner->class_of_byte[byte] =
                (unsigned char)(byte < 128 ? class_of(byte) : 0);
        return 1;
    }
    return 0;
}
