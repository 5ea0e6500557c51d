/*
 * test_entities.c - labels of tokens to entities, beside what the reference's
 * pipeline finds with the same tokenizer and scores; and hostile labels. It
 * must never take an expected value from Remora.
 */
#include <math.h>

#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "common/model/entities.h"

typedef struct expected_entity {
    const char *name;
    float score;
    size_t start, end;
} expected_entity;

typedef struct entity_case {
    size_t file, text, labels;
    uint64_t seed;
    rmr_aggregation aggregation;
    uint32_t window, stride; /* tokens of one, or 0; and of two */
    size_t first, count;     /* of the expected ones */
} entity_case;

#include "tests/unit/entity_cases.inc"

enum { MAX_TOKENS = 128, MAX_LABELS = 8 };

static rmr_tokenizer *tokenizers[LENGTH(files)];

static int open_all(void **state)
{
    (void)state;
    char *directory = tiny_directory();
    for (size_t i = 0; i < LENGTH(files); i++) {
        rmr_error err = {0};
        tiny_write_text(directory, "tokenizer.json", files[i]);
        expect_ok(rmr_tokenizer_open(&tokenizers[i],
                                     tiny_path(directory, "tokenizer.json"),
                                     &err),
                  &err);
    }
    tiny_remove_directory(directory);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(files); i++)
        rmr_tokenizer_close(tokenizers[i]);
    return 0;
}

static rmr_labels labels_of(const char *const *names)
{
    rmr_labels labels = {.names = (char **)names};
    while (names[labels.count])
        labels.count++;
    return labels;
}

/* Scores [count, labels] of a seed, as make_entity_cases.py makes them. */
static void make_scores(uint64_t seed, size_t count, size_t labels,
                        float *scores)
{
    for (size_t i = 0; i < count * labels; i++)
        scores[i] = (float)(((double)(tiny_random(&seed) % 4001) - 2000) / 500);
    for (size_t t = 0; t < count; t++)
        assert_true(rmr_score(RMR_SCORES_SOFTMAX, labels, scores + t * labels));
}

/* What is found in each window, one behind the other. */
static size_t find_all(const entity_case *c, const rmr_encoding *encoding,
                       const rmr_token_place *places, rmr_entity *found)
{
    rmr_labels labels = labels_of(label_lists[c->labels]);
    float scores[MAX_TOKENS * MAX_LABELS];
    const rmr_window whole = {0, encoding->count};
    size_t total = 0, num_windows = c->window ? encoding->num_windows : 1;
    for (size_t w = 0; w < num_windows; w++) {
        rmr_window window = c->window ? encoding->windows[w] : whole;
        size_t first = window.start, count = window.end - window.start;
        make_scores(c->seed + 1000 * w, count, labels.count, scores);
        size_t here =
            rmr_find_entities(&labels, c->aggregation, encoding->tokens + first,
                              places + first, count, scores, found + total);
        for (size_t i = total; i < total + here; i++) {
            found[i].first += first;
            found[i].last += first;
        }
        total += here;
    }
    return num_windows > 1 ? rmr_merge_entities(found, total) : total;
}

static void check_case(const entity_case *c, rmr_encoding *encoding)
{
    rmr_error err = {0};
    rmr_text text = {texts[c->text], strlen(texts[c->text])};
    rmr_token_place places[MAX_TOKENS];
    rmr_entity found[MAX_TOKENS];
    rmr_tokenize_options options;
    rmr_tokenize_options_init(&options);
    options.max_tokens = c->window;
    options.stride = c->stride;
    options.windows = c->window != 0;
    expect_ok(rmr_tokenizer_encode_pair(tokenizers[c->file], text, NULL,
                                        &options, encoding, &err),
              &err);
    assert_in_range(encoding->count, 3, MAX_TOKENS);
    rmr_tokenizer_places(tokenizers[c->file], text, encoding, places);
    size_t count = find_all(c, encoding, places, found);
    assert_int_equal(count, c->count);
    for (size_t i = 0; i < count; i++) {
        const expected_entity *e = &expected[c->first + i];
        assert_string_equal(found[i].name, e->name);
        assert_int_equal(found[i].start, e->start);
        assert_int_equal(found[i].end, e->end);
        assert_true(fabsf(found[i].score - e->score) <= 1e-6f);
        assert_int_equal(encoding->tokens[found[i].first].start, e->start);
        assert_int_equal(encoding->tokens[found[i].last - 1].end, e->end);
    }
}

static void test_entities_are_those_of_the_reference(void **state)
{
    (void)state;
    rmr_encoding encoding = {0};
    for (size_t i = 0; i < LENGTH(cases); i++)
        check_case(&cases[i], &encoding);
    rmr_encoding_free(&encoding);
    print_message("%zu texts, %zu entities\n", LENGTH(cases), LENGTH(expected));
}

/* Three tokens, of the labels given, one word where they are inside. */
static size_t find(const char *const *names, rmr_aggregation aggregation,
                   const size_t chosen[3], int inside, rmr_entity entities[3])
{
    rmr_labels labels = labels_of(names);
    rmr_token tokens[3] = {{0}};
    rmr_token_place places[3] = {RMR_PLACE_BEGINS};
    float scores[3 * MAX_LABELS] = {0};
    for (size_t t = 0; t < 3; t++) {
        tokens[t].start = 2 * t;
        tokens[t].end = 2 * t + 1;
        scores[t * labels.count + chosen[t]] = 0.5f + 0.1f * (float)t;
        if (t && inside)
            places[t] = RMR_PLACE_INSIDE;
    }
    return rmr_find_entities(&labels, aggregation, tokens, places, 3, scores,
                             entities);
}

static void test_hostile_labels(void **state)
{
    (void)state;
    static const char *const names[] = {"B-", "I-", "-", "B", "B-O", "", NULL};
    rmr_entity e[3];
    /* "B-" and "I-" have the empty tag, as "" has. */
    assert_int_equal(
        find(names, RMR_AGGREGATION_SIMPLE, (const size_t[]){0, 1, 5}, 0, e),
        1);
    assert_string_equal(e[0].name, "");
    assert_int_equal(e[0].end, 5);
    assert_true(fabsf(e[0].score - 0.6f) < 1e-6f);
    /* A "-" alone, and a "B" without one, are names. */
    assert_int_equal(
        find(names, RMR_AGGREGATION_SIMPLE, (const size_t[]){2, 3, 3}, 0, e),
        2);
    assert_string_equal(e[0].name, "");
    assert_string_equal(e[1].name, "B");
    /* What is called "O" without its prefix is left out. */
    assert_int_equal(
        find(names, RMR_AGGREGATION_SIMPLE, (const size_t[]){4, 4, 4}, 0, e),
        0);
    assert_int_equal(
        find(names, RMR_AGGREGATION_NONE, (const size_t[]){4, 4, 4}, 0, e), 3);
    assert_string_equal(e[2].name, "B-O");
}

static void test_words_are_of_one_label(void **state)
{
    (void)state;
    static const char *const names[] = {"O", "B-X", "I-Y", NULL};
    const size_t chosen[] = {1, 2, 2};
    rmr_entity e[3];
    assert_int_equal(find(names, RMR_AGGREGATION_FIRST, chosen, 1, e), 1);
    assert_string_equal(e[0].name, "X");
    assert_true(fabsf(e[0].score - 0.5f) < 1e-6f);
    assert_int_equal(find(names, RMR_AGGREGATION_MAX, chosen, 1, e), 1);
    assert_string_equal(e[0].name, "Y");
    assert_true(fabsf(e[0].score - 0.7f) < 1e-6f);
    assert_int_equal(find(names, RMR_AGGREGATION_AVERAGE, chosen, 1, e), 1);
    assert_string_equal(e[0].name, "Y");
    assert_true(fabsf(e[0].score - 1.3f / 3) < 1e-6f);
    assert_int_equal(e[0].last, 3);
    assert_int_equal(find(names, RMR_AGGREGATION_FIRST, chosen, 0, e), 2);
}

static void test_no_tokens(void **state)
{
    (void)state;
    static const char *const names[] = {"O", NULL};
    rmr_labels labels = labels_of(names);
    assert_int_equal(rmr_merge_entities(NULL, 0), 0);
    assert_int_equal(rmr_find_entities(&labels, RMR_AGGREGATION_AVERAGE, NULL,
                                       NULL, 0, NULL, NULL),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entities_are_those_of_the_reference),
        cmocka_unit_test(test_hostile_labels),
        cmocka_unit_test(test_words_are_of_one_label),
        cmocka_unit_test(test_no_tokens),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
