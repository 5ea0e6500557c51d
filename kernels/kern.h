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

/* Tiers above the scalar reference, as bits of a mask. */
enum {
    RMR_TIER_BLAS = 1 << 0, /* matrix products by OpenBLAS */
    RMR_TIER_ALL = RMR_TIER_BLAS
};

/* Fills the table: scalar first, then every tier in the mask, in rising order.
 * 0 gives the scalar reference alone. */
void rmr_kern_init(rmr_kern *kern, uint32_t tiers);

/* The entries of each tier; a tier leaves alone what it does not improve. */
void rmr_kern_init_scalar(rmr_kern *kern);
void rmr_kern_init_blas(rmr_kern *kern);

#endif
