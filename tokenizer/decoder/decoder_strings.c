/*
 * decoder_strings.c - decoders that change each string for itself: BPEDecoder,
 * CTC, Metaspace, Replace, Strip, WordPiece. Where the reference panics over a
 * string they must fail, and never make one up.
 */
#include "tokenizer/decoder/decoder_types.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* A string of the file, copied. */
typedef struct bytes {
    unsigned char *at;
    size_t len;
} bytes;

static rmr_status read_bytes(rmr_json_source source, const char *field,
                             bytes *out, rmr_error *err)
{
    const char *string;
    rmr_status status =
        rmr_tokenizer_get_bytes(source, field, &string, &out->len, err);
    if (status)
        return status;
    out->at = (unsigned char *)rmr_strndup(string, out->len);
    return out->at ? RMR_OK : rmr_fail_nomem(err, source.name);
}

/* The same, of exactly one character. */
static rmr_status read_char(rmr_json_source source, const char *field,
                            bytes *out, rmr_error *err)
{
    uint32_t code;
    rmr_status status = read_bytes(source, field, out, err);
    if (!status &&
        (!out->len || rmr_utf8_decode(out->at, out->len, &code) != out->len))
        status =
            rmr_fail(err, RMR_ERR_FORMAT, "%s: \"%s\" must be one character",
                     source.name, field);
    return status;
}

/* ---------------------------------------------------------------- replacing
 */

/* As memmem, which is slow to begin with a short pattern. */
static const unsigned char *find(const unsigned char *text, size_t len,
                                 bytes pattern)
{
    enum { SHORT = 8 };
    const unsigned char *at = text, *end = text + len;
    if (pattern.len > SHORT)
        return memmem(text, len, pattern.at, pattern.len);
    while ((size_t)(end - at) >= pattern.len &&
           (at = memchr(at, pattern.at[0],
                        (size_t)(end - at) - pattern.len + 1))) {
        if (!memcmp(at, pattern.at, pattern.len))
            return at;
        at++;
    }
    return NULL;
}

/* Appends text with `content` in the place of every `pattern`; an empty
 * pattern is before every character and at the end. */
static void add_replaced(rmr_strings *out, const unsigned char *text,
                         size_t len, bytes pattern, bytes content)
{
    uint32_t code;
    while (!pattern.len && len) {
        size_t n = rmr_utf8_decode(text, len, &code);
        rmr_strings_add(out, content.at, content.len);
        rmr_strings_add(out, text, n);
        text += n;
        len -= n;
    }
    while (pattern.len && len && !out->failed) {
        const unsigned char *found = find(text, len, pattern);
        if (!found)
            break;
        rmr_strings_add(out, text, (size_t)(found - text));
        rmr_strings_add(out, content.at, content.len);
        len -= (size_t)(found - text) + pattern.len;
        text = found + pattern.len;
    }
    if (pattern.len)
        rmr_strings_add(out, text, len);
    else
        rmr_strings_add(out, content.at, content.len);
}

/* The same in the string that is being made, from `from` on, with content that
 * is not longer than the pattern, which is not empty. */
static void replace_in_place(rmr_strings *out, size_t from, const char *pattern,
                             const char *content)
{
    size_t pattern_len = strlen(pattern), content_len = strlen(content);
    size_t to = from;
    if (out->failed)
        return;
    for (;;) {
        unsigned char *at = out->bytes + from;
        unsigned char *found =
            memmem(at, out->len - from, pattern, pattern_len);
        size_t kept = found ? (size_t)(found - at) : out->len - from;
        if (to != from)
            memmove(out->bytes + to, at, kept);
        to += kept;
        if (!found)
            break;
        memcpy(out->bytes + to, content, content_len);
        to += content_len;
        from += kept + pattern_len;
    }
    out->len = to;
}

/* English as it is written, out of words between spaces. */
static void clean_up(rmr_strings *out, size_t from)
{
    static const char *const rules[][2] = {
        {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
        {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
        {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        replace_in_place(out, from, rules[i][0], rules[i][1]);
}

/* --------------------------------------------------------------- BPEDecoder
 */

static void close_bpe(void *self)
{
    bytes *suffix = self;
    rmr_free(suffix->at);
    rmr_free(suffix);
}

static rmr_status open_bpe(void **self, rmr_json_source source, rmr_error *err)
{
    bytes *suffix = *self = rmr_calloc(1, sizeof *suffix);
    if (!suffix)
        return rmr_fail_nomem(err, source.name);
    return read_bytes(source, "suffix", suffix, err);
}

static rmr_status run_bpe(const void *self, struct rmr_decoder_scratch *scratch)
{
    const bytes *suffix = self;
    const rmr_strings *in = rmr_strings_in(scratch);
    rmr_strings *out = rmr_strings_out(scratch);
    for (size_t i = 0; i < in->count && !out->failed; i++) {
        size_t start = rmr_strings_start(in, i);
        const bytes space = {(unsigned char *)" ", i + 1 < in->count};
        add_replaced(out, in->bytes + start, in->ends[i] - start, *suffix,
                     space);
        rmr_strings_end(out);
    }
    return rmr_strings_done(scratch);
}

/* ---------------------------------------------------------------------- CTC
 */

typedef struct ctc {
    bytes pad;
    bytes delimiter;
    unsigned char cleanup;
} ctc;

static void close_ctc(void *self)
{
    ctc *c = self;
    rmr_free(c->pad.at);
    rmr_free(c->delimiter.at);
    rmr_free(c);
}

static rmr_status open_ctc(void **self, rmr_json_source source, rmr_error *err)
{
    ctc *c = *self = rmr_calloc(1, sizeof *c);
    rmr_status status;
    if (!c)
        return rmr_fail_nomem(err, source.name);
    if ((status = read_bytes(source, "pad_token", &c->pad, err)) ||
        (status =
             read_bytes(source, "word_delimiter_token", &c->delimiter, err)))
        return status;
    return rmr_tokenizer_get_bool(source, "cleanup", &c->cleanup, err);
}

/* Whether a string is the one before it again. */
static int repeats(const rmr_strings *in, size_t i)
{
    if (!i)
        return 0;
    size_t start = rmr_strings_start(in, i), len = in->ends[i] - start;
    size_t before = rmr_strings_start(in, i - 1);
    return start - before == len &&
           !memcmp(in->bytes + before, in->bytes + start, len);
}

static rmr_status run_ctc(const void *self, struct rmr_decoder_scratch *scratch)
{
    const ctc *c = self;
    const bytes nothing = {(unsigned char *)"", 0};
    const bytes space = {(unsigned char *)" ", 1};
    const rmr_strings *in = rmr_strings_in(scratch);
    rmr_strings *out = rmr_strings_out(scratch);
    for (size_t i = 0; i < in->count && !out->failed; i++) {
        size_t start = rmr_strings_start(in, i), from = out->len;
        if (repeats(in, i))
            continue;
        add_replaced(out, in->bytes + start, in->ends[i] - start, c->pad,
                     nothing);
        if (c->cleanup)
            clean_up(out, from);
        rmr_strings_end(out);
    }
    rmr_status status = rmr_strings_done(scratch);
    in = rmr_strings_in(scratch);
    out = rmr_strings_out(scratch);
    for (size_t i = 0; i < in->count && !status && !out->failed; i++) {
        size_t start = rmr_strings_start(in, i), len = in->ends[i] - start;
        size_t from = out->len;
        if (c->cleanup)
            add_replaced(out, in->bytes + start, len, c->delimiter, space);
        else
            rmr_strings_add(out, in->bytes + start, len);
        if (out->len > from)
            rmr_strings_end(out);
    }
    return status ? status : rmr_strings_done(scratch);
}

/* ---------------------------------------------------------------- Metaspace
 */

typedef struct metaspace {
    bytes replacement;
    int never; /* nothing is prepended, so nothing is taken off */
} metaspace;

static void close_metaspace(void *self)
{
    metaspace *m = self;
    rmr_free(m->replacement.at);
    rmr_free(m);
}

static rmr_status open_metaspace(void **self, rmr_json_source source,
                                 rmr_error *err)
{
    static const char *const schemes[] = {"always", "first", "never"};
    enum { NEVER = 2 };
    metaspace *m = *self = rmr_calloc(1, sizeof *m);
    size_t scheme = 0;
    int add_prefix_space, split;
    rmr_status status;
    if (!m)
        return rmr_fail_nomem(err, source.name);
    if ((status = read_char(source, "replacement", &m->replacement, err)) ||
        (status = rmr_json_get_bool(source, "add_prefix_space", 1,
                                    &add_prefix_space, err)) ||
        (status = rmr_json_get_bool(source, "split", 1, &split, err)))
        return status;
    if (json_object_get(source.object, "prepend_scheme"))
        status = rmr_tokenizer_get_choice(source, "prepend_scheme", schemes, 3,
                                          &scheme, err);
    if (!status && !add_prefix_space && scheme != NEVER)
        status = rmr_fail(err, RMR_ERR_FORMAT,
                          "%s: \"add_prefix_space\" false needs the "
                          "\"prepend_scheme\" \"never\"",
                          source.name);
    m->never = scheme == NEVER;
    return status;
}

static rmr_status run_metaspace(const void *self,
                                struct rmr_decoder_scratch *scratch)
{
    const metaspace *m = self;
    const rmr_strings *in = rmr_strings_in(scratch);
    rmr_strings *out = rmr_strings_out(scratch);
    for (size_t i = 0; i < in->count && !out->failed; i++) {
        size_t start = rmr_strings_start(in, i);
        const bytes space = {(unsigned char *)" ", i || m->never};
        add_replaced(out, in->bytes + start, in->ends[i] - start,
                     m->replacement, space);
        rmr_strings_end(out);
    }
    return rmr_strings_done(scratch);
}

/* ------------------------------------------------------------------ Replace
 */

typedef struct replace {
    bytes pattern;
    bytes content;
    rmr_regex *regex; /* NULL: the pattern is looked for as it is */
} replace;

static void close_replace(void *self)
{
    replace *r = self;
    rmr_free(r->pattern.at);
    rmr_free(r->content.at);
    if (r->regex)
        rmr_regex_close(r->regex);
    rmr_free(r);
}

static rmr_status open_replace(void **self, rmr_json_source source,
                               rmr_error *err)
{
    replace *r = *self = rmr_calloc(1, sizeof *r);
    char name[RMR_JSON_NAME_SIZE];
    const json_t *pattern = json_object_get(source.object, "pattern");
    const rmr_json_source inner = {pattern, name};
    if (!r)
        return rmr_fail_nomem(err, source.name);
    rmr_tokenizer_json_name(name, source.name, "pattern");
    rmr_status status = read_bytes(source, "content", &r->content, err);
    if (status || (status = rmr_tokenizer_need_object(pattern, name, err)))
        return status;
    if (json_object_get(pattern, "String"))
        return read_bytes(inner, "String", &r->pattern, err);
    if ((status = read_bytes(inner, "Regex", &r->pattern, err)))
        return status;
    return rmr_regex_open(&r->regex, (const char *)r->pattern.at,
                          r->pattern.len, name, err);
}

static rmr_status add_searched(rmr_strings *out, const unsigned char *text,
                               size_t from, size_t to, const replace *r,
                               rmr_regex_scratch *scratch)
{
    rmr_regex_search search;
    size_t start, end;
    int found;
    rmr_status status =
        rmr_regex_begin(&search, r->regex, scratch, text, from, to);
    if (status)
        return status;
    while ((found = rmr_regex_next(&search, &start, &end)) == 1 &&
           !out->failed) {
        rmr_strings_add(out, text + from, start - from);
        rmr_strings_add(out, r->content.at, r->content.len);
        from = end;
    }
    rmr_strings_add(out, text + from, to - from);
    return found < 0 ? (rmr_status)found : RMR_OK;
}

static rmr_status run_replace(const void *self,
                              struct rmr_decoder_scratch *scratch)
{
    const replace *r = self;
    const rmr_strings *in = rmr_strings_in(scratch);
    rmr_strings *out = rmr_strings_out(scratch);
    rmr_status status = RMR_OK;
    for (size_t i = 0; i < in->count && !out->failed && !status; i++) {
        size_t start = rmr_strings_start(in, i), end = in->ends[i];
        if (start < end && r->regex)
            status =
                add_searched(out, in->bytes, start, end, r, &scratch->regex);
        else if (start < end)
            add_replaced(out, in->bytes + start, end - start, r->pattern,
                         r->content);
        rmr_strings_end(out);
    }
    return status ? status : rmr_strings_done(scratch);
}

/* -------------------------------------------------------------------- Strip
 */

typedef struct strip {
    bytes content;
    size_t start;
    size_t stop;
} strip;

static void close_strip(void *self)
{
    strip *s = self;
    rmr_free(s->content.at);
    rmr_free(s);
}

static rmr_status open_strip(void **self, rmr_json_source source,
                             rmr_error *err)
{
    strip *s = *self = rmr_calloc(1, sizeof *s);
    int64_t start, stop;
    rmr_status status;
    if (!s)
        return rmr_fail_nomem(err, source.name);
    if ((status = read_char(source, "content", &s->content, err)) ||
        (status = rmr_json_get_int(source, "start", 0, INT64_MAX,
                                   RMR_JSON_REQUIRED, &start, err)) ||
        (status = rmr_json_get_int(source, "stop", 0, INT64_MAX,
                                   RMR_JSON_REQUIRED, &stop, err)))
        return status;
    s->start = (size_t)start;
    s->stop = (size_t)stop;
    return RMR_OK;
}

static rmr_status run_strip(const void *self,
                            struct rmr_decoder_scratch *scratch)
{
    const strip *s = self;
    size_t n = s->content.len;
    const rmr_strings *in = rmr_strings_in(scratch);
    rmr_strings *out = rmr_strings_out(scratch);
    for (size_t i = 0; i < in->count; i++) {
        size_t start = rmr_strings_start(in, i), stop = in->ends[i];
        size_t begin = start, cuts;
        for (cuts = 0; cuts < s->start && in->ends[i] - begin >= n &&
                       !memcmp(in->bytes + begin, s->content.at, n);
             cuts++)
            begin += n;
        for (cuts = 0; cuts < s->stop && stop - start >= n &&
                       !memcmp(in->bytes + stop - n, s->content.at, n);
             cuts++)
            stop -= n;
        /* The reference looks before the string, or cuts it twice. */
        if ((cuts < s->stop && stop == start) || begin > stop)
            return RMR_ERR_UNSUPPORTED;
        rmr_strings_add(out, in->bytes + begin, stop - begin);
        rmr_strings_end(out);
    }
    return rmr_strings_done(scratch);
}

/* ---------------------------------------------------------------- WordPiece
 */

typedef struct wordpiece {
    bytes prefix;
    unsigned char cleanup;
} wordpiece;

static void close_wordpiece(void *self)
{
    wordpiece *w = self;
    rmr_free(w->prefix.at);
    rmr_free(w);
}

static rmr_status open_wordpiece(void **self, rmr_json_source source,
                                 rmr_error *err)
{
    wordpiece *w = *self = rmr_calloc(1, sizeof *w);
    if (!w)
        return rmr_fail_nomem(err, source.name);
    rmr_status status = read_bytes(source, "prefix", &w->prefix, err);
    return status ? status
                  : rmr_tokenizer_get_bool(source, "cleanup", &w->cleanup, err);
}

static rmr_status run_wordpiece(const void *self,
                                struct rmr_decoder_scratch *scratch)
{
    const wordpiece *w = self;
    const rmr_strings *in = rmr_strings_in(scratch);
    rmr_strings *out = rmr_strings_out(scratch);
    for (size_t i = 0; i < in->count; i++) {
        size_t start = rmr_strings_start(in, i), from = out->len;
        if (i && in->ends[i] - start >= w->prefix.len &&
            !memcmp(in->bytes + start, w->prefix.at, w->prefix.len))
            start += w->prefix.len;
        else if (i)
            rmr_strings_add(out, (const unsigned char *)" ", 1);
        rmr_strings_add(out, in->bytes + start, in->ends[i] - start);
        if (w->cleanup)
            clean_up(out, from);
        rmr_strings_end(out);
    }
    return rmr_strings_done(scratch);
}

/* -------------------------------------------------------------------- types
 */

const rmr_decoder_type rmr_decoder_bpe = {
    .step = {{"BPEDecoder", "`suffix`"}, open_bpe, close_bpe},
    .run = run_bpe,
};

const rmr_decoder_type rmr_decoder_ctc = {
    .step = {{"CTC", "`pad_token`, `word_delimiter_token`, `cleanup`"},
             open_ctc,
             close_ctc},
    .run = run_ctc,
};

const rmr_decoder_type rmr_decoder_metaspace = {
    .step = {{"Metaspace",
              "`replacement`, `prepend_scheme`, `add_prefix_space`"},
             open_metaspace,
             close_metaspace},
    .run = run_metaspace,
};

const rmr_decoder_type rmr_decoder_replace = {
    .step = {{"Replace", "`pattern` (`String`, `Regex`), `content`"},
             open_replace,
             close_replace},
    .run = run_replace,
};

const rmr_decoder_type rmr_decoder_strip = {
    .step = {{"Strip", "`content`, `start`, `stop`"}, open_strip, close_strip},
    .run = run_strip,
};

const rmr_decoder_type rmr_decoder_wordpiece = {
    .step = {{"WordPiece", "`prefix`, `cleanup`"},
             open_wordpiece,
             close_wordpiece},
    .run = run_wordpiece,
};
