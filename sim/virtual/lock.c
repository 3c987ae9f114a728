/* SPDX-License-Identifier: MIT */
/*
 * Locks of the virtual machine, modelled as the algorithms they are. Whether a lock is free is
 * decided at once, in the order of the CPUs' clocks; then each access that the algorithm would make
 * is charged on the line where the lock lies. Who must wait sleeps until an event:
 *
 *   tas      the exception: who waits looks again and again, as natively ever more rarely
 *   ticket   all load the line that the release has taken from them, one after the other, in an
 *            order that is nobody's choice; the oldest goes on when its load is done
 *   mcs      the release writes the line of the oldest alone
 *   pthread  the oldest is woken, and runs so much later that others may have been quicker
 *   a bit    a release lets all look again, each at its next pause; the first takes it, the others
 *            have paid for the line and wait on
 *
 * In `struct lock`, `holder` tells whether it is held, for all kinds.
 */
#include "sim/lock.h"
#include "sim/virtual/internal.h"

#include <assert.h>

/* As native_lock.c waits; a pause is 40 cycles or so. */
#define PAUSE_CYCLES  40
#define BACKOFF_FIRST (4 * PAUSE_CYCLES)
#define BACKOFF_MOST  (1024 * PAUSE_CYCLES)

bool lock_any_held(void)
{
    return virtual_self()->held_locks != 0;
}

/* ---- who waits for what ---- */

#define BUCKETS 1024 /* a power of two */

/* CPUs that wait for one lock, oldest first. There are as many at most as there are CPUs. */
struct queue {
    uint64_t key;
    struct virtual_cpu *first, *last;
    struct queue *next; /* in its bucket, or free */
};

static struct {
    struct queue all[VIRTUAL_MAX_CPUS];
    unsigned used; /* that were ever in use */
    struct queue *free;
    struct queue *buckets[BUCKETS];
} queues;

static struct queue **queue_link(uint64_t key)
{
    struct queue **link = &queues.buckets[key * 0x9e3779b97f4a7c15u >> 54];

    while (*link && (*link)->key != key)
        link = &(*link)->next;
    return link;
}

static struct queue *queue_new(uint64_t key)
{
    struct queue *queue = queues.free;

    if (queue)
        queues.free = queue->next;
    else
        queue = &queues.all[queues.used++];
    *queue = (struct queue){.key = key};
    return queue;
}

/* Until a release takes it out of the queue and wakes it. */
static void queue_wait(uint64_t key, const char *why)
{
    struct virtual_cpu *self = virtual_self();
    struct queue **link = queue_link(key);

    if (!*link)
        *link = queue_new(key);
    if ((*link)->last)
        (*link)->last->next = self;
    else
        (*link)->first = self;
    (*link)->last = self;
    self->next = NULL;
    virtual_park(why);
}

/* The newest; NULL: nobody waits. */
static const struct virtual_cpu *queue_last(uint64_t key)
{
    const struct queue *queue = *queue_link(key);

    return queue ? queue->last : NULL;
}

/* The oldest; NULL: nobody waits. */
static struct virtual_cpu *queue_first(uint64_t key)
{
    const struct queue *queue = *queue_link(key);

    return queue ? queue->first : NULL;
}

/* Takes the oldest out. */
static struct virtual_cpu *queue_take(uint64_t key)
{
    struct queue **link = queue_link(key), *queue = *link;
    struct virtual_cpu *cpu;

    if (!queue)
        return NULL;
    cpu = queue->first;
    queue->first = cpu->next;
    if (!queue->first) {
        *link = queue->next;
        queue->next = queues.free;
        queues.free = queue;
    }
    return cpu;
}

/* ---- accesses ---- */

struct place {
    uintptr_t address; /* of the lock's word */
    size_t bytes;
    const void *code;
};

static void pay(const struct place *place, enum cost_op op)
{
    virtual_access(place->address, place->bytes, op, place->code);
}

/* What it costs another, a waiting CPU, to load the line now. */
static uint64_t waiter_load(const struct virtual_cpu *cpu, uintptr_t address, uint64_t now)
{
    return coherence_access(virtual_machine.coherence, cpu->self.id, address, sizeof(uint32_t),
                            COST_LOAD, now, NULL);
}

/* ---- the four kinds ---- */

static uint64_t key_of(const struct lock *lock)
{
    return (uint64_t)(uintptr_t)lock << 5 | 16;
}

static struct place place_of(const struct lock *lock, const void *code)
{
    return (struct place){(uintptr_t)lock, sizeof(uint64_t), code};
}

/* The line of this CPU's own in which it would wait, and hands the lock on. */
static struct mcs_node *node_of(const struct virtual_cpu *cpu)
{
    unsigned depth = cpu->held_locks % VIRTUAL_NODES_A_CPU;

    return (struct mcs_node *)(VIRTUAL_LINES_BASE +
                               ((uintptr_t)cpu->self.id * VIRTUAL_NODES_A_CPU + depth) *
                                   CACHE_LINE);
}

static void hold(struct lock *lock)
{
    lock->holder = node_of(virtual_self());
}

/* Takes a free lock. False, and paid for as well: it is not free. */
static bool first_try(struct lock *lock, const struct place *place)
{
    bool free = !lock->holder;

    if (free)
        hold(lock);
    if (lock->kind != LOCK_PTHREAD)
        pay(place, COST_LOAD);
    if (free || lock->kind == LOCK_TICKET || lock->kind == LOCK_PTHREAD)
        pay(place, COST_ATOMIC);
    return free;
}

/* As natively: it looks again and again, ever more rarely. */
static void tas_wait(struct lock *lock, const struct place *place)
{
    uint64_t backoff = BACKOFF_FIRST;

    for (;;) {
        virtual_spend(backoff);
        virtual_synchronise();
        if (first_try(lock, place))
            return;
        backoff = backoff * 2 < BACKOFF_MOST ? backoff * 2 : BACKOFF_MOST;
    }
}

static void pthread_wait(struct lock *lock, const struct place *place)
{
    while (lock->holder) {
        queue_wait(key_of(lock), "sleeping for a mutex");
        pay(place, COST_ATOMIC);
    }
    hold(lock);
}

/* A release gives the lock to the oldest, so who wakes has it. */
static void ticket_wait(struct lock *lock, const struct place *place)
{
    pay(place, COST_ATOMIC);
    pay(place, COST_LOAD);
    if (lock->holder)
        queue_wait(key_of(lock), "waiting for a ticket lock");
    hold(lock);
}

/* It is asked twice whether the lock is held: while the store was paid for it may have been freed,
 * by a release that saw nobody in the queue yet. */
static void mcs_wait(struct lock *lock, const struct place *place)
{
    struct place before = *place;

    pay(place, COST_ATOMIC);
    if (lock->holder) {
        const struct virtual_cpu *last = queue_last(key_of(lock));

        before.address = (uintptr_t)(last ? node_of(last) : lock->holder);
        pay(&before, COST_STORE);
    }
    if (lock->holder) /* paying takes time, in which it may have become free */
        queue_wait(key_of(lock), "waiting for an MCS lock");
    hold(lock);
}

/* In exploration nobody looks again and again: whoever waits is woken, and the scheduler chooses.
 */
static void explored_wait(struct lock *lock, const struct place *place)
{
    while (lock->holder) {
        queue_wait(key_of(lock), "waiting for a lock");
        pay(place, COST_LOAD);
    }
    if (lock->holder)
        queue_wait(key_of(lock), "waiting for an MCS lock");
    hold(lock);
}

static void explored_release(struct lock *lock, const struct place *place)
{
    struct virtual_cpu *cpu;

    pay(place, COST_STORE);
    lock->holder = NULL;
    while ((cpu = queue_take(key_of(lock))) != NULL)
        virtual_wake(cpu, now_cycles());
}

static void wait_for_lock(struct lock *lock, const struct place *place)
{
    if (virtual_explores()) {
        explored_wait(lock, place);
        return;
    }
    switch (lock->kind) {
    case LOCK_TAS:
        tas_wait(lock, place);
        break;
    case LOCK_TICKET:
        ticket_wait(lock, place);
        break;
    case LOCK_MCS:
        mcs_wait(lock, place);
        break;
    default:
        pthread_wait(lock, place);
    }
}

static void ticket_release(struct lock *lock, const struct place *place)
{
    struct virtual_cpu *self = virtual_self();
    struct virtual_cpu *oldest, *cpu;
    uint64_t others = 0, before, cycles;

    pay(place, COST_LOAD);
    pay(place, COST_STORE);
    oldest = queue_take(key_of(lock));
    if (!oldest) {
        lock->holder = NULL;
        return;
    }
    /* Somewhere among the others' its load is served: by a hash of the time, so anywhere alike. */
    for (cpu = queue_first(key_of(lock)); cpu; cpu = cpu->next)
        others++;
    before = (self->clock * 0x9e3779b97f4a7c15u >> 32) * (others + 1) >> 32;
    for (cpu = queue_first(key_of(lock)); before > 0; before--, cpu = cpu->next)
        waiter_load(cpu, place->address, self->clock);
    cycles = waiter_load(oldest, place->address, self->clock);
    for (; cpu; cpu = cpu->next)
        waiter_load(cpu, place->address, self->clock);
    virtual_wake(oldest, self->clock + cycles);
}

static void mcs_release(struct lock *lock, const struct place *place)
{
    struct virtual_cpu *self = virtual_self();
    struct place line = *place;
    struct virtual_cpu *oldest;

    line.address = (uintptr_t)lock->holder;
    pay(&line, COST_LOAD);
    if (!queue_first(key_of(lock)))
        pay(place, COST_ATOMIC);
    oldest = queue_take(key_of(lock)); /* one may have come while the tail was changed */
    if (!oldest) {
        lock->holder = NULL;
        return;
    }
    line.address = (uintptr_t)node_of(oldest);
    pay(&line, COST_STORE);
    virtual_wake(oldest, self->clock + waiter_load(oldest, line.address, self->clock));
}

static void pthread_release(struct lock *lock, const struct place *place)
{
    struct virtual_cpu *self = virtual_self();
    uint64_t sleep = virtual_machine.config.costs->sleep_cycles;
    struct virtual_cpu *oldest;

    pay(place, COST_ATOMIC);
    lock->holder = NULL;
    oldest = queue_take(key_of(lock));
    if (!oldest)
        return;
    virtual_wake(oldest, self->clock + sleep);
    virtual_spend(sleep / 2); /* of the system call that wakes, half is the caller's */
}

/* ---- as lock.h has it ---- */

static void taken(struct lock *lock, struct virtual_cpu *self, uint64_t waiting_since)
{
    struct account *account = account_self;

    self->held_locks++;
    if (account) {
        unsigned previous = lock->previous;

        lock->previous = (uint16_t)(account->cpu + 1);
        account_acquired(account, lock, lock->id, previous, waiting_since);
    }
}

void lock_acquire(struct lock *lock)
{
    const struct place place = place_of(lock, __builtin_return_address(0));
    struct virtual_cpu *self;
    uint64_t waiting_since = 0;

    virtual_synchronise();
    self = virtual_self();
    if (!first_try(lock, &place)) {
        assert(virtual_machine.running); /* else nobody would ever release it */
        waiting_since = self->clock;
        wait_for_lock(lock, &place);
    }
    taken(lock, self, waiting_since);
}

bool lock_try(struct lock *lock)
{
    const struct place place = place_of(lock, __builtin_return_address(0));

    virtual_synchronise();
    if (!first_try(lock, &place)) {
        if (account_self)
            account_try_failed(account_self, lock->id);
        return false;
    }
    taken(lock, virtual_self(), 0);
    return true;
}

void lock_release(struct lock *lock)
{
    const struct place place = place_of(lock, __builtin_return_address(0));

    account_releasing(account_self, lock);
    virtual_synchronise();
    assert(lock->holder && virtual_self()->held_locks);
    virtual_self()->held_locks--;
    if (virtual_explores()) {
        explored_release(lock, &place);
        return;
    }
    switch (lock->kind) {
    case LOCK_TAS:
        pay(&place, COST_STORE);
        lock->holder = NULL;
        break;
    case LOCK_TICKET:
        ticket_release(lock, &place);
        break;
    case LOCK_MCS:
        mcs_release(lock, &place);
        break;
    default:
        pthread_release(lock, &place);
    }
}

/* ---- a bit as a lock: the word tells whether it is held; waiters look again at every pause ----
 */

/* Who had it last, and from now on this CPU: as natively. */
#define BIT_OWNER_SHIFT 16

static uint64_t bit_key(const _Atomic uint32_t *word, unsigned bit)
{
    return (uint64_t)(uintptr_t)word << 5 | bit;
}

/* When a CPU that has looked at every pause since it began to wait does so next. */
static uint64_t look_again(const struct virtual_cpu *cpu, uint64_t now)
{
    uint64_t waited = now > cpu->clock ? now - cpu->clock : 0;

    return cpu->clock + (waited / PAUSE_CYCLES + 1) * PAUSE_CYCLES;
}

static bool bit_held(const _Atomic uint32_t *word, unsigned bit)
{
    return atomic_load_explicit(word, memory_order_relaxed) >> bit & 1;
}

static void bit_taken(_Atomic uint32_t *word, uint16_t id, uint64_t waiting_since)
{
    unsigned previous = atomic_load_explicit(word, memory_order_relaxed) >> BIT_OWNER_SHIFT;

    virtual_self()->held_locks++;
    if (account_self)
        account_acquired(account_self, (const void *)word, id, previous, waiting_since);
}

static bool bit_first_try(_Atomic uint32_t *word, unsigned bit, const struct place *place)
{
    bool free = !bit_held(word, bit);

    if (free)
        atomic_fetch_or_explicit(word, 1u << bit, memory_order_acquire);
    pay(place, COST_LOAD);
    if (free)
        pay(place, COST_ATOMIC);
    return free;
}

void bit_lock(_Atomic uint32_t *word, unsigned bit, uint16_t id)
{
    const struct place place = {(uintptr_t)word, sizeof *word, __builtin_return_address(0)};
    uint64_t waiting_since = 0;

    virtual_synchronise();
    if (!bit_first_try(word, bit, &place)) {
        waiting_since = now_cycles();
        do {
            if (bit_held(word, bit)) /* paying took time, in which it may have become free */
                queue_wait(bit_key(word, bit), "waiting for a bit lock");
        } while (!bit_first_try(word, bit, &place));
    }
    bit_taken(word, id, waiting_since);
}

bool bit_try(_Atomic uint32_t *word, unsigned bit, uint16_t id)
{
    const struct place place = {(uintptr_t)word, sizeof *word, __builtin_return_address(0)};

    virtual_synchronise();
    if (!bit_first_try(word, bit, &place)) {
        if (account_self)
            account_try_failed(account_self, id);
        return false;
    }
    bit_taken(word, id, 0);
    return true;
}

void bit_unlock(_Atomic uint32_t *word, unsigned bit, uint16_t id)
{
    const struct place place = {(uintptr_t)word, sizeof *word, __builtin_return_address(0)};
    uint32_t change = 1u << bit;
    struct virtual_cpu *cpu;

    (void)id;
    if (account_self) {
        uint32_t previous = atomic_load_explicit(word, memory_order_relaxed) >> BIT_OWNER_SHIFT;

        account_releasing(account_self, (const void *)word);
        change |= (previous ^ (account_self->cpu + 1)) << BIT_OWNER_SHIFT;
    }
    virtual_synchronise();
    virtual_self()->held_locks--;
    pay(&place, COST_ATOMIC);
    atomic_fetch_xor_explicit(word, change, memory_order_release);
    while ((cpu = queue_take(bit_key(word, bit))) != NULL)
        virtual_wake(cpu, look_again(cpu, now_cycles()));
}
