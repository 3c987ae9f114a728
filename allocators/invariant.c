/* SPDX-License-Identifier: MIT */
/* Says which invariant of which cache is broken. */
#include "allocators/invariant.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void say(const char *design, const char *cache, const char *format, va_list arguments)
{
    char sentence[512];

    vsnprintf(sentence, sizeof sentence, format, arguments);
    fprintf(stderr, "slablab: %s, cache '%s': %s\n", design, cache, sentence);
}

void invariant_broken(const char *design, const char *cache, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(design, cache, format, arguments);
    va_end(arguments);
    abort();
}

void invariant_report(const char *design, const char *cache, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(design, cache, format, arguments);
    va_end(arguments);
}
