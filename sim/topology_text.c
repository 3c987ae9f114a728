/* SPDX-License-Identifier: MIT */
/* How large a machine is that hwloc's synthetic description asks for, before hwloc makes it. */
#include "sim/topology.h"

#include <ctype.h>
#include <stdlib.h>

/*
 * The product of the numbers of the levels, which stand behind a colon or by themselves, and not of
 * their attributes, in parentheses. Nodes are a level of their own, or hang in brackets on each
 * object of the level before.
 */
void topology_described(const char *text, double *cpus, double *nodes)
{
    char before = ' ', type = ' '; /* type: the first letter of the level */
    int depth = 0;

    *cpus = *nodes = 1;
    while (*text) {
        bool first = before == ':' || isspace((unsigned char)before);

        if (depth == 0 && *text == '[' && *cpus > *nodes)
            *nodes = *cpus;
        depth += (*text == '(' || *text == '[') - (*text == ')' || *text == ']');
        if (before != ':' && first)
            type = *text;
        before = *text;
        if (depth == 0 && first && isdigit((unsigned char)before)) {
            char *end;

            *cpus *= (double)strtoull(text, &end, 0);
            text = end;
            if (tolower((unsigned char)type) == 'n')
                *nodes = *cpus;
        } else {
            text++;
        }
    }
}
