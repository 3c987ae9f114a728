/* SPDX-License-Identifier: MIT */
/*
 * sweep.json: what a sweep was asked for. A resumed sweep is held against it, so that runs of
 * different experiments never come to lie in one file.
 */
#ifndef SLABLAB_TOOLS_SWEEP_FILE_H
#define SLABLAB_TOOLS_SWEEP_FILE_H

#include <jansson.h>
#include <stdint.h>

struct error;
struct replay_options;

#define SWEEP_FILE_NAME "sweep.json"
#define SWEEP_SCHEMA    "slablab.sweep/1"

/*
 * {schema, options[], traces{path: digest}, repeats, seed}. Options are as given, in order of their
 * names, so that the order in which they were typed does not matter (but does among several of one
 * name). `digests` is {path: digest}. A new reference; NULL: no memory.
 */
json_t *sweep_description(const struct replay_options *options, json_t *digests, uint64_t repeats);

/* Writes `folder`/sweep.json. */
int sweep_file_write(const char *folder, const json_t *description, struct error *error);

/* -EINVAL: the description in `folder` is another; or cannot be read; the sentence says in what. */
int sweep_file_compare(const char *folder, const json_t *description, struct error *error);

#endif
