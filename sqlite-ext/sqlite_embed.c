/*
 * sqlite_embed.c - the functions that read text: embed() and token_count().
 *
 * No message and no log line made here may contain any part of the text.
 */
#include "sqlite_ext.h"

SQLITE_EXTENSION_INIT3

int rmr_sqlite_text_argument(sqlite3_context *ctx, const char *function,
                             sqlite3_value **argv, int index, const char *name,
                             rmr_text *text)
{
    int type = sqlite3_value_type(argv[index]);

    if (type == SQLITE_NULL)
        return 0;
    if (type != SQLITE_TEXT) {
        rmr_sqlite_result_message(
            ctx, SQLITE_ERROR,
            sqlite3_mprintf("%s: argument %d (%s) must be TEXT, not %s: "
                            "write CAST(... AS TEXT) if it holds text",
                            function, index + 1, name,
                            rmr_sqlite_type_name(argv[index])));
        return 0;
    }
    text->data = (const char *)sqlite3_value_text(argv[index]);
    text->len = (size_t)sqlite3_value_bytes(argv[index]);
    if (text->data == NULL) {
        sqlite3_result_error_nomem(ctx);
        return 0;
    }
    return 1;
}

/* Gives a vector to SQLite as float32, little endian. */
static void result_vector(sqlite3_context *ctx, const float *vector, size_t dim)
{
    sqlite3_result_blob64(ctx, vector, dim * sizeof(float), SQLITE_TRANSIENT);
    sqlite3_result_subtype(ctx, RMR_SUBTYPE_F32);
}

void rmr_sqlite_account(rmr_sqlite_model *model, size_t text_len,
                        const rmr_text_result *result)
{
    model->texts++;
    if (!result->truncated)
        return;
    model->truncated++;
    sqlite3_log(SQLITE_WARNING,
                "remora: a text of %llu bytes was cut to %u tokens by model "
                "%s",
                (unsigned long long)text_len, result->tokens,
                model->name != NULL ? model->name : model->path);
}

/*
 * Reads argument 2 as the name of a prompt: NULL is the model's default, an
 * empty one none. 1 when *options is set; 0 when ctx has been given an error.
 */
static int prompt_argument(sqlite3_context *ctx, int argc, sqlite3_value **argv,
                           rmr_embed_options *options)
{
    const char *name;

    rmr_embed_options_init(options);
    if (argc < 3 || sqlite3_value_type(argv[2]) == SQLITE_NULL)
        return 1;
    if (sqlite3_value_type(argv[2]) != SQLITE_TEXT) {
        rmr_sqlite_result_message(
            ctx, SQLITE_ERROR,
            sqlite3_mprintf("embed: argument 3 (prompt) must be TEXT, not %s",
                            rmr_sqlite_type_name(argv[2])));
        return 0;
    }
    name = (const char *)sqlite3_value_text(argv[2]);
    if (name == NULL) {
        sqlite3_result_error_nomem(ctx);
        return 0;
    }
    if (*name == '\0')
        options->prompt.data = name;
    else
        options->prompt_name = name;
    return 1;
}

typedef struct embed_call {
    rmr_sqlite_model *model;
    rmr_text text;
    rmr_embed_options options;
} embed_call;

static rmr_status start_embed(rmr_engine *engine, void *context, rmr_job **job,
                              rmr_error *err)
{
    const embed_call *call = context;

    return rmr_embed_start(engine, call->model->model, &call->text, 1,
                           &call->options, NULL, NULL, job, err);
}

void rmr_sqlite_embed(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    embed_call call;
    rmr_job *job;
    rmr_error err;
    const float *vector;
    size_t count, dim;

    if (!rmr_sqlite_text_argument(ctx, "embed", argv, 0, "text", &call.text) ||
        !prompt_argument(ctx, argc, argv, &call.options))
        return;
    call.model =
        rmr_sqlite_conn_choose(ctx, "embed", RMR_SQLITE_EMBED, argc, argv, 1);
    if (call.model == NULL)
        return;
    call.options.windows = call.model->windows;
    call.options.stride = call.model->stride;
    if (rmr_sqlite_run(sqlite3_context_db_handle(ctx), start_embed, &call, &job,
                       &err) != RMR_OK) {
        rmr_sqlite_result_error(ctx, "embed", &err);
    } else {
        rmr_sqlite_account(call.model, call.text.len,
                           rmr_job_texts(job, &count));
        vector = rmr_job_embeddings(job, &count, &dim);
        result_vector(ctx, vector, dim);
        rmr_job_release(job);
    }
    rmr_sqlite_model_release(call.model);
}

void rmr_sqlite_token_count(sqlite3_context *ctx, int argc,
                            sqlite3_value **argv)
{
    rmr_sqlite_model *model;
    rmr_tokens *tokens = NULL;
    rmr_text text;
    rmr_error err;
    rmr_status status;
    size_t count;

    if (!rmr_sqlite_text_argument(ctx, "token_count", argv, 0, "text", &text))
        return;
    model = rmr_sqlite_conn_choose(ctx, "token_count", RMR_SQLITE_ANY, argc,
                                   argv, 1);
    if (model == NULL)
        return;
    status = rmr_tokens_new(&tokens, &err);
    if (status == RMR_OK)
        status = rmr_tokenize(model->model, text, 0, RMR_TRUNCATE_NONE, tokens,
                              &err);
    if (status != RMR_OK) {
        rmr_sqlite_result_error(ctx, "token_count", &err);
    } else {
        rmr_tokens_data(tokens, &count);
        sqlite3_result_int64(ctx, (sqlite3_int64)count);
    }
    rmr_tokens_free(tokens);
    rmr_sqlite_model_release(model);
}
