/* SPDX-License-Identifier: MIT */
/*
 * What was published of slab allocators comes out of the virtual machine: signs, orders and rough
 * factors. sim/VALIDATION.md names each row's source, says which rows other tests hold exactly, and
 * what of the published shape does not come out.
 */
#include "tests/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RUNS 8

/* The records of the last simulation, in the order of its cells. */
static json_t *runs[RUNS];
static unsigned nr_runs;

static void forget_runs(void)
{
    while (nr_runs)
        json_decref(runs[--nr_runs]);
}

__attribute__((format(printf, 1, 2))) static void generate(const char *format, ...)
{
    char arguments[512] = "gen ";
    va_list list;

    va_start(list, format);
    vsnprintf(arguments + 4, sizeof arguments - 4, format, list);
    va_end(list);
    strcat(arguments, " -o @/load.slt");
    cli_run(arguments);
    assert_status(0);
}

/* Of the load that was generated last. */
__attribute__((format(printf, 1, 2))) static void simulate(const char *format, ...)
{
    char arguments[512] = "sim @/load.slt --loops 1 --json - ";
    size_t used = strlen(arguments);
    va_list list;

    va_start(list, format);
    vsnprintf(arguments + used, sizeof arguments - used, format, list);
    va_end(list);
    forget_runs();
    cli_run(arguments);
    assert_status(0);
    for (char *line = strtok(cli_last.output, "\n"); line; line = strtok(NULL, "\n")) {
        assert_true(nr_runs < RUNS);
        runs[nr_runs] = json_loads(line, 0, NULL);
        assert_non_null(runs[nr_runs++]);
    }
}

static double figure(unsigned run, const char *key)
{
    const json_t *value;

    assert_true(run < nr_runs);
    value = json_object_get(runs[run], key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

/* Events a second of all CPUs together, in millions. */
static double speed(unsigned run)
{
    return figure(run, "events_per_second") / 1e6;
}

/* Share of the operations ("alloc", "free") that the layer served. */
static double layer_share(unsigned run, const char *operation, const char *layer)
{
    const json_t *layers = json_object_get(json_object_get(runs[run], "layers"), operation);
    const json_t *value;
    const char *key;
    double sum = 0;

    json_object_foreach((json_t *)layers, key, value) sum += json_number_value(value);
    assert_true(sum > 0);
    return json_number_value(json_object_get(layers, layer)) / sum;
}

static double peak(unsigned run, const char *part)
{
    const json_t *ledger = json_object_get(runs[run], "ledger");

    return json_number_value(json_object_get(json_object_get(ledger, "peak"), part));
}

/* Of the pages held at their peak, what nobody asked for. */
static double waste(unsigned run)
{
    return 1 - peak(run, "requested") / peak(run, "page_bytes");
}

static void assert_between(const char *what, double value, double least, double most)
{
    if (!(value >= least && value <= most))
        fail_msg("%s is %g, not %g to %g", what, value, least, most);
}

/* ---- row 1 ---- */

static void magazines_scale_and_the_bare_slab_layer_falls_tenfold(void **state)
{
    static const unsigned cpus[] = {1, 2, 4, 8, 16};
    double magazine[5], slab[5];

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        generate("pairs --cpus %u --events %u", cpus[i], cpus[i] * 1500);
        simulate("--machine starfire-16 -a magazine,bufctl --lock mcs -t %u", cpus[i]);
        magazine[i] = speed(0);
        slab[i] = speed(1);
        assert_between("magazines, of linear", magazine[i] / magazine[0] / cpus[i], 0.85, 1.05);
    }
    assert_between("the slab layer, 1 CPU over 16", slab[0] / slab[4], 5, 20);
    assert_between("magazines over slabs on 16 CPUs", magazine[4] / slab[4], 100, 1500);
    assert_between("magazines over slabs on 1 CPU", magazine[0] / slab[0], 1.5, 8);
}

/* ---- row 2 ---- */

static void two_magazines_a_cpu_exchange_at_most_once_in_a_magazine(void **state)
{
    static const unsigned rounds[] = {2, 8, 32};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        generate("boundary --cpus 1 --rounds %u --events 20000", rounds[i]);
        simulate("--machine generic-8 -a magazine --magazine-size %u -t 1", rounds[i]);
        assert_between("exchanges of allocations", layer_share(0, "alloc", "depot") * rounds[i], 0,
                       1);
        assert_between("exchanges of frees", layer_share(0, "free", "depot") * rounds[i], 0, 1);
    }
}

static void a_producer_and_a_consumer_exchange_exactly_once_in_a_magazine(void **state)
{
    static const unsigned rounds[] = {4, 16};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        /* With as much in flight as many magazines hold the depot never lacks one. */
        generate("producer-consumer --cpus 2 --lag 2048 --events 64000");
        simulate("--machine generic-8 -a magazine --magazine-size %u -t 2", rounds[i]);
        assert_between("exchanges of frees", layer_share(0, "free", "depot") * rounds[i], 0.97,
                       1.03);
    }
}

/*
 * One magazine of M rounds, no previous: at the boundary of two the loop alloc, alloc, free, free
 * takes one round, exchanges, puts it back, exchanges. No design here has but one, so this is the
 * count itself.
 */
static void without_previous_half_of_the_boundarys_operations_would_exchange(void **state)
{
    (void)state;
    for (unsigned rounds = 2; rounds <= 64; rounds *= 2) {
        unsigned loaded = 1, exchanges = 0;

        for (unsigned operation = 0; operation < 4000; operation++) {
            bool allocates = operation % 4 < 2;

            if (loaded == (allocates ? 0 : rounds)) {
                exchanges++;
                loaded = allocates ? rounds : 0;
            }
            loaded += allocates ? -1 : 1;
        }
        assert_int_equal(exchanges, 2000);
    }
}

/* ---- row 4 ---- */

static void slabs_waste_a_tenth_and_powers_of_two_a_third(void **state)
{
    double named[3];

    (void)state;
    generate("mixed --cpus 1 --cache named --shortest 512 --longest 400000 --drift 20000 "
             "--events 200000");
    simulate("--machine generic-8 -a bufctl,slabifier,x15 --record memory -t 1");
    for (unsigned i = 0; i < 3; i++) {
        named[i] = waste(i);
        assert_between("waste of a cache for each size", named[i], 0.07, 0.16);
    }
    generate("sawtooth --cpus 1 --high 5000 --events 50000");
    simulate("--machine generic-8 -a bufctl,slabifier,x15 --record memory -t 1");
    for (unsigned i = 0; i < 3; i++)
        assert_between("waste of powers of two, of caches'", waste(i) / named[i], 2, 5);
    assert_between("waste of powers of two over a list of slabs", waste(0), 0.28, 0.46);
}

/* ---- row 5 ---- */

static void active_slabs_fall_behind_queues_where_others_free(void **state)
{
    static const unsigned threads[] = {1, 2, 8};
    double behind[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        generate("netperf-rr --cpus 16 --threads %u --remote 100 --events 12000", threads[i]);
        /* 4,000 cycles of what a message takes beside each of its allocations and frees. */
        simulate(
            "--machine opteron-6172x4 -a magazine,slabifier --operation 4000 --lock mcs -t 16");
        behind[i] = 1 - speed(1) / speed(0);
        assert_between("frees on the active slab", layer_share(1, "free", "cpu"), 0, 0.05);
    }
    assert_between("active slabs behind, a thread a CPU", behind[0], 0, 0.20);
    assert_between("active slabs behind, two a CPU", behind[1], behind[0] - 0.02, 0.30);
    assert_between("active slabs behind, eight a CPU", behind[2], behind[1] + 0.05, 0.40);
}

/* ---- row 6 ---- */

/* Throughput of hand-over in calls of `bulk` objects, of that in single calls (ask for 1 first). */
static double bulk_gain(unsigned object_bytes, unsigned bulk)
{
    static double single;

    generate("producer-consumer --cpus 2 --size %u --bulk %u --batch %u --lag 256 --events 32768",
             object_bytes, bulk, bulk);
    simulate("--machine xeon-6242x2 -a slabifier --lock mcs -t 2");
    if (bulk == 1)
        single = speed(0);
    return speed(0) / single;
}

/* A slab is a page: 16 objects of 256 bytes, 32 of 128. */
static void bulk_hand_over_pays_up_to_a_slab_and_not_beyond(void **state)
{
    static const unsigned sizes[] = {256, 128};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        unsigned slab = 4096 / sizes[i];
        double single = bulk_gain(sizes[i], 1), half, whole;

        assert_between("a quarter of a slab at once gains", bulk_gain(sizes[i], slab / 4) / single,
                       1.5, 4);
        half = bulk_gain(sizes[i], slab / 2);
        whole = bulk_gain(sizes[i], slab);
        assert_between("a slab at once gains", whole, 2, 6);
        assert_between("a slab at once, of half of one", whole / half, 1.1, 2);
        assert_between("two slabs at once, of one", bulk_gain(sizes[i], 2 * slab) / whole, 0.5,
                       1.03);
    }
}

/* ---- row 7 ---- */

/* The run with this depot and magazine size. */
static unsigned run_of(const char *depot, unsigned magazine_size)
{
    for (unsigned run = 0; run < nr_runs; run++) {
        json_t *tunables = json_object_get(runs[run], "tunables");

        if (json_integer_value(json_object_get(tunables, "magazine_size")) == magazine_size &&
            strcmp(json_string_value(json_object_get(tunables, "depot")), depot) == 0)
            return run;
    }
    fail_msg("no run with depot %s and magazines of %u", depot, magazine_size);
    return 0;
}

static void small_magazines_convoy_at_the_depot_and_stealing_cures_it(void **state)
{
    double lock[2], steal[2], large[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        unsigned cpus = 64 << i;

        generate("producer-consumer --cpus %u --shape ring --events %u", cpus, cpus * 500);
        /* 12,000 cycles (5 us) of other work with each: what one depot bears for 64 CPUs. */
        simulate("--machine epyc-7742x2 -a magazine --set magazine.depot=lock,steal "
                 "--magazine-size 8,62 --operation 12000 --lock mcs -t %u",
                 cpus);
        lock[i] = speed(run_of("lock", 8));
        steal[i] = speed(run_of("steal", 8));
        large[i] = speed(run_of("lock", 62));
        /* The memory that stealing is said to cost is within what the order of CPUs makes. */
        assert_between("pages with stealing, of one depot's",
                       peak(run_of("steal", 8), "page_bytes") /
                           peak(run_of("lock", 8), "page_bytes"),
                       0.98, 1.1);
    }
    assert_between("one depot on 64 CPUs, of stealing", lock[0] / steal[0], 0.85, 1.05);
    assert_between("one depot, 128 CPUs over 64", lock[1] / lock[0], 0.5, 1.35);
    assert_between("stealing, 128 CPUs over 64", steal[1] / steal[0], 1.7, 2.1);
    assert_between("large magazines, 128 CPUs over 64", large[1] / large[0], 1.7, 2.1);
}

/* ---- row 9 ---- */

#define TRANSFER_CYCLES 167 /* of a line, wherever it is: starfire-16.machine */
#define CYCLES_NS       (1e3 / 333)

/* Cycles from one holder of the one lock to the next. */
static double handover_cycles(unsigned cpus, unsigned compute)
{
    generate("pairs --size 64 --cpus %u --events %u", cpus, cpus * 1000);
    simulate("--machine starfire-16 -a bufctl --lock ticket --compute %u -t %u", compute, cpus);
    return figure(0, "elapsed_ns") / figure(0, "events") / CYCLES_NS;
}

static void a_ticket_lock_collapses_as_its_closed_form_says(void **state)
{
    static const unsigned cpus[] = {4, 6, 8, 10, 12, 14, 16};
    double measured[7], serial = 0;

    (void)state;
    for (unsigned i = 0; i < 7; i++) {
        measured[i] = handover_cycles(cpus[i], 200);
        serial += (measured[i] - TRANSFER_CYCLES * (cpus[i] - 1) / 2.0) / 7;
    }
    for (unsigned i = 0; i < 7; i++)
        assert_between("cycles a hand-over, of s + ck/2",
                       measured[i] / (serial + TRANSFER_CYCLES * (cpus[i] - 1) / 2.0), 0.93, 1.07);
    assert_between("slope, of c/2", (measured[6] - measured[0]) / (12 * TRANSFER_CYCLES / 2.0),
                   0.75, 1.35);
}

/* Where a section is shorter than the readers' queue its end waits for that queue too: ck. */
static void a_ticket_lock_of_short_sections_collapses_up_to_twice_as_fast(void **state)
{
    double eight = handover_cycles(8, 1), sixteen = handover_cycles(16, 1);

    (void)state;
    assert_between("slope, of c/2", (sixteen - eight) / (8 * TRANSFER_CYCLES / 2.0), 1, 2);
    assert_between("throughput, 16 CPUs of 8", eight / sixteen, 0.5, 0.75);
}

/* ---- how far the slack may be let out ---- */

static double event_ns_at(unsigned slack)
{
    simulate("--machine opteron-6172x4 -a slabifier --lock mcs -t 16 --slack %u", slack);
    return figure(0, "ns_per_event");
}

static void the_default_slack_is_as_good_as_none(void **state)
{
    double exact;

    (void)state;
    generate("netperf-rr --cpus 16 --remote 100 --events 32000");
    exact = event_ns_at(0);
    assert_between("slack of 80 cycles, of none", event_ns_at(80) / exact, 0.93, 1.07);
    assert_between("slack of 5,000 cycles, of none", event_ns_at(5000) / exact, 0.5, 0.93);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(magazines_scale_and_the_bare_slab_layer_falls_tenfold),
        cmocka_unit_test(two_magazines_a_cpu_exchange_at_most_once_in_a_magazine),
        cmocka_unit_test(a_producer_and_a_consumer_exchange_exactly_once_in_a_magazine),
        cmocka_unit_test(without_previous_half_of_the_boundarys_operations_would_exchange),
        cmocka_unit_test(slabs_waste_a_tenth_and_powers_of_two_a_third),
        cmocka_unit_test(active_slabs_fall_behind_queues_where_others_free),
        cmocka_unit_test(bulk_hand_over_pays_up_to_a_slab_and_not_beyond),
        cmocka_unit_test(small_magazines_convoy_at_the_depot_and_stealing_cures_it),
        cmocka_unit_test(a_ticket_lock_collapses_as_its_closed_form_says),
        cmocka_unit_test(a_ticket_lock_of_short_sections_collapses_up_to_twice_as_fast),
        cmocka_unit_test(the_default_slack_is_as_good_as_none),
    };
    int failed = cmocka_run_group_tests(tests, cli_set_up, cli_tear_down);

    forget_runs();
    return failed;
}
