/*
 * model.h - an opened model: configuration, weights, tokenizer, and one
 * function that turns a packed batch into what its task asks for. Immutable;
 * who owns it and how long is the registry's business
 * (common/runtime/registry.c).
 */
#ifndef RMR_MODEL_MODEL_H
#define RMR_MODEL_MODEL_H

#include "common/base/error.h"
#include "common/base/team.h"
#include "common/model/adapter.h"
#include "common/model/answer.h"
#include "common/model/arch.h"
#include "common/model/config.h"
#include "common/model/head.h"
#include "common/model/prompts.h"
#include "common/model/safetensors.h"
#include "kernels/kern.h"
#include "tokenizer/tokenizer.h"

struct rmr_model {
    char *path; /* the directory, as first opened */
    rmr_dtype dtype;
    rmr_task task;
    rmr_config config;
    rmr_weights *weights;
    rmr_adapter *adapter; /* merged into these, or NULL */
    rmr_tokenizer *tokenizer;
    const rmr_arch *arch;  /* NULL: the tokenizer alone */
    void *bound;           /* the architecture's own */
    rmr_head *head;        /* of its task; NULL: it makes vectors */
    rmr_answer *answer;    /* how it is asked, where its head is ANSWER */
    int takes_pairs;       /* two texts can be one sequence */
    uint32_t mask;         /* the token to be filled, for the task of that */
    rmr_sentence sentence; /* what comes after pooling */
    rmr_prompts prompts;
    rmr_kern kern;
    _Atomic size_t references; /* the registry's */
};

/* Opens a directory as rmr_model_open says, always another one. What it has in
 * common with a sibling, of the same files and dtype, or NULL, exists once. */
rmr_status rmr_model_load(rmr_model **out, const char *path,
                          const rmr_model_options *options,
                          const rmr_model *sibling, rmr_error *err);
void rmr_model_unload(rmr_model *model);

/* Scratch memory of one compute thread; grows, is reused, belongs to nobody
 * else. Starts zeroed. */
typedef struct rmr_workspace {
    void *bytes;
    size_t capacity;
    rmr_team *team; /* that the thread leads now, or NULL; not owned */
} rmr_workspace;

void rmr_workspace_free(rmr_workspace *workspace);

/* When a vector is brought to unit length. */
typedef enum rmr_unit_length {
    RMR_UNIT_NEVER,
    RMR_UNIT_AFTER_CUT,
    RMR_UNIT_BEFORE_CUT
} rmr_unit_length;

/* Words with their scores; items are owned by whoever has this. */
typedef struct rmr_words {
    rmr_word *items; /* [count] */
    size_t count;
} rmr_words;

/* What is wanted of one sequence, where it goes, what became of it. Where the
 * model has a head, these are its logits: num_labels, of each token where the
 * task is theirs. */
typedef struct rmr_vector {
    uint32_t dimensions;       /* 1 to output_size: where it is cut */
    rmr_unit_length normalize; /* to unit length */
    uint32_t prompt_tokens;    /* that pooling leaves out */
    int of_tokens; /* 1: the last hidden state of each token instead, [tokens,
                    * hidden_size]; not of static embeddings */
    float *values; /* the caller's: [dimensions], or logits */
    /* Of RMR_TASK_FILL_MASK alone: */
    const uint32_t *masks; /* [num_masks], tokens of the sequence */
    size_t num_masks;
    rmr_word *words; /* the caller's: [num_masks, top_k], best first */
    uint32_t top_k;  /* of words, 1 to vocab_size; */
    /* of RMR_TASK_EMBED_SPARSE the heaviest so many, or 0: all. */
    rmr_words *sparse; /* the caller's, empty before: by rising id */
    int finite;        /* set: 0 when a component was NaN or infinite, and
                        * values was left alone */
} rmr_vector;

/* A text as the model sees it, at most as long as it takes; of one that
 * answers, what it is asked. Errors: those of rmr_tokenizer_encode. */
rmr_status rmr_model_encode(const rmr_model *model, rmr_text text,
                            rmr_truncate truncate, rmr_encoding *encoding,
                            rmr_error *err);

/* How many of a text's tokens pooling leaves out where it comes after this
 * prompt: 0 unless the model says so. Errors: NOMEM. */
rmr_status rmr_model_count_prompt(const rmr_model *model, rmr_text prompt,
                                  uint32_t *count, rmr_error *err);

/*
 * Runs the encoder over a batch with at least one sequence, each of 1 to
 * max_position_embeddings tokens with ids below vocab_size; pools, cuts and
 * normalises into vectors[s] for sequence s, or runs the head. Errors: CANCELED
 * when `stop` said so, NOMEM.
 */
rmr_status rmr_model_run(const rmr_model *model, const rmr_batch *batch,
                         rmr_vector *vectors, rmr_workspace *workspace,
                         rmr_stop *stop, void *context, rmr_error *err);

#endif
