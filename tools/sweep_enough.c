/* SPDX-License-Identifier: MIT */
/* How many comparisons will be made, and what few runs can show in so many; see sweep_enough.h. */
#include "tools/sweep_enough.h"

#include "sim/error.h"
#include "tools/difference.h"
#include "tools/significance.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of more nothing is said: each is held against all others. */
enum { COMBINATIONS_MOST = 10000 };

/* Will they stand in one table of `compare`? (points_same_load() says it of their runs.) */
static bool same_load(const struct combination *a, const struct combination *b)
{
    return a->cell->threads == b->cell->threads && a->cell->replicas == b->cell->replicas &&
           strcmp(a->trace, b->trace) == 0;
}

/* Does `compare` compare it? The second arm is for the noise. */
static int is_compared(const struct combination *combination, bool *compared, struct error *error)
{
    bool harness;
    int code = design_is_harness(combination->cell->allocator, &harness, error);

    *compared = code == 0 && !harness && combination->arm != 'b';
    return code;
}

/* How many of the load of `first` there are; 0: it is not the first of its load. */
static size_t load_size(const struct sweep_plan *plan, const bool *compared, size_t first)
{
    size_t size = 0;

    for (size_t i = 0; i < plan->nr_combinations; i++) {
        if (!compared[i] || !same_load(&plan->combinations[i], &plan->combinations[first]))
            continue;
        if (i < first)
            return 0;
        size++;
    }
    return size;
}

int sweep_enough_print(const struct sweep_plan *plan, uint64_t repeats, FILE *stream,
                       struct error *error)
{
    size_t count = plan->nr_combinations > COMBINATIONS_MOST ? 0 : plan->nr_combinations;
    bool *compared = calloc(count + 1, sizeof *compared);
    int code = compared ? 0 : error_set(error, ENOMEM, "no memory for a list of combinations");
    double least = INFINITY, most = 1; /* what choosing the baseline costs, over the loads */
    size_t tests = 0;

    for (size_t i = 0; code == 0 && i < count; i++)
        code = is_compared(&plan->combinations[i], &compared[i], error);
    for (size_t i = 0; code == 0 && i < count; i++) {
        size_t size = compared[i] ? load_size(plan, compared, i) : 0;

        if (size < 2)
            continue;
        tests += size - 1;
        least = fmin(least, choices_of(size, size));
        most = fmax(most, choices_of(size, size));
    }
    free(compared);
    if (code || !tests ||
        rank_test_least_p(repeats, repeats) * least * (double)tests <= SIGNIFICANCE_LEVEL)
        return code;
    fprintf(stream,
            "-n %llu is too few for compare to show any difference (%zu comparison%s); %zu runs of "
            "each could%s\n",
            (unsigned long long)repeats, tests, tests > 1 ? "s" : "",
            differences_runs_needed(&(struct difference){.choices = most}, tests),
            most > 1 ? " (fewer if you name the --baseline)" : "");
    return 0;
}
