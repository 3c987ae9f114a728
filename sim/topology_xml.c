/* SPDX-License-Identifier: MIT */
/* Exports of hwloc. It trusts what they say, so that a process of its own reads one first. */
#include "sim/error.h"
#include "sim/survive.h"
#include "sim/topology_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An export, read once: it may come from a pipe. Text, to be freed; a zero ends it. */
static int xml_read(const char *path, char **text, struct error *error)
{
    FILE *file = fopen(path, "re");
    size_t room = 0;
    ssize_t length;
    int rc = 0;

    *text = NULL;
    errno = 0;
    length = file ? getdelim(text, &room, '\0', file) : -1;
    if (length <= 0 || length >= INT_MAX)
        rc = error_set(error, EINVAL, "%s: cannot read it: %s", path,
                       errno         ? strerror(errno)
                       : length <= 0 ? "it is empty"
                                     : "no machine's export is as long");
    if (file)
        fclose(file);
    return rc;
}

/* Gives nothing back: in a process that ends. */
static int xml_try(void *context, struct error *error)
{
    const char *text = context;
    hwloc_topology_t hwloc;

    (void)error;
    setenv("HWLOC_HIDE_ERRORS", "2", 1); /* what it only wonders at is no reason */
    if (hwloc_topology_init(&hwloc))
        return -ENOMEM;
    if (hwloc_topology_set_xmlbuffer(hwloc, text, (int)strlen(text) + 1))
        return -EINVAL;
    return topology_load_as_asked(hwloc) ? -EINVAL : 0;
}

int topology_read_xml(const char *path, char **text, struct error *error)
{
    struct error words = {""};
    bool told;
    int rc = xml_read(path, text, error);

    if (rc)
        return rc;
    rc = survives(xml_try, *text, strlen(*text), &told, &words);
    if (rc == -EINVAL)
        return error_set(error, EINVAL,
                         "%s: not an XML export of hwloc (lstopo FILE.xml makes one): %.400s", path,
                         words.text);
    return rc ? error_set(error, -rc, "%s: %s", path, strerror(-rc)) : 0;
}
