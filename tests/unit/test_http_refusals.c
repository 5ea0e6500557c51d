/*
 * test_http_refusals.c - bodies of POST /v1/embeddings that are wrong, and what
 * is said of them. No error may repeat a piece of what was to be embedded.
 */
#include "tests/unit/http_fixture.h"

/* ------------------------------------------------------------ bad requests */

typedef struct refusal {
    const char *body;
    int status;
    const char *param; /* NULL: null */
    const char *says;  /* in the message */
} refusal;

static void check_refusal(const refusal *c)
{
    reply r = post(c->body);
    const json_t *error = json_object_get(r.json, "error");
    const json_t *param = json_object_get(error, "param");
    const json_t *code = json_object_get(error, "code");
    const char *message = json_string_value(json_object_get(error, "message"));
    if (r.status != c->status || !strstr(message, c->says))
        fail_msg("%s\n%d %s", c->body, r.status, r.body);
    if (c->param)
        assert_string_equal(json_string_value(param), c->param);
    else
        assert_true(json_is_null(param));
    if (c->status == 404)
        assert_string_equal(json_string_value(code), "model_not_found");
    else
        assert_true(json_is_null(code));
    free_reply(&r);
}

static void check_refusals(const refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_refusal(&cases[i]);
}

#define CHECK_REFUSALS(cases)                                                  \
    check_refusals(cases, sizeof cases / sizeof *(cases))

static void what_is_no_object_is_refused(void **state)
{
    (void)state;
    static const char object[] = "must be a JSON object";
    static const char json[] = "the request body is not valid JSON";
    static const refusal cases[] = {
        {"[]", 400, NULL, object},
        {"[{\"model\":\"tiny\",\"input\":\"" MARKER "\"}]", 400, NULL, object},
        {"\"" MARKER "\"", 400, NULL, json},
        {"null", 400, NULL, json},
        {"", 400, NULL, "it ends too early"},
        {" ", 400, NULL, "it ends too early"},
        {"{", 400, NULL, "it ends too early"},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER, 400, NULL, json},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\"", 400, NULL,
         "it ends too early"},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\",}", 400, NULL, json},
        {"{\"model\":\"tiny\",\"input\":'" MARKER "'}", 400, NULL, json},
        {"{\"model\":\"tiny\",\"input\":" MARKER "}", 400, NULL, json},
        {"{\"model\":\"tiny\" \"input\":\"" MARKER "\"}", 400, NULL, json},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\"} x", 400, NULL,
         "there is text after its end"},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\"}{}", 400, NULL,
         "there is text after its end"},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\n\"}", 400, NULL, json},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\\x41\"}", 400, NULL, json},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\\ud83d\"}", 400, NULL,
         json},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\\udc1f\\ud83d\"}", 400,
         NULL, json},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\\ud83dx\"}", 400, NULL,
         json},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\xff\"}", 400, NULL,
         "a byte is not UTF-8"},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\xc3\"}", 400, NULL,
         "a byte is not UTF-8"},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\xc0\x80\"}", 400, NULL,
         "a byte is not UTF-8"},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\xed\xa0\x80\"}", 400, NULL,
         "a byte is not UTF-8"},
        {"{\"\\u0000" MARKER "\":1}", 400, NULL, "a key holds a NUL"},
        {"{\"x\":1e999}", 400, NULL, "a number is too large"},
        {"{\"x\":99999999999999999999}", 400, NULL, "a number is too large"},
        {"{\"x\":01}", 400, NULL, json},
        {"{\"x\":NaN}", 400, NULL, json},
        {"\xef\xbb\xbf{}", 400, NULL, json},
    };
    CHECK_REFUSALS(cases);
}

static void raw_bytes_are_refused(void **state)
{
    (void)state;
    static const char nul[] = "{\"model\":\"tiny\",\"input\":\"" MARKER "\0\"}";
    static const char after[] = "{\"model\":\"tiny\",\"input\":\"fish\"}\0";
    rmr_http_options options = default_options();
    reply r = post_with(&options, nul, sizeof nul - 1);
    assert_int_equal(r.status, 400);
    free_reply(&r);
    r = post_with(&options, after, sizeof after - 1);
    assert_int_equal(r.status, 400);
    free_reply(&r);
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    enum { DEPTH = 100000 };
    char *body = malloc(DEPTH + 64);
    for (int kind = 0; kind < 2; kind++) {
        size_t at = (size_t)sprintf(body, "{\"model\":\"tiny\",\"input\":");
        memset(body + at, kind ? '[' : ']', DEPTH);
        body[at + DEPTH] = '\0';
        reply r = post(body);
        assert_int_equal(r.status, 400);
        assert_non_null(strstr(r.body, kind ? "it is nested too deeply"
                                            : "the syntax is wrong"));
        free_reply(&r);
    }
    free(body);
}

static void the_model_must_be_there(void **state)
{
    (void)state;
#define INPUT "\"input\":\"" MARKER "\""
    static const char given[] = "\"model\" must be given, as a string";
    static const char unknown[] = "does not exist here";
    static const refusal cases[] = {
        {"{}", 400, "model", given},
        {"{" INPUT "}", 400, "model", given},
        {"{\"model\":null," INPUT "}", 400, "model", given},
        {"{\"model\":1," INPUT "}", 400, "model", given},
        {"{\"model\":[\"tiny\"]," INPUT "}", 400, "model", given},
        {"{\"model\":\"\"," INPUT "}", 404, "model", unknown},
        {"{\"model\":\"Tiny\"," INPUT "}", 404, "model", unknown},
        {"{\"model\":\"tiny \"," INPUT "}", 404, "model", unknown},
        {"{\"model\":\"tin\"," INPUT "}", 404, "model", unknown},
        {"{\"model\":\"tiny\\u0000\"," INPUT "}", 404, "model", unknown},
        {"{\"model\":\"tiny\\u0000x\"," INPUT "}", 404, "model", unknown},
        {"{\"model\":\"" MARKER "\"," INPUT "}", 404, "model", unknown},
        {"{\"model\":\"tiny\",\"model\":\"x\"," INPUT "}", 404, "model",
         unknown},
    };
    CHECK_REFUSALS(cases);
}

#define WITH(member) "{\"model\":\"tiny\"," INPUT "," member "}"

static void the_input_must_be_text(void **state)
{
    (void)state;
#define BODY(value) "{\"model\":\"tiny\",\"input\":" value "}"
    static const char given[] = "as a string or an array of 1 to 2048 strings";
    static const char ids[] = "token ids, which are another model's";
    static const char strings[] = "must be a string or an array of strings";
    static const refusal cases[] = {
        {"{\"model\":\"tiny\"}", 400, "input", given},
        {BODY("null"), 400, "input", given},
        {BODY("[]"), 400, "input", given},
        {BODY("\"\""), 400, "input", "input 0 is an empty string"},
        {BODY("[\"" MARKER "\",\"\"]"), 400, "input",
         "input 1 is an empty string"},
        {BODY("[101,7592,102]"), 400, "input", ids},
        {BODY("[[101,7592,102],[101,102]]"), 400, "input", ids},
        {BODY("7592"), 400, "input", ids},
        {BODY("[\"" MARKER "\",7]"), 400, "input", ids},
        {BODY("[[\"" MARKER "\"]]"), 400, "input", ids},
        {BODY("1.5"), 400, "input", strings},
        {BODY("true"), 400, "input", strings},
        {BODY("{\"text\":\"" MARKER "\"}"), 400, "input", strings},
        {BODY("[\"" MARKER "\",null]"), 400, "input", strings},
        {BODY("[\"" MARKER "\",{}]"), 400, "input", strings},
        {BODY("[1.5]"), 400, "input", strings},
    };
    CHECK_REFUSALS(cases);
}

static void options_must_be_what_they_say(void **state)
{
    (void)state;
    static const char format[] = "must be \"float\" or \"base64\"";
    static const char dims[] = "must be a whole number from 1 to 24";
    static const char cut[] =
        "must be true, false, \"NONE\", \"START\" or \"END\"";
    static const char unit[] = "must be true or false";
    static const char step[] = "whole number of at least 0, and needs";
    static const char text[] = "must be a string, and exclude";
    static const char name[] = "must be a string without NUL";
    static const refusal cases[] = {
        {WITH("\"encoding_format\":\"int8\""), 400, "encoding_format", format},
        {WITH("\"encoding_format\":\"\""), 400, "encoding_format", format},
        {WITH("\"encoding_format\":\"Float\""), 400, "encoding_format", format},
        {WITH("\"encoding_format\":\"float\\u0000\""), 400, "encoding_format",
         format},
        {WITH("\"encoding_format\":1"), 400, "encoding_format", format},
        {WITH("\"encoding_format\":[\"float\"]"), 400, "encoding_format",
         format},
        {WITH("\"dimensions\":0"), 400, "dimensions", dims},
        {WITH("\"dimensions\":-1"), 400, "dimensions", dims},
        {WITH("\"dimensions\":25"), 400, "dimensions", dims},
        {WITH("\"dimensions\":4294967297"), 400, "dimensions", dims},
        {WITH("\"dimensions\":9223372036854775807"), 400, "dimensions", dims},
        {WITH("\"dimensions\":8.0"), 400, "dimensions", dims},
        {WITH("\"dimensions\":8.5"), 400, "dimensions", dims},
        {WITH("\"dimensions\":\"8\""), 400, "dimensions", dims},
        {WITH("\"dimensions\":true"), 400, "dimensions", dims},
        {WITH("\"dimensions\":[8]"), 400, "dimensions", dims},
        {WITH("\"truncate\":\"end\""), 400, "truncate", cut},
        {WITH("\"truncate\":\"END\\u0000\""), 400, "truncate", cut},
        {WITH("\"truncate\":\"\""), 400, "truncate", cut},
        {WITH("\"truncate\":1"), 400, "truncate", cut},
        {WITH("\"truncate\":{}"), 400, "truncate", cut},
        {WITH("\"normalize\":1"), 400, "normalize", unit},
        {WITH("\"normalize\":\"true\""), 400, "normalize", unit},
        {WITH("\"normalize\":[]"), 400, "normalize", unit},
        {WITH("\"windows\":1"), 400, "windows", unit},
        {WITH("\"windows\":\"true\""), 400, "windows", unit},
        {WITH("\"stride\":1"), 400, "stride", step},
        {WITH("\"stride\":1,\"windows\":false"), 400, "stride", step},
        {WITH("\"stride\":-1,\"windows\":true"), 400, "stride", step},
        {WITH("\"stride\":4294967296,\"windows\":true"), 400, "stride", step},
        {WITH("\"stride\":\"1\",\"windows\":true"), 400, "stride", step},
        {"{\"model\":\"tiny\",\"input\":\"" LONG_TEXT
         "\",\"windows\":true,\"stride\":30}",
         400, "stride", "a stride of 30 tokens is not below the 30"},
        {WITH("\"prompt_name\":\"other\""), 400, "prompt_name",
         "it has query, document"},
        {WITH("\"prompt_name\":false"), 400, "prompt_name", name},
        {WITH("\"prompt_name\":\"query\\u0000\""), 400, "prompt_name", name},
        {WITH("\"prompt\":5"), 400, "prompt", text},
        {WITH("\"prompt\":\"\",\"prompt_name\":\"query\""), 400, "prompt",
         text},
        {WITH("\"input_type\":\"document\""), 400, "input_type",
         "name a prompt"},
    };
    CHECK_REFUSALS(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(raw_bytes_are_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(the_model_must_be_there),
        cmocka_unit_test(the_input_must_be_text),
        cmocka_unit_test(options_must_be_what_they_say),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}
