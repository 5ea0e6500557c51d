/*
 * test_normalizer_unicode.c - the tables of characters: decompositions and
 * compositions, categories, scripts, grapheme clusters. Expected values are the
 * standard's, of the version that each table has.
 */
#include "tests/unit/unit.h"
#include "tokenizer/text/tokenizer_unicode.h"

static void test_compatibility_decompositions(void **state)
{
    static const struct {
        uint32_t code;
        uint32_t parts[RMR_NFKD_MAX];
    } cases[] = {
        {'a', {'a'}},
        {0x1E9B, {0x73, 0x307}},
        {0xFB01, {'f', 'i'}},
        {0x2126, {0x3A9}},
        {0xAC01, {0x1100, 0x1161, 0x11A8}},
        {0x3300, {0x30A2, 0x30CF, 0x309A, 0x30FC, 0x30C8}},
        {0x1D400, {'A'}},
        {0x2F800, {0x4E3D}},
        {0x10FFFF, {0x10FFFF}},
        {0xFDFA,
         {0x635, 0x644, 0x649, ' ', 0x627, 0x644, 0x644, 0x647, ' ', 0x639,
          0x644, 0x64A, 0x647, ' ', 0x648, 0x633, 0x644, 0x645}},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        uint32_t parts[RMR_NFKD_MAX], code = cases[i].code;
        unsigned count =
            rmr_char_decompose_compatible(code, rmr_char_of(code), parts);
        for (unsigned n = 0; n < RMR_NFKD_MAX; n++)
            assert_int_equal(n < count ? parts[n] : 0, cases[i].parts[n]);
    }
}

/* Every canonical decomposition of two characters composes again, but for
 * those that are excluded; nothing else composes. */
static void test_compositions(void **state)
{
    static const uint32_t pairs[][3] = {
        {'A', 0x30A, 0xC5},
        {0x1100, 0x1161, 0xAC00},
        {0xAC00, 0x11A8, 0xAC01},
        {0xAC00, 0x11A7, 0},
        {0xAC01, 0x11A8, 0},
        {0x1112, 0x1175, 0xD788},
        {0x1113, 0x1161, 0},
        {0x1100, 0x1176, 0},
        {0x915, 0x93C, 0},
        {0x3CB, 0x301, 0x3B0},
        {0x30AB, 0x3099, 0x30AC},
        {0x11131, 0x11127, 0x1112E},
        {'a', 'b', 0},
        {0x308, 0x301, 0},
        {0x1E63, 0x307, 0x1E69},
        {0, 0x301, 0},
    };
    size_t composed = 0;
    (void)state;
    for (size_t i = 0; i < LENGTH(pairs); i++)
        assert_int_equal(rmr_char_compose(pairs[i][0], pairs[i][1]),
                         pairs[i][2]);
    for (uint32_t code = 0; code < 0x110000; code++) {
        uint32_t parts[RMR_NFD_MAX];
        const rmr_char *c = rmr_char_of(code);
        unsigned count = rmr_char_decompose(code, c, parts);
        assert_int_equal(count > 1 || parts[0] != code,
                         !!(c->flags & RMR_CHAR_NFD));
        uint32_t whole = parts[0];
        for (unsigned i = 1; whole && i < count; i++)
            whole = rmr_char_compose(whole, parts[i]);
        composed += count > 1 && whole == code;
        if (code < 0x80)
            assert_true(c->flags & RMR_CHAR_NFC_INERT &&
                        c->flags & RMR_CHAR_NFKC_INERT && !c->order);
    }
    assert_int_equal(composed, 940 + 11172);
}

static void test_categories(void **state)
{
    static const struct {
        uint32_t code;
        int category;
    } cases[] = {
        {'A', RMR_CATEGORY_LU},    {'z', RMR_CATEGORY_LL},
        {0x1C5, RMR_CATEGORY_LT},  {0x2B0, RMR_CATEGORY_LM},
        {0x4E2D, RMR_CATEGORY_LO}, {0x301, RMR_CATEGORY_MN},
        {0x903, RMR_CATEGORY_MC},  {0x20DD, RMR_CATEGORY_ME},
        {'7', RMR_CATEGORY_ND},    {0x2160, RMR_CATEGORY_NL},
        {0xBD, RMR_CATEGORY_NO},   {'_', RMR_CATEGORY_PC},
        {'-', RMR_CATEGORY_PD},    {'(', RMR_CATEGORY_PS},
        {']', RMR_CATEGORY_PE},    {0xAB, RMR_CATEGORY_PI},
        {0xBB, RMR_CATEGORY_PF},   {'!', RMR_CATEGORY_PO},
        {'+', RMR_CATEGORY_SM},    {'$', RMR_CATEGORY_SC},
        {'^', RMR_CATEGORY_SK},    {0xA9, RMR_CATEGORY_SO},
        {' ', RMR_CATEGORY_ZS},    {0x2028, RMR_CATEGORY_ZL},
        {0x2029, RMR_CATEGORY_ZP}, {'\n', RMR_CATEGORY_CC},
        {0xAD, RMR_CATEGORY_CF},   {0xE000, RMR_CATEGORY_CO},
        {0x378, RMR_CATEGORY_CN},  {0x10FFFF, RMR_CATEGORY_CN},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++)
        assert_int_equal(rmr_char_of(cases[i].code)->category,
                         cases[i].category);
    assert_int_equal(RMR_LETTERS, 1 << RMR_CATEGORY_LU | 1 << RMR_CATEGORY_LL |
                                      1 << RMR_CATEGORY_LT |
                                      1 << RMR_CATEGORY_LM |
                                      1 << RMR_CATEGORY_LO);
    assert_int_equal(RMR_MARKS, 1 << RMR_CATEGORY_MN | 1 << RMR_CATEGORY_MC |
                                    1 << RMR_CATEGORY_ME);
    assert_int_equal(RMR_NUMBERS, 1 << RMR_CATEGORY_ND | 1 << RMR_CATEGORY_NL |
                                      1 << RMR_CATEGORY_NO);
}

static int script(uint32_t code)
{
    return rmr_char_of(code)->script;
}

/* The reference counts kana as Han, and a space as any script. */
static void test_scripts(void **state)
{
    (void)state;
    assert_int_equal(script(' '), 0);
    assert_int_equal(script('a'), script(0xE9));
    assert_int_equal(script(0x4E2D), script(0x3042));
    assert_int_equal(script(0x4E2D), script(0x30AB));
    assert_int_equal(script(0x4E2D), script(0x30FC));
    assert_int_equal(script('1'), script('!'));
    assert_int_equal(script(0x410), script(0x44F));
    assert_int_not_equal(script('a'), script(0x430));
    assert_int_not_equal(script('a'), script('1'));
    assert_int_not_equal(script(0x4E2D), script(0xAC00));
    assert_int_not_equal(script('a'), 0);
}

static void test_graphemes(void **state)
{
    static const struct {
        uint32_t code;
        rmr_grapheme grapheme;
    } cases[] = {
        {'a', RMR_GRAPHEME_OTHER},
        {'\r', RMR_GRAPHEME_CR},
        {'\n', RMR_GRAPHEME_LF},
        {0, RMR_GRAPHEME_CONTROL},
        {0x200B, RMR_GRAPHEME_CONTROL},
        {0x600, RMR_GRAPHEME_PREPEND},
        {0x1100, RMR_GRAPHEME_L},
        {0x1161, RMR_GRAPHEME_V},
        {0x11A8, RMR_GRAPHEME_T},
        {0xAC00, RMR_GRAPHEME_LV},
        {0xAC01, RMR_GRAPHEME_LVT},
        {0xA9, RMR_GRAPHEME_PICTOGRAPHIC},
        {0x1F600, RMR_GRAPHEME_PICTOGRAPHIC},
        {0x915, RMR_GRAPHEME_CONSONANT},
        {0x903, RMR_GRAPHEME_SPACING},
        {0x200C, RMR_GRAPHEME_NONJOINER},
        {0x301, RMR_GRAPHEME_EXTEND},
        {0x1F3FD, RMR_GRAPHEME_EXTEND},
        {0x200D, RMR_GRAPHEME_ZWJ},
        {0x94D, RMR_GRAPHEME_LINKER},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++)
        assert_int_equal(rmr_char_of(cases[i].code)->grapheme,
                         cases[i].grapheme);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compatibility_decompositions),
        cmocka_unit_test(test_compositions),
        cmocka_unit_test(test_categories),
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_graphemes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
