/* SPDX-License-Identifier: MIT */
/* The machines of the virtual machine: what was published is in them, and bad files are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/error.h"
#include "sim/topology.h"
#include "sim/virtual/cost_table.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct cost_table *find(const char *name)
{
    const struct cost_table *table = NULL;
    struct error error;

    if (cost_table_find(name, &table, &error) != 0)
        fail_msg("%s", error.text);
    return table;
}

static uint32_t cost(const char *name, enum cost_op op, enum line_state state,
                     enum distance distance)
{
    return find(name)->cost[op][state][distance][HOME_NEAR];
}

/* ---- the built-in ones ---- */

static void machines_are_found_by_name_and_come_in_its_order(void **state)
{
    const struct cost_table *table;
    struct error error;

    (void)state;
    assert_true(cost_table_count() >= 10);
    for (size_t i = 0; i < cost_table_count(); i++) {
        assert_ptr_equal(find(cost_table_at(i)->name), cost_table_at(i));
        if (i > 0)
            assert_true(strcmp(cost_table_at(i - 1)->name, cost_table_at(i)->name) < 0);
    }
    assert_int_equal(cost_table_find("pdp-11", &table, &error), -ENOENT);
    assert_non_null(strstr(error.text, "pdp-11"));
    for (size_t i = 0; i < cost_table_count(); i++)
        assert_non_null(strstr(error.text, cost_table_at(i)->name));
}

static void topologies_count_right(void **state)
{
    static const struct {
        const char *name, *description;
    } expected[] = {
        {"opteron-6172x4", "4 packages, 8 nodes, 8 L3, 48 cores, 48 CPUs"},
        {"xeon-e7-8867lx8", "8 packages, 8 nodes, 8 L3, 80 cores, 80 CPUs"},
        {"epyc-7742x2", "2 packages, 2 nodes, 32 L3, 128 cores, 256 CPUs"},
        {"epyc-7r13x2", "2 packages, 2 nodes, 12 L3, 96 cores, 192 CPUs"},
        {"xeon-6242x2", "2 packages, 2 nodes, 2 L3, 32 cores, 64 CPUs"},
        {"xeon-8375c", "2 packages, 2 nodes, 2 L3, 64 cores, 128 CPUs"},
        {"starfire-16", "16 packages, 1 node, 16 L2, 16 cores, 16 CPUs"},
        {"generic-8", "1 package, 1 node, 1 L3, 8 cores, 8 CPUs"},
        {"generic-64", "2 packages, 2 nodes, 8 L3, 64 cores, 64 CPUs"},
        {"generic-1024", "8 packages, 16 nodes, 128 L3, 1024 cores, 1024 CPUs"},
    };

    (void)state;
    assert_int_equal(cost_table_count(), sizeof expected / sizeof expected[0]);
    for (size_t i = 0; i < cost_table_count(); i++) {
        const struct cost_table *table = find(expected[i].name);
        struct topology *topology;
        struct error error;

        assert_int_equal(topology_create_synthetic(table->topology, &topology, &error), 0);
        assert_string_equal(topology_describe(topology), expected[i].description);
        if (table->hops)
            assert_int_equal(table->nr_nodes, topology_nr_nodes(topology));
        topology_destroy(topology);
    }
}

static void assert_no_holes(const struct cost_table *table)
{
    for (unsigned i = 0; i < COST_OPS * LINE_STATES * COST_HOMES; i++) {
        enum cost_op op = i / (LINE_STATES * COST_HOMES);
        enum line_state state = i / COST_HOMES % LINE_STATES;
        enum distance first = state == LINE_INVALID ? DISTANCE_NODE : DISTANCE_CORE;
        uint32_t local = table->l1_cycles, nearer = 0;

        if (op == COST_ATOMIC)
            local += table->atomic_cycles;
        for (enum distance distance = first; distance < DISTANCES; distance++) {
            uint32_t cycles = table->cost[op][state][distance][i % COST_HOMES];

            if (cycles <= table->l1_cycles || cycles < nearer)
                fail_msg("%s: %s %s %s: %u, nearer %u, L1 %u", table->name, cost_op_name(op),
                         line_state_name(state), distance_name(distance), cycles, nearer, local);
            if (distance > DISTANCE_CORE && cycles <= local)
                fail_msg("%s: %s %s %s: %u, one's own %u", table->name, cost_op_name(op),
                         line_state_name(state), distance_name(distance), cycles, local);
            nearer = cycles;
        }
    }
}

static void every_machine_is_whole_and_farther_is_never_cheaper(void **state)
{
    (void)state;
    for (size_t i = 0; i < cost_table_count(); i++) {
        const struct cost_table *table = cost_table_at(i);
        uint32_t near = table->cost[COST_LOAD][LINE_INVALID][DISTANCE_NODE][HOME_NEAR];

        assert_no_holes(table);
        assert_true(table->hz >= 1e8 && table->hz < 1e10);
        assert_true(table->l1.bytes < table->l2.bytes);
        assert_true(table->l1_cycles < table->l2_cycles);
        if (table->llc.bytes) {
            assert_true(table->l2.bytes < table->llc.bytes);
            assert_true(table->l2_cycles < table->llc_cycles && table->llc_cycles < near);
        }
        assert_true(table->store_shared_by_all == 0 ||
                    table->store_shared_by_all >=
                        table->cost[COST_STORE][LINE_SHARED][DISTANCE_HOP1][HOME_FAR]);
        assert_true(table->atomic_cycles && table->compute_256ths && table->operation_cycles);
        assert_true(table->prefetch_streams == 0 || table->prefetch_cycles == table->l2_cycles);
        assert_true(table->interrupt_cycles && table->sleep_cycles > table->interrupt_cycles);
        assert_true(*table->summary && *table->source && *table->extrapolated);
    }
}

/* ---- what was published, to the unit ---- */

struct published {
    enum cost_op op;
    enum line_state state;
    uint32_t cycles[4];
};

/* David, Guerraoui, Trigonakis, SOSP 2013, table 2. */
static const struct published opteron[] = {
    {COST_LOAD, LINE_MODIFIED, {81, 161, 172, 252}},
    {COST_LOAD, LINE_EXCLUSIVE, {83, 163, 175, 253}},
    {COST_LOAD, LINE_SHARED, {83, 164, 176, 254}},
    {COST_LOAD, LINE_INVALID, {136, 237, 247, 327}},
    {COST_STORE, LINE_MODIFIED, {83, 172, 191, 273}},
    {COST_STORE, LINE_EXCLUSIVE, {83, 171, 191, 271}},
    {COST_STORE, LINE_SHARED, {246, 255, 286, 296}},
    {COST_ATOMIC, LINE_MODIFIED, {110, 197, 216, 296}},
    {COST_ATOMIC, LINE_SHARED, {272, 283, 312, 332}},
};
/* Die (llc), one hop, two hops. */
static const struct published xeon[] = {
    {COST_LOAD, LINE_MODIFIED, {109, 289, 400}},  {COST_LOAD, LINE_EXCLUSIVE, {92, 273, 383}},
    {COST_LOAD, LINE_SHARED, {44, 223, 334}},     {COST_LOAD, LINE_INVALID, {355, 492, 601}},
    {COST_STORE, LINE_MODIFIED, {115, 320, 431}}, {COST_STORE, LINE_EXCLUSIVE, {115, 315, 425}},
    {COST_STORE, LINE_SHARED, {116, 318, 428}},   {COST_ATOMIC, LINE_MODIFIED, {120, 324, 430}},
    {COST_ATOMIC, LINE_SHARED, {113, 312, 423}},
};

static void the_opterons_figures_are_those_of_the_paper(void **state)
{
    static const enum distance distances[] = {DISTANCE_LLC, DISTANCE_PACKAGE, DISTANCE_HOP1,
                                              DISTANCE_HOP2};
    const struct cost_table *table = find("opteron-6172x4");

    (void)state;
    for (size_t i = 0; i < sizeof opteron / sizeof opteron[0]; i++) {
        for (unsigned j = 0; j < 4; j++) {
            /* Memory has no distance nearer than its node. */
            enum distance distance =
                opteron[i].state == LINE_INVALID && j == 0 ? DISTANCE_NODE : distances[j];

            assert_int_equal(cost(table->name, opteron[i].op, opteron[i].state, distance),
                             opteron[i].cycles[j]);
        }
    }
    assert_int_equal(table->l1_cycles, 3);
    assert_int_equal(table->l2_cycles, 15);
    assert_int_equal(table->llc_cycles, 40);
    assert_int_equal(table->store_shared_by_all, 296);
    assert_true(table->has_owned);
    assert_true(table->hz == 2.1e9);
}

static void the_xeons_figures_are_those_of_the_paper(void **state)
{
    static const enum distance distances[] = {DISTANCE_LLC, DISTANCE_HOP1, DISTANCE_HOP2};
    const struct cost_table *table = find("xeon-e7-8867lx8");

    (void)state;
    for (size_t i = 0; i < sizeof xeon / sizeof xeon[0]; i++) {
        for (unsigned j = 0; j < 3; j++) {
            enum distance distance =
                xeon[i].state == LINE_INVALID && j == 0 ? DISTANCE_NODE : distances[j];

            assert_int_equal(cost(table->name, xeon[i].op, xeon[i].state, distance),
                             xeon[i].cycles[j]);
        }
    }
    assert_int_equal(table->l1_cycles, 5);
    assert_int_equal(table->l2_cycles, 11);
    assert_int_equal(table->llc_cycles, 44);
    assert_int_equal(table->store_shared_by_all, 445);
    assert_false(table->has_owned);
    assert_true(table->hz == 2.13e9);
}

/* One-way compare-and-swap of core-to-core-latency in ns: 0 where the machine has no such pair. */
static const struct core_to_core {
    const char *name;
    double core, llc, node_near, node_far, hop1;
} core_to_core[] = {
    {"epyc-7742x2", 8, 25, 131, 249, 267},
    {"epyc-7r13x2", 10, 23, 108, 195, 197},
    {"xeon-6242x2", 7, 48, 0, 0, 141},
    {"xeon-8375c", 8, 51, 0, 0, 108},
};

static void assert_ns(const struct cost_table *table, enum distance distance, enum cost_home home,
                      double ns)
{
    if (ns > 0)
        assert_int_equal(table->cost[COST_ATOMIC][LINE_MODIFIED][distance][home],
                         lround(ns * table->hz * 1e-9));
}

static void atomics_from_core_to_core_are_those_published(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof core_to_core / sizeof core_to_core[0]; i++) {
        const struct core_to_core *ns = &core_to_core[i];
        const struct cost_table *table = find(ns->name);

        for (enum cost_home home = 0; home < COST_HOMES; home++) {
            assert_ns(table, DISTANCE_CORE, home, ns->core);
            assert_ns(table, DISTANCE_LLC, home, ns->llc);
            assert_ns(table, DISTANCE_HOP1, home, ns->hop1);
        }
        assert_ns(table, DISTANCE_NODE, HOME_NEAR, ns->node_near);
        assert_ns(table, DISTANCE_NODE, HOME_FAR, ns->node_far);
    }
}

/* ---- what was extrapolated follows the rule that the page gives ---- */

/* `paper` of `paper_distance` as `table`'s atomic on M at `distance` is to the paper's there. */
static void assert_ratio(const struct cost_table *table, const char *paper, enum cost_op op,
                         enum line_state state, enum distance distance, enum cost_home home,
                         enum distance paper_distance)
{
    double anchor = table->cost[COST_ATOMIC][LINE_MODIFIED][distance][home];
    long expected = lround(anchor * cost(paper, op, state, paper_distance) /
                           cost(paper, COST_ATOMIC, LINE_MODIFIED, paper_distance));
    uint32_t nearer = table->cost[op][state][distance - 1][home];

    if (distance == DISTANCE_LLC && expected < table->llc_cycles)
        expected = table->llc_cycles;
    if (expected < nearer)
        expected = nearer;
    if (table->cost[op][state][distance][home] != expected)
        fail_msg("%s: %s %s %s: %u; by the rule %ld", table->name, cost_op_name(op),
                 line_state_name(state), distance_name(distance),
                 table->cost[op][state][distance][home], expected);
}

static void other_operations_and_states_follow_the_papers_ratios(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COST_OPS * (LINE_STATES - 1) * COST_HOMES; i++) {
        enum cost_op op = i / ((LINE_STATES - 1) * COST_HOMES);
        enum line_state line = LINE_SHARED + i / COST_HOMES % (LINE_STATES - 1);
        enum cost_home home = i % COST_HOMES;
        bool told = op != COST_LOAD && (line == LINE_SHARED || line == LINE_OWNED);

        for (unsigned m = 0; m < 2; m++) {
            const struct cost_table *epyc = find(core_to_core[m].name);
            const struct cost_table *intel = find(core_to_core[m + 2].name);
            const char *paper = told ? "xeon-e7-8867lx8" : "opteron-6172x4";

            assert_ratio(epyc, paper, op, line, DISTANCE_LLC, home, DISTANCE_LLC);
            assert_ratio(epyc, paper, op, line, DISTANCE_NODE, home,
                         told ? DISTANCE_HOP1 : DISTANCE_PACKAGE);
            assert_ratio(epyc, paper, op, line, DISTANCE_HOP1, home, DISTANCE_HOP1);
            assert_ratio(intel, "xeon-e7-8867lx8", op, line, DISTANCE_LLC, home, DISTANCE_LLC);
            assert_ratio(intel, "xeon-e7-8867lx8", op, line, DISTANCE_HOP1, home, DISTANCE_HOP1);
        }
    }
}

static void generic_machines_cost_what_the_epyc_costs(void **state)
{
    static const char *const names[] = {"generic-8", "generic-64", "generic-1024"};
    const struct cost_table *epyc = find("epyc-7r13x2");

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_memory_equal(find(names[i])->cost, epyc->cost, sizeof epyc->cost);
        assert_true(find(names[i])->hz == epyc->hz);
        assert_int_equal(find(names[i])->llc.bytes, epyc->llc.bytes);
    }
}

/* Bonwick & Adams 2001: two locks and unlocks in 186 ns. */
static void the_starfires_locks_cost_what_was_measured(void **state)
{
    const struct cost_table *table = find("starfire-16");
    double pair = 2.0 * (table->l1_cycles + table->atomic_cycles + table->l1_cycles);

    (void)state;
    assert_true(fabs(pair / table->hz * 1e9 - 186) < 2);
}

/* ---- files ---- */

static char path[] = "/tmp/slablab-machine-XXXXXX";

static void assert_same(const struct cost_table *a, const struct cost_table *b)
{
    size_t links = (size_t)a->nr_nodes * a->nr_nodes;

    assert_string_equal(a->name, b->name);
    assert_string_equal(a->summary, b->summary);
    assert_string_equal(a->source, b->source);
    assert_string_equal(a->extrapolated, b->extrapolated);
    assert_string_equal(a->topology, b->topology);
    assert_true(a->hz == b->hz);
    assert_int_equal(a->has_owned, b->has_owned);
    assert_int_equal(a->migrates, b->migrates);
    assert_memory_equal(&a->l1, &b->l1, sizeof a->l1);
    assert_memory_equal(&a->l2, &b->l2, sizeof a->l2);
    assert_memory_equal(&a->llc, &b->llc, sizeof a->llc);
    assert_int_equal(a->l1_cycles, b->l1_cycles);
    assert_int_equal(a->l2_cycles, b->l2_cycles);
    assert_int_equal(a->llc_cycles, b->llc_cycles);
    assert_int_equal(a->atomic_cycles, b->atomic_cycles);
    assert_int_equal(a->prefetch_streams, b->prefetch_streams);
    assert_int_equal(a->prefetch_lines, b->prefetch_lines);
    assert_int_equal(a->prefetch_cycles, b->prefetch_cycles);
    assert_memory_equal(a->cost, b->cost, sizeof a->cost);
    assert_int_equal(a->store_shared_by_all, b->store_shared_by_all);
    assert_int_equal(a->nr_nodes, b->nr_nodes);
    if (links)
        assert_memory_equal(a->hops, b->hops, links);
    else
        assert_true(!a->hops && !b->hops);
    assert_int_equal(a->compute_256ths, b->compute_256ths);
    assert_int_equal(a->operation_cycles, b->operation_cycles);
    assert_int_equal(a->interrupt_cycles, b->interrupt_cycles);
    assert_int_equal(a->sleep_cycles, b->sleep_cycles);
}

static void what_is_written_reads_as_the_same_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < cost_table_count(); i++) {
        struct cost_table odd = *cost_table_at(i), *back;
        struct error error;

        odd.hz = 1e9 / 3 + (double)i;
        odd.l1.bytes += 1;
        odd.l1_cycles *= (uint32_t)i % 2; /* hits that overlap altogether */
        odd.migrates = i % 2;
        odd.cost[COST_ATOMIC][LINE_INVALID][DISTANCE_CORE][HOME_FAR] = UINT32_MAX;
        if (i % 2)
            odd.extrapolated = "";
        assert_int_equal(cost_table_write(&odd, path, &error), 0);
        if (cost_table_read(path, &back, &error) != 0)
            fail_msg("%s", error.text);
        assert_same(&odd, back);
        cost_table_destroy(back);
    }
}

static void a_text_that_no_file_could_hold_is_not_written(void **state)
{
    static const char *const bad[] = {"", "a\n\nb", "a\n", "a\n#b", " a", "a \nb", "a\n\tb"};
    struct cost_table table = *find("generic-8");
    struct error error;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        table.source = (char *)bad[i];
        assert_int_equal(cost_table_write(&table, path, &error), -EINVAL);
        assert_non_null(strstr(error.text, "source"));
    }
}

/* Where in a file with one bad line the error is seen. */
enum seen { HERE, NEXT, END };

/* A good file whose line that begins with `begin` becomes `line`; NULL: it goes. */
static unsigned spoil(const char *name, const char *begin, const char *line, enum seen seen)
{
    unsigned number = 0, found = 0;
    char whole[256], text[1024];
    FILE *in, *out = fopen(path, "w");

    snprintf(whole, sizeof whole, "sim/machines/%s.machine", name);
    in = fopen(whole, "r");
    assert_true(in && out);
    while (fgets(text, sizeof text, in)) {
        bool here = !found && strncmp(text, begin, strlen(begin)) == 0;

        if (here && line)
            fprintf(out, "%s\n", line);
        else if (!here)
            fputs(text, out);
        number += !here || line;
        found = here ? number : found;
    }
    fclose(in);
    fclose(out);
    if (!found)
        fail_msg("no line '%s' in %s", begin, whole);
    return seen == END ? number : found + (seen == NEXT);
}

static void a_bad_line_is_refused_with_its_number_and_the_reason(void **state)
{
    static const struct {
        const char *begin, *line, *reason;
        enum seen seen;
    } bad[] = {
        {"hz", "hertz 2.1e9", "'hertz' is no word", HERE},
        {"hz", "hz", "cycles a second", HERE},
        {"hz", "hz fast", "cycles a second", HERE},
        {"hz", "hz 2.1e9 GHz", "'GHz' is one too many", HERE},
        {"hz", "hz nan", "cycles a second", HERE},
        {"hz", "name again", "line 2 has it already", HERE},
        {"hz", NULL, "without 'hz'", END},
        {"name", "name", "what?", HERE},
        {"name", "name two words", "one word", HERE},
        {"owned", "owned maybe", "yes or no", HERE},
        {"hz", "    more topology", "one line each", HERE},
        {"l1", "    more yes", "there is none", HERE},
        {"l1", "l1 64K 2", "bytes", HERE},
        {"l1", "l1 64G 2 3", "bytes", HERE},
        {"l1", "l1 8000M 2 3", "bytes", HERE},
        {"l1", "l1 0 0 0", "must be one", HERE},
        {"l1", "l1 64K 0 3", "a cache has", HERE},
        {"l2", "l2 512K 16 0", "a cache has", HERE},
        {"l1", "l1 64K 2 3 4", "'4' is one too many", HERE},
        {"l1", "l1 64 2 3", "2 ways", HERE},
        {"llc", "llc 0 16 0", "a cache has", HERE},
        {"prefetch_streams", NULL, "has all three", END},
        {"prefetch_cycles", "prefetch_cycles 0", "has all three", END},
        {"prefetch_streams", "prefetch_streams 65", "there can be 64", END},
        {"sleep", "sleep_cycles -1", "0 to 4294967295", HERE},
        {"sleep", "sleep_cycles 4294967296", "0 to 4294967295", HERE},
        {"sleep", "sleep_cycles 10.5", "0 to 4294967295", HERE},
        {"topology", "topology cabbage:2", "cabbage", HERE},
        {"load shared", "load broken 0 1 2 3 4 5 6 7", "state", HERE},
        {"load shared", "load", "state", HERE},
        {"load shared", "load shared 0 15 83 83 164 176 254", "no cycles for hop3", HERE},
        {"load shared", "load shared 0 15 83 83 164 176 254 332 1", "'1' is one too many", HERE},
        {"load shared", "load shared 0 15 83 83 164 176 254 1.5", "hop3: '1.5'", HERE},
        {"load shared", "load shared 0 15 0 83 164 176 254 332", "llc: an access", HERE},
        {"load shared", "load shared nearby 0 15 83 83 164 176 254 332", "near, far", HERE},
        {"load shared", "load shared far 0 15 83 83 164 176 254 332", "without 'load shared near'",
         END},
        {"load shared", "load modified 0 15 83 83 164 176 254 332", "has it already", HERE},
        {"load invalid", "load invalid 0 0 0 0 237 247 327 407", "node: an access", HERE},
        {"atomic shared", NULL, "without 'atomic shared'", END},
        {"hops", "hops", "a number a node", HERE},
        {"hops", "hops 0 1", "2 nodes", NEXT},
        {"hops", "hops 0 1 1 2 1 2 1 4", "1, 2 or 3", HERE},
        {"hops", "hops 1 1 1 2 1 2 1 2", "expected 0", HERE},
        {"hops", "hops 0 2 1 2 1 2 1 2", "back 2", NEXT},
        {"hops 2 1 2 1 2 1 1 0", NULL, "7 rows", END},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct cost_table *table = NULL;
        struct error error;
        unsigned line = spoil("opteron-6172x4", bad[i].begin, bad[i].line, bad[i].seen);
        char place[80];

        assert_int_equal(cost_table_read(path, &table, &error), -EINVAL);
        assert_null(table);
        snprintf(place, sizeof place, "%s, line %u: ", path, line);
        if (strncmp(error.text, place, strlen(place)) != 0 || !strstr(error.text, bad[i].reason))
            fail_msg("'%s' should say '%s...%s'", error.text, place, bad[i].reason);
    }
}

static void files_that_are_none_are_refused(void **state)
{
    struct cost_table *table;
    struct error error;
    FILE *file;

    (void)state;
    assert_int_equal(cost_table_read("/nonexistent.machine", &table, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/nonexistent.machine"));
    assert_int_equal(cost_table_read("/", &table, &error), -EISDIR);
    file = fopen(path, "w");
    fwrite("na\0me x\n", 1, 8, file);
    fclose(file);
    assert_int_equal(cost_table_read(path, &table, &error), -EINVAL);
    assert_non_null(strstr(error.text, "line 1: a zero byte"));
    file = fopen(path, "w");
    fclose(file);
    assert_int_equal(cost_table_read(path, &table, &error), -EINVAL);
    assert_non_null(strstr(error.text, "without 'name'"));
    spoil("opteron-6172x4", "topology", "topology package:2 numa:1 l3:1 core:6 pu:1", HERE);
    assert_int_equal(cost_table_read(path, &table, &error), -EINVAL);
    assert_non_null(strstr(error.text, "hops are of 8 nodes; the topology has 2"));
}

static void windows_line_ends_blank_lines_and_comments_do_no_harm(void **state)
{
    struct cost_table *table;
    struct error error;

    (void)state;
    spoil("opteron-6172x4", "hz", "\n   # a comment\n\r\nhz 2.1e9\r", HERE);
    assert_int_equal(cost_table_read(path, &table, &error), 0);
    assert_same(table, find("opteron-6172x4"));
    cost_table_destroy(table);
}

/* ---- how far apart ---- */

static uint8_t apart[256 * 256], nodes_apart[64 * 64];

/* Of all CPUs; their number. */
static unsigned measure(const char *description, const char *name, bool own)
{
    struct topology *topology;
    unsigned cpus[256], count;
    struct error error;

    assert_int_equal(topology_create_synthetic(description, &topology, &error), 0);
    count = topology_nr_cpus(topology);
    for (unsigned i = 0; i < count; i++)
        cpus[i] = i;
    cost_distances(topology, find(name), own, cpus, count, apart, nodes_apart);
    topology_destroy(topology);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(apart[i * count + i], DISTANCE_SELF);
        for (unsigned j = 0; j < i; j++)
            assert_int_equal(apart[i * count + j], apart[j * count + i]);
    }
    return count;
}

static void each_level_of_a_topology_has_its_class(void **state)
{
    unsigned n = measure("package:2 numa:2 l3:2 core:2 pu:2", "generic-8", false);

    (void)state;
    assert_int_equal(n, 32);
    assert_int_equal(apart[0 * n + 1], DISTANCE_CORE);
    assert_int_equal(apart[0 * n + 2], DISTANCE_LLC);
    assert_int_equal(apart[0 * n + 4], DISTANCE_NODE);
    assert_int_equal(apart[0 * n + 8], DISTANCE_PACKAGE);
    assert_int_equal(apart[0 * n + 16], DISTANCE_HOP1);
    assert_int_equal(apart[31 * n + 0], DISTANCE_HOP1);
    assert_int_equal(nodes_apart[0 * 4 + 0], DISTANCE_NODE);
    assert_int_equal(nodes_apart[0 * 4 + 1], DISTANCE_PACKAGE);
    assert_int_equal(nodes_apart[1 * 4 + 2], DISTANCE_HOP1);
}

static void the_opterons_links_say_one_hop_or_two(void **state)
{
    const struct cost_table *table = find("opteron-6172x4");
    unsigned n = measure(table->topology, table->name, true);
    unsigned count[DISTANCES] = {0};

    (void)state;
    assert_int_equal(n, 48);
    for (unsigned i = 0; i < n; i++)
        count[apart[i]]++;
    assert_int_equal(count[DISTANCE_SELF], 1);
    assert_int_equal(count[DISTANCE_LLC], 5);
    assert_int_equal(count[DISTANCE_PACKAGE], 6);
    assert_int_equal(count[DISTANCE_HOP1], 18);
    assert_int_equal(count[DISTANCE_HOP2], 18);
    assert_int_equal(nodes_apart[0 * 8 + 2], DISTANCE_HOP1);
    assert_int_equal(nodes_apart[0 * 8 + 3], DISTANCE_HOP2);
    /* Somebody else's machine of eight nodes has not its links. */
    measure(table->topology, table->name, false);
    assert_int_equal(nodes_apart[0 * 8 + 3], DISTANCE_HOP1);
}

static void no_two_sockets_of_the_xeon_are_more_than_two_hops_apart(void **state)
{
    const struct cost_table *table = find("xeon-e7-8867lx8");

    (void)state;
    measure(table->topology, table->name, true);
    for (unsigned from = 0; from < 8; from++) {
        unsigned count[DISTANCES] = {0};

        for (unsigned to = 0; to < 8; to++)
            count[nodes_apart[from * 8 + to]]++;
        assert_int_equal(count[DISTANCE_NODE], 1);
        assert_int_equal(count[DISTANCE_HOP1], 3);
        assert_int_equal(count[DISTANCE_HOP2], 4);
    }
}

static void core_complexes_of_the_epyc_are_a_class_of_their_own(void **state)
{
    const struct cost_table *table = find("epyc-7742x2");
    unsigned n = measure(table->topology, table->name, true);
    unsigned count[DISTANCES] = {0};

    (void)state;
    for (unsigned i = 0; i < n; i++)
        count[apart[i]]++;
    assert_int_equal(count[DISTANCE_CORE], 1);
    assert_int_equal(count[DISTANCE_LLC], 6);
    assert_int_equal(count[DISTANCE_NODE], 120);
    assert_int_equal(count[DISTANCE_HOP1], 128);
}

static void packages_that_share_a_node_are_one_hop_apart(void **state)
{
    const struct cost_table *table = find("starfire-16");
    unsigned n = measure(table->topology, table->name, true);

    (void)state;
    assert_int_equal(apart[0 * n + 15], DISTANCE_HOP1);
    assert_int_equal(nodes_apart[0], DISTANCE_NODE);
}

static void some_cpus_in_any_order_are_as_far_apart_as_they_are(void **state)
{
    static const unsigned some[] = {16, 0, 1, 16};
    struct topology *topology;
    struct error error;

    (void)state;
    assert_int_equal(
        topology_create_synthetic("package:2 numa:2 l3:2 core:2 pu:2", &topology, &error), 0);
    cost_distances(topology, find("generic-64"), false, some, 4, apart, nodes_apart);
    topology_destroy(topology);
    assert_int_equal(apart[0 * 4 + 1], DISTANCE_HOP1);
    assert_int_equal(apart[1 * 4 + 2], DISTANCE_CORE);
    assert_int_equal(apart[0 * 4 + 3], DISTANCE_SELF);
}

static int make_path(void **state)
{
    int file = mkstemp(path);

    (void)state;
    if (file >= 0)
        close(file);
    return file < 0;
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machines_are_found_by_name_and_come_in_its_order),
        cmocka_unit_test(topologies_count_right),
        cmocka_unit_test(every_machine_is_whole_and_farther_is_never_cheaper),
        cmocka_unit_test(the_opterons_figures_are_those_of_the_paper),
        cmocka_unit_test(the_xeons_figures_are_those_of_the_paper),
        cmocka_unit_test(atomics_from_core_to_core_are_those_published),
        cmocka_unit_test(other_operations_and_states_follow_the_papers_ratios),
        cmocka_unit_test(generic_machines_cost_what_the_epyc_costs),
        cmocka_unit_test(the_starfires_locks_cost_what_was_measured),
        cmocka_unit_test(what_is_written_reads_as_the_same_table),
        cmocka_unit_test(a_text_that_no_file_could_hold_is_not_written),
        cmocka_unit_test(a_bad_line_is_refused_with_its_number_and_the_reason),
        cmocka_unit_test(files_that_are_none_are_refused),
        cmocka_unit_test(windows_line_ends_blank_lines_and_comments_do_no_harm),
        cmocka_unit_test(each_level_of_a_topology_has_its_class),
        cmocka_unit_test(the_opterons_links_say_one_hop_or_two),
        cmocka_unit_test(no_two_sockets_of_the_xeon_are_more_than_two_hops_apart),
        cmocka_unit_test(core_complexes_of_the_epyc_are_a_class_of_their_own),
        cmocka_unit_test(packages_that_share_a_node_are_one_hop_apart),
        cmocka_unit_test(some_cpus_in_any_order_are_as_far_apart_as_they_are),
    };

    return cmocka_run_group_tests(tests, make_path, remove_path);
}
