/*
 * mm/mm_id_v1.c - the rules of owner tracking's first version (2024), for comparison with mm_id.c.
 *
 *	                               version 1                     mm_id.c
 *	flag                           EXCLUSIVE (bit 62)            SHARED (bit 63), the opposite
 *	lock, ids                      bit 63; 20 bits each          bit 31; 31 bits each
 *	a free slot may be taken       while EXCLUSIVE               always; unmapping clamps (MMID-19)
 *	taking a slot                  clears EXCLUSIVE              sets SHARED if others map it (MMID-21)
 *	the id of an emptied slot      stays                         is erased (MMID-20)
 *
 * The mistake to be found (MMID-21): taking a slot clears EXCLUSIVE even if nobody else maps the folio. Its
 * first mapper by the generic path then counts as one of several, and the second one gets no slot at all.
 * Fresh anonymous folios are born with their slot (RMAP-6) and do not show it.
 *
 * EXCLUSIVE is kept here as "SHARED is clear", the lock where it is now: so a variant can be switched on
 * and off while folios are mapped, and each version takes over what the other one noted. Both have in
 * common that a slot's count is never above the truth, and that the flag promises nothing but "one mm".
 */
#include "mm/mm_id_v1.h"
#include "kernel/lib/bug.h"

#define NOT_EXCLUSIVE FOLIO_MM_IDS_SHARED
static bool test_exclusive(const struct folio_owners *o) { return !(o->word & NOT_EXCLUSIVE); }
static void set_exclusive(struct folio_owners *o)	 { WRITE_ONCE(o->word, o->word & ~NOT_EXCLUSIVE); }
static void clear_exclusive(struct folio_owners *o)	 { WRITE_ONCE(o->word, o->word | NOT_EXCLUSIVE); }

/* The slot in which MM_ID is counted, or -1. An empty slot may still bear its id (MMID-20). */
static int find_slot(const struct folio_owners *o, u32 mm_id)
{
	for (int i = 0; i < 2; i++)
		if (owners_count(o, i) > 0 && owners_id(o, i) == mm_id)
			return i;
	return -1;
}

static void take_slot(struct folio_owners *o, int i, int nr, u32 mm_id)
{
	WRITE_ONCE(o->id[i], (o->id[i] & ~MM_ID_MAX) | mm_id);
	WRITE_ONCE(o->count[i], nr - 1);
	clear_exclusive(o);		/* MMID-21: whether or not anybody else is there */
}

int owners_v1_map(struct folio_owners *o, int nr, u32 mm_id)
{
	int total = owners_total(o) + nr;
	int slot = find_slot(o, mm_id);

	KASSERT(nr > 0 && mm_id != MM_ID_NONE && mm_id <= MM_ID_V1_MAX, "MMID-18");
	atomic_set(&o->total, total - 1);
	if (slot >= 0)
		WRITE_ONCE(o->count[slot], o->count[slot] + nr);
	else if (test_exclusive(o))	/* MMID-19: then at least one slot is free */
		take_slot(o, owners_count(o, 0) ? 1 : 0, nr, mm_id);
	return total;
}

int owners_v1_unmap(struct folio_owners *o, int nr, u32 mm_id)
{
	int total = owners_total(o) - nr;
	int slot = find_slot(o, mm_id);

	KASSERT(nr > 0 && total >= 0, "MMID-18");
	atomic_set(&o->total, total - 1);
	if (slot >= 0) {
		/* Not below "none", should the slot have been taken under the present rules (MMID-9). */
		WRITE_ONCE(o->count[slot], max(o->count[slot] - nr, -1));
		if (owners_count(o, slot) > 0)
			return total;
	}
	if (owners_count(o, 0) == total || owners_count(o, 1) == total)
		set_exclusive(o);
	return total;
}

void owners_v1_forget(struct folio_owners *o)
{
	for (int i = 0; i < 2; i++)
		if (!owners_count(o, i))
			WRITE_ONCE(o->id[i], o->id[i] & ~MM_ID_MAX);
}
