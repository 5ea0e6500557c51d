/*
 * product_tmpl.h - the packed matrix product, once for each tier and type of
 * values. Before it is included there must be:
 *
 *   PRODUCT(name)      its prefix
 *   LANES_MAC(sums, left, right)   sums + left right, of steps
 *
 * Sums are floats, unless PRODUCT_OF_BYTES is 1: then they are int32_t. Vectors
 * and the tile are the tier's, VEC_... and IVEC_..., where these are left out:
 *
 *   LANES              a vector of LANE_COUNT sums of 32 bits, and STEP one of
 *                      as many steps, perhaps the same; with LANES_ZERO,
 *                      LANES_LOAD (a step of as many columns), LANES_SPREAD
 *                      (a step of one row, for all lanes) and LANES_STORE
 *   TILE_ROWS          rows of the highest tile, and its width in panels
 *   TILE_PANELS
 *   FLAT_ROWS          rows up to which tiles are twice as wide: half of them
 *
 * A tile's sums stay in registers from the first step to the last, each one a
 * chain in that order, so a result depends neither on the tile's shape nor on
 * the place of its row and column.
 *
 * What comes from memory is fetched ahead, since weights do not fit in a cache
 * and the processor's own prediction ends at each panel's end: the next panels
 * while the rows pass these, and what a tile is finished with before its sums.
 */
#ifndef LANES
#define LANE_COUNT VEC_WIDTH
#define STEP ivec
#define LANES_LOAD(p) IVEC_LOAD(p)
#define LANES_SPREAD(p) IVEC_SET1(*(const rmr_step_bits *)(p))
#if PRODUCT_OF_BYTES
#define LANES ivec
#define LANES_ZERO() IVEC_SET1(0)
#define LANES_STORE(p, v) IVEC_STORE(p, v)
#else
#define LANES vec
#define LANES_ZERO() VEC_SET1(0.0f)
#define LANES_STORE(p, v) VEC_STORE((float *)(p), v)
#endif
#define TILE_ROWS VEC_TILE_ROWS
#define TILE_PANELS VEC_TILE_PANELS
#define FLAT_ROWS VEC_FLAT_ROWS
#endif
#ifndef STEP
#define STEP LANES
#endif

#include "kernels/template/product.h"

enum {
    PRODUCT(vectors) = RMR_PANEL / LANE_COUNT,
    /* Most rows that pass a panel before the next panel is touched: as many as
     * leave both in the second-level cache. */
    PRODUCT(block_rows) = 132
};

/* What a tile fetches into the second-level cache while it computes: of each of
 * as many panels as it has, some bytes with each step. */
typedef struct PRODUCT(ahead) {
    const char *panels;
    size_t bytes;
} PRODUCT(ahead);

/*
 * One tile: `rows` rows by `panels` panels, both constants after inlining, so
 * that every sum is a register. Rows are reached through one pointer for each
 * three, which is what x86 addressing can do.
 */
static inline __attribute__((always_inline)) void
PRODUCT(tile)(int rows, int panels, const rmr_product *p, const char *left,
              const char *right, PRODUCT(ahead) ahead, void *sums)
{
    const int vectors = panels * PRODUCT(vectors);
    const size_t stride = p->stride, panel = p->steps * RMR_PANEL_STEP;
    const char *group[(TILE_ROWS + 2) / 3];
    LANES lanes[TILE_ROWS][4 * PRODUCT(vectors)];
#pragma GCC unroll 8
    for (int g = 0; g < (rows + 2) / 3; g++)
        group[g] = left + (size_t)(3 * g) * stride;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            lanes[r][v] = LANES_ZERO();
    }
    for (size_t step = 0; step < p->steps; step++, right += RMR_PANEL_STEP) {
#pragma GCC unroll 4
        for (int q = 0; q < panels; q++)
            __builtin_prefetch(ahead.panels + (size_t)q * panel, 0, 2);
        ahead.panels += ahead.bytes;
        STEP columns[4 * PRODUCT(vectors)];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) {
            size_t at = (size_t)(v / PRODUCT(vectors)) * panel;
            at += (size_t)(v % PRODUCT(vectors)) * sizeof(LANES);
            columns[v] = LANES_LOAD(right + at);
        }
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            STEP row = LANES_SPREAD(group[r / 3] + (size_t)(r % 3) * stride);
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++)
                lanes[r][v] = LANES_MAC(lanes[r][v], row, columns[v]);
        }
#pragma GCC unroll 8
        for (int g = 0; g < (rows + 2) / 3; g++)
            group[g] += RMR_STEP;
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            LANES_STORE((char *)sums + (size_t)r * RMR_TILE_COLUMNS * RMR_STEP +
                            (size_t)v * sizeof(LANES),
                        lanes[r][v]);
    }
}

typedef void PRODUCT(tile_function)(const rmr_product *p, const char *left,
                                    const char *right, PRODUCT(ahead) ahead,
                                    void *sums);

#define TILE(name, rows, panels)                                               \
    static void PRODUCT(name##_##rows)(const rmr_product *p, const char *left, \
                                       const char *right,                      \
                                       PRODUCT(ahead) ahead, void *sums)       \
    {                                                                          \
        PRODUCT(tile)(rows, panels, p, left, right, ahead, sums);              \
    }
#define LOW_TILES(rows)                                                        \
    TILE(narrow, rows, 1)                                                      \
    TILE(full, rows, TILE_PANELS)                                              \
    TILE(flat, rows, 2 * TILE_PANELS)
#define HIGH_TILES(rows)                                                       \
    TILE(narrow, rows, 1)                                                      \
    TILE(full, rows, TILE_PANELS)
#define LOW(rows)                                                              \
    {                                                                          \
        PRODUCT(narrow_##rows), PRODUCT(full_##rows), PRODUCT(flat_##rows)     \
    }
#define HIGH(rows)                                                             \
    {                                                                          \
        PRODUCT(narrow_##rows), PRODUCT(full_##rows), NULL                     \
    }

LOW_TILES(1)
LOW_TILES(2)
LOW_TILES(3)
#if TILE_ROWS > 6
LOW_TILES(4)
LOW_TILES(5)
LOW_TILES(6)
HIGH_TILES(7)
HIGH_TILES(8)
HIGH_TILES(9)
HIGH_TILES(10)
HIGH_TILES(11)
HIGH_TILES(12)
#else
HIGH_TILES(4)
HIGH_TILES(5)
HIGH_TILES(6)
#endif

enum { PRODUCT(narrow), PRODUCT(full), PRODUCT(flat), PRODUCT(widths) };

/* By rows - 1 and width. */
static PRODUCT(tile_function) *const
    PRODUCT(tiles)[TILE_ROWS][PRODUCT(widths)] = {
        LOW(1),  LOW(2),   LOW(3),
#if TILE_ROWS > 6
        LOW(4),  LOW(5),   LOW(6),   HIGH(7),  HIGH(8),
        HIGH(9), HIGH(10), HIGH(11), HIGH(12),
#else
        HIGH(4), HIGH(5), HIGH(6),
#endif
};

#undef TILE
#undef LOW_TILES
#undef HIGH_TILES
#undef LOW
#undef HIGH

/* Fetches what a tile's sums are finished with. */
static inline void PRODUCT(fetch_finished)(const rmr_product *p, size_t row,
                                           size_t panel, size_t rows,
                                           size_t panels)
{
    for (int i = 0; i < 2 && p->finished[i].first; i++) {
        const rmr_product_rows *of = &p->finished[i];
        const char *at =
            of->first + row * of->stride + panel * RMR_PANEL * of->size;
        for (size_t r = 0; r < rows; r++, at += of->stride) {
            for (size_t b = 0; b < panels * RMR_PANEL * of->size; b += 64)
                __builtin_prefetch(at + b, 1, 2);
        }
    }
}

/* What tiles of some panels fetch: as many after them, each tile a share. */
static inline PRODUCT(ahead)
    PRODUCT(ahead_of)(const rmr_product *p, size_t panel, size_t panels,
                      size_t tiles)
{
    size_t next = panel + panels;
    int there = next + panels <= p->panels;
    return (PRODUCT(ahead)){p->right + (there ? next : panel) * p->steps *
                                           RMR_PANEL_STEP,
                            there ? RMR_PANEL_STEP / tiles : 0};
}

/* Some rows past some panels; rows are shared out evenly, since two tiles of 7
 * rows are faster than one of 12 and one of 2. */
static inline __attribute__((always_inline)) void
PRODUCT(multiply_strip)(const rmr_product *p, size_t first, size_t rows,
                        size_t panel, int width, size_t panels,
                        rmr_product_finish *finish, const void *context)
{
    _Alignas(RMR_ALIGNMENT) float sums[TILE_ROWS * RMR_TILE_COLUMNS];
    size_t tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
    const char *right = p->right + panel * p->steps * RMR_PANEL_STEP;
    PRODUCT(ahead) ahead = PRODUCT(ahead_of)(p, panel, panels, tiles);
    for (size_t t = 0, row = first; t < tiles; t++) {
        size_t count = rows / tiles + (t < rows % tiles);
        PRODUCT(fetch_finished)(p, row, panel, count, panels);
        PRODUCT(tiles)
        [count - 1][width](p, p->left + row * p->stride, right, ahead, sums);
        ahead.panels += p->steps * ahead.bytes;
        finish(context, row, panel * RMR_PANEL, count, panels * RMR_PANEL,
               sums);
        row += count;
    }
}

/* The whole product, tile by tile; `finish` is inlined. */
static inline __attribute__((always_inline)) void
PRODUCT(multiply)(const rmr_product *p, rmr_product_finish *finish,
                  const void *context)
{
    size_t blocks = (p->rows + PRODUCT(block_rows) - 1) / PRODUCT(block_rows);
    for (size_t b = 0, row = 0, rows; b < blocks; b++, row += rows) {
        rows = p->rows / blocks + (b < p->rows % blocks);
        size_t tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
        int flat = (rows + tiles - 1) / tiles <= FLAT_ROWS;
        size_t full = flat ? 2 * TILE_PANELS : TILE_PANELS;
        for (size_t panel = 0; panel < p->panels;) {
            int narrow = p->panels - panel < full;
            size_t panels = narrow ? 1 : full;
            int width = narrow ? PRODUCT(narrow)
                        : flat ? PRODUCT(flat)
                               : PRODUCT(full);
            PRODUCT(multiply_strip)
            (p, row, rows, panel, width, panels, finish, context);
            panel += panels;
        }
    }
}

#undef PRODUCT
#undef LANES
#undef STEP
#undef LANE_COUNT
#undef LANES_ZERO
#undef LANES_LOAD
#undef LANES_SPREAD
#undef LANES_STORE
#undef LANES_MAC
#undef TILE_ROWS
#undef TILE_PANELS
#undef FLAT_ROWS
#undef PRODUCT_OF_BYTES
