/*
 * tokenizer_unicode.h - what the reference does with each code point. The
 * data are generated from the reference itself, whose crates follow several
 * versions of Unicode: no other source may be mixed in.
 */
#ifndef RMR_TOKENIZER_UNICODE_H
#define RMR_TOKENIZER_UNICODE_H

#include <stdint.h>

enum {
    RMR_CHAR_SPACE = 1,       /* white space, but to REGEX_SPACE */
    RMR_CHAR_PUNCT = 2,       /* punctuation to pre-tokenizers */
    RMR_CHAR_REMOVED = 4,     /* removed by clean_text */
    RMR_CHAR_MARK = 8,        /* a nonspacing mark, removed by strip_accents */
    RMR_CHAR_WORD = 16,       /* \w of Whitespace and of single_word */
    RMR_CHAR_CHINESE = 32,    /* set apart by handle_chinese_chars */
    RMR_CHAR_DOTTED = 64,     /* U+0307 follows its lower case */
    RMR_CHAR_COMBINING = 128, /* a mark, removed by StripAccents */
    RMR_CHAR_NUMERIC = 256,   /* a number to Digits */
    RMR_CHAR_NFD = 512,       /* it has a canonical decomposition */
    RMR_CHAR_NFKD = 1024,     /* it has a compatibility decomposition, or
                               * a canonical one */
    /* NFC (NFKC) keeps it, whatever comes before it; what comes after it may
     * compose with it. */
    RMR_CHAR_NFC_INERT = 2048,
    RMR_CHAR_NFKC_INERT = 4096,
    RMR_CHAR_SECOND = 8192,       /* it may compose with what precedes it */
    RMR_CHAR_REGEX_WORD = 16384,  /* \w of a regular expression */
    RMR_CHAR_REGEX_SPACE = 32768, /* \s of a regular expression */
};

/* General categories as regular expressions have them (\p{Lu} and so on). */
enum {
    RMR_CATEGORY_CN,
    RMR_CATEGORY_LU,
    RMR_CATEGORY_LL,
    RMR_CATEGORY_LT,
    RMR_CATEGORY_LM,
    RMR_CATEGORY_LO,
    RMR_CATEGORY_MN,
    RMR_CATEGORY_MC,
    RMR_CATEGORY_ME,
    RMR_CATEGORY_ND,
    RMR_CATEGORY_NL,
    RMR_CATEGORY_NO,
    RMR_CATEGORY_PC,
    RMR_CATEGORY_PD,
    RMR_CATEGORY_PS,
    RMR_CATEGORY_PE,
    RMR_CATEGORY_PI,
    RMR_CATEGORY_PF,
    RMR_CATEGORY_PO,
    RMR_CATEGORY_SM,
    RMR_CATEGORY_SC,
    RMR_CATEGORY_SK,
    RMR_CATEGORY_SO,
    RMR_CATEGORY_ZS,
    RMR_CATEGORY_ZL,
    RMR_CATEGORY_ZP,
    RMR_CATEGORY_CC,
    RMR_CATEGORY_CF,
    RMR_CATEGORY_CO
};

/* Sets of categories: `(RMR_LETTERS >> category) & 1`. */
#define RMR_LETTERS 0x3Eu  /* \p{L} */
#define RMR_MARKS 0x1C0u   /* \p{M} */
#define RMR_NUMBERS 0xE00u /* \p{N} */

/* What a character is when text is cut into extended grapheme clusters. From
 * SPACING on they belong to the cluster that they follow. */
typedef enum rmr_grapheme {
    RMR_GRAPHEME_OTHER,
    RMR_GRAPHEME_CR,
    RMR_GRAPHEME_LF,
    RMR_GRAPHEME_CONTROL,
    RMR_GRAPHEME_PREPEND,
    RMR_GRAPHEME_L, /* Hangul */
    RMR_GRAPHEME_V,
    RMR_GRAPHEME_T,
    RMR_GRAPHEME_LV,
    RMR_GRAPHEME_LVT,
    RMR_GRAPHEME_PICTOGRAPHIC,
    RMR_GRAPHEME_CONSONANT, /* InCB=Consonant */
    RMR_GRAPHEME_SPACING,
    RMR_GRAPHEME_NONJOINER, /* Extend, but neither InCB=Extend nor Linker */
    RMR_GRAPHEME_EXTEND,
    RMR_GRAPHEME_ZWJ,
    RMR_GRAPHEME_LINKER /* InCB=Linker */
} rmr_grapheme;

typedef struct rmr_char {
    uint16_t flags;
    int32_t lower;    /* lower case minus itself */
    uint8_t order;    /* rank of its canonical combining class; 0 for class 0 */
    uint8_t script;   /* number of its script to UnicodeScripts; 0 goes with
                       * every other */
    uint8_t grapheme; /* rmr_grapheme */
    uint8_t category; /* RMR_CATEGORY_ */
} rmr_char;

/* code <= 0x10FFFF. */
const rmr_char *rmr_char_of(uint32_t code);

/* The full canonical decomposition of code into parts; returns how many. */
enum { RMR_NFD_MAX = 4 };
unsigned rmr_char_decompose(uint32_t code, const rmr_char *properties,
                            uint32_t parts[RMR_NFD_MAX]);

/* The full decomposition, compatibility characters included. */
enum { RMR_NFKD_MAX = 18 };
unsigned rmr_char_decompose_compatible(uint32_t code,
                                       const rmr_char *properties,
                                       uint32_t parts[RMR_NFKD_MAX]);

/* What first and then second compose to; 0 when they do not. */
uint32_t rmr_char_compose(uint32_t first, uint32_t second);

#endif
