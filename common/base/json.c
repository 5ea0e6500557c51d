/*
 * json.c - loading JSON and reading typed fields out of it. It must never
 * quote the document in an error: a body is user text.
 */
#include "common/base/json.h"

#include <math.h>
#include <string.h>

#include "common/base/file.h"

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "a whole number";
    case JSON_REAL:
        return "a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    default:
        return "null";
    }
}

static const char *reason(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_premature_end_of_input:
        return "it ends too early";
    case json_error_end_of_input_expected:
        return "there is text after its end";
    case json_error_invalid_utf8:
        return "a byte is not UTF-8";
    case json_error_duplicate_key:
        return "a key appears twice";
    case json_error_numeric_overflow:
        return "a number is too large";
    case json_error_stack_overflow:
        return "it is nested too deeply";
    case json_error_null_byte_in_key:
        return "a key holds a NUL";
    default:
        return "the syntax is wrong";
    }
}

/* jansson has a code for it, but mostly fails without a word, or takes a token
 * that it could not copy for a wrong one: a string where a string may be. */
static int is_out_of_memory(const json_error_t *error)
{
    static const char *const causes[] = {"invalid token near '\"",
                                         "string or '}' expected near '\""};
    if (!*error->text || json_error_code(error) == json_error_out_of_memory)
        return 1;
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++) {
        if (strncmp(error->text, causes[i], strlen(causes[i])) == 0)
            return 1;
    }
    return 0;
}

static rmr_status load(json_t **out, const char *data, size_t len, size_t flags,
                       const char *name, rmr_error *err)
{
    json_error_t error;
    *out = json_loadb(data ? data : "", len, JSON_ALLOW_NUL | flags, &error);
    if (*out)
        return RMR_OK;
    if (is_out_of_memory(&error))
        return rmr_fail_nomem(err, name);
    return rmr_fail(err, RMR_ERR_FORMAT,
                    "%s is not valid JSON: %s at line %d, column %d", name,
                    reason(&error), error.line, error.column);
}

rmr_status rmr_json_load(json_t **out, const char *data, size_t len,
                         const char *name, rmr_error *err)
{
    return load(out, data, len, 0, name, err);
}

static rmr_status load_file(json_t **out, const char *path, size_t flags,
                            rmr_error *err)
{
    rmr_file file;
    *out = NULL;
    rmr_status status = rmr_file_map(&file, path, err);
    if (status)
        return status;
    status = load(out, file.data, file.size, flags, path, err);
    rmr_file_unmap(&file);
    return status;
}

rmr_status rmr_json_load_file(json_t **out, const char *path, rmr_error *err)
{
    return load_file(out, path, 0, err);
}

rmr_status rmr_json_load_file_reals(json_t **out, const char *path,
                                    rmr_error *err)
{
    return load_file(out, path, JSON_DECODE_INT_AS_REAL, err);
}

/* The field, or NULL when it is missing or null. */
static const json_t *get(rmr_json_source source, const char *field)
{
    const json_t *value = json_object_get(source.object, field);
    return json_is_null(value) ? NULL : value;
}

static rmr_status missing(rmr_json_source source, const char *field,
                          rmr_error *err)
{
    return rmr_fail(err, RMR_ERR_FORMAT, "%s has no \"%s\"", source.name,
                    field);
}

rmr_status rmr_json_get_int(rmr_json_source source, const char *field,
                            int64_t min, int64_t max, int64_t fallback,
                            int64_t *out, rmr_error *err)
{
    const json_t *value = get(source, field);
    if (!value) {
        if (fallback == RMR_JSON_REQUIRED)
            return missing(source, field, err);
        *out = fallback;
        return RMR_OK;
    }
    if (!json_is_integer(value)) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"%s\" must be a whole number, not %s",
                        source.name, field, type_name(value));
    }
    int64_t number = json_integer_value(value);
    if (number < min || number > max) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "%s: \"%s\" must be from %lld to %lld, not %lld",
                        source.name, field, (long long)min, (long long)max,
                        (long long)number);
    }
    *out = number;
    return RMR_OK;
}

rmr_status rmr_json_get_number(rmr_json_source source, const char *field,
                               double fallback, double *out, rmr_error *err)
{
    const json_t *value = get(source, field);
    if (!value) {
        if (isnan(fallback))
            return missing(source, field, err);
        *out = fallback;
        return RMR_OK;
    }
    if (!json_is_number(value)) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"%s\" must be a number, not %s", source.name,
                        field, type_name(value));
    }
    *out = json_number_value(value);
    return RMR_OK;
}

rmr_status rmr_json_get_bool(rmr_json_source source, const char *field,
                             int fallback, int *out, rmr_error *err)
{
    const json_t *value = get(source, field);
    if (value && !json_is_boolean(value)) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"%s\" must be true or false, not %s", source.name,
                        field, type_name(value));
    }
    *out = value ? json_is_true(value) : fallback;
    return RMR_OK;
}

rmr_status rmr_json_get_string(rmr_json_source source, const char *field,
                               const char *fallback, const char **out,
                               rmr_error *err)
{
    const json_t *value = get(source, field);
    if (!value) {
        if (!fallback)
            return missing(source, field, err);
        *out = fallback;
        return RMR_OK;
    }
    if (!json_is_string(value)) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"%s\" must be a string, not %s", source.name,
                        field, type_name(value));
    }
    *out = json_string_value(value);
    if (strlen(*out) != json_string_length(value)) {
        return rmr_fail(err, RMR_ERR_FORMAT, "%s: \"%s\" holds a NUL",
                        source.name, field);
    }
    return RMR_OK;
}
