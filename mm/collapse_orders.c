/*
 * mm/collapse_orders.c - khugepaged makes folios of smaller orders, too, where 2 MiB are not to be had
 * (KHP-31..34).
 *
 *	occupied:  ████████████████ ██ ████████░░░░░░░░ ...		one bit for each PTE
 *	            order 4: full     2  order 3		the largest with few enough holes
 *
 * The scan looks at all 512 PTEs and notes which map a page; it does not end where there are too many holes.
 * Then for each offset the orders that the policy allows are tried from the largest down. Below order 9 holes
 * are filled always (max_ptes_none 511) or never (any other value): if some were, a block that was just
 * filled up would make its neighbour look fuller, and one collapse would lead to the next, larger one, until
 * all of a sparse range were memory ("creep").
 *
 * The table stays. It is taken out of everybody's reach as for a huge PMD (collapse.c), the block's PTEs are
 * exchanged, and it is put back; all the time with the anon_vma lock, as the other PTEs map pages that rmap
 * walkers look for. No VMA is kept over a time without the mmap lock, and the scan's is not even passed on
 * (KHP-34).
 *
 * A switch, off: /sys/kernel/debug/quire/collapse_orders. The kernels that Quire is compared with collapse to
 * order 9 only, and whoever lists khugepaged's directory there must find the same files. Ranges are looked at
 * where 2 MiB are allowed.
 *
 * Linux has it from 7.2 on: mm/khugepaged.c.
 */
#include "mm/collapse.h"
#include "arch-x86_64/tlbflush.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/bitmap.h"
#include "kernel/lib/string.h"
#include "kernel/trace/pause.h"
#include "mm/huge_memory.h"
#include "mm/lru.h"
#include "mm/rmap.h"

#ifndef RELEASE
static bool enabled;

unsigned long collapse_orders(struct vm_area_struct *vma)
{
	unsigned long orders;

	if (likely(!READ_ONCE(enabled)))
		return 0;
	orders = thp_vma_allowable_orders(vma, vma->vm_flags, TVA_KHUGEPAGED, THP_ORDERS_ALL_ANON);
	return orders & ~BIT(HPAGE_PMD_ORDER) ? orders : 0;
}

/* KHP-32: holes that a block of ORDER may have. */
static unsigned int allowed_none(unsigned int order)
{
	unsigned int max = READ_ONCE(khugepaged_max_ptes_none);
	static bool warned;

	if (order == HPAGE_PMD_ORDER)
		return max;
	if (max && max != HPAGE_PMD_NR - 1 && !READ_ONCE(warned)) {
		WRITE_ONCE(warned, true);
		pr_warn("khugepaged: max_ptes_none is %u; orders below 9 take it for 0\n", max);
	}
	return max == HPAGE_PMD_NR - 1 ? (1U << order) - 1 : 0;
}

static unsigned int holes_in(const struct pte_tally *tally, unsigned int first, unsigned int nr)
{
	unsigned int holes = 0;

	for (unsigned int i = first; i < first + nr; i++)
		holes += !(tally->occupied[i / 64] >> i % 64 & 1);
	return holes;
}

enum scan_result collapse_block_takes(const struct collapse *c, const struct pte_tally *tally,
				      const struct pte_run *run)
{
	unsigned int order = ilog2(c->nr);

	if (tally->none_or_zero > allowed_none(order))
		return SCAN_EXCEED_NONE_PTE;
	if (tally->shared)
		return SCAN_EXCEED_SHARED_PTE;
	return run->folio && folio_order(run->folio) >= order ? SCAN_PTE_MAPPED_HUGEPAGE : SCAN_SUCCEED;
}

/* The new folio's PTEs take the place of the block's, which are none. => the table is detached */
static void install_block(struct collapse *c)
{
	unsigned long addr = c->start + c->first * PAGE_SIZE;
	struct folio *f = c->folio;
	pte_t entry = maybe_mkwrite(pte_mkdirty(pfn_pte(folio_pfn(f), c->vma->vm_page_prot)), c->vma);

	spin_lock(c->ptl);
	folio_ref_add(f, (int)c->nr - 1);
	folio_add_new_anon_rmap(f, c->vma, addr, RMAP_EXCLUSIVE);
	lru_cache_add(f);
	for (unsigned int i = 0; i < c->nr; i++)
		set_pte(c->table + c->first + i, __pte(pte_val(entry) + i * PAGE_SIZE));
	spin_unlock(c->ptl);
	add_mm_counter(c->mm, MM_ANONPAGES, c->none_or_zero);
	c->folio = NULL;
}

/* => mmap lock held for writing, VMA and PMD just looked up */
static enum scan_result replace_block(struct collapse *c)
{
	struct anon_vma *av = c->vma->anon_vma;
	enum scan_result r;

	anon_vma_lock_write(av);
	collapse_detach_table(c);
	r = collapse_isolate(c);
	if (r == SCAN_SUCCEED) {
		collapse_copy_pages(c);
		collapse_release_sources(c);
		install_block(c);
	}
	collapse_reattach_table(c);
	anon_vma_unlock_write(av);
	return r;
}

/* One block of ORDER, the PTEs from FIRST on. => no lock held, before and after; may sleep long */
static enum scan_result collapse_block(struct mm_struct *mm, unsigned long start, unsigned int first,
				       unsigned int order, struct collapse_control *cc)
{
	struct collapse c = { .mm = mm, .cc = cc, .start = start, .first = first, .nr = 1U << order };
	enum scan_result r;

	pause_point("collapse_block_alloc");
	c.folio = folio_alloc(READ_ONCE(khugepaged_defrag) ? GFP_TRANSHUGE : GFP_TRANSHUGE_LIGHT, order);
	if (!c.folio)
		return SCAN_ALLOC_HUGE_PAGE_FAIL;
	mmap_write_lock(mm);
	r = hugepage_vma_revalidate(mm, start, &c.vma, cc);
	if (r == SCAN_SUCCEED && !(collapse_orders(c.vma) & BIT(order)))
		r = SCAN_VMA_CHECK;
	if (r == SCAN_SUCCEED)
		r = collapse_find_pmd(mm, start, &c.pmd);
	if (r == SCAN_SUCCEED)
		r = replace_block(&c);
	mmap_write_unlock(mm);
	if (c.folio)
		folio_put(c.folio);
	return r;
}

/* The range as a whole, with the limits of the whole. => no lock held, before and after */
static enum scan_result collapse_whole(struct mm_struct *mm, unsigned long start,
				       const struct pte_tally *tally, struct collapse_control *cc)
{
	enum scan_result r;

	cc->holes_later = false;
	r = collapse_huge_page(mm, start, tally, cc);
	cc->holes_later = true;
	return r;
}

/* What R says is of the whole range, so that other blocks need not be tried. */
static bool ends_the_range(enum scan_result r)
{
	switch (r) {
	case SCAN_NO_PTE_TABLE:
	case SCAN_PMD_MAPPED:
	case SCAN_ANY_PROCESS:
	case SCAN_VMA_NULL:
	case SCAN_VMA_CHECK:
	case SCAN_ADDRESS_RANGE:
	case SCAN_PAGE_ANON:
		return true;
	default:
		return false;
	}
}

/*
 * KHP-32: the largest of ORDERS that can be made at FIRST; how many PTEs to go on. *RESULT: success, once
 * there was one; else the last refusal.
 * => no lock held, before and after
 */
static unsigned int collapse_at(struct mm_struct *mm, unsigned long start, unsigned int first,
				unsigned long orders, const struct pte_tally *tally,
				struct collapse_control *cc, enum scan_result *result)
{
	unsigned int step = 1U << __ffs(orders);

	while (orders) {
		unsigned int order = (unsigned int)highest_order(orders), nr = 1U << order, holes;
		enum scan_result r;

		next_order(&orders, (int)order);
		if (first % nr)
			continue;
		holes = holes_in(tally, first, nr);
		if (holes == nr || holes > allowed_none(order))
			continue;
		r = order == HPAGE_PMD_ORDER ? collapse_whole(mm, start, tally, cc) :
		    collapse_block(mm, start, first, order, cc);
		if (r == SCAN_SUCCEED || *result != SCAN_SUCCEED)
			*result = r;
		if (ends_the_range(r))
			return HPAGE_PMD_NR;
		if (r == SCAN_SUCCEED || r == SCAN_PTE_MAPPED_HUGEPAGE)
			return nr;
	}
	return step;
}

enum scan_result collapse_by_orders(struct mm_struct *mm, unsigned long start, const struct pte_tally *tally,
				    unsigned long orders, struct collapse_control *cc)
{
	enum scan_result result = SCAN_EXCEED_NONE_PTE;
	unsigned int first = 0;

	while (first < HPAGE_PMD_NR)
		first += collapse_at(mm, start, first, orders, tally, cc, &result);
	return result;
}

/* ---- The switch ---- */

static int enabled_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%d\n", READ_ONCE(enabled));
	return 0;
}

static ssize_t enabled_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	unsigned int v;

	if (kstrtouint(buf, 10, &v) || v > 1)
		return -EINVAL;
	WRITE_ONCE(enabled, v);
	return len;
}

static const struct pseudo_ops enabled_ops = { .show = enabled_show, .write = enabled_write };

static int collapse_orders_init(void)
{
	pseudo_create(quire_debug_root, "collapse_orders", 0600, &enabled_ops, NULL);
	return 0;
}
fs_initcall(collapse_orders_init);
#endif
