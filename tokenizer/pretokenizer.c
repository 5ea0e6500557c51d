/*
 * pretokenizer.c - the pre-tokenizer of a tokenizer.json: the steps it is made
 * of, one after another. It must never change the text that it is given, which
 * other parts of still are to be split: steps write into texts beside it.
 */
#include "tokenizer/tokenizer_internal.h"

#include <string.h>

#include "common/base/alloc.h"

static const rmr_pre_tokenizer_type *const types[] = {
    &rmr_pre_tokenizer_bert,
};
enum { NUM_TYPES = sizeof types / sizeof *types };

static rmr_status add_step(void *stage, rmr_json_source source, rmr_error *err)
{
    rmr_pre_tokenizer *pre = stage;
    const rmr_component *components[NUM_TYPES];
    size_t index;
    for (size_t i = 0; i < NUM_TYPES; i++)
        components[i] = &types[i]->component;
    rmr_status status =
        rmr_component_find(source, components, NUM_TYPES, &index, err);
    if (status)
        return status;
    rmr_pre_tokenizer_step *steps =
        rmr_grow(pre->steps, &pre->capacity, pre->count + 1, sizeof *steps);
    if (!steps)
        return rmr_fail_nomem(err, source.name);
    pre->steps = steps;
    rmr_pre_tokenizer_step *step = &steps[pre->count++];
    *step = (rmr_pre_tokenizer_step){.type = types[index]};
    return step->type->open(&step->self, source, err);
}

rmr_status rmr_pre_tokenizer_open(rmr_pre_tokenizer *pre_tokenizer,
                                  const json_t *value, const char *file,
                                  rmr_error *err)
{
    char name[RMR_JSON_NAME_SIZE];
    memset(pre_tokenizer, 0, sizeof *pre_tokenizer);
    if (!value || json_is_null(value))
        return RMR_OK;
    rmr_tokenizer_json_name(name, file, "pre_tokenizer");
    rmr_status status =
        rmr_component_each((rmr_json_source){value, name}, "pretokenizers",
                           add_step, pre_tokenizer, err);
    if (status)
        rmr_pre_tokenizer_close(pre_tokenizer);
    return status;
}

void rmr_pre_tokenizer_close(rmr_pre_tokenizer *pre_tokenizer)
{
    for (size_t i = 0; i < pre_tokenizer->count; i++) {
        if (pre_tokenizer->steps[i].self)
            pre_tokenizer->steps[i].type->close(pre_tokenizer->steps[i].self);
    }
    rmr_free(pre_tokenizer->steps);
    memset(pre_tokenizer, 0, sizeof *pre_tokenizer);
}

rmr_status rmr_pre_tokenizer_run(const rmr_pre_tokenizer *pre_tokenizer,
                                 size_t from, size_t to,
                                 struct rmr_encoder_scratch *scratch)
{
    scratch->text = scratch->base;
    scratch->words.count = 0;
    if (!rmr_words_push(&scratch->words, from, to))
        return RMR_ERR_NOMEM;
    for (size_t i = 0; i < pre_tokenizer->count; i++) {
        const rmr_pre_tokenizer_step *step = &pre_tokenizer->steps[i];
        scratch->next_words.count = 0;
        rmr_status status = step->type->run(step->self, scratch);
        if (status)
            return status;
    }
    return RMR_OK;
}

rmr_cut rmr_pre_tokenizer_cut(const rmr_pre_tokenizer *pre_tokenizer)
{
    for (size_t i = 0; i < pre_tokenizer->count; i++) {
        const rmr_pre_tokenizer_step *step = &pre_tokenizer->steps[i];
        rmr_cut cut = step->type->cut(step->self);
        if (cut != RMR_CUT_NEUTRAL)
            return cut;
    }
    return RMR_CUT_NEUTRAL;
}

const rmr_component *rmr_pre_tokenizer_component(size_t index)
{
    return index < NUM_TYPES ? &types[index]->component : NULL;
}
