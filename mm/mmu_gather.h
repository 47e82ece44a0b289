/*
 * mm/mmu_gather.h - unmapping many pages with few TLB flushes.
 *
 *	clear PTEs, collect pages ──> flush every CPU that may cache the mm ──> only now free pages and tables
 *
 * A page whose PTE is cleared may still be written through another CPU's TLB, so it must not be anybody
 * else's until the flush is done. A table may also be read by lockless walkers: it waits for them too
 * (LOCK-7).
 */
#ifndef MM_MMU_GATHER_H
#define MM_MMU_GATHER_H

#include "mm/memory.h"

#define MMU_GATHER_LOCAL 16
#define MMU_GATHER_MAX	 (PAGE_SIZE / sizeof(struct gathered))

struct gathered { struct folio *folio; unsigned long nr; };	/* NR references to drop */

struct mmu_gather {
	struct mm_struct *mm;
	unsigned long start, end;	/* what needs a flush; start >= end: nothing */
	bool fullmm;			/* the last user is gone: no CPU has the tables loaded */
	bool overflow;			/* the batch is full: flush before more is added */
	struct page *tables;		/* unlinked tables, through page->pmd_huge_pte */
	struct gathered *batch;		/* local, or a frame of its own */
	unsigned int nr, max;
	struct gathered local[MMU_GATHER_LOCAL];
};

/* Begin. FULLMM: exit_mmap. => mmap lock (or an rmap lock) held until tlb_finish_mmu */
void tlb_gather_mmu(struct mmu_gather *tlb, struct mm_struct *mm, bool fullmm);
/* Flush, free all that was collected, go on. => no ptlock held; may be slow, does not sleep */
void tlb_flush_mmu(struct mmu_gather *tlb);
void tlb_finish_mmu(struct mmu_gather *tlb);

/* Entries of [ADDR, ADDR + SIZE) were cleared, or lost rights. */
static inline void tlb_flush_range_later(struct mmu_gather *tlb, unsigned long addr, unsigned long size)
{
	if (addr < tlb->start)
		tlb->start = addr;
	if (addr + size > tlb->end)
		tlb->end = addr + size;
}
/* The PTE of ADDR was cleared. */
static inline void tlb_remove_tlb_entry(struct mmu_gather *tlb, unsigned long addr)
{
	tlb_flush_range_later(tlb, addr, PAGE_SIZE);
}
/*
 * Mappings of FOLIO by NR references went (NR PTEs, or 1 for a PMD): drop the references later. True: flush before
 * the next call.
 */
bool __tlb_grow(struct mmu_gather *tlb);
static inline bool tlb_remove_folio_pages(struct mmu_gather *tlb, struct folio *folio, unsigned long nr)
{
	tlb->batch[tlb->nr++] = (struct gathered){ folio, nr };
	return unlikely(tlb->nr == tlb->max) && __tlb_grow(tlb);
}
/* A table, unlinked by the caller, covering addresses from ADDR. */
void tlb_remove_table(struct mmu_gather *tlb, struct page *table, unsigned long addr);

#endif
