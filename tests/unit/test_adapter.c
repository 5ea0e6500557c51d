/*
 * test_adapter.c - LoRA adapters over tiny random models: what they make of a
 * model beside a directory whose weights were merged here, what the registry
 * shares, and every adapter that is refused. It must never take an expected
 * value from the code under test.
 */
#include <math.h>

#include "tests/unit/engine_fixture.h"
#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "common/base/sha256.h"
#include "common/model/model.h"
#include "common/model/shared.h"

#define CLASSIFIER "BertForSequenceClassification"
#define CONFIG(fields) "{\"peft_type\": \"LORA\"" fields "}"
#define QUERY "encoder.layer.0.attention.self.query"
#define VALUE "encoder.layer.1.attention.self.value"
#define OUTPUT "encoder.layer.1.output.dense"

enum { HIDDEN = 24, INNER = 40, RANK = 4, MAX_PARTS = 16, TEXTS = 3 };

/* ----------------------------------------------------------------- adapters
 */

/* An adapter in the making: a directory and what its file is to hold. */
typedef struct adapter {
    char *directory;
    tiny_part parts[MAX_PARTS];
    char names[MAX_PARTS][128], shapes[MAX_PARTS][32];
    float *values[MAX_PARTS];
    size_t count;
} adapter;

static void begin(adapter *a)
{
    *a = (adapter){.directory = tiny_directory()};
}

static void end(adapter *a)
{
    for (size_t i = 0; i < a->count; i++)
        free(a->values[i]);
    tiny_remove_directory(a->directory);
}

/* A tensor with random values; rows 0: a vector. */
static const float *add(adapter *a, const char *name, size_t rows,
                        size_t columns)
{
    size_t i = a->count++, count = (rows ? rows : 1) * columns;
    uint64_t state = 77 + i;
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t k = 0; k < count; k++)
        values[k] = tiny_signed(&state);
    snprintf(a->names[i], sizeof a->names[i], "%s", name);
    if (rows)
        snprintf(a->shapes[i], sizeof a->shapes[i], "[%zu,%zu]", rows, columns);
    else
        snprintf(a->shapes[i], sizeof a->shapes[i], "[%zu]", columns);
    a->values[i] = values;
    a->parts[i] = (tiny_part){a->names[i], "F32", a->shapes[i], values,
                              count * sizeof *values};
    return values;
}

static void write_adapter(const adapter *a, const char *config)
{
    tiny_write_text(a->directory, "adapter_config.json", config);
    tiny_write_parts(a->directory, "adapter_model.safetensors", a->parts,
                     a->count);
}

/* A and B of a layer, and into `weight`, unless it is NULL, their product. */
static void add_lora(adapter *a, const char *prefix, const char *module,
                     size_t rows, size_t columns, size_t rank, float scale,
                     float *weight)
{
    char name[128];
    snprintf(name, sizeof name, "base_model.model.%s%s.lora_A.weight", prefix,
             module);
    const float *x = add(a, name, rank, columns);
    snprintf(name, sizeof name, "base_model.model.%s%s.lora_B.weight", prefix,
             module);
    const float *y = add(a, name, rows, rank);
    for (size_t o = 0; o < rows && weight; o++) {
        for (size_t i = 0; i < columns; i++) {
            float sum = 0;
            for (size_t k = 0; k < rank; k++)
                sum += y[o * rank + k] * x[k * columns + i];
            weight[o * columns + i] += scale * sum;
        }
    }
}

/* ------------------------------------------------------------------- models
 */

static rmr_status open_with(rmr_model **model, const char *directory,
                            const char *adapter, rmr_dtype dtype, rmr_task task,
                            rmr_error *err)
{
    rmr_model_options options;
    rmr_model_options_init(&options);
    options.dtype = dtype;
    options.task = task;
    options.adapter = adapter;
    return rmr_model_open(model, directory, &options, err);
}

/* The values of a tensor, to be changed. */
static float *values_of(tiny_model *tiny, const char *module,
                        const char *suffix)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", module, suffix);
    return (float *)tiny_values(tiny, name);
}

/* The weights of a model as they are now. */
static void write_weights(const tiny_model *tiny)
{
    tiny_part *parts = calloc(tiny->count, sizeof *parts);
    char(*shapes)[32] = calloc(tiny->count, sizeof *shapes);
    assert_true(parts && shapes);
    for (size_t i = 0; i < tiny->count; i++) {
        const tiny_tensor *t = &tiny->tensors[i];
        size_t rows = t->rows ? t->rows : 1;
        if (t->rows)
            snprintf(shapes[i], sizeof shapes[i], "[%zu,%zu]", (size_t)t->rows,
                     (size_t)t->columns);
        else
            snprintf(shapes[i], sizeof shapes[i], "[%zu]", (size_t)t->columns);
        parts[i] = (tiny_part){t->name, "F32", shapes[i], t->values,
                               rows * t->columns * sizeof *t->values};
    }
    tiny_write_parts(tiny->directory, "model.safetensors", parts, tiny->count);
    free(shapes);
    free(parts);
}

/* The vectors of some texts, or the scores of their labels in the order of the
 * model's. Releases the model. */
static void run(rmr_model *model, float values[TEXTS * HIDDEN])
{
    static const char *const words[TEXTS] = {"fish", "the card was charged",
                                             ""};
    rmr_error err = {0};
    rmr_text texts[TEXTS];
    rmr_job *job;
    rmr_model_info info = {.size = sizeof info};
    rmr_engine *engine = start_engine(1);
    for (size_t i = 0; i < TEXTS; i++)
        texts[i] = text_of(words[i]);
    rmr_model_get_info(model, &info);
    memset(values, 0, TEXTS * HIDDEN * sizeof *values);
    if (info.task == RMR_TASK_EMBED) {
        expect_ok(
            rmr_embed(engine, model, texts, TEXTS, NULL, values, NULL, &err),
            &err);
    } else {
        expect_ok(rmr_classify_start(engine, model, texts, TEXTS, NULL, NULL,
                                     NULL, &job, &err),
                  &err);
        rmr_job_wait(job, 60000);
        for (size_t i = 0; i < TEXTS; i++) {
            size_t count;
            const rmr_label_score *scores = rmr_job_labels(job, i, &count);
            for (size_t k = 0; k < count; k++)
                values[i * HIDDEN + scores[k].index] = scores[k].score;
        }
        rmr_job_release(job);
    }
    rmr_engine_stop(engine);
    rmr_model_release(model);
}

/* The same values, and not those without the adapter. */
static void expect_merged(const char *base, const char *adapter,
                          const char *merged, rmr_dtype dtype, rmr_task task)
{
    rmr_error err = {0};
    rmr_model *model;
    float found[TEXTS * HIDDEN], wanted[TEXTS * HIDDEN], plain[TEXTS * HIDDEN];
    expect_ok(open_with(&model, base, adapter, dtype, task, &err), &err);
    run(model, found);
    expect_ok(open_with(&model, merged, NULL, dtype, task, &err), &err);
    run(model, wanted);
    expect_ok(open_with(&model, base, NULL, dtype, task, &err), &err);
    run(model, plain);
    assert_memory_equal(found, wanted, sizeof found);
    assert_memory_not_equal(found, plain, sizeof found);
}

/* ------------------------------------------------------------------ merging
 */

/* Under every prefix here and there, in every arithmetic. */
static void test_layers_are_merged(void **state)
{
    (void)state;
    static const char *const prefixes[] = {"", "bert."};
    for (int i = 0; i < 4; i++) {
        adapter a;
        const char *prefix = prefixes[i / 2];
        tiny_model *base =
            tiny_model_new(&(tiny_options){.prefix = prefixes[i % 2]});
        tiny_model *merged = tiny_model_new(&(tiny_options){0});
        begin(&a);
        add_lora(&a, prefix, QUERY, HIDDEN, HIDDEN, RANK, 2,
                 values_of(merged, QUERY, "weight"));
        add_lora(&a, prefix, VALUE, HIDDEN, HIDDEN, RANK, 2,
                 values_of(merged, VALUE, "weight"));
        add_lora(&a, prefix, OUTPUT, HIDDEN, INNER, RANK, 2,
                 values_of(merged, OUTPUT, "weight"));
        write_adapter(&a, CONFIG(", \"r\": 4, \"lora_alpha\": 8"));
        write_weights(merged);
        for (int dtype = RMR_DTYPE_F32; dtype <= RMR_DTYPE_INT4; dtype++)
            expect_merged(base->directory, a.directory, merged->directory,
                          (rmr_dtype)dtype, RMR_TASK_EMBED);
        end(&a);
        tiny_model_free(merged);
        tiny_model_free(base);
    }
}

/* What adapter_config.json says of ranks and scales: those of QUERY and of
 * VALUE. */
static void test_scales(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        size_t ranks[2];
        float scales[2];
    } cases[] = {
        {CONFIG(""), {8, 8}, {1, 1}},
        {CONFIG(", \"bias\": \"none\", \"r\": 2, \"lora_alpha\": 3"),
         {2, 2},
         {1.5f, 1.5f}},
        {CONFIG(", \"r\": 4, \"lora_alpha\": 8, \"use_rslora\": true"),
         {4, 4},
         {4, 4}},
        {CONFIG(", \"r\": 4, \"lora_alpha\": 8, \"rank_pattern\": "
                "{\"value\": 2}"),
         {4, 2},
         {2, 4}},
        {CONFIG(", \"r\": 4, \"lora_alpha\": 8, \"rank_pattern\": "
                "{\"alue\": 1, \"attention.self.query\": 2, \"query\": 1}, "
                "\"alpha_pattern\": {\"layer.1.attention.self.value\": 0.5}"),
         {2, 4},
         {4, 0.125f}},
        {CONFIG(", \"r\": 4, \"lora_alpha\": 8, \"rank_pattern\": "
                "{\"^query\": 1, \"^" QUERY "\": 2}, \"alpha_pattern\": null"),
         {2, 4},
         {4, 2}},
        {CONFIG(", \"r\": 4, \"lora_alpha\": 4, \"target_modules\": "
                "[\"query\"], \"modules_to_save\": [\"classifier\", "
                "\"score\"], \"use_dora\": false, \"init_lora_weights\": "
                "\"gaussian\", \"of_the_future\": []"),
         {4, 4},
         {1, 1}},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        adapter a;
        tiny_model *base = tiny_model_new(&(tiny_options){0});
        tiny_model *merged = tiny_model_new(&(tiny_options){0});
        begin(&a);
        add_lora(&a, "", QUERY, HIDDEN, HIDDEN, cases[i].ranks[0],
                 cases[i].scales[0], values_of(merged, QUERY, "weight"));
        add_lora(&a, "", VALUE, HIDDEN, HIDDEN, cases[i].ranks[1],
                 cases[i].scales[1], values_of(merged, VALUE, "weight"));
        write_adapter(&a, cases[i].config);
        write_weights(merged);
        expect_merged(base->directory, a.directory, merged->directory,
                      RMR_DTYPE_F32, RMR_TASK_EMBED);
        end(&a);
        tiny_model_free(merged);
        tiny_model_free(base);
    }
}

static void replace(adapter *a, tiny_model *merged, const char *prefix,
                    const char *name, size_t rows, size_t columns)
{
    char full[128];
    snprintf(full, sizeof full, "base_model.model.%s%s", prefix, name);
    const float *values = add(a, full, rows, columns);
    memcpy((float *)tiny_values(merged, name), values,
           (rows ? rows : 1) * columns * sizeof *values);
}

/* Whole tensors: a classifier that the model has, or has not, and a norm. */
static void test_tensors_are_replaced(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        adapter a;
        tiny_options options = {.head = CLASSIFIER,
                                .prefix = "bert.",
                                .config = ", \"num_labels\": 3"};
        tiny_model *merged = tiny_model_new(&options);
        options.omit = i ? "classifier.weight" : NULL;
        tiny_model *base = tiny_model_new(&options);
        begin(&a);
        add_lora(&a, "bert.", QUERY, HIDDEN, HIDDEN, RANK, 2,
                 values_of(merged, QUERY, "weight"));
        replace(&a, merged, "", "classifier.weight", 3, HIDDEN);
        replace(&a, merged, "", "classifier.bias", 0, 3);
        replace(&a, merged, "bert.", "embeddings.LayerNorm.weight", 0, HIDDEN);
        write_adapter(&a, CONFIG(", \"r\": 4, \"lora_alpha\": 8"));
        for (size_t k = 0; k < merged->count; k++) {
            tiny_tensor *t = &merged->tensors[k];
            char name[sizeof t->name];
            if (strncmp(t->name, "classifier", 10) == 0)
                continue;
            snprintf(name, sizeof name, "bert.%.80s", t->name);
            memcpy(t->name, name, sizeof name);
        }
        write_weights(merged);
        if (!i) {
            expect_merged(base->directory, a.directory, merged->directory,
                          RMR_DTYPE_F32, RMR_TASK_CLASSIFY);
        } else {
            rmr_error err = {0};
            rmr_model *model;
            expect_ok(open_with(&model, base->directory, a.directory,
                                RMR_DTYPE_F32, RMR_TASK_CLASSIFY, &err),
                      &err);
            rmr_model_release(model);
        }
        end(&a);
        tiny_model_free(merged);
        tiny_model_free(base);
    }
}

/* ------------------------------------------------------------------ sharing
 */

/* An adapter over QUERY whose alpha is told. */
static void make_small(adapter *a, const char *config)
{
    begin(a);
    add_lora(a, "", QUERY, HIDDEN, HIDDEN, RANK, 1, NULL);
    write_adapter(a, config);
}

static void test_each_adapter_is_a_model(void **state)
{
    (void)state;
    rmr_error err = {0};
    adapter a[2];
    rmr_model *models[3], *again;
    rmr_model_info info = {.size = sizeof info};
    tiny_model *base = tiny_model_new(&(tiny_options){0});
    make_small(&a[0], CONFIG(", \"r\": 4, \"lora_alpha\": 8"));
    make_small(&a[1], CONFIG(", \"r\": 4, \"lora_alpha\": 9"));
    for (int i = 0; i < 3; i++) {
        const char *adapter = i < 2 ? a[i].directory : NULL;
        expect_ok(open_with(&models[i], base->directory, adapter, RMR_DTYPE_F32,
                            RMR_TASK_EMBED, &err),
                  &err);
        expect_ok(open_with(&again, base->directory, adapter, RMR_DTYPE_F32,
                            RMR_TASK_EMBED, &err),
                  &err);
        assert_ptr_equal(again, models[i]);
        rmr_model_release(again);
        rmr_model_get_info(models[i], &info);
        if (adapter)
            assert_string_equal(info.adapter, adapter);
        else
            assert_null(info.adapter);
        for (int j = 0; j < i; j++)
            assert_ptr_not_equal(models[i], models[j]);
    }
    /* A directory that is not there is not the model without one. */
    expect_failure(open_with(&again, base->directory, "/absent", RMR_DTYPE_F32,
                             RMR_TASK_EMBED, &err),
                   &err, RMR_ERR_IO, "/absent: No such file");
    for (int i = 0; i < 3; i++)
        rmr_model_release(models[i]);
    end(&a[1]);
    end(&a[0]);
    tiny_model_free(base);
}

/* What was made of the files alone, by all who have it in common. */
static uint64_t shared_bytes(const rmr_model *model)
{
    return rmr_weights_bytes(
        rmr_shared_weights(rmr_weights_shared(model->weights)));
}

static void run_kept(rmr_model *model, float values[TEXTS * HIDDEN])
{
    run(rmr_model_retain(model), values);
}

/* The base, an adapter of two layers, another one with a norm beside: opened in
 * any order, each is what it is alone, and what they have in common is there
 * once, until the last of them is closed. */
static void expect_shared(const char *base, const adapter a[2], rmr_dtype dtype,
                          const int order[3])
{
    const char *const directories[] = {NULL, a[0].directory, a[1].directory};
    float alone[3][TEXTS * HIDDEN], found[TEXTS * HIDDEN];
    rmr_model *models[3];
    rmr_model_info info[3] = {
        {.size = sizeof *info}, {.size = sizeof *info}, {.size = sizeof *info}};
    rmr_error err = {0};
    for (int i = 0; i < 3; i++) {
        expect_ok(open_with(&models[i], base, directories[i], dtype,
                            RMR_TASK_EMBED, &err),
                  &err);
        rmr_model_get_info(models[i], &info[i]);
        run(models[i], alone[i]);
    }
    for (int k = 0; k < 3; k++)
        expect_ok(open_with(&models[order[k]], base, directories[order[k]],
                            dtype, RMR_TASK_EMBED, &err),
                  &err);
    for (int i = 0; i < 3; i++) {
        rmr_model_info now = {.size = sizeof now};
        rmr_model_get_info(models[i], &now);
        assert_int_equal(now.bytes, info[i].bytes);
        assert_int_equal(now.num_parameters, info[0].num_parameters);
        assert_ptr_equal(rmr_weights_shared(models[i]->weights),
                         rmr_weights_shared(models[0]->weights));
    }
    for (int k = 0; k < 3; k++) {
        run_kept(models[order[k]], found);
        assert_memory_equal(found, alone[order[k]], sizeof found);
        rmr_model_release(models[order[k]]);
    }
    assert_memory_not_equal(alone[0], alone[1], sizeof *alone);
    assert_memory_not_equal(alone[1], alone[2], sizeof *alone);
}

static void test_what_is_unchanged_is_shared(void **state)
{
    (void)state;
    static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 2, 0}, {2, 1, 0}};
    adapter a[2];
    tiny_model *base = tiny_model_new(&(tiny_options){0});
    for (int i = 0; i < 2; i++) {
        begin(&a[i]);
        add_lora(&a[i], "", QUERY, HIDDEN, HIDDEN, RANK, 1, NULL);
        add_lora(&a[i], "", OUTPUT, HIDDEN, INNER, RANK, 1, NULL);
        if (i) {
            add(&a[i], "base_model.model.encoder.layer.0.output.LayerNorm.bias",
                0, HIDDEN);
            add(&a[i], "base_model.model.embeddings.LayerNorm.weight", 0,
                HIDDEN);
            add(&a[i],
                "base_model.model.embeddings.token_type_embeddings.weight", 2,
                HIDDEN);
        }
        write_adapter(&a[i], CONFIG(", \"r\": 4, \"lora_alpha\": 8"));
    }
    for (int dtype = RMR_DTYPE_F32; dtype <= RMR_DTYPE_INT4; dtype++) {
        /* Nothing is in common with another dtype's. */
        rmr_error err = {0};
        rmr_model *other;
        rmr_dtype next = (rmr_dtype)((dtype + 1) % (RMR_DTYPE_INT4 + 1));
        expect_ok(open_with(&other, base->directory, NULL, next, RMR_TASK_EMBED,
                            &err),
                  &err);
        for (size_t i = 0; i < LENGTH(orders); i++)
            expect_shared(base->directory, a, (rmr_dtype)dtype, orders[i]);
        rmr_model_release(other);
    }
    end(&a[1]);
    end(&a[0]);
    tiny_model_free(base);
}

/* Only what somebody has not made yet is made. */
static void test_shared_weights_grow_by_what_is_new(void **state)
{
    (void)state;
    rmr_error err = {0};
    adapter a[2];
    rmr_model *models[3];
    uint64_t bytes[3];
    const char *directories[3] = {0};
    tiny_model *base = tiny_model_new(&(tiny_options){0});
    for (int i = 0; i < 2; i++) {
        make_small(&a[i], i ? CONFIG(", \"r\": 4, \"lora_alpha\": 8")
                            : CONFIG(", \"r\": 4, \"lora_alpha\": 9"));
        directories[i] = a[i].directory;
    }
    for (int i = 0; i < 3; i++) {
        expect_ok(open_with(&models[i], base->directory, directories[i],
                            RMR_DTYPE_INT8, RMR_TASK_EMBED, &err),
                  &err);
        bytes[i] = shared_bytes(models[i]);
    }
    assert_true(bytes[0] > 0 && bytes[1] == bytes[0] && bytes[2] > bytes[1]);
    for (int i = 0; i < 3; i++)
        rmr_model_release(models[i]);
    end(&a[1]);
    end(&a[0]);
    tiny_model_free(base);
}

/* Of both files, one behind the other. */
static void test_sha256_is_of_both(void **state)
{
    (void)state;
    rmr_error err = {0};
    adapter a;
    rmr_model *model, *again;
    rmr_model_options options;
    char alone[RMR_SHA256_HEX], both[RMR_SHA256_HEX];
    size_t size, more;
    tiny_model *base = tiny_model_new(&(tiny_options){0});
    make_small(&a, CONFIG(", \"r\": 4"));
    char *file = tiny_read(base->directory, "model.safetensors", &size);
    char *tail = tiny_read(a.directory, "adapter_model.safetensors", &more);
    char *joined = malloc(size + more);
    assert_non_null(joined);
    memcpy(joined, file, size);
    memcpy(joined + size, tail, more);
    expect_ok(rmr_sha256_hex(file, size, alone, &err), &err);
    expect_ok(rmr_sha256_hex(joined, size + more, both, &err), &err);
    rmr_model_options_init(&options);
    options.adapter = a.directory;
    options.sha256 = alone;
    expect_failure(rmr_model_open(&model, base->directory, &options, &err),
                   &err, RMR_ERR_RANGE, "model.safetensors followed by",
                   "adapter_model.safetensors has SHA-256", both);
    options.sha256 = both;
    expect_ok(rmr_model_open(&model, base->directory, &options, &err), &err);
    options.sha256 = alone;
    expect_failure(rmr_model_open(&again, base->directory, &options, &err),
                   &err, RMR_ERR_RANGE, both);
    rmr_model_release(model);
    free(joined);
    free(tail);
    free(file);
    end(&a);
    tiny_model_free(base);
}

/* ----------------------------------------------------------------- refusals
 */

static const struct {
    const char *config;
    rmr_status status;
    const char *words[2];
} fields[] = {
    {"[]", RMR_ERR_FORMAT, {"must be an object"}},
    {"{", RMR_ERR_FORMAT, {"not valid JSON"}},
    {"{}", RMR_ERR_FORMAT, {"has no \"peft_type\""}},
    {"{\"peft_type\": \"IA3\"}",
     RMR_ERR_UNSUPPORTED,
     {"\"peft_type\" \"IA3\"", "only \"LORA\""}},
    {CONFIG(", \"use_dora\": true"), RMR_ERR_UNSUPPORTED, {"\"use_dora\""}},
    {CONFIG(", \"lora_bias\": true"), RMR_ERR_UNSUPPORTED, {"\"lora_bias\""}},
    {CONFIG(", \"bias\": \"all\""),
     RMR_ERR_UNSUPPORTED,
     {"\"bias\" \"all\"", "only \"none\""}},
    {CONFIG(", \"bias\": 1"), RMR_ERR_FORMAT, {"\"bias\" must be a"}},
    {CONFIG(", \"fan_in_fan_out\": true"),
     RMR_ERR_UNSUPPORTED,
     {"\"fan_in_fan_out\""}},
    {CONFIG(", \"layer_replication\": [[0, 1]]"),
     RMR_ERR_UNSUPPORTED,
     {"\"layer_replication\""}},
    {CONFIG(", \"trainable_token_indices\": [1]"),
     RMR_ERR_UNSUPPORTED,
     {"\"trainable_token_indices\""}},
    {CONFIG(", \"target_parameters\": [\"a\"]"),
     RMR_ERR_UNSUPPORTED,
     {"\"target_parameters\""}},
    {CONFIG(", \"of_the_future\": 1"),
     RMR_ERR_UNSUPPORTED,
     {"\"of_the_future\""}},
    {CONFIG(", \"init_lora_weights\": \"pissa\""),
     RMR_ERR_UNSUPPORTED,
     {"\"init_lora_weights\" \"pissa\""}},
    {CONFIG(", \"init_lora_weights\": 1"),
     RMR_ERR_UNSUPPORTED,
     {"\"init_lora_weights\""}},
    {CONFIG(", \"r\": 0"), RMR_ERR_RANGE, {"\"r\" must be from 1"}},
    {CONFIG(", \"r\": 1.5"), RMR_ERR_FORMAT, {"\"r\" must be a whole"}},
    {CONFIG(", \"lora_alpha\": \"8\""),
     RMR_ERR_FORMAT,
     {"\"lora_alpha\" must be a number"}},
    {CONFIG(", \"use_rslora\": 1"),
     RMR_ERR_FORMAT,
     {"\"use_rslora\" must be true or false"}},
    {CONFIG(", \"rank_pattern\": [1]"),
     RMR_ERR_FORMAT,
     {"\"rank_pattern\" must be an object"}},
    {CONFIG(", \"rank_pattern\": {\"query\": 0}"),
     RMR_ERR_RANGE,
     {"\"rank_pattern\": \"query\" must be a whole"}},
    {CONFIG(", \"rank_pattern\": {\"query\": 4.0}"),
     RMR_ERR_RANGE,
     {"\"rank_pattern\": \"query\" must be a whole"}},
    {CONFIG(", \"alpha_pattern\": {\"query\": true}"),
     RMR_ERR_FORMAT,
     {"\"alpha_pattern\": \"query\" must be a number"}},
    {CONFIG(", \"alpha_pattern\": {\"(query|value)\": 4}"),
     RMR_ERR_UNSUPPORTED,
     {"\"alpha_pattern\"", "\"(query|value)\" is not supported"}},
    {CONFIG(", \"rank_pattern\": {\"^\": 4}"),
     RMR_ERR_UNSUPPORTED,
     {"\"rank_pattern\"", "\"^\" is not supported"}},
};

static void test_fields_are_refused(void **state)
{
    (void)state;
    tiny_model *base = tiny_model_new(&(tiny_options){0});
    for (size_t i = 0; i < LENGTH(fields); i++) {
        rmr_error err = {0};
        adapter a;
        rmr_model *model;
        make_small(&a, fields[i].config);
        expect_failure(open_with(&model, base->directory, a.directory,
                                 RMR_DTYPE_F32, RMR_TASK_EMBED, &err),
                       &err, fields[i].status, a.directory,
                       "adapter_config.json", fields[i].words[0],
                       fields[i].words[1]);
        assert_null(model);
        end(&a);
    }
    tiny_model_free(base);
}

static void test_sums_are_finite(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_model *model;
    adapter a;
    tiny_model *base = tiny_model_new(&(tiny_options){0});
    make_small(&a, CONFIG(", \"r\": 4, \"lora_alpha\": 1e39"));
    expect_failure(open_with(&model, base->directory, a.directory,
                             RMR_DTYPE_F32, RMR_TASK_EMBED, &err),
                   &err, RMR_ERR_RANGE, a.directory, "lora_B.weight",
                   "makes weights that are not finite");
    a.values[1][0] = NAN;
    write_adapter(&a, CONFIG(", \"r\": 4"));
    expect_failure(open_with(&model, base->directory, a.directory,
                             RMR_DTYPE_F32, RMR_TASK_EMBED, &err),
                   &err, RMR_ERR_RANGE, "lora_B.weight", "NaN");
    end(&a);
    tiny_model_free(base);
}

/* A tensor beside those of a good adapter. */
static void test_tensors_are_refused(void **state)
{
    (void)state;
#define LORA "base_model.model." QUERY ".lora_"
    static const struct {
        const char *name;
        size_t rows, columns;
        rmr_status status;
        const char *words;
    } cases[] = {
        {"query.weight", 1, 1, RMR_ERR_FORMAT,
         "tensor \"query.weight\" is not called \"base_model.model."},
        {LORA "magnitude_vector", 0, HIDDEN, RMR_ERR_UNSUPPORTED,
         "lora_magnitude_vector\" is not supported"},
        {LORA "B.bias", 0, HIDDEN, RMR_ERR_UNSUPPORTED,
         "lora_B.bias\" is not supported"},
        {"base_model.model.embeddings.word_embeddings.lora_embedding_A", RANK,
         80, RMR_ERR_UNSUPPORTED, "lora_embedding_A\" is not supported"},
        {"base_model.model." VALUE ".lora_A.weight", RANK, HIDDEN,
         RMR_ERR_FORMAT, "lora_A.weight\" has no lora_B.weight"},
        {"base_model.model." VALUE ".lora_B.weight", HIDDEN, RANK,
         RMR_ERR_FORMAT, "lora_B.weight\" has no lora_A.weight"},
        {"base_model.model.classifier.weight", 3, HIDDEN, RMR_ERR_FORMAT,
         "\"base_model.model.classifier.weight\" is none that the model reads"},
        {"base_model.model.embeddings.LayerNorm.weight", 0, HIDDEN + 1,
         RMR_ERR_FORMAT,
         "adapter_model.safetensors: tensor "
         "\"embeddings.LayerNorm.weight\" has the shape"},
    };
#undef LORA
    tiny_model *base = tiny_model_new(&(tiny_options){0});
    for (size_t i = 0; i < LENGTH(cases); i++) {
        rmr_error err = {0};
        adapter a;
        rmr_model *model;
        make_small(&a, CONFIG(", \"r\": 4"));
        add(&a, cases[i].name, cases[i].rows, cases[i].columns);
        write_adapter(&a, CONFIG(", \"r\": 4"));
        expect_failure(open_with(&model, base->directory, a.directory,
                                 RMR_DTYPE_F32, RMR_TASK_EMBED, &err),
                       &err, cases[i].status, a.directory,
                       "adapter_model.safetensors", cases[i].words);
        end(&a);
    }
    tiny_model_free(base);
}

/* A pair of other shapes, of no layer, or of none that is linear. */
static void test_pairs_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *module;
        size_t rows, columns, rank;
        const char *words;
    } cases[] = {
        {QUERY, HIDDEN, HIDDEN + 1, RANK, "lora_A.weight\" has the shape"},
        {QUERY, HIDDEN - 1, HIDDEN, RANK, "lora_B.weight\" has the shape"},
        {QUERY, HIDDEN, HIDDEN, RANK + 1, "lora_A.weight\" has the shape"},
        {"encoder.layer.2.attention.self.query", HIDDEN, HIDDEN, RANK,
         "layer.2.attention.self.query.lora_A.weight\" is of no linear layer"},
        {"pooler.dense", HIDDEN, HIDDEN, RANK,
         "pooler.dense.lora_A.weight\" is of no linear layer"},
        {"embeddings.LayerNorm", 1, HIDDEN, RANK, "is of no linear layer"},
        {"model.encoder", HIDDEN, HIDDEN, RANK, "is of no linear layer"},
    };
    tiny_model *base = tiny_model_new(&(tiny_options){0});
    for (size_t i = 0; i < LENGTH(cases); i++) {
        rmr_error err = {0};
        adapter a;
        rmr_model *model;
        begin(&a);
        add_lora(&a, "", cases[i].module, cases[i].rows, cases[i].columns,
                 cases[i].rank, 1, NULL);
        write_adapter(&a, CONFIG(", \"r\": 4"));
        expect_failure(open_with(&model, base->directory, a.directory,
                                 RMR_DTYPE_F32, RMR_TASK_EMBED, &err),
                       &err, RMR_ERR_FORMAT, a.directory,
                       "adapter_model.safetensors", cases[i].words);
        end(&a);
    }
    tiny_model_free(base);
}

/* Two names of one layer, and of one tensor. */
static void test_a_tensor_is_named_once(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_model *model;
    adapter a;
    tiny_model *base = tiny_model_new(&(tiny_options){0});
    make_small(&a, CONFIG(", \"r\": 4"));
    add_lora(&a, "bert.", QUERY, HIDDEN, HIDDEN, RANK, 1, NULL);
    write_adapter(&a, CONFIG(", \"r\": 4"));
    expect_failure(open_with(&model, base->directory, a.directory,
                             RMR_DTYPE_F32, RMR_TASK_EMBED, &err),
                   &err, RMR_ERR_FORMAT, QUERY, "is of no linear layer");
    end(&a);
    make_small(&a, CONFIG(", \"r\": 4"));
    add(&a, "base_model.model.embeddings.LayerNorm.bias", 0, HIDDEN);
    add(&a, "base_model.model.bert.embeddings.LayerNorm.bias", 0, HIDDEN);
    write_adapter(&a, CONFIG(", \"r\": 4"));
    expect_failure(open_with(&model, base->directory, a.directory,
                             RMR_DTYPE_F32, RMR_TASK_EMBED, &err),
                   &err, RMR_ERR_FORMAT,
                   "two tensors are for the model's "
                   "\"embeddings.LayerNorm.bias\"");
    end(&a);
    tiny_model_free(base);
}

static void test_files_are_refused(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_model *model;
    adapter a;
    tiny_model *base = tiny_model_new(&(tiny_options){0});
    make_small(&a, CONFIG(", \"r\": 4"));
    tiny_remove(a.directory, "adapter_config.json");
    expect_failure(open_with(&model, base->directory, a.directory,
                             RMR_DTYPE_F32, RMR_TASK_EMBED, &err),
                   &err, RMR_ERR_IO, a.directory, "adapter_config.json");
    tiny_remove(a.directory, "adapter_model.safetensors");
    tiny_write_text(a.directory, "adapter_model.bin", "");
    expect_failure(open_with(&model, base->directory, a.directory,
                             RMR_DTYPE_F32, RMR_TASK_EMBED, &err),
                   &err, RMR_ERR_UNSUPPORTED, a.directory,
                   "adapter_model.bin, a pickle");
    end(&a);
    tiny_model_free(base);
}

/* A table has no layers. */
static void test_static_models_are_refused(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_model *model;
    adapter a;
    char shape[32];
    tiny_model *base = tiny_model_new(&(tiny_options){0});
    size_t bytes = tiny_vocab_size() * 4 * sizeof(float);
    float *table = calloc(1, bytes);
    assert_non_null(table);
    snprintf(shape, sizeof shape, "[%u,4]", (unsigned)tiny_vocab_size());
    const tiny_part part = {"embeddings", "F32", shape, table, bytes};
    tiny_write_text(base->directory, "config.json",
                    "{\"model_type\": \"model2vec\"}");
    tiny_write_parts(base->directory, "model.safetensors", &part, 1);
    tiny_remove(base->directory, "modules.json");
    make_small(&a, CONFIG(", \"r\": 4"));
    expect_failure(open_with(&model, base->directory, a.directory,
                             RMR_DTYPE_F32, RMR_TASK_EMBED, &err),
                   &err, RMR_ERR_UNSUPPORTED, base->directory,
                   "a table takes no adapter");
    end(&a);
    free(table);
    tiny_model_free(base);
}

/* Models that take none. */
static void test_models_are_refused(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_model *model;
    rmr_model_options options;
    adapter a;
    char quantized[512];
    tiny_model *base = tiny_model_new(&(tiny_options){0});
    char *folder = tiny_directory();
    make_small(&a, CONFIG(", \"r\": 4"));
    snprintf(quantized, sizeof quantized, "%s", tiny_path(folder, "int8"));
    expect_ok(rmr_model_quantize(base->directory, quantized, NULL, &err), &err);
    expect_failure(open_with(&model, quantized, a.directory, RMR_DTYPE_F32,
                             RMR_TASK_EMBED, &err),
                   &err, RMR_ERR_UNSUPPORTED, quantized,
                   "a quantized model takes no adapter");
    rmr_model_options_init(&options);
    options.adapter = a.directory;
    options.tokenizer_only = 1;
    expect_failure(rmr_model_open(&model, base->directory, &options, &err),
                   &err, RMR_ERR_RANGE, "adapter", "tokenizer_only");
    /* An older caller's struct ends before it. */
    options.tokenizer_only = 0;
    options.adapter = "/absent";
    options.size = offsetof(rmr_model_options, adapter);
    expect_ok(rmr_model_open(&model, base->directory, &options, &err), &err);
    rmr_model_release(model);
    end(&a);
    tiny_remove_directory(folder);
    tiny_model_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers_are_merged),
        cmocka_unit_test(test_scales),
        cmocka_unit_test(test_tensors_are_replaced),
        cmocka_unit_test(test_each_adapter_is_a_model),
        cmocka_unit_test(test_what_is_unchanged_is_shared),
        cmocka_unit_test(test_shared_weights_grow_by_what_is_new),
        cmocka_unit_test(test_sha256_is_of_both),
        cmocka_unit_test(test_fields_are_refused),
        cmocka_unit_test(test_sums_are_finite),
        cmocka_unit_test(test_tensors_are_refused),
        cmocka_unit_test(test_pairs_are_refused),
        cmocka_unit_test(test_a_tensor_is_named_once),
        cmocka_unit_test(test_files_are_refused),
        cmocka_unit_test(test_static_models_are_refused),
        cmocka_unit_test(test_models_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
