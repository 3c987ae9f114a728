/* SPDX-License-Identifier: MIT */
/* Below the table after `replay`: where the memory is, and what takes the time. */
#include "tools/record.h"
#include "tools/replay_table_internal.h"

#include <math.h>
#include <string.h>

/* Caches that are named of a row. */
#define NAMED_CACHES 3
/* Shares of time below this are not worth a word, in percent. */
#define WORTH_A_WORD 1

static const struct {
    const char *title;
    const char *keys[2]; /* summed */
} parts[] = {
    {"requested", {"requested"}},  {"rounding", {"rounding"}},    {"tails", {"slab_tail"}},
    {"metadata", {"metadata"}},    {"partial", {"partial_free"}}, {"empty", {"empty_slabs"}},
    {"CPU cache", {"cpu_cached"}}, {"depot", {"depot_cached"}},   {"other", {"emergency", "grace"}},
};
#define PARTS (sizeof parts / sizeof parts[0])

static unsigned most_threads(const struct replay_table *table)
{
    unsigned most = 0;

    for (size_t i = 0; i < table->count; i++)
        most = table->rows[i].threads > most ? table->rows[i].threads : most;
    return most;
}

static void row_name(const struct row *row, char *name, size_t size)
{
    if (isnan(row->magazine_size))
        snprintf(name, size, "%s", row->allocator);
    else
        snprintf(name, size, "%s %.0f", row->allocator, row->magazine_size);
}

static int name_width(const struct replay_table *table)
{
    int width = 18;

    for (size_t i = 0; i < table->count; i++) {
        char name[128];

        row_name(&table->rows[i], name, sizeof name);
        width = (int)strlen(name) > width ? (int)strlen(name) : width;
    }
    return width;
}

static double part_of(const json_t *ledger, size_t part)
{
    double bytes = record_number(ledger, parts[part].keys[0]);

    if (parts[part].keys[1])
        bytes += record_number(ledger, parts[part].keys[1]);
    return bytes;
}

/* One row a design: how the pages divide in the sample in which most is live. */
static void memory_print(const struct replay_table *table, unsigned threads, FILE *stream)
{
    bool begun = false;

    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        const json_t *ledger = record_at(row->last, "ledger.most_live");
        char name[128];

        if (row->threads != threads || !record_at(ledger, "requested"))
            continue;
        if (!begun) {
            fprintf(
                stream,
                "\nWhere the memory is when most is live, in %% of the pages held, %u thread%s\n",
                threads, threads == 1 ? "" : "s");
            fprintf(stream, "%-*s", name_width(table), "");
            for (size_t part = 0; part < PARTS; part++)
                fprintf(stream, " %9s", parts[part].title);
            fprintf(stream, "\n");
            begun = true;
        }
        row_name(row, name, sizeof name);
        fprintf(stream, "%-*s", name_width(table), name);
        for (size_t part = 0; part < PARTS; part++)
            fprintf(stream, " %9.1f",
                    100 * part_of(ledger, part) / record_number(ledger, "page_bytes"));
        fprintf(stream, "\n");
    }
}

/* "43% general-512 (own 91%, depot 9%)" */
static void cache_print(const json_t *cache, FILE *stream)
{
    static const struct {
        const char *path, *title;
    } layers[] = {{"time.by_layer.cpu", "own"},
                  {"time.by_layer.depot", "depot"},
                  {"time.by_layer.slab", "slabs"},
                  {"time.by_layer.page", "pages"}};
    bool some = false;

    fprintf(stream, "%.0f%% %s (", 100 * record_number(cache, "time.share"),
            record_text(cache, "name"));
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        double share = 100 * record_number(cache, layers[i].path);

        if (isnan(share) || share < WORTH_A_WORD)
            continue;
        fprintf(stream, "%s%s %.0f%%", some ? ", " : "", layers[i].title, share);
        some = true;
    }
    fprintf(stream, ")");
}

/* The caches of a record in order of their share of time. */
static size_t busiest(const json_t *record, const json_t *chosen[NAMED_CACHES])
{
    const json_t *cache;
    size_t count = 0, i;

    json_array_foreach(record_at(record, "caches"), i, cache)
    {
        double share = record_number(cache, "time.share");
        size_t at = count;

        if (isnan(share) || 100 * share < WORTH_A_WORD)
            continue;
        while (at && record_number(chosen[at - 1], "time.share") < share)
            at--;
        if (at == NAMED_CACHES)
            continue;
        memmove(&chosen[at + 1], &chosen[at], (NAMED_CACHES - 1 - at) * sizeof chosen[0]);
        chosen[at] = cache;
        count += count < NAMED_CACHES;
    }
    return count;
}

static void time_print(const struct replay_table *table, unsigned threads, FILE *stream)
{
    bool begun = false;

    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        const json_t *chosen[NAMED_CACHES];
        size_t count = busiest(row->last, chosen);
        char name[128];

        if (row->threads != threads || row->harness || !record_at(row->last, "layers") ||
            count == 0)
            continue;
        if (!begun)
            fprintf(stream,
                    "\nWhere the time goes: caches, and of each the layers that its operations "
                    "came down to\n");
        begun = true;
        row_name(row, name, sizeof name);
        fprintf(stream, "%-*s ", name_width(table), name);
        for (size_t j = 0; j < count; j++) {
            fprintf(stream, j ? ", " : "");
            cache_print(chosen[j], stream);
        }
        fprintf(stream, "\n");
    }
}

/* What a record has of a lock's waits: of few there is no p99, and of none no p50. */
static void wait_print(const json_t *lock, FILE *stream)
{
    double p50 = record_number(lock, "wait.p50"), p99 = record_number(lock, "wait.p99");

    if (!isnan(p50))
        fprintf(stream, ", wait p50 %.0f ns", p50);
    if (!isnan(p99))
        fprintf(stream, ", p99 %.0f ns", p99);
    fprintf(stream, "\n");
}

/* The lock that most is waited for, where that is worth a word. */
static void waits_print(const struct replay_table *table, unsigned threads, FILE *stream)
{
    bool begun = false;

    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        const json_t *lock = json_array_get(record_at(row->last, "hot_locks"), 0);
        double time = record_number(row->last, "recorded.contention.elapsed_ns") * threads;
        double share = 100 * record_number(lock, "wait_ns") / time;
        char name[128];

        if (row->threads != threads || row->harness || isnan(share) || share < WORTH_A_WORD)
            continue;
        if (!begun)
            fprintf(stream, "\nWhat is waited for most\n");
        begun = true;
        row_name(row, name, sizeof name);
        fprintf(stream,
                "%-*s %.0f%% of all time: lock of class %s%s%s, %.1f%% of %.0f "
                "acquisitions contended",
                name_width(table), name, share, record_text(lock, "class"),
                record_at(lock, "cache") ? " of " : "", record_text(lock, "cache"),
                100 * record_number(lock, "contended") / record_number(lock, "acquisitions"),
                record_number(lock, "acquisitions"));
        wait_print(lock, stream);
    }
}

/* "41% lock, 30% slab record": of `total`, the largest first. */
static void structures_print(const json_t *counts, double total, FILE *stream)
{
    double below = INFINITY;
    bool some = false;

    for (;;) {
        const char *key, *largest = NULL;
        const json_t *value;
        double most = 0;

        /* Equal ones are said once: shares of lines that are worth a word seldom are. */
        json_object_foreach((json_t *)counts, key, value)
        {
            double count = json_number_value(value);

            if (count < below && count > most) {
                most = count;
                largest = key;
            }
        }
        if (!largest || 100 * most / total < WORTH_A_WORD)
            return;
        fprintf(stream, "%s%.0f%% ", some ? ", " : "", 100 * most / total);
        for (const char *c = largest; *c; c++)
            fputc(*c == '_' ? ' ' : *c, stream);
        some = true;
        below = most;
    }
}

static double sum_of(const json_t *counts)
{
    const json_t *value;
    const char *key;
    double sum = 0;

    json_object_foreach((json_t *)counts, key, value) sum += json_number_value(value);
    return sum;
}

/* Of a simulated run: cache lines that went from CPU to CPU. */
static void lines_print(const struct replay_table *table, unsigned threads, FILE *stream)
{
    bool begun = false;

    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        const json_t *moved = record_at(row->last, "coherence.by_structure");
        const json_t *falsely = record_at(row->last, "coherence.false_sharing");
        double total = sum_of(moved), wasted = sum_of(falsely);
        char name[128];

        if (row->threads != threads || row->harness || total == 0)
            continue;
        if (!begun)
            fprintf(stream, "\nWhich cache lines moved between CPUs: how many an event, and of "
                            "what; of these falsely shared, by CPUs that touch different bytes\n");
        begun = true;
        row_name(row, name, sizeof name);
        fprintf(stream, "%-*s %.3g: ", name_width(table), name,
                total / record_number(row->last, "events"));
        structures_print(moved, total, stream);
        if (100 * wasted / total >= WORTH_A_WORD) {
            fprintf(stream, "; falsely ");
            structures_print(falsely, total, stream);
        }
        fprintf(stream, "\n");
    }
}

void replay_details_print(const struct replay_table *table, FILE *stream)
{
    unsigned threads = most_threads(table);

    memory_print(table, threads, stream);
    time_print(table, threads, stream);
    waits_print(table, threads, stream);
    lines_print(table, threads, stream);
}
