/* SPDX-License-Identifier: MIT */
/* Every kind of lock excludes, and checked builds refuse a wrong order. */
#include "sim/error.h"
#include "sim/lock.h"
#include "tests/machine_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CPUS   4
#define ROUNDS 5000

static struct lock outer, inner;
static unsigned long counter; /* guarded by `outer`, or by the bit */
static _Atomic uint32_t flags;

static void add_under_lock(unsigned cpu, void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (i % 3 == cpu % 3) {
            while (!lock_try(&outer))
                fixture_safe_point();
        } else {
            lock_acquire(&outer);
        }
        lock_acquire(&inner);
        counter++;
        lock_release(&inner);
        lock_release(&outer);
    }
}

static void every_kind_excludes(void **state)
{
    (void)state;
    fixture_start(CPUS, 0);
    for (enum lock_kind kind = LOCK_TAS; kind <= LOCK_PTHREAD; kind++) {
        lock_set_default_kind(kind);
        lock_init(&outer, LOCK_CLASS_DEPOT, LOCK_RANK_DEPOT, NULL);
        lock_init(&inner, LOCK_CLASS_CACHE, LOCK_RANK_CACHE, NULL);
        counter = 0;
        fixture_run(add_under_lock, NULL);
        assert_int_equal(counter, CPUS * ROUNDS);
        lock_cleanup(&inner);
        lock_cleanup(&outer);
    }
    lock_set_default_kind(LOCK_TAS);
    fixture_stop();
}

static void a_held_lock_cannot_be_tried(void **state)
{
    (void)state;
    for (enum lock_kind kind = LOCK_TAS; kind <= LOCK_PTHREAD; kind++) {
        lock_set_default_kind(kind);
        lock_init(&outer, LOCK_CLASS_DEPOT, LOCK_RANK_DEPOT, NULL);
        assert_true(lock_try(&outer));
        assert_false(lock_try(&outer));
        lock_release(&outer);
        assert_true(lock_try(&outer));
        lock_release(&outer);
        lock_cleanup(&outer);
    }
    lock_set_default_kind(LOCK_TAS);
}

static void add_under_bit(unsigned cpu, void *unused)
{
    (void)cpu;
    (void)unused;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (i % 2) {
            bit_lock(&flags, 5, LOCK_CLASS_PAGE);
        } else {
            while (!bit_try(&flags, 5, LOCK_CLASS_PAGE))
                fixture_safe_point();
        }
        counter++;
        bit_unlock(&flags, 5, LOCK_CLASS_PAGE);
    }
}

static void a_bit_excludes_and_leaves_the_others_alone(void **state)
{
    (void)state;
    fixture_start(CPUS, 0);
    counter = 0;
    flags = 0x81;
    fixture_run(add_under_bit, NULL);
    assert_int_equal(counter, CPUS * ROUNDS);
    assert_int_equal(flags, 0x81);
    fixture_stop();
}

static void names_lead_back_to_kinds(void **state)
{
    struct error error = {""};
    enum lock_kind kind;

    (void)state;
    for (enum lock_kind i = LOCK_TAS; i <= LOCK_PTHREAD; i++) {
        assert_int_equal(lock_kind_parse(lock_kind_name(i), &kind, &error), 0);
        assert_int_equal(kind, i);
    }
    assert_int_equal(lock_kind_parse("spin", &kind, &error), -EINVAL);
    assert_non_null(strstr(error.text, "ticket"));
}

/* What `misuse` does ends the process, in builds that check. */
static void assert_aborts(void (*misuse)(void))
{
#ifdef SLABLAB_CHECKED
    pid_t child = fork();
    int status;

    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        misuse();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#else
    (void)misuse;
    skip();
#endif
}

static void take_out_of_order(void)
{
    lock_init(&outer, LOCK_CLASS_DEPOT, LOCK_RANK_DEPOT, NULL);
    lock_init(&inner, LOCK_CLASS_CACHE, LOCK_RANK_CACHE, NULL);
    lock_acquire(&inner);
    lock_acquire(&outer);
}

static void take_uninitialised(void)
{
    memset(&outer, 0, sizeof outer);
    lock_acquire(&outer);
}

static void release_what_is_free(void)
{
    lock_init(&outer, LOCK_CLASS_DEPOT, LOCK_RANK_DEPOT, NULL);
    lock_release(&outer);
}

static void a_wrong_order_is_refused(void **state)
{
    (void)state;
    assert_aborts(take_out_of_order);
}

static void a_lock_that_was_not_made_is_refused(void **state)
{
    (void)state;
    assert_aborts(take_uninitialised);
}

static void releasing_what_is_not_held_is_refused(void **state)
{
    (void)state;
    assert_aborts(release_what_is_free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_excludes),
        cmocka_unit_test(a_held_lock_cannot_be_tried),
        cmocka_unit_test(a_bit_excludes_and_leaves_the_others_alone),
        cmocka_unit_test(names_lead_back_to_kinds),
        cmocka_unit_test(a_wrong_order_is_refused),
        cmocka_unit_test(a_lock_that_was_not_made_is_refused),
        cmocka_unit_test(releasing_what_is_not_held_is_refused),
    };

    return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
