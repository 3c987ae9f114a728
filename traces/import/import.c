/* SPDX-License-Identifier: MIT */
/* Importing: which importer, from where to where, and what the trace says of its origin. */
#include "traces/import/import.h"

#include "sim/error.h"
#include "traces/import/source.h"
#include "version.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const struct import_format *const import_formats[] = {
    &import_perf_data, &import_perf_script, &import_trace_dat, &import_ftrace, &import_android,
    &import_mtrace,    &import_logalloc,    &import_rep,       &import_dump,
};

enum { IMPORT_FORMATS = sizeof import_formats / sizeof *import_formats };

const struct importer *import_all(size_t *count)
{
    static struct importer importers[IMPORT_FORMATS];

    for (size_t i = 0; i < IMPORT_FORMATS; i++)
        importers[i] = import_formats[i]->importer;
    *count = IMPORT_FORMATS;
    return importers;
}

static int import_find_format(const char *name, const struct import_format **found,
                              struct error *error)
{
    char known[256] = "";

    for (size_t i = 0; i < IMPORT_FORMATS; i++) {
        *found = import_formats[i];
        if (!strcmp((*found)->importer.name, name))
            return 0;
        if (i)
            strncat(known, ", ", sizeof known - strlen(known) - 1);
        strncat(known, (*found)->importer.name, sizeof known - strlen(known) - 1);
    }
    return error_set(error, EINVAL, "format '%s' is unknown; expected one of: %s", name, known);
}

static int import_detect(struct import_source *source, const struct import_format **found,
                         struct error *error)
{
    const char *start;
    size_t length;
    int code = import_source_peek(source, &start, &length, error);

    if (code)
        return code;
    if (!length)
        return error_set(error, EINVAL, "%s:1: the input is empty; expected a recording",
                         source->name);
    for (size_t i = 0; i < IMPORT_FORMATS && source->options->format == NULL; i++) {
        *found = import_formats[i];
        if ((*found)->detect(start, length))
            return 0;
    }
    if (source->options->format)
        return import_find_format(source->options->format, found, error);
    if (length >= 4 && memcmp(start, "\x89SLT", 4) == 0)
        return error_set(error, EINVAL, "%s: this is a trace already", source->name);
    return error_set(error, EINVAL,
                     "%s:1: no recording that is known here; expected lines such as "
                     "\"comm 42 [000] 12.345678: kmem:kmalloc: ... ptr=0x... bytes_req=...\" "
                     "(perf script); `slablab list importers` has the other formats",
                     source->name);
}

/* No clock, no host, no path: the same input gives the same trace. */
static char *import_provenance(const struct import_source *source,
                               const struct import_format *format, uint64_t events)
{
    const char *slash = strrchr(source->name, '/');
    const struct import_options *options = source->options;
    json_t *name = json_string(slash ? slash + 1 : source->name);
    char digest[33], *text;
    json_t *json;

    if (!name) /* not UTF-8, which JSON must be */
        name = json_string("?");
    import_source_digest(source, digest);
    json = json_pack("{s:s, s:s, s:s, s:{s:o, s:s, s:I, s:I}, s:{s:s, s:b}}", "importer",
                     "slablab import", "version", SLABLAB_VERSION, "format", format->importer.name,
                     "input", "name", name, "xxh3_128", digest, "bytes", (json_int_t)source->bytes,
                     "events", (json_int_t)events, "options", "unmatched",
                     options->unmatched == IMPORT_PRELOAD ? "preload" : "drop", "call_sites",
                     options->call_sites);
    if (json && options->kallsyms) /* names are by it, so it is an input too */
        json_object_set_new(json_object_get(json, "options"), "kallsyms", json_true());
    text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

static int import_write(const struct import_source *source, const struct import_format *format,
                        struct join *join, const char *output, struct import_report *report,
                        struct error *error)
{
    char *provenance = import_provenance(source, format, join_count(join));
    int code = -ENOMEM;

    if (provenance)
        code = join_write_trace(join, output, provenance, &report->repairs, &report->events, error);
    free(provenance);
    return code;
}

/* A recording that is written as it is read. */
static int import_convert(struct import_source *source, const struct import_format *format,
                          const char *output, struct import_report *report, struct error *error)
{
    struct trace_writer *writer;
    bool has_provenance = false;
    int code = trace_create(output, "{}", &writer, error);

    if (code)
        return code;
    code = format->convert(source, writer, report, &has_provenance, error);
    report->events = trace_written(writer);
    if (!code && !has_provenance) {
        char *provenance = import_provenance(source, format, report->events);

        code = provenance ? trace_set_provenance(writer, provenance) : -ENOMEM;
        free(provenance);
    }
    if (!code)
        return trace_commit(writer, error);
    trace_discard(writer);
    return code;
}

int import_trace(const char *input, const char *output, const struct import_options *options,
                 struct import_report *report, struct error *error)
{
    const struct import_format *format = NULL;
    struct import_report unwanted;
    struct import_source source;
    struct error reason = {""};
    struct join *join = NULL;
    int code;

    report = report ? report : &unwanted;
    *report = (struct import_report){0};
    code = import_source_open(&source, input, options, error);
    if (code)
        return code;
    code = import_detect(&source, &format, &reason);
    if (!code && format->convert) {
        code = import_convert(&source, format, output, report, &reason);
    } else if (!code) {
        code = join_create(&join, options);
        if (!code)
            code = format->read(&source, join, &reason);
        if (!code)
            code = import_write(&source, format, join, output, report, &reason);
    }
    if (!code) {
        report->format = format->importer.name;
        report->input_bytes = source.bytes;
    } else if (*reason.text) {
        error_set(error, -code, "%s", reason.text);
    } else if (code == -ENOSPC) {
        error_set(error, ENOSPC, "%s: cannot import: %s (where %s goes, or in TMPDIR)", source.name,
                  strerror(ENOSPC), output);
    } else {
        error_set(error, -code, "%s: cannot import: %s", source.name, strerror(-code));
    }
    join_destroy(join);
    import_source_close(&source);
    return code;
}
