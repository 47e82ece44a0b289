/*
 * mm/vma.c - the VMAs of an address space: a red-black tree by address, each node with the gap below it.
 *
 *	          [0x7000,0x9000) gap 0x2000, subtree 0x3000
 *	         /                                          \
 *	[0x4000,0x5000) gap 0x3000               [0x9000,0xa000) gap 0
 *
 * gap_before is the free room below a VMA (down to its neighbour), less the guard gap that a stack keeps
 * clear; rb_subtree_gap the largest of a subtree. A search for room leaves out every subtree whose number
 * is too small.
 *
 * Two neighbours are one VMA if nothing tells them apart: flags, file, a continuing page index, and
 * anon_vmas that are the same, or of which one is missing and the other was not shared by fork (else pages
 * of one half would be found through chains that never mapped them).
 *
 * Changes of a border happen under the rmap locks of the VMA: a walk sees the old range or the new one.
 * Linux: mm/vma.c, over a maple tree.
 */
#include "mm/vma.h"
#include "kernel/fs/fs.h"
#include "kernel/init.h"
#include "kernel/lib/err.h"
#include "kernel/sched/sched.h"
#include "mm/khugepaged.h"
#include "mm/rmap.h"
#include "mm/slab.h"

static struct kmem_cache *vm_area_cache;

static int __vma_init(void)
{
	vm_area_cache = KMEM_CACHE(vm_area_struct);
	return 0;
}
core_initcall(__vma_init);

#define to_vma(rb) rb_entry(rb, struct vm_area_struct, vm_rb)

/* ---- Life ---- */

struct vm_area_struct *vm_area_alloc(struct mm_struct *mm)
{
	struct vm_area_struct *vma = kmem_cache_zalloc(vm_area_cache, GFP_KERNEL);

	if (vma) {
		vma->vm_mm = mm;
		INIT_LIST_HEAD(&vma->anon_vma_chain);
		RB_CLEAR_NODE(&vma->shared_node.rb);
	}
	return vma;
}

struct vm_area_struct *vm_area_dup(struct vm_area_struct *orig)
{
	struct vm_area_struct *vma = kmem_cache_alloc(vm_area_cache, GFP_KERNEL);

	if (vma) {
		*vma = *orig;
		INIT_LIST_HEAD(&vma->anon_vma_chain);
		RB_CLEAR_NODE(&vma->shared_node.rb);
	}
	return vma;
}

void vm_area_free(struct vm_area_struct *vma)
{
	kmem_cache_free(vm_area_cache, vma);
}

void remove_vma(struct vm_area_struct *vma)
{
	KASSERT(list_empty(&vma->anon_vma_chain) && RB_EMPTY_NODE(&vma->shared_node.rb), "RMAP-1");
	if (vma->vm_ops && vma->vm_ops->close)
		vma->vm_ops->close(vma);
	if (vma->vm_file)
		fput(vma->vm_file);
	vm_area_free(vma);
}

/* Children before parents, without touching the tree: the depth is at most twice the logarithm of 65,530. */
static void remove_subtree(struct rb_node *n)
{
	while (n) {
		struct rb_node *right = n->rb_right;

		remove_subtree(n->rb_left);
		remove_vma(to_vma(n));
		cond_resched();
		n = right;
	}
}

void remove_all_vmas(struct mm_struct *mm)
{
	struct rb_node *root = mm->mm_rb.rb_node;

	mm->mm_rb = RB_ROOT;
	mm->mmap_cache = NULL;
	mm->map_count = 0;
	remove_subtree(root);
}

/* ---- Finding ---- */

struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma = READ_ONCE(mm->mmap_cache), *found = NULL;
	struct rb_node *n = mm->mm_rb.rb_node;

	/* Faults come in runs. The hint is of this mm and in its tree: whoever removes a VMA clears it. */
	if (likely(vma && vma->vm_start <= addr && addr < vma->vm_end))
		return vma;
	while (n) {
		vma = to_vma(n);
		if (addr < vma->vm_end) {
			found = vma;
			if (addr >= vma->vm_start) {
				WRITE_ONCE(mm->mmap_cache, vma);
				break;
			}
			n = n->rb_left;
		} else {
			n = n->rb_right;
		}
	}
	return found;
}

struct vm_area_struct *vma_lookup(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma = find_vma(mm, addr);

	return vma && vma->vm_start <= addr ? vma : NULL;
}

struct vm_area_struct *find_vma_intersection(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma = find_vma(mm, start);

	return vma && vma->vm_start < end ? vma : NULL;
}

struct vm_area_struct *vma_next(struct vm_area_struct *vma)
{
	struct rb_node *n = rb_next(&vma->vm_rb);

	return n ? to_vma(n) : NULL;
}

struct vm_area_struct *vma_prev(struct vm_area_struct *vma)
{
	struct rb_node *n = rb_prev(&vma->vm_rb);

	return n ? to_vma(n) : NULL;
}

struct vm_area_struct *vma_first(struct mm_struct *mm)
{
	struct rb_node *n = rb_first(&mm->mm_rb);

	return n ? to_vma(n) : NULL;
}

static struct vm_area_struct *vma_last(struct mm_struct *mm)
{
	struct rb_node *n = rb_last(&mm->mm_rb);

	return n ? to_vma(n) : NULL;
}

/* ---- The tree and its gaps ---- */

static inline unsigned long subtree_gap(const struct rb_node *n)
{
	return n ? to_vma(n)->rb_subtree_gap : 0;
}

static bool gap_update(struct rb_node *n)
{
	struct vm_area_struct *vma = to_vma(n);
	unsigned long gap = max(vma->gap_before, max(subtree_gap(n->rb_left), subtree_gap(n->rb_right)));
	bool changed = gap != vma->rb_subtree_gap;

	vma->rb_subtree_gap = gap;
	return changed;
}

static unsigned long compute_gap(const struct vm_area_struct *vma, const struct vm_area_struct *prev)
{
	unsigned long floor = prev ? prev->vm_end : 0, ceiling = vm_start_gap(vma);

	return ceiling > floor ? ceiling - floor : 0;
}

/* VMA's borders, or what lies below it, changed. VMA may be NULL. */
static void refresh_gap(struct vm_area_struct *vma)
{
	unsigned long gap;

	if (!vma)
		return;
	gap = compute_gap(vma, vma_prev(vma));
	if (gap != vma->gap_before) {
		vma->gap_before = gap;
		rb_augment_propagate(&vma->vm_rb, gap_update);
	}
}

static void vma_link_tree(struct mm_struct *mm, struct vm_area_struct *vma)
{
	struct rb_node **link = &mm->mm_rb.rb_node, *parent = NULL;
	struct vm_area_struct *prev = NULL, *next = NULL;

	while (*link) {
		parent = *link;
		if (vma->vm_start < to_vma(parent)->vm_start) {
			next = to_vma(parent);
			link = &parent->rb_left;
		} else {
			prev = to_vma(parent);
			link = &parent->rb_right;
		}
	}
	KASSERT(!prev || prev->vm_end <= vma->vm_start, "LOCK-4");
	KASSERT(!next || next->vm_start >= vma->vm_end, "LOCK-4");
	vma->gap_before = vma->rb_subtree_gap = compute_gap(vma, prev);
	rb_link_node(&vma->vm_rb, parent, link);
	rb_insert_augmented(&vma->vm_rb, &mm->mm_rb, gap_update);
	refresh_gap(next);
	mm->map_count++;
}

void vma_unlink_tree(struct mm_struct *mm, struct vm_area_struct *vma)
{
	struct vm_area_struct *next = vma_next(vma);

	rb_erase_augmented(&vma->vm_rb, &mm->mm_rb, gap_update);
	if (mm->mmap_cache == vma)
		mm->mmap_cache = NULL;
	mm->map_count--;
	refresh_gap(next);
}

/*
 * Room for a search: a gap is [floor, floor + gap_before) with floor the end of the VMA below. Its usable
 * part is what lies in [low, high).
 */
struct gap_search { unsigned long len, low, high, align; };

/* The highest (TOP) or lowest aligned start within [FLOOR, CEILING) and the search's borders, or 0. */
static unsigned long place_in_gap(const struct gap_search *s, unsigned long floor, unsigned long ceiling,
				  bool top)
{
	unsigned long at;

	floor = max(floor, s->low);
	ceiling = min(ceiling, s->high);
	if (ceiling < floor || ceiling - floor < s->len)
		return 0;
	at = top ? ALIGN_DOWN(ceiling - s->len, s->align) : ALIGN(floor, s->align);
	return at >= floor && at + s->len <= ceiling ? at : 0;
}

static unsigned long search_topdown(struct rb_node *n, const struct gap_search *s)
{
	while (n && subtree_gap(n) >= s->len) {
		struct vm_area_struct *vma = to_vma(n);
		unsigned long ceiling = vm_start_gap(vma), found = 0;

		/* Gaps to the right begin above this VMA. */
		if (vma->vm_end + s->len <= s->high)
			found = search_topdown(n->rb_right, s);
		if (!found && vma->gap_before >= s->len)
			found = place_in_gap(s, ceiling - vma->gap_before, ceiling, true);
		if (found)
			return found;
		if (vma->vm_start < s->low + s->len)
			return 0;
		n = n->rb_left;
	}
	return 0;
}

static unsigned long search_bottomup(struct rb_node *n, const struct gap_search *s)
{
	while (n && subtree_gap(n) >= s->len) {
		struct vm_area_struct *vma = to_vma(n);
		unsigned long ceiling = vm_start_gap(vma), found = 0;

		if (vma->vm_start >= s->low + s->len)
			found = search_bottomup(n->rb_left, s);
		if (!found && vma->gap_before >= s->len)
			found = place_in_gap(s, ceiling - vma->gap_before, ceiling, false);
		if (found)
			return found;
		if (vma->vm_end + s->len > s->high)
			return 0;
		n = n->rb_right;
	}
	return 0;
}

unsigned long vma_find_gap_topdown(struct mm_struct *mm, unsigned long len, unsigned long low,
				   unsigned long high, unsigned long align)
{
	/* A gap of this size has an aligned place for sure, so the search never has to try and turn back. */
	struct gap_search s = { len + (align > PAGE_SIZE ? align : 0), low, high, PAGE_SIZE };
	struct vm_area_struct *last = vma_last(mm);
	unsigned long at;

	if (s.len < len || high < s.len || high - s.len < low)
		return 0;
	at = place_in_gap(&s, last ? last->vm_end : 0, high, true);
	if (!at)
		at = search_topdown(mm->mm_rb.rb_node, &s);
	return at && s.len != len ? ALIGN_DOWN(at + s.len - len, align) : at;
}

unsigned long vma_find_gap_bottomup(struct mm_struct *mm, unsigned long len, unsigned long low,
				    unsigned long high)
{
	struct gap_search s = { len, low, high, PAGE_SIZE };
	struct vm_area_struct *last = vma_last(mm);
	unsigned long at;

	if (high < len || high - len < low)
		return 0;
	at = search_bottomup(mm->mm_rb.rb_node, &s);
	return at ? at : place_in_gap(&s, last ? last->vm_end : 0, high, false);
}

/* ---- The file's list of mappings ---- */

static bool is_shared_maywrite(const struct vm_area_struct *vma)
{
	return (vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == (VM_SHARED | VM_MAYWRITE);
}

/* => i_mmap_rwsem held for write */
static void i_mmap_insert(struct vm_area_struct *vma, struct address_space *mapping)
{
	vma->shared_node.start = vma->vm_pgoff;
	vma->shared_node.last = vma->vm_pgoff + vma_pages(vma) - 1;
	interval_tree_insert(&vma->shared_node, &mapping->i_mmap);
}

static void i_mmap_remove(struct vm_area_struct *vma, struct address_space *mapping)
{
	interval_tree_remove(&vma->shared_node, &mapping->i_mmap);
	RB_CLEAR_NODE(&vma->shared_node.rb);
}

static void vma_link_file(struct vm_area_struct *vma)
{
	struct address_space *mapping;

	if (!vma->vm_file)
		return;
	mapping = vma->vm_file->f_inode->i_mapping;
	down_write(&mapping->i_mmap_rwsem);
	if (is_shared_maywrite(vma))
		atomic_inc(&mapping->i_mmap_writable);
	i_mmap_insert(vma, mapping);
	up_write(&mapping->i_mmap_rwsem);
}

void unlink_file_vma(struct vm_area_struct *vma)
{
	struct address_space *mapping;

	if (!vma->vm_file || RB_EMPTY_NODE(&vma->shared_node.rb))
		return;
	mapping = vma->vm_file->f_inode->i_mapping;
	down_write(&mapping->i_mmap_rwsem);
	if (is_shared_maywrite(vma))
		atomic_dec(&mapping->i_mmap_writable);
	i_mmap_remove(vma, mapping);
	up_write(&mapping->i_mmap_rwsem);
}

void vma_link(struct mm_struct *mm, struct vm_area_struct *vma)
{
	vma_link_tree(mm, vma);
	vma_link_file(vma);
}

/* ---- Moving borders ---- */

struct border { struct vm_area_struct *vma; unsigned long start, end; pgoff_t pgoff; };

static void apply_border(const struct border *b)
{
	b->vma->vm_start = b->start;
	b->vma->vm_end = b->end;
	b->vma->vm_pgoff = b->pgoff;
}

/*
 * Give one or two neighbours of the same file and anon_vma family new borders, in one step for everybody who
 * comes through the rmap. NEW, not yet in any tree, is put in in the same step (a split).
 */
static void commit_borders(const struct border *b, int n, struct vm_area_struct *new)
{
	struct vm_area_struct *vma = b[0].vma;
	struct address_space *mapping = vma->vm_file ? vma->vm_file->f_inode->i_mapping : NULL;
	struct anon_vma *av = vma->anon_vma ? vma->anon_vma : n > 1 ? b[1].vma->anon_vma : NULL;

	for (int i = 0; i < n; i++)
		vma_adjust_trans_huge(b[i].vma, b[i].start, b[i].end);
	if (mapping)
		down_write(&mapping->i_mmap_rwsem);
	if (av)
		anon_vma_lock_write(av);
	for (int i = 0; i < n; i++) {
		if (mapping)
			i_mmap_remove(b[i].vma, mapping);
		anon_vma_interval_tree_pre_update_vma(b[i].vma);
	}
	for (int i = 0; i < n; i++)
		apply_border(&b[i]);
	for (int i = 0; i < n; i++) {
		if (mapping)
			i_mmap_insert(b[i].vma, mapping);
		anon_vma_interval_tree_post_update_vma(b[i].vma);
	}
	if (new && mapping) {
		if (is_shared_maywrite(new))
			atomic_inc(&mapping->i_mmap_writable);
		i_mmap_insert(new, mapping);
	}
	if (av)
		anon_vma_unlock_write(av);
	if (mapping)
		up_write(&mapping->i_mmap_rwsem);
	if (new)
		vma_link_tree(vma->vm_mm, new);
	for (int i = 0; i < n; i++) {
		refresh_gap(b[i].vma);
		refresh_gap(vma_next(b[i].vma));
	}
}

void vma_set_borders(struct vm_area_struct *vma, unsigned long start, unsigned long end, pgoff_t pgoff)
{
	struct border b = { vma, start, end, pgoff };

	commit_borders(&b, 1, NULL);
}

int __split_vma(struct vm_area_struct *vma, unsigned long addr)
{
	struct border lower = { vma, vma->vm_start, addr, vma->vm_pgoff };
	struct vm_area_struct *new;

	KASSERT(addr > vma->vm_start && addr < vma->vm_end, "LOCK-4");
	new = vm_area_dup(vma);
	if (!new)
		return -ENOMEM;
	new->vm_start = addr;
	new->vm_pgoff = vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT);
	if (anon_vma_clone(new, vma)) {
		vm_area_free(new);
		return -ENOMEM;
	}
	if (new->vm_file)
		get_file(new->vm_file);
	if (new->vm_ops && new->vm_ops->open)
		new->vm_ops->open(new);
	commit_borders(&lower, 1, new);
	return 0;
}

int split_vma(struct vm_area_struct *vma, unsigned long addr)
{
	if (vma->vm_mm->map_count >= sysctl_max_map_count)
		return -ENOMEM;
	return __split_vma(vma, addr);
}

/* ---- Merging ---- */

/* What a VMA-to-be looks like, for comparison with its neighbours. */
struct vma_like {
	unsigned long start, end;
	vm_flags_t flags;
	struct anon_vma *anon_vma;
	struct vm_area_struct *owner;	/* the VMA that the anon_vma is of, if there is one */
	struct file *file;
	const struct vm_operations_struct *ops;
	pgoff_t pgoff;
};

static bool same_kind(const struct vma_like *l, const struct vm_area_struct *vma)
{
	/* close() counts its calls: such VMAs stay as they were made. */
	if (vma->vm_ops && vma->vm_ops->close)
		return false;
	return vma->vm_flags == l->flags && vma->vm_file == l->file && vma->vm_ops == l->ops;
}

/* May one VMA have both anon_vmas? One of them missing is fine if the other was never shared by fork. */
static bool anon_vmas_merge(struct anon_vma *a, struct vm_area_struct *a_owner, struct anon_vma *b,
			    struct vm_area_struct *b_owner)
{
	struct vm_area_struct *owner;

	if (a && b)
		return a == b;
	if (!a && !b)
		return true;
	owner = a ? a_owner : b_owner;
	return owner && list_is_singular(&owner->anon_vma_chain);
}

static bool can_merge_after(const struct vma_like *l, struct vm_area_struct *prev)
{
	return prev && prev->vm_end == l->start && same_kind(l, prev) &&
	       prev->vm_pgoff + vma_pages(prev) == l->pgoff &&
	       anon_vmas_merge(prev->anon_vma, prev, l->anon_vma, l->owner);
}

static bool can_merge_before(const struct vma_like *l, struct vm_area_struct *next)
{
	return next && next->vm_start == l->end && same_kind(l, next) &&
	       l->pgoff + ((l->end - l->start) >> PAGE_SHIFT) == next->vm_pgoff &&
	       anon_vmas_merge(next->anon_vma, next, l->anon_vma, l->owner);
}

/* TO takes over pages of FROM (or NULL): make sure that it has an anon_vma if FROM does. 0 or -ENOMEM. */
static int dup_anon_vma(struct vm_area_struct *to, struct vm_area_struct *from)
{
	int err;

	if (!from || to->anon_vma || !from->anon_vma)
		return 0;
	to->anon_vma = from->anon_vma;
	err = anon_vma_clone(to, from);
	if (err)
		to->anon_vma = NULL;
	return err;
}

/* VMA's whole range now belongs to a neighbour. */
static void swallow(struct vm_area_struct *vma)
{
	unlink_anon_vmas(vma);
	unlink_file_vma(vma);
	vma_unlink_tree(vma->vm_mm, vma);
	remove_vma(vma);
}

/* Extend VMA up to END over FIRST and SECOND (which may be NULL). */
static void grow_up(struct vm_area_struct *vma, unsigned long end, struct vm_area_struct *first,
		    struct vm_area_struct *second)
{
	vma_set_borders(vma, vma->vm_start, end, vma->vm_pgoff);
	if (second)
		swallow(second);
	if (first)
		swallow(first);
}

/* Extend VMA down to START over what lies there (LOWER may be NULL). */
static void grow_down(struct vm_area_struct *vma, unsigned long start, struct vm_area_struct *lower)
{
	pgoff_t pgoff = vma->vm_pgoff - ((vma->vm_start - start) >> PAGE_SHIFT);
	struct border b = { vma, start, vma->vm_end, pgoff };

	if (!lower) {
		commit_borders(&b, 1, NULL);
		return;
	}
	/*
	 * The tree is ordered by start: LOWER leaves it before VMA takes its place. Its rmap links stay
	 * until then.
	 */
	vma_unlink_tree(lower->vm_mm, lower);
	commit_borders(&b, 1, NULL);
	unlink_anon_vmas(lower);
	unlink_file_vma(lower);
	remove_vma(lower);
}

/* VMA has swallowed a neighbour or part of one: it may have become large enough for huge pages (KHP-1). */
static struct vm_area_struct *merged(struct vm_area_struct *vma)
{
	khugepaged_enter_vma(vma, vma->vm_flags);
	return vma;
}

struct vm_area_struct *vma_merge_new(struct mm_struct *mm, unsigned long start, unsigned long end,
				     vm_flags_t flags, struct vm_area_struct *from, struct file *file,
				     const struct vm_operations_struct *ops, pgoff_t pgoff)
{
	struct vma_like l = { start, end, flags, from ? from->anon_vma : NULL, from, file, ops, pgoff };
	struct vm_area_struct *next = find_vma(mm, end - 1);
	struct vm_area_struct *prev = next ? vma_prev(next) : vma_last(mm);
	bool after = can_merge_after(&l, prev), before = can_merge_before(&l, next);

	if (after && before && anon_vmas_merge(prev->anon_vma, prev, next->anon_vma, next) &&
	    !dup_anon_vma(prev, next) && !dup_anon_vma(prev, from)) {
		grow_up(prev, next->vm_end, next, NULL);
		return merged(prev);
	}
	if (after && !dup_anon_vma(prev, from)) {
		grow_up(prev, end, NULL, NULL);
		return merged(prev);
	}
	if (before && !dup_anon_vma(next, from)) {
		grow_down(next, start, NULL);
		return merged(next);
	}
	return NULL;
}

/*
 * [START, END), with the looks of L, is all of VMA and merges with PREV,
 * or NEXT, or both. NULL: it does not.
 */
static struct vm_area_struct *merge_whole(struct vm_area_struct *vma, struct vm_area_struct *prev,
					  struct vm_area_struct *next)
{
	unsigned long end = vma->vm_end;

	if (prev && next && anon_vmas_merge(prev->anon_vma, prev, next->anon_vma, next) &&
	    !dup_anon_vma(prev, vma) && !dup_anon_vma(prev, next)) {
		grow_up(prev, next->vm_end, vma, next);
		return prev;
	}
	if (prev && !dup_anon_vma(prev, vma)) {
		grow_up(prev, end, vma, NULL);
		return prev;
	}
	if (next && !dup_anon_vma(next, vma)) {
		grow_down(next, vma->vm_start, vma);
		return next;
	}
	return NULL;
}

/* The border between VMA and its neighbour TO, which takes [START, END) over, moves. NULL: no memory. */
static struct vm_area_struct *merge_part(struct vm_area_struct *vma, struct vm_area_struct *to,
					 unsigned long start, unsigned long end)
{
	bool down = to->vm_end == start;	/* TO lies below */
	struct border b[2];

	if (dup_anon_vma(to, vma))
		return NULL;
	if (down) {
		b[0] = (struct border){ to, to->vm_start, end, to->vm_pgoff };
		b[1] = (struct border){ vma, end, vma->vm_end, linear_page_index(vma, end) };
	} else {
		b[0] = (struct border){ to, start, to->vm_end, to->vm_pgoff - ((end - start) >> PAGE_SHIFT) };
		b[1] = (struct border){ vma, vma->vm_start, start, vma->vm_pgoff };
	}
	commit_borders(b, 2, NULL);
	return to;
}

struct vm_area_struct *vma_modify_flags(struct vm_area_struct *vma, unsigned long start, unsigned long end,
					vm_flags_t flags)
{
	struct vma_like l = {
		start, end, flags, vma->anon_vma, vma, vma->vm_file, vma->vm_ops,
		vma->vm_pgoff + ((start - vma->vm_start) >> PAGE_SHIFT),
	};
	struct vm_area_struct *prev = start == vma->vm_start ? vma_prev(vma) : NULL;
	struct vm_area_struct *next = end == vma->vm_end ? vma_next(vma) : NULL;
	struct vm_area_struct *wider = NULL;
	bool closes = vma->vm_ops && vma->vm_ops->close;

	if (flags == vma->vm_flags)
		return vma;
	if (closes || !can_merge_after(&l, prev))
		prev = NULL;
	if (closes || !can_merge_before(&l, next))
		next = NULL;
	if (start == vma->vm_start && end == vma->vm_end)
		wider = merge_whole(vma, prev, next);
	else if (prev || next)
		wider = merge_part(vma, prev ? prev : next, start, end);
	if (wider)
		return merged(wider);

	if (start > vma->vm_start) {
		if (split_vma(vma, start))
			return ERR_PTR(-ENOMEM);
		vma = vma_next(vma);
	}
	if (end < vma->vm_end && split_vma(vma, end))
		return ERR_PTR(-ENOMEM);
	vma->vm_flags = flags;
	vma_set_page_prot(vma);
	refresh_gap(vma);
	return vma;
}
