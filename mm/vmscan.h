/*
 * mm/vmscan.h - making memory free again: direct reclaim, kswapd, and single folios (part 7a of the rules). vmscan.c
 * decides about one list of folios, kswapd.c when and how much.
 */
#ifndef MM_VMSCAN_H
#define MM_VMSCAN_H

#include "mm/gfp.h"
#include "mm/lru.h"

/* What became of one folio (RCL-15), with the step that decided: for counters, `force scan` and the tests. */
enum reclaim_verdict { RECLAIM_KEEP, RECLAIM_ACTIVATE, RECLAIM_UNEVICTABLE, RECLAIM_FREED, RECLAIM_WRITING };

/*
 * RCL-15 for all folios of LIST (isolated, linked by lru), which is empty afterwards: freed or put back. Pages freed.
 * IGNORE_REFERENCES: for MADV_PAGEOUT, step 4 is left out. => may sleep; no lock held but mmap for reading
 */
unsigned long reclaim_folio_list(struct list_head *list, gfp_t gfp, bool ignore_references);
/*
 * Upward entry for page_alloc.c (RCL-11..14): reclaim at least 32 pages for an allocation of ORDER. Pages reclaimed; 0:
 * no progress. *WAITED: a writeback was seen and came to its end meanwhile. => may sleep
 */
unsigned long try_to_free_pages(gfp_t gfp, unsigned int order, bool *waited);
/* Upward entry: a zone is below low for ORDER. Never sleeps; any context but NMI. */
void wakeup_kswapd(struct zone *z, gfp_t gfp, unsigned int order);
/* A folio's writeback is over and PG_reclaim was set: to the tail of its inactive list (pgrotated). Any context. */
void folio_rotate_reclaimable(struct folio *f);
/* kcompactd's wake-up: an entry point that the compaction issue fills. */
void wakeup_kcompactd(unsigned int order);
extern int vm_swappiness;

#endif
