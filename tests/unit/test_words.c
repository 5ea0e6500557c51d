/*
 * test_words.c - the best of a vocabulary's scores beside a sort, the mask
 * token by what files say, which SparseEncoders are run, and models whose
 * logits are not finite. It must never take an expected order from the code
 * under test.
 */
#include <math.h>

#include "common/model/words.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"

#define FILLER "BertForMaskedLM"

/* ----------------------------------------------------------------- the best
 */

enum { MOST = 200 };

/* How many are better than one: where it must be. */
static size_t rank_of(const float *scores, size_t count, size_t i)
{
    size_t rank = 0;
    for (size_t j = 0; j < count; j++)
        rank += scores[j] > scores[i] || (scores[j] == scores[i] && j < i);
    return rank;
}

static void the_best_are_in_order(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (size_t round = 0; round < 300; round++) {
        float scores[MOST];
        rmr_word best[MOST];
        size_t count = 1 + tiny_random(&seed) % MOST;
        size_t k = 1 + tiny_random(&seed) % count;
        for (size_t i = 0; i < count; i++) /* many are equal */
            scores[i] = (float)(tiny_random(&seed) % (1 + round)) - 5;
        rmr_words_best(scores, count, k, best);
        for (size_t i = 0; i < count; i++) {
            size_t rank = rank_of(scores, count, i);
            if (rank >= k)
                continue;
            assert_int_equal(best[rank].id, i);
            assert_true(best[rank].score == scores[i]);
        }
    }
}

/* ----------------------------------------------------------------- the mask
 */

static rmr_status find(const tiny_model *tiny, uint32_t *id, rmr_error *err)
{
    rmr_model_options options;
    rmr_model *model;
    rmr_model_options_init(&options);
    options.task = RMR_TASK_FILL_MASK;
    rmr_status status =
        rmr_model_load(&model, tiny->directory, &options, NULL, err);
    if (!status)
        *id = model->mask;
    rmr_model_unload(model);
    return status;
}

static void the_mask_is_what_files_say(void **state)
{
    (void)state;
    static const struct {
        const char *config, *map;
        uint32_t id;
    } cases[] = {
        {"{}", "{}", 4},
        {"{\"mask_token\": null}", "{\"mask_token\": \"[SEP]\"}", 3},
        {"{\"mask_token\": \"[PAD]\"}", "{\"mask_token\": \"[SEP]\"}", 0},
        {"{\"mask_token\": {\"content\": \"[CLS]\"}}", "[]", 2},
        {"{\"mask_token\": {\"content\": 7}}", "{\"mask_token\": 7}", 4},
    };
    tiny_model *tiny = tiny_model_new(&(tiny_options){.head = FILLER});
    rmr_error err = {0};
    uint32_t id = 99;
    expect_ok(find(tiny, &id, &err), &err);
    assert_int_equal(id, 4);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        tiny_write_text(tiny->directory, "tokenizer_config.json",
                        cases[i].config);
        tiny_write_text(tiny->directory, "special_tokens_map.json",
                        cases[i].map);
        expect_ok(find(tiny, &id, &err), &err);
        assert_int_equal(id, cases[i].id);
    }
    tiny_write_text(tiny->directory, "special_tokens_map.json", "{");
    expect_failure(find(tiny, &id, &err), &err, RMR_ERR_FORMAT,
                   "special_tokens_map.json");
    tiny_write_text(tiny->directory, "special_tokens_map.json",
                    "{\"mask_token\": \"<none>\"}");
    tiny_write_text(tiny->directory, "tokenizer_config.json", "{}");
    expect_failure(find(tiny, &id, &err), &err, RMR_ERR_FORMAT,
                   "special_tokens_map.json", "\"<none>\" is no token");
    tiny_model_free(tiny);
}

/* The entry and the added token of a name get another one. */
static void rename_token(const tiny_model *tiny, const char *from,
                         const char *to)
{
    size_t size;
    char *text = tiny_read(tiny->directory, "tokenizer.json", &size), *at;
    assert_int_equal(strlen(from), strlen(to));
    while ((at = strstr(text, from)))
        memcpy(at, to, strlen(to));
    tiny_write(tiny->directory, "tokenizer.json", text, size);
    free(text);
}

static void a_tokenizer_may_have_no_mask(void **state)
{
    (void)state;
    tiny_model *tiny = tiny_model_new(&(tiny_options){.head = FILLER});
    rmr_error err = {0};
    uint32_t id;
    rename_token(tiny, "[MASK]", "<mask>");
    expect_ok(find(tiny, &id, &err), &err);
    assert_int_equal(id, 4);
    rename_token(tiny, "<mask>", "<msk/>");
    expect_failure(find(tiny, &id, &err), &err, RMR_ERR_UNSUPPORTED,
                   "no mask token");
    tiny_model_free(tiny);
}

/* ------------------------------------------------------------------ modules
 */

#define NEW(kind) "sentence_transformers.base.modules." kind
#define OLD(kind) "sentence_transformers.sparse_encoder.models." kind
#define ENTRY(type, path) "{\"type\": \"" type "\", \"path\": \"" path "\"}"
#define POOLING ENTRY(OLD("SpladePooling"), "1_SpladePooling")
#define MLM ENTRY(OLD("MLMTransformer"), "")
#define OF_TODAY "[" ENTRY(NEW("Transformer"), "") ", " POOLING "]"
#define OF_BEFORE "[" MLM ", " POOLING "]"
#define OUTSIDE ENTRY(OLD("SpladePooling"), "../x")
#define TASK(name) "{\"transformer_task\": \"" name "\"}"

static rmr_status open_sparse(const tiny_model *tiny, rmr_error *err)
{
    rmr_model_options options;
    rmr_model *model;
    rmr_model_options_init(&options);
    options.task = RMR_TASK_EMBED_SPARSE;
    rmr_status status =
        rmr_model_load(&model, tiny->directory, &options, NULL, err);
    rmr_model_unload(model);
    return status;
}

static void put(const tiny_model *tiny, const char *modules,
                const char *pooling, const char *transformer)
{
    tiny_write_text(tiny->directory, "modules.json", modules);
    tiny_write_text(tiny->directory, "1_SpladePooling/config.json", pooling);
    tiny_write_text(tiny->directory, "sentence_bert_config.json", transformer);
}

static void sparse_encoders_are_run(void **state)
{
    (void)state;
    static const struct {
        const char *modules, *pooling, *transformer;
    } good[] = {
        {OF_BEFORE, "{}", "{}"},
        {OF_BEFORE, "{\"pooling_strategy\": \"max\", \"chunk_size\": 8}",
         TASK("fill-mask")},
        {OF_TODAY, "{\"activation_function\": \"relu\"}",
         "{\"transformer_task\": \"fill-mask\", \"modality_config\": "
         "{\"text\": "
         "{\"method\": \"forward\", \"method_output_name\": \"logits\"}}}"},
    };
    tiny_model *tiny =
        tiny_model_new(&(tiny_options){.head = FILLER, .pooling = ""});
    rmr_error err = {0};
    rmr_task task;
    expect_ok(open_sparse(tiny, &err), &err);
    for (size_t i = 0; i < LENGTH(good); i++) {
        put(tiny, good[i].modules, good[i].pooling, good[i].transformer);
        expect_ok(open_sparse(tiny, &err), &err);
        expect_ok(rmr_model_find_task(tiny->directory, &task, &err), &err);
        assert_int_equal(task, RMR_TASK_EMBED_SPARSE);
    }
    tiny_remove(tiny->directory, "sentence_bert_config.json");
    tiny_write_text(tiny->directory, "modules.json", OF_BEFORE);
    expect_ok(open_sparse(tiny, &err), &err);
    tiny_write_text(tiny->directory, "modules.json", "{}");
    expect_failure(rmr_model_find_task(tiny->directory, &task, &err), &err,
                   RMR_ERR_FORMAT, "modules.json must be a JSON array");
    tiny_model_free(tiny);
}

static void other_encoders_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *modules, *pooling, *transformer;
        rmr_status status;
        const char *file, *words;
    } bad[] = {
        {OF_BEFORE, "{\"pooling_strategy\": \"sum\"}", "{}",
         RMR_ERR_UNSUPPORTED, "1_SpladePooling/config.json",
         "\"pooling_strategy\" \"sum\""},
        {OF_BEFORE, "{\"activation_function\": \"log1p_relu\"}", "{}",
         RMR_ERR_UNSUPPORTED, "1_SpladePooling/config.json",
         "\"activation_function\""},
        {OF_BEFORE, "[]", "{}", RMR_ERR_FORMAT, "1_SpladePooling/config.json",
         "JSON object"},
        {OF_TODAY, "{}", "{}", RMR_ERR_UNSUPPORTED, "sentence_bert_config.json",
         "\"feature-extraction\" is not supported; \"fill-mask\" is"},
        {OF_BEFORE, "{}", TASK("feature-extraction"), RMR_ERR_UNSUPPORTED,
         "sentence_bert_config.json", "\"fill-mask\" is"},
        {OF_BEFORE, "{}", "{\"model_args\": {\"x\": 1}}", RMR_ERR_UNSUPPORTED,
         "sentence_bert_config.json", "\"model_args\""},
        {"[" POOLING "]", "{}", "{}", RMR_ERR_UNSUPPORTED, "modules.json",
         "module 0"},
        {"[" MLM "]", "{}", "{}", RMR_ERR_UNSUPPORTED, "modules.json",
         "two modules"},
        {"[" MLM ", " POOLING ", " POOLING "]", "{}", "{}", RMR_ERR_UNSUPPORTED,
         "modules.json", "module 2"},
        {"[" ENTRY(OLD("MLMTransformer"), "0") ", " POOLING "]", "{}", "{}",
         RMR_ERR_UNSUPPORTED, "modules.json", "module 0"},
        {"[" MLM ", " OUTSIDE "]", "{}", "{}", RMR_ERR_UNSUPPORTED,
         "modules.json", "module 1"},
        {"[{\"type\": 5}]", "{}", "{}", RMR_ERR_FORMAT, "modules.json",
         "\"type\""},
        {"{}", "{}", "{}", RMR_ERR_FORMAT, "modules.json", "JSON array"},
    };
    tiny_model *tiny =
        tiny_model_new(&(tiny_options){.head = FILLER, .pooling = ""});
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(bad); i++) {
        put(tiny, bad[i].modules, bad[i].pooling, bad[i].transformer);
        expect_failure(open_sparse(tiny, &err), &err, bad[i].status,
                       bad[i].file, bad[i].words);
    }
    put(tiny, OF_TODAY, "{}", "{}");
    tiny_remove(tiny->directory, "sentence_bert_config.json");
    expect_failure(open_sparse(tiny, &err), &err, RMR_ERR_IO,
                   "sentence_bert_config.json");
    tiny_model_free(tiny);
}

/* --------------------------------------------------------------- not finite
 */

static rmr_status run(rmr_status start, rmr_job *job, rmr_error *err)
{
    if (start)
        return start;
    assert_int_equal(rmr_job_wait(job, 60000), 1);
    rmr_status status = rmr_job_result(job, err);
    rmr_job_release(job);
    return status;
}

static void logits_that_are_not_finite_fail(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_model_options options;
    rmr_model *model;
    rmr_job *job;
    const rmr_text text = text_of("the [MASK] fish [MASK] card [MASK]");
    /* A product overflows, though no weight is infinite. */
    tiny_model *tiny =
        tiny_model_new(&(tiny_options){.head = FILLER,
                                       .pooling = "",
                                       .poison = "cls.predictions.transform."
                                                 "LayerNorm.weight",
                                       .poison_value = 3.4e38f});
    rmr_engine *engine = start_engine(1);
    rmr_model_options_init(&options);
    options.task = RMR_TASK_FILL_MASK;
    expect_ok(rmr_model_open(&model, tiny->directory, &options, &err), &err);
    rmr_status status = rmr_fill_mask_start(engine, model, &text, 1, NULL, NULL,
                                            NULL, &job, &err);
    expect_failure(run(status, job, &err), &err, RMR_ERR_RANGE,
                   "not finite for input 0");
    rmr_model_release(model);
    options.task = RMR_TASK_EMBED_SPARSE;
    expect_ok(rmr_model_open(&model, tiny->directory, &options, &err), &err);
    status = rmr_embed_sparse_start(engine, model, &text, 1, NULL, NULL, NULL,
                                    &job, &err);
    expect_failure(run(status, job, &err), &err, RMR_ERR_RANGE,
                   "not finite for input 0");
    rmr_model_release(model);
    rmr_engine_stop(engine);
    tiny_model_free(tiny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_are_in_order),
        cmocka_unit_test(the_mask_is_what_files_say),
        cmocka_unit_test(a_tokenizer_may_have_no_mask),
        cmocka_unit_test(sparse_encoders_are_run),
        cmocka_unit_test(other_encoders_are_refused),
        cmocka_unit_test(logits_that_are_not_finite_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
