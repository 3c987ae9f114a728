/* SPDX-License-Identifier: MIT */
/* Which targets there are, and what an input is made into; see targets.h. */
#include "tests/fuzz/targets.h"

#include "sim/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMPORT_TARGET(function, format)                                                            \
    static void function(const struct fuzz_input *input)                                           \
    {                                                                                              \
        fuzz_import(input, format);                                                                \
    }

IMPORT_TARGET(import_any, NULL)
IMPORT_TARGET(import_android, "android")
IMPORT_TARGET(import_ftrace, "ftrace")
IMPORT_TARGET(import_logalloc, "logalloc")
IMPORT_TARGET(import_mtrace, "mtrace")
IMPORT_TARGET(import_perf_data, "perf-data")
IMPORT_TARGET(import_perf_script, "perf-script")
IMPORT_TARGET(import_rep, "rep")
IMPORT_TARGET(import_text, "text")
IMPORT_TARGET(import_trace_dat, "trace-dat")

static const struct fuzz_target targets[] = {
    {"trace", fuzz_trace},
    {"trace-blocks", fuzz_trace_blocks},
    {"import", import_any},
    {"import-android", import_android},
    {"import-ftrace", import_ftrace},
    {"import-logalloc", import_logalloc},
    {"import-mtrace", import_mtrace},
    {"import-perf-data", import_perf_data},
    {"import-perf-script", import_perf_script},
    {"import-rep", import_rep},
    {"import-text", import_text},
    {"import-trace-dat", import_trace_dat},
    {"kallsyms", fuzz_kallsyms},
    {"malloc-raw", fuzz_malloc_raw},
    {"kernel-pages", fuzz_kernel_pages},
    {"kernel-caches", fuzz_kernel_caches},
    {"machine", fuzz_machine},
    {"topology", fuzz_topology},
    {"topology-xml", fuzz_topology_xml},
    {"runs", fuzz_runs},
    {"report", fuzz_report},
    {"plots", fuzz_plots},
    {"sweep", fuzz_sweep},
    {"lists", fuzz_lists},
    {"options", fuzz_options},
};

const struct fuzz_target *fuzz_target_at(size_t index)
{
    return index < sizeof targets / sizeof targets[0] ? &targets[index] : NULL;
}

const struct fuzz_target *fuzz_target_find(const char *name)
{
    for (size_t i = 0; fuzz_target_at(i); i++) {
        if (strcmp(targets[i].name, name) == 0)
            return &targets[i];
    }
    return NULL;
}

void fuzz_broken(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("broken promise: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

int fuzz_refusal(int code, const struct error *error, const char *name)
{
    if (code >= 0)
        return code;
    if (code == -ENOMEM)
        fuzz_broken("memory out of proportion: %s", error->text);
    if (!*error->text)
        fuzz_broken("refused without a word: %s", strerror(-code));
    if (name && !strstr(error->text, name))
        fuzz_broken("refused without naming %s: %s", name, error->text);
    return code;
}

/* ---- the file and the folder in memory ---- */

static struct {
    const struct fuzz_target *target;
    int file; /* a descriptor of the input */
    char path[FUZZ_PATH_BYTES];
    char folder[FUZZ_FOLDER_BYTES / 2];
} scratch = {.file = -1};

void fuzz_path(const struct fuzz_input *input, const char *name, char path[FUZZ_PATH_BYTES])
{
    snprintf(path, FUZZ_PATH_BYTES, "%s/%s", input->folder, name);
}

static void scratch_remove(void)
{
    char command[FUZZ_PATH_BYTES + 16];

    snprintf(command, sizeof command, "rm -rf '%s'", scratch.folder);
    if (system(command) != 0)
        fprintf(stderr, "%s: is left behind\n", scratch.folder);
}

/* The lowest that is free. */
static int next_descriptor(void)
{
    int next = fcntl(scratch.file, F_DUPFD_CLOEXEC, 0);

    close(next);
    return next;
}

static void scratch_create(void)
{
    const char *place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

    scratch.file = memfd_create("fuzz", MFD_CLOEXEC);
    snprintf(scratch.path, sizeof scratch.path, "/dev/fd/%d", scratch.file);
    snprintf(scratch.folder, sizeof scratch.folder, "%s/slablab-fuzz-XXXXXX", place);
    if (scratch.file < 0 || !mkdtemp(scratch.folder))
        fuzz_broken("no place for files: %s", strerror(errno));
    atexit(scratch_remove);
    setenv("TMPDIR", scratch.folder, true); /* importers' temporary files */
}

void fuzz_run_again(void)
{
    struct stat status;
    char *bytes;

    if (fstat(scratch.file, &status))
        fuzz_broken("the input: %s", strerror(errno));
    bytes = malloc((size_t)status.st_size + 1);
    if (!bytes || pread(scratch.file, bytes, (size_t)status.st_size, 0) != status.st_size)
        fuzz_broken("no memory for %lld bytes", (long long)status.st_size);
    bytes[status.st_size] = '\0';
    scratch.target->run(
        &(struct fuzz_input){bytes, (size_t)status.st_size, scratch.path, scratch.folder});
    free(bytes);
}

void fuzz_run(const struct fuzz_target *target, const uint8_t *bytes, size_t length)
{
    int next;

    if (scratch.file < 0)
        scratch_create();
    scratch.target = target;
    if (ftruncate(scratch.file, 0) || pwrite(scratch.file, bytes, length, 0) != (ssize_t)length)
        fuzz_broken("no room for %zu bytes: %s", length, strerror(errno));
    next = next_descriptor();
    fuzz_run_again();
    if (next_descriptor() != next)
        fuzz_broken("a file was left open");
}
