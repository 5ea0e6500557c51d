/*
 * entities.h - what a token classifier's scores say of a text: each token's
 * label, or the stretches of text that tokens of one label make together.
 */
#ifndef RMR_MODEL_ENTITIES_H
#define RMR_MODEL_ENTITIES_H

#include "common/model/head.h"
#include "tokenizer/tokenizer.h"

/*
 * Writes the entities in a text's tokens, in their order, into entities
 * [count], and returns how many there are. Those called "O" are left out, as
 * are tokens that the model adds. scores [count, labels->count] are softmax's,
 * finite, and written over.
 */
size_t rmr_find_entities(const rmr_labels *labels, rmr_aggregation aggregation,
                         const rmr_token *tokens, const rmr_token_place *places,
                         size_t count, float *scores, rmr_entity *entities);

/*
 * Makes one list of the entities of a text's windows, which lie behind one
 * another, those of each as rmr_find_entities gives them: in the order of the
 * text, and of those that overlap the longest, or of two as long the one with
 * the higher score. Returns how many are left. (The reference also gives a
 * first one of no characters twice.)
 */
size_t rmr_merge_entities(rmr_entity *entities, size_t count);

#endif
