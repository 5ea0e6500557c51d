/*
 * cli_zero_shot.c - `remora zero-shot`: a stream of texts in, scores of labels
 * that the model was never trained for out, in the same order. It must never
 * print a text.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: remora zero-shot MODEL --labels A,B,C [options]\n"
    "\n"
    "Writes the labels for every text, the best first, with their scores: a\n"
    "line {\"labels\": [...], \"scores\": [...], \"choice\": \"A\", "
    "\"tokens\": N,\n"
    "\"truncated\": false} for each text. MODEL was trained for entailment\n"
    "(NLI): each label makes a hypothesis. Or it embeds: a text and a label's\n"
    "name are compared.\n"
    "\n"
    "  --labels A,B,C    the labels; spaces around them are left out\n"
    "  --template T      makes the hypothesis of a label, in place of {}\n"
    "                    (default: \"This example is {}.\"); not where MODEL\n"
    "                    embeds\n"
    "  --multi-label     each label by itself, not one of all\n"
    "  --top-k N         the best N labels (default: all)\n"
    "  --threshold X     the choice is the best label only where its score is\n"
    "                    at least X, from 0 to 1,\n"
    "  --margin X        and leads the second's by at least X;\n"
    "  --default LABEL   else it is LABEL (default: null)\n"
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
    "Lines are read as remora embed reads them. A text with more tokens than\n"
    "the model takes is cut at its end; how many were is said on standard\n"
    "error. FILE may be - for the standard one.\n";

static int zero_shot_main(int argc, char **argv);

const cli_command cli_zero_shot_command = {
    .name = "zero-shot",
    .summary = "scores of any labels, by entailment or by embedding",
    .help = help,
    .run = zero_shot_main,
};

typedef struct zero_shot_run {
    cli_jobs jobs;
    rmr_zero_shot *zero_shot;
    rmr_zero_shot_options options;
    const char *labels;
    const char *hypothesis;
    char *names; /* the labels, cut apart */
    rmr_candidate *candidates;
    size_t count;
} zero_shot_run;

static int parse(zero_shot_run *run, cli_jobs_args *args, int argc, char **argv)
{
    const cli_option options[] = {
        CLI_JOBS_OPTIONS(*args),
        {"--labels", CLI_STRING, &run->labels, 0, 0},
        {"--template", CLI_STRING, &run->hypothesis, 0, 0},
        {"--multi-label", CLI_FLAG, &run->options.multi_label, 0, 0},
        {"--top-k", CLI_NUMBER, &run->options.top_k, 1, 999999999},
        {"--threshold", CLI_FRACTION, &run->options.threshold, 0, 0},
        {"--margin", CLI_FRACTION, &run->options.margin, 0, 0},
        {"--default", CLI_STRING, &run->options.default_label, 0, 0},
    };
    int code = cli_parse(&cli_zero_shot_command, options,
                         sizeof(options) / sizeof(options[0]), argc, argv,
                         &args->model);

    if (code == CLI_CONTINUE && !run->labels) {
        return cli_usage(&cli_zero_shot_command,
                         "--labels is missing: the labels to tell apart");
    }
    if (run->hypothesis) {
        run->options.hypothesis_template = run->hypothesis;
    }
    return code;
}

/* Cuts the labels apart. */
static int read_labels(zero_shot_run *run)
{
    size_t most = 1;
    char *at;

    for (const char *c = run->labels; *c; c++) {
        most += *c == ',';
    }
    at = run->names = strdup(run->labels);
    run->candidates = calloc(most, sizeof(*run->candidates));
    if (!run->names || !run->candidates) {
        return cli_failed("out of memory for the labels");
    }
    while (at) {
        char *name = at + strspn(at, " ");
        char *comma = strchr(name, ',');
        size_t len = comma ? (size_t)(comma - name) : strlen(name);

        while (len > 0 && name[len - 1] == ' ') {
            len--;
        }
        at = comma ? comma + 1 : NULL;
        name[len] = '\0';
        run->candidates[run->count++].name = name;
    }
    return CLI_OK;
}

static int open_model(zero_shot_run *run, const cli_jobs_args *args)
{
    rmr_model_options options;
    rmr_error err;

    rmr_model_options_init(&options);
    if (rmr_model_find_task(args->model, &options.task, &err) != RMR_OK) {
        return cli_failed("%s", err.message);
    }
    if (cli_jobs_open(&run->jobs, args, &options) != CLI_OK) {
        return CLI_FAILED;
    }
    if (run->hypothesis && options.task == RMR_TASK_EMBED) {
        return cli_usage(&cli_zero_shot_command,
                         "--template makes hypotheses, and %s embeds",
                         args->model);
    }
    if (rmr_zero_shot_new(&run->zero_shot, run->jobs.model, run->candidates,
                          run->count, &run->options, &err) != RMR_OK) {
        return cli_failed("%s", err.message);
    }
    return CLI_OK;
}

static rmr_status start(cli_jobs *jobs, const rmr_text *texts, size_t count,
                        rmr_job_done *done, rmr_job **out, rmr_error *err)
{
    const zero_shot_run *run = (const zero_shot_run *)jobs;

    return rmr_zero_shot_start(jobs->engine, run->zero_shot, texts, count,
                               RMR_TRUNCATE_END, 0, done, NULL, out, err);
}

static int write_labels(cli_jobs *jobs, const rmr_job *job,
                        const rmr_text_result *results, size_t count)
{
    int code = CLI_OK;

    for (size_t i = 0; i < count && code == CLI_OK; i++) {
        size_t num_labels;
        const rmr_label_score *labels = rmr_job_labels(job, i, &num_labels);

        cli_write_labels(&jobs->output, labels, num_labels);
        cli_output_string(&jobs->output, ",\"choice\":");
        cli_output_json_string(&jobs->output, rmr_job_choice(job, i));
        code = cli_write_result(&jobs->output, &results[i]);
    }
    return code;
}

static int zero_shot_main(int argc, char **argv)
{
    static zero_shot_run run = {
        .jobs = {.start = start, .write = write_labels}};
    cli_jobs_args args = {0};
    int code;

    rmr_zero_shot_options_init(&run.options);
    code = parse(&run, &args, argc, argv);
    if (code != CLI_CONTINUE) {
        return code;
    }
    code = cli_jobs_open_files(&run.jobs, &args);
    if (code == CLI_OK) {
        code = read_labels(&run);
    }
    if (code == CLI_OK) {
        code = open_model(&run, &args);
    }
    if (code == CLI_OK) {
        code = cli_jobs_run(&run.jobs, &args);
    }
    code = cli_jobs_close(&run.jobs, code);
    rmr_zero_shot_release(run.zero_shot);
    free(run.candidates);
    free(run.names);
    return code;
}
