/* SPDX-License-Identifier: MIT */
/* Virtual CPUs: whose turn it is, what time is, how a run begins, ends and fails. */
#include "sim/error.h"
#include "sim/page.h"
#include "sim/random.h"
#include "sim/virtual/internal.h"
#include "tests/machine_fixture.h"
#include "tests/scene.h"
#include "tests/virtual/fixture.h"

#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void start_toy(unsigned cpus)
{
    virtual_fixture_set(virtual_fixture_toy());
    fixture_start(cpus, 0);
}

static void spend(uint64_t cycles)
{
    virtual_spend(cycles);
    virtual_synchronise();
}

/* ---- order ---- */

#define LOGGED 20000

static struct {
    uint64_t turns[LOGGED];
    unsigned count;
} journal;

static void note(void)
{
    assert(journal.count < LOGGED);
    journal.turns[journal.count++] = turn_of(now_cycles(), cpu_id());
}

static void assert_journal_sorted(unsigned count)
{
    assert_int_equal(journal.count, count);
    for (unsigned i = 1; i < count; i++)
        assert_true(journal.turns[i - 1] < journal.turns[i]);
}

/* Each step of a random length; long ones are rare. */
static void walk(unsigned cpu, void *steps)
{
    uint64_t seed = cpu;

    for (unsigned i = 0; i < *(unsigned *)steps; i++) {
        uint64_t draw = random_next(&seed);

        spend(1 + draw % (draw >> 60 ? 10 : 1000));
        note();
    }
}

static void the_cpu_with_the_smallest_clock_runs(void **state)
{
    static const unsigned sizes[] = {1, 2, 3, 64, 1024};

    (void)state;
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned steps = LOGGED / sizes[i];

        journal.count = 0;
        start_toy(sizes[i]);
        fixture_run(walk, &steps);
        fixture_stop();
        assert_journal_sorted(steps * sizes[i]);
    }
}

static void walk_in_step(unsigned cpu, void *unused)
{
    (void)cpu;
    (void)unused;
    for (unsigned i = 0; i < 100; i++) {
        spend(10);
        note();
    }
}

static void equal_clocks_go_by_number(void **state)
{
    (void)state;
    journal.count = 0;
    start_toy(5);
    fixture_run(walk_in_step, NULL);
    fixture_stop();
    assert_journal_sorted(500);
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(turn_cpu(journal.turns[i]), i % 5);
}

/* ---- slack ---- */

static uint64_t furthest_lead;
static char *arena_words;

static void note_lead(void)
{
    uint64_t now = now_cycles();

    for (unsigned i = 0; i < nr_cpus(); i++) {
        const struct virtual_cpu *cpu = &virtual_machine.cpus[i];

        if (!cpu->parked && cpu->clock < now && now - cpu->clock > furthest_lead)
            furthest_lead = now - cpu->clock;
    }
}

/* Each has a line of its own, and a pace of its own. What it does at a time is what follows the
 * access's giving way, and so before the access is paid for. */
static void access_own_line(unsigned cpu, void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 2000; i++) {
        for (unsigned k = 0; k <= cpu; k++)
            virtual_spend(1);
        virtual_access((uintptr_t)arena_words + cpu * CACHE_LINE, 8, COST_STORE, NULL);
        note_lead();
    }
}

static uint64_t lead_at_slack(uint64_t slack)
{
    struct virtual_config config = *virtual_fixture_toy();

    config.slack_cycles = slack;
    virtual_fixture_set(&config);
    fixture_start(4, 0);
    arena_words = boot_alloc(4096, PAGE_ANY_NODE);
    furthest_lead = 0;
    fixture_run(access_own_line, NULL);
    boot_free(arena_words, 4096);
    fixture_stop();
    return furthest_lead;
}

static void nobody_leads_by_more_than_the_slack_and_an_access(void **state)
{
    (void)state;
    assert_true(lead_at_slack(0) <= MEMORY);
    assert_true(lead_at_slack(500) <= 500 + MEMORY);
    assert_true(lead_at_slack(500) > 400);
}

static void access_and_note(unsigned cpu, void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 1000; i++) {
        virtual_spend(i * 7 % (13 + cpu));
        /* What the hook does before it charges: it gives way while it leads. */
        if (now_cycles() > virtual_machine.limit)
            virtual_yield();
        note();
        virtual_access((uintptr_t)arena_words, 8, COST_LOAD, NULL);
    }
}

static void without_slack_accesses_are_in_the_order_of_clocks(void **state)
{
    (void)state;
    start_toy(4);
    arena_words = boot_alloc(4096, PAGE_ANY_NODE);
    journal.count = 0;
    fixture_run(access_and_note, NULL);
    boot_free(arena_words, 4096);
    fixture_stop();
    assert_int_equal(journal.count, 4000);
    for (unsigned i = 1; i < journal.count; i++)
        assert_true(turn_clock(journal.turns[i - 1]) <= turn_clock(journal.turns[i]));
}

/* ---- time ---- */

static void an_access_costs_what_the_table_says(unsigned cpu, void *unused)
{
    uint64_t start = now_cycles();

    (void)unused;
    if (cpu == 0) {
        virtual_access((uintptr_t)arena_words, 8, COST_LOAD, NULL);
        assert(now_cycles() == start + MEMORY);
        virtual_access((uintptr_t)arena_words, 8, COST_ATOMIC, NULL);
        assert(now_cycles() == start + MEMORY + HIT);
    } else {
        spend(10000);
        virtual_access((uintptr_t)arena_words, 8, COST_STORE, NULL);
        assert(now_cycles() == start + 10000 + TRANSFER);
        virtual_access((uintptr_t)&start, 8, COST_STORE, NULL); /* a stack */
        assert(now_cycles() == start + 10000 + TRANSFER);
    }
}

static void accesses_take_time_while_workers_run_and_none_otherwise(void **state)
{
    (void)state;
    start_toy(2);
    arena_words = boot_alloc(4096, PAGE_ANY_NODE);
    virtual_access((uintptr_t)arena_words, 8, COST_STORE, NULL);
    assert_int_equal(now_cycles(), 0);
    fixture_run(an_access_costs_what_the_table_says, NULL);
    boot_free(arena_words, 4096);
    fixture_stop();
}

static void compute(unsigned cpu, void *unused)
{
    (void)cpu;
    (void)unused;
    for (unsigned i = 0; i < 256; i++)
        virtual_access((uintptr_t)arena_words, 8, COST_LOAD, NULL);
}

static void code_between_accesses_takes_its_share_of_cycles(void **state)
{
    struct virtual_config config = *virtual_fixture_toy();

    (void)state;
    config.compute_256ths = 77;
    virtual_fixture_set(&config);
    fixture_start(1, 0);
    arena_words = boot_alloc(4096, PAGE_ANY_NODE);
    fixture_run(compute, NULL);
    assert_int_equal(virtual_machine.cpus[0].clock, MEMORY + 255 * HIT + 77);
    boot_free(arena_words, 4096);
    fixture_stop();
}

/* ---- runs ---- */

static void run_for(unsigned cpu, void *cycles)
{
    assert(!account_self);
    account_self = (struct account *)&journal; /* a worker that leaves it behind */
    virtual_spend(*(uint64_t *)cycles * (cpu + 1));
}

static void a_run_begins_when_the_one_before_has_ended(void **state)
{
    struct machine_run_report report;
    struct error error = {""};
    uint64_t cycles = 1000;

    (void)state;
    start_toy(3);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(machine_run(run_for, &cycles, &report, &error), 0);
        assert_true(report.simulated && report.bound);
        assert_int_equal(report.run_ns, 3 * cycles); /* at 1 GHz */
        for (unsigned cpu = 0; cpu < 3; cpu++)       /* they have waited for each other */
            assert_int_equal(virtual_machine.cpus[cpu].clock, 3 * cycles * i);
        assert_null(account_self);
    }
    fixture_stop();
}

static void count_in(unsigned cpu, void *count)
{
    (void)cpu;
    ++*(unsigned *)count;
}

static void machines_start_and_stop_as_often_as_wanted(void **state)
{
    static const unsigned sizes[] = {1, 7, 64, 1024};
    unsigned count = 0, expected = 0;

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        unsigned cpus = sizes[i % 4];

        fixture_set_nodes(cpus > 3 ? 3 : 1, 64 << 20);
        start_toy(cpus);
        fixture_run(count_in, &count);
        fixture_run(count_in, &count);
        fixture_stop();
        expected += 2 * cpus;
    }
    assert_int_equal(count, expected);
}

static void a_machine_of_too_many_cpus_is_refused(void **state)
{
    const struct machine_config none = {.nr_nodes = 1},
                                many = {.nr_cpus = VIRTUAL_MAX_CPUS + 1, .nr_nodes = 1};
    struct error error = {""};

    (void)state;
    assert_int_equal(machine_start(&none, &error), -EINVAL);
    assert_int_equal(machine_start(&many, &error), -EINVAL);
    assert_non_null(strstr(error.text, "1025 CPUs; a virtual machine has 1 to 1024"));
}

/* ---- the same again ---- */

static void wander(unsigned cpu, void *argument)
{
    uint64_t seed = cpu + *(uint64_t *)argument;

    for (unsigned i = 0; i < 500; i++) {
        uint64_t draw = random_next(&seed);

        virtual_access((uintptr_t)arena_words + draw % 64 * 64, 8, (enum cost_op)(draw >> 62) % 3,
                       NULL);
        if (draw % 16 == 0)
            fixture_safe_point();
    }
}

static void the_same_run_takes_the_same_time(void **state)
{
    uint64_t seed = 3, clocks[16];

    (void)state;
    for (unsigned time = 0; time < 3; time++) {
        fixture_start(16, 0);
        arena_words = boot_alloc(4096, PAGE_ANY_NODE);
        fixture_run(wander, &seed);
        for (unsigned i = 0; i < 16; i++) {
            if (time > 0)
                assert_int_equal(virtual_machine.cpus[i].clock, clocks[i]);
            clocks[i] = virtual_machine.cpus[i].clock;
        }
        boot_free(arena_words, 4096);
        fixture_stop();
    }
}

/* ---- ends ---- */

static struct lock first, second;

static void cross(unsigned cpu, void *unused)
{
    (void)unused;
    if (cpu == 2)
        return;
    lock_acquire(cpu == 0 ? &first : &second);
    spend(1000);
    lock_acquire(cpu == 0 ? &second : &first);
}

static void cross_locks(void *unused)
{
    (void)unused;
    start_toy(3);
    lock_set_default_kind(LOCK_MCS);
    lock_init(&first, LOCK_CLASS_DEPOT, LOCK_RANK_DEPOT, NULL);
    lock_init(&second, LOCK_CLASS_DEPOT, LOCK_RANK_DEPOT, NULL);
    fixture_run(cross, NULL);
}

/* The third, which has finished, waits for both. */
static void a_deadlock_is_told(void **state)
{
    static const char *const words[] = {"no CPU can run",          "CPU 0 at",
                                        "waiting for an MCS lock", "holds 1 locks",
                                        "waiting for all others",  NULL};

    (void)state;
    assert_aborts(cross_locks, NULL, words);
}

static void touch_free_page(unsigned cpu, void *page)
{
    (void)cpu;
    machine_touch(page, 8);
    __asm__ volatile(""); /* else the call is a jump, and its place that of our caller */
}

static void touch_page_that_nobody_holds(void *unused)
{
    char *address;

    (void)unused;
    start_toy(1);
    address = page_alloc(3, PAGE_ANY_NODE);
    page_free(address, 3);
    fixture_run(touch_free_page, address);
}

static void touch_object(unsigned cpu, void *object)
{
    (void)cpu;
    virtual_access((uintptr_t)object + 8, 4, COST_LOAD, __builtin_return_address(0));
}

static void touch_object_of_a_user(void *unused)
{
    char *address;

    (void)unused;
    start_toy(1);
    address = page_alloc(0, PAGE_ANY_NODE);
    machine_object_is_users(address, 64, true);
    fixture_run(touch_object, address);
}

static void a_forbidden_access_is_told(void **state)
{
    static const char *const of_page[] = {"CPU 0 wrote 0x", "which is in a page that nobody holds",
                                          "addr2line -fie", "test_engine", NULL};
    static const char *const of_object[] = {"CPU 0 read 0x", "an object's that is its user's",
                                            NULL};

    (void)state;
    assert_aborts(touch_page_that_nobody_holds, NULL, of_page);
    assert_aborts(touch_object_of_a_user, NULL, of_object);
}

/* The program lies elsewhere in each run, and addr2line wants to know where in its file. */
static void what_is_told_of_a_forbidden_access_leads_to_its_line(void **state)
{
    char path[] = "/tmp/slablab-engine-XXXXXX", line[4096] = "", *command;
    int file = mkstemp(path), status;
    pid_t child;
    FILE *answer;

    (void)state;
    assert_true(file >= 0);
    fflush(NULL);
    child = fork();
    if (child == 0) {
        dup2(file, STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        touch_page_that_nobody_holds(NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(pread(file, line, sizeof line - 1, 0) > 0);
    close(file);
    unlink(path);
    command = strstr(line, "addr2line");
    assert_non_null(command);
    command[strcspn(command, "\n")] = '\0';
    answer = popen(command, "r");
    assert_non_null(answer);
    memset(line, 0, sizeof line);
    status = (int)fread(line, 1, sizeof line - 1, answer);
    pclose(answer);
    if (status == 0)
        skip(); /* there is no addr2line */
    assert_non_null(strstr(line, "touch_free_page"));
    assert_non_null(strstr(line, "test_engine.c"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cpu_with_the_smallest_clock_runs),
        cmocka_unit_test(equal_clocks_go_by_number),
        cmocka_unit_test(nobody_leads_by_more_than_the_slack_and_an_access),
        cmocka_unit_test(without_slack_accesses_are_in_the_order_of_clocks),
        cmocka_unit_test(accesses_take_time_while_workers_run_and_none_otherwise),
        cmocka_unit_test(code_between_accesses_takes_its_share_of_cycles),
        cmocka_unit_test(a_run_begins_when_the_one_before_has_ended),
        cmocka_unit_test(machines_start_and_stop_as_often_as_wanted),
        cmocka_unit_test(a_machine_of_too_many_cpus_is_refused),
        cmocka_unit_test(the_same_run_takes_the_same_time),
        cmocka_unit_test(a_deadlock_is_told),
        cmocka_unit_test(a_forbidden_access_is_told),
        cmocka_unit_test(what_is_told_of_a_forbidden_access_leads_to_its_line),
    };

    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
