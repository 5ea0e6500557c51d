/*
 * adapter_config.c - reads adapter_config.json. It must never pass over a field
 * that could change what an adapter computes.
 */
#include "common/model/adapter_config.h"

#include <math.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/file.h"

/* Read below, or of training alone, or of where layers are looked for, which
 * the tensors say themselves. */
static const char *const known[] = {
    "alpha_pattern",
    "auto_mapping",
    "base_model_name_or_path",
    "bias",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "inference_mode",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_alpha",
    "lora_dropout",
    "lora_ga_config",
    "megatron_core",
    "modules_to_save",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "rank_pattern",
    "revision",
    "target_modules",
    "task_type",
    "use_rslora",
};

static int is_known(const char *field)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(field, known[i]) == 0)
            return 1;
    }
    return 0;
}

/* Nothing is asked for. */
static int is_off(const json_t *value)
{
    return json_is_null(value) || json_is_false(value) ||
           (json_is_array(value) && !json_array_size(value)) ||
           (json_is_object(value) && !json_object_size(value));
}

static rmr_status check_others(rmr_json_source source, rmr_error *err)
{
    const char *field;
    json_t *value;
    json_object_foreach((json_t *)source.object, field, value)
    {
        if (!is_known(field) && !is_off(value))
            return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                            "%s: \"%s\" is not supported", source.name, field);
    }
    return RMR_OK;
}

static rmr_status check_string(rmr_json_source source, const char *field,
                               const char *fallback, const char *wanted,
                               rmr_error *err)
{
    const char *value;
    rmr_status status =
        rmr_json_get_string(source, field, fallback, &value, err);
    if (status || strcmp(value, wanted) == 0)
        return status;
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s: \"%s\" \"%s\" is not supported, only \"%s\"",
                    source.name, field, value, wanted);
}

/* Some ways to begin change the weights that the adapter is of, too. */
static rmr_status check_beginning(rmr_json_source source, rmr_error *err)
{
    static const char *const plain[] = {"gaussian", "eva", "orthogonal"};
    const json_t *value = json_object_get(source.object, "init_lora_weights");
    const char *text = json_string_value(value);
    if (!value || json_is_null(value) || json_is_boolean(value))
        return RMR_OK;
    for (size_t i = 0; i < sizeof plain / sizeof *plain && text; i++) {
        if (strcmp(text, plain[i]) == 0)
            return RMR_OK;
    }
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s: \"init_lora_weights\" \"%s\" is not supported: save "
                    "the adapter with path_initial_model_for_weight_conversion",
                    source.name, text ? text : "");
}

/* ----------------------------------------------------------------- patterns
 *
 * An object of numbers by regular expressions, which match a module as
 * re.match("(.*\.)?(KEY)$") does. Those are taken that a module's name or its
 * end can be, with "^" in front where it must be the whole. */

static int is_simple(const char *key)
{
    key += *key == '^';
    return *key && !key[strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
                                    "abcdefghijklmnopqrstuvwxyz0123456789.")];
}

/* "." is any character. */
static int matches(const char *key, const char *module, size_t len)
{
    int whole = *key == '^';
    key += whole;
    size_t size = strlen(key), before = len - size;
    if (size > len || (before && (whole || module[before - 1] != '.')))
        return 0;
    for (size_t i = 0; i < size; i++) {
        if (key[i] != '.' && key[i] != module[before + i])
            return 0;
    }
    return 1;
}

/* What the first key that matches says, or NULL. */
static const json_t *look_up(const json_t *pattern, const char *module,
                             size_t len)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)pattern, key, value)
    {
        if (matches(key, module, len))
            return value;
    }
    return NULL;
}

static rmr_status check_rank(const json_t *value, rmr_json_source source,
                             const char *field, const char *key, rmr_error *err)
{
    json_int_t rank = json_integer_value(value);
    if (json_is_integer(value) && rank >= 1 && rank <= RMR_MAX_ADAPTER_RANK)
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_RANGE,
                    "%s: \"%s\": \"%s\" must be a whole number from 1 to %d",
                    source.name, field, key, RMR_MAX_ADAPTER_RANK);
}

static rmr_status read_pattern(const json_t **pattern, rmr_json_source source,
                               const char *field, rmr_error *err)
{
    const char *key;
    json_t *value, *found = json_object_get(source.object, field);
    *pattern = NULL;
    if (!found || json_is_null(found))
        return RMR_OK;
    if (!json_is_object(found))
        return rmr_fail(err, RMR_ERR_FORMAT, "%s: \"%s\" must be an object",
                        source.name, field);
    *pattern = found;
    json_object_foreach(found, key, value)
    {
        if (!is_simple(key))
            return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                            "%s: \"%s\": the regular expression \"%s\" is not "
                            "supported, only the end of a module's name",
                            source.name, field, key);
        if (strcmp(field, "rank_pattern") == 0) {
            rmr_status status = check_rank(value, source, field, key, err);
            if (status)
                return status;
        } else if (!json_is_number(value)) {
            return rmr_fail(err, RMR_ERR_FORMAT,
                            "%s: \"%s\": \"%s\" must be a number", source.name,
                            field, key);
        }
    }
    return RMR_OK;
}

/* ------------------------------------------------------------------- reading
 */

/* What is missing is as PEFT has it. */
static rmr_status read_numbers(rmr_adapter_config *config,
                               rmr_json_source source, rmr_error *err)
{
    int64_t rank = 8;
    rmr_status status =
        rmr_json_get_int(source, "r", 1, RMR_MAX_ADAPTER_RANK, 8, &rank, err);
    config->rank = (uint32_t)rank;
    if (!status)
        status =
            rmr_json_get_number(source, "lora_alpha", 8, &config->alpha, err);
    if (!status)
        status = rmr_json_get_bool(source, "use_rslora", 0, &config->use_rslora,
                                   err);
    if (!status)
        status =
            read_pattern(&config->rank_pattern, source, "rank_pattern", err);
    if (!status)
        status =
            read_pattern(&config->alpha_pattern, source, "alpha_pattern", err);
    return status;
}

static rmr_status read(rmr_adapter_config *config, rmr_json_source source,
                       rmr_error *err)
{
    if (!json_is_object(source.object))
        return rmr_fail(err, RMR_ERR_FORMAT, "%s must be an object",
                        source.name);
    rmr_status status = check_string(source, "peft_type", NULL, "LORA", err);
    if (!status)
        status = check_others(source, err);
    if (!status)
        status = check_string(source, "bias", "none", "none", err);
    if (!status)
        status = check_beginning(source, err);
    if (!status)
        status = read_numbers(config, source, err);
    return status;
}

rmr_status rmr_adapter_config_read(rmr_adapter_config *config,
                                   const char *directory, rmr_error *err)
{
    *config = (rmr_adapter_config){0};
    char *path = rmr_path_join(directory, "adapter_config.json");
    if (!path)
        return rmr_fail_nomem(err, "adapter_config.json");
    rmr_status status = rmr_json_load_file(&config->root, path, err);
    if (!status)
        status = read(config, (rmr_json_source){config->root, path}, err);
    if (status)
        rmr_adapter_config_free(config);
    rmr_free(path);
    return status;
}

void rmr_adapter_config_free(rmr_adapter_config *config)
{
    json_decref(config->root);
    *config = (rmr_adapter_config){0};
}

void rmr_adapter_config_find(const rmr_adapter_config *config,
                             const char *module, size_t len, uint32_t *rank,
                             double *scale)
{
    const json_t *own_rank = look_up(config->rank_pattern, module, len);
    const json_t *own_alpha = look_up(config->alpha_pattern, module, len);
    double alpha = own_alpha ? json_number_value(own_alpha) : config->alpha;
    *rank = own_rank ? (uint32_t)json_integer_value(own_rank) : config->rank;
    *scale = alpha / (config->use_rslora ? sqrt(*rank) : (double)*rank);
}
