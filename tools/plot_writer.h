/* SPDX-License-Identifier: MIT */
/*
 * What all pictures are made with: the points of a trace, the looks of designs, a data file with
 * the script that draws it. Here is nothing of any one picture.
 */
#ifndef SLABLAB_TOOLS_PLOT_WRITER_H
#define SLABLAB_TOOLS_PLOT_WRITER_H

#include "tools/plot_data.h"
#include "tools/series.h"
#include "traces/outfile.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct error;

struct plot_writer {
    const struct series *series;
    const char *folder;  /* of the sweep */
    const char *scripts; /* templates */
    const char *plots;
    const char *format;
    const struct word_list *figures; /* asked for besides */
    struct plot_list *list;
    struct error *error;
    double *values; /* room for a figure of each run of the longest point */
};

/* What is drawn of one trace, and of one machine where several were simulated. */
struct plot_trace {
    const char *path, *machine;  /* the series' */
    unsigned replicas;           /* 0: all; else of so many, as others ran on as many threads */
    const char *caption;         /* of pictures of no runs; NULL: trace, machine and runs */
    char name[128];              /* unlike any other of the series */
    const struct point **points; /* by label, magazine size, threads; no second arms */
    size_t count;
    unsigned *threads; /* numbers of them, ascending */
    size_t nr_threads;
    char runs[128]; /* what a point rests on: "2 to 3 runs a point; 4 of all 24 disturbed" */
};

struct picture {
    struct plot_writer *writer;
    const struct plot_trace *trace;
    char name[256];
    unsigned threads; /* 0: not of one number of them */
    struct outfile file;
    FILE *data;    /* the file's stream: blocks are told apart by two blank lines */
    size_t blocks; /* begun */
    char *styles;  /* the line type of each block, for gnuplot's word() */
    size_t styles_size;
    FILE *styles_stream;
    char *names; /* of the blocks, each in quotes: a script has them as an array */
    size_t names_size;
    FILE *names_stream;
    char *settings; /* further lines of the script */
    size_t settings_size;
    FILE *settings_stream;
};

/* ---- figures ---- */

struct plot_figure {
    double median, low, high;
};

/* Of all runs that have it; false: none has. */
bool plot_figure_of(const struct plot_writer *writer, const struct point *point, run_figure *figure,
                    struct plot_figure *result);

/* What low and high are, for captions. */
extern const char plot_interval_text[];

/* ---- points ---- */

/*
 * The size that stands for a design where there is room for one: that of its highest median
 * throughput with the most threads it ran with.
 */
bool plot_stands_for_design(const struct plot_trace *trace, const struct point *point);

/* The next point from *position on, of this many threads (0: any); NULL: no more. */
const struct point *plot_next(const struct plot_trace *trace, unsigned threads, size_t *position);

bool plot_same_design(const struct point *a, const struct point *b);

/* "magazine (16)", or without size; make_safe()d for gnuplot. */
void plot_curve_name(const struct point *point, bool sized, char *name, size_t size);

/*
 * A design's line type, from 1 in order of its label among all of the sweep: it looks the same in
 * all pictures. What is no design has one that no design gets (style.gp).
 */
#define PLOT_HARNESS_TYPE 1000
unsigned plot_line_type(const struct series *series, const struct point *point);

/* ---- pictures ---- */

/* NAME-KIND or NAME-KIND-N-threads. Every picture that was opened ends in one of the three below.
 */
int picture_open(struct plot_writer *writer, const struct plot_trace *trace, const char *kind,
                 unsigned threads, struct picture *picture);
/* Two blank lines, but before the first block; then the block's name in quotes. */
void picture_block(struct picture *picture, const char *name);
/* The same for a curve in the look of its design. */
void picture_curve(struct picture *picture, const struct point *point, bool sized);
/* Lines of the script before the template; what they quote must have been made safe. */
void picture_set(struct picture *picture, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/*
 * Writes data and script: `template` with its ending (".gp", ".py"), the title a sentence, the note
 * what the caption says beyond trace, machine and runs ("" for nothing).
 */
int picture_commit(struct picture *picture, const char *template, const char *title,
                   const char *note);
/* There is nothing to draw, for a reason that is said: returns 0, or why that failed. */
int picture_leave(struct picture *picture, const char *reason);
/* Something failed; returns `code`. */
int picture_discard(struct picture *picture, int code);

/* What could end a string of a script, or be taken for more than text within one, becomes a space.
 */
void plot_make_safe(char *text);
/* Letters, digits, dot and dash of a path's last part. */
void plot_name_make(const char *path, char *name, size_t size);

/* The common style, beside the scripts, which load it. */
int plot_style_write(const struct plot_writer *writer);
/* Copies DIR/NAME into `to`. */
int plot_template_copy(const struct plot_writer *writer, const char *name, FILE *to);

/* ---- the pictures, one family a file; each returns 0 or a negative errno ---- */

int plot_over_threads(struct plot_writer *writer, const struct plot_trace *trace);
int plot_over_magazine(struct plot_writer *writer, const struct plot_trace *trace,
                       unsigned threads);
int plot_heat_map(struct plot_writer *writer, const struct plot_trace *trace);
int plot_against_memory(struct plot_writer *writer, const struct plot_trace *trace,
                        unsigned threads);
int plot_locks(struct plot_writer *writer, const struct plot_trace *trace, unsigned threads);
int plot_layers(struct plot_writer *writer, const struct plot_trace *trace, unsigned threads);
int plot_remote_frees(struct plot_writer *writer, const struct plot_trace *trace);
int plot_latency(struct plot_writer *writer, const struct plot_trace *trace, unsigned threads);
int plot_latency_by_layer(struct plot_writer *writer, const struct plot_trace *trace,
                          unsigned threads);
int plot_ledgers(struct plot_writer *writer, const struct plot_trace *trace, unsigned threads);
int plot_fragmentation(struct plot_writer *writer, const struct plot_trace *trace,
                       unsigned threads);
int plot_overview(struct plot_writer *writer, const struct plot_trace *trace);

#endif
