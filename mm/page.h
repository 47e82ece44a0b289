/*
 * mm/page.h - struct page and struct folio: one 64-byte descriptor for each frame of RAM.
 *
 *	descriptor	0 (head)		1 (tail)			2 (tail, orders >= 2)
 *			flags refcount mapcount	large mapcount, owner slots,	deferred-split link
 *			mapping index private	entire mapcount, pins, order
 *
 * A folio is 2^order naturally aligned frames with one identity (FOL-1); it overlays the descriptors of its
 * first three frames. Only the head has a reference count (FOL-2); a tail's compound_head is head | 1.
 * While a frame is free, a page table, or slab memory, the same words serve the buddy list, the table's lock, or
 * the slab's object list. Mapcounts are stored biased by -1 (FOL-5): use the accessors only.
 */
#ifndef MM_PAGE_H
#define MM_PAGE_H

#include "arch-x86_64/pgtable.h"
#include "kernel/lib/atomic.h"
#include "kernel/lib/bug.h"
#include "kernel/lib/list.h"
#include "kernel/locking/spinlock.h"
#include "mm/mm_id.h"

struct address_space;
struct anon_vma;
struct kmem_cache;
struct mm_struct;

enum pageflags {
	PG_locked,		/* folio lock (kernel/mm: folio_lock) */
	PG_waiters,		/* someone sleeps for PG_locked or PG_writeback */
	PG_referenced,
	PG_uptodate,
	PG_dirty,
	PG_lru,			/* on a list of lru.c (RCL-2) */
	PG_active,
	PG_workingset,
	PG_writeback,
	PG_reclaim,
	PG_swapbacked,
	PG_swapcache,
	PG_unevictable,
	PG_mlocked,
	PG_anon_exclusive,	/* per base page (COW-1), tails too */
	PG_head,		/* first page of a folio of order > 0 */
	PG_reserved,		/* never given to the buddy: image, memmap, zero page */
	PG_partially_mapped,	/* lives in descriptor 1 of a large folio (SPLIT-9) */
	PG_unmapping,		/* descriptor 1 too: temporarily unmapped (RMAP-12), gaps in its mappings mean nothing */
	PG_large_rmappable,
	PG_hwpoison,
	PG_readahead,		/* read because of a neighbour, not used yet (SWAP-13) */
	NR_PAGEFLAGS
};
#define PAGE_ZONE_SHIFT 62	/* flags: zone in the top two bits */

/* page_type in place of _mapcount when the frame cannot be mapped: top byte says which. */
enum page_type { PGTY_buddy = 0xf0, PGTY_table = 0xf2, PGTY_slab = 0xf5 };

struct page {
	unsigned long flags;			/* a: PG_* bits, zone */
	union {
		struct {			/* anonymous, shmem, swap cache; free in the buddy or a per-CPU list */
			struct list_head lru;
			struct address_space *mapping;	/* | FOLIO_MAPPING_ANON: an anon_vma */
			pgoff_t index;		/* in the mapping, pages; free: migratetype */
			unsigned long private;	/* swap entry; free: buddy order */
		};
		struct {			/* page table (memory.c) */
			struct page *pmd_huge_pte;	/* deposited tables of this PMD table (SPLIT-2) */
			struct mm_struct *pt_mm;
			spinlock_t ptl;		/* split page-table lock */
		};
		struct {			/* slab (slab.c) */
			struct kmem_cache *slab_cache;
			void *freelist;
			struct list_head slab_list;
			unsigned int inuse, objects;
		};
		struct {			/* any tail */
			unsigned long compound_head;	/* head | 1 */
		};
	};
	union {
		atomic_t _mapcount;		/* biased by -1; per-page count of anon and shmem pages */
		unsigned int page_type;		/* PGTY_* << 24 */
	};
	atomic_t _refcount;			/* 0: free, frozen, or a tail */
	union {
		unsigned long memmap_spare;	/* free: poisoned? (page_alloc.c) */
		atomic_t mlock_count;		/* of a user folio: locked VMAs that count for PG_mlocked (mlock.c) */
	};
};
static_assert(sizeof(struct page) == 64, "one descriptor, one cache line");

#define FOLIO_MAPPING_ANON 1UL

struct folio {
	union {
		struct {
			unsigned long flags;
			struct list_head lru;
			struct address_space *mapping;
			pgoff_t index;
			union {
				unsigned long private;
				swp_entry_t swap;	/* valid while in the swap cache */
			};
			atomic_t _mapcount;
			atomic_t _refcount;
			atomic_t mlock_count;
			unsigned int _spare0;
		};
		struct page page;
	};
	union {
		struct {
			unsigned long _flags_1;
			unsigned long _head_1;
			atomic_t _nr_pages_mapped;	/* FOL-11; only with per-page mapcounts */
			u32 _order;
			struct folio_owners _owners;	/* who maps it, and how often in all (MMID-1) */
			atomic_t _mapcount_1;		/* overlays page 1's _mapcount */
			atomic_t _refcount_1;
			atomic_t _entire_mapcount;	/* biased by -1 */
			atomic_t _pincount;
		};
		struct page __page_1;
	};
	union {
		struct {
			unsigned long _flags_2;
			unsigned long _head_2;
			struct list_head _deferred_list;
		};
		struct page __page_2;
	};
};
#define __FOLIO_MATCH(pg, fl) static_assert(offsetof(struct page, pg) == offsetof(struct folio, fl), #fl)
__FOLIO_MATCH(flags, flags);
__FOLIO_MATCH(lru, lru);
__FOLIO_MATCH(mapping, mapping);
__FOLIO_MATCH(index, index);
__FOLIO_MATCH(private, private);
__FOLIO_MATCH(mlock_count, mlock_count);
__FOLIO_MATCH(_mapcount, _mapcount);
__FOLIO_MATCH(_refcount, _refcount);
static_assert(offsetof(struct folio, _flags_1) == 64 && offsetof(struct folio, _mapcount_1) == 64 + offsetof(struct page, _mapcount), "page 1");
static_assert(offsetof(struct folio, _owners.word) == 64 + offsetof(struct page, private), "MMID-20");
static_assert(offsetof(struct folio, _flags_2) == 128 && sizeof(struct folio) == 192, "page 2");

/* The memmap: virtually contiguous, present only where there is RAM. */
#define vmemmap ((struct page *)VMEMMAP_START)
#define pfn_to_page(pfn) (vmemmap + (pfn))
static inline unsigned long page_to_pfn(const struct page *p) { return (unsigned long)(p - vmemmap); }
#define page_to_phys(page) ((phys_addr_t)page_to_pfn(page) << PAGE_SHIFT)
#define page_address(page) __va(page_to_phys(page))
#define virt_to_page(va) pfn_to_page(__pa(va) >> PAGE_SHIFT)
extern unsigned long max_pfn;		/* first frame number above all RAM */
/* There is a struct page for this frame (RAM, not a hole). */
bool pfn_valid(unsigned long pfn);

static inline struct page *compound_head(const struct page *p)
{
	unsigned long h = READ_ONCE(p->compound_head);
	return (h & 1) ? (struct page *)(h - 1) : (struct page *)p;
}
#define page_folio(p) ((struct folio *)compound_head(p))
#define folio_page(f, n) (&(f)->page + (n))
#define folio_pfn(f) page_to_pfn(&(f)->page)
#define folio_address(f) page_address(&(f)->page)
static inline bool PageTail(const struct page *p) { return READ_ONCE(p->compound_head) & 1; }
static inline bool folio_test_large(const struct folio *f) { return test_bit(PG_head, &f->flags); }
static inline unsigned int folio_order(const struct folio *f) { return folio_test_large(f) ? f->_order : 0; }
static inline unsigned long folio_nr_pages(const struct folio *f) { return 1UL << folio_order(f); }
static inline unsigned long folio_page_idx(const struct folio *f, const struct page *p) { return p - &f->page; }

#define PAGEFLAG(name, bit)									\
static inline bool folio_test_##name(const struct folio *f) { return test_bit(bit, &f->flags); }	\
static inline void folio_set_##name(struct folio *f)	{ set_bit(bit, &f->flags); }		\
static inline void folio_clear_##name(struct folio *f)	{ clear_bit(bit, &f->flags); }		\
static inline bool folio_test_set_##name(struct folio *f) { return test_and_set_bit(bit, &f->flags); }	\
static inline bool folio_test_clear_##name(struct folio *f) { return test_and_clear_bit(bit, &f->flags); }
PAGEFLAG(locked, PG_locked)
PAGEFLAG(waiters, PG_waiters)
PAGEFLAG(referenced, PG_referenced)
PAGEFLAG(uptodate, PG_uptodate)
PAGEFLAG(dirty, PG_dirty)
PAGEFLAG(lru, PG_lru)
PAGEFLAG(active, PG_active)
PAGEFLAG(writeback, PG_writeback)
PAGEFLAG(swapbacked, PG_swapbacked)
PAGEFLAG(swapcache, PG_swapcache)
PAGEFLAG(unevictable, PG_unevictable)
PAGEFLAG(mlocked, PG_mlocked)
PAGEFLAG(reclaim, PG_reclaim)
PAGEFLAG(workingset, PG_workingset)
PAGEFLAG(readahead, PG_readahead)
/* SPLIT-9: lives in descriptor 1; never clears by mapping again (SPLIT-15). => deferred queue lock to change */
static inline bool folio_test_partially_mapped(const struct folio *f) { return folio_test_large(f) && test_bit(PG_partially_mapped, &f->_flags_1); }
static inline void folio_set_partially_mapped(struct folio *f)	{ set_bit(PG_partially_mapped, &f->_flags_1); }
static inline void folio_clear_partially_mapped(struct folio *f) { clear_bit(PG_partially_mapped, &f->_flags_1); }
/* From try_to_migrate to the end of remove_migration_ptes; see deferred_split.c. => folio lock to change */
static inline bool folio_test_unmapping(const struct folio *f)	{ return folio_test_large(f) && test_bit(PG_unmapping, &f->_flags_1); }
static inline bool folio_test_pmd_mappable(const struct folio *f) { return folio_order(f) == HPAGE_PMD_ORDER; }
static inline bool PageAnonExclusive(const struct page *p)  { return test_bit(PG_anon_exclusive, &p->flags); }
static inline void SetPageAnonExclusive(struct page *p)	    { set_bit(PG_anon_exclusive, &p->flags); }
static inline void ClearPageAnonExclusive(struct page *p)   { clear_bit(PG_anon_exclusive, &p->flags); }
static inline void __SetPageAnonExclusive(struct page *p)   { p->flags |= BIT(PG_anon_exclusive); }	/* nobody else sees it */
static inline bool PageReserved(const struct page *p)	    { return test_bit(PG_reserved, &p->flags); }
static inline bool folio_test_anon(const struct folio *f)   { return (unsigned long)READ_ONCE(f->mapping) & FOLIO_MAPPING_ANON; }
static inline bool page_has_type(const struct page *p)	    { return (READ_ONCE(p->page_type) >> 24) >= 0xf0 && (READ_ONCE(p->page_type) >> 24) <= 0xfe; }
static inline bool page_is_type(const struct page *p, enum page_type t) { return READ_ONCE(p->page_type) >> 24 == (unsigned)t; }

/* References (FOL-2, FOL-3). folio_put frees at zero. */
static inline int folio_ref_count(const struct folio *f)	{ return atomic_read(&f->_refcount); }
static inline void folio_get(struct folio *f)			{ atomic_inc(&f->_refcount); }
static inline void folio_ref_add(struct folio *f, int nr)	{ atomic_add(nr, &f->_refcount); }
static inline bool folio_try_get(struct folio *f)		{ return atomic_inc_not_zero(&f->_refcount); }
/* Freeze: take the count from exactly EXPECTED to 0, so that nobody can get a reference; undo with unfreeze. */
static inline bool folio_ref_freeze(struct folio *f, int expected) { return atomic_cmpxchg(&f->_refcount, expected, 0) == expected; }
static inline void folio_ref_unfreeze(struct folio *f, int n)	{ atomic_set(&f->_refcount, n); }
void __folio_put(struct folio *f);	/* the count reached zero: leave the LRU, uncharge, free */
static inline void folio_put(struct folio *f)
{
	if (atomic_dec_and_test(&f->_refcount))
		__folio_put(f);
}
static inline void folio_put_refs(struct folio *f, int nr)
{
	if (atomic_sub_and_test(nr, &f->_refcount))
		__folio_put(f);
}
static inline void get_page(struct page *p) { folio_get(page_folio(p)); }
static inline void put_page(struct page *p) { folio_put(page_folio(p)); }

/* Folio lock (LOCK-3): sleeping, with a hashed wait queue; known to lockdep as "folio_lock". */
void folio_lock(struct folio *f);
bool folio_trylock(struct folio *f);
void folio_unlock(struct folio *f);
int folio_lock_killable(struct folio *f);
/*
 * Sleep until somebody unlocks F, which is locked because PTL, held by the caller, guards a migration entry of it. Takes
 * no reference: afterwards F may be anything (MIG-5). May return early. => PTL dropped
 */
void migration_entry_wait_on_locked(struct folio *f, spinlock_t *ptl);
/*
 * For a folio that is cut (split.c): its pieces inherit the lock bit. lockdep knows one lock, which passes from FROM to
 * TO; the others are unlocked by folio_unlock_piece.
 */
void folio_lock_transfer(struct folio *from, struct folio *to);
void folio_unlock_piece(struct folio *f);
/*
 * For the many folios that a collapse holds at once, without waiting for any: lockdep, which keeps a short list for each
 * task, is not told of them. Unlock with folio_unlock_piece.
 */
static inline bool folio_trylock_untold(struct folio *f) { return !folio_test_set_locked(f); }
/* The caller's lock of F will be dropped by whoever ends the read: folio_end_read, any context. */
void folio_lock_handoff(struct folio *f);
/* Who has so many folios locked that lockdep has no room to note them hands their locks off, and takes each up again here. */
void folio_lock_takeover(struct folio *f);
void folio_end_read(struct folio *f, bool success);
/* F, locked, is on its way to a disk; it arrived, or did not (any context); wait for that. */
void folio_start_writeback(struct folio *f);
void folio_end_writeback(struct folio *f);
void folio_wait_writeback(struct folio *f);

#endif
