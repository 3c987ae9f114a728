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
