/*
 * mm/migrate.c - unmapping a folio for a while: migration entries instead of its mappings, and back (RMAP-12).
 *
 *	PTE ──try_to_migrate──> migration entry: pfn, young, dirty,   ──remove_migration_ptes──> PTE of the same page
 *	                        writable | readable-exclusive | readable                         or of its copy
 *	                              ^
 *	                              └── a fault waits here until the folio is unlocked (MIG-5)
 *
 * While the entries stand nobody can read or write the folio, or get a new reference through a page table. They hold
 * no reference and no mapcount; RSS counts the page all the time. munmap may clear entries, fork copy and mremap move
 * them meanwhile: putting back means looking again, with the same walk, for what is there then.
 *
 * A huge PMD becomes one entry, unless the folio is to be cut; it may be split while it is one, too.
 *
 * Not here: moving the folio (migrate_folio.c), cutting it (split.c).
 * Linux: try_to_migrate() in mm/rmap.c, remove_migration_ptes() in mm/migrate.c.
 */
#include "mm/migrate.h"
#include "arch-x86_64/tlbflush.h"
#include "kernel/trace/pause.h"
#include "mm/huge_memory.h"
#include "mm/mlock.h"
#include "mm/swap.h"

/* ---- Mappings to entries ---- */

/* PTEs taken out with one TLB flush. */
#define UNMAP_BATCH 64

struct unmap_batch {
	pte_t old[UNMAP_BATCH];		/* A and D are final */
	unsigned int nr;
};

/*
 * Take out the PTEs from the one stood on that map consecutive pages, and flush them everywhere: what CPUs wrote
 * into the pages and into A and D is there now, and no more comes. With OWED a CPU may write until the flush at the end of
 * the batch, if D is set already (try_to_unmap.c says why only then). => ptl held, so nobody sees the gap
 */
static void clear_batch(struct page_vma_mapped_walk *pvmw, struct unmap_batch *b, bool owed)
{
	unsigned long addr = pvmw->address, max = UNMAP_BATCH;

	max = min(max, (pvmw->vma->vm_end - addr) >> PAGE_SHIFT);
	max = min(max, (unsigned long)PTRS_PER_TABLE - pte_index(addr));
	b->nr = folio_pte_batch(pvmw->folio, pvmw->pte, ptep_get(pvmw->pte), max);
	for (unsigned int i = 0; i < b->nr; i++)
		b->old[i] = ptep_get_and_clear(pvmw->pte + i);
	if (owed)
		owe_flush(pvmw->vma->vm_mm, true);
	else
		flush_tlb_range(pvmw->vma, addr, addr + ((unsigned long)b->nr << PAGE_SHIFT));
}

static unsigned int entry_type(bool writable, bool exclusive)
{
	return writable ? SWP_MIGRATION_WRITE : exclusive ? SWP_MIGRATION_READ_EXCLUSIVE : SWP_MIGRATION_READ;
}

static pte_t entry_for(pte_t old, bool exclusive)
{
	return swp_entry_to_pte(make_migration_entry(entry_type(pte_write(old), exclusive), pte_pfn(old), pte_young(old),
						     pte_dirty(old)));
}

/* The entry for one PTE that was taken out. False: it must stay mapped (PIN-7). */
static bool set_entry(struct folio *f, pte_t *pte, pte_t old)
{
	struct page *page = pfn_to_page(pte_pfn(old));
	bool exclusive = folio_test_anon(f) && PageAnonExclusive(page);

	if (exclusive && folio_try_share_anon_rmap_pte(f, page))
		return false;
	/* Should the entry be zapped, a file must still hear of what was written. */
	if (pte_dirty(old) && !folio_test_anon(f))
		folio_set_dirty(f);
	set_pte(pte, entry_for(old, exclusive));
	return true;
}

/* One run of PTEs becomes entries; PVMW stands on its last PTE afterwards. False: a page is pinned. */
static bool unmap_batch(struct page_vma_mapped_walk *pvmw, bool owed)
{
	struct folio *f = pvmw->folio;
	struct page *first = pfn_to_page(pte_pfn(ptep_get(pvmw->pte)));
	struct unmap_batch b;
	unsigned int done = 0;

	clear_batch(pvmw, &b, owed);
	while (done < b.nr && set_entry(f, pvmw->pte + done, b.old[done]))
		done++;
	for (unsigned int i = done; i < b.nr; i++)
		set_pte(pvmw->pte + i, b.old[i]);
	if (done) {
		folio_remove_rmap_ptes(f, first, (int)done, pvmw->vma);
		folio_put_refs(f, (int)done);
	}
	if (unlikely(pvmw->vma->vm_flags & VM_LOCKED))
		mlock_drain_local();	/* the batch's reference would look like a stranger's */
	pvmw->pte += b.nr - 1;
	pvmw->address += (unsigned long)(b.nr - 1) << PAGE_SHIFT;
	return done == b.nr;
}

/* The huge PMD stood on becomes an entry. It is huge all the time until then: none would be passed over. False: pinned. */
static bool unmap_pmd(struct page_vma_mapped_walk *pvmw)
{
	struct folio *f = pvmw->folio;
	bool exclusive = PageAnonExclusive(&f->page);
	pmd_t old = pmdp_invalidate(pvmw->vma, pvmw->address, pvmw->pmd);

	if (exclusive && folio_try_share_anon_rmap_pmd(f, &f->page)) {
		set_pmd(pvmw->pmd, old);
		return false;
	}
	set_pmd(pvmw->pmd, swp_entry_to_pmd(make_migration_entry(entry_type(pmd_write(old), exclusive), pmd_pfn(old),
								 pmd_young(old), pmd_dirty(old))));
	folio_remove_rmap_pmd(f, &f->page, pvmw->vma);
	folio_put(f);
	if (unlikely(pvmw->vma->vm_flags & VM_LOCKED))
		mlock_drain_local();
	return true;
}

static bool unmap_one(struct folio *f, struct vm_area_struct *vma, unsigned long addr, void *arg)
{
	struct page_vma_mapped_walk pvmw = { .folio = f, .vma = vma, .address = addr };
	const unsigned int *flags = arg;

	pause_point("migrate_walk");
	while (page_vma_mapped_walk(&pvmw)) {
		if (!pvmw.pte && !(*flags & TTU_SPLIT_HUGE_PMD)) {
			if (!unmap_pmd(&pvmw)) {
				page_vma_mapped_walk_done(&pvmw);
				return false;
			}
		} else if (!pvmw.pte) {
			split_huge_pmd_locked(vma, pvmw.address, pvmw.pmd);
			page_vma_mapped_walk_restart(&pvmw);
		} else if (!unmap_batch(&pvmw, *flags & TTU_BATCH_FLUSH)) {
			page_vma_mapped_walk_done(&pvmw);
			return false;
		}
	}
	return true;
}

void try_to_migrate(struct folio *f, unsigned int flags)
{
	struct rmap_walk w = { .arg = &flags, .one = unmap_one, .rmap_locked = flags & TTU_RMAP_LOCKED };

	KASSERT(folio_test_locked(f), "RMAP-12");
	folio_begin_unmapping(f);
	rmap_walk(f, &w);
}

/* ---- Entries to mappings ---- */

struct restore {
	struct folio *src;	/* the entries name its pages */
	unsigned int flags;
};

/* The page's frame gives memory back if it holds nothing (SPLIT-8). True: the zero page is mapped instead. */
static bool map_zero_page(struct page_vma_mapped_walk *pvmw, struct folio *f)
{
	struct vm_area_struct *vma = pvmw->vma;

	if (folio_test_large(f) || !folio_test_anon(f) || folio_test_mlocked(f) || (vma->vm_flags & VM_LOCKED))
		return false;
	if (!page_is_zero_filled(&f->page))
		return false;
	set_pte(pvmw->pte, pte_mkspecial(pfn_pte(page_to_pfn(zero_page), vma->vm_page_prot)));
	add_mm_counter(vma->vm_mm, MM_ANONPAGES, -1);
	return true;
}

/* How many entries from the one stood on name consecutive pages that are exclusive as it is, or not. */
static unsigned int entry_batch(const struct page_vma_mapped_walk *pvmw, swp_entry_t first)
{
	unsigned long pfn = migration_entry_pfn(first);
	unsigned long max = folio_pfn(pvmw->folio) + folio_nr_pages(pvmw->folio) - pfn;
	unsigned int nr = 1;

	max = min(max, (pvmw->vma->vm_end - pvmw->address) >> PAGE_SHIFT);
	max = min(max, (unsigned long)PTRS_PER_TABLE - pte_index(pvmw->address));
	for (; nr < max; nr++) {
		pte_t pte = ptep_get(pvmw->pte + nr);
		swp_entry_t e = pte_to_swp_entry(pte);

		if (!is_pte_migration_entry(pte) || migration_entry_pfn(e) != pfn + nr ||
		    is_readable_migration_entry(e) != is_readable_migration_entry(first))
			break;
	}
	return nr;
}

static pte_t pte_for(struct vm_area_struct *vma, struct page *page, swp_entry_t e)
{
	pte_t pte = pfn_pte(page_to_pfn(page), READ_ONCE(vma->vm_page_prot));

	if (!is_migration_entry_young(e))
		pte = pte_mkold(pte);
	if (is_migration_entry_dirty(e))
		pte = pte_mkdirty(pte);
	/* mprotect takes the right away from entries, too; if it is just about to, its walk comes by here. */
	return is_writable_migration_entry(e) ? maybe_mkwrite(pte, vma) : pte_wrprotect(pte);
}

/* One run of entries becomes PTEs of DST; PVMW stands on its last one afterwards. */
static void restore_batch(struct page_vma_mapped_walk *pvmw, struct folio *dst)
{
	swp_entry_t first = pte_to_swp_entry(ptep_get(pvmw->pte));
	struct page *page = folio_page(dst, migration_entry_pfn(first) - folio_pfn(pvmw->folio));
	int nr = (int)entry_batch(pvmw, first);

	folio_ref_add(dst, nr);
	if (folio_test_anon(dst))
		folio_add_anon_rmap_ptes(dst, page, nr, pvmw->vma, pvmw->address,
					 is_readable_migration_entry(first) ? RMAP_NONE : RMAP_EXCLUSIVE);
	else
		folio_add_file_rmap_ptes(dst, page, nr, pvmw->vma);
	for (int i = 0; i < nr; i++)
		set_pte(pvmw->pte + i, pte_for(pvmw->vma, page + i, pte_to_swp_entry(ptep_get(pvmw->pte + i))));
	if (unlikely(pvmw->vma->vm_flags & VM_LOCKED))
		mlock_drain_local();
	pvmw->pte += nr - 1;
	pvmw->address += (unsigned long)(nr - 1) << PAGE_SHIFT;
}

static void restore_pmd(struct page_vma_mapped_walk *pvmw, struct folio *dst)
{
	struct vm_area_struct *vma = pvmw->vma;
	swp_entry_t e = pmd_to_swp_entry(pmdp_get(pvmw->pmd));
	pmd_t pmd = pfn_pmd(folio_pfn(dst), READ_ONCE(vma->vm_page_prot));

	KASSERT(folio_test_pmd_mappable(dst), "RMAP-12");
	if (!is_migration_entry_young(e))
		pmd = pmd_mkold(pmd);
	if (is_migration_entry_dirty(e))
		pmd = pmd_mkdirty(pmd);
	pmd = is_writable_migration_entry(e) ? maybe_pmd_mkwrite(pmd, vma) : pmd_wrprotect(pmd);
	folio_get(dst);
	folio_add_anon_rmap_pmd(dst, &dst->page, vma, pvmw->address,
				is_readable_migration_entry(e) ? RMAP_NONE : RMAP_EXCLUSIVE);
	set_pmd(pvmw->pmd, pmd);
	if (unlikely(vma->vm_flags & VM_LOCKED))
		mlock_drain_local();
}

static bool restore_one(struct folio *dst, struct vm_area_struct *vma, unsigned long addr, void *arg)
{
	const struct restore *r = arg;
	struct page_vma_mapped_walk pvmw = {
		.folio = r->src, .vma = vma, .address = addr, .flags = PVMW_MIGRATION,
	};

	while (page_vma_mapped_walk(&pvmw)) {
		if (!pvmw.pte)
			restore_pmd(&pvmw, dst);
		else if (!(r->flags & RMP_USE_ZERO) || !map_zero_page(&pvmw, dst))
			restore_batch(&pvmw, dst);
	}
	return true;
}

void remove_migration_ptes(struct folio *src, struct folio *dst, unsigned int flags)
{
	struct restore r = { .src = src, .flags = flags };
	struct rmap_walk w = { .arg = &r, .one = restore_one, .rmap_locked = flags & RMP_LOCKED };

	KASSERT(folio_test_locked(src) && folio_test_locked(dst), "RMAP-12");
	/* Of an unmapped anonymous folio only who holds it knows that the anon_vma lives (RMAP-4). */
	KASSERT(!folio_test_anon(dst) || (flags & RMP_LOCKED), "RMAP-12");
	folio_begin_unmapping(dst);
	rmap_walk(dst, &w);
	folio_end_unmapping(dst);
}

/* ---- Waiting ---- */

void migration_entry_wait(struct mm_struct *mm, pmd_t *pmd, unsigned long addr)
{
	spinlock_t *ptl;
	pte_t *pte = pte_offset_map_lock(mm, pmd, addr, &ptl);
	pte_t val;

	if (!pte)
		return;
	val = ptep_get(pte);
	if (is_pte_migration_entry(val))
		migration_entry_wait_on_locked(page_folio(migration_entry_to_page(pte_to_swp_entry(val))), ptl);
	else
		pte_unmap_unlock(pte, ptl);
}

vm_fault_t pmd_migration_entry_wait(pmd_t *pmd)
{
	spinlock_t *ptl = pmd_lockptr(pmd);
	pmd_t val;

	spin_lock(ptl);
	val = pmdp_get(pmd);
	if (is_pmd_migration_entry(val))
		migration_entry_wait_on_locked(page_folio(migration_entry_to_page(pmd_to_swp_entry(val))), ptl);
	else
		spin_unlock(ptl);
	return 0;
}
