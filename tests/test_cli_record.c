/* SPDX-License-Identifier: MIT */
/* The record of a run and its side file, as other programs read them. */
#include "tests/cli.h"
#include "tools/record.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Borrowed; NULL: not there. */
static json_t *at(json_t *record, const char *path)
{
    return (json_t *)record_at(record, path);
}

static long long number(json_t *record, const char *path)
{
    json_t *value = at(record, path);

    if (!json_is_number(value))
        fail_msg("no number '%s'", path);
    return (long long)json_number_value(value);
}

static void assert_there(json_t *record, const char *const *paths)
{
    for (; *paths; paths++) {
        if (!at(record, *paths))
            fail_msg("no key '%s'", *paths);
    }
}

static void assert_absent(json_t *record, const char *const *paths)
{
    for (; *paths; paths++) {
        if (at(record, *paths))
            fail_msg("key '%s' is there", *paths);
    }
}

static const char *const ledger_parts[] = {
    "requested",   "rounding",   "slab_tail",    "metadata",  "partial_free",
    "empty_slabs", "cpu_cached", "depot_cached", "emergency", "grace"};
#define LEDGER_PARTS (sizeof ledger_parts / sizeof ledger_parts[0])

static void assert_balanced(json_t *ledger)
{
    long long sum = 0;

    for (size_t i = 0; i < LEDGER_PARTS; i++)
        sum += number(ledger, ledger_parts[i]);
    assert_int_equal(sum, number(ledger, "page_bytes"));
}

static void a_record_has_the_keys_that_others_rely_on(void **state)
{
    static const char *const keys[] = {"schema",
                                       "run",
                                       "allocator",
                                       "tunables",
                                       "trace.path",
                                       "trace.digest",
                                       "trace.events",
                                       "trace.allocs",
                                       "trace.frees",
                                       "trace.streams",
                                       "machine.kind",
                                       "machine.name",
                                       "machine.cpus",
                                       "machine.nodes",
                                       "machine.bound",
                                       "threads",
                                       "replicas",
                                       "loops",
                                       "order",
                                       "pace",
                                       "timers",
                                       "touch",
                                       "seed",
                                       "valid",
                                       "invalid_reasons",
                                       "elapsed_ns",
                                       "events",
                                       "events_per_second",
                                       "ns_per_event",
                                       "stall_ns",
                                       "failed_allocs",
                                       "layers.alloc.cpu",
                                       "layers.alloc.depot",
                                       "layers.alloc.slab",
                                       "layers.alloc.page",
                                       "layers.free.cpu",
                                       "layers.free.depot",
                                       "layers.free.slab",
                                       "layers.free.page",
                                       "trips",
                                       "trips_per_operation",
                                       "locks",
                                       "hot_locks",
                                       "failed_exchanges",
                                       "ledger.peak",
                                       "ledger.most_live",
                                       "ledger.end",
                                       "peak_page_bytes",
                                       "fragmentation.internal",
                                       "fragmentation.external",
                                       "fragmentation.jw1",
                                       "fragmentation.jw2",
                                       "fragmentation.jw3",
                                       "fragmentation.jw4",
                                       "fragmentation.hoard",
                                       "fragmentation.unusable_free_index",
                                       "latency_ns.alloc.p50",
                                       "latency_ns.alloc.p90",
                                       "latency_ns.alloc.p99",
                                       "latency_ns.alloc.p999",
                                       "latency_ns.alloc.max",
                                       "latency_ns.free.p50",
                                       "latency_ns.alloc.by_layer.cpu",
                                       "locality.remote_cpu_frees",
                                       "locality.remote_node_frees",
                                       "locality.pages_by_node",
                                       "caches",
                                       "recorded.contention.slowdown",
                                       "recorded.latency.every",
                                       "recorded.memory.samples",
                                       "provenance.version",
                                       "provenance.commit",
                                       "provenance.host",
                                       "provenance.cpu",
                                       "provenance.kernel",
                                       "provenance.topology",
                                       "provenance.started",
                                       "provenance.command",
                                       NULL};
    static const char *const lock_keys[] = {"class",
                                            "acquisitions",
                                            "contended",
                                            "wait_ns",
                                            "trylock_failures",
                                            "handoffs.same_cpu",
                                            "handoffs.same_node",
                                            "handoffs.other_node",
                                            NULL};
    json_t *record, *lock;
    size_t i;

    (void)state;
    cli_run("replay " HACKBENCH " -a magazine --magazine-size 16 -t 1 --loops 2 --json -");
    assert_status(0);
    record = cli_record();
    assert_there(record, keys);
    assert_string_equal(json_string_value(at(record, "schema")), "slablab.run/1");
    assert_int_equal(number(record, "tunables.magazine_size"), 16);
    assert_int_equal(number(record, "loops"), 2);
    assert_true(json_array_size(at(record, "locks")) > 0);
    json_array_foreach(at(record, "locks"), i, lock) assert_there(lock, lock_keys);
    assert_balanced(at(record, "ledger.peak"));
    assert_balanced(at(record, "ledger.most_live"));
    assert_balanced(at(record, "ledger.end"));
    assert_true(number(record, "peak_page_bytes") >= number(record, "ledger.peak.page_bytes"));
    json_decref(record);
}

/* Does the system give huge pages to who asks for them? */
static bool huge_pages_may_be_had(void)
{
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
    char line[64] = "[never]";

    if (file) {
        (void)!fgets(line, sizeof line, file);
        fclose(file);
    }
    return !strstr(line, "[never]");
}

static void the_arena_has_huge_pages_unless_small_ones_are_asked_for(void **state)
{
    json_t *record;

    (void)state;
    cli_run("replay " HACKBENCH " -a magazine -t 1 --loops 1 --cold --small-pages --json -");
    assert_status(0);
    record = cli_record();
    assert_true(json_is_false(at(record, "provenance.huge_pages")));
    json_decref(record);
    if (!huge_pages_may_be_had())
        skip();
    cli_run("replay " HACKBENCH " -a magazine -t 1 --loops 1 --cold --json -");
    assert_status(0);
    record = cli_record();
    assert_true(json_is_true(at(record, "provenance.huge_pages")));
    /* Populated is at least the peak; some of it may have found no huge page. */
    assert_true(number(record, "provenance.huge_page_bytes") >= 2 << 20);
    json_decref(record);
}

static void the_arena_is_where_it_always_is_however_much_is_wanted(void **state)
{
    static const char *const replicas[] = {"1", "400"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char command[256];
        json_t *record;

        snprintf(command, sizeof command,
                 "replay " HACKBENCH " -a null -t 1 --loops 1 --cold --events 20000 --replicas %s "
                 "--json -",
                 replicas[i]);
        cli_run(command);
        assert_status(0);
        record = cli_record();
        assert_true(json_is_true(at(record, "provenance.fixed_addresses")));
        json_decref(record);
    }
}

static void what_was_not_recorded_is_absent(void **state)
{
    static const char *const none[] = {"layers",
                                       "trips",
                                       "locks",
                                       "hot_locks",
                                       "latency_ns",
                                       "fragmentation",
                                       "caches",
                                       "recorded.contention",
                                       "recorded.memory",
                                       "ledger.peak.requested",
                                       NULL};
    static const char *const memory_alone[] = {"layers", "locks", "latency_ns", NULL};
    static const char *const external[] = {"layers",
                                           "trips",
                                           "locks",
                                           "ledger",
                                           "fragmentation",
                                           "peak_page_bytes",
                                           "locality.pages_by_node",
                                           NULL};
    json_t *record;

    (void)state;
    cli_run("replay " HACKBENCH " -a magazine -t 1 --loops 1 --record none --json -");
    assert_status(0);
    record = cli_record();
    assert_absent(record, none);
    assert_true(number(record, "ledger.peak.page_bytes") > 0);
    json_decref(record);

    cli_run("replay " HACKBENCH " -a magazine -t 1 --loops 1 --record memory --json -");
    record = cli_record();
    assert_absent(record, memory_alone);
    assert_balanced(at(record, "ledger.peak"));
    json_decref(record);

    cli_run("replay " HACKBENCH " -a malloc:libc -t 1 --loops 1 --json -");
    assert_status(0);
    record = cli_record();
    assert_absent(record, external);
    assert_true(number(record, "latency_ns.alloc.samples") > 0);
    assert_null(at(record, "latency_ns.alloc.by_layer"));
    json_decref(record);

    cli_run("replay " HACKBENCH " -a magazine -t 1 --loops 1 --latency off --json -");
    record = cli_record();
    assert_null(at(record, "latency_ns"));
    assert_non_null(at(record, "layers"));
    json_decref(record);

    /* A cold run has no loops beside the measured: none of its operations is timed unasked. */
    cli_run("replay " HACKBENCH " -a magazine -t 1 --cold --loops 1 --json -");
    record = cli_record();
    assert_null(at(record, "latency_ns"));
    assert_non_null(at(record, "layers"));
    assert_null(at(record, "recorded.contention.slowdown"));
    json_decref(record);
    cli_run("replay " HACKBENCH " -a magazine -t 1 --cold --loops 1 --latency every --json -");
    record = cli_record();
    assert_int_equal(number(record, "latency_ns.alloc.samples"), number(record, "trace.allocs"));
    assert_int_equal(number(record, "latency_ns.free.samples"), number(record, "trace.frees"));
    json_decref(record);
}

static void operations_by_layer_sum_to_all_operations(void **state)
{
    static const char *const designs[] = {"bufctl", "magazine", "slabifier",
                                          "spl",    "x15",      "helenos"};

    (void)state;
    for (size_t i = 0; i < sizeof designs / sizeof designs[0]; i++) {
        char arguments[128];
        long long loops, sum = 0;
        json_t *record, *value;
        const char *key;

        snprintf(arguments, sizeof arguments,
                 "replay " HACKBENCH " -a %s -t 2 --oversubscribe --loops 2 --json -", designs[i]);
        cli_run(arguments);
        record = cli_record();
        loops = number(record, "recorded.contention.loops");
        json_object_foreach(at(record, "layers.alloc"), key, value) sum +=
            json_integer_value(value);
        assert_int_equal(sum, loops * number(record, "trace.allocs"));
        sum = 0;
        json_object_foreach(at(record, "layers.free"), key, value) sum += json_integer_value(value);
        assert_int_equal(sum, loops * number(record, "trace.frees"));
        json_decref(record);
    }
}

static void the_side_file_has_memory_over_time_and_histograms(void **state)
{
    char path[128];
    json_t *record, *series, *pages, *events, *pair, *layer;
    char *text;
    const char *key;
    size_t i;
    long long last = -1, counted = 0;

    (void)state;
    cli_run("replay " HACKBENCH " -a x15 -t 1 --loops 1 --json @/side.json");
    assert_status(0);
    snprintf(path, sizeof path, "%s/side.json", cli_folder);
    text = cli_read_file(path);
    record = json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);
    free(text);
    snprintf(path, sizeof path, "%s/side.json.series", cli_folder);
    assert_string_equal(json_string_value(at(record, "series")), path);
    text = cli_read_file(path);
    series = json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);
    free(text);
    assert_string_equal(json_string_value(at(series, "schema")), "slablab.series/1");
    assert_true(json_equal(at(series, "run"), at(record, "run")));

    pages = at(series, "samples.page_bytes");
    events = at(series, "samples.event");
    assert_int_equal(json_array_size(pages), number(record, "recorded.memory.samples"));
    assert_true(json_array_size(pages) > 64);
    for (i = 0; i < json_array_size(pages); i++) {
        long long sum = 0;

        for (size_t j = 0; j < LEDGER_PARTS; j++)
            sum += json_integer_value(
                json_array_get(json_object_get(at(series, "samples"), ledger_parts[j]), i));
        assert_int_equal(sum, json_integer_value(json_array_get(pages, i)));
        assert_true(json_integer_value(json_array_get(events, i)) > last);
        last = json_integer_value(json_array_get(events, i));
    }
    assert_int_equal(last, number(record, "trace.events"));
    json_object_foreach(at(series, "latency_ns.alloc"), key, layer)
    {
        json_array_foreach(layer, i, pair) counted += json_integer_value(json_array_get(pair, 1));
    }
    assert_int_equal(counted, number(record, "latency_ns.alloc.samples"));
    json_decref(series);
    json_decref(record);
}

static void a_sweep_keeps_the_side_file_of_each_run(void **state)
{
    char path[192];
    char *text;
    size_t lines = 0;

    (void)state;
    cli_run("sweep " HACKBENCH " -a x15,null -t 1 --loops 1 --events 20000 -n 2 -o @/swept");
    assert_status(0);
    snprintf(path, sizeof path, "%s/swept/runs.jsonl", cli_folder);
    text = cli_read_file(path);
    for (char *line = text, *rest; *line; line = rest) {
        json_t *record = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL), *series;
        char *side;

        rest = strchr(line, '\n') + 1;
        /* From the folder, so that it may be moved. */
        snprintf(path, sizeof path, "%s/swept/%s", cli_folder,
                 json_string_value(at(record, "series")));
        side = cli_read_file(path);
        series = json_loads(side, JSON_DISABLE_EOF_CHECK, NULL);
        assert_true(json_equal(at(series, "run"), at(record, "run")));
        json_decref(series);
        json_decref(record);
        free(side);
        lines++;
    }
    assert_true(lines >= 4);
    free(text);
}

static void info_tells_what_the_recorded_allocator_gave(void **state)
{
    json_t *info;

    (void)state;
    cli_run("info --json " HACKBENCH);
    assert_status(0);
    info = cli_record();
    assert_int_equal(number(info, "requested_bytes"), 66062373);
    assert_int_equal(number(info, "recorded_bytes"), 68732496);
    /* perf kmem stat: 100 - 100 * requested / allocated. */
    assert_true(fabs(json_number_value(at(info, "internal_fragmentation")) - 0.0388480) < 1e-6);
    json_decref(info);
}

static void samples_come_as_often_as_asked(void **state)
{
    json_t *record;
    long long events;

    (void)state;
    cli_run("replay " HACKBENCH " -a bufctl -t 1 --loops 1 --sample-every 50000 --json -");
    assert_status(0);
    record = cli_record();
    events = number(record, "trace.events");
    /* At the beginning, every 50,000 events, and at the end. */
    assert_int_equal(number(record, "recorded.memory.samples"), (events - 1) / 50000 + 2);
    json_decref(record);
    cli_run("replay " HACKBENCH " -a bufctl -t 1 --loops 1 --sample-every 100ms --json -");
    assert_status(0);
    record = cli_record();
    assert_in_range(number(record, "recorded.memory.samples"), 3, 100);
    json_decref(record);
}

static void one_thread_counts_the_same_every_time(void **state)
{
    static const char *const counted[] = {"layers",           "trips",  "trips_per_operation",
                                          "failed_exchanges", "ledger", "fragmentation"};
    static const char *const of_locks[] = {"class", "acquisitions", "contended", "handoffs"};
    json_t *first = NULL;

    (void)state;
    for (unsigned again = 0; again < 2; again++) {
        json_t *record;

        cli_run("replay " HACKBENCH " -a magazine -t 1 --loops 5 --json -");
        record = cli_record();
        if (!first) {
            first = record;
            continue;
        }
        for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++)
            assert_true(json_equal(at(first, counted[i]), at(record, counted[i])));
        for (size_t i = 0; i < json_array_size(at(first, "locks")); i++) {
            for (size_t j = 0; j < sizeof of_locks / sizeof of_locks[0]; j++)
                assert_true(json_equal(
                    json_object_get(json_array_get(at(first, "locks"), i), of_locks[j]),
                    json_object_get(json_array_get(at(record, "locks"), i), of_locks[j])));
        }
        json_decref(record);
    }
    json_decref(first);
}

static void blowup_compares_with_one_cpu(void **state)
{
    json_t *record;

    (void)state;
    cli_run("replay " HACKBENCH " -a magazine -t 2 --oversubscribe --loops 1 --blowup --json -");
    assert_status(0);
    record = cli_record();
    assert_true(json_number_value(at(record, "fragmentation.blowup")) > 0.5);
    json_decref(record);
    cli_run("replay " HACKBENCH " -a magazine -t 2 --oversubscribe --loops 1 --json -");
    record = cli_record();
    assert_null(at(record, "fragmentation.blowup"));
    json_decref(record);
}

static void a_run_that_fails_before_it_begins_is_an_error(void **state)
{
    (void)state;
    cli_run("replay " HACKBENCH " -a bufctl -t 2 --oversubscribe --blowup --memory-limit 4K "
            "--loops 1");
    if (cli_last.status != 1 && cli_last.status != 2)
        fail_msg("status %d: %s", cli_last.status, cli_last.messages);
    assert_non_null(strstr(cli_last.messages, "bufctl"));
}

/* The peak on one CPU is that of as many replicas. */
static void blowup_is_of_as_many_replicas(void **state)
{
    double together, alone;
    json_t *record;
    char *line;

    (void)state;
    cli_run("replay " HACKBENCH " -a bufctl -t 4 --oversubscribe --replicas auto --loops 1 --cold "
            "--blowup --json -");
    record = cli_record();
    alone = json_number_value(at(record, "fragmentation.blowup"));
    json_decref(record);
    cli_run("replay " HACKBENCH " -a bufctl -t 2,4 --oversubscribe --replicas auto --loops 1 "
            "--cold --blowup --json -");
    line = strchr(cli_last.output, '\n') + 1;
    record = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
    assert_int_equal(number(record, "threads"), 4);
    together = json_number_value(at(record, "fragmentation.blowup"));
    json_decref(record);
    assert_true(alone > 0 && fabs(together / alone - 1) < 0.3);
}

static void the_busiest_caches_are_told(void **state)
{
    json_t *record, *cache;
    bool found = false;
    double share = 0;
    size_t i;

    (void)state;
    cli_run("replay " HACKBENCH " -a magazine -t 1 --loops 1 --latency every --json -");
    record = cli_record();
    assert_in_range(json_array_size(at(record, "caches")), 10, 30);
    json_array_foreach(at(record, "caches"), i, cache)
    {
        found |= strcmp(json_string_value(at(cache, "name")), "skbuff_head_cache") == 0;
        if (at(cache, "time.share"))
            share += json_number_value(at(cache, "time.share"));
        assert_non_null(at(cache, "layers"));
        assert_non_null(at(cache, "ledger.page_bytes"));
        if (json_string_value(at(cache, "name"))[0] != '(')
            assert_true(number(cache, "inner.object_bytes") > 0);
    }
    assert_true(found);
    assert_true(share > 0.5 && share <= 1.0001);
    json_decref(record);
}

static void what_to_record_is_checked(void **state)
{
    (void)state;
    cli_run("replay " HACKBENCH " --record nonsense");
    assert_refused("no recorder 'nonsense'; there are: contention");
    cli_run("replay " HACKBENCH " --record none,memory");
    assert_refused("'none' stands alone");
    cli_run("replay " HACKBENCH " --latency 1/0");
    assert_refused("expected every, 1/N");
    cli_run("replay " HACKBENCH " --latency sometimes");
    assert_refused("expected every, 1/N");
    cli_run("replay " HACKBENCH " --sample-every 5s");
    assert_refused("expected a number of events");
    cli_run("replay " HACKBENCH " --sample-every 999999999999999ms");
    assert_refused("expected a number of events");
    cli_run("replay " HACKBENCH " --json @/one --series @/one");
    assert_refused("cannot be one file");
    cli_run("replay " HACKBENCH " --record none --series @/one");
    assert_refused("nothing is recorded");
    cli_run("replay " HACKBENCH " --sample-every 0");
    assert_refused("expected a number of events");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_has_the_keys_that_others_rely_on),
        cmocka_unit_test(the_arena_has_huge_pages_unless_small_ones_are_asked_for),
        cmocka_unit_test(the_arena_is_where_it_always_is_however_much_is_wanted),
        cmocka_unit_test(what_was_not_recorded_is_absent),
        cmocka_unit_test(operations_by_layer_sum_to_all_operations),
        cmocka_unit_test(the_side_file_has_memory_over_time_and_histograms),
        cmocka_unit_test(a_sweep_keeps_the_side_file_of_each_run),
        cmocka_unit_test(info_tells_what_the_recorded_allocator_gave),
        cmocka_unit_test(samples_come_as_often_as_asked),
        cmocka_unit_test(one_thread_counts_the_same_every_time),
        cmocka_unit_test(blowup_compares_with_one_cpu),
        cmocka_unit_test(a_run_that_fails_before_it_begins_is_an_error),
        cmocka_unit_test(blowup_is_of_as_many_replicas),
        cmocka_unit_test(the_busiest_caches_are_told),
        cmocka_unit_test(what_to_record_is_checked),
    };

    return cmocka_run_group_tests_name("the record", tests, cli_set_up, cli_tear_down);
}
