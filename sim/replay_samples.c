/* SPDX-License-Identifier: MIT */
/* The account of memory at a plan's cuts: every worker stands, and all before the cut has run. */
#include "sim/error.h"
#include "sim/replay_internal.h"

#include <stdio.h>
#include <string.h>

/* A cache's part of the ledger, to its account. Caches come in one order, so the search is short.
 */
static void part_note(void *context, struct cache *cache, const char *name,
                      const struct ledger *part)
{
    struct replay *replay = context;
    struct replay_result *result = replay->result;

    for (size_t i = 0; cache && i < result->nr_caches; i++) {
        size_t at = (replay->part_hint + i) % result->nr_caches;

        if (strcmp(result->caches[at].name, name) != 0)
            continue;
        replay->part_ledgers[at] = *part;
        replay->part_ledgers[at].claims = NULL;
        replay->part_hint = at + 1;
        return;
    }
}

/* Is the newest sample the one with most held, or most live? Of the latter the parts are kept. */
static void extremes_note(struct replay *replay)
{
    struct replay_result *result = replay->result;
    size_t newest = result->nr_samples - 1;
    const struct ledger *ledger = &result->samples[newest].ledger;

    if (newest == 0 || ledger->page_bytes > result->samples[result->peak_sample].ledger.page_bytes)
        result->peak_sample = newest;
    if (newest && ledger->requested <= result->samples[result->most_live_sample].ledger.requested)
        return;
    result->most_live_sample = newest;
    for (size_t i = 0; i < result->nr_caches; i++)
        result->caches[i].most_live = replay->part_ledgers[i];
}

/* Pages that the system is asked for at each sample. */
#define PLACEMENT_PAGES 64

static void placement_note(struct replay *replay)
{
    struct page_placement *sum = &replay->result->placement, here;

    if (!(replay->config->record & RECORD_LOCALITY) || !page_placement(PLACEMENT_PAGES, &here))
        return;
    sum->asked += here.asked;
    sum->right += here.right;
    sum->absent += here.absent;
    sum->elsewhere += here.elsewhere;
    for (unsigned i = 0; i < nr_nodes(); i++)
        sum->by_node[i] += here.by_node[i];
}

#ifdef SLABLAB_CHECKED
#define CLAIMS_KEPT true
#else
#define CLAIMS_KEPT false
#endif

void replay_sample_take(struct replay *replay)
{
    struct replay_result *result = replay->result;
    const struct plan_cut *here = &replay->plan->cuts[result->nr_samples];
    struct replay_sample *sample = &result->samples[result->nr_samples++];
    uint64_t replicas = replay->config->replicas;
    uint64_t objects = here->live_objects * replicas, bytes = here->live_bytes * replicas;
    struct page_statistics pages;
    struct error error;

    for (unsigned i = 0; i < nr_cpus(); i++) {
        objects -= replay->workers[i].missing_objects;
        bytes -= replay->workers[i].missing_bytes;
    }
    *sample = (struct replay_sample){.event = here->event * replicas, .time_ns = here->time_ns};
    memset(replay->part_ledgers, 0, result->nr_caches * sizeof *replay->part_ledgers);
    replay->part_hint = 0;
    sample->ledger.keeps_claims = CLAIMS_KEPT;
    allocator_ledger(replay->allocator, &sample->ledger, part_note, replay);
    if (ledger_balance(&sample->ledger, bytes, objects, &error) != 0 && !result->ledger_error[0])
        snprintf(result->ledger_error, sizeof result->ledger_error, "after event %llu: %.200s",
                 (unsigned long long)sample->event, error.text);
    ledger_cleanup(&sample->ledger);
    page_get_statistics(&pages);
    memcpy(sample->free_blocks, pages.free_blocks, sizeof sample->free_blocks);
    sample->listed_bytes = pages.listed_bytes;
    extremes_note(replay);
    placement_note(replay);
}
