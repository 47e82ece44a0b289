/*
 * mm/migrate_folio.c - moving a folio to other frames while its owners run (MIG-1..6).
 *
 *	isolate ──> target ──> lock ──> entries for mappings ──> no stranger's references? ──> copy ──> target takes
 *	   │          │         │               │                          │                            the place
 *	   └──────────┴─────────┴───────<───────┴──────────<───────────────┘                               │
 *	              everything back, try again                          mappings of the target, source freed
 *
 * The copy is made when no CPU can write the source any more: try_to_migrate has flushed all of them (MIG-3). A
 * reference that is not explained by a cache and by us could be somebody who reads or writes by it, so it ends the
 * attempt. Waiting faults take none (MIG-5).
 *
 * Large folios without a target of their size, and partially mapped ones, are split, and the pieces move.
 *
 * Not here: choosing what to move (compaction). Linux: mm/migrate.c.
 */
#include "kernel/fs/fs.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/fail.h"
#include "kernel/trace/pause.h"
#include "mm/gfp.h"
#include "mm/huge_memory.h"
#include "mm/lru.h"
#include "mm/migrate.h"
#include "mm/swap.h"
#include "mm/vmstat.h"

/* How often EAGAIN is tried again; the first ones without waiting for locks (MIG-4). */
#define MIGRATE_TRIES		10
#define MIGRATE_ASYNC_TRIES	3

/* ---- The target takes the source's place: step 12 to 14 ---- */

#define MOVED_FLAGS \
	(BIT(PG_referenced) | BIT(PG_uptodate) | BIT(PG_dirty) | BIT(PG_active) | BIT(PG_workingset) | BIT(PG_swapbacked))

/* => both locked; nobody else sees DST. Marks of mlock come and go with mappings (MLK-7). */
static void copy_flags(struct folio *src, struct folio *dst)
{
	dst->flags |= READ_ONCE(src->flags) & MOVED_FLAGS;
}

/* The page cache names DST instead of SRC, from one moment to the next. False: SRC has unexpected references. */
static bool replace_in_cache(struct folio *src, struct folio *dst)
{
	struct address_space *mapping = src->mapping;
	int nr = (int)folio_nr_pages(src);
	bool frozen;

	spin_lock(&mapping->tree_lock);
	frozen = folio_ref_freeze(src, nr + 1);
	if (frozen) {
		dst->index = src->index;
		dst->mapping = mapping;
		folio_ref_add(dst, nr);
		copy_flags(src, dst);
		/* One entry for the folio or one for each page: both forms are found by what stands there. */
		for (int i = 0; i < nr; i++)
			if (xa_load(&mapping->i_pages, src->index + i) == src)
				(void)xa_store(&mapping->i_pages, src->index + i, dst);	/* over an entry: cannot fail */
		src->mapping = NULL;
		folio_ref_unfreeze(src, 1);
	}
	spin_unlock(&mapping->tree_lock);
	return frozen;
}

/*
 * An anonymous large folio may be on the deferred queue, which only a frozen one may leave (SPLIT-13); and the swap cache
 * names DST from the moment when nobody can have a reference to SRC but us (T-MIG-5).
 */
static bool replace_anon(struct folio *src, struct folio *dst)
{
	bool partial = folio_test_partially_mapped(src), queued = false, cached = folio_test_swapcache(src);

	if (cached)
		swap_cluster_lock(src);
	if (folio_test_large(src) || cached) {
		if (!folio_ref_freeze(src, 1 + (cached ? (int)folio_nr_pages(src) : 0))) {
			if (cached)
				swap_cluster_unlock(src);
			return false;
		}
		queued = folio_unqueue_deferred_split(src);
		if (cached)
			swap_cache_move_folio(src, dst);
		folio_ref_unfreeze(src, 1);
	}
	if (cached)
		swap_cluster_unlock(dst);
	if (folio_test_large(dst) && folio_test_anon(src))
		count_mthp_stat(folio_order(dst), MTHP_STAT_NR_ANON);
	copy_flags(src, dst);
	dst->index = src->index;
	/* SRC stays anonymous until it is freed: that is when nr_anon drops. */
	WRITE_ONCE(dst->mapping, src->mapping);
	if (queued)
		deferred_split_folio(dst, partial);
	return true;
}

static void copy_contents(struct folio *src, struct folio *dst)
{
	for (unsigned long i = 0; i < folio_nr_pages(src); i++) {
		copy_page(page_address(folio_page(dst, i)), page_address(folio_page(src, i)));
		cond_resched();
	}
}

/* Steps 9 to 14. => both locked, SRC unmapped as far as possible */
static int replace_folio(struct folio *src, struct folio *dst)
{
	bool done;

	if (folio_mapped(src) || folio_ref_count(src) != folio_expected_ref_count(src) + 1)
		return -EAGAIN;
	copy_contents(src, dst);
	done = folio_test_anon(src) || folio_test_swapcache(src) ? replace_anon(src, dst) : replace_in_cache(src, dst);
	if (!done)
		return -EAGAIN;
	lru_cache_add_now(dst);
	return 0;
}

/* ---- One attempt: step 5 to 16 ---- */

static bool lock_source(struct folio *src, enum migrate_mode mode)
{
	if (mode == MIGRATE_ASYNC || (current->flags & PF_MEMALLOC))
		return folio_trylock(src);
	folio_lock(src);
	return true;
}

/* => SRC and DST locked */
static int unmap_and_replace(struct folio *src, struct folio *dst)
{
	struct anon_vma *av = NULL;
	int err;

	if (folio_test_swapcache(src) && !folio_mapped(src))
		return replace_folio(src, dst);		/* no mappings to take along, and nobody can make one */
	if (folio_test_anon(src)) {
		av = folio_get_anon_vma(src);
		if (!av)
			return -EAGAIN;		/* not mapped any more, but somebody has a reference */
	} else if (!src->mapping) {
		return -EAGAIN;			/* truncated */
	}
	try_to_migrate(src, false);
	pause_point("migrate_unmapped");
	err = replace_folio(src, dst);
	if (av)
		anon_vma_lock_read(av);
	remove_migration_ptes(src, err ? src : dst, av ? RMP_LOCKED : 0);
	if (av) {
		anon_vma_unlock_read(av);
		put_anon_vma(av);
	}
	return err;
}

static int try_to_move(struct folio *src, struct folio *dst, enum migrate_mode mode)
{
	int err = -EBUSY;

	if (!lock_source(src, mode))
		return -EAGAIN;
	/* Nobody knows DST: this waits for nothing (LOCK-3), and fails only if a frame walker is looking at it. */
	if (!folio_trylock(dst)) {
		folio_unlock(src);
		return -EAGAIN;
	}
	if (!folio_test_writeback(src))
		err = unmap_and_replace(src, dst);
	folio_unlock(dst);
	folio_unlock(src);
	return err;
}

/* ---- One folio ---- */

static void count_migration(unsigned int order, int err)
{
	count_vm_events(err ? PGMIGRATE_FAIL : PGMIGRATE_SUCCESS, 1L << order);
	if (order == HPAGE_PMD_ORDER)
		count_vm_event(err ? THP_MIGRATION_FAIL : THP_MIGRATION_SUCCESS);
}

static struct folio *alloc_target(unsigned int order)
{
	gfp_t gfp = GFP_HIGHUSER_MOVABLE | __GFP_NOWARN;

	if (fail_here("migrate_target", order))
		return NULL;
	return folio_alloc(order ? gfp | __GFP_NORETRY : gfp, order);
}

/* SRC, isolated, goes to DST. On success the source is left to its last reference, else it is back on its list. */
static int move_isolated(struct folio *src, struct folio *dst, enum migrate_mode mode)
{
	int err = -EAGAIN;

	for (int i = 0; i < MIGRATE_TRIES && err == -EAGAIN; i++) {
		err = try_to_move(src, dst, i < MIGRATE_ASYNC_TRIES ? MIGRATE_ASYNC : mode);
		if (err == -EAGAIN)
			cond_resched();
	}
	return err;
}

/* Back to the list; the caller of migrate_one_folio keeps its reference. */
static void restore_isolated(struct folio *f)
{
	folio_get(f);
	folio_putback_lru(f);
}

static int migrate_pieces(struct folio *f, enum migrate_mode mode, bool *split);

/* F as a whole. *NO_TARGET: it is large, and there is no room for it. */
static int migrate_whole(struct folio *f, enum migrate_mode mode, bool *no_target)
{
	unsigned int order = folio_order(f);
	struct folio *dst;
	int err;

	if (!folio_isolate_lru(f))
		return -EBUSY;
	if (folio_ref_count(f) == 1) {
		folio_forget_isolated(f);
		count_migration(order, 0);
		return 0;
	}
	dst = alloc_target(order);
	if (!dst) {
		restore_isolated(f);
		*no_target = order > 0;
		if (!order)
			count_migration(order, -ENOMEM);
		return -ENOMEM;
	}
	err = move_isolated(f, dst, mode);
	if (err)
		restore_isolated(f);
	else
		folio_forget_isolated(f);
	folio_put(dst);
	count_migration(order, err);
	return err;
}

int migrate_one_folio(struct folio *f, enum migrate_mode mode)
{
	bool no_target = false, split = false;
	int err;

	if (folio_test_partially_mapped(f)) {
		err = migrate_pieces(f, mode, &split);
		if (split)
			return err;
	}
	err = migrate_whole(f, mode, &no_target);
	if (!no_target)
		return err;
	err = migrate_pieces(f, mode, &split);
	if (!split)
		count_migration(folio_order(f), err);
	return err;
}

/* ---- Pieces ---- */

/* The page at PFN, whatever it is now, once. */
static int migrate_piece(unsigned long pfn, enum migrate_mode mode)
{
	struct folio *f = page_folio(pfn_to_page(pfn));
	bool no_target;
	int err = 0;

	if (!folio_try_get(f))
		return 0;
	/* Freed and used again since it was cut? Then it is none of ours, unless it is just as small and movable. */
	if (folio_pfn(f) == pfn && !folio_test_large(f) && folio_test_lru(f))
		err = migrate_whole(f, mode, &no_target);
	folio_put(f);
	return err;
}

/* Cut F and move what comes of it. *SPLIT: it was cut (MIG-6). The first error, or 0. => the caller's reference is on page 0 */
static int migrate_pieces(struct folio *f, enum migrate_mode mode, bool *split)
{
	unsigned int order = folio_order(f);
	unsigned long pfn = folio_pfn(f);
	bool no_target;
	int err, first_err;

	if (!lock_source(f, mode))
		return -EAGAIN;
	err = split_folio(f);
	folio_unlock(f);
	if (err)
		return err;
	*split = true;
	if (order == HPAGE_PMD_ORDER) {
		count_vm_event(THP_MIGRATION_SPLIT);
		count_vm_event(THP_MIGRATION_FAIL);
	}
	first_err = migrate_whole(f, mode, &no_target);
	for (unsigned long i = 1; i < (1UL << order); i++) {
		err = migrate_piece(pfn + i, mode);
		if (!first_err)
			first_err = err;
	}
	return first_err;
}
