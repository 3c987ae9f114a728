/* SPDX-License-Identifier: MIT */
/*
 * Puts one fault after another into each command line of a list, and judges how each run ends. See
 * README.md. `run` makes what the command lines need and starts this.
 */
#include "tests/faults/cases.h"
#include "tests/faults/kinds.h"

#include <err.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct trial {
    size_t test;
    struct point point;
};

/* Shared by the workers; each counter on its own, read when they are done. */
struct tally {
    _Atomic size_t next, passed, failed, known, missed;
};

/* Points that libraries answer for, not the program: text that a place holds, and a reason. */
struct known {
    char *text, *reason;
};

static struct {
    const char *work, *cases, *known, *only, *kind;
    size_t every, jobs, number;
    struct job job;
    struct cases list;
    struct trial *trials;
    size_t count, room;
    struct known *knowns;
    size_t knowns_count;
    struct tally *tally;
} sweep = {.every = 1, .jobs = 2, .job.seconds = 20};

/* ---- which points ---- */

static void known_read(const char *path)
{
    FILE *stream = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;

    if (!stream)
        err(3, "%s", path);
    while (getline(&line, &size, stream) > 0) {
        char *reason = strstr(line, ": ");

        line[strcspn(line, "\n")] = '\0';
        if (!*line || *line == '#')
            continue;
        if (!reason)
            errx(3, "%s: no reason: %s", path, line);
        *reason = '\0';
        sweep.knowns = reallocarray(sweep.knowns, sweep.knowns_count + 1, sizeof *sweep.knowns);
        if (!sweep.knowns)
            err(3, "%s", path);
        sweep.knowns[sweep.knowns_count++] =
            (struct known){.text = strdup(line), .reason = strdup(reason + 2)};
    }
    free(line);
    fclose(stream);
}

static void trial_add(size_t test, struct point point)
{
    if (sweep.kind && strcmp(sweep.kind, point.kind < 0 ? "memory" : kinds[point.kind].name) != 0)
        return;
    if (sweep.number && point.number != sweep.number)
        return;
    if (sweep.count == sweep.room) {
        sweep.room = sweep.room ? 2 * sweep.room : 1024;
        sweep.trials = reallocarray(sweep.trials, sweep.room, sizeof *sweep.trials);
        if (!sweep.trials)
            err(3, "no memory");
    }
    sweep.trials[sweep.count++] = (struct trial){test, point};
}

static void trials_of_calls(size_t test, int kind, uint64_t calls)
{
    for (int w = 0; w < KIND_WAYS && kinds[kind].ways[w].name; w++) {
        for (uint64_t n = 1; n <= calls; n++) {
            trial_add(test, (struct point){kind, w, n, false});
            if (kinds[kind].ways[w].onward && n < calls)
                trial_add(test, (struct point){kind, w, n, true});
        }
    }
}

static void trials_of_case(size_t test)
{
    const struct outcome *outcome = &sweep.list.list[test].outcome;

    for (uint64_t n = 1; n <= outcome->allocations; n += sweep.list.list[test].every) {
        trial_add(test, (struct point){KIND_MEMORY, 0, n, false});
        if (n < outcome->allocations)
            trial_add(test, (struct point){KIND_MEMORY, 0, n, true});
    }
    for (size_t k = 0; k < kinds_count; k++)
        trials_of_calls(test, (int)k, outcome->calls[k]);
}

static void trials_thin_out(void)
{
    size_t kept = 0;

    for (size_t i = 0; i < sweep.count; i += sweep.every)
        sweep.trials[kept++] = sweep.trials[i];
    sweep.count = kept;
}

/* ---- what is said of one ---- */

static void say_frame(FILE *stream, const struct faults_frame *frame)
{
    char command[4096 + 128], line[256];
    FILE *pipe;

    if (*frame->function || strncmp(frame->module, "slablab", sizeof "slablab") != 0) {
        fprintf(stream, "\n        %s!%s+0x%llx", frame->module, frame->function,
                (unsigned long long)frame->offset);
        return;
    }
    snprintf(command, sizeof command, "addr2line -s -f -p -e '%s' 0x%llx", sweep.job.program,
             (unsigned long long)frame->offset - 1);
    pipe = popen(command, "r");
    if (pipe && fgets(line, sizeof line, pipe)) {
        line[strcspn(line, "\n")] = '\0';
        fprintf(stream, "\n        %s!%s", frame->module, line);
    }
    if (pipe)
        pclose(pipe);
}

/* "" where the point was not reached; the caller's to free. */
static char *where_text(const struct trial *trial, const struct outcome *outcome,
                        const struct faults_shared *shared)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    if (!stream)
        err(3, "no memory");
    if (trial->point.kind >= 0)
        fputs(outcome->where, stream);
    for (uint32_t i = 0; trial->point.kind < 0 && i < shared->frames; i++)
        say_frame(stream, &shared->frame[i]);
    fputs(outcome->fell, stream);
    fclose(stream);
    return text;
}

/* Are all parts of `text`, " & " between them, in the name of the case or in the place? */
static bool known_fits(const char *text, const char *name, const char *where)
{
    static const char and[] = " & ";
    char part[256];

    for (;;) {
        const char *next = strstr(text, and);

        snprintf(part, sizeof part, "%.*s", (int)(next ? (size_t)(next - text) : strlen(text)),
                 text);
        if (!strstr(name, part) && !strstr(where, part))
            return false;
        if (!next)
            return true;
        text = next + strlen(and);
    }
}

static const char *known_reason(const char *name, const char *where)
{
    for (size_t i = 0; i < sweep.knowns_count; i++) {
        if (known_fits(sweep.knowns[i].text, name, where))
            return sweep.knowns[i].reason;
    }
    return NULL;
}

static void say_messages(FILE *stream, const char *path)
{
    char line[300];
    FILE *messages = fopen(path, "re");

    for (int i = 0; messages && i < 4 && fgets(line, sizeof line, messages); i++) {
        line[strcspn(line, "\n")] = '\0';
        fprintf(stream, "\n    said: %s", line);
    }
    if (messages)
        fclose(messages);
}

static void say_failure(const struct trial *trial, const struct place *place, const char *wrong,
                        const char *reason, const char *where)
{
    const struct point *point = &trial->point;
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    if (!stream)
        err(3, "no memory");
    fprintf(stream, "%s: %s\n    %s %llu%s%s%s: %s", reason ? "known" : "FAILED",
            sweep.list.list[trial->test].name, point->kind < 0 ? "memory" : kinds[point->kind].name,
            (unsigned long long)point->number, point->kind < 0 ? "" : " ",
            point->kind < 0 ? "" : kinds[point->kind].ways[point->way].name,
            point->onward ? " from then on" : "", wrong);
    if (reason)
        fprintf(stream, " (%s)", reason);
    fprintf(stream, "\n    at %s", where);
    say_messages(stream, place->messages);
    fclose(stream);
    printf("%s\n", text);
    fflush(stdout);
    free(text);
}

/* ---- running ---- */

static void trial_run(const struct trial *trial, struct place *place)
{
    const struct test_case *test = &sweep.list.list[trial->test];
    const char *wrong, *reason;
    struct outcome outcome;
    char text[512], *where;
    int code = case_run(test, place, &trial->point, &outcome);

    if (code)
        errx(3, "%s: cannot run: %s", test->name, strerror(code));
    if (trial->point.kind < 0 ? !place->job.shared->frames : !*outcome.where) {
        sweep.tally->missed++;
        return;
    }
    wrong = case_judge(test, place, &trial->point, &outcome, text);
    if (!wrong) {
        sweep.tally->passed++;
        return;
    }
    where = where_text(trial, &outcome, place->job.shared);
    reason = known_reason(test->name, where);
    if (reason)
        sweep.tally->known++;
    else
        sweep.tally->failed++;
    say_failure(trial, place, wrong, reason, where);
    free(where);
}

static void worker(unsigned number)
{
    struct place place;

    place_make(&place, sweep.work, number, &sweep.job);
    for (size_t i; (i = atomic_fetch_add(&sweep.tally->next, 1)) < sweep.count;)
        trial_run(&sweep.trials[i], &place);
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

static bool cases_learn(void)
{
    struct place place;
    bool fine = true;

    place_make(&place, sweep.work, 0, &sweep.job);
    for (size_t i = 0; i < sweep.list.count; i++) {
        size_t before = sweep.count;

        if (sweep.only && !strstr(sweep.list.list[i].name, sweep.only))
            continue;
        if (!case_learn(&sweep.list.list[i], &place)) {
            fine = false;
            continue;
        }
        trials_of_case(i);
        printf("%7zu points: %s\n", sweep.count - before, sweep.list.list[i].name);
        fflush(stdout);
    }
    return fine;
}

static const char usage[] =
    "usage: sweep --program PATH --library PATH --work FOLDER --cases FILE --known FILE\n"
    "             [--every N] [--jobs N] [--only TEXT] [--kind NAME] [--number N]\n";

static void options_read(int argc, char **argv)
{
    static const struct option options[] = {
        {"program", 1, NULL, 'p'}, {"library", 1, NULL, 'l'}, {"work", 1, NULL, 'w'},
        {"cases", 1, NULL, 'c'},   {"known", 1, NULL, 'k'},   {"every", 1, NULL, 'e'},
        {"jobs", 1, NULL, 'j'},    {"only", 1, NULL, 'o'},    {"kind", 1, NULL, 'i'},
        {"number", 1, NULL, 'n'},  {NULL, 0, NULL, 0},
    };

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'p':
            sweep.job.program = realpath(optarg, NULL);
            break;
        case 'l':
            sweep.job.library = realpath(optarg, NULL);
            break;
        case 'w':
            sweep.work = realpath(optarg, NULL);
            break;
        case 'c':
            sweep.cases = optarg;
            break;
        case 'k':
            sweep.known = optarg;
            break;
        case 'e':
            sweep.every = strtoul(optarg, NULL, 10);
            break;
        case 'j':
            sweep.jobs = strtoul(optarg, NULL, 10);
            break;
        case 'o':
            sweep.only = optarg;
            break;
        case 'i':
            sweep.kind = optarg;
            break;
        case 'n':
            sweep.number = strtoul(optarg, NULL, 10);
            break;
        default:
            errx(3, "%s", usage);
        }
    }
    if (!sweep.job.program || !sweep.job.library || !sweep.work || !sweep.cases || !sweep.known ||
        !sweep.every || !sweep.jobs)
        errx(3, "%s", usage);
}

int main(int argc, char **argv)
{
    bool fine;

    options_read(argc, argv);
    cases_read(&sweep.list, sweep.cases);
    known_read(sweep.known);
    sweep.tally =
        mmap(NULL, sizeof *sweep.tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sweep.tally == MAP_FAILED)
        err(3, "mmap");
    fine = cases_learn();
    trials_thin_out();
    fine = workers_run() && fine;
    printf("%zu points: %zu passed, %zu failed", sweep.count, (size_t)sweep.tally->passed,
           (size_t)sweep.tally->failed);
    if (sweep.tally->known)
        printf(", %zu known", (size_t)sweep.tally->known);
    if (sweep.tally->missed)
        printf(", %zu not reached", (size_t)sweep.tally->missed);
    printf("\n");
    return fine && sweep.tally->failed == 0 && sweep.tally->passed > 0 ? 0 : 1;
}
