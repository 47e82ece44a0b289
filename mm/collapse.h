/*
 * mm/collapse.h - what the files of the collapse say to each other: looking at the PTEs of one table
 * (collapse_scan.c), and replacing the table by a huge PMD (collapse.c).
 */
#ifndef MM_COLLAPSE_H
#define MM_COLLAPSE_H

#include "mm/khugepaged.h"

/* What was seen of one table so far (KHP-10). */
struct pte_tally {
	unsigned int none_or_zero, unmapped, shared, referenced;
	struct folio *folio;		/* reached last, for the traces; NULL: none */
	unsigned long occupied[HPAGE_PMD_NR / 64];	/* a bit for each PTE that maps a page (KHP-31) */
};

/* PTEs that are looked at in one step: one, or those of a large folio in a row. */
struct pte_run {
	pte_t *pte;			/* in: the first one */
	unsigned long addr;		/* in: its address */
	unsigned int max;		/* in: how many the table has from there on */
	unsigned int nr;		/* out: this many */
	unsigned int failed_at;		/* out: the number in the run of the one that did not pass */
	pte_t val;			/* out: the first one's value */
	struct folio *folio;		/* out: what they map, NULL: none, or the zero page, or swapped out */
};

static inline unsigned long tally_pfn(const struct pte_tally *t)
{
	return t->folio ? folio_pfn(t->folio) : ~0UL;
}

/*
 * Tests 1..7 of KHP-10 for the run from RUN->pte on, counted in TALLY; those of khugepaged's that do not bind
 * CC are left out (KHP-15). ISOLATING: the second time, where nothing may be swapped out (KHP-20). => ptl
 * held
 */
enum scan_result collapse_test_run(struct vm_area_struct *vma, const struct collapse_control *cc,
				   struct pte_tally *tally, struct pte_run *run, bool isolating);
/* Test 11: how many PTEs of the run count as referenced; nobody asks for MADV_COLLAPSE. => ptl held */
unsigned int collapse_count_referenced(const struct collapse_control *cc, const struct pte_run *run);
/* KHP-9: SCAN_SUCCEED: *PMD names a table. => mmap lock held */
enum scan_result collapse_find_pmd(struct mm_struct *mm, unsigned long addr, pmd_t **pmd);

/*
 * KHP-16..26 for the range at START, whose PTEs passed; TALLY is what the scan counted.
 * => no lock held, before and after; may sleep
 */
enum scan_result collapse_huge_page(struct mm_struct *mm, unsigned long start, const struct pte_tally *tally,
				    struct collapse_control *cc);

/* ---- The steps of a collapse, which collapse_orders.c takes, too ---- */

#define COLLAPSE_BATCH 32

struct collapse {
	struct mm_struct *mm;
	struct collapse_control *cc;
	unsigned long start;		/* of the table's range */
	unsigned int first, nr;		/* the PTEs to replace: all, or a block (collapse_orders.c) */
	const struct pte_tally *scanned;
	struct folio *folio;		/* the new one, ours until it is mapped */
	/* Found after each wait. */
	struct vm_area_struct *vma;
	pmd_t *pmd;
	/* From clearing the PMD on. */
	pmd_t old;			/* names the table */
	pte_t *table;
	spinlock_t *ptl;
	struct folio *batch[COLLAPSE_BATCH];	/* locked, not isolated yet */
	unsigned int nr_batch;
	unsigned int nr_small;		/* small folios locked and isolated: the first ones of the table */
	struct list_head large;		/* the same of large ones, each once, with a reference more */
	unsigned int none_or_zero;
#ifndef RELEASE
	struct list_head link;		/* in detached */
#endif
};

/*
 * KHP-20: nobody finds the table from here on, nor has anybody found it who is not done with it; and back.
 * => mmap lock and anon_vma lock held for writing
 */
void collapse_detach_table(struct collapse *c);
void collapse_reattach_table(struct collapse *c);
/*
 * KHP-20, the second half: the block's folios are locked and off the LRU, or all is as before.
 * => the table is detached
 */
enum scan_result collapse_isolate(struct collapse *c);
/* Into C->folio; then the sources' mappings and references go, and the block's PTEs are none. => isolated */
void collapse_copy_pages(struct collapse *c);
void collapse_release_sources(struct collapse *c);

/* ---- Smaller orders (collapse_orders.c, KHP-31..34) ---- */

#ifndef RELEASE
/* The orders that khugepaged may make in VMA, if it is to make any but 9; else 0. => mmap lock held */
unsigned long collapse_orders(struct vm_area_struct *vma);
/*
 * Make what is possible of the range at START: TALLY is what the scan counted.
 * => no lock held, before and after; may sleep
 */
enum scan_result collapse_by_orders(struct mm_struct *mm, unsigned long start, const struct pte_tally *tally,
				    unsigned long orders, struct collapse_control *cc);
/*
 * KHP-33: does the block that C is to replace, of which TALLY was counted so far, take this run? => ptl held
 */
enum scan_result collapse_block_takes(const struct collapse *c, const struct pte_tally *tally,
				      const struct pte_run *run);
#else
static inline unsigned long collapse_orders(struct vm_area_struct *vma) { return 0; }
static inline enum scan_result collapse_by_orders(struct mm_struct *mm, unsigned long start,
						  const struct pte_tally *tally, unsigned long orders,
						  struct collapse_control *cc) { return SCAN_FAIL; }
static inline enum scan_result collapse_block_takes(const struct collapse *c, const struct pte_tally *tally,
						    const struct pte_run *run) { return SCAN_SUCCEED; }
#endif

/*
 * For mm_check_tables.c: what MM's PMD at ADDR, which is none now, held before a collapse that is in its
 * atomic part took its table away for a moment. => all CPUs stopped, no spinlock held anywhere
 */
pmd_t collapse_detached_pmd(const struct mm_struct *mm, unsigned long addr);

#endif
