/* SPDX-License-Identifier: MIT */
/* Coroutines of one OS thread: a stack each, and a switch that saves what the ABI asks for. */
#ifndef SLABLAB_SIM_VIRTUAL_COROUTINE_H
#define SLABLAB_SIM_VIRTUAL_COROUTINE_H

#include <stddef.h>

struct coroutine {
    void *stack_pointer; /* while it does not run; NULL: the thread's own stack */
    void *mapping;       /* stack, and below it a page that nobody may touch */
    size_t mapping_bytes;
    void *portable; /* where the architecture has no switch of ours: a ucontext_t */
    void (*fn)(void *argument);
    void *argument;
};

/*
 * A coroutine that, switched to for the first time, calls fn(argument), which never returns: its
 * last act is to switch elsewhere. The struct stays where it is. -ENOMEM.
 */
int coroutine_create(struct coroutine *coroutine, size_t stack_bytes, void (*fn)(void *argument),
                     void *argument);
void coroutine_destroy(struct coroutine *coroutine); /* one that never runs again */

/* Leaves off here, in `from`, and goes on in `to`; comes back when somebody switches to `from`. */
void coroutine_switch(struct coroutine *from, struct coroutine *to);

#endif
