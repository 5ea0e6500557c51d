/*
 * cmocka.c - those functions of cmocka's that the tests of kernels call, for
 * programs of a CPU that its library is not installed for. It must never report
 * a test as passed that did not come to its end, and it knows no fixtures.
 */
#include "tests/unit/unit.h"

static jmp_buf end_of_test;

void print_message(const char *const format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
}

void print_error(const char *const format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
}

void _fail(const char *const file, const int line)
{
    print_error("%s:%d: error: Failure!\n", file, line);
    longjmp(end_of_test, 1);
}

void _assert_true(const LargestIntegralType result,
                  const char *const expression, const char *const file,
                  const int line)
{
    if (result)
        return;
    print_error("not true: %s\n", expression);
    _fail(file, line);
}

void _assert_int_equal(const LargestIntegralType a, const LargestIntegralType b,
                       const char *const file, const int line)
{
    if (a == b)
        return;
    print_error("%#jx is not %#jx\n", (uintmax_t)a, (uintmax_t)b);
    _fail(file, line);
}

void _assert_string_equal(const char *const a, const char *const b,
                          const char *const file, const int line)
{
    if (strcmp(a, b) == 0)
        return;
    print_error("\"%s\" is not \"%s\"\n", a, b);
    _fail(file, line);
}

void _assert_string_not_equal(const char *const a, const char *const b,
                              const char *file, const int line)
{
    if (strcmp(a, b) != 0)
        return;
    print_error("both are \"%s\"\n", a);
    _fail(file, line);
}

/* Whether one test came to its end. */
static int passes(const struct CMUnitTest *test)
{
    void *state = NULL;
    print_message("[ RUN      ] %s\n", test->name);
    if (setjmp(end_of_test)) {
        print_message("[  FAILED  ] %s\n", test->name);
        return 0;
    }
    test->test_func(&state);
    print_message("[       OK ] %s\n", test->name);
    return 1;
}

int _cmocka_run_group_tests(const char *group_name,
                            const struct CMUnitTest *const tests,
                            const size_t num_tests,
                            CMFixtureFunction group_setup,
                            CMFixtureFunction group_teardown)
{
    size_t passed = 0;
    if (group_setup || group_teardown)
        return -1;
    for (size_t i = 0; i < num_tests; i++) {
        if (tests[i].setup_func || tests[i].teardown_func)
            return -1;
        passed += (size_t)passes(&tests[i]);
    }
    print_message("[==========] %s: %zu test(s) run.\n", group_name, num_tests);
    print_message("[  PASSED  ] %zu test(s).\n", passed);
    if (passed < num_tests)
        print_message("\n %zu FAILED TEST(S)\n", num_tests - passed);
    return (int)(num_tests - passed);
}
