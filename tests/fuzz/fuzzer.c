/* SPDX-License-Identifier: MIT */
/* libFuzzer's entrances: SLABLAB_FUZZ names the target. See README.md. */
#include "tests/fuzz/targets.h"
#include "tests/fuzz/trier.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* Of a format that it cannot parse libtraceevent does not give all memory back, nor does hwloc of a
 * description with memory in a level that it then refuses. (What is ours test_topology finds.) */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libtraceevent.so\nleak:libhwloc.so\n";
}

static const struct fuzz_target *target;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *name = getenv("SLABLAB_FUZZ");

    (void)argc, (void)argv;
    target = name ? fuzz_target_find(name) : NULL;
    if (target) {
        trier_prepare();
        return 0;
    }
    fprintf(stderr, "SLABLAB_FUZZ names no target; there are:\n");
    for (size_t i = 0; fuzz_target_at(i); i++)
        fprintf(stderr, "%s\n", fuzz_target_at(i)->name);
    exit(2);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    fuzz_run(target, bytes, length);
    return 0;
}
