/*
 * test_model_open.c - opening directories: what is refused and how it is said,
 * what is shared between two opens, and what happens when memory ends at any
 * point of it.
 */
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <unistd.h>

#include "tests/unit/engine_fixture.h"
#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "common/base/alloc.h"
#include "common/base/sha256.h"
#include "kernels/kern.h"

/* Opens, and closes what was opened. */
static rmr_status open_once(const char *directory, rmr_error *err)
{
    rmr_model *model = (rmr_model *)err;
    rmr_status status = rmr_model_open(&model, directory, NULL, err);
    if (status)
        assert_null(model);
    rmr_model_release(model);
    return status;
}

static rmr_status open_options(tiny_options options, rmr_error *err)
{
    tiny_model *tiny = tiny_model_new(&options);
    rmr_status status = open_once(tiny->directory, err);
    tiny_model_free(tiny);
    return status;
}

/* ---------------------------------------------------------------- what it is
 */

/* What is kept of a tensor: linear weights packed, queries, keys and values as
 * one; the others as float32. */
static uint64_t kept_of(const tiny_tensor *t)
{
    uint64_t rows = t->rows;
    if (!rows || strncmp(t->name, "encoder", 7) != 0)
        return 4 * (rows ? rows : 1) * t->columns;
    if (strstr(t->name, ".key.") || strstr(t->name, ".value."))
        return 0;
    if (strstr(t->name, ".query."))
        rows *= 3;
    return rmr_panels_bytes(RMR_DTYPE_F32, t->columns, rows);
}

static uint64_t kept_bytes(const tiny_model *tiny, uint64_t *parameters)
{
    uint64_t bytes = 0;
    *parameters = 0;
    for (size_t i = 0; i < tiny->count; i++) {
        const tiny_tensor *t = &tiny->tensors[i];
        *parameters += (uint64_t)(t->rows ? t->rows : 1) * t->columns;
        bytes += kept_of(t);
    }
    return bytes;
}

static void test_info(void **state)
{
    (void)state;
    static const char *const dtypes[] = {"F32", "F16", "BF16"};
    for (size_t i = 0; i < LENGTH(dtypes); i++) {
        rmr_error err = {0};
        rmr_model *model;
        rmr_model_info info = {.size = sizeof info};
        tiny_model *tiny =
            tiny_model_new(&(tiny_options){.dtype = dtypes[i],
                                           .pooling = "max",
                                           .hidden_size = 34,
                                           .num_attention_heads = 2,
                                           .no_normalize = (int)i % 2});
        expect_ok(rmr_model_open(&model, tiny->directory, NULL, &err), &err);
        rmr_model_get_info(model, &info);
        uint64_t parameters, bytes = kept_bytes(tiny, &parameters);
        assert_int_equal(info.size, sizeof info);
        assert_string_equal(info.path, tiny->directory);
        assert_string_equal(info.architecture, "bert");
        assert_int_equal(info.dtype, RMR_DTYPE_F32);
        assert_string_equal(info.pooling, "max");
        assert_int_equal(info.pooling_guessed, 0);
        assert_int_equal(info.normalize, !(i % 2));
        assert_int_equal(info.dim, 34);
        assert_int_equal(info.hidden_size, 34);
        assert_int_equal(info.max_tokens, 32);
        assert_int_equal(info.vocab_size, tiny_vocab_size());
        assert_int_equal(info.num_layers, 2);
        assert_int_equal(info.num_heads, 2);
        assert_int_equal(info.num_parameters, parameters);
        assert_int_equal(info.bytes, bytes);
        rmr_model_release(model);
        tiny_model_free(tiny);
    }
}

/* A caller that was built against a shorter struct gets what it knows. */
static void test_info_of_an_older_caller(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_model *model;
    rmr_model_info info;
    tiny_model *tiny = tiny_model_new(&(tiny_options){.pooling = ""});
    expect_ok(rmr_model_open(&model, tiny->directory, NULL, &err), &err);
    for (size_t size = sizeof info.size; size <= sizeof info; size++) {
        memset(&info, 0x55, sizeof info);
        info.size = size;
        rmr_model_get_info(model, &info);
        assert_int_equal(info.size, size);
        for (size_t i = size; i < sizeof info; i++)
            assert_int_equal(((unsigned char *)&info)[i], 0x55);
    }
    assert_string_equal(info.pooling, "mean");
    assert_int_equal(info.pooling_guessed, 1);
    assert_int_equal(info.max_tokens, 48);
    rmr_model_release(model);
    tiny_model_free(tiny);
}

static void test_names(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_dtype dtype = (rmr_dtype)7;
    expect_failure(
        rmr_dtype_parse("int3", &dtype, &err), &err, RMR_ERR_UNSUPPORTED,
        "dtype \"int3\" is not supported; f32, bf16, int8 and int4 are");
    expect_failure(rmr_dtype_parse("", &dtype, &err), &err, RMR_ERR_UNSUPPORTED,
                   "f32");
    expect_failure(rmr_dtype_parse("F32", &dtype, &err), &err,
                   RMR_ERR_UNSUPPORTED, "F32");
    assert_int_equal(dtype, 7);
    static const char *const names[] = {"f32", "bf16", "int8", "int4"};
    for (int i = RMR_DTYPE_F32; i <= RMR_DTYPE_INT4; i++) {
        assert_string_equal(rmr_dtype_name((rmr_dtype)i), names[i]);
        expect_ok(rmr_dtype_parse(names[i], &dtype, &err), &err);
        assert_int_equal(dtype, i);
    }
    assert_string_equal(rmr_dtype_name((rmr_dtype)7), "unknown");
    static const char *const alike[] = {"cosine", "dot", "euclidean",
                                        "manhattan"};
    rmr_similarity similarity = (rmr_similarity)7;
    expect_failure(rmr_similarity_parse("Cosine", &similarity, &err), &err,
                   RMR_ERR_UNSUPPORTED, "\"Cosine\"", "euclidean");
    assert_int_equal(similarity, 7);
    for (int i = RMR_SIMILARITY_COSINE; i <= RMR_SIMILARITY_MANHATTAN; i++) {
        assert_string_equal(rmr_similarity_name((rmr_similarity)i), alike[i]);
        expect_ok(rmr_similarity_parse(alike[i], &similarity, &err), &err);
        assert_int_equal(similarity, i);
    }
    assert_string_equal(rmr_similarity_name((rmr_similarity)7), "unknown");
}

/* ---------------------------------------------------------- what is refused */

static void test_no_directory(void **state)
{
    (void)state;
    rmr_error err = {0};
    char *directory = tiny_directory();
    expect_failure(open_once(tiny_path(directory, "absent"), &err), &err,
                   RMR_ERR_IO, "/absent", "No such file");
    expect_failure(open_once("", &err), &err, RMR_ERR_IO, "No such file");
    tiny_write_text(directory, "file", "x");
    expect_failure(open_once(tiny_path(directory, "file"), &err), &err,
                   RMR_ERR_IO, "/file", "not a directory");
    expect_failure(open_once(directory, &err), &err, RMR_ERR_IO, "config.json");
    char longest[2 * PATH_MAX];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    expect_failure(open_once(longest, &err), &err, RMR_ERR_IO, "aaaa");
    tiny_remove_directory(directory);
}

static void test_each_file_is_needed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        rmr_status status;
    } files[] = {{"config.json", RMR_ERR_IO},
                 {"tokenizer.json", RMR_ERR_IO},
                 {"model.safetensors", RMR_ERR_IO},
                 {"1_Pooling/config.json", RMR_ERR_IO},
                 {"modules.json", RMR_OK},
                 {"sentence_bert_config.json", RMR_OK}};
    for (size_t i = 0; i < LENGTH(files); i++) {
        rmr_error err = {0};
        tiny_model *tiny = tiny_model_new(&(tiny_options){0});
        tiny_remove(tiny->directory, files[i].name);
        rmr_status status = open_once(tiny->directory, &err);
        if (files[i].status)
            expect_failure(status, &err, files[i].status, tiny->directory,
                           files[i].name);
        else
            expect_ok(status, &err);
        tiny_write_text(tiny->directory, files[i].name, "{");
        expect_failure(open_once(tiny->directory, &err), &err, RMR_ERR_FORMAT,
                       tiny->directory, files[i].name);
        tiny_model_free(tiny);
    }
}

/* Every tensor that is used is missed, measured and looked through. */
static void test_each_tensor_is_checked(void **state)
{
    (void)state;
    tiny_model *names = tiny_model_new(&(tiny_options){0});
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->tensors[i].name;
        rmr_error err = {0};
        char full[128], quoted[130];
        snprintf(full, sizeof full, "%s%s", i % 2 ? "bert." : "", name);
        snprintf(quoted, sizeof quoted, "\"%s\"", full);
        tiny_options options = {.prefix = i % 2 ? "bert." : "", .omit = name};
        /* Without the first tensor the prefix cannot be known. */
        if (i > 0)
            expect_failure(open_options(options, &err), &err, RMR_ERR_FORMAT,
                           "model.safetensors", quoted, "missing");
        options.omit = NULL;
        options.reshape = name;
        expect_failure(open_options(options, &err), &err, RMR_ERR_FORMAT,
                       "model.safetensors", quoted, "shape");
        options.reshape = NULL;
        options.poison = name;
        options.poison_value = i % 3 ? NAN : INFINITY;
        options.dtype = i % 5 == 0 ? "F16" : i % 5 == 1 ? "BF16" : "F32";
        expect_failure(open_options(options, &err), &err, RMR_ERR_RANGE,
                       "model.safetensors", quoted, "NaN or infinity");
    }
    tiny_model_free(names);
}

static void test_sizes_that_contradict(void **state)
{
    (void)state;
    static const struct {
        const char *more; /* repeats a field of config.json: the last counts */
        const char *tensor;
    } cases[] = {
        {", \"hidden_size\": 48", "word_embeddings"},
        {", \"intermediate_size\": 41", "intermediate.dense"},
        {", \"num_hidden_layers\": 3", "encoder.layer.2."},
        {", \"max_position_embeddings\": 47", "position_embeddings"},
        {", \"type_vocab_size\": 3", "token_type_embeddings"},
        {", \"vocab_size\": 1000", "word_embeddings"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        rmr_error err = {0};
        tiny_options options = {.config = cases[i].more, .pooling = ""};
        expect_failure(open_options(options, &err), &err, RMR_ERR_FORMAT,
                       "model.safetensors", cases[i].tensor);
    }
    rmr_error err = {0};
    expect_failure(open_options((tiny_options){.config = ", \"type_vocab_size\""
                                                         ": 0"},
                                &err),
                   &err, RMR_ERR_RANGE, "type_vocab_size");
}

static void replace(const tiny_model *tiny, const char *name, const char *old,
                    const char *new)
{
    size_t size;
    char *text = tiny_read(tiny->directory, name, &size);
    char *at = strstr(text, old);
    assert_non_null(at);
    char *changed = malloc(size + strlen(new) + 1);
    sprintf(changed, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
    tiny_write_text(tiny->directory, name, changed);
    free(changed);
    free(text);
}

/* What the tokenizer gives must exist in the tables. */
static void test_tokenizer_that_does_not_fit(void **state)
{
    (void)state;
    rmr_error err = {0};
    tiny_options small = {.vocab_size = tiny_vocab_size() - 1};
    expect_failure(open_options(small, &err), &err, RMR_ERR_FORMAT,
                   "tokenizer.json", "vocab_size", "86");
    expect_ok(open_options((tiny_options){.vocab_size = 1000}, &err), &err);

    tiny_model *tiny = tiny_model_new(&(tiny_options){0});
    replace(tiny, "tokenizer.json", "\"the\":10", "\"the\":100000");
    expect_failure(open_once(tiny->directory, &err), &err, RMR_ERR_FORMAT,
                   "tokenizer.json", "100000", "vocab_size");
    tiny_model_free(tiny);

    tiny = tiny_model_new(&(tiny_options){0});
    replace(tiny, "tokenizer.json", "\"ids\":[2]", "\"ids\":[87]");
    rmr_status status = open_once(tiny->directory, &err);
    assert_int_not_equal(status, RMR_OK);
    expect_failure(status, &err, err.status, "tokenizer.json");
    tiny_model_free(tiny);

    tiny = tiny_model_new(&(tiny_options){0});
    replace(tiny, "tokenizer.json",
            "{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}}",
            "{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":2}}");
    expect_failure(open_once(tiny->directory, &err), &err, RMR_ERR_FORMAT,
                   "tokenizer.json", "type", "2");
    tiny_model_free(tiny);

    tiny = tiny_model_new(&(tiny_options){0});
    replace(tiny, "tokenizer.json",
            "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}",
            "{\"Sequence\":{\"id\":\"A\",\"type_id\":1000000}}");
    expect_failure(open_once(tiny->directory, &err), &err, RMR_ERR_FORMAT,
                   "tokenizer.json", "type", "1000000");
    tiny_model_free(tiny);
}

static void check_empty_text(const char *directory)
{
    rmr_error err = {0};
    rmr_model *model = open_directory(directory);
    rmr_engine *engine = start_engine(1);
    rmr_job *job = start_job(engine, model, "a", 1, NULL, NULL, NULL);
    expect_ok(finish_job(job, &err), &err);
    job = start_job(engine, model, "", 1, NULL, NULL, NULL);
    expect_failure(finish_job(job, &err), &err, RMR_ERR_UNSUPPORTED, "input 0",
                   "no tokens");
    rmr_engine_stop(engine);
    rmr_model_release(model);
}

static void test_tokenizer_and_length(void **state)
{
    (void)state;
    rmr_error err = {0};
    /* No room for [CLS] and [SEP]. */
    expect_failure(open_options((tiny_options){.max_seq_length = 1}, &err),
                   &err, RMR_ERR_RANGE, "special tokens");
    expect_ok(open_options((tiny_options){.max_seq_length = 2}, &err), &err);
    tiny_model *tiny = tiny_model_new(&(tiny_options){0});
    tiny_write_text(tiny->directory, "sentence_bert_config.json",
                    "{\"do_lower_case\":true}");
    expect_ok(open_once(tiny->directory, &err), &err);
    replace(tiny, "tokenizer.json", "\"lowercase\":true",
            "\"lowercase\":false");
    expect_failure(open_once(tiny->directory, &err), &err, RMR_ERR_UNSUPPORTED,
                   "do_lower_case", "tokenizer.json");
    tiny_model_free(tiny);
    /* An empty text may have no tokens: it alone is refused. */
    tiny = tiny_model_new(&(tiny_options){0});
    replace(tiny, "tokenizer.json",
            "{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}},", "");
    replace(tiny, "tokenizer.json",
            ",{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":0}}", "");
    check_empty_text(tiny->directory);
    tiny_model_free(tiny);
}

/* A hostile directory cannot write lines of its own into a log. */
static void test_errors_are_one_line(void **state)
{
    (void)state;
    rmr_error err = {0};
    tiny_model *tiny = tiny_model_new(&(tiny_options){0});
    tiny_write_text(
        tiny->directory, "config.json",
        "{\"model_type\":\"x\\n2030/01/01 [emerg] forged\\u001b\"}");
    assert_int_equal(open_once(tiny->directory, &err), RMR_ERR_UNSUPPORTED);
    assert_null(strchr(err.message, '\n'));
    assert_null(strchr(err.message, '\x1b'));
    tiny_model_free(tiny);
}

/* -------------------------------------------------------------------- options
 */

static void digest(const tiny_model *tiny, char hex[RMR_SHA256_HEX])
{
    rmr_error err = {0};
    size_t size;
    char *data = tiny_read(tiny->directory, "model.safetensors", &size);
    expect_ok(rmr_sha256_hex(data, size, hex, &err), &err);
    free(data);
}

static void test_sha256_option(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "abc", "0x", "zz"};
    char hex[RMR_SHA256_HEX], other[RMR_SHA256_HEX];
    rmr_error err = {0};
    rmr_model *model, *again;
    tiny_model *tiny = tiny_model_new(&(tiny_options){0});
    rmr_model_options options;
    digest(tiny, hex);
    memcpy(other, hex, sizeof other);
    other[0] = other[0] == '0' ? '1' : '0';
    rmr_model_options_init(&options);
    for (size_t i = 0; i < LENGTH(bad); i++) {
        options.sha256 = bad[i];
        expect_failure(rmr_model_open(&model, tiny->directory, &options, &err),
                       &err, RMR_ERR_RANGE, "sha256", "64");
        assert_null(model);
    }
    options.sha256 = other;
    expect_failure(rmr_model_open(&model, tiny->directory, &options, &err),
                   &err, RMR_ERR_RANGE, "model.safetensors", hex, other);
    options.sha256 = hex;
    expect_ok(rmr_model_open(&model, tiny->directory, &options, &err), &err);
    /* An open model is the same with the right digest, or none asked for, and
     * is not given out for a wrong one. */
    expect_ok(rmr_model_open(&again, tiny->directory, NULL, &err), &err);
    assert_ptr_equal(model, again);
    rmr_model_release(again);
    options.sha256 = other;
    expect_failure(rmr_model_open(&again, tiny->directory, &options, &err),
                   &err, RMR_ERR_RANGE, hex);
    assert_null(again);
    rmr_model_release(model);
    tiny_model_free(tiny);
}

static void test_each_dtype_is_a_model(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_model *models[3], *again;
    rmr_model_options options;
    tiny_model *tiny = tiny_model_new(&(tiny_options){.seed = 9});
    rmr_model_options_init(&options);
    for (int i = 0; i < 3; i++) {
        rmr_model_info info = {.size = sizeof info};
        options.dtype = (rmr_dtype)i;
        expect_ok(rmr_model_open(&models[i], tiny->directory, &options, &err),
                  &err);
        expect_ok(rmr_model_open(&again, tiny->directory, &options, &err),
                  &err);
        assert_ptr_equal(again, models[i]);
        rmr_model_release(again);
        rmr_model_get_info(models[i], &info);
        assert_int_equal(info.dtype, i);
        for (int j = 0; j < i; j++)
            assert_ptr_not_equal(models[i], models[j]);
    }
    for (int i = 0; i < 3; i++)
        rmr_model_release(models[i]);
    tiny_model_free(tiny);
}

static void test_options(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_model *model;
    rmr_model_options options;
    tiny_model *tiny = tiny_model_new(&(tiny_options){.shards = 2});
    rmr_model_options_init(&options);
    assert_int_equal(options.size, sizeof options);
    assert_int_equal(options.dtype, RMR_DTYPE_F32);
    assert_null(options.sha256);
    assert_int_equal(options.tokenizer_only, 0);
    options.dtype = (rmr_dtype)9;
    expect_failure(rmr_model_open(&model, tiny->directory, &options, &err),
                   &err, RMR_ERR_UNSUPPORTED, "dtype");
    /* An older caller's struct ends before sha256. */
    rmr_model_options_init(&options);
    options.sha256 = "nonsense";
    options.size = offsetof(rmr_model_options, sha256);
    expect_ok(rmr_model_open(&model, tiny->directory, &options, &err), &err);
    rmr_model_release(model);
    char hex[RMR_SHA256_HEX];
    memset(hex, 'a', 64);
    hex[64] = '\0';
    rmr_model_options_init(&options);
    options.sha256 = hex;
    expect_failure(rmr_model_open(&model, tiny->directory, &options, &err),
                   &err, RMR_ERR_UNSUPPORTED, "sharded");
    assert_int_equal(rmr_model_open(&model, tiny->directory, &options, NULL),
                     RMR_ERR_UNSUPPORTED);
    tiny_model_free(tiny);
}

/* -------------------------------------------------------- the tokenizer alone
 */

static rmr_status open_tokenizer(rmr_model **out, const char *directory,
                                 rmr_error *err)
{
    rmr_model_options options;
    rmr_model_options_init(&options);
    options.tokenizer_only = 1;
    return rmr_model_open(out, directory, &options, err);
}

static void test_tokenizer_alone(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_model *model, *again, *whole;
    rmr_model_info info = {.size = sizeof info};
    tiny_model *tiny = tiny_model_new(&(tiny_options){0});
    expect_ok(open_tokenizer(&model, tiny->directory, &err), &err);
    expect_ok(open_tokenizer(&again, tiny->directory, &err), &err);
    expect_ok(rmr_model_open(&whole, tiny->directory, NULL, &err), &err);
    assert_ptr_equal(model, again);
    assert_ptr_not_equal(model, whole);
    rmr_model_get_info(model, &info);
    assert_string_equal(info.path, tiny->directory);
    assert_string_equal(info.architecture, "");
    assert_int_equal(info.max_tokens, 32);
    assert_int_equal(info.dim + info.vocab_size + info.num_layers, 0);
    assert_int_equal(info.num_parameters + info.bytes, 0);
    assert_string_equal(rmr_token_string(model, 2), "[CLS]");
    rmr_model_release(whole);
    rmr_model_release(again);
    rmr_model_release(model);
    tiny_model_free(tiny);
}

/* One file after another goes, and only the tokenizer's is missed. */
static void test_what_a_tokenizer_needs(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        uint32_t max_tokens;
    } files[] = {{"model.safetensors", 32},
                 {"sentence_bert_config.json", 48},
                 {"config.json", 0}};
    rmr_error err = {0};
    rmr_model *model;
    tiny_model *tiny = tiny_model_new(&(tiny_options){0});
    for (size_t i = 0; i < LENGTH(files); i++) {
        rmr_model_info info = {.size = sizeof info};
        tiny_remove(tiny->directory, files[i].file);
        expect_ok(open_tokenizer(&model, tiny->directory, &err), &err);
        rmr_model_get_info(model, &info);
        assert_int_equal(info.max_tokens, files[i].max_tokens);
        rmr_model_release(model);
    }
    tiny_remove(tiny->directory, "tokenizer.json");
    expect_failure(open_tokenizer(&model, tiny->directory, &err), &err,
                   RMR_ERR_UNSUPPORTED, "tokenizer.json");
    assert_null(model);
    tiny_write_text(tiny->directory, "tokenizer.json", "{");
    expect_failure(open_tokenizer(&model, tiny->directory, &err), &err,
                   RMR_ERR_FORMAT, "tokenizer.json");
    tiny_model_free(tiny);
}

static void test_tokenizer_of_an_unsupported_model(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_model *model;
    tiny_model *tiny = tiny_model_new(&(tiny_options){0});
    tiny_write_text(tiny->directory, "config.json",
                    "{\"model_type\":\"gpt2\"}");
    expect_failure(open_once(tiny->directory, &err), &err, RMR_ERR_UNSUPPORTED,
                   "gpt2");
    expect_ok(open_tokenizer(&model, tiny->directory, &err), &err);
    rmr_model_release(model);
    tiny_model_free(tiny);
}

static void test_tokenizer_has_no_weights(void **state)
{
    (void)state;
    char hex[RMR_SHA256_HEX];
    rmr_error err = {0};
    rmr_model *model;
    rmr_model_options options;
    rmr_model_info info = {.size = sizeof info};
    tiny_model *tiny = tiny_model_new(&(tiny_options){0});
    digest(tiny, hex);
    rmr_model_options_init(&options);
    options.sha256 = hex;
    options.tokenizer_only = 1;
    expect_failure(rmr_model_open(&model, tiny->directory, &options, &err),
                   &err, RMR_ERR_RANGE, "sha256", "tokenizer_only");
    assert_null(model);
    /* A caller who does not know of tokenizer_only gets the whole model. */
    options.size = offsetof(rmr_model_options, tokenizer_only);
    expect_ok(rmr_model_open(&model, tiny->directory, &options, &err), &err);
    rmr_model_get_info(model, &info);
    assert_string_equal(info.architecture, "bert");
    rmr_model_release(model);
    tiny_model_free(tiny);
}

/* ------------------------------------------------------------------- registry
 */

static void test_one_model_under_many_names(void **state)
{
    (void)state;
    rmr_error err = {0};
    tiny_model *tiny = tiny_model_new(&(tiny_options){0});
    char *elsewhere = tiny_directory();
    char names[5][4096];
    snprintf(names[0], sizeof names[0], "%s", tiny->directory);
    snprintf(names[1], sizeof names[1], "%s/", tiny->directory);
    snprintf(names[2], sizeof names[2], "%s/1_Pooling/..", tiny->directory);
    snprintf(names[3], sizeof names[3], "%s", tiny_path(elsewhere, "link"));
    assert_int_equal(symlink(tiny->directory, names[3]), 0);
    snprintf(names[4], sizeof names[4], "%s/./link/", elsewhere);
    rmr_model *models[LENGTH(names)];
    for (size_t i = 0; i < LENGTH(names); i++) {
        expect_ok(rmr_model_open(&models[i], names[i], NULL, &err), &err);
        assert_ptr_equal(models[i], models[0]);
    }
    rmr_model_info info = {.size = sizeof info};
    rmr_model_get_info(models[4], &info);
    assert_string_equal(info.path, names[0]);
    assert_ptr_equal(rmr_model_retain(models[0]), models[0]);
    rmr_model_release(models[0]);
    for (size_t i = 0; i < LENGTH(names); i++)
        rmr_model_release(models[i]);
    rmr_model_release(NULL);
    tiny_remove_directory(elsewhere);
    tiny_model_free(tiny);
}

/* The same bytes in other files are another model: who says they stay so? */
static void test_replaced_files_are_another_model(void **state)
{
    (void)state;
    static const char *const files[] = {
        "config.json",  "model.safetensors",         "tokenizer.json",
        "modules.json", "sentence_bert_config.json", "1_Pooling/config.json"};
    rmr_error err = {0};
    tiny_model *tiny = tiny_model_new(&(tiny_options){0});
    rmr_model *model, *again;
    expect_ok(rmr_model_open(&model, tiny->directory, NULL, &err), &err);
    for (size_t i = 0; i < LENGTH(files); i++) {
        size_t size;
        char *data = tiny_read(tiny->directory, files[i], &size);
        tiny_write(tiny->directory, files[i], data, size);
        free(data);
        expect_ok(rmr_model_open(&again, tiny->directory, NULL, &err), &err);
        assert_ptr_not_equal(model, again);
        rmr_model_release(model);
        model = again;
    }
    static const char *const added[] = {"tokenizer_config.json",
                                        "2_Normalize/config.json"};
    for (size_t i = 0; i < LENGTH(added); i++) {
        tiny_write_text(tiny->directory, added[i], "{}");
        expect_ok(rmr_model_open(&again, tiny->directory, NULL, &err), &err);
        assert_ptr_not_equal(model, again);
        rmr_model_release(model);
        model = again;
    }
    tiny_write_text(tiny->directory, "README.md", "no part of the model");
    expect_ok(rmr_model_open(&again, tiny->directory, NULL, &err), &err);
    assert_ptr_equal(model, again);
    rmr_model_release(again);
    rmr_model_release(model);
    tiny_model *other = tiny_model_new(&(tiny_options){0});
    expect_ok(rmr_model_open(&model, tiny->directory, NULL, &err), &err);
    expect_ok(rmr_model_open(&again, other->directory, NULL, &err), &err);
    assert_ptr_not_equal(model, again);
    rmr_model_release(again);
    rmr_model_release(model);
    tiny_model_free(other);
    tiny_model_free(tiny);
}

enum { THREADS = 6, ROUNDS = 60 };

typedef struct worker {
    const char *directories[2];
    rmr_model *models[2]; /* held open by the test, or NULL */
    uint64_t seed;
    int failures;
} worker;

static void *open_and_release(void *argument)
{
    worker *w = argument;
    for (int i = 0; i < ROUNDS; i++) {
        size_t which = tiny_random(&w->seed) % 2;
        rmr_model *model = NULL;
        rmr_error err = {0};
        rmr_model_info info = {.size = sizeof info};
        if (rmr_model_open(&model, w->directories[which], NULL, &err)) {
            w->failures++;
            continue;
        }
        w->failures += w->models[which] && model != w->models[which];
        rmr_model_retain(model);
        rmr_model_release(model);
        rmr_model_get_info(model, &info);
        w->failures += strcmp(info.path, w->directories[which]) != 0;
        rmr_model_release(model);
    }
    return NULL;
}

static void run_workers(const worker *shared)
{
    pthread_t threads[THREADS];
    worker workers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = *shared;
        workers[i].seed = i;
        assert_int_equal(
            pthread_create(&threads[i], NULL, open_and_release, &workers[i]),
            0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].failures, 0);
    }
}

/* First every release may be the last, then none is. */
static void test_references_from_many_threads(void **state)
{
    (void)state;
    rmr_error err = {0};
    tiny_model *tiny[] = {tiny_model_new(&(tiny_options){.seed = 1}),
                          tiny_model_new(&(tiny_options){.seed = 2})};
    worker shared = {.directories = {tiny[0]->directory, tiny[1]->directory}};
    run_workers(&shared);
    for (size_t i = 0; i < 2; i++)
        expect_ok(rmr_model_open(&shared.models[i], shared.directories[i], NULL,
                                 &err),
                  &err);
    run_workers(&shared);
    for (size_t i = 0; i < 2; i++) {
        rmr_model_release(shared.models[i]);
        tiny_model_free(tiny[i]);
    }
}

/* ---------------------------------------------------------------- no memory */

#ifdef RMR_FAULT_INJECTION
/* Every allocation of the core in an open fails in turn, once or from there
 * on: NOMEM each time, nothing left behind (the leak checker looks), and the
 * open that no failure reaches is good. Returns how many allocations that one
 * makes. jansson's own are left out: it writes past its buffers without them.
 */
static unsigned fail_every_allocation(const char *directory,
                                      const rmr_model_options *options,
                                      int forever)
{
    for (unsigned n = 1;; n++) {
        rmr_error err = {0};
        rmr_model *model = NULL;
        rmr_alloc_fail_at(n, forever);
        rmr_status status = rmr_model_open(&model, directory, options, &err);
        int failed = rmr_alloc_failed();
        rmr_alloc_fail_at(0, 0);
        assert_int_equal(!model, status != RMR_OK);
        rmr_model_release(model);
        if (!failed) {
            expect_ok(status, &err);
            return n - 1;
        }
        if (status != RMR_ERR_NOMEM)
            print_error("allocation %u%s\n", n,
                        forever ? " and all after" : "");
        expect_failure(status, &err, RMR_ERR_NOMEM, "memory");
    }
}

static void test_no_memory_at_any_point(void **state)
{
    (void)state;
    static const tiny_options variants[] = {
        {0}, {.dtype = "F16", .shards = 2}, {.misalign = 1, .prefix = "bert."}};
    for (size_t i = 0; i < LENGTH(variants); i++) {
        tiny_options options = variants[i];
        options.num_hidden_layers = 1;
        tiny_model *tiny = tiny_model_new(&options);
        tiny_write_text(tiny->directory, "tokenizer_config.json",
                        "{\"model_max_length\":512}");
        rmr_model_options part;
        rmr_model_options_init(&part);
        part.tokenizer_only = 1;
        unsigned once = fail_every_allocation(tiny->directory, NULL, 0);
        unsigned forever = fail_every_allocation(tiny->directory, NULL, 1);
        unsigned least = fail_every_allocation(tiny->directory, &part, 0);
        print_message("%u allocations\n", once);
        assert_true(once > 50);
        assert_int_equal(once, forever);
        assert_in_range(least, 20, once - 20);
        tiny_model_free(tiny);
    }
}

/* Where there is nothing to open, that is only said when it was looked for. */
static void test_no_memory_to_look_for_weights(void **state)
{
    (void)state;
    tiny_model *tiny = tiny_model_new(&(tiny_options){0});
    tiny_remove(tiny->directory, "model.safetensors");
    for (unsigned n = 1;; n++) {
        rmr_error err = {0};
        rmr_alloc_fail_at(n, 0);
        rmr_status status = open_once(tiny->directory, &err);
        int failed = rmr_alloc_failed();
        rmr_alloc_fail_at(0, 0);
        expect_failure(status, &err, failed ? RMR_ERR_NOMEM : RMR_ERR_IO, "");
        if (!failed)
            break;
    }
    tiny_model_free(tiny);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_info_of_an_older_caller),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_no_directory),
        cmocka_unit_test(test_each_file_is_needed),
        cmocka_unit_test(test_each_tensor_is_checked),
        cmocka_unit_test(test_sizes_that_contradict),
        cmocka_unit_test(test_tokenizer_that_does_not_fit),
        cmocka_unit_test(test_tokenizer_and_length),
        cmocka_unit_test(test_errors_are_one_line),
        cmocka_unit_test(test_sha256_option),
        cmocka_unit_test(test_each_dtype_is_a_model),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_tokenizer_alone),
        cmocka_unit_test(test_what_a_tokenizer_needs),
        cmocka_unit_test(test_tokenizer_of_an_unsupported_model),
        cmocka_unit_test(test_tokenizer_has_no_weights),
        cmocka_unit_test(test_one_model_under_many_names),
        cmocka_unit_test(test_replaced_files_are_another_model),
        cmocka_unit_test(test_references_from_many_threads),
#ifdef RMR_FAULT_INJECTION
        cmocka_unit_test(test_no_memory_at_any_point),
        cmocka_unit_test(test_no_memory_to_look_for_weights),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
