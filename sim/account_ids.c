/* SPDX-License-Identifier: MIT */
/* Ids of locks: one table a process, whichever machines run in it. */
#include "sim/account.h"

#include "sim/lock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ID_BUCKETS 1024 /* a power of two */

/* Caches come and go inside the clock, on any CPU; what a reader gets of an id never changes. */
static struct {
    pthread_mutex_t mutex;
    unsigned count;
    struct {
        char *owner;
        uint16_t next; /* in its bucket; 0: the last (no bucket holds id 0) */
        uint8_t class;
    } ids[ACCOUNT_LOCK_IDS];
    uint16_t buckets[ID_BUCKETS];
} known = {.mutex = PTHREAD_MUTEX_INITIALIZER, .count = LOCK_CLASSES};

/* FNV-1a. */
static unsigned id_bucket(unsigned class, const char *owner)
{
    uint32_t hash = 2166136261u ^ class;

    for (; *owner; owner++)
        hash = (hash ^ (unsigned char)*owner) * 16777619u;
    return hash & (ID_BUCKETS - 1);
}

static uint16_t id_find_or_add(unsigned class, const char *owner)
{
    uint16_t *bucket = &known.buckets[id_bucket(class, owner)];
    uint16_t id;

    for (id = *bucket; id; id = known.ids[id].next) {
        if (known.ids[id].class == class && strcmp(known.ids[id].owner, owner) == 0)
            return id;
    }
    if (known.count == ACCOUNT_LOCK_IDS)
        return (uint16_t) class;
    id = (uint16_t)known.count;
    known.ids[id].owner = strdup(owner);
    if (!known.ids[id].owner)
        return (uint16_t) class;
    known.ids[id].class = (uint8_t) class;
    known.ids[id].next = *bucket;
    *bucket = id;
    known.count++;
    return id;
}

uint16_t account_lock_id(unsigned class, const char *owner)
{
    uint16_t id;

    if (!owner)
        return (uint16_t) class;
    pthread_mutex_lock(&known.mutex);
    id = id_find_or_add(class, owner);
    pthread_mutex_unlock(&known.mutex);
    return id;
}

unsigned account_nr_lock_ids(void)
{
    unsigned count;

    pthread_mutex_lock(&known.mutex);
    count = known.count;
    pthread_mutex_unlock(&known.mutex);
    return count;
}

unsigned account_lock_class(uint16_t id)
{
    return id < LOCK_CLASSES ? id : known.ids[id].class;
}

const char *account_lock_owner(uint16_t id)
{
    return id < LOCK_CLASSES ? NULL : known.ids[id].owner;
}
