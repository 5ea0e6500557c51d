/*
 * tokenizer_text.h - a text on its way through the stages: well-formed UTF-8
 * that knows from where in the caller's text each character comes, and the
 * writer that makes one such text from another. It must never lose an origin,
 * and origins never go backwards.
 *
 * The reference keeps a pair of offsets for every byte ("alignments"); here
 * runs of bytes share one entry, so that text which nothing changes costs
 * nothing.
 */
#ifndef RMR_TOKENIZER_TEXT_H
#define RMR_TOKENIZER_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Bytes [start, end) of something. */
typedef struct rmr_span {
    size_t start;
    size_t end;
} rmr_span;

/*
 * Where bytes come from, from `at` to the next origin's `at`. With length 0
 * each byte stands for the byte of the caller's text as far from `start` as it
 * is from `at`, a character for just that character; else each of them stands
 * for all of [start, start + length), for nothing at `start` with
 * RMR_ORIGIN_NOTHING.
 */
#define RMR_ORIGIN_NOTHING SIZE_MAX
typedef struct rmr_origin {
    size_t at;
    size_t start;
    size_t length;
} rmr_origin;

typedef struct rmr_normalized {
    const unsigned char *bytes; /* the caller's text itself, or `buffer` */
    size_t len;
    unsigned char *buffer;
    size_t capacity;
    rmr_origin *origins; /* sorted by `at`; none when len is 0 */
    size_t num_origins;
    size_t origin_capacity;
    size_t first;        /* where in the caller's text it all begins */
    size_t start_cursor; /* where the last look-ups ended */
    size_t end_cursor;
} rmr_normalized;

/* Makes *normalized text[from, to), whose offsets count from text: those very
 * bytes when they are well-formed, else a copy in which every maximal
 * ill-formed part is U+FFFD. 0 when out of memory. */
int rmr_normalized_set(rmr_normalized *normalized, const unsigned char *text,
                       size_t from, size_t to);
void rmr_normalized_free(rmr_normalized *normalized);

/* The part [*start, *end) of the caller's text that the bytes [*start, *end),
 * not empty, stand for. Fast when called for ascending bytes. */
void rmr_normalized_to_text(rmr_normalized *normalized, size_t *start,
                            size_t *end);

/* ------------------------------------------------------------------- writer */

/*
 * Goes through one text and writes another, character by character. What a
 * character that is written stands for follows from what is used up of the
 * input, as in the reference's NormalizedString::transform:
 *   change 0   rmr_writer_replace
 *   change -n  rmr_writer_replace, then rmr_writer_skip over n characters
 *   change +1  rmr_writer_insert
 * Running out of memory is noted, and told by rmr_writer_end alone.
 */
typedef struct rmr_writer {
    const rmr_normalized *in;
    rmr_normalized *out;
    size_t at;     /* bytes of `in` that are used up */
    size_t origin; /* the origin that `at` is in, or an earlier one */
    int failed;
} rmr_writer;

/* Empties out, which is not in. */
void rmr_writer_begin(rmr_writer *writer, const rmr_normalized *in,
                      rmr_normalized *out);

/* 0 when it ran out of memory. */
int rmr_writer_end(rmr_writer *writer);

/* The next character of the input, len bytes of it, becomes code. */
void rmr_writer_replace(rmr_writer *writer, size_t len, uint32_t code);

/* One more character, which stands for what the character of the input that
 * was used up last does; for nothing, where the text begins, when there is
 * none. */
void rmr_writer_insert(rmr_writer *writer, uint32_t code);

/* What the character that was used up last stands for; as _insert. */
rmr_span rmr_writer_last(rmr_writer *writer);

/* One more character, which stands for what the next one of the input does,
 * and uses nothing up. The input has one. */
void rmr_writer_prepend(rmr_writer *writer, size_t len, uint32_t code);

/* The next len bytes of the input give nothing. */
static inline void rmr_writer_skip(rmr_writer *writer, size_t len)
{
    writer->at += len;
}

/* The next len > 0 bytes of the input, whole characters, become as many bytes
 * of characters of the same lengths: room for those, to be filled by the
 * caller; NULL when out of memory. */
unsigned char *rmr_writer_map(rmr_writer *writer, size_t len);

/* The next len bytes of the input as they are. */
void rmr_writer_copy(rmr_writer *writer, size_t len);

/* For what does not go in order: uses up a character of len bytes and returns
 * what it stands for; and writes one that stands for `source`. */
rmr_span rmr_writer_take(rmr_writer *writer, size_t len);
void rmr_writer_put(rmr_writer *writer, uint32_t code, rmr_span source);

/* -------------------------------------------------------------------- words */

/* Words, as spans of a normalized text. */
typedef struct rmr_words {
    rmr_span *spans; /* [count] */
    size_t count;
    size_t capacity;
} rmr_words;

/* Room for one more; 0 when out of memory. */
int rmr_words_grow(rmr_words *words);

/* Appends a word, unless it is empty. 0 when out of memory. */
static inline int rmr_words_push(rmr_words *words, size_t start, size_t end)
{
    if (start == end)
        return 1;
    if (words->count >= words->capacity && !rmr_words_grow(words))
        return 0;
    words->spans[words->count++] = (rmr_span){start, end};
    return 1;
}

#endif
