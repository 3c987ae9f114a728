/* SPDX-License-Identifier: MIT */
/* A program to be recorded, of a handful of calls. */
#include <stdlib.h>

int main(void)
{
    for (size_t i = 1; i < 8; i++) {
        char *volatile object = malloc(100 * i);

        free(object);
    }
    return 0;
}
