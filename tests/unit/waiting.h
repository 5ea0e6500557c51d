/*
 * waiting.h - what tests of threads do until another thread is there. It must
 * never wait for ever.
 */
#ifndef RMR_TESTS_WAITING_H
#define RMR_TESTS_WAITING_H

#include <stdlib.h>
#include <time.h>

enum { PATIENCE_S = 60 };

static inline void sleep_us(long us)
{
    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

/* Of a clock of clock_gettime. */
static inline double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Waits until it is at least that; what never comes ends the program. */
static inline void wait_for(_Atomic unsigned *value, unsigned at_least)
{
    double end = seconds(CLOCK_MONOTONIC) + PATIENCE_S;
    while (*value < at_least) {
        if (seconds(CLOCK_MONOTONIC) > end)
            abort();
        sleep_us(20);
    }
}

#endif
