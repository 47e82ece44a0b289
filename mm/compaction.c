/*
 * mm/compaction.c - one run of compaction over a zone: whether it makes sense, when it ends, when not to try again
 * (MIG-12..17).
 *
 *	compaction_suit_allocation_order ── enough free, and in pieces? ──> compact_zone
 *	                                                                        │ 32 pages at a time:
 *	                                              isolate ──> migrate ──> a block of the order? scanners met?
 *	                                                 ^                      │ no              │ yes
 *	                                                 └──────────────────────┘                 └──> resume here next time
 *
 * A run that saw its zone to the end in vain will be in vain again soon. So each such run doubles the number of attempts
 * that are not even made, up to 63, until one succeeds (MIG-15).
 *
 * Positions, marks and back-off are hints: they are read and written without a lock, and a lost update costs a longer scan.
 *
 * Linux: mm/compaction.c. Left out: capturing the block that a run makes before others see it, and finishing a block only
 * because something of it could not move.
 */
#include "kernel/sched/sched.h"
#include "mm/compaction.h"
#include "mm/internal.h"
#include "mm/lru.h"
#include "mm/trace_huge.h"
#include "mm/vmscan.h"
#include "mm/vmstat.h"
#include "mm/why_not_huge.h"

#define MAX_DEFER_SHIFT 6

/* What compaction remembers of each zone. Hints. */
static struct compact_memory {
	unsigned long migrate_pfn[2];	/* where the next run begins: asynchronous, synchronous; 0: at the start */
	unsigned long free_pfn;		/* and its other scanner; 0: at the end */
	bool all_seen;			/* the marks of fruitless blocks have done their service */
	unsigned int considered;	/* attempts since the last run in vain */
	unsigned int defer_shift;	/* the next 2^shift - 1 are not made */
	int order_failed;		/* of this order or more; above all orders: none */
} remembered[MAX_NR_ZONES] = {
	[0 ... MAX_NR_ZONES - 1] = { .order_failed = NR_PAGE_ORDERS },
};

static struct compact_memory *memory_of(const struct zone *z)
{
	return &remembered[z - zones];
}

int sysctl_extfrag_threshold = 500;

const char *compact_result_word(enum compact_result r)
{
	static const char *const words[] = {
		[COMPACT_SKIPPED] = "skipped", [COMPACT_DEFERRED] = "deferred", [COMPACT_CONTINUE] = "continue",
		[COMPACT_COMPLETE] = "complete", [COMPACT_PARTIAL_SKIPPED] = "partial_skipped",
		[COMPACT_CONTENDED] = "contended", [COMPACT_SUCCESS] = "success",
	};

	return words[r];
}

/* ---- Is it fragmentation? (MIG-14) ---- */

struct free_count { unsigned long pages, blocks, suitable; };

static struct free_count count_free(const struct zone *z, unsigned int order)
{
	struct free_count c = { 0 };

	for (unsigned int o = 0; o < NR_PAGE_ORDERS; o++) {
		unsigned long n = READ_ONCE(z->free_area[o].nr_free);

		c.blocks += n;
		c.pages += n << o;
		if (o >= order)
			c.suitable += n << (o - order);
	}
	return c;
}

int fragmentation_index(const struct zone *z, unsigned int order)
{
	struct free_count c = count_free(z, order);

	if (!c.blocks)
		return 0;
	if (c.suitable)
		return -1000;
	return 1000 - (int)((1000 + c.pages * 1000 / (1UL << order)) / c.blocks);
}

int unusable_free_index(const struct zone *z, unsigned int order)
{
	struct free_count c = count_free(z, order);

	return c.pages ? (int)((c.pages - (c.suitable << order)) * 1000 / c.pages) : 1000;
}

/* Targets are to be had without going below the watermark, twice as many as the block has pages. */
static bool enough_free(struct zone *z, unsigned int order, enum zone_type highest)
{
	unsigned long mark = z->watermark[WMARK_MIN] + (2UL << order);

	if (order > COSTLY_ORDER)
		mark += z->watermark[WMARK_LOW] - z->watermark[WMARK_MIN];
	return zone_watermark_ok(z, 0, mark, highest, 0);
}

static bool compaction_suitable(struct zone *z, unsigned int order, enum zone_type highest)
{
	int index;

	if (!enough_free(z, order, highest))
		return false;
	if (order <= COSTLY_ORDER)
		return true;		/* what else could one do: run out of memory? */
	index = fragmentation_index(z, order);
	return index < 0 || index > READ_ONCE(sysctl_extfrag_threshold);
}

enum compact_result compaction_suit_allocation_order(struct zone *z, unsigned int order, enum zone_type highest)
{
	if (zone_can_give(z, order, z->watermark[WMARK_MIN], highest))
		return COMPACT_SUCCESS;
	return compaction_suitable(z, order, highest) ? COMPACT_CONTINUE : COMPACT_SKIPPED;
}

bool compaction_ready(gfp_t gfp, unsigned int order)
{
	enum zone_type highest = gfp_zone(gfp);
	struct zone *z;

	for_each_populated_zone(z) {
		if (z > &zones[highest])
			continue;
		if (zone_can_give(z, order, z->watermark[WMARK_MIN], highest))
			continue;
		/* Others allocate meanwhile: some more, so that it still holds when compaction starts. */
		if (!compaction_suitable(z, order, highest) ||
		    !zone_watermark_ok(z, 0, z->watermark[WMARK_HIGH] + (2UL << order), highest, 0))
			return false;
	}
	return true;
}

/* ---- Back-off (MIG-15) ---- */

void defer_compaction(struct zone *z, unsigned int order)
{
	struct compact_memory *m = memory_of(z);

	m->considered = 0;
	if (m->defer_shift < MAX_DEFER_SHIFT)
		m->defer_shift++;
	if ((int)order < m->order_failed)
		m->order_failed = (int)order;
}

bool compaction_deferred(struct zone *z, unsigned int order)
{
	struct compact_memory *m = memory_of(z);

	if ((int)order < m->order_failed)
		return false;
	if (m->considered + 1 >= 1U << m->defer_shift) {
		m->considered = 1U << m->defer_shift;
		return false;
	}
	m->considered++;
	return true;
}

void compaction_defer_reset(struct zone *z, unsigned int order, bool got)
{
	struct compact_memory *m = memory_of(z);

	if (got) {
		m->considered = 0;
		m->defer_shift = 0;
	}
	if ((int)order >= m->order_failed)
		m->order_failed = (int)order + 1;
}

/* The longest back-off is over: the world is another one now. */
static bool compaction_restarting(struct zone *z, unsigned int order)
{
	const struct compact_memory *m = memory_of(z);

	return (int)order >= m->order_failed && m->defer_shift == MAX_DEFER_SHIFT &&
	       m->considered >= 1U << m->defer_shift;
}

/* ---- Where to begin ---- */

static void forget_positions(struct zone *z)
{
	struct compact_memory *m = memory_of(z);

	m->migrate_pfn[0] = m->migrate_pfn[1] = 0;
	m->free_pfn = 0;
}

static void start_anew(struct zone *z)
{
	memory_of(z)->all_seen = false;
	clear_fruitless_blocks(z);
	forget_positions(z);
}

void reset_isolation_suitable(void)
{
	struct zone *z;

	for_each_populated_zone(z)
		if (memory_of(z)->all_seen)
			start_anew(z);
}

/* => cc->zone and cc->whole_zone are set */
static void set_positions(struct compact_control *cc)
{
	const struct compact_memory *m = memory_of(cc->zone);
	unsigned long start = cc->zone->start_pfn, end = start + cc->zone->spanned_pages;

	cc->migrate_pfn = start;
	cc->free_pfn = pageblock_start(end - 1);
	if (cc->whole_zone)
		return;
	if (m->migrate_pfn[cc->mode != MIGRATE_ASYNC])
		cc->migrate_pfn = m->migrate_pfn[cc->mode != MIGRATE_ASYNC];
	if (m->free_pfn)
		cc->free_pfn = m->free_pfn;
	/* One that begins at both ends sees all: its failure is the zone's (MIG-15). */
	cc->whole_zone = cc->migrate_pfn <= start && cc->free_pfn >= pageblock_start(end - 1);
}

/* RELEASED: the highest block of which targets were given back. */
static void remember_positions(const struct compact_control *cc, unsigned long released)
{
	struct compact_memory *m = memory_of(cc->zone);

	m->free_pfn = max(released, pageblock_start(cc->free_pfn));
	m->migrate_pfn[cc->mode != MIGRATE_ASYNC] = pageblock_start(cc->migrate_pfn);
	/* The synchronous scanner has seen more than the other one. */
	if (cc->mode != MIGRATE_ASYNC)
		m->migrate_pfn[0] = m->migrate_pfn[1];
}

/* ---- One run ---- */

/* MIG-13. */
static enum compact_result compact_finished(const struct compact_control *cc)
{
	if (cc->contended || fatal_signal_pending(current))
		return COMPACT_CONTENDED;
	if (compact_scanners_met(cc)) {
		memory_of(cc->zone)->all_seen = true;
		return cc->whole_zone ? COMPACT_COMPLETE : COMPACT_PARTIAL_SKIPPED;
	}
	if (cc->order < 0)
		return COMPACT_CONTINUE;
	/* A block that was begun is finished: a half of it helps nobody, and its other half would go to others' requests. */
	if (cc->migrate_pfn != pageblock_start(cc->migrate_pfn))
		return COMPACT_CONTINUE;
	return zone_has_usable_block(cc->zone, (unsigned int)cc->order, cc->migratetype) ? COMPACT_SUCCESS : COMPACT_CONTINUE;
}

/* What was freed lies on this CPU's lists, where it cannot merge. */
static void drain_this_cpu(void)
{
	unsigned long flags;

	lru_add_drain();
	local_irq_save(flags);
	drain_this_cpu_pages();
	local_irq_restore(flags);
}

/* Isolate, and move what was isolated. False: the run is over, for lack of targets or because somebody else has the locks. */
static bool compact_step(struct compact_control *cc, bool *moved)
{
	const struct migrate_target target = {
		.get = compaction_alloc, .put = compaction_free, .arg = cc, .reason = "compaction",
	};
	unsigned int succeeded;
	bool ok = isolate_migratepages(cc);
	int err;

	if (list_empty(&cc->migratepages))
		return ok;
	cc->isolated += cc->nr_migratepages;
	err = migrate_pages(&cc->migratepages, &target, cc->mode, &succeeded);
	if (err) {
		cc->refusal = err == -ENOMEM ? "no_target" : "did_not_move";
		cc->refused_pfn = list_empty(&cc->migratepages) ? 0 :
				  folio_pfn(list_first_entry(&cc->migratepages, struct folio, lru));
	}
	folios_putback_lru(&cc->migratepages);
	cc->nr_migratepages = 0;
	*moved |= succeeded > 0;
	if (err == -ENOMEM && !compact_scanners_met(cc))
		cc->contended = true;
	return ok && !cc->contended;
}

static void count_run(const struct compact_control *cc)
{
	count_vm_events(COMPACTMIGRATE_SCANNED, (long)cc->migrate_scanned);
	count_vm_events(COMPACTFREE_SCANNED, (long)cc->free_scanned);
	count_vm_events(COMPACTISOLATED, (long)cc->isolated);
}

/* From where the scanners are. */
static enum compact_result run_scanners(struct compact_control *cc)
{
	enum compact_result ret;
	bool moved = false;

	while ((ret = compact_finished(cc)) == COMPACT_CONTINUE) {
		if (!compact_step(cc, &moved))
			cc->contended = true;
		if (moved && cc->migrate_pfn == pageblock_start(cc->migrate_pfn)) {
			drain_this_cpu();
			moved = false;
		}
	}
	return ret;
}

/* "Why not huge?" */
static void note_result(const struct compact_control *cc, enum compact_result r)
{
	if (cc->direct && r == COMPACT_SUCCESS)
		note_compact_refusal((unsigned int)cc->order, NULL, 0);
	else if (cc->direct && cc->refusal)
		note_compact_refusal((unsigned int)cc->order, cc->refusal, cc->refused_pfn);
	else if (cc->direct)
		note_compact_refusal((unsigned int)cc->order, compact_result_word(r), 0);
}

enum compact_result compact_zone(struct compact_control *cc)
{
	unsigned long start = cc->zone->start_pfn, end = start + cc->zone->spanned_pages;
	bool sync = cc->mode != MIGRATE_ASYNC;
	enum compact_result ret;

	INIT_LIST_HEAD(&cc->migratepages);
	for (int o = 0; o < NR_PAGE_ORDERS; o++)
		INIT_LIST_HEAD(&cc->freepages[o]);
	cc->migratetype = gfp_migratetype(cc->gfp);
	if (cc->order >= 0) {
		ret = compaction_suit_allocation_order(cc->zone, (unsigned int)cc->order, cc->highest);
		if (ret != COMPACT_CONTINUE) {
			note_result(cc, ret);
			return ret;
		}
		if (compaction_restarting(cc->zone, (unsigned int)cc->order))
			start_anew(cc->zone);
	}
	set_positions(cc);
	/* What was fruitless then may not be now. Asynchronous runs, which nothing holds back, leave the marks to kswapd. */
	if (sync && cc->whole_zone && memory_of(cc->zone)->all_seen)
		start_anew(cc->zone);
	trace_mm_compaction_begin(start, cc->migrate_pfn, cc->free_pfn, end, sync);
	lru_add_drain();
	ret = run_scanners(cc);
	remember_positions(cc, release_freepages(cc));
	if (ret == COMPACT_COMPLETE || ret == COMPACT_PARTIAL_SKIPPED)
		forget_positions(cc->zone);
	drain_this_cpu();
	count_run(cc);
	trace_mm_compaction_end(start, cc->migrate_pfn, cc->free_pfn, end, sync, compact_result_word(ret));
	note_result(cc, ret);
	return ret;
}

/* ---- For an allocation ---- */

static enum compact_result compact_zone_order(struct zone *z, gfp_t gfp, unsigned int order, enum compact_priority prio)
{
	struct compact_control cc = {
		.zone = z, .order = (int)order, .gfp = gfp, .highest = gfp_zone(gfp), .direct = true,
		.mode = prio == COMPACT_PRIO_ASYNC ? MIGRATE_ASYNC : MIGRATE_SYNC_LIGHT,
		.whole_zone = prio == COMPACT_PRIO_SYNC_FULL, .ignore_skip_hint = prio == COMPACT_PRIO_SYNC_FULL,
		.ignore_block_suitable = prio == COMPACT_PRIO_SYNC_FULL,
	};

	return compact_zone(&cc);
}

enum compact_result try_to_compact_pages(gfp_t gfp, unsigned int order, enum compact_priority prio)
{
	enum compact_result rc = COMPACT_SKIPPED;

	for (int t = (int)gfp_zone(gfp); t >= 0; t--) {
		struct zone *z = &zones[t];
		enum compact_result r;

		if (!z->present_pages)
			continue;
		if (prio != COMPACT_PRIO_SYNC_FULL && compaction_deferred(z, order)) {
			rc = max(rc, COMPACT_DEFERRED);
			note_compact_refusal(order, compact_result_word(COMPACT_DEFERRED), 0);
			continue;
		}
		r = compact_zone_order(z, gfp, order, prio);
		rc = max(rc, r);
		if (r == COMPACT_SUCCESS) {
			compaction_defer_reset(z, order, false);
			break;
		}
		if (prio != COMPACT_PRIO_ASYNC && (r == COMPACT_COMPLETE || r == COMPACT_PARTIAL_SKIPPED))
			defer_compaction(z, order);
		if (fatal_signal_pending(current) || (prio == COMPACT_PRIO_ASYNC && need_resched()))
			break;
	}
	return rc;
}

/* ---- All of it ---- */

int compact_nodes(void)
{
	struct zone *z;

	lru_add_drain_all();
	drain_all_pages();
	for_each_populated_zone(z) {
		struct compact_control cc = {
			.zone = z, .order = -1, .gfp = GFP_KERNEL, .highest = ZONE_NORMAL, .mode = MIGRATE_SYNC,
			.whole_zone = true, .ignore_skip_hint = true,
		};

		if (compact_zone(&cc) == COMPACT_CONTENDED && fatal_signal_pending(current))
			return -EINTR;
	}
	drain_all_pages();
	return 0;
}
