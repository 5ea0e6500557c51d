/*
 * tokenizer_unicode.c - the tables of tokenizer_unicode.h and their lookup. It
 * must never hold a property that make_unicode.py did not take from the
 * reference.
 */
#include "tokenizer/tokenizer_unicode.h"

#include <stddef.h>

#include "tokenizer/tokenizer_unicode.inc"

const rmr_char *rmr_char_of(uint32_t code)
{
    return &records[record_of[block_of[code >> 7] * 128u + (code & 127)]];
}

/* Unicode 15, section 3.12. */
static unsigned decompose_hangul(uint32_t index, uint32_t parts[RMR_NFD_MAX])
{
    enum { VOWELS_AND_TRAILS = 588, TRAILS = 28 };
    parts[0] = 0x1100 + index / VOWELS_AND_TRAILS;
    parts[1] = 0x1161 + index % VOWELS_AND_TRAILS / TRAILS;
    parts[2] = 0x11A7 + index % TRAILS;
    return index % TRAILS ? 3 : 2;
}

unsigned rmr_char_decompose(uint32_t code, const rmr_char *properties,
                            uint32_t parts[RMR_NFD_MAX])
{
    enum { FIRST_SYLLABLE = 0xAC00, SYLLABLES = 11172 };
    if (code - FIRST_SYLLABLE < SYLLABLES)
        return decompose_hangul(code - FIRST_SYLLABLE, parts);
    parts[0] = code;
    for (unsigned i = 0; i < properties->nfd_len; i++)
        parts[i] = decompositions[properties->nfd + i];
    return properties->nfd_len ? properties->nfd_len : 1;
}
