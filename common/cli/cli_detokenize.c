/*
 * cli_detokenize.c - `remora detokenize`: the text of token ids, as JSON
 * lines. It must never need more of the model than its tokenizer, nor take a
 * line for ids that is not all of ids.
 */
#include "cli.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: remora detokenize MODEL [options]\n"
    "\n"
    "Writes the text that the token ids on each line make up: a line\n"
    "{\"text\": \"...\"} for each. A line of ids is numbers with white space\n"
    "between them, a JSON array of numbers, or a JSON object with such an\n"
    "array as \"ids\", as `remora tokenize` writes. Ids that no token has are\n"
    "left out.\n"
    "\n"
    "  --input FILE    read the ids from FILE (default: standard input)\n"
    "  --skip-special  without special tokens\n"
    "  --help          this text\n";

static int detokenize_main(int argc, char **argv);

const cli_command cli_detokenize_command = {
    .name = "detokenize",
    .summary = "the texts of token ids",
    .help = help,
    .run = detokenize_main,
};

typedef struct detokenize_run {
    cli_stream stream;
    int skip_special;
    uint32_t *ids; /* [count] of the line */
    size_t count;
    size_t cap;
} detokenize_run;

static int add_id(detokenize_run *run, uint32_t id)
{
    if (run->count == run->cap) {
        size_t cap = run->cap ? run->cap * 2 : 256;
        uint32_t *ids = realloc(run->ids, cap * sizeof(*ids));

        if (!ids) {
            return cli_failed("out of memory for the ids");
        }
        run->ids = ids;
        run->cap = cap;
    }
    run->ids[run->count++] = id;
    return CLI_OK;
}

static int read_array(detokenize_run *run, const json_t *array)
{
    size_t i;
    const json_t *value;

    if (!json_is_array(array)) {
        return cli_stream_failed(
            &run->stream, "neither an array of ids nor an object with one "
                          "as \"ids\"");
    }
    json_array_foreach(array, i, value)
    {
        json_int_t id = json_integer_value(value);

        if (!json_is_integer(value) || id < 0 || id > UINT32_MAX) {
            return cli_stream_failed(&run->stream,
                                     "an id is no whole number from 0 to "
                                     "4294967295");
        }
        if (add_id(run, (uint32_t)id) != CLI_OK) {
            return CLI_FAILED;
        }
    }
    return CLI_OK;
}

static int read_json(detokenize_run *run, rmr_text line)
{
    json_error_t error;
    json_t *root = json_loadb(line.data, line.len, JSON_ALLOW_NUL, &error);
    int code;

    if (!root) {
        return cli_failed("%s: line %" PRIu64 ", byte %d: not valid JSON",
                          run->stream.input.name, run->stream.input.line,
                          error.position);
    }
    code = read_array(run, json_is_object(root) ? json_object_get(root, "ids")
                                                : root);
    json_decref(root);
    return code;
}

static int read_numbers(detokenize_run *run, rmr_text line)
{
    size_t at = 0;

    for (;;) {
        uint64_t id = 0;
        size_t digits = 0;

        while (at < line.len && strchr(" \t\r", line.data[at]) &&
               line.data[at]) {
            at++;
        }
        if (at == line.len) {
            return CLI_OK;
        }
        for (; at < line.len && line.data[at] >= '0' && line.data[at] <= '9' &&
               id <= UINT32_MAX;
             at++, digits++) {
            id = id * 10 + (uint64_t)(line.data[at] - '0');
        }
        if (digits == 0 || id > UINT32_MAX ||
            (at < line.len && !memchr(" \t\r", line.data[at], 3))) {
            return cli_stream_failed(&run->stream,
                                     "an id is no whole number from 0 to "
                                     "4294967295");
        }
        if (add_id(run, (uint32_t)id) != CLI_OK) {
            return CLI_FAILED;
        }
    }
}

static int detokenize_line(void *user, rmr_text line)
{
    detokenize_run *run = user;
    cli_stream *stream = &run->stream;
    rmr_error err;
    rmr_text text;
    size_t blank = 0;
    int code;

    while (blank < line.len && memchr(" \t", line.data[blank], 2)) {
        blank++;
    }
    run->count = 0;
    code = blank < line.len && memchr("[{", line.data[blank], 2)
               ? read_json(run, line)
               : read_numbers(run, line);
    if (code != CLI_OK) {
        return code;
    }
    if (rmr_detokenize(stream->model, run->ids, run->count, run->skip_special,
                       stream->tokens, &text, &err) != RMR_OK) {
        return cli_stream_failed(stream, err.message);
    }
    cli_output_string(&stream->output, "{\"text\":");
    cli_output_json_text(&stream->output, text);
    return cli_output_string(&stream->output, "}\n");
}

static int detokenize_main(int argc, char **argv)
{
    static detokenize_run run;
    const char *model;
    const char *input = NULL;
    const cli_option options[] = {
        {"--input", CLI_STRING, &input, 0, 0},
        {"--skip-special", CLI_FLAG, &run.skip_special, 0, 0},
    };
    int code =
        cli_parse(&cli_detokenize_command, options,
                  sizeof(options) / sizeof(options[0]), argc, argv, &model);

    if (code != CLI_CONTINUE) {
        return code;
    }
    code = cli_stream_open(&run.stream, model, input, NULL);
    if (code == CLI_OK) {
        code = cli_stream_run(&run.stream, detokenize_line, &run);
    }
    cli_stream_close(&run.stream);
    free(run.ids);
    return code;
}
