/*
 * mm/fork_copy.c - fork: copying page tables (COW-21..25).
 *
 *	copy_page_range ──> copy_pmd_range ─┬─ huge: copy_huge_pmd (huge_memory.c), unless it is pinned
 *	                                    └─ copy_some_ptes ─┬─ copy_present_ptes ─┬─ shared, read-only in both
 *	                                                       │                     └─ copy_present_page: pinned
 *	                                                       ├─ copy_migration_entry
 *	                                                       └─ copy_swap_entry: no page, but its slot
 *
 * The pages of a large folio that lie side by side go in one step: one reference count, one owner lock. Each PTE
 * is still looked at, for its own A, D and RW bits (PIT-23).
 *
 * Linux: mm/memory.c; the functions bear its names.
 */
#include "mm/fault.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/pause.h"
#include "mm/huge_memory.h"
#include "mm/swap.h"

/* State of one copy; walk->private. */
struct copy {
	struct vm_area_struct *dst, *src;
	struct folio *prealloc;		/* for one early copy of a pinned page */
	struct folio *pinned;		/* its pages go one by one; only compared */
	long rss[NR_MM_COUNTERS];
};

/* COW-22: the child gets its own copy now. -EAGAIN: no page for it at hand. => both ptls held */
static int copy_present_page(struct copy *c, pte_t *dst_pte, struct page *page, unsigned long addr)
{
	struct folio *copy = c->prealloc;
	pte_t entry;

	if (!copy)
		return -EAGAIN;
	c->prealloc = NULL;
	copy_page(folio_address(copy), page_address(page));
	folio_add_new_anon_rmap(copy, c->dst, addr, RMAP_EXCLUSIVE);
	lru_cache_add(copy);
	c->rss[MM_ANONPAGES]++;
	entry = pfn_pte(folio_pfn(copy), c->dst->vm_page_prot);
	set_pte(dst_pte, maybe_mkwrite(pte_mkdirty(entry), c->dst));
	return 1;
}

/* Take the write permission from NR entries of both, age the child's (COW-21). => both ptls held */
static void copy_entries(struct copy *c, pte_t *dst_pte, pte_t *src_pte, unsigned int nr)
{
	bool cow = is_cow_mapping(c->src->vm_flags);
	u64 drop = _PAGE_ACCESSED | (c->src->vm_flags & VM_SHARED ? _PAGE_DIRTY : 0);

	for (unsigned int i = 0; i < nr; i++) {
		pte_t pte = ptep_get(src_pte + i);

		if (cow && pte_write(pte)) {
			/* Read again: another CPU may have set D until the right was gone. */
			ptep_set_wrprotect(src_pte + i);
			pte = ptep_get(src_pte + i);
		}
		set_pte(dst_pte + i, __pte(pte_val(pte) & ~drop));
	}
}

/* One more reference and mapping for NR pages of FOLIO. -EBUSY: pinned, nothing changed. */
static int share_pages(struct copy *c, struct folio *folio, struct page *page, unsigned int nr)
{
	folio_ref_add(folio, (int)nr);
	if (!folio_test_anon(folio)) {
		folio_dup_file_rmap_ptes(folio, page, (int)nr, c->dst);
	} else if (unlikely(folio_try_dup_anon_rmap_ptes(folio, page, (int)nr, c->dst, c->src))) {
		atomic_sub((int)nr, &folio->_refcount);	/* never the last: the parent maps it */
		return -EBUSY;
	}
	c->rss[mm_counter(folio)] += nr;
	return 0;
}

/*
 * The page of the PTE value PTE, and as many of the next MAX_NR as belong to the same folio. How many PTEs were
 * copied, or -EAGAIN: c->prealloc is needed. => both ptls held
 */
static int copy_present_ptes(struct copy *c, pte_t *dst_pte, pte_t *src_pte, pte_t pte, unsigned long addr,
			     unsigned int max_nr)
{
	struct page *page = vm_normal_page(c->src, addr, pte);
	unsigned int nr = 1;

	if (likely(page)) {
		struct folio *folio = page_folio(page);

		if (folio_test_large(folio) && max_nr > 1 && folio != c->pinned)
			nr = folio_pte_batch(folio, src_pte, pte, max_nr);
		if (unlikely(share_pages(c, folio, page, nr))) {
			/* Not each page need be exclusive: those that are not are shared all the same (COW-23). */
			c->pinned = folio;
			if (nr == 1 || share_pages(c, folio, page, 1))
				return copy_present_page(c, dst_pte, page, addr);
			nr = 1;
		}
	}
	copy_entries(c, dst_pte, src_pte, nr);
	return (int)nr;
}

/*
 * What most PTEs are: a small anonymous page of a private mapping, in a process that never pinned anything. False: it is
 * something else. => both ptls held
 */
static __always_inline bool copy_small_anon_pte(pte_t *dst_pte, pte_t *src_pte, pte_t pte)
{
	struct page *page = pfn_to_page(pte_pfn(pte));

	if (pte_special(pte) || PageTail(page) || !folio_test_anon((struct folio *)page) ||
	    folio_test_large((struct folio *)page))
		return false;
	folio_dup_small_anon_rmap(page);
	if (pte_write(pte)) {
		ptep_set_wrprotect(src_pte);
		pte = ptep_get(src_pte);	/* as in copy_entries */
	}
	set_pte(dst_pte, pte_mkold(pte));
	return true;
}

/*
 * COW-24: one entry more names the slot, and neither is exclusive: a marker left in one of them would give both the page
 * for themselves (PIT-20). 1, or -ENOMEM: too many name it. => both ptls held
 */
static int copy_swap_entry(struct copy *c, pte_t *dst_pte, pte_t *src_pte, pte_t pte)
{
	swp_entry_t entry = pte_to_swp_entry(pte);

	if (!is_poison_entry(entry)) {
		if (swap_duplicate_nr(entry, 1))
			return -ENOMEM;
		c->rss[MM_SWAPENTS]++;
	}
	if (pte_swp_exclusive(pte)) {
		pte = pte_swp_clear_exclusive(pte);
		set_pte(src_pte, pte);
	}
	set_pte(dst_pte, pte);
	return 1;
}

/* COW-24. The entry counts for RSS, but holds neither reference nor mapcount. => both ptls held */
static void copy_migration_entry(struct copy *c, pte_t *dst_pte, pte_t *src_pte, pte_t pte)
{
	swp_entry_t entry = pte_to_swp_entry(pte);

	c->rss[mm_counter(page_folio(migration_entry_to_page(entry)))]++;
	if (!is_readable_migration_entry(entry) && is_cow_mapping(c->src->vm_flags)) {
		pte = swp_entry_to_pte(make_readable_migration_entry(entry));
		set_pte(src_pte, pte);
	}
	set_pte(dst_pte, pte);
}

static void add_rss(struct copy *c)
{
	for (int i = 0; i < NR_MM_COUNTERS; i++) {
		if (c->rss[i])
			add_mm_counter(c->dst->vm_mm, i, c->rss[i]);
		c->rss[i] = 0;
	}
}

/*
 * Copy PTEs from *ADDR on until END, or until somebody wants the CPU; *ADDR says how far. -EAGAIN: needs
 * c->prealloc.
 */
static int copy_some_ptes(struct copy *c, pmd_t *dst_pmd, pmd_t *src_pmd, unsigned long *addr,
			  unsigned long end)
{
	pte_t *dst_pte, *src_pte, *dst_first, *src_first;
	spinlock_t *dst_ptl, *src_ptl;
	bool simple;
	int nr = 0;

	/* LOCK-12: the child's table, then the parent's. Nobody else knows the child yet. */
	dst_first = dst_pte = pte_offset_map_lock(c->dst->vm_mm, dst_pmd, *addr, &dst_ptl);
	if (!dst_pte)
		return -ENOMEM;
	src_first = src_pte = pte_offset_map_lock_nested(src_pmd, *addr, &src_ptl);
	if (!src_pte) {
		pte_unmap_unlock(dst_first, dst_ptl);
		*addr = end;
		return 0;
	}
	/* A pin that is just being taken sees write_protect_seq and gives up; one that is there already is seen here. */
	simple = is_cow_mapping(c->src->vm_flags) && !atomic_read(&c->src->vm_mm->has_pinned);
	for (; *addr < end; dst_pte += nr, src_pte += nr, *addr += (unsigned long)nr * PAGE_SIZE) {
		pte_t pte = ptep_get(src_pte);

		nr = 1;
		if (pte_none(pte))
			continue;
		if (unlikely(need_resched()))
			break;
		if (likely(pte_present(pte)) && simple && copy_small_anon_pte(dst_pte, src_pte, pte))
			c->rss[MM_ANONPAGES]++;
		else if (pte_present(pte))
			nr = copy_present_ptes(c, dst_pte, src_pte, pte, *addr,
					       (unsigned int)((end - *addr) >> PAGE_SHIFT));
		else if (is_pte_migration_entry(pte))
			copy_migration_entry(c, dst_pte, src_pte, pte);
		else
			nr = copy_swap_entry(c, dst_pte, src_pte, pte);
		if (unlikely(nr < 0))
			break;
	}
	add_rss(c);
	pte_unmap_unlock(src_first, src_ptl);
	pte_unmap_unlock(dst_first, dst_ptl);
	return min(nr, 0);
}

static int copy_pte_range(struct copy *c, pmd_t *dst_pmd, pmd_t *src_pmd, unsigned long addr, unsigned long end)
{
	if (pte_alloc(c->dst->vm_mm, dst_pmd))
		return -ENOMEM;
	while (addr < end) {
		int err = copy_some_ptes(c, dst_pmd, src_pmd, &addr, end);

		if (err == -EAGAIN) {
			c->prealloc = folio_prealloc(false);
			err = c->prealloc ? 0 : -ENOMEM;
		}
		if (err)
			return err;
		pause_point("fork_copy_batch");
		cond_resched();
	}
	return 0;
}

/* Up to 2 MiB: a huge PMD is shared as such, a table PTE by PTE. */
static int copy_pmd_range(pmd_t *src_pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	struct copy *c = walk->private;
	pmd_t *dst_pmd = walk_to_pmd_alloc(c->dst->vm_mm, addr);
	int err;

	if (!dst_pmd)
		return -ENOMEM;
	if (!pmd_table(pmdp_get(src_pmd))) {
		err = copy_huge_pmd(c->dst->vm_mm, c->src->vm_mm, dst_pmd, src_pmd, addr, c->dst, c->src);
		if (err && err != -EAGAIN)
			return err;
		/* Something there: done. Else it was split, just now or by somebody who walks the rmap. */
		if (!pmd_none(pmdp_get(dst_pmd)))
			return 0;
	}
	return copy_pte_range(c, dst_pmd, src_pmd, addr, end);
}

__gdb_stop int copy_page_range(struct vm_area_struct *dst, struct vm_area_struct *src)
{
	struct copy c = { .dst = dst, .src = src };
	struct mm_walk walk = { .pmd_entry = copy_pmd_range, .vma = src, .private = &c };
	int err;

	/* COW-25: what faults can bring back is not copied. */
	if (!src->anon_vma)
		return 0;
	raw_write_seqcount_begin(&src->vm_mm->write_protect_seq);
	err = walk_page_range(src->vm_mm, src->vm_start, src->vm_end, &walk);
	raw_write_seqcount_end(&src->vm_mm->write_protect_seq);
	if (c.prealloc)
		folio_put(c.prealloc);
	return err;
}
