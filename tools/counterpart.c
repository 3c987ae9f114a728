/* SPDX-License-Identifier: MIT */
/* Combinations of two sources held against each other: see counterpart.h. */
#include "tools/counterpart.h"

#include "tools/record.h"

#include <string.h>

/* ---- the same combination ---- */

typedef const char *point_text(const struct point *point);

static const char *lock_of(const struct point *point)
{
    return point->lock;
}

static const char *binding_of(const struct point *point)
{
    return point->binding;
}

static bool has_only_one(const struct series *series, point_text *text)
{
    for (size_t i = 1; i < series->count; i++) {
        if (strcmp(text(&series->points[i]), text(&series->points[0])) != 0)
            return false;
    }
    return true;
}

/* Is the key of "key=value\n" one of the settings "key=value,key=value" that vary? */
static bool is_setting(const char *settings, const char *line, size_t key)
{
    for (; *settings; settings += strcspn(settings, ",") + (strchr(settings, ',') != NULL)) {
        if (strncmp(settings, line, key) == 0)
            return true;
    }
    return false;
}

/* The line of the same key in `tunables`; NULL: a version may have had no such tunable. */
static const char *line_of_key(const char *tunables, const char *line, size_t key)
{
    for (; *tunables; tunables += strcspn(tunables, "\n") + 1) {
        if (strncmp(tunables, line, key) == 0)
            return tunables;
    }
    return NULL;
}

static bool tunables_agree(const struct point *one, const struct point *other)
{
    for (const char *line = one->tunables; *line; line += strcspn(line, "\n") + 1) {
        size_t key = strcspn(line, "=") + 1, length = strcspn(line, "\n") + 1;
        const char *found = line_of_key(other->tunables, line, key);

        if (found && strncmp(found, line, length) != 0 &&
            (is_setting(one->settings, line, key) || is_setting(other->settings, line, key)))
            return false;
    }
    return true;
}

const struct point *point_counterpart(const struct series *series, const struct series *from,
                                      const struct point *point)
{
    bool any_lock = has_only_one(series, lock_of) && has_only_one(from, lock_of);
    bool any_binding = has_only_one(series, binding_of) && has_only_one(from, binding_of);

    for (size_t i = 0; i < series->count; i++) {
        const struct point *other = &series->points[i];

        if (other->second == point->second && points_same_load(other, point) &&
            other->magazine_size == point->magazine_size &&
            strcmp(other->allocator, point->allocator) == 0 &&
            (any_lock || strcmp(other->lock, point->lock) == 0) &&
            (any_binding || strcmp(other->binding, point->binding) == 0) &&
            tunables_agree(other, point))
            return other;
    }
    return NULL;
}

/* ---- what differs ---- */

static void condition_add(json_t *conditions, const char *what, const json_t *a, const json_t *b)
{
    json_array_append_new(conditions, json_pack("{s:s, s:O?, s:O?}", "what", what, "a", (json_t *)a,
                                                "b", (json_t *)b));
}

static void condition_add_texts(json_t *conditions, const char *what, const char *a, size_t size_a,
                                const char *b, size_t size_b)
{
    json_array_append_new(
        conditions, json_pack("{s:s, s:s%, s:s%}", "what", what, "a", a, size_a, "b", b, size_b));
}

/* As the first run of each says it. */
static void records_compare(json_t *conditions, const json_t *before, const json_t *after)
{
    static const char *const keys[] = {"provenance.commit",
                                       "provenance.cpu",
                                       "provenance.kernel",
                                       "provenance.huge_pages",
                                       "machine.name",
                                       "order",
                                       "pace",
                                       "timers",
                                       "touch",
                                       "warmup_loops",
                                       "filter",
                                       "memory_limit",
                                       "verified"};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const json_t *a = record_at(before, keys[i]), *b = record_at(after, keys[i]);

        if ((a || b) && !(a && b && json_equal(a, b)))
            condition_add(conditions, keys[i], a, b);
    }
}

/* What all points of A have alike, and all of B otherwise. */
static void only_ones_compare(json_t *conditions, const char *what, point_text *text,
                              const struct series *before, const struct series *after)
{
    const char *a = text(&before->points[0]), *b = text(&after->points[0]);

    if (has_only_one(before, text) && has_only_one(after, text) && strcmp(a, b) != 0)
        condition_add_texts(conditions, what, a, strlen(a), b, strlen(b));
}

/* Of two points that are compared, "DESIGN.KEY" of each tunable that is not the same. */
static void tunables_compare(json_t *conditions, const struct point *before,
                             const struct point *after)
{
    for (const char *line = before->tunables; *line; line += strcspn(line, "\n") + 1) {
        size_t key = strcspn(line, "=") + 1, length = strcspn(line, "\n") + 1;
        const char *found = line_of_key(after->tunables, line, key);
        char what[160];

        if (!found || strncmp(found, line, length) == 0)
            continue;
        snprintf(what, sizeof what, "%s.%.*s", before->allocator, (int)key - 1, line);
        condition_add_texts(conditions, what, line + key, length - key - 1, found + key,
                            strcspn(found, "\n") - key);
    }
}

static bool is_first_of_design(const struct series *series, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (strcmp(series->points[i].allocator, series->points[at].allocator) == 0)
            return false;
    }
    return true;
}

json_t *conditions_json(const struct series *before, const struct series *after)
{
    json_t *conditions = json_array();

    if (!conditions)
        return NULL;
    records_compare(conditions, before->points[0].runs[0], after->points[0].runs[0]);
    only_ones_compare(conditions, "lock", lock_of, before, after);
    only_ones_compare(conditions, "machine.binding", binding_of, before, after);
    for (size_t i = 0; i < after->count; i++) {
        const struct point *point = &after->points[i];
        const struct point *base =
            is_first_of_design(after, i) ? point_counterpart(before, after, point) : NULL;

        if (base)
            tunables_compare(conditions, base, point);
    }
    return conditions;
}
