/*
 * table.c - makes an embedding table as narrow as it is asked for, once, when
 * the model opens. It must never keep two copies of it resident.
 */
#include "common/model/table.h"

#include "kernels/pack.h"

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

rmr_status rmr_table_bind(rmr_table *table, rmr_weights *weights,
                          const char *name, size_t rows, size_t columns,
                          rmr_dtype dtype, rmr_error *err)
{
    const float *values;
    copy c = {0};
    *table = (rmr_table){.dtype = dtype, .rows = rows, .columns = columns};
    rmr_status status =
        rmr_weights_f32(weights, name, rows, columns, &values, err);
    if (status)
        return status;
    table->values = values;
    if (dtype == RMR_DTYPE_F32)
        return RMR_OK;
    if (!alloc_copy(&c, weights, table))
        return rmr_fail_nomem(err, name);
    fill(&c, table, values);
    rmr_weights_forget(weights, values, rows * columns);
    table->values = c.values;
    table->scales = c.scales;
    table->group_scales = c.group_scales;
    return RMR_OK;
}
