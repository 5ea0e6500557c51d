/*
 * cli_inspect.c - `remora inspect`: what a model directory holds, for people
 * or as JSON. It must never change the model or compute with it.
 */
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: remora inspect MODEL [options]\n"
    "\n"
    "Opens and checks a model and says what it is.\n"
    "\n"
    "  --dtype DTYPE   arithmetic: f32 (default), bf16, int8, int4\n"
    "  --adapter DIR   merge the LoRA adapter in DIR, as PEFT writes it\n"
    "  --pooling MODE  where there is no modules.json: cls, max, mean "
    "(default),\n"
    "                  mean_sqrt_len_tokens, weightedmean, lasttoken, or\n"
    "                  several joined by +\n"
    "  --json          one JSON object instead of a table\n"
    "  --help          this text\n";

static int inspect_main(int argc, char **argv);

const cli_command cli_inspect_command = {
    .name = "inspect",
    .summary = "what a model is: dimensions, tokens, pooling, size",
    .help = help,
    .run = inspect_main,
};

static void row_string(cli_output *out, const char *label, const char *value)
{
    char line[32];

    snprintf(line, sizeof(line), "%-18s", label);
    cli_output_string(out, line);
    cli_output_string(out, value);
    cli_output_string(out, "\n");
}

static void row_number(cli_output *out, const char *label, uint64_t value)
{
    char buf[CLI_GROUPED_CHARS];

    row_string(out, label, cli_grouped(value, buf));
}

static const char *pooling_words(const rmr_model_info *info, char *buf,
                                 size_t cap)
{
    snprintf(buf, cap, "%s%s", info->pooling,
             info->pooling_guessed ? " (assumed: choose with --pooling)" : "");
    return buf;
}

static const char *size_words(uint64_t bytes, char *buf, size_t cap)
{
    char grouped[CLI_GROUPED_CHARS];

    snprintf(buf, cap, "%.1f MiB (%s bytes)", (double)bytes / 1048576,
             cli_grouped(bytes, grouped));
    return buf;
}

/* A prompt in quotes, as JSON has them, and whether it is the default. */
static void write_prompts(cli_output *out, const rmr_model *model,
                          const rmr_model_info *info)
{
    const char *name;
    rmr_text text;

    for (size_t i = 0; rmr_model_prompt(model, i, &name, &text); i++) {
        char line[32];
        int chosen =
            info->default_prompt && strcmp(info->default_prompt, name) == 0;

        snprintf(line, sizeof(line), "%-18s", "prompt");
        cli_output_string(out, line);
        cli_output_json_string(out, name);
        cli_output_string(out, ": ");
        cli_output_json_text(out, text);
        cli_output_string(out, chosen ? " (default)\n" : "\n");
    }
}

static void write_table(cli_output *out, const rmr_model *model,
                        const rmr_model_info *info)
{
    char buf[192];

    row_string(out, "path", info->path);
    row_string(out, "architecture", info->architecture);
    row_string(out, "dtype", rmr_dtype_name(info->dtype));
    if (info->adapter) {
        row_string(out, "adapter", info->adapter);
    }
    row_number(out, "dimensions", info->dim);
    row_number(out, "max tokens", info->max_tokens);
    if (info->task == RMR_TASK_EMBED) {
        row_string(out, "pooling", pooling_words(info, buf, sizeof(buf)));
        row_string(out, "normalize", info->normalize ? "yes" : "no");
        row_string(out, "similarity", rmr_similarity_name(info->similarity));
    } else {
        row_string(out, "task", rmr_task_name(info->task));
    }
    row_number(out, "layers", info->num_layers);
    row_number(out, "attention heads", info->num_heads);
    row_number(out, "hidden size", info->hidden_size);
    row_number(out, "vocabulary", info->vocab_size);
    row_number(out, "parameters", info->num_parameters);
    row_string(out, "weights", size_words(info->bytes, buf, sizeof(buf)));
    write_prompts(out, model, info);
}

static void json_number(cli_output *out, const char *key, uint64_t value)
{
    cli_output_string(out, ",\"");
    cli_output_string(out, key);
    cli_output_string(out, "\":");
    cli_output_number(out, value);
}

static void json_string(cli_output *out, const char *key, const char *value)
{
    cli_output_string(out, ",\"");
    cli_output_string(out, key);
    cli_output_string(out, "\":");
    cli_output_json_string(out, value);
}

static void json_bool(cli_output *out, const char *key, int value)
{
    cli_output_string(out, ",\"");
    cli_output_string(out, key);
    cli_output_string(out, value ? "\":true" : "\":false");
}

static void json_prompts(cli_output *out, const rmr_model *model,
                         const rmr_model_info *info)
{
    const char *name;
    rmr_text text;

    cli_output_string(out, ",\"prompts\":{");
    for (size_t i = 0; rmr_model_prompt(model, i, &name, &text); i++) {
        cli_output_string(out, i > 0 ? "," : "");
        cli_output_json_string(out, name);
        cli_output_string(out, ":");
        cli_output_json_text(out, text);
    }
    cli_output_string(out, "}");
    json_string(out, "default_prompt_name", info->default_prompt);
}

static void write_json(cli_output *out, const rmr_model *model,
                       const rmr_model_info *info)
{
    cli_output_string(out, "{\"path\":");
    cli_output_json_string(out, info->path);
    json_string(out, "architecture", info->architecture);
    json_string(out, "dtype", rmr_dtype_name(info->dtype));
    if (info->adapter) {
        json_string(out, "adapter", info->adapter);
    }
    json_number(out, "dim", info->dim);
    json_number(out, "max_tokens", info->max_tokens);
    if (info->task == RMR_TASK_EMBED) {
        json_string(out, "pooling", info->pooling);
        json_bool(out, "pooling_guessed", info->pooling_guessed);
        json_bool(out, "normalize", info->normalize);
        json_string(out, "similarity", rmr_similarity_name(info->similarity));
    } else {
        json_string(out, "task", rmr_task_name(info->task));
    }
    json_number(out, "num_layers", info->num_layers);
    json_number(out, "num_heads", info->num_heads);
    json_number(out, "hidden_size", info->hidden_size);
    json_number(out, "vocab_size", info->vocab_size);
    json_number(out, "num_parameters", info->num_parameters);
    json_number(out, "bytes", info->bytes);
    json_prompts(out, model, info);
    cli_output_string(out, "}\n");
}

/* A model of sparse vectors makes no others; the rest is shown as what embeds.
 */
static int open_model(rmr_model **model, const char *path,
                      rmr_model_options *options)
{
    rmr_task task = RMR_TASK_EMBED;
    rmr_error err;

    if (!options->pooling && rmr_model_find_task(path, &task, &err) != RMR_OK) {
        return cli_failed("%s", err.message);
    }
    if (task == RMR_TASK_EMBED_SPARSE) {
        options->task = task;
    }
    return rmr_model_open(model, path, options, &err) == RMR_OK
               ? CLI_OK
               : cli_failed("%s", err.message);
}

static int inspect_main(int argc, char **argv)
{
    static cli_output out;
    rmr_model_info info = {.size = sizeof(info)};
    rmr_model *model;
    const char *path;
    int json = 0;
    rmr_model_options model_options;
    const cli_option options[] = {
        {"--dtype", CLI_DTYPE, &model_options.dtype, 0, 0},
        {"--adapter", CLI_STRING, &model_options.adapter, 0, 0},
        {"--pooling", CLI_STRING, &model_options.pooling, 0, 0},
        {"--json", CLI_FLAG, &json, 0, 0},
    };
    int code;

    rmr_model_options_init(&model_options);
    code = cli_parse(&cli_inspect_command, options,
                     sizeof(options) / sizeof(options[0]), argc, argv, &path);
    if (code != CLI_CONTINUE) {
        return code;
    }
    if (open_model(&model, path, &model_options) != CLI_OK) {
        return CLI_FAILED;
    }
    rmr_model_get_info(model, &info);
    code = cli_output_open(&out, NULL);
    if (code == CLI_OK) {
        if (json) {
            write_json(&out, model, &info);
        } else {
            write_table(&out, model, &info);
        }
        code = cli_output_close(&out, 1);
    }
    rmr_model_release(model);
    return code;
}
