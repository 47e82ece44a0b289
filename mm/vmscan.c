/*
 * mm/vmscan.c - what becomes of a folio that reclaim has taken off its list (RCL-15).
 *
 *	trylock ─> not mlocked, not under writeback ─> not used lately ─> slots ─> unmap ─> flush, write ─> freeze ─> free
 *	   1                2, 3                             4              5      6, 7          8           9, 10
 *	   └────── any no: back, to the inactive list (keep), the active one, or the unevictable one ───────┘
 *
 * Everything here may fail but nothing may wait for another allocator: folio locks are only tried, mmap locks never
 * taken. The TLB flush for a batch of folios is done once, before the first of them is written or freed (RCL-17): dirty
 * ones wait for it, locked, until there are some of them.
 *
 * Not here: which folios, and how many (vmscan_lists.c). Linux: shrink_folio_list() in mm/vmscan.c.
 */
#include "mm/vmscan.h"
#include "kernel/trace/pause.h"
#include "mm/huge_memory.h"
#include "mm/rmap.h"
#include "mm/shmem.h"
#include "mm/swap.h"
#include "mm/vmstat.h"

/* Freed together, after one flush. */
#define FREE_BATCH 31
/* Written together, after one flush. Faults on them wait for their locks meanwhile: not too many. */
#define WRITE_BATCH 16

/* A list being worked on. */
struct shrink {
	struct scan_control *sc;
	struct list_head *list;		/* still to do: pieces of split folios join it */
	struct list_head keep;		/* done, and not freed */
	struct folio *first;		/* whose fate SC tells */
	struct folio *unmapped[WRITE_BATCH];	/* dirty, locked, done up to step 7 */
	unsigned int nr_unmapped;
	struct folio *freed[FREE_BATCH];	/* frozen, unlocked, but a flush may be owed */
	unsigned int nr_freed;
	unsigned long nr_pages;		/* freed in all */
	bool locked;			/* the folio in hand is */
};

/* STEP 0 and not FREED: no verdict yet, go on. */
struct decision { enum reclaim_verdict verdict; int step; };
#define GO_ON		((struct decision){ .step = 0 })
#define KEEP(s)		((struct decision){ RECLAIM_KEEP, s })
#define FREED(s)	((struct decision){ RECLAIM_FREED, s })
#define ACTIVATE(s)	((struct decision){ RECLAIM_ACTIVATE, s })

/* ---- The steps. All => F isolated, locked ---- */

/* 2, 3. */
static struct decision check_state(struct shrink *s, struct folio *f)
{
	struct scan_control *sc = s->sc;

	if (folio_test_mlocked(f))
		return (struct decision){ RECLAIM_UNEVICTABLE, 2 };
	if (!folio_test_writeback(f))
		return GO_ON;
	sc->nr_writeback += folio_nr_pages(f);
	if (sc->kswapd && folio_test_reclaim(f))
		sc->nr_immediate += folio_nr_pages(f);
	/* When the disk has it, it goes to the tail and is the next one to be freed. */
	folio_set_reclaim(f);
	return ACTIVATE(3);
}

/* 4. */
static struct decision check_references(struct shrink *s, struct folio *f)
{
	int vmas;

	if (s->sc->ignore_references)
		return GO_ON;
	vmas = folio_referenced(f);
	if (vmas == FOLIO_REF_MLOCKED)
		return (struct decision){ RECLAIM_UNEVICTABLE, 4 };
	if (vmas == FOLIO_REF_KEEP)
		return KEEP(4);
	if (vmas >= 2 || (vmas && folio_test_referenced(f)))
		return ACTIVATE(4);
	if (vmas) {
		folio_set_referenced(f);
		return KEEP(4);
	}
	folio_clear_referenced(f);
	return GO_ON;
}

/* Unmapped, truncated or cut loose by others, and only the isolation kept it: it is frozen now, to be freed. */
static bool only_ours(struct folio *f)
{
	return folio_ref_count(f) == 1 && folio_ref_freeze(f, 1);
}

/* Cut F, which keeps its first page; the others follow on the list. */
static bool split_to_list(struct shrink *s, struct folio *f)
{
	return !split_folio_to_list(f, s->list);
}

/* SWAP-3: slots for all of F, or for its pieces one by one. False: none. */
static bool get_slots(struct shrink *s, struct folio *f)
{
	unsigned int order = folio_order(f);

	if (!folio_alloc_swap(f))
		return true;
	if (!order || !split_to_list(s, f))
		return false;
	count_mthp_stat(order, MTHP_STAT_SWPOUT_FALLBACK);
	if (order == HPAGE_PMD_ORDER)
		count_vm_event(THP_SWPOUT_FALLBACK);
	return !folio_alloc_swap(f);
}

/* 5: an anonymous folio gets a place on the disk. */
static struct decision give_slots(struct shrink *s, struct folio *f)
{
	if (!folio_test_anon(f) || !folio_test_swapbacked(f) || folio_test_swapcache(f))
		return GO_ON;
	if (!(s->sc->gfp & __GFP_IO) || folio_maybe_dma_pinned(f))
		return KEEP(5);
	if (folio_test_large(f)) {
		if (folio_ref_count(f) != folio_expected_ref_count(f) + 1)
			return ACTIVATE(5);
		/* SWAP-2: what nobody can reach is not worth a write. */
		if (folio_test_partially_mapped(f)) {
			if (!split_to_list(s, f))
				return ACTIVATE(5);
			if (only_ours(f))
				return FREED(5);
		}
	}
	return get_slots(s, f) ? GO_ON : ACTIVATE(5);
}

/* 6, 7. */
static struct decision unmap(struct shrink *s, struct folio *f)
{
	bool swapbacked = folio_test_swapbacked(f);

	if (folio_mapped(f)) {
		try_to_unmap(f, TTU_BATCH_FLUSH);
		if (swapbacked != folio_test_swapbacked(f)) {
			/* It was lazily freeable, but somebody wrote to it (SWAP-21): it is isolated as anon now. */
			mod_node_page_state(NR_ISOLATED_FILE, -(long)folio_nr_pages(f));
			mod_node_page_state(NR_ISOLATED_ANON, (long)folio_nr_pages(f));
		}
		if (folio_mapped(f))
			return ACTIVATE(6);
		pause_point("reclaim_unmapped");
	}
	/* Without mappings, no new pins; one from before may still write. */
	return folio_maybe_dma_pinned(f) ? ACTIVATE(7) : GO_ON;
}

/* A page of a memory-backed file, in the file. */
static bool folio_is_shmem(const struct folio *f)
{
	return folio_test_swapbacked(f) && f->mapping && !folio_test_anon(f);
}

/* The references that the cache F is in and the isolation explain. */
static int cache_refs(const struct folio *f)
{
	return 1 + (int)folio_nr_pages(f);
}

/* RCL-18: a page of a memory-backed file gets a place on the disk only now, that nobody maps it any more. */
static struct decision move_shmem(struct folio *f)
{
	int err = shmem_move_to_swap(f);

	if (err == -ENOMEM)
		return ACTIVATE(8);
	return err ? KEEP(8) : GO_ON;
}

/* 8. */
static struct decision write_out(struct shrink *s, struct folio *f)
{
	unsigned long nr = folio_nr_pages(f);
	struct decision d = GO_ON;

	if (!folio_test_dirty(f))
		return GO_ON;
	if (!folio_test_swapbacked(f) && !folio_test_anon(f)) {
		mod_node_page_state(NR_VMSCAN_IMMEDIATE, (long)nr);
		folio_set_reclaim(f);
		return ACTIVATE(8);
	}
	if (!(s->sc->gfp & __GFP_IO) || folio_ref_count(f) != cache_refs(f))
		return KEEP(8);
	try_to_unmap_flush_dirty();
	if (!folio_test_swapcache(f))
		d = folio_is_shmem(f) ? move_shmem(f) : KEEP(8);
	if (d.step)
		return d;
	pause_point("reclaim_flushed");
	mod_node_page_state(NR_VMSCAN_WRITE, (long)nr);
	s->sc->nr_pageout += nr;
	folio_set_reclaim(f);
	swap_writeout(f);
	s->locked = false;
	if (folio_test_writeback(f)) {
		s->sc->nr_started += nr;
		return (struct decision){ RECLAIM_WRITING, 8 };
	}
	/* Written at once, or not at all. */
	folio_clear_reclaim(f);
	s->locked = folio_trylock(f);
	if (!s->locked || folio_test_dirty(f) || folio_test_writeback(f) || !folio_test_swapcache(f))
		return KEEP(8);
	return GO_ON;
}

/* 9. */
static struct decision discard_lazyfree(struct folio *f)
{
	if (folio_test_dirty(f) || !folio_ref_freeze(f, 1))
		return KEEP(9);
	count_vm_events(PGLAZYFREED, (long)folio_nr_pages(f));
	return FREED(9);
}

/*
 * 10: out of the swap cache, if nobody else has a reference: not a fault that just found F there and waits for its lock.
 * The count is frozen while "dirty" is looked at: who could have set it had a reference.
 */
static struct decision remove_from_swap_cache(struct folio *f)
{
	int refs = cache_refs(f);
	bool gone = false;

	pause_point("reclaim_freeze");
	preempt_disable();	/* lookups spin while it is frozen */
	if (folio_ref_freeze(f, refs)) {
		gone = !folio_test_dirty(f);
		if (gone)
			__delete_from_swap_cache(f);
		else
			folio_ref_unfreeze(f, refs);
	}
	preempt_enable();
	return gone ? FREED(10) : KEEP(10);
}

static struct decision take_out(struct folio *f)
{
	if (folio_test_swapcache(f))
		return remove_from_swap_cache(f);
	if (folio_test_anon(f) && !folio_test_swapbacked(f))
		return discard_lazyfree(f);
	if (folio_is_shmem(f))
		return shmem_drop_clean(f) ? FREED(10) : KEEP(10);
	if (folio_is_blkdev(f) && blkdev_release_folio(f) && folio_ref_freeze(f, 1))
		return FREED(10);
	return KEEP(10);
}

/* ---- One folio ---- */

/* Up to step 7. */
static struct decision prepare(struct shrink *s, struct folio *f)
{
	struct decision d;

	s->locked = folio_trylock(f);
	if (!s->locked)
		return KEEP(1);
	if (only_ours(f))
		return FREED(0);
	d = check_state(s, f);
	if (!d.step)
		d = check_references(s, f);
	if (!d.step)
		d = give_slots(s, f);
	if (!d.step)
		d = unmap(s, f);
	return d;
}

static void free_batch(struct shrink *s)
{
	try_to_unmap_flush();
	for (unsigned int i = 0; i < s->nr_freed; i++)
		__folio_put(s->freed[i]);
	s->nr_freed = 0;
}

/* => F locked, if s->locked says so */
static void activate(struct shrink *s, struct folio *f)
{
	if (s->locked && folio_test_swapcache(f) && vm_swap_full())
		folio_free_swap(f);
	folio_set_active(f);
	count_vm_events(PGACTIVATE, (long)folio_nr_pages(f));
}

static bool undecided(struct decision d)
{
	return !d.step && d.verdict != RECLAIM_FREED;
}

/* From step 8 on, unless D is a decision. Then do it, and unlock F: it is freed with its batch, or kept. */
static void finish(struct shrink *s, struct folio *f, struct decision d)
{
	if (undecided(d))
		d = write_out(s, f);
	if (undecided(d))
		d = take_out(f);
	if (f == s->first) {
		s->sc->verdict = d.verdict;
		s->sc->step = d.step;
		s->first = NULL;
	}
	if (d.verdict == RECLAIM_ACTIVATE)
		activate(s, f);
	if (s->locked)
		folio_unlock(f);
	if (d.verdict != RECLAIM_FREED) {
		list_add_tail(&f->lru, &s->keep);
		return;
	}
	s->nr_pages += folio_nr_pages(f);
	folio_forget_isolated(f);
	s->freed[s->nr_freed++] = f;
	if (s->nr_freed == FREE_BATCH)
		free_batch(s);
}

/* F could be written now, but for a flush that others can share. Where writing means waiting, nobody else shall wait. */
static bool shares_flush(const struct shrink *s, const struct folio *f)
{
	return folio_test_dirty(f) && (s->sc->gfp & __GFP_IO) && current->tlb_ubc.dirty && !swap_write_congested();
}

static void write_unmapped(struct shrink *s)
{
	if (s->nr_unmapped)
		try_to_unmap_flush_dirty();
	for (unsigned int i = 0; i < s->nr_unmapped; i++) {
		s->locked = true;
		finish(s, s->unmapped[i], GO_ON);
	}
	s->nr_unmapped = 0;
}

unsigned long shrink_folio_list(struct list_head *list, struct scan_control *sc)
{
	struct shrink s = { .sc = sc, .list = list, .keep = LIST_HEAD_INIT(s.keep) };

	s.first = list_first_entry_or_null(list, struct folio, lru);
	while (!list_empty(list)) {
		struct folio *f = list_first_entry(list, struct folio, lru);
		struct decision d;

		list_del(&f->lru);
		d = prepare(&s, f);
		if (undecided(d) && shares_flush(&s, f))
			s.unmapped[s.nr_unmapped++] = f;
		else
			finish(&s, f, d);
		if (s.nr_unmapped == WRITE_BATCH || list_empty(list))
			write_unmapped(&s);
		cond_resched();
	}
	free_batch(&s);
	list_splice_init(&s.keep, list);
	return s.nr_pages;
}

/* ---- Folios that somebody else has chosen ---- */

unsigned long reclaim_folio_list(struct list_head *list, gfp_t gfp, bool ignore_references)
{
	struct scan_control sc = { .gfp = gfp, .ignore_references = ignore_references, .zone = ZONE_NORMAL };
	unsigned int old = memalloc_noreclaim_save();
	struct folio *f;
	unsigned long freed;

	/* Those that stay are to be found at the inactive end. */
	list_for_each_entry(f, list, lru)
		folio_clear_active(f);
	fs_reclaim_acquire(gfp);
	freed = shrink_folio_list(list, &sc);
	fs_reclaim_release(gfp);
	folios_putback_lru(list);
	memalloc_noreclaim_restore(old);
	return freed;
}
