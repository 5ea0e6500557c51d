/*
 * alloc.c - checked allocation, with faults on demand in test builds. It must
 * never abort, and never hand out a block smaller than was asked for.
 */
#include "common/base/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef RMR_FAULT_INJECTION
#include <stdatomic.h>

static _Atomic int64_t fail_countdown;
static _Atomic int fail_forever;
static _Atomic int failed;

void rmr_alloc_fail_at(uint64_t nth, int forever)
{
    fail_forever = forever;
    failed = 0;
    fail_countdown = (int64_t)nth;
}

int rmr_alloc_failed(void)
{
    return failed;
}

static int must_fail(void)
{
    if (failed && fail_forever && fail_countdown != 0)
        return 1;
    if (fail_countdown <= 0 || atomic_fetch_sub(&fail_countdown, 1) != 1)
        return 0;
    failed = 1;
    if (fail_forever)
        fail_countdown = -1;
    return 1;
}
#else
static int must_fail(void)
{
    return 0;
}
#endif

void *rmr_malloc(size_t size)
{
    return must_fail() ? NULL : malloc(size ? size : 1);
}

void *rmr_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : calloc(count ? count : 1, size ? size : 1);
}

void *rmr_realloc(void *block, size_t size)
{
    return must_fail() ? NULL : realloc(block, size ? size : 1);
}

void rmr_free(void *block)
{
    free(block);
}

void *rmr_malloc_array(size_t count, size_t size)
{
    size_t bytes;
    return rmr_mul_size(count, size, &bytes) ? rmr_malloc(bytes) : NULL;
}

void *rmr_malloc_aligned(size_t size)
{
    enum { ALIGNMENT = 64 };
    size_t rounded;
    if (!rmr_add_size(size ? size : 1, ALIGNMENT - 1, &rounded) || must_fail())
        return NULL;
    return aligned_alloc(ALIGNMENT, rounded / ALIGNMENT * ALIGNMENT);
}

void *rmr_malloc_huge(size_t size)
{
    size_t rounded;
    if (!rmr_add_size(size ? size : 1, RMR_HUGE_PAGE - 1, &rounded) ||
        must_fail())
        return NULL;
    rounded = rounded / RMR_HUGE_PAGE * RMR_HUGE_PAGE;
    void *block = aligned_alloc(RMR_HUGE_PAGE, rounded);
#ifdef MADV_HUGEPAGE
    if (block)
        madvise(block, rounded, MADV_HUGEPAGE); /* a wish, no more */
#endif
    return block;
}

char *rmr_strndup(const char *text, size_t len)
{
    size_t size;
    char *copy = rmr_add_size(len, 1, &size) ? rmr_malloc(size) : NULL;
    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

void *rmr_grow(void *block, size_t *capacity, size_t need, size_t size)
{
    if (block && need <= *capacity)
        return block;
    size_t doubled, bytes;
    if (!rmr_mul_size(*capacity, 2, &doubled))
        return NULL;
    size_t wanted = doubled > need ? doubled : need;
    if (!rmr_mul_size(wanted, size, &bytes))
        return NULL;
    void *grown = rmr_realloc(block, bytes);
    if (grown)
        *capacity = wanted;
    return grown;
}
