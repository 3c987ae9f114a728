/* SPDX-License-Identifier: MIT */
/* From options to a plan. */
#include "tools/replay_plan.h"

#include "sim/error.h"
#include "sim/plan.h"

#include <errno.h>
#include <stdlib.h>

int replay_plan_create(const struct replay_options *options, const char *trace, unsigned workers,
                       struct plan **plan, struct error *error)
{
    const struct number_list *streams = &options->streams;
    struct plan_config config = {
        .workers = workers,
        .max_events = options->max_events,
        .total_order = options->run.replay.order == REPLAY_ORDER_TRACE,
        .event_times = options->run.replay.pace > 0,
        .sample_events = options->recording.sample_events,
        .sample_ns = options->recording.sample_ns,
        .caches = (const char *const *)options->caches.words,
    };
    bool *kept = NULL;
    int code;

    if (options->recording.record & RECORD_MEMORY)
        config.samples = config.sample_events || config.sample_ns ? 0 : RECORD_SAMPLES;
    else
        config.sample_events = config.sample_ns = 0;

    for (size_t i = 0; i < streams->count; i++) {
        if (streams->numbers[i] >= config.nr_stream_flags)
            config.nr_stream_flags = streams->numbers[i] + 1;
    }
    if (streams->count) {
        kept = calloc(config.nr_stream_flags, sizeof *kept);
        if (!kept)
            return error_set(error, ENOMEM, "no memory for a list of streams");
        for (size_t i = 0; i < streams->count; i++)
            kept[streams->numbers[i]] = true;
        config.streams = kept;
    }
    code = plan_create(trace, &config, plan, error);
    free(kept);
    return code;
}

struct workload cell_workload(const struct cell *cell, unsigned nr_dealt, unsigned nr_streams)
{
    unsigned workers = cell->threads ? cell->threads : nr_dealt;
    uint64_t groups = workers < nr_streams ? workers : nr_streams;
    bool automatic = cell->replicas == REPLICAS_AUTO;
    uint64_t lists = automatic ? nr_dealt : cell->replicas * groups;
    struct workload load = {.threads = cell->threads, .replicas = cell->replicas};

    if (load.threads == 0)
        load.threads = lists < nr_dealt ? (unsigned)lists : nr_dealt;
    if (automatic)
        load.replicas = groups ? (load.threads + groups - 1) / groups : 1;
    return load;
}

/*
 * All choices of threads are combined with all of replicas, so it is enough to put listed numbers
 * in place of one `auto` of the cell, or of both.
 */
bool cell_is_repeated(const struct replay_options *options, const struct cell *cell,
                      unsigned nr_dealt, unsigned nr_streams)
{
    const struct number_list *threads = &options->threads, *replicas = &options->replicas;
    const struct workload load = cell_workload(cell, nr_dealt, nr_streams);
    size_t nr_threads = cell->threads == 0 ? threads->count : 0;
    size_t nr_replicas = cell->replicas == REPLICAS_AUTO ? replicas->count : 0;

    for (size_t i = 0; i <= nr_threads; i++) {
        for (size_t j = 0; j <= nr_replicas; j++) {
            struct cell other = *cell;
            struct workload others;

            if (i < nr_threads)
                other.threads = (unsigned)threads->numbers[i];
            if (j < nr_replicas)
                other.replicas = replicas->numbers[j];
            others = cell_workload(&other, nr_dealt, nr_streams);
            if ((i < nr_threads || j < nr_replicas) && others.threads == load.threads &&
                others.replicas == load.replicas)
                return true;
        }
    }
    return false;
}
