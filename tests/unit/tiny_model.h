/*
 * tiny_model.h - a complete BERT directory with small random weights, written
 * into a fresh temporary directory: config.json, model.safetensors (or
 * shards), tokenizer.json, modules.json, 1_Pooling/config.json and
 * sentence_bert_config.json. One option varies or breaks one thing; what no
 * option does is done with tiny_write over the file. It must never stand in
 * for a real model in a test about what vectors mean.
 *
 *     tiny_model *tiny = tiny_model_new(&(tiny_options){.pooling = "cls"});
 *     rmr_model_open(&model, tiny->directory, NULL, &err);
 *     ...
 *     tiny_model_free(tiny);
 *
 * A file that cannot be written ends the program with a message.
 */
#ifndef RMR_TESTS_TINY_MODEL_H
#define RMR_TESTS_TINY_MODEL_H

#include <stddef.h>
#include <stdint.h>

/* Every field at 0 or NULL means its default, in brackets; so {0} is a good
 * model. Tensors are named without the prefix, "embeddings.LayerNorm.weight".
 */
typedef struct tiny_options {
    uint64_t seed;                    /* of the weights [1] */
    uint32_t hidden_size;             /* [24] */
    uint32_t num_hidden_layers;       /* [2] */
    uint32_t num_attention_heads;     /* [3] */
    uint32_t intermediate_size;       /* [40] */
    uint32_t max_position_embeddings; /* [48] */
    uint32_t type_vocab_size;         /* [2] */
    uint32_t vocab_size;     /* rows of the table [the tokenizer's count] */
    uint32_t max_seq_length; /* sentence_bert_config.json's [32] */
    const char *dtype;       /* "F32", "F16", "BF16" ["F32"] */
    const char *prefix;      /* of tensor names, "bert." [""] */
    int gamma_beta;          /* LayerNorm.gamma and .beta, as of old */
    const char *hidden_act;  /* ["gelu"] */
    const char *pooling;     /* "cls", "mean", "max"; "" for no modules.json
                              * at all ["mean"] */
    int no_normalize;        /* no 2_Normalize module */
    const char *head;        /* a class, "BertForSequenceClassification",
                              * "BertForTokenClassification" or
                              * "BertForMaskedLM": config.json names it, and its
                              * tensors are there, which have no prefix but for
                              * "pooler.dense" [none] */
    uint32_t num_labels;     /* of it [3] */
    const char *config;      /* more members for config.json, after a comma:
                              * ", \"is_decoder\": true" [""] */
    uint32_t shards;         /* that many files and an index [0: one file] */
    uint32_t misalign;       /* tensor data at this offset modulo 4 */
    const char *omit;        /* a tensor that is left out */
    const char *reshape;     /* a tensor with one column too many */
    const char *poison;      /* a tensor whose last value is `poison_value` */
    float poison_value;
} tiny_options;

/* values are those that a reader gets: rounded to dtype. */
typedef struct tiny_tensor {
    char name[96];
    uint64_t rows; /* 0 for a vector of `columns` */
    uint64_t columns;
    float *values;
} tiny_tensor;

typedef struct tiny_model {
    char *directory;
    tiny_options options; /* with the defaults filled in */
    tiny_tensor *tensors; /* [count] */
    size_t count;
} tiny_model;

tiny_model *tiny_model_new(const tiny_options *options);
/* Removes the directory too, and all that was put there. */
void tiny_model_free(tiny_model *model);

/* The values of a tensor, for a reference to compute with. */
const float *tiny_values(const tiny_model *model, const char *name);

/* Entries of the tokenizer: [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4,
 * letters and digits alone and as "##x", punctuation, a few words. */
uint32_t tiny_vocab_size(void);

/* A new directory, allocated; tiny_remove_directory removes it with what is in
 * it and frees the name. */
char *tiny_directory(void);
void tiny_remove_directory(char *directory);

/* directory/name, in a static buffer that the fourth call after uses again. */
const char *tiny_path(const char *directory, const char *name);
/* Writes a file, making the directories of `name`; tiny_write_text takes a
 * terminated string. The old file, if any, is replaced by rename. */
void tiny_write(const char *directory, const char *name, const void *data,
                size_t size);
void tiny_write_text(const char *directory, const char *name, const char *text);
void tiny_remove(const char *directory, const char *name);
/* The bytes of a file and a NUL after them, allocated. */
char *tiny_read(const char *directory, const char *name, size_t *size);

/* A tensor of another file: its shape as JSON has it, "[2,3]", its bytes. */
typedef struct tiny_part {
    const char *name, *dtype, *shape;
    const void *data;
    size_t bytes;
} tiny_part;

/* Writes a safetensors file with these, one behind the other. */
void tiny_write_parts(const char *directory, const char *name,
                      const tiny_part *parts, size_t count);

/* Seeded pseudo-random numbers: 64 bits, [0, 1), [-1, 1). */
uint64_t tiny_random(uint64_t *state);
double tiny_uniform(uint64_t *state);
float tiny_signed(uint64_t *state);

#endif
