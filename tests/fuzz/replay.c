/*
 * replay.c - runs a fuzz target without a fuzzer: every file of a corpus as it
 * is, then seeded mutations of each. The same inputs every time; it must never
 * report success without having run any.
 *
 * usage: fuzz_NAME DIRECTORY [MUTATIONS]
 */
#include <dirent.h>
#include "tests/fuzz/fuzz.h"

enum { INPUT_BYTES = 1 << 16 };

static uint64_t state = 0x9e3779b97f4a7c15u;

static size_t below(size_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return limit ? (size_t)(state % limit) : 0;
}

/* The target sees a block of exactly its input's size, so that reading one
 * byte too far is seen. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    CHECK(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static size_t mutate_once(uint8_t *data, size_t size)
{
    static const char *const words[] = {
        "null",  "-1", "\\u0000", "1e999", "18446744073709551615",
        "[[[[[", "{}", "\"\"",    "\xff",  "\\ud800",
    };
    size_t at = below(size), len = below(size - at + 1);

    switch (below(6)) {
    case 0:
        if (size)
            data[at] ^= (uint8_t)(1u << below(8));
        return size;
    case 1:
        if (size)
            data[at] = (uint8_t)below(256);
        return size;
    case 2: /* cut the end off */
        return at;
    case 3: /* take a piece out */
        memmove(data + at, data + at + len, size - at - len);
        return size - len;
    case 4: /* repeat a piece */
        if (size + len > INPUT_BYTES)
            return size;
        memmove(data + at + len, data + at, size - at);
        return size + len;
    default: { /* put a word over what is there */
        const char *word = words[below(sizeof words / sizeof *words)];
        if (at + strlen(word) > INPUT_BYTES)
            return size;
        memcpy(data + at, word, strlen(word));
        return at + strlen(word) > size ? at + strlen(word) : size;
    }
    }
}

/* Runs a file and its mutations; returns how many inputs that were. */
static size_t replay(const char *path, size_t mutations)
{
    static uint8_t seed[INPUT_BYTES], data[INPUT_BYTES];
    FILE *file = fopen(path, "rb");

    CHECK(file != NULL);
    size_t size = fread(seed, 1, sizeof seed, file);
    CHECK(fgetc(file) == EOF);
    fclose(file);
    run(seed, size);
    for (size_t i = 0; i < mutations; i++) {
        size_t mutated = size;
        memcpy(data, seed, size);
        for (size_t n = 1 + below(4); n > 0; n--)
            mutated = mutate_once(data, mutated);
        run(data, mutated);
    }
    return 1 + mutations;
}

int main(int argc, char **argv)
{
    struct dirent **entries = NULL;
    size_t mutations = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    size_t inputs = 0;

    int count = argc > 1 ? scandir(argv[1], &entries, NULL, alphasort) : -1;
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            inputs += replay(path, mutations);
        free(entries[i]);
    }
    free(entries);
    if (inputs == 0) {
        fprintf(stderr, "usage: fuzz_NAME DIRECTORY [MUTATIONS]\n");
        return 2;
    }
    printf("%zu inputs\n", inputs);
    return 0;
}
