/*
 * postprocessor.c - the post-processor: the tokens that a model
 * wants before and after those of a text. It must never give an id that the
 * file does not name.
 */
#include "tokenizer/tokenizer_internal.h"

#include <string.h>

#include "common/base/alloc.h"

/* ------------------------------------------------------------ BertProcessing
 */

/* The id of ["[CLS]", 101]. */
static rmr_status read_pair(rmr_json_source source, const char *field,
                            uint32_t *id, rmr_error *err)
{
    const json_t *pair = json_object_get(source.object, field);
    const json_t *value = json_array_get(pair, 1);
    json_int_t number = json_integer_value(value);
    if (json_array_size(pair) != 2 ||
        !json_is_string(json_array_get(pair, 0)) || !json_is_integer(value) ||
        number < 0 || number >= RMR_TOKENIZER_MAX_ID)
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"%s\" must be a token and its id, as "
                        "[\"[SEP]\", 102]",
                        source.name, field);
    *id = (uint32_t)number;
    return RMR_OK;
}

static rmr_status read_bert(rmr_post_processor *post, rmr_json_source source,
                            rmr_error *err)
{
    uint32_t cls, sep;
    /* The reference goes by the fields, whatever the type. */
    if (json_object_get(source.object, "trim_offsets") &&
        json_object_get(source.object, "add_prefix_space"))
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s has the fields of RobertaProcessing, which is not "
                        "supported",
                        source.name);
    rmr_status status = read_pair(source, "cls", &cls, err);
    if (status || (status = read_pair(source, "sep", &sep, err)))
        return status;
    post->tokens = rmr_calloc(2, sizeof *post->tokens);
    if (!post->tokens)
        return rmr_fail_nomem(err, source.name);
    post->tokens[0].id = cls;
    post->tokens[1].id = sep;
    post->before = 1;
    post->after = 1;
    return RMR_OK;
}

/* -------------------------------------------------------- TemplateProcessing
 */

enum { MAX_SPECIAL_TOKENS = 1024 };

static rmr_status bad_piece(rmr_json_source source, size_t index,
                            const char *problem, rmr_error *err)
{
    return rmr_fail(err, RMR_ERR_FORMAT, "%s.single[%zu] %s", source.name,
                    index, problem);
}

/* The ids of a special token of the template. */
static const json_t *find_ids(rmr_json_source source, const json_t *piece)
{
    const json_t *tokens = json_object_get(source.object, "special_tokens");
    const char *id = json_string_value(json_object_get(piece, "id"));
    return id ? json_object_get(json_object_get(tokens, id), "ids") : NULL;
}

/* Appends the tokens of piece `index` to those that are there. */
static rmr_status read_special(rmr_post_processor *post, rmr_json_source source,
                               size_t index, const json_t *piece,
                               uint32_t type_id, rmr_error *err)
{
    const json_t *ids = find_ids(source, piece);
    if (!json_is_array(ids))
        return bad_piece(source, index,
                         "names a token that \"special_tokens\" lacks", err);
    size_t used = post->before + post->after, count = json_array_size(ids);
    if (count > MAX_SPECIAL_TOKENS - used)
        return bad_piece(source, index, "makes over 1024 tokens", err);
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(ids, i);
        json_int_t id = json_integer_value(value);
        if (!json_is_integer(value) || id < 0 || id >= RMR_TOKENIZER_MAX_ID)
            return bad_piece(source, index, "has an id that is none", err);
        post->tokens[used + i].id = (uint32_t)id;
        post->tokens[used + i].type_id = type_id;
    }
    return RMR_OK;
}

static rmr_status read_piece(rmr_post_processor *post, rmr_json_source source,
                             size_t index, int *has_text, rmr_error *err)
{
    const json_t *pieces = json_object_get(source.object, "single");
    const json_t *piece = json_array_get(pieces, index);
    const json_t *special = json_object_get(piece, "SpecialToken");
    const json_t *text = json_object_get(piece, "Sequence");
    const json_t *type = json_object_get(special ? special : text, "type_id");
    json_int_t type_id = json_integer_value(type);
    if (!special == !text || !json_is_integer(type) || type_id < 0 ||
        type_id >= RMR_TOKENIZER_MAX_ID)
        return bad_piece(source, index,
                         "must be a SpecialToken or a Sequence with a type_id",
                         err);
    if (special) {
        size_t count = json_array_size(find_ids(source, special));
        rmr_status status =
            read_special(post, source, index, special, (uint32_t)type_id, err);
        if (status)
            return status;
        *(*has_text ? &post->after : &post->before) += count;
        return RMR_OK;
    }
    const char *id = json_string_value(json_object_get(text, "id"));
    if (!id || strcmp(id, "A") || *has_text)
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s.single must hold the Sequence A once, and no "
                        "other",
                        source.name);
    *has_text = 1;
    post->type_id = (uint32_t)type_id;
    return RMR_OK;
}

static rmr_status read_template(rmr_post_processor *post,
                                rmr_json_source source, rmr_error *err)
{
    const json_t *single = json_object_get(source.object, "single");
    int has_text = 0;
    if (!json_is_array(single))
        return rmr_fail(err, RMR_ERR_FORMAT, "%s: \"single\" must be an array",
                        source.name);
    post->tokens = rmr_calloc(MAX_SPECIAL_TOKENS, sizeof *post->tokens);
    if (!post->tokens)
        return rmr_fail_nomem(err, source.name);
    for (size_t i = 0; i < json_array_size(single); i++) {
        rmr_status status = read_piece(post, source, i, &has_text, err);
        if (status)
            return status;
    }
    return has_text ? RMR_OK
                    : rmr_fail(err, RMR_ERR_UNSUPPORTED,
                               "%s.single must hold the Sequence A once, and "
                               "no other",
                               source.name);
}

rmr_status rmr_post_processor_open(rmr_post_processor *post,
                                   const json_t *value, const char *file,
                                   rmr_error *err)
{
    char name[RMR_JSON_NAME_SIZE];
    rmr_json_source source = {value, name};
    const char *type;
    rmr_status status;
    memset(post, 0, sizeof *post);
    if (!value || json_is_null(value))
        return RMR_OK;
    rmr_tokenizer_json_name(name, file, "post_processor");
    if ((status = rmr_tokenizer_need_object(value, name, err)) ||
        (status = rmr_json_get_string(source, "type", NULL, &type, err)))
        return status;
    if (!strcmp(type, "TemplateProcessing"))
        status = read_template(post, source, err);
    else if (!strcmp(type, "BertProcessing"))
        status = read_bert(post, source, err);
    else
        status = rmr_fail(err, RMR_ERR_UNSUPPORTED,
                          "%s.type \"%.*s\" is not supported; supported: "
                          "TemplateProcessing, BertProcessing",
                          name, rmr_tokenizer_quoted(type), type);
    if (status)
        rmr_post_processor_close(post);
    return status;
}

void rmr_post_processor_close(rmr_post_processor *post)
{
    rmr_free(post->tokens);
    memset(post, 0, sizeof *post);
}
