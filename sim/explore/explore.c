/* SPDX-License-Identifier: MIT */
/*
 * A schedule from beginning to end: a machine, an arena and an instance of their own, the scenario
 * on them, what is checked after it. Nothing is left of one when the next begins, so each can be
 * had again by itself.
 */
#include "sim/explore/internal.h"

#include "sim/run.h"
#include "sim/virtual/cost_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

/* Time is no matter here; what the machine asks of costs is only the clock's rate. */
static const struct cost_table no_costs = {.name = "none", .hz = 1e9};

static const unsigned cpu_nodes[EXPLORE_CPUS];

/* ---- the design as it is explored ---- */

/* Of a scenario's settings a design takes those that it knows. */
static int apply_scenario(struct allocator_instance *instance,
                          const struct explore_scenario *scenario, struct error *error)
{
    const struct tunable *tunables = allocator_design(instance)->tunables;
    int code = 0;

    for (size_t i = 0; i < 6 && scenario->settings[i] && code == 0; i++) {
        const char *value = strchr(scenario->settings[i], '=') + 1;
        char key[64] = "";

        strncat(key, scenario->settings[i], (size_t)(value - 1 - scenario->settings[i]));
        if (tunable_find(tunables, key))
            code = allocator_set(instance, key, value, error);
    }
    return code;
}

static int instance_create(const struct explore_config *config,
                           const struct explore_scenario *scenario,
                           struct allocator_instance **instance, struct error *error)
{
    int code = allocator_create(config->allocator, instance, error);

    if (code)
        return code;
    code = apply_scenario(*instance, scenario, error);
    for (size_t i = 0; i < config->nr_settings && code == 0; i++)
        code = allocator_set(*instance, config->settings[i].key, config->settings[i].value, error);
    if (code)
        allocator_destroy(*instance);
    return code;
}

/* ---- one schedule ---- */

/*
 * A list that was made a ring is walked for ever, perhaps where no scheduler sees it. Of computing
 * time, so that a busy machine is no finding; the signal ends the process, as a finding does.
 */
static void watch(long seconds)
{
    const struct itimerval limit = {.it_value = {.tv_sec = seconds}};

    setitimer(ITIMER_VIRTUAL, &limit, NULL);
}

struct run {
    const struct explore_scenario *scenario;
    struct scene scene;
};

static void worker(unsigned cpu, void *argument)
{
    struct run *run = argument;

    run->scenario->worker(&run->scene, cpu);
}

static int scenario_run(struct run *run, struct error *error)
{
    const struct explore_scenario *scenario = run->scenario;
    struct machine_run_report report;
    int code = allocator_start(run->scene.instance, error);

    if (code)
        return code;
    for (unsigned i = 0; i < SCENE_CACHES && scenario->sizes[i]; i++)
        explore_cache_create(&run->scene, i, scenario->sizes[i]);
    if (scenario->prepare)
        scenario->prepare(&run->scene);
    for (unsigned i = 0; i < machine_nr_cpus; i++)
        virtual_machine.cpus[i].clock = explorer.now;
    code = machine_run(worker, run, &report, error);
    if (code == 0)
        explore_end(&run->scene);
    else /* while there are CPUs and pages for it */
        allocator_stop(run->scene.instance, NULL);
    return code;
}

static int schedule_run(const struct explore_config *config,
                        const struct explore_scenario *scenario, uint64_t seed, struct error *error)
{
    const struct virtual_config virtual = {.costs = &no_costs, .explorer = &explorer};
    const struct machine_config machine = {.nr_cpus = scenario->info.cpus,
                                           .nr_nodes = 1,
                                           .cpu_node = cpu_nodes,
                                           .virtual_machine = &virtual};
    const struct page_config pages = {.nr_nodes = 1,
                                      .nr_cpus = scenario->info.cpus,
                                      .cpu_node = cpu_nodes,
                                      .node_bytes = EXPLORE_ARENA_BYTES / 2,
                                      .limit_bytes = scenario->limit_pages * PAGE_SIZE,
                                      .lazy = true};
    struct page_statistics placed;
    struct run run = {.scenario = scenario, .scene.cache_flags = scenario->cache_flags};
    int code;

    watch(EXPLORE_SECONDS);
    explore_schedule_begin(seed);
    explore_guard_reset();
    code = instance_create(config, scenario, &run.scene.instance, error);
    if (code)
        return code;
    code = machine_start(&machine, error);
    if (code)
        goto out_instance;
    code = page_init(&pages, error);
    if (code)
        goto out_machine;
    page_get_statistics(&placed);
    if (placed.fixed_address)
        code = scenario_run(&run, error);
    else /* whose granule an address is goes by that place: see guard.c */
        code = error_set(error, ENOMEM,
                         "the pages' place in the address space is taken, or no "
                         "memory can be mapped there");
    page_exit();
out_machine:
    machine_stop();
out_instance:
    allocator_destroy(run.scene.instance);
    watch(0);
    return code;
}

/* ---- many ---- */

static int run_seeds(const struct explore_config *config, const struct explore_scenario *scenario,
                     struct error *error)
{
    int code = 0;

    for (uint64_t i = 0; i < config->schedules && code == 0; i++) {
        code = schedule_run(config, scenario, config->seed + i, error);
        explorer.progress->done++;
        explorer.progress->all_steps += explorer.steps;
    }
    return code;
}

/* PCT has to know how long a schedule is: the first one tells. */
static int run_pct(const struct explore_config *config, const struct explore_scenario *scenario,
                   struct error *error)
{
    int code = schedule_run(config, scenario, 0, error);

    explorer.length = explorer.steps;
    return code ?: run_seeds(config, scenario, error);
}

static int run_exhaustively(const struct explore_config *config,
                            const struct explore_scenario *scenario, struct error *error)
{
    uint64_t number = 0;
    int code = 0;

    explorer.decisions = calloc(EXPLORE_DECISIONS + 1, sizeof *explorer.decisions);
    if (!explorer.decisions)
        return error_set(error, ENOMEM, "no memory for decisions");
    while (number < config->schedules && code == 0 && !explorer.progress->exhausted) {
        code = schedule_run(config, scenario, number++, error);
        explorer.progress->done++;
        explorer.progress->all_steps += explorer.steps;
        explorer.progress->exhausted = !explore_schedule_next();
    }
    free(explorer.decisions);
    return code;
}

int virtual_explore(const struct explore_config *config, struct explore_progress *progress,
                    struct error *error)
{
    const struct explore_scenario *scenario = explore_scenario_find(config->scenario, error);

    if (!scenario)
        return -ENOENT;
    explorer = (struct explorer){.config = config, .progress = progress};
    lock_set_default_kind(LOCK_TAS);
    switch (config->scheduler) {
    case EXPLORE_PCT:
        return run_pct(config, scenario, error);
    case EXPLORE_EXHAUSTIVE:
        return run_exhaustively(config, scenario, error);
    default:
        return run_seeds(config, scenario, error);
    }
}
