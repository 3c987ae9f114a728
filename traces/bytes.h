/* SPDX-License-Identifier: MIT */
/*
 * A buffer that grows, and the little-endian integers and varints that the trace format is made of.
 * Writing remembers the first failure in `failed`, so that a run of puts is checked once, at its
 * end. Reading goes through a cursor that cannot leave its bytes.
 */
#ifndef SLABLAB_TRACES_BYTES_H
#define SLABLAB_TRACES_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    uint8_t *data;
    size_t length;
    size_t capacity;
    bool failed; /* out of memory at some point: the content is not to be used */
};

void bytes_cleanup(struct bytes *bytes);
/* Room for `more` bytes after the content; NULL without memory. They count only once used. */
uint8_t *bytes_reserve(struct bytes *bytes, size_t more);
void bytes_put(struct bytes *bytes, const void *data, size_t length);
void bytes_put_u32(struct bytes *bytes, uint32_t value);
void bytes_put_u64(struct bytes *bytes, uint64_t value);
/* LEB128: seven bits a byte, low ones first. */
void bytes_put_varint(struct bytes *bytes, uint64_t value);
/* Length as a varint, then the bytes. */
void bytes_put_string(struct bytes *bytes, const char *string);

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool failed; /* a read went over the end or was malformed; every value since is 0 */
};

uint64_t cursor_varint(struct cursor *cursor);
/* `length` bytes, or NULL. */
const uint8_t *cursor_bytes(struct cursor *cursor, uint64_t length);

static inline uint32_t load_u32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

static inline uint64_t load_u64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

static inline void store_u32(uint8_t *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof value);
}

static inline void store_u64(uint8_t *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof value);
}

#endif
