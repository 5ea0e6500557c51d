/*
 * cli_fill_mask.c - `remora fill-mask`: a stream of texts in, words for the
 * masks in each out, in the same order. It must never print a text but where
 * that is asked for.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: remora fill-mask MODEL [options]\n"
    "\n"
    "Writes the likeliest words for the mask in every text, which is the\n"
    "tokenizer's mask token, such as [MASK]: a line {\"fills\": [{\"score\": "
    "0.9,\n"
    "\"token\": 2003, \"token_str\": \"is\"}, ...], \"tokens\": N, "
    "\"truncated\":\n"
    "false} for each text. Where a text has several masks, \"fills\" has such "
    "a\n"
    "list for each of them.\n"
    "\n"
    "  --top-k N         the best N words for a mask (default: 5)\n"
    "  --sequence        with each word \"sequence\", the text that has it, "
    "as\n"
    "                    the tokenizer decodes it; other masks stay\n"
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
    "Lines are read as remora embed reads them; one without a mask ends the\n"
    "command. A text with more tokens than the model takes is cut at its end;\n"
    "how many were is said on standard error. FILE may be - for the standard\n"
    "one.\n";

static int fill_mask_main(int argc, char **argv);

const cli_command cli_fill_mask_command = {
    .name = "fill-mask",
    .summary = "words for the masks in texts, by a masked language model",
    .help = help,
    .run = fill_mask_main,
};

typedef struct fill_mask_run {
    cli_jobs jobs;
    rmr_fill_mask_options options;
    int sequence;
    rmr_tokens *tokens; /* that text is decoded with */
    uint32_t *ids;      /* [max_tokens]: those of a text */
} fill_mask_run;

static int parse(fill_mask_run *run, cli_jobs_args *args, int argc, char **argv)
{
    const cli_option options[] = {
        CLI_JOBS_OPTIONS(*args),
        {"--top-k", CLI_NUMBER, &run->options.top_k, 1, 999999999},
        {"--sequence", CLI_FLAG, &run->sequence, 0, 0},
    };

    return cli_parse(&cli_fill_mask_command, options,
                     sizeof(options) / sizeof(options[0]), argc, argv,
                     &args->model);
}

static rmr_status start(cli_jobs *jobs, const rmr_text *texts, size_t count,
                        rmr_job_done *done, rmr_job **out, rmr_error *err)
{
    const fill_mask_run *run = (const fill_mask_run *)jobs;

    return rmr_fill_mask_start(jobs->engine, jobs->model, texts, count,
                               &run->options, done, NULL, out, err);
}

/* A member whose value is the text of some ids. */
static int write_text(fill_mask_run *run, const char *name, const uint32_t *ids,
                      size_t count, int skip_special)
{
    rmr_text text;
    rmr_error err;

    if (rmr_detokenize(run->jobs.model, ids, count, skip_special, run->tokens,
                       &text, &err) != RMR_OK) {
        return cli_failed("%s", err.message);
    }
    cli_output_string(&run->jobs.output, name);
    return cli_output_json_text(&run->jobs.output, text);
}

/* The words of one mask; the ids are the text's. */
static int write_mask(fill_mask_run *run, const rmr_mask *mask,
                      size_t num_tokens, int is_only)
{
    cli_output *output = &run->jobs.output;
    int code = cli_output_string(output, "[");

    for (size_t i = 0; i < mask->num_words && code == CLI_OK; i++) {
        const rmr_word *word = &mask->words[i];
        uint32_t masked = run->ids[mask->token];

        cli_output_string(output, i > 0 ? ",{\"score\":" : "{\"score\":");
        cli_write_score(output, word->score);
        cli_output_string(output, ",\"token\":");
        cli_output_number(output, word->id);
        code = write_text(run, ",\"token_str\":", &word->id, 1, 0);
        run->ids[mask->token] = word->id;
        if (code == CLI_OK && run->sequence) {
            code = write_text(run, ",\"sequence\":", run->ids, num_tokens,
                              is_only);
        }
        run->ids[mask->token] = masked;
        cli_output_string(output, "}");
    }
    cli_output_string(output, "]");
    return code;
}

static int write_fills(cli_jobs *jobs, const rmr_job *job,
                       const rmr_text_result *results, size_t count)
{
    fill_mask_run *run = (fill_mask_run *)jobs;
    int code = CLI_OK;

    for (size_t i = 0; i < count && code == CLI_OK; i++) {
        size_t num_masks, num_tokens;
        const rmr_mask *masks = rmr_job_masks(job, i, &num_masks);
        const rmr_token *tokens = rmr_job_tokens(job, i, &num_tokens);

        for (size_t t = 0; t < num_tokens; t++) {
            run->ids[t] = tokens[t].id;
        }
        cli_output_string(&jobs->output, "{\"fills\":");
        for (size_t m = 0; m < num_masks && code == CLI_OK; m++) {
            if (num_masks > 1) {
                cli_output_string(&jobs->output, m > 0 ? "," : "[");
            }
            code = write_mask(run, &masks[m], num_tokens, num_masks == 1);
        }
        cli_output_string(&jobs->output, num_masks > 1 ? "]" : "");
        if (code == CLI_OK) {
            code = cli_write_result(&jobs->output, &results[i]);
        }
    }
    return code;
}

/* What text is decoded with, once the model is known. */
static int prepare(fill_mask_run *run)
{
    rmr_error err;

    run->ids = calloc(run->jobs.info.max_tokens, sizeof(*run->ids));
    if (!run->ids) {
        return cli_failed("out of memory for the tokens");
    }
    return rmr_tokens_new(&run->tokens, &err) == RMR_OK
               ? CLI_OK
               : cli_failed("%s", err.message);
}

static int fill_mask_main(int argc, char **argv)
{
    static fill_mask_run run = {.jobs = {.start = start, .write = write_fills}};
    cli_jobs_args args = {0};
    rmr_model_options options;
    int code;

    rmr_fill_mask_options_init(&run.options);
    code = parse(&run, &args, argc, argv);
    if (code != CLI_CONTINUE) {
        return code;
    }
    rmr_model_options_init(&options);
    options.task = RMR_TASK_FILL_MASK;
    code = cli_jobs_open_files(&run.jobs, &args);
    if (code == CLI_OK) {
        code = cli_jobs_open(&run.jobs, &args, &options);
    }
    if (code == CLI_OK) {
        code = prepare(&run);
    }
    if (code == CLI_OK) {
        code = cli_jobs_run(&run.jobs, &args);
    }
    code = cli_jobs_close(&run.jobs, code);
    rmr_tokens_free(run.tokens);
    free(run.ids);
    return code;
}
