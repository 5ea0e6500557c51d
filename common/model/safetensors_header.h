/*
 * safetensors_header.h - one safetensors file: its header checked, its tensors
 * listed. What is done with them is safetensors.c's business.
 */
#ifndef RMR_MODEL_SAFETENSORS_HEADER_H
#define RMR_MODEL_SAFETENSORS_HEADER_H

#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"

enum { RMR_TENSOR_MAX_DIMS = 8 };

typedef struct rmr_tensor {
    char *name;        /* owned */
    const char *dtype; /* the format's own name, "F32"; static */
    uint64_t shape[RMR_TENSOR_MAX_DIMS];
    size_t num_dims;
    uint64_t begin;   /* offset from the start of the file's data */
    const void *data; /* [bytes], inside the mapped file */
    uint64_t bytes;
    const char *file; /* path, for errors; borrowed */
    int was_read;     /* as floats, by safetensors.c */
} rmr_tensor;

typedef struct rmr_tensor_list {
    rmr_tensor *items; /* [count], owned */
    size_t count;
    size_t capacity;
} rmr_tensor_list;

/* Appends the tensors of the file mapped at data; `path` is kept for errors
 * and must outlive the list. */
rmr_status rmr_safetensors_list(rmr_tensor_list *list, const char *data,
                                size_t size, const char *path, rmr_error *err);
void rmr_tensor_list_free(rmr_tensor_list *list);

#endif
