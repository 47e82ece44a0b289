/*
 * mm/kswapd.c - the thread that makes memory free before somebody has to wait for it (RCL-10).
 *
 *	a zone below low ──wakeup_kswapd──> balance_pgdat: rounds of priority 12 ... 1 ──> a zone at high
 *	                                                                                        │
 *	        asleep <── still balanced <── nap, 100 ms <── kcompactd may go on <─────────────┘
 *
 * A run that frees nothing counts; after 16 in a row there is nothing it could do, and it sleeps until direct reclaim has
 * found enough to bring the node back to high. So it never spins. Linux: kswapd() in mm/vmscan.c.
 */
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/sched/sched.h"
#include "mm/compaction.h"
#include "mm/internal.h"
#include "mm/trace_mm.h"
#include "mm/vmscan.h"
#include "mm/vmstat.h"

#define MAX_FAILURES	16
#define NAP		(100 * NSEC_PER_MSEC)

static DECLARE_WAIT_QUEUE_HEAD(kswapd_wait);
/* What it was woken for, the most of all requests. No lock: a lost update is repeated by the next allocation. */
static unsigned int wanted_order;
static int wanted_zone = -1;	/* -1: no request */
static atomic_t failures;	/* runs in a row that freed nothing */

/* Some zone that a request up to HIGHEST can use is at high for ORDER. */
static bool pgdat_balanced(unsigned int order, enum zone_type highest)
{
	return zones_at_high(highest == ZONE_DMA32 ? __GFP_DMA32 : 0, order);
}

bool kswapd_is_hopeless(void)
{
	return atomic_read(&failures) >= MAX_FAILURES;
}

void kswapd_try_clear_hopeless(const struct scan_control *sc)
{
	if (atomic_read(&failures) && pgdat_balanced(sc->order, sc->zone))
		atomic_set(&failures, 0);
}

void kswapd_wake(void)
{
	if (waitqueue_active(&kswapd_wait))
		wake_up_all(&kswapd_wait);
}

void wakeup_kswapd(struct zone *z, gfp_t gfp, unsigned int order)
{
	enum zone_type highest = gfp_zone(gfp);

	if (!z->managed_pages)
		return;
	if (READ_ONCE(wanted_order) < order)
		WRITE_ONCE(wanted_order, order);
	if (READ_ONCE(wanted_zone) < (int)highest)
		WRITE_ONCE(wanted_zone, (int)highest);
	if (!waitqueue_active(&kswapd_wait))
		return;
	if (kswapd_is_hopeless() || pgdat_balanced(order, highest)) {
		/* There is enough free memory, but not in one piece: who will not compact itself leaves it to the daemon. */
		if (!(gfp & __GFP_DIRECT_RECLAIM))
			wakeup_kcompactd(order);
		return;
	}
	trace_mm_vmscan_wakeup_kswapd(0, highest, order, gfp);
	wake_up_all(&kswapd_wait);
}

/* ---- One run ---- */

/* True: looked at as many pages as it is to reclaim, so that the same priority may go on. */
static bool kswapd_shrink_node(struct scan_control *sc)
{
	unsigned long scanned = sc->nr_scanned, want = 0;
	struct zone *z;

	for_each_populated_zone(z)
		if (z <= &zones[sc->zone])
			want += max(z->watermark[WMARK_HIGH], (unsigned long)SWAP_CLUSTER_MAX);
	sc->nr_to_reclaim = sc->nr_reclaimed + want;
	shrink_node(sc);
	/* For a block this large others have to be moved; more free pages do not help. */
	if (sc->order && sc->nr_reclaimed >= 2UL << sc->order)
		sc->order = 0;
	return sc->nr_scanned - scanned >= want;
}

/* The order that was reclaimed for in the end. */
static unsigned int balance_pgdat(unsigned int order, enum zone_type highest)
{
	struct scan_control sc = {
		.gfp = GFP_KERNEL, .order = order, .zone = highest, .kswapd = true, .priority = DEF_PRIORITY,
	};

	count_vm_event(PAGEOUTRUN);
	fs_reclaim_acquire(GFP_KERNEL);
	while (sc.priority >= 1 && !pgdat_balanced(sc.order, highest)) {
		unsigned long before = sc.nr_reclaimed;
		long mark = reclaim_writeback_mark();
		bool enough = kswapd_shrink_node(&sc);

		wake_throttled(false);
		/* The disk is behind: all that it finds are pages that it has sent there itself. */
		if (sc.nr_immediate && sc.nr_writeback == sc.nr_taken)
			(void)reclaim_wait_writeback(mark);
		if (!enough || sc.nr_reclaimed == before)
			sc.priority--;
	}
	fs_reclaim_release(GFP_KERNEL);
	if (sc.nr_reclaimed)
		atomic_set(&failures, 0);
	else if (!pgdat_balanced(sc.order, highest))
		atomic_inc(&failures);
	wake_throttled(false);
	return sc.order;
}

/* ---- Sleeping ---- */

/* Nothing to do, or nothing that could be done. */
static bool may_sleep(unsigned int order, enum zone_type highest)
{
	/* Whoever waits for kswapd does not any more: it is allowed to reclaim itself, or to fail. */
	wake_throttled(true);
	return kswapd_is_hopeless() || pgdat_balanced(order, highest);
}

/* ORDER is what was wanted, RECLAIMED what the last run was for in the end. */
static void try_to_sleep(unsigned int order, unsigned int reclaimed, enum zone_type highest)
{
	struct wait_queue_entry w;
	s64 left = 0;

	init_wait(&w);
	prepare_to_wait(&kswapd_wait, &w, TASK_INTERRUPTIBLE);
	if (may_sleep(reclaimed, highest)) {
		reset_isolation_suitable();
		wakeup_kcompactd(order);
		left = schedule_timeout_ns(NAP);
		prepare_to_wait(&kswapd_wait, &w, TASK_INTERRUPTIBLE);
	}
	if (left > 0)
		count_vm_event(KSWAPD_LOW_WMARK_HIT_QUICKLY);
	else if (!may_sleep(reclaimed, highest))
		count_vm_event(KSWAPD_HIGH_WMARK_HIT_QUICKLY);
	else {
		trace_mm_vmscan_kswapd_sleep(0);
		schedule();
	}
	finish_wait(&kswapd_wait, &w);
}

static int kswapd(void *unused)
{
	unsigned int order = 0, reclaimed = 0;
	enum zone_type highest = ZONE_NORMAL;
	int zone;

	current->flags |= PF_MEMALLOC;
	for (;;) {
		try_to_sleep(order, reclaimed, highest);
		order = xchg(&wanted_order, 0);
		zone = xchg(&wanted_zone, -1);
		if (zone >= 0)
			highest = (enum zone_type)zone;
		trace_mm_vmscan_kswapd_wake(0, highest, order);
		reclaimed = balance_pgdat(order, highest);
	}
	return 0;
}

static int kswapd_init(void)
{
	proc_sys_int("vm/swappiness", 0644, &vm_swappiness, 0, 200);
	if (!kthread_run(kswapd, NULL, "kswapd0"))
		panic("no memory for kswapd0");
	return 0;
}
late_initcall(kswapd_init);
