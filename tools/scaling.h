/* SPDX-License-Identifier: MIT */
/*
 * The universal scalability law, fitted to throughput over threads: how much of the work is
 * serial, how much is spent on agreeing, and at how many threads throughput would peak.
 */
#ifndef SLABLAB_TOOLS_SCALING_H
#define SLABLAB_TOOLS_SCALING_H

#include <stdbool.h>
#include <stddef.h>

/* Three numbers are fitted. */
#define SCALING_MIN_COUNT 3

/*
 * X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1)), Gunther, "Guerrilla Capacity Planning",
 * 2007.
 */
struct scaling {
    double lambda; /* throughput of one thread */
    double sigma;  /* contention: the share that only one thread at a time can do */
    double kappa;  /* coherence: what each pair of threads costs */
    double peak;   /* N at which X is largest, sqrt((1 - sigma) / kappa); INFINITY: there is none */
    double error;  /* largest |fitted / measured - 1| */
};

/*
 * Least squares of the relative errors of N / X, in which the law is linear in 1 / lambda,
 * sigma / lambda and kappa / lambda; none of these may be negative. `threads` must hold
 * SCALING_MIN_COUNT different counts; exactly as many are met exactly and leave nothing to judge
 * the law by. False: fewer, or a throughput that is none.
 */
bool scaling_fit(const double *threads, const double *throughput, size_t count,
                 struct scaling *scaling);

double scaling_throughput(const struct scaling *scaling, double threads);

#endif
