/* SPDX-License-Identifier: MIT */
/* Coroutines keep what the ABI says a call keeps, have the stack they asked for, and no more. */
#include "sim/virtual/coroutine.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define STACK ((size_t)256 << 10)

static struct coroutine main_one;

/* ---- one ---- */

struct counting {
    struct coroutine coroutine;
    unsigned steps, limit;
};

static void count(void *argument)
{
    struct counting *counting = argument;

    for (;;) {
        counting->steps++;
        coroutine_switch(&counting->coroutine, &main_one);
    }
}

static void it_goes_on_where_it_left_off(void **state)
{
    struct counting one = {.steps = 0};

    (void)state;
    assert_int_equal(coroutine_create(&one.coroutine, STACK, count, &one), 0);
    assert_int_equal(one.steps, 0);
    for (unsigned i = 1; i <= 1000; i++) {
        coroutine_switch(&main_one, &one.coroutine);
        assert_int_equal(one.steps, i);
    }
    coroutine_destroy(&one.coroutine);
    coroutine_destroy(&one.coroutine); /* harmless */
}

/* ---- many, each of which hands on to the next ---- */

#define MANY 1024

static struct counting ring[MANY];

static void hand_on(void *argument)
{
    struct counting *self = argument;

    for (;;) {
        size_t next = (size_t)(self - ring) + 1;

        self->steps++;
        coroutine_switch(&self->coroutine, next < MANY ? &ring[next].coroutine : &main_one);
    }
}

static void a_thousand_take_turns(void **state)
{
    (void)state;
    memset(ring, 0, sizeof ring);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(coroutine_create(&ring[i].coroutine, STACK, hand_on, &ring[i]), 0);
    for (unsigned round = 0; round < 20; round++)
        coroutine_switch(&main_one, &ring[0].coroutine);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(ring[i].steps, 20);
        coroutine_destroy(&ring[i].coroutine);
    }
}

static void what_is_destroyed_leaves_no_memory_behind(void **state)
{
    struct counting one = {.steps = 0};

    (void)state;
    for (unsigned i = 0; i < 70000; i++) { /* more than the mappings that a process may have */
        assert_int_equal(coroutine_create(&one.coroutine, STACK, count, &one), 0);
        if (i % 100 == 0)
            coroutine_switch(&main_one, &one.coroutine);
        coroutine_destroy(&one.coroutine);
    }
    assert_int_equal(one.steps, 700);
}

/* ---- registers ---- */

/* More of them live across the switch than there are registers that a call keeps. */
static __attribute__((noinline)) uint64_t mix(uint64_t seed, struct coroutine *self,
                                              struct coroutine *other)
{
    uint64_t a = seed, b = seed * 3, c = seed * 5, d = seed * 7, e = seed * 11, f = seed * 13,
             g = seed * 17, h = seed * 19, i = seed * 23, j = seed * 29, k = seed * 31;

    for (unsigned round = 0; round < 100; round++) {
        coroutine_switch(self, other);
        a += b, b ^= c, c += d, d ^= e, e += f, f ^= g, g += h, h ^= i, i += j, j ^= k, k += a;
    }
    return a ^ b ^ c ^ d ^ e ^ f ^ g ^ h ^ i ^ j ^ k;
}

static __attribute__((noinline)) double mix_doubles(double seed, struct coroutine *self,
                                                    struct coroutine *other)
{
    double a = seed, b = seed * 3, c = seed * 5, d = seed * 7, e = seed * 11, f = seed * 13,
           g = seed * 17, h = seed * 19, i = seed * 23;

    for (unsigned round = 0; round < 100; round++) {
        coroutine_switch(self, other);
        a += b / 2, b -= c / 4, c += d / 2, d -= e / 4, e += f / 2, f -= g / 4, g += h / 2,
            h -= i / 4, i += a / 8;
    }
    return a + b + c + d + e + f + g + h + i;
}

struct mixing {
    struct coroutine coroutine;
    uint64_t result;
    double result_of_doubles;
};

static void mix_seven(void *argument)
{
    struct mixing *mixing = argument;

    mixing->result = mix(7, &mixing->coroutine, &main_one);
    mixing->result_of_doubles = mix_doubles(7, &mixing->coroutine, &main_one);
    for (;;)
        coroutine_switch(&mixing->coroutine, &main_one);
}

static void idle(void *argument)
{
    for (;;)
        coroutine_switch(argument, &main_one);
}

static void values_in_registers_outlive_a_switch(void **state)
{
    struct coroutine idler;
    struct mixing mixing;
    double doubles;
    uint64_t result;

    (void)state;
    assert_int_equal(coroutine_create(&idler, STACK, idle, &idler), 0);
    assert_int_equal(coroutine_create(&mixing.coroutine, STACK, mix_seven, &mixing), 0);
    /* Both compute the same: one as a coroutine, one as who switches to it, so that each has the
     * other's values in the registers in between. */
    result = mix(7, &main_one, &mixing.coroutine);
    doubles = mix_doubles(7, &main_one, &mixing.coroutine);
    coroutine_switch(&main_one, &mixing.coroutine);
    assert_int_equal(mixing.result, result);
    assert_true(mixing.result_of_doubles == doubles);
    assert_int_equal(mix(7, &main_one, &idler), result);
    assert_true(mix_doubles(7, &main_one, &idler) == doubles);
    coroutine_destroy(&mixing.coroutine);
    coroutine_destroy(&idler);
}

/* Of these the compiler makes aligned stores, which fault on a stack that is not. */
static void stacks_are_aligned(void *argument)
{
    struct counting *counting = argument;
    _Alignas(16) volatile char aligned[32] = {1};

    counting->steps = (uintptr_t)aligned % 16 == 0;
#if defined(__x86_64__)
    counting->limit = (uintptr_t)__builtin_frame_address(0) % 16 == 0;
#else
    counting->limit = 1;
#endif
    for (;;)
        coroutine_switch(&counting->coroutine, &main_one);
}

static void a_stack_is_aligned_as_calls_expect(void **state)
{
    struct counting one = {.steps = 0};

    (void)state;
    for (size_t bytes = STACK; bytes < STACK + 64; bytes += 8) {
        assert_int_equal(coroutine_create(&one.coroutine, bytes, stacks_are_aligned, &one), 0);
        coroutine_switch(&main_one, &one.coroutine);
        assert_int_equal(one.steps, 1);
        assert_int_equal(one.limit, 1);
        coroutine_destroy(&one.coroutine);
    }
}

/* ---- the stack's end ---- */

static __attribute__((noinline)) unsigned dig(unsigned depth)
{
    volatile char room[1024];
    unsigned deeper = 0;

    room[0] = (char)depth;
    room[sizeof room - 1] = 1;
    if (depth)
        deeper = dig(depth - 1) + 1;
    __asm__ volatile("" : : "r"(room) : "memory"); /* else clang makes a loop in one frame of it */
    return deeper;
}

static void dig_deep(void *argument)
{
    struct counting *counting = argument;

    counting->steps = dig(counting->limit);
    for (;;)
        coroutine_switch(&counting->coroutine, &main_one);
}

/* Sanitizers make frames larger: so that a frame of 1 KiB never takes more than 1.5. */
#define DEEP (unsigned)(STACK / 1536)

static void all_of_the_stack_can_be_used(void **state)
{
    struct counting one = {.limit = DEEP};

    (void)state;
    assert_int_equal(coroutine_create(&one.coroutine, STACK, dig_deep, &one), 0);
    coroutine_switch(&main_one, &one.coroutine);
    assert_int_equal(one.steps, DEEP);
    coroutine_destroy(&one.coroutine);
}

static void more_than_the_stack_ends_the_process(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0) {
        struct counting one = {.limit = 2 * STACK / 1024};
        struct rlimit none = {0, 0};

        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        if (coroutine_create(&one.coroutine, STACK, dig_deep, &one) == 0)
            coroutine_switch(&main_one, &one.coroutine);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_on_where_it_left_off),
        cmocka_unit_test(a_thousand_take_turns),
        cmocka_unit_test(what_is_destroyed_leaves_no_memory_behind),
        cmocka_unit_test(values_in_registers_outlive_a_switch),
        cmocka_unit_test(a_stack_is_aligned_as_calls_expect),
        cmocka_unit_test(all_of_the_stack_can_be_used),
        cmocka_unit_test(more_than_the_stack_ends_the_process),
    };

    return cmocka_run_group_tests_name("coroutine", tests, NULL, NULL);
}
