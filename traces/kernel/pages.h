/* SPDX-License-Identifier: MIT */
/*
 * Pages of the kernel's ring buffer, as trace_pipe_raw gives them (the only user of libtraceevent's
 * kbuffer), to what a join takes. The pages of one CPU come in their order, those of several CPUs
 * one after the other: the join puts all events into one order, by their time.
 */
#ifndef SLABLAB_TRACES_KERNEL_PAGES_H
#define SLABLAB_TRACES_KERNEL_PAGES_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct join;
struct kbuffer;
struct kmem_raw;

struct kernel_pages {
    struct kmem_raw *raw;
    struct join *join;
    size_t page_bytes;
    const int32_t *own; /* threads whose events are left out */
    size_t nr_own;
    struct kbuffer *buffer;
    /* Counts so far. */
    uint64_t pages;
    uint64_t events; /* added to the join */
    uint64_t left_out;
    uint64_t missed; /* events that the kernel overwrote before a page, as the pages say */
};

/* The first five members are set. -ENOMEM. */
int kernel_pages_init(struct kernel_pages *pages);
void kernel_pages_cleanup(struct kernel_pages *pages);
/* -EINVAL: no such page, or an event that cannot be. */
int kernel_pages_add(struct kernel_pages *pages, uint32_t cpu, void *page, struct error *error);

#endif
