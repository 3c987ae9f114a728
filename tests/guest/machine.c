/* SPDX-License-Identifier: MIT */
/* What a guest was booted with, and what its kernel says of a replay that runs; see machine.h. */
#include "tests/guest/machine.h"

#include "sim/page.h"
#include "tests/cli.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct machine_guest guest;

unsigned machine_numbers(const char *text, const char *between, unsigned *numbers)
{
    unsigned count = 0;

    for (text += strspn(text, between); *text && count < MACHINE_MOST; count++) {
        numbers[count] = (unsigned)strtoul(text, NULL, 10);
        text += strcspn(text, between);
        text += strspn(text, between);
    }
    return count;
}

void machine_read(void)
{
    const char *nodes = getenv("CPU_NODES"), *scatter = getenv("SCATTER");

    if (!nodes || !scatter) {
        fprintf(stderr,
                "this is for guests (make check-numa): CPU_NODES and SCATTER are not set\n");
        exit(1);
    }
    guest.nr_cpus = machine_numbers(nodes, ",", guest.node_of);
    machine_numbers(scatter, ",", guest.scatter);
    for (unsigned cpu = 0; cpu < guest.nr_cpus; cpu++) {
        guest.compact[cpu] = cpu;
        if (guest.node_of[cpu] >= guest.nr_nodes)
            guest.nr_nodes = guest.node_of[cpu] + 1;
    }
}

unsigned machine_cpus_on(unsigned node)
{
    unsigned count = 0;

    for (unsigned cpu = 0; cpu < guest.nr_cpus; cpu++)
        count += guest.node_of[cpu] == node;
    return count;
}

/* ---- a replay that runs ---- */

void machine_run_start(struct machine_run *run, const char *trace, const char *options)
{
    char command[512];

    *run = (struct machine_run){0};
    snprintf(command, sizeof command,
             "exec %s replay %s %s --loops 1000000 >%s/.run 2>&1 </dev/null", cli_program, trace,
             options, cli_folder);
    run->pid = fork();
    assert_true(run->pid >= 0);
    if (run->pid == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
}

static char *read_of(const struct machine_run *run, const char *name)
{
    char path[320];

    snprintf(path, sizeof path, "/proc/%d/%s", run->pid, name);
    return cli_read_file(path);
}

/* Fills run->cpus; how many there are. */
static unsigned threads_find(struct machine_run *run)
{
    unsigned count = 0;
    char path[64];
    DIR *tasks;

    snprintf(path, sizeof path, "/proc/%d/task", run->pid);
    tasks = opendir(path);
    for (const struct dirent *entry; tasks && (entry = readdir(tasks));) {
        char name[300], *status, *allowed;
        unsigned cpu, used = 0;

        snprintf(name, sizeof name, "task/%s/status", entry->d_name);
        status = read_of(run, name);
        allowed = strstr(status, "Cpus_allowed_list:");
        if (allowed && sscanf(allowed, "Cpus_allowed_list: %u%n", &cpu, (int *)&used) == 1 &&
            allowed[used] == '\n' && count < MACHINE_MOST)
            run->cpus[count++] = cpu;
        free(status);
    }
    if (tasks)
        closedir(tasks);
    return count;
}

void machine_run_wait(struct machine_run *run, unsigned threads)
{
    unsigned found = 0;
    char path[128];

    for (unsigned tenths = 0; tenths < 600; tenths++) {
        found = threads_find(run);
        if (found == threads)
            return;
        if (waitpid(run->pid, NULL, WNOHANG) == run->pid) {
            run->pid = 0;
            break;
        }
        usleep(100000);
    }
    machine_run_end(run);
    snprintf(path, sizeof path, "%s/.run", cli_folder);
    fail_msg("%u threads are bound to one CPU each, expected %u; it said: %s", found, threads,
             cli_read_file(path));
}

/* A line of numa_maps, such as "550000000000 bind:1 anon=2 dirty=2 N1=2 kernelpagesize_kB=4". */
static void mapping_count(struct machine_run *run, char *line)
{
    unsigned long address = strtoul(line, &line, 16);
    unsigned bound = MACHINE_MOST, node;
    unsigned long pages;

    if (address < PAGE_ARENA_BASE || address >= PAGE_MAP_BASE)
        return;
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) {
        if (sscanf(word, "bind:%u", &bound) == 1 || sscanf(word, "N%u=%lu", &node, &pages) != 2)
            continue;
        if (bound == MACHINE_MOST)
            run->loose_pages += pages;
        else if (bound == node)
            run->bound_pages[node] += pages;
        else
            run->misplaced_pages += pages;
    }
}

void machine_run_look_at_memory(struct machine_run *run)
{
    char *copy, *rest, *line;

    free(run->maps);
    run->maps = read_of(run, "numa_maps");
    copy = rest = strdup(run->maps);
    assert_non_null(copy);
    while ((line = strsep(&rest, "\n")))
        mapping_count(run, line);
    free(copy);
}

void machine_run_end(struct machine_run *run)
{
    if (run->pid > 0) {
        kill(run->pid, SIGKILL);
        waitpid(run->pid, NULL, 0);
    }
    free(run->maps);
    *run = (struct machine_run){0};
}
