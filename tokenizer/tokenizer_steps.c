/*
 * tokenizer_steps.c - opening and closing the steps of a stage. It must never
 * leave a step out.
 */
#include "tokenizer/tokenizer_steps.h"

#include <string.h>

#include "common/base/alloc.h"

rmr_status rmr_step_no_options(void **self, rmr_json_source source,
                               rmr_error *err)
{
    (void)source;
    (void)err;
    *self = NULL;
    return RMR_OK;
}

typedef struct opening {
    const rmr_stage *stage;
    rmr_steps *steps;
} opening;

static rmr_status add_step(void *self, rmr_json_source source, rmr_error *err)
{
    const opening *o = self;
    const rmr_component *component;
    rmr_steps *steps = o->steps;
    rmr_status status = rmr_component_find(
        source, o->stage->types, o->stage->num_types, &component, err);
    if (status)
        return status;
    rmr_step step = {.type = (const rmr_step_type *)component};
    if (o->stage->check &&
        (status = o->stage->check(steps, step.type, source, err)))
        return status;
    rmr_step *list =
        rmr_grow(steps->list, &steps->capacity, steps->count + 1, sizeof *list);
    if (!list)
        return rmr_fail_nomem(err, source.name);
    steps->list = list;
    status = step.type->open(&step.self, source, err);
    list[steps->count++] = step;
    return status;
}

rmr_status rmr_steps_open(rmr_steps *steps, const rmr_stage *stage,
                          const json_t *value, const char *file, rmr_error *err)
{
    char name[RMR_JSON_NAME_SIZE];
    opening o = {stage, steps};
    memset(steps, 0, sizeof *steps);
    rmr_tokenizer_json_name(name, file, stage->part);
    rmr_status status = rmr_component_each((rmr_json_source){value, name},
                                           stage->sequence, add_step, &o, err);
    if (status)
        rmr_steps_close(steps);
    return status;
}

void rmr_steps_close(rmr_steps *steps)
{
    for (size_t i = 0; i < steps->count; i++) {
        if (steps->list[i].self)
            steps->list[i].type->close(steps->list[i].self);
    }
    rmr_free(steps->list);
    memset(steps, 0, sizeof *steps);
}
