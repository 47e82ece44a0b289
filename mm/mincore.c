/*
 * mm/mincore.c - mincore(2): which pages would not have to be read in; msync(2).
 *
 * A page is in core if its PTE is present or, for a file that the caller may write (or owns), if the page
 * cache has it; other people's files always look resident, so that the call tells nothing about them.
 * Linux: mm/mincore.c, mm/msync.c.
 */
#include "kernel/fs/fs.h"
#include "kernel/sched/sched.h"
#include "kernel/task/cred.h"
#include "kernel/task/syscall.h"
#include "mm/huge_memory.h"
#include "mm/swap.h"
#include "mm/vma.h"

#define MS_ASYNC 1
#define MS_INVALIDATE 2
#define MS_SYNC 4

static bool can_do_mincore(struct vm_area_struct *vma)
{
	struct inode *inode;

	if (vma_is_anonymous(vma))
		return true;
	if (!vma->vm_file)
		return false;
	inode = vma->vm_file->f_inode;
	return current_cred()->fsuid == inode->i_uid || (vma->vm_file->f_mode & FMODE_WRITE) ||
	       capable(CAP_SYS_ADMIN);
}

/* The content of ENTRY's slot is in memory, too. */
static bool mincore_swap(swp_entry_t entry)
{
	struct swap_info_struct *si = get_swap_device(entry);
	struct folio *f = si ? swap_cache_get_folio(entry) : NULL;
	bool present = f && folio_test_uptodate(f);

	if (f)
		folio_put(f);
	if (si)
		put_swap_device(si);
	return present;
}

/* What the page cache has of an unmapped stretch. walk->private: where the next answer goes. */
static int mincore_hole(unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	struct vm_area_struct *vma = walk->vma;
	struct address_space *mapping = vma->vm_file ? vma->vm_file->f_inode->i_mapping : NULL;
	u8 *vec = walk->private;

	for (; addr < end; addr += PAGE_SIZE) {
		void *entry = NULL;

		if (mapping && !vma_is_anonymous(vma)) {
			spin_lock(&mapping->tree_lock);
			entry = xa_load(&mapping->i_pages, linear_page_index(vma, addr));
			spin_unlock(&mapping->tree_lock);
		}
		if (xa_is_value(entry))
			*vec++ = mincore_swap((swp_entry_t){ xa_to_value(entry) });
		else
			*vec++ = entry != NULL;
	}
	walk->private = vec;
	return 0;
}

static int mincore_pmd(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	bool huge = pmd_is_whole(pmdp_get(pmd));

	for (; addr < end; addr += PAGE_SIZE) {
		pte_t *pte = huge ? NULL : pte_offset_map(pmd, addr);
		pte_t val = pte ? ptep_get(pte) : __pte(0);

		/* A page that is just being moved (a migration entry) is in core, too. */
		if (huge || !pte_none(val)) {
			u8 *vec = walk->private;

			*vec++ = is_pte_swap_entry(val) ? mincore_swap(pte_to_swp_entry(val)) : 1;
			walk->private = vec;
		} else {
			mincore_hole(addr, addr + PAGE_SIZE, walk);
		}
	}
	return 0;
}

/* Fill VEC for what one VMA has of [ADDR, ADDR + PAGES). Pages done, or -ENOMEM: a hole. */
static long do_mincore(unsigned long addr, unsigned long pages, u8 *vec)
{
	struct vm_area_struct *vma = vma_lookup(current->mm, addr);
	struct mm_walk walk = {
		.pmd_entry = mincore_pmd, .pte_hole = mincore_hole, .vma = vma, .private = vec,
	};
	unsigned long end;

	if (!vma)
		return -ENOMEM;
	end = min(vma->vm_end, addr + (pages << PAGE_SHIFT));
	pages = (end - addr) >> PAGE_SHIFT;
	if (can_do_mincore(vma)) {
		walk_page_range(current->mm, addr, end, &walk);
	} else {
		for (unsigned long i = 0; i < pages; i++)
			vec[i] = 1;
	}
	return (long)pages;
}

SYSCALL_DEFINE3(mincore, unsigned long, start, size_t, len, u8 __user *, vec)
{
	unsigned long pages = PAGE_ALIGN(len) >> PAGE_SHIFT;
	long done = 0;
	u8 *buf;

	if (start & ~PAGE_MASK)
		return -EINVAL;
	if (len > TASK_SIZE_MAX || start > TASK_SIZE_MAX - len)
		return -ENOMEM;
	if (!access_ok(vec, pages))
		return -EFAULT;
	buf = (u8 *)__get_free_pages(GFP_KERNEL, 0);
	if (!buf)
		return -EAGAIN;
	while (pages) {
		mmap_read_lock(current->mm);
		done = do_mincore(start, min(pages, PAGE_SIZE), buf);
		mmap_read_unlock(current->mm);
		if (done <= 0)
			break;
		if (copy_to_user(vec, buf, (size_t)done)) {
			done = -EFAULT;
			break;
		}
		pages -= (unsigned long)done;
		vec += done;
		start += (unsigned long)done << PAGE_SHIFT;
		done = 0;
	}
	free_page(buf);
	return done;
}

/* Write one mapping back. => mmap lock held for read, dropped and taken again */
static int msync_vma(struct vm_area_struct *vma)
{
	struct mm_struct *mm = vma->vm_mm;
	struct file *f = vma->vm_file;
	int err;

	if (!f || !(vma->vm_flags & VM_SHARED) || !f->f_op->fsync)
		return 0;
	get_file(f);
	mmap_read_unlock(mm);
	err = f->f_op->fsync(f);
	fput(f);
	mmap_read_lock(mm);
	return err;
}

SYSCALL_DEFINE3(msync, unsigned long, start, size_t, len, int, flags)
{
	struct mm_struct *mm = current->mm;
	unsigned long end = start + PAGE_ALIGN(len);
	int hole = 0, err = 0;

	if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) || (start & ~PAGE_MASK) ||
	    ((flags & MS_ASYNC) && (flags & MS_SYNC)))
		return -EINVAL;
	if (end < start)
		return -ENOMEM;
	mmap_read_lock(mm);
	while (start < end && !err) {
		struct vm_area_struct *vma = find_vma(mm, start);

		if (!vma || vma->vm_start >= end) {
			hole = -ENOMEM;
			break;
		}
		if (start < vma->vm_start)
			hole = -ENOMEM;
		start = vma->vm_end;
		if ((flags & MS_INVALIDATE) && (vma->vm_flags & VM_LOCKED))
			err = -EBUSY;
		else if (flags & MS_SYNC)
			err = msync_vma(vma);
	}
	mmap_read_unlock(mm);
	return err ? err : hole;
}
