/*
 * cli_kernels.c - `remora kernels`: whose code computes on this CPU, for people
 * or as JSON. It must never open a model or measure anything.
 */
#include "cli.h"

#include <stdio.h>

static const char help[] =
    "usage: remora kernels [options]\n"
    "\n"
    "Says which tiers of instructions this CPU has, from the plainest to the\n"
    "newest, and for each kernel from which of them its code is.\n"
    "\n"
    "  --json   one JSON object instead of a table\n"
    "  --help   this text\n";

static int kernels_main(int argc, char **argv);

const cli_command cli_kernels_command = {
    .name = "kernels",
    .summary = "the tiers of this CPU and which one each kernel is from",
    .help = help,
    .run = kernels_main,
};

static void write_table(cli_output *out)
{
    const char *kernel, *tier;
    char line[32];

    cli_output_string(out, "tiers             ");
    for (size_t i = 0; (tier = rmr_tier_at(i)); i++) {
        cli_output_string(out, i > 0 ? ", " : "");
        cli_output_string(out, tier);
    }
    cli_output_string(out, "\n\n");
    for (size_t i = 0; rmr_kernel_at(i, &kernel, &tier); i++) {
        snprintf(line, sizeof(line), "%-18s", kernel);
        cli_output_string(out, line);
        cli_output_string(out, tier);
        cli_output_string(out, "\n");
    }
}

static void write_json(cli_output *out)
{
    const char *kernel, *tier;

    cli_output_string(out, "{\"tiers\":[");
    for (size_t i = 0; (tier = rmr_tier_at(i)); i++) {
        cli_output_string(out, i > 0 ? "," : "");
        cli_output_json_string(out, tier);
    }
    cli_output_string(out, "],\"kernels\":{");
    for (size_t i = 0; rmr_kernel_at(i, &kernel, &tier); i++) {
        cli_output_string(out, i > 0 ? "," : "");
        cli_output_json_string(out, kernel);
        cli_output_string(out, ":");
        cli_output_json_string(out, tier);
    }
    cli_output_string(out, "}}\n");
}

static int kernels_main(int argc, char **argv)
{
    static cli_output out;
    int json = 0;
    const cli_option options[] = {{"--json", CLI_FLAG, &json, 0, 0}};
    int code = cli_parse(&cli_kernels_command, options, 1, argc, argv, NULL);

    if (code != CLI_CONTINUE) {
        return code;
    }
    code = cli_output_open(&out, NULL);
    if (code == CLI_OK) {
        if (json) {
            write_json(&out);
        } else {
            write_table(&out);
        }
        code = cli_output_close(&out, 1);
    }
    return code;
}
