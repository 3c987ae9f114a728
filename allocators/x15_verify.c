/* SPDX-License-Identifier: MIT */
/*
 * Verify mode of design x15: finds what callers do to buffers that are not theirs. A buffer is
 *
 *      object | pad | bufctl | buftag
 *      0      size  bufctl_offset
 *
 * and, while free (in a slab or in a pool), filled with the free pattern up to its bufctl and
 * tagged free. Allocated, it is tagged so, holds the uninitialised pattern until it is constructed
 * or written, and all from the end of what was asked for to the bufctl inclusive is the redzone. An
 * untyped free does not say its size here, so the buftag keeps what the allocation left over.
 *
 * Buffers of caches whose free objects may not be written (no-touch) or are still read (RCU) are
 * tagged and have a redzone, but get no patterns.
 */
#include "allocators/x15.h"

#include "allocators/invariant.h"

#include <string.h>

#define FREE_PATTERN   UINT64_C(0xdeadbeefdeadbeef)
#define UNINIT_PATTERN UINT64_C(0xbaddcafebaddcafe)
#define REDZONE_WORD   UINT64_C(0xfeedfacefeedface)
#define REDZONE_BYTE   0xbb

enum x15_buftag_state { BUFTAG_ALLOC = 0xa110c8ed, BUFTAG_FREE = 0xf4eeb10c };

/*
 * As umem encodes its sizes: 251 is a prime, so a byte written over seldom leaves a multiple of it
 * and one. Larger cuts (an object of over 16 MiB, most of it not asked for) begin the redzone late.
 */
#define CUT_FACTOR 251
#define CUT_MOST   (UINT32_MAX / CUT_FACTOR - 1)

/* ---- reports ---- */

/* `offset` is where in the buffer the evidence lies. */
static _Noreturn X15_COLD void report(const struct cache *cache, const void *buffer, size_t offset,
                                      const char *what)
{
    invariant_broken("x15", cache->params.name, "%s: buffer %p, offset %zu", what, buffer, offset);
}

/* Tells a damaged tag's content, which may say whose write it was. */
static _Noreturn X15_COLD void report_buftag(const struct cache *cache, const void *buffer,
                                             const struct x15_buftag *buftag)
{
    invariant_broken("x15", cache->params.name,
                     "damaged buftag: buffer %p, offset %td, holds %08x %08x", buffer,
                     (const char *)buftag - (const char *)buffer, buftag->state, buftag->cut);
}

/* ---- parts of a buffer ---- */

static struct x15_buftag *buftag_of(const struct cache *cache, void *buffer)
{
    return (struct x15_buftag *)(x15_bufctl_of(cache, buffer) + 1);
}

/* Bytes between what is asked for and the object's end. What is constructed is used to its end. */
static size_t cut_of(const struct cache_params *params, size_t size)
{
    size_t cut = 0;

    if (size != 0 && size < params->size && !params->construct)
        cut = params->size - size;
    return cut < CUT_MOST ? cut : CUT_MOST;
}

static uint32_t cut_encode(size_t cut)
{
    return (uint32_t)cut * CUT_FACTOR + 1;
}

/* False: this is no encoded cut. */
static bool cut_decode(uint32_t code, size_t *cut)
{
    *cut = code / CUT_FACTOR;
    return code % CUT_FACTOR == 1;
}

/* The words up to the bufctl. */
static void fill(const struct cache *cache, void *buffer, uint64_t pattern)
{
    uint64_t *words = buffer;

    for (size_t i = 0; i < cache->bufctl_offset / sizeof *words; i++)
        words[i] = pattern;
}

/* Offset of the first byte that differs from the repeated pattern; `end` if none does. */
static size_t first_difference(const void *buffer, uint64_t pattern, size_t end)
{
    const unsigned char *bytes = buffer;
    unsigned char expected[sizeof pattern];

    memcpy(expected, &pattern, sizeof pattern);
    for (size_t i = 0; i < end; i++) {
        if (bytes[i] != expected[i % sizeof pattern])
            return i;
    }
    return end;
}

/* ---- the three moments ---- */

void x15_verify_slab(const struct cache *cache, const struct x15_slab *slab)
{
    char *buffer = slab->buffers;

    for (uint32_t i = 0; i < cache->objects_per_slab; i++, buffer += cache->object_bytes) {
        if (cache->patterns)
            fill(cache, buffer, FREE_PATTERN);
        *buftag_of(cache, buffer) = (struct x15_buftag){.state = BUFTAG_FREE};
    }
}

void x15_verify_alloc(const struct cache *cache, void *buffer, size_t size)
{
    struct x15_buftag *buftag = buftag_of(cache, buffer);
    size_t cut = cut_of(&cache->params, size), start = cache->params.size - cut;

    if (buftag->state != BUFTAG_FREE || buftag->cut != 0)
        report_buftag(cache, buffer, buftag);
    if (cache->patterns) {
        size_t offset = first_difference(buffer, FREE_PATTERN, cache->bufctl_offset);

        if (offset < cache->bufctl_offset)
            report(cache, buffer, offset, "write after free");
        fill(cache, buffer, UNINIT_PATTERN);
    }
    *buftag = (struct x15_buftag){.state = BUFTAG_ALLOC, .cut = cut_encode(cut)};
    memset((char *)buffer + start, REDZONE_BYTE, cache->bufctl_offset - start);
    x15_bufctl_of(cache, buffer)->redzone = REDZONE_WORD;
}

/* Is it a buffer of the cache at all? Then its buftag may be looked at. */
static void check_address(const struct cache *cache, const char *buffer)
{
    const struct x15_slab *slab = page_in_arena(buffer) ? page_of(buffer)->owner : NULL;
    size_t distance;

    if (!slab || slab->cache != x15_tag(cache))
        report(cache, buffer, 0, "invalid address");
    /* Before the first buffer it wraps, and is past the last. */
    distance = (uintptr_t)buffer - (uintptr_t)slab->buffers;
    if (distance >= cache->objects_per_slab * cache->object_bytes)
        report(cache, buffer, 0, "invalid address");
    if (distance % cache->object_bytes)
        report(cache, buffer - distance % cache->object_bytes, distance % cache->object_bytes,
               "invalid address");
}

/* Returns the offset at which the redzone begins. */
static size_t check_buftag(const struct cache *cache, void *buffer)
{
    struct x15_buftag *buftag = buftag_of(cache, buffer);
    size_t cut;

    if (buftag->state == BUFTAG_FREE && buftag->cut == 0)
        report(cache, buffer, (size_t)((char *)buftag - (char *)buffer), "double free");
    if (buftag->state != BUFTAG_ALLOC || !cut_decode(buftag->cut, &cut) ||
        cut >= cache->params.size)
        report_buftag(cache, buffer, buftag);
    return cache->params.size - cut;
}

static void check_redzone(const struct cache *cache, void *buffer, size_t start)
{
    const unsigned char *bytes = buffer;
    const union x15_bufctl *bufctl = x15_bufctl_of(cache, buffer);
    size_t end = cache->bufctl_offset;

    for (size_t i = start; i < end; i++) {
        if (bytes[i] != REDZONE_BYTE)
            report(cache, buffer, i, "write past the end");
    }
    if (bufctl->redzone != REDZONE_WORD)
        report(cache, buffer, end + first_difference(bufctl, REDZONE_WORD, sizeof *bufctl),
               "write past the end");
}

void x15_verify_free(const struct cache *cache, void *buffer)
{
    check_address(cache, buffer);
    check_redzone(cache, buffer, check_buftag(cache, buffer));
    if (cache->patterns)
        fill(cache, buffer, FREE_PATTERN);
    *buftag_of(cache, buffer) = (struct x15_buftag){.state = BUFTAG_FREE};
}
