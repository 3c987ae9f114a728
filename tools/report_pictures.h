/* SPDX-License-Identifier: MIT */
/* The pictures of a sweep on the page of a report. */
#ifndef SLABLAB_TOOLS_REPORT_PICTURES_H
#define SLABLAB_TOOLS_REPORT_PICTURES_H

struct error;
struct report_page;
struct series;

/*
 * Those that are in folder/plots, in the order in which a reader wants them. Where there are none,
 * or the results are newer, they are drawn first; where there is nothing to draw, the page says so.
 */
int report_pictures_print(const struct report_page *page, const struct series *series,
                          const char *folder, struct error *error);

#endif
