/* SPDX-License-Identifier: MIT */
/* What a run records, parsed; see record_options.h. */
#include "tools/record_options.h"

#include "sim/error.h"
#include "tools/list_option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Dense enough for p99.99 in half a second, and thin enough not to be what is measured. */
#define LATENCY_EVERY 32

static const struct {
    const char *name;
    unsigned record;
} recorders[] = {
    {"contention", RECORD_CONTENTION},
    {"memory", RECORD_MEMORY},
    {"latency", RECORD_LATENCY},
    {"locality", RECORD_LOCALITY},
    {"counters", RECORD_COUNTERS},
    {"all", RECORD_ALL},
    {"none", 0},
};

void record_options_init(struct record_options *options)
{
    *options = (struct record_options){.record = RECORD_ALL, .latency_every = LATENCY_EVERY};
}

static int recorder_find(const char *name, unsigned *record, struct error *error)
{
    for (size_t i = 0; i < sizeof recorders / sizeof recorders[0]; i++) {
        if (strcmp(name, recorders[i].name) == 0) {
            *record = recorders[i].record;
            return 0;
        }
    }
    return error_set(error, EINVAL,
                     "no recorder '%s'; there are: contention, memory, latency, locality, "
                     "counters; or all, or none",
                     name);
}

int record_parse(struct record_options *options, const char *text, struct error *error)
{
    struct word_list names = {0};
    int code = word_list_parse(text, &names, error);
    unsigned all = 0;

    for (size_t i = 0; code == 0 && i < names.count; i++) {
        unsigned record = 0;

        code = recorder_find(names.words[i], &record, error);
        if (code == 0 && names.count > 1 && (record == 0 || record == RECORD_ALL))
            code = error_set(error, EINVAL, "'%s' stands alone", names.words[i]);
        all |= record;
    }
    word_list_cleanup(&names);
    if (code)
        return code;
    options->latency_named = (all & RECORD_LATENCY) && all != RECORD_ALL;
    options->record = all;
    return 0;
}

int latency_parse(struct record_options *options, const char *text, struct error *error)
{
    bool fraction = strncmp(text, "1/", 2) == 0;
    unsigned long long every = 1;
    char *end = NULL;

    if (strcmp(text, "off") == 0) {
        options->latency = LATENCY_OFF;
        return 0;
    }
    if (fraction)
        every = strtoull(text + 2, &end, 10);
    if ((!fraction && strcmp(text, "every") != 0) || (fraction && (!text[2] || *end)) ||
        every < 1 || every > 1000000)
        return error_set(error, EINVAL, "'%s': expected every, 1/N (N up to 1000000) or off", text);
    options->latency = LATENCY_ON;
    options->latency_every = (uint32_t)every;
    return 0;
}

int sample_every_parse(struct record_options *options, const char *text, struct error *error)
{
    char *end;
    double number = strtod(text, &end);
    bool time = strcmp(end, "ms") == 0;

    if (end == text || (*end && !time) || !(number > 0 && number < 1e12) ||
        (!time && number != (double)(uint64_t)number) || (time && number * 1e6 < 1))
        return error_set(error, EINVAL,
                         "'%s': expected a number of events, or of recorded milliseconds: 10000, "
                         "5ms",
                         text);
    options->sample_events = time ? 0 : (uint64_t)number;
    options->sample_ns = time ? (uint64_t)(number * 1e6) : 0;
    return 0;
}

unsigned record_options_of(const struct record_options *options, bool cold)
{
    if (options->latency == LATENCY_ON)
        return options->record | RECORD_LATENCY;
    if (options->latency == LATENCY_OFF || (cold && !options->latency_named))
        return options->record & ~(unsigned)RECORD_LATENCY;
    return options->record;
}
