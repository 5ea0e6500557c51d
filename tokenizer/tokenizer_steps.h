/*
 * tokenizer_steps.h - stages that do what their part of tokenizer.json says in
 * steps, one after another: what their types have in common, and a list of
 * those that are open. What a step does is its stage's own business.
 */
#ifndef RMR_TOKENIZER_STEPS_H
#define RMR_TOKENIZER_STEPS_H

#include "tokenizer/tokenizer_component.h"

/*
 * What a type of a stage that runs in steps begins with. open reads the options
 * into *self, allocated, which close frees, also when open has failed; *self
 * stays NULL when there is nothing to keep. Errors of open: FORMAT,
 * UNSUPPORTED, NOMEM.
 */
typedef struct rmr_step_type {
    rmr_component component;
    rmr_status (*open)(void **self, rmr_json_source source, rmr_error *err);
    void (*close)(void *self);
} rmr_step_type;

/* rmr_step_type.open of types without options. */
rmr_status rmr_step_no_options(void **self, rmr_json_source source,
                               rmr_error *err);

/* One that is open. */
typedef struct rmr_step {
    const rmr_step_type *type; /* what the stage's own record begins with */
    void *self;
} rmr_step;

typedef struct rmr_steps {
    rmr_step *list; /* [count] */
    size_t count;
    size_t capacity;
} rmr_steps;

/* What a stage is in the file. */
typedef struct rmr_stage {
    const char *part;     /* its field of the file */
    const char *sequence; /* the field of a Sequence with its parts */
    const rmr_component *const *types; /* [num_types], each its step type's */
    size_t num_types;
    /* Whether a step may follow those before; NULL: any may. */
    rmr_status (*check)(const rmr_steps *before, const rmr_step_type *next,
                        rmr_json_source source, rmr_error *err);
} rmr_stage;

/* Opens all of a stage. `value` is its part of the file, or NULL. `file` is
 * what errors call the file. Errors: FORMAT, UNSUPPORTED, NOMEM. */
rmr_status rmr_steps_open(rmr_steps *steps, const rmr_stage *stage,
                          const json_t *value, const char *file,
                          rmr_error *err);
void rmr_steps_close(rmr_steps *steps);

#endif
