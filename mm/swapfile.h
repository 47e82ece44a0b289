/*
 * mm/swapfile.h - one swap area from the inside: what swapfile.c, swapon.c, swapoff.c, swap_state.c and
 * page_io.c say to each other. mm/swap.h is what everybody else sees.
 *
 *	area    ──> clusters of 512 slots, each on the list of the largest aligned run that is free in it
 *	slot    ──> one word: [ frame of the folio that caches it, 0: none | count of entries ]   0: free (SWAP-1)
 *
 * All memory of an area is taken at swapon, so that swapping out needs none (RCL-26). Words are changed under
 * the lock of their cluster and may be read without any.
 */
#ifndef MM_SWAPFILE_H
#define MM_SWAPFILE_H

#include "arch-x86_64/smp.h"
#include "mm/swap.h"

#define SWAP_CLUSTER_SLOTS	512u
#define SWAP_NR_ORDERS		(HPAGE_PMD_ORDER + 1)
#define SWAP_CLUSTER_FULL	(-1)

#define SLOT_COUNT_MASK		0xffffULL
#define SLOT_COUNT_MAX		0xfffeULL
#define SLOT_BAD		0xffffULL	/* the header, what mkswap found bad, behind the end */
#define SLOT_FOLIO_SHIFT	16

struct swap_cluster {
	spinlock_t lock;
	u16 used;			/* L: slots that are not free */
	s8 max_order;			/* L: no larger aligned run is free; FULL; its list */
	u64 map[SWAP_CLUSTER_SLOTS / 64];	/* L: bit for each slot that is not free */
	struct list_head list;		/* si->lock */
};

/*
 * L: cluster's lock   l: si->lock   S: swap_lock   c: constant from swapon to the end of swapoff   a: atomic
 */
struct swap_info_struct {
	unsigned int type;		/* c: in entries */
	bool used;			/* S: the structure is somebody's */
	bool writeok;			/* S to change, checked again under L: slots may be allocated */
	atomic_t users;			/* a: get_swap_device; 1 for being in use */
	struct block_device *bdev;	/* c */
	struct file *file;		/* c */
	int prio;			/* c: higher ones first */
	bool synchronous, stable_writes, rotational;	/* c: of the device */
	unsigned long max, pages;	/* c: slots with and without the bad ones */
	atomic_long_t inuse;		/* a: slots that are not free */
	atomic_long_t idle;		/* a: of these, cached and named by no entry: easily freed */
	unsigned long idle_scan;	/* where the search for them goes on; no lock */
	u64 *slots;			/* L */
	struct swap_cluster *clusters;
	unsigned long nr_clusters;	/* c */
	spinlock_t lock;
	struct list_head free[SWAP_NR_ORDERS];	/* l: clusters by max_order */
	unsigned int hint[NR_CPUS][SWAP_NR_ORDERS];	/* cluster of the CPU's last such run; no lock */
	struct list_head list;		/* S: swap_active_head */
};

/* ---- swapfile.c ---- */

extern struct swap_info_struct swap_info[MAX_SWAPFILES];
extern spinlock_t swap_lock;		/* the set of areas and their order */
extern struct list_head swap_active_head;	/* areas with writeok, highest priority first */

/*
 * The area of an entry that the caller knows to be in use: it holds a count, a cache reference or the device.
 */
static inline struct swap_info_struct *swp_swap_info(swp_entry_t e) { return &swap_info[swp_type(e)]; }
static inline u64 *swap_slot(struct swap_info_struct *si, unsigned long offset) { return &si->slots[offset]; }
static inline swp_entry_t swp_entry_add(swp_entry_t e, unsigned long n) { return (swp_entry_t){ e.val + n }; }

/* The folio that a slot's word names, not referenced; NULL: none. */
static inline struct folio *slot_folio(u64 word)
{
	unsigned long pfn = word >> SLOT_FOLIO_SHIFT;

	return pfn ? (struct folio *)pfn_to_page(pfn) : NULL;
}
/* How many entries name the slot of E. => area held, or a count */
static inline int slot_count(swp_entry_t e)
{
	return (int)(READ_ONCE(*swap_slot(swp_swap_info(e), swp_offset(e))) & SLOT_COUNT_MASK);
}
static inline u64 folio_slot_bits(const struct folio *f) { return (u64)folio_pfn(f) << SLOT_FOLIO_SHIFT; }

/*
 * F serves the slots from E on, which are named by entries and not cached. 0; -EEXIST: one of them is cached;
 * -ENOENT: one of them is free. => all in one cluster
 */
int swap_slots_set_folio(swp_entry_t e, struct folio *f);
/* F does not serve its slots any more; those without a count are free. => F in the cache */
void swap_slots_clear_folio(struct folio *f);
/*
 * Memory for PAGES slots of SI, with slot 0 and what lies behind the end out of use. 0 or -ENOMEM. May sleep.
 */
int swap_alloc_area(struct swap_info_struct *si);
void swap_free_area(struct swap_info_struct *si);
/* Slot OFFSET shall never be used. => nobody else knows SI yet */
void swap_mark_bad(struct swap_info_struct *si, unsigned long offset);
/*
 * The order of the largest aligned run that is free in CI; FULL: none. => cluster locked, or the machine
 * stopped
 */
int swap_largest_run(const struct swap_cluster *ci);
/* Put SI among the areas that give slots; take it away, and wait until nobody allocates from it. */
void swap_enable_area(struct swap_info_struct *si);
void swap_disable_area(struct swap_info_struct *si);

/* ---- swapon.c ---- */

extern struct mutex swapon_mutex;
/* The file of a user's path, opened as swapon and swapoff do; ERR_PTR. May sleep. */
struct file *swap_open(const char __user *uname);
/* SI is nobody's any more: its memory, disk and file go. => no entry names it; May sleep. */
void free_swap_info(struct swap_info_struct *si);

/* ---- swap_state.c ---- */

/*
 * The folio that serves E, with a reference: from the cache, or a new one of ORDER (*IS_NEW), locked, in the
 * cache, which the caller must read by swap_read_folio. ERR_PTR: -ENOMEM; -ENOENT: nobody names E any more;
 * -EEXIST: a part of the range is cached, order > 0. => area held; may sleep
 */
struct folio *swap_cache_alloc_folio(swp_entry_t e, unsigned int order, gfp_t gfp, bool *is_new);

/* ---- swap_readahead.c ---- */

/*
 * The folio of E, its reading started, and with it that of neighbours (SWAP-18). ERR_PTR as above. VMF NULL:
 * none of them.
 */
struct folio *swapin_readahead(swp_entry_t e, struct vm_fault *vmf);
/* A fault found F in the cache. */
void swap_update_readahead(struct folio *f, struct vm_area_struct *vma, unsigned long addr);
extern atomic_t nr_rotate_swap;		/* areas on rotational disks: read neighbouring slots */

#endif
