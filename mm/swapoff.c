/*
 * mm/swapoff.c - swapoff(2): bring back everything that an area holds, and let it go (SWAP-19).
 *
 *	no new slots ──> shmem ──> every mm: table by table, entry by entry ──> cached leftovers ──> slots in use? again
 *	                                        │
 *	                 read, lock, wait for its writeback, an old read-only PTE in the place of the entry
 *
 * Where it is interrupted or memory ends, what came back stays, what did not is where it was, and slots are
 * given again. A page that cannot be read leaves a poisoned entry: whoever touches it gets SIGBUS, and the
 * area goes all the same.
 *
 * Linux: try_to_unuse() in mm/swapfile.c.
 */
#include "kernel/fs/fs.h"
#include "kernel/lib/err.h"
#include "kernel/sched/sched.h"
#include "kernel/task/cred.h"
#include "kernel/task/syscall.h"
#include "kernel/trace/pause.h"
#include "mm/lru.h"
#include "mm/oom.h"
#include "mm/rmap.h"
#include "mm/shmem.h"
#include "mm/swapfile.h"

/* ---- One entry ---- */

/* PAGE instead of the entry E at PTE. => ptl and folio locked, no writeback */
static void restore_pte(struct vm_area_struct *vma, unsigned long addr, pte_t *pte, swp_entry_t e,
			struct folio *f)
{
	struct page *page = folio_swap_page(f, e);
	bool exclusive = pte_swp_exclusive(ptep_get(pte));

	if (unlikely(!folio_test_uptodate(f))) {
		set_pte(pte, swp_entry_to_pte(swp_entry(SWP_POISON, 0)));
	} else {
		folio_get(f);
		add_mm_counter(vma->vm_mm, MM_ANONPAGES, 1);
		folio_add_anon_rmap_ptes(f, page, 1, vma, addr, exclusive ? RMAP_EXCLUSIVE : RMAP_NONE);
		set_pte(pte, pte_mkold(pfn_pte(page_to_pfn(page), vma->vm_page_prot)));
	}
	add_mm_counter(vma->vm_mm, MM_SWAPENTS, -1);
	swap_free_nr(e, 1);
}

/* The entry E was seen at ADDR. 0, also if it is gone meanwhile, or -ENOMEM. => mmap lock held for reading */
static int unuse_entry(struct vm_area_struct *vma, pmd_t *pmd, unsigned long addr, swp_entry_t e)
{
	struct vm_fault vmf = { .vma = vma, .address = addr, .real_address = addr, .pmd = pmd };
	struct folio *f = swapin_readahead(e, &vmf);
	spinlock_t *ptl;
	pte_t *pte;

	if (IS_ERR(f))
		return PTR_ERR(f) == -ENOMEM ? -ENOMEM : 0;
	folio_lock(f);
	folio_wait_writeback(f);
	pte = folio_matches_swap_entry(f, e) ? pte_offset_map_lock(vma->vm_mm, pmd, addr, &ptl) : NULL;
	if (pte) {
		/*
		 * Fork may have taken the marker away, nothing else: the slot is ours as long as the entry
		 * stands.
		 */
		if (pte_swp_clear_exclusive(ptep_get(pte)).v == swp_entry_to_pte(e).v)
			restore_pte(vma, addr, pte, e, f);
		pte_unmap_unlock(pte, ptl);
	}
	folio_free_swap(f);
	folio_unlock(f);
	folio_put(f);
	return 0;
}

/* ---- One address space ---- */

static int unuse_pmd(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	const struct swap_info_struct *si = walk->private;
	int err = 0;

	for (; addr < end && !err; addr += PAGE_SIZE) {
		pte_t *pte = pte_offset_map(pmd, addr);
		pte_t val = pte ? ptep_get(pte) : __pte(0);

		if (!is_pte_swap_entry(val) || swp_type(pte_to_swp_entry(val)) != si->type)
			continue;
		pause_point("swapoff_entry");
		err = -EINTR;
		if (!signal_pending(current))
			err = unuse_entry(walk->vma, pmd, addr, pte_to_swp_entry(val));
		cond_resched();
	}
	return err;
}

static int unuse_mm(struct mm_struct *mm, struct swap_info_struct *si)
{
	struct vm_area_struct *vma;
	int err = 0;

	mmap_read_lock(mm);
	for_each_vma(mm, vma) {
		struct mm_walk walk = { .pmd_entry = unuse_pmd, .vma = vma, .private = si };

		if (vma->anon_vma)
			err = walk_page_range(mm, vma->vm_start, vma->vm_end, &walk);
		if (err)
			break;
	}
	mmap_read_unlock(mm);
	return err;
}

/* Every mm that has entries of any area. 0, -EINTR, -ENOMEM. */
static int unuse_all_mms(struct swap_info_struct *si)
{
	struct mm_struct *mm, *prev = NULL;
	int err = 0;

	spin_lock(&mm_list_lock);
	list_for_each_entry(mm, &mm_list, mmlist) {
		if (!get_mm_counter(mm, MM_SWAPENTS) || !mmget_not_zero(mm))
			continue;
		spin_unlock(&mm_list_lock);
		/* Our place in the list stays as long as we hold what stands there. */
		if (prev)
			mmput(prev);
		prev = mm;
		err = unuse_mm(mm, si);
		cond_resched();
		spin_lock(&mm_list_lock);
		if (err)
			break;
	}
	spin_unlock(&mm_list_lock);
	if (prev)
		mmput(prev);
	return err;
}

/* ---- The area ---- */

/* What is cached and named by nobody, or only by those who are on their way out. */
static void drop_cached(struct swap_info_struct *si)
{
	for (unsigned long i = 1; i < si->max; i++) {
		struct folio *f;

		if (!slot_folio(READ_ONCE(si->slots[i])))
			continue;
		f = swap_cache_get_folio(swp_entry(si->type, i));
		if (!f)
			continue;
		folio_lock(f);
		folio_wait_writeback(f);
		folio_free_swap(f);
		folio_unlock(f);
		folio_put(f);
		cond_resched();
	}
}

static int try_to_unuse(struct swap_info_struct *si)
{
	while (atomic_long_read(&si->inuse)) {
		long before = atomic_long_read(&si->inuse);
		int err = shmem_unuse(si->type);

		if (!err)
			err = unuse_all_mms(si);
		if (err)
			return err;
		drop_cached(si);
		if (signal_pending(current))
			return -EINTR;
		/* Exits and faults that hold slots have to get on. */
		if (atomic_long_read(&si->inuse) == before) {
			set_current_state(TASK_INTERRUPTIBLE);
			schedule_timeout_ns(NSEC_PER_MSEC);
		}
	}
	return 0;
}

/* The area on the disk that FILE is, with no slots to be had any more; ERR_PTR. */
static struct swap_info_struct *stop_area(const struct file *file)
{
	struct swap_info_struct *si = NULL;
	long pages;

	mutex_lock(&swapon_mutex);
	for (int i = 0; i < MAX_SWAPFILES && !si && S_ISBLK(file->f_inode->i_mode); i++)
		if (swap_info[i].writeok && swap_info[i].bdev->bd_dev == file->f_inode->i_rdev)
			si = &swap_info[i];
	pages = si ? (long)si->pages : 0;
	if (!si) {
		si = ERR_PTR(-EINVAL);
	} else if (security_vm_enough_memory(current->mm, pages)) {
		si = ERR_PTR(-ENOMEM);
	} else {
		vm_unacct_memory(pages);
		swap_disable_area(si);
	}
	mutex_unlock(&swapon_mutex);
	return si;
}

SYSCALL_DEFINE1(swapoff, const char __user *, specialfile)
{
	struct swap_info_struct *si;
	struct file *victim;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	victim = swap_open(specialfile);
	if (IS_ERR(victim))
		return PTR_ERR(victim);
	si = stop_area(victim);
	fput(victim);
	if (IS_ERR(si))
		return PTR_ERR(si);
	set_current_oom_origin();
	err = try_to_unuse(si);
	clear_current_oom_origin();
	if (err) {
		swap_enable_area(si);
		return err;
	}
	/* Who holds the device only looks, and soon sees that nothing is there. */
	atomic_dec(&si->users);
	while (atomic_read(&si->users)) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		schedule_timeout_ns(NSEC_PER_MSEC);
	}
	mutex_lock(&swapon_mutex);
	free_swap_info(si);
	mutex_unlock(&swapon_mutex);
	return 0;
}
