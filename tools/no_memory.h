/* SPDX-License-Identifier: MIT */
/* JSON and texts of which nothing is missing, or none. */
#ifndef SLABLAB_TOOLS_NO_MEMORY_H
#define SLABLAB_TOOLS_NO_MEMORY_H

#include <stdio.h>

/*
 * From now on the program says so and ends, its unfinished files unlinked, where jansson gets no
 * memory. For main, before the first JSON.
 *
 * Records are built of hundreds of values, and a value that could not be made is left out of its
 * object in silence: a record with a part missing looks like one of a run that did not measure it.
 * jansson's own reader also aborts where its buffer cannot grow.
 */
void json_memory_insist(void);

/* Ends the program in the same way: no memory for `what`. */
_Noreturn void memory_missing(const char *what);

/* open_memstream(3) and its end, ending the program in the same way. */
FILE *text_open(char **text, size_t *size);
void text_close(FILE *stream, char *const *text);

#endif
