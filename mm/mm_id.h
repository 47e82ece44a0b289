/*
 * mm/mm_id.h - owner tracking: is this large folio mapped by one mm, certainly, or perhaps by several?
 * (MMID-*)
 *
 *	word 0   L | id of slot 0 (31 bits)	count of mappings by slot 0	total mapcount
 *	word 1   S | id of slot 1 (31 bits)	count of mappings by slot 1
 *
 * L is the lock, S says "maybe mapped shared". Counts and the total are stored biased by -1 (FOL-5). The
 * state machine (owners_*) is pure and is tested on the host; folio_* are its users' names. A false
 * "exclusive" would be a security bug, a false "shared" costs a copy.
 */
#ifndef MM_MM_ID_H
#define MM_MM_ID_H

#include "kernel/lib/atomic.h"
#include "kernel/lib/types.h"

struct folio;
struct vm_area_struct;

#define MM_ID_NONE	0u		/* nobody; kernel-internal mms */
#define MM_ID_MAX	0x7fffffffu
#define FOLIO_MM_IDS_LOCK	BIT(31)		/* in WORD: top bit of id[0] */
#define FOLIO_MM_IDS_SHARED	BIT(63)		/* in WORD: top bit of id[1] */

/* Part of struct folio, in its second page's descriptor (MMID-3). Unmapped: word 0, counts -1 (MMID-12). */
struct folio_owners {
	int count[2];			/* biased by -1: mappings by slot's mm (MMID-9: a lower bound) */
	atomic_t total;			/* biased by -1: large mapcount */
	u32 untracked;			/* an mm found no slot since all were empty; for mm_check.c only */
	union {				/* overlays page->private, which must be 0 after a split (MMID-20) */
		unsigned long word;
		u32 id[2];		/* without the top bit */
	};
};
static_assert(sizeof(struct folio_owners) == 24, "three counts and one word");

/* ---- The state machine (mm_id.c). NR pages, unbiased, 0 < NR. Returns the new unbiased total. ---- */

/* MMID-5, MMID-6. => owner lock held */
int owners_map(struct folio_owners *o, int nr, u32 mm_id);
int owners_unmap(struct folio_owners *o, int nr, u32 mm_id);
/* RMAP-6: a brand-new folio, invisible to others, is mapped NR times by MM_ID. No lock. */
void owners_set_new(struct folio_owners *o, int nr, u32 mm_id);
/* Nobody maps it: what a new folio starts with and a freed one must show (FOL-12). */
void owners_init(struct folio_owners *o);
static inline int owners_total(const struct folio_owners *o) { return atomic_read(&o->total) + 1; }
/* Unbiased count of slot I (0: empty) and its id. */
static inline int owners_count(const struct folio_owners *o, int i) { return READ_ONCE(o->count[i]) + 1; }
static inline u32 owners_id(const struct folio_owners *o, int i) { return READ_ONCE(o->id[i]) & MM_ID_MAX; }
static inline bool owners_shared(const struct folio_owners *o)
{
	return READ_ONCE(o->word) & FOLIO_MM_IDS_SHARED;
}
/* MMID-10 for a large folio. */
static inline bool owners_maybe_shared(const struct folio_owners *o)
{
	return owners_total(o) > 1 && owners_shared(o);
}

/*
 * The owner lock: a leaf, disables preemption, not for interrupts (MMID-4); lockdep class "owner_lock". One
 * atomic to acquire, an ordinary store with release order to release.
 */
void folio_lock_large_mapcount(struct folio *f);
void folio_unlock_large_mapcount(struct folio *f);

/*
 * The same with the lock taken inside, for F mapped NR more or fewer times through VMA's mm.
 * Return the new total.
 */
int folio_add_large_mapcount(struct folio *f, int nr, struct vm_area_struct *vma);
int folio_sub_return_large_mapcount(struct folio *f, int nr, struct vm_area_struct *vma);
void folio_set_large_mapcount(struct folio *f, int nr, struct vm_area_struct *vma);
/* MMID-10: may several mms map F? A hint unless rechecked under the owner lock. Small: mapcount > 1. */
bool folio_maybe_mapped_shared(const struct folio *f);

/* ---- Ids (MMID-2) ---- */

/* Lowest free id, or 0: none left. May sleep. */
u32 mm_id_alloc(void);
void mm_id_free(u32 id);

#endif
