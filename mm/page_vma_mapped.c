/*
 * mm/page_vma_mapped.c - one step further down from rmap.c: the entries by which one VMA maps one folio.
 *
 *	rmap_walk ──> VMA, address ──> page_vma_mapped_walk ──> PTE, PTE, PTE ...	each under its table's lock
 *	                                                   └──> or one PMD
 *
 * Page I of a folio can only be at the address that its index has in the VMA: mremap keeps that, too. So the walk goes
 * through these addresses and compares frames. Whatever it finds may have changed since rmap_walk chose the VMA:
 * tables that are gone, entries of other folios, PMDs that were split meanwhile are all ordinary (RMAP-11).
 *
 * The lock is kept from entry to entry of one table and dropped between tables. Linux: mm/page_vma_mapped.c.
 */
#include "mm/huge_memory.h"
#include "mm/rmap.h"
#include "mm/swapops.h"

/* Behind the last address where the VMA may map a page of the folio. */
static unsigned long walk_end(const struct page_vma_mapped_walk *pvmw)
{
	const struct vm_area_struct *vma = pvmw->vma;
	pgoff_t behind = pvmw->folio->index + folio_nr_pages(pvmw->folio);

	if (behind - vma->vm_pgoff >= vma_pages(vma))
		return vma->vm_end;
	return vma->vm_start + ((behind - vma->vm_pgoff) << PAGE_SHIFT);
}

/* Is the PTE stood on what is looked for? => ptl held */
static bool pte_matches(const struct page_vma_mapped_walk *pvmw)
{
	unsigned long pfn, first = folio_pfn(pvmw->folio);
	pte_t pte = ptep_get(pvmw->pte);

	if (pvmw->flags & PVMW_MIGRATION) {
		if (!is_pte_migration_entry(pte))
			return false;
		pfn = migration_entry_pfn(pte_to_swp_entry(pte));
	} else {
		if (!pte_present(pte) || pte_special(pte))
			return false;
		pfn = pte_pfn(pte);
	}
	return pfn - first < folio_nr_pages(pvmw->folio);
}

void page_vma_mapped_walk_done(struct page_vma_mapped_walk *pvmw)
{
	if (pvmw->ptl)
		spin_unlock(pvmw->ptl);
	pvmw->ptl = NULL;
	pvmw->pte = NULL;
	pvmw->pmd = NULL;
}

void page_vma_mapped_walk_restart(struct page_vma_mapped_walk *pvmw)
{
	page_vma_mapped_walk_done(pvmw);
}

/*
 * Look from the PTE stood on to the end of its table. True: stands on a match. False: unlocked, the address is the next
 * one to look at.
 */
static bool scan_table(struct page_vma_mapped_walk *pvmw, unsigned long end)
{
	while (!pte_matches(pvmw)) {
		pvmw->address += PAGE_SIZE;
		pvmw->pte++;
		if (pvmw->address >= end || IS_ALIGNED(pvmw->address, PMD_SIZE)) {
			page_vma_mapped_walk_done(pvmw);
			return false;
		}
	}
	return true;
}

/* Is the PMD what is looked for? => PMD lock held */
static bool pmd_matches(const struct page_vma_mapped_walk *pvmw, pmd_t pmd)
{
	if (pvmw->flags & PVMW_MIGRATION)
		return is_pmd_migration_entry(pmd) &&
		       migration_entry_pfn(pmd_to_swp_entry(pmd)) == folio_pfn(pvmw->folio);
	return pmd_present(pmd) && pmd_pfn(pmd) == folio_pfn(pvmw->folio);
}

/* Does the one entry for 2 MiB map the folio? Then it is locked and stood on. */
static bool stand_on_pmd(struct page_vma_mapped_walk *pvmw, pmd_t *pmd)
{
	spinlock_t *ptl;

	if (!folio_test_pmd_mappable(pvmw->folio))
		return false;
	ptl = pmd_whole_lock(pmd);
	if (!ptl)
		return false;
	if (!pmd_matches(pvmw, pmdp_get(pmd))) {
		spin_unlock(ptl);
		return false;
	}
	pvmw->pmd = pmd;
	pvmw->pte = NULL;
	pvmw->ptl = ptl;
	return true;
}

/* The 2 MiB around the address: true if stood on a match, else the address is behind them. */
static bool enter(struct page_vma_mapped_walk *pvmw, unsigned long end)
{
	struct mm_struct *mm = pvmw->vma->vm_mm;
	pmd_t *pmd = mm_find_pmd(mm, pvmw->address);

	if (pmd && pmd_is_whole(pmdp_get(pmd)) && stand_on_pmd(pvmw, pmd))
		return true;
	/* If it was huge a moment ago and is a table now, this finds the table. */
	pvmw->pte = pmd ? pte_offset_map_lock(mm, pmd, pvmw->address, &pvmw->ptl) : NULL;
	if (!pvmw->pte) {
		pvmw->address = (pvmw->address & PMD_MASK) + PMD_SIZE;
		return false;
	}
	pvmw->pmd = pmd;
	return scan_table(pvmw, end);
}

bool page_vma_mapped_walk(struct page_vma_mapped_walk *pvmw)
{
	unsigned long end = walk_end(pvmw);

	if (pvmw->pte) {
		pvmw->address += PAGE_SIZE;
		pvmw->pte++;
		if (pvmw->address >= end || IS_ALIGNED(pvmw->address, PMD_SIZE))
			page_vma_mapped_walk_done(pvmw);
		else if (scan_table(pvmw, end))
			return true;
	} else if (pvmw->ptl) {
		/* A PMD maps the folio whole: there can be no other entry in this VMA. */
		page_vma_mapped_walk_done(pvmw);
		return false;
	}
	while (pvmw->address < end)
		if (enter(pvmw, end))
			return true;
	return false;
}

/* ---- The other direction: what is mapped at an address ---- */

static struct page *huge_page_at(struct vm_area_struct *vma, unsigned long addr, pmd_t *pmd)
{
	spinlock_t *ptl = pmd_trans_huge_lock(pmd, vma);
	struct page *page;

	if (!ptl)
		return NULL;
	page = pmd_present(pmdp_get(pmd)) ? vm_normal_page_pmd(vma, addr, pmdp_get(pmd)) : NULL;
	if (page)
		get_page(page);
	spin_unlock(ptl);
	return page;
}

static struct page *small_page_at(struct vm_area_struct *vma, unsigned long addr, pmd_t *pmd)
{
	spinlock_t *ptl;
	pte_t *pte = pte_offset_map_lock(vma->vm_mm, pmd, addr, &ptl);
	struct page *page = NULL;

	if (!pte)
		return NULL;
	if (pte_present(ptep_get(pte)))
		page = vm_normal_page(vma, addr, ptep_get(pte));
	if (page)
		get_page(page);
	pte_unmap_unlock(pte, ptl);
	return page;
}

struct folio *folio_get_mapped(struct vm_area_struct *vma, unsigned long addr, struct page **page)
{
	pmd_t *pmd = mm_find_pmd(vma->vm_mm, addr);

	*page = pmd ? huge_page_at(vma, addr, pmd) : NULL;
	if (pmd && !*page)
		*page = small_page_at(vma, addr, pmd);
	return *page ? page_folio(*page) : NULL;
}
