/*
 * mm/direct_reclaim.c - an allocator makes room itself (RCL-13), and what keeps it from trampling (RCL-21).
 *
 *	free memory nearly gone ──> wait for kswapd         too much isolated by others ──> a short nap, once
 *	all was under writeback ──> wait until the disk has written something
 *
 * Every wait ends by itself: kswapd gives up after some rounds, and the others have a time.
 *
 * Linux: try_to_free_pages(), reclaim_throttle() in mm/vmscan.c. Ours waits for one completion where Linux waits for a
 * count of them, and says so to the allocator, which then does not take the round for one without progress.
 */
#include "kernel/sched/sched.h"
#include "mm/compaction.h"
#include "mm/internal.h"
#include "mm/trace_mm.h"
#include "mm/vmscan.h"
#include "mm/vmstat.h"

#define WRITEBACK_WAIT	(100 * NSEC_PER_MSEC)
#define ISOLATED_WAIT	(20 * NSEC_PER_MSEC)
#define NOIO_WAIT	NSEC_PER_SEC

/* ---- The disk's progress ---- */

static DECLARE_WAIT_QUEUE_HEAD(writeback_wait);
static atomic_long_t writebacks_done;
static atomic_t writeback_waiters;

void reclaim_writeback_done(unsigned long nr)
{
	atomic_long_inc(&writebacks_done);
	if (!waitqueue_active(&writeback_wait))
		return;
	if (atomic_read(&writeback_waiters))
		mod_node_page_state(NR_THROTTLED_WRITTEN, (long)nr);
	wake_up_all(&writeback_wait);
}

long reclaim_writeback_mark(void)
{
	return atomic_long_read(&writebacks_done);
}

bool reclaim_wait_writeback(long mark)
{
	atomic_inc(&writeback_waiters);
	(void)___wait_event(writeback_wait, atomic_long_read(&writebacks_done) != mark, TASK_KILLABLE, 0, WRITEBACK_WAIT);
	atomic_dec(&writeback_waiters);
	return atomic_long_read(&writebacks_done) != mark;
}

/* ---- Too many at once ---- */

static bool too_many_isolated(bool file)
{
	unsigned long isolated = node_page_state(file ? NR_ISOLATED_FILE : NR_ISOLATED_ANON);

	return isolated > READ_ONCE(lru_size[file ? LRU_INACTIVE_FILE : LRU_INACTIVE_ANON]) / 8;
}

bool throttle_isolated(const struct scan_control *sc, bool file)
{
	if (sc->kswapd || !too_many_isolated(file))
		return true;
	/* Others have nearly all of the list in hand: what they put back or free is what this caller needs. */
	set_current_state(TASK_KILLABLE);
	schedule_timeout_ns(ISOLATED_WAIT);
	return !too_many_isolated(file);
}

static DECLARE_WAIT_QUEUE_HEAD(pfmemalloc_wait);

static bool allow_direct_reclaim(void)
{
	long free = 0, reserve = 0;
	struct zone *z;

	if (kswapd_is_hopeless())
		return true;
	for_each_populated_zone(z) {
		free += atomic_long_read(&z->free_pages);
		reserve += (long)z->watermark[WMARK_MIN];
	}
	if (!reserve || free > reserve / 2)
		return true;
	kswapd_wake();
	return false;
}

void wake_throttled(bool all)
{
	if (waitqueue_active(&pfmemalloc_wait) && (all || allow_direct_reclaim()))
		wake_up_all(&pfmemalloc_wait);
}

/*
 * The reserves are for those who write memory out; more of them would only use them up. True: the caller was killed
 * meanwhile, and need not reclaim.
 */
static bool throttle_direct_reclaim(gfp_t gfp)
{
	if ((current->flags & PF_KTHREAD) || fatal_signal_pending(current) || allow_direct_reclaim())
		return false;
	count_vm_event(PGSCAN_DIRECT_THROTTLE);
	/* Who may not start I/O may be what kswapd waits for. */
	(void)___wait_event(pfmemalloc_wait, allow_direct_reclaim(), TASK_KILLABLE, 0,
			    gfp & __GFP_IO ? -1 : (s64)NOIO_WAIT);
	return fatal_signal_pending(current);
}

/* ---- One call ---- */

static void count_stall(gfp_t gfp)
{
	count_vm_event(gfp & __GFP_DMA32 ? ALLOCSTALL_DMA32 : gfp & __GFP_MOVABLE ? ALLOCSTALL_MOVABLE : ALLOCSTALL_NORMAL);
}

/* For a large block it is enough if compaction can go ahead. */
static bool leave_it_to_compaction(const struct scan_control *sc)
{
	return sc->order > COSTLY_ORDER && (sc->gfp & __GFP_IO) && compaction_ready(sc->gfp, sc->order);
}

/* Priorities 12 to 0, until there is enough. *READY: for compaction. */
static void reclaim_rounds(struct scan_control *sc, bool *waited, bool *ready)
{
	for (sc->priority = DEF_PRIORITY; sc->priority >= 0; sc->priority--) {
		long mark = reclaim_writeback_mark();

		*ready = leave_it_to_compaction(sc);
		if (*ready)
			return;
		shrink_node(sc);
		if (sc->nr_reclaimed >= sc->nr_to_reclaim || fatal_signal_pending(current))
			return;
		if (sc->nr_writeback + sc->nr_started)
			*waited |= reclaim_wait_writeback(mark);
	}
}

unsigned long try_to_free_pages(gfp_t gfp, unsigned int order, bool *waited)
{
	struct scan_control sc = {
		.gfp = gfp, .order = order, .nr_to_reclaim = SWAP_CLUSTER_MAX, .zone = gfp_zone(gfp),
	};
	bool ready = false;
	unsigned int old;

	if (throttle_direct_reclaim(gfp))
		return 1;
	trace_mm_vmscan_direct_reclaim_begin(gfp, order);
	old = memalloc_noreclaim_save();
	fs_reclaim_acquire(gfp);
	for (;;) {
		count_stall(gfp);
		reclaim_rounds(&sc, waited, &ready);
		if (ready || sc.nr_reclaimed || !sc.skipped_deactivate || sc.force_deactivate)
			break;
		/* Nothing among the inactive ones, and active ones left in peace: not any more (RCL-6). */
		sc.force_deactivate = true;
	}
	fs_reclaim_release(gfp);
	memalloc_noreclaim_restore(old);
	trace_mm_vmscan_direct_reclaim_end(sc.nr_reclaimed);
	return sc.nr_reclaimed ? sc.nr_reclaimed : ready;
}
