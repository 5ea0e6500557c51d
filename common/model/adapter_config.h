/*
 * adapter_config.h - what adapter_config.json says of an adapter, as PEFT
 * writes it: ranks and scales of LoRA (Hu et al. 2021).
 */
#ifndef RMR_MODEL_ADAPTER_CONFIG_H
#define RMR_MODEL_ADAPTER_CONFIG_H

#include <stdint.h>
#include "common/base/json.h"

enum { RMR_MAX_ADAPTER_RANK = 1 << 16 };

typedef struct rmr_adapter_config {
    json_t *root;
    uint32_t rank;
    double alpha;
    int use_rslora;
    const json_t *rank_pattern, *alpha_pattern; /* borrowed of root, or NULL */
} rmr_adapter_config;

/* Reads DIRECTORY/adapter_config.json. Errors: IO, FORMAT, RANGE, UNSUPPORTED
 * (another kind of adapter; a field that is not known, or asks for what is not
 * done), NOMEM. */
rmr_status rmr_adapter_config_read(rmr_adapter_config *config,
                                   const char *directory, rmr_error *err);
void rmr_adapter_config_free(rmr_adapter_config *config);

/* The rank of the layer whose module is the first `len` bytes of `module`, and
 * what its product is multiplied by. */
void rmr_adapter_config_find(const rmr_adapter_config *config,
                             const char *module, size_t len, uint32_t *rank,
                             double *scale);

#endif
