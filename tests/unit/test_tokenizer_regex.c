/*
 * test_tokenizer_regex.c - regular expressions: where matches are, as the
 * reference finds them (tests/parity/regex_live.py compares live), what is
 * refused and where, limits, parts of texts, and no memory. A match is written
 * as [..] in what is expected, so the texts have no brackets.
 */
#include "common/base/alloc.h"
#include "tests/unit/unit.h"
#include "tokenizer/regex/tokenizer_regex.h"
#include "tokenizer/text/tokenizer_utf8.h"

static rmr_regex *open_regex(const char *pattern)
{
    rmr_error err = {0};
    rmr_regex *regex;
    expect_ok(rmr_regex_open(&regex, pattern, strlen(pattern), "f: R", &err),
              &err);
    return regex;
}

/* The text with its matches in brackets, in a static buffer; NULL when the
 * search failed. */
static const char *bracketed(const rmr_regex *regex, rmr_regex_scratch *scratch,
                             const char *text, size_t from, size_t to)
{
    static char out[4096];
    size_t at = from, len = 0, start, end;
    rmr_regex_search search;
    int found;
    if (rmr_regex_begin(&search, regex, scratch, (const unsigned char *)text,
                        from, to))
        return NULL;
    while ((found = rmr_regex_next(&search, &start, &end)) > 0) {
        assert_true(start >= at && end >= start && end <= to);
        len += (size_t)sprintf(out + len, "%.*s[%.*s]", (int)(start - at),
                               text + at, (int)(end - start), text + start);
        at = end;
    }
    /* There are no more, however often one asks. */
    assert_int_equal(found,
                     found ? found : rmr_regex_next(&search, &start, &end));
    sprintf(out + len, "%.*s", (int)(to - at), text + at);
    return found ? NULL : out;
}

static void expect_matches(const char *pattern, const char *text,
                           const char *expected)
{
    rmr_regex_scratch scratch = {0};
    rmr_regex *regex = open_regex(pattern);
    const char *got = bracketed(regex, &scratch, text, 0, strlen(text));
    if (!got || strcmp(got, expected) != 0)
        print_error("pattern %s\n", pattern);
    assert_non_null(got);
    assert_string_equal(got, expected);
    rmr_regex_scratch_clear(&scratch);
    rmr_regex_close(regex);
}

/* ------------------------------------------------------------------ matches
 */

#define GPT2                                                                   \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"       \
    "\\s+(?!\\S)|\\s+"
#define CL100K                                                                 \
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+|"      \
    " ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s"

static void test_known_patterns(void **state)
{
    (void)state;
    expect_matches(GPT2, "It's  12345 na\xc3\xafve\xe2\x80\xa6\n\n ok ",
                   "[It]['s][ ][ 12345][ na\xc3\xafve][\xe2\x80\xa6][\n\n]"
                   "[ ok][ ]");
    expect_matches(CL100K, "It'S  12345 na\xc3\xafve\xe2\x80\xa6\n\n ok ",
                   "[It]['S][ ][ ][12345][ na\xc3\xafve][\xe2\x80\xa6\n\n]"
                   "[ ok][ ]");
    expect_matches(" ?[^(\\s|[.,!?\xe2\x80\xa6\xe3\x80\x82])]+",
                   "One, two \xe4\xb8\xad\xe3\x80\x82x",
                   "[One],[ two][ \xe4\xb8\xad]\xe3\x80\x82[x]");
    expect_matches("\\d{1,3}(?=(?:\\d{3})*\\b)", "1234567 12",
                   "[1][234][567] [12]");
    expect_matches("(?<=[a-z])(?=[A-Z])", "camelCaseIs", "camel[]Case[]Is");
}

/* The reference takes no empty match where the last match ended. */
static void test_empty_matches(void **state)
{
    (void)state;
    expect_matches("x*", "axxb", "[]a[xx]b[]");
    expect_matches("a|", "ab\xc3\xa9", "[a]b[]\xc3\xa9[]");
    expect_matches("", "ab", "[]a[]b[]");
    expect_matches("\\b", "ab \xc3\xa9", "[]ab[] []\xc3\xa9[]");
    expect_matches("$", "a\n\nb\n", "a[]\n[]\nb[]\n[]");
    expect_matches("^", "a\n\nb\n", "[]a\n[]\n[]b\n");
    expect_matches("x*", "", "[]");
}

static void test_whether_a_match_may_be_empty(void **state)
{
    static const struct {
        const char *pattern;
        int may;
    } cases[] = {{"x*", 1},  {"", 1},     {"a|", 1},       {"(?=a)", 1},
                 {"\\b", 1}, {"a?b?", 1}, {"(?<=a)b?", 1}, {"x+", 0},
                 {"a|b", 0}, {"a?b", 0},  {"(?:ab)+$", 0}};
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        rmr_regex *regex = open_regex(cases[i].pattern);
        assert_int_equal(rmr_regex_matches_empty(regex), cases[i].may);
        rmr_regex_close(regex);
    }
}

static void test_what_differs_between_the_syntaxes(void **state)
{
    (void)state;
    expect_matches("a.", "a\na\ra\xe2\x80\xa8", "a\n[a\r][a\xe2\x80\xa8]");
    expect_matches("(?m)a.", "a\nab", "[a\n][ab]");
    expect_matches("\\h+", "xFf0g", "x[Ff0]g");
    expect_matches("\\R", "\r\n\n\v\xc2\x85", "[\r\n][\n][\v][\xc2\x85]");
    expect_matches("\\O", "\n", "[\n]");
    expect_matches("\\N", "\na", "\n[a]");
    expect_matches("a{2}+", "aaaaa", "[aaaa]a");
    expect_matches("a{2}?", "aaa", "[aa]a[]");
    expect_matches("a{3,1}ab?", "aaaaab", "[aaaa]ab");
    expect_matches("a{,2}b", "aaab", "a[aab]");
    expect_matches("a{,}", "a{,}", "[a{,}]");
    expect_matches("a{x", "a{x", "[a{x]");
    expect_matches("(?:a+)?", "aab", "[aa]b[]");
    expect_matches("b(?i)a|c", "bAbC", "[bA][bC]");
    expect_matches("(?x) a b # c\n c", "abc", "[abc]");
    expect_matches("(?#c)a(?#\\))b", "ab", "[ab]");
    expect_matches("\\A\\w|\\w\\Z", "ab cd\n", "[a]b c[d]\n");
    expect_matches("(?<n>a)(b)(?'m'c)", "abc", "[abc]");
    expect_matches("(?<=a|bc)d(?!e)", "ad bcd ade", "a[d] bc[d] ade");
    expect_matches("\\x41\\u0042\\x{1F600}\\o{103}\\012\\e",
                   "AB\xf0\x9f\x98\x80"
                   "C\n\x1b",
                   "[AB\xf0\x9f\x98\x80"
                   "C\n\x1b]");
}

static void test_classes(void **state)
{
    (void)state;
    expect_matches("[]a-]+", "x-a", "x[-a]");
    expect_matches("[a-c-e]+", "a-ebd", "[a-eb]d");
    expect_matches("[a-z&&[^aeiou]&&[^x]]+", "abcxe", "a[bc]xe");
    expect_matches("[^\\W\\d_]+", "ab1_c", "[ab]1_[c]");
    expect_matches("[[:alpha:][:^ascii:]]+", "a1\xe2\x80\xa6",
                   "[a]1[\xe2\x80\xa6]");
    expect_matches("[\\p{^L}x]+", "ax1", "a[x1]");
    expect_matches("\\p{uppercase_ LETTER}", "aB", "a[B]");
    expect_matches("\\P{^Han}", "a\xe4\xb8\xad", "a[\xe4\xb8\xad]");
    /* \w outside of brackets holds six characters that it lacks inside. */
    expect_matches("\\w", "\xc2\xb2", "[\xc2\xb2]");
    expect_matches("[\\w]", "\xc2\xb2", "\xc2\xb2");
    expect_matches("[^\\x{0}-\\x{10FFFF}]", "a\xc3\xa9", "a\xc3\xa9");
}

static void test_without_case(void **state)
{
    (void)state;
    expect_matches("(?i:'s)", "'s'S'\xc5\xbf", "['s]['S]['\xc5\xbf]");
    expect_matches("(?i)k", "kK\xe2\x84\xaa", "[k][K][\xe2\x84\xaa]");
    expect_matches("(?i)stra\xc3\x9f"
                   "e",
                   "STRASSE stra\xc5\xbfse", "[STRASSE] [stra\xc5\xbfse]");
    expect_matches("(?i)sss", "s\xc3\x9fs \xc3\x9fs",
                   "s[\xc3\x9fs] [\xc3\x9fs]");
    expect_matches("(?i)[\xc3\x9f]", "ss\xe1\xba\x9e", "[ss][\xe1\xba\x9e]");
    expect_matches("(?i)[^\xc3\x9f]", "s\xc3\x9f\xe1\xba\x9e",
                   "[s]\xc3\x9f\xe1\xba\x9e");
    expect_matches("(?i)start",
                   "\xef\xac\x85"
                   "art",
                   "[\xef\xac\x85"
                   "art]");
    expect_matches("(?i)ffi", "FFi \xef\xac\x83 \xef\xac\x80i",
                   "[FFi] [\xef\xac\x83] \xef\xac\x80i");
    expect_matches("(?i)[\xef\xac\x83\xef\xac\x80]+$", "ffi", "[ffi]");
    expect_matches("(?-i:a)|(?i:b)c", "aAbCBc", "[a]AbC[Bc]");
    expect_matches("(?i)\\p{Lu}|[\\p{Lu}]", "a", "[a]");
    expect_matches("(?i)\\p{Lu}", "aB", "a[B]");
}

/* Branches that are matched without backtracking, and their likes that must
 * not be. */
static void test_branches_with_and_without_backtracking(void **state)
{
    (void)state;
    expect_matches("a?a+", "aaa ba", "[aaa] b[a]");
    expect_matches("[ab]*b", "aabab aa", "[aabab] aa");
    expect_matches("[ab]{1,2}b|a", "abb aab b", "[abb] [aab] b");
    expect_matches("[ab]*+b|a", "ab", "[a]b");
    expect_matches(" ?a+|b{2}c?", "a  aabbbcbbc", "[a] [ aa][bb]bc[bbc]");
    expect_matches("b{2,3}|bc*", "bbbbcc b", "[bbb][bcc] [b]");
    expect_matches("a*b?c|a+", "aabaac", "[aa]b[aac]");
    expect_matches("a+?b?|c{2,}", "aabccc", "[a][ab][ccc]");
    expect_matches("(?:[ab]+|c(?=d))", "abcabcd", "[ab]c[ab][c]d");
    expect_matches("a|b|c|d|e|f|g|h|i|j|k|l|m|n|o+|p+|q+(?=r)|\\bs+",
                   "zppqqr ssoo", "z[pp][qq]r [ss][oo]");
    /* What fails after a run fails in all of it, but for its other end. */
    expect_matches("a?b+c|b", "abbdbbc", "a[b][b]d[bbc]");
    expect_matches("a*b+c{2}|b?b", "aabbcbb", "aa[bb]c[bb]");
    expect_matches(" *a+b|a+c| a", " aac aab a", "[ a][ac][ aab][ a]");
    /* Of a run that an assertion ends. */
    expect_matches("\\s+$", "a  \n  x \n\n", "a[  ]\n  x[ \n\n]");
    expect_matches("[ab]+(?=b)|(?:c+)\\b", "abab aacc", "[aba]b aa[cc]");
    expect_matches("a+(?<=aa)(?!b)", "aaaba aaa", "[aa]aba [aaa]");
}

/* A long run that does not end as it should is looked at once. */
static void test_long_runs(void **state)
{
    static const char *const patterns[] = {"\\s+$",         "(?i)(?:\\s++\\Z)",
                                           "\\s+(?!\\S)x?", "\\s+(?<=x)",
                                           "x?\\s+[0-9]",   "y|\\s*[0-9]{3}"};
    enum { LENGTH_OF_RUN = 2000000 };
    rmr_regex_scratch scratch = {0};
    char *text = malloc(LENGTH_OF_RUN + 1);
    (void)state;
    assert_non_null(text);
    memset(text, ' ', LENGTH_OF_RUN);
    text[LENGTH_OF_RUN] = '.';
    for (size_t i = 0; i < LENGTH(patterns); i++) {
        rmr_regex_search search;
        size_t start, end;
        rmr_regex *regex = open_regex(patterns[i]);
        assert_int_equal(rmr_regex_begin(&search, regex, &scratch,
                                         (unsigned char *)text, 0,
                                         LENGTH_OF_RUN + 1),
                         RMR_OK);
        assert_int_equal(rmr_regex_next(&search, &start, &end), i == 2);
        rmr_regex_close(regex);
    }
    rmr_regex_scratch_clear(&scratch);
    free(text);
}

/* Every code point: how many of them match, as counted with the reference. */
static void test_every_code_point(void **state)
{
    static const struct {
        const char *pattern;
        size_t count;
    } cases[] = {
        {"\\p{L}", 141028},  {"\\p{N}", 1911},
        {"\\p{P}", 855},     {"\\p{S}", 8514},
        {"\\p{M}", 2501},    {"\\s", 25},
        {"\\d", 760},        {"\\w", 144671},
        {"[\\w]", 144665},   {"[[:punct:]]", 9369},
        {"\\p{Punct}", 855}, {"\\p{Han}", 99030},
        {"\\p{Cn}", 819533}, {"[[:alpha:]&&[^\\p{Latin}]]", 141272},
        {"(?i)[k-s]", 20},   {"[^\\s\\p{L}\\p{N}]", 969100},
    };
    unsigned char *text = malloc(4 * 0x110000);
    size_t len = 0, start, end;
    rmr_regex_scratch scratch = {0};
    (void)state;
    assert_non_null(text);
    for (uint32_t code = 0; code < 0x110000; code++) {
        if (code < 0xD800 || code > 0xDFFF)
            len += rmr_utf8_encode(code, text + len);
    }
    for (size_t i = 0; i < LENGTH(cases); i++) {
        rmr_regex *regex = open_regex(cases[i].pattern);
        rmr_regex_search search;
        size_t count = 0;
        assert_int_equal(
            rmr_regex_begin(&search, regex, &scratch, text, 0, len), RMR_OK);
        while (rmr_regex_next(&search, &start, &end) > 0)
            count++;
        if (count != cases[i].count)
            print_error("pattern %s\n", cases[i].pattern);
        assert_int_equal(count, cases[i].count);
        rmr_regex_close(regex);
    }
    rmr_regex_scratch_clear(&scratch);
    free(text);
}

/* Nothing outside of the part that is searched is seen. */
static void test_parts_of_a_text(void **state)
{
    rmr_regex_scratch scratch = {0};
    rmr_regex *regex = open_regex("(?<=\xc3\xa9)b|\\bc\\b|^x|x$|\\s+(?!\\S)");
    const char *text = "\xc3\xa9"
                       "bc\xc3\xa9xx  \xc3\xa9";
    (void)state;
    assert_string_equal(bracketed(regex, &scratch, text, 0, 12),
                        "\xc3\xa9[b]c\xc3\xa9xx[ ] \xc3\xa9");
    assert_string_equal(bracketed(regex, &scratch, text, 2, 4), "bc");
    assert_string_equal(bracketed(regex, &scratch, text, 3, 4), "[c]");
    assert_string_equal(bracketed(regex, &scratch, text, 6, 8), "[x][x]");
    assert_string_equal(bracketed(regex, &scratch, text, 4, 10),
                        "\xc3\xa9xx[  ]");
    assert_string_equal(bracketed(regex, &scratch, text, 6, 10), "[x]x[  ]");
    assert_string_equal(bracketed(regex, &scratch, text, 4, 4), "");
    rmr_regex_scratch_clear(&scratch);
    rmr_regex_close(regex);
}

/* ----------------------------------------------------------------- refusals
 */

static void expect_refused(const char *pattern, rmr_status status,
                           const char *word, const char *more)
{
    rmr_error err = {0};
    rmr_regex *regex = (rmr_regex *)&err;
    rmr_status got =
        rmr_regex_open(&regex, pattern, strlen(pattern), "f: R", &err);
    if (got != status)
        print_error("pattern %s\n", pattern);
    expect_failure(got, &err, status, "f: R", word, more);
    assert_null(regex);
}

static void test_what_is_refused(void **state)
{
    static const struct {
        const char *pattern;
        const char *what;
    } cases[] = {
        {"ab\\Xc", "\"\\X\" at offset 2"},
        {"\\G", "\"\\G\" at offset 0"},
        {"a\\Kb", "\"\\K\" at offset 1"},
        {"(a)\\1", "\"\\1\" at offset 3"},
        {"(?<n>a)\\k<n>", "\"\\k\" at offset 7"},
        {"(?<n>a)\\g<n>", "\"\\g\" at offset 7"},
        {"a(?~b)", "\"(?~\" at offset 1"},
        {"(?(1)a)", "\"(?(\" at offset 0"},
        {"(?W:a)", "\"(?W\" at offset 0"},
        {"(*FAIL)", "\"(*\" at offset 0"},
        {"(?{a})", "\"(?{\" at offset 0"},
        {"\\pL", "\"\\p\" at offset 0"},
        {"a\\p{Nothing}", "\"\\p{Nothing}\" at offset 1"},
        {"\\p{In_Latin}", "\"\\p{In_Latin}\""},
        {"\\xe9", "\"\\xe9\""},
        {"\\x{61 62}", "\"\\x{61 \""},
        {"\\ud800", "\"\\ud800\""},
        {"\\M-a", "\"\\M\""},
        {"\\y", "\"\\y\""},
        {"(?:a?)*?", "\"*?\""},
        {"(?:a|)*", "\"*\" at offset 6"},
        {"(\\b)?(?:)+", "\"+\""},
        {"(?<=a+)b", "\"a+\" at offset 4"},
        {"(?<=a(?=b))b", "\"(?=\" at offset 5"},
        {"(?<!(a))b", "\"(\" at offset 4"},
        {"(?<=a\\z)b", "\"\\z\" at offset 5"},
        {"(?i)s(?:s)", "\"(?:s)\" at offset 5"},
        {"(?i)(?<=ss)", "look-behind"},
        {"a{70000}", "\"{70000}\" at offset 1"},
        {"(?:(?:(?:a{1,500}){1,500}){1,500}){1,500}", "too large"},
        {"[a-[b]]", "\"-[\" at offset 2"},
        {"\\Z\\O*", "all that is left"},
        {"a{0}(?=b)(?:(\\O+)c)", "all that is left"},
        {"(?:(?=b)(?m:.+))+", "all that is left"},
        {"(?=b)\\O*+|\\O*c", "all that is left"},
    };
    static const char *const others[] = {
        "\\O*",          "b(?!c)\\O*",    "(?=b)\\O*?",
        "(?=b)\\O{0,9}", "(?=b)\\O*|c",   "(?=b).*",
        "(?=\\O*b)a",    "(?=b)(?m:.)x*", "(?=b)(?:\\O*|c)",
        "(?m)^.*$",      "\\A^(?:\\O*b)"};
    (void)state;
    for (size_t i = 0; i < LENGTH(others); i++) {
        rmr_regex *regex;
        expect_ok(
            rmr_regex_open(&regex, others[i], strlen(others[i]), "", NULL),
            &(rmr_error){0});
        rmr_regex_close(regex);
    }
    for (size_t i = 0; i < LENGTH(cases); i++)
        expect_refused(cases[i].pattern, RMR_ERR_UNSUPPORTED, cases[i].what,
                       "not supported");
}

static void test_what_is_malformed(void **state)
{
    static const struct {
        const char *pattern;
        const char *what;
    } cases[] = {
        {"a(b", "a group without end at offset 1"},
        {"ab)", "')' without '(' at offset 2"},
        {"[a", "a class without end"},
        {"a[]", "an empty class at offset 1"},
        {"[b-a]", "a range that is empty"},
        {"[\\d-a]", "begins with a class at offset 3"},
        {"[a-\\d]", "ends with a class at offset 2"},
        {"[[:nothing:]]", "POSIX bracket"},
        {"a|*", "nothing to repeat before this at offset 2"},
        {"^*", "nothing that can be repeated before this at offset 1"},
        {"a\\", "a backslash at the end at offset 1"},
        {"\\u12", "without four digits"},
        {"a(?#b", "a comment without end at offset 1"},
        {"a(?#\\", "a comment without end at offset 1"},
        {"\\p{L", "a property without end"},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++)
        expect_refused(cases[i].pattern, RMR_ERR_FORMAT, cases[i].what,
                       "regular expression");
}

static void test_nesting_and_size(void **state)
{
    char pattern[1024];
    (void)state;
    for (size_t i = 0; i < 150; i++) {
        pattern[i] = '(';
        pattern[151 + i] = ')';
    }
    pattern[150] = 'a';
    pattern[301] = 0;
    expect_refused(pattern, RMR_ERR_UNSUPPORTED, "nested too deeply", "");
    memset(pattern, '[', 150);
    pattern[150] = 0;
    expect_refused(pattern, RMR_ERR_UNSUPPORTED, "nested too deeply", "");
    char *long_one = calloc(1, 65537);
    assert_non_null(long_one);
    memset(long_one, 'a', 65536);
    expect_refused(long_one, RMR_ERR_UNSUPPORTED, "longer than 65535", "");
    free(long_one);
    strcpy(pattern, "a");
    for (size_t i = 0; i < 101; i++)
        strcat(pattern, "{2}");
    expect_refused(pattern, RMR_ERR_UNSUPPORTED, "nested too deeply",
                   "offset 301");
    /* Each of these letters is its own kind of character. */
    char *end = pattern;
    for (uint32_t code = 0x4E00; code < 0x4E00 + 126; code++)
        end += rmr_utf8_encode(code, (unsigned char *)end);
    *end = 0;
    expect_matches(pattern, pattern + 3, pattern + 3);
    for (uint32_t code = 0x5E00; code < 0x5E00 + 9; code++)
        end += rmr_utf8_encode(code, (unsigned char *)end);
    *end = 0;
    expect_refused(pattern, RMR_ERR_UNSUPPORTED, "127 kinds", "");
}

/* ------------------------------------------------------------------- limits
 */

/* What takes exponentially many steps ends with a status. */
static void test_too_many_steps(void **state)
{
    char text[81];
    rmr_regex_scratch scratch = {0};
    rmr_regex *regex = open_regex("(?:a|aa)+[bc]");
    (void)state;
    memset(text, 'a', 80);
    text[80] = 0;
    rmr_regex_search search;
    size_t start, end;
    assert_int_equal(
        rmr_regex_begin(&search, regex, &scratch, (unsigned char *)text, 0, 80),
        RMR_OK);
    assert_int_equal(rmr_regex_next(&search, &start, &end), RMR_ERR_RANGE);
    /* The scratch is as good as before. */
    text[79] = 'b';
    assert_string_equal(bracketed(regex, &scratch, text, 60, 80),
                        "[aaaaaaaaaaaaaaaaaaab]");
    rmr_regex_scratch_clear(&scratch);
    rmr_regex_close(regex);
}

/* More steps than an attempt has at first, but few enough. */
static void test_many_steps(void **state)
{
    char text[30];
    rmr_regex_scratch scratch = {0};
    rmr_regex *regex = open_regex("(?:a|aa)+[bc]|a");
    (void)state;
    memset(text, 'a', 23);
    text[23] = 0;
    assert_string_equal(bracketed(regex, &scratch, text, 0, 23),
                        "[a][a][a][a][a][a][a][a][a][a][a][a][a][a][a][a][a]"
                        "[a][a][a][a][a][a]");
    rmr_regex_scratch_clear(&scratch);
    rmr_regex_close(regex);
}

/* What takes more memory for backtracking than there may be is a status. */
static void test_deep_backtracking(void **state)
{
    static const size_t lengths[] = {10000, 150000, 6000000};
    rmr_regex_scratch scratch = {0};
    rmr_regex *regex = open_regex("(?:a|b)*c|(?:b|a)*");
    char *text = malloc(lengths[2]);
    (void)state;
    assert_non_null(text);
    memset(text, 'a', lengths[2]);
    for (size_t i = 0; i < LENGTH(lengths); i++) {
        rmr_regex_search search;
        size_t start, end;
        assert_int_equal(rmr_regex_begin(&search, regex, &scratch,
                                         (unsigned char *)text, 0, lengths[i]),
                         RMR_OK);
        int found = rmr_regex_next(&search, &start, &end);
        assert_int_equal(found, i < 2 ? 1 : RMR_ERR_RANGE);
        if (found == 1) {
            assert_int_equal(start, 0);
            assert_int_equal(end, lengths[i]);
        }
    }
    free(text);
    rmr_regex_scratch_clear(&scratch);
    rmr_regex_close(regex);
}

/* ---------------------------------------------------------------- no memory
 */

#ifdef RMR_FAULT_INJECTION
static unsigned fail_every_allocation(const char *pattern, const char *text,
                                      const char *expected, int forever)
{
    for (unsigned n = 1;; n++) {
        rmr_error err = {0};
        rmr_regex *regex;
        rmr_regex_scratch scratch = {0};
        const char *got = NULL;
        rmr_alloc_fail_at(n, forever);
        rmr_status status =
            rmr_regex_open(&regex, pattern, strlen(pattern), "f: R", &err);
        assert_int_equal(!regex, status != RMR_OK);
        if (!status)
            got = bracketed(regex, &scratch, text, 0, strlen(text));
        int failed = rmr_alloc_failed();
        rmr_alloc_fail_at(0, 0);
        if (status)
            expect_failure(status, &err, RMR_ERR_NOMEM, "memory");
        if (got)
            assert_string_equal(got, expected);
        if (!status) {
            /* It goes on where memory failed before. */
            got = bracketed(regex, &scratch, text, 0, strlen(text));
            assert_string_equal(got, expected);
        }
        rmr_regex_scratch_clear(&scratch);
        rmr_regex_close(regex);
        if (!failed)
            return n - 1;
    }
}

static void test_no_memory_at_any_point(void **state)
{
    static const struct {
        const char *pattern;
        const char *text;
        const char *expected;
    } cases[] = {
        {"(?i)a[b-d&&[^c]\\P{L}]*|\\p{Lu}+x{2,3}|\\bss",
         "A\xc3\xa9"
         "d\xc3\x9f ",
         "[A]\xc3\xa9"
         "d\xc3\x9f "},
        {"(?:(?<=a)[^b\\w]|\\R|.{3})+", "a,bc", "[a,b]c"},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        unsigned once = fail_every_allocation(cases[i].pattern, cases[i].text,
                                              cases[i].expected, 0);
        fail_every_allocation(cases[i].pattern, cases[i].text,
                              cases[i].expected, 1);
        print_message("%u allocations\n", once);
        assert_true(once > 20);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_patterns),
        cmocka_unit_test(test_empty_matches),
        cmocka_unit_test(test_whether_a_match_may_be_empty),
        cmocka_unit_test(test_what_differs_between_the_syntaxes),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_without_case),
        cmocka_unit_test(test_branches_with_and_without_backtracking),
        cmocka_unit_test(test_long_runs),
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_parts_of_a_text),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_what_is_malformed),
        cmocka_unit_test(test_nesting_and_size),
        cmocka_unit_test(test_too_many_steps),
        cmocka_unit_test(test_many_steps),
        cmocka_unit_test(test_deep_backtracking),
#ifdef RMR_FAULT_INJECTION
        cmocka_unit_test(test_no_memory_at_any_point),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
