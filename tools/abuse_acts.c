/* SPDX-License-Identifier: MIT */
/*
 * The abuses: writes where nothing was given, frees of what is not there to be freed, use of what
 * was freed, damage to what a design keeps of its own, and broken rules of caches. Where something
 * is written, it is 0x41.
 */
#include "sim/driver.h"
#include "sim/error.h"
#include "sim/page.h"
#include "tools/abuse.h"

#include <stdlib.h>
#include <string.h>

#define WRITTEN 0x41

/* Seen by no compiler: what is written or read belongs to nobody. */
static void write_bytes(unsigned char *at, unsigned n)
{
    volatile unsigned char *bytes = at;

    for (unsigned i = 0; i < n; i++)
        bytes[i] = WRITTEN;
}

static unsigned char *victim(const struct abuse_scene *scene)
{
    return scene->objects[ABUSE_VICTIM];
}

/* ---- writes around a live object ---- */

static bool write_live(struct abuse_scene *scene, const struct abuse *abuse)
{
    write_bytes(victim(scene) + abuse->offset, abuse->n);
    return true;
}

static bool write_live_and_leak(struct abuse_scene *scene, const struct abuse *abuse)
{
    write_live(scene, abuse);
    scene->objects[ABUSE_VICTIM] = NULL;
    return true;
}

/* Which of the victim's page lies highest or lowest: beyond it is what the design keeps there. */
static unsigned char *outermost(const struct abuse_scene *scene, bool highest)
{
    unsigned char *found = victim(scene);

    for (unsigned i = 0; i < scene->count; i++) {
        if (page_of(scene->objects[i]) == page_of(found) && (scene->objects[i] > found) == highest)
            found = scene->objects[i];
    }
    return found;
}

static bool write_page_end(struct abuse_scene *scene, const struct abuse *abuse)
{
    uintptr_t end = ((uintptr_t)outermost(scene, true) | PAGE_MASK) + 1;

    write_bytes((unsigned char *)end - abuse->n, abuse->n);
    return true;
}

static bool write_page_start(struct abuse_scene *scene, const struct abuse *abuse)
{
    unsigned char *start = page_address(page_of(outermost(scene, false)));

    if (outermost(scene, false) < start + abuse->n)
        return false; /* objects begin where the page does */
    write_bytes(start, abuse->n);
    return true;
}

/* ---- frees ---- */

static bool free_twice(struct abuse_scene *scene, const struct abuse *abuse)
{
    unsigned char *object = abuse_give(scene, ABUSE_VICTIM);

    for (unsigned i = 0; i < abuse->n; i++)
        abuse_give(scene, i < ABUSE_VICTIM ? i : i + 1);
    abuse_free(scene, object);
    return true;
}

static bool free_twice_elsewhere(struct abuse_scene *scene, const struct abuse *abuse)
{
    unsigned char *object = abuse_give(scene, ABUSE_VICTIM);

    (void)abuse;
    machine_adopt(1);
    abuse_free(scene, object);
    return true;
}

static bool free_twice_around_alloc(struct abuse_scene *scene, const struct abuse *abuse)
{
    unsigned char *object = abuse_give(scene, ABUSE_VICTIM);

    (void)abuse;
    scene->objects[ABUSE_VICTIM] = abuse_alloc(scene);
    if (victim(scene) != object)
        return false; /* handed out again later than at once */
    memset(object, ABUSE_VICTIM, scene->size);
    abuse_free(scene, object); /* by its former owner */
    return true;
}

static void give_all(struct abuse_scene *scene)
{
    for (unsigned i = 0; i < scene->count; i++) {
        if (scene->objects[i])
            abuse_give(scene, i);
    }
}

static void reclaim(struct abuse_scene *scene)
{
    for (unsigned level = 1; level <= ALLOCATOR_RECLAIM_LEVELS; level++)
        allocator_reclaim(scene->instance, level);
    grace_barrier();
}

static bool free_twice_past_reclaim(struct abuse_scene *scene, const struct abuse *abuse)
{
    unsigned char *object = victim(scene);

    (void)abuse;
    give_all(scene);
    reclaim(scene);
    abuse_free(scene, object);
    return true;
}

static bool free_twice_in_bulk(struct abuse_scene *scene, const struct abuse *abuse)
{
    void *objects[] = {scene->objects[0], victim(scene), scene->objects[1], victim(scene)};

    (void)abuse;
    scene->objects[0] = scene->objects[1] = scene->objects[ABUSE_VICTIM] = NULL;
    allocator_free_bulk(&scene->binding, 4, objects);
    return true;
}

static bool free_null_in_bulk(struct abuse_scene *scene, const struct abuse *abuse)
{
    void *objects[] = {scene->objects[0], NULL};

    (void)abuse;
    scene->objects[0] = NULL;
    allocator_free_bulk(&scene->binding, 2, objects);
    return true;
}

static bool free_beside(struct abuse_scene *scene, const struct abuse *abuse)
{
    abuse_free(scene, victim(scene) + abuse->offset);
    return true;
}

/* One of the slab that nobody was given yet: as far past the last as that is past the one before */
static bool free_never_given(struct abuse_scene *scene, const struct abuse *abuse)
{
    unsigned char *last = scene->objects[scene->count - 1];
    ptrdiff_t stride = last - scene->objects[scene->count - 2];
    unsigned char *next = last + stride;

    (void)abuse;
    if (page_of(next) != page_of(last))
        return false;
    abuse_free(scene, next);
    return true;
}

static bool free_number(struct abuse_scene *scene, const struct abuse *abuse)
{
    abuse_free(scene, (void *)abuse->offset);
    return true;
}

static bool free_stack(struct abuse_scene *scene, const struct abuse *abuse)
{
    _Alignas(64) unsigned char object[256];

    (void)abuse;
    memset(object, WRITTEN, sizeof object);
    abuse_free(scene, object + 128);
    return true;
}

static bool free_heap(struct abuse_scene *scene, const struct abuse *abuse)
{
    (void)abuse;
    /* NOLINTNEXTLINE(bugprone-misplaced-pointer-arithmetic-in-alloc): its middle is freed */
    abuse_free(scene, (char *)calloc(1, 16384) + 8192);
    return true;
}

static bool free_page(struct abuse_scene *scene, const struct abuse *abuse)
{
    (void)abuse;
    abuse_free(scene, (char *)page_alloc(0, PAGE_ANY_NODE) + 2048);
    return true;
}

static bool free_descriptor(struct abuse_scene *scene, const struct abuse *abuse)
{
    (void)abuse;
    abuse_free(scene, scene->cache);
    return true;
}

static bool free_page_record(struct abuse_scene *scene, const struct abuse *abuse)
{
    (void)abuse;
    abuse_free(scene, page_of(victim(scene)));
    return true;
}

/* ---- frees to a cache of another ---- */

static bool free_to_witness(struct abuse_scene *scene, const struct abuse *abuse)
{
    (void)abuse;
    scene->witness.free(scene->witness.cache, victim(scene));
    scene->objects[ABUSE_VICTIM] = NULL;
    return true;
}

/* `n` is the size of the other cache's objects. */
static bool free_to_size(struct abuse_scene *scene, const struct abuse *abuse)
{
    const struct cache_params params = {.name = "other", .size = abuse->n};
    struct binding_of_cache other;
    struct cache *cache;

    if (allocator_cache_create(scene->instance, &params, &cache, NULL) != 0)
        return false;
    allocator_bind_cache(scene->instance, cache, &other);
    other.free(cache, victim(scene));
    scene->objects[ABUSE_VICTIM] = NULL;
    return true;
}

/* `n` is the size that it is freed as. */
static bool free_sized_as(struct abuse_scene *scene, const struct abuse *abuse)
{
    struct binding_of_cache other;

    if (allocator_bind_size(scene->instance, abuse->n, 8, &other, NULL) != 0)
        return false;
    other.free(other.cache, victim(scene));
    scene->objects[ABUSE_VICTIM] = NULL;
    return true;
}

/* ---- use after free ---- */

static bool write_free(struct abuse_scene *scene, const struct abuse *abuse)
{
    write_bytes(abuse_give(scene, ABUSE_VICTIM) + abuse->offset, abuse->n);
    return true;
}

/* Back in its slab, whose other objects live. */
static bool write_free_in_slab(struct abuse_scene *scene, const struct abuse *abuse)
{
    unsigned char *object = abuse_give(scene, ABUSE_VICTIM);

    reclaim(scene);
    write_bytes(object + abuse->offset, abuse->n);
    return true;
}

static bool write_past_reclaim(struct abuse_scene *scene, const struct abuse *abuse)
{
    unsigned char *object = victim(scene);

    give_all(scene);
    reclaim(scene);
    write_bytes(object + abuse->offset, abuse->n);
    return true;
}

static bool write_and_never_again(struct abuse_scene *scene, const struct abuse *abuse)
{
    struct error error;
    unsigned char *object = abuse_give(scene, ABUSE_VICTIM);

    write_bytes(object + abuse->offset, abuse->n);
    give_all(scene);
    if (allocator_cache_destroy(scene->instance, scene->cache, &error) != 0)
        abuse_refused(&error);
    scene->over = true;
    return true;
}

static bool read_free(struct abuse_scene *scene, const struct abuse *abuse)
{
    const volatile unsigned char *object = abuse_give(scene, ABUSE_VICTIM);

    (void)object[abuse->offset];
    return true;
}

static bool read_fresh(struct abuse_scene *scene, const struct abuse *abuse)
{
    const volatile unsigned char *object = abuse_alloc(scene);

    (void)object[abuse->offset];
    abuse_free(scene, (void *)(uintptr_t)object);
    return true;
}

/* The former owner writes to what is another's now. */
static bool write_reused(struct abuse_scene *scene, const struct abuse *abuse)
{
    unsigned char *object = abuse_give(scene, ABUSE_VICTIM);

    scene->objects[ABUSE_VICTIM] = abuse_alloc(scene);
    if (victim(scene) != object)
        return false;
    write_bytes(object + abuse->offset, abuse->n);
    return true;
}

static bool change_built(struct abuse_scene *scene, const struct abuse *abuse)
{
    unsigned char *object = victim(scene);

    write_bytes(object + abuse->offset, abuse->n);
    scene->objects[ABUSE_VICTIM] = NULL;
    abuse_free(scene, object);
    return true;
}

/* ---- damage to what a design keeps ---- */

struct words {
    uint64_t kept, written;
    unsigned found;
};

static void words_overwrite(void *context, const void *address, size_t bytes)
{
    struct words *words = context;
    uint64_t *at = (uint64_t *)(uintptr_t)address;

    for (size_t i = 0; i < bytes / sizeof *at; i++) {
        if (at[i] != words->kept)
            continue;
        at[i] = words->written;
        words->found++;
    }
}

/* All words, of whatever the design keeps, that hold the buffer of a free object. */
static bool overwrite_kept(struct abuse_scene *scene, uint64_t written)
{
    uint64_t lead = allocator_inspect(scene->instance, scene->cache, "debug_lead_bytes");
    struct words words = {.written = written};

    words.kept = (uint64_t)abuse_give(scene, ABUSE_VICTIM);
    if (lead != UINT64_MAX)
        words.kept -= lead;
    page_each_held(words_overwrite, &words);
    return words.found > 0;
}

static bool keep_garbage(struct abuse_scene *scene, const struct abuse *abuse)
{
    (void)abuse;
    return overwrite_kept(scene, UINT64_C(0x4141414141414141));
}

static bool keep_null(struct abuse_scene *scene, const struct abuse *abuse)
{
    (void)abuse;
    return overwrite_kept(scene, 0);
}

static bool keep_live(struct abuse_scene *scene, const struct abuse *abuse)
{
    uint64_t lead = allocator_inspect(scene->instance, scene->cache, "debug_lead_bytes");

    (void)abuse;
    return overwrite_kept(scene, (uint64_t)scene->objects[3] - (lead == UINT64_MAX ? 0 : lead));
}

/* The first word of a free object, where many designs have their link. */
static bool link_to(struct abuse_scene *scene, const void *target)
{
    unsigned char *object = abuse_give(scene, ABUSE_VICTIM);

    reclaim(scene);
    memcpy(object, &target, sizeof target);
    return true;
}

static bool link_to_itself(struct abuse_scene *scene, const struct abuse *abuse)
{
    (void)abuse;
    return link_to(scene, victim(scene));
}

static bool link_to_live(struct abuse_scene *scene, const struct abuse *abuse)
{
    (void)abuse;
    return link_to(scene, scene->objects[3]);
}

static bool damage_page_owner(struct abuse_scene *scene, const struct abuse *abuse)
{
    (void)abuse;
    page_of(victim(scene))->owner = NULL;
    return true;
}

static bool damage_page_freelist(struct abuse_scene *scene, const struct abuse *abuse)
{
    (void)abuse;
    abuse_give(scene, ABUSE_VICTIM);
    page_of(scene->objects[ABUSE_VICTIM + 1])->freelist = scene->objects[ABUSE_VICTIM + 1];
    return true;
}

static bool damage_page_inuse(struct abuse_scene *scene, const struct abuse *abuse)
{
    (void)abuse;
    page_of(victim(scene))->inuse += 3;
    return true;
}

/* ---- rules of caches ---- */

static bool leak(struct abuse_scene *scene, const struct abuse *abuse)
{
    for (unsigned i = 0; i < abuse->n; i++)
        scene->objects[i] = NULL;
    return true;
}

static bool destroy_live(struct abuse_scene *scene, const struct abuse *abuse)
{
    struct error error;

    (void)abuse;
    if (allocator_cache_destroy(scene->instance, scene->cache, &error) != 0)
        abuse_refused(&error);
    else
        scene->over = true;
    return true;
}

static void destroy(struct abuse_scene *scene)
{
    struct error error;

    give_all(scene);
    if (allocator_cache_destroy(scene->instance, scene->cache, &error) != 0)
        abuse_refused(&error);
    scene->over = true;
}

static bool free_destroyed(struct abuse_scene *scene, const struct abuse *abuse)
{
    unsigned char *object = victim(scene);

    (void)abuse;
    destroy(scene);
    abuse_free(scene, object);
    return true;
}

static bool alloc_destroyed(struct abuse_scene *scene, const struct abuse *abuse)
{
    (void)abuse;
    destroy(scene);
    abuse_alloc(scene);
    return true;
}

static bool create_bad(struct abuse_scene *scene, const struct abuse *abuse)
{
    const struct cache_params params = {
        .name = "bad", .size = abuse->n, .align = (size_t)abuse->offset};
    struct cache *cache;
    struct error error;

    if (allocator_cache_create(scene->instance, &params, &cache, &error) != 0)
        abuse_refused(&error);
    return true;
}

static bool request_with(struct abuse_scene *scene, struct request request)
{
    void *object = scene->binding.alloc(scene->binding.cache, &request);

    if (object)
        abuse_free(scene, object);
    return true;
}

static bool request_flags(struct abuse_scene *scene, const struct abuse *abuse)
{
    return request_with(
        scene, (struct request){.size = scene->size, .node = -1, .flags = (uint16_t)abuse->n});
}

static bool request_node(struct abuse_scene *scene, const struct abuse *abuse)
{
    return request_with(scene, (struct request){.size = scene->size, .node = (int16_t)abuse->n});
}

static bool request_size(struct abuse_scene *scene, const struct abuse *abuse)
{
    const struct request request = {.size = abuse->n, .node = -1};
    unsigned char *object = scene->binding.alloc(scene->binding.cache, &request);

    if (object) {
        write_bytes(object, abuse->n);
        abuse_free(scene, object);
    }
    return true;
}

/* ---- all of them ---- */

static const struct abuse abuses[] = {
    /* clang-format off */
    {"overflow-1", "1 byte behind an object", ABUSE_PLAIN, write_live, 64, 1},
    {"overflow-8", "8 bytes behind an object", ABUSE_PLAIN, write_live, 64, 8},
    {"overflow-64", "64 bytes behind an object", ABUSE_PLAIN, write_live, 64, 64},
    {"overflow-pad", "the byte behind 61, in what they are rounded up by", ABUSE_ODD, write_live, 61, 1},
    {"overflow-sized", "the byte behind 100 of an untyped allocation", ABUSE_SIZED, write_live, 100, 1},
    {"overflow-sized-28", "past the 128 that 100 bytes are rounded up to", ABUSE_SIZED, write_live, 100, 36},
    {"overflow-large", "8 bytes behind an object of 20,000", ABUSE_LARGE, write_live, 20000, 8},
    {"overflow-pages", "8 bytes behind an allocation of whole pages", ABUSE_PAGES, write_live, 1 << 20, 8},
    {"overflow-built", "8 bytes behind a constructed object", ABUSE_BUILT, write_live, 64, 8},
    {"overflow-leaked", "8 bytes behind an object that is never freed", ABUSE_PLAIN, write_live_and_leak, 64, 8},
    {"underflow-1", "1 byte before an object", ABUSE_PLAIN, write_live, -1, 1},
    {"underflow-8", "8 bytes before an object", ABUSE_PLAIN, write_live, -8, 8},
    {"underflow-64", "64 bytes before an object", ABUSE_PLAIN, write_live, -64, 64},
    {"underflow-sized", "8 bytes before an untyped allocation", ABUSE_SIZED, write_live, -8, 8},
    {"underflow-large", "8 bytes before an object of 20,000", ABUSE_LARGE, write_live, -8, 8},
    {"page-end", "the last 40 bytes of a slab's page, where slab records lie", ABUSE_PLAIN, write_page_end, 0, 40},
    {"page-start", "the first 64 bytes of a slab's page", ABUSE_PLAIN, write_page_start, 0, 64},
    {"free-twice", "an object freed twice, at once", ABUSE_PLAIN, free_twice, 0, 0},
    {"free-twice-1", "twice, with another's free between", ABUSE_PLAIN, free_twice, 0, 1},
    {"free-twice-30", "twice, with 30 others' frees between", ABUSE_PLAIN, free_twice, 0, 30},
    {"free-twice-cpu", "twice, the second time by another CPU", ABUSE_PLAIN, free_twice_elsewhere, 0, 0},
    {"free-twice-reused", "again by its former owner, when it is another's", ABUSE_PLAIN, free_twice_around_alloc, 0, 0},
    {"free-twice-reclaim", "twice, when its slab has gone between", ABUSE_PLAIN, free_twice_past_reclaim, 0, 0},
    {"free-twice-bulk", "twice in one bulk", ABUSE_PLAIN, free_twice_in_bulk, 0, 0},
    {"free-twice-large", "an object of 20,000 twice", ABUSE_LARGE, free_twice, 0, 0},
    {"free-twice-sized", "an untyped allocation twice", ABUSE_SIZED, free_twice, 0, 0},
    {"free-twice-pages", "whole pages twice", ABUSE_PAGES, free_twice, 0, 0},
    {"free-twice-built", "a constructed object twice", ABUSE_BUILT, free_twice, 0, 0},
    {"free-twice-rcu", "an object of type-safe memory twice", ABUSE_RCU, free_twice, 0, 0},
    {"free-inside", "8 bytes into an object", ABUSE_PLAIN, free_beside, 8, 0},
    {"free-inside-odd", "1 byte into an object", ABUSE_PLAIN, free_beside, 1, 0},
    {"free-inside-large", "a page into an object of 20,000", ABUSE_LARGE, free_beside, 4096, 0},
    {"free-inside-pages", "a page into whole pages", ABUSE_PAGES, free_beside, 4096, 0},
    {"free-before", "8 bytes before an object", ABUSE_PLAIN, free_beside, -8, 0},
    {"free-never-given", "an object that nobody was given", ABUSE_PLAIN, free_never_given, 0, 0},
    {"free-null", "NULL", ABUSE_PLAIN, free_number, 0, 0},
    {"free-number", "the number 4096", ABUSE_PLAIN, free_number, 4096, 0},
    {"free-stack", "a variable on the stack", ABUSE_PLAIN, free_stack, 0, 0},
    {"free-heap", "memory of malloc", ABUSE_PLAIN, free_heap, 0, 0},
    {"free-page", "the middle of a page of the page layer", ABUSE_PLAIN, free_page, 0, 0},
    {"free-descriptor", "the cache itself", ABUSE_PLAIN, free_descriptor, 0, 0},
    {"free-page-record", "the record of the object's page", ABUSE_PLAIN, free_page_record, 0, 0},
    {"free-null-bulk", "a bulk that has a NULL in it", ABUSE_PLAIN, free_null_in_bulk, 0, 0},
    {"wrong-cache", "to another cache of the same size", ABUSE_PLAIN, free_to_witness, 0, 0},
    {"wrong-cache-size", "to a cache of objects of 192", ABUSE_PLAIN, free_to_size, 0, 192},
    {"wrong-sized", "100 untyped bytes freed as 1,000", ABUSE_SIZED, free_sized_as, 0, 1000},
    {"wrong-sized-pages", "100 untyped bytes freed as whole pages", ABUSE_SIZED, free_sized_as, 0, 1 << 20},
    {"wrong-pages-sized", "whole pages freed as 100 bytes", ABUSE_PAGES, free_sized_as, 0, 100},
    {"wrong-typed-sized", "an object of a cache freed as 64 untyped bytes", ABUSE_PLAIN, free_sized_as, 0, 64},
    {"wrong-sized-typed", "100 untyped bytes freed to a cache of 128", ABUSE_SIZED, free_to_size, 0, 128},
    {"write-free-0", "8 bytes at 0 of a free object", ABUSE_PLAIN, write_free, 0, 8},
    {"write-free-8", "8 bytes at 8 of a free object", ABUSE_PLAIN, write_free, 8, 8},
    {"write-free-middle", "1 byte in the middle of a free object", ABUSE_PLAIN, write_free, 32, 1},
    {"write-free-last", "the last byte of a free object", ABUSE_PLAIN, write_free, 63, 1},
    {"write-free-behind", "the byte behind a free object", ABUSE_PLAIN, write_free, 64, 1},
    {"write-free-before", "8 bytes before a free object", ABUSE_PLAIN, write_free, -8, 8},
    {"write-free-slab-0", "8 bytes at 0 of a free object that is back in its slab", ABUSE_PLAIN, write_free_in_slab, 0, 8},
    {"write-free-slab-8", "8 bytes at 8 of one that is back in its slab", ABUSE_PLAIN, write_free_in_slab, 8, 8},
    {"write-free-reclaim", "one whose slab has gone", ABUSE_PLAIN, write_past_reclaim, 16, 8},
    {"write-free-last-use", "a free object that is not allocated again; its cache goes", ABUSE_PLAIN, write_and_never_again, 24, 8},
    {"write-free-large", "8 bytes in the middle of a free object of 20,000", ABUSE_LARGE, write_free, 10000, 8},
    {"write-free-sized", "8 bytes at 16 of a free untyped allocation", ABUSE_SIZED, write_free, 16, 8},
    {"write-free-pages", "8 bytes in free whole pages", ABUSE_PAGES, write_free, 4096, 8},
    {"write-free-built", "8 bytes at 16 of a free constructed object", ABUSE_BUILT, write_free, 16, 8},
    {"write-free-rcu", "8 bytes at 16 of a free object of type-safe memory", ABUSE_RCU, write_free, 16, 8},
    {"write-reused", "a former owner writes to what is another's now", ABUSE_PLAIN, write_reused, 0, 8},
    {"read-free", "a free object is read", ABUSE_PLAIN, read_free, 0, 0},
    {"read-fresh", "an object is read that was never written", ABUSE_PLAIN, read_fresh, 0, 0},
    {"built-changed", "a constructed object is freed changed", ABUSE_BUILT, change_built, 16, 8},
    {"link-itself", "a free object's first word made to point at itself", ABUSE_PLAIN, link_to_itself, 0, 0},
    {"link-live", "a free object's first word made to point at a live one", ABUSE_PLAIN, link_to_live, 0, 0},
    {"kept-garbage", "where the design keeps a free object: garbage", ABUSE_PLAIN, keep_garbage, 0, 0},
    {"kept-null", "where the design keeps a free object: NULL", ABUSE_PLAIN, keep_null, 0, 0},
    {"kept-live", "where the design keeps a free object: a live one", ABUSE_PLAIN, keep_live, 0, 0},
    {"page-owner", "a page record's owner is cleared", ABUSE_PLAIN, damage_page_owner, 0, 0},
    {"page-freelist", "a page record's freelist points at a live object", ABUSE_PLAIN, damage_page_freelist, 0, 0},
    {"page-inuse", "a page record counts 3 objects too many", ABUSE_PLAIN, damage_page_inuse, 0, 0},
    {"leak-1", "an object is never freed", ABUSE_PLAIN, leak, 0, 1},
    {"leak-sized", "10 untyped allocations are never freed", ABUSE_SIZED, leak, 0, 10},
    {"leak-pages", "whole pages are never freed", ABUSE_PAGES, leak, 0, 1},
    {"destroy-live", "a cache is destroyed with live objects", ABUSE_PLAIN, destroy_live, 0, 0},
    {"free-destroyed", "a free to a cache that was destroyed", ABUSE_PLAIN, free_destroyed, 0, 0},
    {"alloc-destroyed", "an allocation from a cache that was destroyed", ABUSE_PLAIN, alloc_destroyed, 0, 0},
    {"create-size-0", "a cache of objects of no bytes", ABUSE_PLAIN, create_bad, 8, 0},
    {"create-align-3", "a cache of objects aligned to 3", ABUSE_PLAIN, create_bad, 3, 64},
    {"request-flags", "an allocation with flags that there are not", ABUSE_PLAIN, request_flags, 0, 0x8000},
    {"request-node", "an allocation on node 99 of 1", ABUSE_PLAIN, request_node, 0, 99},
    {"request-size", "80 bytes asked of a cache of 64, and written", ABUSE_PLAIN, request_size, 0, 80},
    /* clang-format on */
};

const struct abuse *abuse_at(size_t index)
{
    return index < sizeof abuses / sizeof abuses[0] ? &abuses[index] : NULL;
}
