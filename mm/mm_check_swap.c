/*
 * mm/mm_check_swap.c - the checker holds swap areas and the swap cache against the entries that name their
 * slots.
 *
 *	entries in page tables and shmem ──> a tally for each slot ──> its word: count, marker alone, folio and back
 *	words ──> bits and sums of each cluster and area
 */
#include "mm/mm_check.h"
#include "mm/shmem.h"
#include "mm/slab.h"
#include "mm/swapfile.h"
#include "mm/vmstat.h"

#ifndef RELEASE
/* In a tally: an entry has the EXCLUSIVE marker. */
#define TALLY_EXCLUSIVE	BIT(31)
#define TALLY_COUNT	(TALLY_EXCLUSIVE - 1)

int check_swap_alloc(struct check *c)
{
	for (int i = 0; i < MAX_SWAPFILES; i++) {
		unsigned long max = READ_ONCE(swap_info[i].max);

		if (!atomic_read(&swap_info[i].users) || !max)
			continue;
		c->slots[i] = vzalloc(max * sizeof(*c->slots[i]));
		if (!c->slots[i])
			return -ENOMEM;
		c->nr_slots[i] = max;
	}
	return 0;
}

void check_swap_free(struct check *c)
{
	for (int i = 0; i < MAX_SWAPFILES; i++)
		vfree(c->slots[i]);
}

void check_tally_entry(struct check *c, swp_entry_t e, bool exclusive)
{
	unsigned int type = swp_type(e);
	u32 *slot;

	if (swp_offset(e) >= swap_info[type].max || !swap_info[type].slots) {
		check_fail(c, "SWAP-1", "entry", e.val, "slot_exists", 1, 0);
		return;
	}
	/* An area that came after the memory for the tallies was taken. */
	if (swp_offset(e) >= c->nr_slots[type])
		return;
	slot = &c->slots[type][swp_offset(e)];
	*slot = (*slot + 1) | (exclusive ? TALLY_EXCLUSIVE : 0);
}

static void tally_shmem_entry(void *c, swp_entry_t e)
{
	check_tally_entry(c, e, false);
}

/*
 * SWAP-5, SWAP-10: the slot's folio knows that it is its, and no page that an entry names belongs to one mm
 * alone.
 */
static void check_cached(struct check *c, swp_entry_t e, u64 word)
{
	struct folio *f = slot_folio(word);

	if (!folio_matches_swap_entry(f, e)) {
		check_fail(c, "SWAP-10", "entry", e.val, "folio", 1, 0);
		return;
	}
	c->swapcache++;
	if ((word & SLOT_COUNT_MASK) && PageAnonExclusive(folio_swap_page(f, e)))
		check_fail(c, "SWAP-5", "entry", e.val, "page_exclusive", 0, 1);
}

static void check_slot(struct check *c, const struct swap_info_struct *si, unsigned long offset)
{
	u64 word = si->slots[offset];
	u32 tally = c->slots[si->type][offset];
	long have = (long)(word & SLOT_COUNT_MASK), want = tally & TALLY_COUNT;
	swp_entry_t e = swp_entry(si->type, offset);

	if (word == SLOT_BAD) {
		if (want)
			check_fail(c, "SWAP-1", "entry", e.val, "bad_slot_named", 0, want);
		return;
	}
	/*
	 * On the way between a tree and a table an entry may be counted before it stands there, never the
	 * other way.
	 */
	if (have != want && c->any_busy && have > want)
		c->skipped++;
	else if (have != want)
		check_fail(c, "SWAP-1", "entry", e.val, "count", want, have);
	if ((tally & TALLY_EXCLUSIVE) && want != 1)
		check_fail(c, "SWAP-12", "entry", e.val, "exclusive_entries", 1, want);
	if (slot_folio(word))
		check_cached(c, e, word);
}

/* The bits say which slots are in use, and the list that the cluster is on promises enough. Slots in use. */
static long check_cluster(struct check *c, const struct swap_info_struct *si, unsigned long n, long *idle)
{
	const struct swap_cluster *ci = &si->clusters[n];
	const u64 *slot = &si->slots[n * SWAP_CLUSTER_SLOTS];
	long used = 0, bad = 0;

	for (unsigned int i = 0; i < SWAP_CLUSTER_SLOTS; i++) {
		bool bit = ci->map[i / 64] >> (i % 64) & 1;

		if (bit != (slot[i] != 0))
			check_fail(c, "SWAP-1", "slot", n * SWAP_CLUSTER_SLOTS + i, "in_use", slot[i] != 0,
				   bit);
		used += slot[i] != 0;
		bad += slot[i] == SLOT_BAD;
		*idle += slot_folio(slot[i]) && !(slot[i] & SLOT_COUNT_MASK);
	}
	if ((long)ci->used != used)
		check_fail(c, "SWAP-1", "cluster", n, "used", used, ci->used);
	if (swap_largest_run(ci) > ci->max_order)
		check_fail(c, "SWAP-3", "cluster", n, "max_order", swap_largest_run(ci), ci->max_order);
	return used - bad;
}

static void check_area(struct check *c, const struct swap_info_struct *si)
{
	long used = 0, idle = 0;

	for (unsigned long i = 0; i < si->max; i++)
		check_slot(c, si, i);
	for (unsigned long i = 0; i < si->nr_clusters; i++)
		used += check_cluster(c, si, i, &idle);
	if (atomic_long_read(&si->idle) != idle)
		check_fail(c, "SWAP-1", "area", si->type, "idle", idle, atomic_long_read(&si->idle));
	if (atomic_long_read(&si->inuse) == used)
		return;
	if (c->any_busy)
		c->skipped++;		/* it is added after the cluster's lock was dropped */
	else
		check_fail(c, "SWAP-1", "area", si->type, "inuse", used, atomic_long_read(&si->inuse));
}

void check_swap(struct check *c)
{
	shmem_for_each_swap_entry(tally_shmem_entry, c);
	for (int i = 0; i < MAX_SWAPFILES; i++)
		if (c->slots[i] && swap_info[i].slots && swap_info[i].max == c->nr_slots[i])
			check_area(c, &swap_info[i]);
}

void check_swapcache_folio(struct check *c, struct folio *f)
{
	struct swap_info_struct *si = swp_swap_info(f->swap);

	for (unsigned long i = 0; i < folio_nr_pages(f); i++) {
		swp_entry_t e = swp_entry_add(f->swap, i);

		if (!si->slots || swp_offset(e) >= si->max || slot_folio(si->slots[swp_offset(e)]) != f) {
			check_fail(c, "SWAP-10", "pfn", folio_pfn(f), "slot_names_it", 1, 0);
			return;
		}
	}
	c->swapcache_pages += (long)folio_nr_pages(f);
}
#endif
