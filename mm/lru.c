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
#include "mm/vmstat.h"

#define LRU_BATCH 31

struct folio_batch { unsigned int nr; struct folio *folios[LRU_BATCH]; };
static __section(".data..percpu") struct folio_batch lru_add_batch;

static struct list_head lru_lists[NR_LRU_LISTS] = {
	LIST_HEAD_INIT(lru_lists[0]), LIST_HEAD_INIT(lru_lists[1]), LIST_HEAD_INIT(lru_lists[2]),
	LIST_HEAD_INIT(lru_lists[3]), LIST_HEAD_INIT(lru_lists[4]),
};
unsigned long lru_size[NR_LRU_LISTS];
static DEFINE_SPINLOCK(lru_lock);

static enum lru_list folio_lru_list(const struct folio *f)
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

static void lru_add_locked(struct folio *f)
{
	enum lru_list l = folio_lru_list(f);

	KASSERT(!folio_test_lru(f), "RCL-2");
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

void folio_activate(struct folio *f)
{
	unsigned long flags;

	spin_lock_irqsave(&lru_lock, flags);
	if (folio_test_lru(f) && !folio_test_active(f) && !folio_test_unevictable(f)) {
		enum lru_list l = folio_lru_list(f);

		list_del(&f->lru);
		lru_account(f, l, -1);
		folio_set_active(f);
		l = folio_lru_list(f);
		list_add(&f->lru, &lru_lists[l]);
		lru_account(f, l, 1);
		count_vm_events(PGACTIVATE, folio_nr_pages(f));
	}
	spin_unlock_irqrestore(&lru_lock, flags);
}

void __folio_put(struct folio *f)
{
	unsigned int order = folio_order(f);

	KASSERT(!PageTail(&f->page), "FOL-2");
	folio_lru_del(f);
	folio_clear_active(f);
	folio_clear_unevictable(f);
	free_frozen_pages(&f->page, order);
}
