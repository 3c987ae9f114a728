/* SPDX-License-Identifier: MIT */
/* What recorders say alike of where a trace is from. */
#ifndef SLABLAB_TRACES_PROVENANCE_H
#define SLABLAB_TRACES_PROVENANCE_H

#include <jansson.h>

/* A command's words, which end with NULL, as an array; none for NULL. A new reference. */
json_t *provenance_command(const char *const *words);

#endif
