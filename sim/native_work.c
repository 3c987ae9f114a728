/* SPDX-License-Identifier: MIT */
/*
 * Safe points of the native machine and what runs there beside work.c's: posts of other CPUs,
 * callbacks past a grace period. All of it runs holding no lock.
 */
#include "sim/native_internal.h"
#include "sim/spin.h"
#include "sim/work.h"

#include <assert.h>
#include <stdlib.h>

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif

/*
 * liburcu is not instrumented, so the thread sanitizer cannot see that a read side's end happens
 * before a callback of a later grace period, nor that grace_call happens before its callback.
 */
#ifdef THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#define HAPPENS_BEFORE(object) __tsan_release(object)
#define HAPPENS_AFTER(object)  __tsan_acquire(object)
#else
#define HAPPENS_BEFORE(object) ((void)(object))
#define HAPPENS_AFTER(object)  ((void)(object))
#endif

/* ---- posts ---- */

static void posts_run(struct native_cpu *cpu)
{
    struct post *post = atomic_exchange_explicit(&cpu->posts, NULL, memory_order_acquire);

    while (post) {
        /* The asker may be gone, and the post with it, once it has run and is counted. */
        struct post *next = post->next;
        _Atomic unsigned *left = post->left;

        post->fn(post->argument);
        atomic_fetch_sub_explicit(left, 1, memory_order_release);
        post = next;
    }
}

static void post_push(struct native_cpu *cpu, struct post *post)
{
    struct post *first = atomic_load_explicit(&cpu->posts, memory_order_relaxed);

    do
        post->next = first;
    while (!atomic_compare_exchange_weak_explicit(&cpu->posts, &first, post, memory_order_release,
                                                  memory_order_relaxed));
}

/* ---- safe points and waiting ---- */

void machine_safe_point(void)
{
    struct native_cpu *cpu = native_self();

    assert(!lock_any_held());
    if (__builtin_expect(atomic_load_explicit(&cpu->posts, memory_order_relaxed) != NULL, 0))
        posts_run(cpu);
    work_safe_point();
}

void machine_wait_step(unsigned *spins)
{
    machine_safe_point();
    spin_step(spins);
}

/* Who has finished its part goes by the clock of the furthest of the others. */
static void timer_follow(void)
{
    uint64_t latest = atomic_load_explicit(&machine_self->timer_ns, memory_order_relaxed);

    for (unsigned i = 0; i < machine_nr_cpus; i++) {
        uint64_t other = atomic_load_explicit(&native.cpus[i].self.timer_ns, memory_order_relaxed);

        latest = other > latest ? other : latest;
    }
    machine_set_timer(latest);
}

/* Waits for all workers; `serve` is one step of the waiting. */
static void barrier(void (*serve)(unsigned *spins))
{
    unsigned phase = atomic_load_explicit(&native.phase, memory_order_relaxed);
    unsigned spins = 0;

    if (atomic_fetch_add_explicit(&native.arrived, 1, memory_order_acq_rel) + 1 ==
        machine_nr_cpus) {
        atomic_store_explicit(&native.arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&native.phase, phase + 1, memory_order_release);
        return;
    }
    while (atomic_load_explicit(&native.phase, memory_order_acquire) == phase)
        serve(&spins);
}

static void serve_all(unsigned *spins)
{
    if (!cds_list_empty(&machine_self->deferred))
        timer_follow();
    machine_wait_step(spins);
}

/* What somebody waits for who has not come yet; nothing that could begin something new. */
static void serve_posts(unsigned *spins)
{
    posts_run(native_self());
    spin_step(spins);
}

void machine_barrier(void)
{
    barrier(serve_all);
}

/*
 * Who waits at the first barrier may be at work for the machine when the last one comes, so there
 * is a second: who comes to that has ended his work, and begins none.
 */
void machine_stand_still(void (*fn)(void *argument), void *argument)
{
    barrier(serve_all);
    barrier(serve_posts);
    if (cpu_id() == 0)
        fn(argument);
    barrier(serve_posts);
}

void native_close(void)
{
    unsigned spins = 0;

    atomic_fetch_add_explicit(&native.closed, 1, memory_order_acq_rel);
    while (atomic_load_explicit(&native.closed, memory_order_acquire) < machine_nr_cpus) {
        posts_run(native_self());
        spin_step(&spins);
    }
}

/* ---- every CPU ---- */

void on_each_cpu(void (*fn)(void *argument), void *argument)
{
    unsigned self = cpu_id(), spins = 0;
    _Atomic unsigned left = machine_nr_cpus - 1;

    assert(!lock_any_held());
    if (!native.running) {
        work_as_each_cpu(fn, argument);
        return;
    }

    struct post posts[machine_nr_cpus];

    for (unsigned i = 0; i < machine_nr_cpus; i++) {
        if (i == self)
            continue;
        posts[i] = (struct post){.fn = fn, .argument = argument, .left = &left};
        post_push(&native.cpus[i], &posts[i]);
    }
    fn(argument);
    while (atomic_load_explicit(&left, memory_order_acquire) != 0)
        machine_wait_step(&spins);
}

/* Idle CPUs spin: they look for themselves. */
void machine_work_arrived(void)
{
}

/* ---- read-copy-update ---- */

/* What a struct grace's `machine` holds. */
struct native_grace {
    struct rcu_head head;
    struct post post;
    unsigned cpu;
};
_Static_assert(sizeof(struct native_grace) <= sizeof((struct grace *)0)->machine,
               "the machine's part of a grace holds what it needs");

static _Atomic unsigned graces_left; /* given to grace_call and not run yet */
static char read_sides;              /* for the sanitizer: the order of read sides and callbacks */

void rcu_read_begin(void)
{
    rcu_read_lock();
}

void rcu_read_end(void)
{
    HAPPENS_BEFORE(&read_sides);
    rcu_read_unlock();
}

bool rcu_no_readers(void)
{
    return !native.running && !rcu_read_ongoing();
}

static void grace_run(void *argument)
{
    struct grace *grace = argument;

    HAPPENS_AFTER(&read_sides);
    grace->fn(grace);
}

static void run_own_posts(void *unused)
{
    (void)unused;
    posts_run(native_self());
}

/* On liburcu's thread: the grace period is over. */
static void grace_over(struct rcu_head *head)
{
    struct native_grace *part = caa_container_of(head, struct native_grace, head);

    HAPPENS_AFTER(part);
    post_push(&native.cpus[part->cpu], &part->post);
}

void grace_call(struct grace *grace, void (*fn)(struct grace *grace))
{
    struct native_grace *part = (struct native_grace *)grace->machine;

    grace->fn = fn;
    part->cpu = cpu_id();
    part->post = (struct post){.fn = grace_run, .argument = grace, .left = &graces_left};
    atomic_fetch_add_explicit(&graces_left, 1, memory_order_relaxed);
    HAPPENS_BEFORE(part);
    call_rcu(&part->head, grace_over);
}

void grace_barrier(void)
{
    unsigned spins = 0;

    if (atomic_load_explicit(&graces_left, memory_order_acquire) == 0)
        return;
    assert(!lock_any_held());
    while (atomic_load_explicit(&graces_left, memory_order_acquire) != 0) {
        /* With no worker to run a post, the caller acts as each CPU in turn. */
        if (native.running)
            machine_wait_step(&spins);
        else
            work_as_each_cpu(run_own_posts, NULL);
        spin_step(&spins);
    }
}
