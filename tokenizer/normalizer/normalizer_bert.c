/*
 * normalizer_bert.c - BertNormalizer: cleaning, spaces around CJK characters,
 * accents and case, in one pass. It must never take more than linear time,
 * whatever marks are piled up.
 */
#include "tokenizer/normalizer/normalizer_types.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/normalizer/normalizer_marks.h"
#include "tokenizer/text/tokenizer_unicode.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* What a byte becomes that is not one byte of ASCII to one byte of ASCII. */
#define OTHER 0xFF

typedef struct bert {
    rmr_bert_options options;
    unsigned char ascii[256]; /* what a byte becomes, or OTHER */
} bert;

/* ------------------------------------------------------------------ opening */

static void fill_ascii(bert *b)
{
    memset(b->ascii, OTHER, sizeof b->ascii);
    for (uint32_t c = 0; c < 128; c++) {
        const rmr_char *properties = rmr_char_of(c);
        if (b->options.clean_text && (properties->flags & RMR_CHAR_REMOVED))
            continue;
        b->ascii[c] = (unsigned char)c;
        if (b->options.clean_text && (properties->flags & RMR_CHAR_SPACE))
            b->ascii[c] = ' ';
        else if (b->options.lowercase)
            b->ascii[c] = (unsigned char)((int32_t)c + properties->lower);
    }
}

static rmr_status read_options(rmr_bert_options *o, rmr_json_source source,
                               rmr_error *err)
{
    rmr_status status;
    int strip_accents;
    if ((status = rmr_tokenizer_get_bool(source, "clean_text", &o->clean_text,
                                         err)) ||
        (status = rmr_tokenizer_get_bool(source, "handle_chinese_chars",
                                         &o->handle_chinese_chars, err)) ||
        (status =
             rmr_tokenizer_get_bool(source, "lowercase", &o->lowercase, err)) ||
        (status = rmr_json_get_bool(source, "strip_accents", o->lowercase,
                                    &strip_accents, err)))
        return status;
    o->strip_accents = (unsigned char)strip_accents;
    return RMR_OK;
}

static rmr_status open_bert(void **self, rmr_json_source source, rmr_error *err)
{
    bert *b = rmr_calloc(1, sizeof *b);
    *self = b;
    if (!b)
        return rmr_fail_nomem(err, source.name);
    rmr_status status = read_options(&b->options, source, err);
    fill_ascii(b);
    return status;
}

/* ------------------------------------------------------------------ running */

/* What one call works on. */
typedef struct run {
    const bert *bert;
    struct rmr_encoder_scratch *scratch;
    rmr_writer writer;
    rmr_span last;  /* what the character used last stands for */
    int keeps_mark; /* a waiting mark is one that stays */
    int failed;
} run;

static void emit_cased(run *r, uint32_t code, const rmr_char *properties,
                       rmr_span source)
{
    enum { COMBINING_DOT_ABOVE = 0x307 };
    if (!r->bert->options.lowercase) {
        rmr_writer_put(&r->writer, code, source);
        return;
    }
    rmr_writer_put(&r->writer, (uint32_t)((int32_t)code + properties->lower),
                   source);
    if (properties->flags & RMR_CHAR_DOTTED)
        rmr_writer_put(&r->writer, COMBINING_DOT_ABOVE, source);
}

/*
 * Ends a run of marks. Each mark that begins a decomposition takes the next
 * source, in the order of the text, not its own: that is how the reference
 * aligns reordered marks.
 */
static void flush_marks(run *r)
{
    struct rmr_encoder_scratch *s = r->scratch;
    if (r->failed)
        return;
    if (r->keeps_mark) {
        const rmr_mark *sorted = rmr_marks_sort(s);
        size_t next = 0;
        r->failed = !sorted;
        for (size_t i = 0; sorted && i < s->num_marks; i++) {
            const rmr_char *properties = rmr_char_of(sorted[i].code);
            if (!sorted[i].added)
                r->last = s->sources[next++];
            if (!(properties->flags & RMR_CHAR_MARK))
                emit_cased(r, sorted[i].code, properties, r->last);
        }
    } else if (s->num_sources) {
        r->last = s->sources[s->num_sources - 1];
    }
    r->keeps_mark = 0;
    s->num_marks = 0;
    s->num_sources = 0;
}

static void add_mark(run *r, uint32_t code, const rmr_char *properties,
                     int added)
{
    rmr_mark mark = {code, properties->order, (uint8_t)added};
    if (!rmr_marks_add(r->scratch, mark))
        r->failed = 1;
    if (!(properties->flags & RMR_CHAR_MARK))
        r->keeps_mark = 1;
}

static void add_source(run *r, rmr_span source)
{
    struct rmr_encoder_scratch *s = r->scratch;
    rmr_span *sources = rmr_grow(s->sources, &s->source_capacity,
                                 s->num_sources + 1, sizeof *sources);
    if (!sources) {
        r->failed = 1;
        return;
    }
    s->sources = sources;
    sources[s->num_sources++] = source;
}

/* Canonical decomposition and order, less the nonspacing marks. */
static void put_stripped(run *r, uint32_t code, const rmr_char *properties,
                         rmr_span source)
{
    uint32_t parts[RMR_NFD_MAX];
    unsigned count = rmr_char_decompose(code, properties, parts);
    for (unsigned i = 0; i < count; i++) {
        const rmr_char *part =
            parts[i] == code ? properties : rmr_char_of(parts[i]);
        if (part->order) {
            if (!i)
                add_source(r, source);
            add_mark(r, parts[i], part, i > 0);
            continue;
        }
        flush_marks(r);
        if (!i)
            r->last = source;
        if (!(part->flags & RMR_CHAR_MARK))
            emit_cased(r, parts[i], part, r->last);
    }
}

static void put(run *r, uint32_t code, const rmr_char *properties,
                rmr_span source)
{
    if (r->bert->options.strip_accents)
        put_stripped(r, code, properties, source);
    else
        emit_cased(r, code, properties, source);
}

/* One character, through all of BertNormalizer's steps. */
static void normalize_char(run *r, uint32_t code, rmr_span source)
{
    const rmr_char *properties = rmr_char_of(code);
    if (r->bert->options.clean_text) {
        if (properties->flags & RMR_CHAR_REMOVED)
            return;
        if (properties->flags & RMR_CHAR_SPACE) {
            code = ' ';
            properties = rmr_char_of(code);
        }
    }
    if (!r->bert->options.handle_chinese_chars ||
        !(properties->flags & RMR_CHAR_CHINESE)) {
        put(r, code, properties, source);
        return;
    }
    put(r, ' ', rmr_char_of(' '), source);
    put(r, code, properties, source);
    put(r, ' ', rmr_char_of(' '), source);
}

/* Copies what is ASCII and one byte in, one byte out; returns how many. */
static size_t normalize_ascii(run *r, const unsigned char *text, size_t len)
{
    const unsigned char *ascii = r->bert->ascii;
    size_t n = 0;
    while (n < len && ascii[text[n]] != OTHER)
        n++;
    if (!n)
        return 0;
    flush_marks(r);
    unsigned char *out = rmr_writer_map(&r->writer, n);
    for (size_t i = 0; out && i < n; i++)
        out[i] = ascii[text[i]];
    r->last = rmr_writer_last(&r->writer);
    return n;
}

static rmr_status run_bert(const void *self,
                           struct rmr_encoder_scratch *scratch)
{
    const rmr_normalized *in = scratch->text;
    rmr_normalized *spare = rmr_scratch_spare(scratch);
    run r = {.bert = self, .scratch = scratch};
    rmr_writer_begin(&r.writer, in, spare);
    scratch->num_marks = 0;
    scratch->num_sources = 0;
    for (size_t at = 0; at < in->len && !r.failed;) {
        size_t n = normalize_ascii(&r, in->bytes + at, in->len - at);
        if (!n) {
            uint32_t code;
            n = rmr_utf8_decode(in->bytes + at, in->len - at, &code);
            normalize_char(&r, code, rmr_writer_take(&r.writer, n));
        }
        at += n;
    }
    flush_marks(&r);
    if (!rmr_writer_end(&r.writer) || r.failed)
        return RMR_ERR_NOMEM;
    rmr_scratch_swap(scratch, spare);
    return RMR_OK;
}

/* ------------------------------------------------------------------ the type
 */

const rmr_normalizer_type rmr_normalizer_bert = {
    .step = {{"BertNormalizer",
              "`clean_text`, `handle_chinese_chars`, `strip_accents` "
              "(true, false, null), `lowercase`"},
             open_bert,
             rmr_free},
    .run = run_bert,
    .local = rmr_normalizer_is_local,
};

const rmr_bert_options *rmr_bert_options_of(const void *self)
{
    return &((const bert *)self)->options;
}

const rmr_bert_options *
rmr_normalizer_bert_options(const rmr_normalizer *normalizer)
{
    const rmr_steps *steps = &normalizer->steps;
    if (steps->count != 1 || steps->list->type != &rmr_normalizer_bert.step)
        return NULL;
    return rmr_bert_options_of(steps->list->self);
}
