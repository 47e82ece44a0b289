/*
 * mm/memory.h - page tables of user address spaces: making, finding, locking, walking, copying and emptying
 * them.
 *
 * For the files of mm/ that look at PTEs. A table of PTEs, and a table of PMDs, has a lock of its own in
 * its struct page (classes "ptlock" and "pmdlock"); the two upper levels are guarded by
 * mm->page_table_lock. Order, outer to inner: pmdlock, ptlock (LOCK-2). Two ptlocks at once only as LOCK-12
 * says.
 *
 *	held                              table stays?   may change a PTE?
 *	mmap lock (read) or an rmap lock  yes            no
 *	the same + the table's ptlock     yes            yes
 *	interrupts off only (gup_fast)    its memory     no, and what it read must be read again
 */
#ifndef MM_MEMORY_H
#define MM_MEMORY_H

#include "mm/mm.h"

struct address_space;
struct mmu_gather;

/* ---- Tables (pgtable.c) ---- */

/* A new top level with the kernel's half in place; NULL: no memory. May sleep. */
pgd_t *pgd_alloc(void);
void pgd_free(pgd_t *pgd);
/* The entry for ADDR one level down, with its table made if need be; NULL: no memory. May sleep. */
int __pud_alloc(struct mm_struct *mm, pgd_t *pgd);
int __pmd_alloc(struct mm_struct *mm, pud_t *pud);
/* A table of PTEs below PMD unless somebody else was first. 0 or -ENOMEM. May sleep. */
int __pte_alloc(struct mm_struct *mm, pmd_t *pmd);
static inline pud_t *pud_alloc(struct mm_struct *mm, pgd_t *pgd, unsigned long addr)
{
	return unlikely(pgd_none(pgdp_get(pgd))) && __pud_alloc(mm, pgd) ? NULL : pud_offset(pgd, addr);
}
static inline pmd_t *pmd_alloc(struct mm_struct *mm, pud_t *pud, unsigned long addr)
{
	return unlikely(pud_none(pudp_get(pud))) && __pmd_alloc(mm, pud) ? NULL : pmd_offset(pud, addr);
}
static inline int pte_alloc(struct mm_struct *mm, pmd_t *pmd)
{
	return unlikely(pmd_none(pmdp_get(pmd))) ? __pte_alloc(mm, pmd) : 0;
}
/* All levels down to the PMD entry of ADDR; NULL: no memory. */
pmd_t *walk_to_pmd_alloc(struct mm_struct *mm, unsigned long addr);
/* The PMD entry of ADDR as far as tables exist, or NULL. => mmap or rmap lock held */
pmd_t *mm_find_pmd(struct mm_struct *mm, unsigned long addr);
/* A table that is linked nowhere any more: undo the constructor and free the frame. */
void pte_table_free(struct page *table);

static inline pgd_t *pgd_offset(struct mm_struct *mm, unsigned long addr)
{
	return pgd_offset_pgd(mm->pgd, addr);
}
static inline spinlock_t *pte_lockptr(pmd_t pmd) { return &pfn_to_page(pmd_pfn(pmd))->ptl; }
/* The lock of the table that the entry at PMD lies in. */
static inline spinlock_t *pmd_lockptr(pmd_t *pmd)
{
	return &virt_to_page((unsigned long)pmd & PAGE_MASK)->ptl;
}

/* The PTE of ADDR for a look without the lock; NULL: no table there (FLT-4). => mmap or rmap lock held */
static inline pte_t *pte_offset_map(pmd_t *pmd, unsigned long addr)
{
	pmd_t val = pmdp_get(pmd);

	return likely(pmd_table(val)) ? pte_offset_kernel(val, addr) : NULL;
}
/*
 * The PTE of ADDR with its table's lock taken (FLT-8), or NULL with nothing taken: there is no table
 * (FLT-4). The nested form is for the second of two tables (LOCK-12).
 */
pte_t *pte_offset_map_lock(struct mm_struct *mm, pmd_t *pmd, unsigned long addr, spinlock_t **ptlp);
pte_t *pte_offset_map_lock_nested(pmd_t *pmd, unsigned long addr, spinlock_t **ptlp);
static inline void pte_unmap_unlock(pte_t *pte, spinlock_t *ptl) { spin_unlock(ptl); }

/*
 * Walk [START, END) of MM. PMD_ENTRY is called once for each 2 MiB or less whose PMD is not none; PTE_HOLE
 * (may be NULL) for ranges without any table. What they return, if not 0, ends the walk.
 * => mmap lock held (or an rmap lock and START..END within one VMA)
 */
struct mm_walk {
	int (*pmd_entry)(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk);
	int (*pte_hole)(unsigned long addr, unsigned long end, struct mm_walk *walk);
	struct mm_struct *mm;
	struct vm_area_struct *vma;	/* the caller's, not looked at */
	void *private;
};
/* Call WALK for each table entry of [START, END). Its first non-zero answer ends the walk and is returned. => mmap lock held */
int walk_page_range(struct mm_struct *mm, unsigned long start, unsigned long end, struct mm_walk *walk);

/* ---- What a PTE says ---- */

/* The page of a present PTE, or NULL if it is none that is counted: the zero page, device memory. */
static inline struct page *vm_normal_page(struct vm_area_struct *vma, unsigned long addr, pte_t pte)
{
	return unlikely(pte_special(pte)) ? NULL : pfn_to_page(pte_pfn(pte));
}
/* Private and possibly writable: the first write to a page makes a copy. */
static inline bool is_cow_mapping(vm_flags_t flags)
{
	return (flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE;
}
static inline pte_t maybe_mkwrite(pte_t pte, struct vm_area_struct *vma)
{
	return likely(vma->vm_flags & VM_WRITE) ? pte_mkwrite(pte) : pte;
}
/*
 * How many PTEs from PTEP on, at most MAX_NR, map consecutive pages of F and say the same as PTE, the value at PTEP,
 * which maps a page of F. A, D and RW may differ from one to the next: who needs them looks at each (COW-27,
 * PIT-23). The caller's MAX_NR ends with the table and the VMA (PIT-24). Linux: the same function.
 * => ptl held
 */
static inline unsigned int folio_pte_batch(const struct folio *f, const pte_t *ptep, pte_t pte, unsigned int max_nr)
{
	const u64 ignore = _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_RW;
	u64 expected = pte_val(pte) & ~ignore;
	unsigned long left = folio_pfn(f) + folio_nr_pages(f) - pte_pfn(pte);
	unsigned int nr = 1;

	if (left < max_nr)
		max_nr = left;
	while (nr < max_nr) {
		expected += PAGE_SIZE;
		if ((pte_val(ptep_get(ptep + nr)) & ~ignore) != expected)
			break;
		nr++;
	}
	return nr;
}
/* Which RSS counter a folio goes to. */
static inline int mm_counter_file(const struct folio *f)
{
	return folio_test_swapbacked(f) ? MM_SHMEMPAGES : MM_FILEPAGES;
}
static inline int mm_counter(const struct folio *f)
{
	return folio_test_anon(f) ? MM_ANONPAGES : mm_counter_file(f);
}
/* Page protection of a mapping with FLAGS: bits of a present PTE, or PROTNONE. */
pgprot_t vm_get_page_prot(vm_flags_t flags);
/* Recompute vma->vm_page_prot after vm_flags changed. => mmap write lock */
void vma_set_page_prot(struct vm_area_struct *vma);
/* PIN-4: must this page be copied for the child at once? */
static inline bool folio_needs_cow_for_dma(struct vm_area_struct *vma, struct folio *folio);

static inline void update_hiwater_rss(struct mm_struct *mm)
{
	unsigned long rss = get_mm_rss(mm);

	if (READ_ONCE(mm->hiwater_rss) < rss)
		WRITE_ONCE(mm->hiwater_rss, rss);
}

/* ---- Faults, fork (memory.c) ---- */

/* Copy SRC's PTEs for the child's VMA DST (COW-21..25). 0 or -ENOMEM. => both mmap locks held for write */
int copy_page_range(struct vm_area_struct *dst, struct vm_area_struct *src);
/* For vm_operations_struct: maps folios of vma->vm_file's page cache that are uptodate and not locked. */
vm_fault_t filemap_map_pages(struct vm_fault *vmf, pgoff_t start, pgoff_t end);

/* ---- Emptying (zap.c) ---- */

/* Drop the PTEs of [START, END) of the VMAs from VMA on into TLB. => mmap write lock, or last user */
void unmap_vmas(struct mmu_gather *tlb, struct vm_area_struct *vma, unsigned long start, unsigned long end);
/*
 * Free the tables that nothing uses once the VMAs from VMA up to END are gone; FLOOR and CEILING are the
 * borders of the neighbours that stay. Unlinks these VMAs from all rmaps first.
 * => mmap write lock, PTEs gone
 */
void free_pgtables(struct mmu_gather *tlb, struct vm_area_struct *vma, unsigned long end, unsigned long floor,
		   unsigned long ceiling);
/* MADV_DONTNEED: zap [START, END) within VMA and flush. => mmap lock held */
void zap_page_range_single(struct vm_area_struct *vma, unsigned long start, unsigned long end);
/*
 * Truncate and hole punching: unmap pages [START, START + NR) (NR 0: to the end) of MAPPING from every
 * process. EVEN_COWS: private copies too.
 * => no lock of mm held; may sleep. Linux: the same function.
 */
void unmap_mapping_pages(struct address_space *mapping, pgoff_t start, pgoff_t nr, bool even_cows);

/* PIN-2; rmap.c. */
bool folio_maybe_dma_pinned(const struct folio *f);
static inline bool folio_needs_cow_for_dma(struct vm_area_struct *vma, struct folio *folio)
{
	return unlikely(atomic_read(&vma->vm_mm->has_pinned)) && folio_maybe_dma_pinned(folio);
}

#endif
