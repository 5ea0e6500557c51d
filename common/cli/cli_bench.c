/*
 * cli_bench.c - `remora bench`: how fast a model runs here, on texts that are
 * the same everywhere. Every token counted was computed: there is no padding
 * to count. It must never report a figure that was not measured in this run.
 */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define JOB_TEXTS 32
#define MAX_WINDOW (2 * CLI_MAX_THREADS + 2)
#define INPUT_TEXTS 4096
#define INPUT_BYTES ((size_t)64 << 20)
#define MIN_SINGLES 100
#define WAIT_MS 100

static const char help[] =
    "usage: remora bench MODEL [options]\n"
    "\n"
    "Measures texts and tokens a second with every thread busy, and how long\n"
    "a text takes that comes alone. The texts are sentences of English words,\n"
    "the same on every machine: short (about 12 tokens), mixed (about 98 on\n"
    "average, from a few to more than 256) and long (as many as the model\n"
    "takes). Tokens are those the model computed, special ones included.\n"
    "\n"
    "  --dtype DTYPE     arithmetic: f32 (default), bf16, int8, int4\n"
    "  --adapter DIR     merge the LoRA adapter in DIR, as PEFT writes it\n"
    "  --threads N       compute threads, 1 to 1024 (default: the CPUs that\n"
    "                    this process may use)\n"
    "  --seconds S       how long each figure is measured (default: 3)\n"
    "  --input FILE      the texts of FILE instead, one a line, at most 4,096\n"
    "  --print-texts SERIES\n"
    "                    only print the texts of short, mixed or long, one a\n"
    "                    line, to measure something else with them\n"
    "  --help            this text\n";

static int bench_main(int argc, char **argv);

const cli_command cli_bench_command = {
    .name = "bench",
    .summary = "texts and tokens a second, time of a single text",
    .help = help,
    .run = bench_main,
};

typedef struct bench_run {
    rmr_model *model;
    rmr_engine *engine;
    rmr_model_info info;
    uint32_t threads;
    double seconds;
    cli_texts texts;
    cli_output output;
    rmr_job *jobs[MAX_WINDOW]; /* a ring */
} bench_run;

typedef struct bench_rate {
    uint64_t texts;
    uint64_t tokens;
    double seconds;
} bench_rate;

/* Waits for a job, adds what it computed, and lets it go. */
static int finish_job(rmr_job *job, bench_rate *rate)
{
    const rmr_text_result *results;
    int code = CLI_OK;
    size_t count;
    rmr_error err;

    do {
        if (cli_signal) {
            rmr_job_cancel(job);
        }
    } while (!rmr_job_wait(job, WAIT_MS));
    if (cli_signal) {
        code = CLI_FAILED;
    } else if (rmr_job_result(job, &err) != RMR_OK) {
        code = cli_failed("%s", err.message);
    } else {
        results = rmr_job_texts(job, &count);
        for (size_t i = 0; i < count; i++) {
            rate->tokens += results[i].tokens;
        }
        rate->texts += count;
    }
    rmr_job_release(job);
    return code;
}

/* Hands over the next texts, from *next on, and moves it; the list goes round.
 */
static int start_job(bench_run *run, size_t *next, rmr_job **job)
{
    const rmr_text *texts = cli_texts_views(&run->texts);
    size_t left = run->texts.count - *next;
    size_t count = left < JOB_TEXTS ? left : JOB_TEXTS;
    rmr_error err;

    if (rmr_embed_start(run->engine, run->model, texts + *next, count, NULL,
                        NULL, NULL, job, &err) != RMR_OK) {
        return cli_failed("%s", err.message);
    }
    *next = (*next + count) % run->texts.count;
    return CLI_OK;
}

/* Keeps every thread busy for the time given, then waits for what is left. */
static int measure_rate(bench_run *run, double seconds, bench_rate *rate)
{
    size_t window = 2 * (size_t)run->threads + 2;
    uint64_t start = cli_now_ns();
    uint64_t end = start + (uint64_t)(seconds * 1e9);
    size_t first = 0;
    size_t count = 0;
    size_t next = 0;
    int code = CLI_OK;

    memset(rate, 0, sizeof(*rate));
    do {
        while (code == CLI_OK && count < window && cli_now_ns() < end) {
            code = start_job(run, &next, &run->jobs[(first + count) % window]);
            count += code == CLI_OK;
        }
        if (count > 0) {
            if (finish_job(run->jobs[first], rate) != CLI_OK) {
                code = CLI_FAILED;
            }
            first = (first + 1) % window;
            count--;
        }
    } while (count > 0);
    rate->seconds = (double)(cli_now_ns() - start) / 1e9;
    return code;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sends the texts one at a time and prints how long they took. */
static int measure_single(bench_run *run, const char *name)
{
    size_t cap = (size_t)1 << 16;
    double *times = malloc(cap * sizeof(*times));
    double end = (double)cli_now_ns() + run->seconds * 1e9;
    bench_rate rate;
    int code = times ? CLI_OK : cli_failed("out of memory for the times");
    char line[96];
    size_t count = 0;

    memset(&rate, 0, sizeof(rate));
    while (code == CLI_OK && count < cap &&
           (count < MIN_SINGLES || (double)cli_now_ns() < end)) {
        const rmr_text *text =
            &cli_texts_views(&run->texts)[count % run->texts.count];
        uint64_t start = cli_now_ns();
        rmr_error err;
        rmr_job *job;

        if (rmr_embed_start(run->engine, run->model, text, 1, NULL, NULL, NULL,
                            &job, &err) != RMR_OK) {
            code = cli_failed("%s", err.message);
        } else {
            code = finish_job(job, &rate);
            times[count++] = (double)(cli_now_ns() - start) / 1e6;
        }
    }
    if (code == CLI_OK) {
        qsort(times, count, sizeof(*times), compare_doubles);
        snprintf(line, sizeof(line),
                 "one %s text alone: p50 %.2f ms, p99 %.2f ms (%zu times)\n",
                 name, times[count / 2], times[count * 99 / 100], count);
        code = cli_output_string(&run->output, line);
    }
    free(times);
    return code;
}

static int print_rate(bench_run *run, const char *name)
{
    char tokens[CLI_GROUPED_CHARS];
    bench_rate rate;
    char line[120];

    if (measure_rate(run, run->seconds / 10, &rate) != CLI_OK ||
        measure_rate(run, run->seconds, &rate) != CLI_OK) {
        return CLI_FAILED;
    }
    snprintf(
        line, sizeof(line), "%-12s %11.1f %12s %12.1f\n", name,
        (double)rate.tokens / (double)rate.texts,
        cli_grouped((uint64_t)((double)rate.tokens / rate.seconds), tokens),
        (double)rate.texts / rate.seconds);
    cli_output_string(&run->output, line);
    return cli_output_flush(&run->output);
}

/* The processor's name as Linux tells it. */
static void cpu_name(char *buf, size_t cap)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];

    snprintf(buf, cap, "unknown");
    while (file && fgets(line, sizeof(line), file)) {
        char *colon = strchr(line, ':');

        if (colon && strncmp(line, "model name", 10) == 0) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(buf, cap, "%s", colon + 2);
            break;
        }
    }
    if (file) {
        fclose(file);
    }
}

static int print_head(bench_run *run)
{
    cli_output *out = &run->output;
    char cpu[128];

    cpu_name(cpu, sizeof(cpu));
    cli_output_string(out, "model    ");
    cli_output_string(out, run->info.path);
    cli_output_string(out, "\ndtype    ");
    cli_output_string(out, rmr_dtype_name(run->info.dtype));
    cli_output_string(out, "\nthreads  ");
    cli_output_number(out, run->threads);
    cli_output_string(out, "\ncpu      ");
    cli_output_string(out, cpu);
    cli_output_string(out, "\n\ntexts        tokens each     tokens/s"
                           "      texts/s\n");
    return cli_output_flush(out);
}

static int print_memory(bench_run *run)
{
    struct rusage usage;
    char line[64];

    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return CLI_OK;
    }
    snprintf(line, sizeof(line), "peak memory: %.0f MiB\n",
             (double)usage.ru_maxrss / 1024);
    return cli_output_string(&run->output, line);
}

static int fill_series(bench_run *run, cli_series series)
{
    cli_texts_clear(&run->texts);
    return cli_words_fill(&run->texts, series, run->info.max_tokens);
}

static int measure_series(bench_run *run)
{
    for (int series = CLI_SHORT; series <= CLI_LONG; series++) {
        if (fill_series(run, (cli_series)series) != CLI_OK ||
            print_rate(run, cli_series_name((cli_series)series)) != CLI_OK) {
            return CLI_FAILED;
        }
    }
    if (fill_series(run, CLI_SHORT) != CLI_OK) {
        return CLI_FAILED;
    }
    cli_output_string(&run->output, "\n");
    return measure_single(run, cli_series_name(CLI_SHORT));
}

static int read_texts(bench_run *run, const char *path)
{
    cli_input input;
    cli_read got = CLI_READ_TEXT;
    rmr_text text;
    int code = cli_input_open(&input, path, NULL);

    if (code != CLI_OK) {
        return code;
    }
    while (code == CLI_OK && got == CLI_READ_TEXT &&
           run->texts.count < INPUT_TEXTS &&
           run->texts.num_bytes < INPUT_BYTES) {
        got = cli_input_text(&input, 1, &text);
        if (got == CLI_READ_TEXT) {
            code = cli_texts_add(&run->texts, text.data, text.len);
        }
    }
    if (got == CLI_READ_FAILED || got == CLI_READ_STOPPED) {
        code = CLI_FAILED;
    } else if (code == CLI_OK && run->texts.count == 0) {
        code = cli_failed("%s has no texts", input.name);
    }
    cli_input_close(&input);
    return code;
}

static int measure_input(bench_run *run, const char *path)
{
    if (read_texts(run, path) != CLI_OK || print_rate(run, "input") != CLI_OK) {
        return CLI_FAILED;
    }
    cli_output_string(&run->output, "\n");
    return measure_single(run, "input");
}

static int print_texts(bench_run *run, const char *name)
{
    const rmr_text *texts;
    cli_series series = CLI_SHORT;

    while (strcmp(name, cli_series_name(series)) != 0) {
        series++;
    }
    if (fill_series(run, series) != CLI_OK) {
        return CLI_FAILED;
    }
    texts = cli_texts_views(&run->texts);
    for (size_t i = 0; i < run->texts.count; i++) {
        cli_output_write(&run->output, texts[i].data, texts[i].len);
        cli_output_string(&run->output, "\n");
    }
    return cli_output_flush(&run->output);
}

static int bench(bench_run *run, const char *input)
{
    rmr_engine_info info = {.size = sizeof(info)};
    rmr_engine_options options;
    rmr_error err;
    int code;

    rmr_engine_options_init(&options);
    options.threads = run->threads;
    options.queue_jobs = MAX_WINDOW;
    if (rmr_engine_start(&run->engine, &options, &err) != RMR_OK) {
        return cli_failed("%s", err.message);
    }
    rmr_engine_get_info(run->engine, &info);
    run->threads = info.threads;
    code = print_head(run);
    if (code == CLI_OK) {
        code = input ? measure_input(run, input) : measure_series(run);
    }
    return code == CLI_OK ? print_memory(run) : code;
}

static int is_series(const char *name)
{
    for (int series = CLI_SHORT; series <= CLI_LONG; series++) {
        if (strcmp(name, cli_series_name((cli_series)series)) == 0) {
            return 1;
        }
    }
    return 0;
}

static int bench_main(int argc, char **argv)
{
    static bench_run run;
    const char *model;
    const char *input = NULL;
    const char *series = NULL;
    rmr_model_options model_options;
    rmr_error err;
    const cli_option options[] = {
        {"--dtype", CLI_DTYPE, &model_options.dtype, 0, 0},
        {"--adapter", CLI_STRING, &model_options.adapter, 0, 0},
        {"--threads", CLI_NUMBER, &run.threads, 1, CLI_MAX_THREADS},
        {"--seconds", CLI_SECONDS, &run.seconds, 0, 0},
        {"--input", CLI_STRING, &input, 0, 0},
        {"--print-texts", CLI_STRING, &series, 0, 0},
    };
    int code;

    run.seconds = 3;
    rmr_model_options_init(&model_options);
    code = cli_parse(&cli_bench_command, options,
                     sizeof(options) / sizeof(options[0]), argc, argv, &model);
    if (code != CLI_CONTINUE) {
        return code;
    }
    if (series && !is_series(series)) {
        return cli_usage(&cli_bench_command,
                         "--print-texts is short, mixed or long, not \"%s\"",
                         series);
    }
    if (rmr_model_open(&run.model, model, &model_options, &err) != RMR_OK) {
        return cli_failed("%s", err.message);
    }
    run.info.size = sizeof(run.info);
    rmr_model_get_info(run.model, &run.info);
    code = cli_output_open(&run.output, NULL);
    if (code == CLI_OK) {
        code = series ? print_texts(&run, series) : bench(&run, input);
        if (cli_output_close(&run.output, 1) != CLI_OK) {
            code = CLI_FAILED;
        }
    }
    rmr_engine_stop(run.engine);
    rmr_model_release(run.model);
    cli_texts_free(&run.texts);
    return code;
}
