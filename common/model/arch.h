/*
 * arch.h - what an architecture is to the rest of the core: a name, a way to
 * bind weights, and a forward pass over a packed batch. One file per
 * architecture, one line per architecture in arch.c.
 */
#ifndef RMR_MODEL_ARCH_H
#define RMR_MODEL_ARCH_H

#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"
#include "common/base/team.h"
#include "common/model/config.h"
#include "common/model/safetensors.h"
#include "kernels/kern.h"

/* Sequences packed end to end, without padding. */
typedef struct rmr_batch {
    const uint32_t *ids;        /* [tokens] */
    const uint32_t *type_ids;   /* [tokens] */
    const uint32_t *cu_seqlens; /* [num_seqs + 1]: 0, then where each ends */
    size_t num_seqs;
    size_t tokens;
    size_t longest; /* length of the longest sequence */
} rmr_batch;

struct rmr_encoder_tap;

/* Asked between layers; not 0 abandons the pass. */
typedef int rmr_stop(void *context);

typedef struct rmr_arch rmr_arch;

struct rmr_arch {
    const char *model_type; /* config.json's */
    const char *title;      /* what it is called; for documents, as */
    const char *options;    /* what of config.json is read beside sizes */
    /* The reference is code beside the weights, which "auto_map" names, and not
     * a library: that code is not run, but written anew here. */
    int is_remote;

    const struct rmr_family_names *family; /* family.h; or NULL */
    const struct rmr_heads *heads;         /* head.h; or NULL */

    const char *max_positions; /* what config.json calls how many there are;
                                * NULL: "max_position_embeddings" */
    /* Positions of tokens begin here; or after the id of padding that
     * config.json says (RoBERTa's). */
    uint32_t positions_from;
    int positions_after_padding;

    /* Reads what config.json says of the encoder, but for positions. Errors:
     * those of rmr_config_read. */
    rmr_status (*read_config)(rmr_config *config, rmr_json_source source,
                              rmr_error *err);

    /* Binds the tensors, packed by `kern` for arithmetic in `dtype`; *out is
     * given to the functions below, and points to all these. Errors name the
     * tensor. */
    rmr_status (*bind)(void **out, const rmr_arch *arch,
                       const rmr_config *config, rmr_weights *weights,
                       const rmr_kern *kern, rmr_dtype dtype, rmr_error *err);
    void (*unbind)(void *bound);

    /* Sets an encoder's tap; encoder.h. */
    void (*watch)(void *bound, const struct rmr_encoder_tap *tap);

    /* Bytes of scratch, aligned to RMR_ALIGNMENT, that `forward` needs for a
     * batch that so many members work on. */
    size_t (*scratch_bytes)(const void *bound, const rmr_batch *batch,
                            unsigned members);

    /* Writes the last hidden state, [tokens, hidden_size], into the beginning
     * of `scratch`; the team may be NULL. Returns 0, or 1 when `stop`
     * abandoned it. Ids and lengths have been checked by the caller. */
    int (*forward)(const void *bound, const rmr_batch *batch, void *scratch,
                   rmr_team *team, rmr_stop *stop, void *context);

    /* Instead of forward, where tokens have no vectors of their own, or NULL:
     * writes each sequence's vector, y [num_seqs, hidden_size]; 0 for one
     * without tokens. */
    void (*embed)(const void *bound, const rmr_batch *batch, void *scratch,
                  float *y);
};

extern const rmr_arch rmr_arch_albert;
extern const rmr_arch rmr_arch_bert;
extern const rmr_arch rmr_arch_camembert;
extern const rmr_arch rmr_arch_deberta;
extern const rmr_arch rmr_arch_distilbert;
extern const rmr_arch rmr_arch_electra;
extern const rmr_arch rmr_arch_model2vec;
extern const rmr_arch rmr_arch_gemma3;
extern const rmr_arch rmr_arch_gte;
extern const rmr_arch rmr_arch_jina;
extern const rmr_arch rmr_arch_llama;
extern const rmr_arch rmr_arch_mistral;
extern const rmr_arch rmr_arch_modernbert;
extern const rmr_arch rmr_arch_mpnet;
extern const rmr_arch rmr_arch_new;
extern const rmr_arch rmr_arch_nomic;
extern const rmr_arch rmr_arch_qwen3;
extern const rmr_arch rmr_arch_roberta;
extern const rmr_arch rmr_arch_xlm_roberta;

/* The architecture number i, by model_type; NULL behind the last one. */
const rmr_arch *rmr_arch_at(size_t i);

/* The architecture of a model_type; NULL and an error listing the known ones,
 * which names `path`, when there is none. */
const rmr_arch *rmr_arch_find(const char *model_type, const char *path,
                              rmr_error *err);

#endif
