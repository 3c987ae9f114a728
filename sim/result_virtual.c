/* SPDX-License-Identifier: MIT */
/* What the record of a simulated run says of its machine, and of the cache lines that moved. */
#include "sim/driver.h"
#include "sim/result_accounts.h"
#include "sim/virtual/virtual.h"
#include "version.h"

/* What lines are of, as records name it; enum memory_kind. */
static const char *const structures[MEMORY_KINDS] = {
    [MEMORY_SLAB] = "slab",
    [MEMORY_OBJECT] = "object",
    [MEMORY_LOCK] = "lock",
    [MEMORY_DESCRIPTOR] = "descriptor",
    [MEMORY_CPU_LAYER] = "cpu_layer",
    [MEMORY_MAGAZINE] = "magazine",
    [MEMORY_SLAB_RECORD] = "slab_record",
    [MEMORY_PAGE_RECORD] = "page_record",
    [MEMORY_PAGE_LAYER] = "page_layer",
    [MEMORY_QUEUE_NODE] = "queue_node",
};

static void set_count(json_t *object, const char *key, uint64_t count)
{
    json_object_set_new(object, key, json_integer((json_int_t)count));
}

/* All that the figures follow from beside the design and the load: the compiler's code decides how
 * many accesses an event takes. */
void result_add_virtual_machine(json_t *machine, const struct run_config *config)
{
    const struct virtual_config *virtual = config->virtual_machine;

    json_object_set_new(machine, "costs", json_string(virtual->costs->name));
    json_object_set_new(machine, "hz", json_real(virtual->costs->hz));
    set_count(machine, "slack_cycles", virtual->slack_cycles);
    json_object_set_new(machine, "compute_cycles",
                        json_real((double)virtual->compute_256ths / 256));
    set_count(machine, "operation_cycles", virtual->operation_cycles);
    json_object_set_new(machine, "compiler", json_string(SLABLAB_COMPILER));
}

static uint64_t sum_from(const uint64_t *counts, unsigned first, unsigned end)
{
    uint64_t sum = 0;

    for (unsigned i = first; i < end; i++)
        sum += counts[i];
    return sum;
}

static json_t *transfers(const struct coherence_counts *counts)
{
    json_t *object = json_object(), *distances = json_object();

    set_count(object, "same_core", counts->transfers[DISTANCE_CORE]);
    set_count(object, "same_llc", counts->transfers[DISTANCE_LLC]);
    set_count(object, "same_node", counts->transfers[DISTANCE_NODE]);
    set_count(object, "other_node", sum_from(counts->transfers, DISTANCE_PACKAGE, DISTANCES));
    for (unsigned distance = DISTANCE_PACKAGE; distance < DISTANCES; distance++)
        set_count(distances, distance_name((enum distance)distance), counts->transfers[distance]);
    json_object_set_new(object, "other_node_by_distance", distances);
    return object;
}

static json_t *by_structure(const uint64_t *counts)
{
    json_t *object = json_object();

    for (unsigned kind = 0; kind < MEMORY_KINDS; kind++)
        set_count(object, structures[kind], counts[kind]);
    return object;
}

json_t *result_coherence(const struct run_report *report)
{
    const struct coherence_counts *counts = &report->replay.machine.coherence;
    json_t *object = json_object(), *accesses = json_object(), *hits = json_object();

    for (unsigned op = 0; op < COST_OPS; op++)
        set_count(accesses, cost_op_name((enum cost_op)op), counts->accesses[op]);
    set_count(hits, "l1", counts->hits_l1);
    set_count(hits, "l2", counts->hits_l2);
    set_count(hits, "llc", counts->hits_llc);
    set_count(hits, "memory", counts->memory);
    json_object_set_new(object, "accesses", accesses);
    json_object_set_new(object, "hits", hits);
    json_object_set_new(object, "transfers", transfers(counts));
    set_count(object, "prefetched", counts->prefetched);
    set_count(object, "upgrades", counts->upgrades);
    set_count(object, "invalidations", counts->invalidations);
    json_object_set_new(
        object, "queued_ns",
        json_real((double)counts->queued_cycles * 1e9 / report->replay.machine.clock.hz));
    json_object_set_new(object, "by_structure", by_structure(counts->by_label));
    json_object_set_new(object, "false_sharing", by_structure(counts->false_by_label));
    return object;
}
