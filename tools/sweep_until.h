/* SPDX-License-Identifier: MIT */
/* `--until 2%,30`: repeating a combination until its median is known well enough. */
#ifndef SLABLAB_TOOLS_SWEEP_UNTIL_H
#define SLABLAB_TOOLS_SWEEP_UNTIL_H

#include <stdbool.h>

struct combination;
struct error;

struct until {
    double share;  /* width of the interval over the median; 0: not asked for */
    unsigned most; /* repetitions */
};

/* Fewer tell nothing of how far they scatter. */
#define UNTIL_LEAST 5
#define UNTIL_MOST  20 /* unless said otherwise */

/* "2%" or "2%,30". -EINVAL. */
int until_parse(const char *text, struct until *until, struct error *error);

/*
 * Does the combination need another repetition? Its 95% interval of the median is that of order
 * statistics: of five values it is all of them (93.75%). One of which no run is valid needs none.
 * `context` is a struct until.
 */
bool until_wants(const struct combination *combination, void *context);

#endif
