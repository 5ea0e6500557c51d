/*
 * kern_names.c - says which tiers this CPU has and which one's code is behind
 * each kernel, for people who ask. It must never choose: it looks at the tables
 * that rmr_kern_init fills.
 */
#include "kernels/kern.h"

enum {
#define RMR_KERN(name, parameters) KERNEL_##name,
#include "kernels/kern.inc"
#undef RMR_KERN
    NUM_KERNELS
};

static const char *const kernels[NUM_KERNELS] = {
#define RMR_KERN(name, parameters) #name,
#include "kernels/kern.inc"
#undef RMR_KERN
};

/* In rising order; 0 is the scalar reference, which is always there. */
static const struct {
    uint32_t bit;
    const char *name;
} tiers[] = {
    {0, "scalar"},
    {RMR_TIER_BLAS, "blas"},
    {RMR_TIER_AVX2, "avx2"},
    {RMR_TIER_AVX_VNNI, "avx_vnni"},
    {RMR_TIER_AVX512, "avx512"},
    {RMR_TIER_AVX512_VNNI, "avx512_vnni"},
    {RMR_TIER_AVX512_BF16, "avx512_bf16"},
    {RMR_TIER_AMX_INT8, "amx_int8"},
    {RMR_TIER_AMX_BF16, "amx_bf16"},
    {RMR_TIER_NEON, "neon"},
    {RMR_TIER_NEON_DOTPROD, "neon_dotprod"},
    {RMR_TIER_NEON_I8MM, "neon_i8mm"},
    {RMR_TIER_NEON_BF16, "neon_bf16"},
};

enum { NUM_TIERS = sizeof tiers / sizeof *tiers };

/* Says `tier` for the kernels that are not the same in the two tables. */
static void mark(const rmr_kern *before, const rmr_kern *after,
                 const char *tier, const char *marks[NUM_KERNELS])
{
#define RMR_KERN(name, parameters)                                             \
    if (after->name != before->name)                                           \
        marks[KERNEL_##name] = tier;
#include "kernels/kern.inc"
#undef RMR_KERN
}

const char *rmr_tier_at(size_t index)
{
    uint32_t all = rmr_kern_tiers();
    for (size_t i = 0; i < NUM_TIERS; i++) {
        if (tiers[i].bit & ~all)
            continue;
        if (index-- == 0)
            return tiers[i].name;
    }
    return NULL;
}

int rmr_kernel_at(size_t index, const char **kernel, const char **tier)
{
    const char *marks[NUM_KERNELS];
    rmr_kern before = {0}, after;
    uint32_t all = rmr_kern_tiers(), mask = 0;
    *kernel = *tier = NULL;
    if (index >= NUM_KERNELS)
        return 0;
    for (size_t i = 0; i < NUM_TIERS; i++) {
        if (tiers[i].bit & ~all)
            continue;
        mask |= tiers[i].bit;
        rmr_kern_init(&after, mask);
        mark(&before, &after, tiers[i].name, marks);
        before = after;
    }
    *kernel = kernels[index];
    *tier = marks[index];
    return 1;
}
