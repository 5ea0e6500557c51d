/*
 * tokenizer.c - opening a tokenizer.json, and what callers ask of an open
 * tokenizer. It must never accept a part that it would not do exactly as the
 * reference does.
 */
#include "tokenizer/tokenizer.h"

#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/tokenizer_internal.h"
#include "tokenizer/tokenizer_utf8.h"

/* ------------------------------------------------------------------ helpers */

int rmr_tokenizer_quoted(const char *string)
{
    enum { MOST = 40 };
    size_t len = strnlen(string, MOST + 1);
    if (len > MOST) {
        len = MOST;
        while (len && rmr_utf8_is_continuation((unsigned char)string[len]))
            len--;
    }
    return (int)len;
}

void rmr_tokenizer_json_name(char name[RMR_JSON_NAME_SIZE], const char *file,
                             const char *path)
{
    enum { PATH_ROOM = 48 };
    snprintf(name, RMR_JSON_NAME_SIZE, "%.*s: %s",
             RMR_JSON_NAME_SIZE - PATH_ROOM, file, path);
}

rmr_status rmr_tokenizer_need_object(const json_t *value, const char *name,
                                     rmr_error *err)
{
    if (json_is_object(value))
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_FORMAT, "%s must be an object", name);
}

static rmr_status need_field(rmr_json_source source, const char *field,
                             rmr_error *err)
{
    const json_t *value = json_object_get(source.object, field);
    if (value && !json_is_null(value))
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_FORMAT, "%s has no \"%s\"", source.name,
                    field);
}

rmr_status rmr_tokenizer_get_bool(rmr_json_source source, const char *field,
                                  unsigned char *out, rmr_error *err)
{
    int value = 0;
    rmr_status status = need_field(source, field, err);
    if (!status)
        status = rmr_json_get_bool(source, field, 0, &value, err);
    *out = (unsigned char)value;
    return status;
}

rmr_status rmr_tokenizer_get_id(rmr_json_source source, const char *field,
                                uint32_t *out, rmr_error *err)
{
    int64_t value = 0;
    rmr_status status =
        rmr_json_get_int(source, field, 0, RMR_TOKENIZER_MAX_ID - 1,
                         RMR_JSON_REQUIRED, &value, err);
    *out = (uint32_t)value;
    return status;
}

rmr_status rmr_tokenizer_unsupported(rmr_json_source source,
                                     const char *supported, rmr_error *err)
{
    const char *type =
        json_string_value(json_object_get(source.object, "type"));
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s.type \"%.*s\" is not supported; supported: %s",
                    source.name, rmr_tokenizer_quoted(type), type, supported);
}

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

static rmr_status open_parts(rmr_tokenizer *t, const json_t *root,
                             const char *file, rmr_error *err)
{
    rmr_json_source source = {root, file};
    rmr_status status;
    if ((status = rmr_tokenizer_need_object(root, file, err)) ||
        (status = check_version(source, err)) ||
        (status = rmr_normalizer_open(
             &t->normalizer, json_object_get(root, "normalizer"), file, err)) ||
        (status = rmr_pre_tokenizer_open(&t->pre_tokenizer,
                                         json_object_get(root, "pre_tokenizer"),
                                         file, err)) ||
        (status = need_field(source, "model", err)) ||
        (status = rmr_token_model_open(
             &t->model, json_object_get(root, "model"), file, err)) ||
        (status = rmr_added_tokens_open(&t->added,
                                        json_object_get(root, "added_tokens"),
                                        &t->normalizer, &t->model, file, err)))
        return status;
    return rmr_post_processor_open(
        &t->post, json_object_get(root, "post_processor"), file, err);
}

/* Learns the largest id, and that the post-processor's ids exist. */
static rmr_status check_ids(rmr_tokenizer *t, const char *file, rmr_error *err)
{
    t->id_limit = t->model.vocabulary.id_limit;
    for (size_t i = 0; i < t->added.count; i++) {
        if (t->added.tokens[i].id >= t->id_limit)
            t->id_limit = t->added.tokens[i].id + 1;
    }
    for (size_t i = 0; i < t->post.before + t->post.after; i++) {
        if (!rmr_tokenizer_string(t, t->post.tokens[i].id))
            return rmr_fail(err, RMR_ERR_FORMAT,
                            "%s: post_processor has the id %u, which no token "
                            "has",
                            file, (unsigned)t->post.tokens[i].id);
    }
    return RMR_OK;
}

rmr_status rmr_tokenizer_open(rmr_tokenizer **out, const char *path,
                              rmr_error *err)
{
    json_t *root = NULL;
    rmr_tokenizer *t = NULL;
    *out = NULL;
    rmr_status status = rmr_json_load_file(&root, path, err);
    if (status)
        return status;
    t = rmr_calloc(1, sizeof *t);
    if (!t)
        status = rmr_fail_nomem(err, path);
    else if (!(status = open_parts(t, root, path, err)))
        status = check_ids(t, path, err);
    json_decref(root);
    if (status)
        rmr_tokenizer_close(t);
    else
        *out = t;
    return status;
}

void rmr_tokenizer_close(rmr_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    rmr_post_processor_close(&tokenizer->post);
    rmr_added_tokens_close(&tokenizer->added);
    rmr_token_model_close(&tokenizer->model);
    rmr_free(tokenizer);
}

/* ---------------------------------------------------------------- properties
 */

uint32_t rmr_tokenizer_id_limit(const rmr_tokenizer *tokenizer)
{
    return tokenizer->id_limit;
}

int rmr_tokenizer_lowercases(const rmr_tokenizer *tokenizer)
{
    return tokenizer->normalizer.lowercase;
}

const char *rmr_tokenizer_string(const rmr_tokenizer *tokenizer, uint32_t id)
{
    const rmr_vocabulary *v = &tokenizer->model.vocabulary;
    const char *added = rmr_added_string(&tokenizer->added, id);
    if (added)
        return added;
    if (id >= v->id_limit || !v->string_at[id])
        return NULL;
    return v->strings + v->string_at[id] - 1;
}
