/* SPDX-License-Identifier: MIT */
/*
 * Pages by the block: the account of what is held, the CPUs' lists of single pages, and the way
 * from a request to a list or a zone. The zones' buddy is page_zone.c.
 *
 * The CPU lists are Linux's per-cpu pagesets as they long were, before their sizes came to grow
 * with the zone: batch 31, high mark 6 times that; refilled in the order of addresses, used from
 * the hot end, drained at the cold one. Deviations: one list for all kinds of pages, orders above
 * 0 always go to the zone, a page of another node too, and nobody but the owner drains a list.
 */
#include "sim/page_internal.h"

struct page *page_map;
uintptr_t page_arena_base;
struct page_layer *page_layer;

bool page_in_arena(const void *address)
{
    return page_layer && (uintptr_t)address - page_arena_base < page_layer->arena.bytes;
}

/* Of each node first its blocks, then as many bytes of its ranges. */
bool page_in_ranges(const void *address)
{
    return page_in_arena(address) &&
           ((uintptr_t)address - page_arena_base) / page_layer->node_bytes % 2 == 1;
}

/* ---- the account ---- */

#ifdef SLABLAB_CHECKED
static _Atomic uint64_t page_requested;
static uint64_t page_refused_first, page_refused_end;

void page_refuse(uint64_t first, uint64_t end)
{
    page_requested = 0;
    page_refused_first = first;
    page_refused_end = end;
}

uint64_t page_requests(void)
{
    return page_requested;
}

static bool page_is_refused(void)
{
    uint64_t number = atomic_fetch_add_explicit(&page_requested, 1, memory_order_relaxed);

    return number >= page_refused_first && number < page_refused_end;
}
#else
static bool page_is_refused(void)
{
    return false;
}
#endif

/*
 * With a limit the sum is only ever moved to a value that the limit allows, so a request that is
 * refused is never part of another's sum: nobody is refused without need, and none but true sums
 * reach the peak.
 */
bool page_account_begin(size_t bytes, size_t *held)
{
    struct page_account *account = &page_layer->account;
    size_t before;

    account_layer(LAYER_PAGE);
    if (page_is_refused()) {
        page_account_fail();
        return false;
    }
    if (account->limit_bytes == SIZE_MAX) {
        *held =
            atomic_fetch_add_explicit(&account->held_bytes, bytes, memory_order_relaxed) + bytes;
        return true;
    }
    before = atomic_load_explicit(&account->held_bytes, memory_order_relaxed);
    while (bytes <= account->limit_bytes - before) {
        if (atomic_compare_exchange_weak_explicit(&account->held_bytes, &before, before + bytes,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            *held = before + bytes;
            return true;
        }
        account_exchange_failed(EXCHANGE_PAGES_HELD);
    }
    atomic_fetch_add_explicit(&account->limit_failures, 1, memory_order_relaxed);
    return false;
}

/* The sum's highest value was some request's own, so the highest of these is the exact peak. */
void page_account_keep(size_t held)
{
    struct page_account *account = &page_layer->account;
    size_t peak = atomic_load_explicit(&account->peak_bytes, memory_order_relaxed);

    while (held > peak &&
           !atomic_compare_exchange_weak_explicit(&account->peak_bytes, &peak, held,
                                                  memory_order_relaxed, memory_order_relaxed))
        account_exchange_failed(EXCHANGE_PAGES_PEAK);
}

void page_account_undo(size_t bytes)
{
    struct page_account *account = &page_layer->account;

    atomic_fetch_sub_explicit(&account->held_bytes, bytes, memory_order_relaxed);
}

void page_account_fail(void)
{
    atomic_fetch_add_explicit(&page_layer->account.arena_failures, 1, memory_order_relaxed);
}

/*
 * Before, not after: a page already back could be handed out again and would count twice for a
 * moment, which the peak would keep.
 */
void page_account_end(size_t bytes)
{
    account_layer(LAYER_PAGE);
    atomic_fetch_sub_explicit(&page_layer->account.held_bytes, bytes, memory_order_relaxed);
}

/* ---- CPU lists ---- */

static bool cpu_refill(struct page_cpu *cpu)
{
    struct page_zone *zone = &page_layer->zones[cpu->node];

    lock_acquire(&zone->lock);
    while (cpu->count < PAGE_LIST_BATCH) {
        struct page *page = page_zone_take(zone, 0);

        if (!page)
            break;
        page->state = PAGE_LISTED;
        cds_list_add_tail(&page->link, &cpu->pages);
        cpu->count++;
    }
    lock_release(&zone->lock);
    return cpu->count > 0;
}

static void cpu_drain(struct page_cpu *cpu, unsigned count)
{
    struct page_zone *zone = &page_layer->zones[cpu->node];

    lock_acquire(&zone->lock);
    for (; count > 0; count--) {
        struct page *page = cds_list_entry(cpu->pages.prev, struct page, link);

        cds_list_del(&page->link);
        cpu->count--;
        page->state = PAGE_FREE;
        page_zone_give(zone, page, 0);
    }
    lock_release(&zone->lock);
}

static struct page *cpu_take(struct page_cpu *cpu)
{
    struct page *page;

    if (cpu->count == 0 && !cpu_refill(cpu))
        return NULL;
    page = cds_list_first_entry(&cpu->pages, struct page, link);
    cds_list_del(&page->link);
    cpu->count--;
    return page;
}

static void cpu_give(struct page_cpu *cpu, struct page *page)
{
    page->state = PAGE_LISTED;
    cds_list_add(&page->link, &cpu->pages);
    cpu->count++;
    if (cpu->count > PAGE_LIST_HIGH)
        cpu_drain(cpu, PAGE_LIST_BATCH);
}

void page_drain(void)
{
    struct page_cpu *cpu = &page_layer->cpus[cpu_id()];

    if (cpu->count > 0)
        cpu_drain(cpu, cpu->count);
}

/* ---- requests ---- */

static struct page *take_from_node(struct page_cpu *cpu, unsigned order, unsigned node)
{
    struct page_zone *zone = &page_layer->zones[node];
    struct page *page;

    if (order == 0 && node == cpu->node)
        return cpu_take(cpu);
    lock_acquire(&zone->lock);
    page = page_zone_take(zone, order);
    lock_release(&zone->lock);
    return page;
}

static struct page *take(unsigned order, int node)
{
    struct page_cpu *cpu = &page_layer->cpus[cpu_id()];
    struct page *page = NULL;

    if (node != PAGE_ANY_NODE)
        return take_from_node(cpu, order, (unsigned)node);
    for (unsigned i = 0; i < page_layer->nr_nodes && !page; i++)
        page = take_from_node(cpu, order, page_layer->nearest[cpu->node][i]);
    return page;
}

/* Linux too writes the records of all pages of a compound page. */
void page_mark_inside(struct page *first, size_t pages, enum page_state state)
{
    for (size_t i = 1; i + 1 < pages; i++) {
        first[i].state = (uint8_t)state;
        first[i].extent = 0;
    }
}

/* All pages of a block may be marked without a lock: the buddy looks at `free_order` only. */
static void block_mark(struct page *first, unsigned order, enum page_state state)
{
    size_t pages = (size_t)1 << order;

    page_mark_inside(first, pages, state);
    first[pages - 1].state = (uint8_t)state;
    first[pages - 1].extent = 0;
    first->state = (uint8_t)state;
    first->extent = state == PAGE_HELD ? (uint32_t)pages : 0;
}

void *page_try(unsigned order, int node, bool *exhausted)
{
    size_t bytes = PAGE_SIZE << order;
    struct page *page;
    size_t held;

    PAGE_ASSERT(order <= PAGE_MAX_ORDER, NULL, "a block was asked for of an order that is not");
    PAGE_ASSERT(node >= PAGE_ANY_NODE && node < (int)page_layer->nr_nodes, NULL,
                "a block was asked for on a node that is not");
    *exhausted = false;
    if (!page_account_begin(bytes, &held))
        return NULL;
    page = take(order, node);
    if (!page) {
        page_account_undo(bytes);
        *exhausted = true;
        return NULL;
    }
    page_account_keep(held);
    block_mark(page, order, PAGE_HELD);
    machine_pages_are_held(page_address(page), bytes, true);
    return page_address(page);
}

void *page_alloc(unsigned order, int node)
{
    bool exhausted;
    void *address = page_try(order, node, &exhausted);

    if (exhausted)
        page_account_fail();
    return address;
}

void page_free(void *address, unsigned order)
{
    struct page_cpu *cpu = &page_layer->cpus[cpu_id()];
    struct page *page = page_of(address);
    struct page_zone *zone;

    PAGE_ASSERT(page_in_arena(address), address, "free of an address that is not the arena's");
    zone = &page_layer->zones[page->node];
    PAGE_ASSERT(((uintptr_t)address & PAGE_MASK) == 0, address, "free of part of a page");
    PAGE_ASSERT(page >= zone->first && page < zone->end, address, "free of a range as a block");
    PAGE_ASSERT(page->state == PAGE_HELD, address, "free of a page that is not held");
    PAGE_ASSERT(order <= PAGE_MAX_ORDER && page->extent == 1U << order, address,
                "free of a block in another size than it has");
    page_account_end(PAGE_SIZE << order);
    machine_pages_are_held(address, PAGE_SIZE << order, false);
    block_mark(page, order, PAGE_FREE);
    if (order == 0 && page->node == cpu->node) {
        cpu_give(cpu, page);
        return;
    }
    lock_acquire(&zone->lock);
    page_zone_give(zone, page, order);
    lock_release(&zone->lock);
}
