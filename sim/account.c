/* SPDX-License-Identifier: MIT */
/* The accounts of contention: what a CPU counts of each lock. */
#include "sim/account.h"

#include "sim/machine.h"

#include <stdlib.h>
#include <string.h>

_Thread_local struct account *account_self __attribute__((tls_model("initial-exec")));

static const char *const layer_names[LAYERS] = {"cpu", "depot", "slab", "page"};

static const char *const exchange_names[EXCHANGE_SITES] = {
    [EXCHANGE_PAGES_HELD] = "pages-held",
    [EXCHANGE_PAGES_PEAK] = "pages-peak",
    [EXCHANGE_FLUSHER] = "flusher",
    [EXCHANGE_GROWING] = "growing",
};

const char *layer_name(enum layer layer)
{
    return layer_names[layer];
}

const char *exchange_site_name(enum exchange_site site)
{
    return exchange_names[site];
}

/* ---- accounts ---- */

struct account *account_create(unsigned cpu, unsigned more_locks, uint64_t seed)
{
    unsigned nr_locks = account_nr_lock_ids() + more_locks;
    size_t locks = nr_locks * sizeof(struct lock_account);
    size_t bytes = (sizeof(struct account) + locks + nr_cpus() + 63) / 64 * 64;
    struct account *account = aligned_alloc(64, bytes);
    /* Memory that is never written to is none: most locks are never held for long, nor waited for.
     */
    struct lock_times *times = calloc(nr_locks, sizeof *times);
    uint8_t *distances;

    if (!account || !times) {
        free(account);
        free(times);
        return NULL;
    }
    memset(account, 0, bytes);
    distances = (uint8_t *)account + sizeof *account + locks;
    for (unsigned i = 0; i < nr_cpus(); i++) {
        if (i == cpu)
            distances[i] = HANDOFF_SAME_CPU;
        else if (machine_node_of(i) == machine_node_of(cpu))
            distances[i] = HANDOFF_SAME_NODE;
        else
            distances[i] = HANDOFF_OTHER_NODE;
    }
    account->cpu = cpu;
    account->nr_cpus = nr_cpus();
    account->nr_locks = nr_locks;
    account->distances = distances;
    account->times = times;
    account->holds = sampler_seeded(ACCOUNT_HOLD_EVERY, seed + cpu);
    for (unsigned i = 0; i < nr_locks; i++)
        account->locks[i].times = &times[i];
    return account;
}

void account_destroy(struct account *account)
{
    if (account)
        free(account->times);
    free(account);
}

void account_merge_lock(struct lock_account *into, const struct lock_account *from)
{
    if (from->acquisitions == 0 && from->trylock_failures == 0)
        return;
    into->acquisitions += from->acquisitions;
    into->contended += from->contended;
    into->trylock_failures += from->trylock_failures;
    for (unsigned i = 0; i < HANDOFFS; i++)
        into->handoffs[i] += from->handoffs[i];
    histogram_merge(&into->times->wait, &from->times->wait);
    histogram_merge(&into->times->hold, &from->times->hold);
}

void account_merge(struct account *into, const struct account *from)
{
    into->trips += from->trips;
    for (unsigned i = 0; i < EXCHANGE_SITES; i++)
        into->failed_exchanges[i] += from->failed_exchanges[i];
    for (unsigned i = 0; i < from->nr_locks; i++)
        account_merge_lock(&into->locks[i], &from->locks[i]);
}

static struct lock_account *lock_account_of(struct account *account, uint16_t id)
{
    return &account->locks[id < account->nr_locks ? id : account_lock_class(id)];
}

void account_acquired(struct account *account, const void *lock, uint16_t id, unsigned previous,
                      uint64_t waiting_since)
{
    struct lock_account *counts = lock_account_of(account, id);

    counts->acquisitions++;
    if (previous && previous <= account->nr_cpus)
        counts->handoffs[account->distances[previous - 1]]++;
    if (waiting_since) {
        counts->contended++;
        histogram_add(&counts->times->wait, now_cycles() - waiting_since);
    }
    /* One hold at a time: one that begins inside of a timed one is passed over. */
    if (sampler_due(&account->holds) && !account->timed) {
        account->timed = lock;
        account->timed_id = id;
        account->timed_since = now_cycles();
    }
}

void account_try_failed(struct account *account, uint16_t id)
{
    lock_account_of(account, id)->trylock_failures++;
}

void account_hold_ends(struct account *account)
{
    histogram_add(&lock_account_of(account, account->timed_id)->times->hold,
                  now_cycles() - account->timed_since);
    account->timed = NULL;
}
