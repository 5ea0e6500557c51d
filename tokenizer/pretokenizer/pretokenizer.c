/*
 * pretokenizer.c - the pre-tokenizer of a tokenizer.json: the steps it is made
 * of, one after another. It must never change the text that it is given, which
 * other parts of still are to be split: steps write into texts beside it.
 */
#include "tokenizer/pretokenizer/pretokenizer.h"

#include "tokenizer/text/tokenizer_utf8.h"

static const rmr_component *const types[] = {
    &rmr_pre_tokenizer_bert.step.component,
    &rmr_pre_tokenizer_byte_level.step.component,
    &rmr_pre_tokenizer_char_delimiter.step.component,
    &rmr_pre_tokenizer_digits.step.component,
    &rmr_pre_tokenizer_fixed_length.step.component,
    &rmr_pre_tokenizer_metaspace.step.component,
    &rmr_pre_tokenizer_punctuation.step.component,
    &rmr_pre_tokenizer_split.step.component,
    &rmr_pre_tokenizer_unicode_scripts.step.component,
    &rmr_pre_tokenizer_whitespace.step.component,
    &rmr_pre_tokenizer_whitespace_split.step.component,
};
enum { NUM_TYPES = sizeof types / sizeof *types };

static const rmr_pre_tokenizer_type *type_of(const rmr_step *step)
{
    return (const rmr_pre_tokenizer_type *)step->type;
}

rmr_status rmr_pre_tokenizer_open(rmr_pre_tokenizer *pre_tokenizer,
                                  const json_t *value, const char *file,
                                  rmr_error *err)
{
    static const rmr_stage stage = {
        .part = "pre_tokenizer",
        .sequence = "pretokenizers",
        .types = types,
        .num_types = NUM_TYPES,
    };
    return rmr_steps_open(&pre_tokenizer->steps, &stage, value, file, err);
}

void rmr_pre_tokenizer_close(rmr_pre_tokenizer *pre_tokenizer)
{
    rmr_steps_close(&pre_tokenizer->steps);
}

rmr_status rmr_pre_tokenizer_run(const rmr_pre_tokenizer *pre_tokenizer,
                                 size_t from, size_t to,
                                 struct rmr_encoder_scratch *scratch)
{
    scratch->text = scratch->base;
    scratch->words.count = 0;
    if (!rmr_words_push(&scratch->words, from, to))
        return RMR_ERR_NOMEM;
    for (size_t i = 0; i < pre_tokenizer->steps.count; i++) {
        const rmr_step *step = &pre_tokenizer->steps.list[i];
        scratch->next_words.count = 0;
        rmr_status status = type_of(step)->run(step->self, scratch);
        if (status)
            return status;
    }
    return RMR_OK;
}

int rmr_pre_tokenizer_from_bytes(const rmr_pre_tokenizer *pre_tokenizer)
{
    const rmr_steps *steps = &pre_tokenizer->steps;
    return steps->count && type_of(&steps->list[steps->count - 1]) ==
                               &rmr_pre_tokenizer_byte_level;
}

void rmr_pre_tokenizer_use_raw_bytes(rmr_pre_tokenizer *pre_tokenizer)
{
    const rmr_steps *steps = &pre_tokenizer->steps;
    rmr_byte_level_use_raw_bytes(steps->list[steps->count - 1].self);
}

rmr_cut rmr_pre_tokenizer_cut(const rmr_pre_tokenizer *pre_tokenizer)
{
    for (size_t i = 0; i < pre_tokenizer->steps.count; i++) {
        const rmr_step *step = &pre_tokenizer->steps.list[i];
        rmr_cut cut = type_of(step)->cut(step->self);
        if (cut != RMR_CUT_NEUTRAL)
            return cut;
    }
    return RMR_CUT_NEUTRAL;
}

const rmr_component *rmr_pre_tokenizer_component(size_t index)
{
    return index < NUM_TYPES ? types[index] : NULL;
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
