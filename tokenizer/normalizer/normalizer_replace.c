/*
 * normalizer_replace.c - Replace: every match of a string or of a regular
 * expression becomes another string. It must never need the regular
 * expressions for a string, but the empty one.
 */
#include "tokenizer/normalizer/normalizer_types.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_utf8.h"

enum { PATTERN_NAME_SIZE = RMR_JSON_NAME_SIZE + sizeof ".pattern" };

typedef struct replace {
    rmr_regex *regex;       /* NULL: a string */
    unsigned char *pattern; /* that string */
    size_t pattern_len;
    unsigned char *content;
    size_t content_len;
    int local;      /* as in rmr_normalizer_type */
    int sourceless; /* likewise */
} replace;

/* ------------------------------------------------------------------- opening
 */

static void close_replace(void *self)
{
    replace *r = self;
    rmr_regex_close(r->regex);
    rmr_free(r->pattern);
    rmr_free(r->content);
    rmr_free(r);
}

static rmr_status copy_bytes(unsigned char **out, const char *bytes, size_t len,
                             const char *name, rmr_error *err)
{
    *out = rmr_malloc(len + 1);
    if (!*out)
        return rmr_fail_nomem(err, name);
    memcpy(*out, bytes, len);
    return RMR_OK;
}

static int is_alphanumeric(unsigned char byte)
{
    unsigned char lower = byte | 0x20;
    return (byte >= '0' && byte <= '9') || (lower >= 'a' && lower <= 'z');
}

/* Matches that neither touch an ASCII letter or digit nor a single space. */
static int is_local_string(const unsigned char *string, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = string[i];
        if (byte == ' ' || is_alphanumeric(byte))
            return 0;
    }
    return 1;
}

static rmr_status read_string(replace *r, rmr_json_source source,
                              rmr_error *err)
{
    const char *string;
    rmr_status status = rmr_tokenizer_get_bytes(source, "String", &string,
                                                &r->pattern_len, err);
    if (status)
        return status;
    r->sourceless = !r->pattern_len;
    if (!r->pattern_len)
        return rmr_regex_open(&r->regex, "", 0, source.name, err);
    status = copy_bytes(&r->pattern, string, r->pattern_len, source.name, err);
    if (!status)
        r->local = is_local_string(r->pattern, r->pattern_len);
    return status;
}

static rmr_status read_regex(replace *r, rmr_json_source source, rmr_error *err)
{
    static const char spaces[] = " {2,}";
    char name[PATTERN_NAME_SIZE + sizeof ".Regex"];
    const char *string;
    size_t len;
    rmr_status status =
        rmr_tokenizer_get_bytes(source, "Regex", &string, &len, err);
    if (status)
        return status;
    snprintf(name, sizeof name, "%s.Regex", source.name);
    if ((status = rmr_regex_open(&r->regex, string, len, name, err)))
        return status;
    r->sourceless = rmr_regex_matches_empty(r->regex);
    r->local = len == sizeof spaces - 1 && !memcmp(string, spaces, len);
    return RMR_OK;
}

static rmr_status read_pattern(replace *r, rmr_json_source source,
                               rmr_error *err)
{
    char name[PATTERN_NAME_SIZE];
    const json_t *pattern = json_object_get(source.object, "pattern");
    rmr_json_source inner = {pattern, name};
    snprintf(name, sizeof name, "%.*s.pattern", RMR_JSON_NAME_SIZE - 1,
             source.name);
    if (json_is_object(pattern) && json_object_size(pattern) == 1) {
        if (json_object_get(pattern, "String"))
            return read_string(r, inner, err);
        if (json_object_get(pattern, "Regex"))
            return read_regex(r, inner, err);
    }
    return rmr_fail(err, RMR_ERR_FORMAT,
                    "%s must be {\"String\": ...} or {\"Regex\": ...}", name);
}

static rmr_status open_replace(void **self, rmr_json_source source,
                               rmr_error *err)
{
    const char *content;
    replace *r = rmr_calloc(1, sizeof *r);
    *self = r;
    if (!r)
        return rmr_fail_nomem(err, source.name);
    rmr_status status = read_pattern(r, source, err);
    if (!status)
        status = rmr_tokenizer_get_bytes(source, "content", &content,
                                         &r->content_len, err);
    if (!status)
        status =
            copy_bytes(&r->content, content, r->content_len, source.name, err);
    return status;
}

/* ------------------------------------------------------------------- running
 */

/* The next match from `at` on, which the last one ended at. */
static int next_match(const replace *r, rmr_regex_search *search,
                      const rmr_normalized *in, size_t at, rmr_span *match)
{
    if (r->regex)
        return rmr_regex_next(search, &match->start, &match->end);
    const unsigned char *from = in->bytes + at;
    const unsigned char *found =
        r->pattern_len == 1
            ? memchr(from, *r->pattern, in->len - at)
            : memmem(from, in->len - at, r->pattern, r->pattern_len);
    if (!found)
        return 0;
    match->start = (size_t)(found - in->bytes);
    match->end = match->start + r->pattern_len;
    return 1;
}

/* What is written for a match stands for the last character before its end,
 * one of the match if it has any. */
static void write_match(const replace *r, rmr_writer *writer, rmr_span match)
{
    uint32_t code;
    rmr_writer_copy(writer, match.start - writer->at);
    rmr_writer_skip(writer, match.end - match.start);
    rmr_span source = rmr_writer_last(writer);
    for (size_t at = 0; at < r->content_len;) {
        at += rmr_utf8_decode(r->content + at, r->content_len - at, &code);
        rmr_writer_put(writer, code, source);
    }
}

static rmr_status run_replace(const void *self,
                              struct rmr_encoder_scratch *scratch)
{
    const replace *r = self;
    const rmr_normalized *in = scratch->text;
    rmr_normalized *spare = rmr_scratch_spare(scratch);
    rmr_regex_search search;
    rmr_writer writer;
    rmr_span match;
    rmr_status status;
    if (!in->len)
        return RMR_OK;
    if (r->regex &&
        (status = rmr_regex_begin(&search, r->regex, &scratch->regex, in->bytes,
                                  0, in->len)))
        return status;
    int found = next_match(r, &search, in, 0, &match);
    if (found <= 0)
        return found;
    rmr_writer_begin(&writer, in, spare);
    while (found == 1 && !writer.failed) {
        write_match(r, &writer, match);
        found = next_match(r, &search, in, match.end, &match);
    }
    rmr_writer_copy(&writer, in->len - writer.at);
    if (!rmr_writer_end(&writer))
        return RMR_ERR_NOMEM;
    if (found < 0)
        return found;
    rmr_scratch_swap(scratch, spare);
    return RMR_OK;
}

static int replace_is_local(const void *self)
{
    return ((const replace *)self)->local;
}

static int replace_is_sourceless(const void *self)
{
    return ((const replace *)self)->sourceless;
}

const rmr_normalizer_type rmr_normalizer_replace = {
    .step = {{"Replace", "`pattern` (`String`, `Regex`), `content`"},
             open_replace,
             close_replace},
    .run = run_replace,
    .local = replace_is_local,
    .sourceless = replace_is_sourceless,
    .takes_sourceless = 1,
};
