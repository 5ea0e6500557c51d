/*
 * amx_tmpl.h - the packed matrix product on tiles of AMX, once for each type of
 * values. It must never see a product whose steps are not whole tiles. Before
 * it is included there must be amx_tiles.h, or what stands for it, and:
 *
 *   AMX(name)                    its prefix
 *   AMX_MAC(sums, left, right)   sums += left right, of tiles
 *
 * 16 steps of a panel lie in memory as a tile does, and so do 16 steps of up to
 * 16 rows. Rows are cut into strips, and for each height of a strip the tiles
 * are configured once, not for each panel.
 *
 * A sum adds up one tile of inputs after the other, and what is added for a
 * tile depends on the row's and the column's inputs in it and on nothing else:
 * so a result depends neither on the strip's height nor on the place of its row
 * and column in tiles.
 */
#include "kernels/template/product.h"

enum {
    AMX(tile_rows) = 16,  /* at most, and */
    AMX(tile_steps) = 16, /* steps in each: one column of left, one row of
                             right */
    AMX(row_bytes) = AMX(tile_steps) * RMR_STEP,
    AMX(right_bytes) = AMX(tile_steps) * RMR_PANEL_STEP,
    AMX(strip_rows) = 2 * AMX(tile_rows),
    AMX(sums_stride) = RMR_TILE_COLUMNS * RMR_STEP
};

/* The shapes of tiles as LDTILECFG reads them. */
typedef struct AMX(config) {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16]; /* of tiles 0 to 7, and no more */
    uint8_t rows[16];
} AMX(config);

/* Some rows that pass all panels. */
typedef struct AMX(strip) {
    size_t row, rows; /* of the product */
    size_t upper;     /* rows of the first tile; the rest are in another */
} AMX(strip);

/* Whether all of a product's steps are in whole tiles. */
static inline int AMX(fits)(const rmr_linear_args *args)
{
    const rmr_weight *weight = args->weight;
    size_t steps = rmr_steps(rmr_operand_dtype(weight->dtype), weight->in);
    return steps % AMX(tile_steps) == 0;
}

/*
 * Tiles 0 to 3 are sums. A high strip, of two tiles of rows (4 and 5), meets
 * two panels at a time (6 and 7); a low one, of a single tile of rows (4), four
 * (5, 6, 7 and 5 again): always four sums that do not wait for each other.
 */
static void AMX(configure)(const AMX(strip) * strip)
{
    AMX(config) config = {.palette = 1};
    uint8_t upper = (uint8_t)strip->upper;
    uint8_t lower = (uint8_t)(strip->rows - strip->upper);
    for (int tile = 0; tile < 8; tile++) {
        config.row_bytes[tile] = AMX(row_bytes);
        config.rows[tile] = tile < 5 ? upper : AMX(tile_steps);
    }
    if (lower)
        config.rows[2] = config.rows[3] = config.rows[5] = lower;
    AMX_CONFIGURE(&config);
}

/* The sums of a high strip with one panel or two, a constant after inlining. */
static inline __attribute__((always_inline)) void
AMX(high)(int panels, const rmr_product *p, const AMX(strip) * strip,
          const char *right, char *sums)
{
    const size_t stride = p->stride, panel = p->steps * RMR_PANEL_STEP;
    const size_t right_stride = RMR_PANEL_STEP, sums_stride = AMX(sums_stride);
    const char *upper = p->left + strip->row * stride;
    const char *lower = upper + strip->upper * stride;
    AMX_ZERO(0);
    AMX_ZERO(2);
    if (panels > 1) {
        AMX_ZERO(1);
        AMX_ZERO(3);
    }
    for (size_t step = 0; step < p->steps; step += AMX(tile_steps)) {
        AMX_LOAD(4, upper, stride);
        AMX_LOAD(6, right, right_stride);
        AMX_MAC(0, 4, 6);
        AMX_LOAD(5, lower, stride);
        AMX_MAC(2, 5, 6);
        if (panels > 1) {
            AMX_LOAD(7, right + panel, right_stride);
            AMX_MAC(1, 4, 7);
            AMX_MAC(3, 5, 7);
        }
        upper += AMX(row_bytes);
        lower += AMX(row_bytes);
        right += AMX(right_bytes);
    }
    char *below = sums + strip->upper * sums_stride;
    AMX_STORE(0, sums, sums_stride);
    AMX_STORE(2, below, sums_stride);
    if (panels > 1) {
        AMX_STORE(1, sums + RMR_PANEL_STEP, sums_stride);
        AMX_STORE(3, below + RMR_PANEL_STEP, sums_stride);
    }
}

/* The sums of a low strip with one panel to four, a constant likewise. */
static inline __attribute__((always_inline)) void
AMX(low)(int panels, const rmr_product *p, const AMX(strip) * strip,
         const char *right, char *sums)
{
    const size_t stride = p->stride, panel = p->steps * RMR_PANEL_STEP;
    const size_t right_stride = RMR_PANEL_STEP, sums_stride = AMX(sums_stride);
    const char *left = p->left + strip->row * stride;
    AMX_ZERO(0);
    if (panels > 1)
        AMX_ZERO(1);
    if (panels > 2)
        AMX_ZERO(2);
    if (panels > 3)
        AMX_ZERO(3);
    for (size_t step = 0; step < p->steps; step += AMX(tile_steps)) {
        AMX_LOAD(4, left, stride);
        AMX_LOAD(5, right, right_stride);
        AMX_MAC(0, 4, 5);
        if (panels > 1) {
            AMX_LOAD(6, right + panel, right_stride);
            AMX_MAC(1, 4, 6);
        }
        if (panels > 2) {
            AMX_LOAD(7, right + 2 * panel, right_stride);
            AMX_MAC(2, 4, 7);
        }
        if (panels > 3) {
            AMX_LOAD(5, right + 3 * panel, right_stride);
            AMX_MAC(3, 4, 5);
        }
        left += AMX(row_bytes);
        right += AMX(right_bytes);
    }
    AMX_STORE(0, sums, sums_stride);
    if (panels > 1)
        AMX_STORE(1, sums + RMR_PANEL_STEP, sums_stride);
    if (panels > 2)
        AMX_STORE(2, sums + 2 * RMR_PANEL_STEP, sums_stride);
    if (panels > 3)
        AMX_STORE(3, sums + 3 * RMR_PANEL_STEP, sums_stride);
}

/* One strip past some panels, from `panel` on. */
static void AMX(multiply_tiles)(const rmr_product *p, const AMX(strip) * strip,
                                size_t panel, size_t panels, void *sums)
{
    const char *right = p->right + panel * p->steps * RMR_PANEL_STEP;
    if (strip->rows > strip->upper) {
        if (panels == 1)
            AMX(high)(1, p, strip, right, sums);
        else
            AMX(high)(2, p, strip, right, sums);
        return;
    }
    switch (panels) {
    case 1:
        AMX(low)(1, p, strip, right, sums);
        break;
    case 2:
        AMX(low)(2, p, strip, right, sums);
        break;
    case 3:
        AMX(low)(3, p, strip, right, sums);
        break;
    default:
        AMX(low)(4, p, strip, right, sums);
        break;
    }
}

/* Strip s of several that share the rows out evenly. */
static AMX(strip)
    AMX(strip_at)(const rmr_product *p, size_t strips, size_t s, size_t row)
{
    size_t rows = p->rows / strips + (s < p->rows % strips);
    size_t upper = rows > AMX(tile_rows) ? rows - rows / 2 : rows;
    return (AMX(strip)){.row = row, .rows = rows, .upper = upper};
}

/* The whole product; `finish` is inlined. Leaves tiles configured. */
static inline __attribute__((always_inline)) void
AMX(multiply)(const rmr_product *p, rmr_product_finish *finish,
              const void *context)
{
    _Alignas(RMR_ALIGNMENT) float sums[AMX(strip_rows) * RMR_TILE_COLUMNS];
    size_t strips = (p->rows + AMX(strip_rows) - 1) / AMX(strip_rows);
    size_t configured = 0;
    for (size_t s = 0, row = 0; s < strips; s++, row += configured) {
        AMX(strip) strip = AMX(strip_at)(p, strips, s, row);
        size_t most = strip.rows > strip.upper ? 2 : 4;
        if (strip.rows != configured)
            AMX(configure)(&strip);
        configured = strip.rows;
        for (size_t panel = 0; panel < p->panels; panel += most) {
            size_t left = p->panels - panel, panels = left < most ? left : most;
            AMX(multiply_tiles)(p, &strip, panel, panels, sums);
            finish(context, row, panel * RMR_PANEL, strip.rows,
                   panels * RMR_PANEL, sums);
        }
    }
}

#undef AMX
#undef AMX_MAC
