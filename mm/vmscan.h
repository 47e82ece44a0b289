/*
 * mm/vmscan.h - making memory free again (part 7a of the rules).
 *
 *	page_alloc.c ── no room ──┬─> wakeup_kswapd       kswapd.c         when, and how much
 *	                          └─> try_to_free_pages   direct_reclaim.c
 *	                                    │
 *	                              shrink_node         vmscan_lists.c   from which list
 *	                                    │
 *	MADV_PAGEOUT, force scan ──> shrink_folio_list    vmscan.c         what becomes of each folio
 */
#ifndef MM_VMSCAN_H
#define MM_VMSCAN_H

#include "kernel/sched/sched.h"
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
extern int vm_swappiness;

/* ---- Between the files of reclaim ---- */

#define SWAP_CLUSTER_MAX 32		/* base pages isolated at once, and the least worth a reclaim */
#define DEF_PRIORITY	 12		/* each list's share of one round: size >> priority */

/* One request to reclaim, and what came of it so far. */
struct scan_control {
	/* The request. */
	gfp_t gfp;
	unsigned int order;
	int priority;
	enum zone_type zone;		/* the highest that helps; folios above it are passed over */
	unsigned long nr_to_reclaim;
	bool kswapd;
	bool ignore_references;
	bool force_deactivate;		/* active lists too, whatever their size (RCL-6) */
	/* Since the request began. */
	unsigned long nr_scanned, nr_reclaimed;
	bool skipped_deactivate;	/* there are active folios that were not looked at */
	/* In this round; whoever starts one clears them. */
	unsigned long nr_taken;		/* isolated for a verdict */
	unsigned long nr_writeback;	/* of these, found under writeback */
	unsigned long nr_pageout;	/* written; of these, under writeback now */
	unsigned long nr_started;
	unsigned long nr_immediate;	/* of these, kswapd has seen them so before */
	/* Of the folio that was first on the list. */
	enum reclaim_verdict verdict;
	int step;			/* of RCL-15; 0: nobody had a reference any more */
};

/* RCL-15 for LIST. What is left on it afterwards is to be put back. Pages freed. => PF_MEMALLOC; may sleep */
unsigned long shrink_folio_list(struct list_head *list, struct scan_control *sc);
/* PF_MEMALLOC on (RCL-12); what it was before, for restore. */
static inline unsigned int memalloc_noreclaim_save(void)
{
	unsigned int old = current->flags & PF_MEMALLOC;

	current->flags |= PF_MEMALLOC;
	return old;
}
static inline void memalloc_noreclaim_restore(unsigned int old)
{
	current->flags = (current->flags & ~PF_MEMALLOC) | old;
}

#endif
