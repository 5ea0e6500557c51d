/*
 * decoder_types.h - the types of decoders, and the lists of strings that they
 * work on. A list must never grow beyond what a text may have.
 */
#ifndef RMR_TOKENIZER_DECODER_TYPES_H
#define RMR_TOKENIZER_DECODER_TYPES_H

#include "tokenizer/tokenizer_internal.h"

/* Strings one after another. */
typedef struct rmr_strings {
    unsigned char *bytes; /* [len] */
    size_t len;
    size_t capacity;
    size_t *ends; /* [count] */
    size_t count;
    size_t end_capacity;
    rmr_status failed; /* NOMEM, or RANGE: over 1 GiB */
} rmr_strings;

struct rmr_decoder_scratch {
    rmr_strings lists[2];
    int current; /* the list that has what was made so far */
    rmr_regex_scratch regex;
};

/* What was made so far, and an empty list for what a step makes of it; _done
 * makes the latter the former, and returns how that went. */
const rmr_strings *rmr_strings_in(const struct rmr_decoder_scratch *scratch);
rmr_strings *rmr_strings_out(struct rmr_decoder_scratch *scratch);
rmr_status rmr_strings_done(struct rmr_decoder_scratch *scratch);

/* Appends bytes to the string that is being made. */
void rmr_strings_add(rmr_strings *list, const unsigned char *bytes, size_t len);

/* The string that is being made is ended. */
void rmr_strings_end(rmr_strings *list);

/* Where string `index` begins; its end is list->ends[index]. */
static inline size_t rmr_strings_start(const rmr_strings *list, size_t index)
{
    return index ? list->ends[index - 1] : 0;
}

/*
 * One type. Errors of run: NOMEM, RANGE (over 1 GiB, a pattern takes too much
 * work), UNSUPPORTED (the reference fails).
 */
typedef struct rmr_decoder_type {
    rmr_step_type step;
    rmr_status (*run)(const void *self, struct rmr_decoder_scratch *scratch);
} rmr_decoder_type;

extern const rmr_decoder_type rmr_decoder_bpe;
extern const rmr_decoder_type rmr_decoder_byte_fallback;
extern const rmr_decoder_type rmr_decoder_byte_level;
extern const rmr_decoder_type rmr_decoder_ctc;
extern const rmr_decoder_type rmr_decoder_fuse;
extern const rmr_decoder_type rmr_decoder_metaspace;
extern const rmr_decoder_type rmr_decoder_replace;
extern const rmr_decoder_type rmr_decoder_strip;
extern const rmr_decoder_type rmr_decoder_wordpiece;

#endif
