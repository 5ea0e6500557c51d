/*
 * model.c - opens a model directory and computes with it what its task asks
 * for. It must never give out a value that is not finite, nor keep state
 * between calls.
 */
#include "common/model/model.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <errno.h>

#include "common/base/alloc.h"
#include "common/base/file.h"
#include "common/model/answer_config.h"
#include "common/model/family.h"
#include "common/model/shared.h"
#include "common/model/static.h"
#include "common/model/words.h"

void rmr_model_options_init(rmr_model_options *options)
{
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
}

void rmr_model_unload(rmr_model *model)
{
    if (!model)
        return;
    rmr_head_free(model->head);
    rmr_answer_close(model->answer);
    if (model->arch)
        model->arch->unbind(model->bound);
    rmr_sentence_close(&model->sentence);
    rmr_prompts_free(&model->prompts);
    rmr_tokenizer_close(model->tokenizer);
    rmr_weights_close(model->weights);
    rmr_adapter_close(model->adapter);
    rmr_free(model->path);
    rmr_free(model);
}

static rmr_status check_directory(const char *path, const char *whose,
                                  rmr_error *err)
{
    struct stat st;
    if (stat(path, &st))
        return rmr_fail(err, RMR_ERR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode)) {
        return rmr_fail(err, RMR_ERR_IO,
                        "%s is not a directory; give the %s's directory", path,
                        whose);
    }
    return RMR_OK;
}

/* In errors about what it does, whichever file it is from. */
static const char the_tokenizer[] =
    "the tokenizer (tokenizer.json, or the vocabulary instead of it)";

static rmr_status open_tokenizer(rmr_model *model, rmr_error *err)
{
    char *path = rmr_path_join(model->path, model->config.static_path);
    if (!path)
        return rmr_fail_nomem(err, model->path);
    rmr_status status =
        rmr_tokenizer_open_directory(&model->tokenizer, path, err);
    rmr_free(path);
    return status;
}

/* The table of a static model, and what only its tensors say. */
static rmr_status open_static(rmr_model *model, const char *sha256,
                              rmr_error *err)
{
    char *path = rmr_path_join(model->path, model->config.static_path);
    if (!path)
        return rmr_fail_nomem(err, model->path);
    rmr_status status = rmr_weights_open(&model->weights, path, sha256, err);
    rmr_free(path);
    return status ? status
                  : rmr_static_read_sizes(&model->config, model->weights, err);
}

/* Every id that the tokenizer can give must have a row in the table. */
static rmr_status check_vocabulary(const rmr_model *model, rmr_error *err)
{
    const rmr_config *config = &model->config;
    uint32_t limit = rmr_tokenizer_id_limit(model->tokenizer);
    if (limit > config->vocab_size) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: %s has ids up to %u, which the embedding table of "
                        "%u rows (\"vocab_size\") does not hold",
                        model->path, the_tokenizer, limit - 1,
                        config->vocab_size);
    }
    if (config->do_lower_case && !rmr_tokenizer_lowercases(model->tokenizer)) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s/sentence_bert_config.json: \"do_lower_case\" is "
                        "supported only where %s lower-cases too",
                        model->path, the_tokenizer);
    }
    return RMR_OK;
}

/* An empty text has what is around every text; "a" also has a token of its own,
 * whose type is the type of every text. */
static rmr_status check_encoding(const rmr_model *model, const char *text,
                                 rmr_encoding *encoding, rmr_error *err)
{
    const rmr_config *config = &model->config;
    rmr_status status =
        rmr_tokenizer_encode(model->tokenizer, text, strlen(text), 0,
                             RMR_TRUNCATE_END, encoding, err);
    if (status)
        return status;
    if (!*text && encoding->count > config->max_tokens) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "%s: a limit of %u tokens (\"max_seq_length\" or "
                        "\"model_max_length\") leaves no room for the %zu "
                        "special tokens",
                        model->path, config->max_tokens, encoding->count);
    }
    for (size_t i = 0; i < encoding->count; i++) {
        if (config->type_vocab_size &&
            encoding->tokens[i].type_id >= config->type_vocab_size) {
            return rmr_fail(err, RMR_ERR_FORMAT,
                            "%s: %s gives type id %u where "
                            "\"type_vocab_size\" is %u",
                            model->path, the_tokenizer,
                            encoding->tokens[i].type_id,
                            config->type_vocab_size);
        }
    }
    return RMR_OK;
}

/* Whether two texts can be one sequence, of types that the model has. */
static rmr_status check_pair(rmr_model *model, rmr_encoding *encoding,
                             rmr_error *err)
{
    const rmr_text a = {"a", 1};
    uint32_t num_types = model->config.type_vocab_size;
    rmr_tokenize_options options;
    rmr_tokenize_options_init(&options);
    rmr_status status = rmr_tokenizer_encode_pair(model->tokenizer, a, &a,
                                                  &options, encoding, err);
    if (status == RMR_ERR_UNSUPPORTED)
        return RMR_OK;
    model->takes_pairs = !status;
    for (size_t i = 0; i < encoding->count && !status; i++) {
        if (num_types && encoding->tokens[i].type_id >= num_types)
            model->takes_pairs = 0;
    }
    return status;
}

static rmr_status check_encodings(rmr_model *model, rmr_error *err)
{
    rmr_encoding encoding = {0};
    if (model->config.is_static)
        return RMR_OK; /* what has no tokens has a vector */
    rmr_status status = check_encoding(model, "", &encoding, err);
    if (!status)
        status = check_encoding(model, "a", &encoding, err);
    if (!status && model->task == RMR_TASK_CLASSIFY)
        status = check_pair(model, &encoding, err);
    rmr_encoding_free(&encoding);
    return status;
}

/* As much of the model as tokenizer_only asks for. */
static rmr_status load_tokenizer(rmr_model *model, rmr_error *err)
{
    rmr_status status = check_directory(model->path, "model", err);
    if (!status)
        status = rmr_config_find_static(&model->config, model->path, err);
    if (!status && model->config.drops_unknown)
        status = rmr_config_read(&model->config, model->path, err);
    if (!status)
        status = open_tokenizer(model, err);
    if (!status && model->config.is_static)
        return rmr_static_read_limits(&model->config, model->tokenizer, err);
    if (!status)
        status = rmr_config_read_max_tokens(&model->config.max_tokens,
                                            model->path, err);
    return status;
}

/* A directory that was quantized has weights of one type. */
static rmr_status choose_dtype(rmr_model *model, rmr_error *err)
{
    rmr_dtype stored = model->config.stored_dtype;
    if (!model->config.is_quantized || model->dtype == stored)
        return RMR_OK;
    if (model->dtype != RMR_DTYPE_F32) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s is quantized to %s; %s cannot be had from it",
                        model->path, rmr_dtype_name(stored),
                        rmr_dtype_name(model->dtype));
    }
    model->dtype = stored;
    return RMR_OK;
}

/* Pooling that was asked for. */
static rmr_status choose_pooling(rmr_model *model, const char *pooling,
                                 rmr_error *err)
{
    rmr_config *config = &model->config;
    rmr_poolings asked = {0};
    if (!pooling)
        return RMR_OK;
    rmr_status status = rmr_poolings_parse(&asked, "pooling", pooling, err);
    if (status)
        return status;
    if (config->pooling_guessed) {
        config->pooling = asked;
        config->pooling_guessed = 0;
        config->output_size = config->dim =
            config->hidden_size * (uint32_t)asked.count;
    } else if (strcmp(asked.name, config->pooling.name) != 0) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s/modules.json says that pooling is %s, not %s",
                        model->path, config->pooling.name, asked.name);
    }
    return RMR_OK;
}

static rmr_status open_sentence(rmr_model *model, rmr_error *err)
{
    const rmr_config *config = &model->config;
    rmr_status status = rmr_prompts_read(
        &model->prompts, config->has_modules ? model->path : NULL, err);
    if (status)
        return status;
    return rmr_sentence_open(
        &model->sentence, model->path, config->modules, config->num_modules,
        config->hidden_size * (uint32_t)config->pooling.count, &model->kern,
        err);
}

/* What comes after the encoder, unless a head does. */
static rmr_status open_modules(rmr_model *model, const char *pooling,
                               rmr_error *err)
{
    rmr_status status =
        rmr_config_read_modules(&model->config, model->path, err);
    if (!status)
        status = choose_pooling(model, pooling, err);
    if (!status)
        status = open_sentence(model, err);
    return status;
}

/* What a SparseEncoder has beside its encoder. */
static rmr_status open_sparse(rmr_model *model, rmr_error *err)
{
    rmr_config *config = &model->config;
    rmr_status status = rmr_config_read_sparse(config, model->path, err);
    if (!status)
        status = rmr_prompts_read(
            &model->prompts, config->has_modules ? model->path : NULL, err);
    return status;
}

/* Config and tokenizer, and all that they say about each other. */
static rmr_status open_texts(rmr_model *model, const rmr_model_options *options,
                             rmr_error *err)
{
    rmr_config *config = &model->config;
    rmr_status status = rmr_config_read(config, model->path, err);
    if (!status)
        status = choose_dtype(model, err);
    if (!status && config->is_static)
        status = open_static(model, options->sha256, err);
    if (!status && model->task == RMR_TASK_EMBED)
        status = open_modules(model, options->pooling, err);
    else if (!status && model->task == RMR_TASK_EMBED_SPARSE)
        status = open_sparse(model, err);
    else if (!status)
        status = rmr_config_read_lengths(config, model->path, err);
    if (!status)
        status = open_tokenizer(model, err);
    if (!status)
        status = check_vocabulary(model, err);
    if (!status)
        status = check_encodings(model, err);
    if (!status && model->task == RMR_TASK_FILL_MASK)
        status = rmr_words_find_mask(model->tokenizer, model->path,
                                     &model->mask, err);
    if (!status && config->is_static)
        status = rmr_static_read_limits(config, model->tokenizer, err);
    return status;
}

static rmr_status refuse_adapter(const rmr_model *model, rmr_error *err)
{
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s: %s takes no adapter, which is merged into linear "
                    "layers of floats",
                    model->path,
                    model->config.is_static ? "a table" : "a quantized model");
}

static rmr_status open_adapter(rmr_model *model, const rmr_arch *arch,
                               const rmr_model_options *options, rmr_error *err)
{
    if (model->config.is_quantized)
        return refuse_adapter(model, err);
    rmr_status status = check_directory(options->adapter, "adapter", err);
    if (!status)
        status = rmr_adapter_open(&model->adapter, options->adapter,
                                  model->weights, arch->family->prefixes, err);
    if (!status && options->sha256)
        status = rmr_weights_check_sha256(model->weights, options->sha256, err);
    return status;
}

static rmr_status bind(rmr_model *model, const rmr_arch *arch, rmr_error *err)
{
    rmr_status status =
        arch->bind(&model->bound, arch, &model->config, model->weights,
                   &model->kern, model->dtype, err);
    if (status)
        return status;
    model->arch = arch;
    if (model->task == RMR_TASK_CLASSIFY)
        return rmr_head_bind(
            &model->head, model->answer ? RMR_HEAD_ANSWER : RMR_HEAD_CLASSIFY,
            model, err);
    if (model->task == RMR_TASK_TOKEN_CLASSIFY)
        return rmr_head_bind(&model->head, RMR_HEAD_TOKENS, model, err);
    if (model->task == RMR_TASK_FILL_MASK ||
        model->task == RMR_TASK_EMBED_SPARSE)
        return rmr_head_bind(&model->head, RMR_HEAD_FILL, model, err);
    return RMR_OK;
}

/* With what a sibling has made of the same files. */
static rmr_status open_shared(rmr_model *model, const rmr_model *sibling,
                              rmr_error *err)
{
    rmr_shared *shared = sibling ? rmr_weights_shared(sibling->weights) : NULL;
    rmr_status status = RMR_OK;
    if (shared)
        rmr_shared_retain(shared);
    else
        status = rmr_shared_new(&shared, model->path, err);
    rmr_weights_set_shared(model->weights, shared);
    return status;
}

static rmr_status open_weights(rmr_model *model, const rmr_arch *arch,
                               const rmr_model_options *options,
                               const rmr_model *sibling, rmr_error *err)
{
    rmr_status status =
        rmr_weights_open(&model->weights, model->path,
                         options->adapter ? NULL : options->sha256, err);
    if (!status && options->adapter)
        status = open_adapter(model, arch, options, err);
    return status ? status : open_shared(model, sibling, err);
}

/* Where it is a decoder that answers; a classifier is asked nothing. */
static rmr_status open_answer(rmr_model *model, const rmr_arch *arch,
                              rmr_error *err)
{
    rmr_head_kind kind;
    rmr_status status = rmr_head_find(&kind, model->path, err);
    if (!status && kind == RMR_HEAD_CLASSIFY)
        return rmr_answer_check_options(model->path, 0, err);
    if (status || kind != RMR_HEAD_ANSWER || !rmr_head_exists(arch, kind))
        return status;
    return rmr_answer_open(&model->answer, &model->prompts, model->path,
                           model->tokenizer, model->config.vocab_size,
                           model->config.max_tokens, err);
}

static rmr_status load(rmr_model *model, const rmr_model_options *options,
                       const rmr_model *sibling, rmr_error *err)
{
    const rmr_arch *arch;
    rmr_status status = check_directory(model->path, "model", err);
    if (!status)
        status = open_texts(model, options, err);
    if (status)
        return status;
    arch = model->config.is_static
               ? &rmr_arch_model2vec
               : rmr_arch_find(model->config.model_type, model->path, err);
    if (!arch)
        return RMR_ERR_UNSUPPORTED;
    if (model->task == RMR_TASK_CLASSIFY)
        status = open_answer(model, arch, err);
    if (!status && !model->weights)
        status = open_weights(model, arch, options, sibling, err);
    else if (!status && options->adapter)
        status = refuse_adapter(model, err);
    if (!status)
        status = bind(model, arch, err);
    if (!status && model->adapter)
        status = rmr_adapter_check_used(model->adapter, err);
    return status;
}

rmr_status rmr_model_load(rmr_model **out, const char *path,
                          const rmr_model_options *options,
                          const rmr_model *sibling, rmr_error *err)
{
    *out = NULL;
    rmr_model *model = rmr_calloc(1, sizeof *model);
    if (!model)
        return rmr_fail_nomem(err, "a model");
    rmr_status status;
    model->dtype = options->dtype;
    model->task = options->task;
    rmr_kern_init(&model->kern, rmr_kern_tiers());
    model->path = rmr_strndup(path, strlen(path));
    if (!model->path)
        status = rmr_fail_nomem(err, "a model");
    else if (options->tokenizer_only)
        status = load_tokenizer(model, err);
    else
        status = load(model, options, sibling, err);
    if (status) {
        rmr_model_unload(model);
        return status;
    }
    *out = model;
    return RMR_OK;
}

void rmr_model_get_info(const rmr_model *model, rmr_model_info *info)
{
    const rmr_config *config = &model->config;
    const rmr_weights *weights = model->weights;
    rmr_model_info full;
    memset(&full, 0, sizeof full); /* what is between its fields, too */
    full.size = info->size;
    full.path = model->path;
    full.architecture = config->model_type;
    full.dtype = model->dtype;
    full.pooling = config->pooling.name;
    full.pooling_guessed = config->pooling_guessed;
    full.normalize = config->normalize;
    full.dim =
        model->task == RMR_TASK_EMBED_SPARSE ? config->vocab_size : config->dim;
    full.max_tokens = config->max_tokens;
    full.vocab_size = config->vocab_size;
    full.num_layers = config->num_hidden_layers;
    full.num_heads = config->num_attention_heads;
    full.hidden_size = config->hidden_size;
    full.num_parameters = (weights ? rmr_weights_num_parameters(weights) : 0) +
                          rmr_sentence_num_parameters(&model->sentence);
    full.bytes = (weights ? rmr_weights_bytes(weights) : 0) +
                 rmr_sentence_bytes(&model->sentence);
    full.similarity = config->similarity;
    full.default_prompt =
        model->prompts.chosen ? model->prompts.chosen->name : NULL;
    full.task = model->task;
    full.num_labels = model->head ? (uint32_t)model->head->labels.count : 0;
    full.adapter =
        model->adapter ? rmr_adapter_directory(model->adapter) : NULL;
    memcpy(info, &full, info->size < sizeof full ? info->size : sizeof full);
}

int rmr_model_prompt(const rmr_model *model, size_t index, const char **name,
                     rmr_text *text)
{
    int found = index < model->prompts.count;
    const rmr_prompt *prompt = found ? &model->prompts.items[index] : NULL;
    *name = found ? prompt->name : NULL;
    *text = found ? (rmr_text){prompt->text, prompt->len} : (rmr_text){0};
    return found;
}

rmr_status rmr_model_find_task(const char *path, rmr_task *task, rmr_error *err)
{
    rmr_head_kind kind = RMR_HEAD_NONE;
    int is_sparse = 0;
    rmr_status status = rmr_head_find(&kind, path, err);
    if (!status && kind == RMR_HEAD_ANSWER) {
        int found;
        status = rmr_answer_find(&found, path, err);
        kind = found ? RMR_HEAD_CLASSIFY : RMR_HEAD_NONE;
    }
    if (status == RMR_ERR_IO)
        status = RMR_OK; /* opening the model says what is missing */
    if (!status && kind == RMR_HEAD_FILL)
        status = rmr_config_find_sparse(&is_sparse, path, err);
    *task = kind == RMR_HEAD_CLASSIFY ? RMR_TASK_CLASSIFY
            : kind == RMR_HEAD_TOKENS ? RMR_TASK_TOKEN_CLASSIFY
            : is_sparse               ? RMR_TASK_EMBED_SPARSE
                                      : RMR_TASK_EMBED;
    return status;
}

const char *rmr_model_label(const rmr_model *model, size_t index)
{
    const rmr_head *head = model->head;
    return head && index < head->labels.count ? head->labels.names[index]
                                              : NULL;
}

rmr_status rmr_model_encode(const rmr_model *model, rmr_text text,
                            rmr_truncate truncate, rmr_encoding *encoding,
                            rmr_error *err)
{
    if (model->answer)
        return rmr_answer_encode(model->answer, model->tokenizer, text,
                                 model->config.max_tokens, truncate, encoding,
                                 err);
    if (model->config.is_static)
        return rmr_static_encode(&model->config, model->tokenizer, text,
                                 truncate, encoding, err);
    return rmr_tokenizer_encode(model->tokenizer, text.data, text.len,
                                model->config.max_tokens, truncate, encoding,
                                err);
}

/* As sentence-transformers counts it: without a special token at the end. */
rmr_status rmr_model_count_prompt(const rmr_model *model, rmr_text prompt,
                                  uint32_t *count, rmr_error *err)
{
    const rmr_config *config = &model->config;
    rmr_encoding encoding = {0};
    *count = 0;
    if (!prompt.len || !config->pooling.exclude_prompt)
        return RMR_OK;
    rmr_status status =
        rmr_model_encode(model, prompt, RMR_TRUNCATE_END, &encoding, err);
    if (!status && encoding.count) {
        uint32_t last = encoding.tokens[encoding.count - 1].id;
        *count = (uint32_t)encoding.count -
                 (uint32_t)rmr_tokenizer_is_special(model->tokenizer, last);
    }
    rmr_encoding_free(&encoding);
    return status;
}

void rmr_workspace_free(rmr_workspace *workspace)
{
    rmr_free(workspace->bytes);
    workspace->bytes = NULL;
    workspace->capacity = 0;
}

/* Room for `bytes`; what was there before is lost. */
static rmr_status reserve(rmr_workspace *workspace, size_t bytes,
                          rmr_error *err)
{
    if (bytes <= workspace->capacity)
        return RMR_OK;
    rmr_workspace_free(workspace);
    workspace->bytes = rmr_malloc_aligned(bytes);
    if (!workspace->bytes)
        return rmr_fail_nomem(err, "a batch");
    workspace->capacity = bytes;
    return RMR_OK;
}

static int all_finite(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            return 0;
    }
    return 1;
}

/* Cuts a text's vector and gives it its length. */
static void finish(const rmr_kern *kern, size_t size, float *values,
                   rmr_vector *vector)
{
    if (vector->normalize != RMR_UNIT_NEVER)
        kern->l2_normalize(vector->normalize == RMR_UNIT_BEFORE_CUT
                               ? size
                               : vector->dimensions,
                           values);
    vector->finite = all_finite(values, vector->dimensions);
    if (vector->finite)
        memcpy(vector->values, values, vector->dimensions * sizeof *values);
}

/* The same for the rows of a sequence's tokens. */
static void finish_tokens(const rmr_kern *kern, size_t rows, size_t size,
                          float *hidden, rmr_vector *vector)
{
    if (vector->normalize != RMR_UNIT_NEVER) {
        for (size_t r = 0; r < rows; r++)
            kern->l2_normalize(size, hidden + r * size);
    }
    vector->finite = all_finite(hidden, rows * size);
    if (vector->finite)
        memcpy(vector->values, hidden, rows * size * sizeof *hidden);
}

static void pool(const rmr_model *model, const rmr_batch *batch,
                 const float *rows, const rmr_vector *vectors, float *pooled)
{
    const rmr_config *config = &model->config;
    size_t hidden = config->hidden_size;
    size_t size = hidden * config->pooling.count;
    for (size_t s = 0; s < batch->num_seqs; s++) {
        size_t begin = batch->cu_seqlens[s], end = batch->cu_seqlens[s + 1];
        rmr_pool(&config->pooling, &model->kern, end - begin, hidden,
                 vectors[s].prompt_tokens, rows + begin * hidden,
                 pooled + s * size);
    }
}

/* Floats of the widest of a text's vectors on its way. */
static size_t widest(const rmr_model *model)
{
    size_t pooled = model->config.hidden_size * model->config.pooling.count;
    return model->sentence.widest > pooled ? model->sentence.widest : pooled;
}

/* What comes after pooling: pooled is [num_seqs, widest], as is scratch. */
static void run_sentence(const rmr_model *model, const rmr_batch *batch,
                         float *hidden, float *pooled, float *scratch,
                         rmr_vector *vectors)
{
    const rmr_config *config = &model->config;
    size_t size = config->hidden_size, dim = config->output_size;
    float *out = rmr_sentence_run(&model->sentence, &model->kern,
                                  batch->num_seqs, pooled, scratch);
    for (size_t s = 0; s < batch->num_seqs; s++) {
        size_t begin = batch->cu_seqlens[s], end = batch->cu_seqlens[s + 1];
        if (vectors[s].of_tokens)
            finish_tokens(&model->kern, end - begin, size,
                          hidden + begin * size, &vectors[s]);
        else
            finish(&model->kern, dim, out + s * dim, &vectors[s]);
    }
}

/* What a batch needs beside the architecture's own scratch: after it. */
static size_t result_bytes(const rmr_model *model, const rmr_batch *batch,
                           unsigned members)
{
    const rmr_head *head = model->head;
    if (!head)
        return 2 * batch->num_seqs * widest(model) * sizeof(float);
    if (head->kind == RMR_HEAD_FILL)
        return rmr_words_scratch_bytes(head, members);
    size_t rows =
        head->kind == RMR_HEAD_TOKENS ? batch->tokens : batch->num_seqs;
    return rmr_head_scratch_bytes(head, members) +
           rows * head->labels.count * sizeof(float);
}

/* Logits of each sequence, or of its tokens. */
static void run_head(const rmr_model *model, const rmr_batch *batch,
                     const float *hidden, unsigned members, void *scratch,
                     rmr_vector *vectors)
{
    const rmr_head *head = model->head;
    int of_tokens = head->kind == RMR_HEAD_TOKENS;
    float *logits =
        (float *)((char *)scratch + rmr_head_scratch_bytes(head, members));
    (of_tokens ? rmr_head_tokens : rmr_head_classify)(head, batch, hidden,
                                                      scratch, logits);
    for (size_t s = 0; s < batch->num_seqs; s++) {
        size_t rows =
            of_tokens ? batch->cu_seqlens[s + 1] - batch->cu_seqlens[s] : 1;
        size_t count = rows * head->labels.count;
        vectors[s].finite = all_finite(logits, count);
        if (vectors[s].finite)
            memcpy(vectors[s].values, logits, count * sizeof *logits);
        logits += count;
    }
}

rmr_status rmr_model_run(const rmr_model *model, const rmr_batch *batch,
                         rmr_vector *vectors, rmr_workspace *workspace,
                         rmr_stop *stop, void *context, rmr_error *err)
{
    const rmr_arch *arch = model->arch;
    unsigned members = rmr_team_members(workspace->team);
    size_t needed = arch->scratch_bytes(model->bound, batch, members);
    rmr_status status =
        reserve(workspace, needed + result_bytes(model, batch, members), err);
    if (status)
        return status;
    float *result = (float *)((char *)workspace->bytes + needed);
    if (arch->embed)
        arch->embed(model->bound, batch, workspace->bytes, result);
    else if (arch->forward(model->bound, batch, workspace->bytes,
                           workspace->team, stop, context))
        return rmr_fail(err, RMR_ERR_CANCELED, "the batch was canceled");
    if (model->task == RMR_TASK_FILL_MASK) {
        rmr_words_fill(model->head, batch, workspace->bytes, result,
                       workspace->team, vectors);
        return RMR_OK;
    }
    if (model->task == RMR_TASK_EMBED_SPARSE)
        return rmr_words_sparse(model->head, batch, workspace->bytes, result,
                                workspace->team, vectors, err);
    if (model->head) {
        run_head(model, batch, workspace->bytes, members, result, vectors);
        return RMR_OK;
    }
    if (!arch->embed)
        pool(model, batch, workspace->bytes, vectors, result);
    run_sentence(model, batch, workspace->bytes, result,
                 result + batch->num_seqs * widest(model), vectors);
    return RMR_OK;
}
