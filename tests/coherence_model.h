/* SPDX-License-Identifier: MIT */
/* Machines for tests of the caches' model: costs are primes, so that a cost names its entry. */
#ifndef SLABLAB_TESTS_COHERENCE_MODEL_H
#define SLABLAB_TESTS_COHERENCE_MODEL_H

#include "sim/virtual/coherence.h"

/* Each number of CPUs divides the next. Packages next to each other are one hop apart, else two. */
struct model_shape {
    unsigned cpus, per_core, per_llc, per_node, per_package;
};

/*
 * Two regions that are nowhere near: the first not guarded, the second guarded. Both have a
 * megabyte on each node, and one that would be the next node's.
 */
#define OPEN_BASE    ((uintptr_t)0x10000000)
#define GUARDED_BASE ((uintptr_t)0x7000000000)
#define HOME_BYTES   ((size_t)1 << 20)

struct model {
    struct model_shape shape;
    struct cost_table costs; /* read by the model: what is changed holds from then on */
    struct coherence *coherence;
    struct coherence_violation last; /* of `violations` so far */
    unsigned violations;
};

/*
 * All costs different primes; an L1 of 4 lines, an L2 of 8 and an LLC of 16, each one set, unless
 * `caches` says how many sets of 8 ways each has.
 */
void model_init(struct model *model, const struct model_shape *shape, bool has_owned,
                const unsigned *caches);
void model_cleanup(struct model *model);

/*
 * 2 packages of 2 nodes of 2 LLCs of 2 cores of 2 threads. As seen from CPU 0, one at each
 * distance.
 */
enum { SELF = 0, SIBLING = 1, SAME_LLC = 2, SAME_NODE = 4, SAME_PACKAGE = 8, OTHER_PACKAGE = 16 };
#define NODES 4

/* That machine with one protocol and the other, for cmocka; the state is a struct model. */
int model_setup_mesi(void **state);
int model_setup_moesi(void **state);
int model_teardown(void **state);
#define MESI_TEST(name)  cmocka_unit_test_setup_teardown(name, model_setup_mesi, model_teardown)
#define MOESI_TEST(name) cmocka_unit_test_setup_teardown(name, model_setup_moesi, model_teardown)

/* A line at home on a node of it, another one each time that it is asked for. */
uintptr_t fresh_line(unsigned node);

enum distance model_distance(const struct model *model, unsigned cpu, unsigned other);
enum distance model_node_distance(const struct model *model, unsigned cpu, unsigned node);

/* What the table says of a line whose home is `node`. */
uint64_t model_cost(const struct model *model, unsigned cpu, enum cost_op op, enum line_state state,
                    enum distance distance, unsigned node);
uint64_t model_memory_cost(const struct model *model, unsigned cpu, enum cost_op op, unsigned node);

/* An access of 8 bytes at a time at which nobody is in the way. */
uint64_t model_access(struct model *model, unsigned cpu, uintptr_t address, enum cost_op op);

enum line_state model_state(const struct model *model, uintptr_t address);
bool model_holds(const struct model *model, unsigned cpu, uintptr_t address);
unsigned model_nr_holders(const struct model *model, uintptr_t address);

/* Of all CPUs. */
struct coherence_counts model_counts(const struct model *model);

#endif
