/*
 * mm/pgtable.c - the page tables of user address spaces: making them, finding an entry, walking a range.
 *
 *	mm->pgd ──> table of PUDs ──> table of PMDs ──> table of PTEs
 *	    page_table_lock  page_table_lock   pmdlock          ptlock       who guards the entries
 *
 * A table is one frame of type PGTY_table whose struct page holds its lock. Tables appear under the mmap
 * lock held for reading, whoever comes first; they disappear only when nobody can reach them (free_pgtables
 * in zap.c). A huge PMD, which has no table, keeps one in reserve for the day it is split: it is deposited with
 * the PMD table. Not here: the formats (arch-x86_64/pgtable.h), the kernel's own tables (arch-x86_64/paging.c).
 * Linux: mm/memory.c, mm/pgtable-generic.c, mm/pagewalk.c.
 */
#include "kernel/lib/string.h"
#include "mm/huge_memory.h"
#include "mm/vmstat.h"

static struct lock_class ptlock_class = { .name = "ptlock", .kind = LOCK_SPIN };
static struct lock_class pmdlock_class = { .name = "pmdlock", .kind = LOCK_SPIN };

/* ---- Making and freeing ---- */

/* A frame made into a table (ZERO: __GFP_ZERO or 0); counted, but not yet for any mm. NULL: no memory. May sleep. */
static struct page *table_alloc(struct mm_struct *mm, struct lock_class *class, gfp_t zero)
{
	struct page *p = alloc_pages(GFP_USER | zero, 0);

	if (!p)
		return NULL;
	p->page_type = (unsigned int)PGTY_table << 24;
	p->pmd_huge_pte = NULL;
	p->pt_mm = mm;
	spin_lock_init_class(&p->ptl, class);
	mod_node_page_state(NR_PAGETABLE, 1);
	return p;
}

void pte_table_free(struct page *p)
{
	KASSERT(page_is_type(p, PGTY_table), "LOCK-7");
	KASSERT(!spin_is_locked(&p->ptl), "LOCK-7");
	mod_node_page_state(NR_PAGETABLE, -1);
	/* The words the buddy wants to find clean. */
	memset(&p->lru, 0, offsetof(struct page, _mapcount) - offsetof(struct page, lru));
	atomic_set(&p->_mapcount, -1);
	__free_pages(p, 0);
}

/*
 * Put a new table below *ENTRY, guarded by LOCK, unless another thread did so meanwhile. 0 or -ENOMEM.
 */
static int populate(struct mm_struct *mm, u64 *entry, spinlock_t *lock, struct lock_class *class)
{
	struct page *table = table_alloc(mm, class, __GFP_ZERO);

	if (!table)
		return -ENOMEM;
	spin_lock(lock);
	if (likely(!READ_ONCE(*entry))) {
		atomic_long_add(PAGE_SIZE, &mm->pgtables_bytes);
		/* Lockless walkers follow the entry at once: the zeroes must be there before it. */
		smp_store_release(entry, page_to_phys(table) | _PAGE_TABLE);
		table = NULL;
	}
	spin_unlock(lock);
	if (unlikely(table))
		pte_table_free(table);
	return 0;
}

int __pud_alloc(struct mm_struct *mm, pgd_t *pgd)
{
	return populate(mm, &pgd->v, &mm->page_table_lock, &pmdlock_class);
}

int __pmd_alloc(struct mm_struct *mm, pud_t *pud)
{
	return populate(mm, &pud->v, &mm->page_table_lock, &pmdlock_class);
}

int __pte_alloc(struct mm_struct *mm, pmd_t *pmd)
{
	return populate(mm, &pmd->v, pmd_lockptr(pmd), &ptlock_class);
}

pgd_t *pgd_alloc(void)
{
	struct page *p = table_alloc(NULL, &pmdlock_class, __GFP_ZERO);
	pgd_t *pgd;

	if (!p)
		return NULL;
	pgd = page_address(p);
	memcpy(pgd + PTRS_PER_TABLE / 2, init_top_pgt + PTRS_PER_TABLE / 2, PAGE_SIZE / 2);
	return pgd;
}

void pgd_free(pgd_t *pgd)
{
	pte_table_free(virt_to_page(pgd));
}

/* ---- Tables in reserve (SPLIT-2) ---- */

struct page *pte_alloc_one(struct mm_struct *mm)
{
	struct page *table = table_alloc(mm, &ptlock_class, 0);

	if (table)
		atomic_long_add(PAGE_SIZE, &mm->pgtables_bytes);
	return table;
}

void pte_free(struct mm_struct *mm, struct page *table)
{
	atomic_long_sub(PAGE_SIZE, &mm->pgtables_bytes);
	pte_table_free(table);
}

/* Those of one PMD table hang on its page, in no order: any table does for any of its huge PMDs. */
void pgtable_trans_huge_deposit(struct mm_struct *mm, pmd_t *pmd, struct page *table)
{
	struct page *pmd_table = virt_to_page((unsigned long)pmd & PAGE_MASK);

	lockdep_assert_held(pmd_lockptr(pmd));
	table->pmd_huge_pte = pmd_table->pmd_huge_pte;
	pmd_table->pmd_huge_pte = table;
}

struct page *pgtable_trans_huge_withdraw(struct mm_struct *mm, pmd_t *pmd)
{
	struct page *pmd_table = virt_to_page((unsigned long)pmd & PAGE_MASK);
	struct page *table = pmd_table->pmd_huge_pte;

	lockdep_assert_held(pmd_lockptr(pmd));
	KASSERT(table, "SPLIT-2");
	pmd_table->pmd_huge_pte = table->pmd_huge_pte;
	table->pmd_huge_pte = NULL;
	return table;
}

/* ---- Finding ---- */

pmd_t *walk_to_pmd_alloc(struct mm_struct *mm, unsigned long addr)
{
	pud_t *pud = pud_alloc(mm, pgd_offset(mm, addr), addr);

	return pud ? pmd_alloc(mm, pud, addr) : NULL;
}

pmd_t *mm_find_pmd(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	pud_t *pud;

	if (!pgd_present(pgdp_get(pgd)))
		return NULL;
	pud = pud_offset(pgd, addr);
	return pud_present(pudp_get(pud)) ? pmd_offset(pud, addr) : NULL;
}

static pte_t *map_lock(pmd_t *pmd, unsigned long addr, spinlock_t **ptlp, unsigned int subclass)
{
	for (;;) {
		pmd_t val = pmdp_get(pmd);
		spinlock_t *ptl;

		if (unlikely(!pmd_table(val)))
			return NULL;
		ptl = pte_lockptr(val);
		if (subclass)
			spin_lock_nested(ptl, subclass);
		else
			spin_lock(ptl);
		/* FLT-8: between the read and the lock the table may have made way for a huge PMD. */
		if (likely(pmdp_get(pmd).v == val.v)) {
			*ptlp = ptl;
			return pte_offset_kernel(val, addr);
		}
		spin_unlock(ptl);
	}
}

pte_t *pte_offset_map_lock(struct mm_struct *mm, pmd_t *pmd, unsigned long addr, spinlock_t **ptlp)
{
	return map_lock(pmd, addr, ptlp, 0);
}

pte_t *pte_offset_map_lock_nested(pmd_t *pmd, unsigned long addr, spinlock_t **ptlp)
{
	return map_lock(pmd, addr, ptlp, SINGLE_DEPTH_NESTING);
}

/* ---- Walking ---- */

static int walk_hole(unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	return walk->pte_hole ? walk->pte_hole(addr, end, walk) : 0;
}

int walk_page_range(struct mm_struct *mm, unsigned long start, unsigned long end, struct mm_walk *walk)
{
	unsigned long addr, next;
	int err = 0;

	walk->mm = mm;
	for (addr = start; addr < end && !err; addr = next) {
		pgd_t *pgd = pgd_offset(mm, addr);
		pud_t *pud;
		pmd_t *pmd;

		if (!pgd_present(pgdp_get(pgd))) {
			next = pgd_addr_end(addr, end);
			err = walk_hole(addr, next, walk);
			continue;
		}
		pud = pud_offset(pgd, addr);
		if (!pud_present(pudp_get(pud))) {
			next = pud_addr_end(addr, end);
			err = walk_hole(addr, next, walk);
			continue;
		}
		pmd = pmd_offset(pud, addr);
		next = pmd_addr_end(addr, end);
		err = pmd_none(pmdp_get(pmd)) ? walk_hole(addr, next, walk) :
						walk->pmd_entry(pmd, addr, next, walk);
	}
	return err;
}
