/*
 * texts.c - copies of what a caller gave. It must never read a text that has no
 * bytes.
 */
#include "common/runtime/texts.h"

#include <string.h>

#include "common/base/alloc.h"

/* Adds the bytes of a list; 0 when that is too much. */
static int add_bytes(const rmr_text *texts, size_t count, size_t *total)
{
    for (size_t i = 0; i < count; i++) {
        if (!rmr_add_size(*total, texts[i].len, total))
            return 0;
    }
    return 1;
}

/* Copies a list to `copy` and its bytes to `at`; returns where they end. */
static char *copy_list(rmr_text *copy, const rmr_text *texts, size_t count,
                       char *at)
{
    for (size_t i = 0; i < count; i++) {
        if (texts[i].len)
            memcpy(at, texts[i].data, texts[i].len);
        copy[i] = (rmr_text){at, texts[i].len};
        at += texts[i].len;
    }
    return at;
}

rmr_text *rmr_copy_texts(const rmr_text *texts, size_t count,
                         const rmr_text *more, size_t num_more, size_t *bytes)
{
    size_t all, total;
    if (!rmr_add_size(count, num_more, &all) ||
        !rmr_mul_size(all, sizeof *texts, &total) ||
        !add_bytes(texts, count, &total) || !add_bytes(more, num_more, &total))
        return NULL;
    rmr_text *copy = rmr_malloc(total);
    if (!copy)
        return NULL;
    char *at = copy_list(copy, texts, count, (char *)(copy + all));
    copy_list(copy + count, more, num_more, at);
    *bytes = total;
    return copy;
}
