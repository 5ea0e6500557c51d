/*
 * normalizer_edit.c - Strip, Prepend and ByteLevel. They must never take the
 * place where a long text was cut for its beginning or end.
 */
#include "tokenizer/normalizer/normalizer_types.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_unicode.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* --------------------------------------------------------------------- Strip
 */

typedef struct strip {
    unsigned char left;
    unsigned char right;
} strip;

static rmr_status open_strip(void **self, rmr_json_source source,
                             rmr_error *err)
{
    strip *s = rmr_calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rmr_fail_nomem(err, source.name);
    rmr_status status =
        rmr_tokenizer_get_bool(source, "strip_left", &s->left, err);
    if (!status)
        status = rmr_tokenizer_get_bool(source, "strip_right", &s->right, err);
    return status;
}

static int is_space(uint32_t code)
{
    return rmr_char_of(code)->flags & RMR_CHAR_SPACE;
}

/* Where white space at the beginning of a text ends. */
static size_t leading_space(const rmr_normalized *in)
{
    size_t at = 0;
    while (at < in->len) {
        uint32_t code;
        size_t n = rmr_utf8_decode(in->bytes + at, in->len - at, &code);
        if (!is_space(code))
            break;
        at += n;
    }
    return at;
}

/* Where white space at the end of a text begins, but not before `from`. */
static size_t trailing_space(const rmr_normalized *in, size_t from)
{
    size_t at = in->len;
    while (at > from) {
        uint32_t code;
        size_t n = rmr_utf8_decode_before(in->bytes, at, &code);
        if (!is_space(code))
            break;
        at -= n;
    }
    return at;
}

static rmr_status run_strip(const void *self,
                            struct rmr_encoder_scratch *scratch)
{
    const strip *s = self;
    const rmr_normalized *in = scratch->text;
    rmr_normalized *spare = rmr_scratch_spare(scratch);
    size_t from = 0, to = in->len;
    rmr_writer writer;
    if (s->left && !scratch->open_start)
        from = leading_space(in);
    if (s->right && !scratch->open_end)
        to = trailing_space(in, from);
    if (!from && to == in->len)
        return RMR_OK;
    rmr_writer_begin(&writer, in, spare);
    rmr_writer_skip(&writer, from);
    rmr_writer_copy(&writer, to - from);
    if (!rmr_writer_end(&writer))
        return RMR_ERR_NOMEM;
    rmr_scratch_swap(scratch, spare);
    return RMR_OK;
}

const rmr_normalizer_type rmr_normalizer_strip = {
    .step = {{"Strip", "`strip_left`, `strip_right`"}, open_strip, rmr_free},
    .run = run_strip,
    .local = rmr_normalizer_is_local,
};

/* ------------------------------------------------------------------- Prepend
 */

typedef struct prepend {
    size_t len;
    unsigned char string[];
} prepend;

static rmr_status open_prepend(void **self, rmr_json_source source,
                               rmr_error *err)
{
    const char *string;
    size_t len;
    rmr_status status =
        rmr_tokenizer_get_bytes(source, "prepend", &string, &len, err);
    if (status)
        return status;
    prepend *p = rmr_malloc(sizeof *p + len);
    *self = p;
    if (!p)
        return rmr_fail_nomem(err, source.name);
    p->len = len;
    memcpy(p->string, string, len);
    return RMR_OK;
}

/* With nothing to prepend the reference forgets where the first character
 * comes from. */
static void forget_first(rmr_writer *writer)
{
    uint32_t code;
    size_t n = rmr_utf8_decode(writer->in->bytes, writer->in->len, &code);
    rmr_writer_insert(writer, code);
    rmr_writer_skip(writer, n);
}

static int prepend_is_sourceless(const void *self)
{
    return !((const prepend *)self)->len;
}

static rmr_status run_prepend(const void *self,
                              struct rmr_encoder_scratch *scratch)
{
    const prepend *p = self;
    const rmr_normalized *in = scratch->text;
    rmr_normalized *spare = rmr_scratch_spare(scratch);
    rmr_writer writer;
    if (!in->len || scratch->open_start)
        return RMR_OK;
    rmr_writer_begin(&writer, in, spare);
    for (size_t at = 0; at < p->len;) {
        uint32_t code;
        at += rmr_utf8_decode(p->string + at, p->len - at, &code);
        rmr_writer_prepend(&writer, rmr_writer_next(&writer), code);
    }
    if (!p->len)
        forget_first(&writer);
    rmr_writer_copy(&writer, in->len - writer.at);
    if (!rmr_writer_end(&writer))
        return RMR_ERR_NOMEM;
    rmr_scratch_swap(scratch, spare);
    return RMR_OK;
}

const rmr_normalizer_type rmr_normalizer_prepend = {
    .step = {{"Prepend", "`prepend`"}, open_prepend, rmr_free},
    .run = run_prepend,
    .local = rmr_normalizer_is_local,
    .sourceless = prepend_is_sourceless,
    .takes_sourceless = 1,
};

/* ----------------------------------------------------------------- ByteLevel
 */

static int stands_for_itself(uint32_t byte)
{
    return (byte > ' ' && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
}

/* GPT-2's alphabet: the bytes that are no visible characters of Latin-1 take
 * those from U+0100 on, in their order. */
static uint32_t byte_char(uint32_t byte)
{
    enum { FIRST = 0x100, DELETE = 0x7F, CONTROLS = 33, SOFT_HYPHEN = 0xAD };
    if (stands_for_itself(byte))
        return byte;
    if (byte < CONTROLS)
        return FIRST + byte;
    if (byte == SOFT_HYPHEN)
        return FIRST + CONTROLS + (0xA1 - DELETE);
    return FIRST + CONTROLS + (byte - DELETE);
}

/* Where visible ASCII from `at` on ends. */
static size_t visible_run(const rmr_normalized *in, size_t at)
{
    while (at < in->len && in->bytes[at] < 0x7F &&
           stands_for_itself(in->bytes[at]))
        at++;
    return at;
}

static rmr_status run_byte_level(const void *self,
                                 struct rmr_encoder_scratch *scratch)
{
    const rmr_normalized *in = scratch->text;
    rmr_normalized *spare = rmr_scratch_spare(scratch);
    size_t at = visible_run(in, 0);
    rmr_writer writer;
    (void)self;
    if (at == in->len)
        return RMR_OK;
    rmr_writer_begin(&writer, in, spare);
    rmr_writer_copy(&writer, at);
    while (at < in->len && !writer.failed) {
        size_t n = rmr_writer_next(&writer);
        rmr_span source = rmr_writer_take(&writer, n);
        for (size_t i = 0; i < n; i++)
            rmr_writer_put(&writer, byte_char(in->bytes[at + i]), source);
        size_t end = visible_run(in, at + n);
        rmr_writer_copy(&writer, end - (at + n));
        at = end;
    }
    if (!rmr_writer_end(&writer))
        return RMR_ERR_NOMEM;
    rmr_scratch_swap(scratch, spare);
    return RMR_OK;
}

const rmr_normalizer_type rmr_normalizer_byte_level = {
    .step = {{"ByteLevel", ""}, rmr_step_no_options, NULL},
    .run = run_byte_level,
    .local = rmr_normalizer_is_not_local,
};
