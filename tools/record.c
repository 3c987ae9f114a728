/* SPDX-License-Identifier: MIT */
/* Looking into a run's record; see record.h. */
#include "tools/record.h"

#include <math.h>
#include <string.h>

const json_t *record_at(const json_t *record, const char *path)
{
    const json_t *value = record;

    while (value && *path) {
        char key[64];
        size_t length = strcspn(path, ".");

        if (length >= sizeof key)
            return NULL;
        memcpy(key, path, length);
        key[length] = '\0';
        value = json_object_get(value, key);
        path += length + (path[length] == '.');
    }
    return value;
}

double record_number(const json_t *record, const char *path)
{
    const json_t *value = record_at(record, path);

    return json_is_number(value) ? json_number_value(value) : NAN;
}

uint32_t record_count(const json_t *record, const char *path)
{
    double number = record_number(record, path);

    return number >= 0 && number <= UINT32_MAX ? (uint32_t)number : 0; /* NAN is neither */
}

const char *record_text(const json_t *record, const char *path)
{
    const char *text = json_string_value(record_at(record, path));

    return text ? text : "";
}
