/* SPDX-License-Identifier: MIT */
/* Verdicts: see verdicts.h. */
#include "tests/faults/verdicts.h"
#include "tests/faults/kinds.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

/* ---- what libraries answer for ---- */

void knowns_read(struct knowns *knowns, const char *path)
{
    FILE *stream = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;

    if (!stream)
        err(3, "%s", path);
    *knowns = (struct knowns){0};
    while (getline(&line, &size, stream) > 0) {
        char *reason = strstr(line, ": ");

        line[strcspn(line, "\n")] = '\0';
        if (!*line || *line == '#')
            continue;
        if (!reason)
            errx(3, "%s: no reason: %s", path, line);
        *reason = '\0';
        knowns->list = reallocarray(knowns->list, knowns->count + 1, sizeof *knowns->list);
        if (!knowns->list)
            err(3, "%s", path);
        knowns->list[knowns->count++] =
            (struct known){.text = strdup(line), .reason = strdup(reason + 2)};
    }
    free(line);
    fclose(stream);
}

/* Are all parts of `text`, " & " between them, in the case's name, the place or what is wrong? */
static bool known_fits(const char *text, const char *name, const char *where, const char *wrong)
{
    static const char and[] = " & ";
    char part[256];

    for (;;) {
        const char *next = strstr(text, and);

        snprintf(part, sizeof part, "%.*s", (int)(next ? (size_t)(next - text) : strlen(text)),
                 text);
        if (!strstr(name, part) && !strstr(where, part) && !strstr(wrong, part))
            return false;
        if (!next)
            return true;
        text = next + strlen(and);
    }
}

static const char *known_reason(const struct knowns *knowns, const char *name, const char *where,
                                const char *wrong)
{
    for (size_t i = 0; i < knowns->count; i++) {
        if (known_fits(knowns->list[i].text, name, where, wrong))
            return knowns->list[i].reason;
    }
    return NULL;
}

/* ---- where ---- */

static void print_frame(FILE *stream, const struct faults_frame *frame, const char *program)
{
    const char *slash = strrchr(program, '/');
    char command[4096 + 128], line[256];
    FILE *pipe;

    if (*frame->function || strcmp(frame->module, slash ? slash + 1 : program) != 0) {
        fprintf(stream, "\n        %s!%s+0x%llx", frame->module, frame->function,
                (unsigned long long)frame->offset);
        return;
    }
    snprintf(command, sizeof command, "addr2line -s -f -p -e '%s' 0x%llx", program,
             (unsigned long long)frame->offset - 1);
    pipe = popen(command, "r");
    if (pipe && fgets(line, sizeof line, pipe)) {
        line[strcspn(line, "\n")] = '\0';
        fprintf(stream, "\n        %s!%s", frame->module, line);
    }
    if (pipe)
        pclose(pipe);
}

/* The caller's to free. */
static char *where_text(const struct trial *trial, const struct place *place,
                        const struct outcome *outcome)
{
    const struct faults_shared *shared = place->job.shared;
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    if (!stream)
        err(3, "no memory");
    if (trial->point.kind >= 0)
        fputs(outcome->where, stream);
    for (uint32_t i = 0; trial->point.kind < 0 && i < shared->frames; i++)
        print_frame(stream, &shared->frame[i], place->job.program);
    fputs(outcome->fell, stream);
    fclose(stream);
    return text;
}

/* ---- one point ---- */

static void print_point(FILE *stream, const struct point *point)
{
    const struct kind *kind = point->kind < 0 ? NULL : &kinds[point->kind];

    fprintf(stream, "%s%s %llu", point->discovery ? "discovery's " : "",
            kind ? kind->name : "memory", (unsigned long long)point->number);
    if (kind)
        fprintf(stream, " %s", kind->ways[point->way].name);
    if (point->onward)
        fputs(" from then on", stream);
}

static void print_messages(FILE *stream, const char *path)
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

enum verdict verdict_say(const struct knowns *knowns, const struct test_case *test,
                         const struct trial *trial, const struct place *place,
                         const struct outcome *outcome, const char *wrong)
{
    char *where, *text = NULL;
    const char *reason;
    FILE *stream;
    size_t size;

    if (!wrong)
        return VERDICT_PASSED;
    stream = open_memstream(&text, &size);
    if (!stream)
        err(3, "no memory");
    where = where_text(trial, place, outcome);
    reason = known_reason(knowns, test->name, where, wrong);
    fprintf(stream, "%s: %s\n    ", reason ? "known" : "FAILED", test->name);
    print_point(stream, &trial->point);
    fprintf(stream, ": %s", wrong);
    if (reason)
        fprintf(stream, " (%s)", reason);
    fprintf(stream, "\n    at %s", where);
    print_messages(stream, place->messages);
    fclose(stream);
    printf("%s\n", text); /* at once: workers share the output */
    fflush(stdout);
    free(text);
    free(where);
    return reason ? VERDICT_KNOWN : VERDICT_FAILED;
}

/* ---- all ---- */

static size_t points_of(const struct tally *tally)
{
    size_t points = 0;

    for (int i = 0; i < VERDICTS; i++)
        points += tally->verdicts[i];
    return points;
}

static void tally_add(struct tally *sum, const struct tally *tally)
{
    for (int i = 0; i < VERDICTS; i++)
        sum->verdicts[i] += tally->verdicts[i];
    sum->cpu_us += tally->cpu_us;
    sum->wall_us += tally->wall_us;
}

bool tallies_say(const struct cases *cases, const struct tally *tallies)
{
    struct tally sum = {0};

    printf("  points  passed  failed   known  missed   CPU s  wall s\n");
    for (size_t i = 0; i < cases->count; i++) {
        const struct tally *tally = &tallies[i];

        if (!points_of(tally))
            continue;
        printf("%8zu", points_of(tally));
        for (int v = 0; v < VERDICTS; v++)
            printf("%8zu", (size_t)tally->verdicts[v]);
        printf("%8.1f%8.1f  %s\n", (double)tally->cpu_us / 1e6, (double)tally->wall_us / 1e6,
               cases->list[i].name);
        tally_add(&sum, tally);
    }
    printf("%zu points: %zu passed, %zu failed", points_of(&sum),
           (size_t)sum.verdicts[VERDICT_PASSED], (size_t)sum.verdicts[VERDICT_FAILED]);
    if (sum.verdicts[VERDICT_KNOWN])
        printf(", %zu known", (size_t)sum.verdicts[VERDICT_KNOWN]);
    if (sum.verdicts[VERDICT_MISSED])
        printf(", %zu not reached", (size_t)sum.verdicts[VERDICT_MISSED]);
    printf("; %.0f s of CPU\n", (double)sum.cpu_us / 1e6);
    return sum.verdicts[VERDICT_FAILED] == 0 && sum.verdicts[VERDICT_PASSED] > 0;
}
