/*
 * test_http_errors.c - statuses and the bodies of errors. A body must be JSON
 * whatever the message, and never longer than the space for it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/remora.h"

static void statuses_have_an_http_status(void **state)
{
    (void)state;
    static const struct {
        rmr_status status;
        int http;
    } cases[] = {
        {RMR_OK, 200},          {RMR_ERR_NOMEM, 503},
        {RMR_ERR_IO, 500},      {RMR_ERR_FORMAT, 400},
        {RMR_ERR_RANGE, 500},   {RMR_ERR_UNSUPPORTED, 400},
        {RMR_ERR_BUSY, 429},    {RMR_ERR_TOO_LONG, 400},
        {RMR_ERR_TIMEOUT, 504}, {RMR_ERR_CANCELED, 503},
        {RMR_ERR_DEVICE, 500},  {(rmr_status)-99, 500},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(rmr_http_status(cases[i].status), cases[i].http);
}

static void check_error_body(int status, const char *message, size_t cap)
{
    /* A block of just that size, so that one byte more is seen. */
    char *buf = malloc(cap ? cap : 1);
    memset(buf, 0x7e, cap ? cap : 1);
    size_t len = rmr_http_error_body(status, message, buf, cap);
    if (!cap) {
        assert_int_equal(len, 0);
        assert_int_equal(*buf, 0x7e);
        free(buf);
        return;
    }
    assert_true(len < cap);
    assert_int_equal(buf[len], '\0');
    assert_int_equal(strlen(buf), len);
    if (len) {
        json_t *json = json_loadb(buf, len, JSON_REJECT_DUPLICATES, NULL);
        const json_t *error = json_object_get(json, "error");
        assert_int_equal(json_object_size(json), 1);
        assert_int_equal(json_object_size(error), 4);
        assert_true(json_is_string(json_object_get(error, "message")));
        assert_true(json_is_string(json_object_get(error, "type")));
        assert_true(json_is_null(json_object_get(error, "param")));
        json_decref(json);
    } else {
        assert_true(cap < 120);
    }
    free(buf);
}

static void error_bodies_are_json_in_any_space(void **state)
{
    (void)state;
    static const char *const messages[] = {
        "",
        "a plain sentence",
        "quotes \" and \\ backslashes \\\" \\\\\\",
        "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""
        "\"",
        "control \x01\x02\t\r\n\x1f\x7f characters",
        "caf\xc3\xa9 \xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x90\x9f",
        "broken \xff\xfe \xc3",
        "%s %n %d {}[]/<script>",
    };
    static const int statuses[] = {400, 401, 404, 413, 429,
                                   500, 503, 504, 0,   -1};
    for (size_t cap = 0; cap <= 1024; cap++) {
        for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
            check_error_body(statuses[(cap + i) % 10], messages[i], cap);
    }
}

static void the_longest_message_is_cut_rather_than_the_json(void **state)
{
    (void)state;
    char message[sizeof((rmr_error *)0)->message];
    static const char letters[] = "\"\\\x01x\xc3";
    for (const char *p = letters; *p; p++) {
        memset(message, *p, sizeof message - 1);
        message[sizeof message - 1] = '\0';
        for (size_t cap = 0; cap <= 1024; cap += 3)
            check_error_body(404, message, cap);
    }
    /* One that is not made of escapes alone fits as a whole. */
    char buf[1024];
    memset(message, 'x', sizeof message - 1);
    size_t len = rmr_http_error_body(429, message, buf, sizeof buf);
    assert_true(len > sizeof message);
    assert_non_null(strstr(buf, message));
    assert_non_null(strstr(buf, "\"code\":\"rate_limit_exceeded\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_have_an_http_status),
        cmocka_unit_test(error_bodies_are_json_in_any_space),
        cmocka_unit_test(the_longest_message_is_cut_rather_than_the_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
