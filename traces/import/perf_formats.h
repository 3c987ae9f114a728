/* SPDX-License-Identifier: MIT */
/*
 * What a perf.data holds of tracefs: the formats of its tracepoints, and (of older versions of
 * perf) the kernel's symbols.
 */
#ifndef SLABLAB_TRACES_IMPORT_PERF_FORMATS_H
#define SLABLAB_TRACES_IMPORT_PERF_FORMATS_H

#include <stddef.h>

struct error;
struct tep_handle;

/* Takes over the formats of kmem events and the symbols. -EINVAL: at which byte of these it is
 * wrong, and how, is in `error`. */
int perf_formats_read(struct tep_handle *tep, const char *bytes, size_t length,
                      struct error *error);

#endif
