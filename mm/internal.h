/*
 * mm/internal.h - what files of mm/ say to each other and to nobody else.
 */
#ifndef MM_INTERNAL_H
#define MM_INTERNAL_H

#include "mm/gfp.h"

/* Boot: give frames [PFN, END) to the buddy for the first time (they are PG_reserved until now). page_alloc.c */
void free_boot_range(unsigned long pfn, unsigned long end);
/* Allocate the zero page from memblock. page_alloc.c */
void zero_page_init(void);
/* Make the frames from P on a folio: head, tails, counts. Frozen, nobody looks at them. page_alloc.c */
void prep_compound(struct page *p, unsigned int order);
/* Frames that are off all lists become memory in use, with one reference; and back, when that is gone. page_alloc.c */
void prep_new_page(struct page *p, unsigned int order, gfp_t gfp);
void free_pages_prepare(struct page *p, unsigned int order);
/*
 * Compaction: take the free block that begins with P off its list. Its order, or -1: too little would be left.
 * => zone lock. Give back a block that was taken so, or a part of one. page_alloc.c
 */
int isolate_free_page(struct zone *z, struct page *p);
void free_isolated_page(struct page *p, unsigned int order);
/* How many frames of the pageblock that begins with START are free, and belong to folios on LRU lists. => zone lock */
void count_pageblock(const struct page *start, unsigned long *free, unsigned long *lru);
/* A request of type MT would find a block of ORDER or more without stealing (MIG-9). A hint without the zone lock. */
bool zone_has_usable_block(const struct zone *z, unsigned int order, enum migratetype mt);
/* Memory for the request, if it leaves what RESERVE says. No sleep, no reclaim. page_alloc.c */
enum alloc_reserve { RESERVE_LOW, RESERVE_MIN, RESERVE_ATOMIC, RESERVE_OOM, RESERVE_NONE };
struct page *get_page_from_freelist(gfp_t gfp, unsigned int order, enum alloc_reserve reserve);
/* Memory, whatever it takes that GFP allows; NULL: RCL-27. alloc_slow.c */
struct page *alloc_pages_slow(gfp_t gfp, unsigned int order);

/* ---- watermark.c ---- */

/* min_free_kbytes by the size of RAM, and from it (or a written value) min, low and high of all zones (RCL-8). */
void setup_watermarks(void);
void setup_zone_watermarks(void);
/* Huge pages came to be wanted, or are not wanted any more (ABI-9). May sleep. */
void set_recommended_min_free_kbytes(void);
extern int min_free_kbytes, watermark_scale_factor;
unsigned long int_sqrt(unsigned long x);
/* With MORE pages, Z would have MARK free after giving 2^ORDER to a request that could use zones up to HIGHEST. */
bool zone_watermark_ok(struct zone *z, unsigned int order, unsigned long mark, enum zone_type highest, long more);
/* And there is such a block. A hint without the zone lock. */
bool zone_can_give(struct zone *z, unsigned int order, unsigned long mark, enum zone_type highest);
unsigned long reserve_mark(const struct zone *z, enum alloc_reserve r);

/* ---- Reclaim ---- */

/* Ask all shrinkers for their share of a round of PRIORITY, 0: for all that they have. Pages freed. shrinker.c */
unsigned long shrink_slab(int priority);
struct scan_control;
/* One round over the LRU lists and the shrinkers; adds to the totals of SC. => PF_MEMALLOC. vmscan_lists.c */
void shrink_node(struct scan_control *sc);
/*
 * A writeback that reclaim waits for (PG_reclaim) is over, NR pages; any context. Wait for one since MARK was taken: 100 ms
 * at most, true if there was one. direct_reclaim.c
 */
void reclaim_writeback_done(unsigned long nr);
long reclaim_writeback_mark(void);
bool reclaim_wait_writeback(long mark);
/* RCL-21: too much of the list is isolated; waits 20 ms for that to end. False: it has not. direct_reclaim.c */
bool throttle_isolated(const struct scan_control *sc, bool file);
/* Let those go on who wait for kswapd: if there is memory, or ALL of them in any case. direct_reclaim.c */
void wake_throttled(bool all);
/* 16 runs in a row freed nothing. Direct reclaim has: forget that, if the node is balanced. kswapd.c */
bool kswapd_is_hopeless(void);
void kswapd_try_clear_hopeless(const struct scan_control *sc);
void kswapd_wake(void);

struct mm_struct;
/*
 * For the words of `force`: the folio of the first mapped page at or behind *ADDR and below END, with a reference; *ADDR is
 * moved behind it. NULL: there is none. force_migrate.c
 */
struct folio *next_mapped_folio(struct mm_struct *mm, unsigned long *addr, unsigned long end);

/* Buddy arithmetic (pure; tested on the host). */
static inline unsigned long find_buddy_pfn(unsigned long pfn, unsigned int order) { return pfn ^ (1UL << order); }

#endif
