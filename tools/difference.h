/* SPDX-License-Identifier: MIT */
/* Two sets of runs against each other: the ratio of their medians, and what may be said of it. */
#ifndef SLABLAB_TOOLS_DIFFERENCE_H
#define SLABLAB_TOOLS_DIFFERENCE_H

#include "tools/figures.h"
#include "tools/statistics.h"

#include <stdbool.h>
#include <stddef.h>

/* One figure of one point's runs. */
struct measured {
    double *values; /* ascending */
    size_t count;   /* 0: the point's runs do not have the figure */
    struct spread spread;
    struct interval interval; /* of the median */
    struct interval fences;   /* values outside of them stand apart */
    size_t outliers;
    bool exact; /* simulated: the same inputs would give the same again */
};

/* -ENOMEM. The same seed for all, so that one set of values always has one interval. */
int measured_create(const struct point *point, const struct figure *figure,
                    struct measured *measured);
void measured_cleanup(struct measured *measured);

enum verdict {
    VERDICT_DIFFERENT,
    VERDICT_NONE,        /* no difference shown */
    VERDICT_BELOW_FLOOR, /* shown, but no larger than what the same thing differs by from itself */
    VERDICT_TOO_FEW,     /* runs: not even the largest difference could be shown */
    VERDICT_NO_RATIO,    /* different, but a median of zero has no ratio */
    VERDICT_UNKNOWN      /* not measured on one side */
};

struct difference {
    double ratio;             /* of medians, other / base; NAN: one is not above zero */
    struct interval interval; /* 95% of the ratio */
    bool is_range;            /* it is none: too few values, so from least to most */
    bool exact;               /* of simulated figures: nothing scatters, so nothing is tested */
    double p, corrected;      /* Mann-Whitney; Holm */
    double least_p;           /* with that many runs */
    double choices;           /* what choosing the base costs; see choices_of() */
    enum verdict verdict;
};

/* All but corrected and verdict, for which all differences of a comparison are needed. */
void difference_measure(const struct measured *base, const struct measured *other,
                        struct difference *difference);

/*
 * By how much p-values are to be multiplied, beyond Holm's correction, when the base was chosen for
 * its median among `candidates` of all `points` that are compared: as the best of many it is
 * probably a lucky one. Among equals any pair could have come up: Bonferroni over the pairs that
 * one base stands for. 1: it was named. Set in `choices` before differences_judge().
 */
double choices_of(size_t candidates, size_t points);

/*
 * Corrects the p-values of one comparison for their number and judges each. There is a difference
 * if chance alone is ruled out, the interval leaves out 1, and it is above the noise floor (a
 * ratio's distance from 1; NAN: not known). -ENOMEM.
 */
int differences_judge(struct difference *const *list, size_t count, double floor);

/* How many runs of each it takes to show a large difference, as one of `tests` such. */
size_t differences_runs_needed(const struct difference *difference, size_t tests);

/* How far a ratio is from 1, whichever way: of 0.8 and 1.25 it is 0.25. */
double ratio_distance(double ratio);

/* "different", "none", ...: for results. */
const char *verdict_name(enum verdict verdict);

/* "1.83 times as fast (1.79 to 1.86)", "no difference shown". */
void difference_words(const struct difference *difference, const struct figure *figure, char *text,
                      size_t size);

#endif
