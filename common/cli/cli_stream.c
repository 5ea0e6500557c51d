/*
 * cli_stream.c - what the commands share that need a tokenizer and no more:
 * texts in, lines out, a text at a time. It must never open a model's weights,
 * nor keep what is written to itself while it waits for input.
 */
#include "cli.h"

#include <inttypes.h>

static int open_tokenizer(cli_stream *stream, const char *path)
{
    rmr_model_options options;
    rmr_model_info info = {.size = sizeof(info)};
    rmr_error err;

    rmr_model_options_init(&options);
    options.tokenizer_only = 1;
    if (rmr_model_open(&stream->model, path, &options, &err) != RMR_OK ||
        rmr_tokens_new(&stream->tokens, &err) != RMR_OK) {
        return cli_failed("%s", err.message);
    }
    rmr_model_get_info(stream->model, &info);
    stream->max_tokens = info.max_tokens;
    return CLI_OK;
}

int cli_stream_open(cli_stream *stream, const char *model, const char *input,
                    const char *field)
{
    int code = cli_input_open(&stream->input, input, field);

    if (code == CLI_OK) {
        code = cli_output_open(&stream->output, NULL);
    }
    if (code == CLI_OK) {
        code = open_tokenizer(stream, model);
    }
    return code;
}

static int run(cli_stream *stream, cli_stream_text *take, void *user)
{
    for (;;) {
        rmr_text text;
        cli_read got = cli_input_text(&stream->input, 0, &text);

        if (got == CLI_READ_AGAIN) {
            /* Nothing to do but wait: whoever reads may want what is there. */
            if (cli_output_flush(&stream->output) != CLI_OK) {
                return CLI_FAILED;
            }
            got = cli_input_text(&stream->input, 1, &text);
        }
        if (got != CLI_READ_TEXT) {
            return got == CLI_READ_END ? CLI_OK : CLI_FAILED;
        }
        if (take(user, text) != CLI_OK) {
            return CLI_FAILED;
        }
    }
}

int cli_stream_run(cli_stream *stream, cli_stream_text *take, void *user)
{
    int code = run(stream, take, user);

    if (cli_output_close(&stream->output, 1) != CLI_OK) {
        code = CLI_FAILED;
    }
    return code;
}

int cli_stream_failed(const cli_stream *stream, const char *reason)
{
    return cli_failed("%s: line %" PRIu64 ": %s", stream->input.name,
                      stream->input.line, reason);
}

void cli_stream_close(cli_stream *stream)
{
    rmr_tokens_free(stream->tokens);
    rmr_model_release(stream->model);
    cli_input_close(&stream->input);
}
