/*
 * mm/mmu_gather.c - see mmu_gather.h: flush first, free afterwards.
 *
 * Up to 16 folios are remembered on the stack, then a frame holds 256 (so that a stack frame suffices for
 * small unmaps, and a flush is shared by 1 MiB of small pages in large ones). No frame to be had: flush
 * more often. Linux: mm/mmu_gather.c, which chains several frames.
 */
#include "mm/mmu_gather.h"
#include "arch-x86_64/tlbflush.h"
#include "kernel/sched/sched.h"
#include "mm/lru.h"
#include "mm/swap.h"

static void reset_range(struct mmu_gather *tlb)
{
	tlb->start = ~0UL;
	tlb->end = 0;
}

void tlb_gather_mmu(struct mmu_gather *tlb, struct mm_struct *mm, bool fullmm)
{
	tlb->mm = mm;
	tlb->fullmm = fullmm;
	tlb->overflow = false;
	tlb->tables = NULL;
	tlb->batch = tlb->local;
	tlb->nr = 0;
	tlb->max = MMU_GATHER_LOCAL;
	reset_range(tlb);
	atomic_inc(&mm->tlb_flush_pending);
}

bool __tlb_grow(struct mmu_gather *tlb)
{
	struct gathered *frame;

	if (tlb->batch == tlb->local) {
		frame = (struct gathered *)__get_free_pages(GFP_NOWAIT, 0);
		if (frame) {
			for (unsigned int i = 0; i < tlb->nr; i++)
				frame[i] = tlb->local[i];
			tlb->batch = frame;
			tlb->max = MMU_GATHER_MAX;
			return false;
		}
	}
	tlb->overflow = true;
	return true;
}

/*
 * Tables go after the flush (no CPU's walker caches an upper entry that leads to them) and after every CPU
 * was seen with interrupts on (LOCK-7): a lockless walk of this mm can run only in one of its own threads.
 */
static void free_tables(struct mmu_gather *tlb)
{
	struct page *table = tlb->tables;

	if (!table)
		return;
	if (!tlb->fullmm && atomic_read(&tlb->mm->mm_users) > 1)
		tlb_remove_table_sync();
	while (table) {
		struct page *next = table->pmd_huge_pte;

		pte_table_free(table);
		table = next;
	}
	tlb->tables = NULL;
}

void tlb_flush_mmu(struct mmu_gather *tlb)
{
	if (!tlb->fullmm && tlb->start < tlb->end)
		flush_tlb_mm_range(tlb->mm, tlb->start, tlb->end);
	for (unsigned int i = 0; i < tlb->nr; i++)
		if (unlikely(folio_test_swapcache(tlb->batch[i].folio)))
			free_swap_cache(tlb->batch[i].folio);
	folios_put_gathered(tlb->batch, tlb->nr);
	tlb->nr = 0;
	tlb->overflow = false;
	free_tables(tlb);
	reset_range(tlb);
}

void tlb_remove_table(struct mmu_gather *tlb, struct page *table, unsigned long addr)
{
	tlb_remove_tlb_entry(tlb, addr);
	table->pmd_huge_pte = tlb->tables;
	tlb->tables = table;
	atomic_long_sub(PAGE_SIZE, &tlb->mm->pgtables_bytes);
}

void tlb_finish_mmu(struct mmu_gather *tlb)
{
	/*
	 * Another zap may have cleared entries of our range and not flushed them yet: we found them empty, but
	 * our caller must not return while a CPU can still use them.
	 */
	if (!tlb->fullmm && atomic_read(&tlb->mm->tlb_flush_pending) > 1) {
		tlb->start = 0;
		tlb->end = TLB_FLUSH_ALL;
	}
	tlb_flush_mmu(tlb);
	atomic_dec(&tlb->mm->tlb_flush_pending);
	if (tlb->batch != tlb->local)
		free_page(tlb->batch);
}
