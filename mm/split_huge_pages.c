/*
 * mm/split_huge_pages.c - /sys/kernel/debug/split_huge_pages: cut large folios by hand (ABI-27).
 *
 *	"1"						every large folio on an LRU list, to order 0
 *	"PID,0xSTART,0xEND[,ORDER[,OFFSET]]"		those that are mapped there, to ORDER; with OFFSET only around
 *							that page of each
 *	"PATH,0xSTART,0xEND[,ORDER[,OFFSET]]"		those of a file: files have none, so only the path is looked at
 *
 * The text is read as scanf would: what stands behind the last number is not looked at. Linux: the same file, in
 * mm/huge_memory.c.
 */
#include "kernel/fs/fs.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/err.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "kernel/task/pid.h"
#include "mm/huge_memory.h"
#include "mm/rmap.h"

#define MAX_TEXT 255

/* ---- Every large folio ---- */

/* Split the folio that begins at PFN, if one does. How many frames to go on by. */
static unsigned long split_at_pfn(unsigned long pfn)
{
	struct page *page = pfn_to_page(pfn);
	struct folio *f = page_folio(page);
	unsigned long nr = 1;

	if (&f->page != page || !folio_try_get(f))
		return 1;
	if (&f->page == page && folio_test_large(f) && folio_test_lru(f)) {
		folio_lock(f);
		nr = folio_nr_pages(f);
		(void)split_folio(f);		/* counted there (SPLIT-14) */
		folio_unlock(f);
	}
	folio_put(f);
	return nr;
}

static void split_all(void)
{
	unsigned long pfn = 0;

	while (pfn < max_pfn && !fatal_signal_pending(current)) {
		pfn += pfn_valid(pfn) ? split_at_pfn(pfn) : 1;
		if (!(pfn & 511))
			cond_resched();
	}
}

/* ---- Those of a process ---- */

struct split_request {
	unsigned long start, end;
	int order;
	long offset;		/* < 0: none */
};

/* F is mapped where the request says. Passes over what would fail, without counting. Drops the caller's reference. */
static void split_mapped_folio(struct folio *f, const struct split_request *r)
{
	struct page *page = &f->page;

	if ((unsigned int)r->order >= folio_order(f) || folio_expected_ref_count(f) + 1 != folio_ref_count(f) ||
	    !folio_trylock(f)) {
		folio_put(f);
		return;
	}
	if (r->offset >= 0 && r->offset < (long)folio_nr_pages(f)) {
		page = folio_page(f, r->offset);
		(void)folio_split(f, r->order, page);
	} else {
		(void)split_folio_to_order(f, page, r->order);
	}
	/* If it was cut, the lock and the reference are those of the piece around PAGE. */
	f = page_folio(page);
	folio_unlock(f);
	folio_put(f);
}

/* => mmap lock held */
static void split_range(struct mm_struct *mm, const struct split_request *r)
{
	unsigned long end = r->end & PAGE_MASK;

	for (unsigned long addr = r->start & PAGE_MASK; addr < end; addr += PAGE_SIZE) {
		struct vm_area_struct *vma = vma_lookup(mm, addr);
		struct folio *f;
		struct page *page;

		if (!vma || fatal_signal_pending(current))
			break;
		f = vma->vm_flags & (VM_PFNMAP | VM_IO) ? NULL : folio_get_mapped(vma, addr, &page);
		if (!f)
			continue;
		split_mapped_folio(f, r);
		cond_resched();
	}
}

static int split_process(int pid, const struct split_request *r)
{
	struct task_struct *t = pid > 0 ? find_get_task_by_pid(pid) : NULL;
	struct mm_struct *mm;

	if (!t)
		return -ESRCH;
	mm = get_task_mm(t);
	put_task_struct(t);
	if (!mm)
		return -EINVAL;
	mmap_read_lock(mm);
	split_range(mm, r);
	mmap_read_unlock(mm);
	mmput(mm);
	return 0;
}

static int split_file(char *text)
{
	char *path = kstrsep(&text, ",");
	struct file *file;

	if (!text || strncmp(text, "0x", 2) || !strchr(text, ','))
		return -EINVAL;
	file = filp_open(path, O_RDONLY, 0);
	if (IS_ERR(file))
		return -EINVAL;
	fput(file);
	return 0;
}

/* ---- The text ---- */

/* A number at *TEXT, in base 16 behind "0x" or else in base 10 with a sign; *TEXT moves behind it. False: none. */
static bool scan_number(char **text, bool hex, long *res)
{
	char *s = *text, *end;
	bool minus = false;

	if (hex) {
		if (strncmp(s, "0x", 2))
			return false;
		s += 2;
	} else {
		s += strspn(s, " \t\n");
		minus = *s == '-';
		s += *s == '-' || *s == '+';
	}
	*res = (long)simple_strtoull(s, &end, hex ? 16 : 10);
	if (end == s)
		return false;
	if (minus)
		*res = -*res;
	*text = end;
	return true;
}

/* PID and the request. How many numbers were there. */
static int scan_request(char *text, int *pid, struct split_request *r)
{
	long value[5] = { 0, 0, 0, 0, -1 };
	int n = 0;

	while (n < 5 && scan_number(&text, n == 1 || n == 2, &value[n])) {
		n++;
		if (*text++ != ',')
			break;
	}
	*pid = (int)value[0];
	*r = (struct split_request){ value[1], value[2], (int)value[3], value[4] };
	return n;
}

static ssize_t split_huge_pages_write(struct file *file, char *buf, size_t len, void *data, struct task_struct *task)
{
	struct split_request r;
	int pid, n, err;

	if (len > MAX_TEXT)
		return -EINVAL;
	if (buf[0] == '/') {
		err = split_file(buf);
		return err ? err : (ssize_t)len;
	}
	n = scan_request(buf, &pid, &r);
	if (n == 1 && pid == 1) {
		split_all();
		return len;
	}
	if (n < 3)
		return -EINVAL;
	err = split_process(pid, &r);
	return err ? err : (ssize_t)len;
}

static const struct pseudo_ops split_huge_pages_ops = { .write = split_huge_pages_write };

static int split_huge_pages_init(void)
{
	pseudo_create(debugfs_root, "split_huge_pages", 0200, &split_huge_pages_ops, NULL);
	return 0;
}
fs_initcall(split_huge_pages_init);
