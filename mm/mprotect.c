/*
 * mm/mprotect.c - changing the rights of mappings.
 *
 * First the VMAs (split, merge, new vm_page_prot), then the PTEs that exist. Taking rights away is a flush;
 * giving some is not, except that a private page becomes writable only where it is exclusive (COW-26):
 * anything else waits for its write fault. A large folio stays whole whatever becomes of its pages; a huge PMD becomes
 * a table only if the range begins or ends inside it. Linux: mm/mprotect.c.
 */
#include "kernel/lib/err.h"
#include "kernel/sched/sched.h"
#include "kernel/task/syscall.h"
#include "mm/huge_memory.h"
#include "mm/mmu_gather.h"
#include "mm/rmap.h"
#include "mm/swap.h"
#include "mm/vma.h"

#define PROT_SEM 8

/* walk->private */
struct protection_change {
	struct mmu_gather tlb;
	pgprot_t prot;
	bool upgrade;			/* private and writable now: make exclusive pages writable at once */
};

/* The CPU may have cached a right that NEW does not give. */
static bool pte_needs_flush(pte_t old, pte_t new)
{
	if (!(old.v & _PAGE_PRESENT))
		return false;
	return (old.v & ~new.v & (_PAGE_PRESENT | _PAGE_RW)) || (new.v & ~old.v & _PAGE_NX);
}

/*
 * COW-26, and COW-27: each page by its own flag. Only anonymous pages ever have it, and here the page is mapped, so
 * that it can be trusted (COW-4).
 */
static inline bool can_change_pte_writable(struct vm_area_struct *vma, unsigned long addr, pte_t pte)
{
	struct page *page = vm_normal_page(vma, addr, pte);

	return page && PageAnonExclusive(page);
}

static void change_present_pte(struct protection_change *c, struct vm_area_struct *vma, pte_t *pte, unsigned long addr)
{
	pte_t old = ptep_get(pte), new;

	/* In one step with the A and D bits that a CPU may set meanwhile. */
	do {
		new = pte_modify(old, c->prot);
		if (c->upgrade && can_change_pte_writable(vma, addr, new))
			new = pte_mkwrite(new);
	} while (!__atomic_compare_exchange_n(&pte->v, &old.v, new.v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	if (pte_needs_flush(old, new))
		tlb_flush_range_later(&c->tlb, addr, PAGE_SIZE);
}

/* MIG-5: what comes back is writable only if that was never in question; else its first write asks. */
static void change_migration_entry(pte_t *pte, pte_t old)
{
	swp_entry_t entry = pte_to_swp_entry(old);
	struct folio *folio;

	/* A swap entry has no rights: they come from the VMA when the page does. */
	if (!is_writable_migration_entry(entry))
		return;
	folio = page_folio(migration_entry_to_page(entry));
	entry = folio_test_anon(folio) ? make_readable_exclusive_migration_entry(entry) : make_readable_migration_entry(entry);
	set_pte(pte, swp_entry_to_pte(entry));
}

static void change_pte_range(struct protection_change *c, pmd_t *pmd, unsigned long addr, unsigned long end,
			     struct mm_walk *walk)
{
	spinlock_t *ptl;
	pte_t *first = pte_offset_map_lock(walk->mm, pmd, addr, &ptl), *pte;

	if (!first)
		return;
	flush_tlb_batched_pending(walk->mm);
	for (pte = first; addr < end; pte++, addr += PAGE_SIZE) {
		pte_t old = ptep_get(pte);

		if (pte_present(old))
			change_present_pte(c, walk->vma, pte, addr);
		else if (unlikely(!pte_none(old)))
			change_migration_entry(pte, old);
	}
	pte_unmap_unlock(first, ptl);
}

/* Up to 2 MiB. A huge PMD changes as one entry unless only a part of it is meant. */
static int change_pmd_range(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	struct protection_change *c = walk->private;

	if (pmd_is_whole(pmdp_get(pmd))) {
		if (end - addr < PMD_SIZE)
			split_huge_pmd(walk->vma, pmd, addr & PMD_MASK);
		else if (change_huge_pmd(&c->tlb, walk->vma, pmd, addr, c->prot))
			return 0;
	}
	change_pte_range(c, pmd, addr, end, walk);
	cond_resched();
	return 0;
}

static void change_protection(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	struct protection_change c = {
		.prot = vma->vm_page_prot,
		.upgrade = (vma->vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE,
	};
	struct mm_walk walk = { .pmd_entry = change_pmd_range, .vma = vma, .private = &c };

	tlb_gather_mmu(&c.tlb, vma->vm_mm, false);
	walk_page_range(vma->vm_mm, start, end, &walk);
	tlb_finish_mmu(&c.tlb);
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
	/* MLK-4: what is locked and becomes writable gets pages of its own. */
	if ((flags & VM_WRITE) && (old & (VM_LOCKED | VM_WRITE | VM_SHARED)) == VM_LOCKED)
		populate_locked_range(vma, start, end);
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
	bool growsdown = prot & PROT_GROWSDOWN;
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
	mmap_write_unlock(mm);
	return err;
}
