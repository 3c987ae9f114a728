/* SPDX-License-Identifier: MIT */
/* What the records of a .slt trace say: its definitions, repairs and provenance, as a reader. */
#ifndef SLABLAB_TRACES_SLT_TABLES_H
#define SLABLAB_TRACES_SLT_TABLES_H

#include "traces/bytes.h"
#include "traces/trace.h"

struct slt_tables {
    struct trace_stream *streams; /* names are the tables' own */
    struct trace_cache *caches;
    struct trace_type *types;
    char **call_sites;                    /* entry 0 is "" once there is another */
    struct trace_repairs *cache_repairs;  /* 0 untyped, then by cache index + 1 */
    struct trace_definition *definitions; /* all of them, as they came */
    size_t nr_definitions, room_definitions;
    size_t nr_streams, nr_caches, nr_types, nr_call_sites, nr_cache_repairs;
    size_t room_streams, room_caches, room_types, room_call_sites;
    struct trace_repairs repairs;
    char *provenance;
};

/* Takes in a records block. NULL, or what is wrong. */
const char *slt_tables_read(struct slt_tables *tables, const struct bytes *payload);
void slt_tables_cleanup(struct slt_tables *tables);

#endif
