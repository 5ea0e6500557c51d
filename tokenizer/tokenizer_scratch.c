/*
 * tokenizer_scratch.c - what a thread works in while it encodes: texts, words
 * and room, kept from one text to the next. It must never keep what one huge
 * text needed.
 */
#include "tokenizer/tokenizer_internal.h"

#include <string.h>

#include "common/base/alloc.h"

enum { NUM_TEXTS = 3, KEPT_BYTES = 1 << 22 };

void rmr_encoder_scratch_clear(struct rmr_encoder_scratch *scratch)
{
    for (int i = 0; i < NUM_TEXTS; i++)
        rmr_normalized_free(&scratch->texts[i]);
    rmr_free(scratch->words.spans);
    rmr_free(scratch->next_words.spans);
    rmr_free(scratch->marks);
    rmr_free(scratch->sorted_marks);
    rmr_free(scratch->sources);
    rmr_free(scratch->owed);
    rmr_regex_scratch_clear(&scratch->regex);
    rmr_free(scratch->cache);
    rmr_free(scratch->room);
    memset(scratch, 0, sizeof *scratch);
}

void rmr_encoder_scratch_trim(struct rmr_encoder_scratch *scratch)
{
    const struct rmr_encoder_scratch *s = scratch;
    size_t bytes = (s->mark_capacity + s->sorted_capacity) * sizeof(rmr_mark) +
                   (s->source_capacity + s->owed_capacity + s->words.capacity +
                    s->next_words.capacity) *
                       sizeof(rmr_span) +
                   s->room_size;
    for (int i = 0; i < NUM_TEXTS; i++)
        bytes += s->texts[i].capacity +
                 s->texts[i].origin_capacity * sizeof(rmr_origin);
    if (bytes > KEPT_BYTES)
        rmr_encoder_scratch_clear(scratch);
}

rmr_normalized *rmr_scratch_spare(struct rmr_encoder_scratch *scratch)
{
    rmr_normalized *spare = scratch->texts;
    while (spare == scratch->text || spare == scratch->base)
        spare++;
    return spare;
}

void rmr_scratch_swap(struct rmr_encoder_scratch *scratch,
                      rmr_normalized *spare)
{
    scratch->text = spare;
}

void rmr_scratch_swap_words(struct rmr_encoder_scratch *scratch)
{
    rmr_words words = scratch->words;
    scratch->words = scratch->next_words;
    scratch->next_words = words;
}

void *rmr_scratch_room(struct rmr_encoder_scratch *scratch, size_t size)
{
    if (scratch->room_size >= size)
        return scratch->room;
    rmr_free(scratch->room);
    scratch->room_size = 0;
    scratch->room = rmr_malloc(size);
    if (scratch->room)
        scratch->room_size = size;
    return scratch->room;
}
