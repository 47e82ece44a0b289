/*
 * mm/fault.h - what the files that make up the page-fault handler say to each other and to nobody else.
 *
 *	memory.c	handle_mm_fault, the first touch of anonymous memory
 *	file_fault.c	the first touch of a file mapping
 *	cow.c		a write to a present, read-only PTE
 *	swap_fault.c	a page that is not in memory
 *	huge_memory.c	everything about huge PMDs (to tables: huge_split_pmd.c)
 */
#ifndef MM_FAULT_H
#define MM_FAULT_H

#include "mm/lru.h"
#include "mm/memory.h"
#include "mm/rmap.h"

static inline bool vmf_pte_changed(struct vm_fault *vmf)
{
	return !pte_same(ptep_get(vmf->pte), vmf->orig_pte);
}

static inline struct folio *folio_prealloc(bool zero)
{
	return folio_alloc(GFP_HIGHUSER_MOVABLE | (zero ? __GFP_ZERO : 0), 0);
}

/* Take the lock of the fault's table; false: no table (any more), the access simply faults again (FLT-4). */
static inline bool vmf_lock_pte(struct vm_fault *vmf)
{
	vmf->pte = pte_offset_map_lock(vmf->vma->vm_mm, vmf->pmd, vmf->address, &vmf->ptl);
	return likely(vmf->pte != NULL);
}

/* A new page of VMA's own goes in; consumes the reference. => ptl held, PTE clear and flushed */
static inline void set_new_anon_pte(struct vm_fault *vmf, struct folio *folio, pte_t entry)
{
	folio_add_new_anon_rmap(folio, vmf->vma, vmf->address, RMAP_EXCLUSIVE);
	lru_cache_add(folio);
	set_pte(vmf->pte, entry);
}

/*
 * FLT-*: lock F for the fault. 0: locked. VM_FAULT_RETRY: not, and the mmap lock is dropped; the first time a fault has to
 * wait it waits without it.
 */
vm_fault_t folio_lock_or_retry(struct folio *f, struct vm_fault *vmf);
/* Zero a new large folio; the page that ADDR lies in last, so that it is in the cache (MTHP-9). */
void folio_zero_user(struct folio *folio, unsigned long addr);
/* First touch of a page of a file mapping, by any access. */
vm_fault_t do_fault(struct vm_fault *vmf);
/* A write (or an unshare request, COW-12) to a present read-only PTE. => ptl held on entry, dropped */
vm_fault_t do_wp_page(struct vm_fault *vmf);

#endif
