/* SPDX-License-Identifier: MIT */
/*
 * Throughput against memory over the size of the magazines: which sizes cannot be bettered in one
 * without loss in the other, where giving more memory stops paying, and what to take.
 */
#ifndef SLABLAB_TOOLS_PARETO_H
#define SLABLAB_TOOLS_PARETO_H

#include "tools/difference.h"

#include <jansson.h>
#include <stdio.h>

/* One size of one design. */
struct pareto_point {
    const struct point *point;
    struct measured bytes, throughput;
    struct difference difference; /* of throughput, against the curve's fastest */
    bool front; /* none is as fast with less memory, or faster with as much: by medians */
    bool knee;
};

struct pareto_curve {
    const struct point *load;    /* its trace, threads and replicas */
    const char *label;           /* of the design; NULL: all designs together */
    struct pareto_point *points; /* by memory, the fastest of equals first */
    size_t count, fastest;
    size_t knee; /* count: the front has none */
};

struct pareto {
    const struct figure *memory;
    double floor;                /* noise of throughput; NAN: not known */
    size_t tests;                /* comparisons over all designs, which were corrected together */
    struct pareto_curve *curves; /* of a load: each design with several sizes, then all together */
    size_t count;
};

/* `memory` is a figure in bytes. Points without both figures, harnesses and second arms are left
 * out. -ENOMEM. */
int pareto_create(const struct series *series, const struct figure *memory, struct pareto *pareto);
void pareto_cleanup(struct pareto *pareto);

/*
 * Sorts points by medians, marks the front and its knee, and returns the knee's place, `count` if
 * there is none. The knee is the point of the front farthest above the straight line between its
 * ends, both axes scaled to 0 .. 1 (Satopaa et al. 2011, "Kneedle"): none where the front has fewer
 * than three points or lies below that line.
 */
size_t pareto_mark(struct pareto_point *points, size_t count);

/* What to take, in a sentence or two that say no more than is shown. For curves of one design. */
void pareto_advice(const struct pareto *pareto, const struct pareto_curve *curve, FILE *stream);

void pareto_print(const struct pareto *pareto, FILE *stream);
/* As results/FORMAT.md says. NULL: no memory. */
json_t *pareto_json(const struct pareto *pareto);

#endif
