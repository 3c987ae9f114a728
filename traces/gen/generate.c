/* SPDX-License-Identifier: MIT */
/* Generating a trace: the workloads there are, the CPUs' clocks, and what goes into the file. */
#include "traces/gen/generate.h"

#include "sim/error.h"
#include "traces/gen/state.h"
#include "traces/gen/workloads.h"
#include "version.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { GENERATE_PROGRESS = 1 << 18 }; /* events from one showing of progress to the next */

/* ---- the workloads ---- */

static const struct workload *const workloads[] = {
    &workload_pairs,         &workload_boundary,        &workload_producer_consumer,
    &workload_larson,        &workload_xmalloc,         &workload_threadtest,
    &workload_cache_scratch, &workload_cache_thrash,    &workload_sh6,
    &workload_sh8,           &workload_burst,           &workload_sawtooth,
    &workload_netperf_rr,    &workload_network_receive, &workload_working_set,
    &workload_mixed,
};

const struct workload *const *workload_all(size_t *count)
{
    *count = sizeof workloads / sizeof *workloads;
    return workloads;
}

int workload_find(const char *name, const struct workload **workload, struct error *error)
{
    char known[512] = "";

    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        size_t length = strlen(known);

        *workload = workloads[i];
        if (!strcmp((*workload)->name, name))
            return 0;
        snprintf(known + length, sizeof known - length, "%s%s", i ? ", " : "", workloads[i]->name);
    }
    return error_set(error, ENOENT, "no workload '%s'; there are: %s", name, known);
}

void *workload_options(const struct workload *workload)
{
    void *options = calloc(1, workload->options_size);

    if (options)
        tunable_set_initial(workload->parameters, options);
    return options;
}

/* ---- the run ---- */

static char *generate_provenance(const struct workload *workload, const void *options)
{
    json_t *parameters = json_object(), *json;
    char *text = NULL;

    for (const struct tunable *row = workload->parameters; row->key; row++) {
        char value[64];

        json_object_set_new(parameters, row->key,
                            json_string(tunable_text(row, options, value, sizeof value)));
    }
    json = json_pack("{s:s, s:s, s:s, s:s, s:o}", "generator", "slablab gen", "version",
                     SLABLAB_VERSION, "workload", workload->name, "source", workload->source,
                     "parameters", parameters);
    if (json)
        text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return text;
}

static int generate_add_streams(struct generator *generator)
{
    for (uint64_t cpu = 0; cpu < generator->common->cpus; cpu++) {
        char name[32];
        int64_t code;

        snprintf(name, sizeof name, "cpu%llu", (unsigned long long)cpu);
        code = trace_add_stream(generator->writer, name, cpu);
        if (code < 0)
            return error_set(generator->error, (int)-code, "stream %s: %s", name,
                             strerror((int)-code));
        gen_clock_push(generator, (struct gen_clock){0, (uint32_t)cpu});
    }
    return 0;
}

/* One step of the CPU whose turn it is. */
static int generate_step(struct generator *generator, void *load)
{
    struct gen_clock clock;
    int code;

    if (!generator->nr_clocks)
        return error_set(generator->error, EDEADLK, "%s: every CPU waits for another",
                         generator->workload->name);
    clock = gen_clock_pop(generator);
    generator->cpu = clock.cpu;
    generator->now_ns = clock.time_ns;
    generator->spent_ns = 0;
    code = generator->workload->step(generator, load, clock.cpu);
    if (!generator->spent_ns)
        generator->spent_ns = gen_interval_ns(generator, 1);
    clock.time_ns += generator->spent_ns;
    if (!generator->waiting[clock.cpu])
        gen_clock_push(generator, clock);
    return code;
}

static int generate_run(struct generator *generator, const void *options,
                        const struct generate_progress *progress)
{
    const struct workload *workload = generator->workload;
    uint64_t shown = generator->left;
    void *load = NULL;
    int code = workload->start(generator, options, &load, generator->error);

    while (!code && generator->left) {
        code = generate_step(generator, load);
        if (progress && shown - generator->left >= GENERATE_PROGRESS) {
            shown = generator->left;
            progress->show(progress->context, trace_written(generator->writer));
        }
    }
    workload->stop(load);
    return code;
}

/* Writes into the trace that is open. */
static int generate_into(struct generator *generator, const void *options,
                         const struct generate_progress *progress)
{
    uint64_t cpus = generator->common->cpus;
    int code;

    generator->clocks = calloc(cpus, sizeof *generator->clocks);
    generator->waiting = calloc(cpus, sizeof *generator->waiting);
    code = generator->clocks && generator->waiting ? generate_add_streams(generator) : -ENOMEM;
    if (!code)
        code = generate_run(generator, options, progress);
    free(generator->clocks);
    free(generator->waiting);
    gen_deque_cleanup(&generator->free_objects);
    return code;
}

int generate_trace(const struct workload *workload, const void *options, const char *output,
                   const struct generate_progress *progress, struct generate_report *report,
                   struct error *error)
{
    const struct gen_common *common = options;
    struct error reason = {""};
    struct generator generator = {.workload = workload,
                                  .common = common,
                                  .error = &reason,
                                  .random = common->seed,
                                  .left = common->events};
    char *provenance = generate_provenance(workload, options);
    int code = -ENOMEM;

    if (provenance)
        code = trace_create(output, provenance, &generator.writer, &reason);
    free(provenance);
    if (!code) {
        code = generate_into(&generator, options, progress);
        if (code)
            trace_discard(generator.writer);
        else
            code = trace_commit(generator.writer, &reason);
    }
    if (code)
        return error_set(error, -code, "%s", *reason.text ? reason.text : strerror(-code));
    if (report)
        *report = (struct generate_report){common->events, common->cpus, generator.now_ns};
    return 0;
}
