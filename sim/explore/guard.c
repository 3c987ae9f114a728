/* SPDX-License-Identifier: MIT */
/*
 * Who may touch what while schedules are explored: nobody a page that is not held, no design an
 * object that is its user's. As the directory of caches guards it (coherence.h), at a price that
 * bears to be begun anew for each schedule.
 */
#include "sim/explore/internal.h"

#include <string.h>

#define PAGES           (EXPLORE_ARENA_BYTES >> PAGE_SHIFT)
#define GRANULES_A_PAGE (PAGE_SIZE / 8)

static struct {
    bool held[PAGES];
    uint8_t users[PAGES][GRANULES_A_PAGE]; /* of held pages: the granule is its user's */
} guard;

void explore_guard_reset(void)
{
    memset(guard.held, 0, sizeof guard.held);
}

bool explore_page_held(uintptr_t address)
{
    return guard.held[(address - PAGE_ARENA_BASE) >> PAGE_SHIFT];
}

void explore_pages_are_held(uintptr_t address, size_t bytes, bool held)
{
    size_t first = (address - PAGE_ARENA_BASE) >> PAGE_SHIFT;

    for (size_t page = first; page < first + (bytes >> PAGE_SHIFT); page++) {
        if (guard.held[page] == held)
            explore_found("page %p is %s", (void *)(PAGE_ARENA_BASE + (page << PAGE_SHIFT)),
                          held ? "handed out twice" : "given back twice");
        guard.held[page] = held;
        if (held)
            memset(guard.users[page], 0, GRANULES_A_PAGE);
    }
}

/* Whole granules only: what lies beside the object may share one with it. */
void explore_object_is_users(uintptr_t object, size_t bytes, bool users)
{
    size_t first = (object - PAGE_ARENA_BASE + 7) / 8;
    size_t end = (object - PAGE_ARENA_BASE + bytes) / 8;

    if (object - PAGE_ARENA_BASE < EXPLORE_ARENA_BYTES && first < end)
        memset(&guard.users[0][0] + first, users, end - first);
}

void explore_guard_check(uintptr_t address, size_t bytes, enum cost_op op)
{
    static const char *const did[] = {
        [COST_LOAD] = "read", [COST_STORE] = "wrote", [COST_ATOMIC] = "changed atomically"};
    uintptr_t offset = address - PAGE_ARENA_BASE;

    if (offset >= EXPLORE_ARENA_BYTES || bytes == 0)
        return;
    for (size_t granule = offset / 8; granule <= (offset + bytes - 1) / 8; granule++) {
        bool held = guard.held[granule / GRANULES_A_PAGE];

        if (!held || guard.users[granule / GRANULES_A_PAGE][granule % GRANULES_A_PAGE])
            explore_found("CPU %u %s %p, which is %s", cpu_id(), did[op],
                          (void *)(PAGE_ARENA_BASE + granule * 8),
                          held ? "an object's that is its user's" : "in a page that nobody holds");
    }
}
