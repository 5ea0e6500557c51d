/*
 * pretokenizer_scan.h - the patterns that most models cut text with, as
 * scanners that are written by hand and that no text can slow down. A pattern
 * must be exactly one of these, and a scanner must find exactly what the
 * reference's Oniguruma finds.
 */
#ifndef RMR_TOKENIZER_PRETOKENIZER_SCAN_H
#define RMR_TOKENIZER_PRETOKENIZER_SCAN_H

#include "tokenizer/text/tokenizer_text.h"

/* ByteLevel's own. */
extern const char rmr_scan_gpt2[];

typedef struct rmr_scanner rmr_scanner;
struct rmr_scanner {
    /* The end of the match that begins at `at`, before `end`, in a text of
     * which only [.., end) counts. Every place where a match ends, or the text
     * begins, has one: matches leave nothing out. */
    size_t (*next)(const rmr_scanner *scanner, const unsigned char *text,
                   size_t at, size_t end);
    /* All matches of text[word.start, word.end), one after another, which is
     * all of it. 0 when out of memory. */
    int (*words)(const rmr_scanner *scanner, const unsigned char *text,
                 rmr_span word, rmr_words *words);
    unsigned char class_of_byte[256]; /* 0 for what is not ASCII */
};

/* Makes a scanner for a pattern; 0 when there is none. */
int rmr_scanner_open(rmr_scanner *scanner, const char *pattern, size_t len);

#endif
