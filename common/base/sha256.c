/*
 * sha256.c - the digest of a weights file. It must never be used for secrets:
 * comparison is not constant time.
 */
#include "common/base/sha256.h"

#include <openssl/evp.h>
#include <string.h>

rmr_status rmr_sha256_hex(const void *data, size_t size,
                          char hex[RMR_SHA256_HEX], rmr_error *err)
{
    unsigned char digest[32];
    if (!EVP_Digest(data, size, digest, NULL, EVP_sha256(), NULL))
        return rmr_fail_nomem(err, "a SHA-256 digest");
    for (size_t i = 0; i < sizeof digest; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    hex[2 * sizeof digest] = '\0';
    return RMR_OK;
}

int rmr_sha256_is_hex(const char *text)
{
    size_t len = strspn(text, "0123456789abcdefABCDEF");
    return len == RMR_SHA256_HEX - 1 && !text[len];
}
