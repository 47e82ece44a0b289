/*
 * mm/mlock.c - mlock, mlock2, munlock, mlockall, munlockall (part 8b of the rules, MLK-*).
 *
 * Locking is a flag of VMAs, set under the mmap write lock; the pages are faulted in afterwards under the
 * read lock. As nothing is reclaimed yet, the flag alone keeps the promise: folios are not marked. Linux:
 * mm/mlock.c.
 */
#include "kernel/lib/err.h"
#include "kernel/sched/sched.h"
#include "kernel/task/cred.h"
#include "kernel/task/signal.h"
#include "kernel/task/syscall.h"
#include "mm/vma.h"

#define MLOCK_ONFAULT 1
#define MCL_CURRENT 1
#define MCL_FUTURE 2
#define MCL_ONFAULT 4
#define VM_LOCKED_MASK (VM_LOCKED | VM_LOCKONFAULT)
#define VM_SPECIAL (VM_IO | VM_DONTEXPAND | VM_PFNMAP)

/* [START, END) within VMA is locked as LOCK says (0: unlocked). 0 or -ENOMEM. */
static int mlock_fixup(struct vm_area_struct *vma, unsigned long start, unsigned long end, vm_flags_t lock)
{
	vm_flags_t old = vma->vm_flags, flags = (old & ~VM_LOCKED_MASK) | lock;
	struct mm_struct *mm = vma->vm_mm;
	unsigned long pages = (end - start) >> PAGE_SHIFT;

	if (flags == old || (old & VM_SPECIAL))
		return 0;
	vma = vma_modify_flags(vma, start, end, flags);
	if (IS_ERR(vma))
		return (int)PTR_ERR(vma);
	if ((flags & VM_LOCKED) && !(old & VM_LOCKED))
		mm->locked_vm += pages;
	if (!(flags & VM_LOCKED) && (old & VM_LOCKED))
		mm->locked_vm -= pages;
	return 0;
}

/* => mmap lock held for write. -ENOMEM at a gap; what lies before it is done (MLK-3). */
static int apply_vma_lock_flags(struct mm_struct *mm, unsigned long start, unsigned long len, vm_flags_t lock)
{
	unsigned long end = start + len;

	if (end < start)
		return -EINVAL;
	while (start < end) {
		struct vm_area_struct *vma = vma_lookup(mm, start);
		unsigned long stop;
		int err;

		if (!vma)
			return -ENOMEM;
		stop = min(vma->vm_end, end);
		err = mlock_fixup(vma, start, stop, lock);
		if (err)
			return err;
		start = stop;
	}
	return 0;
}

/* Pages of the range that count against the limit already. */
static unsigned long count_locked_pages(struct mm_struct *mm, unsigned long start, unsigned long len)
{
	unsigned long n = 0, end = start + len < start ? ~0UL : start + len;
	struct vm_area_struct *vma;

	for (vma = find_vma(mm, start); vma && vma->vm_start < end; vma = vma_next(vma))
		if (vma->vm_flags & VM_LOCKED)
			n += (min(end, vma->vm_end) - max(start, vma->vm_start)) >> PAGE_SHIFT;
	return n;
}

static bool within_limit(struct mm_struct *mm, unsigned long start, unsigned long len)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	unsigned long want = mm->locked_vm + (len >> PAGE_SHIFT);

	if (want <= limit || capable(CAP_IPC_LOCK))
		return true;
	return want - count_locked_pages(mm, start, len) <= limit;
}

static int do_mlock(unsigned long start, size_t len, vm_flags_t lock)
{
	struct mm_struct *mm = current->mm;
	int err = -ENOMEM;

	if (!can_do_mlock())
		return -EPERM;
	len = PAGE_ALIGN(len + (start & ~PAGE_MASK));
	start &= PAGE_MASK;
	if (mmap_write_lock_killable(mm))
		return -EINTR;
	if (within_limit(mm, start, len))
		err = apply_vma_lock_flags(mm, start, len, lock);
	mmap_write_unlock(mm);
	if (err)
		return err;
	err = __mm_populate(start, len, false);
	/* What the standard wants to hear. */
	return err == -EFAULT ? -ENOMEM : err == -ENOMEM ? -EAGAIN : err;
}

SYSCALL_DEFINE2(mlock, unsigned long, start, size_t, len)
{
	return do_mlock(start, len, VM_LOCKED);
}

SYSCALL_DEFINE3(mlock2, unsigned long, start, size_t, len, int, flags)
{
	if (flags & ~MLOCK_ONFAULT)
		return -EINVAL;
	return do_mlock(start, len, VM_LOCKED | (flags & MLOCK_ONFAULT ? VM_LOCKONFAULT : 0));
}

SYSCALL_DEFINE2(munlock, unsigned long, start, size_t, len)
{
	struct mm_struct *mm = current->mm;
	int err;

	len = PAGE_ALIGN(len + (start & ~PAGE_MASK));
	start &= PAGE_MASK;
	if (mmap_write_lock_killable(mm))
		return -EINTR;
	err = apply_vma_lock_flags(mm, start, len, 0);
	mmap_write_unlock(mm);
	return err;
}

/* => mmap lock held for write. FLAGS 0: munlockall. */
static void apply_mlockall_flags(struct mm_struct *mm, int flags)
{
	vm_flags_t lock = VM_LOCKED | (flags & MCL_ONFAULT ? VM_LOCKONFAULT : 0);
	struct vm_area_struct *vma;

	mm->def_flags = (mm->def_flags & ~VM_LOCKED_MASK) | (flags & MCL_FUTURE ? lock : 0);
	if ((flags & MCL_FUTURE) && !(flags & MCL_CURRENT))
		return;
	if (!(flags & MCL_CURRENT))
		lock = 0;
	for (unsigned long addr = 0; (vma = find_vma(mm, addr)) != NULL; ) {
		addr = vma->vm_end;	/* the VMA may be merged away */
		mlock_fixup(vma, vma->vm_start, vma->vm_end, lock);
		cond_resched();
	}
}

SYSCALL_DEFINE1(mlockall, int, flags)
{
	struct mm_struct *mm = current->mm;
	int err = -ENOMEM;

	if (!flags || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || flags == MCL_ONFAULT)
		return -EINVAL;
	if (!can_do_mlock())
		return -EPERM;
	if (mmap_write_lock_killable(mm))
		return -EINTR;
	if (!(flags & MCL_CURRENT) || capable(CAP_IPC_LOCK) ||
	    mm->total_vm <= rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT) {
		apply_mlockall_flags(mm, flags);
		err = 0;
	}
	mmap_write_unlock(mm);
	if (!err && (flags & MCL_CURRENT))
		mm_populate(0, TASK_SIZE_MAX);
	return err;
}

SYSCALL_DEFINE0(munlockall)
{
	struct mm_struct *mm = current->mm;

	if (mmap_write_lock_killable(mm))
		return -EINTR;
	apply_mlockall_flags(mm, 0);
	mmap_write_unlock(mm);
	return 0;
}
