/*
 * normalizer.c - the normalizer of a tokenizer.json: the steps it is made of,
 * one after another. It must never leave a step out.
 */
#include "tokenizer/normalizer/normalizer_types.h"

#include <string.h>

#include "common/base/alloc.h"

static const rmr_normalizer_type *const types[] = {
    &rmr_normalizer_bert,        &rmr_normalizer_nfc,
    &rmr_normalizer_nfd,         &rmr_normalizer_nfkc,
    &rmr_normalizer_nfkd,        &rmr_normalizer_lowercase,
    &rmr_normalizer_strip,       &rmr_normalizer_strip_accents,
    &rmr_normalizer_nmt,         &rmr_normalizer_prepend,
    &rmr_normalizer_replace,     &rmr_normalizer_byte_level,
    &rmr_normalizer_precompiled,
};
enum { NUM_TYPES = sizeof types / sizeof *types };

static rmr_status add_step(void *stage, rmr_json_source source, rmr_error *err)
{
    rmr_normalizer *normalizer = stage;
    const rmr_component *components[NUM_TYPES];
    size_t index;
    for (size_t i = 0; i < NUM_TYPES; i++)
        components[i] = &types[i]->component;
    rmr_status status =
        rmr_component_find(source, components, NUM_TYPES, &index, err);
    if (status)
        return status;
    rmr_normalizer_step *steps =
        rmr_grow(normalizer->steps, &normalizer->capacity,
                 normalizer->count + 1, sizeof *steps);
    if (!steps)
        return rmr_fail_nomem(err, source.name);
    normalizer->steps = steps;
    rmr_normalizer_step *step = &steps[normalizer->count++];
    *step = (rmr_normalizer_step){.type = types[index]};
    if (!step->type->takes_sourceless && rmr_normalizer_sourceless(normalizer))
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s: %s is not supported after a Replace that may "
                        "match nothing or an empty Prepend",
                        source.name, step->type->component.type);
    return step->type->open(&step->self, source, err);
}

rmr_status rmr_normalizer_open(rmr_normalizer *normalizer, const json_t *value,
                               const char *file, rmr_error *err)
{
    char name[RMR_JSON_NAME_SIZE];
    memset(normalizer, 0, sizeof *normalizer);
    if (!value || json_is_null(value))
        return RMR_OK;
    rmr_tokenizer_json_name(name, file, "normalizer");
    rmr_status status =
        rmr_component_each((rmr_json_source){value, name}, "normalizers",
                           add_step, normalizer, err);
    if (status)
        rmr_normalizer_close(normalizer);
    return status;
}

void rmr_normalizer_close(rmr_normalizer *normalizer)
{
    for (size_t i = 0; i < normalizer->count; i++) {
        if (normalizer->steps[i].self)
            normalizer->steps[i].type->close(normalizer->steps[i].self);
    }
    rmr_free(normalizer->steps);
    memset(normalizer, 0, sizeof *normalizer);
}

rmr_status rmr_normalizer_run(const rmr_normalizer *normalizer,
                              const unsigned char *text, size_t from, size_t to,
                              struct rmr_encoder_scratch *scratch)
{
    scratch->base = scratch->text = &scratch->texts[0];
    if (!rmr_normalized_set(scratch->text, text, from, to))
        return RMR_ERR_NOMEM;
    for (size_t i = 0; i < normalizer->count; i++) {
        const rmr_normalizer_step *step = &normalizer->steps[i];
        rmr_status status = step->type->run(step->self, scratch);
        if (status)
            return status;
    }
    scratch->base = scratch->text;
    return RMR_OK;
}

int rmr_normalizer_sourceless(const rmr_normalizer *normalizer)
{
    for (size_t i = 0; i < normalizer->count; i++) {
        const rmr_normalizer_step *step = &normalizer->steps[i];
        if (step->self && step->type->sourceless &&
            step->type->sourceless(step->self))
            return 1;
    }
    return 0;
}

int rmr_normalizer_local(const rmr_normalizer *normalizer)
{
    int precompiled = 0; /* the scratch space keeps what one of them owes */
    for (size_t i = 0; i < normalizer->count; i++) {
        const rmr_normalizer_step *step = &normalizer->steps[i];
        precompiled += step->type == &rmr_normalizer_precompiled;
        if (!step->type->local(step->self))
            return 0;
    }
    return precompiled < 2;
}

int rmr_normalizer_lowercases(const rmr_normalizer *normalizer)
{
    for (size_t i = 0; i < normalizer->count; i++) {
        const rmr_normalizer_step *step = &normalizer->steps[i];
        if (step->type == &rmr_normalizer_lowercase ||
            (step->type == &rmr_normalizer_bert &&
             rmr_bert_options_of(step->self)->lowercase))
            return 1;
    }
    return 0;
}

const rmr_component *rmr_normalizer_component(size_t index)
{
    return index < NUM_TYPES ? &types[index]->component : NULL;
}
