/*
 * test_tasks.c - classification, zero-shot, reranking, token classification,
 * mask filling, sparse vectors and those of tokens as jobs: what they refuse,
 * what they give, and what a job of one task has of another's. It must never
 * let a task run on a model that was opened for another.
 */
#include <math.h>

#include "tests/unit/engine_fixture.h"
#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"

#define NLI                                                                    \
    ", \"id2label\": {\"0\": \"Entailment\", \"1\": \"neutral\", \"2\": "      \
    "\"contradiction\"}"

enum { TEXTS = 3 };

enum { MODELS = 5 };

static tiny_model *tinies[MODELS];
static rmr_model *embedder, *classifier, *ranker, *tagger, *filler, *weigher;
static rmr_engine *engine;
static rmr_text texts[TEXTS];

static rmr_status open_for(rmr_task task, const char *directory,
                           rmr_model **model, rmr_error *err)
{
    rmr_model_options options;
    rmr_model_options_init(&options);
    options.task = task;
    return rmr_model_open(model, directory, &options, err);
}

static rmr_model *open_tiny(tiny_model *tiny, rmr_task task)
{
    rmr_error err = {0};
    rmr_model *model;
    expect_ok(open_for(task, tiny->directory, &model, &err), &err);
    return model;
}

static int open_models(void **state)
{
    (void)state;
    const tiny_options options[] = {
        {.hidden_size = 24},
        {.head = "BertForSequenceClassification", .config = NLI},
        {.head = "BertForSequenceClassification",
         .num_labels = 1,
         .config = ", \"num_labels\": 1"},
        {.head = "BertForTokenClassification",
         .config = ", \"id2label\": {\"0\": \"B-A\", \"1\": \"I-A\", \"2\": "
                   "\"B-B\"}"},
        {.head = "BertForMaskedLM", .pooling = ""}};
    for (int i = 0; i < MODELS; i++)
        tinies[i] = tiny_model_new(&options[i]);
    embedder = open_tiny(tinies[0], RMR_TASK_EMBED);
    classifier = open_tiny(tinies[1], RMR_TASK_CLASSIFY);
    ranker = open_tiny(tinies[2], RMR_TASK_CLASSIFY);
    tagger = open_tiny(tinies[3], RMR_TASK_TOKEN_CLASSIFY);
    filler = open_tiny(tinies[4], RMR_TASK_FILL_MASK);
    weigher = open_tiny(tinies[4], RMR_TASK_EMBED_SPARSE);
    engine = start_engine(2);
    texts[0] = text_of("fish");
    texts[1] = text_of("");
    texts[2] = text_of("the card was charged twice, twice!");
    return 0;
}

static int close_models(void **state)
{
    (void)state;
    rmr_engine_stop(engine);
    rmr_model_release(embedder);
    rmr_model_release(classifier);
    rmr_model_release(ranker);
    rmr_model_release(tagger);
    rmr_model_release(filler);
    rmr_model_release(weigher);
    for (int i = 0; i < MODELS; i++)
        tiny_model_free(tinies[i]);
    return 0;
}

/* ----------------------------------------------------------------- starting
 */

static rmr_job *job_of(rmr_status status, rmr_job *job, const rmr_error *err)
{
    expect_ok(status, err);
    assert_int_equal(rmr_job_wait(job, 60000), 1);
    return job;
}

static rmr_job *classify(const rmr_classify_options *options)
{
    rmr_error err = {0};
    rmr_job *job;
    rmr_status status = rmr_classify_start(engine, classifier, texts, TEXTS,
                                           options, NULL, NULL, &job, &err);
    return job_of(status, job, &err);
}

static rmr_job *rerank(const rmr_rerank_options *options)
{
    rmr_error err = {0};
    rmr_job *job;
    rmr_status status =
        rmr_rerank_start(engine, ranker, text_of("card"), texts, TEXTS, options,
                         NULL, NULL, &job, &err);
    return job_of(status, job, &err);
}

static rmr_job *tag(const rmr_token_classify_options *options)
{
    rmr_error err = {0};
    rmr_job *job;
    rmr_status status = rmr_token_classify_start(
        engine, tagger, texts, TEXTS, options, NULL, NULL, &job, &err);
    return job_of(status, job, &err);
}

static rmr_job *fill(const rmr_text *masked, size_t count,
                     const rmr_fill_mask_options *options)
{
    rmr_error err = {0};
    rmr_job *job;
    rmr_status status = rmr_fill_mask_start(engine, filler, masked, count,
                                            options, NULL, NULL, &job, &err);
    return job_of(status, job, &err);
}

static rmr_job *embed_tokens(const rmr_text *given, size_t count,
                             const rmr_embed_tokens_options *options)
{
    rmr_error err = {0};
    rmr_job *job;
    rmr_status status = rmr_embed_tokens_start(engine, embedder, given, count,
                                               options, NULL, NULL, &job, &err);
    return job_of(status, job, &err);
}

static rmr_zero_shot *labels_of(rmr_model *model, const char *const *names,
                                size_t count,
                                const rmr_zero_shot_options *options)
{
    rmr_error err = {0};
    rmr_candidate candidates[8] = {0};
    rmr_zero_shot *zero_shot;
    for (size_t i = 0; i < count; i++)
        candidates[i].name = names[i];
    expect_ok(
        rmr_zero_shot_new(&zero_shot, model, candidates, count, options, &err),
        &err);
    return zero_shot;
}

static rmr_job *run_zero_shot(rmr_zero_shot *zero_shot)
{
    rmr_error err = {0};
    rmr_job *job;
    rmr_status status =
        rmr_zero_shot_start(engine, zero_shot, texts, TEXTS, RMR_TRUNCATE_END,
                            0, NULL, NULL, &job, &err);
    return job_of(status, job, &err);
}

/* ------------------------------------------------------------------- models
 */

static void models_know_their_task(void **state)
{
    (void)state;
    rmr_model_info info = {.size = sizeof info};
    rmr_model_get_info(classifier, &info);
    assert_int_equal(info.task, RMR_TASK_CLASSIFY);
    assert_int_equal(info.num_labels, 3);
    assert_string_equal(rmr_model_label(classifier, 0), "Entailment");
    assert_string_equal(rmr_model_label(classifier, 2), "contradiction");
    assert_null(rmr_model_label(classifier, 3));
    rmr_model_get_info(embedder, &info);
    assert_int_equal(info.task, RMR_TASK_EMBED);
    assert_int_equal(info.num_labels, 0);
    assert_null(rmr_model_label(embedder, 0));
}

static void the_task_is_found(void **state)
{
    (void)state;
    static const rmr_task expected[] = {
        RMR_TASK_EMBED, RMR_TASK_CLASSIFY, RMR_TASK_CLASSIFY,
        RMR_TASK_TOKEN_CLASSIFY, RMR_TASK_EMBED};
    rmr_error err = {0};
    rmr_task task;
    for (int i = 0; i < MODELS; i++) {
        expect_ok(rmr_model_find_task(tinies[i]->directory, &task, &err), &err);
        assert_int_equal(task, expected[i]);
    }
    expect_ok(rmr_model_find_task("/nowhere", &task, &err), &err);
    assert_int_equal(task, RMR_TASK_EMBED);
}

static void a_directory_is_opened_once_for_each_task(void **state)
{
    (void)state;
    rmr_model *again = open_tiny(tinies[1], RMR_TASK_CLASSIFY);
    rmr_model *other = open_tiny(tinies[1], RMR_TASK_EMBED);
    assert_ptr_equal(again, classifier);
    assert_ptr_not_equal(other, classifier);
    rmr_model_release(again);
    rmr_model_release(other);
}

static void opening_refuses_other_tasks(void **state)
{
    (void)state;
    rmr_error err;
    rmr_model *model;
    rmr_model_options options;
    rmr_model_options_init(&options);
    expect_failure(
        open_for(RMR_TASK_TOKEN_CLASSIFY, tinies[1]->directory, &model, &err),
        &err, RMR_ERR_FORMAT, "token-classification");
    expect_failure(open_for((rmr_task)9, tinies[1]->directory, &model, &err),
                   &err, RMR_ERR_UNSUPPORTED, "task 9");
    options.task = RMR_TASK_CLASSIFY;
    options.pooling = "cls";
    expect_failure(rmr_model_open(&model, tinies[1]->directory, &options, &err),
                   &err, RMR_ERR_RANGE, "no task but embedding");
    options.pooling = NULL;
    options.tokenizer_only = 1;
    expect_failure(rmr_model_open(&model, tinies[1]->directory, &options, &err),
                   &err, RMR_ERR_RANGE, "no task but embedding");
}

/* ------------------------------------------------------------------ results
 */

static void labels_are_the_best_first(void **state)
{
    (void)state;
    rmr_classify_options options;
    rmr_classify_options_init(&options);
    rmr_job *all = classify(NULL);
    options.top_k = 2;
    rmr_job *best = classify(&options);
    for (size_t t = 0; t < TEXTS; t++) {
        size_t count, few;
        const rmr_label_score *every = rmr_job_labels(all, t, &count);
        const rmr_label_score *first = rmr_job_labels(best, t, &few);
        float sum = every[0].score + every[1].score + every[2].score;
        assert_int_equal(count, 3);
        assert_int_equal(few, 2);
        assert_true(every[0].score > every[1].score);
        assert_true(every[1].score > every[2].score);
        assert_true(sum > 1 - 1e-6f && sum < 1 + 1e-6f);
        for (size_t i = 0; i < 2; i++) {
            assert_string_equal(first[i].label,
                                rmr_model_label(classifier, every[i].index));
            assert_true(first[i].score == every[i].score);
        }
    }
    rmr_job_release(all);
    rmr_job_release(best);
}

/* A job has what its task gives, and of its texts no other. */
static void jobs_have_no_other_results(void **state)
{
    (void)state;
    size_t count, dim;
    rmr_job *job = classify(NULL);
    assert_null(rmr_job_labels(job, TEXTS, &count));
    assert_int_equal(count, 0);
    assert_null(rmr_job_embeddings(job, &count, &dim));
    assert_null(rmr_job_ranking(job, &count));
    assert_null(rmr_job_entities(job, 0, &count));
    assert_null(rmr_job_choice(job, 0));
    assert_null(rmr_job_masks(job, 0, &count));
    assert_null(rmr_job_sparse(job, 0, &count));
    assert_null(rmr_job_tokens(job, 0, &count));
    assert_int_equal(count, 0);
    assert_non_null(rmr_job_texts(job, &count));
    assert_int_equal(count, TEXTS);
    rmr_job_release(job);
    job = rerank(NULL);
    assert_null(rmr_job_labels(job, 0, &count));
    assert_non_null(rmr_job_ranking(job, &count));
    assert_int_equal(count, TEXTS);
    rmr_job_release(job);
}

static void equal_scores_keep_their_order(void **state)
{
    (void)state;
    rmr_error err = {0};
    const rmr_text same[] = {texts[0], texts[2], texts[0], texts[0]};
    size_t count, last = 0;
    rmr_job *job;
    rmr_status status = rmr_rerank_start(engine, ranker, texts[2], same, 4,
                                         NULL, NULL, NULL, &job, &err);
    const rmr_ranked *ranking =
        rmr_job_ranking(job_of(status, job, &err), &count);
    for (size_t i = 0; i < 4; i++) {
        if (ranking[i].index == 1)
            continue;
        assert_true(ranking[i].index >= last);
        last = ranking[i].index;
    }
    assert_int_equal(last, 3);
    rmr_job_release(job);
}

static void entities_are_inside_their_text(void **state)
{
    (void)state;
    size_t total = 0;
    rmr_job *job = tag(NULL);
    for (size_t t = 0; t < TEXTS; t++) {
        size_t count;
        const rmr_entity *entities = rmr_job_entities(job, t, &count);
        assert_non_null(entities);
        for (size_t i = 0; i < count; i++)
            assert_true(entities[i].start < entities[i].end &&
                        entities[i].end <= texts[t].len);
        assert_int_equal(count > 0, texts[t].len > 0);
        total += count;
    }
    assert_true(total > 1);
    rmr_job_release(job);
}

static void masks_get_the_best_words(void **state)
{
    (void)state;
    const rmr_text masked[] = {text_of("[MASK]"), text_of("the [MASK] [MASK]")};
    rmr_fill_mask_options options;
    rmr_fill_mask_options_init(&options);
    assert_int_equal(options.top_k, 5);
    options.top_k = 0;
    rmr_job *all = fill(masked, 2, &options), *few = fill(masked, 2, NULL);
    for (size_t t = 0; t < 2; t++) {
        size_t count, num_tokens;
        const rmr_mask *every = rmr_job_masks(all, t, &count);
        const rmr_mask *best = rmr_job_masks(few, t, &count);
        const rmr_token *tokens = rmr_job_tokens(few, t, &num_tokens);
        assert_int_equal(count, t + 1);
        assert_int_equal(num_tokens, 3 + 2 * t);
        for (size_t m = 0; m < count; m++) {
            double sum = 0;
            assert_string_equal(
                rmr_token_string(filler, tokens[best[m].token].id), "[MASK]");
            assert_int_equal(best[m].num_words, 5);
            assert_int_equal(every[m].num_words, tiny_vocab_size());
            assert_memory_equal(best[m].words, every[m].words,
                                5 * sizeof *best[m].words);
            for (size_t w = 0; w < every[m].num_words; w++)
                sum += every[m].words[w].score;
            assert_true(sum > 1 - 1e-5 && sum < 1 + 1e-5);
        }
    }
    size_t count;
    assert_null(rmr_job_masks(all, 2, &count));
    assert_null(rmr_job_tokens(all, 2, &count));
    assert_null(rmr_job_entities(all, 0, &count));
    rmr_job_release(all);
    rmr_job_release(few);
}

/* The same bits alone and beside others, also where more masks than are run at
 * a time are in one batch. */
static void masks_do_not_see_each_other(void **state)
{
    (void)state;
    enum { MANY = 40 };
    rmr_text masked[MANY];
    for (size_t i = 0; i < MANY; i++)
        masked[i] = text_of(i % 3 ? "fish [MASK]" : "[MASK] the [MASK] card");
    rmr_job *whole = fill(masked, MANY, NULL);
    for (size_t i = 0; i < 3; i++) {
        rmr_job *alone = fill(masked + i, 1, NULL);
        size_t count, others;
        const rmr_mask *one = rmr_job_masks(alone, 0, &count);
        for (size_t t = i; t < MANY; t += 3) {
            const rmr_mask *same = rmr_job_masks(whole, t, &others);
            assert_int_equal(others, count);
            for (size_t m = 0; m < count; m++)
                assert_memory_equal(same[m].words, one[m].words,
                                    one[m].num_words * sizeof *one[m].words);
        }
        rmr_job_release(alone);
    }
    rmr_job_release(whole);
}

static void a_text_without_a_mask_is_refused(void **state)
{
    (void)state;
    rmr_error err;
    rmr_fill_mask_options options;
    char cut[512] = "";
    rmr_fill_mask_options_init(&options);
    for (int i = 0; i < 60; i++)
        strcat(cut, "fish ");
    strcat(cut, "[MASK]");
    const rmr_text masked[] = {text_of("[MASK]"), text_of("fish"),
                               text_of(cut)};
    rmr_job *job = fill(masked, 2, NULL);
    size_t count;
    expect_failure(rmr_job_result(job, &err), &err, RMR_ERR_RANGE,
                   "input 1 has no \"[MASK]\" to be filled");
    assert_null(rmr_job_masks(job, 0, &count));
    assert_null(rmr_job_tokens(job, 0, &count));
    rmr_job_release(job);
    job = fill(masked + 2, 1, NULL);
    expect_failure(rmr_job_result(job, &err), &err, RMR_ERR_RANGE,
                   "among the tokens that the model takes");
    rmr_job_release(job);
    options.truncate = RMR_TRUNCATE_START;
    job = fill(masked + 2, 1, &options);
    expect_ok(rmr_job_result(job, &err), &err);
    rmr_job_release(job);
    options.truncate = RMR_TRUNCATE_NONE;
    job = fill(masked + 2, 1, &options);
    expect_failure(rmr_job_result(job, &err), &err, RMR_ERR_TOO_LONG,
                   "input 0 is longer than");
    rmr_job_release(job);
}

static rmr_job *weigh(const rmr_text *given, size_t count,
                      const rmr_embed_sparse_options *options)
{
    rmr_error err = {0};
    rmr_job *job;
    rmr_status status = rmr_embed_sparse_start(engine, weigher, given, count,
                                               options, NULL, NULL, &job, &err);
    return job_of(status, job, &err);
}

/* Also a text that is empty has words, of its special tokens. */
static void weights_are_by_rising_id(void **state)
{
    (void)state;
    rmr_embed_sparse_options options;
    rmr_embed_sparse_options_init(&options);
    options.top_k = 3;
    rmr_job *all = weigh(texts, TEXTS, NULL);
    rmr_job *few = weigh(texts, TEXTS, &options);
    options.top_k = tiny_vocab_size() - 1; /* more than have a weight */
    rmr_job *most = weigh(texts, TEXTS, &options);
    size_t count, kept;
    for (size_t t = 0; t < TEXTS; t++) {
        const rmr_word *every = rmr_job_sparse(all, t, &count);
        const rmr_word *best = rmr_job_sparse(few, t, &kept);
        size_t found = 0;
        assert_in_range(count, 4, tiny_vocab_size() - 1);
        assert_int_equal(kept, 3);
        for (size_t i = 0; i < count; i++) {
            size_t heavier = 0;
            assert_true(every[i].score > 0);
            assert_true(!i || every[i - 1].id < every[i].id);
            for (size_t j = 0; j < count; j++)
                heavier += every[j].score > every[i].score;
            if (heavier < 3)
                assert_memory_equal(&best[found++], &every[i], sizeof *every);
        }
        assert_int_equal(found, 3);
        const rmr_word *same = rmr_job_sparse(most, t, &kept);
        assert_int_equal(kept, count);
        assert_memory_equal(same, every, count * sizeof *same);
        rmr_job *alone = weigh(texts + t, 1, NULL);
        const rmr_word *one = rmr_job_sparse(alone, 0, &kept);
        assert_int_equal(kept, count);
        assert_memory_equal(one, every, count * sizeof *one);
        rmr_job_release(alone);
    }
    assert_null(rmr_job_sparse(all, TEXTS, &count));
    assert_null(rmr_job_masks(all, 0, &count));
    assert_non_null(rmr_job_texts(all, &count));
    assert_int_equal(count, TEXTS);
    rmr_job_release(all);
    rmr_job_release(few);
    rmr_job_release(most);
}

/* Their mean is what pooling makes of them, and unit length is a factor. */
static void tokens_have_vectors(void **state)
{
    (void)state;
    enum { DIM = 24 };
    rmr_error err = {0};
    float pooled[TEXTS * DIM];
    rmr_embed_options as_pooled;
    rmr_embed_tokens_options options;
    rmr_embed_options_init(&as_pooled);
    as_pooled.normalize = RMR_NORMALIZE_OFF;
    expect_ok(rmr_embed(engine, embedder, texts, TEXTS, &as_pooled, pooled,
                        NULL, &err),
              &err);
    rmr_embed_tokens_options_init(&options);
    rmr_job *job = embed_tokens(texts, TEXTS, &options);
    options.normalize = 1;
    rmr_job *units = embed_tokens(texts, TEXTS, &options);
    size_t count, num_tokens, dim;
    for (size_t t = 0; t < TEXTS; t++) {
        const float *rows = rmr_job_token_embeddings(job, t, &count, &dim);
        const rmr_token *tokens = rmr_job_tokens(job, t, &num_tokens);
        double sums[DIM] = {0};
        assert_int_equal(dim, DIM);
        assert_int_equal(count, num_tokens);
        assert_int_equal(count, rmr_job_texts(job, &dim)[t].tokens);
        assert_int_equal(tokens[0].end, 0);
        const float *unit = rmr_job_token_embeddings(units, t, &count, &dim);
        for (size_t i = 0; i < count; i++) {
            double length = 0;
            for (size_t c = 0; c < DIM; c++) {
                sums[c] += rows[i * DIM + c];
                length += (double)rows[i * DIM + c] * rows[i * DIM + c];
            }
            for (size_t c = 0; c < DIM; c++)
                assert_true(fabs(unit[i * DIM + c] -
                                 rows[i * DIM + c] / sqrt(length)) < 1e-6);
        }
        for (size_t c = 0; c < DIM; c++)
            assert_true(fabs(sums[c] / (double)count - pooled[t * DIM + c]) <
                        1e-5);
        rmr_job *alone = embed_tokens(texts + t, 1, NULL);
        const float *one = rmr_job_token_embeddings(alone, 0, &count, &dim);
        assert_int_equal(count, num_tokens);
        assert_memory_equal(one, rows, count * dim * sizeof *one);
        rmr_job_release(alone);
    }
    assert_null(rmr_job_embeddings(job, &count, &dim));
    assert_null(rmr_job_token_embeddings(job, TEXTS, &count, &dim));
    assert_int_equal(count, 0);
    assert_null(rmr_job_masks(job, 0, &count));
    rmr_job_release(job);
    rmr_job_release(units);
}

/* Vectors of texts and of tokens of one model share batches. */
static void tokens_and_texts_do_not_see_each_other(void **state)
{
    (void)state;
    enum { DIM = 24, JOBS = 20 };
    rmr_error err = {0};
    rmr_job *jobs[2 * JOBS];
    rmr_job *whole = embed_tokens(texts, TEXTS, NULL);
    float vectors[TEXTS * DIM];
    size_t count, dim;
    expect_ok(
        rmr_embed(engine, embedder, texts, TEXTS, NULL, vectors, NULL, &err),
        &err);
    for (int i = 0; i < JOBS; i++) {
        expect_ok(rmr_embed_start(engine, embedder, texts, TEXTS, NULL, NULL,
                                  NULL, &jobs[2 * i], &err),
                  &err);
        expect_ok(rmr_embed_tokens_start(engine, embedder, texts, TEXTS, NULL,
                                         NULL, NULL, &jobs[2 * i + 1], &err),
                  &err);
    }
    for (int i = 0; i < JOBS; i++) {
        const float *rows =
            rmr_job_embeddings(job_of(RMR_OK, jobs[2 * i], &err), &count, &dim);
        assert_memory_equal(rows, vectors, sizeof vectors);
        job_of(RMR_OK, jobs[2 * i + 1], &err);
        for (size_t t = 0; t < TEXTS; t++) {
            const float *same =
                rmr_job_token_embeddings(jobs[2 * i + 1], t, &count, &dim);
            rows = rmr_job_token_embeddings(whole, t, &count, &dim);
            assert_memory_equal(same, rows, count * dim * sizeof *rows);
        }
        rmr_job_release(jobs[2 * i]);
        rmr_job_release(jobs[2 * i + 1]);
    }
    rmr_job_release(whole);
}

static void tokens_of_a_prompt_have_no_offsets(void **state)
{
    (void)state;
    rmr_embed_tokens_options options;
    rmr_embed_tokens_options_init(&options);
    options.prompt = text_of("the card ");
    rmr_job *job = embed_tokens(texts, 2, &options);
    static const size_t starts[] = {0, 0, 0, 0, 0}, ends[] = {0, 0, 0, 4, 0};
    size_t count;
    for (size_t t = 0; t < 2; t++) {
        const rmr_token *tokens = rmr_job_tokens(job, t, &count);
        assert_int_equal(count, 5 - t);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(tokens[i].start, starts[i]);
            assert_int_equal(tokens[i].end, t ? 0 : ends[i]);
        }
    }
    rmr_job_release(job);
}

/* A hypothesis is the template with the label in it: the same, whichever of
 * both the words are in. */
static void labels_go_into_the_template(void **state)
{
    (void)state;
    static const char *const names[] = {"fish", "card"};
    static const char *const whole[] = {"a fish.", "a card."};
    rmr_zero_shot_options options;
    rmr_zero_shot_options_init(&options);
    options.hypothesis_template = "a {}.";
    rmr_zero_shot *one = labels_of(classifier, names, 2, &options);
    options.hypothesis_template = "{}";
    rmr_zero_shot *two = labels_of(classifier, whole, 2, &options);
    rmr_job *first = run_zero_shot(one), *second = run_zero_shot(two);
    for (size_t t = 0; t < TEXTS; t++) {
        size_t count;
        const rmr_label_score *a = rmr_job_labels(first, t, &count);
        const rmr_label_score *b = rmr_job_labels(second, t, &count);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(a[i].index, b[i].index);
            assert_true(a[i].score == b[i].score);
        }
        assert_string_equal(rmr_job_choice(first, t), names[a[0].index]);
    }
    rmr_zero_shot_release(one);
    rmr_zero_shot_release(two);
    rmr_job_release(first);
    rmr_job_release(second);
}

/* Of several examples the mean counts; a text that is one example of a label
 * that has no other is that label. */
static void examples_stand_for_a_label(void **state)
{
    (void)state;
    rmr_error err = {0};
    const rmr_candidate labels[] = {
        {"short", &texts[0], 1},
        {"long", &texts[2], 1},
        {"both", (rmr_text[]){texts[0], texts[2]}, 2}};
    rmr_zero_shot *zero_shot;
    rmr_zero_shot_options options;
    rmr_zero_shot_options_init(&options);
    options.multi_label = 1;
    expect_ok(
        rmr_zero_shot_new(&zero_shot, embedder, labels, 3, &options, &err),
        &err);
    rmr_job *jobs[] = {run_zero_shot(zero_shot), run_zero_shot(zero_shot)};
    for (int j = 0; j < 2; j++) {
        size_t count;
        const rmr_label_score *best = rmr_job_labels(jobs[j], 0, &count);
        assert_string_equal(best[0].label, "short");
        assert_true(best[0].score > 1 - 1e-6f);
        assert_string_equal(best[1].label, "both");
        assert_string_equal(rmr_job_choice(jobs[j], 2), "long");
        assert_non_null(rmr_job_texts(jobs[j], &count));
        assert_int_equal(count, TEXTS);
        rmr_job_release(jobs[j]);
    }
    rmr_zero_shot_release(zero_shot);
}

/* ----------------------------------------------------------------- refusals
 */

static void tasks_refuse_other_models(void **state)
{
    (void)state;
    rmr_error err;
    rmr_job *job;
    float vectors[TEXTS * 24];
    expect_failure(rmr_classify_start(engine, embedder, texts, TEXTS, NULL,
                                      NULL, NULL, &job, &err),
                   &err, RMR_ERR_UNSUPPORTED,
                   "opened to embed, not to classify");
    expect_failure(rmr_rerank_start(engine, tagger, texts[0], texts, TEXTS,
                                    NULL, NULL, NULL, &job, &err),
                   &err, RMR_ERR_UNSUPPORTED, "not to classify");
    expect_failure(rmr_rerank_start(engine, classifier, texts[0], texts, TEXTS,
                                    NULL, NULL, NULL, &job, &err),
                   &err, RMR_ERR_UNSUPPORTED, "has one label");
    expect_failure(rmr_token_classify_start(engine, classifier, texts, TEXTS,
                                            NULL, NULL, NULL, &job, &err),
                   &err, RMR_ERR_UNSUPPORTED, "not to token_classify");
    expect_failure(
        rmr_embed(engine, classifier, texts, TEXTS, NULL, vectors, NULL, &err),
        &err, RMR_ERR_UNSUPPORTED, "not to embed");
    expect_failure(rmr_fill_mask_start(engine, embedder, texts, TEXTS, NULL,
                                       NULL, NULL, &job, &err),
                   &err, RMR_ERR_UNSUPPORTED, "not to fill_mask");
    expect_failure(rmr_embed_sparse_start(engine, filler, texts, TEXTS, NULL,
                                          NULL, NULL, &job, &err),
                   &err, RMR_ERR_UNSUPPORTED, "not to embed_sparse");
    expect_failure(rmr_embed_tokens_start(engine, filler, texts, TEXTS, NULL,
                                          NULL, NULL, &job, &err),
                   &err, RMR_ERR_UNSUPPORTED, "not to embed");
    expect_failure(rmr_fill_mask_start(engine, filler, texts, 0, NULL, NULL,
                                       NULL, &job, &err),
                   &err, RMR_ERR_RANGE, "at least one text");
    expect_failure(rmr_classify_start(engine, classifier, texts, 0, NULL, NULL,
                                      NULL, &job, &err),
                   &err, RMR_ERR_RANGE, "at least one text");
}

static void tasks_refuse_options(void **state)
{
    (void)state;
    rmr_error err;
    rmr_job *job;
    rmr_classify_options classify_options;
    rmr_token_classify_options tag_options;
    rmr_rerank_options rerank_options;
    rmr_embed_tokens_options tokens_options;
    rmr_embed_tokens_options_init(&tokens_options);
    tokens_options.prompt = texts[0];
    tokens_options.prompt_name = "query";
    expect_failure(rmr_embed_tokens_start(engine, embedder, texts, TEXTS,
                                          &tokens_options, NULL, NULL, &job,
                                          &err),
                   &err, RMR_ERR_RANGE, "exclude each other");
    rmr_embed_tokens_options_init(&tokens_options);
    tokens_options.prompt_name = "none";
    expect_failure(rmr_embed_tokens_start(engine, embedder, texts, TEXTS,
                                          &tokens_options, NULL, NULL, &job,
                                          &err),
                   &err, RMR_ERR_RANGE, "no prompt \"none\"");
    rmr_embed_sparse_options sparse_options;
    rmr_embed_sparse_options_init(&sparse_options);
    sparse_options.truncate = (rmr_truncate)7;
    expect_failure(rmr_embed_sparse_start(engine, weigher, texts, TEXTS,
                                          &sparse_options, NULL, NULL, &job,
                                          &err),
                   &err, RMR_ERR_RANGE, "truncate has no value 7");
    rmr_classify_options_init(&classify_options);
    classify_options.function = (rmr_score_function)7;
    expect_failure(rmr_classify_start(engine, classifier, texts, TEXTS,
                                      &classify_options, NULL, NULL, &job,
                                      &err),
                   &err, RMR_ERR_RANGE, "function has no value 7");
    rmr_rerank_options_init(&rerank_options);
    rerank_options.truncate = (rmr_truncate)7;
    expect_failure(rmr_rerank_start(engine, ranker, texts[0], texts, TEXTS,
                                    &rerank_options, NULL, NULL, &job, &err),
                   &err, RMR_ERR_RANGE, "truncate has no value 7");
    rmr_token_classify_options_init(&tag_options);
    tag_options.aggregation = (rmr_aggregation)7;
    expect_failure(rmr_token_classify_start(engine, tagger, texts, TEXTS,
                                            &tag_options, NULL, NULL, &job,
                                            &err),
                   &err, RMR_ERR_RANGE, "aggregation has no value 7");
    rmr_token_classify_options_init(&tag_options);
    tag_options.windows = 1;
    tag_options.truncate = RMR_TRUNCATE_NONE;
    expect_failure(rmr_token_classify_start(engine, tagger, texts, TEXTS,
                                            &tag_options, NULL, NULL, &job,
                                            &err),
                   &err, RMR_ERR_RANGE, "which truncate refuses");
}

static void zero_shot_refuses_labels(void **state)
{
    (void)state;
    rmr_error err;
    rmr_zero_shot *zero_shot;
    rmr_zero_shot_options options;
    const rmr_candidate fish = {.name = "fish"};
    const rmr_candidate shown = {"fish", texts, 1};
    const struct {
        rmr_model *model;
        const rmr_candidate *labels;
        size_t count;
        rmr_status status;
        const char *words;
    } cases[] = {
        {classifier, &fish, 0, RMR_ERR_RANGE, "from 1 to 4096 labels"},
        {classifier, (rmr_candidate[]){fish, fish}, 2, RMR_ERR_RANGE,
         "labels 0 and 1 have the same name"},
        {classifier, &(rmr_candidate){.name = ""}, 1, RMR_ERR_RANGE,
         "label 0 has no name"},
        {classifier, &(rmr_candidate){0}, 1, RMR_ERR_RANGE,
         "label 0 has no name"},
        {classifier, &shown, 1, RMR_ERR_RANGE, "label 0 has examples"},
        {ranker, &fish, 1, RMR_ERR_UNSUPPORTED, "must name entailment"},
        {tagger, &fish, 1, RMR_ERR_UNSUPPORTED, "or for embedding"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_failure(rmr_zero_shot_new(&zero_shot, cases[i].model,
                                         cases[i].labels, cases[i].count, NULL,
                                         &err),
                       &err, cases[i].status, cases[i].words);
    rmr_zero_shot_options_init(&options);
    options.threshold = 1.5f;
    expect_failure(
        rmr_zero_shot_new(&zero_shot, classifier, &fish, 1, &options, &err),
        &err, RMR_ERR_RANGE, "from 0 to 1");
    rmr_zero_shot_options_init(&options);
    options.scale = 0;
    expect_failure(
        rmr_zero_shot_new(&zero_shot, embedder, &fish, 1, &options, &err), &err,
        RMR_ERR_RANGE, "scale must be above 0");
}

static void long_texts_are_refused_by_number(void **state)
{
    (void)state;
    char words[400];
    rmr_error err;
    rmr_job *job;
    rmr_rerank_options options;
    memset(words, 'a', sizeof words);
    for (size_t i = 1; i < sizeof words; i += 2)
        words[i] = ' ';
    const rmr_text documents[] = {texts[0], {words, sizeof words}};
    rmr_rerank_options_init(&options);
    options.truncate = RMR_TRUNCATE_NONE;
    expect_ok(rmr_rerank_start(engine, ranker, texts[0], documents, 2, &options,
                               NULL, NULL, &job, &err),
              &err);
    expect_failure(finish_job(job, &err), &err, RMR_ERR_TOO_LONG,
                   "input 1 is longer than the");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_know_their_task),
        cmocka_unit_test(the_task_is_found),
        cmocka_unit_test(a_directory_is_opened_once_for_each_task),
        cmocka_unit_test(opening_refuses_other_tasks),
        cmocka_unit_test(labels_are_the_best_first),
        cmocka_unit_test(jobs_have_no_other_results),
        cmocka_unit_test(equal_scores_keep_their_order),
        cmocka_unit_test(entities_are_inside_their_text),
        cmocka_unit_test(masks_get_the_best_words),
        cmocka_unit_test(weights_are_by_rising_id),
        cmocka_unit_test(tokens_have_vectors),
        cmocka_unit_test(tokens_and_texts_do_not_see_each_other),
        cmocka_unit_test(tokens_of_a_prompt_have_no_offsets),
        cmocka_unit_test(masks_do_not_see_each_other),
        cmocka_unit_test(a_text_without_a_mask_is_refused),
        cmocka_unit_test(labels_go_into_the_template),
        cmocka_unit_test(examples_stand_for_a_label),
        cmocka_unit_test(tasks_refuse_other_models),
        cmocka_unit_test(tasks_refuse_options),
        cmocka_unit_test(zero_shot_refuses_labels),
        cmocka_unit_test(long_texts_are_refused_by_number),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}
