/*
 * mm/compaction.h - making large free blocks by moving what lies between the small ones (MIG-12..19).
 *
 *	alloc_slow.c ── direct ──> try_to_compact_pages ──┐
 *	kcompactd.c ──────────────────────────────────────┼──> compact_zone ──> two scanners (compact_scan.c)
 *	compact_sysctl.c ── compact_memory ───────────────┘     compaction.c      └──> migrate_pages (migrate_folio.c)
 */
#ifndef MM_COMPACTION_H
#define MM_COMPACTION_H

#include "mm/gfp.h"
#include "mm/migrate.h"

/* What came of it; of several zones the highest counts. */
enum compact_result {
	COMPACT_SKIPPED,		/* MIG-14: too little is free, or it is not fragmentation that is the trouble */
	COMPACT_DEFERRED,		/* MIG-15: backed off */
	COMPACT_CONTINUE,
	COMPACT_COMPLETE,		/* the scanners met, after the whole zone */
	COMPACT_PARTIAL_SKIPPED,	/* the same, after a part of it */
	COMPACT_CONTENDED,		/* given up for locks, memory or a signal */
	COMPACT_SUCCESS,
};

/* How hard a direct attempt tries: the first is the hardest. */
enum compact_priority { COMPACT_PRIO_SYNC_FULL, COMPACT_PRIO_SYNC_LIGHT, COMPACT_PRIO_ASYNC };

/* Compact the zones that a request may use, until one has a block of ORDER for it. => PF_MEMALLOC; may sleep */
enum compact_result try_to_compact_pages(gfp_t gfp, unsigned int order, enum compact_priority prio);
/* A request of ORDER was served from Z after all: its back-off ends (GOT), or at least is not for this order (MIG-15). */
void compaction_defer_reset(struct zone *z, unsigned int order, bool got);
/* Direct reclaim for ORDER may stop: no usable zone needs more free pages for compaction (RCL-13). */
bool compaction_ready(gfp_t gfp, unsigned int order);
/* Forget which blocks were fruitless, if a run has seen all (MIG-13). kswapd, before it sleeps. */
void reset_isolation_suitable(void);
/* MIG-18: a block of ORDER may soon be wanted. Any context but NMI, never sleeps. */
void wakeup_kcompactd(unsigned int order);
/* MIG-19: compact every zone whole. -EINTR if killed meanwhile. */
int compact_nodes(void);

/* Linux's fragmentation index (MIG-14), -1000..1000; the share of free memory that no block of ORDER has, 0..1000. */
int fragmentation_index(const struct zone *z, unsigned int order);
int unusable_free_index(const struct zone *z, unsigned int order);

/* /proc/sys/vm */
extern int sysctl_extfrag_threshold, sysctl_compact_unevictable_allowed;

/* ---- Between the files of compaction ---- */

#define COMPACT_CLUSTER_MAX 32		/* pages isolated before they move */

/* One run over one zone. */
struct compact_control {
	/* The request. */
	struct zone *zone;
	int order;			/* -1: the zone as a whole (compact_memory) */
	gfp_t gfp;
	enum zone_type highest;
	enum migrate_mode mode;
	bool direct;			/* for an allocation that waits */
	bool whole_zone;		/* from end to end, wherever the last run stopped */
	bool ignore_skip_hint;		/* fruitless blocks, too */
	bool ignore_block_suitable;	/* targets in blocks of any type */
	/* So far. */
	enum migratetype migratetype;
	unsigned long migrate_pfn;	/* next frame of the scanner that goes up */
	unsigned long free_pfn;		/* next of the other one, whose block is that of this frame, or all of it lies ahead */
	struct list_head migratepages;	/* isolated */
	unsigned long nr_migratepages;
	struct list_head freepages[NR_PAGE_ORDERS];	/* taken, not used yet, by order */
	unsigned long nr_freepages;
	unsigned long migrate_scanned, free_scanned, isolated;	/* pages */
	bool contended;
	const char *refusal;		/* what kept a block from becoming free, and where: the last one seen */
	unsigned long refused_pfn;
};
/* As the traces, "force compact" and why_not_huge print it. compaction.c */
const char *compact_result_word(enum compact_result r);

/* Both scanners are in one block, or past each other. */
static inline bool compact_scanners_met(const struct compact_control *cc)
{
	return pageblock_start(cc->free_pfn) <= pageblock_start(cc->migrate_pfn);
}
/* Isolate movable folios from the next block that may have some. False: given up (cc->contended). */
bool isolate_migratepages(struct compact_control *cc);
/* Targets for migrate_pages; ARG is the run. */
struct folio *compaction_alloc(struct folio *src, void *arg);
void compaction_free(struct folio *dst, void *arg);
/* Give back the targets that are left; the highest block that had one, or 0. */
unsigned long release_freepages(struct compact_control *cc);
/* Marks of fruitless blocks: hints, without a lock. */
bool pageblock_is_fruitless(unsigned long pfn);
void clear_fruitless_blocks(struct zone *z);
/* One run: fills in the rest of CC. compaction.c */
enum compact_result compact_zone(struct compact_control *cc);
/* MIG-14. COMPACT_SUCCESS: there is a block already; _SKIPPED: will not help; _CONTINUE. */
enum compact_result compaction_suit_allocation_order(struct zone *z, unsigned int order, enum zone_type highest);
/* MIG-15: is this attempt, which counts as one, not to be made? A run was in vain. */
bool compaction_deferred(struct zone *z, unsigned int order);
void defer_compaction(struct zone *z, unsigned int order);

#endif
