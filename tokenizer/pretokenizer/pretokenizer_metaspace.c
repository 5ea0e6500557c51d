/*
 * pretokenizer_metaspace.c - Metaspace: spaces become a character that shows,
 * which begins words. It must never put that character before a word that has
 * it already.
 */
#include "tokenizer/pretokenizer/pretokenizer.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_utf8.h"

enum { ALWAYS, FIRST, NEVER };

typedef struct metaspace {
    uint32_t replacement;
    unsigned char bytes[4]; /* the replacement's */
    size_t len;
    size_t scheme; /* ALWAYS, FIRST, NEVER */
    int split;
} metaspace;

/* ------------------------------------------------------------------ opening */

static rmr_status read_scheme(metaspace *m, rmr_json_source source,
                              rmr_error *err)
{
    static const char *const names[] = {"always", "first", "never"};
    rmr_status status;
    int add_prefix_space;
    m->scheme = ALWAYS;
    if (json_object_get(source.object, "prepend_scheme") &&
        (status = rmr_tokenizer_get_choice(source, "prepend_scheme", names,
                                           sizeof names / sizeof *names,
                                           &m->scheme, err)))
        return status;
    status = rmr_json_get_bool(source, "add_prefix_space", 1, &add_prefix_space,
                               err);
    if (!status && !add_prefix_space && m->scheme != NEVER)
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"add_prefix_space\" is false, so "
                        "\"prepend_scheme\" must be \"never\"",
                        source.name);
    return status;
}

static rmr_status open_metaspace(void **self, rmr_json_source source,
                                 rmr_error *err)
{
    metaspace *m = rmr_calloc(1, sizeof *m);
    rmr_status status;
    *self = m;
    if (!m)
        return rmr_fail_nomem(err, source.name);
    if ((status = rmr_pre_tokenizer_get_char(source, "replacement",
                                             &m->replacement, err)) ||
        (status = read_scheme(m, source, err)))
        return status;
    m->len = rmr_utf8_encode(m->replacement, m->bytes);
    return rmr_json_get_bool(source, "split", 1, &m->split, err);
}

/* ------------------------------------------------------------------ running */

/* What one call works on. */
typedef struct run {
    const metaspace *m;
    const unsigned char *text;
    rmr_normalized *out;
    rmr_writer writer;
    rmr_words *words;
} run;

/* The length of a space or a replacement that text[at, end) begins with; 0
 * when it does not. */
static inline size_t mark_at(const run *r, size_t at, size_t end)
{
    const metaspace *m = r->m;
    if (r->text[at] == ' ')
        return 1;
    return r->text[at] == *m->bytes && end - at >= m->len &&
                   !memcmp(r->text + at, m->bytes, m->len)
               ? m->len
               : 0;
}

static void prepend(run *r, rmr_span word)
{
    uint32_t code;
    size_t len =
        rmr_utf8_decode(r->text + word.start, word.end - word.start, &code);
    rmr_writer_prepend(&r->writer, len, r->m->replacement);
}

/* Writes a word and its pieces: each mark begins one. 0 when out of memory. */
static int write_word(run *r, rmr_span word, int prefix)
{
    size_t start = r->out->len, done = word.start;
    rmr_writer_skip(&r->writer, word.start - r->writer.at);
    if (prefix)
        prepend(r, word);
    for (size_t at = word.start; at < word.end;) {
        size_t len = mark_at(r, at, word.end);
        if (!len) {
            at++;
            continue;
        }
        rmr_writer_copy(&r->writer, at - done);
        if (r->m->split) {
            if (!rmr_words_push(r->words, start, r->out->len))
                return 0;
            start = r->out->len;
        }
        rmr_writer_replace(&r->writer, len, r->m->replacement);
        done = at += len;
    }
    rmr_writer_copy(&r->writer, word.end - done);
    return rmr_words_push(r->words, start, r->out->len);
}

static int wants_prefix(const run *r, rmr_normalized *in, rmr_span word)
{
    size_t start = word.start, end = word.end;
    if (r->m->scheme == NEVER || mark_at(r, word.start, word.end))
        return 0;
    if (r->m->scheme == ALWAYS)
        return 1;
    rmr_normalized_to_text(in, &start, &end);
    return start == 0;
}

static rmr_status run_metaspace(const void *self,
                                struct rmr_encoder_scratch *scratch)
{
    rmr_normalized *in = scratch->text;
    run r = {.m = self,
             .text = in->bytes,
             .out = rmr_scratch_spare(scratch),
             .words = &scratch->next_words};
    rmr_writer_begin(&r.writer, in, r.out);
    for (size_t i = 0; i < scratch->words.count; i++) {
        rmr_span word = scratch->words.spans[i];
        if (!write_word(&r, word, wants_prefix(&r, in, word)))
            return RMR_ERR_NOMEM;
    }
    if (!rmr_writer_end(&r.writer))
        return RMR_ERR_NOMEM;
    rmr_scratch_swap(scratch, r.out);
    rmr_scratch_swap_words(scratch);
    return RMR_OK;
}

/* A space begins a word, and what begins with one gets no prefix. */
static rmr_cut cut(const void *self)
{
    const metaspace *m = self;
    return m->split ? RMR_CUT_SPLITS : RMR_CUT_CHANGES;
}

const rmr_pre_tokenizer_type rmr_pre_tokenizer_metaspace = {
    .step = {{"Metaspace",
              "`replacement`, `prepend_scheme` (always, first, never), "
              "`split`, `add_prefix_space` (false only with never)"},
             open_metaspace,
             rmr_free},
    .run = run_metaspace,
    .cut = cut,
};
