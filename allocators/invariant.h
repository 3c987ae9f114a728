/* SPDX-License-Identifier: MIT */
/* What is said of a run whose invariants do not hold: the one place where this room speaks and
 * aborts. */
#ifndef SLABLAB_ALLOCATORS_INVARIANT_H
#define SLABLAB_ALLOCATORS_INVARIANT_H

/* Writes "slablab: <design>, cache '<cache>': <sentence>" to stderr and aborts. */
_Noreturn void invariant_broken(const char *design, const char *cache, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* Says the same and returns: for the debug mode of a design that carries on. */
void invariant_report(const char *design, const char *cache, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

#endif
