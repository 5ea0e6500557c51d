/*
 * amx_emulated_int8.c - the AMX tier of products of bytes, compiled over tiles
 * of plain C, under another name. It must never change the tier's own source.
 */
#include "tests/unit/amx_emulated.h"

#define rmr_kern_init_amx_int8 amx_emulated_init_int8
#include "kernels/x86/amx_int8.c"
