/* SPDX-License-Identifier: MIT */
/* What a run records beside time: `--record`, `--latency`, `--sample-every`. */
#ifndef SLABLAB_TOOLS_RECORD_OPTIONS_H
#define SLABLAB_TOOLS_RECORD_OPTIONS_H

#include "sim/replay.h"

struct error;

struct record_options {
    unsigned record;    /* enum replay_record */
    bool latency_named; /* in --record: then a cold run times operations too */
    enum { LATENCY_UNSAID, LATENCY_ON, LATENCY_OFF } latency; /* what --latency said */
    uint32_t latency_every;                                   /* about one operation in so many */
    uint64_t sample_events; /* between samples of memory; both 0: as many samples as plots want */
    uint64_t sample_ns;
};

void record_options_init(struct record_options *options);

/* -EINVAL and what is allowed. */
int record_parse(struct record_options *options, const char *text, struct error *error);
int latency_parse(struct record_options *options, const char *text, struct error *error);
int sample_every_parse(struct record_options *options, const char *text, struct error *error);

/* What is recorded of a run that is cold or not. */
unsigned record_options_of(const struct record_options *options, bool cold);

/* Samples of memory when nobody says how many: at least so many, fewer than twice as many. */
#define RECORD_SAMPLES 64

#endif
