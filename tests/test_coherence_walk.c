/* SPDX-License-Identifier: MIT */
/*
 * The model of caches at random: against a slow and obvious one where there is room for all,
 * against its own invariants where there is not; and machines of 1,024 CPUs.
 */
#include "tests/coherence_model.h"

#include "sim/virtual/coherence_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define LINES 6
#define STEPS 40000

/* Numbers at random, the same every time. */
static unsigned draw(unsigned below)
{
    static unsigned short words[3] = {1, 2, 3};

    return (unsigned)(nrand48(words) >> 8) % below;
}

/* ---- the slow and obvious model: no capacity, and arrays for everything ---- */

struct slow_line {
    enum line_state state;
    bool holds[32];
    unsigned owner;
    uint64_t free_at, latest;
};

struct slow {
    const struct model *model;
    struct slow_line lines[LINES];
    struct coherence_counts counts;
};

static unsigned slow_holders(const struct slow_line *line)
{
    unsigned count = 0;

    for (unsigned i = 0; i < 32; i++)
        count += line->holds[i];
    return count;
}

/* Of the others that hold it. */
static enum distance slow_distance(const struct slow *slow, const struct slow_line *line,
                                   unsigned cpu, bool farthest)
{
    enum distance best = farthest ? DISTANCE_SELF : DISTANCES;

    for (unsigned i = 0; i < 32; i++) {
        enum distance distance = model_distance(slow->model, cpu, i);

        if (i != cpu && line->holds[i] && (farthest ? distance > best : distance < best))
            best = distance;
    }
    return best;
}

static bool slow_hits(const struct slow_line *line, unsigned cpu, enum cost_op op)
{
    return line->holds[cpu] && (op == COST_LOAD || slow_holders(line) == 1);
}

/* How far the line comes from, or what has to be told of the store. */
static enum distance slow_key(const struct slow *slow, const struct slow_line *line, unsigned cpu,
                              enum cost_op op)
{
    if (line->state == LINE_SHARED)
        return slow_distance(slow, line, cpu, op != COST_LOAD);
    if (line->state == LINE_OWNED && op != COST_LOAD)
        return slow_distance(slow, line, cpu, true);
    return model_distance(slow->model, cpu, line->owner);
}

static uint64_t slow_wait(struct slow *slow, struct slow_line *line, uint64_t now, uint64_t cycles)
{
    uint64_t wait;

    if (now > line->latest)
        line->latest = now;
    wait = line->free_at > line->latest ? line->free_at - line->latest : 0;
    line->free_at = line->latest + wait + cycles;
    slow->counts.queued_cycles += wait;
    return wait + cycles;
}

static void slow_change(struct slow *slow, struct slow_line *line, unsigned cpu, enum cost_op op)
{
    bool moesi = slow->model->costs.has_owned;

    if (op != COST_LOAD) {
        for (unsigned i = 0; i < 32; i++) {
            slow->counts.invalidations += i != cpu && line->holds[i];
            line->holds[i] = false;
        }
        line->state = LINE_MODIFIED;
        line->owner = cpu;
    } else if (line->state == LINE_INVALID) {
        line->state = LINE_EXCLUSIVE;
        line->owner = cpu;
    } else if (line->state == LINE_MODIFIED && slow->model->costs.migrates) {
        slow->counts.invalidations++;
        line->holds[line->owner] = false;
        line->owner = cpu;
    } else if (line->state == LINE_MODIFIED && moesi) {
        line->state = LINE_OWNED;
    } else if (line->state != LINE_OWNED) {
        line->state = LINE_SHARED;
    }
    line->holds[cpu] = true;
}

static uint64_t slow_access(struct slow *slow, unsigned number, unsigned cpu, enum cost_op op,
                            uint64_t now)
{
    const struct cost_table *costs = &slow->model->costs;
    struct slow_line *line = &slow->lines[number];
    unsigned node = number % 4;
    uint64_t cycles;

    slow->counts.accesses[op]++;
    if (slow_hits(line, cpu, op)) {
        slow->counts.hits_l1++;
        if (op != COST_LOAD) {
            line->state = LINE_MODIFIED;
            line->owner = cpu;
        }
        return costs->l1_cycles + (op == COST_ATOMIC ? costs->atomic_cycles : 0);
    }
    if (line->state == LINE_INVALID) {
        slow->counts.memory++;
        cycles = model_memory_cost(slow->model, cpu, op, node);
    } else {
        enum distance distance = slow_key(slow, line, cpu, op);

        cycles = model_cost(slow->model, cpu, op, line->state, distance, node);
        if (line->holds[cpu])
            slow->counts.upgrades++;
        else
            slow->counts.transfers[distance]++;
    }
    slow_change(slow, line, cpu, op);
    return slow_wait(slow, line, now, cycles);
}

/* ---- walks ---- */

static uintptr_t line_address(unsigned number)
{
    return OPEN_BASE + number % 4 * HOME_BYTES + number * COHERENCE_LINE;
}

static void assert_lines_equal(const struct slow *slow, unsigned step)
{
    for (unsigned i = 0; i < LINES; i++) {
        uintptr_t address = line_address(i);

        if (model_state(slow->model, address) != slow->lines[i].state)
            fail_msg("step %u: line %u is %d, not %d", step, i, model_state(slow->model, address),
                     slow->lines[i].state);
        assert_int_equal(model_nr_holders(slow->model, address), slow_holders(&slow->lines[i]));
        for (unsigned cpu = 0; cpu < 32; cpu++)
            assert_int_equal(model_holds(slow->model, cpu, address), slow->lines[i].holds[cpu]);
    }
}

static void assert_counts_equal(const struct coherence_counts *got,
                                const struct coherence_counts *wanted)
{
    assert_memory_equal(got->accesses, wanted->accesses, sizeof got->accesses);
    assert_memory_equal(got->transfers, wanted->transfers, sizeof got->transfers);
    assert_int_equal(got->hits_l1, wanted->hits_l1);
    assert_int_equal(got->hits_l2 + got->hits_llc, 0);
    assert_int_equal(got->memory, wanted->memory);
    assert_int_equal(got->upgrades, wanted->upgrades);
    assert_int_equal(got->invalidations, wanted->invalidations);
    assert_int_equal(got->queued_cycles, wanted->queued_cycles);
}

/* Loads are as often as `loads` in ten; clocks are apart by up to 300 cycles. */
static void walk(struct model *model, unsigned loads)
{
    struct slow slow = {.model = model};
    struct coherence_counts counts;

    for (unsigned step = 0; step < STEPS; step++) {
        unsigned number = draw(LINES), cpu = draw(32);
        enum cost_op op = draw(10) < loads ? COST_LOAD : COST_STORE + draw(2);
        uint64_t now = 400 + step * 100 - draw(300);
        uint64_t wanted = slow_access(&slow, number, cpu, op, now);
        uintptr_t address = line_address(number) + 8 * draw(8);

        assert_int_equal(coherence_access(model->coherence, cpu, address, 8, op, now, NULL),
                         wanted);
        assert_lines_equal(&slow, step);
    }
    counts = model_counts(model);
    assert_counts_equal(&counts, &slow.counts);
}

/* One set of each cache holds all lines. */
static void with_room_for_all_it_is_the_slow_model(bool has_owned, bool migrates)
{
    static const struct model_shape shape = {
        .cpus = 32, .per_core = 2, .per_llc = 4, .per_node = 8, .per_package = 16};
    const unsigned caches[] = {1, 1, 1}, loads[] = {1, 5, 9, 10};
    struct model model;

    for (unsigned i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        model_init(&model, &shape, has_owned, caches);
        model.costs.migrates = migrates;
        walk(&model, loads[i]);
        model_cleanup(&model);
    }
}

static void mesi_is_the_slow_model_where_there_is_room(void **state)
{
    (void)state;
    with_room_for_all_it_is_the_slow_model(false, false);
}

static void moesi_is_the_slow_model_where_there_is_room(void **state)
{
    (void)state;
    with_room_for_all_it_is_the_slow_model(true, false);
}

static void lines_that_migrate_are_the_slow_models(void **state)
{
    (void)state;
    with_room_for_all_it_is_the_slow_model(false, true);
    with_room_for_all_it_is_the_slow_model(true, true);
}

/* ---- where there is no room ---- */

static uint64_t sum(const uint64_t *values, unsigned count)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < count; i++)
        total += values[i];
    return total;
}

static void assert_counts_add_up(const struct coherence_counts *counts)
{
    assert_int_equal(sum(counts->accesses, COST_OPS),
                     counts->hits_l1 + counts->hits_l2 + counts->hits_llc + counts->memory +
                         counts->upgrades + sum(counts->transfers, DISTANCES));
    assert_int_equal(sum(counts->by_label, COHERENCE_LABELS), sum(counts->transfers, DISTANCES));
    for (unsigned label = 0; label < COHERENCE_LABELS; label++)
        assert_true(counts->false_by_label[label] <= counts->by_label[label]);
}

/* What a CPU's filters have, it holds; one alone holds what is modified or exclusive. */
static void assert_directory_is_sound(const struct model *model, unsigned lines)
{
    for (unsigned number = 0; number < lines; number++) {
        uintptr_t address = OPEN_BASE + number * COHERENCE_LINE;
        const struct coherence_line *line = &model->coherence->lines[number];
        unsigned holders = 0;

        for (unsigned cpu = 0; cpu < model->shape.cpus; cpu++) {
            const struct coherence_cpu *at = &model->coherence->cpus[cpu];
            bool holds = model_holds(model, cpu, address);

            holders += holds;
            assert_true(holds || !cache_filter_has(&at->l1, number));
            assert_true(holds || !cache_filter_has(&at->l2, number));
        }
        assert_int_equal(line->nr_holders, holders);
        assert_int_equal(holders == 0, line->state == LINE_INVALID);
        if (line->state == LINE_EXCLUSIVE || line->state == LINE_MODIFIED) {
            assert_int_equal(holders, 1);
            assert_int_equal(holders_owner(model->coherence, line), line->keeper);
        }
        if (line->state == LINE_OWNED)
            assert_true(model_holds(model, holders_owner(model->coherence, line), address));
    }
}

/* What an access to a line may do that changes nothing, told from the line and L1. */
static unsigned harmless(const struct model *model, unsigned cpu, uintptr_t address,
                         enum cost_op op)
{
    const struct coherence_mapped *region = coherence_mapped_at(model->coherence, address);
    uint32_t number = (uint32_t)((address - region->origin) / COHERENCE_LINE);
    const struct coherence_line *line = &model->coherence->lines[number];
    unsigned granules = line->keeper == cpu ? line->touched : 0xff;

    if (!cache_filter_is_front(&model->coherence->cpus[cpu].l1, number) ||
        ((line->guard ^ region->unheld) & COHERENCE_HELD) ||
        (op == COST_STORE && line->state != LINE_MODIFIED))
        return 0;
    return granules & ~line->guard & 0xff;
}

/* Hits that are known beforehand are such; some are known. */
static unsigned assert_what_is_known_is_so(const struct model *model)
{
    unsigned known = 0;

    for (unsigned cpu = 0; cpu < model->shape.cpus; cpu++) {
        for (unsigned i = 0; i < COHERENCE_KNOWN; i++) {
            uint64_t entry = model->coherence->cpus[cpu].known[i];
            uintptr_t address = (entry >> 16) * COHERENCE_LINE;

            if ((entry & 0xffff) == 0)
                continue;
            assert_int_equal(entry & 0xff & ~harmless(model, cpu, address, COST_LOAD), 0);
            assert_int_equal(entry >> 8 & 0xff & ~harmless(model, cpu, address, COST_STORE), 0);
            known++;
        }
    }
    return known;
}

/* A page of the guarded region, in and out of hands while CPUs use it. */
static void guarded_step(struct model *model, unsigned lines)
{
    unsigned number = draw(lines);
    uintptr_t address = GUARDED_BASE + number * COHERENCE_LINE + 8 * draw(8);

    if (draw(16) == 0)
        coherence_page(model->coherence, GUARDED_BASE, lines * COHERENCE_LINE, draw(8));
    else if (draw(8) == 0)
        coherence_guard(model->coherence, address, 8 * draw(20), draw(2));
    else
        model_access(model, draw(32), address, draw(4) ? COST_LOAD : COST_STORE + draw(2));
}

static void crowd(bool has_owned, unsigned lines)
{
    static const struct model_shape shape = {
        .cpus = 32, .per_core = 2, .per_llc = 4, .per_node = 8, .per_package = 16};
    const unsigned caches[] = {1, 2, 3};
    struct coherence_counts counts;
    struct model model;
    unsigned known = 0;

    model_init(&model, &shape, has_owned, caches);
    for (unsigned label = 0; label < COHERENCE_LABELS; label++)
        coherence_label(model.coherence, OPEN_BASE + label * COHERENCE_LINE, 1, label);
    for (unsigned step = 0; step < STEPS; step++) {
        uintptr_t address = OPEN_BASE + draw(lines) * COHERENCE_LINE + 8 * draw(8);

        model_access(&model, draw(32), address, draw(4) ? COST_LOAD : COST_STORE + draw(2));
        if (step % 64 == 0) {
            assert_directory_is_sound(&model, lines);
            known += assert_what_is_known_is_so(&model);
        }
    }
    assert_true(known > STEPS / 64);
    for (unsigned cpu = 0; cpu < shape.cpus; cpu++)
        assert_counts_add_up(coherence_counts(model.coherence, cpu));
    counts = model_counts(&model);
    assert_int_equal(sum(counts.accesses, COST_OPS), STEPS);
    for (unsigned step = 0; step < STEPS; step++) {
        guarded_step(&model, lines);
        if (step % 16 == 0)
            assert_what_is_known_is_so(&model);
    }
    model_cleanup(&model);
}

static void where_there_is_no_room_the_directory_stays_sound_and_counts_add_up(void **state)
{
    (void)state;
    for (unsigned has_owned = 0; has_owned < 2; has_owned++) {
        crowd(has_owned, 20);
        crowd(has_owned, 200);
    }
}

/* ---- 1,024 CPUs ---- */

static const struct model_shape large = {
    .cpus = 1024, .per_core = 2, .per_llc = 16, .per_node = 64, .per_package = 128};

static void a_thousand_sharers_are_known_each_and_lose_it_all(void **state)
{
    struct coherence_counts counts;
    struct model model;

    (void)state;
    model_init(&model, &large, false, NULL);
    for (unsigned round = 0; round < 2; round++) { /* the second with the first's block */
        for (unsigned cpu = 0; cpu < 1024; cpu++) {
            assert_false(model_holds(&model, cpu, OPEN_BASE));
            model_access(&model, cpu, OPEN_BASE, COST_LOAD);
            assert_true(model_holds(&model, cpu, OPEN_BASE));
            assert_int_equal(model_nr_holders(&model, OPEN_BASE), cpu + 1);
        }
        for (unsigned cpu = 0; cpu < 1024; cpu++)
            assert_int_equal(model_access(&model, cpu, OPEN_BASE, COST_LOAD),
                             model.costs.l1_cycles);
        assert_int_equal(model_access(&model, 300, OPEN_BASE, COST_STORE),
                         model_cost(&model, 300, COST_STORE, LINE_SHARED, DISTANCE_HOP2, 0));
        assert_int_equal(model_nr_holders(&model, OPEN_BASE), 1);
        assert_int_equal(coherence_counts(model.coherence, 300)->invalidations, 1023);
        assert_int_equal(model.coherence->nr_blocks, 1);
        assert_int_not_equal(model.coherence->free_block, 0);
        coherence_flush(model.coherence);
        coherence_counts_reset(model.coherence);
    }
    counts = model_counts(&model);
    assert_int_equal(sum(counts.accesses, COST_OPS), 0);
    model_cleanup(&model);
}

/* A line for each CPU to begin with: as many blocks as there are such lines at once. */
static void blocks_of_sharers_are_used_again(void **state)
{
    struct model model;

    (void)state;
    model_init(&model, &large, true, NULL);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned line = 0; line < 100; line++)
            for (unsigned i = 0; i < 7; i++)
                model_access(&model, (line * 7 + i * 131) % 1024, OPEN_BASE + line * COHERENCE_LINE,
                             COST_LOAD);
        assert_int_equal(model.coherence->nr_blocks, 100);
        assert_int_equal(model.coherence->free_block, 0);
        for (unsigned line = 0; line < 100; line++)
            model_access(&model, line, OPEN_BASE + line * COHERENCE_LINE, COST_STORE);
    }
    model_cleanup(&model);
}

static void the_nearest_of_many_sharers_gives_and_the_farthest_is_paid_for(void **state)
{
    const unsigned sharers[] = {1000, 900, 130, 70, 20, 4};
    const enum distance nearest[] = {DISTANCE_HOP2,    DISTANCE_HOP2, DISTANCE_HOP1,
                                     DISTANCE_PACKAGE, DISTANCE_NODE, DISTANCE_LLC};
    struct model model;

    (void)state;
    model_init(&model, &large, false, NULL);
    for (unsigned count = 1; count <= 6; count++) {
        uintptr_t address = OPEN_BASE + count * COHERENCE_LINE;

        for (unsigned i = 0; i < count; i++)
            model_access(&model, sharers[i], address, COST_LOAD);
        assert_int_equal(model_access(&model, 0, address, COST_LOAD),
                         model_cost(&model, 0, COST_LOAD, count > 1 ? LINE_SHARED : LINE_EXCLUSIVE,
                                    nearest[count - 1], 0));
        assert_int_equal(model_access(&model, 0, address, COST_STORE),
                         model_cost(&model, 0, COST_STORE, LINE_SHARED, DISTANCE_HOP2, 0));
    }
    model_cleanup(&model);
}

static void two_walks_alike_give_the_same_wherever_memory_lies(void **state)
{
    struct coherence_counts counts[2];
    struct model models[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++)
        model_init(&models[i], &large, true, (const unsigned[]){1, 2, 3});
    for (unsigned step = 0; step < STEPS; step++) {
        uintptr_t address = OPEN_BASE + draw(3000) * COHERENCE_LINE;
        unsigned cpu = draw(1024);
        enum cost_op op = draw(3);

        assert_int_equal(model_access(&models[0], cpu, address, op),
                         model_access(&models[1], cpu, address, op));
    }
    for (unsigned i = 0; i < 2; i++) {
        counts[i] = model_counts(&models[i]);
        model_cleanup(&models[i]);
    }
    assert_memory_equal(&counts[0], &counts[1], sizeof counts[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mesi_is_the_slow_model_where_there_is_room),
        cmocka_unit_test(moesi_is_the_slow_model_where_there_is_room),
        cmocka_unit_test(lines_that_migrate_are_the_slow_models),
        cmocka_unit_test(where_there_is_no_room_the_directory_stays_sound_and_counts_add_up),
        cmocka_unit_test(a_thousand_sharers_are_known_each_and_lose_it_all),
        cmocka_unit_test(blocks_of_sharers_are_used_again),
        cmocka_unit_test(the_nearest_of_many_sharers_gives_and_the_farthest_is_paid_for),
        cmocka_unit_test(two_walks_alike_give_the_same_wherever_memory_lies),
    };

    return cmocka_run_group_tests_name("coherence, walks", tests, NULL, NULL);
}
