/* SPDX-License-Identifier: MIT */
/* Growing buffers and bounded cursors: see bytes.h. */
#include "traces/bytes.h"

#include <stdlib.h>

void bytes_cleanup(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){0};
}

uint8_t *bytes_reserve(struct bytes *bytes, size_t more)
{
    if (!bytes->data || bytes->capacity - bytes->length < more) {
        size_t capacity = bytes->capacity ? bytes->capacity : 256;
        uint8_t *data;

        while (capacity - bytes->length < more)
            capacity *= 2;
        data = realloc(bytes->data, capacity);
        if (!data) {
            bytes->failed = true;
            return NULL;
        }
        bytes->data = data;
        bytes->capacity = capacity;
    }
    return bytes->data + bytes->length;
}

void bytes_put(struct bytes *bytes, const void *data, size_t length)
{
    uint8_t *at = bytes_reserve(bytes, length);

    if (at && length) {
        memcpy(at, data, length);
        bytes->length += length;
    }
}

void bytes_put_u32(struct bytes *bytes, uint32_t value)
{
    value = htole32(value);
    bytes_put(bytes, &value, sizeof value);
}

void bytes_put_u64(struct bytes *bytes, uint64_t value)
{
    value = htole64(value);
    bytes_put(bytes, &value, sizeof value);
}

void bytes_put_varint(struct bytes *bytes, uint64_t value)
{
    uint8_t encoded[10];
    size_t length = 0;

    for (; value >= 0x80; value >>= 7)
        encoded[length++] = (uint8_t)(value | 0x80);
    encoded[length++] = (uint8_t)value;
    bytes_put(bytes, encoded, length);
}

void bytes_put_string(struct bytes *bytes, const char *string)
{
    size_t length = strlen(string);

    bytes_put_varint(bytes, length);
    bytes_put(bytes, string, length);
}

uint64_t cursor_varint(struct cursor *cursor)
{
    uint64_t value = 0;

    for (unsigned shift = 0; cursor->at < cursor->end && shift < 64; shift += 7) {
        uint8_t byte = *cursor->at++;

        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    cursor->failed = true;
    cursor->at = cursor->end;
    return 0;
}

const uint8_t *cursor_bytes(struct cursor *cursor, uint64_t length)
{
    const uint8_t *at = cursor->at;

    if (length > (uint64_t)(cursor->end - at)) {
        cursor->failed = true;
        cursor->at = cursor->end;
        return NULL;
    }
    cursor->at += length;
    return at;
}
