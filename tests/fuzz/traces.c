/* SPDX-License-Identifier: MIT */
/* Traces and what they are imported from. */
#include "tests/fuzz/targets.h"

#include "sim/error.h"
#include "sim/plan.h"
#include "tools/info.h"
#include "traces/dump.h"
#include "traces/import/import.h"
#include "traces/import/symbols.h"
#include "traces/slt_block.h"
#include "traces/summary.h"
#include "traces/transform.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <traceevent/event-parse.h>

void fuzz_read_trace(const char *path, bool whole)
{
    static const struct plan_config config = {.workers = 2, .samples = 8, .total_order = true};
    struct trace_summary summary;
    struct trace_totals totals;
    struct error error = {""};
    struct plan *plan;
    FILE *nowhere;
    int code = fuzz_refusal(trace_summary_read(path, &summary, &error), &error, path);

    if (code && whole)
        fuzz_broken("not the trace it should be: %s", error.text);
    if (!code)
        trace_summary_cleanup(&summary);
    *error.text = '\0';
    if (fuzz_refusal(trace_read_totals(path, &totals, &error), &error, path) && !code)
        fuzz_broken("a whole trace has no totals: %s", error.text);
    *error.text = '\0';
    if (!fuzz_refusal(plan_create(path, &config, &plan, &error), &error, path)) {
        plan_destroy(plan);
        if (code)
            fuzz_broken("a plan was made of a trace that is refused");
    }
    nowhere = fopen("/dev/null", "we");
    *error.text = '\0';
    if (nowhere && fuzz_refusal(trace_dump(path, nowhere, &error), &error, path) && !code)
        fuzz_broken("a whole trace cannot be dumped: %s", error.text);
    if (nowhere)
        fclose(nowhere);
}

void fuzz_trace(const struct fuzz_input *input)
{
    fuzz_read_trace(input->path, false);
}

/* ---- what is made of traces ---- */

static void describe_trace(const char *path, FILE *nowhere)
{
    struct trace_summary summary;
    struct error error = {""};

    if (fuzz_refusal(trace_summary_read(path, &summary, &error), &error, path))
        return;
    info_print_text(path, &summary, nowhere);
    if (info_print_json(&summary, nowhere))
        fuzz_broken("what is known of a trace is no JSON");
    trace_summary_cleanup(&summary);
}

/* One thing of each input: by its length which. A trace that can be read can be transformed, but
 * for a cut of what it has not. */
static void transform_trace(const struct fuzz_input *input, const char *path)
{
    FILE *nowhere = fopen("/dev/null", "we");
    const char *both[] = {path, path};
    struct trace_summary summary;
    struct cut_report report;
    struct cut_range range = {CUT_EVENTS, input->length % 7, input->length % 64};
    char output[FUZZ_PATH_BYTES];
    struct error error = {""};
    int code = -EINVAL;

    if (!nowhere)
        fuzz_broken("/dev/null: %s", strerror(errno));
    fuzz_path(input, "transformed.slt", output);
    switch (input->length % 4) {
    case 0:
        code = trace_cut(path, output, &range, &report, &error);
        break;
    case 1:
        code = trace_merge(both, 2, output, &error);
        break;
    case 2:
        code = trace_anonymise(path, output, input->length % 8 == 2, &error);
        break;
    default:
        describe_trace(path, nowhere);
    }
    fclose(nowhere);
    if (input->length % 4 == 3)
        return;
    if (!fuzz_refusal(code, &error, path))
        fuzz_read_trace(output, true);
    else if (input->length % 4 && trace_summary_read(path, &summary, NULL) == 0)
        fuzz_broken("a whole trace cannot be transformed: %s", error.text);
}

/* ---- behind the checksums ---- */

enum {
    COUNTS_BYTES = SLT_FOOTER_BLOCKS - SLT_FOOTER_EVENTS,
    HEAD_KIND = 0,        /* u8 */
    HEAD_LENGTH = 1,      /* u16, of the payload that follows */
    HEAD_FIRST_EVENT = 3, /* u64 */
    HEAD_TIME = 11,       /* u64 */
    HEAD_BYTES = 19
};

/* The block that `at` begins with; what it takes of `left` bytes, 0: there is none, or an error. */
static size_t put_block(struct slt_sink *sink, const char *at, size_t left)
{
    uint8_t head[HEAD_BYTES];
    struct bytes payload = {0};
    size_t length;
    int code;

    if (left < HEAD_BYTES)
        return 0;
    memcpy(head, at, HEAD_BYTES);
    length = head[HEAD_LENGTH] | (size_t)head[HEAD_LENGTH + 1] << 8;
    length = length < left - HEAD_BYTES ? length : left - HEAD_BYTES;
    bytes_put(&payload, at + HEAD_BYTES, length);
    code = slt_sink_block(sink, head[HEAD_KIND], &payload, load_u64(head + HEAD_FIRST_EVENT),
                          load_u64(head + HEAD_TIME), NULL, 0);
    bytes_cleanup(&payload);
    return code ? 0 : HEAD_BYTES + length;
}

/*
 * An input is the footer's counts, then blocks: what a file has beyond that are checksums, which
 * chance does not find. ./slt-parts makes such an input of a trace.
 */
void fuzz_trace_blocks(const struct fuzz_input *input)
{
    uint8_t footer[SLT_FOOTER_BYTES] = {0};
    char path[FUZZ_PATH_BYTES];
    struct slt_sink sink;
    FILE *stream;
    size_t at = COUNTS_BYTES;

    if (input->length < COUNTS_BYTES)
        return;
    fuzz_path(input, "blocks.slt", path);
    stream = fopen(path, "we");
    if (!stream || slt_sink_open(&sink, stream))
        fuzz_broken("%s: %s", path, strerror(errno));
    memcpy(footer + SLT_FOOTER_EVENTS, input->bytes, COUNTS_BYTES);
    for (size_t taken = 1; taken; at += taken)
        taken = put_block(&sink, input->bytes + at, input->length - at);
    slt_sink_finish(&sink, footer);
    slt_sink_close(&sink);
    fclose(stream);
    fuzz_read_trace(path, false);
    transform_trace(input, path);
}

/* ---- importers ---- */

/* What comes of it must be a whole trace, with as many events as were reported. */
void fuzz_import(const struct fuzz_input *input, const char *format)
{
    struct import_options options = {
        .format = format, .call_sites = input->length % 2, .unmatched = input->length / 2 % 2};
    struct import_report report;
    struct error error = {""};
    char output[FUZZ_PATH_BYTES];

    fuzz_path(input, "imported.slt", output);
    if (fuzz_refusal(import_trace(input->path, output, &options, &report, &error), &error,
                     input->path))
        return;
    if (report.events)
        fuzz_read_trace(output, true);
}

void fuzz_kallsyms(const struct fuzz_input *input)
{
    struct tep_handle *tep = tep_alloc();
    struct error error = {""};
    char name[64];

    if (!tep)
        fuzz_broken("no memory");
    if (!fuzz_refusal(symbols_read_file(tep, input->path, &error), &error, input->path)) {
        symbols_name(tep, 0xffffffff81000010, name, sizeof name);
        symbols_name(tep, 0, name, 4);
    }
    tep_free(tep);
}
