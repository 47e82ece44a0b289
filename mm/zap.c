/*
 * mm/zap.c - taking mappings away: munmap, exit, MADV_DONTNEED, truncation.
 *
 *	unmap_vmas()             VMAs of one mm          \
 *	zap_page_range_single()  a part of one VMA        > zap_pte_range(): clear, uncount, gather
 *	unmap_mapping_pages()    one file, all processes /
 *	free_pgtables()          afterwards: tables that cover nothing any more
 *
 * Zapping may run under the mmap lock or an rmap lock (LOCK-5); freeing tables needs the mmap write lock,
 * and the VMAs off every rmap first, so that no walker can come by any way. Linux: mm/memory.c.
 */
#include "kernel/fs/fs.h"
#include "kernel/sched/sched.h"
#include "mm/lru.h"
#include "mm/mmu_gather.h"
#include "mm/rmap.h"
#include "mm/vma.h"
#include "mm/vmstat.h"

/* What one zap is about; walk->private. */
struct zap {
	struct mmu_gather *tlb;
	bool even_cows;		/* private copies of file pages go too: all but hole punching */
	long rss[NR_MM_COUNTERS];
};

static void add_mm_rss_vec(struct mm_struct *mm, long *rss)
{
	for (int i = 0; i < NR_MM_COUNTERS; i++)
		if (rss[i])
			add_mm_counter(mm, i, rss[i]);
}

/* Drop one present PTE. True: the gather is full. => ptl held */
static bool zap_present_pte(struct zap *zap, struct vm_area_struct *vma, pte_t *pte, pte_t val,
			    unsigned long addr)
{
	struct page *page = vm_normal_page(vma, addr, val);
	struct folio *folio = page ? page_folio(page) : NULL;

	/* Private copies, and zero pages, are no part of the file. */
	if (!zap->even_cows && (!folio || folio_test_anon(folio)))
		return false;
	if (zap->tlb->fullmm)
		set_pte(pte, __pte(0));		/* no CPU has it loaded: nothing can set A or D now */
	else
		val = ptep_get_and_clear(pte);
	tlb_remove_tlb_entry(zap->tlb, addr);
	if (!folio)
		return false;
	if (!folio_test_anon(folio) && pte_dirty(val))
		folio_set_dirty(folio);
	zap->rss[mm_counter(folio)]--;
	folio_remove_rmap_ptes(folio, page, 1, vma);
	return tlb_remove_folio_pages(zap->tlb, folio, 1);
}

/*
 * Zap what one lock session allows; returns where to go on. Ends early when the gather is full or others
 * want the CPU.
 */
static unsigned long zap_some(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	struct zap *zap = walk->private;
	spinlock_t *ptl;
	pte_t *pte, *first = pte_offset_map_lock(walk->mm, pmd, addr, &ptl);
	bool full = false;

	if (!first)
		return end;
	for (pte = first; addr < end && !full; pte++, addr += PAGE_SIZE) {
		pte_t val = ptep_get(pte);

		if (pte_none(val))
			continue;
		if (unlikely(need_resched()))
			break;
		KASSERT(pte_present(val), "LOCK-5");
		full = zap_present_pte(zap, walk->vma, pte, val, addr);
	}
	add_mm_rss_vec(walk->mm, zap->rss);
	pte_unmap_unlock(first, ptl);
	for (int i = 0; i < NR_MM_COUNTERS; i++)
		zap->rss[i] = 0;
	return addr;
}

static int zap_pte_range(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	struct zap *zap = walk->private;

	for (;;) {
		addr = zap_some(pmd, addr, end, walk);
		if (zap->tlb->overflow)
			tlb_flush_mmu(zap->tlb);
		if (addr >= end)
			return 0;
		cond_resched();
	}
}

/* One VMA's part of [START, END). */
static void unmap_single_vma(struct mmu_gather *tlb, struct vm_area_struct *vma, unsigned long start,
			     unsigned long end, bool even_cows)
{
	struct zap zap = { .tlb = tlb, .even_cows = even_cows };
	struct mm_walk walk = { .pmd_entry = zap_pte_range, .vma = vma, .private = &zap };

	start = max(start, vma->vm_start);
	end = min(end, vma->vm_end);
	if (start < end)
		walk_page_range(vma->vm_mm, start, end, &walk);
}

void unmap_vmas(struct mmu_gather *tlb, struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	update_hiwater_rss(tlb->mm);
	for (; vma && vma->vm_start < end; vma = vma_next(vma)) {
		unmap_single_vma(tlb, vma, start, end, true);
		cond_resched();
	}
}

void zap_page_range_single(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	struct mmu_gather tlb;

	lru_add_drain();
	update_hiwater_rss(vma->vm_mm);
	tlb_gather_mmu(&tlb, vma->vm_mm, false);
	unmap_single_vma(&tlb, vma, start, end, true);
	tlb_finish_mmu(&tlb);
}

void unmap_mapping_pages(struct address_space *mapping, pgoff_t start, pgoff_t nr, bool even_cows)
{
	pgoff_t last = nr && start + nr - 1 >= start ? start + nr - 1 : ~0UL;
	struct interval_tree_node *node;

	down_read(&mapping->i_mmap_rwsem);
	interval_tree_for_each(node, &mapping->i_mmap, start, last) {
		struct vm_area_struct *vma = container_of(node, struct vm_area_struct, shared_node);
		pgoff_t first = max(start, vma->vm_pgoff);
		pgoff_t end = min(last, vma->vm_pgoff + vma_pages(vma) - 1) + 1;
		struct mmu_gather tlb;

		tlb_gather_mmu(&tlb, vma->vm_mm, false);
		unmap_single_vma(&tlb, vma, vma->vm_start + ((first - vma->vm_pgoff) << PAGE_SHIFT),
				 vma->vm_start + ((end - vma->vm_pgoff) << PAGE_SHIFT), even_cows);
		tlb_finish_mmu(&tlb);
	}
	up_read(&mapping->i_mmap_rwsem);
}

/* ---- Tables ---- */

/* Nothing that stays lies in the SIZE bytes around ADDR that one entry covers. */
static bool covers_nothing(unsigned long addr, unsigned long size, unsigned long floor, unsigned long ceiling)
{
	unsigned long base = addr & ~(size - 1);

	return base >= floor && base + size - 1 < ceiling;
}

static void free_pmd_table(struct mmu_gather *tlb, pud_t *pud, unsigned long addr, unsigned long end,
			   unsigned long floor, unsigned long ceiling)
{
	for (unsigned long a = addr, next; a < end; a = next) {
		pmd_t *pmd = pmd_offset(pud, a);
		pmd_t val = pmdp_get(pmd);

		next = pmd_addr_end(a, end);
		if (!pmd_table(val) || !covers_nothing(a, PMD_SIZE, floor, ceiling))
			continue;
		set_pmd(pmd, __pmd(0));
		tlb_remove_table(tlb, pfn_to_page(pmd_pfn(val)), a & PMD_MASK);
	}
	if (covers_nothing(addr, PUD_SIZE, floor, ceiling)) {
		struct page *table = virt_to_page(pud_table_va(*pud));

		set_pud(pud, (pud_t){ 0 });
		tlb_remove_table(tlb, table, addr & PUD_MASK);
	}
}

static void free_pud_table(struct mmu_gather *tlb, pgd_t *pgd, unsigned long addr, unsigned long end,
			   unsigned long floor, unsigned long ceiling)
{
	for (unsigned long a = addr, next; a < end; a = next) {
		pud_t *pud = pud_offset(pgd, a);

		next = pud_addr_end(a, end);
		if (pud_present(pudp_get(pud)))
			free_pmd_table(tlb, pud, a, next, floor, ceiling);
	}
	if (covers_nothing(addr, PGDIR_SIZE, floor, ceiling)) {
		struct page *table = virt_to_page(pgd_table_va(*pgd));

		set_pgd(pgd, (pgd_t){ 0 });
		tlb_remove_table(tlb, table, addr & PGDIR_MASK);
	}
}

static void free_pgd_range(struct mmu_gather *tlb, unsigned long addr, unsigned long end, unsigned long floor,
			   unsigned long ceiling)
{
	for (unsigned long next; addr < end; addr = next) {
		pgd_t *pgd = pgd_offset(tlb->mm, addr);

		next = pgd_addr_end(addr, end);
		if (pgd_present(pgdp_get(pgd)))
			free_pud_table(tlb, pgd, addr, next, floor, ceiling);
	}
}

void free_pgtables(struct mmu_gather *tlb, struct vm_area_struct *vma, unsigned long end, unsigned long floor,
		   unsigned long ceiling)
{
	while (vma && vma->vm_start < end) {
		unsigned long start = vma->vm_start, stop, top;
		struct vm_area_struct *next;

		/* VMAs close together share tables: one walk for all of them. */
		do {
			unlink_anon_vmas(vma);
			unlink_file_vma(vma);
			stop = vma->vm_end;
			next = vma_next(vma);
			vma = next;
		} while (next && next->vm_start < end && next->vm_start <= stop + PMD_SIZE);
		top = next && next->vm_start < end ? next->vm_start : ceiling;
		free_pgd_range(tlb, start, stop, floor, top);
		cond_resched();
	}
}
