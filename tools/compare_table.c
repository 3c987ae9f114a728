/* SPDX-License-Identifier: MIT */
/* A comparison for a person: the noise floor, a table a load, what the words rest on. */
#include "tools/command.h"
#include "tools/compare.h"

#include <math.h>
#include <string.h>

void load_print(const struct point *point, FILE *stream)
{
    const char *slash = strrchr(point->trace, '/');

    fprintf(stream, "%s, %u thread%s", slash ? slash + 1 : point->trace, point->threads,
            command_plural(point->threads));
    if (point_is_simulated(point)) /* which takes as many replicas as it needs */
        fprintf(stream, ", simulated on %s", point->machine);
    else if (point->replicas > 1)
        fprintf(stream, ", %u replicas", point->replicas);
}

/* Four digits that count. */
static void number_text(double value, char *text, size_t size)
{
    double magnitude = fabs(value);
    int decimals = magnitude >= 1000 || value == 0 ? 0
                   : magnitude >= 100              ? 1
                   : magnitude >= 10               ? 2
                                                   : 3;

    snprintf(text, size, "%.*f", decimals, value);
}

static void median_text(const struct measured *measured, const struct figure *figure, char *text,
                        size_t size)
{
    char median[32], low[32], high[32];

    if (measured->count == 0) {
        snprintf(text, size, "-");
        return;
    }
    number_text(measured->spread.median * figure->scale, median, sizeof median);
    if (measured->exact) {
        snprintf(text, size, "%s", median);
        return;
    }
    number_text(measured->interval.low * figure->scale, low, sizeof low);
    number_text(measured->interval.high * figure->scale, high, sizeof high);
    snprintf(text, size, "%s (%s to %s)%s", median, low, high, measured->outliers ? "*" : "");
}

static void ratio_text(const struct difference *difference, char *text, size_t size)
{
    if (isnan(difference->ratio))
        snprintf(text, size, "-");
    else
        snprintf(text, size, "%.3f", difference->ratio);
}

static void p_text(double p, char *text, size_t size)
{
    if (isnan(p))
        snprintf(text, size, "-");
    else if (p < 0.0001)
        snprintf(text, size, "<0.0001");
    else
        snprintf(text, size, "%.4f", p);
}

static void runs_text(const struct pairing *pair, bool two, char *text, size_t size)
{
    if (two && pair->base_measured.count != pair->other_measured.count)
        snprintf(text, size, "%zu, %zu", pair->base_measured.count, pair->other_measured.count);
    else
        snprintf(text, size, "%zu", pair->other_measured.count);
}

static void pair_print(const struct comparison *comparison, const struct pairing *pair,
                       FILE *stream)
{
    char runs[32], median[128], before[128], ratio[32], p[32], words[160];
    bool two = comparison->before;

    runs_text(pair, two, runs, sizeof runs);
    median_text(&pair->other_measured, comparison->figure, median, sizeof median);
    median_text(&pair->base_measured, comparison->figure, before, sizeof before);
    ratio_text(&pair->difference, ratio, sizeof ratio);
    p_text(pair->difference.corrected, p, sizeof p);
    difference_words(&pair->difference, comparison->figure, words, sizeof words);
    fprintf(stream, "  %-28s %6s", pair->other->name, runs);
    if (two)
        fprintf(stream, " %28s", before);
    fprintf(stream, " %28s %7s %8s  %s\n", median, ratio, p,
            pair->base == pair->other ? "the baseline" : words);
}

static bool all_exact(const struct comparison *comparison)
{
    for (size_t i = 0; i < comparison->count; i++) {
        if (!comparison->pairs[i].other_measured.exact || !comparison->pairs[i].base_measured.exact)
            return false;
    }
    return comparison->count > 0;
}

static void table_head(const struct comparison *comparison, const struct pairing *first,
                       FILE *stream)
{
    const struct figure *figure = comparison->figure;

    fprintf(stream, "\n");
    load_print(first->other, stream);
    fprintf(stream, ": %s in %s", figure->title, figure->unit);
    if (comparison->before)
        fprintf(stream, ", B against A\n");
    else
        fprintf(stream, ", against %s (%s)\n", first->base->name,
                comparison->baseline_named ? "as asked" : "the best median");
    fprintf(stream, "  %-28s %6s", "", "runs");
    if (comparison->before)
        fprintf(stream, " %28s", all_exact(comparison) ? "A" : "A: median (95% interval)");
    fprintf(stream, " %28s %7s %8s\n",
            all_exact(comparison) ? (comparison->before ? "B" : "")
            : comparison->before  ? "B: median (95% interval)"
                                  : "median (95% interval)",
            "ratio", "p");
}

static void arms_print(const struct noise *noise, const char *source, FILE *stream)
{
    for (size_t i = 0; i < noise->count; i++) {
        const struct difference *difference = &noise->arms[i].difference;

        fprintf(stream, "  %s%s, ", source, noise->arms[i].first->name);
        load_print(noise->arms[i].first, stream);
        fprintf(stream, ": against itself %.4f (%.4f to %.4f%s)\n", difference->ratio,
                difference->interval.low, difference->interval.high,
                difference->is_range ? ", least to most" : "");
    }
}

static void floor_print(const struct comparison *comparison, FILE *stream)
{
    if (all_exact(comparison)) {
        fprintf(stream,
                "Simulated: the same inputs give the same figures, so there is no noise, and each "
                "ratio is exact as the model's (sim/VALIDATION.md says how far that goes)\n");
        return;
    }
    if (isnan(comparison->floor)) {
        fprintf(stream,
                "Noise floor of %s: not known, as no combination was run a second time as its "
                "own rival\n",
                comparison->figure->title);
        return;
    }
    fprintf(stream, "Noise floor of %s: %.2f%%\n", comparison->figure->title,
            comparison->floor * 100);
    arms_print(&comparison->before_noise, "A: ", stream);
    arms_print(&comparison->noise, comparison->before ? "B: " : "", stream);
}

/* What a reader needs to take the table right, and only where it applies. */
static void notes_print(const struct comparison *comparison, FILE *stream)
{
    const struct difference *few = NULL;
    bool range = false, outliers = false;

    if (all_exact(comparison))
        return;
    for (size_t i = 0; i < comparison->count; i++) {
        const struct pairing *pair = &comparison->pairs[i];

        range |= pair->difference.is_range;
        outliers |= pair->other_measured.outliers || pair->base_measured.outliers;
        if (pair->base != pair->other && pair->difference.verdict == VERDICT_TOO_FEW &&
            (!few || pair->difference.choices > few->choices))
            few = &pair->difference;
    }
    fprintf(stream, "\n");
    if (range)
        fprintf(stream, "  of fewer than %d runs the interval is from least to most\n",
                INTERVAL_MIN_COUNT);
    if (outliers)
        fprintf(stream, "  * some runs stand apart (Tukey's fences); none was dropped\n");
    if (few && comparison->tests > 1)
        fprintf(stream, "  to show a difference in one of %zu comparisons", comparison->tests);
    else if (few)
        fprintf(stream, "  to show a difference");
    if (few)
        fprintf(stream, " takes %zu runs of each (sweep -n)%s\n",
                differences_runs_needed(few, comparison->tests),
                few->choices > 1 ? "; fewer if you name the --baseline" : "");
    if (comparison->tests)
        fprintf(stream, "  p: Mann-Whitney, corrected for %zu comparison%s (Holm)\n",
                comparison->tests, command_plural(comparison->tests));
}

void comparison_print(const struct comparison *comparison, FILE *stream)
{
    floor_print(comparison, stream);
    for (size_t i = 0; i < comparison->count; i++) {
        const struct pairing *pair = &comparison->pairs[i];

        if (i == 0 || !pairs_same_load(pair - 1, pair))
            table_head(comparison, pair, stream);
        pair_print(comparison, pair, stream);
    }
    if (comparison->count)
        notes_print(comparison, stream);
    else
        fprintf(stream, "  nothing to compare: it was not measured\n");
}
