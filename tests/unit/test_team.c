/*
 * test_team.c - phases of work shared by a leader and its helpers: every unit
 * runs once, what it wrote is seen, helpers come and go at any time, and the
 * leader waits for nobody who has begun nothing. Written to be run under
 * ThreadSanitizer too: what units write is plain memory. Nothing here must
 * depend on how fast a thread is.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "common/base/team.h"
#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "tests/unit/waiting.h"

enum { MAX_MEMBERS = 6, MAX_UNITS = 48 };

static _Atomic unsigned invitations;

static void count_invitation(void *context)
{
    (void)context;
    invitations++;
}

static rmr_team *new_team(unsigned members)
{
    rmr_team *team = rmr_team_new(members, count_invitation, NULL);
    assert_non_null(team);
    invitations = 0;
    return team;
}

/* ----------------------------------------------------------- one helper */

/* A thread that helps once, or comes back until `keep` is 0. */
typedef struct helper {
    rmr_team *team;
    unsigned member;
    rmr_team_leave *leave;
    _Atomic int keep;
    pthread_t thread;
    int patient;            /* what rmr_team_help said last */
    _Atomic unsigned ended; /* will not be back */
} helper;

static void *run_helper(void *argument)
{
    helper *h = argument;
    do
        h->patient = rmr_team_help(h->team, h->member, h->leave, h);
    while (h->keep);
    h->ended = 1;
    return NULL;
}

static void start_helper(helper *h)
{
    assert_int_equal(pthread_create(&h->thread, NULL, run_helper, h), 0);
}

static void end_helper(helper *h)
{
    assert_int_equal(pthread_join(h->thread, NULL), 0);
}

static _Atomic unsigned asked;  /* how often a helper asked to leave */
static _Atomic unsigned let_go; /* the answer, for some */

static int never(void *context)
{
    (void)context;
    return 0;
}

static int leave_when_let_go(void *context)
{
    (void)context;
    asked++;
    return let_go != 0;
}

static int answer_when_let_go(void *context)
{
    (void)context;
    asked++;
    wait_for(&let_go, 1);
    return 0;
}

/* -------------------------------------------------------------- the basics */

/* What a phase's units did. */
typedef struct record {
    size_t units[MAX_UNITS];
    unsigned members[MAX_UNITS];
    size_t count;
} record;

/* For phases that one thread runs. */
static void remember(void *context, size_t unit, unsigned member)
{
    record *r = context;
    r->units[r->count] = unit;
    r->members[r->count++] = member;
}

static void without_a_team_units_run_in_order(void **state)
{
    (void)state;
    for (size_t count = 0; count <= MAX_UNITS; count++) {
        record r = {0};
        rmr_team_run(NULL, count, remember, &r);
        assert_int_equal(r.count, count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(r.units[i], i);
            assert_int_equal(r.members[i], 0);
        }
    }
    assert_int_equal(rmr_team_members(NULL), 1);
    rmr_team_free(NULL);
}

static void a_leader_alone_does_it_all(void **state)
{
    (void)state;
    rmr_team *team = new_team(4);
    assert_int_equal(rmr_team_members(team), 4);
    for (size_t round = 0; round < 2; round++) {
        for (size_t count = 0; count <= MAX_UNITS; count++) {
            record r = {0};
            rmr_team_run(team, count, remember, &r);
            assert_int_equal(r.count, count);
            for (size_t i = 0; i < count; i++) {
                assert_int_equal(r.units[i], i);
                assert_int_equal(r.members[i], 0);
            }
        }
        rmr_team_open(team);
    }
    rmr_team_free(team);
}

static void vacancies_are_counted(void **state)
{
    (void)state;
    rmr_team *team = new_team(3);
    helper h = {.team = team, .member = 1, .leave = answer_when_let_go};
    assert_int_equal(rmr_team_vacancies(team), 0);
    rmr_team_open(team);
    assert_int_equal(rmr_team_vacancies(team), 2);
    asked = let_go = 0;
    start_helper(&h);
    wait_for(&asked, 1);
    assert_int_equal(rmr_team_vacancies(team), 1);
    rmr_team_close(team);
    assert_int_equal(rmr_team_vacancies(team), 0);
    let_go = 1;
    end_helper(&h);
    rmr_team_open(team);
    assert_int_equal(rmr_team_vacancies(team), 2);
    rmr_team_free(team);
}

static void nothing(void *context, size_t unit, unsigned member)
{
    (void)context, (void)unit, (void)member;
}

static void helpers_are_invited_when_there_is_use_for_them(void **state)
{
    (void)state;
    rmr_team *team = new_team(3);
    helper h = {.team = team, .member = 2, .leave = answer_when_let_go};
    rmr_team_open(team);
    rmr_team_run(team, 0, nothing, NULL);
    rmr_team_run(team, 1, nothing, NULL);
    assert_int_equal(invitations, 0);
    rmr_team_run(team, 2, nothing, NULL);
    assert_int_equal(invitations, 1);
    rmr_team_run(team, 3, nothing, NULL);
    assert_int_equal(invitations, 2);
    /* The last phase had use for two, and this one is the first. */
    asked = let_go = 0;
    start_helper(&h);
    wait_for(&asked, 1);
    assert_int_equal(invitations, 3);
    rmr_team_run(team, 2, nothing, NULL);
    assert_int_equal(invitations, 3);
    rmr_team_run(team, 20, nothing, NULL);
    assert_int_equal(invitations, 4);
    rmr_team_close(team);
    let_go = 1;
    end_helper(&h);
    rmr_team_free(team);
}

/* ---------------------------------------------------------- coming, going */

static void a_helper_goes_when_the_batch_ends(void **state)
{
    (void)state;
    rmr_team *team = new_team(2);
    helper h = {.team = team, .member = 1, .leave = answer_when_let_go};
    assert_int_equal(rmr_team_help(team, 1, never, NULL), 1);
    asked = let_go = 0;
    rmr_team_open(team);
    start_helper(&h);
    wait_for(&asked, 1);
    rmr_team_close(team);
    let_go = 1;
    end_helper(&h);
    assert_int_equal(h.patient, 1);
    rmr_team_free(team);
}

static void a_helper_without_a_phase_gives_up(void **state)
{
    (void)state;
    rmr_team *team = new_team(2);
    rmr_team_open(team);
    double before = seconds(CLOCK_THREAD_CPUTIME_ID);
    assert_int_equal(rmr_team_help(team, 1, never, NULL), 0);
    assert_true(seconds(CLOCK_THREAD_CPUTIME_ID) - before < 5e-3);
    assert_int_equal(rmr_team_vacancies(team), 1);
    rmr_team_free(team);
}

/* A helper that is there but gets no CPU, or does something else. */
static void nobody_waits_for_a_helper_that_began_nothing(void **state)
{
    (void)state;
    rmr_team *team = new_team(2);
    helper h = {.team = team, .member = 1, .leave = answer_when_let_go};
    asked = let_go = 0;
    rmr_team_open(team);
    start_helper(&h);
    wait_for(&asked, 1);
    for (size_t count = 0; count <= MAX_UNITS; count++) {
        record r = {0};
        rmr_team_run(team, count, remember, &r);
        assert_int_equal(r.count, count);
    }
    rmr_team_close(team);
    let_go = 1;
    end_helper(&h);
    rmr_team_free(team);
}

/* A phase in which the helper's unit begins before the leader's ends, and takes
 * long. */
typedef struct long_unit {
    _Atomic unsigned begun;
    unsigned done; /* plain: the end of the phase makes it visible */
} long_unit;

static void take_long(void *context, size_t unit, unsigned member)
{
    long_unit *l = context;
    (void)unit;
    if (!member) {
        wait_for(&l->begun, 1);
        return;
    }
    l->begun = 1;
    sleep_us(30 * 1000);
    l->done = 1;
}

static void the_leader_waits_for_units_in_progress(void **state)
{
    (void)state;
    rmr_team *team = new_team(2);
    helper h = {.team = team, .member = 1, .leave = never, .keep = 1};
    long_unit l = {0};
    rmr_team_open(team);
    start_helper(&h);
    rmr_team_run(team, 2, take_long, &l);
    assert_int_equal(l.done, 1);
    h.keep = 0;
    rmr_team_close(team);
    end_helper(&h);
    rmr_team_free(team);
}

/* A phase during which the helper is called away from its first unit. */
typedef struct called_away {
    helper helper;
    unsigned units[2]; /* by the leader, by the helper */
} called_away;

static void call_away(void *context, size_t unit, unsigned member)
{
    called_away *c = context;
    (void)unit;
    c->units[member]++;
    if (!member) {
        wait_for(&c->helper.ended, 1);
        return;
    }
    c->helper.keep = 0;
    let_go = 1;
}

static void a_helper_leaves_after_its_unit(void **state)
{
    (void)state;
    rmr_team *team = new_team(2);
    called_away c = {
        .helper = {
            .team = team, .member = 1, .leave = leave_when_let_go, .keep = 1}};
    let_go = 0;
    rmr_team_open(team);
    start_helper(&c.helper);
    rmr_team_run(team, 20, call_away, &c);
    assert_int_equal(c.units[0], 19);
    assert_int_equal(c.units[1], 1);
    end_helper(&c.helper);
    assert_int_equal(c.helper.patient, 1);
    rmr_team_free(team);
}

/* ------------------------------------------------------------------ chance */

/* Phases of random size in which each unit reads what three units of the last
 * phase wrote; helpers come, dawdle and leave at random. */
typedef struct crew {
    rmr_team *team;
    unsigned members;
    _Atomic int stop;
    _Atomic unsigned busy[MAX_MEMBERS]; /* inside a unit with that number */
    _Atomic unsigned wrong, helped;

    /* Plain, and written by units. */
    size_t last_count, count;
    uint64_t values[2][MAX_UNITS];
    unsigned runs[MAX_UNITS];
    unsigned which; /* of `values` this phase writes */
    uint64_t dawdle;
} crew;

typedef struct crew_helper {
    crew *crew;
    unsigned member;
    uint64_t random;
    pthread_t thread;
} crew_helper;

static void dawdle(uint64_t random)
{
    switch (random % 64) {
    case 0:
        sleep_us(20);
        break;
    case 1:
    case 2:
        sched_yield();
        break;
    default:
        for (volatile unsigned i = 0; i < random % 64 * 4; i++)
            continue;
    }
}

static uint64_t mix(const uint64_t *last, size_t last_count, size_t unit)
{
    uint64_t value = unit + 1;
    for (size_t i = 0; i < 3 && last_count; i++)
        value =
            value * 6364136223846793005u + last[unit * (i + 3) % last_count];
    return value;
}

static void crew_unit(void *context, size_t unit, unsigned member)
{
    crew *c = context;
    if (member >= c->members || unit >= c->count) {
        c->wrong++;
        return;
    }
    c->wrong += c->busy[member]++ != 0;
    dawdle(c->dawdle + unit * 7 + member);
    c->runs[unit]++;
    c->values[c->which][unit] = mix(c->values[!c->which], c->last_count, unit);
    c->helped += member != 0;
    c->busy[member]--;
}

static int leave_by_chance(void *context)
{
    crew_helper *h = context;
    uint64_t random = tiny_random(&h->random);
    if (random % 512 == 0)
        dawdle(random / 512);
    return random % 128 == 1;
}

static void *crew_help(void *argument)
{
    crew_helper *h = argument;
    while (!h->crew->stop) {
        rmr_team_help(h->crew->team, h->member, leave_by_chance, h);
        dawdle(tiny_random(&h->random));
    }
    return NULL;
}

static void crew_phase(crew *c, uint64_t *random, size_t count)
{
    uint64_t expected[MAX_UNITS];
    c->last_count = c->count;
    c->count = count;
    c->which = !c->which;
    c->dawdle = tiny_random(random);
    memset(c->runs, 0, sizeof c->runs);
    for (size_t i = 0; i < count; i++)
        expected[i] = mix(c->values[!c->which], c->last_count, i);
    rmr_team_run(c->team, count, crew_unit, c);
    for (size_t i = 0; i < MAX_UNITS; i++)
        assert_int_equal(c->runs[i], i < count);
    assert_memory_equal(c->values[c->which], expected,
                        count * sizeof *expected);
}

static void run_crew(unsigned members, uint64_t seed, unsigned phases)
{
    crew c = {.team = new_team(members), .members = members};
    crew_helper helpers[MAX_MEMBERS];
    uint64_t random = seed;
    for (unsigned i = 1; i < members; i++) {
        helpers[i] = (crew_helper){&c, i, seed + i, 0};
        assert_int_equal(
            pthread_create(&helpers[i].thread, NULL, crew_help, &helpers[i]),
            0);
    }
    rmr_team_open(c.team);
    for (unsigned i = 0; i < phases; i++) {
        uint64_t kind = tiny_random(&random);
        size_t count = kind % 4 ? kind / 4 % 4 : kind / 4 % (MAX_UNITS + 1);
        crew_phase(&c, &random, count);
        if (kind % 32 == 5) {
            rmr_team_close(c.team);
            dawdle(kind / 32);
            rmr_team_open(c.team);
        }
    }
    rmr_team_close(c.team);
    c.stop = 1;
    for (unsigned i = 1; i < members; i++)
        pthread_join(helpers[i].thread, NULL);
    assert_int_equal(c.wrong, 0);
    assert_true(members == 1 || c.helped > 0);
    rmr_team_free(c.team);
}

static void every_unit_runs_once_whoever_helps(void **state)
{
    (void)state;
    for (unsigned members = 1; members <= MAX_MEMBERS; members++)
        run_crew(members, members * 1000, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_team_units_run_in_order),
        cmocka_unit_test(a_leader_alone_does_it_all),
        cmocka_unit_test(vacancies_are_counted),
        cmocka_unit_test(helpers_are_invited_when_there_is_use_for_them),
        cmocka_unit_test(a_helper_goes_when_the_batch_ends),
        cmocka_unit_test(a_helper_without_a_phase_gives_up),
        cmocka_unit_test(nobody_waits_for_a_helper_that_began_nothing),
        cmocka_unit_test(the_leader_waits_for_units_in_progress),
        cmocka_unit_test(a_helper_leaves_after_its_unit),
        cmocka_unit_test(every_unit_runs_once_whoever_helps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
