/*
 * mm/swap.h - anonymous and shmem pages on a disk (part 7 of the rules): slots, swap cache, I/O.
 *
 *	PTE ── swap entry: area, offset ──> slot: count of entries (SWAP-1)     swapfile.c
 *	                      │
 *	                      └─ swap cache: entry ──> folio                     swap_state.c
 *	                                               read, write               page_io.c
 *
 * A folio in the swap cache has PG_swapcache, folio->swap is the entry of its first page, page I has entry +
 * I, and the cache holds one reference per page. No page of it is EXCLUSIVE while it is unmapped (SWAP-5).
 */
#ifndef MM_SWAP_H
#define MM_SWAP_H

#include "kernel/block/block.h"
#include "mm/memory.h"
#include "mm/swapops.h"

/* ---- Slots (swapfile.c) ---- */

/* Free slots of all areas in use; all of them. Pages. */
long get_nr_swap_pages(void);
long total_swap_pages(void);
/*
 * There are free slots, or such as can be freed at once: what they hold is in memory, and nobody names them.
 */
bool can_get_swap_slots(void);
/* SWAP-14: more than half of all swap is in use. */
bool vm_swap_full(void);
/*
 * SWAP-3: naturally aligned slots for all pages of F, and F into the swap cache (with its references), dirty.
 * 0; -ENOMEM: no such run of slots, or no memory. => F locked, uptodate, not in the swap cache
 */
int folio_alloc_swap(struct folio *f);
/*
 * NR entries from E on are named by one PTE more each (count 0: by the first, whose folio is in the cache). 0;
 * -ENOMEM: a count would overflow, nothing changed.
 */
int swap_duplicate_nr(swp_entry_t e, int nr);
/* One PTE fewer names each of NR slots from E on. A slot that nobody names and that is not cached is free. */
void swap_free_nr(swp_entry_t e, int nr);
/*
 * The same for PTEs that were zapped: a cached copy that nobody else needs goes too, if its lock can be had.
 */
void free_swap_and_cache_nr(swp_entry_t e, int nr);
/* PTEs that name the slot. */
int swap_count(swp_entry_t e);
/*
 * SWAP-14: take F out of the swap cache if no PTE names any slot of it; F is dirty then. False: it stays.
 * => F locked
 */
bool folio_free_swap(struct folio *f);
/*
 * swap_free_nr for NR entries from E on, slots of F that were just mapped, and folio_free_swap. => as these;
 * F locked
 */
bool swap_free_mapped(struct folio *f, swp_entry_t e, int nr);
/*
 * F lost a mapping: out of the cache, if nobody maps it or names its slots any more, and its lock can be had.
 * Else it would lie there until reclaim finds it. => a reference; no spinlock held
 */
void free_swap_cache(struct folio *f);
/* The device E lies on, held against swapoff until put_swap_device; NULL: no such entry (any more). */
struct swap_info_struct;
struct swap_info_struct *get_swap_device(swp_entry_t e);
void put_swap_device(struct swap_info_struct *si);
/* E's device completes reads at once (SWAP-9). */
bool swap_synchronous(swp_entry_t e);

/* ---- Swap cache (swap_state.c) ---- */

/* The folio that serves E, with a reference, or NULL. It may stop doing so until it is locked: SWAP-10. */
struct folio *swap_cache_get_folio(swp_entry_t e);
/*
 * F leaves the cache without I/O; its slots' counts decide whether they become free. => F locked, no
 * writeback
 */
void delete_from_swap_cache(struct folio *f);
/* F is in the cache and serves E. => F locked */
bool folio_matches_swap_entry(const struct folio *f, swp_entry_t e);
/* Page of F that serves E. => F locked and in the cache */
struct page *folio_swap_page(struct folio *f, swp_entry_t e);

/*
 * The same for F that is frozen at no references: none are dropped. What reclaim does last. => F locked, no
 * writeback
 */
void __delete_from_swap_cache(struct folio *f);
/*
 * F, in the cache, is being cut: PIECE of order 0, which was page I of F, serves its slot from now on and has
 * the cache's reference, SPLIT-6. => between the two below; F frozen
 */
void swap_cache_split_folio(struct folio *f, struct folio *piece, unsigned long i);
/* DST takes SRC's place and gets its references. => the same; SRC frozen, DST locked */
void swap_cache_move_folio(struct folio *src, struct folio *dst);
/* The lock of F's slots, inside interrupts-off sections too. => F locked and in the cache */
void swap_cluster_lock(struct folio *f);
void swap_cluster_unlock(struct folio *f);

/* ---- I/O (page_io.c) ---- */

/*
 * Write F to its slots (SWAP-6). Unlocks F: at once after a synchronous write, else F is under writeback
 * until the disk answers. A failed write leaves it dirty (SWAP-20). Never fails for want of memory (RCL-26).
 * => F locked, dirty, in the swap cache, every flush of cleared PTEs done (RCL-17)
 */
void swap_writeout(struct folio *f);
/*
 * Read F from its slots; unlocks it, uptodate unless the read failed (SWAP-20). pswpin. => F locked, in the
 * cache
 */
void swap_read_folio(struct folio *f);

/*
 * Start reading what E names into the cache, if there is memory: MADV_WILLNEED (swap_readahead.c). May sleep.
 */
void swapin_start(swp_entry_t e);

/* ---- Faults and page tables ---- */

/* SWAP-8..15: a fault on a swap entry. Like the other do_* of memory.c. */
vm_fault_t do_swap_page(struct vm_fault *vmf);
/*
 * How many entries from PTE on, at most MAX_NR, are as FIRST, the one at PTE, but for slots in a row. => ptl,
 * or a guess
 */
int swap_pte_batch(const pte_t *pte, int max_nr, pte_t first);
/*
 * RCL-16: replace each mapping of F by a swap entry (shmem: by none), dirty bits moved to F. Afterwards
 * folio_mapped() tells whether all went (SWAP-7, MLK-8). TTU_BATCH_FLUSH: the TLB flush is owed until
 * try_to_unmap_flush (RCL-17).
 * => F locked, isolated; anonymous: in the swap cache, or lazily freeable (it may be found swap-backed again:
 * SWAP-21)
 */
#define TTU_BATCH_FLUSH	 1u
#define TTU_IGNORE_MLOCK 2u
#define TTU_RMAP_LOCKED	 4u	/* this and the next: of try_to_migrate */
#define TTU_SPLIT_HUGE_PMD 8u
void try_to_unmap(struct folio *f, unsigned int flags);
/* This task owes a flush: PTEs of MM that a CPU may have were cleared, DIRTY ones. => ptl held */
void owe_flush(struct mm_struct *mm, bool dirty);
/* Do the flushes this task owes: all; if a cleared PTE was dirty. */
void try_to_unmap_flush(void);
void try_to_unmap_flush_dirty(void);
/*
 * RCL-17: whoever changes MM's tables does the flush that is owed for it first. => a page-table lock of MM
 * held
 */
void flush_tlb_batched_pending(struct mm_struct *mm);

#endif
