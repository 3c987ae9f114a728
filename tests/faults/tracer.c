/* SPDX-License-Identifier: MIT */
/*
 * One run under ptrace(2): a seccomp filter stops the program at the calls of kinds.c, and those of
 * glibc's streams and of libraries as well, which no replaced function would see. Only processes of
 * the program itself count, each from when its libraries are loaded (FAULTS_READY): what it starts
 * besides (gnuplot, a program that is recorded) runs undisturbed. Writes to standard error never
 * fail, since the message is what is asked for. Sleeps are over at once.
 */
#include "tests/faults/tracer.h"
#include "tests/faults/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define TASKS_MAX 128

/* A thread or process that is traced. */
struct task {
    pid_t pid; /* 0: free */
    bool counts;
    bool told;   /* its maker's event was seen, or it is the first */
    bool waits;  /* stopped before that */
    bool answer; /* at the end of the call it is in, return `code` */
    int code;
};

struct tracer {
    const struct point *point;
    const struct faults_shared *shared;
    struct outcome *outcome;
    bool begun; /* the call to fail was there */
    pid_t first;
    struct task tasks[TASKS_MAX];
    bool first_ended;
};

/* ---- in the child ---- */

static unsigned filter_add(struct sock_filter *filter, unsigned length, int call)
{
    filter[length++] =
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    return length;
}

/* Stops at the calls of kinds.c, at sleeps, and when a process says that it is ready. */
static unsigned short filter_make(struct sock_filter filter[FAULTS_FILTER])
{
    unsigned length = 0;

    filter[length++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t k = 0; k < kinds_count; k++) {
        for (size_t i = 0; i < KIND_CALLS && kinds[k].calls[i] >= 0; i++)
            length = filter_add(filter, length, kinds[k].calls[i]);
    }
    length = filter_add(filter, length, SYS_clock_nanosleep);
    filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                    offsetof(struct seccomp_data, args[0]));
    length = filter_add(filter, length, FAULTS_READY);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    return (unsigned short)length;
}

static bool redirect(const char *path, int flags, int descriptor)
{
    int file = open(path, flags | O_CLOEXEC, 0666);

    return file >= 0 && dup2(file, descriptor) >= 0;
}

static void become(const struct job *job)
{
    struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
    signal(SIGALRM, SIG_DFL);
    setpgid(0, 0);
    if (chdir(job->folder) || !redirect(job->input, O_RDONLY, STDIN_FILENO) ||
        !redirect(job->output, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO) ||
        !redirect(job->messages, O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO) ||
        setenv("LD_PRELOAD", job->library, 1) || setenv(FAULTS_FILE, job->shared_path, 1) ||
        ptrace(PTRACE_TRACEME, 0, NULL, NULL))
        _exit(FAULTS_CANNOT);
    raise(SIGSTOP);
    execv(job->program, job->argv);
    _exit(FAULTS_CANNOT);
}

/* ---- tasks ---- */

static struct task *task_find(struct tracer *tracer, pid_t pid)
{
    for (size_t i = 0; i < TASKS_MAX; i++) {
        if (tracer->tasks[i].pid == pid)
            return &tracer->tasks[i];
    }
    return NULL;
}

static struct task *task_add(struct tracer *tracer, pid_t pid)
{
    struct task *task = task_find(tracer, 0);

    if (!task) {
        fprintf(stderr, "faults: more than %d tasks at once\n", TASKS_MAX);
        abort();
    }
    *task = (struct task){.pid = pid};
    return task;
}

static void tasks_kill(struct tracer *tracer)
{
    for (size_t i = 0; i < TASKS_MAX; i++) {
        if (tracer->tasks[i].pid)
            kill(tracer->tasks[i].pid, SIGKILL);
    }
}

/* Of the parent's event and the child's first stop either may come first. */
static void task_made(struct tracer *tracer, const struct task *parent, pid_t pid)
{
    struct task *child = task_find(tracer, pid);

    if (!child)
        child = task_add(tracer, pid);
    child->told = true;
    child->counts = parent->counts;
    if (child->waits)
        ptrace(PTRACE_CONT, pid, NULL, NULL);
    child->waits = false;
}

/* ---- calls ---- */

static long call_number(const struct user_regs_struct *registers)
{
    return (long)registers->orig_rax;
}

/* A text of the task's, cut off where it does not fit; "" where there is none. */
static void text_of_task(pid_t pid, unsigned long long address, char *text, size_t size)
{
    struct iovec here = {text, size - 1}, there = {(void *)(uintptr_t)address, size - 1};
    const size_t page = 4096; /* a part beyond it may not be there */
    ssize_t length;

    if (address % page + size > page)
        here.iov_len = there.iov_len =
            page - address % page < size ? page - address % page : size - 1;
    length = process_vm_readv(pid, &here, 1, &there, 1, 0);
    text[length < 0 ? 0 : length] = '\0';
}

/* The file that a call is about: of the descriptor, or the name, that it is given; or "". */
static void path_of_call(pid_t pid, const char *kind, const struct user_regs_struct *registers,
                         char *path, size_t size)
{
    static const char *const of_files[] = {"open", "read",     "write",  "close",
                                           "sync", "stat",     "access", "folder",
                                           "seek", "truncate", "rename", "unlink"};
    bool of_file = false, at = (int)registers->rdi == AT_FDCWD;
    char link[64];
    ssize_t length;

    *path = '\0';
    for (size_t i = 0; i < sizeof of_files / sizeof of_files[0]; i++)
        of_file = of_file || strcmp(kind, of_files[i]) == 0;
    if (!of_file)
        return;
    snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)pid, (int)registers->rdi);
    length = readlink(link, path, size - 1);
    path[length < 0 ? 0 : length] = '\0';
    if (length < 0)
        text_of_task(pid, at ? registers->rsi : registers->rdi, path, size);
}

static void note_where(struct tracer *tracer, pid_t pid, const struct user_regs_struct *registers,
                       const struct way *way)
{
    struct outcome *outcome = tracer->outcome;
    char path[192];

    if (*outcome->where)
        return;
    path_of_call(pid, kinds[tracer->point->kind].name, registers, path, sizeof path);
    snprintf(outcome->where, sizeof outcome->where, "call %ld(0x%llx, 0x%llx, 0x%llx) '%s': %s",
             call_number(registers), registers->rdi, registers->rsi, registers->rdx, path,
             way->name);
}

/* The call is not made, and returns -code; its end must be waited for. */
static void call_answer(struct task *task, struct user_regs_struct *registers, int code)
{
    task->answer = true;
    task->code = code;
    registers->orig_rax = (unsigned long long)-1;
    ptrace(PTRACE_SETREGS, task->pid, NULL, registers);
}

/* Makes the call that the task is about to make fail; whether its end must be waited for. */
static bool call_fail(struct tracer *tracer, struct task *task, struct user_regs_struct *registers)
{
    const struct way *way = &kinds[tracer->point->kind].ways[tracer->point->way];

    note_where(tracer, task->pid, registers, way);
    if (way->fault == FAULT_SHORT) {
        if (call_number(registers) == SYS_writev) {
            if (registers->rdx > 1)
                registers->rdx = 1;
        } else {
            registers->rdx = registers->rdx > 1 ? registers->rdx / 2 : registers->rdx;
        }
        ptrace(PTRACE_SETREGS, task->pid, NULL, registers);
        return false;
    }
    if (way->fault == FAULT_REFUSE)
        call_answer(task, registers, way->code);
    task->answer = true;
    task->code = way->code;
    return true;
}

static bool is_message(int kind, const struct user_regs_struct *registers)
{
    return strcmp(kinds[kind].name, "write") == 0 && registers->rdi == STDERR_FILENO;
}

/* Counts a call; is it one to fail? */
static bool call_is_meant(struct tracer *tracer, int kind)
{
    const struct point *point = tracer->point;
    bool discovery = atomic_load(&tracer->shared->discovering) != 0;
    uint64_t number = ++tracer->outcome->calls[discovery][kind];

    if (kind != point->kind)
        return false;
    if (discovery == point->discovery && number == point->number) {
        tracer->begun = true;
        return true;
    }
    return tracer->begun && point->onward;
}

/* At a stop of the filter. Whether the end of the call must be waited for. */
static bool call_begins(struct tracer *tracer, struct task *task)
{
    struct user_regs_struct registers;
    int kind;

    if (ptrace(PTRACE_GETREGS, task->pid, NULL, &registers))
        return false;
    if (call_number(&registers) == SYS_prctl) {
        task->counts = true;
        return false;
    }
    if (!task->counts)
        return false;
    if (call_number(&registers) == SYS_clock_nanosleep) {
        call_answer(task, &registers, 0);
        return true;
    }
    kind = kind_of_call(call_number(&registers));
    if (kind < 0 || is_message(kind, &registers) || !call_is_meant(tracer, kind))
        return false;
    return call_fail(tracer, task, &registers);
}

static void call_ends(struct task *task)
{
    struct user_regs_struct registers;

    if (!task->answer || ptrace(PTRACE_GETREGS, task->pid, NULL, &registers))
        return;
    registers.rax = (unsigned long long)-(long long)task->code;
    ptrace(PTRACE_SETREGS, task->pid, NULL, &registers);
    task->answer = false;
}

/* In which file's code a task is ended by a signal, behind what failed first. */
static void note_end(struct tracer *tracer, pid_t pid)
{
    struct outcome *outcome = tracer->outcome;
    struct user_regs_struct registers;
    unsigned long long from, to;
    char path[64], line[512];
    FILE *maps;

    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    maps = fopen(path, "re");
    if (!maps)
        return;
    while (ptrace(PTRACE_GETREGS, pid, NULL, &registers) == 0 && fgets(line, sizeof line, maps)) {
        const char *name = strrchr(line, '/');

        if (name && sscanf(line, "%llx-%llx", &from, &to) == 2 && registers.rip >= from &&
            registers.rip < to)
            snprintf(outcome->fell, sizeof outcome->fell, "; fell in %.*s",
                     (int)strcspn(name + 1, "\n"), name + 1);
    }
    fclose(maps);
}

/* ---- the run ---- */

static void stopped(struct tracer *tracer, struct task *task, int status)
{
    int signal = WSTOPSIG(status), event = status >> 16;
    unsigned long made;
    bool to_end = false;

    if (signal == (SIGTRAP | 0x80)) {
        call_ends(task);
        signal = 0;
    } else if (signal == SIGTRAP && event) {
        signal = 0;
        if (event == PTRACE_EVENT_SECCOMP)
            to_end = call_begins(tracer, task);
        else if (event == PTRACE_EVENT_EXEC)
            task->counts = false;
        else if (ptrace(PTRACE_GETEVENTMSG, task->pid, NULL, &made) == 0)
            task_made(tracer, task, (pid_t)made);
    } else if (signal == SIGSEGV || signal == SIGABRT || signal == SIGBUS) {
        note_end(tracer, task->pid);
    }
    ptrace(to_end ? PTRACE_SYSCALL : PTRACE_CONT, task->pid, NULL, (void *)(long)signal);
}

static void ended(struct tracer *tracer, pid_t pid, int status)
{
    struct task *task = task_find(tracer, pid);

    if (task)
        task->pid = 0;
    if (pid == tracer->first) {
        tracer->outcome->status = status;
        tracer->first_ended = true;
    }
}

/* The first stop of a new task is no signal of anybody's. */
static bool first_stop(struct tracer *tracer, struct task **task, pid_t pid)
{
    if (!*task) {
        *task = task_add(tracer, pid);
        (*task)->waits = true;
        return true;
    }
    return false;
}

static volatile sig_atomic_t alarmed;

static void on_alarm(int signal)
{
    (void)signal;
    alarmed = true;
}

static void alarm_set(unsigned seconds)
{
    struct sigaction action = {.sa_handler = on_alarm}; /* no SA_RESTART: it ends a wait */
    struct itimerval timer = {.it_value.tv_sec = seconds, .it_interval.tv_sec = seconds ? 1 : 0};

    alarmed = false;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void follow(struct tracer *tracer)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, __WALL);
        struct task *task;

        if (pid < 0 && errno == EINTR) {
            if (alarmed) {
                tracer->outcome->late = !tracer->first_ended;
                tracer->outcome->left = tracer->first_ended;
                tasks_kill(tracer);
            }
            continue;
        }
        if (pid < 0)
            return; /* no children any more */
        if (!WIFSTOPPED(status)) {
            ended(tracer, pid, status);
            continue;
        }
        task = task_find(tracer, pid);
        if (first_stop(tracer, &task, pid))
            continue;
        if (task->told && WSTOPSIG(status) == SIGSTOP && !(status >> 16)) {
            ptrace(PTRACE_CONT, pid, NULL, NULL);
            continue;
        }
        stopped(tracer, task, status);
    }
}

static void shared_prepare(const struct job *job, const struct point *point)
{
    struct faults_shared *shared = job->shared;

    snprintf(shared->program, sizeof shared->program, "%s", job->program);
    shared->filter_length = filter_make(shared->filter);
    shared->fail_at = point->kind == KIND_MEMORY ? point->number : 0;
    shared->onward = point->onward;
    shared->notes_stacks = point->kind == KIND_NONE;
    shared->filtered = false;
    shared->discovering = 0;
    shared->allocations = 0;
    shared->frames = 0;
}

/* 0, or an errno; the program is about to begin. */
static int first_start(struct tracer *tracer, const struct job *job)
{
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK |
                         PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                         PTRACE_O_EXITKILL;
    int status;

    tracer->first = fork();
    if (tracer->first == 0)
        become(job);
    if (tracer->first < 0)
        return errno;
    if (waitpid(tracer->first, &status, 0) < 0 || !WIFSTOPPED(status))
        return EPERM;
    if (ptrace(PTRACE_SETOPTIONS, tracer->first, NULL, (void *)options)) {
        kill(tracer->first, SIGKILL);
        waitpid(tracer->first, &status, 0);
        return EPERM;
    }
    task_add(tracer, tracer->first)->told = true;
    return 0;
}

int tracer_run(const struct job *job, const struct point *point, struct outcome *outcome)
{
    struct tracer tracer = {.point = point, .shared = job->shared, .outcome = outcome};
    int code;

    *outcome = (struct outcome){0};
    shared_prepare(job, point);
    code = first_start(&tracer, job);
    if (code)
        return code;
    alarm_set(job->seconds);
    ptrace(PTRACE_CONT, tracer.first, NULL, NULL);
    follow(&tracer);
    alarm_set(0);
    outcome->pid = tracer.first;
    outcome->allocations = job->shared->allocations;
    return WIFEXITED(outcome->status) && WEXITSTATUS(outcome->status) == FAULTS_CANNOT ? EPERM : 0;
}
