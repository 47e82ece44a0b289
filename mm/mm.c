/*
 * mm/mm.c - the life of an address space.
 *
 *	mm_alloc, dup_mm ──> users > 0: mappings live ── mmput of the last ──> exit_mmap: all unmapped
 *	                     count > 0: the struct lives ── mmdrop of the last ──> id and memory returned
 *
 * All mm_users together hold one mm_count. CPUs that run a kernel thread on the tables of a dead process
 * hold a count, not a user; before the tables go, leave_mm_everywhere() sends them away. Linux:
 * kernel/fork.c.
 */
#include "mm/mm.h"
#include "arch-x86_64/tlbflush.h"
#include "kernel/fs/fs.h"
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/pause.h"
#include "mm/khugepaged.h"
#include "mm/lru.h"
#include "mm/mmu_gather.h"
#include "mm/rmap.h"
#include "mm/slab.h"
#include "mm/vma.h"

static struct lock_class mmap_lock_class = { .name = "mmap_lock", .kind = LOCK_RWSEM };
static struct lock_class page_table_lock_class = { .name = "page_table_lock", .kind = LOCK_SPIN };

struct mm_struct init_mm = {
	.mm_users = ATOMIC_INIT(1),
	.mm_count = ATOMIC_INIT(1),
	.pgd = init_top_pgt,
	.mmap_lock = __SLEEPLOCK_INIT(init_mm.mmap_lock, &mmap_lock_class),
	.page_table_lock = { .owner_cpu = -1, .class = &page_table_lock_class },
	.mmlist = LIST_HEAD_INIT(init_mm.mmlist),
};
LIST_HEAD(mm_list);
DEFINE_SPINLOCK(mm_list_lock);

static struct kmem_cache *mm_cache;
static atomic_long_t last_serial;

static int __mm_init(void)
{
	mm_cache = KMEM_CACHE(mm_struct);
	return 0;
}
core_initcall(__mm_init);

/* ---- Birth ---- */

struct mm_struct *mm_alloc(void)
{
	struct mm_struct *mm = kmem_cache_zalloc(mm_cache, GFP_KERNEL);

	if (!mm)
		return NULL;
	mm->serial = (u64)atomic_long_inc_return(&last_serial);
	mm->mm_id = mm_id_alloc();
	if (!mm->mm_id)
		goto out_mm;
	mm->pgd = pgd_alloc();
	if (!mm->pgd)
		goto out_id;
	atomic_set(&mm->mm_users, 1);
	atomic_set(&mm->mm_count, 1);
	init_rwsem_class(&mm->mmap_lock, &mmap_lock_class);
	spin_lock_init_class(&mm->page_table_lock, &page_table_lock_class);
	seqcount_init(&mm->write_protect_seq);
	mm->mm_rb = RB_ROOT;
	mm->task_size = TASK_SIZE_MAX;
	mm->mmap_base = TASK_SIZE_MAX - (128UL << 20);	/* until exec knows the stack limit */
	INIT_LIST_HEAD(&mm->khugepaged_node);
	spin_lock(&mm_list_lock);
	list_add_tail(&mm->mmlist, &mm_list);
	spin_unlock(&mm_list_lock);
	return mm;

out_id:
	mm_id_free(mm->mm_id);
out_mm:
	kmem_cache_free(mm_cache, mm);
	return NULL;
}

/* What a child has of its parent's address space besides the mappings. MLK-5: no locks. */
static void copy_mm_fields(struct mm_struct *mm, struct mm_struct *old)
{
	mm->mmap_base = old->mmap_base;
	mm->task_size = old->task_size;
	mm->start_code = old->start_code;
	mm->end_code = old->end_code;
	mm->start_data = old->start_data;
	mm->end_data = old->end_data;
	mm->start_brk = old->start_brk;
	mm->brk = old->brk;
	mm->start_stack = old->start_stack;
	mm->arg_start = old->arg_start;
	mm->arg_end = old->arg_end;
	mm->env_start = old->env_start;
	mm->env_end = old->env_end;
	memcpy(mm->saved_auxv, old->saved_auxv, sizeof(mm->saved_auxv));
	mm->flags = old->flags & MMF_INHERITED;
	mm->oom_score_adj = old->oom_score_adj;
	set_mm_exe_file(mm, old->exe_file);
}

/* One VMA for the child, linked, with its PTEs. 0 or -ENOMEM; what was linked is for exit_mmap to undo. */
static int dup_vma(struct mm_struct *mm, struct vm_area_struct *old)
{
	long charge = old->vm_flags & VM_ACCOUNT ? (long)vma_pages(old) : 0;
	bool wipe = old->vm_flags & VM_WIPEONFORK;
	struct vm_area_struct *vma;

	if (charge && security_vm_enough_memory(mm, charge))
		return -ENOMEM;
	vma = vm_area_dup(old);
	if (!vma)
		goto out_charge;
	vma->vm_mm = mm;
	vma->vm_flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
	vma->anon_vma = NULL;
	if (!wipe && anon_vma_fork(vma, old))
		goto out_vma;
	if (vma->vm_file)
		get_file(vma->vm_file);
	if (vma->vm_ops && vma->vm_ops->open)
		vma->vm_ops->open(vma);
	vma_link(mm, vma);
	vm_stat_account(mm, vma->vm_flags, (long)vma_pages(vma));
	return wipe ? 0 : copy_page_range(vma, old);

out_vma:
	vm_area_free(vma);
out_charge:
	vm_unacct_memory(charge);
	return -ENOMEM;
}

static int dup_mmap(struct mm_struct *mm, struct mm_struct *old)
{
	struct vm_area_struct *vma;
	int err;

	err = mmap_write_lock_killable(old);
	if (err)
		return err;
	/* A batch's references would make the pages look shared when one side is alone again (COW-8). */
	lru_add_drain();
	/* LOCK-12: nobody else knows the child's lock. */
	down_write_nested(&mm->mmap_lock, SINGLE_DEPTH_NESTING);
	copy_mm_fields(mm, old);
	for_each_vma(old, vma) {
		if (vma->vm_flags & VM_DONTCOPY)
			continue;
		err = fatal_signal_pending(current) ? -EINTR : dup_vma(mm, vma);
		if (err)
			break;
	}
	if (!err)
		khugepaged_fork(mm, old);
	mmap_write_unlock(mm);
	/* COW-25: no CPU may keep a writable translation of what is shared now. */
	flush_tlb_mm(old);
	mmap_write_unlock(old);
	return err;
}

struct mm_struct *dup_mm(struct mm_struct *old)
{
	struct mm_struct *mm = mm_alloc();

	if (!mm)
		return NULL;
	if (dup_mmap(mm, old)) {
		mmput(mm);
		return NULL;
	}
	mm->hiwater_rss = get_mm_rss(mm);
	mm->hiwater_vm = mm->total_vm;
	return mm;
}

/* ---- Death ---- */

/* Unmap everything. => nobody uses the mm any more; may sleep */
static void exit_mmap(struct mm_struct *mm)
{
	struct vm_area_struct *vma;
	struct mmu_gather tlb;
	long accounted = 0;

	/*
	 * Lazy CPUs go first: from here on neither a TLB nor a walker knows these tables,
	 * and no flush is needed.
	 */
	leave_mm_everywhere(mm);
	lru_add_drain();
	pause_point("exit_mmap");
	mmap_write_lock(mm);	/* against the OOM reaper and those who look in through mm_list */
	for_each_vma(mm, vma)
		if (vma->vm_flags & VM_ACCOUNT)
			accounted += (long)vma_pages(vma);
	tlb_gather_mmu(&tlb, mm, true);
	unmap_vmas(&tlb, vma_first(mm), 0, TASK_SIZE_MAX);
	free_pgtables(&tlb, vma_first(mm), TASK_SIZE_MAX, 0, ~0UL);
	tlb_finish_mmu(&tlb);
	remove_all_vmas(mm);
	vm_unacct_memory(accounted);
	set_bit(MMF_OOM_SKIP, &mm->flags);	/* nothing is left that a kill could free (RCL-31) */
	mmap_write_unlock(mm);
}

void mmput(struct mm_struct *mm)
{
	might_sleep();
	if (!atomic_dec_and_test(&mm->mm_users))
		return;
	khugepaged_exit(mm);
	exit_mmap(mm);
	mm_put_huge_zero_folio(mm);
	set_mm_exe_file(mm, NULL);
	spin_lock(&mm_list_lock);
	list_del_init(&mm->mmlist);
	spin_unlock(&mm_list_lock);
	mmdrop(mm);
}

/* => any context with interrupts on or off; does not sleep */
void __mmdrop(struct mm_struct *mm)
{
	KASSERT(mm != &init_mm, "MMID-2");
	for (int i = 0; i < NR_MM_COUNTERS; i++)
		KASSERT_EQ(atomic_long_read(&mm->rss_stat[i]), 0, "FOL-3");
	KASSERT_EQ(atomic_long_read(&mm->pgtables_bytes), 0, "LOCK-7");
	KASSERT_EQ(READ_ONCE(mm->cpu_bitmap), 0, "LOCK-7");
	pgd_free(mm->pgd);
	mm_id_free(mm->mm_id);
	kmem_cache_free(mm_cache, mm);
}

/* ---- From tasks to address spaces, and back to the program's file ---- */

struct mm_struct *get_task_mm(struct task_struct *t)
{
	struct mm_struct *mm;

	spin_lock(&t->alloc_lock);
	mm = t->flags & PF_KTHREAD ? NULL : t->mm;
	if (mm)
		mmget(mm);
	spin_unlock(&t->alloc_lock);
	return mm;
}

struct file *get_mm_exe_file(struct mm_struct *mm)
{
	struct file *f;

	spin_lock(&mm->page_table_lock);
	f = mm->exe_file;
	if (f)
		get_file(f);
	spin_unlock(&mm->page_table_lock);
	return f;
}

void set_mm_exe_file(struct mm_struct *mm, struct file *f)
{
	struct file *old;

	if (f)
		get_file(f);
	spin_lock(&mm->page_table_lock);
	old = mm->exe_file;
	mm->exe_file = f;
	spin_unlock(&mm->page_table_lock);
	if (old)
		fput(old);
}
