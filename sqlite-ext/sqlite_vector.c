/*
 * sqlite_vector.c - vector mathematics over blobs: embed_cosine(),
 * embed_similarity() and embed_to_json().
 *
 * They read their arguments and, but for embed_similarity(), nothing else, so
 * SQLite may call those from any schema. A blob is float32, little endian, and
 * may lie at any address.
 */
#include <math.h>
#include <string.h>

#include "sqlite_ext.h"

SQLITE_EXTENSION_INIT3

#define INLINE_DIM                                                             \
    1024 /* a misaligned vector up to here needs no allocation                 \
          */

/* A vector that came as an argument. */
typedef struct vector_view {
    const float *data;
    size_t dim;
    float *allocated;
    float room[INLINE_DIM];
} vector_view;

/* Makes data readable as floats, copying only what is misaligned. */
static int align_vector(vector_view *view, const void *blob, size_t bytes)
{
    float *copy = view->room;

    view->allocated = NULL;
    if ((uintptr_t)blob % sizeof(float) == 0) {
        view->data = blob;
        return SQLITE_OK;
    }
    if (bytes > sizeof(view->room)) {
        copy = sqlite3_malloc64(bytes);
        if (copy == NULL)
            return SQLITE_NOMEM;
        view->allocated = copy;
    }
    memcpy(copy, blob, bytes);
    view->data = copy;
    return SQLITE_OK;
}

/* The index of the first NaN or infinity, or dim. */
static size_t first_non_finite(const float *data, size_t dim)
{
    size_t i = 0;

    while (i < dim && isfinite(data[i]))
        i++;
    return i;
}

#define PROBLEM_CHARS 80

/* What keeps a value from being a vector, written into text, or NULL. */
static const char *vector_problem(sqlite3_value *value,
                                  char text[PROBLEM_CHARS])
{
    unsigned subtype = sqlite3_value_subtype(value);
    int bytes;

    if (sqlite3_value_type(value) != SQLITE_BLOB)
        return sqlite3_snprintf(PROBLEM_CHARS, text,
                                "must be a BLOB as embed() gives, not %s",
                                rmr_sqlite_type_name(value));
    if (subtype == RMR_SUBTYPE_BIT || subtype == RMR_SUBTYPE_INT8)
        return sqlite3_snprintf(PROBLEM_CHARS, text,
                                "is a vector of %s; only float32 is read",
                                subtype == RMR_SUBTYPE_BIT ? "bits" : "int8");
    bytes = sqlite3_value_bytes(value);
    if (bytes == 0 || bytes % (int)sizeof(float) != 0)
        return sqlite3_snprintf(PROBLEM_CHARS, text,
                                "is a BLOB of %d bytes; a float32 vector has "
                                "4 bytes a component",
                                bytes);
    return NULL;
}

/*
 * Reads argument `index`, which is not NULL. 1 when *view is set, and is
 * handed back with sqlite3_free(view->allocated); 0 when ctx has the error.
 */
static int vector_argument(sqlite3_context *ctx, const char *function,
                           int index, sqlite3_value *value, vector_view *view)
{
    char text[PROBLEM_CHARS];
    const char *problem = vector_problem(value, text);
    const void *blob;
    size_t at;

    if (problem != NULL) {
        rmr_sqlite_result_message(ctx, SQLITE_ERROR,
                                  sqlite3_mprintf("%s: argument %d %s",
                                                  function, index + 1,
                                                  problem));
        return 0;
    }
    blob = sqlite3_value_blob(value);
    view->dim = (size_t)sqlite3_value_bytes(value) / sizeof(float);
    if (blob == NULL ||
        align_vector(view, blob, view->dim * sizeof(float)) != SQLITE_OK) {
        sqlite3_result_error_nomem(ctx);
        return 0;
    }
    at = first_non_finite(view->data, view->dim);
    if (at < view->dim) {
        rmr_sqlite_result_message(
            ctx, SQLITE_ERROR,
            sqlite3_mprintf("%s: argument %d is not a float32 vector: "
                            "component %llu is NaN or infinite",
                            function, index + 1, (unsigned long long)at + 1));
        sqlite3_free(view->allocated);
        return 0;
    }
    return 1;
}

/* Answers with how alike arguments 0 and 1 are; NULL when either is NULL. */
static void compare(sqlite3_context *ctx, const char *function,
                    sqlite3_value **argv, rmr_similarity similarity)
{
    vector_view a, b;

    if (sqlite3_value_type(argv[0]) == SQLITE_NULL ||
        sqlite3_value_type(argv[1]) == SQLITE_NULL)
        return;
    if (!vector_argument(ctx, function, 0, argv[0], &a))
        return;
    if (vector_argument(ctx, function, 1, argv[1], &b)) {
        if (a.dim == b.dim)
            sqlite3_result_double(
                ctx, rmr_compare(similarity, a.data, b.data, a.dim));
        else
            rmr_sqlite_result_message(
                ctx, SQLITE_ERROR,
                sqlite3_mprintf("%s: the vectors have %llu and %llu "
                                "components; compare vectors of one model",
                                function, (unsigned long long)a.dim,
                                (unsigned long long)b.dim));
        sqlite3_free(b.allocated);
    }
    sqlite3_free(a.allocated);
}

void rmr_sqlite_embed_cosine(sqlite3_context *ctx, int argc,
                             sqlite3_value **argv)
{
    (void)argc;
    compare(ctx, "embed_cosine", argv, RMR_SIMILARITY_COSINE);
}

void rmr_sqlite_embed_similarity(sqlite3_context *ctx, int argc,
                                 sqlite3_value **argv)
{
    rmr_sqlite_model *model = rmr_sqlite_conn_choose(
        ctx, "embed_similarity", RMR_SQLITE_EMBED, argc, argv, 2);

    if (model == NULL)
        return;
    compare(ctx, "embed_similarity", argv, model->info.similarity);
    rmr_sqlite_model_release(model);
}

/* "[0.25,-1]", or NULL with *rc set to SQLITE_NOMEM or SQLITE_TOOBIG. */
static char *vector_to_json(sqlite3 *db, const vector_view *view, int *rc)
{
    sqlite3_str *json = sqlite3_str_new(db);
    char number[RMR_F32_CHARS];
    char *text;
    size_t i;

    sqlite3_str_appendchar(json, 1, '[');
    for (i = 0; i < view->dim; i++) {
        if (i > 0)
            sqlite3_str_appendchar(json, 1, ',');
        sqlite3_str_append(json, number,
                           (int)rmr_format_f32(view->data[i], number));
    }
    sqlite3_str_appendchar(json, 1, ']');
    *rc = sqlite3_str_errcode(json);
    text = sqlite3_str_finish(json);
    if (*rc == SQLITE_OK)
        return text;
    sqlite3_free(text);
    return NULL;
}

void rmr_sqlite_embed_to_json(sqlite3_context *ctx, int argc,
                              sqlite3_value **argv)
{
    vector_view view;
    char *json;
    int rc;

    (void)argc;
    if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
        return;
    if (!vector_argument(ctx, "embed_to_json", 0, argv[0], &view))
        return;
    json = vector_to_json(sqlite3_context_db_handle(ctx), &view, &rc);
    sqlite3_free(view.allocated);
    if (json != NULL) {
        sqlite3_result_text(ctx, json, -1, sqlite3_free);
        sqlite3_result_subtype(ctx, RMR_SUBTYPE_JSON);
    } else if (rc == SQLITE_TOOBIG) {
        sqlite3_result_error_toobig(ctx);
    } else {
        sqlite3_result_error_nomem(ctx);
    }
}
