/* SPDX-License-Identifier: MIT */
/* A trace without its names: see transform.h. */
#include "traces/copy.h"
#include "traces/transform.h"

#include "sim/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int anonymise_repairs(const struct copy *copy, struct error *error)
{
    struct trace_repairs total = {0}, *rows;
    size_t count;

    trace_caches(copy->reader, &count);
    rows = calloc(count + 1, sizeof *rows);
    if (!rows)
        return error_set(error, ENOMEM, "%s", strerror(ENOMEM));
    copy_add_repairs(copy, &total, rows);
    copy_set_repairs(copy->writer, &total, rows, count);
    free(rows);
    return 0;
}

static int anonymise_events(struct copy *copy, struct error *error)
{
    static struct trace_event events[4096];
    ssize_t count;
    int code = 0;

    do {
        count = trace_read(copy->reader, events, sizeof events / sizeof *events, error);
        code = count < 0 ? (int)count : copy_definitions(copy, error);
        for (ssize_t i = 0; !code && i < count; i++)
            code = copy_event(copy, &events[i], error);
    } while (!code && count > 0);
    return code;
}

int trace_anonymise(const char *input, const char *output, bool keep_caches, struct error *error)
{
    struct copy_numbers numbers = {0};
    struct copy copy = {.numbers = &numbers, .rules = {.hide = true, .hide_caches = !keep_caches}};
    int code = copy_begin(&copy, input, error);

    if (code)
        return code;
    code = trace_create(output, "{}", &copy.writer, error);
    if (code) {
        copy_end(&copy);
        return code;
    }
    code = anonymise_events(&copy, error);
    if (!code)
        code = anonymise_repairs(&copy, error);
    if (!code)
        code = copy_set_provenance(copy.writer, "slablab anonymise",
                                   json_pack("{s:b}", "keep_caches", keep_caches), error);
    if (code)
        trace_discard(copy.writer);
    else
        code = trace_commit(copy.writer, error);
    copy_end(&copy);
    copy_numbers_cleanup(&numbers);
    return code;
}
