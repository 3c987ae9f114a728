/* SPDX-License-Identifier: MIT */
/* What locks are on either machine: kinds, classes, their beginning and end. How they are taken is
 * the machine's: native_lock.c, virtual/lock.c. */
#include "sim/lock.h"

#include "sim/account.h"
#include "sim/error.h"
#include "sim/machine.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum lock_kind default_kind = LOCK_TAS;

static const struct {
    const char *name;
    const char *summary;
} kinds[] = {
    [LOCK_TAS] = {"tas", "test-and-test-and-set with exponential back-off"},
    [LOCK_TICKET] = {"ticket", "first come, first served; all spin on one word"},
    [LOCK_MCS] = {"mcs", "first come, first served; each spins on a line of its own"},
    [LOCK_PTHREAD] = {"pthread", "pthread mutex: sleeps"},
};
#define LOCK_KINDS (sizeof kinds / sizeof kinds[0])

static const char *const class_names[LOCK_CLASSES] = {
    [LOCK_CLASS_CPU] = "cpu",       [LOCK_CLASS_DEPOT] = "depot", [LOCK_CLASS_CACHE] = "cache",
    [LOCK_CLASS_SLAB] = "slab",     [LOCK_CLASS_PAGE] = "page",   [LOCK_CLASS_PARTIAL] = "partial",
    [LOCK_CLASS_CACHES] = "caches", [LOCK_CLASS_VMEM] = "vmem",   [LOCK_CLASS_BOOT] = "boot",
    [LOCK_CLASS_ZONE] = "zone",
};

void lock_set_default_kind(enum lock_kind kind)
{
    default_kind = kind;
}

enum lock_kind lock_default_kind(void)
{
    return default_kind;
}

int lock_kind_parse(const char *text, enum lock_kind *kind, struct error *error)
{
    char names[128] = "";

    for (size_t i = 0; i < LOCK_KINDS; i++) {
        if (strcmp(text, kinds[i].name) == 0) {
            *kind = (enum lock_kind)i;
            return 0;
        }
        strcat(names, i ? ", " : "");
        strcat(names, kinds[i].name);
    }
    return error_set(error, EINVAL, "no lock kind '%s'; there are: %s", text, names);
}

const char *lock_kind_name(enum lock_kind kind)
{
    return (size_t)kind < LOCK_KINDS ? kinds[kind].name : NULL;
}

const char *lock_kind_summary(enum lock_kind kind)
{
    return (size_t)kind < LOCK_KINDS ? kinds[kind].summary : NULL;
}

const char *lock_class_name(enum lock_class class)
{
    return class_names[class];
}

void lock_init(struct lock *lock, enum lock_class class, unsigned rank, const char *owner)
{
    memset(lock, 0, sizeof *lock);
    machine_memory_is(lock, sizeof *lock, MEMORY_LOCK);
    lock->id = account_lock_id(class, owner);
    lock->class = (uint8_t) class;
    lock->rank = (uint8_t)rank;
    lock->kind = (uint8_t)default_kind;
    lock->initialised = 1;
    if (lock->kind == LOCK_PTHREAD) {
        /* Natively the process's own heap: no design's memory is charged for it. */
        /* NOLINTNEXTLINE(cert-fio38-c,misc-non-copyable-objects): its size is asked for, no copy */
        pthread_mutex_t *mutex = malloc(sizeof *mutex);

        if (!mutex || pthread_mutex_init(mutex, NULL) != 0) {
            fprintf(stderr, "slablab: no memory for a mutex\n");
            abort();
        }
        lock->mutex = mutex;
    }
}

void lock_cleanup(struct lock *lock)
{
    if (lock->kind == LOCK_PTHREAD) {
        pthread_mutex_destroy(lock->mutex);
        free(lock->mutex);
    }
    lock->initialised = 0;
}
