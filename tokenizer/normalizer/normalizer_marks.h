/*
 * normalizer_marks.h - combining marks that wait in the scratch space until
 * those after them are known, and are then put in canonical order. It must
 * never take more than linear time, however many are piled up.
 */
#ifndef RMR_NORMALIZER_MARKS_H
#define RMR_NORMALIZER_MARKS_H

#include "tokenizer/tokenizer_internal.h"

/* Appends one to scratch->marks; 0 when out of memory. */
int rmr_marks_add(struct rmr_encoder_scratch *scratch, rmr_mark mark);

/* The scratch->num_marks marks by class, those of one class in the order of
 * the text; the caller may write over them. NULL when out of memory. */
rmr_mark *rmr_marks_sort(struct rmr_encoder_scratch *scratch);

#endif
