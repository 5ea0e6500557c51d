/*
 * scalar.h - the reference kernels in plain C, one declaration per entry of
 * kern.inc, and the elementary functions that they share.
 */
#ifndef RMR_KERN_SCALAR_H
#define RMR_KERN_SCALAR_H

#include <stddef.h>
#include <stdint.h>

#define RMR_KERN(name, parameters) void rmr_scalar_##name parameters;
#include "kernels/kern.inc"
#undef RMR_KERN

/* x[0..count) = softmax(scale * x[0..count)), in place; count >= 1. */
void rmr_scalar_softmax(size_t count, float scale, float *x);

#endif
