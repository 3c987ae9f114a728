/* SPDX-License-Identifier: MIT */
/*
 * Coroutines. A switch saves the registers that a called function must preserve, on the stack that
 * is left, and nothing else: control words of the floating-point unit are nobody's to change here,
 * and signal masks stay the thread's. ucontext, which saves those too by a system call, is what
 * other architectures get.
 */
#include "sim/virtual/coroutine.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Frames of a coroutine that never ended leave the sanitizer's marks on its stack; the next stack
 * may lie there. */
#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)0)
#endif

/* Where a new coroutine begins; never returns. */
static __attribute__((used)) void coroutine_enter(struct coroutine *coroutine)
{
    coroutine->fn(coroutine->argument);
    abort();
}

#if defined(__x86_64__)

/* System V ABI: rbx, rbp and r12 to r15 are the callee's to preserve. */
void coroutine_switch_stacks(void **from, void *to);
__asm__(".text\n"
        ".globl coroutine_switch_stacks\n"
        ".type coroutine_switch_stacks, @function\n"
        "coroutine_switch_stacks:\n"
        "    push %rbp\n"
        "    push %rbx\n"
        "    push %r12\n"
        "    push %r13\n"
        "    push %r14\n"
        "    push %r15\n"
        "    mov %rsp, (%rdi)\n"
        "    mov %rsi, %rsp\n"
        "    pop %r15\n"
        "    pop %r14\n"
        "    pop %r13\n"
        "    pop %r12\n"
        "    pop %rbx\n"
        "    pop %rbp\n"
        "    ret\n"
        ".size coroutine_switch_stacks, . - coroutine_switch_stacks\n"
        /* What a new stack returns to: the coroutine is in rbx, by prepare_stack. */
        ".type coroutine_begin, @function\n"
        "coroutine_begin:\n"
        "    mov %rbx, %rdi\n"
        "    call coroutine_enter\n"
        "    ud2\n"
        ".size coroutine_begin, . - coroutine_begin\n");
void coroutine_begin(void);

static int prepare_stack(struct coroutine *coroutine, uintptr_t top)
{
    void **stack = (void **)(top & ~(uintptr_t)15);

    /* From the top: two words that align the first call, the return address, rbp, rbx, r12 .. r15.
     */
    stack -= 9;
    memset(stack, 0, 9 * sizeof *stack);
    stack[6] = (void *)coroutine_begin;
    stack[4] = coroutine;
    coroutine->stack_pointer = stack;
    return 0;
}

static void cleanup_stack(struct coroutine *coroutine)
{
    (void)coroutine;
}

void coroutine_switch(struct coroutine *from, struct coroutine *to)
{
    coroutine_switch_stacks(&from->stack_pointer, to->stack_pointer);
}

#elif defined(__aarch64__)

/* AAPCS64: x19 to x30 and the low halves of v8 to v15 are the callee's to preserve. */
void coroutine_switch_stacks(void **from, void *to);
__asm__(".text\n"
        ".globl coroutine_switch_stacks\n"
        ".type coroutine_switch_stacks, %function\n"
        "coroutine_switch_stacks:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp, #0]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, #0]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        ".size coroutine_switch_stacks, . - coroutine_switch_stacks\n"
        /* What a new stack returns to: the coroutine is in x19, by prepare_stack. */
        ".type coroutine_begin, %function\n"
        "coroutine_begin:\n"
        "    mov x0, x19\n"
        "    bl coroutine_enter\n"
        "    brk #1\n"
        ".size coroutine_begin, . - coroutine_begin\n");
/* Hidden, or code that may lie anywhere would look its address up in a table, in which the linker
 * puts the beginning of this file's code for a label that is no global symbol. */
__attribute__((visibility("hidden"))) void coroutine_begin(void);

static int prepare_stack(struct coroutine *coroutine, uintptr_t top)
{
    void **stack = (void **)(top & ~(uintptr_t)15) - 20;

    memset(stack, 0, 20 * sizeof *stack);
    stack[0] = coroutine;
    stack[11] = (void *)coroutine_begin;
    coroutine->stack_pointer = stack;
    return 0;
}

static void cleanup_stack(struct coroutine *coroutine)
{
    (void)coroutine;
}

void coroutine_switch(struct coroutine *from, struct coroutine *to)
{
    coroutine_switch_stacks(&from->stack_pointer, to->stack_pointer);
}

#else

#include <ucontext.h>

/* makecontext passes ints only: a pointer goes in two halves. */
static void enter_halves(unsigned low, unsigned high)
{
    coroutine_enter((struct coroutine *)((uintptr_t)high << 16 << 16 | low));
}

static int prepare_stack(struct coroutine *coroutine, uintptr_t top)
{
    ucontext_t *context = calloc(1, sizeof *context);
    uintptr_t self = (uintptr_t)coroutine;

    (void)top;
    if (!context || getcontext(context) != 0) {
        free(context);
        return -ENOMEM;
    }
    context->uc_stack.ss_sp = coroutine->mapping;
    context->uc_stack.ss_size = coroutine->mapping_bytes;
    makecontext(context, (void (*)(void))enter_halves, 2, (unsigned)self,
                (unsigned)(self >> 16 >> 16));
    coroutine->portable = context;
    return 0;
}

static void cleanup_stack(struct coroutine *coroutine)
{
    free(coroutine->portable);
}

void coroutine_switch(struct coroutine *from, struct coroutine *to)
{
    ucontext_t here;

    if (!from->portable) { /* the thread's own stack: its context lives here, while it is away */
        from->portable = &here;
        swapcontext(&here, to->portable);
        from->portable = NULL;
        return;
    }
    swapcontext(from->portable, to->portable);
}

#endif

/*
 * Addresses below a stack that nobody may touch: more than any frame jumps over. And valgrind takes
 * 2,000,000 bytes or more between two stack pointers for two stacks, less for one that grew.
 */
#define GUARD_BYTES ((size_t)2 << 20)

/*
 * Stacks lie a power of two apart or nearly, and their tops are all that is used: they would fight
 * for a few sets of the caches. So they begin at different places, as slabs of different colors do.
 */
#define COLOR_BYTES ((size_t)704) /* what is in use of one that is left, or so: 11 lines */
#define COLORS      93            /* in 64 KiB, the reach of an L2's sets */

int coroutine_create(struct coroutine *coroutine, size_t stack_bytes, void (*fn)(void *argument),
                     void *argument)
{
    static unsigned created;
    size_t color = created++ % COLORS * COLOR_BYTES;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = GUARD_BYTES + (stack_bytes + COLORS * COLOR_BYTES + page - 1) / page * page;
    char *mapping = mmap(NULL, bytes, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    int code;

    if (mapping == MAP_FAILED)
        return -ENOMEM;
    if (mprotect(mapping + GUARD_BYTES, bytes - GUARD_BYTES, PROT_READ | PROT_WRITE) != 0) {
        munmap(mapping, bytes);
        return -ENOMEM;
    }
    *coroutine = (struct coroutine){
        .mapping = mapping, .mapping_bytes = bytes, .fn = fn, .argument = argument};
    code = prepare_stack(coroutine, (uintptr_t)mapping + bytes - color);
    if (code)
        munmap(mapping, bytes);
    return code;
}

void coroutine_destroy(struct coroutine *coroutine)
{
    if (!coroutine->mapping)
        return;
    cleanup_stack(coroutine);
    ASAN_UNPOISON_MEMORY_REGION(coroutine->mapping, coroutine->mapping_bytes);
    munmap(coroutine->mapping, coroutine->mapping_bytes);
    coroutine->mapping = NULL;
}
