/* SPDX-License-Identifier: MIT */
/*
 * What `replay` and `sweep` have in common: the options that describe a run, and the cells (one
 * value of everything that takes a list) that they span.
 */
#ifndef SLABLAB_TOOLS_REPLAY_OPTIONS_H
#define SLABLAB_TOOLS_REPLAY_OPTIONS_H

#include "sim/run.h"
#include "sim/topology.h"
#include "tools/list_option.h"
#include "tools/record_options.h"

#include <argp.h>

/*
 * --set A.key=values; the three strings are one allocation, at `allocator`. Values are a list but
 * of a tunable that is a string, whose text may have commas of its own.
 */
struct allocator_setting {
    char *allocator;
    const char *key;
    const char *values;
};

/* --bind POLICY; may be given several times, since its values have commas of their own. */
struct bind_option {
    const char *text;
    struct binding binding;
};

#define LOCK_KINDS_MAX 8

/* As many as the threads need. */
#define REPLICAS_AUTO UINT64_MAX

struct machine;

struct replay_options {
    struct word_list allocators;
    struct allocator_setting *settings;
    size_t nr_settings;
    struct number_list threads;
    struct number_list magazine_sizes;
    struct word_list caches;
    struct number_list streams;
    struct number_list replicas; /* none: one */
    enum lock_kind locks[LOCK_KINDS_MAX];
    size_t nr_locks;
    struct bind_option *binds;
    size_t nr_binds; /* at least one */
    bool bind_given;
    uint64_t repeats;
    uint64_t max_events;
    struct record_options recording;
    bool blowup;           /* run each design on one CPU too, for its peak */
    struct run_config run; /* what all cells share */
    /* Virtual ones; none: the native one. Not these options' own. */
    const struct machine *machines;
    size_t nr_machines;
    /* Every option as given, for handing on to a child process: "--lock=mcs". */
    struct word_list given;
};

/* Shared options as an argp child; its input is a struct replay_options. */
extern const struct argp replay_options_argp;

void replay_options_init(struct replay_options *options);
void replay_options_cleanup(struct replay_options *options);
/* Options that are good each by itself, but not together: -EINVAL. */
int replay_options_check(const struct replay_options *options, struct error *error);

/* Strings are the options' or the list's. */
struct cell {
    const struct machine *machine; /* NULL: the native one */
    const char *allocator;
    struct run_setting *settings; /* owned */
    size_t nr_settings;
    uint64_t magazine_size; /* 0: the design's own */
    unsigned threads;       /* 0: as many as CPUs and streams allow */
    uint64_t replicas;      /* or REPLICAS_AUTO */
    enum lock_kind lock;
    const struct bind_option *bind;
    char *label; /* allocator, and what else but size and threads was given several values */
};

struct cell_list {
    struct cell *cells;
    size_t count, capacity;
    struct word_list values; /* of the cells' settings */
};

/*
 * All cells: an unknown design, tunable or value is -EINVAL or -ENOENT here, before anything runs;
 * see also trial.h. What a design does not have (a magazine size, another design's tunable) makes
 * no cells of it. Cells of the same machine, threads, replicas and binding are neighbours, in this
 * order.
 */
int cells_create(const struct replay_options *options, struct cell_list *cells,
                 struct error *error);
void cells_cleanup(struct cell_list *cells);
/* Only those for which kept[number] is set, in their order. */
void cells_keep(struct cell_list *cells, const bool *kept);

/* Do one machine and one plan serve both? Machine, threads, replicas and binding are the same. */
bool cells_share_plan(const struct cell *a, const struct cell *b);

/* The cell's design with its settings and size, not yet started; see run_allocator_create. */
int cell_instance(const struct replay_options *options, const struct cell *cell,
                  struct allocator_instance **instance, struct error *error);

/*
 * What to run for a cell: the shared configuration with all that the cell says. Threads and
 * replicas that are automatic are the caller's to choose.
 */
void cell_config(const struct replay_options *options, const struct cell *cell,
                 struct run_config *config);

#endif
