/* SPDX-License-Identifier: MIT */
/* Going over all that is held, and where the system says that it lies. */
#include "sim/error.h"
#include "sim/machine.h"
#include "sim/page.h"
#include "tests/forbid.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)

static const unsigned node_of_cpu[] = {0};

/* One CPU, on node 0. */
static void start(unsigned nr_nodes, const int *os_node)
{
    static struct machine_cpu cpu;
    const struct page_config config = {.nr_nodes = nr_nodes,
                                       .nr_cpus = 1,
                                       .cpu_node = node_of_cpu,
                                       .os_node = os_node,
                                       .node_bytes = 32 * MIB};
    struct error error = {""};

    machine_cpu_init(&cpu, 0, 0);
    machine_self = &cpu;
    page_exit(); /* what a test before that was skipped or failed has left */
    if (page_init(&config, &error))
        fail_msg("%s", error.text);
}

static void stop(void)
{
    page_check();
    page_exit();
}

/* ---- the walk ---- */

#define PIECES 400

static struct piece {
    char *address;
    size_t pages;
    bool range;
} pieces[PIECES];

static void piece_give(struct piece *piece)
{
    if (piece->range)
        range_free(piece->address, piece->pages);
    else
        page_free(piece->address, (unsigned)__builtin_ctzl(piece->pages));
    piece->address = NULL;
}

/* Blocks of all orders up to 4 and ranges, many of them freed again: the rest has gaps. */
static void pieces_take(unsigned nr_nodes)
{
    uint32_t random = 1;

    for (unsigned i = 0; i < PIECES; i++) {
        random = random * 1664525 + 1013904223;
        pieces[i].range = random >> 16 & 1;
        pieces[i].pages = pieces[i].range ? 1 + (random >> 20) % 9 : 1u << (random >> 20) % 5;
        pieces[i].address = pieces[i].range ? range_alloc(pieces[i].pages, (int)(i % nr_nodes))
                                            : page_alloc((unsigned)__builtin_ctzl(pieces[i].pages),
                                                         (int)(i % nr_nodes));
        assert_non_null(pieces[i].address);
    }
    for (unsigned i = 0; i < PIECES; i++) {
        random = random * 1664525 + 1013904223;
        if (random >> 16 & 1)
            piece_give(&pieces[i]);
    }
}

static void pieces_give(void)
{
    for (unsigned i = 0; i < PIECES; i++) {
        if (pieces[i].address)
            piece_give(&pieces[i]);
    }
}

static unsigned visited[PIECES];

static void visit(void *context, const void *address, size_t bytes)
{
    size_t *sum = context;

    for (unsigned i = 0; i < PIECES; i++) {
        if (pieces[i].address == address) {
            assert_int_equal(bytes, pieces[i].pages * PAGE_SIZE);
            visited[i]++;
            *sum += bytes;
            return;
        }
    }
    fail_msg("%zu bytes at %p are not held", bytes, address);
}

static void the_walk_meets_each_held_piece_once_and_nothing_else(void **state)
{
    struct page_statistics statistics;
    size_t sum = 0;

    (void)state;
    start(2, NULL);
    pieces_take(2);
    memset(visited, 0, sizeof visited);
    page_each_held(visit, &sum);
    for (unsigned i = 0; i < PIECES; i++)
        assert_int_equal(visited[i], pieces[i].address != NULL);
    page_get_statistics(&statistics);
    assert_int_equal(sum, statistics.held_bytes);
    pieces_give();
    sum = 0;
    page_each_held(visit, &sum);
    assert_int_equal(sum, 0);
    stop();
}

/* ---- where pages lie ---- */

static const int only_node[] = {0};
/* Far more than a system has, so that no memory can be bound to it. */
static const int no_such_node[] = {0, 1023};

static size_t sum_by_node(const struct page_placement *placement)
{
    size_t sum = 0;

    for (unsigned i = 0; i < PAGE_MAX_NODES; i++)
        sum += placement->by_node[i];
    return sum;
}

/* Asks of `most` pages; skips the test where the system does not tell. */
static struct page_placement placement_of(size_t most)
{
    struct page_placement placement;

    if (!page_placement(most, &placement))
        skip();
    assert_int_equal(placement.asked,
                     placement.absent + placement.elsewhere + sum_by_node(&placement));
    assert_true(placement.right <= sum_by_node(&placement));
    return placement;
}

static void bound_pages_lie_where_their_record_says(void **state)
{
    struct page_placement placement;
    struct page_statistics statistics;
    size_t held;

    (void)state;
    start(1, only_node);
    pieces_take(1);
    page_get_statistics(&statistics);
    held = statistics.held_bytes / PAGE_SIZE;
    placement = placement_of(100);
    assert_int_equal(placement.asked, 100);
    assert_int_equal(placement.right, 100);
    assert_int_equal(placement.by_node[0], 100);
    /* No more can be asked of than are held. */
    placement = placement_of(held + 1000);
    assert_int_equal(placement.asked, held);
    assert_int_equal(placement.right, held);
    assert_int_equal(placement_of(0).asked, 0);
    pieces_give();
    assert_int_equal(placement_of(100).asked, 0);
    stop();
}

/* As if the system had taken the memory away. */
static void drop(char *address, size_t pages)
{
    assert_int_equal(madvise(address, pages * PAGE_SIZE, MADV_DONTNEED), 0);
}

static void pages_asked_of_are_spread_evenly_over_all_that_is_held(void **state)
{
    struct page_placement placement;
    char *first, *second, *range;

    (void)state;
    start(1, only_node);
    first = page_alloc(8, PAGE_ANY_NODE);
    second = page_alloc(8, PAGE_ANY_NODE);
    range = range_alloc(512, PAGE_ANY_NODE);
    drop(first, 256);
    placement = placement_of(100);
    assert_int_equal(placement.asked, 100);
    assert_int_equal(placement.absent, 25);
    assert_int_equal(placement.right, 75);
    drop(range + 128 * PAGE_SIZE, 256);
    assert_int_equal(placement_of(16).absent, 8);
    assert_int_equal(placement_of(1024).absent, 512);
    drop(range, 512);
    drop(second, 256);
    placement = placement_of(7);
    assert_int_equal(placement.absent, 7);
    assert_int_equal(placement.right, 0);
    page_free(first, 8);
    page_free(second, 8);
    range_free(range, 512);
    stop();
}

static void pages_that_lie_elsewhere_than_their_record_says_are_told(void **state)
{
    struct page_placement placement;
    char *right, *wrong;

    (void)state;
    start(2, no_such_node);
    right = page_alloc(4, 0);
    wrong = page_alloc(5, 1);
    memset(right, 1, 16 * PAGE_SIZE);
    memset(wrong, 1, 32 * PAGE_SIZE);
    placement = placement_of(48);
    assert_int_equal(placement.asked, 48);
    assert_int_equal(placement.right, 16);
    assert_int_equal(placement.absent, 0);
    assert_int_equal(placement.by_node[1], 0);
    assert_int_equal(placement.by_node[0] + placement.elsewhere, 48);
    page_free(right, 4);
    page_free(wrong, 5);
    stop();
}

static bool placement_is_not_told(void)
{
    struct page_placement placement;
    static const struct page_placement nothing;

    return !page_placement(10, &placement) && memcmp(&placement, &nothing, sizeof nothing) == 0;
}

static void memory_that_is_bound_to_no_node_has_no_placement(void **state)
{
    void *page;

    (void)state;
    start(1, NULL);
    page = page_alloc(0, PAGE_ANY_NODE);
    assert_true(placement_is_not_told());
    page_free(page, 0);
    stop();
}

static void a_system_that_will_not_say_is_no_error(void **state)
{
    void *page;

    (void)state;
    start(1, only_node);
    page = page_alloc(0, PAGE_ANY_NODE);
    assert_where_forbidden(SYS_move_pages, EPERM, placement_is_not_told);
    assert_where_forbidden(SYS_move_pages, ENOSYS, placement_is_not_told);
    page_free(page, 0);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_walk_meets_each_held_piece_once_and_nothing_else),
        cmocka_unit_test(bound_pages_lie_where_their_record_says),
        cmocka_unit_test(pages_asked_of_are_spread_evenly_over_all_that_is_held),
        cmocka_unit_test(pages_that_lie_elsewhere_than_their_record_says_are_told),
        cmocka_unit_test(memory_that_is_bound_to_no_node_has_no_placement),
        cmocka_unit_test(a_system_that_will_not_say_is_no_error),
    };

    return cmocka_run_group_tests_name("page_walk", tests, NULL, NULL);
}
