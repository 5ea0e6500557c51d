/*
 * test_engine_team.c - who computes a batch: all threads of an engine that has
 * nothing else to do, one thread each when it has. The forward pass is one that
 * the test writes, over the teams that the engine gives to its threads. Nothing
 * is timed but the CPU seconds of threads that should rest.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "common/runtime/engine.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "tests/unit/waiting.h"

enum { MAX_MEMBERS = 8 };

static tiny_model *tiny;
static rmr_model *model;  /* computes */
static rmr_model *script; /* does what `pass` says */
static rmr_arch scripted;

/* One pass over a batch: its number among those of the test, and the team. */
static void (*pass)(unsigned number, rmr_team *team);
static rmr_engine *engine;
static _Atomic unsigned passes;

static rmr_worker *this_worker(void)
{
    for (uint32_t i = 0; i < engine->options.threads; i++) {
        if (pthread_equal(engine->workers[i].thread, pthread_self()))
            return &engine->workers[i];
    }
    abort();
}

static int scripted_forward(const void *bound, const rmr_batch *batch,
                            void *scratch, rmr_team *team, rmr_stop *stop,
                            void *context)
{
    (void)bound, (void)stop, (void)context;
    float *hidden = scratch;
    for (size_t i = 0; i < batch->tokens * script->config.hidden_size; i++)
        hidden[i] = 1;
    if (team != this_worker()->workspace.team)
        abort();
    pass(passes++, team);
    return 0;
}

static int open_models(void **state)
{
    (void)state;
    tiny = tiny_model_new(&(tiny_options){.seed = 1});
    model = open_directory(tiny->directory);
    tiny_model *other = tiny_model_new(&(tiny_options){.seed = 2});
    script = open_directory(other->directory);
    tiny_model_free(other);
    scripted = *script->arch;
    scripted.forward = scripted_forward;
    script->arch = &scripted;
    return 0;
}

static int close_models(void **state)
{
    (void)state;
    rmr_model_release(model);
    rmr_model_release(script);
    tiny_model_free(tiny);
    return 0;
}

/* ------------------------------------------------------------------ phases */

/* Who was seen in the phases of a test. */
static _Atomic unsigned units[MAX_MEMBERS]; /* by member */
static _Atomic(rmr_worker *) seen_workers[MAX_MEMBERS];
static _Atomic unsigned num_seen, changed_numbers;

static void see(void *context, size_t unit, unsigned member)
{
    (void)context, (void)unit;
    rmr_worker *worker = this_worker();
    rmr_worker *before = atomic_exchange(&seen_workers[member], worker);
    changed_numbers += before && before != worker;
    num_seen += !before;
    units[member]++;
    sleep_us(20);
}

/* Runs phases until `value` is there. */
static void run_phases_until(rmr_team *team, _Atomic unsigned *value,
                             unsigned at_least)
{
    double end = seconds(CLOCK_MONOTONIC) + PATIENCE_S;
    while (*value < at_least) {
        if (seconds(CLOCK_MONOTONIC) > end)
            abort();
        rmr_team_run(team, 2 * MAX_MEMBERS, see, NULL);
    }
}

static void begin(uint32_t threads,
                  void (*what)(unsigned number, rmr_team *team))
{
    pass = what;
    passes = num_seen = changed_numbers = 0;
    for (int i = 0; i < MAX_MEMBERS; i++) {
        units[i] = 0;
        seen_workers[i] = NULL;
    }
    engine = start_engine(threads);
}

static rmr_job *start_script(void)
{
    return start_job(engine, script, "fish", 1, NULL, NULL, NULL);
}

static void end(rmr_job *job)
{
    assert_int_equal(finish_job(job, NULL), RMR_OK);
    assert_int_equal(changed_numbers, 0);
    for (uint32_t i = 0; i < engine->options.threads; i++) {
        rmr_team *team = engine->workers[i].team;
        assert_true((team != NULL) == (engine->options.threads > 1));
        assert_true(!team || rmr_team_vacancies(team) == 0);
    }
    rmr_engine_stop(engine);
}

static double cpu_seconds(const rmr_worker *worker)
{
    clockid_t clock;
    if (pthread_getcpuclockid(worker->thread, &clock))
        abort();
    return seconds(clock);
}

/* ------------------------------------------------------------------- tests */

static void until_all_are_seen(unsigned number, rmr_team *team)
{
    (void)number;
    run_phases_until(team, &num_seen, rmr_team_members(team));
}

static void a_single_text_is_spread_over_all_threads(void **state)
{
    (void)state;
    for (uint32_t threads = 2; threads <= MAX_MEMBERS; threads++) {
        begin(threads, until_all_are_seen);
        rmr_job *job = start_script();
        assert_int_equal(finish_job(job, NULL), RMR_OK);
        assert_int_equal(num_seen, threads);
        for (uint32_t i = 0; i < threads; i++) {
            for (uint32_t k = 0; k < i; k++)
                assert_ptr_not_equal(seen_workers[i], seen_workers[k]);
        }
        /* Once more, with threads that have come to rest. */
        for (uint32_t i = 0; i < threads; i++)
            seen_workers[i] = NULL;
        num_seen = 0;
        end(start_script());
        assert_int_equal(num_seen, threads);
    }
}

static void note_team(unsigned number, rmr_team *team)
{
    (void)number;
    units[0] = rmr_team_members(team);
    num_seen = team != NULL;
}

static void a_thread_alone_has_no_team(void **state)
{
    (void)state;
    begin(1, note_team);
    end(start_script());
    assert_int_equal(units[0], 1);
    assert_int_equal(num_seen, 0);
}

static rmr_worker *leaders[2];
static rmr_team *teams[2];
static _Atomic unsigned began, ended;

static void side_by_side(unsigned number, rmr_team *team)
{
    leaders[number] = this_worker();
    teams[number] = team;
    began++;
    wait_for(&began, 2);
    for (int i = 0; i < 100; i++)
        rmr_team_run(team, MAX_MEMBERS, see, NULL);
    ended++;
    wait_for(&ended, 2);
}

static void two_texts_have_a_thread_each(void **state)
{
    (void)state;
    begin(2, side_by_side);
    began = ended = 0;
    gate_close(engine, model, 2);
    rmr_job *jobs[] = {start_script(), start_script()};
    gate_open();
    assert_int_equal(finish_job(jobs[0], NULL), RMR_OK);
    assert_int_equal(finish_job(jobs[1], NULL), RMR_OK);
    assert_ptr_not_equal(leaders[0], leaders[1]);
    /* Not invited while the other text waited. */
    assert_true(!teams[0] || !teams[1]);
    assert_int_equal(units[0], 2 * 100 * MAX_MEMBERS);
    assert_int_equal(units[1], 0);
    rmr_engine_stop(engine);
}

static _Atomic unsigned other_done;
static int was_late;

static void unless_the_other_is_done(void *context, size_t unit,
                                     unsigned member)
{
    (void)context, (void)unit, (void)member;
    if (!other_done)
        sleep_us(50);
}

/* A phase of many seconds, but for the other text. */
static void until_the_other_is_done(unsigned number, rmr_team *team)
{
    if (number) {
        other_done = 1;
        return;
    }
    run_phases_until(team, &num_seen, 2);
    began = 1;
    rmr_team_run(team, 200000, unless_the_other_is_done, NULL);
    was_late = !other_done;
    wait_for(&other_done, 1);
}

static void helpers_leave_for_a_new_text(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        begin(2, until_the_other_is_done);
        began = other_done = 0;
        rmr_job *first = start_script();
        wait_for(&began, 1);
        rmr_job *second = start_script();
        assert_int_equal(finish_job(second, NULL), RMR_OK);
        end(first);
        assert_false(was_late);
    }
}

static void until_helped(unsigned number, rmr_team *team)
{
    (void)number;
    for (int i = 0; i < 100; i++)
        rmr_team_run(team, MAX_MEMBERS, see, NULL);
    began = num_seen;
    run_phases_until(team, &num_seen, 2);
}

static void a_thread_that_comes_free_helps(void **state)
{
    (void)state;
    begin(2, until_helped);
    began = 0;
    gate_close(engine, model, 1);
    rmr_job *job = start_script();
    wait_for(&began, 1);
    assert_int_equal(began, 1); /* the other thread was not there */
    gate_open();
    end(job);
}

static double cpu_of_the_pause;

static void pause_between_phases(unsigned number, rmr_team *team)
{
    (void)number;
    run_phases_until(team, &num_seen, 2);
    double before = cpu_seconds(seen_workers[1]);
    sleep_ms(300);
    cpu_of_the_pause = cpu_seconds(seen_workers[1]) - before;
    run_phases_until(team, &units[1], units[1] + 1);
}

static void helpers_rest_when_the_leader_pauses(void **state)
{
    (void)state;
    begin(2, pause_between_phases);
    end(start_script());
    assert_true(cpu_of_the_pause < 0.03);
}

static void idle_threads_take_no_time(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    double before[THREADS];
    begin(THREADS, until_all_are_seen);
    rmr_job *job = start_script();
    assert_int_equal(finish_job(job, NULL), RMR_OK);
    sleep_ms(100);
    for (int i = 0; i < THREADS; i++)
        before[i] = cpu_seconds(&engine->workers[i]);
    sleep_ms(1000);
    for (int i = 0; i < THREADS; i++)
        assert_true(cpu_seconds(&engine->workers[i]) == before[i]);
    rmr_engine_stop(engine);
}

static void until_stopped(unsigned number, rmr_team *team)
{
    (void)number;
    run_phases_until(team, &num_seen, 2);
    began = 1;
    while (!engine->stopping)
        rmr_team_run(team, MAX_MEMBERS, see, NULL);
}

static void an_engine_stops_with_its_helpers(void **state)
{
    (void)state;
    begin(3, until_stopped);
    began = 0;
    rmr_job *job = start_script();
    wait_for(&began, 1);
    rmr_engine_stop(engine);
    finish_job(job, NULL);
}

/* Any of many passes at once, each with its own units. */
enum { PRODUCERS = 3, ROUNDS = 150, PHASES = 6 };

typedef struct phase {
    size_t count;
    unsigned runs[2 * MAX_MEMBERS]; /* plain */
    const struct phase *before;
} phase;

static _Atomic unsigned wrong;

static void run_once(void *context, size_t unit, unsigned member)
{
    phase *p = context;
    wrong += member >= MAX_MEMBERS;
    for (size_t i = 0; p->before && i < p->before->count; i++)
        wrong += p->before->runs[i] != 1;
    p->runs[unit]++;
    if (unit == 3)
        sched_yield();
}

static void count_runs(unsigned number, rmr_team *team)
{
    phase phases[PHASES] = {0};
    for (unsigned i = 0; i < PHASES; i++) {
        phase *p = &phases[i];
        p->count = (number + i * 5) % (2 * MAX_MEMBERS + 1);
        p->before = i ? p - 1 : NULL;
        rmr_team_run(team, p->count, run_once, p);
        for (size_t k = 0; k < 2 * MAX_MEMBERS; k++)
            wrong += p->runs[k] != (k < p->count);
        if ((number + i) % 16 == 0)
            sleep_ms(1);
    }
}

static void *produce(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    for (int i = 0; i < ROUNDS; i++) {
        size_t count = tiny_random(&random) % 8 ? 1 : 5;
        rmr_job *job =
            start_job(engine, script, "fish", count, NULL, NULL, NULL);
        wrong += finish_job(job, NULL) != RMR_OK;
        if (tiny_random(&random) % 4 == 0)
            sleep_us(200);
    }
    return NULL;
}

static void threads_lead_help_and_rest_in_any_order(void **state)
{
    (void)state;
    begin(4, count_runs);
    wrong = 0;
    pthread_t threads[PRODUCERS];
    for (uintptr_t i = 0; i < PRODUCERS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, produce, (void *)(i + 1)), 0);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(wrong, 0);
    rmr_engine_stop(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_text_is_spread_over_all_threads),
        cmocka_unit_test(a_thread_alone_has_no_team),
        cmocka_unit_test(two_texts_have_a_thread_each),
        cmocka_unit_test(helpers_leave_for_a_new_text),
        cmocka_unit_test(a_thread_that_comes_free_helps),
        cmocka_unit_test(helpers_rest_when_the_leader_pauses),
        cmocka_unit_test(idle_threads_take_no_time),
        cmocka_unit_test(an_engine_stops_with_its_helpers),
        cmocka_unit_test(threads_lead_help_and_rest_in_any_order),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}
