/* SPDX-License-Identifier: MIT */
/* Return addresses to modules, by copies of /proc/PID/maps: see malloc_sites.h. */
#include "traces/malloc_sites.h"

#include "sim/array.h"
#include "traces/join.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each address that is named goes through them; programs have some hundreds at most. */
enum { MALLOC_MOST_MODULES = 4096 };

/* A line of maps: "START-END PERMISSIONS OFFSET DEVICE INODE PATH"; of code, in a file. */
static int malloc_sites_line(struct malloc_sites *sites, char *line)
{
    struct malloc_module module;
    size_t before = sites->known.count;
    char permissions[5];
    int64_t path;
    int at = 0;

    memset(&module, 0, sizeof module); /* its bytes are compared */
    line[strcspn(line, "\n")] = '\0';
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n", &module.start,
               &module.end, permissions, &module.offset, &at) < 4 ||
        !at || !line[at] || permissions[2] != 'x' || module.end <= module.start ||
        sites->nr_modules == MALLOC_MOST_MODULES)
        return 0;
    path = intern_add(&sites->paths, line + at, strlen(line + at));
    if (path < 0 || array_grow((void **)&sites->modules, &sites->room_modules,
                               sites->nr_modules + 1, sizeof *sites->modules))
        return -ENOMEM;
    module.path = (uint32_t)path;
    if (intern_add(&sites->known, &module, sizeof module) < 0)
        return -ENOMEM;
    if (sites->known.count > before) /* the copies are much alike */
        sites->modules[sites->nr_modules++] = module;
    return 0;
}

int malloc_sites_load(struct malloc_sites *sites, const char *maps)
{
    char *line = NULL;
    size_t room = 0;
    FILE *file;
    int code = 0;

    malloc_sites_cleanup(sites);
    file = fopen(maps, "re");
    if (!file)
        return 0;
    while (!code && getline(&line, &room, file) > 0)
        code = malloc_sites_line(sites, line);
    if (!code && (ferror(file) || !feof(file)))
        code = errno ? -errno : -EIO;
    free(line);
    fclose(file);
    return code;
}

static void malloc_sites_name(const struct malloc_sites *sites, uint64_t address, char *name,
                              size_t size)
{
    for (size_t i = sites->nr_modules; i-- > 0;) {
        const struct malloc_module *module = &sites->modules[i];
        const char *path = intern_get(&sites->paths, module->path);
        const char *slash = strrchr(path, '/');

        if (address < module->start || address >= module->end)
            continue;
        snprintf(name, size, "%.200s+0x%" PRIx64, slash ? slash + 1 : path,
                 address - module->start + module->offset);
        return;
    }
    snprintf(name, size, "0x%" PRIx64, address);
}

int64_t malloc_sites_number(struct malloc_sites *sites, struct join *join, uint64_t address)
{
    size_t before = sites->addresses.count;
    int64_t index = intern_add(&sites->addresses, &address, sizeof address);
    char name[256];
    int64_t number;

    if (index < 0 || sites->addresses.count == before)
        return index < 0 ? index : sites->numbers[index];
    if (array_grow((void **)&sites->numbers, &sites->room_numbers, (size_t)index + 1,
                   sizeof *sites->numbers))
        return -ENOMEM;
    malloc_sites_name(sites, address, name, sizeof name);
    number = join_site(join, name, strlen(name));
    if (number >= 0)
        sites->numbers[index] = (uint32_t)number;
    return number;
}

void malloc_sites_cleanup(struct malloc_sites *sites)
{
    intern_cleanup(&sites->known);
    intern_cleanup(&sites->paths);
    intern_cleanup(&sites->addresses);
    free(sites->modules);
    free(sites->numbers);
    *sites = (struct malloc_sites){0};
}
