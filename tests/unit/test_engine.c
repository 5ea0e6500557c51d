/*
 * test_engine.c - an engine's threads and what they are given: its options, its
 * counters, that nobody's result depends on company, and that nobody waits for
 * a long list. What is said about order is counted in batches, never timed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/runtime/engine.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/tiny_model.h"

enum { HIDDEN = 24, OTHER_HIDDEN = 36, MINILM_HIDDEN = 384 };

static tiny_model *tiny, *other_tiny;
static rmr_model *model, *other, *minilm;

static int open_models(void **state)
{
    (void)state;
    tiny = tiny_model_new(&(tiny_options){.hidden_size = HIDDEN});
    other_tiny = tiny_model_new(&(tiny_options){.seed = 2,
                                                .hidden_size = OTHER_HIDDEN,
                                                .no_normalize = 1,
                                                .pooling = "max"});
    model = open_directory(tiny->directory);
    other = open_directory(other_tiny->directory);
    minilm = open_minilm();
    return 0;
}

static int close_models(void **state)
{
    (void)state;
    rmr_model_release(model);
    rmr_model_release(other);
    rmr_model_release(minilm);
    tiny_model_free(tiny);
    tiny_model_free(other_tiny);
    return 0;
}

static void embed_one(rmr_engine *engine, rmr_model *of, const char *text,
                      const rmr_embed_options *options, float *vector)
{
    rmr_error err;
    rmr_text one = text_of(text);
    if (rmr_embed(engine, of, &one, 1, options, vector, NULL, &err))
        fail_msg("%s", err.message);
}

/* ----------------------------------------------------------------- options */

static void refused(uint32_t *field, uint32_t value, rmr_engine_options *o,
                    const char *says)
{
    rmr_error err;
    rmr_engine *engine = (rmr_engine *)o;
    uint32_t good = *field;
    *field = value;
    assert_int_equal(rmr_engine_start(&engine, o, &err), RMR_ERR_RANGE);
    assert_null(engine);
    assert_int_equal(err.status, RMR_ERR_RANGE);
    assert_string_equal(err.message, says);
    *field = good;
}

static void absurd_options_are_refused(void **state)
{
    (void)state;
    rmr_engine_options o;
    rmr_engine_options_init(&o);
    refused(&o.threads, 1025, &o, "threads must be from 1 to 1024, not 1025");
    refused(&o.threads, UINT32_MAX, &o,
            "threads must be from 1 to 1024, not 4294967295");
    refused(&o.batch_tokens, 0, &o,
            "batch_tokens must be from 16 to 1048576, not 0");
    refused(&o.batch_tokens, 15, &o,
            "batch_tokens must be from 16 to 1048576, not 15");
    refused(&o.batch_tokens, 1048577, &o,
            "batch_tokens must be from 16 to 1048576, not 1048577");
    refused(&o.queue_jobs, 0, &o,
            "queue_jobs and queue_bytes must be at least 1");
    o.queue_bytes = 0;
    refused(&o.queue_jobs, 1, &o,
            "queue_jobs and queue_bytes must be at least 1");
}

static void options_have_defaults(void **state)
{
    (void)state;
    rmr_engine *engine;
    rmr_engine_options o;
    memset(&o, 0xff, sizeof o);
    rmr_engine_options_init(&o);
    assert_int_equal(o.size, sizeof o);
    assert_int_equal(o.threads, 0);
    assert_int_equal(o.queue_jobs, 1024);
    assert_int_equal(o.queue_bytes, 256 << 20);
    assert_int_equal(o.batch_tokens, 512);
    assert_int_equal(rmr_engine_start(&engine, NULL, NULL), RMR_OK);
    assert_int_equal(engine_info(engine).threads, rmr_cpu_count());
    rmr_engine_stop(engine);
    /* A caller who knows no more than the first field. */
    memset(&o, 0xff, sizeof o);
    o.size = offsetof(rmr_engine_options, queue_jobs);
    o.threads = 3;
    assert_int_equal(rmr_engine_start(&engine, &o, NULL), RMR_OK);
    assert_int_equal(engine_info(engine).threads, 3);
    rmr_engine_stop(engine);
    rmr_engine_stop(NULL);
}

static void engines_of_one_to_eight_threads_start_and_stop(void **state)
{
    (void)state;
    float expected[HIDDEN], vector[HIDDEN];
    for (uint32_t threads = 1; threads <= 8; threads++) {
        rmr_engine *engine = start_engine(threads);
        assert_int_equal(engine_info(engine).threads, threads);
        rmr_engine_stop(engine); /* idle, perhaps not even begun */
        engine = start_engine(threads);
        embed_one(engine, model, "card twice", NULL, vector);
        rmr_engine_stop(engine);
        if (threads == 1)
            memcpy(expected, vector, sizeof expected);
        assert_memory_equal(vector, expected, sizeof expected);
    }
}

static void smallest_and_largest_batches_work(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {16, 1048576};
    float expected[HIDDEN], vector[HIDDEN];
    for (size_t i = 0; i < 2; i++) {
        rmr_engine *engine;
        rmr_engine_options o;
        rmr_engine_options_init(&o);
        o.threads = 2;
        o.batch_tokens = sizes[i];
        assert_int_equal(rmr_engine_start(&engine, &o, NULL), RMR_OK);
        rmr_job *job = start_job(engine, model, "", 1000, NULL, NULL, NULL);
        assert_int_equal(finish_job(job, NULL), RMR_OK);
        embed_one(engine, model, "fish", NULL, i ? vector : expected);
        rmr_engine_stop(engine);
    }
    assert_memory_equal(vector, expected, sizeof expected);
}

/* Runs the check in a process of its own that may have but few threads. */
static int start_fails_without_threads(void)
{
    struct rlimit limit = {2, 2};
    rmr_engine *engine = NULL;
    rmr_error err;
    rmr_engine_options o;
    rmr_engine_options_init(&o);
    o.threads = 8;
    /* A user whom nobody is, where that is allowed. */
    if (setresuid(3999999, 3999999, 3999999) && getuid() == 0)
        return 77;
    if (setrlimit(RLIMIT_NPROC, &limit))
        return 77;
    rmr_status status = rmr_engine_start(&engine, &o, &err);
    if (status == RMR_OK)
        return 78;
    return status == RMR_ERR_DEVICE && !engine && err.status == status &&
                   strstr(err.message, "of 8 cannot be started: ")
               ? 0
               : 1;
}

static void a_thread_that_cannot_start_is_an_error(void **state)
{
    (void)state;
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (!child)
        _exit(start_fails_without_threads());
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ----------------------------------------------------------------- threads */

/* A field of one of our threads, from the files of the kernel. */
static uint64_t blocked_signals(const char *thread)
{
    char path[300], line[256];
    unsigned long long mask = 0;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", thread);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "SigBlk: %llx", &mask);
    if (file)
        fclose(file);
    return mask;
}

static int is_ours(const char *thread)
{
    char path[300], name[64] = "";
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", thread);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    if (!fgets(name, sizeof name, file))
        *name = '\0';
    fclose(file);
    return strcmp(name, "remora\n") == 0;
}

static uint64_t bit(int signal)
{
    return (uint64_t)1 << (signal - 1);
}

/* Calls `check` for every compute thread; returns how many there are. */
static unsigned for_each_thread(void (*check)(const char *thread))
{
    unsigned count = 0;
    struct dirent *entry;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    while ((entry = readdir(tasks))) {
        if (is_ours(entry->d_name)) {
            check(entry->d_name);
            count++;
        }
    }
    closedir(tasks);
    return count;
}

static void check_signals(const char *thread)
{
    uint64_t mask = blocked_signals(thread);
    static const int blocked[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE, SIGALRM,
                                  SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD, SIGCONT,
                                  SIGTSTP, SIGIO,   SIGWINCH};
    static const int open[] = {SIGILL, SIGFPE, SIGSEGV, SIGBUS};
    for (size_t i = 0; i < sizeof blocked / sizeof *blocked; i++)
        assert_true(mask & bit(blocked[i]));
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        assert_false(mask & bit(open[i]));
}

static void threads_leave_signals_to_the_host(void **state)
{
    (void)state;
    sigset_t usr2, before, after;
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    pthread_sigmask(SIG_UNBLOCK, &usr2, NULL);
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    assert_false(sigismember(&before, SIGUSR2));
    rmr_engine *engine = start_engine(3);
    gate_close(engine, model, 3); /* all have begun */
    gate_open();
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (int signal = 1; signal < SIGRTMIN; signal++)
        assert_int_equal(sigismember(&before, signal),
                         sigismember(&after, signal));
    assert_int_equal(for_each_thread(check_signals), 3);
    rmr_engine_stop(engine);
    assert_int_equal(for_each_thread(check_signals), 0);
}

static void check_priority(const char *thread)
{
    errno = 0;
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)atoi(thread)), 0);
    assert_int_equal(errno, 0);
}

static void threads_have_normal_priority(void **state)
{
    (void)state;
    id_t self = (id_t)syscall(SYS_gettid);
    int before = getpriority(PRIO_PROCESS, self);
    if (before || setpriority(PRIO_PROCESS, self, -5))
        skip();
    rmr_engine *engine = start_engine(2);
    int during = getpriority(PRIO_PROCESS, self);
    setpriority(PRIO_PROCESS, self, before);
    gate_close(engine, model, 2); /* both have begun */
    gate_open();
    assert_int_equal(for_each_thread(check_priority), 2);
    rmr_engine_stop(engine);
    assert_int_equal(during, -5);
}

static double cpu_seconds(pthread_t thread)
{
    clockid_t clock;
    struct timespec time;
    assert_int_equal(pthread_getcpuclockid(thread, &clock), 0);
    assert_int_equal(clock_gettime(clock, &time), 0);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void one_job_keeps_every_thread_busy(void **state)
{
    (void)state;
    enum { THREADS = 4, TEXTS = 700 };
    double seconds[THREADS], all = 0;
    tiny_model *wide = tiny_model_new(
        &(tiny_options){.hidden_size = 96, .intermediate_size = 384});
    rmr_model *opened = open_directory(wide->directory);
    rmr_engine *engine = start_engine(THREADS);
    gate_close(engine, model, THREADS); /* all have begun */
    gate_open();
    rmr_job *job = start_job(engine, opened,
                             "twice the fish, twice the card; a1 b2 c3 d4 e5 "
                             "f6 g7 h8 i9 and then",
                             TEXTS, NULL, NULL, NULL);
    rmr_job_wait(job, UINT64_MAX);
    for (int i = 0; i < THREADS; i++)
        all += seconds[i] = cpu_seconds(engine->workers[i].thread);
    /* Each has done a good part of a batch at least. */
    for (int i = 0; i < THREADS; i++)
        assert_true(seconds[i] > all / (double)engine_info(engine).batches / 2);
    assert_int_equal(finish_job(job, NULL), RMR_OK);
    rmr_engine_stop(engine);
    rmr_model_release(opened);
    tiny_model_free(wide);
}

/* As many texts as threads: one for each. */
static void an_idle_engine_spreads_a_small_job(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    rmr_engine *engine = start_engine(THREADS);
    uint64_t before = engine_info(engine).batches;
    rmr_job *job =
        start_job(engine, model, "the card", THREADS, NULL, NULL, NULL);
    assert_int_equal(finish_job(job, NULL), RMR_OK);
    assert_int_equal(engine_info(engine).batches - before, THREADS);
    rmr_engine_stop(engine);
}

/* ---------------------------------------------------------------- counters */

static void counters_count(void **state)
{
    (void)state;
    rmr_engine *engine = start_engine(2);
    rmr_engine_info info = engine_info(engine);
    assert_int_equal(info.size, sizeof info);
    assert_int_equal(info.threads, 2);
    assert_int_equal(info.jobs, 0);
    assert_int_equal(info.batches + info.texts + info.tokens + info.truncated,
                     0);
    /* 2 special tokens each; 30 of the long ones' own are kept. */
    static const char *const texts[] = {"fish", "the card", "",
                                        "! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! "
                                        "! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! !"};
    rmr_text list[4];
    rmr_text_result results[4];
    float vectors[4 * HIDDEN];
    for (int i = 0; i < 4; i++)
        list[i] = text_of(texts[i]);
    assert_int_equal(
        rmr_embed(engine, model, list, 4, NULL, vectors, results, NULL),
        RMR_OK);
    static const uint32_t tokens[] = {3, 4, 2, 32};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(results[i].tokens, tokens[i]);
        assert_int_equal(results[i].truncated, i == 3);
    }
    info = engine_info(engine);
    assert_int_equal(info.texts, 4);
    assert_int_equal(info.tokens, 41);
    assert_int_equal(info.truncated, 1);
    assert_in_range(info.batches, 1, 4);
    rmr_engine_stop(engine);
}

static void info_fills_what_the_caller_knows(void **state)
{
    (void)state;
    rmr_engine *engine = start_engine(2);
    float vector[HIDDEN];
    embed_one(engine, model, "fish", NULL, vector);
    rmr_engine_info info;
    memset(&info, 0xee, sizeof info);
    info.size = offsetof(rmr_engine_info, batches);
    rmr_engine_get_info(engine, &info);
    assert_int_equal(info.size, offsetof(rmr_engine_info, batches));
    assert_int_equal(info.threads, 2);
    assert_int_equal(info.jobs, 0);
    assert_true(info.batches == 0xeeeeeeeeeeeeeeee);
    rmr_engine_stop(engine);
}

/* ----------------------------------------------------------------- numbers */

/* Texts of many lengths, the same for the same number. */
static char *make_text(unsigned number)
{
    static const char *const words[] = {"fish",  "card", "the",  "twice",
                                        "a1b2c", "!",    "fish", "q"};
    uint64_t random = number * 2654435761u + 1;
    size_t count = tiny_random(&random) % 40;
    char *text = calloc(1, count * 6 + 12);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++) {
        strcat(text, words[tiny_random(&random) % 8]);
        strcat(text, " ");
    }
    return text;
}

static void assert_close(const float *a, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!(fabsf(a[i] - b[i]) <= 2e-6f))
            fail_msg("component %zu: %.9g and %.9g", i, (double)a[i],
                     (double)b[i]);
    }
}

static void a_text_alone_has_the_same_bits_everywhere(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "hello", "", "The card was charged twice, please help!",
        "\xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x90\x9f caf\xc3\xa9"};
    static float expected[4][MINILM_HIDDEN], vector[MINILM_HIDDEN];
    for (uint32_t threads = 1; threads <= 3; threads++) {
        rmr_engine *engine = start_engine(threads);
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i < 4; i++) {
                embed_one(engine, minilm, texts[i], NULL, vector);
                if (threads == 1 && round == 0)
                    memcpy(expected[i], vector, sizeof vector);
                assert_memory_equal(vector, expected[i], sizeof vector);
            }
        }
        rmr_engine_stop(engine);
    }
}

/* A list's vectors are those of its texts, in order, whatever the batches. */
static void check_list(rmr_model *of, size_t dim, unsigned count)
{
    rmr_text *texts = calloc(count, sizeof *texts);
    float *vectors = calloc(count * dim, sizeof *vectors);
    float *alone = calloc(dim, sizeof *alone);
    rmr_text_result *results = calloc(count, sizeof *results);
    assert_true(texts && vectors && alone && results);
    for (unsigned i = 0; i < count; i++)
        texts[i] = text_of(make_text(i));
    rmr_engine *engine = start_engine(3);
    assert_int_equal(
        rmr_embed(engine, of, texts, count, NULL, vectors, results, NULL),
        RMR_OK);
    for (unsigned i = 0; i < count; i++) {
        rmr_text_result result;
        assert_int_equal(
            rmr_embed(engine, of, &texts[i], 1, NULL, alone, &result, NULL),
            RMR_OK);
        assert_close(vectors + i * dim, alone, dim);
        assert_int_equal(results[i].tokens, result.tokens);
        assert_int_equal(results[i].truncated, result.truncated);
        free((char *)texts[i].data);
    }
    rmr_engine_stop(engine);
    free(texts);
    free(vectors);
    free(alone);
    free(results);
}

static void a_list_gives_what_its_texts_give(void **state)
{
    (void)state;
    check_list(model, HIDDEN, 700);
    check_list(minilm, MINILM_HIDDEN, 12);
}

static void dimensions_and_normalize(void **state)
{
    (void)state;
    enum { CUT = 7 };
    float raw[HIDDEN], vector[HIDDEN];
    rmr_embed_options o;
    rmr_embed_options_init(&o);
    rmr_engine *engine = start_engine(1);
    o.normalize = RMR_NORMALIZE_OFF;
    embed_one(engine, model, "the card", &o, raw);
    for (size_t dim = 1; dim <= HIDDEN; dim++) {
        double squares = 0;
        o.dimensions = (uint32_t)dim;
        o.normalize = RMR_NORMALIZE_OFF;
        embed_one(engine, model, "the card", &o, vector);
        assert_memory_equal(vector, raw, dim * sizeof *raw);
        for (size_t i = 0; i < dim; i++)
            squares += (double)raw[i] * raw[i];
        o.normalize = dim % 2 ? RMR_NORMALIZE_ON : RMR_NORMALIZE_MODEL;
        embed_one(engine, model, "the card", &o, vector);
        for (size_t i = 0; i < dim; i++)
            assert_true(fabs(vector[i] - raw[i] / sqrt(squares)) < 1e-6);
    }
    rmr_engine_stop(engine);
}

static void a_model_without_normalize_is_left_alone(void **state)
{
    (void)state;
    float off[OTHER_HIDDEN], by_model[OTHER_HIDDEN], on[OTHER_HIDDEN];
    rmr_embed_options o;
    rmr_embed_options_init(&o);
    rmr_engine *engine = start_engine(1);
    embed_one(engine, other, "the card", &o, by_model);
    o.normalize = RMR_NORMALIZE_OFF;
    embed_one(engine, other, "the card", &o, off);
    o.normalize = RMR_NORMALIZE_ON;
    embed_one(engine, other, "the card", &o, on);
    assert_memory_equal(by_model, off, sizeof off);
    assert_memory_not_equal(by_model, on, sizeof on);
    assert_true(fabs(rmr_cosine(on, off, OTHER_HIDDEN) - 1) < 1e-6);
    rmr_engine_stop(engine);
}

/* -------------------------------------------------------------------- load */

typedef struct producer {
    pthread_t thread;
    rmr_engine *engine;
    unsigned number;
    unsigned wrong;
} producer;

enum { PRODUCERS = 8, ROUNDS = 60, KINDS = 16 };

static float expected_vectors[2][KINDS][OTHER_HIDDEN];

/* Two models and lists of one to five, all mixed. */
static void *produce(void *argument)
{
    producer *p = argument;
    uint64_t random = p->number + 1;
    for (int round = 0; round < ROUNDS; round++) {
        size_t which = tiny_random(&random) % 2;
        size_t dim = which ? OTHER_HIDDEN : HIDDEN;
        size_t count = 1 + tiny_random(&random) % 5;
        unsigned kinds[5];
        rmr_text texts[5];
        float vectors[5 * OTHER_HIDDEN];
        for (size_t i = 0; i < count; i++) {
            kinds[i] = (unsigned)(tiny_random(&random) % KINDS);
            texts[i] = text_of(make_text(kinds[i]));
        }
        if (rmr_embed(p->engine, which ? other : model, texts, count, NULL,
                      vectors, NULL, NULL))
            p->wrong++;
        for (size_t i = 0; i < count; i++) {
            for (size_t c = 0; c < dim; c++)
                p->wrong +=
                    !(fabsf(vectors[i * dim + c] -
                            expected_vectors[which][kinds[i]][c]) <= 2e-5f);
            free((char *)texts[i].data);
        }
    }
    return NULL;
}

static void many_producers_get_what_is_theirs(void **state)
{
    (void)state;
    producer producers[PRODUCERS] = {0};
    rmr_engine *engine = start_engine(3);
    for (unsigned kind = 0; kind < KINDS; kind++) {
        char *text = make_text(kind);
        embed_one(engine, model, text, NULL, expected_vectors[0][kind]);
        embed_one(engine, other, text, NULL, expected_vectors[1][kind]);
        free(text);
    }
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i].engine = engine;
        producers[i].number = i;
        assert_int_equal(
            pthread_create(&producers[i].thread, NULL, produce, &producers[i]),
            0);
    }
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(producers[i].thread, NULL);
    for (int i = 0; i < PRODUCERS; i++)
        assert_int_equal(producers[i].wrong, 0);
    assert_int_equal(engine_info(engine).jobs, 0);
    rmr_engine_stop(engine);
}

/* ---------------------------------------------------------------- fairness */

enum { BULK = 2048 };

/* What a single text waits for when a long list is before it in the queue. */
static void a_single_text_shares_the_next_batch(void **state)
{
    (void)state;
    rmr_engine *engine = start_engine(1);
    seen bulk = {.engine = engine}, single = {.engine = engine};
    gate_close(engine, model, 1);
    uint64_t before = engine_info(engine).batches;
    rmr_job *jobs[] = {
        start_job(engine, model, "the card, the fish", BULK, NULL, seen_done,
                  &bulk),
        start_job(engine, model, "fish", 1, NULL, seen_done, &single)};
    gate_open();
    seen_wait(&bulk);
    seen_wait(&single);
    assert_true(single.order < bulk.order);
    assert_int_equal(single.info.batches - before, 1);
    assert_true(bulk.info.batches - before > 20);
    assert_int_equal(finish_job(jobs[0], NULL), RMR_OK);
    assert_int_equal(finish_job(jobs[1], NULL), RMR_OK);
    rmr_engine_stop(engine);
}

static void single_texts_do_not_wait_for_long_lists(void **state)
{
    (void)state;
    enum { LISTS = 8, SINGLES = 50 };
    rmr_engine *engine = start_engine(1);
    seen lists[LISTS], singles[SINGLES];
    rmr_job *jobs[LISTS + SINGLES];
    gate_close(engine, model, 1);
    uint64_t before = engine_info(engine).batches;
    for (int i = 0; i < LISTS; i++) {
        lists[i] = (seen){.engine = engine};
        jobs[i] = start_job(engine, model, "the card", 300, NULL, seen_done,
                            &lists[i]);
    }
    for (int i = 0; i < SINGLES; i++) {
        singles[i] = (seen){.engine = engine};
        jobs[LISTS + i] =
            start_job(engine, model, "fish", 1, NULL, seen_done, &singles[i]);
    }
    gate_open();
    for (int i = 0; i < LISTS + SINGLES; i++)
        assert_int_equal(finish_job(jobs[i], NULL), RMR_OK);
    for (int i = 0; i < SINGLES; i++) {
        seen_wait(&singles[i]);
        assert_in_range(singles[i].info.batches - before, 1, 2);
        assert_true(i == 0 || singles[i - 1].order < singles[i].order);
    }
    for (int i = 0; i < LISTS; i++)
        seen_wait(&lists[i]);
    /* Lists of one length that began together end together. */
    assert_true(lists[LISTS - 1].info.batches - lists[0].info.batches <= 2);
    rmr_engine_stop(engine);
}

/* Starts the next single text from inside the done callback of the last, when
 * the only thread is between two batches of a long list. */
typedef struct relay {
    rmr_engine *engine;
    _Atomic unsigned runners;
    uint64_t batches[6]; /* when each was done */
} relay;

static void pass_on(rmr_job *job, void *user)
{
    relay *r = user;
    rmr_text text = text_of("fish");
    rmr_job *next;
    rmr_job_release(job);
    r->batches[r->runners] = engine_info(r->engine).batches;
    if (r->runners < 5 && rmr_embed_start(r->engine, model, &text, 1, NULL,
                                          pass_on, r, &next, NULL))
        abort();
    r->runners++;
}

static void a_late_single_text_shares_the_next_batch(void **state)
{
    (void)state;
    rmr_engine *engine = start_engine(1);
    relay r = {.engine = engine};
    gate_close(engine, model, 1);
    uint64_t before = engine_info(engine).batches;
    rmr_job *list =
        start_job(engine, model, "the card", BULK, NULL, NULL, NULL);
    start_job(engine, model, "fish", 1, NULL, pass_on, &r);
    gate_open();
    assert_int_equal(finish_job(list, NULL), RMR_OK);
    assert_int_equal(r.runners, 6);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(r.batches[i] - before, 1 + i);
    assert_true(engine_info(engine).batches - before > 12);
    rmr_engine_stop(engine);
}

/* A text may have four times the tokens that its bytes suggest. A batch ends
 * where it is full all the same, and what it holds is done then. */
static void dense_texts_do_not_make_long_batches(void **state)
{
    (void)state;
    enum { BATCH = 16, TEXTS = 10 };
    rmr_engine *engine;
    rmr_engine_options o;
    rmr_engine_options_init(&o);
    o.threads = 1;
    o.batch_tokens = BATCH;
    assert_int_equal(rmr_engine_start(&engine, &o, NULL), RMR_OK);
    seen s[TEXTS];
    rmr_job *jobs[TEXTS];
    gate_close(engine, model, 1);
    uint64_t before = engine_info(engine).batches;
    for (int i = 0; i < TEXTS; i++) {
        s[i] = (seen){.engine = engine};
        /* 8 bytes, which is estimated as 4 tokens, and 10 tokens */
        jobs[i] =
            start_job(engine, model, "!!!!!!!!", 1, NULL, seen_done, &s[i]);
    }
    gate_open();
    for (int i = 0; i < TEXTS; i++) {
        seen_wait(&s[i]);
        assert_int_equal(s[i].info.batches - before, 1 + i / 2);
        assert_int_equal(finish_job(jobs[i], NULL), RMR_OK);
    }
    rmr_engine_stop(engine);
}

/* A body is parsed between two batches of the list, then shares the next. */
static void a_request_shares_the_batch_after_the_next(void **state)
{
    (void)state;
    static const char body[] = "{\"model\":\"tiny\",\"input\":\"fish\"}";
    rmr_named_model named = {"tiny", model};
    rmr_http_options options;
    rmr_http_options_init(&options);
    options.models = &named;
    options.num_models = 1;
    rmr_engine *engine = start_engine(1);
    seen bulk = {.engine = engine}, request = {.engine = engine};
    gate_close(engine, model, 1);
    uint64_t before = engine_info(engine).batches;
    rmr_job *job, *list = start_job(engine, model, "the card", BULK, NULL,
                                    seen_done, &bulk);
    assert_int_equal(rmr_http_embeddings_start(engine, body, sizeof body - 1,
                                               &options, seen_done, &request,
                                               &job, NULL),
                     RMR_OK);
    gate_open();
    seen_wait(&request);
    assert_int_equal(request.info.batches - before, 2);
    seen_wait(&bulk);
    assert_int_equal(finish_job(list, NULL), RMR_OK);
    assert_int_equal(rmr_job_http_reply(job)->status, 200);
    assert_int_equal(finish_job(job, NULL), RMR_OK);
    rmr_engine_stop(engine);
}

/* A batch is of one model; the other's turn comes with the next. */
static void models_take_turns(void **state)
{
    (void)state;
    rmr_engine *engine = start_engine(1);
    seen bulk = {.engine = engine}, single = {.engine = engine};
    gate_close(engine, model, 1);
    uint64_t before = engine_info(engine).batches;
    rmr_job *jobs[] = {
        start_job(engine, model, "the card", BULK, NULL, seen_done, &bulk),
        start_job(engine, other, "fish", 1, NULL, seen_done, &single)};
    gate_open();
    seen_wait(&single);
    assert_int_equal(single.info.batches - before, 2);
    seen_wait(&bulk);
    assert_int_equal(finish_job(jobs[0], NULL), RMR_OK);
    assert_int_equal(finish_job(jobs[1], NULL), RMR_OK);
    rmr_engine_stop(engine);
}

/* ---------------------------------------------------------------- failures */

static void a_text_that_is_too_long_fails_its_job_alone(void **state)
{
    (void)state;
    rmr_error err;
    float expected[HIDDEN], vector[HIDDEN];
    char longer[400];
    memset(longer, '!', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    rmr_text texts[] = {text_of("fish"), text_of("card"), text_of(longer),
                        text_of("twice")};
    rmr_embed_options strict;
    rmr_embed_options_init(&strict);
    strict.truncate = RMR_TRUNCATE_NONE;
    rmr_engine *engine = start_engine(1);
    embed_one(engine, model, "fish", NULL, expected);
    gate_close(engine, model, 1);
    rmr_job *bad, *good[2];
    good[0] = start_job(engine, model, "fish", 1, NULL, NULL, NULL);
    assert_int_equal(rmr_embed_start(engine, model, texts, 4, &strict, NULL,
                                     NULL, &bad, NULL),
                     RMR_OK);
    good[1] = start_job(engine, model, "fish", 3, &strict, NULL, NULL);
    gate_open();
    assert_int_equal(finish_job(bad, &err), RMR_ERR_TOO_LONG);
    assert_string_equal(err.message,
                        "input 2 is longer than the 32 tokens that the model "
                        "takes; shorten it or allow it to be truncated");
    for (int i = 0; i < 2; i++) {
        size_t count, dim;
        rmr_job_wait(good[i], UINT64_MAX);
        const float *vectors = rmr_job_embeddings(good[i], &count, &dim);
        assert_non_null(vectors);
        for (size_t t = 0; t < count; t++)
            assert_close(vectors + t * dim, expected, HIDDEN);
        rmr_job_release(good[i]);
    }
    memset(vector, 0x5a, sizeof vector);
    float before[HIDDEN];
    memcpy(before, vector, sizeof before);
    assert_int_equal(
        rmr_embed(engine, model, &texts[2], 1, &strict, vector, NULL, &err),
        RMR_ERR_TOO_LONG);
    assert_memory_equal(vector, before, sizeof before);
    rmr_engine_stop(engine);
}

/* The last layer's scale is so large that the mean over the tokens of "card
 * twice" overflows, and that over "fish" does not. */
static void a_vector_that_is_not_finite_is_an_error(void **state)
{
    (void)state;
    enum { JOBS = 9 };
    tiny_model *broken = tiny_model_new(
        &(tiny_options){.poison = "encoder.layer.1.output.LayerNorm.weight",
                        .poison_value = 3e38f,
                        .no_normalize = 1});
    rmr_model *opened = open_directory(broken->directory);
    rmr_engine *engine = start_engine(1);
    rmr_job *jobs[JOBS];
    float expected[HIDDEN];
    embed_one(engine, opened, "fish", NULL, expected);
    gate_close(engine, model, 1);
    uint64_t before = engine_info(engine).batches;
    for (int i = 0; i < JOBS; i++)
        jobs[i] = start_job(engine, opened, i % 2 ? "card twice" : "fish", 1,
                            NULL, NULL, NULL);
    gate_open();
    for (int i = 0; i < JOBS; i++) {
        rmr_error err;
        size_t count, dim;
        rmr_job_wait(jobs[i], UINT64_MAX);
        const float *vector = rmr_job_embeddings(jobs[i], &count, &dim);
        if (i % 2) {
            assert_null(vector);
            assert_int_equal(rmr_job_result(jobs[i], &err), RMR_ERR_RANGE);
            assert_non_null(strstr(err.message, "not finite for input 0"));
            assert_non_null(strstr(err.message, broken->directory));
        } else {
            assert_non_null(vector);
            for (size_t c = 0; c < HIDDEN; c++)
                assert_true(fabsf(vector[c] - expected[c]) <=
                            1e-5f * fabsf(expected[c]));
        }
        rmr_job_release(jobs[i]);
    }
    assert_int_equal(engine_info(engine).batches - before, 1);
    rmr_engine_stop(engine);
    rmr_model_release(opened);
    tiny_model_free(broken);
}

/* One text of a batch fails before it is computed, the next one after. */
static void each_text_s_failure_is_its_own(void **state)
{
    (void)state;
    static const rmr_status expected[] = {RMR_OK, RMR_ERR_TOO_LONG,
                                          RMR_ERR_RANGE, RMR_OK, RMR_OK};
    char longer[400];
    memset(longer, '!', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    const char *const texts[] = {"fish", longer, "card twice", "fish", "fish"};
    tiny_model *broken = tiny_model_new(
        &(tiny_options){.poison = "encoder.layer.1.output.LayerNorm.weight",
                        .poison_value = 3e38f,
                        .no_normalize = 1});
    rmr_model *opened = open_directory(broken->directory);
    rmr_embed_options strict;
    rmr_embed_options_init(&strict);
    strict.truncate = RMR_TRUNCATE_NONE;
    rmr_engine *engine = start_engine(1);
    rmr_job *jobs[5];
    gate_close(engine, model, 1);
    for (int i = 0; i < 5; i++)
        jobs[i] = start_job(engine, opened, texts[i], 1, &strict, NULL, NULL);
    gate_open();
    for (int i = 0; i < 5; i++)
        assert_int_equal(finish_job(jobs[i], NULL), expected[i]);
    rmr_engine_stop(engine);
    rmr_model_release(opened);
    tiny_model_free(broken);
}

/* Many threads find failures in one list at once; one of them is told. */
static void a_list_fails_once_on_many_threads(void **state)
{
    (void)state;
    enum { TEXTS = 1500, EVERY = 400, TRIES = 20 };
    char longer[400];
    memset(longer, '!', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    rmr_text *texts = calloc(TEXTS, sizeof *texts);
    for (size_t i = 0; i < TEXTS; i++)
        texts[i] = text_of(i % EVERY == EVERY - 1 ? longer : "the card");
    rmr_embed_options strict;
    rmr_embed_options_init(&strict);
    strict.truncate = RMR_TRUNCATE_NONE;
    tiny_model *deep = tiny_model_new(&(tiny_options){.num_hidden_layers = 40});
    rmr_model *opened = open_directory(deep->directory);
    rmr_engine *engine = start_engine(4);
    for (int i = 0; i < TRIES; i++) {
        rmr_error err;
        rmr_job *list;
        seen s = {0};
        size_t index = 0;
        assert_int_equal(rmr_embed_start(engine, opened, texts, TEXTS, &strict,
                                         seen_done, &s, &list, NULL),
                         RMR_OK);
        rmr_job *good =
            start_job(engine, opened, "fish", 20, &strict, NULL, NULL);
        assert_int_equal(finish_job(list, &err), RMR_ERR_TOO_LONG);
        assert_int_equal(sscanf(err.message, "input %zu is longer", &index), 1);
        assert_int_equal(index % EVERY, EVERY - 1);
        assert_int_equal(finish_job(good, NULL), RMR_OK);
        seen_wait(&s);
        assert_int_equal(s.calls, 1);
    }
    rmr_engine_stop(engine);
    rmr_model_release(opened);
    tiny_model_free(deep);
    free(texts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absurd_options_are_refused),
        cmocka_unit_test(options_have_defaults),
        cmocka_unit_test(engines_of_one_to_eight_threads_start_and_stop),
        cmocka_unit_test(smallest_and_largest_batches_work),
        cmocka_unit_test(a_thread_that_cannot_start_is_an_error),
        cmocka_unit_test(threads_leave_signals_to_the_host),
        cmocka_unit_test(threads_have_normal_priority),
        cmocka_unit_test(one_job_keeps_every_thread_busy),
        cmocka_unit_test(an_idle_engine_spreads_a_small_job),
        cmocka_unit_test(counters_count),
        cmocka_unit_test(info_fills_what_the_caller_knows),
        cmocka_unit_test(a_text_alone_has_the_same_bits_everywhere),
        cmocka_unit_test(a_list_gives_what_its_texts_give),
        cmocka_unit_test(dimensions_and_normalize),
        cmocka_unit_test(a_model_without_normalize_is_left_alone),
        cmocka_unit_test(many_producers_get_what_is_theirs),
        cmocka_unit_test(a_single_text_shares_the_next_batch),
        cmocka_unit_test(single_texts_do_not_wait_for_long_lists),
        cmocka_unit_test(a_late_single_text_shares_the_next_batch),
        cmocka_unit_test(dense_texts_do_not_make_long_batches),
        cmocka_unit_test(a_request_shares_the_batch_after_the_next),
        cmocka_unit_test(models_take_turns),
        cmocka_unit_test(a_text_that_is_too_long_fails_its_job_alone),
        cmocka_unit_test(a_vector_that_is_not_finite_is_an_error),
        cmocka_unit_test(each_text_s_failure_is_its_own),
        cmocka_unit_test(a_list_fails_once_on_many_threads),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}
