/* SPDX-License-Identifier: MIT */
/*
 * Allocates and frees one object, so many times, and says what CPU time a call took, in ns, which
 * others' work on the machine disturbs least: for tools/bench.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int main(int argc, char **argv)
{
    unsigned long pairs = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    double start = now_ns();

    for (unsigned long i = 0; i < pairs; i++)
        free(malloc(64));
    printf("%.2f\n", (now_ns() - start) / (2.0 * (double)pairs));
    return 0;
}
