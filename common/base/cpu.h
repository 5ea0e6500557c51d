/*
 * cpu.h - the part of CPU counting that tests aim at made-up files; callers
 * want rmr_cpu_count of remora.h.
 */
#ifndef RMR_BASE_CPU_H
#define RMR_BASE_CPU_H

#include <stdint.h>

/* CPUs that the CPU quota of this process's cgroups allows, rounded up; 0 for
 * no limit. self_cgroup: a file like /proc/self/cgroup; mount_root: a tree
 * like /sys/fs/cgroup (version 2, or one folder per controller of version 1).
 */
uint32_t rmr_cgroup_quota(const char *self_cgroup, const char *mount_root);

#endif
