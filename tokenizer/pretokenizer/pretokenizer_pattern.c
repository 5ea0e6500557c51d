/*
 * pretokenizer_pattern.c - Split: words cut at a string or a regular
 * expression. It must never run a regular expression where a string or a
 * scanner finds the same.
 */
#include "tokenizer/pretokenizer/pretokenizer.h"

#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/pretokenizer/pretokenizer_scan.h"
#include "tokenizer/pretokenizer/pretokenizer_split.h"
#include "tokenizer/regex/tokenizer_regex.h"
#include "tokenizer/text/tokenizer_utf8.h"

typedef struct pattern {
    rmr_split_behavior behavior;
    unsigned char invert;
    rmr_cut cut;
    char *literal; /* NULL, or what is looked for */
    size_t len;
    rmr_scanner scanner; /* next is NULL when there is none */
    rmr_regex *regex;    /* NULL when not needed */
} pattern;

/* ------------------------------------------------------------------ opening */

static rmr_status set_literal(pattern *p, const char *string, size_t len,
                              const char *name, rmr_error *err)
{
    p->literal = rmr_strndup(string, len);
    if (!p->literal)
        return rmr_fail_nomem(err, name);
    p->len = len;
    p->cut = rmr_split_cut(string, len, p->behavior, p->invert);
    return RMR_OK;
}

/* Whether a regular expression is just the characters that it is made of. */
static int is_literal(const char *regex, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)regex[i], lower = c | 0x20;
        if (c < 0x80 && c != ' ' && !(c >= '0' && c <= '9') &&
            !(lower >= 'a' && lower <= 'z'))
            return 0;
    }
    return len > 0;
}

/* What is known of a regular expression, given "a b", a being an ASCII letter
 * or digit and b an ASCII letter. */
typedef enum known_regex {
    UNKNOWN,
    IS_SPACE, /* the space is a match */
    IS_APART, /* no match has a letter or a space in it */
    IS_WORDS  /* no match has "a " in it, and one begins with " b" or b */
} known_regex;

static known_regex known_of(const char *regex, size_t len)
{
    static const struct {
        const char *regex;
        known_regex known;
    } all[] = {
        {"\\s", IS_SPACE},
        {"\\s+", IS_SPACE},
        {" +", IS_SPACE},
        {"\\d", IS_APART},
        {"\\d+", IS_APART},
        {"\\d{1,3}", IS_APART},
        {"[0-9]", IS_APART},
        {"[0-9]+", IS_APART},
        {"[0-9][0-9][0-9]", IS_APART},
        {"\\p{N}", IS_APART},
        {"\\p{N}+", IS_APART},
        {"\\p{N}{1,3}", IS_APART},
        {"\\n", IS_APART},
        {"[\\r\\n]", IS_APART},
        {"[一-龥぀-ゟ゠-ヿ]+", IS_APART},
        {"\\s?\\p{L}+", IS_WORDS},
        {" ?[^(\\s|[.,!?…。，、।۔،])]+", IS_WORDS},
        {"'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+",
         IS_WORDS},
        {"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"
         "[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]"
         "*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
         IS_WORDS},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strlen(all[i].regex) == len && !memcmp(all[i].regex, regex, len))
            return all[i].known;
    }
    return UNKNOWN;
}

static int matches_are_words(const pattern *p)
{
    return p->behavior == RMR_SPLIT_ISOLATED ||
           (p->behavior == RMR_SPLIT_REMOVED && p->invert);
}

static rmr_cut cut_of_regex(const pattern *p, const char *regex, size_t len)
{
    switch (known_of(regex, len)) {
    case IS_SPACE:
        return rmr_split_cut(" ", 1, p->behavior, p->invert);
    case IS_APART:
        return RMR_CUT_NEUTRAL;
    case IS_WORDS:
        return matches_are_words(p) ? RMR_CUT_SPLITS : RMR_CUT_CHANGES;
    default:
        return RMR_CUT_CHANGES;
    }
}

static rmr_status set_regex(pattern *p, const char *regex, size_t len,
                            const char *name, rmr_error *err)
{
    if (is_literal(regex, len))
        return set_literal(p, regex, len, name, err);
    if (rmr_scanner_open(&p->scanner, regex, len)) {
        p->cut = p->behavior == RMR_SPLIT_CONTIGUOUS ? RMR_CUT_CHANGES
                                                     : RMR_CUT_SPLITS;
        return RMR_OK;
    }
    p->cut = cut_of_regex(p, regex, len);
    return rmr_regex_open(&p->regex, regex, len, name, err);
}

/* {"String": ...} or {"Regex": ...} */
static rmr_status read_pattern(pattern *p, rmr_json_source source,
                               rmr_error *err)
{
    char name[RMR_JSON_NAME_SIZE];
    const char *bytes;
    size_t len;
    const json_t *object = json_object_get(source.object, "pattern");
    snprintf(name, sizeof name, "%s.pattern", source.name);
    rmr_json_source inner = {object, name};
    if (json_object_size(object) != 1 || (!json_object_get(object, "String") &&
                                          !json_object_get(object, "Regex")))
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s must be an object that has a \"String\" or a "
                        "\"Regex\", and nothing else",
                        name);
    int is_regex = json_object_get(object, "Regex") != NULL;
    const char *field = is_regex ? "Regex" : "String";
    rmr_status status =
        rmr_tokenizer_get_bytes(inner, field, &bytes, &len, err);
    if (status)
        return status;
    if (!is_regex)
        return set_literal(p, bytes, len, name, err);
    snprintf(name, sizeof name, "%s.pattern.Regex", source.name);
    return set_regex(p, bytes, len, name, err);
}

static rmr_status open_split(void **self, rmr_json_source source,
                             rmr_error *err)
{
    pattern *p = rmr_calloc(1, sizeof *p);
    rmr_status status;
    *self = p;
    if (!p)
        return rmr_fail_nomem(err, source.name);
    if ((status = rmr_split_get_behavior(source, -1, &p->behavior, err)) ||
        (status = rmr_tokenizer_get_bool(source, "invert", &p->invert, err)))
        return status;
    return read_pattern(p, source, err);
}

static void close_split(void *self)
{
    pattern *p = self;
    rmr_free(p->literal);
    rmr_regex_close(p->regex);
    rmr_free(p);
}

/* ------------------------------------------------------------------ running */

/* An empty string is found before each character. */
static void find_nothing(const unsigned char *text, rmr_span word,
                         rmr_splitter *splitter)
{
    for (size_t at = word.start; at < word.end; at++) {
        if (!rmr_utf8_is_continuation(text[at]))
            rmr_splitter_match(splitter, at, at);
    }
}

static void find_literal(const pattern *p, const unsigned char *text,
                         rmr_span word, rmr_splitter *splitter)
{
    const unsigned char *at = text + word.start, *end = text + word.end;
    while ((at = memmem(at, (size_t)(end - at), p->literal, p->len))) {
        size_t start = (size_t)(at - text);
        rmr_splitter_match(splitter, start, start + p->len);
        at += p->len;
    }
}

static void scan(const rmr_scanner *scanner, const unsigned char *text,
                 rmr_span word, rmr_splitter *splitter)
{
    for (size_t at = word.start, next; at < word.end; at = next) {
        next = scanner->next(scanner, text, at, word.end);
        rmr_splitter_match(splitter, at, next);
    }
}

static rmr_status find_regex(const pattern *p,
                             struct rmr_encoder_scratch *scratch, rmr_span word,
                             rmr_splitter *splitter)
{
    rmr_regex_search search;
    size_t start, end;
    int found;
    rmr_status status =
        rmr_regex_begin(&search, p->regex, &scratch->regex,
                        scratch->text->bytes, word.start, word.end);
    if (status)
        return status;
    while ((found = rmr_regex_next(&search, &start, &end)) > 0)
        rmr_splitter_match(splitter, start, end);
    return (rmr_status)found;
}

static rmr_status split_word(const pattern *p,
                             struct rmr_encoder_scratch *scratch, rmr_span word)
{
    const unsigned char *text = scratch->text->bytes;
    rmr_splitter splitter;
    rmr_status status = RMR_OK;
    if (p->scanner.next && matches_are_words(p))
        return p->scanner.words(&p->scanner, text, word, &scratch->next_words)
                   ? RMR_OK
                   : RMR_ERR_NOMEM;
    rmr_splitter_begin(&splitter, p->behavior, p->invert, &scratch->next_words,
                       word.start);
    if (p->scanner.next)
        scan(&p->scanner, text, word, &splitter);
    else if (p->regex)
        status = find_regex(p, scratch, word, &splitter);
    else if (p->len)
        find_literal(p, text, word, &splitter);
    else
        find_nothing(text, word, &splitter);
    if (!rmr_splitter_end(&splitter, word.end))
        return RMR_ERR_NOMEM;
    return status;
}

static rmr_status run_split(const void *self,
                            struct rmr_encoder_scratch *scratch)
{
    for (size_t i = 0; i < scratch->words.count; i++) {
        rmr_status status = split_word(self, scratch, scratch->words.spans[i]);
        if (status)
            return status;
    }
    rmr_scratch_swap_words(scratch);
    return RMR_OK;
}

static rmr_cut cut(const void *self)
{
    return ((const pattern *)self)->cut;
}

const rmr_pre_tokenizer_type rmr_pre_tokenizer_split = {
    .step = {{"Split", "`pattern` (`String` or `Regex`), `behavior` (all "
                       "five), `invert`"},
             open_split,
             close_split},
    .run = run_split,
    .cut = cut,
};
