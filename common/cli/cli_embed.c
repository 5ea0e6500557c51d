/*
 * cli_embed.c - `remora embed`: a stream of texts in, a stream of vectors out,
 * in the same order. It must never write an .npy file whose header does not
 * count what is in it.
 */
#include "cli.h"

#include <inttypes.h>
#include <string.h>

/* Of text in a job of --tokens, whose results are hundreds of times as large.
 */
#define TOKENS_CHUNK_BYTES ((size_t)1 << 12)

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
    "  --adapter DIR     merge the LoRA adapter in DIR, as PEFT writes it\n"
    "  --threads N       compute threads, 1 to 1024 (default: the CPUs that\n"
    "                    this process may use)\n"
    "  --dimensions N    keep the first N components, then normalise\n"
    "  --no-normalize    vectors as pooled, not of unit length\n"
    "  --windows         a text that is too long is read whole, in windows:\n"
    "                    the mean of their vectors, by their tokens\n"
    "  --stride N        tokens that a window has in common with the next\n"
    "  --pooling MODE    where there is no modules.json: cls, max, mean\n"
    "                    (default), mean_sqrt_len_tokens, weightedmean,\n"
    "                    lasttoken, or several joined by +\n"
    "  --prompt-name P   the model's prompt P before each text (default: the\n"
    "                    one that the model says; remora inspect has them)\n"
    "  --prompt TEXT     TEXT before each text; an empty one: no prompt\n"
    "  --tokens          a vector of each token instead, the last hidden "
    "state:\n"
    "                    a line {\"embeddings\": [[...], ...], \"ids\": "
    "[...],\n"
    "                    \"offsets\": [[0, 3], ...], \"tokens\": N, "
    "\"truncated\":\n"
    "                    false} for each text, with the bytes of the text "
    "that\n"
    "                    a token stands for; 0, 0 where it is of the prompt, "
    "or\n"
    "                    added\n"
    "  --normalize       with --tokens: vectors of unit length\n"
    "  --help            this text\n"
    "\n"
    "Without --jsonl a text is a line. A line ends with LF or CR LF, holds at\n"
    "most 16 MiB, may hold NUL, and is read as UTF-8 with U+FFFD for what is\n"
    "not; an empty line is an empty text. Without --windows a text with more\n"
    "tokens than the model takes is cut at its end; how many were is said on\n"
    "standard error. FILE may be - for the standard one.\n";

static int embed_main(int argc, char **argv);

const cli_command cli_embed_command = {
    .name = "embed",
    .summary = "the embeddings of texts, as JSON lines or as .npy",
    .help = help,
    .run = embed_main,
};

typedef struct embed_args {
    cli_jobs_args jobs;
    const char *format;
    uint32_t dimensions;
    int no_normalize;
    const char *pooling;
    const char *prompt_name;
    const char *prompt;
    int tokens;
    int normalize;
    int windows;
    uint32_t stride;
    int npy;
} embed_args;

typedef struct embed_run {
    cli_jobs jobs;
    const embed_args *args;
    rmr_embed_options options;
    rmr_embed_tokens_options tokens_options;
} embed_run;

/* What goes with --tokens, and what does not. */
static int check_tokens(const embed_args *args)
{
    if (args->tokens && (args->npy || args->dimensions || args->pooling ||
                         args->no_normalize)) {
        return cli_usage(&cli_embed_command,
                         "--tokens excludes --format npy, --dimensions, "
                         "--no-normalize and --pooling");
    }
    if (args->normalize && !args->tokens) {
        return cli_usage(&cli_embed_command, "--normalize needs --tokens");
    }
    return CLI_CONTINUE;
}

static int parse(embed_args *args, int argc, char **argv)
{
    const cli_option options[] = {
        CLI_JOBS_OPTIONS(args->jobs),
        {"--format", CLI_STRING, &args->format, 0, 0},
        {"--dimensions", CLI_NUMBER, &args->dimensions, 1, 999999999},
        {"--no-normalize", CLI_FLAG, &args->no_normalize, 0, 0},
        {"--windows", CLI_FLAG, &args->windows, 0, 0},
        {"--stride", CLI_NUMBER, &args->stride, 0, 999999999},
        {"--pooling", CLI_STRING, &args->pooling, 0, 0},
        {"--prompt-name", CLI_STRING, &args->prompt_name, 0, 0},
        {"--prompt", CLI_TEXT, &args->prompt, 0, 0},
        {"--tokens", CLI_FLAG, &args->tokens, 0, 0},
        {"--normalize", CLI_FLAG, &args->normalize, 0, 0},
    };
    int code = cli_parse(&cli_embed_command, options,
                         sizeof(options) / sizeof(options[0]), argc, argv,
                         &args->jobs.model);

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
    return check_tokens(args);
}

static int open_model(embed_run *run)
{
    const embed_args *args = run->args;
    rmr_model_options options;

    rmr_model_options_init(&options);
    options.pooling = args->pooling;
    if (cli_jobs_open(&run->jobs, &args->jobs, &options) != CLI_OK) {
        return CLI_FAILED;
    }
    if (args->dimensions > run->jobs.info.dim) {
        return cli_usage(&cli_embed_command,
                         "--dimensions is at most %" PRIu32
                         " with this model, not %" PRIu32,
                         run->jobs.info.dim, args->dimensions);
    }
    if (!args->tokens) {
        cli_note_pooling(&run->jobs.info);
    }
    rmr_embed_options_init(&run->options);
    run->options.dimensions = args->dimensions;
    run->options.prompt_name = args->prompt_name;
    run->options.windows = args->windows;
    run->options.stride = args->stride;
    if (args->prompt) {
        run->options.prompt.data = args->prompt;
        run->options.prompt.len = strlen(args->prompt);
    }
    if (args->no_normalize) {
        run->options.normalize = RMR_NORMALIZE_OFF;
    }
    rmr_embed_tokens_options_init(&run->tokens_options);
    run->tokens_options.normalize = args->normalize;
    run->tokens_options.prompt_name = run->options.prompt_name;
    run->tokens_options.prompt = run->options.prompt;
    return CLI_OK;
}

static rmr_status start(cli_jobs *jobs, const rmr_text *texts, size_t count,
                        rmr_job_done *done, rmr_job **out, rmr_error *err)
{
    const embed_run *run = (const embed_run *)jobs;

    if (run->args->tokens) {
        return rmr_embed_tokens_start(jobs->engine, jobs->model, texts, count,
                                      &run->tokens_options, done, NULL, out,
                                      err);
    }
    return rmr_embed_start(jobs->engine, jobs->model, texts, count,
                           &run->options, done, NULL, out, err);
}

static void write_vector(cli_output *output, const float *row, size_t dim)
{
    cli_output_string(output, "[");
    for (size_t i = 0; i < dim; i++) {
        if (i > 0) {
            cli_output_write(output, ",", 1);
        }
        cli_write_score(output, row[i]);
    }
    cli_output_string(output, "]");
}

static int write_row(cli_output *output, const float *row, size_t dim,
                     const rmr_text_result *result)
{
    cli_output_string(output, "{\"embedding\":");
    write_vector(output, row, dim);
    return cli_write_result(output, result);
}

/* The vectors of a text's tokens, and which tokens these are. */
static int write_tokens(cli_output *output, const rmr_job *job, size_t text,
                        const rmr_text_result *result)
{
    size_t count, dim;
    const float *rows = rmr_job_token_embeddings(job, text, &count, &dim);
    const rmr_token *tokens = rmr_job_tokens(job, text, &count);

    cli_output_string(output, "{\"embeddings\":[");
    for (size_t t = 0; t < count; t++) {
        cli_output_string(output, t > 0 ? "," : "");
        write_vector(output, rows + t * dim, dim);
    }
    cli_output_string(output, "],\"ids\":[");
    for (size_t t = 0; t < count; t++) {
        cli_output_string(output, t > 0 ? "," : "");
        cli_output_number(output, tokens[t].id);
    }
    cli_output_string(output, "],\"offsets\":[");
    for (size_t t = 0; t < count; t++) {
        cli_output_string(output, t > 0 ? ",[" : "[");
        cli_output_number(output, tokens[t].start);
        cli_output_string(output, ",");
        cli_output_number(output, tokens[t].end);
        cli_output_string(output, "]");
    }
    cli_output_string(output, "]");
    return cli_write_result(output, result);
}

static int write_rows(cli_jobs *jobs, const rmr_job *job,
                      const rmr_text_result *results, size_t count)
{
    const embed_run *run = (const embed_run *)jobs;
    size_t dim;
    const float *rows;

    for (size_t i = 0; i < count && run->args->tokens; i++) {
        if (write_tokens(&jobs->output, job, i, &results[i]) != CLI_OK) {
            return CLI_FAILED;
        }
    }
    if (run->args->tokens) {
        return CLI_OK;
    }
    rows = rmr_job_embeddings(job, &count, &dim);
    if (run->args->npy) {
        return cli_output_write(&jobs->output, rows,
                                count * dim * sizeof(*rows));
    }
    for (size_t i = 0; i < count; i++) {
        if (write_row(&jobs->output, rows + i * dim, dim, &results[i]) !=
            CLI_OK) {
            return CLI_FAILED;
        }
    }
    return CLI_OK;
}

static int write_npy_header(embed_run *run, int again)
{
    char header[CLI_NPY_HEADER];
    size_t dim =
        run->args->dimensions ? run->args->dimensions : run->jobs.info.dim;

    cli_npy_header(header, run->jobs.texts, dim);
    return again ? cli_output_rewrite(&run->jobs.output, header, sizeof(header))
                 : cli_output_write(&run->jobs.output, header, sizeof(header));
}

static int begin(cli_jobs *jobs)
{
    embed_run *run = (embed_run *)jobs;

    return run->args->npy ? write_npy_header(run, 0) : CLI_OK;
}

/* A file that nobody sees before it is whole needs no header when it never will
 * be; elsewhere the rows that are there are counted. */
static int end(cli_jobs *jobs, int code)
{
    embed_run *run = (embed_run *)jobs;

    return run->args->npy && (code == CLI_OK || !jobs->output.temporary)
               ? write_npy_header(run, 1)
               : CLI_OK;
}

static int open_files(embed_run *run)
{
    if (cli_jobs_open_files(&run->jobs, &run->args->jobs) != CLI_OK) {
        return CLI_FAILED;
    }
    if (run->args->npy && !cli_output_seekable(&run->jobs.output)) {
        return cli_usage(&cli_embed_command,
                         "--format npy begins with the number of texts and "
                         "%s cannot be rewound: name a file with --output",
                         run->jobs.output.name);
    }
    return CLI_OK;
}

static int embed_main(int argc, char **argv)
{
    static embed_run run = {
        .jobs = {
            .start = start, .write = write_rows, .begin = begin, .end = end}};
    embed_args args = {0};
    int code = parse(&args, argc, argv);

    if (code != CLI_CONTINUE) {
        return code;
    }
    run.args = &args;
    run.jobs.chunk_bytes = args.tokens ? TOKENS_CHUNK_BYTES : 0;
    code = open_files(&run);
    if (code == CLI_OK) {
        code = open_model(&run);
    }
    if (code == CLI_OK) {
        code = cli_jobs_run(&run.jobs, &args.jobs);
    }
    return cli_jobs_close(&run.jobs, code);
}
