/* SPDX-License-Identifier: MIT */
/*
 * sweep.json: what a sweep was asked for. A resumed sweep is held against it, so that runs of
 * different experiments never come to lie in one file.
 */
#ifndef SLABLAB_TOOLS_SWEEP_FILE_H
#define SLABLAB_TOOLS_SWEEP_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct error;
struct word_list;

#define SWEEP_FILE_NAME "sweep.json"
#define SWEEP_SCHEMA    "slablab.sweep/2"

/* What a sweep is of beyond the options of its runs. */
struct sweep_request {
    uint64_t repeats;  /* 0: until the median is known */
    uint64_t runs;     /* that come of the repeats, in this shard; 0: not known beforehand */
    const char *until; /* NULL: repeats say it */
    bool compare_itself;
    const char *shard; /* NULL: all */
};

/*
 * {schema, commit, options[], traces{path: digest}, repeats and runs, or until, seed,
 * compare_itself, shard, environment}, and left_out where sweep_fit.h says. Options are as given,
 * in order of their names, so that the order in which they were typed does not matter (but does
 * among several of one name). `digests` is {path: digest}. A new reference; NULL: no memory.
 * `machines` are the options that choose simulated ones.
 */
json_t *sweep_description(const struct word_list *options, const struct word_list *machines,
                          json_t *digests, uint64_t seed, const struct sweep_request *request,
                          json_t *environment);

/* Writes `folder`/sweep.json. */
int sweep_file_write(const char *folder, const json_t *description, struct error *error);

/*
 * What the sweep in `folder` was asked for, a new reference. -ENOENT: nothing there says it;
 * -EINVAL: what is there does not.
 */
int sweep_file_read(const char *folder, json_t **description, struct error *error);

/*
 * Adds the arguments, a word each, that ask for the same with `folder` for the results. What is in
 * the description and no word is passed over. -ENOMEM.
 */
int sweep_file_arguments(const json_t *description, const char *folder, struct word_list *words);

/*
 * -EINVAL: the description in `folder` is another, or cannot be read, or is of an older version;
 * the sentence says in what. The environment may differ.
 */
int sweep_file_compare(const char *folder, const json_t *description, struct error *error);

#endif
