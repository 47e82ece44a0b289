/*
 * mm/lru.h - the LRU lists (RCL-1): every user folio that reclaim may look at is on exactly one of them (lru.c).
 *
 * New small folios go through a per-CPU batch of 31 that holds a reference to each (RCL-3); until the batch is
 * drained they have one reference more than their mappings explain, and PG_lru is clear.
 */
#ifndef MM_LRU_H
#define MM_LRU_H

#include "mm/page.h"

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
extern unsigned long lru_size[NR_LRU_LISTS];	/* pages; lru_lock */

#endif
