/*
 * convert_options.c - puts together what a tokenizer class is made with, out of
 * tokenizer_config.json, special_tokens_map.json and added_tokens.json, as the
 * reference does. It must never pass over an option that would change a token.
 */
#include "tokenizer/convert/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

const char *const rmr_named_tokens[RMR_NAMED_TOKENS] = {
    "bos_token", "eos_token", "unk_token", "sep_token",
    "pad_token", "cls_token", "mask_token"};

static const char config_name[] = "tokenizer_config.json";

rmr_status rmr_convert_load(const char *directory, const char *name,
                            json_t **out, rmr_error *err)
{
    rmr_file_id id;
    rmr_status status = RMR_OK;
    *out = NULL;
    char *path = rmr_path_join(directory, name);
    if (!path)
        return rmr_fail_nomem(err, name);
    /* Whole numbers beyond 64 bits are common in these files. */
    if (rmr_file_identify(path, &id) &&
        !(status = rmr_json_load_file_reals(out, path, err)) &&
        !json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        status = rmr_fail(err, RMR_ERR_FORMAT, "%s must be an object", path);
    }
    rmr_free(path);
    return status;
}

rmr_status rmr_convert_refuse(const rmr_conversion *c, const char *field,
                              const char *problem, rmr_error *err)
{
    return rmr_fail(err, RMR_ERR_UNSUPPORTED, "%s/%s: \"%.*s\" %s",
                    c->directory, config_name, rmr_tokenizer_quoted(field),
                    field, problem);
}

rmr_status rmr_convert_flag(const rmr_conversion *c, const char *field,
                            int missing, int null, int *out, rmr_error *err)
{
    const json_t *value = json_object_get(c->options, field);
    *out = missing;
    if (!value)
        return RMR_OK;
    *out = json_is_null(value) ? null : json_is_true(value);
    if (!json_is_boolean(value) && (!json_is_null(value) || null < 0))
        return rmr_convert_refuse(c, field, "must be true or false", err);
    return RMR_OK;
}

/* ------------------------------------------------------------------- tokens */

/* A flag of a token: 0, 1, or `missing`. */
static rmr_status get_flag(const rmr_conversion *c, const char *field,
                           const json_t *token, const char *name, int missing,
                           int *out, rmr_error *err)
{
    const json_t *value = json_object_get(token, name);
    *out = missing;
    if (!value || json_is_null(value))
        return RMR_OK;
    if (!json_is_boolean(value))
        return rmr_convert_refuse(c, field, "has a flag that is no boolean",
                                  err);
    *out = json_is_true(value);
    return RMR_OK;
}

rmr_status rmr_convert_token(const rmr_conversion *c, const char *field,
                             const json_t *value, rmr_option_token *out,
                             rmr_error *err)
{
    const json_t *content = value;
    rmr_status status;
    *out = (rmr_option_token){.normalized = -1};
    if (json_is_object(value)) {
        content = json_object_get(value, "content");
        if ((status = get_flag(c, field, value, "single_word", 0,
                               &out->single_word, err)) ||
            (status =
                 get_flag(c, field, value, "lstrip", 0, &out->lstrip, err)) ||
            (status =
                 get_flag(c, field, value, "rstrip", 0, &out->rstrip, err)) ||
            (status = get_flag(c, field, value, "normalized", -1,
                               &out->normalized, err)) ||
            (status =
                 get_flag(c, field, value, "special", 0, &out->special, err)))
            return status;
    }
    out->is_string = content == value;
    out->content = json_string_value(content);
    out->len = json_string_length(content);
    if (!out->content || out->len > INT32_MAX)
        return rmr_convert_refuse(c, field, "must be a token", err);
    return RMR_OK;
}

/* Whether an option is an AddedToken: an object that says so. */
static int is_added_token(const json_t *value)
{
    const char *type = json_string_value(json_object_get(value, "__type"));
    return type && !strcmp(type, "AddedToken");
}

static int is_truthy(const json_t *value)
{
    return value && !json_is_null(value) && !json_is_false(value) &&
           !(json_is_string(value) && !json_string_length(value)) &&
           !(json_is_array(value) && !json_array_size(value)) &&
           !(json_is_object(value) && !json_object_size(value)) &&
           !(json_is_number(value) && json_number_value(value) == 0);
}

static int is_named(const char *key)
{
    for (int i = 0; i < RMR_NAMED_TOKENS; i++) {
        if (!strcmp(key, rmr_named_tokens[i]))
            return 1;
    }
    return 0;
}

static int ends_with_token(const char *key)
{
    size_t len = strlen(key);
    return len >= 6 && !strcmp(key + len - 6, "_token");
}

/* ------------------------------------------------- tokenizer_config.json */

/* What the reference would take for something else than an option of the
 * class, or do to the tokenizer after it was made. */
static const char *const refused[] = {
    "_json_padding",
    "_json_truncation",
    "_spm_precompiled_charsmap",
    "backend",
    "fast_tokenizer_files",
    "gguf_file",
    "merges",
    "model_specific_special_tokens",
    "post_processor",
    "tokenizer_object",
    "tokenizer_padding",
    "tokenizer_truncation",
    "unk_id",
    "vocab",
};

static rmr_status check_config(const rmr_conversion *c, rmr_error *err)
{
    static const char *const must_be_false[] = {"fix_mistral_regex",
                                                "split_special_tokens"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const json_t *value = json_object_get(c->options, refused[i]);
        if (value && !json_is_null(value))
            return rmr_convert_refuse(c, refused[i], "is not supported", err);
    }
    for (size_t i = 0; i < 2; i++) {
        if (is_truthy(json_object_get(c->options, must_be_false[i])))
            return rmr_convert_refuse(c, must_be_false[i],
                                      "is supported only as false", err);
    }
    if (is_truthy(json_object_get(c->options, "init_inputs")))
        return rmr_convert_refuse(c, "init_inputs", "is not supported", err);
    return RMR_OK;
}

static int move_option(json_t *options, const char *from, const char *to)
{
    json_t *value = json_object_get(options, from);
    return !json_object_set(options, to, value) &&
           !json_object_del(options, from);
}

/* Named tokens of the model's own, "image_token" and the like, into
 * c->own_named. */
static rmr_status take_own_named(rmr_conversion *c, rmr_error *err)
{
    const char *key;
    json_t *value;
    void *next;
    int failed = 0;
    json_object_foreach_safe(c->options, next, key, value)
    {
        if (is_named(key) || !ends_with_token(key) || !json_is_string(value))
            continue;
        failed |= json_object_set(c->own_named, key, value);
        failed |= json_object_del(c->options, key);
    }
    json_t *extra = json_object_get(c->options, "extra_special_tokens");
    if (!failed && json_is_object(extra)) {
        failed |= json_object_update(c->own_named, extra);
        failed |= json_object_del(c->options, "extra_special_tokens");
    }
    return failed ? rmr_fail_nomem(err, c->directory) : RMR_OK;
}

/* ---------------------------------------------------- added_tokens_decoder */

static rmr_status add_added(rmr_conversion *c, double index,
                            const rmr_option_token *token, rmr_error *err)
{
    rmr_added_option *grown = rmr_grow(c->added, &c->added_capacity,
                                       c->num_added + 1, sizeof *c->added);
    if (!grown)
        return rmr_fail_nomem(err, c->directory);
    c->added = grown;
    c->added[c->num_added++] = (rmr_added_option){index, *token};
    return RMR_OK;
}

static rmr_status take_decoder(rmr_conversion *c, const json_t *decoder,
                               rmr_error *err)
{
    static const char field[] = "added_tokens_decoder";
    const char *key;
    json_t *value;
    if (!json_is_object(decoder))
        return rmr_convert_refuse(c, field, "must be an object", err);
    json_object_foreach((json_t *)decoder, key, value)
    {
        rmr_option_token token;
        size_t digits = strspn(key, "0123456789");
        if (!digits || digits > 9 || key[digits] || (digits > 1 && *key == '0'))
            return rmr_convert_refuse(c, field, "has a key that is no id", err);
        if (!json_is_object(value))
            return rmr_convert_refuse(c, field, "must hold objects", err);
        rmr_status status = rmr_convert_token(c, field, value, &token, err);
        if (!status)
            status = add_added(c, atoi(key), &token, err);
        if (status)
            return status;
    }
    return RMR_OK;
}

/* ------------------------------------------------- special_tokens_map.json */

/* An AddedToken that tokenizer_config.json spells out is not made yet when the
 * reference looks at added_tokens.json; one of the map has this mark. */
static const char made_mark[] = "__made";

/* A token of the map as an AddedToken that is special. */
static json_t *special_token(const json_t *value)
{
    json_t *token = json_copy((json_t *)value);
    if (token &&
        (json_object_set_new(token, "__type", json_string("AddedToken")) ||
         json_object_set_new(token, "special", json_true()) ||
         json_object_set_new(token, made_mark, json_true()))) {
        json_decref(token);
        return NULL;
    }
    return token;
}

/* The map's extra special tokens go after those that are there. */
static json_t *merge_extra(const json_t *existing, const json_t *value)
{
    json_t *merged =
        json_is_array(existing) ? json_copy((json_t *)existing) : json_array();
    size_t i, k;
    json_t *token, *other;
    json_array_foreach(value, i, token)
    {
        int known = 0;
        json_array_foreach(merged, k, other)
        {
            known |= json_is_string(token) && json_equal(token, other);
        }
        if (!known && json_array_append_new(merged, json_is_object(token)
                                                        ? special_token(token)
                                                        : json_incref(token))) {
            json_decref(merged);
            return NULL;
        }
    }
    return merged;
}

static rmr_status take_map(rmr_conversion *c, const json_t *map, rmr_error *err)
{
    static const char extra_name[] = "extra_special_tokens";
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)map, key, value)
    {
        int is_extra = !strcmp(key, extra_name);
        json_t *made = json_is_object(value) && !is_extra ? special_token(value)
                                                          : json_incref(value);
        if (is_extra && json_is_array(value)) {
            json_decref(made);
            made = merge_extra(json_object_get(c->options, key), value);
        }
        if (json_object_set_new(c->options, key, made))
            return rmr_fail_nomem(err, c->directory);
    }
    json_t *extra = json_object_get(c->options, extra_name);
    if (json_is_object(extra) && (json_object_update(c->own_named, extra) ||
                                  json_object_del(c->options, extra_name)))
        return rmr_fail_nomem(err, c->directory);
    return RMR_OK;
}

/* -------------------------------------------------------- added_tokens.json */

static int is_content(const json_t *value, const char *text)
{
    if (json_object_get(value, made_mark))
        value = json_object_get(value, "content");
    return json_is_string(value) && !strcmp(json_string_value(value), text);
}

static int is_special(const rmr_conversion *c, const char *text)
{
    size_t i;
    json_t *token;
    for (int n = 0; n < RMR_NAMED_TOKENS; n++) {
        if (is_content(json_object_get(c->options, rmr_named_tokens[n]), text))
            return 1;
    }
    json_array_foreach(json_object_get(c->options, "extra_special_tokens"), i,
                       token)
    {
        if (is_content(token, text))
            return 1;
    }
    return 0;
}

static rmr_status take_added(rmr_conversion *c, json_t *added, rmr_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(added, key, value)
    {
        double index = json_number_value(value);
        int special = is_special(c, key);
        rmr_option_token token = {.content = key,
                                  .len = strlen(key),
                                  .normalized = !special,
                                  .special = special};
        if (!json_is_number(value) || index < 0 ||
            index >= RMR_TOKENIZER_MAX_ID || index != (double)(int)index)
            return rmr_fail(err, RMR_ERR_FORMAT,
                            "%s/added_tokens.json must hold ids from 0 to "
                            "16777215",
                            c->directory);
        rmr_status status = add_added(c, index, &token, err);
        if (status)
            return status;
    }
    return RMR_OK;
}

/* --------------------------------------------------------------- all of them
 */

/* What files say that were written before there was added_tokens_decoder. */
static rmr_status take_old_files(rmr_conversion *c, rmr_error *err)
{
    json_t *map;
    rmr_status status =
        rmr_convert_load(c->directory, "special_tokens_map.json", &map, err);
    if (!status && map)
        status = take_map(c, map, err);
    json_decref(map);
    if (!status)
        status = rmr_convert_load(c->directory, "added_tokens.json",
                                  &c->added_file, err);
    if (!status && c->added_file)
        status = take_added(c, c->added_file, err);
    return status;
}

rmr_status rmr_convert_options(rmr_conversion *c, const json_t *config,
                               rmr_error *err)
{
    c->options = config ? json_copy((json_t *)config) : json_object();
    c->own_named = json_object();
    if (!c->options || !c->own_named)
        return rmr_fail_nomem(err, c->directory);
    rmr_status status = check_config(c, err);
    if (status)
        return status;
    if (json_object_get(c->options, "additional_special_tokens") &&
        !is_truthy(json_object_get(c->options, "extra_special_tokens")) &&
        !move_option(c->options, "additional_special_tokens",
                     "extra_special_tokens"))
        return rmr_fail_nomem(err, c->directory);
    if ((status = take_own_named(c, err)))
        return status;
    const json_t *decoder = json_object_get(c->options, "added_tokens_decoder");
    status = decoder ? take_decoder(c, decoder, err) : take_old_files(c, err);
    return status ? status : check_config(c, err);
}

/* ------------------------------------------------------------- named tokens */

/* A token of added_tokens_decoder takes the place of a named one. */
static void take_place(const rmr_conversion *c, rmr_option_token *token)
{
    for (size_t i = c->num_added; i--;) {
        const rmr_option_token *added = &c->added[i].token;
        if (added->len == token->len &&
            !memcmp(added->content, token->content, token->len)) {
            *token = *added;
            return;
        }
    }
}

static rmr_status read_named(rmr_conversion *c, int name, rmr_error *err)
{
    rmr_option_token *out = &c->named[name];
    const char *field = rmr_named_tokens[name];
    const json_t *option = json_object_get(c->options, field);
    const char *usual = c->class->tokens[name];
    *out = (rmr_option_token){.normalized = -1};
    if (!option && usual) {
        out->content = usual;
        out->len = strlen(usual);
        out->is_string = 1;
    }
    if (option && !json_is_null(option)) {
        if (json_is_object(option) && !is_added_token(option))
            return rmr_convert_refuse(c, field, "must be a token", err);
        rmr_status status = rmr_convert_token(c, field, option, out, err);
        if (status)
            return status;
        take_place(c, out);
    }
    return RMR_OK;
}

rmr_status rmr_convert_named(rmr_conversion *c, rmr_error *err)
{
    unsigned char wraps = c->class->special;
    for (int i = 0; i < RMR_NAMED_TOKENS; i++) {
        rmr_option_token *token = &c->named[i];
        rmr_status status = read_named(c, i, err);
        if (status)
            return status;
        if (!token->content || !token->is_string)
            continue;
        if (i == RMR_MASK && wraps & (RMR_WRAP_MASK | RMR_WRAP_MASK_SPECIAL)) {
            token->is_string = 0;
            token->lstrip = 1;
            token->special = (wraps & RMR_WRAP_MASK_SPECIAL) != 0;
        } else if (i != RMR_MASK && wraps & RMR_WRAP_ALL) {
            token->is_string = 0;
        }
    }
    return RMR_OK;
}
