/*
 * mm/madvise_collapse.c - MADV_COLLAPSE: the program itself asks for huge pages, here and now (KHP-27..30).
 *
 *	[start, end) of one VMA ──> each whole 2 MiB in it ──> collapse_scan_pmd, without khugepaged's limits
 *	                            0 only if all of them are huge at the end; else what the last failure says
 *
 * Policy settings do not count, except those by which somebody refused: MADV_NOHUGEPAGE, prctl (KHP-30). A
 * block that is just in use is passed over, and the next ones are done; EAGAIN then says that another try may
 * help.
 *
 * Linux: madvise_collapse() in mm/khugepaged.c.
 */
#include "kernel/sched/sched.h"
#include "mm/khugepaged.h"
#include "mm/lru.h"

/* KHP-28. */
static int errno_of(enum scan_result r)
{
	switch (r) {
	case SCAN_ALLOC_HUGE_PAGE_FAIL:
		return -ENOMEM;
	case SCAN_EXCEED_NONE_PTE:
		return -EBUSY;
	case SCAN_PAGE_COUNT:
	case SCAN_PAGE_LOCK:
	case SCAN_PAGE_LRU:
	case SCAN_DEL_PAGE_LRU:
		return -EAGAIN;
	default:
		return -EINVAL;
	}
}

/* KHP-29: a failure that says nothing about the next block. */
static bool goes_on_after(enum scan_result r)
{
	switch (r) {
	case SCAN_NO_PTE_TABLE:
	case SCAN_PTE_NON_PRESENT:
	case SCAN_PTE_UFFD_WP:
	case SCAN_LACK_REFERENCED_PAGE:
	case SCAN_PAGE_NULL:
	case SCAN_PAGE_COUNT:
	case SCAN_PAGE_LOCK:
	case SCAN_PAGE_COMPOUND:
	case SCAN_PAGE_LRU:
	case SCAN_DEL_PAGE_LRU:
		return true;
	default:
		return false;
	}
}

int madvise_collapse(struct vm_area_struct *vma, unsigned long start, unsigned long end, bool *lock_dropped)
{
	struct collapse_control cc = { .is_khugepaged = false };
	unsigned long first = ALIGN(start, PMD_SIZE), stop = ALIGN_DOWN(end, PMD_SIZE), addr;
	enum scan_result r, failure = SCAN_FAIL;
	struct mm_struct *mm = vma->vm_mm;
	unsigned long huge = 0;
	bool dropped = false;

	if (first > stop ||
	    !thp_vma_allowable_orders(vma, vma->vm_flags, TVA_FORCED_COLLAPSE, BIT(HPAGE_PMD_ORDER)))
		return -EINVAL;
	/* A page in some CPU's batch would look used. */
	lru_add_drain_all();
	for (addr = first; addr < stop && !fatal_signal_pending(current); addr += PMD_SIZE) {
		cond_resched();
		if (dropped) {
			mmap_read_lock(mm);
			dropped = false;
			*lock_dropped = true;
			r = hugepage_vma_revalidate(mm, addr, &vma, &cc);
			if (r != SCAN_SUCCEED) {
				failure = r;
				break;
			}
			stop = min(stop, ALIGN_DOWN(vma->vm_end, PMD_SIZE));
		}
		r = collapse_scan_pmd(mm, vma, addr, &dropped, &cc);
		if (r == SCAN_SUCCEED || r == SCAN_PMD_MAPPED) {
			huge++;
			continue;
		}
		failure = r;
		if (!goes_on_after(r))
			break;
	}
	if (dropped) {
		*lock_dropped = true;
		mmap_read_lock(mm);
	}
	return huge == (stop - first) / PMD_SIZE ? 0 : errno_of(failure);
}
