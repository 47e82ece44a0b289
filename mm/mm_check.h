/*
 * mm/mm_check.h - what the four files of the whole-memory checker say to each other and to nobody else.
 *
 *	mm_check.c		stops the machine, knows who is in the middle of something, prints
 *	mm_check_tables.c	counts, from the page tables of all mms, who maps what: the tallies
 *	mm_check_swap.c		holds swap areas against the entries, and the swap cache against both
 *	mm_check_folio.c	holds every folio, list and gauge against the tallies
 *
 * While it runs the other CPUs stand still outside every spinlock, so nothing here locks. The tallies are made from
 * page tables and lists alone; a counter that is checked is never used to check another one.
 */
#ifndef MM_MM_CHECK_H
#define MM_MM_CHECK_H

#include "kernel/fs/seq_file.h"
#include "mm/mm.h"
#include "mm/swapops.h"

/* One for each frame. FLAGS of a folio are its head's. */
struct frame_tally {
	u32 ptes;		/* PTEs that map exactly this page */
	u16 held;		/* head: references that pipes hold */
	u16 flags;		/* T_* */
};
#define T_ON_LRU	1u	/* found on an LRU list */
#define T_FREE		2u	/* head of a block found on a buddy list */
#define T_BUSY		4u	/* an mm that maps it is in the middle of something */
#define T_MIGRATION	8u	/* a migration entry names a page of it */
#define T_TOLD		16u	/* a violation of its LRU membership was reported */
#define T_LOCKED	32u	/* head: a VM_LOCKED VMA maps a page of it */

/* One for each four frames: that of a large folio is its head's. */
struct large_tally {
	u32 pmds;		/* PMDs that map it */
	u32 more;		/* a third mm maps it */
	u32 id[2], nr[2];	/* the first two mms that were seen to map it, and how often */
	u32 slot_nr[2];		/* how often the mm named in each owner slot maps it */
};

struct check {
	struct frame_tally *frames;	/* by pfn */
	struct large_tally *large;	/* by pfn / 4 */
	unsigned long nr_frames;
	struct seq_file out;		/* the violations, in memory */
	long violations, folios, skipped;
	/* Who is in the middle of something (mm_check.c). */
	unsigned long *busy_ids;	/* bit for each mm id below BUSY_IDS */
	bool any_busy, kthread_busy;
	/* What the gauges must show; pages, but pmd-size folios in units of pages too. */
	long anon_mapped, file_mapped, anon_thps, tables, pins, mlocked;
	long nr_anon[10], nr_partial[10];
	u32 *slots[MAX_SWAPFILES];	/* for each area, by offset: entries that name the slot */
	unsigned long nr_slots[MAX_SWAPFILES];
	long swapcache, swapcache_pages, writeback;	/* slots with a folio; pages of folios with slots, and on their way */
	unsigned long queued;		/* folios in the deferred-split queue */
	struct list_head *queue;	/* the link of one of them */
};
#define BUSY_IDS (1u << 17)

/* One line "RULE WHAT=n FIELD want=W have=H"; the first 25 are kept, all are counted. */
void check_fail(struct check *c, const char *rule, const char *what, unsigned long n, const char *field, long want,
		long have);
static inline void check_pfn(struct check *c, const char *rule, unsigned long pfn, const char *field, long want, long have)
{
	if (unlikely(want != have))
		check_fail(c, rule, "pfn", pfn, field, want, have);
}
/* MM is locked, or a task of it is in the middle of something. */
bool check_mm_busy(const struct check *c, const struct mm_struct *mm);
static inline struct frame_tally *frame_of(struct check *c, const struct page *p) { return &c->frames[page_to_pfn(p)]; }
static inline struct large_tally *large_of(struct check *c, const struct folio *f) { return &c->large[folio_pfn(f) / 4]; }

/* Memory for the slots' tallies: 0 or -ENOMEM. An entry was found. F says that it is in the swap cache. */
int check_swap_alloc(struct check *c);
void check_swap_free(struct check *c);
void check_tally_entry(struct check *c, swp_entry_t e, bool exclusive);
void check_swapcache_folio(struct check *c, struct folio *f);

/* The parts, in the order in which they run. */
void check_lru_lists(struct check *c);
void check_buddy_lists(struct check *c);
void check_page_tables(struct check *c);
void check_pipes(struct check *c);
void check_swap(struct check *c);
void check_folios(struct check *c);
void check_gauges(struct check *c);

#endif
