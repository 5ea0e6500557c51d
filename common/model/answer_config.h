/*
 * answer_config.h - what sentence-transformers says of a decoder that reranks.
 */
#ifndef RMR_MODEL_ANSWER_CONFIG_H
#define RMR_MODEL_ANSWER_CONFIG_H

#include <stdint.h>
#include "common/base/error.h"

/* Refuses what sentence_bert_config.json, where there is one, says beside
 * modules.json that is not so of a classifier, or of a decoder that is asked by
 * a chat template. Errors: IO, FORMAT, UNSUPPORTED, NOMEM. */
rmr_status rmr_answer_check_options(const char *directory, int is_asked,
                                    rmr_error *err);

/* *has_modules: there is a modules.json; it is Transformer and a LogitScore of
 * these tokens, beside the chat template. Errors: IO, FORMAT, UNSUPPORTED,
 * NOMEM. */
rmr_status rmr_answer_check_modules(const char *directory, uint32_t yes,
                                    uint32_t no, int *has_modules,
                                    rmr_error *err);

#endif
