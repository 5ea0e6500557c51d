/*
 * team.c - phases that are claimed unit by unit, through atomics alone. It must
 * never read what describes a phase without holding a unit of it.
 *
 * Why this is right. The leader writes the plain fields `task`, `context` and
 * `count`, then releases `unclaimed` = count. A unit is claimed by taking one
 * off `unclaimed` where that leaves it at 0 or more; the claim, an acquire,
 * reads the leader's store or a number that other claims made of it, which is
 * of the same release sequence. So whoever has claimed a unit sees the phase,
 * and all that the leader saw when it began. The fields then cannot change,
 * since the leader begins no other phase before every unit is done: helpers
 * add theirs to `done` as a release, and the leader acquires the sum. That
 * passes on what the units wrote, to the leader and so to the next phase.
 *
 * A helper may look during one phase and subtract during a later one: what it
 * gets is a good claim of the later one. Where it gets 0 or less it has none,
 * and the store that begins the next phase undoes the subtraction. Between two
 * reports to `done` a helper cannot meet two phases, since the first of them
 * does not end without the report.
 */
#include "common/base/team.h"

#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "common/base/alloc.h"

enum {
    LINE = 64,              /* bytes that travel between CPUs as one */
    POLLS_A_CHECK = 32,     /* between two looks at the clock */
    POLLS_AT_ONCE = 4096,   /* by the leader, before it yields its CPU */
    PATIENCE_NS = 50 * 1000 /* of a helper without a phase */
};

struct rmr_team {
    unsigned members;
    rmr_team_invite *invite;
    void *invite_context;

    /* The leader's, and for those who hold a unit. */
    alignas(LINE) _Atomic ptrdiff_t unclaimed;
    size_t count;
    rmr_team_task *task;
    void *context;
    _Atomic unsigned wanted; /* helpers that the last phase had use for */

    alignas(LINE) _Atomic size_t done; /* by helpers, of this phase */

    alignas(LINE) _Atomic int open;
    _Atomic unsigned helpers;
};

/* Tells the CPU that this thread polls. */
static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

rmr_team *rmr_team_new(unsigned members, rmr_team_invite *invite, void *context)
{
    rmr_team *team = rmr_malloc_aligned(sizeof *team);
    if (!team)
        return NULL;
    team->members = members;
    team->invite = invite;
    team->invite_context = context;
    atomic_init(&team->unclaimed, 0);
    atomic_init(&team->wanted, 0);
    atomic_init(&team->done, 0);
    atomic_init(&team->open, 0);
    atomic_init(&team->helpers, 0);
    return team;
}

void rmr_team_free(rmr_team *team)
{
    rmr_free(team);
}

void rmr_team_open(rmr_team *team)
{
    atomic_store_explicit(&team->open, 1, memory_order_relaxed);
}

void rmr_team_close(rmr_team *team)
{
    atomic_store_explicit(&team->open, 0, memory_order_relaxed);
}

unsigned rmr_team_members(const rmr_team *team)
{
    return team ? team->members : 1;
}

unsigned rmr_team_vacancies(const rmr_team *team)
{
    unsigned helpers =
        atomic_load_explicit(&team->helpers, memory_order_relaxed);
    int open = atomic_load_explicit(&team->open, memory_order_relaxed);
    return open && helpers + 1 < team->members ? team->members - 1 - helpers
                                               : 0;
}

static void invite_if_wanted(rmr_team *team)
{
    if (atomic_load_explicit(&team->helpers, memory_order_relaxed) <
        atomic_load_explicit(&team->wanted, memory_order_relaxed))
        team->invite(team->invite_context);
}

/* Claims a unit and runs it; 0 when none is left. */
static int run_unit(rmr_team *team, unsigned member)
{
    /* Looking comes first, so that those who wait do not write. */
    if (atomic_load_explicit(&team->unclaimed, memory_order_relaxed) <= 0)
        return 0;
    ptrdiff_t left =
        atomic_fetch_sub_explicit(&team->unclaimed, 1, memory_order_acquire);
    if (left <= 0)
        return 0;
    team->task(team->context, team->count - (size_t)left, member);
    return 1;
}

static void begin_phase(rmr_team *team, size_t count, rmr_team_task *task,
                        void *context)
{
    size_t useful = count < team->members ? count : team->members;
    team->count = count;
    team->task = task;
    team->context = context;
    atomic_store_explicit(&team->wanted, (unsigned)useful - 1,
                          memory_order_relaxed);
    atomic_store_explicit(&team->done, 0, memory_order_relaxed);
    atomic_store_explicit(&team->unclaimed, (ptrdiff_t)count,
                          memory_order_release);
}

static void wait_for_helpers(const rmr_team *team, size_t units)
{
    unsigned polls = 0;
    while (atomic_load_explicit(&team->done, memory_order_acquire) != units) {
        if (polls++ < POLLS_AT_ONCE)
            relax();
        else
            sched_yield();
    }
}

void rmr_team_run(rmr_team *team, size_t count, rmr_team_task *task,
                  void *context)
{
    if (!team || count < 2) {
        for (size_t unit = 0; unit < count; unit++)
            task(context, unit, 0);
        return;
    }
    begin_phase(team, count, task, context);
    invite_if_wanted(team);
    size_t own = 0;
    while (run_unit(team, 0))
        own++;
    wait_for_helpers(team, count - own);
}

/* Runs units of the present phase, if there is one; returns how many. */
static size_t help_phase(rmr_team *team, unsigned member, rmr_team_leave *leave,
                         void *context)
{
    size_t units = 0;
    while (!leave(context) && run_unit(team, member))
        units++;
    if (units)
        atomic_fetch_add_explicit(&team->done, units, memory_order_release);
    return units;
}

int rmr_team_help(rmr_team *team, unsigned member, rmr_team_leave *leave,
                  void *context)
{
    int patient = 1;
    unsigned polls = 0;
    uint64_t since = 0;
    atomic_fetch_add_explicit(&team->helpers, 1, memory_order_relaxed);
    invite_if_wanted(team);
    while (patient && !leave(context) &&
           atomic_load_explicit(&team->open, memory_order_relaxed)) {
        if (help_phase(team, member, leave, context)) {
            polls = 0;
            continue;
        }
        relax();
        if (++polls % POLLS_A_CHECK)
            continue;
        uint64_t now = now_ns();
        if (polls == POLLS_A_CHECK)
            since = now;
        patient = now - since < PATIENCE_NS;
    }
    atomic_fetch_sub_explicit(&team->helpers, 1, memory_order_relaxed);
    return patient;
}
