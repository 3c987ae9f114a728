/* SPDX-License-Identifier: MIT */
/*
 * The buffers of the recording library, one to a thread: private to tools/recorder, which is loaded
 * into the program that is recorded and therefore neither prints, exits nor allocates.
 */
#ifndef SLABLAB_TOOLS_RECORDER_STREAM_H
#define SLABLAB_TOOLS_RECORDER_STREAM_H

#include "traces/malloc_raw.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

/*
 * STREAM_NEW is 0, so that a fork makes it: the state lies in memory that a child gets zeroed, and
 * the child's first event finds it (also after _Fork and clone, of which pthread_atfork says
 * nothing). A vfork keeps it, as it keeps the thread and its buffer.
 */
enum stream_state { STREAM_NEW, STREAM_RECORDING, STREAM_OFF };

extern _Atomic uint32_t *stream_state;
extern bool stream_tsc; /* which clock; set before the state is STREAM_RECORDING */

/* Reads the environment and begins, or does not; again in a forked child. */
void stream_start(void);

/* After all that the thread did before, which a counter read out of order would not be. */
static inline uint64_t stream_now(void)
{
    struct timespec now;

#if defined(__x86_64__)
    unsigned cpu;

    if (__builtin_expect(stream_tsc, 1))
        return __rdtscp(&cpu);
#endif
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Appends to the calling thread's buffer. */
void stream_append(uint64_t ticks, const void *address, uint64_t what, const void *site);

static inline bool stream_recording(void)
{
    if (__builtin_expect(*stream_state == STREAM_NEW, 0))
        stream_start();
    return *stream_state == STREAM_RECORDING;
}

/*
 * Around what calls the system: no handler comes in between, the thread is not cancelled in a call
 * that is no place for it (open and write are), and errno stays what it was.
 */
struct quiet {
    sigset_t signals;
    int cancel;
    int error;
};

static inline void quiet_begin(struct quiet *quiet)
{
    sigset_t all;

    quiet->error = errno;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &quiet->signals);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &quiet->cancel);
}

static inline void quiet_end(const struct quiet *quiet)
{
    pthread_setcancelstate(quiet->cancel, NULL);
    pthread_sigmask(SIG_SETMASK, &quiet->signals, NULL);
    errno = quiet->error;
}

/* sites.c: sees to it that the maps tell the module of this return address. */
void sites_start(const char *prefix); /* NULL: not wanted */
void sites_see(const void *site);
extern bool sites_wanted;

#endif
