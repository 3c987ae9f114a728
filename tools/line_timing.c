/* SPDX-License-Identifier: MIT */
/* Accesses to cache lines, timed; see line_timing.h. */
#include "tools/line_timing.h"

#include "sim/error.h"
#include "sim/machine.h"
#include "sim/spin.h"
#include "sim/topology.h"
#include "tools/statistics.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Huge pages, where they may be had, keep the address translation out of the figures. */
#define LINES_ALIGN (2u << 20)

/* The head of a line: the next in a random order, which no prefetcher guesses. */
struct line {
    struct line *_Atomic next;
    _Atomic uint64_t word;
};

struct stage {
    const struct line_timing *timing;
    char *lines;
    struct line **order; /* [nr_lines + 1]; the last is the first again */
    double samples[LINE_ROUNDS_MAX];
    unsigned nr_samples;
    uint64_t timer_cycles; /* what reading the clock adds to a sample */
    /* Of the thread that failed first; read after all are joined. */
    _Atomic bool failed;
    struct error error;
    int code;
    /*
     * Whose turn it is: turn % nr_steps is the step. The release of one pairs with the acquire of
     * the next, so only one thread at a time touches anything of the stage.
     */
    _Alignas(128) _Atomic uint64_t turn;
    _Alignas(128) _Atomic bool over;
};

struct player {
    struct stage *stage;
    enum line_actor actor;
    pthread_t thread;
};

/* ---- what actors do ---- */

#if defined(__x86_64__)
bool line_can_flush(void)
{
    return true;
}

static void line_flush(struct line *line)
{
    __builtin_ia32_clflush(line);
}

/* Earlier instructions are done, loads too: the time-stamp counter does not wait for them. */
static void settle(void)
{
    __builtin_ia32_mfence();
    __builtin_ia32_lfence();
}
#else
bool line_can_flush(void)
{
    return false;
}

static void line_flush(struct line *line)
{
    (void)line;
}

static void settle(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}
#endif

static void act(struct stage *stage, enum line_act what)
{
    for (size_t i = 0; i < stage->timing->nr_lines; i++) {
        struct line *line = stage->order[i];

        if (what == ACT_FLUSH)
            line_flush(line);
        else if (what == ACT_STORE)
            atomic_store_explicit(&line->word, i, memory_order_relaxed);
        else
            (void)atomic_load_explicit(&line->word, memory_order_relaxed);
    }
    settle();
}

/* All lines once; every access is over before the next begins. */
static void access_all(struct stage *stage)
{
    size_t count = stage->timing->nr_lines;
    struct line *line = stage->order[0];

    switch (stage->timing->op) {
    case COST_LOAD:
        for (size_t i = 0; i < count; i++)
            line = atomic_load_explicit(&line->next, memory_order_relaxed);
        break;
    case COST_STORE:
        for (size_t i = 0; i < count; i++) {
            atomic_store_explicit(&stage->order[i]->word, i, memory_order_relaxed);
            settle(); /* a fence alone lets later stores fetch their lines meanwhile */
        }
        break;
    default:
        for (size_t i = 0; i < count; i++)
            line = atomic_exchange_explicit(&line->next, stage->order[i + 1], memory_order_seq_cst);
    }
    /* The chain's end is used, so that its loads are made. */
    stage->order[count] = stage->timing->op == COST_STORE ? stage->order[0] : line;
}

static void time_all(struct stage *stage)
{
    uint64_t start, cycles;

    settle();
    start = now_cycles();
    settle();
    access_all(stage);
    settle();
    cycles = now_cycles() - start;
    cycles -= cycles < stage->timer_cycles ? cycles : stage->timer_cycles;
    stage->samples[stage->nr_samples++] = (double)cycles / (double)stage->timing->nr_lines;
}

static uint64_t timer_measure(void)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < 100; i++) {
        uint64_t start, cycles;

        settle();
        start = now_cycles();
        settle();
        settle();
        cycles = now_cycles() - start;
        least = cycles < least ? cycles : least;
    }
    return least;
}

/* ---- threads ---- */

static void give_up(struct stage *stage, int code, const struct error *error)
{
    if (!atomic_exchange(&stage->failed, true)) {
        stage->code = code;
        stage->error = *error;
    }
    atomic_store_explicit(&stage->over, true, memory_order_release);
}

static bool enough(const struct stage *stage, uint64_t began)
{
    if (stage->nr_samples < LINE_ROUNDS_MIN)
        return false;
    return stage->nr_samples == LINE_ROUNDS_MAX ||
           machine_cycles_to_ns(now_cycles() - began) >= stage->timing->budget_ns;
}

/* Waits for the actor's next turn from `turn` on; false: it is over. */
static bool turn_await(struct stage *stage, enum line_actor actor, uint64_t *turn)
{
    const struct line_timing *timing = stage->timing;
    unsigned spins = 0;

    while (timing->steps[*turn % timing->nr_steps].actor != actor)
        ++*turn;
    while (atomic_load_explicit(&stage->turn, memory_order_acquire) != *turn) {
        if (atomic_load_explicit(&stage->over, memory_order_acquire))
            return false;
        spin_step(&spins);
    }
    return true;
}

static void play(struct stage *stage, enum line_actor actor)
{
    const struct line_timing *timing = stage->timing;
    uint64_t began = now_cycles();

    if (actor == ACTOR_ASKER)
        stage->timer_cycles = timer_measure();
    for (uint64_t turn = 0; turn_await(stage, actor, &turn); turn++) {
        enum line_act what = timing->steps[turn % timing->nr_steps].act;

        if (what != ACT_TIME) {
            act(stage, what);
        } else {
            time_all(stage);
            if (enough(stage, began)) {
                atomic_store_explicit(&stage->over, true, memory_order_release);
                return;
            }
        }
        atomic_store_explicit(&stage->turn, turn + 1, memory_order_release);
    }
}

static void *player_main(void *argument)
{
    const struct player *player = argument;
    struct stage *stage = player->stage;
    struct error error;
    int code =
        topology_bind_thread(stage->timing->topology, stage->timing->cpus[player->actor], &error);

    if (code)
        give_up(stage, code, &error);
    else
        play(stage, player->actor);
    return NULL;
}

static bool has_steps(const struct line_timing *timing, enum line_actor actor)
{
    for (unsigned i = 0; i < timing->nr_steps; i++) {
        if (timing->steps[i].actor == actor)
            return true;
    }
    return false;
}

static int players_run(struct stage *stage, struct error *error)
{
    struct player players[LINE_ACTORS];
    unsigned started = 0;

    for (enum line_actor actor = 0; actor < LINE_ACTORS; actor++) {
        struct player *player = &players[started];

        if (!has_steps(stage->timing, actor))
            continue;
        *player = (struct player){.stage = stage, .actor = actor};
        if (pthread_create(&player->thread, NULL, player_main, player)) {
            give_up(stage, error_set(error, EIO, "a thread to time accesses could not be started"),
                    error);
            break;
        }
        started++;
    }
    for (unsigned i = 0; i < started; i++)
        pthread_join(players[i].thread, NULL);
    if (stage->code)
        *error = stage->error;
    return stage->code;
}

/* ---- the lines ---- */

/* In a thread on the home's CPU: whoever touches memory first has it near. */
static void *lines_touch(void *argument)
{
    struct stage *stage = argument;
    const struct line_timing *timing = stage->timing;
    struct error error;
    int code = topology_bind_thread(timing->topology, timing->home_cpu, &error);

    if (code)
        give_up(stage, code, &error);
    else
        memset(stage->lines, 0, timing->nr_lines * timing->stride);
    return NULL;
}

/* One cycle through all lines in an order that is drawn, always the same. */
static void lines_chain(struct stage *stage)
{
    const struct line_timing *timing = stage->timing;
    uint64_t random = 88172645463325252u;

    for (size_t i = 0; i < timing->nr_lines; i++)
        stage->order[i] = (struct line *)(stage->lines + i * timing->stride);
    for (size_t i = timing->nr_lines - 1; i > 0; i--) {
        struct line *swapped = stage->order[i];
        size_t other;

        random ^= random << 13; /* xorshift64, Marsaglia 2003 */
        random ^= random >> 7;
        random ^= random << 17;
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): there are lines, so i does not wrap */
        other = random % (i + 1);
        stage->order[i] = stage->order[other];
        stage->order[other] = swapped;
    }
    stage->order[timing->nr_lines] = stage->order[0];
    for (size_t i = 0; i < timing->nr_lines; i++)
        atomic_store_explicit(&stage->order[i]->next, stage->order[i + 1], memory_order_relaxed);
}

static int lines_set_up(struct stage *stage, struct error *error)
{
    pthread_t thread;

    madvise(stage->lines, stage->timing->nr_lines * stage->timing->stride, MADV_HUGEPAGE);
    if (pthread_create(&thread, NULL, lines_touch, stage))
        return error_set(error, EIO, "a thread to time accesses could not be started");
    pthread_join(thread, NULL);
    if (stage->code)
        *error = stage->error;
    else
        lines_chain(stage);
    return stage->code;
}

static void figure_of(struct stage *stage, struct line_figure *figure)
{
    unsigned count = stage->nr_samples;

    figure->median = spread_of(stage->samples, count).median; /* sorts them */
    figure->low = stage->samples[count / 20];
    figure->high = stage->samples[count - 1 - count / 20];
    figure->rounds = count;
}

int line_time(const struct line_timing *timing, struct line_figure *figure, struct error *error)
{
    size_t bytes = timing->nr_lines * timing->stride, mapped = bytes + LINES_ALIGN;
    struct stage *stage = aligned_alloc(_Alignof(struct stage), sizeof *stage);
    struct line **order = calloc(timing->nr_lines + 1, sizeof *order);
    char *memory = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int code;

    if (!stage || !order || memory == MAP_FAILED) {
        code = error_set(error, ENOMEM, "no memory for %zu lines", timing->nr_lines);
    } else {
        memset(stage, 0, sizeof *stage);
        stage->timing = timing;
        stage->order = order;
        stage->lines = memory + (LINES_ALIGN - (uintptr_t)memory % LINES_ALIGN);
        code = lines_set_up(stage, error);
        if (!code)
            code = players_run(stage, error);
        if (!code)
            figure_of(stage, figure);
    }
    if (memory != MAP_FAILED)
        munmap(memory, mapped);
    free(order);
    free(stage);
    return code;
}
