/*
 * cpu.c - how many CPUs this process may use: its affinity mask, cut by the
 * CPU quota of its cgroup and of every cgroup above it. It must never spin up
 * more threads than a container was given, which is what makes peers slow.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/cpu.h"
#include "common/remora.h"

static uint32_t affinity_count(void)
{
    for (int max_cpus = 1024; max_cpus <= 1 << 20; max_cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC(max_cpus);
        if (!set)
            return 1;
        size_t size = CPU_ALLOC_SIZE(max_cpus);
        int failed = sched_getaffinity(0, size, set);
        int count = failed ? 0 : CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (count > 0)
            return (uint32_t)count;
    }
    return 1;
}

/* quota / period in CPUs, rounded up; 0 when there is no limit. */
static uint32_t quota_cpus(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return 0;
    long long cpus = quota / period + (quota % period != 0);
    return cpus > UINT32_MAX ? 0 : (uint32_t)cpus;
}

/* Reads up to two whole numbers; returns how many. "max" reads as none. */
static int read_numbers(const char *path, long long *a, long long *b)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    int count = fscanf(file, "%lld %lld", a, b);
    fclose(file);
    return count < 0 ? 0 : count;
}

/* The quota of one cgroup directory, of version 2 or 1; 0 for none. */
static uint32_t directory_quota(const char *directory)
{
    char path[4352];
    long long quota = 0, period = 0;
    snprintf(path, sizeof path, "%s/cpu.max", directory);
    if (read_numbers(path, &quota, &period) == 2)
        return quota_cpus(quota, period);
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", directory);
    if (read_numbers(path, &quota, &period) != 1)
        return 0;
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", directory);
    if (read_numbers(path, &period, &period) != 1)
        return 0;
    return quota_cpus(quota, period);
}

/* The tightest quota from mount + group up to mount itself; 0 for none. */
static uint32_t hierarchy_quota(const char *mount, const char *group)
{
    char directory[4224];
    uint32_t tightest = 0;
    int len = snprintf(directory, sizeof directory, "%s%s", mount, group);
    if (len < 0 || (size_t)len >= sizeof directory)
        return 0;
    size_t root = strlen(mount);
    for (;;) {
        uint32_t cpus = directory_quota(directory);
        if (cpus && (!tightest || cpus < tightest))
            tightest = cpus;
        char *slash = strrchr(directory, '/');
        if (!slash || (size_t)(slash - directory) < root)
            return tightest;
        *slash = '\0';
    }
}

/* One line of /proc/self/cgroup, "ID:CONTROLLERS:PATH"; returns the path when
 * the line is about CPU quotas, and the mount it belongs under. */
static char *cpu_group(char *line, const char *root, char *mount, size_t size)
{
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path)
        return NULL;
    *path++ = '\0';
    controllers++;
    path[strcspn(path, "\n")] = '\0';
    if (!*controllers) {
        snprintf(mount, size, "%s", root);
        return path;
    }
    int has_cpu = 0;
    char *save = NULL, names[256];
    snprintf(names, sizeof names, "%s", controllers);
    for (char *name = strtok_r(names, ",", &save); name;
         name = strtok_r(NULL, ",", &save))
        has_cpu |= !strcmp(name, "cpu");
    snprintf(mount, size, "%s/%s", root, has_cpu ? controllers : "");
    return has_cpu ? path : NULL;
}

uint32_t rmr_cgroup_quota(const char *self_cgroup, const char *mount_root)
{
    FILE *file = fopen(self_cgroup, "re");
    if (!file)
        return 0;
    char line[4096], mount[512];
    uint32_t tightest = 0;
    while (fgets(line, sizeof line, file)) {
        char *group = cpu_group(line, mount_root, mount, sizeof mount);
        uint32_t cpus = group ? hierarchy_quota(mount, group) : 0;
        if (cpus && (!tightest || cpus < tightest))
            tightest = cpus;
    }
    fclose(file);
    return tightest;
}

uint32_t rmr_cpu_count(void)
{
    uint32_t count = affinity_count();
    uint32_t quota = rmr_cgroup_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    return quota && quota < count ? quota : count;
}
