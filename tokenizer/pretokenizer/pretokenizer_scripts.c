/*
 * pretokenizer_scripts.c - UnicodeScripts: words end where the script changes.
 * It must drop what comes before a word's first character of a script, as the
 * reference does.
 */
#include "tokenizer/pretokenizer/pretokenizer.h"

#include "tokenizer/text/tokenizer_unicode.h"
#include "tokenizer/text/tokenizer_utf8.h"

static int split_word(const void *self, const unsigned char *text,
                      rmr_span word, rmr_words *words)
{
    enum { GOES_WITH_ALL = 0 };
    size_t start = word.end;
    int of_word = GOES_WITH_ALL;
    (void)self;
    for (size_t at = word.start; at < word.end;) {
        uint32_t code;
        size_t len = rmr_utf8_decode(text + at, word.end - at, &code);
        int script = rmr_char_of(code)->script;
        if (script != GOES_WITH_ALL && script != of_word) {
            if (of_word != GOES_WITH_ALL && !rmr_words_push(words, start, at))
                return 0;
            start = at;
            of_word = script;
        }
        at += len;
    }
    return rmr_words_push(words, start, word.end);
}

static rmr_status run_scripts(const void *self,
                              struct rmr_encoder_scratch *scratch)
{
    return rmr_pre_tokenizer_each_word(scratch, split_word, self);
}

/* A space that begins a text is dropped, others are not. */
static rmr_cut cut(const void *self)
{
    (void)self;
    return RMR_CUT_CHANGES;
}

const rmr_pre_tokenizer_type rmr_pre_tokenizer_unicode_scripts = {
    .step = {{"UnicodeScripts", ""}, rmr_step_no_options, NULL},
    .run = run_scripts,
    .cut = cut,
};
