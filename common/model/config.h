/*
 * config.h - what a model directory says about its model: config.json, and the
 * sentence-transformers files beside it.
 */
#ifndef RMR_MODEL_CONFIG_H
#define RMR_MODEL_CONFIG_H

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/model/pooling.h"
#include "common/model/sentence.h"
#include "common/model/rope.h"
#include "kernels/kern.h"

enum { RMR_MODEL_TYPE_CHARS = 32, RMR_MAX_LAYERS = 1024 };

/* How what is called a norm normalises, all of a model's alike. */
typedef enum rmr_norm_kind {
    RMR_NORM_LAYER,   /* by mean and variance, with weight and bias */
    RMR_NORM_NO_BIAS, /* without the bias */
    RMR_NORM_RMS,     /* by the root of the mean square, with a weight */
    RMR_NORM_RMS_ONE  /* the weight is what comes on top of 1 (Gemma's) */
} rmr_norm_kind;

/* Linear layers that have a bias, as bits of a mask. */
enum {
    RMR_BIAS_QKV = 1 << 0,
    RMR_BIAS_ATTENTION = 1 << 1,
    RMR_BIAS_INTERMEDIATE = 1 << 2,
    RMR_BIAS_OUTPUT = 1 << 3,
    RMR_BIAS_ALL = 15
};

/* DeBERTa's positions, by config.json's names. */
typedef struct rmr_disentangled {
    uint32_t span; /* distances told apart in each direction; 0: none are */
    uint32_t position_buckets, max_relative_positions;
    int c2p, p2c; /* content looks at positions, and they at it */
    int share_att_key;
    int norm_rel_ebd;
    uint32_t conv_kernel_size, conv_groups; /* size 0: no convolution */
    rmr_activation conv_act;
} rmr_disentangled;

/* Field names are those of config.json, where there is one. */
typedef struct rmr_config {
    char model_type[RMR_MODEL_TYPE_CHARS];
    uint32_t vocab_size;
    uint32_t hidden_size;
    uint32_t num_hidden_layers;
    uint32_t num_attention_heads;
    uint32_t num_key_value_heads; /* divides the heads, which share these */
    uint32_t head_dim;            /* components of a head */
    uint32_t intermediate_size;
    uint32_t max_position_embeddings;
    uint32_t positions_from;  /* the first token's position: 0, or where padding
                               * has positions of its own, its id + 1 */
    uint32_t max_positions;   /* tokens that there are positions for */
    int has_positions;        /* a table of them */
    uint32_t type_vocab_size; /* 0: segments make no difference */
    uint32_t embedding_size;  /* hidden_size unless it says otherwise */
    float embedding_scale;    /* that words are multiplied with */
    uint32_t num_hidden_groups; /* 0: each layer has weights of its own */
    uint32_t inner_group_num;   /* layers of a group */
    uint32_t relative_attention_num_buckets;        /* MPNet's; 0: none */
    int alibi;                                      /* JinaBERT's */
    int logn_attention_scale, logn_attention_clip1; /* GTE's */
    rmr_disentangled disentangled;
    rmr_activation hidden_act; /* of the intermediate layer, or of its gate */
    int gated;                 /* there is a gate */
    unsigned biases;           /* RMR_BIAS_... */
    rmr_norm_kind norm;        /* in layers, and behind them */
    rmr_norm_kind embedding_norm;
    float layer_norm_eps;
    float attention_scale; /* of scores */
    int is_causal;         /* tokens see those before them */
    uint32_t window;       /* of layers that slide: tokens that a token sees
                            * to each side */
    unsigned char slides[RMR_MAX_LAYERS]; /* 1: the layer does */
    rmr_rope ropes[RMR_MAX_ROPES]; /* of layers that see all, that slide */
    uint32_t max_tokens;           /* what sentence-transformers cuts at */
    int has_modules;               /* there is a modules.json */
    rmr_poolings pooling;
    int pooling_guessed;                        /* nothing said how to pool */
    rmr_module_config modules[RMR_MAX_MODULES]; /* after pooling */
    size_t num_modules;
    int normalize;        /* a Normalize module ends the model, behind these */
    uint32_t output_size; /* components of what the modules give, */
    uint32_t dim;         /* and of what is kept of it: truncate_dim */
    rmr_similarity similarity; /* similarity_fn_name */
    int do_lower_case;         /* sentence_bert_config.json's */
    int is_static;      /* a table of embeddings and their mean: static.h; then
                         * max_tokens is 0 where there is no limit, */
    int drops_unknown;  /* model2vec's: without unknown tokens, */
    uint64_t max_chars; /* and of so many characters of a text, or 0: all */
    char static_path[RMR_MODULE_PATH_CHARS]; /* the folder of its table and
                                              * tokenizer */
    int is_quantized; /* by rmr_model_quantize, to stored_dtype */
    rmr_dtype stored_dtype;
} rmr_config;

/* A whole number of config.json and what is believable for it; a fallback of
 * RMR_JSON_REQUIRED makes a missing one an error. */
typedef struct rmr_config_field {
    const char *name;
    int64_t min, max, fallback;
    uint32_t *out;
} rmr_config_field;

rmr_status rmr_config_read_fields(rmr_json_source source,
                                  const rmr_config_field *fields, size_t count,
                                  rmr_error *err);

/* What an architecture calls fields, and what they are when they are missing.
 */
typedef struct rmr_config_names {
    const char *hidden_size, *num_hidden_layers, *num_attention_heads;
    const char *num_key_value_heads, *head_dim; /* or NULL: as usual */
    const char *intermediate_size; /* NULL: four times hidden_size */
    const char *hidden_act;        /* NULL: something else says */
    const char *default_act;
    const char *type_vocab_size; /* NULL: there are no segments */
    uint32_t fewest_types;
    const char *epsilon;
    double default_epsilon;
    const char *position_type; /* the only "position_embedding_type"; NULL:
                                * something else says */
} rmr_config_names;

/* Reads the sizes of an encoder, its activation and its epsilon, and sets what
 * the rest is usually; refuses options that change the arithmetic. Errors:
 * those of rmr_config_read. */
rmr_status rmr_config_read_encoder(rmr_config *config, rmr_json_source source,
                                   const rmr_config_names *names,
                                   rmr_error *err);

/* An activation by its name. Errors: UNSUPPORTED. */
rmr_status rmr_config_read_activation(rmr_activation *activation,
                                      rmr_json_source source, const char *field,
                                      const char *fallback, rmr_error *err);

/* A yes or no that is for nothing but yes, or for nothing but no. Errors:
 * UNSUPPORTED. */
rmr_status rmr_config_expect_bool(rmr_json_source source, const char *field,
                                  int expected, int fallback, rmr_error *err);

/* The ropes of layers that see all and of those that slide, over whole heads;
 * thetas: where nothing says. Errors: those of rmr_rope_read. */
rmr_status rmr_config_read_ropes(rmr_config *config, rmr_json_source source,
                                 const rmr_rope_names names[RMR_MAX_ROPES],
                                 const float thetas[RMR_MAX_ROPES],
                                 rmr_error *err);

/* Which layers slide, where "layer_types" says so; *found is 0 where it is not
 * there. Errors: FORMAT (not as many as layers), UNSUPPORTED (another type). */
rmr_status rmr_config_read_layer_types(rmr_config *config,
                                       rmr_json_source source, int *found,
                                       rmr_error *err);

/* The same by BERT's names. */
rmr_status rmr_config_read_bert(rmr_config *config, rmr_json_source source,
                                rmr_error *err);

/* Learns whether a directory has static embeddings: model2vec's config.json,
 * which is still to be read, or else a modules.json that begins with
 * StaticEmbedding. Sets is_static, drops_unknown and static_path. Errors: those
 * of rmr_config_read. */
rmr_status rmr_config_find_static(rmr_config *config, const char *directory,
                                  rmr_error *err);

/* Reads config.json of an encoder in `directory`. Errors: IO, FORMAT, RANGE
 * (absurd sizes), UNSUPPORTED (options that change the arithmetic and are not
 * run), NOMEM. The sentence-transformers fields get their defaults. */
rmr_status rmr_config_read(rmr_config *config, const char *directory,
                           rmr_error *err);

/* Whether a module of modules.json has the type `name` of
 * sentence-transformers. */
int rmr_module_is(const char *type, const char *name);

/* Reads modules.json, the modules' own files, sentence_bert_config.json,
 * config_sentence_transformers.json but for prompts, and tokenizer_config.json,
 * where present, over a config that rmr_config_read filled. Same errors. */
rmr_status rmr_config_read_modules(rmr_config *config, const char *directory,
                                   rmr_error *err);

/* Reads of these files what says how long a text may be: for a model that makes
 * no vectors. Same errors. */
rmr_status rmr_config_read_lengths(rmr_config *config, const char *directory,
                                   rmr_error *err);

/* The same for sparse vectors: also modules.json, which must be a SparseEncoder
 * as this library runs it, SpladePooling's file and sentence_bert_config.json,
 * where present. Same errors. */
rmr_status rmr_config_read_sparse(rmr_config *config, const char *directory,
                                  rmr_error *err);

/* Whether modules.json, if there is one, names SpladePooling. Errors: FORMAT,
 * IO, NOMEM. */
rmr_status rmr_config_find_sparse(int *is_sparse, const char *directory,
                                  rmr_error *err);

/*
 * The max_tokens that the first two give where they succeed, for a directory
 * of which only the tokenizer is used: from max_position_embeddings of
 * config.json, whose meaning is known for supported architectures alone;
 * tokenizer_config.json; and, beside modules.json, sentence_bert_config.json.
 * 0: none of them says. Nothing else of the files is looked at. Same errors.
 */
rmr_status rmr_config_read_max_tokens(uint32_t *max_tokens,
                                      const char *directory, rmr_error *err);

#endif
