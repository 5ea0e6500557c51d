/*
 * answer_config.c - reads modules.json and what it names, where a decoder
 * reranks. It must never let a question pass for Qwen3-Reranker's that is put
 * in other words.
 */
#include "common/model/answer_config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/file.h"
#include "common/base/json.h"
#include "common/model/answer.h"
#include "common/model/answer_template.h"
#include "common/model/config.h"

/* Loads directory/name; *root is NULL where there is none. */
static rmr_status load(json_t **root, char **path, const char *directory,
                       const char *name, rmr_error *err)
{
    *root = NULL;
    *path = rmr_path_join(directory, name);
    if (!*path)
        return rmr_fail_nomem(err, name);
    if (access(*path, F_OK))
        return RMR_OK;
    /* Numbers of tokenizer_config.json can be beyond 64 bits. */
    return strcmp(name, "tokenizer_config.json") == 0
               ? rmr_json_load_file_reals(root, *path, err)
               : rmr_json_load_file(root, *path, err);
}

/* ----------------------------------------------------------------- template
 */

/* All that makes the template, in its order; the engine that fills it in drops
 * one line feed at the end. */
static int is_template(const char *text)
{
    static const char *const parts[] = {
        "default(\"" RMR_ANSWER_INSTRUCTION "\")",
        RMR_ANSWER_BEFORE RMR_ANSWER_INSTRUCT "{{ ",
        " }}" RMR_ANSWER_QUERY "{{ ",
        " }}" RMR_ANSWER_DOCUMENT "{{ ",
        " }}" RMR_ANSWER_AFTER "\n",
    };
    for (size_t i = 0; text && i < sizeof parts / sizeof *parts; i++) {
        text = strstr(text, parts[i]);
        text = text ? text + strlen(parts[i]) : NULL;
    }
    return text && !*text;
}

static rmr_status refuse_template(const char *path, rmr_error *err)
{
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s: the chat template is not Qwen3-Reranker's; no other "
                    "one is supported for reranking",
                    path);
}

static rmr_status check_file(const char *path, rmr_error *err)
{
    rmr_file file;
    rmr_status status = rmr_file_map(&file, path, err);
    if (status)
        return status;
    char *text = rmr_strndup(file.data ? file.data : "", file.size);
    if (!text)
        status = rmr_fail_nomem(err, path);
    else if (strlen(text) != file.size || !is_template(text))
        status = refuse_template(path, err);
    rmr_file_unmap(&file);
    rmr_free(text);
    return status;
}

/* That of tokenizer_config.json, where there is no file of its own. */
static rmr_status check_template(const char *directory, rmr_error *err)
{
    json_t *root;
    char *path = rmr_path_join(directory, "chat_template.jinja");
    if (!path)
        return rmr_fail_nomem(err, "chat_template.jinja");
    int is_there = access(path, F_OK) == 0;
    rmr_status status = is_there ? check_file(path, err) : RMR_OK;
    rmr_free(path);
    if (is_there)
        return status;
    status = load(&root, &path, directory, "tokenizer_config.json", err);
    if (!status) {
        const json_t *value = json_object_get(root, "chat_template");
        const char *text = json_string_value(value);
        if (!is_template(text) || strlen(text) != json_string_length(value))
            status = refuse_template(path, err);
    }
    json_decref(root);
    rmr_free(path);
    return status;
}

/* ------------------------------------------------------------------ options
 */

static rmr_status check_modality(rmr_json_source source, int is_asked,
                                 rmr_error *err)
{
    const json_t *modalities =
        json_object_get(source.object, "modality_config");
    int has = json_object_get(modalities, "message") != NULL;
    if (!json_is_object(modalities) || has == is_asked)
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s: \"modality_config\" %s \"message\": %s", source.name,
                    has ? "has" : "has no",
                    has ? "a classifier by a chat template is not supported"
                        : "a decoder that reranks is asked by a chat template");
}

static rmr_status check_options(rmr_json_source source, int is_asked,
                                rmr_error *err)
{
    static const char *const fields[] = {
        "model_args",    "model_kwargs",     "tokenizer_args",
        "config_args",   "processor_kwargs", "processing_kwargs",
        "config_kwargs",
    };
    const char *only = is_asked ? "text-generation" : "sequence-classification";
    const char *task;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (json_object_size(json_object_get(source.object, fields[i])))
            return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                            "%s: \"%s\" is not supported; remove it",
                            source.name, fields[i]);
    }
    rmr_status status =
        rmr_json_get_string(source, "transformer_task", only, &task, err);
    if (!status && strcmp(task, only) != 0)
        status = rmr_fail(err, RMR_ERR_UNSUPPORTED,
                          "%s: \"transformer_task\" \"%s\" is not supported; "
                          "\"%s\" is",
                          source.name, task, only);
    return status ? status : check_modality(source, is_asked, err);
}

rmr_status rmr_answer_check_options(const char *directory, int is_asked,
                                    rmr_error *err)
{
    json_t *root;
    char *path = rmr_path_join(directory, "modules.json");
    if (!path)
        return rmr_fail_nomem(err, "modules.json");
    int has_modules = access(path, F_OK) == 0;
    rmr_free(path);
    if (!has_modules)
        return RMR_OK;
    rmr_status status =
        load(&root, &path, directory, "sentence_bert_config.json", err);
    if (!status && root)
        status = check_options((rmr_json_source){root, path}, is_asked, err);
    json_decref(root);
    rmr_free(path);
    return status;
}

/* ------------------------------------------------------------------ modules
 */

static rmr_status check_token(rmr_json_source source, const char *field,
                              const char *word, uint32_t expected,
                              rmr_error *err)
{
    int64_t id;
    rmr_status status =
        rmr_json_get_int(source, field, 0, UINT32_MAX, -1, &id, err);
    if (status || id == expected)
        return status;
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s: \"%s\" must be %u, the token \"%s\"; no other answers "
                    "are supported",
                    source.name, field, expected, word);
}

static rmr_status check_score(const char *directory, const char *folder,
                              uint32_t yes, uint32_t no, rmr_error *err)
{
    json_t *root;
    const char *input;
    char *path, *inside = rmr_path_join(directory, folder);
    if (!inside)
        return rmr_fail_nomem(err, folder);
    rmr_status status = load(&root, &path, inside, "config.json", err);
    rmr_json_source source = {root, path};
    if (!status)
        status = check_token(source, "true_token_id", "yes", yes, err);
    if (!status)
        status = check_token(source, "false_token_id", "no", no, err);
    if (!status)
        status = rmr_json_get_string(source, "module_input_name",
                                     "causal_logits", &input, err);
    if (!status && strcmp(input, "causal_logits") != 0)
        status =
            rmr_fail(err, RMR_ERR_UNSUPPORTED,
                     "%s: \"module_input_name\" must be causal_logits", path);
    json_decref(root);
    rmr_free(path);
    rmr_free(inside);
    return status;
}

/* The folder of LogitScore, borrowed. */
static rmr_status read_modules(rmr_json_source source, const char **folder,
                               rmr_error *err)
{
    static const char *const names[] = {"Transformer", "LogitScore"};
    size_t count = json_array_size(source.object);
    for (size_t i = 0; i < 2 || i < count; i++) {
        rmr_json_source entry = {json_array_get(source.object, i), source.name};
        const char *type = "";
        rmr_status status =
            entry.object ? rmr_json_get_string(entry, "type", NULL, &type, err)
                         : RMR_OK;
        if (!status && (i > 1 || !rmr_module_is(type, names[i])))
            status = rmr_fail(err, RMR_ERR_UNSUPPORTED,
                              "%s: a decoder reranks with the modules "
                              "Transformer and LogitScore, and module %zu is "
                              "\"%s\"",
                              source.name, i, type);
        if (!status)
            status = rmr_json_get_string(entry, "path", "", folder, err);
        if (status)
            return status;
    }
    if (rmr_path_is_inside(*folder))
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_FORMAT,
                    "%s: the \"path\" of module 1 must be a folder in the "
                    "model's directory",
                    source.name);
}

rmr_status rmr_answer_check_modules(const char *directory, uint32_t yes,
                                    uint32_t no, int *has_modules,
                                    rmr_error *err)
{
    json_t *root;
    char *path;
    const char *folder;
    rmr_status status = load(&root, &path, directory, "modules.json", err);
    *has_modules = root != NULL;
    if (!status && root)
        status = read_modules((rmr_json_source){root, path}, &folder, err);
    if (!status && root)
        status = check_score(directory, folder, yes, no, err);
    if (!status && root)
        status = rmr_answer_check_options(directory, 1, err);
    if (!status && root)
        status = check_template(directory, err);
    json_decref(root);
    rmr_free(path);
    return status;
}

rmr_status rmr_answer_find(int *found, const char *directory, rmr_error *err)
{
    json_t *root;
    char *path;
    rmr_status status = load(&root, &path, directory, "modules.json", err);
    const char *type =
        json_string_value(json_object_get(json_array_get(root, 1), "type"));
    *found = type && rmr_module_is(type, "LogitScore");
    json_decref(root);
    rmr_free(path);
    return status;
}
