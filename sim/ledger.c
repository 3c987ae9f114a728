/* SPDX-License-Identifier: MIT */
/* Where every byte is. The equations are in ledger.h. */
#include "sim/ledger.h"

#include "sim/array.h"
#include "sim/error.h"
#include "sim/page.h"

#include <errno.h>
#include <stdlib.h>

void ledger_claim(struct ledger *ledger, const void *base, size_t bytes)
{
    if (!ledger->keeps_claims)
        return;
    if (array_grow((void **)&ledger->claims, &ledger->claims_capacity, ledger->nr_claims + 1,
                   sizeof *ledger->claims) != 0) {
        ledger->claims_lost = true;
        return;
    }
    ledger->claims[ledger->nr_claims++] = (struct ledger_claim){(uintptr_t)base, bytes};
}

/* ---- what a design says ---- */

static unsigned occupancy(unsigned out, unsigned objects)
{
    if (out == 0)
        return 0;
    if (out == objects)
        return LEDGER_OCCUPANCIES - 1;
    return 1 + (out * 10 - 1) / objects;
}

void ledger_add_slabs(struct ledger *ledger, const struct ledger_slab *slab, uint64_t n,
                      enum ledger_use use)
{
    uint64_t tags = (uint64_t)slab->objects * (slab->stride - slab->object_bytes);
    uint64_t out_bytes = (uint64_t)slab->out * slab->object_bytes;

    ledger->slabs += n;
    ledger->occupancy[occupancy(slab->out, slab->objects)] += n;
    if (slab->out == 0) {
        ledger->empty_slabs += n * slab->bytes;
        return;
    }
    ledger->metadata += n * (slab->record_bytes + tags);
    ledger->slab_tail +=
        n * (slab->bytes - slab->record_bytes - (uint64_t)slab->objects * slab->stride);
    ledger->partial_free += n * (slab->objects - slab->out) * slab->object_bytes;
    if (use == LEDGER_METADATA) {
        ledger->metadata += n * out_bytes;
    } else {
        ledger->live_objects += n * slab->out;
        ledger->live_bytes += n * out_bytes;
    }
}

void ledger_add_slab(struct ledger *ledger, const struct ledger_slab *slab, enum ledger_use use)
{
    ledger_claim(ledger, slab->base, slab->bytes);
    ledger_add_slabs(ledger, slab, 1, use);
}

static void rest(struct ledger *ledger, uint64_t n, size_t object_bytes, enum ledger_use use)
{
    if (use == LEDGER_METADATA) {
        ledger->metadata -= n * object_bytes;
    } else {
        ledger->live_objects -= n;
        ledger->live_bytes -= n * object_bytes;
    }
}

void ledger_rest_in_cpus(struct ledger *ledger, uint64_t n, size_t object_bytes,
                         enum ledger_use use)
{
    rest(ledger, n, object_bytes, use);
    ledger->cpu_cached += n * object_bytes;
}

void ledger_rest_in_depot(struct ledger *ledger, uint64_t n, size_t object_bytes,
                          enum ledger_use use)
{
    rest(ledger, n, object_bytes, use);
    ledger->depot_cached += n * object_bytes;
}

void ledger_add_grace(struct ledger *ledger, const void *base, size_t bytes)
{
    ledger_claim(ledger, base, bytes);
    ledger->grace += bytes;
}

void ledger_add_emergency(struct ledger *ledger, const void *base, size_t bytes,
                          size_t object_bytes)
{
    ledger_claim(ledger, base, bytes);
    ledger->live_objects++;
    ledger->live_bytes += object_bytes;
    ledger->emergency += bytes - object_bytes;
}

void ledger_add_pages(struct ledger *ledger, const void *base, size_t bytes)
{
    ledger_claim(ledger, base, bytes);
    ledger->live_objects++;
    ledger->live_bytes += bytes;
}

void ledger_add_metadata(struct ledger *ledger, const void *base, size_t bytes)
{
    ledger_claim(ledger, base, bytes);
    ledger->metadata += bytes;
}

/* ---- who asks ---- */

void ledger_merge(struct ledger *into, struct ledger *from)
{
    into->requested += from->requested;
    into->rounding += from->rounding;
    into->slab_tail += from->slab_tail;
    into->metadata += from->metadata;
    into->partial_free += from->partial_free;
    into->empty_slabs += from->empty_slabs;
    into->cpu_cached += from->cpu_cached;
    into->depot_cached += from->depot_cached;
    into->emergency += from->emergency;
    into->grace += from->grace;
    into->live_objects += from->live_objects;
    into->live_bytes += from->live_bytes;
    into->slabs += from->slabs;
    for (unsigned i = 0; i < LEDGER_OCCUPANCIES; i++)
        into->occupancy[i] += from->occupancy[i];
    into->claims_lost |= from->claims_lost;
    for (size_t i = 0; i < from->nr_claims; i++)
        ledger_claim(into, (const void *)from->claims[i].base, from->claims[i].bytes);
    from->nr_claims = 0;
}

void ledger_cleanup(struct ledger *ledger)
{
    free(ledger->claims);
    ledger->claims = NULL;
    ledger->nr_claims = ledger->claims_capacity = 0;
}

uint64_t ledger_sum(const struct ledger *ledger)
{
    return ledger->requested + ledger->rounding + ledger->slab_tail + ledger->metadata +
           ledger->partial_free + ledger->empty_slabs + ledger->cpu_cached + ledger->depot_cached +
           ledger->emergency + ledger->grace;
}

double ledger_internal(const struct ledger *ledger)
{
    uint64_t objects = ledger->requested + ledger->rounding;

    return objects ? (double)ledger->rounding / (double)objects : 0;
}

double ledger_external(const struct ledger *ledger)
{
    uint64_t objects = ledger->requested + ledger->rounding;

    return ledger->page_bytes ? 1 - (double)objects / (double)ledger->page_bytes : 0;
}

/* ---- claims against the records of pages ---- */

static int claim_compare(const void *a, const void *b)
{
    const struct ledger_claim *x = a, *y = b;

    return (x->base > y->base) - (x->base < y->base);
}

struct claims_walk {
    const struct ledger *ledger;
    size_t nr_met;
    size_t unclaimed_bytes;
};

static void meet_held(void *context, const void *address, size_t bytes)
{
    struct claims_walk *walk = context;
    const struct ledger_claim wanted = {(uintptr_t)address, bytes};
    const struct ledger_claim *found = NULL;

    if (walk->ledger->nr_claims) /* else there is no array either */
        found = bsearch(&wanted, walk->ledger->claims, walk->ledger->nr_claims, sizeof wanted,
                        claim_compare);
    if (found && found->bytes == bytes)
        walk->nr_met++;
    else
        walk->unclaimed_bytes += bytes;
}

static int claims_check(struct ledger *ledger, size_t boot_bytes, struct error *error)
{
    struct claims_walk walk = {.ledger = ledger};

    if (!ledger->keeps_claims || ledger->claims_lost)
        return 0;
    if (ledger->nr_claims)
        qsort(ledger->claims, ledger->nr_claims, sizeof *ledger->claims, claim_compare);
    for (size_t i = 1; i < ledger->nr_claims; i++) {
        if (ledger->claims[i - 1].base + ledger->claims[i - 1].bytes > ledger->claims[i].base)
            return error_set(error, EPROTO, "memory at %#zx is in the ledger twice",
                             (size_t)ledger->claims[i].base);
    }
    page_each_held(meet_held, &walk);
    if (walk.nr_met != ledger->nr_claims)
        return error_set(error, EPROTO, "%zu pieces are in the ledger that are not held so",
                         ledger->nr_claims - walk.nr_met);
    if (walk.unclaimed_bytes != boot_bytes)
        return error_set(error, EPROTO,
                         "%zu bytes held are in nobody's ledger, but boot memory is %zu",
                         walk.unclaimed_bytes, boot_bytes);
    return 0;
}

int ledger_balance(struct ledger *ledger, uint64_t requested, uint64_t live, struct error *error)
{
    struct page_statistics pages;

    page_get_statistics(&pages);
    ledger->metadata += pages.boot_bytes;
    ledger->page_bytes = pages.held_bytes;
    ledger->requested = requested;
    ledger->rounding = ledger->live_bytes - requested;
    if (ledger->live_objects != live)
        return error_set(error, EPROTO, "%llu objects are live, but the ledger has %llu",
                         (unsigned long long)live, (unsigned long long)ledger->live_objects);
    if (ledger->live_bytes < requested)
        return error_set(error, EPROTO, "live objects take %llu bytes, but %llu were asked for",
                         (unsigned long long)ledger->live_bytes, (unsigned long long)requested);
    if (ledger_sum(ledger) != ledger->page_bytes)
        return error_set(error, EPROTO, "the parts sum to %llu bytes, but %llu are held",
                         (unsigned long long)ledger_sum(ledger),
                         (unsigned long long)ledger->page_bytes);
    return claims_check(ledger, pages.boot_bytes, error);
}
