/*
 * mm/collapse_scan.c - is this range of 2 MiB worth a huge page? Looks at the 512 PTEs of its table
 * (KHP-9..15).
 *
 *	PMD: a table? ──> each PTE, the first refusal ends it ───────────────────> enough of them used lately?
 *	                  none, zero page │ swapped out │ shared    up to a limit    │ yes
 *	                  locked, pinned, not on the LRU, ...       not at all       └──> collapse.c
 *
 * Nothing is taken or changed here, so that a refusal costs nothing: the same tests are made again when the
 * table is out of everybody's reach (collapse.c). The limits and the question of use are khugepaged's, who
 * guesses what a program would like; MADV_COLLAPSE has been told (KHP-15). PTEs in a row that map one large
 * folio are one step.
 *
 * Not here: who chooses the range (khugepaged.c, madvise_collapse.c); orders below 9 (collapse_orders.c).
 * Left out: NUMA nodes, file and shared memory. Linux: collapse_scan_pmd() in mm/khugepaged.c.
 */
#include "mm/collapse.h"
#include "kernel/trace/control.h"
#include "mm/rmap.h"
#include "mm/swapops.h"
#include "mm/trace_huge.h"
#include "mm/vmstat.h"
#include "mm/why_not_huge.h"

#define WORD(e, t) [e] = t,
static const char *const words[NR_SCAN_RESULTS] = { SCAN_RESULT_LIST(WORD) };

const char *scan_result_word(enum scan_result r)
{
	return words[r];
}

/* ---- One run of PTEs ---- */

/* Whoever watches single pages wants to see each first touch: nothing is filled that nobody asked for. */
static enum scan_result test_none(struct vm_area_struct *vma, const struct collapse_control *cc,
				  struct pte_tally *tally)
{
	tally->none_or_zero++;
	if (!(vma->vm_flags & VM_PAGE_TRACKING) &&
	    (!cc->is_khugepaged || cc->holes_later ||
	     tally->none_or_zero <= READ_ONCE(khugepaged_max_ptes_none)))
		return SCAN_SUCCEED;
	count_vm_event(THP_SCAN_EXCEED_NONE_PTE);
	return SCAN_EXCEED_NONE_PTE;
}

static enum scan_result test_swapped(const struct collapse_control *cc, struct pte_tally *tally)
{
	tally->unmapped++;
	if (!cc->is_khugepaged || tally->unmapped <= READ_ONCE(khugepaged_max_ptes_swap))
		return SCAN_SUCCEED;
	count_vm_event(THP_SCAN_EXCEED_SWAP_PTE);
	return SCAN_EXCEED_SWAP_PTE;
}

/*
 * KHP-12; as a variant, what was guessed from the mapcounts of the whole and of the first page before there
 * were owners.
 */
static bool maybe_mapped_shared(const struct folio *f)
{
	if (likely(!variant_is(VARIANT_FIRST_PAGE_GUESS)))
		return folio_maybe_mapped_shared(f);
	if (folio_mapcount(f) > (int)folio_nr_pages(f) || folio_entire_mapcount(f))
		return true;
	return folio_precise_page_mapcount(f, &f->page) > 1;
}

/* KHP-11: each PTE of a folio that others may map counts. */
static enum scan_result test_shared(const struct collapse_control *cc, struct pte_tally *tally,
				    struct pte_run *run)
{
	unsigned int max = READ_ONCE(khugepaged_max_ptes_shared), before = tally->shared;

	if (!maybe_mapped_shared(run->folio))
		return SCAN_SUCCEED;
	tally->shared += run->nr;
	if (!cc->is_khugepaged || tally->shared <= max)
		return SCAN_SUCCEED;
	run->failed_at = max > before ? max - before : 0;
	count_vm_event(THP_SCAN_EXCEED_SHARED_PTE);
	return SCAN_EXCEED_SHARED_PTE;
}

/* Tests 3..7, of what is present. */
static enum scan_result test_present(struct vm_area_struct *vma, const struct collapse_control *cc,
				     struct pte_tally *tally, struct pte_run *run)
{
	struct page *page;

	if (vma->vm_flags & VM_PAGE_TRACKING)
		return SCAN_PTE_UFFD_WP;
	page = vm_normal_page(vma, run->addr, run->val);
	if (!page)
		return SCAN_PAGE_NULL;
	run->folio = tally->folio = page_folio(page);
	if (cc->is_khugepaged && folio_test_anon(run->folio) && !folio_test_swapbacked(run->folio)) {
		if (!pte_dirty(run->val))
			return SCAN_PAGE_LAZYFREE;
	} else if (folio_test_large(run->folio)) {
		run->nr = folio_pte_batch(run->folio, run->pte, run->val, run->max);
	}
	if (!folio_test_anon(run->folio))
		return SCAN_PAGE_ANON;
	return test_shared(cc, tally, run);
}

enum scan_result collapse_test_run(struct vm_area_struct *vma, const struct collapse_control *cc,
				   struct pte_tally *tally, struct pte_run *run, bool isolating)
{
	run->val = ptep_get(run->pte);
	run->nr = 1;
	run->failed_at = 0;
	run->folio = NULL;
	if (pte_none(run->val) || (pte_present(run->val) && is_zero_pfn(pte_pfn(run->val))))
		return test_none(vma, cc, tally);
	if (!pte_present(run->val))
		return isolating ? SCAN_PTE_NON_PRESENT : test_swapped(cc, tally);
	return test_present(vma, cc, tally, run);
}

unsigned int collapse_count_referenced(const struct collapse_control *cc, const struct pte_run *run)
{
	unsigned int n = 0;

	if (!cc->is_khugepaged)
		return 0;
	if (folio_test_referenced(run->folio))
		return run->nr;
	for (unsigned int i = 0; i < run->nr; i++)
		n += !!pte_young(ptep_get(run->pte + i));
	return n;
}

/* Tests 8..10: a hint, as nothing is locked. */
static enum scan_result test_folio_free_of_others(const struct folio *f)
{
	if (!folio_test_lru(f))
		return SCAN_PAGE_LRU;
	if (folio_test_locked(f))
		return SCAN_PAGE_LOCK;
	return folio_expected_ref_count(f) == folio_ref_count(f) ? SCAN_SUCCEED : SCAN_PAGE_COUNT;
}

/* ---- The table ---- */

enum scan_result collapse_find_pmd(struct mm_struct *mm, unsigned long addr, pmd_t **pmd)
{
	pmd_t val;

	*pmd = mm_find_pmd(mm, addr);
	if (!*pmd)
		return SCAN_NO_PTE_TABLE;
	val = pmdp_get(*pmd);
	if (pmd_trans_huge(val) || is_pmd_migration_entry(val))
		return SCAN_PMD_MAPPED;
	return pmd_table(val) ? SCAN_SUCCEED : SCAN_NO_PTE_TABLE;
}

/* KHP-13. */
static enum scan_result enough_referenced(const struct collapse_control *cc, const struct pte_tally *tally)
{
	unsigned int wanted = tally->unmapped ? HPAGE_PMD_NR / 2 : 1;

	return !cc->is_khugepaged || tally->referenced >= wanted ? SCAN_SUCCEED : SCAN_LACK_REFERENCED_PAGE;
}

/*
 * The folio of a PTE of which the tests of KHP-10 have nothing to say and nothing to count, except how lately it was
 * used: a small one, anonymous, nobody else's, free of all others. NULL: ask the tests. Nearly every PTE that the
 * daemon sees in its life is one of these.
 */
static inline struct folio *plain_folio(pte_t pte)
{
	const unsigned long looked_at = BIT(PG_head) | BIT(PG_locked) | BIT(PG_lru) | BIT(PG_swapbacked) | BIT(PG_swapcache);
	struct folio *f;

	if (!pte_present(pte) || pte_special(pte))
		return NULL;
	f = (struct folio *)pfn_to_page(pte_pfn(pte));
	if ((READ_ONCE(f->flags) & looked_at) != (BIT(PG_lru) | BIT(PG_swapbacked)) || PageTail(&f->page))
		return NULL;
	/* The one reference is that of this PTE. */
	return folio_test_anon(f) && folio_ref_count(f) == 1 ? f : NULL;
}

/* KHP-10 for the 512 PTEs from TABLE on. => ptl held */
static enum scan_result scan_table(struct vm_area_struct *vma, unsigned long start, pte_t *table,
				   struct pte_tally *tally, struct collapse_control *cc)
{
	const bool may_be_plain = !(vma->vm_flags & VM_PAGE_TRACKING) && !variant_is(VARIANT_OWNER_ALWAYS_SHARED);
	struct pte_run run;

	for (unsigned int i = 0; i < HPAGE_PMD_NR; i += run.nr) {
		pte_t pte = ptep_get(table + i);
		struct folio *f = may_be_plain ? plain_folio(pte) : NULL;
		enum scan_result r;

		if (likely(f)) {
			tally->folio = f;
			tally->referenced += cc->is_khugepaged && (pte_young(pte) || folio_test_referenced(f));
			if (cc->holes_later)
				tally->occupied[i / 64] |= BIT(i % 64);
			cc->progress++;
			run.nr = 1;
			continue;
		}
		run.pte = table + i;
		run.addr = start + i * PAGE_SIZE;
		run.max = HPAGE_PMD_NR - i;
		r = collapse_test_run(vma, cc, tally, &run, false);
		if (r == SCAN_SUCCEED && run.folio)
			r = test_folio_free_of_others(run.folio);
		if (r != SCAN_SUCCEED) {
			cc->progress += run.failed_at + 1;
			cc->refused_addr = run.addr + run.failed_at * PAGE_SIZE;
			return r;
		}
		cc->progress += run.nr;
		if (!run.folio)
			continue;
		tally->referenced += collapse_count_referenced(cc, &run);
		for (unsigned int k = 0; cc->holes_later && k < run.nr; k++)
			tally->occupied[(i + k) / 64] |= BIT((i + k) % 64);
	}
	return enough_referenced(cc, tally);
}

enum scan_result collapse_scan_pmd(struct mm_struct *mm, struct vm_area_struct *vma, unsigned long start,
				   bool *lock_dropped, struct collapse_control *cc)
{
	struct pte_tally tally = { 0 };
	unsigned long orders;
	enum scan_result r;
	spinlock_t *ptl;
	pte_t *table;
	pmd_t *pmd;

	KASSERT(IS_ALIGNED(start, PMD_SIZE), "KHP-5");
	cc->refused_addr = 0;
	r = collapse_find_pmd(mm, start, &pmd);
	table = r == SCAN_SUCCEED ? pte_offset_map_lock(mm, pmd, start, &ptl) : NULL;
	if (!table) {
		cc->progress++;
		/* It made way for a huge PMD, or has gone, between the two looks. */
		if (r == SCAN_SUCCEED)
			r = SCAN_NO_PTE_TABLE;
		goto out;
	}
	orders = collapse_orders(vma);
	cc->holes_later = cc->is_khugepaged && orders;
	r = scan_table(vma, start, table, &tally, cc);
	pte_unmap_unlock(table, ptl);
	if (r == SCAN_SUCCEED) {
		mmap_read_unlock(mm);
		*lock_dropped = true;
		if (cc->holes_later)
			r = collapse_by_orders(mm, start, &tally, orders, cc);
		else
			r = collapse_huge_page(mm, start, &tally, cc);
	}
out:
	note_scan_result(mm, start, r, cc->refused_addr);
	trace_mm_khugepaged_scan_pmd(mm, tally_pfn(&tally), (int)tally.referenced, (int)tally.none_or_zero,
				     (int)r, (int)tally.unmapped);
	return r;
}
