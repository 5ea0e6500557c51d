/*
 * hidden_states.c - what an encoder makes of tokens, without a tokenizer: for
 * comparing architectures with the reference. It must never run anything but
 * the model's own forward pass.
 *
 * usage: hidden_states [--layers] MODEL DTYPE < SEQUENCES > VALUES
 *
 * A line of ids is a sequence; those after "|" are of segment 1. Writes float32
 * [tokens, hidden_size] of all sequences, as one batch, one after another; with
 * --layers, of the embeddings, and then of each layer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/model/encoder.h"
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

static void run(const rmr_arch *arch, void *bound, const rmr_config *config,
                int all)
{
    size_t columns = config->hidden_size;
    size_t layer = batch.tokens * columns, count = layer;
    size_t num_layers = (size_t)config->num_hidden_layers *
                        (config->inner_group_num ? config->inner_group_num : 1);
    layers kept = {columns,
                   rmr_calloc((num_layers + 1) * layer, sizeof(float))};
    rmr_encoder_tap tap = {.hidden = keep, .context = &kept};
    void *scratch = rmr_malloc_aligned(arch->scratch_bytes(bound, &batch, 1));
    if (!kept.values || !scratch)
        exit(1);
    if (all)
        arch->watch(bound, &tap);
    arch->forward(bound, &batch, scratch, NULL, never, NULL);
    if (all)
        count = (num_layers + 1) * layer;
    fwrite(all ? kept.values : scratch, sizeof(float), count, stdout);
    rmr_free(kept.values);
    rmr_free(scratch);
}

int main(int argc, char **argv)
{
    int all = argc > 1 && strcmp(argv[1], "--layers") == 0;
    if (argc != 3 + all) {
        fprintf(stderr, "usage: hidden_states [--layers] MODEL DTYPE\n");
        return 2;
    }
    rmr_config config;
    rmr_weights *weights;
    rmr_kern kern;
    rmr_dtype dtype;
    void *bound;
    char *line = NULL;
    size_t cap = 0;
    check(rmr_dtype_parse(argv[2 + all], &dtype, &err));
    check(rmr_config_read(&config, argv[1 + all], &err));
    check(rmr_weights_open(&weights, argv[1 + all], NULL, &err));
    const rmr_arch *arch =
        rmr_arch_find(config.model_type, argv[1 + all], &err);
    rmr_kern_init(&kern, rmr_kern_tiers());
    check(arch->bind(&bound, arch, &config, weights, &kern, dtype, &err));
    while (getline(&line, &cap, stdin) > 0)
        read_line(line);
    free(line);
    check_ids(&config);
    run(arch, bound, &config, all);
    arch->unbind(bound);
    rmr_weights_close(weights);
    return 0;
}
