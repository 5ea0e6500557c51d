/*
 * pretokenizer_fixed.c - FixedLength: words of a number of characters, but for
 * the last. It must never cut a character.
 */
#include "tokenizer/pretokenizer/pretokenizer.h"

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_utf8.h"

static rmr_status open_fixed(void **self, rmr_json_source source,
                             rmr_error *err)
{
    enum { USUAL_LENGTH = 5 };
    int64_t *length = rmr_malloc(sizeof *length);
    *self = length;
    if (!length)
        return rmr_fail_nomem(err, source.name);
    return rmr_json_get_int(source, "length", 1, INT64_MAX, USUAL_LENGTH,
                            length, err);
}

static int split_word(const void *self, const unsigned char *text,
                      rmr_span word, rmr_words *words)
{
    const int64_t *length = self;
    size_t start = word.start;
    int64_t count = 0;
    for (size_t at = word.start; at < word.end; at++) {
        if (rmr_utf8_is_continuation(text[at]) || count++ < *length)
            continue;
        if (!rmr_words_push(words, start, at))
            return 0;
        start = at;
        count = 1;
    }
    return rmr_words_push(words, start, word.end);
}

static rmr_status run_fixed(const void *self,
                            struct rmr_encoder_scratch *scratch)
{
    return rmr_pre_tokenizer_each_word(scratch, split_word, self);
}

/* Characters are counted from where a text begins. */
static rmr_cut cut(const void *self)
{
    (void)self;
    return RMR_CUT_CHANGES;
}

const rmr_pre_tokenizer_type rmr_pre_tokenizer_fixed_length = {
    .step = {{"FixedLength", "`length`, over 0"}, open_fixed, rmr_free},
    .run = run_fixed,
    .cut = cut,
};
