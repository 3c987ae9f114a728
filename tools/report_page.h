/* SPDX-License-Identifier: MIT */
/* A page of text, tables and pictures, as HTML that needs nothing but itself, or as Markdown. */
#ifndef SLABLAB_TOOLS_REPORT_PAGE_H
#define SLABLAB_TOOLS_REPORT_PAGE_H

#include <stdbool.h>
#include <stdio.h>

struct error;

struct report_page {
    FILE *stream;
    bool html; /* else Markdown */
};

void page_begin(const struct report_page *page, const char *title);
void page_end(const struct report_page *page);
void page_heading(const struct report_page *page, const char *text);
void page_paragraph(const struct report_page *page, const char *text);

/* Lines of a list; begin and end around them. */
void page_list(const struct report_page *page, bool begin);
void page_item(const struct report_page *page, const char *text);

/* A table of two columns, row by row; begin and end around them. */
void page_table(const struct report_page *page, bool begin);
void page_row(const struct report_page *page, const char *name, const char *value);

/* Text with columns of its own, as a terminal shows it. */
void page_preformatted(const struct report_page *page, const char *text);

/*
 * A picture from a file: an SVG becomes part of an HTML page, Markdown links to it. -errno of the
 * system: it cannot be read.
 */
int page_picture(const struct report_page *page, const char *path, struct error *error);

#endif
