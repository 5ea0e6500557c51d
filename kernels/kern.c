/*
 * kern.c - fills the kernel table. It must never choose by anything but the
 * mask that it is given.
 */
#include "kernels/kern.h"

void rmr_kern_init(rmr_kern *kern, uint32_t tiers)
{
    rmr_kern_init_scalar(kern);
    if (tiers & RMR_TIER_BLAS)
        rmr_kern_init_blas(kern);
}
