/*
 * mm/smaps.c - the pages of one address space: smaps, smaps_rollup (ABI-10, ABI-11), pagemap (ABI-12).
 *
 * A page is private if its own mapcount is 1; Pss divides it among its mappings, in 12 more bits of precision so
 * that thirds add up. Without a mapcount for each page (FOL-10) the folio answers for all of its pages: private if it
 * is certainly mapped by one mm, and an average. Linux: fs/proc/task_mmu.c.
 */
#include "arch-x86_64/uaccess.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/sched/sched.h"
#include "kernel/task/cred.h"
#include "mm/huge_memory.h"
#include "mm/proc_vma.h"
#include "mm/rmap.h"
#include "mm/slab.h"
#include "mm/shmem.h"
#include "mm/swap.h"

#define PSS_SHIFT 12

struct mem_size_stats {		/* bytes; pss_*: bytes << PSS_SHIFT */
	unsigned long rss, shared_clean, shared_dirty, private_clean, private_dirty, referenced, anonymous, lazyfree, swap;
	unsigned long anon_thp;
	u64 pss, pss_anon, pss_file, pss_shmem, pss_dirty, pss_locked, swap_pss;
};

/* ABI-11, ABI-12: only this process maps the page (as far as one can tell). */
static bool page_mapped_exclusively(const struct folio *f, const struct page *page)
{
	return CONFIG_PAGE_MAPCOUNT ? folio_precise_page_mapcount(f, page) == 1 : !folio_maybe_mapped_shared(f);
}

/* What one entry says about the pages it maps. */
struct entry_bits { bool young, dirty, locked; };

/* The part of the account that depends on who else maps the SIZE bytes. */
static void account_shares(struct mem_size_stats *s, const struct folio *f, unsigned long size, u64 pss, bool dirty,
			   bool locked, bool private)
{
	s->pss += pss;
	if (folio_test_anon(f))
		s->pss_anon += pss;
	else if (folio_test_swapbacked(f))
		s->pss_shmem += pss;
	else
		s->pss_file += pss;
	if (locked)
		s->pss_locked += pss;
	if (dirty)
		s->pss_dirty += pss;
	if (private)
		*(dirty ? &s->private_dirty : &s->private_clean) += size;
	else
		*(dirty ? &s->shared_dirty : &s->shared_clean) += size;
}

/* NR pages of one folio from PAGE on, mapped by one entry; PRESENT is false for a migration entry. */
static void account_pages(struct mem_size_stats *s, struct page *page, unsigned long nr, struct entry_bits e,
			  bool present)
{
	struct folio *f = page_folio(page);
	unsigned long size = nr * PAGE_SIZE;
	bool dirty = e.dirty || folio_test_dirty(f);

	s->rss += size;
	if (folio_test_anon(f)) {
		s->anonymous += size;
		if (!folio_test_swapbacked(f) && !dirty)
			s->lazyfree += size;
	}
	if (e.young || folio_test_referenced(f))
		s->referenced += size;
	/* One reference: ours. And what is just being moved has no mapcount to divide by. */
	if (!present || folio_ref_count(f) == 1) {
		account_shares(s, f, size, (u64)size << PSS_SHIFT, dirty, e.locked, present);
		return;
	}
	for (unsigned long i = 0; i < nr; i++, page++) {
		int mapcount = folio_precise_page_mapcount(f, page);
		bool private = CONFIG_PAGE_MAPCOUNT ? mapcount < 2 : !folio_maybe_mapped_shared(f);

		account_shares(s, f, PAGE_SIZE, ((u64)PAGE_SIZE << PSS_SHIFT) / max(mapcount, 1), dirty, e.locked, private);
	}
}

static void account_pte(struct mem_size_stats *s, struct vm_area_struct *vma, unsigned long addr, pte_t pte)
{
	struct entry_bits e = { .locked = vma->vm_flags & VM_LOCKED };
	struct page *page = NULL;

	if (is_pte_swap_entry(pte)) {
		s->swap += PAGE_SIZE;
		s->swap_pss += ((u64)PAGE_SIZE << PSS_SHIFT) / (u64)max(swap_count(pte_to_swp_entry(pte)), 1);
	} else if (pte_present(pte)) {
		page = vm_normal_page(vma, addr, pte);
		e.young = pte_young(pte);
		e.dirty = pte_dirty(pte);
	} else if (is_pte_migration_entry(pte)) {
		page = migration_entry_to_page(pte_to_swp_entry(pte));
	}
	if (page)
		account_pages(s, page, 1, e, pte_present(pte));
}

static void account_huge_pmd(struct mem_size_stats *s, struct vm_area_struct *vma, unsigned long addr, pmd_t pmd)
{
	bool present = pmd_present(pmd);
	struct page *page = present ? vm_normal_page_pmd(vma, addr & PMD_MASK, pmd) :
				      migration_entry_to_page(pmd_to_swp_entry(pmd));
	struct entry_bits e = { .locked = vma->vm_flags & VM_LOCKED };

	if (!page)
		return;		/* the huge zero page */
	if (present) {
		e.young = pmd_young(pmd);
		e.dirty = pmd_dirty(pmd);
	}
	s->anon_thp += PMD_SIZE;
	account_pages(s, page, HPAGE_PMD_NR, e, present);
}

static int smaps_pmd(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	spinlock_t *ptl = pmd_whole_lock(pmd);
	pte_t *pte;

	if (ptl) {
		account_huge_pmd(walk->private, walk->vma, addr, pmdp_get(pmd));
		spin_unlock(ptl);
		return 0;
	}
	pte = pte_offset_map_lock(walk->mm, pmd, addr, &ptl);
	if (!pte)
		return 0;
	for (pte_t *p = pte; addr < end; addr += PAGE_SIZE, p++) {
		if (!pte_none(ptep_get(p)))
			account_pte(walk->private, walk->vma, addr, ptep_get(p));
		else if (walk->pte_hole)
			walk->pte_hole(addr, addr + PAGE_SIZE, walk);
	}
	pte_unmap_unlock(pte, ptl);
	cond_resched();
	return 0;
}

/* Nothing is mapped there: what the file has of it may be swapped out. */
static int smaps_shmem_hole(unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	struct vm_area_struct *vma = walk->vma;
	struct mem_size_stats *s = walk->private;

	s->swap += shmem_swap_usage(vma->vm_file->f_inode, linear_page_index(vma, addr),
				    linear_page_index(vma, end - 1)) << PAGE_SHIFT;
	return 0;
}

/* => mmap lock held */
static void gather_vma(struct vm_area_struct *vma, struct mem_size_stats *s)
{
	struct mm_walk walk = { .pmd_entry = smaps_pmd, .mm = vma->vm_mm, .vma = vma, .private = s };
	bool shmem = vma->vm_file && shmem_file(vma->vm_file);

	/* All of it counts, unless copies of this process stand in front. */
	if (shmem && ((vma->vm_flags & VM_SHARED) || !(vma->vm_flags & VM_WRITE)))
		s->swap += shmem_swap_usage(vma->vm_file->f_inode, vma->vm_pgoff,
					    vma->vm_pgoff + vma_pages(vma) - 1) << PAGE_SHIFT;
	else if (shmem && READ_ONCE(vma->vm_file->f_inode->i_data.nrswapped))
		walk.pte_hole = smaps_shmem_hole;
	walk_page_range(vma->vm_mm, vma->vm_start, vma->vm_end, &walk);
}

static void show_kb(struct seq_file *m, const char *name, unsigned long bytes)
{
	seq_printf(m, "%-16s%8lu kB\n", name, bytes >> 10);
}

static void show_stats(struct seq_file *m, const struct mem_size_stats *s, bool rollup)
{
	show_kb(m, "Rss:", s->rss);
	show_kb(m, "Pss:", s->pss >> PSS_SHIFT);
	show_kb(m, "Pss_Dirty:", s->pss_dirty >> PSS_SHIFT);
	if (rollup) {
		show_kb(m, "Pss_Anon:", s->pss_anon >> PSS_SHIFT);
		show_kb(m, "Pss_File:", s->pss_file >> PSS_SHIFT);
		show_kb(m, "Pss_Shmem:", s->pss_shmem >> PSS_SHIFT);
	}
	show_kb(m, "Shared_Clean:", s->shared_clean);
	show_kb(m, "Shared_Dirty:", s->shared_dirty);
	show_kb(m, "Private_Clean:", s->private_clean);
	show_kb(m, "Private_Dirty:", s->private_dirty);
	show_kb(m, "Referenced:", s->referenced);
	show_kb(m, "Anonymous:", s->anonymous);
	show_kb(m, "KSM:", 0);
	show_kb(m, "LazyFree:", s->lazyfree);
	show_kb(m, "AnonHugePages:", s->anon_thp);
	show_kb(m, "ShmemPmdMapped:", 0);
	show_kb(m, "FilePmdMapped:", 0);
	show_kb(m, "Shared_Hugetlb:", 0);
	show_kb(m, "Private_Hugetlb:", 0);
	show_kb(m, "Swap:", s->swap);
	show_kb(m, "SwapPss:", s->swap_pss >> PSS_SHIFT);
	show_kb(m, "Locked:", s->pss_locked >> PSS_SHIFT);
}

static void show_vm_flags(struct seq_file *m, vm_flags_t flags)
{
	static const struct { vm_flags_t bit; char text[3]; } names[] = {
		{ VM_READ, "rd" }, { VM_WRITE, "wr" }, { VM_EXEC, "ex" }, { VM_SHARED, "sh" }, { VM_MAYREAD, "mr" },
		{ VM_MAYWRITE, "mw" }, { VM_MAYEXEC, "me" }, { VM_MAYSHARE, "ms" }, { VM_GROWSDOWN, "gd" }, { VM_PFNMAP, "pf" },
		{ VM_LOCKED, "lo" }, { VM_IO, "io" }, { VM_SEQ_READ, "sr" }, { VM_RAND_READ, "rr" }, { VM_DONTCOPY, "dc" },
		{ VM_DONTEXPAND, "de" }, { VM_LOCKONFAULT, "lf" }, { VM_ACCOUNT, "ac" }, { VM_NORESERVE, "nr" },
		{ VM_WIPEONFORK, "wf" }, { VM_DONTDUMP, "dd" }, { VM_HUGEPAGE, "hg" }, { VM_NOHUGEPAGE, "nh" },
	};

	seq_puts(m, "VmFlags: ");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].bit)
			seq_printf(m, "%s ", names[i].text);
	seq_putc(m, '\n');
}

static int smaps_show(struct seq_file *m, void *v)
{
	struct vm_area_struct *vma = v;
	struct mem_size_stats s = { 0 };

	gather_vma(vma, &s);
	proc_vma_header(m, vma);
	show_kb(m, "Size:", vma->vm_end - vma->vm_start);
	show_kb(m, "KernelPageSize:", PAGE_SIZE);
	show_kb(m, "MMUPageSize:", PAGE_SIZE);
	show_stats(m, &s, false);
	seq_printf(m, "%-16s%8u\n", "THPeligible:",
		   thp_vma_allowable_orders(vma, vma->vm_flags, TVA_SMAPS, THP_ORDERS_ALL_ANON) != 0);
	show_vm_flags(m, vma->vm_flags);
	return 0;
}

static const struct seq_operations smaps_seq = {
	.start = proc_vma_start, .next = proc_vma_next, .stop = proc_vma_stop, .show = smaps_show,
};

static int rollup_show(struct seq_file *m, void *data)
{
	struct mm_struct *mm = get_task_mm(m->task);
	struct mem_size_stats s = { 0 };
	unsigned long first = 0, last = 0;
	struct vm_area_struct *vma;
	int err;

	if (!mm)
		return -ESRCH;
	err = mmap_read_lock_killable(mm);
	if (!err) {
		for_each_vma(mm, vma) {
			if (!last)
				first = vma->vm_start;
			last = vma->vm_end;
			gather_vma(vma, &s);
		}
		mmap_read_unlock(mm);
	}
	mmput(mm);
	if (err)
		return err;
	size_t line = m->count;
	seq_printf(m, "%08lx-%08lx ---p 00000000 00:00 0 ", first, last);
	seq_pad_to(m, line, 73);
	seq_puts(m, "[rollup]\n");
	show_stats(m, &s, true);
	return 0;
}

/* ---- pagemap ---- */

#define PM_EXCLUSIVE	BIT(56)
#define PM_FILE		BIT(61)
#define PM_SWAP		BIT(62)
#define PM_PRESENT	BIT(63)
#define PM_SWAP_TYPE_BITS 5
#define PM_CHUNK	512		/* entries looked up under one lock */

struct pagemap_read { u64 *buf; unsigned long start; bool show_pfn; };

static u64 pagemap_present(struct page *page, unsigned long pfn, bool show_pfn)
{
	u64 v = PM_PRESENT | (show_pfn ? pfn : 0);

	if (!page)
		return v;	/* the zero page */
	if (!folio_test_anon(page_folio(page)))
		v |= PM_FILE;
	if (page_mapped_exclusively(page_folio(page), page))
		v |= PM_EXCLUSIVE;
	return v;
}

/* The page is just being moved: shown like a swap entry, with its frame as the offset. */
static u64 pagemap_migration(swp_entry_t e, bool show_pfn)
{
	struct folio *f = page_folio(migration_entry_to_page(e));
	u64 place = swp_type(e) | (u64)migration_entry_pfn(e) << PM_SWAP_TYPE_BITS;

	return PM_SWAP | (show_pfn ? place : 0) | (folio_test_anon(f) ? 0 : PM_FILE);
}

static u64 pagemap_entry(struct vm_area_struct *vma, unsigned long addr, pte_t e, bool show_pfn)
{
	swp_entry_t entry = pte_to_swp_entry(e);

	if (pte_none(e))
		return 0;
	if (pte_present(e))
		return pagemap_present(vm_normal_page(vma, addr, e), pte_pfn(e), show_pfn);
	if (is_migration_entry(entry))
		return pagemap_migration(entry, show_pfn);
	return PM_SWAP | (show_pfn ? swp_type(entry) | swp_offset(entry) << PM_SWAP_TYPE_BITS : 0);
}

/* ABI-12: like Linux, bit 56 of all 512 pages is that of the head. The huge zero page is a page here. */
static void pagemap_huge(pmd_t pmd, unsigned long addr, unsigned long end, struct pagemap_read *r)
{
	bool present = pmd_present(pmd);

	for (; addr < end; addr += PAGE_SIZE) {
		swp_entry_t e = pmd_to_swp_entry(pmd);
		u64 *to = &r->buf[(addr - r->start) >> PAGE_SHIFT];

		if (present) {
			*to = pagemap_present(pfn_to_page(pmd_pfn(pmd)), pmd_pfn(pmd) + pte_index(addr), r->show_pfn);
		} else {
			e.val += pte_index(addr);
			*to = pagemap_migration(e, r->show_pfn);
		}
	}
}

static int pagemap_pmd(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	struct pagemap_read *r = walk->private;
	spinlock_t *ptl = pmd_whole_lock(pmd);
	pte_t *pte;

	if (ptl) {
		pagemap_huge(pmdp_get(pmd), addr, end, r);
		spin_unlock(ptl);
		return 0;
	}
	pte = pte_offset_map_lock(walk->mm, pmd, addr, &ptl);
	if (!pte)
		return 0;
	for (pte_t *p = pte; addr < end; addr += PAGE_SIZE, p++)
		r->buf[(addr - r->start) >> PAGE_SHIFT] = pagemap_entry(walk->vma, addr, ptep_get(p), r->show_pfn);
	pte_unmap_unlock(pte, ptl);
	return 0;
}

/* Entries for NR pages from START on; holes stay 0. */
static int pagemap_chunk(struct mm_struct *mm, u64 *buf, unsigned long start, unsigned long nr, bool show_pfn)
{
	struct pagemap_read r = { .buf = buf, .start = start, .show_pfn = show_pfn };
	struct mm_walk walk = { .pmd_entry = pagemap_pmd, .mm = mm, .private = &r };
	int err = mmap_read_lock_killable(mm);

	if (err)
		return err;
	for (unsigned long i = 0; i < nr; i++)
		buf[i] = 0;
	walk_page_range(mm, start, start + nr * PAGE_SIZE, &walk);
	mmap_read_unlock(mm);
	return 0;
}

static ssize_t pagemap_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
	bool show_pfn = f->f_cred->euid == 0;
	struct mm_struct *mm;
	ssize_t done = 0, err = 0;
	u64 *buf;

	if ((*pos | to->count) & 7)
		return -EINVAL;
	mm = get_task_mm(pseudo_task(f));
	if (!mm)
		return 0;
	buf = kmalloc(PM_CHUNK * 8, GFP_KERNEL);
	if (!buf)
		err = -ENOMEM;
	while (!err && to->count) {
		unsigned long vpn = (u64)*pos / 8, limit = TASK_SIZE_MAX >> PAGE_SHIFT, nr;

		if (vpn >= limit)
			break;
		nr = min(min(to->count / 8, (size_t)PM_CHUNK), limit - vpn);
		err = pagemap_chunk(mm, buf, vpn << PAGE_SHIFT, nr, show_pfn);
		if (err)
			break;
		if (copy_to_iter(buf, nr * 8, to) != nr * 8) {
			err = -EFAULT;
			break;
		}
		done += nr * 8;
		*pos += nr * 8;
	}
	kfree(buf);
	mmput(mm);
	return done ? done : err;
}

static loff_t pagemap_llseek(struct file *f, loff_t off, int whence)
{
	if (whence == 1)
		off += f->f_pos;
	else if (whence != 0)
		return -EINVAL;
	return f->f_pos = off;
}

static const struct file_operations pagemap_fops = { .read = pagemap_read, .llseek = pagemap_llseek };
static const struct pseudo_ops smaps_ops = { .seq = &smaps_seq };
static const struct pseudo_ops rollup_ops = { .show = rollup_show };
static const struct pseudo_ops pagemap_ops = { .fops = &pagemap_fops };

static int smaps_init(void)
{
	proc_pid_create("smaps", 0444, &smaps_ops, NULL, PROC_PID_PTRACE);
	proc_pid_create("smaps_rollup", 0444, &rollup_ops, NULL, PROC_PID_PTRACE);
	proc_pid_create("pagemap", 0400, &pagemap_ops, NULL, PROC_PID_PTRACE);
	return 0;
}
fs_initcall(smaps_init);
