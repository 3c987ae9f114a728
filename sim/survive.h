/* SPDX-License-Identifier: MIT */
/*
 * Libraries that trust what they read: of input that is cut off or damaged they read what is not
 * there. So a process of its own goes through it first, and only what that survives is read.
 */
#ifndef SLABLAB_SIM_SURVIVE_H
#define SLABLAB_SIM_SURVIVE_H

#include <stdbool.h>
#include <stddef.h>

struct error;

/*
 * Calls attempt(context, error) in a process of its own, which has time and memory for `length`
 * bytes of input. 0: it came to its end without a word. -EINVAL: it did not, and why is in `error`:
 * in the words of the attempt (*told), or in those that the library printed, or nobody's. Others:
 * there is no such process to be had.
 */
int survives(int (*attempt)(void *context, struct error *error), void *context, size_t length,
             bool *told, struct error *error);

#endif
