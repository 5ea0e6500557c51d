/*
 * tokenizer_normalizer.c - the normalizer: text to its normal form, and from
 * where in the text each byte of that comes. It must never lose that origin,
 * and never take more than linear time, whatever marks are piled up.
 */
#include "tokenizer/tokenizer_internal.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/tokenizer_unicode.h"
#include "tokenizer/tokenizer_utf8.h"

/* ------------------------------------------------------------------ opening */

static void fill_ascii(rmr_normalizer *n)
{
    memset(n->ascii, RMR_ASCII_OTHER, sizeof n->ascii);
    for (uint32_t c = 0; c < 128; c++) {
        const rmr_char *properties = rmr_char_of(c);
        if (n->clean_text && (properties->flags & RMR_CHAR_REMOVED))
            continue;
        n->ascii[c] = (unsigned char)c;
        if (n->clean_text && (properties->flags & RMR_CHAR_SPACE))
            n->ascii[c] = ' ';
        else if (n->lowercase)
            n->ascii[c] = (unsigned char)((int32_t)c + properties->lower);
    }
}

static rmr_status read_bert(rmr_normalizer *n, rmr_json_source source,
                            rmr_error *err)
{
    rmr_status status;
    int strip_accents;
    if ((status = rmr_tokenizer_get_bool(source, "clean_text", &n->clean_text,
                                         err)) ||
        (status = rmr_tokenizer_get_bool(source, "handle_chinese_chars",
                                         &n->handle_chinese_chars, err)) ||
        (status =
             rmr_tokenizer_get_bool(source, "lowercase", &n->lowercase, err)) ||
        (status = rmr_json_get_bool(source, "strip_accents", n->lowercase,
                                    &strip_accents, err)))
        return status;
    n->strip_accents = (unsigned char)strip_accents;
    return RMR_OK;
}

rmr_status rmr_normalizer_open(rmr_normalizer *normalizer, const json_t *value,
                               const char *file, rmr_error *err)
{
    char name[RMR_JSON_NAME_SIZE];
    rmr_json_source source = {value, name};
    const char *type;
    memset(normalizer, 0, sizeof *normalizer);
    rmr_status status = RMR_OK;
    if (value && !json_is_null(value)) {
        rmr_tokenizer_json_name(name, file, "normalizer");
        if ((status = rmr_tokenizer_need_object(value, name, err)) ||
            (status = rmr_json_get_string(source, "type", NULL, &type, err)))
            return status;
        if (strcmp(type, "BertNormalizer"))
            return rmr_tokenizer_unsupported(source, "BertNormalizer, null",
                                             err);
        status = read_bert(normalizer, source, err);
    }
    fill_ascii(normalizer);
    return status;
}

/* ------------------------------------------------------------------ running */

/* What one call works on. */
typedef struct writer {
    const rmr_normalizer *options;
    struct rmr_encoder_scratch *scratch;
    rmr_normalized *out;
    rmr_span last;  /* the part of the text that was used last */
    int keeps_mark; /* a waiting mark is one that stays */
    int failed;
} writer;

static void add_origin(writer *w, size_t start, size_t length)
{
    rmr_normalized *out = w->out;
    if (out->num_origins) {
        const rmr_origin *last = &out->origins[out->num_origins - 1];
        size_t expected = last->start;
        if (!last->length)
            expected += out->len - last->at;
        if (last->length == length && expected == start)
            return;
    }
    rmr_origin *origins = rmr_grow(out->origins, &out->origin_capacity,
                                   out->num_origins + 1, sizeof *origins);
    if (!origins) {
        w->failed = 1;
        return;
    }
    out->origins = origins;
    origins[out->num_origins++] = (rmr_origin){out->len, start, length};
}

/* Room for `more` bytes. */
static int make_room(writer *w, size_t more)
{
    rmr_normalized *out = w->out;
    if (out->capacity - out->len >= more)
        return 1;
    void *bytes = rmr_grow(out->bytes, &out->capacity, out->len + more, 1);
    if (bytes)
        out->bytes = bytes;
    else
        w->failed = 1;
    return bytes != NULL;
}

static void emit(writer *w, uint32_t code, rmr_span source)
{
    size_t length = source.end - source.start;
    if (!make_room(w, 4))
        return;
    unsigned char bytes[4];
    size_t n = rmr_utf8_encode(code, bytes);
    add_origin(w, source.start, n == length ? 0 : length);
    memcpy(w->out->bytes + w->out->len, bytes, n);
    w->out->len += n;
}

static void emit_cased(writer *w, uint32_t code, const rmr_char *properties,
                       rmr_span source)
{
    enum { COMBINING_DOT_ABOVE = 0x307 };
    if (!w->options->lowercase) {
        emit(w, code, source);
        return;
    }
    emit(w, (uint32_t)((int32_t)code + properties->lower), source);
    if (properties->flags & RMR_CHAR_DOTTED)
        emit(w, COMBINING_DOT_ABOVE, source);
}

/* A stable counting sort by class: the canonical order of waiting marks. */
static const rmr_mark *sort_marks(writer *w)
{
    struct rmr_encoder_scratch *s = w->scratch;
    size_t starts[256] = {0}, at = 0;
    rmr_mark *sorted = rmr_grow(s->sorted_marks, &s->sorted_capacity,
                                s->num_marks, sizeof *sorted);
    if (!sorted) {
        w->failed = 1;
        return NULL;
    }
    s->sorted_marks = sorted;
    for (size_t i = 0; i < s->num_marks; i++)
        starts[s->marks[i].order]++;
    for (int order = 0; order < 256; order++) {
        size_t count = starts[order];
        starts[order] = at;
        at += count;
    }
    for (size_t i = 0; i < s->num_marks; i++)
        sorted[starts[s->marks[i].order]++] = s->marks[i];
    return sorted;
}

/*
 * Ends a run of marks. Each mark that begins a decomposition takes the next
 * source, in the order of the text, not its own: that is how the reference
 * aligns reordered marks.
 */
static void flush_marks(writer *w)
{
    struct rmr_encoder_scratch *s = w->scratch;
    if (w->failed)
        return;
    if (w->keeps_mark) {
        const rmr_mark *sorted = sort_marks(w);
        size_t next = 0;
        for (size_t i = 0; sorted && i < s->num_marks; i++) {
            const rmr_char *properties = rmr_char_of(sorted[i].code);
            if (!sorted[i].added)
                w->last = s->sources[next++];
            if (!(properties->flags & RMR_CHAR_MARK))
                emit_cased(w, sorted[i].code, properties, w->last);
        }
    } else if (s->num_sources) {
        w->last = s->sources[s->num_sources - 1];
    }
    w->keeps_mark = 0;
    s->num_marks = 0;
    s->num_sources = 0;
}

static void add_mark(writer *w, uint32_t code, const rmr_char *properties,
                     int added)
{
    struct rmr_encoder_scratch *s = w->scratch;
    rmr_mark *marks =
        rmr_grow(s->marks, &s->mark_capacity, s->num_marks + 1, sizeof *marks);
    if (!marks) {
        w->failed = 1;
        return;
    }
    s->marks = marks;
    marks[s->num_marks++] = (rmr_mark){code, properties->order, (uint8_t)added};
    if (!(properties->flags & RMR_CHAR_MARK))
        w->keeps_mark = 1;
}

static void add_source(writer *w, rmr_span source)
{
    struct rmr_encoder_scratch *s = w->scratch;
    rmr_span *sources = rmr_grow(s->sources, &s->source_capacity,
                                 s->num_sources + 1, sizeof *sources);
    if (!sources) {
        w->failed = 1;
        return;
    }
    s->sources = sources;
    sources[s->num_sources++] = source;
}

/* Canonical decomposition and order, less the nonspacing marks. */
static void put_stripped(writer *w, uint32_t code, const rmr_char *properties,
                         rmr_span source)
{
    uint32_t parts[RMR_NFD_MAX];
    unsigned count = rmr_char_decompose(code, properties, parts);
    for (unsigned i = 0; i < count; i++) {
        const rmr_char *part =
            parts[i] == code ? properties : rmr_char_of(parts[i]);
        if (part->order) {
            if (!i)
                add_source(w, source);
            add_mark(w, parts[i], part, i > 0);
            continue;
        }
        flush_marks(w);
        if (!i)
            w->last = source;
        if (!(part->flags & RMR_CHAR_MARK))
            emit_cased(w, parts[i], part, w->last);
    }
}

static void put(writer *w, uint32_t code, const rmr_char *properties,
                rmr_span source)
{
    if (w->options->strip_accents)
        put_stripped(w, code, properties, source);
    else
        emit_cased(w, code, properties, source);
}

/* One character, through all of BertNormalizer's steps. */
static void normalize_char(writer *w, uint32_t code, rmr_span source)
{
    const rmr_char *properties = rmr_char_of(code);
    if (w->options->clean_text) {
        if (properties->flags & RMR_CHAR_REMOVED)
            return;
        if (properties->flags & RMR_CHAR_SPACE) {
            code = ' ';
            properties = rmr_char_of(code);
        }
    }
    if (!w->options->handle_chinese_chars ||
        !(properties->flags & RMR_CHAR_CHINESE)) {
        put(w, code, properties, source);
        return;
    }
    put(w, ' ', rmr_char_of(' '), source);
    put(w, code, properties, source);
    put(w, ' ', rmr_char_of(' '), source);
}

/* Copies what is ASCII and one byte in, one byte out; returns where it ends. */
static size_t normalize_ascii(writer *w, const unsigned char *text, size_t from,
                              size_t to)
{
    const unsigned char *ascii = w->options->ascii;
    size_t at = from;
    unsigned char byte = ascii[text[at]];
    if (byte == RMR_ASCII_OTHER)
        return at;
    flush_marks(w);
    if (!make_room(w, to - from))
        return at;
    add_origin(w, at, 0);
    unsigned char *out = w->out->bytes + w->out->len - from;
    do {
        out[at++] = byte;
    } while (at < to && (byte = ascii[text[at]]) != RMR_ASCII_OTHER);
    w->out->len += at - from;
    w->last = (rmr_span){at - 1, at};
    return at;
}

int rmr_normalizer_run(const rmr_normalizer *normalizer,
                       const unsigned char *text, size_t from, size_t to,
                       struct rmr_encoder_scratch *scratch)
{
    writer w = {
        .options = normalizer, .scratch = scratch, .out = &scratch->normalized};
    w.out->len = 0;
    w.out->num_origins = 0;
    w.out->start_cursor = 0;
    w.out->end_cursor = 0;
    scratch->num_marks = 0;
    scratch->num_sources = 0;
    while (from < to && !w.failed) {
        size_t next = normalize_ascii(&w, text, from, to);
        if (next == from) {
            uint32_t code;
            next += rmr_utf8_decode(text + from, to - from, &code);
            normalize_char(&w, code, (rmr_span){from, next});
        }
        from = next;
    }
    flush_marks(&w);
    return !w.failed;
}

/* ------------------------------------------------------------------ origins */

/* The origin of a byte; *cursor is where to begin and ends there. */
static const rmr_origin *find_origin(const rmr_normalized *n, size_t byte,
                                     size_t *cursor)
{
    size_t i = *cursor;
    while (n->origins[i].at > byte)
        i--;
    while (i + 1 < n->num_origins && n->origins[i + 1].at <= byte)
        i++;
    *cursor = i;
    return &n->origins[i];
}

void rmr_normalized_to_text(rmr_normalized *normalized, size_t *start,
                            size_t *end)
{
    const rmr_origin *o =
        find_origin(normalized, *start, &normalized->start_cursor);
    *start = o->length ? o->start : o->start + (*start - o->at);
    o = find_origin(normalized, *end - 1, &normalized->end_cursor);
    *end = o->length ? o->start + o->length : o->start + (*end - o->at);
}
