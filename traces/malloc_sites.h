/* SPDX-License-Identifier: MIT */
/* Names of return addresses: "function+0x1a (libx.so)", "libx.so+0x41a2f". */
#ifndef SLABLAB_TRACES_MALLOC_SITES_H
#define SLABLAB_TRACES_MALLOC_SITES_H

#include "traces/intern.h"

struct join;

struct malloc_module {
    uint64_t start, end, offset; /* addresses; of `start` in the file */
    uint32_t path;               /* number of its name */
};

/* Of one process image, used again for the next. Zeroed to begin with. */
struct malloc_sites {
    struct malloc_module *modules; /* as mapped, later ones last */
    size_t nr_modules, room_modules;
    struct intern known; /* the modules, to tell that one is the same as before */
    struct intern paths, addresses;
    uint32_t *numbers; /* join's, by number of the address */
    size_t room_numbers;
};

/* Forgets the last image and reads this one's maps, if they are there. */
int malloc_sites_load(struct malloc_sites *sites, const char *maps);
/* Join's number of the site; -ENOMEM. */
int64_t malloc_sites_number(struct malloc_sites *sites, struct join *join, uint64_t address);
void malloc_sites_cleanup(struct malloc_sites *sites);

#endif
