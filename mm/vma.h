/*
 * mm/vma.h - the set of VMAs of one address space: inserting, splitting, merging, finding room (vma.c).
 *
 * For the system calls of mm/ (mmap.c, mprotect.c, mremap.c, madvise.c, mlock.c). Unless it says otherwise
 * each function wants the mmap lock held for write, and may sleep.
 */
#ifndef MM_VMA_H
#define MM_VMA_H

#include "mm/memory.h"

/* Pages kept free below a stack, so that it runs into a fault before it runs into a neighbour. */
#define STACK_GUARD_GAP (256UL << PAGE_SHIFT)

/* A VMA in no list, zeroed but for its mm; a copy of ORIG without chains. NULL: no memory. */
struct vm_area_struct *vm_area_alloc(struct mm_struct *mm);
struct vm_area_struct *vm_area_dup(struct vm_area_struct *orig);
void vm_area_free(struct vm_area_struct *vma);

/* Put VMA, complete with range, flags, file and anon_vma, into MM's tree and its file's. */
void vma_link(struct mm_struct *mm, struct vm_area_struct *vma);
/* The file's list of mappings only: take VMA off it. Any number of times. */
void unlink_file_vma(struct vm_area_struct *vma);
/* Out of MM's tree, with nothing freed; VMA is still the caller's. */
void vma_unlink_tree(struct mm_struct *mm, struct vm_area_struct *vma);
/* VMA is in no tree, nothing is mapped: call close, drop the file, free it. */
void remove_vma(struct vm_area_struct *vma);
/* Free a whole tree of such VMAs (exit). => last user */
void remove_all_vmas(struct mm_struct *mm);

/*
 * Cut VMA in two at ADDR, inside it: VMA keeps the lower part, vma_next() is the upper. -ENOMEM (or too
 * many VMAs).
 */
int split_vma(struct vm_area_struct *vma, unsigned long addr);
/* The same without the limit: for munmap, which will soon have fewer. */
int __split_vma(struct vm_area_struct *vma, unsigned long addr);
/*
 * [START, END) within VMA shall have FLAGS: merge with a neighbour if that makes equals, else split.
 * Returns the VMA that contains the range now (flags and vm_page_prot set), or ERR_PTR(-ENOMEM); VMA itself
 * may be gone. PREV, the VMA below START, and what lies above END are looked up afresh by the caller.
 */
struct vm_area_struct *vma_modify_flags(struct vm_area_struct *vma, unsigned long start, unsigned long end,
					vm_flags_t flags);
/*
 * A new mapping of [START, END), which is free: extend a neighbour of the same kind over it. FROM: the VMA
 * whose pages will be there, or NULL. Returns the VMA that now contains the range, or NULL: make one.
 */
struct vm_area_struct *vma_merge_new(struct mm_struct *mm, unsigned long start, unsigned long end,
				     vm_flags_t flags, struct vm_area_struct *from, struct file *file,
				     const struct vm_operations_struct *ops, pgoff_t pgoff);
/* The stack grew (or the heap): VMA's border moves into free room. */
void vma_set_borders(struct vm_area_struct *vma, unsigned long start, unsigned long end, pgoff_t pgoff);

/* Lowest address that a stack keeps clear. */
static inline unsigned long vm_start_gap(const struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_GROWSDOWN))
		return vma->vm_start;
	return vma->vm_start > STACK_GUARD_GAP ? vma->vm_start - STACK_GUARD_GAP : 0;
}
/*
 * LEN free bytes within [LOW, HIGH): the highest such place, or the lowest, whose start is a multiple of
 * ALIGN. 0: none. O(log n).
 * => mmap lock held
 */
unsigned long vma_find_gap_topdown(struct mm_struct *mm, unsigned long len, unsigned long low,
				   unsigned long high, unsigned long align);
unsigned long vma_find_gap_bottomup(struct mm_struct *mm, unsigned long len, unsigned long low,
				    unsigned long high);

/* ---- mmap.c ---- */

/*
 * Unmap [START, START + LEN). -EINVAL for a bad range, -ENOMEM if a split is not possible (nothing is
 * unmapped then).
 */
int do_munmap(struct mm_struct *mm, unsigned long start, size_t len);
/* Where LEN bytes would go for these mmap arguments; -errno. */
unsigned long get_unmapped_area(struct file *file, unsigned long addr, unsigned long len, pgoff_t pgoff,
				int flags);
/* RLIMIT_AS and RLIMIT_DATA would still be kept with NPAGES more. */
bool may_expand_vm(struct mm_struct *mm, vm_flags_t flags, unsigned long npages);
/* NPAGES more (or fewer) of this kind, for VmSize, VmData...: total_vm and its parts. */
void vm_stat_account(struct mm_struct *mm, vm_flags_t flags, long npages);
/* RLIMIT_MEMLOCK allows BYTES more if FLAGS lock them. */
bool mlock_future_ok(struct mm_struct *mm, vm_flags_t flags, unsigned long bytes);
/* This task may lock memory at all (limit not 0, or privileged). */
bool can_do_mlock(void);

/* ---- gup.c ---- */

/*
 * Fault in [START, END) of VMA by FOLL_WRITE, FOLL_FORCE. -EINVAL: not allowed by the VMA.
 * => as get_user_pages_remote
 */
int faultin_page_range(struct vm_area_struct *vma, unsigned long start, unsigned long end, unsigned int flags,
		       int *locked);
/*
 * Fault in what it can of [START, END) of VMA, which is locked; what it cannot a fault does later.
 * => mmap lock held for write and kept
 */
void populate_locked_range(struct vm_area_struct *vma, unsigned long start, unsigned long end);
/* mm_populate that stops at the first error and returns it, unless IGNORE_ERRORS. */
int __mm_populate(unsigned long start, unsigned long len, bool ignore_errors);

#endif
