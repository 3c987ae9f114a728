/* SPDX-License-Identifier: MIT */
/* What came of a sweep; see sweep_table.h. */
#include "tools/sweep_table.h"

#include "tools/series.h"

#include <stdio.h>
#include <string.h>

static void series_print(const struct series *series)
{
    printf("%-28s %-22s %8s %7s %5s %10s %21s %10s\n", "trace", "allocator", "magazine", "threads",
           "runs", "M events/s", "(min to max)", "peak KiB");
    for (size_t i = 0; i < series->count; i++) {
        const struct point *point = &series->points[i];
        const char *before = i ? point[-1].machine : "";
        char size[24] = "-", memory[32] = "-", spread[48], name[128];

        if (strcmp(point->machine, before) != 0)
            printf("simulated on %s, times are virtual:\n", point->machine);
        if (point->magazine_size)
            snprintf(size, sizeof size, "%llu", (unsigned long long)point->magazine_size);
        if (point->peak_page_bytes >= 0)
            snprintf(memory, sizeof memory, "%.0f", point->peak_page_bytes / 1024);
        if (point_is_simulated(point))
            snprintf(spread, sizeof spread, "(exact)");
        else
            snprintf(spread, sizeof spread, "(%.2f to %.2f)", point->throughput.minimum * 1e-6,
                     point->throughput.maximum * 1e-6);
        snprintf(name, sizeof name, "%s%s", point->label, point->second ? " (again)" : "");
        printf("%-28s %-22s %8s %7u %5zu %10.2f %21s %10s\n", point->trace, name, size,
               point->threads, point->nr_runs, point->throughput.median * 1e-6, spread, memory);
    }
}

int sweep_table_print(const char *folder, struct error *error)
{
    struct series series;
    int code = series_read(folder, 0, &series, error);

    if (code)
        return code;
    series_print(&series);
    fflush(stdout); /* before what follows on the other output */
    series_cleanup(&series);
    return 0;
}
