/*
 * rope.h - rotary positions (Su et al. 2021, RoFormer): pairs of a head's
 * components are turned by angles that grow with the token's position, each
 * pair at a pace of its own.
 */
#ifndef RMR_MODEL_ROPE_H
#define RMR_MODEL_ROPE_H

#include <stddef.h>

#include "common/base/error.h"
#include "common/base/json.h"

enum { RMR_MAX_ROPES = 2 };

typedef enum rmr_rope_scaling {
    RMR_ROPE_PLAIN,
    RMR_ROPE_LINEAR,    /* all paces divided by `factor` */
    RMR_ROPE_LLAMA3,    /* slow ones divided, fast ones left, some between */
    RMR_ROPE_NTK,       /* GTE's: a larger base, and less of `factor` */
    RMR_ROPE_NTK_MIXED, /* the same by mixed_b: more, the slower they are */
    RMR_ROPE_DYNAMIC    /* Nomic's: a larger base for longer sequences */
} rmr_rope_scaling;

typedef struct rmr_rope {
    size_t size;     /* components of a head that turn, the first, even; 0:
                      * none do */
    int interleaved; /* pairs are neighbours, not the same place of two halves
                      */
    rmr_rope_scaling scaling;
    float theta; /* the base of the paces */
    float factor, low_freq_factor, high_freq_factor, mixed_b;
    float original_positions; /* that the model was trained on */
} rmr_rope;

/* Where config.json says how positions turn. */
typedef struct rmr_rope_names {
    const char *theta;   /* "rope_theta"; */
    const char *scaling; /* "rope_scaling", or NULL: never scaled; */
    const char *layers;  /* or, in newer files' "rope_parameters", this kind of
                          * layers where it is told apart: "full_attention" */
} rmr_rope_names;

/* Reads it into `rope`, whose size is set, and theta to what it is when nothing
 * says. Errors: FORMAT, RANGE, UNSUPPORTED (another scaling). */
rmr_status rmr_rope_read(rmr_rope *rope, rmr_json_source source,
                         const rmr_rope_names *names, rmr_error *err);

/* Cosines and sines of positions [first, last) of a sequence of `length`
 * tokens: turns [last - first, size], for each the cosines of its pairs, then
 * their sines, in float32 as the reference has them. */
void rmr_rope_fill(const rmr_rope *rope, size_t length, size_t first,
                   size_t last, float *turns);

/* Turns a head's components, in place, by a row of those. */
void rmr_rope_turn(const rmr_rope *rope, const float *turns, float *head);

#endif
