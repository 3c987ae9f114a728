/* SPDX-License-Identifier: MIT */
/* The universal scalability law by linear least squares with signs constrained. */
#include "tools/scaling.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { TERMS = 3 };

/* N / X = a + b (N - 1) + c N (N - 1), each row divided by what was measured. */
static void row_of(double threads, double throughput, double row[TERMS])
{
    double weight = throughput / threads;

    row[0] = weight;
    row[1] = weight * (threads - 1);
    row[2] = weight * threads * (threads - 1);
}

/* Solves for the terms in `used`; the others are 0. Gauss with pivoting. False: singular. */
static bool solve(double matrix[TERMS][TERMS], const double right[TERMS], const bool used[TERMS],
                  double solution[TERMS])
{
    double m[TERMS][TERMS + 1];

    for (int i = 0; i < TERMS; i++) {
        for (int j = 0; j < TERMS; j++)
            m[i][j] = used[i] && used[j] ? matrix[i][j] : i == j;
        m[i][TERMS] = used[i] ? right[i] : 0;
    }
    for (int i = 0; i < TERMS; i++) {
        int best = i;

        for (int j = i + 1; j < TERMS; j++)
            best = fabs(m[j][i]) > fabs(m[best][i]) ? j : best;
        if (fabs(m[best][i]) < DBL_MIN)
            return false;
        for (int k = 0; k <= TERMS; k++) {
            double swapped = m[i][k];

            m[i][k] = m[best][k];
            m[best][k] = swapped;
        }
        for (int j = 0; j < TERMS; j++) {
            double factor = m[j][i] / m[i][i];

            for (int k = i; j != i && k <= TERMS; k++)
                m[j][k] -= factor * m[i][k];
        }
    }
    for (int i = 0; i < TERMS; i++)
        solution[i] = m[i][TERMS] / m[i][i];
    return true;
}

/* Squares of the relative errors. */
static double squares(const double *threads, const double *throughput, size_t count,
                      const double solution[TERMS])
{
    double sum = 0;

    for (size_t i = 0; i < count; i++) {
        double row[TERMS], error = -1;

        row_of(threads[i], throughput[i], row);
        for (int j = 0; j < TERMS; j++)
            error += row[j] * solution[j];
        sum += error * error;
    }
    return sum;
}

static size_t different(const double *numbers, size_t count)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        size_t j = 0;

        while (j < i && numbers[j] != numbers[i])
            j++;
        found += j == i;
    }
    return found;
}

/*
 * Of a convex problem in which two terms may not be negative, the solution is that of one of four
 * problems without such a bound, a term each left in or out: the best that keeps the signs.
 */
static bool best_solution(const double *threads, const double *throughput, size_t count,
                          double best[TERMS])
{
    double matrix[TERMS][TERMS] = {{0}}, right[TERMS] = {0}, least = INFINITY;

    for (size_t i = 0; i < count; i++) {
        double row[TERMS];

        row_of(threads[i], throughput[i], row);
        for (int j = 0; j < TERMS; j++) {
            right[j] += row[j];
            for (int k = 0; k < TERMS; k++)
                matrix[j][k] += row[j] * row[k];
        }
    }
    for (int choice = 0; choice < 4; choice++) {
        const bool used[TERMS] = {true, choice & 1, choice & 2};
        double solution[TERMS], sum;

        if (!solve(matrix, right, used, solution) || solution[0] <= 0 || solution[1] < 0 ||
            solution[2] < 0)
            continue;
        sum = squares(threads, throughput, count, solution);
        if (sum < least) {
            least = sum;
            memcpy(best, solution, sizeof solution);
        }
    }
    return isfinite(least);
}

bool scaling_fit(const double *threads, const double *throughput, size_t count,
                 struct scaling *scaling)
{
    double solution[TERMS] = {0};

    for (size_t i = 0; i < count; i++) {
        if (!(throughput[i] > 0) || !(threads[i] >= 1))
            return false;
    }
    if (different(threads, count) < SCALING_MIN_COUNT ||
        !best_solution(threads, throughput, count, solution))
        return false;
    *scaling = (struct scaling){.lambda = 1 / solution[0],
                                .sigma = solution[1] / solution[0],
                                .kappa = solution[2] / solution[0]};
    if (scaling->kappa > 0)
        scaling->peak = sqrt(fmax(1 - scaling->sigma, 0) / scaling->kappa);
    else
        scaling->peak = INFINITY;
    scaling->peak = fmax(scaling->peak, 1);
    for (size_t i = 0; i < count; i++)
        scaling->error =
            fmax(scaling->error, fabs(scaling_throughput(scaling, threads[i]) / throughput[i] - 1));
    return true;
}

double scaling_throughput(const struct scaling *scaling, double threads)
{
    return scaling->lambda * threads /
           (1 + scaling->sigma * (threads - 1) + scaling->kappa * threads * (threads - 1));
}
