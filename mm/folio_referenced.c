/*
 * mm/folio_referenced.c - was a folio used since reclaim looked last? (RCL-5)
 *
 *	folio ──rmap walk──> VMA ──> entries: young bits read and cleared ──> in how many VMAs was one set?
 *
 * The young bit is set by the CPU when it fills its TLB. Clearing it without a flush means that a CPU which still has
 * the entry goes on unseen until something else flushes it: a page may look older than it is, which costs a fault at
 * worst, and flushing every CPU for a look would cost more.
 *
 * Not here: what follows from the answer (vmscan.c). Linux: folio_referenced() in mm/rmap.c.
 */
#include "mm/huge_memory.h"
#include "mm/mlock.h"
#include "mm/rmap.h"

struct referenced {
	int vmas;		/* with a young entry */
	bool locked, gone;
};

/* Its memory goes as a whole in a moment: writing it to a disk first would be in vain. */
static bool mm_is_gone(const struct mm_struct *mm)
{
	return !atomic_read(&mm->mm_users) || test_bit(MMF_OOM_REAPED, &mm->flags);
}

static bool referenced_one(struct folio *f, struct vm_area_struct *vma, unsigned long addr, void *arg)
{
	struct page_vma_mapped_walk pvmw = { .folio = f, .vma = vma, .address = addr };
	struct referenced *r = arg;
	bool mapped = false, young = false;

	if (vma->vm_flags & VM_LOCKED) {
		/* A part that it maps is safe there, and says nothing about the others (MLK-8). */
		r->locked = mlock_if_wholly_mapped(f, vma);
		return !r->locked;
	}
	while (page_vma_mapped_walk(&pvmw)) {
		mapped = true;
		young |= pvmw.pte ? ptep_test_and_clear_young(pvmw.pte) : pmdp_test_and_clear_young(pvmw.pmd);
	}
	r->vmas += young;
	r->gone = mapped && mm_is_gone(vma->vm_mm) && folio_test_anon(f) && folio_test_swapbacked(f) &&
		  !folio_maybe_mapped_shared(f);
	return !r->gone;
}

int folio_referenced(struct folio *f)
{
	struct referenced r = { .vmas = 0 };
	struct rmap_walk w = { .arg = &r, .one = referenced_one, .try_lock = true };

	if (!folio_mapped(f))
		return 0;
	rmap_walk(f, &w);
	if (r.locked)
		return FOLIO_REF_MLOCKED;
	return r.gone || w.contended ? FOLIO_REF_KEEP : r.vmas;
}
