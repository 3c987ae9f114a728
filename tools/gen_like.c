/* SPDX-License-Identifier: MIT */
/* slablab gen --like: see gen_like.h. */
#include "tools/gen_like.h"

#include "sim/error.h"
#include "tools/command.h"
#include "traces/outfile.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void print_table(const struct likeness *recorded, const struct likeness_distance *distances)
{
    command_progress_clear();
    fprintf(stderr, "%-44s %12s %12s  %s\n", "how like it is", "recorded", "generated",
            "apart (0: the same)");
    for (size_t i = 0; i < LIKENESS_DISTANCES; i++) {
        const struct likeness_distance *row = &distances[i];

        fprintf(stderr, "  %-42s %12.6g %12.6g", row->what, row->recorded, row->generated);
        if (row->measure)
            fprintf(stderr, "  %.3f (%s)", row->distance, row->measure);
        fputc('\n', stderr);
    }
    if (recorded->left_out)
        fprintf(stderr,
                "  left out: %llu events of objects older than the recording, of %llu events\n",
                (unsigned long long)recorded->left_out,
                (unsigned long long)(recorded->events + recorded->left_out));
}

static int print_json(const struct likeness *recorded, const struct likeness *generated,
                      const struct likeness_distance *distances)
{
    json_t *object =
        json_pack("{s:s, s:s, s:I}", "recorded", recorded->digest, "generated", generated->digest,
                  "left_out_events", (json_int_t)recorded->left_out);
    json_t *list = json_array();
    int code;

    for (size_t i = 0; i < LIKENESS_DISTANCES; i++) {
        const struct likeness_distance *row = &distances[i];
        json_t *entry = json_pack("{s:s, s:f, s:f}", "what", row->what, "recorded", row->recorded,
                                  "generated", row->generated);

        if (row->measure) {
            json_object_set_new(entry, "measure", json_string(row->measure));
            json_object_set_new(entry, "distance", json_real(row->distance));
        }
        json_array_append_new(list, entry);
    }
    json_object_set_new(object, "distances", list);
    code = json_dumpf(object, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(object);
    return code ? -EIO : 0;
}

/* What was written, read again. */
static int compare(const struct likeness *recorded, const char *output, bool json,
                   struct error *error)
{
    struct likeness_distance distances[LIKENESS_DISTANCES];
    struct likeness *generated;
    int code = likeness_read(output, &generated, error);

    if (code)
        return code;
    likeness_compare(recorded, generated, distances);
    print_table(recorded, distances);
    if (json && print_json(recorded, generated, distances))
        code = error_set(error, EIO, "standard output: could not write all of it");
    likeness_destroy(generated);
    return code;
}

int gen_like(const char *input, const struct likeness_options *options, const char *output,
             bool json, const struct generate_progress *progress, struct generate_report *report,
             struct error *error)
{
    struct likeness *recorded;
    int code;

    if (strcmp(output, "-") == 0)
        return error_set(error, EINVAL,
                         "standard output cannot be read again to see how like it is; name a file "
                         "with -o");
    code = outfile_spares(output, input, error);
    if (!code)
        code = likeness_read(input, &recorded, error);
    if (code)
        return code;
    code = generate_like(recorded, options, output, progress, report, error);
    if (!code)
        code = compare(recorded, output, json, error);
    likeness_destroy(recorded);
    return code;
}
