/* SPDX-License-Identifier: MIT */
/*
 * What `replay` and `sweep` have in common: the options that describe a run, and the cells (one
 * design, one magazine size, one number of threads) that lists of them span.
 */
#ifndef SLABLAB_TOOLS_REPLAY_OPTIONS_H
#define SLABLAB_TOOLS_REPLAY_OPTIONS_H

#include "sim/run.h"
#include "sim/topology.h"
#include "tools/list_option.h"
#include "tools/record_options.h"

#include <argp.h>

/* --set A.key=value; the three strings are one allocation, at `allocator`. */
struct allocator_setting {
    char *allocator;
    const char *key;
    const char *value;
};

/* As many as the threads need. */
#define REPLICAS_AUTO UINT64_MAX

struct replay_options {
    struct word_list allocators;
    struct allocator_setting *settings;
    size_t nr_settings;
    struct number_list threads;
    struct number_list magazine_sizes;
    struct word_list caches;
    struct number_list streams;
    uint64_t replicas; /* 0: not given; or REPLICAS_AUTO */
    uint64_t repeats;
    uint64_t max_events;
    const char *binding_text;
    struct binding binding;
    struct record_options recording;
    bool blowup;           /* run each design on one CPU too, for its peak */
    struct run_config run; /* what all cells share */
    /* Every option as given, for handing on to a child process: "--lock=mcs". */
    struct word_list given;
};

/* Shared options as an argp child; its input is a struct replay_options. */
extern const struct argp replay_options_argp;

void replay_options_init(struct replay_options *options);
void replay_options_cleanup(struct replay_options *options);
/* Options that are good each by itself, but not together: -EINVAL. */
int replay_options_check(const struct replay_options *options, struct error *error);

struct cell {
    const char *allocator;
    uint64_t magazine_size; /* 0: the design's own */
    unsigned threads;       /* 0: as many as CPUs and streams allow */
};

struct cell_list {
    struct cell *cells;
    size_t count;
};

/*
 * All cells: an unknown design, tunable or value is -EINVAL or -ENOENT here, before anything runs;
 * see also trial.h. A design without a magazine size gets one cell
 * however many sizes were asked for. Cells of the same number of threads are neighbours.
 */
int cells_create(const struct replay_options *options, struct cell_list *cells,
                 struct error *error);
void cells_cleanup(struct cell_list *cells);

/* The cell's design with its settings and size, not yet started; see run_allocator_create. */
int cell_instance(const struct replay_options *options, const struct cell *cell,
                  struct allocator_instance **instance, struct error *error);

/*
 * What to run for a cell: the shared configuration with the cell's design, size, threads and
 * settings. The settings' array is the caller's to free; its strings are the options'.
 */
int cell_config(const struct replay_options *options, const struct cell *cell,
                struct run_config *config, struct run_setting **settings, struct error *error);

#endif
