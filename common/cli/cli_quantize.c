/*
 * cli_quantize.c - `remora quantize`: a model directory with smaller weights
 * from one of floats. It must never write over anything.
 */
#include "cli.h"

static const char help[] =
    "usage: remora quantize MODEL OUT [options]\n"
    "\n"
    "Writes MODEL with smaller weights into OUT, a directory that must not "
    "exist:\n"
    "it opens faster, in the dtype it was made for and no other.\n"
    "\n"
    "  --dtype DTYPE   of the weights: int8 (default), int4, bf16\n"
    "  --texts FILE    int4: a hundred texts or more, one a line, such as the\n"
    "                  model will be used on; its weights are rounded so that\n"
    "                  these come out as they were (default: some made-up "
    "ones)\n"
    "  --field NAME    lines are JSON objects, the text is their field NAME\n"
    "  --help          this text\n";

static int quantize_main(int argc, char **argv);

const cli_command cli_quantize_command = {
    .name = "quantize",
    .summary = "writes a model directory with smaller weights",
    .help = help,
    .second = "OUT",
    .run = quantize_main,
};

#define MADE_UP_TEXTS 100
#define MAX_TEXTS 10000

static int read_texts(cli_texts *texts, const char *path, const char *field)
{
    cli_input input;
    rmr_text text;
    cli_read got = CLI_READ_END;
    int code = cli_input_open(&input, path, field);

    while (code == CLI_OK && texts->count < MAX_TEXTS &&
           (got = cli_input_text(&input, 1, &text)) == CLI_READ_TEXT) {
        code = cli_texts_add(texts, text.data, text.len);
    }
    if (got == CLI_READ_FAILED || got == CLI_READ_STOPPED) {
        code = CLI_FAILED;
    }
    if (code == CLI_OK && !texts->count) {
        code = cli_failed("%s has no texts", input.name);
    }
    cli_input_close(&input);
    return code;
}

static int quantize(const char *const *paths, rmr_quantize_options *options,
                    cli_texts *texts)
{
    rmr_error err;

    options->texts = cli_texts_views(texts);
    options->num_texts = texts->count;
    if (rmr_model_quantize(paths[0], paths[1], options, &err) != RMR_OK) {
        return cli_failed("%s", err.message);
    }
    return CLI_OK;
}

static int quantize_main(int argc, char **argv)
{
    const char *paths[2], *input = NULL, *field = NULL;
    rmr_quantize_options settings;
    cli_texts texts = {0};
    const cli_option options[] = {
        {"--dtype", CLI_DTYPE, &settings.dtype, 0, 0},
        {"--texts", CLI_STRING, &input, 0, 0},
        {"--field", CLI_STRING, &field, 0, 0},
    };
    int code;

    rmr_quantize_options_init(&settings);
    code = cli_parse(&cli_quantize_command, options,
                     sizeof(options) / sizeof(options[0]), argc, argv, paths);
    if (code != CLI_CONTINUE) {
        return code;
    }
    if (field && !input) {
        return cli_usage(&cli_quantize_command, "--field needs --texts");
    }
    if (input && settings.dtype != RMR_DTYPE_INT4) {
        return cli_usage(&cli_quantize_command,
                         "--texts is for int4; %s needs none",
                         rmr_dtype_name(settings.dtype));
    }
    if (input) {
        code = read_texts(&texts, input, field);
    } else {
        code = settings.dtype == RMR_DTYPE_INT4
                   ? cli_words_fill(&texts, CLI_MIXED, 0)
                   : CLI_OK;
        texts.count = texts.count < MADE_UP_TEXTS ? texts.count : MADE_UP_TEXTS;
    }
    if (code == CLI_CONTINUE || code == CLI_OK) {
        code = quantize(paths, &settings, &texts);
    }
    cli_texts_free(&texts);
    return code;
}
