/*
 * normalizer_types.h - every type of normalizer, for the table in
 * normalizer.c, and what several of them share. Nothing here is for other
 * stages.
 */
#ifndef RMR_NORMALIZER_TYPES_H
#define RMR_NORMALIZER_TYPES_H

#include "tokenizer/tokenizer_internal.h"

extern const rmr_normalizer_type rmr_normalizer_nfc;
extern const rmr_normalizer_type rmr_normalizer_nfd;
extern const rmr_normalizer_type rmr_normalizer_nfkc;
extern const rmr_normalizer_type rmr_normalizer_nfkd;
extern const rmr_normalizer_type rmr_normalizer_lowercase;
extern const rmr_normalizer_type rmr_normalizer_strip_accents;
extern const rmr_normalizer_type rmr_normalizer_nmt;
extern const rmr_normalizer_type rmr_normalizer_strip;
extern const rmr_normalizer_type rmr_normalizer_prepend;
extern const rmr_normalizer_type rmr_normalizer_replace;
extern const rmr_normalizer_type rmr_normalizer_byte_level;
extern const rmr_normalizer_type rmr_normalizer_precompiled;

/* For types that are local, or are not, whatever their options. */
static inline int rmr_normalizer_is_local(const void *self)
{
    (void)self;
    return 1;
}

static inline int rmr_normalizer_is_not_local(const void *self)
{
    (void)self;
    return 0;
}

/* How many bytes the character of the input takes that is next to be used. */
static inline size_t rmr_writer_next(const rmr_writer *writer)
{
    unsigned char lead = writer->in->bytes[writer->at];
    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

#endif
