/*
 * mm/split.c - cutting a large anonymous folio into smaller ones (SPLIT-4..8, SPLIT-14).
 *
 *	locked, anon_vma locked ──> no stranger's references? ──> mappings become migration entries (PMDs are split)
 *	                                                              │
 *	      put, unlock <── entries become mappings <── thaw <── cut <── freeze the reference count, off the queue
 *
 *	uniform, to order 2		[4][4][4][4] ... [4][4][4][4]
 *	around page 37, to order 2	[     32      ][4][4][8][16][     64     ][      128      ][   256   ]
 *
 * A frozen folio has no references and nobody can get one: every speculative reference is taken with folio_try_get.
 * With the mappings gone, too, its descriptors belong to us alone, but for two readers without references: who waits
 * for a migration entry sets PG_waiters on the head that it finds, and who walks frames looks at flags. So a piece's
 * descriptor is complete before its page stops being a tail.
 *
 * Of a folio in the swap cache each page has its own slot and reference there already; the cache learns who serves it now.
 * Not here: folios of files. Linux: __folio_split() in mm/huge_memory.c.
 */
#include "kernel/lib/string.h"
#include "kernel/trace/control.h"
#include "kernel/trace/pause.h"
#include "mm/gfp.h"
#include "mm/huge_memory.h"
#include "mm/internal.h"
#include "mm/lru.h"
#include "mm/migrate.h"
#include "mm/swap.h"
#include "mm/trace_mm.h"
#include "mm/vmstat.h"

/* What a piece takes over from the whole. PG_lru is set by the list it goes to; PG_waiters stays with the head. */
#define PIECE_FLAGS \
	(BIT(PG_locked) | BIT(PG_referenced) | BIT(PG_uptodate) | BIT(PG_dirty) | BIT(PG_active) | BIT(PG_workingset) | \
	 BIT(PG_swapbacked) | BIT(PG_swapcache))
#define PAGE_FLAGS_OWN (3UL << PAGE_ZONE_SHIFT)

/* One split: F of ORDER, whose piece around PAGE shall have NEW_ORDER, or all of them. */
struct split {
	struct folio *f;
	struct page *page;
	unsigned int order, new_order;
	bool uniform;
	struct list_head *list;		/* not NULL: F is isolated, and its pieces join it here, isolated too */
};

/* The pieces of a split that was done, by address. */
#define for_each_piece(s, p)									\
	for ((p) = (s)->f; (p) < (struct folio *)(folio_page((s)->f, 1UL << (s)->order));	\
	     (p) = (struct folio *)folio_page(p, folio_nr_pages(p)))

/* ---- Cutting. All => F frozen and unmapped, interrupts off ---- */

/* Descriptors 1 and 2 were F's own; make them plain tails again, which all others are. */
static void clear_folio_words(struct folio *f)
{
	for (int i = 1; i <= 2; i++) {
		struct page *t = folio_page(f, i);

		memset(&t->lru.prev, 0, offsetof(struct page, _mapcount) - offsetof(struct page, lru.prev));
		t->memmap_spare = 0;
		t->flags &= PAGE_FLAGS_OWN;
	}
}

static void make_small(struct folio *f)
{
	clear_bit(PG_head, &f->page.flags);
	atomic_set(&f->_mapcount, -1);
}

/* PAGE and what follows becomes a frozen folio of ORDER beside F on the LRU, or on LIST. => lru_lock */
static void make_piece(struct folio *f, struct page *page, unsigned int order, struct list_head *list)
{
	struct folio *piece = (struct folio *)page;

	KASSERT_EQ(atomic_read(&page->_mapcount), -1, "SPLIT-6");
	page->flags = (page->flags & PAGE_FLAGS_OWN) | (f->flags & PIECE_FLAGS);
	page->mapping = f->mapping;
	page->index = f->index + folio_page_idx(f, page);
	page->private = 0;
	if (folio_test_swapcache(f))
		swap_cache_split_folio(f, piece, folio_page_idx(f, page));
	smp_wmb();
	if (order)
		prep_compound(page, order);
	smp_wmb();
	WRITE_ONCE(page->compound_head, 0);
	if (list)
		list_add_tail(&piece->lru, list);
	else
		lru_add_split_piece(f, piece);
}

/* Cut F of ORDER into pieces of NEW_ORDER, F being the first. => lru_lock */
static void cut_evenly(struct folio *f, unsigned int order, unsigned int new_order, struct list_head *list)
{
	unsigned long step = 1UL << new_order;

	clear_folio_words(f);
	for (unsigned long i = step; i < (1UL << order); i += step)
		make_piece(f, folio_page(f, i), new_order, list);
	if (new_order)
		prep_compound(&f->page, new_order);
	else
		make_small(f);
}

/* EXCLUSIVE is in the migration entries now; what is left is that of pages which nobody maps any more. */
static void clear_exclusive(struct folio *f, unsigned int order)
{
	for (unsigned long i = 0; i < (1UL << order); i++)
		if (PageAnonExclusive(folio_page(f, i)))
			ClearPageAnonExclusive(folio_page(f, i));
}

/* => lru_lock */
static void cut(const struct split *s)
{
	unsigned int order = s->order;
	struct folio *f = s->f;

	clear_exclusive(f, order);
	if (s->uniform) {
		cut_evenly(f, order, s->new_order, s->list);
		return;
	}
	while (order > s->new_order) {
		/* There is no order 1 (FOL-9). */
		unsigned int next = order == 2 ? 0 : order - 1;

		cut_evenly(f, order, next, s->list);
		f = page_folio(s->page);
		order = next;
	}
}

/* The swap cache's references to F. */
static int cache_refs(const struct folio *f)
{
	return folio_test_swapcache(f) ? (int)folio_nr_pages(f) : 0;
}

/* SPLIT-6: each piece gets the reference that whoever splits holds, and the swap cache's; the head last. */
static void thaw(const struct split *s)
{
	struct folio *p;

	smp_wmb();
	for_each_piece(s, p)
		if (p != s->f)
			folio_ref_unfreeze(p, 1 + cache_refs(p));
	folio_ref_unfreeze(s->f, 1 + cache_refs(s->f));
}

/* From here on it cannot fail; false: there are references that nobody expects, or mappings that stayed. */
static bool freeze_and_cut(const struct split *s)
{
	bool frozen, cached = folio_test_swapcache(s->f);
	unsigned long flags;

	/* Who looks the folio up spins while it is frozen, but only those who hold no lock of its slots. */
	if (cached)
		swap_cluster_lock(s->f);
	local_irq_save(flags);
	frozen = folio_ref_freeze(s->f, 1 + cache_refs(s->f));
	if (frozen) {
		pause_spin("split_frozen");
		folio_unqueue_deferred_split(s->f);
		KASSERT_EQ(folio_mapcount(s->f), 0, "FOL-8");
		KASSERT(!s->f->_owners.word || variant_is(VARIANT_V1_OWNERS), "MMID-12");
		spin_lock(&lru_lock);
		cut(s);
		thaw(s);
		spin_unlock(&lru_lock);
	}
	local_irq_restore(flags);
	if (cached)
		swap_cluster_unlock(s->f);
	return frozen;
}

/* ---- Before and after ---- */

/* SPLIT-5's answers that need no look at mappings. 0: go on. */
static int split_refused(const struct split *s)
{
	const struct folio *f = s->f;

	if (s->new_order >= s->order || s->new_order == 1 || is_huge_zero_folio(f) || !folio_test_large(f))
		return -EINVAL;
	if (folio_test_swapcache(f) && (s->new_order || !s->uniform))
		return -EINVAL;
	if (folio_test_writeback(f))
		return -EBUSY;
	return folio_test_anon(f) ? 0 : -EINVAL;
}

/* => F locked, its anon_vma locked for write */
static int split_mapped(const struct split *s)
{
	struct folio *p;

	/* A pin shows already here: then even the PMD mappings stay as they are (SPLIT-5). */
	if (folio_expected_ref_count(s->f) + 1 != folio_ref_count(s->f))
		return -EAGAIN;
	try_to_migrate(s->f, TTU_RMAP_LOCKED | TTU_SPLIT_HUGE_PMD);
	pause_point("split_unmapped");
	if (!freeze_and_cut(s)) {
		remove_migration_ptes(s->f, s->f, RMP_LOCKED);
		return -EAGAIN;
	}
	for_each_piece(s, p)
		remove_migration_ptes(p, p, RMP_LOCKED | RMP_USE_ZERO);
	return 0;
}

/* SPLIT-14. */
static void count_split(const struct split *s, int err)
{
	struct folio *p;

	if (s->order < 2)
		return;
	if (s->order == HPAGE_PMD_ORDER)
		count_vm_event(err ? THP_SPLIT_PAGE_FAILED : THP_SPLIT_PAGE);
	count_mthp_stat(s->order, err ? MTHP_STAT_SPLIT_FAILED : MTHP_STAT_SPLIT);
	if (err)
		return;
	mod_mthp_stat(s->order, MTHP_STAT_NR_ANON, -1);
	for_each_piece(s, p)
		if (folio_test_large(p))
			count_mthp_stat(folio_order(p), MTHP_STAT_NR_ANON);
}

/* The caller goes on with the piece around PAGE; the others are on their own. What nobody maps is freed here. */
static void let_go(const struct split *s)
{
	struct folio *keep = page_folio(s->page), *p = s->f;
	unsigned long nr;

	if (keep != s->f)
		folio_lock_transfer(s->f, keep);
	for (unsigned long i = 0; i < (1UL << s->order); i += nr) {
		p = (struct folio *)folio_page(s->f, i);
		nr = folio_nr_pages(p);
		if (p != keep) {
			if (folio_test_swapcache(p) && !folio_mapped(p))
				folio_free_swap(p);
			folio_unlock_piece(p);
			if (!s->list)		/* else it is the isolation's */
				folio_put(p);
		}
	}
}

static int do_split(const struct split *s)
{
	struct anon_vma *av;
	int err;

	KASSERT(folio_test_locked(s->f), "SPLIT-4");
	KASSERT(page_folio(s->page) == s->f, "SPLIT-4");
	err = split_refused(s);
	if (err)
		goto out;
	av = folio_get_anon_vma(s->f);
	if (!av) {
		err = -EBUSY;
		goto out;
	}
	anon_vma_lock_write(av);
	err = split_mapped(s);
	anon_vma_unlock_write(av);
	put_anon_vma(av);
out:
	trace_split_folio(folio_pfn(s->f), s->order, s->new_order, err);
	count_split(s, err);
	if (!err)
		let_go(s);
	return err;
}

int split_folio_to_order(struct folio *f, struct page *page, unsigned int new_order)
{
	struct split s = { .f = f, .page = page, .order = folio_order(f), .new_order = new_order, .uniform = true };

	return do_split(&s);
}

int split_folio_to_list(struct folio *f, struct list_head *list)
{
	struct split s = {
		.f = f, .page = &f->page, .order = folio_order(f), .uniform = true, .list = list,
	};

	return do_split(&s);
}

int folio_split(struct folio *f, unsigned int new_order, struct page *page)
{
	struct split s = { .f = f, .page = page, .order = folio_order(f), .new_order = new_order };

	return do_split(&s);
}
