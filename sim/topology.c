/* SPDX-License-Identifier: MIT */
/*
 * What hwloc knows of a machine, flattened into one record per CPU; and binding threads to CPUs.
 * Choosing CPUs for workers is placement.c's: it sees these records only.
 */
#include "sim/topology.h"

#include "sim/error.h"
#include "sim/topology_internal.h"

#include <errno.h>
#include <hwloc.h>
#include <hwloc/distances.h>
#include <hwloc/export.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What Linux and the ACPI tables say of near and far memory when they say nothing special. */
#define DISTANCE_LOCAL  10
#define DISTANCE_REMOTE 20

struct topology {
    hwloc_topology_t hwloc;
    unsigned nr_cpus, nr_nodes;
    struct topology_cpu *cpus; /* [nr_cpus] */
    hwloc_obj_t *nodes;        /* [nr_nodes], those with memory; hwloc's */
    unsigned *distances;       /* [nr_nodes * nr_nodes] */
    char description[160];
};

/* ---- nodes ---- */

static bool node_has_memory(hwloc_obj_t node)
{
    return node->attr->numanode.local_memory > 0;
}

/* Keeps the nodes with memory; all of them when the machine's description states no sizes. */
static int nodes_collect(struct topology *topology)
{
    hwloc_obj_t node = NULL;
    bool sizes_known = false;
    size_t all = 0;

    while ((node = hwloc_get_next_obj_by_type(topology->hwloc, HWLOC_OBJ_NUMANODE, node))) {
        sizes_known |= node_has_memory(node);
        all++;
    }
    topology->nodes = calloc(all, sizeof *topology->nodes);
    if (!topology->nodes)
        return -ENOMEM;
    while ((node = hwloc_get_next_obj_by_type(topology->hwloc, HWLOC_OBJ_NUMANODE, node)))
        if (!sizes_known || node_has_memory(node))
            topology->nodes[topology->nr_nodes++] = node;
    return 0;
}

/* The firmware's latency table, which may name nodes without memory; NULL when there is none. */
static struct hwloc_distances_s *distances_get(hwloc_topology_t hwloc)
{
    struct hwloc_distances_s *table = NULL;
    unsigned count = 1;

    if (hwloc_distances_get_by_type(hwloc, HWLOC_OBJ_NUMANODE, &count, &table,
                                    HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) ||
        count == 0)
        return NULL;
    return table;
}

/* From one node's object to another's; 0 when the table does not have both. */
static unsigned distances_look_up(const struct hwloc_distances_s *table, hwloc_obj_t from,
                                  hwloc_obj_t to)
{
    unsigned row = 0, column = 0;

    if (!table)
        return 0;
    while (row < table->nbobjs && table->objs[row] != from)
        row++;
    while (column < table->nbobjs && table->objs[column] != to)
        column++;
    if (row == table->nbobjs || column == table->nbobjs)
        return 0;
    return (unsigned)table->values[(size_t)row * table->nbobjs + column];
}

static int distances_fill(struct topology *topology, const struct hwloc_distances_s *table)
{
    size_t n = topology->nr_nodes;

    topology->distances = calloc(n * n, sizeof *topology->distances);
    if (!topology->distances)
        return -ENOMEM;
    for (size_t from = 0; from < n; from++) {
        for (size_t to = 0; to < n; to++) {
            unsigned known = distances_look_up(table, topology->nodes[from], topology->nodes[to]);
            unsigned usual = from == to ? DISTANCE_LOCAL : DISTANCE_REMOTE;

            topology->distances[from * n + to] = known ? known : usual;
        }
    }
    return 0;
}

/*
 * The first node with memory that is local to the CPU, in hwloc's order (ordinary memory comes
 * before high-bandwidth memory). A CPU whose own node is empty gets the node with memory that is
 * nearest to it, the first of equals.
 */
static unsigned node_nearest(const struct topology *topology, hwloc_obj_t pu,
                             const struct hwloc_distances_s *table)
{
    hwloc_obj_t own = NULL;
    unsigned nearest = 0, nearest_distance = UINT32_MAX;

    for (unsigned node = 0; node < topology->nr_nodes; node++)
        if (hwloc_bitmap_isincluded(pu->cpuset, topology->nodes[node]->cpuset))
            return node;
    while ((own = hwloc_get_next_obj_by_type(topology->hwloc, HWLOC_OBJ_NUMANODE, own)))
        if (hwloc_bitmap_isincluded(pu->cpuset, own->cpuset))
            break;
    for (unsigned node = 0; own && node < topology->nr_nodes; node++) {
        unsigned distance = distances_look_up(table, own, topology->nodes[node]);

        if (distance && distance < nearest_distance) {
            nearest = node;
            nearest_distance = distance;
        }
    }
    return nearest;
}

/* ---- CPUs ---- */

/* The data or unified cache that is farthest from the CPU, or NULL. */
static hwloc_obj_t cache_last_level(hwloc_obj_t pu)
{
    hwloc_obj_t last = NULL;

    for (hwloc_obj_t up = pu->parent; up; up = up->parent)
        if (hwloc_obj_type_is_dcache(up->type))
            last = up;
    return last;
}

/*
 * Numbers objects in the order in which the CPUs, which come in hwloc's order, first lie under
 * them. The CPUs under one object follow each other, so comparing with the last one is enough.
 */
struct numbering {
    hwloc_obj_t last;
    unsigned count;
};

static unsigned numbering_next(struct numbering *numbering, hwloc_obj_t object)
{
    if (numbering->count == 0 || numbering->last != object) {
        numbering->last = object;
        numbering->count++;
    }
    return numbering->count - 1;
}

struct counts {
    struct numbering packages, llcs, cores;
    int llc_level; /* of all last-level caches; 0: no cache known, -1: levels differ */
};

static int cpus_fill(struct topology *topology, const struct hwloc_distances_s *table,
                     struct counts *counts)
{
    topology->nr_cpus = (unsigned)hwloc_get_nbobjs_by_type(topology->hwloc, HWLOC_OBJ_PU);
    topology->cpus = calloc(topology->nr_cpus, sizeof *topology->cpus);
    if (!topology->cpus)
        return -ENOMEM;
    for (unsigned i = 0; i < topology->nr_cpus; i++) {
        hwloc_obj_t pu = hwloc_get_obj_by_type(topology->hwloc, HWLOC_OBJ_PU, i);
        hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(topology->hwloc, HWLOC_OBJ_CORE, pu);
        hwloc_obj_t package =
            hwloc_get_ancestor_obj_by_type(topology->hwloc, HWLOC_OBJ_PACKAGE, pu);
        hwloc_obj_t llc = cache_last_level(pu);
        int level = llc ? (int)llc->attr->cache.depth : 0;

        counts->llc_level = i == 0 || counts->llc_level == level ? level : -1;
        topology->cpus[i] = (struct topology_cpu){
            .os_index = pu->os_index,
            .core = numbering_next(&counts->cores, core ? core : pu),
            .llc = numbering_next(&counts->llcs, llc ? llc : package),
            .package = numbering_next(&counts->packages, package),
            .node = node_nearest(topology, pu, table),
        };
    }
    return 0;
}

static void describe(struct topology *topology, const struct counts *counts)
{
    unsigned packages = counts->packages.count, nodes = topology->nr_nodes;
    unsigned cores = counts->cores.count, cpus = topology->nr_cpus;
    char caches[40] = "";

    if (counts->llc_level > 0)
        snprintf(caches, sizeof caches, " %u L%d,", counts->llcs.count, counts->llc_level);
    else if (counts->llc_level < 0)
        snprintf(caches, sizeof caches, " %u last-level caches,", counts->llcs.count);
    snprintf(topology->description, sizeof topology->description,
             "%u package%s, %u node%s,%s %u core%s, %u CPU%s", packages, packages == 1 ? "" : "s",
             nodes, nodes == 1 ? "" : "s", caches, cores, cores == 1 ? "" : "s", cpus,
             cpus == 1 ? "" : "s");
}

/* ---- loading ---- */

/*
 * A thread that taskset or a batch system has tied to some CPUs is told of no others. What a
 * container may not use hwloc has left out by itself.
 */
static int restrict_to_allowed(hwloc_topology_t hwloc)
{
    hwloc_bitmap_t mine = hwloc_bitmap_alloc();
    int rc = 0;

    if (!mine)
        return -ENOMEM;
    if (hwloc_get_cpubind(hwloc, mine, HWLOC_CPUBIND_THREAD) == 0 &&
        !hwloc_bitmap_isincluded(hwloc_topology_get_topology_cpuset(hwloc), mine))
        rc = hwloc_topology_restrict(hwloc, mine, 0) ? -errno : 0;
    hwloc_bitmap_free(mine);
    return rc;
}

static int flatten(struct topology *topology)
{
    struct hwloc_distances_s *table;
    struct counts counts = {0};
    int rc = nodes_collect(topology);

    if (rc)
        return rc;
    if (topology->nr_nodes > TOPOLOGY_MAX_NODES)
        return -E2BIG;
    if (!topology->nr_nodes || hwloc_get_nbobjs_by_type(topology->hwloc, HWLOC_OBJ_PU) <= 0)
        return -ENXIO;
    table = distances_get(topology->hwloc);
    rc = distances_fill(topology, table);
    if (!rc)
        rc = cpus_fill(topology, table, &counts);
    if (table)
        hwloc_distances_release(topology->hwloc, table);
    if (!rc)
        describe(topology, &counts);
    return rc;
}

/*
 * Variables by which hwloc takes another machine than it was told to, or takes it for the one that
 * we run on. They are for a host's; a machine that was asked for by name, description or file is
 * that machine.
 */
static const char *const overriding[] = {"HWLOC_XMLFILE",    "HWLOC_SYNTHETIC",
                                         "HWLOC_FSROOT",     "HWLOC_CPUID_PATH",
                                         "HWLOC_COMPONENTS", "HWLOC_THISSYSTEM"};
#define OVERRIDING (sizeof overriding / sizeof overriding[0])

/* hwloc's own load, in an environment without them. They are set aside, as a process has but one
 * environment: no other thread may look at it meanwhile. */
int topology_load_as_asked(hwloc_topology_t hwloc)
{
    char *values[OVERRIDING] = {NULL};
    bool kept = true;
    int rc, reason;

    for (size_t i = 0; kept && i < OVERRIDING; i++) {
        const char *value = getenv(overriding[i]);

        values[i] = value ? strdup(value) : NULL;
        kept = !value || values[i];
        if (kept)
            unsetenv(overriding[i]);
    }
    errno = ENOMEM;
    rc = kept ? hwloc_topology_load(hwloc) : -1;
    reason = errno;
    for (size_t i = 0; i < OVERRIDING; i++) {
        if (values[i])
            setenv(overriding[i], values[i], 1);
        free(values[i]);
    }
    errno = reason;
    return rc;
}

/* A topology whose source is not yet chosen. */
static int topology_prepare(struct topology **topology, struct error *error)
{
    struct topology *new = calloc(1, sizeof *new);

    if (!new || hwloc_topology_init(&new->hwloc)) {
        free(new);
        return error_set(error, ENOMEM, "topology: no memory for hwloc's tables");
    }
    *topology = new;
    return 0;
}

/* Loads what was chosen by `load`; on failure the topology is gone. `what` names the source. */
static int topology_finish(struct topology *topology, const char *what,
                           int (*load)(hwloc_topology_t hwloc), struct error *error)
{
    int rc = 0, flat;

    if (load(topology->hwloc))
        rc = error_set(error, EINVAL, "%s: hwloc cannot make a topology of it: %s", what,
                       strerror(errno));
    else if (hwloc_topology_is_thissystem(topology->hwloc) && restrict_to_allowed(topology->hwloc))
        rc = error_set(error, EINVAL, "%s: hwloc cannot leave out the CPUs we may not use", what);
    else if ((flat = flatten(topology)) == -E2BIG)
        rc = error_set(error, EINVAL, "%s: more than %d nodes", what, TOPOLOGY_MAX_NODES);
    else if (flat == -ENXIO)
        rc = error_set(error, EINVAL, "%s: no nodes, or no CPUs that are all of one level", what);
    else if (flat)
        rc = error_set(error, ENOMEM, "%s: no memory for its CPUs", what);
    if (rc)
        topology_destroy(topology);
    return rc;
}

int topology_create_host(struct topology **topology, struct error *error)
{
    struct topology *new;
    int rc = topology_prepare(&new, error);

    if (!rc)
        rc = topology_finish(new, "this host", hwloc_topology_load, error);
    if (!rc)
        *topology = new;
    return rc;
}

static int xml_create(const char *path, const char *text, struct topology **topology,
                      struct error *error)
{
    struct topology *new;
    int rc = topology_prepare(&new, error);

    if (rc)
        return rc;
    if (hwloc_topology_set_xmlbuffer(new->hwloc, text, (int)strlen(text) + 1)) {
        topology_destroy(new);
        return error_set(error, EINVAL, "%s: not an XML export of hwloc", path);
    }
    rc = topology_finish(new, path, topology_load_as_asked, error);
    if (!rc)
        *topology = new;
    return rc;
}

int topology_create_xml(const char *path, struct topology **topology, struct error *error)
{
    char *text;
    int rc = topology_read_xml(path, &text, error);

    if (!rc)
        rc = xml_create(path, text, topology, error);
    free(text);
    return rc;
}

int topology_create_synthetic(const char *description, struct topology **topology,
                              struct error *error)
{
    struct topology *new;
    double cpus, nodes;
    int rc;

    topology_described(description, &cpus, &nodes);
    if (cpus > TOPOLOGY_MAX_CPUS)
        return error_set(error, EINVAL, "topology '%s': more than %d CPUs", description,
                         TOPOLOGY_MAX_CPUS);
    if (nodes > TOPOLOGY_MAX_NODES)
        return error_set(error, EINVAL, "topology '%s': more than %d nodes", description,
                         TOPOLOGY_MAX_NODES);
    rc = topology_prepare(&new, error);
    if (rc)
        return rc;
    if (hwloc_topology_set_synthetic(new->hwloc, description)) {
        topology_destroy(new);
        return error_set(error, EINVAL,
                         "topology '%s': hwloc does not understand it; such as \"package:2 "
                         "numa:1 l3:2 core:4 pu:2\" is right",
                         description);
    }
    rc = topology_finish(new, description, topology_load_as_asked, error);
    if (!rc)
        *topology = new;
    return rc;
}

/* The memory file stays open, here and there: its path is right in each process that has it. */
int topology_hand_down(const struct topology *topology, struct error *error)
{
    char path[32];
    int file;

    if (!topology_is_this_system(topology))
        return 0;
    file = memfd_create("topology", 0);
    if (file < 0)
        return error_set(error, ENOMEM, "no memory to hand the topology down");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (hwloc_topology_export_xml(topology->hwloc, path, 0)) {
        close(file);
        return error_set(error, EIO, "hwloc cannot write the topology of this host");
    }
    /* The second says that it is the machine that one runs on, so that threads can be bound. */
    if (setenv("HWLOC_XMLFILE", path, 1) != 0 || setenv("HWLOC_THISSYSTEM", "1", 1) != 0)
        return error_set(error, ENOMEM, "no memory to hand the topology down");
    return 0;
}

void topology_destroy(struct topology *topology)
{
    if (!topology)
        return;
    hwloc_topology_destroy(topology->hwloc);
    free(topology->cpus);
    free(topology->nodes);
    free(topology->distances);
    free(topology);
}

/* ---- looking at it ---- */

bool topology_is_this_system(const struct topology *topology)
{
    return hwloc_topology_is_thissystem(topology->hwloc) != 0;
}

unsigned topology_nr_cpus(const struct topology *topology)
{
    return topology->nr_cpus;
}

unsigned topology_nr_nodes(const struct topology *topology)
{
    return topology->nr_nodes;
}

const struct topology_cpu *topology_cpu(const struct topology *topology, unsigned cpu)
{
    return &topology->cpus[cpu];
}

unsigned topology_node_os_index(const struct topology *topology, unsigned node)
{
    return topology->nodes[node]->os_index;
}

unsigned topology_distance(const struct topology *topology, unsigned from_node, unsigned to_node)
{
    return topology->distances[(size_t)from_node * topology->nr_nodes + to_node];
}

const char *topology_describe(const struct topology *topology)
{
    return topology->description;
}

int topology_synthetic(const struct topology *topology, char *text, size_t size,
                       struct error *error)
{
    if (hwloc_topology_export_synthetic(topology->hwloc, text, size,
                                        HWLOC_TOPOLOGY_EXPORT_SYNTHETIC_FLAG_NO_ATTRS) < 0)
        return error_set(error, ENOTSUP, "%s: too irregular for a synthetic description",
                         topology->description);
    return 0;
}

/* ---- binding ---- */

int topology_bind_thread(const struct topology *topology, unsigned cpu, struct error *error)
{
    hwloc_obj_t pu = hwloc_get_obj_by_type(topology->hwloc, HWLOC_OBJ_PU, cpu);
    hwloc_bitmap_t now;
    bool held;

    if (!topology_is_this_system(topology))
        return error_set(error, ENOSYS, "cannot bind to CPU %u: the topology is not this system's",
                         cpu);
    /* Before hwloc allocates: it does not look, and may be the first of a thread to ask for memory.
     */
    now = hwloc_bitmap_alloc();
    if (!now)
        return error_set(error, ENOMEM, "no memory to look whether a binding holds");
    if (hwloc_set_cpubind(topology->hwloc, pu->cpuset,
                          HWLOC_CPUBIND_THREAD | HWLOC_CPUBIND_STRICT)) {
        error_set(error, EIO, "cannot bind a thread to CPU %u: %s", pu->os_index, strerror(errno));
        hwloc_bitmap_free(now);
        return -EIO;
    }
    held = hwloc_get_cpubind(topology->hwloc, now, HWLOC_CPUBIND_THREAD) == 0 &&
           hwloc_bitmap_isequal(now, pu->cpuset);
    hwloc_bitmap_free(now);
    if (!held)
        return error_set(error, EIO, "a thread was bound to CPU %u, but the system says otherwise",
                         pu->os_index);
    return 0;
}

int topology_last_cpu(const struct topology *topology)
{
    hwloc_bitmap_t where;
    hwloc_obj_t pu = NULL;

    if (!topology_is_this_system(topology))
        return -1;
    where = hwloc_bitmap_alloc();
    if (!where)
        return -1;
    if (hwloc_get_last_cpu_location(topology->hwloc, where, HWLOC_CPUBIND_THREAD) == 0 &&
        hwloc_bitmap_first(where) >= 0)
        pu = hwloc_get_pu_obj_by_os_index(topology->hwloc, (unsigned)hwloc_bitmap_first(where));
    hwloc_bitmap_free(where);
    return pu ? (int)pu->logical_index : -1;
}
