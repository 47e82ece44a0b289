/*
 * mm/migrate.h - replacing a folio's mappings by migration entries and back (RMAP-12), and moving one folio
 * (MIG-2..5). migrate.c, migrate_folio.c.
 */
#ifndef MM_MIGRATE_H
#define MM_MIGRATE_H

#include "mm/fault.h"
#include "mm/rmap.h"
#include "mm/swapops.h"

/*
 * Replace every mapping of F by migration entries, a PMD by one; TTU_SPLIT_HUGE_PMD: by 512, in a table. Afterwards folio_mapped() tells
 * whether all went: a page that may be pinned and is exclusive keeps its PTE. Flushes every CPU before it returns;
 * TTU_BATCH_FLUSH: the flush is owed until try_to_unmap_flush (RCL-17). TTU_RMAP_LOCKED: the caller holds the anon_vma
 * lock for write. => folio locked
 */
void try_to_migrate(struct folio *f, unsigned int flags);
/*
 * Put the mappings back where migration entries of SRC's pages stand, to the same pages of DST (which may be SRC, or
 * SRC's pieces, one by one). RMP_USE_ZERO: an order-0 page that is all zero becomes the zero page.
 * Takes references and mapcounts for DST; in the order of the rmap walk (MMID-14). => SRC and DST locked
 */
#define RMP_LOCKED	1u		/* the caller holds the rmap lock */
#define RMP_USE_ZERO	2u		/* SPLIT-8 */
void remove_migration_ptes(struct folio *src, struct folio *dst, unsigned int flags);
/*
 * A fault met a migration entry at ADDR: wait until the folio it names is unlocked, without taking a reference (MIG-5).
 * => mmap lock held and kept; takes and drops the page-table lock; sleeps, not killable
 */
void migration_entry_wait(struct mm_struct *mm, pmd_t *pmd, unsigned long addr);

/* The same for a PMD. 0: what the fault handler returns. */
vm_fault_t pmd_migration_entry_wait(pmd_t *pmd);

enum migrate_mode { MIGRATE_ASYNC, MIGRATE_SYNC_LIGHT, MIGRATE_SYNC };
/* Where folios go: a target of SRC's order, or NULL; and back with a target that was not used. => may sleep */
struct migrate_target {
	struct folio *(*get)(struct folio *src, void *arg);
	void (*put)(struct folio *dst, void *arg);
	void *arg;
	const char *reason;	/* Linux's word for it, for the trace */
};
/*
 * Move the folios of FROM, isolated and linked by lru with a reference each, to targets (MIG-2..6). Sources that moved are
 * gone; FROM holds what is to be put back (folios_putback_lru). 0, or the first error: -EAGAIN (references, locks),
 * -EBUSY (writeback), -ENOMEM: no target, the rest was not tried. *NR_SUCCEEDED: pages. Counts MIG-6. => may sleep;
 * takes no mmap lock
 */
int migrate_pages(struct list_head *from, const struct migrate_target *target, enum migrate_mode mode,
		  unsigned int *nr_succeeded);
/* The same for one folio F and any free frames; takes over the caller's reference. -EBUSY: not on an LRU list, too. */
int migrate_one_folio(struct folio *f, enum migrate_mode mode);

#endif
