/*
 * mm/mm_check_folio.c - the checker holds folios, lists and gauges against the tallies of the page tables.
 *
 *	LRU lists, buddy lists ──> each entry is what it should be, none twice; mark its frame
 *	memmap, frame by frame ──> free: is it on a buddy list?   a folio: mapcounts, owners, exclusive, references,
 *	                           LRU, deferred queue, each field by itself
 *	gauges ──> the sums
 *
 * Each stored field is compared with what the page tables say and with no other stored field, so that one wrong field
 * is one line, however many others depend on it.
 */
#include "arch-x86_64/setup.h"
#include "kernel/trace/control.h"
#include "mm/lru.h"
#include "mm/mm_check.h"
#include "mm/rmap.h"
#include "mm/thp_policy.h"
#include "mm/vmstat.h"

#ifndef RELEASE
#define ENTIRELY_MAPPED 0x800000	/* as in rmap.c (FOL-11) */

/* ---- The LRU lists (RCL-1, RCL-2) ---- */

/* A frame's descriptor, not some other memory? */
static bool is_descriptor(struct check *c, const struct page *p)
{
	return p >= vmemmap && p < vmemmap + c->nr_frames && pfn_valid(page_to_pfn(p)) &&
	       ((unsigned long)p - (unsigned long)vmemmap) % sizeof(*p) == 0;
}

/* One entry of list L. False: the list cannot be followed any further. */
static bool check_lru_entry(struct check *c, struct folio *f, enum lru_list l, unsigned long *pages)
{
	struct frame_tally *t;
	unsigned long pfn;

	if (!is_descriptor(c, &f->page)) {
		check_fail(c, "RCL-1", "list", l, "links", 1, 0);
		return false;
	}
	pfn = folio_pfn(f);
	t = frame_of(c, &f->page);
	if (t->flags & T_ON_LRU) {
		check_fail(c, "RCL-1", "pfn", pfn, "listed_twice", 0, 1);
		return false;
	}
	t->flags |= T_ON_LRU;
	*pages += folio_nr_pages(f);
	/* The flags that name the list are wrong: one line, and none about the missing one later. */
	if (!folio_test_lru(f) || PageTail(&f->page)) {
		check_fail(c, "RCL-2", "pfn", pfn, "lru_flag", 1, 0);
		t->flags |= T_TOLD;
	} else {
		check_pfn(c, "RCL-1", pfn, "list", l, folio_lru_list(f));
	}
	return true;
}

void check_lru_lists(struct check *c)
{
	for (int l = 0; l < NR_LRU_LISTS; l++) {
		unsigned long pages = 0;
		struct folio *f;

		list_for_each_entry(f, &lru_lists[l], lru)
			if (!check_lru_entry(c, f, l, &pages))
				return;
		if (lru_size[l] != pages)
			check_fail(c, "RCL-1", "list", l, "lru_size", pages, lru_size[l]);
		if (atomic_long_read(&vm_node_stat[NR_INACTIVE_ANON + l]) != pages)
			check_fail(c, "ABI-1", "list", l, "nr_lru", pages,
				   atomic_long_read(&vm_node_stat[NR_INACTIVE_ANON + l]));
	}
}

/* ---- The buddy's lists (MIG-8) ---- */

/* All blocks of one list. Returns how many. */
static unsigned long check_free_list(struct check *c, struct list_head *list, unsigned int order)
{
	unsigned long n = 0;
	struct page *p;

	list_for_each_entry(p, list, lru) {
		if (!is_descriptor(c, p) || (frame_of(c, p)->flags & T_FREE)) {
			check_fail(c, "MIG-8", "order", order, "free_list_links", 1, 0);
			break;
		}
		frame_of(c, p)->flags |= T_FREE;
		if (!page_is_type(p, PGTY_buddy))
			check_fail(c, "MIG-8", "pfn", page_to_pfn(p), "buddy_type", 1, 0);
		else
			check_pfn(c, "MIG-8", page_to_pfn(p), "buddy_order", order, p->private);
		n++;
	}
	return n;
}

void check_buddy_lists(struct check *c)
{
	struct zone *z;

	for_each_populated_zone(z) {
		unsigned long pages = 0;

		for (unsigned int o = 0; o < NR_PAGE_ORDERS; o++) {
			unsigned long n = 0;

			for (int mt = 0; mt < MIGRATE_TYPES; mt++)
				n += check_free_list(c, &z->free_area[o].free_list[mt], o);
			if (z->free_area[o].nr_free != n)
				check_fail(c, "MIG-8", "order", o, "nr_free", n, z->free_area[o].nr_free);
			pages += n << o;
		}
		if (atomic_long_read(&z->free_pages) != pages)
			check_fail(c, "RCL-8", "zone", z - zones, "free_pages", pages, atomic_long_read(&z->free_pages));
	}
}

/* A block that says it is free. Returns its pages. */
static unsigned long check_free_block(struct check *c, struct page *p)
{
	unsigned long nr = p->private < NR_PAGE_ORDERS ? 1UL << p->private : 1;

	if (!(frame_of(c, p)->flags & T_FREE)) {
		check_fail(c, "MIG-8", "pfn", page_to_pfn(p), "on_free_list", 1, 0);
		return 1;
	}
	for (unsigned long i = 0; i < nr; i++)
		if (unlikely(atomic_read(&p[i]._refcount)))
			check_fail(c, "FOL-2", "pfn", page_to_pfn(p + i), "free_references", 0, atomic_read(&p[i]._refcount));
	return nr;
}

/* ---- One folio ---- */

/* What the tallies say of a folio. */
struct folio_tally {
	struct folio *f;
	unsigned long pfn;
	int nr;			/* pages */
	long total;		/* mappings */
	long pmds;
	long pte_pages;		/* pages that PTEs map */
	bool busy;		/* somebody who may be in the middle of something with it */
};

static bool mapped_anon(const struct folio_tally *t)
{
	return t->total && folio_test_anon(t->f);
}

static void add_up(struct check *c, struct folio_tally *t, struct folio *f)
{
	struct frame_tally *frame = frame_of(c, &f->page);

	t->f = f;
	t->pfn = folio_pfn(f);
	t->nr = (int)folio_nr_pages(f);
	for (int i = 0; i < t->nr; i++) {
		t->total += frame[i].ptes;
		t->pte_pages += frame[i].ptes != 0;
	}
	t->pmds = folio_test_large(f) ? large_of(c, f)->pmds : 0;
	t->total += t->pmds;
	/* A file's page may be held by anyone; an anonymous one that nobody maps by whoever unmapped it. */
	t->busy = frame->flags & T_BUSY || c->kthread_busy || (c->any_busy && !mapped_anon(t));
}

/* RMAP-5, FOL-6, FOL-11. */
static void check_mapcounts(struct check *c, const struct folio_tally *t)
{
	struct folio *f = t->f;

	if (!folio_test_large(f)) {
		check_pfn(c, "FOL-6", t->pfn, "mapcount", frame_of(c, &f->page)->ptes, atomic_read(&f->_mapcount) + 1);
		return;
	}
	check_pfn(c, "FOL-6", t->pfn, "total", t->total, owners_total(&f->_owners));
	check_pfn(c, "FOL-4", t->pfn, "entire", t->pmds, folio_entire_mapcount(f));
	if (!CONFIG_PAGE_MAPCOUNT)
		return;
	for (int i = 0; i < t->nr; i++)
		check_pfn(c, "RMAP-5", t->pfn + i, "page_mapcount", frame_of(c, &f->page)[i].ptes,
			  atomic_read(&folio_page(f, i)->_mapcount) + 1);
	check_pfn(c, "FOL-11", t->pfn, "nr_pages_mapped", t->pte_pages + (t->pmds ? ENTIRELY_MAPPED : 0),
		  atomic_read(&f->_nr_pages_mapped));
}

/*
 * MMID-9, 12: an empty slot has neither id nor count, another never more than its mm really maps; and not less, as long
 * as only two mms were involved.
 */
static void check_owner_slot(struct check *c, const struct folio_tally *t, int i)
{
	const struct folio_owners *o = &t->f->_owners;
	const struct large_tally *l = large_of(c, t->f);
	const char *name = i ? "slot1" : "slot0";
	long n = owners_count(o, i), real = l->slot_nr[i];

	if (!owners_id(o, i))
		check_pfn(c, "MMID-12", t->pfn, name, 0, n);
	else if (n <= 0 || n > real || (n < real && (!o->untracked || (!owners_shared(o) && !l->id[1]))))
		check_fail(c, "MMID-9", "pfn", t->pfn, name, real, n);
}

/*
 * MMID-8. SHARED is set if a second mm is there. With one mm it may be left over from a third (MMID-11), but not
 * where a slot has all mappings; and clear it must not be without such a slot.
 */
static void check_owners(struct check *c, const struct folio_tally *t)
{
	const struct folio_owners *o = &t->f->_owners;
	bool two = large_of(c, t->f)->id[1], shared = owners_shared(o), all;
	long before = c->violations;

	check_pfn(c, "MMID-4", t->pfn, "owner_lock", 0, !!(READ_ONCE(o->word) & FOLIO_MM_IDS_LOCK));
	check_owner_slot(c, t, 0);
	check_owner_slot(c, t, 1);
	if (c->violations != before)
		return;
	all = owners_count(o, 0) == t->total || owners_count(o, 1) == t->total;
	if (two)
		check_pfn(c, "MMID-8", t->pfn, "SHARED", 1, shared);
	else if (shared == all)
		check_fail(c, "MMID-6", "pfn", t->pfn, "SHARED", !all, shared);
}

/* COW-1: what is exclusive is mapped once. Writable ones were looked at in the page tables. */
static void check_exclusive(struct check *c, const struct folio_tally *t)
{
	const struct frame_tally *frame = frame_of(c, &t->f->page);

	for (int i = 0; i < t->nr; i++) {
		/* Of a PMD mapping only the head's flag counts. */
		long maps = frame[i].ptes + (i == 0 || frame[i].ptes ? t->pmds : 0);

		if (maps > 1 && PageAnonExclusive(folio_page(t->f, i)))
			check_fail(c, "COW-1", "pfn", t->pfn + i, "exclusive_mappings", 1, maps);
	}
}

/* FOL-7: beyond mappings and caches there are only pins (PIN-2). At any time FOL-8. */
static void check_references(struct check *c, struct folio_tally *t)
{
	struct folio *f = t->f;
	long want = t->total + frame_of(c, &f->page)->held, have = folio_ref_count(f), extra, pins;

	if (folio_test_swapcache(f))
		want += t->nr;
	if (f->mapping && !folio_test_anon(f))
		want += t->nr;
	extra = have - want;
	if (extra < 0) {
		check_fail(c, "FOL-8", "pfn", t->pfn, "references", want, have);
		return;
	}
	if (folio_test_large(f)) {
		pins = atomic_read(&f->_pincount);
		c->pins += pins ? extra : 0;
	} else {
		c->pins += extra / GUP_PIN_COUNTING_BIAS;
		pins = ALIGN_DOWN(extra, (long)GUP_PIN_COUNTING_BIAS);
	}
	if (extra == pins)
		return;
	/* Somebody may have unmapped it and not yet given the references back, or be about to map it. */
	if (t->busy || c->any_busy)
		c->skipped++;
	else if (folio_test_large(f) && pins)
		check_fail(c, "PIN-2", "pfn", t->pfn, "pincount", extra, pins);
	else
		check_fail(c, "FOL-7", "pfn", t->pfn, "references", want + pins, have);
}

/* RCL-1: mapped anonymous folios are on a list, and whoever says so is. */
static void check_lru_flag(struct check *c, const struct folio_tally *t)
{
	u16 flags = frame_of(c, &t->f->page)->flags;
	bool listed = flags & T_ON_LRU;

	if (flags & T_TOLD)
		return;
	if (folio_test_lru(t->f) != listed)
		check_fail(c, "RCL-2", "pfn", t->pfn, "lru_flag", listed, folio_test_lru(t->f));
	else if (!listed && mapped_anon(t) && !t->busy)
		check_fail(c, "RCL-1", "pfn", t->pfn, "on_lru", 1, 0);
	else if (!listed && mapped_anon(t))
		c->skipped++;
}

/*
 * MLK-7: what has the mark, and nothing else, is unevictable, and some locked VMA maps it. A locked VMA may map what has no
 * mark: reclaim will see.
 */
static void check_mlocked(struct check *c, const struct folio_tally *t)
{
	bool marked = folio_test_mlocked(t->f), locked = frame_of(c, &t->f->page)->flags & T_LOCKED;

	c->mlocked += marked ? t->nr : 0;
	if (folio_test_lru(t->f))
		check_pfn(c, "MLK-7", t->pfn, "unevictable", marked, folio_test_unevictable(t->f));
	check_pfn(c, "MLK-7", t->pfn, "mlock_count", marked, atomic_read(&t->f->mlock_count) > 0);
	if (!marked || locked)
		return;
	if (t->busy)
		c->skipped++;
	else
		check_fail(c, "MLK-7", "pfn", t->pfn, "mlocked", 0, 1);
}

/* SPLIT-9, RMAP-8 and 9. */
static void check_deferred(struct check *c, const struct folio_tally *t)
{
	struct folio *f = t->f;
	bool queued = !list_empty(&f->_deferred_list), flag = folio_test_partially_mapped(f), partial;

	if (CONFIG_PAGE_MAPCOUNT)
		partial = !t->pmds && t->pte_pages && t->pte_pages < t->nr;
	else
		partial = !t->pmds && t->total && t->total < t->nr;
	if (queued && !c->queued++)
		c->queue = &f->_deferred_list;
	c->nr_partial[folio_order(f)] += flag && queued;
	if (queued && (f->_deferred_list.next->prev != &f->_deferred_list ||
		       f->_deferred_list.prev->next != &f->_deferred_list))
		check_fail(c, "SPLIT-13", "pfn", t->pfn, "queue_links", 1, 0);
	if (folio_test_swapcache(f) || !folio_test_anon(f) || folio_test_locked(f))
		return;
	if (partial && !flag)
		check_fail(c, "RMAP-10", "pfn", t->pfn, "partially_mapped", 1, 0);
	else if (flag && !queued && !t->busy)
		check_fail(c, "SPLIT-9", "pfn", t->pfn, "queued", 1, 0);
	else if (flag && !queued)
		c->skipped++;
}

static void add_to_gauges(struct check *c, const struct folio_tally *t)
{
	long mapped = t->pmds || !CONFIG_PAGE_MAPCOUNT ? (t->total ? t->nr : 0) : t->pte_pages;

	if (!folio_test_anon(t->f)) {
		c->file_mapped += mapped;
		return;
	}
	c->anon_mapped += mapped;
	c->anon_thps += t->pmds ? t->nr : 0;
	if (folio_test_large(t->f))
		c->nr_anon[folio_order(t->f)]++;
}

/* A page of F stands in the tables as migration entry: with F locked somebody is at it. */
static void check_migrating(struct check *c, const struct folio_tally *t)
{
	if (!folio_test_locked(t->f) && !t->busy)
		check_fail(c, "RMAP-12", "pfn", t->pfn, "migration_entries", 0, 1);
	else
		c->skipped++;
}

static void check_folio(struct check *c, struct folio *f)
{
	struct folio_tally t = { 0 };
	bool large = folio_test_large(f);

	add_up(c, &t, f);
	c->folios++;
	add_to_gauges(c, &t);
	check_mapcounts(c, &t);
	if (large && !variant_is(VARIANT_V1_OWNERS))
		check_owners(c, &t);
	if (folio_test_anon(f))
		check_exclusive(c, &t);
	if (folio_test_swapcache(f))
		check_swapcache_folio(c, f);
	c->writeback += folio_test_writeback(f) ? t.nr : 0;
	check_mlocked(c, &t);
	if (large && folio_order(f) > 1)
		check_deferred(c, &t);
	if (frame_of(c, &f->page)->flags & T_MIGRATION) {
		check_migrating(c, &t);
	} else if (folio_test_locked(f)) {
		/* Its holder may have references and may have isolated it. */
		if (folio_ref_count(f) < t.total)
			check_fail(c, "FOL-8", "pfn", t.pfn, "references", t.total, folio_ref_count(f));
		c->skipped++;
	} else {
		check_references(c, &t);
		check_lru_flag(c, &t);
	}
}

/* ---- All frames ---- */

/* The tails know their head and have no references of their own (FOL-1, FOL-2). */
static void check_tails(struct check *c, struct folio *f)
{
	for (unsigned long i = 1; i < folio_nr_pages(f); i++) {
		struct page *p = folio_page(f, i);

		if (unlikely(READ_ONCE(p->compound_head) != ((unsigned long)f | 1)))
			check_fail(c, "FOL-1", "pfn", page_to_pfn(p), "head", folio_pfn(f), page_to_pfn(compound_head(p)));
		if (unlikely(atomic_read(&p->_refcount)))
			check_fail(c, "FOL-2", "pfn", page_to_pfn(p), "tail_references", 0, atomic_read(&p->_refcount));
	}
}

/* Is P a folio of user memory, and not some page of the kernel's own? */
static bool is_user_folio(struct check *c, const struct page *p)
{
	const struct frame_tally *t = frame_of(c, p);

	return p->mapping || t->ptes || (t->flags & T_ON_LRU) || test_bit(PG_lru, &p->flags);
}

/*
 * Nobody has a reference to F: not the first frame of a block of the kernel's; or F is mapped although it is free, which
 * was reported.
 */
static unsigned long check_unheld(struct check *c, struct folio *f)
{
	struct folio_tally t = { 0 };

	add_up(c, &t, f);
	if (t.total)
		add_to_gauges(c, &t);
	else if (!(frame_of(c, &f->page)->flags & T_ON_LRU))
		return (unsigned long)t.nr;
	else if (c->any_busy)
		c->skipped++;		/* the last reference went a moment ago */
	else
		check_fail(c, "FOL-2", "pfn", t.pfn, "free_on_lru", 0, 1);
	return (unsigned long)t.nr;
}

/* Look at P; how many frames that settled. */
static unsigned long check_frame(struct check *c, struct page *p)
{
	struct folio *f = (struct folio *)p;

	if (PageReserved(p))
		return 1;
	if (page_has_type(p)) {
		c->tables += page_is_type(p, PGTY_table);
		return page_is_type(p, PGTY_buddy) ? check_free_block(c, p) : 1;
	}
	if (PageTail(p))
		return 1;		/* a folio's are passed with their head */
	if (atomic_read(&p->_refcount) <= 0)
		return check_unheld(c, f);
	if (!folio_test_large(f)) {
		if (is_user_folio(c, p))
			check_folio(c, f);
		return 1;
	}
	check_tails(c, f);
	if (f->mapping)
		check_folio(c, f);
	return folio_nr_pages(f);
}

void check_folios(struct check *c)
{
	unsigned long pfn = 0;

	for (int i = 0; i < boot_info.nr_ram; i++) {
		unsigned long end = min((unsigned long)(boot_info.ram[i].end >> PAGE_SHIFT), c->nr_frames);

		pfn = max(pfn, (unsigned long)(boot_info.ram[i].start >> PAGE_SHIFT));
		while (pfn < end)
			pfn += check_frame(c, pfn_to_page(pfn));
	}
}

/* ---- Gauges ---- */

static void check_gauge(struct check *c, const char *name, enum node_stat_item item, long want)
{
	long have = atomic_long_read(&vm_node_stat[item]);

	if (have != want)
		check_fail(c, "ABI-1", "gauge", item, name, want, have);
}

/* SPLIT-13: the ring that the queued folios are on holds them, its head, and nothing else. */
static void check_split_queue(struct check *c)
{
	struct list_head *l = c->queue;
	unsigned long n = 0;

	if (!l)
		return;
	do
		l = l->next;
	while (++n <= c->queued + 1 && l != c->queue);
	if (n != c->queued + 1)
		check_fail(c, "SPLIT-13", "queue", 0, "length", c->queued, n - 1);
}

void check_gauges(struct check *c)
{
	check_gauge(c, "nr_anon_pages", NR_ANON_MAPPED, c->anon_mapped);
	check_gauge(c, "nr_mapped", NR_FILE_MAPPED, c->file_mapped);
	check_gauge(c, "nr_anon_transparent_hugepages", NR_ANON_THPS, c->anon_thps);
	check_gauge(c, "nr_mlock", NR_MLOCK, c->mlocked);
	/* These change in steps of their own: a task may be between two. */
	if (c->any_busy)
		return;
	if (c->swapcache != c->swapcache_pages)
		check_fail(c, "SWAP-10", "cache", 0, "pages", c->swapcache_pages, c->swapcache);
	check_gauge(c, "nr_swapcached", NR_SWAPCACHE, c->swapcache_pages);
	check_gauge(c, "nr_writeback", NR_WRITEBACK, c->writeback);
	check_split_queue(c);
	check_gauge(c, "nr_isolated_anon", NR_ISOLATED_ANON, 0);
	check_gauge(c, "nr_isolated_file", NR_ISOLATED_FILE, 0);
	check_gauge(c, "nr_page_table_pages", NR_PAGETABLE, c->tables);
	check_gauge(c, "pinned", NR_FOLL_PIN_ACQUIRED, c->pins + atomic_long_read(&vm_node_stat[NR_FOLL_PIN_RELEASED]));
	for (unsigned int o = 2; o <= HPAGE_PMD_ORDER; o++) {
		if (mthp_stat_sum(o, MTHP_STAT_NR_ANON) != c->nr_anon[o])
			check_fail(c, "ABI-7", "order", o, "nr_anon", c->nr_anon[o], mthp_stat_sum(o, MTHP_STAT_NR_ANON));
		if (mthp_stat_sum(o, MTHP_STAT_NR_ANON_PARTIALLY_MAPPED) != c->nr_partial[o])
			check_fail(c, "ABI-7", "order", o, "nr_anon_partially_mapped", c->nr_partial[o],
				   mthp_stat_sum(o, MTHP_STAT_NR_ANON_PARTIALLY_MAPPED));
	}
}
#endif
