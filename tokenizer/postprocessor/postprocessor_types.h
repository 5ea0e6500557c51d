/*
 * postprocessor_types.h - the types of post-processors. Nothing of them is
 * left once a file is open but the programs that they made.
 */
#ifndef RMR_TOKENIZER_POSTPROCESSOR_TYPES_H
#define RMR_TOKENIZER_POSTPROCESSOR_TYPES_H

#include "tokenizer/tokenizer_internal.h"

/*
 * One type. added is the number of tokens that the reference leaves room for.
 * apply changes a program, which holds what the steps before have made, or
 * gives it a problem. Errors of apply: NOMEM.
 */
typedef struct rmr_post_type {
    rmr_step_type step;
    size_t (*added)(const void *self, int pair);
    rmr_status (*apply)(const void *self, int special,
                        rmr_post_program *program);
} rmr_post_type;

extern const rmr_post_type rmr_post_bert;
extern const rmr_post_type rmr_post_byte_level;
extern const rmr_post_type rmr_post_roberta;
extern const rmr_post_type rmr_post_template;

/* More tokens in a program are refused. */
enum { RMR_POST_MAX_TOKENS = 1024 };

#endif
