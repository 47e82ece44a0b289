/*
 * mm/mlock.h - the marks that mlock leaves on folios: PG_mlocked, nr_mlock, the unevictable list (MLK-7,
 * mlock.c).
 *
 * The promise itself rests on VM_LOCKED: try_to_unmap leaves the PTEs of such a VMA alone (RCL-16). The mark
 * spares reclaim the trouble of finding that out again and again. It may be missing where it should be;
 * reclaim puts it there when it meets the folio. It is never there for good where it should not be.
 */
#ifndef MM_MLOCK_H
#define MM_MLOCK_H

#include "mm/mm_types.h"
#include "mm/page.h"

/*
 * What is mapped into VMA is marked. Not while mlock or munlock walks it: they have VM_IO set meanwhile,
 * which no locked VMA has otherwise, and count each page themselves.
 */
static inline bool vma_marks_folios(const struct vm_area_struct *vma)
{
	return (vma->vm_flags & (VM_LOCKED | VM_IO | VM_DONTEXPAND | VM_PFNMAP)) == VM_LOCKED;
}

/* For rmap.c: one VMA that marks folios maps F wholly, or not any more. => page-table lock held */
void mlock_folio(struct folio *f);
void munlock_folio(struct folio *f);
/* The same for an F that nobody else can see yet, and that goes to the LRU lists afterwards. */
void mlock_new_folio(struct folio *f);
/* F has the mark and no mapping. => page-table lock held */
void munlock_unmapped_folio(struct folio *f);
/* F has the mark and its last reference is gone (unevictable_pgs_cleared). */
void mlock_freed_folio(struct folio *f);
/*
 * For reclaim, which met F without the mark: if VMA is locked and maps F wholly, F is marked now (RCL-5,
 * MLK-7), and the answer is true. A part that a locked VMA maps protects that part alone (MLK-8). => F
 * locked, rmap lock held
 */
bool mlock_if_wholly_mapped(struct folio *f, struct vm_area_struct *vma);
/*
 * Empty this CPU's batch: lists follow marks, its references go. lru_add_drain does it, too. Any context, any
 * lock but lru_lock.
 */
void mlock_drain_local(void);

#endif
