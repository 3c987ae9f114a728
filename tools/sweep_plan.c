/* SPDX-License-Identifier: MIT */
/* The runs of a sweep and their order; see sweep_plan.h. */
#include "tools/sweep_plan.h"

#include "allocators/allocator.h"
#include "sim/error.h"
#include "sim/result.h"
#include "tools/machine_options.h"
#include "tools/series.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* ---- names ---- */

/* Says all that can be varied, so that it means the same in every folder. */
static char *name_of(const struct combination *combination)
{
    const struct cell *cell = combination->cell;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    if (!stream)
        return NULL;
    fprintf(stream, "%s %s", combination->trace, cell->allocator);
    for (size_t i = 0; i < cell->nr_settings; i++)
        fprintf(stream, " %s=%s", cell->settings[i].key, cell->settings[i].value);
    fprintf(stream, " magazine=%llu threads=%u", (unsigned long long)cell->magazine_size,
            cell->threads);
    if (cell->replicas == REPLICAS_AUTO)
        fprintf(stream, " replicas=auto");
    else
        fprintf(stream, " replicas=%llu", (unsigned long long)cell->replicas);
    fprintf(stream, " lock=%s bind=%s", lock_kind_name(cell->lock), cell->bind->text);
    if (cell->machine)
        fprintf(stream, " machine=%s", cell->machine->name);
    if (combination->arm)
        fprintf(stream, " arm=%c", combination->arm);
    return fclose(stream) == 0 ? text : NULL;
}

#define SHARDS_MAX 100000

bool shard_parse(const char *text, struct shard *shard)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10), count = 0;

    if (*end == '/' && end[1] >= '0' && end[1] <= '9')
        count = strtoul(end + 1, &end, 10);
    *shard = (struct shard){.number = (unsigned)number, .count = (unsigned)count};
    return !*end && count >= 1 && count <= SHARDS_MAX && number >= 1 && number <= count;
}

/* ---- combinations ---- */

int design_is_harness(const char *name, bool *harness, struct error *error)
{
    struct allocator_instance *instance;
    int code = allocator_create(name, &instance, error);

    if (code)
        return code;
    *harness = allocator_design(instance)->harness;
    allocator_destroy(instance);
    return 0;
}

/* Does no cell before `cells[number]` stand for its threads, replicas, lock and binding? */
static int is_compared(const struct cell_list *cells, size_t number, const bool *compared,
                       bool *result, struct error *error)
{
    const struct cell *cell = &cells->cells[number];
    bool harness = false;
    int code;

    *result = false;
    for (size_t i = number; i-- > 0;) {
        const struct cell *other = &cells->cells[i];

        if (!cells_share_plan(cell, other))
            break; /* they are neighbours */
        if (compared[i] && other->lock == cell->lock)
            return 0;
    }
    code = design_is_harness(cell->allocator, &harness, error);
    *result = code == 0 && !harness;
    return code;
}

static int combination_add(struct sweep_plan *plan, const char *trace, const struct cell *cell,
                           char arm, struct error *error)
{
    struct combination *new = &plan->combinations[plan->nr_combinations];

    *new = (struct combination){.trace = trace, .cell = cell, .arm = arm, .ours = true};
    new->name = name_of(new);
    if (!new->name)
        return error_set(error, ENOMEM, "no memory for the name of a run");
    plan->nr_combinations++;
    return 0;
}

int sweep_plan_create(struct sweep_plan *plan, const struct word_list *traces,
                      const struct cell_list *cells, const bool *same, bool compare_itself,
                      struct error *error)
{
    bool *compared = calloc(cells->count, sizeof *compared);
    int code = 0;

    *plan = (struct sweep_plan){
        .combinations = calloc(traces->count * cells->count * 2, sizeof *plan->combinations),
        .known = json_object(),
        .disturbed = json_object(),
    };
    if (!compared || !plan->combinations || !plan->known || !plan->disturbed)
        code = error_set(error, ENOMEM, "no memory for a sweep");
    for (size_t i = 0; code == 0 && compare_itself && i < cells->count; i++)
        code = is_compared(cells, i, compared, &compared[i], error);
    for (size_t i = 0; code == 0 && i < traces->count * cells->count; i++) {
        const char *trace = traces->words[i / cells->count];
        const struct cell *cell = &cells->cells[i % cells->count];
        bool twice = compared[i % cells->count];

        if (same[i])
            continue;
        code = combination_add(plan, trace, cell, twice ? 'a' : 0, error);
        if (code == 0 && twice)
            code = combination_add(plan, trace, cell, 'b', error);
    }
    free(compared);
    return code;
}

static void run_cleanup(struct run *run)
{
    free(run->name);
    free(run->series);
}

void sweep_plan_destroy(struct sweep_plan *plan)
{
    for (size_t i = 0; i < plan->nr_runs; i++)
        run_cleanup(&plan->runs[i]);
    free(plan->runs);
    for (size_t i = 0; i < plan->nr_combinations; i++) {
        free(plan->combinations[i].name);
        free(plan->combinations[i].values);
    }
    free(plan->combinations);
    json_decref(plan->known);
    json_decref(plan->disturbed);
    *plan = (struct sweep_plan){0};
}

/* ---- what is known ---- */

int sweep_plan_note(struct sweep_plan *plan, const json_t *record)
{
    const char *name = json_string_value(json_object_get(record, "cell"));
    bool valid = result_valid(record);
    double value = valid ? figure_throughput(record) : NAN;

    if (!name)
        return 0;
    if (valid && json_is_true(json_object_get(record, "disturbed")))
        json_object_set_new(plan->disturbed, name, json_true());
    else
        json_object_del(plan->disturbed, name);
    /* A valid run of no events has no throughput, but is done. */
    return json_object_set_new(plan->known, name,
                               !valid ? json_null() : json_real(isnan(value) ? 0 : value))
               ? -ENOMEM
               : 0;
}

/* ---- runs ---- */

static int run_add(struct sweep_plan *plan, struct combination *combination, struct error *error)
{
    struct run *grown = realloc(plan->runs, (plan->nr_runs + 1) * sizeof *grown), *run;

    if (!grown)
        return error_set(error, ENOMEM, "no memory for %zu runs", plan->nr_runs + 1);
    plan->runs = grown;
    run = &grown[plan->nr_runs];
    *run = (struct run){.combination = combination, .repeat = combination->repeats};
    if (asprintf(&run->name, "%s repeat=%u", combination->name, run->repeat) < 0) {
        run->name = NULL;
    } else if (asprintf(&run->series, SERIES_FOLDER "/%016llx.jsonl",
                        (unsigned long long)XXH3_64bits(run->name, strlen(run->name))) < 0) {
        run->series = NULL;
    }
    if (!run->series) {
        run_cleanup(run);
        return error_set(error, ENOMEM, "no memory for %zu runs", plan->nr_runs + 1);
    }
    run->done = json_is_real(json_object_get(plan->known, run->name)) &&
                !(plan->rerun_disturbed && json_object_get(plan->disturbed, run->name));
    combination->repeats++;
    plan->nr_runs++;
    return 0;
}

/* Fisher and Yates over items of one size; the remainder's bias over 2^31 does not matter here. */
static void shuffle(void *items, size_t count, size_t size, uint64_t seed)
{
    char state[64], swapped[size];
    struct random_data data = {0};

    initstate_r((unsigned)seed, state, sizeof state, &data);
    for (size_t i = count; i > 1; i--) {
        char *last = (char *)items + (i - 1) * size, *other;
        int32_t number;

        random_r(&data, &number);
        other = (char *)items + (size_t)number % i * size;
        memcpy(swapped, last, size);
        memcpy(last, other, size);
        memcpy(other, swapped, size);
    }
}

/* Leaves the combinations of one shard, by their place in a shuffled order. */
static int deal_combinations(struct sweep_plan *plan, uint64_t seed, const struct shard *shard,
                             struct error *error)
{
    size_t *order = calloc(plan->nr_combinations, sizeof *order);

    if (!order)
        return error_set(error, ENOMEM, "no memory for a sweep");
    for (size_t i = 0; i < plan->nr_combinations; i++)
        order[i] = i;
    shuffle(order, plan->nr_combinations, sizeof *order, seed);
    for (size_t i = 0; i < plan->nr_combinations; i++)
        plan->combinations[order[i]].ours = i % shard->count == shard->number - 1;
    free(order);
    return 0;
}

/* Leaves the runs of one shard. */
static void deal_runs(struct sweep_plan *plan, const struct shard *shard)
{
    size_t kept = 0;

    for (size_t i = 0; i < plan->nr_runs; i++) {
        if (i % shard->count == shard->number - 1)
            plan->runs[kept++] = plan->runs[i];
        else
            run_cleanup(&plan->runs[i]);
    }
    plan->nr_runs = kept;
}

int sweep_plan_begin(struct sweep_plan *plan, unsigned repeats, uint64_t seed,
                     const struct shard *shard, bool whole, struct error *error)
{
    int code = whole ? deal_combinations(plan, seed, shard, error) : 0;

    for (size_t i = 0; i < plan->nr_combinations; i++) {
        struct combination *combination = &plan->combinations[i];

        while (code == 0 && combination->ours && combination->repeats < repeats)
            code = run_add(plan, combination, error);
    }
    if (code)
        return code;
    shuffle(plan->runs, plan->nr_runs, sizeof *plan->runs, seed);
    if (!whole)
        deal_runs(plan, shard);
    return 0;
}

size_t sweep_plan_size(const struct sweep_plan *plan, uint64_t repeats, const struct shard *shard)
{
    size_t all = plan->nr_combinations * repeats;

    return all / shard->count + (all % shard->count >= shard->number);
}

/* The values of all runs of a combination that are known. */
static int values_gather(struct sweep_plan *plan, struct combination *combination)
{
    double *grown = realloc(combination->values, combination->repeats * sizeof *grown);

    if (!grown)
        return -ENOMEM;
    combination->values = grown;
    combination->nr_values = 0;
    for (unsigned i = 0; i < combination->repeats; i++) {
        const json_t *value;
        char *name;

        if (asprintf(&name, "%s repeat=%u", combination->name, i) < 0)
            return -ENOMEM;
        value = json_object_get(plan->known, name);
        free(name);
        if (json_is_real(value))
            grown[combination->nr_values++] = json_real_value(value);
    }
    return 0;
}

int sweep_plan_extend(struct sweep_plan *plan, bool (*wanted)(const struct combination *, void *),
                      void *context, uint64_t seed, struct error *error)
{
    size_t before = plan->nr_runs;
    int code = 0;

    for (size_t i = 0; code == 0 && i < plan->nr_combinations; i++) {
        struct combination *combination = &plan->combinations[i];

        if (!combination->ours)
            continue;
        if (values_gather(plan, combination) != 0)
            code = error_set(error, ENOMEM, "no memory for the values of a combination");
        else if (wanted(combination, context))
            code = run_add(plan, combination, error);
    }
    if (code == 0)
        shuffle(plan->runs + before, plan->nr_runs - before, sizeof *plan->runs, seed + before);
    return code;
}

size_t sweep_plan_missing(const struct sweep_plan *plan)
{
    size_t missing = 0;

    for (size_t i = 0; i < plan->nr_runs; i++)
        missing += !plan->runs[i].done;
    return missing;
}
