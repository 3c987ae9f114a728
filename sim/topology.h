/* SPDX-License-Identifier: MIT */
/*
 * CPUs, cores, caches and nodes of this host, of an XML export, or of a synthetic machine; and
 * binding threads to them. topology.c is the only user of hwloc.
 */
#ifndef SLABLAB_SIM_TOPOLOGY_H
#define SLABLAB_SIM_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>

struct error;
struct topology;

/*
 * Machines are not as large, and hwloc holds every object that it makes against all others: from
 * here on it takes seconds, then minutes. No more than VIRTUAL_MAX_CPUS are simulated.
 */
#ifdef SLABLAB_SMALL /* tests/fuzz */
#define TOPOLOGY_MAX_CPUS 128
#else
#define TOPOLOGY_MAX_CPUS 2048 /* of a description */
#endif
#define TOPOLOGY_MAX_NODES 1024

/* One processing unit. Logical numbers count from 0 in hwloc's order (neighbours are near). */
struct topology_cpu {
    unsigned os_index; /* the operating system's number */
    unsigned core;
    unsigned llc; /* last-level cache; the package's number where no cache is known */
    unsigned package;
    unsigned node; /* logical number of the nearest node with memory */
};

/*
 * Each gives a topology that topology_destroy frees; errors: -EINVAL (what hwloc refused), -ENOMEM.
 * The host's has only CPUs that the calling thread may be bound to, so create it before binding:
 * what a container, taskset or a batch system keeps from us does not count. hwloc's variables
 * (HWLOC_XMLFILE, HWLOC_SYNTHETIC, HWLOC_THISSYSTEM ...) hold for the host's alone.
 */
int topology_create_host(struct topology **topology, struct error *error);
int topology_create_xml(const char *path, struct topology **topology, struct error *error);
int topology_create_synthetic(const char *description, struct topology **topology,
                              struct error *error);
void topology_destroy(struct topology *topology);

/* How many of each a synthetic description asks for; whether hwloc understands it is hwloc's. */
void topology_described(const char *description, double *cpus, double *nodes);

/*
 * Programs that this process starts from now on find this host's topology with hwloc instead of
 * looking for themselves, which takes milliseconds, and more the more CPUs there are. For programs
 * that may use the same CPUs. Does nothing for other machines' topologies. -ENOMEM, -EIO.
 */
int topology_hand_down(const struct topology *topology, struct error *error);

/* Is this the machine we run on? Binding to any other binds nothing, and hwloc does not say so. */
bool topology_is_this_system(const struct topology *topology);

unsigned topology_nr_cpus(const struct topology *topology);
unsigned topology_nr_nodes(const struct topology *topology);
const struct topology_cpu *topology_cpu(const struct topology *topology, unsigned cpu);
unsigned topology_node_os_index(const struct topology *topology, unsigned node);

/* As the firmware's table has it (10: local); where it has none 10, and 20 to another node. */
unsigned topology_distance(const struct topology *topology, unsigned from_node, unsigned to_node);

/* One line for people and provenance, such as "1 package, 1 node, 1 L3, 2 cores, 2 CPUs". */
const char *topology_describe(const struct topology *topology);

/*
 * A synthetic description, from which topology_create_synthetic makes a machine of this shape.
 * -ENOTSUP: it is too irregular for one (a mask has left of one package more than of another).
 */
int topology_synthetic(const struct topology *topology, char *text, size_t size,
                       struct error *error);

enum binding_policy {
    BINDING_COMPACT, /* fill a core, a cache, a node before the next */
    BINDING_SCATTER, /* as far apart as the machine allows; see topology_place */
    BINDING_NODE,    /* compact within one node (logical number) */
    BINDING_CPUS,    /* a list of operating-system CPU numbers */
    BINDING_NONE     /* the user asked for no binding */
};

struct binding {
    enum binding_policy policy;
    unsigned node;     /* BINDING_NODE */
    unsigned *os_cpus; /* BINDING_CPUS; owned, see binding_cleanup */
    size_t nr_os_cpus;
};

/* "compact", "scatter", "node:K", "cpus:0,2-5", "none". */
int binding_parse(const char *text, struct binding *binding, struct error *error);
void binding_cleanup(struct binding *binding);

/*
 * Chooses a CPU for each of `workers` workers: cpus[i] is a logical CPU number.
 *
 * Compact deals the CPUs in hwloc's order, which fills a core, a cache, a node before the next.
 * Scatter gives each worker the free CPU whose package has fewest workers so far; among those
 * whose node, then whose last-level cache, then whose core has fewest; then the lowest number. So
 * it goes round the packages, within a package round its nodes, and so on, and SMT siblings of a
 * busy core come last. (Packages before nodes: two nodes of one package are nearer.) A list of
 * CPUs is dealt in its own order and may name one twice only when `oversubscribe`.
 *
 * Workers beyond the CPUs that the policy allows are refused (-E2BIG, the sentence says how many
 * there are) unless `oversubscribe`, which deals them out again from the start. BINDING_NONE deals
 * compactly: it says which CPU a worker stands for, though nothing holds it there.
 */
int topology_place(const struct topology *topology, const struct binding *binding, unsigned workers,
                   bool oversubscribe, unsigned *cpus, struct error *error);

/*
 * How many workers get a CPU of their own: CPUs that the binding deals before it begins again (one
 * that a list names twice is two). Errors as topology_place, -E2BIG apart.
 */
int topology_nr_dealt(const struct topology *topology, const struct binding *binding,
                      bool oversubscribe, unsigned *count, struct error *error);

/*
 * Binds the calling thread and asks the system whether it is so: -ENOSYS when the topology is not
 * this system, -EIO when the binding did not hold.
 */
int topology_bind_thread(const struct topology *topology, unsigned cpu, struct error *error);

/* Logical CPU on which the calling thread last ran, or -1 when it cannot be told. */
int topology_last_cpu(const struct topology *topology);

#endif
