/*
 * cli_sparse.c - `remora sparse`: a stream of texts in, weights of the
 * vocabulary's words for each out, in the same order. It must never print a
 * text.
 */
#include "cli.h"

static const char help[] =
    "usage: remora sparse MODEL [options]\n"
    "\n"
    "Writes a sparse vector of every text, as SPLADE models make them: a line\n"
    "{\"indices\": [...], \"values\": [...], \"tokens\": N, \"truncated\": "
    "false}\n"
    "for each text, with the ids of words, in rising order, and their "
    "weights,\n"
    "which are all above 0.\n"
    "\n"
    "  --top-k N         the heaviest N words (default: all)\n"
    "  --strings         with \"strings\", the words by name\n"
    "  --input FILE      read the texts from FILE (default: standard input)\n"
    "  --jsonl FIELD     each line is a JSON object with the text in FIELD;\n"
    "                    blank lines are skipped\n"
    "  --output FILE     write to FILE, which appears when it is whole\n"
    "                    (default: standard output, as results come)\n"
    "  --dtype DTYPE     arithmetic: f32 (default), bf16, int8, int4\n"
    "  --adapter DIR     merge the LoRA adapter in DIR, as PEFT writes it\n"
    "  --threads N       compute threads, 1 to 1024 (default: the CPUs that\n"
    "                    this process may use)\n"
    "  --help            this text\n"
    "\n"
    "MODEL is a masked language model. Lines are read as remora embed reads\n"
    "them. A text with more tokens than the model takes is cut at its end; "
    "how\n"
    "many were is said on standard error. FILE may be - for the standard "
    "one.\n";

static int sparse_main(int argc, char **argv);

const cli_command cli_sparse_command = {
    .name = "sparse",
    .summary = "sparse vectors of texts: words with weights (SPLADE)",
    .help = help,
    .run = sparse_main,
};

typedef struct sparse_run {
    cli_jobs jobs;
    rmr_embed_sparse_options options;
    int strings;
} sparse_run;

static int parse(sparse_run *run, cli_jobs_args *args, int argc, char **argv)
{
    const cli_option options[] = {
        CLI_JOBS_OPTIONS(*args),
        {"--top-k", CLI_NUMBER, &run->options.top_k, 1, 999999999},
        {"--strings", CLI_FLAG, &run->strings, 0, 0},
    };

    return cli_parse(&cli_sparse_command, options,
                     sizeof(options) / sizeof(options[0]), argc, argv,
                     &args->model);
}

static rmr_status start(cli_jobs *jobs, const rmr_text *texts, size_t count,
                        rmr_job_done *done, rmr_job **out, rmr_error *err)
{
    const sparse_run *run = (const sparse_run *)jobs;

    return rmr_embed_sparse_start(jobs->engine, jobs->model, texts, count,
                                  &run->options, done, NULL, out, err);
}

static void write_words(const sparse_run *run, cli_output *output,
                        const rmr_word *words, size_t count)
{
    cli_output_string(output, "{\"indices\":[");
    for (size_t i = 0; i < count; i++) {
        cli_output_string(output, i > 0 ? "," : "");
        cli_output_number(output, words[i].id);
    }
    cli_output_string(output, "],\"values\":[");
    for (size_t i = 0; i < count; i++) {
        cli_output_string(output, i > 0 ? "," : "");
        cli_write_score(output, words[i].score);
    }
    cli_output_string(output, run->strings ? "],\"strings\":[" : "");
    for (size_t i = 0; i < count && run->strings; i++) {
        cli_output_string(output, i > 0 ? "," : "");
        cli_output_json_string(output,
                               rmr_token_string(run->jobs.model, words[i].id));
    }
    cli_output_string(output, "]");
}

static int write_vectors(cli_jobs *jobs, const rmr_job *job,
                         const rmr_text_result *results, size_t count)
{
    int code = CLI_OK;

    for (size_t i = 0; i < count && code == CLI_OK; i++) {
        size_t num_words;
        const rmr_word *words = rmr_job_sparse(job, i, &num_words);

        write_words((const sparse_run *)jobs, &jobs->output, words, num_words);
        code = cli_write_result(&jobs->output, &results[i]);
    }
    return code;
}

static int sparse_main(int argc, char **argv)
{
    static sparse_run run = {.jobs = {.start = start, .write = write_vectors}};
    cli_jobs_args args = {0};
    rmr_model_options options;
    int code;

    rmr_embed_sparse_options_init(&run.options);
    code = parse(&run, &args, argc, argv);
    if (code != CLI_CONTINUE) {
        return code;
    }
    rmr_model_options_init(&options);
    options.task = RMR_TASK_EMBED_SPARSE;
    code = cli_jobs_open_files(&run.jobs, &args);
    if (code == CLI_OK) {
        code = cli_jobs_open(&run.jobs, &args, &options);
    }
    if (code == CLI_OK) {
        code = cli_jobs_run(&run.jobs, &args);
    }
    return cli_jobs_close(&run.jobs, code);
}
