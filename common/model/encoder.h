/*
 * encoder.h - the layers that encoders of BERT's kind share: self-attention and
 * a feed-forward network, each with a residual and a layer normalisation after
 * it, over a packed batch and by all members of a team.
 */
#ifndef RMR_MODEL_ENCODER_H
#define RMR_MODEL_ENCODER_H

#include "common/model/arch.h"
#include "common/model/linear.h"

typedef struct rmr_encoder_layer {
    rmr_linear qkv; /* queries, keys and values: [3 * hidden_size] outputs */
    rmr_linear attention_output;
    rmr_norm attention_norm;
    rmr_linear intermediate, output;
    rmr_norm output_norm;
} rmr_encoder_layer;

/* Writes the first layer's input for tokens [first, last) of the batch into
 * hidden [last - first, hidden_size]. */
typedef void rmr_encoder_embed(const void *embeddings, const rmr_batch *batch,
                               size_t first, size_t last, float *hidden);

/* Told of the left operands of all linear layers that are float32, while a
 * model is calibrated. */
typedef struct rmr_encoder_tap {
    void (*take)(void *context, const rmr_linear *linear, size_t rows,
                 const float *x, size_t x_stride);
    void *context;
} rmr_encoder_tap;

/* An encoder as its architecture bound it; owns nothing. */
typedef struct rmr_encoder {
    const rmr_config *config;
    const rmr_kern *kern;
    rmr_dtype dtype;                 /* of the layers' weights */
    const rmr_encoder_layer *layers; /* [num_hidden_layers] */
    rmr_encoder_embed *embed;
    const void *embeddings;
    const rmr_encoder_tap *tap; /* or NULL; its models run without a team */
} rmr_encoder;

/* As rmr_arch's scratch_bytes and forward. */
size_t rmr_encoder_scratch_bytes(const rmr_encoder *encoder,
                                 const rmr_batch *batch, unsigned members);
int rmr_encoder_forward(const rmr_encoder *encoder, const rmr_batch *batch,
                        void *scratch, rmr_team *team, rmr_stop *stop,
                        void *context);

#endif
