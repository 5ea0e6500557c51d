/*
 * tokenizer_regex.c - searches with PCRE2. A pattern tells apart few kinds of
 * characters, so each is given a letter of one byte: ASCII its own, all others
 * one for each kind. PCRE2 then sees plain bytes, and none of its own tables
 * of characters is ever asked. A text that is ASCII is searched as it is,
 * another as the letters of its characters.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/alloc.h"
#include "tokenizer/regex/tokenizer_regex.h"
#include "tokenizer/regex/tokenizer_regex_simple.h"
#include "tokenizer/regex/tokenizer_regex_translate.h"

enum {
    FIRST_LETTER = 0x80,
    MAX_KINDS = 0x7F, /* the letter 0xFF is never used */
    BLOCK = 128,
    NUM_BLOCKS = RMR_CODE_LIMIT / BLOCK,
    SET_WORDS = RMR_REGEX_MAX_SETS / 64,
    MAX_NESTING = 1000,
    JIT_STACK_START = 32 * 1024,
    JIT_STACK_MAX = 16 * 1024 * 1024,
    HEAP_KIB = 64 * 1024,
    FIRST_LIMIT = 4096 /* steps of one attempt that cost nothing */
};
/* Steps that a search may take beyond those. */
#define BUDGET ((uint64_t)1 << 28)
#define BUDGET_PER_LETTER 1024

struct rmr_regex {
    pcre2_code *code;
    int jit;
    uint16_t block_of[NUM_BLOCKS];
    unsigned char *letters; /* blocks, by the low bits of a code point */
    rmr_regex_simple simple;
};

/* ------------------------------------------------------------------ letters
 */

/* Which sets a kind of characters is in. */
typedef struct kind {
    uint64_t sets[SET_WORDS];
} kind;

typedef struct alphabet {
    kind kinds[MAX_KINDS];
    size_t num_kinds;
    unsigned char *letter_of; /* [RMR_CODE_LIMIT] */
} alphabet;

/* Where a set begins or ends. */
typedef struct edge {
    uint32_t code;
    uint32_t set;
} edge;

static int by_code(const void *a, const void *b)
{
    uint32_t x = ((const edge *)a)->code, y = ((const edge *)b)->code;
    return (x > y) - (x < y);
}

/* All edges of all sets, ascending; NULL when out of memory. */
static edge *sorted_edges(const rmr_regex_program *program, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < program->num_sets; i++)
        *count += program->sets[i].count;
    edge *edges = rmr_malloc_array(*count, sizeof *edges);
    size_t at = 0;
    for (size_t i = 0; edges && i < program->num_sets; i++) {
        for (size_t j = 0; j < program->sets[i].count; j++) {
            edges[at].code = program->sets[i].bounds[j];
            edges[at++].set = (uint32_t)i;
        }
    }
    if (edges)
        qsort(edges, *count, sizeof *edges, by_code);
    return edges;
}

/* The letter of a kind; 0 when there are too many. */
static unsigned kind_letter(alphabet *letters, const kind *wanted)
{
    size_t i = 0;
    while (i < letters->num_kinds &&
           memcmp(&letters->kinds[i], wanted, sizeof *wanted) != 0)
        i++;
    if (i == MAX_KINDS)
        return 0;
    if (i == letters->num_kinds)
        letters->kinds[letters->num_kinds++] = *wanted;
    return FIRST_LETTER + (unsigned)i;
}

/* Gives [from, to) their letter. */
static int give_letter(alphabet *letters, uint32_t from, uint32_t to,
                       const kind *wanted)
{
    for (; from < to && from < FIRST_LETTER; from++)
        letters->letter_of[from] = (unsigned char)from;
    if (from >= to)
        return 1;
    unsigned letter = kind_letter(letters, wanted);
    memset(letters->letter_of + from, (int)letter, to - from);
    return letter != 0;
}

static rmr_status make_alphabet(alphabet *letters,
                                const rmr_regex_program *program,
                                const char *name, rmr_error *err)
{
    size_t count;
    kind now = {0};
    uint32_t from = 0;
    int ok = 1;
    letters->letter_of = rmr_malloc(RMR_CODE_LIMIT);
    edge *edges = sorted_edges(program, &count);
    if (!letters->letter_of || !edges) {
        rmr_free(edges);
        return rmr_fail_nomem(err, "a regular expression");
    }
    for (size_t i = 0; ok && i < count; i++) {
        if (edges[i].code > from)
            ok = give_letter(letters, from, edges[i].code, &now);
        from = edges[i].code;
        now.sets[edges[i].set / 64] ^= (uint64_t)1 << edges[i].set % 64;
    }
    ok = ok && give_letter(letters, from, RMR_CODE_LIMIT, &now);
    rmr_free(edges);
    if (ok)
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s tells apart more than %d kinds of characters beyond "
                    "ASCII, which is not supported.",
                    name, MAX_KINDS);
}

static uint64_t hash_block(const unsigned char *block)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < BLOCK; i += 8) {
        uint64_t word;
        memcpy(&word, block + i, 8);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    return hash;
}

/* Keeps each block of the letters once. 0 when out of memory. */
static int keep_letters(rmr_regex *regex, const unsigned char *letter_of)
{
    uint64_t *hashes = rmr_malloc_array(NUM_BLOCKS, sizeof *hashes);
    unsigned char *kept = rmr_malloc(RMR_CODE_LIMIT);
    size_t count = 0, found = 0;
    int ok = hashes && kept;
    for (size_t i = 0; ok && i < NUM_BLOCKS; i++) {
        const unsigned char *block = letter_of + i * BLOCK;
        uint64_t hash = hash_block(block);
        /* Most are as the one before. */
        if (!count || memcmp(block, kept + found * BLOCK, BLOCK) != 0) {
            for (found = 0; found < count; found++) {
                if (hashes[found] == hash &&
                    !memcmp(block, kept + found * BLOCK, BLOCK))
                    break;
            }
        }
        if (found == count) {
            memcpy(kept + count * BLOCK, block, BLOCK);
            hashes[count++] = hash;
        }
        regex->block_of[i] = (uint16_t)found;
    }
    rmr_free(hashes);
    if (ok)
        regex->letters = rmr_realloc(kept, count * BLOCK);
    if (!ok || !regex->letters)
        rmr_free(kept);
    return ok && regex->letters;
}

/* ---------------------------------------------------------------- compiling
 */

/* PCRE2's syntax, as it grows. */
typedef struct syntax {
    char *text;
    size_t len;
    size_t capacity;
} syntax;

static int add_text(syntax *out, const char *text, size_t len)
{
    char *grown = out->text;
    if (out->capacity - out->len < len) {
        grown = rmr_grow(out->text, &out->capacity, out->len + len, 1);
        if (!grown)
            return 0;
    }
    out->text = grown;
    memcpy(out->text + out->len, text, len);
    out->len += len;
    return 1;
}

static int add_byte(syntax *out, unsigned byte)
{
    static const char digits[] = "0123456789abcdef";
    char text[4] = {'\\', 'x', digits[byte / 16], digits[byte % 16]};
    return add_text(out, text, sizeof text);
}

/* Writes a class, the letters of which are in `has`. */
static int add_class(syntax *out, const unsigned char *has, int inverted)
{
    int ok = add_text(out, inverted ? "[^" : "[", inverted ? 2 : 1);
    for (unsigned from = 0; ok && from < 256; from++) {
        unsigned to = from;
        if (!has[from])
            continue;
        while (to < 255 && has[to + 1])
            to++;
        ok = add_byte(out, from);
        if (ok && to > from)
            ok = (to == from + 1 || add_text(out, "-", 1)) && add_byte(out, to);
        from = to;
    }
    return ok && add_text(out, "]", 1);
}

/* Which letters are in a set, and how many letters there are. */
static void letters_of_set(const alphabet *letters,
                           const rmr_regex_program *program, size_t set,
                           unsigned char *has)
{
    for (unsigned i = 0; i < FIRST_LETTER; i++)
        has[i] = (unsigned char)rmr_code_set_has(&program->sets[set], i);
    for (size_t i = 0; i < letters->num_kinds; i++)
        has[FIRST_LETTER + i] =
            letters->kinds[i].sets[set / 64] >> set % 64 & 1;
}

/* Writes what matches a letter of a set. The letters that are not used may be
 * in or out. */
static int add_set(syntax *out, const unsigned char *has, size_t num_letters)
{
    unsigned char lacks[256] = {0};
    size_t count = 0;
    for (size_t i = 0; i < num_letters; i++) {
        count += has[i];
        lacks[i] = !has[i];
    }
    if (count == num_letters)
        return add_text(out, ".", 1);
    if (!count)
        return add_byte(out, 0xFF);
    if (count == 1)
        return add_byte(
            out, (unsigned)((const unsigned char *)memchr(has, 1, 256) - has));
    return count + 1 == num_letters ? add_class(out, lacks, 1)
                                    : add_class(out, has, 0);
}

static int add_program(syntax *out, const rmr_regex_program *program,
                       const unsigned char (*has)[256], size_t num_letters)
{
    size_t run_at;
    int ok = 1, run = rmr_regex_simple_run(program, &run_at);
    for (size_t i = 0; ok && i < program->count; i++) {
        char c = (char)program->code[i];
        /* Without it, long runs take time that grows with their square. */
        if (run >= 0 && i == run_at)
            ok = add_text(out, "(?<!", 4) &&
                 add_set(out, has[run], num_letters) && add_text(out, ")", 1);
        if (!ok)
            break;
        if (program->code[i] >= 256)
            ok = add_set(out, has[program->code[i] - 256u], num_letters);
        else
            ok = add_text(out, &c, 1);
    }
    return ok;
}

static void *pcre_malloc(size_t size, void *data)
{
    (void)data;
    return rmr_malloc(size);
}

static void pcre_free(void *block, void *data)
{
    (void)data;
    rmr_free(block);
}

static rmr_status compile_failed(int code, const char *name, rmr_error *err)
{
    PCRE2_UCHAR why[160];
    if (code == PCRE2_ERROR_NOMEMORY ||
        code == 121 /* the compiler's own "failed to allocate heap memory" */)
        return rmr_fail_nomem(err, "a regular expression");
    if (pcre2_get_error_message(code, why, sizeof why) < 0)
        why[0] = 0;
    return rmr_fail(err, RMR_ERR_UNSUPPORTED, "%s is not supported: %s.", name,
                    (const char *)why);
}

static rmr_status compile(rmr_regex *regex, const syntax *text,
                          const char *name, rmr_error *err)
{
    int code;
    PCRE2_SIZE at;
    pcre2_general_context *general =
        pcre2_general_context_create(pcre_malloc, pcre_free, NULL);
    pcre2_compile_context *context =
        general ? pcre2_compile_context_create(general) : NULL;
    if (!context) {
        pcre2_general_context_free(general);
        return rmr_fail_nomem(err, "a regular expression");
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, MAX_NESTING);
    regex->code = pcre2_compile(
        (PCRE2_SPTR)(text->len ? text->text : ""), text->len,
        PCRE2_DOTALL | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP, &code, &at, context);
    pcre2_compile_context_free(context);
    pcre2_general_context_free(general);
    if (!regex->code)
        return compile_failed(code, name, err);
    /* Where there is no compiler to machine code, or a process may not have
     * any, it goes without. */
    regex->jit = !pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
    return RMR_OK;
}

/* What is in the alphabet goes into the pattern's code and tables. */
static int add_letters(rmr_regex *regex, const alphabet *letters,
                       const rmr_regex_program *program, syntax *text)
{
    unsigned char(*has)[256] = rmr_calloc(program->num_sets, sizeof *has);
    int ok = has && keep_letters(regex, letters->letter_of);
    for (size_t i = 0; ok && i < program->num_sets; i++)
        letters_of_set(letters, program, i, has[i]);
    if (ok) {
        const unsigned char(*sets)[256] = (const unsigned char(*)[256])has;
        rmr_regex_simple_make(&regex->simple, program, sets);
        ok =
            add_program(text, program, sets, FIRST_LETTER + letters->num_kinds);
    }
    rmr_free(has);
    return ok;
}

static rmr_status build(rmr_regex *regex, const rmr_regex_program *program,
                        const char *name, rmr_error *err)
{
    syntax text = {0};
    alphabet *letters = rmr_calloc(1, sizeof *letters);
    if (!letters)
        return rmr_fail_nomem(err, "a regular expression");
    rmr_status status = make_alphabet(letters, program, name, err);
    if (!status && !add_letters(regex, letters, program, &text))
        status = rmr_fail_nomem(err, "a regular expression");
    rmr_free(letters->letter_of);
    rmr_free(letters);
    if (!status)
        status = compile(regex, &text, name, err);
    rmr_free(text.text);
    return status;
}

rmr_status rmr_regex_open(rmr_regex **out, const char *pattern, size_t len,
                          const char *name, rmr_error *err)
{
    *out = NULL;
    rmr_regex_program *program = rmr_calloc(1, sizeof *program);
    rmr_regex *regex = rmr_calloc(1, sizeof *regex);
    rmr_status status = RMR_OK;
    if (!program || !regex)
        status = rmr_fail_nomem(err, "a regular expression");
    if (!status)
        status = rmr_regex_translate(program, pattern, len, name, err);
    if (!status)
        status = build(regex, program, name, err);
    if (program)
        rmr_regex_program_free(program);
    rmr_free(program);
    if (status)
        rmr_regex_close(regex);
    else
        *out = regex;
    return status;
}

void rmr_regex_close(rmr_regex *regex)
{
    if (!regex)
        return;
    pcre2_code_free(regex->code);
    rmr_free(regex->letters);
    rmr_free(regex);
}

int rmr_regex_matches_empty(const rmr_regex *regex)
{
    uint32_t may = 1;
    return pcre2_pattern_info(regex->code, PCRE2_INFO_MATCHEMPTY, &may) || may;
}

/* ------------------------------------------------------------------ scratch
 */

void rmr_regex_scratch_clear(rmr_regex_scratch *scratch)
{
    pcre2_match_data_free(scratch->match_data);
    pcre2_match_context_free(scratch->match_context);
    pcre2_jit_stack_free(scratch->jit_stack);
    rmr_free(scratch->letters);
    *scratch = (rmr_regex_scratch){0};
}

static int make_scratch(rmr_regex_scratch *scratch)
{
    uint32_t jit = 0;
    pcre2_general_context *general =
        pcre2_general_context_create(pcre_malloc, pcre_free, NULL);
    if (!general)
        return 0;
    pcre2_config(PCRE2_CONFIG_JIT, &jit);
    if (!scratch->match_context)
        scratch->match_context = pcre2_match_context_create(general);
    if (jit && !scratch->jit_stack)
        scratch->jit_stack =
            pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAX, general);
    if (scratch->match_context && (scratch->jit_stack || !jit))
        scratch->match_data = pcre2_match_data_create(1, general);
    pcre2_general_context_free(general);
    if (!scratch->match_data)
        return 0;
    pcre2_set_heap_limit(scratch->match_context, HEAP_KIB);
    pcre2_set_match_limit(scratch->match_context, FIRST_LIMIT);
    if (jit)
        pcre2_jit_stack_assign(scratch->match_context, NULL,
                               scratch->jit_stack);
    return 1;
}

/* ---------------------------------------------------------------- searching
 */

static int is_ascii(const unsigned char *text, size_t len)
{
    uint64_t all = 0;
    size_t i = 0;
    for (; len - i >= 64; i += 64) {
        uint64_t words[8];
        memcpy(words, text + i, sizeof words);
        for (int j = 0; j < 8; j++)
            all |= words[j];
        if (all & 0x8080808080808080u)
            return 0;
    }
    for (; i < len; i++)
        all |= text[i];
    return !(all & 0x8080808080808080u);
}

static size_t char_size(unsigned char lead)
{
    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* Writes the letters of a well-formed text; how many they are. */
static size_t to_letters(const rmr_regex *regex, const unsigned char *text,
                         size_t len, unsigned char *letters)
{
    const unsigned char *end = text + len;
    unsigned char *out = letters;
    while (text < end) {
        uint32_t code = *text;
        if (code < 0x80) {
            *out++ = (unsigned char)code;
            text++;
            continue;
        }
        if (code < 0xE0) {
            code = (code & 0x1F) << 6 | (text[1] & 0x3Fu);
            text += 2;
        } else if (code < 0xF0) {
            code = (code & 0x0F) << 12 | (text[1] & 0x3Fu) << 6 |
                   (text[2] & 0x3Fu);
            text += 3;
        } else {
            code = (code & 0x07) << 18 | (text[1] & 0x3Fu) << 12 |
                   (text[2] & 0x3Fu) << 6 | (text[3] & 0x3Fu);
            text += 4;
        }
        *out++ = regex->letters[(size_t)regex->block_of[code / BLOCK] * BLOCK +
                                code % BLOCK];
    }
    return (size_t)(out - letters);
}

rmr_status rmr_regex_begin(rmr_regex_search *search, const rmr_regex *regex,
                           rmr_regex_scratch *scratch,
                           const unsigned char *text, size_t from, size_t to)
{
    size_t len = to - from;
    if (!scratch->match_data && !make_scratch(scratch))
        return RMR_ERR_NOMEM;
    *search = (rmr_regex_search){
        .regex = regex,
        .scratch = scratch,
        .text = text,
        .letters = len ? text + from : (const unsigned char *)"",
        .num_letters = len,
        .last_end = SIZE_MAX,
        .byte = from,
        .ascii = !len || is_ascii(text + from, len),
    };
    if (!search->ascii) {
        if (len > scratch->letter_capacity) {
            unsigned char *letters =
                rmr_grow(scratch->letters, &scratch->letter_capacity, len, 1);
            if (!letters)
                return RMR_ERR_NOMEM;
            scratch->letters = letters;
        }
        search->letters = scratch->letters;
        search->num_letters =
            to_letters(regex, text + from, len, scratch->letters);
    }
    search->budget = BUDGET + search->num_letters * BUDGET_PER_LETTER;
    return RMR_OK;
}

/* One attempt with the limits that are set. */
static int attempt(const rmr_regex_search *search)
{
    const rmr_regex_scratch *scratch = search->scratch;
    return (search->regex->jit ? pcre2_jit_match : pcre2_match)(
        search->regex->code, search->letters, search->num_letters, search->next,
        0, scratch->match_data, scratch->match_context);
}

/* Goes on after the first attempt took too many steps: with more, which count
 * against the search's budget. */
static int attempt_longer(rmr_regex_search *search)
{
    pcre2_match_context *context = search->scratch->match_context;
    int result = PCRE2_ERROR_MATCHLIMIT;
    for (uint32_t limit = 4 * FIRST_LIMIT;
         result == PCRE2_ERROR_MATCHLIMIT && limit <= search->budget &&
         limit <= UINT32_MAX / 4;
         limit *= 4) {
        search->budget -= limit;
        pcre2_set_match_limit(context, limit);
        result = attempt(search);
    }
    pcre2_set_match_limit(context, FIRST_LIMIT);
    return result;
}

/* Where a letter that is not before the last one asked for begins. */
static size_t letter_to_byte(rmr_regex_search *search, size_t letter)
{
    if (search->ascii) {
        search->byte += letter - search->letter;
    } else {
        for (size_t n = letter - search->letter; n; n--)
            search->byte += char_size(search->text[search->byte]);
    }
    search->letter = letter;
    return search->byte;
}

/* Asks PCRE2 for the next match, into the match data. 1, 0 or a status. */
static int find_other(rmr_regex_search *search)
{
    int result = attempt(search);
    if (result == PCRE2_ERROR_MATCHLIMIT)
        result = attempt_longer(search);
    if (result >= 0)
        return 1;
    if (result == PCRE2_ERROR_NOMATCH) {
        search->next = search->num_letters + 1;
        return 0;
    }
    return result == PCRE2_ERROR_NOMEMORY ? RMR_ERR_NOMEM : RMR_ERR_RANGE;
}

int rmr_regex_next(rmr_regex_search *search, size_t *start, size_t *end)
{
    while (search->next <= search->num_letters) {
        size_t from = search->next, to;
        int found =
            rmr_regex_simple_find(&search->regex->simple, search->letters,
                                  search->num_letters, &from, &to);
        search->next = from;
        if (found == RMR_SIMPLE_UNKNOWN) {
            found = find_other(search);
            if (found <= 0)
                return found;
            const PCRE2_SIZE *match =
                pcre2_get_ovector_pointer(search->scratch->match_data);
            from = match[0];
            to = match[1];
        }
        if (!found)
            break;
        if (from == to && to == search->last_end) {
            /* The reference takes no empty match where the last one ended. */
            search->next++;
            continue;
        }
        search->next = search->last_end = to;
        *start = letter_to_byte(search, from);
        *end = letter_to_byte(search, to);
        return 1;
    }
    search->next = search->num_letters + 1;
    return 0;
}
