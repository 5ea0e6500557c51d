/*
 * bytes_tmpl.h - linear layers of int8 and int4, once for each tier that has a
 * product of bytes. Before it is included there must be the tier's vectors,
 * linear_tmpl.h and
 *
 *   MAC_BYTES(sums, left, right)   sums + left right, of four unsigned and four
 *                                  signed bytes in each lane, exactly
 */
#define PRODUCT(name) int8_##name
#define PRODUCT_OF_BYTES 1
#define LANES_MAC(sums, left, right) MAC_BYTES(sums, left, right)
#include "kernels/template/product_tmpl.h"

#include "kernels/template/int4_tmpl.h"

static void linear_int8(const rmr_linear_args *args)
{
    rmr_product p = RMR_NAME(product_of)(args);
    int8_multiply(&p, RMR_NAME(finish), args);
}
