/*
 * table.c - makes an embedding table as narrow as it is asked for, once, when
 * the model opens, or takes it as it was kept. It must never have two copies of
 * it resident.
 */
#include "common/model/table.h"

#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/model/adapter.h"
#include "common/model/quantize.h"
#include "common/model/shared.h"
#include "kernels/pack.h"

enum { NAME_CHARS = 192 };

/* Memory for the table's own copy. */
typedef struct copy {
    void *values;
    float *scales;
    int8_t *group_scales;
} copy;

static int alloc_copy(copy *c, rmr_weights *weights, const rmr_table *table)
{
    int is_int4 = table->dtype == RMR_DTYPE_INT4;
    int has_scales = is_int4 || table->dtype == RMR_DTYPE_INT8;
    c->values = rmr_weights_alloc_packed(
        weights,
        table->rows * rmr_table_row_bytes(table->dtype, table->columns));
    if (has_scales)
        c->scales = rmr_weights_alloc(weights, table->rows);
    if (is_int4)
        c->group_scales = rmr_weights_alloc_packed(
            weights, table->rows * rmr_groups(table->columns));
    return c->values && (c->scales || !has_scales) &&
           (c->group_scales || !is_int4);
}

static void fill(copy *c, const rmr_table *table, const float *values)
{
    size_t columns = table->columns, count = table->rows * columns;
    if (table->dtype == RMR_DTYPE_BF16)
        rmr_narrow_bf16(count, values, c->values);
    else if (table->dtype == RMR_DTYPE_INT8)
        rmr_quantize_int8(columns, table->rows, values, c->values, c->scales);
    else
        rmr_quantize_int4_rows(columns, table->rows, values, c->values,
                               c->group_scales, c->scales);
}

/* ------------------------------------------------------------------ tensors
 */

/* The tensors that a table is kept in: NAME and, where it has scales,
 * NAME_scale and NAME_group_scale. */
static const char *format_dtype(rmr_dtype dtype)
{
    return dtype == RMR_DTYPE_BF16   ? "BF16"
           : dtype == RMR_DTYPE_INT8 ? "I8"
                                     : "U8";
}

static const char *tensor_name(char full[NAME_CHARS], const char *name,
                               const char *suffix)
{
    snprintf(full, NAME_CHARS, "%s%s", name, suffix);
    return full;
}

static size_t value_columns(const rmr_table *table)
{
    return table->dtype == RMR_DTYPE_INT4
               ? rmr_table_row_bytes(table->dtype, table->columns)
               : table->columns;
}

static int is_stored(const rmr_weights *weights, const char *name,
                     rmr_dtype dtype)
{
    const char *found = rmr_weights_dtype(weights, name);
    return found && dtype != RMR_DTYPE_F32 && dtype != RMR_DTYPE_BF16 &&
           strcmp(found, format_dtype(dtype)) == 0;
}

/* Rows stay where they are mapped. */
static rmr_status read_table(rmr_table *table, rmr_weights *weights,
                             const char *name, rmr_error *err)
{
    char full[NAME_CHARS];
    const void *groups;
    rmr_status status =
        rmr_weights_raw(weights, name, format_dtype(table->dtype), table->rows,
                        value_columns(table), &table->values, err);
    if (!status)
        status = rmr_weights_f32(weights, tensor_name(full, name, "_scale"), 0,
                                 table->rows, &table->scales, err);
    if (!status)
        rmr_weights_count(
            weights, (int64_t)(table->rows * (table->columns - 1)),
            (int64_t)(table->rows *
                      rmr_table_row_bytes(table->dtype, table->columns)));
    if (!status && table->dtype == RMR_DTYPE_INT4) {
        rmr_weights_count(weights, 0,
                          (int64_t)(table->rows * rmr_groups(table->columns)));
        status = rmr_weights_raw(
            weights, tensor_name(full, name, "_group_scale"), "I8", table->rows,
            rmr_groups(table->columns), &groups, err);
        table->group_scales = groups;
    }
    return status;
}

static rmr_status keep(const rmr_table *table, rmr_quantizer *to,
                       const char *name, rmr_error *err)
{
    char full[NAME_CHARS];
    rmr_status status =
        rmr_quantizer_keep(to, name, format_dtype(table->dtype), table->rows,
                           value_columns(table), table->values, err);
    if (!status && table->scales)
        status = rmr_quantizer_keep(to, tensor_name(full, name, "_scale"),
                                    "F32", 0, table->rows, table->scales, err);
    if (!status && table->group_scales)
        status = rmr_quantizer_keep(
            to, tensor_name(full, name, "_group_scale"), "I8", table->rows,
            rmr_groups(table->columns), table->group_scales, err);
    return status;
}

static rmr_status narrow(rmr_table *table, rmr_weights *weights,
                         const char *name, rmr_error *err)
{
    const float *values;
    copy c = {0};
    rmr_status status = rmr_weights_f32(weights, name, table->rows,
                                        table->columns, &values, err);
    if (status)
        return status;
    table->values = values;
    if (table->dtype == RMR_DTYPE_F32)
        return RMR_OK;
    if (!alloc_copy(&c, weights, table))
        return rmr_fail_nomem(err, name);
    fill(&c, table, values);
    rmr_weights_forget(weights, values, table->rows * table->columns);
    table->values = c.values;
    table->scales = c.scales;
    table->group_scales = c.group_scales;
    return RMR_OK;
}

static rmr_status make(rmr_table *table, rmr_weights *weights, const char *name,
                       size_t rows, size_t columns, rmr_dtype dtype,
                       rmr_error *err)
{
    rmr_quantizer *to = rmr_weights_quantizer(weights);
    *table = (rmr_table){.dtype = dtype, .rows = rows, .columns = columns};
    if (is_stored(weights, name, dtype))
        return read_table(table, weights, name, err);
    rmr_status status = narrow(table, weights, name, err);
    if (!status && to)
        status = keep(table, to, name, err);
    return status;
}

rmr_status rmr_table_bind(rmr_table *table, rmr_weights *weights,
                          const char *name, size_t rows, size_t columns,
                          rmr_dtype dtype, rmr_error *err)
{
    rmr_shared *shared = rmr_weights_shared(weights);
    const rmr_adapter *adapter = rmr_weights_adapter(weights);
    if (!shared || (adapter && rmr_adapter_changes(adapter, name)))
        return make(table, weights, name, rows, columns, dtype, err);
    if (rmr_shared_find(shared, weights, RMR_SHARED_TABLE, name, table,
                        sizeof *table))
        return RMR_OK;
    rmr_status status = make(table, rmr_shared_weights(shared), name, rows,
                             columns, dtype, err);
    return status ? status
                  : rmr_shared_keep(shared, weights, RMR_SHARED_TABLE, name,
                                    table, sizeof *table, err);
}

rmr_status rmr_table_round(float *row, size_t columns, rmr_dtype dtype,
                           const rmr_kern *kern, rmr_error *err)
{
    float scale;
    rmr_table one = {.dtype = dtype, .rows = 1, .columns = columns};
    copy c = {.scales = &scale};
    rmr_status status = RMR_OK;
    if (dtype == RMR_DTYPE_F32)
        return RMR_OK;
    c.values = rmr_malloc_aligned(rmr_table_row_bytes(dtype, columns));
    c.group_scales = rmr_malloc_aligned(rmr_groups(columns));
    if (c.values && c.group_scales) {
        fill(&c, &one, row);
        one.values = c.values;
        one.scales = c.scales;
        one.group_scales = c.group_scales;
        kern->table_row(&one, 0, row);
    } else {
        status = rmr_fail_nomem(err, "a row of a table");
    }
    rmr_free(c.values);
    rmr_free(c.group_scales);
    return status;
}
