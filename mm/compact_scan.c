/*
 * mm/compact_scan.c - the two scanners of compaction: who moves, and where to (MIG-12).
 *
 *	start of the zone                                                              its end
 *	│ block │ block │ block │ block │  ...                          │ block │ block │ block │
 *	      isolate_migratepages ──>                                <── isolate_freepages
 *	      movable folios, 32 pages at a time                          free pages, as many as are to move
 *
 * Where they meet everything movable lies above and everything free below, apart from what cannot move.
 *
 * The upper end is taken from blocks of type Movable only: elsewhere the folios would stand in the way of what cannot move
 * itself (MIG-8). A block in which a scanner found nothing is marked, and passed over until the marks are cleared
 * (MIG-13). Both look at descriptors without a lock first, and then take the LRU lock for one folio, or the zone lock for 32
 * frames: the locks have interrupts off.
 *
 * Linux: isolate_migratepages_block(), isolate_freepages_block() in mm/compaction.c. Left out: the searches through the
 * free lists that find good blocks faster.
 */
#include "kernel/init.h"
#include "kernel/sched/sched.h"
#include "mm/compaction.h"
#include "mm/internal.h"
#include "mm/lru.h"
#include "mm/slab.h"

int sysctl_compact_unevictable_allowed = 1;

/* ---- Marks ---- */

static u8 *fruitless[MAX_NR_ZONES];	/* a byte for each pageblock */

static u8 *fruitless_mark(unsigned long pfn)
{
	struct zone *z = page_zone(pfn_to_page(pfn));

	return &fruitless[z - zones][(pfn - z->start_pfn) >> PAGEBLOCK_ORDER];
}

bool pageblock_is_fruitless(unsigned long pfn)
{
	return READ_ONCE(*fruitless_mark(pfn));
}

void clear_fruitless_blocks(struct zone *z)
{
	for (unsigned long b = 0; b < DIV_ROUND_UP(z->spanned_pages, PAGEBLOCK_NR_PAGES); b++)
		WRITE_ONCE(fruitless[z - zones][b], 0);
}

static int compact_scan_init(void)
{
	struct zone *z;

	for_each_populated_zone(z) {
		fruitless[z - zones] = kzalloc(DIV_ROUND_UP(z->spanned_pages, PAGEBLOCK_NR_PAGES), GFP_KERNEL);
		if (!fruitless[z - zones])
			panic("no memory for the marks of compaction");
	}
	return 0;
}
core_initcall(compact_scan_init);

/* The block is RAM of the zone, and worth a look. */
static bool block_wanted(const struct compact_control *cc, unsigned long start)
{
	return pfn_valid(start) && page_zone(pfn_to_page(start)) == cc->zone &&
	       (cc->ignore_skip_hint || !pageblock_is_fruitless(start));
}

/* ---- Up: what can move ---- */

/* For whom the whole block is compacted. */
static unsigned int wanted_order(const struct compact_control *cc)
{
	return cc->order < 0 ? PAGEBLOCK_ORDER : (unsigned int)cc->order;
}

/* As large as what is wanted: moving it would win nothing. */
static bool large_enough(const struct compact_control *cc, unsigned int order)
{
	return order >= PAGEBLOCK_ORDER || (cc->order >= 0 && order >= (unsigned int)cc->order);
}

/*
 * Why F, on an LRU list a moment ago, could not move; NULL: it could. Without a reference all this is a guess; migration
 * looks again.
 */
static const char *not_worth_isolating(const struct compact_control *cc, const struct folio *f)
{
	if (folio_test_unevictable(f) && !READ_ONCE(sysctl_compact_unevictable_allowed))
		return "mlocked";
	if (folio_test_writeback(f) && cc->mode != MIGRATE_SYNC)
		return "writeback";
	/* A try would unmap and map it again for nothing. */
	if (folio_test_anon(f) && folio_ref_count(f) > folio_expected_ref_count(f))
		return folio_maybe_dma_pinned(f) ? "pinned" : "referenced";
	return NULL;
}

/* How many frames from PFN on are one thing, not to be looked at in parts. *CANDIDATE: a folio that could be isolated. */
static unsigned long look_at(struct compact_control *cc, unsigned long pfn, bool *candidate)
{
	struct page *p = pfn_to_page(pfn);
	const char *why = "unmovable";		/* a page table, slab, a stack */
	unsigned long order = 0;

	*candidate = false;
	if (page_is_type(p, PGTY_buddy)) {
		order = READ_ONCE(p->private);	/* without the lock: anything */
		return order <= MAX_PAGE_ORDER ? 1UL << order : 1;
	}
	if (folio_test_large((struct folio *)p)) {
		order = READ_ONCE(((struct folio *)p)->_order);
		if (order > MAX_PAGE_ORDER)
			return 1;
	}
	if (large_enough(cc, (unsigned int)order))
		return 1UL << order;
	if (test_bit(PG_lru, &p->flags))
		why = not_worth_isolating(cc, (struct folio *)p);
	*candidate = !why;
	if (why) {
		cc->refusal = why;
		cc->refused_pfn = pfn;
	}
	return 1UL << order;
}

/*
 * From cc->migrate_pfn to END in one block, until 32 pages are isolated. False: killed meanwhile. The block is fruitless if
 * all of it was seen.
 */
static bool isolate_from_block(struct compact_control *cc, unsigned long end)
{
	unsigned long start = cc->migrate_pfn, pfn = start, next_break = start;

	while (pfn < end && cc->nr_migratepages < COMPACT_CLUSTER_MAX) {
		bool candidate;
		unsigned long n;

		if (pfn >= next_break) {
			if (fatal_signal_pending(current)) {
				cc->contended = true;
				return false;
			}
			cond_resched();
			next_break = pfn + COMPACT_CLUSTER_MAX;
		}
		n = look_at(cc, pfn, &candidate);
		if (candidate) {
			struct folio *f = lru_isolate_page(pfn_to_page(pfn), &cc->migratepages);

			n = f ? folio_nr_pages(f) : 1;
			cc->nr_migratepages += f ? n : 0;
		}
		pfn += n;
	}
	pfn = min(pfn, end);
	cc->migrate_scanned += pfn - start;
	cc->migrate_pfn = pfn;
	if (!cc->nr_migratepages && pfn == end && start == pageblock_start(start))
		WRITE_ONCE(*fruitless_mark(start), 1);
	return true;
}

/* Asynchronous direct compaction makes room only among its own kind: elsewhere the block would be of little use to it. */
static bool suitable_source(const struct compact_control *cc, unsigned long start)
{
	if (!block_wanted(cc, start))
		return false;
	if (cc->mode != MIGRATE_ASYNC || !cc->direct)
		return true;
	return get_pageblock_migratetype(pfn_to_page(start)) == cc->migratetype;
}

bool isolate_migratepages(struct compact_control *cc)
{
	while (!compact_scanners_met(cc)) {
		unsigned long start = pageblock_start(cc->migrate_pfn);

		/* A block that was begun is finished, whatever its mark says by now. */
		if (cc->migrate_pfn == start && !suitable_source(cc, start)) {
			cc->migrate_pfn = pageblock_end(start);
			cond_resched();
			continue;
		}
		return isolate_from_block(cc, pageblock_end(start));
	}
	return true;
}

/* ---- Down: where to ---- */

/* A block that begins with what is wanted is best left alone. */
static bool suitable_target(const struct compact_control *cc, unsigned long start)
{
	const struct page *p = pfn_to_page(start);

	if (!block_wanted(cc, start))
		return false;
	if (page_is_type(p, PGTY_buddy) && READ_ONCE(p->private) >= wanted_order(cc))
		return false;
	return cc->ignore_block_suitable || get_pageblock_migratetype(p) == MIGRATE_MOVABLE;
}

/* Take free blocks from the frames [PFN, END) while they are needed. Where that ended; *EMPTY: no more may be taken. */
static unsigned long take_free(struct compact_control *cc, unsigned long pfn, unsigned long end, bool *empty)
{
	while (pfn < end && cc->nr_freepages < cc->nr_migratepages) {
		struct page *p = pfn_to_page(pfn);
		int order;

		if (!page_is_type(p, PGTY_buddy)) {
			pfn++;
			continue;
		}
		order = isolate_free_page(cc->zone, p);
		if (order < 0) {
			*empty = true;
			break;
		}
		list_add_tail(&p->lru, &cc->freepages[order]);
		cc->nr_freepages += 1UL << order;
		cc->isolated += 1UL << order;
		pfn += 1UL << order;
	}
	return pfn;
}

static void lock_zone(struct compact_control *cc)
{
	if (spin_trylock(&cc->zone->lock))
		return;
	/* Asynchronous compaction is a wish that must not hinder others (MIG-13). */
	if (cc->mode == MIGRATE_ASYNC)
		cc->contended = true;
	spin_lock(&cc->zone->lock);
}

/* [cc->free_pfn, END) in one block. False: no more may be taken anywhere, or the run is to end. */
static bool isolate_free_from_block(struct compact_control *cc, unsigned long end)
{
	unsigned long start = cc->free_pfn, pfn = start, before = cc->nr_freepages;
	bool empty = false;

	while (pfn < end && cc->nr_freepages < cc->nr_migratepages && !empty && !cc->contended) {
		unsigned long flags;

		local_irq_save(flags);
		lock_zone(cc);
		pfn = take_free(cc, pfn, min(end, pfn + COMPACT_CLUSTER_MAX), &empty);
		spin_unlock(&cc->zone->lock);
		local_irq_restore(flags);
		if (fatal_signal_pending(current))
			cc->contended = true;
		cond_resched();
	}
	pfn = min(pfn, end);
	cc->free_scanned += pfn - start;
	cc->free_pfn = pfn;
	/* Seen to its end, it has nothing left; if it had nothing from the start, that is worth a mark. */
	if (pfn == end && start == pageblock_start(start) && cc->nr_freepages == before)
		WRITE_ONCE(*fruitless_mark(start), 1);
	return !empty && !cc->contended;
}

/* Until there are as many targets as pages to move, or the scanners meet. */
static void isolate_freepages(struct compact_control *cc)
{
	unsigned long lowest = pageblock_end(cc->migrate_pfn);

	while (cc->nr_freepages < cc->nr_migratepages && cc->free_pfn >= lowest) {
		unsigned long start = pageblock_start(cc->free_pfn);

		if (cc->free_pfn != start || suitable_target(cc, start)) {
			if (!isolate_free_from_block(cc, start + PAGEBLOCK_NR_PAGES))
				return;
			if (cc->free_pfn < start + PAGEBLOCK_NR_PAGES)
				return;			/* enough: goes on here next time */
		}
		cc->free_pfn = start - PAGEBLOCK_NR_PAGES;
		cond_resched();
	}
}

/* ---- Targets ---- */

/* The smallest block of ORDER or more; or NULL. */
static struct page *take_target(struct compact_control *cc, unsigned int order)
{
	for (unsigned int o = order; o < NR_PAGE_ORDERS; o++) {
		struct page *p = list_first_entry_or_null(&cc->freepages[o], struct page, lru);

		if (!p)
			continue;
		list_del(&p->lru);
		while (o-- > order)
			list_add(&p[1UL << o].lru, &cc->freepages[o]);
		return p;
	}
	return NULL;
}

struct folio *compaction_alloc(struct folio *src, void *arg)
{
	struct compact_control *cc = arg;
	unsigned int order = folio_order(src);
	struct page *p = take_target(cc, order);

	if (!p) {
		isolate_freepages(cc);
		p = take_target(cc, order);
		if (!p)
			return NULL;
	}
	cc->nr_freepages -= 1UL << order;
	cc->nr_migratepages -= 1UL << order;
	prep_new_page(p, order, GFP_HIGHUSER_MOVABLE | __GFP_COMP);
	return (struct folio *)p;
}

void compaction_free(struct folio *dst, void *arg)
{
	struct compact_control *cc = arg;
	unsigned int order = folio_order(dst);

	cc->nr_migratepages += 1UL << order;
	/* Somebody who walks the frames may have a reference for a moment: then it is freed like any other folio. */
	if (!atomic_dec_and_test(&dst->_refcount))
		return;
	free_pages_prepare(&dst->page, order);
	list_add(&dst->page.lru, &cc->freepages[order]);
	cc->nr_freepages += 1UL << order;
}

unsigned long release_freepages(struct compact_control *cc)
{
	unsigned long highest = 0;

	for (unsigned int o = 0; o < NR_PAGE_ORDERS; o++) {
		struct page *p, *next;

		list_for_each_entry_safe(p, next, &cc->freepages[o], lru) {
			highest = max(highest, pageblock_start(page_to_pfn(p)));
			list_del(&p->lru);
			free_isolated_page(p, o);
		}
	}
	cc->nr_freepages = 0;
	return highest;
}
