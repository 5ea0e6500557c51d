/*
 * pretokenizer.c - the pre-tokenizer of a tokenizer.json: the steps it is made
 * of, one after another. It must never change the text that it is given, which
 * other parts of still are to be split: steps write into texts beside it.
 */
#include "tokenizer/pretokenizer/pretokenizer.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_utf8.h"

static const rmr_pre_tokenizer_type *const types[] = {
    &rmr_pre_tokenizer_bert,
    &rmr_pre_tokenizer_byte_level,
    &rmr_pre_tokenizer_char_delimiter,
    &rmr_pre_tokenizer_digits,
    &rmr_pre_tokenizer_fixed_length,
    &rmr_pre_tokenizer_metaspace,
    &rmr_pre_tokenizer_punctuation,
    &rmr_pre_tokenizer_split,
    &rmr_pre_tokenizer_unicode_scripts,
    &rmr_pre_tokenizer_whitespace,
    &rmr_pre_tokenizer_whitespace_split,
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

int rmr_pre_tokenizer_use_raw_bytes(rmr_pre_tokenizer *pre_tokenizer)
{
    if (!pre_tokenizer->count)
        return 0;
    const rmr_pre_tokenizer_step *last =
        &pre_tokenizer->steps[pre_tokenizer->count - 1];
    if (last->type == &rmr_pre_tokenizer_byte_level) {
        rmr_byte_level_use_raw_bytes(last->self);
        pre_tokenizer->raw_bytes = 1;
    }
    return pre_tokenizer->raw_bytes;
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

rmr_status rmr_pre_tokenizer_get_char(rmr_json_source source, const char *field,
                                      uint32_t *out, rmr_error *err)
{
    const char *bytes = "";
    size_t len = 0;
    rmr_status status =
        rmr_tokenizer_get_bytes(source, field, &bytes, &len, err);
    if (status)
        return status;
    if (!len || rmr_utf8_decode((const unsigned char *)bytes, len, out) != len)
        return rmr_fail(err, RMR_ERR_FORMAT, "%s: \"%s\" must be one character",
                        source.name, field);
    return RMR_OK;
}
