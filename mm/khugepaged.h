/*
 * mm/khugepaged.h - making huge pages out of small ones afterwards: the daemon that looks for ranges worth it
 * (khugepaged.c, KHP-1..8), and looking at one range and collapsing it (collapse_scan.c, collapse.c, KHP-9..26), which
 * MADV_COLLAPSE asks for, too (madvise_collapse.c, KHP-27..30).
 *
 *	khugepaged ────┐
 *	               ├──> collapse_scan_pmd ── every PTE passes ──> collapse_huge_page
 *	MADV_COLLAPSE ─┘      mmap lock, reading                        drops it: allocate, swap in, then
 *	                                                                mmap lock, writing: the atomic part
 *
 * Linux: mm/khugepaged.c, include/linux/khugepaged.h.
 */
#ifndef MM_KHUGEPAGED_H
#define MM_KHUGEPAGED_H

#include "mm/huge_memory.h"

/* What came of a range; the words of ABI-20, in its order (ABI-18 prints the place). X(enumerator, "word"). */
#define SCAN_RESULT_LIST(X)								\
	X(SCAN_FAIL, "failed")								\
	X(SCAN_SUCCEED, "succeeded")							\
	X(SCAN_NO_PTE_TABLE, "no_pte_table")						\
	X(SCAN_PMD_MAPPED, "page_pmd_mapped")						\
	X(SCAN_EXCEED_NONE_PTE, "exceed_none_pte")					\
	X(SCAN_EXCEED_SWAP_PTE, "exceed_swap_pte")					\
	X(SCAN_EXCEED_SHARED_PTE, "exceed_shared_pte")					\
	X(SCAN_PTE_NON_PRESENT, "pte_non_present")					\
	X(SCAN_PTE_UFFD_WP, "pte_uffd_wp")						\
	X(SCAN_PTE_MAPPED_HUGEPAGE, "pte_mapped_hugepage")				\
	X(SCAN_LACK_REFERENCED_PAGE, "lack_referenced_page")				\
	X(SCAN_PAGE_NULL, "page_null")							\
	X(SCAN_SCAN_ABORT, "scan_aborted")						\
	X(SCAN_PAGE_COUNT, "not_suitable_page_count")					\
	X(SCAN_PAGE_LRU, "page_not_in_lru")						\
	X(SCAN_PAGE_LOCK, "page_locked")						\
	X(SCAN_PAGE_ANON, "page_not_anon")						\
	X(SCAN_PAGE_LAZYFREE, "page_lazyfree")						\
	X(SCAN_PAGE_COMPOUND, "page_compound")						\
	X(SCAN_ANY_PROCESS, "no_process_for_page")					\
	X(SCAN_VMA_NULL, "vma_null")							\
	X(SCAN_VMA_CHECK, "vma_check_failed")						\
	X(SCAN_ADDRESS_RANGE, "not_suitable_address_range")				\
	X(SCAN_DEL_PAGE_LRU, "could_not_delete_page_from_lru")				\
	X(SCAN_ALLOC_HUGE_PAGE_FAIL, "alloc_huge_page_failed")
#define __SCAN_ENUM(e, t) e,
enum scan_result { SCAN_RESULT_LIST(__SCAN_ENUM) NR_SCAN_RESULTS };
#undef __SCAN_ENUM
const char *scan_result_word(enum scan_result r);

/* Who collapses, and by which limits. */
struct collapse_control {
	bool is_khugepaged;	/* limits, the young rule and the settings hold (KHP-15: not for MADV_COLLAPSE) */
	bool holes_later;	/* how many none PTEs there may be is judged block by block (KHP-31) */
	unsigned int progress;	/* units used (KHP-3): one per PTE that was looked at, or one for the PMD */
	/* Of the range looked at last, for traces and "why not huge?". */
	unsigned long refused_addr;	/* where the scan ended; 0 if it did not */
};

/*
 * Look at the 2 MiB range of MM at START (aligned), in VMA, which contains it (KHP-9..15); if every PTE passes, collapse
 * it (KHP-16..26). *LOCK_DROPPED: the mmap lock is no longer held and VMA is dead; else it is held as before.
 * => mmap lock held for reading; may sleep
 */
enum scan_result collapse_scan_pmd(struct mm_struct *mm, struct vm_area_struct *vma, unsigned long start,
				   bool *lock_dropped, struct collapse_control *cc);
/*
 * MADV_COLLAPSE for [START, END) of VMA (KHP-27..30). 0, or Linux's error. *LOCK_DROPPED as above.
 * => mmap lock held for reading; may sleep
 */
int madvise_collapse(struct vm_area_struct *vma, unsigned long start, unsigned long end, bool *lock_dropped);
/*
 * Is ADDR still the start of a 2 MiB range that may be collapsed, after a time without the mmap lock (KHP-22)?
 * SCAN_SUCCEED: *VMA contains it. => mmap lock held, either way
 */
enum scan_result hugepage_vma_revalidate(struct mm_struct *mm, unsigned long addr, struct vm_area_struct **vma,
					 struct collapse_control *cc);

/* ---- The daemon ---- */

/* VMA may interest khugepaged from now on: register its mm if KHP-1 says so. => mmap lock held; does not fail visibly */
void khugepaged_enter_vma(struct vm_area_struct *vma, vm_flags_t vm_flags);
/* The child of a registered mm is registered, too (KHP-1). May fail silently. */
void khugepaged_fork(struct mm_struct *mm, struct mm_struct *oldmm);
/* MM has no users left; before its page tables go (KHP-8). => mmap lock not held; may sleep */
void khugepaged_exit(struct mm_struct *mm);
/*
 * The policy for 2 MiB may have changed: start or stop the daemon (ABI-9), and set the watermarks (RCL-8).
 * 0 or -ENOMEM: it could not be started. => may sleep
 */
int khugepaged_start_stop(void);
/* A sleep time changed: the daemon does not sleep for the old one any more (ABI-8). */
void khugepaged_wake(void);

#endif
