/*
 * cli_report.c - what the command says on standard error: failures, notes and
 * the progress line. It must never print a text that was given as input.
 */
#include "cli.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define PROGRESS_NS 200000000u /* between two lines */

static int line_is_shown; /* the cursor stands behind a progress line */

static void clear_line(void)
{
    if (line_is_shown) {
        fputs("\r\033[K", stderr);
        line_is_shown = 0;
    }
}

static void print_sentence(const char *format, va_list args, const char *tail)
{
    clear_line();
    fputs("remora: ", stderr);
    vfprintf(stderr, format, args);
    fputs(tail, stderr);
    fputc('\n', stderr);
}

int cli_failed(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print_sentence(format, args, "");
    va_end(args);
    return CLI_FAILED;
}

int cli_usage(const cli_command *command, const char *format, ...)
{
    char tail[64];
    va_list args;

    snprintf(tail, sizeof(tail), "; see remora %s%s--help",
             command ? command->name : "", command ? " " : "");
    va_start(args, format);
    print_sentence(format, args, tail);
    va_end(args);
    return CLI_USAGE;
}

void cli_note(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print_sentence(format, args, "");
    va_end(args);
}

void cli_note_pooling(const rmr_model_info *info)
{
    if (info->pooling_guessed) {
        cli_note("%s has no modules.json to say how token vectors become one: "
                 "%s is assumed; choose with --pooling",
                 info->path, info->pooling);
    }
}

void cli_note_truncated(uint64_t truncated, uint64_t texts, uint32_t max_tokens)
{
    const char *verb = truncated == 1 ? "was" : "were";

    if (truncated > 0) {
        cli_note("%" PRIu64 " of %" PRIu64 " texts %s longer than %" PRIu32
                 " tokens and %s cut",
                 truncated, texts, verb, max_tokens, verb);
    }
}

const char *cli_grouped(uint64_t value, char buf[CLI_GROUPED_CHARS])
{
    char *at = buf + CLI_GROUPED_CHARS - 1;
    int digits = 0;

    *at = '\0';
    do {
        if (digits > 0 && digits % 3 == 0) {
            *--at = ',';
        }
        *--at = (char)('0' + value % 10);
        value /= 10;
        digits++;
    } while (value > 0);
    return at;
}

uint64_t cli_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void cli_progress_start(cli_progress *progress, int shown, uint64_t total)
{
    progress->shown = shown;
    progress->start_ns = cli_now_ns();
    progress->last_ns = progress->start_ns;
    progress->total = total;
}

/* "1:02:03" or "2:03". */
static void format_duration(double seconds, char *buf, size_t cap)
{
    unsigned long s = (unsigned long)(seconds + 0.5);

    if (s >= 3600) {
        snprintf(buf, cap, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    } else {
        snprintf(buf, cap, "%lu:%02lu", s / 60, s % 60);
    }
}

void cli_progress_update(cli_progress *progress, uint64_t done_bytes,
                         uint64_t texts)
{
    uint64_t now = cli_now_ns();
    double elapsed = (double)(now - progress->start_ns) / 1e9;
    char grouped[CLI_GROUPED_CHARS];
    char left[40];

    if (!progress->shown || now - progress->last_ns < PROGRESS_NS) {
        return;
    }
    progress->last_ns = now;
    fprintf(stderr, "\r%s texts, %.0f texts/s", cli_grouped(texts, grouped),
            (double)texts / elapsed);
    if (progress->total > 0 && done_bytes > 0) {
        double done = (double)done_bytes / (double)progress->total;

        done = done > 1 ? 1 : done; /* the file grew meanwhile */
        format_duration(elapsed / done - elapsed, left, sizeof(left));
        fprintf(stderr, ", %.0f%%, %s left", done * 100, left);
    }
    fputs("\033[K", stderr);
    fflush(stderr);
    line_is_shown = 1;
}

void cli_progress_finish(cli_progress *progress, uint64_t texts,
                         uint64_t tokens)
{
    double elapsed = (double)(cli_now_ns() - progress->start_ns) / 1e9;
    char grouped_texts[CLI_GROUPED_CHARS];
    char grouped_tokens[CLI_GROUPED_CHARS];

    if (!progress->shown) {
        return;
    }
    clear_line();
    fprintf(stderr, "%s texts, %s tokens in %.1f s: %.0f texts/s\n",
            cli_grouped(texts, grouped_texts),
            cli_grouped(tokens, grouped_tokens), elapsed,
            elapsed > 0 ? (double)texts / elapsed : 0);
}
