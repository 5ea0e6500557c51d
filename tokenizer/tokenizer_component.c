/*
 * tokenizer_component.c - reading parts of tokenizer.json: fields, types and
 * sequences, with errors that name the JSON path. It must never quote more of
 * a file than a few characters.
 */
#include "tokenizer/tokenizer_component.h"

#include <stdio.h>
#include <string.h>

#include "tokenizer/tokenizer_internal.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* -------------------------------------------------------------------- names */

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
    enum { PATH_ROOM = 96 };
    snprintf(name, RMR_JSON_NAME_SIZE, "%.*s: %s",
             RMR_JSON_NAME_SIZE - PATH_ROOM, file, path);
}

/* ------------------------------------------------------------------- fields */

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

rmr_status rmr_tokenizer_get_bytes(rmr_json_source source, const char *field,
                                   const char **out, size_t *len,
                                   rmr_error *err)
{
    const json_t *value = json_object_get(source.object, field);
    rmr_status status = need_field(source, field, err);
    if (status)
        return status;
    if (!json_is_string(value))
        return rmr_fail(err, RMR_ERR_FORMAT, "%s: \"%s\" must be a string",
                        source.name, field);
    *out = json_string_value(value);
    *len = json_string_length(value);
    return RMR_OK;
}

rmr_status rmr_tokenizer_get_choice(rmr_json_source source, const char *field,
                                    const char *const *names, size_t count,
                                    size_t *out, rmr_error *err)
{
    const char *name;
    rmr_status status = rmr_json_get_string(source, field, NULL, &name, err);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(name, names[i])) {
            *out = i;
            return RMR_OK;
        }
    }
    return rmr_fail(err, RMR_ERR_FORMAT, "%s: \"%s\" cannot be \"%.*s\"",
                    source.name, field, rmr_tokenizer_quoted(name), name);
}

/* -------------------------------------------------------------------- types */

rmr_status rmr_component_find(rmr_json_source source,
                              const rmr_component *const *components,
                              size_t count, const rmr_component **out,
                              rmr_error *err)
{
    const char *type;
    char all[256] = "";
    size_t used = 0;
    rmr_status status = rmr_json_get_string(source, "type", NULL, &type, err);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(components[i]->type, type)) {
            *out = components[i];
            return RMR_OK;
        }
        if (used < sizeof all)
            used += (size_t)snprintf(all + used, sizeof all - used, "%s%s",
                                     i ? ", " : "", components[i]->type);
    }
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s.type \"%.*s\" is not supported; supported: %s",
                    source.name, rmr_tokenizer_quoted(type), type, all);
}

/* ---------------------------------------------------------------- sequences */

static rmr_status each(rmr_json_source source, const char *field, int depth,
                       rmr_component_add *add, void *stage, rmr_error *err)
{
    enum { MAX_DEPTH = 32 };
    const char *type;
    rmr_status status;
    if ((status = rmr_tokenizer_need_object(source.object, source.name, err)) ||
        (status = rmr_json_get_string(source, "type", NULL, &type, err)))
        return status;
    if (strcmp(type, "Sequence"))
        return add(stage, source, err);
    const json_t *parts = json_object_get(source.object, field);
    if (!json_is_array(parts))
        return rmr_fail(err, RMR_ERR_FORMAT, "%s: \"%s\" must be an array",
                        source.name, field);
    if (depth >= MAX_DEPTH)
        return rmr_fail(err, RMR_ERR_UNSUPPORTED, "%s is nested over %d deep",
                        source.name, MAX_DEPTH);
    for (size_t i = 0; i < json_array_size(parts) && !status; i++) {
        char name[RMR_JSON_NAME_SIZE];
        snprintf(name, sizeof name, "%s.%s[%zu]", source.name, field, i);
        status = each((rmr_json_source){json_array_get(parts, i), name}, field,
                      depth + 1, add, stage, err);
    }
    return status;
}

rmr_status rmr_component_each(rmr_json_source source, const char *field,
                              rmr_component_add *add, void *stage,
                              rmr_error *err)
{
    if (!source.object || json_is_null(source.object))
        return RMR_OK;
    return each(source, field, 0, add, stage, err);
}
