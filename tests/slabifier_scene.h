/* SPDX-License-Identifier: MIT */
/* What the tests of design slabifier have in common. */
#ifndef SLABLAB_TESTS_SLABIFIER_SCENE_H
#define SLABLAB_TESTS_SLABIFIER_SCENE_H

#include "sim/machine.h"
#include "tests/scene.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MANY 4000

static void *objects[MANY];

static inline void open_it(unsigned nr_cpus)
{
    scene_open(nr_cpus, 0, "slabifier", NULL);
}

static inline void assert_slabs(struct cache *cache, unsigned slabs, unsigned active,
                                unsigned partial)
{
    assert_count(cache, "slabs", slabs);
    assert_count(cache, "slabs_active", active);
    assert_count(cache, "slabs_partial", partial);
    assert_count(cache, "slabs_full", slabs - active - partial);
}

static inline void free_all(struct cache *cache, unsigned from, unsigned to)
{
    scene_free_all(cache, to - from, objects + from);
}

#endif
