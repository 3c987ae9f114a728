/* SPDX-License-Identifier: MIT */
/*
 * The machine made of virtual CPUs: each is a coroutine with a clock of its own, and all run on one
 * OS thread. The CPU whose clock is smallest runs. It gives way where order matters (locks, events:
 * virtual_synchronise) as soon as another's clock is smaller, and anywhere else (accesses) when it
 * leads by more than the slack. So what one CPU sees of another is never newer than itself by more
 * than the slack, and all is the same from run to run.
 */
#include "sim/virtual/internal.h"

#include "sim/error.h"
#include "sim/topology.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct virtual_machine virtual_machine;

_Thread_local struct machine_cpu *machine_self __attribute__((tls_model("initial-exec")));
unsigned machine_nr_cpus;
unsigned machine_nr_nodes;

const struct machine_traits machine_traits = {.records_freely = true, .steps = true};

/* Deep enough for a design's slow path with a walk of the ledger inside. */
#define STACK_BYTES ((size_t)256 << 10)

/* ---- clocks ---- */

uint64_t now_cycles(void)
{
    return virtual_self()->clock;
}

uint64_t machine_cycles_to_ns(uint64_t cycles)
{
    return (uint64_t)((double)cycles * 1e9 / virtual_machine.hz + 0.5);
}

uint64_t timer_now_ns(void)
{
    return virtual_machine.trace_timers
               ? atomic_load_explicit(&machine_self->timer_ns, memory_order_relaxed)
               : machine_cycles_to_ns(now_cycles());
}

const struct machine_clock *machine_clock(void)
{
    static struct machine_clock clock = {.name = "virtual", .reason = "time is simulated"};

    clock.hz = virtual_machine.hz;
    return &clock;
}

/* ---- whose turn it is ---- */

/* What the running CPU may still do before it must look at the others again. */
static void look_ahead(struct virtual_cpu *cpu)
{
    struct virtual_machine *machine = &virtual_machine;

    if (virtual_explores()) {
        machine->second = machine->limit = 0; /* others may come before whatever it does */
        return;
    }
    machine->second = turns_first_but(&machine->turns, cpu->self.id);
    machine->limit = machine->second == TURN_NEVER
                         ? UINT64_MAX
                         : turn_clock(machine->second) + machine->config.slack_cycles;
}

static void become(struct virtual_cpu *cpu)
{
    virtual_machine.running = cpu;
    machine_self = &cpu->self;
    account_self = cpu->account;
    look_ahead(cpu);
}

/* From `self`, which has said when it wants to go on, to whoever comes first. */
static void switch_to_first(struct virtual_cpu *self)
{
    struct virtual_machine *machine = &virtual_machine;
    struct virtual_cpu *next = virtual_explores()
                                   ? explore_choose(self)
                                   : &machine->cpus[turn_cpu(turns_first(&machine->turns))];

    if (next == self) {
        look_ahead(self);
        return;
    }
    self->account = account_self;
    become(next);
    coroutine_switch(&self->coroutine, &next->coroutine);
}

void virtual_yield(void)
{
    struct virtual_cpu *self = virtual_machine.running;

    turns_set(&virtual_machine.turns, self->self.id, turn_of(self->clock, self->self.id));
    switch_to_first(self);
}

static _Noreturn void stuck(void)
{
    fprintf(stderr, "slablab: virtual machine: no CPU can run; the last to stop was CPU %u\n",
            cpu_id());
    for (unsigned i = 0; i < machine_nr_cpus; i++) {
        const struct virtual_cpu *cpu = &virtual_machine.cpus[i];

        fprintf(stderr, "  CPU %u at %llu cycles: %s, holds %u locks\n", i,
                (unsigned long long)cpu->clock, cpu->why, cpu->held_locks);
    }
    abort();
}

void virtual_park(const char *why)
{
    struct virtual_cpu *self = virtual_machine.running;

    self->parked = true;
    self->why = why;
    turns_set(&virtual_machine.turns, self->self.id, TURN_NEVER);
    if (!virtual_explores() && turns_first(&virtual_machine.turns) == TURN_NEVER)
        stuck();
    switch_to_first(self);
}

void virtual_wake(struct virtual_cpu *cpu, uint64_t clock)
{
    struct virtual_machine *machine = &virtual_machine;
    uint64_t turn;

    if (!cpu->parked)
        return;
    cpu->parked = false;
    cpu->clock = clock > cpu->clock ? clock : cpu->clock;
    turn = turn_of(cpu->clock, cpu->self.id);
    turns_set(&machine->turns, cpu->self.id, turn);
    if (machine->running && turn < machine->second)
        look_ahead(machine->running);
}

/* An event of the trace begins: it may not run ahead of others. */
void machine_step(void)
{
    virtual_spend(virtual_machine.config.operation_cycles);
    virtual_synchronise();
}

/* ---- what the driver knows of memory ---- */

void machine_touch(void *address, size_t bytes)
{
    virtual_access((uintptr_t)address, bytes, COST_STORE, __builtin_return_address(0));
}

void machine_object_is_users(void *object, size_t bytes, bool users)
{
    if (virtual_explores())
        explore_object_is_users((uintptr_t)object, bytes, users);
    else if (virtual_machine.coherence)
        coherence_guard(virtual_machine.coherence, (uintptr_t)object, bytes, users);
}

_Static_assert(MEMORY_KINDS <= COHERENCE_LABELS, "a label a kind of memory");

void machine_memory_is(const void *address, size_t bytes, enum memory_kind kind)
{
    if (virtual_machine.coherence)
        coherence_label(virtual_machine.coherence, (uintptr_t)address, bytes, kind);
}

void machine_pages_are_held(const void *address, size_t bytes, bool held)
{
    if (virtual_explores())
        explore_pages_are_held((uintptr_t)address, bytes, held);
    else if (virtual_machine.coherence)
        coherence_page(virtual_machine.coherence, (uintptr_t)address, bytes, held);
}

static void counts_add(struct coherence_counts *sum, const struct coherence_counts *more, int sign)
{
    /* The struct is an array of counts, and nothing else. */
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)more;

    _Static_assert(sizeof *sum % sizeof *to == 0, "counts only");
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
        to[i] += sign > 0 ? from[i] : -from[i];
}

void machine_measure(bool on)
{
    struct virtual_cpu *cpu = virtual_self();
    const struct coherence_counts *counts =
        coherence_counts(virtual_machine.coherence, cpu->self.id);

    if (on) {
        cpu->before = *counts;
        return;
    }
    counts_add(&virtual_machine.counted, counts, 1);
    counts_add(&virtual_machine.counted, &cpu->before, -1);
}

/* ---- beginning and end ---- */

struct virtual_config virtual_config_of(const struct cost_table *costs, bool own_topology)
{
    struct virtual_config config = {
        .costs = costs,
        .own_topology = own_topology,
        .slack_cycles = UINT64_MAX,
        .compute_256ths = costs->compute_256ths,
        .operation_cycles = costs->operation_cycles,
    };

    for (unsigned distance = DISTANCE_CORE; distance < DISTANCES; distance++) {
        uint32_t cycles = costs->cost[COST_LOAD][LINE_MODIFIED][distance][HOME_NEAR];

        if (cycles && cycles < config.slack_cycles)
            config.slack_cycles = cycles;
    }
    return config;
}

static _Noreturn void violated(void *context, const struct coherence_violation *violation)
{
    /* Of the call, not of what it returns to, which may be the next line's. */
    const char *code = (const char *)violation->code - 1;
    struct link_map *module = NULL;
    Dl_info symbol = {.dli_fname = "?"};

    (void)context;
    if (!dladdr1(code, &symbol, (void **)&module, RTLD_DL_LINKMAP))
        module = NULL;
    fprintf(stderr,
            "slablab: virtual machine: CPU %u %s %p, which is %s; where: addr2line -fie %s %#llx\n",
            violation->cpu,
            violation->op == COST_LOAD    ? "read"
            : violation->op == COST_STORE ? "wrote"
                                          : "changed atomically",
            (void *)violation->address,
            violation->page ? "in a page that nobody holds" : "an object's that is its user's",
            symbol.dli_fname,
            (unsigned long long)((uintptr_t)code - (module ? module->l_addr : 0)));
    abort();
}

/* Which last-level cache each CPU has, numbered from 0. */
static unsigned number_llcs(const struct machine_config *config, unsigned *llcs)
{
    unsigned count = 0;

    for (unsigned i = 0; i < config->nr_cpus; i++) {
        unsigned llc = topology_cpu(config->topology, config->place[i])->llc;
        unsigned other = 0;

        while (other < i && topology_cpu(config->topology, config->place[other])->llc != llc)
            other++;
        llcs[i] = other < i ? llcs[other] : count++;
    }
    return count;
}

static int caches_create(const struct machine_config *config, struct error *error)
{
    const struct virtual_config *virtual = config->virtual_machine;
    size_t cpus = config->nr_cpus, nodes = config->nr_nodes;
    uint8_t *distances = calloc(cpus * cpus + nodes * nodes, 1);
    unsigned *llcs = calloc(cpus, sizeof *llcs);
    struct coherence_config caches = {
        .costs = virtual->costs,
        .nr_cpus = config->nr_cpus,
        .nr_nodes = config->nr_nodes,
        .cpu_distances = distances,
        .cpu_node = config->cpu_node,
        .cpu_llc = llcs,
        .violation = violated,
    };
    int code = -ENOMEM;

    if (distances && llcs) {
        caches.node_distances = distances + cpus * cpus;
        caches.nr_llcs = number_llcs(config, llcs);
        cost_distances(config->topology, virtual->costs, virtual->own_topology, config->place,
                       config->nr_cpus, distances, distances + cpus * cpus);
        for (unsigned i = 0; i < config->nr_regions; i++)
            caches.regions[i] = config->regions[i];
        caches.nr_regions = config->nr_regions;
        caches.regions[caches.nr_regions++] =
            (struct coherence_region){.base = VIRTUAL_LINES_BASE,
                                      .bytes = VIRTUAL_LINES_BYTES,
                                      .home_bytes = SIZE_MAX,
                                      .label = MEMORY_QUEUE_NODE};
        code = coherence_create(&caches, &virtual_machine.coherence, error);
    } else {
        error_set(error, ENOMEM, "no memory for %u CPUs", config->nr_cpus);
    }
    free(distances);
    free(llcs);
    return code;
}

int machine_start(const struct machine_config *config, struct error *error)
{
    struct virtual_machine *machine = &virtual_machine;
    int code;

    if (config->nr_cpus == 0 || config->nr_nodes == 0 || config->nr_cpus > VIRTUAL_MAX_CPUS)
        return error_set(error, EINVAL, "%u CPUs; a virtual machine has 1 to %d", config->nr_cpus,
                         VIRTUAL_MAX_CPUS);
    *machine = (struct virtual_machine){
        .config = *config->virtual_machine,
        .compute_256ths = config->virtual_machine->compute_256ths,
        .hz = config->virtual_machine->costs->hz,
        .trace_timers = config->trace_timers,
        .limit = UINT64_MAX,
        .second = TURN_NEVER,
    };
    machine->cpus = aligned_alloc(CACHE_LINE, config->nr_cpus * sizeof *machine->cpus);
    if (!machine->cpus)
        return error_set(error, ENOMEM, "no memory for %u CPUs", config->nr_cpus);
    memset(machine->cpus, 0, config->nr_cpus * sizeof *machine->cpus);
    for (unsigned i = 0; i < config->nr_cpus; i++)
        machine_cpu_init(&machine->cpus[i].self, i, config->cpu_node[i]);
    machine_nr_cpus = config->nr_cpus;
    machine_nr_nodes = config->nr_nodes;
    code = virtual_explores() ? 0 : caches_create(config, error);
    for (unsigned op = 0; machine->coherence && op < COST_OPS; op++)
        machine->hit_256ths[op] =
            machine->compute_256ths + ((uint32_t)machine->coherence->l1_cycles[op] << 8);
    for (unsigned i = 0; i < config->nr_cpus; i++)
        machine->cpus[i].caches =
            machine->coherence ? &machine->coherence->cpus[i] : &machine->nothing;
    if (code == 0 && turns_init(&machine->turns, config->nr_cpus) != 0)
        code = error_set(error, ENOMEM, "no memory for %u CPUs", config->nr_cpus);
    if (code) {
        machine_stop();
        return code;
    }
    virtual_work_reset();
    machine_adopt(0);
    return 0;
}

void machine_stop(void)
{
    struct virtual_machine *machine = &virtual_machine;

    if (machine_self)
        grace_barrier();
    machine_self = NULL;
    coherence_destroy(machine->coherence);
    machine->coherence = NULL;
    turns_cleanup(&machine->turns);
    free(machine->cpus);
    machine->cpus = NULL;
    machine_nr_cpus = machine_nr_nodes = 0;
}

void machine_adopt(unsigned cpu)
{
    assert(cpu < machine_nr_cpus);
    machine_self = &virtual_machine.cpus[cpu].self;
}

unsigned machine_node_of(unsigned cpu)
{
    return virtual_machine.cpus[cpu].self.node;
}

/* ---- a run ---- */

static uint64_t latest_clock(const struct virtual_machine *machine)
{
    uint64_t latest = 0;

    for (unsigned i = 0; i < machine_nr_cpus; i++)
        latest = machine->cpus[i].clock > latest ? machine->cpus[i].clock : latest;
    return latest;
}

/* All of a coroutine's life. It never returns: its last act is to leave. */
static void cpu_run(void *argument)
{
    struct virtual_machine *machine = &virtual_machine;
    struct virtual_cpu *self = argument;

    machine->worker(self->self.id, machine->argument);
    virtual_close();
    turns_set(&machine->turns, self->self.id, TURN_NEVER);
    self->ended = true;
    if (--machine->left == 0)
        coroutine_switch(&self->coroutine, &machine->starter);
    else
        switch_to_first(self);
}

static int coroutines_create(struct virtual_machine *machine, uint64_t begin, struct error *error)
{
    for (unsigned i = 0; i < machine_nr_cpus; i++) {
        struct virtual_cpu *cpu = &machine->cpus[i];

        cpu->clock = begin;
        cpu->account = NULL; /* as a new thread has none */
        if (coroutine_create(&cpu->coroutine, STACK_BYTES, cpu_run, cpu) != 0)
            return error_set(error, EIO, "no memory for the stack of CPU %u of %u", i,
                             machine_nr_cpus);
        turns_set(&machine->turns, i, turn_of(cpu->clock, i));
    }
    return 0;
}

int machine_run(void (*worker)(unsigned cpu, void *argument), void *argument,
                struct machine_run_report *report, struct error *error)
{
    struct virtual_machine *machine = &virtual_machine;
    struct machine_cpu *caller = machine_self;
    uint64_t begin = latest_clock(machine);
    int code;

    machine->worker = worker;
    machine->argument = argument;
    machine->arrived = machine->closed = 0;
    machine->left = machine_nr_cpus;
    machine->counted = (struct coherence_counts){0};
    *report = (struct machine_run_report){.bound = true};
    code = coroutines_create(machine, begin, error);
    if (code == 0) {
        struct virtual_cpu *first = &machine->cpus[turn_cpu(turns_first(&machine->turns))];

        become(first);
        coroutine_switch(&machine->starter, &first->coroutine);
    }
    machine->running = NULL;
    for (unsigned i = 0; i < machine_nr_cpus; i++)
        coroutine_destroy(&machine->cpus[i].coroutine);
    machine_self = caller;
    account_self = NULL;
    report->run_ns = machine_cycles_to_ns(latest_clock(machine) - begin);
    report->clock = *machine_clock();
    report->simulated = true;
    report->coherence = machine->counted;
    return code;
}
