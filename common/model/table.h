/*
 * table.h - an embedding table in the type that a model is opened with.
 */
#ifndef RMR_MODEL_TABLE_H
#define RMR_MODEL_TABLE_H

#include "common/model/safetensors.h"
#include "kernels/kern.h"

/* Takes the tensor `name` [rows, columns]; what the table points to is owned by
 * the weights. Errors: those of rmr_weights_f32. */
rmr_status rmr_table_bind(rmr_table *table, rmr_weights *weights,
                          const char *name, size_t rows, size_t columns,
                          rmr_dtype dtype, rmr_error *err);

/* A row [columns] as a table of that type gives it. Errors: NOMEM. */
rmr_status rmr_table_round(float *row, size_t columns, rmr_dtype dtype,
                           const rmr_kern *kern, rmr_error *err);

#endif
