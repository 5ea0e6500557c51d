/*
 * fuzz_config.c - any bytes as one of the small JSON files of a model
 * directory; the first byte says which. What is read must be believable.
 */
#include <sys/stat.h>
#include <unistd.h>
#include "tests/fuzz/fuzz.h"
#include "common/model/config.h"
#include "common/model/head.h"
#include "common/model/prompts.h"

static const struct {
    const char *name;
    const char *text; /* a valid one, for when another file is tried */
} files[] = {
    {"config.json",
     "{\"model_type\":\"bert\",\"vocab_size\":30,\"hidden_size\":8,"
     "\"num_hidden_layers\":1,\"num_attention_heads\":2,"
     "\"intermediate_size\":16,\"max_position_embeddings\":32}"},
    {"modules.json", "[{\"idx\":0,\"name\":\"0\",\"path\":\"\","
                     "\"type\":\"sentence_transformers.models.Transformer\"},"
                     "{\"idx\":1,\"name\":\"1\",\"path\":\"1_Pooling\","
                     "\"type\":\"sentence_transformers.models.Pooling\"},"
                     "{\"idx\":2,\"name\":\"2\",\"path\":\"2_Dense\","
                     "\"type\":\"sentence_transformers.models.Dense\"}]"},
    {"1_Pooling/config.json",
     "{\"word_embedding_dimension\":8,\"pooling_mode_mean_tokens\":true}"},
    {"sentence_bert_config.json", "{\"max_seq_length\":16}"},
    {"tokenizer_config.json", "{\"model_max_length\":32}"},
    {"2_Dense/config.json",
     "{\"in_features\":8,\"out_features\":4,\"bias\":true}"},
    {"config_sentence_transformers.json",
     "{\"prompts\":{\"query\":\"q\"},\"default_prompt_name\":\"query\"}"},
};
enum { NUM_FILES = sizeof files / sizeof *files };

static const char *const folders[] = {"1_Pooling", "2_Dense"};
enum { NUM_FOLDERS = sizeof folders / sizeof *folders };

static char directory[64];

static void remove_directory(void)
{
    char path[128];
    for (size_t i = 0; i < NUM_FILES; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, files[i].name);
        unlink(path);
    }
    for (size_t i = 0; i < NUM_FOLDERS; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, folders[i]);
        rmdir(path);
    }
    rmdir(directory);
}

static void make_directory(void)
{
    char path[128];
    snprintf(directory, sizeof directory, "%s/remora-fuzz-XXXXXX", P_tmpdir);
    CHECK(mkdtemp(directory) != NULL);
    for (size_t i = 0; i < NUM_FOLDERS; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, folders[i]);
        CHECK(mkdir(path, 0700) == 0);
    }
    CHECK(atexit(remove_directory) == 0);
}

static void write_file(size_t which, const void *data, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, files[which].name);
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    CHECK(fwrite(data, 1, size, file) == size);
    CHECK(fclose(file) == 0);
}

static void read_prompts(void)
{
    rmr_prompts prompts;
    rmr_error err = {0};
    rmr_status status = rmr_prompts_read(&prompts, directory, &err);
    if (status)
        check_error(status, &err);
    for (size_t i = 0; !status && i < prompts.count; i++)
        CHECK(rmr_prompts_find(&prompts, prompts.items[i].name, &err) ==
              &prompts.items[i]);
    rmr_prompts_free(&prompts);
}

/* Any object may have labels, of an encoder or not. */
static void read_labels(const json_t *root)
{
    rmr_labels labels;
    rmr_scores scores;
    rmr_error err = {0};
    rmr_json_source source = {root, "config.json"};
    rmr_status status = rmr_labels_read(&labels, source, &err);
    if (status) {
        check_error(status, &err);
        CHECK(labels.names == NULL);
        return;
    }
    CHECK(labels.count > 0 && labels.count <= RMR_MAX_LABELS);
    for (size_t i = 0; i < labels.count; i++) {
        CHECK(strlen(labels.names[i]) <= RMR_MAX_LABEL_BYTES);
        for (size_t j = i > 8 ? i - 8 : 0; j < i; j++)
            CHECK(strcmp(labels.names[i], labels.names[j]) != 0);
    }
    status = rmr_scores_read(&scores, source, labels.count, &err);
    if (status)
        check_error(status, &err);
    rmr_labels_free(&labels);
}

static void read_head(void)
{
    char path[128];
    json_t *root;
    rmr_head_kind kind;
    rmr_error err = {0};
    rmr_status status = rmr_head_find(&kind, directory, &err);
    if (status)
        check_error(status, &err);
    snprintf(path, sizeof path, "%s/config.json", directory);
    if (rmr_json_load_file(&root, path, NULL))
        return;
    read_labels(root);
    json_decref(root);
}

/* The same files as those of a SparseEncoder. */
static void read_sparse(rmr_config config)
{
    rmr_error err = {0};
    int is_sparse;
    rmr_status status = rmr_config_find_sparse(&is_sparse, directory, &err);
    if (status)
        check_error(status, &err);
    status = rmr_config_read_sparse(&config, directory, &err);
    if (status)
        check_error(status, &err);
    CHECK(status || (is_sparse && config.max_tokens > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rmr_config config = {0};
    rmr_error err = {0};

    if (size == 0)
        return 0;
    if (!*directory)
        make_directory();
    size_t which = data[0] % NUM_FILES;
    for (size_t i = 0; i < NUM_FILES; i++)
        write_file(i, files[i].text, strlen(files[i].text));
    write_file(which, data + 1, size - 1);
    read_head();

    rmr_status status = rmr_config_read(&config, directory, &err);
    if (!status && !config.is_static)
        read_sparse(config);
    if (!status)
        status = rmr_config_read_modules(&config, directory, &err);
    if (status) {
        check_error(status, &err);
        return 0;
    }
    if (config.is_static) {
        CHECK(config.pooling.count == 1 && !config.pooling_guessed);
        return 0; /* the rest is in the weights */
    }
    CHECK(config.num_attention_heads > 0 && config.num_hidden_layers > 0);
    CHECK(config.hidden_size % config.num_attention_heads == 0);
    CHECK(config.max_tokens > 0);
    CHECK(config.max_tokens <= config.max_position_embeddings);
    CHECK(config.pooling.count > 0 && *config.pooling.name);
    CHECK(config.dim > 0 && config.dim <= config.output_size);
    uint32_t columns = config.hidden_size * (uint32_t)config.pooling.count;
    for (size_t i = 0; i < config.num_modules; i++) {
        CHECK(config.modules[i].in == columns);
        columns = config.modules[i].out;
    }
    CHECK(columns == config.output_size);
    read_prompts();
    return 0;
}
