/*
 * entities.h - what a token classifier's scores say of a text: each token's
 * label, or the stretches of text that tokens of one label make together.
 */
#ifndef RMR_MODEL_ENTITIES_H
#define RMR_MODEL_ENTITIES_H

#include "common/model/head.h"
#include "tokenizer/tokenizer.h"

/* The reference's aggregation strategies. All but NONE put neighbours of one
 * label together: "B-" begins anew, "I-" and labels with neither go on. */
typedef enum rmr_aggregation {
    RMR_AGGREGATION_NONE = 0, /* each token by itself */
    RMR_AGGREGATION_SIMPLE,
    /* Words are of one label: */
    RMR_AGGREGATION_FIRST,   /* their first token's, */
    RMR_AGGREGATION_AVERAGE, /* the best of their tokens' mean scores, */
    RMR_AGGREGATION_MAX      /* that of the token which is surest */
} rmr_aggregation;

typedef struct rmr_entity {
    const char *name;   /* the label, or what is after its first "-" where
                         * tokens are put together; of the labels */
    float score;        /* the mean over its tokens, or words */
    size_t start, end;  /* bytes of the text */
    size_t first, last; /* tokens [first, last) */
} rmr_entity;

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
