/*
 * mm/mm_check_tables.c - the checker's walk through the page tables of every address space.
 *
 *	mm_list ──> pgd ──> pud ──> pmd ──> pte      each entry: +1 in the tally of its frame and of its mm
 *	               VMAs beside it, by address     each page of anonymous memory: is it found through its rmap?
 *
 * The tables are walked for themselves, not along the VMAs, so that an entry outside all VMAs is found too. Where
 * the mmap lock is held the VMA tree may be half changed: such an mm is counted, but its VMAs are not looked at.
 * Checked here: what needs the entry itself (COW-1 writable means exclusive, RMAP-1), and the mm's own counters.
 */
#include "kernel/fs/pipe.h"
#include "mm/collapse.h"
#include "mm/huge_memory.h"
#include "mm/mm_check.h"
#include "mm/rmap.h"
#include "mm/swapops.h"

#ifndef RELEASE
/* The walk through one mm. */
struct mm_tally {
	struct check *c;
	struct mm_struct *mm;
	bool busy;			/* counters may be on the way; VMAs not to be looked at */
	struct vm_area_struct *vma;	/* first one that ends above the address; NULL: none */
	const struct anon_vma *good;	/* known to lead to VMA */
	long rss[NR_MM_COUNTERS];
	long tables;
};

/* ---- Does the rmap lead here? ---- */

/* NODE hangs in the tree of ROOT: go up to where it ends. */
static bool node_in_tree(const struct rb_node *node, const struct rb_root *root)
{
	const struct rb_node *parent;

	while ((parent = rb_parent(node))) {
		if (parent->rb_left != node && parent->rb_right != node)
			return false;
		node = parent;
	}
	return root->rb_node == node;
}

static bool anon_vma_leads_to(const struct anon_vma *av, struct vm_area_struct *vma)
{
	struct anon_vma_chain *avc;

	list_for_each_entry(avc, &vma->anon_vma_chain, same_vma)
		if (avc->anon_vma == av)
			return avc->vma == vma && avc->it.start == vma->vm_pgoff &&
			       avc->it.last == vma->vm_pgoff + vma_pages(vma) - 1 &&
			       node_in_tree(&avc->it.rb, &av->rb_root);
	return false;
}

/* The VMA at ADDR, or NULL. Addresses only ever grow. */
static struct vm_area_struct *vma_at(struct mm_tally *t, unsigned long addr)
{
	while (t->vma && t->vma->vm_end <= addr) {
		t->vma = vma_next(t->vma);
		t->good = NULL;
	}
	return t->vma && t->vma->vm_start <= addr ? t->vma : NULL;
}

/* RMAP-1: the index tells the address, the anon_vma leads to the VMA. */
static void check_rmap(struct mm_tally *t, struct vm_area_struct *vma, unsigned long addr, struct folio *f,
		       struct page *page)
{
	const struct anon_vma *av = (void *)((unsigned long)f->mapping & ~FOLIO_MAPPING_ANON);

	check_pfn(t->c, "RMAP-1", page_to_pfn(page), "index", (long)linear_page_index(vma, addr),
		  (long)(f->index + folio_page_idx(f, page)));
	if (av == t->good)
		return;
	if (anon_vma_leads_to(av, vma))
		t->good = av;
	else
		check_fail(t->c, "RMAP-1", "pfn", page_to_pfn(page), "reachable", 1, 0);
}

/* ---- One entry ---- */

static bool frame_exists(struct mm_tally *t, unsigned long pfn)
{
	if (likely(pfn < t->c->nr_frames && pfn_valid(pfn)))
		return true;
	check_fail(t->c, "FOL-1", "pfn", pfn, "exists", 1, 0);
	return false;
}

/* Only a part of a folio that somebody holds may be mapped. False: it is no folio at all. */
static bool mappable(struct mm_tally *t, struct page *page)
{
	struct folio *f = page_folio(page);
	bool is_folio = !PageReserved(page) && !page_has_type(&f->page);

	if (!is_folio || folio_ref_count(f) <= 0)
		check_fail(t->c, "FOL-2", "pfn", page_to_pfn(page), "mapped_but_free", 0, 1);
	return is_folio;
}

static void tally_owner(struct check *c, struct folio *f, u32 id)
{
	struct large_tally *l = large_of(c, f);

	for (int i = 0; i < 2; i++)
		if (owners_id(&f->_owners, i) == id)
			l->slot_nr[i]++;
	for (int i = 0; i < 2; i++) {
		if (l->id[i] && l->id[i] != id)
			continue;
		l->id[i] = id;
		l->nr[i]++;
		return;
	}
	l->more = 1;
}

/* COW-1: private and writable means anonymous and exclusive. */
static void check_writable(struct mm_tally *t, struct vm_area_struct *vma, struct folio *f, struct page *page)
{
	if (folio_test_anon(f))
		check_pfn(t->c, "COW-1", page_to_pfn(page), "writable_exclusive", 1, PageAnonExclusive(page));
	else if (vma)
		check_pfn(t->c, "COW-1", page_to_pfn(page), "writable_private_file", 0, !(vma->vm_flags & VM_SHARED));
}

/* PAGE is mapped at ADDR, by a PTE or (the head) by a PMD. */
static void tally_page(struct mm_tally *t, unsigned long addr, struct page *page, bool pmd, bool writable)
{
	struct vm_area_struct *vma = t->busy ? NULL : vma_at(t, addr);
	struct folio *f = page_folio(page);

	if (!mappable(t, page))
		return;
	if (pmd)
		large_of(t->c, f)->pmds++;
	else
		frame_of(t->c, page)->ptes++;
	if (folio_test_large(f))
		tally_owner(t->c, f, t->mm->mm_id);
	if (t->busy)
		frame_of(t->c, &f->page)->flags |= T_BUSY;
	else if (!vma)
		check_fail(t->c, "RMAP-1", "pfn", page_to_pfn(page), "outside_vma", 0, 1);
	else if (folio_test_anon(f))
		check_rmap(t, vma, addr, f, page);
	if (vma && (vma->vm_flags & VM_LOCKED))
		frame_of(t->c, &f->page)->flags |= T_LOCKED;
	if (writable)
		check_writable(t, vma, f, page);
	t->rss[mm_counter(f)] += pmd ? HPAGE_PMD_NR : 1;
}

/* It stands for NR pages, which no other entry of this mm maps meanwhile. */
static void tally_migration_entry(struct mm_tally *t, swp_entry_t e, long nr)
{
	struct folio *f;

	if (!frame_exists(t, migration_entry_pfn(e)))
		return;
	f = page_folio(migration_entry_to_page(e));
	frame_of(t->c, &f->page)->flags |= T_MIGRATION;
	t->rss[mm_counter(f)] += nr;
}

/* Not present: a swap entry, or one of a page that is on the move (RMAP-12). */
static void tally_swap_pte(struct mm_tally *t, pte_t pte)
{
	swp_entry_t e = pte_to_swp_entry(pte);

	if (is_poison_entry(e))
		return;
	if (!is_migration_entry(e)) {
		t->rss[MM_SWAPENTS]++;
		check_tally_entry(t->c, e, pte_swp_exclusive(pte));
		return;
	}
	tally_migration_entry(t, e, 1);
}

static void tally_pte(struct mm_tally *t, unsigned long addr, pte_t pte)
{
	if (!pte_present(pte))
		tally_swap_pte(t, pte);
	else if (!pte_special(pte) && frame_exists(t, pte_pfn(pte)))
		tally_page(t, addr, pfn_to_page(pte_pfn(pte)), false, pte_write(pte));
}

static void tally_huge_pmd(struct mm_tally *t, unsigned long addr, pmd_t pmd)
{
	if (!frame_exists(t, pmd_pfn(pmd)))
		return;
	if (is_huge_zero_pmd(pmd))
		check_pfn(t->c, "COW-16", pmd_pfn(pmd), "writable_zero", 0, pmd_write(pmd));
	else
		tally_page(t, addr, pfn_to_page(pmd_pfn(pmd)), true, pmd_write(pmd));
}

/* ---- The levels ---- */

/* The table that an upper entry points to; false: it is none, do not look into it. */
static bool table_ok(struct mm_tally *t, u64 entry)
{
	unsigned long pfn = (entry & PTE_PFN_MASK) >> PAGE_SHIFT;

	if (pfn < t->c->nr_frames && pfn_valid(pfn) && page_is_type(pfn_to_page(pfn), PGTY_table)) {
		t->tables++;
		return true;
	}
	check_fail(t->c, "LOCK-7", "pfn", pfn, "is_table", 1, 0);
	return false;
}

static void walk_ptes(struct mm_tally *t, unsigned long addr, const pte_t *table)
{
	for (int i = 0; i < PTRS_PER_TABLE; i++, addr += PAGE_SIZE) {
		pte_t pte = ptep_get(table + i);

		if (!pte_none(pte))
			tally_pte(t, addr, pte);
	}
}

/* SPLIT-2: as many tables in reserve as there are huge PMDs. */
static void check_deposits(struct mm_tally *t, const pmd_t *table, long huge)
{
	long n = 0;

	for (struct page *p = virt_to_page((unsigned long)table)->pmd_huge_pte; p && n <= PTRS_PER_TABLE;
	     p = p->pmd_huge_pte)
		n++;
	check_pfn(t->c, "SPLIT-2", page_to_pfn(virt_to_page((unsigned long)table)), "deposited", huge, n);
	t->tables += huge;
}

static void walk_pmds(struct mm_tally *t, unsigned long addr, const pmd_t *table)
{
	long huge = 0;

	for (int i = 0; i < PTRS_PER_TABLE; i++, addr += PMD_SIZE) {
		pmd_t pmd = pmdp_get(table + i);

		if (pmd_none(pmd))
			pmd = collapse_detached_pmd(t->mm, addr);
		if (is_pmd_migration_entry(pmd)) {
			tally_migration_entry(t, pmd_to_swp_entry(pmd), HPAGE_PMD_NR);
			huge++;
		} else if (pmd_trans_huge(pmd)) {
			tally_huge_pmd(t, addr, pmd);
			huge++;
		} else if (!pmd_none(pmd) && table_ok(t, pmd.v)) {
			walk_ptes(t, addr, pmd_table_va(pmd));
		}
	}
	check_deposits(t, table, huge);
}

static void walk_mm(struct mm_tally *t)
{
	for (unsigned long i = 0; i < PTRS_PER_TABLE / 2; i++) {
		pgd_t pgd = pgdp_get(t->mm->pgd + i);

		if (pgd_none(pgd) || !table_ok(t, pgd.v))
			continue;
		for (unsigned long j = 0; j < PTRS_PER_TABLE; j++) {
			pud_t pud = pudp_get(pgd_table_va(pgd) + j);

			if (!pud_none(pud) && table_ok(t, pud.v))
				walk_pmds(t, i << PGDIR_SHIFT | j << PUD_SHIFT, pud_table_va(pud));
		}
	}
}

/* ---- The mm's counters ---- */

static void check_mm_counters(struct mm_tally *t)
{
	static const char *const names[NR_MM_COUNTERS] = {
		[MM_FILEPAGES] = "rss_file", [MM_ANONPAGES] = "rss_anon",
		[MM_SWAPENTS] = "swapents", [MM_SHMEMPAGES] = "rss_shmem",
	};
	struct mm_struct *mm = t->mm;

	for (int i = 0; i < NR_MM_COUNTERS; i++) {
		long have = atomic_long_read(&mm->rss_stat[i]);

		if (have != t->rss[i])
			check_fail(t->c, "RSS", "mm", mm->mm_id, names[i], t->rss[i], have);
	}
	if (atomic_long_read(&mm->pgtables_bytes) != t->tables * (long)PAGE_SIZE)
		check_fail(t->c, "PGTABLES", "mm", mm->mm_id, "pgtables_bytes", t->tables * (long)PAGE_SIZE,
			   atomic_long_read(&mm->pgtables_bytes));
}

void check_page_tables(struct check *c)
{
	struct mm_struct *mm;

	list_for_each_entry(mm, &mm_list, mmlist) {
		struct mm_tally t = { .c = c, .mm = mm, .busy = check_mm_busy(c, mm) };

		if (!t.busy)
			t.vma = vma_first(mm);
		walk_mm(&t);
		if (!t.busy) {
			check_mm_counters(&t);
		} else {
			c->any_busy = true;
			c->skipped++;
		}
	}
}

/* ---- References of pipes ---- */

void check_pipes(struct check *c)
{
	struct pipe_inode_info *p;

	list_for_each_entry(p, &pipe_list, all) {
		for (unsigned int i = p->tail; i != p->head; i++) {
			struct page *page = pipe_buf(p, i)->page;

			if (page)
				frame_of(c, &page_folio(page)->page)->held++;
		}
	}
}
#endif
