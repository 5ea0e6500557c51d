/*
 * file.h - files mapped read-only, and paths inside a model directory.
 *
 * A mapping must not outlive a writer's patience: models are replaced by
 * rename, since truncating a mapped file is a SIGBUS.
 */
#ifndef RMR_BASE_FILE_H
#define RMR_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"

typedef struct rmr_file {
    const char *data; /* NULL for an empty file */
    size_t size;
} rmr_file;

/* Maps a regular file. Errors: IO with the reason, FORMAT when it is not a
 * regular file. On failure *file is empty. */
rmr_status rmr_file_map(rmr_file *file, const char *path, rmr_error *err);
void rmr_file_unmap(rmr_file *file);

/* What tells one version of a file from another without reading it. */
typedef struct rmr_file_id {
    uint64_t device;
    uint64_t inode;
    uint64_t size;
    int64_t mtime_ns;
    int64_t ctime_ns;
} rmr_file_id;

/* 1 and *id filled when path can be stat'ed, else 0 and *id all zero. */
int rmr_file_identify(const char *path, rmr_file_id *id);

/* directory/name, allocated; NULL when out of memory. */
char *rmr_path_join(const char *directory, const char *name);

/* 1 when `name`, taken from a file, stays inside its directory: relative, no
 * "..", no control characters. "" is the directory itself and stays too. */
int rmr_path_is_inside(const char *name);

#endif
