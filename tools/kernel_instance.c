/* SPDX-License-Identifier: MIT */
/* Tracing of kmem events through tracefs: see kernel_instance.h. */
#include "tools/kernel_instance.h"

#include "sim/array.h"
#include "sim/error.h"
#include "traces/import/source.h"
#include "traces/import/symbols.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tracefs.h>
#include <unistd.h>

/*
 * `mono` is what user space reads as CLOCK_MONOTONIC, and one clock for all CPUs. `global` is one
 * too, but takes a lock that all CPUs share at each event: it would add contention of its own to
 * what is recorded. `local`, the default, differs from CPU to CPU.
 */
#define CLOCK         "mono"
#define INSTANCE_NAME "slablab-%ld" /* of the process that records */

/* Readers are woken when their buffer is this full: three quarters are left while they come. */
#define WAKE_PERCENT "25"

static const struct {
    const char *name;
    bool needed; /* kernels before 6.1 have one of its own for allocations on a node */
} events[] = {
    {"kmalloc", true},         {"kmem_cache_alloc", true}, {"kfree", true},
    {"kmem_cache_free", true}, {"kmalloc_node", false},    {"kmem_cache_alloc_node", false},
};
enum { EVENTS = sizeof events / sizeof *events };

static int refused(const char *folder, const char *what, struct error *error)
{
    int code = errno ? errno : EIO;

    if (code != EACCES && code != EPERM && code != EROFS)
        return error_set(error, code, "%s: cannot %s: %s", folder, what, strerror(code));
    return error_set(error, code,
                     "%s: cannot %s: %s; run as root, or as a member of a group that may write "
                     "there (mount -o remount,gid=GROUP,mode=770 %s)",
                     folder, what, strerror(code), folder);
}

/* ---- what there is ---- */

/* The folder of tracefs, wherever it is mounted. It is not mounted by us: that would stay. */
static int find_tracefs(const char **found, struct error *error)
{
    static const char *folder; /* kept: libtracefs does not say whose it is */

    if (tracefs_tracing_dir_is_mounted(false, &folder) != 1 || !folder)
        return error_set(error, ENOENT,
                         "tracefs is not mounted; as root: mount -t tracefs nodev "
                         "/sys/kernel/tracing");
    *found = folder;
    if (access(folder, R_OK | X_OK) != 0)
        return refused(folder, "look into it", error);
    return 0;
}

static int check_events(const char *folder, struct error *error)
{
    char path[PATH_MAX];

    for (int i = 0; i < EVENTS; i++) {
        snprintf(path, sizeof path, "%s/events/kmem/%s/format", folder, events[i].name);
        if (!events[i].needed || access(path, R_OK) == 0)
            continue;
        if (errno != ENOENT)
            return refused(path, "read it", error);
        return error_set(error, ENOTSUP,
                         "%s: this kernel has no event kmem:%s; it needs CONFIG_TRACEPOINTS and "
                         "CONFIG_EVENT_TRACING",
                         path, events[i].name);
    }
    return 0;
}

enum { FORMAT_MOST = 1 << 20 }; /* bytes, a hundred times as much as one has */

static int parse_header(struct tep_handle *tep, const char *text, size_t length)
{
    return tep_parse_header_page(tep, (char *)text, length, sizeof(long));
}

static int parse_event(struct tep_handle *tep, const char *text, size_t length)
{
    return tep_parse_event(tep, text, length, "kmem");
}

/* What cannot be parsed is left out, which shows when a field is looked up. */
static int load_format(struct tep_handle *tep, const char *path,
                       int (*parse)(struct tep_handle *, const char *, size_t), struct error *error)
{
    const struct import_options options = {0};
    struct import_source source;
    const char *text;
    size_t length;
    int code = import_source_open(&source, path, &options, error);

    if (code)
        return code;
    code = import_source_look(&source, FORMAT_MOST, &text, &length, error);
    errno = 0;
    if (!code && parse(tep, text, length) && errno == ENOMEM)
        code = error_set(error, ENOMEM, "%s: no memory for the format", path);
    import_source_close(&source);
    return code;
}

/*
 * Not by tracefs_local_events_system: it reads all symbols, and the names of all programs, which
 * takes most of the start and which nobody asked for; it frees twice where a read fails.
 */
static int load_events(struct tep_handle *tep, const char *folder, struct error *error)
{
    char path[PATH_MAX];
    int code;

    tep_set_file_bigendian(tep, tep_is_bigendian() ? TEP_BIG_ENDIAN : TEP_LITTLE_ENDIAN);
    tep_set_local_bigendian(tep, tep_is_bigendian() ? TEP_BIG_ENDIAN : TEP_LITTLE_ENDIAN);
    tep_set_long_size(tep, sizeof(long));
    snprintf(path, sizeof path, "%s/events/header_page", folder);
    code = load_format(tep, path, parse_header, error);
    for (int i = 0; !code && i < EVENTS; i++) {
        snprintf(path, sizeof path, "%s/events/kmem/%s/format", folder, events[i].name);
        if (events[i].needed || access(path, F_OK) == 0)
            code = load_format(tep, path, parse_event, error);
    }
    return code;
}

static int load_formats(struct kernel_instance *instance, const char *folder, struct error *error)
{
    int code;

    instance->tep = tep_alloc();
    if (!instance->tep)
        return error_set(error, ENOMEM, "no memory for the formats of the kmem events");
    code = load_events(instance->tep, folder, error);
    if (code)
        return code;
    instance->page_bytes = (size_t)tep_get_sub_buffer_size(instance->tep);
    if (instance->page_bytes < 64 || instance->page_bytes % 64 != 0)
        return error_set(error, EIO,
                         "%s/events/header_page: pages of %zu bytes; expected 4096 or "
                         "another multiple of 64",
                         folder, instance->page_bytes);
    return 0;
}

static int list_cpus(struct kernel_instance *instance, struct error *error)
{
    char path[PATH_MAX + 16];
    const struct dirent *entry;
    size_t room = 0;
    DIR *folder;
    int code = 0;

    snprintf(path, sizeof path, "%s/per_cpu", instance->folder);
    folder = opendir(path);
    if (!folder)
        return refused(path, "list it", error);
    while (!code && (entry = readdir(folder))) {
        uint32_t cpu;

        if (sscanf(entry->d_name, "cpu%u", &cpu) != 1)
            continue;
        code = array_grow((void **)&instance->cpus, &room, instance->nr_cpus + 1,
                          sizeof *instance->cpus);
        if (!code)
            instance->cpus[instance->nr_cpus++] = cpu;
    }
    closedir(folder);
    if (!code && !instance->nr_cpus)
        return error_set(error, ENOENT, "%s: no CPU there", path);
    return code ? error_set(error, -code, "%s: %s", path, strerror(-code)) : 0;
}

/* ---- the instance ---- */

static int set(const struct kernel_instance *instance, const char *file, const char *value,
               struct error *error)
{
    errno = 0;
    if (tracefs_instance_file_write(instance->tracefs, file, value) >= 0)
        return 0;
    return error_set(error, errno ? errno : EIO, "%s/%s: cannot set it to %s: %s", instance->folder,
                     file, value, strerror(errno ? errno : EIO));
}

static int set_buffers(struct kernel_instance *instance, uint64_t bytes, struct error *error)
{
    long long made;
    char kib[32];
    int code;

    snprintf(kib, sizeof kib, "%llu", (unsigned long long)(bytes + 1023) / 1024);
    code = set(instance, "buffer_size_kb", kib, error);
    if (code == -ENOMEM)
        return error_set(error, ENOMEM,
                         "%s/buffer_size_kb: no memory for buffers of %s KiB on each CPU; ask for "
                         "less with --buffer-size",
                         instance->folder, kib);
    if (code)
        return code;
    instance->buffer_kib = (bytes + 1023) / 1024;
    if (tracefs_instance_file_read_number(instance->tracefs, "buffer_size_kb", &made) == 0)
        instance->buffer_kib = (uint64_t)made;
    if (tracefs_file_exists(instance->tracefs, "buffer_percent")) /* since Linux 4.20 */
        code = set(instance, "buffer_percent", WAKE_PERCENT, error);
    return code;
}

/* By their files: tracefs_event_enable looks for them by a pattern, and crashes without memory. */
static int enable_events(struct kernel_instance *instance, struct error *error)
{
    char file[64];
    int code = 0;

    for (int i = 0; !code && i < EVENTS; i++) {
        snprintf(file, sizeof file, "events/kmem/%s/enable", events[i].name);
        if (events[i].needed || tracefs_file_exists(instance->tracefs, file))
            code = set(instance, file, "1", error);
    }
    return code;
}

/*
 * A recorder that was killed has left its instance behind, and the kernel goes on recording into
 * it. One that runs in another container has a number that is nobody's here, too, but its instance
 * is in use and cannot be removed.
 */
static unsigned remove_left_behind(const char *folder)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    unsigned removed = 0;
    DIR *instances;

    snprintf(path, sizeof path, "%s/instances", folder);
    instances = opendir(path);
    while (instances && (entry = readdir(instances))) {
        long pid;
        int end = 0;

        if (sscanf(entry->d_name, INSTANCE_NAME "%n", &pid, &end) != 1 || entry->d_name[end] ||
            pid <= 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH)
            continue;
        snprintf(path, sizeof path, "%s/instances/%s", folder, entry->d_name);
        removed += rmdir(path) == 0;
    }
    if (instances)
        closedir(instances);
    return removed;
}

static int make_instance(struct kernel_instance *instance, const char *folder, struct error *error)
{
    char name[32];

    instance->removed = remove_left_behind(folder);
    snprintf(name, sizeof name, INSTANCE_NAME, (long)getpid());
    if (snprintf(instance->folder, sizeof instance->folder, "%s/instances/%s", folder, name) >=
        (int)sizeof instance->folder)
        return error_set(error, ENAMETOOLONG, "%s: its path is too long", folder);
    errno = 0;
    instance->tracefs = tracefs_instance_create(name);
    if (!instance->tracefs) {
        snprintf(instance->folder, sizeof instance->folder, "%s/instances", folder);
        return refused(instance->folder, "make an instance there", error);
    }
    if (tracefs_instance_is_new(instance->tracefs))
        return 0;
    tracefs_instance_free(instance->tracefs);
    instance->tracefs = NULL;
    return error_set(error, EEXIST,
                     "%s is there already, of a recorder that was killed or one in another "
                     "container; if of none that runs: rmdir %s",
                     instance->folder, instance->folder);
}

int kernel_instance_load_symbols(struct kernel_instance *instance, struct error *error)
{
    int code = symbols_read_file(instance->tep, "/proc/kallsyms", error);

    return code == -EINVAL || code == -EACCES || code == -ENOENT ? 0 : code;
}

int kernel_instance_create(struct kernel_instance *instance, uint64_t buffer_bytes,
                           struct error *error)
{
    const char *folder = NULL;
    int code;

    *instance = (struct kernel_instance){0};
    tracefs_set_loglevel(TEP_LOG_NONE); /* it would print */
    code = find_tracefs(&folder, error);
    if (!code)
        code = check_events(folder, error);
    if (!code)
        code = load_formats(instance, folder, error);
    if (!code)
        code = make_instance(instance, folder, error);
    if (!code)
        code = kernel_instance_switch(instance, false, error);
    if (!code)
        code = list_cpus(instance, error);
    if (!code)
        code = set(instance, "trace_clock", CLOCK, error);
    if (!code)
        code = set_buffers(instance, buffer_bytes, error);
    if (!code)
        code = enable_events(instance, error);
    if (code)
        kernel_instance_cleanup(instance);
    return code;
}

int kernel_instance_destroy(struct kernel_instance *instance)
{
    int code = 0;

    if (!instance->tracefs)
        return 0;
    /* libtracefs needs memory for the path, and there may be none. */
    if (tracefs_instance_destroy(instance->tracefs) != 0 && rmdir(instance->folder) != 0)
        code = -errno;
    tracefs_instance_free(instance->tracefs);
    instance->tracefs = NULL;
    return code;
}

void kernel_instance_cleanup(struct kernel_instance *instance)
{
    kernel_instance_destroy(instance);
    tep_free(instance->tep);
    free(instance->cpus);
    instance->tep = NULL;
    instance->cpus = NULL;
}

int kernel_instance_switch(struct kernel_instance *instance, bool on, struct error *error)
{
    return set(instance, "tracing_on", on ? "1" : "0", error);
}

int kernel_instance_open_cpu(const struct kernel_instance *instance, uint32_t cpu)
{
    char file[48];
    int opened;

    snprintf(file, sizeof file, "per_cpu/cpu%u/trace_pipe_raw", cpu);
    opened = tracefs_instance_file_open(instance->tracefs, file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return opened >= 0 ? opened : -errno;
}

uint64_t kernel_instance_lost(const struct kernel_instance *instance, uint32_t cpu)
{
    static const char *const counts[] = {"\noverrun: ", "\ncommit overrun: ", "\ndropped events: "};
    uint64_t lost = 0;
    char file[48];
    char *stats;

    snprintf(file, sizeof file, "per_cpu/cpu%u/stats", cpu);
    stats = tracefs_instance_file_read(instance->tracefs, file, NULL);
    for (int i = 0; stats && i < 3; i++) {
        const char *at = strstr(stats, counts[i]);

        if (at)
            lost += strtoull(at + strlen(counts[i]), NULL, 10);
    }
    free(stats);
    return lost;
}
