/*
 * mm/mmap.c - mmap, munmap, brk, and the growth of stacks.
 *
 *	0x7ffffffff000  stack, growing down, guard gap below it
 *	mmap_base       mappings, each placed as high as it fits
 *	   ...
 *	start_brk..brk  heap, one VMA
 *	program
 *
 * A call checks everything that can fail (arguments, limits, promises, memory for the VMA) before it takes
 * anything away from what was mapped there. Linux: mm/mmap.c and mm/vma.c. Left out: MAP_HUGETLB,
 * MAP_DROPPABLE, MAP_SYNC, randomisation.
 */
#include "kernel/fs/fs.h"
#include "kernel/lib/err.h"
#include "kernel/sched/sched.h"
#include "kernel/task/cred.h"
#include "kernel/task/signal.h"
#include "kernel/task/syscall.h"
#include "mm/lru.h"
#include "mm/mmu_gather.h"
#include "mm/rmap.h"
#include "mm/shmem.h"
#include "mm/vma.h"

#define CAP_SYS_RAWIO	17
#define F_SEAL_WRITE_ANY 0x18u	/* F_SEAL_WRITE, F_SEAL_FUTURE_WRITE */
#define TASK_UNMAPPED_BASE PAGE_ALIGN(TASK_SIZE_MAX / 3)
#define VM_DATA_DEFAULT_FLAGS (VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC)
#define offset_in_page(a) ((unsigned long)(a) & ~PAGE_MASK)

/* ---- Limits and statistics ---- */

static bool is_data_mapping(vm_flags_t flags)
{
	return (flags & (VM_WRITE | VM_SHARED | VM_STACK)) == VM_WRITE;
}

bool may_expand_vm(struct mm_struct *mm, vm_flags_t flags, unsigned long npages)
{
	if (mm->total_vm + npages > rlimit(RLIMIT_AS) >> PAGE_SHIFT)
		return false;
	return !is_data_mapping(flags) || mm->data_vm + npages <= rlimit(RLIMIT_DATA) >> PAGE_SHIFT;
}

void vm_stat_account(struct mm_struct *mm, vm_flags_t flags, long npages)
{
	mm->total_vm += (unsigned long)npages;
	if ((flags & (VM_EXEC | VM_WRITE | VM_STACK)) == VM_EXEC)
		mm->exec_vm += (unsigned long)npages;
	else if (flags & VM_STACK)
		mm->stack_vm += (unsigned long)npages;
	else if (is_data_mapping(flags))
		mm->data_vm += (unsigned long)npages;
	if (mm->hiwater_vm < mm->total_vm)
		mm->hiwater_vm = mm->total_vm;
}

bool can_do_mlock(void)
{
	return rlimit(RLIMIT_MEMLOCK) != 0 || capable(CAP_IPC_LOCK);
}

bool mlock_future_ok(struct mm_struct *mm, vm_flags_t flags, unsigned long bytes)
{
	if (!(flags & VM_LOCKED) || capable(CAP_IPC_LOCK))
		return true;
	return mm->locked_vm + (bytes >> PAGE_SHIFT) <= rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
}

/* ---- Where to put it ---- */

/* Any place; -ENOMEM. LEN is page aligned and not 0. */
static unsigned long find_place(struct mm_struct *mm, unsigned long len, int flags, unsigned long align)
{
	unsigned long low = max(mmap_min_addr, PAGE_SIZE), at;

	if (flags & MAP_32BIT) {
		at = vma_find_gap_bottomup(mm, len, 0x40000000, 0x80000000);
		return at ? at : -ENOMEM;
	}
	at = vma_find_gap_topdown(mm, len, low, mm->mmap_base, align);
	/* A stack limit of half the address space leaves little below it: then from the bottom up. */
	if (!at && align == PAGE_SIZE)
		at = vma_find_gap_bottomup(mm, len, TASK_UNMAPPED_BASE, TASK_SIZE_MAX);
	return at ? at : -ENOMEM;
}

/* The place a hint names, if it is free: then exactly there. */
static bool hint_is_free(struct mm_struct *mm, unsigned long addr, unsigned long len)
{
	struct vm_area_struct *next, *prev;

	if (addr < mmap_min_addr || addr > TASK_SIZE_MAX - len)
		return false;
	next = find_vma(mm, addr);
	if (next && addr + len > vm_start_gap(next))
		return false;
	prev = next ? vma_prev(next) : NULL;
	return !prev || addr >= prev->vm_end;
}

static unsigned long choose_address(struct file *file, unsigned long addr, unsigned long len, int flags)
{
	struct mm_struct *mm = current->mm;
	unsigned long at;

	if (flags & MAP_FIXED)
		return addr;
	addr = PAGE_ALIGN(addr);
	if (addr && hint_is_free(mm, addr, len))
		return addr;
	/* So that it can be made of huge pages. */
	if (!file && !addr && !(flags & (MAP_SHARED | MAP_32BIT)) && IS_ALIGNED(len, PMD_SIZE)) {
		at = find_place(mm, len, flags, PMD_SIZE);
		if (!IS_ERR_VALUE(at))
			return at;
	}
	return find_place(mm, len, flags, PAGE_SIZE);
}

unsigned long get_unmapped_area(struct file *file, unsigned long addr, unsigned long len, pgoff_t pgoff,
				int flags)
{
	if (len > TASK_SIZE_MAX)
		return -ENOMEM;
	addr = choose_address(file, addr, len, flags);
	if (!(flags & MAP_FIXED) && IS_ERR_VALUE(addr))
		return addr;
	if (addr > TASK_SIZE_MAX - len)
		return -ENOMEM;
	if (offset_in_page(addr))
		return -EINVAL;
	if (addr < mmap_min_addr && !capable(CAP_SYS_RAWIO))
		return -EPERM;
	return addr;
}

/* ---- munmap ---- */

/* Pages of [START, END) that are mapped. */
static unsigned long count_mapped_pages(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma;
	unsigned long n = 0;

	for (vma = find_vma(mm, start); vma && vma->vm_start < end; vma = vma_next(vma))
		n += (min(end, vma->vm_end) - max(start, vma->vm_start)) >> PAGE_SHIFT;
	return n;
}

/* Everything about whole VMAs from VMA up to END goes. */
static void unmap_region(struct mm_struct *mm, struct vm_area_struct *vma, unsigned long end)
{
	struct vm_area_struct *prev = vma_prev(vma), *next;
	unsigned long floor = prev ? prev->vm_end : 0, start = vma->vm_start;
	struct mmu_gather tlb;

	next = find_vma(mm, end);
	/* So that the frames are free when we return, and who shared them may reuse them (COW-8). */
	lru_add_drain();
	tlb_gather_mmu(&tlb, mm, false);
	unmap_vmas(&tlb, vma, start, end);
	free_pgtables(&tlb, vma, end, floor, next ? next->vm_start : ~0UL);
	tlb_finish_mmu(&tlb);
	for (; vma && vma->vm_start < end; vma = next) {
		long pages = (long)vma_pages(vma);

		next = vma_next(vma);
		vm_stat_account(mm, vma->vm_flags, -pages);
		if (vma->vm_flags & VM_LOCKED)
			mm->locked_vm -= (unsigned long)pages;
		if (vma->vm_flags & VM_ACCOUNT)
			vm_unacct_memory(pages);
		vma_unlink_tree(mm, vma);
		remove_vma(vma);
	}
}

int do_munmap(struct mm_struct *mm, unsigned long start, size_t len)
{
	struct vm_area_struct *vma, *last;
	unsigned long end;

	if (offset_in_page(start) || start > TASK_SIZE_MAX || len > TASK_SIZE_MAX - start)
		return -EINVAL;
	end = start + PAGE_ALIGN(len);
	if (end == start)
		return -EINVAL;
	vma = find_vma_intersection(mm, start, end);
	if (!vma)
		return 0;
	if (vma->vm_start < start) {
		/* A hole in the middle leaves one VMA more than before. */
		if (end < vma->vm_end && mm->map_count >= sysctl_max_map_count)
			return -ENOMEM;
		if (__split_vma(vma, start))
			return -ENOMEM;
		vma = vma_next(vma);
	}
	last = find_vma(mm, end - 1);
	if (last && last->vm_start < end && last->vm_end > end) {
		if (__split_vma(last, end))
			return -ENOMEM;
	}
	unmap_region(mm, vma, end);
	return 0;
}

int vm_munmap(unsigned long addr, size_t len)
{
	struct mm_struct *mm = current->mm;
	int err = mmap_write_lock_killable(mm);

	if (err)
		return err;
	err = do_munmap(mm, addr, len);
	mmap_write_unlock(mm);
	return err;
}

SYSCALL_DEFINE2(munmap, unsigned long, addr, size_t, len)
{
	return vm_munmap(addr, len);
}

/* ---- mmap ---- */

/* A mapping to be made. */
struct map_request {
	struct file *file;
	unsigned long addr, len;
	pgoff_t pgoff;
	vm_flags_t flags;
};

/* The VMA as asked for, with file or shared object attached, linked nowhere. ERR_PTR. */
static struct vm_area_struct *prepare_vma(struct mm_struct *mm, const struct map_request *r)
{
	struct vm_area_struct *vma = vm_area_alloc(mm);
	int err = 0;

	if (!vma)
		return ERR_PTR(-ENOMEM);
	vma->vm_start = r->addr;
	vma->vm_end = r->addr + r->len;
	vma->vm_flags = r->flags;
	vma->vm_pgoff = r->pgoff;
	if (r->file) {
		get_file(r->file);
		vma->vm_file = r->file;
		err = r->file->f_op->mmap(r->file, vma);
	} else if (r->flags & VM_SHARED) {
		err = shmem_zero_setup(vma);
	}
	if (err) {
		if (vma->vm_file)
			fput(vma->vm_file);
		vm_area_free(vma);
		return ERR_PTR(err);
	}
	vma_set_page_prot(vma);
	return vma;
}

/*
 * VMA goes in, unless a neighbour of its kind can be extended over its range: then it is freed. Returns who
 * is there.
 */
static struct vm_area_struct *merge_or_link(struct mm_struct *mm, struct vm_area_struct *vma)
{
	struct vm_area_struct *merged = NULL;

	if (!vma->vm_ops || !vma->vm_ops->close)
		merged = vma_merge_new(mm, vma->vm_start, vma->vm_end, vma->vm_flags, NULL, vma->vm_file,
				       vma->vm_ops, vma->vm_pgoff);
	if (merged) {
		remove_vma(vma);
		return merged;
	}
	vma_link(mm, vma);
	return vma;
}

/* The private anonymous case without anything in the way: often no VMA is needed at all. */
static bool extend_neighbour(struct mm_struct *mm, const struct map_request *r)
{
	if (r->file || (r->flags & VM_SHARED))
		return false;
	return vma_merge_new(mm, r->addr, r->addr + r->len, r->flags, NULL, NULL, NULL, r->pgoff) != NULL;
}

static bool accountable_mapping(vm_flags_t flags)
{
	return (flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) == VM_WRITE;
}

/*
 * A shared mapping that may be written is about to be made: keep F_SEAL_WRITE out until its VMA counts, or be
 * kept out by it. 0 with *MAPPING to be counted down (or NULL), or -EPERM.
 */
static int hold_writable(const struct map_request *r, struct address_space **mapping)
{
	struct address_space *m;
	int c, seen;

	if (!r->file || (r->flags & (VM_SHARED | VM_MAYWRITE)) != (VM_SHARED | VM_MAYWRITE))
		return 0;
	m = r->file->f_inode->i_mapping;
	for (c = atomic_read(&m->i_mmap_writable); c >= 0; c = seen) {
		seen = atomic_cmpxchg(&m->i_mmap_writable, c, c + 1);
		if (seen == c) {
			*mapping = m;
			return 0;
		}
	}
	return -EPERM;
}

/* => mmap lock held for write */
static unsigned long mmap_region(struct mm_struct *mm, struct map_request *r)
{
	unsigned long mapped = count_mapped_pages(mm, r->addr, r->addr + r->len);
	unsigned long pages = r->len >> PAGE_SHIFT;
	struct address_space *writable = NULL;
	struct vm_area_struct *vma;
	long charged = 0;
	int err;

	if (!may_expand_vm(mm, r->flags, pages - mapped))
		return -ENOMEM;
	if (accountable_mapping(r->flags)) {
		charged = (long)pages;
		if (security_vm_enough_memory(mm, charged))
			return -ENOMEM;
		r->flags |= VM_ACCOUNT;
	}
	if (!mapped && extend_neighbour(mm, r))
		goto account;
	err = hold_writable(r, &writable);
	if (err)
		goto out_charge;
	vma = prepare_vma(mm, r);
	err = (int)PTR_ERR(vma);
	if (IS_ERR(vma))
		goto out_charge;
	r->flags = vma->vm_flags;	/* the file may have added some */
	err = mapped ? do_munmap(mm, r->addr, r->len) : 0;
	if (err) {
		remove_vma(vma);
		goto out_charge;
	}
	merge_or_link(mm, vma);
	if (writable)
		atomic_dec(&writable->i_mmap_writable);
account:
	vm_stat_account(mm, r->flags, (long)pages);
	if (r->flags & VM_LOCKED)
		mm->locked_vm += pages;
	return r->addr;

out_charge:
	if (writable)
		atomic_dec(&writable->i_mmap_writable);
	vm_unacct_memory(charged);
	return err;
}

#define LEGACY_MAP_MASK (MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE |	\
	MAP_EXECUTABLE | MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE |		\
	MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | MAP_32BIT | (0x3fU << 26) | MAP_FIXED_NOREPLACE)

/* MAP_SHARED of a file: may it be written, now or by mprotect later? */
static int check_shared_file(struct file *file, int prot, struct map_request *r)
{
	if ((prot & PROT_WRITE) && !(file->f_mode & FMODE_WRITE))
		return -EACCES;
	if ((file->f_flags & O_APPEND) && (file->f_mode & FMODE_WRITE) && S_ISBLK(file->f_inode->i_mode))
		return -EACCES;
	r->flags |= VM_SHARED | VM_MAYSHARE;
	if (!(file->f_mode & FMODE_WRITE))
		r->flags &= ~(VM_MAYWRITE | VM_SHARED);
	if (file->f_inode->i_seals & F_SEAL_WRITE_ANY) {
		if ((r->flags & (VM_SHARED | VM_WRITE)) == (VM_SHARED | VM_WRITE))
			return -EPERM;
		r->flags &= ~VM_MAYWRITE;
	}
	if ((r->flags & (VM_SHARED | VM_MAYWRITE)) == (VM_SHARED | VM_MAYWRITE) &&
	    atomic_read(&file->f_inode->i_mapping->i_mmap_writable) < 0)
		return -EPERM;
	return 0;
}

static int check_file(int prot, int flags, struct map_request *r)
{
	struct file *file = r->file;
	unsigned int type = (unsigned int)flags & MAP_TYPE;
	int err;

	/* The last page must have an offset that fits. */
	if (r->pgoff > ((u64)1 << 51) - (r->len >> PAGE_SHIFT))
		return -EOVERFLOW;
	if (flags & MAP_HUGETLB)
		return -EINVAL;
	if (type == MAP_SHARED_VALIDATE && (flags & ~(LEGACY_MAP_MASK | MAP_SHARED_VALIDATE)))
		return -EOPNOTSUPP;
	if (type == MAP_SHARED || type == MAP_SHARED_VALIDATE) {
		err = check_shared_file(file, prot, r);
		if (err)
			return err;
	} else if (type != MAP_PRIVATE) {
		return -EINVAL;
	}
	if (!(file->f_mode & FMODE_READ))
		return -EACCES;
	if (file->f_path.mnt && (file->f_path.mnt->mnt_flags & MS_NOEXEC)) {
		if (r->flags & VM_EXEC)
			return -EPERM;
		r->flags &= ~VM_MAYEXEC;
	}
	if (!file->f_op->mmap)
		return -ENODEV;
	return r->flags & VM_GROWSDOWN ? -EINVAL : 0;
}

static int check_anonymous(int flags, struct map_request *r)
{
	switch (flags & MAP_TYPE) {
	case MAP_SHARED:
		if (r->flags & VM_GROWSDOWN)
			return -EINVAL;
		r->pgoff = 0;
		r->flags |= VM_SHARED | VM_MAYSHARE;
		return 0;
	case MAP_PRIVATE:
		r->pgoff = r->addr >> PAGE_SHIFT;	/* RMAP-1: an index that goes on in the neighbour */
		return 0;
	default:
		return -EINVAL;
	}
}

static vm_flags_t calc_vm_flags(struct mm_struct *mm, int prot, int flags)
{
	vm_flags_t f = mm->def_flags | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;

	f |= prot & PROT_READ ? VM_READ : 0;
	f |= prot & PROT_WRITE ? VM_WRITE : 0;
	f |= prot & PROT_EXEC ? VM_EXEC : 0;
	f |= flags & MAP_GROWSDOWN ? VM_GROWSDOWN : 0;
	f |= flags & MAP_LOCKED ? VM_LOCKED : 0;
	/* Thread stacks of many processes: huge pages would be mostly waste. */
	f |= flags & MAP_STACK ? VM_NOHUGEPAGE : 0;
	return f;
}

/* => mmap lock held for write. Returns the address or -errno; *POPULATE: the range should be faulted in. */
static unsigned long do_mmap(struct file *file, unsigned long addr, unsigned long len, int prot, int flags,
			     pgoff_t pgoff, bool *populate)
{
	struct mm_struct *mm = current->mm;
	struct map_request r = { .file = file, .pgoff = pgoff };
	int err;

	if (!len)
		return -EINVAL;
	if (flags & MAP_FIXED_NOREPLACE)
		flags |= MAP_FIXED;
	if (!(flags & MAP_FIXED) && (addr & PAGE_MASK) && addr < mmap_min_addr)
		addr = mmap_min_addr;
	r.len = PAGE_ALIGN(len);
	if (!r.len)
		return -ENOMEM;
	if (pgoff + (r.len >> PAGE_SHIFT) < pgoff)
		return -EOVERFLOW;
	if (mm->map_count > sysctl_max_map_count)
		return -ENOMEM;
	r.flags = calc_vm_flags(mm, prot, flags);
	r.addr = get_unmapped_area(file, flags & MAP_FIXED ? addr : addr & PAGE_MASK, r.len, pgoff, flags);
	if (IS_ERR_VALUE(r.addr))
		return r.addr;
	if ((flags & MAP_FIXED_NOREPLACE) && find_vma_intersection(mm, r.addr, r.addr + r.len))
		return -EEXIST;
	if ((flags & MAP_LOCKED) && !can_do_mlock())
		return -EPERM;
	if (!mlock_future_ok(mm, r.flags, r.len))
		return -EAGAIN;
	err = file ? check_file(prot, flags, &r) : check_anonymous(flags, &r);
	if (err)
		return err;
	if ((flags & MAP_NORESERVE) && sysctl_overcommit_memory != 2)
		r.flags |= VM_NORESERVE;
	addr = mmap_region(mm, &r);
	*populate = !IS_ERR_VALUE(addr) &&
		    ((r.flags & VM_LOCKED) || (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE);
	return addr;
}

unsigned long vm_mmap(struct file *file, unsigned long addr, unsigned long len, int prot, int flags, u64 off)
{
	struct mm_struct *mm = current->mm;
	bool populate = false;
	unsigned long ret;

	if (offset_in_page(off) || off + PAGE_ALIGN(len) < off)
		return -EINVAL;
	if (mmap_write_lock_killable(mm))
		return -EINTR;
	ret = do_mmap(file, addr, len, prot, flags, off >> PAGE_SHIFT, &populate);
	mmap_write_unlock(mm);
	if (populate)
		mm_populate(ret, len);
	return ret;
}

SYSCALL_DEFINE6(mmap, unsigned long, addr, unsigned long, len, int, prot, int, flags, int, fd,
		unsigned long, off)
{
	struct file *file = NULL;
	unsigned long ret;

	if (offset_in_page(off))
		return -EINVAL;
	if (flags & MAP_ANONYMOUS) {
		if (flags & MAP_HUGETLB)
			return -EINVAL;
		off = 0;
	} else {
		file = fget(fd);
		if (!file)
			return -EBADF;
	}
	ret = vm_mmap(file, addr, len, prot, flags, off);
	if (file)
		fput(file);
	return (long)ret;
}

/* ---- brk ---- */

/*
 * Anonymous memory at [ADDR, ADDR + LEN), where nothing is mapped. 0 or -ENOMEM.
 * => mmap lock held for write
 */
static int do_brk_flags(struct mm_struct *mm, unsigned long addr, unsigned long len, vm_flags_t extra)
{
	vm_flags_t flags = VM_DATA_DEFAULT_FLAGS | VM_ACCOUNT | mm->def_flags | extra;
	struct map_request r = { .addr = addr, .len = len, .pgoff = addr >> PAGE_SHIFT, .flags = flags };
	long pages = (long)(len >> PAGE_SHIFT);
	struct vm_area_struct *vma;

	if (!may_expand_vm(mm, flags, (unsigned long)pages) || mm->map_count > sysctl_max_map_count)
		return -ENOMEM;
	if (security_vm_enough_memory(mm, pages))
		return -ENOMEM;
	if (!extend_neighbour(mm, &r)) {
		vma = prepare_vma(mm, &r);
		if (IS_ERR(vma)) {
			vm_unacct_memory(pages);
			return (int)PTR_ERR(vma);
		}
		vma_link(mm, vma);
	}
	vm_stat_account(mm, flags, pages);
	if (flags & VM_LOCKED)
		mm->locked_vm += (unsigned long)pages;
	return 0;
}

int vm_brk_flags(unsigned long addr, unsigned long request, vm_flags_t extra)
{
	unsigned long len = PAGE_ALIGN(request), at;
	struct mm_struct *mm = current->mm;
	int err;

	if (len < request)
		return -ENOMEM;
	if (!len)
		return 0;
	err = mmap_write_lock_killable(mm);
	if (err)
		return err;
	at = get_unmapped_area(NULL, addr, len, 0, MAP_FIXED);
	err = IS_ERR_VALUE(at) ? (int)at : do_munmap(mm, addr, len);
	if (!err)
		err = do_brk_flags(mm, addr, len, extra);
	mmap_write_unlock(mm);
	if (!err && (mm->def_flags & VM_LOCKED))
		mm_populate(addr, len);
	return err;
}

/* May the heap reach from OLD to NEW (both page aligned)? */
static bool brk_may_grow(struct mm_struct *mm, unsigned long old, unsigned long new)
{
	struct vm_area_struct *next = find_vma(mm, old);

	if (new > TASK_SIZE_MAX || !mlock_future_ok(mm, mm->def_flags, new - old))
		return false;
	return !next || new + PAGE_SIZE <= vm_start_gap(next);
}

/* => mmap lock held for write. False: the break stays. */
static bool set_brk(struct mm_struct *mm, unsigned long brk)
{
	unsigned long new = PAGE_ALIGN(brk), old = PAGE_ALIGN(mm->brk);
	u64 data_limit = rlimit(RLIMIT_DATA);

	if (brk < mm->start_brk || new < brk)
		return false;
	if (data_limit != RLIM_INFINITY && brk - mm->start_brk + (mm->end_data - mm->start_data) > data_limit)
		return false;
	if (new < old && do_munmap(mm, new, old - new))
		return false;
	if (new > old && (!brk_may_grow(mm, old, new) || do_brk_flags(mm, old, new - old, 0)))
		return false;
	mm->brk = brk;
	return true;
}

SYSCALL_DEFINE1(brk, unsigned long, brk)
{
	struct mm_struct *mm = current->mm;
	unsigned long old, now;
	bool populate;

	if (mmap_write_lock_killable(mm))
		return -EINTR;
	old = mm->brk;
	set_brk(mm, brk);
	now = mm->brk;
	populate = now > old && (mm->def_flags & VM_LOCKED);
	mmap_write_unlock(mm);
	if (populate)
		mm_populate(PAGE_ALIGN(old), PAGE_ALIGN(now) - PAGE_ALIGN(old));
	return (long)now;
}

/* ---- Stacks ---- */

int setup_stack_vma(struct mm_struct *mm, unsigned long top, bool executable)
{
	struct vm_area_struct *vma = vm_area_alloc(mm);
	int err = -ENOMEM;

	if (!vma)
		return -ENOMEM;
	vma->vm_start = top - PAGE_SIZE;
	vma->vm_end = top;
	vma->vm_pgoff = vma->vm_start >> PAGE_SHIFT;
	vma->vm_flags = VM_DATA_DEFAULT_FLAGS | VM_GROWSDOWN | VM_ACCOUNT | (executable ? VM_EXEC : 0);
	vma_set_page_prot(vma);
	mmap_write_lock(mm);
	if (!security_vm_enough_memory(mm, 1)) {
		vma_link(mm, vma);
		vm_stat_account(mm, vma->vm_flags, 1);
		err = 0;
	}
	mmap_write_unlock(mm);
	if (err)
		vm_area_free(vma);
	return err;
}

/* Limits and promises for a stack that grows by PAGES to SIZE bytes. 0 or -ENOMEM. */
static int acct_stack_growth(struct vm_area_struct *vma, unsigned long size, unsigned long pages)
{
	struct mm_struct *mm = vma->vm_mm;

	if (!may_expand_vm(mm, vma->vm_flags, pages) || size > rlimit(RLIMIT_STACK))
		return -ENOMEM;
	if (!mlock_future_ok(mm, vma->vm_flags, pages << PAGE_SHIFT))
		return -ENOMEM;
	return vma->vm_flags & VM_ACCOUNT ? security_vm_enough_memory(mm, (long)pages) : 0;
}

/* => mmap lock held for write */
static int expand_downwards(struct vm_area_struct *vma, unsigned long addr)
{
	struct vm_area_struct *prev = vma_prev(vma);
	struct mm_struct *mm = vma->vm_mm;
	unsigned long pages;

	addr &= PAGE_MASK;
	if (addr < mmap_min_addr)
		return -EPERM;
	/* An inaccessible neighbour, or another stack, is guard enough. */
	if (prev && !(prev->vm_flags & VM_GROWSDOWN) && (prev->vm_flags & VM_ACCESS_FLAGS) &&
	    addr < prev->vm_end + STACK_GUARD_GAP)
		return -ENOMEM;
	if (prev && addr < prev->vm_end)
		return -ENOMEM;
	pages = (vma->vm_start - addr) >> PAGE_SHIFT;
	if (pages > vma->vm_pgoff || acct_stack_growth(vma, vma->vm_end - addr, pages))
		return -ENOMEM;
	vma_set_borders(vma, addr, vma->vm_end, vma->vm_pgoff - pages);
	vm_stat_account(mm, vma->vm_flags, (long)pages);
	if (vma->vm_flags & VM_LOCKED)
		mm->locked_vm += pages;
	return 0;
}

/*
 * The write lock is needed: start and page index change together, and faults in other threads compute with
 * both. Most stacks grow a few times in their life.
 */
struct vm_area_struct *expand_stack(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma;

	mmap_read_unlock(mm);
	mmap_write_lock(mm);
	vma = find_vma(mm, addr);
	if (vma && vma->vm_start > addr && (!(vma->vm_flags & VM_GROWSDOWN) || expand_downwards(vma, addr)))
		vma = NULL;
	mmap_write_downgrade(mm);
	return vma;
}
