/*
 * mm/vmscan_lists.c - from which list reclaim takes folios, and how many (RCL-4, RCL-6, RCL-20, RCL-23).
 *
 *	                 new ──> ┌─────────── inactive ───────────┐ ── tail, 32 pages ──> shrink_folio_list: freed
 *	                         │ <────── keep ────────────────┐ │                                │ used again
 *	      ┌──── active ──────┼──────────────────────────────┴─┼────────────────────────────────┘
 *	      └── tail, young or not ──>  (deactivated while the inactive list is the smaller one)
 *
 * A round of priority P looks at each list's share of size >> P: 1/4096 at first, all of it in the end. What of it is
 * anonymous and what belongs to files follows swappiness, and what each kind has cost lately: pages written, and pages
 * looked at in vain.
 *
 * Not here: what becomes of a folio (vmscan.c), when to begin and to stop (kswapd.c, direct_reclaim.c). Linux:
 * shrink_node(), shrink_lruvec() in mm/vmscan.c.
 */
#include "mm/huge_memory.h"
#include "mm/internal.h"
#include "mm/rmap.h"
#include "mm/swap.h"
#include "mm/trace_mm.h"
#include "mm/vmscan.h"
#include "mm/vmstat.h"

int vm_swappiness = 60;

/* RCL-20: pages written, times 32, and pages scanned in vain; halved together so that old times are forgotten. lru_lock */
static unsigned long anon_cost, file_cost;

static bool is_file(enum lru_list l) { return l == LRU_INACTIVE_FILE || l == LRU_ACTIVE_FILE; }
static bool is_active(enum lru_list l) { return l == LRU_ACTIVE_ANON || l == LRU_ACTIVE_FILE; }

static bool can_reclaim_anon(void)
{
	return can_get_swap_slots();
}

static void lru_note_cost(bool file, unsigned long written, unsigned long kept)
{
	unsigned long flags, total = 0;

	spin_lock_irqsave(&lru_lock, flags);
	*(file ? &file_cost : &anon_cost) += written * SWAP_CLUSTER_MAX + kept;
	for (int l = LRU_INACTIVE_ANON; l <= LRU_ACTIVE_FILE; l++)
		total += lru_size[l];
	if (anon_cost + file_cost > total / 4) {
		anon_cost /= 2;
		file_cost /= 2;
	}
	spin_unlock_irqrestore(&lru_lock, flags);
}

/* ---- The active lists (RCL-6) ---- */

/* The inactive list is too short to tell the used from the unused. */
static bool inactive_is_low(bool file)
{
	unsigned long inactive = READ_ONCE(lru_size[file ? LRU_INACTIVE_FILE : LRU_INACTIVE_ANON]);
	unsigned long active = READ_ONCE(lru_size[file ? LRU_ACTIVE_FILE : LRU_ACTIVE_ANON]);
	unsigned long gib = (inactive + active) >> (30 - PAGE_SHIFT);

	return inactive * (gib ? int_sqrt(10 * gib) : 1) < active;
}

static void count_skipped(const struct lru_isolation *iso)
{
	count_vm_events(PGSKIP_DMA32, (long)iso->skipped[ZONE_DMA32]);
	count_vm_events(PGSKIP_NORMAL, (long)iso->skipped[ZONE_NORMAL]);
}

static void shrink_active_list(enum lru_list l, unsigned long nr, const struct scan_control *sc)
{
	struct lru_isolation iso = { .nr_to_scan = nr, .zone = sc->zone };
	unsigned long moved = 0;
	struct folio *f;
	LIST_HEAD(list);

	lru_add_drain();
	lru_isolate_tail(l, &iso, &list);
	count_skipped(&iso);
	count_vm_events(PGREFILL, (long)iso.scanned);
	list_for_each_entry(f, &list, lru) {
		cond_resched();
		/* Whoever uses it from now on is seen in the inactive list. */
		if (folio_trylock(f)) {
			(void)folio_referenced(f);
			folio_unlock(f);
		}
		folio_clear_active(f);
		folio_set_workingset(f);
		moved += folio_nr_pages(f);
	}
	count_vm_events(PGDEACTIVATE, (long)moved);
	folios_putback_lru(&list);
}

/* ---- The inactive lists ---- */

static void count_scan(const struct scan_control *sc, bool file, unsigned long scanned, unsigned long freed)
{
	count_vm_events(sc->kswapd ? PGSCAN_KSWAPD : PGSCAN_DIRECT, (long)scanned);
	count_vm_events(file ? PGSCAN_FILE : PGSCAN_ANON, (long)scanned);
	count_vm_events(sc->kswapd ? PGSTEAL_KSWAPD : PGSTEAL_DIRECT, (long)freed);
	count_vm_events(file ? PGSTEAL_FILE : PGSTEAL_ANON, (long)freed);
}

static unsigned long shrink_inactive_list(enum lru_list l, unsigned long nr, struct scan_control *sc)
{
	struct lru_isolation iso = { .nr_to_scan = nr, .zone = sc->zone };
	unsigned long freed, written = sc->nr_pageout;
	LIST_HEAD(list);

	if (!throttle_isolated(sc, is_file(l)))
		return 0;
	lru_add_drain();
	lru_isolate_tail(l, &iso, &list);
	count_skipped(&iso);
	sc->nr_scanned += iso.scanned;
	sc->nr_taken += iso.taken;
	freed = shrink_folio_list(&list, sc);
	folios_putback_lru(&list);
	count_scan(sc, is_file(l), iso.scanned, freed);
	trace_mm_vmscan_lru_shrink_inactive(0, iso.scanned, freed, sc->nr_writeback, sc->nr_immediate, sc->priority,
					    is_file(l));
	lru_note_cost(is_file(l), sc->nr_pageout - written, iso.scanned > freed ? iso.scanned - freed : 0);
	return freed;
}

static unsigned long shrink_list(enum lru_list l, unsigned long nr, struct scan_control *sc)
{
	if (!is_active(l))
		return shrink_inactive_list(l, nr, sc);
	if (sc->force_deactivate || inactive_is_low(is_file(l)))
		shrink_active_list(l, nr, sc);
	else
		sc->skipped_deactivate = true;
	return 0;
}

/* ---- How much of each (RCL-20) ---- */

enum balance { ANON_ONLY, FILE_ONLY, EQUAL, BY_COST };

/* So little is cached of files that it could not make up for what is missing. */
static bool file_is_tiny(const struct scan_control *sc)
{
	unsigned long have = READ_ONCE(lru_size[LRU_INACTIVE_FILE]) + READ_ONCE(lru_size[LRU_ACTIVE_FILE]), high = 0;
	struct zone *z;

	for_each_populated_zone(z) {
		have += (unsigned long)max(atomic_long_read(&z->free_pages), 0L);
		high += z->watermark[WMARK_HIGH];
	}
	return have <= high && READ_ONCE(lru_size[LRU_INACTIVE_ANON]) >> sc->priority;
}

static enum balance choose_balance(const struct scan_control *sc)
{
	if (!can_reclaim_anon())
		return FILE_ONLY;
	if (!sc->priority && READ_ONCE(vm_swappiness))
		return EQUAL;
	return file_is_tiny(sc) ? ANON_ONLY : BY_COST;
}

/* Pages to scan of each list. */
static void get_scan_count(const struct scan_control *sc, unsigned long nr[NR_LRU_LISTS])
{
	enum balance how = choose_balance(sc);
	unsigned long swappiness = (unsigned long)READ_ONCE(vm_swappiness);
	unsigned long cost = READ_ONCE(anon_cost) + READ_ONCE(file_cost);
	/* As if each kind had cost as much as both together, plus its own: neither is ever starved. */
	unsigned long anon = swappiness * (cost + 1) / (cost + READ_ONCE(anon_cost) + 1);
	unsigned long file = (200 - swappiness) * (cost + 1) / (cost + READ_ONCE(file_cost) + 1);

	for (enum lru_list l = LRU_INACTIVE_ANON; l <= LRU_ACTIVE_FILE; l++) {
		unsigned long size = READ_ONCE(lru_size[l]) >> sc->priority;

		if (how == BY_COST)
			nr[l] = DIV_ROUND_UP(size * (is_file(l) ? file : anon), anon + file + 1);
		else
			nr[l] = (how == EQUAL || (how == FILE_ONLY) == is_file(l)) ? size : 0;
	}
}

static void shrink_lruvec(struct scan_control *sc)
{
	unsigned long nr[NR_LRU_LISTS] = { 0 };

	get_scan_count(sc, nr);
	while (nr[LRU_INACTIVE_ANON] || nr[LRU_INACTIVE_FILE] || nr[LRU_ACTIVE_FILE]) {
		for (enum lru_list l = LRU_INACTIVE_ANON; l <= LRU_ACTIVE_FILE; l++) {
			unsigned long now = min(nr[l], (unsigned long)SWAP_CLUSTER_MAX);

			nr[l] -= now;
			if (now)
				sc->nr_reclaimed += shrink_list(l, now, sc);
		}
		cond_resched();
		if (sc->nr_reclaimed >= sc->nr_to_reclaim || fatal_signal_pending(current))
			break;
	}
	/* The next time there shall be something to choose from, even if this time no anonymous memory was wanted. */
	if (can_reclaim_anon() && inactive_is_low(false))
		shrink_active_list(LRU_ACTIVE_ANON, SWAP_CLUSTER_MAX, sc);
}

void shrink_node(struct scan_control *sc)
{
	unsigned long before = sc->nr_reclaimed;

	sc->nr_taken = sc->nr_writeback = sc->nr_started = sc->nr_immediate = sc->nr_pageout = 0;
	shrink_lruvec(sc);
	sc->nr_reclaimed += shrink_slab(sc->priority);
	if (sc->nr_reclaimed > before)
		kswapd_try_clear_hopeless(sc);
}
