/*
 * convert.c - opens the tokenizer of a model directory. Where there is no
 * tokenizer.json it finds the class that the reference would take and the
 * files that it would read, and has them converted. It must never take a
 * class or a file that the reference would not.
 */
#include "tokenizer/convert/convert.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

/* The reference's names for classes and model types. */
typedef struct class_name {
    const char *name;
    const char *class;
} class_name;

typedef struct model_type {
    const char *name;
    const char *class; /* "" when it has none */
    int forced;        /* whatever tokenizer_class says */
} model_type;

#include "tokenizer/convert/convert_classes.inc"

static const model_type *find_type(const char *name)
{
    for (size_t i = 0; i < sizeof model_types / sizeof *model_types; i++) {
        if (!strcmp(model_types[i].name, name))
            return &model_types[i];
    }
    return NULL;
}

static const char *canonical(const char *name)
{
    for (size_t i = 0; i < sizeof class_names / sizeof *class_names; i++) {
        if (!strcmp(class_names[i].name, name))
            return class_names[i].class;
    }
    return NULL;
}

static const rmr_convert_class *find_class(const char *name)
{
    typedef const rmr_convert_class *family(size_t index);
    static family *const families[] = {rmr_wordpiece_class, rmr_bpe_class,
                                       rmr_sentencepiece_class};
    const rmr_convert_class *class;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        for (size_t i = 0; (class = families[f](i)); i++) {
            if (!strcmp(class->name, name))
                return class;
        }
    }
    return NULL;
}

/* -------------------------------------------------------------- which class
 */

/* A string, or NULL when the field is missing or null. */
static rmr_status get_name(const rmr_conversion *c, const json_t *object,
                           const char *file, const char *field,
                           const char **out, rmr_error *err)
{
    const json_t *value = json_object_get(object, field);
    *out = json_string_value(value);
    if (value && !*out && !json_is_null(value))
        return rmr_fail(err, RMR_ERR_FORMAT, "%s/%s: \"%s\" must be a string",
                        c->directory, file, field);
    return RMR_OK;
}

/* Same but for "Fast" at the end. */
static int same_class(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len >= 4 && !strcmp(a + a_len - 4, "Fast"))
        a_len -= 4;
    if (b_len >= 4 && !strcmp(b + b_len - 4, "Fast"))
        b_len -= 4;
    return a_len == b_len && !memcmp(a, b, a_len);
}

/* The name of the class: what tokenizer_class says, unless the reference knows
 * better for the type of the model. */
static const char *choose_name(const char *said, const model_type *type,
                               int forced)
{
    const char *mapped = type && *type->class ? type->class : NULL;
    if (!said)
        return mapped ? mapped : type ? "TokenizersBackend" : NULL;
    if (!mapped || same_class(mapped, said))
        return said;
    return forced || !strcmp(mapped, "TokenizersBackend") ? mapped : said;
}

static rmr_status choose_class(rmr_conversion *c, const json_t *tokenizer,
                               const json_t *model, rmr_error *err)
{
    static const char tokenizer_file[] = "tokenizer_config.json";
    const char *said, *of_model, *type_name, *model_name;
    const json_t *code = json_object_get(tokenizer, "auto_map");
    rmr_status status;
    if ((status = get_name(c, tokenizer, tokenizer_file, "tokenizer_class",
                           &said, err)) ||
        (status = get_name(c, model, "config.json", "tokenizer_class",
                           &of_model, err)) ||
        (status = get_name(c, model, "config.json", "model_type", &type_name,
                           err)) ||
        (status =
             get_name(c, model, "config.json", "model_name", &model_name, err)))
        return status;
    if (json_is_array(code) || json_object_get(code, "AutoTokenizer"))
        return rmr_convert_refuse(c, "auto_map",
                                  "names code of the model's own, which is "
                                  "not run",
                                  err);
    const model_type *type = type_name ? find_type(type_name) : NULL;
    const model_type *by_name = model_name ? find_type(model_name) : NULL;
    const char *name =
        choose_name(said ? said : of_model, type,
                    (type && type->forced) || (by_name && by_name->forced));
    if (!name)
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s has no tokenizer.json, and neither "
                        "tokenizer_config.json nor config.json says by a known "
                        "\"tokenizer_class\" or \"model_type\" what else to "
                        "read",
                        c->directory);
    const char *known = canonical(name);
    c->class = known ? find_class(known) : NULL;
    if (!c->class)
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s has no tokenizer.json, and files of the class "
                        "\"%.*s\" are not supported",
                        c->directory, rmr_tokenizer_quoted(name), name);
    return RMR_OK;
}

/* -------------------------------------------------------------- which files
 */

/* What the names in a directory tell. */
typedef struct listing {
    int json;  /* one holds "tokenizer.json" */
    int model; /* one is "tokenizer.model" */
    int other; /* one holds another name that the reference looks for */
} listing;

static void look_at(listing *found, const char *name)
{
    static const char *const others[] = {"tekken.json", "tiktoken.model",
                                         "tokenizer.model"};
    found->json |= strstr(name, "tokenizer.json") != NULL;
    if (!strcmp(name, "tokenizer.model")) {
        found->model = 1;
        return;
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        found->other |= strstr(name, others[i]) != NULL;
}

static rmr_status list(const rmr_conversion *c, listing *found, rmr_error *err)
{
    struct dirent *entry;
    DIR *directory = opendir(c->directory);
    if (!directory)
        return rmr_fail(err, RMR_ERR_IO, "%s: %s", c->directory,
                        strerror(errno));
    while ((entry = readdir(directory)))
        look_at(found, entry->d_name);
    closedir(directory);
    return RMR_OK;
}

/* A tokenizer.model goes before the class's own file. */
static rmr_status choose_file(const rmr_conversion *c, const char **name,
                              rmr_error *err)
{
    listing found = {0};
    rmr_status status = list(c, &found, err);
    if (status)
        return status;
    *name = c->class->file;
    if (found.json)
        return RMR_OK;
    if (found.other)
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s has files of other tokenizers (tekken.json, "
                        "tiktoken.model, or one named like tokenizer.model), "
                        "which are not supported",
                        c->directory);
    if (!found.model)
        return RMR_OK;
    if (!c->class->add_extra)
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s/tokenizer.model is not supported for the class %s",
                        c->directory, c->class->name);
    *name = "tokenizer.model";
    return RMR_OK;
}

static rmr_status map(const rmr_conversion *c, const char *name, char **path,
                      rmr_file *file, rmr_error *err)
{
    rmr_file_id id;
    *path = rmr_path_join(c->directory, name);
    if (!*path)
        return rmr_fail_nomem(err, c->directory);
    if (!rmr_file_identify(*path, &id))
        return rmr_fail(err, RMR_ERR_IO,
                        "%s has neither tokenizer.json nor %s, which the class "
                        "%s reads",
                        c->directory, name, c->class->name);
    rmr_status status = rmr_file_map(file, *path, err);
    if (!status && !file->size)
        status = rmr_fail(err, RMR_ERR_FORMAT, "%s is empty", *path);
    return status;
}

static rmr_status map_files(rmr_conversion *c, rmr_error *err)
{
    const char *name;
    rmr_status status = choose_file(c, &name, err);
    if (!status)
        status =
            map(c, name ? name : "tokenizer.model", &c->path, &c->file, err);
    if (!status && c->class->merges_file)
        status = map(c, c->class->merges_file, &c->merges_path, &c->merges_file,
                     err);
    return status;
}

/* ---------------------------------------------------------------- the result
 */

/* Scores that are given besides need not be exact. */
static void put_scores(rmr_conversion *c)
{
    int written = c->class->special & RMR_WRITTEN_SCORES;
    rmr_json_put(&c->text, "[");
    for (size_t i = 0; i < c->pieces.count && !c->text.failed; i++) {
        const rmr_convert_piece *piece = &c->pieces.at[i];
        rmr_json_put(&c->text, i ? ",[" : "[");
        rmr_json_put_string(&c->text, piece->bytes, piece->len);
        rmr_json_put(&c->text, ",");
        if (written)
            rmr_json_put_double(&c->text, piece->score);
        else
            rmr_json_put_float(&c->text, piece->score);
        rmr_json_put(&c->text, "]");
    }
    rmr_json_put(&c->text, "]");
}

/* A string is there once, with the id of its last piece. */
static void put_ids(rmr_conversion *c)
{
    const char *comma = "";
    rmr_json_put(&c->text, "{");
    for (size_t i = 0; i < c->pieces.count && !c->text.failed; i++) {
        const rmr_convert_piece *piece = &c->pieces.at[i];
        if (c->pieces.distinct < c->pieces.count &&
            rmr_convert_pieces_find(&c->pieces, piece->bytes, piece->len) !=
                piece)
            continue;
        rmr_json_put(&c->text, comma);
        rmr_json_put_string(&c->text, piece->bytes, piece->len);
        rmr_json_put(&c->text, ":");
        rmr_json_put_integer(&c->text, piece->id);
        comma = ",";
    }
    rmr_json_put(&c->text, "}");
}

static rmr_status write_model(rmr_conversion *c, rmr_error *err)
{
    int is_spm = c->class->add_extra != NULL;
    rmr_json_put(&c->text, "\"model\":{");
    rmr_status status = c->class->write_model(c, err);
    rmr_json_put(&c->text, "\"vocab\":");
    if (is_spm && !c->is_bpe)
        put_scores(c);
    else
        put_ids(c);
    if (is_spm ? c->is_bpe : c->class->merges_file != NULL) {
        rmr_json_put(&c->text, ",\"merges\":[");
        if (c->merges.failed)
            c->text.failed = c->merges.failed;
        else
            rmr_json_put_bytes(&c->text, c->merges.bytes, c->merges.len);
        rmr_json_put(&c->text, "]");
    }
    rmr_json_put(&c->text, "}}");
    return status;
}

static rmr_status check_text(const rmr_conversion *c, rmr_error *err)
{
    if (c->text.failed == RMR_ERR_NOMEM)
        return rmr_fail_nomem(err, c->path);
    return c->text.failed
               ? rmr_fail(err, RMR_ERR_RANGE,
                          "%s makes a tokenizer of over 512 MiB", c->path)
               : RMR_OK;
}

/* For rmr_tokenizer_open_text; NULL when the model has no scores. */
static rmr_status copy_scores(const rmr_conversion *c, float **out,
                              rmr_error *err)
{
    *out = NULL;
    if (!c->class->add_extra || c->is_bpe ||
        c->class->special & RMR_WRITTEN_SCORES)
        return RMR_OK;
    *out = rmr_malloc_array(c->pieces.count, sizeof **out);
    if (!*out)
        return rmr_fail_nomem(err, c->path);
    for (size_t i = 0; i < c->pieces.count; i++)
        (*out)[i] = c->pieces.at[i].score;
    return RMR_OK;
}

static rmr_status write_text(rmr_conversion *c, rmr_error *err)
{
    rmr_status status;
    rmr_json_put(&c->text, "{\"version\":\"1.0\",\"truncation\":null,"
                           "\"padding\":null,");
    if ((status = rmr_convert_put_added(c, err)) ||
        (status = c->class->write_parts(c, err)))
        return status;
    rmr_json_put(&c->text, "\"post_processor\":");
    if ((status = c->class->write_post(c, err)))
        return status;
    rmr_json_put(&c->text, ",");
    if ((status = write_model(c, err)))
        return status;
    return check_text(c, err);
}

static rmr_status convert(rmr_conversion *c, const json_t *tokenizer,
                          const json_t *model, rmr_error *err)
{
    rmr_status status;
    if ((status = choose_class(c, tokenizer, model, err)) ||
        (status = map_files(c, err)) ||
        (status = rmr_convert_options(c, tokenizer, err)) ||
        (status = rmr_convert_named(c, err)) ||
        (status = c->class->read(c, err)) ||
        (c->class->add_extra && (status = c->class->add_extra(c, err))) ||
        (status = rmr_convert_added(c, err)))
        return status;
    return write_text(c, err);
}

static void free_conversion(rmr_conversion *c)
{
    rmr_json_text_free(&c->text);
    rmr_json_text_free(&c->merges);
    rmr_convert_pieces_free(&c->result.contents);
    rmr_free(c->result.tokens.at);
    rmr_free(c->extra.at);
    rmr_convert_pieces_free(&c->pieces);
    rmr_spm_free(&c->spm);
    rmr_free(c->strings);
    rmr_file_unmap(&c->file);
    rmr_file_unmap(&c->merges_file);
    rmr_free(c->path);
    rmr_free(c->merges_path);
    rmr_free(c->added);
    json_decref(c->options);
    json_decref(c->own_named);
    json_decref(c->added_file);
}

rmr_status rmr_convert_directory(rmr_converted *converted,
                                 const char *directory, rmr_error *err)
{
    rmr_conversion c = {.directory = directory};
    json_t *tokenizer = NULL, *model = NULL;
    *converted = (rmr_converted){0};
    rmr_status status =
        rmr_convert_load(directory, "tokenizer_config.json", &tokenizer, err);
    if (!status)
        status = rmr_convert_load(directory, "config.json", &model, err);
    if (!status)
        status = convert(&c, tokenizer, model, err);
    if (!status)
        status = copy_scores(&c, &converted->scores, err);
    if (!status) {
        converted->text = c.text;
        converted->name = c.path;
        c.text = (rmr_json_text){0};
        c.path = NULL;
    }
    free_conversion(&c);
    json_decref(tokenizer);
    json_decref(model);
    return status;
}

void rmr_converted_free(rmr_converted *converted)
{
    rmr_json_text_free(&converted->text);
    rmr_free(converted->scores);
    rmr_free(converted->name);
    *converted = (rmr_converted){0};
}

rmr_status rmr_tokenizer_open_directory(rmr_tokenizer **out,
                                        const char *directory, rmr_error *err)
{
    rmr_file_id id;
    rmr_converted converted;
    *out = NULL;
    char *path = rmr_path_join(directory, "tokenizer.json");
    if (!path)
        return rmr_fail_nomem(err, directory);
    int whole = rmr_file_identify(path, &id);
    rmr_status status = whole ? rmr_tokenizer_open(out, path, err) : RMR_OK;
    rmr_free(path);
    if (whole)
        return status;
    status = rmr_convert_directory(&converted, directory, err);
    if (!status)
        status = rmr_tokenizer_open_text(out, converted.text.bytes,
                                         converted.text.len, converted.scores,
                                         converted.name, err);
    rmr_converted_free(&converted);
    return status;
}
