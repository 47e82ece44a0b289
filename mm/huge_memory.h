/*
 * mm/huge_memory.h - huge PMDs (huge_memory.c), and splitting: of a PMD mapping (huge_split_pmd.c), of a folio
 * (split.c), and the deferred-split queue (deferred_split.c).
 *
 *	a PMD entry is:	none | a table of PTEs | huge: a leaf that maps 2 MiB (not present for a moment while it is split)
 *			| a migration entry: what was huge is being moved (migrate.c)
 *
 * Huge PMDs appear by a fault under the mmap lock for reading, only where the PMD was none (FLT-5), and turn into a
 * table at any time under the PMD lock. So whoever looks at a PMD without its lock must be ready for all of these.
 */
#ifndef MM_HUGE_MEMORY_H
#define MM_HUGE_MEMORY_H

#include "mm/memory.h"
#include "mm/thp_policy.h"

/* ---- Looking ---- */

/*
 * PMD is huge now: its lock, held; else NULL with nothing held. => mmap or rmap lock held
 */
spinlock_t *pmd_trans_huge_lock(pmd_t *pmd, struct vm_area_struct *vma);
/* The same if it is one entry for 2 MiB of whatever kind: huge, or a migration entry. */
static inline bool pmd_is_whole(pmd_t pmd) { return !pmd_none(pmd) && !pmd_table(pmd); }
spinlock_t *pmd_whole_lock(pmd_t *pmd);
/* No CPU uses the huge PMD at HADDR any more, which is huge still. What it was, with all that CPUs set. => PMD lock held */
pmd_t pmdp_invalidate(struct vm_area_struct *vma, unsigned long haddr, pmd_t *pmd);
/* The 2 MiB of zeroes (huge_zero.c): never counted, never exclusive (COW-16); NULL while there is none. */
extern struct folio *huge_zero_folio;
/*
 * MM may map it from now on until it ends: made if need be; NULL: no memory. May sleep. For a child of an mm that maps it:
 * cannot fail. MM maps nothing any more.
 */
struct folio *mm_get_huge_zero_folio(struct mm_struct *mm);
void mm_dup_huge_zero_folio(struct mm_struct *mm);
void mm_put_huge_zero_folio(struct mm_struct *mm);
static inline bool is_huge_zero_folio(const struct folio *f) { return f && f == READ_ONCE(huge_zero_folio); }
static inline bool is_huge_zero_pmd(pmd_t pmd)
{
	return pmd_trans_huge(pmd) && READ_ONCE(huge_zero_folio) && pmd_pfn(pmd) == folio_pfn(READ_ONCE(huge_zero_folio));
}
/* The page of a huge PMD at ADDR (not only the head), or NULL: the huge zero page. */
struct page *vm_normal_page_pmd(struct vm_area_struct *vma, unsigned long addr, pmd_t pmd);
static inline pmd_t maybe_pmd_mkwrite(pmd_t pmd, struct vm_area_struct *vma)
{
	return likely(vma->vm_flags & VM_WRITE) ? pmd_mkwrite(pmd) : pmd;
}

/* ---- Deposited tables (SPLIT-2) ---- */

/* One for each anonymous PMD mapping and each huge zero PMD; counted in pgtables_bytes. => PMD lock held */
void pgtable_trans_huge_deposit(struct mm_struct *mm, pmd_t *pmd, struct page *table);
struct page *pgtable_trans_huge_withdraw(struct mm_struct *mm, pmd_t *pmd);
/*
 * A table not linked anywhere, counted for MM; NULL: no memory. Its entries are undefined: most are never used, and
 * whoever splits the PMD writes all of them. May sleep. Give back with pte_free.
 */
struct page *pte_alloc_one(struct mm_struct *mm);
void pte_free(struct mm_struct *mm, struct page *table);

/* ---- Faults (vmf->pmd, vmf->orig_pmd filled in) ---- */

/* PMD is none and the VMA may be huge here. VM_FAULT_FALLBACK: nothing done, go on with PTEs (MTHP-5). */
vm_fault_t do_huge_pmd_anonymous_page(struct vm_fault *vmf);
/* Write (or unshare) to a read-only huge PMD. VM_FAULT_FALLBACK: it is a table now (or soon), go on with PTEs. */
vm_fault_t do_huge_pmd_wp_page(struct vm_fault *vmf);
/* The access is allowed: set A (and D). */
void huge_pmd_set_accessed(struct vm_fault *vmf);

/*
 * FOLIO, new and filled, is mapped at HADDR, dirty, writable if VMA is, and queued as SPLIT-9 (b) says. Consumes the
 * reference. RSS and events are the caller's.
 * => PMD lock held, PMD none and flushed, its table deposited
 */
void map_anon_folio_pmd(struct folio *folio, pmd_t *pmd, struct vm_area_struct *vma, unsigned long haddr);

/* ---- The other calls. Each takes the PMD lock itself. ---- */

/*
 * fork: share the huge PMD at ADDR. 0: done (or vanished: look again at PTE level). -EAGAIN: pinned, was split, go on
 * with PTEs (COW-22). -ENOMEM. => mmap locks of both for write
 */
int copy_huge_pmd(struct mm_struct *dst_mm, struct mm_struct *src_mm, pmd_t *dst_pmd, pmd_t *src_pmd,
		  unsigned long addr, struct vm_area_struct *dst, struct vm_area_struct *src);
/* The whole PMD goes: true if it was huge (a migration entry counts) and is gone; false: look again at PTE level. */
bool zap_huge_pmd(struct mmu_gather *tlb, struct vm_area_struct *vma, pmd_t *pmd, unsigned long addr);
/*
 * mprotect of a whole huge PMD. Pages changed (512), or 0: not huge any more. The caller flushes: the range is told to TLB.
 */
unsigned long change_huge_pmd(struct mmu_gather *tlb, struct vm_area_struct *vma, pmd_t *pmd, unsigned long addr,
			      pgprot_t newprot);
/* mremap: move the entry with its deposited table; true if it was huge and moved. => mmap write, rmap locks as move_ptes */
bool move_huge_pmd(struct vm_area_struct *vma, unsigned long old_addr, unsigned long new_addr, pmd_t *old_pmd,
		   pmd_t *new_pmd);
/* MADV_FREE of a whole huge PMD; true: done (also: skipped), false: it is no huge PMD (any more) or must be split. */
bool madvise_free_huge_pmd(struct mmu_gather *tlb, struct vm_area_struct *vma, pmd_t *pmd, unsigned long addr);

/* ---- Splitting a PMD mapping: never fails, no memory needed (SPLIT-1..3) ---- */

/* If the PMD at ADDR is huge, or a migration entry, make it a table. Takes and drops the PMD lock. => mmap or rmap lock held */
void split_huge_pmd(struct vm_area_struct *vma, pmd_t *pmd, unsigned long addr);
/* The same from any address. */
void split_huge_pmd_address(struct vm_area_struct *vma, unsigned long addr);
/* => PMD lock held, PMD huge or a migration entry; ADDR 2 MiB aligned */
void split_huge_pmd_locked(struct vm_area_struct *vma, unsigned long addr, pmd_t *pmd);
/* VMA is about to get the borders START and END: no huge PMD may cross one. => mmap write */
void vma_adjust_trans_huge(struct vm_area_struct *vma, unsigned long start, unsigned long end);

/* ---- Splitting a folio (split.c) ---- */

/*
 * Cut F into folios of NEW_ORDER (0 or 2..8). The piece that holds PAGE stays locked and keeps the caller's reference;
 * the others are unlocked and put. 0 or SPLIT-5's errors, then F is whole and mapped as before. Counts SPLIT-14.
 * => F locked, the caller holds a reference (and the mapping's are the only others); takes the anon_vma lock; may
 * sleep; never takes an mmap lock
 */
int split_folio_to_order(struct folio *f, struct page *page, unsigned int new_order);
/*
 * The same, but only the piece with PAGE gets order NEW_ORDER: F is halved until that is reached, the other halves stay
 * as large as they are (never order 1, FOL-9).
 */
int folio_split(struct folio *f, unsigned int new_order, struct page *page);
/* To order 0, keeping page 0. */
static inline int split_folio(struct folio *f) { return split_folio_to_order(f, &f->page, 0); }
/* Reclaim: the same, F being isolated; the other pieces join LIST, isolated and with a reference each. */
int split_folio_to_list(struct folio *f, struct list_head *list);
/* Put F on the queue: PARTIALLY_MAPPED (SPLIT-9a, counts SPLIT-10) or newly PMD-mapped (SPLIT-9b). Any lock may be held but leaves. */
void deferred_split_folio(struct folio *f, bool partially_mapped);
/* F is being freed or is frozen: off the queue (SPLIT-13). True if it was on it. */
bool folio_unqueue_deferred_split(struct folio *f);
/*
 * Shrink: look at up to NR folios of the queue (SPLIT-12); each at most once, so that a large NR is one round over the
 * whole queue. Pages freed, as far as can be said. May sleep. Also a shrinker: drop_caches 2 calls it.
 */
unsigned long deferred_split_scan(unsigned long nr);
/* F's missing mappings are or are not to be taken for a partial mapping (RMAP-12). => F locked */
void folio_begin_unmapping(struct folio *f);
void folio_end_unmapping(struct folio *f);
/* All 4096 bytes are 0. */
bool page_is_zero_filled(const struct page *page);

#endif
