/*
 * mm/migrate.h - replacing a folio's mappings by migration entries and back (RMAP-12), and moving one folio
 * (MIG-2..5). migrate.c.
 */
#ifndef MM_MIGRATE_H
#define MM_MIGRATE_H

#include "mm/rmap.h"
#include "mm/swapops.h"

/*
 * Replace every mapping of F by migration entries (PMD mappings are split first). Afterwards folio_mapped() tells
 * whether all went: a page that may be pinned and is exclusive keeps its PTE. Flushes every CPU before it returns.
 * => folio locked. RMAP_LOCKED: the caller holds the anon_vma lock for write
 */
void try_to_migrate(struct folio *f, bool rmap_locked);
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

enum migrate_mode { MIGRATE_ASYNC, MIGRATE_SYNC_LIGHT, MIGRATE_SYNC };
/*
 * Move F to fresh frames, large ones in pieces where there is no such target. 0: F is freed once the caller puts it.
 * -EAGAIN (references, locks), -EBUSY (not on an LRU list, writeback), -ENOMEM: then nothing changed (MIG-4). Counts
 * MIG-6. => the caller holds one reference, F not locked; may sleep; takes no mmap lock
 */
int migrate_one_folio(struct folio *f, enum migrate_mode mode);

#endif
