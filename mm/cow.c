/*
 * mm/cow.c - copy-on-write: a write to a present, read-only PTE (COW-6..16, COW-28).
 *
 *	do_wp_page ─┬─ wp_page_reuse   the page is exclusive, or this process is all that refers to its folio
 *	            ├─ wp_page_copy    the C of COW
 *	            └─ wp_page_shared  a shared mapping whose file wants to hear of the first write
 *
 *	exclusive?  ── yes ──────────────────────────────────────────────> reuse (COW-5)
 *	   │ no
 *	   ├─ small folio: is this PTE its only reference? (COW-8) ── yes ─> reuse, and the anon_vma narrows
 *	   ├─ large folio: do one process's entries hold all
 *	   │              references there are? (COW-9)            ── yes ─> reuse this one page
 *	   └─ otherwise ───────────────────────────────────────────────────> copy 4 KiB
 *
 * Two rules of older kernels can be put in force to see them fail (kernel/trace/control.h): reuse by the
 * largest mapcount of any page, and by mapcounts without a look at the references.
 *
 * Not here: writes to huge PMDs (huge_memory.c). Linux: mm/memory.c; the functions bear its names.
 */
#include "mm/fault.h"
#include "arch-x86_64/tlbflush.h"
#include "kernel/trace/control.h"
#include "kernel/trace/pause.h"
#include "mm/swap.h"
#include "mm/trace_mm.h"
#include "mm/vmstat.h"

/* COW-11: the page is ours, make it writable. Unlocks. */
static vm_fault_t wp_page_reuse(struct vm_fault *vmf)
{
	pte_t entry = maybe_mkwrite(pte_mkyoung(pte_mkdirty(vmf->orig_pte)), vmf->vma);

	/* No flush: a CPU that faults on a stale read-only entry drops it by itself. */
	set_pte(vmf->pte, entry);
	trace_wp_page_reuse(vmf->vma->vm_mm, vmf->address, pte_pfn(entry), 0);
	count_vm_event(PGREUSE);
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	return 0;
}

/* COW-8: nothing but this PTE refers to the small folio. => ptl held */
static bool wp_can_reuse_small_folio(struct folio *folio, struct vm_area_struct *vma)
{
	if (folio_ref_count(folio) > 3)
		return false;
	if (!folio_test_lru(folio) || folio_test_unevictable(folio))
		lru_add_drain();	/* this CPU's batches may hold the extra reference (PIT-16) */
	if (folio_ref_count(folio) > 1 + folio_test_swapcache(folio))
		return false;
	if (!folio_trylock(folio))
		return false;
	if (folio_test_swapcache(folio))
		folio_free_swap(folio);
	/* Under the lock nobody can have found it through a list and be about to map it. */
	if (folio_ref_count(folio) != 1) {
		folio_unlock(folio);
		return false;
	}
	folio_move_anon_rmap(folio, vma);
	folio_unlock(folio);
	return true;
}

/*
 * COW-9: every reference to the large folio is an entry of this process. Its anon_vma stays as it is all the
 * same: the gain is small, and the older rule that narrowed it hid pages from the rmap (COW-13). => ptl held
 */
static bool wp_can_reuse_large_folio(struct folio *folio)
{
	bool reuse;

	/* The last page that is mapped: copying it lets the other pages go. */
	if (folio_mapcount(folio) <= 1)
		return false;
	if (folio_maybe_mapped_shared(folio))
		return false;
	if (folio_test_swapcache(folio)) {
		if (!folio_trylock(folio))
			return false;
		folio_free_swap(folio);
		folio_unlock(folio);
	}
	if (folio_mapcount(folio) != folio_ref_count(folio))
		return false;
	/*
	 * Both answers at one instant: a relative that mapped or unmapped in between would have made the
	 * first or the second wrong. Whoever moves or splits the folio holds a reference of its own, so that
	 * its lock is not needed (COW-10).
	 */
	folio_lock_large_mapcount(folio);
	reuse = !folio_maybe_mapped_shared(folio) && folio_mapcount(folio) == folio_ref_count(folio);
	folio_unlock_large_mapcount(folio);
	return reuse;
}

/*
 * COW-28, the rule of 2016 without the objection made to it: no page of the folio is mapped twice, so it is
 * ours and its anon_vma may be narrowed. Another process may own the other half of the folio (PIT-3, PIT-4,
 * T-COW-4).
 */
static bool max_subpage_rule(struct folio *folio, struct vm_area_struct *vma)
{
	int most = 0, nr = (int)folio_nr_pages(folio);

	for (int i = 0; i < nr; i++)
		most = max(most, folio_precise_page_mapcount(folio, folio_page(folio, i)));
	if (most != 1 || !folio_trylock(folio))
		return false;
	folio_move_anon_rmap(folio, vma);
	folio_unlock(folio);
	return true;
}

/* COW-7 (b) and (c): may this process take over a page that is not marked exclusive? => ptl held */
static bool wp_can_reuse_anon_folio(struct folio *folio, struct vm_area_struct *vma)
{
	if (variant_is(VARIANT_MAX_SUBPAGE))
		return max_subpage_rule(folio, vma);
	/* T-COW-9: who asks the mapcounts alone overlooks references without a mapping. */
	if (variant_is(VARIANT_MAPCOUNT_ONLY))
		return !folio_maybe_mapped_shared(folio);
	if (folio_test_large(folio))
		return wp_can_reuse_large_folio(folio);
	return wp_can_reuse_small_folio(folio, vma);
}

/*
 * Put COPY in the place of OLD (NULL: the zero page). True if done: COPY's reference is the mapping's, and
 * OLD has lost that of its mapping. False: the PTE changed meanwhile (COW-15).
 */
static bool wp_install_copy(struct vm_fault *vmf, struct folio *old, struct folio *copy)
{
	struct vm_area_struct *vma = vmf->vma;
	pte_t entry = pfn_pte(folio_pfn(copy), vma->vm_page_prot);

	if (!vmf_lock_pte(vmf))
		return false;
	if (unlikely(vmf_pte_changed(vmf))) {
		pte_unmap_unlock(vmf->pte, vmf->ptl);
		return false;
	}
	if (!old || !folio_test_anon(old)) {
		if (old)
			add_mm_counter(vma->vm_mm, mm_counter_file(old), -1);
		add_mm_counter(vma->vm_mm, MM_ANONPAGES, 1);
	}
	/* COW-12: an unshare fault leaves the copy read-only, as the original was. */
	if (!(vmf->flags & FAULT_FLAG_UNSHARE))
		entry = maybe_mkwrite(pte_mkdirty(entry), vma);
	/* COW-14: no CPU may read the old page once one can write the new. */
	ptep_get_and_clear(vmf->pte);
	flush_tlb_page(vma, vmf->address);
	set_new_anon_pte(vmf, copy, entry);
	trace_wp_page_copy(vma->vm_mm, vmf->address, old ? page_to_pfn(vmf->page) : ~0UL, folio_pfn(copy));
	/* And only now the old page: earlier, its other owner could take it over while we still map it. */
	if (old)
		folio_remove_rmap_ptes(old, vmf->page, 1, vma);
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	return true;
}

/*
 * COW-14: always one base page, whatever the size of the old folio.
 * => the caller took a reference on vmf->page's folio (if any), dropped here; ptl not held; may sleep
 */
static vm_fault_t wp_page_copy(struct vm_fault *vmf)
{
	struct folio *old = vmf->page ? page_folio(vmf->page) : NULL;
	struct folio *copy;

	if (unlikely(anon_vma_prepare(vmf->vma)))
		goto out_oom;
	copy = folio_prealloc(!old);
	if (unlikely(!copy))
		goto out_oom;
	pause_point("wp_copy_alloc");
	if (old)
		copy_page(folio_address(copy), page_address(vmf->page));
	if (!wp_install_copy(vmf, old, copy))
		folio_put(copy);
	else if (old)
		folio_put(old);
	if (old) {
		free_swap_cache(old);
		folio_put(old);
	}
	return 0;

out_oom:
	if (old)
		folio_put(old);
	return VM_FAULT_OOM;
}

/* A page of a shared mapping whose file wants to hear of the first write. => ptl held, dropped */
static vm_fault_t wp_page_shared(struct vm_fault *vmf)
{
	const struct vm_operations_struct *ops = vmf->vma->vm_ops;
	struct folio *folio = page_folio(vmf->page);
	vm_fault_t ret;

	if (!ops || !ops->page_mkwrite) {
		folio_set_dirty(folio);
		return wp_page_reuse(vmf);
	}
	folio_get(folio);
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	ret = ops->page_mkwrite(vmf);
	if (!(ret & (VM_FAULT_ERROR | VM_FAULT_NOPAGE))) {
		folio_set_dirty(folio);
		if (vmf_lock_pte(vmf)) {
			if (!vmf_pte_changed(vmf))
				wp_page_reuse(vmf);
			else
				pte_unmap_unlock(vmf->pte, vmf->ptl);
		}
		folio_unlock(folio);
		ret = 0;
	}
	folio_put(folio);
	return ret;
}

/*
 * A write (or an unshare request, COW-12) to a present read-only PTE.
 * => ptl held on entry, dropped
 */
__gdb_stop vm_fault_t do_wp_page(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct page *page = vm_normal_page(vma, vmf->address, vmf->orig_pte);
	struct folio *folio = page ? page_folio(page) : NULL;

	vmf->page = page;
	if (vma->vm_flags & (VM_SHARED | VM_MAYSHARE))
		return folio ? wp_page_shared(vmf) : wp_page_reuse(vmf);
	/* COW-7: first the flag, then the references; else copy. */
	if (folio && folio_test_anon(folio) &&
	    (PageAnonExclusive(page) || wp_can_reuse_anon_folio(folio, vma))) {
		if (!PageAnonExclusive(page))
			SetPageAnonExclusive(page);
		if (unlikely(vmf->flags & FAULT_FLAG_UNSHARE)) {
			pte_unmap_unlock(vmf->pte, vmf->ptl);
			return 0;
		}
		return wp_page_reuse(vmf);
	}
	if (folio)
		folio_get(folio);
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	return wp_page_copy(vmf);
}
