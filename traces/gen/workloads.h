/* SPDX-License-Identifier: MIT */
/* The workloads there are, each in the file named: for the table in generate.c only. */
#ifndef SLABLAB_TRACES_GEN_WORKLOADS_H
#define SLABLAB_TRACES_GEN_WORKLOADS_H

#include "traces/gen/generate.h"

/* waves.c */
extern const struct workload workload_pairs, workload_threadtest, workload_cache_thrash,
    workload_burst, workload_boundary, workload_working_set;
/* handover.c */
extern const struct workload workload_producer_consumer, workload_xmalloc;
/* scratch.c */
extern const struct workload workload_cache_scratch;
/* larson.c */
extern const struct workload workload_larson;
/* smartheap.c */
extern const struct workload workload_sh6, workload_sh8;
/* sawtooth.c */
extern const struct workload workload_sawtooth;
/* netperf.c, network.c */
extern const struct workload workload_netperf_rr, workload_network_receive;
/* mixed.c */
extern const struct workload workload_mixed;

#endif
