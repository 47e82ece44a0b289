/*
 * mm/deferred_split.c - large folios that hold memory nobody can reach, and when to cut them (SPLIT-9..13).
 *
 *	munmap of a part ──> rmap.c: partially mapped ──┐
 *	fault, huge PMD  ──> perhaps mostly zeroes ─────┴──> split_queue ──shrinker──> split.c ──> pages freed
 *
 * Cutting needs the folio lock and costs time; unmapping has neither, and often the rest of the folio goes
 * a moment later. So munmap only notes the folio; reclaim, or drop_caches, does the work (SPLIT-11).
 *
 * The queue holds no references. A folio leaves it when it is freed or frozen (SPLIT-13), or, while the shrinker has
 * a reference, by the shrinker's hand; the unlocked look in folio_unqueue_deferred_split is right because then nobody
 * else has a reference.
 *
 * split_queue_lock is a leaf and is taken under page-table locks. Linux: mm/huge_memory.c.
 */
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/pause.h"
#include "mm/gfp.h"
#include "mm/huge_memory.h"
#include "mm/rmap.h"
#include "mm/vmstat.h"

static DEFINE_SPINLOCK(split_queue_lock);
static LIST_HEAD(split_queue);		/* split_queue_lock; through folio->_deferred_list */
static unsigned long split_queue_len;	/* the same; a folio in the shrinker's hand is counted, too */

static void count_partially_mapped(struct folio *f)
{
	unsigned int order = folio_order(f);

	if (folio_test_pmd_mappable(f))
		count_vm_event(THP_DEFERRED_SPLIT_PAGE);
	count_mthp_stat(order, MTHP_STAT_SPLIT_DEFERRED);
	mod_mthp_stat(order, MTHP_STAT_NR_ANON_PARTIALLY_MAPPED, 1);
}

void deferred_split_folio(struct folio *f, bool partially_mapped)
{
	unsigned long flags;

	if (folio_order(f) <= 1 || folio_test_swapcache(f))
		return;
	if (partially_mapped ? folio_test_unmapping(f) : !thp_shrink_underused())
		return;
	KASSERT_GT(folio_ref_count(f), 0, "SPLIT-13");
	spin_lock_irqsave(&split_queue_lock, flags);
	if (partially_mapped && !folio_test_partially_mapped(f)) {
		folio_set_partially_mapped(f);
		count_partially_mapped(f);
	}
	if (list_empty(&f->_deferred_list)) {
		list_add_tail(&f->_deferred_list, &split_queue);
		split_queue_len++;
	}
	spin_unlock_irqrestore(&split_queue_lock, flags);
}

bool folio_unqueue_deferred_split(struct folio *f)
{
	unsigned long flags;
	bool was = false;

	KASSERT_EQ(folio_ref_count(f), 0, "SPLIT-13");
	if (folio_order(f) <= 1 || list_empty(&f->_deferred_list))
		return false;
	spin_lock_irqsave(&split_queue_lock, flags);
	if (!list_empty(&f->_deferred_list)) {
		list_del_init(&f->_deferred_list);
		split_queue_len--;
		was = true;
		if (folio_test_partially_mapped(f)) {
			folio_clear_partially_mapped(f);
			mod_mthp_stat(folio_order(f), MTHP_STAT_NR_ANON_PARTIALLY_MAPPED, -1);
		}
	}
	spin_unlock_irqrestore(&split_queue_lock, flags);
	return was;
}

/* ---- Temporary unmapping ---- */

/* RMAP-8, RMAP-9, looked at from outside of an unmapping. */
static bool is_partially_mapped(const struct folio *f)
{
	int nr = (int)folio_nr_pages(f);
	int mapped = CONFIG_PAGE_MAPCOUNT ? atomic_read(&f->_nr_pages_mapped) : folio_mapcount(f);

	return mapped > 0 && mapped < nr && !folio_entire_mapcount(f);
}

void folio_begin_unmapping(struct folio *f)
{
	KASSERT(folio_test_locked(f), "RMAP-12");
	if (folio_test_large(f))
		set_bit(PG_unmapping, &f->_flags_1);
}

/*
 * What was zapped in between counts now. An unmapping that still saw the flag has lowered its counts before: either
 * we see them, or it saw the flag clear.
 */
void folio_end_unmapping(struct folio *f)
{
	if (!folio_test_large(f))
		return;
	clear_bit(PG_unmapping, &f->_flags_1);
	smp_mb();
	if (folio_test_anon(f) && is_partially_mapped(f) && !folio_test_partially_mapped(f))
		deferred_split_folio(f, true);
}

/* ---- The shrinker (SPLIT-12) ---- */

bool page_is_zero_filled(const struct page *page)
{
	const u64 *word = page_address(page);

	for (size_t i = 0; i < PAGE_SIZE / sizeof(*word); i++)
		if (READ_ONCE(word[i]))
			return false;
	return true;
}

/* The zero pages of F, if they are more than max_ptes_none; else 0. => a reference */
static unsigned long underused_pages(struct folio *f)
{
	unsigned long nr = folio_nr_pages(f), zero = 0, filled = 0, limit = READ_ONCE(khugepaged_max_ptes_none);

	if (limit >= HPAGE_PMD_NR - 1)
		return 0;
	for (unsigned long i = 0; i < nr && filled + limit < nr; i++) {
		if (page_is_zero_filled(folio_page(f, i)))
			zero++;
		else
			filled++;
	}
	return zero > limit ? zero : 0;
}

/*
 * The first folio of the queue of which a reference can be had, linked to HAND instead; NULL: none. One without
 * references is being freed or cut, and is left to whoever does that.
 */
static struct folio *take_first(struct list_head *hand)
{
	struct folio *f, *taken = NULL;
	unsigned long flags;

	spin_lock_irqsave(&split_queue_lock, flags);
	list_for_each_entry(f, &split_queue, _deferred_list) {
		if (folio_try_get(f)) {
			list_move(&f->_deferred_list, hand);
			taken = f;
			break;
		}
	}
	spin_unlock_irqrestore(&split_queue_lock, flags);
	return taken;
}

/* Back from the hand: to the end of the queue, or off it, if F is still linked at all. Partially mapped ones stay. */
static void put_back(struct folio *f, bool requeue)
{
	unsigned long flags;

	spin_lock_irqsave(&split_queue_lock, flags);
	if (folio_order(f) > 1 && !list_empty(&f->_deferred_list)) {
		if (requeue || folio_test_partially_mapped(f)) {
			list_move_tail(&f->_deferred_list, &split_queue);
		} else {
			list_del_init(&f->_deferred_list);
			split_queue_len--;
		}
	}
	spin_unlock_irqrestore(&split_queue_lock, flags);
}

/* Cut F if that gives memory back. An estimate of the pages freed; *BUSY: its lock was not available. */
static unsigned long shrink_one(struct folio *f, bool *busy)
{
	bool partial = folio_test_partially_mapped(f);
	unsigned long freed;
	int err;

	if (!partial && folio_test_mlocked(f))
		return 0;
	freed = partial ? folio_nr_pages(f) - min((unsigned long)folio_mapcount(f), folio_nr_pages(f)) :
			  underused_pages(f);
	if (!partial && !freed)
		return 0;
	*busy = !folio_trylock(f);
	if (*busy)
		return 0;
	pause_point("deferred_shrink");
	err = split_folio(f);
	if (!err && !partial)
		count_vm_event(THP_UNDERUSED_SPLIT_PAGE);
	folio_unlock(f);
	return err ? 0 : freed;
}

unsigned long deferred_split_scan(unsigned long nr)
{
	unsigned long freed = 0, todo = min(nr, READ_ONCE(split_queue_len));

	while (todo--) {
		LIST_HEAD(hand);
		struct folio *f = take_first(&hand);
		bool busy = false;

		if (!f)
			break;
		freed += shrink_one(f, &busy);
		put_back(f, busy);
		folio_put(f);
		cond_resched();
	}
	return freed;
}

static unsigned long deferred_split_count(void)
{
	return READ_ONCE(split_queue_len);
}

static struct shrinker deferred_split_shrinker = {
	.name = "thp-deferred_split", .count = deferred_split_count, .scan = deferred_split_scan,
};

static int deferred_split_init(void)
{
	register_shrinker(&deferred_split_shrinker);
	return 0;
}
core_initcall(deferred_split_init);
