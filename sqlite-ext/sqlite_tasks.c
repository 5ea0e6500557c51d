/*
 * sqlite_tasks.c - the functions that judge text: classify(), classify_json(),
 * zero_shot(), rerank_score(), entities(), fill_mask() and embed_sparse().
 *
 * No message and no log line made here may contain any part of the text.
 */
#include <string.h>

#include "sqlite_ext.h"

SQLITE_EXTENSION_INIT3

/* What one call hands to the engine. */
typedef struct task_call {
    const char *function;
    rmr_sqlite_model *model; /* retained */
    rmr_text text;
    rmr_text second;          /* rerank_score's document */
    rmr_zero_shot *zero_shot; /* borrowed */
} task_call;

/* ----------------------------------------------------------------- calling */

/* Reads the text, and the model that argument `index` names. 0 when ctx has
 * been given the answer. */
static int begin(sqlite3_context *ctx, task_call *call, rmr_sqlite_tasks tasks,
                 int argc, sqlite3_value **argv, int index)
{
    if (!rmr_sqlite_text_argument(ctx, call->function, argv, 0, "text",
                                  &call->text))
        return 0;
    call->model =
        rmr_sqlite_conn_choose(ctx, call->function, tasks, argc, argv, index);
    return call->model != NULL;
}

/* Runs the call. NULL when ctx has been given the error; the job is for end. */
static rmr_job *run(sqlite3_context *ctx, task_call *call,
                    rmr_sqlite_start *start)
{
    rmr_job *job;
    rmr_error err;
    size_t count;

    if (rmr_sqlite_run(sqlite3_context_db_handle(ctx), start, call, &job,
                       &err) != RMR_OK) {
        rmr_sqlite_result_error(ctx, call->function, &err);
        return NULL;
    }
    rmr_sqlite_account(call->model, call->text.len + call->second.len,
                       rmr_job_texts(job, &count));
    return job;
}

static void end(task_call *call, rmr_job *job)
{
    rmr_job_release(job);
    rmr_sqlite_model_release(call->model);
}

/* -------------------------------------------------------------------- JSON */

static void append_text(sqlite3_str *json, const char *text, size_t len)
{
    size_t i;

    sqlite3_str_appendchar(json, 1, '"');
    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20)
            sqlite3_str_appendf(json, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            sqlite3_str_appendf(json, "\\%c", c);
        else
            sqlite3_str_append(json, text + i, 1);
    }
    sqlite3_str_appendchar(json, 1, '"');
}

static void append_string(sqlite3_str *json, const char *string)
{
    append_text(json, string, strlen(string));
}

static void append_score(sqlite3_str *json, float score)
{
    char number[RMR_F32_CHARS];
    size_t len = rmr_format_f32(score, number);

    sqlite3_str_append(json, number, (int)len);
}

/* Ends the call with the JSON, which it frees. */
static void result_json(sqlite3_context *ctx, sqlite3_str *json)
{
    int code = sqlite3_str_errcode(json);
    char *text = sqlite3_str_finish(json);

    if (code == SQLITE_NOMEM)
        sqlite3_result_error_nomem(ctx);
    else if (code != SQLITE_OK)
        sqlite3_result_error_toobig(ctx);
    if (code != SQLITE_OK) {
        sqlite3_free(text);
        return;
    }
    sqlite3_result_text(ctx, text, -1, sqlite3_free);
    sqlite3_result_subtype(ctx, RMR_SUBTYPE_JSON);
}

/* ---------------------------------------------------------------- classify */

static rmr_status start_classify(rmr_engine *engine, void *context,
                                 rmr_job **job, rmr_error *err)
{
    const task_call *call = context;
    rmr_classify_options options;

    rmr_classify_options_init(&options);
    options.windows = call->model->windows;
    options.stride = call->model->stride;
    return rmr_classify_start(engine, call->model->model, &call->text, 1,
                              &options, NULL, NULL, job, err);
}

/* The job of a text's labels; NULL when ctx has been given the answer. */
static rmr_job *classify(sqlite3_context *ctx, task_call *call, int argc,
                         sqlite3_value **argv)
{
    rmr_job *job;

    if (!begin(ctx, call, RMR_SQLITE_CLASSIFY, argc, argv, 1))
        return NULL;
    job = run(ctx, call, start_classify);
    if (job == NULL)
        end(call, job);
    return job;
}

void rmr_sqlite_classify(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    task_call call = {.function = "classify"};
    rmr_job *job = classify(ctx, &call, argc, argv);
    size_t count;

    if (job == NULL)
        return;
    sqlite3_result_text(ctx, rmr_job_labels(job, 0, &count)->label, -1,
                        SQLITE_TRANSIENT);
    end(&call, job);
}

void rmr_sqlite_classify_json(sqlite3_context *ctx, int argc,
                              sqlite3_value **argv)
{
    task_call call = {.function = "classify_json"};
    rmr_job *job = classify(ctx, &call, argc, argv);
    sqlite3_str *json;
    const rmr_label_score *labels;
    size_t count, i;

    if (job == NULL)
        return;
    labels = rmr_job_labels(job, 0, &count);
    json = sqlite3_str_new(sqlite3_context_db_handle(ctx));
    for (i = 0; i < count; i++) {
        sqlite3_str_appendall(json, i > 0 ? "," : "{\"labels\":[");
        append_string(json, labels[i].label);
    }
    for (i = 0; i < count; i++) {
        sqlite3_str_appendall(json, i > 0 ? "," : "],\"scores\":[");
        append_score(json, labels[i].score);
    }
    sqlite3_str_appendall(json, "]}");
    result_json(ctx, json);
    end(&call, job);
}

/* --------------------------------------------------------------- zero-shot */

/* Labels that were read before; belongs to the statement. */
typedef struct label_cache {
    rmr_model *model; /* that they are for; kept alive by them */
    rmr_zero_shot *zero_shot;
    size_t len;
    char key[]; /* the labels, each with its NUL */
} label_cache;

static void free_cache(void *pointer)
{
    label_cache *cache = pointer;

    rmr_zero_shot_release(cache->zero_shot);
    sqlite3_free(cache);
}

/* The labels behind one another, with what they are read into; NULL: ctx has
 * the error. */
static label_cache *read_labels(sqlite3_context *ctx, int argc,
                                sqlite3_value **argv, rmr_candidate *labels)
{
    label_cache *cache;
    size_t total = 0;
    int i;

    for (i = 1; i < argc; i++) {
        rmr_text label;

        if (sqlite3_value_type(argv[i]) == SQLITE_NULL) {
            rmr_sqlite_result_message(
                ctx, SQLITE_ERROR,
                sqlite3_mprintf("zero_shot: argument %d (label) is NULL",
                                i + 1));
            return NULL;
        }
        if (!rmr_sqlite_text_argument(ctx, "zero_shot", argv, i, "label",
                                      &label))
            return NULL;
        if (memchr(label.data, 0, label.len) != NULL) {
            rmr_sqlite_result_message(
                ctx, SQLITE_ERROR,
                sqlite3_mprintf("zero_shot: argument %d (label) contains a NUL "
                                "byte",
                                i + 1));
            return NULL;
        }
        total += label.len + 1;
    }
    cache = sqlite3_malloc64(sizeof(*cache) + total);
    if (cache == NULL) {
        sqlite3_result_error_nomem(ctx);
        return NULL;
    }
    *cache = (label_cache){.len = 0};
    for (i = 1; i < argc; i++) {
        size_t len = (size_t)sqlite3_value_bytes(argv[i]) + 1;
        char *name = cache->key + cache->len;

        memcpy(name, sqlite3_value_text(argv[i]), len);
        labels[i - 1] = (rmr_candidate){.name = name};
        cache->len += len;
    }
    return cache;
}

static int is_same(const label_cache *a, const label_cache *b)
{
    return a != NULL && a->model == b->model && a->len == b->len &&
           memcmp(a->key, b->key, a->len) == 0;
}

/* The labels of the call: the statement's, where they are the same as before.
 * *owned is for free_cache, or NULL. 0: ctx has the error. */
static int find_labels(sqlite3_context *ctx, task_call *call, int argc,
                       sqlite3_value **argv, label_cache **owned)
{
    rmr_candidate *labels =
        sqlite3_malloc64((sqlite3_uint64)argc * sizeof(*labels));
    label_cache *known = sqlite3_get_auxdata(ctx, 1);
    label_cache *read = NULL;
    rmr_error err;

    *owned = NULL;
    if (labels == NULL)
        sqlite3_result_error_nomem(ctx);
    else
        read = read_labels(ctx, argc, argv, labels);
    if (read != NULL) {
        read->model = call->model->model;
        if (is_same(known, read)) {
            call->zero_shot = known->zero_shot;
        } else if (rmr_zero_shot_new(&read->zero_shot, read->model, labels,
                                     (size_t)argc - 1, NULL, &err) != RMR_OK) {
            rmr_sqlite_result_error(ctx, call->function, &err);
        } else {
            call->zero_shot = read->zero_shot;
        }
        *owned = read;
    }
    sqlite3_free(labels);
    return call->zero_shot != NULL;
}

static rmr_status start_zero_shot(rmr_engine *engine, void *context,
                                  rmr_job **job, rmr_error *err)
{
    const task_call *call = context;

    return rmr_zero_shot_start(engine, call->zero_shot, &call->text, 1,
                               RMR_TRUNCATE_END, 0, NULL, NULL, job, err);
}

void rmr_sqlite_zero_shot(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    task_call call = {.function = "zero_shot"};
    rmr_job *job = NULL;
    label_cache *owned;
    rmr_sqlite_tasks tasks =
        rmr_sqlite_conn_has(sqlite3_user_data(ctx), RMR_SQLITE_CLASSIFY)
            ? RMR_SQLITE_CLASSIFY
            : RMR_SQLITE_EMBED;

    if (argc < 2) {
        sqlite3_result_error(ctx,
                             "zero_shot: it takes a text and at least one "
                             "label",
                             -1);
        return;
    }
    if (!begin(ctx, &call, tasks, argc, argv, argc))
        return;
    if (find_labels(ctx, &call, argc, argv, &owned))
        job = run(ctx, &call, start_zero_shot);
    if (job != NULL)
        sqlite3_result_text(ctx, rmr_job_choice(job, 0), -1, SQLITE_TRANSIENT);
    end(&call, job);
    if (owned != NULL && owned->zero_shot != NULL && job != NULL)
        sqlite3_set_auxdata(ctx, 1, owned, free_cache);
    else if (owned != NULL)
        free_cache(owned);
}

/* ------------------------------------------------------------------ rerank */

static rmr_status start_rerank(rmr_engine *engine, void *context, rmr_job **job,
                               rmr_error *err)
{
    const task_call *call = context;
    rmr_rerank_options options;

    rmr_rerank_options_init(&options);
    options.windows = call->model->windows;
    options.stride = call->model->stride;
    return rmr_rerank_start(engine, call->model->model, call->text,
                            &call->second, 1, &options, NULL, NULL, job, err);
}

void rmr_sqlite_rerank_score(sqlite3_context *ctx, int argc,
                             sqlite3_value **argv)
{
    task_call call = {.function = "rerank_score"};
    rmr_job *job;
    size_t count;

    if (!rmr_sqlite_text_argument(ctx, call.function, argv, 1, "document",
                                  &call.second) ||
        !begin(ctx, &call, RMR_SQLITE_CLASSIFY, argc, argv, 2))
        return;
    job = run(ctx, &call, start_rerank);
    if (job != NULL)
        sqlite3_result_double(ctx, rmr_job_ranking(job, &count)->score);
    end(&call, job);
}

/* ---------------------------------------------------------------- entities */

static rmr_status start_entities(rmr_engine *engine, void *context,
                                 rmr_job **job, rmr_error *err)
{
    const task_call *call = context;
    rmr_token_classify_options options;

    rmr_token_classify_options_init(&options);
    options.windows = call->model->windows;
    options.stride = call->model->stride;
    return rmr_token_classify_start(engine, call->model->model, &call->text, 1,
                                    &options, NULL, NULL, job, err);
}

static void append_entity(sqlite3_str *json, const rmr_entity *entity)
{
    sqlite3_str_appendall(json, "{\"label\":");
    append_string(json, entity->name);
    sqlite3_str_appendall(json, ",\"score\":");
    append_score(json, entity->score);
    sqlite3_str_appendf(json, ",\"start\":%llu,\"end\":%llu}",
                        (sqlite3_uint64)entity->start,
                        (sqlite3_uint64)entity->end);
}

void rmr_sqlite_entities(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    task_call call = {.function = "entities"};
    rmr_job *job;
    sqlite3_str *json;
    const rmr_entity *entities;
    size_t count, i;

    if (!begin(ctx, &call, RMR_SQLITE_ENTITIES, argc, argv, 1))
        return;
    job = run(ctx, &call, start_entities);
    if (job != NULL) {
        entities = rmr_job_entities(job, 0, &count);
        json = sqlite3_str_new(sqlite3_context_db_handle(ctx));
        sqlite3_str_appendall(json, "[");
        for (i = 0; i < count; i++) {
            sqlite3_str_appendall(json, i > 0 ? "," : "");
            append_entity(json, &entities[i]);
        }
        sqlite3_str_appendall(json, "]");
        result_json(ctx, json);
    }
    end(&call, job);
}

/* --------------------------------------------------------------- fill_mask */

static rmr_status start_fill_mask(rmr_engine *engine, void *context,
                                  rmr_job **job, rmr_error *err)
{
    const task_call *call = context;

    return rmr_fill_mask_start(engine, call->model->model, &call->text, 1, NULL,
                               NULL, NULL, job, err);
}

static rmr_status append_word(sqlite3_str *json, const rmr_model *model,
                              const rmr_word *word, rmr_tokens *tokens,
                              rmr_error *err)
{
    rmr_text text;
    rmr_status status =
        rmr_detokenize(model, &word->id, 1, 0, tokens, &text, err);

    if (status != RMR_OK)
        return status;
    sqlite3_str_appendall(json, "{\"score\":");
    append_score(json, word->score);
    sqlite3_str_appendf(json, ",\"token\":%u,\"token_str\":", word->id);
    append_text(json, text.data, text.len);
    sqlite3_str_appendall(json, "}");
    return RMR_OK;
}

/* The words of the one mask, or a list of those of each. */
static rmr_status append_masks(sqlite3_str *json, const rmr_model *model,
                               const rmr_job *job, rmr_tokens *tokens,
                               rmr_error *err)
{
    rmr_status status = RMR_OK;
    size_t count, m, i;
    const rmr_mask *masks = rmr_job_masks(job, 0, &count);

    sqlite3_str_appendall(json, count > 1 ? "[" : "");
    for (m = 0; m < count; m++) {
        sqlite3_str_appendall(json, m > 0 ? ",[" : "[");
        for (i = 0; i < masks[m].num_words && status == RMR_OK; i++) {
            sqlite3_str_appendall(json, i > 0 ? "," : "");
            status = append_word(json, model, &masks[m].words[i], tokens, err);
        }
        sqlite3_str_appendall(json, "]");
    }
    sqlite3_str_appendall(json, count > 1 ? "]" : "");
    return status;
}

void rmr_sqlite_fill_mask(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    task_call call = {.function = "fill_mask"};
    rmr_job *job;
    rmr_tokens *tokens;
    sqlite3_str *json;
    rmr_error err;
    rmr_status status;

    if (!begin(ctx, &call, RMR_SQLITE_FILL_MASK, argc, argv, 1))
        return;
    job = run(ctx, &call, start_fill_mask);
    if (job != NULL) {
        json = sqlite3_str_new(sqlite3_context_db_handle(ctx));
        status = rmr_tokens_new(&tokens, &err);
        if (status == RMR_OK)
            status = append_masks(json, call.model->model, job, tokens, &err);
        if (status == RMR_OK) {
            result_json(ctx, json);
        } else {
            sqlite3_free(sqlite3_str_finish(json));
            rmr_sqlite_result_error(ctx, call.function, &err);
        }
        rmr_tokens_free(tokens);
    }
    end(&call, job);
}

/* ------------------------------------------------------------ embed_sparse */

static rmr_status start_embed_sparse(rmr_engine *engine, void *context,
                                     rmr_job **job, rmr_error *err)
{
    const task_call *call = context;

    return rmr_embed_sparse_start(engine, call->model->model, &call->text, 1,
                                  NULL, NULL, NULL, job, err);
}

void rmr_sqlite_embed_sparse(sqlite3_context *ctx, int argc,
                             sqlite3_value **argv)
{
    task_call call = {.function = "embed_sparse"};
    rmr_job *job;
    sqlite3_str *json;
    const rmr_word *words;
    size_t count, i;

    if (!begin(ctx, &call, RMR_SQLITE_SPARSE, argc, argv, 1))
        return;
    job = run(ctx, &call, start_embed_sparse);
    if (job != NULL) {
        words = rmr_job_sparse(job, 0, &count);
        json = sqlite3_str_new(sqlite3_context_db_handle(ctx));
        sqlite3_str_appendall(json, "{\"indices\":[");
        for (i = 0; i < count; i++)
            sqlite3_str_appendf(json, "%s%u", i > 0 ? "," : "", words[i].id);
        sqlite3_str_appendall(json, "],\"values\":[");
        for (i = 0; i < count; i++) {
            sqlite3_str_appendall(json, i > 0 ? "," : "");
            append_score(json, words[i].score);
        }
        sqlite3_str_appendall(json, "]}");
        result_json(ctx, json);
    }
    end(&call, job);
}
