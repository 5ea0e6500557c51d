/*
 * static.c - binds a table of embeddings, looks tokens up in it, and takes
 * their mean. It must never give a token a row that is another's.
 */
#include "common/model/static.h"

#include <string.h>

#include "common/base/alloc.h"
#include "common/model/safetensors_header.h"
#include "common/model/table.h"

typedef struct static_model {
    const rmr_config *config;
    const rmr_kern *kern;
    rmr_table table;
    uint32_t *mapping; /* [vocab_size], a token's row; or NULL: its id */
    float *weights;    /* [vocab_size], a token's factor; or NULL */
} static_model;

/* ------------------------------------------------------------------
 * config.json
 */

enum { DEFAULT_MAX_LENGTH = 512 }; /* model2vec's */

/* model2vec's config.json. */
static rmr_status read_config(rmr_config *config, rmr_json_source source,
                              rmr_error *err)
{
    const json_t *limit = json_object_get(source.object, "max_length");
    int64_t max_tokens = DEFAULT_MAX_LENGTH;
    rmr_status status =
        rmr_json_get_bool(source, "normalize", 0, &config->normalize, err);
    if (!status)
        status = rmr_json_get_int(source, "max_length", 1, 1 << 30,
                                  DEFAULT_MAX_LENGTH, &max_tokens, err);
    config->max_tokens = json_is_null(limit) ? 0 : (uint32_t)max_tokens;
    return status;
}

/* ------------------------------------------------------------------- binding
 */

static const struct rmr_tensor *find(const rmr_weights *weights,
                                     const char *name)
{
    const struct rmr_tensor *tensor;
    for (size_t i = 0; (tensor = rmr_weights_tensor(weights, i)); i++) {
        if (strcmp(tensor->name, name) == 0)
            return tensor;
    }
    return NULL;
}

/* sentence-transformers' name of the table, else model2vec's. */
static const char *table_name(const rmr_weights *weights)
{
    return rmr_weights_has(weights, "embedding.weight") ? "embedding.weight"
                                                        : "embeddings";
}

rmr_status rmr_static_read_sizes(rmr_config *config, const rmr_weights *weights,
                                 rmr_error *err)
{
    const char *name = table_name(weights);
    const struct rmr_tensor *table = find(weights, name);
    const struct rmr_tensor *mapping = find(weights, "mapping");
    if (!table || table->num_dims != 2)
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: the tensor \"%s\" must be there, as [tokens, "
                        "components]",
                        rmr_weights_file(weights, name), name);
    uint64_t ids = mapping ? mapping->shape[0] : table->shape[0];
    uint64_t size = table->shape[1];
    if (!ids || ids > 1 << 24 || table->shape[0] > 1 << 24 || !size ||
        size > 1 << 16)
        return rmr_fail(err, RMR_ERR_RANGE,
                        "%s: the tensor \"%s\" is too large, or empty",
                        rmr_weights_file(weights, name), name);
    if (strcmp(table->dtype, "I8") == 0 && !config->is_quantized)
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s: the tensor \"%s\" is I8; F32, F16 and BF16 are "
                        "supported",
                        rmr_weights_file(weights, name), name);
    config->vocab_size = (uint32_t)ids;
    config->hidden_size = config->embedding_size = (uint32_t)size;
    config->output_size = config->dim = (uint32_t)size;
    return RMR_OK;
}

/* The mapping's values, which are I64 or I32. */
static rmr_status bind_mapping(static_model *m, rmr_weights *weights,
                               rmr_error *err)
{
    static const char name[] = "mapping";
    size_t count = m->config->vocab_size;
    const char *dtype = rmr_weights_dtype(weights, name);
    int is_wide = dtype && strcmp(dtype, "I64") == 0;
    const void *raw;
    if (!dtype)
        return RMR_OK;
    rmr_status status = rmr_weights_raw(weights, name, is_wide ? "I64" : "I32",
                                        0, count, &raw, err);
    if (status)
        return status;
    m->mapping = rmr_malloc_array(count, sizeof *m->mapping);
    if (!m->mapping)
        return rmr_fail_nomem(err, name);
    for (size_t i = 0; i < count; i++) {
        int64_t wide = 0;
        int32_t narrow;
        memcpy(is_wide ? (void *)&wide : &narrow,
               (const char *)raw + i * (is_wide ? 8 : 4), is_wide ? 8 : 4);
        int64_t row = is_wide ? wide : narrow;
        if (row < 0 || (uint64_t)row >= m->table.rows)
            return rmr_fail(err, RMR_ERR_RANGE,
                            "%s: \"mapping\" has a row that \"%s\" does not",
                            rmr_weights_file(weights, name),
                            table_name(weights));
        m->mapping[i] = (uint32_t)row;
    }
    return RMR_OK;
}

/* The factors of tokens, which may be F64. */
static rmr_status bind_weights(static_model *m, rmr_weights *weights,
                               rmr_error *err)
{
    static const char name[] = "weights";
    size_t count = m->config->vocab_size;
    const char *dtype = rmr_weights_dtype(weights, name);
    int is_double = dtype && strcmp(dtype, "F64") == 0;
    const void *raw = NULL;
    const float *floats = NULL;
    if (!dtype)
        return RMR_OK;
    rmr_status status =
        is_double ? rmr_weights_raw(weights, name, "F64", 0, count, &raw, err)
                  : rmr_weights_f32(weights, name, 0, count, &floats, err);
    if (status)
        return status;
    m->weights = rmr_malloc_array(count, sizeof *m->weights);
    if (!m->weights)
        return rmr_fail_nomem(err, name);
    for (size_t i = 0; i < count; i++) {
        double wide = 0;
        if (is_double)
            memcpy(&wide, (const char *)raw + i * sizeof wide, sizeof wide);
        m->weights[i] = is_double ? (float)wide : floats[i];
    }
    return RMR_OK;
}

static void unbind(void *bound)
{
    static_model *m = bound;
    if (!m)
        return;
    rmr_free(m->mapping);
    rmr_free(m->weights);
    rmr_free(m);
}

static rmr_status bind(void **out, const rmr_arch *arch,
                       const rmr_config *config, rmr_weights *weights,
                       const rmr_kern *kern, rmr_dtype dtype, rmr_error *err)
{
    (void)arch;
    *out = NULL;
    static_model *m = rmr_calloc(1, sizeof *m);
    if (!m)
        return rmr_fail_nomem(err, config->model_type);
    const char *name = table_name(weights);
    m->config = config;
    m->kern = kern;
    rmr_status status = rmr_table_bind(&m->table, weights, name,
                                       rmr_weights_rows(weights, name),
                                       config->hidden_size, dtype, err);
    if (!status)
        status = bind_mapping(m, weights, err);
    if (!status)
        status = bind_weights(m, weights, err);
    if (status)
        unbind(m);
    else
        *out = m;
    return status;
}

/* ------------------------------------------------------------------- running
 */

/* Adds the row of token `id` to y; `row` is scratch. */
static void add_token(const static_model *m, uint32_t id, float *row, float *y)
{
    uint32_t at = m->mapping ? m->mapping[id] : id;
    size_t columns = m->table.columns;
    if (!m->weights) {
        m->kern->table_add(&m->table, at, y);
        return;
    }
    m->kern->table_row(&m->table, at, row);
    for (size_t i = 0; i < columns; i++)
        y[i] += row[i] * m->weights[id];
}

static size_t scratch_bytes(const void *bound, const rmr_batch *batch,
                            unsigned members)
{
    (void)batch;
    (void)members;
    return ((const static_model *)bound)->table.columns * sizeof(float);
}

static void embed(const void *bound, const rmr_batch *batch, void *scratch,
                  float *y)
{
    const static_model *m = bound;
    size_t columns = m->table.columns;
    memset(y, 0, batch->num_seqs * columns * sizeof *y);
    for (size_t s = 0; s < batch->num_seqs; s++) {
        float *vector = y + s * columns;
        size_t begin = batch->cu_seqlens[s], end = batch->cu_seqlens[s + 1];
        for (size_t t = begin; t < end; t++)
            add_token(m, batch->ids[t], scratch, vector);
        for (size_t i = 0; i < columns && end > begin; i++)
            vector[i] /= (float)(end - begin);
    }
}

const rmr_arch rmr_arch_model2vec = {
    .model_type = "model2vec",
    .title = "model2vec",
    .options = "`normalize`, `max_length`",
    .read_config = read_config,
    .bind = bind,
    .unbind = unbind,
    .scratch_bytes = scratch_bytes,
    .embed = embed,
};

/* ---------------------------------------------------------------------- texts
 */

static int begins_character(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

/* The median length of the tokenizer's entries, in characters, rounded down. */
static uint32_t median_length(const rmr_tokenizer *tokenizer)
{
    enum { LONGEST = 255 }; /* longer ones do not move a median */
    size_t counts[LONGEST + 1] = {0}, total = 0, seen = 0, sum = 0;
    for (uint32_t id = 0; id < rmr_tokenizer_id_limit(tokenizer); id++) {
        const char *entry = rmr_tokenizer_string(tokenizer, id);
        size_t len = 0;
        for (const char *p = entry; entry && *p && len < LONGEST; p++)
            len += (size_t)begins_character(*p);
        counts[len] += entry != NULL;
        total += entry != NULL;
    }
    for (size_t len = 0; total && len <= LONGEST; len++) {
        size_t last = seen + counts[len];
        /* The entries number (total - 1) / 2 and total / 2, from 0. */
        sum += len * ((seen <= (total - 1) / 2 && (total - 1) / 2 < last) +
                      (seen <= total / 2 && total / 2 < last));
        seen = last;
    }
    return (uint32_t)(sum / 2);
}

rmr_status rmr_static_read_limits(rmr_config *config,
                                  const rmr_tokenizer *tokenizer,
                                  rmr_error *err)
{
    rmr_truncate side;
    if (config->drops_unknown) {
        config->max_chars =
            (uint64_t)config->max_tokens * median_length(tokenizer);
        return RMR_OK;
    }
    config->max_tokens = rmr_tokenizer_own_limit(tokenizer, &side);
    if (!config->max_tokens || side == RMR_TRUNCATE_END)
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "tokenizer.json: \"truncation\" must be on the right");
}

/* The part of a text that has at most so many characters: its beginning or its
 * end. */
static rmr_text cut(rmr_text text, uint64_t characters, int keeps_end)
{
    uint64_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        size_t at = keeps_end ? text.len - 1 - i : i;
        if (!begins_character(text.data[at]))
            continue;
        if (!keeps_end && count == characters)
            return (rmr_text){text.data, at};
        count++;
        if (keeps_end && count == characters)
            return (rmr_text){text.data + at, text.len - at};
    }
    return text;
}

static void drop_token(rmr_encoding *encoding, uint32_t id)
{
    size_t kept = 0;
    for (size_t i = 0; i < encoding->count; i++) {
        if (encoding->tokens[i].id != id)
            encoding->tokens[kept++] = encoding->tokens[i];
    }
    encoding->count = kept;
}

rmr_status rmr_static_encode(const rmr_config *config,
                             const rmr_tokenizer *tokenizer, rmr_text text,
                             rmr_truncate truncate, rmr_encoding *encoding,
                             rmr_error *err)
{
    rmr_tokenize_options options = {.size = sizeof options,
                                    .max_tokens = config->max_tokens,
                                    .truncate = truncate,
                                    .no_special_tokens = 1};
    rmr_text whole = text;
    uint32_t unknown;
    if (config->max_chars && text.len > config->max_chars)
        text = cut(text, config->max_chars, truncate == RMR_TRUNCATE_START);
    if (text.len < whole.len && truncate == RMR_TRUNCATE_NONE)
        return rmr_fail(err, RMR_ERR_TOO_LONG, "the text is too long");
    rmr_status status = rmr_tokenizer_encode_pair(tokenizer, text, NULL,
                                                  &options, encoding, err);
    if (status)
        return status;
    if (text.len < whole.len)
        encoding->truncated = 1;
    if (config->drops_unknown && rmr_tokenizer_unknown(tokenizer, &unknown))
        drop_token(encoding, unknown);
    return RMR_OK;
}
