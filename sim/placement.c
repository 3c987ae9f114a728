/* SPDX-License-Identifier: MIT */
/*
 * Which CPU each worker gets: the policies of --bind. Pure arithmetic over the records of
 * topology.h; hwloc may not come in here.
 */
#include "sim/topology.h"

#include "sim/error.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OS_CPU_MAX 65535 /* no system numbers CPUs beyond it; keeps "0-99999999" out of memory */

/* ---- parsing ---- */

/* A decimal number at *text, at most `most`; moves *text behind it. */
static bool parse_number(const char **text, unsigned long most, unsigned *number)
{
    char *end;
    unsigned long value;

    if (!isdigit((unsigned char)**text))
        return false;
    errno = 0;
    value = strtoul(*text, &end, 10);
    if (errno || value > most)
        return false;
    *text = end;
    *number = (unsigned)value;
    return true;
}

static int binding_add_cpus(struct binding *binding, unsigned first, unsigned last)
{
    size_t count = binding->nr_os_cpus + (last - first + 1);
    unsigned *grown = realloc(binding->os_cpus, count * sizeof *grown);

    if (!grown)
        return -ENOMEM;
    binding->os_cpus = grown;
    for (unsigned cpu = first; cpu <= last; cpu++)
        binding->os_cpus[binding->nr_os_cpus++] = cpu;
    return 0;
}

/* "0,2-5": numbers and rising ranges, kept in the order given. */
static int binding_parse_cpus(const char *text, struct binding *binding, struct error *error)
{
    const char *list = text;

    for (;;) {
        const char *item = text;
        unsigned first = 0, last;
        bool good = parse_number(&text, OS_CPU_MAX, &first);

        last = first;
        if (good && *text == '-') {
            text++;
            good = parse_number(&text, OS_CPU_MAX, &last) && first <= last;
        }
        if (!good || (*text != ',' && *text != '\0'))
            return error_set(error, EINVAL,
                             "binding 'cpus:%s': '%s' is not a list of CPU numbers (0 to %d) and "
                             "rising ranges, such as 0,2-5",
                             list, item, OS_CPU_MAX);
        if (binding_add_cpus(binding, first, last))
            return error_set(error, ENOMEM, "binding 'cpus:%s': no memory", list);
        if (*text == '\0')
            return 0;
        text++;
    }
}

int binding_parse(const char *text, struct binding *binding, struct error *error)
{
    static const struct {
        const char *name;
        enum binding_policy policy;
    } plain[] = {
        {"compact", BINDING_COMPACT},
        {"scatter", BINDING_SCATTER},
        {"none", BINDING_NONE},
    };
    int rc;

    *binding = (struct binding){0};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (!strcmp(text, plain[i].name)) {
            binding->policy = plain[i].policy;
            return 0;
        }
    }
    if (!strncmp(text, "node:", 5)) {
        const char *number = text + 5;

        binding->policy = BINDING_NODE;
        if (!parse_number(&number, INT_MAX, &binding->node) || *number)
            return error_set(error, EINVAL, "binding '%s': 'node:' wants one number, as in node:0",
                             text);
        return 0;
    }
    if (!strncmp(text, "cpus:", 5)) {
        binding->policy = BINDING_CPUS;
        rc = binding_parse_cpus(text + 5, binding, error);
        if (rc)
            binding_cleanup(binding);
        return rc;
    }
    return error_set(error, EINVAL,
                     "binding '%s' is not known; it can be compact, scatter, node:K, cpus:LIST "
                     "(such as cpus:0,2-5) or none",
                     text);
}

void binding_cleanup(struct binding *binding)
{
    free(binding->os_cpus);
    *binding = (struct binding){0};
}

/* ---- placing ---- */

/* The CPUs a policy allows, in the order in which it deals them out. */
struct deal {
    unsigned *cpus;
    unsigned count;
};

static void deal_compact(const struct topology *topology, struct deal *deal)
{
    for (unsigned cpu = 0; cpu < topology_nr_cpus(topology); cpu++)
        deal->cpus[deal->count++] = cpu;
}

/* How many CPUs of each part of the machine are dealt out; every array has one entry per CPU. */
struct scatter {
    unsigned *packages, *nodes, *llcs, *cores;
    bool *taken;
};

/* Is `a` in emptier parts of the machine than `b`, the widest part deciding first? */
static bool scatter_prefers(const struct scatter *load, const struct topology_cpu *a,
                            const struct topology_cpu *b)
{
    if (load->packages[a->package] != load->packages[b->package])
        return load->packages[a->package] < load->packages[b->package];
    if (load->nodes[a->node] != load->nodes[b->node])
        return load->nodes[a->node] < load->nodes[b->node];
    if (load->llcs[a->llc] != load->llcs[b->llc])
        return load->llcs[a->llc] < load->llcs[b->llc];
    return load->cores[a->core] < load->cores[b->core];
}

/* See topology_place. Quadratic, which 1,024 CPUs bear easily. */
static int deal_scatter(const struct topology *topology, struct deal *deal)
{
    size_t parts = topology_nr_cpus(topology) + topology_nr_nodes(topology);
    unsigned *loads = calloc(parts * 4, sizeof *loads);
    bool *taken = calloc(parts, sizeof *taken);
    struct scatter load;

    if (!loads || !taken) {
        free(loads);
        free(taken);
        return -ENOMEM;
    }
    load = (struct scatter){loads, loads + parts, loads + 2 * parts, loads + 3 * parts, taken};
    while (deal->count < topology_nr_cpus(topology)) {
        const struct topology_cpu *best = NULL;
        unsigned best_cpu = 0;

        for (unsigned cpu = 0; cpu < topology_nr_cpus(topology); cpu++) {
            const struct topology_cpu *candidate = topology_cpu(topology, cpu);

            if (!load.taken[cpu] && (!best || scatter_prefers(&load, candidate, best))) {
                best = candidate;
                best_cpu = cpu;
            }
        }
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): fewer are dealt than there are */
        load.packages[best->package]++;
        load.nodes[best->node]++;
        load.llcs[best->llc]++;
        load.cores[best->core]++;
        load.taken[best_cpu] = true;
        deal->cpus[deal->count++] = best_cpu;
    }
    free(loads);
    free(taken);
    return 0;
}

static int deal_node(const struct topology *topology, unsigned node, struct deal *deal,
                     struct error *error)
{
    if (node >= topology_nr_nodes(topology))
        return error_set(error, EINVAL, "binding node:%u: there is no such node; nodes are 0 to %u",
                         node, topology_nr_nodes(topology) - 1);
    for (unsigned cpu = 0; cpu < topology_nr_cpus(topology); cpu++)
        if (topology_cpu(topology, cpu)->node == node)
            deal->cpus[deal->count++] = cpu;
    if (deal->count == 0)
        return error_set(error, EINVAL, "binding node:%u: that node has memory but no CPU", node);
    return 0;
}

static int compare_unsigned(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

    return (x > y) - (x < y);
}

/* The system's CPU numbers as "0-3,8"; cut short where the buffer ends. */
static void list_os_cpus(const struct topology *topology, char *text, size_t size)
{
    unsigned count = topology_nr_cpus(topology);
    unsigned *numbers = calloc(count, sizeof *numbers);
    size_t used = 0;

    text[0] = '\0';
    if (!numbers)
        return;
    for (unsigned cpu = 0; cpu < count; cpu++)
        numbers[cpu] = topology_cpu(topology, cpu)->os_index;
    qsort(numbers, count, sizeof *numbers, compare_unsigned);
    for (unsigned i = 0, end; i < count && used < size; i = end) {
        const char *comma = i ? "," : "";

        for (end = i + 1; end < count && numbers[end] == numbers[end - 1] + 1; end++)
            ;
        if (end == i + 1)
            used += (size_t)snprintf(text + used, size - used, "%s%u", comma, numbers[i]);
        else
            used += (size_t)snprintf(text + used, size - used, "%s%u-%u", comma, numbers[i],
                                     numbers[end - 1]);
    }
    free(numbers);
}

static int deal_listed(const struct topology *topology, const struct binding *binding,
                       bool repeats_allowed, struct deal *deal, struct error *error)
{
    for (size_t i = 0; i < binding->nr_os_cpus; i++) {
        unsigned wanted = binding->os_cpus[i], cpu = 0;

        while (cpu < topology_nr_cpus(topology) && topology_cpu(topology, cpu)->os_index != wanted)
            cpu++;
        if (cpu == topology_nr_cpus(topology)) {
            char exist[512];

            list_os_cpus(topology, exist, sizeof exist);
            return error_set(error, EINVAL,
                             "binding cpus: there is no CPU %u, or we may not use it; CPUs are %s",
                             wanted, exist);
        }
        for (unsigned j = 0; j < deal->count && !repeats_allowed; j++)
            if (deal->cpus[j] == cpu)
                return error_set(error, EINVAL,
                                 "binding cpus: CPU %u is named twice; --oversubscribe allows that",
                                 wanted);
        deal->cpus[deal->count++] = cpu;
    }
    return 0;
}

static int deal_make(const struct topology *topology, const struct binding *binding,
                     bool oversubscribe, struct deal *deal, struct error *error)
{
    switch (binding->policy) {
    case BINDING_SCATTER:
        if (deal_scatter(topology, deal))
            return error_set(error, ENOMEM, "placing workers: no memory");
        return 0;
    case BINDING_NODE:
        return deal_node(topology, binding->node, deal, error);
    case BINDING_CPUS:
        return deal_listed(topology, binding, oversubscribe, deal, error);
    case BINDING_COMPACT:
    case BINDING_NONE:
        break;
    }
    deal_compact(topology, deal);
    return 0;
}

int topology_nr_dealt(const struct topology *topology, const struct binding *binding,
                      bool oversubscribe, unsigned *count, struct error *error)
{
    size_t most = topology_nr_cpus(topology) + binding->nr_os_cpus;
    struct deal deal = {calloc(most, sizeof *deal.cpus), 0};
    int rc;

    if (!deal.cpus)
        return error_set(error, ENOMEM, "counting the CPUs of a binding: no memory");
    rc = deal_make(topology, binding, oversubscribe, &deal, error);
    *count = deal.count;
    free(deal.cpus);
    return rc;
}

int topology_place(const struct topology *topology, const struct binding *binding, unsigned workers,
                   bool oversubscribe, unsigned *cpus, struct error *error)
{
    size_t most = topology_nr_cpus(topology) + binding->nr_os_cpus;
    struct deal deal = {calloc(most, sizeof *deal.cpus), 0};
    int rc;

    if (!deal.cpus)
        return error_set(error, ENOMEM, "placing %u workers: no memory", workers);
    rc = deal_make(topology, binding, oversubscribe, &deal, error);
    if (!rc && workers > deal.count && !oversubscribe)
        rc = error_set(error, E2BIG,
                       "%u workers want %u CPUs, but the binding allows %u; --oversubscribe lets "
                       "them share",
                       workers, workers, deal.count);
    for (unsigned worker = 0; !rc && worker < workers; worker++)
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): what is made has a CPU at least */
        cpus[worker] = deal.cpus[worker % deal.count];
    free(deal.cpus);
    return rc;
}
