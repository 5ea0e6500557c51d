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

/* The class of a character that is not ASCII, and its length. */
static __attribute__((noinline)) unsigned
class_beyond_ascii(const unsigned char *text, size_t at, size_t end,
                   size_t *len)
{
    uint32_t code;
    *len = rmr_utf8_decode(text + at, end - at, &code);
    return class_of(code);
}

/* The class of the character at `at`, and its length. */
static inline unsigned class_at(const rmr_scanner *s, const unsigned char *text,
                                size_t at, size_t end, size_t *len)
{
    unsigned class = s->class_of_byte[text[at]];
    *len = 1;
    return class ? class : class_beyond_ascii(text, at, end, len);
}

/* Where the characters of these classes end. */
static inline size_t run_of(const rmr_scanner *s, const unsigned char *text,
                            size_t at, size_t end, unsigned classes)
{
    size_t len;
    for (;;) {
        while (at < end && (s->class_of_byte[text[at]] & classes))
            at++;
        if (at == end || s->class_of_byte[text[at]] ||
            !(class_beyond_ascii(text, at, end, &len) & classes))
            return at;
        at += len;
    }
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

static inline size_t next_gpt2(const rmr_scanner *s, const unsigned char *text,
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

static inline size_t next_cl100k(const rmr_scanner *s,
                                 const unsigned char *text, size_t at,
                                 size_t end)
{
    return next_of_lines(s, text, at, end, 3);
}

static inline size_t next_qwen2(const rmr_scanner *s, const unsigned char *text,
                                size_t at, size_t end)
{
    return next_of_lines(s, text, at, end, 1);
}

/* ------------------------------------------------------------------ opening */

/* A loop around each, which makes one function of both. */
#define DEFINE_WORDS(name)                                                     \
    static int words_##name(const rmr_scanner *s, const unsigned char *text,   \
                            rmr_span word, rmr_words *words)                   \
    {                                                                          \
        for (size_t at = word.start, end; at < word.end; at = end) {           \
            end = next_##name(s, text, at, word.end);                          \
            if (!rmr_words_push(words, at, end))                               \
                return 0;                                                      \
        }                                                                      \
        return 1;                                                              \
    }
DEFINE_WORDS(gpt2)
DEFINE_WORDS(cl100k)
DEFINE_WORDS(qwen2)

int rmr_scanner_open(rmr_scanner *scanner, const char *pattern, size_t len)
{
    static const struct {
        const char *pattern;
        size_t (*next)(const rmr_scanner *, const unsigned char *, size_t,
                       size_t);
        int (*words)(const rmr_scanner *, const unsigned char *, rmr_span,
                     rmr_words *);
    } known[] = {
        {rmr_scan_gpt2, next_gpt2, words_gpt2},
        {cl100k, next_cl100k, words_cl100k},
        {qwen2, next_qwen2, words_qwen2},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i].pattern) != len ||
            memcmp(known[i].pattern, pattern, len))
            continue;
        scanner->next = known[i].next;
        scanner->words = known[i].words;
        for (uint32_t byte = 0; byte < 256; byte++)
            scanner->class_of_byte[byte] =
                (unsigned char)(byte < 128 ? class_of(byte) : 0);
        return 1;
    }
    return 0;
}
