/* SPDX-License-Identifier: MIT */
/* The model of caches: which misses its prefetcher makes cheap, and that it changes nothing else.
 */
#include "tests/coherence_model.h"

#include "sim/virtual/coherence_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGE  4096
#define LINES (PAGE / COHERENCE_LINE)

/* Cheaper than everything but L1 and L2, and no other entry of the table. */
#define BROUGHT 29

static struct model *with_prefetcher(void **state, uint32_t streams, uint32_t lines)
{
    struct model *model = *state;

    model->costs.prefetch_streams = streams;
    model->costs.prefetch_lines = lines;
    model->costs.prefetch_cycles = BROUGHT;
    return model;
}

static uint64_t brought_cost(const struct model *model, enum cost_op op)
{
    return BROUGHT + (op == COST_ATOMIC ? model->costs.atomic_cycles : 0);
}

static bool load_is_brought(struct model *model, unsigned cpu, uintptr_t address)
{
    return model_access(model, cpu, address, COST_LOAD) == BROUGHT;
}

static void a_run_up_or_down_a_page_is_prefetched_from_its_third_line(void **state)
{
    struct model *model = with_prefetcher(state, 4, 1);

    for (enum cost_op op = 0; op < COST_OPS; op++) {
        for (int down = 0; down < 2; down++) {
            coherence_flush(model->coherence);
            for (unsigned i = 0; i < LINES; i++) {
                uintptr_t line = OPEN_BASE + (down ? LINES - 1 - i : i) * COHERENCE_LINE;

                assert_int_equal(model_access(model, 0, line, op),
                                 i < 2 ? model_memory_cost(model, 0, op, 0)
                                       : brought_cost(model, op));
            }
        }
    }
    assert_int_equal(model_counts(model).prefetched, 2 * COST_OPS * (LINES - 2));
    assert_int_equal(model_counts(model).memory, 2 * COST_OPS * LINES);
}

static void what_is_in_the_llc_is_prefetched_too(void **state)
{
    struct model *model = with_prefetcher(state, 4, 1);

    for (unsigned i = 0; i < 24; i++)
        model_access(model, 0, OPEN_BASE + i * COHERENCE_LINE, COST_STORE);
    coherence_counts_reset(model->coherence);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(model_access(model, 0, OPEN_BASE + i * COHERENCE_LINE, COST_LOAD),
                         i < 2 ? model->costs.llc_cycles : BROUGHT);
    assert_int_equal(model_counts(model).hits_llc, 16);
    assert_int_equal(model_counts(model).prefetched, 14);
}

static void no_stream_goes_on_in_the_next_page(void **state)
{
    struct model *model = with_prefetcher(state, 4, 1);

    for (unsigned i = 0; i < 2 * LINES; i++)
        assert_int_equal(load_is_brought(model, 0, OPEN_BASE + i * COHERENCE_LINE), i % LINES >= 2);
}

/* Of misses at these lines of a page, in this order: which are prefetched. */
static void assert_brought(struct model *model, const char *lines, const char *brought)
{
    coherence_flush(model->coherence);
    for (unsigned i = 0; lines[i]; i++) {
        bool is = load_is_brought(model, 0, OPEN_BASE + (lines[i] - 'a') * COHERENCE_LINE);

        if (is != (brought[i] == '+'))
            fail_msg("%s: '%c' is %sprefetched", lines, lines[i], is ? "" : "not ");
    }
}

static void steps_may_be_as_long_as_the_table_says_and_no_longer(void **state)
{
    struct model *model = with_prefetcher(state, 4, 2);

    assert_brought(model, "abcd", "--++");
    assert_brought(model, "acefhi", "--++++"); /* 1 and 2 by turns, as objects of 104 bytes */
    assert_brought(model, "adgj", "----");
    assert_brought(model, "abchij", "--+--+");   /* a leap begins anew */
    assert_brought(model, "hgfijkc", "--+--+-"); /* and so does a turn */
}

static void as_many_streams_are_followed_as_the_table_says(void **state)
{
    struct model *model = with_prefetcher(state, 4, 1);

    for (unsigned i = 0; i < 16; i++) {
        for (unsigned page = 0; page < 4; page++)
            assert_int_equal(
                load_is_brought(model, 0, OPEN_BASE + page * PAGE + i * COHERENCE_LINE), i >= 2);
    }
    for (unsigned i = 16; i < 32; i++) {
        for (unsigned page = 0; page < 5; page++)
            assert_int_equal(
                load_is_brought(model, 0, OPEN_BASE + page * PAGE + i * COHERENCE_LINE),
                i == 16 && page < 4);
    }
}

static void every_cpu_has_streams_of_its_own_until_a_flush(void **state)
{
    struct model *model = with_prefetcher(state, 4, 1);

    assert_false(load_is_brought(model, 0, OPEN_BASE));
    assert_false(load_is_brought(model, 0, OPEN_BASE + COHERENCE_LINE));
    assert_false(load_is_brought(model, SAME_NODE, OPEN_BASE + 2 * COHERENCE_LINE));
    assert_false(load_is_brought(model, SAME_NODE, OPEN_BASE + 3 * COHERENCE_LINE));
    assert_true(load_is_brought(model, SAME_NODE, OPEN_BASE + 4 * COHERENCE_LINE));
    coherence_flush(model->coherence);
    assert_false(load_is_brought(model, SAME_NODE, OPEN_BASE + 5 * COHERENCE_LINE));
}

static void what_another_cpu_has_is_not_brought(void **state)
{
    struct model *model = with_prefetcher(state, 4, 1);

    for (unsigned i = 0; i < 4; i++)
        model_access(model, OTHER_PACKAGE, OPEN_BASE + i * COHERENCE_LINE, COST_STORE);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(model_access(model, 0, OPEN_BASE + i * COHERENCE_LINE, COST_LOAD),
                         model_cost(model, 0, COST_LOAD, LINE_MODIFIED, DISTANCE_HOP1, 0));
    assert_int_equal(coherence_counts(model->coherence, 0)->prefetched, 0);
}

static void a_machine_without_streams_prefetches_nothing(void **state)
{
    struct model *model = *state;

    for (unsigned i = 0; i < LINES; i++)
        assert_int_equal(model_access(model, 0, OPEN_BASE + i * COHERENCE_LINE, COST_LOAD),
                         model_memory_cost(model, 0, COST_LOAD, 0));
    assert_int_equal(model_counts(model).prefetched, 0);
}

/* Runs here and there: mostly to a line near the last one of a few pages. */
static uintptr_t wander(unsigned short words[3])
{
    static unsigned last[8];
    unsigned page = (unsigned)nrand48(words) / 256 % 8;
    unsigned step = (unsigned)nrand48(words) / 256 % 16;

    last[page] = step ? last[page] + step % 4 : (unsigned)nrand48(words) / 256;
    return OPEN_BASE + page * PAGE + last[page] % LINES * COHERENCE_LINE;
}

static void but_for_cycles_all_is_as_without_it(void **state)
{
    static const struct model_shape shape = {
        .cpus = 32, .per_core = 2, .per_llc = 4, .per_node = 8, .per_package = 16};
    struct model *model = with_prefetcher(state, 4, 3), plain;
    unsigned short words[3] = {7, 8, 9};
    struct coherence_counts counts, without;

    model_init(&plain, &shape, false, NULL);
    for (unsigned step = 0; step < 40000; step++) {
        uintptr_t address = wander(words);
        unsigned cpu = (unsigned)nrand48(words) / 256 % 4;
        enum cost_op op = (unsigned)nrand48(words) / 256 % COST_OPS;
        uint64_t cycles = model_access(model, cpu, address, op);

        assert_true(cycles <= model_access(&plain, cpu, address, op));
        assert_int_equal(model_state(model, address), model_state(&plain, address));
        assert_int_equal(model_nr_holders(model, address), model_nr_holders(&plain, address));
    }
    counts = model_counts(model);
    without = model_counts(&plain);
    assert_true(counts.prefetched > 0);
    counts.prefetched = 0;
    assert_memory_equal(&counts, &without, sizeof counts);
    model_cleanup(&plain);
}

/* ---- against a slow and obvious prefetcher ---- */

struct slow_stream {
    uintptr_t page;
    int line, before, last_but_one; /* of the page; -1: none */
    unsigned used;
};

static bool slow_brought(struct slow_stream *streams, unsigned count, int longest, unsigned now,
                         uintptr_t page, int line)
{
    struct slow_stream *stream = &streams[0];
    bool brought = false;

    for (unsigned i = 0; i < count; i++) {
        if (streams[i].used < stream->used)
            stream = &streams[i];
    }
    for (unsigned i = 0; i < count; i++) {
        if (streams[i].used && streams[i].page == page)
            stream = &streams[i];
    }
    if (!stream->used || stream->page != page)
        *stream = (struct slow_stream){page, -1, -1, -1, 0};
    stream->last_but_one = stream->before;
    stream->before = stream->line;
    stream->line = line;
    stream->used = now;
    if (stream->last_but_one >= 0) {
        int step = line - stream->before, first = stream->before - stream->last_but_one;

        brought = (step > 0) == (first > 0) && step && first && abs(step) <= longest &&
                  abs(first) <= longest;
    }
    return brought;
}

static void at_random_it_is_the_slow_prefetcher(void **state)
{
    unsigned short words[3] = {1, 2, 3};

    (void)state;
    for (uint32_t streams = 1; streams <= 9; streams++) {
        const struct cost_table costs = {.prefetch_streams = streams,
                                         .prefetch_lines = streams / 2};
        struct slow_stream slow[9] = {{0}};
        struct coherence_cpu cpu = {.node = 0};
        unsigned found = 0;

        for (unsigned step = 1; step < 20000; step++) {
            uintptr_t address = wander(words);
            bool brought = slow_brought(slow, streams, (int)costs.prefetch_lines, step,
                                        address / PAGE, (int)(address % PAGE / COHERENCE_LINE));

            assert_int_equal(prefetch_brought(&cpu, &costs, address), brought);
            found += brought;
        }
        assert_int_equal(found > 0, streams > 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MESI_TEST(a_run_up_or_down_a_page_is_prefetched_from_its_third_line),
        MESI_TEST(what_is_in_the_llc_is_prefetched_too),
        MESI_TEST(no_stream_goes_on_in_the_next_page),
        MESI_TEST(steps_may_be_as_long_as_the_table_says_and_no_longer),
        MESI_TEST(as_many_streams_are_followed_as_the_table_says),
        MESI_TEST(every_cpu_has_streams_of_its_own_until_a_flush),
        MESI_TEST(what_another_cpu_has_is_not_brought),
        MESI_TEST(a_machine_without_streams_prefetches_nothing),
        MESI_TEST(but_for_cycles_all_is_as_without_it),
        cmocka_unit_test(at_random_it_is_the_slow_prefetcher),
    };

    return cmocka_run_group_tests_name("coherence, prefetcher", tests, NULL, NULL);
}
