/*
 * test_static.c - static embeddings: what their files must not say, what is
 * left out of a text, and what they refuse. What vectors mean is compared with
 * the references in tests/parity.
 */
#include <math.h>
#include <stdarg.h>

#include "common/model/model.h"
#include "common/runtime/engine.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"

enum { SIZE = 4 };

#define MODULES "sentence_transformers.models."
#define ENTRY(type, path)                                                      \
    "{\"type\":\"" MODULES type "\",\"path\":\"" path "\"}"

static void write_parts(const char *directory, const tiny_part *parts,
                        size_t count)
{
    tiny_write_parts(directory, "model.safetensors", parts, count);
}

static float table[256 * SIZE];

static tiny_part table_of(const char *name, uint32_t rows)
{
    static char shape[32];
    snprintf(shape, sizeof shape, "[%u,%d]", rows, SIZE);
    for (size_t i = 0; i < rows * SIZE; i++)
        table[i] = (float)i / 8;
    return (tiny_part){name, "F32", shape, table, rows * SIZE * sizeof *table};
}

/* A model2vec directory with the tiny tokenizer, whose config.json has more
 * members after a comma. */
static tiny_model *model2vec(const char *more)
{
    char config[256];
    tiny_model *tiny = tiny_model_new(&(tiny_options){.pooling = ""});
    snprintf(config, sizeof config, "{\"model_type\":\"model2vec\"%s}", more);
    tiny_write_text(tiny->directory, "config.json", config);
    tiny_part only = table_of("embeddings", tiny_vocab_size());
    write_parts(tiny->directory, &only, 1);
    return tiny;
}

static rmr_status open_tiny(const tiny_model *tiny, rmr_model **model,
                            rmr_error *err)
{
    return rmr_model_open(model, tiny->directory, NULL, err);
}

/* ------------------------------------------------------------------- files */

static void test_tables_that_are_not_read(void **state)
{
    (void)state;
    const uint32_t rows = tiny_vocab_size();
    const struct {
        tiny_part part;
        rmr_status status;
        const char *word;
    } bad[] = {
        {{"other", "F32", "[1,4]", table, 16},
         RMR_ERR_FORMAT,
         "\"embeddings\""},
        {{"embeddings", "F32", "[4]", table, 16}, RMR_ERR_FORMAT, "components"},
        {{"embeddings", "F32", "[1,2,2]", table, 16},
         RMR_ERR_FORMAT,
         "components"},
        {{"embeddings", "F32", "[0,4]", table, 0}, RMR_ERR_RANGE, "empty"},
        {{"embeddings", "I8", "[4,4]", table, 16}, RMR_ERR_UNSUPPORTED, "I8"},
        {{"embeddings", "I32", "[1,4]", table, 16},
         RMR_ERR_FORMAT,
         "\"vocab_size\""},
        {{"embeddings", "F32", "[1,4]", table, 16},
         RMR_ERR_FORMAT,
         "embedding table of 1 rows"},
    };
    tiny_model *tiny = model2vec("");
    rmr_model *model;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(bad); i++) {
        write_parts(tiny->directory, &bad[i].part, 1);
        expect_failure(open_tiny(tiny, &model, &err), &err, bad[i].status,
                       bad[i].word);
    }
    tiny_part whole = table_of("embeddings", rows);
    table[7] = NAN;
    write_parts(tiny->directory, &whole, 1);
    expect_failure(open_tiny(tiny, &model, &err), &err, RMR_ERR_RANGE,
                   "model.safetensors", "embeddings");
    tiny_model_free(tiny);
}

static void test_mappings_and_weights_that_are_not_read(void **state)
{
    (void)state;
    enum { COUNT = 256 };
    static int64_t rows[COUNT];
    static double factors[COUNT];
    static float floats[COUNT];
    uint32_t count = tiny_vocab_size();
    char shape[16];
    snprintf(shape, sizeof shape, "[%u]", count);
    tiny_model *tiny = model2vec("");
    rmr_model *model;
    rmr_error err = {0};
    tiny_part parts[] = {
        {"embeddings", "F32", "[2,4]", table, 32},
        {"mapping", "I64", shape, rows, count * sizeof *rows},
        {"weights", "F64", shape, factors, count * sizeof *factors}};
    table_of("embeddings", 2);
    write_parts(tiny->directory, parts, 3);
    expect_ok(open_tiny(tiny, &model, &err), &err);
    rmr_model_release(model);
    rows[3] = 2;
    write_parts(tiny->directory, parts, 3);
    expect_failure(open_tiny(tiny, &model, &err), &err, RMR_ERR_RANGE,
                   "\"mapping\" has a row");
    rows[3] = -1;
    write_parts(tiny->directory, parts, 3);
    expect_failure(open_tiny(tiny, &model, &err), &err, RMR_ERR_RANGE,
                   "\"mapping\" has a row");
    rows[3] = 0;
    tiny_part narrow = parts[1];
    parts[1] =
        (tiny_part){"mapping", "F32", shape, floats, count * sizeof *floats};
    write_parts(tiny->directory, parts, 3);
    expect_failure(open_tiny(tiny, &model, &err), &err, RMR_ERR_FORMAT,
                   "mapping");
    parts[1] = narrow;
    floats[5] = INFINITY;
    parts[2] =
        (tiny_part){"weights", "F32", shape, floats, count * sizeof *floats};
    write_parts(tiny->directory, parts, 3);
    expect_failure(open_tiny(tiny, &model, &err), &err, RMR_ERR_RANGE,
                   "weights");
    parts[2] = (tiny_part){"weights", "F32", "[3]", floats, 3 * sizeof *floats};
    write_parts(tiny->directory, parts, 3);
    expect_failure(open_tiny(tiny, &model, &err), &err, RMR_ERR_FORMAT,
                   "weights");
    tiny_model_free(tiny);
}

static void test_configs_that_are_not_read(void **state)
{
    (void)state;
    static const struct {
        const char *more;
        rmr_status status;
        const char *word;
    } bad[] = {
        {",\"normalize\":1", RMR_ERR_FORMAT, "normalize"},
        {",\"max_length\":0", RMR_ERR_RANGE, "max_length"},
        {",\"max_length\":\"512\"", RMR_ERR_FORMAT, "max_length"},
    };
    for (size_t i = 0; i < LENGTH(bad); i++) {
        tiny_model *tiny = model2vec(bad[i].more);
        rmr_model *model;
        rmr_error err = {0};
        expect_failure(open_tiny(tiny, &model, &err), &err, bad[i].status,
                       "config.json", bad[i].word);
        tiny_model_free(tiny);
    }
}

static void test_modules_that_are_not_run(void **state)
{
    (void)state;
    static const struct {
        const char *modules;
        rmr_status status;
        const char *word;
    } beside[] =
        {
            {"[" ENTRY("StaticEmbedding", ".") "," ENTRY("Dense",
                                                         "1_Dense") "]",
             RMR_ERR_UNSUPPORTED, "Dense"},
            {"[" ENTRY("Transformer", "") "]", RMR_ERR_UNSUPPORTED,
             "Transformer"},
            {"[1]", RMR_ERR_FORMAT, "\"type\""},
        },
      alone[] = {
          {"[" ENTRY("StaticEmbedding", "../x") "]", RMR_ERR_FORMAT,
           "\"path\""},
          {"[{\"type\":\"" MODULES "StaticEmbedding\"}]", RMR_ERR_FORMAT,
           "\"path\""},
          {"[" ENTRY("StaticEmbedding", "absent") "]", RMR_ERR_IO, "absent"},
          {"[" ENTRY("StaticEmbedding", "") "," ENTRY("Pooling",
                                                      "1_Pooling") "]",
           RMR_ERR_UNSUPPORTED, "Pooling"},
      };
    tiny_model *tiny = model2vec("");
    rmr_model *model;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(beside); i++) {
        tiny_write_text(tiny->directory, "modules.json", beside[i].modules);
        expect_failure(open_tiny(tiny, &model, &err), &err, beside[i].status,
                       "modules.json", beside[i].word);
    }
    tiny_remove(tiny->directory, "config.json");
    for (size_t i = 0; i < LENGTH(alone); i++) {
        tiny_write_text(tiny->directory, "modules.json", alone[i].modules);
        expect_failure(open_tiny(tiny, &model, &err), &err, alone[i].status,
                       alone[i].word);
    }
    tiny_write_text(tiny->directory, "modules.json",
                    "[" ENTRY("StaticEmbedding", "") "]");
    expect_ok(open_tiny(tiny, &model, &err), &err);
    rmr_model_release(model);
    tiny_model_free(tiny);
}

/* Replaces `from` in the tokenizer by `to`. */
static void edit_tokenizer(const tiny_model *tiny, const char *from,
                           const char *to)
{
    size_t size;
    char *text = tiny_read(tiny->directory, "tokenizer.json", &size);
    char *at = strstr(text, from);
    assert_non_null(at);
    char *made = malloc(size + strlen(to) + 1);
    assert_non_null(made);
    size_t before = (size_t)(at - text);
    memcpy(made, text, before);
    sprintf(made + before, "%s%s", to, at + strlen(from));
    tiny_write_text(tiny->directory, "tokenizer.json", made);
    free(made);
    free(text);
}

static void test_limit_of_the_tokenizer(void **state)
{
    (void)state;
    tiny_model *tiny = model2vec("");
    rmr_model_info info = {.size = sizeof info};
    rmr_model_options options;
    rmr_model *model;
    rmr_error err = {0};
    tiny_remove(tiny->directory, "config.json");
    tiny_write_text(tiny->directory, "modules.json",
                    "[" ENTRY("StaticEmbedding", "") "]");
    edit_tokenizer(tiny, "\"truncation\":null",
                   "\"truncation\":{\"max_length\":7,"
                   "\"direction\":\"Right\"}");
    expect_ok(open_tiny(tiny, &model, &err), &err);
    rmr_model_get_info(model, &info);
    assert_int_equal(info.max_tokens, 7);
    rmr_model_release(model);
    rmr_model_options_init(&options);
    options.tokenizer_only = 1;
    expect_ok(rmr_model_open(&model, tiny->directory, &options, &err), &err);
    rmr_model_get_info(model, &info);
    assert_int_equal(info.max_tokens, 7);
    rmr_model_release(model);
    edit_tokenizer(tiny, "\"Right\"", "\"Left\"");
    expect_failure(open_tiny(tiny, &model, &err), &err, RMR_ERR_UNSUPPORTED,
                   "truncation");
    tiny_model_free(tiny);
}

/* ------------------------------------------------------------------- texts */

static rmr_status embed(rmr_model *model, const char *text,
                        rmr_truncate truncate, float *vector,
                        rmr_text_result *result, rmr_error *err)
{
    rmr_text texts[] = {{text, strlen(text)}};
    rmr_engine *engine = start_engine(1);
    rmr_embed_options options;
    rmr_embed_options_init(&options);
    options.truncate = truncate;
    rmr_status status =
        rmr_embed(engine, model, texts, 1, &options, vector, result, err);
    rmr_engine_stop(engine);
    return status;
}

/* Letters have tokens of one or three characters; the median is 3. */
static void test_cuts(void **state)
{
    (void)state;
    tiny_model *tiny = model2vec(",\"max_length\":2");
    float whole[SIZE], cut[SIZE];
    rmr_text_result result;
    rmr_model *model;
    rmr_error err = {0};
    expect_ok(open_tiny(tiny, &model, &err), &err);
    expect_ok(embed(model, "a b", RMR_TRUNCATE_NONE, whole, &result, &err),
              &err);
    assert_int_equal(result.tokens, 2);
    assert_int_equal(result.truncated, 0);
    expect_ok(embed(model, "a b c", RMR_TRUNCATE_END, cut, &result, &err),
              &err);
    assert_int_equal(result.truncated, 1);
    assert_memory_equal(cut, whole, sizeof cut);
    expect_ok(embed(model, "c a b", RMR_TRUNCATE_START, cut, &result, &err),
              &err);
    assert_int_equal(result.truncated, 1);
    assert_memory_equal(cut, whole, sizeof cut);
    expect_failure(embed(model, "a b c", RMR_TRUNCATE_NONE, cut, &result, &err),
                   &err, RMR_ERR_TOO_LONG, "2 tokens");
    /* Six characters at most, though one of them has two bytes. */
    expect_ok(
        embed(model, "\xd0\xb6   a b", RMR_TRUNCATE_END, cut, &result, &err),
        &err);
    assert_int_equal(result.truncated, 1);
    expect_ok(embed(model, "a", RMR_TRUNCATE_END, whole, NULL, &err), &err);
    assert_memory_equal(cut, whole, sizeof cut); /* the unknown one is gone */
    expect_ok(embed(model, "a     b", RMR_TRUNCATE_END, cut, &result, &err),
              &err);
    assert_int_equal(result.tokens, 1);
    assert_int_equal(result.truncated, 1);
    assert_memory_equal(cut, whole, sizeof cut);
    expect_failure(
        embed(model, "a     b", RMR_TRUNCATE_NONE, cut, &result, &err), &err,
        RMR_ERR_TOO_LONG, "longer than");
    rmr_model_release(model);
    tiny_model_free(tiny);
}

/* There is nothing between tokens that windows could cut: the mean of all. */
static void test_windows(void **state)
{
    (void)state;
    const char *const more[] = {",\"max_length\":2", ",\"max_length\":null"};
    rmr_text text = {"a b     c a b", 13};
    rmr_text_result result;
    rmr_error err = {0};
    rmr_embed_options options;
    float vectors[2][SIZE];
    rmr_embed_options_init(&options);
    options.windows = 1;
    for (int i = 0; i < 2; i++) {
        tiny_model *tiny = model2vec(more[i]);
        rmr_engine *engine = start_engine(1);
        rmr_model *model;
        expect_ok(open_tiny(tiny, &model, &err), &err);
        expect_ok(rmr_embed(engine, model, &text, 1, &options, vectors[i],
                            &result, &err),
                  &err);
        assert_int_equal(result.tokens, 5);
        assert_int_equal(result.windows, i ? 1 : 3);
        assert_int_equal(result.truncated, 0);
        rmr_engine_stop(engine);
        rmr_model_release(model);
        tiny_model_free(tiny);
    }
    for (int d = 0; d < SIZE; d++)
        assert_float_equal(vectors[0][d], vectors[1][d], 1e-6);
}

static void test_a_text_without_tokens(void **state)
{
    (void)state;
    static const float zeros[SIZE];
    tiny_model *tiny = model2vec(",\"normalize\":true");
    float vector[SIZE];
    rmr_text_result result;
    rmr_model *model;
    rmr_error err = {0};
    expect_ok(open_tiny(tiny, &model, &err), &err);
    expect_ok(embed(model, "", RMR_TRUNCATE_END, vector, &result, &err), &err);
    assert_int_equal(result.tokens, 0);
    assert_memory_equal(vector, zeros, sizeof zeros);
    rmr_model_release(model);
    tiny_model_free(tiny);
}

/* Nor with the tokenizer alone, which has the model's limit, too. */
static void test_tokens_are_without_special_ones(void **state)
{
    (void)state;
    tiny_model *tiny = model2vec(",\"max_length\":2");
    rmr_model_info info = {.size = sizeof info};
    rmr_model_options options;
    rmr_tokens *tokens;
    rmr_text text = {"a b", 3};
    rmr_error err = {0};
    tiny_write_text(tiny->directory, "tokenizer_config.json",
                    "{\"model_max_length\":9}");
    expect_ok(rmr_tokens_new(&tokens, &err), &err);
    rmr_model_options_init(&options);
    for (int i = 0; i < 2; i++) {
        rmr_model *model;
        size_t count;
        options.tokenizer_only = i;
        expect_ok(rmr_model_open(&model, tiny->directory, &options, &err),
                  &err);
        rmr_model_get_info(model, &info);
        assert_int_equal(info.max_tokens, 2);
        expect_ok(rmr_tokenize(model, text, 0, RMR_TRUNCATE_END, tokens, &err),
                  &err);
        rmr_tokens_data(tokens, &count);
        assert_int_equal(count, 2);
        rmr_model_release(model);
    }
    rmr_tokens_free(tokens);
    tiny_model_free(tiny);
}

/* A table has rows of words, and nothing that sees a text. */
static void test_vectors_of_tokens_are_refused(void **state)
{
    (void)state;
    tiny_model *tiny = model2vec("");
    rmr_error err = {0};
    rmr_model *model;
    rmr_job *job;
    const rmr_text text = text_of("fish");
    rmr_engine *engine = start_engine(1);
    expect_ok(open_tiny(tiny, &model, &err), &err);
    expect_failure(rmr_embed_tokens_start(engine, model, &text, 1, NULL, NULL,
                                          NULL, &job, &err),
                   &err, RMR_ERR_UNSUPPORTED, "no hidden states");
    rmr_model_release(model);
    rmr_engine_stop(engine);
    tiny_model_free(tiny);
}

static void test_quantizing_is_refused(void **state)
{
    (void)state;
    tiny_model *tiny = model2vec("");
    rmr_error err = {0};
    expect_failure(rmr_model_quantize(tiny->directory,
                                      tiny_path(tiny->directory, "out"), NULL,
                                      &err),
                   &err, RMR_ERR_UNSUPPORTED, "a table and no layers");
    tiny_model_free(tiny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_that_are_not_read),
        cmocka_unit_test(test_mappings_and_weights_that_are_not_read),
        cmocka_unit_test(test_configs_that_are_not_read),
        cmocka_unit_test(test_modules_that_are_not_run),
        cmocka_unit_test(test_limit_of_the_tokenizer),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_a_text_without_tokens),
        cmocka_unit_test(test_tokens_are_without_special_ones),
        cmocka_unit_test(test_vectors_of_tokens_are_refused),
        cmocka_unit_test(test_quantizing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
