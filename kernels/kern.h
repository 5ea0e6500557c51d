/*
 * kern.h - the table of compute kernels and the tiers that can fill it.
 *
 * A kernel is a plain function over caller-owned memory: it never allocates,
 * never fails, and keeps no state. What each does is written in kern.inc.
 */
#ifndef RMR_KERN_H
#define RMR_KERN_H

#include <stddef.h>
#include <stdint.h>

typedef struct rmr_kern {
#define RMR_KERN(name, parameters) void(*name) parameters;
#include "kernels/kern.inc"
#undef RMR_KERN
} rmr_kern;

/* Tiers above the scalar reference, as bits of a mask, in rising order. */
enum {
    RMR_TIER_BLAS = 1 << 0,   /* matrix products by OpenBLAS: any CPU */
    RMR_TIER_AVX2 = 1 << 1,   /* x86 with AVX2 and FMA */
    RMR_TIER_AVX512 = 1 << 2, /* x86 with AVX-512 F */
};

/* The tiers that this CPU and its operating system can run. */
uint32_t rmr_kern_tiers(void);

/* Fills the table: scalar first, then every tier in the mask, in rising order.
 * 0 gives the scalar reference alone. The mask must be within
 * rmr_kern_tiers(). */
void rmr_kern_init(rmr_kern *kern, uint32_t tiers);

/* The entries of each tier; a tier leaves alone what it does not improve. */
void rmr_kern_init_scalar(rmr_kern *kern);
void rmr_kern_init_blas(rmr_kern *kern);
void rmr_kern_init_avx2(rmr_kern *kern);
void rmr_kern_init_avx512(rmr_kern *kern);

enum {
    RMR_PANEL = 16,         /* columns that packed weights keep together */
    RMR_ATTENTION_ROWS = 48 /* queries whose scores are held at a time */
};

/* n rounded up to whole panels. */
static inline size_t rmr_panels(size_t n)
{
    return (n + RMR_PANEL - 1) / RMR_PANEL * RMR_PANEL;
}

/* Floats of a packed weight. */
static inline size_t rmr_packed_floats(size_t in, size_t out)
{
    return in * rmr_panels(out);
}

/* Floats of scratch for attention over sequences of up to `longest` tokens:
 * linear in it. Some rows of scores, and one head's keys and values. */
static inline size_t rmr_attention_scratch(size_t longest, size_t head_size)
{
    size_t keys = rmr_panels(longest);
    return keys * (RMR_ATTENTION_ROWS + 2 * rmr_panels(head_size));
}

#endif
