/*
 * test_base_number.c - floats as text, digests, cosine similarity. What
 * rmr_format_f32 writes is read back by strtof and must be the same bits; it
 * must never be compared with what printf would have written.
 */
#include <float.h>
#include <locale.h>
#include <math.h>
#include <unistd.h>
#include <jansson.h>

#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "common/base/sha256.h"

#ifdef __SANITIZE_ADDRESS__
enum { RANDOM_FLOATS = 100000 };
#else
enum { RANDOM_FLOATS = 1000000 };
#endif

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* ------------------------------------------------------------------ floats */

static const char *skip_digits(const char *p)
{
    return p + strspn(p, "0123456789");
}

/* RFC 8259's number, whole. */
static int is_json_number(const char *p)
{
    p += *p == '-';
    const char *end = *p == '0' ? p + 1 : skip_digits(p);
    if (end == p)
        return 0;
    p = end;
    if (*p == '.') {
        end = skip_digits(p + 1);
        if (end == p + 1)
            return 0;
        p = end;
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '+' || *p == '-';
        end = skip_digits(p);
        if (end == p)
            return 0;
        p = end;
    }
    return *p == '\0';
}

/* Digits from the first to the last that is not 0. */
static int count_digits(const char *text)
{
    int count = 0, pending = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text == '0' && count)
            pending++;
        if (*text >= '1' && *text <= '9') {
            count += pending + 1;
            pending = 0;
        }
    }
    return count;
}

/* One digit less would not do, unless it is exactly between two floats. */
static int is_shortest(float value, const char *text)
{
    char shorter[64];
    int digits = count_digits(text);
    if (digits < 2)
        return 1;
    snprintf(shorter, sizeof shorter, "%.*e", digits - 2, value);
    if (strtof(shorter, NULL) != value)
        return 1;
    double decimal = strtod(shorter, NULL), size = fabs((double)value);
    float towards = fabs(decimal) > size ? INFINITY : 0;
    double neighbour = nextafterf((float)size, towards);
    return fabs(decimal) == (size + neighbour) / 2;
}

static void check_float(float value)
{
    char buf[RMR_F32_CHARS + 4];
    memset(buf, 0x55, sizeof buf);
    size_t len = rmr_format_f32(value, buf);
    int canary = buf[RMR_F32_CHARS] == 0x55 && buf[RMR_F32_CHARS + 1] == 0x55;
    float back = len < RMR_F32_CHARS ? strtof(buf, NULL) : NAN;
    if (!canary || len >= RMR_F32_CHARS || len != strlen(buf) ||
        memcmp(&back, &value, sizeof value) != 0 || !is_json_number(buf) ||
        !is_shortest(value, buf)) {
        buf[RMR_F32_CHARS] = '\0';
        fail_msg("%a is written as '%s'", value, buf);
    }
}

static void check_both_signs(float value)
{
    if (isfinite(value)) {
        check_float(value);
        check_float(-value);
    }
}

static void test_format_of_known_values(void **state)
{
    (void)state;
    static const struct {
        float value;
        const char *text;
    } cases[] = {
        {0.0f, "0"},
        {-0.0f, "-0.0"},
        {1.0f, "1"},
        {-1.0f, "-1"},
        {0.1f, "0.1"},
        {0.5f, "0.5"},
        {100.0f, "100"},
        {1.5f, "1.5"},
        {0.0001f, "0.0001"},
        {-0.012345678f, "-0.012345678"},
        {16777216.0f, "16777216"},
        {999999984.0f, "1e+09"},
        {1e-45f, "1e-45"},
        {FLT_MIN, "1.1754944e-38"},
        {FLT_MAX, "3.4028235e+38"},
        {-FLT_MAX, "-3.4028235e+38"},
        {0x1p-95f, "2.524355e-29"},
        {0x1p+33f, "8.589935e+09"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char buf[RMR_F32_CHARS];
        assert_int_equal(rmr_format_f32(cases[i].value, buf),
                         strlen(cases[i].text));
        assert_string_equal(buf, cases[i].text);
    }
}

/* Nobody may ask for these; who does gets JSON, and gets it soon. */
static void test_format_of_what_is_not_finite(void **state)
{
    (void)state;
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    alarm(10);
    for (size_t i = 0; i < LENGTH(bad); i++) {
        char buf[RMR_F32_CHARS];
        assert_int_equal(rmr_format_f32(bad[i], buf), 4);
        assert_string_equal(buf, "null");
    }
    alarm(0);
}

static void test_format_of_every_exponent(void **state)
{
    (void)state;
    static const uint32_t fractions[] = {0,        1,        2,        3,
                                         0x3fffff, 0x400000, 0x400001, 0x555555,
                                         0x7ffffd, 0x7ffffe, 0x7fffff};
    for (uint32_t exponent = 0; exponent < 255; exponent++) {
        for (size_t i = 0; i < LENGTH(fractions); i++)
            check_both_signs(from_bits(exponent << 23 | fractions[i]));
    }
}

static void test_format_around_powers_of_ten(void **state)
{
    (void)state;
    for (int exponent = -45; exponent <= 38; exponent++) {
        char text[16];
        uint32_t bits;
        snprintf(text, sizeof text, "1e%d", exponent);
        float power = strtof(text, NULL);
        memcpy(&bits, &power, sizeof bits);
        for (uint32_t i = 0; i <= 200; i++) {
            if (bits + i >= 100)
                check_both_signs(from_bits(bits + i - 100));
        }
    }
}

static void test_format_of_whole_numbers_and_fractions(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++)
        check_both_signs((float)i / 64);
    for (uint32_t i = 1; i < 3000; i++)
        check_both_signs(from_bits(i)); /* the smallest subnormals */
}

static void test_format_of_random_floats(void **state)
{
    (void)state;
    uint64_t seed = 20240607;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < RANDOM_FLOATS; i++) {
        check_both_signs(from_bits((uint32_t)tiny_random(&seed)));
        check_float(tiny_signed(&seed)); /* as components of vectors are */
    }
}

/* A locale whose decimal point is a comma, where the machine has one. */
static void test_format_in_another_locale(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE",
                                        "fr_FR.UTF-8", "nl_NL.UTF-8"};
    const char *set = NULL;
    for (size_t i = 0; i < LENGTH(names) && !set; i++)
        set = setlocale(LC_ALL, names[i]);
    print_message("locale %s\n", set ? set : "C, for want of another");
    char buf[RMR_F32_CHARS];
    rmr_format_f32(-1234.5f, buf);
    assert_string_equal(buf, "-1234.5");
    json_error_t error;
    json_t *list = json_loads("[-1234.5]", 0, &error);
    assert_true(json_real_value(json_array_get(list, 0)) == -1234.5);
    json_decref(list);
    setlocale(LC_ALL, "C");
}

static void test_format_is_json_for_a_parser(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (int i = 0; i < 20000; i++) {
        char buf[RMR_F32_CHARS + 2];
        float value = from_bits((uint32_t)tiny_random(&seed));
        if (!isfinite(value))
            continue;
        size_t len = rmr_format_f32(value, buf + 1);
        buf[0] = '[';
        buf[len + 1] = ']';
        json_t *list = json_loadb(buf, len + 2, 0, NULL);
        assert_non_null(list);
        double read = json_number_value(json_array_get(list, 0));
        assert_true((float)read == value);
        json_decref(list);
    }
}

/* ----------------------------------------------------------------- digests */

static void test_sha256_of_known_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *hex;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb924"
             "27ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223"
                "b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039"
         "a33ce45964ff2167f6ecedd419db06c1"},
    };
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char hex[RMR_SHA256_HEX];
        expect_ok(
            rmr_sha256_hex(cases[i].text, strlen(cases[i].text), hex, &err),
            &err);
        assert_string_equal(hex, cases[i].hex);
        assert_int_equal(rmr_sha256_is_hex(hex), 1);
    }
    char hex[RMR_SHA256_HEX];
    expect_ok(rmr_sha256_hex(NULL, 0, hex, &err), &err);
    assert_string_equal(hex, cases[0].hex);
}

static void test_sha256_is_hex(void **state)
{
    (void)state;
    char text[80];
    for (size_t len = 0; len < 70; len++) {
        memset(text, 'a', len);
        text[len] = '\0';
        assert_int_equal(rmr_sha256_is_hex(text), len == 64);
    }
    memset(text, 'F', 64);
    text[64] = '\0';
    assert_int_equal(rmr_sha256_is_hex(text), 1);
    for (const char *bad = "gG \n-:/@`"; *bad; bad++) {
        text[63] = *bad;
        assert_int_equal(rmr_sha256_is_hex(text), 0);
    }
}

/* ------------------------------------------------------------------ cosine */

static void test_cosine(void **state)
{
    (void)state;
    const float x[] = {3, 4}, y[] = {-8, 6}, zero[] = {0, 0};
    const float big[] = {3e38f, 4e37f}, small[] = {3e-45f, 4e-45f};
    assert_true(fabs(rmr_cosine(x, x, 2) - 1) < 1e-15);
    assert_true(rmr_cosine(x, y, 2) == 0);
    assert_true(rmr_cosine(x, zero, 2) == 0);
    assert_true(rmr_cosine(zero, zero, 2) == 0);
    assert_true(rmr_cosine(x, y, 0) == 0);
    assert_true(rmr_cosine(NULL, NULL, 0) == 0);
    const float opposite[] = {-6, -8};
    assert_true(fabs(rmr_cosine(x, opposite, 2) + 1) < 1e-15);
    assert_true(fabs(rmr_cosine(big, big, 2) - 1) < 1e-15);
    assert_true(fabs(rmr_cosine(small, small, 2) - 1) < 1e-15);
    const float bad[] = {NAN, 1};
    assert_true(isnan(rmr_cosine(bad, x, 2)));
    assert_true(isnan(rmr_cosine(x, bad, 2)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format_of_known_values),
        cmocka_unit_test(test_format_of_what_is_not_finite),
        cmocka_unit_test(test_format_of_every_exponent),
        cmocka_unit_test(test_format_around_powers_of_ten),
        cmocka_unit_test(test_format_of_whole_numbers_and_fractions),
        cmocka_unit_test(test_format_of_random_floats),
        cmocka_unit_test(test_format_in_another_locale),
        cmocka_unit_test(test_format_is_json_for_a_parser),
        cmocka_unit_test(test_sha256_of_known_texts),
        cmocka_unit_test(test_sha256_is_hex),
        cmocka_unit_test(test_cosine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
