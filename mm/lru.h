/*
 * mm/lru.h - the LRU lists (RCL-1): every user folio that reclaim may look at is on exactly one of them (lru.c).
 *
 * New small folios go through a per-CPU batch of 31 that holds a reference to each (RCL-3); until the batch is
 * drained they have one reference more than their mappings explain, and PG_lru is clear.
 */
#ifndef MM_LRU_H
#define MM_LRU_H

#include "mm/gfp.h"

enum lru_list { LRU_INACTIVE_ANON, LRU_ACTIVE_ANON, LRU_INACTIVE_FILE, LRU_ACTIVE_FILE, LRU_UNEVICTABLE, NR_LRU_LISTS };

/* Put a new folio on its inactive list (by flags), through the batch. The caller keeps its own reference. Any lock may be held but lru_lock. */
void lru_cache_add(struct folio *f);
/* Empty this CPU's batch; every CPU's (may not be called with interrupts off). */
void lru_add_drain(void);
void lru_add_drain_all(void);
/* Take F, whose last reference is gone or which the caller isolates, off its list. True if it was on one. */
bool folio_lru_del(struct folio *f);
/* Move to the active list of its kind, if it is on an inactive one. */
void folio_activate(struct folio *f);
/* Drop the references of N entries of BATCH (mmu_gather.h), whose contents are lost. => flushed; no lock held */
struct gathered;
void folios_put_gathered(struct gathered *batch, unsigned int n);
/* MADV_COLD (RCL-24): from the active list to the head of the inactive one. */
void folio_deactivate(struct folio *f);
/*
 * MADV_FREE: an anonymous folio on a list moves to the file list, no longer swap-backed (SWAP-21; pglazyfree). Not if
 * it is in the swap cache or unevictable.
 */
void folio_mark_lazyfree(struct folio *f);
/*
 * Take F off its list for somebody who will move or reclaim it (RCL-2): true if that is the caller now; the caller's
 * reference stays. Put it back at once, without the batch; that drops the caller's reference.
 */
bool folio_isolate_lru(struct folio *f);
void folio_putback_lru(struct folio *f);
/*
 * The same for N FOLIOS under one lock, no reference given or taken: how many; the first that is on no list ends it.
 * What is freed or put back afterwards is the caller's, who has references.
 */
unsigned int folios_isolate_lru(struct folio *const *folios, unsigned int n);
/* Or never: it moved, or only the caller's reference is left. */
void folio_forget_isolated(struct folio *f);
/*
 * Reclaim: take pages from the tail of list L until at least NR_TO_SCAN were looked at, each folio with a reference more, and
 * link them to DST (RCL-4). Folios in zones above ZONE are passed over, and go to the head.
 */
struct lru_isolation {
	unsigned long nr_to_scan;
	enum zone_type zone;
	unsigned long scanned, taken;	/* out */
	unsigned long skipped[MAX_NR_ZONES];
};
void lru_isolate_tail(enum lru_list l, struct lru_isolation *iso, struct list_head *dst);
/*
 * Compaction: if a folio on an LRU list begins with frame P, isolate it, with a reference more, and link it to DST; or
 * NULL. P may be anything.
 */
struct folio *lru_isolate_page(struct page *p, struct list_head *dst);
/* folio_putback_lru for all of LIST, which is empty afterwards; what has no other reference is freed. */
void folios_putback_lru(struct list_head *list);
/* A use that no page table tells of: the second one of an inactive folio activates it (RCL-5). */
void folio_mark_accessed(struct folio *f);
/* New F goes to its list at once: its references are exact from the start (PIT-16). */
void lru_cache_add_now(struct folio *f);
/* PIECE was cut off F, has its flags and goes where F is, or to the head of its list if F is on none. => lru_lock held */
void lru_add_split_piece(struct folio *f, struct folio *piece);
/* MLK-7: F, if it is on a list, goes to the one that PG_mlocked asks for. => lru_lock held */
void lru_judge_mlocked(struct folio *f);
extern spinlock_t lru_lock;		/* a leaf; irqsave */
extern unsigned long lru_size[NR_LRU_LISTS];	/* pages; lru_lock */
extern struct list_head lru_lists[NR_LRU_LISTS];	/* lru_lock; for mm_check.c */
/* The list that F's flags name. */
enum lru_list folio_lru_list(const struct folio *f);

#endif
