/* SPDX-License-Identifier: MIT */
/* slablab record kernel: the running kernel's allocations become a trace. */
#include "sim/error.h"
#include "tools/command.h"
#include "tools/kernel_run.h"
#include "tools/list_option.h"
#include "tools/record_command.h"
#include "tools/repairs.h"

#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

/* Room for a few hundred thousand events, some 0.1 s of the busiest CPU. */
#define DEFAULT_BUFFER (8 << 20)

struct arguments {
    const char *output;
    struct kernel_run run;
    bool call_sites;
    enum import_unmatched unmatched;
};

enum key { KEY_BUFFER_SIZE = 0x100, KEY_CALL_SITES, KEY_UNMATCHED };

static const struct argp_option option_table[] = {
    {"output", 'o', "OUT.slt", 0, "the trace to write", 0},
    {"duration", 'd', "SECONDS", 0,
     "how long to record (default: until the command ends; without one, until interrupted)", 0},
    {"buffer-size", KEY_BUFFER_SIZE, "SIZE", 0,
     "of the kernel's ring buffer on each CPU (default: 8M); more, where events are lost", 0},
    {"call-sites", KEY_CALL_SITES, NULL, 0, "keep where each call came from, as function+offset",
     0},
    {"unmatched", KEY_UNMATCHED, "preload|drop", 0,
     "frees of objects older than the recording: allocate these before the clock starts (default), "
     "or drop the frees",
     0},
    {0}};

static void parse_duration(const char *text, struct kernel_run *run, struct argp_state *state)
{
    char *end;

    run->seconds = strtod(text, &end);
    if (end == text || *end || !isfinite(run->seconds) || run->seconds <= 0)
        argp_error(state, "-d: '%s': expected a number of seconds above 0", text);
}

static void parse_buffer_size(const char *text, struct kernel_run *run, struct argp_state *state)
{
    struct error error;

    if (size_parse(text, &run->buffer_bytes, &error))
        argp_error(state, "--buffer-size: %s", error.text);
    if (run->buffer_bytes < 4096 || run->buffer_bytes > (uint64_t)1 << 40)
        argp_error(state, "--buffer-size: '%s': expected 4K to 1024G", text);
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'o':
        arguments->output = text;
        return 0;
    case 'd':
        parse_duration(text, &arguments->run, state);
        return 0;
    case KEY_BUFFER_SIZE:
        parse_buffer_size(text, &arguments->run, state);
        return 0;
    case KEY_CALL_SITES:
        arguments->call_sites = true;
        return 0;
    case KEY_UNMATCHED:
        if (strcmp(text, "preload") != 0 && strcmp(text, "drop") != 0)
            argp_error(state, "--unmatched: '%s': expected preload or drop", text);
        arguments->unmatched = *text == 'p' ? IMPORT_PRELOAD : IMPORT_DROP;
        return 0;
    case ARGP_KEY_ARG:
        arguments->run.command = &state->argv[state->next - 1];
        state->next = state->argc;
        return 0;
    case ARGP_KEY_END:
        if (!arguments->output)
            argp_error(state, "where to? Name the trace with -o OUT.slt");
        if (arguments->run.command && arguments->run.seconds > 0)
            argp_error(state, "-d SECONDS or a command: either says how long to record");
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
    option_table,
    parse_option,
    "-o OUT.slt [-d SECONDS | [--] COMMAND [ARGUMENT...]]",
    "Records what the running kernel allocates and frees, on all CPUs and for all programs, for "
    "some "
    "seconds, while a command runs, or until it is interrupted. Each CPU is a stream. The kernel's "
    "kmem events are traced in an instance of their own, which is gone afterwards: other tracing "
    "goes on as it was. What the recorder itself does is left out. Of each cache the trace has "
    "what "
    "/sys/kernel/slab says: alignment, whether its objects are constructed, type-safe under RCU, "
    "merged. Where a CPU makes events faster than they are taken away, its ring buffer overflows: "
    "what share was lost is said at the end, and by `slablab info`; larger buffers help "
    "(--buffer-size). "
    "The recording lies in TMPDIR meanwhile, some 60 bytes an event. It needs tracefs, "
    "mounted, and root or a group that may write there.\v"
    "Examples:\n"
    "  slablab record kernel -d 10 -o load.slt\n"
    "  slablab record kernel -o make.slt -- make -j8\n"
    "  slablab record kernel -o server.slt -d 2.5 --buffer-size 64M --call-sites\n"
    "  slablab replay load.slt\n\n"
    "Exit status: 0 a trace was written, whatever the command's own status and whatever was lost, "
    "which is\nsaid; 1 the recording failed; 2 something is missing, which is said: tracefs, the "
    "right to use it, the\ncommand.",
    NULL,
    NULL,
    NULL};

static void show_progress(void *context, uint64_t events)
{
    command_progress("%s: %llu events", (const char *)context, (unsigned long long)events);
}

static void say_started(const struct kernel_run *run)
{
    if (run->instance.removed)
        fprintf(stderr,
                "removed from the kernel's tracing what a recording that was killed left (%u "
                "instance%s)\n",
                run->instance.removed, command_plural(run->instance.removed));
    fprintf(stderr, "recording %u CPU%s, each with a ring buffer of %llu KiB",
            run->instance.nr_cpus, command_plural(run->instance.nr_cpus),
            (unsigned long long)run->instance.buffer_kib);
    if (run->seconds > 0)
        fprintf(stderr, ", for %g s\n", run->seconds);
    else
        fprintf(stderr, run->command ? ", until %s ends\n" : ", until interrupted (Ctrl-C)\n",
                run->command ? run->command[0] : "");
}

static void say_caches(const struct kernel_caches_report *caches)
{
    if (caches->unknown)
        fprintf(stderr,
                "  %10zu  caches of which the kernel says nothing more: neither alignment nor "
                "constructor known\n",
                caches->unknown);
    if (caches->merged)
        fprintf(stderr,
                "  warning: %zu of %zu caches stand for several that the kernel merged (such as "
                "%s); boot with slab_nomerge to tell them apart\n",
                caches->merged, caches->merged + caches->unknown + caches->described,
                caches->example);
}

/* What helps where events were lost: buffers of four times the size. */
static const char *advise(const struct kernel_run *run, char advice[80])
{
    static const char units[] = "KMG";
    uint64_t size = run->buffer_bytes * 4 / 1024;
    unsigned unit = 0;

    for (; unit < 2 && size % 1024 == 0; unit++)
        size /= 1024;
    snprintf(advice, 80, "record again with --buffer-size %llu%c (the default is %dM)",
             (unsigned long long)size, units[unit], DEFAULT_BUFFER >> 20);
    return advice;
}

static void say_report(const struct arguments *arguments, const struct kernel_record_report *report)
{
    char advice[80];

    fprintf(stderr, "%llu event%s in %.3f s, %llu written to %s\n",
            (unsigned long long)report->recorded, command_plural(report->recorded),
            arguments->run.elapsed, (unsigned long long)report->events, arguments->output);
    fprintf(stderr, "  %10llu  events of the recorder itself: left out\n",
            (unsigned long long)report->left_out);
    repairs_print(&report->repairs, report->recorded, advise(&arguments->run, advice), stderr);
    say_caches(&report->caches);
}

static int convert(const struct arguments *arguments)
{
    const struct kernel_run *run = &arguments->run;
    struct kernel_record recorded = {
        .tep = run->instance.tep,
        .page_bytes = run->instance.page_bytes,
        .cpus = run->cpus,
        .nr_cpus = run->instance.nr_cpus,
        .own = run->own,
        .nr_own = run->instance.nr_cpus + 1,
        .call_sites = arguments->call_sites,
        .unmatched = arguments->unmatched,
        .caches = {.slab = "/sys/kernel/slab", .slabinfo = "/proc/slabinfo"},
        .command = (const char *const *)run->command,
        .buffer_kib = run->instance.buffer_kib,
        .progress = show_progress,
        .progress_context = (void *)arguments->output,
    };
    struct kernel_record_report report;
    struct utsname system;
    struct error error;
    int code;

    recorded.release = uname(&system) == 0 ? system.release : "";
    code = kernel_record_convert(&recorded, arguments->output, &report, &error);
    command_progress_clear();
    if (code == -ENODATA) {
        fprintf(stderr, "slablab: nothing was recorded: %s\n", error.text);
        return STATUS_FAILED;
    }
    if (code)
        return command_failed(code, &error);
    say_report(arguments, &report);
    return STATUS_DONE;
}

int cmd_record_kernel(int argc, char **argv)
{
    struct arguments arguments = {
        .run = {.buffer_bytes = DEFAULT_BUFFER, .started = say_started},
    };
    struct error error;
    int status;

    command_parse(&argp, argc, argv, ARGP_IN_ORDER, &arguments);
    status = record_check_output(arguments.output, &error);
    if (!status)
        status = kernel_run(&arguments.run, &error);
    if (arguments.run.left)
        fprintf(stderr, "slablab: warning: %s is left, since somebody looks into it: rmdir %s\n",
                arguments.run.instance.folder, arguments.run.instance.folder);
    if (status)
        return command_failed(status, &error);
    if (arguments.run.command)
        record_say_status(arguments.run.command[0], arguments.run.status);
    if (arguments.call_sites)
        status = kernel_instance_load_symbols(&arguments.run.instance, &error);
    status = status ? command_failed(status, &error) : convert(&arguments);
    kernel_run_cleanup(&arguments.run);
    return status;
}
