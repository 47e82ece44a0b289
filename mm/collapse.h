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
 * => mmap lock held for reading, dropped in any case; may sleep
 */
enum scan_result collapse_huge_page(struct mm_struct *mm, unsigned long start, const struct pte_tally *tally,
				    struct collapse_control *cc);

/*
 * For mm_check_tables.c: what MM's PMD at ADDR, which is none now, held before a collapse that is in its
 * atomic part took its table away for a moment. => all CPUs stopped, no spinlock held anywhere
 */
pmd_t collapse_detached_pmd(const struct mm_struct *mm, unsigned long addr);

#endif
