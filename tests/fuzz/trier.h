/* SPDX-License-Identifier: MIT */
/* What stands in the fuzzer for the process that survives() makes for each input. */
#ifndef SLABLAB_TESTS_FUZZ_TRIER_H
#define SLABLAB_TESTS_FUZZ_TRIER_H

/* Before the first input. */
void trier_prepare(void);

#endif
