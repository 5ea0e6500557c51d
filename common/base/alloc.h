/*
 * alloc.h - every allocation of the core goes through here, so that sizes are
 * checked and tests can make any of them fail.
 *
 * Nothing here reports an error: NULL means out of memory, and the caller says
 * what for.
 */
#ifndef RMR_BASE_ALLOC_H
#define RMR_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

/* As malloc, calloc, realloc (which keeps the old block on failure) and free;
 * a size of 0 gives a pointer that can be freed. */
void *rmr_malloc(size_t size);
void *rmr_calloc(size_t count, size_t size);
void *rmr_realloc(void *block, size_t size);
void rmr_free(void *block);

/* count * size bytes, or NULL when that overflows. */
void *rmr_malloc_array(size_t count, size_t size);

/* size bytes on a 64-byte boundary, one cache line and one widest vector;
 * handed back with rmr_free. */
void *rmr_malloc_aligned(size_t size);

/* Memory that is read from end to end again and again: huge pages where the
 * system has them to give. Aligned to one; freed by rmr_free. */
enum { RMR_HUGE_PAGE = 2 << 20 };
void *rmr_malloc_huge(size_t size);

/* A terminated copy of len bytes. */
char *rmr_strndup(const char *text, size_t len);

/*
 * Makes room for `need` elements in a block of *capacity elements of `size`
 * bytes, at least doubling it. Returns the (possibly moved) block, or NULL
 * with the old one and *capacity untouched.
 */
void *rmr_grow(void *block, size_t *capacity, size_t need, size_t size);

/* a + b and a * b into *out; 0 when they do not fit. */
static inline int rmr_add_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline int rmr_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

#ifdef RMR_FAULT_INJECTION
/* The nth allocation from now (1 is the next) fails, and with `forever` all
 * after it too; 0 turns that off. */
void rmr_alloc_fail_at(uint64_t nth, int forever);
/* Whether an allocation has failed on purpose since rmr_alloc_fail_at. */
int rmr_alloc_failed(void);
#endif

#endif
