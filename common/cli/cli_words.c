/*
 * cli_words.c - the texts that `remora bench` runs: sentences of English words
 * with the lengths of real titles, paragraphs and pages. They must never depend
 * on the machine, so that two runs compare.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* Common words first: half of all words are of the first 40. */
static const char words[] =
    "the of and to in a is that for it as was with be by on not he this are "
    "or his from at which but have an they you were her she all would there "
    "their we him been one will more no if out so what up about into than can "
    "them only other time new some could these two may first then do any like "
    "my now over such our man me even most made after also well did many must "
    "before back see through way where get much go own little long people work "
    "year day house water school order place group system company question "
    "number country government program problem result service business report "
    "customer payment account invoice refund delivery password support ticket "
    "request server network database memory thread buffer function variable "
    "library module version release update install configure connection "
    "timeout "
    "error warning message document language sentence paragraph chapter market "
    "price weather morning evening winter summer mountain river garden kitchen "
    "window doctor patient hospital medicine treatment research science "
    "history "
    "music picture letter village journey station engine machine electric "
    "temperature pressure measurement experiment observation theory evidence "
    "quickly slowly carefully usually rarely suddenly remain consider describe "
    "compare deliver explain improve replace maintain discover understand "
    "build "
    "large small early late bright heavy quiet narrow ancient modern careful "
    "expensive reliable dangerous particular international responsibility "
    "approximately unfortunately synchronization backpressure idempotent "
    "photosynthesis refrigerator thunderstorm archaeologist microscopic";

#define MAX_WORDS 512
#define LONG_WITHOUT_LIMIT 512 /* tokens */
#define COMMON_WORDS 40
#define SEED 0x9e3779b97f4a7c15u

/* Words of a mixed text, at 0, 1/12, ... 12/12 of the texts sorted by length:
 * many short ones and a long tail. */
static const unsigned mixed_words[] = {3,  10,  18,  27,  38,  51, 65,
                                       82, 101, 126, 160, 235, 420};

typedef struct generator {
    uint64_t state;
    const char *at[MAX_WORDS];
    size_t len[MAX_WORDS];
    size_t count;
} generator;

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift
 * generators, scrambled" (2016). A number below bound. */
static uint32_t below(generator *gen, uint32_t bound)
{
    gen->state ^= gen->state >> 12;
    gen->state ^= gen->state << 25;
    gen->state ^= gen->state >> 27;
    return (uint32_t)(((gen->state * 0x2545f4914f6cdd1du) >> 32) * bound >> 32);
}

static void start(generator *gen, cli_series series)
{
    const char *at = words;

    gen->state = SEED + (uint64_t)series;
    gen->count = 0;
    while (*at && gen->count < MAX_WORDS) {
        gen->at[gen->count] = at;
        gen->len[gen->count] = strcspn(at, " ");
        at += gen->len[gen->count];
        at += *at == ' ';
        gen->count++;
    }
}

static unsigned draw_length(generator *gen, cli_series series,
                            uint32_t max_tokens)
{
    uint32_t steps = sizeof(mixed_words) / sizeof(mixed_words[0]) - 1;
    uint32_t part;
    uint32_t step;

    if (series == CLI_SHORT) {
        return 6 + below(gen, 6);
    }
    if (series == CLI_LONG) {
        return max_tokens + below(gen, max_tokens / 2 + 1);
    }
    part = below(gen, steps * 1024);
    step = part / 1024;
    return mixed_words[step] +
           (mixed_words[step + 1] - mixed_words[step]) * (part % 1024) / 1024;
}

/* Puts a word into to, which has room; returns its length. */
static size_t put_word(generator *gen, char *to, int capital)
{
    uint32_t pick = below(gen, 2) ? below(gen, COMMON_WORDS)
                                  : below(gen, (uint32_t)gen->count);

    memcpy(to, gen->at[pick], gen->len[pick]);
    if (capital) {
        to[0] = (char)(to[0] - 'a' + 'A');
    }
    return gen->len[pick];
}

/* Writes num_words words as sentences into buf and returns their length. */
static size_t write_text(generator *gen, unsigned num_words, char *buf)
{
    unsigned left = 0; /* words of the sentence */
    size_t len = 0;

    for (unsigned i = 0; i < num_words; i++) {
        int first = left == 0;

        left = first ? 6 + below(gen, 16) : left;
        if (i > 0) {
            buf[len++] = ' ';
        }
        len += put_word(gen, buf + len, first);
        left--;
        if (left == 0 || i + 1 == num_words) {
            buf[len++] = '.';
        } else if (below(gen, 12) == 0) {
            buf[len++] = ',';
        }
    }
    return len;
}

const char *cli_series_name(cli_series series)
{
    static const char *const names[CLI_NUM_SERIES] = {"short", "mixed", "long"};

    return names[series];
}

int cli_words_fill(cli_texts *texts, cli_series series, uint32_t max_tokens)
{
    unsigned num_texts = series == CLI_LONG ? 128 : 1024;

    if (max_tokens == 0) {
        max_tokens = LONG_WITHOUT_LIMIT;
    }
    size_t longest = 420 > (size_t)max_tokens * 3 / 2 + 1
                         ? 420
                         : (size_t)max_tokens * 3 / 2 + 1;
    generator gen;
    char *buf = malloc(longest * 20); /* a word, its comma and its space */

    if (!buf) {
        return cli_failed("out of memory for the texts");
    }
    start(&gen, series);
    for (unsigned i = 0; i < num_texts; i++) {
        unsigned num_words = draw_length(&gen, series, max_tokens);
        size_t len = write_text(&gen, num_words, buf);

        if (cli_texts_add(texts, buf, len) != CLI_OK) {
            free(buf);
            return CLI_FAILED;
        }
    }
    free(buf);
    return CLI_OK;
}
