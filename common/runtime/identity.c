/*
 * identity.c - sums up a model directory's files by name, device, inode, size
 * and times. It must never depend on the order in which they are listed.
 */
#include "common/runtime/identity.h"

#include <dirent.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/file.h"

/* The finalizer of MurmurHash3, which lets every bit reach every other. */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdu;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53u;
    return x ^ x >> 33;
}

static uint64_t hash_file(uint64_t seed, const char *name,
                          const rmr_file_id *id)
{
    const uint64_t parts[] = {id->device, id->inode, id->size,
                              (uint64_t)id->mtime_ns, (uint64_t)id->ctime_ns};
    uint64_t hash = mix(seed);
    for (const char *p = name; *p; p++)
        hash = mix(hash ^ (unsigned char)*p);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        hash = mix(hash ^ parts[i]);
    return hash;
}

static int ends_with(const char *text, const char *end)
{
    size_t text_len = strlen(text), len = strlen(end);
    return text_len >= len && strcmp(text + text_len - len, end) == 0;
}

/* Adds directory/name when it can be a part of a model. */
static rmr_status add_file(rmr_identity *identity, const char *directory,
                           const char *name, rmr_error *err)
{
    static const char *const ends[] = {".json", ".safetensors", ".txt",
                                       ".model", ".jinja"};
    size_t known = 0;
    while (known < sizeof ends / sizeof *ends && !ends_with(name, ends[known]))
        known++;
    if (known == sizeof ends / sizeof *ends)
        return RMR_OK;
    char *path = rmr_path_join(directory, name);
    if (!path)
        return rmr_fail_nomem(err, directory);
    rmr_file_id id;
    if (rmr_file_identify(path, &id)) {
        for (uint64_t i = 0; i < 2; i++)
            identity->digest[i] += hash_file(i + 1, name, &id);
        identity->num_files++;
    }
    rmr_free(path);
    return RMR_OK;
}

/* Adds the files of root/sub under their names from root. */
static rmr_status add_subdirectory(rmr_identity *identity, const char *root,
                                   const char *sub, rmr_error *err)
{
    char *path = rmr_path_join(root, sub);
    if (!path)
        return rmr_fail_nomem(err, root);
    rmr_status status = RMR_OK;
    DIR *listing = opendir(path);
    rmr_free(path);
    struct dirent *entry;
    while (!status && listing && (entry = readdir(listing))) {
        char *name = rmr_path_join(sub, entry->d_name);
        status = name ? add_file(identity, root, name, err)
                      : rmr_fail_nomem(err, root);
        rmr_free(name);
    }
    if (listing)
        closedir(listing);
    return status;
}

rmr_status rmr_identify(rmr_identity *identity, const char *directory,
                        rmr_error *err)
{
    memset(identity, 0, sizeof *identity);
    rmr_status status = RMR_OK;
    DIR *listing = opendir(directory);
    struct dirent *entry;
    while (!status && listing && (entry = readdir(listing))) {
        if (entry->d_name[0] == '.')
            continue;
        status = add_file(identity, directory, entry->d_name, err);
        if (!status && entry->d_type != DT_REG)
            status = add_subdirectory(identity, directory, entry->d_name, err);
    }
    if (listing)
        closedir(listing);
    return status;
}
