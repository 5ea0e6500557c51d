/*
 * file.c - mapping files and joining paths. It must never write, and never
 * follow a name out of the directory that it was given for.
 */
#include "common/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"

static rmr_status map_descriptor(rmr_file *file, int fd, const char *path,
                                 rmr_error *err)
{
    struct stat st;
    if (fstat(fd, &st))
        return rmr_fail(err, RMR_ERR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode)) {
        return rmr_fail(err, RMR_ERR_FORMAT, "%s is not a regular file", path);
    }
    if (st.st_size == 0)
        return RMR_OK;
    void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        return rmr_fail(err, RMR_ERR_IO, "%s cannot be mapped: %s", path,
                        strerror(errno));
    }
    file->data = data;
    file->size = (size_t)st.st_size;
    return RMR_OK;
}

rmr_status rmr_file_map(rmr_file *file, const char *path, rmr_error *err)
{
    file->data = NULL;
    file->size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return rmr_fail(err, RMR_ERR_IO, "%s: %s", path, strerror(errno));
    rmr_status status = map_descriptor(file, fd, path, err);
    close(fd);
    return status;
}

void rmr_file_unmap(rmr_file *file)
{
    if (file->data)
        munmap((void *)file->data, file->size);
    file->data = NULL;
    file->size = 0;
}

static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int rmr_file_identify(const char *path, rmr_file_id *id)
{
    struct stat st;
    memset(id, 0, sizeof *id);
    if (stat(path, &st))
        return 0;
    id->device = st.st_dev;
    id->inode = st.st_ino;
    id->size = (uint64_t)st.st_size;
    id->mtime_ns = nanoseconds(st.st_mtim);
    id->ctime_ns = nanoseconds(st.st_ctim);
    return 1;
}

char *rmr_path_join(const char *directory, const char *name)
{
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = rmr_malloc(size);
    if (!path)
        return NULL;
    size_t len = strlen(directory);
    int slash = !*name || (len && directory[len - 1] == '/');
    snprintf(path, size, "%s%s%s", directory, slash ? "" : "/", name);
    return path;
}

int rmr_path_is_inside(const char *name)
{
    if (name[0] == '/')
        return 0;
    for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            return 0;
    }
    const char *part = name;
    for (;;) {
        size_t len = strcspn(part, "/");
        if (len == 2 && part[0] == '.' && part[1] == '.')
            return 0;
        if (!part[len])
            return 1;
        part += len + 1;
    }
}
