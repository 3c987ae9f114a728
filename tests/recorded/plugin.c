/* SPDX-License-Identifier: MIT */
/* A library that the recorded program opens as it runs: it allocates as it is loaded, too. */
#include <stdlib.h>

static void *kept;

__attribute__((constructor)) static void plugin_load(void)
{
    kept = malloc(5 * 1024 + 777);
}

__attribute__((destructor)) static void plugin_unload(void)
{
    free(kept);
}

void *plugin_allocate(size_t size)
{
    char *address = malloc(size);

    if (address)
        *address = 1; /* no tail call, which would be its caller's */
    return address;
}
