/*
 * cli_tokenize.c - `remora tokenize`: what the model would see of each text,
 * as JSON lines. It must never compute with the model.
 */
#include "cli.h"

#include <inttypes.h>
#include <poll.h>

static const char help[] =
    "usage: remora tokenize MODEL [options]\n"
    "\n"
    "Writes the tokens of every text, special tokens included: a line\n"
    "{\"ids\": [...], \"tokens\": [...], \"offsets\": [[start, end], ...],\n"
    "\"truncated\": false} for each. Offsets count bytes of the text, end\n"
    "excluded; a token that the model adds has [0, 0].\n"
    "\n"
    "  --input FILE    read the texts from FILE (default: standard input)\n"
    "  --jsonl FIELD   each line is a JSON object with the text in FIELD;\n"
    "                  blank lines are skipped\n"
    "  --no-truncate   all tokens, however many the model takes\n"
    "  --help          this text\n"
    "\n"
    "Lines are read as `remora embed` does. Offsets into a text that came in\n"
    "JSON count the bytes of its UTF-8, not of its escapes.\n";

static int tokenize_main(int argc, char **argv);

const cli_command cli_tokenize_command = {
    .name = "tokenize",
    .summary = "the token ids, tokens and byte offsets of texts",
    .help = help,
    .run = tokenize_main,
};

typedef struct tokenize_run {
    cli_input input;
    cli_output output;
    rmr_model *model;
    rmr_tokens *tokens;
    uint32_t limit; /* tokens; 0: none */
    uint64_t texts;
    uint64_t truncated;
} tokenize_run;

static int write_tokens(tokenize_run *run)
{
    cli_output *out = &run->output;
    size_t count;
    const rmr_token *tokens = rmr_tokens_data(run->tokens, &count);
    int truncated = rmr_tokens_truncated(run->tokens);

    cli_output_string(out, "{\"ids\":[");
    for (size_t i = 0; i < count; i++) {
        cli_output_string(out, i ? "," : "");
        cli_output_number(out, tokens[i].id);
    }
    cli_output_string(out, "],\"tokens\":[");
    for (size_t i = 0; i < count; i++) {
        cli_output_string(out, i ? "," : "");
        cli_output_json_string(out, rmr_token_string(run->model, tokens[i].id));
    }
    cli_output_string(out, "],\"offsets\":[");
    for (size_t i = 0; i < count; i++) {
        cli_output_string(out, i ? ",[" : "[");
        cli_output_number(out, tokens[i].start);
        cli_output_string(out, ",");
        cli_output_number(out, tokens[i].end);
        cli_output_string(out, "]");
    }
    run->texts++;
    run->truncated += truncated != 0;
    return cli_output_string(out, truncated ? "],\"truncated\":true}\n"
                                            : "],\"truncated\":false}\n");
}

static int stream(tokenize_run *run)
{
    rmr_error err;

    for (;;) {
        rmr_text text;
        cli_read got = cli_input_text(&run->input, 0, &text);

        if (got == CLI_READ_AGAIN) {
            /* Nothing to do but wait: whoever reads may want what is there. */
            if (cli_output_flush(&run->output) != CLI_OK) {
                return CLI_FAILED;
            }
            got = cli_input_text(&run->input, 1, &text);
        }
        if (got != CLI_READ_TEXT) {
            return got == CLI_READ_END ? CLI_OK : CLI_FAILED;
        }
        if (rmr_tokenize(run->model, text, run->limit, RMR_TRUNCATE_END,
                         run->tokens, &err) != RMR_OK) {
            return cli_failed("%s: line %" PRIu64 ": %s", run->input.name,
                              run->input.line, err.message);
        }
        if (write_tokens(run) != CLI_OK) {
            return CLI_FAILED;
        }
    }
}

static int tokenize(tokenize_run *run, const char *path, int whole)
{
    rmr_model_info info = {.size = sizeof(info)};
    rmr_error err;
    int code;

    if (rmr_model_open(&run->model, path, NULL, &err) != RMR_OK ||
        rmr_tokens_new(&run->tokens, &err) != RMR_OK) {
        return cli_failed("%s", err.message);
    }
    rmr_model_get_info(run->model, &info);
    run->limit = whole ? 0 : info.max_tokens;
    code = stream(run);
    if (cli_output_close(&run->output, 1) != CLI_OK) {
        code = CLI_FAILED;
    }
    cli_note_truncated(run->truncated, run->texts, info.max_tokens);
    return code;
}

static int tokenize_main(int argc, char **argv)
{
    static tokenize_run run;
    const char *model;
    const char *input = NULL;
    const char *field = NULL;
    int whole = 0;
    const cli_option options[] = {
        {"--input", CLI_STRING, &input, 0, 0},
        {"--jsonl", CLI_STRING, &field, 0, 0},
        {"--no-truncate", CLI_FLAG, &whole, 0, 0},
    };
    int code =
        cli_parse(&cli_tokenize_command, options,
                  sizeof(options) / sizeof(options[0]), argc, argv, &model);

    if (code != CLI_CONTINUE) {
        return code;
    }
    code = cli_input_open(&run.input, input, field);
    if (code == CLI_OK) {
        code = cli_output_open(&run.output, NULL);
    }
    if (code == CLI_OK) {
        code = tokenize(&run, model, whole);
    }
    rmr_tokens_free(run.tokens);
    rmr_model_release(run.model);
    cli_input_close(&run.input);
    return code;
}
