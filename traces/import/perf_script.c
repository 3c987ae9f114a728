/* SPDX-License-Identifier: MIT */
/*
 * The text of `perf script` with the kernel's kmem events:
 *
 *   kworker/0:1    44 [001]  1785.549261: kmem:kmem_cache_alloc: call_site=f+0x1 ptr=0xffff8881...
 */
#include "traces/import/kmem.h"

/* "PERF_RECORD_LOST lost 123", "PERF_RECORD_LOST_SAMPLES lost 5", "LOST 123 events!" */
static bool perf_parse_lost(struct text line, uint64_t *lost)
{
    const char *at = memmem(line.at, text_length(line), "LOST", 4);
    const char *lower = at ? memmem(at, (size_t)(line.end - at), "lost", 4) : NULL;
    unsigned digits;

    if (!at)
        return false;
    at = text_spaces((lower ? lower : at) + 4, line.end);
    return text_digits(at, line.end, 18, lost, &digits);
}

static const struct kmem_dialect perf_dialect = {
    .prefix = "kmem:",
    .marks = " kmem:k",
    .wrong = "a kmem event without \"[cpu] seconds.fraction:\" before it; expected the fields of "
             "perf script -F comm,pid,cpu,time,event,trace",
    .none = "expected it to be recorded with perf record -e kmem:kmalloc,kmem:kfree,...",
    .lost = perf_parse_lost,
};

static int perf_read(struct import_source *source, struct join *join, struct error *error)
{
    return kmem_read(source, join, &perf_dialect, error);
}

/* A line of any event with a CPU and a time: other events may come first. perf names the events'
 * system too, "sched:sched_switch". */
static bool perf_detect(const char *start, size_t length)
{
    struct text left = {start, start + length}, line, event;

    while (text_line(&left, &line)) {
        if (kmem_is_event(&perf_dialect, line, &event) && text_contains(event, ":"))
            return true;
    }
    return false;
}

const struct import_format import_perf_script = {
    .importer = {"perf-script", "text of `perf script`, Linux kmem events"},
    .detect = perf_detect,
    .read = perf_read,
};
