/* SPDX-License-Identifier: MIT */
/*
 * The page allocator that every design stands on: a 64-byte record per page, a buddy per node,
 * per-CPU lists of single pages, page-granular virtual ranges, and boot memory for descriptors.
 * One arena at one fixed address, so that addresses (and what hashes of them do) repeat from run
 * to run. It knows nothing of slabs.
 */
#ifndef SLABLAB_SIM_PAGE_H
#define SLABLAB_SIM_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <urcu/list.h>

struct error;

#define PAGE_SHIFT 12
#define PAGE_SIZE  ((size_t)1 << PAGE_SHIFT)
#define PAGE_MASK  (PAGE_SIZE - 1)

#define PAGE_MAX_ORDER 10 /* largest buddy block: 4 MiB, as in Linux */
#define PAGE_ANY_NODE  (-1)

/*
 * Where the arena lies: below where Linux puts position-independent programs and above all other
 * mappings, inside what the address and thread sanitizers and valgrind leave to the program.
 */
#define PAGE_ARENA_BASE ((uintptr_t)0x550000000000)
#define PAGE_MAP_BASE   ((uintptr_t)0x554000000000) /* page records, then the layer's own state */

#define PAGE_MAX_NODES 64

/* Single pages a CPU fetches or gives back at once, and the most that rest on its list. */
#define PAGE_LIST_BATCH 31
#define PAGE_LIST_HIGH  186

/*
 * The record of one page. While a page is handed out the fields above the line belong to whom it
 * was handed to (under that design's locks); below the line they are the page allocator's. `state`
 * is true of every page, also of those inside a block or range.
 */
struct page {
    struct cds_list_head link; /* the owner's list */
    void *owner;               /* the slab or cache the page belongs to */
    void *freelist;            /* first free object */
    _Atomic uint32_t flags;    /* the owner's; bit_lock takes a bit of it */
    uint32_t inuse;            /* objects handed out */
    /* ---- */
    uint32_t extent;    /* pages of the held block or range that starts here, or of the free
                         * range that starts or ends here; 0 inside of what is held */
    uint8_t state;      /* enum page_state */
    uint8_t free_order; /* 1 + order of the free block that starts here, or 0; zone lock */
    uint16_t node;      /* home node */
    uint64_t reserved[2];
};
_Static_assert(sizeof(struct page) == 64, "a page record is one cache line");

enum page_state {
    PAGE_UNTOUCHED, /* free, and never handed out so far */
    PAGE_FREE,
    PAGE_LISTED, /* on a CPU's list */
    PAGE_HELD
};

extern struct page *page_map;     /* record of the arena's first page */
extern uintptr_t page_arena_base; /* PAGE_ARENA_BASE, or where the system let us be */

/* Record of the page that holds `address`, which must lie in the arena. */
static inline struct page *page_of(const void *address)
{
    return &page_map[((uintptr_t)address - page_arena_base) >> PAGE_SHIFT];
}

static inline void *page_address(const struct page *page)
{
    return (void *)(page_arena_base + ((uintptr_t)(page - page_map) << PAGE_SHIFT));
}

static inline unsigned page_node(const void *address)
{
    return page_of(address)->node;
}

/* Is `address` inside the arena at all? */
bool page_in_arena(const void *address);

/* Does it lie where ranges come from? False where blocks do, and outside the arena. */
bool page_in_ranges(const void *address);

/*
 * 2^order pages from `node` (PAGE_ANY_NODE: the calling CPU's, then the others in order of
 * distance; a named node is strict), aligned to their size. Contents are undefined. NULL: no
 * memory, or the limit. Takes no lock for order 0 from the CPU's own node while the CPU's list has
 * pages, a zone lock otherwise. Pages on other CPUs' lists are out of reach: see page_drain.
 */
void *page_alloc(unsigned order, int node);
void page_free(void *address, unsigned order);

/* Gives the pages on the calling CPU's list back to their zone; on_each_cpu drains all. */
void page_drain(void);

/*
 * `pages` contiguous pages of virtual space with memory behind them, any number; one lock (class
 * `vmem`) for the whole address space. Nodes as in page_alloc.
 */
void *range_alloc(size_t pages, int node);
void range_free(void *address, size_t pages);

/*
 * Boot memory: descriptors and tables that live beneath the caches (cache descriptors, per-CPU
 * records). Cache-line aligned, zeroed, never moved; pages go back when nothing of it is left.
 */
void *boot_alloc(size_t size, int node);
void boot_free(void *address, size_t size);

struct page_config {
    unsigned nr_nodes;
    unsigned nr_cpus;
    const unsigned *cpu_node; /* [nr_cpus] */
    const int *os_node;       /* [nr_nodes] where to bind each node's memory; NULL: bind nothing */
    const unsigned *distance; /* [nr_nodes * nr_nodes] from row to column; NULL: all alike */
    size_t node_bytes; /* addresses for each node's blocks, and again for its ranges; rounded up to
                        * 4 MiB blocks; 0: the node's share of 64 GiB */
    /*
     * Touched before page_init returns, shared out over the nodes, rounded up to 4 MiB blocks; of
     * each no more than a quarter of what is free on a node that memory is bound to.
     */
    size_t populate_bytes;       /* for blocks (page_alloc, boot_alloc) */
    size_t populate_range_bytes; /* for ranges */
    size_t limit_bytes;          /* pages held at once, 0: no limit */
    bool huge;                   /* ask for transparent huge pages; else they are forbidden */
    bool lazy; /* memory comes as it is touched: where that takes no time that counts */
};

/*
 * Where such an arena will lie: pages and their records, each with the bytes of a node; what is
 * beyond the last node's is node 0's.
 */
struct page_extent {
    uintptr_t base;
    size_t bytes;
    size_t node_bytes;
};
void page_extents(const struct page_config *config, struct page_extent *pages,
                  struct page_extent *records);

/*
 * One arena a process at a time. page_init binds, populates and checks placement on sample pages
 * (-EIO when memory is not where it was bound); page_exit unmaps all of it, whatever is held. A
 * system that lets us neither bind nor ask (a container may not) is no error:
 * statistics.placement_checked is false then. Other errors: -EINVAL (the configuration), -ENOMEM
 * (addresses or memory; the sentence says how much was asked for and what to change), -EBUSY.
 */
int page_init(const struct page_config *config, struct error *error);
void page_exit(void);

struct page_statistics {
    size_t held_bytes;     /* handed out now, boot memory included */
    size_t peak_bytes;     /* most ever held at once; exact unless arena_failures (or boot memory
                            * had to go on to another node: then up to a page a CPU too many) */
    size_t listed_bytes;   /* resting on per-CPU lists (not held) */
    size_t boot_bytes;     /* of held: pages of boot memory */
    size_t late_bytes;     /* populated after page_init, so perhaps inside the clock */
    size_t limit_failures; /* requests refused by limit_bytes */
    size_t arena_failures; /* requests refused as the node's addresses or memory ran out */
    size_t held_by_node[PAGE_MAX_NODES];    /* bytes */
    size_t free_blocks[PAGE_MAX_ORDER + 1]; /* on the zones' free lists, by order; whole blocks
                                             * never taken so far are on none */
    bool fixed_address;                     /* the arena lies at PAGE_ARENA_BASE */
    bool placement_checked; /* the system could say where sample pages lie, and they are right */
};
/* Sums what CPUs and zones count without a lock: only when no CPU is running. */
void page_get_statistics(struct page_statistics *statistics);

/* Bytes of the arena that lie in huge pages now: asking for them does not mean to get them. */
size_t page_huge_bytes(void);

/*
 * For tests, and there in checked builds only: of the requests for blocks and ranges from now on,
 * counted from 0, those from `first` to before `end` find no memory. How many there were since.
 */
void page_refuse(uint64_t first, uint64_t end);
uint64_t page_requests(void);

/* Starts a new peak from what is held now. Only when no CPU is running. */
void page_reset_peak(void);

/* Calls visit for every block and range that is held, boot memory's too. When no CPU is running. */
void page_each_held(void (*visit)(void *context, const void *address, size_t bytes), void *context);

/* Where pages really lie; all in pages. asked == absent + elsewhere + the sum of by_node. */
struct page_placement {
    size_t asked;
    size_t right;     /* on the node that their record says */
    size_t absent;    /* no memory behind them, so on no node */
    size_t elsewhere; /* on a node of the system's that stands for none of ours */
    size_t by_node[PAGE_MAX_NODES];
};

/*
 * Asks the system, by one call, of up to `most` pages, spread evenly over all that are held. False,
 * and nothing asked, where it will not say, or where memory was bound to no node. Only when no CPU
 * is running; it takes a walk over all that is held, and about a microsecond a page asked for.
 */
bool page_placement(size_t most, struct page_placement *placement);

/*
 * Walks every record and list of the layer and aborts, naming the page, where they contradict each
 * other. Only when no CPU is running. The equations, in pages:
 *   of a zone:  handed out ever == in free blocks + on CPU lists + held
 *   of a range: below its wilderness == in free extents + held
 *   of the layer: held bytes == held in zones + held in ranges
 */
void page_check(void);

#endif
