/*
 * sum.h - sums and maxima in 16 lanes that are folded at the end: more
 * exact than one running sum, and a compiler keeps the lanes in vectors. The
 * order depends on count only.
 */
#ifndef RMR_KERN_SUM_H
#define RMR_KERN_SUM_H

#include <stddef.h>

enum { RMR_LANES = 16 };

static inline float rmr_fold_lanes(float *lanes)
{
    for (size_t width = RMR_LANES / 2; width; width /= 2) {
        for (size_t i = 0; i < width; i++)
            lanes[i] += lanes[i + width];
    }
    return lanes[0];
}

static inline float rmr_sum_f32(size_t count, const float *x)
{
    float lanes[RMR_LANES] = {0};
    size_t i = 0;
    for (; i + RMR_LANES <= count; i += RMR_LANES) {
        for (size_t lane = 0; lane < RMR_LANES; lane++)
            lanes[lane] += x[i + lane];
    }
    for (size_t lane = 0; i + lane < count; lane++)
        lanes[lane] += x[i + lane];
    return rmr_fold_lanes(lanes);
}

/* The sum of (x[i] - offset)^2. */
static inline float rmr_sum_squares_f32(size_t count, const float *x,
                                        float offset)
{
    float lanes[RMR_LANES] = {0};
    size_t i = 0;
    for (; i + RMR_LANES <= count; i += RMR_LANES) {
        for (size_t lane = 0; lane < RMR_LANES; lane++) {
            float d = x[i + lane] - offset;
            lanes[lane] += d * d;
        }
    }
    for (size_t lane = 0; i + lane < count; lane++) {
        float d = x[i + lane] - offset;
        lanes[lane] += d * d;
    }
    return rmr_fold_lanes(lanes);
}

/* The largest of count >= 1 values; not NaN unless all are. */
static inline float rmr_max_f32(size_t count, const float *x)
{
    float lanes[RMR_LANES];
    for (size_t lane = 0; lane < RMR_LANES; lane++)
        lanes[lane] = x[0];
    size_t i = 0;
    for (; i + RMR_LANES <= count; i += RMR_LANES) {
        for (size_t lane = 0; lane < RMR_LANES; lane++)
            lanes[lane] = x[i + lane] > lanes[lane] ? x[i + lane] : lanes[lane];
    }
    for (; i < count; i++)
        lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
    for (size_t lane = 1; lane < RMR_LANES; lane++)
        lanes[0] = lanes[lane] > lanes[0] ? lanes[lane] : lanes[0];
    return lanes[0];
}

#endif
