/*
 * mm/swapfile.c - slots of swap areas: giving them out, counting who names them, taking them back (SWAP-1,
 * SWAP-3).
 *
 *	FREE ──> CACHED <──> UNCACHED ──> FREE
 *
 *	FREE     -> CACHED	folio_alloc_swap(): a folio on its way out
 *	CACHED   -> UNCACHED	swap_slots_clear_folio(): reclaimed, entries still name the slot
 *	UNCACHED -> CACHED	swap_slots_set_folio(): the first fault that needs it
 *	CACHED   -> FREE	swap_slots_clear_folio(): no entry names it
 *	UNCACHED -> FREE	swap_free_nr(): the last entry went
 *
 * A folio gets one naturally aligned run of slots, so it lies in one cluster and is written in one piece.
 * Clusters are listed by the largest run that is free in them, as the buddy allocator lists blocks, and the
 * smallest that will do is taken: single pages fill the gaps, and room for large folios stays. A list may
 * promise too much, never too little: taking slots only lowers what is free, and whoever is disappointed
 * refiles the cluster.
 *
 * Not here: swapon and /proc/swaps (swapon.c), swapoff (swapoff.c), the cache as such (swap_state.c). Linux:
 * mm/swapfile.c, whose clusters each serve one size of folio; its swap table holds what our words hold.
 */
#include "mm/swapfile.h"
#include "kernel/lib/string.h"
#include "kernel/trace/fail.h"
#include "mm/huge_memory.h"
#include "mm/rmap.h"
#include "mm/slab.h"
#include "mm/vmstat.h"

/* How many slots that only hold copies are looked at when an area is full. */
#define IDLE_BATCH 32

struct swap_info_struct swap_info[MAX_SWAPFILES];
DEFINE_SPINLOCK(swap_lock);
LIST_HEAD(swap_active_head);

/* ---- Sums ---- */

long get_nr_swap_pages(void)
{
	long n = 0;

	for (int i = 0; i < MAX_SWAPFILES; i++)
		if (READ_ONCE(swap_info[i].writeok))
			n += (long)swap_info[i].pages - atomic_long_read(&swap_info[i].inuse);
	return n;
}

long total_swap_pages(void)
{
	long n = 0;

	for (int i = 0; i < MAX_SWAPFILES; i++)
		if (READ_ONCE(swap_info[i].writeok))
			n += (long)swap_info[i].pages;
	return n;
}

bool can_get_swap_slots(void)
{
	for (int i = 0; i < MAX_SWAPFILES; i++) {
		struct swap_info_struct *si = &swap_info[i];

		if (READ_ONCE(si->writeok) &&
		    (long)si->pages > atomic_long_read(&si->inuse) - atomic_long_read(&si->idle))
			return true;
	}
	return false;
}

bool vm_swap_full(void)
{
	return get_nr_swap_pages() * 2 < total_swap_pages();
}

/* ---- Areas ---- */

struct swap_info_struct *get_swap_device(swp_entry_t e)
{
	struct swap_info_struct *si;

	if (non_swap_entry(e))
		return NULL;
	si = swp_swap_info(e);
	if (!atomic_inc_not_zero(&si->users))
		return NULL;
	if (likely(swp_offset(e) < si->max))
		return si;
	put_swap_device(si);
	return NULL;
}

void put_swap_device(struct swap_info_struct *si)
{
	atomic_dec(&si->users);		/* swapoff looks at it now and then */
}

bool swap_synchronous(swp_entry_t e)
{
	return swp_swap_info(e)->synchronous;
}

static struct swap_cluster *cluster_of(struct swap_info_struct *si, unsigned long offset)
{
	return &si->clusters[offset / SWAP_CLUSTER_SLOTS];
}

void swap_enable_area(struct swap_info_struct *si)
{
	struct swap_info_struct *other;
	struct list_head *at = &swap_active_head;

	spin_lock(&swap_lock);
	/* Behind all of the same priority: equals take turns. */
	list_for_each_entry(other, &swap_active_head, list) {
		if (other->prio < si->prio)
			break;
		at = &other->list;
	}
	list_add(&si->list, at);
	WRITE_ONCE(si->writeok, true);
	spin_unlock(&swap_lock);
}

void swap_disable_area(struct swap_info_struct *si)
{
	spin_lock(&swap_lock);
	list_del(&si->list);
	WRITE_ONCE(si->writeok, false);
	spin_unlock(&swap_lock);
	/* Who saw it true holds a cluster. */
	for (unsigned long i = 0; i < si->nr_clusters; i++) {
		spin_lock(&si->clusters[i].lock);
		spin_unlock(&si->clusters[i].lock);
	}
}

/* ---- Free runs ---- */

/* Bit I of the result: 2^ORDER clear bits from I on in WORD, I a multiple of 2^ORDER, at most 32. */
static u64 free_runs(u64 word, unsigned int order)
{
	static const u64 aligned[6] = {
		~0ULL, 0x5555555555555555, 0x1111111111111111, 0x0101010101010101, 0x0001000100010001,
		0x0000000100000001,
	};
	u64 runs = ~word;

	for (unsigned int o = 0; o < order; o++)
		runs &= runs >> (1U << o);
	return runs & aligned[order];
}

/* First slot of an aligned run of 2^ORDER free ones, or -1. => cluster locked */
static int find_run(const struct swap_cluster *ci, unsigned int order)
{
	unsigned int words = order > 6 ? 1U << (order - 6) : 1;

	for (unsigned int w = 0; w < ARRAY_SIZE(ci->map); w += words) {
		u64 used = 0;

		for (unsigned int i = 0; i < words; i++)
			used |= ci->map[w + i];
		if (order >= 6) {
			if (!used)
				return (int)w * 64;
		} else if (free_runs(used, order)) {
			return (int)w * 64 + __builtin_ctzll(free_runs(used, order));
		}
	}
	return -1;
}

static void set_run(struct swap_cluster *ci, unsigned int first, unsigned int order)
{
	u64 bits = order >= 6 ? ~0ULL : (BIT(1U << order) - 1) << (first % 64);
	unsigned int words = order > 6 ? 1U << (order - 6) : 1;

	for (unsigned int i = 0; i < words; i++)
		ci->map[first / 64 + i] |= bits;
	ci->used += 1U << order;
}

/* => FIRST a multiple of 2^ORDER */
static bool run_is_free(const struct swap_cluster *ci, unsigned int first, unsigned int order)
{
	if (order < 6)
		return !(ci->map[first / 64] >> (first % 64) & (BIT(1U << order) - 1));
	for (unsigned int w = first / 64; w < (first + (1U << order)) / 64; w++)
		if (ci->map[w])
			return false;
	return true;
}

/* The order of the largest aligned free run that contains SLOT, if it is above FROM; else FROM. */
static int run_around(const struct swap_cluster *ci, unsigned int slot, int from)
{
	for (int order = from + 1; order < (int)SWAP_NR_ORDERS; order++)
		if (!run_is_free(ci, slot & ~((1U << order) - 1), (unsigned int)order))
			return order - 1;
	return SWAP_NR_ORDERS - 1;
}

/* CI goes to the list of MAX_ORDER. => cluster locked */
static void refile(struct swap_info_struct *si, struct swap_cluster *ci, int max_order)
{
	if (max_order == ci->max_order)
		return;
	spin_lock(&si->lock);
	if (ci->max_order != SWAP_CLUSTER_FULL)
		list_del(&ci->list);
	ci->max_order = (s8)max_order;
	if (max_order != SWAP_CLUSTER_FULL)
		list_add_tail(&ci->list, &si->free[max_order]);
	spin_unlock(&si->lock);
}

int swap_largest_run(const struct swap_cluster *ci)
{
	for (int o = SWAP_NR_ORDERS - 1; o >= 0; o--)
		if (find_run(ci, (unsigned int)o) >= 0)
			return o;
	return SWAP_CLUSTER_FULL;
}

/* ---- Allocation ---- */

/* Slots in CI for F, which serves them from now on. False: none. => CI locked, and dropped */
static bool alloc_in_cluster(struct swap_info_struct *si, struct swap_cluster *ci, struct folio *f)
{
	unsigned int order = folio_order(f), nr = 1U << order;
	unsigned long offset;
	int first = si->writeok ? find_run(ci, order) : -1;

	if (first < 0) {
		/* The list promised too much. */
		if (si->writeok)
			refile(si, ci, swap_largest_run(ci));
		spin_unlock(&ci->lock);
		return false;
	}
	offset = (unsigned long)(ci - si->clusters) * SWAP_CLUSTER_SLOTS + (unsigned int)first;
	set_run(ci, (unsigned int)first, order);
	f->swap = swp_entry(si->type, offset);
	folio_set_swapcache(f);
	for (unsigned int i = 0; i < nr; i++) {
		KASSERT_EQ(*swap_slot(si, offset + i), 0, "SWAP-1");
		WRITE_ONCE(*swap_slot(si, offset + i), folio_slot_bits(f));
	}
	atomic_long_add(nr, &si->idle);
	/* Under the lock: who stops the area looks at this when it has had every cluster's. */
	atomic_long_add(nr, &si->inuse);
	if (ci->used == SWAP_CLUSTER_SLOTS)
		refile(si, ci, SWAP_CLUSTER_FULL);
	spin_unlock(&ci->lock);
	si->hint[smp_processor_id()][order] = (unsigned int)(ci - si->clusters);
	return true;
}

/* The cluster with the smallest run that is large enough, locked, or NULL. */
static struct swap_cluster *pick_cluster(struct swap_info_struct *si, unsigned int order)
{
	struct swap_cluster *ci;
	bool busy;

	do {
		busy = false;
		spin_lock(&si->lock);
		for (unsigned int o = order; o < SWAP_NR_ORDERS; o++) {
			list_for_each_entry(ci, &si->free[o], list) {
				/* Its holder may wait for si->lock. */
				if (!spin_trylock(&ci->lock)) {
					busy = true;
					continue;
				}
				/* CPUs that look at the same time find different ones. */
				list_move_tail(&ci->list, &si->free[o]);
				spin_unlock(&si->lock);
				return ci;
			}
		}
		spin_unlock(&si->lock);
	} while (busy);
	return NULL;
}

static bool alloc_in_area(struct swap_info_struct *si, struct folio *f)
{
	unsigned int order = folio_order(f), hint = READ_ONCE(si->hint[smp_processor_id()][order]);
	struct swap_cluster *ci = &si->clusters[hint];

	if ((long)si->pages - atomic_long_read(&si->inuse) < (long)folio_nr_pages(f))
		return false;
	/*
	 * After the last one: neighbours in memory that go out one after the other become neighbours on the
	 * disk.
	 */
	if (READ_ONCE(ci->max_order) >= (int)order) {
		spin_lock(&ci->lock);
		if (alloc_in_cluster(si, ci, f))
			return true;
	}
	/* swapoff may have begun meanwhile. */
	while (READ_ONCE(si->writeok) && (ci = pick_cluster(si, order)))
		if (alloc_in_cluster(si, ci, f))
			return true;
	return false;
}

/*
 * The area with the highest priority that is not in *TRIED, where it is noted; held. NULL: none is left. Then
 * the next one of the same priority has its turn.
 */
static struct swap_info_struct *next_area(unsigned long *tried)
{
	struct swap_info_struct *si = NULL, *pos, *last = NULL;

	spin_lock(&swap_lock);
	list_for_each_entry(pos, &swap_active_head, list) {
		if (si && pos->prio != si->prio)
			break;
		if (!si && !(*tried & BIT(pos->type)) && atomic_inc_not_zero(&pos->users))
			si = pos;
		last = pos;
	}
	if (si) {
		*tried |= BIT(si->type);
		if (last != si)
			list_move(&si->list, &last->list);
	}
	spin_unlock(&swap_lock);
	return si;
}

/* Slots for F in the area with the highest priority that has any. */
static bool alloc_anywhere(struct folio *f)
{
	struct swap_info_struct *si;
	unsigned long tried = 0;
	bool done = false;

	while (!done && (si = next_area(&tried))) {
		done = alloc_in_area(si, f);
		put_swap_device(si);
	}
	return done;
}

static void try_to_reclaim_swap(swp_entry_t e, bool mapped_too);

/*
 * SI is full, but some of its slots only hold copies of what is in memory (it was brought in and stayed
 * cached, or its entries went while it was written): take a few out of the cache. True: there are free slots
 * now.
 */
static bool reclaim_idle_slots(struct swap_info_struct *si)
{
	long before = atomic_long_read(&si->inuse);
	unsigned long at = READ_ONCE(si->idle_scan);
	int found = 0;

	for (unsigned long i = 0; i < si->max && found < IDLE_BATCH && atomic_long_read(&si->idle) > 0; i++) {
		u64 word;

		at = at + 1 < si->max ? at + 1 : 1;
		word = READ_ONCE(*swap_slot(si, at));
		if (slot_folio(word) && !(word & SLOT_COUNT_MASK)) {
			try_to_reclaim_swap(swp_entry(si->type, at), true);
			found++;
		}
	}
	WRITE_ONCE(si->idle_scan, at);
	return atomic_long_read(&si->inuse) < before;
}

static bool reclaim_idle_anywhere(void)
{
	struct swap_info_struct *si;
	unsigned long tried = 0;
	bool freed = false;

	while (!freed && (si = next_area(&tried))) {
		freed = atomic_long_read(&si->idle) > 0 && reclaim_idle_slots(si);
		put_swap_device(si);
	}
	return freed;
}

int folio_alloc_swap(struct folio *f)
{
	long nr = (long)folio_nr_pages(f);
	bool done;

	KASSERT(folio_test_locked(f) && folio_test_uptodate(f) && !folio_test_swapcache(f), "SWAP-3");
	if (fail_here("swap_slot", folio_order(f)))
		return -ENOMEM;
	/* Before the slots name it: whoever finds it there may take references of his own. */
	folio_ref_add(f, (int)nr);
	done = alloc_anywhere(f);
	/* A large one can be cut; for the smallest nothing else is left. */
	if (!done && nr == 1 && reclaim_idle_anywhere())
		done = alloc_anywhere(f);
	if (!done) {
		atomic_sub((int)nr, &f->_refcount);	/* never the last: the caller has one */
		return -ENOMEM;
	}
	folio_set_dirty(f);
	mod_node_page_state(NR_SWAPCACHE, nr);
	mod_node_page_state(NR_FILE_PAGES, nr);
	return 0;
}

/* ---- Counts ---- */

/* Slots [SLOT, SLOT + NR) of CI are free now. => cluster locked */
static void free_run(struct swap_info_struct *si, struct swap_cluster *ci, unsigned int slot, unsigned int nr)
{
	int max = ci->max_order;

	for (unsigned int i = slot; i < slot + nr; i++)
		ci->map[i / 64] &= ~(1ULL << (i % 64));
	ci->used -= nr;
	/* Slots of one block lie in the same larger ones. */
	for (unsigned int i = slot; i < slot + nr; i = (i | ((1U << max) - 1)) + 1)
		max = run_around(ci, i, max);
	refile(si, ci, max);
	atomic_long_sub(nr, &si->inuse);
}

/* How many of NR slots from E on lie in the cluster of E. */
static int slots_in_cluster(swp_entry_t e, int nr)
{
	int room = (int)(SWAP_CLUSTER_SLOTS - swp_offset(e) % SWAP_CLUSTER_SLOTS);

	return min(nr, room);
}

/* swap_duplicate_nr within one cluster. */
static int duplicate_slots(swp_entry_t e, int nr)
{
	struct swap_info_struct *si = swp_swap_info(e);
	struct swap_cluster *ci = cluster_of(si, swp_offset(e));
	u64 *slot = swap_slot(si, swp_offset(e));
	int err = 0, idle = 0;

	spin_lock(&ci->lock);
	for (int i = 0; i < nr && !err; i++) {
		KASSERT(slot[i] && (slot[i] & SLOT_COUNT_MASK) != SLOT_BAD, "SWAP-1");
		if ((slot[i] & SLOT_COUNT_MASK) == SLOT_COUNT_MAX)
			err = -ENOMEM;
	}
	for (int i = 0; i < nr && !err; i++) {
		idle += !(slot[i] & SLOT_COUNT_MASK);
		WRITE_ONCE(slot[i], slot[i] + 1);
	}
	if (idle)
		atomic_long_sub(idle, &si->idle);
	spin_unlock(&ci->lock);
	return err;
}

int swap_duplicate_nr(swp_entry_t e, int nr)
{
	int first = slots_in_cluster(e, nr), err = duplicate_slots(e, first);

	KASSERT_LE(nr, SWAP_CLUSTER_SLOTS, "SWAP-4");
	if (err || first == nr)
		return err;
	err = duplicate_slots(swp_entry_add(e, (unsigned long)first), nr - first);
	if (err)
		swap_free_nr(e, first);
	return err;
}

/* swap_free_nr within one cluster. True: a slot that nobody names any more is still cached. */
static bool free_slots(swp_entry_t e, int nr)
{
	struct swap_info_struct *si = swp_swap_info(e);
	struct swap_cluster *ci = cluster_of(si, swp_offset(e));
	unsigned int first = swp_offset(e) % SWAP_CLUSTER_SLOTS;
	u64 *slot = swap_slot(si, swp_offset(e));
	int run = 0, idle = 0;

	spin_lock(&ci->lock);
	for (int i = 0; i < nr; i++) {
		u64 word = slot[i] - 1;

		KASSERT((slot[i] & SLOT_COUNT_MASK) && (slot[i] & SLOT_COUNT_MASK) != SLOT_BAD, "SWAP-1");
		WRITE_ONCE(slot[i], word);
		idle += word && !(word & SLOT_COUNT_MASK);
		run = word ? 0 : run + 1;
		if (run && (i + 1 == nr || slot[i + 1] != 1)) {
			free_run(si, ci, first + (unsigned int)(i + 1 - run), (unsigned int)run);
			run = 0;
		}
	}
	if (idle)
		atomic_long_add(idle, &si->idle);
	spin_unlock(&ci->lock);
	return idle;
}

/* Calls free_slots for each cluster. */
static bool free_all_slots(swp_entry_t e, int nr)
{
	bool cached = false;

	while (nr) {
		int n = slots_in_cluster(e, nr);

		cached |= free_slots(e, n);
		e = swp_entry_add(e, (unsigned long)n);
		nr -= n;
	}
	return cached;
}

void swap_free_nr(swp_entry_t e, int nr)
{
	free_all_slots(e, nr);
}

int swap_count(swp_entry_t e)
{
	return (int)(READ_ONCE(*swap_slot(swp_swap_info(e), swp_offset(e))) & SLOT_COUNT_MASK);
}

void free_swap_cache(struct folio *f)
{
	if (!folio_test_swapcache(f) || folio_mapped(f) || !folio_trylock(f))
		return;
	if (!folio_mapped(f))
		folio_free_swap(f);
	folio_unlock(f);
}

/*
 * The folio that serves E goes out of the cache, if nobody names its slots and its lock can be had; one that
 * is mapped only if MAPPED_TOO.
 */
static void try_to_reclaim_swap(swp_entry_t e, bool mapped_too)
{
	struct folio *f = swap_cache_get_folio(e);

	if (!f)
		return;
	if (!mapped_too) {
		free_swap_cache(f);
	} else if (folio_trylock(f)) {
		folio_free_swap(f);
		folio_unlock(f);
	}
	folio_put(f);
}

void free_swap_and_cache_nr(swp_entry_t e, int nr)
{
	struct swap_info_struct *si;

	/*
	 * A cached slot without a count belongs to its folio, and so does the area: it must not go meanwhile.
	 */
	si = get_swap_device(e);
	if (free_all_slots(e, nr) && si) {
		for (int i = 0; i < nr; i++) {
			swp_entry_t one = swp_entry_add(e, (unsigned long)i);
			u64 word = READ_ONCE(*swap_slot(si, swp_offset(one)));

			if (slot_folio(word) && !(word & SLOT_COUNT_MASK))
				try_to_reclaim_swap(one, false);
		}
	}
	if (si)
		put_swap_device(si);
}

/* F, whose slots no entry names, has no copy on the disk any more. */
static void left_swap_cache(struct folio *f, long nr)
{
	KASSERT(!folio_test_writeback(f), "SWAP-14");
	mod_node_page_state(NR_SWAPCACHE, -nr);
	mod_node_page_state(NR_FILE_PAGES, -nr);
	folio_put_refs(f, (int)nr);
	folio_set_dirty(f);
	/* A folio in the cache is not queued (SPLIT-9): what was unmapped of it meanwhile counts now. */
	folio_end_unmapping(f);
}

bool swap_free_mapped(struct folio *f, swp_entry_t e, int nr)
{
	struct swap_info_struct *si = swp_swap_info(e);
	unsigned long first = swp_offset(f->swap), from = swp_offset(e) - first;
	struct swap_cluster *ci = cluster_of(si, first);
	int pages = (int)folio_nr_pages(f), idle = 0;
	u64 *slot = swap_slot(si, first), alone = folio_slot_bits(f);
	bool last = !folio_test_writeback(f);

	KASSERT(folio_test_locked(f) && folio_matches_swap_entry(f, e), "SWAP-14");
	spin_lock(&ci->lock);
	for (int i = 0; i < nr; i++) {
		KASSERT(slot[from + (unsigned int)i] > alone, "SWAP-1");
		WRITE_ONCE(slot[from + (unsigned int)i], slot[from + (unsigned int)i] - 1);
		idle += slot[from + (unsigned int)i] == alone;
	}
	for (int i = 0; i < pages && last; i++)
		last = slot[i] == alone;
	if (last) {
		for (int i = 0; i < pages; i++)
			WRITE_ONCE(slot[i], 0);
		folio_clear_swapcache(f);
		f->swap.val = 0;
		free_run(si, ci, first % SWAP_CLUSTER_SLOTS, (unsigned int)pages);
		idle -= pages;
	}
	if (idle)
		atomic_long_add(idle, &si->idle);
	spin_unlock(&ci->lock);
	if (last)
		left_swap_cache(f, pages);
	return last;
}

bool folio_free_swap(struct folio *f)
{
	swp_entry_t e = f->swap;

	KASSERT(folio_test_locked(f), "SWAP-14");
	if (!folio_test_swapcache(f) || folio_test_writeback(f))
		return false;
	/* New counts come only from entries that exist, or with the folio locked. */
	for (unsigned long i = 0; i < folio_nr_pages(f); i++)
		if (swap_count(swp_entry_add(e, i)))
			return false;
	swap_slots_clear_folio(f);
	left_swap_cache(f, (long)folio_nr_pages(f));
	return true;
}

/* ---- Which folio serves a slot ---- */

int swap_slots_set_folio(swp_entry_t e, struct folio *f)
{
	struct swap_info_struct *si = swp_swap_info(e);
	struct swap_cluster *ci = cluster_of(si, swp_offset(e));
	u64 *slot = swap_slot(si, swp_offset(e));
	int nr = (int)folio_nr_pages(f), err = 0;

	spin_lock(&ci->lock);
	for (int i = 0; i < nr && !err; i++) {
		if (slot_folio(slot[i]))
			err = -EEXIST;
		else if (!slot[i] || slot[i] == SLOT_BAD)
			err = -ENOENT;
	}
	if (!err) {
		f->swap = e;
		folio_set_swapcache(f);
		for (int i = 0; i < nr; i++)
			WRITE_ONCE(slot[i], slot[i] | folio_slot_bits(f));
	}
	spin_unlock(&ci->lock);
	return err;
}

void swap_slots_clear_folio(struct folio *f)
{
	struct swap_info_struct *si = swp_swap_info(f->swap);
	struct swap_cluster *ci = cluster_of(si, swp_offset(f->swap));
	unsigned int first = swp_offset(f->swap) % SWAP_CLUSTER_SLOTS;
	unsigned int nr = (unsigned int)folio_nr_pages(f), run = 0, idle = 0;
	u64 *slot = swap_slot(si, swp_offset(f->swap));

	spin_lock(&ci->lock);
	for (unsigned int i = 0; i < nr; i++) {
		KASSERT(slot_folio(slot[i]) == f, "SWAP-10");
		WRITE_ONCE(slot[i], slot[i] & SLOT_COUNT_MASK);
		if (!slot[i]) {
			run++;
			idle++;
		}
		if (run && (slot[i] || i + 1 == nr)) {
			free_run(si, ci, first + i + !slot[i] - run, run);
			run = 0;
		}
	}
	folio_clear_swapcache(f);
	f->swap.val = 0;
	if (idle)
		atomic_long_sub(idle, &si->idle);
	spin_unlock(&ci->lock);
}

void swap_cache_split_folio(struct folio *f, struct folio *piece, unsigned long i)
{
	struct swap_info_struct *si = swp_swap_info(f->swap);
	swp_entry_t e = swp_entry_add(f->swap, i);
	u64 *slot = swap_slot(si, swp_offset(e));

	KASSERT(slot_folio(*slot) == f, "SPLIT-6");
	piece->swap = e;
	WRITE_ONCE(*slot, (*slot & SLOT_COUNT_MASK) | folio_slot_bits(piece));
}

void swap_cache_move_folio(struct folio *src, struct folio *dst)
{
	u64 *slot = swap_slot(swp_swap_info(src->swap), swp_offset(src->swap));

	folio_ref_add(dst, (int)folio_nr_pages(dst));
	dst->swap = src->swap;
	folio_set_swapcache(dst);
	for (unsigned long i = 0; i < folio_nr_pages(dst); i++)
		WRITE_ONCE(slot[i], (slot[i] & SLOT_COUNT_MASK) | folio_slot_bits(dst));
	folio_clear_swapcache(src);
	src->swap.val = 0;
}

void swap_cluster_lock(struct folio *f)
{
	spin_lock(&cluster_of(swp_swap_info(f->swap), swp_offset(f->swap))->lock);
}

void swap_cluster_unlock(struct folio *f)
{
	spin_unlock(&cluster_of(swp_swap_info(f->swap), swp_offset(f->swap))->lock);
}

/* ---- Memory of an area ---- */

void swap_mark_bad(struct swap_info_struct *si, unsigned long offset)
{
	struct swap_cluster *ci = cluster_of(si, offset);
	unsigned int slot = offset % SWAP_CLUSTER_SLOTS;

	if (!run_is_free(ci, slot, 0))
		return;
	si->slots[offset] = SLOT_BAD;
	ci->map[slot / 64] |= 1ULL << (slot % 64);
	ci->used++;
	si->pages -= offset < si->max;
	refile(si, ci, swap_largest_run(ci));
}

int swap_alloc_area(struct swap_info_struct *si)
{
	unsigned long slots;

	si->nr_clusters = DIV_ROUND_UP(si->max, SWAP_CLUSTER_SLOTS);
	slots = si->nr_clusters * SWAP_CLUSTER_SLOTS;
	si->clusters = vzalloc(si->nr_clusters * sizeof(*si->clusters));
	si->slots = vzalloc(slots * sizeof(*si->slots));
	if (!si->clusters || !si->slots) {
		swap_free_area(si);
		return -ENOMEM;
	}
	spin_lock_init_class(&si->lock, __LOCK_CLASS("swap_list_lock", LOCK_SPIN));
	for (unsigned int o = 0; o < SWAP_NR_ORDERS; o++)
		INIT_LIST_HEAD(&si->free[o]);
	memset(si->hint, 0, sizeof(si->hint));
	for (unsigned long i = 0; i < si->nr_clusters; i++) {
		struct swap_cluster *ci = &si->clusters[i];

		spin_lock_init_class(&ci->lock, __LOCK_CLASS("swap_cluster_lock", LOCK_SPIN));
		ci->max_order = SWAP_NR_ORDERS - 1;
		list_add_tail(&ci->list, &si->free[SWAP_NR_ORDERS - 1]);
	}
	si->pages = si->max;
	swap_mark_bad(si, 0);
	for (unsigned long i = si->max; i < slots; i++)
		swap_mark_bad(si, i);
	return 0;
}

void swap_free_area(struct swap_info_struct *si)
{
	vfree(si->clusters);
	vfree(si->slots);
	si->clusters = NULL;
	si->slots = NULL;
}
