/* SPDX-License-Identifier: MIT */
/* The options that choose virtual machines: a topology and a table of costs each. */
#ifndef SLABLAB_TOOLS_MACHINE_OPTIONS_H
#define SLABLAB_TOOLS_MACHINE_OPTIONS_H

#include "sim/virtual/virtual.h"
#include "tools/list_option.h"

#include <argp.h>

struct error;
struct topology;

/* One machine to simulate. */
struct machine {
    const char *name; /* the table's, or the topology's description */
    struct topology *topology;
    struct virtual_config config;
};

struct machine_options {
    struct word_list given; /* every option as given, for handing on to a child process */
    struct word_list names; /* --machine */
    const char *synthetic;  /* --topology */
    const char *xml;        /* --topology-xml */
    const char *costs;      /* --costs: a name, or a file */
    uint64_t slack_cycles;
    bool slack_given;
    double compute_cycles; /* an access; below 0: the table's */
    double operation_cycles;

    /* What they come to: machine_options_resolve. */
    struct machine *machines;
    size_t count;
    struct cost_table *read; /* from the file of --costs */
};

/* Its input is a struct machine_options. */
extern const struct argp machine_options_argp;

void machine_options_init(struct machine_options *options);

/* Makes the machines. Errors: -EINVAL with what was wrong, -ENOENT, -ENOMEM. */
int machine_options_resolve(struct machine_options *options, struct error *error);
void machine_options_cleanup(struct machine_options *options);

#endif
