/*
 * convolution.c - a convolution over tokens as one product per group of
 * components, over what is under the kernel side by side. It must never look
 * past a sequence's own tokens.
 */
#include "common/model/convolution.h"

#include <string.h>

enum { ROWS = 12 }; /* that are multiplied at a time */

size_t rmr_convolution_floats(const rmr_convolution *convolution,
                              const rmr_config *config)
{
    return ROWS * convolution->width *
           (config->hidden_size / convolution->groups);
}

/* What is under the kernel at token t of the sequence [begin, end), of the
 * group's components. */
static void gather(const rmr_convolution *conv, const float *hidden,
                   size_t stride, size_t begin, size_t end, size_t t,
                   size_t columns, float *row)
{
    for (size_t k = 0; k < conv->width; k++) {
        size_t at = t + k, half = conv->width / 2;
        const float *from = at >= begin + half && at < end + half
                                ? hidden + (at - half) * stride
                                : NULL;
        for (size_t c = 0; c < columns; c++)
            row[c * conv->width + k] = from ? from[c] : 0;
    }
}

/* Tokens [first, first + rows) of one sequence. */
static void convolve_rows(const rmr_convolution *conv, const rmr_config *config,
                          const rmr_kern *kern, const float *hidden,
                          const uint32_t ends[2], size_t first, size_t rows,
                          float *scratch, float *y)
{
    size_t stride = config->hidden_size, columns = stride / conv->groups;
    size_t in = columns * conv->width;
    for (size_t g = 0; g < conv->groups; g++) {
        for (size_t r = 0; r < rows; r++)
            gather(conv, hidden + g * columns, stride, ends[0], ends[1],
                   first + r, columns, scratch + r * in);
        rmr_linear_args args = {.weight = &conv->of_group[g].weight,
                                .rows = rows,
                                .last = columns,
                                .x = scratch,
                                .x_stride = in * sizeof *scratch,
                                .bias = conv->of_group[g].bias,
                                .activation = conv->activation,
                                .y = y + g * columns,
                                .y_stride = stride * sizeof *y,
                                .y_dtype = RMR_DTYPE_F32};
        kern->linear_f32(&args);
    }
}

void rmr_convolve(const rmr_convolution *convolution, const rmr_config *config,
                  const rmr_kern *kern, const rmr_batch *batch,
                  const float *hidden, size_t first, size_t last,
                  float *scratch, float *y)
{
    size_t seq = 0;
    while (first < last) {
        while (batch->cu_seqlens[seq + 1] <= first)
            seq++;
        size_t end = batch->cu_seqlens[seq + 1];
        size_t rows = (end < last ? end : last) - first;
        rows = rows < ROWS ? rows : ROWS;
        convolve_rows(convolution, config, kern, hidden,
                      batch->cu_seqlens + seq, first, rows, scratch, y);
        first += rows;
        y += rows * config->hidden_size;
    }
}
