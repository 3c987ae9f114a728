/* SPDX-License-Identifier: MIT */
/* From a run to its record. Keys are a contract: see README.md, "The result record". */
#include "sim/result.h"

#include "sim/driver.h"
#include "sim/result_accounts.h"
#include "sim/topology.h"
#include "version.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

/*
 * Beyond these the clock is not to be believed: its calibration is good to 1e-4 in the shortest of
 * runs, and a reading that an interrupt of a busy host falls into is some tens of microseconds off.
 */
#define CLOCK_DRIFT_MAX   0.01
#define CLOCK_SKEW_MAX_NS 1000000

/*
 * Involuntary context switches of one worker in a second, warm-up and recording included, beyond
 * which a run is disturbed: kernel threads and timers make a few; sharing the CPU with one busy
 * process makes 100 or more. In a run of some milliseconds a few of them mean nothing.
 */
#define DISTURBED_PREEMPTED_PER_SECOND 20.0
#define DISTURBED_PREEMPTED_LEAST      5

static const char *const order_names[] = {"object", "trace"};
static const char *const touch_names[] = {"none", "first", "all"};

/* First line of a small system file, or of the line that starts with `key`; "" when there is none.
 */
static void read_line(const char *path, const char *key, char *line, size_t size)
{
    FILE *file = fopen(path, "re");

    line[0] = '\0';
    if (!file)
        return;
    while (fgets(line, (int)size, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (!key)
            break;
        if (strncmp(line, key, strlen(key)) == 0) {
            const char *value = strchr(line, ':');

            if (value)
                memmove(line, value + 1 + strspn(value + 1, " \t"), strlen(value));
            break;
        }
        line[0] = '\0';
    }
    fclose(file);
}

static void set_line(json_t *object, const char *name, const char *path, const char *key)
{
    char line[256];

    read_line(path, key, line, sizeof line);
    if (line[0])
        json_object_set_new(object, name, json_string(line));
}

/* What of the host bears on times that were measured on it. */
static void add_host(json_t *object, const struct run_report *report)
{
    const struct machine_run_report *machine = &report->replay.machine;
    double load[1];

    set_line(object, "cpu", "/proc/cpuinfo", "model name");
    set_line(object, "governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", NULL);
    set_line(object, "smt", "/sys/devices/system/cpu/smt/control", NULL);
    set_line(object, "thp", "/sys/kernel/mm/transparent_hugepage/enabled", NULL);
    if (getloadavg(load, 1) == 1)
        json_object_set_new(object, "load", json_real(load[0]));
    json_object_set_new(object, "clock_drift", json_real(machine->clock_drift));
    json_object_set_new(object, "clock_skew_ns", json_integer((json_int_t)machine->clock_skew_ns));
}

static json_t *provenance(const struct result_context *context, const struct run_report *report)
{
    const struct machine_clock *clock = &report->replay.machine.clock;
    json_t *object = json_object(), *command = json_array();
    struct utsname system;

    json_object_set_new(object, "version", json_string(SLABLAB_VERSION));
    json_object_set_new(object, "commit", json_string(SLABLAB_COMMIT));
    json_object_set_new(object, "build", json_string(SLABLAB_BUILD));
    if (uname(&system) == 0) {
        json_object_set_new(object, "host", json_string(system.nodename));
        json_object_set_new(
            object, "kernel",
            json_sprintf("%s %s %s", system.sysname, system.release, system.machine));
    }
    if (!report->replay.machine.simulated)
        add_host(object, report);
    json_object_set_new(object, "topology", json_string(topology_describe(context->topology)));
    json_object_set_new(object, "clock", json_string(clock->name));
    json_object_set_new(object, "clock_reason", json_string(clock->reason));
    json_object_set_new(object, "clock_hz", json_real(clock->hz));
    if (!report->external) {
        json_object_set_new(object, "page_size", json_integer((json_int_t)PAGE_SIZE));
        json_object_set_new(object, "huge_pages", json_boolean(report->huge_bytes > 0));
        json_object_set_new(object, "huge_page_bytes",
                            json_integer((json_int_t)report->huge_bytes));
        json_object_set_new(object, "fixed_addresses",
                            json_boolean(report->replay.pages.fixed_address));
        json_object_set_new(object, "placement_checked",
                            json_boolean(report->replay.pages.placement_checked));
    }
    json_object_set_new(object, "started", json_string(context->started));
    for (char **word = context->command; *word; word++)
        json_array_append_new(command, json_string(*word));
    json_object_set_new(object, "command", command);
    return object;
}

static json_t *trace_section(const struct result_context *context)
{
    const struct plan *plan = context->plan;

    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "path", context->trace_path,
                     "digest", plan->digest, "events", (json_int_t)plan->events, "allocs",
                     (json_int_t)plan->allocs, "frees", (json_int_t)plan->frees, "streams",
                     (json_int_t)plan->nr_streams, "peak_live_objects",
                     (json_int_t)plan->peak_live_objects, "peak_live_bytes",
                     (json_int_t)plan->peak_live_bytes);
}

/* What of the trace was left out; NULL: nothing. */
static json_t *filter_section(const struct plan *plan)
{
    json_t *object;

    if (!plan->kept_caches && !plan->kept_streams && !plan->max_events)
        return NULL;
    object = json_pack("{s:I}", "dropped_events", (json_int_t)plan->dropped_by_filter);
    if (plan->kept_caches)
        json_object_set_new(object, "caches", json_string(plan->kept_caches));
    if (plan->kept_streams)
        json_object_set_new(object, "streams", json_string(plan->kept_streams));
    if (plan->max_events)
        json_object_set_new(object, "events", json_integer((json_int_t)plan->max_events));
    return object;
}

static json_t *machine_section(const struct run_config *config,
                               const struct result_context *context,
                               const struct run_report *report)
{
    json_t *object =
        json_pack("{s:s, s:s, s:I, s:I, s:b, s:s, s:b}", "kind",
                  config->virtual_machine ? "virtual" : "native", "name", context->machine_name,
                  "cpus", (json_int_t)topology_nr_cpus(context->topology), "nodes",
                  (json_int_t)report->nr_nodes, "bound", report->bound, "binding", context->binding,
                  "oversubscribed", report->oversubscribed);

    if (object && config->virtual_machine)
        result_add_virtual_machine(object, config);
    return object;
}

static json_t *tunables_section(const struct run_report *report)
{
    json_t *object = json_object();

    for (size_t i = 0; i < report->nr_tunables; i++) {
        const char *value = report->tunables[i].value;
        char *end;
        long long number = strtoll(value, &end, 10);

        json_object_set_new(object, report->tunables[i].key,
                            *value && !*end ? json_integer(number) : json_string(value));
    }
    return object;
}

/* Why the run's numbers should not be trusted; an empty list: they can be. */
static json_t *invalid_reasons(const struct run_config *config, const struct run_report *report)
{
    const struct replay_result *replay = &report->replay;
    json_t *reasons = json_array();

    if (!report->bound && config->binding->policy != BINDING_NONE)
        json_array_append_new(reasons, json_string("workers were not bound to their CPUs"));
    if (replay->machine.migrated)
        json_array_append_new(
            reasons, json_sprintf("%u workers were seen on another CPU", replay->machine.migrated));
    if (fabs(replay->machine.clock_drift) > CLOCK_DRIFT_MAX)
        json_array_append_new(reasons, json_sprintf("the clock's rate changed by %.2g of itself",
                                                    replay->machine.clock_drift));
    if (replay->machine.clock_skew_ns > CLOCK_SKEW_MAX_NS)
        json_array_append_new(reasons,
                              json_sprintf("the clocks of two CPUs disagree by %llu ns",
                                           (unsigned long long)replay->machine.clock_skew_ns));
    if (replay->violations)
        json_array_append_new(reasons, json_sprintf("%llu broken promises; the first: %s",
                                                    (unsigned long long)replay->violations,
                                                    replay->first_violation));
    if (replay->placement.right + replay->placement.absent != replay->placement.asked)
        json_array_append_new(reasons,
                              json_sprintf("%zu of %zu pages looked at do not lie on their node",
                                           replay->placement.asked - replay->placement.absent -
                                               replay->placement.right,
                                           replay->placement.asked));
    if (replay->ledger_error[0])
        json_array_append_new(reasons, json_sprintf("the ledger of memory does not balance %s",
                                                    replay->ledger_error));
    if (replay->pages.arena_failures)
        json_array_append_new(reasons,
                              json_string("requests for pages were refused: the arena's addresses "
                                          "or a node's memory ran out"));
    return reasons;
}

/* What makes the run's time doubtful, though it was what was asked for; an empty list: nothing
 * seen. The sweep adds what it sees from outside. */
static json_t *disturbances(const struct run_config *config, const struct run_report *report)
{
    const struct machine_run_report *machine = &report->replay.machine;
    json_t *list = json_array();
    double rate = machine->run_ns ? (double)machine->preempted / ((double)machine->run_ns * 1e-9) /
                                        (double)config->threads
                                  : 0;

    if (machine->preempted >= DISTURBED_PREEMPTED_LEAST && rate > DISTURBED_PREEMPTED_PER_SECOND &&
        !report->oversubscribed) /* workers that share a CPU preempt each other */
        json_array_append_new(list,
                              json_sprintf("each worker was preempted %.0f times a second, more "
                                           "than %.0f",
                                           rate, DISTURBED_PREEMPTED_PER_SECOND));
    return list;
}

static void set_figures(json_t *record, const struct run_config *config,
                        const struct replay_result *replay)
{
    double seconds = (double)replay->elapsed_ns * 1e-9;

    json_object_set_new(record, "elapsed_ns", json_integer((json_int_t)replay->elapsed_ns));
    json_object_set_new(record, "events", json_integer((json_int_t)replay->events));
    if (replay->elapsed_ns && replay->events) {
        json_object_set_new(record, "events_per_second",
                            json_real((double)replay->events / seconds));
        json_object_set_new(
            record, "ns_per_event",
            json_real((double)replay->elapsed_ns * config->threads / (double)replay->events));
    }
    json_object_set_new(record, "loop_ns",
                        json_pack("{s:I, s:I, s:I}", "min", (json_int_t)replay->loop_min_ns,
                                  "median", (json_int_t)replay->loop_median_ns, "max",
                                  (json_int_t)replay->loop_max_ns));
    json_object_set_new(record, "stall_ns", json_integer((json_int_t)replay->stall_ns));
    json_object_set_new(record, "failed_allocs", json_integer((json_int_t)replay->failed_allocs));
    json_object_set_new(record, "skipped_frees", json_integer((json_int_t)replay->skipped_frees));
    json_object_set_new(record, "refused_destroys",
                        json_integer((json_int_t)replay->refused_destroys));
    json_object_set_new(record, "preempted", json_integer((json_int_t)replay->machine.preempted));
}

json_t *result_create(const struct run_config *config, const struct run_report *report,
                      const struct result_context *context)
{
    const struct replay_config *replay = &config->replay;
    json_t *record = json_object(), *reasons = invalid_reasons(config, report);
    json_t *disturbed = disturbances(config, report);

    json_object_set_new(record, "schema", json_string(RESULT_SCHEMA));
    json_object_set_new(record, "run", json_string(context->run));
    json_object_set_new(record, "allocator", json_string(config->allocator));
    json_object_set_new(record, "tunables", tunables_section(report));
    if (config->magazine_size)
        json_object_set_new(record, "magazine_size",
                            json_integer((json_int_t)config->magazine_size));
    json_object_set_new(record, "trace", trace_section(context));
    json_object_set_new(record, "filter", filter_section(context->plan)); /* NULL sets nothing */
    json_object_set_new(record, "machine", machine_section(config, context, report));
    json_object_set_new(record, "threads", json_integer(config->threads));
    json_object_set_new(record, "replicas", json_integer(replay->replicas));
    json_object_set_new(record, "loops", json_integer(report->replay.loops));
    json_object_set_new(record, "warmup_loops", json_integer(report->replay.warmup_loops));
    json_object_set_new(record, "order", json_string(order_names[replay->order]));
    json_object_set_new(record, "pace",
                        replay->pace > 0 ? json_real(replay->pace) : json_string("max"));
    json_object_set_new(record, "timers", json_string(config->trace_timers ? "trace" : "machine"));
    json_object_set_new(record, "touch", json_string(touch_names[replay->touch]));
    json_object_set_new(record, "lock", json_string(lock_kind_name(config->lock)));
    if (report->harness)
        json_object_set_new(record, "harness", json_true());
    else
        json_object_set_new(record, "verified", json_boolean(replay->verify));
    if (config->memory_limit && !report->external)
        json_object_set_new(record, "memory_limit", json_integer((json_int_t)config->memory_limit));
    json_object_set_new(record, "seed", json_integer((json_int_t)replay->seed));
    json_object_set_new(record, "repeat", json_integer(context->repeat));
    json_object_set_new(record, "valid", json_boolean(json_array_size(reasons) == 0));
    json_object_set_new(record, "invalid_reasons", reasons);
    json_object_set_new(record, "disturbed", json_boolean(json_array_size(disturbed) > 0));
    json_object_set_new(record, "disturbances", disturbed);
    set_figures(record, config, &report->replay);
    json_object_set_new(record, "recorded", result_recorded(config, report));
    result_add_contention(record, report);
    result_add_latency(record, report);
    result_add_counters(record, report);
    if (!report->external)
        result_add_memory(record, config, report);
    if (report->replay.machine.simulated)
        json_object_set_new(record, "coherence", result_coherence(report));
    json_object_set_new(record, "locality", result_locality(config, report));
    if (replay->record)
        json_object_set_new(record, "caches", result_caches(report));
    json_object_set_new(record, "provenance", provenance(context, report));
    return record;
}

bool result_valid(const json_t *record)
{
    return json_is_true(json_object_get(record, "valid"));
}
