/*
 * amx_emulated.h - the tiles of AMX in plain C, in the place of
 * kernels/x86/amx_tiles.h: whoever includes this first gets none of the real
 * instructions. What would fault on a CPU fails a cmocka assertion
 * (mock_assert); so does what is legal but reads a tile that was never given a
 * shape. The tiles must never do more than the instructions do.
 */
#ifndef RMR_TESTS_AMX_EMULATED_H
#define RMR_TESTS_AMX_EMULATED_H

#include "config.h"
#include "tests/unit/unit.h"
#include "kernels/kern.h"

#define RMR_KERN_AMX_TILES_H
#define AMX_CONFIGURE(config) amx_emulated_configure(config)
#define AMX_RELEASE() amx_emulated_release()
#define AMX_ZERO(tile) amx_emulated_zero(tile)
#define AMX_LOAD(tile, from, stride) amx_emulated_load(tile, from, stride)
#define AMX_STORE(tile, to, stride) amx_emulated_store(tile, to, stride)
#define AMX_MAC_BYTES(sums, left, right)                                       \
    amx_emulated_mac_bytes(sums, left, right)
#define AMX_MAC_BF16(sums, left, right) amx_emulated_mac_bf16(sums, left, right)

/* Each as the instruction, on the thread's own tiles. */
void amx_emulated_configure(const void *config);
void amx_emulated_release(void);
void amx_emulated_zero(int tile);
void amx_emulated_load(int tile, const void *from, size_t stride);
void amx_emulated_store(int tile, void *to, size_t stride);
void amx_emulated_mac_bytes(int sums, int left, int right);
void amx_emulated_mac_bf16(int sums, int left, int right);

/* What the thread has done since amx_emulated_start, and whether its tiles
 * have shapes. */
typedef struct amx_emulated_counts {
    size_t configurations, products;
    int is_configured;
} amx_emulated_counts;

void amx_emulated_start(void);
amx_emulated_counts amx_emulated_count(void);

/* The tiers' own init functions, over these tiles: there where the compiler
 * builds the tiers. */
#if defined(__x86_64__) && RMR_CC_AMX_INT8 && RMR_CC_AVX512_VNNI &&            \
    RMR_CC_AMX_BF16 && RMR_CC_AVX512_BF16
#define AMX_IS_EMULATED 1
void amx_emulated_init_int8(rmr_kern *kern);
void amx_emulated_init_bf16(rmr_kern *kern);
#endif

#endif
