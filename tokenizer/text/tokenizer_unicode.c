/*
 * tokenizer_unicode.c - the tables of tokenizer_unicode.h and their lookup. It
 * must never hold a property that make_unicode.py did not take from the
 * reference.
 */
#include "tokenizer/text/tokenizer_unicode.h"

#include <stddef.h>

/* Which of 32 code points have a decomposition, and the first one's entry. An
 * entry is 32 times its place in the pool, plus how many code points it has. */
typedef struct rmr_decomposition_row {
    uint32_t members;
    uint16_t first;
} rmr_decomposition_row;

typedef struct rmr_composition {
    uint32_t first;
    uint32_t second;
    uint32_t composed;
} rmr_composition;

#include "tokenizer/text/tokenizer_unicode.inc"

const rmr_char *rmr_char_of(uint32_t code)
{
    uint32_t block =
        record_mid[record_top[code >> 10] * 64u + (code >> 4 & 63)];
    return &records[record_of[block * 16 + (code & 15)]];
}

/* ------------------------------------------------------------------- Hangul */

/* Unicode 15, section 3.12. */
enum {
    FIRST_SYLLABLE = 0xAC00,
    SYLLABLES = 11172,
    FIRST_LEAD = 0x1100,
    LEADS = 19,
    FIRST_VOWEL = 0x1161,
    VOWELS = 21,
    NO_TRAIL = 0x11A7,
    TRAILS = 28,
    VOWELS_AND_TRAILS = VOWELS * TRAILS
};

static unsigned decompose_hangul(uint32_t index, uint32_t *parts)
{
    parts[0] = FIRST_LEAD + index / VOWELS_AND_TRAILS;
    parts[1] = FIRST_VOWEL + index % VOWELS_AND_TRAILS / TRAILS;
    parts[2] = NO_TRAIL + index % TRAILS;
    return index % TRAILS ? 3 : 2;
}

static uint32_t compose_hangul(uint32_t first, uint32_t second)
{
    if (first - FIRST_LEAD < LEADS && second - FIRST_VOWEL < VOWELS)
        return FIRST_SYLLABLE + (first - FIRST_LEAD) * VOWELS_AND_TRAILS +
               (second - FIRST_VOWEL) * TRAILS;
    if (first - FIRST_SYLLABLE < SYLLABLES &&
        (first - FIRST_SYLLABLE) % TRAILS == 0 &&
        second - (NO_TRAIL + 1) < TRAILS - 1)
        return first + (second - NO_TRAIL);
    return 0;
}

/* ----------------------------------------------------------- decompositions */

static unsigned count_bits(uint32_t bits)
{
    return (unsigned)__builtin_popcount(bits);
}

/* Copies entry number rank of the row that has code; returns its length. */
static unsigned copy_parts(const rmr_decomposition_row *row, uint32_t code,
                           const uint32_t *entries, uint32_t *parts)
{
    uint32_t below = row->members & ((1u << (code & 31)) - 1);
    uint32_t entry = entries[row->first + count_bits(below)];
    for (uint32_t i = 0; i < (entry & 31); i++)
        parts[i] = pool[(entry >> 5) + i];
    return entry & 31;
}

static unsigned decompose(uint32_t code, uint32_t *parts)
{
    uint32_t group =
        nfd_group[nfd_group_at[code >> 11] * 64u + (code >> 5 & 63)];
    return copy_parts(&nfd_rows[group], code, nfd_parts, parts);
}

unsigned rmr_char_decompose(uint32_t code, const rmr_char *properties,
                            uint32_t parts[RMR_NFD_MAX])
{
    if (!(properties->flags & RMR_CHAR_NFD)) {
        parts[0] = code;
        return 1;
    }
    if (code - FIRST_SYLLABLE < SYLLABLES)
        return decompose_hangul(code - FIRST_SYLLABLE, parts);
    return decompose(code, parts);
}

unsigned rmr_char_decompose_compatible(uint32_t code,
                                       const rmr_char *properties,
                                       uint32_t parts[RMR_NFKD_MAX])
{
    uint32_t top = code >> 11;
    if ((properties->flags & RMR_CHAR_NFKD) &&
        top < sizeof nfkd_group_at / sizeof *nfkd_group_at) {
        uint32_t group =
            nfkd_group[nfkd_group_at[top] * 64u + (code >> 5 & 63)];
        const rmr_decomposition_row *row = &nfkd_rows[group];
        if (row->members >> (code & 31) & 1)
            return copy_parts(row, code, nfkd_parts, parts);
    }
    return rmr_char_decompose(code, properties, parts);
}

/* ------------------------------------------------------------- compositions */

uint32_t rmr_char_compose(uint32_t first, uint32_t second)
{
    uint32_t hangul = compose_hangul(first, second);
    if (hangul)
        return hangul;
    size_t low = 0, high = sizeof compositions / sizeof *compositions;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const rmr_composition *c = &compositions[middle];
        if (c->first == first && c->second == second)
            return c->composed;
        if (c->first < first || (c->first == first && c->second < second))
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}
