/*
 * mm/thp_policy.h - which orders an anonymous fault may use (MTHP-*), the knobs under
 * /sys/kernel/mm/transparent_hugepage (ABI-5..8), and the counters of each size (ABI-7). thp_policy.c,
 * thp_sysfs.c.
 *
 *	candidate orders ──> policy ──> geometry ──> contents of the table ──> allocation
 *	                     here       here         memory.c                  memory.c
 */
#ifndef MM_THP_POLICY_H
#define MM_THP_POLICY_H

#include "mm/gfp.h"
#include "mm/mm_types.h"
#include "mm/thp_orders.h"

/* Who asks (MTHP-2, KHP-15, ABI-14). */
enum tva_type { TVA_SMAPS, TVA_PAGEFAULT, TVA_KHUGEPAGED, TVA_FORCED_COLLAPSE };
/*
 * ORDERS cut down to what policy allows VMA; VM_FLAGS stands in for its flags.
 * Smaps and khugepaged: also by size.
 */
unsigned long thp_vma_allowable_orders(struct vm_area_struct *vma, vm_flags_t vm_flags, enum tva_type type,
				       unsigned long orders);
/* ORDERS cut down to those whose aligned block around ADDR lies within VMA (MTHP-4). */
unsigned long thp_vma_suitable_orders(struct vm_area_struct *vma, unsigned long addr, unsigned long orders);
/*
 * How hard to try for a large folio (MTHP-13). Includes GFP_HIGHUSER_MOVABLE's bits,
 * NOWARN and COMP; not ZERO.
 */
gfp_t vma_thp_gfp_mask(struct vm_area_struct *vma);
/* MADV_HUGEPAGE, MADV_NOHUGEPAGE: the new flags in *VM_FLAGS. 0 or -EINVAL. */
int hugepage_madvise(struct vm_area_struct *vma, vm_flags_t *vm_flags, int advice);
bool thp_use_zero_page(void);
bool thp_shrink_underused(void);
/* khugepaged's limits (KHP-10); SPLIT-12 uses the first. */
extern unsigned int khugepaged_max_ptes_none, khugepaged_max_ptes_swap, khugepaged_max_ptes_shared;
/* Its pace, whether it may compact, and what it has done (ABI-8). */
extern unsigned int khugepaged_pages_to_scan;
extern unsigned int khugepaged_scan_sleep_millisecs, khugepaged_alloc_sleep_millisecs;
extern bool khugepaged_defrag;
extern unsigned long khugepaged_pages_collapsed, khugepaged_full_scans;
/* PMD-size THP is possible at all (ABI-9). */
bool hugepage_pmd_enabled(void);

/* Counters of each size; orders 2..9. Gauges may be changed by any amount. */
enum mthp_stat_item {
	MTHP_STAT_ANON_FAULT_ALLOC, MTHP_STAT_ANON_FAULT_FALLBACK, MTHP_STAT_ANON_FAULT_FALLBACK_CHARGE,
	MTHP_STAT_SWPIN, MTHP_STAT_SWPIN_FALLBACK, MTHP_STAT_SWPIN_FALLBACK_CHARGE,
	MTHP_STAT_SWPOUT, MTHP_STAT_SWPOUT_FALLBACK,
	MTHP_STAT_SPLIT, MTHP_STAT_SPLIT_FAILED, MTHP_STAT_SPLIT_DEFERRED,
	MTHP_STAT_NR_ANON, MTHP_STAT_NR_ANON_PARTIALLY_MAPPED, NR_MTHP_STAT_ITEMS
};
void mod_mthp_stat(unsigned int order, enum mthp_stat_item item, long delta);
static inline void count_mthp_stat(unsigned int order, enum mthp_stat_item item)
{
	mod_mthp_stat(order, item, 1);
}
long mthp_stat_sum(unsigned int order, enum mthp_stat_item item);

/* ---- Between thp_policy.c and thp_sysfs.c ---- */

/* The words of `defrag`, in the order in which it shows them. */
enum thp_defrag {
	THP_DEFRAG_ALWAYS, THP_DEFRAG_DEFER, THP_DEFRAG_DEFER_MADVISE, THP_DEFRAG_MADVISE, THP_DEFRAG_NEVER
};
extern struct thp_knobs thp_knobs;	/* thp_knobs_lock to change; readers take what they find */
extern spinlock_t thp_knobs_lock;
extern enum thp_defrag thp_defrag;
extern bool thp_zero_page_knob, thp_shrink_underused_knob;

#endif
