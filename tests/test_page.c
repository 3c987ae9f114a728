/* SPDX-License-Identifier: MIT */
/* The page layer: blocks, CPU lists, nodes, the limit, ranges and boot memory. */
#include "sim/error.h"
#include "sim/machine.h"
#include "sim/page.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB         ((size_t)1 << 20)
#define BLOCK_PAGES ((size_t)1 << PAGE_MAX_ORDER)
#define NR_CPUS     4

/* The calling thread acts as CPU `id` of `node` from now on. */
static void act_as(unsigned id, unsigned node)
{
    static _Thread_local struct machine_cpu cpu;

    machine_cpu_init(&cpu, id, node);
    machine_self = &cpu;
}

/* CPUs 0 and 1 are on node 0, CPUs 2 and 3 on the last node. */
static struct page_config config_of(unsigned nr_nodes)
{
    static unsigned cpu_node[NR_CPUS];

    cpu_node[2] = cpu_node[3] = nr_nodes - 1;
    return (struct page_config){
        .nr_nodes = nr_nodes, .nr_cpus = NR_CPUS, .cpu_node = cpu_node, .node_bytes = 32 * MIB};
}

static void start(const struct page_config *config)
{
    struct error error = {""};

    act_as(0, 0);
    if (page_init(config, &error))
        fail_msg("%s", error.text);
}

static struct page_statistics statistics(void)
{
    struct page_statistics now;

    page_get_statistics(&now);
    return now;
}

/* Ends an arena of which nothing may be held any more. */
static void stop(void)
{
    page_check();
    assert_int_equal(statistics().held_bytes, 0);
    page_exit();
}

/* xorshift64*: the same in every run. */
static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 0x2545f4914f6cdd1d;
}

/* ---- blocks ---- */

static void a_block_of_every_order_is_aligned_to_its_size_and_writable(void **state)
{
    struct page_config config = config_of(1);

    (void)state;
    start(&config);
    for (unsigned order = 0; order <= PAGE_MAX_ORDER; order++) {
        size_t bytes = PAGE_SIZE << order;
        char *block = page_alloc(order, PAGE_ANY_NODE);

        assert_non_null(block);
        assert_int_equal((uintptr_t)block % bytes, 0);
        assert_true(page_in_arena(block) && page_in_arena(block + bytes - 1));
        memset(block, 1, bytes);
        for (size_t offset = 0; offset < bytes; offset += PAGE_SIZE) {
            assert_int_equal(page_of(block + offset)->state, PAGE_HELD);
            assert_int_equal(page_node(block + offset + 1), 0);
            assert_ptr_equal(page_address(page_of(block + offset + 7)), block + offset);
        }
        page_check();
        page_free(block, order);
    }
    stop();
}

static void the_arena_lies_at_its_fixed_address(void **state)
{
    struct page_config config = config_of(1);

    (void)state;
    config.node_bytes = 0;
    start(&config);
    assert_true(statistics().fixed_address);
    assert_int_equal(page_arena_base, PAGE_ARENA_BASE);
    assert_int_equal((uintptr_t)page_map, PAGE_MAP_BASE);
    assert_false(page_in_arena((void *)(PAGE_ARENA_BASE - 1)));
    assert_true(page_in_arena((void *)(PAGE_ARENA_BASE + ((size_t)128 << 30) - 1)));
    assert_false(page_in_arena((void *)(PAGE_ARENA_BASE + ((size_t)128 << 30))));
    stop();
}

static void an_occupied_address_moves_the_arena_and_says_so(void **state)
{
    struct page_config config = config_of(1);
    void *squatter = mmap((void *)PAGE_ARENA_BASE, PAGE_SIZE, PROT_READ,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    void *page;

    (void)state;
    assert_ptr_equal(squatter, (void *)PAGE_ARENA_BASE);
    start(&config);
    assert_false(statistics().fixed_address);
    assert_int_equal(page_arena_base % (PAGE_SIZE << PAGE_MAX_ORDER), 0);
    page = page_alloc(0, 0);
    memset(page, 1, PAGE_SIZE);
    page_free(page, 0);
    stop();
    munmap(squatter, PAGE_SIZE);
}

static void fresh_pages_come_in_ascending_order(void **state)
{
    struct page_config config = config_of(1);
    static void *pages[2 * (1 << PAGE_MAX_ORDER)];
    const size_t count = sizeof pages / sizeof pages[0];

    (void)state;
    config.populate_bytes = 8 * MIB;
    start(&config);
    for (size_t i = 0; i < count; i++) {
        pages[i] = page_alloc(0, PAGE_ANY_NODE);
        assert_int_equal((uintptr_t)pages[i], page_arena_base + i * PAGE_SIZE);
    }
    for (size_t i = 0; i < count; i++)
        page_free(pages[i], 0);
    stop();
}

static void what_was_freed_last_is_handed_out_first(void **state)
{
    struct page_config config = config_of(1);

    (void)state;
    start(&config);
    for (unsigned order = 0; order <= PAGE_MAX_ORDER; order += 5) {
        void *a = page_alloc(order, 0), *b = page_alloc(order, 0), *c = page_alloc(order, 0);

        page_free(a, order);
        page_free(c, order);
        assert_ptr_equal(page_alloc(order, 0), c);
        assert_ptr_equal(page_alloc(order, 0), a);
        page_free(a, order);
        page_free(b, order);
        page_free(c, order);
    }
    stop();
}

static void freed_pages_coalesce_back_to_whole_blocks(void **state)
{
    struct page_config config = config_of(1);
    static void *pages[3 * (1 << PAGE_MAX_ORDER)];
    const size_t count = sizeof pages / sizeof pages[0];
    uint64_t seed = 1;

    (void)state;
    start(&config);
    for (size_t i = 0; i < count; i++)
        pages[i] = page_alloc(0, 0);
    for (size_t i = count; i > 0; i--) {
        size_t victim = random_next(&seed) % i;

        page_free(pages[victim], 0);
        pages[victim] = pages[i - 1];
    }
    page_drain();
    page_check();
    for (unsigned order = 0; order < PAGE_MAX_ORDER; order++)
        assert_int_equal(statistics().free_blocks[order], 0);
    assert_true(statistics().free_blocks[PAGE_MAX_ORDER] >= 3);
    assert_int_equal(statistics().listed_bytes, 0);
    stop();
}

static void only_what_lies_beyond_the_populated_part_is_late(void **state)
{
    struct page_config config = config_of(1);
    void *blocks[3], *range;

    (void)state;
    config.populate_bytes = 7 * MIB; /* two blocks of 4 MiB */
    config.populate_range_bytes = 4 * MIB;
    start(&config);
    blocks[0] = page_alloc(PAGE_MAX_ORDER, 0);
    blocks[1] = page_alloc(PAGE_MAX_ORDER, 0);
    range = range_alloc(BLOCK_PAGES, 0);
    assert_int_equal(statistics().late_bytes, 0);
    blocks[2] = page_alloc(PAGE_MAX_ORDER, 0);
    assert_int_equal(statistics().late_bytes, 4 * MIB);
    range_free(range, BLOCK_PAGES);
    range = range_alloc(BLOCK_PAGES + 1, 0);
    assert_int_equal(statistics().late_bytes, 8 * MIB);
    range_free(range, BLOCK_PAGES + 1);
    for (unsigned i = 0; i < 3; i++)
        page_free(blocks[i], PAGE_MAX_ORDER);
    stop();
}

static void populated_memory_is_found_where_it_was_bound(void **state)
{
    struct page_config config = config_of(1);
    const int os_node[] = {0};

    (void)state;
    config.os_node = os_node;
    config.populate_bytes = 8 * MIB;
    config.huge = true;
    start(&config);
    if (!statistics().placement_checked)
        print_message("this system does not tell where memory lies\n");
    stop();
}

static void memory_that_lies_elsewhere_than_wanted_is_an_error(void **state)
{
    struct page_config config = config_of(1);
    const int no_such_node[] = {1023};
    struct error error;
    int rc;

    (void)state;
    config.os_node = no_such_node;
    config.populate_bytes = 4 * MIB;
    rc = page_init(&config, &error);
    if (rc == 0) { /* the system does not tell */
        assert_false(statistics().placement_checked);
        page_exit();
        skip();
    }
    assert_int_equal(rc, -EIO);
    assert_non_null(strstr(error.text, "node 1023"));
}

/* ---- CPU lists ---- */

static void a_cpu_list_is_filled_by_a_batch_and_drained_above_its_mark(void **state)
{
    struct page_config config = config_of(1);
    void *pages[PAGE_LIST_HIGH + 1];
    const unsigned count = sizeof pages / sizeof pages[0];

    (void)state;
    start(&config);
    pages[0] = page_alloc(0, 0);
    assert_int_equal(statistics().listed_bytes, (PAGE_LIST_BATCH - 1) * PAGE_SIZE);
    assert_int_equal(statistics().held_bytes, PAGE_SIZE);
    assert_int_equal(statistics().held_by_node[0], PAGE_SIZE);
    for (unsigned i = 1; i < count; i++)
        pages[i] = page_alloc(0, 0);
    page_drain();
    for (unsigned i = 0; i < PAGE_LIST_HIGH; i++)
        page_free(pages[i], 0);
    assert_int_equal(statistics().listed_bytes, PAGE_LIST_HIGH * PAGE_SIZE);
    page_free(pages[PAGE_LIST_HIGH], 0);
    assert_int_equal(statistics().listed_bytes, (PAGE_LIST_HIGH + 1 - PAGE_LIST_BATCH) * PAGE_SIZE);
    stop();
}

static void a_page_of_another_node_is_freed_straight_to_its_zone(void **state)
{
    struct page_config config = config_of(2);
    void *page;

    (void)state;
    start(&config);
    page = page_alloc(0, 1);
    assert_int_equal(page_node(page), 1);
    assert_int_equal(statistics().listed_bytes, 0);
    page_free(page, 0);
    assert_int_equal(statistics().listed_bytes, 0);
    stop();
}

/* ---- nodes ---- */

static void a_named_node_is_strict_and_any_node_falls_over(void **state)
{
    struct page_config config = config_of(2);
    void *blocks[2][8], *page;
    unsigned held = 0;

    (void)state;
    start(&config);
    while (held < 8 && (blocks[0][held] = page_alloc(PAGE_MAX_ORDER, 0)))
        assert_int_equal(page_node(blocks[0][held++]), 0);
    assert_int_equal(held, 32 / 4);
    assert_null(page_alloc(PAGE_MAX_ORDER, 0));
    assert_null(page_alloc(0, 0));
    assert_int_equal(statistics().arena_failures, 2);
    assert_int_equal(statistics().held_bytes, 32 * MIB);
    page = page_alloc(0, PAGE_ANY_NODE);
    assert_int_equal(page_node(page), 1);
    page_free(page, 0);
    act_as(2, 1);
    page = page_alloc(0, PAGE_ANY_NODE);
    assert_int_equal(page_node(page), 1);
    page_free(page, 0);
    page_drain();
    for (held = 0; held < 8; held++)
        blocks[1][held] = page_alloc(PAGE_MAX_ORDER, PAGE_ANY_NODE);
    assert_null(page_alloc(0, PAGE_ANY_NODE));
    assert_int_equal(statistics().held_by_node[1], 32 * MIB);
    for (unsigned i = 0; i < 16; i++)
        page_free(blocks[i / 8][i % 8], PAGE_MAX_ORDER);
    stop();
}

static void any_node_goes_on_to_the_nearest(void **state)
{
    static const unsigned distance[] = {10, 30, 20, 30, 10, 20, 20, 20, 10};
    struct page_config config = config_of(3);
    void *own, *other;

    (void)state;
    config.distance = distance;
    config.node_bytes = 4 * MIB;
    start(&config);
    own = page_alloc(PAGE_MAX_ORDER, PAGE_ANY_NODE);
    other = page_alloc(PAGE_MAX_ORDER, PAGE_ANY_NODE);
    assert_int_equal(page_node(own), 0);
    assert_int_equal(page_node(other), 2);
    page_free(own, PAGE_MAX_ORDER);
    page_free(other, PAGE_MAX_ORDER);
    stop();
}

/* ---- the account ---- */

static void allocation_fails_exactly_at_the_limit_and_recovers(void **state)
{
    struct page_config config = config_of(1);
    void *pages[10], *range;

    (void)state;
    config.limit_bytes = 10 * PAGE_SIZE;
    start(&config);
    for (unsigned i = 0; i < 10; i++)
        assert_non_null(pages[i] = page_alloc(0, 0));
    assert_null(page_alloc(0, 0));
    assert_null(range_alloc(1, 0));
    assert_null(boot_alloc(1, 0));
    assert_int_equal(statistics().limit_failures, 3);
    page_free(pages[9], 0);
    assert_null(page_alloc(1, 0));
    assert_null(range_alloc(SIZE_MAX >> PAGE_SHIFT, 0));
    assert_non_null(range = range_alloc(1, 0));
    range_free(range, 1);
    assert_non_null(pages[9] = page_alloc(0, 0));
    assert_int_equal(statistics().peak_bytes, 10 * PAGE_SIZE);
    for (unsigned i = 0; i < 10; i++)
        page_free(pages[i], 0);
    stop();
}

static void the_peak_is_the_most_held_at_once(void **state)
{
    struct page_config config = config_of(1);
    void *a, *b, *c;

    (void)state;
    start(&config);
    a = page_alloc(3, 0);
    b = range_alloc(5, 0);
    page_free(a, 3);
    c = page_alloc(0, 0);
    assert_int_equal(statistics().peak_bytes, 13 * PAGE_SIZE);
    page_reset_peak();
    assert_int_equal(statistics().peak_bytes, 6 * PAGE_SIZE);
    page_free(c, 0);
    range_free(b, 5);
    assert_int_equal(statistics().peak_bytes, 6 * PAGE_SIZE);
    stop();
}

/* ---- ranges ---- */

static void every_page_of_a_range_has_a_true_record(void **state)
{
    struct page_config config = config_of(2);
    const size_t sizes[] = {1, 2, 3, 7, 100, 1025};
    char *ranges[6];

    (void)state;
    start(&config);
    for (unsigned i = 0; i < 6; i++) {
        ranges[i] = range_alloc(sizes[i], 1);
        memset(ranges[i], 1, sizes[i] * PAGE_SIZE);
        page_check();
    }
    for (unsigned i = 0; i < 6; i++) {
        for (size_t page = 0; page < sizes[i]; page++) {
            assert_int_equal(page_of(ranges[i] + page * PAGE_SIZE)->state, PAGE_HELD);
            assert_int_equal(page_node(ranges[i] + page * PAGE_SIZE), 1);
        }
    }
    for (unsigned i = 0; i < 6; i++) {
        range_free(ranges[i], sizes[i]);
        page_check();
    }
    stop();
}

static void freed_ranges_coalesce_until_nothing_is_left(void **state)
{
    struct page_config config = config_of(1);
    void *a, *b, *c, *all;
    const size_t most = 32 * MIB / PAGE_SIZE;

    (void)state;
    start(&config);
    a = range_alloc(3, 0);
    b = range_alloc(5, 0);
    c = range_alloc(9, 0);
    range_free(a, 3);
    range_free(c, 9);
    range_free(b, 5);
    page_check();
    all = range_alloc(most, 0);
    assert_ptr_equal(all, a);
    assert_null(range_alloc(1, 0));
    range_free(all, most);
    stop();
}

static void holes_between_ranges_are_used_again(void **state)
{
    struct page_config config = config_of(1);
    void *ranges[8], *again[8];

    (void)state;
    start(&config);
    for (unsigned i = 0; i < 8; i++)
        ranges[i] = range_alloc(i < 4 ? 5 : 6, 0);
    for (unsigned i = 0; i < 8; i += 2)
        range_free(ranges[i], i < 4 ? 5 : 6);
    page_check();
    again[0] = range_alloc(6, 0);
    again[2] = range_alloc(6, 0);
    again[4] = range_alloc(5, 0);
    again[6] = range_alloc(4, 0);
    for (unsigned i = 0; i < 8; i += 2)
        assert_true(again[i] < ranges[7]);
    page_check();
    range_free(again[0], 6);
    range_free(again[2], 6);
    range_free(again[4], 5);
    range_free(again[6], 4);
    for (unsigned i = 1; i < 8; i += 2)
        range_free(ranges[i], i < 4 ? 5 : 6);
    stop();
}

static void a_range_of_any_node_falls_over_and_of_a_named_one_does_not(void **state)
{
    struct page_config config = config_of(2);
    void *all, *other;

    (void)state;
    config.node_bytes = 4 * MIB;
    start(&config);
    all = range_alloc(BLOCK_PAGES, PAGE_ANY_NODE);
    assert_int_equal(page_node(all), 0);
    assert_null(range_alloc(1, 0));
    other = range_alloc(1, PAGE_ANY_NODE);
    assert_int_equal(page_node(other), 1);
    range_free(all, BLOCK_PAGES);
    range_free(other, 1);
    stop();
}

static void ranges_and_blocks_are_told_apart_by_address_on_every_node(void **state)
{
    struct page_config config = config_of(3);

    (void)state;
    start(&config);
    for (int node = 0; node < 3; node++) {
        char *range = range_alloc(3, node), *block = page_alloc(2, node);

        assert_true(page_in_ranges(range));
        assert_true(page_in_ranges(range + 3 * PAGE_SIZE - 1));
        assert_false(page_in_ranges(block));
        assert_false(page_in_ranges(block + 4 * PAGE_SIZE - 1));
        range_free(range, 3);
        page_free(block, 2);
    }
    assert_false(page_in_ranges(&config));
    stop();
}

/* ---- boot memory ---- */

static void boot_memory_is_zeroed_and_aligned_and_all_of_it_goes_back(void **state)
{
    struct page_config config = config_of(2);
    const size_t sizes[] = {1, 64, 65, 200, 1000, 2048, 2049, 4096, 4097, 20000, 12 * MIB};
    const unsigned count = sizeof sizes / sizeof sizes[0];
    char *pieces[2][11];

    (void)state;
    start(&config);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 2 * count; i++) {
            size_t size = sizes[i % count];
            char *piece = boot_alloc(size, (int)(i / count));

            pieces[i / count][i % count] = piece;
            assert_int_equal((uintptr_t)piece % 64, 0);
            assert_int_equal(page_node(piece), i / count);
            for (size_t byte = 0; byte < size; byte++)
                if (piece[byte] != 0)
                    fail_msg("byte %zu of %zu is not zero", byte, size);
            memset(piece, 0xff, size);
        }
        page_check();
        assert_int_equal(statistics().boot_bytes, statistics().held_bytes);
        for (unsigned i = 0; i < 2 * count; i++)
            boot_free(pieces[i / count][i % count], sizes[i % count]);
        assert_int_equal(statistics().boot_bytes, 0);
        assert_int_equal(statistics().held_bytes, 0);
    }
    stop();
}

static void small_boot_memory_shares_pages_and_is_reused_by_size(void **state)
{
    struct page_config config = config_of(1);
    void *a, *b, *c;

    (void)state;
    start(&config);
    a = boot_alloc(128, PAGE_ANY_NODE);
    b = boot_alloc(100, PAGE_ANY_NODE);
    assert_int_equal(statistics().boot_bytes, PAGE_SIZE);
    boot_free(a, 128);
    c = boot_alloc(64, PAGE_ANY_NODE);
    assert_ptr_not_equal(c, a);
    assert_ptr_equal(boot_alloc(65, PAGE_ANY_NODE), a);
    boot_free(a, 65);
    boot_free(b, 100);
    boot_free(c, 64);
    stop();
}

/* A request that another node serves was not refused, whatever the first node said. */
static void boot_memory_falls_over_and_is_refused_only_by_all_nodes(void **state)
{
    struct page_config config = config_of(2);
    void *blocks[2], *piece;

    (void)state;
    config.node_bytes = 4 * MIB;
    start(&config);
    blocks[0] = page_alloc(PAGE_MAX_ORDER, 0);
    piece = boot_alloc(128, PAGE_ANY_NODE);
    assert_int_equal(page_node(piece), 1);
    assert_int_equal(statistics().arena_failures, 0);
    boot_free(piece, 128);
    page_drain();
    assert_null(boot_alloc(128, 0));
    assert_int_equal(statistics().arena_failures, 1);
    blocks[1] = page_alloc(PAGE_MAX_ORDER, 1);
    assert_non_null(blocks[1]);
    assert_null(boot_alloc(128, PAGE_ANY_NODE));
    assert_int_equal(statistics().arena_failures, 2);
    page_free(blocks[0], PAGE_MAX_ORDER);
    page_free(blocks[1], PAGE_MAX_ORDER);
    stop();
}

/* ---- the whole ---- */

#define SOAK_SLOTS 512

enum soak_kind { SOAK_NOTHING, SOAK_BLOCK, SOAK_RANGE, SOAK_BOOT };

struct soak {
    struct {
        void *address;
        size_t size; /* order, pages or bytes */
        enum soak_kind kind;
    } slots[SOAK_SLOTS];
    uint64_t seed;
    uint64_t digest; /* of all addresses handed out, in order */
};

static void soak_free(struct soak *soak, size_t slot)
{
    void *address = soak->slots[slot].address;
    size_t size = soak->slots[slot].size;

    if (soak->slots[slot].kind == SOAK_BLOCK)
        page_free(address, (unsigned)size);
    else if (soak->slots[slot].kind == SOAK_RANGE)
        range_free(address, size);
    else if (soak->slots[slot].kind == SOAK_BOOT)
        boot_free(address, size);
    soak->slots[slot].kind = SOAK_NOTHING;
}

/* Frees what a random slot holds, or fills it if it holds nothing. */
static void soak_step(struct soak *soak, int node)
{
    uint64_t dice = random_next(&soak->seed);
    size_t slot = dice % SOAK_SLOTS, size;
    void *address;

    if (soak->slots[slot].kind != SOAK_NOTHING) {
        soak_free(soak, slot);
        return;
    }
    if (dice >> 60 < 10) {
        soak->slots[slot].kind = SOAK_BLOCK;
        size = dice >> 60 < 7 ? 0 : (dice >> 20) % 6;
        address = page_alloc((unsigned)size, node);
    } else if (dice >> 60 < 13) {
        soak->slots[slot].kind = SOAK_RANGE;
        size = 1 + (dice >> 20) % 30;
        address = range_alloc(size, node);
    } else {
        soak->slots[slot].kind = SOAK_BOOT;
        size = 1 + (dice >> 20) % 6000;
        address = boot_alloc(size, node);
    }
    soak->slots[slot].address = address;
    soak->slots[slot].size = size;
    if (address)
        memset(address, 0x5a, 16);
    else
        soak->slots[slot].kind = SOAK_NOTHING;
    soak->digest = (soak->digest ^ (uintptr_t)address) * 0x100000001b3;
}

static void soak_end(struct soak *soak)
{
    for (size_t slot = 0; slot < SOAK_SLOTS; slot++)
        soak_free(soak, slot);
}

static void a_random_soak_keeps_every_invariant(void **state)
{
    struct page_config config = config_of(2);
    struct soak *soak = calloc(1, sizeof *soak);

    (void)state;
    soak->seed = 42;
    start(&config);
    for (unsigned i = 0; i < 100000; i++) {
        act_as(i / 100 % NR_CPUS, i / 100 % NR_CPUS / 2);
        soak_step(soak, (int)(random_next(&soak->seed) % 3) - 1);
        if (i % 500 == 0)
            page_check();
    }
    soak_end(soak);
    for (unsigned cpu = 0; cpu < NR_CPUS; cpu++) {
        act_as(cpu, cpu / 2);
        page_drain();
    }
    for (unsigned order = 0; order < PAGE_MAX_ORDER; order++)
        assert_int_equal(statistics().free_blocks[order], 0);
    stop();
    free(soak);
}

static uint64_t digest_of_a_run(void)
{
    struct page_config config = config_of(2);
    struct soak *soak = calloc(1, sizeof *soak);
    uint64_t digest;

    soak->seed = 7;
    start(&config);
    for (unsigned i = 0; i < 20000; i++)
        soak_step(soak, PAGE_ANY_NODE);
    digest = soak->digest;
    soak_end(soak);
    stop();
    free(soak);
    return digest;
}

static void the_same_requests_get_the_same_addresses(void **state)
{
    (void)state;
    assert_int_equal(digest_of_a_run(), digest_of_a_run());
}

static void *hammer(void *argument)
{
    unsigned cpu = (unsigned)(uintptr_t)argument;
    struct soak *soak = calloc(1, sizeof *soak);

    act_as(cpu, cpu / 2);
    soak->seed = cpu + 1;
    for (unsigned i = 0; i < 20000; i++)
        soak_step(soak, (int)(random_next(&soak->seed) % 3) - 1);
    soak_end(soak);
    page_drain();
    free(soak);
    return NULL;
}

static void hammer_with_four(size_t limit_bytes)
{
    struct page_config config = config_of(2);
    pthread_t threads[NR_CPUS];

    config.limit_bytes = limit_bytes;
    start(&config);
    for (uintptr_t cpu = 0; cpu < NR_CPUS; cpu++)
        assert_int_equal(pthread_create(&threads[cpu], NULL, hammer, (void *)cpu), 0);
    for (unsigned cpu = 0; cpu < NR_CPUS; cpu++)
        pthread_join(threads[cpu], NULL);
    assert_true(statistics().peak_bytes > 0);
    if (limit_bytes) {
        assert_true(statistics().peak_bytes <= limit_bytes);
        assert_true(statistics().limit_failures > 0);
    }
    assert_int_equal(statistics().listed_bytes, 0);
    stop();
}

static void four_cpus_at_once_leave_nothing_behind(void **state)
{
    (void)state;
    hammer_with_four(0);
}

static void four_cpus_at_once_never_pass_the_limit(void **state)
{
    (void)state;
    hammer_with_four(4 * MIB);
}

static void a_second_arena_is_refused_until_the_first_is_gone(void **state)
{
    struct page_config config = config_of(1);
    struct error error;

    (void)state;
    start(&config);
    assert_int_equal(page_init(&config, &error), -EBUSY);
    assert_non_null(page_alloc(4, 0)); /* page_exit does not mind */
    page_exit();
    start(&config);
    assert_int_equal(statistics().peak_bytes, 0);
    stop();
}

static void a_bad_configuration_is_refused(void **state)
{
    struct page_config config = config_of(2);
    struct error error;

    (void)state;
    config.nr_nodes = 1; /* CPU 2 is on node 1 */
    assert_int_equal(page_init(&config, &error), -EINVAL);
    config.nr_nodes = PAGE_MAX_NODES + 1;
    assert_int_equal(page_init(&config, &error), -EINVAL);
    assert_false(page_in_arena(&config));
}

static void an_arena_the_system_has_no_room_for_is_refused_with_advice(void **state)
{
    struct page_config config = config_of(1);
    struct error error;

    (void)state;
    config.node_bytes = (size_t)1 << 48;
    assert_int_equal(page_init(&config, &error), -ENOMEM);
    assert_non_null(strstr(error.text, "ulimit -v"));
}

/* ---- misuse, which checked builds end with a sentence ---- */

#ifdef SLABLAB_CHECKED
/* What a child that runs `misuse` says before it aborts; static. */
static const char *last_words(void (*misuse)(void))
{
    static char text[1024];
    size_t used = 0;
    ssize_t got;
    int ends[2], status;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};

        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        misuse();
        _exit(0);
    }
    close(ends[1]);
    while (used < sizeof text - 1 && (got = read(ends[0], text + used, sizeof text - 1 - used)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    return text;
}

static void free_twice(void)
{
    void *page = page_alloc(0, 0);

    page_free(page, 0);
    page_free(page, 0);
}

static void free_in_another_order(void)
{
    page_free(page_alloc(1, 0), 0);
}

static void free_inside_of_a_block(void)
{
    page_free((char *)page_alloc(1, 0) + PAGE_SIZE, 0);
}

static void free_what_is_not_ours(void)
{
    static char foreign[4096];

    page_free(foreign, 0);
}

static void free_a_range_in_part(void)
{
    range_free(range_alloc(5, 0), 4);
}
#endif

static void misuse_ends_the_program_with_a_sentence(void **state)
{
#ifdef SLABLAB_CHECKED
    struct page_config config = config_of(1);

    (void)state;
    start(&config);
    assert_non_null(strstr(last_words(free_twice), "not held: address 0x55000000"));
    assert_non_null(strstr(last_words(free_in_another_order), "another size"));
    assert_non_null(strstr(last_words(free_inside_of_a_block), "another size"));
    assert_non_null(strstr(last_words(free_what_is_not_ours), "not the arena's"));
    assert_non_null(strstr(last_words(free_a_range_in_part), "another size"));
    stop();
#else
    (void)state;
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_of_every_order_is_aligned_to_its_size_and_writable),
        cmocka_unit_test(the_arena_lies_at_its_fixed_address),
        cmocka_unit_test(an_occupied_address_moves_the_arena_and_says_so),
        cmocka_unit_test(fresh_pages_come_in_ascending_order),
        cmocka_unit_test(what_was_freed_last_is_handed_out_first),
        cmocka_unit_test(freed_pages_coalesce_back_to_whole_blocks),
        cmocka_unit_test(only_what_lies_beyond_the_populated_part_is_late),
        cmocka_unit_test(populated_memory_is_found_where_it_was_bound),
        cmocka_unit_test(memory_that_lies_elsewhere_than_wanted_is_an_error),
        cmocka_unit_test(a_cpu_list_is_filled_by_a_batch_and_drained_above_its_mark),
        cmocka_unit_test(a_page_of_another_node_is_freed_straight_to_its_zone),
        cmocka_unit_test(a_named_node_is_strict_and_any_node_falls_over),
        cmocka_unit_test(any_node_goes_on_to_the_nearest),
        cmocka_unit_test(allocation_fails_exactly_at_the_limit_and_recovers),
        cmocka_unit_test(the_peak_is_the_most_held_at_once),
        cmocka_unit_test(every_page_of_a_range_has_a_true_record),
        cmocka_unit_test(freed_ranges_coalesce_until_nothing_is_left),
        cmocka_unit_test(holes_between_ranges_are_used_again),
        cmocka_unit_test(a_range_of_any_node_falls_over_and_of_a_named_one_does_not),
        cmocka_unit_test(ranges_and_blocks_are_told_apart_by_address_on_every_node),
        cmocka_unit_test(boot_memory_is_zeroed_and_aligned_and_all_of_it_goes_back),
        cmocka_unit_test(small_boot_memory_shares_pages_and_is_reused_by_size),
        cmocka_unit_test(boot_memory_falls_over_and_is_refused_only_by_all_nodes),
        cmocka_unit_test(misuse_ends_the_program_with_a_sentence),
        cmocka_unit_test(a_random_soak_keeps_every_invariant),
        cmocka_unit_test(the_same_requests_get_the_same_addresses),
        cmocka_unit_test(four_cpus_at_once_leave_nothing_behind),
        cmocka_unit_test(four_cpus_at_once_never_pass_the_limit),
        cmocka_unit_test(a_second_arena_is_refused_until_the_first_is_gone),
        cmocka_unit_test(a_bad_configuration_is_refused),
        cmocka_unit_test(an_arena_the_system_has_no_room_for_is_refused_with_advice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
