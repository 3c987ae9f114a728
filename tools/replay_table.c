/* SPDX-License-Identifier: MIT */
/* The table after `replay`. */
#include "tools/replay_table.h"

#include "tools/statistics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *allocator;
    uint64_t magazine_size;
    unsigned threads;
    double *ns_per_event, *stall_share; /* of each repetition */
    size_t runs;
    uint64_t events;
    uint64_t failed_allocs; /* of all repetitions */
    uint64_t peak_bytes;    /* largest */
    bool external;
};

struct replay_table {
    struct row *rows;
    size_t count;
};

int replay_table_create(struct replay_table **table)
{
    *table = calloc(1, sizeof **table);
    return *table ? 0 : -ENOMEM;
}

void replay_table_destroy(struct replay_table *table)
{
    for (size_t i = 0; table && i < table->count; i++) {
        free(table->rows[i].ns_per_event);
        free(table->rows[i].stall_share);
    }
    if (table)
        free(table->rows);
    free(table);
}

static struct row *row_find(struct replay_table *table, const struct run_config *config)
{
    struct row *grown;

    for (size_t i = 0; i < table->count; i++) {
        struct row *row = &table->rows[i];

        if (strcmp(row->allocator, config->allocator) == 0 &&
            row->magazine_size == config->magazine_size && row->threads == config->threads)
            return row;
    }
    grown = realloc(table->rows, (table->count + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    table->rows = grown;
    grown[table->count] = (struct row){.allocator = config->allocator,
                                       .magazine_size = config->magazine_size,
                                       .threads = config->threads};
    return &grown[table->count++];
}

/* Makes room for one more repetition. */
static int row_grow(struct row *row)
{
    size_t bytes = (row->runs + 1) * sizeof(double);
    double *ns = realloc(row->ns_per_event, bytes);
    double *stall = realloc(row->stall_share, bytes);

    row->ns_per_event = ns ? ns : row->ns_per_event;
    row->stall_share = stall ? stall : row->stall_share;
    return ns && stall ? 0 : -ENOMEM;
}

int replay_table_add(struct replay_table *table, const struct run_config *config,
                     const struct run_report *report)
{
    const struct replay_result *replay = &report->replay;
    struct row *row = row_find(table, config);
    double thread_ns = (double)replay->elapsed_ns * config->threads;

    if (!row || row_grow(row) != 0)
        return -ENOMEM;
    row->ns_per_event[row->runs] = replay->events ? thread_ns / (double)replay->events : 0;
    row->stall_share[row->runs] = thread_ns > 0 ? (double)replay->stall_ns / thread_ns : 0;
    row->runs++;
    row->events = replay->events / (replay->loops ? replay->loops : 1);
    row->failed_allocs += replay->failed_allocs;
    if (replay->first_pages.peak_bytes > row->peak_bytes)
        row->peak_bytes = replay->first_pages.peak_bytes;
    row->external = report->external;
    return 0;
}

static void row_print(const struct row *row, FILE *stream)
{
    double median = spread_of(row->ns_per_event, row->runs).median;
    double stalled = spread_of(row->stall_share, row->runs).median;
    char size[24] = "-", pages[24] = "-";

    if (row->magazine_size)
        snprintf(size, sizeof size, "%llu", (unsigned long long)row->magazine_size);
    if (!row->external)
        snprintf(pages, sizeof pages, "%.1f", (double)row->peak_bytes / 1024);
    fprintf(stream, "%-26s %8s %7u %10.2f %10.2f %7.1f%% %12s %8llu\n", row->allocator, size,
            row->threads, median, median > 0 ? row->threads * 1e3 / median : 0, stalled * 100,
            pages, (unsigned long long)row->failed_allocs);
}

static bool has_repetitions(const struct replay_table *table)
{
    bool repeated = false;

    for (size_t i = 0; i < table->count; i++)
        repeated |= table->rows[i].runs > 1;
    return repeated;
}

void replay_table_print(const struct replay_table *table, FILE *stream, const char *trace)
{
    if (table->count == 0)
        return;
    fprintf(stream, "%s: %llu events a pass\n\n", trace, (unsigned long long)table->rows[0].events);
    fprintf(stream, "%-26s %8s %7s %10s %10s %8s %12s %8s\n", "allocator", "magazine", "threads",
            "ns/event", "M events/s", "stalled", "peak KiB", "failed");
    for (size_t i = 0; i < table->count; i++)
        row_print(&table->rows[i], stream);
    fprintf(stream, "\nns/event is one thread's time; peak KiB is pages held, whose metadata "
                    "included.\n");
    if (has_repetitions(table))
        fprintf(stream,
                "Times and stalls are medians of the repetitions, peaks the largest, failed "
                "allocations their sum.\n");
}
