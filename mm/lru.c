/*
 * mm/lru.c - the LRU lists, the per-CPU batches in front of them, and the last reference to a folio.
 *
 *	new folio ──> batch of 31 (this CPU, one reference each) ──> inactive head ... inactive tail ──> reclaim
 *
 * Linux: mm/swap.c. Scanning the lists is vmscan's business.
 */
#include "mm/lru.h"
#include "arch-x86_64/smp.h"
#include "mm/gfp.h"
#include "mm/internal.h"
#include "mm/mlock.h"
#include "mm/mmu_gather.h"
#include "mm/huge_memory.h"
#include "mm/vmscan.h"
#include "mm/vmstat.h"

#define LRU_BATCH 31

struct folio_batch { unsigned int nr; struct folio *folios[LRU_BATCH]; };
static __section(".data..percpu") struct folio_batch lru_add_batch;

struct list_head lru_lists[NR_LRU_LISTS] = {
	LIST_HEAD_INIT(lru_lists[0]), LIST_HEAD_INIT(lru_lists[1]), LIST_HEAD_INIT(lru_lists[2]),
	LIST_HEAD_INIT(lru_lists[3]), LIST_HEAD_INIT(lru_lists[4]),
};
unsigned long lru_size[NR_LRU_LISTS];
DEFINE_SPINLOCK(lru_lock);

enum lru_list folio_lru_list(const struct folio *f)
{
	if (folio_test_unevictable(f))
		return LRU_UNEVICTABLE;
	return (folio_test_swapbacked(f) ? LRU_INACTIVE_ANON : LRU_INACTIVE_FILE) + folio_test_active(f);
}

/* => lru_lock held, PG_lru just set or just cleared */
static void lru_account(struct folio *f, enum lru_list l, long sign)
{
	long nr = sign * (long)folio_nr_pages(f);

	lru_size[l] += nr;
	mod_node_page_state(NR_INACTIVE_ANON + l, nr);
}

/*
 * MLK-7: a folio that is marked goes to the unevictable list, another one never.
 * => lru_lock held, F on no list
 */
static void lru_judge_new(struct folio *f)
{
	bool marked = folio_test_mlocked(f);

	if (marked == folio_test_unevictable(f))
		return;
	count_vm_events(marked ? UNEVICTABLE_PGCULLED : UNEVICTABLE_PGRESCUED, (long)folio_nr_pages(f));
	if (marked) {
		folio_clear_active(f);
		folio_set_unevictable(f);
	} else {
		folio_clear_unevictable(f);
	}
}

static void lru_add_locked(struct folio *f)
{
	enum lru_list l;

	KASSERT(!folio_test_lru(f), "RCL-2");
	lru_judge_new(f);
	l = folio_lru_list(f);
	list_add(&f->lru, &lru_lists[l]);
	lru_account(f, l, 1);
	folio_set_lru(f);
}

static void lru_flush_batch(struct folio_batch *b)
{
	unsigned long flags;

	if (!b->nr)
		return;
	spin_lock_irqsave(&lru_lock, flags);
	for (unsigned int i = 0; i < b->nr; i++)
		lru_add_locked(b->folios[i]);
	spin_unlock_irqrestore(&lru_lock, flags);
	for (unsigned int i = 0; i < b->nr; i++)
		folio_put(b->folios[i]);
	b->nr = 0;
}

void lru_cache_add(struct folio *f)
{
	unsigned long flags;
	struct folio_batch *b;

	folio_get(f);
	/* Interrupts off: the batch is also drained by a cross-call. */
	local_irq_save(flags);
	b = this_cpu_ptr(&lru_add_batch);
	b->folios[b->nr++] = f;
	if (b->nr == LRU_BATCH || folio_test_large(f))
		lru_flush_batch(b);
	local_irq_restore(flags);
}

static void lru_drain_this_cpu(void *unused)
{
	unsigned long flags;

	local_irq_save(flags);
	lru_flush_batch(this_cpu_ptr(&lru_add_batch));
	local_irq_restore(flags);
	mlock_drain_local();
}

void lru_add_drain(void)
{
	lru_drain_this_cpu(NULL);
}

void lru_add_drain_all(void)
{
	smp_call_function_mask(cpu_online_mask, lru_drain_this_cpu, NULL);
}

bool folio_lru_del(struct folio *f)
{
	unsigned long flags;
	bool was;

	if (!folio_test_lru(f))
		return false;
	spin_lock_irqsave(&lru_lock, flags);
	was = folio_test_clear_lru(f);
	if (was) {
		list_del(&f->lru);
		lru_account(f, folio_lru_list(f), -1);
	}
	spin_unlock_irqrestore(&lru_lock, flags);
	return was;
}

/* F's flags change so that it belongs on another list: CLEAR goes, SET comes. => lru_lock held, F on a list */
static void lru_refile(struct folio *f, unsigned long clear, unsigned long set)
{
	list_del(&f->lru);
	lru_account(f, folio_lru_list(f), -1);
	__atomic_fetch_and(&f->flags, ~clear, __ATOMIC_RELAXED);
	__atomic_fetch_or(&f->flags, set, __ATOMIC_RELAXED);
	list_add(&f->lru, &lru_lists[folio_lru_list(f)]);
	lru_account(f, folio_lru_list(f), 1);
}

void lru_judge_mlocked(struct folio *f)
{
	bool marked = folio_test_mlocked(f);

	if (!folio_test_lru(f) || marked == folio_test_unevictable(f))
		return;
	lru_refile(f, marked ? BIT(PG_active) : BIT(PG_unevictable), marked ? BIT(PG_unevictable) : 0);
	count_vm_events(marked ? UNEVICTABLE_PGCULLED : UNEVICTABLE_PGRESCUED, (long)folio_nr_pages(f));
}

void folio_activate(struct folio *f)
{
	unsigned long flags;

	spin_lock_irqsave(&lru_lock, flags);
	if (folio_test_lru(f) && !folio_test_active(f) && !folio_test_unevictable(f)) {
		lru_refile(f, 0, BIT(PG_active));
		count_vm_events(PGACTIVATE, folio_nr_pages(f));
	}
	spin_unlock_irqrestore(&lru_lock, flags);
}

void folio_deactivate(struct folio *f)
{
	unsigned long flags;

	spin_lock_irqsave(&lru_lock, flags);
	if (folio_test_lru(f) && folio_test_active(f) && !folio_test_unevictable(f)) {
		lru_refile(f, BIT(PG_active) | BIT(PG_referenced), BIT(PG_workingset));
		count_vm_events(PGDEACTIVATE, folio_nr_pages(f));
	}
	spin_unlock_irqrestore(&lru_lock, flags);
}

/*
 * The disk has F now: to the tail of its inactive list, where the next scan frees it (RCL-15). It may have been activated
 * meanwhile, only because it was under writeback (step 3).
 */
void folio_rotate_reclaimable(struct folio *f)
{
	unsigned long flags;

	reclaim_writeback_done(folio_nr_pages(f));
	spin_lock_irqsave(&lru_lock, flags);
	if (folio_test_lru(f) && !folio_test_unevictable(f) && !folio_test_dirty(f)) {
		lru_refile(f, BIT(PG_active), 0);
		list_move_tail(&f->lru, &lru_lists[folio_lru_list(f)]);
		count_vm_events(PGROTATED, (long)folio_nr_pages(f));
	}
	spin_unlock_irqrestore(&lru_lock, flags);
}

void folio_mark_lazyfree(struct folio *f)
{
	unsigned long flags;

	spin_lock_irqsave(&lru_lock, flags);
	if (folio_test_lru(f) && folio_test_anon(f) && folio_test_swapbacked(f) && !folio_test_swapcache(f) &&
	    !folio_test_unevictable(f)) {
		/* SWAP-21: nothing of it needs a slot, until somebody writes again. */
		lru_refile(f, BIT(PG_active) | BIT(PG_referenced) | BIT(PG_swapbacked), 0);
		count_vm_events(PGLAZYFREE, folio_nr_pages(f));
	}
	spin_unlock_irqrestore(&lru_lock, flags);
}

static enum node_stat_item isolated_stat(const struct folio *f)
{
	return folio_test_swapbacked(f) ? NR_ISOLATED_ANON : NR_ISOLATED_FILE;
}

bool folio_isolate_lru(struct folio *f)
{
	if (!folio_lru_del(f))
		return false;
	mod_node_page_state(isolated_stat(f), (long)folio_nr_pages(f));
	return true;
}

unsigned int folios_isolate_lru(struct folio *const *folios, unsigned int n)
{
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&lru_lock, flags);
	for (i = 0; i < n && folio_test_clear_lru(folios[i]); i++) {
		list_del(&folios[i]->lru);
		lru_account(folios[i], folio_lru_list(folios[i]), -1);
		mod_node_page_state(isolated_stat(folios[i]), (long)folio_nr_pages(folios[i]));
	}
	spin_unlock_irqrestore(&lru_lock, flags);
	return i;
}

void folio_forget_isolated(struct folio *f)
{
	mod_node_page_state(isolated_stat(f), -(long)folio_nr_pages(f));
}

void lru_cache_add_now(struct folio *f)
{
	unsigned long flags;

	spin_lock_irqsave(&lru_lock, flags);
	lru_add_locked(f);
	spin_unlock_irqrestore(&lru_lock, flags);
}

void folio_putback_lru(struct folio *f)
{
	folio_forget_isolated(f);
	lru_cache_add_now(f);
	folio_put(f);
}

/* ---- Reclaim's side ---- */

/* Folios that may be passed over at once, with the lock held. */
#define MAX_SKIPPED 1024

/* Take F off list L, if it is not just being freed. => lru_lock held */
static bool isolate_locked(struct folio *f, enum lru_list l, struct list_head *dst)
{
	if (!folio_try_get(f))
		return false;
	folio_clear_lru(f);
	list_move_tail(&f->lru, dst);	/* the oldest first */
	lru_account(f, l, -1);
	return true;
}

void lru_isolate_tail(enum lru_list l, struct lru_isolation *iso, struct list_head *dst)
{
	unsigned long flags, passed = 0;
	LIST_HEAD(skipped);

	spin_lock_irqsave(&lru_lock, flags);
	while (iso->scanned < iso->nr_to_scan && !list_empty(&lru_lists[l]) && passed < MAX_SKIPPED) {
		struct folio *f = list_last_entry(&lru_lists[l], struct folio, lru);
		enum zone_type zone = (enum zone_type)(page_zone(&f->page) - zones);
		unsigned long nr = folio_nr_pages(f);

		if (zone > iso->zone) {
			list_move(&f->lru, &skipped);
			iso->skipped[zone] += nr;
			passed++;
			continue;
		}
		iso->scanned += nr;
		if (isolate_locked(f, l, dst))
			iso->taken += nr;
		else
			list_move(&f->lru, &lru_lists[l]);
	}
	list_splice_init(&skipped, &lru_lists[l]);
	spin_unlock_irqrestore(&lru_lock, flags);
	mod_node_page_state(l >= LRU_INACTIVE_FILE ? NR_ISOLATED_FILE : NR_ISOLATED_ANON, (long)iso->taken);
}

struct folio *lru_isolate_page(struct page *p, struct list_head *dst)
{
	struct folio *f = NULL;
	unsigned long flags;

	spin_lock_irqsave(&lru_lock, flags);
	/* PG_lru means a folio that is not freed until this lock is dropped; nothing else can be said of any frame. */
	if (test_bit(PG_lru, &p->flags) && isolate_locked((struct folio *)p, folio_lru_list((struct folio *)p), dst))
		f = (struct folio *)p;
	spin_unlock_irqrestore(&lru_lock, flags);
	if (f)
		mod_node_page_state(isolated_stat(f), (long)folio_nr_pages(f));
	return f;
}

void folios_putback_lru(struct list_head *list)
{
	struct folio *f, *next;
	unsigned long flags;
	LIST_HEAD(dead);

	spin_lock_irqsave(&lru_lock, flags);
	list_for_each_entry_safe(f, next, list, lru) {
		folio_forget_isolated(f);
		lru_add_locked(f);
		/* On the list first: whoever drops the last reference meanwhile waits for lru_lock to take it off. */
		if (!atomic_dec_and_test(&f->_refcount))
			continue;
		folio_clear_lru(f);
		list_move(&f->lru, &dead);
		lru_account(f, folio_lru_list(f), -1);
	}
	spin_unlock_irqrestore(&lru_lock, flags);
	INIT_LIST_HEAD(list);
	list_for_each_entry_safe(f, next, &dead, lru)
		__folio_put(f);
}

void folio_mark_accessed(struct folio *f)
{
	if (!folio_test_referenced(f))
		folio_set_referenced(f);
	else if (!folio_test_active(f)) {
		folio_activate(f);
		folio_clear_referenced(f);
	}
}

void lru_add_split_piece(struct folio *f, struct folio *piece)
{
	if (!folio_test_lru(f)) {
		lru_add_locked(piece);
		return;
	}
	/* Counted with F so far, which counts for its own pages only from now on: the sum is the same. */
	list_add_tail(&piece->lru, &f->lru);
	folio_set_lru(piece);
}

void __folio_put(struct folio *f)
{
	unsigned int order = folio_order(f);

	KASSERT(!PageTail(&f->page), "FOL-2");
	if (order) {
		folio_unqueue_deferred_split(f);
		if (folio_test_anon(f))
			mod_mthp_stat(order, MTHP_STAT_NR_ANON, -1);
	}
	folio_lru_del(f);
	if (unlikely(folio_test_mlocked(f)))
		mlock_freed_folio(f);
	if (f->flags & (BIT(PG_active) | BIT(PG_unevictable))) {
		folio_clear_active(f);
		folio_clear_unevictable(f);
	}
	free_frozen_pages(&f->page, order);
}

/* Many folios whose last references are gone leave their lists under one lock. */
static void lru_del_batch(struct gathered *batch, unsigned int n)
{
	long left[NR_LRU_LISTS] = { 0 };
	unsigned long flags;

	spin_lock_irqsave(&lru_lock, flags);
	for (unsigned int i = 0; i < n; i++) {
		struct folio *f = batch[i].folio;

		if (!folio_test_lru(f))
			continue;
		folio_clear_lru(f);
		list_del(&f->lru);
		left[folio_lru_list(f)] += (long)folio_nr_pages(f);
	}
	for (int l = 0; l < NR_LRU_LISTS; l++) {
		if (!left[l])
			continue;
		lru_size[l] -= left[l];
		mod_node_page_state(NR_INACTIVE_ANON + l, -left[l]);
	}
	spin_unlock_irqrestore(&lru_lock, flags);
}

void folios_put_gathered(struct gathered *batch, unsigned int n)
{
	unsigned int last = 0;

	for (unsigned int i = 0; i < n; i++)
		if (atomic_sub_and_test((int)batch[i].nr, &batch[i].folio->_refcount))
			batch[last++] = batch[i];
	if (!last)
		return;
	lru_del_batch(batch, last);
	for (unsigned int i = 0; i < last; i++)
		__folio_put(batch[i].folio);
}
