/* SPDX-License-Identifier: MIT */
/* What lists of options span: designs x magazine sizes x threads. */
#include "allocators/allocator.h"
#include "sim/error.h"
#include "tools/replay_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int cell_config(const struct replay_options *options, const struct cell *cell,
                struct run_config *config, struct run_setting **settings, struct error *error)
{
    struct run_setting *found = calloc(options->nr_settings + 1, sizeof *found);
    size_t count = 0;

    if (!found)
        return error_set(error, ENOMEM, "no memory for settings");
    for (size_t i = 0; i < options->nr_settings; i++) {
        const struct allocator_setting *setting = &options->settings[i];

        if (strcmp(setting->allocator, cell->allocator) == 0)
            found[count++] = (struct run_setting){.key = setting->key, .value = setting->value};
    }
    *config = options->run;
    config->allocator = cell->allocator;
    config->magazine_size = cell->magazine_size;
    config->threads = cell->threads;
    config->binding = &options->binding;
    config->replay.record = record_options_of(&options->recording, config->replay.cold);
    config->replay.latency_every = options->recording.latency_every;
    config->settings = found;
    config->nr_settings = count;
    *settings = found;
    return 0;
}

static int cells_add(struct cell_list *list, const struct cell *cell, struct error *error)
{
    struct cell *grown = realloc(list->cells, (list->count + 1) * sizeof *grown);

    if (!grown)
        return error_set(error, ENOMEM, "no memory for %zu runs", list->count + 1);
    list->cells = grown;
    grown[list->count++] = *cell;
    return 0;
}

/* A setting for a design that does not run would be passed over in silence. */
static int check_settings_used(const struct replay_options *options, const char *const *names,
                               size_t nr_names, struct error *error)
{
    for (size_t i = 0; i < options->nr_settings; i++) {
        bool used = false;

        for (size_t j = 0; j < nr_names; j++)
            used |= strcmp(options->settings[i].allocator, names[j]) == 0;
        if (!used)
            return error_set(error, EINVAL, "--set %s.%s: allocator '%s' is not among those to run",
                             options->settings[i].allocator, options->settings[i].key,
                             options->settings[i].allocator);
    }
    return 0;
}

int cell_instance(const struct replay_options *options, const struct cell *cell,
                  struct allocator_instance **instance, struct error *error)
{
    struct run_setting *settings;
    struct run_config config;
    int code = cell_config(options, cell, &config, &settings, error);

    if (code)
        return code;
    code = run_allocator_create(&config, instance, error);
    free(settings);
    return code;
}

/* A name that is given twice is one. */
static bool cells_have(const struct cell_list *list, const struct cell *cell)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct cell *other = &list->cells[i];

        if (strcmp(other->allocator, cell->allocator) == 0 &&
            other->magazine_size == cell->magazine_size && other->threads == cell->threads)
            return true;
    }
    return false;
}

/* Tries the cell's size and settings on an instance that is never started. */
static int cell_try(const struct replay_options *options, const struct cell *cell,
                    struct error *error)
{
    struct allocator_instance *instance;
    int code = cell_instance(options, cell, &instance, error);

    if (code)
        return code;
    allocator_destroy(instance);
    return 0;
}

static int add_design(const struct replay_options *options, const char *name, unsigned threads,
                      struct cell_list *list, struct error *error)
{
    struct cell cell = {.allocator = name, .threads = threads};
    struct allocator_instance *instance;
    size_t sizes = options->magazine_sizes.count;
    int code = allocator_create(name, &instance, error);

    if (code)
        return code;
    if (!allocator_design(instance)->set_magazine_size)
        sizes = 0;
    allocator_destroy(instance);
    for (size_t i = 0; code == 0 && (i < sizes || (i == 0 && sizes == 0)); i++) {
        cell.magazine_size = sizes ? options->magazine_sizes.numbers[i] : 0;
        code = cell_try(options, &cell, error);
        if (code == 0 && !cells_have(list, &cell))
            code = cells_add(list, &cell, error);
    }
    return code;
}

/* The designs to run when none is named: all that are ours, and the C library's malloc. */
static size_t default_names(const char **names, size_t capacity)
{
    size_t count, used = 0;
    const struct allocator *const *all = allocator_all(&count);

    for (size_t i = 0; i < count && used + 1 < capacity; i++) {
        if (!all[i]->external)
            names[used++] = all[i]->name;
    }
    names[used++] = "malloc:libc";
    return used;
}

int cells_create(const struct replay_options *options, struct cell_list *cells, struct error *error)
{
    const char *defaults[64];
    const char *const *names = (const char *const *)options->allocators.words;
    size_t nr_names = options->allocators.count;
    bool automatic = options->threads.count == 0 || options->threads.automatic;
    int code;

    *cells = (struct cell_list){0};
    if (nr_names == 0) {
        nr_names = default_names(defaults, sizeof defaults / sizeof defaults[0]);
        names = defaults;
    }
    code = check_settings_used(options, names, nr_names, error);
    for (size_t i = 0; i < options->threads.count + automatic; i++) {
        unsigned threads = i < options->threads.count ? (unsigned)options->threads.numbers[i] : 0;

        for (size_t j = 0; code == 0 && j < nr_names; j++)
            code = add_design(options, names[j], threads, cells, error);
    }
    if (code)
        cells_cleanup(cells);
    return code;
}

void cells_cleanup(struct cell_list *cells)
{
    free(cells->cells);
    *cells = (struct cell_list){0};
}
