/* SPDX-License-Identifier: MIT */
/*
 * The virtual machine's caches: what an access costs and what it does to its line.
 *
 * Protocol. A directory as exact as can be: MESI, or MOESI where the table has it (as AMD's: who
 * reads a modified line gets a copy, and its owner keeps it, OWNED, to answer for it). A load of
 * what nobody holds makes EXCLUSIVE, which a store turns into MODIFIED without a word. A store or
 * atomic takes all copies of others away; where the table says so (migratory) a load of a modified
 * line does too, and has it MODIFIED. Transitions are immediate; their time is the line's.
 *
 * Queueing. What goes through the directory (transfers, upgrades, memory) has its line to itself
 * for as long as it takes, and waits for those before it: n readers of one word come one after the
 * other. CPUs' clocks are not in step, so an access may be asked for here later than one that in
 * virtual time comes after it. It then counts as asked for at the latest time that any was, and is
 * not charged for the difference: it waits behind those that are still in the queue at that time,
 * as if it had come together with the last one. So a CPU never waits for the lead of another, and
 * transfers of a line stay one after the other; the order within the lead, which is the engine's
 * slack at most, may be wrong. Where clocks are in step it is exact.
 *
 * Capacity. The directory says who holds a line; filters (LRU, see cache_filter.h) say who has room
 * for it: an L1 and an L2 of each CPU, an LLC of each domain. A line that comes goes into L1 and
 * L2; what L2 (L1, where there is no L2) has no room for goes into the LLC; what that has no room
 * for is gone, which the directory finds out when somebody wants it from there. Invariant: what is
 * in a CPU's L1 or L2 the directory has as that CPU's, so a hit in L1 needs no look at the holders.
 * An LLC may have lines that no CPU there holds any more: they are not looked for, and only take
 * room. Consequences, for better or worse:
 * - A holder that lost the line from L1, L2 and LLC is no holder: it gets it from another that has
 *   it, or from memory. An owner that lost it gave it back: the next one gets it from memory.
 * - What its owner has in its LLC only is had from there: by a CPU of that LLC at the LLC's cost
 *   (and the owner is no longer one), by others as from the owner itself.
 * - Of a shared line only the nearest holder is asked whether it has it; if not, memory answers,
 *   though one farther away might have. Stores ask nobody: they pay for holders that lost the line
 *   long ago, as they do where a directory is not told of silent evictions.
 * - Evictions and write-backs cost nothing, and no bandwidth has a limit: what queues is a line.
 * - Sets are hashed, so a pattern of addresses that piles up in few sets of a real L1 (what slab
 *   coloring is against) does no harm here. No two misses at once but for what is prefetched
 *   (coherence_prefetch.c), no pages and TLBs. An L2 does not refresh its order when L1 hits, and
 *   evicts nothing from L1.
 * - Threads of one core have a part each of its L1 and L2, the same for all that are in use, and
 *   the table's cost between them.
 *
 * Costs are the table's; see its header for which distance counts. Atomics on what is this CPU's
 * own add atomic_cycles wherever they hit. store_shared_by_all counts where all other CPUs of the
 * model hold the line, one of them in another package: two CPUs are not a whole machine.
 */
#include "sim/virtual/coherence_internal.h"

enum level { LEVEL_L1, LEVEL_L2, LEVEL_LLC, LEVEL_NOWHERE };

/* An access, or its part that is in one line. */
struct access {
    const struct coherence_mapped *region;
    uintptr_t address;
    uint64_t now;
    uint32_t number; /* of the line */
    unsigned cpu;
    enum cost_op op;
    uint8_t granules;
    struct coherence_counts *counts; /* of cpu */
};

/* ---- where a line is, and what that costs ---- */

static enum level find(const struct coherence *coherence, unsigned cpu, uint32_t number)
{
    const struct coherence_cpu *at = &coherence->cpus[cpu];

    if (cache_filter_has(&at->l1, number))
        return LEVEL_L1;
    if (cache_filter_has(&at->l2, number))
        return LEVEL_L2;
    return cache_filter_has(&coherence->llcs[at->llc], number) ? LEVEL_LLC : LEVEL_NOWHERE;
}

/* The CPU has used the line, which it found at `level` or elsewhere. */
static void fill(struct coherence *coherence, const struct access *access, enum level level)
{
    const struct coherence_cpu *self = &coherence->cpus[access->cpu];
    uint32_t victim, last = *cache_filter_set(&self->l1, access->number);
    bool leaves;

    if (last != 0 && last != access->number + 1)
        known_forget(coherence, access->cpu, coherence_line_address(coherence, last - 1));
    leaves = cache_filter_use(&self->l1, access->number, &victim);

    if (level == LEVEL_L1)
        return;
    if (self->l2.sets)
        leaves = cache_filter_use(&self->l2, access->number, &victim);
    if (leaves)
        cache_filter_use(&coherence->llcs[self->llc], victim, &victim);
}

static uint64_t hit_cycles(const struct coherence *coherence, enum cost_op op, enum level level)
{
    const struct cost_table *costs = coherence->costs;
    uint64_t cycles = level == LEVEL_L1   ? costs->l1_cycles
                      : level == LEVEL_L2 ? costs->l2_cycles
                                          : costs->llc_cycles;

    return op == COST_ATOMIC ? cycles + costs->atomic_cycles : cycles;
}

static void count_hit(struct coherence_counts *counts, enum level level)
{
    uint64_t *levels[] = {&counts->hits_l1, &counts->hits_l2, &counts->hits_llc, &counts->memory};

    (*levels[level])++;
}

static enum distance home_distance(const struct coherence *coherence, const struct access *access)
{
    size_t home = (access->address - access->region->base) / access->region->home_bytes;
    unsigned node = coherence->cpus[access->cpu].node;

    if (home >= coherence->nr_nodes)
        home = 0;
    return coherence->node_distances[node * coherence->nr_nodes + home];
}

static uint64_t table_cycles(const struct coherence *coherence, const struct access *access,
                             enum line_state state, enum distance distance)
{
    enum distance to_home = home_distance(coherence, access);
    enum cost_home home = to_home <= DISTANCE_PACKAGE ? HOME_NEAR : HOME_FAR;

    if (state == LINE_INVALID)
        distance = to_home;
    return coherence->costs->cost[access->op][state][distance][home];
}

/* What the access's line is counted under. */
static unsigned label_of(const struct coherence_line *line, const struct access *access)
{
    unsigned label = line->guard >> COHERENCE_LABEL_SHIFT;

    return label ? label : access->region->label;
}

/* The line is the access's for `cycles`; what it waits before that comes on top. */
static uint64_t queue(struct coherence_line *line, const struct access *access, uint64_t cycles)
{
    uint64_t latest = line->busy_until - line->backlog;
    uint64_t asked = access->now > latest ? access->now : latest;
    uint64_t wait = line->busy_until > asked ? line->busy_until - asked : 0;

    line->busy_until = asked + wait + cycles;
    line->backlog = (uint32_t)(wait + cycles < UINT32_MAX ? wait + cycles : UINT32_MAX);
    access->counts->queued_cycles += wait;
    return wait + cycles;
}

/* ---- who touches which bytes ---- */

/*
 * A tenure lasts from where a CPU gets a line that another wrote, or takes it to write, to where
 * the next does; its keeper's touches are noted, those of others are not. It began for nothing but
 * the line's being a line if the keeper and the one before it touched no granule in common: false
 * sharing, which is counted when the tenure ends, for its keeper. So the last tenure of a line is
 * never judged, nor is what the second and further readers of a line got, nor a load from a line
 * nobody had written.
 */
static void tenure(struct coherence *coherence, struct coherence_line *line,
                   const struct access *access, bool arrived)
{
    if (line->keeper == access->cpu) {
        line->touched |= access->granules;
        return;
    }
    if ((line->guard & COHERENCE_ARRIVED) && !(line->touched & line->former))
        coherence->cpus[line->keeper].counts.false_by_label[label_of(line, access)]++;
    line->former = line->touched;
    line->touched = access->granules;
    line->keeper = access->cpu;
    line->guard &= (uint16_t)~COHERENCE_ARRIVED;
    line->guard |= arrived ? COHERENCE_ARRIVED : 0;
}

/* ---- what becomes of the line ---- */

/* A holder has no room for it any more. */
static void drop(struct coherence *coherence, struct coherence_line *line, unsigned cpu)
{
    bool owned = holders_remove(coherence, line, cpu);

    if (line->nr_holders == 0)
        line->state = LINE_INVALID;
    else if (owned && line->state == LINE_OWNED)
        line->state = LINE_SHARED;
}

/* The access's CPU alone holds it. */
static void become_only(struct coherence *coherence, struct coherence_line *line,
                        const struct access *access, bool arrived)
{
    holders_clear(coherence, line);
    holders_add(coherence, line, access->cpu);
    line->state = access->op == COST_LOAD ? LINE_EXCLUSIVE : LINE_MODIFIED;
    tenure(coherence, line, access, arrived);
}

/* One more has it to read. */
static void join(struct coherence *coherence, struct coherence_line *line,
                 const struct access *access)
{
    holders_add(coherence, line, access->cpu);
    if (line->state != LINE_OWNED)
        line->state = LINE_SHARED;
}

/* All others lose it. */
static unsigned take_copies(struct coherence *coherence, const struct coherence_line *line,
                            const struct access *access)
{
    uint16_t cpus[COHERENCE_MAX_CPUS];
    unsigned count = holders_list(coherence, line, cpus), taken = 0;

    for (unsigned i = 0; i < count; i++) {
        if (cpus[i] == access->cpu)
            continue;
        known_forget(coherence, cpus[i], access->address / COHERENCE_LINE);
        cache_filter_remove(&coherence->cpus[cpus[i]].l1, access->number);
        cache_filter_remove(&coherence->cpus[cpus[i]].l2, access->number);
        taken++;
    }
    access->counts->invalidations += taken;
    return taken;
}

static void count_transfer(const struct coherence_line *line, const struct access *access,
                           enum distance distance)
{
    access->counts->transfers[distance]++;
    access->counts->by_label[label_of(line, access)]++;
}

/* ---- the ways of getting a line ---- */

/* From the LLC, or from memory, unless it is nearer by now. */
static uint64_t far_cycles(struct coherence *coherence, const struct access *access,
                           enum level level)
{
    uint64_t cycles = level == LEVEL_LLC ? hit_cycles(coherence, access->op, level)
                                         : table_cycles(coherence, access, LINE_INVALID, 0);
    uint64_t near = coherence->costs->prefetch_cycles +
                    (access->op == COST_ATOMIC ? coherence->costs->atomic_cycles : 0);

    if (!prefetch_brought(&coherence->cpus[access->cpu], coherence->costs, access->address))
        return cycles;
    access->counts->prefetched++;
    return near < cycles ? near : cycles;
}

/* From this CPU's own caches, with nobody else to ask. */
static uint64_t hit(struct coherence *coherence, struct coherence_line *line,
                    const struct access *access, enum level level)
{
    if (access->op != COST_LOAD) {
        line->state = LINE_MODIFIED;
        tenure(coherence, line, access, false);
    } else if (line->keeper == access->cpu) {
        line->touched |= access->granules;
    }
    count_hit(access->counts, level);
    fill(coherence, access, level);
    return level == LEVEL_LLC ? far_cycles(coherence, access, level)
                              : hit_cycles(coherence, access->op, level);
}

/* From memory, or from an LLC where it is no CPU's. */
static uint64_t fetch(struct coherence *coherence, struct coherence_line *line,
                      const struct access *access, enum level level)
{
    uint64_t cycles = far_cycles(coherence, access, level);

    if (line->nr_holders)
        join(coherence, line, access);
    else
        become_only(coherence, line, access, false);
    count_hit(access->counts, level);
    fill(coherence, access, LEVEL_NOWHERE);
    return queue(line, access, cycles);
}

/* A store or atomic to what others have copies of: at `level` this CPU has one too, or NOWHERE. */
static uint64_t take(struct coherence *coherence, struct coherence_line *line,
                     const struct access *access, enum level level)
{
    enum distance farthest = holders_farthest(coherence, line, access->cpu);
    uint64_t cycles = table_cycles(coherence, access, line->state, farthest);
    uint64_t all_cycles = coherence->costs->store_shared_by_all;

    if (level == LEVEL_NOWHERE)
        count_transfer(line, access, farthest);
    else
        access->counts->upgrades++;
    if (take_copies(coherence, line, access) == coherence->nr_cpus - 1 &&
        farthest > DISTANCE_PACKAGE && all_cycles > cycles)
        cycles = all_cycles;
    become_only(coherence, line, access, level == LEVEL_NOWHERE);
    fill(coherence, access, level);
    return queue(line, access, cycles);
}

/* From `source`, another CPU. */
static uint64_t transfer(struct coherence *coherence, struct coherence_line *line,
                         const struct access *access, unsigned source)
{
    size_t pair = (size_t)access->cpu * coherence->nr_cpus + source;
    enum distance distance = coherence->cpu_distances[pair];
    uint64_t cycles = table_cycles(coherence, access, line->state, distance);

    count_transfer(line, access, distance);
    if (access->op != COST_LOAD) {
        take_copies(coherence, line, access);
        become_only(coherence, line, access, true);
    } else if (line->state == LINE_MODIFIED && coherence->costs->migrates) {
        take_copies(coherence, line, access);
        become_only(coherence, line, access, true);
        line->state = LINE_MODIFIED;
    } else {
        if (line->state == LINE_MODIFIED) {
            known_forget(coherence, source, access->address / COHERENCE_LINE);
            tenure(coherence, line, access, true);
            line->state = coherence->costs->has_owned ? LINE_OWNED : LINE_SHARED;
        }
        join(coherence, line, access);
    }
    fill(coherence, access, LEVEL_NOWHERE);
    return queue(line, access, cycles);
}

/* This CPU does not have it. */
static uint64_t obtain(struct coherence *coherence, struct coherence_line *line,
                       const struct access *access)
{
    bool is_shared = line->state == LINE_SHARED;
    enum level level;
    unsigned source;

    coherence->used[access->number / COHERENCE_CHUNK] = 1;
    if (line->nr_holders == 0)
        return fetch(coherence, line, access, LEVEL_NOWHERE);
    if (access->op != COST_LOAD && (is_shared || line->state == LINE_OWNED))
        return take(coherence, line, access, LEVEL_NOWHERE);
    source =
        is_shared ? holders_nearest(coherence, line, access->cpu) : holders_owner(coherence, line);
    level = find(coherence, source, access->number);
    if (level == LEVEL_NOWHERE) {
        drop(coherence, line, source);
        return fetch(coherence, line, access, level);
    }
    if (level != LEVEL_LLC || coherence->cpus[source].llc != coherence->cpus[access->cpu].llc)
        return transfer(coherence, line, access, source);
    if (line->state == LINE_EXCLUSIVE || line->state == LINE_MODIFIED)
        drop(coherence, line, source);
    return fetch(coherence, line, access, level);
}

/* ---- an access ---- */

/* The next access of this CPU to the line it has just used may be a hit that changes nothing. */
static void know(struct coherence *coherence, const struct coherence_line *line,
                 const struct access *access)
{
    struct coherence_cpu *self = &coherence->cpus[access->cpu];
    const struct coherence_mapped *region = access->region;
    uint64_t number = access->address / COHERENCE_LINE;
    unsigned guard = line->guard ^ region->unheld;
    uint64_t loads = line->keeper == access->cpu ? line->touched : 0xff;

    loads = guard & COHERENCE_HELD ? 0 : loads & ~guard & 0xff;
    if (self->l1.sets == 0 || (number + 1) * COHERENCE_LINE - region->base > region->bytes)
        loads = 0;
    self->known[number % COHERENCE_KNOWN] =
        number << 16 | (line->state == LINE_MODIFIED ? loads << 8 : 0) | loads;
}

static uint64_t get_line(struct coherence *coherence, struct coherence_line *line,
                         const struct access *access)
{
    enum level level;

    if (!holders_have(coherence, line, access->cpu))
        return obtain(coherence, line, access);
    level = find(coherence, access->cpu, access->number);
    if (level == LEVEL_NOWHERE) {
        drop(coherence, line, access->cpu);
        return obtain(coherence, line, access);
    }
    if (access->op == COST_LOAD || line->nr_holders == 1)
        return hit(coherence, line, access, level);
    return take(coherence, line, access, level);
}

static void look_for_violation(const struct coherence *coherence, const struct access *access,
                               const void *code)
{
    unsigned guard = coherence->lines[access->number].guard;
    unsigned users = guard & access->granules;
    bool page = (guard ^ access->region->unheld) & COHERENCE_HELD;
    struct coherence_violation violation = {
        .address = access->address, .cpu = access->cpu, .op = access->op, .page = page, code};

    if ((!page && users == 0) || !coherence->violation)
        return;
    if (!page) {
        uintptr_t granule =
            access->address / COHERENCE_LINE * COHERENCE_LINE + 8 * (unsigned)__builtin_ctz(users);

        if (granule > access->address)
            violation.address = granule;
    }
    coherence->violation(coherence->context, &violation);
}

/*
 * A hit on the line that L1 has in front of its set, with nothing to be noted but the touch. That
 * L1 has it says that this CPU holds it, so if it is modified it is this CPU's.
 */
static bool hit_in_front(const struct coherence *coherence, struct coherence_line *line,
                         const struct access *access)
{
    if (!cache_filter_is_front(&coherence->cpus[access->cpu].l1, access->number) ||
        (access->op != COST_LOAD && line->state != LINE_MODIFIED))
        return false;
    if (line->keeper == access->cpu)
        line->touched |= access->granules;
    access->counts->hits_l1++;
    return true;
}

static uint64_t access_line(struct coherence *coherence, const struct access *access,
                            const void *code)
{
    struct coherence_line *line = &coherence->lines[access->number];
    uint64_t cycles = coherence->l1_cycles[access->op];

    if ((line->guard ^ access->region->unheld) & (access->granules | COHERENCE_HELD))
        look_for_violation(coherence, access, code);
    access->counts->accesses[access->op]++;
    if (!hit_in_front(coherence, line, access))
        cycles = get_line(coherence, line, access);
    know(coherence, line, access);
    return cycles;
}

uint64_t coherence_access_lines(struct coherence *coherence, unsigned cpu, uintptr_t address,
                                size_t bytes, enum cost_op op, uint64_t now, const void *code)
{
    const struct coherence_mapped *region = coherence_mapped_at(coherence, address);
    size_t rest = region->bytes - (address - region->base), piece;
    uint64_t cycles = 0;

    if (address - region->base >= region->bytes)
        return 0;
    for (rest = bytes < rest ? bytes : rest; rest; rest -= piece, address += piece) {
        size_t to_end = COHERENCE_LINE - address % COHERENCE_LINE;
        struct access access = {.region = region,
                                .address = address,
                                .now = now + cycles,
                                .number = (uint32_t)((address - region->origin) / COHERENCE_LINE),
                                .cpu = cpu,
                                .op = op,
                                .counts = &coherence->cpus[cpu].counts};

        piece = to_end < rest ? to_end : rest;
        access.granules = (uint8_t)coherence_granules(address, piece);
        cycles += access_line(coherence, &access, code);
    }
    return cycles;
}
