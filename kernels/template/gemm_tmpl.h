/*
 * gemm_tmpl.h - the packed matrix product, once per vector tier. The tier
 * defines before:
 *
 *   RMR_NAME(name)   its prefix
 *   vec              its vector of VEC_WIDTH floats, with VEC_LOAD, VEC_STORE,
 *                    VEC_SET1, VEC_ZERO, VEC_ADD and VEC_FMA(a, b, c) = ab + c
 *   TILE_ROWS        rows of a full tile: 6 or 12
 *   TILE_PANELS      panels that a full tile is wide
 *
 * The right matrix [in, out] is stored as panels of RMR_PANEL columns; inside a
 * panel, row after row. A tile's sums stay in registers from the first to the
 * last of `in`, each one a chain of fused multiply-adds in that order, so a
 * result depends neither on the tile's shape nor on the row's place, and is the
 * same in every tier that includes this file.
 */
#include <string.h>

#include "kernels/kern.h"

enum {
    RMR_NAME(panel_vectors) = RMR_PANEL / VEC_WIDTH,
    RMR_NAME(tile_vectors) = TILE_PANELS * RMR_NAME(panel_vectors),
    RMR_NAME(tile_columns) = TILE_PANELS * RMR_PANEL,
    /* Rows that pass a panel before the next panel is touched: as many as
     * leave both in the second-level cache. */
    RMR_NAME(block_rows) = 120
};

/* A product's shape and operands: y [rows, out] = x [rows, in] panels + bias.
 */
typedef struct RMR_NAME(product) {
    size_t rows, in, out;
    const float *x;
    size_t x_stride; /* floats from one row of x to the next */
    const float *panels;
    const float *bias; /* [out], or NULL */
    float *y;
    size_t y_stride;
} RMR_NAME(product);

/* Writes a tile's sums; c is at its first column. Columns past `columns` belong
 * to the last panel's padding and are dropped. */
static inline __attribute__((always_inline)) void
RMR_NAME(store_row)(const vec *sums, int vectors, size_t columns,
                    const float *bias, float *y)
{
    if (columns == (size_t)vectors * VEC_WIDTH) {
        for (int v = 0; v < vectors; v++) {
            vec sum = sums[v];
            if (bias)
                sum = VEC_ADD(sum, VEC_LOAD(bias + v * VEC_WIDTH));
            VEC_STORE(y + v * VEC_WIDTH, sum);
        }
        return;
    }
    float row[RMR_NAME(tile_columns)] = {0};
    for (int v = 0; v < vectors; v++)
        VEC_STORE(row + v * VEC_WIDTH, sums[v]);
    for (size_t i = 0; i < columns; i++)
        y[i] = bias ? row[i] + bias[i] : row[i];
}

/*
 * One tile: `rows` rows by `panels` panels, both constants after inlining, so
 * that every sum is a register. Rows are reached through one pointer for each
 * three, which is what x86 addressing can do.
 */
static inline __attribute__((always_inline)) void
RMR_NAME(tile)(int rows, int panels, const RMR_NAME(product) * p,
               const float *x, const float *panel, const float *bias, float *y,
               size_t columns)
{
    const int vectors = panels * RMR_NAME(panel_vectors);
    const size_t stride = p->x_stride, in = p->in;
    const float *group[TILE_ROWS / 3];
    vec sums[TILE_ROWS][RMR_NAME(tile_vectors)];
#pragma GCC unroll 4
    for (int g = 0; g < (rows + 2) / 3; g++)
        group[g] = x + (size_t)(3 * g) * stride;
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sums[r][v] = VEC_ZERO();
    }
    for (size_t i = 0; i < in; i++, panel += RMR_PANEL) {
        vec right[RMR_NAME(tile_vectors)];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            size_t at = (size_t)(v / RMR_NAME(panel_vectors)) * RMR_PANEL * in;
            at += (size_t)(v % RMR_NAME(panel_vectors)) * VEC_WIDTH;
            right[v] = VEC_LOAD(panel + at);
        }
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            vec left = VEC_SET1(group[r / 3][(size_t)(r % 3) * stride]);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                sums[r][v] = VEC_FMA(left, right[v], sums[r][v]);
        }
#pragma GCC unroll 4
        for (int g = 0; g < (rows + 2) / 3; g++)
            group[g]++;
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
        RMR_NAME(store_row)
        (sums[r], vectors, columns, bias, y + (size_t)r * p->y_stride);
    }
}

typedef void RMR_NAME(tile_function)(const RMR_NAME(product) * p,
                                     const float *x, const float *panel,
                                     const float *bias, float *y,
                                     size_t columns);

#define TILE(rows)                                                             \
    static void RMR_NAME(tile_##rows)(                                         \
        const RMR_NAME(product) * p, const float *x, const float *panel,       \
        const float *bias, float *y, size_t columns)                           \
    {                                                                          \
        RMR_NAME(tile)(rows, TILE_PANELS, p, x, panel, bias, y, columns);      \
    }                                                                          \
    static void RMR_NAME(narrow_tile_##rows)(                                  \
        const RMR_NAME(product) * p, const float *x, const float *panel,       \
        const float *bias, float *y, size_t columns)                           \
    {                                                                          \
        RMR_NAME(tile)(rows, 1, p, x, panel, bias, y, columns);                \
    }
#define TILE_POINTERS(rows)                                                    \
    {                                                                          \
        RMR_NAME(narrow_tile_##rows), RMR_NAME(tile_##rows)                    \
    }

TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
#if TILE_ROWS == 12
TILE(7)
TILE(8)
TILE(9)
TILE(10)
TILE(11)
TILE(12)
#endif

/* By rows - 1, and by whether the tile has all its panels. */
static RMR_NAME(tile_function) *const RMR_NAME(tiles)[TILE_ROWS][2] = {
    TILE_POINTERS(1),  TILE_POINTERS(2),  TILE_POINTERS(3),
    TILE_POINTERS(4),  TILE_POINTERS(5),  TILE_POINTERS(6),
#if TILE_ROWS == 12
    TILE_POINTERS(7),  TILE_POINTERS(8),  TILE_POINTERS(9),
    TILE_POINTERS(10), TILE_POINTERS(11), TILE_POINTERS(12),
#endif
};

#undef TILE
#undef TILE_POINTERS

/* Some rows past one tile's width of columns; rows are shared out evenly, since
 * two tiles of 7 rows are faster than one of 12 and one of 2. */
static void RMR_NAME(multiply_strip)(const RMR_NAME(product) * p, size_t first,
                                     size_t rows, size_t column)
{
    size_t left = p->out - column;
    int full = left > RMR_NAME(tile_columns) - RMR_PANEL;
    size_t width = full ? RMR_NAME(tile_columns) : RMR_PANEL;
    size_t columns = left < width ? left : width;
    size_t tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
    for (size_t t = 0, row = first; t < tiles; t++) {
        size_t count = rows / tiles + (t < rows % tiles);
        RMR_NAME(tiles)
        [count - 1][full](p, p->x + row * p->x_stride,
                          p->panels + column * p->in,
                          p->bias ? p->bias + column : NULL,
                          p->y + row * p->y_stride + column, columns);
        row += count;
    }
}

static void RMR_NAME(multiply)(const RMR_NAME(product) * p)
{
    for (size_t row = 0; row < p->rows; row += RMR_NAME(block_rows)) {
        size_t left = p->rows - row;
        size_t rows = left < RMR_NAME(block_rows) ? left : RMR_NAME(block_rows);
        size_t column = 0;
        while (column < p->out) {
            RMR_NAME(multiply_strip)(p, row, rows, column);
            int full = p->out - column > RMR_NAME(tile_columns) - RMR_PANEL;
            column += full ? RMR_NAME(tile_columns) : RMR_PANEL;
        }
    }
}

/* Columns [0, out) of a matrix with `in` rows into panels, the last one padded
 * with zeros. Element (i, o) is at matrix[i * row_stride + o * column_stride].
 */
static void RMR_NAME(pack)(size_t in, size_t out, const float *matrix,
                           size_t row_stride, size_t column_stride,
                           float *panels)
{
    for (size_t column = 0; column < out; column += RMR_PANEL) {
        size_t left = out - column;
        size_t columns = left < RMR_PANEL ? left : RMR_PANEL;
        const float *from = matrix + column * column_stride;
        for (size_t i = 0; i < in; i++, panels += RMR_PANEL) {
            for (size_t c = 0; c < columns; c++)
                panels[c] = from[i * row_stride + c * column_stride];
            for (size_t c = columns; c < RMR_PANEL; c++)
                panels[c] = 0;
        }
    }
}

static void RMR_NAME(pack_linear)(size_t in, size_t out, const float *weight,
                                  float *packed)
{
    RMR_NAME(pack)(in, out, weight, 1, in, packed);
}

static void RMR_NAME(linear)(size_t tokens, size_t in, size_t out,
                             const float *x, const float *packed,
                             const float *bias, float *y)
{
    RMR_NAME(product)
    p = {.rows = tokens,
         .in = in,
         .out = out,
         .x = x,
         .x_stride = in,
         .panels = packed,
         .bias = bias,
         .y = y,
         .y_stride = out};
    RMR_NAME(multiply)(&p);
}
