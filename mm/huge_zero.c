/*
 * mm/huge_zero.c - the 2 MiB of zeroes that read faults of untouched memory share (FLT-9).
 *
 *	first reader ──> made ──> users: one for each mm that has mapped it ──> none left: the shrinker may free it (RCL-23)
 *
 * Mappings of it are counted nowhere, so an mm counts once, from its first mapping to its end. As long as one does, a PMD
 * that names the page stays true without a lock. Pages of it that get_user_pages holds are ordinary references, and keep
 * it, too. Linux: get_huge_zero_folio() in mm/huge_memory.c.
 */
#include "kernel/init.h"
#include "kernel/trace/fail.h"
#include "mm/huge_memory.h"
#include "mm/vmstat.h"

struct folio *huge_zero_folio;		/* huge_zero_lock to change */
static unsigned long huge_zero_users;	/* huge_zero_lock: mms with MMF_HUGE_ZERO */
static DEFINE_SPINLOCK(huge_zero_lock);	/* a leaf */

/* MM counts from now on, if there is something to count for. */
static struct folio *add_user(struct mm_struct *mm)
{
	struct folio *folio;

	spin_lock(&huge_zero_lock);
	folio = huge_zero_folio;
	if (folio && !test_and_set_bit(MMF_HUGE_ZERO, &mm->flags))
		huge_zero_users++;
	spin_unlock(&huge_zero_lock);
	return folio;
}

struct folio *mm_get_huge_zero_folio(struct mm_struct *mm)
{
	const gfp_t gfp = GFP_USER | __GFP_ZERO | __GFP_NORETRY | __GFP_NOWARN;
	struct folio *folio;

	if (likely(test_bit(MMF_HUGE_ZERO, &mm->flags)))
		return READ_ONCE(huge_zero_folio);
	folio = add_user(mm);
	if (folio)
		return folio;
	folio = fail_here("huge_zero_folio", HPAGE_PMD_ORDER) ? NULL : folio_alloc(gfp, HPAGE_PMD_ORDER);
	if (!folio) {
		count_vm_event(THP_ZERO_PAGE_ALLOC_FAILED);
		return NULL;
	}
	spin_lock(&huge_zero_lock);
	if (!huge_zero_folio) {
		WRITE_ONCE(huge_zero_folio, folio);
		folio = NULL;
		count_vm_event(THP_ZERO_PAGE_ALLOC);
	}
	if (!test_and_set_bit(MMF_HUGE_ZERO, &mm->flags))
		huge_zero_users++;
	spin_unlock(&huge_zero_lock);
	if (folio)		/* somebody else was faster */
		folio_put(folio);
	return READ_ONCE(huge_zero_folio);
}

void mm_dup_huge_zero_folio(struct mm_struct *mm)
{
	if (!test_bit(MMF_HUGE_ZERO, &mm->flags))
		(void)add_user(mm);
}

void mm_put_huge_zero_folio(struct mm_struct *mm)
{
	if (likely(!test_bit(MMF_HUGE_ZERO, &mm->flags)))
		return;
	spin_lock(&huge_zero_lock);
	clear_bit(MMF_HUGE_ZERO, &mm->flags);
	huge_zero_users--;
	spin_unlock(&huge_zero_lock);
}

/* ---- The shrinker ---- */

static unsigned long count_huge_zero(void)
{
	return READ_ONCE(huge_zero_folio) && !READ_ONCE(huge_zero_users) ? HPAGE_PMD_NR : 0;
}

static unsigned long scan_huge_zero(unsigned long nr)
{
	struct folio *folio;

	spin_lock(&huge_zero_lock);
	folio = huge_zero_users ? NULL : huge_zero_folio;
	if (folio && folio_ref_freeze(folio, 1))
		WRITE_ONCE(huge_zero_folio, NULL);
	else
		folio = NULL;
	spin_unlock(&huge_zero_lock);
	if (!folio)
		return 0;
	__folio_put(folio);
	return HPAGE_PMD_NR;
}

static struct shrinker huge_zero_shrinker = {
	.name = "thp-zero", .count = count_huge_zero, .scan = scan_huge_zero,
};

static int huge_zero_init(void)
{
	register_shrinker(&huge_zero_shrinker);
	return 0;
}
core_initcall(huge_zero_init);
