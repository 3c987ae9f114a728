/* SPDX-License-Identifier: MIT */
/* What a recording lost and an importer mended, for people: shown by `import` and `info`. */
#ifndef SLABLAB_TOOLS_REPAIRS_H
#define SLABLAB_TOOLS_REPAIRS_H

#include "traces/trace.h"

#include <stdio.h>

/*
 * One line a cause that occurred; "nothing to mend" when none did. Of `recorded` events, frees that
 * were dropped among them: what share of all was lost, as the recorder counted, is said, and where
 * it counted none but much had to be made up, that some seem to be. `advice` is what would help
 * then; NULL: larger buffers, of whichever recorder it was.
 */
void repairs_print(const struct trace_repairs *repairs, uint64_t recorded, const char *advice,
                   FILE *stream);

/* How many events an import recorded, of what it wrote: see trace_repairs. */
uint64_t repairs_recorded(const struct trace_repairs *repairs, uint64_t written);

#endif
