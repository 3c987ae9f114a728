/* SPDX-License-Identifier: MIT */
/*
 * What the compiler's thread-sanitizer instrumentation calls: the entry points are the project's
 * own, so that every load, store and atomic of an allocator comes here. gcc and clang name a few of
 * them differently; both sets are here.
 *
 * The atomics do their work by themselves: all virtual CPUs run on one OS thread, so plain C does.
 * An access first gives way, if it must, and only then takes place: what it reads is what others
 * have written up to its time.
 */
#include "sim/virtual/internal.h"

#include <string.h>

#define ENTRY __attribute__((used, visibility("default")))

/* Both arenas, and what lies between: one look tells them from stacks and the machine's own. */
#define WATCHED_BYTES (VIRTUAL_LINES_BASE + VIRTUAL_LINES_BYTES - PAGE_ARENA_BASE)

/* Time passes: cycles, and 1/256 cycles of compute. */
static inline void pass(struct virtual_cpu *cpu, uint32_t cycles_256ths)
{
    cpu->fraction += cycles_256ths;
    cpu->clock += cpu->fraction >> 8;
    cpu->fraction &= 255;
}

/* Any access. Out of line, so that the quick way needs no registers saved. */
static __attribute__((noinline)) void access(uintptr_t address, size_t bytes, enum cost_op op,
                                             const void *code)
{
    struct virtual_machine *machine = &virtual_machine;
    struct virtual_cpu *cpu = machine->running;

    if (address - PAGE_ARENA_BASE >= WATCHED_BYTES || !cpu)
        return;
    if (cpu->clock > machine->limit) {
        if (virtual_explores()) {
            explore_access(address, bytes, op, code);
            return;
        }
        virtual_yield();
    }
    pass(cpu, machine->compute_256ths);
    cpu->clock +=
        coherence_access(machine->coherence, cpu->self.id, address, bytes, op, cpu->clock, code);
}

/*
 * The same, of up to 16 bytes at a multiple of as many, as the instrumentation promises: nearly all
 * are hits that change nothing, by a CPU that may run on.
 */
static inline __attribute__((always_inline)) void access_aligned(uintptr_t address, size_t bytes,
                                                                 enum cost_op op, const void *code)
{
    struct virtual_machine *machine = &virtual_machine;
    struct virtual_cpu *cpu = machine->running;
    unsigned granules = (bytes > 8 ? 3u : 1u) << address / 8 % 8;

    if (cpu && cpu->clock <= machine->limit && coherence_hit(cpu->caches, address, granules, op))
        pass(cpu, machine->hit_256ths[op]);
    else
        access(address, bytes, op, code);
}

void virtual_access(uintptr_t address, size_t bytes, enum cost_op op, const void *code)
{
    access(address, bytes, op, code);
}

/* ---- plain accesses ---- */

#define PLAIN(name, bytes)                                                                         \
    ENTRY void __tsan_read##name(void *address);                                                   \
    ENTRY void __tsan_write##name(void *address);                                                  \
    void __tsan_read##name(void *address)                                                          \
    {                                                                                              \
        access_aligned((uintptr_t)address, bytes, COST_LOAD, __builtin_return_address(0));         \
    }                                                                                              \
    void __tsan_write##name(void *address)                                                         \
    {                                                                                              \
        access_aligned((uintptr_t)address, bytes, COST_STORE, __builtin_return_address(0));        \
    }

PLAIN(1, 1)
PLAIN(2, 2)
PLAIN(4, 4)
PLAIN(8, 8)
PLAIN(16, 16)

#define UNALIGNED(size)                                                                            \
    ENTRY void __tsan_unaligned_read##size(void *address);                                         \
    ENTRY void __tsan_unaligned_write##size(void *address);                                        \
    void __tsan_unaligned_read##size(void *address)                                                \
    {                                                                                              \
        access((uintptr_t)address, size, COST_LOAD, __builtin_return_address(0));                  \
    }                                                                                              \
    void __tsan_unaligned_write##size(void *address)                                               \
    {                                                                                              \
        access((uintptr_t)address, size, COST_STORE, __builtin_return_address(0));                 \
    }

UNALIGNED(2)
UNALIGNED(4)
UNALIGNED(8)
UNALIGNED(16)

ENTRY void __tsan_read_range(void *address, size_t bytes);
ENTRY void __tsan_write_range(void *address, size_t bytes);

void __tsan_read_range(void *address, size_t bytes)
{
    access((uintptr_t)address, bytes, COST_LOAD, __builtin_return_address(0));
}

void __tsan_write_range(void *address, size_t bytes)
{
    access((uintptr_t)address, bytes, COST_STORE, __builtin_return_address(0));
}

/* Beginnings of modules and functions: nobody's business here. */
ENTRY void __tsan_init(void);
ENTRY void __tsan_func_entry(void *caller);
ENTRY void __tsan_func_exit(void);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
    (void)caller;
}

void __tsan_func_exit(void)
{
}

/* ---- atomics ---- */

#define CHANGE(bits, type, name, operation)                                                        \
    ENTRY type __tsan_atomic##bits##_##name(volatile type *address, type value, int order);        \
    type __tsan_atomic##bits##_##name(volatile type *address, type value, int order)               \
    {                                                                                              \
        type before;                                                                               \
                                                                                                   \
        (void)order;                                                                               \
        access_aligned((uintptr_t)address, sizeof *address, COST_ATOMIC,                           \
                       __builtin_return_address(0));                                               \
        before = *address;                                                                         \
        *address = operation;                                                                      \
        return before;                                                                             \
    }

/* gcc takes the expected value by address and tells whether it was; clang gives back what was. */
#define EXCHANGE(bits, type, name)                                                                 \
    ENTRY int __tsan_atomic##bits##_##name(volatile type *address, type *expected, type value,     \
                                           int order, int failure);                                \
    int __tsan_atomic##bits##_##name(volatile type *address, type *expected, type value,           \
                                     int order, int failure)                                       \
    {                                                                                              \
        type before;                                                                               \
                                                                                                   \
        (void)order;                                                                               \
        (void)failure;                                                                             \
        access_aligned((uintptr_t)address, sizeof *address, COST_ATOMIC,                           \
                       __builtin_return_address(0));                                               \
        before = *address;                                                                         \
        if (before == *expected) {                                                                 \
            *address = value;                                                                      \
            return 1;                                                                              \
        }                                                                                          \
        *expected = before;                                                                        \
        return 0;                                                                                  \
    }

#define ATOMICS(bits, type)                                                                        \
    ENTRY type __tsan_atomic##bits##_load(const volatile type *address, int order);                \
    ENTRY void __tsan_atomic##bits##_store(volatile type *address, type value, int order);         \
    ENTRY type __tsan_atomic##bits##_compare_exchange_val(volatile type *address, type expected,   \
                                                          type value, int order, int failure);     \
    type __tsan_atomic##bits##_load(const volatile type *address, int order)                       \
    {                                                                                              \
        (void)order;                                                                               \
        access_aligned((uintptr_t)address, sizeof *address, COST_LOAD,                             \
                       __builtin_return_address(0));                                               \
        return *address;                                                                           \
    }                                                                                              \
    void __tsan_atomic##bits##_store(volatile type *address, type value, int order)                \
    {                                                                                              \
        (void)order;                                                                               \
        access_aligned((uintptr_t)address, sizeof *address, COST_STORE,                            \
                       __builtin_return_address(0));                                               \
        *address = value;                                                                          \
    }                                                                                              \
    CHANGE(bits, type, exchange, value)                                                            \
    CHANGE(bits, type, fetch_add, (type)(before + value))                                          \
    CHANGE(bits, type, fetch_sub, (type)(before - value))                                          \
    CHANGE(bits, type, fetch_and, (type)(before & value))                                          \
    CHANGE(bits, type, fetch_or, (type)(before | value))                                           \
    CHANGE(bits, type, fetch_xor, (type)(before ^ value))                                          \
    EXCHANGE(bits, type, compare_exchange_strong)                                                  \
    EXCHANGE(bits, type, compare_exchange_weak)                                                    \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type *address, type expected,         \
                                                    type value, int order, int failure)            \
    {                                                                                              \
        __tsan_atomic##bits##_compare_exchange_strong(address, &expected, value, order, failure);  \
        return expected;                                                                           \
    }

ATOMICS(8, uint8_t)
ATOMICS(16, uint16_t)
ATOMICS(32, uint32_t)
ATOMICS(64, uint64_t)

ENTRY void __tsan_atomic_thread_fence(int order);
ENTRY void __tsan_atomic_signal_fence(int order);

void __tsan_atomic_thread_fence(int order)
{
    (void)order;
}

void __tsan_atomic_signal_fence(int order)
{
    (void)order;
}

/* ---- the library calls that move memory, by which instrumented code reaches it unseen ---- */

ENTRY void *virtual_memcpy(void *to, const void *from, size_t bytes);
ENTRY void *virtual_memmove(void *to, const void *from, size_t bytes);
ENTRY void *virtual_memset(void *to, int value, size_t bytes);

void *virtual_memcpy(void *to, const void *from, size_t bytes)
{
    access((uintptr_t)from, bytes, COST_LOAD, __builtin_return_address(0));
    access((uintptr_t)to, bytes, COST_STORE, __builtin_return_address(0));
    return memcpy(to, from, bytes);
}

void *virtual_memmove(void *to, const void *from, size_t bytes)
{
    access((uintptr_t)from, bytes, COST_LOAD, __builtin_return_address(0));
    access((uintptr_t)to, bytes, COST_STORE, __builtin_return_address(0));
    return memmove(to, from, bytes);
}

void *virtual_memset(void *to, int value, size_t bytes)
{
    access((uintptr_t)to, bytes, COST_STORE, __builtin_return_address(0));
    return memset(to, value, bytes);
}
