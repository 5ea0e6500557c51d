/*
 * cli_classify.c - `remora classify`: a stream of texts in, the labels of each
 * with their scores out, in the same order. It must never print a text.
 */
#include "cli.h"

#include <string.h>

static const char help[] =
    "usage: remora classify MODEL [options]\n"
    "\n"
    "Writes the labels of every text, the best first, with their scores: a\n"
    "line {\"labels\": [...], \"scores\": [...], \"tokens\": N, "
    "\"truncated\":\n"
    "false} for each text.\n"
    "\n"
    "  --input FILE      read the texts from FILE (default: standard input)\n"
    "  --jsonl FIELD     each line is a JSON object with the text in FIELD;\n"
    "                    blank lines are skipped\n"
    "  --output FILE     write to FILE, which appears when it is whole\n"
    "                    (default: standard output, as results come)\n"
    "  --dtype DTYPE     arithmetic: f32 (default), bf16, int8, int4\n"
    "  --adapter DIR     merge the LoRA adapter in DIR, as PEFT writes it\n"
    "  --threads N       compute threads, 1 to 1024 (default: the CPUs that\n"
    "                    this process may use)\n"
    "  --top-k N         the best N labels (default: all)\n"
    "  --function F      what makes scores: softmax, sigmoid or none "
    "(default:\n"
    "                    what the model was trained with)\n"
    "  --windows         a text that is too long is read whole, in windows: "
    "a\n"
    "                    label's best score among them\n"
    "  --stride N        tokens that a window has in common with the next\n"
    "  --help            this text\n"
    "\n"
    "Lines are read as remora embed reads them. Without --windows a text with\n"
    "more tokens than the model takes is cut at its end; how many were is "
    "said\n"
    "on standard error. FILE may be - for the standard one.\n";

static int classify_main(int argc, char **argv);

const cli_command cli_classify_command = {
    .name = "classify",
    .summary = "the labels of texts, by a model that was trained for them",
    .help = help,
    .run = classify_main,
};

typedef struct classify_run {
    cli_jobs jobs;
    rmr_classify_options options;
} classify_run;

static int parse(classify_run *run, cli_jobs_args *args, int argc, char **argv)
{
    static const char *const functions[] = {"softmax", "sigmoid", "none"};
    const char *function = NULL;
    const cli_option options[] = {
        CLI_JOBS_OPTIONS(*args),
        {"--top-k", CLI_NUMBER, &run->options.top_k, 1, 999999999},
        {"--function", CLI_STRING, &function, 0, 0},
        {"--windows", CLI_FLAG, &run->options.windows, 0, 0},
        {"--stride", CLI_NUMBER, &run->options.stride, 0, 999999999},
    };
    int code = cli_parse(&cli_classify_command, options,
                         sizeof(options) / sizeof(options[0]), argc, argv,
                         &args->model);

    if (code != CLI_CONTINUE || !function) {
        return code;
    }
    for (int i = 0; i < 3; i++) {
        if (strcmp(function, functions[i]) == 0) {
            run->options.function = (rmr_score_function)(i + 1);
            return CLI_CONTINUE;
        }
    }
    return cli_usage(&cli_classify_command,
                     "--function is softmax, sigmoid or none, not \"%s\"",
                     function);
}

static rmr_status start(cli_jobs *jobs, const rmr_text *texts, size_t count,
                        rmr_job_done *done, rmr_job **out, rmr_error *err)
{
    const classify_run *run = (const classify_run *)jobs;

    return rmr_classify_start(jobs->engine, jobs->model, texts, count,
                              &run->options, done, NULL, out, err);
}

static int write_labels(cli_jobs *jobs, const rmr_job *job,
                        const rmr_text_result *results, size_t count)
{
    int code = CLI_OK;

    for (size_t i = 0; i < count && code == CLI_OK; i++) {
        size_t num_labels;
        const rmr_label_score *labels = rmr_job_labels(job, i, &num_labels);

        cli_write_labels(&jobs->output, labels, num_labels);
        code = cli_write_result(&jobs->output, &results[i]);
    }
    return code;
}

static int classify_main(int argc, char **argv)
{
    static classify_run run = {.jobs = {.start = start, .write = write_labels}};
    cli_jobs_args args = {0};
    rmr_model_options options;
    int code;

    rmr_classify_options_init(&run.options);
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
    return cli_jobs_close(&run.jobs, code);
}
