/*
 * test_sentence.c - what comes after an encoder and before it: pooling where
 * nothing is left to pool, the modules of sentence-transformers and what they
 * must not say, prompts. What vectors mean is compared with the reference in
 * tests/parity.
 */
#include <math.h>
#include <stdarg.h>

#include "common/model/model.h"
#include "common/runtime/engine.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"

enum { SIZE = 24, OUT = 8 };

#define PACKAGE "sentence_transformers.models."
#define ENTRY(type, path)                                                      \
    "{\"type\":\"" PACKAGE type "\",\"path\":\"" path "\"}"
#define FIRST ENTRY("Transformer", "") "," ENTRY("Pooling", "1_Pooling")
#define DENSE ENTRY("Dense", "2_Dense")
#define NORM ENTRY("LayerNorm", "3_LayerNorm")
#define DENSE_CONFIG "\"in_features\":24,\"out_features\":8"

/* -------------------------------------------------------------------- files
 */

/* A safetensors file of float32 tensors, each described by its name, its shape
 * as JSON has it and its number of values, up to a NULL; value i is i / 16. */
static void write_tensors(const char *directory, const char *path, ...)
{
    static float values[1024];
    tiny_part parts[4];
    size_t count = 0, end = 0;
    const char *name;
    va_list args;
    for (size_t i = 0; i < LENGTH(values); i++)
        values[i] = (float)i / 16;
    va_start(args, path);
    while ((name = va_arg(args, const char *))) {
        const char *shape = va_arg(args, const char *);
        size_t size = (size_t)va_arg(args, int);
        parts[count++] = (tiny_part){name, "F32", shape, values + end,
                                     size * sizeof *values};
        end += size;
    }
    va_end(args);
    tiny_write_parts(directory, path, parts, count);
}

static void write_dense(const tiny_model *tiny)
{
    tiny_write_text(tiny->directory, "2_Dense/config.json",
                    "{" DENSE_CONFIG "}");
    write_tensors(tiny->directory, "2_Dense/model.safetensors", "linear.bias",
                  "[8]", OUT, "linear.weight", "[8,24]", OUT * SIZE, NULL);
}

static void write_norm(const tiny_model *tiny)
{
    tiny_write_text(tiny->directory, "3_LayerNorm/config.json",
                    "{\"dimension\":8}");
    write_tensors(tiny->directory, "3_LayerNorm/model.safetensors", "norm.bias",
                  "[8]", OUT, "norm.weight", "[8]", OUT, NULL);
}

static tiny_model *with_modules(const char *modules)
{
    tiny_model *tiny = tiny_model_new(&(tiny_options){.hidden_size = SIZE});
    tiny_write_text(tiny->directory, "modules.json", modules);
    write_dense(tiny);
    write_norm(tiny);
    return tiny;
}

static rmr_status open_tiny(const tiny_model *tiny, const char *pooling,
                            rmr_model **model, rmr_error *err)
{
    rmr_model_options options;
    rmr_model_options_init(&options);
    options.pooling = pooling;
    return rmr_model_open(model, tiny->directory, &options, err);
}

/* ------------------------------------------------------------------ pooling
 */

static const rmr_pooling all_modes[] = {
    RMR_POOLING_CLS,           RMR_POOLING_MAX,          RMR_POOLING_MEAN,
    RMR_POOLING_MEAN_SQRT_LEN, RMR_POOLING_WEIGHTEDMEAN, RMR_POOLING_LASTTOKEN};

static void test_pooling_in_every_mode(void **state)
{
    (void)state;
    static const float x[] = {1, -2, 4, 6, -3, 8};
    static const float whole[LENGTH(all_modes)][2] = {
        {1, -2},       {4, 8}, {2.f / 3, 4}, {1.154700538f, 6.928203230f},
        {0, 34.f / 6}, {-3, 8}};
    static const float rest[LENGTH(all_modes)][2] = {
        {4, 6},        {4, 8}, {0.5f, 7}, {0.707106781f, 9.899494937f},
        {-0.2f, 7.2f}, {-3, 8}};
    static const float nothing[LENGTH(all_modes)][2] = {
        {1, -2}, {-INFINITY, -INFINITY}, {0, 0}, {0, 0}, {0, 0}, {0, 0}};
    rmr_kern kern;
    rmr_kern_init(&kern, rmr_kern_tiers());
    for (size_t i = 0; i < LENGTH(all_modes); i++) {
        const float *const expected[] = {whole[i], rest[i], NULL, nothing[i]};
        for (size_t prompt = 0; prompt < 4; prompt++) {
            rmr_poolings poolings = {0};
            float y[2];
            rmr_poolings_set(&poolings, all_modes[i]);
            rmr_pool(&poolings, &kern, 3, 2, prompt, x, y);
            for (size_t c = 0; c < 2 && expected[prompt]; c++) {
                if (y[c] != expected[prompt][c] &&
                    !(fabsf(y[c] - expected[prompt][c]) < 1e-6f))
                    fail_msg("%s without %zu: %g", poolings.name, prompt, y[c]);
            }
        }
    }
}

static void test_pooling_that_is_asked_for(void **state)
{
    (void)state;
    static const char *const bad[] = {"",      "cls+",    "+cls",
                                      "first", "cls,max", "CLS"};
    tiny_model *plain = tiny_model_new(&(tiny_options){.pooling = ""});
    tiny_model *tiny = tiny_model_new(&(tiny_options){.pooling = "cls"});
    rmr_model *model, *same, *guessed;
    rmr_model_info info = {.size = sizeof info};
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(bad); i++)
        expect_failure(open_tiny(plain, bad[i], &model, &err), &err,
                       RMR_ERR_UNSUPPORTED, "pooling", "weightedmean");
    expect_failure(
        open_tiny(plain, "cls+cls+cls+cls+cls+cls+cls", &model, &err), &err,
        RMR_ERR_UNSUPPORTED, "more than 6");
    expect_ok(open_tiny(plain, "max+lasttoken", &model, &err), &err);
    rmr_model_get_info(model, &info);
    assert_string_equal(info.pooling, "max+lasttoken");
    assert_int_equal(info.pooling_guessed, 0);
    assert_int_equal(info.dim, 2 * SIZE);
    expect_ok(open_tiny(plain, "max+lasttoken", &same, &err), &err);
    assert_ptr_equal(same, model);
    expect_ok(open_tiny(plain, NULL, &guessed, &err), &err);
    assert_ptr_not_equal(guessed, model);
    rmr_model_release(guessed);
    rmr_model_release(same);
    rmr_model_release(model);
    expect_ok(open_tiny(tiny, "cls", &model, &err), &err);
    rmr_model_release(model);
    expect_failure(open_tiny(tiny, "mean", &model, &err), &err,
                   RMR_ERR_UNSUPPORTED, "modules.json",
                   "pooling is cls, not mean");
    rmr_model_options options;
    rmr_model_options_init(&options);
    options.pooling = "mean";
    options.tokenizer_only = 1;
    expect_failure(rmr_model_open(&model, plain->directory, &options, &err),
                   &err, RMR_ERR_RANGE, "pooling", "tokenizer_only");
    tiny_model_free(tiny);
    tiny_model_free(plain);
}

/* ------------------------------------------------------------------ modules
 */

static void test_activations(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        float at_minus_2, at_3; /* as torch computes them */
    } known[] = {
        {"torch.nn.modules.linear.Identity", -2, 3},
        {"torch.nn.modules.activation.Tanh", -0.9640275836f, 0.9950547814f},
        {"torch.nn.modules.activation.ReLU", 0, 3},
        {"torch.nn.ReLU", 0, 3},
        {"torch.nn.modules.activation.GELU", -0.0455002785f, 2.9959502220f},
        {"torch.nn.modules.activation.SiLU", -0.2384058535f, 2.8577222824f},
        {"torch.nn.modules.activation.Sigmoid", 0.1192029193f, 0.9525741339f},
        {"torch.nn.modules.activation.ELU", -0.8646647334f, 3},
        {"torch.nn.modules.activation.LeakyReLU", -0.02f, 3},
        {"torch.nn.modules.activation.Mish", -0.2525014877f, 2.9865348339f},
        {"torch.nn.modules.activation.Softplus", 0.1269280016f, 3.0485873222f},
    };
    static const char *const unknown[] = {
        "",           "Tanh",          "torch.nn.modules.activation.tanh",
        "torch.tanh", "custom.Tanh",   "torch.nn.modules.activation.Hardtanh",
        "torch.nn.",  "torch.nnx.Tanh"};
    for (size_t i = 0; i < LENGTH(known); i++) {
        rmr_scalar_function *f = rmr_module_activation(known[i].name);
        assert_non_null(f);
        if (!(fabsf(f(-2) - known[i].at_minus_2) < 1e-6f) ||
            !(fabsf(f(3) - known[i].at_3) < 1e-6f))
            fail_msg("%s: %.9g, %.9g", known[i].name, f(-2), f(3));
    }
    for (size_t i = 0; i < LENGTH(unknown); i++)
        assert_null(rmr_module_activation(unknown[i]));
    assert_true(rmr_module_activation("torch.nn.modules.activation.Softplus")(
                    90) == 90);
}

static void test_dense_that_is_not_run(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        rmr_status status;
        const char *word;
    } bad[] = {
        {"{\"out_features\":8}", RMR_ERR_FORMAT, "in_features"},
        {"{\"in_features\":24}", RMR_ERR_FORMAT, "out_features"},
        {"{\"in_features\":23,\"out_features\":8}", RMR_ERR_FORMAT,
         "24 components"},
        {"{\"in_features\":24,\"out_features\":0}", RMR_ERR_RANGE,
         "out_features"},
        {"{\"in_features\":24,\"out_features\":65537}", RMR_ERR_RANGE,
         "out_features"},
        {"{" DENSE_CONFIG ",\"bias\":1}", RMR_ERR_FORMAT, "bias"},
        {"{" DENSE_CONFIG ",\"use_residual\":1}", RMR_ERR_FORMAT,
         "use_residual"},
        {"{" DENSE_CONFIG ",\"activation_function\":null}", RMR_ERR_FORMAT,
         "activation_function"},
        {"{" DENSE_CONFIG ",\"activation_function\":\"torch.nn.Softmax\"}",
         RMR_ERR_UNSUPPORTED, "torch.nn.Softmax"},
        {"{" DENSE_CONFIG ",\"activation_function\":\"mine.Tanh\"}",
         RMR_ERR_UNSUPPORTED, "mine.Tanh"},
        {"{" DENSE_CONFIG ",\"module_input_name\":\"token_embeddings\"}",
         RMR_ERR_UNSUPPORTED, "module_input_name"},
        {"{" DENSE_CONFIG ",\"module_output_name\":\"other\"}",
         RMR_ERR_UNSUPPORTED, "module_output_name"},
        {"[]", RMR_ERR_FORMAT, "object"},
    };
    tiny_model *tiny = with_modules("[" FIRST "," DENSE "]");
    rmr_model *model;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(bad); i++) {
        tiny_write_text(tiny->directory, "2_Dense/config.json", bad[i].config);
        expect_failure(open_tiny(tiny, NULL, &model, &err), &err, bad[i].status,
                       "2_Dense/config.json", bad[i].word);
    }
    tiny_remove(tiny->directory, "2_Dense/config.json");
    expect_failure(open_tiny(tiny, NULL, &model, &err), &err, RMR_ERR_IO,
                   "2_Dense/config.json");
    tiny_model_free(tiny);
}

static void test_weights_that_are_not_there(void **state)
{
    (void)state;
    static const char file[] = "2_Dense/model.safetensors";
    tiny_model *tiny = with_modules("[" FIRST "," DENSE "]");
    const char *directory = tiny->directory;
    rmr_model *model;
    rmr_error err = {0};
    write_tensors(directory, file, "linear.weight", "[8,24]", OUT * SIZE, NULL);
    expect_failure(open_tiny(tiny, NULL, &model, &err), &err, RMR_ERR_FORMAT,
                   file, "linear.bias");
    tiny_write_text(directory, "2_Dense/config.json",
                    "{" DENSE_CONFIG ",\"bias\":false}");
    expect_ok(open_tiny(tiny, NULL, &model, &err), &err);
    rmr_model_release(model);
    tiny_write_text(directory, "2_Dense/config.json",
                    "{" DENSE_CONFIG ",\"bias\":false,\"use_residual\":true}");
    expect_failure(open_tiny(tiny, NULL, &model, &err), &err, RMR_ERR_FORMAT,
                   file, "residual.weight");
    write_tensors(directory, file, "linear.weight", "[24,8]", OUT * SIZE, NULL);
    expect_failure(open_tiny(tiny, NULL, &model, &err), &err, RMR_ERR_FORMAT,
                   file, "linear.weight");
    tiny_remove(directory, file);
    tiny_write_text(directory, "2_Dense/pytorch_model.bin", "pickled");
    expect_failure(open_tiny(tiny, NULL, &model, &err), &err,
                   RMR_ERR_UNSUPPORTED, "2_Dense");
    tiny_model_free(tiny);
}

static void test_layer_norm_that_is_not_run(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        rmr_status status;
        const char *word;
    } bad[] = {
        {"{}", RMR_ERR_FORMAT, "dimension"},
        {"{\"dimension\":24}", RMR_ERR_FORMAT, "8 components"},
        {"{\"dimension\":\"8\"}", RMR_ERR_FORMAT, "dimension"},
    };
    tiny_model *tiny = with_modules("[" FIRST "," DENSE "," NORM "]");
    rmr_model *model;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(bad); i++) {
        tiny_write_text(tiny->directory, "3_LayerNorm/config.json",
                        bad[i].config);
        expect_failure(open_tiny(tiny, NULL, &model, &err), &err, bad[i].status,
                       "3_LayerNorm/config.json", bad[i].word);
    }
    write_norm(tiny);
    write_tensors(tiny->directory, "3_LayerNorm/model.safetensors",
                  "norm.weight", "[8]", OUT, NULL);
    expect_failure(open_tiny(tiny, NULL, &model, &err), &err, RMR_ERR_FORMAT,
                   "3_LayerNorm/model.safetensors", "norm.bias");
    tiny_model_free(tiny);
}

static void test_number_and_names_of_modules(void **state)
{
    (void)state;
    static const char normalize[] = "," ENTRY("Normalize", "9_Normalize");
    char modules[4096];
    size_t len = (size_t)snprintf(modules, sizeof modules, "[" FIRST);
    tiny_model *tiny = with_modules("[" FIRST "]");
    rmr_model *model;
    rmr_error err = {0};
    for (int i = 0; i < RMR_MAX_MODULES + 1; i++)
        len += (size_t)snprintf(modules + len, sizeof modules - len, "%s",
                                normalize);
    snprintf(modules + len, sizeof modules - len, "]");
    tiny_write_text(tiny->directory, "modules.json", modules);
    expect_failure(open_tiny(tiny, NULL, &model, &err), &err,
                   RMR_ERR_UNSUPPORTED, "modules.json", "more than 16");
    snprintf(modules, sizeof modules,
             "[" FIRST ",{\"type\":\"" PACKAGE
             "Normalize\",\"path\":\"%0*d\"}]",
             RMR_MODULE_PATH_CHARS, 0);
    tiny_write_text(tiny->directory, "modules.json", modules);
    expect_failure(open_tiny(tiny, NULL, &model, &err), &err,
                   RMR_ERR_UNSUPPORTED, "modules.json", "128 bytes");
    tiny_model_free(tiny);
}

static void test_info_of_modules(void **state)
{
    (void)state;
    rmr_model_info before = {.size = sizeof before}, info = before;
    rmr_model *model;
    rmr_error err = {0};
    tiny_model *tiny = with_modules("[" FIRST "]");
    expect_ok(open_tiny(tiny, NULL, &model, &err), &err);
    rmr_model_get_info(model, &before);
    rmr_model_release(model);
    tiny_write_text(tiny->directory, "modules.json",
                    "[" FIRST "," DENSE "," NORM "," ENTRY("Dropout", "") "]");
    expect_ok(open_tiny(tiny, NULL, &model, &err), &err);
    rmr_model_get_info(model, &info);
    assert_int_equal(info.dim, OUT);
    assert_int_equal(info.hidden_size, SIZE);
    assert_int_equal(info.normalize, 0);
    assert_int_equal(info.num_parameters - before.num_parameters,
                     OUT * SIZE + 3 * OUT);
    assert_true(info.bytes >= before.bytes + 4 * (OUT * SIZE + 3 * OUT));
    rmr_model_release(model);
    tiny_model_free(tiny);
}

/* ------------------------------------------------------------------ vectors
 */

/* The vector of a text. */
static void embed(rmr_model *model, const char *text,
                  const rmr_embed_options *options, float *vector)
{
    rmr_error err = {0};
    rmr_text texts[] = {{text, strlen(text)}};
    rmr_engine *engine = start_engine(1);
    expect_ok(rmr_embed(engine, model, texts, 1, options, vector, NULL, &err),
              &err);
    rmr_engine_stop(engine);
}

static void test_quantized_directory_keeps_its_modules(void **state)
{
    (void)state;
    tiny_model *tiny = with_modules("[" FIRST "," DENSE "," NORM "]");
    char *parent = tiny_directory();
    const char *directory = tiny_path(parent, "quantized");
    rmr_model_options options;
    rmr_model *model, *written;
    rmr_error err = {0};
    float before[OUT], after[OUT];
    expect_ok(rmr_model_quantize(tiny->directory, directory, NULL, &err), &err);
    rmr_model_options_init(&options);
    options.dtype = RMR_DTYPE_INT8;
    expect_ok(rmr_model_open(&model, tiny->directory, &options, &err), &err);
    expect_ok(rmr_model_open(&written, directory, NULL, &err), &err);
    embed(model, "a fish", NULL, before);
    embed(written, "a fish", NULL, after);
    assert_memory_equal(before, after, sizeof before);
    rmr_model_release(written);
    rmr_model_release(model);
    tiny_remove_directory(parent);
    tiny_model_free(tiny);
}

static float length_of(const float *vector, size_t count)
{
    float sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += vector[i] * vector[i];
    return sqrtf(sum);
}

/* A model that cuts its vectors does so behind its Normalize, as the
 * reference; who asks for fewer components, gets them of unit length. */
static void test_cuts_and_lengths(void **state)
{
    (void)state;
    tiny_model *tiny = tiny_model_new(&(tiny_options){.hidden_size = SIZE});
    rmr_embed_options options;
    rmr_model *model;
    rmr_error err = {0};
    float whole[SIZE], cut[SIZE], pooled[SIZE];
    expect_ok(open_tiny(tiny, NULL, &model, &err), &err);
    embed(model, "fish", NULL, whole);
    rmr_model_release(model);
    tiny_write_text(tiny->directory, "config_sentence_transformers.json",
                    "{\"truncate_dim\":10}");
    expect_ok(open_tiny(tiny, NULL, &model, &err), &err);
    embed(model, "fish", NULL, cut);
    assert_memory_equal(cut, whole, 10 * sizeof *cut);
    assert_true(length_of(cut, 10) < 0.99f);
    rmr_embed_options_init(&options);
    options.normalize = RMR_NORMALIZE_ON;
    embed(model, "fish", &options, cut);
    assert_true(fabsf(length_of(cut, 10) - 1) < 1e-6f);
    options.normalize = RMR_NORMALIZE_MODEL;
    options.dimensions = 4;
    embed(model, "fish", &options, cut);
    assert_true(fabsf(length_of(cut, 4) - 1) < 1e-6f);
    options.normalize = RMR_NORMALIZE_OFF;
    embed(model, "fish", &options, pooled);
    assert_true(fabsf(pooled[0] / length_of(pooled, 4) - cut[0]) < 1e-6f);
    rmr_model_release(model);
    tiny_model_free(tiny);
}

/* ------------------------------------------------------------------ prompts
 */

#define PROMPTS "config_sentence_transformers.json"

static void test_prompts_that_are_not_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
    } bad[] = {
        {"[]", "object"},
        {"{\"prompts\":[]}", "prompts"},
        {"{\"prompts\":\"query\"}", "prompts"},
        {"{\"prompts\":{\"query\":5}}", "\"query\""},
        {"{\"default_prompt_name\":7}", "default_prompt_name"},
        {"{\"default_prompt_name\":\"other\"}", "default_prompt_name"},
        {"{\"prompts\":{\"a\":\"b\"},\"default_prompt_name\":\"b\"}",
         "default_prompt_name"},
    };
    tiny_model *tiny = with_modules("[" FIRST "]");
    rmr_model *model;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(bad); i++) {
        tiny_write_text(tiny->directory, PROMPTS, bad[i].text);
        expect_failure(open_tiny(tiny, NULL, &model, &err), &err,
                       RMR_ERR_FORMAT, PROMPTS, bad[i].word);
    }
    tiny_model_free(tiny);
}

static void test_prompts_of_a_model(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        rmr_text text;
    } expected[] = {{"query", {"q: ", 3}},
                    {"document", {"", 0}},
                    {"with NUL", {"a\0b", 3}},
                    {"none", {"", 0}}};
    tiny_model *tiny = with_modules("[" FIRST "]");
    rmr_model_info info = {.size = sizeof info};
    const char *name;
    rmr_text text;
    rmr_model *model;
    rmr_error err = {0};
    tiny_write_text(tiny->directory, PROMPTS,
                    "{\"prompts\":{\"query\":\"q: \",\"with NUL\":"
                    "\"a\\u0000b\",\"none\":null},"
                    "\"default_prompt_name\":\"with NUL\"}");
    expect_ok(open_tiny(tiny, NULL, &model, &err), &err);
    rmr_model_get_info(model, &info);
    assert_string_equal(info.default_prompt, "with NUL");
    for (size_t i = 0; i < LENGTH(expected); i++) {
        assert_int_equal(rmr_model_prompt(model, i, &name, &text), 1);
        assert_string_equal(name, expected[i].name);
        assert_int_equal(text.len, expected[i].text.len);
        assert_memory_equal(text.data, expected[i].text.data, text.len);
    }
    assert_int_equal(rmr_model_prompt(model, LENGTH(expected), &name, &text),
                     0);
    assert_null(name);
    rmr_model_release(model);
    /* Without modules.json the file means nothing. */
    tiny_remove(tiny->directory, "modules.json");
    expect_ok(open_tiny(tiny, "mean", &model, &err), &err);
    rmr_model_get_info(model, &info);
    assert_null(info.default_prompt);
    assert_int_equal(rmr_model_prompt(model, 1, &name, &text), 1);
    assert_int_equal(rmr_model_prompt(model, 2, &name, &text), 0);
    rmr_model_release(model);
    tiny_model_free(tiny);
}

/* A text behind a prompt is both as one text. */
static void test_prompts_before_texts(void **state)
{
    (void)state;
    tiny_model *tiny = with_modules("[" FIRST "]");
    rmr_embed_options options;
    rmr_model *model;
    rmr_error err = {0};
    float plain[SIZE], both[SIZE], vector[SIZE];
    tiny_write_text(tiny->directory, PROMPTS,
                    "{\"prompts\":{\"query\":\"the \",\"longer\":\"a b c d "
                    "e f \"},\"default_prompt_name\":\"query\"}");
    expect_ok(open_tiny(tiny, NULL, &model, &err), &err);
    rmr_embed_options_init(&options);
    options.prompt = (rmr_text){"", 0};
    embed(model, "fish", &options, plain);
    embed(model, "the fish", &options, both);
    assert_memory_not_equal(plain, both, sizeof both);
    embed(model, "fish", NULL, vector);
    assert_memory_equal(vector, both, sizeof both);
    options.prompt = (rmr_text){"the ", 4};
    embed(model, "fish", &options, vector);
    assert_memory_equal(vector, both, sizeof both);
    options.prompt = (rmr_text){0};
    options.prompt_name = "query";
    embed(model, "fish", &options, vector);
    assert_memory_equal(vector, both, sizeof both);
    options.prompt_name = "document";
    embed(model, "fish", &options, vector);
    assert_memory_equal(vector, plain, sizeof plain);
    rmr_model_release(model);
    tiny_model_free(tiny);
}

static void test_prompts_that_are_refused(void **state)
{
    (void)state;
    tiny_model *tiny = with_modules("[" FIRST "]");
    rmr_engine *engine = start_engine(1);
    rmr_embed_options options;
    rmr_text text = {"fish", 4};
    float vector[SIZE];
    rmr_model *model;
    rmr_error err = {0};
    expect_ok(open_tiny(tiny, NULL, &model, &err), &err);
    rmr_embed_options_init(&options);
    options.prompt_name = "passage";
    expect_failure(
        rmr_embed(engine, model, &text, 1, &options, vector, NULL, &err), &err,
        RMR_ERR_RANGE, "no prompt \"passage\"", "query, document");
    options.prompt_name = "query";
    options.prompt = (rmr_text){"", 0};
    expect_failure(
        rmr_embed(engine, model, &text, 1, &options, vector, NULL, &err), &err,
        RMR_ERR_RANGE, "prompt and prompt_name");
    rmr_engine_stop(engine);
    rmr_model_release(model);
    tiny_model_free(tiny);
}

/* ----------------------------------------------------------------- comparing
 */

static void test_comparisons(void **state)
{
    (void)state;
    static const float a[] = {1, 2, -2}, b[] = {3, -1, 2};
    assert_true(fabs(rmr_compare(RMR_SIMILARITY_COSINE, a, b, 3) +
                     3 / (3 * sqrt(14))) < 1e-15);
    assert_true(rmr_compare(RMR_SIMILARITY_DOT, a, b, 3) == -3);
    assert_true(fabs(rmr_compare(RMR_SIMILARITY_EUCLIDEAN, a, b, 3) +
                     sqrt(29)) < 1e-14);
    assert_true(rmr_compare(RMR_SIMILARITY_MANHATTAN, a, b, 3) == -9);
    assert_true(isnan(rmr_compare((rmr_similarity)9, a, b, 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pooling_in_every_mode),
        cmocka_unit_test(test_pooling_that_is_asked_for),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_dense_that_is_not_run),
        cmocka_unit_test(test_weights_that_are_not_there),
        cmocka_unit_test(test_layer_norm_that_is_not_run),
        cmocka_unit_test(test_number_and_names_of_modules),
        cmocka_unit_test(test_info_of_modules),
        cmocka_unit_test(test_quantized_directory_keeps_its_modules),
        cmocka_unit_test(test_cuts_and_lengths),
        cmocka_unit_test(test_prompts_that_are_not_read),
        cmocka_unit_test(test_prompts_of_a_model),
        cmocka_unit_test(test_prompts_before_texts),
        cmocka_unit_test(test_prompts_that_are_refused),
        cmocka_unit_test(test_comparisons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
