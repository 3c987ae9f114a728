/* SPDX-License-Identifier: MIT */
/* How large a machine is that hwloc's synthetic description asks for, before hwloc makes it. */
#include "sim/topology.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Behind the next of it, or the end. */
static const char *past(const char *text, char what)
{
    const char *found = strchr(text, what);

    return found ? found + 1 : text + strlen(text);
}

/*
 * The product of the numbers of the levels, which stand behind a colon or by themselves, and not of
 * their attributes, in parentheses. Nodes are a level of their own, or hang in brackets on each
 * object of the level before. This goes through a description as hwloc does, which takes for the
 * type of a level all that is before the next colon: so none is larger than is found here.
 */
void topology_described(const char *text, double *cpus, double *nodes)
{
    *cpus = *nodes = 1;
    if (*text == '(') /* of the machine */
        text = past(text, ')');
    while (*(text += strspn(text, " \t\n"))) {
        int type = tolower((unsigned char)*text);
        char *end;

        if (type == '[') {
            *nodes = *cpus > *nodes ? *cpus : *nodes;
            text = past(text, ']');
            continue;
        }
        if (!isdigit(type))
            text = past(text, ':');
        *cpus *= (double)strtoull(text, &end, 0);
        if (end == text) /* which hwloc refuses */
            return;
        if (type == 'n')
            *nodes = *cpus;
        text = *end == '(' ? past(end, ')') : end;
    }
}
