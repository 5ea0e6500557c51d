/*
 * cli_main.c - the entry point of the `remora` command: picks the subcommand.
 * It must never do a subcommand's work.
 */
#include "cli.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const cli_command *const commands[] = {
    &cli_embed_command,    &cli_classify_command, &cli_zero_shot_command,
    &cli_rerank_command,   &cli_ner_command,      &cli_fill_mask_command,
    &cli_sparse_command,   &cli_tokenize_command, &cli_detokenize_command,
    &cli_chunk_command,    &cli_inspect_command,  &cli_bench_command,
    &cli_quantize_command, &cli_kernels_command,
};

#define NUM_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int print_help(void)
{
    static cli_output out;

    if (cli_output_open(&out, NULL) != CLI_OK) {
        return CLI_FAILED;
    }
    cli_output_string(&out, "usage: remora COMMAND MODEL [options]\n"
                            "\n"
                            "Runs a model from a Hugging Face or "
                            "sentence-transformers directory.\n"
                            "\n"
                            "commands:\n");
    for (size_t i = 0; i < NUM_COMMANDS; i++) {
        cli_output_string(&out, "  ");
        cli_output_string(&out, commands[i]->name);
        cli_output_write(&out, "              ",
                         12 - strlen(commands[i]->name));
        cli_output_string(&out, commands[i]->summary);
        cli_output_string(&out, "\n");
    }
    cli_output_string(
        &out,
        "\n"
        "MODEL is a directory with config.json, tokenizer.json and "
        "model.safetensors;\n"
        "tokenize, detokenize and chunk need nothing but its "
        "tokenizer, kernels no MODEL.\n"
        "`remora COMMAND --help` says what a command takes; "
        "`remora --version` which\n"
        "version this is. Exit codes: 0 done, 1 failed, 2 wrong usage.\n");
    return cli_output_close(&out, 1);
}

static int print_version(void)
{
    static cli_output out;

    if (cli_output_open(&out, NULL) != CLI_OK) {
        return CLI_FAILED;
    }
    cli_output_string(&out, "remora ");
    cli_output_string(&out, rmr_version());
    cli_output_string(&out, "\n");
    return cli_output_close(&out, 1);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        return cli_usage(NULL,
                         "a command is needed: embed, classify, "
                         "zero-shot, rerank, ner, fill-mask, sparse, tokenize, "
                         "detokenize, chunk, inspect, bench, quantize "
                         "or kernels");
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        return print_help();
    }
    if (strcmp(argv[1], "--version") == 0) {
        return print_version();
    }
    for (size_t i = 0; i < NUM_COMMANDS; i++) {
        if (strcmp(argv[1], commands[i]->name) == 0) {
            return commands[i]->run(argc - 2, argv + 2);
        }
    }
    return cli_usage(NULL,
                     "there is no command \"%s\": the commands are embed, "
                     "classify, zero-shot, rerank, ner, fill-mask, sparse, "
                     "tokenize, detokenize, "
                     "chunk, inspect, bench, quantize and kernels",
                     argv[1]);
}

/* A standard descriptor that the parent closed would be given to the next file
 * that is opened: open it so that using it fails. */
static void keep_standard_fds(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd) {
            _exit(CLI_FAILED);
        }
    }
}

int main(int argc, char **argv)
{
    int code;

    keep_standard_fds();
    code = cli_signals_start();
    if (code == CLI_OK) {
        code = dispatch(argc, argv);
    }
    cli_signals_finish();
    return code;
}
