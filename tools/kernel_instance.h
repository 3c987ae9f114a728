/* SPDX-License-Identifier: MIT */
/*
 * An instance of the kernel's tracing, of our own, with kmem events in it and nothing else (the
 * only user of libtracefs): what others trace meanwhile goes on as it was.
 */
#ifndef SLABLAB_TOOLS_KERNEL_INSTANCE_H
#define SLABLAB_TOOLS_KERNEL_INSTANCE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct tep_handle;
struct tracefs_instance;

struct kernel_instance {
    struct tracefs_instance *tracefs;
    struct tep_handle *tep; /* formats of the events, and names of the kernel's addresses */
    char folder[PATH_MAX];
    size_t page_bytes;   /* that a read gives */
    uint64_t buffer_kib; /* of each CPU, as the kernel made it */
    uint32_t *cpus;      /* that there may be */
    unsigned nr_cpus;
    unsigned removed; /* instances of recorders that were killed */
};

/*
 * Makes it, with buffers of this size for each CPU, switched off. The error says what is missing:
 * tracefs, the right to use it, an event, memory. Nothing is left of it then.
 */
int kernel_instance_create(struct kernel_instance *instance, uint64_t buffer_bytes,
                           struct error *error);
/* Takes it out of the kernel; the formats stay. What was opened of it is closed before. -EBUSY:
 * somebody else looks into it, so it stays, with tracing off. */
int kernel_instance_destroy(struct kernel_instance *instance);
void kernel_instance_cleanup(struct kernel_instance *instance);

/* Names for addresses, of /proc/kallsyms; none where we may not see them. */
int kernel_instance_load_symbols(struct kernel_instance *instance, struct error *error);

int kernel_instance_switch(struct kernel_instance *instance, bool on, struct error *error);
/* The raw buffer of a CPU, not blocking; or a negative errno. */
int kernel_instance_open_cpu(const struct kernel_instance *instance, uint32_t cpu);
/* Events of this CPU that the kernel could not keep, by its own counts. */
uint64_t kernel_instance_lost(const struct kernel_instance *instance, uint32_t cpu);

#endif
