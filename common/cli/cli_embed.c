/*
 * cli_embed.c - `remora embed`: a stream of texts in, a stream of vectors out,
 * in the same order. Memory is bounded by a window of jobs, however long the
 * input. It must never hold back a result that is ready while it waits for
 * more input.
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

static const char help[] =
    "usage: remora embed MODEL [options]\n"
    "\n"
    "Writes the embedding of every text, in the order of the texts.\n"
    "\n"
    "  --input FILE      read the texts from FILE (default: standard input)\n"
    "  --jsonl FIELD     each line is a JSON object with the text in FIELD;\n"
    "                    blank lines are skipped\n"
    "  --format FORMAT   jsonl (default): a line {\"embedding\": [...],\n"
    "                    \"tokens\": N, \"truncated\": false} for each text;\n"
    "                    npy: one float32 array [texts, dimensions], which\n"
    "                    needs a file and not a pipe\n"
    "  --output FILE     write to FILE, which appears when it is whole\n"
    "                    (default: standard output, as results come)\n"
    "  --dtype DTYPE     arithmetic: f32 (default), bf16, int8, int4\n"
    "  --threads N       compute threads, 1 to 1024 (default: the CPUs that\n"
    "                    this process may use)\n"
    "  --dimensions N    keep the first N components, then normalise\n"
    "  --no-normalize    vectors as pooled, not of unit length\n"
    "  --pooling MODE    where there is no modules.json: cls, max, mean\n"
    "                    (default), mean_sqrt_len_tokens, weightedmean,\n"
    "                    lasttoken, or several joined by +\n"
    "  --prompt-name P   the model's prompt P before each text (default: the\n"
    "                    one that the model says; remora inspect has them)\n"
    "  --prompt TEXT     TEXT before each text; an empty one: no prompt\n"
    "  --help            this text\n"
    "\n"
    "Without --jsonl a text is a line. A line ends with LF or CR LF, holds at\n"
    "most 16 MiB, may hold NUL, and is read as UTF-8 with U+FFFD for what is\n"
    "not; an empty line is an empty text. A text with more tokens than the\n"
    "model takes is cut at its end; how many were is said on standard error.\n"
    "FILE may be - for the standard one.\n";

static int embed_main(int argc, char **argv);

const cli_command cli_embed_command = {
    .name = "embed",
    .summary = "the embeddings of texts, as JSON lines or as .npy",
    .help = help,
    .run = embed_main,
};

typedef struct embed_args {
    const char *model;
    const char *input;
    const char *field;
    const char *format;
    const char *output;
    rmr_dtype dtype;
    uint32_t threads;
    uint32_t dimensions;
    int no_normalize;
    const char *pooling;
    const char *prompt_name;
    const char *prompt;
    int npy;
} embed_args;

/* A job that was handed over. */
typedef struct flight {
    rmr_job *job;
    uint64_t first_line; /* of its texts, for messages */
    uint64_t last_line;
    uint64_t offset; /* input bytes up to its end */
    size_t bytes;    /* of text */
} flight;

typedef struct embed_run {
    const embed_args *args;
    cli_input input;
    cli_output output;
    cli_progress progress;
    rmr_model *model;
    rmr_engine *engine;
    rmr_model_info info;
    rmr_embed_options options;
    cli_texts chunk;     /* texts that are not handed over yet */
    uint64_t chunk_line; /* of its first text */
    flight *flights;     /* a ring, oldest at first */
    size_t window;
    size_t first;
    size_t count;
    size_t bytes;
    int ended;  /* nothing more is read */
    int failed; /* a message was printed; what came before is still written */
    uint64_t texts;
    uint64_t tokens;
    uint64_t truncated;
} embed_run;

static int parse(embed_args *args, int argc, char **argv)
{
    const cli_option options[] = {
        {"--input", CLI_STRING, &args->input, 0, 0},
        {"--jsonl", CLI_STRING, &args->field, 0, 0},
        {"--format", CLI_STRING, &args->format, 0, 0},
        {"--output", CLI_STRING, &args->output, 0, 0},
        {"--dtype", CLI_DTYPE, &args->dtype, 0, 0},
        {"--threads", CLI_NUMBER, &args->threads, 1, CLI_MAX_THREADS},
        {"--dimensions", CLI_NUMBER, &args->dimensions, 1, 999999999},
        {"--no-normalize", CLI_FLAG, &args->no_normalize, 0, 0},
        {"--pooling", CLI_STRING, &args->pooling, 0, 0},
        {"--prompt-name", CLI_STRING, &args->prompt_name, 0, 0},
        {"--prompt", CLI_TEXT, &args->prompt, 0, 0},
    };
    int code = cli_parse(&cli_embed_command, options,
                         sizeof(options) / sizeof(options[0]), argc, argv,
                         &args->model);

    if (code != CLI_CONTINUE) {
        return code;
    }
    args->npy = args->format && strcmp(args->format, "npy") == 0;
    if (args->format && !args->npy && strcmp(args->format, "jsonl") != 0) {
        return cli_usage(&cli_embed_command,
                         "--format is jsonl or npy, not \"%s\"", args->format);
    }
    if (args->prompt && args->prompt_name) {
        return cli_usage(&cli_embed_command,
                         "--prompt and --prompt-name exclude each other");
    }
    return CLI_CONTINUE;
}

static void on_done(rmr_job *job, void *user)
{
    (void)job;
    (void)user;
    cli_wake();
}

static int open_model(embed_run *run)
{
    rmr_model_options options;
    rmr_error err;

    rmr_model_options_init(&options);
    options.dtype = run->args->dtype;
    options.pooling = run->args->pooling;
    if (rmr_model_open(&run->model, run->args->model, &options, &err) !=
        RMR_OK) {
        return cli_failed("%s", err.message);
    }
    run->info.size = sizeof(run->info);
    rmr_model_get_info(run->model, &run->info);
    if (run->args->dimensions > run->info.dim) {
        return cli_usage(&cli_embed_command,
                         "--dimensions is at most %" PRIu32
                         " with this model, not %" PRIu32,
                         run->info.dim, run->args->dimensions);
    }
    cli_note_pooling(&run->info);
    rmr_embed_options_init(&run->options);
    run->options.dimensions = run->args->dimensions;
    run->options.prompt_name = run->args->prompt_name;
    if (run->args->prompt) {
        run->options.prompt.data = run->args->prompt;
        run->options.prompt.len = strlen(run->args->prompt);
    }
    if (run->args->no_normalize) {
        run->options.normalize = RMR_NORMALIZE_OFF;
    }
    return CLI_OK;
}

static int start_engine(embed_run *run)
{
    rmr_engine_options options;
    rmr_engine_info info = {.size = sizeof(info)};
    rmr_error err;

    rmr_engine_options_init(&options);
    options.threads = run->args->threads;
    if (rmr_engine_start(&run->engine, &options, &err) != RMR_OK) {
        return cli_failed("%s", err.message);
    }
    rmr_engine_get_info(run->engine, &info);
    run->window = 2 * (size_t)info.threads + 2;
    run->flights = calloc(run->window, sizeof(*run->flights));
    return run->flights ? CLI_OK : cli_failed("out of memory for the jobs");
}

/* Hands the chunk over. When the engine is full it stays for later. */
static int submit(embed_run *run)
{
    flight *last = &run->flights[(run->first + run->count) % run->window];
    rmr_error err;
    rmr_status status = rmr_embed_start(
        run->engine, run->model, cli_texts_views(&run->chunk), run->chunk.count,
        &run->options, on_done, NULL, &last->job, &err);

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

static int chunk_is_full(const embed_run *run)
{
    return run->chunk.count >= CHUNK_TEXTS ||
           run->chunk.num_bytes >= CHUNK_BYTES;
}

static int has_room(const embed_run *run)
{
    return run->count < run->window && run->bytes < WINDOW_BYTES;
}

/* Reads what is there into jobs while there is room for jobs. Returns
 * CLI_FAILED only when the run cannot go on. */
static int fill(embed_run *run)
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

static int write_row(embed_run *run, const float *row, size_t dim,
                     const rmr_text_result *result)
{
    char number[RMR_F32_CHARS];

    if (run->args->npy) {
        return cli_output_write(&run->output, row, dim * sizeof(*row));
    }
    cli_output_string(&run->output, "{\"embedding\":[");
    for (size_t i = 0; i < dim; i++) {
        size_t len = rmr_format_f32(row[i], number);

        if (i > 0) {
            cli_output_write(&run->output, ",", 1);
        }
        cli_output_write(&run->output, number, len);
    }
    cli_output_string(&run->output, "],\"tokens\":");
    cli_output_number(&run->output, result->tokens);
    return cli_output_string(&run->output, result->truncated
                                               ? ",\"truncated\":true}\n"
                                               : ",\"truncated\":false}\n");
}

/* Writes the rows of a final job. */
static int write_job(embed_run *run, const flight *done)
{
    const rmr_text_result *results;
    const float *rows;
    size_t count;
    size_t dim;
    rmr_error err;

    if (rmr_job_result(done->job, &err) != RMR_OK) {
        return cli_failed("%s: lines %" PRIu64 " to %" PRIu64 ": %s",
                          run->input.name, done->first_line, done->last_line,
                          err.message);
    }
    rows = rmr_job_embeddings(done->job, &count, &dim);
    results = rmr_job_texts(done->job, &count);
    for (size_t i = 0; i < count; i++) {
        if (write_row(run, rows + i * dim, dim, &results[i]) != CLI_OK) {
            return CLI_FAILED;
        }
        run->texts++;
        run->tokens += results[i].tokens;
        run->truncated += results[i].truncated != 0;
    }
    cli_progress_update(&run->progress, done->offset, run->texts);
    return CLI_OK;
}

static int write_finished(embed_run *run)
{
    int code = CLI_OK;

    while (code == CLI_OK && run->count > 0 &&
           rmr_job_wait(run->flights[run->first].job, 0)) {
        flight *done = &run->flights[run->first];

        code = write_job(run, done);
        rmr_job_release(done->job);
        run->bytes -= done->bytes;
        run->first = (run->first + 1) % run->window;
        run->count--;
    }
    return code;
}

/* Everything between the first text and the last row. */
static int stream(embed_run *run)
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

static int write_npy_header(embed_run *run, int again)
{
    char header[CLI_NPY_HEADER];
    size_t dim = run->args->dimensions ? run->args->dimensions : run->info.dim;

    cli_npy_header(header, run->texts, dim);
    return again ? cli_output_rewrite(&run->output, header, sizeof(header))
                 : cli_output_write(&run->output, header, sizeof(header));
}

static int open_files(embed_run *run)
{
    const embed_args *args = run->args;

    if (cli_input_open(&run->input, args->input, args->field) != CLI_OK ||
        cli_output_open(&run->output, args->output) != CLI_OK) {
        return CLI_FAILED;
    }
    if (args->npy && !cli_output_seekable(&run->output)) {
        return cli_usage(&cli_embed_command,
                         "--format npy begins with the number of texts and "
                         "%s cannot be rewound: name a file with --output",
                         run->output.name);
    }
    return CLI_OK;
}

static int embed(embed_run *run)
{
    int terminal = isatty(STDERR_FILENO) && !isatty(run->output.fd);
    int code;

    if (terminal && isatty(run->input.fd)) {
        cli_note("reading texts from the terminal, one a line; Ctrl-D ends");
        terminal = 0;
    }
    if (run->args->npy && write_npy_header(run, 0) != CLI_OK) {
        return CLI_FAILED;
    }
    cli_progress_start(&run->progress, terminal, run->input.total);
    code = stream(run);
    /* A file that nobody sees before it is whole needs no header when it never
     * will be; elsewhere the rows that are there are counted. */
    if (run->args->npy && (code == CLI_OK || !run->output.temporary) &&
        write_npy_header(run, 1) != CLI_OK) {
        code = CLI_FAILED;
    }
    if (code == CLI_OK) {
        cli_progress_finish(&run->progress, run->texts, run->tokens);
    }
    return code;
}

static void report(const embed_run *run)
{
    if (cli_signal) {
        cli_note("interrupted after %" PRIu64 " texts", run->texts);
    }
    cli_note_truncated(run->truncated, run->texts, run->info.max_tokens);
}

static void close_run(embed_run *run)
{
    rmr_engine_stop(run->engine);
    for (size_t i = 0; i < run->count; i++) {
        rmr_job_release(run->flights[(run->first + i) % run->window].job);
    }
    rmr_model_release(run->model);
    cli_texts_free(&run->chunk);
    cli_input_close(&run->input);
    free(run->flights);
}

static int embed_main(int argc, char **argv)
{
    static embed_run state;
    embed_args args = {0};
    int code = parse(&args, argc, argv);

    if (code != CLI_CONTINUE) {
        return code;
    }
    state.args = &args;
    state.input.fd = -1;
    state.output.fd = -1;
    code = open_files(&state);
    if (code == CLI_OK) {
        code = open_model(&state);
    }
    if (code == CLI_OK) {
        code = start_engine(&state);
    }
    if (code == CLI_OK) {
        code = embed(&state);
    }
    if (cli_output_close(&state.output, code == CLI_OK) != CLI_OK) {
        code = CLI_FAILED;
    }
    report(&state);
    close_run(&state);
    return code;
}
