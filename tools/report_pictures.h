/* SPDX-License-Identifier: MIT */
/* The pictures of a sweep on the page of a report. */
#ifndef SLABLAB_TOOLS_REPORT_PICTURES_H
#define SLABLAB_TOOLS_REPORT_PICTURES_H

struct error;
struct report_page;
struct series;
struct word_list;

/*
 * Draws those of the series into folder/plots, as `plot` does, and puts them on the page in the
 * order in which a reader wants them; where there is nothing to draw, the page says so.
 */
int report_pictures_print(const struct report_page *page, const struct series *series,
                          const char *folder, const struct word_list *figures, struct error *error);

#endif
