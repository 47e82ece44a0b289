/*
 * mm/force_collapse.c - "collapse" of /sys/kernel/debug/quire/force: khugepaged's look at a range, at once.
 *
 *	collapse PID START END		each 2 MiB of the range: its address and the word of ABI-20; ok
 *
 * As khugepaged would: with its limits and its settings, after a drain of all LRU batches, which begins each
 * of its passes (KHP-3). Linux has only the daemon, for which one has to wait.
 */
#include "kernel/fs/seq_file.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/control.h"
#include "mm/khugepaged.h"
#include "mm/lru.h"

static enum scan_result collapse_one(struct mm_struct *mm, unsigned long addr)
{
	struct collapse_control cc = { .is_khugepaged = true };
	struct vm_area_struct *vma;
	bool dropped = false;
	enum scan_result r;

	mmap_read_lock(mm);
	r = hugepage_vma_revalidate(mm, addr, &vma, &cc);
	if (r == SCAN_SUCCEED)
		r = collapse_scan_pmd(mm, vma, addr, &dropped, &cc);
	if (!dropped)
		mmap_read_unlock(mm);
	return r;
}

static int force_collapse(struct mm_struct *mm, unsigned long start, unsigned long end, char *args,
			  struct seq_file *out)
{
	unsigned long addr = ALIGN(start, PMD_SIZE);

	lru_add_drain_all();
	for (; addr < end && !fatal_signal_pending(current); addr += PMD_SIZE)
		seq_printf(out, "%#lx %s\n", addr, scan_result_word(collapse_one(mm, addr)));
	return 0;
}
FORCE_WORD("collapse", "", force_collapse);
