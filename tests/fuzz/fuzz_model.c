/*
 * fuzz_model.c - any bytes as a model's config.json and the header of its
 * model.safetensors, over weights that are all one number, and the same of an
 * adapter. A model that opens must run a text, within memory, to vectors that
 * are finite or said not to be.
 *
 * input: the number of bytes after the header (3, little endian), and, in
 * sixteens, after the adapter's (1); config.json, a NUL, the header; where
 * there is an adapter, a NUL, adapter_config.json, a NUL, its header.
 */
#include <limits.h>
#include <math.h>
#include <unistd.h>
#include "tests/fuzz/fuzz.h"
#include "common/model/model.h"

enum { PREFIX = 4, MAX_DATA = 1 << 20, MAX_TOKENS = 8 };

static const char *const names[] = {"config.json", "model.safetensors",
                                    "tokenizer.json", "adapter_config.json",
                                    "adapter_model.safetensors"};
enum { NUM_NAMES = sizeof names / sizeof *names };

static char directory[64];

static const char *path_of(size_t which)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, names[which]);
    return path;
}

static void remove_directory(void)
{
    for (size_t i = 0; i < NUM_NAMES; i++)
        unlink(path_of(i));
    rmdir(directory);
}

/* With the tokenizer of the corpus, which has ids up to 78. */
static void make_directory(void)
{
    char tokenizer[PATH_MAX];
    snprintf(directory, sizeof directory, "%s/remora-fuzz-XXXXXX", P_tmpdir);
    CHECK(mkdtemp(directory) != NULL);
    CHECK(atexit(remove_directory) == 0);
    CHECK(realpath("tests/fuzz/corpus/tokenizer/bert.json", tokenizer));
    CHECK(symlink(tokenizer, path_of(2)) == 0);
}

static void write_weights(size_t which, const uint8_t *header, size_t len,
                          size_t data)
{
    FILE *file = fopen(path_of(which), "wb");
    CHECK(file != NULL);
    for (int i = 0; i < 8; i++)
        fputc((int)((uint64_t)len >> 8 * i & 255), file);
    CHECK(fwrite(header, 1, len, file) == len);
    for (size_t i = 0; i < data; i++)
        fputc(0x3d, file); /* 0.046 as F32, 1.3 as F16 */
    CHECK(fclose(file) == 0);
}

static void write_config(size_t which, const uint8_t *config, size_t len)
{
    FILE *file = fopen(path_of(which), "wb");
    CHECK(file != NULL);
    CHECK(fwrite(config, 1, len, file) == len);
    CHECK(fclose(file) == 0);
}

static int never(void *context)
{
    (void)context;
    return 0;
}

/* Runs a text, and its first token alone, as one batch. */
static void run(const rmr_model *model)
{
    rmr_encoding encoding = {0};
    rmr_workspace workspace = {0};
    rmr_error err = {0};
    uint32_t ids[MAX_TOKENS + 1], type_ids[MAX_TOKENS + 1];
    uint32_t limit = model->config.max_tokens; /* 0: none */
    uint32_t hidden = model->config.hidden_size;

    CHECK(
        !rmr_tokenizer_encode(model->tokenizer, "hello!", 6,
                              limit && limit < MAX_TOKENS ? limit : MAX_TOKENS,
                              RMR_TRUNCATE_END, &encoding, &err));
    CHECK(encoding.count > 0 && encoding.count <= MAX_TOKENS);
    uint32_t count = (uint32_t)encoding.count;
    for (uint32_t i = 0; i <= count; i++) {
        ids[i] = encoding.tokens[i % count].id;
        type_ids[i] = encoding.tokens[i % count].type_id;
        CHECK(ids[i] < model->config.vocab_size);
        CHECK(!model->config.type_vocab_size ||
              type_ids[i] < model->config.type_vocab_size);
    }
    const uint32_t cu_seqlens[] = {0, count, count + 1};
    const rmr_batch batch = {ids, type_ids, cu_seqlens, 2, count + 1, count};
    float *values = malloc(2 * hidden * sizeof *values);
    CHECK(values != NULL);
    rmr_vector vectors[] = {{.dimensions = hidden,
                             .normalize = RMR_UNIT_AFTER_CUT,
                             .values = values},
                            {.dimensions = hidden,
                             .normalize = RMR_UNIT_NEVER,
                             .values = values + hidden}};
    CHECK(
        !rmr_model_run(model, &batch, vectors, &workspace, never, NULL, &err));
    for (size_t s = 0; s < 2; s++) {
        for (uint32_t i = 0; vectors[s].finite && i < hidden; i++)
            CHECK(isfinite(vectors[s].values[i]));
    }
    free(values);
    rmr_workspace_free(&workspace);
    rmr_encoding_free(&encoding);
}

/* Writes a config and the header after it, up to a NUL or the end; returns
 * where they end. */
static const uint8_t *write_files(size_t which, const uint8_t *data,
                                  const uint8_t *end, size_t bytes)
{
    const uint8_t *nul = memchr(data, 0, (size_t)(end - data));
    const uint8_t *header = nul ? nul + 1 : end;
    const uint8_t *last = memchr(header, 0, (size_t)(end - header));
    last = last ? last : end;
    write_config(which, data, (size_t)((nul ? nul : end) - data));
    write_weights(which + 1, header, (size_t)(last - header), bytes);
    return last;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rmr_model_options options;
    rmr_model *model = NULL;
    rmr_error err = {0};

    if (size < PREFIX)
        return 0;
    if (!*directory)
        make_directory();
    const uint8_t *end = data + size;
    uint32_t bytes = data[0] | data[1] << 8 | data[2] << 16;
    const uint8_t *last = write_files(0, data + PREFIX, end, bytes % MAX_DATA);
    rmr_model_options_init(&options);
    if (last != end) {
        write_files(3, last + 1, end, data[3] * (size_t)16);
        options.adapter = directory;
    }
    rmr_status status = rmr_model_load(&model, directory, &options, NULL, &err);
    if (status) {
        CHECK(model == NULL);
        check_error(status, &err);
        return 0;
    }
    run(model);
    rmr_model_unload(model);
    return 0;
}
