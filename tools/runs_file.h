/* SPDX-License-Identifier: MIT */
/*
 * The file of a sweep, runs.jsonl: one JSON object a line, only ever appended to. A line is whole
 * or it is the last one, broken off by a kill; the reader of a sweep that is taken up again cuts
 * it. Each line ends with a checksum of the rest of it, and since nothing else says which run is
 * whose, the files of several shards are one when they are put one behind the other.
 */
#ifndef SLABLAB_TOOLS_RUNS_FILE_H
#define SLABLAB_TOOLS_RUNS_FILE_H

#include <jansson.h>
#include <stdbool.h>

struct error;

#define RUNS_FILE_NAME      "runs.jsonl"
#define RUNS_FAILURE_SCHEMA "slablab.failure/1" /* a run that ended without a result */

/*
 * Calls visit(context, record) for each line of `folder`/runs.jsonl (or of `folder` itself, when it
 * is a file). A broken last line is passed over; any other line that is no record, or not what was
 * written, is -EINVAL, with its number. Records of `replay --json` have no checksum, and none is
 * asked of them; of a sweep's runs ("cell") all have one or, being older, none has. `whole_bytes`
 * (may be NULL) gets where the last whole line ends.
 */
int runs_file_read(const char *folder, void (*visit)(void *context, const json_t *record),
                   void *context, long *whole_bytes, struct error *error);

/*
 * Opens for appending; `whole_bytes` >= 0 cuts what is behind. Returns a descriptor. -EEXIST:
 * another process has it open so, and would run the same.
 */
int runs_file_open(const char *folder, long whole_bytes, struct error *error);

/*
 * Appends one line, with "checksum" as its last key: 16 hexadecimal digits, XXH3 (64 bits) of the
 * line's text without this key and without the line feed. Then the system has it, whatever becomes
 * of this process; runs_file_sync puts all lines where they outlast the system too, which may take
 * longer than a short run.
 */
int runs_file_append(int file, const json_t *record, struct error *error);
int runs_file_sync(int file, struct error *error);

#endif
