/*
 * mm/zap.c - taking mappings away: munmap, exit, MADV_DONTNEED, truncation.
 *
 *	unmap_vmas()             VMAs of one mm          \                    ┌ a huge PMD: whole, or split first
 *	zap_page_range_single()  a part of one VMA        > zap_pmd_range() ──┤
 *	unmap_mapping_pages()    one file, all processes /                    └ PTEs: clear, uncount, gather; a
 *	free_pgtables()          afterwards: tables that cover nothing           large folio's pages in one step
 *
 * Zapping may run under the mmap lock or an rmap lock (LOCK-5); freeing tables needs the mmap write lock,
 * and the VMAs off every rmap first, so that no walker can come by any way. Linux: mm/memory.c.
 */
#include "kernel/fs/fs.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/pause.h"
#include "mm/huge_memory.h"
#include "mm/lru.h"
#include "mm/mmu_gather.h"
#include "mm/rmap.h"
#include "mm/swap.h"
#include "mm/vma.h"
#include "mm/vmstat.h"

/* What one zap is about; walk->private. */
struct zap {
	struct mmu_gather *tlb;
	bool even_cows;		/* private copies of file pages go too: all but hole punching */
	bool simple;		/* small anonymous pages need nothing special: even_cows, and not locked */
	long rss[NR_MM_COUNTERS];
	long anon_unmapped;	/* small anonymous pages that lost their last mapping */
};

/* Empty NR PTEs; which of A and D were set in one of them. => ptl held */
static u64 clear_ptes(struct zap *zap, pte_t *pte, unsigned int nr)
{
	u64 seen = 0;

	for (unsigned int i = 0; i < nr; i++) {
		/* The last user is gone: nothing can set A or D meanwhile. */
		if (zap->tlb->fullmm) {
			seen |= pte_val(ptep_get(pte + i));
			set_pte(pte + i, __pte(0));
		} else {
			seen |= pte_val(ptep_get_and_clear(pte + i));
		}
	}
	return seen & (_PAGE_ACCESSED | _PAGE_DIRTY);
}

/*
 * Drop the page of the PTE value VAL, and with it as many of the next MAX_NR as map the same folio; their number. The
 * folio loses its mappings, and later its references, in one step. => ptl held
 */
static unsigned int zap_present_ptes(struct zap *zap, struct vm_area_struct *vma, pte_t *pte, pte_t val,
				     unsigned long addr, unsigned int max_nr)
{
	struct page *page = vm_normal_page(vma, addr, val);
	struct folio *folio = page ? page_folio(page) : NULL;
	unsigned int nr = 1;
	u64 seen;

	/* Private copies, and zero pages, are no part of the file. */
	if (!zap->even_cows && (!folio || folio_test_anon(folio)))
		return 1;
	if (folio && unlikely(folio_test_large(folio)) && max_nr > 1)
		nr = folio_pte_batch(folio, pte, val, max_nr);
	seen = clear_ptes(zap, pte, nr);
	tlb_flush_range_later(zap->tlb, addr, nr * PAGE_SIZE);
	if (!folio)
		return 1;
	if (!folio_test_anon(folio)) {
		if (seen & _PAGE_DIRTY)
			folio_set_dirty(folio);
		if (seen & _PAGE_ACCESSED)
			folio_mark_accessed(folio);
	}
	zap->rss[mm_counter(folio)] -= nr;
	folio_remove_rmap_ptes(folio, page, (int)nr, vma);
	tlb_remove_folio_pages(zap->tlb, folio, nr);
	return nr;
}

/*
 * What most PTEs are: a small anonymous page, and it goes. False: it is something else, nothing done. => ptl held
 */
static __always_inline bool zap_small_anon_pte(struct zap *zap, pte_t *pte, pte_t val, unsigned long addr)
{
	struct page *page = pfn_to_page(pte_pfn(val));

	if (pte_special(val) || PageTail(page) || !folio_test_anon((struct folio *)page) ||
	    folio_test_large((struct folio *)page))
		return false;
	/* Nobody asks for the A and D bits of anonymous memory that goes, so that those set meanwhile may be lost. */
	set_pte(pte, __pte(0));
	tlb_remove_tlb_entry(zap->tlb, addr);
	zap->rss[MM_ANONPAGES]--;
	zap->anon_unmapped += folio_remove_small_anon_rmap(page);
	tlb_remove_folio_pages(zap->tlb, (struct folio *)page, 1);
	return true;
}

/*
 * MIG-5: an entry of a page that is being moved holds no reference and no mapcount; RSS counts it. The folio
 * stays alive while the entry is there: its mover has to find it again under this lock. => ptl held
 */
static void zap_migration_entry(struct zap *zap, pte_t *pte, pte_t val)
{
	struct folio *folio = page_folio(migration_entry_to_page(pte_to_swp_entry(val)));

	if (!zap->even_cows && folio_test_anon(folio))
		return;
	set_pte(pte, __pte(0));
	zap->rss[mm_counter(folio)]--;
}

/*
 * Entries that are no PTEs, from VAL at PTE on: as many as go in one step, at most MAX_NR; their number. Swap entries are
 * always private: of anonymous memory, or of a file's page that was copied. => ptl held
 */
static unsigned int zap_nonpresent_ptes(struct zap *zap, pte_t *pte, pte_t val, unsigned int max_nr)
{
	swp_entry_t entry = pte_to_swp_entry(val);
	int nr = 1;

	if (is_migration_entry(entry)) {
		zap_migration_entry(zap, pte, val);
		return 1;
	}
	if (!zap->even_cows)
		return 1;
	if (!is_poison_entry(entry))
		nr = swap_pte_batch(pte, (int)max_nr, val);
	for (int i = 0; i < nr; i++)
		set_pte(pte + i, __pte(0));
	if (is_poison_entry(entry))
		return 1;
	zap->rss[MM_SWAPENTS] -= nr;
	free_swap_and_cache_nr(entry, nr);
	return (unsigned int)nr;
}

static void add_rss(struct mm_struct *mm, struct zap *zap)
{
	if (zap->anon_unmapped)
		mod_node_page_state(NR_ANON_MAPPED, -zap->anon_unmapped);
	zap->anon_unmapped = 0;
	for (int i = 0; i < NR_MM_COUNTERS; i++) {
		if (zap->rss[i])
			add_mm_counter(mm, i, zap->rss[i]);
		zap->rss[i] = 0;
	}
}

/*
 * Zap what one lock session allows; returns where to go on. Ends early when the gather is full or others
 * want the CPU.
 */
static unsigned long zap_some(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	struct zap *zap = walk->private;
	unsigned int nr;
	spinlock_t *ptl;
	pte_t *pte, *first = pte_offset_map_lock(walk->mm, pmd, addr, &ptl);

	if (!first)
		return end;
	if (!zap->tlb->fullmm)
		flush_tlb_batched_pending(walk->mm);
	for (pte = first; addr < end && !zap->tlb->overflow; pte += nr, addr += nr * PAGE_SIZE) {
		pte_t val = ptep_get(pte);

		nr = 1;
		if (pte_none(val))
			continue;
		if (unlikely(need_resched()))
			break;
		if (likely(pte_present(val)) && zap->simple && zap_small_anon_pte(zap, pte, val, addr))
			continue;
		if (pte_present(val))
			nr = zap_present_ptes(zap, walk->vma, pte, val, addr, (unsigned int)((end - addr) >> PAGE_SHIFT));
		else
			nr = zap_nonpresent_ptes(zap, pte, val, (unsigned int)((end - addr) >> PAGE_SHIFT));
	}
	add_rss(walk->mm, zap);
	pte_unmap_unlock(first, ptl);
	return addr;
}

/* Up to one table. A huge PMD goes whole, or becomes a table if only a part of it is meant (ABI-22). */
static int zap_pmd_range(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	struct zap *zap = walk->private;

	if (unlikely(!pmd_table(pmdp_get(pmd)))) {
		if (!zap->even_cows)
			return 0;	/* only anonymous memory is mapped by huge PMDs */
		if (end - addr < PMD_SIZE)
			split_huge_pmd(walk->vma, pmd, addr & PMD_MASK);
		else if (zap_huge_pmd(zap->tlb, walk->vma, pmd, addr))
			addr = end;
		if (zap->tlb->overflow)
			tlb_flush_mmu(zap->tlb);
	}
	while (addr < end) {
		addr = zap_some(pmd, addr, end, walk);
		if (zap->tlb->overflow)
			tlb_flush_mmu(zap->tlb);
		pause_point("zap_batch");
		cond_resched();
	}
	return 0;
}

/* One VMA's part of [START, END). */
static void unmap_single_vma(struct mmu_gather *tlb, struct vm_area_struct *vma, unsigned long start,
			     unsigned long end, bool even_cows)
{
	bool locked = vma->vm_flags & VM_LOCKED;
	struct zap zap = { .tlb = tlb, .even_cows = even_cows, .simple = even_cows && !locked };
	struct mm_walk walk = { .pmd_entry = zap_pmd_range, .vma = vma, .private = &zap };

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
