/*
 * mm/rmap.h - from a folio to every PTE and PMD that maps it (RMAP-*), and the only writers of mapcounts (rmap.c).
 *
 *	folio->mapping --> anon_vma --(interval tree by page index)--> anon_vma_chain --> VMA --> PTE or PMD
 *
 * fork gives the child's VMA an anon_vma of its own and links it to all ancestors' (RMAP-1). All anon_vmas of
 * one family share the root's rwsem.
 */
#ifndef MM_RMAP_H
#define MM_RMAP_H

#include "mm/mm_types.h"
#include "mm/page.h"

struct anon_vma {
	struct anon_vma *root;		/* c: whose rwsem serves the family */
	struct rw_semaphore rwsem;	/* of the root only; class "anon_vma" */
	atomic_t refcount;		/* users besides the tree; the root counts its family */
	unsigned long num_children, num_active_vmas;	/* W: for reuse at fork (RMAP-1) */
	struct anon_vma *parent;	/* W */
	struct rb_root rb_root;		/* W: anon_vma_chains by page index */
};
struct anon_vma_chain {
	struct vm_area_struct *vma;
	struct anon_vma *anon_vma;
	struct list_head same_vma;	/* mmap lock + page_table_lock */
	struct interval_tree_node it;	/* anon_vma rwsem */
};

/* Give VMA an anon_vma (a mergeable neighbour's if there is one). => mmap lock held; may sleep. 0 or -ENOMEM. */
int __anon_vma_prepare(struct vm_area_struct *vma);
static inline int anon_vma_prepare(struct vm_area_struct *vma) { return likely(READ_ONCE(vma->anon_vma) != NULL) ? 0 : __anon_vma_prepare(vma); }
/* Link DST to every anon_vma of SRC (VMA split, mremap); fork adds the child's own. => mmap write; 0 or -ENOMEM, undone. */
int anon_vma_clone(struct vm_area_struct *dst, struct vm_area_struct *src);
int anon_vma_fork(struct vm_area_struct *vma, struct vm_area_struct *pvma);
/* Take VMA off all its anon_vmas, freeing those that nobody uses. => mmap write (or exit). */
void unlink_anon_vmas(struct vm_area_struct *vma);
/* The VMA's range or pgoff is about to change / has changed: keep the interval trees right. => anon_vma locked for write. */
void anon_vma_interval_tree_pre_update_vma(struct vm_area_struct *vma);
void anon_vma_interval_tree_post_update_vma(struct vm_area_struct *vma);
static inline void anon_vma_lock_write(struct anon_vma *av)   { down_write(&av->root->rwsem); }
static inline void anon_vma_unlock_write(struct anon_vma *av) { up_write(&av->root->rwsem); }
static inline void anon_vma_lock_read(struct anon_vma *av)    { down_read(&av->root->rwsem); }
static inline void anon_vma_unlock_read(struct anon_vma *av)  { up_read(&av->root->rwsem); }
/*
 * The anon_vma of an anonymous folio, with a reference that put_anon_vma drops; NULL: not anonymous, or not
 * mapped any more (RMAP-4). => folio locked; no sleep
 */
struct anon_vma *folio_get_anon_vma(struct folio *f);
void put_anon_vma(struct anon_vma *av);

/*
 * ---- Mapcounts ----
 * All => page-table lock held, references taken first, one per PTE or PMD (FOL-8). NR pages from PAGE on, all of
 * F. They take the owner lock inside (MMID-4) and keep nr_anon_pages, nr_mapped and the per-page counts.
 */
#define RMAP_NONE	0u
#define RMAP_EXCLUSIVE	1u		/* the page belongs to this mm alone (COW-1) */

/*
 * RMAP-6: F is new, invisible to others, and is mapped whole at ADDR (page 0): by one PMD if it is of PMD order,
 * else by PTEs. Sets swapbacked, uptodate, mapping and index, EXCLUSIVE (PMD: the head's) and nr_anon.
 */
void folio_add_new_anon_rmap(struct folio *f, struct vm_area_struct *vma, unsigned long addr, unsigned int flags);
/* ADDR is where PAGE is mapped. The folio has been mapped before, or was found in the swap cache (RMAP-2). */
void folio_add_anon_rmap_ptes(struct folio *f, struct page *page, int nr, struct vm_area_struct *vma, unsigned long addr, unsigned int flags);
void folio_add_anon_rmap_pmd(struct folio *f, struct page *page, struct vm_area_struct *vma, unsigned long addr, unsigned int flags);
void folio_add_file_rmap_ptes(struct folio *f, struct page *page, int nr, struct vm_area_struct *vma);
/* May queue F for deferred split (RMAP-8..10). The caller drops the references afterwards. */
void folio_remove_rmap_ptes(struct folio *f, struct page *page, int nr, struct vm_area_struct *vma);
void folio_remove_rmap_pmd(struct folio *f, struct page *page, struct vm_area_struct *vma);
/* The short way for PAGE of a small anonymous folio. True: it was the last mapping; the caller adjusts NR_ANON_MAPPED. */
static inline bool folio_remove_small_anon_rmap(struct page *page)
{
	int left = atomic_dec_return(&page->_mapcount);

	KASSERT_GE(left, -1, "FOL-5");
	KASSERT_GT(atomic_read(&page->_refcount), 0, "FOL-8");
	return left < 0;
}
/*
 * fork: DST maps the same NR pages once more; they are shared, not exclusive, afterwards. -EBUSY with nothing
 * changed: an exclusive one may be pinned, copy instead (COW-22).
 */
int folio_try_dup_anon_rmap_ptes(struct folio *f, struct page *page, int nr, struct vm_area_struct *dst, struct vm_area_struct *src);
int folio_try_dup_anon_rmap_pmd(struct folio *f, struct page *page, struct vm_area_struct *dst, struct vm_area_struct *src);
/*
 * The short way for PAGE of a small anonymous folio, reference included, if the parent has never pinned anything
 * (PIN-4): it cannot fail.
 */
static inline void folio_dup_small_anon_rmap(struct page *page)
{
	atomic_inc(&page->_refcount);
	atomic_inc(&page->_mapcount);
	if (PageAnonExclusive(page))
		ClearPageAnonExclusive(page);
}
void folio_dup_file_rmap_ptes(struct folio *f, struct page *page, int nr, struct vm_area_struct *dst);
/*
 * Temporary unmapping (COW-3, PIN-7): take EXCLUSIVE away from PAGE (PMD: the head), whose entry was cleared and
 * flushed before. -EBUSY, nothing changed: may be pinned; restore the entry.
 */
int folio_try_share_anon_rmap_pte(struct folio *f, struct page *page);
int folio_try_share_anon_rmap_pmd(struct folio *f, struct page *page);
/* RMAP-3: later walks need only this VMA's branch of the family. => folio locked, no other mm maps any page of it */
void folio_move_anon_rmap(struct folio *f, struct vm_area_struct *vma);

/* Total mapcount: small its own, large one per PTE plus one per PMD (FOL-6). */
int folio_mapcount(const struct folio *f);
/* PMD mappings only (FOL-4). */
static inline int folio_entire_mapcount(const struct folio *f) { return folio_test_large(f) ? atomic_read(&f->_entire_mapcount) + 1 : 0; }
/* How often PAGE itself is mapped, by PTE or PMD. Large, without per-page counts: the rounded average, at least 1 if mapped (ABI-11). */
int folio_precise_page_mapcount(const struct folio *f, const struct page *page);
static inline bool folio_mapped(const struct folio *f) { return folio_mapcount(f) > 0; }
/* FOL-7: references of a folio that nobody else uses: mappings, and the caches'. */
int folio_expected_ref_count(const struct folio *f);
bool folio_maybe_dma_pinned(const struct folio *f);	/* PIN-2 */

/*
 * ---- The walk (RMAP-11) ----
 * ONE is called for each VMA that may map F, in the order of the interval tree: by the VMA's first page index, equal
 * ones in the order in which they were put there (MMID-14): a parent before its children, until one's borders change;
 * ADDR is where the first page of F that lies in the VMA would be. False ends it.
 * => folio locked; takes the rmap lock for reading unless RMAP_LOCKED says the caller holds it (for write)
 */
struct rmap_walk {
	void *arg;
	bool (*one)(struct folio *f, struct vm_area_struct *vma, unsigned long addr, void *arg);
	bool rmap_locked;
	bool try_lock;			/* do not wait for the rmap lock: */
	bool contended;			/* out: it was not to be had, nothing was walked */
};
void rmap_walk(struct folio *f, struct rmap_walk *w);
/*
 * RCL-5: in how many VMAs an entry of F was young; all of them are old afterwards, without a TLB flush. Or one of
 * these: somebody holds the rmap lock, or all of it belongs to one mm that is about to go; a VM_LOCKED VMA maps F whole.
 * => folio locked; does not wait for locks but page-table locks
 */
#define FOLIO_REF_KEEP	  (-1)
#define FOLIO_REF_MLOCKED (-2)
int folio_referenced(struct folio *f);
/*
 * Step through the entries by which VMA maps pages of F, under their table's lock: fill folio, vma, address (and
 * zero the rest), then loop. Each true answer stands on one entry: pvmw->pte (one PTE, or migration entry of it if
 * PVMW_MIGRATION), or pvmw->pmd with pte NULL (a PMD of F, or the migration entry of one). False: the end, nothing locked. To leave the loop
 * early call page_vma_mapped_walk_done. Between two calls the lock may have been dropped.
 */
#define PVMW_MIGRATION	1u		/* look for migration entries of F's pages instead of present ones */
struct page_vma_mapped_walk {
	struct folio *folio;
	struct vm_area_struct *vma;
	unsigned long address;		/* of the entry stood on */
	pmd_t *pmd;
	pte_t *pte;
	spinlock_t *ptl;
	unsigned int flags;
};
bool page_vma_mapped_walk(struct page_vma_mapped_walk *pvmw);
void page_vma_mapped_walk_done(struct page_vma_mapped_walk *pvmw);
/* The entry stood on was changed (a PMD split): drop the lock, so that the next call looks at this address again. */
void page_vma_mapped_walk_restart(struct page_vma_mapped_walk *pvmw);
/*
 * The folio that is mapped at ADDR by a PTE or PMD, with a reference, *PAGE the page of it; NULL: none that is counted.
 * => mmap lock held
 */
struct folio *folio_get_mapped(struct vm_area_struct *vma, unsigned long addr, struct page **page);

#endif
