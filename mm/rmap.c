/*
 * mm/rmap.c - which VMAs may map an anonymous folio, and how often it is mapped.
 *
 *	parent VMA ── avc ── anon_vma P <── folio->mapping of pages from before the fork
 *	                  ╱
 *	child VMA ── avc ╱
 *	          ╲─ avc ── anon_vma C <── folio->mapping of the child's own pages   (C's root and parent: P)
 *
 * An anon_vma_chain (avc) joins one VMA and one anon_vma: the VMA lists its avcs, the anon_vma keeps its
 * own in an interval tree by page index. A page of the parent may be mapped by the child, so the child's
 * VMA is on P too; the child's own pages are on C alone and a walk for them meets no relative.
 *
 * Locks: the root's rwsem for all trees and counts of a family; the mmap lock (and page_table_lock for the
 * first anon_vma of a VMA) for the VMA's list. Not here: owner slots (mm_id.c), the steps of a walk within a
 * VMA (page_vma_mapped.c). Linux: mm/rmap.c.
 */
#include "mm/rmap.h"
#include "kernel/fs/fs.h"
#include "kernel/init.h"
#include "kernel/lib/hash.h"
#include "mm/huge_memory.h"
#include "mm/mlock.h"
#include "mm/slab.h"
#include "mm/vmstat.h"

static struct kmem_cache *anon_vma_cache, *anon_vma_chain_cache;

static int __rmap_init(void)
{
	anon_vma_cache = KMEM_CACHE(anon_vma);
	anon_vma_chain_cache = KMEM_CACHE(anon_vma_chain);
	return 0;
}
core_initcall(__rmap_init);

/* ---- Life of an anon_vma ---- */

/*
 * Whoever comes from a folio has no reference to its anon_vma yet. It takes one of these locks, sees that
 * the folio is mapped (so a VMA still holds the anon_vma) and takes the reference; the last put passes
 * through the same lock before the memory goes.
 */
#define GET_LOCKS_BITS 5
static struct lock_class anon_vma_get_class = { .name = "anon_vma_get", .kind = LOCK_SPIN };
#define GET_LOCK { .owner_cpu = -1, .class = &anon_vma_get_class }
static spinlock_t get_locks[1 << GET_LOCKS_BITS] = { [0 ... (1 << GET_LOCKS_BITS) - 1] = GET_LOCK };

static spinlock_t *get_lock_of(const struct anon_vma *av)
{
	return &get_locks[hash_ptr(av, GET_LOCKS_BITS)];
}

/* A root without parent; refcount 1. NULL: no memory. */
static struct anon_vma *anon_vma_alloc(void)
{
	struct anon_vma *av = kmem_cache_alloc(anon_vma_cache, GFP_KERNEL);

	if (!av)
		return NULL;
	atomic_set(&av->refcount, 1);
	av->num_children = av->num_active_vmas = 0;
	av->root = av->parent = av;
	av->rb_root = RB_ROOT;
	init_rwsem_class(&av->rwsem, __LOCK_CLASS("anon_vma", LOCK_RWSEM));
	return av;
}

static void anon_vma_free(struct anon_vma *av)
{
	spinlock_t *lock = get_lock_of(av);

	KASSERT(!av->rb_root.rb_node, "RMAP-1");
	spin_lock(lock);
	spin_unlock(lock);
	kmem_cache_free(anon_vma_cache, av);
}

void put_anon_vma(struct anon_vma *av)
{
	struct anon_vma *root = av->root;

	if (!atomic_dec_and_test(&av->refcount))
		return;
	anon_vma_free(av);
	if (root != av && atomic_dec_and_test(&root->refcount))
		anon_vma_free(root);
}

struct anon_vma *folio_get_anon_vma(struct folio *f)
{
	unsigned long mapping = (unsigned long)READ_ONCE(f->mapping);
	struct anon_vma *av = (struct anon_vma *)(mapping & ~FOLIO_MAPPING_ANON);
	spinlock_t *lock = get_lock_of(av);

	if (!(mapping & FOLIO_MAPPING_ANON))
		return NULL;
	spin_lock(lock);
	if (!folio_mapped(f) || !atomic_inc_not_zero(&av->refcount))
		av = NULL;
	spin_unlock(lock);
	return av;
}

/* ---- Chains ---- */

static void avc_set_range(struct anon_vma_chain *avc)
{
	avc->it.start = avc->vma->vm_pgoff;
	avc->it.last = avc->vma->vm_pgoff + vma_pages(avc->vma) - 1;
}

/* => family locked for write */
static void anon_vma_chain_link(struct vm_area_struct *vma, struct anon_vma_chain *avc, struct anon_vma *av)
{
	avc->vma = vma;
	avc->anon_vma = av;
	list_add(&avc->same_vma, &vma->anon_vma_chain);
	avc_set_range(avc);
	interval_tree_insert(&avc->it, &av->rb_root);
}

static struct anon_vma_chain *avc_alloc(void)
{
	return kmem_cache_alloc(anon_vma_chain_cache, GFP_KERNEL);
}

static void avc_free(struct anon_vma_chain *avc)
{
	if (avc)
		kmem_cache_free(anon_vma_chain_cache, avc);
}

void anon_vma_interval_tree_pre_update_vma(struct vm_area_struct *vma)
{
	struct anon_vma_chain *avc;

	list_for_each_entry(avc, &vma->anon_vma_chain, same_vma)
		interval_tree_remove(&avc->it, &avc->anon_vma->rb_root);
}

void anon_vma_interval_tree_post_update_vma(struct vm_area_struct *vma)
{
	struct anon_vma_chain *avc;

	list_for_each_entry(avc, &vma->anon_vma_chain, same_vma) {
		avc_set_range(avc);
		interval_tree_insert(&avc->it, &avc->anon_vma->rb_root);
	}
}

/*
 * A and B touch and could become one VMA by mprotect:
 * then they should have one anon_vma, or they never can merge.
 */
static bool anon_vma_compatible(const struct vm_area_struct *a, const struct vm_area_struct *b)
{
	return a->vm_end == b->vm_start && a->vm_file == b->vm_file &&
	       !((a->vm_flags ^ b->vm_flags) & ~VM_ACCESS_FLAGS) &&
	       b->vm_pgoff == a->vm_pgoff + ((b->vm_start - a->vm_start) >> PAGE_SHIFT);
}

/*
 * OLD's anon_vma, unless OLD has it with ancestors:
 * then a newcomer would stand in for parents it never had.
 */
static struct anon_vma *reusable_anon_vma(struct vm_area_struct *old)
{
	struct anon_vma *av = READ_ONCE(old->anon_vma);

	return av && list_is_singular(&old->anon_vma_chain) ? av : NULL;
}

static struct anon_vma *find_mergeable_anon_vma(struct vm_area_struct *vma)
{
	struct vm_area_struct *next = vma_next(vma), *prev = vma_prev(vma);
	struct anon_vma *av = NULL;

	if (next && anon_vma_compatible(vma, next))
		av = reusable_anon_vma(next);
	if (!av && prev && anon_vma_compatible(prev, vma))
		av = reusable_anon_vma(prev);
	return av;
}

int __anon_vma_prepare(struct vm_area_struct *vma)
{
	struct anon_vma_chain *avc = avc_alloc();
	struct anon_vma *av, *fresh = NULL;

	if (!avc)
		return -ENOMEM;
	av = find_mergeable_anon_vma(vma);
	if (!av) {
		av = fresh = anon_vma_alloc();
		if (!av) {
			avc_free(avc);
			return -ENOMEM;
		}
		av->num_children++;	/* a root is its own child: it has a parent to leave */
	}
	anon_vma_lock_write(av);
	/* Another thread may be at the same first fault: the mmap lock is only held for reading. */
	spin_lock(&vma->vm_mm->page_table_lock);
	if (likely(!vma->anon_vma)) {
		anon_vma_chain_link(vma, avc, av);
		av->num_active_vmas++;
		smp_store_release(&vma->anon_vma, av);
		fresh = NULL;
		avc = NULL;
	}
	spin_unlock(&vma->vm_mm->page_table_lock);
	anon_vma_unlock_write(av);
	if (unlikely(fresh))
		put_anon_vma(fresh);
	avc_free(avc);
	return 0;
}

/*
 * An ancestor that no VMA uses as its own and that has at most one child can serve DST instead of a new
 * anon_vma, so that "fork, parent exits" for 10,000 generations does not grow the chains (RMAP-1).
 */
static bool anon_vma_is_free_for_reuse(const struct anon_vma *av)
{
	return av->num_children < 2 && av->num_active_vmas == 0;
}

int anon_vma_clone(struct vm_area_struct *dst, struct vm_area_struct *src)
{
	struct anon_vma_chain *pavc, *avc;
	LIST_HEAD(spare);

	/* Memory first: afterwards nothing can fail while the family is locked. */
	list_for_each_entry(pavc, &src->anon_vma_chain, same_vma) {
		avc = avc_alloc();
		if (!avc)
			goto out_spare;
		list_add(&avc->same_vma, &spare);
	}
	if (list_empty(&spare))
		return 0;
	pavc = list_first_entry(&src->anon_vma_chain, struct anon_vma_chain, same_vma);
	struct anon_vma *root = pavc->anon_vma->root;

	anon_vma_lock_write(root);
	/*
	 * Backwards: list_add turns the order round,
	 * and the copy should list its own anon_vma first as well.
	 */
	list_for_each_entry_reverse(pavc, &src->anon_vma_chain, same_vma) {
		KASSERT(pavc->anon_vma->root == root, "RMAP-1");
		avc = list_first_entry(&spare, struct anon_vma_chain, same_vma);
		list_del(&avc->same_vma);
		anon_vma_chain_link(dst, avc, pavc->anon_vma);
		if (!dst->anon_vma && src->anon_vma && anon_vma_is_free_for_reuse(pavc->anon_vma))
			dst->anon_vma = pavc->anon_vma;
	}
	if (dst->anon_vma)
		dst->anon_vma->num_active_vmas++;
	anon_vma_unlock_write(root);
	return 0;

out_spare:
	while (!list_empty(&spare)) {
		avc = list_first_entry(&spare, struct anon_vma_chain, same_vma);
		list_del(&avc->same_vma);
		avc_free(avc);
	}
	return -ENOMEM;
}

int anon_vma_fork(struct vm_area_struct *vma, struct vm_area_struct *pvma)
{
	struct anon_vma_chain *avc;
	struct anon_vma *av;

	vma->anon_vma = NULL;
	if (!pvma->anon_vma)
		return 0;
	if (anon_vma_clone(vma, pvma))
		return -ENOMEM;
	if (vma->anon_vma)
		return 0;		/* took an ancestor's over */
	av = anon_vma_alloc();
	avc = av ? avc_alloc() : NULL;
	if (!avc)
		goto out;
	av->num_active_vmas = 1;
	av->root = pvma->anon_vma->root;
	av->parent = pvma->anon_vma;
	atomic_inc(&av->root->refcount);	/* the lock must live as long as any of the family */
	anon_vma_lock_write(av);
	vma->anon_vma = av;
	anon_vma_chain_link(vma, avc, av);
	av->parent->num_children++;
	anon_vma_unlock_write(av);
	return 0;

out:
	if (av)
		put_anon_vma(av);
	unlink_anon_vmas(vma);
	return -ENOMEM;
}

void unlink_anon_vmas(struct vm_area_struct *vma)
{
	struct anon_vma_chain *avc, *next;
	struct anon_vma *root;
	LIST_HEAD(unused);

	if (list_empty(&vma->anon_vma_chain))
		return;
	root = list_first_entry(&vma->anon_vma_chain, struct anon_vma_chain, same_vma)->anon_vma->root;
	anon_vma_lock_write(root);
	list_for_each_entry_safe(avc, next, &vma->anon_vma_chain, same_vma) {
		struct anon_vma *av = avc->anon_vma;

		interval_tree_remove(&avc->it, &av->rb_root);
		if (!av->rb_root.rb_node) {
			av->parent->num_children--;
			list_move(&avc->same_vma, &unused);
			continue;
		}
		list_del(&avc->same_vma);
		avc_free(avc);
	}
	if (vma->anon_vma)
		vma->anon_vma->num_active_vmas--;
	vma->anon_vma = NULL;
	anon_vma_unlock_write(root);
	/* Only now: the root's lock goes with the last of its family. */
	list_for_each_entry_safe(avc, next, &unused, same_vma) {
		put_anon_vma(avc->anon_vma);
		avc_free(avc);
	}
}

/* ---- Mapcounts ---- */

/*
 * A mapping is counted in up to four places, each for one question:
 *
 *	_owners			total, and which mms: COW reuse, "shared?"	under the owner lock (mm_id.c)
 *	_entire_mapcount	by PMDs
 *	page->_mapcount		of this page by PTEs		only with CONFIG_PAGE_MAPCOUNT (FOL-10)
 *	_nr_pages_mapped	pages mapped by PTEs, plus a bias if any PMD maps the folio (FOL-11)
 *
 * The last tells which mapping was the first or the last of a page: nr_anon_pages and "partially mapped".
 */
#define ENTIRELY_MAPPED		0x800000
#define NR_PAGES_MAPPED_MASK	(ENTIRELY_MAPPED - 1)

/* NR pages of F got their first mapping or lost their last; and NR_PMD of them that by PMD. */
static void mod_mapped_stat(struct folio *f, long nr, long nr_pmd)
{
	if (nr)
		mod_node_page_state(folio_test_anon(f) ? NR_ANON_MAPPED : NR_FILE_MAPPED, nr);
	if (nr_pmd)
		mod_node_page_state(NR_ANON_THPS, nr_pmd);
}

/* NR PTEs more map pages from PAGE on. How many pages of F were not mapped at all before. */
static int add_large_ptes(struct folio *f, struct page *page, int nr, struct vm_area_struct *vma)
{
	int total = folio_add_large_mapcount(f, nr, vma), first = 0;

	if (!CONFIG_PAGE_MAPCOUNT)
		return total == nr ? (int)folio_nr_pages(f) : 0;	/* counted whole, as soon as any is mapped */
	for (int i = 0; i < nr; i++)
		first += atomic_inc_return(&page[i]._mapcount) == 0;
	if (first && atomic_add_return(first, &f->_nr_pages_mapped) >= ENTIRELY_MAPPED)
		return 0;
	return first;
}

/* One PMD more maps F. Pages that were not mapped before; *PMD: it is the first PMD. */
static int add_large_pmd(struct folio *f, struct vm_area_struct *vma, bool *pmd)
{
	int total = folio_add_large_mapcount(f, 1, vma), mapped;

	*pmd = atomic_inc_return(&f->_entire_mapcount) == 0;
	if (!CONFIG_PAGE_MAPCOUNT)
		return total == 1 ? HPAGE_PMD_NR : 0;
	if (!*pmd)
		return 0;
	mapped = atomic_add_return(ENTIRELY_MAPPED, &f->_nr_pages_mapped);
	return HPAGE_PMD_NR - (mapped & NR_PAGES_MAPPED_MASK);
}

static void set_anon_rmap(struct folio *f, struct anon_vma *av, struct vm_area_struct *vma,
			  unsigned long addr)
{
	f->index = linear_page_index(vma, addr);
	WRITE_ONCE(f->mapping, (struct address_space *)((unsigned long)av | FOLIO_MAPPING_ANON));
}

/* RMAP-2: where a folio that was not anonymous yet belongs. PAGE is mapped at ADDR. */
static void first_anon_rmap(struct folio *f, struct page *page, struct vm_area_struct *vma, unsigned long addr,
			    unsigned int flags)
{
	struct anon_vma *av = flags & RMAP_EXCLUSIVE ? vma->anon_vma : vma->anon_vma->root;

	if (folio_test_anon(f))
		return;
	set_anon_rmap(f, av, vma, addr - (folio_page_idx(f, page) << PAGE_SHIFT));
	if (folio_test_large(f))
		count_mthp_stat(folio_order(f), MTHP_STAT_NR_ANON);
}

static void new_anon_large(struct folio *f, struct vm_area_struct *vma, bool exclusive)
{
	int nr = (int)folio_nr_pages(f);
	bool pmd = folio_test_pmd_mappable(f);

	for (int i = 0; i < nr && !pmd; i++) {
		if (CONFIG_PAGE_MAPCOUNT)
			atomic_set(&folio_page(f, i)->_mapcount, 0);
		if (exclusive)
			__SetPageAnonExclusive(folio_page(f, i));
	}
	if (pmd) {
		atomic_set(&f->_entire_mapcount, 0);
		if (exclusive)
			__SetPageAnonExclusive(&f->page);
		mod_node_page_state(NR_ANON_THPS, nr);
	}
	if (CONFIG_PAGE_MAPCOUNT)
		atomic_set(&f->_nr_pages_mapped, pmd ? ENTIRELY_MAPPED : nr);
	folio_set_large_mapcount(f, pmd ? 1 : nr, vma);
	count_mthp_stat(folio_order(f), MTHP_STAT_NR_ANON);
}

void folio_add_new_anon_rmap(struct folio *f, struct vm_area_struct *vma, unsigned long addr,
			     unsigned int flags)
{
	bool exclusive = flags & RMAP_EXCLUSIVE;
	long nr = (long)folio_nr_pages(f);

	KASSERT(addr >= vma->vm_start && addr + (nr << PAGE_SHIFT) <= vma->vm_end, "RMAP-2");
	KASSERT(vma->anon_vma, "RMAP-2");
	/* RMAP-6: nobody else can see the folio yet, plain stores do. */
	f->flags |= BIT(PG_swapbacked) | BIT(PG_uptodate);
	set_anon_rmap(f, exclusive ? vma->anon_vma : vma->anon_vma->root, vma, addr);
	if (folio_test_large(f)) {
		new_anon_large(f, vma, exclusive);
	} else {
		atomic_set(&f->_mapcount, 0);
		if (exclusive)
			__SetPageAnonExclusive(&f->page);
	}
	mod_node_page_state(NR_ANON_MAPPED, nr);
	if (unlikely(vma_marks_folios(vma)))
		mlock_new_folio(f);
}

/*
 * MLK-7: VMA maps NR pages more of F by one entry or one run of them. Of a large folio mapped bit by bit
 * nobody knows here whether that was the last bit: reclaim sees it.
 */
static void note_mapped(struct folio *f, int nr, struct vm_area_struct *vma)
{
	if (unlikely(vma_marks_folios(vma)) && nr == (int)folio_nr_pages(f))
		mlock_folio(f);
}

void folio_add_anon_rmap_ptes(struct folio *f, struct page *page, int nr, struct vm_area_struct *vma,
			      unsigned long addr, unsigned int flags)
{
	int first = folio_test_large(f) ? add_large_ptes(f, page, nr, vma) :
					  atomic_inc_return(&page->_mapcount) == 0;

	first_anon_rmap(f, page, vma, addr, flags);
	mod_mapped_stat(f, first, 0);
	note_mapped(f, nr, vma);
	for (int i = 0; i < nr; i++) {
		if (flags & RMAP_EXCLUSIVE)
			SetPageAnonExclusive(page + i);
		/* A PMD split maps the page by PTE and PMD for a moment. */
		KASSERT(!PageAnonExclusive(page + i) || atomic_read(&page[i]._mapcount) <= 0, "COW-1");
	}
}

void folio_add_anon_rmap_pmd(struct folio *f, struct page *page, struct vm_area_struct *vma,
			     unsigned long addr, unsigned int flags)
{
	bool pmd;
	int first = add_large_pmd(f, vma, &pmd);

	KASSERT(page == &f->page, "RMAP-5");
	first_anon_rmap(f, page, vma, addr, flags);
	mod_mapped_stat(f, first, pmd ? HPAGE_PMD_NR : 0);
	note_mapped(f, HPAGE_PMD_NR, vma);
	if (flags & RMAP_EXCLUSIVE)
		SetPageAnonExclusive(page);
}

void folio_add_file_rmap_ptes(struct folio *f, struct page *page, int nr, struct vm_area_struct *vma)
{
	int first = folio_test_large(f) ? add_large_ptes(f, page, nr, vma) :
					  atomic_inc_return(&page->_mapcount) == 0;

	KASSERT(!folio_test_anon(f), "RMAP-5");
	mod_mapped_stat(f, first, 0);
	note_mapped(f, nr, vma);
}

/*
 * NR PTEs fewer map pages of F. Pages of F that are not mapped at all any more; *PARTIAL: that leaves F partially
 * mapped (RMAP-8, or RMAP-9 without per-page counts).
 */
static int remove_large_ptes(struct folio *f, struct page *page, int nr, struct vm_area_struct *vma,
			     bool *partial)
{
	int total = folio_sub_return_large_mapcount(f, nr, vma), last = 0, mapped;

	if (!CONFIG_PAGE_MAPCOUNT) {
		*partial = total && total < (int)folio_nr_pages(f) && !folio_entire_mapcount(f);
		return total ? 0 : (int)folio_nr_pages(f);
	}
	for (int i = 0; i < nr; i++) {
		int left = atomic_dec_return(&page[i]._mapcount);

		KASSERT_GE(left, -1, "FOL-5");
		last += left < 0;
	}
	if (!last)
		return 0;
	mapped = atomic_sub_return(last, &f->_nr_pages_mapped);
	if (mapped >= ENTIRELY_MAPPED)
		return 0;
	*partial = mapped > 0;
	return last;
}

/* The same for one PMD; *PMD: it was the last one. */
static int remove_large_pmd(struct folio *f, struct vm_area_struct *vma, bool *partial, bool *pmd)
{
	int total = folio_sub_return_large_mapcount(f, 1, vma), mapped;

	*pmd = atomic_dec_return(&f->_entire_mapcount) < 0;
	if (!CONFIG_PAGE_MAPCOUNT) {
		*partial = total && total < HPAGE_PMD_NR && !folio_entire_mapcount(f);
		return total ? 0 : HPAGE_PMD_NR;
	}
	if (!*pmd)
		return 0;
	mapped = atomic_sub_return(ENTIRELY_MAPPED, &f->_nr_pages_mapped);
	KASSERT(mapped < ENTIRELY_MAPPED, "FOL-11");
	*partial = mapped > 0 && mapped < HPAGE_PMD_NR;
	return HPAGE_PMD_NR - mapped;
}

/* RMAP-10. */
static void note_partially_mapped(struct folio *f, bool partial)
{
	if (partial && folio_test_anon(f) && !folio_test_partially_mapped(f))
		deferred_split_folio(f, true);
}

/*
 * MLK-7: VMA maps less of F. A mark that no mapping is behind any more (munlock raced with the temporary
 * unmapping of a page) ends with the last one.
 */
static void note_unmapped(struct folio *f, struct vm_area_struct *vma)
{
	if (unlikely(vma->vm_flags & VM_LOCKED))
		munlock_folio(f);
	if (unlikely(folio_test_mlocked(f)) && !folio_mapped(f))
		munlock_unmapped_folio(f);
}

void folio_remove_rmap_ptes(struct folio *f, struct page *page, int nr, struct vm_area_struct *vma)
{
	bool partial = false;
	int last;

	KASSERT_GT(folio_ref_count(f), 0, "FOL-8");	/* this mapping's own reference is dropped after it */
	if (folio_test_large(f)) {
		last = remove_large_ptes(f, page, nr, vma, &partial);
	} else {
		int left = atomic_dec_return(&page->_mapcount);

		KASSERT_GE(left, -1, "FOL-5");
		last = left < 0;
	}
	mod_mapped_stat(f, -last, 0);
	note_partially_mapped(f, partial);
	note_unmapped(f, vma);
}

void folio_remove_rmap_pmd(struct folio *f, struct page *page, struct vm_area_struct *vma)
{
	bool partial = false, pmd;
	int last;

	KASSERT_GT(folio_ref_count(f), 0, "FOL-8");
	last = remove_large_pmd(f, vma, &partial, &pmd);
	mod_mapped_stat(f, -last, pmd ? -HPAGE_PMD_NR : 0);
	note_partially_mapped(f, partial);
	note_unmapped(f, vma);
}

int folio_try_dup_anon_rmap_ptes(struct folio *f, struct page *page, int nr, struct vm_area_struct *dst,
				 struct vm_area_struct *src)
{
	bool pinned = folio_needs_cow_for_dma(src, f);

	/* COW-22: what a device writes into must stay the parent's. First look at all, then change. */
	for (int i = 0; pinned && i < nr; i++)
		if (PageAnonExclusive(page + i))
			return -EBUSY;
	for (int i = 0; i < nr; i++) {
		if (PageAnonExclusive(page + i))
			ClearPageAnonExclusive(page + i);
		if (CONFIG_PAGE_MAPCOUNT || !folio_test_large(f))
			atomic_inc(&page[i]._mapcount);
	}
	if (folio_test_large(f))
		folio_add_large_mapcount(f, nr, dst);
	return 0;
}

int folio_try_dup_anon_rmap_pmd(struct folio *f, struct page *page, struct vm_area_struct *dst,
				struct vm_area_struct *src)
{
	if (PageAnonExclusive(page)) {
		if (folio_needs_cow_for_dma(src, f))
			return -EBUSY;
		ClearPageAnonExclusive(page);
	}
	atomic_inc(&f->_entire_mapcount);
	folio_add_large_mapcount(f, 1, dst);
	return 0;
}

void folio_dup_file_rmap_ptes(struct folio *f, struct page *page, int nr, struct vm_area_struct *dst)
{
	for (int i = 0; i < nr; i++)
		if (CONFIG_PAGE_MAPCOUNT || !folio_test_large(f))
			atomic_inc(&page[i]._mapcount);
	if (folio_test_large(f))
		folio_add_large_mapcount(f, nr, dst);
}

/*
 * PIN-7 A2, A3. A1 cleared the entry before us; a pinner that had read it takes its pin (B3) before it rereads the
 * entry (B4): either we see the pin or it sees the entry gone.
 */
static int try_share(struct folio *f, struct page *page)
{
	KASSERT(PageAnonExclusive(page), "COW-3");
	smp_mb();
	if (unlikely(folio_maybe_dma_pinned(f)))
		return -EBUSY;
	ClearPageAnonExclusive(page);
	smp_mb();
	return 0;
}

int folio_try_share_anon_rmap_pte(struct folio *f, struct page *page)
{
	return try_share(f, page);
}

int folio_try_share_anon_rmap_pmd(struct folio *f, struct page *page)
{
	KASSERT(page == &f->page, "COW-1");
	return try_share(f, page);
}

void folio_move_anon_rmap(struct folio *f, struct vm_area_struct *vma)
{
	KASSERT(folio_test_locked(f), "RMAP-3");
	WRITE_ONCE(f->mapping, (struct address_space *)((unsigned long)vma->anon_vma | FOLIO_MAPPING_ANON));
}

/* ---- Questions about counts ---- */

/* ABI-11: what a page of F is mapped on average, rounded, at least once if at all. */
static int folio_average_page_mapcount(const struct folio *f)
{
	int entire = folio_entire_mapcount(f), ptes = folio_mapcount(f) - entire;
	int nr = (int)folio_nr_pages(f);

	if (ptes <= 0)
		return entire;
	return max(entire + (ptes + nr / 2) / nr, 1);
}

int folio_precise_page_mapcount(const struct folio *f, const struct page *page)
{
	if (!folio_test_large(f))
		return folio_mapcount(f);
	if (!CONFIG_PAGE_MAPCOUNT)
		return folio_average_page_mapcount(f);
	return atomic_read(&page->_mapcount) + 1 + folio_entire_mapcount(f);
}

int folio_expected_ref_count(const struct folio *f)
{
	int refs = folio_mapcount(f), nr = (int)folio_nr_pages(f);

	if (folio_test_swapcache(f))
		refs += nr;
	if (f->mapping && !folio_test_anon(f))
		refs += nr;
	return refs;
}

bool folio_maybe_dma_pinned(const struct folio *f)
{
	if (folio_test_large(f))
		return atomic_read(&f->_pincount) > 0;
	return folio_ref_count(f) >= GUP_PIN_COUNTING_BIAS;
}

/* ---- The walk ---- */

/* Where VMA would map page index PGOFF, or 0 if it lies outside. */
static unsigned long vma_address(struct vm_area_struct *vma, pgoff_t pgoff)
{
	if (pgoff < vma->vm_pgoff || pgoff - vma->vm_pgoff >= vma_pages(vma))
		return 0;
	return vma->vm_start + ((pgoff - vma->vm_pgoff) << PAGE_SHIFT);
}

static bool lock_for_walk(struct rw_semaphore *sem, struct rmap_walk *w)
{
	if (!w->try_lock)
		down_read(sem);
	else
		w->contended = !down_read_trylock(sem);
	return !w->contended;
}

static void rmap_walk_anon(struct folio *f, struct rmap_walk *w)
{
	pgoff_t last = f->index + folio_nr_pages(f) - 1;
	struct interval_tree_node *node;
	struct anon_vma *av;

	/* Whoever holds the lock knows the anon_vma, also of a folio that is not mapped just now. */
	if (w->rmap_locked)
		av = (struct anon_vma *)((unsigned long)f->mapping & ~FOLIO_MAPPING_ANON);
	else
		av = folio_get_anon_vma(f);
	if (!av)
		return;
	if (!w->rmap_locked && !lock_for_walk(&av->root->rwsem, w)) {
		put_anon_vma(av);
		return;
	}
	interval_tree_for_each(node, &av->rb_root, f->index, last) {
		struct vm_area_struct *vma = container_of(node, struct anon_vma_chain, it)->vma;

		if (!w->one(f, vma, vma_address(vma, max(f->index, vma->vm_pgoff)), w->arg))
			break;
	}
	if (w->rmap_locked)
		return;
	anon_vma_unlock_read(av);
	put_anon_vma(av);
}

static void rmap_walk_file(struct folio *f, struct rmap_walk *w)
{
	struct address_space *mapping = f->mapping;
	pgoff_t last = f->index + folio_nr_pages(f) - 1;
	struct interval_tree_node *node;

	if (!mapping)
		return;
	if (!w->rmap_locked && !lock_for_walk(&mapping->i_mmap_rwsem, w))
		return;
	interval_tree_for_each(node, &mapping->i_mmap, f->index, last) {
		struct vm_area_struct *vma = container_of(node, struct vm_area_struct, shared_node);

		if (!w->one(f, vma, vma_address(vma, max(f->index, vma->vm_pgoff)), w->arg))
			break;
	}
	if (!w->rmap_locked)
		up_read(&mapping->i_mmap_rwsem);
}

void rmap_walk(struct folio *f, struct rmap_walk *w)
{
	KASSERT(folio_test_locked(f), "RMAP-11");
	if (folio_test_anon(f))
		rmap_walk_anon(f, w);
	else
		rmap_walk_file(f, w);
}
