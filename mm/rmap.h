/*
 * mm/rmap.h - from a folio to every PTE that maps it (RMAP-*), and the only writers of mapcounts (rmap.c).
 *
 *	folio->mapping --> anon_vma --(interval tree by page index)--> anon_vma_chain --> VMA --> PTE
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

#define RMAP_EXCLUSIVE 1u
/* Mapcounts. All => page-table lock held, reference taken first (FOL-8). NR pages from PAGE on. */
void folio_add_new_anon_rmap(struct folio *f, struct vm_area_struct *vma, unsigned long addr, unsigned int flags);
void folio_add_anon_rmap_ptes(struct folio *f, struct page *page, int nr, struct vm_area_struct *vma, unsigned long addr, unsigned int flags);
void folio_add_file_rmap_ptes(struct folio *f, struct page *page, int nr, struct vm_area_struct *vma);
void folio_remove_rmap_ptes(struct folio *f, struct page *page, int nr, struct vm_area_struct *vma);
/* fork: one more mapping; the page is shared, not exclusive, afterwards. -EBUSY: pinned, copy instead (COW-22). */
int folio_try_dup_anon_rmap_pte(struct folio *f, struct page *page, struct vm_area_struct *dst, struct vm_area_struct *src);
void folio_dup_file_rmap_pte(struct folio *f, struct page *page, struct vm_area_struct *dst);
/* RMAP-3: later walks need only this VMA's family branch. => folio locked, sole owner. */
void folio_move_anon_rmap(struct folio *f, struct vm_area_struct *vma);
int folio_mapcount(const struct folio *f);
static inline bool folio_mapped(const struct folio *f) { return folio_mapcount(f) > 0; }
bool folio_maybe_mapped_shared(const struct folio *f);	/* MMID-10 */
bool folio_maybe_dma_pinned(const struct folio *f);	/* PIN-2 */

/* Walk all mappings in deterministic order: FN for each VMA that may map F at ADDR; false ends the walk. */
struct rmap_walk { void *arg; bool (*one)(struct folio *f, struct vm_area_struct *vma, unsigned long addr, void *arg); };
void rmap_walk(struct folio *f, struct rmap_walk *w);

#endif
