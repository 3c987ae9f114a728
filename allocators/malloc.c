/* SPDX-License-Identifier: MIT */
/*
 * malloc: a malloc library as a design, to see where the others stand. `malloc:libc` is the
 * process's own; any other is opened beside it and asked by its own symbols.
 *
 * A cache is a size here: constructors run on every allocation and destructors on every free, since
 * malloc keeps nothing constructed. Memory is the library's own, so there is no ledger, no limit
 * and no wanted node. A library that was opened is never closed: its threads' ends run code of it.
 */
#include "allocators/allocator.h"
#include "sim/machine.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

struct malloc_options {
    const char *library;
};

static const struct tunable malloc_tunables[] = {
    TUNABLE_TEXT("library", struct malloc_options, library, "libc",
                 "libc, jemalloc, mimalloc, tcmalloc, or the file of a shared library"),
    {.key = NULL},
};

/* Libraries known by name, and what Debian calls the package of each. */
static const struct {
    const char *name, *file, *package;
} known_libraries[] = {
    {"jemalloc", "libjemalloc.so.2", "libjemalloc2"},
    {"mimalloc", "libmimalloc.so.2", "libmimalloc2.0"},
    {"tcmalloc", "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"},
};

/* The functions of one library. */
struct malloc_calls {
    void *(*malloc)(size_t size);
    void (*free)(void *object);
    void *(*aligned_alloc)(size_t align, size_t size); /* or NULL, then: */
    int (*posix_memalign)(void **object, size_t align, size_t size);
};

/* One for each cache, so that an allocation reads one line of it. */
struct cache {
    struct malloc_calls calls;
    size_t size; /* 0: each request's */
    size_t align;
    int (*construct)(void *object, size_t size, void *context);
    void (*destruct)(void *object, size_t size, void *context);
    void *context;
};

/* ---- libraries ---- */

/* What malloc gives by itself on the machines this runs on, for sizes from there up. */
#define MALLOC_ALIGN 16

/*
 * A function that is the library's own: a lookup also searches what the library needs, and so would
 * find libc's malloc in a library that has none.
 */
static void *own_symbol(void *handle, const char *name)
{
    void *symbol = dlsym(handle, name);
    struct link_map *library;
    struct link_map *home;
    Dl_info info;

    if (!symbol || dlinfo(handle, RTLD_DI_LINKMAP, &library) != 0)
        return NULL;
    if (!dladdr1(symbol, &info, (void **)&home, RTLD_DL_LINKMAP))
        return NULL;
    return home == library ? symbol : NULL;
}

static int open_failed(const char *library, const char *file, struct error *error)
{
    const char *reason = dlerror();
    const char *package = NULL;

    for (size_t i = 0; i < sizeof known_libraries / sizeof known_libraries[0]; i++) {
        if (strcmp(known_libraries[i].file, file) == 0)
            package = known_libraries[i].package;
    }
    if (reason && strstr(reason, "static TLS"))
        return error_set(error, EAGAIN,
                         "%s wants more static thread-local space than is left; run again with "
                         "%s=%s (%s)",
                         file, ALLOCATOR_ENVIRONMENT_NAME, ALLOCATOR_ENVIRONMENT_VALUE, reason);
    return error_set(error, ENOENT, "cannot open library '%s': %s%s%s%s", library,
                     reason ? reason : "no reason given", package ? "; Debian package " : "",
                     package ? package : "", package ? " has it" : "");
}

static const char *library_file(const char *library)
{
    for (size_t i = 0; i < sizeof known_libraries / sizeof known_libraries[0]; i++) {
        if (strcmp(known_libraries[i].name, library) == 0)
            return known_libraries[i].file;
    }
    return library;
}

static int calls_open(struct malloc_calls *calls, const char *library, struct error *error)
{
    const char *file = library_file(library);
    void *handle;

    if (strcmp(library, "libc") == 0) {
        *calls = (struct malloc_calls){malloc, free, aligned_alloc, posix_memalign};
        return 0;
    }
    handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return open_failed(library, file, error);
    *(void **)&calls->malloc = own_symbol(handle, "malloc");
    *(void **)&calls->free = own_symbol(handle, "free");
    *(void **)&calls->aligned_alloc = own_symbol(handle, "aligned_alloc");
    *(void **)&calls->posix_memalign = own_symbol(handle, "posix_memalign");
    if (!calls->malloc || !calls->free || !(calls->aligned_alloc || calls->posix_memalign))
        return error_set(error, EINVAL,
                         "library '%s' has no malloc, free and aligned_alloc or posix_memalign of "
                         "its own",
                         library);
    return 0;
}

static int malloc_start(const void *options, void **result, struct error *error)
{
    const struct malloc_options *asked = options;
    struct malloc_calls *calls = calloc(1, sizeof *calls);
    int code;

    if (!calls)
        return error_set(error, ENOMEM, "no memory for its descriptor");
    code = calls_open(calls, asked->library, error);
    if (code) {
        free(calls);
        return code;
    }
    *result = calls;
    return 0;
}

static void malloc_stop(void *running)
{
    free(running);
}

/* ---- caches and objects ---- */

static int malloc_cache_create(void *running, const struct cache_params *params,
                               struct cache **result, struct error *error)
{
    struct cache *cache =
        aligned_alloc(CACHE_LINE, (sizeof *cache + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);

    if (!cache)
        return error_set(error, ENOMEM, "cache '%s': no memory for its descriptor", params->name);
    *cache = (struct cache){
        .calls = *(const struct malloc_calls *)running,
        .size = params->size,
        .align = params->align,
        .construct = params->construct,
        .destruct = params->destruct,
        .context = params->context,
    };
    *result = cache;
    return 0;
}

/* malloc does not say what is live. */
static int malloc_cache_destroy(void *running, struct cache *cache, struct error *error)
{
    (void)running;
    (void)error;
    free(cache);
    return 0;
}

static void *aligned_call(const struct malloc_calls *calls, size_t align, size_t size)
{
    void *object = NULL;

    if (calls->aligned_alloc)
        return calls->aligned_alloc(align, size);
    return calls->posix_memalign(&object, align, size) == 0 ? object : NULL;
}

/*
 * aligned_alloc may insist on a multiple of the alignment. mimalloc 2.0.9 does not align sizes of
 * 256, 512 and 1,024 to alignments from 256 up (its issue 700), but does so for a little more.
 */
static void *aligned(const struct cache *cache, size_t size)
{
    size_t rounded = ((size ? size : 1) + cache->align - 1) & ~(cache->align - 1);
    void *object = aligned_call(&cache->calls, cache->align, rounded);

    if (__builtin_expect(((uintptr_t)object & (cache->align - 1)) != 0, 0)) {
        cache->calls.free(object);
        object = aligned_call(&cache->calls, cache->align, rounded + MALLOC_ALIGN);
    }
    return object;
}

/* A malloc may align less what is smaller than the alignment; no library has a class below 8. */
static inline void *raw_alloc(const struct cache *cache, size_t size)
{
    if (cache->align > MALLOC_ALIGN)
        return aligned(cache, size);
    return cache->calls.malloc(size < cache->align ? cache->align : size);
}

static void *malloc_alloc(struct cache *cache, const struct request *request)
{
    size_t size = cache->size ? cache->size : request->size;
    void *object = raw_alloc(cache, size);

    if (object && cache->construct && cache->construct(object, size, cache->context) != 0) {
        cache->calls.free(object);
        return NULL;
    }
    return object;
}

/* Only caches of a size have destructors. */
static void malloc_free(struct cache *cache, void *object)
{
    if (cache->destruct)
        cache->destruct(object, cache->size, cache->context);
    cache->calls.free(object);
}

static const struct allocator malloc_design = {
    .name = "malloc",
    .summary = "a malloc library: libc's own, or one opened beside it (malloc:LIBRARY)",
    .source = "the library's own documentation",
    .layers = "the library's",
    .external = true,
    .tunables = malloc_tunables,
    .options_size = sizeof(struct malloc_options),
    .start = malloc_start,
    .stop = malloc_stop,
    .cache_create = malloc_cache_create,
    .cache_destroy = malloc_cache_destroy,
    .alloc = malloc_alloc,
    .free = malloc_free,
};
ALLOCATOR_REGISTER(malloc_design);
