/*
 * mm/madvise.c - madvise(2) and process_madvise(2): what a program says it will or will not do with its
 * memory.
 *
 *	act on the pages        DONTNEED, REMOVE, POPULATE_READ/WRITE      mmap lock for reading
 *	change the VMA          DONTFORK, WIPEONFORK, HUGEPAGE, ...        mmap lock for writing
 *	hints about reclaim     FREE, COLD, PAGEOUT; WILLNEED: read in     mmap lock for reading
 *	huge pages, now         COLLAPSE (madvise_collapse.c)              the same, dropped and taken again
 *
 * Holes in the range: the mapped parts are done all the same, then ENOMEM. Linux: mm/madvise.c.
 */
#include "kernel/fs/fs.h"
#include "kernel/lib/err.h"
#include "kernel/sched/sched.h"
#include "kernel/task/cred.h"
#include "kernel/task/pid.h"
#include "kernel/task/syscall.h"
#include "kernel/trace/pause.h"
#include "mm/huge_memory.h"
#include "mm/khugepaged.h"
#include "mm/lru.h"
#include "mm/mmu_gather.h"
#include "mm/rmap.h"
#include "mm/shmem.h"
#include "mm/swap.h"
#include "mm/vma.h"
#include "mm/vmscan.h"

enum {
	MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE = 8, MADV_REMOVE,
	MADV_DONTFORK, MADV_DOFORK, MADV_HUGEPAGE = 14, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP,
	MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
	MADV_DONTNEED_LOCKED, MADV_COLLAPSE,
};

#define FALLOC_KEEP_SIZE_PUNCH_HOLE 3
#define VM_SPECIAL (VM_IO | VM_DONTEXPAND | VM_PFNMAP)

static bool behavior_valid(int b)
{
	switch (b) {
	case MADV_NORMAL ... MADV_DONTNEED:
	case MADV_FREE ... MADV_DOFORK:
	case MADV_HUGEPAGE ... MADV_COLLAPSE:
		return true;
	default:
		return false;
	}
}

static bool needs_write_lock(int b)
{
	switch (b) {
	case MADV_REMOVE:
	case MADV_WILLNEED:
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_FREE:
	case MADV_COLLAPSE:
		return false;
	default:
		return true;
	}
}

/* ---- Advice that changes the VMA ---- */

/* The flags that VMA has after advice B, or -EINVAL: not for this kind of mapping. */
static int advised_flags(struct vm_area_struct *vma, int b, vm_flags_t *flags)
{
	vm_flags_t f = vma->vm_flags;

	switch (b) {
	case MADV_NORMAL:
		f &= ~(VM_RAND_READ | VM_SEQ_READ);
		break;
	case MADV_SEQUENTIAL:
		f = (f & ~VM_RAND_READ) | VM_SEQ_READ;
		break;
	case MADV_RANDOM:
		f = (f & ~VM_SEQ_READ) | VM_RAND_READ;
		break;
	case MADV_DONTFORK:
		f |= VM_DONTCOPY;
		break;
	case MADV_DOFORK:
		if (f & VM_IO)
			return -EINVAL;
		f &= ~VM_DONTCOPY;
		break;
	case MADV_WIPEONFORK:
		if (vma->vm_file || (f & VM_SHARED))
			return -EINVAL;
		f |= VM_WIPEONFORK;
		break;
	case MADV_KEEPONFORK:
		f &= ~VM_WIPEONFORK;
		break;
	case MADV_DONTDUMP:
		f |= VM_DONTDUMP;
		break;
	case MADV_DODUMP:
		if (f & VM_SPECIAL)
			return -EINVAL;
		f &= ~VM_DONTDUMP;
		break;
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
		if (hugepage_madvise(vma, &f, b))
			return -EINVAL;
		break;
	}
	*flags = f;
	return 0;
}

static int madvise_vma_flags(struct vm_area_struct *vma, unsigned long start, unsigned long end, int b)
{
	vm_flags_t flags;
	int err = advised_flags(vma, b, &flags);

	if (err)
		return err;
	vma = vma_modify_flags(vma, start, end, flags);
	return IS_ERR(vma) ? (int)PTR_ERR(vma) : 0;
}

/* ---- Advice about the pages ---- */

/* MLK-6. */
static bool can_drop_pages(const struct vm_area_struct *vma, int b)
{
	return !(vma->vm_flags & VM_PFNMAP) && (b == MADV_DONTNEED_LOCKED || !(vma->vm_flags & VM_LOCKED));
}

/* walk->private of FREE, COLD and PAGEOUT. */
struct lru_advice {
	struct mmu_gather tlb;
	bool lazyfree;			/* FREE */
	bool pageout;			/* PAGEOUT; neither: COLD */
	bool anon_only;			/* PAGEOUT of a file that the caller may not write: others would notice */
	struct list_head isolated;	/* PAGEOUT: folios to reclaim when no table is locked */
};

/* Take A, and for FREE also D, from NR PTEs. => ptl held */
static void clear_young_dirty(struct lru_advice *a, pte_t *pte, unsigned long addr, unsigned int nr)
{
	u64 bits = _PAGE_ACCESSED | (a->lazyfree ? _PAGE_DIRTY : 0);

	for (unsigned int i = 0; i < nr; i++, addr += PAGE_SIZE) {
		if (!(pte_val(ptep_get(pte + i)) & bits))
			continue;
		__atomic_fetch_and(&pte[i].v, ~bits, __ATOMIC_SEQ_CST);
		tlb_flush_range_later(&a->tlb, addr, PAGE_SIZE);
	}
}

/*
 * FREE: the folio's own dirty flag (a device wrote to it) goes, too, if nobody else maps the folio. A large one is
 * mapped whole here, so that a mapcount of its size means that it is ours alone. => ptl held
 */
static bool forget_dirty(struct folio *folio)
{
	bool ours;

	if (!folio_test_dirty(folio) && !folio_test_swapcache(folio))
		return true;
	if (!folio_trylock(folio))
		return false;
	ours = folio_mapcount(folio) == (int)folio_nr_pages(folio);
	if (ours && folio_test_swapcache(folio))
		ours = folio_free_swap(folio);
	if (ours)
		folio_clear_dirty(folio);
	folio_unlock(folio);
	return ours;
}

/* PAGEOUT: FOLIO is to be reclaimed when no table is locked any more. => ptl held */
static void take_for_reclaim(struct lru_advice *a, struct folio *folio)
{
	if (folio_test_unevictable(folio))
		return;
	folio_clear_referenced(folio);
	folio_get(folio);
	if (folio_isolate_lru(folio))
		list_add_tail(&folio->lru, &a->isolated);
	else
		folio_put(folio);
}

/* The advice is for the whole FOLIO, mapped by NR PTEs from PTE on. => ptl held */
static void advise_folio(struct lru_advice *a, struct folio *folio, pte_t *pte, unsigned long addr, unsigned int nr)
{
	if (a->lazyfree) {
		if (!forget_dirty(folio))
			return;
		clear_young_dirty(a, pte, addr, nr);
		folio_mark_lazyfree(folio);
		return;
	}
	if (!folio_test_lru(folio) || folio_mapcount(folio) != (int)folio_nr_pages(folio))
		return;
	if (a->anon_only && !folio_test_anon(folio))
		return;
	if (a->pageout) {
		take_for_reclaim(a, folio);
		return;
	}
	clear_young_dirty(a, pte, addr, nr);
	folio_clear_referenced(folio);
	folio_deactivate(folio);
}

/*
 * FREE of swap entries from VAL at PTE on: the slots are given back at once. Their number, at most MAX_NR. => ptl held
 */
static unsigned int free_swap_entries(struct mm_struct *mm, pte_t *pte, pte_t val, unsigned int max_nr)
{
	int nr = swap_pte_batch(pte, (int)max_nr, val);

	for (int i = 0; i < nr; i++)
		set_pte(pte + i, __pte(0));
	add_mm_counter(mm, MM_SWAPENTS, -nr);
	free_swap_and_cache_nr(pte_to_swp_entry(val), nr);
	return (unsigned int)nr;
}

/*
 * ABI-24: FOLIO is only partly covered. Unless others may map it, split it, so that the part can be taken. True: it
 * was. => PTL held, and dropped
 */
static bool split_partly_covered(struct folio *folio, spinlock_t *ptl)
{
	int err;

	if (folio_maybe_mapped_shared(folio) || !folio_trylock(folio)) {
		spin_unlock(ptl);
		return false;
	}
	folio_get(folio);
	spin_unlock(ptl);
	pause_point("madvise_split");
	err = split_folio(folio);
	folio_unlock(folio);
	folio_put(folio);
	return !err;
}

/* Advise PTEs from ADDR on; returns where to go on: a split drops the lock. */
static unsigned long advise_some_ptes(struct lru_advice *a, pmd_t *pmd, unsigned long addr, unsigned long end,
				      struct mm_walk *walk)
{
	spinlock_t *ptl;
	pte_t *first = pte_offset_map_lock(walk->mm, pmd, addr, &ptl), *pte;
	unsigned int nr;

	if (!first)
		return end;
	flush_tlb_batched_pending(walk->mm);
	for (pte = first; addr < end; pte += nr, addr += nr * PAGE_SIZE) {
		pte_t val = ptep_get(pte);
		struct page *page = pte_present(val) ? vm_normal_page(walk->vma, addr, val) : NULL;
		struct folio *folio = page ? page_folio(page) : NULL;

		nr = 1;
		if (a->lazyfree && is_pte_swap_entry(val))
			nr = free_swap_entries(walk->mm, pte, val, (unsigned int)((end - addr) >> PAGE_SHIFT));
		if (!folio)
			continue;
		if (folio_test_large(folio)) {
			nr = folio_pte_batch(folio, pte, val, (unsigned int)((end - addr) >> PAGE_SHIFT));
			if (nr < folio_nr_pages(folio))
				return split_partly_covered(folio, ptl) ? addr : addr + nr * PAGE_SIZE;
		}
		advise_folio(a, folio, pte, addr, nr);
	}
	pte_unmap_unlock(first, ptl);
	return end;
}

/* COLD or PAGEOUT of a whole huge PMD. */
static void cold_huge_pmd(struct lru_advice *a, struct vm_area_struct *vma, pmd_t *pmd, unsigned long addr)
{
	spinlock_t *ptl = pmd_trans_huge_lock(pmd, vma);
	struct page *page = ptl ? vm_normal_page_pmd(vma, addr, pmdp_get(pmd)) : NULL;
	struct folio *folio = page ? page_folio(page) : NULL;

	if (folio && a->pageout && !folio_maybe_mapped_shared(folio)) {
		take_for_reclaim(a, folio);
	} else if (folio && !folio_maybe_mapped_shared(folio)) {
		if (pmdp_test_and_clear_young(pmd))
			tlb_flush_range_later(&a->tlb, addr, PMD_SIZE);
		folio_clear_referenced(folio);
		folio_deactivate(folio);
	}
	if (ptl)
		spin_unlock(ptl);
}

/* Part of a huge PMD: go on with PTEs if its folio can be split. */
static void split_partly_covered_pmd(struct vm_area_struct *vma, pmd_t *pmd, unsigned long addr)
{
	spinlock_t *ptl = pmd_trans_huge_lock(pmd, vma);
	struct page *page = ptl ? vm_normal_page_pmd(vma, addr, pmdp_get(pmd)) : NULL;

	if (page)
		split_partly_covered(page_folio(page), ptl);
	else if (ptl)
		spin_unlock(ptl);
}

static int advise_pmd_range(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	struct lru_advice *a = walk->private;

	if (pmd_trans_huge(pmdp_get(pmd))) {
		if (end - addr < PMD_SIZE)
			split_partly_covered_pmd(walk->vma, pmd, addr);
		else if (a->lazyfree)
			madvise_free_huge_pmd(&a->tlb, walk->vma, pmd, addr);
		else
			cold_huge_pmd(a, walk->vma, pmd, addr);
	}
	/* Still huge: there is no table, and nothing to do. */
	while (addr < end) {
		addr = advise_some_ptes(a, pmd, addr, end, walk);
		cond_resched();
	}
	if (!list_empty(&a->isolated))
		reclaim_folio_list(&a->isolated, GFP_KERNEL, true);
	return 0;
}

/* Whoever may write the file may also slow its other users down. */
static bool can_page_out_file(const struct vm_area_struct *vma)
{
	const struct file *f = vma->vm_file;

	return vma_is_anonymous(vma) || (f && ((f->f_mode & FMODE_WRITE) || current_cred()->fsuid == f->f_inode->i_uid ||
					       capable(CAP_SYS_ADMIN)));
}

static int madvise_lru(struct vm_area_struct *vma, unsigned long start, unsigned long end, int b)
{
	struct lru_advice a = {
		.lazyfree = b == MADV_FREE, .pageout = b == MADV_PAGEOUT, .isolated = LIST_HEAD_INIT(a.isolated),
		.anon_only = b == MADV_PAGEOUT && !can_page_out_file(vma),
	};
	struct mm_walk walk = { .pmd_entry = advise_pmd_range, .vma = vma, .private = &a };

	if (!can_drop_pages(vma, b) || (b == MADV_FREE && !vma_is_anonymous(vma)))
		return -EINVAL;
	lru_add_drain();
	tlb_gather_mmu(&a.tlb, vma->vm_mm, false);
	walk_page_range(vma->vm_mm, start, end, &walk);
	tlb_finish_mmu(&a.tlb);
	return 0;
}

/* ---- Reading in what is swapped out ---- */

static int willneed_pmd(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	for (; addr < end; addr += PAGE_SIZE) {
		pte_t *pte = pte_offset_map(pmd, addr), val = pte ? ptep_get(pte) : __pte(0);

		if (is_pte_swap_entry(val))
			swapin_start(pte_to_swp_entry(val));
		cond_resched();
	}
	return 0;
}

static void madvise_willneed(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	struct mm_walk walk = { .pmd_entry = willneed_pmd, .vma = vma };

	if (vma->vm_file && shmem_file(vma->vm_file))
		shmem_willneed(vma->vm_file->f_inode, linear_page_index(vma, start), linear_page_index(vma, end - 1));
	walk_page_range(vma->vm_mm, start, end, &walk);
	lru_add_drain();
}

/* Give the pages of a file back. => mmap lock held for reading, dropped and taken again */
static int madvise_remove(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	struct mm_struct *mm = vma->vm_mm;
	struct file *f = vma->vm_file;
	loff_t off;
	long err;

	if ((vma->vm_flags & VM_LOCKED) || !f)
		return -EINVAL;
	if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) != (VM_SHARED | VM_MAYWRITE))
		return -EACCES;
	off = (loff_t)(linear_page_index(vma, start) << PAGE_SHIFT);
	get_file(f);
	mmap_read_unlock(mm);
	err = f->f_op->fallocate ?
	      f->f_op->fallocate(f, FALLOC_KEEP_SIZE_PUNCH_HOLE, off, (loff_t)(end - start)) : -EOPNOTSUPP;
	fput(f);
	mmap_read_lock(mm);
	return (int)err;
}

static int madvise_vma(struct vm_area_struct *vma, unsigned long start, unsigned long end, int b)
{
	bool dropped;		/* whoever calls looks VMAs up by address in any case */

	switch (b) {
	case MADV_WILLNEED:
		madvise_willneed(vma, start, end);
		return 0;
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
		if (!can_drop_pages(vma, b))
			return -EINVAL;
		zap_page_range_single(vma, start, end);
		return 0;
	case MADV_FREE:
	case MADV_COLD:
	case MADV_PAGEOUT:
		return madvise_lru(vma, start, end, b);
	case MADV_REMOVE:
		return madvise_remove(vma, start, end);
	case MADV_COLLAPSE:
		return madvise_collapse(vma, start, end, &dropped);
	default:
		return madvise_vma_flags(vma, start, end, b);
	}
}

/* ---- The range ---- */

/* => mmap lock held */
static int madvise_range(struct mm_struct *mm, unsigned long start, unsigned long end, int b)
{
	int hole = 0, err;

	while (start < end) {
		/* By address each time: the VMA may have been merged, and REMOVE and COLLAPSE drop the lock. */
		struct vm_area_struct *vma = find_vma(mm, start);
		unsigned long stop;

		if (!vma)
			return -ENOMEM;
		if (vma->vm_start > start) {
			hole = -ENOMEM;
			start = vma->vm_start;
			continue;
		}
		stop = min(end, vma->vm_end);
		err = madvise_vma(vma, start, stop, b);
		if (err)
			return err;
		start = stop;
	}
	return hole;
}

/* MADV_POPULATE_*: errors are reported, unlike those of MAP_POPULATE. */
static int madvise_populate(struct mm_struct *mm, unsigned long start, unsigned long end, bool write)
{
	int locked = 1, err = 0;

	mmap_read_lock(mm);
	while (start < end && !err) {
		struct vm_area_struct *vma;
		unsigned long stop;

		if (!locked) {
			mmap_read_lock(mm);
			locked = 1;
		}
		vma = vma_lookup(mm, start);
		if (!vma) {
			err = -ENOMEM;
			break;
		}
		stop = min(end, vma->vm_end);
		err = faultin_page_range(vma, start, stop, write ? FOLL_WRITE : 0, &locked);
		start = stop;
	}
	if (locked)
		mmap_read_unlock(mm);
	return err;
}

static int do_madvise(struct mm_struct *mm, unsigned long start, size_t len, int b)
{
	unsigned long end = start + PAGE_ALIGN(len);
	int err;

	if (!behavior_valid(b) || (start & ~PAGE_MASK) || (len && !PAGE_ALIGN(len)) || end < start)
		return -EINVAL;
	if (end == start)
		return 0;
	if (b == MADV_POPULATE_READ || b == MADV_POPULATE_WRITE)
		return madvise_populate(mm, start, end, b == MADV_POPULATE_WRITE);
	if (needs_write_lock(b)) {
		if (mmap_write_lock_killable(mm))
			return -EINTR;
		err = madvise_range(mm, start, end, b);
		mmap_write_unlock(mm);
	} else {
		mmap_read_lock(mm);
		err = madvise_range(mm, start, end, b);
		mmap_read_unlock(mm);
	}
	return err;
}

SYSCALL_DEFINE3(madvise, unsigned long, start, size_t, len, int, behavior)
{
	return do_madvise(current->mm, start, len, behavior);
}

/* ---- process_madvise ---- */

#define UIO_MAXIOV 1024

/* The task that a pidfd names, referenced; ERR_PTR. */
static struct task_struct *pidfd_task(int pidfd)
{
	struct pid *pid = pidfd_get_pid(pidfd);
	struct task_struct *t;

	if (IS_ERR(pid))
		return ERR_PTR(PTR_ERR(pid));
	t = find_get_task_by_pid(pid_nr(pid));
	put_pid(pid);
	return t ? t : ERR_PTR(-ESRCH);
}

/* T's mm, referenced, if the current task may advise it so (RCL-25). ERR_PTR. */
static struct mm_struct *advised_mm(struct task_struct *t, int behavior)
{
	struct mm_struct *mm = get_task_mm(t);
	long err;

	if (!mm)
		return ERR_PTR(-ESRCH);
	if (mm == current->mm)
		return mm;
	err = ptrace_may_access(t) ? 0 : -EACCES;
	if (!err && behavior != MADV_COLD && behavior != MADV_PAGEOUT && behavior != MADV_WILLNEED &&
	    behavior != MADV_COLLAPSE)
		err = -EINVAL;
	if (!err && !capable(CAP_SYS_NICE))
		err = -EPERM;
	if (!err)
		return mm;
	mmput(mm);
	return ERR_PTR(err);
}

static long advise_vector(struct mm_struct *mm, const struct iovec __user *vec, size_t n, int behavior)
{
	long done = 0, err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		struct iovec v;

		if (copy_from_user(&v, vec + i, sizeof(v)))
			err = -EFAULT;
		else
			err = do_madvise(mm, (unsigned long)v.iov_base, v.iov_len, behavior);
		if (!err)
			done += (long)v.iov_len;
	}
	return done ? done : err;
}

SYSCALL_DEFINE5(process_madvise, int, pidfd, const struct iovec __user *, vec, size_t, vlen, int, behavior,
		unsigned int, flags)
{
	struct task_struct *t;
	struct mm_struct *mm;
	long ret;

	if (flags || vlen > UIO_MAXIOV)
		return -EINVAL;
	t = pidfd_task(pidfd);
	if (IS_ERR(t))
		return PTR_ERR(t);
	mm = advised_mm(t, behavior);
	if (IS_ERR(mm)) {
		ret = PTR_ERR(mm);
	} else {
		ret = advise_vector(mm, vec, vlen, behavior);
		mmput(mm);
	}
	put_task_struct(t);
	return ret;
}
