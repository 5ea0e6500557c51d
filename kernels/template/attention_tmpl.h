/*
 * attention_tmpl.h - attention on the packed matrix product, once per vector
 * tier: one head's keys and values are packed, then some query rows at a time
 * get their scores, softmax and context. It must never hold more than
 * RMR_ATTENTION_ROWS rows of scores.
 */

/* One head of one sequence; the scratch is divided as rmr_attention_scratch
 * says. Pointers are at the head's first component. */
static void RMR_NAME(attend_head)(size_t length, size_t head_size,
                                  size_t stride, float scale, const float *q,
                                  const float *k, const float *v,
                                  float *context, float *scratch)
{
    size_t keys = rmr_panels(length);
    float *packed_keys = scratch;
    float *packed_values = packed_keys + keys * rmr_panels(head_size);
    float *scores = packed_values + keys * rmr_panels(head_size);
    RMR_NAME(pack)(head_size, length, k, 1, stride, packed_keys);
    RMR_NAME(pack)(length, head_size, v, stride, 1, packed_values);
    for (size_t row = 0; row < length; row += RMR_ATTENTION_ROWS) {
        size_t left = length - row;
        size_t rows = left < RMR_ATTENTION_ROWS ? left : RMR_ATTENTION_ROWS;
        RMR_NAME(product)
        to_scores = {.rows = rows,
                     .in = head_size,
                     .out = length,
                     .x = q + row * stride,
                     .x_stride = stride,
                     .panels = packed_keys,
                     .y = scores,
                     .y_stride = keys};
        RMR_NAME(multiply)(&to_scores);
        for (size_t i = 0; i < rows; i++)
            RMR_NAME(softmax)(length, scale, scores + i * keys);
        RMR_NAME(product)
        to_context = {.rows = rows,
                      .in = length,
                      .out = head_size,
                      .x = scores,
                      .x_stride = keys,
                      .panels = packed_values,
                      .y = context + row * stride,
                      .y_stride = stride};
        RMR_NAME(multiply)(&to_context);
    }
}

static void RMR_NAME(attention)(size_t num_seqs, const uint32_t *cu_seqlens,
                                size_t num_heads, size_t head_size, float scale,
                                const float *q, const float *k, const float *v,
                                float *context, float *scratch)
{
    size_t stride = num_heads * head_size;
    for (size_t s = 0; s < num_seqs; s++) {
        size_t length = cu_seqlens[s + 1] - cu_seqlens[s];
        for (size_t h = 0; h < num_heads; h++) {
            size_t head = cu_seqlens[s] * stride + h * head_size;
            RMR_NAME(attend_head)
            (length, head_size, stride, scale, q + head, k + head, v + head,
             context + head, scratch);
        }
    }
}
