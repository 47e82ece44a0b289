/*
 * mm/alloc_slow.c - an allocation for which there is no memory above "low": make room, or find out that there is none.
 *
 *	wake kswapd ──> down to min ──> reclaim, try again, drain per-CPU lists, try again ──> progress? once more
 *	                   │                   then compact, try again                             │ no, 16 times
 *	                   └─ may not wait: NULL                                                   └──> OOM killer
 *
 * For a block of more than one page free memory may be enough, but in pieces: then it is compacted, at first without
 * waiting for anything, and harder in each round (MIG-16). Large blocks, and those of the kernel that spoil a pageblock,
 * begin with that and reclaim afterwards.
 *
 * Who may fail, and when (RCL-11, RCL-14, RCL-27..29):
 *
 *	GFP_ATOMIC, GFP_NOWAIT		at once
 *	__GFP_NORETRY			after one round of reclaim; order > 3: too
 *	__GFP_RETRY_MAYFAIL		when reclaim brings nothing any more
 *	victims of the OOM killer	when their reserve is gone
 *	GFP_KERNEL, orders 0..3		never, in practice
 *	__GFP_NOFAIL			never
 *
 * Linux: __alloc_pages_slowpath() in mm/page_alloc.c.
 */
#include "kernel/locking/lockdep.h"
#include "kernel/sched/sched.h"
#include "mm/compaction.h"
#include "mm/internal.h"
#include "mm/swap.h"
#include "mm/vmscan.h"
#include "mm/vmstat.h"

#define MAX_RETRIES	16		/* rounds in a row without progress */

/* ---- Where reclaim may happen (RCL-12) ---- */

#ifndef RELEASE
static struct lock_class fs_reclaim_class = { .name = "fs_reclaim", .kind = LOCK_OTHER };

void fs_reclaim_acquire(gfp_t gfp)
{
	if (gfp & __GFP_DIRECT_RECLAIM)
		lock_acquire(&fs_reclaim_class, &fs_reclaim_class, 0, false, false,
			     (unsigned long)__builtin_return_address(0));
}

void fs_reclaim_release(gfp_t gfp)
{
	if (gfp & __GFP_DIRECT_RECLAIM)
		lock_release(&fs_reclaim_class, &fs_reclaim_class);
}
#endif

void might_alloc(gfp_t gfp)
{
	if (!(gfp & __GFP_DIRECT_RECLAIM))
		return;
	might_sleep();
	/* Under PF_MEMALLOC there is no recursion: such an allocation waits for nothing. */
	if (in_irq() || (current->flags & PF_MEMALLOC))
		return;
	fs_reclaim_acquire(gfp);
	fs_reclaim_release(gfp);
}

/* ---- One allocation ---- */

struct slow_alloc {
	gfp_t gfp;
	unsigned int order;
	bool drained;		/* the per-CPU lists, since the last progress */
	bool oom_ran;		/* the OOM killer made room for this one */
	int no_progress;
	enum compact_priority prio;	/* of the next compaction */
	enum compact_result compacted;	/* what came of the last one */
};

static bool is_dying(void)
{
	return test_bit(TIF_MEMDIE, &current->ti_flags) || fatal_signal_pending(current);
}

/* RCL-9. */
static enum alloc_reserve reserve_of(const struct slow_alloc *s)
{
	if (!(s->gfp & __GFP_NOMEMALLOC) && !in_irq()) {
		if (current->flags & PF_MEMALLOC)
			return RESERVE_NONE;
		if (is_dying())
			return RESERVE_OOM;
	}
	if (s->gfp & __GFP_NOFAIL)
		return s->oom_ran ? RESERVE_NONE : RESERVE_OOM;
	return s->gfp & __GFP_HIGH ? RESERVE_ATOMIC : RESERVE_MIN;
}

static struct page *try_reserve(const struct slow_alloc *s)
{
	return get_page_from_freelist(s->gfp, s->order, reserve_of(s));
}

static void wake_all_kswapds(const struct slow_alloc *s)
{
	for (int t = gfp_zone(s->gfp); t >= 0; t--)
		if (zones[t].present_pages)
			wakeup_kswapd(&zones[t], s->gfp, s->order);
}

/* RCL-13. *PROGRESS: pages were freed, or are on their way to the disk. */
static struct page *reclaim_and_try(struct slow_alloc *s, bool *progress)
{
	bool waited = false;
	struct page *p;

	*progress = try_to_free_pages(s->gfp, s->order, &waited) > 0;
	*progress |= waited;
	p = try_reserve(s);
	if (p || (s->drained && !*progress))
		return p;
	drain_all_pages();
	s->drained = true;
	return try_reserve(s);
}

/* ---- Compaction (MIG-16, MIG-17) ---- */

static struct page *compact_and_try(struct slow_alloc *s, enum compact_priority prio)
{
	unsigned int old;
	struct page *p;

	s->compacted = COMPACT_SKIPPED;
	if (!s->order || !(s->gfp & __GFP_IO))
		return NULL;
	old = memalloc_noreclaim_save();
	fs_reclaim_acquire(s->gfp);
	s->compacted = try_to_compact_pages(s->gfp, s->order, prio);
	fs_reclaim_release(s->gfp);
	memalloc_noreclaim_restore(old);
	if (s->compacted == COMPACT_SKIPPED)
		return NULL;
	count_vm_event(COMPACTSTALL);
	p = try_reserve(s);
	count_vm_event(p ? COMPACTSUCCESS : COMPACTFAIL);
	if (p)
		compaction_defer_reset(page_zone(p), s->order, true);
	return p;
}

/* Before anything is reclaimed. *GIVE_UP: who would not insist should not reclaim for it either. */
static struct page *compact_first(struct slow_alloc *s, bool *give_up)
{
	struct page *p;

	*give_up = false;
	if (s->order <= COSTLY_ORDER && (s->gfp & __GFP_MOVABLE))
		return NULL;
	p = compact_and_try(s, COMPACT_PRIO_ASYNC);
	if (s->order > COSTLY_ORDER && (s->gfp & __GFP_NORETRY)) {
		s->prio = COMPACT_PRIO_ASYNC;
		*give_up = s->compacted <= COMPACT_DEFERRED;
	}
	return p;
}

/* A run was in vain, or not made: the next one is to try harder. True: there is a harder way. */
static bool compact_harder(struct slow_alloc *s)
{
	if (s->compacted == COMPACT_SKIPPED || s->compacted == COMPACT_SUCCESS)
		return false;
	if (s->prio <= (s->order > COSTLY_ORDER ? COMPACT_PRIO_SYNC_LIGHT : COMPACT_PRIO_SYNC_FULL))
		return false;
	s->prio--;
	return true;
}

/* ---- Once more? ---- */

/* What could be freed at best: anonymous memory only if it has somewhere to go. */
static long reclaimable_pages(void)
{
	long n = (long)(node_page_state(NR_INACTIVE_FILE) + node_page_state(NR_ACTIVE_FILE));

	if (can_get_swap_slots())
		n += (long)(node_page_state(NR_INACTIVE_ANON) + node_page_state(NR_ACTIVE_ANON));
	return n;
}

/* RCL-14. */
static bool should_reclaim_retry(struct slow_alloc *s, bool progress)
{
	enum zone_type highest = gfp_zone(s->gfp);
	struct zone *z;

	s->no_progress = progress && s->order <= COSTLY_ORDER ? 0 : s->no_progress + 1;
	if (s->no_progress > MAX_RETRIES || (s->order > COSTLY_ORDER && !progress))
		return false;
	for_each_populated_zone(z)
		if (z <= &zones[highest] &&
		    zone_watermark_ok(z, s->order, z->watermark[WMARK_MIN], highest, reclaimable_pages()))
			return true;
	return false;
}

/* RCL-29, but for NOIO: it is others who may kill for it. */
static bool oom_may_help(const struct slow_alloc *s)
{
	if (s->gfp & __GFP_NOFAIL)
		return true;
	if (s->order > COSTLY_ORDER || (s->gfp & (__GFP_NORETRY | __GFP_RETRY_MAYFAIL | __GFP_DMA32)))
		return false;
	/* A large folio is only a wish: there are smaller ones. */
	return s->order < 2 || !(s->gfp & __GFP_MOVABLE);
}

/* Reclaim has come to its end. True: something may have changed. */
static bool last_resort(struct slow_alloc *s)
{
	if (!oom_may_help(s) || !out_of_memory(s->gfp, s->order))
		return false;
	s->oom_ran = s->gfp & __GFP_IO;
	s->drained = false;
	s->no_progress = 0;
	return true;
}

/* May not wait, or makes memory itself. */
static bool must_not_reclaim(gfp_t gfp)
{
	return !(gfp & __GFP_DIRECT_RECLAIM) || (current->flags & PF_MEMALLOC);
}

struct page *alloc_pages_slow(gfp_t gfp, unsigned int order)
{
	struct slow_alloc s = { .gfp = gfp, .order = order, .prio = COMPACT_PRIO_SYNC_LIGHT };
	bool progress, give_up = false, harder;
	struct page *p;

	WARN_ON_ONCE((gfp & __GFP_NOFAIL) && must_not_reclaim(gfp));
	for (bool first = true;; first = false) {
		if (gfp & __GFP_KSWAPD_RECLAIM)
			wake_all_kswapds(&s);
		p = try_reserve(&s);
		if (p || must_not_reclaim(gfp))
			return p;
		if (is_dying() && !(gfp & __GFP_NOFAIL))
			return NULL;
		p = first ? compact_first(&s, &give_up) : NULL;
		if (p || give_up)
			return p;
		p = reclaim_and_try(&s, &progress);
		if (!p)
			p = compact_and_try(&s, s.prio);
		if (p)
			return p;
		if ((gfp & __GFP_NORETRY) || (order > COSTLY_ORDER && !(gfp & (__GFP_RETRY_MAYFAIL | __GFP_NOFAIL))))
			return NULL;
		harder = compact_harder(&s);
		if (should_reclaim_retry(&s, progress) || harder) {
			cond_resched();
			continue;
		}
		if (!last_resort(&s) && !(gfp & __GFP_NOFAIL))
			return NULL;
	}
}
