/* SPDX-License-Identifier: MIT */
/* Peaks on one CPU; see blowup.h. */
#include "tools/blowup.h"

#include "sim/error.h"
#include "sim/plan.h"
#include "tools/replay_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One cold pass of the cell's design on one CPU, nothing recorded. */
static int one_cpu_run(const struct blowup *blowup, const struct run_config *config,
                       uint64_t *peak_bytes, struct error *error)
{
    struct run_config alone = *config;
    struct run_report report = {0};
    struct plan *plan;
    int code = replay_plan_create(blowup->options, blowup->trace, 1, &plan, error);

    if (code)
        return code;
    alone.threads = 1;
    alone.replay.loops = 1;
    alone.replay.cold = true;
    alone.replay.record = 0;
    alone.virtual_machine = NULL; /* what it holds does not hang on the machine */
    code = run_execute(plan, blowup->topology, &alone, &report, error);
    *peak_bytes = report.external || report.harness ? 0 : report.replay.first_pages.peak_bytes;
    run_report_cleanup(&report);
    plan_destroy(plan);
    return code;
}

/* Neither locks nor binding change what one CPU holds. */
static bool same_peak(const struct run_config *a, const struct run_config *b)
{
    bool same = strcmp(a->allocator, b->allocator) == 0 && a->magazine_size == b->magazine_size &&
                a->replay.replicas == b->replay.replicas && a->nr_settings == b->nr_settings;

    for (size_t i = 0; same && i < a->nr_settings; i++)
        same = strcmp(a->settings[i].key, b->settings[i].key) == 0 &&
               strcmp(a->settings[i].value, b->settings[i].value) == 0;
    return same;
}

int blowup_prepare(struct blowup *blowup, struct run_config *config, struct error *error)
{
    struct one_cpu_peak *grown;
    uint64_t bytes;
    int code;

    if (!blowup->options->blowup || config->threads == 1)
        return 0;
    for (size_t i = 0; i < blowup->nr_peaks; i++) {
        const struct one_cpu_peak *known = &blowup->peaks[i];

        if (same_peak(&known->config, config)) {
            config->one_cpu_peak_bytes = known->bytes;
            return 0;
        }
    }
    grown = realloc(blowup->peaks, (blowup->nr_peaks + 1) * sizeof *grown);
    if (!grown)
        return error_set(error, ENOMEM, "no memory for a list of peaks");
    blowup->peaks = grown;
    code = one_cpu_run(blowup, config, &bytes, error);
    if (code)
        return code;
    grown[blowup->nr_peaks++] = (struct one_cpu_peak){.config = *config, .bytes = bytes};
    config->one_cpu_peak_bytes = bytes;
    return 0;
}

void blowup_cleanup(struct blowup *blowup)
{
    free(blowup->peaks);
}
