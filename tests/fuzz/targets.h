/* SPDX-License-Identifier: MIT */
/*
 * Fuzzing: what reads bytes that others wrote, each as a function of bytes. Whatever they are, the
 * program reads them or refuses them with a sentence that names them; see README.md. The same
 * functions are driven by libFuzzer (fuzzer.c) and, over the corpus, by tests/test_fuzz.c.
 */
#ifndef SLABLAB_TESTS_FUZZ_TARGETS_H
#define SLABLAB_TESTS_FUZZ_TARGETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

/* One input, in each of the forms that readers take. */
struct fuzz_input {
    const char *bytes; /* a zero follows them */
    size_t length;
    const char *path;   /* of a file in memory that holds them */
    const char *folder; /* made for the process, in memory where the system has such a place */
};

struct fuzz_target {
    const char *name; /* of the target, and of its folder in corpus/ */
    void (*run)(const struct fuzz_input *input);
};

/* NULL: there is no such target. */
const struct fuzz_target *fuzz_target_find(const char *name);
const struct fuzz_target *fuzz_target_at(size_t index); /* NULL behind the last */

/* Gives the bytes to the target; a broken promise aborts. */
void fuzz_run(const struct fuzz_target *target, const uint8_t *bytes, size_t length);
/* The same once more, of the bytes that the file in memory holds; in a child process too. */
void fuzz_run_again(void);

/* ---- for targets ---- */

/* Aborts and says why. */
void fuzz_broken(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/*
 * What was refused must be refused in words that have `name` (NULL: none asked for) in them, and
 * not for want of memory: no input of this size is worth that much. Gives `code` back.
 */
int fuzz_refusal(int code, const struct error *error, const char *name);

/* In path[]: the folder's file of that name. */
#define FUZZ_PATH_BYTES   96
#define FUZZ_FOLDER_BYTES 64
void fuzz_path(const struct fuzz_input *input, const char *name, char path[FUZZ_PATH_BYTES]);

/* All that reads a whole trace. `whole`: it must be one. */
void fuzz_read_trace(const char *path, bool whole);

void fuzz_trace(const struct fuzz_input *input);
void fuzz_trace_blocks(const struct fuzz_input *input);
/* `format`: NULL: detected. */
void fuzz_import(const struct fuzz_input *input, const char *format);
void fuzz_kallsyms(const struct fuzz_input *input);
void fuzz_malloc_raw(const struct fuzz_input *input);
void fuzz_kernel_pages(const struct fuzz_input *input);
void fuzz_kernel_caches(const struct fuzz_input *input);
void fuzz_machine(const struct fuzz_input *input);
void fuzz_topology(const struct fuzz_input *input);
void fuzz_topology_xml(const struct fuzz_input *input);
void fuzz_report(const struct fuzz_input *input);
void fuzz_plots(const struct fuzz_input *input);
void fuzz_runs(const struct fuzz_input *input);
void fuzz_sweep(const struct fuzz_input *input);
void fuzz_lists(const struct fuzz_input *input);
void fuzz_options(const struct fuzz_input *input);

#endif
