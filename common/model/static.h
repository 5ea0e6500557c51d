/*
 * static.h - models without layers: a table of embeddings, and their mean over
 * a text's tokens. model2vec's directories, and the StaticEmbedding module of
 * sentence-transformers.
 */
#ifndef RMR_MODEL_STATIC_H
#define RMR_MODEL_STATIC_H

#include "common/model/arch.h"
#include "common/model/config.h"
#include "common/model/safetensors.h"
#include "tokenizer/tokenizer.h"

/* Reads the sizes of the table into a config of such a model. Errors: FORMAT,
 * UNSUPPORTED, naming the tensor. */
rmr_status rmr_static_read_sizes(rmr_config *config, const rmr_weights *weights,
                                 rmr_error *err);

/* Reads what depends on the tokenizer: how long a text may be. Errors:
 * UNSUPPORTED (the tokenizer's own limit keeps the end). */
rmr_status rmr_static_read_limits(rmr_config *config,
                                  const rmr_tokenizer *tokenizer,
                                  rmr_error *err);

/* Encodes as the reference does: without special tokens; model2vec's also
 * without unknown ones, of as many characters as tokens may have. Errors: those
 * of rmr_tokenizer_encode. */
rmr_status rmr_static_encode(const rmr_config *config,
                             const rmr_tokenizer *tokenizer, rmr_text text,
                             rmr_truncate truncate, rmr_encoding *encoding,
                             rmr_error *err);

#endif
