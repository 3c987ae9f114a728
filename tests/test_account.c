/* SPDX-License-Identifier: MIT */
/* What locks of every kind, and bits as locks, count in the accounts of the CPUs that take them. */
#include "sim/account.h"

#include "sim/machine.h"
#include "sim/spin.h"
#include "tests/machine_fixture.h"
#include "tests/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CPUS  4
#define NODES 2 /* CPU i is on node i % 2 */
#define SEED  42
#define BIT   5
#define FLAGS 0x8001u /* what else is in the word of the bit */

/* ---- the locks under test: each kind, and a bit ---- */

enum subject {
    SUBJECT_TAS = LOCK_TAS,
    SUBJECT_TICKET = LOCK_TICKET,
    SUBJECT_MCS = LOCK_MCS,
    SUBJECT_PTHREAD = LOCK_PTHREAD,
    SUBJECT_BIT,
    SUBJECTS
};

static struct lock lock;
static _Atomic uint32_t word;
static uint16_t id; /* of the subject */
static struct account *accounts[CPUS];

static void take(enum subject subject)
{
    if (subject == SUBJECT_BIT)
        bit_lock(&word, BIT, id);
    else
        lock_acquire(&lock);
}

static bool try_to_take(enum subject subject)
{
    return subject == SUBJECT_BIT ? bit_try(&word, BIT, id) : lock_try(&lock);
}

static void release(enum subject subject)
{
    if (subject == SUBJECT_BIT)
        bit_unlock(&word, BIT, id);
    else
        lock_release(&lock);
}

static void accounts_open(void)
{
    for (unsigned i = 0; i < nr_cpus(); i++) {
        accounts[i] = account_create(i, 0, SEED);
        assert_non_null(accounts[i]);
    }
}

static void accounts_close(void)
{
    account_self = NULL;
    for (unsigned i = 0; i < nr_cpus(); i++) {
        account_destroy(accounts[i]);
        accounts[i] = NULL;
    }
}

/* The calling thread acts as `cpu`, which counts. */
static void become(unsigned cpu)
{
    fixture_become(cpu);
    account_self = accounts[cpu];
}

static void subject_open(enum subject subject)
{
    if (subject == SUBJECT_BIT) {
        word = FLAGS;
        id = account_lock_id(LOCK_CLASS_PAGE, "subject");
    } else {
        lock_set_default_kind((enum lock_kind)subject);
        lock_init(&lock, LOCK_CLASS_DEPOT, LOCK_RANK_DEPOT, "subject");
        lock_set_default_kind(LOCK_TAS);
        id = lock.id;
    }
    accounts_open();
}

static void subject_close(enum subject subject)
{
    if (subject == SUBJECT_BIT)
        assert_int_equal(word & BIT_LOCK_FLAGS, FLAGS);
    else
        lock_cleanup(&lock);
    accounts_close();
}

static const struct lock_account *counts(unsigned cpu)
{
    return &accounts[cpu]->locks[id];
}

/* Runs `test` on every subject, on a machine of its own with `nr_cpus` CPUs that all count. */
static void on_every_subject(unsigned nr_cpus, void (*test)(enum subject subject))
{
    fixture_set_nodes(NODES, 0);
    fixture_start(nr_cpus, 0);
    for (enum subject subject = SUBJECT_TAS; subject < SUBJECTS; subject++) {
        subject_open(subject);
        become(0);
        test(subject);
        subject_close(subject);
    }
    fixture_stop();
}

/* ---- one CPU ---- */

static void count_alone(enum subject subject)
{
    const struct lock_account *self = counts(0);

    for (unsigned i = 0; i < 1000; i++) {
        if (i % 4 == 0)
            assert_true(try_to_take(subject));
        else
            take(subject);
        release(subject);
    }
    assert_int_equal(self->acquisitions, 1000);
    assert_int_equal(self->contended, 0);
    assert_int_equal(self->times->wait.count, 0);
    assert_int_equal(self->trylock_failures, 0);
    assert_int_equal(self->handoffs[HANDOFF_SAME_CPU], 999);
    for (unsigned i = 0; i < accounts[0]->nr_locks; i++)
        assert_true(i == id || accounts[0]->locks[i].acquisitions == 0);
}

static void one_cpu_counts_every_acquisition_and_no_wait(void **state)
{
    (void)state;
    on_every_subject(1, count_alone);
}

static void fail_a_try(enum subject subject)
{
    struct lock_account before;

    take(subject);
    before = *counts(0);
    for (unsigned i = 1; i <= 7; i++) {
        assert_false(try_to_take(subject));
        before.trylock_failures++;
        assert_memory_equal(counts(0), &before, sizeof before);
    }
    release(subject);
}

static void a_failed_try_counts_as_that_and_nothing_else(void **state)
{
    (void)state;
    on_every_subject(1, fail_a_try);
}

static void take_uncounted(enum subject subject)
{
    struct lock_account nothing = {0};

    account_self = NULL;
    for (unsigned i = 0; i < 100; i++) {
        take(subject);
        assert_false(try_to_take(subject));
        release(subject);
    }
    account_trip();
    account_exchange_failed(EXCHANGE_FLUSHER);
    for (unsigned i = 0; i < accounts[0]->nr_locks; i++) {
        nothing.times = accounts[0]->locks[i].times;
        assert_memory_equal(&accounts[0]->locks[i], &nothing, sizeof nothing);
        assert_int_equal(nothing.times->wait.count + nothing.times->hold.count, 0);
    }
    assert_int_equal(accounts[0]->trips, 0);
    /* Nor did they note who had the lock: the first that counts has no owner before it. */
    become(0);
    take(subject);
    release(subject);
    assert_int_equal(counts(0)->acquisitions, 1);
    for (unsigned i = 0; i < HANDOFFS; i++)
        assert_int_equal(counts(0)->handoffs[i], 0);
}

static void nothing_is_counted_without_an_account(void **state)
{
    (void)state;
    on_every_subject(1, take_uncounted);
}

/* ---- hand-offs ---- */

static void pass_around(enum subject subject)
{
    static const struct {
        unsigned cpu;
        int handoff; /* -1: nobody had it before */
    } owners[] = {
        {0, -1},
        {0, HANDOFF_SAME_CPU},
        {2, HANDOFF_SAME_NODE},
        {1, HANDOFF_OTHER_NODE},
        {3, HANDOFF_SAME_NODE},
        {3, HANDOFF_SAME_CPU},
        {0, HANDOFF_OTHER_NODE},
        {1, HANDOFF_OTHER_NODE},
        {1, HANDOFF_SAME_CPU},
        {3, HANDOFF_SAME_NODE},
        {2, HANDOFF_OTHER_NODE},
    };
    uint64_t expected[CPUS][HANDOFFS] = {{0}};

    for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++) {
        become(owners[i].cpu);
        if (i % 2) {
            assert_true(try_to_take(subject));
        } else {
            take(subject);
        }
        /* Who only tries leaves no trace of itself. */
        become((owners[i].cpu + 1) % CPUS);
        assert_false(try_to_take(subject));
        become(owners[i].cpu);
        release(subject);
        if (owners[i].handoff >= 0)
            expected[owners[i].cpu][owners[i].handoff]++;
        for (unsigned cpu = 0; cpu < CPUS; cpu++)
            assert_memory_equal(counts(cpu)->handoffs, expected[cpu], sizeof expected[cpu]);
    }
}

static void handoffs_are_counted_by_how_far_the_owner_before_was(void **state)
{
    (void)state;
    on_every_subject(CPUS, pass_around);
}

/* ---- all CPUs at once ---- */

#define ROUNDS 2000

static void take_often(unsigned cpu, void *argument)
{
    enum subject subject = *(enum subject *)argument;

    account_self = accounts[cpu];
    for (unsigned i = 0; i < ROUNDS; i++) {
        take(subject);
        account_trip();
        release(subject);
    }
    account_self = NULL;
}

static void contend(enum subject subject)
{
    struct account *sum = account_create(0, 0, SEED);
    const struct lock_account *all = &sum->locks[id];
    uint64_t handoffs = 0;

    account_self = NULL;
    fixture_run(take_often, &subject);
    for (unsigned i = 0; i < CPUS; i++) {
        assert_int_equal(counts(i)->acquisitions, ROUNDS);
        assert_int_equal(counts(i)->times->wait.count, counts(i)->contended);
        account_merge(sum, accounts[i]);
    }
    for (unsigned i = 0; i < HANDOFFS; i++)
        handoffs += all->handoffs[i];
    assert_int_equal(all->acquisitions, CPUS * ROUNDS);
    assert_int_equal(handoffs, CPUS * ROUNDS - 1);
    assert_true(all->contended <= all->acquisitions);
    assert_int_equal(all->times->wait.count, all->contended);
    assert_int_equal(all->trylock_failures, 0);
    assert_int_equal(sum->trips, CPUS * ROUNDS);
    account_destroy(sum);
}

static void every_acquisition_of_every_cpu_is_counted_once(void **state)
{
    (void)state;
    on_every_subject(CPUS, contend);
}

/* ---- waits ---- */

#define HOLD_NS  2000000
#define ATTEMPTS 200

static struct {
    enum subject subject;
    _Atomic unsigned held, coming;
    uint64_t around; /* cycles that CPU 1 saw pass around its taking of the lock */
} meeting;

static void spin_until(const _Atomic unsigned *flag)
{
    unsigned spins = 0;

    while (atomic_load(flag) == 0)
        spin_step(&spins);
}

static void spin_for_ns(uint64_t ns)
{
    uint64_t start = now_cycles();

    while (machine_cycles_to_ns(now_cycles() - start) < ns)
        spin_pause();
}

static void hold_or_wait(unsigned cpu, void *unused)
{
    uint64_t start;

    (void)unused;
    account_self = accounts[cpu];
    if (cpu == 0) {
        take(meeting.subject);
        atomic_store(&meeting.held, 1);
        spin_until(&meeting.coming);
        spin_for_ns(HOLD_NS);
    } else {
        spin_until(&meeting.held);
        start = now_cycles();
        atomic_store(&meeting.coming, 1);
        take(meeting.subject);
        meeting.around = now_cycles() - start;
    }
    release(meeting.subject);
    account_self = NULL;
}

/*
 * The waiter says that it is coming before it comes, and may be kept from coming by the system for
 * as long as the other holds the lock: then it meets nobody, or for a short time only, and the two
 * meet again.
 */
static void wait_for_a_holder(enum subject subject)
{
    const struct histogram *wait;
    unsigned attempt = 0;

    meeting.subject = subject;
    do {
        assert_true(attempt++ < ATTEMPTS);
        accounts_close();
        accounts_open();
        meeting.held = meeting.coming = 0;
        fixture_run(hold_or_wait, NULL);
        wait = &counts(1)->times->wait;
        assert_int_equal(counts(0)->contended, 0);
        assert_int_equal(counts(1)->acquisitions, 1);
        assert_int_equal(counts(1)->contended, wait->count);
        assert_int_equal(wait->sum, wait->max);
        assert_true(wait->sum <= meeting.around);
    } while (machine_cycles_to_ns(wait->max) < HOLD_NS / 10 * 9);
}

static void who_waits_for_a_holder_counts_for_how_long(void **state)
{
    (void)state;
    on_every_subject(2, wait_for_a_holder);
}

/* ---- holds ---- */

#define HOLDS 16000

/* Was a hold timed since there were *timed, whose sum was *sum? Then both advance. */
static bool was_timed(const struct histogram *hold, uint64_t *timed, uint64_t *sum,
                      uint64_t *cycles)
{
    if (hold->count == *timed)
        return false;
    assert_int_equal(hold->count, *timed + 1);
    *timed = hold->count;
    *cycles = hold->sum - *sum;
    *sum = hold->sum;
    return true;
}

static void hold_often(enum subject subject)
{
    const struct histogram *hold = &counts(0)->times->hold;
    uint64_t timed = 0, sum = 0, longest = 0;

    for (unsigned i = 0; i < HOLDS; i++) {
        uint64_t before = now_cycles(), got, done, after, cycles;

        take(subject);
        got = now_cycles();
        while (now_cycles() - got < i % 512)
            ;
        done = now_cycles();
        release(subject);
        after = now_cycles();
        if (!was_timed(hold, &timed, &sum, &cycles))
            continue;
        assert_true(cycles >= done - got);
        assert_true(cycles <= after - before);
        if (cycles > longest)
            longest = cycles;
    }
    assert_int_equal(hold->max, longest);
    /* Distances are random, from 1 to 31: the count's standard deviation is 18 here. */
    assert_in_range(timed, HOLDS / ACCOUNT_HOLD_EVERY * 3 / 4, HOLDS / ACCOUNT_HOLD_EVERY * 5 / 4);
}

static void one_hold_in_16_is_timed_and_truly(void **state)
{
    (void)state;
    on_every_subject(1, hold_often);
}

/* Another lock is held around the subject's: only one of the two is timed at a time. */
static void hold_two(enum subject subject)
{
    struct lock around;
    const struct histogram *outer, *inner = &counts(0)->times->hold;
    uint64_t outer_timed = 0, outer_sum = 0, inner_timed = 0, inner_sum = 0, ignored;

    lock_init(&around, LOCK_CLASS_CPU, LOCK_RANK_CPU, NULL);
    outer = &accounts[0]->locks[around.id].times->hold;
    for (unsigned i = 0; i < 8000; i++) {
        bool was_inner = false;

        lock_acquire(&around);
        for (unsigned j = 0; j < 3; j++) {
            take(subject);
            release(subject);
            was_inner |= was_timed(inner, &inner_timed, &inner_sum, &ignored);
        }
        lock_release(&around);
        if (was_timed(outer, &outer_timed, &outer_sum, &ignored))
            assert_false(was_inner);
    }
    /* One acquisition in 16 of each, less what fell into the hold of the other. */
    assert_in_range(outer_timed, 8000 / 64, 8000 / 8);
    assert_in_range(inner_timed, 24000 / 64, 24000 / 8);
    lock_cleanup(&around);
}

static void one_hold_is_timed_at_a_time(void **state)
{
    (void)state;
    on_every_subject(1, hold_two);
}

/* ---- order ---- */

static void take_out_of_order(void *argument)
{
    enum subject subject = *(enum subject *)argument;
    struct lock after;

    lock_init(&after, LOCK_CLASS_ZONE, LOCK_RANK_ZONE, NULL);
    lock_acquire(&after);
    take(subject);
}

static void release_what_is_free(void *argument)
{
    release(*(enum subject *)argument);
}

/* All kinds go through the same checks of ranks, a bit through its own. */
static void break_the_order(enum subject subject)
{
    static const char *const out_of_order[] = {"taken out of order", "held: class zone", NULL};
    static const char *const not_held[] = {"released but not held", NULL};

    if (subject != SUBJECT_TAS && subject != SUBJECT_BIT)
        return;
    assert_aborts(take_out_of_order, &subject, out_of_order);
    assert_aborts(release_what_is_free, &subject, not_held);
}

static void a_wrong_order_is_refused_while_counting(void **state)
{
    (void)state;
#ifdef SLABLAB_CHECKED
    on_every_subject(1, break_the_order);
#else
    (void)break_the_order;
    skip();
#endif
}

/* ---- merging ---- */

static void histogram_fill(struct histogram *histogram, uint64_t from, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        histogram_add(histogram, from + i * 1000);
}

static void merging_adds_all_that_is_counted(void **state)
{
    struct account *into, *from;
    struct lock_account *lock_into, *lock_from;
    struct histogram wait = {0}, hold = {0};

    (void)state;
    fixture_start(1, 0);
    into = account_create(0, 0, SEED);
    from = account_create(0, 0, SEED);
    lock_into = &into->locks[LOCK_CLASS_ZONE];
    lock_from = &from->locks[LOCK_CLASS_ZONE];
    into->trips = 3, from->trips = 4;
    into->failed_exchanges[EXCHANGE_GROWING] = 1, from->failed_exchanges[EXCHANGE_GROWING] = 2;
    *lock_into = (struct lock_account){
        .acquisitions = 10, .contended = 5, .handoffs = {1, 2, 3}, .times = lock_into->times};
    *lock_from = (struct lock_account){.acquisitions = 100,
                                       .contended = 50,
                                       .trylock_failures = 7,
                                       .handoffs = {10, 20, 30},
                                       .times = lock_from->times};
    histogram_fill(&lock_into->times->wait, 5, 5);
    histogram_fill(&lock_from->times->wait, 777, 50);
    histogram_fill(&lock_from->times->hold, 9, 6);
    histogram_fill(&wait, 5, 5);
    histogram_fill(&wait, 777, 50);
    histogram_fill(&hold, 9, 6);
    /* Tries alone are an account too. */
    from->locks[LOCK_CLASS_BOOT].trylock_failures = 1;
    account_merge(into, from);
    assert_int_equal(into->trips, 7);
    assert_int_equal(into->failed_exchanges[EXCHANGE_GROWING], 3);
    assert_int_equal(into->failed_exchanges[EXCHANGE_FLUSHER], 0);
    assert_int_equal(lock_into->acquisitions, 110);
    assert_int_equal(lock_into->contended, 55);
    assert_int_equal(lock_into->trylock_failures, 7);
    for (unsigned i = 0; i < HANDOFFS; i++)
        assert_int_equal(lock_into->handoffs[i], 11 * (i + 1));
    assert_memory_equal(&lock_into->times->wait, &wait, sizeof wait);
    assert_memory_equal(&lock_into->times->hold, &hold, sizeof hold);
    assert_int_equal(into->locks[LOCK_CLASS_BOOT].trylock_failures, 1);
    account_destroy(from);
    account_destroy(into);
    fixture_stop();
}

/* ---- ids ---- */

static void an_id_is_a_class_and_an_owner(void **state)
{
    char name[] = "kmalloc-64";
    uint16_t depot = account_lock_id(LOCK_CLASS_DEPOT, name);
    uint16_t zone = account_lock_id(LOCK_CLASS_ZONE, name);
    uint16_t other = account_lock_id(LOCK_CLASS_DEPOT, "kmalloc-128");
    unsigned count = account_nr_lock_ids();

    (void)state;
    assert_int_not_equal(depot, zone);
    assert_int_not_equal(depot, other);
    assert_int_not_equal(zone, other);
    name[0] = 'x'; /* ids have a copy */
    assert_int_equal(account_lock_id(LOCK_CLASS_DEPOT, "kmalloc-64"), depot);
    assert_int_equal(account_lock_id(LOCK_CLASS_ZONE, "kmalloc-64"), zone);
    assert_int_equal(account_lock_id(LOCK_CLASS_DEPOT, "kmalloc-128"), other);
    assert_int_equal(account_nr_lock_ids(), count);
    assert_int_equal(account_lock_class(depot), LOCK_CLASS_DEPOT);
    assert_int_equal(account_lock_class(zone), LOCK_CLASS_ZONE);
    assert_string_equal(account_lock_owner(depot), "kmalloc-64");
    assert_string_equal(account_lock_owner(other), "kmalloc-128");
}

static void without_an_owner_the_id_is_the_class(void **state)
{
    (void)state;
    for (unsigned class = 0; class < LOCK_CLASSES; class ++) {
        assert_int_equal(account_lock_id(class, NULL), class);
        assert_int_equal(account_lock_class((uint16_t) class), class);
        assert_null(account_lock_owner((uint16_t) class));
    }
}

#define SHARED_OWNERS 200

static uint16_t ids_seen[CPUS][SHARED_OWNERS];

static void ask_for_ids(unsigned cpu, void *unused)
{
    char name[32];

    (void)unused;
    for (unsigned i = 0; i < SHARED_OWNERS; i++) {
        unsigned owner = (i + cpu * SHARED_OWNERS / CPUS) % SHARED_OWNERS;

        snprintf(name, sizeof name, "shared-%u", owner);
        ids_seen[cpu][owner] = account_lock_id(LOCK_CLASS_CACHE, name);
        if (strcmp(account_lock_owner(ids_seen[cpu][owner]), name) != 0)
            ids_seen[cpu][owner] = LOCK_CLASS_CACHE;
    }
}

static void all_cpus_get_the_same_id_of_the_same_owner(void **state)
{
    unsigned before = account_nr_lock_ids();

    (void)state;
    fixture_start(CPUS, 0);
    fixture_run(ask_for_ids, NULL);
    fixture_stop();
    assert_int_equal(account_nr_lock_ids(), before + SHARED_OWNERS);
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        for (unsigned i = 0; i < SHARED_OWNERS; i++) {
            assert_int_equal(ids_seen[cpu][i], ids_seen[0][i]);
            assert_int_not_equal(ids_seen[cpu][i], LOCK_CLASS_CACHE);
        }
    }
}

/* `late` is a lock whose id is younger than the account. */
static void count_late(struct lock *late)
{
    const struct lock_account *of_class = &accounts[0]->locks[late->class];

    assert_true(late->id >= accounts[0]->nr_locks);
    for (unsigned i = 0; i < 100; i++) {
        lock_acquire(late);
        assert_false(lock_try(late));
        lock_release(late);
    }
    assert_int_equal(of_class->acquisitions, 100);
    assert_int_equal(of_class->trylock_failures, 100);
    assert_in_range(of_class->times->hold.count, 1, 50);
}

static void an_id_that_an_account_has_no_room_for_counts_under_its_class(void **state)
{
    struct lock late;
    struct account *roomier;

    (void)state;
    fixture_start(1, 0);
    accounts_open();
    become(0);
    lock_init(&late, LOCK_CLASS_PARTIAL, LOCK_RANK_PARTIAL, "younger than the account");
    count_late(&late);
    roomier = account_create(0, 3, SEED);
    assert_int_equal(roomier->nr_locks, account_nr_lock_ids() + 3);
    account_merge(roomier, accounts[0]);
    assert_int_equal(roomier->locks[LOCK_CLASS_PARTIAL].acquisitions, 100);
    assert_int_equal(roomier->locks[late.id].acquisitions, 0);
    account_destroy(roomier);
    lock_cleanup(&late);
    accounts_close();
    fixture_stop();
}

/* Uses up all ids that this process has: the last of the tests. */
static void owners_beyond_all_ids_count_under_their_class(void **state)
{
    char name[32];
    uint16_t known = account_lock_id(LOCK_CLASS_SLAB, "known");

    (void)state;
    for (unsigned next = account_nr_lock_ids(); next < ACCOUNT_LOCK_IDS; next++) {
        snprintf(name, sizeof name, "owner-%u", next);
        assert_int_equal(account_lock_id(LOCK_CLASS_SLAB, name), next);
    }
    assert_int_equal(account_lock_id(LOCK_CLASS_SLAB, "one too many"), LOCK_CLASS_SLAB);
    assert_int_equal(account_lock_id(LOCK_CLASS_ZONE, "one too many"), LOCK_CLASS_ZONE);
    assert_int_equal(account_nr_lock_ids(), ACCOUNT_LOCK_IDS);
    assert_int_equal(account_lock_id(LOCK_CLASS_SLAB, "known"), known);
    assert_string_equal(account_lock_owner(ACCOUNT_LOCK_IDS - 1), name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_cpu_counts_every_acquisition_and_no_wait),
        cmocka_unit_test(a_failed_try_counts_as_that_and_nothing_else),
        cmocka_unit_test(nothing_is_counted_without_an_account),
        cmocka_unit_test(handoffs_are_counted_by_how_far_the_owner_before_was),
        cmocka_unit_test(every_acquisition_of_every_cpu_is_counted_once),
        cmocka_unit_test(who_waits_for_a_holder_counts_for_how_long),
        cmocka_unit_test(one_hold_in_16_is_timed_and_truly),
        cmocka_unit_test(one_hold_is_timed_at_a_time),
        cmocka_unit_test(a_wrong_order_is_refused_while_counting),
        cmocka_unit_test(merging_adds_all_that_is_counted),
        cmocka_unit_test(an_id_is_a_class_and_an_owner),
        cmocka_unit_test(without_an_owner_the_id_is_the_class),
        cmocka_unit_test(all_cpus_get_the_same_id_of_the_same_owner),
        cmocka_unit_test(an_id_that_an_account_has_no_room_for_counts_under_its_class),
        cmocka_unit_test(owners_beyond_all_ids_count_under_their_class),
    };

    return cmocka_run_group_tests_name("account", tests, NULL, NULL);
}
