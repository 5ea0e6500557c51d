/*
 * tokenizer_model.c - the model of a tokenizer.json, by its type. It must
 * never take one type for another.
 */
#include "tokenizer/tokenizer_internal.h"

#include <stdatomic.h>
#include <string.h>

#include "common/base/alloc.h"

static const rmr_component *const types[] = {
    &rmr_model_bpe.component,
    &rmr_model_unigram.component,
    &rmr_model_wordlevel.component,
    &rmr_model_wordpiece.component,
};
enum { NUM_TYPES = sizeof types / sizeof *types };

const rmr_component *rmr_token_model_component(size_t index)
{
    return index < NUM_TYPES ? types[index] : NULL;
}

static atomic_uint_fast64_t last_number;

/* The reference tells a model without a type by its fields; NULL when they are
 * those of none. */
static const rmr_token_model_type *type_by_fields(const rmr_document *document)
{
    const json_t *model = document->model;
    if (!document->vocab.begin)
        return NULL;
    if (*document->vocab.begin == '[')
        return &rmr_model_unigram;
    if (document->merges.begin)
        return &rmr_model_bpe;
    if (!json_object_get(model, "unk_token"))
        return NULL;
    if (json_object_get(model, "continuing_subword_prefix") &&
        json_object_get(model, "max_input_chars_per_word"))
        return &rmr_model_wordpiece;
    return &rmr_model_wordlevel;
}

static rmr_status find_type(rmr_json_source source,
                            const rmr_document *document,
                            const rmr_token_model_type **type, rmr_error *err)
{
    const rmr_component *component;
    *type = type_by_fields(document);
    if (!json_object_get(document->model, "type") && *type)
        return RMR_OK;
    rmr_status status =
        rmr_component_find(source, types, NUM_TYPES, &component, err);
    if (!status)
        *type = (const rmr_token_model_type *)component;
    return status;
}

static uint32_t find_unknown(const rmr_token_model *model, const json_t *object)
{
    const json_t *unk = json_object_get(object, "unk_token");
    const json_t *unk_id = json_object_get(object, "unk_id");
    if (model->type == &rmr_model_unigram)
        return json_is_integer(unk_id) ? (uint32_t)json_integer_value(unk_id)
                                       : RMR_NO_ID;
    return json_is_string(unk)
               ? rmr_vocabulary_find(&model->vocabulary, json_string_value(unk),
                                     json_string_length(unk))
               : RMR_NO_ID;
}

static int marks_words(const rmr_token_model *model, const json_t *object)
{
    const json_t *prefix = json_object_get(object, "continuing_subword_prefix");
    return (model->type == &rmr_model_bpe ||
            model->type == &rmr_model_wordpiece) &&
           json_string_length(prefix) > 0;
}

rmr_status rmr_token_model_open(rmr_token_model *model,
                                const rmr_document *document, int from_bytes,
                                rmr_error *err)
{
    char name[RMR_JSON_NAME_SIZE];
    memset(model, 0, sizeof *model);
    rmr_tokenizer_json_name(name, document->file, "model");
    rmr_status status = find_type((rmr_json_source){document->model, name},
                                  document, &model->type, err);
    if (status)
        return status;
    model->raw_bytes = from_bytes && model->type->takes_bytes;
    model->number = atomic_fetch_add(&last_number, 1) + 1;
    if ((status = model->type->open(model, document, err))) {
        rmr_token_model_close(model);
        return status;
    }
    model->unk_id = find_unknown(model, document->model);
    model->marks_words = marks_words(model, document->model);
    return RMR_OK;
}

void rmr_token_model_close(rmr_token_model *model)
{
    if (model->self)
        model->type->close(model->self);
    rmr_vocabulary_free(&model->vocabulary);
    memset(model, 0, sizeof *model);
}
