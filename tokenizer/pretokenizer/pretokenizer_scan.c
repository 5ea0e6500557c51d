/*
 * pretokenizer_scan.c - scanners for patterns that are known. What a character
 * is comes from the generated tables; for ASCII, from a table of bytes. It
 * must never read a character twice more than its pattern needs.
 */
#include "tokenizer/pretokenizer/pretokenizer_scan.h"

#include <string.h>

#include "tokenizer/text/tokenizer_unicode.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* What a character is: one of the first four, and any of the others. */
enum {
    LETTER = 1, /* \p{L} */
    NUMBER = 2, /* \p{N} */
    SPACE = 4,  /* \s */
    OTHER = 8,  /* [^\s\p{L}\p{N}] */
    KIND = LETTER | NUMBER | SPACE | OTHER,
    UPPER = 16,  /* [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] */
    LOWER = 32,  /* [\p{Ll}\p{Lm}\p{Lo}\p{M}] */
    MARK = 64,   /* \p{M}; it is OTHER */
    SYMBOL = 128 /* OTHER, and no MARK */
};

#define IN(category) (1u << RMR_CATEGORY_##category)
#define NO_CASE (IN(LM) | IN(LO) | RMR_MARKS)

static unsigned class_of(uint32_t code)
{
    const rmr_char *c = rmr_char_of(code);
    unsigned in = 1u << c->category, class = 0;
    if (in & (NO_CASE | IN(LU) | IN(LT)))
        class |= UPPER;
    if (in & (NO_CASE | IN(LL)))
        class |= LOWER;
    if (in & RMR_MARKS)
        class |= MARK;
    if (in & RMR_LETTERS)
        return class | LETTER;
    if (in & RMR_NUMBERS)
        return class | NUMBER;
    if (c->flags & RMR_CHAR_REGEX_SPACE)
        return class | SPACE;
    return class | (class & MARK ? OTHER : OTHER | SYMBOL);
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
    unsigned kind = class_at(s, text, from, end, &len) & KIND;
    if (kind == SPACE)
        return white_space(s, text, at, end);
    return run_of(s, text, from + len, end, kind);
}

/* ------------------------------------------- cl100k, Qwen2 and their relatives
 *
 * A word, which may take a character before it that is no line end; digits;
 * symbols; lines; white space.
 */

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define ONE_BEFORE "[^\\r\\n\\p{L}\\p{N}]?"
#define LINES "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define SYMBOLS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
#define PATHS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|"
#define SYMBOLS_BUT_MARKS "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|"
#define UPPERS "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWERS "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"

static const char cl100k[] =
    CONTRACTIONS "|" ONE_BEFORE "\\p{L}+|\\p{N}{1,3}" SYMBOLS LINES;
static const char qwen2[] =
    CONTRACTIONS "|" ONE_BEFORE "\\p{L}+|\\p{N}" SYMBOLS LINES;
static const char qwen35[] = CONTRACTIONS
    "|" ONE_BEFORE "[\\p{L}\\p{M}]+|\\p{N}" SYMBOLS_BUT_MARKS LINES;
static const char o200k[] =
    ONE_BEFORE UPPERS "*" LOWERS "+" CONTRACTIONS "?|" ONE_BEFORE UPPERS
                      "+" LOWERS "*" CONTRACTIONS "?|\\p{N}{1,3}" PATHS LINES;
static const char tekken[] = ONE_BEFORE UPPERS
    "*" LOWERS "+|" ONE_BEFORE UPPERS "+" LOWERS "*|\\p{N}" PATHS LINES;

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

/* What they differ in. */
typedef struct relative {
    unsigned of_word;    /* classes; not used where case begins a word */
    unsigned of_symbols; /* classes */
    int most_digits;
    int slashes;      /* may follow symbols, as line ends do */
    int contractions; /* may end a word */
} relative;

/* \p{N}{1,most}, of which there is one of len bytes. */
static size_t digits(const rmr_scanner *s, const unsigned char *text, size_t at,
                     size_t end, size_t len, int most)
{
    do
        at += len;
    while (--most && at < end && (class_at(s, text, at, end, &len) & NUMBER));
    return at;
}

/* A run of these classes, then line ends and perhaps slashes. */
static size_t symbols(const rmr_scanner *s, const unsigned char *text,
                      size_t at, size_t end, relative r)
{
    at = run_of(s, text, at, end, r.of_symbols);
    while (at < end &&
           (is_line_end(text[at]) || (r.slashes && text[at] == '/')))
        at++;
    return at;
}

/* What is no word: it begins with a character of this kind and length. */
static inline size_t next_of_no_word(const rmr_scanner *s,
                                     const unsigned char *text, size_t at,
                                     size_t end, unsigned class, size_t len,
                                     relative r)
{
    size_t next = at + len, next_len;
    if (class & NUMBER)
        return digits(s, text, at, end, len, r.most_digits);
    if (class & r.of_symbols)
        return symbols(s, text, next, end, r);
    if (text[at] == ' ' && next < end &&
        (class_at(s, text, next, end, &next_len) & r.of_symbols))
        return symbols(s, text, next, end, r);
    return lines(s, text, at, end);
}

/* cl100k and Qwen: a word is a run of these classes. */
static inline size_t next_of_runs(const rmr_scanner *s,
                                  const unsigned char *text, size_t at,
                                  size_t end, relative r)
{
    size_t len, next = contraction_of_any_case(text + at, end - at);
    if (next)
        return at + next;
    unsigned class = class_at(s, text, at, end, &len);
    if (class & r.of_word)
        return run_of(s, text, at + len, end, r.of_word);
    if ((class & (SPACE | OTHER)) && !is_line_end(text[at])) {
        next = run_of(s, text, at + len, end, r.of_word);
        if (next > at + len)
            return next;
    }
    return next_of_no_word(s, text, at, end, class, len, r);
}

/*
 * UPPERS* LOWERS+ : where it ends; 0 when it does not match. What has no case
 * is in both sets: the first takes all, then gives back up to the last that
 * the second can begin with.
 */
static inline size_t lower_word(const rmr_scanner *s, const unsigned char *text,
                                size_t at, size_t end)
{
    size_t last = 0, len;
    unsigned class = 0;
    while (at < end && ((class = class_at(s, text, at, end, &len)) & UPPER)) {
        at += len;
        if (class & LOWER)
            last = at;
    }
    return at < end && (class & LOWER) ? run_of(s, text, at, end, LOWER) : last;
}

/* UPPERS+ LOWERS* , where lower_word has found nothing, so that no LOWERS
 * follow; 0 when it does not match. */
static inline size_t upper_word(const rmr_scanner *s, const unsigned char *text,
                                size_t at, size_t end)
{
    size_t to = run_of(s, text, at, end, UPPER);
    return to > at ? to : 0;
}

/* o200k and Tekken: upper case begins a word. */
static inline size_t next_of_cases(const rmr_scanner *s,
                                   const unsigned char *text, size_t at,
                                   size_t end, relative r)
{
    size_t len, to = 0;
    unsigned class = class_at(s, text, at, end, &len);
    int before = (class & (SPACE | OTHER)) && !is_line_end(text[at]);
    if (before)
        to = lower_word(s, text, at + len, end);
    if (!to)
        to = lower_word(s, text, at, end);
    if (!to && before)
        to = upper_word(s, text, at + len, end);
    if (!to)
        to = upper_word(s, text, at, end);
    if (!to)
        return next_of_no_word(s, text, at, end, class, len, r);
    if (r.contractions)
        to += contraction_of_any_case(text + to, end - to);
    return to;
}

static inline size_t next_cl100k(const rmr_scanner *s,
                                 const unsigned char *text, size_t at,
                                 size_t end)
{
    const relative r = {
        .of_word = LETTER, .of_symbols = OTHER, .most_digits = 3};
    return next_of_runs(s, text, at, end, r);
}

static inline size_t next_qwen2(const rmr_scanner *s, const unsigned char *text,
                                size_t at, size_t end)
{
    const relative r = {
        .of_word = LETTER, .of_symbols = OTHER, .most_digits = 1};
    return next_of_runs(s, text, at, end, r);
}

static inline size_t next_qwen35(const rmr_scanner *s,
                                 const unsigned char *text, size_t at,
                                 size_t end)
{
    const relative r = {
        .of_word = LETTER | MARK, .of_symbols = SYMBOL, .most_digits = 1};
    return next_of_runs(s, text, at, end, r);
}

static inline size_t next_o200k(const rmr_scanner *s, const unsigned char *text,
                                size_t at, size_t end)
{
    const relative r = {
        .of_symbols = OTHER, .most_digits = 3, .slashes = 1, .contractions = 1};
    return next_of_cases(s, text, at, end, r);
}

static inline size_t next_tekken(const rmr_scanner *s,
                                 const unsigned char *text, size_t at,
                                 size_t end)
{
    const relative r = {.of_symbols = OTHER, .most_digits = 1, .slashes = 1};
    return next_of_cases(s, text, at, end, r);
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
DEFINE_WORDS(qwen35)
DEFINE_WORDS(o200k)
DEFINE_WORDS(tekken)

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
        {qwen35, next_qwen35, words_qwen35},
        {o200k, next_o200k, words_o200k},
        {tekken, next_tekken, words_tekken},
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
