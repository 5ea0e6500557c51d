/*
 * tokenizer_bytechars.h - the characters that ByteLevel writes for bytes
 * (Radford et al. 2019): printable Latin-1 for itself, the others from U+0100
 * on. It must never be changed: vocabularies are written in it.
 */
#ifndef RMR_TOKENIZER_BYTECHARS_H
#define RMR_TOKENIZER_BYTECHARS_H

#include <stdint.h>

/* Whether a byte is written as the character of the same number. */
static inline int rmr_byte_is_char(uint32_t byte)
{
    return (byte >= 0x21 && byte <= 0x7E) ||
           (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
}

/* The character of a byte, U+0021 to U+0143. The others count on from U+0100
 * in their order: 0x00 to 0x20, 0x7F to 0xA0, 0xAD. */
static inline uint32_t rmr_byte_to_char(unsigned char byte)
{
    if (rmr_byte_is_char(byte))
        return byte;
    if (byte <= 0x20)
        return 0x100u + byte;
    return byte == 0xAD ? 0x143u : 0x121u + (byte - 0x7Fu);
}

/* The byte of a character; -1 when it stands for none. */
static inline int rmr_char_to_byte(uint32_t code)
{
    if (code <= 0xFF)
        return rmr_byte_is_char(code) ? (int)code : -1;
    if (code <= 0x120)
        return (int)(code - 0x100);
    if (code <= 0x142)
        return (int)(code - 0x121 + 0x7F);
    return code == 0x143 ? 0xAD : -1;
}

#endif
