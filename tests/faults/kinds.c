/* SPDX-License-Identifier: MIT */
/* Which system calls can fail in which ways: see kinds.h. */
#include "tests/faults/kinds.h"

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>

/* Calls that only some architectures have. */
#ifdef SYS_open
#define OLD(name) SYS_##name
#else
#define OLD(name) INT32_MAX
#endif

/* A way's members, for between braces. */
#define REFUSE(code) #code, FAULT_REFUSE, code, true
#define ONCE(code)   #code, FAULT_REFUSE, code, false
#define LOSE(code)   #code, FAULT_LOSE, code, true
#define SHORT        "short", FAULT_SHORT, 0, true

const struct kind kinds[] = {
    {"open", {SYS_openat, OLD(open), OLD(creat), -1}, {{REFUSE(EMFILE)}, {REFUSE(EIO)}}},
    {"read", {SYS_read, SYS_pread64, -1}, {{REFUSE(EIO)}, {ONCE(EINTR)}, {SHORT}}},
    {"write",
     {SYS_write, SYS_pwrite64, SYS_writev, -1},
     {{REFUSE(ENOSPC)}, {REFUSE(EIO)}, {ONCE(EINTR)}, {SHORT}}},
    {"close", {SYS_close, -1}, {{LOSE(EIO)}}},
    {"sync", {SYS_fsync, SYS_fdatasync, -1}, {{REFUSE(EIO)}, {REFUSE(ENOSPC)}}},
    {"rename", {SYS_renameat, SYS_renameat2, OLD(rename), -1}, {{REFUSE(EIO)}, {REFUSE(ENOSPC)}}},
    {"truncate", {SYS_ftruncate, -1}, {{REFUSE(ENOSPC)}, {REFUSE(EIO)}}},
    {"stat",
     {SYS_newfstatat, SYS_fstat, OLD(stat), OLD(lstat), SYS_statx, -1},
     {{REFUSE(EIO)}, {REFUSE(EACCES)}}},
    {"access",
     {OLD(access), SYS_faccessat, SYS_faccessat2, OLD(readlink), SYS_readlinkat, -1},
     {{REFUSE(EACCES)}}},
    {"seek", {SYS_lseek, -1}, {{REFUSE(EIO)}}},
    {"folder",
     {SYS_getdents64, OLD(mkdir), SYS_mkdirat, OLD(rmdir), -1},
     {{REFUSE(EIO)}, {REFUSE(ENOSPC)}}},
    {"unlink", {OLD(unlink), SYS_unlinkat, -1}, {{REFUSE(EIO)}}},
    {"descriptor",
     {OLD(pipe), SYS_pipe2, SYS_dup, OLD(dup2), SYS_dup3, SYS_fcntl, SYS_memfd_create, -1},
     {{REFUSE(EMFILE)}}},
    {"process", {SYS_clone, SYS_clone3, OLD(fork), OLD(vfork), -1}, {{REFUSE(EAGAIN)}}},
    {"exec", {SYS_execve, -1}, {{REFUSE(ENOMEM)}}},
    {"wait", {SYS_wait4, OLD(poll), SYS_ppoll, -1}, {{ONCE(EINTR)}}},
    {"lock", {SYS_flock, -1}, {{REFUSE(ENOLCK)}, {ONCE(EINTR)}}},
    {"map", {SYS_mmap, SYS_mprotect, SYS_mremap, -1}, {{REFUSE(ENOMEM)}}},
    {"hint",
     /* Not sched_getaffinity: hwloc asks with larger and larger sets until it succeeds. */
     {SYS_madvise, SYS_mbind, SYS_move_pages, SYS_sched_setaffinity, SYS_perf_event_open,
      SYS_setitimer, -1},
     {{REFUSE(EPERM)}}},
};
const size_t kinds_count = sizeof kinds / sizeof kinds[0];

int kind_of_call(long number)
{
    for (size_t k = 0; k < kinds_count; k++) {
        for (size_t i = 0; i < KIND_CALLS && kinds[k].calls[i] >= 0; i++) {
            if (kinds[k].calls[i] == number)
                return (int)k;
        }
    }
    return -1;
}
