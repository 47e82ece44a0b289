/*
 * mm/mm_id_v1.h - owner tracking as its first version of 2024 had it (MMID-18..21), kept because it teaches.
 */
#ifndef MM_MM_ID_V1_H
#define MM_MM_ID_V1_H

#include "mm/mm_id.h"

#define MM_ID_V1_MAX 1048575u	/* MMID-18: 20 bits */

/* As owners_map, owners_unmap and owners_set_new of mm_id.h. => owner lock held (set_new: no lock) */
int owners_v1_map(struct folio_owners *o, int nr, u32 mm_id);
int owners_v1_unmap(struct folio_owners *o, int nr, u32 mm_id);
/*
 * MMID-20: erase the ids of empty slots, which the two above leave.
 * Needed before the word is anything else.
 */
void owners_v1_forget(struct folio_owners *o);

#endif
