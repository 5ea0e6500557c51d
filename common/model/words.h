/*
 * words.h - what a masked language model gives: of the logits of a whole
 * vocabulary, the few words that a text is to keep. Logits are there for a few
 * rows at a time, however long a batch is.
 */
#ifndef RMR_MODEL_WORDS_H
#define RMR_MODEL_WORDS_H

#include "common/model/model.h"

/* The id of the mask token, by what tokenizer_config.json or
 * special_tokens_map.json calls it, else "[MASK]" or "<mask>". Errors: FORMAT
 * (a file that is no JSON; a name that no token has), UNSUPPORTED (the
 * tokenizer has none), NOMEM. */
rmr_status rmr_words_find_mask(const rmr_tokenizer *tokenizer,
                               const char *directory, uint32_t *id,
                               rmr_error *err);

/* The k best of the scores, best first, of equal ones the lower id; k is from 1
 * to count. */
void rmr_words_best(const float *scores, size_t count, size_t k,
                    rmr_word *best);

/* Bytes of scratch, aligned to RMR_ALIGNMENT, that those below need. */
size_t rmr_words_scratch_bytes(const rmr_head *head, unsigned members);

/* Fills the masks of each sequence, and sets `finite`. */
void rmr_words_fill(const rmr_head *head, const rmr_batch *batch,
                    const float *hidden, void *scratch, rmr_team *team,
                    rmr_vector *vectors);

/* For each sequence the words whose weights are above 0, in a list that it
 * allocates, and sets `finite`. Errors: NOMEM; lists that are there are the
 * caller's all the same. */
rmr_status rmr_words_sparse(const rmr_head *head, const rmr_batch *batch,
                            const float *hidden, void *scratch, rmr_team *team,
                            rmr_vector *vectors, rmr_error *err);

#endif
