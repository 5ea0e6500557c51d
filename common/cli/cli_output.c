/*
 * cli_output.c - writes what a command makes. A file appears under its name
 * only when it is whole; until then it is a temporary beside it. A failed write
 * must never go unnoticed: it is reported once and ends the command.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(cli_output *output, const char *what)
{
    if (!output->failed) {
        output->failed = 1;
        cli_failed("cannot %s %s: %s", what, output->name, strerror(errno));
    }
    return CLI_FAILED;
}

/* The file that path leads to, links followed; path itself when there is none
 * yet. Returns NULL without memory. */
static char *resolve(const char *path)
{
    char *real = realpath(path, NULL);

    return real ? real : strdup(path);
}

/* Makes the temporary beside output->target, with the mode that the target has
 * or would get. */
static int open_temporary(cli_output *output)
{
    size_t cap = strlen(output->target) + sizeof(".XXXXXX");
    struct stat st;
    mode_t mode;

    output->temporary = malloc(cap);
    if (!output->temporary) {
        errno = ENOMEM;
        return fail(output, "create");
    }
    snprintf(output->temporary, cap, "%s.XXXXXX", output->target);
    output->fd = mkostemp(output->temporary, O_CLOEXEC);
    if (output->fd < 0) {
        free(output->temporary);
        output->temporary = NULL;
        return fail(output, "create");
    }
    if (stat(output->target, &st) == 0) {
        mode = st.st_mode & 0777;
    } else {
        mode_t mask = umask(0);

        umask(mask);
        mode = 0666 & ~mask;
    }
    return fchmod(output->fd, mode) == 0 ? CLI_OK : fail(output, "create");
}

static int open_path(cli_output *output, const char *path)
{
    struct stat st;

    output->name = path;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        output->fd = open(path, O_WRONLY | O_CLOEXEC);
        return output->fd >= 0 ? CLI_OK : fail(output, "open");
    }
    output->target = resolve(path);
    if (!output->target) {
        errno = ENOMEM;
        return fail(output, "create");
    }
    return open_temporary(output);
}

int cli_output_open(cli_output *output, const char *path)
{
    off_t start;

    memset(output, 0, sizeof(*output));
    output->fd = STDOUT_FILENO;
    output->name = "standard output";
    if (path && strcmp(path, "-") != 0) {
        output->fd = -1;
        if (open_path(output, path) != CLI_OK) {
            cli_output_close(output, 0);
            return CLI_FAILED;
        }
    }
    start = lseek(output->fd, 0, SEEK_CUR);
    output->start = start > 0 ? (uint64_t)start : 0;
    return CLI_OK;
}

int cli_output_seekable(const cli_output *output)
{
    struct stat st;
    int flags = fcntl(output->fd, F_GETFL);

    return fstat(output->fd, &st) == 0 && S_ISREG(st.st_mode) && flags >= 0 &&
           !(flags & O_APPEND);
}

/* Once a signal came: whether a write of PIPE_BUF would not block. */
static int is_writable(const cli_output *output)
{
    struct pollfd polled = {.fd = output->fd, .events = POLLOUT};

    return poll(&polled, 1, 0) > 0;
}

/* Writes to fd; at < 0: where it stands. After a signal it goes on only as
 * long as nothing blocks, so that output ends with a whole row. */
static int write_all(cli_output *output, const char *data, size_t len, off_t at)
{
    while (len > 0) {
        size_t part = cli_signal && len > PIPE_BUF ? PIPE_BUF : len;
        ssize_t n;

        if (cli_signal && !is_writable(output)) {
            output->failed = 1; /* whoever sent it needs no message */
            return CLI_FAILED;
        }
        n = at < 0 ? write(output->fd, data, part)
                   : pwrite(output->fd, data, part, at);
        if (n >= 0) {
            data += n;
            len -= (size_t)n;
            at += at < 0 ? 0 : n;
        } else if (errno == EAGAIN) {
            cli_wait(output->fd, POLLOUT);
        } else if (errno != EINTR) {
            return fail(output, "write to");
        }
    }
    return CLI_OK;
}

int cli_output_flush(cli_output *output)
{
    size_t len = output->len;

    if (output->failed) {
        return CLI_FAILED;
    }
    output->len = 0;
    return write_all(output, output->buf, len, -1);
}

int cli_output_write(cli_output *output, const void *data, size_t len)
{
    const char *from = data;

    while (len > 0) {
        size_t room = sizeof(output->buf) - output->len;
        size_t part = len < room ? len : room;

        if (output->failed) {
            return CLI_FAILED;
        }
        memcpy(output->buf + output->len, from, part);
        output->len += part;
        from += part;
        len -= part;
        if (output->len == sizeof(output->buf)) {
            cli_output_flush(output);
        }
    }
    return output->failed ? CLI_FAILED : CLI_OK;
}

int cli_output_string(cli_output *output, const char *string)
{
    return cli_output_write(output, string, strlen(string));
}

int cli_output_number(cli_output *output, uint64_t value)
{
    char buf[24];
    int len = snprintf(buf, sizeof(buf), "%" PRIu64, value);

    return cli_output_write(output, buf, (size_t)len);
}

/* How many bytes of a well-formed character are at text; 0 for none. */
static size_t utf8_length(const unsigned char *text, size_t len)
{
    unsigned char lead = text[0];
    size_t need = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;

    if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || need > len) {
        return 0;
    }
    for (size_t i = 1; i < need; i++) {
        if (text[i] < low || text[i] > high) {
            return 0;
        }
        low = 0x80;
        high = 0xbf;
    }
    return need;
}

int cli_output_json_text(cli_output *output, rmr_text text)
{
    const unsigned char *at = (const unsigned char *)text.data;
    size_t left = text.len;

    cli_output_string(output, "\"");
    while (left > 0) {
        size_t n = utf8_length(at, left);
        char escape[8];

        if (n == 0) {
            cli_output_string(output, "\xef\xbf\xbd");
            n = 1;
        } else if (*at == '"' || *at == '\\') {
            snprintf(escape, sizeof(escape), "\\%c", *at);
            cli_output_string(output, escape);
        } else if (*at < 0x20 || *at == 0x7f) {
            snprintf(escape, sizeof(escape), "\\u%04x", (unsigned)*at);
            cli_output_string(output, escape);
        } else {
            cli_output_write(output, at, n);
        }
        at += n;
        left -= n;
    }
    return cli_output_string(output, "\"");
}

int cli_output_json_string(cli_output *output, const char *string)
{
    if (!string) {
        return cli_output_string(output, "null");
    }
    return cli_output_json_text(
        output, (rmr_text){.data = string, .len = strlen(string)});
}

int cli_output_rewrite(cli_output *output, const void *data, size_t len)
{
    if (cli_output_flush(output) != CLI_OK) {
        return CLI_FAILED;
    }
    return write_all(output, data, len, (off_t)output->start);
}

/* Puts the temporary in its place. fsync finds the errors that a file system
 * keeps for later. */
static int commit(cli_output *output)
{
    if (fsync(output->fd) != 0 && errno != EINVAL) {
        return fail(output, "write to");
    }
    if (rename(output->temporary, output->target) != 0) {
        return fail(output, "create");
    }
    free(output->temporary);
    output->temporary = NULL;
    return CLI_OK;
}

int cli_output_close(cli_output *output, int keep)
{
    int code = CLI_OK;

    if (output->fd >= 0 && (keep || !output->temporary)) {
        code = cli_output_flush(output);
    }
    if (keep && code == CLI_OK && output->temporary) {
        code = commit(output);
    }
    if (output->fd >= 0 && close(output->fd) != 0 && code == CLI_OK) {
        code = fail(output, "write to");
    }
    if (output->temporary) {
        unlink(output->temporary);
    }
    free(output->temporary);
    free(output->target);
    output->temporary = NULL;
    output->target = NULL;
    output->fd = -1;
    return code;
}

void cli_npy_header(char header[CLI_NPY_HEADER], uint64_t rows, size_t dim)
{
    char text[CLI_NPY_HEADER - 10 + 1];
    int len = snprintf(text, sizeof(text),
                       "{'descr': '<f4', 'fortran_order': False, "
                       "'shape': (%" PRIu64 ", %zu), }",
                       rows, dim);

    memset(header, ' ', CLI_NPY_HEADER);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = (char)(CLI_NPY_HEADER - 10); /* of the text, little-endian */
    header[9] = 0;
    memcpy(header + 10, text, (size_t)len);
    header[CLI_NPY_HEADER - 1] = '\n';
}
