/*
 * sha256.c - the digest of a weights file. It must never be used for secrets:
 * comparison is not constant time.
 */
#include "common/base/sha256.h"

#include <openssl/evp.h>
#include <string.h>

rmr_status rmr_sha256_files_hex(const rmr_file *files, size_t count,
                                char hex[RMR_SHA256_HEX], rmr_error *err)
{
    unsigned char digest[32];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int done = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    for (size_t i = 0; i < count && done; i++)
        done = EVP_DigestUpdate(context, files[i].data, files[i].size);
    done = done && EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
    if (!done)
        return rmr_fail_nomem(err, "a SHA-256 digest");
    for (size_t i = 0; i < sizeof digest; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    hex[2 * sizeof digest] = '\0';
    return RMR_OK;
}

rmr_status rmr_sha256_hex(const void *data, size_t size,
                          char hex[RMR_SHA256_HEX], rmr_error *err)
{
    const rmr_file file = {data, size};
    return rmr_sha256_files_hex(&file, 1, hex, err);
}

int rmr_sha256_is_hex(const char *text)
{
    size_t len = strspn(text, "0123456789abcdefABCDEF");
    return len == RMR_SHA256_HEX - 1 && !text[len];
}
