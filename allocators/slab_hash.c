/* SPDX-License-Identifier: MIT */
/* The self-growing hash of buffer addresses, and its bill. */
#include "allocators/slab_hash.h"

#include <errno.h>

/* The golden ratio's multiplier: neighbouring addresses land far apart in the top bits. */
#define HASH_MULTIPLIER UINT64_C(0x61C8864680B583EB)

/* Items a list may have on average before the table doubles: 13/20 = 0.65. */
#define HASH_LOAD_NUMERATOR   13
#define HASH_LOAD_DENOMINATOR 20

static size_t lists_bytes(size_t lists)
{
    return lists * sizeof(struct cds_hlist_head);
}

static struct cds_hlist_head *list_of(struct slab_hash *hash, const void *buffer)
{
    return &hash->lists[((uintptr_t)buffer * HASH_MULTIPLIER) >> hash->shift];
}

static unsigned shift_of(size_t lists)
{
    return 64 - (unsigned)__builtin_ctzll(lists);
}

int slab_hash_init(struct slab_hash *hash, size_t lists)
{
    *hash = (struct slab_hash){
        .lists = boot_alloc(lists_bytes(lists), PAGE_ANY_NODE),
        .nr_lists = lists,
        .shift = shift_of(lists),
    };
    if (!hash->lists)
        return -ENOMEM;
    machine_memory_is(hash->lists, lists_bytes(lists), MEMORY_SLAB_RECORD);
    return 0;
}

void slab_hash_cleanup(struct slab_hash *hash)
{
    if (hash->lists)
        boot_free(hash->lists, lists_bytes(hash->nr_lists));
    hash->lists = NULL;
}

static void chain_note(struct slab_hash *hash, uint32_t length)
{
    if (length > hash->longest_chain)
        hash->longest_chain = length;
}

/* Moves all items to twice the lists; without memory for those the old ones stay. */
static void hash_double(struct slab_hash *hash)
{
    struct cds_hlist_head *old = hash->lists;
    size_t old_lists = hash->nr_lists;
    struct cds_hlist_head *lists = boot_alloc(lists_bytes(2 * old_lists), PAGE_ANY_NODE);

    if (!lists) {
        hash->failed_resizes++;
        return;
    }
    machine_memory_is(lists, lists_bytes(2 * old_lists), MEMORY_SLAB_RECORD);
    hash->lists = lists;
    hash->nr_lists = 2 * old_lists;
    hash->shift--;
    for (size_t i = 0; i < old_lists; i++) {
        struct bufctl *bufctl, *next;
        uint32_t length = 0;

        cds_hlist_for_each_entry_safe_2(bufctl, next, &old[i], link) {
            cds_hlist_add_head(&bufctl->link, list_of(hash, bufctl->buffer));
            length++;
        }
        chain_note(hash, length);
    }
    boot_free(old, lists_bytes(old_lists));
    hash->resizes++;
}

void slab_hash_insert(struct slab_hash *hash, struct bufctl *bufctl)
{
    cds_hlist_add_head(&bufctl->link, list_of(hash, bufctl->buffer));
    hash->items++;
    if (hash->items > hash->nr_lists * HASH_LOAD_NUMERATOR / HASH_LOAD_DENOMINATOR) {
        uint64_t start = now_cycles();

        hash_double(hash);
        hash->resize_cycles += now_cycles() - start;
    }
}

struct bufctl *slab_hash_remove(struct slab_hash *hash, const void *buffer)
{
    struct bufctl *bufctl;
    uint32_t probes = 0;

    cds_hlist_for_each_entry_2(bufctl, list_of(hash, buffer), link) {
        probes++;
        if (bufctl->buffer == buffer)
            break;
    }
    hash->lookups++;
    hash->probes += probes;
    if (probes > hash->longest_lookup)
        hash->longest_lookup = probes;
    chain_note(hash, probes);
    if (!bufctl)
        return NULL;
    cds_hlist_del(&bufctl->link);
    hash->items--;
    return bufctl;
}

/* Of those that were walked, and of all that are there now. */
static uint32_t longest_chain(const struct slab_hash *hash)
{
    uint32_t longest = hash->longest_chain;

    for (size_t i = 0; i < hash->nr_lists; i++) {
        const struct cds_hlist_node *node;
        uint32_t length = 0;

        cds_hlist_for_each(node, &hash->lists[i])
            length++;
        if (length > longest)
            longest = length;
    }
    return longest;
}

void slab_hash_inspect(const struct slab_hash *hash, inspect_fn emit, void *context)
{
    emit(context, "hash_lists", hash->nr_lists);
    emit(context, "hash_items", hash->items);
    emit(context, "hash_lookups", hash->lookups);
    emit(context, "hash_probes", hash->probes);
    emit(context, "hash_longest_lookup", hash->longest_lookup);
    emit(context, "hash_longest_chain", longest_chain(hash));
    emit(context, "hash_resizes", hash->resizes);
    emit(context, "hash_failed_resizes", hash->failed_resizes);
    emit(context, "hash_resize_ns", machine_cycles_to_ns(hash->resize_cycles));
}
