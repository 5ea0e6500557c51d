/*
 * fuzz_tokenizer.c - any bytes as a tokenizer.json. One that opens must encode
 * every text within its promises.
 */
#include <sys/mman.h>
#include <unistd.h>
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/encode.h"

static const char *const texts[] = {
    "",
    "hello",
    "The tokens, and [MASK]!",
    "caf\xc3\xa9 \xe4\xbd\xa0\xff\xfe",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rmr_tokenizer *tokenizer = NULL;
    rmr_error err = {0};
    char path[64];
    int fd = memfd_create("tokenizer.json", 0);

    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    rmr_status status = rmr_tokenizer_open(&tokenizer, path, &err);
    close(fd);
    if (status) {
        CHECK(tokenizer == NULL);
        check_error(status, &err);
        return 0;
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_encoding(tokenizer, texts[i], strlen(texts[i]));
    rmr_tokenizer_close(tokenizer);
    return 0;
}
