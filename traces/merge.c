/* SPDX-License-Identifier: MIT */
/* Several traces as one: see transform.h. */
#include "traces/copy.h"
#include "traces/transform.h"

#include "sim/error.h"
#include "traces/join_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MERGE_READ = 4096 /* events of an input at once */ };

/* How often the inputs define, create and destroy one cache of the merged trace. */
struct merge_cache {
    uint32_t definitions, creations, destructions;
    uint32_t destroyed; /* so far, in the second reading */
    bool created;
};

struct merge_input {
    struct copy copy;
    struct trace_event *events; /* MERGE_READ */
    size_t at, count;
};

struct merge {
    struct merge_input *inputs;
    size_t nr_inputs;
    struct trace_writer *writer;
    struct copy_numbers numbers;
    struct intern names;        /* of the caches, as they were met in the first reading */
    struct merge_cache *caches; /* by number in it */
    size_t room_caches;
    struct intern written; /* and in the second */
    json_t *origins;
};

static struct merge_cache *merge_cache_of(struct merge *merge, const struct trace_reader *reader,
                                          uint32_t index)
{
    size_t count;
    int64_t number = copy_intern_cache(&merge->names, &trace_caches(reader, &count)[index]);

    if (number < 0 ||
        join_grow(&merge->caches, (size_t)number + 1, &merge->room_caches, sizeof *merge->caches))
        return NULL;
    return &merge->caches[number];
}

/* ---- the first reading: which caches do all inputs create and destroy? ---- */

static int merge_survey_events(struct merge *merge, const struct trace_reader *reader,
                               const struct trace_event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct merge_cache *cache;

        if (events[i].op <= TRACE_FREE)
            continue;
        cache = merge_cache_of(merge, reader, events[i].type);
        if (!cache)
            return -ENOMEM;
        cache->creations += events[i].op == TRACE_CACHE_CREATE;
        cache->destructions += events[i].op == TRACE_CACHE_DESTROY;
    }
    return 0;
}

static int merge_survey(struct merge *merge, const char *path, struct trace_event *events,
                        struct error *error)
{
    struct trace_reader *reader;
    size_t caches;
    ssize_t count;
    int code = trace_open(path, &reader, error);

    if (code)
        return code;
    while ((count = trace_read(reader, events, MERGE_READ, error)) > 0 && !code)
        code = merge_survey_events(merge, reader, events, (size_t)count);
    trace_caches(reader, &caches);
    for (uint32_t i = 0; !code && !count && i < caches; i++) {
        struct merge_cache *cache = merge_cache_of(merge, reader, i);

        code = cache ? 0 : -ENOMEM;
        if (cache)
            cache->definitions++;
    }
    if (!code && !count && json_array_append_new(merge->origins, copy_input(reader)))
        code = -ENOMEM;
    trace_close(reader);
    if (code)
        return error_set(error, -code, "%s: %s", path, strerror(-code));
    return (int)count;
}

/* ---- the second: events in one order ---- */

/* The next events of an input; a `count` of 0 is its end. */
static int merge_fill(struct merge_input *input, struct error *error)
{
    ssize_t count = trace_read(input->copy.reader, input->events, MERGE_READ, error);

    input->at = 0;
    input->count = count > 0 ? (size_t)count : 0;
    return count < 0 ? (int)count : copy_definitions(&input->copy, error);
}

/* Whether what this input says of a cache is so for all of it. */
static int merge_is_wanted(struct merge *merge, const struct merge_input *input,
                           const struct trace_event *event)
{
    struct merge_cache *cache;

    if (event->op <= TRACE_FREE)
        return 1;
    cache = merge_cache_of(merge, input->copy.reader, event->type);
    if (!cache)
        return -ENOMEM;
    if (event->op == TRACE_CACHE_DESTROY)
        return cache->destructions == cache->definitions &&
               ++cache->destroyed == cache->destructions;
    if (cache->created || cache->creations != cache->definitions)
        return 0;
    cache->created = true;
    return 1;
}

static int merge_take(struct merge *merge, struct merge_input *input, struct error *error)
{
    struct trace_event event = input->events[input->at++];
    int wanted = merge_is_wanted(merge, input, &event), code = 0;

    if (event.origin == TRACE_PRELOADED)
        event.time_ns = 0; /* all of them come first, whichever input they are of */
    if (wanted < 0)
        return error_set(error, ENOMEM, "%s", strerror(ENOMEM));
    if (wanted)
        code = copy_event(&input->copy, &event, error);
    if (!code && input->at == input->count)
        code = merge_fill(input, error);
    return code;
}

static int merge_preloads(struct merge *merge, struct error *error)
{
    for (size_t i = 0; i < merge->nr_inputs; i++) {
        struct merge_input *input = &merge->inputs[i];

        while (input->count && input->events[input->at].origin == TRACE_PRELOADED) {
            int code = merge_take(merge, input, error);

            if (code)
                return code;
        }
    }
    return 0;
}

/* The input whose event is next; NULL at the end of all. */
static struct merge_input *merge_next(struct merge *merge)
{
    struct merge_input *next = NULL;

    for (size_t i = 0; i < merge->nr_inputs; i++) {
        struct merge_input *input = &merge->inputs[i];

        if (input->count &&
            (!next || input->events[input->at].time_ns < next->events[next->at].time_ns))
            next = input;
    }
    return next;
}

static int merge_events(struct merge *merge, struct error *error)
{
    struct merge_input *input;
    int code = merge_preloads(merge, error);

    while (!code && (input = merge_next(merge))) {
        unsigned batch = input->events[input->at].batch; /* not to be interrupted */

        for (; !code && batch; batch--)
            code = merge_take(merge, input, error);
    }
    return code;
}

static int merge_end(struct merge *merge, struct error *error)
{
    size_t caches = merge->written.count;
    struct trace_repairs total = {0}, *rows = calloc(caches + 1, sizeof *rows);

    if (!rows)
        return error_set(error, ENOMEM, "%s", strerror(ENOMEM));
    for (size_t i = 0; i < merge->nr_inputs; i++)
        copy_add_repairs(&merge->inputs[i].copy, &total, rows);
    copy_set_repairs(merge->writer, &total, rows, caches);
    free(rows);
    return copy_set_provenance(merge->writer, "slablab merge",
                               json_pack("{s:O}", "inputs", merge->origins), error);
}

static int merge_open(struct merge *merge, const char *const *paths, struct error *error)
{
    int code = 0;

    for (size_t i = 0; !code && i < merge->nr_inputs; i++) {
        struct merge_input *input = &merge->inputs[i];

        input->copy.writer = merge->writer;
        input->copy.numbers = &merge->numbers;
        input->copy.rules =
            (struct copy_rules){.prefix = (unsigned)i + 1, .caches = &merge->written};
        code = copy_begin(&input->copy, paths[i], error);
        if (!code)
            code = merge_fill(input, error);
    }
    return code;
}

static int merge_write(struct merge *merge, const char *const *paths, const char *output,
                       struct error *error)
{
    int code = trace_create(output, "{}", &merge->writer, error);

    if (code)
        return code;
    code = merge_open(merge, paths, error);
    if (!code)
        code = merge_events(merge, error);
    if (!code)
        code = merge_end(merge, error);
    if (!code)
        return trace_commit(merge->writer, error);
    trace_discard(merge->writer);
    return code;
}

static void merge_cleanup(struct merge *merge)
{
    for (size_t i = 0; merge->inputs && i < merge->nr_inputs; i++) {
        copy_end(&merge->inputs[i].copy);
        free(merge->inputs[i].events);
    }
    free(merge->inputs);
    copy_numbers_cleanup(&merge->numbers);
    intern_cleanup(&merge->names);
    intern_cleanup(&merge->written);
    free(merge->caches);
    json_decref(merge->origins);
}

int trace_merge(const char *const *inputs, size_t count, const char *output, struct error *error)
{
    struct merge merge = {
        .nr_inputs = count, .inputs = calloc(count, sizeof *merge.inputs), .origins = json_array()};
    int code = 0;

    for (size_t i = 0; merge.inputs && i < count; i++) {
        merge.inputs[i].events = calloc(MERGE_READ, sizeof *merge.inputs[i].events);
        if (!merge.inputs[i].events)
            code = -ENOMEM;
    }
    if (!merge.inputs || !merge.origins || code)
        code = error_set(error, ENOMEM, "%s", strerror(ENOMEM));
    for (size_t i = 0; !code && i < count; i++) {
        if (!strcmp(inputs[i], "-"))
            code = error_set(error, EINVAL,
                             "standard input: each trace is read twice; expected a "
                             "file");
        else
            code = merge_survey(&merge, inputs[i], merge.inputs[0].events, error);
    }
    if (!code)
        code = merge_write(&merge, inputs, output, error);
    merge_cleanup(&merge);
    return code;
}
