/*
 * test_safetensors.c - weights out of files that are right, damaged and
 * hostile. What the reference library refuses must be refused here, and the
 * sentence must name the file and the tensor.
 */
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "common/base/sha256.h"
#include "common/model/safetensors.h"
#include "common/model/safetensors_header.h"

#define MODEL "model.safetensors"

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

/* A file of a header and `size` bytes of data. */
static char *compose(const char *header, const void *data, size_t size,
                     size_t *total)
{
    uint64_t len = strlen(header);
    char *file = malloc(8 + len + size + 1);
    assert_non_null(file);
    for (int i = 0; i < 8; i++)
        file[i] = (char)(len >> 8 * i);
    memcpy(file + 8, header, len);
    if (size)
        memcpy(file + 8 + len, data, size);
    *total = 8 + len + size;
    return file;
}

static void write_weights(const char *directory, const char *name,
                          const char *header, const void *data, size_t size)
{
    size_t total;
    char *file = compose(header, data, size, &total);
    tiny_write(directory, name, file, total);
    free(file);
}

static rmr_status open_weights(const char *directory, rmr_error *err)
{
    rmr_weights *weights = (rmr_weights *)err;
    rmr_status status = rmr_weights_open(&weights, directory, NULL, err);
    if (status)
        assert_null(weights);
    rmr_weights_close(weights);
    return status;
}

static const char zeros[4096];

/* Opens a file of this header over `size` bytes of zeros. */
static rmr_status open_header(const char *directory, const char *header,
                              size_t size, rmr_error *err)
{
    write_weights(directory, MODEL, header, zeros, size);
    return open_weights(directory, err);
}

#define GOOD                                                                   \
    "{\"__metadata__\":{\"format\":\"pt\"},"                                   \
    "\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"       \
    "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[16,19]},"         \
    "\"c\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[19,27]},"         \
    "\"d\":{\"dtype\":\"F16\",\"shape\":[0,5],\"data_offsets\":[27,27]}}"

enum { GOOD_BYTES = 27 };

/* ------------------------------------------------------------------ header */

static void test_good_file(void **state)
{
    rmr_error err = {0};
    rmr_weights *weights;
    const float values[] = {1, -2, 0.5f, 3};
    char data[GOOD_BYTES] = {0};
    memcpy(data, values, sizeof values);
    write_weights(*state, MODEL, GOOD, data, sizeof data);
    expect_ok(rmr_weights_open(&weights, *state, NULL, &err), &err);
    assert_int_equal(rmr_weights_has(weights, "a"), 1);
    assert_int_equal(rmr_weights_has(weights, "d"), 1);
    assert_int_equal(rmr_weights_has(weights, "e"), 0);
    assert_int_equal(rmr_weights_has(weights, ""), 0);
    assert_int_equal(rmr_weights_has(weights, "__metadata__"), 0);
    assert_int_equal(rmr_weights_rows(weights, "a"), 2);
    assert_int_equal(rmr_weights_rows(weights, "b"), 3);
    assert_int_equal(rmr_weights_rows(weights, "c"), 0);
    assert_int_equal(rmr_weights_rows(weights, "e"), 0);
    const float *a;
    expect_ok(rmr_weights_f32(weights, "a", 2, 2, &a, &err), &err);
    assert_memory_equal(a, values, sizeof values);
    assert_int_equal(rmr_weights_num_parameters(weights), 4);
    assert_int_equal(rmr_weights_bytes(weights), 16);
    rmr_weights_close(weights);
    rmr_weights_close(NULL);
}

/* Every prefix of a file is refused, and read no further than it goes. */
static void test_file_cut_short_at_every_byte(void **state)
{
    rmr_error err = {0};
    size_t total;
    char *file = compose(GOOD, zeros, GOOD_BYTES, &total);
    for (size_t len = 0; len < total; len++) {
        char *copy = malloc(len ? len : 1);
        memcpy(copy, file, len);
        rmr_tensor_list list = {0};
        rmr_status status =
            rmr_safetensors_list(&list, copy, len, "some.safetensors", &err);
        expect_failure(status, &err, RMR_ERR_FORMAT, "some.safetensors");
        rmr_tensor_list_free(&list);
        free(copy);
        tiny_write(*state, MODEL, file, len);
        expect_failure(open_weights(*state, &err), &err, RMR_ERR_FORMAT, MODEL);
    }
    tiny_write(*state, MODEL, file, total);
    expect_ok(open_weights(*state, &err), &err);
    /* One byte too many is as wrong. */
    file[total] = 0;
    tiny_write(*state, MODEL, file, total + 1);
    expect_failure(open_weights(*state, &err), &err, RMR_ERR_FORMAT, MODEL,
                   "1 bytes", "no tensor");
    free(file);
}

static void write_length(const char *directory, uint64_t len, off_t size)
{
    char head[8];
    for (int i = 0; i < 8; i++)
        head[i] = (char)(len >> 8 * i);
    tiny_write(directory, MODEL, head, sizeof head);
    assert_int_equal(truncate(tiny_path(directory, MODEL), size), 0);
}

static void test_header_length(void **state)
{
    static const uint64_t lengths[] = {
        9,         100,        1u << 31,       (1ull << 32) - 1, 1ull << 32,
        INT64_MAX, 1ull << 63, UINT64_MAX - 8, UINT64_MAX - 7,   UINT64_MAX};
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(lengths); i++) {
        char digits[32];
        write_length(*state, lengths[i], 16);
        snprintf(digits, sizeof digits, "%llu", (unsigned long long)lengths[i]);
        expect_failure(open_weights(*state, &err), &err, RMR_ERR_FORMAT, MODEL,
                       "length", digits);
    }
    write_length(*state, 0, 8);
    expect_failure(open_weights(*state, &err), &err, RMR_ERR_FORMAT, MODEL,
                   "not valid JSON");
    /* A sparse file that would hold it: above what is ever read. */
    write_length(*state, 100000001, 100000100);
    expect_failure(open_weights(*state, &err), &err, RMR_ERR_FORMAT, MODEL,
                   "100000001", "allowed");
}

static void test_header_that_is_no_object(void **state)
{
    static const struct {
        const char *header, *word;
    } bad[] = {
        {"", "not valid JSON"},
        {"{", "not valid JSON"},
        {"{}x", "not valid JSON"},
        {"{}\xff", "not valid JSON"},
        {"{\"a\xff\":1}", "UTF-8"},
        {"[]", "JSON object"},
        {"[1,2]", "JSON object"},
        {"1", "not valid JSON"},
        {"null", "not valid JSON"},
        {"{}", "no tensors"},
        {"{\"__metadata__\":{}}", "no tensors"},
    };
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(bad); i++) {
        expect_failure(open_header(*state, bad[i].header, 0, &err), &err,
                       RMR_ERR_FORMAT, MODEL, bad[i].word);
    }
    /* Spaces around it are how writers align the data. */
    expect_ok(open_header(*state,
                          "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],"
                          "\"data_offsets\":[0,1]}}   \n\t ",
                          1, &err),
              &err);
}

static void test_metadata_is_text_by_text(void **state)
{
    static const char *const bad[] = {"[]",
                                      "\"x\"",
                                      "1",
                                      "{\"a\":1}",
                                      "{\"a\":null}",
                                      "{\"a\":{}}",
                                      "{\"a\":[\"x\"]}",
                                      "{\"a\":true}",
                                      "false"};
    static const char *const good[] = {"{}", "{\"a\":\"x\"}",
                                       "{\"a\":\"\",\"b\":\"y\"}", "null"};
    rmr_error err = {0};
    char header[256];
    static const char *const format =
        "{\"__metadata__\":%s,\"a\":{\"dtype\":\"U8\",\"shape\":[1],"
        "\"data_offsets\":[0,1]}}";
    for (size_t i = 0; i < LENGTH(bad); i++) {
        snprintf(header, sizeof header, format, bad[i]);
        expect_failure(open_header(*state, header, 1, &err), &err,
                       RMR_ERR_FORMAT, MODEL, "__metadata__");
    }
    for (size_t i = 0; i < LENGTH(good); i++) {
        snprintf(header, sizeof header, format, good[i]);
        expect_ok(open_header(*state, header, 1, &err), &err);
    }
}

/* One entry that is wrong, among 16 bytes of data, and what is said of it. */
static const struct {
    const char *entry, *word;
} bad_entries[] = {
    {"1", "dtype"},
    {"null", "dtype"},
    {"[]", "dtype"},
    {"{}", "dtype"},
    {"{\"shape\":[4],\"data_offsets\":[0,16]}", "dtype"},
    {"{\"dtype\":4,\"shape\":[4],\"data_offsets\":[0,16]}", "dtype"},
    {"{\"dtype\":\"f32\",\"shape\":[4],\"data_offsets\":[0,16]}", "dtype"},
    {"{\"dtype\":\"F128\",\"shape\":[1],\"data_offsets\":[0,16]}", "dtype"},
    {"{\"dtype\":\"F32\",\"data_offsets\":[0,16]}", "shape"},
    {"{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,16]}", "shape"},
    {"{\"dtype\":\"F32\",\"shape\":null,\"data_offsets\":[0,16]}", "shape"},
    {"{\"dtype\":\"F32\",\"shape\":[-4],\"data_offsets\":[0,16]}", "shape"},
    {"{\"dtype\":\"F32\",\"shape\":[4.0],\"data_offsets\":[0,16]}", "shape"},
    {"{\"dtype\":\"F32\",\"shape\":[\"4\"],\"data_offsets\":[0,16]}", "shape"},
    {"{\"dtype\":\"F32\",\"shape\":[true,4],\"data_offsets\":[0,16]}", "shape"},
    {"{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,4],"
     "\"data_offsets\":[0,16]}",
     "shape"},
    {"{\"dtype\":\"F32\",\"shape\":[9223372036854775807,2],"
     "\"data_offsets\":[0,16]}",
     "shape"},
    {"{\"dtype\":\"F32\",\"shape\":[4294967296,4294967297],"
     "\"data_offsets\":[0,16]}",
     "shape"},
    {"{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,0],"
     "\"data_offsets\":[0,0]}",
     "shape"},
    {"{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}", "shape"},
    {"{\"dtype\":\"F6_E2M3\",\"shape\":[5],\"data_offsets\":[0,4]}", "shape"},
    {"{\"dtype\":\"F32\",\"shape\":[4]}", "data_offsets"},
    {"{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":16}", "data_offsets"},
    {"{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16]}", "data_offsets"},
    {"{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16,16]}",
     "data_offsets"},
    {"{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16.0]}",
     "data_offsets"},
    {"{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[\"0\",16]}",
     "data_offsets"},
    {"{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":{\"0\":16}}",
     "data_offsets"},
    {"{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[-16,0]}", "outside"},
    {"{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16,0]}", "outside"},
    {"{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[4,20]}", "outside"},
    {"{\"dtype\":\"F32\",\"shape\":[5],\"data_offsets\":[0,20]}", "outside"},
    {"{\"dtype\":\"F32\",\"shape\":[4],"
     "\"data_offsets\":[9223372036854775791,9223372036854775807]}",
     "outside"},
    {"{\"dtype\":\"F32\",\"shape\":[4],"
     "\"data_offsets\":[0,9223372036854775807]}",
     "outside"},
    {"{\"dtype\":\"F32\",\"shape\":[4],"
     "\"data_offsets\":[-9223372036854775808,9223372036854775807]}",
     "outside"},
    {"{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,15]}", "15 bytes"},
    {"{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,16]}", "need 12"},
    {"{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,16]}", "need 8"},
    {"{\"dtype\":\"F32\",\"shape\":[4,0],\"data_offsets\":[0,16]}", "need 0"},
    {"{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[4,16]}", "hole"},
    {"{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}",
     "4 bytes of data that belong to no tensor"},
};

static void test_entries_that_are_wrong(void **state)
{
    rmr_error err = {0};
    for (size_t i = 0; i < LENGTH(bad_entries); i++) {
        char header[512];
        snprintf(header, sizeof header, "{\"odd\":%s}", bad_entries[i].entry);
        rmr_status status = open_header(*state, header, 16, &err);
        if (!strstr(bad_entries[i].word, "no tensor"))
            assert_non_null(strstr(err.message, "\"odd\""));
        expect_failure(status, &err, RMR_ERR_FORMAT, MODEL,
                       bad_entries[i].word);
    }
}

static void test_numbers_that_no_integer_holds(void **state)
{
    rmr_error err = {0};
    expect_failure(open_header(*state,
                               "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],"
                               "\"data_offsets\":[0,18446744073709551615]}}",
                               1, &err),
                   &err, RMR_ERR_FORMAT, MODEL, "too large");
    expect_failure(open_header(*state,
                               "{\"a\":{\"dtype\":\"U8\",\"shape\":[1e999],"
                               "\"data_offsets\":[0,1]}}",
                               1, &err),
                   &err, RMR_ERR_FORMAT, MODEL, "too large");
}

static void test_tensors_that_overlap_or_leave_holes(void **state)
{
    static const struct {
        unsigned offsets[2][2];
        const char *word;
    } bad[] = {
        {{{0, 8}, {4, 12}}, "\"b\" overlaps"},
        {{{0, 8}, {0, 8}}, "overlaps"},
        {{{0, 8}, {9, 12}}, "\"b\" follows a hole"},
        {{{1, 8}, {8, 12}}, "\"a\" follows a hole"},
        {{{0, 12}, {4, 8}}, "overlaps"},
        {{{4, 12}, {0, 3}}, "\"a\" follows a hole"},
        {{{0, 4}, {4, 11}}, "1 bytes"},
        {{{0, 12}, {4, 4}}, "overlaps"},
        {{{0, 0}, {1, 12}}, "\"b\" follows a hole"},
    };
    rmr_error err = {0};
    char header[512];
    static const char *const format =
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[%u],\"data_offsets\":[%u,%u]},"
        "\"b\":{\"dtype\":\"U8\",\"shape\":[%u],\"data_offsets\":[%u,%u]}}";
#define FORMAT(o)                                                              \
    snprintf(header, sizeof header, format, (o)[0][1] - (o)[0][0], (o)[0][0],  \
             (o)[0][1], (o)[1][1] - (o)[1][0], (o)[1][0], (o)[1][1])
    for (size_t i = 0; i < LENGTH(bad); i++) {
        FORMAT(bad[i].offsets);
        expect_failure(open_header(*state, header, 12, &err), &err,
                       RMR_ERR_FORMAT, MODEL, bad[i].word);
    }
    static const unsigned good[][2][2] = {
        {{0, 4}, {4, 12}}, {{4, 12}, {0, 4}},   {{0, 12}, {12, 12}},
        {{0, 0}, {0, 12}}, {{12, 12}, {0, 12}},
    };
    for (size_t i = 0; i < LENGTH(good); i++) {
        FORMAT(good[i]);
        expect_ok(open_header(*state, header, 12, &err), &err);
    }
#undef FORMAT
}

/* As the reference: the last of two entries of one name counts, and what the
 * other described is then a hole. */
static void test_name_that_stands_twice(void **state)
{
    rmr_error err = {0};
    expect_failure(open_header(*state,
                               "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],"
                               "\"data_offsets\":[0,4]},"
                               "\"a\":{\"dtype\":\"U8\",\"shape\":[4],"
                               "\"data_offsets\":[4,8]}}",
                               8, &err),
                   &err, RMR_ERR_FORMAT, MODEL, "\"a\"", "hole");
}

static void test_many_tensors(void **state)
{
    enum { COUNT = 3000 };
    rmr_error err = {0};
    char *header = NULL;
    size_t size = 0;
    FILE *text = open_memstream(&header, &size);
    for (unsigned i = 0; i < COUNT; i++) {
        fprintf(text,
                "%s\"t%u\":{\"dtype\":\"U8\",\"shape\":[1],"
                "\"data_offsets\":[%u,%u]}",
                i ? "," : "{", i, COUNT - 1 - i, COUNT - i);
    }
    fputc('}', text);
    fclose(text);
    write_weights(*state, MODEL, header, zeros, COUNT);
    free(header);
    rmr_weights *weights;
    expect_ok(rmr_weights_open(&weights, *state, NULL, &err), &err);
    for (unsigned i = 0; i < COUNT; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%u", i);
        assert_int_equal(rmr_weights_rows(weights, name), 1);
    }
    rmr_weights_close(weights);
}

/* ------------------------------------------------------------------ values */

static rmr_status read_tensor(const char *directory, const char *name,
                              uint64_t rows, uint64_t columns, float *values,
                              rmr_error *err)
{
    rmr_weights *weights;
    rmr_error ignored = {0};
    const float *data = values;
    expect_ok(rmr_weights_open(&weights, directory, NULL, &ignored), &ignored);
    rmr_status status =
        rmr_weights_f32(weights, name, rows, columns, &data, err);
    if (status) {
        assert_null(data);
        assert_int_equal(rmr_weights_num_parameters(weights), 0);
    } else {
        assert_int_equal((uintptr_t)data % sizeof *data, 0);
        memcpy(values, data, (rows ? rows : 1) * columns * sizeof *data);
        assert_int_equal(rmr_weights_num_parameters(weights),
                         (rows ? rows : 1) * columns);
    }
    rmr_weights_close(weights);
    return status;
}

static void test_tensor_of_another_shape(void **state)
{
    static const struct {
        uint64_t rows, columns;
        const char *asked;
    } asked[] = {
        {3, 2, "[3, 2]"},
        {1, 4, "[1, 4]"},
        {0, 4, "[4]"},
        {2, 1ull << 62, "[2, 4611686018427387904]"},
        {1ull << 63, 1ull << 63, "[9223372036854775808, 9223372036854775808]"},
    };
    rmr_error err = {0};
    float values[4];
    write_weights(*state, MODEL, GOOD, zeros, GOOD_BYTES);
    expect_ok(read_tensor(*state, "a", 2, 2, values, &err), &err);
    for (size_t i = 0; i < LENGTH(asked); i++) {
        expect_failure(read_tensor(*state, "a", asked[i].rows, asked[i].columns,
                                   values, &err),
                       &err, RMR_ERR_FORMAT, MODEL, "\"a\"", "[2, 2]",
                       asked[i].asked);
    }
    expect_failure(read_tensor(*state, "absent.weight", 2, 2, values, &err),
                   &err, RMR_ERR_FORMAT, MODEL, "\"absent.weight\"", "missing");
    expect_failure(read_tensor(*state, "b", 0, 3, values, &err), &err,
                   RMR_ERR_UNSUPPORTED, MODEL, "\"b\"", "U8", "F32");
    expect_failure(read_tensor(*state, "c", 0, 1, values, &err), &err,
                   RMR_ERR_FORMAT, "\"c\"", "[]", "[1]");
}

/* What an IEEE 754 binary of these field widths is worth. */
static double half_value(unsigned bits, int exponent_bits, int fraction_bits)
{
    int bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = (int)(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
    double fraction = bits & ((1u << fraction_bits) - 1);
    double sign = bits & 0x8000 ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1)
        return fraction == 0 ? sign * INFINITY : NAN;
    if (exponent == 0)
        return sign * ldexp(fraction, 1 - bias - fraction_bits);
    return sign * ldexp(fraction + ldexp(1, fraction_bits),
                        exponent - bias - fraction_bits);
}

static void check_every_half(const char *directory, const char *dtype,
                             int exponent_bits)
{
    static uint16_t halves[65536];
    static float values[65536];
    rmr_error err = {0};
    unsigned count = 0;
    for (unsigned bits = 0; bits < 65536; bits++) {
        halves[count] = (uint16_t)bits;
        count += isfinite(half_value(bits, exponent_bits, 15 - exponent_bits));
    }
    char header[128];
    snprintf(header, sizeof header,
             "{\"a\":{\"dtype\":\"%s\",\"shape\":[%u],"
             "\"data_offsets\":[0,%u]}}",
             dtype, count, 2 * count);
    write_weights(directory, MODEL, header, halves, 2 * count);
    expect_ok(read_tensor(directory, "a", 0, count, values, &err), &err);
    for (unsigned i = 0; i < count; i++) {
        double expected =
            half_value(halves[i], exponent_bits, 15 - exponent_bits);
        assert_true((double)values[i] == expected);
        assert_int_equal(!signbit(values[i]), !(halves[i] & 0x8000));
    }
    /* Each of the others is found. */
    snprintf(header, sizeof header,
             "{\"a\":{\"dtype\":\"%s\",\"shape\":[1],\"data_offsets\":[0,2]}}",
             dtype);
    for (unsigned bits = 0; bits < 65536; bits++) {
        uint16_t half = (uint16_t)bits;
        if (isfinite(half_value(bits, exponent_bits, 15 - exponent_bits)) ||
            (bits & 0x1f && exponent_bits == 5))
            continue;
        write_weights(directory, MODEL, header, &half, 2);
        expect_failure(read_tensor(directory, "a", 0, 1, values, &err), &err,
                       RMR_ERR_RANGE, "\"a\"", "NaN or infinity");
    }
}

static void test_every_float16(void **state)
{
    check_every_half(*state, "F16", 5);
}

static void test_every_bfloat16(void **state)
{
    check_every_half(*state, "BF16", 8);
}

/* Data at every offset modulo 8: the values are the same, always aligned. */
static void test_data_that_is_not_aligned(void **state)
{
    rmr_error err = {0};
    static const char *const dtypes[] = {"F32", "F16", "BF16"};
    for (size_t d = 0; d < LENGTH(dtypes); d++) {
        float values[7], expected[7];
        unsigned char data[28];
        uint64_t seed = 9;
        for (size_t i = 0; i < 7; i++) {
            uint16_t half = (uint16_t)(tiny_random(&seed) & 0xbfff);
            values[i] = tiny_signed(&seed);
            if (d == 0)
                memcpy(data + 4 * i, &values[i], 4);
            else
                memcpy(data + 2 * i, &half, 2);
            expected[i] = d == 0   ? values[i]
                          : d == 1 ? (float)half_value(half, 5, 10)
                                   : (float)half_value(half, 8, 7);
        }
        size_t size = d == 0 ? 28 : 14;
        for (int spaces = 0; spaces < 8; spaces++) {
            char header[128];
            snprintf(header, sizeof header,
                     "{\"a\":{\"dtype\":\"%s\",\"shape\":[7],"
                     "\"data_offsets\":[0,%zu]}}%*s",
                     dtypes[d], size, spaces, "");
            write_weights(*state, MODEL, header, data, size);
            expect_ok(read_tensor(*state, "a", 0, 7, values, &err), &err);
            assert_memory_equal(values, expected, sizeof values);
        }
    }
}

static void test_values_that_are_not_finite(void **state)
{
    rmr_error err = {0};
    enum { COUNT = 67 };
    static const char header[] =
        "{\"w\":{\"dtype\":\"F32\",\"shape\":[67],\"data_offsets\":[0,268]}}";
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY, __builtin_nansf("")};
    float values[COUNT], read[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        values[i] = i % 2 ? 3.4028235e38f : -1e-45f;
    write_weights(*state, MODEL, header, values, sizeof values);
    expect_ok(read_tensor(*state, "w", 0, COUNT, read, &err), &err);
    for (size_t i = 0; i < COUNT; i++) {
        float kept = values[i];
        values[i] = bad[i % LENGTH(bad)];
        write_weights(*state, MODEL, header, values, sizeof values);
        expect_failure(read_tensor(*state, "w", 0, COUNT, read, &err), &err,
                       RMR_ERR_RANGE, MODEL, "\"w\"", "NaN or infinity");
        values[i] = kept;
    }
}

/* What is kept is what was given out and not handed back. */
static void test_memory_that_is_kept(void **state)
{
    static const char header[] = "{\"f\":{\"dtype\":\"F32\",\"shape\":[3000],"
                                 "\"data_offsets\":[0,12000]},"
                                 "\"h\":{\"dtype\":\"F16\",\"shape\":[3000],"
                                 "\"data_offsets\":[12000,18000]}}   ";
    enum { COUNT = 3000 };
    static char data[18000];
    rmr_error err = {0};
    rmr_weights *weights;
    const float *f, *h, *again;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i % 50);
    assert_int_equal(strlen(header) % 4, 0);
    write_weights(*state, MODEL, header, data, sizeof data);
    expect_ok(rmr_weights_open(&weights, *state, NULL, &err), &err);
    assert_int_equal(rmr_weights_bytes(weights), 0);
    expect_ok(rmr_weights_f32(weights, "f", 0, COUNT, &f, &err), &err);
    expect_ok(rmr_weights_f32(weights, "h", 0, COUNT, &h, &err), &err);
    assert_int_equal(rmr_weights_bytes(weights), 2 * 4 * COUNT);
    float *made = rmr_weights_alloc(weights, 100);
    assert_non_null(made);
    memset(made, 1, 400);
    assert_int_equal(rmr_weights_bytes(weights), 2 * 4 * COUNT + 400);
    rmr_weights_forget(weights, h, COUNT);
    assert_int_equal(rmr_weights_bytes(weights), 4 * COUNT + 400);
    /* Mapped values can be forgotten and are there when read again. */
    rmr_weights_forget(weights, f, COUNT);
    assert_int_equal(rmr_weights_bytes(weights), 400);
    assert_memory_equal(f, data, 4 * COUNT);
    expect_ok(rmr_weights_f32(weights, "f", 0, COUNT, &again, &err), &err);
    assert_ptr_equal(again, f);
    assert_null(rmr_weights_alloc(weights, SIZE_MAX / 2));
    assert_int_equal(rmr_weights_bytes(weights), 4 * COUNT + 400);
    rmr_weights_close(weights);
}

/* What is packed lies in its own memory, aligned, whatever its size. */
static void test_packed_memory(void **state)
{
    static const size_t sizes[] = {100, 1,       0,        64,      5000000,
                                   65,  9000000, 20000000, 3000000, 17};
    char *packed[LENGTH(sizes)];
    uint64_t total = 0;
    rmr_error err = {0};
    rmr_weights *weights;
    write_weights(*state, MODEL, GOOD, zeros, GOOD_BYTES);
    expect_ok(rmr_weights_open(&weights, *state, NULL, &err), &err);
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        packed[i] = rmr_weights_alloc_packed(weights, sizes[i]);
        assert_non_null(packed[i]);
        assert_int_equal((uintptr_t)packed[i] % 64, 0);
        memset(packed[i], (int)i + 1, sizes[i]);
        total += sizes[i];
        assert_int_equal(rmr_weights_bytes(weights), total);
    }
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        for (size_t at = 0; at < sizes[i]; at++) {
            if (packed[i][at] != (char)(i + 1))
                fail_msg("byte %zu of %zu was written by another", at, i);
        }
    }
    assert_null(rmr_weights_alloc_packed(weights, SIZE_MAX - 5));
    assert_int_equal(rmr_weights_bytes(weights), total);
    rmr_weights_close(weights);
}

/* ------------------------------------------------------------------ shards */

static void write_shard(const char *directory, const char *file,
                        const char *tensor, float value)
{
    char header[256];
    snprintf(header, sizeof header,
             "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],"
             "\"data_offsets\":[0,4]}}",
             tensor);
    write_weights(directory, file, header, &value, sizeof value);
}

static void write_index(const char *directory, const char *map)
{
    char text[1024];
    snprintf(text, sizeof text, "{\"metadata\":{},\"weight_map\":%s}", map);
    tiny_write_text(directory, "model.safetensors.index.json", text);
}

static void test_shards(void **state)
{
    rmr_error err = {0};
    rmr_weights *weights;
    write_shard(*state, "one.safetensors", "a", 1);
    write_shard(*state, "two.safetensors", "b", 2);
    write_index(*state, "{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\","
                        "\"c\":\"two.safetensors\"}");
    expect_ok(rmr_weights_open(&weights, *state, NULL, &err), &err);
    const float *a, *b;
    expect_ok(rmr_weights_f32(weights, "a", 0, 1, &a, &err), &err);
    expect_ok(rmr_weights_f32(weights, "b", 0, 1, &b, &err), &err);
    assert_true(*a == 1 && *b == 2);
    expect_failure(rmr_weights_f32(weights, "c", 0, 1, &a, &err), &err,
                   RMR_ERR_FORMAT, "\"c\"", "missing");
    rmr_weights_close(weights);
    /* One file beside an index is what counts, as in the reference. */
    write_shard(*state, MODEL, "a", 7);
    expect_ok(rmr_weights_open(&weights, *state, NULL, &err), &err);
    expect_ok(rmr_weights_f32(weights, "a", 0, 1, &a, &err), &err);
    assert_true(*a == 7);
    assert_int_equal(rmr_weights_has(weights, "b"), 0);
    rmr_weights_close(weights);
}

static void test_index_that_is_wrong(void **state)
{
    static const char *const bad_names[] = {"\"/etc/passwd\"",
                                            "\"../one.safetensors\"",
                                            "\"..\"",
                                            "\"sub/one.safetensors\"",
                                            "\"./one.safetensors\"",
                                            "\"\"",
                                            "null",
                                            "1",
                                            "[\"x\"]",
                                            "\"a\\u0001\""};
    rmr_error err = {0};
    char map[256];
    write_shard(*state, "one.safetensors", "a", 1);
    write_shard(*state, "sub/one.safetensors", "a", 1);
    for (size_t i = 0; i < LENGTH(bad_names); i++) {
        snprintf(map, sizeof map, "{\"some.tensor\":%s}", bad_names[i]);
        write_index(*state, map);
        expect_failure(open_weights(*state, &err), &err, RMR_ERR_FORMAT,
                       "index.json", "weight_map", "some.tensor");
    }
    static const char *const bad_maps[] = {"{}", "[]", "null", "\"x\""};
    for (size_t i = 0; i < LENGTH(bad_maps); i++) {
        write_index(*state, bad_maps[i]);
        expect_failure(open_weights(*state, &err), &err, RMR_ERR_FORMAT,
                       "index.json", "weight_map");
    }
    tiny_write_text(*state, "model.safetensors.index.json", "[]");
    expect_failure(open_weights(*state, &err), &err, RMR_ERR_FORMAT,
                   "index.json", "weight_map");
    tiny_write_text(*state, "model.safetensors.index.json", "{");
    expect_failure(open_weights(*state, &err), &err, RMR_ERR_FORMAT,
                   "index.json", "not valid JSON");
}

/* A name that holds a NUL is not the name before it. */
static void test_index_with_a_nul_in_a_name(void **state)
{
    rmr_error err = {0};
    write_shard(*state, "one.safetensors", "a", 1);
    write_index(*state, "{\"a\":\"one.safetensors\\u0000/../x\"}");
    expect_failure(open_weights(*state, &err), &err, RMR_ERR_FORMAT,
                   "index.json", "\"a\"");
}

static void test_shards_that_are_wrong(void **state)
{
    rmr_error err = {0};
    write_shard(*state, "one.safetensors", "a", 1);
    write_index(*state,
                "{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}");
    expect_failure(open_weights(*state, &err), &err, RMR_ERR_IO,
                   "two.safetensors", "No such file");
    tiny_write_text(*state, "two.safetensors", "short");
    expect_failure(open_weights(*state, &err), &err, RMR_ERR_FORMAT,
                   "two.safetensors");
    write_shard(*state, "two.safetensors", "a", 2);
    expect_failure(open_weights(*state, &err), &err, RMR_ERR_FORMAT,
                   ".safetensors", "\"a\"", "another shard");
    assert_int_equal(unlink(tiny_path(*state, "two.safetensors")), 0);
    assert_int_equal(mkfifo(tiny_path(*state, "two.safetensors"), 0644), 0);
    expect_failure(open_weights(*state, &err), &err, RMR_ERR_FORMAT,
                   "two.safetensors", "not a regular file");
}

/* --------------------------------------------------------- other files, hash
 */

static void test_no_weights(void **state)
{
    rmr_error err = {0};
    expect_failure(open_weights(*state, &err), &err, RMR_ERR_IO,
                   "model.safetensors", "index.json");
    tiny_write_text(*state, "pytorch_model.bin", "pickle");
    expect_failure(open_weights(*state, &err), &err, RMR_ERR_UNSUPPORTED,
                   "pytorch_model.bin", "save_pretrained");
    tiny_remove(*state, "pytorch_model.bin");
    tiny_write_text(*state, "pytorch_model.bin.index.json", "{}");
    expect_failure(open_weights(*state, &err), &err, RMR_ERR_UNSUPPORTED,
                   "pickle", "save_pretrained");
    write_weights(*state, MODEL, GOOD, zeros, GOOD_BYTES);
    expect_ok(open_weights(*state, &err), &err);
    expect_failure(open_weights(tiny_path(*state, "gone"), &err), &err,
                   RMR_ERR_IO, "gone");
    tiny_remove(*state, MODEL);
    assert_int_equal(mkdir(tiny_path(*state, MODEL), 0755), 0);
    expect_failure(open_weights(*state, &err), &err, RMR_ERR_FORMAT, MODEL,
                   "not a regular file");
}

static void test_sha256(void **state)
{
    rmr_error err = {0};
    rmr_weights *weights;
    char hex[RMR_SHA256_HEX];
    size_t size;
    write_weights(*state, MODEL, GOOD, zeros, GOOD_BYTES);
    char *file = tiny_read(*state, MODEL, &size);
    expect_ok(rmr_sha256_hex(file, size, hex, &err), &err);
    free(file);
    expect_ok(rmr_weights_open(&weights, *state, hex, &err), &err);
    expect_ok(rmr_weights_check_sha256(weights, hex, &err), &err);
    for (char *c = hex; *c; c++)
        *c = (char)(*c >= 'a' ? *c - 'a' + 'A' : *c);
    expect_ok(rmr_weights_check_sha256(weights, hex, &err), &err);
    hex[63] = hex[63] == '0' ? '1' : '0';
    expect_failure(rmr_weights_check_sha256(weights, hex, &err), &err,
                   RMR_ERR_RANGE, MODEL, "SHA-256", hex);
    rmr_weights_close(weights);
    expect_failure(rmr_weights_open(&weights, *state, hex, &err), &err,
                   RMR_ERR_RANGE, MODEL, "SHA-256", hex);
    assert_null(weights);
    tiny_remove(*state, MODEL);
    write_shard(*state, "one.safetensors", "a", 1);
    write_index(*state, "{\"a\":\"one.safetensors\"}");
    expect_failure(rmr_weights_open(&weights, *state, hex, &err), &err,
                   RMR_ERR_UNSUPPORTED, "sharded", "sha256");
}

#define in_directory(test)                                                     \
    cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_directory(test_good_file),
        in_directory(test_file_cut_short_at_every_byte),
        in_directory(test_header_length),
        in_directory(test_header_that_is_no_object),
        in_directory(test_metadata_is_text_by_text),
        in_directory(test_entries_that_are_wrong),
        in_directory(test_numbers_that_no_integer_holds),
        in_directory(test_tensors_that_overlap_or_leave_holes),
        in_directory(test_name_that_stands_twice),
        in_directory(test_many_tensors),
        in_directory(test_tensor_of_another_shape),
        in_directory(test_every_float16),
        in_directory(test_every_bfloat16),
        in_directory(test_data_that_is_not_aligned),
        in_directory(test_values_that_are_not_finite),
        in_directory(test_memory_that_is_kept),
        in_directory(test_packed_memory),
        in_directory(test_shards),
        in_directory(test_index_that_is_wrong),
        in_directory(test_index_with_a_nul_in_a_name),
        in_directory(test_shards_that_are_wrong),
        in_directory(test_no_weights),
        in_directory(test_sha256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
