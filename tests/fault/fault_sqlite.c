/*
 * fault_sqlite.c - the SQLite extension when memory runs out: every allocation
 * of SQLite, and in a build with RMR_FAULT_INJECTION every one of the core,
 * fails in turn, once and for ever, until a clean pass. Whatever fails, the
 * answer is the right one or "out of memory", the connection works afterwards,
 * and closing it leaves no byte. It must never arm a fault while setting a
 * case up.
 */
#include <pthread.h>

#define SQLITE_CORE /* the extension is linked in, not loaded */
#include "common/base/alloc.h"
#include "sqlite-ext/sqlite_ext.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"

int sqlite3_remora_init(sqlite3 *db, char **message,
                        const sqlite3_api_routines *api);

#define MAX_STATEMENTS 8
#define MAX_FAULTS 20000 /* more would be a loop that never gets clean */

/* What happens to SQL while allocations fail. */
typedef struct fault_case {
    const char *name;
    int load_armed;                    /* the extension is loaded armed */
    const char *setup[MAX_STATEMENTS]; /* before */
    const char *armed;                 /* may be run again */
    int code;                          /* of a run without faults */
    const char *answer;                /* its last value, or its error */
} fault_case;

/* ---------------------------------------------- SQLite's allocator, failing */

static struct {
    sqlite3_mem_methods real;
    long countdown; /* 0: off */
    int forever;
    int failed;
    pthread_t owner;
    int strangers; /* allocations from another thread */
} memory;

static int must_fail(void)
{
    if (!pthread_equal(memory.owner, pthread_self()))
        memory.strangers++;
    if (memory.failed && memory.forever && memory.countdown != 0)
        return 1;
    if (memory.countdown <= 0 || --memory.countdown > 0)
        return 0;
    memory.failed = 1;
    if (memory.forever)
        memory.countdown = -1;
    return 1;
}

static void *failing_malloc(int size)
{
    return must_fail() ? NULL : memory.real.xMalloc(size);
}

static void *failing_realloc(void *block, int size)
{
    return must_fail() ? NULL : memory.real.xRealloc(block, size);
}

static void sqlite_fail_at(long nth, int forever)
{
    memory.countdown = nth;
    memory.forever = forever;
    memory.failed = 0;
}

static int sqlite_failed(void)
{
    return memory.failed;
}

/* One source of faults. */
typedef struct fault_source {
    const char *name;
    void (*fail_at)(long nth, int forever);
    int (*failed)(void);
} fault_source;

static const fault_source from_sqlite = {"SQLite", sqlite_fail_at,
                                         sqlite_failed};
#ifdef RMR_FAULT_INJECTION
static void core_fail_at(long nth, int forever)
{
    rmr_alloc_fail_at((uint64_t)nth, forever);
}

static const fault_source from_core = {"the core", core_fail_at,
                                       rmr_alloc_failed};
#endif

/* ------------------------------------------------------------- running SQL */

static tiny_model *tiny; /* answers at once: dim 24, 32 tokens */

/* The last value of the last row. */
static int keep_value(void *answer, int count, char **values, char **names)
{
    const char *value = values[count - 1];

    (void)names;
    snprintf(answer, 512, "%s", value != NULL ? value : "NULL");
    return 0;
}

/* Runs SQL in which $MODEL stands for the model's directory. */
static int run(sqlite3 *db, const char *sql, char answer[512])
{
    char text[8192];
    char *message = NULL;
    const char *at = strstr(sql, "$MODEL");
    int code;

    if (at == NULL)
        snprintf(text, sizeof(text), "%s", sql);
    else
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - sql), sql,
                 tiny->directory, at + strlen("$MODEL"));
    answer[0] = '\0';
    code = sqlite3_exec(db, text, keep_value, answer, &message);
    if (message != NULL)
        snprintf(answer, 512, "%s", message);
    sqlite3_free(message);
    return code;
}

/* odd(n): n bytes of zero at an odd address. */
static void odd(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    static _Alignas(8) char bytes[8192];

    (void)argc;
    sqlite3_result_blob(ctx, bytes + 1, sqlite3_value_int(argv[0]),
                        SQLITE_STATIC);
}

static int load(sqlite3 *db)
{
    char *message = NULL;
    int code = sqlite3_remora_init(db, &message, NULL);

    sqlite3_free(message);
    return code;
}

static void check_answer(const fault_case *c, int code, const char *answer)
{
    if (code != c->code || strstr(answer, c->answer) == NULL)
        fail_msg("%s: %d \"%s\" instead of %d \"%s\"", c->name, code, answer,
                 c->code, c->answer);
}

/* ------------------------------------------------------------- the passes */

/* One connection, with allocation `nth` failing. 1 when it was reached. */
static int pass(const fault_case *c, const fault_source *source, long nth,
                int forever)
{
    sqlite3_int64 before = sqlite3_memory_used();
    sqlite3 *db = NULL;
    char answer[512] = "";
    int code = SQLITE_OK;
    int reached;

    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_create_function(db, "odd", 1, SQLITE_UTF8, NULL,
                                             odd, NULL, NULL),
                     SQLITE_OK);
    if (!c->load_armed)
        assert_int_equal(load(db), SQLITE_OK);
    for (int i = 0; i < MAX_STATEMENTS && c->setup[i] != NULL; i++)
        if (run(db, c->setup[i], answer) != SQLITE_OK)
            fail_msg("%s: %s", c->setup[i], answer);

    source->fail_at(nth, forever);
    if (c->load_armed)
        code = load(db);
    if (code == SQLITE_OK)
        code = run(db, c->armed, answer);
    reached = source->failed();
    source->fail_at(0, 0);

    if (code != SQLITE_NOMEM)
        check_answer(c, code, answer);
    else if (!reached)
        fail_msg("%s: out of memory without a fault", c->name);
    assert_int_equal(load(db), SQLITE_OK);
    code = run(db, c->armed, answer);
    check_answer(c, code, answer);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    if (sqlite3_memory_used() != before)
        fail_msg("%s: fault %ld left %lld bytes", c->name, nth,
                 (long long)(sqlite3_memory_used() - before));
    return reached;
}

static void all_faults(const fault_case *c, const fault_source *source)
{
    for (int forever = 0; forever <= 1; forever++) {
        long nth = 1;

        while (pass(c, source, nth, forever)) {
            nth++;
            assert_true(nth < MAX_FAULTS);
        }
        assert_true(nth > 1); /* something did fail */
        print_message("%s: %ld faults of %s, %s\n", c->name, nth - 1,
                      source->name, forever ? "for ever" : "once");
    }
    assert_int_equal(memory.strangers, 0);
}

/* --------------------------------------------------------------- the cases */

#define INSERT_MODEL                                                           \
    "INSERT OR REPLACE INTO remora_models(name, path) "                        \
    "VALUES ('m', '$MODEL')"
#define LONG_TEXT                                                              \
    "CREATE TABLE t AS SELECT replace(hex(zeroblob(400)), '00', 'a ') AS x"

static const fault_case cases[] = {
    {.name = "load",
     .load_armed = 1,
     .armed = "SELECT embed_to_json(x'0000803f'), count(*) FROM remora_models",
     .answer = "0"},
    {.name = "insert",
     .armed = INSERT_MODEL "; SELECT token_count('a') FROM remora_models",
     .answer = "3"},
    {.name = "insert with everything",
     .armed = "INSERT OR REPLACE INTO remora_models(name, path, dtype) VALUES "
              "('m', '$MODEL', 'f32'); SELECT dtype FROM remora_models",
     .answer = "f32"},
    {.name = "insert of a taken name",
     .setup = {INSERT_MODEL},
     .armed = "INSERT INTO remora_models(name, path) VALUES ('m', '$MODEL')",
     .code = SQLITE_CONSTRAINT,
     .answer = "there is a model named 'm' already"},
    {.name = "insert of a directory that is not there",
     .armed = "INSERT INTO remora_models(name, path) VALUES ('m', '/nowhere')",
     .code = SQLITE_CANTOPEN,
     .answer = "/nowhere"},
    {.name = "insert of a column that is read",
     .armed = "INSERT INTO remora_models(name, path, dim) VALUES ('m', 'm', 1)",
     .code = SQLITE_ERROR,
     .answer = "dim is read from the model"},
    {.name = "update",
     .setup = {INSERT_MODEL},
     .armed = "UPDATE remora_models SET name = 'b'",
     .code = SQLITE_READONLY,
     .answer = "a model cannot be changed"},
    {.name = "list",
     .setup = {INSERT_MODEL},
     .armed = "SELECT group_concat(name || dim || pooling || architecture) "
              "FROM remora_models",
     .answer = "m24meanbert"},
    {.name = "delete while listed",
     .setup = {INSERT_MODEL},
     .armed = INSERT_MODEL "; DELETE FROM remora_models WHERE name IN (SELECT "
                           "name FROM remora_models); SELECT count(*) FROM "
                           "remora_models",
     .answer = "0"},
    {.name = "embed without a model's name",
     .setup = {INSERT_MODEL},
     .armed = "SELECT length(embed('a text'))",
     .answer = "96"},
    {.name = "embed rows with a constant name",
     .setup = {INSERT_MODEL},
     .armed = "SELECT sum(length(embed(column1, 'm'))) FROM (VALUES ('a'), "
              "('b'), (NULL))",
     .answer = "192"},
    {.name = "embed rows with a varying name",
     .setup = {INSERT_MODEL},
     .armed = "SELECT sum(length(embed('a', column1))) FROM (VALUES ('m'), "
              "('m'))",
     .answer = "192"},
    {.name = "embed from UTF-16",
     .setup = {"PRAGMA encoding = 'UTF-16'", INSERT_MODEL,
               "CREATE TABLE t(x, m)", "INSERT INTO t VALUES ('a text', 'm')"},
     .armed = "SELECT length(embed(x, m)) FROM t",
     .answer = "96"},
    {.name = "embed what is cut",
     .setup = {INSERT_MODEL, LONG_TEXT},
     .armed = "SELECT length(embed(x)) FROM t",
     .answer = "96"},
    {.name = "token_count",
     .setup = {INSERT_MODEL, LONG_TEXT},
     .armed = "SELECT token_count(x, 'm') FROM t",
     .answer = "402"},
    {.name = "wrong type",
     .setup = {INSERT_MODEL},
     .armed = "SELECT embed(5)",
     .code = SQLITE_ERROR,
     .answer = "must be TEXT, not INTEGER"},
    {.name = "unknown name",
     .setup = {INSERT_MODEL},
     .armed = "SELECT embed('a', 'b')",
     .code = SQLITE_ERROR,
     .answer = "there is no model named 'b'; registered are 'm'"},
    {.name = "no model",
     .armed = "SELECT embed('a')",
     .code = SQLITE_ERROR,
     .answer = "no model is chosen"},
    {.name = "cosine",
     .armed = "SELECT embed_cosine(x'0000803f00000000', x'0000803f0000803f')",
     .answer = "0.7071"},
    {.name = "cosine of blobs at odd addresses",
     .armed = "SELECT embed_cosine(odd(8), odd(8)) + "
              "embed_cosine(odd(8000), odd(8000))",
     .answer = "0.0"},
    {.name = "cosine of a blob at an odd address and a bad one",
     .armed = "SELECT embed_cosine(odd(8000), 5)",
     .code = SQLITE_ERROR,
     .answer = "argument 2 must be a BLOB"},
    {.name = "cosine of different lengths",
     .armed = "SELECT embed_cosine(x'0000803f', x'0000803f0000803f')",
     .code = SQLITE_ERROR,
     .answer = "1 and 2 components"},
    {.name = "cosine of what is no vector",
     .armed = "SELECT embed_cosine(x'0000803f', x'00')",
     .code = SQLITE_ERROR,
     .answer = "BLOB of 1 bytes"},
    {.name = "cosine of infinity",
     .armed = "SELECT embed_cosine(x'0000803f', x'0000807f')",
     .code = SQLITE_ERROR,
     .answer = "NaN or infinite"},
    {.name = "to json",
     .armed = "SELECT length(embed_to_json(zeroblob(40000)))",
     .answer = "20001"},
};

static const fault_case environment_case = {
    .name = "the model of REMORA_MODEL",
    .armed = "DELETE FROM remora_models; SELECT token_count('a')",
    .answer = "3"};

static const fault_case environment_missing = {
    .name = "REMORA_MODEL names nothing",
    .armed = "SELECT embed('a')",
    .code = SQLITE_CANTOPEN,
    .answer = "environment variable REMORA_MODEL: "};

/* ------------------------------------------------------------------- tests */

static void test_sqlite_allocations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        all_faults(&cases[i], &from_sqlite);
}

static void test_environment_model(void **state)
{
    (void)state;
    setenv("REMORA_MODEL", tiny->directory, 1);
    all_faults(&environment_case, &from_sqlite);
#ifdef RMR_FAULT_INJECTION
    all_faults(&environment_case, &from_core);
#endif
    setenv("REMORA_MODEL", "/nowhere", 1);
    all_faults(&environment_missing, &from_sqlite);
    unsetenv("REMORA_MODEL");
}

#ifdef RMR_FAULT_INJECTION
/* Before any other text: an engine starts once a process. */
static void test_engine_that_cannot_start(void **state)
{
    char answer[512];
    sqlite3 *db = NULL;
    long nth = 0;
    int code;

    (void)state;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(load(db), SQLITE_OK);
    assert_int_equal(run(db, INSERT_MODEL, answer), SQLITE_OK);
    do {
        rmr_alloc_fail_at((uint64_t)++nth, 1);
        code = run(db, "SELECT length(embed('a'))", answer);
        rmr_alloc_fail_at(0, 0);
        assert_true(code == SQLITE_OK || code == SQLITE_NOMEM);
        assert_true(nth < MAX_FAULTS);
    } while (code != SQLITE_OK);
    assert_string_equal(answer, "96");
    assert_true(nth > 1);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_core_allocations(void **state)
{
    static const char *const names[] = {"insert",
                                        "embed without a model's name",
                                        "embed what is cut", "token_count"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        for (size_t j = 0; j < sizeof(cases) / sizeof(cases[0]); j++)
            if (strcmp(names[i], cases[j].name) == 0)
                all_faults(&cases[j], &from_core);
}
#endif

/* -------------------------------------------------------- the queue is full */

#define MAX_JOBS 4096 /* several times what an engine takes by default */

static void *open_later(void *unused)
{
    sleep_ms(100);
    gate_open();
    return unused;
}

static void test_full_queue_is_waited_for(void **state)
{
    static rmr_job *jobs[MAX_JOBS];
    rmr_model *model = open_directory(tiny->directory);
    rmr_text text = text_of("a");
    rmr_error err = {.status = RMR_OK};
    rmr_engine *engine;
    pthread_t thread;
    char answer[512];
    sqlite3 *db = NULL;
    int count = 0;

    (void)state;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(load(db), SQLITE_OK);
    assert_int_equal(run(db, INSERT_MODEL, answer), SQLITE_OK);
    assert_int_equal(rmr_sqlite_engine(&engine, &err), RMR_OK);
    gate_close(engine, model, engine_info(engine).threads);
    while (count < MAX_JOBS &&
           rmr_embed_start(engine, model, &text, 1, NULL, NULL, NULL,
                           &jobs[count], &err) == RMR_OK)
        count++;
    assert_int_equal(err.status, RMR_ERR_BUSY);
    assert_int_equal(pthread_create(&thread, NULL, open_later, NULL), 0);
    if (run(db, "SELECT length(embed('a'))", answer) != SQLITE_OK)
        fail_msg("%s", answer);
    assert_string_equal(answer, "96");
    assert_int_equal(pthread_join(thread, NULL), 0);
    while (count > 0)
        assert_int_equal(finish_job(jobs[--count], &err), RMR_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    rmr_model_release(model);
}

static int setup(void **state)
{
    static sqlite3_mem_methods failing;

    (void)state;
    unsetenv("REMORA_MODEL");
    tiny = tiny_model_new(&(tiny_options){0});
    memory.owner = pthread_self();
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory.real) != SQLITE_OK)
        return -1;
    failing = memory.real;
    failing.xMalloc = failing_malloc;
    failing.xRealloc = failing_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &failing) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK)
        return -1;
    return sqlite3_initialize() == SQLITE_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    tiny_model_free(tiny);
    return sqlite3_memory_used() == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef RMR_FAULT_INJECTION
        cmocka_unit_test(test_engine_that_cannot_start),
        cmocka_unit_test(test_core_allocations),
#endif
        cmocka_unit_test(test_sqlite_allocations),
        cmocka_unit_test(test_environment_model),
        cmocka_unit_test(test_full_queue_is_waited_for),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
