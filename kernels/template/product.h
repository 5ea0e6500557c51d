/*
 * product.h - what a packed matrix product is given, whatever its values are.
 */
#ifndef RMR_KERN_PRODUCT_H
#define RMR_KERN_PRODUCT_H

#include "kernels/kern.h"

enum {
    RMR_PANEL_STEP = RMR_PANEL * RMR_STEP, /* bytes of a step of a panel */
    RMR_TILE_COLUMNS = 4 * RMR_PANEL       /* the widest tile */
};

/* A step of one row, whatever its values are. */
typedef int32_t __attribute__((may_alias)) rmr_step_bits;

/* Rows of values that `finish` reads or writes, from the product's first row
 * and column on; none where `first` is NULL. */
typedef struct rmr_product_rows {
    const char *first;
    size_t stride; /* bytes from one row to the next */
    size_t size;   /* bytes of a value */
} rmr_product_rows;

/* left [rows, in] times the columns of some panels. */
typedef struct rmr_product {
    size_t rows;
    size_t steps; /* that `in` makes */
    size_t panels;
    const char *left;
    size_t stride; /* bytes from one row of left to the next */
    const char *right;
    rmr_product_rows finished[2]; /* fetched before a tile's sums are made */
} rmr_product;

/* Takes a tile's sums, [rows, RMR_TILE_COLUMNS], of float or int32_t; the
 * tile's first row and column count from the product's. */
typedef void rmr_product_finish(const void *context, size_t row, size_t column,
                                size_t rows, size_t columns, void *sums);

#endif
