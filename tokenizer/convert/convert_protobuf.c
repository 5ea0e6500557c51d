/*
 * convert_protobuf.c - reads the file of a SentencePiece model, a ModelProto:
 * its pieces, and of its trainer_spec and normalizer_spec what a tokenizer
 * needs. It must never read outside the file, however its lengths lie.
 */
#include "tokenizer/convert/convert.h"

#include <string.h>

#include "tokenizer/text/tokenizer_utf8.h"

/* A message within the file. */
typedef struct message {
    const unsigned char *at;
    const unsigned char *end;
} message;

typedef struct reader {
    rmr_spm *spm;
    const unsigned char *begin;
    const char *name;
    rmr_error *err;
} reader;

enum { VARINT, FIXED64, BYTES, FIXED32 = 5 }; /* wire types */

typedef struct field {
    uint32_t number;
    uint32_t wire;
    uint64_t value; /* VARINT, FIXED32 */
    message bytes;  /* BYTES */
} field;

static rmr_status bad(const reader *r, const unsigned char *at,
                      const char *problem)
{
    return rmr_fail(r->err, RMR_ERR_FORMAT,
                    "%s is not a SentencePiece model: %s at byte %zu", r->name,
                    problem, (size_t)(at - r->begin));
}

/* 0 when there is none. */
static int read_varint(message *m, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 70 && m->at < m->end; shift += 7) {
        unsigned char byte = *m->at++;
        if (shift < 64)
            *out |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128))
            return 1;
    }
    return 0;
}

static rmr_status read_fixed(const reader *r, message *m, size_t size,
                             uint64_t *out)
{
    if ((size_t)(m->end - m->at) < size)
        return bad(r, m->at, "a number ends too early");
    *out = 0;
    for (size_t i = 0; i < size; i++)
        *out |= (uint64_t)m->at[i] << 8 * i;
    m->at += size;
    return RMR_OK;
}

static rmr_status read_bytes(const reader *r, message *m, message *out)
{
    const unsigned char *at = m->at;
    uint64_t len;
    if (!read_varint(m, &len))
        return bad(r, at, "a length without end");
    if (len > (uint64_t)(m->end - m->at))
        return bad(r, at, "a length beyond its end");
    *out = (message){m->at, m->at + len};
    m->at += len;
    return RMR_OK;
}

static rmr_status next_field(const reader *r, message *m, field *out)
{
    const unsigned char *at = m->at;
    uint64_t tag;
    if (!read_varint(m, &tag))
        return bad(r, at, "a field without end");
    *out = (field){.number = (uint32_t)(tag >> 3), .wire = tag & 7};
    if (tag > UINT32_MAX || !out->number)
        return bad(r, at, "a field whose number is none");
    switch (out->wire) {
    case VARINT:
        return read_varint(m, &out->value) ? RMR_OK
                                           : bad(r, at, "a number without end");
    case FIXED64:
        return read_fixed(r, m, 8, &out->value);
    case FIXED32:
        return read_fixed(r, m, 4, &out->value);
    case BYTES:
        return read_bytes(r, m, &out->bytes);
    default:
        return bad(r, at, "a field of a type that is not read");
    }
}

/* Fields whose number or type is another are skipped, as unknown ones are. */
static int is(const field *f, uint32_t number, uint32_t wire)
{
    return f->number == number && f->wire == wire;
}

static rmr_status take_string(const reader *r, const field *f,
                              rmr_json_string *out)
{
    size_t len = (size_t)(f->bytes.end - f->bytes.at);
    size_t good = rmr_utf8_well_formed(f->bytes.at, len);
    if (good < len)
        return bad(r, f->bytes.at + good, "a string that is not UTF-8");
    *out = (rmr_json_string){(const char *)f->bytes.at, len};
    return RMR_OK;
}

/* ----------------------------------------------------------------- messages */

static rmr_status read_piece(const reader *r, message m)
{
    const unsigned char *begin = m.at;
    rmr_json_string string = {"", 0};
    rmr_convert_piece piece = {.type = RMR_SPM_NORMAL};
    while (m.at < m.end) {
        field f;
        rmr_status status = next_field(r, &m, &f);
        if (!status && is(&f, 1, BYTES))
            status = take_string(r, &f, &string);
        if (status)
            return status;
        if (is(&f, 2, FIXED32)) {
            uint32_t bits = (uint32_t)f.value;
            memcpy(&piece.score, &bits, sizeof bits);
        }
        if (is(&f, 3, VARINT) && f.value >= 1 && f.value <= 6)
            piece.type = (unsigned char)f.value;
    }
    if (string.len > INT32_MAX)
        return bad(r, begin, "a piece of over 2 GiB");
    if (!(piece.score - piece.score == 0))
        return bad(r, begin, "a score that is not finite");
    piece.bytes = string.bytes;
    piece.len = (uint32_t)string.len;
    piece.id = (uint32_t)r->spm->pieces.count;
    return rmr_convert_pieces_append(&r->spm->pieces, &piece, r->name, r->err);
}

static rmr_status read_trainer(const reader *r, message m)
{
    rmr_spm *spm = r->spm;
    while (m.at < m.end) {
        field f;
        rmr_status status = next_field(r, &m, &f);
        if (!status && is(&f, 45, BYTES))
            status = take_string(r, &f, &spm->unk_piece);
        if (!status && is(&f, 46, BYTES))
            status = take_string(r, &f, &spm->bos_piece);
        if (!status && is(&f, 47, BYTES))
            status = take_string(r, &f, &spm->eos_piece);
        if (status)
            return status;
        if (is(&f, 3, VARINT) && f.value >= 1 && f.value <= 4)
            spm->model_type = (int32_t)f.value;
        if (is(&f, 35, VARINT))
            spm->byte_fallback = f.value != 0;
        if (is(&f, 40, VARINT))
            spm->unk_id = (int32_t)(uint32_t)f.value;
        if (is(&f, 41, VARINT))
            spm->bos_id = (int32_t)(uint32_t)f.value;
        if (is(&f, 42, VARINT))
            spm->eos_id = (int32_t)(uint32_t)f.value;
    }
    return RMR_OK;
}

static rmr_status read_normalizer(const reader *r, message m)
{
    while (m.at < m.end) {
        field f;
        rmr_status status = next_field(r, &m, &f);
        if (status)
            return status;
        if (is(&f, 2, BYTES))
            r->spm->charsmap = (rmr_json_string){
                (const char *)f.bytes.at, (size_t)(f.bytes.end - f.bytes.at)};
    }
    return RMR_OK;
}

rmr_status rmr_spm_read(rmr_spm *spm, const char *bytes, size_t len,
                        const char *name, rmr_error *err)
{
    const unsigned char *begin = (const unsigned char *)bytes;
    reader r = {spm, begin, name, err};
    message m = {begin, begin + len};
    *spm = (rmr_spm){.model_type = RMR_SPM_UNIGRAM,
                     .bos_id = 1,
                     .eos_id = 2,
                     .unk_piece = {"<unk>", 5},
                     .bos_piece = {"<s>", 3},
                     .eos_piece = {"</s>", 4}};
    while (m.at < m.end) {
        field f;
        rmr_status status = next_field(&r, &m, &f);
        if (!status && is(&f, 1, BYTES))
            status = read_piece(&r, f.bytes);
        if (!status && is(&f, 2, BYTES))
            status = read_trainer(&r, f.bytes);
        if (!status && is(&f, 3, BYTES))
            status = read_normalizer(&r, f.bytes);
        if (status)
            return status;
    }
    return spm->pieces.count ? RMR_OK : bad(&r, begin, "no piece");
}

void rmr_spm_free(rmr_spm *spm)
{
    rmr_convert_pieces_free(&spm->pieces);
    *spm = (rmr_spm){0};
}
