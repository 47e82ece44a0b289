/*
 * mm/huge_memory.c - huge PMDs: one entry that maps 2 MiB of anonymous memory.
 *
 *	first touch ─┬─ write ──> a new folio of order 9     one reference, one mapping, its head EXCLUSIVE
 *	             └─ read ───> the huge zero page         never counted (FLT-9)
 *	later write ─┬─ ours alone ──────────> the PMD becomes writable (COW-17, 18)
 *	             ├─ the huge zero page ──> a new folio in its place (COW-20)
 *	             └─ else ────────────────> a table of PTEs; the fault goes on there, copies 4 KiB (COW-19)
 *
 * Each huge PMD has a table in reserve (SPLIT-2), so that it can become a table whenever somebody needs one
 * (huge_split_pmd.c). Then what fork, munmap, mprotect, mremap and MADV_FREE do to a whole huge PMD. All under
 * the lock of the PMD table.
 *
 * Not here: which VMAs may have huge PMDs (thp_policy.c), smaller large folios (memory.c), splitting folios
 * (split.c), moving them (migrate.c). Left out: huge PMDs of files. Linux: mm/huge_memory.c; the functions bear its names.
 */
#include "mm/huge_memory.h"
#include "arch-x86_64/tlbflush.h"
#include "kernel/trace/fail.h"
#include "kernel/trace/pause.h"
#include "mm/fault.h"
#include "mm/mmu_gather.h"
#include "mm/oom.h"
#include "mm/swap.h"
#include "mm/swapops.h"
#include "mm/trace_mm.h"
#include "mm/vmstat.h"
#include "mm/why_not_huge.h"

/* The lock of PMD, if it is WANTED before and after taking it; else NULL. */
static __always_inline spinlock_t *lock_pmd_if(pmd_t *pmd, bool (*wanted)(pmd_t pmd))
{
	spinlock_t *ptl = pmd_lockptr(pmd);

	if (!wanted(pmdp_get(pmd)))
		return NULL;
	spin_lock(ptl);
	if (likely(wanted(pmdp_get(pmd))))
		return ptl;
	spin_unlock(ptl);
	return NULL;
}

spinlock_t *pmd_trans_huge_lock(pmd_t *pmd, struct vm_area_struct *vma)
{
	return lock_pmd_if(pmd, pmd_trans_huge);
}

spinlock_t *pmd_whole_lock(pmd_t *pmd)
{
	return lock_pmd_if(pmd, pmd_is_whole);
}

struct page *vm_normal_page_pmd(struct vm_area_struct *vma, unsigned long addr, pmd_t pmd)
{
	if (is_huge_zero_pmd(pmd))
		return NULL;
	return pfn_to_page(pmd_pfn(pmd) + pte_index(addr));
}

/* ---- The huge zero page ---- */

/* FLT-9: a read of 2 MiB that nobody has touched. */
static vm_fault_t do_huge_zero_page(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct page *table = pte_alloc_one(vma->vm_mm);
	struct folio *zero;
	vm_fault_t ret;

	if (unlikely(!table))
		return VM_FAULT_OOM;
	zero = mm_get_huge_zero_folio(vma->vm_mm);
	if (unlikely(!zero)) {
		pte_free(vma->vm_mm, table);
		count_vm_event(THP_FAULT_FALLBACK);
		return VM_FAULT_FALLBACK;
	}
	vmf->ptl = pmd_lockptr(vmf->pmd);
	spin_lock(vmf->ptl);
	ret = check_stable_address_space(vma->vm_mm);
	if (likely(!ret && pmd_none(pmdp_get(vmf->pmd)))) {
		pgtable_trans_huge_deposit(vma->vm_mm, vmf->pmd, table);
		set_pmd(vmf->pmd, pfn_pmd(folio_pfn(zero), vma->vm_page_prot));
		table = NULL;
	}
	spin_unlock(vmf->ptl);
	if (unlikely(table))
		pte_free(vma->vm_mm, table);
	return ret;
}

/* ---- First touch ---- */

/* A zeroed folio for 2 MiB around ADDR; NULL: none, counted (MTHP-5). May sleep. */
static struct folio *vma_alloc_anon_folio_pmd(struct vm_area_struct *vma, unsigned long addr)
{
	struct folio *folio = NULL;

	if (!fail_here("anon_folio", HPAGE_PMD_ORDER))
		folio = folio_alloc(vma_thp_gfp_mask(vma), HPAGE_PMD_ORDER);
	if (unlikely(!folio)) {
		count_vm_event(THP_FAULT_FALLBACK);
		count_mthp_stat(HPAGE_PMD_ORDER, MTHP_STAT_ANON_FAULT_FALLBACK);
		note_fault_refusal(vma->vm_mm, addr, "no_memory");
		return NULL;
	}
	note_fault_refusal(vma->vm_mm, addr, NULL);
	folio_zero_user(folio, addr);
	pause_point("huge_fault_alloc");
	return folio;
}

void map_anon_folio_pmd(struct folio *folio, pmd_t *pmd, struct vm_area_struct *vma, unsigned long haddr)
{
	pmd_t entry = pfn_pmd(folio_pfn(folio), vma->vm_page_prot);

	folio_add_new_anon_rmap(folio, vma, haddr, RMAP_EXCLUSIVE);
	lru_cache_add(folio);
	set_pmd(pmd, maybe_pmd_mkwrite(pmd_mkdirty(entry), vma));
	deferred_split_folio(folio, false);
}

/* MTHP-11: as above, for a fault. */
static void map_faulted_folio_pmd(struct folio *folio, struct vm_fault *vmf)
{
	map_anon_folio_pmd(folio, vmf->pmd, vmf->vma, vmf->address & PMD_MASK);
	add_mm_counter(vmf->vma->vm_mm, MM_ANONPAGES, HPAGE_PMD_NR);
	trace_anon_fault(vmf->vma->vm_mm, vmf->address & PMD_MASK, folio_pfn(folio), HPAGE_PMD_ORDER);
	count_vm_event(THP_FAULT_ALLOC);
	count_mthp_stat(HPAGE_PMD_ORDER, MTHP_STAT_ANON_FAULT_ALLOC);
}

vm_fault_t do_huge_pmd_anonymous_page(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct mm_struct *mm = vma->vm_mm;
	struct folio *folio;
	struct page *table;
	vm_fault_t ret;

	if (!thp_vma_suitable_orders(vma, vmf->address, BIT(HPAGE_PMD_ORDER))) {
		note_fault_refusal(mm, vmf->address, "edge_of_mapping");
		return VM_FAULT_FALLBACK;	/* MTHP-5: counts nothing */
	}
	if (unlikely(anon_vma_prepare(vma)))
		return VM_FAULT_OOM;
	khugepaged_enter_vma(vma, vma->vm_flags);
	if (!(vmf->flags & FAULT_FLAG_WRITE) && thp_use_zero_page())
		return do_huge_zero_page(vmf);
	folio = vma_alloc_anon_folio_pmd(vma, vmf->address);
	if (unlikely(!folio))
		return VM_FAULT_FALLBACK;
	table = pte_alloc_one(mm);
	if (unlikely(!table)) {
		folio_put(folio);
		return VM_FAULT_OOM;
	}
	vmf->ptl = pmd_lockptr(vmf->pmd);
	spin_lock(vmf->ptl);
	ret = check_stable_address_space(mm);
	if (unlikely(ret || !pmd_none(pmdp_get(vmf->pmd)))) {
		spin_unlock(vmf->ptl);
		pte_free(mm, table);
		folio_put(folio);
		return ret;
	}
	pgtable_trans_huge_deposit(mm, vmf->pmd, table);
	map_faulted_folio_pmd(folio, vmf);
	spin_unlock(vmf->ptl);
	return 0;
}

/* ---- Later faults ---- */

void huge_pmd_set_accessed(struct vm_fault *vmf)
{
	u64 bits = _PAGE_ACCESSED | (vmf->flags & FAULT_FLAG_WRITE ? _PAGE_DIRTY : 0);

	vmf->ptl = pmd_lockptr(vmf->pmd);
	spin_lock(vmf->ptl);
	if (likely(pmd_same(pmdp_get(vmf->pmd), vmf->orig_pmd)) && (pmd_val(vmf->orig_pmd) & bits) != bits)
		__atomic_fetch_or(&vmf->pmd->v, bits, __ATOMIC_SEQ_CST);
	spin_unlock(vmf->ptl);
}

/* COW-20: a folio in the place of the zeroes; the deposit stays. FALLBACK: no folio. */
static vm_fault_t do_huge_zero_wp_pmd(struct vm_fault *vmf)
{
	unsigned long haddr = vmf->address & PMD_MASK;
	struct folio *folio = vma_alloc_anon_folio_pmd(vmf->vma, vmf->address);

	if (unlikely(!folio))
		return VM_FAULT_FALLBACK;
	spin_lock(vmf->ptl);
	if (unlikely(!pmd_same(pmdp_get(vmf->pmd), vmf->orig_pmd))) {
		spin_unlock(vmf->ptl);
		folio_put(folio);
		return 0;
	}
	/* COW-14: no CPU may read zeroes once one can write. */
	pmdp_huge_get_and_clear(vmf->pmd);
	flush_tlb_range(vmf->vma, haddr, haddr + PMD_SIZE);
	map_faulted_folio_pmd(folio, vmf);
	spin_unlock(vmf->ptl);
	return 0;
}

/*
 * COW-17: lock FOLIO, for which the PMD lock may have to be given up meanwhile. False: the PMD changed, nothing
 * is locked.
 * => PMD lock held, also on success
 */
static bool lock_folio_of_pmd(struct vm_fault *vmf, struct folio *folio)
{
	if (likely(folio_trylock(folio)))
		return true;
	folio_get(folio);
	spin_unlock(vmf->ptl);
	pause_point("huge_wp_folio_lock");
	folio_lock(folio);
	spin_lock(vmf->ptl);
	if (unlikely(!pmd_same(pmdp_get(vmf->pmd), vmf->orig_pmd))) {
		spin_unlock(vmf->ptl);
		folio_unlock(folio);
		folio_put(folio);
		return false;
	}
	folio_put(folio);
	return true;
}

/* COW-18. => PMD lock and folio lock held */
static bool can_reuse_huge_folio(struct folio *folio, struct vm_area_struct *vma)
{
	if (PageAnonExclusive(&folio->page))
		return true;
	if (folio_ref_count(folio) > 1 + (folio_test_swapcache(folio) ? HPAGE_PMD_NR : 0))
		return false;
	if (folio_test_swapcache(folio))
		folio_free_swap(folio);
	/* One reference is one PMD mapping: ours is all that there is, of any page of it. */
	if (folio_ref_count(folio) != 1)
		return false;
	folio_move_anon_rmap(folio, vma);
	SetPageAnonExclusive(&folio->page);
	return true;
}

/* COW-12: an unshare request leaves the PMD as it is. => PMD lock held, dropped */
static vm_fault_t reuse_huge_pmd(struct vm_fault *vmf)
{
	pmd_t entry = pmd_mkyoung(pmd_mkdirty(vmf->orig_pmd));

	if (likely(!(vmf->flags & FAULT_FLAG_UNSHARE)))
		set_pmd(vmf->pmd, maybe_pmd_mkwrite(entry, vmf->vma));
	trace_wp_page_reuse(vmf->vma->vm_mm, vmf->address & PMD_MASK, pmd_pfn(entry), HPAGE_PMD_ORDER);
	spin_unlock(vmf->ptl);
	return 0;
}

vm_fault_t do_huge_pmd_wp_page(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct folio *folio;
	bool reuse;

	KASSERT(vma->anon_vma, "RMAP-2");
	vmf->ptl = pmd_lockptr(vmf->pmd);
	if (is_huge_zero_pmd(vmf->orig_pmd)) {
		vm_fault_t ret = do_huge_zero_wp_pmd(vmf);

		if (!(ret & VM_FAULT_FALLBACK))
			return ret;
		goto split;
	}
	spin_lock(vmf->ptl);
	if (unlikely(!pmd_same(pmdp_get(vmf->pmd), vmf->orig_pmd))) {
		spin_unlock(vmf->ptl);
		return 0;
	}
	folio = page_folio(pfn_to_page(pmd_pfn(vmf->orig_pmd)));
	if (PageAnonExclusive(&folio->page))
		return reuse_huge_pmd(vmf);
	if (!lock_folio_of_pmd(vmf, folio))
		return 0;
	reuse = can_reuse_huge_folio(folio, vma);
	folio_unlock(folio);
	if (reuse)
		return reuse_huge_pmd(vmf);
	spin_unlock(vmf->ptl);
	note_fault_refusal(vma->vm_mm, vmf->address, "shared");
split:
	split_huge_pmd(vma, vmf->pmd, vmf->address);
	return VM_FAULT_FALLBACK;
}

/* ---- fork ---- */

/*
 * COW-21: one more mapping of what PMD maps, read-only and old in the child, read-only in the parent. -EBUSY:
 * COW-22. => both PMD locks held
 */
static int share_huge_pmd(struct vm_area_struct *dst, struct vm_area_struct *src, pmd_t *dst_pmd,
			  pmd_t *src_pmd, struct page *table)
{
	pmd_t pmd = pmdp_get(src_pmd);
	struct folio *folio;

	if (!is_huge_zero_pmd(pmd)) {
		folio = page_folio(pfn_to_page(pmd_pfn(pmd)));
		folio_get(folio);
		if (unlikely(folio_try_dup_anon_rmap_pmd(folio, &folio->page, dst, src))) {
			folio_put(folio);
			return -EBUSY;
		}
		add_mm_counter(dst->vm_mm, MM_ANONPAGES, HPAGE_PMD_NR);
	} else {
		mm_dup_huge_zero_folio(dst->vm_mm);
	}
	pgtable_trans_huge_deposit(dst->vm_mm, dst_pmd, table);
	pmdp_set_wrprotect(src_pmd);
	set_pmd(dst_pmd, pmd_mkold(pmd_wrprotect(pmd)));
	return 0;
}

/* COW-24: both are only readable when they come back; neither reference nor mapcount. => both PMD locks held */
static void share_migration_pmd(struct vm_area_struct *dst, pmd_t *dst_pmd, pmd_t *src_pmd, struct page *table)
{
	swp_entry_t entry = make_readable_migration_entry(pmd_to_swp_entry(pmdp_get(src_pmd)));

	add_mm_counter(dst->vm_mm, MM_ANONPAGES, HPAGE_PMD_NR);
	pgtable_trans_huge_deposit(dst->vm_mm, dst_pmd, table);
	set_pmd(src_pmd, swp_entry_to_pmd(entry));
	set_pmd(dst_pmd, swp_entry_to_pmd(entry));
}

int copy_huge_pmd(struct mm_struct *dst_mm, struct mm_struct *src_mm, pmd_t *dst_pmd, pmd_t *src_pmd,
		  unsigned long addr, struct vm_area_struct *dst, struct vm_area_struct *src)
{
	spinlock_t *dst_ptl = pmd_lockptr(dst_pmd), *src_ptl = pmd_lockptr(src_pmd);
	struct page *table = pte_alloc_one(dst_mm);
	int err = -EAGAIN;

	if (!table)
		return -ENOMEM;
	/* LOCK-12: the child's, then the parent's. */
	spin_lock(dst_ptl);
	spin_lock_nested(src_ptl, SINGLE_DEPTH_NESTING);
	/* An rmap walk may have made it a table meanwhile. */
	if (likely(pmd_trans_huge(pmdp_get(src_pmd))))
		err = share_huge_pmd(dst, src, dst_pmd, src_pmd, table);
	else if (is_pmd_migration_entry(pmdp_get(src_pmd))) {
		share_migration_pmd(dst, dst_pmd, src_pmd, table);
		err = 0;
	}
	spin_unlock(src_ptl);
	spin_unlock(dst_ptl);
	if (likely(!err))
		return 0;
	pte_free(dst_mm, table);
	if (err == -EBUSY)
		split_huge_pmd(src, src_pmd, addr);
	return -EAGAIN;
}

/* ---- munmap, mprotect, mremap, madvise ---- */

bool zap_huge_pmd(struct mmu_gather *tlb, struct vm_area_struct *vma, pmd_t *pmd, unsigned long addr)
{
	spinlock_t *ptl = pmd_whole_lock(pmd);
	struct folio *folio = NULL;
	struct page *table;
	pmd_t old;

	if (!ptl)
		return false;
	old = pmdp_huge_get_and_clear(pmd);
	tlb_flush_range_later(tlb, addr & PMD_MASK, PMD_SIZE);
	table = pgtable_trans_huge_withdraw(vma->vm_mm, pmd);
	if (!is_huge_zero_pmd(old))
		add_mm_counter(vma->vm_mm, MM_ANONPAGES, -HPAGE_PMD_NR);
	/* A migration entry is counted as memory, and nothing else (MIG-5). */
	if (pmd_present(old) && !is_huge_zero_pmd(old)) {
		folio = page_folio(pfn_to_page(pmd_pfn(old)));
		folio_remove_rmap_pmd(folio, &folio->page, vma);
	}
	spin_unlock(ptl);
	/* Nobody was ever led to this table, it may go at once. */
	pte_free(vma->vm_mm, table);
	if (folio)
		tlb_remove_folio_pages(tlb, folio, 1);
	return true;
}

/* MIG-5: as change_migration_entry of a PTE. => PMD lock held */
static void change_migration_pmd(pmd_t *pmd)
{
	swp_entry_t entry = pmd_to_swp_entry(pmdp_get(pmd));

	if (is_writable_migration_entry(entry))
		set_pmd(pmd, swp_entry_to_pmd(make_readable_exclusive_migration_entry(entry)));
}

/* COW-26. */
static bool can_change_pmd_writable(struct vm_area_struct *vma, pmd_t pmd)
{
	if (!(vma->vm_flags & VM_WRITE) || is_huge_zero_pmd(pmd))
		return false;
	return PageAnonExclusive(pfn_to_page(pmd_pfn(pmd)));
}

/* A CPU may have cached a right that NEW does not give. */
static bool huge_pmd_needs_flush(pmd_t old, pmd_t new)
{
	if (!(pmd_val(old) & _PAGE_PRESENT))
		return false;
	return (pmd_val(old) & ~pmd_val(new) & (_PAGE_PRESENT | _PAGE_RW)) ||
	       (pmd_val(new) & ~pmd_val(old) & _PAGE_NX);
}

unsigned long change_huge_pmd(struct mmu_gather *tlb, struct vm_area_struct *vma, pmd_t *pmd,
			      unsigned long addr, pgprot_t newprot)
{
	spinlock_t *ptl = pmd_whole_lock(pmd);
	pmd_t old, new;

	if (!ptl)
		return 0;
	if (unlikely(is_pmd_migration_entry(pmdp_get(pmd)))) {
		change_migration_pmd(pmd);
		spin_unlock(ptl);
		return HPAGE_PMD_NR;
	}
	/* Not present first, but huge all the time: the A and D bits that CPUs set until then are in OLD. */
	old = __pmd(__atomic_fetch_and(&pmd->v, ~(u64)(_PAGE_PRESENT | _PAGE_PROTNONE), __ATOMIC_SEQ_CST));
	new = pmd_modify(old, newprot);
	if (can_change_pmd_writable(vma, new))
		new = pmd_mkwrite(new);
	set_pmd(pmd, new);
	if (huge_pmd_needs_flush(old, new))
		tlb_flush_range_later(tlb, addr & PMD_MASK, PMD_SIZE);
	spin_unlock(ptl);
	return HPAGE_PMD_NR;
}

bool move_huge_pmd(struct vm_area_struct *vma, unsigned long old_addr, unsigned long new_addr, pmd_t *old_pmd,
		   pmd_t *new_pmd)
{
	spinlock_t *old_ptl, *new_ptl = pmd_lockptr(new_pmd);
	struct mm_struct *mm = vma->vm_mm;
	pmd_t pmd;

	/* A table that was made there for a neighbour: then the entries go one by one. */
	if (!pmd_none(pmdp_get(new_pmd)))
		return false;
	old_ptl = pmd_whole_lock(old_pmd);
	if (!old_ptl)
		return false;
	if (new_ptl != old_ptl) {
		spin_lock_nested(new_ptl, SINGLE_DEPTH_NESTING);
		pgtable_trans_huge_deposit(mm, new_pmd, pgtable_trans_huge_withdraw(mm, old_pmd));
	}
	KASSERT(pmd_none(pmdp_get(new_pmd)), "LOCK-4");
	pmd = pmdp_huge_get_and_clear(old_pmd);
	/* Before anybody can change the pages through the new entry. */
	flush_tlb_range(vma, old_addr, old_addr + PMD_SIZE);
	set_pmd(new_pmd, pmd);
	if (new_ptl != old_ptl)
		spin_unlock(new_ptl);
	spin_unlock(old_ptl);
	return true;
}

bool madvise_free_huge_pmd(struct mmu_gather *tlb, struct vm_area_struct *vma, pmd_t *pmd, unsigned long addr)
{
	const u64 bits = _PAGE_ACCESSED | _PAGE_DIRTY;
	spinlock_t *ptl = pmd_trans_huge_lock(pmd, vma);
	struct page *page;
	struct folio *folio;

	if (!ptl)
		return false;
	page = vm_normal_page_pmd(vma, addr, pmdp_get(pmd));
	folio = page ? page_folio(page) : NULL;
	/* ABI-24. Who has the folio lock is about to do something with it: then it stays as it is. */
	if (folio && !folio_maybe_mapped_shared(folio) && folio_trylock(folio)) {
		folio_clear_dirty(folio);
		folio_unlock(folio);
		if (pmd_val(pmdp_get(pmd)) & bits) {
			__atomic_fetch_and(&pmd->v, ~bits, __ATOMIC_SEQ_CST);
			tlb_flush_range_later(tlb, addr & PMD_MASK, PMD_SIZE);
		}
		folio_mark_lazyfree(folio);
	}
	spin_unlock(ptl);
	return true;
}
