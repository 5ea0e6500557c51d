/*
 * hidden_states.c - what an encoder, or its head, makes of tokens, without a
 * tokenizer: for comparing architectures with the reference. It must never run
 * anything but the model's own forward pass and head.
 *
 * usage: hidden_states [--layers | --logits | --scores | --sparse]
 *        MODEL DTYPE [ADAPTER] < SEQUENCES > VALUES
 *
 * A line of ids is a sequence; those after "|" are of segment 1. Writes float32
 * [tokens, hidden_size] of all sequences, as one batch, one after another; with
 * --layers, of the embeddings, and then of each layer. With --logits writes
 * what the head that config.json names makes of them; with --scores, of a
 * sequence classifier, what that stands for; with --sparse, of a masked
 * language model, a sequence's weights of words. ADAPTER is the directory of a
 * LoRA adapter of the model.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/model/encoder.h"
#include "common/model/family.h"
#include "common/model/head.h"
#include "common/model/model.h"

enum { MAX_TOKENS = 1 << 20, MAX_SEQS = 1 << 16 };

static uint32_t ids[MAX_TOKENS], type_ids[MAX_TOKENS], ends[MAX_SEQS + 1];
static rmr_batch batch = {.ids = ids, .type_ids = type_ids, .cu_seqlens = ends};
static rmr_error err;

static void check(rmr_status status)
{
    if (!status)
        return;
    fprintf(stderr, "hidden_states: %s\n", err.message);
    exit(1);
}

static void read_line(char *line)
{
    uint32_t type = 0;
    for (char *word = strtok(line, " \n"); word; word = strtok(NULL, " \n")) {
        if (strcmp(word, "|") == 0) {
            type = 1;
            continue;
        }
        if (batch.tokens == MAX_TOKENS || batch.num_seqs == MAX_SEQS)
            exit(2);
        ids[batch.tokens] = (uint32_t)strtoul(word, NULL, 10);
        type_ids[batch.tokens++] = type;
    }
    size_t length = batch.tokens - ends[batch.num_seqs];
    batch.longest = length > batch.longest ? length : batch.longest;
    ends[++batch.num_seqs] = (uint32_t)batch.tokens;
}

/* The layers' hidden states, [layers + 1, tokens, hidden_size]. */
typedef struct layers {
    size_t columns;
    float *values;
} layers;

static void keep(void *context, size_t layer, size_t first, size_t rows,
                 const float *hidden)
{
    const layers *l = context;
    memcpy(l->values + (layer * batch.tokens + first) * l->columns, hidden,
           rows * l->columns * sizeof *hidden);
}

static int never(void *context)
{
    (void)context;
    return 0;
}

static void check_ids(const rmr_config *config)
{
    for (size_t t = 0; t < batch.tokens; t++) {
        if (ids[t] >= config->vocab_size ||
            batch.longest > config->max_positions) {
            fprintf(stderr, "hidden_states: no such token or position\n");
            exit(1);
        }
    }
}

static void *allocate(size_t bytes)
{
    void *block = rmr_malloc_aligned(bytes ? bytes : 1);
    if (!block)
        exit(1);
    return block;
}

/* The last hidden state, at the beginning of what is to be freed. */
static float *run(const rmr_model *model)
{
    const rmr_arch *arch = model->arch;
    void *scratch = allocate(arch->scratch_bytes(model->bound, &batch, 1));
    arch->forward(model->bound, &batch, scratch, NULL, never, NULL);
    return scratch;
}

static void write_hidden(const rmr_model *model)
{
    float *hidden = run(model);
    fwrite(hidden, sizeof *hidden, batch.tokens * model->config.hidden_size,
           stdout);
    rmr_free(hidden);
}

static void write_layers(const rmr_model *model)
{
    const rmr_config *config = &model->config;
    size_t num_layers = (size_t)config->num_hidden_layers *
                        (config->inner_group_num ? config->inner_group_num : 1);
    size_t count = (num_layers + 1) * batch.tokens * config->hidden_size;
    layers kept = {config->hidden_size, allocate(count * sizeof(float))};
    rmr_encoder_tap tap = {.hidden = keep, .context = &kept};
    model->arch->watch(model->bound, &tap);
    rmr_free(run(model));
    fwrite(kept.values, sizeof(float), count, stdout);
    rmr_free(kept.values);
}

/* One row for each sequence, or for each token. */
static size_t run_head(const rmr_head *head, const float *hidden, void *scratch,
                       float *logits)
{
    static uint32_t all[MAX_TOKENS];
    for (size_t t = 0; t < batch.tokens; t++)
        all[t] = (uint32_t)t;
    if (head->kind == RMR_HEAD_CLASSIFY)
        rmr_head_classify(head, &batch, hidden, scratch, logits);
    else if (head->kind == RMR_HEAD_TOKENS)
        rmr_head_tokens(head, &batch, hidden, scratch, logits);
    else
        rmr_head_fill(head, hidden, all, batch.tokens, scratch, NULL, logits);
    return head->kind == RMR_HEAD_CLASSIFY ? batch.num_seqs : batch.tokens;
}

/* One row for each sequence. */
static size_t run_sparse(const rmr_head *head, const float *hidden,
                         void *scratch, float *weights)
{
    for (size_t s = 0; s < batch.num_seqs; s++) {
        if (!rmr_head_sparse(head, hidden, ends[s], ends[s + 1], scratch, NULL,
                             weights + s * head->output.weight.out))
            exit(1);
    }
    return batch.num_seqs;
}

static void write_logits(const rmr_model *model, const char *option)
{
    rmr_head_kind kind;
    rmr_head *head;
    check(rmr_head_find(&kind, model->path, &err));
    check(rmr_head_bind(&head, kind, model, &err));
    float *hidden = run(model);
    void *scratch = allocate(rmr_head_scratch_bytes(head, 1));
    size_t columns = head->output.weight.out;
    float *logits = allocate(batch.tokens * columns * sizeof *logits);
    size_t rows = strcmp(option, "--sparse") == 0
                      ? run_sparse(head, hidden, scratch, logits)
                      : run_head(head, hidden, scratch, logits);
    for (size_t r = 0; r < rows && strcmp(option, "--scores") == 0; r++) {
        if (!rmr_score(head->scores, columns, logits + r * columns))
            exit(1);
    }
    fwrite(logits, sizeof *logits, rows * columns, stdout);
    rmr_free(logits);
    rmr_free(scratch);
    rmr_free(hidden);
    rmr_head_free(head);
}

static void open_model(rmr_model *model, char *path, const char *dtype,
                       const char *adapter)
{
    model->path = path;
    check(rmr_dtype_parse(dtype, &model->dtype, &err));
    check(rmr_config_read(&model->config, path, &err));
    check(rmr_weights_open(&model->weights, path, NULL, &err));
    rmr_kern_init(&model->kern, rmr_kern_tiers());
    model->arch = rmr_arch_find(model->config.model_type, path, &err);
    if (!model->arch)
        check(err.status);
    if (adapter)
        check(rmr_adapter_open(&model->adapter, adapter, model->weights,
                               model->arch->family->prefixes, &err));
    check(model->arch->bind(&model->bound, model->arch, &model->config,
                            model->weights, &model->kern, model->dtype, &err));
}

int main(int argc, char **argv)
{
    int given = argc > 1 && strncmp(argv[1], "--", 2) == 0;
    const char *option = given ? argv[1] : "";
    static rmr_model model;
    char *line = NULL;
    size_t cap = 0;
    argc -= given;
    argv += given;
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: hidden_states [--layers | --logits | --scores "
                        "| --sparse] MODEL DTYPE [ADAPTER]\n");
        return 2;
    }
    open_model(&model, argv[1], argv[2], argc == 4 ? argv[3] : NULL);
    while (getline(&line, &cap, stdin) > 0)
        read_line(line);
    free(line);
    check_ids(&model.config);
    if (strcmp(option, "--layers") == 0)
        write_layers(&model);
    else if (*option)
        write_logits(&model, option);
    else
        write_hidden(&model);
    if (model.adapter)
        check(rmr_adapter_check_used(model.adapter, &err));
    model.arch->unbind(model.bound);
    rmr_weights_close(model.weights);
    rmr_adapter_close(model.adapter);
    return 0;
}
