/*
 * normalizer_chars.c - Lowercase, StripAccents and Nmt: normalizers that look
 * at one character at a time. They must never make a copy of a text that they
 * leave as it is.
 */
#include "tokenizer/normalizer/normalizer_types.h"

#include <string.h>

#include "tokenizer/text/tokenizer_unicode.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* ---------------------------------------------- to another character or none
 */

#define REMOVED UINT32_MAX

/* What becomes of a character: itself, another one, or REMOVED. */
typedef uint32_t map_char(uint32_t code);

static uint32_t strip_accent(uint32_t code)
{
    return rmr_char_of(code)->flags & RMR_CHAR_COMBINING ? REMOVED : code;
}

/* What the reference's Nmt does; fixed there too, not taken from Unicode. */
static uint32_t map_nmt(uint32_t code)
{
    switch (code) {
    case '\t':
    case '\n':
    case '\f':
    case '\r':
    case 0x1680:
    case 0x200B:
    case 0x200C:
    case 0x200D:
    case 0x200E:
    case 0x200F:
    case 0x2028:
    case 0x2029:
    case 0x2581:
    case 0xFEFF:
    case 0xFFFD:
        return ' ';
    case 0x7F:
    case 0x8F:
    case 0x9F:
        return REMOVED;
    default:
        return code && code < 0x20 ? REMOVED : code;
    }
}

/* Where characters from `at` on that stay as they are end. Printable ASCII
 * always does. */
static size_t unchanged_run(map_char *map, const rmr_normalized *in, size_t at)
{
    while (at < in->len) {
        uint32_t code;
        while (at < in->len && in->bytes[at] - 0x20u < 0x5F)
            at++;
        if (at == in->len)
            break;
        size_t n = rmr_utf8_decode(in->bytes + at, in->len - at, &code);
        if (map(code) != code)
            break;
        at += n;
    }
    return at;
}

static rmr_status run_map(map_char *map, struct rmr_encoder_scratch *scratch)
{
    const rmr_normalized *in = scratch->text;
    rmr_normalized *spare = rmr_scratch_spare(scratch);
    size_t at = unchanged_run(map, in, 0);
    rmr_writer writer;
    if (at == in->len)
        return RMR_OK;
    rmr_writer_begin(&writer, in, spare);
    rmr_writer_copy(&writer, at);
    while (at < in->len && !writer.failed) {
        uint32_t code;
        size_t n = rmr_utf8_decode(in->bytes + at, in->len - at, &code);
        uint32_t mapped = map(code);
        if (mapped == REMOVED)
            rmr_writer_skip(&writer, n);
        else
            rmr_writer_replace(&writer, n, mapped);
        size_t end = unchanged_run(map, in, at + n);
        rmr_writer_copy(&writer, end - (at + n));
        at = end;
    }
    if (!rmr_writer_end(&writer))
        return RMR_ERR_NOMEM;
    rmr_scratch_swap(scratch, spare);
    return RMR_OK;
}

/* ---------------------------------------------------------------- lower case
 */

static int is_lower(uint32_t code)
{
    const rmr_char *c = rmr_char_of(code);
    return !c->lower && !(c->flags & RMR_CHAR_DOTTED);
}

/* Where characters from `at` on that have no other lower case end. */
static size_t lower_run(const rmr_normalized *in, size_t at)
{
    while (at < in->len) {
        uint32_t code = in->bytes[at];
        size_t n = 1;
        if (code >= 0x80)
            n = rmr_utf8_decode(in->bytes + at, in->len - at, &code);
        if (code < 0x80 ? code - 'A' < 26 : !is_lower(code))
            break;
        at += n;
    }
    return at;
}

/* Where the ASCII from `at` on ends. */
static size_t ascii_run(const rmr_normalized *in, size_t at)
{
    uint64_t eight;
    while (in->len - at >= sizeof eight) {
        memcpy(&eight, in->bytes + at, sizeof eight);
        if (eight & 0x8080808080808080u)
            break;
        at += sizeof eight;
    }
    while (at < in->len && in->bytes[at] < 0x80)
        at++;
    return at;
}

static void lower_ascii(rmr_writer *writer, size_t len)
{
    const unsigned char *from = writer->in->bytes + writer->at;
    unsigned char *to = rmr_writer_map(writer, len);
    for (size_t i = 0; to && i < len; i++)
        to[i] = (unsigned char)(from[i] | ((unsigned char)(from[i] - 'A') < 26)
                                              << 5);
}

static void lower_char(rmr_writer *writer, size_t len, uint32_t code)
{
    enum { COMBINING_DOT_ABOVE = 0x307 };
    const rmr_char *c = rmr_char_of(code);
    rmr_writer_replace(writer, len, (uint32_t)((int32_t)code + c->lower));
    if (c->flags & RMR_CHAR_DOTTED)
        rmr_writer_insert(writer, COMBINING_DOT_ABOVE);
}

static rmr_status run_lowercase(const void *self,
                                struct rmr_encoder_scratch *scratch)
{
    const rmr_normalized *in = scratch->text;
    rmr_normalized *spare = rmr_scratch_spare(scratch);
    size_t at = lower_run(in, 0);
    rmr_writer writer;
    (void)self;
    if (at == in->len)
        return RMR_OK;
    rmr_writer_begin(&writer, in, spare);
    rmr_writer_copy(&writer, at);
    while (at < in->len && !writer.failed) {
        size_t end = ascii_run(in, at);
        if (end > at) {
            lower_ascii(&writer, end - at);
        } else if ((end = lower_run(in, at)) > at) {
            rmr_writer_copy(&writer, end - at);
        } else {
            uint32_t code;
            end += rmr_utf8_decode(in->bytes + at, in->len - at, &code);
            lower_char(&writer, end - at, code);
        }
        at = end;
    }
    if (!rmr_writer_end(&writer))
        return RMR_ERR_NOMEM;
    rmr_scratch_swap(scratch, spare);
    return RMR_OK;
}

/* ----------------------------------------------------------------- the types
 */

static rmr_status run_strip_accents(const void *self,
                                    struct rmr_encoder_scratch *scratch)
{
    (void)self;
    return run_map(strip_accent, scratch);
}

static rmr_status run_nmt(const void *self, struct rmr_encoder_scratch *scratch)
{
    (void)self;
    return run_map(map_nmt, scratch);
}

const rmr_normalizer_type rmr_normalizer_lowercase = {
    .step = {{"Lowercase", ""}, rmr_step_no_options, NULL},
    .run = run_lowercase,
    .local = rmr_normalizer_is_local,
};

const rmr_normalizer_type rmr_normalizer_strip_accents = {
    .step = {{"StripAccents", ""}, rmr_step_no_options, NULL},
    .run = run_strip_accents,
    .local = rmr_normalizer_is_local,
};

const rmr_normalizer_type rmr_normalizer_nmt = {
    .step = {{"Nmt", ""}, rmr_step_no_options, NULL},
    .run = run_nmt,
    .local = rmr_normalizer_is_local,
};
