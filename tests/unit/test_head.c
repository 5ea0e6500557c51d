/*
 * test_head.c - heads of tiny random models: their logits beside double
 * precision, their labels and scores as config.json says, and every head that
 * is refused. It must never take an expected value from the code under test.
 */
#include <math.h>

#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "common/base/alloc.h"
#include "common/model/head.h"
#include "common/model/model.h"

#define CLASSIFIER "BertForSequenceClassification"
#define TAGGER "BertForTokenClassification"
#define FILLER "BertForMaskedLM"

/* ------------------------------------------------------------------- models
 */

static rmr_model *load_as(const char *directory, rmr_dtype dtype)
{
    rmr_error err = {0};
    rmr_model *model;
    rmr_model_options options;
    rmr_model_options_init(&options);
    options.dtype = dtype;
    expect_ok(rmr_model_load(&model, directory, &options, NULL, &err), &err);
    return model;
}

static rmr_model *load(const tiny_model *tiny)
{
    return load_as(tiny->directory, RMR_DTYPE_F32);
}

static int never(void *context)
{
    (void)context;
    return 0;
}

enum { MAX_SEQS = 64, MAX_TOKENS = 256 };

typedef struct pack {
    uint32_t ids[MAX_TOKENS], type_ids[MAX_TOKENS], ends[MAX_SEQS + 1];
    rmr_batch batch;
    float *hidden; /* [tokens, hidden_size], to be freed */
} pack;

/* Sequences of 1, 2, 3, 1, ... tokens, without the first `from`, and what the
 * encoder makes of them. */
static void run(pack *p, const rmr_model *model, size_t from, size_t num_seqs)
{
    memset(p, 0, sizeof *p);
    for (size_t s = from, t = 0; s < from + num_seqs; s++) {
        size_t length = s % 3 + 1;
        for (size_t i = 0; i < length; i++, t++) {
            p->ids[t] = (uint32_t)(7 * s + 11 * i) % model->config.vocab_size;
            p->type_ids[t] = (uint32_t)(s + i) % 2;
        }
        p->ends[s - from + 1] = (uint32_t)t;
    }
    p->batch = (rmr_batch){p->ids,   p->type_ids,       p->ends,
                           num_seqs, p->ends[num_seqs], 3};
    p->hidden = rmr_malloc_aligned(
        model->arch->scratch_bytes(model->bound, &p->batch, 1));
    assert_int_equal(model->arch->forward(model->bound, &p->batch, p->hidden,
                                          NULL, never, NULL),
                     0);
}

static rmr_head *bind(const rmr_model *model, rmr_head_kind kind)
{
    rmr_error err = {0};
    rmr_head *head;
    expect_ok(rmr_head_bind(&head, kind, model, &err), &err);
    return head;
}

/* The logits of all sequences, or of all tokens. */
static void logits_of(const rmr_head *head, const pack *p, float *logits)
{
    void *scratch = rmr_malloc_aligned(rmr_head_scratch_bytes(head, 1));
    if (head->kind == RMR_HEAD_CLASSIFY)
        rmr_head_classify(head, &p->batch, p->hidden, scratch, logits);
    else
        rmr_head_tokens(head, &p->batch, p->hidden, scratch, logits);
    rmr_free(scratch);
}

/* ------------------------------------------------------------------ logits
 */

/* y [out] = x [in] W^T + b. */
static void ref_linear(const tiny_model *tiny, const char *name,
                       const double *x, size_t in, size_t out, double *y)
{
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    const float *weight = tiny_values(tiny, full);
    snprintf(full, sizeof full, "%s.bias", name);
    const float *bias = tiny_values(tiny, full);
    for (size_t o = 0; o < out; o++) {
        y[o] = bias[o];
        for (size_t i = 0; i < in; i++)
            y[o] += x[i] * weight[o * in + i];
    }
}

static void check_row(const tiny_model *tiny, const rmr_head *head,
                      const float *hidden, const float *logits)
{
    enum { MOST = 64 };
    size_t size = tiny->options.hidden_size, labels = head->labels.count;
    double x[MOST] = {0}, pooled[MOST], y[MOST];
    for (size_t i = 0; i < size; i++)
        x[i] = hidden[i];
    if (head->kind == RMR_HEAD_CLASSIFY) {
        ref_linear(tiny, "pooler.dense", x, size, size, pooled);
        for (size_t i = 0; i < size; i++)
            x[i] = tanh(pooled[i]);
    }
    ref_linear(tiny, "classifier", x, size, labels, y);
    for (size_t i = 0; i < labels; i++) {
        if (!(fabs(logits[i] - y[i]) <= 1e-5))
            fail_msg("logit %zu is %.9g, not %.9g", i, logits[i], y[i]);
    }
}

static void check_logits(tiny_options options, rmr_head_kind kind)
{
    tiny_model *tiny = tiny_model_new(&options);
    rmr_model *model = load(tiny);
    rmr_head *head = bind(model, kind);
    size_t size = model->config.hidden_size, labels = head->labels.count;
    float all[MAX_TOKENS * 64], one[3 * 64];
    pack p, alone;
    run(&p, model, 0, MAX_SEQS);
    logits_of(head, &p, all);
    for (size_t s = 0; s < MAX_SEQS; s++) {
        size_t first = p.ends[s], rows = p.ends[s + 1] - first;
        const float *logits =
            all + (kind == RMR_HEAD_CLASSIFY ? s : first) * labels;
        if (kind == RMR_HEAD_CLASSIFY)
            rows = 1;
        for (size_t r = 0; r < rows; r++)
            check_row(tiny, head, p.hidden + (first + r) * size,
                      logits + r * labels);
        /* The same bits whatever it is batched with. */
        run(&alone, model, s, 1);
        logits_of(head, &alone, one);
        assert_memory_equal(one, logits, rows * labels * sizeof *one);
        rmr_free(alone.hidden);
    }
    rmr_free(p.hidden);
    rmr_head_free(head);
    rmr_model_unload(model);
    tiny_model_free(tiny);
}

static void test_logits(void **state)
{
    (void)state;
    check_logits(
        (tiny_options){.head = CLASSIFIER, .config = ", \"num_labels\": 3"},
        RMR_HEAD_CLASSIFY);
    check_logits((tiny_options){.head = CLASSIFIER,
                                .config = ", \"num_labels\": 1",
                                .num_labels = 1,
                                .prefix = "bert.",
                                .dtype = "BF16"},
                 RMR_HEAD_CLASSIFY);
    check_logits((tiny_options){.head = TAGGER,
                                .config = ", \"num_labels\": 17",
                                .num_labels = 17,
                                .prefix = "bert.",
                                .shards = 2},
                 RMR_HEAD_TOKENS);
}

/* ----------------------------------------------------------------- pooling
 */

static rmr_status bind_pooled(rmr_head **head, rmr_model *model,
                              rmr_head_names names, rmr_error *err)
{
    const rmr_arch *arch = model->arch;
    rmr_heads heads = *arch->heads;
    rmr_arch changed = *arch;
    heads.classify = names;
    heads.classify.output = "classifier";
    changed.heads = &heads;
    model->arch = &changed;
    rmr_status status = rmr_head_bind(head, RMR_HEAD_CLASSIFY, model, err);
    model->arch = arch;
    return status;
}

/* Tokens [first, last) of a sequence are pooled. */
static void check_pooled(const tiny_model *tiny, const pack *p, size_t first,
                         size_t last, int without_bias, const float *logits)
{
    const float *bias = tiny_values(tiny, "classifier.bias");
    size_t size = tiny->options.hidden_size;
    double x[64], y[3];
    for (size_t i = 0; i < size; i++) {
        x[i] = 0;
        for (size_t t = first; t < last; t++)
            x[i] += p->hidden[t * size + i] / (double)(last - first);
    }
    ref_linear(tiny, "classifier", x, size, 3, y);
    for (size_t i = 0; i < 3; i++)
        assert_true(fabs(logits[i] - y[i] + without_bias * bias[i]) <= 1e-5);
}

/* A head that pools as this, and has nothing before its labels; no token has
 * the id of padding unless it is from 0. */
static void check_padded(const char *config, rmr_head_names names,
                         rmr_pooling expected, int64_t padding)
{
    tiny_model *tiny =
        tiny_model_new(&(tiny_options){.head = CLASSIFIER, .config = config});
    rmr_model *model = load(tiny);
    rmr_error err = {0};
    rmr_head *head;
    float logits[MAX_SEQS * 3];
    pack p;
    expect_ok(bind_pooled(&head, model, names, &err), &err);
    run(&p, model, 0, MAX_SEQS);
    logits_of(head, &p, logits);
    for (size_t s = 0; s < MAX_SEQS; s++) {
        size_t first = p.ends[s], last = p.ends[s + 1];
        while (last > first + 1 && p.ids[last - 1] == padding)
            last--;
        first = expected == RMR_POOLING_LASTTOKEN ? last - 1 : first;
        last = expected == RMR_POOLING_CLS ? first + 1 : last;
        check_pooled(tiny, &p, first, last, names.without_bias, logits + 3 * s);
    }
    rmr_free(p.hidden);
    rmr_head_free(head);
    rmr_model_unload(model);
    tiny_model_free(tiny);
}

static void check_pooling(const char *config, rmr_head_names names,
                          rmr_pooling expected)
{
    check_padded(config, names, expected, -1);
}

static void refuse_pooling(const char *config, const char *word,
                           rmr_status expected)
{
    tiny_model *tiny =
        tiny_model_new(&(tiny_options){.head = CLASSIFIER, .config = config});
    rmr_model *model = load(tiny);
    rmr_error err = {0};
    rmr_head *head;
    expect_failure(bind_pooled(&head, model,
                               (rmr_head_names){.field = "legacy",
                                                .pooling_field = "pools",
                                                .ends_before_padding = 1},
                               &err),
                   &err, expected, "/config.json", word);
    rmr_model_unload(model);
    tiny_model_free(tiny);
}

static void test_pooling(void **state)
{
    (void)state;
    rmr_head_names by_field = {.pooling_field = "pools"};
    const char *plain = ", \"num_labels\": 3";
    check_pooling(plain, (rmr_head_names){0}, RMR_POOLING_CLS);
    check_pooling(plain, (rmr_head_names){.pooling = RMR_POOLING_LASTTOKEN},
                  RMR_POOLING_LASTTOKEN);
    check_pooling(plain, by_field, RMR_POOLING_CLS);
    check_pooling(", \"num_labels\": 3, \"pools\": \"mean\"", by_field,
                  RMR_POOLING_MEAN);
    /* Names that config.json asks for. */
    static const rmr_head_names other = {.pooling = RMR_POOLING_LASTTOKEN,
                                         .output = "classifier"};
    rmr_head_names chosen = {.field = "legacy", .where_false = &other};
    check_pooling(plain, chosen, RMR_POOLING_CLS);
    check_pooling(", \"num_labels\": 3, \"legacy\": true", chosen,
                  RMR_POOLING_CLS);
    check_pooling(", \"num_labels\": 3, \"legacy\": false", chosen,
                  RMR_POOLING_LASTTOKEN);
    refuse_pooling(", \"num_labels\": 3, \"legacy\": 0", "\"legacy\"",
                   RMR_ERR_FORMAT);
    refuse_pooling(", \"num_labels\": 3, \"pools\": \"most\"", "most",
                   RMR_ERR_UNSUPPORTED);
    refuse_pooling(", \"num_labels\": 3, \"pools\": \"cls+mean\"", "\"pools\"",
                   RMR_ERR_UNSUPPORTED);
    refuse_pooling(", \"num_labels\": 3, \"pools\": 1", "\"pools\"",
                   RMR_ERR_FORMAT);
}

/* Ids are those of `run`: 7 s + 11 i for token i of sequence s. */
static void test_padding(void **state)
{
    (void)state;
    rmr_head_names named = {.pooling = RMR_POOLING_LASTTOKEN,
                            .ends_before_padding = 1,
                            .without_bias = 1};
    rmr_head_names zero = named, blind = named;
    zero.pads_with_0 = 1;
    blind.ends_before_padding = 0;
    const char *plain = ", \"num_labels\": 3";
    const char *given = ", \"num_labels\": 3, \"pad_token_id\": 18";
    const char *null = ", \"num_labels\": 3, \"pad_token_id\": null";
    const char *below = ", \"num_labels\": 3, \"pad_token_id\": -1";
    check_padded(plain, named, RMR_POOLING_LASTTOKEN, -1);
    check_padded(plain, zero, RMR_POOLING_LASTTOKEN, 0);
    check_padded(given, named, RMR_POOLING_LASTTOKEN, 18);
    check_padded(given, zero, RMR_POOLING_LASTTOKEN, 18);
    check_padded(given, blind, RMR_POOLING_LASTTOKEN, -1);
    check_padded(null, zero, RMR_POOLING_LASTTOKEN, -1);
    check_padded(below, zero, RMR_POOLING_LASTTOKEN, -1);
    refuse_pooling(", \"num_labels\": 3, \"pad_token_id\": \"0\"",
                   "\"pad_token_id\"", RMR_ERR_FORMAT);
    refuse_pooling(", \"num_labels\": 3, \"pad_token_id\": -2",
                   "\"pad_token_id\"", RMR_ERR_RANGE);
}

/* -------------------------------------------------------------------- words
 */

/* Logits of all words for one row of hidden. */
static void ref_words(const tiny_model *tiny, const float *hidden, double *y)
{
    size_t size = tiny->options.hidden_size;
    const char *transform = "cls.predictions.transform";
    const float *words = tiny_values(tiny, "embeddings.word_embeddings.weight");
    const float *bias = tiny_values(tiny, "cls.predictions.bias");
    double x[64] = {0}, inner[64], mean = 0, variance = 0;
    char name[96];
    for (size_t i = 0; i < size; i++)
        x[i] = hidden[i];
    snprintf(name, sizeof name, "%s.dense", transform);
    ref_linear(tiny, name, x, size, size, inner);
    for (size_t i = 0; i < size; i++) {
        inner[i] *= 0.5 * (1 + erf(inner[i] / sqrt(2)));
        mean += inner[i] / (double)size;
    }
    for (size_t i = 0; i < size; i++)
        variance += (inner[i] - mean) * (inner[i] - mean) / (double)size;
    snprintf(name, sizeof name, "%s.LayerNorm.weight", transform);
    const float *gamma = tiny_values(tiny, name);
    snprintf(name, sizeof name, "%s.LayerNorm.bias", transform);
    const float *beta = tiny_values(tiny, name);
    for (size_t o = 0; o < tiny->options.vocab_size; o++) {
        y[o] = bias[o];
        for (size_t i = 0; i < size; i++)
            y[o] += ((inner[i] - mean) / sqrt(variance + 1e-12) * gamma[i] +
                     beta[i]) *
                    words[o * size + i];
    }
}

enum { MAX_WORDS = 128, ASKED = 61 };

static void fill(const rmr_head *head, const pack *p, size_t count,
                 const uint32_t *tokens, rmr_team *team, float *logits)
{
    void *scratch = rmr_malloc_aligned(
        rmr_head_scratch_bytes(head, rmr_team_members(team)));
    rmr_head_fill(head, p->hidden, tokens, count, scratch, team, logits);
    rmr_free(scratch);
}

static void not_invited(void *context)
{
    (void)context;
}

static void test_words(void **state)
{
    (void)state;
    static float logits[ASKED * MAX_WORDS], shared[ASKED * MAX_WORDS];
    tiny_model *tiny =
        tiny_model_new(&(tiny_options){.head = FILLER, .prefix = "bert."});
    size_t words = tiny->options.vocab_size, size = tiny->options.hidden_size;
    rmr_team *team = rmr_team_new(3, not_invited, NULL);
    rmr_team_open(team);
    for (int dtype = RMR_DTYPE_F32; dtype <= RMR_DTYPE_INT4; dtype++) {
        rmr_model *model = load_as(tiny->directory, (rmr_dtype)dtype);
        uint64_t before = rmr_weights_num_parameters(model->weights);
        rmr_head *head = bind(model, RMR_HEAD_FILL);
        uint32_t tokens[ASKED];
        double exact[MAX_WORDS];
        pack p;
        /* The table of words is not counted twice. */
        assert_int_equal(rmr_weights_num_parameters(model->weights) - before,
                         size * size + 3 * size + words);
        run(&p, model, 0, MAX_SEQS);
        for (uint32_t i = 0; i < ASKED; i++)
            tokens[i] = i * 37 % (uint32_t)p.batch.tokens;
        fill(head, &p, ASKED, tokens, NULL, logits);
        for (size_t i = 0; i < ASKED && dtype == RMR_DTYPE_F32; i++) {
            ref_words(tiny, p.hidden + tokens[i] * size, exact);
            for (size_t o = 0; o < words; o++)
                assert_true(fabs(logits[i * words + o] - exact[o]) <= 2e-5);
        }
        /* The same bits alone, and however many work on them. */
        fill(head, &p, ASKED, tokens, team, shared);
        assert_memory_equal(shared, logits, ASKED * words * sizeof *logits);
        for (size_t i = 0; i < ASKED; i++) {
            fill(head, &p, 1, tokens + i, NULL, shared);
            assert_memory_equal(shared, logits + i * words,
                                words * sizeof *logits);
        }
        rmr_free(p.hidden);
        rmr_head_free(head);
        rmr_model_unload(model);
    }
    rmr_team_close(team);
    rmr_team_free(team);
    tiny_model_free(tiny);
}

static void test_sparse_weights(void **state)
{
    (void)state;
    static float logits[ASKED * MAX_WORDS], weights[MAX_WORDS];
    tiny_model *tiny = tiny_model_new(&(tiny_options){.head = FILLER});
    rmr_model *model = load(tiny);
    rmr_head *head = bind(model, RMR_HEAD_FILL);
    size_t words = head->output.weight.out, none = 0;
    void *scratch = rmr_malloc_aligned(rmr_head_scratch_bytes(head, 1));
    uint32_t tokens[ASKED];
    pack p;
    run(&p, model, 0, MAX_SEQS);
    for (uint32_t i = 0; i < ASKED; i++)
        tokens[i] = i + 5;
    fill(head, &p, ASKED, tokens, NULL, logits);
    assert_int_equal(
        rmr_head_sparse(head, p.hidden, 5, 5 + ASKED, scratch, NULL, weights),
        1);
    for (size_t o = 0; o < words; o++) {
        double most = 0;
        for (size_t i = 0; i < ASKED; i++)
            most = fmax(most, logits[i * words + o]);
        assert_true(fabs(weights[o] - log1p(most)) <= 1e-6);
    }
    assert_int_equal(
        rmr_head_sparse(head, p.hidden, 7, 8, scratch, NULL, weights), 1);
    for (size_t o = 0; o < words; o++)
        none += weights[o] == 0;
    assert_in_range(none, 1, words - 1);
    p.hidden[9 * model->config.hidden_size] = NAN;
    assert_int_equal(
        rmr_head_sparse(head, p.hidden, 5, 40, scratch, NULL, weights), 0);
    rmr_free(scratch);
    rmr_free(p.hidden);
    rmr_head_free(head);
    rmr_model_unload(model);
    tiny_model_free(tiny);
}

static double cosine(const float *x, const float *y, size_t count)
{
    double xy = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < count; i++) {
        xy += (double)x[i] * y[i];
        xx += (double)x[i] * x[i];
        yy += (double)y[i] * y[i];
    }
    return xy / sqrt(xx * yy);
}

/* A directory that was quantized has its words in that dtype alone. */
static void test_words_of_a_quantized_directory(void **state)
{
    (void)state;
    static const double least[] = {1, 0.9999, 0.999, 0.96};
    static float exact[ASKED * MAX_WORDS], logits[ASKED * MAX_WORDS];
    tiny_model *tiny = tiny_model_new(&(tiny_options){.head = FILLER});
    char *folder = tiny_directory();
    uint32_t tokens[ASKED];
    for (uint32_t i = 0; i < ASKED; i++)
        tokens[i] = i;
    for (int dtype = RMR_DTYPE_F32; dtype <= RMR_DTYPE_INT4; dtype++) {
        const char *path = tiny->directory;
        rmr_error err = {0};
        rmr_quantize_options options;
        rmr_quantize_options_init(&options);
        options.dtype = (rmr_dtype)dtype;
        if (dtype != RMR_DTYPE_F32) {
            path = tiny_path(folder, rmr_dtype_name((rmr_dtype)dtype));
            expect_ok(rmr_model_quantize(tiny->directory, path, &options, &err),
                      &err);
        }
        rmr_model *model = load_as(path, (rmr_dtype)dtype);
        rmr_head *head = bind(model, RMR_HEAD_FILL);
        size_t count = ASKED * head->output.weight.out;
        pack p;
        run(&p, model, 0, MAX_SEQS);
        fill(head, &p, ASKED, tokens, NULL, dtype ? logits : exact);
        if (dtype)
            assert_true(cosine(logits, exact, count) >= least[dtype]);
        rmr_free(p.hidden);
        rmr_head_free(head);
        rmr_model_unload(model);
    }
    tiny_remove_directory(folder);
    tiny_model_free(tiny);
}

/* ------------------------------------------------------------------- labels
 */

static rmr_status read_labels(rmr_labels *labels, const char *config,
                              rmr_error *err)
{
    json_t *root = json_loads(config, JSON_ALLOW_NUL, NULL);
    assert_non_null(root);
    rmr_json_source source = {root, "config.json"};
    rmr_status status = rmr_labels_read(labels, source, err);
    json_decref(root);
    return status;
}

static void check_labels(const char *config, size_t count,
                         const char *const *names)
{
    rmr_error err = {0};
    rmr_labels labels;
    expect_ok(read_labels(&labels, config, &err), &err);
    assert_int_equal(labels.count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(labels.names[i], names[i]);
    rmr_labels_free(&labels);
}

static void test_labels(void **state)
{
    (void)state;
    static const char *const made[] = {"LABEL_0", "LABEL_1", "LABEL_2"};
    static const char *const given[] = {"no", "", "B-\xc3\xa9\n\"", "-"};
    check_labels("{}", 2, made);
    check_labels("{\"num_labels\": 3}", 3, made);
    check_labels("{\"num_labels\": 1, \"id2label\": null}", 1, made);
    check_labels("{\"num_labels\": 7, \"label2id\": {\"x\": 0}, \"id2label\": "
                 "{\"3\": \"-\", \"0\": \"no\", \"1\": \"\", "
                 "\"2\": \"B-\\u00e9\\n\\\"\"}}",
                 4, given);
}

static char *label_of(size_t len)
{
    static const char begin[] = "{\"id2label\": {\"0\": \"";
    char *text = calloc(1, sizeof begin + len + 4);
    memcpy(text, begin, sizeof begin - 1);
    memset(text + sizeof begin - 1, 'x', len);
    strcpy(text + sizeof begin - 1 + len, "\"}}");
    return text;
}

static void test_labels_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        rmr_status status;
        const char *words[3];
    } cases[] = {
        {"{\"id2label\": [\"a\"]}", RMR_ERR_FORMAT, {"\"id2label\""}},
        {"{\"id2label\": {}}", RMR_ERR_RANGE, {"\"id2label\"", "not 0"}},
        {"{\"id2label\": {\"0\": \"a\", \"2\": \"b\"}}",
         RMR_ERR_FORMAT,
         {"\"id2label\"", "2 labels", "\"1\""}},
        {"{\"id2label\": {\"00\": \"a\"}}", RMR_ERR_FORMAT, {"\"0\""}},
        {"{\"id2label\": {\"-1\": \"a\"}}", RMR_ERR_FORMAT, {"\"0\""}},
        {"{\"id2label\": {\"0\": 1}}", RMR_ERR_FORMAT, {"\"0\"", "string"}},
        {"{\"id2label\": {\"0\": null}}", RMR_ERR_FORMAT, {"string"}},
        {"{\"id2label\": {\"0\": \"a\\u0000b\"}}", RMR_ERR_FORMAT, {"NUL"}},
        {"{\"id2label\": {\"0\": \"a\", \"1\": \"b\", \"2\": \"a\"}}",
         RMR_ERR_FORMAT,
         {"\"id2label\"", "\"a\" twice"}},
        {"{\"num_labels\": 0}", RMR_ERR_RANGE, {"\"num_labels\""}},
        {"{\"num_labels\": 65537}", RMR_ERR_RANGE, {"\"num_labels\""}},
        {"{\"num_labels\": \"3\"}", RMR_ERR_FORMAT, {"\"num_labels\""}},
    };
    rmr_error err = {0};
    rmr_labels labels;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const char *const *words = cases[i].words;
        expect_failure(read_labels(&labels, cases[i].config, &err), &err,
                       cases[i].status, "config.json", words[0],
                       words[1] ? words[1] : "", words[2] ? words[2] : "");
        assert_null(labels.names);
    }
    char *longest = label_of(RMR_MAX_LABEL_BYTES);
    expect_ok(read_labels(&labels, longest, &err), &err);
    assert_int_equal(strlen(labels.names[0]), RMR_MAX_LABEL_BYTES);
    rmr_labels_free(&labels);
    char *longer = label_of(RMR_MAX_LABEL_BYTES + 1);
    expect_failure(read_labels(&labels, longer, &err), &err, RMR_ERR_RANGE,
                   "\"0\"", "256 bytes");
    free(longest);
    free(longer);
}

/* ------------------------------------------------------------------- scores
 */

static rmr_status read_scores(rmr_scores *scores, const char *config,
                              size_t num_labels, rmr_error *err)
{
    json_t *root = json_loads(config, 0, NULL);
    assert_non_null(root);
    rmr_json_source source = {root, "config.json"};
    rmr_status status = rmr_scores_read(scores, source, num_labels, err);
    json_decref(root);
    return status;
}

static void test_problem_types(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        size_t num_labels;
        rmr_scores scores;
    } cases[] = {
        {"{}", 1, RMR_SCORES_SIGMOID},
        {"{}", 2, RMR_SCORES_SOFTMAX},
        {"{\"problem_type\": null}", 1, RMR_SCORES_SIGMOID},
        {"{\"problem_type\": \"regression\"}", 1, RMR_SCORES_RAW},
        {"{\"problem_type\": \"regression\"}", 3, RMR_SCORES_RAW},
        {"{\"problem_type\": \"single_label_classification\"}", 2,
         RMR_SCORES_SOFTMAX},
        {"{\"problem_type\": \"multi_label_classification\"}", 1,
         RMR_SCORES_SIGMOID},
        {"{\"problem_type\": \"multi_label_classification\"}", 5,
         RMR_SCORES_SIGMOID},
    };
    rmr_error err = {0};
    rmr_scores scores;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        expect_ok(
            read_scores(&scores, cases[i].config, cases[i].num_labels, &err),
            &err);
        assert_int_equal(scores, cases[i].scores);
    }
    expect_failure(
        read_scores(&scores, "{\"problem_type\": \"ranking\"}", 2, &err), &err,
        RMR_ERR_FORMAT, "config.json", "\"problem_type\"", "\"ranking\"");
    expect_failure(read_scores(&scores, "{\"problem_type\": 1}", 2, &err), &err,
                   RMR_ERR_FORMAT, "\"problem_type\"");
    expect_failure(
        read_scores(&scores,
                    "{\"problem_type\": \"single_label_classification\"}", 1,
                    &err),
        &err, RMR_ERR_FORMAT, "\"problem_type\"", "more than one label");
}

static void check_scores(rmr_scores scores, const float *logits,
                         const float *expected, size_t count)
{
    float found[4];
    memcpy(found, logits, count * sizeof *found);
    assert_int_equal(rmr_score(scores, count, found), 1);
    for (size_t i = 0; i < count; i++)
        assert_true(fabsf(found[i] - expected[i]) <= 1e-6f);
}

static void test_scores(void **state)
{
    (void)state;
    static const float logits[] = {1, -2, 0.5f, 1000};
    static const float shares[] = {0.60374890f, 0.03005889f, 0.36619222f};
    static const float sigmoids[] = {0.73105858f, 0.11920292f, 0.62245933f, 1};
    static const float one_hot[] = {0, 0, 0, 1};
    check_scores(RMR_SCORES_SOFTMAX, logits, shares, 3);
    check_scores(RMR_SCORES_SOFTMAX, logits, one_hot, 4);
    check_scores(RMR_SCORES_SIGMOID, logits, sigmoids, 4);
    check_scores(RMR_SCORES_RAW, logits, logits, 4);
    for (int i = 0; i < 3; i++) {
        const float bad[] = {NAN, INFINITY, -INFINITY};
        for (int scores = RMR_SCORES_SOFTMAX; scores <= RMR_SCORES_RAW;
             scores++) {
            float found[] = {1, bad[i], 2};
            assert_int_equal(rmr_score((rmr_scores)scores, 3, found), 0);
            assert_true(found[0] == 1 && found[2] == 2);
        }
    }
}

/* ---------------------------------------------------------------- bad heads
 */

static void refuse(tiny_options options, rmr_head_kind kind, rmr_status status,
                   const char *first, const char *second)
{
    rmr_error err = {0};
    rmr_head *head = (rmr_head *)&err;
    if (!options.head)
        options.head = CLASSIFIER;
    if (!options.config)
        options.config = ", \"num_labels\": 3";
    tiny_model *tiny = tiny_model_new(&options);
    rmr_model *model = load(tiny);
    expect_failure(rmr_head_bind(&head, kind, model, &err), &err, status,
                   tiny->directory, first, second);
    assert_null(head);
    rmr_model_unload(model);
    tiny_model_free(tiny);
}

static void test_tensors_that_do_not_fit(void **state)
{
    (void)state;
    static const char *const names[] = {"pooler.dense.weight",
                                        "pooler.dense.bias",
                                        "classifier.weight", "classifier.bias"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        refuse((tiny_options){.omit = names[i]}, RMR_HEAD_CLASSIFY,
               RMR_ERR_FORMAT, names[i], "missing");
        refuse((tiny_options){.poison = names[i], .poison_value = NAN},
               RMR_HEAD_CLASSIFY, RMR_ERR_RANGE, names[i], "NaN");
        refuse((tiny_options){.reshape = names[i]}, RMR_HEAD_CLASSIFY,
               RMR_ERR_FORMAT, names[i], "");
    }
}

static void test_words_that_do_not_fit(void **state)
{
    (void)state;
    static const char *const names[] = {
        "cls.predictions.transform.dense.weight",
        "cls.predictions.transform.dense.bias",
        "cls.predictions.transform.LayerNorm.weight",
        "cls.predictions.transform.LayerNorm.bias"};
    for (size_t i = 0; i < LENGTH(names); i++)
        refuse((tiny_options){.head = FILLER, .omit = names[i]}, RMR_HEAD_FILL,
               RMR_ERR_FORMAT, names[i], "missing");
    refuse((tiny_options){.head = FILLER, .omit = "cls.predictions.bias"},
           RMR_HEAD_FILL, RMR_ERR_FORMAT, "\"cls.predictions.bias\"",
           "missing");
    refuse((tiny_options){.head = FILLER, .reshape = "cls.predictions.bias"},
           RMR_HEAD_FILL, RMR_ERR_FORMAT, "\"cls.predictions.bias\"", "");
    refuse((tiny_options){.head = FILLER,
                          .config = ", \"tie_word_embeddings\": false"},
           RMR_HEAD_FILL, RMR_ERR_FORMAT, "\"cls.predictions.decoder.weight\"",
           "missing");
    refuse((tiny_options){.head = FILLER,
                          .config = ", \"tie_word_embeddings\": 0"},
           RMR_HEAD_FILL, RMR_ERR_FORMAT, "/config.json",
           "\"tie_word_embeddings\"");
    refuse((tiny_options){.head = FILLER}, RMR_HEAD_CLASSIFY, RMR_ERR_FORMAT,
           "\"architectures\"", "text-classification");
    refuse((tiny_options){.head = TAGGER}, RMR_HEAD_FILL, RMR_ERR_FORMAT,
           "\"architectures\"", "fill-mask");
}

static void test_labels_that_do_not_fit(void **state)
{
    (void)state;
    refuse((tiny_options){.num_labels = 4}, RMR_HEAD_CLASSIFY, RMR_ERR_FORMAT,
           "\"classifier.weight\" has 4 outputs", "3 labels");
    refuse((tiny_options){.config = ""}, RMR_HEAD_CLASSIFY, RMR_ERR_FORMAT,
           "\"id2label\"", "2 labels");
    refuse((tiny_options){.config = ", \"id2label\": 1"}, RMR_HEAD_CLASSIFY,
           RMR_ERR_FORMAT, "/config.json", "\"id2label\"");
    refuse((tiny_options){.config = ", \"problem_type\": \"x\""},
           RMR_HEAD_CLASSIFY, RMR_ERR_FORMAT, "/config.json",
           "\"problem_type\"");
}

static void test_heads_of_another_kind(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_head_kind kind;
    refuse((tiny_options){.head = TAGGER}, RMR_HEAD_CLASSIFY, RMR_ERR_FORMAT,
           "\"architectures\"", "text-classification");
    refuse((tiny_options){.head = CLASSIFIER}, RMR_HEAD_TOKENS, RMR_ERR_FORMAT,
           "\"architectures\"", "token-classification");
    refuse((tiny_options){.head = "BertModel"}, RMR_HEAD_TOKENS, RMR_ERR_FORMAT,
           "/config.json", "\"architectures\"");
    refuse((tiny_options){.head = "x\"], \"x\": [\""}, RMR_HEAD_CLASSIFY,
           RMR_ERR_FORMAT, "\"architectures\"", "text-classification");
    tiny_model *tiny = tiny_model_new(
        &(tiny_options){.config = ", \"architectures\": \"Bert\""});
    expect_failure(rmr_head_find(&kind, tiny->directory, &err), &err,
                   RMR_ERR_FORMAT, "/config.json", "\"architectures\"");
    tiny_write_text(tiny->directory, "config.json", "{}");
    expect_ok(rmr_head_find(&kind, tiny->directory, &err), &err);
    assert_int_equal(kind, RMR_HEAD_NONE);
    tiny_remove(tiny->directory, "config.json");
    expect_failure(rmr_head_find(&kind, tiny->directory, &err), &err,
                   RMR_ERR_IO, "/config.json");
    tiny_model_free(tiny);
}

static void test_architecture_without_heads(void **state)
{
    (void)state;
    rmr_error err = {0};
    rmr_head *head;
    tiny_model *tiny = tiny_model_new(&(tiny_options){.head = CLASSIFIER});
    rmr_model *model = load(tiny);
    const rmr_arch *tiny_arch = model->arch;
    rmr_arch bare = *tiny_arch;
    bare.heads = NULL;
    model->arch = &bare;
    expect_failure(rmr_head_bind(&head, RMR_HEAD_CLASSIFY, model, &err), &err,
                   RMR_ERR_UNSUPPORTED, "/config.json", "text-classification",
                   "\"bert\"");
    rmr_heads heads = *tiny_arch->heads;
    heads.not_beside = "hidden_size";
    bare.heads = &heads;
    expect_failure(rmr_head_bind(&head, RMR_HEAD_CLASSIFY, model, &err), &err,
                   RMR_ERR_UNSUPPORTED, "/config.json", "text-classification",
                   "\"hidden_size\"");
    rmr_model_unload(model);
    tiny_model_free(tiny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logits),
        cmocka_unit_test(test_pooling),
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_sparse_weights),
        cmocka_unit_test(test_words_of_a_quantized_directory),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_labels_that_are_refused),
        cmocka_unit_test(test_problem_types),
        cmocka_unit_test(test_scores),
        cmocka_unit_test(test_tensors_that_do_not_fit),
        cmocka_unit_test(test_words_that_do_not_fit),
        cmocka_unit_test(test_labels_that_do_not_fit),
        cmocka_unit_test(test_heads_of_another_kind),
        cmocka_unit_test(test_architecture_without_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
