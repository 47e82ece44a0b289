/*
 * mm/force_reclaim.c - "scan" and "reclaim" of /sys/kernel/debug/quire/force.
 *
 *	scan    PID START END		put each folio mapped there through RCL-15, as reclaim would that met it on an
 *					inactive list; a line for each: what became of it, and the step that decided
 *	reclaim 0 0 PAGES		direct reclaim, as if an allocator had to have so many pages
 *
 * The steps are numbered as in vmscan.c.
 */
#include "kernel/fs/seq_file.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/control.h"
#include "mm/internal.h"
#include "mm/vmscan.h"

static const char *const verdict_names[] = {
	[RECLAIM_KEEP] = "keep", [RECLAIM_ACTIVATE] = "activate", [RECLAIM_UNEVICTABLE] = "unevictable",
	[RECLAIM_FREED] = "freed", [RECLAIM_WRITING] = "writing",
};

/* F is isolated by the caller's reference, which is gone afterwards. */
static void scan_folio(struct folio *f, struct seq_file *out)
{
	struct scan_control sc = { .gfp = GFP_KERNEL, .zone = ZONE_NORMAL };
	unsigned long pfn = folio_pfn(f), freed;
	unsigned int old = memalloc_noreclaim_save(), order = folio_order(f);
	LIST_HEAD(list);

	list_add(&f->lru, &list);
	folio_clear_active(f);
	fs_reclaim_acquire(sc.gfp);
	freed = shrink_folio_list(&list, &sc);
	fs_reclaim_release(sc.gfp);
	folios_putback_lru(&list);
	memalloc_noreclaim_restore(old);
	seq_printf(out, "pfn=0x%lx order=%u verdict=%s step=%d freed=%lu\n", pfn, order, verdict_names[sc.verdict], sc.step,
		   freed);
}

static int force_scan(struct mm_struct *mm, unsigned long start, unsigned long end, char *args, struct seq_file *out)
{
	unsigned long addr = start & PAGE_MASK;
	struct folio *f;

	lru_add_drain_all();
	while (!fatal_signal_pending(current) && (f = next_mapped_folio(mm, &addr, end))) {
		if (folio_isolate_lru(f)) {
			scan_folio(f, out);
		} else {
			seq_printf(out, "pfn=0x%lx order=%u verdict=isolated\n", folio_pfn(f), folio_order(f));
			folio_put(f);
		}
		cond_resched();
	}
	return fatal_signal_pending(current) ? -EINTR : 0;
}
FORCE_WORD("scan", "", force_scan);

static int force_reclaim(struct mm_struct *mm, unsigned long start, unsigned long end, char *args, struct seq_file *out)
{
	unsigned long freed = 0, n = 1;

	lru_add_drain_all();
	while (n && freed < end && !fatal_signal_pending(current)) {
		bool waited;

		n = try_to_free_pages(GFP_KERNEL, 0, &waited);
		freed += n;
	}
	seq_printf(out, "freed=%lu\n", freed);
	return 0;
}
FORCE_WORD("reclaim", "", force_reclaim);
