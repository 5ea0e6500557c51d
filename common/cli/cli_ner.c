/*
 * cli_ner.c - `remora ner`: a stream of texts in, the stretches of each that a
 * token classifier labels out, in the same order. It must never print a text.
 */
#include "cli.h"

static const char help[] =
    "usage: remora ner MODEL [options]\n"
    "\n"
    "Writes the named entities of every text, or whatever else MODEL labels: "
    "a\n"
    "line {\"entities\": [{\"label\": \"PER\", \"score\": 0.99, \"start\": 0, "
    "\"end\":\n"
    "5}, ...], \"tokens\": N, \"truncated\": false} for each text, with the "
    "bytes\n"
    "[start, end) of the text.\n"
    "\n"
    "  --aggregation A   what makes one of several tokens: none, simple\n"
    "                    (default), first, average or max\n"
    "  --windows         a text that is too long is read whole, in windows\n"
    "  --stride N        tokens that a window has in common with the next\n"
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
    "Lines are read as remora embed reads them. Without --windows a text with\n"
    "more tokens than the model takes is cut at its end; how many were is "
    "said\n"
    "on standard error. FILE may be - for the standard one.\n";

static int ner_main(int argc, char **argv);

const cli_command cli_ner_command = {
    .name = "ner",
    .summary = "named entities in texts, with where they are",
    .help = help,
    .run = ner_main,
};

typedef struct ner_run {
    cli_jobs jobs;
    rmr_token_classify_options options;
} ner_run;

static int parse(ner_run *run, cli_jobs_args *args, int argc, char **argv)
{
    const char *aggregation = NULL;
    rmr_error err;
    const cli_option options[] = {
        CLI_JOBS_OPTIONS(*args),
        {"--aggregation", CLI_STRING, &aggregation, 0, 0},
        {"--windows", CLI_FLAG, &run->options.windows, 0, 0},
        {"--stride", CLI_NUMBER, &run->options.stride, 0, 999999999},
    };
    int code = cli_parse(&cli_ner_command, options,
                         sizeof(options) / sizeof(options[0]), argc, argv,
                         &args->model);

    if (code == CLI_CONTINUE && aggregation &&
        rmr_aggregation_parse(aggregation, &run->options.aggregation, &err) !=
            RMR_OK) {
        return cli_usage(&cli_ner_command, "--%s", err.message);
    }
    return code;
}

static rmr_status start(cli_jobs *jobs, const rmr_text *texts, size_t count,
                        rmr_job_done *done, rmr_job **out, rmr_error *err)
{
    const ner_run *run = (const ner_run *)jobs;

    return rmr_token_classify_start(jobs->engine, jobs->model, texts, count,
                                    &run->options, done, NULL, out, err);
}

static void write_entity(cli_output *output, const rmr_entity *entity)
{
    cli_output_string(output, "{\"label\":");
    cli_output_json_string(output, entity->name);
    cli_output_string(output, ",\"score\":");
    cli_write_score(output, entity->score);
    cli_output_string(output, ",\"start\":");
    cli_output_number(output, entity->start);
    cli_output_string(output, ",\"end\":");
    cli_output_number(output, entity->end);
    cli_output_string(output, "}");
}

static int write_entities(cli_jobs *jobs, const rmr_job *job,
                          const rmr_text_result *results, size_t count)
{
    int code = CLI_OK;

    for (size_t i = 0; i < count && code == CLI_OK; i++) {
        size_t num_entities;
        const rmr_entity *entities = rmr_job_entities(job, i, &num_entities);

        cli_output_string(&jobs->output, "{\"entities\":[");
        for (size_t e = 0; e < num_entities; e++) {
            cli_output_string(&jobs->output, e ? "," : "");
            write_entity(&jobs->output, &entities[e]);
        }
        cli_output_string(&jobs->output, "]");
        code = cli_write_result(&jobs->output, &results[i]);
    }
    return code;
}

static int ner_main(int argc, char **argv)
{
    static ner_run run = {.jobs = {.start = start, .write = write_entities}};
    cli_jobs_args args = {0};
    rmr_model_options options;
    int code;

    rmr_token_classify_options_init(&run.options);
    code = parse(&run, &args, argc, argv);
    if (code != CLI_CONTINUE) {
        return code;
    }
    rmr_model_options_init(&options);
    options.task = RMR_TASK_TOKEN_CLASSIFY;
    code = cli_jobs_open_files(&run.jobs, &args);
    if (code == CLI_OK) {
        code = cli_jobs_open(&run.jobs, &args, &options);
    }
    if (code == CLI_OK) {
        code = cli_jobs_run(&run.jobs, &args);
    }
    return cli_jobs_close(&run.jobs, code);
}
