/* SPDX-License-Identifier: MIT */
/*
 * The library that `slablab record malloc` has loaded into a program: the calls by which programs
 * get and give back memory, each passed on to the allocator that the program would have had, and
 * recorded. C++'s new and delete call malloc and free; malloc_usable_size needs nothing of us.
 *
 * The allocator is found by dlsym, which may allocate: what is asked for meanwhile comes from an
 * arena of our own, is not recorded and never given back.
 */
#include "tools/recorder/stream.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define RARE   __attribute__((noinline, cold))
#define CALLER __builtin_return_address(0)

static struct {
    _Atomic uint32_t state; /* enum real_state */
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
    void *(*aligned_alloc)(size_t, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*memalign)(size_t, size_t);
    void *(*valloc)(size_t);
    void *(*pvalloc)(size_t);
} real;

enum real_state { REAL_UNKNOWN, REAL_SOUGHT, REAL_KNOWN };

static const struct {
    const char *name;
    size_t place;
} real_names[] = {
    {"malloc", offsetof(__typeof__(real), malloc)},
    {"calloc", offsetof(__typeof__(real), calloc)},
    {"realloc", offsetof(__typeof__(real), realloc)},
    {"free", offsetof(__typeof__(real), free)},
    {"aligned_alloc", offsetof(__typeof__(real), aligned_alloc)},
    {"posix_memalign", offsetof(__typeof__(real), posix_memalign)},
    {"memalign", offsetof(__typeof__(real), memalign)},
    {"valloc", offsetof(__typeof__(real), valloc)},
    {"pvalloc", offsetof(__typeof__(real), pvalloc)},
};

/* ---- before the allocator is known ---- */

/* glibc's dlsym takes at most some hundred bytes of it, and only to say that a name is missing. */
static _Alignas(64) char boot_arena[64 << 10];
static _Atomic size_t boot_used;

static bool boot_owns(const void *address)
{
    return (uintptr_t)address - (uintptr_t)boot_arena < sizeof boot_arena;
}

/* Zeroed, since it is never used again; its size stands before it. */
static RARE void *boot_alloc(size_t align, size_t size)
{
    size_t room, at;

    align = align < 16 ? 16 : align;
    if (size > sizeof boot_arena || align > 4096) {
        errno = ENOMEM;
        return NULL;
    }
    room = (size + 15) / 16 * 16 + 16 + align;
    at = atomic_fetch_add(&boot_used, room);
    if (at + room > sizeof boot_arena) {
        errno = ENOMEM;
        return NULL;
    }
    at = ((uintptr_t)boot_arena + at + 16 + align - 1) / align * align - (uintptr_t)boot_arena;
    memcpy(boot_arena + at - sizeof size, &size, sizeof size);
    return boot_arena + at;
}

static size_t boot_size(const char *address)
{
    size_t size;

    memcpy(&size, address - sizeof size, sizeof size);
    return size;
}

/* False while the calling thread, or another, is at it. */
static RARE bool real_find(void)
{
    uint32_t unknown = REAL_UNKNOWN;

    if (!atomic_compare_exchange_strong(&real.state, &unknown, REAL_SOUGHT))
        return unknown == REAL_KNOWN;
    for (size_t i = 0; i < sizeof real_names / sizeof real_names[0]; i++) {
        void *found = dlsym(RTLD_NEXT, real_names[i].name);

        memcpy((char *)&real + real_names[i].place, &found, sizeof found);
    }
    atomic_store(&real.state, REAL_KNOWN);
    return true;
}

static inline bool real_known(void)
{
    return __builtin_expect(atomic_load_explicit(&real.state, memory_order_acquire) == REAL_KNOWN,
                            1) ||
           real_find();
}

/* Programs whose first allocation comes late are recorded from their start all the same. */
__attribute__((constructor)) static void real_start(void)
{
    if (real_known())
        stream_recording();
}

/* ---- recording ---- */

static inline void record_alloc(const void *address, size_t size, uint64_t how, const void *site)
{
    uint64_t what = (uint64_t)MALLOC_RAW_ALLOC << MALLOC_RAW_KIND_SHIFT | how |
                    (size < MALLOC_RAW_SIZE_MASK ? size : MALLOC_RAW_SIZE_MASK);

    if (stream_recording())
        stream_append(stream_now(), address, what, site);
}

static inline void record_free(uint64_t ticks, const void *address, const void *site)
{
    stream_append(ticks, address, (uint64_t)MALLOC_RAW_FREE << MALLOC_RAW_KIND_SHIFT, site);
}

/* Of an alignment, which must be a power of two where it is granted. */
static inline uint64_t record_align(size_t align)
{
    return align ? (uint64_t)__builtin_ctzl(align) << MALLOC_RAW_ALIGN_SHIFT : 0;
}

/* ---- the calls ---- */

EXPORT void *malloc(size_t size)
{
    void *address;

    if (!real_known())
        return boot_alloc(0, size);
    address = real.malloc(size);
    record_alloc(address, size, 0, CALLER);
    return address;
}

EXPORT void free(void *address)
{
    if (boot_owns(address) || !real_known())
        return;
    if (stream_recording())
        record_free(stream_now(), address, CALLER);
    real.free(address);
}

EXPORT void *calloc(size_t count, size_t size)
{
    void *address;
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes))
        bytes = SIZE_MAX;
    if (!real_known())
        return boot_alloc(0, bytes);
    address = real.calloc(count, size);
    record_alloc(address, bytes, MALLOC_RAW_ZERO, CALLER);
    return address;
}

/* Out of the arena into the allocator, or within the arena. */
static RARE void *realloc_boot(void *address, size_t size, const void *site)
{
    bool known = real_known();
    void *moved = known ? real.malloc(size) : boot_alloc(0, size);
    size_t held = address ? boot_size(address) : 0;

    if (known)
        record_alloc(moved, size, 0, site);
    if (moved && held)
        memcpy(moved, address, held < size ? held : size);
    return moved;
}

/*
 * The free of the old object is written after the call, which may fail and leave it, but has the
 * time before it, so that it goes before what another thread makes of the address meanwhile.
 */
static void *realloc_recorded(void *address, size_t size, const void *site)
{
    uint64_t before;
    void *moved;

    if (boot_owns(address) || !real_known())
        return realloc_boot(address, size, site);
    if (!stream_recording())
        return real.realloc(address, size);
    before = stream_now();
    moved = real.realloc(address, size);
    if (address && (moved || !size) && stream_recording())
        record_free(before, address, site);
    if (moved || size)
        record_alloc(moved, size, 0, site);
    return moved;
}

EXPORT void *realloc(void *address, size_t size)
{
    return realloc_recorded(address, size, CALLER);
}

/* By ourselves: libc's calls realloc, and would be recorded as what libc does. */
EXPORT void *reallocarray(void *address, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc_recorded(address, bytes, CALLER);
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
    void *address;

    if (!real_known())
        return boot_alloc(align, size);
    address = real.aligned_alloc(align, size);
    record_alloc(address, size, record_align(align), CALLER);
    return address;
}

EXPORT void *memalign(size_t align, size_t size)
{
    void *address;

    if (!real_known())
        return boot_alloc(align, size);
    address = real.memalign(align, size);
    record_alloc(address, size, record_align(align), CALLER);
    return address;
}

EXPORT int posix_memalign(void **address, size_t align, size_t size)
{
    int code;

    if (!real_known()) {
        *address = boot_alloc(align, size);
        return *address ? 0 : ENOMEM;
    }
    code = real.posix_memalign(address, align, size);
    record_alloc(code ? NULL : *address, size, record_align(align), CALLER);
    return code;
}

EXPORT void *valloc(size_t size)
{
    size_t page = (size_t)getpagesize();
    void *address;

    if (!real_known())
        return boot_alloc(page, size);
    address = real.valloc(size);
    record_alloc(address, size, record_align(page), CALLER);
    return address;
}

/* Of whole pages. */
EXPORT void *pvalloc(size_t size)
{
    size_t page = (size_t)getpagesize();
    void *address;

    if (!real_known())
        return boot_alloc(page, size);
    address = real.pvalloc(size);
    record_alloc(address, (size + page - 1) / page * page, record_align(page), CALLER);
    return address;
}
