/*
 * mm/huge_split_pmd.c - from a huge PMD to a table of PTEs for the same pages (SPLIT-1..3, RMAP-7).
 *
 *	PMD: huge ──> huge, not present ──flush──> the deposited table ──> PMD: table
 *	              no CPU can use it now        512 PTEs with the PMD's rights, A and D
 *
 * Only this mapping changes; the folio stays whole, and so do other processes' mappings of it. It cannot fail:
 * the table was put aside when the PMD became huge. No CPU may hold a large and a small TLB entry for one
 * address, hence the step in the middle (Intel SDM vol. 3, 4.10.2.3).
 *
 * What is being moved just then (a migration entry) becomes a table of migration entries.
 *
 * Not here: cutting the folio itself (split.c). Linux: __split_huge_pmd_locked() in mm/huge_memory.c.
 */
#include "arch-x86_64/tlbflush.h"
#include "mm/huge_memory.h"
#include "mm/rmap.h"
#include "mm/swapops.h"
#include "mm/trace_mm.h"
#include "mm/vmstat.h"

pmd_t pmdp_invalidate(struct vm_area_struct *vma, unsigned long haddr, pmd_t *pmd)
{
	u64 gone = _PAGE_PRESENT | _PAGE_PROTNONE;
	pmd_t old = __pmd(__atomic_fetch_and(&pmd->v, ~gone, __ATOMIC_SEQ_CST));

	KASSERT(pmd_trans_huge(old), "SPLIT-3");
	flush_tlb_range(vma, haddr, haddr + PMD_SIZE);
	return old;
}

/* The huge zero PMD: 512 times the small page of zeroes. TABLE is nobody else's yet. */
static void fill_with_zero_ptes(struct vm_area_struct *vma, pte_t *pte)
{
	pte_t entry = pte_mkspecial(pfn_pte(page_to_pfn(zero_page), vma->vm_page_prot));

	for (int i = 0; i < PTRS_PER_TABLE; i++)
		set_pte(pte + i, entry);
}

/* RMAP-7, MMID-13: references and PTE mappings first; the PMD's mapping goes when the table is written. */
static void fill_with_page_ptes(struct vm_area_struct *vma, unsigned long haddr, pte_t *pte, pmd_t old)
{
	struct page *page = pfn_to_page(pmd_pfn(old));
	struct folio *folio = page_folio(page);
	u64 entry = pmd_val(old) & ~(u64)_PAGE_PSE;

	KASSERT(folio_test_anon(folio) && page == &folio->page, "RMAP-7");
	if (pmd_dirty(old))
		folio_set_dirty(folio);
	folio_ref_add(folio, HPAGE_PMD_NR - 1);
	folio_add_anon_rmap_ptes(folio, page, HPAGE_PMD_NR, vma, haddr,
				 PageAnonExclusive(page) ? RMAP_EXCLUSIVE : RMAP_NONE);
	for (int i = 0; i < PTRS_PER_TABLE; i++, entry += PAGE_SIZE)
		set_pte(pte + i, __pte(entry));
}

/* Lockless walkers follow the entry at once: the PTEs must be there before it. => PMD lock held */
static void set_pmd_table(pmd_t *pmd, struct page *table)
{
	smp_wmb();
	set_pmd(pmd, __pmd(page_to_phys(table) | _PAGE_TABLE));
}

/* RMAP-12: nothing is counted for any of them. => PMD lock held */
static void split_migration_pmd(pmd_t *pmd, struct page *table)
{
	swp_entry_t entry = pmd_to_swp_entry(pmdp_get(pmd));
	pte_t *pte = page_address(table);

	for (int i = 0; i < PTRS_PER_TABLE; i++, entry.val++)
		set_pte(pte + i, swp_entry_to_pte(entry));
	set_pmd_table(pmd, table);
}

void split_huge_pmd_locked(struct vm_area_struct *vma, unsigned long addr, pmd_t *pmd)
{
	struct page *table = pgtable_trans_huge_withdraw(vma->vm_mm, pmd), *page;
	pmd_t old;
	bool zero;

	KASSERT(IS_ALIGNED(addr, PMD_SIZE), "SPLIT-3");
	count_vm_event(THP_SPLIT_PMD);
	if (unlikely(is_pmd_migration_entry(pmdp_get(pmd)))) {
		trace_split_pmd(vma->vm_mm, addr, migration_entry_pfn(pmd_to_swp_entry(pmdp_get(pmd))));
		split_migration_pmd(pmd, table);
		return;
	}
	old = pmdp_invalidate(vma, addr, pmd);
	zero = is_huge_zero_pmd(old);
	page = pfn_to_page(pmd_pfn(old));
	trace_split_pmd(vma->vm_mm, addr, page_to_pfn(page));
	if (zero)
		fill_with_zero_ptes(vma, page_address(table));
	else
		fill_with_page_ptes(vma, addr, page_address(table), old);
	/*
	 * Before anybody can fault on the PTEs. With the PMD still counted there is one mapping more than there
	 * are references for; one reference too many, of whoever splits or moves the folio, would hide that from
	 * COW-9, and a page that others have migration entries for would be taken over.
	 */
	if (!zero)
		folio_remove_rmap_pmd(page_folio(page), page, vma);
	set_pmd_table(pmd, table);
}

void split_huge_pmd(struct vm_area_struct *vma, pmd_t *pmd, unsigned long addr)
{
	spinlock_t *ptl = pmd_whole_lock(pmd);

	if (!ptl)
		return;
	split_huge_pmd_locked(vma, addr & PMD_MASK, pmd);
	spin_unlock(ptl);
}

void split_huge_pmd_address(struct vm_area_struct *vma, unsigned long addr)
{
	pmd_t *pmd = mm_find_pmd(vma->vm_mm, addr);

	if (pmd)
		split_huge_pmd(vma, pmd, addr);
}

void vma_adjust_trans_huge(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	if (!vma_is_anonymous(vma) || !vma->anon_vma)
		return;
	if (!IS_ALIGNED(start, PMD_SIZE) && start > vma->vm_start && start < vma->vm_end)
		split_huge_pmd_address(vma, start);
	if (!IS_ALIGNED(end, PMD_SIZE) && end > vma->vm_start && end < vma->vm_end)
		split_huge_pmd_address(vma, end);
}
