/*
 * similarity.c - how alike two vectors are. It must never divide by zero, nor
 * make a number of what is not one.
 */
#include <math.h>
#include <string.h>

#include "common/base/error.h"

static const char *const similarity_names[] = {"cosine", "dot", "euclidean",
                                               "manhattan"};

enum { NUM_SIMILARITIES = sizeof similarity_names / sizeof *similarity_names };

rmr_status rmr_similarity_parse(const char *name, rmr_similarity *similarity,
                                rmr_error *err)
{
    for (size_t i = 0; i < NUM_SIMILARITIES; i++) {
        if (strcmp(name, similarity_names[i]) == 0) {
            *similarity = (rmr_similarity)i;
            return RMR_OK;
        }
    }
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "the similarity \"%s\" is not supported; cosine, dot, "
                    "euclidean and manhattan are",
                    name);
}

const char *rmr_similarity_name(rmr_similarity similarity)
{
    return (size_t)similarity < NUM_SIMILARITIES ? similarity_names[similarity]
                                                 : "unknown";
}

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

static double distance(int squared, const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double apart = fabs((double)a[i] - b[i]);
        sum += squared ? apart * apart : apart;
    }
    return squared ? sqrt(sum) : sum;
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

double rmr_compare(rmr_similarity similarity, const float *a, const float *b,
                   size_t n)
{
    switch (similarity) {
    case RMR_SIMILARITY_COSINE:
        return rmr_cosine(a, b, n);
    case RMR_SIMILARITY_DOT:
        return dot(a, b, n);
    case RMR_SIMILARITY_EUCLIDEAN:
        return -distance(1, a, b, n);
    case RMR_SIMILARITY_MANHATTAN:
        return -distance(0, a, b, n);
    }
    return (double)NAN;
}
