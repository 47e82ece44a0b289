/*
 * mm/collapse.c - a table of 512 PTEs makes way for one huge PMD (KHP-16..26).
 *
 *	phase		mmap lock	others may meanwhile
 *	A allocate	none		anything: exit, munmap, mmap something else there
 *	B look again	read		fault, be swapped out
 *	C swap in	read, dropped	the same
 *	  (none)	none		anything
 *	D look again	write		walk the rmap; pin without a lock
 *	E  cleared	write, anon_vma	nothing: the PMD is none, every CPU was seen since
 *	   copied	write		wait for the locks of the folios
 *
 *	PMD ──> table ──> 512 pages	PMD ──> none		PMD ──> 2 MiB folio
 *					  table, isolated	   (table deposited, pages freed)
 *
 * After each time without the mmap lock all that was known is forgotten: VMA and PMD are looked up and judged
 * afresh. Comparing the VMA's address with the old one would prove nothing (KHP-22). The expensive steps,
 * memory and disk, come before the write lock (LOCK-11). In E nobody can reach a page through this table any
 * more: faults wait for the mmap lock, rmap walkers for the anon_vma lock (KHP-25), and lockless pinners find
 * the PMD changed (PIN-7 B4).
 *
 * Sources are copied, whatever they are: small folios, parts of large ones, pages that a relative maps, too.
 *
 * Rejected: holding the mmap lock for writing from the start, which blocks the whole process while a disk is
 * read; a sequence number for each PMD, which every fault would have to read (KHP-24). Left out: charges,
 * machine checks while copying, per-VMA locks. Linux: collapse_huge_page() in mm/khugepaged.c.
 */
#include "mm/collapse.h"
#include "arch-x86_64/smp.h"
#include "arch-x86_64/tlbflush.h"
#include "kernel/trace/control.h"
#include "kernel/trace/fail.h"
#include "kernel/trace/pause.h"
#include "mm/lru.h"
#include "mm/migrate.h"
#include "mm/mlock.h"
#include "mm/mmu_gather.h"
#include "mm/swap.h"
#include "mm/trace_huge.h"
#include "mm/vmstat.h"

/* ---- Tables that are away for a moment, for the checker ---- */

#ifndef RELEASE
static LIST_HEAD(detached);
static DEFINE_SPINLOCK(detached_lock);

static void note_detached(struct collapse *c)
{
	spin_lock(&detached_lock);
	list_add(&c->link, &detached);
	spin_unlock(&detached_lock);
}

static void forget_detached(struct collapse *c)
{
	spin_lock(&detached_lock);
	list_del(&c->link);
	spin_unlock(&detached_lock);
}

pmd_t collapse_detached_pmd(const struct mm_struct *mm, unsigned long addr)
{
	struct collapse *c;

	list_for_each_entry(c, &detached, link)
		if (c->mm == mm && c->start == addr)
			return c->old;
	return __pmd(0);
}
#else
static void note_detached(struct collapse *c) { }
static void forget_detached(struct collapse *c) { }
#endif

/* ---- Looking again ---- */

enum scan_result hugepage_vma_revalidate(struct mm_struct *mm, unsigned long addr,
					 struct vm_area_struct **vma, struct collapse_control *cc)
{
	enum tva_type type = cc->is_khugepaged ? TVA_KHUGEPAGED : TVA_FORCED_COLLAPSE;
	const unsigned long gone = BIT(MMF_DISABLE_THP) | BIT(MMF_OOM_REAPED);

	if (!atomic_read(&mm->mm_users) || (READ_ONCE(mm->flags) & gone))
		return SCAN_ANY_PROCESS;
	*vma = find_vma(mm, addr);
	if (!*vma)
		return SCAN_VMA_NULL;
	/* KHP-23: it may start above ADDR. */
	if (!thp_vma_suitable_orders(*vma, addr, BIT(HPAGE_PMD_ORDER)))
		return SCAN_ADDRESS_RANGE;
	if (!thp_vma_allowable_orders(*vma, (*vma)->vm_flags, type, BIT(HPAGE_PMD_ORDER)))
		return SCAN_VMA_CHECK;
	if (!vma_is_anonymous(*vma) || !READ_ONCE((*vma)->anon_vma))
		return SCAN_PAGE_ANON;
	return SCAN_SUCCEED;
}

/* ---- Phases A to C ---- */

/* => no lock held; may sleep long */
static enum scan_result alloc_folio(struct collapse *c)
{
	bool hard = !c->cc->is_khugepaged || READ_ONCE(khugepaged_defrag);

	c->folio = folio_alloc(hard ? GFP_TRANSHUGE : GFP_TRANSHUGE_LIGHT, HPAGE_PMD_ORDER);
	count_vm_event(c->folio ? THP_COLLAPSE_ALLOC : THP_COLLAPSE_ALLOC_FAILED);
	return c->folio ? SCAN_SUCCEED : SCAN_ALLOC_HUGE_PAGE_FAIL;
}

/*
 * One page comes in as if the process had touched it; pswpin and pgmajfault count, but no process's faults.
 * => mmap lock held for reading, dropped if the result is RETRY
 */
static vm_fault_t swapin_page(struct collapse *c, unsigned long addr, pte_t entry)
{
	struct vm_fault vmf = {
		.vma = c->vma,
		.address = addr,
		.real_address = addr,
		.pgoff = linear_page_index(c->vma, addr),
		.flags = variant_is(VARIANT_WRITE_LOCK_SWAPIN) ? 0 : FAULT_FLAG_ALLOW_RETRY,
		.gfp = GFP_HIGHUSER_MOVABLE,
		.pmd = c->pmd,
		.orig_pmd = pmdp_get(c->pmd),
		.orig_pte = entry,
	};

	if (!is_pte_migration_entry(entry))
		return do_swap_page(&vmf);
	migration_entry_wait(c->mm, c->pmd, addr);
	return 0;
}

/*
 * The patch of 2016 (T-KHP-7): the lock is taken again, and what find_vma() returns is the VMA from before if
 * it has its address. Where that is wrong (another mapping in the memory of the old one's VMA) the collapse
 * is aborted here; the patch went on.
 * => no lock held; afterwards the mmap lock, for reading
 */
static enum scan_result retake_by_pointer(struct collapse *c)
{
	const struct vm_area_struct *old = c->vma;

	mmap_read_lock(c->mm);
	if (find_vma(c->mm, c->start) != old)
		return SCAN_PAGE_LOCK;
	if (hugepage_vma_revalidate(c->mm, c->start, &c->vma, c->cc) != SCAN_SUCCEED)
		return SCAN_SCAN_ABORT;
	return collapse_find_pmd(c->mm, c->start, &c->pmd);
}

/*
 * KHP-18: all that is swapped out comes in. *SWAPPED_IN: how many; *LOCKED: the mmap lock is still held; *MOVED: this ran
 * on more than one CPU.
 */
static enum scan_result swapin_pages(struct collapse *c, int *swapped_in, bool *locked, bool *moved)
{
	int cpu = (int)smp_processor_id();

	for (unsigned long addr = c->start; addr < c->start + PMD_SIZE; addr += PAGE_SIZE) {
		/* Each time from the top: the fault before may have slept. */
		pte_t *pte = pte_offset_map(c->pmd, addr), val;
		enum scan_result r;
		vm_fault_t ret;

		if (!pte)
			return SCAN_NO_PTE_TABLE;
		val = ptep_get(pte);
		if (pte_none(val) || pte_present(val))
			continue;
		ret = swapin_page(c, addr, val);
		if (ret & VM_FAULT_RETRY) {
			*locked = false;
			pause_point("collapse_swapin");
			if (!variant_is(VARIANT_VMA_POINTER_COMPARE))
				return SCAN_PAGE_LOCK;
			*locked = true;
			r = retake_by_pointer(c);
			if (r != SCAN_SUCCEED)
				return r;
			continue;
		}
		if (ret & VM_FAULT_ERROR)
			return SCAN_FAIL;
		++*swapped_in;
		*moved |= (int)smp_processor_id() != cpu;
	}
	return SCAN_SUCCEED;
}

static enum scan_result swapin(struct collapse *c, bool *locked)
{
	int swapped_in = 0;
	bool moved = false;
	enum scan_result r = swapin_pages(c, &swapped_in, locked, &moved);

	/* A batch's reference would look like a pin; the pages are in those of the CPUs that this ran on. */
	if (r == SCAN_SUCCEED && swapped_in && !fail_here("collapse_drain", 0)) {
		if (moved)
			lru_add_drain_all();
		else
			lru_add_drain();
	}
	trace_mm_collapse_huge_page_swapin(c->mm, swapped_in, (int)c->scanned->referenced, (int)r);
	return r;
}

/* Phases B and C. => no lock held, before and after */
static enum scan_result bring_in(struct collapse *c)
{
	bool locked = true, writing = variant_is(VARIANT_WRITE_LOCK_SWAPIN);
	enum scan_result r;

	if (writing)
		mmap_write_lock(c->mm);
	else
		mmap_read_lock(c->mm);
	r = hugepage_vma_revalidate(c->mm, c->start, &c->vma, c->cc);
	if (r == SCAN_SUCCEED)
		r = collapse_find_pmd(c->mm, c->start, &c->pmd);
	if (r == SCAN_SUCCEED && c->scanned->unmapped)
		r = swapin(c, &locked);
	if (writing)
		mmap_write_unlock(c->mm);
	else if (locked)
		mmap_read_unlock(c->mm);
	return r;
}

/* ---- The table goes, and comes back ---- */

void collapse_detach_table(struct collapse *c)
{
	spinlock_t *pml = pmd_lockptr(c->pmd);

	spin_lock(pml);
	c->old = pmdp_huge_get_and_clear(c->pmd);
	KASSERT(pmd_table(c->old), "KHP-19");
	flush_tlb_range(c->vma, c->start, c->start + PMD_SIZE);
	note_detached(c);
	spin_unlock(pml);
	c->table = pte_offset_kernel(c->old, c->start);
	c->ptl = pte_lockptr(c->old);
	pause_point("collapse_grace");
	tlb_remove_table_sync();
	pause_point("collapse_cleared");
}

void collapse_reattach_table(struct collapse *c)
{
	spinlock_t *pml = pmd_lockptr(c->pmd);

	spin_lock(pml);
	KASSERT(pmd_none(pmdp_get(c->pmd)), "KHP-21");
	set_pmd(c->pmd, c->old);
	forget_detached(c);
	spin_unlock(pml);
}

/* ---- Isolating the pages ---- */

/* Take the folios of the batch off the LRU. => ptl held */
static enum scan_result isolate_batch(struct collapse *c)
{
	unsigned int n = folios_isolate_lru(c->batch, c->nr_batch), all = c->nr_batch;

	for (unsigned int i = 0; i < all; i++) {
		struct folio *f = c->batch[i];
		bool large = folio_test_large(f);

		if (i >= n) {
			folio_unlock_piece(f);
			if (large)
				folio_put(f);
		} else if (large) {
			list_add_tail(&f->lru, &c->large);
		} else {
			c->nr_small++;
		}
	}
	c->nr_batch = 0;
	return n < all ? SCAN_DEL_PAGE_LRU : SCAN_SUCCEED;
}

static bool taken_before(const struct collapse *c, const struct folio *large)
{
	struct folio *f;

	list_for_each_entry(f, &c->large, lru)
		if (f == large)
			return true;
	return false;
}

/* KHP-20: F is ours alone, or the range is left as it was. => ptl held */
static enum scan_result take_folio(struct collapse *c, struct folio *f)
{
	bool large = folio_test_large(f);

	if (large && taken_before(c, f))
		return SCAN_SUCCEED;
	if (!folio_trylock_untold(f))
		return SCAN_PAGE_LOCK;
	if (folio_expected_ref_count(f) != folio_ref_count(f)) {
		folio_unlock_piece(f);
		return SCAN_PAGE_COUNT;
	}
	/* Its mappings here go bit by bit, and with the last of them their references. */
	if (large)
		folio_get(f);
	c->batch[c->nr_batch++] = f;
	return large || c->nr_batch == COLLAPSE_BATCH ? isolate_batch(c) : SCAN_SUCCEED;
}

/* => ptl held */
static enum scan_result isolate_all(struct collapse *c)
{
	unsigned int end = c->first + c->nr;
	struct pte_tally tally = { 0 };
	enum scan_result r = SCAN_SUCCEED, last;
	struct pte_run run;

	for (unsigned int i = c->first; i < end && r == SCAN_SUCCEED; i += run.nr) {
		run.pte = c->table + i;
		run.addr = c->start + i * PAGE_SIZE;
		run.max = end - i;
		r = collapse_test_run(c->vma, c->cc, &tally, &run, true);
		if (r == SCAN_SUCCEED && c->nr < HPAGE_PMD_NR)
			r = collapse_block_takes(c, &tally, &run);
		if (r == SCAN_SUCCEED && run.folio)
			r = take_folio(c, run.folio);
		if (r == SCAN_SUCCEED && run.folio)
			tally.referenced += collapse_count_referenced(c->cc, &run);
	}
	/* What is left of the batch lies before the PTE that did not pass. */
	last = isolate_batch(c);
	if (last != SCAN_SUCCEED)
		r = last;
	if (r == SCAN_SUCCEED && c->cc->is_khugepaged && !tally.referenced)
		r = SCAN_LACK_REFERENCED_PAGE;
	c->none_or_zero = tally.none_or_zero;
	trace_mm_collapse_huge_page_isolate(tally_pfn(&tally), (int)tally.none_or_zero, (int)tally.referenced,
					    (int)r);
	return r;
}

static struct folio *folio_of_pte(const struct collapse *c, pte_t val)
{
	return pte_none(val) || is_zero_pfn(pte_pfn(val)) ? NULL : page_folio(pfn_to_page(pte_pfn(val)));
}

static void put_back_large(struct collapse *c)
{
	struct folio *f, *next;

	list_for_each_entry_safe(f, next, &c->large, lru) {
		list_del(&f->lru);
		folio_unlock_piece(f);
		if (folio_test_swapcache(f))
			free_swap_cache(f);
		folio_putback_lru(f);
	}
}

/* KHP-21: isolation failed. => ptl held */
static void put_back_small(struct collapse *c)
{
	for (pte_t *pte = c->table + c->first; c->nr_small; pte++) {
		struct folio *f = folio_of_pte(c, ptep_get(pte));

		if (!f || folio_test_large(f))
			continue;
		folio_unlock_piece(f);
		folio_get(f);
		folio_putback_lru(f);
		c->nr_small--;
	}
}

/* KHP-20, the second half. => the table is detached, anon_vma locked for writing */
enum scan_result collapse_isolate(struct collapse *c)
{
	enum scan_result r;

	INIT_LIST_HEAD(&c->large);
	spin_lock(c->ptl);
	r = isolate_all(c);
	if (r != SCAN_SUCCEED)
		put_back_small(c);
	spin_unlock(c->ptl);
	if (r != SCAN_SUCCEED)
		put_back_large(c);
	return r;
}

/* ---- Copying, and giving the sources back ---- */

/* Nobody changes the table or the pages: no lock needed but those held. */
void collapse_copy_pages(struct collapse *c)
{
	char *to = folio_address(c->folio);

	for (unsigned int i = c->first; i < c->first + c->nr; i++, to += PAGE_SIZE) {
		pte_t val = ptep_get(c->table + i);

		if (folio_of_pte(c, val))
			copy_page(to, page_address(pfn_to_page(pte_pfn(val))));
		else
			clear_page(to);
	}
}

/* One reference for NR PTEs, dropped with no lock held. */
struct released {
	struct gathered put[COLLAPSE_BATCH];
	unsigned int nr;
	long unmapped, dying;		/* small folios: last mapping gone; on no list, to be freed */
};

/*
 * A small folio's mapping goes. It is on no list: where nobody else has a reference the caller frees it from
 * there, else it goes back. => ptl held
 */
static void release_small(struct collapse *c, struct folio *f, struct released *rel)
{
	if (unlikely((c->vma->vm_flags & VM_LOCKED) || folio_test_mlocked(f)))
		folio_remove_rmap_ptes(f, &f->page, 1, c->vma);
	else
		rel->unmapped += folio_remove_small_anon_rmap(&f->page);
	folio_unlock_piece(f);
	if (folio_ref_count(f) == 1 && folio_test_swapbacked(f)) {
		rel->dying++;
		return;
	}
	folio_get(f);
	folio_putback_lru(f);
}

/* The PTEs from I on that map one folio, or one that maps nothing; how many. => ptl held */
static unsigned int release_run(struct collapse *c, unsigned int i, struct released *rel)
{
	pte_t *pte = c->table + i, val = ptep_get(pte);
	struct folio *f = folio_of_pte(c, val);
	unsigned int nr = 1;

	if (f && folio_test_large(f))
		nr = folio_pte_batch(f, pte, val, c->first + c->nr - i);
	for (unsigned int k = 0; k < nr; k++)
		set_pte(pte + k, __pte(0));
	if (!f)
		return 1;
	if (folio_test_large(f))
		folio_remove_rmap_ptes(f, pfn_to_page(pte_pfn(val)), (int)nr, c->vma);
	else
		release_small(c, f, rel);
	rel->put[rel->nr++] = (struct gathered){ f, nr };
	return nr;
}

static void flush_released(struct released *rel)
{
	for (unsigned int i = 0; i < rel->nr; i++)
		if (unlikely(folio_test_swapcache(rel->put[i].folio)))
			free_swap_cache(rel->put[i].folio);
	folios_put_gathered(rel->put, rel->nr);
	rel->nr = 0;
}

/* The table is empty afterwards. */
void collapse_release_sources(struct collapse *c)
{
	struct released rel = { .nr = 0 };
	unsigned int i = c->first, end = i + c->nr;

	while (i < end) {
		spin_lock(c->ptl);
		while (i < end && rel.nr < COLLAPSE_BATCH)
			i += release_run(c, i, &rel);
		spin_unlock(c->ptl);
		flush_released(&rel);
	}
	put_back_large(c);
	mod_node_page_state(NR_ANON_MAPPED, -rel.unmapped);
	mod_node_page_state(NR_ISOLATED_ANON, -rel.dying);
	/* The folios in it would count as mlocked until somebody empties it. */
	if (unlikely(c->vma->vm_flags & VM_LOCKED))
		mlock_drain_local();
}

/* KHP-21: the new folio takes the table's place, which stays in reserve (SPLIT-2). */
static void install(struct collapse *c)
{
	spinlock_t *pml = pmd_lockptr(c->pmd);

	spin_lock(pml);
	KASSERT(pmd_none(pmdp_get(c->pmd)), "KHP-21");
	pgtable_trans_huge_deposit(c->mm, c->pmd, pfn_to_page(pmd_pfn(c->old)));
	map_anon_folio_pmd(c->folio, c->pmd, c->vma, c->start);
	add_mm_counter(c->mm, MM_ANONPAGES, c->none_or_zero);
	forget_detached(c);
	spin_unlock(pml);
	c->folio = NULL;
}

/* ---- Phases D and E ---- */

/* => mmap lock held for writing, VMA and PMD just looked up */
static enum scan_result replace_table(struct collapse *c)
{
	struct anon_vma *av = c->vma->anon_vma;
	enum scan_result r;

	pause_point("collapse_anon_vma");
	anon_vma_lock_write(av);
	collapse_detach_table(c);
	r = collapse_isolate(c);
	if (r != SCAN_SUCCEED)
		collapse_reattach_table(c);
	/* The pages are locked and on no list: their walkers will wait, or have given up. */
	anon_vma_unlock_write(av);
	if (r != SCAN_SUCCEED)
		return r;
	pause_point("collapse_isolated");
	collapse_copy_pages(c);
	pause_point("collapse_copied");
	collapse_release_sources(c);
	install(c);
	return SCAN_SUCCEED;
}

/* => no lock held, before and after */
static enum scan_result replace(struct collapse *c)
{
	pmd_t *pmd = c->pmd;
	enum scan_result r;

	pause_point("collapse_upgrade");
	mmap_write_lock(c->mm);
	r = hugepage_vma_revalidate(c->mm, c->start, &c->vma, c->cc);
	if (r == SCAN_SUCCEED)
		r = collapse_find_pmd(c->mm, c->start, &c->pmd);
	else if (variant_is(VARIANT_VMA_POINTER_COMPARE))
		r = SCAN_SCAN_ABORT;	/* the patch of 2016 did not look */
	if (r == SCAN_SUCCEED && c->pmd != pmd)
		r = SCAN_FAIL;
	if (r == SCAN_SUCCEED)
		r = replace_table(c);
	mmap_write_unlock(c->mm);
	return r;
}

enum scan_result collapse_huge_page(struct mm_struct *mm, unsigned long start, const struct pte_tally *tally,
				    struct collapse_control *cc)
{
	struct collapse c = { .mm = mm, .cc = cc, .start = start, .nr = HPAGE_PMD_NR, .scanned = tally };
	enum scan_result r;

	pause_point("collapse_alloc");
	r = alloc_folio(&c);
	if (r == SCAN_SUCCEED)
		r = bring_in(&c);
	if (r == SCAN_SUCCEED)
		r = replace(&c);
	if (c.folio)
		folio_put(c.folio);
	trace_mm_collapse_huge_page(mm, r == SCAN_SUCCEED, (int)r);
	return r;
}
