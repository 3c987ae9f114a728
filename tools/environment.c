/* SPDX-License-Identifier: MIT */
/* The machine's state; see environment.h. */
#include "tools/environment.h"

#include "tools/no_memory.h"
#include "tools/record.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Beyond this others take, of all CPUs, more than what timings of a few percent can bear. */
#define OTHERS_SHARE_MAX 0.02

#define SYSTEM_CPU "/sys/devices/system/cpu/"

/* ---- CPU time ---- */

static uint64_t time_ns(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_usec * 1000;
}

static uint64_t own_ns(int who)
{
    struct rusage usage;

    return getrusage(who, &usage) == 0 ? time_ns(&usage.ru_utime) + time_ns(&usage.ru_stime) : 0;
}

/* All but idle and waiting for I/O; guests' time is in `user` already. 0: cannot be read. */
static uint64_t busy_ns(void)
{
    unsigned long long user, nice, system, idle, waiting, irq, softirq, steal;
    FILE *file = fopen("/proc/stat", "re");
    long hertz = sysconf(_SC_CLK_TCK);
    int found = 0;

    if (file) {
        found = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system,
                       &idle, &waiting, &irq, &softirq, &steal);
        fclose(file);
    }
    if (found != 8 || hertz <= 0)
        return 0;
    return (user + nice + system + irq + softirq + steal) * (1000000000ull / (uint64_t)hertz);
}

void cpu_read(struct cpu_reading *reading)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    *reading = (struct cpu_reading){
        .wall_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec,
        .busy_ns = busy_ns(),
        .own_ns = own_ns(RUSAGE_SELF) + own_ns(RUSAGE_CHILDREN),
    };
}

double cpu_others_share(const struct cpu_reading *before)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    struct cpu_reading now;
    double others;

    cpu_read(&now);
    if (!before->busy_ns || !now.busy_ns || cpus < 1 ||
        now.wall_ns - before->wall_ns < ENVIRONMENT_LOOK_NS)
        return -1;
    others = (double)(now.busy_ns - before->busy_ns) - (double)(now.own_ns - before->own_ns);
    others /= (double)(now.wall_ns - before->wall_ns) * (double)cpus;
    return others < 0 ? 0 : others > 1 ? 1 : others; /* the two clocks tick differently */
}

/* ---- looking ---- */

/* NULL: it is not there; nothing is left out because there is no memory to look. */
static FILE *file_open(const char *path)
{
    FILE *file = fopen(path, "re");

    if (!file && errno == ENOMEM)
        memory_missing("a look at the machine");
    return file;
}

/* The first line of a small file, no line feed. False: it is not there, or empty. */
static bool read_word(const char *path, char *word, int size)
{
    FILE *file = file_open(path);
    bool read = file && fgets(word, size, file);

    if (file)
        fclose(file);
    if (read)
        word[strcspn(word, "\n")] = '\0';
    return read && word[0];
}

static void advise(json_t *environment, const char *advice)
{
    json_array_append_new(json_object_get(environment, "advice"), json_string(advice));
}

static void look_at_frequency(json_t *environment)
{
    char word[64];

    if (read_word(SYSTEM_CPU "cpu0/cpufreq/scaling_governor", word, sizeof word)) {
        json_object_set_new(environment, "governor", json_string(word));
        if (strcmp(word, "performance") != 0)
            advise(environment,
                   "the CPUs' frequency follows the load: set the governor to performance "
                   "(cpupower frequency-set -g performance)");
    }
    if (read_word(SYSTEM_CPU "intel_pstate/no_turbo", word, sizeof word))
        json_object_set_new(environment, "turbo", json_boolean(strcmp(word, "0") == 0));
    else if (read_word(SYSTEM_CPU "cpufreq/boost", word, sizeof word))
        json_object_set_new(environment, "turbo", json_boolean(strcmp(word, "0") != 0));
    if (json_is_true(json_object_get(environment, "turbo")))
        advise(environment, "turbo is on: the frequency depends on how many CPUs are busy, and on "
                            "the heat; switch it off to compare numbers of threads "
                            "(intel_pstate/no_turbo, cpufreq/boost)");
}

static void look_at_smt(json_t *environment)
{
    char word[64];

    if (read_word(SYSTEM_CPU "smt/control", word, sizeof word))
        json_object_set_new(environment, "smt", json_string(word));
    if (read_word(SYSTEM_CPU "smt/active", word, sizeof word) && strcmp(word, "1") == 0)
        advise(environment, "SMT is on: threads beyond the number of cores share a core; use as "
                            "many as there are cores, --bind scatter, or switch it off");
}

static void look_at_load(json_t *environment, const struct cpu_reading *since)
{
    double load[1], others;
    struct cpu_reading now;

    if (getloadavg(load, 1) == 1)
        json_object_set_new(environment, "load", json_real(load[0]));
    cpu_read(&now);
    if (now.wall_ns - since->wall_ns < ENVIRONMENT_LOOK_NS) {
        long left = (long)(ENVIRONMENT_LOOK_NS - (now.wall_ns - since->wall_ns));

        nanosleep(&(struct timespec){.tv_nsec = left}, NULL);
    }
    others = cpu_others_share(since);
    if (others < 0)
        return;
    json_object_set_new(environment, "others_share", json_real(others));
    if (others > OTHERS_SHARE_MAX)
        advise(environment, "other processes (or a host that takes its CPUs away) are busy: end "
                            "them, or compare nothing but what is far apart");
}

/* The flag that every hypervisor sets for its guests on x86, and what arm64 says instead. */
static bool is_virtual(bool *known)
{
    FILE *file = file_open("/proc/cpuinfo");
    char *line = NULL, word[64];
    size_t capacity = 0;
    bool is = false;

    *known = false;
    errno = 0;
    while (file && !*known && getline(&line, &capacity, file) > 0) {
        *known = strncmp(line, "flags", strlen("flags")) == 0;
        is = *known && strstr(line, " hypervisor");
    }
    if (!*known && errno == ENOMEM)
        memory_missing("a look at the machine");
    free(line);
    if (file)
        fclose(file);
    if (!*known && read_word("/sys/hypervisor/type", word, sizeof word))
        *known = is = true;
    return is;
}

json_t *environment_look(const struct cpu_reading *since)
{
    json_t *environment = json_pack("{s:[]}", "advice");
    json_t *advice;
    char word[128];
    bool known, is;

    if (!environment)
        return NULL;
    look_at_frequency(environment);
    look_at_smt(environment);
    look_at_load(environment, since);
    if (read_word("/sys/kernel/mm/transparent_hugepage/enabled", word, sizeof word))
        json_object_set_new(environment, "thp", json_string(word));
    is = is_virtual(&known);
    if (known)
        json_object_set_new(environment, "virtual", json_boolean(is));
    if (known && is)
        advise(environment, "this is a virtual machine: what else its host runs is not seen; "
                            "repeat, and mistrust small differences");
    /* What is advised comes last. */
    advice = json_incref(json_object_get(environment, "advice"));
    json_object_del(environment, "advice");
    json_object_set_new(environment, "advice", advice);
    return environment;
}

void environment_print(const json_t *environment)
{
    const json_t *value;
    const char *key, *before = "environment: ";
    size_t i;

    json_object_foreach((json_t *)environment, key, value)
    {
        char *text;

        if (strcmp(key, "advice") == 0)
            continue;
        text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(3));
        fprintf(stderr, "%s%s %s", before, key,
                json_is_string(value) ? json_string_value(value)
                : text                ? text
                                      : "?");
        before = ", ";
        free(text);
    }
    fprintf(stderr, "\n");
    json_array_foreach(json_object_get(environment, "advice"), i, value)
        fprintf(stderr, "advice: %s\n", json_string_value(value));
}
