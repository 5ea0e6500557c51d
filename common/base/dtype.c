/*
 * dtype.c - the names of the types that weights can have. It must never take a
 * name for a type that it is not.
 */
#include <string.h>

#include "common/base/error.h"

static const char *const dtype_names[] = {"f32", "bf16", "int8", "int4"};

enum { NUM_DTYPES = sizeof dtype_names / sizeof *dtype_names };

rmr_status rmr_dtype_parse(const char *name, rmr_dtype *dtype, rmr_error *err)
{
    for (size_t i = 0; i < NUM_DTYPES; i++) {
        if (strcmp(name, dtype_names[i]) == 0) {
            *dtype = (rmr_dtype)i;
            return RMR_OK;
        }
    }
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "dtype \"%s\" is not supported; f32, bf16, int8 and int4 "
                    "are",
                    name);
}

const char *rmr_dtype_name(rmr_dtype dtype)
{
    return (size_t)dtype < NUM_DTYPES ? dtype_names[dtype] : "unknown";
}
