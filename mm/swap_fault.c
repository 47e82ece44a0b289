/*
 * mm/swap_fault.c - a fault on a swap entry (SWAP-8..15).
 *
 *	do_swap_page
 *	  hold the area ──> in the cache? ── no ──> swapin: a new folio, its reading started      major
 *	                         │ yes
 *	  lock the folio; if that takes time: wait without the mmap lock, fault again (RETRY)
 *	  still this entry's? ──> lock the table, still this entry? ──> read well?
 *	  all of a large folio, or only this page ──> exclusive? ──> counts, mapping
 *	  cache copy needed? ──> do_wp_page
 *
 * An entry that is equal may yet mean another page: slots are used again (SWAP-15). What counts is that with
 * the folio and the table locked the entry is in the table and the folio serves it.
 *
 * Linux: do_swap_page() in mm/memory.c.
 */
#include "kernel/lib/err.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/pause.h"
#include "mm/fault.h"
#include "mm/huge_memory.h"
#include "mm/swapfile.h"
#include "mm/thp_policy.h"
#include "mm/vmstat.h"

/* One fault on its way. */
struct swap_fault {
	struct vm_fault *vmf;
	struct swap_info_struct *si;
	swp_entry_t entry;		/* of the faulting page */
	struct folio *folio;		/* referenced, later locked */
	/* What is mapped: NR pages from PAGE on, at ADDR, by the PTEs from PTE on. */
	struct page *page;
	unsigned long addr;
	pte_t *pte;
	int nr;
};

/* ---- Entries in a row ---- */

int swap_pte_batch(const pte_t *pte, int max_nr, pte_t first)
{
	u64 step = pte_val(swp_entry_to_pte(swp_entry(0, 1))), expected = pte_val(first);
	int nr = 1;

	while (nr < max_nr) {
		expected += step;
		if (pte_val(ptep_get(pte + nr)) != expected)
			break;
		nr++;
	}
	return nr;
}

/*
 * The entries of the naturally aligned block of 2^ORDER pages around the fault are in a row, their slots
 * alike.
 */
static bool block_swapped(const struct swap_fault *sf, const pte_t *table, unsigned int order)
{
	struct vm_fault *vmf = sf->vmf;
	int nr = 1 << order, idx = (int)((vmf->address >> PAGE_SHIFT) & ((1UL << order) - 1));
	unsigned long offset = swp_offset(sf->entry) - (unsigned long)idx;
	const pte_t *first = table + pte_index(vmf->address) - idx;
	u64 step = pte_val(swp_entry_to_pte(swp_entry(0, 1)));
	pte_t val = ptep_get(first);

	if (offset & ((1UL << order) - 1))
		return false;
	if (pte_val(val) != pte_val(vmf->orig_pte) - step * (u64)idx)
		return false;
	if (swap_pte_batch(first, nr, val) != nr)
		return false;
	for (int i = 0; i < nr; i++)
		if (slot_folio(READ_ONCE(*swap_slot(sf->si, offset + (unsigned long)i))))
			return false;
	return true;
}

/* ---- Getting the folio ---- */

/* SWAP-9: the orders in which the block around the fault might come in one piece. */
static unsigned long large_orders(const struct swap_fault *sf)
{
	struct vm_area_struct *vma = sf->vmf->vma;
	unsigned long orders;
	const pte_t *table;

	if (vma->vm_flags & VM_PAGE_TRACKING)
		return 0;
	orders = thp_vma_allowable_orders(vma, vma->vm_flags, TVA_PAGEFAULT,
					  THP_ORDERS_ALL_ANON & ~BIT(HPAGE_PMD_ORDER));
	if (orders)
		orders = thp_vma_suitable_orders(vma, sf->vmf->address, orders);
	table = orders ? pte_offset_map(sf->vmf->pmd, sf->vmf->address & PMD_MASK) : NULL;
	while (table && orders) {
		int order = highest_order(orders);

		if (block_swapped(sf, table, (unsigned int)order))
			return orders;	/* what holds for a block holds for each part of it */
		next_order(&orders, order);
	}
	return 0;
}

/* A synchronous device: as large as can be; no readahead. ERR_PTR. */
static struct folio *swapin_sync(const struct swap_fault *sf)
{
	unsigned long orders = large_orders(sf);
	gfp_t gfp = orders ? vma_thp_gfp_mask(sf->vmf->vma) : 0;
	struct folio *f;
	bool is_new;

	while (orders) {
		int order = highest_order(orders);
		unsigned long idx = sf->vmf->address >> PAGE_SHIFT & (BIT(order) - 1);

		f = swap_cache_alloc_folio(swp_entry_add(sf->entry, -idx), (unsigned int)order, gfp, &is_new);
		if (!IS_ERR(f)) {
			swap_read_folio(f);
			return f;
		}
		if (PTR_ERR(f) != -ENOMEM)
			break;		/* a part of it came in meanwhile */
		count_mthp_stat((unsigned int)order, MTHP_STAT_SWPIN_FALLBACK);
		next_order(&orders, order);
	}
	f = swap_cache_alloc_folio(sf->entry, 0, GFP_HIGHUSER_MOVABLE, &is_new);
	if (!IS_ERR(f) && is_new)
		swap_read_folio(f);
	return f;
}

/* No folio: out of memory, unless the entry is gone, which the access will see when it is repeated. */
static vm_fault_t no_folio(struct vm_fault *vmf)
{
	vm_fault_t ret = 0;

	if (!vmf_lock_pte(vmf))
		return 0;
	if (!vmf_pte_changed(vmf))
		ret = VM_FAULT_OOM;
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	return ret;
}

/* sf->folio is there afterwards, unless the result has an error. */
static vm_fault_t find_or_read(struct swap_fault *sf)
{
	struct vm_fault *vmf = sf->vmf;

	sf->folio = swap_cache_get_folio(sf->entry);
	if (sf->folio) {
		swap_update_readahead(sf->folio, vmf->vma, vmf->address);
		return 0;
	}
	pause_point("swapin_read");
	sf->folio = sf->si->synchronous ? swapin_sync(sf) : swapin_readahead(sf->entry, vmf);
	if (IS_ERR(sf->folio)) {
		sf->folio = NULL;
		return no_folio(vmf);
	}
	count_vm_event(PGMAJFAULT);
	return VM_FAULT_MAJOR;
}

/* ---- Mapping it ---- */

/* SWAP-11: all of a large folio if its entries are all there. => ptl and folio locked */
static void choose_range(struct swap_fault *sf)
{
	struct vm_fault *vmf = sf->vmf;
	struct vm_area_struct *vma = vmf->vma;
	int nr = (int)folio_nr_pages(sf->folio), idx = (int)folio_page_idx(sf->folio, sf->page);
	unsigned long start = vmf->address - ((unsigned long)idx << PAGE_SHIFT);
	unsigned long table = vmf->address & PMD_MASK;
	u64 first = pte_val(vmf->orig_pte) - pte_val(swp_entry_to_pte(swp_entry(0, 1))) * (u64)idx;

	sf->addr = vmf->address;
	sf->pte = vmf->pte;
	sf->nr = 1;
	if (nr == 1 || start > vmf->address || start < max(table, vma->vm_start) ||
	    start + ((unsigned long)nr << PAGE_SHIFT) > min(table + PMD_SIZE, vma->vm_end))
		return;
	if (pte_val(ptep_get(vmf->pte - idx)) != first ||
	    swap_pte_batch(vmf->pte - idx, nr, __pte(first)) != nr)
		return;
	sf->page = &sf->folio->page;
	sf->addr = start;
	sf->pte = vmf->pte - idx;
	sf->nr = nr;
}

/* SWAP-12. */
static bool is_exclusive(const struct swap_fault *sf)
{
	if (!pte_swp_exclusive(sf->vmf->orig_pte))
		return false;
	KASSERT_EQ(swap_count(sf->entry), 1, "SWAP-12");
	/* A writable page could be changed while the disk reads it. */
	return !(sf->si->stable_writes && folio_test_writeback(sf->folio));
}

/* SWAP-14: is the copy in the slots of less use than the slots? All pages that will be are mapped. */
static bool should_free_swap(const struct swap_fault *sf)
{
	struct folio *f = sf->folio;

	if (sf->si->synchronous || vm_swap_full() || (sf->vmf->vma->vm_flags & VM_LOCKED) ||
	    folio_test_mlocked(f))
		return true;
	return (sf->vmf->flags & FAULT_FLAG_WRITE) && folio_ref_count(f) == sf->nr + (int)folio_nr_pages(f);
}

/* The entries become PTEs; the reference of sf->folio becomes that of a mapping. => ptl and folio locked */
static void map_swapped(struct swap_fault *sf)
{
	struct vm_fault *vmf = sf->vmf;
	struct vm_area_struct *vma = vmf->vma;
	swp_entry_t first = swp_entry_add(sf->folio->swap, folio_page_idx(sf->folio, sf->page));
	pte_t pte = pfn_pte(page_to_pfn(sf->page), vma->vm_page_prot);
	unsigned int rmap = RMAP_NONE;

	if (is_exclusive(sf)) {
		rmap = RMAP_EXCLUSIVE;
		pte = maybe_mkwrite(pte, vma);
		if (pte_write(pte) && (vmf->flags & FAULT_FLAG_WRITE)) {
			pte = pte_mkdirty(pte);
			vmf->flags &= ~FAULT_FLAG_WRITE;
		}
	}
	add_mm_counter(vma->vm_mm, MM_ANONPAGES, sf->nr);
	add_mm_counter(vma->vm_mm, MM_SWAPENTS, -sf->nr);
	folio_ref_add(sf->folio, sf->nr - 1);
	folio_add_anon_rmap_ptes(sf->folio, sf->page, sf->nr, vma, sf->addr, rmap);
	for (int i = 0; i < sf->nr; i++)
		set_pte(sf->pte + i, __pte(pte_val(pte) + (u64)i * PAGE_SIZE));
	vmf->orig_pte = ptep_get(vmf->pte);
	if (should_free_swap(sf))
		swap_free_mapped(sf->folio, first, sf->nr);
	else
		swap_free_nr(first, sf->nr);
}

/* Under both locks. True: the folio's reference is the mapping's now. */
static bool map_if_unchanged(struct swap_fault *sf, vm_fault_t *ret)
{
	struct folio *f = sf->folio;

	if (unlikely(vmf_pte_changed(sf->vmf)))
		return false;
	if (unlikely(!folio_test_uptodate(f))) {
		*ret = VM_FAULT_SIGBUS;
		return false;
	}
	sf->page = folio_swap_page(f, sf->entry);
	choose_range(sf);
	KASSERT(!PageAnonExclusive(sf->page), "SWAP-5");
	if (folio_test_large(f) && !folio_test_anon(f) && sf->nr != (int)folio_nr_pages(f)) {
		/*
		 * The entries changed since it was read for all of them. Nobody has mapped it: it goes, look
		 * again.
		 */
		if (!folio_test_writeback(f))
			delete_from_swap_cache(f);
		return false;
	}
	map_swapped(sf);
	return true;
}

/* The folio is locked. Unlocks it and drops or hands on the reference. */
static vm_fault_t map_locked(struct swap_fault *sf, vm_fault_t ret)
{
	struct vm_fault *vmf = sf->vmf;
	struct folio *f = sf->folio;
	bool mapped = false;

	if (!folio_matches_swap_entry(f, sf->entry))
		goto out;
	/* A reference from this CPU's batch would look like somebody else's. */
	if ((vmf->flags & FAULT_FLAG_WRITE) && !folio_test_lru(f))
		lru_add_drain();
	pause_point("swapin_locked");
	if (!vmf_lock_pte(vmf))
		goto out;
	mapped = map_if_unchanged(sf, &ret);
	if (!mapped)
		pte_unmap_unlock(vmf->pte, vmf->ptl);
out:
	if (!mapped && folio_test_swapcache(f))
		folio_free_swap(f);
	folio_unlock(f);
	if (!mapped) {
		folio_put(f);
		return ret;
	}
	if (!(vmf->flags & FAULT_FLAG_WRITE)) {
		pte_unmap_unlock(vmf->pte, vmf->ptl);
		return ret;
	}
	ret |= do_wp_page(vmf);
	return ret & VM_FAULT_ERROR ? ret & VM_FAULT_ERROR : ret;
}

__gdb_stop vm_fault_t do_swap_page(struct vm_fault *vmf)
{
	struct swap_fault sf = { .vmf = vmf, .entry = pte_to_swp_entry(vmf->orig_pte) };
	vm_fault_t ret;

	if (is_poison_entry(sf.entry))
		return VM_FAULT_SIGBUS;
	/* NULL: swapoff has just brought the page back. */
	sf.si = get_swap_device(sf.entry);
	if (!sf.si)
		return 0;
	ret = find_or_read(&sf);
	if (sf.folio) {
		pause_point("swapin_found");
		ret |= folio_lock_or_retry(sf.folio, vmf);
		if (ret & VM_FAULT_RETRY)
			folio_put(sf.folio);
		else
			ret = map_locked(&sf, ret);
	}
	put_swap_device(sf.si);
	return ret;
}
