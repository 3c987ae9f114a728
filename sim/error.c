/* SPDX-License-Identifier: MIT */
/* The sentence that goes with a negative errno. */
#include "sim/error.h"

#include <stdarg.h>
#include <stdio.h>

#undef error_set /* the analyzer's: see error.h */

int error_set(struct error *error, int code, const char *format, ...)
{
    if (error) {
        va_list args;

        va_start(args, format);
        vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
    }
    return -code;
}

int error_prefix(struct error *error, int code, const char *format, ...)
{
    if (error) {
        struct error sentence = *error;
        char prefix[256];
        va_list args;

        va_start(args, format);
        vsnprintf(prefix, sizeof prefix, format, args);
        va_end(args);
        snprintf(error->text, sizeof error->text, "%s: %.*s", prefix,
                 (int)(sizeof error->text - sizeof prefix - 2), sentence.text);
    }
    return code;
}
