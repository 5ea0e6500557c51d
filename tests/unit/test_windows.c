/*
 * test_windows.c - long texts in windows: what comes of them is what the
 * windows give one by one, put together by hand. It must never let the option
 * change a text that needs one window alone.
 */
#include <math.h>

#include "tests/unit/engine_fixture.h"
#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"

enum { DIM = 24, LETTERS = 100, MAX_TOKENS = 32, MOST_WINDOWS = 64 };

static tiny_model *tinies[4];
static rmr_model *embedder, *prompted, *classifier, *ranker;
static rmr_engine *engine;
static char letters[2 * LETTERS]; /* a word, and a token, each */

static rmr_model *open_for(rmr_task task, const tiny_model *tiny)
{
    rmr_error err = {0};
    rmr_model *model;
    rmr_model_options options;
    rmr_model_options_init(&options);
    options.task = task;
    expect_ok(rmr_model_open(&model, tiny->directory, &options, &err), &err);
    return model;
}

static int open_models(void **state)
{
    (void)state;
    tinies[0] = tiny_model_new(&(tiny_options){.hidden_size = DIM});
    tinies[1] =
        tiny_model_new(&(tiny_options){.head = "BertForSequenceClassification",
                                       .config = ", \"num_labels\": 3",
                                       .max_position_embeddings = MAX_TOKENS});
    tinies[2] =
        tiny_model_new(&(tiny_options){.head = "BertForSequenceClassification",
                                       .num_labels = 1,
                                       .config = ", \"num_labels\": 1",
                                       .max_position_embeddings = MAX_TOKENS});
    tiny_write_text(tinies[0]->directory, "config_sentence_transformers.json",
                    "{\"prompts\": {\"query\": \"b c d \"}}");
    tinies[3] = tiny_model_new(&(tiny_options){.hidden_size = DIM});
    tiny_write_text(tinies[3]->directory, "1_Pooling/config.json",
                    "{\"pooling_mode\": \"mean\", \"include_prompt\": false}");
    embedder = open_for(RMR_TASK_EMBED, tinies[0]);
    prompted = open_for(RMR_TASK_EMBED, tinies[3]);
    classifier = open_for(RMR_TASK_CLASSIFY, tinies[1]);
    ranker = open_for(RMR_TASK_CLASSIFY, tinies[2]);
    engine = start_engine(2);
    for (size_t i = 0; i < LETTERS; i++) {
        letters[2 * i] = (char)('a' + i * i % 23);
        letters[2 * i + 1] = ' ';
    }
    letters[2 * LETTERS - 1] = '\0';
    return 0;
}

static int close_models(void **state)
{
    (void)state;
    rmr_engine_stop(engine);
    rmr_model_release(embedder);
    rmr_model_release(prompted);
    rmr_model_release(classifier);
    rmr_model_release(ranker);
    for (int i = 0; i < 4; i++)
        tiny_model_free(tinies[i]);
    return 0;
}

/* ------------------------------------------------------------- by the chunk
 */

/* The windows of `letters` as chunks, the texts of their own. */
static size_t chunk(uint32_t max_tokens, uint32_t overlap, rmr_text *parts)
{
    rmr_error err = {0};
    rmr_tokens *tokens;
    const rmr_chunk *chunks;
    size_t count;
    rmr_chunk_options options;
    rmr_chunk_options_init(&options);
    options.max_tokens = max_tokens;
    options.overlap = overlap;
    options.boundary = RMR_BOUNDARY_TOKEN;
    expect_ok(rmr_tokens_new(&tokens, &err), &err);
    expect_ok(rmr_chunk_text(embedder, text_of(letters), &options, tokens,
                             &chunks, &count, &err),
              &err);
    assert_in_range(count, 2, MOST_WINDOWS);
    for (size_t i = 0; i < count; i++)
        parts[i] = (rmr_text){letters + chunks[i].start,
                              chunks[i].end - chunks[i].start};
    rmr_tokens_free(tokens);
    return count;
}

/* The mean of the parts' vectors of full length, then as `options` has it. */
static void expect_mean(rmr_model *model, const rmr_text *parts, size_t count,
                        rmr_embed_options options, float *mean)
{
    uint32_t dim = options.dimensions ? options.dimensions : DIM;
    float vectors[MOST_WINDOWS * DIM];
    double sums[DIM] = {0}, total = 0, square = 0;
    options.windows = 0;
    options.stride = options.dimensions = 0;
    rmr_error err = {0};
    expect_ok(
        rmr_embed(engine, model, parts, count, &options, vectors, NULL, &err),
        &err);
    for (size_t i = 0; i < count; i++) {
        double weight = (double)(parts[i].len / 2 + 1);
        total += weight;
        for (size_t d = 0; d < DIM; d++)
            sums[d] += weight * (double)vectors[i * DIM + d];
    }
    for (size_t d = 0; d < dim; d++)
        square += sums[d] * sums[d];
    if (options.normalize == RMR_NORMALIZE_OFF)
        square = total * total;
    for (size_t d = 0; d < dim; d++)
        mean[d] = (float)(sums[d] / sqrt(square));
}

static void check_mean_of(rmr_model *model, const rmr_embed_options *options,
                          uint32_t max_tokens)
{
    rmr_text text = text_of(letters), parts[MOST_WINDOWS];
    size_t count = chunk(max_tokens, options->stride, parts);
    uint32_t dim = options->dimensions ? options->dimensions : DIM;
    float vector[DIM], expected[DIM];
    rmr_text_result result;
    rmr_error err = {0};
    expect_ok(
        rmr_embed(engine, model, &text, 1, options, vector, &result, &err),
        &err);
    expect_mean(model, parts, count, *options, expected);
    for (size_t d = 0; d < dim; d++)
        assert_float_equal(vector[d], expected[d], 1e-6);
    assert_int_equal(result.windows, count);
    assert_int_equal(result.truncated, 0);
    assert_true(result.tokens >= LETTERS + 2 * count);
}

static void check_mean(const rmr_embed_options *options, uint32_t max_tokens)
{
    check_mean_of(embedder, options, max_tokens);
}

static rmr_embed_options windowed(void)
{
    rmr_embed_options options;
    rmr_embed_options_init(&options);
    options.windows = 1;
    return options;
}

static void a_vector_is_the_mean(void **state)
{
    (void)state;
    rmr_embed_options options = windowed();
    check_mean(&options, MAX_TOKENS);
    options.normalize = RMR_NORMALIZE_OFF;
    check_mean(&options, MAX_TOKENS);
    options.normalize = RMR_NORMALIZE_MODEL;
    options.dimensions = 7;
    check_mean(&options, MAX_TOKENS);
    options.stride = 5;
    check_mean(&options, MAX_TOKENS);
}

static void each_window_has_the_prompt(void **state)
{
    (void)state;
    rmr_embed_options options = windowed();
    options.prompt_name = "query";
    check_mean(&options, MAX_TOKENS - 3);
}

static void pooling_leaves_each_prompt_out(void **state)
{
    (void)state;
    rmr_embed_options options = windowed();
    options.prompt = text_of("b c d ");
    options.stride = 2;
    check_mean_of(prompted, &options, MAX_TOKENS - 3);
}

static void a_short_text_has_the_same_bits(void **state)
{
    (void)state;
    rmr_embed_options plain, options = windowed();
    rmr_embed_options_init(&plain);
    rmr_text texts[] = {text_of("fish"), text_of(letters), text_of(""),
                        text_of("the card was charged")};
    float together[4 * DIM], cut[4 * DIM], alone[DIM];
    rmr_text_result results[4];
    rmr_error err = {0};
    for (uint32_t dimensions = 0; dimensions < 8; dimensions += 7) {
        size_t dim = dimensions ? dimensions : DIM;
        plain.dimensions = options.dimensions = dimensions;
        expect_ok(rmr_embed(engine, embedder, texts, 4, &options, together,
                            results, &err),
                  &err);
        expect_ok(
            rmr_embed(engine, embedder, texts, 4, &plain, cut, NULL, &err),
            &err);
        expect_ok(rmr_embed(engine, embedder, &texts[1], 1, &options, alone,
                            NULL, &err),
                  &err);
        memcpy(cut + dim, alone, dim * sizeof *cut);
        assert_memory_equal(together, cut, 4 * dim * sizeof *cut);
        assert_int_equal(results[0].windows, 1);
        assert_int_equal(results[1].windows, 4);
        assert_int_equal(results[2].windows, 1);
    }
}

/* ------------------------------------------------------------------- scores
 */

static rmr_job *classify(const rmr_text *texts, size_t count, int windows,
                         rmr_score_function function)
{
    rmr_error err = {0};
    rmr_job *job;
    rmr_classify_options options;
    rmr_classify_options_init(&options);
    options.windows = windows;
    options.function = function;
    expect_ok(rmr_classify_start(engine, classifier, texts, count, &options,
                                 NULL, NULL, &job, &err),
              &err);
    assert_int_equal(rmr_job_wait(job, 60000), 1);
    expect_ok(rmr_job_result(job, &err), &err);
    return job;
}

/* The scores of a text in the order of the labels. */
static void read_scores(const rmr_job *job, size_t text, float scores[3])
{
    size_t count;
    const rmr_label_score *labels = rmr_job_labels(job, text, &count);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++)
        scores[labels[i].index] = labels[i].score;
}

static void a_label_has_its_best_score(void **state)
{
    (void)state;
    rmr_text texts[2] = {text_of("fish"), text_of(letters)};
    rmr_text parts[MOST_WINDOWS];
    size_t count = chunk(MAX_TOKENS, 0, parts), num_results;
    for (int f = RMR_SCORE_MODEL; f <= RMR_SCORE_NONE; f++) {
        float best[3] = {-INFINITY, -INFINITY, -INFINITY}, scores[3];
        rmr_job *whole = classify(texts, 2, 1, (rmr_score_function)f);
        rmr_job *each = classify(parts, count, 0, (rmr_score_function)f);
        rmr_job *plain = classify(texts, 1, 0, (rmr_score_function)f);
        for (size_t i = 0; i < count; i++) {
            read_scores(each, i, scores);
            for (int k = 0; k < 3; k++)
                best[k] = fmaxf(best[k], scores[k]);
        }
        read_scores(whole, 1, scores);
        assert_memory_equal(scores, best, sizeof best);
        read_scores(whole, 0, scores);
        read_scores(plain, 0, best);
        assert_memory_equal(scores, best, sizeof best);
        const rmr_text_result *results = rmr_job_texts(whole, &num_results);
        assert_int_equal(num_results, 2);
        assert_int_equal(results[1].windows, count);
        assert_int_equal(results[1].truncated, 0);
        rmr_job_release(whole);
        rmr_job_release(each);
        rmr_job_release(plain);
    }
}

static rmr_status rerank(rmr_text query, const rmr_text *documents,
                         size_t count, int windows, float *scores,
                         rmr_error *err)
{
    rmr_job *job;
    rmr_rerank_options options;
    rmr_rerank_options_init(&options);
    options.windows = windows;
    expect_ok(rmr_rerank_start(engine, ranker, query, documents, count,
                               &options, NULL, NULL, &job, err),
              err);
    assert_int_equal(rmr_job_wait(job, 60000), 1);
    rmr_status status = rmr_job_result(job, err);
    const rmr_ranked *ranking = rmr_job_ranking(job, &count);
    for (size_t i = 0; i < count; i++)
        scores[ranking[i].index] = ranking[i].score;
    rmr_job_release(job);
    return status;
}

static void a_document_has_its_best_score(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_text query = text_of("a b c"), parts[MOST_WINDOWS];
    rmr_text documents[2] = {text_of(letters), text_of("fish")};
    /* A pair has the query's tokens more, and not [CLS] and [SEP]. */
    size_t count = chunk(MAX_TOKENS - 3 + 2, 0, parts);
    float whole[2], each[MOST_WINDOWS], plain[2], best = -INFINITY;
    expect_ok(rerank(query, documents, 2, 1, whole, &err), &err);
    expect_ok(rerank(query, parts, count, 0, each, &err), &err);
    expect_ok(rerank(query, documents, 2, 0, plain, &err), &err);
    for (size_t i = 0; i < count; i++)
        best = fmaxf(best, each[i]);
    assert_memory_equal(&whole[0], &best, sizeof best);
    assert_memory_equal(&whole[1], &plain[1], sizeof best);
    assert_int_equal(rerank(text_of(letters), documents, 2, 1, whole, &err),
                     RMR_ERR_TOO_LONG);
    assert_non_null(strstr(err.message, "leaves it no room in the 32 tokens"));
}

/* ----------------------------------------------------------------- refusals
 */

static void expect_refused(const rmr_embed_options *options, const char *words)
{
    rmr_error err = {0};
    rmr_text text = text_of(letters);
    float vector[DIM];
    assert_int_equal(
        rmr_embed(engine, embedder, &text, 1, options, vector, NULL, &err),
        RMR_ERR_RANGE);
    assert_non_null(strstr(err.message, words));
}

static void options_that_are_refused(void **state)
{
    (void)state;
    rmr_embed_options options = windowed();
    options.truncate = RMR_TRUNCATE_NONE;
    expect_refused(&options, "which truncate refuses");
    options = windowed();
    options.stride = MAX_TOKENS - 2;
    expect_refused(&options, "is not below the 30");
    options.windows = 0;
    expect_refused(&options, "stride is that of windows");
}

static void check_small_queue(uint64_t queue_bytes)
{
    rmr_error err = {0};
    rmr_engine *small;
    rmr_engine_options engine_options;
    rmr_engine_options_init(&engine_options);
    engine_options.threads = 1;
    engine_options.queue_bytes = queue_bytes;
    expect_ok(rmr_engine_start(&small, &engine_options, &err), &err);
    rmr_embed_options options = windowed();
    rmr_text texts[] = {text_of("fish"), text_of(letters)};
    float vectors[2 * DIM];
    assert_int_equal(
        rmr_embed(small, embedder, texts, 2, &options, vectors, NULL, &err),
        RMR_ERR_TOO_LONG);
    assert_non_null(strstr(err.message, "the windows of input 1"));
    expect_ok(
        rmr_embed(small, embedder, texts, 1, &options, vectors, NULL, &err),
        &err);
    options.windows = 0;
    expect_ok(
        rmr_embed(small, embedder, texts, 2, &options, vectors, NULL, &err),
        &err);
    rmr_engine_stop(small);
}

/* Not even the tokens, or not what comes of them. */
static void windows_that_the_queue_cannot_hold(void **state)
{
    (void)state;
    check_small_queue(2000);
    check_small_queue(3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vector_is_the_mean),
        cmocka_unit_test(each_window_has_the_prompt),
        cmocka_unit_test(pooling_leaves_each_prompt_out),
        cmocka_unit_test(a_short_text_has_the_same_bits),
        cmocka_unit_test(a_label_has_its_best_score),
        cmocka_unit_test(a_document_has_its_best_score),
        cmocka_unit_test(options_that_are_refused),
        cmocka_unit_test(windows_that_the_queue_cannot_hold),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}
