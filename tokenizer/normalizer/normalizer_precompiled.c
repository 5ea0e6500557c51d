/*
 * normalizer_precompiled.c - Precompiled: SentencePiece's map of characters, a
 * double array from the beginnings of grapheme clusters to what they become,
 * used as the reference does. It must never trust the map: it is read at places
 * that the map itself gives.
 */
#include "tokenizer/normalizer/normalizer_types.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_unicode.h"
#include "tokenizer/text/tokenizer_utf8.h"

typedef struct precompiled {
    unsigned char *map;         /* what base64 gave */
    const unsigned char *units; /* [num_units] 32 bits each, low byte first */
    size_t num_units;
    const unsigned char *strings; /* NUL after each */
    size_t strings_len;
    /* A bit for each code point up to U+FFFF that no key begins with, and that
     * does not make one cluster with all that follows. */
    unsigned char dead[0x10000 / 8];
    unsigned char plain[256]; /* ASCII that stays as it is, in a cluster of its
                               * own when ASCII follows */
    int local;                /* as in rmr_normalizer_type */
} precompiled;

/* ----------------------------------------------------------------- the array
 */

static uint32_t unit_at(const precompiled *p, size_t at)
{
    const unsigned char *b = p->units + at * 4;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
           (uint32_t)b[3] << 24;
}

static uint32_t offset_of(uint32_t unit)
{
    return unit >> 10 << ((unit & 1u << 9) >> 6);
}

/* The string that the shortest beginning of key stands for; 0 when none does.
 * Beyond a map's end, and within a character of a string, there is none. */
static int find(const precompiled *p, const unsigned char *key, size_t len,
                rmr_span *string)
{
    const uint32_t label = 1u << 31 | 0xFF, has_leaf = 1u << 8;
    size_t node = offset_of(unit_at(p, 0));
    for (size_t i = 0; i < len && key[i]; i++) {
        node ^= key[i];
        if (node >= p->num_units)
            return 0;
        uint32_t unit = unit_at(p, node);
        if ((unit & label) != key[i])
            return 0;
        node ^= offset_of(unit);
        if (!(unit & has_leaf))
            continue;
        if (node >= p->num_units)
            return 0;
        size_t start = unit_at(p, node) & 0x7FFFFFFF;
        if (start > p->strings_len ||
            (start < p->strings_len &&
             rmr_utf8_is_continuation(p->strings[start])))
            return 0;
        const unsigned char *end =
            memchr(p->strings + start, 0, p->strings_len - start);
        string->start = start;
        string->end = end ? (size_t)(end - p->strings) : p->strings_len;
        return 1;
    }
    return 0;
}

/* ------------------------------------------------------------------- opening
 */

static int base64_digit(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648, section 4, padded and with no bit set that is not used. Returns
 * how many bytes it wrote, at most len / 4 * 3; -1 when it is not base64. */
static ptrdiff_t decode_base64(const char *text, size_t len, unsigned char *out)
{
    size_t padding = 0, n = 0;
    if (len % 4)
        return -1;
    while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
        padding++;
    uint32_t bits = 0;
    for (size_t i = 0; i < len - padding; i++) {
        int digit = base64_digit((unsigned char)text[i]);
        if (digit < 0)
            return -1;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4)
            out[n++] = (unsigned char)(bits >> (6 - i % 4 * 2));
    }
    uint32_t unused = padding == 2 ? 0xF : padding ? 3 : 0;
    return bits & unused ? -1 : (ptrdiff_t)n;
}

static int is_utf8(const unsigned char *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        uint32_t code;
        size_t n = rmr_utf8_decode(bytes + at, len - at, &code);
        if (code == RMR_REPLACEMENT &&
            (n != 3 || memcmp(bytes + at, "\xEF\xBF\xBD", n)))
            return 0;
        at += n;
    }
    return 1;
}

/* The map: how many bytes the array has, the array, the strings. */
static rmr_status read_map(precompiled *p, size_t len, const char *name,
                           rmr_error *err)
{
    enum { HEADER = 4 };
    if (len < HEADER)
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"precompiled_charsmap\" is cut short", name);
    p->units = p->map;
    size_t num_units = unit_at(p, 0) / 4;
    p->units = p->map + HEADER;
    if (!num_units || num_units > (len - HEADER) / 4)
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"precompiled_charsmap\" has %zu bytes, too few "
                        "for an array of %zu units",
                        name, len, num_units);
    p->num_units = num_units;
    p->strings = p->units + num_units * 4;
    p->strings_len = len - HEADER - num_units * 4;
    if (!is_utf8(p->strings, p->strings_len))
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: the strings of \"precompiled_charsmap\" are not "
                        "UTF-8",
                        name);
    return RMR_OK;
}

static void fill_plain(precompiled *p)
{
    p->local = 1;
    for (unsigned c = 0; c < 0x80; c++) {
        unsigned char byte = (unsigned char)c;
        rmr_span string;
        p->plain[c] = c != '\r' && !find(p, &byte, 1, &string);
        if (!p->plain[c] && (c == ' ' || c - '0' < 10 || (c | 32) - 'a' < 26))
            p->local = 0;
    }
}

/* Whether a key begins with these bytes, or they with a key. */
static int is_live(const precompiled *p, const unsigned char *bytes, size_t len)
{
    const uint32_t label = 1u << 31 | 0xFF, has_leaf = 1u << 8;
    size_t node = offset_of(unit_at(p, 0));
    for (size_t i = 0; i < len; i++) {
        node ^= bytes[i];
        if (node >= p->num_units)
            return 0;
        uint32_t unit = unit_at(p, node);
        if ((unit & label) != bytes[i])
            return 0;
        if (unit & has_leaf)
            return 1;
        node ^= offset_of(unit);
    }
    return 1;
}

static void fill_dead(precompiled *p)
{
    for (uint32_t code = 0x80; code < 0x10000; code++) {
        unsigned char bytes[4];
        size_t n = rmr_utf8_encode(code, bytes);
        if (rmr_char_of(code)->grapheme != RMR_GRAPHEME_PREPEND &&
            !is_live(p, bytes, n))
            p->dead[code / 8] |= (unsigned char)(1 << code % 8);
    }
}

static rmr_status open_precompiled(void **self, rmr_json_source source,
                                   rmr_error *err)
{
    const char *text;
    size_t len;
    rmr_status status = rmr_tokenizer_get_bytes(source, "precompiled_charsmap",
                                                &text, &len, err);
    if (status)
        return status;
    precompiled *p = rmr_calloc(1, sizeof *p);
    *self = p;
    if (!p || !(p->map = rmr_malloc(len / 4 * 3 + 1)))
        return rmr_fail_nomem(err, source.name);
    ptrdiff_t decoded = decode_base64(text, len, p->map);
    if (decoded < 0)
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"precompiled_charsmap\" is not base64",
                        source.name);
    status = read_map(p, (size_t)decoded, source.name, err);
    if (!status) {
        fill_plain(p);
        fill_dead(p);
    }
    return status;
}

static void close_precompiled(void *self)
{
    precompiled *p = self;
    rmr_free(p->map);
    rmr_free(p);
}

/* -------------------------------------------------------- grapheme clusters
 *
 * Unicode's annex 29. Regional indicators are taken for other characters: a
 * pair of them, of 8 bytes, is looked up one by one anyway.
 */

/* What a cluster has shown so far. */
typedef struct cluster {
    rmr_grapheme last;
    int emoji;    /* 1: ends in a pictograph and extensions; 2: and a ZWJ */
    int conjunct; /* 1: ends in a consonant and extensions; 2: with a linker */
} cluster;

static int joins_hangul(rmr_grapheme last, rmr_grapheme next)
{
    switch (last) {
    case RMR_GRAPHEME_L:
        return next == RMR_GRAPHEME_L || next == RMR_GRAPHEME_V ||
               next == RMR_GRAPHEME_LV || next == RMR_GRAPHEME_LVT;
    case RMR_GRAPHEME_V:
    case RMR_GRAPHEME_LV:
        return next == RMR_GRAPHEME_V || next == RMR_GRAPHEME_T;
    case RMR_GRAPHEME_T:
    case RMR_GRAPHEME_LVT:
        return next == RMR_GRAPHEME_T;
    default:
        return 0;
    }
}

static int is_control(rmr_grapheme grapheme)
{
    return grapheme >= RMR_GRAPHEME_CR && grapheme <= RMR_GRAPHEME_CONTROL;
}

static int joins(const cluster *c, rmr_grapheme next)
{
    if (c->last == RMR_GRAPHEME_CR && next == RMR_GRAPHEME_LF)
        return 1;
    if (is_control(c->last) || is_control(next))
        return 0;
    return next >= RMR_GRAPHEME_SPACING || c->last == RMR_GRAPHEME_PREPEND ||
           joins_hangul(c->last, next) ||
           (c->emoji == 2 && next == RMR_GRAPHEME_PICTOGRAPHIC) ||
           (c->conjunct == 2 && next == RMR_GRAPHEME_CONSONANT);
}

static void extend(cluster *c, rmr_grapheme next)
{
    c->last = next;
    if (next == RMR_GRAPHEME_PICTOGRAPHIC)
        c->emoji = 1;
    else if (c->emoji == 1 && next == RMR_GRAPHEME_ZWJ)
        c->emoji = 2;
    else if (c->emoji != 1 || next <= RMR_GRAPHEME_SPACING)
        c->emoji = 0;
    if (next == RMR_GRAPHEME_CONSONANT)
        c->conjunct = 1;
    else if (next < RMR_GRAPHEME_EXTEND)
        c->conjunct = 0;
    else if (c->conjunct && next == RMR_GRAPHEME_LINKER)
        c->conjunct = 2;
}

/* Where the cluster that begins at `at` ends. */
static size_t cluster_end(const rmr_normalized *in, size_t at)
{
    cluster c = {RMR_GRAPHEME_CONTROL, 0, 0};
    size_t begin = at;
    while (at < in->len) {
        uint32_t code;
        size_t n = rmr_utf8_decode(in->bytes + at, in->len - at, &code);
        rmr_grapheme next = rmr_char_of(code)->grapheme;
        if (at > begin && !joins(&c, next))
            break;
        extend(&c, next);
        at += n;
    }
    return at;
}

/* ------------------------------------------------------------------- running
 */

/*
 * What one call works on. As in the reference, characters that give nothing
 * are used up by what was written before them; where nothing was, at the
 * beginning of a text, they are not used up at all, and all that follows
 * stands for characters further to the front than it came from. What is not
 * used up when a long text is cut is owed: it comes first when that goes on.
 */
typedef struct run {
    const precompiled *map;
    struct rmr_encoder_scratch *scratch;
    const rmr_normalized *in;
    rmr_normalized *out;
    rmr_writer writer;
    int begun;   /* something changes */
    int late;    /* the writer is behind what has been read */
    int inserts; /* `inserted` is yet to be written; it may still replace */
    uint32_t inserted;
} run;

static void begin(run *r)
{
    if (!r->begun)
        rmr_writer_begin(&r->writer, r->in, r->out);
    r->begun = 1;
}

/* Uses up one character; returns what it stands for. */
static rmr_span take(run *r)
{
    struct rmr_encoder_scratch *s = r->scratch;
    if (s->owed_from < s->owed_to)
        return s->owed[s->owed_from++];
    return rmr_writer_take(&r->writer, rmr_writer_next(&r->writer));
}

/* What the character that was used up last stands for. */
static rmr_span last(run *r)
{
    if (!r->writer.at && r->scratch->owed_from)
        return r->scratch->owed[r->scratch->owed_from - 1];
    return rmr_writer_last(&r->writer);
}

static void flush_insert(run *r)
{
    if (r->inserts)
        rmr_writer_put(&r->writer, r->inserted, last(r));
    r->inserts = 0;
}

static void replace_next(run *r, uint32_t code)
{
    rmr_writer_put(&r->writer, code, take(r));
}

/* in[.., to) has been read and stays as it is, as far as it is not written. */
static void keep_until(run *r, size_t to)
{
    if (r->late || r->writer.at == to)
        return;
    flush_insert(r);
    rmr_writer_copy(&r->writer, to - r->writer.at);
}

/* count > 0 characters give nothing. */
static void remove_chars(run *r, size_t count)
{
    if (r->inserts) {
        r->inserts = 0;
        replace_next(r, r->inserted);
        count--;
    } else if (!r->out->len) {
        r->late = 1;
        return;
    }
    while (count--)
        take(r);
}

/* in[start, end), count characters, becomes a string of the map. */
static void change(run *r, size_t start, size_t count, rmr_span string)
{
    const unsigned char *strings = r->map->strings;
    begin(r);
    keep_until(r, start);
    for (size_t at = string.start; at < string.end;) {
        uint32_t code;
        at += rmr_utf8_decode(strings + at, string.end - at, &code);
        flush_insert(r);
        if (count) {
            replace_next(r, code);
            count--;
        } else {
            r->inserts = 1;
            r->inserted = code;
        }
    }
    if (count)
        remove_chars(r, count);
}

/* A character that stays as it is. */
static void keep_char(run *r, uint32_t code)
{
    if (!r->late)
        return;
    flush_insert(r);
    replace_next(r, code);
}

static size_t count_chars(const unsigned char *bytes, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += !rmr_utf8_is_continuation(bytes[i]);
    return count;
}

static void map_cluster(run *r, size_t at, size_t end)
{
    enum { TOO_LONG = 6 }; /* bytes of a cluster that is looked up whole */
    const unsigned char *bytes = r->in->bytes;
    rmr_span string;
    if (end - at < TOO_LONG && find(r->map, bytes + at, end - at, &string)) {
        change(r, at, count_chars(bytes + at, end - at), string);
        return;
    }
    while (at < end && !r->writer.failed) {
        uint32_t code;
        size_t n = rmr_utf8_decode(bytes + at, end - at, &code);
        if (find(r->map, bytes + at, n, &string))
            change(r, at, 1, string);
        else
            keep_char(r, code);
        at += n;
    }
}

/* What the character at `at` is to clusters, and its length; one that begins
 * none at the end, and for ASCII. */
static rmr_grapheme grapheme_at(const rmr_normalized *in, size_t at, size_t *n)
{
    uint32_t code;
    if (at == in->len || in->bytes[at] < 0x80)
        return RMR_GRAPHEME_CONTROL;
    *n = rmr_utf8_decode(in->bytes + at, in->len - at, &code);
    return rmr_char_of(code)->grapheme;
}

/* Where ASCII from `at` on that stays as it is ends. */
static size_t plain_run(const run *r, size_t at)
{
    const rmr_normalized *in = r->in;
    size_t start = at, n;
    while (at < in->len && r->map->plain[in->bytes[at]])
        at++;
    if (at > start && grapheme_at(in, at, &n) >= RMR_GRAPHEME_SPACING)
        at--; /* the last one's cluster goes on */
    return at;
}

static int is_dead(const precompiled *map, uint32_t code)
{
    return code < 0x10000 && map->dead[code / 8] >> code % 8 & 1;
}

/*
 * Where characters beyond ASCII that no key begins with, from `at` on, end.
 * Neither they nor clusters that begin with them change, so that it does not
 * matter where these are; but it does for the character that comes next, and
 * therefore the end is where a cluster begins.
 */
static size_t dead_run(const run *r, size_t at)
{
    const rmr_normalized *in = r->in;
    size_t start = at, n;
    while (at < in->len && in->bytes[at] >= 0x80) {
        uint32_t code;
        n = rmr_utf8_decode(in->bytes + at, in->len - at, &code);
        if (!is_dead(r->map, code))
            break;
        at += n;
    }
    while (at > start && grapheme_at(in, at, &n) > RMR_GRAPHEME_PREPEND) {
        uint32_t code;
        at -= rmr_utf8_decode_before(in->bytes, at, &code);
    }
    return at;
}

/* Whether two characters, the first of which begins a cluster, are apart. */
static int are_apart(rmr_grapheme first, rmr_grapheme next)
{
    switch (first) {
    case RMR_GRAPHEME_OTHER:
    case RMR_GRAPHEME_LV:
    case RMR_GRAPHEME_LVT:
    case RMR_GRAPHEME_PICTOGRAPHIC:
    case RMR_GRAPHEME_CONSONANT:
        return next < RMR_GRAPHEME_SPACING && next != RMR_GRAPHEME_V &&
               next != RMR_GRAPHEME_T;
    default:
        return 0;
    }
}

/* Where characters beyond ASCII that are clusters by themselves and stay as
 * they are, from `at` on, end: a short cut, as dead_run is. */
static size_t lone_run(const run *r, size_t at)
{
    size_t n = 0, next_n = 0;
    rmr_grapheme grapheme = grapheme_at(r->in, at, &n), next;
    rmr_span string;
    while (n &&
           are_apart(grapheme, next = grapheme_at(r->in, at + n, &next_n)) &&
           !find(r->map, r->in->bytes + at, n, &string)) {
        at += n;
        n = next_n;
        next_n = 0;
        grapheme = next;
    }
    return at;
}

static void keep_chars(run *r, size_t at, size_t end)
{
    while (r->late && at < end) {
        uint32_t code;
        at += rmr_utf8_decode(r->in->bytes + at, end - at, &code);
        keep_char(r, code);
    }
}

static void read_text(run *r)
{
    const rmr_normalized *in = r->in;
    for (size_t at = 0; at < in->len && !r->writer.failed;) {
        size_t end = plain_run(r, at);
        if (end == at)
            end = dead_run(r, at);
        if (end == at)
            end = lone_run(r, at);
        if (end > at) {
            keep_chars(r, at, end);
        } else {
            end = cluster_end(in, at);
            map_cluster(r, at, end);
        }
        at = end;
    }
}

/* What is not used up by the end is owed, if the text goes on; 0 when out of
 * memory. */
static int owe_rest(run *r)
{
    struct rmr_encoder_scratch *s = r->scratch;
    if (s->owed_from > s->owed_to / 2) {
        s->owed_to -= s->owed_from;
        memmove(s->owed, s->owed + s->owed_from, s->owed_to * sizeof *s->owed);
        s->owed_from = 0;
    }
    while (r->writer.at < r->in->len) {
        rmr_span *owed =
            rmr_grow(s->owed, &s->owed_capacity, s->owed_to + 1, sizeof *owed);
        if (!owed)
            return 0;
        s->owed = owed;
        owed[s->owed_to++] =
            rmr_writer_take(&r->writer, rmr_writer_next(&r->writer));
    }
    return 1;
}

static rmr_status run_precompiled(const void *self,
                                  struct rmr_encoder_scratch *scratch)
{
    run r = {.map = self,
             .scratch = scratch,
             .in = scratch->text,
             .out = rmr_scratch_spare(scratch)};
    if (!scratch->open_start)
        scratch->owed_from = scratch->owed_to = 0;
    r.late = scratch->owed_from < scratch->owed_to;
    if (r.late)
        begin(&r);
    read_text(&r);
    if (!r.begun)
        return RMR_OK;
    keep_until(&r, r.in->len);
    flush_insert(&r);
    if (!rmr_writer_end(&r.writer) ||
        (r.late && scratch->open_end && !owe_rest(&r)))
        return RMR_ERR_NOMEM;
    rmr_scratch_swap(scratch, r.out);
    return RMR_OK;
}

static int precompiled_is_local(const void *self)
{
    return ((const precompiled *)self)->local;
}

const rmr_normalizer_type rmr_normalizer_precompiled = {
    .step = {{"Precompiled", "`precompiled_charsmap`"},
             open_precompiled,
             close_precompiled},
    .run = run_precompiled,
    .local = precompiled_is_local,
};
