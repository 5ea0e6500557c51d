/*
 * prompts.h - the prompts that a sentence-transformers directory names: texts
 * that come before the text to embed.
 */
#ifndef RMR_MODEL_PROMPTS_H
#define RMR_MODEL_PROMPTS_H

#include <stddef.h>
#include "common/base/error.h"

typedef struct rmr_prompt {
    char *name;
    char *text; /* [len], may hold NUL */
    size_t len;
} rmr_prompt;

/* Zeroed, there are none. */
typedef struct rmr_prompts {
    rmr_prompt *items; /* [count] */
    size_t count;
    const rmr_prompt *chosen; /* where none is asked for; or NULL */
} rmr_prompts;

/* Those that sentence-transformers always has, "query" and "document", which
 * are empty, and with `directory` not NULL what its
 * config_sentence_transformers.json says, if it is there. To be freed whatever
 * the result. Errors: IO, FORMAT, NOMEM. */
rmr_status rmr_prompts_read(rmr_prompts *prompts, const char *directory,
                            rmr_error *err);
void rmr_prompts_free(rmr_prompts *prompts);

/* The prompt of that name; NULL, and RANGE with the names that there are, when
 * there is none. */
const rmr_prompt *rmr_prompts_find(const rmr_prompts *prompts, const char *name,
                                   rmr_error *err);

#endif
