/* SPDX-License-Identifier: MIT */
/* Records by rounds, see rounds.h: a merge sort of the stretches that are in order already. */
#include "traces/import/rounds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Without ends of rounds so many are held, in so much memory of our own; what then still comes late
 * is for others to sort.
 */
enum {
    ROUNDS_MOST = 1 << 21,
    ROUNDS_MOST_CHUNKS = 64,
    ROUNDS_CHUNK = 1 << 20 /* bytes; a record fits many times over */
};

void rounds_init(struct rounds *rounds,
                 int (*emit)(void *context, const struct rounds_record *record), void *context)
{
    *rounds = (struct rounds){.emit = emit, .context = context};
}

void rounds_cleanup(struct rounds *rounds)
{
    for (size_t i = 0; i < 2; i++) {
        for (size_t chunk = 0; chunk < rounds->stores[i].nr_chunks; chunk++)
            free(rounds->stores[i].chunks[chunk]);
        free(rounds->stores[i].chunks);
    }
    free(rounds->records);
    free(rounds->merged);
    free(rounds->runs);
    *rounds = (struct rounds){0};
}

static const char *rounds_keep(struct rounds_store *store, const char *bytes, size_t size)
{
    char *kept;

    if (store->used + size > ROUNDS_CHUNK) {
        store->at++;
        store->used = 0;
    }
    if (store->at >= store->nr_chunks) {
        char **chunks = reallocarray(store->chunks, store->nr_chunks + 1, sizeof *chunks);

        if (!chunks)
            return NULL;
        store->chunks = chunks;
        chunks[store->nr_chunks] = malloc(ROUNDS_CHUNK);
        if (!chunks[store->nr_chunks])
            return NULL;
        store->nr_chunks++;
    }
    kept = store->chunks[store->at] + store->used;
    store->used += size;
    return memcpy(kept, bytes, size);
}

/* ---- order ---- */

/* Room for `count` entries; 0 or -ENOMEM. */
static int rounds_grow(void *table, size_t count, size_t *room, size_t size)
{
    size_t grown = count + count / 2 + 1024;
    void **entries = table, *bigger;

    if (count <= *room)
        return 0;
    bigger = reallocarray(*entries, grown, size);
    if (!bigger)
        return -ENOMEM;
    *entries = bigger;
    *room = grown;
    return 0;
}

/* Notes where runs start, and after the last one the count; their number, or -ENOMEM. */
static int64_t rounds_find_runs(struct rounds *rounds)
{
    size_t nr_runs = 0;

    for (size_t at = 0; at <= rounds->count; at++) {
        if (at && at < rounds->count &&
            rounds->records[at - 1].time_ns <= rounds->records[at].time_ns)
            continue;
        if (rounds_grow(&rounds->runs, nr_runs + 1, &rounds->room_runs, sizeof *rounds->runs))
            return -ENOMEM;
        rounds->runs[nr_runs++] = at;
    }
    return (int64_t)nr_runs - 1;
}

static void rounds_merge(const struct rounds_record *left, const struct rounds_record *right,
                         const struct rounds_record *end, struct rounds_record *merged)
{
    const struct rounds_record *middle = right;

    while (left < middle && right < end)
        *merged++ = right->time_ns < left->time_ns ? *right++ : *left++;
    for (; left < middle; left++)
        *merged++ = *left;
    for (; right < end; right++)
        *merged++ = *right;
}

/* Neighbouring runs are merged until there is one. */
static int rounds_sort(struct rounds *rounds)
{
    int64_t found = rounds_find_runs(rounds);
    size_t nr_runs = found > 0 ? (size_t)found : 0;

    if (found < 0 || (found > 1 && rounds_grow(&rounds->merged, rounds->count, &rounds->room_merged,
                                               sizeof *rounds->merged)))
        return -ENOMEM;
    while (nr_runs > 1) {
        struct rounds_record *records = rounds->records;
        size_t *runs = rounds->runs, room = rounds->room, left = 0;

        for (size_t run = 0; run < nr_runs; run += 2) {
            size_t middle = runs[run + 1], end = runs[run + 2 <= nr_runs ? run + 2 : nr_runs];

            rounds_merge(records + left, records + middle, records + end, rounds->merged + left);
            left = end;
            runs[run / 2 + 1] = end;
        }
        nr_runs = (nr_runs + 1) / 2;
        rounds->records = rounds->merged;
        rounds->room = rounds->room_merged;
        rounds->merged = records;
        rounds->room_merged = room;
    }
    return 0;
}

/* All up to this time. */
static int rounds_flush(struct rounds *rounds, uint64_t limit_ns)
{
    size_t at = 0;
    int code = rounds_sort(rounds);

    for (; !code && at < rounds->count && rounds->records[at].time_ns <= limit_ns; at++)
        code = rounds->emit(rounds->context, &rounds->records[at]);
    if (code)
        return code;
    rounds->count -= at;
    if (at)
        memmove(rounds->records, rounds->records + at, rounds->count * sizeof *rounds->records);
    return 0;
}

/* ---- rounds ---- */

int rounds_add(struct rounds *rounds, const struct rounds_record *record, bool lasting)
{
    struct rounds_record *added;

    if (rounds->count == ROUNDS_MOST ||
        rounds->stores[rounds->store].at + 1 >= ROUNDS_MOST_CHUNKS) {
        int code = rounds_end(rounds);

        if (code)
            return code;
    }
    if (rounds_grow(&rounds->records, rounds->count + 1, &rounds->room, sizeof *rounds->records))
        return -ENOMEM;
    added = &rounds->records[rounds->count];
    *added = *record;
    if (!lasting) {
        added->bytes = rounds_keep(&rounds->stores[rounds->store], record->bytes, record->size);
        if (!added->bytes)
            return -ENOMEM;
    }
    rounds->count++;
    if (record->time_ns > rounds->latest_ns)
        rounds->latest_ns = record->time_ns;
    return 0;
}

int rounds_turn(struct rounds *rounds)
{
    int code = rounds_flush(rounds, rounds->limit_ns);

    rounds->limit_ns = rounds->latest_ns;
    rounds->store ^= 1; /* of what it holds all is out: the limit was the latest of its round */
    rounds->stores[rounds->store].at = rounds->stores[rounds->store].used = 0;
    return code;
}

int rounds_end(struct rounds *rounds)
{
    int code = rounds_flush(rounds, UINT64_MAX);

    for (size_t i = 0; i < 2; i++)
        rounds->stores[i].at = rounds->stores[i].used = 0;
    return code;
}
