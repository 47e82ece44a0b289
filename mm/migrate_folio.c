/*
 * mm/migrate_folio.c - moving folios to other frames while their owners run (MIG-1..6).
 *
 *	isolated ──> target ──> lock ──> entries for mappings ══flush══> no stranger's references? ──> copy ──> target takes
 *	   │           │         │               │                                  │                            the place
 *	   └───────────┴─────────┴───────<───────┴──────────────<───────────────────┘                               │
 *	               everything back, try again                                  mappings of the target, source freed
 *
 * The copy is made when no CPU can write the source any more (MIG-3). That takes a TLB flush, which costs more than all
 * the rest; so up to 512 pages are unmapped first, flushed together and then moved (the two columns left and right of
 * "flush"). Who holds the locks of many folios must not wait for another one: a batch tries (asynchronous mode). What it
 * could not get is then tried one by one, waiting, if the caller may wait.
 *
 * A reference that is not explained by a cache and by us could be somebody who reads or writes by it, so it ends the
 * attempt. Waiting faults take none (MIG-5).
 *
 * Large folios without a target of their size, and partially mapped ones, are split, and the pieces move.
 *
 * Not here: choosing what to move (compact_scan.c). Linux: mm/migrate.c.
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
#include "mm/trace_huge.h"
#include "mm/vmstat.h"

/* How often a folio is tried (MIG-4): in batches only, or in batches first and then one by one. */
#define ASYNC_TRIES		10
#define SYNC_BATCH_TRIES	3
#define SYNC_SINGLE_TRIES	7
#define BATCH_PAGES		512	/* unmapped with one flush, at least */

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
	pause_point("migrate_copy");
	copy_contents(src, dst);
	done = folio_test_anon(src) || folio_test_swapcache(src) ? replace_anon(src, dst) : replace_in_cache(src, dst);
	if (!done)
		return -EAGAIN;
	lru_cache_add_now(dst);
	return 0;
}

/* ---- One folio: step 5 to 9, and after the flush the rest ---- */

/* dst->private meanwhile: the anon_vma of the source, pinned, and whether its mappings are entries now. */
#define WAS_UNMAPPED 1UL

static bool lock_source(struct folio *src, enum migrate_mode mode)
{
	if (mode == MIGRATE_ASYNC || (current->flags & PF_MEMALLOC))
		return folio_trylock(src);
	folio_lock(src);
	return true;
}

/* => SRC and DST locked */
static int unmap_source(struct folio *src, struct folio *dst, bool batch)
{
	struct anon_vma *av = NULL;

	if (folio_test_swapcache(src) && !folio_mapped(src))
		return 0;			/* no mappings to take along, and nobody can make one */
	if (folio_test_anon(src)) {
		av = folio_get_anon_vma(src);
		if (!av)
			return -EAGAIN;		/* not mapped any more, but somebody has a reference */
	} else if (!src->mapping) {
		return -EAGAIN;			/* truncated */
	}
	try_to_migrate(src, batch ? TTU_BATCH_FLUSH : 0);
	dst->private = (unsigned long)av | WAS_UNMAPPED;
	return 0;
}

/* 0: both are locked, and SRC is unmapped as far as possible; BATCH: a flush is owed for that. */
static int migrate_folio_unmap(struct folio *src, struct folio *dst, enum migrate_mode mode, bool batch)
{
	int err = -EBUSY;

	if (fail_here("migrate_folio", folio_order(src)))
		return -EBUSY;
	if (!lock_source(src, mode))
		return -EAGAIN;
	if (folio_test_writeback(src)) {
		if (mode != MIGRATE_SYNC)
			goto unlock;
		folio_wait_writeback(src);
	}
	/* Nobody knows DST: this waits for nothing (LOCK-3), and fails only if a frame walker is looking at it. */
	err = -EAGAIN;
	if (!folio_trylock(dst))
		goto unlock;
	err = unmap_source(src, dst, batch);
	if (!err)
		return 0;
	folio_unlock(dst);
unlock:
	folio_unlock(src);
	return err;
}

/* Of a pair that was unmapped and flushed. SRC is what it was, or has only the isolation's reference. Both are unlocked. */
static int migrate_folio_move(struct folio *src, struct folio *dst)
{
	unsigned long state = dst->private;
	struct anon_vma *av = (struct anon_vma *)(state & ~WAS_UNMAPPED);
	int err;

	folio_lock_takeover(src);
	folio_lock_takeover(dst);
	dst->private = 0;
	if (state)
		pause_point("migrate_unmapped");
	err = replace_folio(src, dst);
	if (av)
		anon_vma_lock_read(av);
	if (state)
		remove_migration_ptes(src, err ? src : dst, av ? RMP_LOCKED : 0);
	if (av) {
		anon_vma_unlock_read(av);
		put_anon_vma(av);
	}
	folio_unlock(dst);
	folio_unlock(src);
	return err;
}

/* ---- A list of folios ---- */

struct migration {
	const struct migrate_target *target;
	enum migrate_mode mode;		/* of this pass */
	struct list_head from;		/* to be tried in this pass */
	struct list_head again;		/* EAGAIN in this pass */
	struct list_head failed;	/* for good */
	struct list_head pieces;	/* of folios that were cut */
	struct list_head unmapped, targets;	/* pairs between unmapping and moving, in the same order */
	bool batch;
	bool stop;			/* no memory for any target */
	int err;			/* the first of those that failed for good */
	unsigned int succeeded, failed_pages;
	unsigned int thp_succeeded, thp_failed, thp_split, split;	/* folios, for the trace */
};

static void count_migration(unsigned int order, int err)
{
	count_vm_events(err ? PGMIGRATE_FAIL : PGMIGRATE_SUCCESS, 1L << order);
	if (order == HPAGE_PMD_ORDER)
		count_vm_event(err ? THP_MIGRATION_FAIL : THP_MIGRATION_SUCCESS);
}

/* SRC, on a list, has no reference left but the isolation's: it moved, or nobody wanted it any more. */
static void source_is_free(struct migration *m, struct folio *src)
{
	m->succeeded += (unsigned int)folio_nr_pages(src);
	m->thp_succeeded += folio_test_pmd_mappable(src);
	count_migration(folio_order(src), 0);
	list_del(&src->lru);
	folio_forget_isolated(src);
	folio_put(src);
}

static void fail_for_good(struct migration *m, struct folio *src, int err)
{
	if (!m->err)
		m->err = err;
	list_move_tail(&src->lru, &m->failed);
}

/* Cut SRC; all pieces are to move on their own (MIG-6). */
static int split_source(struct migration *m, struct folio *src)
{
	unsigned int order = folio_order(src);
	int err;

	if (!lock_source(src, m->mode))
		return -EAGAIN;
	err = split_folio_to_list(src, &m->pieces);
	folio_unlock(src);
	if (err)
		return err;
	list_move_tail(&src->lru, &m->pieces);
	m->split++;
	m->thp_split += order == HPAGE_PMD_ORDER;
	if (order == HPAGE_PMD_ORDER) {
		count_vm_event(THP_MIGRATION_SPLIT);
		count_vm_event(THP_MIGRATION_FAIL);
	}
	return 0;
}

/* Step 2 to 8 of one folio of M->from. 0: it is on another list now. */
static int start_one(struct migration *m, struct folio *src)
{
	struct folio *dst;
	int err;

	if (folio_test_partially_mapped(src) && !split_source(m, src))
		return 0;
	if (folio_ref_count(src) == 1) {
		source_is_free(m, src);
		return 0;
	}
	dst = m->target->get(src, m->target->arg);
	if (!dst)
		return folio_test_large(src) ? split_source(m, src) : -ENOMEM;
	err = migrate_folio_unmap(src, dst, m->mode, m->batch);
	if (err) {
		m->target->put(dst, m->target->arg);
		return err;
	}
	folio_lock_handoff(dst);
	folio_lock_handoff(src);
	list_move_tail(&src->lru, &m->unmapped);
	list_add_tail(&dst->lru, &m->targets);
	return 0;
}

/* Unmap what one flush is to be enough for. */
static void start_batch(struct migration *m)
{
	unsigned long pages = 0;

	do {
		struct folio *src = list_first_entry(&m->from, struct folio, lru);
		int err;

		pages += folio_nr_pages(src);
		err = start_one(m, src);
		if (err == -EAGAIN) {
			list_move_tail(&src->lru, &m->again);
		} else if (err) {
			fail_for_good(m, src, err);
			m->stop = err == -ENOMEM;
		}
	} while (m->batch && !m->stop && pages < BATCH_PAGES && !list_empty(&m->from));
}

static void finish_batch(struct migration *m)
{
	struct folio *src, *next, *dst;

	if (m->batch)
		try_to_unmap_flush();
	list_for_each_entry_safe(src, next, &m->unmapped, lru) {
		dst = list_first_entry(&m->targets, struct folio, lru);
		list_del(&dst->lru);
		if (migrate_folio_move(src, dst)) {
			m->target->put(dst, m->target->arg);
			list_move_tail(&src->lru, &m->again);
		} else {
			folio_put(dst);
			source_is_free(m, src);
		}
		cond_resched();
	}
}

/* Try all of M->from, up to TRIES times. What could not move is on M->failed; M->from: what was not tried for lack of memory. */
static void migrate_passes(struct migration *m, enum migrate_mode mode, int tries, bool batch)
{
	struct folio *src, *next;

	m->mode = mode;
	m->batch = batch;
	while (tries-- && !list_empty(&m->from)) {
		while (!list_empty(&m->from) && !m->stop) {
			start_batch(m);
			finish_batch(m);
		}
		if (m->stop || !tries)
			break;
		list_splice_tail_init(&m->again, &m->from);
		cond_resched();
	}
	list_for_each_entry_safe(src, next, &m->again, lru)
		fail_for_good(m, src, -EAGAIN);
}

static const char *const mode_words[] = {
	[MIGRATE_ASYNC] = "MIGRATE_ASYNC", [MIGRATE_SYNC_LIGHT] = "MIGRATE_SYNC_LIGHT", [MIGRATE_SYNC] = "MIGRATE_SYNC",
};

int migrate_pages(struct list_head *from, const struct migrate_target *target, enum migrate_mode mode,
		  unsigned int *nr_succeeded)
{
	struct migration m = {
		.target = target,
		.from = LIST_HEAD_INIT(m.from), .again = LIST_HEAD_INIT(m.again), .failed = LIST_HEAD_INIT(m.failed),
		.pieces = LIST_HEAD_INIT(m.pieces), .unmapped = LIST_HEAD_INIT(m.unmapped),
		.targets = LIST_HEAD_INIT(m.targets),
	};
	struct folio *f;

	list_splice_tail_init(from, &m.from);
	migrate_passes(&m, MIGRATE_ASYNC, mode == MIGRATE_ASYNC ? ASYNC_TRIES : SYNC_BATCH_TRIES, true);
	if (mode != MIGRATE_ASYNC && !m.stop) {
		list_splice_tail_init(&m.failed, &m.from);
		m.err = 0;
		migrate_passes(&m, mode, SYNC_SINGLE_TRIES, false);
	}
	list_splice_tail_init(&m.pieces, &m.from);
	if (!m.stop)
		migrate_passes(&m, mode, 1, mode == MIGRATE_ASYNC);
	list_for_each_entry(f, &m.failed, lru) {
		m.failed_pages += (unsigned int)folio_nr_pages(f);
		m.thp_failed += folio_test_pmd_mappable(f);
		count_migration(folio_order(f), -EAGAIN);
	}
	trace_mm_migrate_pages(m.succeeded, m.failed_pages, m.thp_succeeded, m.thp_failed, m.thp_split, m.split,
			       mode_words[mode], target->reason);
	list_splice_tail_init(&m.failed, from);
	list_splice_tail_init(&m.from, from);
	*nr_succeeded = m.succeeded;
	return m.err;
}

/* ---- One folio, to wherever there is room ---- */

static struct folio *alloc_target(struct folio *src, void *arg)
{
	unsigned int order = folio_order(src);
	gfp_t gfp = GFP_HIGHUSER_MOVABLE | __GFP_NOWARN;

	if (fail_here("migrate_target", order))
		return NULL;
	return folio_alloc(order ? gfp | __GFP_NORETRY : gfp, order);
}

static void put_target(struct folio *dst, void *arg)
{
	folio_put(dst);
}

int migrate_one_folio(struct folio *f, enum migrate_mode mode)
{
	static const struct migrate_target anywhere = { .get = alloc_target, .put = put_target, .reason = "syscall_or_cpuset" };
	unsigned int succeeded;
	LIST_HEAD(list);
	int err;

	if (!folio_isolate_lru(f)) {
		folio_put(f);
		return -EBUSY;
	}
	list_add(&f->lru, &list);
	err = migrate_pages(&list, &anywhere, mode, &succeeded);
	folios_putback_lru(&list);
	return err;
}
