/*
 * test_tokenizer_parts.c - what the tokenizer is built from: UTF-8 read as
 * Python reads it with errors="replace", the trie, the tables of characters.
 * Expected values are the standard's or computed in another way.
 */
#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "tokenizer/model/tokenizer_trie.h"
#include "tokenizer/text/tokenizer_unicode.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* -------------------------------------------------------------------- UTF-8 */

static void test_every_code_point_there_and_back(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x110000; code++) {
        unsigned char bytes[4];
        uint32_t read;
        if (code >= 0xD800 && code < 0xE000)
            continue;
        size_t len = rmr_utf8_encode(code, bytes);
        assert_int_equal(rmr_utf8_decode(bytes, len, &read), len);
        assert_int_equal(read, code);
        assert_int_equal(rmr_utf8_decode_before(bytes, len, &read), len);
        assert_int_equal(read, code);
        for (size_t cut = 1; cut < len; cut++) {
            assert_int_equal(rmr_utf8_decode(bytes, cut, &read), cut);
            assert_int_equal(read, RMR_REPLACEMENT);
        }
    }
}

/* Unicode 15, tables 3-8 to 3-11, and the like: lengths of the parts. */
static void test_ill_formed_parts(void **state)
{
    static const struct {
        const char *bytes;
        const char *lengths;
    } cases[] = {
        {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", "111111111"},
        {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", "111111111"},
        {"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", "111111111"},
        {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", "21321"},
        {"\xf4\x8f\xbf\xbf\xf4\x8f\xbf", "43"},
        {"\xc2\xc2\xa0\xe0\xa0\xe0\xa0\x80", "1223"},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const unsigned char *text = (const unsigned char *)cases[i].bytes;
        size_t len = strlen(cases[i].bytes), at = 0;
        for (const char *n = cases[i].lengths; *n; n++) {
            uint32_t code;
            size_t size = rmr_utf8_decode(text + at, len - at, &code);
            assert_int_equal(size, *n - '0');
            at += size;
        }
        assert_int_equal(at, len);
    }
}

/* Reading backwards finds the characters that reading forwards does. */
static void test_backwards_is_forwards(void **state)
{
    uint64_t seed = 9;
    (void)state;
    for (int round = 0; round < 200000; round++) {
        static const unsigned char likely[] = {0x41, 0x80, 0xbf, 0xc3, 0xe1,
                                               0xed, 0xa0, 0xf0, 0x90, 0xf4};
        unsigned char text[8];
        uint32_t last = 0, before;
        size_t at = 0, start = 0;
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = likely[tiny_random(&seed) % sizeof likely];
        while (at < sizeof text) {
            start = at;
            at += rmr_utf8_decode(text + at, sizeof text - at, &last);
        }
        size_t size = rmr_utf8_decode_before(text, sizeof text, &before);
        assert_int_equal(before, last);
        if (last != RMR_REPLACEMENT)
            assert_int_equal(size, sizeof text - start);
    }
}

/* --------------------------------------------------------------------- trie */

enum { KEYS = 3000, LONGEST = 12 };

typedef struct key_set {
    unsigned char bytes[KEYS][LONGEST];
    rmr_trie_key keys[KEYS];
} key_set;

/* Few different bytes, so that keys share beginnings and some are equal. */
static void make_keys(key_set *set, unsigned alphabet, uint64_t seed)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        size_t len = tiny_random(&seed) % (LONGEST + 1);
        for (size_t b = 0; b < len; b++)
            set->bytes[i][b] = (unsigned char)(tiny_random(&seed) % alphabet *
                                               255 / (alphabet - 1));
        set->keys[i] = (rmr_trie_key){set->bytes[i], len, i};
    }
}

static void check_trie(const rmr_trie *trie, const key_set *set)
{
    for (size_t i = 0; i < KEYS; i++) {
        const rmr_trie_key *key = &set->keys[i];
        uint32_t node =
            rmr_trie_follow(trie, RMR_TRIE_ROOT, key->bytes, key->len);
        assert_int_not_equal(node, RMR_TRIE_NONE);
        uint32_t value = rmr_trie_find(trie, key->bytes, key->len);
        assert_true(value < KEYS);
        for (size_t k = 0; k < KEYS; k++) { /* sorted: values are not indices */
            const rmr_trie_key *other = &set->keys[k];
            if (other->value != value)
                continue;
            assert_int_equal(other->len, key->len);
            assert_memory_equal(other->bytes, key->bytes, key->len);
            break;
        }
    }
}

static int is_key(const key_set *set, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < KEYS; i++) {
        if (set->keys[i].len == len && !memcmp(set->keys[i].bytes, bytes, len))
            return 1;
    }
    return 0;
}

static void test_trie_has_its_keys_and_no_others(void **state)
{
    static const unsigned alphabets[] = {2, 3, 16, 256};
    key_set *set = malloc(sizeof *set);
    rmr_error err = {0};
    (void)state;
    assert_non_null(set);
    for (size_t a = 0; a < LENGTH(alphabets); a++) {
        rmr_trie trie;
        uint64_t seed = a + 1;
        make_keys(set, alphabets[a], seed);
        expect_ok(rmr_trie_build(&trie, set->keys, KEYS, &err), &err);
        check_trie(&trie, set);
        for (int round = 0; round < 2000; round++) {
            unsigned char bytes[LONGEST];
            size_t len = tiny_random(&seed) % (LONGEST + 1);
            for (size_t b = 0; b < len; b++)
                bytes[b] = (unsigned char)(tiny_random(&seed) % alphabets[a] *
                                           255 / (alphabets[a] - 1));
            uint32_t value = rmr_trie_find(&trie, bytes, len);
            assert_int_equal(value != RMR_TRIE_NONE, is_key(set, bytes, len));
        }
        rmr_trie_free(&trie);
    }
    free(set);
}

static void test_trie_of_nothing(void **state)
{
    rmr_trie trie;
    rmr_error err = {0};
    (void)state;
    expect_ok(rmr_trie_build(&trie, NULL, 0, &err), &err);
    assert_int_equal(rmr_trie_find(&trie, NULL, 0), RMR_TRIE_NONE);
    assert_int_equal(rmr_trie_find(&trie, (const unsigned char *)"a", 1),
                     RMR_TRIE_NONE);
    rmr_trie_free(&trie);
    assert_null(trie.units);
}

/* --------------------------------------------------------------- characters */

static void test_characters(void **state)
{
    static const struct {
        uint32_t code;
        unsigned flags;
        int32_t lower;
        unsigned nfd[4];
    } cases[] = {
        {'A', RMR_CHAR_WORD, 32, {'A'}},
        {' ', RMR_CHAR_SPACE, 0, {' '}},
        {'\v', RMR_CHAR_SPACE | RMR_CHAR_REMOVED, 0, {'\v'}},
        {'$', RMR_CHAR_PUNCT, 0, {'$'}},
        {'_', RMR_CHAR_PUNCT | RMR_CHAR_WORD, 0, {'_'}},
        {0, RMR_CHAR_REMOVED, 0, {0}},
        {0xC9, RMR_CHAR_WORD, 32, {'E', 0x301}},
        {0x130, RMR_CHAR_WORD | RMR_CHAR_DOTTED, 'i' - 0x130, {'I', 0x307}},
        {0x301, RMR_CHAR_WORD | RMR_CHAR_MARK, 0, {0x301}},
        {0x3A3, RMR_CHAR_WORD, 32, {0x3A3}},
        {0x1E9E, RMR_CHAR_WORD, 0xDF - 0x1E9E, {0x1E9E}},
        {0x3000, RMR_CHAR_SPACE, 0, {0x3000}},
        {0x5317, RMR_CHAR_WORD | RMR_CHAR_CHINESE, 0, {0x5317}},
        {0xAC01, RMR_CHAR_WORD, 0, {0x1100, 0x1161, 0x11A8}},
        {0xD788, RMR_CHAR_WORD, 0, {0x1112, 0x1175}},
        {0x1F82, RMR_CHAR_WORD, 0, {0x3B1, 0x313, 0x300, 0x345}},
        {0xFFFD, RMR_CHAR_REMOVED, 0, {0xFFFD}},
        {0x10FFFF, 0, 0, {0x10FFFF}},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const rmr_char *c = rmr_char_of(cases[i].code);
        uint32_t parts[RMR_NFD_MAX];
        unsigned count = rmr_char_decompose(cases[i].code, c, parts);
        assert_int_equal(c->flags & 127, cases[i].flags);
        assert_int_equal(c->lower, cases[i].lower);
        for (unsigned n = 0; n < 4; n++)
            assert_int_equal(n < count ? parts[n] : 0, cases[i].nfd[n]);
    }
}

/* The order of classes is the standard's: overlays, nuktas, viramas, then
 * those below and above. */
static void test_order_of_marks(void **state)
{
    static const uint32_t ascending[] = {0x334, 0x93C, 0x94D, 0x327,
                                         0x323, 0x301, 0x345};
    (void)state;
    assert_int_equal(rmr_char_of('a')->order, 0);
    for (size_t i = 1; i < LENGTH(ascending); i++)
        assert_true(rmr_char_of(ascending[i - 1])->order <
                    rmr_char_of(ascending[i])->order);
    assert_int_equal(rmr_char_of(0x301)->order, rmr_char_of(0x307)->order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point_there_and_back),
        cmocka_unit_test(test_ill_formed_parts),
        cmocka_unit_test(test_backwards_is_forwards),
        cmocka_unit_test(test_trie_has_its_keys_and_no_others),
        cmocka_unit_test(test_trie_of_nothing),
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_order_of_marks),
    };
    return cmocka_run_group_tests_name("tokenizer parts", tests, NULL, NULL);
}
