/*
 * test_tokens.c - rmr_tokenize and what goes with it, through a tiny model
 * whose vocabulary is known. What the right tokens of a real text are is the
 * parity tests' business.
 */
#include <pthread.h>

#include "tests/unit/engine_fixture.h"
#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"

enum { UNK = 1, CLS = 2, SEP = 3, THE = 10, CARD = 11, TWICE = 12, FISH = 13 };

static tiny_model *tiny;
static rmr_model *model;

static int open_models(void **state)
{
    (void)state;
    tiny = tiny_model_new(&(tiny_options){0});
    model = open_directory(tiny->directory);
    return 0;
}

static int close_models(void **state)
{
    (void)state;
    rmr_model_release(model);
    tiny_model_free(tiny);
    return 0;
}

static rmr_tokens *new_tokens(void)
{
    rmr_tokens *tokens;
    rmr_error err;
    assert_int_equal(rmr_tokens_new(&tokens, &err), RMR_OK);
    assert_non_null(tokens);
    return tokens;
}

static void expect_ids(const rmr_tokens *tokens, const uint32_t *ids,
                       size_t count)
{
    size_t given;
    const rmr_token *list = rmr_tokens_data(tokens, &given);
    assert_int_equal(given, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(list[i].id, ids[i]);
        assert_int_equal(list[i].type_id, 0);
    }
}

static void a_new_list_is_empty(void **state)
{
    (void)state;
    size_t count = 1;
    rmr_tokens *tokens = new_tokens();
    rmr_tokens_data(tokens, &count);
    assert_int_equal(count, 0);
    assert_int_equal(rmr_tokens_truncated(tokens), 0);
    rmr_tokens_free(tokens);
    rmr_tokens_free(NULL);
}

static void tokens_know_their_bytes(void **state)
{
    (void)state;
    static const uint32_t ids[] = {CLS, THE, CARD, SEP};
    static const size_t spans[][2] = {{0, 0}, {1, 4}, {6, 10}, {0, 0}};
    size_t count;
    rmr_tokens *tokens = new_tokens();
    assert_int_equal(rmr_tokenize(model, text_of(" THE  card "), 0,
                                  RMR_TRUNCATE_END, tokens, NULL),
                     RMR_OK);
    expect_ids(tokens, ids, 4);
    const rmr_token *list = rmr_tokens_data(tokens, &count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(list[i].start, spans[i][0]);
        assert_int_equal(list[i].end, spans[i][1]);
    }
    rmr_tokens_free(tokens);
}

static void any_bytes_are_a_text(void **state)
{
    (void)state;
    static const uint32_t empty[] = {CLS, SEP};
    static const uint32_t unknown[] = {CLS, UNK, FISH, SEP};
    /* NUL is a control character, which the normalizer removes. */
    static const uint32_t joined[] = {CLS, FISH, SEP};
    rmr_text nothing = {NULL, 0}, nul = {"fi\0sh", 5};
    rmr_tokens *tokens = new_tokens();
    assert_int_equal(
        rmr_tokenize(model, nothing, 0, RMR_TRUNCATE_END, tokens, NULL),
        RMR_OK);
    expect_ids(tokens, empty, LENGTH(empty));
    assert_int_equal(
        rmr_tokenize(model, nul, 0, RMR_TRUNCATE_END, tokens, NULL), RMR_OK);
    expect_ids(tokens, joined, LENGTH(joined));
    assert_int_equal(rmr_tokenize(model, text_of("\xe2\x82\xac fish\xff"), 0,
                                  RMR_TRUNCATE_END, tokens, NULL),
                     RMR_OK);
    expect_ids(tokens, unknown, LENGTH(unknown));
    rmr_tokens_free(tokens);
}

static void a_limit_cuts_where_it_is_told(void **state)
{
    (void)state;
    static const uint32_t whole[] = {CLS, FISH, THE, CARD, TWICE, SEP};
    static const uint32_t end[] = {CLS, FISH, THE, SEP};
    static const uint32_t start[] = {CLS, CARD, TWICE, SEP};
    static const uint32_t none[] = {CLS, SEP};
    rmr_text text = text_of("fish the card twice");
    rmr_tokens *tokens = new_tokens();
    static const uint32_t enough[] = {0, 6, 7};
    for (size_t i = 0; i < LENGTH(enough); i++) {
        for (rmr_truncate t = RMR_TRUNCATE_END; t <= RMR_TRUNCATE_NONE; t++) {
            assert_int_equal(
                rmr_tokenize(model, text, enough[i], t, tokens, NULL), RMR_OK);
            expect_ids(tokens, whole, LENGTH(whole));
            assert_int_equal(rmr_tokens_truncated(tokens), 0);
        }
    }
    assert_int_equal(
        rmr_tokenize(model, text, 4, RMR_TRUNCATE_END, tokens, NULL), RMR_OK);
    expect_ids(tokens, end, LENGTH(end));
    assert_int_equal(rmr_tokens_truncated(tokens), 1);
    assert_int_equal(
        rmr_tokenize(model, text, 4, RMR_TRUNCATE_START, tokens, NULL), RMR_OK);
    expect_ids(tokens, start, LENGTH(start));
    assert_int_equal(rmr_tokens_truncated(tokens), 1);
    assert_int_equal(
        rmr_tokenize(model, text, 2, RMR_TRUNCATE_START, tokens, NULL), RMR_OK);
    expect_ids(tokens, none, LENGTH(none));
    assert_int_equal(rmr_tokens_truncated(tokens), 1);
    assert_int_equal(
        rmr_tokenize(model, text_of(""), 2, RMR_TRUNCATE_END, tokens, NULL),
        RMR_OK);
    assert_int_equal(rmr_tokens_truncated(tokens), 0);
    rmr_tokens_free(tokens);
}

static void the_model_s_own_limit_does_not_apply(void **state)
{
    (void)state;
    char text[1001];
    size_t count;
    memset(text, '!', 1000);
    text[1000] = '\0';
    rmr_tokens *tokens = new_tokens();
    assert_int_equal(
        rmr_tokenize(model, text_of(text), 0, RMR_TRUNCATE_NONE, tokens, NULL),
        RMR_OK);
    rmr_tokens_data(tokens, &count);
    assert_int_equal(count, 1002);
    rmr_tokens_free(tokens);
}

/* After an error the list is empty, not what it was. */
static void an_error_leaves_nothing(void **state)
{
    (void)state;
    rmr_error err;
    size_t count = 1;
    rmr_text text = text_of("fish the card twice");
    rmr_tokens *tokens = new_tokens();
    assert_int_equal(
        rmr_tokenize(model, text, 3, RMR_TRUNCATE_END, tokens, NULL), RMR_OK);
    assert_int_equal(
        rmr_tokenize(model, text, 5, RMR_TRUNCATE_NONE, tokens, &err),
        RMR_ERR_TOO_LONG);
    assert_int_equal(err.status, RMR_ERR_TOO_LONG);
    assert_null(strstr(err.message, "fish"));
    rmr_tokens_data(tokens, &count);
    assert_int_equal(count, 0);
    assert_int_equal(rmr_tokens_truncated(tokens), 0);
    assert_int_equal(
        rmr_tokenize(model, text, 1, RMR_TRUNCATE_END, tokens, &err),
        RMR_ERR_RANGE);
    assert_non_null(strstr(err.message, "special"));
    assert_int_equal(
        rmr_tokenize(model, text, 1, RMR_TRUNCATE_END, tokens, NULL),
        RMR_ERR_RANGE);
    assert_int_equal(
        rmr_tokenize(model, text, 0, RMR_TRUNCATE_END, tokens, NULL), RMR_OK);
    rmr_tokens_data(tokens, &count);
    assert_int_equal(count, 6);
    rmr_tokens_free(tokens);
}

static void ids_have_strings(void **state)
{
    (void)state;
    static const char *const first[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]",
                                        "[MASK]"};
    for (uint32_t id = 0; id < LENGTH(first); id++)
        assert_string_equal(rmr_token_string(model, id), first[id]);
    assert_string_equal(rmr_token_string(model, TWICE), "twice");
    assert_string_equal(rmr_token_string(model, FISH + 1), "##ing");
    for (uint32_t id = 0; id < tiny_vocab_size(); id++)
        assert_non_null(rmr_token_string(model, id));
    assert_null(rmr_token_string(model, tiny_vocab_size()));
    assert_null(rmr_token_string(model, UINT32_MAX));
}

/* Tokenizes with a list of its own; returns it when all was right. */
static void *tokenize_often(void *tokens)
{
    int good = 1;
    for (unsigned i = 0; i < 300; i++) {
        char text[64];
        size_t count;
        snprintf(text, sizeof text, "%.*s", (int)(i % 40),
                 "! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ");
        good &= rmr_tokenize(model, text_of(text), 12, RMR_TRUNCATE_START,
                             tokens, NULL) == RMR_OK;
        rmr_tokens_data(tokens, &count);
        size_t own = (i % 40 + 1) / 2;
        good &= count == 2 + (own < 10 ? own : 10);
        good &= rmr_tokens_truncated(tokens) == (own > 10);
    }
    return good ? tokens : NULL;
}

static void threads_share_a_model(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    rmr_tokens *lists[THREADS];
    for (int i = 0; i < THREADS; i++) {
        lists[i] = new_tokens();
        assert_int_equal(
            pthread_create(&threads[i], NULL, tokenize_often, lists[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, lists[i]);
        rmr_tokens_free(lists[i]);
    }
}

static rmr_model *open_tokenizer(void)
{
    rmr_model *tokenizer;
    rmr_model_options options;
    rmr_model_options_init(&options);
    options.tokenizer_only = 1;
    assert_int_equal(
        rmr_model_open(&tokenizer, tiny->directory, &options, NULL), RMR_OK);
    return tokenizer;
}

/* The default limit of a chunk is the model's own, also where only the
 * tokenizer was opened. */
static void chunks_fit_the_model(void **state)
{
    (void)state;
    enum { WORDS = 40 };
    char text[5 * WORDS + 1];
    const rmr_chunk *chunks;
    size_t count;
    rmr_tokens *tokens = new_tokens();
    rmr_model *const both[] = {model, open_tokenizer()};
    for (int i = 0; i < WORDS; i++)
        memcpy(text + 5 * i, "fish ", 6);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rmr_chunk_text(both[i], text_of(text), NULL, tokens,
                                        &chunks, &count, NULL),
                         RMR_OK);
        assert_int_equal(count, 2);
        assert_int_equal(chunks[0].tokens, 32);
        assert_int_equal(chunks[1].tokens, 12);
    }
    rmr_model_release(both[1]);
    rmr_tokens_free(tokens);
}

static void chunks_need_a_limit(void **state)
{
    (void)state;
    const rmr_chunk *chunks;
    size_t count;
    rmr_error err;
    rmr_chunk_options options;
    rmr_tokens *tokens = new_tokens();
    rmr_text text = text_of("fish");
    tiny_remove(tiny->directory, "config.json");
    tiny_remove(tiny->directory, "modules.json");
    rmr_model *tokenizer = open_tokenizer();
    rmr_chunk_options_init(&options);
    options.max_tokens = 3;
    assert_int_equal(rmr_chunk_text(tokenizer, text, &options, tokens, &chunks,
                                    &count, &err),
                     RMR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(
        rmr_chunk_text(tokenizer, text, NULL, tokens, &chunks, &count, &err),
        RMR_ERR_RANGE);
    assert_int_equal(count, 0);
    assert_non_null(strstr(err.message, "max_tokens"));
    rmr_model_release(tokenizer);
    rmr_tokens_free(tokens);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_list_is_empty),
        cmocka_unit_test(tokens_know_their_bytes),
        cmocka_unit_test(any_bytes_are_a_text),
        cmocka_unit_test(a_limit_cuts_where_it_is_told),
        cmocka_unit_test(the_model_s_own_limit_does_not_apply),
        cmocka_unit_test(an_error_leaves_nothing),
        cmocka_unit_test(ids_have_strings),
        cmocka_unit_test(threads_share_a_model),
        cmocka_unit_test(chunks_fit_the_model),
        cmocka_unit_test(chunks_need_a_limit),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}
