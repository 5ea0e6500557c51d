/*
 * test_quantize.c - directories with smaller weights: they give the very bits
 * that their source gives in their dtype, and what is wrong in one is refused
 * by name.
 */
#include <dirent.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/engine_fixture.h"
#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"

enum { MAX_HIDDEN = 64, TEXTS = 3 };

static rmr_status quantize_texts(const char *from, const char *to,
                                 rmr_dtype dtype, const rmr_text *texts,
                                 size_t num_texts, rmr_error *err)
{
    rmr_quantize_options options;
    rmr_quantize_options_init(&options);
    options.dtype = dtype;
    options.texts = texts;
    options.num_texts = num_texts;
    return rmr_model_quantize(from, to, &options, err);
}

static rmr_status quantize(const char *from, const char *to, rmr_dtype dtype,
                           rmr_error *err)
{
    return quantize_texts(from, to, dtype, NULL, 0, err);
}

static rmr_status open_as(const char *directory, rmr_dtype dtype,
                          rmr_model **model, rmr_error *err)
{
    rmr_model_options options;
    rmr_model_options_init(&options);
    options.dtype = dtype;
    return rmr_model_open(model, directory, &options, err);
}

/* ------------------------------------------------------------ the same bits */

static void embed_as(const char *directory, rmr_dtype dtype,
                     rmr_model_info *info, float vectors[TEXTS * MAX_HIDDEN])
{
    rmr_error err = {0};
    rmr_model *model;
    const rmr_text texts[] = {text_of("fish"), text_of(""),
                              text_of("the card was charged twice, twice!")};
    rmr_engine *engine = start_engine(1);
    memset(vectors, 0, TEXTS * MAX_HIDDEN * sizeof *vectors);
    expect_ok(open_as(directory, dtype, &model, &err), &err);
    *info = (rmr_model_info){.size = sizeof *info};
    rmr_model_get_info(model, info);
    assert_non_null(info->pooling);
    info->path = info->architecture = info->pooling = NULL;
    expect_ok(rmr_embed(engine, model, texts, TEXTS, NULL, vectors, NULL, &err),
              &err);
    rmr_model_release(model);
    rmr_engine_stop(engine);
}

static off_t size_of(const char *directory)
{
    struct stat st;
    assert_int_equal(stat(tiny_path(directory, "model.safetensors"), &st), 0);
    return st.st_size;
}

/* Its directories have the bits that it gives itself, and are ever smaller. */
static void check_same_of(const tiny_model *tiny, off_t before)
{
    float source[TEXTS * MAX_HIDDEN], made[TEXTS * MAX_HIDDEN];
    char *folder = tiny_directory();
    for (int dtype = RMR_DTYPE_BF16; dtype <= RMR_DTYPE_INT4; dtype++) {
        rmr_error err = {0};
        rmr_model_info info, other;
        const char *to = tiny_path(folder, rmr_dtype_name((rmr_dtype)dtype));
        expect_ok(quantize(tiny->directory, to, (rmr_dtype)dtype, &err), &err);
        embed_as(tiny->directory, (rmr_dtype)dtype, &info, source);
        embed_as(to, RMR_DTYPE_F32, &other, made);
        assert_memory_equal(source, made, sizeof source);
        assert_int_equal(other.dtype, dtype);
        assert_memory_equal(&info, &other, sizeof info);
        embed_as(to, (rmr_dtype)dtype, &other, made);
        assert_memory_equal(source, made, sizeof source);
        assert_true(size_of(to) < before);
        before = size_of(to);
    }
    tiny_remove_directory(folder);
}

static void check_same(const tiny_options *options)
{
    tiny_model *tiny = tiny_model_new(options);
    check_same_of(tiny, options->shards ? 1 << 20 : size_of(tiny->directory));
    tiny_model_free(tiny);
}

static void test_shapes(void **state)
{
    (void)state;
    static const uint32_t shapes[][3] = {
        {45, 77, 5}, {48, 101, 2}, {60, 100, 4}, {64, 128, 4}, {64, 96, 1}};
    for (size_t i = 0; i < LENGTH(shapes); i++)
        check_same(&(tiny_options){.hidden_size = shapes[i][0],
                                   .intermediate_size = shapes[i][1],
                                   .num_attention_heads = shapes[i][2],
                                   .seed = 20 + i});
}

/* Names and files that are not the usual ones. */
static void test_sources(void **state)
{
    (void)state;
    check_same(&(tiny_options){.prefix = "bert.", .hidden_size = 48});
    check_same(&(tiny_options){.gamma_beta = 1, .hidden_size = 60});
    check_same(&(tiny_options){.shards = 3, .pooling = "cls"});
    check_same(&(tiny_options){.misalign = 1, .pooling = ""});
}

/* Of what a source of bfloat16 says there is no more to lose. */
static void test_source_of_bf16(void **state)
{
    (void)state;
    float source[TEXTS * MAX_HIDDEN], made[TEXTS * MAX_HIDDEN];
    rmr_error err = {0};
    rmr_model_info info;
    tiny_model *tiny = tiny_model_new(&(tiny_options){.dtype = "BF16"});
    char *folder = tiny_directory();
    for (int dtype = RMR_DTYPE_BF16; dtype <= RMR_DTYPE_INT4; dtype++) {
        const char *to = tiny_path(folder, rmr_dtype_name((rmr_dtype)dtype));
        expect_ok(quantize(tiny->directory, to, (rmr_dtype)dtype, &err), &err);
        embed_as(tiny->directory, (rmr_dtype)dtype, &info, source);
        embed_as(to, RMR_DTYPE_F32, &info, made);
        assert_memory_equal(source, made, sizeof source);
    }
    tiny_remove_directory(folder);
    tiny_model_free(tiny);
}

/* Texts change int4 and nothing else. */
static void test_texts(void **state)
{
    (void)state;
    float plain[TEXTS * MAX_HIDDEN], made[TEXTS * MAX_HIDDEN];
    const rmr_text texts[] = {text_of("the card, the fish"), text_of("a b c")};
    rmr_error err = {0};
    rmr_model_info info;
    tiny_model *tiny = tiny_model_new(&(tiny_options){.hidden_size = 60});
    char *folder = tiny_directory();
    for (int dtype = RMR_DTYPE_BF16; dtype <= RMR_DTYPE_INT4; dtype++) {
        const char *to = tiny_path(folder, rmr_dtype_name((rmr_dtype)dtype));
        expect_ok(quantize_texts(tiny->directory, to, (rmr_dtype)dtype, texts,
                                 LENGTH(texts), &err),
                  &err);
        embed_as(tiny->directory, (rmr_dtype)dtype, &info, plain);
        embed_as(to, RMR_DTYPE_F32, &info, made);
        assert_int_equal(memcmp(plain, made, sizeof plain) != 0,
                         dtype == RMR_DTYPE_INT4);
    }
    tiny_remove_directory(folder);
    tiny_model_free(tiny);
}

/* --------------------------------------------------------------- outliers */

/* Where a tensor's values begin in the file's data. */
static float *values_of(char *data, size_t size, const char *tensor)
{
    char name[128];
    uint64_t header;
    unsigned long long begin;
    snprintf(name, sizeof name, "\"%s\"", tensor);
    char *at = memmem(data, size, name, strlen(name));
    assert_non_null(at);
    at = strstr(at, "data_offsets");
    assert_int_equal(sscanf(at, "data_offsets\":[%llu", &begin), 1);
    memcpy(&header, data, sizeof header);
    return (float *)(data + 8 + header + begin);
}

#define OUTPUT "encoder.layer.1.output.dense"

enum { HIDDEN = 48, INNER = 100 };

/* The weights of some inputs of a layer, times `times`. */
static void grow_inputs(const char *directory, size_t first, size_t last,
                        float times)
{
    size_t size;
    char *data = tiny_read(directory, "model.safetensors", &size);
    float *values = values_of(data, size, OUTPUT ".weight");
    for (size_t row = 0; row < HIDDEN; row++) {
        for (size_t i = first; i < last; i++)
            values[row * INNER + i] *= times;
    }
    tiny_write(directory, "model.safetensors", data, size);
    free(data);
}

static int has_tensor(const char *directory, const char *tensor)
{
    size_t size;
    char *data = tiny_read(directory, "model.safetensors", &size);
    int has = memmem(data, size, tensor, strlen(tensor)) != NULL;
    free(data);
    return has;
}

static double cosine(const float *x, const float *y)
{
    double sum = 0;
    for (size_t i = 0; i < HIDDEN; i++)
        sum += (double)x[i] * y[i];
    return sum;
}

static tiny_model *new_with_inner(void)
{
    return tiny_model_new(
        &(tiny_options){.hidden_size = HIDDEN, .intermediate_size = INNER});
}

/* An input whose weights dwarf the others' does not take their bits: vectors
 * are as near to float32's as they were. */
static void test_outliers(void **state)
{
    (void)state;
    float exact[TEXTS * MAX_HIDDEN], made[TEXTS * MAX_HIDDEN];
    rmr_error err = {0};
    rmr_model_info info;
    tiny_model *tiny = new_with_inner();
    char *folder = tiny_directory();
    const char *to = tiny_path(folder, "plain");
    expect_ok(quantize(tiny->directory, to, RMR_DTYPE_INT8, &err), &err);
    assert_false(has_tensor(to, "outlier_weight"));
    grow_inputs(tiny->directory, 7, 8, 300);
    grow_inputs(tiny->directory, 99, 100, 200);
    check_same_of(tiny, size_of(tiny->directory));
    to = tiny_path(folder, "out");
    expect_ok(quantize(tiny->directory, to, RMR_DTYPE_INT8, &err), &err);
    assert_true(has_tensor(to, OUTPUT ".outlier_weight"));
    embed_as(tiny->directory, RMR_DTYPE_F32, &info, exact);
    embed_as(tiny->directory, RMR_DTYPE_INT8, &info, made);
    for (size_t i = 0; i < TEXTS; i++)
        assert_true(cosine(exact + i * HIDDEN, made + i * HIDDEN) > 0.999);
    tiny_remove_directory(folder);
    tiny_model_free(tiny);
}

/* ------------------------------------------------------------------ refused */

static void test_refused(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_model *model;
    tiny_model *tiny = tiny_model_new(&(tiny_options){0});
    char *folder = tiny_directory();
    const char *to = tiny_path(folder, "out");
    expect_failure(quantize(tiny->directory, to, RMR_DTYPE_F32, &err), &err,
                   RMR_ERR_UNSUPPORTED,
                   "weights are quantized to bf16, int8 or int4");
    expect_failure(quantize(tiny->directory, to, (rmr_dtype)7, &err), &err,
                   RMR_ERR_UNSUPPORTED, "bf16, int8 or int4");
    expect_failure(quantize(folder, to, RMR_DTYPE_INT8, &err), &err, RMR_ERR_IO,
                   "config.json");
    assert_int_equal(access(to, F_OK), -1);
    expect_ok(quantize(tiny->directory, to, RMR_DTYPE_INT8, &err), &err);
    expect_failure(quantize(tiny->directory, to, RMR_DTYPE_INT8, &err), &err,
                   RMR_ERR_IO, to, "exists already");
    expect_failure(quantize(to, tiny_path(folder, "two"), RMR_DTYPE_INT4, &err),
                   &err, RMR_ERR_UNSUPPORTED, to,
                   "is quantized already, to int8");
    expect_failure(open_as(to, RMR_DTYPE_BF16, &model, &err), &err,
                   RMR_ERR_UNSUPPORTED, to,
                   "is quantized to int8; bf16 cannot be had from it");
    expect_failure(quantize(tiny->directory, tiny_path(folder, "no/out"),
                            RMR_DTYPE_INT8, &err),
                   &err, RMR_ERR_IO, "/no: No such file");
    expect_failure(quantize(tiny->directory, tiny_path(to, "config.json/out"),
                            RMR_DTYPE_INT8, &err),
                   &err, RMR_ERR_IO, "config.json/out: Not a directory");
    tiny_remove_directory(folder);
    tiny_model_free(tiny);
}

/* What is made inside the source is not a part of it. */
static void test_inside_the_source(void **state)
{
    (void)state;
    rmr_error err = {0};
    size_t entries = 0;
    tiny_model *tiny = tiny_model_new(&(tiny_options){0});
    char *to = strdup(tiny_path(tiny->directory, "int8"));
    expect_ok(quantize(tiny->directory, to, RMR_DTYPE_INT8, &err), &err);
    DIR *directory = opendir(to);
    for (struct dirent *entry; (entry = readdir(directory));) {
        assert_null(strstr(entry->d_name, "int8"));
        entries += entry->d_name[0] != '.';
    }
    closedir(directory);
    assert_int_equal(entries, 6);
    free(to);
    tiny_model_free(tiny);
}

/* ---------------------------------------------------------------- malformed */

static char *with(const char *text, size_t size, const char *after,
                  const char *old, const char *new, size_t *new_size)
{
    char *from = memmem(text, size, after, strlen(after));
    assert_non_null(from);
    from = memmem(from, size - (size_t)(from - text), old, strlen(old));
    assert_non_null(from);
    size_t head = (size_t)(from - text), tail = size - head - strlen(old);
    *new_size = head + strlen(new) + tail;
    char *whole = malloc(*new_size + 1);
    memcpy(whole, text, head);
    memcpy(whole + head, new, strlen(new));
    memcpy(whole + head + strlen(new), from + strlen(old), tail);
    whole[*new_size] = '\0';
    return whole;
}

/* In the weights' header, what first stands so after the tensor's name. */
static void edit_header(const char *directory, const char *tensor,
                        const char *old, const char *new)
{
    char name[128];
    size_t size, new_size;
    uint64_t header;
    char *data = tiny_read(directory, "model.safetensors", &size);
    snprintf(name, sizeof name, "\"%s\"", tensor);
    char *edited = with(data, size, name, old, new, &new_size);
    memcpy(&header, edited, sizeof header);
    header += new_size - size;
    memcpy(edited, &header, sizeof header);
    tiny_write(directory, "model.safetensors", edited, new_size);
    free(edited);
    free(data);
}

/* The first `count`. */
static void set_values(const char *directory, const char *tensor, size_t count,
                       float value)
{
    size_t size;
    char *data = tiny_read(directory, "model.safetensors", &size);
    float *values = values_of(data, size, tensor);
    for (size_t i = 0; i < count; i++)
        values[i] = value;
    tiny_write(directory, "model.safetensors", data, size);
    free(data);
}

static void edit_config(const char *directory, const char *old, const char *new)
{
    size_t size, new_size;
    char *text = tiny_read(directory, "config.json", &size);
    char *edited = with(text, size, "quantization_config", old, new, &new_size);
    tiny_write(directory, "config.json", edited, new_size);
    free(edited);
    free(text);
}

/* Makes a directory of a dtype, each time anew. */
typedef struct made {
    char *folder;
    const char *directory;
} made;

static made make(const tiny_model *tiny, rmr_dtype dtype)
{
    rmr_error err = {0};
    made m = {.folder = tiny_directory()};
    m.directory = tiny_path(m.folder, "out");
    m.directory = strdup(m.directory);
    expect_ok(quantize(tiny->directory, m.directory, dtype, &err), &err);
    return m;
}

static void unmake(made m)
{
    free((void *)m.directory);
    tiny_remove_directory(m.folder);
}

#define LAYER "encoder.layer.1."
#define QUERY LAYER "attention.self.query"
#define WORDS "embeddings.word_embeddings.weight"

/* Hidden 48, intermediate 40, 3 heads: queries, keys and values are int4. */
static void test_malformed_tensors(void **state)
{
    (void)state;
    static const struct {
        rmr_dtype dtype;
        const char *tensor, *old, *new;
        rmr_status status;
        const char *tensor_named, *word;
    } cases[] = {
        {RMR_DTYPE_INT8, QUERY ".weight", "I8", "U8", RMR_ERR_FORMAT,
         QUERY ".weight", "has the dtype U8, not I8"},
        {RMR_DTYPE_INT8, LAYER "output.dense.weight", "[48,40]", "[40,48]",
         RMR_ERR_FORMAT, LAYER "output.dense.weight",
         "the shape [40, 48] where config.json asks for [48, 40]"},
        {RMR_DTYPE_INT8, QUERY ".weight_scale", "weight_scale", "scale",
         RMR_ERR_FORMAT, QUERY ".weight_scale", "is missing"},
        {RMR_DTYPE_INT8, QUERY ".weight_scale", "F32", "I32",
         RMR_ERR_UNSUPPORTED, QUERY ".weight_scale", "has the dtype I32"},
        {RMR_DTYPE_INT8, QUERY ".weight_scale", "[48]", "[1,48]",
         RMR_ERR_FORMAT, QUERY ".weight_scale", "has the shape [1, 48]"},
        {RMR_DTYPE_INT8, QUERY ".weight", "weight", "wait", RMR_ERR_FORMAT,
         QUERY ".weight", "is missing"},
        {RMR_DTYPE_INT8, WORDS "_scale", "_scale", "_scala", RMR_ERR_FORMAT,
         WORDS "_scale", "is missing"},
        {RMR_DTYPE_INT4, QUERY ".weight", "U8", "I8", RMR_ERR_FORMAT,
         QUERY ".weight", "has the dtype I8, not U8"},
        {RMR_DTYPE_INT4, QUERY ".weight", "[48,24]", "[24,48]", RMR_ERR_FORMAT,
         QUERY ".weight", "has the shape [24, 48]"},
        {RMR_DTYPE_INT4, QUERY ".weight_group_scale", "[48,2]", "[48,1,2]",
         RMR_ERR_FORMAT, QUERY ".weight_group_scale", "has the shape"},
        {RMR_DTYPE_INT4, QUERY ".weight_group_scale", "weight_", "wait_",
         RMR_ERR_FORMAT, QUERY ".weight_group_scale", "is missing"},
        {RMR_DTYPE_INT4, QUERY ".input_factor", "input_factor", "input",
         RMR_ERR_FORMAT, QUERY ".input_factor", "is missing"},
        {RMR_DTYPE_INT4, WORDS "_group_scale", "I8", "U8", RMR_ERR_FORMAT,
         WORDS "_group_scale", "has the dtype U8, not I8"},
        {RMR_DTYPE_BF16, QUERY ".weight", "BF16", "I16", RMR_ERR_UNSUPPORTED,
         QUERY ".weight", "has the dtype I16"},
    };
    tiny_model *tiny = tiny_model_new(&(tiny_options){.hidden_size = 48});
    for (size_t i = 0; i < LENGTH(cases); i++) {
        rmr_error err = {0};
        rmr_model *model = NULL;
        made m = make(tiny, cases[i].dtype);
        edit_header(m.directory, cases[i].tensor, cases[i].old, cases[i].new);
        expect_failure(open_as(m.directory, RMR_DTYPE_F32, &model, &err), &err,
                       cases[i].status, m.directory, "/model.safetensors",
                       cases[i].tensor_named, cases[i].word);
        unmake(m);
    }
    tiny_model_free(tiny);
}

static void test_values_that_are_none(void **state)
{
    (void)state;
    static const struct {
        rmr_dtype dtype;
        const char *tensor;
    } cases[] = {
        {RMR_DTYPE_INT8, QUERY ".weight_scale"},
        {RMR_DTYPE_INT8, QUERY ".input_factor"},
        {RMR_DTYPE_INT8, WORDS "_scale"},
        {RMR_DTYPE_INT4, QUERY ".weight_scale"},
        {RMR_DTYPE_INT4, WORDS "_scale"},
    };
    tiny_model *tiny = tiny_model_new(&(tiny_options){.hidden_size = 48});
    for (size_t i = 0; i < LENGTH(cases); i++) {
        rmr_error err = {0};
        rmr_model *model = NULL;
        made m = make(tiny, cases[i].dtype);
        set_values(m.directory, cases[i].tensor, 1, i % 2 ? INFINITY : NAN);
        expect_failure(open_as(m.directory, RMR_DTYPE_F32, &model, &err), &err,
                       RMR_ERR_RANGE, m.directory, "/model.safetensors",
                       cases[i].tensor, "NaN or infinity");
        unmake(m);
    }
    tiny_model_free(tiny);
}

static void test_malformed_outliers(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_model *model = NULL;
    tiny_model *tiny = new_with_inner();
    grow_inputs(tiny->directory, 7, 8, 300);
    made m = make(tiny, RMR_DTYPE_INT8);
    set_values(m.directory, OUTPUT ".input_factor", 2, 0);
    expect_failure(open_as(m.directory, RMR_DTYPE_F32, &model, &err), &err,
                   RMR_ERR_FORMAT, OUTPUT ".outlier_weight",
                   "the shape [1, 48] where config.json asks for [3, 48]");
    set_values(m.directory, OUTPUT ".input_factor", 9, 0);
    expect_failure(open_as(m.directory, RMR_DTYPE_F32, &model, &err), &err,
                   RMR_ERR_RANGE, m.directory, OUTPUT ".input_factor",
                   "has more than 8 zeros");
    unmake(m);
    m = make(tiny, RMR_DTYPE_INT8);
    set_values(m.directory, OUTPUT ".outlier_weight", 1, NAN);
    expect_failure(open_as(m.directory, RMR_DTYPE_F32, &model, &err), &err,
                   RMR_ERR_RANGE, OUTPUT ".outlier_weight", "NaN or infinity");
    edit_header(m.directory, OUTPUT ".outlier_weight", "outlier", "outlied");
    expect_failure(open_as(m.directory, RMR_DTYPE_F32, &model, &err), &err,
                   RMR_ERR_FORMAT, OUTPUT ".outlier_weight", "is missing");
    unmake(m);
    tiny_model_free(tiny);
}

static void test_malformed_config(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new;
        rmr_status status;
        const char *words[2];
    } cases[] = {
        {"{\n    \"quant_method\": \"remora\",\n    \"dtype\": \"int8\"\n  }",
         "[\"int8\"]",
         RMR_ERR_FORMAT,
         {"\"quantization_config\"", "must be an object"}},
        {"\"remora\"",
         "\"gptq\"",
         RMR_ERR_UNSUPPORTED,
         {"\"quant_method\" \"gptq\"", "remora is"}},
        {"\"remora\"", "3", RMR_ERR_FORMAT, {"\"quant_method\"", "string"}},
        {"\"quant_method\"",
         "\"method\"",
         RMR_ERR_FORMAT,
         {"\"quant_method\"", "has no"}},
        {"\"int8\"",
         "\"int7\"",
         RMR_ERR_UNSUPPORTED,
         {"\"dtype\" \"int7\" of \"quantization_config\"",
          "bf16, int8 and int4 are"}},
        {"\"int8\"",
         "\"f32\"",
         RMR_ERR_UNSUPPORTED,
         {"\"dtype\" \"f32\"", "bf16, int8 and int4 are"}},
        {"\"dtype\"", "\"type\"", RMR_ERR_FORMAT, {"\"dtype\"", "has no"}},
    };
    tiny_model *tiny = tiny_model_new(&(tiny_options){.hidden_size = 48});
    for (size_t i = 0; i < LENGTH(cases); i++) {
        rmr_error err = {0};
        rmr_model *model = NULL;
        made m = make(tiny, RMR_DTYPE_INT8);
        edit_config(m.directory, cases[i].old, cases[i].new);
        expect_failure(open_as(m.directory, RMR_DTYPE_F32, &model, &err), &err,
                       cases[i].status, m.directory, "/config.json",
                       cases[i].words[0], cases[i].words[1]);
        unmake(m);
    }
    tiny_model_free(tiny);
}

/* Weights that are said to be of another kind than they are. */
static void test_config_and_weights_disagree(void **state)
{
    (void)state;
    static const struct {
        rmr_dtype made;
        const char *claim;
        rmr_status status;
    } cases[] = {
        {RMR_DTYPE_INT8, "\"int4\"", RMR_ERR_UNSUPPORTED},
        {RMR_DTYPE_INT8, "\"bf16\"", RMR_ERR_UNSUPPORTED},
        {RMR_DTYPE_INT4, "\"int8\"", RMR_ERR_FORMAT},
        {RMR_DTYPE_INT4, "\"bf16\"", RMR_ERR_FORMAT},
    };
    tiny_model *tiny = tiny_model_new(&(tiny_options){.hidden_size = 48});
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char old[16];
        rmr_error err = {0};
        rmr_model *model = NULL;
        made m = make(tiny, cases[i].made);
        snprintf(old, sizeof old, "\"%s\"", rmr_dtype_name(cases[i].made));
        edit_config(m.directory, old, cases[i].claim);
        expect_failure(open_as(m.directory, RMR_DTYPE_F32, &model, &err), &err,
                       cases[i].status, m.directory, "/model.safetensors",
                       "tensor \"");
        unmake(m);
    }
    tiny_model_free(tiny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_source_of_bf16),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_outliers),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_inside_the_source),
        cmocka_unit_test(test_malformed_tensors),
        cmocka_unit_test(test_values_that_are_none),
        cmocka_unit_test(test_malformed_outliers),
        cmocka_unit_test(test_malformed_config),
        cmocka_unit_test(test_config_and_weights_disagree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
