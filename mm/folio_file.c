/*
 * mm/folio_file.c - /sys/kernel/debug/quire/folio: everything about one folio.
 *
 *	echo 0x4c200 > folio		by frame number
 *	echo 17:0x7f0000200000 > folio	what process 17 has mapped at this address (0: the writer)
 *	cat folio			"key=value" lines, then one "map=" line for each run of equal entries
 *
 * The state line is {total mapcount, references, slot 0, slot 1, SHARED}, a slot being ID:COUNT or "-". Mappings are
 * found through the rmap, not through the page tables of the processes: what it does not find, reclaim and migration
 * do not find either. The reference that the reader takes itself is not counted.
 *
 * What was asked belongs to the open file; another one that has not asked yet shows what was asked last.
 */
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "kernel/task/pid.h"
#include "mm/huge_memory.h"
#include "mm/mm.h"
#include "mm/rmap.h"
#include "mm/slab.h"

#define MAX_RUNS 1024
#define LOCK_TRIES 200			/* a millisecond apart */

/* Equal entries at consecutive addresses. */
struct map_run {
	unsigned long addr;
	unsigned int pages, mm_id;
	u64 bits;			/* RW, A, D, NX */
	bool pmd;
	unsigned long anon_vma;		/* the VMA's own */
};
struct map_runs { struct map_run *run; unsigned int nr; };

/* ---- The mappings ---- */

/* A number for an object that stays the same as long as it lives. */
static unsigned long number_of(const void *p)
{
	return p ? ((unsigned long)p - PAGE_OFFSET) >> 3 : 0;
}

static void add_run(struct map_runs *r, const struct map_run *new)
{
	struct map_run *last = r->nr ? &r->run[r->nr - 1] : NULL;

	if (last && last->mm_id == new->mm_id && last->bits == new->bits && !last->pmd && !new->pmd &&
	    last->anon_vma == new->anon_vma && last->addr + last->pages * PAGE_SIZE == new->addr)
		last->pages++;
	else if (r->nr < MAX_RUNS)
		r->run[r->nr++] = *new;
}

static bool note_mappings(struct folio *f, struct vm_area_struct *vma, unsigned long addr, void *arg)
{
	struct page_vma_mapped_walk pvmw = { .folio = f, .vma = vma, .address = addr };

	while (page_vma_mapped_walk(&pvmw)) {
		u64 val = pvmw.pte ? ptep_get(pvmw.pte).v : pmdp_get(pvmw.pmd).v;
		struct map_run run = {
			.addr = pvmw.address, .pages = pvmw.pte ? 1 : HPAGE_PMD_NR, .mm_id = vma->vm_mm->mm_id,
			.bits = val & (_PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_NX), .pmd = !pvmw.pte,
			.anon_vma = number_of(vma->anon_vma),
		};

		add_run(arg, &run);
	}
	return true;
}

/* Some process whose mm has this id; 0: none. */
static pid_t pid_of_mm_id(u32 id)
{
	struct task_struct *p;
	pid_t pid = 0;

	spin_lock(&tasklist_lock);
	for_each_process(p) {
		spin_lock(&p->alloc_lock);
		if (p->mm && p->mm->mm_id == id)
			pid = p->tgid;
		spin_unlock(&p->alloc_lock);
		if (pid)
			break;
	}
	spin_unlock(&tasklist_lock);
	return pid;
}

/* Whoever holds the folio lock may be parked for ever: wait, but not for long. */
static bool lock_for_a_look(struct folio *f)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (folio_trylock(f))
			return true;
		set_current_state(TASK_UNINTERRUPTIBLE);
		schedule_timeout_ns(NSEC_PER_MSEC);
	}
	return false;
}

static void show_runs(struct seq_file *m, const struct map_runs *r)
{
	for (unsigned int i = 0; i < r->nr; i++) {
		const struct map_run *run = &r->run[i];

		seq_printf(m, "map=pid:%d mm:%u addr:%#lx pages:%u by:%s rights:%s%s young:%d dirty:%d vma_anon_vma:%#lx\n",
			   pid_of_mm_id(run->mm_id), run->mm_id, run->addr, run->pages, run->pmd ? "pmd" : "pte",
			   run->bits & _PAGE_RW ? "rw" : "r-", run->bits & _PAGE_NX ? "-" : "x",
			   !!(run->bits & _PAGE_ACCESSED), !!(run->bits & _PAGE_DIRTY), run->anon_vma);
	}
}

static int show_mappings(struct seq_file *m, struct folio *f)
{
	struct map_runs runs = { .run = kvmalloc(MAX_RUNS * sizeof(struct map_run), GFP_KERNEL) };
	struct rmap_walk walk = { .arg = &runs, .one = note_mappings };

	if (!runs.run)
		return -ENOMEM;
	if (!f->mapping) {
		seq_puts(m, "maps=0\n");
	} else if (lock_for_a_look(f)) {
		rmap_walk(f, &walk);
		folio_unlock(f);
		seq_printf(m, "maps=%u\n", runs.nr);
		show_runs(m, &runs);
	} else {
		seq_puts(m, "maps=locked\n");
	}
	kvfree(runs.run);
	return 0;
}

/* ---- The descriptor ---- */

static void show_flags(struct seq_file *m, const struct folio *f)
{
	static const char *const names[NR_PAGEFLAGS] = {
		[PG_locked] = "locked", [PG_waiters] = "waiters", [PG_referenced] = "referenced",
		[PG_uptodate] = "uptodate", [PG_dirty] = "dirty", [PG_lru] = "lru", [PG_active] = "active",
		[PG_workingset] = "workingset", [PG_writeback] = "writeback", [PG_reclaim] = "reclaim",
		[PG_swapbacked] = "swapbacked", [PG_swapcache] = "swapcache", [PG_unevictable] = "unevictable",
		[PG_mlocked] = "mlocked", [PG_anon_exclusive] = "anon_exclusive", [PG_head] = "head",
		[PG_reserved] = "reserved",
	};
	unsigned long flags = READ_ONCE(f->flags);
	const char *comma = "";

	seq_puts(m, "flags=");
	for (int i = 0; i < NR_PAGEFLAGS; i++) {
		if (!names[i] || !(flags & BIT(i)))
			continue;
		seq_printf(m, "%s%s", comma, names[i]);
		comma = ",";
	}
	seq_putc(m, '\n');
}

static long exclusive_of(const struct folio *f, unsigned long i)
{
	return PageAnonExclusive(folio_page(f, i));
}

static long mapcount_of(const struct folio *f, unsigned long i)
{
	return atomic_read(&folio_page(f, i)->_mapcount) + 1;
}

/* "NAME=0-255:1,256-511:2": the pages of F by equal values, those with 0 left out; "-": all have 0. */
static void show_ranges(struct seq_file *m, const char *name, const struct folio *f,
			long (*value)(const struct folio *f, unsigned long i), bool with_value)
{
	unsigned long nr = folio_nr_pages(f), i, end;
	const char *comma = "";

	seq_printf(m, "%s=", name);
	for (i = 0; i < nr; i = end) {
		long v = value(f, i);

		for (end = i + 1; end < nr && value(f, end) == v; end++)
			;
		if (!v)
			continue;
		seq_printf(m, end > i + 1 ? "%s%lu-%lu" : "%s%lu", comma, i, end - 1);
		if (with_value)
			seq_printf(m, ":%ld", v);
		comma = ",";
	}
	seq_puts(m, *comma ? "\n" : "-\n");
}

static void show_slot(struct seq_file *m, const struct folio *f, int i)
{
	if (folio_test_large(f) && owners_id(&f->_owners, i))
		seq_printf(m, "%u:%d", owners_id(&f->_owners, i), owners_count(&f->_owners, i));
	else
		seq_putc(m, '-');
}

static bool shared_flag(const struct folio *f)
{
	return folio_test_large(f) && owners_shared(&f->_owners);
}

static void show_state(struct seq_file *m, const struct folio *f, int refs)
{
	seq_printf(m, "state={%d,%d,", folio_mapcount(f), refs);
	show_slot(m, f, 0);
	seq_putc(m, ',');
	show_slot(m, f, 1);
	seq_printf(m, ",%d}\n", shared_flag(f));
	seq_puts(m, "slot0=");
	show_slot(m, f, 0);
	seq_puts(m, "\nslot1=");
	show_slot(m, f, 1);
	seq_printf(m, "\nSHARED=%d\nmaybe_mapped_shared=%d\n", shared_flag(f), folio_maybe_mapped_shared(f));
}

static void show_counts(struct seq_file *m, const struct folio *f, int refs)
{
	bool large = folio_test_large(f);

	seq_printf(m, "refs=%d\ntotal=%d\nentire=%d\n", refs, folio_mapcount(f), folio_entire_mapcount(f));
	if (CONFIG_PAGE_MAPCOUNT || !large)
		show_ranges(m, "page_mapcounts", f, mapcount_of, true);
	if (CONFIG_PAGE_MAPCOUNT && large)
		seq_printf(m, "nr_pages_mapped=%#x\n", atomic_read(&f->_nr_pages_mapped));
	seq_printf(m, "pins=%d\n", large ? atomic_read(&f->_pincount) : refs / GUP_PIN_COUNTING_BIAS);
	show_ranges(m, "exclusive", f, exclusive_of, false);
}

static void show_identity(struct seq_file *m, const struct folio *f)
{
	unsigned long mapping = (unsigned long)READ_ONCE(f->mapping);

	if (folio_test_swapcache(f))
		seq_printf(m, "swap=%#llx\n", (unsigned long long)f->swap.val);
	else
		seq_puts(m, "swap=-\n");
	seq_printf(m, "kind=%s\nindex=%#lx\n", !mapping ? "none" : mapping & FOLIO_MAPPING_ANON ? "anon" : "file", f->index);
	if (mapping & FOLIO_MAPPING_ANON)
		seq_printf(m, "anon_vma=%#lx\n", number_of((void *)(mapping & ~FOLIO_MAPPING_ANON)));
	if (folio_order(f) > 1)
		seq_printf(m, "queued=%d\npartially_mapped=%d\n", !list_empty(&f->_deferred_list),
			   folio_test_partially_mapped(f));
}

/* => the caller holds a reference */
static int show_folio(struct seq_file *m, struct folio *f)
{
	int refs = folio_ref_count(f) - 1;

	seq_printf(m, "head=%#lx\norder=%u\n", folio_pfn(f), folio_order(f));
	show_flags(m, f);
	show_state(m, f, refs);
	show_counts(m, f, refs);
	show_identity(m, f);
	return show_mappings(m, f);
}

static int show_pfn(struct seq_file *m, unsigned long pfn)
{
	struct page *page = pfn_to_page(pfn);
	struct folio *f = page_folio(page);
	int err;

	seq_printf(m, "pfn=%#lx\n", pfn);
	if (page_has_type(page)) {
		seq_printf(m, "type=%s\n", page_is_type(page, PGTY_buddy) ? "buddy" : page_is_type(page, PGTY_table) ?
			   "table" : "slab");
		return 0;
	}
	if (!folio_try_get(f)) {
		seq_puts(m, "type=free\n");
		return 0;
	}
	/* It may have been freed, split or merged before we had the reference. */
	if (page_folio(page) == f) {
		seq_puts(m, "type=folio\n");
		err = show_folio(m, f);
	} else {
		seq_puts(m, "type=changing\n");
		err = 0;
	}
	folio_put(f);
	return err;
}

/* ---- The file ---- */

static unsigned long last_pfn;		/* asked by any file; 0: not yet */

static int folio_show(struct seq_file *m, void *data)
{
	unsigned long pfn = m->private ? (unsigned long)m->private : READ_ONCE(last_pfn);

	seq_puts(m, "# write: PFN | PID:ADDRESS\n");
	return pfn ? show_pfn(m, pfn) : 0;
}

/* What MM maps at ADDR, as a frame number in *PFN. 0 or -ENOENT. */
static int pfn_at(struct mm_struct *mm, unsigned long addr, unsigned long *pfn)
{
	struct vm_area_struct *vma;
	struct page *page = NULL;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, addr);
	if (vma)
		folio_get_mapped(vma, addr & PAGE_MASK, &page);
	mmap_read_unlock(mm);
	if (!page)
		return -ENOENT;
	*pfn = page_to_pfn(page);
	put_page(page);
	return 0;
}

static int pfn_of_pid(pid_t pid, unsigned long addr, unsigned long *pfn)
{
	struct task_struct *t = pid ? find_get_task_by_pid(pid) : current;
	struct mm_struct *mm = t ? get_task_mm(t) : NULL;
	int err = -ESRCH;

	if (t && pid)
		put_task_struct(t);
	if (mm) {
		err = pfn_at(mm, addr, pfn);
		mmput(mm);
	}
	return err;
}

static ssize_t folio_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	char *rest = strim(buf), *first = kstrsep(&rest, ":");
	unsigned long pfn, addr;
	int pid, err;

	if (rest ? kstrtoint(first, 10, &pid) || pid < 0 || kstrtoul(rest, 0, &addr) :
		   kstrtoul(first, 0, &pfn) || !pfn || pfn >= max_pfn || !pfn_valid(pfn)) {
		pr_warn("quire/folio: takes a frame number or PID:ADDRESS\n");
		return -EINVAL;
	}
	if (rest) {
		err = pfn_of_pid(pid, addr, &pfn);
		if (err)
			return err;
	}
	((struct seq_file *)f->private_data)->private = (void *)pfn;
	WRITE_ONCE(last_pfn, pfn);
	return len;
}

static const struct pseudo_ops folio_ops = { .show = folio_show, .write = folio_write };

static int folio_file_init(void)
{
	pseudo_create(quire_debug_root, "folio", 0600, &folio_ops, NULL);
	return 0;
}
fs_initcall(folio_file_init);
