/*
 * head.h - what comes after an encoder: layers that make logits of the last
 * hidden state, for a sequence or for each token; what they are called, what
 * config.json says of them, and what the logits stand for. A model that is
 * opened for embeddings has no head bound.
 */
#ifndef RMR_MODEL_HEAD_H
#define RMR_MODEL_HEAD_H

#include "common/base/json.h"
#include "common/model/arch.h"
#include "common/model/linear.h"
#include "common/model/pooling.h"

/* By the end of the class that config.json's "architectures" names. */
typedef enum rmr_head_kind {
    RMR_HEAD_NONE = 0, /* the encoder alone */
    RMR_HEAD_CLASSIFY, /* ForSequenceClassification */
    RMR_HEAD_TOKENS,   /* ForTokenClassification */
    RMR_HEAD_FILL,     /* ForMaskedLM, ForPreTraining */
    RMR_HEAD_ANSWER    /* ForCausalLM: yes or no, answer.h */
} rmr_head_kind;

/* The task that it is for: "text-classification", "token-classification",
 * "fill-mask", "text-generation". */
const char *rmr_head_task(rmr_head_kind kind);

/* -------------------------------------------------------------------- names
 *
 * A head is a linear layer with an activation, and perhaps a normalisation,
 * where there is one, and a linear layer whose outputs are the logits. */

typedef struct rmr_head_activation {
    rmr_activation kernel;
    int is_hidden;     /* config.json's, of the encoder, instead; */
    const char *field; /* or what this field of it says, where it does */
} rmr_head_activation;

typedef struct rmr_head_names rmr_head_names;

struct rmr_head_names {
    /* The names where this field of config.json is there and false, or NULL. */
    const char *field;
    const rmr_head_names *where_false;
    /* Which vector stands for a sequence: what config.json's field says or,
     * where that is missing or there is none (NULL), this one; 0: cls. */
    const char *pooling_field;
    rmr_pooling pooling;
    int ends_before_padding; /* a sequence ends with its last token that is not
                              * config.json's "pad_token_id", or */
    int pads_with_0;         /* where that is missing, not 0; else none is */
    const char *dense;       /* or NULL: the logits come of the hidden state */
    int dense_is_of_encoder; /* its name has the encoder's prefix */
    rmr_head_activation activation;
    const char *dense_bias; /* the field that says that it has a bias; NULL:
                             * it has */
    const char *norm;       /* of what comes of it, or NULL */
    const char *output;     /* NULL: there is no such head */
    int is_words;           /* or it is the table of words, and never its own */
    int without_bias;       /* it has none */
    const char *output_bias; /* the field that is false where it has none */
    const char *bias; /* whole, where the output has none of its own; NULL:
                       * it has */
};

/* BERT's of sequences, by what its pooler makes of the first token, and of
 * tokens. */
#define RMR_BERT_CLASSIFIERS                                                   \
    .classify = {.dense = "pooler.dense",                                      \
                 .dense_is_of_encoder = 1,                                     \
                 .activation = {.kernel = RMR_ACTIVATION_TANH},                \
                 .output = "classifier"},                                      \
    .tokens = {.output = "classifier"}

/* A decoder's of sequences, by their last token. */
#define RMR_DECODER_CLASSIFIER(zero_is_padding)                                \
    .classify = {.pooling = RMR_POOLING_LASTTOKEN,                             \
                 .ends_before_padding = 1,                                     \
                 .pads_with_0 = (zero_is_padding),                             \
                 .output = "score",                                            \
                 .without_bias = 1}

/* Those of an architecture. */
typedef struct rmr_heads {
    const char *const *prefixes; /* of its encoder's tensors, for */
    const char *words;           /* rmr_bind_prefix, with the table of words */
    const char *not_beside; /* a field of config.json with which there are none,
                             * or NULL */
    /* Where `fill` or `answer` has no weight of its own, that is the table of
     * words. */
    rmr_head_names classify, tokens, fill, answer;
} rmr_heads;

/* ------------------------------------------------------------------- labels
 */

enum { RMR_MAX_LABELS = 1 << 16, RMR_MAX_LABEL_BYTES = 256 };

/* What the outputs of a classifier are called, in their order: each differs
 * from the others, and is UTF-8 without NUL. */
typedef struct rmr_labels {
    size_t count;
    char **names; /* [count], owned */
} rmr_labels;

/* Reads "id2label" of config.json or, where there is none, makes names of
 * "num_labels", which is 2 unless it says otherwise, as the reference does.
 * Errors: FORMAT, RANGE (too many, or too long), NOMEM. */
rmr_status rmr_labels_read(rmr_labels *labels, rmr_json_source source,
                           rmr_error *err);
/* The one of this name. Errors: NOMEM. */
rmr_status rmr_labels_set(rmr_labels *labels, const char *name, rmr_error *err);
void rmr_labels_free(rmr_labels *labels);

/* ------------------------------------------------------------------- scores
 */

/* What makes scores of a sequence's logits, as the reference's pipeline. */
typedef enum rmr_scores {
    RMR_SCORES_SOFTMAX, /* one label of several */
    RMR_SCORES_SIGMOID, /* each label by itself; or the only one */
    RMR_SCORES_RAW      /* regression: the logits themselves */
} rmr_scores;

/* Reads "problem_type" of config.json. Errors: FORMAT. */
rmr_status rmr_scores_read(rmr_scores *scores, rmr_json_source source,
                           size_t num_labels, rmr_error *err);

/* Reads what makes a score of a cross-encoder's one logit: "activation_fn" of
 * config_sentence_transformers.json, whose object may be NULL; of before,
 * "sentence_transformers": {"activation_fn"}, and of before that,
 * "sbert_ce_default_activation_function" of config.json; else the sigmoid.
 * Errors: FORMAT, UNSUPPORTED (another function). */
rmr_status rmr_rank_scores_read(rmr_scores *scores, rmr_json_source source,
                                rmr_json_source sentence, rmr_error *err);

/* Logits to scores, in place. 0, and nothing done, when one is not finite. */
int rmr_score(rmr_scores scores, size_t count, float *logits);

/* --------------------------------------------------------------------- head
 */

typedef struct rmr_head {
    rmr_head_kind kind;
    const rmr_head_names *names;
    rmr_labels labels;      /* none of FILL; of ANSWER "yes" */
    rmr_scores scores;      /* of a sequence's */
    rmr_scores rank_scores; /* of the one label of a pair */
    const rmr_config *config;
    const rmr_kern *kern;
    rmr_poolings pooling; /* of one mode */
    int64_t padding;      /* the id that a sequence ends before; -1: none */
    int has_dense;
    int dense_has_bias, output_has_bias;
    rmr_linear dense;
    rmr_activation activation;
    rmr_norm norm;     /* or NULLs */
    int is_tied;       /* FILL and ANSWER may be without weights of their own */
    rmr_linear output; /* labels.count or, of FILL, vocab_size outputs */
    float *answer;     /* [hidden_size], owned: of ANSWER instead */
} rmr_head;

/* What kind of head the directory's config.json names. Errors: IO, FORMAT,
 * NOMEM. */
rmr_status rmr_head_find(rmr_head_kind *kind, const char *directory,
                         rmr_error *err);

/* Whether an architecture has a head of that kind. */
int rmr_head_exists(const rmr_arch *arch, rmr_head_kind kind);

/*
 * Binds the model's head of that kind, in float32 but for the logits of words,
 * which come of products in the model's dtype. ANSWER is for a model whose
 * `answer` is open. What it points to is owned by the model, which outlives it.
 * Not while another thread uses the model's weights. Errors: FORMAT
 * (config.json names another kind; a tensor is missing, has another shape, or
 * other outputs than there are labels), UNSUPPORTED (the architecture has no
 * such head), those of rmr_labels_read and rmr_weights_f32.
 */
rmr_status rmr_head_bind(rmr_head **out, rmr_head_kind kind,
                         const rmr_model *model, rmr_error *err);
void rmr_head_free(rmr_head *head);

/* Bytes of scratch, aligned to RMR_ALIGNMENT, for any batch that so many
 * members work on. */
size_t rmr_head_scratch_bytes(const rmr_head *head, unsigned members);

/* Of hidden [tokens, hidden_size], a batch's last hidden state: the logits of
 * each sequence, [num_seqs, labels.count], of ANSWER too; or of each token,
 * [tokens, labels.count]. They are the same whatever else is in the batch. */
void rmr_head_classify(const rmr_head *head, const rmr_batch *batch,
                       const float *hidden, void *scratch, float *logits);
void rmr_head_tokens(const rmr_head *head, const rmr_batch *batch,
                     const float *hidden, void *scratch, float *logits);

/* Logits of FILL, [count, vocab_size], for `tokens` [count] of hidden, each a
 * row's number. The team may be NULL. */
void rmr_head_fill(const rmr_head *head, const float *hidden,
                   const uint32_t *tokens, size_t count, void *scratch,
                   rmr_team *team, float *logits);

/* What FILL makes of a whole text, rows [first, last) of hidden: for each word
 * the largest log(1 + relu(logit)), [vocab_size] (Formal et al. 2021, SPLADE).
 * 0 when one is not finite. */
int rmr_head_sparse(const rmr_head *head, const float *hidden, size_t first,
                    size_t last, void *scratch, rmr_team *team, float *weights);

/* ---------------------------------------- what its files share, of FILL too
 */

enum { RMR_HEAD_ROWS = 24 }; /* that are run at a time */

/* Bytes of what rmr_head_inner writes. */
size_t rmr_head_inner_bytes(const rmr_head *head);

/* At most RMR_HEAD_ROWS rows x, [rows, hidden_size], to what the logits come
 * of, by way of `inner`; returns that, or x where there is nothing between. */
const float *rmr_head_inner(const rmr_head *head, size_t rows, const float *x,
                            float *inner);

#endif
