/* SPDX-License-Identifier: MIT */
/* Between work.c and the machines. */
#ifndef SLABLAB_SIM_WORK_H
#define SLABLAB_SIM_WORK_H

#include "sim/machine.h"

/* The calling CPU holds no lock and waits for nothing: what is due of its deferred work, and what
 * was submitted for whoever is free. Cheap when there is nothing. */
void work_safe_point(void);

/* Runs fn(argument) as every CPU in turn. While no worker runs. */
void work_as_each_cpu(void (*fn)(void *argument), void *argument);

/* The machine's: something was submitted. It may wake who is idle. */
void machine_work_arrived(void);

#endif
