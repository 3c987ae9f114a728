/* SPDX-License-Identifier: MIT */
/* Records on disk, in order of time: see spill.h. */
#include "traces/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    SPILL_FIRST =
        SPILL_RUN < 1 << 10 ? SPILL_RUN : 1 << 10, /* records there is room for at first */
    SPILL_READ = 512,                              /* records read at once from a run */
    SPILL_AHEAD = 8, /* records that take about as long as it takes to fetch from memory */
};

struct spill_run {
    uint64_t next, end; /* records in the file */
    struct spill_record *buffer;
    size_t at, filled;
};

int spill_temporary(void)
{
    const char *folder = getenv("TMPDIR");

    return spill_temporary_in(folder && *folder ? folder : P_tmpdir);
}

int spill_temporary_in(const char *folder)
{
    char name[4096];
    int fd;

    fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    if (snprintf(name, sizeof name, "%s/slablab-XXXXXX", folder) >= (int)sizeof name)
        return -ENAMETOOLONG;
    fd = mkostemp(name, O_CLOEXEC); /* a file system without O_TMPFILE */
    if (fd < 0)
        return -errno;
    unlink(name);
    return fd;
}

int spill_init(struct spill *spill, const char *folder)
{
    *spill = (struct spill){.fd = -1, .sorted = true};
    spill->fd = folder ? spill_temporary_in(folder) : spill_temporary();
    return spill->fd < 0 ? spill->fd : 0;
}

static void spill_free_runs(struct spill *spill)
{
    for (size_t run = 0; run < spill->nr_runs; run++)
        free(spill->runs[run].buffer);
    free(spill->runs);
    free(spill->heap);
    spill->runs = NULL;
    spill->heap = NULL;
    spill->nr_runs = spill->nr_heap = 0;
}

void spill_cleanup(struct spill *spill)
{
    spill_free_runs(spill);
    free(spill->buffer);
    if (spill->fd >= 0)
        close(spill->fd);
    *spill = (struct spill){.fd = -1};
}

static int spill_transfer(int fd, void *data, size_t length, uint64_t offset, bool write)
{
    char *at = data;

    while (length) {
        ssize_t done =
            write ? pwrite(fd, at, length, (off_t)offset) : pread(fd, at, length, (off_t)offset);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done ? -errno : -EIO;
        at += done;
        offset += (uint64_t)done;
        length -= (size_t)done;
    }
    return 0;
}

static int spill_compare(const void *a, const void *b)
{
    return spill_precedes(a, b) ? -1 : spill_precedes(b, a);
}

static int spill_flush(struct spill *spill)
{
    uint64_t start = spill->count - spill->buffered;
    int code;

    if (!spill->sorted)
        qsort(spill->buffer, spill->buffered, sizeof *spill->buffer, spill_compare);
    code = spill_transfer(spill->fd, spill->buffer, spill->buffered * sizeof *spill->buffer,
                          start * sizeof *spill->buffer, true);
    spill->buffered = 0;
    return code;
}

/* The buffer of a short recording stays small. */
static int spill_grow(struct spill *spill)
{
    size_t room = spill->room ? 4 * spill->room : SPILL_FIRST;
    struct spill_record *buffer = reallocarray(spill->buffer, room, sizeof *buffer);

    if (!buffer)
        return -ENOMEM;
    spill->buffer = buffer;
    spill->room = room;
    return 0;
}

int spill_add(struct spill *spill, const struct spill_record *record)
{
    if (spill->buffered == spill->room && spill_grow(spill))
        return -ENOMEM;
    if (record->time_ns < spill->last_time_ns ||
        (record->time_ns == spill->last_time_ns && record->order < spill->last_order))
        spill->sorted = false;
    spill->last_time_ns = record->time_ns;
    spill->last_order = record->order;
    spill->buffer[spill->buffered++] = *record;
    spill->count++;
    return spill->buffered == SPILL_RUN ? spill_flush(spill) : 0;
}

/* ---- reading ---- */

static const struct spill_record *spill_head(const struct spill *spill, size_t place)
{
    const struct spill_run *run = &spill->runs[spill->heap[place]];

    return &run->buffer[run->at];
}

static void spill_sift(struct spill *spill, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < spill->nr_heap; at = child) {
        size_t run = spill->heap[at];

        if (child + 1 < spill->nr_heap &&
            spill_precedes(spill_head(spill, child + 1), spill_head(spill, child)))
            child++;
        if (!spill_precedes(spill_head(spill, child), spill_head(spill, at)))
            break;
        spill->heap[at] = spill->heap[child];
        spill->heap[child] = run;
    }
}

/* 1: the run has a record at hand; 0: it is at its end. */
static int spill_fill(struct spill *spill, struct spill_run *run)
{
    uint64_t left = run->end - run->next;
    int code;

    if (run->at < run->filled)
        return 1;
    if (!left)
        return 0;
    run->at = 0;
    run->filled = left < SPILL_READ ? left : SPILL_READ;
    code = spill_transfer(spill->fd, run->buffer, run->filled * sizeof *run->buffer,
                          run->next * sizeof *run->buffer, false);
    run->next += run->filled;
    return code ? code : 1;
}

static int spill_make_runs(struct spill *spill)
{
    size_t nr_runs = spill->sorted ? 1 : (spill->count + SPILL_RUN - 1) / SPILL_RUN;

    spill->runs = calloc(nr_runs, sizeof *spill->runs);
    spill->heap = calloc(nr_runs, sizeof *spill->heap);
    if (!spill->runs || !spill->heap)
        return -ENOMEM;
    spill->nr_runs = nr_runs;
    for (size_t run = 0; run < nr_runs; run++) {
        spill->runs[run].buffer = malloc(SPILL_READ * sizeof *spill->buffer);
        if (!spill->runs[run].buffer)
            return -ENOMEM;
    }
    return 0;
}

int spill_rewind(struct spill *spill)
{
    int code = 0;

    if (spill->buffered)
        code = spill_flush(spill);
    free(spill->buffer);
    spill->buffer = NULL;
    if (!code && !spill->runs)
        code = spill_make_runs(spill);
    spill->nr_heap = 0;
    for (size_t number = 0; !code && number < spill->nr_runs; number++) {
        struct spill_run *run = &spill->runs[number];
        uint64_t end = ((uint64_t)number + 1) * SPILL_RUN;

        run->next = (uint64_t)number * SPILL_RUN;
        run->end = number + 1 < spill->nr_runs ? end : spill->count;
        run->at = run->filled = 0;
        code = spill_fill(spill, run);
        if (code > 0) {
            spill->heap[spill->nr_heap++] = number;
            code = 0;
        }
    }
    for (size_t at = spill->nr_heap / 2; at-- > 0;)
        spill_sift(spill, at);
    return code;
}

int spill_next(struct spill *spill, struct spill_record *record, uint64_t *place)
{
    struct spill_run *run;
    int code;

    if (!spill->nr_heap)
        return 0;
    run = &spill->runs[spill->heap[0]];
    *record = run->buffer[run->at];
    *place = run->next - run->filled + run->at;
    run->at++;
    code = spill_fill(spill, run);
    if (code < 0)
        return code;
    if (!code)
        spill->heap[0] = spill->heap[--spill->nr_heap];
    spill_sift(spill, 0);
    return 1;
}

const struct spill_record *spill_ahead(const struct spill *spill)
{
    const struct spill_run *run = spill->nr_heap ? &spill->runs[spill->heap[0]] : NULL;

    return run && run->at + SPILL_AHEAD < run->filled ? &run->buffer[run->at + SPILL_AHEAD] : NULL;
}

int spill_get(struct spill *spill, uint64_t place, struct spill_record *record)
{
    return spill_transfer(spill->fd, record, sizeof *record, place * sizeof *record, false);
}

int spill_set_cache(struct spill *spill, uint64_t place, uint32_t cache)
{
    uint64_t offset = place * sizeof(struct spill_record) + offsetof(struct spill_record, cache);

    return spill_transfer(spill->fd, &cache, sizeof cache, offset, true);
}
