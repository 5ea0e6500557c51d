/*
 * test_tokenizer_json.c - what a tokenizer.json must not say: parts missing,
 * of a wrong type, absurd, or not supported. Every refusal names the file and
 * the path in it; what the reference opens without harm opens.
 */
#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "tokenizer/tokenizer.h"

/* The parts of a good file; a test replaces one. */
typedef struct parts {
    const char *first; /* before all others */
    const char *added_tokens;
    const char *normalizer;
    const char *pre_tokenizer;
    const char *post_processor;
    const char *model;
} parts;

#define VOCAB "{\"[UNK]\": 0, \"[CLS]\": 1, \"[SEP]\": 2, \"a\": 3}"
#define MODEL_START                                                            \
    "{\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", "                     \
    "\"continuing_subword_prefix\": \"##\", "                                  \
    "\"max_input_chars_per_word\": 100, \"vocab\": "
#define TOKEN_REST                                                             \
    ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "         \
    "\"normalized\": true, \"special\": false}"
#define TEMPLATE(single)                                                       \
    "{\"type\": \"TemplateProcessing\", \"single\": " single                   \
    ", \"pair\": [], \"special_tokens\": {\"[CLS]\": {\"id\": \"[CLS]\", "     \
    "\"ids\": [1], \"tokens\": [\"[CLS]\"]}, "                                 \
    "\"v\": {\"ids\": [1, 2], \"tokens\": [\"a\"]}, "                          \
    "\"x\": {\"ids\": [9], \"tokens\": [\"a\"]}, "                             \
    "\"y\": {\"ids\": [-1], \"tokens\": [\"a\"]}, "                            \
    "\"z\": {\"ids\": [\"1\"], \"tokens\": [\"a\"]}}}"
#define SEQUENCE "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}"
#define SPECIAL(id) "{\"SpecialToken\": {\"id\": \"" id "\", \"type_id\": 0}}"

static const parts good = {
    .first = "\"version\": \"1.0\"",
    .added_tokens = "[{\"id\": 1, \"content\": \"[CLS]\"" TOKEN_REST "]",
    .normalizer = "{\"type\": \"BertNormalizer\", \"clean_text\": true, "
                  "\"handle_chinese_chars\": true, \"strip_accents\": null, "
                  "\"lowercase\": true}",
    .pre_tokenizer = "{\"type\": \"BertPreTokenizer\"}",
    .post_processor = TEMPLATE("[" SPECIAL("[CLS]") ", " SEQUENCE "]"),
    .model = MODEL_START VOCAB "}",
};

static int make_directory(void **state)
{
    *state = tiny_directory();
    return 0;
}

static int remove_directory(void **state)
{
    tiny_remove_directory(*state);
    return 0;
}

static rmr_status open_text(void **state, const char *text, rmr_error *err)
{
    rmr_tokenizer *tokenizer = (rmr_tokenizer *)text; /* must be set */
    tiny_write_text(*state, "tokenizer.json", text);
    rmr_status status = rmr_tokenizer_open(
        &tokenizer, tiny_path(*state, "tokenizer.json"), err);
    assert_true(!status == (tokenizer != NULL));
    rmr_tokenizer_close(tokenizer);
    return status;
}

static rmr_status open_parts(void **state, parts p, rmr_error *err)
{
    char text[8192];
    int len = snprintf(text, sizeof text,
                       "{%s, \"added_tokens\": %s, \"normalizer\": %s, "
                       "\"pre_tokenizer\": %s, \"post_processor\": %s, "
                       "\"model\": %s}",
                       p.first, p.added_tokens, p.normalizer, p.pre_tokenizer,
                       p.post_processor, p.model);
    assert_true(len > 0 && (size_t)len < sizeof text);
    return open_text(state, text, err);
}

/* One part replaced, and how that is refused; RMR_OK for not at all. */
typedef struct part_case {
    const char *value;
    rmr_status status;
    const char *words[2];
} part_case;

static void check_cases(void **state, size_t part, const part_case *cases,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        rmr_error err = {0};
        parts p = good;
        memcpy((char *)&p + part, &cases[i].value, sizeof cases[i].value);
        rmr_status status = open_parts(state, p, &err);
        if (status != cases[i].status)
            fail_msg("%s\n%s: %s", cases[i].value, rmr_status_name(status),
                     err.message);
        if (cases[i].status)
            expect_failure(status, &err, cases[i].status, "tokenizer.json",
                           cases[i].words[0], cases[i].words[1]);
    }
}

#define CHECK(part, ...)                                                       \
    do {                                                                       \
        static const part_case list[] = {__VA_ARGS__};                         \
        check_cases(state, offsetof(parts, part), list, LENGTH(list));         \
    } while (0)

static void test_good_file(void **state)
{
    rmr_error err = {0};
    expect_ok(open_parts(state, good, &err), &err);
}

static void test_root(void **state)
{
    rmr_error err = {0};
    expect_failure(open_text(state, "", &err), &err, RMR_ERR_FORMAT,
                   "tokenizer.json", "JSON");
    expect_failure(open_text(state, "[]", &err), &err, RMR_ERR_FORMAT,
                   "tokenizer.json", "object");
    expect_failure(open_text(state, "{}", &err), &err, RMR_ERR_FORMAT,
                   "tokenizer.json", "model");
    expect_failure(open_text(state, "{\"model\": 1}", &err), &err,
                   RMR_ERR_FORMAT, "tokenizer.json: model", "object");
    expect_ok(open_text(state, "{\"model\": " MODEL_START VOCAB "}}", &err),
              &err);
    rmr_tokenizer *tokenizer;
    expect_failure(
        rmr_tokenizer_open(&tokenizer, tiny_path(*state, "absent"), &err), &err,
        RMR_ERR_IO, "absent");
    assert_null(tokenizer);
    assert_int_equal(
        rmr_tokenizer_open(&tokenizer, tiny_path(*state, "absent"), NULL),
        RMR_ERR_IO);
}

static void test_version(void **state)
{
    CHECK(first, {"\"version\": \"2.0\"", RMR_ERR_UNSUPPORTED, {"2.0", "1.0"}},
          {"\"version\": 1", RMR_ERR_FORMAT, {"version", "string"}},
          {"\"a\": 1", RMR_OK, {0}});
}

static void test_ignored_parts(void **state)
{
    CHECK(first,
          {"\"truncation\": {\"max_length\": 1}, \"padding\": {\"a\": []}",
           RMR_OK,
           {0}});
}

static void test_normalizer(void **state)
{
    CHECK(
        normalizer, {"null", RMR_OK, {0}},
        {"[]", RMR_ERR_FORMAT, {"normalizer", "object"}},
        {"{}", RMR_ERR_FORMAT, {"normalizer", "type"}},
        {"{\"type\": \"NFKX\"}",
         RMR_ERR_UNSUPPORTED,
         {"normalizer.type \"NFKX\" is not supported", "BertNormalizer"}},
        {"{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, 1]}",
         RMR_ERR_FORMAT,
         {"normalizer.normalizers[1]", "object"}},
        {"{\"type\": \"BertNormalizer\"}",
         RMR_ERR_FORMAT,
         {"normalizer", "clean_text"}},
        {"{\"type\": \"BertNormalizer\", \"clean_text\": 1}",
         RMR_ERR_FORMAT,
         {"clean_text", "true or false"}},
        {"{\"type\": \"BertNormalizer\", \"clean_text\": true, "
         "\"handle_chinese_chars\": true, \"lowercase\": true, "
         "\"strip_accents\": \"\"}",
         RMR_ERR_FORMAT,
         {"normalizer", "strip_accents"}},
        {"{\"type\": \"BertNormalizer\", \"clean_text\": true, "
         "\"handle_chinese_chars\": true, \"lowercase\": true}",
         RMR_OK,
         {0}});
}

static void test_pre_tokenizer(void **state)
{
    CHECK(pre_tokenizer, {"null", RMR_OK, {0}},
          {"{\"type\": \"BertPreTokenizer\", \"more\": 1}", RMR_OK, {0}},
          {"\"BertPreTokenizer\"", RMR_ERR_FORMAT, {"pre_tokenizer", "object"}},
          {"{\"type\": null}", RMR_ERR_FORMAT, {"pre_tokenizer", "type"}},
          {"{\"type\": \"ByteLevel\"}",
           RMR_ERR_FORMAT,
           {"pre_tokenizer", "add_prefix_space"}},
          {"{\"type\": \"CharLevel\"}",
           RMR_ERR_UNSUPPORTED,
           {"pre_tokenizer.type \"CharLevel\" is not", "BertPreTokenizer"}},
          {"{\"type\": \"\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9"
           "\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9"
           "\\u00e9\\u00e9\\u00e9a\\u00e9\\u00e9\"}",
           RMR_ERR_UNSUPPORTED,
           {"\xc3\xa9"
            "a\" is not supported",
            "pre_tokenizer"}});
}

#define BYTE_LEVEL                                                             \
    "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, "                  \
    "\"trim_offsets\": true}"

/* A text that begins with what stands for nothing. */
static void test_sourceless(void **state)
{
    rmr_error err = {0};
    parts p = good;
    p.normalizer = "{\"type\": \"Prepend\", \"prepend\": \"\"}";
    expect_ok(open_parts(state, p, &err), &err);
    p.pre_tokenizer = "{\"type\": \"Sequence\", \"pretokenizers\": "
                      "[{\"type\": \"WhitespaceSplit\"}, " BYTE_LEVEL "]}";
    expect_failure(open_parts(state, p, &err), &err, RMR_ERR_UNSUPPORTED,
                   "tokenizer.json: pre_tokenizer: ByteLevel is not supported",
                   "stands for nothing");
    p.normalizer = "{\"type\": \"Prepend\", \"prepend\": \"a\"}";
    expect_ok(open_parts(state, p, &err), &err);
}

static void test_model(void **state)
{
    CHECK(model, {"null", RMR_ERR_FORMAT, {"no \"model\"", ""}},
          {"{\"type\": \"Trie\"}",
           RMR_ERR_UNSUPPORTED,
           {"model.type \"Trie\" is not supported", "WordPiece"}},
          {"{\"vocab\": {}}", RMR_ERR_FORMAT, {"model", "type"}},
          {"{\"type\": \"WordPiece\"}", RMR_ERR_FORMAT, {"model", "unk_token"}},
          {"{\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\"}",
           RMR_ERR_FORMAT,
           {"model", "continuing_subword_prefix"}},
          {"{\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", "
           "\"continuing_subword_prefix\": \"##\"}",
           RMR_ERR_FORMAT,
           {"model", "max_input_chars_per_word"}},
          {"{\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", "
           "\"continuing_subword_prefix\": \"##\", "
           "\"max_input_chars_per_word\": -1}",
           RMR_ERR_RANGE,
           {"model", "max_input_chars_per_word"}},
          {"{\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", "
           "\"continuing_subword_prefix\": \"##\", "
           "\"max_input_chars_per_word\": 100}",
           RMR_ERR_FORMAT,
           {"model", "vocab"}},
          {"{\"unk_token\": \"[UNK]\", \"continuing_subword_prefix\": \"##\", "
           "\"max_input_chars_per_word\": 100, \"vocab\": " VOCAB "}",
           RMR_OK,
           {0}});
}

static void test_vocabulary(void **state)
{
    CHECK(
        model, {MODEL_START "[]}", RMR_ERR_FORMAT, {"model.vocab", "object"}},
        {MODEL_START "{}}",
         RMR_ERR_FORMAT,
         {"post_processor has the id 1", "no token"}},
        {MODEL_START "{\"[UNK]\" 1}}", RMR_ERR_FORMAT, {"model.vocab[0]", ""}},
        {MODEL_START "{\"[UNK]\": 0 \"a\": 1}}",
         RMR_ERR_FORMAT,
         {"model.vocab[0]", "comma"}},
        {MODEL_START "{\"[UNK]\": 0, \"\\x\": 1}}",
         RMR_ERR_FORMAT,
         {"model.vocab[1]", "escape"}},
        {MODEL_START "{\"[UNK]\": 0, \"\xff\": 1}}",
         RMR_ERR_FORMAT,
         {"model.vocab[1]", "UTF-8"}},
        {MODEL_START "{\"[UNK]\": -1}}",
         RMR_ERR_FORMAT,
         {"model.vocab[0]", "no id"}},
        {MODEL_START "{\"[UNK]\": 16777216}}",
         RMR_ERR_RANGE,
         {"model.vocab", "\"[UNK]\" is 16777216"}},
        {MODEL_START "{\"[UNK]\": \"0\"}}",
         RMR_ERR_FORMAT,
         {"model.vocab[0]", "no id"}},
        {MODEL_START "{\"[UNK]\": 0.5}}",
         RMR_ERR_FORMAT,
         {"model.vocab[0]", "no id"}},
        {MODEL_START "{\"[UNK]\": 0, \"a\": 0}}",
         RMR_ERR_FORMAT,
         {"model.vocab", "two strings"}},
        {MODEL_START "{\"[UNK]\": 99999999999999999999}}",
         RMR_ERR_FORMAT,
         {"model.vocab[0]", "no id"}},
        {MODEL_START "{\"[UNK]\": 0, \"[CLS]\": 1, \"a\": 16777215}}",
         RMR_OK,
         {0}},
        {MODEL_START "{\"[UNK]\": 0, \"[CLS]\": 1, \"\": 2}}", RMR_OK, {0}});
}

static void test_added_tokens(void **state)
{
    CHECK(added_tokens, {"[]", RMR_OK, {0}},
          {"null", RMR_ERR_FORMAT, {"added_tokens", "array"}},
          {"{}", RMR_ERR_FORMAT, {"added_tokens", "array"}},
          {"[1]", RMR_ERR_FORMAT, {"added_tokens[0]", "object"}},
          {"[{}]", RMR_ERR_FORMAT, {"added_tokens[0]", "content"}},
          {"[{\"content\": \"x\"" TOKEN_REST "]",
           RMR_ERR_FORMAT,
           {"added_tokens[0]", "id"}},
          {"[{\"content\": \"x\", \"id\": -1" TOKEN_REST "]",
           RMR_ERR_RANGE,
           {"added_tokens[0]", "id"}},
          {"[{\"content\": \"x\", \"id\": 4294967296" TOKEN_REST "]",
           RMR_ERR_RANGE,
           {"added_tokens[0]", "id"}},
          {"[{\"content\": 5, \"id\": 1" TOKEN_REST "]",
           RMR_ERR_FORMAT,
           {"added_tokens[0]", "content"}},
          {"[{\"content\": \"x\", \"id\": 1" TOKEN_REST ", {\"content\": "
           "\"y\", \"id\": 2, \"single_word\": false}]",
           RMR_ERR_FORMAT,
           {"added_tokens[1]", "lstrip"}},
          {"[{\"content\": \"Foo\", \"id\": 1" TOKEN_REST
           ", {\"content\": \"foo\", \"id\": 2" TOKEN_REST "]",
           RMR_ERR_UNSUPPORTED,
           {"added_tokens", "normalized"}},
          {"[{\"content\": \"\\u0301\", \"id\": 1" TOKEN_REST "]",
           RMR_ERR_UNSUPPORTED,
           {"added_tokens", "empty"}},
          {"[{\"content\": \"\", \"id\": 1" TOKEN_REST
           ", {\"content\": \"x\", \"id\": 2" TOKEN_REST
           ", {\"content\": \"x\", \"id\": 3" TOKEN_REST "]",
           RMR_OK,
           {0}});
}

static void test_post_processor(void **state)
{
    CHECK(post_processor, {"null", RMR_OK, {0}},
          {"{\"type\": \"Unknown\"}",
           RMR_ERR_UNSUPPORTED,
           {"post_processor.type \"Unknown\" is not", "TemplateProcessing"}},
          {"{\"type\": \"RobertaProcessing\"}",
           RMR_ERR_FORMAT,
           {"post_processor", "cls"}},
          {"{\"type\": \"RobertaProcessing\", \"sep\": [\"[SEP]\", 2], "
           "\"cls\": [\"[CLS]\", 1], \"trim_offsets\": 1, "
           "\"add_prefix_space\": true}",
           RMR_ERR_FORMAT,
           {"post_processor", "trim_offsets"}},
          {"{\"type\": \"ByteLevel\", \"trim_offsets\": true}",
           RMR_ERR_FORMAT,
           {"post_processor", "add_prefix_space"}},
          {"{\"type\": \"ByteLevel\", \"trim_offsets\": true, "
           "\"add_prefix_space\": true, \"sep\": [\"[SEP]\", 2], "
           "\"cls\": [\"[CLS]\", 1]}",
           RMR_ERR_UNSUPPORTED,
           {"post_processor", "another type"}},
          {"{\"type\": \"Sequence\", \"processors\": {}}",
           RMR_ERR_FORMAT,
           {"post_processor", "processors"}},
          {"{\"type\": \"Sequence\", \"processors\": [1]}",
           RMR_ERR_FORMAT,
           {"post_processor.processors[0]", "object"}},
          {"{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 2], "
           "\"cls\": [\"[CLS]\", 1]}",
           RMR_OK,
           {0}},
          {"{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 2], "
           "\"cls\": [\"[CLS]\", 1], \"trim_offsets\": true, "
           "\"add_prefix_space\": true}",
           RMR_OK,
           {0}},
          {"{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 2]}",
           RMR_ERR_FORMAT,
           {"post_processor", "cls"}},
          {"{\"type\": \"BertProcessing\", \"cls\": [\"[CLS]\", 1], "
           "\"sep\": [\"[SEP]\", -2]}",
           RMR_ERR_FORMAT,
           {"post_processor", "sep"}},
          {"{\"type\": \"BertProcessing\", \"cls\": [\"[CLS]\", 1], "
           "\"sep\": [\"[SEP]\", 77]}",
           RMR_ERR_FORMAT,
           {"post_processor", "77"}});
}

static void test_template(void **state)
{
    CHECK(post_processor,
          {TEMPLATE("{}"), RMR_ERR_FORMAT, {"post_processor", "single"}},
          {TEMPLATE("[]"), RMR_OK, {0}},
          {TEMPLATE("[" SEQUENCE ", " SEQUENCE "]"), RMR_OK, {0}},
          {TEMPLATE("[{\"Sequence\": {\"id\": \"B\", \"type_id\": 0}}]"),
           RMR_ERR_UNSUPPORTED,
           {"post_processor", "Sequence B"}},
          {TEMPLATE("[{\"Sequence\": {\"id\": \"C\", \"type_id\": 0}}]"),
           RMR_ERR_FORMAT,
           {"post_processor.single[0]", "A or B"}},
          {TEMPLATE("[" SPECIAL("v") "]"),
           RMR_ERR_FORMAT,
           {"post_processor.single[0]", "number"}},
          {TEMPLATE("[\"$A\"]"),
           RMR_ERR_FORMAT,
           {"post_processor.single[0]", "Sequence"}},
          {TEMPLATE("[{\"Sequence\": {\"id\": \"A\", \"type_id\": -1}}]"),
           RMR_ERR_FORMAT,
           {"post_processor.single[0]", "type_id"}},
          {TEMPLATE("[" SEQUENCE ", " SPECIAL("w") "]"),
           RMR_ERR_FORMAT,
           {"post_processor.single[1]", "special_tokens"}},
          {TEMPLATE("[" SEQUENCE ", " SPECIAL("x") "]"),
           RMR_ERR_FORMAT,
           {"post_processor", "id 9"}},
          {TEMPLATE("[" SEQUENCE ", " SPECIAL("y") "]"),
           RMR_ERR_FORMAT,
           {"post_processor.single[1]", "id"}},
          {TEMPLATE("[" SEQUENCE ", " SPECIAL("z") "]"),
           RMR_ERR_FORMAT,
           {"post_processor.single[1]", "id"}});
}

/* Deep nesting and a long path end in a sentence. */
static void test_odd_files(void **state)
{
    enum { DEPTH = 100000 };
    rmr_error err = {0};
    char *deep = malloc(DEPTH + 1);
    assert_non_null(deep);
    memset(deep, '[', DEPTH);
    deep[DEPTH] = '\0';
    expect_failure(open_text(state, deep, &err), &err, RMR_ERR_FORMAT,
                   "nested");
    free(deep);
    expect_failure(open_text(state, "{\"model\": \"\xff\"}", &err), &err,
                   RMR_ERR_FORMAT, "UTF-8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_file),
        cmocka_unit_test(test_root),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_ignored_parts),
        cmocka_unit_test(test_normalizer),
        cmocka_unit_test(test_pre_tokenizer),
        cmocka_unit_test(test_sourceless),
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_vocabulary),
        cmocka_unit_test(test_added_tokens),
        cmocka_unit_test(test_post_processor),
        cmocka_unit_test(test_template),
        cmocka_unit_test(test_odd_files),
    };
    return cmocka_run_group_tests_name("tokenizer.json", tests, make_directory,
                                       remove_directory);
}
