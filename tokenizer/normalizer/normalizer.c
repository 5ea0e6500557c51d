/*
 * normalizer.c - the normalizer of a tokenizer.json: the steps it is made of,
 * one after another. It must never leave a step out.
 */
#include "tokenizer/normalizer/normalizer_types.h"

static const rmr_component *const types[] = {
    &rmr_normalizer_bert.step.component,
    &rmr_normalizer_nfc.step.component,
    &rmr_normalizer_nfd.step.component,
    &rmr_normalizer_nfkc.step.component,
    &rmr_normalizer_nfkd.step.component,
    &rmr_normalizer_lowercase.step.component,
    &rmr_normalizer_strip.step.component,
    &rmr_normalizer_strip_accents.step.component,
    &rmr_normalizer_nmt.step.component,
    &rmr_normalizer_prepend.step.component,
    &rmr_normalizer_replace.step.component,
    &rmr_normalizer_byte_level.step.component,
    &rmr_normalizer_precompiled.step.component,
};
enum { NUM_TYPES = sizeof types / sizeof *types };

static const rmr_normalizer_type *type_of(const rmr_step *step)
{
    return (const rmr_normalizer_type *)step->type;
}

static int is_sourceless(const rmr_steps *steps)
{
    for (size_t i = 0; i < steps->count; i++) {
        const rmr_step *step = &steps->list[i];
        int (*sourceless)(const void *self) = type_of(step)->sourceless;
        if (sourceless && sourceless(step->self))
            return 1;
    }
    return 0;
}

static rmr_status check_step(const rmr_steps *before, const rmr_step_type *next,
                             rmr_json_source source, rmr_error *err)
{
    if (((const rmr_normalizer_type *)next)->takes_sourceless ||
        !is_sourceless(before))
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s: %s is not supported after a Replace that may "
                    "match nothing or an empty Prepend",
                    source.name, next->component.type);
}

rmr_status rmr_normalizer_open(rmr_normalizer *normalizer, const json_t *value,
                               const char *file, rmr_error *err)
{
    static const rmr_stage stage = {
        .part = "normalizer",
        .sequence = "normalizers",
        .types = types,
        .num_types = NUM_TYPES,
        .check = check_step,
    };
    return rmr_steps_open(&normalizer->steps, &stage, value, file, err);
}

void rmr_normalizer_close(rmr_normalizer *normalizer)
{
    rmr_steps_close(&normalizer->steps);
}

rmr_status rmr_normalizer_run(const rmr_normalizer *normalizer,
                              const unsigned char *text, size_t from, size_t to,
                              struct rmr_encoder_scratch *scratch)
{
    scratch->base = scratch->text = &scratch->texts[0];
    if (!rmr_normalized_set(scratch->text, text, from, to))
        return RMR_ERR_NOMEM;
    for (size_t i = 0; i < normalizer->steps.count; i++) {
        const rmr_step *step = &normalizer->steps.list[i];
        rmr_status status = type_of(step)->run(step->self, scratch);
        if (status)
            return status;
    }
    scratch->base = scratch->text;
    return RMR_OK;
}

int rmr_normalizer_sourceless(const rmr_normalizer *normalizer)
{
    return is_sourceless(&normalizer->steps);
}

int rmr_normalizer_local(const rmr_normalizer *normalizer)
{
    int precompiled = 0; /* the scratch space keeps what one of them owes */
    for (size_t i = 0; i < normalizer->steps.count; i++) {
        const rmr_step *step = &normalizer->steps.list[i];
        precompiled += type_of(step) == &rmr_normalizer_precompiled;
        if (!type_of(step)->local(step->self))
            return 0;
    }
    return precompiled < 2;
}

int rmr_normalizer_lowercases(const rmr_normalizer *normalizer)
{
    for (size_t i = 0; i < normalizer->steps.count; i++) {
        const rmr_step *step = &normalizer->steps.list[i];
        if (type_of(step) == &rmr_normalizer_lowercase ||
            (type_of(step) == &rmr_normalizer_bert &&
             rmr_bert_options_of(step->self)->lowercase))
            return 1;
    }
    return 0;
}

const rmr_component *rmr_normalizer_component(size_t index)
{
    return index < NUM_TYPES ? types[index] : NULL;
}
