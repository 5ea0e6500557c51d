/*
 * fuzz_sentencepiece.c - any bytes as a SentencePiece model, converted for each
 * class that reads one. A tokenizer that opens must encode every text within
 * its promises.
 *
 * input: the class (1 byte), the model.
 */
#include <sys/mman.h>
#include <unistd.h>
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/encode.h"

static const char *const classes[] = {
    "XLMRobertaTokenizer", "LlamaTokenizer",    "TokenizersBackend",
    "T5Tokenizer",         "AlbertTokenizer",   "DebertaV2Tokenizer",
    "BigBirdTokenizer",    "GemmaTokenizer",    "MBartTokenizer",
    "XLNetTokenizer",      "CamembertTokenizer"};
enum { NUM_CLASSES = sizeof classes / sizeof *classes };

static const char *const texts[] = {
    "",
    "hello",
    "The tokens, and <mask>! ab <0x41>",
    "caf\xc3\xa9 \xe2\x96\x81 \xe4\xbd\xa0\xff\xfe",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
};

/* A directory for each class, where tokenizer.model is a file in memory. */
static char directories[NUM_CLASSES][64];
static int model = -1;

static const char *path_of(size_t class, const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", directories[class], name);
    return path;
}

static void remove_directories(void)
{
    for (size_t i = 0; i < NUM_CLASSES; i++) {
        unlink(path_of(i, "tokenizer.model"));
        unlink(path_of(i, "tokenizer_config.json"));
        rmdir(directories[i]);
    }
}

static void make_directories(void)
{
    char link[64];
    model = memfd_create("tokenizer.model", 0);
    CHECK(model >= 0);
    snprintf(link, sizeof link, "/proc/self/fd/%d", model);
    CHECK(atexit(remove_directories) == 0);
    for (size_t i = 0; i < NUM_CLASSES; i++) {
        snprintf(directories[i], sizeof directories[i], "%s/remora-fuzz-XXXXXX",
                 P_tmpdir);
        CHECK(mkdtemp(directories[i]) != NULL);
        CHECK(symlink(link, path_of(i, "tokenizer.model")) == 0);
        FILE *file = fopen(path_of(i, "tokenizer_config.json"), "w");
        CHECK(file != NULL);
        CHECK(fprintf(file, "{\"tokenizer_class\": \"%s\"}", classes[i]) > 0);
        CHECK(fclose(file) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rmr_tokenizer *tokenizer = NULL;
    rmr_error err = {0};

    if (!size)
        return 0;
    if (model < 0)
        make_directories();
    CHECK(ftruncate(model, 0) == 0);
    CHECK(pwrite(model, data + 1, size - 1, 0) == (ssize_t)(size - 1));
    rmr_status status = rmr_tokenizer_open_directory(
        &tokenizer, directories[data[0] % NUM_CLASSES], &err);
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
