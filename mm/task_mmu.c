/*
 * mm/task_mmu.c - one address space as /proc/PID shows it: maps, statm, status, clear_refs, mem.
 *
 * maps is read in pieces while the process changes it: the iterator's position is an address, the end of the last
 * VMA shown, so a line is never doubled or lost. smaps.c has the files that look at each page.
 *
 * Linux: fs/proc/task_mmu.c, fs/proc/base.c (mem).
 */
#include "mm/task_mmu.h"
#include "arch-x86_64/tlbflush.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/err.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "mm/huge_memory.h"
#include "mm/proc_vma.h"
#include "mm/rmap.h"
#include "mm/slab.h"

/* ---- The iterator over VMAs, shared with smaps ---- */

static struct task_struct *seq_task(struct seq_file *m)
{
	return m->task ? m->task : pseudo_task(m->file);
}

void *proc_vma_start(struct seq_file *m, loff_t *pos)
{
	struct mm_struct *mm = get_task_mm(seq_task(m));
	struct vm_area_struct *vma;

	m->mm = NULL;
	if (!mm)
		return NULL;
	if (mmap_read_lock_killable(mm)) {
		mmput(mm);
		return ERR_PTR(-EINTR);
	}
	m->mm = mm;
	vma = (unsigned long)*pos < TASK_SIZE_MAX ? find_vma(mm, *pos) : NULL;
	return vma;
}

void *proc_vma_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct vm_area_struct *vma = v;

	*pos = vma->vm_end;
	return vma_next(vma);
}

void proc_vma_stop(struct seq_file *m, void *v)
{
	if (!m->mm)
		return;
	mmap_read_unlock(m->mm);
	mmput(m->mm);
	m->mm = NULL;
}

/* ---- maps ---- */

/* What stands in the last column, or NULL. BUF is one page. */
static const char *vma_name(struct vm_area_struct *vma, char *buf)
{
	struct mm_struct *mm = vma->vm_mm;

	if (vma->vm_file) {
		char *p = d_path(&vma->vm_file->f_path, buf, PAGE_SIZE);

		return IS_ERR(p) ? "?" : p;
	}
	if (vma->vm_ops && vma->vm_ops->name)
		return vma->vm_ops->name(vma);
	if (vma->vm_start < mm->brk && vma->vm_end > mm->start_brk)
		return "[heap]";
	if (vma->vm_start <= mm->start_stack && vma->vm_end >= mm->start_stack)
		return "[stack]";
	return NULL;
}

void proc_vma_header(struct seq_file *m, struct vm_area_struct *vma)
{
	size_t line = m->count;
	struct inode *inode = vma->vm_file ? vma->vm_file->f_inode : NULL;
	dev_t dev = inode ? inode->i_sb->s_dev : 0;
	char *buf = kmalloc(PAGE_SIZE, GFP_KERNEL);
	const char *name = buf ? vma_name(vma, buf) : NULL;

	seq_printf(m, "%08lx-%08lx %c%c%c%c %08llx %02x:%02x %llu ", vma->vm_start, vma->vm_end,
		   vma->vm_flags & VM_READ ? 'r' : '-', vma->vm_flags & VM_WRITE ? 'w' : '-', vma->vm_flags & VM_EXEC ? 'x' : '-',
		   vma->vm_flags & VM_MAYSHARE ? 's' : 'p', inode ? (unsigned long long)vma->vm_pgoff << PAGE_SHIFT : 0ULL,
		   MAJOR(dev), MINOR(dev), inode ? (unsigned long long)inode->i_ino : 0ULL);
	if (name) {
		seq_pad_to(m, line, 73);
		seq_path_escaped(m, name, "\n");
	}
	seq_putc(m, '\n');
	kfree(buf);
}

static int maps_show(struct seq_file *m, void *v)
{
	proc_vma_header(m, v);
	return 0;
}

static const struct seq_operations maps_seq = {
	.start = proc_vma_start, .next = proc_vma_next, .stop = proc_vma_stop, .show = maps_show,
};

static int maps_open(struct inode *inode, struct file *f)
{
	return seq_open(f, &maps_seq);
}

/* ---- PROCMAP_QUERY: the borders of one mapping, without parsing text ---- */

#define PROCMAP_QUERY 0xC0686611U
struct procmap_query {
	u64 size, query_flags, query_addr, vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
	u32 dev_major, dev_minor, vma_name_size, build_id_size;
	u64 vma_name_addr, build_id_addr;
};
static_assert(sizeof(struct procmap_query) == 104, "PROCMAP_QUERY's size is part of its number");
#define Q_READABLE	1u
#define Q_WRITABLE	2u
#define Q_EXECUTABLE	4u
#define Q_SHARED	8u
#define Q_COVERING_OR_NEXT 16u
#define Q_FILE_BACKED	32u
#define Q_ALL		63u

static u64 query_vma_flags(const struct vm_area_struct *vma)
{
	return (vma->vm_flags & VM_READ ? Q_READABLE : 0) | (vma->vm_flags & VM_WRITE ? Q_WRITABLE : 0) |
	       (vma->vm_flags & VM_EXEC ? Q_EXECUTABLE : 0) | (vma->vm_flags & VM_MAYSHARE ? Q_SHARED : 0);
}

static struct vm_area_struct *query_find(struct mm_struct *mm, const struct procmap_query *q)
{
	u64 want = q->query_flags & (Q_READABLE | Q_WRITABLE | Q_EXECUTABLE | Q_SHARED);
	struct vm_area_struct *vma = q->query_addr < TASK_SIZE_MAX ? find_vma(mm, q->query_addr) : NULL;

	for (; vma; vma = vma_next(vma)) {
		if (!(q->query_flags & Q_COVERING_OR_NEXT) && vma->vm_start > q->query_addr)
			return NULL;
		if ((query_vma_flags(vma) & want) == want && (!(q->query_flags & Q_FILE_BACKED) || vma->vm_file))
			return vma;
		if (!(q->query_flags & Q_COVERING_OR_NEXT))
			return NULL;
	}
	return NULL;
}

/* Fill Q and NAME from the VMA found. => mmap lock held */
static int query_fill(struct procmap_query *q, struct vm_area_struct *vma, char *name)
{
	char *buf = kmalloc(PAGE_SIZE, GFP_KERNEL);
	const char *n;
	size_t len;
	int err = 0;

	if (!buf)
		return -ENOMEM;
	q->vma_start = vma->vm_start;
	q->vma_end = vma->vm_end;
	q->vma_flags = query_vma_flags(vma);
	q->vma_page_size = PAGE_SIZE;
	q->vma_offset = vma->vm_file ? (u64)vma->vm_pgoff << PAGE_SHIFT : 0;
	q->inode = vma->vm_file ? vma->vm_file->f_inode->i_ino : 0;
	q->dev_major = vma->vm_file ? MAJOR(vma->vm_file->f_inode->i_sb->s_dev) : 0;
	q->dev_minor = vma->vm_file ? MINOR(vma->vm_file->f_inode->i_sb->s_dev) : 0;
	q->build_id_size = 0;
	if (q->vma_name_size) {
		n = vma_name(vma, buf);
		len = n ? strlen(n) + 1 : 0;
		if (len > q->vma_name_size)
			err = -ENAMETOOLONG;
		else if (len)
			memcpy(name, n, len);
		q->vma_name_size = len;
	}
	kfree(buf);
	return err;
}

static int query_run(struct task_struct *t, struct procmap_query *q, char *name)
{
	struct mm_struct *mm = get_task_mm(t);
	struct vm_area_struct *vma;
	int err;

	if (!mm)
		return -ESRCH;
	err = mmap_read_lock_killable(mm);
	if (!err) {
		vma = query_find(mm, q);
		err = vma ? query_fill(q, vma, name) : -ENOENT;
		mmap_read_unlock(mm);
	}
	mmput(mm);
	return err;
}

/* Copy a structure whose user may know a longer form: what we do not know must be zero. */
static int query_copy_in(struct procmap_query *q, void __user *arg)
{
	u64 size;
	u8 c;

	if (get_user(size, (u64 __user *)arg))
		return -EFAULT;
	if (size < offsetof(struct procmap_query, query_addr) + 8)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	for (u64 i = sizeof(*q); i < size; i++) {
		if (get_user(c, (u8 __user *)arg + i))
			return -EFAULT;
		if (c)
			return -E2BIG;
	}
	memset(q, 0, sizeof(*q));
	if (copy_from_user(q, arg, min_t(u64, size, sizeof(*q))))
		return -EFAULT;
	if ((q->query_flags & ~(u64)Q_ALL) || !!q->vma_name_size != !!q->vma_name_addr || !!q->build_id_size != !!q->build_id_addr)
		return -EINVAL;
	return 0;
}

static long maps_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
	struct procmap_query q;
	u64 user_size;
	char *name;
	int err;

	if (cmd != PROCMAP_QUERY)
		return -ENOTTY;
	err = query_copy_in(&q, (void __user *)arg);
	if (err)
		return err;
	user_size = min_t(u64, q.size, sizeof(q));
	q.vma_name_size = min_t(u32, q.vma_name_size, PAGE_SIZE);
	name = kmalloc(PAGE_SIZE, GFP_KERNEL);
	if (!name)
		return -ENOMEM;
	err = query_run(pseudo_task(f), &q, name);
	if (!err && q.vma_name_size && copy_to_user((void __user *)q.vma_name_addr, name, q.vma_name_size))
		err = -EFAULT;
	if (!err && copy_to_user((void __user *)arg, &q, user_size))
		err = -EFAULT;
	kfree(name);
	return err;
}

static const struct file_operations maps_fops = {
	.open = maps_open, .read = seq_read, .llseek = seq_lseek, .release = seq_release, .ioctl = maps_ioctl,
};

/* ---- statm, and the lines of status ---- */

static unsigned long text_pages(struct mm_struct *mm)
{
	return (PAGE_ALIGN(mm->end_code) - (mm->start_code & PAGE_MASK)) >> PAGE_SHIFT;
}

static int statm_show(struct seq_file *m, void *data)
{
	struct mm_struct *mm = get_task_mm(seq_task(m));

	if (!mm) {
		seq_puts(m, "0 0 0 0 0 0 0\n");
		return 0;
	}
	seq_printf(m, "%lu %lu %lu %lu 0 %lu 0\n", mm->total_vm, get_mm_rss(mm),
		   (unsigned long)(get_mm_counter(mm, MM_FILEPAGES) + get_mm_counter(mm, MM_SHMEMPAGES)), text_pages(mm),
		   mm->data_vm + mm->stack_vm);
	mmput(mm);
	return 0;
}

static void status_kb(struct seq_file *m, const char *name, unsigned long pages)
{
	seq_printf(m, "%s:\t%8lu kB\n", name, pages << (PAGE_SHIFT - 10));
}

void task_mem_status(struct seq_file *m, struct mm_struct *mm)
{
	unsigned long rss = get_mm_rss(mm), text = text_pages(mm);

	status_kb(m, "VmPeak", max(mm->hiwater_vm, mm->total_vm));
	status_kb(m, "VmSize", mm->total_vm);
	status_kb(m, "VmLck", mm->locked_vm);
	status_kb(m, "VmPin", 0);
	status_kb(m, "VmHWM", max(mm->hiwater_rss, rss));
	status_kb(m, "VmRSS", rss);
	status_kb(m, "RssAnon", get_mm_counter(mm, MM_ANONPAGES));
	status_kb(m, "RssFile", get_mm_counter(mm, MM_FILEPAGES));
	status_kb(m, "RssShmem", get_mm_counter(mm, MM_SHMEMPAGES));
	status_kb(m, "VmData", mm->data_vm);
	status_kb(m, "VmStk", mm->stack_vm);
	status_kb(m, "VmExe", text);
	status_kb(m, "VmLib", mm->exec_vm > text ? mm->exec_vm - text : 0);
	seq_printf(m, "VmPTE:\t%8lu kB\n", (unsigned long)atomic_long_read(&mm->pgtables_bytes) >> 10);
	status_kb(m, "VmSwap", get_mm_counter(mm, MM_SWAPENTS));
	seq_printf(m, "HugetlbPages:\t%8lu kB\n", 0UL);
	seq_printf(m, "CoreDumping:\t%d\n", 0);
	seq_printf(m, "THP_enabled:\t%d\n", !test_bit(MMF_DISABLE_THP, &mm->flags));
}

/* ---- clear_refs (ABI-25) ---- */

static void clear_young_ptes(pte_t *pte, unsigned long addr, unsigned long end, struct vm_area_struct *vma)
{
	for (; addr < end; addr += PAGE_SIZE, pte++) {
		pte_t e = ptep_get(pte);
		struct page *page = pte_present(e) ? vm_normal_page(vma, addr, e) : NULL;

		if (!page)
			continue;
		if (pte_young(e))
			ptep_test_and_clear_young(pte);
		folio_clear_referenced(page_folio(page));
	}
}

static int clear_young_pmd(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	spinlock_t *ptl = pmd_trans_huge_lock(pmd, walk->vma);
	struct page *page;
	pte_t *pte;

	if (ptl) {
		page = vm_normal_page_pmd(walk->vma, addr & PMD_MASK, pmdp_get(pmd));
		if (page) {
			pmdp_test_and_clear_young(pmd);
			folio_clear_referenced(page_folio(page));
		}
		spin_unlock(ptl);
		return 0;
	}
	pte = pte_offset_map_lock(walk->mm, pmd, addr, &ptl);
	if (!pte)
		return 0;
	clear_young_ptes(pte, addr, end, walk->vma);
	pte_unmap_unlock(pte, ptl);
	cond_resched();
	return 0;
}

/* The flush makes the next touch set the bit again; Linux leaves that to chance. */
static int clear_young(struct mm_struct *mm, int type)
{
	struct mm_walk walk = { .pmd_entry = clear_young_pmd, .mm = mm };
	struct vm_area_struct *vma;
	int err = mmap_read_lock_killable(mm);

	if (err)
		return err;
	for_each_vma(mm, vma) {
		if ((type == 2 && vma->vm_file) || (type == 3 && !vma->vm_file))
			continue;
		walk.vma = vma;
		walk_page_range(mm, vma->vm_start, vma->vm_end, &walk);
	}
	flush_tlb_mm(mm);
	mmap_read_unlock(mm);
	return 0;
}

static ssize_t clear_refs_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	struct mm_struct *mm;
	int type, err = kstrtoint(strim(buf), 10, &type);

	if (err)
		return err;
	if (type < 1 || type > 5)
		return -EINVAL;
	mm = get_task_mm(task);
	if (!mm)
		return len;
	if (type <= 3)
		err = clear_young(mm, type);
	else if (type == 5)
		WRITE_ONCE(mm->hiwater_rss, get_mm_rss(mm));
	mmput(mm);
	return err ? err : (ssize_t)len;
}

/* ---- mem ---- */

static ssize_t mem_rw(struct file *f, struct iov_iter *it, loff_t *pos, bool write)
{
	struct mm_struct *mm = get_task_mm(pseudo_task(f));
	char *page = (char *)__get_free_pages(GFP_KERNEL, 0);
	ssize_t done = 0, err = 0;

	if (!mm || !page)
		err = mm ? -ENOMEM : 0;
	while (!err && mm && it->count) {
		int n = min_t(size_t, it->count, PAGE_SIZE), got;

		if (write && copy_from_iter(page, n, it) != (size_t)n)
			err = -EFAULT;
		if (!err) {
			got = access_remote_vm(mm, *pos, page, n, write ? FOLL_WRITE : 0);
			if (got <= 0)
				err = -EIO;
			else if (!write && copy_to_iter(page, got, it) != (size_t)got)
				err = -EFAULT;
			else {
				done += got;
				*pos += got;
				if (got < n)
					break;
			}
		}
	}
	free_page(page);
	if (mm)
		mmput(mm);
	return done ? done : err;
}

static ssize_t mem_read(struct file *f, struct iov_iter *to, loff_t *pos)    { return mem_rw(f, to, pos, false); }
static ssize_t mem_write(struct file *f, struct iov_iter *from, loff_t *pos) { return mem_rw(f, from, pos, true); }

static loff_t mem_llseek(struct file *f, loff_t off, int whence)
{
	if (whence == 1)
		off += f->f_pos;
	else if (whence != 0)
		return -EINVAL;
	return f->f_pos = off;
}

static const struct file_operations mem_fops = { .read = mem_read, .write = mem_write, .llseek = mem_llseek };
static const struct pseudo_ops maps_ops = { .fops = &maps_fops };
static const struct pseudo_ops statm_ops = { .show = statm_show };
static const struct pseudo_ops clear_refs_ops = { .write = clear_refs_write };
static const struct pseudo_ops mem_ops = { .fops = &mem_fops };

static int task_mmu_init(void)
{
	proc_pid_create("maps", 0444, &maps_ops, NULL, PROC_PID_PTRACE);
	proc_pid_create("statm", 0444, &statm_ops, NULL, 0);
	proc_pid_create("clear_refs", 0200, &clear_refs_ops, NULL, PROC_PID_PTRACE);
	proc_pid_create("mem", 0600, &mem_ops, NULL, PROC_PID_PTRACE);
	return 0;
}
fs_initcall(task_mmu_init);
