/*
 * postprocessor_template.c - TemplateProcessing: texts and special tokens in
 * an order that the file gives, one for a text and one for a pair. It must
 * never take a template for what it nearly is.
 */
#include "tokenizer/postprocessor/postprocessor_types.h"

#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"

typedef struct piece {
    int text; /* 0 or 1; RMR_POST_NO_TEXT: a special token */
    uint32_t type_id;
    size_t first; /* of its ids in the template's */
    size_t count;
} piece;

typedef struct order {
    piece *pieces; /* [count] */
    size_t count;
    size_t added; /* tokens */
} order;

typedef struct template
{
    order orders[2]; /* single, pair */
    uint32_t *ids;   /* of the special tokens, piece by piece */
    size_t num_ids;
    size_t capacity;
}
template;

static void close_template(void *self)
{
    template *t = self;
    rmr_free(t->orders[0].pieces);
    rmr_free(t->orders[1].pieces);
    rmr_free(t->ids);
    rmr_free(t);
}

/* ------------------------------------------------------------------ reading
 */

static int is_u32(const json_t *value)
{
    json_int_t number = json_integer_value(value);
    return json_is_integer(value) && number >= 0 && number <= UINT32_MAX;
}

static rmr_status bad_piece(rmr_json_source source, const char *problem,
                            rmr_error *err)
{
    return rmr_fail(err, RMR_ERR_FORMAT, "%s %s", source.name, problem);
}

static rmr_status read_special(template *t, piece *p, const json_t *tokens,
                               rmr_json_source source, const json_t *special,
                               rmr_error *err)
{
    const char *id = json_string_value(json_object_get(special, "id"));
    const json_t *token = id ? json_object_get(tokens, id) : NULL;
    const json_t *ids = json_object_get(token, "ids");
    size_t count = json_array_size(ids);
    if (!json_is_array(ids))
        return bad_piece(source, "names a token that \"special_tokens\" lacks",
                         err);
    if (json_array_size(json_object_get(token, "tokens")) != count)
        return bad_piece(source,
                         "names a token whose \"ids\" and \"tokens\" differ in "
                         "number",
                         err);
    if (count > RMR_POST_MAX_TOKENS)
        return bad_piece(source, "makes over 1024 tokens", err);
    uint32_t *grown =
        rmr_grow(t->ids, &t->capacity, t->num_ids + count + 1, sizeof *grown);
    if (!grown)
        return rmr_fail_nomem(err, source.name);
    t->ids = grown;
    p->first = t->num_ids;
    p->count = count;
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(ids, i);
        if (!is_u32(value) || json_integer_value(value) >= RMR_TOKENIZER_MAX_ID)
            return bad_piece(source, "has an id that is none", err);
        t->ids[t->num_ids++] = (uint32_t)json_integer_value(value);
    }
    return RMR_OK;
}

static rmr_status read_piece(template *t, piece *p, const json_t *tokens,
                             rmr_json_source source, rmr_error *err)
{
    const json_t *special = json_object_get(source.object, "SpecialToken");
    const json_t *text = json_object_get(source.object, "Sequence");
    const json_t *type = json_object_get(special ? special : text, "type_id");
    if (!special == !text || !is_u32(type))
        return bad_piece(
            source, "must be a SpecialToken or a Sequence with a type_id", err);
    p->type_id = (uint32_t)json_integer_value(type);
    if (special) {
        p->text = RMR_POST_NO_TEXT;
        return read_special(t, p, tokens, source, special, err);
    }
    const char *id = json_string_value(json_object_get(text, "id"));
    if (!id || (strcmp(id, "A") && strcmp(id, "B")))
        return bad_piece(source, "must name the Sequence A or B", err);
    p->text = *id == 'B';
    return RMR_OK;
}

static rmr_status read_order(template *t, order *o, rmr_json_source source,
                             const char *field, rmr_error *err)
{
    const json_t *pieces = json_object_get(source.object, field);
    const json_t *tokens = json_object_get(source.object, "special_tokens");
    size_t count = json_array_size(pieces);
    rmr_status status = RMR_OK;
    if (!json_is_array(pieces))
        return rmr_fail(err, RMR_ERR_FORMAT, "%s: \"%s\" must be an array",
                        source.name, field);
    if (count > RMR_POST_MAX_TOKENS)
        return rmr_fail(err, RMR_ERR_UNSUPPORTED, "%s.%s has over %d pieces",
                        source.name, field, RMR_POST_MAX_TOKENS);
    o->pieces = rmr_calloc(count, sizeof *o->pieces);
    if (!o->pieces)
        return rmr_fail_nomem(err, source.name);
    for (size_t i = 0; i < count && !status; i++) {
        char name[RMR_JSON_NAME_SIZE];
        snprintf(name, sizeof name, "%s.%s[%zu]", source.name, field, i);
        status =
            read_piece(t, &o->pieces[i], tokens,
                       (rmr_json_source){json_array_get(pieces, i), name}, err);
        o->count++;
        o->added += o->pieces[i].count;
    }
    return status;
}

static rmr_status open_template(void **self, rmr_json_source source,
                                rmr_error *err)
{
    template *t = *self = rmr_calloc(1, sizeof *t);
    if (!t)
        return rmr_fail_nomem(err, source.name);
    if (!json_is_object(json_object_get(source.object, "special_tokens")))
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"special_tokens\" must be an object",
                        source.name);
    rmr_status status = read_order(t, &t->orders[0], source, "single", err);
    return status ? status : read_order(t, &t->orders[1], source, "pair", err);
}

/* ----------------------------------------------------------------- applying
 */

static size_t template_added(const void *self, int pair)
{
    const template *t = self;
    return t->orders[pair].added;
}

static void set_types(rmr_post_tokens *tokens, uint32_t type_id)
{
    for (size_t i = 0; i < tokens->count; i++)
        tokens->list[i].type_id = type_id;
}

/* A piece that is there, again, with another type id; its windows but the
 * first keep theirs. */
static int add_text(rmr_post_program *out, rmr_post_piece *from,
                    uint32_t type_id)
{
    from->type_id = type_id;
    set_types(&from->before, type_id);
    set_types(&from->after, type_id);
    return rmr_post_piece_copy(out, from);
}

static int add_special(rmr_post_program *out, const template *t, const piece *p)
{
    rmr_post_piece *made = rmr_post_piece_add(out, RMR_POST_NO_TEXT, 0);
    for (size_t i = 0; made && i < p->count; i++) {
        const rmr_post_token token = {t->ids[p->first + i], p->type_id,
                                      p->type_id};
        if (!rmr_post_token_add(&made->before, 0, token))
            return 0;
    }
    return made != NULL;
}

static rmr_status fill(const template *t, const order *o, int special,
                       rmr_post_program *program, rmr_post_program *out)
{
    for (size_t i = 0; i < o->count; i++) {
        const piece *p = &o->pieces[i];
        if (p->text == RMR_POST_NO_TEXT) {
            if (special && !add_special(out, t, p))
                return RMR_ERR_NOMEM;
        } else if ((size_t)p->text >= program->count) {
            program->problem = "\"single\" has the Sequence B";
            return RMR_OK;
        } else if (!add_text(out, &program->pieces[p->text], p->type_id)) {
            return RMR_ERR_NOMEM;
        }
    }
    return RMR_OK;
}

static rmr_status apply_template(const void *self, int special,
                                 rmr_post_program *program)
{
    const template *t = self;
    rmr_post_program out = {.added = program->added};
    if (program->count < 1 || program->count > 2) {
        program->problem =
            "a TemplateProcessing takes one or two pieces of those before it";
        return RMR_OK;
    }
    rmr_status status =
        fill(t, &t->orders[program->count - 1], special, program, &out);
    if (status || program->problem) {
        rmr_post_program_clear(&out);
        return status;
    }
    rmr_post_program_clear(program);
    *program = out;
    return RMR_OK;
}

const rmr_post_type rmr_post_template = {
    .step = {{"TemplateProcessing", "`single`, `pair`, `special_tokens`"},
             open_template,
             close_template},
    .added = template_added,
    .apply = apply_template,
};
