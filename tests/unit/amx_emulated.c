/*
 * amx_emulated.c - tiles in plain C, as Intel's manual describes them
 * (Software Developer's Manual, volume 2, LDTILECFG to TDPBF16PS, and the
 * conditions AMX-E1 to AMX-E6 under which they fault).
 */
#include "tests/unit/amx_emulated.h"

#include <float.h>
#include <math.h>

enum { TILES = 8, MAX_ROWS = 16, MAX_BYTES = 64 };

typedef struct tile {
    size_t rows, bytes; /* of a row; 0: the tile has no shape */
    unsigned char values[MAX_ROWS][MAX_BYTES];
} tile;

static _Thread_local tile tiles[TILES];
static _Thread_local amx_emulated_counts counts;

/* A condition that holds, or the instruction would fault. */
#define MUST(condition)                                                        \
    mock_assert((condition) != 0, #condition, __FILE__, __LINE__)

void amx_emulated_start(void)
{
    counts.configurations = counts.products = 0;
}

amx_emulated_counts amx_emulated_count(void)
{
    return counts;
}

/* ------------------------------------------------------------ configuration
 */

void amx_emulated_configure(const void *config)
{
    unsigned char bytes[64];
    uint16_t row_bytes[16];
    memcpy(bytes, config, sizeof bytes);
    memcpy(row_bytes, bytes + 16, sizeof row_bytes);
    MUST(bytes[0] == 1); /* the palette: tiles as above */
    for (size_t i = 1; i < 16; i++)
        MUST(bytes[i] == 0); /* no row to start from; reserved */
    for (size_t t = 0; t < 16; t++) {
        size_t rows = bytes[48 + t];
        MUST(rows <= MAX_ROWS && row_bytes[t] <= MAX_BYTES);
        MUST((rows == 0) == (row_bytes[t] == 0));
        MUST(t < TILES || rows == 0);
        if (t < TILES)
            tiles[t] = (tile){.rows = rows, .bytes = row_bytes[t]};
    }
    counts.is_configured = 1;
    counts.configurations++;
}

void amx_emulated_release(void)
{
    memset(tiles, 0, sizeof tiles);
    counts.is_configured = 0;
}

/* A tile that has a shape. */
static tile *shaped(int number)
{
    MUST(counts.is_configured);
    MUST(number >= 0 && number < TILES);
    MUST(tiles[number].rows > 0);
    return &tiles[number];
}

/* ------------------------------------------------------------ whole tiles */

void amx_emulated_zero(int number)
{
    tile *t = shaped(number);
    memset(t->values, 0, sizeof t->values);
}

void amx_emulated_load(int number, const void *from, size_t stride)
{
    tile *t = shaped(number);
    memset(t->values, 0, sizeof t->values);
    for (size_t r = 0; r < t->rows; r++)
        memcpy(t->values[r], (const char *)from + r * stride, t->bytes);
}

void amx_emulated_store(int number, void *to, size_t stride)
{
    const tile *t = shaped(number);
    for (size_t r = 0; r < t->rows; r++)
        memcpy((char *)to + r * stride, t->values[r], t->bytes);
}

/* ---------------------------------------------------------------- products
 */

/* The shapes fit: sums [rows, columns], left [rows, steps],
 * right [steps, columns], of four bytes each. */
static void check_shapes(const tile *sums, const tile *left, const tile *right)
{
    MUST(sums != left && sums != right && left != right);
    MUST(sums->bytes % 4 == 0 && left->bytes % 4 == 0);
    MUST(sums->rows == left->rows);
    MUST(sums->bytes == right->bytes);
    MUST(left->bytes / 4 == right->rows);
    counts.products++;
}

/* Four products of bytes and one sum of 32 bits, which wraps. */
static uint32_t mac_bytes(uint32_t sum, const unsigned char *left,
                          const unsigned char *right)
{
    for (size_t i = 0; i < 4; i++)
        sum += (uint32_t)(left[i] * (int8_t)right[i]);
    return sum;
}

void amx_emulated_mac_bytes(int sums, int left, int right)
{
    tile *c = shaped(sums), *a = shaped(left), *b = shaped(right);
    check_shapes(c, a, b);
    for (size_t m = 0; m < c->rows; m++) {
        for (size_t n = 0; n < c->bytes; n += 4) {
            uint32_t sum;
            memcpy(&sum, &c->values[m][n], sizeof sum);
            for (size_t k = 0; k < b->rows; k++)
                sum = mac_bytes(sum, &a->values[m][4 * k], &b->values[k][n]);
            memcpy(&c->values[m][n], &sum, sizeof sum);
        }
    }
}

/* x, or 0 for what is below all normal numbers. */
static float flushed(float x)
{
    return fabsf(x) < FLT_MIN ? copysignf(0, x) : x;
}

static float bf16_at(const unsigned char *place)
{
    uint16_t half;
    uint32_t bits;
    float value;
    memcpy(&half, place, sizeof half);
    bits = (uint32_t)half << 16;
    memcpy(&value, &bits, sizeof value);
    return flushed(value);
}

/* What one row and one column add: a chain over the even inputs, and one over
 * the odd ones, each from 0. */
static float dot_bf16(const tile *a, size_t m, const tile *b, size_t n)
{
    float even = 0, odd = 0;
    for (size_t k = 0; k < b->rows; k++) {
        const unsigned char *left = &a->values[m][4 * k];
        const unsigned char *right = &b->values[k][n];
        even = flushed(fmaf(bf16_at(left), bf16_at(right), even));
        odd = flushed(fmaf(bf16_at(left + 2), bf16_at(right + 2), odd));
    }
    return flushed(even + odd);
}

void amx_emulated_mac_bf16(int sums, int left, int right)
{
    tile *c = shaped(sums), *a = shaped(left), *b = shaped(right);
    check_shapes(c, a, b);
    for (size_t m = 0; m < c->rows; m++) {
        for (size_t n = 0; n < c->bytes; n += 4) {
            float sum;
            memcpy(&sum, &c->values[m][n], sizeof sum);
            sum = flushed(flushed(sum) + dot_bf16(a, m, b, n));
            memcpy(&c->values[m][n], &sum, sizeof sum);
        }
    }
}
