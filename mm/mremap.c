/*
 * mm/mremap.c - growing, shrinking and moving mappings.
 *
 *	old VMA  [####....]            copy_vma: a VMA like it at the new place, same page index
 *	            │ move_page_tables: PTEs, or whole tables and huge PMDs where both ends are 2 MiB aligned
 *	new VMA  [####....++]          then the old range is unmapped (unless DONTUNMAP)
 *
 * Pages do not move: their index in the VMA's object stays, so the rmap finds them at the new address. The
 * rmap locks are held while PTEs are between the tables: a walk sees a page at the old place or at the new
 * one. Migration entries move like PTEs, and are found again the same way. Linux: mm/mremap.c.
 */
#include "arch-x86_64/tlbflush.h"
#include "kernel/fs/fs.h"
#include "kernel/lib/err.h"
#include "kernel/sched/sched.h"
#include "kernel/task/syscall.h"
#include "kernel/trace/pause.h"
#include "mm/huge_memory.h"
#include "mm/rmap.h"
#include "mm/swap.h"
#include "mm/vma.h"

#define MREMAP_MAYMOVE	 1u
#define MREMAP_FIXED	 2u
#define MREMAP_DONTUNMAP 4u

/* One request; lengths are page aligned. */
struct remap {
	struct mm_struct *mm;
	unsigned long addr, old_len, new_len, new_addr;
	unsigned int flags;
	unsigned long populate, populate_len;	/* grown part of a locked mapping */
};

/* ---- Moving page tables ---- */

static void take_rmap_locks(struct vm_area_struct *vma)
{
	if (vma->vm_file)
		down_write(&vma->vm_file->f_inode->i_mapping->i_mmap_rwsem);
	if (vma->anon_vma)
		anon_vma_lock_write(vma->anon_vma);
}

static void drop_rmap_locks(struct vm_area_struct *vma)
{
	if (vma->anon_vma)
		anon_vma_unlock_write(vma->anon_vma);
	if (vma->vm_file)
		up_write(&vma->vm_file->f_inode->i_mapping->i_mmap_rwsem);
}

/* At most one table's worth, each entry as it is. => rmap locks held, both tables exist */
static void move_ptes(struct vm_area_struct *vma, pmd_t *old_pmd, pmd_t *new_pmd, unsigned long old,
		      unsigned long new, unsigned long len)
{
	pte_t *old_first, *new_first, *from, *to;
	spinlock_t *old_ptl, *new_ptl = NULL;
	bool flush = false;

	old_first = pte_offset_map_lock(vma->vm_mm, old_pmd, old, &old_ptl);
	if (!old_first)
		return;
	/* LOCK-12; both addresses may lie in one table. */
	if (pmdp_get(new_pmd).v == pmdp_get(old_pmd).v)
		new_first = pte_offset_map(new_pmd, new);
	else
		new_first = pte_offset_map_lock_nested(new_pmd, new, &new_ptl);
	KASSERT(new_first, "LOCK-4");
	flush_tlb_batched_pending(vma->vm_mm);
	for (from = old_first, to = new_first; from < old_first + (len >> PAGE_SHIFT); from++, to++) {
		pte_t pte;

		if (pte_none(ptep_get(from)))
			continue;
		pte = ptep_get_and_clear(from);
		flush |= pte_present(pte);
		set_pte(to, pte);
	}
	/* Before anybody can change the page through its new PTE. */
	if (flush)
		flush_tlb_range(vma, old, old + len);
	if (new_ptl)
		spin_unlock(new_ptl);
	pte_unmap_unlock(old_first, old_ptl);
}

/*
 * Hand a whole table over. False: the new place has one already.
 * => rmap locks held; both addresses 2 MiB aligned
 */
static bool move_normal_pmd(struct vm_area_struct *vma, pmd_t *old_pmd, pmd_t *new_pmd, unsigned long old)
{
	spinlock_t *old_ptl = pmd_lockptr(old_pmd), *new_ptl = pmd_lockptr(new_pmd);
	bool moved = false;
	pmd_t pmd;

	spin_lock(old_ptl);
	if (new_ptl != old_ptl)
		spin_lock_nested(new_ptl, SINGLE_DEPTH_NESTING);
	pmd = pmdp_get(old_pmd);
	if (pmd_table(pmd) && pmd_none(pmdp_get(new_pmd))) {
		set_pmd(old_pmd, __pmd(0));
		set_pmd(new_pmd, pmd);
		flush_tlb_range(vma, old, old + PMD_SIZE);
		moved = true;
	}
	if (new_ptl != old_ptl)
		spin_unlock(new_ptl);
	spin_unlock(old_ptl);
	return moved;
}

/* Bytes from ADDR to the end of its table, at most LEN. */
static unsigned long extent(unsigned long addr, unsigned long len)
{
	return min(len, PMD_SIZE - (addr & ~PMD_MASK));
}

/* Returns how many bytes were done: less than LEN if there was no memory for a table. */
static unsigned long move_page_tables(struct vm_area_struct *vma, unsigned long old, unsigned long new,
				      unsigned long len)
{
	unsigned long done, step;

	for (done = 0; done < len; done += step, old += step, new += step) {
		pmd_t *old_pmd = mm_find_pmd(vma->vm_mm, old), *new_pmd;
		bool moved = false;

		cond_resched();
		step = min(extent(old, len - done), extent(new, len - done));
		if (!old_pmd || pmd_none(pmdp_get(old_pmd)))
			continue;
		new_pmd = walk_to_pmd_alloc(vma->vm_mm, new);
		if (!new_pmd)
			break;
		if (step == PMD_SIZE) {
			take_rmap_locks(vma);
			moved = pmd_is_whole(pmdp_get(old_pmd)) ?
				move_huge_pmd(vma, old, new, old_pmd, new_pmd) :
				move_normal_pmd(vma, old_pmd, new_pmd, old);
			drop_rmap_locks(vma);
		}
		pause_point("mremap_move");
		if (moved)
			continue;
		/* The two places differ within 2 MiB, or the range ends inside. */
		if (pmd_is_whole(pmdp_get(old_pmd)))
			split_huge_pmd(vma_lookup(vma->vm_mm, old), old_pmd, old & PMD_MASK);
		if (pte_alloc(vma->vm_mm, new_pmd))
			break;
		take_rmap_locks(vma);
		move_ptes(vma, old_pmd, new_pmd, old, new, step);
		drop_rmap_locks(vma);
	}
	return done;
}

/* ---- Moving a mapping ---- */

/*
 * A VMA like VMA for what is at R->addr now, at R->new_addr, linked; or a neighbour that was extended.
 * NULL: no memory.
 */
static struct vm_area_struct *copy_vma(struct vm_area_struct *vma, struct remap *r)
{
	pgoff_t pgoff = linear_page_index(vma, r->addr);
	unsigned long end = r->new_addr + r->new_len;
	struct vm_area_struct *new;

	/* Without pages the index is free: let it fit the new neighbours. */
	if (!vma->vm_file && vma_is_anonymous(vma) && !vma->anon_vma)
		pgoff = r->new_addr >> PAGE_SHIFT;
	new = vma_merge_new(r->mm, r->new_addr, end, vma->vm_flags, vma, vma->vm_file, vma->vm_ops,
			    pgoff);
	if (new)
		return new;
	new = vm_area_dup(vma);
	if (!new)
		return NULL;
	new->vm_start = r->new_addr;
	new->vm_end = end;
	new->vm_pgoff = pgoff;
	if (anon_vma_clone(new, vma)) {
		vm_area_free(new);
		return NULL;
	}
	if (new->vm_file)
		get_file(new->vm_file);
	if (new->vm_ops && new->vm_ops->open)
		new->vm_ops->open(new);
	vma_link(r->mm, new);
	return new;
}

/* DONTUNMAP: the emptied mapping stays, unlocked, and with its first fault begins anew. */
static void dontunmap_leave(struct vm_area_struct *vma, struct remap *r)
{
	if (vma->vm_flags & VM_LOCKED) {
		vma = vma_modify_flags(vma, r->addr, r->addr + r->old_len,
				       vma->vm_flags & ~(VM_LOCKED | VM_LOCKONFAULT));
		if (!IS_ERR(vma))
			r->mm->locked_vm -= r->old_len >> PAGE_SHIFT;
	} else if (vma->vm_start == r->addr && vma->vm_end == r->addr + r->old_len) {
		unlink_anon_vmas(vma);
	}
}

/*
 * Move (r->old_len 0: duplicate) to r->new_addr, where nothing is mapped. Limits were checked.
 * => mmap write lock
 */
static unsigned long move_vma(struct vm_area_struct *vma, struct remap *r)
{
	bool stays = (r->flags & MREMAP_DONTUNMAP) || !r->old_len;
	long old_pages = (long)(r->old_len >> PAGE_SHIFT), new_pages = (long)(r->new_len >> PAGE_SHIFT);
	long charge = 0;
	vm_flags_t flags = vma->vm_flags;
	struct vm_area_struct *new;
	unsigned long moved;

	if (r->mm->map_count >= sysctl_max_map_count - 3)
		return -ENOMEM;
	if (flags & VM_ACCOUNT) {
		charge = stays ? new_pages : new_pages - old_pages;
		if (security_vm_enough_memory(r->mm, charge))
			return -ENOMEM;
	}
	new = copy_vma(vma, r);
	if (!new) {
		vm_unacct_memory(charge);
		return -ENOMEM;
	}
	moved = move_page_tables(new, r->addr, r->new_addr, r->old_len);
	if (moved < r->old_len) {
		/* Back again; the tables there still exist. Then only the new, empty mapping has to go. */
		move_page_tables(new, r->new_addr, r->addr, moved);
		vm_stat_account(r->mm, flags, new_pages);
		if (flags & VM_LOCKED)
			r->mm->locked_vm += r->new_len >> PAGE_SHIFT;
		if (flags & VM_ACCOUNT)
			/* What munmap will give back. */
			atomic_long_add(new_pages - charge, &vm_committed_as);
		do_munmap(r->mm, r->new_addr, r->new_len);
		return -ENOMEM;
	}
	if (r->flags & MREMAP_DONTUNMAP) {
		vma = vma_lookup(r->mm, r->addr);
		if (vma && vma != new)
			dontunmap_leave(vma, r);
	} else if (r->old_len) {
		if (flags & VM_ACCOUNT)
			/* The promise moves along; munmap takes this one back. */
			atomic_long_add(old_pages, &vm_committed_as);
		if (do_munmap(r->mm, r->addr, r->old_len) && (flags & VM_ACCOUNT))
			vm_unacct_memory(old_pages);	/* no memory to split: the old range stays, empty */
	}
	vm_stat_account(r->mm, flags, new_pages);
	if (flags & VM_LOCKED) {
		r->mm->locked_vm += r->new_len >> PAGE_SHIFT;
		r->populate = r->new_addr + r->old_len;
		r->populate_len = r->new_len - r->old_len;
	}
	return r->new_addr;
}

/* May VMA's part at r->addr become r->new_len long? 0 or -errno. */
static int check_vma(struct vm_area_struct *vma, const struct remap *r)
{
	unsigned long delta = r->new_len > r->old_len ? r->new_len - r->old_len : 0;
	pgoff_t pgoff;

	if (!vma)
		return -EFAULT;
	if (!r->old_len && !(vma->vm_flags & (VM_SHARED | VM_MAYSHARE)))
		return -EINVAL;
	if ((r->flags & MREMAP_DONTUNMAP) && (vma->vm_flags & (VM_DONTEXPAND | VM_PFNMAP)))
		return -EINVAL;
	if (r->old_len > vma->vm_end - r->addr)
		return -EFAULT;
	if (!delta)
		return 0;
	pgoff = linear_page_index(vma, r->addr);
	if (pgoff + (r->new_len >> PAGE_SHIFT) < pgoff)
		return -EINVAL;
	if (vma->vm_flags & (VM_DONTEXPAND | VM_PFNMAP))
		return -EFAULT;
	if (!mlock_future_ok(r->mm, vma->vm_flags, delta))
		return -EAGAIN;
	return may_expand_vm(r->mm, vma->vm_flags, delta >> PAGE_SHIFT) ? 0 : -ENOMEM;
}

static int map_flags_of(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_MAYSHARE ? MAP_SHARED : 0;
}

/* MREMAP_FIXED or DONTUNMAP, within one VMA. */
static unsigned long mremap_to(struct remap *r)
{
	struct vm_area_struct *vma = vma_lookup(r->mm, r->addr);
	unsigned long at;
	int err;

	if (vma && r->old_len > r->new_len) {
		err = do_munmap(r->mm, r->addr + r->new_len, r->old_len - r->new_len);
		if (err)
			return err;
		r->old_len = r->new_len;
		vma = vma_lookup(r->mm, r->addr);
	}
	err = check_vma(vma, r);
	if (!err && (r->flags & MREMAP_DONTUNMAP) &&
	    !may_expand_vm(r->mm, vma->vm_flags, r->old_len >> PAGE_SHIFT))
		err = -ENOMEM;
	if (err)
		return err;
	at = get_unmapped_area(vma->vm_file, r->new_addr, r->new_len, linear_page_index(vma, r->addr),
			       map_flags_of(vma) | (r->flags & MREMAP_FIXED ? MAP_FIXED : 0));
	if (IS_ERR_VALUE(at))
		return at;
	r->new_addr = at;
	if (r->flags & MREMAP_FIXED) {
		err = do_munmap(r->mm, r->new_addr, r->new_len);
		if (err)
			return err;
		vma = vma_lookup(r->mm, r->addr);	/* it may have been split just now */
		if (!vma)
			return -EFAULT;		/* old_len 0, new_addr == addr: it was what made room */
	}
	return move_vma(vma, r);
}

/* A pure move to a fixed place may take several VMAs, and the holes between them, along. */
static unsigned long remap_move(struct remap *r)
{
	unsigned long start = r->addr, end = r->addr + r->old_len, target = r->new_addr, ret = -EFAULT;
	struct vm_area_struct *vma = vma_lookup(r->mm, start);

	if (!vma)
		return -EFAULT;
	if (end > vma->vm_end && !(r->flags & MREMAP_FIXED))
		return -EFAULT;
	for (unsigned long addr = start; vma && vma->vm_start < end; vma = find_vma(r->mm, addr)) {
		struct remap one = *r;
		unsigned long at = max(addr, vma->vm_start), got;

		if (at >= end)
			break;
		one.addr = at;
		one.old_len = one.new_len = min(end, vma->vm_end) - at;
		one.new_addr = target + (at - start);
		addr = at + one.old_len;
		got = mremap_to(&one);
		if (IS_ERR_VALUE(got))
			return got;
		if (at == start)
			ret = got;
	}
	return ret;
}

/* The room above a VMA's end takes R's growth. */
static bool can_grow_in_place(struct vm_area_struct *vma, const struct remap *r)
{
	unsigned long end = vma->vm_end + (r->new_len - r->old_len);

	if (r->old_len != vma->vm_end - r->addr || end < vma->vm_end)
		return false;
	if (find_vma_intersection(r->mm, vma->vm_end, end))
		return false;
	return !IS_ERR_VALUE(get_unmapped_area(NULL, vma->vm_start, end - vma->vm_start, 0, MAP_FIXED));
}

static unsigned long grow_in_place(struct vm_area_struct *vma, struct remap *r)
{
	unsigned long delta = r->new_len - r->old_len, end = vma->vm_end, pages = delta >> PAGE_SHIFT;
	vm_flags_t flags = vma->vm_flags;

	if ((flags & VM_ACCOUNT) && security_vm_enough_memory(r->mm, (long)pages))
		return -ENOMEM;
	/* It may meet a neighbour of its own kind up there. */
	if (!vma_merge_new(r->mm, end, end + delta, flags, vma, vma->vm_file, vma->vm_ops,
			   vma->vm_pgoff + vma_pages(vma)))
		vma_set_borders(vma, vma->vm_start, end + delta, vma->vm_pgoff);
	vm_stat_account(r->mm, flags, (long)pages);
	if (flags & VM_LOCKED) {
		r->mm->locked_vm += pages;
		r->populate = end;
		r->populate_len = delta;
	}
	return r->addr;
}

/* No address given: shrink or grow in place, else move if allowed. */
static unsigned long mremap_at(struct remap *r)
{
	struct vm_area_struct *vma = vma_lookup(r->mm, r->addr);
	unsigned long at;
	int err;

	if (!vma)
		return -EFAULT;
	if (r->old_len >= r->new_len) {
		err = r->old_len > r->new_len ?
		      do_munmap(r->mm, r->addr + r->new_len, r->old_len - r->new_len) : 0;
		return err ? (unsigned long)err : r->addr;
	}
	err = check_vma(vma, r);
	if (err)
		return err;
	if (can_grow_in_place(vma, r))
		return grow_in_place(vma, r);
	if (!(r->flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	at = get_unmapped_area(vma->vm_file, 0, r->new_len, linear_page_index(vma, r->addr),
			       map_flags_of(vma));
	if (IS_ERR_VALUE(at))
		return at;
	r->new_addr = at;
	return move_vma(vma, r);
}

static int check_params(const struct remap *r)
{
	if ((r->flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) || (r->addr & ~PAGE_MASK))
		return -EINVAL;
	if (!r->new_len || r->new_len > TASK_SIZE_MAX)
		return -EINVAL;
	if (!(r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)))
		return 0;
	if (r->new_addr > TASK_SIZE_MAX - r->new_len || (r->new_addr & ~PAGE_MASK) ||
	    !(r->flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((r->flags & MREMAP_DONTUNMAP) && r->old_len != r->new_len)
		return -EINVAL;
	if (r->addr + r->old_len > r->new_addr && r->new_addr + r->new_len > r->addr)
		return -EINVAL;
	return r->mm->map_count + 2 >= sysctl_max_map_count - 3 ? -ENOMEM : 0;
}

SYSCALL_DEFINE5(mremap, unsigned long, addr, unsigned long, old_len, unsigned long, new_len, unsigned long,
		flags, unsigned long, new_addr)
{
	struct remap r = {
		.mm = current->mm, .addr = addr, .new_addr = new_addr, .flags = (unsigned int)flags,
		.old_len = PAGE_ALIGN(old_len), .new_len = PAGE_ALIGN(new_len),
	};
	unsigned long ret;
	int err;

	if (flags != r.flags)
		return -EINVAL;
	if (mmap_write_lock_killable(r.mm))
		return -EINTR;
	err = check_params(&r);
	if (err)
		ret = err;
	else if (!(r.flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)))
		ret = mremap_at(&r);
	else if (r.old_len == r.new_len)
		ret = remap_move(&r);
	else
		ret = mremap_to(&r);
	mmap_write_unlock(r.mm);
	if (!IS_ERR_VALUE(ret) && r.populate_len)
		mm_populate(r.populate, r.populate_len);
	return (long)ret;
}
