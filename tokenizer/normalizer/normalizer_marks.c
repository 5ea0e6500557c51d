/*
 * normalizer_marks.c - waiting marks in canonical order. It must never compare
 * every mark with every other when there are many.
 */
#include "tokenizer/normalizer/normalizer_marks.h"

#include "common/base/alloc.h"

int rmr_marks_add(struct rmr_encoder_scratch *scratch, rmr_mark mark)
{
    if (scratch->num_marks >= scratch->mark_capacity) {
        rmr_mark *marks = rmr_grow(scratch->marks, &scratch->mark_capacity,
                                   scratch->num_marks + 1, sizeof *marks);
        if (!marks)
            return 0;
        scratch->marks = marks;
    }
    scratch->marks[scratch->num_marks++] = mark;
    return 1;
}

static void insertion_sort(rmr_mark *marks, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        rmr_mark mark = marks[i];
        size_t at = i;
        for (; at && marks[at - 1].order > mark.order; at--)
            marks[at] = marks[at - 1];
        marks[at] = mark;
    }
}

static void counting_sort(const rmr_mark *marks, size_t count, rmr_mark *sorted)
{
    size_t starts[256] = {0}, at = 0;
    for (size_t i = 0; i < count; i++)
        starts[marks[i].order]++;
    for (int order = 0; order < 256; order++) {
        size_t number = starts[order];
        starts[order] = at;
        at += number;
    }
    for (size_t i = 0; i < count; i++)
        sorted[starts[marks[i].order]++] = marks[i];
}

rmr_mark *rmr_marks_sort(struct rmr_encoder_scratch *scratch)
{
    enum { FEW = 16 };
    if (scratch->num_marks <= FEW) {
        insertion_sort(scratch->marks, scratch->num_marks);
        return scratch->marks;
    }
    rmr_mark *sorted =
        rmr_grow(scratch->sorted_marks, &scratch->sorted_capacity,
                 scratch->num_marks, sizeof *sorted);
    if (!sorted)
        return NULL;
    scratch->sorted_marks = sorted;
    counting_sort(scratch->marks, scratch->num_marks, sorted);
    return sorted;
}
