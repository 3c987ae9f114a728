/* SPDX-License-Identifier: MIT */
/* What topology.c and topology_xml.c share. */
#ifndef SLABLAB_SIM_TOPOLOGY_INTERNAL_H
#define SLABLAB_SIM_TOPOLOGY_INTERNAL_H

#include <hwloc.h>

struct error;

/* hwloc's own load, of the machine that was asked for, whatever the environment says. */
int topology_load_as_asked(hwloc_topology_t hwloc);

/* An XML export that hwloc has survived reading. The text is the caller's to free, whatever is
 * returned. */
int topology_read_xml(const char *path, char **text, struct error *error);

#endif
