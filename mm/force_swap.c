/*
 * mm/force_swap.c - "swapcache" of /sys/kernel/debug/quire/force: hold folios in the swap cache, or get them
 * out.
 *
 *	swapcache PID START END keep	what is mapped there goes out of all page tables and into the swap cache,
 *					unwritten, and is held there; so is what is cached already
 *	swapcache PID START END release	it is not held any more
 *	swapcache PID START END drop	released, and taken out of the cache where possible, written first if need be
 *
 * A hold is a reference, so that reclaim lets the folio be, and neither reuse nor swapoff gets rid of the
 * copy. At most 1024 folios are held.
 */
#include "kernel/fs/seq_file.h"
#include "kernel/lib/string.h"
#include "kernel/locking/mutex.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/control.h"
#include "mm/internal.h"
#include "mm/lru.h"
#include "mm/rmap.h"
#include "mm/swap.h"
#include "mm/vmscan.h"

#ifndef RELEASE
#define MAX_HELD 1024

static struct folio *held[MAX_HELD];
static unsigned int nr_held;
static DEFINE_MUTEX(held_lock);

/* Takes the caller's reference over. */
static void hold(struct folio *f)
{
	mutex_lock(&held_lock);
	for (unsigned int i = 0; i < nr_held; i++) {
		if (held[i] == f) {
			mutex_unlock(&held_lock);
			folio_put(f);
			return;
		}
	}
	if (nr_held < MAX_HELD) {
		held[nr_held++] = f;
		f = NULL;
	}
	mutex_unlock(&held_lock);
	if (f)
		folio_put(f);
}

/* True, and the hold's reference is gone: F was held. => the caller has one, too */
static bool release(struct folio *f)
{
	bool found = false;

	mutex_lock(&held_lock);
	for (unsigned int i = 0; i < nr_held && !found; i++) {
		if (held[i] != f)
			continue;
		held[i] = held[--nr_held];
		found = true;
	}
	mutex_unlock(&held_lock);
	if (found)
		folio_put(f);
	return found;
}

/* F, mapped, goes into the cache as far as it can be unmapped. */
static void push_into_cache(struct folio *f)
{
	lru_add_drain_all();
	if (!folio_isolate_lru(f))
		return;
	folio_get(f);
	folio_lock(f);
	if (folio_test_anon(f) && (folio_test_swapcache(f) || !folio_alloc_swap(f)))
		try_to_unmap(f, 0);
	folio_unlock(f);
	folio_putback_lru(f);
}

/*
 * The folio that serves the first swap entry at or after *ADDR, referenced; *ADDR goes behind it. NULL: none
 * below END.
 */
static struct folio *next_cached_folio(struct mm_struct *mm, unsigned long *addr, unsigned long end)
{
	struct folio *f = NULL;

	mmap_read_lock(mm);
	for (; !f && *addr < end; *addr += PAGE_SIZE) {
		pmd_t *pmd = mm_find_pmd(mm, *addr);
		pte_t *pte, val;
		spinlock_t *ptl;

		pte = pmd ? pte_offset_map_lock(mm, pmd, *addr, &ptl) : NULL;
		if (!pte)
			continue;
		val = ptep_get(pte);
		if (is_pte_swap_entry(val))
			f = swap_cache_get_folio(pte_to_swp_entry(val));
		pte_unmap_unlock(pte, ptl);
	}
	mmap_read_unlock(mm);
	return f;
}

/* F, released, is not needed in the cache by anybody who maps it. Consumes the reference. */
static void drop(struct folio *f)
{
	LIST_HEAD(list);

	folio_wait_writeback(f);
	lru_add_drain_all();
	if (folio_isolate_lru(f)) {
		list_add(&f->lru, &list);
		reclaim_folio_list(&list, GFP_KERNEL, true);
	} else {
		folio_put(f);
	}
}

static int force_swapcache(struct mm_struct *mm, unsigned long start, unsigned long end, char *args,
			   struct seq_file *out)
{
	bool keep = !strcmp(args, "keep"), drop_it = !strcmp(args, "drop");
	unsigned long addr = start & PAGE_MASK, n = 0;
	struct folio *f;

	if (!keep && !drop_it && strcmp(args, "release"))
		return -EINVAL;
	while ((f = next_mapped_folio(mm, &addr, end))) {
		if (keep)
			push_into_cache(f);
		else
			release(f);
		folio_put(f);
	}
	addr = start & PAGE_MASK;
	while (!fatal_signal_pending(current) && (f = next_cached_folio(mm, &addr, end))) {
		n++;
		if (keep) {
			hold(f);
			continue;
		}
		release(f);
		if (drop_it)
			drop(f);
		else
			folio_put(f);
	}
	seq_printf(out, "pages=%lu\n", n);
	return 0;
}
FORCE_WORD("swapcache", "keep|release|drop", force_swapcache);
#endif
