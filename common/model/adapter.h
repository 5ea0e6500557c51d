/*
 * adapter.h - a LoRA adapter (Hu et al. 2021) in a directory as PEFT writes it,
 * merged into the weights of the model that it was trained on while these are
 * bound: W + scale * B A, in float32.
 */
#ifndef RMR_MODEL_ADAPTER_H
#define RMR_MODEL_ADAPTER_H

#include "common/model/safetensors.h"

typedef struct rmr_adapter rmr_adapter;

/*
 * Opens DIRECTORY/adapter_config.json and adapter_model.safetensors beside it
 * for `weights`, which have it from then on until they are closed, before it
 * is. What it holds of whole tensors ("modules_to_save") takes the place of
 * theirs. prefixes, up to "", are those that names may have there and here, or
 * only in one place. Errors: IO, FORMAT (a tensor that is not named as PEFT
 * does), those of rmr_adapter_config_read and rmr_weights_open, NOMEM.
 */
rmr_status rmr_adapter_open(rmr_adapter **out, const char *directory,
                            rmr_weights *weights, const char *const *prefixes,
                            rmr_error *err);
void rmr_adapter_close(rmr_adapter *adapter);

/* Its own file, which lives as long as it. */
const rmr_weights *rmr_adapter_weights(const rmr_adapter *adapter);

/* As it was opened. */
const char *rmr_adapter_directory(const rmr_adapter *adapter);

/* 1 when it has something for the tensor `name` of the model. */
int rmr_adapter_changes(const rmr_adapter *adapter, const char *name);

/* Adds to a linear layer's weight [rows, columns], the tensor `name` of the
 * model, what the adapter has for it, if anything. Errors: those of
 * rmr_weights_f32; RANGE (the sum is not finite); NOMEM. */
rmr_status rmr_adapter_merge(rmr_adapter *adapter, const char *name,
                             size_t rows, size_t columns, float *weight,
                             rmr_error *err);

/* FORMAT, naming it, when there is a tensor that has been used for nothing. */
rmr_status rmr_adapter_check_used(const rmr_adapter *adapter, rmr_error *err);

#endif
