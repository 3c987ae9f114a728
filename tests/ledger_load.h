/* SPDX-License-Identifier: MIT */
/* A mixed random load on all CPUs of the scene, at whose rest points the ledger must balance. */
#ifndef SLABLAB_TESTS_LEDGER_LOAD_H
#define SLABLAB_TESTS_LEDGER_LOAD_H

/*
 * Loads the open scene with objects of 8 to 262,144 bytes from caches of its own (type-safe and
 * no-touch ones among them), from general caches and as whole pages, one by one and in bulk, freed
 * by any CPU. When it returns all are free and its own caches are destroyed; general caches stay.
 */
void ledger_load(void);

#endif
