/*
 * options.h - how every options structure of remora.h is read: each begins with
 * its size, so that a caller built against an older header knows fewer fields.
 */
#ifndef RMR_BASE_OPTIONS_H
#define RMR_BASE_OPTIONS_H

#include <stddef.h>
#include <string.h>

/* Puts the caller's fields, as far as the caller knows them, over the defaults
 * in *full, whose own size stays. given may be NULL: all defaults. */
static inline void rmr_read_options(void *full, const void *given)
{
    size_t size, given_size;
    if (!given)
        return;
    memcpy(&size, full, sizeof size);
    memcpy(&given_size, given, sizeof given_size);
    memcpy(full, given, given_size < size ? given_size : size);
    memcpy(full, &size, sizeof size);
}

#endif
