/* SPDX-License-Identifier: MIT */
/* Names of call sites in the kernel, as perf script and trace-cmd report print them. */
#ifndef SLABLAB_TRACES_IMPORT_SYMBOLS_H
#define SLABLAB_TRACES_IMPORT_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct tep_handle;

/* Takes over a text of /proc/kallsyms, up to a line that is none of it. 0 or -ENOMEM. */
int symbols_read(struct tep_handle *tep, const char *text, size_t length);

/* The same of a file, which may be compressed. -EINVAL and others: why is in `error`. */
int symbols_read_file(struct tep_handle *tep, const char *path, struct error *error);

/* A kmem_raw_namer, of a struct tep_handle: "unlink_anon_vmas+0x81", or the address. */
size_t symbols_name(void *tep, uint64_t address, char *name, size_t size);

#endif
