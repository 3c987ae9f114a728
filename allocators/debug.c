/* SPDX-License-Identifier: MIT */
/*
 * The debug layer's place: a design's functions, each with what debug_object.c does before or after
 * it. Off, none of this is called: the front end binds callers to the design itself.
 */
#include "allocators/debug.h"

#include "sim/machine.h"

#include <errno.h>

#define LEAD_LEAST 80 /* 64 for what debug.h draws, and a red zone of 16 */
#define TAIL_LEAST 16 /* of the red zone behind */

#define BULK 64 /* objects checked at once */

struct debug_instance {
    const struct allocator *design;
    void *running;
};

static size_t round_up(size_t value, size_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* ---- start, stop ---- */

int debug_start(const struct allocator *design, const void *options, void **result,
                struct error *error)
{
    struct debug_instance *instance = boot_alloc(sizeof *instance, PAGE_ANY_NODE);
    int code;

    if (!instance)
        return error_set(error, ENOMEM, "no memory for the debug layer");
    instance->design = design;
    code = design->start ? design->start(options, &instance->running, error) : 0;
    if (code)
        boot_free(instance, sizeof *instance);
    else
        *result = instance;
    return code;
}

static void debug_stop(void *running)
{
    struct debug_instance *instance = running;

    if (instance->design->stop)
        instance->design->stop(instance->running);
    boot_free(instance, sizeof *instance);
}

static void debug_reclaim(void *running, unsigned level)
{
    const struct debug_instance *instance = running;

    instance->design->reclaim(instance->running, level);
}

/* ---- caches ---- */

static int debug_construct(void *buffer, size_t size, void *context)
{
    const struct cache *cache = context;

    (void)size;
    return cache->params.construct((char *)buffer + cache->lead, cache->params.size,
                                   cache->params.context);
}

static void debug_destruct(void *buffer, size_t size, void *context)
{
    const struct cache *cache = context;

    (void)size;
    cache->params.destruct((char *)buffer + cache->lead, cache->params.size, cache->params.context);
}

static int debug_cache_create(void *running, const struct cache_params *params,
                              struct cache **result, struct error *error)
{
    const struct debug_instance *instance = running;
    struct cache *cache = boot_alloc(sizeof *cache, PAGE_ANY_NODE);
    struct cache_params inner = *params;
    int code;

    if (!cache)
        return error_set(error, ENOMEM, "cache '%s': no memory for its descriptor", params->name);
    *cache = (struct cache){
        .mark = debug_cache_mark(cache),
        .design = instance->design,
        .params = *params,
        .lead = round_up(LEAD_LEAST, params->align),
        .poisoned = !params->construct && !params->destruct && params->flags == 0,
    };
    cache->bytes = cache->lead + round_up(params->size, 8) + TAIL_LEAST;
    inner.size = cache->bytes;
    inner.construct = params->construct ? debug_construct : NULL;
    inner.destruct = params->destruct ? debug_destruct : NULL;
    inner.buffer_made = debug_buffer_made;
    inner.buffer_gone = debug_buffer_gone;
    inner.context = cache;
    code = cache->design->cache_create(instance->running, &inner, &cache->inner, error);
    if (code)
        boot_free(cache, sizeof *cache);
    else
        *result = cache;
    return code;
}

static int debug_cache_destroy(void *running, struct cache *cache, struct error *error)
{
    const struct debug_instance *instance = running;
    int code = cache->design->cache_destroy(instance->running, cache->inner, error);

    if (code)
        return code;
    cache->mark = 0;
    boot_free(cache, sizeof *cache);
    return 0;
}

/* ---- objects ---- */

static void *debug_alloc(struct cache *cache, const struct request *request)
{
    void *buffer;

    debug_cache_check(cache, request);
    buffer = cache->design->alloc(cache->inner, request);
    return buffer ? debug_object_arm(cache, buffer, request->size) : NULL;
}

static void debug_free(struct cache *cache, void *object)
{
    cache->design->free(cache->inner, debug_object_disarm(cache, object));
}

static unsigned debug_alloc_bulk(struct cache *cache, const struct request *request, unsigned n,
                                 void **objects)
{
    unsigned got;

    debug_cache_check(cache, request);
    got = cache->design->alloc_bulk(cache->inner, request, n, objects);
    for (unsigned i = 0; i < got; i++)
        objects[i] = debug_object_arm(cache, objects[i], request->size);
    return got;
}

static void debug_free_bulk(struct cache *cache, unsigned n, void *const *objects)
{
    void *buffers[BULK];

    for (unsigned done = 0, now; done < n; done += now) {
        now = n - done < BULK ? n - done : BULK;
        for (unsigned i = 0; i < now; i++)
            buffers[i] = debug_object_disarm(cache, objects[done + i]);
        cache->design->free_bulk(cache->inner, now, buffers);
    }
}

/* ---- accounts ---- */

static void debug_inspect(struct cache *cache, inspect_fn emit, void *context)
{
    cache->design->inspect(cache->inner, emit, context);
    emit(context, "debug_lead_bytes", cache->lead);
    emit(context, "debug_bytes", cache->bytes - cache->params.size);
}

/* What a buffer has around its object is metadata, as x15's tags are. */
static void debug_ledger(struct cache *cache, struct ledger *ledger)
{
    uint64_t live = ledger->live_objects, around;

    cache->design->ledger(cache->inner, ledger);
    around = (ledger->live_objects - live) * (cache->bytes - cache->params.size);
    ledger->live_bytes -= around;
    ledger->metadata += around;
}

static void debug_shared_ledger(void *running, struct ledger *ledger)
{
    const struct debug_instance *instance = running;

    instance->design->shared_ledger(instance->running, ledger);
}

/* What a design does not have the layer has not either. */
void debug_layer(struct allocator *layered)
{
    layered->start = NULL; /* debug_start */
    layered->stop = debug_stop;
    layered->cache_create = debug_cache_create;
    layered->cache_destroy = debug_cache_destroy;
    layered->alloc = debug_alloc;
    layered->free = debug_free;
    layered->alloc_bulk = layered->alloc_bulk ? debug_alloc_bulk : NULL;
    layered->free_bulk = layered->free_bulk ? debug_free_bulk : NULL;
    layered->reclaim = layered->reclaim ? debug_reclaim : NULL;
    layered->inspect = layered->inspect ? debug_inspect : NULL;
    layered->ledger = layered->ledger ? debug_ledger : NULL;
    layered->shared_ledger = layered->shared_ledger ? debug_shared_ledger : NULL;
}
