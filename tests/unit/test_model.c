/*
 * test_model.c - embeddings of tiny random models against a BERT in double
 * precision that is written here, from the paper, and shares no code with the
 * core. Every tier that this CPU runs must agree with it.
 */
#include <math.h>
#include <pthread.h>

#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "common/base/alloc.h"
#include "common/model/model.h"

/* ---------------------------------------------------------- reference BERT */

/* A tensor of layer `layer`, or of no layer when it is negative. */
static const float *values(const tiny_model *tiny, int layer, const char *name,
                           const char *parameter)
{
    char full[128];
    if (layer >= 0)
        snprintf(full, sizeof full, "encoder.layer.%d.%s.%s", layer, name,
                 parameter);
    else
        snprintf(full, sizeof full, "%s.%s", name, parameter);
    return tiny_values(tiny, full);
}

/* y [n, out] = x [n, in] W^T + b; allocated. */
static double *ref_linear(const tiny_model *tiny, int layer, const char *name,
                          const double *x, size_t n, size_t in, size_t out)
{
    const float *weight = values(tiny, layer, name, "weight");
    const float *bias = values(tiny, layer, name, "bias");
    double *y = calloc(n * out, sizeof *y);
    for (size_t t = 0; t < n; t++) {
        for (size_t o = 0; o < out; o++) {
            double sum = bias[o];
            for (size_t i = 0; i < in; i++)
                sum += x[t * in + i] * weight[o * in + i];
            y[t * out + o] = sum;
        }
    }
    return y;
}

/* x = LayerNorm(x + residual), in place. */
static void ref_norm(const tiny_model *tiny, int layer, const char *name,
                     double *x, const double *residual, size_t n)
{
    int old = tiny->options.gamma_beta;
    size_t hidden = tiny->options.hidden_size;
    const float *gamma = values(tiny, layer, name, old ? "gamma" : "weight");
    const float *beta = values(tiny, layer, name, old ? "beta" : "bias");
    for (size_t t = 0; t < n; t++) {
        double *row = x + t * hidden, mean = 0, variance = 0;
        for (size_t i = 0; i < hidden; i++) {
            row[i] += residual ? residual[t * hidden + i] : 0;
            mean += row[i] / (double)hidden;
        }
        for (size_t i = 0; i < hidden; i++)
            variance += (row[i] - mean) * (row[i] - mean) / (double)hidden;
        for (size_t i = 0; i < hidden; i++)
            row[i] =
                (row[i] - mean) / sqrt(variance + 1e-12) * gamma[i] + beta[i];
    }
}

static double ref_activation(const char *name, double x)
{
    if (strcmp(name, "relu") == 0)
        return x > 0 ? x : 0;
    if (strcmp(name, "silu") == 0 || strcmp(name, "swish") == 0)
        return x / (1 + exp(-x));
    if (strcmp(name, "gelu") == 0 || strcmp(name, "gelu_python") == 0)
        return 0.5 * x * (1 + erf(x / sqrt(2)));
    return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

/* One head: context = softmax(q k^T / sqrt(size)) v. */
static void ref_head(const double *q, const double *k, const double *v,
                     double *context, size_t n, size_t size, size_t stride)
{
    for (size_t i = 0; i < n; i++) {
        double p[64], total = 0;
        for (size_t j = 0; j < n; j++) {
            double dot = 0;
            for (size_t d = 0; d < size; d++)
                dot += q[i * stride + d] * k[j * stride + d];
            total += p[j] = exp(dot / sqrt((double)size));
        }
        for (size_t d = 0; d < size; d++) {
            context[i * stride + d] = 0;
            for (size_t j = 0; j < n; j++)
                context[i * stride + d] += p[j] / total * v[j * stride + d];
        }
    }
}

static void ref_layer(const tiny_model *tiny, int l, double *hidden, size_t n)
{
    const tiny_options *o = &tiny->options;
    size_t h = o->hidden_size, inner = o->intermediate_size;
    size_t size = h / o->num_attention_heads;
    double *q = ref_linear(tiny, l, "attention.self.query", hidden, n, h, h);
    double *k = ref_linear(tiny, l, "attention.self.key", hidden, n, h, h);
    double *v = ref_linear(tiny, l, "attention.self.value", hidden, n, h, h);
    double *context = calloc(n * h, sizeof *context);
    for (size_t head = 0; head < h; head += size)
        ref_head(q + head, k + head, v + head, context + head, n, size, h);
    double *out =
        ref_linear(tiny, l, "attention.output.dense", context, n, h, h);
    ref_norm(tiny, l, "attention.output.LayerNorm", hidden, out, n);
    double *wide =
        ref_linear(tiny, l, "intermediate.dense", hidden, n, h, inner);
    for (size_t i = 0; i < n * inner; i++)
        wide[i] = ref_activation(o->hidden_act, wide[i]);
    double *narrow = ref_linear(tiny, l, "output.dense", wide, n, inner, h);
    ref_norm(tiny, l, "output.LayerNorm", hidden, narrow, n);
    double *all[] = {q, k, v, context, out, wide, narrow};
    for (size_t i = 0; i < LENGTH(all); i++)
        free(all[i]);
}

/* The last hidden state of one sequence, [n, hidden_size]; allocated. */
static double *ref_forward(const tiny_model *tiny, const uint32_t *ids,
                           const uint32_t *type_ids, size_t n)
{
    size_t h = tiny->options.hidden_size;
    const float *words =
        values(tiny, -1, "embeddings.word_embeddings", "weight");
    const float *positions =
        values(tiny, -1, "embeddings.position_embeddings", "weight");
    const float *types =
        values(tiny, -1, "embeddings.token_type_embeddings", "weight");
    double *hidden = calloc(n * h, sizeof *hidden);
    for (size_t t = 0; t < n; t++) {
        for (size_t i = 0; i < h; i++)
            hidden[t * h + i] = (double)words[ids[t] * h + i] +
                                types[type_ids[t] * h + i] +
                                positions[t * h + i];
    }
    ref_norm(tiny, -1, "embeddings.LayerNorm", hidden, NULL, n);
    for (unsigned l = 0; l < tiny->options.num_hidden_layers; l++)
        ref_layer(tiny, (int)l, hidden, n);
    return hidden;
}

/* Pools, cuts to `dimensions`, and makes the length 1 if asked. */
static void ref_pool(const tiny_model *tiny, const double *rows, size_t n,
                     uint32_t dimensions, int normalize, double *vector)
{
    size_t h = tiny->options.hidden_size;
    const char *pooling = tiny->options.pooling;
    double norm = 0;
    for (size_t i = 0; i < dimensions; i++) {
        vector[i] = rows[i];
        for (size_t t = 1; t < n; t++) {
            if (strcmp(pooling, "max") == 0)
                vector[i] = fmax(vector[i], rows[t * h + i]);
            else if (strcmp(pooling, "cls") != 0)
                vector[i] += rows[t * h + i];
        }
        if (strcmp(pooling, "max") != 0 && strcmp(pooling, "cls") != 0)
            vector[i] /= (double)n;
        norm += vector[i] * vector[i];
    }
    for (size_t i = 0; normalize && i < dimensions; i++)
        vector[i] /= sqrt(norm);
}

/* ------------------------------------------------------------------ batches */

enum { MAX_SEQS = 8, MAX_TOKENS = 256, MAX_HIDDEN = 64 };

typedef struct pack {
    uint32_t ids[MAX_TOKENS], type_ids[MAX_TOKENS];
    uint32_t cu_seqlens[MAX_SEQS + 1];
    rmr_batch batch;
    rmr_vector vectors[MAX_SEQS];
    float out[MAX_SEQS][MAX_HIDDEN];
} pack;

/* Random sequences of these lengths; every vector whole, normalised or not. */
static void fill(pack *p, const tiny_options *o, const uint32_t *lengths,
                 size_t num_seqs, int normalize, uint64_t *seed)
{
    memset(p, 0, sizeof *p);
    for (size_t s = 0; s < num_seqs; s++) {
        p->cu_seqlens[s + 1] = p->cu_seqlens[s] + lengths[s];
        p->vectors[s] = (rmr_vector){.dimensions = o->hidden_size,
                                     .normalize = normalize,
                                     .values = p->out[s]};
        if (lengths[s] > p->batch.longest)
            p->batch.longest = lengths[s];
    }
    p->batch.num_seqs = num_seqs;
    p->batch.tokens = p->cu_seqlens[num_seqs];
    p->batch.ids = p->ids;
    p->batch.type_ids = p->type_ids;
    p->batch.cu_seqlens = p->cu_seqlens;
    for (size_t t = 0; t < p->batch.tokens; t++) {
        p->ids[t] = (uint32_t)(tiny_random(seed) % o->vocab_size);
        p->type_ids[t] = (uint32_t)(tiny_random(seed) % o->type_vocab_size);
    }
}

static int never(void *context)
{
    (void)context;
    return 0;
}

/* What rmr_model_load does, for a tier of choice. */
static rmr_model *load_as(const tiny_model *tiny, uint32_t tiers,
                          rmr_dtype dtype)
{
    rmr_error err = {0};
    rmr_model *model = rmr_calloc(1, sizeof *model);
    rmr_kern_init(&model->kern, tiers);
    expect_ok(rmr_config_read(&model->config, tiny->directory, &err), &err);
    expect_ok(rmr_config_read_modules(&model->config, tiny->directory, &err),
              &err);
    expect_ok(rmr_weights_open(&model->weights, tiny->directory, NULL, &err),
              &err);
    expect_ok(rmr_arch_bert.bind(&model->bound, &rmr_arch_bert, &model->config,
                                 model->weights, &model->kern, dtype, &err),
              &err);
    model->arch = &rmr_arch_bert;
    return model;
}

static rmr_model *load_tier(const tiny_model *tiny, uint32_t tiers)
{
    return load_as(tiny, tiers, RMR_DTYPE_F32);
}

enum { MAX_TIERS = 8 };

/* Masks of the tiers that run here; returns how many. */
static size_t tiers_here(uint32_t masks[MAX_TIERS])
{
    static const uint32_t tiers[] = {
        RMR_TIER_BLAS,        RMR_TIER_AVX2,        RMR_TIER_AVX512,
        RMR_TIER_AVX512_VNNI, RMR_TIER_AVX512_BF16, RMR_TIER_AMX_INT8,
        RMR_TIER_AMX_BF16,    RMR_TIER_NEON,        RMR_TIER_NEON_DOTPROD,
        RMR_TIER_NEON_I8MM,   RMR_TIER_NEON_BF16};
    uint32_t mask = 0;
    size_t count = 0;
    masks[count++] = mask;
    for (size_t i = 0; i < LENGTH(tiers); i++) {
        mask |= tiers[i];
        if (rmr_kern_tiers() & tiers[i])
            masks[count++] = mask & rmr_kern_tiers();
    }
    return count;
}

static void embed(const rmr_model *model, pack *p, rmr_workspace *workspace)
{
    rmr_error err = {0};
    expect_ok(rmr_model_run(model, &p->batch, p->vectors, workspace, never,
                            NULL, &err),
              &err);
}

static double worst; /* the largest difference seen, for the log */

static void check_pack(const tiny_model *tiny, const pack *p)
{
    for (size_t s = 0; s < p->batch.num_seqs; s++) {
        size_t begin = p->cu_seqlens[s], n = p->cu_seqlens[s + 1] - begin;
        double vector[MAX_HIDDEN];
        double *rows =
            ref_forward(tiny, p->ids + begin, p->type_ids + begin, n);
        const rmr_vector *v = &p->vectors[s];
        ref_pool(tiny, rows, n, v->dimensions, v->normalize, vector);
        free(rows);
        assert_int_equal(v->finite, 1);
        for (size_t i = 0; i < v->dimensions; i++) {
            double off = fabs(v->values[i] - vector[i]);
            worst = fmax(worst, off);
            if (!(off <= 1e-5))
                fail_msg("sequence %zu, component %zu is %.9g, not %.9g", s, i,
                         v->values[i], vector[i]);
        }
    }
}

/* ------------------------------------------------------------------ numbers */

static void check_options(tiny_options options)
{
    static const uint32_t lengths[] = {3, 1, 17, 48, 2};
    tiny_model *tiny = tiny_model_new(&options);
    uint32_t masks[MAX_TIERS];
    size_t count = tiers_here(masks);
    for (size_t i = 0; i < count; i++) {
        rmr_workspace workspace = {0};
        rmr_model *model = load_tier(tiny, masks[i]);
        uint64_t seed = 77 + i;
        pack p;
        for (int normalize = 0; normalize < 2; normalize++) {
            fill(&p, &tiny->options, lengths, LENGTH(lengths), normalize,
                 &seed);
            embed(model, &p, &workspace);
            check_pack(tiny, &p);
        }
        rmr_workspace_free(&workspace);
        rmr_model_unload(model);
    }
    tiny_model_free(tiny);
}

static void test_poolings(void **state)
{
    (void)state;
    static const char *const poolings[] = {"cls", "mean", "max", ""};
    for (size_t i = 0; i < LENGTH(poolings); i++)
        check_options((tiny_options){.pooling = poolings[i], .seed = 10 + i});
}

static void test_activations(void **state)
{
    (void)state;
    static const char *const names[] = {
        "gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_python", "relu",
        "silu", "swish"};
    for (size_t i = 0; i < LENGTH(names); i++)
        check_options((tiny_options){.hidden_act = names[i], .seed = 20 + i});
}

static void test_names_of_tensors(void **state)
{
    (void)state;
    check_options((tiny_options){.prefix = "bert.", .seed = 31});
    check_options((tiny_options){.gamma_beta = 1, .seed = 32});
    check_options(
        (tiny_options){.prefix = "bert.", .gamma_beta = 1, .seed = 33});
    check_options((tiny_options){.shards = 3, .seed = 34});
    check_options((tiny_options){.shards = 7, .prefix = "bert.", .seed = 35});
}

static void test_dtypes_and_alignments(void **state)
{
    (void)state;
    static const char *const dtypes[] = {"F32", "F16", "BF16"};
    for (size_t i = 0; i < LENGTH(dtypes); i++) {
        for (uint32_t misalign = 0; misalign < 4; misalign++)
            check_options((tiny_options){
                .dtype = dtypes[i], .misalign = misalign, .seed = 40 + i});
    }
}

static void test_shapes(void **state)
{
    (void)state;
    static const uint32_t shapes[][5] = {
        /* hidden, heads, layers, inner, types */
        {1, 1, 1, 1, 1},   {7, 7, 1, 3, 1},   {15, 5, 3, 17, 3},
        {16, 1, 1, 64, 2}, {33, 3, 1, 31, 2}, {48, 2, 2, 129, 2},
        {64, 8, 1, 16, 2}, {30, 15, 6, 8, 2}};
    for (size_t i = 0; i < LENGTH(shapes); i++)
        check_options((tiny_options){.hidden_size = shapes[i][0],
                                     .num_attention_heads = shapes[i][1],
                                     .num_hidden_layers = shapes[i][2],
                                     .intermediate_size = shapes[i][3],
                                     .type_vocab_size = shapes[i][4],
                                     .no_normalize = (int)i % 2,
                                     .seed = 50 + i});
}

static void test_dimensions_are_cut_before_the_norm(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {9, 4, 6};
    tiny_model *tiny = tiny_model_new(&(tiny_options){0});
    rmr_model *model = load_tier(tiny, rmr_kern_tiers());
    rmr_workspace workspace = {0};
    uint64_t seed = 5;
    for (uint32_t dimensions = 1; dimensions <= 24; dimensions++) {
        pack p;
        fill(&p, &tiny->options, lengths, LENGTH(lengths), 1, &seed);
        p.vectors[1].dimensions = dimensions;
        p.vectors[2].dimensions = dimensions;
        p.vectors[2].normalize = 0;
        for (size_t i = dimensions; i < MAX_HIDDEN; i++)
            p.out[1][i] = p.out[2][i] = 12345;
        embed(model, &p, &workspace);
        check_pack(tiny, &p);
        for (size_t i = dimensions; i < MAX_HIDDEN; i++)
            assert_true(p.out[1][i] == 12345 && p.out[2][i] == 12345);
    }
    rmr_workspace_free(&workspace);
    rmr_model_unload(model);
    tiny_model_free(tiny);
}

/* ---------------------------------------------------------------- invariance
 */

/* A team whose helpers, threads of their own, come and stay for a batch. */
typedef struct crew {
    rmr_team *team;
    pthread_t helpers[8];
    unsigned count;
    _Atomic int over;
} crew;

static int is_over(void *context)
{
    crew *c = context;
    return c->over;
}

static void not_invited(void *context)
{
    (void)context;
}

typedef struct helper {
    crew *crew;
    unsigned member;
} helper;

static void *help(void *context)
{
    helper h = *(helper *)context;
    free(context);
    while (!h.crew->over)
        rmr_team_help(h.crew->team, h.member, is_over, h.crew);
    return NULL;
}

static void crew_start(crew *c, unsigned members)
{
    *c = (crew){.team = rmr_team_new(members, not_invited, NULL)};
    assert_non_null(c->team);
    rmr_team_open(c->team);
    for (; c->count + 1 < members; c->count++) {
        helper *h = malloc(sizeof *h);
        *h = (helper){c, c->count + 1};
        assert_int_equal(pthread_create(&c->helpers[c->count], NULL, help, h),
                         0);
    }
}

static void crew_stop(crew *c)
{
    c->over = 1;
    rmr_team_close(c->team);
    while (c->count)
        pthread_join(c->helpers[--c->count], NULL);
    rmr_team_free(c->team);
}

/* A text's bits are its own, whatever is in the batch, wherever it is, whoever
 * shares the work, and whatever the workspace was used for before. OpenBLAS
 * makes no such promise; with it, nearly. */
static void check_alone(const tiny_model *tiny, uint32_t mask, rmr_dtype dtype,
                        unsigned members)
{
    static const uint32_t lengths[] = {12, 1, 48, 47, 5, 30};
    rmr_workspace workspace = {0}, used = {0};
    rmr_model *model = load_as(tiny, mask, dtype);
    uint64_t seed = 3;
    pack p, alone;
    crew c;
    fill(&p, &tiny->options, lengths, LENGTH(lengths), 1, &seed);
    embed(model, &p, &workspace);
    crew_start(&c, members);
    used.team = c.team;
    for (size_t s = 0; s < LENGTH(lengths); s++) {
        fill(&alone, &tiny->options, lengths + s, 1, 1, &seed);
        memcpy(alone.ids, p.ids + p.cu_seqlens[s], 4 * lengths[s]);
        memcpy(alone.type_ids, p.type_ids + p.cu_seqlens[s], 4 * lengths[s]);
        embed(model, &alone, &used);
        for (size_t i = 0; i < tiny->options.hidden_size; i++) {
            float a = alone.out[0][i], b = p.out[s][i];
            assert_true(mask == RMR_TIER_BLAS ? fabsf(a - b) < 2e-6f : a == b);
        }
    }
    crew_stop(&c);
    rmr_workspace_free(&workspace);
    rmr_workspace_free(&used);
    rmr_model_unload(model);
}

static void test_batch_does_not_change_a_text(void **state)
{
    (void)state;
    static const unsigned members[] = {1, 2, 3, 8};
    static const uint32_t shapes[][3] = {
        {60, 100, 4}, {32, 66, 2}, {45, 77, 5}};
    uint32_t masks[MAX_TIERS];
    size_t count = tiers_here(masks);
    for (size_t s = 0; s < LENGTH(shapes); s++) {
        tiny_model *tiny = tiny_model_new(
            &(tiny_options){.hidden_size = shapes[s][0],
                            .intermediate_size = shapes[s][1],
                            .num_attention_heads = shapes[s][2]});
        for (size_t i = 0; i < count; i++) {
            for (int dtype = 0; dtype <= RMR_DTYPE_INT4; dtype++) {
                for (size_t m = 0; m < LENGTH(members); m++)
                    check_alone(tiny, masks[i], (rmr_dtype)dtype, members[m]);
            }
        }
        tiny_model_free(tiny);
    }
}

/* ---------------------------------------------------- fewer bits than float32
 */

/* Cosine similarity of the least similar sequence with double precision. */
static double least_cosine(const tiny_model *tiny, const pack *p)
{
    double least = 1;
    for (size_t s = 0; s < p->batch.num_seqs; s++) {
        size_t begin = p->cu_seqlens[s], n = p->cu_seqlens[s + 1] - begin;
        double vector[MAX_HIDDEN], dot = 0, size = 0;
        double *rows =
            ref_forward(tiny, p->ids + begin, p->type_ids + begin, n);
        const rmr_vector *v = &p->vectors[s];
        ref_pool(tiny, rows, n, v->dimensions, 1, vector);
        free(rows);
        for (size_t i = 0; i < v->dimensions; i++) {
            dot += v->values[i] * vector[i];
            size += (double)v->values[i] * v->values[i];
        }
        least = fmin(least, dot / sqrt(size));
    }
    return least;
}

static void test_fewer_bits(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {3, 1, 17, 48, 2};
    static const double least[] = {1 - 1e-6, 0.999, 0.99, 0.95};
    static const uint32_t shapes[][3] = {
        {64, 128, 4}, {48, 101, 2}, {45, 77, 5}};
    uint32_t masks[MAX_TIERS];
    size_t count = tiers_here(masks);
    for (size_t s = 0; s < LENGTH(shapes); s++) {
        tiny_model *tiny =
            tiny_model_new(&(tiny_options){.hidden_size = shapes[s][0],
                                           .intermediate_size = shapes[s][1],
                                           .num_attention_heads = shapes[s][2],
                                           .seed = s});
        for (size_t i = 0; i < count; i++) {
            for (int dtype = 0; dtype <= RMR_DTYPE_INT4; dtype++) {
                rmr_workspace workspace = {0};
                rmr_model *model = load_as(tiny, masks[i], (rmr_dtype)dtype);
                uint64_t seed = 7;
                pack p;
                fill(&p, &tiny->options, lengths, LENGTH(lengths), 1, &seed);
                embed(model, &p, &workspace);
                double cosine = least_cosine(tiny, &p);
                if (cosine < least[dtype])
                    fail_msg("tiers %x, dtype %d: cosine %.6f", masks[i], dtype,
                             cosine);
                rmr_workspace_free(&workspace);
                rmr_model_unload(model);
            }
        }
        tiny_model_free(tiny);
    }
}

/* ------------------------------------------------------------------- endings
 */

static int stop_at(void *context)
{
    int *left = context;
    return (*left)-- == 0;
}

static void test_stop_abandons_the_pass(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {4, 2};
    tiny_model *tiny = tiny_model_new(&(tiny_options){.num_hidden_layers = 5});
    rmr_model *model = load_tier(tiny, rmr_kern_tiers());
    rmr_workspace workspace = {0};
    rmr_error err = {0};
    uint64_t seed = 1;
    pack p;
    for (int layer = 0; layer < 5; layer++) {
        int left = layer;
        fill(&p, &tiny->options, lengths, LENGTH(lengths), 1, &seed);
        expect_failure(rmr_model_run(model, &p.batch, p.vectors, &workspace,
                                     stop_at, &left, &err),
                       &err, RMR_ERR_CANCELED, "canceled");
        assert_true(p.out[0][0] == 0 && p.out[1][0] == 0);
    }
    int left = 5;
    expect_ok(rmr_model_run(model, &p.batch, p.vectors, &workspace, stop_at,
                            &left, &err),
              &err);
    check_pack(tiny, &p);
    rmr_workspace_free(&workspace);
    rmr_model_unload(model);
    tiny_model_free(tiny);
}

/* Finite weights whose sums are not: said, and nothing is written. */
static void test_vectors_that_are_not_finite(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {1, 4, 1};
    tiny_model *tiny = tiny_model_new(
        &(tiny_options){.poison = "encoder.layer.1.output.LayerNorm.bias",
                        .poison_value = 3e38f});
    rmr_model *model = load_tier(tiny, rmr_kern_tiers());
    rmr_workspace workspace = {0};
    uint64_t seed = 1;
    pack p;
    fill(&p, &tiny->options, lengths, LENGTH(lengths), 0, &seed);
    p.out[1][0] = 7;
    embed(model, &p, &workspace);
    assert_int_equal(p.vectors[0].finite, 1);
    assert_int_equal(p.vectors[1].finite, 0);
    assert_int_equal(p.vectors[2].finite, 1);
    assert_true(p.out[1][0] == 7 && p.out[1][1] == 0);
    /* What is cut off does not count. */
    p.vectors[1].dimensions = 23;
    embed(model, &p, &workspace);
    assert_int_equal(p.vectors[1].finite, 1);
    rmr_workspace_free(&workspace);
    rmr_model_unload(model);
    tiny_model_free(tiny);
}

#ifdef RMR_FAULT_INJECTION
static void test_no_memory_for_a_batch(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {4, 2};
    tiny_model *tiny = tiny_model_new(&(tiny_options){0});
    rmr_model *model = load_tier(tiny, rmr_kern_tiers());
    rmr_workspace workspace = {0};
    rmr_error err = {0};
    uint64_t seed = 1;
    pack p;
    fill(&p, &tiny->options, lengths, LENGTH(lengths), 1, &seed);
    rmr_alloc_fail_at(1, 0);
    expect_failure(rmr_model_run(model, &p.batch, p.vectors, &workspace, never,
                                 NULL, &err),
                   &err, RMR_ERR_NOMEM, "batch");
    assert_null(workspace.bytes);
    assert_int_equal(workspace.capacity, 0);
    rmr_alloc_fail_at(0, 0);
    embed(model, &p, &workspace);
    check_pack(tiny, &p);
    /* In steady state nothing is allocated at all. */
    rmr_alloc_fail_at(1, 1);
    embed(model, &p, &workspace);
    assert_false(rmr_alloc_failed());
    rmr_alloc_fail_at(0, 0);
    rmr_workspace_free(&workspace);
    rmr_model_unload(model);
    tiny_model_free(tiny);
}
#endif

static int say_worst(void **state)
{
    (void)state;
    print_message("largest difference from double precision: %.2g\n", worst);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_poolings),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_names_of_tensors),
        cmocka_unit_test(test_dtypes_and_alignments),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_dimensions_are_cut_before_the_norm),
        cmocka_unit_test(test_batch_does_not_change_a_text),
        cmocka_unit_test(test_fewer_bits),
        cmocka_unit_test(test_stop_abandons_the_pass),
        cmocka_unit_test(test_vectors_that_are_not_finite),
#ifdef RMR_FAULT_INJECTION
        cmocka_unit_test(test_no_memory_for_a_batch),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, say_worst);
}
