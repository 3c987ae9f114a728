/* SPDX-License-Identifier: MIT */
/* What the step of a generated load may do: calls, types, waiting. See gen.h. */
#include "sim/error.h"
#include "traces/gen/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *const gen_cache_words[] = {"named", "untyped", NULL};
const char *const gen_order_words[] = {"lifo", "fifo", "shuffled", NULL};

/* ---- types ---- */

int64_t gen_whole_type(struct generator *generator, const struct trace_cache *cache,
                       const struct trace_type *type)
{
    struct trace_type whole = *type;
    int64_t number = cache ? trace_add_cache(generator->writer, cache) : 0;

    whole.cache = cache ? (uint32_t)number : TRACE_UNTYPED;
    if (number >= 0)
        number = trace_add_type(generator->writer, &whole);
    if (number < 0)
        error_set(generator->error, (int)-number, "objects of %llu bytes: %s",
                  (unsigned long long)type->size, strerror((int)-number));
    return number;
}

int64_t gen_type(struct generator *generator, const char *name, uint64_t size)
{
    const struct trace_type type = {.size = size, .node = TRACE_ANY_NODE};
    const struct trace_cache cache = {.name = name, .object_size = size};

    return gen_whole_type(generator, name ? &cache : NULL, &type);
}

int64_t gen_fixed_type(struct generator *generator, const struct gen_fixed *fixed)
{
    return gen_type(generator, fixed->cache ? NULL : generator->workload->name, fixed->size);
}

int64_t gen_sized_type(struct generator *generator, const struct gen_sizes *sizes)
{
    return gen_type(generator, NULL,
                    sizes->least +
                        random_below(&generator->random, sizes->most - sizes->least + 1));
}

int gen_check_sizes(const struct gen_sizes *sizes, struct error *error)
{
    if (sizes->least <= sizes->most)
        return 0;
    return error_set(error, EINVAL, "max-size is %llu; with min-size %llu it can be %llu to %d",
                     (unsigned long long)sizes->most, (unsigned long long)sizes->least,
                     (unsigned long long)sizes->least, GEN_MAX_SIZE);
}

/* ---- calls ---- */

/* Writes the first `count` of the batch as one call. */
static int gen_write_batch(struct generator *generator, enum trace_op op, uint32_t type,
                           size_t count)
{
    struct trace_event event = {.time_ns = generator->now_ns,
                                .stream = generator->cpu,
                                .type = type,
                                .op = (uint8_t)op,
                                .origin = TRACE_RECORDED};
    int code = 0;

    for (size_t i = 0; !code && i < count; i++) {
        event.object = generator->batch[i];
        event.batch = (uint16_t)(count - i);
        code = trace_write(generator->writer, &event, generator->error);
        if (!code && op == TRACE_FREE)
            code = gen_deque_push(&generator->free_objects, event.object);
    }
    generator->left -= count;
    generator->spent_ns = gen_interval_ns(generator, count ? count : 1);
    return code;
}

/* How many of `count` objects the trace still takes in one call. */
static size_t gen_room(const struct generator *generator, size_t count)
{
    if (count > TRACE_MAX_BATCH)
        count = TRACE_MAX_BATCH;
    return count < generator->left ? count : (size_t)generator->left;
}

/* A number that no live object has, below the peak of live objects. */
static int gen_number(struct generator *generator, uint32_t *object)
{
    struct gen_deque *unused = &generator->free_objects;

    if (unused->count)
        *object = gen_deque_pop(unused);
    else if (generator->next_object == GEN_NONE)
        return error_set(generator->error, ERANGE, "more than %u objects live at once",
                         generator->next_object);
    else
        *object = generator->next_object++;
    return 0;
}

int gen_alloc(struct generator *generator, uint32_t type, size_t count, struct gen_deque *deque)
{
    int code = 0;

    count = gen_room(generator, count);
    for (size_t i = 0; !code && i < count; i++) {
        code = gen_number(generator, &generator->batch[i]);
        if (!code)
            code = gen_deque_push(deque, generator->batch[i]);
    }
    return code ? code : gen_write_batch(generator, TRACE_ALLOC, type, count);
}

int gen_alloc_one(struct generator *generator, uint32_t type, uint32_t *object)
{
    int code = 0;

    *object = GEN_NONE;
    if (generator->left)
        code = gen_number(generator, object);
    generator->batch[0] = *object;
    return code ? code : gen_write_batch(generator, TRACE_ALLOC, type, generator->left ? 1 : 0);
}

/* The object that goes next, taken out of the deque. */
static uint32_t gen_take(struct generator *generator, enum gen_order order, struct gen_deque *deque)
{
    size_t mask = deque->room - 1, place;
    uint32_t object;

    if (order == GEN_FIFO)
        return gen_deque_pop(deque);
    place = order == GEN_LIFO ? deque->count - 1 : random_below(&generator->random, deque->count);
    object = deque->items[(deque->first + place) & mask];
    deque->count--;
    deque->items[(deque->first + place) & mask] =
        deque->items[(deque->first + deque->count) & mask];
    return object;
}

int gen_free(struct generator *generator, enum gen_order order, size_t count,
             struct gen_deque *deque)
{
    count = gen_room(generator, count < deque->count ? count : deque->count);
    for (size_t i = 0; i < count; i++)
        generator->batch[i] = gen_take(generator, order, deque);
    return gen_write_batch(generator, TRACE_FREE, 0, count);
}

int gen_free_one(struct generator *generator, uint32_t object)
{
    generator->batch[0] = object;
    return gen_write_batch(generator, TRACE_FREE, 0, generator->left ? 1 : 0);
}

/* ---- time ---- */

void gen_spend(struct generator *generator, uint64_t ns)
{
    generator->spent_ns = ns ? ns : 1;
}

void gen_wait(struct generator *generator)
{
    generator->waiting[generator->cpu] = true;
}

void gen_wake(struct generator *generator, uint32_t cpu)
{
    if (!generator->waiting[cpu])
        return;
    generator->waiting[cpu] = false;
    if (cpu != generator->cpu) /* which goes back among the clocks after its step */
        gen_clock_push(generator,
                       (struct gen_clock){generator->now_ns + gen_interval_ns(generator, 1), cpu});
}

/* ---- chance ---- */

uint64_t *gen_random(struct generator *generator)
{
    return &generator->random;
}

uint64_t gen_below(struct generator *generator, uint64_t bound)
{
    return (uint64_t)((unsigned __int128)random_next(&generator->random) * bound >> 64);
}

bool gen_chance(struct generator *generator, uint64_t percent)
{
    return random_below(&generator->random, 100) < percent;
}
