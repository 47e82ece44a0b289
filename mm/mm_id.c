/*
 * mm/mm_id.c - owner tracking of large folios: the state machine (MMID-5..9, MMID-12, MMID-15).
 *
 *	          {total, slot 0, slot 1, SHARED}
 *	{0, -, -, 0} ── A maps 16 ──> {16, A 16, -, 0} ── B maps 16 ──> {32, A 16, B 16, 1}
 *	                                    ^                                │ C maps 16: no slot is free
 *	                                    │                                v
 *	                                    └── B unmaps: 16 == total   {48, A 16, B 16, 1}
 *
 * A slot's count never exceeds what its mm has really mapped (MMID-9): a slot that has as many mappings as
 * there are in all therefore proves that nobody else has any, and only that clears SHARED. An mm without a
 * slot can only err towards "shared".
 *
 * Nothing here locks, sleeps or knows a folio: the host tests (tests/host/test_mm_id.c) run it against a
 * model. The lock and the folio_* names are in folio_owner.c, the rules of the first version of 2024 in
 * mm_id_v1.c. Linux: include/linux/rmap.h, __folio_add_large_rmap() and folio_sub_return_large_mapcount().
 */
#include "mm/mm_id.h"
#include "kernel/lib/bug.h"

#define SLOT_FREE (-1)		/* stored count of an empty slot: biased 0 */

/* Slot I belongs to ID from now on; the top bit, which is the lock or SHARED, stays. */
static void set_slot(struct folio_owners *o, int i, u32 id, int nr)
{
	WRITE_ONCE(o->id[i], (o->id[i] & ~MM_ID_MAX) | id);
	WRITE_ONCE(o->count[i], nr - 1);
}

static int find_slot(const struct folio_owners *o, u32 mm_id)
{
	if (owners_id(o, 0) == mm_id)
		return 0;
	return owners_id(o, 1) == mm_id ? 1 : -1;
}

static void set_shared(struct folio_owners *o)	 { WRITE_ONCE(o->word, o->word | FOLIO_MM_IDS_SHARED); }
static void clear_shared(struct folio_owners *o) { WRITE_ONCE(o->word, o->word & ~FOLIO_MM_IDS_SHARED); }

/* MMID-15, before an update. */
static void check_owners(const struct folio_owners *o, int nr, u32 mm_id)
{
	KASSERT_GT(nr, 0, "MMID-15");
	KASSERT(mm_id != MM_ID_NONE && mm_id <= MM_ID_MAX, "MMID-15");
	for (int i = 0; i < 2; i++) {
		KASSERT_GE(o->count[i], SLOT_FREE, "MMID-15");
		KASSERT_EQ(owners_id(o, i) == MM_ID_NONE, o->count[i] == SLOT_FREE, "MMID-12");
	}
	KASSERT_GE(owners_total(o), 0, "MMID-15");
	KASSERT(owners_total(o) || !(o->word & ~FOLIO_MM_IDS_LOCK), "MMID-12");
}

void owners_init(struct folio_owners *o)
{
	o->count[0] = o->count[1] = SLOT_FREE;
	atomic_set(&o->total, -1);
	o->untracked = 0;
	o->word = 0;
}

void owners_set_new(struct folio_owners *o, int nr, u32 mm_id)
{
	check_owners(o, nr, mm_id);
	KASSERT_EQ(owners_total(o), 0, "RMAP-6");
	atomic_set(&o->total, nr - 1);
	o->count[0] = nr - 1;
	o->word = mm_id;
}

int owners_map(struct folio_owners *o, int nr, u32 mm_id)
{
	int total = owners_total(o) + nr;
	int slot = find_slot(o, mm_id);

	check_owners(o, nr, mm_id);
	atomic_set(&o->total, total - 1);
	if (slot >= 0) {
		WRITE_ONCE(o->count[slot], o->count[slot] + nr);
	} else if (o->count[0] == SLOT_FREE) {
		set_slot(o, 0, mm_id, nr);
		if (total != nr)	/* others are there, perhaps without a slot */
			set_shared(o);
	} else if (o->count[1] == SLOT_FREE) {
		set_slot(o, 1, mm_id, nr);
		set_shared(o);
	} else {
		KASSERT(owners_shared(o), "MMID-5");
		o->untracked = 1;
	}
	return total;
}

int owners_unmap(struct folio_owners *o, int nr, u32 mm_id)
{
	int total = owners_total(o) - nr;
	int slot = find_slot(o, mm_id);

	check_owners(o, nr, mm_id);
	KASSERT_GE(total, 0, "MMID-15");
	atomic_set(&o->total, total - 1);
	if (slot >= 0) {
		int left = owners_count(o, slot) - nr;

		/* MMID-7: an mm that keeps mappings through its slot does not make the folio exclusive. */
		if (left > 0) {
			WRITE_ONCE(o->count[slot], left - 1);
			return total;
		}
		/* MMID-9: below zero if some of its mappings were made when no slot was free. */
		set_slot(o, slot, MM_ID_NONE, 0);
	}
	if (owners_count(o, 0) == total || owners_count(o, 1) == total)
		clear_shared(o);
	if (!total)
		o->untracked = 0;
	return total;
}
