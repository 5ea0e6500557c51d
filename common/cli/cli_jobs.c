/*
 * cli_jobs.c - a stream of texts in, what a model makes of each out, in the
 * same order. Memory is bounded by a window of jobs, however long the input. It
 * must never hold back a result that is ready while it waits for more input.
 */
#include "cli.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_TEXTS 256               /* a job is handed over with so many */
#define CHUNK_BYTES ((size_t)1 << 15) /* or when it has this much text */
#define WINDOW_BYTES ((size_t)64 << 20)

/* A job that was handed over. */
struct cli_flight {
    rmr_job *job;
    uint64_t first_line; /* of its texts, for messages */
    uint64_t last_line;
    uint64_t offset; /* input bytes up to its end */
    size_t bytes;    /* of text */
};

static void on_done(rmr_job *job, void *user)
{
    (void)job;
    (void)user;
    cli_wake();
}

static int start_engine(cli_jobs *run, const cli_jobs_args *args)
{
    rmr_engine_options options;
    rmr_engine_info info = {.size = sizeof(info)};
    rmr_error err;

    rmr_engine_options_init(&options);
    options.threads = args->threads;
    if (rmr_engine_start(&run->engine, &options, &err) != RMR_OK) {
        return cli_failed("%s", err.message);
    }
    rmr_engine_get_info(run->engine, &info);
    run->window = 2 * (size_t)info.threads + 2;
    run->flights = calloc(run->window, sizeof(*run->flights));
    return run->flights ? CLI_OK : cli_failed("out of memory for the jobs");
}

/* Hands the chunk over. When the engine is full it stays for later. */
static int submit(cli_jobs *run)
{
    struct cli_flight *last =
        &run->flights[(run->first + run->count) % run->window];
    rmr_error err;
    rmr_status status = run->start(run, cli_texts_views(&run->chunk),
                                   run->chunk.count, on_done, &last->job, &err);

    if (status == RMR_ERR_BUSY && run->count > 0) {
        return CLI_OK;
    }
    if (status != RMR_OK) {
        return cli_failed("%s: lines %" PRIu64 " to %" PRIu64 ": %s",
                          run->input.name, run->chunk_line, run->input.line,
                          err.message);
    }
    last->first_line = run->chunk_line;
    last->last_line = run->input.line;
    last->offset = run->input.offset;
    last->bytes = run->chunk.num_bytes;
    run->count++;
    run->bytes += last->bytes;
    cli_texts_clear(&run->chunk);
    return CLI_OK;
}

static int chunk_is_full(const cli_jobs *run)
{
    size_t bytes = run->chunk_bytes ? run->chunk_bytes : CHUNK_BYTES;

    return run->chunk.count >= CHUNK_TEXTS || run->chunk.num_bytes >= bytes;
}

static int has_room(const cli_jobs *run)
{
    return run->count < run->window && run->bytes < WINDOW_BYTES;
}

/* Reads what is there into jobs while there is room for jobs. Returns
 * CLI_FAILED only when the run cannot go on. */
static int fill(cli_jobs *run)
{
    while (has_room(run) && !(run->ended && run->chunk.count == 0)) {
        size_t before = run->count;
        cli_read got = CLI_READ_END;
        rmr_text text;

        if (!run->ended && !chunk_is_full(run)) {
            got = cli_input_text(&run->input, 0, &text);
            if (got == CLI_READ_TEXT) {
                if (run->chunk.count == 0) {
                    run->chunk_line = run->input.line;
                }
                if (cli_texts_add(&run->chunk, text.data, text.len) != CLI_OK) {
                    return CLI_FAILED;
                }
                continue;
            }
            run->ended = got != CLI_READ_AGAIN;
            if (got == CLI_READ_FAILED) {
                run->failed = 1;
                run->progress.shown = 0; /* its message stays */
            }
        }
        if (got == CLI_READ_STOPPED) {
            return CLI_FAILED;
        }
        if (run->chunk.count > 0 && submit(run) != CLI_OK) {
            return CLI_FAILED;
        }
        if (got == CLI_READ_AGAIN || run->count == before) {
            break;
        }
    }
    return CLI_OK;
}

/* Writes what a final job made of its texts. */
static int write_job(cli_jobs *run, const struct cli_flight *done)
{
    const rmr_text_result *results;
    size_t count;
    rmr_error err;

    if (rmr_job_result(done->job, &err) != RMR_OK) {
        return cli_failed("%s: lines %" PRIu64 " to %" PRIu64 ": %s",
                          run->input.name, done->first_line, done->last_line,
                          err.message);
    }
    results = rmr_job_texts(done->job, &count);
    if (run->write(run, done->job, results, count) != CLI_OK) {
        return CLI_FAILED;
    }
    for (size_t i = 0; i < count; i++) {
        run->texts++;
        run->tokens += results[i].tokens;
        run->truncated += results[i].truncated != 0;
    }
    cli_progress_update(&run->progress, done->offset, run->texts);
    return CLI_OK;
}

static int write_finished(cli_jobs *run)
{
    int code = CLI_OK;

    while (code == CLI_OK && run->count > 0 &&
           rmr_job_wait(run->flights[run->first].job, 0)) {
        struct cli_flight *done = &run->flights[run->first];

        code = write_job(run, done);
        rmr_job_release(done->job);
        run->bytes -= done->bytes;
        run->first = (run->first + 1) % run->window;
        run->count--;
    }
    return code;
}

/* Everything between the first text and the last row. */
static int stream(cli_jobs *run)
{
    for (;;) {
        int reading;

        if (cli_signal || fill(run) != CLI_OK ||
            write_finished(run) != CLI_OK) {
            return CLI_FAILED;
        }
        if (run->ended && run->count == 0 && run->chunk.count == 0) {
            return run->failed ? CLI_FAILED : CLI_OK;
        }
        if (run->count > 0 && rmr_job_wait(run->flights[run->first].job, 0)) {
            continue;
        }
        if (cli_output_flush(&run->output) != CLI_OK) {
            return CLI_FAILED;
        }
        reading = !run->ended && has_room(run) && !chunk_is_full(run);
        cli_wait(reading ? run->input.fd : -1, POLLIN);
    }
}

int cli_jobs_open(cli_jobs *run, const cli_jobs_args *args,
                  const rmr_model_options *options)
{
    rmr_model_options full = *options;
    rmr_error err;

    full.dtype = args->dtype;
    full.adapter = args->adapter;
    if (rmr_model_open(&run->model, args->model, &full, &err) != RMR_OK) {
        return cli_failed("%s", err.message);
    }
    run->info.size = sizeof(run->info);
    rmr_model_get_info(run->model, &run->info);
    return CLI_OK;
}

int cli_jobs_open_files(cli_jobs *run, const cli_jobs_args *args)
{
    run->input.fd = -1;
    run->output.fd = -1;
    if (cli_input_open(&run->input, args->input, args->field) != CLI_OK ||
        cli_output_open(&run->output, args->output) != CLI_OK) {
        return CLI_FAILED;
    }
    return CLI_OK;
}

int cli_jobs_run(cli_jobs *run, const cli_jobs_args *args)
{
    int terminal = isatty(STDERR_FILENO) && !isatty(run->output.fd);
    int code = start_engine(run, args);

    if (code != CLI_OK) {
        return code;
    }
    if (terminal && isatty(run->input.fd)) {
        cli_note("reading texts from the terminal, one a line; Ctrl-D ends");
        terminal = 0;
    }
    if (run->begin && run->begin(run) != CLI_OK) {
        return CLI_FAILED;
    }
    cli_progress_start(&run->progress, terminal, run->input.total);
    code = stream(run);
    if (run->end && run->end(run, code) != CLI_OK) {
        code = CLI_FAILED;
    }
    if (code == CLI_OK) {
        cli_progress_finish(&run->progress, run->texts, run->tokens);
    }
    return code;
}

static void report(const cli_jobs *run)
{
    if (cli_signal) {
        cli_note("interrupted after %" PRIu64 " texts", run->texts);
    }
    cli_note_truncated(run->truncated, run->texts, run->info.max_tokens);
}

int cli_jobs_close(cli_jobs *run, int code)
{
    if (cli_output_close(&run->output, code == CLI_OK) != CLI_OK) {
        code = CLI_FAILED;
    }
    report(run);
    rmr_engine_stop(run->engine);
    for (size_t i = 0; i < run->count; i++) {
        rmr_job_release(run->flights[(run->first + i) % run->window].job);
    }
    rmr_model_release(run->model);
    cli_texts_free(&run->chunk);
    cli_input_close(&run->input);
    free(run->flights);
    return code;
}

void cli_write_labels(cli_output *output, const rmr_label_score *labels,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cli_output_string(output, i ? "," : "{\"labels\":[");
        cli_output_json_string(output, labels[i].label);
    }
    for (size_t i = 0; i < count; i++) {
        cli_output_string(output, i ? "," : "],\"scores\":[");
        cli_write_score(output, labels[i].score);
    }
    cli_output_string(output, "]");
}

void cli_write_score(cli_output *output, float score)
{
    char number[RMR_F32_CHARS];

    cli_output_write(output, number, rmr_format_f32(score, number));
}

int cli_write_result(cli_output *output, const rmr_text_result *result)
{
    cli_output_string(output, ",\"tokens\":");
    cli_output_number(output, result->tokens);
    return cli_output_string(output, result->truncated
                                         ? ",\"truncated\":true}\n"
                                         : ",\"truncated\":false}\n");
}
