/* SPDX-License-Identifier: MIT */
/*
 * Abuses of an allocator, planted: what callers do to memory that is not theirs, each in a process
 * of its own, since most of them end it. abuse_acts.c has the abuses, abuse_child.c the process.
 */
#ifndef SLABLAB_TOOLS_ABUSE_H
#define SLABLAB_TOOLS_ABUSE_H

#include "allocators/allocator.h"

#include <stdbool.h>
#include <stddef.h>

struct error;

/* ---- an abuse ---- */

/* Of what the objects are that it is done to. */
enum abuse_objects {
    ABUSE_PLAIN, /* 64 bytes of a cache */
    ABUSE_ODD,   /* 61 bytes, aligned to 8 */
    ABUSE_LARGE, /* 20,000 bytes */
    ABUSE_BUILT, /* 64 bytes, constructed */
    ABUSE_RCU,   /* 64 bytes, type-safe memory */
    ABUSE_SIZED, /* 100 bytes, untyped */
    ABUSE_PAGES, /* 1 MiB, untyped: whole pages */
    ABUSE_KINDS
};

struct abuse_scene;

struct abuse {
    const char *name;
    const char *summary;
    enum abuse_objects objects;
    /* Does it; false: this design has no such thing. */
    bool (*act)(struct abuse_scene *scene, const struct abuse *abuse);
    long offset; /* of the write or the pointer, from the object's start */
    unsigned n;  /* bytes that are written, or other objects */
};

/* All abuses, in the order of the matrix; NULL past the last. */
const struct abuse *abuse_at(size_t index);

/* ---- the scene ---- */

#define ABUSE_OBJECTS 40
#define ABUSE_VICTIM  17 /* of them: the one that abuses are done to */

struct abuse_scene {
    struct allocator_instance *instance;
    struct cache *cache; /* NULL: untyped, or destroyed by the abuse */
    struct binding_of_cache binding;
    struct binding_of_cache witness; /* of a cache of objects as large, that nobody abuses */
    size_t size;
    unsigned count;                        /* of the objects */
    unsigned char *objects[ABUSE_OBJECTS]; /* live, each filled by its owner; NULL: no more */
    unsigned char *witnesses[ABUSE_OBJECTS];
    bool built; /* objects are constructed, and so they are given back */
    bool over;  /* the abuse was all: there is nothing to go on with */
};

/* An allocation or a free of the scene's objects as the calling CPU does it. */
void *abuse_alloc(const struct abuse_scene *scene);
void abuse_free(const struct abuse_scene *scene, void *object);
/* objects[index] is freed as its owner should; where it was. */
unsigned char *abuse_give(struct abuse_scene *scene, unsigned index);
/* The front end or a design refused something with a sentence: that is a detection. */
void abuse_refused(const struct error *error);

/* ---- what comes of it ---- */

/* When something is found. */
enum abuse_stage {
    ABUSE_SETUP,  /* nothing is wrong yet */
    ABUSE_ACT,    /* while it is done: at once */
    ABUSE_FREES,  /* the owners free their objects */
    ABUSE_ALLOCS, /* objects are allocated again */
    ABUSE_END,    /* reclaim, caches destroyed, stop */
    ABUSE_LEAK, /* no more than that objects are still live at the end: not which mistake it was */
    ABUSE_STAGES
};

enum abuse_outcome {
    ABUSE_DETECTED,  /* a message says so */
    ABUSE_CRASHED,   /* a signal, and no message */
    ABUSE_HUNG,      /* no end */
    ABUSE_CORRUPTED, /* no message, but another's object was changed, or one handed out twice */
    ABUSE_SILENT,    /* nothing was seen */
    ABUSE_NONE,      /* not for this design */
    ABUSE_OUTCOMES
};

struct abuse_result {
    enum abuse_outcome outcome;
    enum abuse_stage stage;
    int signal;        /* of a crash, or 0 */
    char message[512]; /* first line of what was said, or what was corrupted */
};

/*
 * Does one abuse to `design`, in debug mode or as it is by default. -EAGAIN ...: no child could be
 * started; -EIO: the scene could not be set up.
 */
int abuse_run(const struct abuse *abuse, const char *design, bool debug,
              struct abuse_result *result, struct error *error);

#endif
