/*
 * mm/page_view.c - every frame of the machine: /proc/kpagecount and /proc/kpageflags (ABI-13).
 *
 * 64 bits a frame, by frame number; holes read 0 (kpageflags: nopage). Every page of a large folio shows the
 * folio's flags, and itself only whether it is the head or a tail. Nothing is locked: a folio that changes meanwhile
 * shows a mixture. Linux: fs/proc/page.c.
 */
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/sched/sched.h"
#include "mm/huge_memory.h"
#include "mm/rmap.h"

enum { KPF_LOCKED = 0, KPF_REFERENCED = 2, KPF_UPTODATE = 3, KPF_DIRTY = 4, KPF_LRU = 5, KPF_ACTIVE = 6, KPF_SLAB = 7,
       KPF_WRITEBACK = 8, KPF_RECLAIM = 9, KPF_BUDDY = 10, KPF_MMAP = 11, KPF_ANON = 12, KPF_SWAPCACHE = 13,
       KPF_SWAPBACKED = 14, KPF_COMPOUND_HEAD = 15, KPF_COMPOUND_TAIL = 16, KPF_UNEVICTABLE = 18, KPF_NOPAGE = 20, KPF_THP = 22, KPF_ZERO_PAGE = 24, KPF_PGTABLE = 26, KPF_RESERVED = 32,
       KPF_MLOCKED = 33 };

static u64 page_count_value(unsigned long pfn)
{
	struct page *p = pfn_to_page(pfn);

	if (page_has_type(p))
		return 0;
	return (u64)folio_precise_page_mapcount(page_folio(p), p);
}

/* Bits of the folio's flags, and where kpageflags shows them. */
static const struct { u8 pg, kpf; } flag_map[] = {
	{ PG_locked, KPF_LOCKED }, { PG_referenced, KPF_REFERENCED }, { PG_uptodate, KPF_UPTODATE }, { PG_dirty, KPF_DIRTY },
	{ PG_lru, KPF_LRU }, { PG_active, KPF_ACTIVE }, { PG_writeback, KPF_WRITEBACK }, { PG_reclaim, KPF_RECLAIM },
	{ PG_swapcache, KPF_SWAPCACHE }, { PG_swapbacked, KPF_SWAPBACKED }, { PG_unevictable, KPF_UNEVICTABLE },
	{ PG_mlocked, KPF_MLOCKED }, { PG_reserved, KPF_RESERVED },
};

static u64 folio_flags_value(const struct folio *f)
{
	u64 v = 0;

	for (size_t i = 0; i < ARRAY_SIZE(flag_map); i++)
		v |= (u64)test_bit(flag_map[i].pg, &f->flags) << flag_map[i].kpf;
	if (folio_mapped(f))
		v |= BIT(KPF_MMAP);
	if (!PageReserved(&f->page) && folio_test_anon(f))
		v |= BIT(KPF_ANON);
	if (folio_test_large(f))
		v |= BIT(KPF_THP);
	return v;
}

static u64 page_flags_value(unsigned long pfn)
{
	struct page *p = pfn_to_page(pfn);
	struct folio *f = page_folio(p);
	u64 v;

	if (page_is_type(p, PGTY_buddy))
		return BIT(KPF_BUDDY);
	if (page_is_type(p, PGTY_slab))
		return BIT(KPF_SLAB);
	if (page_is_type(p, PGTY_table))
		return BIT(KPF_PGTABLE) | BIT(KPF_MMAP);
	v = folio_flags_value(f);
	if (p == zero_page || is_huge_zero_folio(f))
		v |= BIT(KPF_ZERO_PAGE);
	if (folio_test_large(f))
		v |= BIT(PageTail(p) ? KPF_COMPOUND_TAIL : KPF_COMPOUND_HEAD);
	return v;
}

static ssize_t kpage_read(struct iov_iter *to, loff_t *pos, u64 (*value)(unsigned long), u64 hole)
{
	ssize_t done = 0;
	u64 buf[64];

	if ((*pos | to->count) & 7)
		return -EINVAL;
	while (to->count) {
		unsigned long pfn = (u64)*pos / 8, nr;

		if (pfn >= max_pfn)
			break;
		nr = min(min(to->count / 8, ARRAY_SIZE(buf)), max_pfn - pfn);
		for (unsigned long i = 0; i < nr; i++)
			buf[i] = pfn_valid(pfn + i) ? value(pfn + i) : hole;
		if (copy_to_iter(buf, nr * 8, to) != nr * 8)
			return done ? done : -EFAULT;
		done += nr * 8;
		*pos += nr * 8;
		cond_resched();
	}
	return done;
}

static ssize_t kpagecount_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
	return kpage_read(to, pos, page_count_value, 0);
}

static ssize_t kpageflags_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
	return kpage_read(to, pos, page_flags_value, BIT(KPF_NOPAGE));
}

static loff_t kpage_llseek(struct file *f, loff_t off, int whence)
{
	if (whence == 1)
		off += f->f_pos;
	else if (whence == 2)
		off += max_pfn * 8;
	if (off < 0)
		return -EINVAL;
	return f->f_pos = off;
}

static const struct file_operations kpagecount_fops = { .read = kpagecount_read, .llseek = kpage_llseek };
static const struct file_operations kpageflags_fops = { .read = kpageflags_read, .llseek = kpage_llseek };
static const struct pseudo_ops kpagecount_ops = { .fops = &kpagecount_fops };
static const struct pseudo_ops kpageflags_ops = { .fops = &kpageflags_fops };

static int page_view_init(void)
{
	pseudo_create(proc_root, "kpagecount", 0400, &kpagecount_ops, NULL);
	pseudo_create(proc_root, "kpageflags", 0400, &kpageflags_ops, NULL);
	return 0;
}
fs_initcall(page_view_init);
