/*
 * cli_chunk.c - `remora chunk`: texts in pieces that the model can take, as
 * JSON lines. It must never compute with the model.
 */
#include "cli.h"

#include <inttypes.h>
#include <string.h>

static const char help[] =
    "usage: remora chunk MODEL [options]\n"
    "\n"
    "Cuts every text into chunks that the model takes whole: a line\n"
    "{\"line\": 1, \"start\": 0, \"end\": 57, \"tokens\": 12, \"text\": "
    "\"...\"}\n"
    "for each chunk, with the number of the text's line, the chunk's bytes in\n"
    "the text, end excluded, and its tokens, special ones included. White\n"
    "space between chunks is in none. `remora embed --jsonl text` reads this.\n"
    "\n"
    "  --input FILE     read the texts from FILE (default: standard input)\n"
    "  --jsonl FIELD    each line is a JSON object with the text in FIELD;\n"
    "                   blank lines are skipped\n"
    "  --max-tokens N   of a chunk (default: what the model takes)\n"
    "  --overlap N      tokens that a chunk repeats of the one before, at\n"
    "                   most (default: 0)\n"
    "  --boundary UNIT  sentence, word or token: what chunks end with\n"
    "                   (default: sentence); what is longer than a chunk is\n"
    "                   cut at the next finer one\n"
    "  --help           this text\n"
    "\n"
    "A sentence ends after . ! ? or an ellipsis before white space, after an\n"
    "ideographic full stop, and at a blank line; abbreviations are not\n"
    "guessed. Lines are read as `remora embed` does: a text with line breaks\n"
    "needs --jsonl.\n";

static int chunk_main(int argc, char **argv);

const cli_command cli_chunk_command = {
    .name = "chunk",
    .summary = "texts in pieces that the model takes whole",
    .help = help,
    .run = chunk_main,
};

typedef struct chunk_run {
    cli_input input;
    cli_output output;
    rmr_model *model;
    rmr_tokens *tokens;
    rmr_chunk_options options;
} chunk_run;

static int write_chunk(chunk_run *run, rmr_text text, const rmr_chunk *chunk)
{
    cli_output *out = &run->output;

    cli_output_string(out, "{\"line\":");
    cli_output_number(out, run->input.line);
    cli_output_string(out, ",\"start\":");
    cli_output_number(out, chunk->start);
    cli_output_string(out, ",\"end\":");
    cli_output_number(out, chunk->end);
    cli_output_string(out, ",\"tokens\":");
    cli_output_number(out, chunk->tokens);
    cli_output_string(out, ",\"text\":");
    cli_output_json_text(out, (rmr_text){.data = text.data + chunk->start,
                                         .len = chunk->end - chunk->start});
    return cli_output_string(out, "}\n");
}

static int chunk_text(chunk_run *run, rmr_text text)
{
    const rmr_chunk *chunks;
    size_t count;
    rmr_error err;

    if (rmr_chunk_text(run->model, text, &run->options, run->tokens, &chunks,
                       &count, &err) != RMR_OK) {
        return cli_failed("%s: line %" PRIu64 ": %s", run->input.name,
                          run->input.line, err.message);
    }
    for (size_t i = 0; i < count; i++) {
        if (write_chunk(run, text, &chunks[i]) != CLI_OK) {
            return CLI_FAILED;
        }
    }
    return CLI_OK;
}

static int stream(chunk_run *run)
{
    for (;;) {
        rmr_text text;
        cli_read got = cli_input_text(&run->input, 0, &text);

        if (got == CLI_READ_AGAIN) {
            if (cli_output_flush(&run->output) != CLI_OK) {
                return CLI_FAILED;
            }
            got = cli_input_text(&run->input, 1, &text);
        }
        if (got != CLI_READ_TEXT) {
            return got == CLI_READ_END ? CLI_OK : CLI_FAILED;
        }
        if (chunk_text(run, text) != CLI_OK) {
            return CLI_FAILED;
        }
    }
}

static int chunk(chunk_run *run, const char *path)
{
    rmr_error err;
    int code;

    if (rmr_model_open(&run->model, path, NULL, &err) != RMR_OK ||
        rmr_tokens_new(&run->tokens, &err) != RMR_OK) {
        return cli_failed("%s", err.message);
    }
    code = stream(run);
    if (cli_output_close(&run->output, 1) != CLI_OK) {
        code = CLI_FAILED;
    }
    return code;
}

/* Reads a --boundary. Returns an exit code. */
static int read_boundary(const char *name, rmr_boundary *boundary)
{
    static const char *const names[] = {
        [RMR_BOUNDARY_SENTENCE] = "sentence",
        [RMR_BOUNDARY_WORD] = "word",
        [RMR_BOUNDARY_TOKEN] = "token",
    };

    for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            *boundary = (rmr_boundary)i;
            return CLI_OK;
        }
    }
    return name ? cli_usage(&cli_chunk_command,
                            "--boundary is sentence, word or token, not "
                            "\"%s\"",
                            name)
                : CLI_OK;
}

static int chunk_main(int argc, char **argv)
{
    static chunk_run run;
    const char *model;
    const char *input = NULL;
    const char *field = NULL;
    const char *boundary = NULL;
    const cli_option options[] = {
        {"--input", CLI_STRING, &input, 0, 0},
        {"--jsonl", CLI_STRING, &field, 0, 0},
        {"--max-tokens", CLI_NUMBER, &run.options.max_tokens, 1, 999999999},
        {"--overlap", CLI_NUMBER, &run.options.overlap, 0, 999999999},
        {"--boundary", CLI_STRING, &boundary, 0, 0},
    };
    int code;

    rmr_chunk_options_init(&run.options);
    code = cli_parse(&cli_chunk_command, options,
                     sizeof(options) / sizeof(options[0]), argc, argv, &model);
    if (code != CLI_CONTINUE) {
        return code;
    }
    code = read_boundary(boundary, &run.options.boundary);
    if (code != CLI_OK) {
        return code;
    }
    code = cli_input_open(&run.input, input, field);
    if (code == CLI_OK) {
        code = cli_output_open(&run.output, NULL);
    }
    if (code == CLI_OK) {
        code = chunk(&run, model);
    }
    rmr_tokens_free(run.tokens);
    rmr_model_release(run.model);
    cli_input_close(&run.input);
    return code;
}
