/*
 * mm/mprotect.c - changing the rights of mappings.
 *
 * First the VMAs (split, merge, new vm_page_prot), then the PTEs that exist. Taking rights away is a flush;
 * giving some is not, except that a private page becomes writable only where it is exclusive (COW-26):
 * anything else waits for its write fault. Linux: mm/mprotect.c.
 */
#include "arch-x86_64/tlbflush.h"
#include "kernel/lib/err.h"
#include "kernel/sched/sched.h"
#include "kernel/task/syscall.h"
#include "mm/rmap.h"
#include "mm/vma.h"

#define PROT_SEM 8

/* walk->private */
struct protection_change {
	pgprot_t prot;
	bool upgrade;			/* private and writable now: make exclusive pages writable at once */
	unsigned long flush_start, flush_end;
};

/* The CPU may have cached a right that NEW does not give. */
static bool pte_needs_flush(pte_t old, pte_t new)
{
	if (!(old.v & _PAGE_PRESENT))
		return false;
	return (old.v & ~new.v & (_PAGE_PRESENT | _PAGE_RW)) || (new.v & ~old.v & _PAGE_NX);
}

static bool can_change_pte_writable(struct vm_area_struct *vma, unsigned long addr, pte_t pte)
{
	struct page *page = vm_normal_page(vma, addr, pte);

	return page && folio_test_anon(page_folio(page)) && PageAnonExclusive(page);
}

static int change_pte_range(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	struct protection_change *c = walk->private;
	spinlock_t *ptl;
	pte_t *first = pte_offset_map_lock(walk->mm, pmd, addr, &ptl), *pte;

	if (!first)
		return 0;
	for (pte = first; addr < end; pte++, addr += PAGE_SIZE) {
		pte_t old = ptep_get(pte), new;

		if (!pte_present(old))
			continue;
		/* Taken out first: the A and D bits that a CPU sets until then are in OLD. */
		old = ptep_get_and_clear(pte);
		new = pte_modify(old, c->prot);
		/* COW-27: each page by its own flag. */
		if (c->upgrade && can_change_pte_writable(walk->vma, addr, new))
			new = pte_mkwrite(new);
		set_pte(pte, new);
		if (pte_needs_flush(old, new)) {
			c->flush_start = min(c->flush_start, addr);
			c->flush_end = addr + PAGE_SIZE;
		}
	}
	pte_unmap_unlock(first, ptl);
	cond_resched();
	return 0;
}

static void change_protection(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	struct protection_change c = {
		.prot = vma->vm_page_prot,
		.upgrade = (vma->vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE,
		.flush_start = ~0UL,
	};
	struct mm_walk walk = { .pmd_entry = change_pte_range, .vma = vma, .private = &c };

	walk_page_range(vma->vm_mm, start, end, &walk);
	if (c.flush_start < c.flush_end)
		flush_tlb_range(vma, c.flush_start, c.flush_end);
}

/*
 * Private pages that become writable for the first time are promised now. *FLAGS gets VM_ACCOUNT if so; the
 * pages charged, or -ENOMEM.
 */
static long charge_writable(struct vm_area_struct *vma, vm_flags_t *flags, long pages)
{
	struct mm_struct *mm = vma->vm_mm;

	if (*flags & VM_WRITE) {
		if (!may_expand_vm(mm, *flags, (unsigned long)pages) &&
		    may_expand_vm(mm, vma->vm_flags, (unsigned long)pages))
			return -ENOMEM;
		if (vma->vm_flags & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE))
			return 0;
		if (security_vm_enough_memory(mm, pages))
			return -ENOMEM;
		*flags |= VM_ACCOUNT;
		return pages;
	}
	/* Read-only memory that was never touched needs no promise. */
	if ((vma->vm_flags & VM_ACCOUNT) && vma_is_anonymous(vma) && !vma->anon_vma)
		*flags &= ~VM_ACCOUNT;
	return 0;
}

/* [START, END) within *VMAP gets FLAGS; *VMAP is the VMA there afterwards. 0 or -ENOMEM. */
static int mprotect_fixup(struct vm_area_struct **vmap, unsigned long start, unsigned long end,
			  vm_flags_t flags)
{
	struct vm_area_struct *vma = *vmap;
	struct mm_struct *mm = vma->vm_mm;
	vm_flags_t old = vma->vm_flags;
	long pages = (long)((end - start) >> PAGE_SHIFT), charged;

	if (flags == old)
		return 0;
	charged = charge_writable(vma, &flags, pages);
	if (charged < 0)
		return (int)charged;
	vma = vma_modify_flags(vma, start, end, flags);
	if (IS_ERR(vma)) {
		vm_unacct_memory(charged);
		return (int)PTR_ERR(vma);
	}
	*vmap = vma;
	change_protection(vma, start, end);
	if ((old & VM_ACCOUNT) && !(flags & VM_ACCOUNT))
		vm_unacct_memory(pages);
	vm_stat_account(mm, old, -pages);
	vm_stat_account(mm, flags, pages);
	return 0;
}

/* The new flags of a VMA, or -EACCES: VM_MAY* does not allow them. */
static int new_flags(const struct vm_area_struct *vma, int prot, vm_flags_t *flags)
{
	vm_flags_t rights = (prot & PROT_READ ? VM_READ : 0) | (prot & PROT_WRITE ? VM_WRITE : 0) |
			    (prot & PROT_EXEC ? VM_EXEC : 0);

	if (rights & ~(vma->vm_flags >> 4))	/* VM_MAYREAD >> 4 is VM_READ, and so on */
		return -EACCES;
	*flags = (vma->vm_flags & ~VM_ACCESS_FLAGS) | rights;
	return 0;
}

/* => mmap lock held for write. What lies before a hole, or a VMA that refuses, is done. */
static int protect_range(struct vm_area_struct *vma, unsigned long start, unsigned long end, int prot)
{
	struct mm_struct *mm = vma->vm_mm;
	vm_flags_t flags;
	int err;

	while (start < end) {
		unsigned long stop = min(vma->vm_end, end);

		err = new_flags(vma, prot, &flags);
		if (!err)
			err = mprotect_fixup(&vma, start, stop, flags);
		if (err)
			return err;
		start = stop;
		if (start < end) {
			vma = vma_lookup(mm, start);
			if (!vma)
				return -ENOMEM;
		}
	}
	return 0;
}

static int do_mprotect(struct mm_struct *mm, unsigned long start, unsigned long end, int prot, bool growsdown)
{
	struct vm_area_struct *vma = find_vma(mm, start);

	if (!vma)
		return -ENOMEM;
	if (growsdown) {
		if (vma->vm_start >= end)
			return -ENOMEM;
		start = vma->vm_start;
		if (!(vma->vm_flags & VM_GROWSDOWN))
			return -EINVAL;
	} else if (vma->vm_start > start) {
		return -ENOMEM;
	}
	return protect_range(vma, start, end, prot);
}

SYSCALL_DEFINE3(mprotect, unsigned long, start, size_t, len, unsigned long, prot)
{
	struct mm_struct *mm = current->mm;
	unsigned long end = start + PAGE_ALIGN(len);
	bool growsdown = prot & PROT_GROWSDOWN, locked;
	int err;

	if ((prot & PROT_GROWSUP) || (start & ~PAGE_MASK))
		return -EINVAL;
	prot &= ~(unsigned long)PROT_GROWSDOWN;
	if (!len)
		return 0;
	if (end <= start)
		return -ENOMEM;
	if (prot & ~(unsigned long)(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM))
		return -EINVAL;
	if (mmap_write_lock_killable(mm))
		return -EINTR;
	err = do_mprotect(mm, start, end, (int)prot, growsdown);
	locked = mm->locked_vm != 0;
	mmap_write_unlock(mm);
	/* MLK-4: what is locked and writable now has pages of its own. */
	if (!err && locked && (prot & PROT_WRITE)) {
		struct vm_area_struct *vma;
		bool populate;

		mmap_read_lock(mm);
		vma = vma_lookup(mm, start);
		populate = vma && (vma->vm_flags & VM_LOCKED);
		mmap_read_unlock(mm);
		if (populate)
			__mm_populate(start, end - start, true);
	}
	return err;
}
