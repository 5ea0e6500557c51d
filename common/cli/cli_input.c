/*
 * cli_input.c - takes texts from a file or from standard input, a line each or
 * a field of the JSON object on each line. It must never hold more than the
 * longest line allowed, nor wait in a way that a signal cannot end.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_CAP ((size_t)1 << 16)
#define LAST_CAP (CLI_LINE_MAX + 2) /* with CR LF */

int cli_input_open(cli_input *input, const char *path, const char *field)
{
    struct stat st;
    off_t at;

    memset(input, 0, sizeof(*input));
    input->field = field;
    if (!path || strcmp(path, "-") == 0) {
        input->name = "standard input";
        input->fd = STDIN_FILENO;
    } else {
        input->name = path;
        input->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (input->fd < 0) {
            return cli_failed("cannot open %s: %s", path, strerror(errno));
        }
    }
    at = lseek(input->fd, 0, SEEK_CUR);
    if (fstat(input->fd, &st) == 0 && S_ISREG(st.st_mode) && at >= 0 &&
        st.st_size > at) {
        input->total = (uint64_t)(st.st_size - at);
    }
    input->buf = malloc(FIRST_CAP);
    input->cap = FIRST_CAP;
    if (!input->buf) {
        cli_input_close(input);
        return cli_failed("out of memory for the input");
    }
    return CLI_OK;
}

void cli_input_close(cli_input *input)
{
    if (input->fd > STDIN_FILENO) {
        close(input->fd);
    }
    json_decref(input->json);
    free(input->buf);
    memset(input, 0, sizeof(*input));
    input->fd = -1;
}

static cli_read too_long(const cli_input *input)
{
    cli_failed("%s: line %" PRIu64 " is longer than %zu MiB; one text a line "
               "is expected",
               input->name, input->line + 1, CLI_LINE_MAX >> 20);
    return CLI_READ_FAILED;
}

/* Makes room behind end. */
static cli_read make_room(cli_input *input)
{
    size_t kept = input->end - input->begin;
    size_t cap = input->cap * 2 < LAST_CAP ? input->cap * 2 : LAST_CAP;
    char *buf;

    if (input->begin > 0) {
        memmove(input->buf, input->buf + input->begin, kept);
        input->scanned -= input->begin;
        input->begin = 0;
        input->end = kept;
    }
    if (kept < input->cap) {
        return CLI_READ_TEXT;
    }
    if (input->cap == LAST_CAP) {
        return too_long(input);
    }
    buf = realloc(input->buf, cap);
    if (!buf) {
        cli_failed("out of memory for the input");
        return CLI_READ_FAILED;
    }
    input->buf = buf;
    input->cap = cap;
    return CLI_READ_TEXT;
}

/* Whether read() would return at once. */
static int is_ready(const cli_input *input)
{
    struct pollfd polled = {.fd = input->fd, .events = POLLIN};

    return poll(&polled, 1, 0) > 0;
}

/* Reads some bytes. CLI_READ_TEXT when there are more, or the end is known. */
static cli_read read_some(cli_input *input, int block)
{
    cli_read got = make_room(input);
    ssize_t n;

    if (got != CLI_READ_TEXT) {
        return got;
    }
    for (;;) {
        while (!cli_signal && !is_ready(input)) {
            if (!block) {
                return CLI_READ_AGAIN;
            }
            cli_wait(input->fd, POLLIN);
        }
        if (cli_signal) {
            return CLI_READ_STOPPED;
        }
        n = read(input->fd, input->buf + input->end, input->cap - input->end);
        if (n >= 0) {
            input->end += (size_t)n;
            input->ended = n == 0;
            return CLI_READ_TEXT;
        }
        if (errno != EINTR && errno != EAGAIN) {
            cli_failed("cannot read %s: %s", input->name, strerror(errno));
            return CLI_READ_FAILED;
        }
    }
}

/* Takes the len bytes at begin as a line and skip more as its end. */
static cli_read take_line(cli_input *input, size_t len, size_t skip,
                          rmr_text *line)
{
    line->data = input->buf + input->begin;
    line->len = len;
    if (skip > 0 && len > 0 && line->data[len - 1] == '\r') {
        line->len--;
    }
    if (line->len > CLI_LINE_MAX) {
        return too_long(input);
    }
    input->begin += len + skip;
    input->scanned = input->begin;
    input->offset += len + skip;
    input->line++;
    return CLI_READ_TEXT;
}

static cli_read next_line(cli_input *input, int block, rmr_text *line)
{
    for (;;) {
        char *at = input->buf + input->scanned;
        char *newline = memchr(at, '\n', input->end - input->scanned);
        cli_read got;

        if (newline) {
            size_t len = (size_t)(newline - input->buf) - input->begin;

            return take_line(input, len, 1, line);
        }
        input->scanned = input->end;
        if (input->ended) {
            size_t len = input->end - input->begin;

            return len ? take_line(input, len, 0, line) : CLI_READ_END;
        }
        got = read_some(input, block);
        if (got != CLI_READ_TEXT) {
            return got;
        }
    }
}

/* Why a line is no JSON, in words that quote nothing of it. */
static const char *json_reason(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_out_of_memory:
        return "out of memory";
    case json_error_stack_overflow:
        return "it is nested too deeply";
    case json_error_invalid_utf8:
        return "it is not UTF-8";
    case json_error_premature_end_of_input:
        return "it ends too early";
    case json_error_end_of_input_expected:
        return "something follows the object";
    case json_error_numeric_overflow:
        return "a number is too large";
    default:
        return "invalid syntax";
    }
}

static cli_read bad_json(const cli_input *input, const char *reason)
{
    cli_failed("%s: line %" PRIu64 ": %s", input->name, input->line, reason);
    return CLI_READ_FAILED;
}

/* Puts a field of the line's object into *text. */
static cli_read take_string(const cli_input *input, const char *field,
                            rmr_text *text)
{
    const json_t *value = json_object_get(input->json, field);

    if (!value) {
        cli_failed("%s: line %" PRIu64 ": the object has no field \"%s\"",
                   input->name, input->line, field);
        return CLI_READ_FAILED;
    }
    if (!json_is_string(value)) {
        cli_failed("%s: line %" PRIu64 ": the field \"%s\" is not a string",
                   input->name, input->line, field);
        return CLI_READ_FAILED;
    }
    text->data = json_string_value(value);
    text->len = json_string_length(value);
    return CLI_READ_TEXT;
}

/* Puts the line's field into *text, and its pair into the input. */
static cli_read take_field(cli_input *input, rmr_text line, rmr_text *text)
{
    json_error_t error;
    cli_read got;

    json_decref(input->json);
    /* Integers of any size are allowed in the fields that are not asked for. */
    input->json = json_loadb(
        line.data, line.len,
        JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL | JSON_DECODE_ANY, &error);
    if (!input->json) {
        cli_failed("%s: line %" PRIu64 ", byte %d: not valid JSON: %s",
                   input->name, input->line, error.position,
                   json_reason(&error));
        return CLI_READ_FAILED;
    }
    if (!json_is_object((json_t *)input->json)) {
        return bad_json(input, "not a JSON object");
    }
    got = take_string(input, input->field, text);
    if (got == CLI_READ_TEXT && input->pair) {
        got = take_string(input, input->pair, &input->second);
    }
    return got;
}

static int is_blank(rmr_text line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (!memchr(" \t\r", line.data[i], 3)) {
            return 0;
        }
    }
    return 1;
}

cli_read cli_input_text(cli_input *input, int block, rmr_text *text)
{
    rmr_text line;
    cli_read got;

    for (;;) {
        got = next_line(input, block, &line);
        if (got != CLI_READ_TEXT) {
            return got;
        }
        if (!input->field) {
            *text = line;
            return got;
        }
        if (input->line == 1 && line.len >= 3 &&
            memcmp(line.data, "\xef\xbb\xbf", 3) == 0) {
            line.data += 3; /* a byte order mark */
            line.len -= 3;
        }
        if (!is_blank(line)) {
            return take_field(input, line, text);
        }
    }
}
