/*
 * test_merges.c - the three ways to a word's tokens give the same: merging
 * pair by pair, merging in windows, and finding pieces that can stand beside
 * each other; on merges of any order, since files are not always learnt.
 */
#include "tests/unit/unit.h"
#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_bytechars.h"
#include "tokenizer/model/tokenizer_pieces.h"
#include "tokenizer/text/tokenizer_utf8.h"

enum { MAX_TOKENS = 256 + 400, MAX_BYTES = 24, MAX_WORD = 6000 };

/* A vocabulary over a few letters, with the bytes first. */
typedef struct random_bpe {
    char tokens[MAX_TOKENS][MAX_BYTES + 1];
    size_t num_tokens;
    int merges[MAX_TOKENS][2];
    size_t num_merges;
} random_bpe;

typedef struct opened {
    rmr_document document;
    rmr_vocabulary vocabulary;
    rmr_merges merges;
    rmr_pieces pieces;
    uint32_t byte_ids[256];
    char *text;
} opened;

static unsigned draw(uint64_t *seed, unsigned below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*seed >> 33) % below;
}

static size_t find_token(const random_bpe *b, const char *string)
{
    size_t i = 0;
    while (i < b->num_tokens && strcmp(b->tokens[i], string))
        i++;
    return i;
}

/* Some token of the letters or made of them. */
static size_t draw_token(const random_bpe *b, uint64_t *seed, unsigned letters)
{
    size_t merged = b->num_tokens - 256;
    unsigned n = draw(seed, letters + (unsigned)merged);
    return n < letters ? (size_t)('a' + n) : 256 + n - letters;
}

static void make(random_bpe *b, uint64_t *seed, unsigned letters, size_t merges)
{
    memset(b, 0, sizeof *b);
    for (unsigned byte = 0; byte < 256; byte++)
        rmr_utf8_encode(rmr_byte_to_char((unsigned char)byte),
                        (unsigned char *)b->tokens[byte]);
    b->num_tokens = 256;
    while (b->num_merges < merges) {
        size_t left = draw_token(b, seed, letters);
        size_t right = draw_token(b, seed, letters);
        char joined[2 * MAX_BYTES + 1];
        snprintf(joined, sizeof joined, "%s%s", b->tokens[left],
                 b->tokens[right]);
        if (strlen(joined) > MAX_BYTES)
            continue;
        size_t id = find_token(b, joined);
        if (id == b->num_tokens)
            strcpy(b->tokens[b->num_tokens++], joined);
        b->merges[b->num_merges][0] = (int)left;
        b->merges[b->num_merges++][1] = (int)right;
    }
}

static void put_string(FILE *out, const char *string)
{
    fputc('"', out);
    for (; *string; string++)
        fprintf(out, strchr("\"\\", *string) ? "\\%c" : "%c", *string);
    fputc('"', out);
}

static char *write_json(const random_bpe *b, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    assert_non_null(out);
    fputs("{\"model\": {\"vocab\": {", out);
    for (size_t i = 0; i < b->num_tokens; i++) {
        fputs(i ? ", " : "", out);
        put_string(out, b->tokens[i]);
        fprintf(out, ": %zu", i);
    }
    fputs("}, \"merges\": [", out);
    for (size_t i = 0; i < b->num_merges; i++) {
        fputs(i ? ", [" : "[", out);
        put_string(out, b->tokens[b->merges[i][0]]);
        fputs(", ", out);
        put_string(out, b->tokens[b->merges[i][1]]);
        fputs("]", out);
    }
    fputs("]}}", out);
    fclose(out);
    return text;
}

static void open_bpe(opened *o, const random_bpe *b)
{
    rmr_error err = {0};
    size_t len;
    memset(o, 0, sizeof *o);
    o->text = write_json(b, &len);
    expect_ok(rmr_document_open(&o->document, o->text, len, "test", &err),
              &err);
    expect_ok(rmr_vocabulary_read(&o->vocabulary, &o->document, &err), &err);
    expect_ok(
        rmr_merges_read(&o->merges, &o->vocabulary, 0, &o->document, &err),
        &err);
    for (uint32_t byte = 0; byte < 256; byte++)
        o->byte_ids[byte] = byte;
    expect_ok(rmr_pieces_open(&o->pieces, &o->vocabulary, &o->merges,
                              o->byte_ids, &err),
              &err);
}

static void close_bpe(opened *o)
{
    rmr_pieces_close(&o->pieces);
    rmr_merges_free(&o->merges);
    rmr_vocabulary_free(&o->vocabulary);
    rmr_document_close(&o->document);
    free(o->text);
}

/* The first pair with the least rank, again and again. */
static size_t merge_plainly(const rmr_merges *merges, const random_bpe *b,
                            rmr_symbol *symbols, size_t n)
{
    for (;;) {
        size_t best = n;
        uint32_t least = RMR_NO_RANK;
        for (size_t i = 0; i + 1 < n; i++) {
            uint32_t rank =
                rmr_merges_rank(merges, symbols[i].id, symbols[i + 1].id);
            if (rank < least) {
                least = rank;
                best = i;
            }
        }
        if (best == n)
            return n;
        char joined[2 * MAX_BYTES + 1];
        snprintf(joined, sizeof joined, "%s%s", b->tokens[symbols[best].id],
                 b->tokens[symbols[best + 1].id]);
        symbols[best].id = (uint32_t)find_token(b, joined);
        symbols[best].len += symbols[best + 1].len;
        memmove(symbols + best + 1, symbols + best + 2,
                (n - best - 2) * sizeof *symbols);
        n--;
    }
}

static size_t spell(const char *word, size_t len, rmr_symbol *symbols)
{
    for (size_t i = 0; i < len; i++)
        symbols[i] = (rmr_symbol){(unsigned char)word[i], 1};
    return len;
}

/* Returns whether pieces were found. */
static int check_word(const opened *o, const random_bpe *b, const char *word,
                      size_t len)
{
    static rmr_symbol plain[MAX_WORD], other[MAX_WORD];
    static unsigned char dead[MAX_WORD / 8 + 1];
    size_t count = spell(word, len, other), expected;
    void *room = malloc(rmr_merges_room(len) + 1);
    assert_non_null(room);
    expected = merge_plainly(&o->merges, b, plain, spell(word, len, plain));
    rmr_merges_apply(&o->merges, other, &count, room);
    assert_int_equal(count, expected);
    assert_memory_equal(other, plain, count * sizeof *plain);
    int found =
        rmr_pieces_find(&o->pieces, &o->merges, (const unsigned char *)word,
                        len, other, &count, dead);
    if (found) {
        assert_int_equal(count, expected);
        assert_memory_equal(other, plain, count * sizeof *plain);
    }
    free(room);
    return found;
}

static void test_all_ways_agree(void **state)
{
    static random_bpe b;
    char word[400];
    uint64_t seed = 17;
    size_t found = 0, words = 0;
    (void)state;
    for (int round = 0; round < 60; round++) {
        opened o;
        unsigned letters = 1 + draw(&seed, 4);
        make(&b, &seed, letters, letters == 1 ? 6 : 10 + draw(&seed, 200));
        open_bpe(&o, &b);
        for (int i = 0; i < 40; i++, words++) {
            size_t len = 1 + draw(&seed, i % 8 ? 60 : sizeof word);
            for (size_t at = 0; at < len; at++)
                word[at] = (char)('a' + draw(&seed, letters));
            found += (size_t)check_word(&o, &b, word, len);
        }
        close_bpe(&o);
    }
    /* Some vocabularies are such that pieces do not tell; most are not. */
    assert_true(found > words / 4);
    assert_true(found < words);
}

/* Longer than a window, whose ends must not show. */
static void test_windows(void **state)
{
    static random_bpe b;
    static char word[MAX_WORD];
    uint64_t seed = 5;
    (void)state;
    for (int round = 0; round < 4; round++) {
        opened o;
        unsigned letters = 1 + (unsigned)round;
        make(&b, &seed, letters, letters == 1 ? 6 : 300);
        open_bpe(&o, &b);
        for (size_t at = 0; at < MAX_WORD; at++)
            word[at] = (char)('a' + draw(&seed, letters));
        check_word(&o, &b, word, MAX_WORD);
        check_word(&o, &b, word, 513);
        close_bpe(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_ways_agree),
        cmocka_unit_test(test_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
