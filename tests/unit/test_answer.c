/*
 * test_answer.c - a decoder that reranks: what it is asked, token by token, how
 * that is cut, its logit beside double precision, and every directory and
 * request that is refused. It must never take an expected value from the code
 * under test.
 */
#include <math.h>

#include "tests/unit/answer_fixture.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "common/base/alloc.h"
#include "common/model/model.h"

#define DECODER "Qwen3ForCausalLM"

static rmr_status open_as(rmr_model **model, const char *directory,
                          rmr_task task, rmr_error *err)
{
    rmr_model_options options;
    rmr_model_options_init(&options);
    options.task = task;
    return rmr_model_open(model, directory, &options, err);
}

static rmr_model *open_reranker(const char *directory)
{
    rmr_error err = {0};
    rmr_model *model;
    expect_ok(open_as(&model, directory, RMR_TASK_CLASSIFY, &err), &err);
    return model;
}

/* Words of a text: what comes of splitting it at white space. */
static size_t count_words(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += strchr(" \n", *text) && !strchr(" \n", text[1]) && text[1];
    return count + 1;
}

/* ------------------------------------------------------------------- asking
 */

static void check_tokens(const rmr_model *model, const char *text,
                         rmr_truncate truncate, const uint32_t *ids,
                         size_t count)
{
    rmr_error err = {0};
    rmr_encoding encoding = {0};
    size_t before = count_words(answer_before), after = 4;
    expect_ok(rmr_model_encode(model, text_of(text), truncate, &encoding, &err),
              &err);
    assert_int_equal(encoding.count, before + count + after);
    for (size_t i = 0; i < encoding.count; i++) {
        int inside = i >= before && i < before + count;
        assert_int_equal(encoding.tokens[i].id, inside ? ids[i - before] : 0);
    }
    rmr_encoding_free(&encoding);
}

static void test_template_is_around_what_is_cut(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_encoding encoding = {0};
    const uint32_t ids[] = {1, 2, 3, 0, 1};
    char *directory = answer_directory(DECODER);
    rmr_model *model = open_reranker(directory);
    check_tokens(model, "yes no fish what yes", RMR_TRUNCATE_NONE, ids, 5);
    check_tokens(model, "", RMR_TRUNCATE_NONE, ids, 0);
    rmr_model_release(model);
    /* Room for three. */
    size_t around = count_words(answer_before) + 4;
    char limit[64];
    snprintf(limit, sizeof limit, "{\"model_max_length\": %zu}", around + 3);
    tiny_write_text(directory, "tokenizer_config.json", limit);
    model = open_reranker(directory);
    check_tokens(model, "yes no fish what yes", RMR_TRUNCATE_END, ids, 3);
    check_tokens(model, "yes no fish what yes", RMR_TRUNCATE_START, ids + 2, 3);
    expect_failure(rmr_model_encode(model, text_of("no no no no"),
                                    RMR_TRUNCATE_NONE, &encoding, &err),
                   &err, RMR_ERR_TOO_LONG, "");
    rmr_encoding_free(&encoding);
    rmr_model_release(model);
    snprintf(limit, sizeof limit, "{\"model_max_length\": %zu}", around);
    tiny_write_text(directory, "tokenizer_config.json", limit);
    expect_failure(open_as(&model, directory, RMR_TASK_CLASSIFY, &err), &err,
                   RMR_ERR_RANGE, directory, "no room");
    tiny_remove_directory(directory);
}

static void check_prompt(const rmr_prompts *prompts, rmr_text instruction,
                         const char *expected)
{
    rmr_error err = {0};
    rmr_text text;
    expect_ok(
        rmr_answer_prompt(prompts, instruction, text_of("q?"), &text, &err),
        &err);
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.data, expected, text.len);
    rmr_free((char *)text.data);
}

static void test_prompt(void **state)
{
    (void)state;
    rmr_prompts none = {0};
    rmr_prompt prompt = {.text = "find fish", .len = 9}, empty = {.text = ""};
    rmr_prompts some = {.chosen = &prompt}, nothing = {.chosen = &empty};
    const char *plain = "<Instruct>: Given a web search query, retrieve "
                        "relevant passages that answer the query\n"
                        "<Query>: q?\n<Document>: ";
    check_prompt(&none, (rmr_text){0}, plain);
    check_prompt(&nothing, (rmr_text){0}, plain);
    check_prompt(&some, (rmr_text){0},
                 "<Instruct>: find fish\n<Query>: q?\n<Document>: ");
    check_prompt(&some, text_of("x"),
                 "<Instruct>: x\n<Query>: q?\n<Document>: ");
    check_prompt(&some, text_of(""), "<Instruct>: \n<Query>: q?\n<Document>: ");
}

/* ------------------------------------------------------------------ logits
 */

static void test_logit_is_of_the_last_token(void **state)
{
    (void)state;
    enum { TOKENS = 5 };
    char *directory = answer_directory(DECODER);
    rmr_model *model = open_reranker(directory);
    const uint32_t ends[] = {0, 2, TOKENS};
    const rmr_batch batch = {.cu_seqlens = ends, .num_seqs = 2};
    const float *words = answer_words();
    float hidden[TOKENS * ANSWER_HIDDEN], logits[2];
    uint64_t seed = 3;
    for (size_t i = 0; i < TOKENS * ANSWER_HIDDEN; i++)
        hidden[i] = tiny_signed(&seed);
    rmr_head_classify(model->head, &batch, hidden, NULL, logits);
    for (size_t s = 0; s < 2; s++) {
        double expected = 0;
        for (size_t i = 0; i < ANSWER_HIDDEN; i++)
            expected += hidden[(ends[s + 1] - 1) * ANSWER_HIDDEN + i] *
                        ((double)words[ANSWER_HIDDEN + i] -
                         words[2 * ANSWER_HIDDEN + i]);
        assert_true(fabs(logits[s] - expected) < 1e-6);
    }
    rmr_model_release(model);
    tiny_remove_directory(directory);
}

/* --------------------------------------------------------------- refusals
 */

static void refuse(const char *file, const char *text, rmr_status expected,
                   const char *first, const char *second)
{
    rmr_error err = {0};
    rmr_model *model;
    char *directory = answer_directory(DECODER);
    answer_write_modules(directory);
    if (text)
        tiny_write_text(directory, file, text);
    else
        tiny_remove(directory, file);
    expect_failure(open_as(&model, directory, RMR_TASK_CLASSIFY, &err), &err,
                   expected, directory, first, second);
    tiny_remove_directory(directory);
}

static void refuse_module(const char *first, const char *second,
                          const char *path)
{
    char text[512];
    snprintf(text, sizeof text,
             "[{\"path\": \"\", \"type\": \"%s\"}, {\"path\": \"%s\", "
             "\"type\": \"%s\"}]",
             first, path, second);
    refuse("modules.json", text, *path ? RMR_ERR_FORMAT : RMR_ERR_UNSUPPORTED,
           "modules.json", *path ? "\"path\"" : "LogitScore");
}

static void test_modules_that_are_refused(void **state)
{
    (void)state;
    const char *transformer = "sentence_transformers.models.Transformer";
    const char *score = "sentence_transformers.cross_encoder.LogitScore";
    refuse_module(transformer, "sentence_transformers.models.Pooling", "");
    refuse_module(score, score, "");
    refuse_module(transformer, "mine.LogitScore", "");
    refuse_module(transformer, score, "../elsewhere");
    refuse("modules.json", "[]", RMR_ERR_UNSUPPORTED, "modules.json",
           "module 0");
    refuse("modules.json", "[1, 2]", RMR_ERR_FORMAT, "modules.json",
           "\"type\"");
    const char *score_file = "1_LogitScore/config.json";
    refuse(score_file, NULL, RMR_ERR_UNSUPPORTED, score_file,
           "\"true_token_id\"");
    refuse(score_file, "{\"true_token_id\": 1, \"false_token_id\": null}",
           RMR_ERR_UNSUPPORTED, score_file, "\"false_token_id\" must be 2");
    refuse(score_file, "{\"true_token_id\": 3, \"false_token_id\": 2}",
           RMR_ERR_UNSUPPORTED, score_file, "\"true_token_id\" must be 1");
    refuse(score_file, "{\"true_token_id\": \"1\"}", RMR_ERR_FORMAT, score_file,
           "\"true_token_id\"");
    refuse(score_file,
           "{\"true_token_id\": 1, \"false_token_id\": 2, "
           "\"module_input_name\": \"logits\"}",
           RMR_ERR_UNSUPPORTED, score_file, "\"module_input_name\"");
    refuse("config_sentence_transformers.json",
           "{\"activation_fn\": \"torch.nn.modules.activation.Tanh\"}",
           RMR_ERR_UNSUPPORTED, "config_sentence_transformers.json", "Tanh");
}

static void test_options_that_are_refused(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_model *model;
    const char *file = "sentence_bert_config.json";
    refuse(file, "{\"processing_kwargs\": {\"text\": 1}}", RMR_ERR_UNSUPPORTED,
           file, "\"processing_kwargs\"");
    refuse(file, "{\"transformer_task\": \"fill-mask\"}", RMR_ERR_UNSUPPORTED,
           file, "\"transformer_task\"");
    refuse(file, "{\"transformer_task\": 1}", RMR_ERR_FORMAT, file,
           "\"transformer_task\"");
    refuse(file, "{\"modality_config\": {\"text\": {}}}", RMR_ERR_UNSUPPORTED,
           file, "has no \"message\"");
    /* A classifier is not asked. */
    tiny_model *tiny =
        tiny_model_new(&(tiny_options){.head = "BertForSequenceClassification",
                                       .config = ", \"num_labels\": 3"});
    tiny_write_text(tiny->directory, file,
                    "{\"transformer_task\": \"sequence-classification\", "
                    "\"modality_config\": {\"text\": {}}}");
    rmr_model_release(open_reranker(tiny->directory));
    tiny_write_text(tiny->directory, file,
                    "{\"modality_config\": {\"message\": {}}}");
    expect_failure(open_as(&model, tiny->directory, RMR_TASK_CLASSIFY, &err),
                   &err, RMR_ERR_UNSUPPORTED, file, "has \"message\"");
    tiny_remove(tiny->directory, "modules.json");
    rmr_model_release(open_reranker(tiny->directory));
    tiny_model_free(tiny);
}

/* The template less some of its bytes, or with more. */
static void refuse_template(const char *file, size_t from, size_t to,
                            const char *more)
{
    char text[1024];
    snprintf(text, sizeof text, "%.*s%s%s", (int)from, answer_template, more,
             answer_template + to);
    refuse(file, text, RMR_ERR_UNSUPPORTED, file, "chat template");
}

static void test_templates_that_are_refused(void **state)
{
    (void)state;
    const char *file = "chat_template.jinja";
    size_t size = strlen(answer_template);
    refuse_template(file, size - 1, size, "");
    refuse_template(file, size, size, "\n");
    refuse_template(file, 0, 40, "");
    size_t at = (size_t)(strstr(answer_template, "<Query>") - answer_template);
    refuse_template(file, at, at + 1, "[");
    refuse_template(file, at - 1, at, "");
    refuse(file, "", RMR_ERR_UNSUPPORTED, file, "chat template");
    refuse(file, NULL, RMR_ERR_UNSUPPORTED, "tokenizer_config.json",
           "chat template");
    /* What follows a NUL counts, too. */
    rmr_error err = {0};
    rmr_model *model;
    char *directory = answer_directory(DECODER), text[1024];
    answer_write_modules(directory);
    memcpy(text, answer_template, size + 1);
    tiny_write(directory, file, text, size + 1);
    expect_failure(open_as(&model, directory, RMR_TASK_CLASSIFY, &err), &err,
                   RMR_ERR_UNSUPPORTED, file, "chat template");
    tiny_write(directory, file, text, size);
    rmr_model_release(open_reranker(directory));
    tiny_remove_directory(directory);
}

static void test_decoders_that_are_refused(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_model *model;
    char *directory = answer_directory(DECODER);
    tiny_write_text(
        directory, "tokenizer.json",
        "{\"version\": \"1.0\", \"model\": {\"type\": \"WordLevel\", "
        "\"unk_token\": \"[UNK]\", \"vocab\": {\"[UNK]\": 0, \"no\": 1}}}");
    expect_failure(open_as(&model, directory, RMR_TASK_CLASSIFY, &err), &err,
                   RMR_ERR_UNSUPPORTED, directory, "\"yes\"");
    expect_failure(open_as(&model, directory, RMR_TASK_TOKEN_CLASSIFY, &err),
                   &err, RMR_ERR_FORMAT, "\"architectures\"",
                   "token-classification");
    tiny_remove_directory(directory);
    directory = answer_directory(DECODER);
    char *config = tiny_read(directory, "config.json", &(size_t){0});
    memcpy(strstr(config, "true"), "null", 4);
    tiny_write_text(directory, "config.json", config);
    free(config);
    expect_failure(open_as(&model, directory, RMR_TASK_CLASSIFY, &err), &err,
                   RMR_ERR_FORMAT, "\"lm_head.weight\"", "missing");
    tiny_remove_directory(directory);
}

/* -------------------------------------------------------------------- tasks
 */

static void check_task(const char *directory, rmr_task expected)
{
    rmr_error err = {0};
    rmr_task task;
    expect_ok(rmr_model_find_task(directory, &task, &err), &err);
    assert_int_equal(task, expected);
}

static void test_which_task(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_model *model;
    char *directory = answer_directory(DECODER);
    check_task(directory, RMR_TASK_EMBED);
    expect_ok(open_as(&model, directory, RMR_TASK_EMBED, &err), &err);
    assert_null(model->answer);
    rmr_model_release(model);
    answer_write_modules(directory);
    check_task(directory, RMR_TASK_CLASSIFY);
    expect_failure(open_as(&model, directory, RMR_TASK_EMBED, &err), &err,
                   RMR_ERR_UNSUPPORTED, "modules.json", "LogitScore");
    tiny_remove_directory(directory);
}

static float score_of(rmr_model *model, const rmr_rerank_options *options)
{
    rmr_error err = {0};
    rmr_text document = text_of("yes fish");
    rmr_engine *engine = start_engine(1);
    rmr_job *job;
    size_t count;
    expect_ok(rmr_rerank_start(engine, model, text_of("no"), &document, 1,
                               options, NULL, NULL, &job, &err),
              &err);
    assert_int_equal(rmr_job_wait(job, 60000), 1);
    float score = rmr_job_ranking(job, &count)->score;
    rmr_job_release(job);
    rmr_engine_stop(engine);
    return score;
}

/* What a default prompt and an activation of the directory's do. */
static void test_scores(void **state)
{
    (void)state;
    rmr_rerank_options options;
    rmr_rerank_options_init(&options);
    char *directory = answer_directory(DECODER);
    rmr_model *model = open_reranker(directory);
    options.instruction = text_of("fish");
    float told = score_of(model, &options);
    options.raw = 1;
    float logit = score_of(model, &options);
    assert_true(fabs(told - 1 / (1 + exp(-(double)logit))) < 1e-6);
    assert_true(fabs(score_of(model, NULL) - told) > 1e-6);
    rmr_model_release(model);
    answer_write_modules(directory);
    model = open_reranker(directory);
    assert_true(score_of(model, NULL) == told);
    rmr_model_release(model);
    tiny_write_text(directory, "config_sentence_transformers.json",
                    "{\"prompts\": {\"p\": \"fish\"}, "
                    "\"default_prompt_name\": \"p\", "
                    "\"activation_fn\": \"torch.nn.modules.linear.Identity\"}");
    model = open_reranker(directory);
    assert_true(score_of(model, NULL) == logit);
    rmr_model_release(model);
    tiny_remove_directory(directory);
}

static void test_other_tasks_are_refused(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_job *job;
    rmr_zero_shot *zero_shot;
    const rmr_candidate label = {.name = "fish"};
    rmr_text text = text_of("fish");
    rmr_engine *engine = start_engine(1);
    char *directory = answer_directory(DECODER);
    rmr_model *model = open_reranker(directory);
    assert_string_equal(rmr_model_label(model, 0), "yes");
    expect_failure(rmr_classify_start(engine, model, &text, 1, NULL, NULL, NULL,
                                      &job, &err),
                   &err, RMR_ERR_UNSUPPORTED, "no labels", "reranks");
    expect_failure(rmr_zero_shot_new(&zero_shot, model, &label, 1, NULL, &err),
                   &err, RMR_ERR_UNSUPPORTED, directory, "entailment");
    rmr_rerank_options options;
    rmr_rerank_options_init(&options);
    options.windows = 1;
    expect_failure(rmr_rerank_start(engine, model, text, &text, 1, &options,
                                    NULL, NULL, &job, &err),
                   &err, RMR_ERR_UNSUPPORTED, directory, "reads no windows");
    rmr_model_release(model);
    tiny_remove_directory(directory);
    /* A cross-encoder is told nothing. */
    tiny_model *tiny =
        tiny_model_new(&(tiny_options){.head = "BertForSequenceClassification",
                                       .num_labels = 1,
                                       .config = ", \"num_labels\": 1"});
    options.windows = 0;
    options.instruction = text;
    model = open_reranker(tiny->directory);
    expect_failure(rmr_rerank_start(engine, model, text, &text, 1, &options,
                                    NULL, NULL, &job, &err),
                   &err, RMR_ERR_RANGE, "instruction", "cross-encoder");
    rmr_model_release(model);
    tiny_model_free(tiny);
    rmr_engine_stop(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_template_is_around_what_is_cut),
        cmocka_unit_test(test_prompt),
        cmocka_unit_test(test_logit_is_of_the_last_token),
        cmocka_unit_test(test_modules_that_are_refused),
        cmocka_unit_test(test_options_that_are_refused),
        cmocka_unit_test(test_templates_that_are_refused),
        cmocka_unit_test(test_decoders_that_are_refused),
        cmocka_unit_test(test_which_task),
        cmocka_unit_test(test_scores),
        cmocka_unit_test(test_other_tasks_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
