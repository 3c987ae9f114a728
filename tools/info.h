/* SPDX-License-Identifier: MIT */
/* What `info` says of a trace: for people, for programs, in pictures. */
#ifndef SLABLAB_TOOLS_INFO_H
#define SLABLAB_TOOLS_INFO_H

#include "traces/summary.h"

#include <stdio.h>

struct error;

/* What a flag of a cache is called: in JSON, behind the cache's name, and below the table. */
struct info_mark {
    uint32_t flag;
    char mark;
    const char *key, *meaning;
};
#define INFO_MARKS 3
extern const struct info_mark info_marks[INFO_MARKS];

/* All of these take the summary's caches as they are sorted. */
void info_print_text(const char *trace, const struct trace_summary *summary, FILE *stream);
/* Keys: results/FORMAT.md. Returns 0, or -EIO when not all could be written. */
int info_print_json(const struct trace_summary *summary, FILE *stream);

/* Objects that were seen born and freed, by any stream; see struct profile. */
void info_lives(const struct histogram by_death[PROFILE_DEATHS], struct histogram *all);

/*
 * Three digits, or a whole number below `step`, and the unit, of which each is `step` of the one
 * before; NULL ends them: "12.3M", "1010 B", "1.5 ms".
 */
const char *info_scale(char text[16], double value, double step, const char *const *units);

/*
 * Draws the trace into `folder`, made if it is not there; format "svg" or "png". What was drawn
 * is named to `names`, a line each.
 */
int info_plot(const char *trace, const struct trace_summary *summary, const char *folder,
              const char *format, FILE *names, struct error *error);

#endif
