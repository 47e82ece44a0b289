/*
 * mm/swap_state.c - the swap cache: which folio holds the content of a swap slot right now.
 *
 *	going out	folio_alloc_swap ──> cached, dirty ──> written ──> reclaimed: delete
 *	coming in	swap_cache_alloc_folio ──> cached, locked ──> read ──> mapped ──> delete, or kept for the next one
 *
 * Through it everybody who looks for one slot finds one folio: relatives that fault on the same entry, a
 * fault during the write, swapoff. The cache is the words of the slots themselves (swapfile.h), so that
 * adding to it needs no memory. A look-up takes no lock; what it finds may leave the cache at any time until
 * it is locked (SWAP-10).
 *
 * Linux: mm/swap_state.c, mm/swap_table.h.
 */
#include "kernel/lib/err.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/fail.h"
#include "mm/lru.h"
#include "mm/swapfile.h"
#include "mm/vmstat.h"

struct folio *swap_cache_get_folio(swp_entry_t e)
{
	u64 *slot = swap_slot(swp_swap_info(e), swp_offset(e));

	for (;;) {
		struct folio *f = slot_folio(READ_ONCE(*slot));

		if (!f)
			return NULL;
		if (folio_try_get(f)) {
			/* Still? A frame is used again, and for anything. */
			if (likely(slot_folio(READ_ONCE(*slot)) == f))
				return f;
			folio_put(f);
		}
		/* Frozen: being cut or reclaimed by somebody with the cluster locked, so soon over. */
		cpu_relax();
	}
}

struct page *folio_swap_page(struct folio *f, swp_entry_t e)
{
	return folio_page(f, swp_offset(e) - swp_offset(f->swap));
}

bool folio_matches_swap_entry(const struct folio *f, swp_entry_t e)
{
	return folio_test_swapcache(f) && swp_type(e) == swp_type(f->swap) &&
	       swp_offset(e) - swp_offset(f->swap) < folio_nr_pages(f);
}

void __delete_from_swap_cache(struct folio *f)
{
	long nr = (long)folio_nr_pages(f);

	KASSERT(folio_test_locked(f) && folio_test_swapcache(f) && !folio_test_writeback(f), "SWAP-14");
	swap_slots_clear_folio(f);
	mod_node_page_state(NR_SWAPCACHE, -nr);
	mod_node_page_state(NR_FILE_PAGES, -nr);
}

void delete_from_swap_cache(struct folio *f)
{
	__delete_from_swap_cache(f);
	folio_put_refs(f, (int)folio_nr_pages(f));
}

/* A new folio of ORDER, locked, for the slots from E on. ERR_PTR: -ENOMEM, -EEXIST, -ENOENT. */
static struct folio *add_new_folio(swp_entry_t e, unsigned int order, gfp_t gfp)
{
	struct folio *f = fail_here("swap_in", order) ? NULL : folio_alloc(gfp, order);
	int err;

	if (!f)
		return ERR_PTR(-ENOMEM);
	folio_lock(f);
	folio_set_swapbacked(f);
	folio_ref_add(f, 1 << order);
	err = swap_slots_set_folio(e, f);
	if (err) {
		atomic_sub(1 << order, &f->_refcount);
		folio_clear_swapbacked(f);
		folio_unlock(f);
		folio_put(f);
		return ERR_PTR(err);
	}
	mod_node_page_state(NR_SWAPCACHE, 1L << order);
	mod_node_page_state(NR_FILE_PAGES, 1L << order);
	lru_cache_add(f);
	return f;
}

struct folio *swap_cache_alloc_folio(swp_entry_t e, unsigned int order, gfp_t gfp, bool *is_new)
{
	struct folio *f;

	*is_new = false;
	for (;;) {
		f = order ? NULL : swap_cache_get_folio(e);
		if (f)
			return f;
		/* A readahead wish may be out of date. */
		if (!slot_count(e))
			return ERR_PTR(-ENOENT);
		f = add_new_folio(e, order, gfp);
		if (!IS_ERR(f)) {
			*is_new = true;
			return f;
		}
		if (PTR_ERR(f) != -EEXIST || order)
			return f;
		cond_resched();
	}
}
