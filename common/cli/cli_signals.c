/*
 * cli_signals.c - stopping cleanly: signals become a flag and a wake-up, and
 * the process dies of the signal once everything is tidy. A handler here must
 * never do more than set the flag and wake.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

volatile sig_atomic_t cli_signal;

static int wake_fds[2] = {-1, -1}; /* a pipe that never blocks */

void cli_wake(void)
{
    int saved = errno;
    ssize_t n = write(wake_fds[1], "", 1);

    (void)n; /* a full pipe wakes as well */
    errno = saved;
}

static void on_signal(int number)
{
    cli_signal = number;
    cli_wake();
}

static int catch_signal(int number)
{
    struct sigaction action;
    struct sigaction before;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    action.sa_flags = (int)SA_RESETHAND; /* the second one kills */
    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, &before) != 0) {
        return -1;
    }
    if (before.sa_handler == SIG_IGN) {
        return 0; /* nohup, or a job in the background */
    }
    return sigaction(number, &action, NULL);
}

int cli_signals_start(void)
{
    if (pipe2(wake_fds, O_NONBLOCK | O_CLOEXEC) != 0) {
        return cli_failed("cannot make a pipe: %s", strerror(errno));
    }
    if (catch_signal(SIGINT) != 0 || catch_signal(SIGTERM) != 0 ||
        catch_signal(SIGHUP) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
        signal(SIGXFSZ, SIG_IGN) == SIG_ERR) {
        return cli_failed("cannot handle signals: %s", strerror(errno));
    }
    return CLI_OK;
}

void cli_wait(int fd, short events)
{
    struct pollfd polled[2] = {
        {.fd = wake_fds[0], .events = POLLIN},
        {.fd = fd, .events = events},
    };
    char used[64];

    /* An interrupted poll is a wake-up like any other. */
    if (poll(polled, 2, -1) > 0 && polled[0].revents) {
        while (read(wake_fds[0], used, sizeof(used)) > 0) {
        }
    }
}

void cli_signals_finish(void)
{
    int number = cli_signal;

    if (number != 0) {
        signal(number, SIG_DFL);
        raise(number);
    }
}
