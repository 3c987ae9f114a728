/* SPDX-License-Identifier: MIT */
/*
 * Puts one fault after another into each command line of a list, and judges how each run ends. See
 * README.md. `run` makes what the command lines need and starts this.
 */
#include "tests/faults/cases.h"
#include "tests/faults/points.h"
#include "tests/faults/verdicts.h"

#include <err.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *work, *cases, *known, *only;
    size_t first, every, jobs; /* of the points number `first` of each `every` */
    struct job job;
    struct cases list;
    struct trials trials;
    struct knowns knowns;
    _Atomic size_t *next;  /* the workers': the point to take */
    struct tally *tallies; /* one a case */
} sweep = {.every = 1, .job.seconds = 20};

static void *shared_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        err(3, "mmap");
    return memory;
}

/* ---- one point ---- */

static uint64_t cpu_us(int who)
{
    struct rusage usage;

    getrusage(who, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static uint64_t wall_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static enum verdict trial_run(const struct trial *trial, struct place *place)
{
    const struct test_case *test = &sweep.list.list[trial->test];
    struct outcome outcome;
    const char *wrong;
    char text[512];
    int code = case_run(test, place, &trial->point, &outcome);

    if (code)
        errx(3, "%s: cannot run: %s", test->name, strerror(code));
    if (trial->point.kind < 0 ? !place->job.shared->frames : !*outcome.where)
        return VERDICT_MISSED;
    wrong = case_judge(test, place, &trial->point, &outcome, text);
    return verdict_say(&sweep.knowns, test, trial, place, &outcome, wrong);
}

/* ---- workers ---- */

static void worker(unsigned number)
{
    struct place place;

    place_make(&place, sweep.work, number, &sweep.job);
    for (size_t i; (i = atomic_fetch_add(sweep.next, 1)) < sweep.trials.count;) {
        const struct trial *trial = &sweep.trials.list[i];
        struct tally *tally = &sweep.tallies[trial->test];
        uint64_t cpu = cpu_us(RUSAGE_SELF) + cpu_us(RUSAGE_CHILDREN), wall = wall_us();

        tally->verdicts[trial_run(trial, &place)]++;
        tally->cpu_us += cpu_us(RUSAGE_SELF) + cpu_us(RUSAGE_CHILDREN) - cpu;
        tally->wall_us += wall_us() - wall;
    }
}

static bool workers_run(void)
{
    bool fine = true;
    int status;

    for (unsigned i = 0; i < sweep.jobs; i++) {
        pid_t pid = fork();

        if (pid < 0)
            err(3, "fork");
        if (pid == 0) {
            worker(i);
            exit(0);
        }
    }
    while (wait(&status) > 0)
        fine = fine && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return fine;
}

/* ---- what there is to do ---- */

static bool cases_learn(void)
{
    struct place place;
    bool fine = true;

    place_make(&place, sweep.work, 0, &sweep.job);
    for (size_t i = 0; i < sweep.list.count; i++) {
        struct test_case *test = &sweep.list.list[i];

        if (sweep.only && !strstr(test->name, sweep.only))
            continue;
        if (test->traces && !sweep.job.tracefs) {
            printf("passed over, no tracefs that we may use: %s\n", test->name);
            continue;
        }
        if (case_learn(test, &place))
            trials_add_case(&sweep.trials, i, test, place.job.shared);
        else
            fine = false;
    }
    return fine;
}

static const char usage[] =
    "usage: sweep --program PATH --library PATH --work FOLDER --cases FILE --known FILE\n"
    "             [--every N [--first I]] [--jobs N] [--only TEXT] [--kind NAME] [--number N]\n"
    "             [--tracefs FOLDER]\n";

static void option_read(int option, const char *value)
{
    switch (option) {
    case 'p':
        sweep.job.program = realpath(value, NULL);
        break;
    case 'l':
        sweep.job.library = realpath(value, NULL);
        break;
    case 'w':
        sweep.work = realpath(value, NULL);
        break;
    case 'c':
        sweep.cases = value;
        break;
    case 'k':
        sweep.known = value;
        break;
    case 't':
        sweep.job.tracefs = value;
        break;
    case 'e':
        sweep.every = strtoul(value, NULL, 10);
        break;
    case 'f':
        sweep.first = strtoul(value, NULL, 10);
        break;
    case 'j':
        sweep.jobs = strtoul(value, NULL, 10);
        break;
    case 'o':
        sweep.only = value;
        break;
    case 'i':
        sweep.trials.kind = value;
        break;
    case 'n':
        sweep.trials.number = strtoul(value, NULL, 10);
        break;
    default:
        errx(3, "%s", usage);
    }
}

static void options_read(int argc, char **argv)
{
    static const struct option options[] = {
        {"program", 1, NULL, 'p'}, {"library", 1, NULL, 'l'}, {"work", 1, NULL, 'w'},
        {"cases", 1, NULL, 'c'},   {"known", 1, NULL, 'k'},   {"every", 1, NULL, 'e'},
        {"jobs", 1, NULL, 'j'},    {"only", 1, NULL, 'o'},    {"kind", 1, NULL, 'i'},
        {"number", 1, NULL, 'n'},  {"first", 1, NULL, 'f'},   {"tracefs", 1, NULL, 't'},
        {NULL, 0, NULL, 0},
    };

    sweep.jobs = (size_t)sysconf(_SC_NPROCESSORS_ONLN);
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        option_read(option, optarg);
    if (!sweep.job.program || !sweep.job.library || !sweep.work || !sweep.cases || !sweep.known ||
        !sweep.every || !sweep.jobs)
        errx(3, "%s", usage);
}

int main(int argc, char **argv)
{
    bool fine;

    options_read(argc, argv);
    cases_read(&sweep.list, sweep.cases);
    knowns_read(&sweep.knowns, sweep.known);
    sweep.next = shared_memory(sizeof *sweep.next);
    sweep.tallies = shared_memory(sweep.list.count * sizeof *sweep.tallies);
    fine = cases_learn();
    trials_thin_out(&sweep.trials, sweep.first, sweep.every);
    fine = workers_run() && fine;
    fine = tallies_say(&sweep.list, sweep.tallies) && fine;
    return fine ? 0 : 1;
}
