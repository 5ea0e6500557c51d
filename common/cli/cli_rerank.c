/*
 * cli_rerank.c - `remora rerank`: documents in, one a line, and out the numbers
 * of those that answer a query best. It must never print a text.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: remora rerank MODEL --query Q [options]\n"
    "\n"
    "Reads documents and writes them in the order in which they answer the\n"
    "query Q: a line {\"index\": I, \"score\": S} for each, where the first\n"
    "document's index is 0. MODEL is a cross-encoder, or a decoder that is "
    "asked\n"
    "as Qwen3-Reranker is.\n"
    "\n"
    "  --query Q         what the documents are to answer\n"
    "  --instruction I   what a decoder is told to look for, in place of what "
    "the\n"
    "                    model says or \"Given a web search query, ...\"\n"
    "  --top-n N         the best N documents (default: all)\n"
    "  --raw             logits instead of what the model makes of them\n"
    "  --windows         a document that is too long is read whole, in "
    "windows:\n"
    "                    the best score among them\n"
    "  --stride N        tokens that a window has in common with the next\n"
    "  --input FILE      read the documents from FILE (default: standard "
    "input)\n"
    "  --jsonl FIELD     each line is a JSON object with the text in FIELD;\n"
    "                    blank lines are skipped\n"
    "  --output FILE     write to FILE, which appears when it is whole\n"
    "                    (default: standard output)\n"
    "  --dtype DTYPE     arithmetic: f32 (default), bf16, int8, int4\n"
    "  --adapter DIR     merge the LoRA adapter in DIR, as PEFT writes it\n"
    "  --threads N       compute threads, 1 to 1024 (default: the CPUs that\n"
    "                    this process may use)\n"
    "  --help            this text\n"
    "\n"
    "Lines are read as remora embed reads them. Without --windows a query and "
    "a\n"
    "document with more tokens than the model takes are cut, the longer one\n"
    "first or, where a decoder is asked, at the document's end; how many were "
    "is\n"
    "said on standard error.\n"
    "FILE may be - for the standard one.\n";

static int rerank_main(int argc, char **argv);

const cli_command cli_rerank_command = {
    .name = "rerank",
    .summary = "documents in the order in which they answer a query",
    .help = help,
    .run = rerank_main,
};

typedef struct rerank_run {
    cli_jobs jobs;
    rmr_rerank_options options;
    const char *query;
    const char *instruction;
    uint32_t top_n;
    rmr_ranked *ranking; /* of all documents so far */
    size_t count;
    size_t cap;
} rerank_run;

static int parse(rerank_run *run, cli_jobs_args *args, int argc, char **argv)
{
    const cli_option options[] = {
        CLI_JOBS_OPTIONS(*args),
        {"--query", CLI_TEXT, &run->query, 0, 0},
        {"--instruction", CLI_TEXT, &run->instruction, 0, 0},
        {"--top-n", CLI_NUMBER, &run->top_n, 1, 999999999},
        {"--raw", CLI_FLAG, &run->options.raw, 0, 0},
        {"--windows", CLI_FLAG, &run->options.windows, 0, 0},
        {"--stride", CLI_NUMBER, &run->options.stride, 0, 999999999},
    };
    int code = cli_parse(&cli_rerank_command, options,
                         sizeof(options) / sizeof(options[0]), argc, argv,
                         &args->model);

    if (code == CLI_CONTINUE && !run->query) {
        return cli_usage(&cli_rerank_command,
                         "--query is missing: what the documents answer");
    }
    if (code == CLI_CONTINUE && run->instruction) {
        run->options.instruction.data = run->instruction;
        run->options.instruction.len = strlen(run->instruction);
    }
    return code;
}

static rmr_status start(cli_jobs *jobs, const rmr_text *texts, size_t count,
                        rmr_job_done *done, rmr_job **out, rmr_error *err)
{
    const rerank_run *run = (const rerank_run *)jobs;
    rmr_text query = {run->query, strlen(run->query)};

    return rmr_rerank_start(jobs->engine, jobs->model, query, texts, count,
                            &run->options, done, NULL, out, err);
}

/* Keeps the scores of a job, whose documents come behind those before. */
static int keep_scores(cli_jobs *jobs, const rmr_job *job,
                       const rmr_text_result *results, size_t count)
{
    rerank_run *run = (rerank_run *)jobs;
    const rmr_ranked *ranking = rmr_job_ranking(job, &count);

    (void)results;
    if (run->count + count > run->cap) {
        size_t cap = 2 * run->cap + count;
        rmr_ranked *grown = realloc(run->ranking, cap * sizeof(*grown));

        if (!grown) {
            return cli_failed("out of memory for the scores");
        }
        run->ranking = grown;
        run->cap = cap;
    }
    for (size_t i = 0; i < count; i++) {
        run->ranking[run->count + i].index = run->count + ranking[i].index;
        run->ranking[run->count + i].score = ranking[i].score;
    }
    run->count += count;
    return CLI_OK;
}

/* Best first, of equal scores the one that came first. */
static int compare(const void *a, const void *b)
{
    const rmr_ranked *x = a;
    const rmr_ranked *y = b;

    if (x->score != y->score) {
        return x->score > y->score ? -1 : 1;
    }
    return x->index < y->index ? -1 : 1;
}

static int write_ranking(cli_jobs *jobs, int code)
{
    rerank_run *run = (rerank_run *)jobs;
    size_t count = run->count;

    if (code != CLI_OK || count == 0) {
        return code;
    }
    qsort(run->ranking, count, sizeof(*run->ranking), compare);
    if (run->top_n > 0 && run->top_n < count) {
        count = run->top_n;
    }
    for (size_t i = 0; i < count; i++) {
        cli_output_string(&jobs->output, "{\"index\":");
        cli_output_number(&jobs->output, run->ranking[i].index);
        cli_output_string(&jobs->output, ",\"score\":");
        cli_write_score(&jobs->output, run->ranking[i].score);
        code = cli_output_string(&jobs->output, "}\n");
    }
    return code;
}

static int rerank_main(int argc, char **argv)
{
    static rerank_run run = {
        .jobs = {.start = start, .write = keep_scores, .end = write_ranking}};
    cli_jobs_args args = {0};
    rmr_model_options options;
    int code;

    rmr_rerank_options_init(&run.options);
    code = parse(&run, &args, argc, argv);
    if (code != CLI_CONTINUE) {
        return code;
    }
    rmr_model_options_init(&options);
    options.task = RMR_TASK_CLASSIFY;
    code = cli_jobs_open_files(&run.jobs, &args);
    if (code == CLI_OK) {
        code = cli_jobs_open(&run.jobs, &args, &options);
    }
    if (code == CLI_OK) {
        code = cli_jobs_run(&run.jobs, &args);
    }
    code = cli_jobs_close(&run.jobs, code);
    free(run.ranking);
    return code;
}
