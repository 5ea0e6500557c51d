/*
 * amx_emulated_bf16.c - the AMX tier of products of bfloat16, compiled over
 * tiles of plain C, under another name. It must never change the tier's own
 * source.
 */
#include "tests/unit/amx_emulated.h"

#define rmr_kern_init_amx_bf16 amx_emulated_init_bf16
#include "kernels/x86/amx_bf16.c"
