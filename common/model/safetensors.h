/*
 * safetensors.h - the weights of a model directory: model.safetensors, or the
 * shards that model.safetensors.index.json names, mapped and indexed by name.
 * Format: https://github.com/huggingface/safetensors#format
 *
 * Headers are checked as strictly as the reference does: every tensor lies in
 * its file, has the size that its shape and dtype say, overlaps no other and
 * leaves no hole.
 */
#ifndef RMR_MODEL_SAFETENSORS_H
#define RMR_MODEL_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"

typedef struct rmr_weights rmr_weights;

/* Opens the weights in `directory`. sha256: what model.safetensors must have,
 * or NULL. Errors: IO, FORMAT, UNSUPPORTED (pickled weights only; sha256 of
 * shards), RANGE (sha256 differs), NOMEM. */
rmr_status rmr_weights_open(rmr_weights **out, const char *directory,
                            const char *sha256, rmr_error *err);
void rmr_weights_close(rmr_weights *weights);

/* The same of adapter_model.safetensors. */
rmr_status rmr_weights_open_adapter(rmr_weights **out, const char *directory,
                                    rmr_error *err);

/* RANGE unless model.safetensors, followed by the adapter's file where the
 * weights have an adapter, has this digest; UNSUPPORTED for shards. */
rmr_status rmr_weights_check_sha256(const rmr_weights *weights,
                                    const char *expected, rmr_error *err);

/* 1 when a tensor has this name. */
int rmr_weights_has(const rmr_weights *weights, const char *name);

/* The number of rows (first dimension) of the tensor; 0 when there is none. */
uint64_t rmr_weights_rows(const rmr_weights *weights, const char *name);

/*
 * The tensor as float32, row-major, owned by `weights`: the mapping itself
 * where the file has aligned F32, else a converted copy (F16, BF16). It must
 * have the shape [rows, columns], or [columns] when rows is 0, and hold finite
 * values only. Errors: FORMAT
 * (missing, wrong shape), UNSUPPORTED (dtype), RANGE (NaN or infinity), NOMEM;
 * each names file and tensor.
 */
rmr_status rmr_weights_f32(rmr_weights *weights, const char *name,
                           uint64_t rows, uint64_t columns, const float **out,
                           rmr_error *err);

/* The same of [rows, columns, width]: a convolution's; 0: no third dimension.
 */
rmr_status rmr_weights_f32_wide(rmr_weights *weights, const char *name,
                                uint64_t rows, uint64_t columns, uint64_t width,
                                const float **out, rmr_error *err);

/* One row, below rows, of the tensor [rows, columns] into out [columns]. It
 * counts for nothing below. Same errors. */
rmr_status rmr_weights_row(rmr_weights *weights, const char *name,
                           uint64_t rows, uint64_t columns, uint64_t row,
                           float *out, rmr_error *err);

/* The dtype of the tensor, by the format's name, "I8"; NULL when there is no
 * such tensor. */
const char *rmr_weights_dtype(const rmr_weights *weights, const char *name);

/* The path of the file that has the tensor, for errors; of the first one when
 * none has. */
const char *rmr_weights_file(const rmr_weights *weights, const char *name);

/* The bytes of a tensor, where they are mapped: it must have this dtype and
 * this shape, as rmr_weights_f32. It counts for nothing below. Errors: FORMAT.
 */
rmr_status rmr_weights_raw(const rmr_weights *weights, const char *name,
                           const char *dtype, uint64_t rows, uint64_t columns,
                           const void **out, rmr_error *err);

/* All tensors in the order of their names; NULL from the last one on. */
const struct rmr_tensor *rmr_weights_tensor(const rmr_weights *weights,
                                            size_t index);

/* These tensors, of a file that outlives the weights, take the place of those
 * of their names, or come beside them; names are copied. Errors: FORMAT (two
 * have one name), NOMEM. */
rmr_status rmr_weights_replace(rmr_weights *weights,
                               const struct rmr_tensor *tensors, size_t count,
                               rmr_error *err);

/* 1 when rmr_weights_f32 gave out the tensor of that name, or a row of it. */
int rmr_weights_was_read(const rmr_weights *weights, const char *name);

/* What is merged into linear layers' weights while a model is bound, or NULL:
 * adapter.h. Not owned. */
struct rmr_adapter;
void rmr_weights_set_adapter(rmr_weights *weights, struct rmr_adapter *adapter);
struct rmr_adapter *rmr_weights_adapter(const rmr_weights *weights);

/* What the model has in common with others, or NULL: shared.h. The reference
 * becomes the weights' own. */
struct rmr_shared;
void rmr_weights_set_shared(rmr_weights *weights, struct rmr_shared *shared);
struct rmr_shared *rmr_weights_shared(const rmr_weights *weights);

/* Who is asked and told about weights that are quantized while a model is
 * bound, or NULL: quantize.h. Not owned. */
struct rmr_quantizer;
void rmr_weights_set_quantizer(rmr_weights *weights,
                               struct rmr_quantizer *quantizer);
struct rmr_quantizer *rmr_weights_quantizer(const rmr_weights *weights);

/* Memory for `count` floats made from tensors, freed with the weights; NULL
 * when out of memory. */
float *rmr_weights_alloc(rmr_weights *weights, size_t count);

/* Memory for `bytes` of packed weights, aligned to 64, one after another in
 * huge pages, freed with the weights; NULL when out of memory. */
void *rmr_weights_alloc_packed(rmr_weights *weights, size_t bytes);

/* The caller is done with `count` values that rmr_weights_f32 gave out: a copy
 * is freed, and mapped pages leave memory until somebody reads them again. */
void rmr_weights_forget(rmr_weights *weights, const float *values,
                        size_t count);

/* Counts values that rmr_weights_raw's tensors stand for, and bytes of them
 * that are kept; both may be negative. */
void rmr_weights_count(rmr_weights *weights, int64_t parameters, int64_t bytes);

/* The caller is done with bytes that rmr_weights_raw gave out: their pages
 * leave memory until somebody reads them again. */
void rmr_weights_drop(const void *data, size_t bytes);

/* Values in the tensors that rmr_weights_f32 gave out, and the bytes that are
 * kept of them, mapped and made. */
uint64_t rmr_weights_num_parameters(const rmr_weights *weights);
uint64_t rmr_weights_bytes(const rmr_weights *weights);

#endif
