/*
 * tokenizer.c - opening a tokenizer.json, and what callers ask of an open
 * tokenizer. It must never accept a part that it would not do exactly as the
 * reference does.
 */
#include "tokenizer/tokenizer.h"

#include <string.h>

#include "common/base/alloc.h"
#include "common/base/file.h"
#include "tokenizer/pretokenizer/pretokenizer.h"
#include "tokenizer/tokenizer_internal.h"

/* ------------------------------------------------------------------ opening */

static rmr_status check_version(rmr_json_source source, rmr_error *err)
{
    const char *version;
    rmr_status status =
        rmr_json_get_string(source, "version", "1.0", &version, err);
    if (!status && strcmp(version, "1.0"))
        status = rmr_fail(err, RMR_ERR_UNSUPPORTED,
                          "%s: version \"%.*s\" is not supported; supported: "
                          "1.0",
                          source.name, rmr_tokenizer_quoted(version), version);
    return status;
}

/* The reference writes anew what a ByteLevel pre-tokenizer is given by where
 * it comes from, and repeats what comes from nowhere. */
static rmr_status check_order(const rmr_tokenizer *t, const char *file,
                              rmr_error *err)
{
    if (!rmr_normalizer_sourceless(&t->normalizer))
        return RMR_OK;
    for (size_t i = 0; i < t->pre_tokenizer.steps.count; i++) {
        if (t->pre_tokenizer.steps.list[i].type ==
            &rmr_pre_tokenizer_byte_level.step)
            return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                            "%s: pre_tokenizer: ByteLevel is not supported "
                            "after a normalizer that begins a text with what "
                            "stands for nothing",
                            file);
    }
    return RMR_OK;
}

static rmr_status open_parts(rmr_tokenizer *t, const rmr_document *document,
                             rmr_error *err)
{
    const json_t *root = document->root;
    const char *file = document->file;
    rmr_status status;
    if ((status = check_version((rmr_json_source){root, file}, err)) ||
        (status = rmr_normalizer_open(
             &t->normalizer, json_object_get(root, "normalizer"), file, err)) ||
        (status = rmr_pre_tokenizer_open(&t->pre_tokenizer,
                                         json_object_get(root, "pre_tokenizer"),
                                         file, err)) ||
        (status = check_order(t, file, err)) ||
        (status = rmr_token_model_open(
             &t->model, document,
             rmr_pre_tokenizer_from_bytes(&t->pre_tokenizer), err)))
        return status;
    if (t->model.raw_bytes)
        rmr_pre_tokenizer_use_raw_bytes(&t->pre_tokenizer);
    if ((status = rmr_added_tokens_open(&t->added,
                                        json_object_get(root, "added_tokens"),
                                        &t->normalizer, &t->model, file, err)))
        return status;
    return RMR_OK;
}

/* What is not a limit to the reference either is none. */
static void read_truncation(rmr_tokenizer *t, const json_t *truncation)
{
    const json_t *limit = json_object_get(truncation, "max_length");
    const char *side =
        json_string_value(json_object_get(truncation, "direction"));
    json_int_t tokens = json_integer_value(limit);
    if (tokens > 0 && tokens < UINT32_MAX)
        t->own_limit = (uint32_t)tokens;
    t->own_side = side && strcmp(side, "Left") == 0 ? RMR_TRUNCATE_START
                                                    : RMR_TRUNCATE_END;
}

/* What comes after the model. */
static rmr_status open_ends(rmr_tokenizer *t, const rmr_document *document,
                            rmr_error *err)
{
    const json_t *root = document->root;
    read_truncation(t, json_object_get(root, "truncation"));
    rmr_status status = rmr_post_processor_open(
        &t->post, json_object_get(root, "post_processor"), document->file, err);
    if (!status && t->post.trims)
        status = rmr_spacing_open(&t->spacing, t, document->model, err);
    return status ? status
                  : rmr_decoder_open(&t->decoder, t, root, document->file, err);
}

static rmr_status check_tokens(const rmr_tokenizer *t,
                               const rmr_post_tokens *tokens, const char *file,
                               rmr_error *err)
{
    for (size_t i = 0; i < tokens->count; i++) {
        if (!rmr_tokenizer_string(t, tokens->list[i].id))
            return rmr_fail(err, RMR_ERR_FORMAT,
                            "%s: post_processor has the id %u, which no token "
                            "has",
                            file, (unsigned)tokens->list[i].id);
    }
    return RMR_OK;
}

/* Learns the largest id, and that the post-processor's ids exist. */
static rmr_status check_ids(rmr_tokenizer *t, const char *file, rmr_error *err)
{
    rmr_status status = RMR_OK;
    t->id_limit = t->model.vocabulary.id_limit;
    for (size_t i = 0; i < t->added.count; i++) {
        if (t->added.tokens[i].id >= t->id_limit)
            t->id_limit = t->added.tokens[i].id + 1;
    }
    for (int pair = 0; pair < 2; pair++) {
        const rmr_post_program *program = &t->post.programs[pair][1];
        for (size_t i = 0; i < program->count && !status; i++) {
            status = check_tokens(t, &program->pieces[i].before, file, err);
            if (!status)
                status = check_tokens(t, &program->pieces[i].after, file, err);
        }
    }
    return status;
}

static rmr_status open_text(rmr_tokenizer *t, const char *text, size_t len,
                            const float *scores, const char *file,
                            rmr_error *err)
{
    rmr_document document;
    rmr_status status = rmr_document_open(&document, text, len, file, err);
    if (status)
        return status;
    document.scores = scores;
    if (!(status = open_parts(t, &document, err)) &&
        !(status = open_ends(t, &document, err)))
        status = check_ids(t, file, err);
    rmr_document_close(&document);
    t->cuts = status ? 0 : rmr_tokenizer_cuts(t);
    return status;
}

rmr_status rmr_tokenizer_open_text(rmr_tokenizer **out, const char *text,
                                   size_t len, const float *scores,
                                   const char *name, rmr_error *err)
{
    *out = NULL;
    rmr_tokenizer *t = rmr_calloc(1, sizeof *t);
    if (!t)
        return rmr_fail_nomem(err, name);
    rmr_status status = open_text(t, text, len, scores, name, err);
    if (status)
        rmr_tokenizer_close(t);
    else
        *out = t;
    return status;
}

rmr_status rmr_tokenizer_open(rmr_tokenizer **out, const char *path,
                              rmr_error *err)
{
    rmr_file file;
    *out = NULL;
    rmr_status status = rmr_file_map(&file, path, err);
    if (status)
        return status;
    status = rmr_tokenizer_open_text(out, file.data ? file.data : "", file.size,
                                     NULL, path, err);
    rmr_file_unmap(&file);
    return status;
}

void rmr_tokenizer_close(rmr_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    rmr_decoder_close(&tokenizer->decoder);
    rmr_spacing_close(&tokenizer->spacing);
    rmr_post_processor_close(&tokenizer->post);
    rmr_added_tokens_close(&tokenizer->added);
    rmr_token_model_close(&tokenizer->model);
    rmr_pre_tokenizer_close(&tokenizer->pre_tokenizer);
    rmr_normalizer_close(&tokenizer->normalizer);
    rmr_free(tokenizer);
}

/* ---------------------------------------------------------------- properties
 */

uint32_t rmr_tokenizer_id_limit(const rmr_tokenizer *tokenizer)
{
    return tokenizer->id_limit;
}

int rmr_tokenizer_unknown(const rmr_tokenizer *tokenizer, uint32_t *id)
{
    *id = tokenizer->model.unk_id;
    return *id != RMR_NO_ID;
}

uint32_t rmr_tokenizer_own_limit(const rmr_tokenizer *tokenizer,
                                 rmr_truncate *side)
{
    *side = tokenizer->own_side;
    return tokenizer->own_limit;
}

int rmr_tokenizer_is_special(const rmr_tokenizer *tokenizer, uint32_t id)
{
    const rmr_added_token *added = rmr_added_token_by_id(&tokenizer->added, id);
    return added && added->special;
}

int rmr_tokenizer_lowercases(const rmr_tokenizer *tokenizer)
{
    return rmr_normalizer_lowercases(&tokenizer->normalizer);
}

const char *rmr_tokenizer_string(const rmr_tokenizer *tokenizer, uint32_t id)
{
    size_t len;
    return rmr_decoder_string_of(tokenizer, id, &len);
}
