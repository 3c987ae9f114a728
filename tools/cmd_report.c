/* SPDX-License-Identifier: MIT */
/*
 * slablab report: a sweep as one page. Findings in words first, then tables, pictures, where it was
 * run, and the command that runs it again.
 */
#include "sim/error.h"
#include "tools/command.h"
#include "tools/compare.h"
#include "tools/list_option.h"
#include "tools/no_memory.h"
#include "tools/pareto.h"
#include "tools/record.h"
#include "tools/report_page.h"
#include "tools/report_pictures.h"
#include "tools/sweep_file.h"
#include "traces/outfile.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct arguments {
    const char *folder;
    const char *output;
    bool markdown;
    struct word_list figures; /* to draw besides */
    unsigned with;            /* enum series_with */
};

enum key { KEY_DISTURBED = 0x100, KEY_FIGURE };

static const struct argp_option option_table[] = {
    {"output", 'o', "FILE", 0, "where to (- is standard output)", 0},
    {"format", 'f', "html|md", 0, "one page that needs nothing but itself (default), or Markdown",
     0},
    {"figure", KEY_FIGURE, "LIST", 0,
     "draw these over magazine size besides; `slablab list figures` says which there are", 0},
    {"include-disturbed", KEY_DISTURBED, NULL, 0,
     "take runs too that were marked disturbed: something else ran beside them", 0},
    {0}};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct error error;

    switch (key) {
    case 'o':
        arguments->output = text;
        return 0;
    case 'f':
        if (strcmp(text, "html") != 0 && strcmp(text, "md") != 0)
            argp_error(state, "--format: '%s': expected html or md", text);
        arguments->markdown = strcmp(text, "md") == 0;
        return 0;
    case KEY_FIGURE:
        if (figures_parse(text, &arguments->figures, &error) != 0)
            argp_error(state, "--figure: %s", error.text);
        return 0;
    case KEY_DISTURBED:
        arguments->with |= SERIES_WITH_DISTURBED;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->folder)
            argp_error(state, "more than one sweep: '%s' and '%s'", arguments->folder, text);
        arguments->folder = text;
        return 0;
    case ARGP_KEY_END:
        if (!arguments->folder)
            argp_error(state, "which sweep? Name its folder");
        if (!arguments->output)
            argp_error(state, "where to? Name a file with -o FILE");
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
    option_table,
    parse_option,
    "DIR -o REPORT.html",
    "Makes one page of a sweep: findings in words, tables, pictures (drawn as `slablab plot` "
    "does), where it was run, and how to run it again.\v"
    "Examples:\n"
    "  slablab report out -o out.html\n"
    "  slablab report out --format md -o out.md\n\n"
    "The HTML page holds its pictures and loads nothing. Markdown links to those in DIR/plots.",
    NULL,
    NULL,
    NULL};

/* What the parts of the page are made of. */
struct report {
    const struct report_page *page;
    const char *folder;
    const struct word_list *figures;
    unsigned with; /* enum series_with */
    struct series series;
    struct comparison throughput, memory;
    struct pareto pareto;
    json_t *sweep; /* sweep.json; NULL: there is none */
};

/* ---- findings ---- */

/* Of the pairs of a load from `first` on, the best of one label; NULL: none of it. */
static const struct pairing *best_of(const struct comparison *comparison, size_t first,
                                     const char *label)
{
    const struct pairing *best = NULL;

    for (size_t i = first;
         i < comparison->count && pairs_same_load(&comparison->pairs[i], &comparison->pairs[first]);
         i++) {
        const struct pairing *pair = &comparison->pairs[i];

        if (strcmp(pair->other->label, label) == 0 && pair->other_measured.count &&
            (!best || pair->other_measured.spread.median > best->other_measured.spread.median))
            best = pair;
    }
    return best;
}

/* "hackbench.slt, 2 threads: magazine size 62 is the fastest, ...; against it ..." */
static char *load_finding(const struct comparison *comparison, size_t first, size_t *next)
{
    const struct pairing *base = NULL;
    char *text = NULL;
    size_t size = 0, i;
    FILE *stream = text_open(&text, &size);

    for (i = first;
         i < comparison->count && pairs_same_load(&comparison->pairs[i], &comparison->pairs[first]);
         i++) {
        if (comparison->pairs[i].base == comparison->pairs[i].other)
            base = &comparison->pairs[i];
    }
    *next = i;
    load_print(comparison->pairs[first].other, stream);
    if (base && base->other_measured.exact)
        fprintf(stream, ": %s is the fastest, %.1f M events/s", base->other->name,
                base->other_measured.spread.median * 1e-6);
    else if (base)
        fprintf(stream, ": %s has the best median, %.1f M events/s (%.1f to %.1f)",
                base->other->name, base->other_measured.spread.median * 1e-6,
                base->other_measured.interval.low * 1e-6,
                base->other_measured.interval.high * 1e-6);
    for (i = first; base && i < *next; i++) {
        const struct pairing *pair = &comparison->pairs[i];
        char words[160];

        if (strcmp(pair->other->label, base->other->label) == 0 ||
            best_of(comparison, first, pair->other->label) != pair)
            continue;
        difference_words(&pair->difference, comparison->figure, words, sizeof words);
        fprintf(stream, "; %s: %s", pair->other->name, words);
    }
    fprintf(stream, ".");
    text_close(stream, &text);
    return text;
}

static void advice_item(const struct report *report, const struct pareto_curve *curve)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = curve->label ? text_open(&text, &size) : NULL;

    if (!stream)
        return; /* all designs together: their front is in the table */
    load_print(curve->load, stream);
    fprintf(stream, ", %s: ", curve->label);
    pareto_advice(&report->pareto, curve, stream);
    text_close(stream, &text);
    page_item(report->page, text);
    free(text);
}

/* What all findings rest on, where that is less than it seems. */
static void reservations_print(const struct report *report)
{
    const struct series *series = &report->series;
    char text[256];

    series_unfinished_words(series, text, sizeof text);
    if (*text)
        page_item(report->page, text);
    if (!series->disturbed_only)
        return;
    snprintf(text, sizeof text,
             "Of %zu of %zu combinations all runs were disturbed: what is found of these may be "
             "what else ran, not the design.",
             series->disturbed_only, series->count);
    page_item(report->page, text);
}

static void findings_print(const struct report *report)
{
    page_heading(report->page, "Findings");
    page_list(report->page, true);
    reservations_print(report);
    for (size_t i = 0; i < report->throughput.count;) {
        char *text = load_finding(&report->throughput, i, &i);

        page_item(report->page, text);
        free(text);
    }
    for (size_t i = 0; i < report->pareto.count; i++)
        advice_item(report, &report->pareto.curves[i]);
    page_list(report->page, false);
}

/* ---- tables ---- */

/* What is printed into its stream stands on the page as it is; nothing, where that is nothing. */
struct table {
    char *text;
    size_t size;
    FILE *stream;
};

static bool table_begin(struct table *table)
{
    *table = (struct table){0};
    table->stream = text_open(&table->text, &table->size);
    return table->stream;
}

static void table_end(const struct report *report, struct table *table)
{
    text_close(table->stream, &table->text);
    if (table->size)
        page_preformatted(report->page, table->text);
    free(table->text);
}

static void comparison_table(const struct report *report, const struct comparison *comparison)
{
    struct table table;

    if (!table_begin(&table))
        return;
    comparison_print(comparison, table.stream);
    table_end(report, &table);
}

static void pareto_table(const struct report *report)
{
    struct table table;

    if (report->pareto.count == 0 || !table_begin(&table))
        return;
    pareto_print(&report->pareto, table.stream);
    table_end(report, &table);
}

static void scaling_table(const struct report *report)
{
    struct table table;

    if (!table_begin(&table))
        return;
    scaling_print(&report->series, table.stream);
    table_end(report, &table);
}

/* ---- where, and how again ---- */

static bool report_is_simulated(const struct report *report)
{
    return point_is_simulated(&report->series.points[0]);
}

static void provenance_print(const struct report *report)
{
    static const char *const rows[] = {"version", "commit",   "build", "host",   "cpu",
                                       "kernel",  "topology", "clock", "started"};
    const json_t *record = report->series.points[0].runs[0], *advice;
    char text[256];
    size_t runs = 0, i;

    for (i = 0; i < report->series.count; i++)
        runs += report->series.points[i].nr_runs;
    page_heading(report->page, "Where it was run");
    page_table(report->page, true);
    if (report_is_simulated(report))
        page_row(report->page, "machine", report->series.machine);
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[32];

        snprintf(path, sizeof path, "provenance.%s", rows[i]);
        if (record_at(record, path))
            page_row(report->page, rows[i], record_text(record, path));
    }
    snprintf(text, sizeof text, "%zu (left out: %zu invalid, %zu failed)", runs,
             report->series.invalid, report->series.failed);
    page_row(report->page, "runs", text);
    series_disturbed_words(&report->series, text, sizeof text);
    if (*text)
        page_row(report->page, "disturbed", text);
    json_array_foreach(record_at(report->sweep, "environment.advice"), i, advice)
        page_row(report->page, "advice", record_text(advice, ""));
    page_table(report->page, false);
}

/* As a shell reads it. */
static void word_print(FILE *stream, const char *word)
{
    if (word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                          "_./=,:%+-")] == '\0') {
        fprintf(stream, " %s", word);
        return;
    }
    fputs(" '", stream);
    for (; *word; word++)
        fputs(*word == '\'' ? "'\\''" : (char[]){*word, '\0'}, stream);
    fputc('\'', stream);
}

static void command_print(const struct report *report)
{
    struct word_list words = {0};
    char *text = NULL;
    size_t size = 0;
    FILE *stream = report->sweep ? text_open(&text, &size) : NULL;

    if (!stream)
        return;
    if (sweep_file_arguments(report->sweep, report->folder, &words) != 0)
        memory_missing("a command");
    fprintf(stream, "slablab sweep");
    for (size_t i = 0; i < words.count; i++)
        word_print(stream, words.words[i]);
    fprintf(stream, "\nslablab report");
    word_print(stream, report->folder);
    fprintf(stream, " -o REPORT.html\n");
    text_close(stream, &text);
    page_heading(report->page, "How to run it again");
    page_preformatted(report->page, text);
    free(text);
    word_list_cleanup(&words);
}

/* ---- all of it ---- */

static int report_read(struct report *report, struct error *error)
{
    int code = series_read(report->folder, report->with, &report->series, error);

    if (code == 0)
        code = compare_designs(&report->series, figure_find("throughput"), NULL,
                               &report->throughput, error);
    if (code == 0)
        code = compare_designs(&report->series, figure_find("peak_bytes"), NULL, &report->memory,
                               error);
    if (code == 0 &&
        pareto_create(&report->series, figure_find("resting_bytes"), &report->pareto) != 0)
        code = error_set(error, ENOMEM, "no memory to compare memory and throughput");
    if (code)
        return code;
    code = sweep_file_read(report->folder, &report->sweep, error);
    return code == -ENOENT ? 0 : code; /* results need not have it; what is there must be read */
}

static int report_write(const struct report *report, struct error *error)
{
    struct stat status;
    char title[300];
    int code = 0;

    if (stat(report->folder, &status) != 0)
        return error_set(error, errno, "%s: %s", report->folder, strerror(errno));
    snprintf(title, sizeof title, "Slab allocators compared: %s", report->folder);
    page_begin(report->page, title);
    page_paragraph(
        report->page,
        report_is_simulated(report)
            ? "A slablab sweep: allocation traces, run against allocator designs on "
              "virtual CPUs in virtual time. No such machine was at hand: what an access "
              "costs is a model's, and its figures are exact, not measured."
            : "A slablab sweep: recorded allocation traces, replayed against allocator "
              "designs. Figures are medians with 95% intervals (of fewer than 5 runs: "
              "from least to most); what is called a difference is above the noise of "
              "the same thing against itself.");
    if (report_is_simulated(report))
        page_paragraph(report->page, report->series.machine);
    findings_print(report);
    page_heading(report->page, "Tables");
    comparison_table(report, &report->throughput);
    comparison_table(report, &report->memory);
    pareto_table(report);
    scaling_table(report);
    if (S_ISDIR(status.st_mode))
        code = report_pictures_print(report->page, &report->series, report->folder, report->figures,
                                     error);
    provenance_print(report);
    command_print(report);
    page_end(report->page);
    return code;
}

int cmd_report(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct report_page page;
    struct report report = {.page = &page};
    struct outfile file = {0};
    struct error error;
    int code;

    command_parse(&argp, argc, argv, 0, &arguments);
    report.folder = arguments.folder;
    report.with = arguments.with;
    report.figures = &arguments.figures;
    code = report_read(&report, &error);
    if (code == 0)
        code = outfile_open(&file, arguments.output, &error);
    if (code == 0) {
        page = (struct report_page){.stream = file.stream, .html = !arguments.markdown};
        code = report_write(&report, &error);
        if (code)
            outfile_discard(&file);
        else
            code = outfile_commit(&file, &error);
    }
    json_decref(report.sweep);
    pareto_cleanup(&report.pareto);
    comparison_cleanup(&report.throughput);
    comparison_cleanup(&report.memory);
    series_cleanup(&report.series);
    word_list_cleanup(&arguments.figures);
    return code ? command_failed(code, &error) : STATUS_DONE;
}
