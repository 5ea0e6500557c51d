/*
 * test_convert.c - model directories without a tokenizer.json: what the
 * reference's AutoTokenizer gives on small ones of every family, the refusals,
 * hostile files, and every allocation failing in turn. Expected tokens are the
 * reference's, never Remora's own.
 */
#include <time.h>

#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "common/base/alloc.h"
#include "tokenizer/tokenizer_internal.h"

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

/* tokenizer_config.json with a class and, after a comma, more. */
static void write_class(const char *directory, const char *class,
                        const char *more)
{
    char text[1024];
    snprintf(text, sizeof text, "{\"tokenizer_class\": \"%s\"%s}", class, more);
    tiny_write_text(directory, "tokenizer_config.json", text);
}

static rmr_status open_directory(const char *directory, rmr_error *err)
{
    rmr_tokenizer *tokenizer = NULL;
    rmr_status status =
        rmr_tokenizer_open_directory(&tokenizer, directory, err);
    assert_int_equal(!tokenizer, status != RMR_OK);
    rmr_tokenizer_close(tokenizer);
    return status;
}

/* ------------------------------------------------------- SentencePiece models
 */

typedef struct bytes {
    unsigned char at[4096];
    size_t len;
} bytes;

static void put(bytes *b, const void *data, size_t len)
{
    assert_true(len <= sizeof b->at - b->len);
    memcpy(b->at + b->len, data, len);
    b->len += len;
}

static void put_number(bytes *b, unsigned number)
{
    for (; number >= 128; number >>= 7)
        put(b, &(unsigned char){(unsigned char)(number | 128)}, 1);
    put(b, &(unsigned char){(unsigned char)number}, 1);
}

/* A field that holds bytes. */
static void put_field(bytes *b, unsigned number, const void *data, size_t len)
{
    put_number(b, number << 3 | 2);
    put_number(b, (unsigned)len);
    put(b, data, len);
}

static void put_piece(bytes *b, const char *text, float score, unsigned type)
{
    bytes piece = {.len = 0};
    put_field(&piece, 1, text, strlen(text));
    put_number(&piece, 2 << 3 | 5);
    put(&piece, &score, sizeof score);
    if (type) {
        put_number(&piece, 3 << 3);
        put_number(&piece, type);
    }
    put_field(b, 1, piece.at, piece.len);
}

/* A model of ten pieces, unigram (1) or BPE (2). */
static bytes make_model(unsigned type)
{
    bytes b = {.len = 0}, trainer = {.len = 0};
    put_piece(&b, "<unk>", 0, 2);
    put_piece(&b, "<s>", 0, 3);
    put_piece(&b, "</s>", 0, 3);
    put_piece(&b, "<u>", 0, 4);
    put_piece(&b, "\xe2\x96\x81", -2, 0);
    put_piece(&b, "a", -2.5f, 0);
    put_piece(&b, "b", -3, 0);
    put_piece(&b, "ab", -1.25f, 0);
    put_piece(&b,
              "\xe2\x96\x81"
              "ab",
              -1, 0);
    put_piece(&b,
              "\xe2\x96\x81"
              "aba",
              -7.239334f, 0);
    put_number(&trainer, 3 << 3);
    put_number(&trainer, type);
    put_field(&b, 2, trainer.at, trainer.len);
    return b;
}

/* ----------------------------------------------------------- the reference's
 */

typedef struct expected {
    unsigned id;
    unsigned start;
    unsigned end;
} expected;

static void expect_tokens(const char *directory, const char *text,
                          const expected *tokens, size_t count)
{
    rmr_tokenizer *tokenizer = NULL;
    rmr_encoding encoding = {0};
    rmr_error err = {0};
    expect_ok(rmr_tokenizer_open_directory(&tokenizer, directory, &err), &err);
    expect_ok(rmr_tokenizer_encode(tokenizer, text, strlen(text), 0,
                                   RMR_TRUNCATE_END, &encoding, &err),
              &err);
    for (size_t i = 0; i < count && i < encoding.count; i++) {
        const rmr_token *token = &encoding.tokens[i];
        if (token->id != tokens[i].id || token->start != tokens[i].start ||
            token->end != tokens[i].end)
            fail_msg("token %zu is %u [%zu, %zu)", i, (unsigned)token->id,
                     (size_t)token->start, (size_t)token->end);
    }
    assert_int_equal(encoding.count, count);
    rmr_encoding_free(&encoding);
    rmr_tokenizer_close(tokenizer);
}

#define expect(directory, text, ...)                                           \
    expect_tokens((directory), (text), (const expected[]){__VA_ARGS__},        \
                  LENGTH(((const expected[]){__VA_ARGS__})))

/* Lines with white space of all kinds at their end, one that is empty, one
 * that is there twice. */
static const char odd_vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n\nb \n"
                                "a\r\n\xc2\xa0##c\xe3\x80\x80\nlast";

static void test_wordpiece(void **state)
{
    const char *directory = *state;
    static const char text[] = "A b last [MASK] new";
    tiny_write_text(directory, "vocab.txt", odd_vocab);
    write_class(directory, "BertTokenizer", "");
    expect(directory, text, {2, 0, 0}, {8, 0, 1}, {7, 2, 3}, {10, 4, 8},
           {4, 9, 15}, {1, 16, 19}, {3, 0, 0});
    write_class(directory, "BertTokenizerFast", ", \"do_lower_case\": false");
    expect(directory, text, {2, 0, 0}, {1, 0, 1}, {7, 2, 3}, {10, 4, 8},
           {4, 9, 15}, {1, 16, 19}, {3, 0, 0});
    tiny_write_text(directory, "vocab.txt",
                    "<s>\n<pad>\n</s>\n[UNK]\na\n<mask>\n");
    write_class(directory, "MPNetTokenizer", "");
    expect(directory, "a <mask>", {0, 0, 0}, {4, 0, 1}, {5, 2, 8}, {2, 0, 0});
}

static void test_old_files(void **state)
{
    const char *directory = *state;
    tiny_write_text(directory, "vocab.txt", odd_vocab);
    write_class(directory, "BertTokenizer", "");
    tiny_write_text(directory, "special_tokens_map.json",
                    "{\"mask_token\": {\"content\": \"[MASK]\", \"lstrip\": "
                    "true, \"rstrip\": false, \"normalized\": false, "
                    "\"single_word\": false}, \"additional_special_tokens\": "
                    "[\"new\"]}");
    tiny_write_text(directory, "added_tokens.json", "{\"zz\": 11}");
    expect(directory, "A b zz last [MASK] new", {2, 0, 0}, {8, 0, 1}, {7, 2, 3},
           {10, 4, 6}, {10, 7, 11}, {4, 11, 18}, {11, 19, 22}, {3, 0, 0});
}

static const char small_vocab[] =
    "{\"a\":0,\"b\":1,\"\\u0120\":2,\"ab\":3,\"\\u0120ab\":4,\"<s>\":5,"
    "\"</s>\":6,\"<mask>\":7}\n";
static const char small_merges[] = "#version: 0.2\r\na b\n\xc4\xa0 ab\n";

static void test_bpe(void **state)
{
    const char *directory = *state;
    tiny_write_text(directory, "vocab.json", small_vocab);
    tiny_write_text(directory, "merges.txt", small_merges);
    write_class(directory, "GPT2Tokenizer", "");
    expect(directory, "ab ab<s>b", {3, 0, 2}, {4, 2, 5}, {1, 8, 9});
    write_class(directory, "RobertaTokenizer", "");
    expect(directory, "ab ab<mask>b", {5, 0, 0}, {3, 0, 2}, {4, 3, 5},
           {7, 5, 11}, {1, 11, 12}, {6, 0, 0});
}

static void test_unigram(void **state)
{
    const char *directory = *state;
    static const char text[] = "ab abab<u>b  zb <mask></s>";
    bytes model = make_model(1);
    tiny_write(directory, "sentencepiece.bpe.model", model.at, model.len);
    write_class(directory, "XLMRobertaTokenizer", "");
    expect(directory, text, {0, 0, 0}, {9, 0, 2}, {9, 3, 5}, {8, 5, 7},
           {4, 7, 10}, {5, 10, 11}, {7, 10, 11}, {5, 13, 14}, {3, 13, 14},
           {7, 14, 15}, {11, 16, 22}, {2, 22, 26}, {2, 0, 0});
    write_class(directory, "CamembertTokenizer", "");
    expect(directory, text, {5, 0, 0}, {12, 0, 2}, {12, 3, 5}, {11, 5, 7},
           {7, 7, 10}, {8, 10, 11}, {10, 10, 11}, {8, 13, 14}, {3, 13, 14},
           {10, 14, 15}, {14, 15, 22}, {6, 22, 26}, {6, 0, 0});
    write_class(directory, "MBartTokenizer", "");
    expect(directory, text, {9, 0, 2}, {9, 3, 5}, {8, 5, 7}, {4, 7, 10},
           {5, 10, 11}, {7, 10, 11}, {5, 13, 14}, {3, 13, 14}, {7, 14, 15},
           {36, 15, 22}, {2, 22, 26}, {2, 0, 0}, {14, 0, 0});
}

static void test_unigram_as_it_is(void **state)
{
    const char *directory = *state;
    bytes model = make_model(1);
    tiny_write(directory, "spiece.model", model.at, model.len);
    write_class(directory, "T5Tokenizer", ", \"extra_ids\": 2");
    expect(directory, "ab abab<u>b <extra_id_1>", {8, 0, 2}, {8, 3, 5},
           {7, 5, 7}, {3, 7, 10}, {4, 10, 11}, {6, 10, 11}, {10, 12, 24},
           {2, 0, 0});
    write_class(directory, "XLNetTokenizer", "");
    expect(directory, "ab abab<u>b  zb <mask></s>", {8, 0, 2}, {8, 3, 5},
           {7, 5, 7}, {3, 7, 10}, {4, 10, 11}, {6, 10, 11}, {4, 13, 14},
           {0, 13, 14}, {6, 14, 15}, {13, 15, 22}, {2, 22, 26}, {10, 0, 0},
           {12, 0, 0});
}

static void test_sentencepiece_bpe(void **state)
{
    const char *directory = *state;
    static const char text[] = "ab abab<u>b  zb <mask></s>";
    bytes model = make_model(2);
    tiny_write(directory, "tokenizer.model", model.at, model.len);
    write_class(directory, "LlamaTokenizer", ", \"add_bos_token\": true");
    expect(directory, text, {1, 0, 0}, {8, 0, 2}, {8, 2, 5}, {7, 5, 7},
           {3, 7, 10}, {6, 10, 11}, {4, 11, 12}, {4, 12, 13}, {6, 13, 14},
           {4, 14, 16}, {5, 15, 16}, {2, 22, 26});
    write_class(directory, "TokenizersBackend", "");
    expect(directory, text, {7, 0, 2}, {8, 2, 5}, {7, 5, 7}, {3, 7, 10},
           {6, 10, 11}, {4, 11, 12}, {4, 12, 13}, {0, 13, 14}, {6, 14, 15},
           {4, 15, 16}, {0, 16, 18}, {5, 18, 19}, {0, 19, 22}, {2, 22, 26});
    write_class(directory, "GemmaTokenizer", "");
    expect(directory, text, {7, 0, 2}, {8, 2, 5}, {7, 5, 7}, {3, 7, 10},
           {6, 10, 11}, {4, 11, 12}, {4, 12, 13}, {0, 13, 14}, {6, 14, 15},
           {4, 15, 16}, {13, 16, 22}, {2, 22, 26});
}

/* A tokenizer.json goes before all else. */
static void test_whole_file_first(void **state)
{
    const char *directory = *state;
    rmr_error err = {0};
    tiny_write_text(directory, "vocab.txt", odd_vocab);
    write_class(directory, "BertTokenizer", "");
    tiny_write_text(directory, "tokenizer.json", "{}");
    expect_failure(open_directory(directory, &err), &err, RMR_ERR_FORMAT,
                   "tokenizer.json", "model");
    tiny_remove(directory, "tokenizer.json");
    expect_ok(open_directory(directory, &err), &err);
}

/* ------------------------------------------------------------------ refusals
 */

typedef struct refusal {
    const char *file;
    const char *text;
    rmr_status status;
    const char *words[3];
} refusal;

static void expect_refusals(const char *directory, const refusal *cases,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const refusal *c = &cases[i];
        rmr_error err = {0};
        size_t size;
        char *good = tiny_read(directory, c->file, &size);
        tiny_write_text(directory, c->file, c->text);
        rmr_status status = open_directory(directory, &err);
        if (status != c->status)
            print_error("case %zu: %s\n", i, err.message);
        expect_failure(status, &err, c->status, c->words[0], c->words[1],
                       c->words[2]);
        tiny_write(directory, c->file, good, size);
        free(good);
        expect_ok(open_directory(directory, &err), &err);
    }
}

#define CONFIG "tokenizer_config.json"
#define BERT(more) "{\"tokenizer_class\": \"BertTokenizer\"" more "}"

static void test_refused_options(void **state)
{
    static const refusal cases[] = {
        {CONFIG, "[]", RMR_ERR_FORMAT, {CONFIG, "object", ""}},
        {CONFIG, "{", RMR_ERR_FORMAT, {CONFIG, "line 1", ""}},
        {CONFIG, "{}", RMR_ERR_UNSUPPORTED, {"tokenizer_class", "", ""}},
        {CONFIG,
         "{\"tokenizer_class\": 3}",
         RMR_ERR_FORMAT,
         {"tokenizer_class", "string", ""}},
        {CONFIG,
         "{\"tokenizer_class\": \"ByT5Tokenizer\"}",
         RMR_ERR_UNSUPPORTED,
         {"\"ByT5Tokenizer\"", "not supported", ""}},
        {CONFIG,
         BERT(", \"auto_map\": {\"AutoTokenizer\": [null, \"x.Y\"]}"),
         RMR_ERR_UNSUPPORTED,
         {"auto_map", "code", ""}},
        {CONFIG,
         BERT(", \"do_lower_case\": 1"),
         RMR_ERR_UNSUPPORTED,
         {"do_lower_case", "true or false", ""}},
        {CONFIG,
         BERT(", \"do_lower_case\": null"),
         RMR_ERR_UNSUPPORTED,
         {"do_lower_case", "", ""}},
        {CONFIG,
         BERT(", \"split_special_tokens\": true"),
         RMR_ERR_UNSUPPORTED,
         {"split_special_tokens", "", ""}},
        {CONFIG,
         BERT(", \"cls_token\": null"),
         RMR_ERR_UNSUPPORTED,
         {"cls_token", "", ""}},
        {CONFIG,
         BERT(", \"cls_token\": {\"content\": \"[CLS]\"}"),
         RMR_ERR_UNSUPPORTED,
         {"cls_token", "token", ""}},
        {CONFIG,
         BERT(", \"cls_token\": \"a b\""),
         RMR_ERR_UNSUPPORTED,
         {"space", "", ""}},
        {CONFIG,
         BERT(", \"extra_special_tokens\": \"x\""),
         RMR_ERR_UNSUPPORTED,
         {"extra_special_tokens", "array", ""}},
        {CONFIG,
         BERT(", \"extra_special_tokens\": [{\"content\": \"x\"}]"),
         RMR_ERR_UNSUPPORTED,
         {"extra_special_tokens", "", ""}},
        {CONFIG,
         BERT(", \"added_tokens_decoder\": {\"x\": {\"content\": \"y\"}}"),
         RMR_ERR_UNSUPPORTED,
         {"added_tokens_decoder", "id", ""}},
        {CONFIG,
         BERT(", \"added_tokens_decoder\": {\"3\": {}}"),
         RMR_ERR_UNSUPPORTED,
         {"added_tokens_decoder", "token", ""}},
        {CONFIG,
         BERT(", \"vocab\": {}"),
         RMR_ERR_UNSUPPORTED,
         {"\"vocab\"", "", ""}},
        {"vocab.txt",
         "a\nb\n\xff\n",
         RMR_ERR_FORMAT,
         {"vocab.txt line 3", "UTF-8", ""}},
        {"vocab.txt", "", RMR_ERR_FORMAT, {"vocab.txt", "empty", ""}},
    };
    const char *directory = *state;
    tiny_write_text(directory, "vocab.txt", odd_vocab);
    tiny_write_text(directory, CONFIG, BERT(""));
    expect_refusals(directory, cases, LENGTH(cases));
}

static void test_refused_merges(void **state)
{
    static const refusal cases[] = {
        {"merges.txt",
         "a b\n\nab b\n",
         RMR_ERR_FORMAT,
         {"merges.txt line 2", "space", ""}},
        {"merges.txt",
         "a b c\n",
         RMR_ERR_FORMAT,
         {"merges.txt line 1", "space", ""}},
        {"merges.txt",
         "b a\n",
         RMR_ERR_FORMAT,
         {"merges.txt line 1", "vocabulary", ""}},
        {"merges.txt",
         "a b\nx y\n",
         RMR_ERR_FORMAT,
         {"merges.txt line 2", "vocabulary", ""}},
        {"merges.txt",
         "a \xff\n",
         RMR_ERR_FORMAT,
         {"merges.txt line 1", "UTF-8", ""}},
        {"vocab.json", "[]", RMR_ERR_FORMAT, {"vocab.json", "object", ""}},
        {"vocab.json",
         "{\"a\": 1.5}",
         RMR_ERR_FORMAT,
         {"vocab.json[0]", "id", ""}},
        {"vocab.json",
         "{\"a\": 1} x",
         RMR_ERR_FORMAT,
         {"vocab.json", "after its end", ""}},
        {"vocab.json",
         "{\"a\": 16777216}",
         RMR_ERR_RANGE,
         {"vocab.json", "16777216", ""}},
        {"vocab.json", " \n", RMR_ERR_FORMAT, {"vocab.json", "empty", ""}},
    };
    const char *directory = *state;
    rmr_error err = {0};
    tiny_write_text(directory, "vocab.json", small_vocab);
    tiny_write_text(directory, "merges.txt", small_merges);
    write_class(directory, "GPT2Tokenizer", "");
    expect_refusals(directory, cases, LENGTH(cases));
    tiny_remove(directory, "merges.txt");
    expect_failure(open_directory(directory, &err), &err, RMR_ERR_IO,
                   "merges.txt", "tokenizer.json");
}

/* What config.json says counts where tokenizer_config.json says nothing. */
static void test_model_types(void **state)
{
    const char *directory = *state;
    rmr_error err = {0};
    tiny_write_text(directory, "vocab.txt", odd_vocab);
    tiny_write_text(directory, "config.json", "{\"model_type\": \"electra\"}");
    expect_ok(open_directory(directory, &err), &err);
    tiny_write_text(directory, "config.json", "{\"model_type\": \"gpt2\"}");
    expect_failure(open_directory(directory, &err), &err, RMR_ERR_IO,
                   "vocab.json", "GPT2Tokenizer");
    tiny_write_text(directory, "config.json",
                    "{\"model_type\": \"gpt2\", "
                    "\"tokenizer_class\": \"BertTokenizer\"}");
    expect_ok(open_directory(directory, &err), &err);
    tiny_write_text(directory, "config.json", "{\"model_type\": \"qwen3_5\"}");
    expect_failure(open_directory(directory, &err), &err, RMR_ERR_UNSUPPORTED,
                   "Qwen3_5Tokenizer");
    tiny_write_text(directory, "config.json", "{\"model_type\": \"new\"}");
    expect_failure(open_directory(directory, &err), &err, RMR_ERR_UNSUPPORTED,
                   "model_type", "tokenizer.json");
    tiny_write_text(directory, "config.json", "{\"model_type\": \"bert\"}");
    tiny_write_text(directory, "tokenizer.model", "x");
    expect_failure(open_directory(directory, &err), &err, RMR_ERR_UNSUPPORTED,
                   "tokenizer.model", "BertTokenizer");
    tiny_remove(directory, "tokenizer.model");
    tiny_write_text(directory, "tekken.json", "{}");
    expect_failure(open_directory(directory, &err), &err, RMR_ERR_UNSUPPORTED,
                   "tekken.json");
}

/* ------------------------------------------------------------- hostile files
 */

static rmr_status open_model(const char *directory, const void *data,
                             size_t len, rmr_error *err)
{
    tiny_write(directory, "tokenizer.model", data, len);
    return open_directory(directory, err);
}

/* Cut anywhere, a model is an error at a byte or what is left is one. */
static void test_cut_model(void **state)
{
    const char *directory = *state;
    bytes model = make_model(2);
    size_t good = 0;
    write_class(directory, "LlamaTokenizer", "");
    for (size_t len = 0; len < model.len; len++) {
        rmr_error err = {0};
        rmr_status status = open_model(directory, model.at, len, &err);
        good += !status;
        if (status)
            expect_failure(status, &err, RMR_ERR_FORMAT, "tokenizer.model");
    }
    /* At the ends of its pieces, and of the field after them. */
    assert_int_equal(good, 10);
}

static void test_bad_fields(void **state)
{
    static const struct {
        const char *data;
        size_t len;
        const char *words;
    } cases[] = {
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11,
         "without end at byte 0"},
        {"\xff\xff\xff\xff\xff\x01", 6, "number is none at byte 0"},
        {"\x02\x01", 2, "number is none at byte 0"},
        {"\x0a\xff\xff\xff\xff\x0f", 6, "length beyond its end at byte 1"},
        {"\x0a\x03\x0a\x02\x61", 5, "length beyond its end at byte 3"},
        {"\x0a\x03\x0a\x01\xff", 5, "not UTF-8 at byte 4"},
        {"\x0a\x03\x15\x01\x02", 5, "ends too early at byte 3"},
        {"\x0a\x05\x15\x00\x00\xc0\x7f", 7, "not finite at byte 2"},
        {"\x0a\x01\x80", 3, "without end at byte 2"},
        {"\x0b\x0c", 2, "not read at byte 0"},
        {"\x10\x80", 2, "without end at byte 0"},
        {"\x1a\x00", 2, "no piece"},
    };
    const char *directory = *state;
    write_class(directory, "LlamaTokenizer", "");
    for (size_t i = 0; i < LENGTH(cases); i++) {
        rmr_error err = {0};
        rmr_status status =
            open_model(directory, cases[i].data, cases[i].len, &err);
        expect_failure(status, &err, RMR_ERR_FORMAT, "tokenizer.model",
                       cases[i].words);
    }
}

/* Fields that are not known, or of another type, are skipped; of a field that
 * is there twice the last counts. */
static void test_unknown_fields(void **state)
{
    const char *directory = *state;
    bytes model = make_model(2);
    rmr_error err = {0};
    write_class(directory, "LlamaTokenizer", "");
    put(&model,
        "\x20\x05\x29"
        "ABCDEFGH"
        "\x35"
        "WXYZ\x08\x01\xba\x3e\x02no",
        23);
    put_field(&model, 2, "\x18\x01\x18\x02", 4);
    expect_ok(open_model(directory, model.at, model.len, &err), &err);
}

/* Pieces of nothing: a million are a tokenizer, too many are not. */
static void test_many_pieces(void **state)
{
    enum { PIECES = (1 << 24) + 1 };
    const char *directory = *state;
    rmr_error err = {0};
    unsigned char *data = malloc(2 * (size_t)PIECES);
    assert_non_null(data);
    for (size_t i = 0; i < PIECES; i++) {
        data[2 * i] = 0x0a;
        data[2 * i + 1] = 0;
    }
    write_class(directory, "LlamaTokenizer", "");
    clock_t start = clock();
    expect_ok(open_model(directory, data, 2000000, &err), &err);
    assert_true(clock() - start < 20 * CLOCKS_PER_SEC);
    expect_failure(open_model(directory, data, 2 * (size_t)PIECES, &err), &err,
                   RMR_ERR_RANGE, "tokenizer.model", "16777216");
    free(data);
}

/* Every part of a long piece being a piece too makes merges without end. */
static void test_long_pieces(void **state)
{
    enum { LONGEST = 1025 };
    const char *directory = *state;
    rmr_error err = {0};
    char text[LONGEST + 1];
    bytes model = make_model(2);
    memset(text, 'a', LONGEST);
    text[LONGEST] = '\0';
    put_piece(&model, text + 1, 0, 0);
    write_class(directory, "LlamaTokenizer", "");
    expect_ok(open_model(directory, model.at, model.len, &err), &err);
    put_piece(&model, text, 0, 0);
    expect_failure(open_model(directory, model.at, model.len, &err), &err,
                   RMR_ERR_UNSUPPORTED, "tokenizer.model", "piece 11");
}

/* ---------------------------------------------------------------- no memory */

#ifdef RMR_FAULT_INJECTION
/* Every allocation of the core in an open fails in turn. Returns how many
 * there are. */
static unsigned fail_every_allocation(const char *directory, int forever)
{
    for (unsigned n = 1;; n++) {
        rmr_error err = {0};
        rmr_alloc_fail_at(n, forever);
        rmr_status status = open_directory(directory, &err);
        int failed = rmr_alloc_failed();
        rmr_alloc_fail_at(0, 0);
        if (!failed) {
            expect_ok(status, &err);
            return n - 1;
        }
        expect_failure(status, &err, RMR_ERR_NOMEM, "memory");
    }
}

static void test_no_memory_at_any_point(void **state)
{
    static const char *const classes[] = {
        "BertTokenizer",  "RobertaTokenizer",  "XLMRobertaTokenizer",
        "LlamaTokenizer", "TokenizersBackend", "T5Tokenizer"};
    const char *directory = *state;
    bytes unigram = make_model(1), bpe = make_model(2);
    tiny_write_text(directory, "vocab.json", small_vocab);
    tiny_write_text(directory, "merges.txt", small_merges);
    tiny_write(directory, "spiece.model", unigram.at, unigram.len);
    tiny_write(directory, "sentencepiece.bpe.model", unigram.at, unigram.len);
    tiny_write_text(directory, "vocab.txt", odd_vocab);
    tiny_write_text(directory, "added_tokens.json", "{\"zz\": 11}");
    for (size_t i = 0; i < LENGTH(classes); i++) {
        int of_model = i == 3 || i == 4;
        write_class(directory, classes[i], ", \"extra_ids\": 2");
        if (of_model)
            tiny_write(directory, "tokenizer.model", bpe.at, bpe.len);
        unsigned once = fail_every_allocation(directory, 0);
        assert_true(once > 30);
        assert_int_equal(once, fail_every_allocation(directory, 1));
        if (of_model)
            tiny_remove(directory, "tokenizer.model");
    }
}
#endif

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_wordpiece),
        TEST(test_old_files),
        TEST(test_bpe),
        TEST(test_unigram),
        TEST(test_unigram_as_it_is),
        TEST(test_sentencepiece_bpe),
        TEST(test_whole_file_first),
        TEST(test_refused_options),
        TEST(test_refused_merges),
        TEST(test_model_types),
        TEST(test_cut_model),
        TEST(test_bad_fields),
        TEST(test_unknown_fields),
        TEST(test_many_pieces),
        TEST(test_long_pieces),
#ifdef RMR_FAULT_INJECTION
        TEST(test_no_memory_at_any_point),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
