/*
 * cosine.c - cosine similarity as hosts offer it. It must never divide by zero,
 * nor make a number of what is not one.
 */
#include <math.h>

#include "common/remora.h"

double rmr_cosine(const float *a, const float *b, size_t n)
{
    double dot = 0, norm_a = 0, norm_b = 0;
    for (size_t i = 0; i < n; i++) {
        dot += (double)a[i] * b[i];
        norm_a += (double)a[i] * a[i];
        norm_b += (double)b[i] * b[i];
    }
    double norms = sqrt(norm_a) * sqrt(norm_b);
    return norms == 0 ? 0 : dot / norms;
}
