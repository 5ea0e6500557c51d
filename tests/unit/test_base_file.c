/*
 * test_base_file.c - mapping files, names that try to leave a directory, and
 * CPU quotas read out of made-up cgroup trees.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "common/base/alloc.h"
#include "common/base/cpu.h"
#include "common/base/file.h"

static int make_directory(void **state)
{
    *state = tiny_directory();
    return 0;
}

static int remove_directory(void **state)
{
    tiny_remove_directory(*state);
    return 0;
}

/* ------------------------------------------------------------------- files */

static void test_map_gives_the_bytes(void **state)
{
    rmr_file file;
    rmr_error err = {0};
    tiny_write(*state, "a", "x\0y\n", 4);
    expect_ok(rmr_file_map(&file, tiny_path(*state, "a"), &err), &err);
    assert_int_equal(file.size, 4);
    assert_memory_equal(file.data, "x\0y\n", 4);
    /* A writer that replaces the file leaves the mapping alone. */
    tiny_write_text(*state, "a", "");
    assert_memory_equal(file.data, "x\0y\n", 4);
    rmr_file_unmap(&file);
    assert_null(file.data);
    assert_int_equal(file.size, 0);
    rmr_file_unmap(&file);
}

static void test_map_of_an_empty_file(void **state)
{
    rmr_file file;
    rmr_error err = {0};
    memset(&file, 0x7f, sizeof file);
    tiny_write_text(*state, "a", "");
    expect_ok(rmr_file_map(&file, tiny_path(*state, "a"), &err), &err);
    assert_null(file.data);
    assert_int_equal(file.size, 0);
    rmr_file_unmap(&file);
}

static void make_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(fd, (void *)&address, sizeof address), 0);
    close(fd);
}

/* None of these is a file with bytes; a fifo without a writer must not make
 * the process wait. */
static void test_map_refuses_what_is_no_file(void **state)
{
    rmr_error err = {0};
    const char *d = *state;
    assert_int_equal(mkdir(tiny_path(d, "directory"), 0755), 0);
    assert_int_equal(mkfifo(tiny_path(d, "fifo"), 0644), 0);
    assert_int_equal(symlink("nowhere", tiny_path(d, "dangling")), 0);
    assert_int_equal(symlink("loop", tiny_path(d, "loop")), 0);
    make_socket(tiny_path(d, "socket"));
    tiny_write_text(d, "file", "x");
    static const struct {
        const char *name;
        rmr_status status;
        const char *reason;
    } bad[] = {
        {"absent", RMR_ERR_IO, "No such file"},
        {"dangling", RMR_ERR_IO, "No such file"},
        {"loop", RMR_ERR_IO, "symbolic links"},
        {"file/below", RMR_ERR_IO, "Not a directory"},
        {"socket", RMR_ERR_IO, "No such device"},
        {"directory", RMR_ERR_FORMAT, "not a regular file"},
        {"fifo", RMR_ERR_FORMAT, "not a regular file"},
    };
    alarm(10);
    for (size_t i = 0; i < LENGTH(bad); i++) {
        rmr_file file = {"x", 1};
        expect_failure(rmr_file_map(&file, tiny_path(d, bad[i].name), &err),
                       &err, bad[i].status, bad[i].name, bad[i].reason);
        assert_null(file.data);
        assert_int_equal(file.size, 0);
        rmr_file_unmap(&file);
    }
    alarm(0);
    rmr_file file;
    expect_failure(rmr_file_map(&file, "", &err), &err, RMR_ERR_IO, ": ");
    expect_failure(rmr_file_map(&file, "/dev/null", &err), &err, RMR_ERR_FORMAT,
                   "/dev/null is not a regular file");
}

static void test_map_leaves_no_descriptor(void **state)
{
    rmr_file file;
    rmr_error err = {0};
    tiny_write_text(*state, "a", "x");
    int before = dup(0);
    close(before);
    for (int i = 0; i < 10; i++) {
        expect_ok(rmr_file_map(&file, tiny_path(*state, "a"), &err), &err);
        rmr_file_unmap(&file);
        assert_int_equal(rmr_file_map(&file, *state, &err), RMR_ERR_FORMAT);
    }
    int after = dup(0);
    close(after);
    assert_int_equal(after, before);
}

static void test_identify(void **state)
{
    rmr_file_id first, other, zero = {0};
    const char *d = *state;
    assert_int_equal(rmr_file_identify(tiny_path(d, "a"), &first), 0);
    assert_memory_equal(&first, &zero, sizeof zero);
    tiny_write_text(d, "a", "x");
    assert_int_equal(symlink("a", tiny_path(d, "b")), 0);
    assert_int_equal(link(tiny_path(d, "a"), tiny_path(d, "c")), 0);
    assert_int_equal(rmr_file_identify(tiny_path(d, "a"), &first), 1);
    assert_int_equal(first.size, 1);
    assert_int_equal(rmr_file_identify(tiny_path(d, "b"), &other), 1);
    assert_memory_equal(&first, &other, sizeof first);
    assert_int_equal(rmr_file_identify(tiny_path(d, "c"), &other), 1);
    assert_memory_equal(&first, &other, sizeof first);
    /* The same bytes in another file, and other bytes in the same one. */
    tiny_write_text(d, "a", "x");
    assert_int_equal(rmr_file_identify(tiny_path(d, "a"), &other), 1);
    assert_memory_not_equal(&first, &other, sizeof first);
    FILE *file = fopen(tiny_path(d, "c"), "ab");
    fputc('y', file);
    fclose(file);
    assert_int_equal(rmr_file_identify(tiny_path(d, "c"), &other), 1);
    assert_int_equal(other.size, 2);
    assert_memory_not_equal(&first, &other, sizeof first);
}

static void test_path_join(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"},   {"/", "b", "/b"},
        {"a", "", "a"},    {"", "b", "/b"},      {"", "", ""},
        {"a/", "", "a/"},  {"a", "b/c", "a/b/c"}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char *path = rmr_path_join(cases[i][0], cases[i][1]);
        assert_string_equal(path, cases[i][2]);
        rmr_free(path);
    }
}

static void test_path_is_inside(void **state)
{
    (void)state;
    static const char *const inside[] = {
        "",    "a",    "1_Pooling", "a/b", "a//b", ".",   "./a",
        "...", "a..b", "..a",       "a..", "a/",   "a/.", ".../b"};
    static const char *const outside[] = {
        "/",      "/a",    "//a",   "..",        "../a",    "a/..",
        "a/../b", "./..",  "a//..", "../",       "a/../..", "a\nb",
        "\x01",   "a\x7f", "a\tb",  "a/b/c/../d"};
    for (size_t i = 0; i < LENGTH(inside); i++)
        assert_int_equal(rmr_path_is_inside(inside[i]), 1);
    for (size_t i = 0; i < LENGTH(outside); i++)
        assert_int_equal(rmr_path_is_inside(outside[i]), 0);
}

/* ------------------------------------------------------------------ quotas */

static uint32_t quota(void **state, const char *self)
{
    tiny_write_text(*state, "self", self);
    return rmr_cgroup_quota(tiny_path(*state, "self"),
                            tiny_path(*state, "cgroup"));
}

static void test_quota_of_version_2(void **state)
{
    const char *d = *state;
    assert_int_equal(quota(state, "0::/a/b/c\n"), 0);
    tiny_write_text(d, "cgroup/a/b/cpu.max", "max 100000\n");
    assert_int_equal(quota(state, "0::/a/b/c\n"), 0);
    tiny_write_text(d, "cgroup/a/b/c/cpu.max", "800000 100000\n");
    assert_int_equal(quota(state, "0::/a/b/c\n"), 8);
    tiny_write_text(d, "cgroup/a/cpu.max", "300000 100000\n");
    assert_int_equal(quota(state, "0::/a/b/c\n"), 3);
    assert_int_equal(quota(state, "0::/a/b/c"), 3);
    assert_int_equal(quota(state, "0::/a/b\n"), 3);
    assert_int_equal(quota(state, "0::/\n"), 0);
    /* A container sees its own cgroup as the mount, under another name. */
    tiny_write_text(d, "cgroup/cpu.max", "250000 100000\n");
    assert_int_equal(quota(state, "0::/gone/elsewhere\n"), 3);
    assert_int_equal(quota(state, "0::/\n"), 3);
    tiny_write_text(d, "cgroup/a/b/c/cpu.max", "100000 100000\n");
    assert_int_equal(quota(state, "0::/a/b/c\n"), 1);
}

static void test_quota_rounds_up(void **state)
{
    static const struct {
        const char *text;
        uint32_t cpus;
    } cases[] = {
        {"100000 100000\n", 1},
        {"100001 100000\n", 2},
        {"150000 100000\n", 2},
        {"50000 100000\n", 1},
        {"1000 1000000\n", 1},
        {"1 9223372036854775807\n", 1},
        {"9223372036854775807 9223372036854775807\n", 1},
        {"4294967295 1\n", UINT32_MAX},
        {"4294967296 1\n", 0},
        {"9223372036854775807 100000\n", 0},
        {"99999999999999999999999 100000\n", 0},
        {"max 100000\n", 0},
        {"max\n", 0},
        {"100000\n", 0},
        {"0 100000\n", 0},
        {"-1 100000\n", 0},
        {"100000 0\n", 0},
        {"100000 -1\n", 0},
        {"many 100000\n", 0},
        {"", 0},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        tiny_write_text(*state, "cgroup/a/cpu.max", cases[i].text);
        assert_int_equal(quota(state, "0::/a\n"), cases[i].cpus);
    }
}

static void test_quota_of_version_1(void **state)
{
    static const char self[] = "12:cpuset:/set\n"
                               "11:memory:/box\n"
                               "4:cpu,cpuacct:/box/inner\n"
                               "1:name=systemd:/box\n";
    const char *d = *state;
    assert_int_equal(quota(state, self), 0);
    tiny_write_text(d, "cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    tiny_write_text(d, "cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota(state, self), 0);
    tiny_write_text(d, "cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "200000\n");
    tiny_write_text(d, "cgroup/cpu,cpuacct/box/cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota(state, self), 2);
    tiny_write_text(d, "cgroup/cpu,cpuacct/box/inner/cpu.cfs_quota_us",
                    "100001\n");
    assert_int_equal(quota(state, self), 2);
    tiny_write_text(d, "cgroup/cpu,cpuacct/box/inner/cpu.cfs_period_us",
                    "200000\n");
    assert_int_equal(quota(state, self), 1);
    /* Other controllers have quotas of other things. */
    tiny_remove(d, "cgroup/cpu,cpuacct/box/inner/cpu.cfs_quota_us");
    tiny_remove(d, "cgroup/cpu,cpuacct/box/cpu.cfs_quota_us");
    tiny_write_text(d, "cgroup/cpuset/set/cpu.cfs_quota_us", "100000\n");
    tiny_write_text(d, "cgroup/cpuset/set/cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota(state, self), 0);
}

static void test_quota_of_both_versions(void **state)
{
    const char *d = *state;
    tiny_write_text(d, "cgroup/cpu/x/cpu.cfs_quota_us", "300000\n");
    tiny_write_text(d, "cgroup/cpu/x/cpu.cfs_period_us", "100000\n");
    tiny_write_text(d, "cgroup/y/cpu.max", "200000 100000\n");
    assert_int_equal(quota(state, "3:cpu:/x\n0::/y\n"), 2);
    assert_int_equal(quota(state, "0::/y\n3:cpu:/x\n"), 2);
    assert_int_equal(quota(state, "3:cpu:/x\n0::/z\n"), 3);
}

static void test_quota_of_strange_lines(void **state)
{
    char line[20000];
    const char *d = *state;
    tiny_write_text(d, "cgroup/a:b/cpu.max", "200000 100000\n");
    assert_int_equal(quota(state, "0::/a:b\n"), 2);
    assert_int_equal(quota(state, ""), 0);
    assert_int_equal(quota(state, "\n\n"), 0);
    assert_int_equal(quota(state, "0"), 0);
    assert_int_equal(quota(state, "0:"), 0);
    assert_int_equal(quota(state, "0::"), 0);
    assert_int_equal(quota(state, "::::"), 0);
    assert_int_equal(quota(state, "junk\n0::/a:b\n"), 2);
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    memcpy(line, "0::/", 4);
    assert_int_equal(quota(state, line), 0);
    memcpy(line, "4:cpu,", 6);
    line[4000] = ':';
    line[4001] = '/';
    assert_int_equal(quota(state, line), 0);
    for (size_t i = 4; i < sizeof line - 1; i++)
        line[i] = i % 2 ? '/' : 'y';
    memcpy(line, "0::/", 4);
    assert_int_equal(quota(state, line), 0);
    assert_int_equal(rmr_cgroup_quota(tiny_path(d, "absent"), d), 0);
    assert_int_equal(rmr_cgroup_quota(d, d), 0);
}

static void test_cpu_count(void **state)
{
    (void)state;
    long online = sysconf(_SC_NPROCESSORS_CONF);
    assert_in_range(rmr_cpu_count(), 1, online);
}

#define in_directory(test)                                                     \
    cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_directory(test_map_gives_the_bytes),
        in_directory(test_map_of_an_empty_file),
        in_directory(test_map_refuses_what_is_no_file),
        in_directory(test_map_leaves_no_descriptor),
        in_directory(test_identify),
        cmocka_unit_test(test_path_join),
        cmocka_unit_test(test_path_is_inside),
        in_directory(test_quota_of_version_2),
        in_directory(test_quota_rounds_up),
        in_directory(test_quota_of_version_1),
        in_directory(test_quota_of_both_versions),
        in_directory(test_quota_of_strange_lines),
        cmocka_unit_test(test_cpu_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
