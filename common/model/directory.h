/*
 * directory.h - writes a model directory: new weights with what the source
 * directory says of the model besides.
 */
#ifndef RMR_MODEL_DIRECTORY_H
#define RMR_MODEL_DIRECTORY_H

#include "common/base/error.h"
#include "common/model/safetensors_header.h"

/* Errors: IO when there is something of that name, or no place for it; NOMEM.
 */
rmr_status rmr_directory_check_absent(const char *directory, rmr_error *err);

/*
 * Writes model.safetensors with these tensors, in an order of its own;
 * config.json, the source's with a "quantization_config" that says `dtype`; and
 * copies of the source's other .json, .txt, .model and .jinja files, those of
 * its folders too, and these folders' model.safetensors. The directory appears
 * whole or not at all. Errors: IO, FORMAT, NOMEM.
 */
rmr_status rmr_directory_write(const char *directory, const char *source,
                               rmr_tensor_list *tensors, rmr_dtype dtype,
                               rmr_error *err);

#endif
