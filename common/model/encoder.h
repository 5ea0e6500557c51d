/*
 * encoder.h - the layers that transformers share, encoders and decoders alike:
 * self-attention and a feed-forward network, each joined to a hidden state,
 * over a packed batch and by all members of a team. What differs from one
 * architecture to the next is said by the layers, never by the architecture's
 * name.
 */
#ifndef RMR_MODEL_ENCODER_H
#define RMR_MODEL_ENCODER_H

#include "common/model/arch.h"
#include "common/model/convolution.h"
#include "common/model/linear.h"
#include "common/model/rope.h"

/* How a part of a layer is joined to the hidden state; of norms those that
 * there are. */
typedef struct rmr_residual {
    rmr_norm before; /* of what the part takes */
    rmr_norm within; /* of what it gives, before that is added; */
    int adds_twice;  /* the hidden state is added before that norm too */
    rmr_norm after;  /* of the sum */
} rmr_residual;

typedef struct rmr_encoder_layer {
    rmr_residual attention, feed_forward;
    rmr_linear qkv; /* queries of all heads, then keys, then values */
    /* Of each head's queries and keys, or of all heads' at once. */
    rmr_norm query_norm, key_norm;
    int norms_all_heads;
    size_t rope;          /* which of the encoder's */
    size_t before, after; /* tokens that a token sees to each side */
    rmr_linear attention_output;
    rmr_linear gate; /* its activation multiplies `intermediate`; of 0 outputs
                      * where that has the activation itself */
    rmr_linear intermediate, output;
} rmr_encoder_layer;

/* Writes the first layer's input for tokens [first, last) of the batch into
 * hidden [last - first, hidden_size]; scratch is [last - first, embed_columns].
 */
typedef void rmr_encoder_embed(const void *embeddings, const rmr_batch *batch,
                               size_t first, size_t last, float *scratch,
                               float *hidden);

/* Sets what the scores of a head's attention have besides their products, in
 * layer `layer`, counted from 0; it may change the scale. What it sets may
 * point to `scratch`, bias_floats of it. */
typedef void rmr_encoder_bias(const void *context, size_t layer, size_t head,
                              float *scratch, rmr_attention_args *args,
                              rmr_attention_bias *bias);

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
    rmr_norm last_norm; /* of what leaves the last layer, if any */
    rmr_encoder_embed *embed;
    size_t embed_columns; /* floats of scratch that it needs for a token */
    const void *embeddings;
    float attention_scale;
    rmr_encoder_bias *bias; /* or NULL */
    /* Floats of scratch that it needs for a sequence; or NULL. */
    size_t (*bias_floats)(const void *context, size_t length);
    const void *bias_context;
    rmr_rope ropes[RMR_MAX_ROPES];      /* those without a size turn nothing */
    const rmr_convolution *convolution; /* beside the first layer, or NULL */
    const rmr_encoder_tap *tap; /* or NULL; its models run without a team */
} rmr_encoder;

/* Of queries, keys and values. */
rmr_dtype rmr_encoder_attention_dtype(const rmr_encoder *encoder);

/* As rmr_arch's scratch_bytes and forward. */
size_t rmr_encoder_scratch_bytes(const rmr_encoder *encoder,
                                 const rmr_batch *batch, unsigned members);
int rmr_encoder_forward(const rmr_encoder *encoder, const rmr_batch *batch,
                        void *scratch, rmr_team *team, rmr_stop *stop,
                        void *context);

#endif
