/*
 * fault_core.c - memory that runs out: every allocation of an engine's start,
 * of a job, of a request, of a quantization and of an adapter fails in turn,
 * once and from then on. Each time there is an error that says so, nothing
 * leaks, and the same engine works when there is memory again. It also counts
 * what a request allocates.
 *
 * The allocator is compiled in here, faults and all, and every block counted;
 * the linker takes it in place of the library's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/answer_fixture.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/tiny_model.h"
#include "common/model/head.h"
#include "common/model/model.h"

#ifndef RMR_FAULT_INJECTION
#define RMR_FAULT_INJECTION
#endif

static _Atomic long live_blocks;

static void *count_block(void *block)
{
    live_blocks += block != NULL;
    return block;
}

static void *counted_realloc(void *block, size_t size)
{
    void *moved = realloc(block, size);
    live_blocks += moved && !block;
    return moved;
}

static void counted_free(void *block)
{
    live_blocks -= block != NULL;
    free(block);
}

#define malloc(size) count_block(malloc(size))
#define calloc(count, size) count_block(calloc(count, size))
#define aligned_alloc(alignment, size)                                         \
    count_block(aligned_alloc(alignment, size))
#define realloc counted_realloc
#define free counted_free
#include "common/base/alloc.c"
#undef malloc
#undef calloc
#undef aligned_alloc
#undef realloc
#undef free

enum { HIDDEN = 24, TEXTS = 3 };

/* 40 tokens, of which a model takes 30. */
#define TEN "fish fish fish fish fish fish fish fish fish fish "
#define LONG_TEXT TEN TEN TEN TEN

static tiny_model *tiny;
static rmr_model *model;
static rmr_text texts[TEXTS];
static float expected[TEXTS * HIDDEN];

static int open_models(void **state)
{
    (void)state;
    tiny = tiny_model_new(&(tiny_options){.hidden_size = HIDDEN});
    model = open_directory(tiny->directory);
    texts[0] = text_of("fish");
    texts[1] = text_of("the card was charged twice, twice!");
    texts[2] = text_of("");
    rmr_engine *engine = start_engine(1);
    rmr_status status =
        rmr_embed(engine, model, texts, TEXTS, NULL, expected, NULL, NULL);
    rmr_engine_stop(engine);
    return status;
}

static int close_models(void **state)
{
    (void)state;
    rmr_model_release(model);
    tiny_model_free(tiny);
    return live_blocks != 0;
}

/* ------------------------------------------------------------------ faults */

/* Makes one attempt with the nth allocation failing; checks what must be true
 * of any outcome and returns the status. */
typedef rmr_status attempt(uint64_t nth, int forever);

/* Set by an attempt: whether an allocation of it failed. */
static int attempt_failed;

/* Ends what rmr_alloc_fail_at began. */
static void stop_failing(void)
{
    attempt_failed = rmr_alloc_failed();
    rmr_alloc_fail_at(0, 0);
}

/* Fails every allocation of an attempt in turn; returns how many it has. */
static unsigned fail_each(attempt *try, int forever)
{
    for (unsigned nth = 1;; nth++) {
        long before = live_blocks;
        rmr_status status = try(nth, forever);
        assert_int_equal(live_blocks, before);
        assert_int_equal(status, attempt_failed ? RMR_ERR_NOMEM : RMR_OK);
        if (!attempt_failed)
            return nth - 1;
    }
}

static void check_error(rmr_status status, const rmr_error *err)
{
    if (!status)
        return;
    assert_int_equal(status, RMR_ERR_NOMEM);
    assert_int_equal(err->status, RMR_ERR_NOMEM);
    assert_int_equal(strncmp(err->message, "out of memory for ", 18), 0);
    assert_true(strlen(err->message) > 18);
    assert_null(strstr(err->message, "card"));
}

static void check_works(rmr_engine *engine)
{
    float vectors[TEXTS * HIDDEN] = {0};
    assert_int_equal(
        rmr_embed(engine, model, texts, TEXTS, NULL, vectors, NULL, NULL),
        RMR_OK);
    assert_memory_equal(vectors, expected, sizeof expected);
    assert_int_equal(engine_info(engine).jobs, 0);
}

static rmr_status start_three_threads(uint64_t nth, int forever)
{
    rmr_error err;
    rmr_engine *engine = (rmr_engine *)&err;
    rmr_engine_options options;
    rmr_engine_options_init(&options);
    options.threads = 3;
    rmr_alloc_fail_at(nth, forever);
    rmr_status status = rmr_engine_start(&engine, &options, &err);
    stop_failing();
    check_error(status, &err);
    assert_true((status == RMR_OK) == (engine != NULL));
    rmr_engine_stop(engine);
    return status;
}

static void engine_start(void **state)
{
    (void)state;
    /* The engine, its workers, and four blocks for each. */
    assert_int_equal(fail_each(start_three_threads, 0), 14);
    assert_int_equal(fail_each(start_three_threads, 1), 14);
}

/* A new engine each time, so that a thread's own memory is new, too. */
static rmr_status embed_three_texts(uint64_t nth, int forever)
{
    rmr_error err;
    float vectors[TEXTS * HIDDEN], before[TEXTS * HIDDEN];
    rmr_engine *engine = start_engine(1);
    memset(vectors, 0x5a, sizeof vectors);
    memcpy(before, vectors, sizeof before);
    rmr_alloc_fail_at(nth, forever);
    rmr_status status =
        rmr_embed(engine, model, texts, TEXTS, NULL, vectors, NULL, &err);
    stop_failing();
    check_error(status, &err);
    assert_memory_equal(vectors, status ? before : expected, sizeof before);
    check_works(engine);
    rmr_engine_stop(engine);
    return status;
}

static void embed(void **state)
{
    (void)state;
    unsigned count = fail_each(embed_three_texts, 0);
    assert_in_range(count, 10, 60);
    assert_int_equal(fail_each(embed_three_texts, 1), count);
}

static void check_reply(const rmr_http_reply *reply, rmr_status status)
{
    json_t *json = json_loadb(reply->body, reply->len, 0, NULL);
    assert_non_null(json);
    const json_t *data =
        json_is_array(json) ? json : json_object_get(json, "data");
    assert_int_equal(reply->status, status ? 503 : 200);
    assert_int_equal(json_array_size(data), status ? 0 : 2);
    json_decref(json);
}

/* rmr_http_embeddings_start or another route. */
typedef rmr_status start_request(rmr_engine *engine, const char *body,
                                 size_t len, const rmr_http_options *options,
                                 rmr_job_done *done, void *user, rmr_job **out,
                                 rmr_error *err);

static rmr_model *weigher;

static rmr_status request(start_request *start, const char *body, uint64_t nth,
                          int forever)
{
    rmr_named_model named = {"tiny",
                             start == rmr_http_sparse_start ? weigher : model};
    rmr_http_options options;
    rmr_http_options_init(&options);
    options.models = &named;
    options.num_models = 1;
    rmr_error err;
    rmr_job *job;
    rmr_engine *engine = start_engine(1);
    rmr_alloc_fail_at(nth, forever);
    rmr_status status =
        start(engine, body, strlen(body), &options, NULL, NULL, &job, &err);
    int accepted = status == RMR_OK;
    if (accepted)
        assert_int_equal(rmr_job_wait(job, 60000), 1);
    stop_failing();
    if (accepted) {
        status = rmr_job_result(job, &err);
        check_reply(rmr_job_http_reply(job), status);
        rmr_job_release(job);
    } else {
        assert_null(job);
    }
    check_error(status, &err);
    check_works(engine);
    rmr_engine_stop(engine);
    return status;
}

static rmr_status request_floats(uint64_t nth, int forever)
{
    return request(rmr_http_embeddings_start,
                   "{\"model\":\"tiny\",\"input\":[\"the card\",\"fish\"],"
                   "\"user\":[1,2.5,null,{\"a\":true}]}",
                   nth, forever);
}

/* The second text is of two windows. */
static rmr_status request_windows(uint64_t nth, int forever)
{
    return request(rmr_http_embeddings_start,
                   "{\"model\":\"tiny\",\"input\":[\"the card\",\"" LONG_TEXT
                   "\"],\"windows\":true,\"stride\":2}",
                   nth, forever);
}

static rmr_status request_base64(uint64_t nth, int forever)
{
    return request(rmr_http_embeddings_start,
                   "{\"input\":[\"the card\",\"fi\\u0000sh\"],"
                   "\"encoding_format\":\"base64\",\"model\":\"tiny\"}",
                   nth, forever);
}

static rmr_status request_labels(uint64_t nth, int forever)
{
    return request(rmr_http_classify_start,
                   "{\"model\":\"tiny\",\"input\":[\"the card\",\"fish\"],"
                   "\"labels\":[\"a\",\"b\"],\"threshold\":0.9}",
                   nth, forever);
}

static void http_classify(void **state)
{
    (void)state;
    unsigned count = fail_each(request_labels, 0);
    assert_in_range(count, 25, 150);
    assert_int_equal(fail_each(request_labels, 1), count);
}

static rmr_status request_words(uint64_t nth, int forever)
{
    return request(rmr_http_sparse_start,
                   "{\"inputs\":[\"the card\",\"fish\"],\"truncate\":true}",
                   nth, forever);
}

static void http_sparse(void **state)
{
    (void)state;
    rmr_error err;
    rmr_model_options options;
    tiny_model *tiny = tiny_model_new(
        &(tiny_options){.head = "BertForMaskedLM", .pooling = ""});
    rmr_model_options_init(&options);
    options.task = RMR_TASK_EMBED_SPARSE;
    assert_int_equal(rmr_model_open(&weigher, tiny->directory, &options, &err),
                     RMR_OK);
    unsigned count = fail_each(request_words, 0);
    assert_in_range(count, 15, 100);
    assert_int_equal(fail_each(request_words, 1), count);
    rmr_model_release(weigher);
    tiny_model_free(tiny);
}

static void http_embeddings(void **state)
{
    (void)state;
    unsigned count = fail_each(request_floats, 0);
    assert_in_range(count, 15, 100);
    assert_int_equal(fail_each(request_floats, 1), count);
    count = fail_each(request_windows, 0);
    assert_in_range(count, 20, 120);
    assert_int_equal(fail_each(request_windows, 1), count);
    count = fail_each(request_base64, 0);
    assert_in_range(count, 15, 100);
    assert_int_equal(fail_each(request_base64, 1), count);
}

/* Out of memory inside jansson is not the client's fault either. jansson does
 * not notice every time that it lost a byte of a name, and goes on. */
static void http_embeddings_in_jansson(void **state)
{
    (void)state;
    json_set_alloc_funcs(rmr_malloc, rmr_free);
    unsigned failures = 0;
    for (uint64_t nth = 1, any = 1; any; nth++) {
        any = 0;
        for (int i = 0; i < 4; i++) {
            long before = live_blocks;
            rmr_status status =
                (i % 2 ? request_floats : request_base64)(nth, i / 2);
            assert_int_equal(live_blocks, before);
            assert_true(attempt_failed || !status);
            failures += status != RMR_OK;
            any |= (uint64_t)attempt_failed;
        }
    }
    json_set_alloc_funcs(malloc, free);
    assert_true(failures > 100);
}

static rmr_status tokenize(uint64_t nth, int forever)
{
    rmr_error err;
    rmr_tokens *tokens = NULL;
    size_t count = 0;
    rmr_alloc_fail_at(nth, forever);
    rmr_status status = rmr_tokens_new(&tokens, &err);
    assert_true((status == RMR_OK) == (tokens != NULL));
    if (!status) {
        status =
            rmr_tokenize(model, texts[1], 0, RMR_TRUNCATE_END, tokens, &err);
        rmr_tokens_data(tokens, &count);
        assert_true((status == RMR_OK) == (count > 0));
    }
    stop_failing();
    check_error(status, &err);
    rmr_tokens_free(tokens);
    return status;
}

static void tokens(void **state)
{
    (void)state;
    unsigned count = fail_each(tokenize, 0);
    assert_in_range(count, 3, 40);
    assert_int_equal(fail_each(tokenize, 1), count);
}

/* --------------------------------------------------------------- quantizing
 */

static unsigned entries_of(const char *directory)
{
    unsigned count = 0;
    DIR *entries = opendir(directory);
    assert_non_null(entries);
    while (readdir(entries))
        count++;
    closedir(entries);
    return count - 2; /* "." and ".." */
}

static char *folder; /* that an attempt writes in, or opens */

static rmr_status quantize_two_texts(uint64_t nth, int forever)
{
    rmr_error err;
    rmr_quantize_options options;
    const char *out = tiny_path(folder, "out");
    rmr_quantize_options_init(&options);
    options.dtype = RMR_DTYPE_INT4;
    options.texts = texts;
    options.num_texts = 2;
    rmr_alloc_fail_at(nth, forever);
    rmr_status status =
        rmr_model_quantize(tiny->directory, out, &options, &err);
    stop_failing();
    check_error(status, &err);
    assert_int_equal(access(out, F_OK) == 0, status == RMR_OK);
    assert_int_equal(entries_of(folder), status == RMR_OK);
    return status;
}

static rmr_status open_quantized(uint64_t nth, int forever)
{
    rmr_error err;
    rmr_model *quantized = (rmr_model *)&err;
    rmr_alloc_fail_at(nth, forever);
    rmr_status status =
        rmr_model_open(&quantized, tiny_path(folder, "out"), NULL, &err);
    stop_failing();
    check_error(status, &err);
    assert_true((status == RMR_OK) == (quantized != NULL));
    rmr_model_release(quantized);
    return status;
}

static void quantize(void **state)
{
    (void)state;
    folder = tiny_directory();
    unsigned count = fail_each(quantize_two_texts, 1);
    tiny_remove_directory(strdup(tiny_path(folder, "out")));
    assert_in_range(count, 200, 5000);
    assert_int_equal(fail_each(quantize_two_texts, 0), count);
    count = fail_each(open_quantized, 0);
    assert_in_range(count, 50, 2000);
    assert_int_equal(fail_each(open_quantized, 1), count);
    tiny_remove_directory(folder);
}

/* ----------------------------------------------------------------- adapters
 */

static tiny_model *adapted;

static rmr_status open_adapted(uint64_t nth, int forever)
{
    rmr_error err;
    rmr_model *opened = (rmr_model *)&err;
    rmr_model_options options;
    rmr_model_options_init(&options);
    options.task = RMR_TASK_CLASSIFY;
    options.adapter = folder;
    rmr_alloc_fail_at(nth, forever);
    rmr_status status =
        rmr_model_open(&opened, adapted->directory, &options, &err);
    stop_failing();
    check_error(status, &err);
    assert_true((status == RMR_OK) == (opened != NULL));
    rmr_model_release(opened);
    return status;
}

/* A layer's pair, a tensor that the model has, and one that it has not. */
static void adapters(void **state)
{
    (void)state;
    static const float floats[3 * HIDDEN];
#define ROOT "base_model.model."
#define QUERY ROOT "bert.encoder.layer.0.attention.self.query."
    const tiny_part parts[] = {
        {QUERY "lora_A.weight", "F32", "[1,24]", floats, 24 * 4},
        {QUERY "lora_B.weight", "BF16", "[24,1]", floats, 24 * 2},
        {ROOT "classifier.bias", "F32", "[3]", floats, 3 * 4},
        {ROOT "classifier.weight", "F32", "[3,24]", floats, 72 * 4}};
#undef QUERY
#undef ROOT
    folder = tiny_directory();
    tiny_write_text(folder, "adapter_config.json",
                    "{\"peft_type\": \"LORA\", \"r\": 1}");
    tiny_write_parts(folder, "adapter_model.safetensors", parts, 4);
    adapted =
        tiny_model_new(&(tiny_options){.head = "BertForSequenceClassification",
                                       .omit = "classifier.weight",
                                       .config = ", \"num_labels\": 3"});
    unsigned count = fail_each(open_adapted, 0);
    assert_in_range(count, 50, 2000);
    assert_int_equal(fail_each(open_adapted, 1), count);
    tiny_model_free(adapted);
    tiny_remove_directory(folder);
}

/* -------------------------------------------------------------------- heads
 */

static tiny_model *headed;
static rmr_head_kind headed_kind;

static rmr_status bind_head(uint64_t nth, int forever)
{
    rmr_error err;
    rmr_head *head = (rmr_head *)&err;
    rmr_model *owner;
    rmr_model_options options;
    rmr_model_options_init(&options);
    assert_int_equal(
        rmr_model_load(&owner, headed->directory, &options, NULL, &err),
        RMR_OK);
    rmr_alloc_fail_at(nth, forever);
    rmr_status status = rmr_head_bind(&head, headed_kind, owner, &err);
    stop_failing();
    check_error(status, &err);
    assert_true((status == RMR_OK) == (head != NULL));
    rmr_head_free(head);
    rmr_model_unload(owner);
    return status;
}

static void heads(void **state)
{
    (void)state;
    static const char *const configs[] = {
        "", ", \"num_labels\": 3",
        ", \"id2label\": {\"0\": \"a\", \"1\": \"b\", \"2\": \"c\"}"};
    for (int i = 0; i < 3; i++) {
        headed_kind = i ? RMR_HEAD_CLASSIFY : RMR_HEAD_FILL;
        headed = tiny_model_new(&(tiny_options){.head = i ? "BertForSequence"
                                                            "Classification"
                                                          : "BertForMaskedLM",
                                                .dtype = "BF16",
                                                .config = configs[i]});
        unsigned count = fail_each(bind_head, 0);
        assert_in_range(count, 8, 40);
        assert_int_equal(fail_each(bind_head, 1), count);
        tiny_model_free(headed);
    }
}

/* -------------------------------------------------------------------- tasks
 */

static rmr_model *tasked;
static int tasked_of_tokens;
static int with_windows; /* of a long text, behind a prompt */

static rmr_status start_windows(rmr_engine *engine, const rmr_model_info *info,
                                rmr_job **job, rmr_error *err)
{
    rmr_text both[] = {text_of(LONG_TEXT), texts[0]};
    rmr_embed_options embed;
    rmr_classify_options classify;
    rmr_rerank_options rerank;
    rmr_embed_options_init(&embed);
    rmr_classify_options_init(&classify);
    rmr_rerank_options_init(&rerank);
    embed.windows = classify.windows = rerank.windows = 1;
    embed.prompt = texts[0];
    if (info->num_labels == 1)
        return rmr_rerank_start(engine, tasked, texts[0], both, 2, &rerank,
                                NULL, NULL, job, err);
    if (info->num_labels)
        return rmr_classify_start(engine, tasked, both, 2, &classify, NULL,
                                  NULL, job, err);
    return rmr_embed_start(engine, tasked, both, 2, &embed, NULL, NULL, job,
                           err);
}

/* What the model was opened for; of the embedder and of a model with one label,
 * zero-shot and reranking. */
static rmr_status start_task(rmr_engine *engine, rmr_zero_shot **zero_shot,
                             rmr_job **job, rmr_error *err)
{
    const rmr_candidate labels[] = {{.name = "fish"}, {.name = "card"}};
    rmr_model_info info = {.size = sizeof info};
    rmr_embed_tokens_options tokens_options;
    rmr_embed_tokens_options_init(&tokens_options);
    tokens_options.prompt = texts[0];
    rmr_model_get_info(tasked, &info);
    if (with_windows)
        return start_windows(engine, &info, job, err);
    const rmr_text masked[] = {{"the [MASK] [MASK]", 17}, {"[MASK]", 6}};
    if (info.task == RMR_TASK_FILL_MASK)
        return rmr_fill_mask_start(engine, tasked, masked, 2, NULL, NULL, NULL,
                                   job, err);
    if (tasked_of_tokens)
        return rmr_embed_tokens_start(engine, tasked, texts, TEXTS,
                                      &tokens_options, NULL, NULL, job, err);
    if (info.task == RMR_TASK_EMBED_SPARSE)
        return rmr_embed_sparse_start(engine, tasked, texts, TEXTS, NULL, NULL,
                                      NULL, job, err);
    if (info.task == RMR_TASK_TOKEN_CLASSIFY)
        return rmr_token_classify_start(engine, tasked, texts, TEXTS, NULL,
                                        NULL, NULL, job, err);
    if (info.num_labels == 1)
        return rmr_rerank_start(engine, tasked, texts[0], texts, TEXTS, NULL,
                                NULL, NULL, job, err);
    if (info.num_labels == 2)
        return rmr_classify_start(engine, tasked, texts, TEXTS, NULL, NULL,
                                  NULL, job, err);
    rmr_status status =
        rmr_zero_shot_new(zero_shot, tasked, labels, 2, NULL, err);
    if (!status)
        status = rmr_zero_shot_start(engine, *zero_shot, texts, TEXTS,
                                     RMR_TRUNCATE_END, 0, NULL, NULL, job, err);
    return status;
}

static rmr_status run_task(uint64_t nth, int forever)
{
    rmr_error err;
    rmr_job *job = NULL;
    rmr_zero_shot *zero_shot = NULL;
    rmr_engine *engine = start_engine(1);
    rmr_alloc_fail_at(nth, forever);
    rmr_status status = start_task(engine, &zero_shot, &job, &err);
    if (!status) {
        rmr_job_wait(job, UINT64_MAX);
        status = rmr_job_result(job, &err);
    }
    stop_failing();
    check_error(status, &err);
    rmr_job_release(job);
    rmr_zero_shot_release(zero_shot);
    rmr_engine_stop(engine);
    return status;
}

static rmr_status open_task(rmr_model **model, rmr_task task, rmr_error *err)
{
    rmr_model_options options;
    rmr_model_options_init(&options);
    options.task = task;
    return rmr_model_open(model, headed->directory, &options, err);
}

static void fail_task(rmr_task task, const tiny_options *options)
{
    rmr_error err;
    headed = tiny_model_new(options);
    assert_int_equal(open_task(&tasked, task, &err), RMR_OK);
    unsigned count = fail_each(run_task, 0);
    assert_in_range(count, 10, 60);
    assert_int_equal(fail_each(run_task, 1), count);
    rmr_model_release(tasked);
    tiny_model_free(headed);
}

static void windows(void **state)
{
    (void)state;
    static const char classifier[] = "BertForSequenceClassification";
    with_windows = 1;
    fail_task(RMR_TASK_EMBED, &(tiny_options){.hidden_size = HIDDEN});
    fail_task(RMR_TASK_CLASSIFY,
              &(tiny_options){.head = classifier,
                              .num_labels = 1,
                              .max_position_embeddings = 32,
                              .config = ", \"num_labels\": 1"});
    fail_task(RMR_TASK_CLASSIFY,
              &(tiny_options){.head = classifier,
                              .max_position_embeddings = 32,
                              .config = ", \"num_labels\": 3"});
    with_windows = 0;
}

static void tasks(void **state)
{
    (void)state;
    static const char classifier[] = "BertForSequenceClassification";
    fail_task(RMR_TASK_EMBED, &(tiny_options){.hidden_size = HIDDEN});
    tasked_of_tokens = 1;
    fail_task(RMR_TASK_EMBED, &(tiny_options){.hidden_size = HIDDEN});
    tasked_of_tokens = 0;
    fail_task(RMR_TASK_CLASSIFY,
              &(tiny_options){.head = classifier,
                              .num_labels = 1,
                              .config = ", \"num_labels\": 1"});
    fail_task(RMR_TASK_CLASSIFY,
              &(tiny_options){.head = classifier,
                              .num_labels = 2,
                              .config = ", \"num_labels\": 2"});
    fail_task(RMR_TASK_CLASSIFY,
              &(tiny_options){.head = classifier,
                              .config = ", \"id2label\": {\"0\": \"neutral\", "
                                        "\"1\": \"contradiction\", \"2\": "
                                        "\"entailment\"}"});
    fail_task(RMR_TASK_TOKEN_CLASSIFY,
              &(tiny_options){.head = "BertForTokenClassification",
                              .config = ", \"num_labels\": 3"});
    fail_task(RMR_TASK_FILL_MASK, &(tiny_options){.head = "BertForMaskedLM"});
    fail_task(RMR_TASK_EMBED_SPARSE,
              &(tiny_options){.pooling = "", .head = "BertForMaskedLM"});
}

#define MODULE(type, path)                                                     \
    "{\"type\":\"sentence_transformers.models." type "\",\"path\":\"" path "\"}"

static rmr_task headed_task;

static rmr_status open_filler(uint64_t nth, int forever)
{
    rmr_error err;
    rmr_model *model = (rmr_model *)&err;
    rmr_alloc_fail_at(nth, forever);
    rmr_status status = open_task(&model, headed_task, &err);
    stop_failing();
    check_error(status, &err);
    assert_true((status == RMR_OK) == (model != NULL));
    rmr_model_release(model);
    return status;
}

/* A mask token that a file names, and the modules of a SparseEncoder. */
static void fillers(void **state)
{
    (void)state;
    headed = tiny_model_new(&(tiny_options){.head = "BertForMaskedLM"});
    tiny_write_text(headed->directory, "special_tokens_map.json",
                    "{\"mask_token\": {\"content\": \"[MASK]\"}}");
    tiny_write_text(
        headed->directory, "modules.json",
        "[" MODULE("MLMTransformer", "") "," MODULE("SpladePooling", "1") "]");
    tiny_write_text(headed->directory, "1/config.json", "{}");
    for (int i = 0; i < 2; i++) {
        headed_task = i ? RMR_TASK_EMBED_SPARSE : RMR_TASK_FILL_MASK;
        unsigned count = fail_each(open_filler, 0);
        assert_in_range(count, 50, 2000);
        assert_int_equal(fail_each(open_filler, 1), count);
    }
    tiny_model_free(headed);
}

/* --------------------------------------------------------------- rerankers
 */

static rmr_status open_reranker(uint64_t nth, int forever)
{
    rmr_error err;
    rmr_model *opened = NULL;
    rmr_model_options options;
    rmr_model_options_init(&options);
    rmr_alloc_fail_at(nth, forever);
    rmr_status status = rmr_model_find_task(folder, &options.task, &err);
    if (!status)
        status = rmr_model_open(&opened, folder, &options, &err);
    stop_failing();
    check_error(status, &err);
    assert_true((status == RMR_OK) == (opened != NULL));
    rmr_model_release(opened);
    return status;
}

/* A decoder that answers yes or no. */
static void rerankers(void **state)
{
    (void)state;
    rmr_error err;
    rmr_model_options options;
    rmr_model_options_init(&options);
    options.task = RMR_TASK_CLASSIFY;
    folder = answer_directory("Qwen3ForCausalLM");
    answer_write_modules(folder);
    unsigned count = fail_each(open_reranker, 0);
    assert_in_range(count, 100, 2000);
    assert_int_equal(fail_each(open_reranker, 1), count);
    assert_int_equal(rmr_model_open(&tasked, folder, &options, &err), RMR_OK);
    count = fail_each(run_task, 0);
    assert_in_range(count, 10, 60);
    assert_int_equal(fail_each(run_task, 1), count);
    rmr_model_release(tasked);
    tiny_remove_directory(folder);
}

/* ----------------------------------------------------------------- modules */

static rmr_status open_other(uint64_t nth, int forever)
{
    rmr_error err;
    rmr_model *other = (rmr_model *)&err;
    rmr_alloc_fail_at(nth, forever);
    rmr_status status = rmr_model_open(&other, folder, NULL, &err);
    stop_failing();
    check_error(status, &err);
    assert_true((status == RMR_OK) == (other != NULL));
    rmr_model_release(other);
    return status;
}

static rmr_model *prompted;

static rmr_status embed_behind_a_prompt(uint64_t nth, int forever)
{
    rmr_error err;
    float vectors[TEXTS * 2];
    rmr_engine *engine = start_engine(1);
    rmr_alloc_fail_at(nth, forever);
    rmr_status status =
        rmr_embed(engine, prompted, texts, TEXTS, NULL, vectors, NULL, &err);
    stop_failing();
    check_error(status, &err);
    rmr_engine_stop(engine);
    return status;
}

/* Dense, LayerNorm, and a prompt that pooling leaves out. */
static void modules(void **state)
{
    (void)state;
    static const float values[2 * HIDDEN + 8];
    const tiny_part dense[] = {
        {"linear.weight", "F32", "[2,24]", values, 2 * HIDDEN * 4},
        {"linear.bias", "F32", "[2]", values, 8},
        {"residual.weight", "F32", "[2,24]", values, 2 * HIDDEN * 4}};
    const tiny_part norm[] = {{"norm.weight", "F32", "[2]", values, 8},
                              {"norm.bias", "F32", "[2]", values, 8}};
    tiny_model *other = tiny_model_new(&(tiny_options){.hidden_size = HIDDEN});
    folder = other->directory;
    tiny_write_parts(folder, "2_Dense/model.safetensors", dense, 3);
    tiny_write_parts(folder, "3_LayerNorm/model.safetensors", norm, 2);
    tiny_write_text(folder, "2_Dense/config.json",
                    "{\"in_features\":24,\"out_features\":2,"
                    "\"use_residual\":true}");
    tiny_write_text(folder, "3_LayerNorm/config.json", "{\"dimension\":2}");
    tiny_write_text(folder, "1_Pooling/config.json",
                    "{\"pooling_mode\":\"mean\",\"include_prompt\":false}");
    tiny_write_text(
        folder, "modules.json",
        "[" MODULE("Transformer", "") "," MODULE(
            "Pooling",
            "1_Pooling") "," MODULE("Dense",
                                    "2_Dense") "," MODULE("LayerNorm",
                                                          "3_LayerNorm") "]");
    tiny_write_text(folder, "config_sentence_transformers.json",
                    "{\"prompts\":{\"query\":\"the \",\"other\":\"a\"},"
                    "\"default_prompt_name\":\"query\"}");
    unsigned count = fail_each(open_other, 0);
    assert_in_range(count, 60, 2000);
    assert_int_equal(fail_each(open_other, 1), count);
    prompted = open_directory(folder);
    count = fail_each(embed_behind_a_prompt, 0);
    assert_in_range(count, 12, 80);
    assert_int_equal(fail_each(embed_behind_a_prompt, 1), count);
    rmr_model_release(prompted);
    tiny_model_free(other);
}

static void static_embeddings(void **state)
{
    (void)state;
    enum { MOST = 256 };
    static const double values[MOST];
    char shape[16];
    size_t ids = tiny_vocab_size();
    snprintf(shape, sizeof shape, "[%zu]", ids);
    const tiny_part parts[] = {{"embeddings", "F32", "[2,2]", values, 16},
                               {"mapping", "I64", shape, values, 8 * ids},
                               {"weights", "F64", shape, values, 8 * ids}};
    tiny_model *other = tiny_model_new(&(tiny_options){.pooling = ""});
    folder = other->directory;
    assert_true(ids <= MOST);
    tiny_write_text(folder, "config.json", "{\"model_type\":\"model2vec\"}");
    tiny_write_parts(folder, "model.safetensors", parts, 3);
    unsigned count = fail_each(open_other, 0);
    assert_in_range(count, 40, 2000);
    assert_int_equal(fail_each(open_other, 1), count);
    prompted = open_directory(folder);
    count = fail_each(embed_behind_a_prompt, 0);
    assert_in_range(count, 10, 80);
    assert_int_equal(fail_each(embed_behind_a_prompt, 1), count);
    rmr_model_release(prompted);
    tiny_model_free(other);
}

/* ------------------------------------------------------------ steady state */

static void start_counting(void)
{
    rmr_alloc_fail_at((uint64_t)1 << 40, 0);
}

static uint64_t stop_counting(void)
{
    uint64_t count = ((uint64_t)1 << 40) - (uint64_t)fail_countdown;
    rmr_alloc_fail_at(0, 0);
    return count;
}

/* What a thread works in is there after the first jobs: from then on a job is
 * itself, its texts, and three blocks for its results. */
static void a_job_allocates_five_blocks(void **state)
{
    (void)state;
    rmr_engine *engine = start_engine(1);
    for (int i = 0; i < 3; i++)
        check_works(engine);
    for (int i = 0; i < 10; i++) {
        start_counting();
        check_works(engine);
        assert_int_equal(stop_counting(), 5);
    }
    rmr_engine_stop(engine);
}

static uint64_t count_request(rmr_engine *engine, const char *body)
{
    rmr_named_model named = {"tiny", model};
    rmr_http_options options;
    rmr_http_options_init(&options);
    options.models = &named;
    options.num_models = 1;
    rmr_job *job;
    start_counting();
    assert_int_equal(rmr_http_embeddings_start(engine, body, strlen(body),
                                               &options, NULL, NULL, &job,
                                               NULL),
                     RMR_OK);
    assert_int_equal(rmr_job_wait(job, 60000), 1);
    uint64_t count = stop_counting();
    assert_int_equal(rmr_job_http_reply(job)->status, 200);
    rmr_job_release(job);
    return count;
}

/* The job, the exchange, the body and its list of texts, three blocks for the
 * results, and the reply, which grows by doubling; beside what jansson takes
 * for the body and for the model's name. */
static void a_request_allocates_few_blocks(void **state)
{
    (void)state;
    static const char floats[] = "{\"model\":\"tiny\",\"input\":\"the card\"}";
    static const char base64[] =
        "{\"model\":\"tiny\",\"input\":[\"the card\",\"fish\",\"twice\"],"
        "\"encoding_format\":\"base64\"}";
    rmr_engine *engine = start_engine(1);
    count_request(engine, floats);
    count_request(engine, base64);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(count_request(engine, floats), 7 + 3);
        assert_int_equal(count_request(engine, base64), 7 + 5);
    }
    rmr_engine_stop(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engine_start),
        cmocka_unit_test(embed),
        cmocka_unit_test(http_embeddings),
        cmocka_unit_test(http_classify),
        cmocka_unit_test(http_sparse),
        cmocka_unit_test(http_embeddings_in_jansson),
        cmocka_unit_test(tokens),
        cmocka_unit_test(quantize),
        cmocka_unit_test(adapters),
        cmocka_unit_test(heads),
        cmocka_unit_test(tasks),
        cmocka_unit_test(rerankers),
        cmocka_unit_test(fillers),
        cmocka_unit_test(windows),
        cmocka_unit_test(modules),
        cmocka_unit_test(static_embeddings),
        cmocka_unit_test(a_job_allocates_five_blocks),
        cmocka_unit_test(a_request_allocates_few_blocks),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}
