/*
 * cli_chunk.c - `remora chunk`: texts in pieces that the model can take, as
 * JSON lines. It must never need more of the model than its tokenizer.
 */
#include "cli.h"

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
    "  --max-tokens N   of a chunk (default: what the model takes; needed\n"
    "                   where no file says that)\n"
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
    cli_stream stream;
    rmr_chunk_options options;
} chunk_run;

static int write_chunk(chunk_run *run, rmr_text text, const rmr_chunk *chunk)
{
    cli_output *out = &run->stream.output;

    cli_output_string(out, "{\"line\":");
    cli_output_number(out, run->stream.input.line);
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

static int chunk_text(void *user, rmr_text text)
{
    chunk_run *run = user;
    const rmr_chunk *chunks;
    size_t count;
    rmr_error err;

    if (rmr_chunk_text(run->stream.model, text, &run->options,
                       run->stream.tokens, &chunks, &count, &err) != RMR_OK) {
        return cli_stream_failed(&run->stream, err.message);
    }
    for (size_t i = 0; i < count; i++) {
        if (write_chunk(run, text, &chunks[i]) != CLI_OK) {
            return CLI_FAILED;
        }
    }
    return CLI_OK;
}

/* Whether there is a limit. Returns an exit code. */
static int check_limit(const chunk_run *run, const char *model)
{
    if (run->options.max_tokens || run->stream.max_tokens) {
        return CLI_OK;
    }
    return cli_failed("%s does not say how many tokens its model takes: give "
                      "--max-tokens",
                      model);
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
    code = cli_stream_open(&run.stream, model, input, field);
    if (code == CLI_OK) {
        code = check_limit(&run, model);
    }
    if (code == CLI_OK) {
        code = cli_stream_run(&run.stream, chunk_text, &run);
    }
    cli_stream_close(&run.stream);
    return code;
}
