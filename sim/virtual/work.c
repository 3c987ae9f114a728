/* SPDX-License-Identifier: MIT */
/*
 * Safe points of the virtual machine, waiting, and read-copy-update. Who waits for all others, or
 * for a post to be run, sleeps until it is woken; who waits for something that nobody announces
 * looks now and then.
 */
#include "sim/work.h"
#include "sim/virtual/internal.h"

#include <assert.h>

/* A CPU that waits looks again after so long, and so long at most. */
#define LOOK_FIRST_CYCLES 64
#define LOOK_MOST_CYCLES  1024
/* One that has finished, and has deferred work, follows the others' timers by looking this often.
 */
#define FOLLOW_CYCLES 20000

/* ---- posts ---- */

static void post_push(struct virtual_cpu *cpu, struct post *post)
{
    post->next = cpu->posts;
    cpu->posts = post;
    virtual_machine.changes++;
    /* Who waits in a lock's queue is woken by nobody but a release: it comes to a safe point later.
     */
    if (virtual_machine.running && cpu->resting)
        virtual_wake(cpu, virtual_machine.running->clock +
                              virtual_machine.config.costs->interrupt_cycles);
}

void virtual_posts_run(struct virtual_cpu *cpu)
{
    while (cpu->posts) {
        struct post *post = cpu->posts;

        cpu->posts = NULL;
        while (post) {
            /* The asker may be gone, and the post with it, once it has run and is counted. */
            struct post *next = post->next;
            unsigned *left = post->left;

            post->fn(post->argument);
            --*left;
            virtual_machine.changes++;
            post = next;
        }
    }
}

/* ---- read-copy-update: a grace period ends when every CPU has been seen at rest in it ---- */

/* What a struct grace's `machine` holds. */
struct virtual_grace {
    struct virtual_grace *next;
    struct post post;
    unsigned cpu;
};
_Static_assert(sizeof(struct virtual_grace) <= sizeof((struct grace *)0)->machine,
               "the machine's part of a grace holds what it needs");

static struct {
    uint64_t period;               /* the one in hand, or the last */
    unsigned unseen;               /* CPUs that it still waits for; 0: none is in hand */
    struct virtual_grace *current; /* end with the period in hand */
    struct virtual_grace *coming;  /* given since it began */
    unsigned left;                 /* given to grace_call and not run yet */
} graces;

void virtual_work_reset(void)
{
    graces.period = graces.unseen = graces.left = 0;
    graces.current = graces.coming = NULL;
}

static bool at_rest(const struct virtual_cpu *cpu)
{
    return virtual_machine.running ? cpu->parked && cpu->resting : cpu->read_sides == 0;
}

/* Callbacks run on the CPUs that gave them. */
static void period_end(void)
{
    struct virtual_grace *grace = graces.current;

    graces.current = NULL;
    while (grace) {
        struct virtual_grace *next = grace->next;

        post_push(&virtual_machine.cpus[grace->cpu], &grace->post);
        grace = next;
    }
}

static void period_begin(void)
{
    while (!graces.unseen && graces.coming) {
        graces.period++;
        virtual_machine.changes++; /* each CPU has to be seen at rest */
        graces.current = graces.coming;
        graces.coming = NULL;
        for (unsigned i = 0; i < machine_nr_cpus; i++) {
            struct virtual_cpu *cpu = &virtual_machine.cpus[i];

            if (at_rest(cpu))
                cpu->quiescent = graces.period;
            else
                graces.unseen++;
        }
        if (!graces.unseen) /* no worker runs, and nobody reads */
            period_end();
    }
}

/* This CPU reads nothing now: neither in the period in hand, nor, if that ends with it, in the
 * next.
 */
static void rest_noted(struct virtual_cpu *cpu)
{
    while (graces.unseen && cpu->quiescent != graces.period && !cpu->read_sides) {
        cpu->quiescent = graces.period;
        if (--graces.unseen == 0) {
            period_end();
            period_begin();
        }
    }
}

void rcu_read_begin(void)
{
    virtual_self()->read_sides++;
}

void rcu_read_end(void)
{
    virtual_self()->read_sides--;
}

bool rcu_no_readers(void)
{
    return !virtual_machine.running && virtual_self()->read_sides == 0;
}

static void grace_run(void *argument)
{
    struct grace *grace = argument;

    grace->fn(grace);
}

void grace_call(struct grace *grace, void (*fn)(struct grace *grace))
{
    struct virtual_grace *part = (struct virtual_grace *)grace->machine;

    grace->fn = fn;
    part->cpu = cpu_id();
    part->post = (struct post){.fn = grace_run, .argument = grace, .left = &graces.left};
    part->next = graces.coming;
    graces.coming = part;
    graces.left++;
    period_begin();
}

/* What others wait for; nothing that could begin something new. */
static void serve_posts(void)
{
    virtual_posts_run(virtual_self());
    rest_noted(virtual_self());
}

static void serve_as_itself(void *unused)
{
    (void)unused;
    assert(virtual_self()->read_sides == 0); /* or this would never end */
    serve_posts();
}

void grace_barrier(void)
{
    unsigned spins = 0;

    while (graces.left) {
        if (virtual_machine.running)
            machine_wait_step(&spins);
        else
            work_as_each_cpu(serve_as_itself, NULL);
    }
}

/* ---- safe points and waiting ---- */

void machine_safe_point(void)
{
    struct virtual_cpu *self = virtual_self();

    assert(self->held_locks == 0);
    virtual_posts_run(self);
    work_safe_point();
    rest_noted(self);
}

/* Until somebody wakes it, at a safe point; not at all when something came while it served. */
static void rest(const char *why)
{
    struct virtual_cpu *self = virtual_self();

    if (self->posts)
        return;
    self->resting = true;
    virtual_park(why);
    self->resting = false;
}

void machine_wait_step(unsigned *spins)
{
    uint64_t cycles = (uint64_t)LOOK_FIRST_CYCLES << *spins;
    uint64_t changes = virtual_machine.changes;

    machine_safe_point();
    if (virtual_explores()) {
        explore_wait(changes);
        return;
    }
    if (cycles < LOOK_MOST_CYCLES)
        ++*spins;
    virtual_spend(cycles);
    virtual_synchronise();
}

/* Somebody who has nothing to do could take it. */
void machine_work_arrived(void)
{
    virtual_machine.changes++;
    for (unsigned i = 0; virtual_machine.running && i < machine_nr_cpus; i++) {
        struct virtual_cpu *cpu = &virtual_machine.cpus[i];

        if (!cpu->parked || !cpu->resting)
            continue;
        virtual_wake(cpu, virtual_machine.running->clock +
                              virtual_machine.config.costs->interrupt_cycles);
        return;
    }
}

/* Who has finished its part goes by the clock of the furthest of the others. */
static void timer_follow(void)
{
    for (unsigned i = 0; i < machine_nr_cpus; i++)
        machine_set_timer(
            atomic_load_explicit(&virtual_machine.cpus[i].self.timer_ns, memory_order_relaxed));
}

static void wake_all(void)
{
    for (unsigned i = 0; i < machine_nr_cpus; i++) {
        if (virtual_machine.cpus[i].resting)
            virtual_wake(&virtual_machine.cpus[i], now_cycles());
    }
}

static void serve_all(void)
{
    machine_safe_point();
    if (cds_list_empty(&machine_self->deferred))
        return;
    timer_follow();
    virtual_spend(FOLLOW_CYCLES);
    virtual_synchronise();
    machine_safe_point();
}

/* `serve` is what a waiting CPU does whenever it wakes. */
static void barrier(void (*serve)(void), bool timers)
{
    struct virtual_machine *machine = &virtual_machine;
    unsigned phase = machine->phase;

    virtual_synchronise();
    if (++machine->arrived == machine_nr_cpus) {
        machine->arrived = 0;
        machine->phase++;
        wake_all();
        return;
    }
    for (;;) {
        serve();
        if (machine->phase != phase)
            return;
        if (!timers || cds_list_empty(&machine_self->deferred))
            rest("waiting for all others");
    }
}

void machine_barrier(void)
{
    barrier(serve_all, true);
}

void machine_stand_still(void (*fn)(void *argument), void *argument)
{
    struct virtual_cpu *self = virtual_self();

    barrier(serve_all, true);
    barrier(serve_posts, false);
    if (cpu_id() == 0) {
        virtual_machine.running = NULL; /* time stands still too */
        fn(argument);
        virtual_machine.running = self;
    }
    barrier(serve_posts, false);
}

void virtual_close(void)
{
    struct virtual_machine *machine = &virtual_machine;

    if (++machine->closed == machine_nr_cpus)
        wake_all();
    while (machine->closed < machine_nr_cpus) {
        serve_posts();
        if (machine->closed < machine_nr_cpus)
            rest("waiting for all others to return");
    }
}

/* ---- every CPU ---- */

void on_each_cpu(void (*fn)(void *argument), void *argument)
{
    unsigned self = cpu_id(), left = machine_nr_cpus - 1, spins = 0;

    assert(!lock_any_held());
    if (!virtual_machine.running) {
        work_as_each_cpu(fn, argument);
        return;
    }

    struct post posts[machine_nr_cpus];

    for (unsigned i = 0; i < machine_nr_cpus; i++) {
        if (i == self)
            continue;
        posts[i] = (struct post){.fn = fn, .argument = argument, .left = &left};
        post_push(&virtual_machine.cpus[i], &posts[i]);
    }
    fn(argument);
    while (left)
        machine_wait_step(&spins);
}
