/*
 * mm/thp_policy.c - may this mapping have large folios, of which orders, and how hard to try (MTHP-1..4,
 * MTHP-13).
 *
 *	mapping: anonymous, not special ──> process: prctl ──> size: fits ──> knobs: always, madvise, inherit
 *
 * The knobs are changed under thp_knobs_lock and read without: a fault that runs while one changes follows
 * the old or the new value. Their files are in thp_sysfs.c, the arithmetic in thp_orders.c. Counters of
 * each size are per CPU, like those of vmstat.c.
 *
 * Left out: file and shared memory, which have no large folios here. Linux: mm/huge_memory.c.
 */
#include "mm/thp_policy.h"
#include "arch-x86_64/smp.h"
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "mm/khugepaged.h"
#include "mm/slab.h"

/* MTHP-3 */
struct thp_knobs thp_knobs = { .global = THP_ALWAYS, .inherit = BIT(HPAGE_PMD_ORDER) };
DEFINE_SPINLOCK(thp_knobs_lock);
enum thp_defrag thp_defrag = THP_DEFRAG_MADVISE;
bool thp_zero_page_knob = true, thp_shrink_underused_knob = true;

unsigned int khugepaged_max_ptes_none = HPAGE_PMD_NR - 1;
unsigned int khugepaged_max_ptes_swap = HPAGE_PMD_NR / 8;
unsigned int khugepaged_max_ptes_shared = HPAGE_PMD_NR / 2;
unsigned int khugepaged_pages_to_scan = HPAGE_PMD_NR * 8;
unsigned int khugepaged_scan_sleep_millisecs = 10000, khugepaged_alloc_sleep_millisecs = 60000;
bool khugepaged_defrag = true;
unsigned long khugepaged_pages_collapsed, khugepaged_full_scans;

bool thp_use_zero_page(void)	{ return READ_ONCE(thp_zero_page_knob); }
bool thp_shrink_underused(void)	{ return READ_ONCE(thp_shrink_underused_knob); }

bool hugepage_pmd_enabled(void)
{
	return thp_allowed_orders(&thp_knobs, true, BIT(HPAGE_PMD_ORDER));
}

/* ---- Policy ---- */

#define VM_NO_THP (VM_IO | VM_DONTEXPAND | VM_PFNMAP)

/* MADV_NOHUGEPAGE, or the process said so (ABI-23). A collapse that the program asks for counts as advice. */
static bool vma_thp_disabled(const struct vm_area_struct *vma, vm_flags_t vm_flags, bool advised)
{
	const unsigned long *flags = &vma->vm_mm->flags;

	if ((vm_flags & VM_NOHUGEPAGE) || test_bit(MMF_DISABLE_THP, flags))
		return true;
	return !advised && test_bit(MMF_DISABLE_THP_EXCEPT_ADVISED, flags);
}

unsigned long thp_vma_allowable_orders(struct vm_area_struct *vma, vm_flags_t vm_flags, enum tva_type type,
				       unsigned long orders)
{
	bool advised = vm_flags & VM_HUGEPAGE, forced = type == TVA_FORCED_COLLAPSE;

	orders &= THP_ORDERS_ALL_ANON;
	if (!orders || !vma_is_anonymous(vma) || (vm_flags & VM_NO_THP))
		return 0;
	if (vma_thp_disabled(vma, vm_flags, advised || forced))
		return 0;
	/*
	 * A fault asks for the block around its address afterwards;
	 * the others, whether there is one anywhere.
	 */
	if (type != TVA_PAGEFAULT)
		orders = thp_contained_orders(vma->vm_start, vma->vm_end, orders);
	if (!forced)
		orders = thp_allowed_orders(&thp_knobs, advised, orders);
	/* Never touched: there is nothing to collapse yet. */
	if ((type == TVA_KHUGEPAGED || forced) && !READ_ONCE(vma->anon_vma))
		return 0;
	return orders;
}

unsigned long thp_vma_suitable_orders(struct vm_area_struct *vma, unsigned long addr, unsigned long orders)
{
	return thp_fitting_orders(vma->vm_start, vma->vm_end, addr, orders);
}

gfp_t vma_thp_gfp_mask(struct vm_area_struct *vma)
{
	bool advised = vma->vm_flags & VM_HUGEPAGE;

	switch (READ_ONCE(thp_defrag)) {
	case THP_DEFRAG_ALWAYS:
		return GFP_TRANSHUGE | (advised ? 0 : __GFP_NORETRY);
	case THP_DEFRAG_DEFER:
		return GFP_TRANSHUGE_LIGHT | __GFP_KSWAPD_RECLAIM;
	case THP_DEFRAG_DEFER_MADVISE:
		return GFP_TRANSHUGE_LIGHT | (advised ? __GFP_DIRECT_RECLAIM : __GFP_KSWAPD_RECLAIM);
	case THP_DEFRAG_MADVISE:
		return GFP_TRANSHUGE_LIGHT | (advised ? __GFP_DIRECT_RECLAIM : 0);
	default:
		return GFP_TRANSHUGE_LIGHT;
	}
}

int hugepage_madvise(struct vm_area_struct *vma, vm_flags_t *vm_flags, int advice)
{
	enum { MADV_HUGEPAGE = 14, MADV_NOHUGEPAGE };

	switch (advice) {
	case MADV_HUGEPAGE:
		*vm_flags = (*vm_flags & ~VM_NOHUGEPAGE) | VM_HUGEPAGE;
		/* A fault that would register it may be long in coming. */
		khugepaged_enter_vma(vma, *vm_flags);
		return 0;
	case MADV_NOHUGEPAGE:
		*vm_flags = (*vm_flags & ~VM_HUGEPAGE) | VM_NOHUGEPAGE;
		return 0;
	default:
		return -EINVAL;
	}
}

/* ---- Counters of each size (ABI-7) ---- */

struct mthp_stats { long stat[HPAGE_PMD_ORDER + 1][NR_MTHP_STAT_ITEMS]; };
static DEFINE_PER_CPU(struct mthp_stats, mthp_stats);

void mod_mthp_stat(unsigned int order, enum mthp_stat_item item, long delta)
{
	/* SPLIT-14: what ends as base pages is counted nowhere. */
	if (order > 0 && order <= HPAGE_PMD_ORDER)
		this_cpu_add(mthp_stats.stat[order][item], delta);
}

long mthp_stat_sum(unsigned int order, enum mthp_stat_item item)
{
	long sum = 0;
	int cpu;

	for_each_online_cpu(cpu)
		sum += READ_ONCE(per_cpu(mthp_stats, cpu).stat[order][item]);
	/* A folio may be counted on one CPU and discounted on another between two reads. */
	return sum < 0 ? 0 : sum;
}

/* ---- Boot words (ABI-26) ---- */

static int transparent_hugepage_param(char *value)
{
	static const struct { const char *word; enum thp_mode mode; } words[] = {
		{ "always", THP_ALWAYS }, { "madvise", THP_MADVISE }, { "never", THP_NEVER },
	};

	for (int i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(value, words[i].word) == 0) {
			thp_knobs.global = words[i].mode;
			return 0;
		}
	}
	return -EINVAL;
}
boot_param("transparent_hugepage=", transparent_hugepage_param);

static int thp_anon_param(char *value)
{
	static bool configured;
	struct thp_knobs knobs = thp_knobs;
	char *list = kstrdup(value, GFP_KERNEL);	/* VALUE itself must be whole for the message */
	int err;

	if (!list)
		return -ENOMEM;
	/* MTHP-3: with a valid list, 2 MiB is what the lists say, or never. */
	if (!configured)
		thp_set_order_mode(&knobs, HPAGE_PMD_ORDER, THP_NEVER);
	err = thp_parse_orders(&knobs, list);
	kfree(list);
	if (err)
		return err;
	thp_knobs = knobs;
	configured = true;
	return 0;
}
boot_param("thp_anon=", thp_anon_param);
