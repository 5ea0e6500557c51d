/*
 * decoder_bytes.c - decoders that make bytes of strings, and one string of
 * many: ByteLevel, ByteFallback, Fuse. What the bytes do not make up becomes
 * U+FFFD as in the reference.
 */
#include "tokenizer/decoder/decoder_types.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_utf8.h"

static const unsigned char replacement[] = {0xEF, 0xBF, 0xBD};

/* ---------------------------------------------------------------- ByteLevel
 */

static rmr_status open_byte_level(void **self, rmr_json_source source,
                                  rmr_error *err)
{
    unsigned char ignored;
    int use_regex;
    (void)self;
    rmr_status status =
        rmr_tokenizer_get_bool(source, "add_prefix_space", &ignored, err);
    if (!status)
        status = rmr_tokenizer_get_bool(source, "trim_offsets", &ignored, err);
    return status ? status
                  : rmr_json_get_bool(source, "use_regex", 1, &use_regex, err);
}

/* The byte that a character of ByteLevel's alphabet stands for, or -1: those
 * of Latin-1 that can be seen stand for themselves, the others follow U+00FF
 * in their order. */
static int byte_of(uint32_t code)
{
    if ((code >= 0x21 && code <= 0x7E) || (code >= 0xA1 && code <= 0xAC) ||
        (code >= 0xAE && code <= 0xFF))
        return (int)code;
    if (code >= 0x100 && code <= 0x120)
        return (int)code - 0x100;
    if (code >= 0x121 && code <= 0x142)
        return (int)code - 0x121 + 0x7F;
    return code == 0x143 ? 0xAD : -1;
}

/* The bytes of a string, or itself when it has another character. */
static void add_bytes(rmr_strings *out, const unsigned char *bytes, size_t len)
{
    size_t before = out->len, at = 0;
    while (at < len) {
        uint32_t code;
        at += rmr_utf8_decode(bytes + at, len - at, &code);
        int byte = byte_of(code);
        unsigned char one = (unsigned char)byte;
        if (byte < 0) {
            out->len = before;
            rmr_strings_add(out, bytes, len);
            return;
        }
        rmr_strings_add(out, &one, 1);
    }
}

static void add_well_formed(rmr_strings *out, const unsigned char *bytes,
                            size_t len)
{
    while (len) {
        uint32_t code;
        size_t good = rmr_utf8_well_formed(bytes, len);
        rmr_strings_add(out, bytes, good);
        if (good == len)
            return;
        size_t bad = rmr_utf8_decode(bytes + good, len - good, &code);
        rmr_strings_add(out, replacement, sizeof replacement);
        bytes += good + bad;
        len -= good + bad;
    }
}

static rmr_status run_byte_level(const void *self,
                                 struct rmr_decoder_scratch *scratch)
{
    const rmr_strings *in = rmr_strings_in(scratch);
    rmr_strings *out = rmr_strings_out(scratch);
    (void)self;
    for (size_t i = 0; i < in->count; i++) {
        size_t start = rmr_strings_start(in, i);
        add_bytes(out, in->bytes + start, in->ends[i] - start);
    }
    rmr_strings_end(out);
    rmr_status status = rmr_strings_done(scratch);
    in = rmr_strings_in(scratch);
    if (status || rmr_utf8_well_formed(in->bytes, in->len) == in->len)
        return status;
    out = rmr_strings_out(scratch);
    add_well_formed(out, in->bytes, in->len);
    rmr_strings_end(out);
    return rmr_strings_done(scratch);
}

/* ------------------------------------------------------------- ByteFallback
 */

static int hex_of(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte of "<0x41>", or -1. The reference reads a plus for a digit too. */
static int fallback_byte(const unsigned char *bytes, size_t len)
{
    if (len != 6 || memcmp(bytes, "<0x", 3) || bytes[5] != '>')
        return -1;
    int high = bytes[3] == '+' ? 0 : hex_of(bytes[3]), low = hex_of(bytes[4]);
    return high < 0 || low < 0 ? -1 : 16 * high + low;
}

/* Bytes from `from` on are one string, or that many U+FFFD. */
static void end_bytes(rmr_strings *out, size_t from)
{
    size_t count = out->len - from;
    if (out->failed || !count)
        return;
    if (rmr_utf8_well_formed(out->bytes + from, count) == count) {
        rmr_strings_end(out);
        return;
    }
    out->len = from;
    for (size_t i = 0; i < count; i++) {
        rmr_strings_add(out, replacement, sizeof replacement);
        rmr_strings_end(out);
    }
}

static rmr_status run_byte_fallback(const void *self,
                                    struct rmr_decoder_scratch *scratch)
{
    const rmr_strings *in = rmr_strings_in(scratch);
    rmr_strings *out = rmr_strings_out(scratch);
    size_t from = 0; /* where bytes that wait begin */
    (void)self;
    for (size_t i = 0; i < in->count; i++) {
        size_t start = rmr_strings_start(in, i), len = in->ends[i] - start;
        int byte = fallback_byte(in->bytes + start, len);
        unsigned char one = (unsigned char)byte;
        if (byte >= 0) {
            rmr_strings_add(out, &one, 1);
            continue;
        }
        end_bytes(out, from);
        rmr_strings_add(out, in->bytes + start, len);
        rmr_strings_end(out);
        from = out->len;
    }
    end_bytes(out, from);
    return rmr_strings_done(scratch);
}

/* --------------------------------------------------------------------- Fuse
 */

static rmr_status run_fuse(const void *self,
                           struct rmr_decoder_scratch *scratch)
{
    rmr_strings *list = &scratch->lists[scratch->current];
    (void)self;
    list->count = 0;
    rmr_strings_end(list);
    return list->failed;
}

const rmr_decoder_type rmr_decoder_byte_level = {
    .step = {{"ByteLevel",
              "`add_prefix_space`, `trim_offsets`, `use_regex`: read, and "
              "of no effect"},
             open_byte_level,
             NULL},
    .run = run_byte_level,
};

const rmr_decoder_type rmr_decoder_byte_fallback = {
    .step = {{"ByteFallback", ""}, rmr_step_no_options, NULL},
    .run = run_byte_fallback,
};

const rmr_decoder_type rmr_decoder_fuse = {
    .step = {{"Fuse", ""}, rmr_step_no_options, NULL},
    .run = run_fuse,
};
