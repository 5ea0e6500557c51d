/*
 * postprocessor.c - the post-processor of a tokenizer.json: runs its steps on
 * programs for one text and for two, with and without special tokens. It must
 * never leave a step out.
 */
#include "tokenizer/postprocessor/postprocessor_types.h"

#include <string.h>

#include "common/base/alloc.h"

static const rmr_component *const types[] = {
    &rmr_post_template.step.component,
    &rmr_post_bert.step.component,
    &rmr_post_roberta.step.component,
    &rmr_post_byte_level.step.component,
};
enum { NUM_TYPES = sizeof types / sizeof *types };

const rmr_component *rmr_post_processor_component(size_t index)
{
    return index < NUM_TYPES ? types[index] : NULL;
}

/* ----------------------------------------------------------------- programs
 */

rmr_post_piece *rmr_post_piece_add(rmr_post_program *program, int text,
                                   uint32_t type_id)
{
    rmr_post_piece *pieces = rmr_grow(program->pieces, &program->capacity,
                                      program->count + 1, sizeof *pieces);
    if (!pieces)
        return NULL;
    program->pieces = pieces;
    pieces += program->count++;
    *pieces = (rmr_post_piece){
        .text = text, .type_id = type_id, .overflow_type_id = type_id};
    return pieces;
}

int rmr_post_token_add(rmr_post_tokens *tokens, int at_beginning,
                       rmr_post_token token)
{
    rmr_post_token *list = rmr_grow(tokens->list, &tokens->capacity,
                                    tokens->count + 1, sizeof *list);
    if (!list)
        return 0;
    tokens->list = list;
    if (at_beginning)
        memmove(list + 1, list, tokens->count * sizeof *list);
    list[at_beginning ? 0 : tokens->count] = token;
    tokens->count++;
    return 1;
}

int rmr_post_piece_wrap(rmr_post_piece *piece, int at_beginning,
                        rmr_post_token token)
{
    rmr_post_tokens *tokens = at_beginning || piece->text == RMR_POST_NO_TEXT
                                  ? &piece->before
                                  : &piece->after;
    return rmr_post_token_add(tokens, at_beginning, token);
}

static int copy_tokens(rmr_post_tokens *to, const rmr_post_tokens *from)
{
    *to = (rmr_post_tokens){0};
    for (size_t i = 0; i < from->count; i++) {
        if (!rmr_post_token_add(to, 0, from->list[i]))
            return 0;
    }
    return 1;
}

int rmr_post_piece_copy(rmr_post_program *program, const rmr_post_piece *piece)
{
    rmr_post_piece *copy = rmr_post_piece_add(program, piece->text, 0);
    if (!copy)
        return 0;
    *copy = *piece;
    copy->after = (rmr_post_tokens){0};
    return copy_tokens(&copy->before, &piece->before) &&
           copy_tokens(&copy->after, &piece->after);
}

void rmr_post_program_clear(rmr_post_program *program)
{
    for (size_t i = 0; i < program->count; i++) {
        rmr_free(program->pieces[i].before.list);
        rmr_free(program->pieces[i].after.list);
    }
    rmr_free(program->pieces);
    memset(program, 0, sizeof *program);
}

/* ------------------------------------------------------------------ opening
 */

static size_t count_tokens(const rmr_post_program *program)
{
    size_t count = 0;
    for (size_t i = 0; i < program->count; i++)
        count +=
            program->pieces[i].before.count + program->pieces[i].after.count;
    return count;
}

static rmr_status apply_step(rmr_post_processor *post,
                             const rmr_post_type *type, const void *self,
                             rmr_json_source source, rmr_error *err)
{
    for (int pair = 0; pair < 2; pair++) {
        for (int special = 0; special < 2; special++) {
            rmr_post_program *program = &post->programs[pair][special];
            if (program->problem)
                continue;
            if (special)
                program->added += type->added(self, pair);
            rmr_status status = type->apply(self, special, program);
            if (status)
                return rmr_fail_nomem(err, source.name);
            program->num_tokens = count_tokens(program);
            if (program->num_tokens > RMR_POST_MAX_TOKENS)
                return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                                "%s makes over %d tokens", source.name,
                                RMR_POST_MAX_TOKENS);
        }
    }
    return RMR_OK;
}

/* The reference tells Bert's and Roberta's by their fields, whatever their
 * type: what has them under another type is refused. */
static rmr_status find_type(rmr_json_source source, const rmr_post_type **type,
                            rmr_error *err)
{
    const rmr_component *component;
    rmr_status status =
        rmr_component_find(source, types, NUM_TYPES, &component, err);
    if (status)
        return status;
    *type = (const rmr_post_type *)component;
    if (*type == &rmr_post_bert || *type == &rmr_post_roberta)
        *type = json_object_get(source.object, "trim_offsets") &&
                        json_object_get(source.object, "add_prefix_space")
                    ? &rmr_post_roberta
                    : &rmr_post_bert;
    else if (json_object_get(source.object, "sep") &&
             json_object_get(source.object, "cls"))
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s has the fields of BertProcessing and another type",
                        source.name);
    return RMR_OK;
}

static rmr_status add_step(void *stage, rmr_json_source source, rmr_error *err)
{
    const rmr_post_type *type;
    void *self = NULL;
    rmr_status status = find_type(source, &type, err);
    if (status)
        return status;
    if (!(status = type->step.open(&self, source, err)))
        status = apply_step(stage, type, self, source, err);
    if (self)
        type->step.close(self);
    return status;
}

static rmr_status begin_programs(rmr_post_processor *post, const char *name,
                                 rmr_error *err)
{
    for (int pair = 0; pair < 2; pair++) {
        for (int special = 0; special < 2; special++) {
            rmr_post_program *program = &post->programs[pair][special];
            for (int text = 0; text <= pair; text++) {
                if (!rmr_post_piece_add(program, text, (uint32_t)text))
                    return rmr_fail_nomem(err, name);
            }
        }
    }
    return RMR_OK;
}

static void note_trims(rmr_post_processor *post)
{
    for (int pair = 0; pair < 2; pair++) {
        const rmr_post_program *program = &post->programs[pair][0];
        for (size_t i = 0; i < program->count; i++)
            post->trims |= program->pieces[i].num_trims > 0;
    }
}

rmr_status rmr_post_processor_open(rmr_post_processor *post,
                                   const json_t *value, const char *file,
                                   rmr_error *err)
{
    char name[RMR_JSON_NAME_SIZE];
    memset(post, 0, sizeof *post);
    rmr_tokenizer_json_name(name, file, "post_processor");
    rmr_status status = begin_programs(post, name, err);
    if (!status)
        status = rmr_component_each((rmr_json_source){value, name},
                                    "processors", add_step, post, err);
    const char *problem = post->programs[0][1].problem;
    if (!status && problem)
        status = rmr_fail(err, RMR_ERR_UNSUPPORTED, "%s: %s", name, problem);
    note_trims(post);
    if (status)
        rmr_post_processor_close(post);
    return status;
}

void rmr_post_processor_close(rmr_post_processor *post)
{
    for (int i = 0; i < 4; i++)
        rmr_post_program_clear(&post->programs[i / 2][i % 2]);
    memset(post, 0, sizeof *post);
}
