/*
 * texts.h - copies of what a caller gave, so that a job never points into the
 * caller's memory.
 */
#ifndef RMR_RUNTIME_TEXTS_H
#define RMR_RUNTIME_TEXTS_H

#include <stddef.h>
#include "common/remora.h"

/* One block with `count` texts, then num_more, and behind the list their bytes;
 * *bytes is its size. What has no data has an address all the same. NULL: out
 * of memory. To be freed with rmr_free. */
rmr_text *rmr_copy_texts(const rmr_text *texts, size_t count,
                         const rmr_text *more, size_t num_more, size_t *bytes);

#endif
