/* SPDX-License-Identifier: MIT */
/* What came of the points: counted by case, and said where it is not as it should be. */
#ifndef SLABLAB_TESTS_FAULTS_VERDICTS_H
#define SLABLAB_TESTS_FAULTS_VERDICTS_H

#include "tests/faults/points.h"

enum verdict { VERDICT_PASSED, VERDICT_FAILED, VERDICT_KNOWN, VERDICT_MISSED };
#define VERDICTS 4

/* Shared by the workers; each counter on its own, read when they are done. */
struct tally {
    _Atomic size_t verdicts[VERDICTS];
    _Atomic uint64_t cpu_us, wall_us; /* of the workers, and all that they run */
};

/* Points that libraries answer for, not the program: text that a place holds, and a reason. */
struct known {
    char *text, *reason;
};

struct knowns {
    struct known *list;
    size_t count;
};

/* Reads the list (see the file itself); ends the program where a line makes no sense. */
void knowns_read(struct knowns *knowns, const char *path);

/* `wrong`, of case_judge, is said if it is not NULL, with where in the program that was. */
enum verdict verdict_say(const struct knowns *knowns, const struct test_case *test,
                         const struct trial *trial, const struct place *place,
                         const struct outcome *outcome, const char *wrong);

/* One line a case, and one of all; whether all is well. */
bool tallies_say(const struct cases *cases, const struct tally *tallies);

#endif
