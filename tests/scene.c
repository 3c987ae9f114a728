/* SPDX-License-Identifier: MIT */
/* Scenery for tests of designs. */
#include "tests/scene.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct allocator_instance *scene;

static void set_option(const char *option)
{
    const char *equals = strchr(option, '=');
    struct error error;
    char key[64];

    snprintf(key, sizeof key, "%.*s", (int)(equals - option), option);
    if (allocator_set(scene, key, equals + 1, &error) != 0)
        fail_msg("%s", error.text);
}

void scene_open(unsigned nr_cpus, size_t limit_bytes, const char *name, ...)
{
    struct error error;
    const char *option = strchr(name, ' ');
    char design[64];
    va_list options;

    fixture_start(nr_cpus, limit_bytes);
    snprintf(design, sizeof design, "%.*s", (int)strcspn(name, " "), name);
    if (allocator_create(design, &scene, &error) != 0)
        fail_msg("%s", error.text);
    if (option)
        set_option(option + 1);
    va_start(options, name);
    while ((option = va_arg(options, const char *)))
        set_option(option);
    va_end(options);
    if (allocator_start(scene, &error) != 0)
        fail_msg("%s", error.text);
}

void scene_close(void)
{
    struct error error;

    if (allocator_stop(scene, &error) != 0)
        fail_msg("%s", error.text);
    allocator_destroy(scene);
    scene = NULL;
    assert_int_equal(fixture_held_bytes(), 0);
    fixture_stop();
}

struct cache *scene_cache_of(const struct cache_params *params)
{
    struct cache *cache = NULL;
    struct error error;

    if (allocator_cache_create(scene, params, &cache, &error) != 0)
        fail_msg("%s", error.text);
    return cache;
}

struct cache *scene_cache(size_t size, size_t align)
{
    const struct cache_params params = {.name = "objects", .size = size, .align = align};

    return scene_cache_of(&params);
}

void scene_cache_destroy(struct cache *cache)
{
    struct error error;

    if (allocator_cache_destroy(scene, cache, &error) != 0)
        fail_msg("%s", error.text);
}

void *scene_alloc(struct cache *cache)
{
    const struct request request = {.node = -1};

    return allocator_design(scene)->alloc(cache, &request);
}

void scene_free(struct cache *cache, void *object)
{
    allocator_design(scene)->free(cache, object);
}

void scene_alloc_all(struct cache *cache, unsigned n, void **objects)
{
    for (unsigned i = 0; i < n; i++) {
        objects[i] = scene_alloc(cache);
        assert_non_null(objects[i]);
    }
}

void scene_free_all(struct cache *cache, unsigned n, void **objects)
{
    for (unsigned i = 0; i < n; i++)
        scene_free(cache, objects[i]);
}

void scene_pass_on(struct cache *cache, unsigned n)
{
    while (n--) {
        void *object;

        fixture_become(0);
        object = scene_alloc(cache);
        assert_non_null(object);
        fixture_become(1);
        scene_free(cache, object);
    }
    fixture_become(0);
}

uint64_t scene_count(struct cache *cache, const char *name)
{
    uint64_t count = allocator_inspect(scene, cache, name);

    if (count == UINT64_MAX)
        fail_msg("%s has no count '%s'", allocator_name(scene), name);
    return count;
}

void scene_ledger(struct ledger *ledger, uint64_t requested, uint64_t live)
{
    struct error error;

    *ledger = (struct ledger){.keeps_claims = true};
    if (!allocator_ledger(scene, ledger, NULL, NULL))
        fail_msg("%s keeps no ledger", allocator_name(scene));
    if (ledger_balance(ledger, requested, live, &error) != 0)
        fail_msg("%s", error.text);
    ledger_cleanup(ledger);
}

struct part_wanted {
    struct cache *cache;
    struct ledger *part;
    bool found;
};

static void part_take(void *context, struct cache *cache, const char *name,
                      const struct ledger *part)
{
    struct part_wanted *wanted = context;

    (void)name;
    if (cache != wanted->cache)
        return;
    *wanted->part = *part;
    wanted->part->claims = NULL;
    wanted->found = true;
}

void scene_ledger_part(struct ledger *part, struct cache *cache)
{
    struct part_wanted wanted = {.cache = cache, .part = part};
    struct ledger all = {.keeps_claims = true};

    allocator_ledger(scene, &all, part_take, &wanted);
    ledger_cleanup(&all);
    assert_true(wanted.found);
}

void assert_aborts(void (*act)(void *argument), void *argument, const char *const *words)
{
    char said[4096] = "";
    size_t length = 0;
    ssize_t got;
    int ends[2], status;
    pid_t child;

    fflush(NULL);
    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        act(argument);
        _exit(0);
    }
    close(ends[1]);
    while (length < sizeof said - 1 &&
           (got = read(ends[0], said + length, sizeof said - 1 - length)) > 0)
        length += (size_t)got;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    for (; *words; words++) {
        if (!strstr(said, *words))
            fail_msg("'%s' is not in: %s", *words, said);
    }
}

struct wrong_free {
    struct cache *cache;
    void *object;
};

static void free_wrongly(void *argument)
{
    struct wrong_free *wrong = argument;

    scene_free(wrong->cache, wrong->object);
}

void assert_free_aborts(struct cache *cache, void *object)
{
    struct wrong_free wrong = {cache, object};
    char address[32];
    const char *const words[] = {allocator_design(scene)->name, "'objects'", address, NULL};

    snprintf(address, sizeof address, "%p", object);
    assert_aborts(free_wrongly, &wrong, words);
}
