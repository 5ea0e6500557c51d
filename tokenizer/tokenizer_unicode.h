/*
 * tokenizer_unicode.h - what the reference does with each code point. The
 * data are generated from the reference itself, whose crates follow several
 * versions of Unicode: no other source may be mixed in.
 */
#ifndef RMR_TOKENIZER_UNICODE_H
#define RMR_TOKENIZER_UNICODE_H

#include <stdint.h>

enum {
    RMR_CHAR_SPACE = 1,    /* white space */
    RMR_CHAR_PUNCT = 2,    /* punctuation to BertPreTokenizer */
    RMR_CHAR_REMOVED = 4,  /* removed by clean_text */
    RMR_CHAR_MARK = 8,     /* a nonspacing mark, removed by strip_accents */
    RMR_CHAR_WORD = 16,    /* \w of a single_word added token */
    RMR_CHAR_CHINESE = 32, /* set apart by handle_chinese_chars */
    RMR_CHAR_DOTTED = 64   /* U+0307 follows its lower case */
};

typedef struct rmr_char {
    uint8_t flags;
    uint8_t order;   /* rank of its canonical combining class; 0 for class 0 */
    uint8_t nfd_len; /* code points in its decomposition; 0 when it is itself,
                      * or a Hangul syllable */
    uint16_t nfd;    /* where they begin */
    int32_t lower;   /* lower case minus itself */
} rmr_char;

/* code <= 0x10FFFF. */
const rmr_char *rmr_char_of(uint32_t code);

/* The canonical decomposition of code into parts; returns how many. */
enum { RMR_NFD_MAX = 4 };
unsigned rmr_char_decompose(uint32_t code, const rmr_char *properties,
                            uint32_t parts[RMR_NFD_MAX]);

#endif
