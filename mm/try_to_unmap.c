/*
 * mm/try_to_unmap.c - taking a folio out of all page tables, so that reclaim can write it out or free it
 * (RCL-16, RCL-17).
 *
 *	anonymous	PTE ──> swap entry of its slot, with the EXCLUSIVE marker if the page was (SWAP-4, SWAP-5)
 *	lazily free	PTE ──> none, if nobody has written since MADV_FREE; else it is ordinary memory again (SWAP-21)
 *	shmem		PTE ──> none: the page cache knows where it is
 *
 * Whoever isolated a lazily freeable folio has to count it as the other kind if it has become ordinary
 * (RCL-2).
 *
 * Not every mapping goes: one in a VM_LOCKED VMA stays, and so does a page that may be pinned. The caller
 * sees by folio_mapped whether it got all.
 *
 * Flushing a TLB for each page would cost more than all the rest, so the flush is put off until the end of
 * the batch, before anything is written or freed. A CPU may use the page until then. It cannot dirty it
 * unseen: a PTE that was clean when it was cleared makes the CPU look at the table before the first write,
 * and it finds nothing. One that was dirty is noted, and flushed before the disk reads the page. What nobody
 * may see is a system call that took the mapping away and has returned: whoever changes these tables himself
 * flushes for us first (flush_tlb_batched_pending).
 *
 * Linux: mm/rmap.c; the functions bear its names.
 */
#include "arch-x86_64/tlbflush.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/pause.h"
#include "mm/huge_memory.h"
#include "mm/lru.h"
#include "mm/rmap.h"
#include "mm/swap.h"
#include "mm/vmstat.h"

/* PTEs taken out in one step. */
#define UNMAP_BATCH 64

/* ---- Flushes that are owed ---- */

void owe_flush(struct mm_struct *mm, bool dirty)
{
	smp_mb();		/* the clearing before the reading of the mask: see tlb.c */
	current->tlb_ubc.cpus |= READ_ONCE(mm->cpu_bitmap);
	current->tlb_ubc.dirty |= dirty;
	atomic_inc(&mm->tlb_flush_batched);
}

void try_to_unmap_flush(void)
{
	unsigned long cpus = current->tlb_ubc.cpus;

	if (!cpus)
		return;
	pause_point("unmap_flush");
	current->tlb_ubc.cpus = 0;
	current->tlb_ubc.dirty = false;
	flush_tlb_cpus(cpus);
	pause_point("unmap_flushed");
}

void try_to_unmap_flush_dirty(void)
{
	if (current->tlb_ubc.dirty)
		try_to_unmap_flush();
}

void flush_tlb_batched_pending(struct mm_struct *mm)
{
	int owed = atomic_read(&mm->tlb_flush_batched);

	if (likely(owed == READ_ONCE(mm->tlb_flushed_batched)))
		return;
	flush_tlb_mm(mm);
	/* What was put off since then has another number, and another table lock. */
	WRITE_ONCE(mm->tlb_flushed_batched, owed);
}

/* ---- One run of PTEs ---- */

struct unmap {
	unsigned int flags;		/* TTU_* */
	struct page_vma_mapped_walk pvmw;
	struct page *page;		/* the first of the run */
	pte_t old[UNMAP_BATCH];
	unsigned int nr;
	bool dirty;			/* one of them */
};

/*
 * Clear the run that the walk stands on; A and D are final, but for CPUs that need not look them up. => ptl
 * held
 */
static void clear_run(struct unmap *u)
{
	struct page_vma_mapped_walk *w = &u->pvmw;
	unsigned long max = UNMAP_BATCH, addr = w->address;

	max = min(max, (w->vma->vm_end - addr) >> PAGE_SHIFT);
	max = min(max, (unsigned long)PTRS_PER_TABLE - pte_index(addr));
	u->page = pfn_to_page(pte_pfn(ptep_get(w->pte)));
	u->nr = folio_pte_batch(w->folio, w->pte, ptep_get(w->pte), (unsigned int)max);
	u->dirty = false;
	for (unsigned int i = 0; i < u->nr; i++) {
		u->old[i] = ptep_get_and_clear(w->pte + i);
		u->dirty |= pte_dirty(u->old[i]);
	}
	/* The young bit tells nothing of TLBs: it is cleared without a flush (RCL-5). */
	if (u->flags & TTU_BATCH_FLUSH)
		owe_flush(w->vma->vm_mm, u->dirty);
	else
		flush_tlb_range(w->vma, addr, addr + ((unsigned long)u->nr << PAGE_SHIFT));
	if (u->dirty)
		folio_set_dirty(w->folio);
}

/* PTEs from I on stay as they were. False. */
static bool restore_from(struct unmap *u, unsigned int i)
{
	for (; i < u->nr; i++)
		set_pte(u->pvmw.pte + i, u->old[i]);
	return false;
}

/* SWAP-21. False: it is needed, or somebody may be just using it. */
static bool discard_lazyfree(struct unmap *u)
{
	struct folio *f = u->pvmw.folio;

	/* Against GUP, which raises the references and reads the PTE again: one of us sees the other. */
	smp_mb();
	if (folio_test_dirty(f)) {
		folio_set_swapbacked(f);
		return restore_from(u, 0);
	}
	if (folio_ref_count(f) != 1 + folio_mapcount(f))
		return restore_from(u, 0);
	add_mm_counter(u->pvmw.vma->vm_mm, MM_ANONPAGES, -(long)u->nr);
	return true;
}

/* The same for a huge PMD, which goes as a whole. Its table in reserve goes with it. => PMD lock held */
static bool discard_lazyfree_pmd(struct unmap *u)
{
	struct page_vma_mapped_walk *w = &u->pvmw;
	unsigned long addr = w->address & PMD_MASK;
	struct mm_struct *mm = w->vma->vm_mm;
	struct folio *f = w->folio;
	pmd_t old = pmdp_huge_get_and_clear(w->pmd);

	flush_tlb_range(w->vma, addr, addr + PMD_SIZE);
	if (pmd_dirty(old))
		folio_set_dirty(f);
	smp_mb();
	if (folio_test_dirty(f) || folio_ref_count(f) != 1 + folio_mapcount(f)) {
		set_pmd(w->pmd, old);
		if (folio_test_dirty(f))
			folio_set_swapbacked(f);
		return false;
	}
	pte_free(mm, pgtable_trans_huge_withdraw(mm, w->pmd));
	add_mm_counter(mm, MM_ANONPAGES, -HPAGE_PMD_NR);
	folio_remove_rmap_pmd(f, &f->page, w->vma);
	folio_put(f);
	return true;
}

/* SWAP-4, 5: entries for the run. Sets u->nr to how many became entries; false: not all. */
static bool set_swap_entries(struct unmap *u)
{
	struct page_vma_mapped_walk *w = &u->pvmw;
	struct folio *f = w->folio;
	swp_entry_t first = { f->swap.val + folio_page_idx(f, u->page) };
	unsigned int done;
	bool all;

	if (swap_duplicate_nr(first, (int)u->nr)) {
		restore_from(u, 0);
		u->nr = 0;
		return false;
	}
	for (done = 0; done < u->nr; done++) {
		bool exclusive = PageAnonExclusive(u->page + done);
		pte_t entry = swp_entry_to_pte((swp_entry_t){ first.val + done });

		if (exclusive && folio_try_share_anon_rmap_pte(f, u->page + done))
			break;
		set_pte(w->pte + done, exclusive ? pte_swp_mkexclusive(entry) : entry);
	}
	if (done < u->nr) {
		restore_from(u, done);
		swap_free_nr((swp_entry_t){ first.val + done }, (int)(u->nr - done));
	}
	add_mm_counter(w->vma->vm_mm, MM_ANONPAGES, -(long)done);
	add_mm_counter(w->vma->vm_mm, MM_SWAPENTS, done);
	all = done == u->nr;
	u->nr = done;
	return all;
}

/*
 * The run that the walk stands on; afterwards it stands on its last PTE. False: give the folio up. => ptl
 * held
 */
static bool unmap_run(struct unmap *u)
{
	struct page_vma_mapped_walk *w = &u->pvmw;
	struct folio *f = w->folio;
	unsigned int run;
	bool all = true;

	clear_run(u);
	run = u->nr;
	if (!folio_test_anon(f)) {
		add_mm_counter(w->vma->vm_mm, mm_counter_file(f), -(long)run);
	} else if (!folio_test_swapbacked(f)) {
		if (!discard_lazyfree(u))
			return false;
	} else {
		all = set_swap_entries(u);
	}
	if (u->nr) {
		folio_remove_rmap_ptes(f, u->page, (int)u->nr, w->vma);
		folio_put_refs(f, (int)u->nr);
	}
	w->pte += run - 1;
	w->address += (unsigned long)(run - 1) << PAGE_SHIFT;
	return all;
}

/* ---- All of them ---- */

static bool unmap_one(struct folio *f, struct vm_area_struct *vma, unsigned long addr, void *arg)
{
	struct unmap *u = arg;
	bool all;

	pause_point("unmap_walk");
	if ((vma->vm_flags & VM_LOCKED) && !(u->flags & TTU_IGNORE_MLOCK))
		return true;		/* MLK-8: these stay, others may go */
	u->pvmw = (struct page_vma_mapped_walk){ .folio = f, .vma = vma, .address = addr };
	while (page_vma_mapped_walk(&u->pvmw)) {
		if (!u->pvmw.pte && !folio_test_swapbacked(f)) {
			all = discard_lazyfree_pmd(u);
			page_vma_mapped_walk_done(&u->pvmw);
			return all;
		} else if (!u->pvmw.pte) {
			split_huge_pmd_locked(vma, u->pvmw.address, u->pvmw.pmd);
			page_vma_mapped_walk_restart(&u->pvmw);
		} else if (!unmap_run(u)) {
			page_vma_mapped_walk_done(&u->pvmw);
			return false;
		}
	}
	return true;
}

void try_to_unmap(struct folio *f, unsigned int flags)
{
	struct unmap u = { .flags = flags };
	struct rmap_walk w = { .one = unmap_one, .arg = &u };

	KASSERT(folio_test_locked(f), "RCL-16");
	KASSERT(!folio_test_anon(f) || folio_test_swapcache(f) || !folio_test_swapbacked(f), "RCL-16");
	folio_begin_unmapping(f);
	rmap_walk(f, &w);
	folio_end_unmapping(f);
}
