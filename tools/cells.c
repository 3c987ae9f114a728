/* SPDX-License-Identifier: MIT */
/* What lists of options span: machines x threads x bindings x replicas x locks x designs x settings
 * x sizes. */
#include "allocators/allocator.h"
#include "sim/array.h"
#include "sim/error.h"
#include "sim/tunable.h"
#include "tools/machine_options.h"
#include "tools/replay_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Products grow fast: what would be more than this was not meant. */
#define CELLS_MAX 1000000

/* The values of one tunable of one design. */
struct axis {
    const char *key;
    struct word_list values; /* as the design prints them, without repetition */
};

/* One design and the axes of its own. */
struct design {
    const char *name;
    bool sized; /* has a magazine size */
    struct axis *axes;
    size_t nr_axes;
};

void cell_config(const struct replay_options *options, const struct cell *cell,
                 struct run_config *config)
{
    *config = options->run;
    config->allocator = cell->allocator;
    config->settings = cell->settings;
    config->nr_settings = cell->nr_settings;
    config->magazine_size = cell->magazine_size;
    config->threads = cell->threads;
    config->replay.replicas = (unsigned)cell->replicas;
    config->lock = cell->lock;
    config->virtual_machine = cell->machine ? &cell->machine->config : NULL;
    config->binding = &cell->bind->binding;
    config->replay.record = record_options_of(&options->recording, config->replay.cold);
    if (cell->machine)
        config->replay.record &= ~(unsigned)RECORD_COUNTERS; /* the host's tell nothing of it */
    config->replay.latency_every = options->recording.latency_every;
}

int cell_instance(const struct replay_options *options, const struct cell *cell,
                  struct allocator_instance **instance, struct error *error)
{
    struct run_config config;

    cell_config(options, cell, &config);
    return run_allocator_create(&config, instance, error);
}

bool cells_share_plan(const struct cell *a, const struct cell *b)
{
    return a->machine == b->machine && a->threads == b->threads && a->replicas == b->replicas &&
           a->bind == b->bind;
}

/* ---- the axes of a design ---- */

static bool has_word(const struct word_list *list, const char *word)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->words[i], word) == 0)
            return true;
    }
    return false;
}

/*
 * Notes a value as the design prints it, so that `yes` and `on` are one; a string (whose text may
 * be long) as it is given. The instance is there to be tried on.
 */
static int axis_add(struct axis *axis, struct allocator_instance *instance, const char *value,
                    bool whole, struct error *error)
{
    char printed[64];
    int code = allocator_set(instance, axis->key, value, error);

    if (code)
        return code;
    if (!whole)
        value = allocator_get(instance, axis->key, printed, sizeof printed);
    if (!has_word(&axis->values, value) && word_list_add(&axis->values, "%s", value) != 0)
        return error_set(error, ENOMEM, "no memory for a list of values");
    return 0;
}

static int axis_add_range(struct axis *axis, struct allocator_instance *instance, const char *text,
                          struct error *error)
{
    struct number_list numbers = {0};
    int code =
        number_list_parse(text, &(struct number_limits){.maximum = UINT64_MAX}, &numbers, error);

    for (size_t i = 0; code == 0 && i < numbers.count; i++) {
        char number[24];

        snprintf(number, sizeof number, "%llu", (unsigned long long)numbers.numbers[i]);
        code = axis_add(axis, instance, number, false, error);
    }
    number_list_cleanup(&numbers);
    return code;
}

static int axis_fill(struct axis *axis, struct allocator_instance *instance, const char *values,
                     struct error *error)
{
    const struct tunable *tunable = tunable_find(allocator_design(instance)->tunables, axis->key);
    bool number = tunable && (tunable->kind == TUNABLE_UINT || tunable->kind == TUNABLE_SIZE);
    struct word_list words = {0};
    int code;

    if (!tunable || tunable->kind == TUNABLE_STRING)
        return axis_add(axis, instance, values, true, error);
    code = word_list_parse(values, &words, error);
    for (size_t i = 0; code == 0 && i < words.count; i++) {
        if (number && strstr(words.words[i], ".."))
            code = axis_add_range(axis, instance, words.words[i], error);
        else
            code = axis_add(axis, instance, words.words[i], false, error);
    }
    word_list_cleanup(&words);
    return code;
}

/* A key that is set twice has the values that come last. */
static struct axis *axis_find(struct design *design, const char *key)
{
    for (size_t i = 0; i < design->nr_axes; i++) {
        if (strcmp(design->axes[i].key, key) == 0) {
            word_list_cleanup(&design->axes[i].values);
            return &design->axes[i];
        }
    }
    design->axes[design->nr_axes].key = key;
    return &design->axes[design->nr_axes++];
}

static void design_cleanup(struct design *design)
{
    for (size_t i = 0; i < design->nr_axes; i++)
        word_list_cleanup(&design->axes[i].values);
    free(design->axes);
}

/* Looks at an instance that is never started; on failure nothing is left. */
static int design_init(struct design *design, const char *name,
                       const struct replay_options *options, struct error *error)
{
    struct allocator_instance *instance;
    int code = allocator_create(name, &instance, error);

    if (code)
        return code;
    *design = (struct design){.name = name,
                              .sized = allocator_design(instance)->set_magazine_size != NULL,
                              .axes = calloc(options->nr_settings + 1, sizeof *design->axes)};
    if (options->nr_machines && allocator_design(instance)->external)
        code = error_set(error, EINVAL,
                         "%s: only designs of slablab's own can be simulated: a foreign malloc's "
                         "accesses are not seen",
                         name);
    if (code == 0 && !design->axes)
        code = error_set(error, ENOMEM, "no memory for settings");
    for (size_t i = 0; code == 0 && i < options->nr_settings; i++) {
        const struct allocator_setting *setting = &options->settings[i];

        if (strcmp(setting->allocator, name) == 0)
            code = axis_fill(axis_find(design, setting->key), instance, setting->values, error);
    }
    allocator_destroy(instance);
    if (code)
        design_cleanup(design);
    return code;
}

/* ---- cells ---- */

static void cell_cleanup(struct cell *cell)
{
    free(cell->settings);
    free(cell->label);
}

/* What of the cell was given several values, but for size and threads, which tables have columns
 * for. */
static char *label_of(const struct replay_options *options, const struct design *design,
                      const struct cell *cell)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    const char *before = " ";

    if (!stream)
        return NULL;
    fprintf(stream, "%s", cell->allocator);
    for (size_t i = 0; i < cell->nr_settings; i++) {
        if (design->axes[i].values.count < 2)
            continue;
        fprintf(stream, "%s%s=%s", before, cell->settings[i].key, cell->settings[i].value);
        before = ",";
    }
    if (options->nr_machines > 1)
        fprintf(stream, " %s", cell->machine->name);
    if (options->nr_locks > 1)
        fprintf(stream, " %s", lock_kind_name(cell->lock));
    if (options->nr_binds > 1)
        fprintf(stream, " %s", cell->bind->text);
    if (options->replicas.count + options->replicas.automatic > 1) {
        if (cell->replicas == REPLICAS_AUTO)
            fprintf(stream, " xauto");
        else
            fprintf(stream, " x%llu", (unsigned long long)cell->replicas);
    }
    return fclose(stream) == 0 ? text : NULL;
}

/* The settings that `number` stands for, the first axis changing last. */
static int settings_choose(const struct design *design, size_t number, struct cell *cell,
                           struct cell_list *list)
{
    cell->settings = calloc(design->nr_axes + 1, sizeof *cell->settings);
    if (!cell->settings)
        return -ENOMEM;
    cell->nr_settings = design->nr_axes;
    for (size_t i = design->nr_axes; i-- > 0;) {
        const struct axis *axis = &design->axes[i];

        if (word_list_add(&list->values, "%s", axis->values.words[number % axis->values.count]))
            return -ENOMEM;
        cell->settings[i].key = axis->key;
        cell->settings[i].value = list->values.words[list->values.count - 1];
        number /= axis->values.count;
    }
    return 0;
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

/* Takes the cell, settings and all, or frees it. */
static int cells_add(struct cell_list *list, struct cell *cell, struct error *error)
{
    bool room = cell->label && list->count < CELLS_MAX &&
                array_room((void **)&list->cells, &list->capacity, list->count + 1,
                           sizeof *list->cells) == 0;

    if (!room) {
        cell_cleanup(cell);
        if (list->count == CELLS_MAX)
            return error_set(error, EINVAL, "more than %d combinations", CELLS_MAX);
        return error_set(error, ENOMEM, "no memory for %zu combinations", list->count + 1);
    }
    list->cells[list->count++] = *cell;
    return 0;
}

/* All settings and sizes of one design; what they do not say is in `common`. */
static int design_add(const struct replay_options *options, const struct design *design,
                      const struct cell *common, struct cell_list *list, struct error *error)
{
    size_t sizes = design->sized ? options->magazine_sizes.count : 0, combinations = 1;
    int code = 0;

    for (size_t i = 0; i < design->nr_axes; i++) {
        combinations *= design->axes[i].values.count;
        if (combinations > CELLS_MAX)
            return error_set(error, EINVAL, "more than %d combinations", CELLS_MAX);
    }
    for (size_t i = 0; code == 0 && i < combinations * (sizes ? sizes : 1); i++) {
        struct cell cell = *common;

        cell.allocator = design->name;
        cell.magazine_size = sizes ? options->magazine_sizes.numbers[i % sizes] : 0;
        if (settings_choose(design, sizes ? i / sizes : i, &cell, list) != 0)
            code = error_set(error, ENOMEM, "no memory for settings");
        else
            code = cell_try(options, &cell, error);
        if (code) {
            cell_cleanup(&cell);
            return code;
        }
        cell.label = label_of(options, design, &cell);
        code = cells_add(list, &cell, error);
    }
    return code;
}

static uint64_t number_or_auto(const struct number_list *list, size_t i, uint64_t automatic)
{
    return i < list->count ? list->numbers[i] : automatic;
}

/* All designs with one choice each of what is the machine's. */
static int designs_add(const struct replay_options *options, const struct design *designs,
                       size_t nr_designs, struct cell_list *list, struct error *error)
{
    uint64_t single = 1;
    const struct number_list one = {.numbers = &single, .count = 1};
    const struct number_list *threads = &options->threads, *replicas = &options->replicas;
    size_t nr_threads = threads->count + (threads->automatic || threads->count == 0), nr_replicas;
    size_t nr_machines = options->nr_machines ? options->nr_machines : 1;
    int code = 0;

    if (replicas->count == 0 && !replicas->automatic)
        replicas = &one;
    nr_replicas = replicas->count + replicas->automatic;
    for (size_t i = 0;
         i < nr_machines * nr_threads * options->nr_binds * nr_replicas * options->nr_locks; i++) {
        size_t rest = i;
        struct cell common = {.lock = options->locks[rest % options->nr_locks]};

        rest /= options->nr_locks;
        common.replicas = number_or_auto(replicas, rest % nr_replicas, REPLICAS_AUTO);
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a factor of what i is below */
        rest /= nr_replicas;
        common.bind = &options->binds[rest % options->nr_binds];
        rest /= options->nr_binds;
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a factor of what i is below */
        common.threads = (unsigned)number_or_auto(threads, rest % nr_threads, 0);
        if (options->nr_machines)
            common.machine = &options->machines[rest / nr_threads];
        for (size_t j = 0; code == 0 && j < nr_designs; j++)
            code = design_add(options, &designs[j], &common, list, error);
    }
    return code;
}

/* ---- names ---- */

/* A setting for a design that does not run would be passed over in silence. */
static int check_settings_used(const struct replay_options *options, const struct word_list *names,
                               struct error *error)
{
    for (size_t i = 0; i < options->nr_settings; i++) {
        if (!has_word(names, options->settings[i].allocator))
            return error_set(error, EINVAL, "--set %s.%s: allocator '%s' is not among those to run",
                             options->settings[i].allocator, options->settings[i].key,
                             options->settings[i].allocator);
    }
    return 0;
}

/* The designs to run when none is named: all that are ours, and natively the C library's malloc. */
static int default_names(const struct replay_options *options, struct word_list *names)
{
    size_t count;
    const struct allocator *const *all = allocator_all(&count);
    int code = 0;

    for (size_t i = 0; code == 0 && i < count; i++) {
        if (!all[i]->external)
            code = word_list_add(names, "%s", all[i]->name);
    }
    return code || options->nr_machines ? code : word_list_add(names, "malloc:libc");
}

/* A name that is given twice is one. */
static int designs_create(const struct replay_options *options, const struct word_list *names,
                          struct design **designs, size_t *nr_designs, struct error *error)
{
    int code = 0;

    *nr_designs = 0;
    *designs = calloc(names->count, sizeof **designs);
    if (!*designs)
        return error_set(error, ENOMEM, "no memory for a list of designs");
    for (size_t i = 0; code == 0 && i < names->count; i++) {
        bool known = false;

        for (size_t j = 0; j < i; j++)
            known |= strcmp(names->words[j], names->words[i]) == 0;
        if (known)
            continue;
        code = design_init(&(*designs)[*nr_designs], names->words[i], options, error);
        *nr_designs += code == 0;
    }
    return code;
}

int cells_create(const struct replay_options *options, struct cell_list *cells, struct error *error)
{
    struct design *designs = NULL;
    size_t nr_designs = 0;
    int code = 0;

    *cells = (struct cell_list){0};
    if (options->allocators.count == 0 && default_names(options, &cells->values) != 0)
        code = error_set(error, ENOMEM, "no memory for a list of designs");
    if (code == 0) {
        /* Names that nobody typed are the list's, which has nothing else in it yet. */
        struct word_list names = options->allocators.count ? options->allocators : cells->values;

        code = check_settings_used(options, &names, error);
        if (code == 0)
            code = designs_create(options, &names, &designs, &nr_designs, error);
    }
    if (code == 0)
        code = designs_add(options, designs, nr_designs, cells, error);
    for (size_t i = 0; i < nr_designs; i++)
        design_cleanup(&designs[i]);
    free(designs);
    if (code)
        cells_cleanup(cells);
    return code;
}

void cells_keep(struct cell_list *cells, const bool *kept)
{
    size_t count = 0;

    for (size_t i = 0; i < cells->count; i++) {
        if (kept[i])
            cells->cells[count++] = cells->cells[i];
        else
            cell_cleanup(&cells->cells[i]);
    }
    cells->count = count;
}

void cells_cleanup(struct cell_list *cells)
{
    for (size_t i = 0; i < cells->count; i++)
        cell_cleanup(&cells->cells[i]);
    free(cells->cells);
    word_list_cleanup(&cells->values);
    *cells = (struct cell_list){0};
}
