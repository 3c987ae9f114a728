/* SPDX-License-Identifier: MIT */
/* Says which invariant of which cache is broken, and aborts. */
#include "allocators/invariant.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void invariant_broken(const char *design, const char *cache, const char *format, ...)
{
    char sentence[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    fprintf(stderr, "slablab: %s, cache '%s': %s\n", design, cache, sentence);
    abort();
}
