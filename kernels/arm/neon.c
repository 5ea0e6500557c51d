/*
 * neon.c - the tier for AArch64, 4 floats a vector: the templates, compiled for
 * what every such CPU has. It must never use an extension of it.
 */
#if defined(__aarch64__)

#include "kernels/arm/vec_neon_tmpl.h"

#define RMR_NAME(name) neon_##name
#include "kernels/template/tier_tmpl.h"

void rmr_kern_init_neon(rmr_kern *kern)
{
    fill(kern);
}

#endif
