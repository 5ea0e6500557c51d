/*
 * tokenizer_utf8.h - reading and writing UTF-8, one character at a time. It
 * must never read past the end that it is given, and never give a surrogate.
 */
#ifndef RMR_TOKENIZER_UTF8_H
#define RMR_TOKENIZER_UTF8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RMR_REPLACEMENT 0xFFFD

static inline int rmr_utf8_is_continuation(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/*
 * Reads the character that begins at text; len >= 1. Returns how many bytes
 * it takes. A maximal ill-formed part (Unicode 15, section 3.9) is one
 * U+FFFD, as in Python's errors="replace".
 */
static inline size_t rmr_utf8_decode(const unsigned char *text, size_t len,
                                     uint32_t *code)
{
    uint32_t lead = text[0], value;
    unsigned low = 0x80, high = 0xBF; /* what the second byte may be */
    size_t need;
    *code = lead;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF) {
        need = 1;
        value = lead & 0x1F;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        need = 2;
        value = lead & 0x0F;
        low = lead == 0xE0 ? 0xA0 : 0x80;
        high = lead == 0xED ? 0x9F : 0xBF;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        need = 3;
        value = lead & 0x07;
        low = lead == 0xF0 ? 0x90 : 0x80;
        high = lead == 0xF4 ? 0x8F : 0xBF;
    } else {
        *code = RMR_REPLACEMENT;
        return 1;
    }
    for (size_t i = 1; i <= need; i++) {
        if (i >= len || text[i] < low || text[i] > high) {
            *code = RMR_REPLACEMENT;
            return i;
        }
        value = value << 6 | (text[i] & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    *code = value;
    return need + 1;
}

/* How many of the len bytes, from the first on, are well-formed. */
static inline size_t rmr_utf8_well_formed(const unsigned char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        uint64_t eight;
        if (len - at >= sizeof eight) {
            memcpy(&eight, text + at, sizeof eight);
            if (!(eight & 0x8080808080808080u)) {
                at += sizeof eight;
                continue;
            }
        }
        uint32_t code;
        size_t n = rmr_utf8_decode(text + at, len - at, &code);
        if (code == RMR_REPLACEMENT &&
            (n != 3 || memcmp(text + at, "\xEF\xBF\xBD", 3)))
            break;
        at += n;
    }
    return at;
}

/* Reads the character that ends before text[end], end >= 1 being where one
 * begins or the text ends. Returns how many bytes it takes. */
static inline size_t rmr_utf8_decode_before(const unsigned char *text,
                                            size_t end, uint32_t *code)
{
    for (size_t n = 1; n <= 4 && n <= end; n++) {
        if (rmr_utf8_is_continuation(text[end - n]))
            continue;
        if (rmr_utf8_decode(text + end - n, n, code) == n)
            return n;
        break;
    }
    *code = RMR_REPLACEMENT;
    return 1;
}

/* Writes a character, at most 4 bytes; returns how many. */
static inline size_t rmr_utf8_encode(uint32_t code, unsigned char *out)
{
    if (code < 0x80) {
        out[0] = (unsigned char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (unsigned char)(0xC0 | code >> 6);
        out[1] = (unsigned char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (unsigned char)(0xE0 | code >> 12);
        out[1] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (unsigned char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (unsigned char)(0xF0 | code >> 18);
    out[1] = (unsigned char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (unsigned char)(0x80 | (code & 0x3F));
    return 4;
}

#endif
