/*
 * cli_tokenize.c - `remora tokenize`: what the model would see of each text
 * or pair, as JSON lines. It must never need more of the model than its
 * tokenizer.
 */
#include "cli.h"

#include <string.h>

static const char help[] =
    "usage: remora tokenize MODEL [options]\n"
    "\n"
    "Writes the tokens of every text, special tokens included: a line\n"
    "{\"ids\": [...], \"tokens\": [...], \"offsets\": [[start, end], ...],\n"
    "\"truncated\": false} for each. Offsets count bytes of the text, end\n"
    "excluded; a token that the model adds has [0, 0].\n"
    "\n"
    "  --input FILE      read the texts from FILE (default: standard input)\n"
    "  --jsonl FIELD     each line is a JSON object with the text in FIELD;\n"
    "                    blank lines are skipped\n"
    "  --pair FIELD      with --jsonl: the second text of a pair is in FIELD;\n"
    "                    \"type_ids\" and \"texts\" (0, 1 or null: of neither\n"
    "                    text) are written too\n"
    "  --max-tokens N    the limit (default: what the model takes; none where\n"
    "                    no file says that)\n"
    "  --no-truncate     all tokens, however many the model takes\n"
    "  --stride N        nothing is cut: a line for each window, which has N\n"
    "                    tokens of a text in common with the one before\n"
    "  --offsets UNIT    bytes or chars (code points; default: bytes)\n"
    "  --help            this text\n"
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
    cli_stream stream;
    rmr_tokenize_options options;
    int chars; /* offsets count code points */
    uint64_t texts;
    uint64_t truncated;
} tokenize_run;

static void write_numbers(cli_output *out, const char *name,
                          const rmr_token *tokens, size_t count, int types)
{
    cli_output_string(out, name);
    for (size_t i = 0; i < count; i++) {
        cli_output_string(out, i ? "," : "");
        cli_output_number(out, types ? tokens[i].type_id : tokens[i].id);
    }
}

static void write_strings(tokenize_run *run, const rmr_token *tokens,
                          size_t count)
{
    const rmr_model *model = run->stream.model;
    cli_output *out = &run->stream.output;

    cli_output_string(out, "],\"tokens\":[");
    for (size_t i = 0; i < count; i++) {
        cli_output_string(out, i ? "," : "");
        cli_output_json_string(out, rmr_token_string(model, tokens[i].id));
    }
}

static void write_texts(cli_output *out, const unsigned char *texts,
                        size_t count)
{
    static const char *const names[] = {"0", "1", "null"};

    cli_output_string(out, "],\"texts\":[");
    for (size_t i = 0; i < count; i++) {
        cli_output_string(out, i ? "," : "");
        cli_output_string(out, names[texts[i]]);
    }
}

static void write_offsets(cli_output *out, const rmr_token *tokens,
                          size_t count)
{
    cli_output_string(out, "],\"offsets\":[");
    for (size_t i = 0; i < count; i++) {
        cli_output_string(out, i ? ",[" : "[");
        cli_output_number(out, tokens[i].start);
        cli_output_string(out, ",");
        cli_output_number(out, tokens[i].end);
        cli_output_string(out, "]");
    }
}

/* A line for each window. */
static int write_tokens(tokenize_run *run)
{
    cli_output *out = &run->stream.output;
    const rmr_tokens *list = run->stream.tokens;
    size_t count;
    size_t num_windows;
    const rmr_token *tokens = rmr_tokens_data(list, &count);
    const rmr_window *windows = rmr_tokens_windows(list, &num_windows);
    const unsigned char *texts = rmr_tokens_texts(list);
    int truncated = rmr_tokens_truncated(list) && !run->options.windows;

    for (size_t i = 0; i < num_windows; i++) {
        const rmr_token *first = tokens + windows[i].start;

        count = windows[i].end - windows[i].start;
        write_numbers(out, "{\"ids\":[", first, count, 0);
        write_strings(run, first, count);
        if (run->stream.input.pair) {
            write_numbers(out, "],\"type_ids\":[", first, count, 1);
            write_texts(out, texts + windows[i].start, count);
        }
        write_offsets(out, first, count);
        cli_output_string(out, truncated ? "],\"truncated\":true}\n"
                                         : "],\"truncated\":false}\n");
    }
    run->texts++;
    run->truncated += truncated != 0;
    return cli_output_string(out, "");
}

static int tokenize_text(void *user, rmr_text text)
{
    tokenize_run *run = user;
    cli_stream *stream = &run->stream;
    const rmr_text *second = stream->input.pair ? &stream->input.second : NULL;
    rmr_error err;

    if (rmr_tokenize_pair(stream->model, text, second, &run->options,
                          stream->tokens, &err) != RMR_OK) {
        return cli_stream_failed(stream, err.message);
    }
    if (run->chars) {
        rmr_tokens_use_code_points(stream->tokens, text, second);
    }
    return write_tokens(run);
}

static int tokenize(tokenize_run *run, int whole)
{
    int code;

    if (!run->options.max_tokens && !whole) {
        run->options.max_tokens = run->stream.max_tokens;
    }
    code = cli_stream_run(&run->stream, tokenize_text, run);
    cli_note_truncated(run->truncated, run->texts, run->options.max_tokens);
    return code;
}

/* What the options say together. */
static int check_options(tokenize_run *run, const char *field, const char *pair,
                         const char *unit, int whole, uint32_t stride)
{
    const cli_command *command = &cli_tokenize_command;

    if (pair && !field) {
        return cli_usage(command, "--pair needs --jsonl");
    }
    if (whole && (run->options.max_tokens || stride != UINT32_MAX)) {
        return cli_usage(command, "--no-truncate goes with neither "
                                  "--max-tokens nor --stride");
    }
    if (unit && strcmp(unit, "bytes") != 0 && strcmp(unit, "chars") != 0) {
        return cli_usage(command, "--offsets is bytes or chars, not \"%s\"",
                         unit);
    }
    run->chars = unit && *unit == 'c';
    run->options.windows = stride != UINT32_MAX;
    run->options.stride = run->options.windows ? stride : 0;
    return CLI_OK;
}

static int tokenize_main(int argc, char **argv)
{
    static tokenize_run run;
    const char *model;
    const char *input = NULL;
    const char *field = NULL;
    const char *pair = NULL;
    const char *unit = NULL;
    uint32_t stride = UINT32_MAX;
    int whole = 0;
    const cli_option options[] = {
        {"--input", CLI_STRING, &input, 0, 0},
        {"--jsonl", CLI_STRING, &field, 0, 0},
        {"--pair", CLI_STRING, &pair, 0, 0},
        {"--max-tokens", CLI_NUMBER, &run.options.max_tokens, 1, 999999999},
        {"--no-truncate", CLI_FLAG, &whole, 0, 0},
        {"--stride", CLI_NUMBER, &stride, 0, 999999999},
        {"--offsets", CLI_STRING, &unit, 0, 0},
    };
    int code;

    rmr_tokenize_options_init(&run.options);
    code = cli_parse(&cli_tokenize_command, options,
                     sizeof(options) / sizeof(options[0]), argc, argv, &model);
    if (code != CLI_CONTINUE) {
        return code;
    }
    code = check_options(&run, field, pair, unit, whole, stride);
    if (code != CLI_OK) {
        return code;
    }
    code = cli_stream_open(&run.stream, model, input, field);
    run.stream.input.pair = pair;
    if (code == CLI_OK) {
        code = tokenize(&run, whole);
    }
    cli_stream_close(&run.stream);
    return code;
}
