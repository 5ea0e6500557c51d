/*
 * shares.c - what a text costs beside the arithmetic: CPU seconds of tokenizing
 * it, of reading the JSON that it comes in and of writing its vector as JSON,
 * each as a share of the seconds that computing the vector takes. It must never
 * measure another path than the hosts' own functions.
 *
 * usage: shares MODEL DTYPE < TEXTS   a text a line
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/json.h"
#include "common/remora.h"

enum { MAX_TEXTS = 4096, TIMES = 20 };

static rmr_text texts[MAX_TEXTS];
static size_t num_texts;
static uint32_t dim;
static float *vectors; /* [num_texts, dim] */
static rmr_error err;

static void check(rmr_status status)
{
    if (!status)
        return;
    fprintf(stderr, "shares: %s\n", err.message);
    exit(1);
}

static void *checked(void *memory)
{
    if (!memory) {
        fprintf(stderr, "shares: out of memory\n");
        exit(1);
    }
    return memory;
}

/* CPU seconds of this process so far. */
static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void read_texts(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    while (num_texts < MAX_TEXTS && (len = getline(&line, &cap, stdin)) > 0) {
        char *copy = checked(malloc((size_t)len));
        memcpy(copy, line, (size_t)len);
        texts[num_texts++] = (rmr_text){copy, (size_t)len - 1};
    }
    free(line);
}

static double time_computing(rmr_model *model)
{
    rmr_engine *engine;
    rmr_engine_options options;
    rmr_engine_options_init(&options);
    options.threads = 1;
    check(rmr_engine_start(&engine, &options, &err));
    double start = cpu_seconds();
    check(
        rmr_embed(engine, model, texts, num_texts, NULL, vectors, NULL, &err));
    double seconds = cpu_seconds() - start;
    rmr_engine_stop(engine);
    return seconds;
}

static double time_tokenizing(const rmr_model *model, uint32_t max_tokens)
{
    rmr_tokens *tokens;
    check(rmr_tokens_new(&tokens, &err));
    double start = cpu_seconds();
    for (size_t n = 0; n < TIMES * num_texts; n++)
        check(rmr_tokenize(model, texts[n % num_texts], max_tokens,
                           RMR_TRUNCATE_END, tokens, &err));
    double seconds = cpu_seconds() - start;
    rmr_tokens_free(tokens);
    return seconds / TIMES;
}

/* A request body with all texts. */
static char *request(size_t *len)
{
    json_t *body = checked(json_object()), *input = checked(json_array());
    json_object_set_new(body, "model", json_string("model"));
    for (size_t i = 0; i < num_texts; i++)
        json_array_append_new(
            input, checked(json_stringn(texts[i].data, texts[i].len)));
    json_object_set_new(body, "input", input);
    char *text = checked(json_dumps(body, JSON_COMPACT));
    json_decref(body);
    *len = strlen(text);
    return text;
}

static double time_reading(void)
{
    size_t len;
    char *body = request(&len);
    double start = cpu_seconds();
    for (size_t n = 0; n < TIMES; n++) {
        json_t *json;
        check(rmr_json_load(&json, body, len, "the request", &err));
        json_decref(json);
    }
    double seconds = cpu_seconds() - start;
    free(body);
    return seconds / TIMES;
}

static double time_writing(void)
{
    char text[RMR_F32_CHARS];
    size_t chars = 0, count = num_texts * dim;
    double start = cpu_seconds();
    for (size_t i = 0; i < count; i++)
        chars += rmr_format_f32(vectors[i], text);
    double seconds = cpu_seconds() - start;
    return chars > count ? seconds : 0;
}

int main(int argc, char **argv)
{
    rmr_model *model;
    rmr_model_options options;
    rmr_model_info info = {.size = sizeof info};
    rmr_model_options_init(&options);
    if (argc != 3) {
        fprintf(stderr, "usage: shares MODEL DTYPE < TEXTS\n");
        return 2;
    }
    check(rmr_dtype_parse(argv[2], &options.dtype, &err));
    check(rmr_model_open(&model, argv[1], &options, &err));
    rmr_model_get_info(model, &info);
    read_texts();
    dim = info.dim;
    vectors = checked(calloc(num_texts + 1, dim * sizeof *vectors));
    double computing = time_computing(model);
    printf("%-5s beside %.2f s of computing %zu vectors: tokenizing %.2f %%, "
           "reading JSON %.2f %%, writing JSON %.2f %%\n",
           argv[2], computing, num_texts,
           100 * time_tokenizing(model, info.max_tokens) / computing,
           100 * time_reading() / computing, 100 * time_writing() / computing);
    rmr_model_release(model);
    for (size_t i = 0; i < num_texts; i++)
        free((void *)texts[i].data);
    free(vectors);
    return 0;
}
