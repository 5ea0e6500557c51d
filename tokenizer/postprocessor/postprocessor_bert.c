/*
 * postprocessor_bert.c - post-processors with fixed rules: Bert's, Roberta's
 * and ByteLevel. They must give the reference's type ids, which in a window
 * that is not a text's first are others than in its first.
 */
#include "tokenizer/postprocessor/postprocessor_types.h"

#include "common/base/alloc.h"

typedef struct bert {
    uint32_t cls;
    uint32_t sep;
    unsigned char trim_offsets; /* of Roberta's, as the next */
    unsigned char add_prefix_space;
} bert;

/* ------------------------------------------------------------------ options
 */

/* The id of ["[CLS]", 101]. */
static rmr_status read_token(rmr_json_source source, const char *field,
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

static rmr_status open_bert(void **self, rmr_json_source source, rmr_error *err)
{
    bert *b = *self = rmr_calloc(1, sizeof *b);
    if (!b)
        return rmr_fail_nomem(err, source.name);
    rmr_status status = read_token(source, "cls", &b->cls, err);
    return status ? status : read_token(source, "sep", &b->sep, err);
}

static rmr_status read_trimming(bert *b, rmr_json_source source, rmr_error *err)
{
    rmr_status status =
        rmr_tokenizer_get_bool(source, "trim_offsets", &b->trim_offsets, err);
    return status ? status
                  : rmr_tokenizer_get_bool(source, "add_prefix_space",
                                           &b->add_prefix_space, err);
}

static rmr_status open_roberta(void **self, rmr_json_source source,
                               rmr_error *err)
{
    rmr_status status = open_bert(self, source, err);
    return status ? status : read_trimming(*self, source, err);
}

static rmr_status open_byte_level(void **self, rmr_json_source source,
                                  rmr_error *err)
{
    int use_regex;
    bert *b = *self = rmr_calloc(1, sizeof *b);
    if (!b)
        return rmr_fail_nomem(err, source.name);
    rmr_status status = read_trimming(b, source, err);
    return status ? status
                  : rmr_json_get_bool(source, "use_regex", 1, &use_regex, err);
}

static void close_bert(void *self)
{
    rmr_free(self);
}

/* -------------------------------------------------------------------- steps
 */

static size_t bert_added(const void *self, int pair)
{
    (void)self;
    return pair ? 3 : 2;
}

static rmr_status apply_bert(const void *self, int special,
                             rmr_post_program *program)
{
    const bert *b = self;
    for (size_t i = 0; i < program->count && special; i++) {
        uint32_t type_id = i ? 1 : 0;
        const rmr_post_token cls = {b->cls, 0, 0};
        const rmr_post_token sep = {b->sep, type_id, type_id};
        if ((!i && !rmr_post_piece_wrap(&program->pieces[i], 1, cls)) ||
            !rmr_post_piece_wrap(&program->pieces[i], 0, sep))
            return RMR_ERR_NOMEM;
    }
    return RMR_OK;
}

static size_t roberta_added(const void *self, int pair)
{
    (void)self;
    return pair ? 4 : 2;
}

static void add_trims(const bert *b, rmr_post_program *program)
{
    for (size_t i = 0; i < program->count && b->trim_offsets; i++) {
        rmr_post_piece *piece = &program->pieces[i];
        if (piece->text == RMR_POST_NO_TEXT)
            continue;
        if (piece->num_trims == RMR_POST_MAX_TRIMS) {
            program->problem = "offsets are trimmed over 4 times";
            return;
        }
        piece->trims[piece->num_trims++] =
            (rmr_post_trim){b->add_prefix_space, piece->before.count > 0};
    }
}

static void clear_types(rmr_post_tokens *tokens, int overflow)
{
    for (size_t i = 0; i < tokens->count; i++) {
        tokens->list[i].type_id = 0;
        if (overflow)
            tokens->list[i].overflow_type_id = 0;
    }
}

static rmr_status apply_roberta(const void *self, int special,
                                rmr_post_program *program)
{
    const bert *b = self;
    const rmr_post_token cls = {b->cls, 0, 0}, sep = {b->sep, 0, 0};
    add_trims(b, program);
    for (size_t i = 0; i < program->count; i++) {
        rmr_post_piece *piece = &program->pieces[i];
        clear_types(&piece->before, special);
        clear_types(&piece->after, special);
        piece->type_id = 0;
        if (!special)
            continue;
        piece->overflow_type_id = 0;
        if (!rmr_post_piece_wrap(piece, 1, i ? sep : cls) ||
            !rmr_post_piece_wrap(piece, 0, sep))
            return RMR_ERR_NOMEM;
    }
    return RMR_OK;
}

static size_t byte_level_added(const void *self, int pair)
{
    (void)self;
    (void)pair;
    return 0;
}

static rmr_status apply_byte_level(const void *self, int special,
                                   rmr_post_program *program)
{
    (void)special;
    add_trims(self, program);
    return RMR_OK;
}

const rmr_post_type rmr_post_bert = {
    .step = {{"BertProcessing", "`cls`, `sep`"}, open_bert, close_bert},
    .added = bert_added,
    .apply = apply_bert,
};

const rmr_post_type rmr_post_roberta = {
    .step = {{"RobertaProcessing",
              "`cls`, `sep`, `trim_offsets`, `add_prefix_space`"},
             open_roberta,
             close_bert},
    .added = roberta_added,
    .apply = apply_roberta,
};

const rmr_post_type rmr_post_byte_level = {
    .step = {{"ByteLevel", "`trim_offsets`, `add_prefix_space`, `use_regex`"},
             open_byte_level,
             close_bert},
    .added = byte_level_added,
    .apply = apply_byte_level,
};
