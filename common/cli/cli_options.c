/*
 * cli_options.c - reads a subcommand's arguments. Nothing is guessed: names are
 * whole, numbers are digits only and inside their range. It must never accept
 * an argument that it does not understand.
 */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_MIN 0.1
#define SECONDS_MAX 3600.0

static int print_help(const cli_command *command)
{
    static cli_output out;

    if (cli_output_open(&out, NULL) != CLI_OK) {
        return CLI_FAILED;
    }
    cli_output_string(&out, command->help);
    return cli_output_close(&out, 1);
}

/* 1 when text is one to nine digits; those fit uint32_t. */
static int read_number(const char *text, uint32_t *value)
{
    size_t len = strspn(text, "0123456789");

    if (len == 0 || len > 9 || text[len] != '\0') {
        return 0;
    }
    *value = (uint32_t)strtoul(text, NULL, 10);
    return 1;
}

/* 1 when text is digits with at most one point among them, in [min, max]. */
static int read_decimal(const char *text, double min, double max, double *value)
{
    size_t whole = strspn(text, "0123456789");
    size_t part = 0;

    if (text[whole] == '.') {
        part = strspn(text + whole + 1, "0123456789");
        if (text[whole + 1 + part] != '\0') {
            return 0;
        }
    } else if (text[whole] != '\0') {
        return 0;
    }
    if (whole + part == 0 || whole + part > 18) {
        return 0;
    }
    *value = strtod(text, NULL);
    return *value >= min && *value <= max;
}

static int set_value(const cli_command *command, const cli_option *option,
                     const char *text)
{
    rmr_error err;
    uint32_t number;
    double decimal;

    switch (option->kind) {
    case CLI_FLAG:
        *(int *)option->value = 1;
        return CLI_CONTINUE;
    case CLI_STRING:
        if (*text == '\0') {
            return cli_usage(command, "%s is empty", option->name);
        }
        *(const char **)option->value = text;
        return CLI_CONTINUE;
    case CLI_TEXT:
        *(const char **)option->value = text;
        return CLI_CONTINUE;
    case CLI_NUMBER:
        if (!read_number(text, &number) || number < option->min ||
            number > option->max) {
            return cli_usage(command,
                             "%s takes a whole number from %" PRIu32
                             " to %" PRIu32 ", not \"%s\"",
                             option->name, option->min, option->max, text);
        }
        *(uint32_t *)option->value = number;
        return CLI_CONTINUE;
    case CLI_SECONDS:
        if (!read_decimal(text, SECONDS_MIN, SECONDS_MAX, option->value)) {
            return cli_usage(command,
                             "%s takes seconds from %.1f to %.0f, not \"%s\"",
                             option->name, SECONDS_MIN, SECONDS_MAX, text);
        }
        return CLI_CONTINUE;
    case CLI_FRACTION:
        if (!read_decimal(text, 0, 1, &decimal)) {
            return cli_usage(command,
                             "%s takes a number from 0 to 1, not \"%s\"",
                             option->name, text);
        }
        *(float *)option->value = (float)decimal;
        return CLI_CONTINUE;
    case CLI_DTYPE:
        if (rmr_dtype_parse(text, option->value, &err) != RMR_OK) {
            return cli_usage(command, "%s: %s", option->name, err.message);
        }
        return CLI_CONTINUE;
    }
    return cli_failed("the option %s has no kind", option->name);
}

/* The option that argument names, and the value after '=' if it has one. */
static const cli_option *find_option(const cli_option *options,
                                     size_t num_options, const char *argument,
                                     const char **value)
{
    size_t len = strcspn(argument, "=");

    *value = argument[len] == '=' ? argument + len + 1 : NULL;
    for (size_t i = 0; i < num_options; i++) {
        if (strlen(options[i].name) == len &&
            strncmp(options[i].name, argument, len) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

/* Reads the option at argv[*at] and moves *at past it. */
static int parse_option(const cli_command *command, const cli_option *options,
                        size_t num_options, int argc, char **argv, int *at)
{
    const char *argument = argv[(*at)++];
    const char *value;
    const cli_option *option =
        find_option(options, num_options, argument, &value);

    if (!option) {
        return cli_usage(command, "there is no option %.*s",
                         (int)strcspn(argument, "="), argument);
    }
    if (option->kind == CLI_FLAG) {
        return value ? cli_usage(command, "%s takes no value", option->name)
                     : set_value(command, option, NULL);
    }
    if (!value) {
        if (*at == argc) {
            return cli_usage(command, "%s needs a value", option->name);
        }
        value = argv[(*at)++];
    }
    return set_value(command, option, value);
}

/* MODEL, or what follows it. */
static int parse_operand(const cli_command *command, const char *argument,
                         const char **model)
{
    const char *name = model[0] ? command->second : "MODEL";

    if (!name) {
        return cli_usage(command, "one MODEL is enough: \"%s\" is a second",
                         argument);
    }
    if (model[0] && model[1]) {
        return cli_usage(command, "MODEL and %s are enough: \"%s\" is a third",
                         name, argument);
    }
    if (*argument == '\0') {
        return cli_usage(command, "%s is empty", name);
    }
    model[model[0] != NULL] = argument;
    return CLI_CONTINUE;
}

int cli_parse(const cli_command *command, const cli_option *options,
              size_t num_options, int argc, char **argv, const char **model)
{
    int options_ended = 0;
    int at = 0;

    if (model) {
        model[0] = NULL;
    }
    if (command->second) {
        model[1] = NULL;
    }
    while (at < argc) {
        const char *argument = argv[at];

        if (!options_ended && strcmp(argument, "--") == 0) {
            options_ended = 1;
            at++;
        } else if (!options_ended && (strcmp(argument, "--help") == 0 ||
                                      strcmp(argument, "-h") == 0)) {
            return print_help(command);
        } else if (!options_ended && argument[0] == '-') {
            int code =
                parse_option(command, options, num_options, argc, argv, &at);

            if (code != CLI_CONTINUE) {
                return code;
            }
        } else if (!model) {
            return cli_usage(command, "%s takes no MODEL: \"%s\" is one",
                             command->name, argument);
        } else {
            int code = parse_operand(command, argument, model);

            if (code != CLI_CONTINUE) {
                return code;
            }
            at++;
        }
    }
    if (model && !*model) {
        return cli_usage(command, "MODEL is missing: the model's directory");
    }
    if (command->second && !model[1]) {
        return cli_usage(command, "%s is missing", command->second);
    }
    return CLI_CONTINUE;
}
