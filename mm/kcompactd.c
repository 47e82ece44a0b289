/*
 * mm/kcompactd.c - the thread that makes large blocks before somebody has to wait for one (MIG-18).
 *
 *	kswapd has enough free memory ──┐
 *	who may not wait finds no block ┴─> wakeup_kcompactd ──> each zone: synchronous, lightly ──> asleep
 *
 * It works for the highest order that was asked for since the last time, whether it gets it or not; then it waits until it
 * is asked again. Linux: kcompactd() in mm/compaction.c. Left out: compacting ahead of all requests (proactiveness).
 */
#include "kernel/init.h"
#include "kernel/sched/sched.h"
#include "mm/compaction.h"
#include "mm/internal.h"
#include "mm/vmstat.h"

static DECLARE_WAIT_QUEUE_HEAD(kcompactd_wait);
/* 0: no request. No lock: a lost one is repeated by the next allocation. */
static unsigned int wanted_order;

/* There is something that it could do. */
static bool some_zone_suitable(unsigned int order)
{
	struct zone *z;

	for_each_populated_zone(z)
		if (compaction_suit_allocation_order(z, order, ZONE_NORMAL) == COMPACT_CONTINUE)
			return true;
	return false;
}

void wakeup_kcompactd(unsigned int order)
{
	if (!order)
		return;
	if (READ_ONCE(wanted_order) < order)
		WRITE_ONCE(wanted_order, order);
	if (waitqueue_active(&kcompactd_wait) && some_zone_suitable(READ_ONCE(wanted_order)))
		wake_up_all(&kcompactd_wait);
}

static void compact_for(struct zone *z, unsigned int order)
{
	struct compact_control cc = {
		.zone = z, .order = (int)order, .gfp = GFP_KERNEL, .highest = ZONE_NORMAL, .mode = MIGRATE_SYNC_LIGHT,
	};

	if (compaction_deferred(z, order))
		return;
	switch (compact_zone(&cc)) {
	case COMPACT_SUCCESS:
		compaction_defer_reset(z, order, false);
		break;
	case COMPACT_COMPLETE:
	case COMPACT_PARTIAL_SKIPPED:
		/* What it freed may lie on other CPUs' lists, where it cannot merge. */
		drain_all_pages();
		defer_compaction(z, order);
		break;
	default:
		break;
	}
	count_vm_events(KCOMPACTD_MIGRATE_SCANNED, (long)cc.migrate_scanned);
	count_vm_events(KCOMPACTD_FREE_SCANNED, (long)cc.free_scanned);
}

static int kcompactd(void *unused)
{
	for (;;) {
		unsigned int order;
		struct zone *z;

		(void)___wait_event(kcompactd_wait, READ_ONCE(wanted_order), TASK_INTERRUPTIBLE, 0, -1);
		order = xchg(&wanted_order, 0);
		count_vm_event(KCOMPACTD_WAKE);
		for_each_populated_zone(z)
			compact_for(z, order);
	}
	return 0;
}

static int kcompactd_init(void)
{
	if (!kthread_run(kcompactd, NULL, "kcompactd0"))
		panic("no memory for kcompactd0");
	return 0;
}
late_initcall(kcompactd_init);
