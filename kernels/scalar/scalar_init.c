/*
 * scalar_init.c - the scalar tier's entries: all of them, since every other
 * tier starts from here.
 */
#include "kernels/kern.h"
#include "kernels/scalar/scalar.h"

void rmr_kern_init_scalar(rmr_kern *kern)
{
#define RMR_KERN(name, parameters) kern->name = rmr_scalar_##name;
#include "kernels/kern.inc"
#undef RMR_KERN
}
