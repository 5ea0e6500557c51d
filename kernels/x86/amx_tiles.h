/*
 * amx_tiles.h - the instructions of AMX: on tiles, which are registers 0 to 7
 * of up to 16 rows of up to 64 bytes. Nothing else must reach a tile, so that a
 * test can put tiles of plain C in the place of this file.
 *
 * Not the intrinsics: GCC 12's do not say that a load reads memory, nor more
 * than the first bytes of a configuration, so that what was written there just
 * before may come too late.
 */
#ifndef RMR_KERN_AMX_TILES_H
#define RMR_KERN_AMX_TILES_H

/* Gives the thread's tiles the shapes in 64 bytes, and zeros; ends that. */
#define AMX_CONFIGURE(config)                                                  \
    __asm__ volatile("ldtilecfg %0" : : "m"(*(const char(*)[64])(config)))
#define AMX_RELEASE() __asm__ volatile("tilerelease")

/* tile = 0; tile = rows in memory, `stride` bytes apart; and back. */
#define AMX_ZERO(tile) __asm__ volatile("tilezero %%tmm" #tile : :)
#define AMX_LOAD(tile, from, stride)                                           \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile                        \
                     :                                                         \
                     : "r"(from), "r"(stride)                                  \
                     : "memory")
#define AMX_STORE(tile, to, stride)                                            \
    __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)"                    \
                     :                                                         \
                     : "r"(to), "r"(stride)                                    \
                     : "memory")

/* sums += left right: sums are [rows, columns] of 32 bits, left [rows, inputs]
 * and right [inputs / n, columns, n], where n inputs make 32 bits. Of unsigned
 * and signed bytes, without saturation; of bfloat16. */
#define AMX_MAC_BYTES(sums, left, right)                                       \
    __asm__ volatile("tdpbusd %%tmm" #right ", %%tmm" #left ", %%tmm" #sums : :)
#define AMX_MAC_BF16(sums, left, right)                                        \
    __asm__ volatile("tdpbf16ps %%tmm" #right ", %%tmm" #left ", %%tmm" #sums  \
                     :                                                         \
                     :)

#endif
