/*
 * tokenizer_text.c - texts with origins and how they are written. It must
 * never read a character that is not whole, nor an origin that is not there.
 */
#include "tokenizer/text/tokenizer_text.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* ------------------------------------------------------------------ origins */

/* What the bytes that come next stand for; length as in rmr_origin. */
static int add_origin(rmr_normalized *out, size_t start, size_t length)
{
    if (out->num_origins) {
        const rmr_origin *last = &out->origins[out->num_origins - 1];
        size_t expected = last->start;
        if (!last->length)
            expected += out->len - last->at;
        if (last->length == length && expected == start)
            return 1;
    }
    if (out->num_origins >= out->origin_capacity) {
        rmr_origin *origins = rmr_grow(out->origins, &out->origin_capacity,
                                       out->num_origins + 1, sizeof *origins);
        if (!origins)
            return 0;
        out->origins = origins;
    }
    out->origins[out->num_origins++] = (rmr_origin){out->len, start, length};
    return 1;
}

/* Room for `more` bytes. */
static int make_room(rmr_normalized *out, size_t more)
{
    if (out->capacity - out->len >= more)
        return 1;
    unsigned char *buffer =
        rmr_grow(out->buffer, &out->capacity, out->len + more, 1);
    if (!buffer)
        return 0;
    out->buffer = buffer;
    out->bytes = buffer;
    return 1;
}

static void empty(rmr_normalized *normalized)
{
    normalized->bytes = normalized->buffer;
    normalized->len = 0;
    normalized->num_origins = 0;
    normalized->start_cursor = 0;
    normalized->end_cursor = 0;
}

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

/* Where the text ends that an origin with a length stands for. */
static size_t end_of(const rmr_origin *o)
{
    return o->length == RMR_ORIGIN_NOTHING ? o->start : o->start + o->length;
}

void rmr_normalized_to_text(rmr_normalized *normalized, size_t *start,
                            size_t *end)
{
    const unsigned char *bytes = normalized->bytes;
    size_t from = *start, to = *end;
    const rmr_origin *o =
        find_origin(normalized, from, &normalized->start_cursor);
    /* A part of a character stands for all of it. */
    while (!o->length && rmr_utf8_is_continuation(bytes[from]))
        from--;
    *start = o->length ? o->start : o->start + (from - o->at);
    o = find_origin(normalized, to - 1, &normalized->end_cursor);
    while (!o->length && to < normalized->len &&
           rmr_utf8_is_continuation(bytes[to]))
        to++;
    *end = o->length ? end_of(o) : o->start + (to - o->at);
}

/* --------------------------------------------------------------------- text */

/* Appends text[from, to), which is well-formed, as it is. */
static int append_well_formed(rmr_normalized *out, const unsigned char *text,
                              size_t from, size_t to)
{
    if (from == to)
        return 1;
    if (!make_room(out, to - from) || !add_origin(out, from, 0))
        return 0;
    memcpy(out->buffer + out->len, text + from, to - from);
    out->len += to - from;
    return 1;
}

static int repair(rmr_normalized *out, const unsigned char *text, size_t from,
                  size_t to)
{
    while (from < to) {
        size_t good = from + rmr_utf8_well_formed(text + from, to - from);
        if (!append_well_formed(out, text, from, good))
            return 0;
        from = good;
        if (from == to)
            break;
        uint32_t code;
        size_t n = rmr_utf8_decode(text + from, to - from, &code);
        if (!make_room(out, 4) || !add_origin(out, from, n == 3 ? 0 : n))
            return 0;
        out->len += rmr_utf8_encode(code, out->buffer + out->len);
        from += n;
    }
    return 1;
}

int rmr_normalized_set(rmr_normalized *normalized, const unsigned char *text,
                       size_t from, size_t to)
{
    empty(normalized);
    normalized->first = from;
    if (from == to)
        return 1;
    if (rmr_utf8_well_formed(text + from, to - from) < to - from)
        return repair(normalized, text, from, to);
    normalized->bytes = text + from;
    if (!add_origin(normalized, from, 0))
        return 0;
    normalized->len = to - from;
    return 1;
}

void rmr_normalized_free(rmr_normalized *normalized)
{
    rmr_free(normalized->buffer);
    rmr_free(normalized->origins);
    memset(normalized, 0, sizeof *normalized);
}

/* ------------------------------------------------------------------- writer */

void rmr_writer_begin(rmr_writer *writer, const rmr_normalized *in,
                      rmr_normalized *out)
{
    empty(out);
    out->first = in->first;
    *writer = (rmr_writer){.in = in, .out = out};
}

int rmr_writer_end(rmr_writer *writer)
{
    return !writer->failed;
}

/* What the character of len bytes at in->bytes[at] stands for. */
static rmr_span source_of(rmr_writer *w, size_t at, size_t len)
{
    const rmr_origin *o = find_origin(w->in, at, &w->origin);
    if (o->length)
        return (rmr_span){o->start, end_of(o)};
    size_t start = o->start + (at - o->at);
    return (rmr_span){start, start + len};
}

rmr_span rmr_writer_take(rmr_writer *writer, size_t len)
{
    rmr_span source = source_of(writer, writer->at, len);
    writer->at += len;
    return source;
}

void rmr_writer_put(rmr_writer *writer, uint32_t code, rmr_span source)
{
    rmr_normalized *out = writer->out;
    size_t length = source.end - source.start;
    unsigned char bytes[4];
    size_t n = rmr_utf8_encode(code, bytes);
    if (!length)
        length = RMR_ORIGIN_NOTHING;
    else if (length == n)
        length = 0;
    if (!make_room(out, n) || !add_origin(out, source.start, length)) {
        writer->failed = 1;
        return;
    }
    memcpy(out->buffer + out->len, bytes, n);
    out->len += n;
}

void rmr_writer_replace(rmr_writer *writer, size_t len, uint32_t code)
{
    rmr_writer_put(writer, code, rmr_writer_take(writer, len));
}

rmr_span rmr_writer_last(rmr_writer *writer)
{
    uint32_t code;
    if (!writer->at)
        return (rmr_span){writer->in->first, writer->in->first};
    size_t n = rmr_utf8_decode_before(writer->in->bytes, writer->at, &code);
    return source_of(writer, writer->at - n, n);
}

void rmr_writer_insert(rmr_writer *writer, uint32_t code)
{
    rmr_writer_put(writer, code, rmr_writer_last(writer));
}

void rmr_writer_prepend(rmr_writer *writer, size_t len, uint32_t code)
{
    rmr_writer_put(writer, code, source_of(writer, writer->at, len));
}

/* Origins for the next len bytes of the output: those that the next len bytes
 * of the input have. */
static int copy_origins(rmr_writer *w, size_t len)
{
    const rmr_normalized *in = w->in;
    size_t at = w->at, end = at + len, begin = w->out->len;
    const rmr_origin *o = find_origin(in, at, &w->origin);
    for (;;) {
        if (!add_origin(w->out, o->length ? o->start : o->start + at - o->at,
                        o->length))
            return 0;
        size_t next = w->origin + 1;
        if (next >= in->num_origins || in->origins[next].at >= end)
            break;
        o = &in->origins[next];
        w->out->len += o->at - at;
        at = o->at;
        w->origin = next;
    }
    w->out->len = begin;
    return 1;
}

unsigned char *rmr_writer_map(rmr_writer *writer, size_t len)
{
    rmr_normalized *out = writer->out;
    if (!make_room(out, len) || !copy_origins(writer, len)) {
        writer->failed = 1;
        return NULL;
    }
    unsigned char *room = out->buffer + out->len;
    out->len += len;
    writer->at += len;
    return room;
}

void rmr_writer_copy(rmr_writer *writer, size_t len)
{
    const unsigned char *from = writer->in->bytes + writer->at;
    unsigned char *room = len ? rmr_writer_map(writer, len) : NULL;
    if (room)
        memcpy(room, from, len);
}

/* -------------------------------------------------------------------- words */

int rmr_words_grow(rmr_words *words)
{
    rmr_span *spans = rmr_grow(words->spans, &words->capacity, words->count + 1,
                               sizeof *spans);
    if (spans)
        words->spans = spans;
    return spans != NULL;
}
