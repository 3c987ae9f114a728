/* SPDX-License-Identifier: MIT */
/*
 * Trying what may not be survived (sim/survive.h), for the fuzzer: not in a process for
 * each input, but in one, the trier, for hundreds, until one is its last. It goes through the same
 * target with the same bytes up to the attempt, and tells what came of that.
 *
 * A fault ends the trier. One of a library is what it is there for. One of our own, in what an
 * attempt calls, ends the fuzzer too: it attempts the same.
 */
#include "tests/fuzz/trier.h"

#include "sim/error.h"
#include "sim/survive.h"
#include "tests/fuzz/targets.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TRIER_INPUTS = 500,       /* then there is a new one: attempts give no memory back */
    TRIER_US = 50000,         /* of the CPU's time: an attempt that takes longer does not end */
    TRIER_BYTES = 512 << 20,  /* more memory at once is not to be had, as in survive.c */
    TRIER_DESCRIPTORS = 1000, /* above those by which targets are seen to close theirs */
    TRIER_FRAMES = 32
};

struct verdict {
    bool reached; /* the attempt */
    bool ours;    /* the fault that ended it */
    int code;
    struct error words;
};

static struct {
    pid_t process;
    int link; /* a byte each way */
    unsigned inputs;
    int said; /* a file of what the libraries print */
    struct verdict *verdict;
    bool here; /* this process is the trier */
} trier = {.link = -1, .said = -1};

/* ---- in the trier ---- */

int LLVMFuzzerInitialize(int *argc, char ***argv);

/*
 * The innermost frame that is ours or a library's, since the sanitizer's stand-ins for memcpy() and
 * its like are whose who calls them. The sanitizer and this file are linked before all that is ours
 * (Makefile), which begins with fuzzer.c.
 */
static bool fault_is_ours(void)
{
    extern char etext[];
    void *frames[TRIER_FRAMES];
    int count = backtrace(frames, TRIER_FRAMES);
    Dl_info program, other;

    dladdr((void *)LLVMFuzzerInitialize, &program);
    for (int i = 0; i < count; i++) {
        uintptr_t frame = (uintptr_t)frames[i];

        if (frame >= (uintptr_t)LLVMFuzzerInitialize && frame < (uintptr_t)etext)
            return true;
        if (dladdr(frames[i], &other) && other.dli_fbase != program.dli_fbase &&
            !strstr(other.dli_fname, "/libc.so"))
            return false;
    }
    return false;
}

static void trier_fault(bool ours)
{
    if (!trier.here)
        return;
    trier.verdict->ours = ours;
    _exit(EXIT_FAILURE);
}

/* The sanitizers call these before they tell of a fault; libraries are not built with the second.
 */
void __asan_on_error(void);
void __asan_on_error(void)
{
    if (trier.here)
        trier_fault(fault_is_ours());
}

void __ubsan_on_report(void);
void __ubsan_on_report(void)
{
    trier_fault(true);
}

int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t),
                                              void (*)(const volatile void *));

static void trier_malloc(const volatile void *memory, size_t size)
{
    (void)memory;
    if (size > TRIER_BYTES)
        trier_fault(false);
}

static void trier_free(const volatile void *memory)
{
    (void)memory;
}

static void trier_clock(suseconds_t us)
{
    setitimer(ITIMER_PROF, &(struct itimerval){.it_value.tv_usec = us}, NULL);
}

static void __attribute__((noreturn)) trier_main(int link)
{
    char byte;

    trier.here = true;
    dup2(trier.said, STDOUT_FILENO);
    dup2(trier.said, STDERR_FILENO);
    (void)setvbuf(stdout, NULL, _IONBF, 0); /* refused, it is only slower */
    signal(SIGPROF, SIG_DFL);
    while (read(link, &byte, 1) == 1) {
        fuzz_run_again();
        if (write(link, &byte, 1) != 1)
            break;
    }
    _exit(EXIT_SUCCESS);
}

/* What the reader does that asked for the attempt it does no more: it ends with this error. */
static int trier_attempt(int (*attempt)(void *context, struct error *error), void *context,
                         struct error *error)
{
    trier_clock(TRIER_US);
    trier.verdict->code = attempt(context, &trier.verdict->words);
    trier_clock(0);
    trier.verdict->reached = true;
    return error_set(error, EINVAL, "only tried");
}

/* ---- in the fuzzer ---- */

void trier_prepare(void)
{
    void *frame;

    trier.said = fcntl(memfd_create("said", 0), F_DUPFD_CLOEXEC, TRIER_DESCRIPTORS);
    trier.verdict = mmap(NULL, sizeof *trier.verdict, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (trier.said < 0 || trier.verdict == MAP_FAILED ||
        !__sanitizer_install_malloc_and_free_hooks(trier_malloc, trier_free))
        fuzz_broken("cannot prepare to try: %s", strerror(errno));
    backtrace(&frame, 1); /* what it loads the first time is loaded */
}

static void trier_end(void)
{
    close(trier.link);
    waitpid(trier.process, NULL, 0);
    trier.link = -1;
    trier.process = 0;
}

static void trier_begin(void)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        fuzz_broken("socketpair: %s", strerror(errno));
    trier.link = fcntl(ends[0], F_DUPFD_CLOEXEC, TRIER_DESCRIPTORS);
    close(ends[0]);
    trier.inputs = 0;
    trier.process = fork();
    if (!trier.process) {
        close(trier.link);
        trier_main(ends[1]);
    }
    if (trier.process < 0)
        fuzz_broken("fork: %s", strerror(errno));
    close(ends[1]);
}

/* False: it was the trier's last. */
static bool trier_ask(void)
{
    char byte = 0;

    if (trier.process && trier.inputs == TRIER_INPUTS)
        trier_end();
    if (!trier.process)
        trier_begin();
    trier.inputs++;
    *trier.verdict = (struct verdict){0};
    if (ftruncate(trier.said, 0) == 0 && send(trier.link, &byte, 1, MSG_NOSIGNAL) == 1 &&
        recv(trier.link, &byte, 1, 0) == 1)
        return true;
    trier_end();
    return false;
}

int __wrap_survives(int (*attempt)(void *context, struct error *error), void *context,
                    size_t length, bool *told, struct error *error);

/* Called in place of it, by the linker's --wrap. */
int __wrap_survives(int (*attempt)(void *context, struct error *error), void *context,
                    size_t length, bool *told, struct error *error)
{
    const struct verdict *verdict = trier.verdict;
    struct stat printed = {0};
    bool survived;

    (void)length;
    *told = false;
    if (trier.here)
        return trier_attempt(attempt, context, error);
    survived = trier_ask();
    if (verdict->ours) {
        attempt(context, error);
        fuzz_broken("a fault of an attempt that there is not the second time");
    }
    if (survived && !verdict->reached)
        fuzz_broken("the trier did not come to the attempt");
    if (survived && verdict->code) {
        *told = *verdict->words.text;
        return error_set(error, EINVAL, "%s", *told ? verdict->words.text : "not to be read");
    }
    if (survived && fstat(trier.said, &printed) == 0 && !printed.st_size)
        return 0;
    return error_set(error, EINVAL, "its reading breaks off");
}
