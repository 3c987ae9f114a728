/* SPDX-License-Identifier: MIT */
/*
 * Waiting natively without sleeping: pause, and give the processor away when it takes long, since
 * whoever is waited for may need it (more threads than CPUs). For the machine's own rooms; an
 * allocator never spins.
 */
#ifndef SLABLAB_SIM_SPIN_H
#define SLABLAB_SIM_SPIN_H

#include <sched.h>

/* Pauses before the first sched_yield: about 10 us at 40 cycles a pause. */
#define SPIN_PAUSES_BEFORE_YIELD 512

static inline void spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/* One step of waiting; `*spins` counts the steps and starts at 0. */
static inline void spin_step(unsigned *spins)
{
    spin_pause();
    if (++*spins >= SPIN_PAUSES_BEFORE_YIELD) {
        sched_yield();
        *spins = SPIN_PAUSES_BEFORE_YIELD / 2;
    }
}

#endif
