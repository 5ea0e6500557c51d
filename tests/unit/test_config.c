/*
 * test_config.c - what a model directory's JSON files say, and what they must
 * not say: fields absent, absurd, unknown, and the rules of
 * sentence-transformers about modules and length.
 */
#include <sys/stat.h>

#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "common/model/arch.h"
#include "common/model/config.h"

#define MODULES "sentence_transformers.models."

static int make_directory(void **state)
{
    *state = tiny_directory();
    return 0;
}

static int remove_directory(void **state)
{
    tiny_remove_directory(*state);
    return 0;
}

static const char *const base[][2] = {
    {"model_type", "\"bert\""},
    {"vocab_size", "30"},
    {"hidden_size", "24"},
    {"num_hidden_layers", "2"},
    {"num_attention_heads", "3"},
    {"intermediate_size", "40"},
    {"type_vocab_size", "2"},
    {"max_position_embeddings", "48"},
    {"hidden_act", "\"gelu\""},
    {"layer_norm_eps", "1e-12"},
    {"is_decoder", "false"},
    {"add_cross_attention", "false"},
    {"position_embedding_type", "\"absolute\""},
};

/* config.json with one field replaced, added, or left out (value NULL). */
static void write_config(const char *directory, const char *field,
                         const char *value)
{
    char text[8192];
    int len = 0, done = 0;
    for (size_t i = 0; i < LENGTH(base); i++) {
        int is_field = strcmp(base[i][0], field) == 0;
        done |= is_field;
        if (is_field && !value)
            continue;
        len += snprintf(text + len, sizeof text - (size_t)len, "%s\"%s\":%s",
                        len ? "," : "{", base[i][0],
                        is_field ? value : base[i][1]);
    }
    if (!done && value)
        len += snprintf(text + len, sizeof text - (size_t)len, ",\"%s\":%s",
                        field, value);
    snprintf(text + len, sizeof text - (size_t)len, "}");
    tiny_write_text(directory, "config.json", text);
}

/* The tokenizer alone has the limit of every model that opens. */
static rmr_status read_all(const char *directory, rmr_config *config,
                           rmr_error *err)
{
    memset(config, 0x55, sizeof *config);
    rmr_status status = rmr_config_read(config, directory, err);
    if (!status)
        status = rmr_config_read_modules(config, directory, err);
    if (!status) {
        uint32_t max_tokens = 0;
        expect_ok(rmr_config_read_max_tokens(&max_tokens, directory, err), err);
        assert_int_equal(max_tokens, config->max_tokens);
    }
    return status;
}

static rmr_status read_with(void **state, const char *field, const char *value,
                            rmr_config *config, rmr_error *err)
{
    write_config(*state, field, value);
    return read_all(*state, config, err);
}

/* ------------------------------------------------------------- config.json */

static void test_plain_directory(void **state)
{
    rmr_config config;
    rmr_error err = {0};
    expect_ok(read_with(state, "", NULL, &config, &err), &err);
    assert_string_equal(config.model_type, "bert");
    assert_int_equal(config.vocab_size, 30);
    assert_int_equal(config.hidden_size, 24);
    assert_int_equal(config.num_hidden_layers, 2);
    assert_int_equal(config.num_attention_heads, 3);
    assert_int_equal(config.intermediate_size, 40);
    assert_int_equal(config.type_vocab_size, 2);
    assert_int_equal(config.max_position_embeddings, 48);
    assert_int_equal(config.max_tokens, 48);
    assert_int_equal(config.hidden_act, RMR_ACTIVATION_GELU);
    assert_true(config.layer_norm_eps == 1e-12f);
    assert_string_equal(config.pooling.name, "mean");
    assert_int_equal(config.pooling_guessed, 1);
    assert_int_equal(config.normalize, 0);
    assert_int_equal(config.do_lower_case, 0);
}

static void test_absent_fields(void **state)
{
    static const char *const required[] = {
        "model_type",          "vocab_size",        "hidden_size",
        "num_hidden_layers",   "intermediate_size", "max_position_embeddings",
        "num_attention_heads",
    };
    rmr_config config;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(required); i++) {
        char name[64];
        snprintf(name, sizeof name, "\"%s\"", required[i]);
        expect_failure(read_with(state, required[i], NULL, &config, &err), &err,
                       RMR_ERR_FORMAT, "config.json", name);
        expect_failure(read_with(state, required[i], "null", &config, &err),
                       &err, RMR_ERR_FORMAT, "config.json", name);
    }
    static const char *const optional[] = {
        "type_vocab_size", "hidden_act",          "layer_norm_eps",
        "is_decoder",      "add_cross_attention", "position_embedding_type"};
    for (size_t i = 0; i < LENGTH(optional); i++) {
        expect_ok(read_with(state, optional[i], NULL, &config, &err), &err);
        assert_int_equal(config.type_vocab_size, 2);
        assert_int_equal(config.hidden_act, RMR_ACTIVATION_GELU);
        assert_true(config.layer_norm_eps == 1e-12f);
        expect_ok(read_with(state, optional[i], "null", &config, &err), &err);
    }
}

static void test_absurd_sizes(void **state)
{
    static const char *const sizes[] = {
        "vocab_size",          "hidden_size",       "num_hidden_layers",
        "num_attention_heads", "intermediate_size", "max_position_embeddings"};
    static const char *const absurd[] = {"0",          "-1",
                                         "2147483648", "4294967296",
                                         "4294967320", "9223372036854775807",
                                         "1000000000", "-9223372036854775808"};
    static const char *const wrong[] = {"2.0", "\"2\"", "true", "[2]", "{}"};
    rmr_config config;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        char name[64];
        snprintf(name, sizeof name, "\"%s\"", sizes[i]);
        for (size_t j = 0; j < LENGTH(absurd); j++)
            expect_failure(read_with(state, sizes[i], absurd[j], &config, &err),
                           &err, RMR_ERR_RANGE, "config.json", name, absurd[j]);
        for (size_t j = 0; j < LENGTH(wrong); j++)
            expect_failure(read_with(state, sizes[i], wrong[j], &config, &err),
                           &err, RMR_ERR_FORMAT, "config.json", name,
                           "whole number");
    }
    expect_failure(read_with(state, "type_vocab_size", "0", &config, &err),
                   &err, RMR_ERR_RANGE, "config.json", "\"type_vocab_size\"");
    expect_failure(read_with(state, "type_vocab_size", "65537", &config, &err),
                   &err, RMR_ERR_RANGE, "config.json", "\"type_vocab_size\"");
    expect_failure(read_with(state, "vocab_size",
                             "123456789012345678901234567890", &config, &err),
                   &err, RMR_ERR_FORMAT, "config.json", "too large");
    expect_failure(read_with(state, "num_attention_heads", "5", &config, &err),
                   &err, RMR_ERR_FORMAT, "config.json", "\"hidden_size\" (24)",
                   "\"num_attention_heads\" (5)");
    expect_failure(read_with(state, "num_attention_heads", "48", &config, &err),
                   &err, RMR_ERR_FORMAT, "multiple");
}

static void test_model_types(void **state)
{
    static const char *const unknown[] = {
        "\"\"",
        "\"BERT\"",
        "\"bert \"",
        "\"robert\"",
        "\"gpt2\"",
        "\"bert-like\"",
        "\"a-name-that-is-much-longer-than-any-model-type-there-is\""};
    rmr_config config;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(unknown); i++)
        expect_failure(
            read_with(state, "model_type", unknown[i], &config, &err), &err,
            RMR_ERR_UNSUPPORTED, "config.json", "model_type", "known: albert");
    expect_failure(read_with(state, "model_type", "7", &config, &err), &err,
                   RMR_ERR_FORMAT, "model_type", "a string");
    expect_failure(
        read_with(state, "model_type", "\"bert\\u0000\"", &config, &err), &err,
        RMR_ERR_FORMAT, "model_type", "NUL");
    /* A decoder of another type is told so before its fields are read. */
    tiny_write_text(*state, "config.json", "{\"model_type\":\"gpt2\"}");
    expect_failure(read_all(*state, &config, &err), &err, RMR_ERR_UNSUPPORTED,
                   "\"gpt2\"", "known: albert");
}

static void test_code_of_a_model(void **state)
{
    rmr_config config;
    rmr_error err = {0};
    expect_failure(read_with(state, "auto_map",
                             "{\"AutoConfig\":\"a.B\","
                             "\"AutoModelForMaskedLM\":\"a.C\"}",
                             &config, &err),
                   &err, RMR_ERR_UNSUPPORTED, "config.json", "auto_map",
                   "\"AutoModelForMaskedLM\"", "never run");
    expect_ok(read_with(state, "auto_map", "{\"AutoTokenizer\":\"a.B\"}",
                        &config, &err),
              &err);
    expect_ok(read_with(state, "auto_map", "null", &config, &err), &err);
}

static void test_activations(void **state)
{
    static const struct {
        const char *name;
        rmr_activation activation;
    } known[] = {
        {"\"gelu\"", RMR_ACTIVATION_GELU},
        {"\"gelu_python\"", RMR_ACTIVATION_GELU},
        {"\"gelu_new\"", RMR_ACTIVATION_GELU_TANH},
        {"\"gelu_pytorch_tanh\"", RMR_ACTIVATION_GELU_TANH},
        {"\"relu\"", RMR_ACTIVATION_RELU},
        {"\"silu\"", RMR_ACTIVATION_SILU},
        {"\"swish\"", RMR_ACTIVATION_SILU},
        {"\"sigmoid\"", RMR_ACTIVATION_SIGMOID},
        {"\"tanh\"", RMR_ACTIVATION_TANH},
    };
    static const char *const unknown[] = {"\"\"", "\"GELU\"", "\"quick_gelu\"",
                                          "\"gelu_10\"", "\"Tanh\""};
    rmr_config config;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(known); i++) {
        expect_ok(read_with(state, "hidden_act", known[i].name, &config, &err),
                  &err);
        assert_int_equal(config.hidden_act, known[i].activation);
    }
    for (size_t i = 0; i < LENGTH(unknown); i++)
        expect_failure(
            read_with(state, "hidden_act", unknown[i], &config, &err), &err,
            RMR_ERR_UNSUPPORTED, "config.json", "hidden_act", unknown[i],
            "gelu_new", "relu", "silu");
    expect_failure(read_with(state, "hidden_act", "1", &config, &err), &err,
                   RMR_ERR_FORMAT, "hidden_act", "a string");
}

static void test_variants_that_need_other_arithmetic(void **state)
{
    static const char *const positions[] = {
        "\"relative_key\"", "\"relative_key_query\"", "\"rope\"", "\"\""};
    rmr_config config;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(positions); i++)
        expect_failure(read_with(state, "position_embedding_type", positions[i],
                                 &config, &err),
                       &err, RMR_ERR_UNSUPPORTED, "config.json",
                       "position_embedding_type", positions[i], "absolute");
    expect_failure(read_with(state, "is_decoder", "true", &config, &err), &err,
                   RMR_ERR_UNSUPPORTED, "config.json", "is_decoder");
    expect_failure(
        read_with(state, "add_cross_attention", "true", &config, &err), &err,
        RMR_ERR_UNSUPPORTED, "config.json", "add_cross_attention");
    expect_failure(read_with(state, "is_decoder", "1", &config, &err), &err,
                   RMR_ERR_FORMAT, "is_decoder", "true or false");
    expect_failure(
        read_with(state, "position_embedding_type", "{}", &config, &err), &err,
        RMR_ERR_FORMAT, "position_embedding_type");
}

/* Of a BERT with ALiBi no more is read than of what is run: JinaBERT. */
static void test_alibi_is_jina(void **state)
{
    rmr_config config;
    rmr_error err = {0};
    expect_failure(
        read_with(state, "position_embedding_type", "\"alibi\"", &config, &err),
        &err, RMR_ERR_UNSUPPORTED, "config.json",
        "\"feed_forward_type\" \"original\"", "geglu");
}

static void test_epsilon(void **state)
{
    static const char *const absurd[] = {"0",     "-1e-12", "1",    "1e300",
                                         "1e-50", "1e-400", "-0.0", "2"};
    rmr_config config;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(absurd); i++)
        expect_failure(
            read_with(state, "layer_norm_eps", absurd[i], &config, &err), &err,
            RMR_ERR_RANGE, "config.json", "layer_norm_eps");
    expect_failure(
        read_with(state, "layer_norm_eps", "\"1e-5\"", &config, &err), &err,
        RMR_ERR_FORMAT, "layer_norm_eps", "a number");
    expect_ok(read_with(state, "layer_norm_eps", "1e-5", &config, &err), &err);
    assert_true(config.layer_norm_eps == 1e-5f);
}

static void test_config_that_is_no_object(void **state)
{
    static const char *const bad[] = {
        "",     "{",        "[]", "1",
        "null", "\"bert\"", "{}", "{\"model_type\":\"bert\"}x"};
    rmr_config config;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(bad); i++) {
        tiny_write_text(*state, "config.json", bad[i]);
        expect_failure(read_all(*state, &config, &err), &err, RMR_ERR_FORMAT,
                       "config.json");
    }
    tiny_remove(*state, "config.json");
    expect_failure(read_all(*state, &config, &err), &err, RMR_ERR_IO,
                   "config.json", "No such file");
    assert_int_equal(mkdir(tiny_path(*state, "config.json"), 0755), 0);
    expect_failure(read_all(*state, &config, &err), &err, RMR_ERR_FORMAT,
                   "config.json", "not a regular file");
}

static void test_known_architecture(void **state)
{
    (void)state;
    rmr_error err = {0};
    const rmr_arch *arch = rmr_arch_find("bert", "x", &err);
    assert_ptr_equal(arch, &rmr_arch_bert);
    assert_int_equal(err.status, RMR_OK);
    assert_null(rmr_arch_find("bar", "DIR/config.json", NULL));
    assert_null(rmr_arch_find("bar", "DIR/config.json", &err));
    expect_failure(err.status, &err, RMR_ERR_UNSUPPORTED, "DIR/config.json",
                   "\"bar\"", "known: albert, bert");
}

/* ------------------------------------------------------------------ modules */

/* One entry of modules.json. */
#define ENTRY(type, path) "{\"type\":\"" type "\",\"path\":\"" path "\"}"
#define TRANSFORMER ENTRY(MODULES "Transformer", "")
#define POOLING ENTRY(MODULES "Pooling", "1_Pooling")
#define NORMALIZE ENTRY(MODULES "Normalize", "2_Normalize")

static rmr_status read_modules(void **state, const char *modules,
                               const char *pooling, rmr_config *config,
                               rmr_error *err)
{
    write_config(*state, "", NULL);
    tiny_write_text(*state, "modules.json", modules);
    tiny_write_text(*state, "1_Pooling/config.json", pooling);
    return read_all(*state, config, err);
}

#define FULL "[" TRANSFORMER "," POOLING "," NORMALIZE "]"
#define NO_NORMALIZE "[" TRANSFORMER "," POOLING "]"
#define MEAN                                                                   \
    "{\"word_embedding_dimension\":24,\"pooling_mode_mean_tokens\":true}"

static void test_modules(void **state)
{
    static const char *const full[] = {
        FULL,
        "[" ENTRY("sentence_transformers.base.modules.transformer.Transformer",
                  "") "," ENTRY("sentence_transformers.sentence_transformer."
                                "modules.pooling.Pooling",
                                "1_Pooling") "," ENTRY("sentence_transformers."
                                                       "base.modules.normalize."
                                                       "Normalize",
                                                       "2_Normalize") "]"};
    rmr_config config;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(full); i++) {
        expect_ok(read_modules(state, full[i], MEAN, &config, &err), &err);
        assert_int_equal(config.normalize, 1);
        assert_string_equal(config.pooling.name, "mean");
        assert_int_equal(config.pooling_guessed, 0);
    }
    expect_ok(read_modules(state, NO_NORMALIZE, MEAN, &config, &err), &err);
    assert_int_equal(config.normalize, 0);
    tiny_write_text(*state, "elsewhere/deep/config.json",
                    "{\"pooling_mode\":\"max\"}");
    expect_ok(read_modules(state,
                           "[" TRANSFORMER
                           "," ENTRY(MODULES "Pooling", "elsewhere/deep") "]",
                           MEAN, &config, &err),
              &err);
    assert_string_equal(config.pooling.name, "max");
}

static void test_modules_that_are_not_run(void **state)
{
    static const struct {
        const char *modules;
        rmr_status status;
        const char *word;
    } bad[] = {
        {"[" TRANSFORMER "," POOLING
         "," ENTRY(MODULES "CNN", "2_CNN") "," NORMALIZE "]",
         RMR_ERR_UNSUPPORTED, "CNN"},
        {"[" TRANSFORMER "]", RMR_ERR_UNSUPPORTED, "Pooling"},
        {"[" POOLING "]", RMR_ERR_UNSUPPORTED, "Pooling"},
        {"[" POOLING "," TRANSFORMER "]", RMR_ERR_UNSUPPORTED, "module 0"},
        {"[" TRANSFORMER "," NORMALIZE "]", RMR_ERR_UNSUPPORTED, "Normalize"},
        {"[" TRANSFORMER "," POOLING "," POOLING "]", RMR_ERR_UNSUPPORTED,
         "module 2"},
        {"[" TRANSFORMER "," NORMALIZE "," POOLING "]", RMR_ERR_UNSUPPORTED,
         "module 1"},
        {"[" TRANSFORMER "," POOLING "," ENTRY("custom.Dense", "2_Dense") "]",
         RMR_ERR_UNSUPPORTED, "custom.Dense"},
        {"[" TRANSFORMER "," POOLING "," ENTRY(MODULES "Router", "") "]",
         RMR_ERR_UNSUPPORTED, "Router"},
        {"[" ENTRY(MODULES "Transformer", "0_Transformer") "," POOLING "]",
         RMR_ERR_UNSUPPORTED, "0_Transformer"},
        {"[" ENTRY(MODULES "StaticEmbedding", "") "," POOLING "]",
         RMR_ERR_UNSUPPORTED, "StaticEmbedding"},
        /* Whoever wrote these, their code is not what is run here. */
        {"[" ENTRY("custom_st.Transformer", "") "," POOLING "]",
         RMR_ERR_UNSUPPORTED, "custom_st.Transformer"},
        {"[" ENTRY("Transformer", "") "," POOLING "]", RMR_ERR_UNSUPPORTED,
         "Transformer"},
        {"[" TRANSFORMER
         "," ENTRY("sentence_transformersx.Pooling", "1_Pooling") "]",
         RMR_ERR_UNSUPPORTED, "sentence_transformersx"},
        {"[" TRANSFORMER "," ENTRY(MODULES "Pooling", "") "]",
         RMR_ERR_UNSUPPORTED, "module 1"},
        {"[]", RMR_ERR_UNSUPPORTED, "no Pooling"},
        {"{}", RMR_ERR_FORMAT, "array"},
        {"", RMR_ERR_FORMAT, "not valid JSON"},
        {"[1]", RMR_ERR_FORMAT, "\"type\""},
        {"[null]", RMR_ERR_FORMAT, "\"type\""},
        {"[{\"path\":\"\"}]", RMR_ERR_FORMAT, "\"type\""},
        {"[{\"type\":5,\"path\":\"\"}]", RMR_ERR_FORMAT, "\"type\""},
        {"[{\"type\":\"x\",\"path\":5}]", RMR_ERR_FORMAT, "\"path\""},
    };
    rmr_config config;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(bad); i++)
        expect_failure(read_modules(state, bad[i].modules, MEAN, &config, &err),
                       &err, bad[i].status, "modules.json", bad[i].word);
}

static void test_modules_that_leave_the_directory(void **state)
{
    static const char *const paths[] = {"..",           "../other",
                                        "/etc",         "a/../..",
                                        "1_Pooling/..", "1_Pooling\\u0007"};
    rmr_config config;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(paths); i++) {
        char modules[512];
        snprintf(modules, sizeof modules,
                 "[" TRANSFORMER ",{\"type\":\"" MODULES
                 "Pooling\",\"path\":\"%s\"}]",
                 paths[i]);
        expect_failure(read_modules(state, modules, MEAN, &config, &err), &err,
                       RMR_ERR_FORMAT, "modules.json", "\"path\" of module 1",
                       "leaves");
    }
    expect_failure(read_modules(state,
                                "[" TRANSFORMER ",{\"type\":\"" MODULES
                                "Pooling\",\"path\":\"1_Pooling\\u0000\"}]",
                                MEAN, &config, &err),
                   &err, RMR_ERR_FORMAT, "modules.json", "\"path\"", "NUL");
    expect_failure(read_modules(state,
                                "[" TRANSFORMER
                                "," ENTRY(MODULES "Pooling", "absent") "]",
                                MEAN, &config, &err),
                   &err, RMR_ERR_IO, "absent/config.json", "No such file");
}

/* Normalize of anything but the embedding is something else. */
static void test_normalize_module(void **state)
{
    static const struct {
        const char *config;
        rmr_status status;
    } cases[] = {
        {"{}", RMR_OK},
        {"{\"module_input_name\":\"sentence_embedding\","
         "\"module_output_name\":\"sentence_embedding\"}",
         RMR_OK},
        {"{\"module_input_name\":\"token_embeddings\"}", RMR_ERR_UNSUPPORTED},
        {"{\"module_output_name\":\"other\"}", RMR_ERR_UNSUPPORTED},
        {"{\"module_input_name\":5}", RMR_ERR_FORMAT},
        {"[", RMR_ERR_FORMAT},
    };
    rmr_config config;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        tiny_write_text(*state, "2_Normalize/config.json", cases[i].config);
        rmr_status status = read_modules(state, FULL, MEAN, &config, &err);
        if (cases[i].status)
            expect_failure(status, &err, cases[i].status,
                           "2_Normalize/config.json");
        else
            expect_ok(status, &err);
        assert_int_equal(config.normalize, !cases[i].status);
    }
}

static void test_pooling_modes(void **state)
{
    static const struct {
        const char *pooling, *name;
    } good[] = {
        {"{\"pooling_mode_cls_token\":true}", "cls"},
        {"{\"pooling_mode_mean_tokens\":true}", "mean"},
        {"{\"pooling_mode_max_tokens\":true}", "max"},
        {"{\"pooling_mode_max_tokens\":true,"
         "\"pooling_mode_cls_token\":false,"
         "\"pooling_mode_mean_tokens\":false,"
         "\"pooling_mode_lasttoken\":false}",
         "max"},
        {"{}", "mean"},
        {"{\"pooling_mode_cls_token\":false}", "mean"},
        {"{\"pooling_mode\":\"cls\"}", "cls"},
        {"{\"pooling_mode\":\"mean\"}", "mean"},
        {"{\"pooling_mode\":\"max\"}", "max"},
        {"{\"pooling_mode\":[\"max\"]}", "max"},
        /* The older flags are dropped where the mode is named. */
        {"{\"pooling_mode\":\"max\",\"pooling_mode_cls_token\":true}", "max"},
        {"{\"embedding_dimension\":24,\"pooling_mode\":\"cls\","
         "\"include_prompt\":true}",
         "cls"},
        {"{\"pooling_mode_lasttoken\":true,\"pooling_mode_mean_tokens\":true,"
         "\"pooling_mode_max_tokens\":true}",
         "max+mean+lasttoken"},
        {"{\"pooling_mode_mean_sqrt_len_tokens\":true}",
         "mean_sqrt_len_tokens"},
        {"{\"pooling_mode_weightedmean_tokens\":true}", "weightedmean"},
        {"{\"pooling_mode\":[\"mean\",\"cls\",\"mean\"]}", "mean+cls+mean"},
        {"{\"pooling_mode\":[\"mean_sqrt_len_tokens\",\"weightedmean\","
         "\"lasttoken\"]}",
         "mean_sqrt_len_tokens+weightedmean+lasttoken"},
    };
    rmr_config config;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(good); i++) {
        expect_ok(read_modules(state, FULL, good[i].pooling, &config, &err),
                  &err);
        assert_string_equal(config.pooling.name, good[i].name);
        assert_int_equal(config.pooling.exclude_prompt, 0);
        assert_int_equal(config.output_size, 24 * config.pooling.count);
        assert_int_equal(config.dim, config.output_size);
        assert_int_equal(config.pooling_guessed, 0);
    }
}

static void test_prompt_left_out_of_pooling(void **state)
{
    rmr_config config;
    rmr_error err = {0};
    expect_ok(read_modules(state, FULL,
                           "{\"pooling_mode\":\"cls\","
                           "\"include_prompt\":false}",
                           &config, &err),
              &err);
    assert_int_equal(config.pooling.exclude_prompt, 1);
}

static void test_pooling_modes_that_are_not_run(void **state)
{
    static const struct {
        const char *pooling;
        rmr_status status;
        const char *word;
    } bad[] = {
        {"{\"pooling_mode\":\"median\"}", RMR_ERR_UNSUPPORTED, "median"},
        {"{\"pooling_mode\":[\"cls\",\"Max\"]}", RMR_ERR_UNSUPPORTED,
         "\"Max\""},
        {"{\"pooling_mode\":\"\"}", RMR_ERR_UNSUPPORTED, "pooling mode \"\""},
        {"{\"pooling_mode\":[\"cls\",\"cls\",\"cls\",\"cls\",\"cls\","
         "\"cls\",\"cls\"]}",
         RMR_ERR_UNSUPPORTED, "more than 6"},
        {"{\"pooling_mode\":[]}", RMR_ERR_FORMAT, "pooling_mode"},
        {"{\"pooling_mode\":null}", RMR_ERR_FORMAT, "pooling_mode"},
        {"{\"pooling_mode\":7}", RMR_ERR_FORMAT, "pooling_mode"},
        {"{\"pooling_mode\":[\"cls\",[\"cls\"]]}", RMR_ERR_FORMAT,
         "pooling_mode"},
        {"{\"pooling_mode\":\"cls\\u0000x\"}", RMR_ERR_UNSUPPORTED,
         "pooling mode"},
        {"{\"include_prompt\":1}", RMR_ERR_FORMAT, "include_prompt"},
        {"{\"pooling_mode_cls_token\":1}", RMR_ERR_FORMAT,
         "pooling_mode_cls_token"},
        {"{\"word_embedding_dimension\":23}", RMR_ERR_FORMAT, "hidden_size"},
        {"{\"embedding_dimension\":48}", RMR_ERR_FORMAT, "hidden_size"},
        {"{\"word_embedding_dimension\":0}", RMR_ERR_RANGE,
         "word_embedding_dimension"},
        {"{\"word_embedding_dimension\":\"24\"}", RMR_ERR_FORMAT,
         "word_embedding_dimension"},
        {"{", RMR_ERR_FORMAT, "not valid JSON"},
        {"[]", RMR_ERR_FORMAT, "object"},
        {"[\"pooling_mode\"]", RMR_ERR_FORMAT, "object"},
    };
    rmr_config config;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(bad); i++)
        expect_failure(read_modules(state, FULL, bad[i].pooling, &config, &err),
                       &err, bad[i].status, "1_Pooling/config.json",
                       bad[i].word);
}

/* ------------------------------------------------------------------- length */

/* The limit that these two files give, where the model has 48 positions. A
 * NULL file is absent. */
static uint32_t limit(void **state, const char *tokenizer, const char *bert)
{
    rmr_config config;
    rmr_error err = {0};
    if (tokenizer)
        tiny_write_text(*state, "tokenizer_config.json", tokenizer);
    if (bert)
        tiny_write_text(*state, "sentence_bert_config.json", bert);
    expect_ok(read_modules(state, FULL, MEAN, &config, &err), &err);
    if (tokenizer)
        tiny_remove(*state, "tokenizer_config.json");
    if (bert)
        tiny_remove(*state, "sentence_bert_config.json");
    return config.max_tokens;
}

#define TOKENIZER(n) "{\"model_max_length\":" n "}"
#define BERT(n) "{\"max_seq_length\":" n "}"

static void test_length_limits(void **state)
{
    assert_int_equal(limit(state, NULL, NULL), 48);
    assert_int_equal(limit(state, "{}", "{}"), 48);
    assert_int_equal(limit(state, TOKENIZER("20"), NULL), 20);
    assert_int_equal(limit(state, TOKENIZER("48"), NULL), 48);
    assert_int_equal(limit(state, TOKENIZER("512"), NULL), 48);
    assert_int_equal(limit(state, TOKENIZER("null"), NULL), 48);
    assert_int_equal(limit(state, NULL, BERT("20")), 20);
    assert_int_equal(limit(state, NULL, BERT("1")), 1);
    assert_int_equal(limit(state, NULL, BERT("512")), 48);
    /* sentence_bert_config.json wins, whichever is larger. */
    assert_int_equal(limit(state, TOKENIZER("20"), BERT("30")), 30);
    assert_int_equal(limit(state, TOKENIZER("30"), BERT("20")), 20);
    assert_int_equal(limit(state, TOKENIZER("20"), BERT("512")), 48);
    assert_int_equal(limit(state, TOKENIZER("20"), BERT("null")), 20);
    assert_int_equal(limit(state, TOKENIZER("20"), "{}"), 20);
    /* How "no limit" is written: 10^30, by Python, in full or not. */
    assert_int_equal(
        limit(state, TOKENIZER("1000000000000000019884624838656"), NULL), 48);
    assert_int_equal(limit(state, TOKENIZER("1e30"), NULL), 48);
    assert_int_equal(limit(state, TOKENIZER("1e+30"), BERT("20")), 20);
    assert_int_equal(
        limit(state, TOKENIZER("1000000000000000019884624838656"), BERT("20")),
        20);
    assert_int_equal(limit(state, TOKENIZER("9223372036854775807"), NULL), 48);
    /* The oldest name of it. */
    assert_int_equal(limit(state, "{\"max_len\":20}", NULL), 20);
    assert_int_equal(
        limit(state, "{\"max_len\":20,\"model_max_length\":30}", NULL), 30);
}

static void test_absurd_length_limits(void **state)
{
    static const struct {
        const char *file, *text;
        rmr_status status;
        const char *word;
    } bad[] = {
        {"tokenizer_config.json", TOKENIZER("0"), RMR_ERR_RANGE,
         "model_max_length"},
        {"tokenizer_config.json", TOKENIZER("-1"), RMR_ERR_RANGE,
         "model_max_length"},
        {"tokenizer_config.json", TOKENIZER("20.5"), RMR_ERR_RANGE,
         "model_max_length"},
        {"tokenizer_config.json", TOKENIZER("\"20\""), RMR_ERR_FORMAT,
         "model_max_length"},
        {"tokenizer_config.json", TOKENIZER("1e999"), RMR_ERR_FORMAT,
         "not valid JSON"},
        {"tokenizer_config.json", "[", RMR_ERR_FORMAT, "not valid JSON"},
        {"sentence_bert_config.json", BERT("0"), RMR_ERR_RANGE,
         "max_seq_length"},
        {"sentence_bert_config.json", BERT("-5"), RMR_ERR_RANGE,
         "max_seq_length"},
        {"sentence_bert_config.json", BERT("2.5"), RMR_ERR_FORMAT,
         "max_seq_length"},
        {"sentence_bert_config.json", BERT("{}"), RMR_ERR_FORMAT,
         "max_seq_length"},
        {"sentence_bert_config.json", "{\"do_lower_case\":1}", RMR_ERR_FORMAT,
         "do_lower_case"},
    };
    rmr_config config;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(bad); i++) {
        tiny_write_text(*state, bad[i].file, bad[i].text);
        expect_failure(read_modules(state, FULL, MEAN, &config, &err), &err,
                       bad[i].status, bad[i].file, bad[i].word);
        tiny_remove(*state, bad[i].file);
    }
}

/* Without modules.json the directory is a plain encoder: what the other files
 * of sentence-transformers say is not read, as the reference does not. */
static void test_length_without_modules(void **state)
{
    rmr_config config;
    rmr_error err = {0};
    write_config(*state, "", NULL);
    tiny_write_text(*state, "sentence_bert_config.json", BERT("20"));
    tiny_write_text(*state, "config_sentence_transformers.json",
                    "{\"default_prompt_name\":\"query\"}");
    expect_ok(read_all(*state, &config, &err), &err);
    assert_int_equal(config.max_tokens, 48);
    tiny_write_text(*state, "tokenizer_config.json", TOKENIZER("30"));
    expect_ok(read_all(*state, &config, &err), &err);
    assert_int_equal(config.max_tokens, 30);
}

/* What is read where only the tokenizer is used, with the files that there
 * are. */
static void test_length_of_a_tokenizer_alone(void **state)
{
    static const struct {
        const char *config, *tokenizer, *modules, *bert;
        uint32_t max_tokens;
    } cases[] = {
        {NULL, NULL, NULL, NULL, 0},
        {NULL, "{}", "[]", "{}", 0},
        {NULL, TOKENIZER("512"), NULL, NULL, 512},
        {NULL, TOKENIZER("null"), NULL, NULL, 0},
        {NULL, "{\"max_len\":20}", NULL, NULL, 20},
        {NULL, TOKENIZER("1000000000000000019884624838656"), NULL, NULL, 0},
        {NULL, TOKENIZER("4294967295"), NULL, NULL, 0},
        {NULL, TOKENIZER("4294967294"), NULL, NULL, 4294967294},
        {NULL, TOKENIZER("512"), NULL, BERT("30"), 512},
        {NULL, TOKENIZER("512"), "[]", BERT("30"), 30},
        {NULL, TOKENIZER("20"), "[]", BERT("30"), 30},
        {NULL, NULL, "[]", BERT("30"), 30},
        {NULL, NULL, "[]", BERT("9223372036854775807"), 0},
        /* Positions of an architecture that is not known to take that
         * many tokens are no limit. */
        {"{\"model_type\":\"gpt2\",\"max_position_embeddings\":514}", NULL,
         NULL, NULL, 0},
        {"{\"model_type\":\"roberta\",\"max_position_embeddings\":514}", NULL,
         NULL, NULL, 512},
        {"{\"model_type\":\"camembert\",\"max_position_embeddings\":40,"
         "\"pad_token_id\":5}",
         NULL, "[]", BERT("60"), 34},
        {"{\"model_type\":\"bert\",\"max_position_embeddings\":40,"
         "\"pad_token_id\":5}",
         NULL, NULL, NULL, 40},
        {"{\"max_position_embeddings\":514}", NULL, NULL, NULL, 0},
        {"{\"model_type\":\"roberta\",\"max_position_embeddings\":514}",
         TOKENIZER("500"), NULL, NULL, 500},
        {"{\"model_type\":\"bert\",\"max_position_embeddings\":48,"
         "\"is_decoder\":true,\"n\":1000000000000000019884624838656}",
         TOKENIZER("512"), "[{}]", BERT("60"), 48},
        {"{\"model_type\":\"bert\"}", TOKENIZER("512"), NULL, NULL, 512},
    };
    static const char *const names[] = {"config.json", "tokenizer_config.json",
                                        "modules.json",
                                        "sentence_bert_config.json"};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const char *const files[] = {cases[i].config, cases[i].tokenizer,
                                     cases[i].modules, cases[i].bert};
        uint32_t max_tokens = 1;
        rmr_error err = {0};
        for (size_t f = 0; f < LENGTH(files); f++) {
            if (files[f])
                tiny_write_text(*state, names[f], files[f]);
        }
        expect_ok(rmr_config_read_max_tokens(&max_tokens, *state, &err), &err);
        if (max_tokens != cases[i].max_tokens)
            fail_msg("case %zu: %u", i, max_tokens);
        for (size_t f = 0; f < LENGTH(files); f++) {
            if (files[f])
                tiny_remove(*state, names[f]);
        }
    }
}

static void test_absurd_length_of_a_tokenizer_alone(void **state)
{
    static const struct {
        const char *file, *text;
        rmr_status status;
        const char *word;
    } bad[] = {
        {"config.json", "[]", RMR_ERR_FORMAT, "object"},
        {"config.json",
         "{\"model_type\":\"bert\",\"max_position_embeddings\":0}",
         RMR_ERR_RANGE, "max_position_embeddings"},
        {"tokenizer_config.json", TOKENIZER("0"), RMR_ERR_RANGE,
         "model_max_length"},
        {"tokenizer_config.json", TOKENIZER("20.5"), RMR_ERR_RANGE,
         "model_max_length"},
        {"tokenizer_config.json", "[", RMR_ERR_FORMAT, "not valid JSON"},
        {"sentence_bert_config.json", BERT("0"), RMR_ERR_RANGE,
         "max_seq_length"},
    };
    uint32_t max_tokens;
    rmr_error err = {0};
    tiny_write_text(*state, "modules.json", "[]");
    for (size_t i = 0; i < LENGTH(bad); i++) {
        tiny_write_text(*state, bad[i].file, bad[i].text);
        expect_failure(rmr_config_read_max_tokens(&max_tokens, *state, &err),
                       &err, bad[i].status, bad[i].file, bad[i].word);
        tiny_remove(*state, bad[i].file);
    }
}

/* ---------------------------------------------------- options that change it
 */

static void test_sentence_bert_options(void **state)
{
    static const char *const good[] = {
        "{\"do_lower_case\":false}",
        "{\"transformer_task\":\"feature-extraction\",\"modality_config\":"
        "{\"text\":{\"method\":\"forward\","
        "\"method_output_name\":\"last_hidden_state\"}},"
        "\"module_output_name\":\"token_embeddings\"}",
        "{\"model_args\":{},\"tokenizer_args\":null,\"config_args\":{}}"};
    static const struct {
        const char *text, *word;
    } bad[] = {
        {"{\"tokenizer_args\":{\"model_max_length\":64}}", "tokenizer_args"},
        {"{\"processor_kwargs\":{\"model_max_length\":64}}",
         "processor_kwargs"},
        {"{\"model_args\":{\"x\":1}}", "model_args"},
        {"{\"model_kwargs\":{\"x\":1}}", "model_kwargs"},
        {"{\"config_args\":{\"is_decoder\":true}}", "config_args"},
        {"{\"config_kwargs\":{\"is_decoder\":true}}", "config_kwargs"},
        {"{\"processing_kwargs\":{\"text\":{\"max_length\":9}}}",
         "processing_kwargs"},
        {"{\"transformer_task\":\"fill-mask\"}", "transformer_task"},
        {"{\"module_output_name\":\"sentence_embedding\"}",
         "module_output_name"},
        {"{\"modality_config\":{\"text\":{\"method\":\"forward\","
         "\"method_output_name\":\"pooler_output\"}}}",
         "method_output_name"},
        {"{\"modality_config\":{\"text\":{\"method\":\"get_text_features\"}}}",
         "method"},
    };
    rmr_config config;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(good); i++) {
        tiny_write_text(*state, "sentence_bert_config.json", good[i]);
        expect_ok(read_modules(state, FULL, MEAN, &config, &err), &err);
    }
    for (size_t i = 0; i < LENGTH(bad); i++) {
        tiny_write_text(*state, "sentence_bert_config.json", bad[i].text);
        expect_failure(read_modules(state, FULL, MEAN, &config, &err), &err,
                       RMR_ERR_UNSUPPORTED, "sentence_bert_config.json",
                       bad[i].word);
    }
    tiny_write_text(*state, "sentence_bert_config.json",
                    "{\"do_lower_case\":true}");
    expect_ok(read_modules(state, FULL, MEAN, &config, &err), &err);
    assert_int_equal(config.do_lower_case, 1);
}

static void test_truncation_side(void **state)
{
    rmr_config config;
    rmr_error err = {0};
    tiny_write_text(*state, "tokenizer_config.json",
                    "{\"truncation_side\":\"right\"}");
    expect_ok(read_modules(state, FULL, MEAN, &config, &err), &err);
    tiny_write_text(*state, "tokenizer_config.json",
                    "{\"truncation_side\":\"left\"}");
    expect_failure(read_modules(state, FULL, MEAN, &config, &err), &err,
                   RMR_ERR_UNSUPPORTED, "tokenizer_config.json",
                   "truncation_side", "left");
}

/* config_sentence_transformers.json, but for prompts. */
static void test_sentence_config(void **state)
{
    static const struct {
        const char *text;
        rmr_similarity similarity;
        uint32_t dim;
    } good[] = {
        {"{}", RMR_SIMILARITY_COSINE, 24},
        {"{\"similarity_fn_name\":null,\"truncate_dim\":null}",
         RMR_SIMILARITY_COSINE, 24},
        {"{\"similarity_fn_name\":\"cosine\"}", RMR_SIMILARITY_COSINE, 24},
        {"{\"similarity_fn_name\":\"dot\"}", RMR_SIMILARITY_DOT, 24},
        {"{\"similarity_fn_name\":\"euclidean\"}", RMR_SIMILARITY_EUCLIDEAN,
         24},
        {"{\"similarity_fn_name\":\"manhattan\"}", RMR_SIMILARITY_MANHATTAN,
         24},
        {"{\"similarity_fn_name\":\"maxsim\"}", RMR_SIMILARITY_COSINE, 24},
        {"{\"truncate_dim\":7}", RMR_SIMILARITY_COSINE, 7},
        {"{\"truncate_dim\":24}", RMR_SIMILARITY_COSINE, 24},
        {"{\"truncate_dim\":100}", RMR_SIMILARITY_COSINE, 24},
    };
    static const struct {
        const char *text;
        rmr_status status;
        const char *word;
    } bad[] = {
        {"{\"similarity_fn_name\":5}", RMR_ERR_FORMAT, "similarity_fn_name"},
        {"{\"truncate_dim\":0}", RMR_ERR_RANGE, "truncate_dim"},
        {"{\"truncate_dim\":-1}", RMR_ERR_RANGE, "truncate_dim"},
        {"{\"truncate_dim\":\"7\"}", RMR_ERR_FORMAT, "truncate_dim"},
        {"[]", RMR_ERR_FORMAT, "object"},
    };
    static const char name[] = "config_sentence_transformers.json";
    rmr_config config;
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(good); i++) {
        tiny_write_text(*state, name, good[i].text);
        expect_ok(read_modules(state, FULL, MEAN, &config, &err), &err);
        assert_int_equal(config.similarity, good[i].similarity);
        assert_int_equal(config.dim, good[i].dim);
        assert_int_equal(config.output_size, 24);
    }
    for (size_t i = 0; i < LENGTH(bad); i++) {
        tiny_write_text(*state, name, bad[i].text);
        expect_failure(read_modules(state, FULL, MEAN, &config, &err), &err,
                       bad[i].status, name, bad[i].word);
    }
}

#define in_directory(test)                                                     \
    cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_directory(test_plain_directory),
        in_directory(test_absent_fields),
        in_directory(test_absurd_sizes),
        in_directory(test_model_types),
        in_directory(test_code_of_a_model),
        in_directory(test_activations),
        in_directory(test_variants_that_need_other_arithmetic),
        in_directory(test_alibi_is_jina),
        in_directory(test_epsilon),
        in_directory(test_config_that_is_no_object),
        cmocka_unit_test(test_known_architecture),
        in_directory(test_modules),
        in_directory(test_modules_that_are_not_run),
        in_directory(test_modules_that_leave_the_directory),
        in_directory(test_normalize_module),
        in_directory(test_pooling_modes),
        in_directory(test_pooling_modes_that_are_not_run),
        in_directory(test_prompt_left_out_of_pooling),
        in_directory(test_length_limits),
        in_directory(test_absurd_length_limits),
        in_directory(test_length_without_modules),
        in_directory(test_length_of_a_tokenizer_alone),
        in_directory(test_absurd_length_of_a_tokenizer_alone),
        in_directory(test_sentence_bert_options),
        in_directory(test_truncation_side),
        in_directory(test_sentence_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
