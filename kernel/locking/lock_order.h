/*
 * kernel/locking/lock_order.h - the order of the memory manager's locks, written once (LOCK-1, LOCK-12).
 *
 * Outer to inner:
 *
 *	mm->mmap_lock			fork: the child's (nested) inside the parent's
 *	  folio lock			blocking only with no page-table lock held, and never two (LOCK-3)
 *	    fs_reclaim			no lock: "here memory is reclaimed" (RCL-12), so no allocation that
 *					may reclaim under what follows
 *	    file rmap lock		mapping->i_mmap
 *	      anon_vma->root lock
 *	        PMD lock		fork: the child's, then the parent's (nested)
 *	          page-table lock	the same; mremap: the old table's, then the new one's (nested)
 *	            swap cluster lock, page-cache tree lock
 *	              LRU lock, deferred-split queue lock, an area's list of clusters, khugepaged's list lock	leaves
 *	                owner lock		of a large folio (MMID-4): nothing is taken inside it, not even by
 *						trylock, and no interrupt handler takes it
 *
 * | held                       | VMA stays? | may change a PTE? | may change the VMA? |
 * |----------------------------|------------|-------------------|---------------------|
 * | nothing                    | no         | no                | no                  |
 * | mmap_lock for read         | yes        | no                | no                  |
 * | the same + page-table lock | yes        | yes               | no                  |
 * | rmap lock + page-table lock| range only | yes (unmap)       | no                  |
 * | mmap_lock for write        | yes        | with the ptl      | yes                 |
 *
 * The table gives each level to lockdep by the end of the class's name: taking an outer level while an
 * inner one is held is reported at once, before any second order has been seen. Locks that are not listed
 * are held to what lockdep learns. Try-locks may go against the order.
 */
#ifndef KERNEL_LOCKING_LOCK_ORDER_H
#define KERNEL_LOCKING_LOCK_ORDER_H

enum lock_level {
	LEVEL_NONE,		/* not part of the order */
	LEVEL_MMAP,
	LEVEL_FOLIO,
	LEVEL_RECLAIM,
	LEVEL_FILE_RMAP,
	LEVEL_ANON_VMA,
	LEVEL_PMD,
	LEVEL_PTE,
	LEVEL_SWAP_CACHE,
	LEVEL_LEAF,
	LEVEL_INNERMOST,
};

struct lock_order_entry { enum lock_level level; const char *name_end; };

/* The end of the class name, as written at the lock's initialisation. */
#define LOCK_ORDER_TABLE {				\
	{ LEVEL_MMAP,	    "mmap_lock" },		\
	{ LEVEL_FOLIO,	    "folio_lock" },		\
	{ LEVEL_RECLAIM,    "fs_reclaim" },		\
	{ LEVEL_FILE_RMAP,  "i_mmap_rwsem" },		\
	{ LEVEL_ANON_VMA,   "anon_vma" },		\
	{ LEVEL_PMD,	    "pmdlock" },		\
	{ LEVEL_PTE,	    "ptlock" },			\
	{ LEVEL_SWAP_CACHE, "cluster_lock" },		\
	{ LEVEL_SWAP_CACHE, "tree_lock" },		\
	{ LEVEL_LEAF,	    "swap_list_lock" },		\
	{ LEVEL_LEAF,	    "lru_lock" },		\
	{ LEVEL_LEAF,	    "split_queue_lock" },	\
	{ LEVEL_LEAF,	    "huge_zero_lock" },		\
	{ LEVEL_LEAF,	    "khugepaged_mm_lock" },	\
	{ LEVEL_INNERMOST,  "owner_lock" },		\
}

#endif
