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
 * hidden [last - first, hidden_size]; scratch is [last - first, embed_columns].
 */
typedef void rmr_encoder_embed(const void *embeddings, const rmr_batch *batch,
                               size_t first, size_t last, float *scratch,
                               float *hidden);

/* The bias of a head's attention over a sequence of `length` tokens, in layer
 * `layer`, counted from 0; what it points to outlives the pass. */
typedef void rmr_encoder_bias(const void *embeddings, size_t layer, size_t head,
                              size_t length, rmr_attention_bias *bias);

/* Told what goes on inside, where a model is calibrated or compared. */
typedef struct rmr_encoder_tap {
    /* The left operands of all linear layers that are float32; or NULL. */
    void (*take)(void *context, const rmr_linear *linear, size_t rows,
                 const float *x, size_t x_stride);
    /* Tokens [first, first + rows) of the batch as they leave layer `layer`,
     * counted from 1, or the embeddings, 0: [rows, hidden_size]; or NULL. */
    void (*hidden)(void *context, size_t layer, size_t first, size_t rows,
                   const float *hidden);
    void *context;
} rmr_encoder_tap;

/* An encoder as its architecture bound it; owns nothing. */
typedef struct rmr_encoder {
    const rmr_config *config;
    const rmr_kern *kern;
    rmr_dtype dtype;                        /* of the layers' weights */
    const rmr_encoder_layer *const *layers; /* [num_layers]; the same one may
                                             * come more than once */
    size_t num_layers;
    rmr_encoder_embed *embed;
    size_t embed_columns; /* floats of scratch that it needs for a token */
    const void *embeddings;
    rmr_encoder_bias *bias;     /* or NULL */
    const rmr_encoder_tap *tap; /* or NULL; its models run without a team */
} rmr_encoder;

/* As rmr_arch's scratch_bytes and forward. */
size_t rmr_encoder_scratch_bytes(const rmr_encoder *encoder,
                                 const rmr_batch *batch, unsigned members);
int rmr_encoder_forward(const rmr_encoder *encoder, const rmr_batch *batch,
                        void *scratch, rmr_team *team, rmr_stop *stop,
                        void *context);

#endif
