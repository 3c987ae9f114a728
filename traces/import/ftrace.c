/* SPDX-License-Identifier: MIT */
/*
 * Linux's ftrace as text, with kmem events: what `trace-cmd report` prints, and what is in
 * /sys/kernel/tracing/trace. Kernels name their events alike in both; the word of flags behind the
 * CPU is there or not.
 *
 *       bash-1234    [001] d..2.  1785.549261: kmalloc: call_site=f+0x1/0x20 ptr=00000000c0ffee00
 * ... bash-1234    [001]  1785.549261: kmalloc:              call_site=f+0x1 ptr=0xffff8881...
 */
#include "traces/import/kmem.h"

/* "CPU:1 [LOST 12 EVENTS]" (the kernel), "CPU:1 [12 EVENTS DROPPED]" (trace-cmd); without a number
 * the recorder knows only that there were some: at least one. */
static bool ftrace_parse_lost(struct text line, uint64_t *lost)
{
    const char *at = memmem(line.at, text_length(line), " [", 2);
    struct text left, word;

    if (!at || text_length(line) < 4 || memcmp(line.at, "CPU:", 4) != 0)
        return false;
    left = (struct text){at + 2, line.end};
    word = text_word(&left);
    if (text_is(word, "LOST"))
        word = text_word(&left);
    else if (!text_contains(line, "EVENTS DROPPED]"))
        return false;
    if (!text_number(word, lost))
        *lost = 1;
    return true;
}

static const struct kmem_dialect ftrace_dialect = {
    .prefix = "",
    .flags = true,
    .marks = ": k",
    .wrong = "a kmem event without \"[cpu] seconds.fraction:\" before it; expected a trace clock "
             "that counts in seconds, such as local, global or mono",
    .none = "expected it to be recorded with trace-cmd record -e kmem:kmalloc -e kmem:kfree ...",
    .lost = ftrace_parse_lost,
};

static int ftrace_read(struct import_source *source, struct join *join, struct error *error)
{
    return kmem_read(source, join, &ftrace_dialect, error);
}

/* An event named without its system, or the first line of /sys/kernel/tracing/trace. */
static bool ftrace_detect(const char *start, size_t length)
{
    struct text left = {start, start + length}, line, event;
    static const char header[] = "# tracer: ";

    if (length >= sizeof header - 1 && !memcmp(start, header, sizeof header - 1))
        return true;
    while (text_line(&left, &line)) {
        if (kmem_is_event(&ftrace_dialect, line, &event) && !text_contains(event, ":"))
            return true;
    }
    return false;
}

const struct import_format import_ftrace = {
    .importer = {"ftrace", "text of `trace-cmd report` or tracefs, Linux kmem events"},
    .detect = ftrace_detect,
    .read = ftrace_read,
};
