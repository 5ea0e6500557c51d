/*
 * identity.h - what tells one model directory from another without reading
 * what is in its files.
 */
#ifndef RMR_RUNTIME_IDENTITY_H
#define RMR_RUNTIME_IDENTITY_H

#include <stdint.h>
#include "common/base/error.h"

/* Equal for the same files under the same names, whatever the directory is
 * called; compare every field. */
typedef struct rmr_identity {
    uint64_t digest[2];
    uint64_t num_files;
} rmr_identity;

/* Covers every .json, .safetensors, .txt and .model file in the directory and
 * in the directories in it, where modules keep theirs. A directory that cannot
 * be read has no files. Errors: NOMEM. */
rmr_status rmr_identify(rmr_identity *identity, const char *directory,
                        rmr_error *err);

#endif
