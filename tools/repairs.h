/* SPDX-License-Identifier: MIT */
/* What a recording lost and an importer mended, for people: shown by `import` and `info`. */
#ifndef SLABLAB_TOOLS_REPAIRS_H
#define SLABLAB_TOOLS_REPAIRS_H

#include "traces/trace.h"

#include <stdio.h>

/*
 * One line a cause that occurred; "nothing to mend" when none did. `events` is all that the trace
 * has: where much of it was made up, it says that much of the recording seems to be lost.
 */
void repairs_print(const struct trace_repairs *repairs, uint64_t events, FILE *stream);

#endif
