/*
 * prompts.c - reads prompts and finds them by name. It must never choose one
 * that was not asked for, nor leave out one that was.
 */
#include "common/model/prompts.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/file.h"
#include "common/base/json.h"

static const char *const always[] = {"query", "document"};

enum { NUM_ALWAYS = sizeof always / sizeof *always, KNOWN_CHARS = 320 };

static rmr_prompt *find(const rmr_prompts *prompts, const char *name)
{
    for (size_t i = 0; i < prompts->count; i++) {
        if (strcmp(prompts->items[i].name, name) == 0)
            return &prompts->items[i];
    }
    return NULL;
}

/* Adds a prompt, or gives another text to the one of that name; there is room
 * for it. */
static rmr_status put(rmr_prompts *prompts, const char *name, const char *text,
                      size_t len, rmr_error *err)
{
    rmr_prompt *at = find(prompts, name);
    if (!at) {
        at = &prompts->items[prompts->count];
        at->name = rmr_strndup(name, strlen(name));
        if (!at->name)
            return rmr_fail_nomem(err, "prompts");
        prompts->count++;
    }
    rmr_free(at->text);
    at->text = rmr_strndup(text, len);
    at->len = len;
    return at->text ? RMR_OK : rmr_fail_nomem(err, "prompts");
}

static rmr_status reserve(rmr_prompts *prompts, size_t count, rmr_error *err)
{
    prompts->items = rmr_calloc(count + NUM_ALWAYS, sizeof *prompts->items);
    if (!prompts->items)
        return rmr_fail_nomem(err, "prompts");
    rmr_status status = RMR_OK;
    for (size_t i = 0; i < NUM_ALWAYS && !status; i++)
        status = put(prompts, always[i], "", 0, err);
    return status;
}

static rmr_status read_default(rmr_prompts *prompts, rmr_json_source source,
                               rmr_error *err)
{
    const char *name;
    rmr_status status =
        rmr_json_get_string(source, "default_prompt_name", "", &name, err);
    if (status || !*name)
        return status;
    prompts->chosen = find(prompts, name);
    if (prompts->chosen)
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_FORMAT,
                    "%s: \"default_prompt_name\" \"%.64s\" is not one of "
                    "\"prompts\"",
                    source.name, name);
}

static rmr_status read_all(rmr_prompts *prompts, rmr_json_source source,
                           rmr_error *err)
{
    json_t *named = json_object_get(source.object, "prompts"), *text;
    const char *name;
    if (named && !json_is_object(named) && !json_is_null(named))
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"prompts\" must be an object", source.name);
    rmr_status status = reserve(prompts, json_object_size(named), err);
    json_object_foreach(named, name, text)
    {
        if (status)
            return status;
        if (!json_is_string(text) && !json_is_null(text))
            return rmr_fail(err, RMR_ERR_FORMAT,
                            "%s: the prompt \"%.64s\" must be a string",
                            source.name, name);
        status = put(prompts, name,
                     json_is_null(text) ? "" : json_string_value(text),
                     json_string_length(text), err);
    }
    return status ? status : read_default(prompts, source, err);
}

static rmr_status read_file(rmr_prompts *prompts, const char *path,
                            rmr_error *err)
{
    json_t *root;
    if (access(path, F_OK))
        return reserve(prompts, 0, err);
    rmr_status status = rmr_json_load_file(&root, path, err);
    if (status)
        return status;
    status =
        json_is_object(root)
            ? read_all(prompts, (rmr_json_source){root, path}, err)
            : rmr_fail(err, RMR_ERR_FORMAT, "%s must be a JSON object", path);
    json_decref(root);
    return status;
}

rmr_status rmr_prompts_read(rmr_prompts *prompts, const char *directory,
                            rmr_error *err)
{
    *prompts = (rmr_prompts){0};
    if (!directory)
        return reserve(prompts, 0, err);
    char *path = rmr_path_join(directory, "config_sentence_transformers.json");
    if (!path)
        return rmr_fail_nomem(err, "prompts");
    rmr_status status = read_file(prompts, path, err);
    rmr_free(path);
    return status;
}

void rmr_prompts_free(rmr_prompts *prompts)
{
    for (size_t i = 0; i < prompts->count; i++) {
        rmr_free(prompts->items[i].name);
        rmr_free(prompts->items[i].text);
    }
    rmr_free(prompts->items);
    *prompts = (rmr_prompts){0};
}

const rmr_prompt *rmr_prompts_find(const rmr_prompts *prompts, const char *name,
                                   rmr_error *err)
{
    char known[KNOWN_CHARS] = "";
    size_t len = 0;
    const rmr_prompt *found = find(prompts, name);
    if (found)
        return found;
    for (size_t i = 0; i < prompts->count && len < sizeof known; i++)
        len += (size_t)snprintf(known + len, sizeof known - len, "%s%s",
                                i ? ", " : "", prompts->items[i].name);
    rmr_fail(err, RMR_ERR_RANGE, "the model has no prompt \"%.64s\"; it has %s",
             name, known);
    return NULL;
}
