/* SPDX-License-Identifier: MIT */
/* The workloads there are, each in the file named: for the table in generate.c only. */
#ifndef SLABLAB_TRACES_GEN_WORKLOADS_H
#define SLABLAB_TRACES_GEN_WORKLOADS_H

#include "traces/generate.h"

/* gen_waves.c */
extern const struct workload workload_pairs, workload_threadtest, workload_cache_thrash,
    workload_burst, workload_boundary, workload_working_set;
/* gen_handover.c */
extern const struct workload workload_producer_consumer, workload_xmalloc;
/* gen_scratch.c */
extern const struct workload workload_cache_scratch;
/* gen_larson.c */
extern const struct workload workload_larson;
/* gen_smartheap.c */
extern const struct workload workload_sh6, workload_sh8;
/* gen_sawtooth.c */
extern const struct workload workload_sawtooth;
/* gen_netperf.c, gen_network.c */
extern const struct workload workload_netperf_rr, workload_network_receive;
/* gen_mixed.c */
extern const struct workload workload_mixed;

#endif
