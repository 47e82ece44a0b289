/*
 * mm/page_alloc.c - the buddy allocator: 2^order contiguous frames, orders 0..10.
 *
 *	alloc_pages ──> per-CPU list (orders 0 and 9) ──> zone free lists, by order and mobility ──> fallback types
 *	      │ nothing above "low" (watermark.c)
 *	      └──> alloc_slow.c: kswapd, reclaim, OOM killer
 *
 * Free blocks lie on the list of their pageblock's present mobility type (MIG-8). An allocation that finds
 * nothing on its own lists claims a whole pageblock of another type, or else steals one block (MIG-9). Per-CPU
 * lists are touched with interrupts off by their own CPU only; zone->lock protects everything else.
 *
 * Linux: mm/page_alloc.c. Left out: NUMA, cgroups, CMA, high-atomic reserves.
 */
#include "arch-x86_64/smp.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/fail.h"
#include "mm/internal.h"
#include "mm/kasan.h"
#include "mm/memblock.h"
#include "mm/mm.h"
#include "mm/trace_mm.h"
#include "mm/vmstat.h"

#define PCP_BATCH 32			/* pages moved between a per-CPU list and the zone at once; a power of two */
#define PCP_HIGH  128			/* order-0 pages a CPU keeps at most, per type */
#define PCP_HUGE_HIGH 2			/* the same for order-9 blocks */
#define PCP_KINDS 2			/* 0: order 0, 1: order 9 */

struct pcp_list { struct list_head head; unsigned int count; };
struct per_cpu_pages { struct pcp_list lists[PCP_KINDS][MIGRATE_TYPES]; };
static __section(".data..percpu") struct per_cpu_pages pcps[MAX_NR_ZONES];

struct page *zero_page;

/* ---- Small questions about a frame ---- */

struct zone *page_zone(const struct page *p)
{
	return &zones[p->flags >> PAGE_ZONE_SHIFT];
}

static inline u8 *zone_pageblock_type(const struct zone *z, const struct page *p)
{
	return &z->pageblock_types[(page_to_pfn(p) - z->start_pfn) >> PAGEBLOCK_ORDER];
}

static u8 *pageblock_type(const struct page *p)
{
	return zone_pageblock_type(page_zone(p), p);
}

enum migratetype get_pageblock_migratetype(const struct page *p)
{
	return *pageblock_type(p);
}

static inline int pcp_kind(unsigned int order)
{
	return order == 0 ? 0 : order == HPAGE_PMD_ORDER ? 1 : -1;
}

/* ---- Poisoning: a write to a free frame is found when the frame is next used ---- */

#ifndef RELEASE
#define PAGE_POISON 0xaaaaaaaaaaaaaaaaUL
#define PAGE_IS_POISONED 1UL		/* memmap_spare: the contents are the pattern */

/*
 * Eight words a turn, in both loops: an emulator takes a "rep stosq" word by word, and every page that is freed or allocated
 * comes by here. In assembly, as the sanitizer must not look.
 */
static void poison_pages(struct page *p, unsigned int order)
{
	for (unsigned long i = 0; i < (1UL << order); i++) {
		char *va = page_address(p + i), *end = va + PAGE_SIZE;

		__asm__ volatile("1:	.set off, 0\n"
				 "	.rept 8\n	movq %2, off(%0)\n	.set off, off + 8\n	.endr\n"
				 "	addq $64, %0\n	cmpq %1, %0\n	jne 1b"
				 : "+r"(va) : "r"(end), "r"(PAGE_POISON) : "memory", "cc");
		p[i].memmap_spare = PAGE_IS_POISONED;
	}
}

static bool is_all_poison(const char *va)
{
	const char *end = va + PAGE_SIZE;
	u64 differs = 0, word;

	__asm__ volatile("1:	.set off, 0\n"
			 "	.rept 8\n	movq off(%0), %2\n	xorq %4, %2\n	orq %2, %1\n	.set off, off + 8\n	.endr\n"
			 "	addq $64, %0\n	cmpq %3, %0\n	jne 1b"
			 : "+r"(va), "+r"(differs), "=&r"(word) : "r"(end), "r"(PAGE_POISON) : "memory", "cc");
	return !differs;
}

static void __noreturn report_unpoisoned(const struct page *p)
{
	const u64 *start = page_address(p), *w = start;
	u64 n = PAGE_SIZE / 8;

	__asm__ volatile("repe scasq" : "+D"(w), "+c"(n) : "a"(PAGE_POISON) : "memory", "cc");
	w--;			/* past the one that differs */
	panic("BUG poison: free page pfn %#lx was written at offset %#lx: %#lx", page_to_pfn(p), (w - start) * 8UL,
	      (unsigned long)*w);
}

static void unpoison_pages(struct page *p, unsigned int order)
{
	for (unsigned long i = 0; i < (1UL << order); i++) {
		if (p[i].memmap_spare != PAGE_IS_POISONED)
			continue;
		if (!is_all_poison(page_address(p + i)))
			report_unpoisoned(p + i);
		p[i].memmap_spare = 0;
	}
}
#else
static inline void poison_pages(struct page *p, unsigned int order) { }
static inline void unpoison_pages(struct page *p, unsigned int order) { }
#endif

/* ---- Free lists of a zone. => zone->lock held ---- */

static void add_to_free_list(struct zone *z, struct page *p, unsigned int order, enum migratetype mt)
{
	p->private = order;
	p->page_type = (unsigned)PGTY_buddy << 24;
	list_add(&p->lru, &z->free_area[order].free_list[mt]);
	z->free_area[order].nr_free++;
}

static void del_from_free_list(struct zone *z, struct page *p, unsigned int order)
{
	list_del(&p->lru);
	atomic_set(&p->_mapcount, -1);
	p->private = 0;
	z->free_area[order].nr_free--;
}

static inline bool page_is_buddy(const struct page *p, unsigned int order)
{
	return page_is_type(p, PGTY_buddy) && p->private == order;
}

/* Merge upwards as far as the buddies are free; whole pageblocks take the type of the one just freed (MIG-10). */
static void __free_one_page(struct zone *z, struct page *p, unsigned int order, enum migratetype mt)
{
	unsigned long pfn = page_to_pfn(p);

	atomic_long_add(1L << order, &z->free_pages);
	while (order < MAX_PAGE_ORDER) {
		unsigned long buddy_pfn = find_buddy_pfn(pfn, order);
		struct page *buddy = pfn_to_page(buddy_pfn);

		if (!page_is_buddy(buddy, order))
			break;
		del_from_free_list(z, buddy, order);
		if (order >= PAGEBLOCK_ORDER)
			*pageblock_type(buddy) = mt;
		pfn &= buddy_pfn;
		order++;
	}
	add_to_free_list(z, pfn_to_page(pfn), order, mt);
}

/* Take the block P of HIGH apart until ORDER is left; the upper halves go back to the lists of MT. */
static void expand(struct zone *z, struct page *p, unsigned int order, unsigned int high, enum migratetype mt)
{
	while (high > order) {
		high--;
		add_to_free_list(z, p + (1UL << high), high, mt);
	}
	atomic_long_sub(1L << order, &z->free_pages);
}

static struct page *rmqueue_smallest(struct zone *z, unsigned int order, enum migratetype mt)
{
	for (unsigned int o = order; o < NR_PAGE_ORDERS; o++) {
		struct page *p = list_first_entry_or_null(&z->free_area[o].free_list[mt], struct page, lru);

		if (!p)
			continue;
		del_from_free_list(z, p, o);
		expand(z, p, order, o, mt);
		return p;
	}
	return NULL;
}

/* ---- Fallback to other types (MIG-9). => zone->lock held ---- */

static const enum migratetype fallbacks[MIGRATE_TYPES][2] = {
	[MIGRATE_UNMOVABLE]   = { MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE },
	[MIGRATE_MOVABLE]     = { MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE },
	[MIGRATE_RECLAIMABLE] = { MIGRATE_UNMOVABLE, MIGRATE_MOVABLE },
};

void count_pageblock(const struct page *start, unsigned long *free, unsigned long *lru)
{
	*free = *lru = 0;
	for (unsigned long i = 0, n; i < PAGEBLOCK_NR_PAGES; i += n) {
		const struct page *q = start + i;

		n = 1;
		if (page_is_type(q, PGTY_buddy)) {
			n = min(1UL << q->private, PAGEBLOCK_NR_PAGES - i);
			*free += n;
		} else {
			*lru += test_bit(PG_lru, &compound_head(q)->flags);
		}
	}
}

/* Count free and compatible pages of the pageblock around P for a request of type MT. */
static unsigned long pageblock_good_pages(struct page *p, enum migratetype mt)
{
	unsigned long free, lru;

	count_pageblock(pfn_to_page(pageblock_start(page_to_pfn(p))), &free, &lru);
	if (mt == MIGRATE_MOVABLE)
		return free + lru;
	return *pageblock_type(p) == MIGRATE_MOVABLE ? PAGEBLOCK_NR_PAGES - lru : free;
}

/* The pageblock of P becomes MT: its free blocks move to MT's lists. */
static void claim_pageblock(struct zone *z, struct page *p, enum migratetype mt)
{
	struct page *start = pfn_to_page(pageblock_start(page_to_pfn(p)));

	*pageblock_type(p) = mt;
	for (unsigned long i = 0; i < PAGEBLOCK_NR_PAGES; ) {
		struct page *q = start + i;

		if (!page_is_type(q, PGTY_buddy)) {
			i++;
			continue;
		}
		list_move_tail(&q->lru, &z->free_area[q->private].free_list[mt]);
		i += 1UL << q->private;
	}
}

/* Claim first, from the largest block down; a Movable request only down to this order. */
#define LOWEST_MOVABLE_CLAIM 4

static struct page *rmqueue_claim(struct zone *z, unsigned int order, enum migratetype mt, bool whole_only)
{
	unsigned int lowest = whole_only ? PAGEBLOCK_ORDER : mt == MIGRATE_MOVABLE ? LOWEST_MOVABLE_CLAIM : 0;

	for (int o = MAX_PAGE_ORDER; o >= (int)max(order, lowest); o--) {
		for (int i = 0; i < 2; i++) {
			enum migratetype from = fallbacks[mt][i];
			struct page *p = list_first_entry_or_null(&z->free_area[o].free_list[from], struct page, lru);

			if (!p)
				continue;
			if (o >= PAGEBLOCK_ORDER) {
				for (unsigned long n = 0; n < (1UL << o); n += PAGEBLOCK_NR_PAGES)
					*pageblock_type(p + n) = mt;
				list_move(&p->lru, &z->free_area[o].free_list[mt]);
			} else if (pageblock_good_pages(p, mt) >= PAGEBLOCK_NR_PAGES / 2) {
				claim_pageblock(z, p, mt);
			} else {
				continue;
			}
			return rmqueue_smallest(z, order, mt);
		}
	}
	return NULL;
}

/* Steal the smallest sufficient block; its pageblock keeps its type, and so do the pieces left over. */
static struct page *rmqueue_steal(struct zone *z, unsigned int order, enum migratetype mt)
{
	for (unsigned int o = order; o < NR_PAGE_ORDERS; o++) {
		for (int i = 0; i < 2; i++) {
			enum migratetype from = fallbacks[mt][i];
			struct page *p = list_first_entry_or_null(&z->free_area[o].free_list[from], struct page, lru);

			if (!p)
				continue;
			del_from_free_list(z, p, o);
			expand(z, p, order, o, from);
			return p;
		}
	}
	return NULL;
}

enum fallback_mode { FALLBACK_WHOLE, FALLBACK_ALL };

static struct page *__rmqueue(struct zone *z, unsigned int order, enum migratetype mt, enum fallback_mode mode)
{
	struct page *p = rmqueue_smallest(z, order, mt);

	if (!p)
		p = rmqueue_claim(z, order, mt, mode == FALLBACK_WHOLE);
	if (!p && mode == FALLBACK_ALL)
		p = rmqueue_steal(z, order, mt);
	return p;
}

/* ---- Compaction takes free blocks as targets, and gives back what it did not need ---- */

int isolate_free_page(struct zone *z, struct page *p)
{
	unsigned int order = (unsigned int)p->private;

	if (!zone_watermark_ok(z, 0, z->watermark[WMARK_MIN] + (1UL << order), ZONE_DMA32, 0))
		return -1;
	del_from_free_list(z, p, order);
	atomic_long_sub(1L << order, &z->free_pages);
	if (order >= PAGEBLOCK_ORDER - 1)
		for (unsigned long n = 0; n < (1UL << order); n += PAGEBLOCK_NR_PAGES)
			if (*pageblock_type(p + n) != MIGRATE_MOVABLE)
				claim_pageblock(z, p + n, MIGRATE_MOVABLE);	/* MIG-10 */
	return (int)order;
}

void free_isolated_page(struct page *p, unsigned int order)
{
	struct zone *z = page_zone(p);
	unsigned long flags;

	spin_lock_irqsave(&z->lock, flags);
	__free_one_page(z, p, order, *pageblock_type(p));
	spin_unlock_irqrestore(&z->lock, flags);
}

bool zone_has_usable_block(const struct zone *z, unsigned int order, enum migratetype mt)
{
	for (unsigned int o = order; o < NR_PAGE_ORDERS; o++) {
		const struct free_area *area = &z->free_area[o];

		if (!list_empty(&area->free_list[mt]))
			return true;
		if (mt == MIGRATE_MOVABLE && o < LOWEST_MOVABLE_CLAIM)
			continue;
		for (int i = 0; i < 2; i++)
			if (!list_empty(&area->free_list[fallbacks[mt][i]]))
				return true;
	}
	return false;
}

/* ---- Per-CPU lists. => interrupts off ---- */

static inline struct pcp_list *this_pcp_list(enum zone_type zone, int kind, enum migratetype mt)
{
	struct pcp_list *l = &this_cpu_ptr(pcps)[zone].lists[kind][mt];

	if (unlikely(!l->head.next))
		INIT_LIST_HEAD(&l->head);
	return l;
}

/*
 * Up to NR order-0 pages for L: of the smallest free block as many as are wanted, and so on, which are the pages
 * that as many calls of __rmqueue would give. => zone->lock held
 */
static void rmqueue_bulk(struct zone *z, struct pcp_list *l, unsigned int nr, enum migratetype mt,
			 enum fallback_mode mode)
{
	while (nr) {
		unsigned int order = 0, at_most = 31 - (unsigned int)__builtin_clz(nr);
		struct page *p;

		while (order < at_most && list_empty(&z->free_area[order].free_list[mt]))
			order++;
		p = rmqueue_smallest(z, order, mt);
		if (!p) {
			order = 0;
			p = __rmqueue(z, 0, mt, mode);
		}
		if (!p)
			return;
		for (unsigned int i = 0; i < 1U << order; i++)
			list_add_tail(&p[i].lru, &l->head);
		l->count += 1U << order;
		nr -= 1U << order;
	}
}

static struct page *pop_pcp(struct pcp_list *l)
{
	struct page *p = list_first_entry(&l->head, struct page, lru);

	list_del(&p->lru);
	l->count--;
	return p;
}

static struct page *rmqueue_pcp(struct zone *z, unsigned int order, enum migratetype mt, enum fallback_mode mode)
{
	struct pcp_list *l = this_pcp_list((enum zone_type)(z - zones), pcp_kind(order), mt);
	struct page *p;

	if (l->count)
		return pop_pcp(l);
	spin_lock(&z->lock);
	if (order) {
		p = __rmqueue(z, order, mt, mode);
	} else {
		rmqueue_bulk(z, l, PCP_BATCH, mt, mode);
		p = l->count ? pop_pcp(l) : NULL;
	}
	spin_unlock(&z->lock);
	return p;
}

/*
 * The oldest pages of L that are one free block, at most PCP_BATCH and MAX: memory is mostly given back in the
 * order of addresses, so that it need not be merged page by page. They leave the list. The order; *FIRST: the first.
 */
static unsigned int take_oldest_block(struct pcp_list *l, unsigned int max, struct page **first)
{
	struct page *p = list_last_entry(&l->head, struct page, lru);
	long n = 1, step = p->lru.prev == &p[-1].lru ? -1 : 1;
	struct list_head *e = p->lru.prev;
	unsigned int order;

	for (; n < (long)max && e == &p[n * step].lru; n++)
		e = e->prev;
	/* P is the first or the last page of a block that large. */
	order = (unsigned int)__builtin_ctzl((page_to_pfn(p) + (step < 0)) | PCP_BATCH);
	order = min(order, 63 - (unsigned int)__builtin_clzl((unsigned long)n));
	*first = step < 0 ? p - (1L << order) + 1 : p;
	e = p[((1L << order) - 1) * step].lru.prev;
	e->next = &l->head;
	l->head.prev = e;
	l->count -= 1U << order;
	return order;
}

static void pcp_trim(struct zone *z, struct pcp_list *l, unsigned int order, unsigned int keep)
{
	spin_lock(&z->lock);
	while (l->count > keep) {
		struct page *p;
		unsigned int more = take_oldest_block(l, order ? 1 : l->count - keep, &p);

		__free_one_page(z, p, order + more, *zone_pageblock_type(z, p));
	}
	spin_unlock(&z->lock);
}

static void drain_local_pages(void *unused)
{
	for (enum zone_type t = 0; t < MAX_NR_ZONES; t++)
		for (int kind = 0; kind < PCP_KINDS; kind++)
			for (int mt = 0; mt < MIGRATE_TYPES; mt++)
				if (zones[t].present_pages)
					pcp_trim(&zones[t], this_pcp_list(t, kind, mt), kind ? HPAGE_PMD_ORDER : 0, 0);
}

void drain_this_cpu_pages(void)
{
	drain_local_pages(NULL);
}

void drain_all_pages(void)
{
	smp_call_function_mask(cpu_online_mask, drain_local_pages, NULL);
}

static unsigned long pcp_pages(const struct zone *z)
{
	unsigned long n = 0;
	int cpu;

	for_each_online_cpu(cpu)
		for (int mt = 0; mt < MIGRATE_TYPES; mt++)
			n += per_cpu_ptr(pcps, cpu)[z - zones].lists[0][mt].count +
			     ((unsigned long)per_cpu_ptr(pcps, cpu)[z - zones].lists[1][mt].count << HPAGE_PMD_ORDER);
	return n;
}

unsigned long nr_free_pages(void)
{
	unsigned long n = 0;
	struct zone *z;

	for_each_populated_zone(z)
		n += atomic_long_read(&z->free_pages) + pcp_pages(z);
	return n;
}

unsigned long totalram_pages(void)
{
	return zones[ZONE_DMA32].managed_pages + zones[ZONE_NORMAL].managed_pages;
}

/* ---- Freeing ---- */

#define PAGE_FLAGS_CHECK_AT_FREE \
	(BIT(PG_locked) | BIT(PG_lru) | BIT(PG_writeback) | BIT(PG_swapcache) | BIT(PG_reserved) | BIT(PG_mlocked))
#define PAGE_FLAGS_KEEP (3UL << PAGE_ZONE_SHIFT)

static void bad_page(struct page *p, const char *field)
{
	panic("BUG FOL-12: bad page state at free: %s (pfn %#lx flags %#lx mapcount %d refcount %d mapping %#lx)", field,
	      page_to_pfn(p), p->flags, atomic_read(&p->_mapcount) + 1, atomic_read(&p->_refcount), (unsigned long)p->mapping);
}

static void check_free_page(struct page *p)
{
	if (atomic_read(&p->_refcount) != 0)
		bad_page(p, "reference count");
	if (atomic_read(&p->_mapcount) != -1)
		bad_page(p, page_is_type(p, PGTY_buddy) ? "freed twice" : "mapcount");
	if (p->flags & PAGE_FLAGS_CHECK_AT_FREE)
		bad_page(p, "flags");
}

/* FOL-12: the field of F's second and third descriptor that a free folio must not have so, or NULL. */
static const char *bad_folio_field(const struct folio *f, unsigned int order)
{
	const struct folio_owners *o = &f->_owners;

	if (owners_total(o))
		return "total mapcount";
	if (owners_count(o, 0))
		return "owner slot 0 count";
	if (owners_count(o, 1))
		return "owner slot 1 count";
	if (owners_id(o, 0))
		return "owner slot 0 id";
	if (owners_id(o, 1))
		return "owner slot 1 id";
	if (o->word & FOLIO_MM_IDS_LOCK)
		return "owner lock";
	if (o->word & FOLIO_MM_IDS_SHARED)
		return "owner SHARED flag";
	if (atomic_read(&f->_nr_pages_mapped))
		return "mapped pages";
	if (atomic_read(&f->_entire_mapcount) != -1)
		return "entire mapcount";
	if (atomic_read(&f->_pincount))
		return "pin count";
	if (order > 1 && !list_empty(&f->_deferred_list))
		return "deferred list";
	return NULL;
}

/*
 * A large folio ceases to be one: its frames become plain frames again. What alloc_pages sets anew, or asks of no
 * frame, is left as it is; a loop over 511 tails should be short.
 */
static void destroy_compound(struct page *p, unsigned int order)
{
	const char *bad = bad_folio_field((struct folio *)p, order);

	if (bad)
		bad_page(p, bad);
	for (unsigned long i = 1; i < (1UL << order); i++) {
		struct page *t = p + i;

		if (unlikely(t->compound_head != ((unsigned long)p | 1)))
			bad_page(t, "tail of another folio");
		if (unlikely(atomic_read(&t->_mapcount) != -1))
			bad_page(t, "page mapcount");
		t->compound_head = 0;
		t->flags &= PAGE_FLAGS_KEEP;
	}
	/* The words of the folio that other users of a frame know under other names. */
	for (unsigned long i = 1; i < min(3UL, 1UL << order); i++) {
		memset(&p[i].lru, 0, offsetof(struct page, _mapcount) - offsetof(struct page, lru));
		p[i].memmap_spare = 0;
	}
}

/* To the list of this CPU, from which the oldest go on to the zone when it gets too long. => interrupts off */
static __always_inline void free_to_pcp(struct page *p, unsigned int order)
{
	enum zone_type zone = (enum zone_type)(p->flags >> PAGE_ZONE_SHIFT);
	struct zone *z = &zones[zone];
	struct pcp_list *l = this_pcp_list(zone, pcp_kind(order), *zone_pageblock_type(z, p));
	unsigned int high = order ? PCP_HUGE_HIGH : PCP_HIGH;

	list_add(&p->lru, &l->head);
	if (++l->count > high)
		pcp_trim(z, l, order, order ? high - 1 : high - PCP_BATCH);
}

void free_pages_prepare(struct page *p, unsigned int order)
{
	if (test_bit(PG_head, &p->flags))
		destroy_compound(p, order);
	check_free_page(p);
	p->flags &= PAGE_FLAGS_KEEP;
	p->mapping = NULL;
	poison_pages(p, order);
	kasan_free_pages(p, order);
}

void free_frozen_pages(struct page *p, unsigned int order)
{
	struct zone *z = page_zone(p);
	unsigned long flags;

	trace_mm_page_free(page_to_pfn(p), order);
	free_pages_prepare(p, order);
	local_irq_save(flags);
	count_vm_events(PGFREE, 1L << order);
	if (likely(!order)) {
		free_to_pcp(p, 0);
	} else if (pcp_kind(order) >= 0) {
		free_to_pcp(p, order);
	} else {
		spin_lock(&z->lock);
		__free_one_page(z, p, order, *pageblock_type(p));
		spin_unlock(&z->lock);
	}
	local_irq_restore(flags);
}

void free_unref_list(struct list_head *list)
{
	struct page *p, *n;

	list_for_each_entry_safe(p, n, list, lru)
		free_frozen_pages(p, 0);
	INIT_LIST_HEAD(list);
}

void __free_pages(struct page *p, unsigned int order)
{
	if (p && atomic_dec_and_test(&p->_refcount))
		free_frozen_pages(p, order);
}

void free_pages(unsigned long va, unsigned int order)
{
	if (va)
		__free_pages(virt_to_page(va), order);
}

void free_boot_range(unsigned long pfn, unsigned long end)
{
	while (pfn < end) {
		unsigned int order = pfn ? min(__builtin_ctzl(pfn), MAX_PAGE_ORDER) : MAX_PAGE_ORDER;
		struct page *p = pfn_to_page(pfn);
		struct zone *z = page_zone(p);
		unsigned long flags;

		while (pfn + (1UL << order) > end)
			order--;
		for (unsigned long i = 0; i < (1UL << order); i++) {
			p[i].flags &= PAGE_FLAGS_KEEP;
			atomic_set(&p[i]._refcount, 0);
		}
		kasan_free_pages(p, order);
		spin_lock_irqsave(&z->lock, flags);
		z->managed_pages += 1UL << order;
		__free_one_page(z, p, order, *pageblock_type(p));
		spin_unlock_irqrestore(&z->lock, flags);
		pfn += 1UL << order;
	}
}

/* ---- Allocating ---- */

static struct page *rmqueue(struct zone *z, unsigned int order, enum migratetype mt, enum fallback_mode mode)
{
	unsigned long flags;
	struct page *p;

	local_irq_save(flags);
	if (pcp_kind(order) >= 0) {
		p = rmqueue_pcp(z, order, mt, mode);
	} else {
		spin_lock(&z->lock);
		p = __rmqueue(z, order, mt, mode);
		spin_unlock(&z->lock);
	}
	if (p)
		count_vm_events(z == &zones[ZONE_DMA32] ? PGALLOC_DMA32 : PGALLOC_NORMAL, 1L << order);
	local_irq_restore(flags);
	return p;
}

/*
 * Most allocations: the first zone that will do has more than "low", and this CPU has a page of it. NULL: look closer.
 */
static struct page *alloc_from_pcp(gfp_t gfp)
{
	enum zone_type top = zones[ZONE_NORMAL].present_pages ? gfp_zone(gfp) : ZONE_DMA32;
	struct zone *z = &zones[top];
	struct page *p = NULL;
	struct pcp_list *l;
	unsigned long flags;

	if (atomic_long_read(&z->free_pages) <= (long)z->watermark[WMARK_LOW])
		return NULL;
	local_irq_save(flags);
	l = this_pcp_list(top, 0, gfp_migratetype(gfp));
	if (l->count) {
		p = pop_pcp(l);
		count_vm_event(top == ZONE_DMA32 ? PGALLOC_DMA32 : PGALLOC_NORMAL);
	}
	local_irq_restore(flags);
	return p;
}

struct page *get_page_from_freelist(gfp_t gfp, unsigned int order, enum alloc_reserve reserve)
{
	enum migratetype mt = gfp_migratetype(gfp);
	enum zone_type top = gfp_zone(gfp);
	/* With Normal present, claim whole blocks in every zone before anything worse in the first (MIG-9). */
	bool two_rounds = top == ZONE_NORMAL && zones[ZONE_NORMAL].present_pages;

	for (int mode = two_rounds ? FALLBACK_WHOLE : FALLBACK_ALL; mode <= FALLBACK_ALL; mode++) {
		for (int t = (int)top; t >= 0; t--) {
			struct zone *z = &zones[t];
			struct page *p;

			if (!z->present_pages || !zone_watermark_ok(z, order, reserve_mark(z, reserve), top, 0))
				continue;
			p = rmqueue(z, order, mt, mode);
			if (p)
				return p;
		}
	}
	return NULL;
}

void prep_compound(struct page *p, unsigned int order)
{
	struct folio *f = (struct folio *)p;

	for (unsigned long i = 1; i < (1UL << order); i++)
		p[i].compound_head = (unsigned long)p | 1;
	set_bit(PG_head, &p->flags);
	f->_order = order;
	owners_init(&f->_owners);
	atomic_set(&f->_nr_pages_mapped, 0);
	atomic_set(&f->_pincount, 0);
	atomic_set(&f->_entire_mapcount, -1);
	if (order > 1)
		INIT_LIST_HEAD(&f->_deferred_list);
}

void prep_new_page(struct page *p, unsigned int order, gfp_t gfp)
{
	KASSERT_EQ(atomic_read(&p->_refcount), 0, "FOL-2");
	kasan_alloc_pages(p, order);
	unpoison_pages(p, order);
	p->private = 0;
	p->mapping = NULL;
	if (gfp & __GFP_ZERO)
		clear_pages(page_address(p), 1UL << order);
	if (order && (gfp & __GFP_COMP))
		prep_compound(p, order);
	atomic_set(&p->_refcount, 1);
}

struct page *alloc_pages(gfp_t gfp, unsigned int order)
{
	struct page *p;

	if (WARN_ON_ONCE(order > MAX_PAGE_ORDER))
		return NULL;
	/* The reserves are never said to be empty: who lives on them could not do without (T-RCL-8). */
	if (!(current->flags & PF_MEMALLOC) && fail_here("alloc_pages", order))
		return NULL;
	might_alloc(gfp);
	p = order ? NULL : alloc_from_pcp(gfp);
	if (!p)
		p = get_page_from_freelist(gfp, order, RESERVE_LOW);
	if (unlikely(!p))
		p = alloc_pages_slow(gfp, order);
	trace_mm_page_alloc(p ? page_to_pfn(p) : ~0UL, order, gfp, gfp_migratetype(gfp));
	if (likely(p))
		prep_new_page(p, order, gfp);
	return p;
}

struct folio *folio_alloc(gfp_t gfp, unsigned int order)
{
	return (struct folio *)alloc_pages(gfp | __GFP_COMP, order);
}

unsigned long __get_free_pages(gfp_t gfp, unsigned int order)
{
	struct page *p = alloc_pages(gfp, order);
	return p ? (unsigned long)page_address(p) : 0;
}

/* ---- Contents ---- */

/* One instruction, however long; it can be interrupted, and so the task preempted, in the middle. */
void clear_pages(void *va, unsigned long nr)
{
	u64 n = nr * (PAGE_SIZE / 8);
	__asm__ volatile("rep stosq" : "+D"(va), "+c"(n) : "a"(0UL) : "memory");
}

void copy_page(void *to, const void *from)
{
	u64 n = PAGE_SIZE / 8;
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

void zero_page_init(void)
{
	zero_page = pfn_to_page(memblock_alloc(PAGE_SIZE, PAGE_SIZE, ~0UL) >> PAGE_SHIFT);
}
