/*
 * mm/mm_corrupt.c - /sys/kernel/debug/quire/corrupt: break one field on purpose, to see that `check` notices.
 *
 *	echo total 0x4c200 > corrupt		the folio's total mapcount is one too high
 *	echo rss_anon 17 -3 > corrupt		process 17 has three pages fewer than it maps
 *	echo undo > corrupt			everything as it was
 *
 * Only debug builds have it, only root may write it, and whoever uses a broken folio before the undo gets what was
 * asked for. A change is a sum or a toggled bit, so that undoing it does not lose what the kernel did meanwhile.
 */
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/sched/sched.h"
#include "kernel/task/pid.h"
#include "kernel/trace/words.h"
#include "mm/huge_memory.h"
#include "mm/lru.h"
#include "mm/mm.h"
#include "mm/rmap.h"
#include "mm/vmstat.h"

#ifndef RELEASE
#define MAX_CHANGES 16

/* What was done to whom: ADDR += DELTA (4 or 8 bytes), or ADDR ^= FLIP; or a table taken out of a reserve. */
struct change { void *addr; int size; long delta; unsigned long flip; struct page *deposit; };
static struct change changes[MAX_CHANGES];
static int nr_changes;
static DEFINE_MUTEX(corrupt_lock);

/* ---- Making and undoing a change. => corrupt_lock ---- */

static void apply(const struct change *c, long sign)
{
	if (c->flip)
		__atomic_fetch_xor((unsigned long *)c->addr, c->flip, __ATOMIC_SEQ_CST);
	else if (c->size == 4)
		__atomic_fetch_add((int *)c->addr, (int)(sign * c->delta), __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_add((long *)c->addr, sign * c->delta, __ATOMIC_SEQ_CST);
}

static void undo_all(void)
{
	while (nr_changes) {
		const struct change *c = &changes[--nr_changes];

		if (c->deposit) {
			struct page *table = c->addr;

			c->deposit->pmd_huge_pte = table->pmd_huge_pte;
			table->pmd_huge_pte = c->deposit;
		} else {
			apply(c, -1);
		}
	}
}

static int make_change(struct change c)
{
	if (nr_changes == MAX_CHANGES)
		return -ENOSPC;
	if (!c.deposit)
		apply(&c, 1);
	changes[nr_changes++] = c;
	return 0;
}

/* ---- Fields of a page or its folio ---- */

#define SUM(field)	{ .addr = &(field), .size = sizeof(field) }
#define FLIP(field, bit) { .addr = &(field), .flip = BIT(bit) }

/* The field called NAME; addr NULL: there is none (or not in a small folio). */
static struct change page_field(const char *name, struct page *p, struct folio *f)
{
	const struct { const char *name; bool large; struct change c; } fields[] = {
		{ "refs", false, SUM(f->_refcount) },
		{ "mapcount", false, SUM(p->_mapcount) },
		{ "index", false, SUM(f->index) },
		{ "private", false, SUM(f->private) },
		{ "anon_vma", false, { .addr = &f->mapping, .flip = BIT(5) } },
		{ "exclusive", false, FLIP(p->flags, PG_anon_exclusive) },
		{ "lru", false, FLIP(f->flags, PG_lru) },
		{ "active", false, FLIP(f->flags, PG_active) },
		{ "mlock_count", false, SUM(f->mlock_count) },
		{ "total", true, SUM(f->_owners.total) },
		{ "entire", true, SUM(f->_entire_mapcount) },
		{ "nr_pages_mapped", true, SUM(f->_nr_pages_mapped) },
		{ "pincount", true, SUM(f->_pincount) },
		{ "slot0", true, SUM(f->_owners.count[0]) },
		{ "slot1", true, SUM(f->_owners.count[1]) },
		{ "id0", true, SUM(f->_owners.id[0]) },
		{ "id1", true, SUM(f->_owners.id[1]) },
		{ "shared", true, FLIP(f->_owners.word, 63) },
		{ "partially_mapped", true, FLIP(f->_flags_1, PG_partially_mapped) },
		{ "tail_refs", true, SUM(folio_page(f, 1)->_refcount) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (!strcmp(name, fields[i].name) && (!fields[i].large || folio_test_large(f)))
			return fields[i].c;
	return (struct change){ 0 };
}
#define PAGE_FIELDS "refs mapcount index private anon_vma exclusive lru active mlock_count total entire nr_pages_mapped pincount " \
	"slot0 slot1 id0 id1 shared partially_mapped tail_refs"

static int corrupt_page(const char *name, unsigned long pfn, long delta)
{
	struct page *p;
	struct change c;

	if (!pfn || pfn >= max_pfn || !pfn_valid(pfn))
		return -EINVAL;
	p = pfn_to_page(pfn);
	c = page_field(name, p, page_folio(p));
	c.delta = delta;
	return c.addr ? make_change(c) : -EINVAL;
}

/* ---- Fields of a process, and gauges ---- */

/* Take a table out of the reserve for the huge PMD at ADDR (SPLIT-2). */
static int corrupt_deposit(struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmd = addr < TASK_SIZE_MAX ? mm_find_pmd(mm, addr) : NULL;
	struct change c = { 0 };
	struct page *table;

	if (!pmd || !pmd_trans_huge(pmdp_get(pmd)))
		return -ENOENT;
	table = virt_to_page((unsigned long)pmd & PAGE_MASK);
	c.addr = table;
	c.deposit = table->pmd_huge_pte;
	if (!c.deposit)
		return -ENOENT;
	table->pmd_huge_pte = c.deposit->pmd_huge_pte;
	return make_change(c);
}

static int corrupt_mm(const char *name, struct mm_struct *mm, long arg)
{
	struct change c = { .delta = arg, .size = sizeof(long) };
	int err;

	if (!strcmp(name, "deposit")) {
		mmap_read_lock(mm);
		err = corrupt_deposit(mm, (unsigned long)arg);
		mmap_read_unlock(mm);
		return err;
	}
	if (!strcmp(name, "rss_anon"))
		c.addr = &mm->rss_stat[MM_ANONPAGES];
	else if (!strcmp(name, "rss_file"))
		c.addr = &mm->rss_stat[MM_FILEPAGES];
	else if (!strcmp(name, "rss_shmem"))
		c.addr = &mm->rss_stat[MM_SHMEMPAGES];
	else if (!strcmp(name, "pgtables"))
		c.addr = &mm->pgtables_bytes;
	return c.addr ? make_change(c) : -EINVAL;
}
#define MM_FIELDS "rss_anon rss_file rss_shmem pgtables deposit"

static int corrupt_gauge(const char *name, long delta)
{
	struct change c = { .delta = delta, .size = sizeof(long) };

	if (!strcmp(name, "lru_size"))
		c.addr = &lru_size[LRU_INACTIVE_ANON];
	else if (!strcmp(name, "nr_anon_pages"))
		c.addr = &vm_node_stat[NR_ANON_MAPPED];
	else if (!strcmp(name, "nr_mapped"))
		c.addr = &vm_node_stat[NR_FILE_MAPPED];
	else if (!strcmp(name, "nr_free"))
		c.addr = &zones[ZONE_DMA32].free_area[0].nr_free;
	else if (!strcmp(name, "free_pages"))
		c.addr = &zones[ZONE_DMA32].free_pages;
	return c.addr ? make_change(c) : -EINVAL;
}
#define GAUGES "lru_size nr_anon_pages nr_mapped nr_free free_pages"

/* ---- The file ---- */

static bool is_word_of(const char *word, const char *list)
{
	const char *at = list;
	size_t len = strlen(word);

	while (len && (at = strstr(at, word))) {
		if ((at == list || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
		at += len;
	}
	return false;
}

static int corrupt_pid(const char *name, int pid, long arg)
{
	struct task_struct *t = pid ? find_get_task_by_pid(pid) : current;
	struct mm_struct *mm = t ? get_task_mm(t) : NULL;
	int err = -ESRCH;

	if (t && pid)
		put_task_struct(t);
	if (mm) {
		err = corrupt_mm(name, mm, arg);
		mmput(mm);
	}
	return err;
}

/* => corrupt_lock */
static int corrupt_command(char **words, int n)
{
	long long target = 0, arg = 1;

	if (n == 1 && !strcmp(words[0], "undo")) {
		undo_all();
		return 0;
	}
	if (n < 2 || n > 3 || kstrtoll(words[1], 0, &target) || (n == 3 && kstrtoll(words[2], 0, &arg)))
		return -EINVAL;
	if (is_word_of(words[0], PAGE_FIELDS))
		return corrupt_page(words[0], (unsigned long)target, arg);
	if (is_word_of(words[0], MM_FIELDS))
		return corrupt_pid(words[0], (int)target, arg);
	if (is_word_of(words[0], GAUGES) && n == 2)
		return corrupt_gauge(words[0], target);
	return -EINVAL;
}

static ssize_t corrupt_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	char *words[3];
	int n = split_words(buf, words, ARRAY_SIZE(words)), err;

	mutex_lock(&corrupt_lock);
	err = corrupt_command(words, n);
	mutex_unlock(&corrupt_lock);
	if (err == -EINVAL)
		pr_warn("quire/corrupt: takes FIELD PFN [DELTA], FIELD PID [DELTA], GAUGE DELTA, undo; the file lists them\n");
	return err ? err : len;
}

static int corrupt_show(struct seq_file *m, void *data)
{
	seq_puts(m, "# write: FIELD PFN [DELTA]; FIELD one of: " PAGE_FIELDS "\n");
	seq_puts(m, "# or FIELD PID [DELTA] (deposit PID ADDRESS); FIELD one of: " MM_FIELDS "\n");
	seq_puts(m, "# or GAUGE DELTA; GAUGE one of: " GAUGES "\n# or undo\n");
	seq_printf(m, "changes=%d\n", READ_ONCE(nr_changes));
	return 0;
}

static const struct pseudo_ops corrupt_ops = { .show = corrupt_show, .write = corrupt_write };

static int corrupt_init(void)
{
	pseudo_create(quire_debug_root, "corrupt", 0600, &corrupt_ops, NULL);
	return 0;
}
fs_initcall(corrupt_init);
#endif
