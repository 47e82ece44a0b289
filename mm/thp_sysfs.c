/*
 * mm/thp_sysfs.c - /sys/kernel/mm/transparent_hugepage: the knobs of thp_policy.c, khugepaged's, and the
 * counters of each size (ABI-5..8).
 *
 *	transparent_hugepage/	enabled, defrag, shmem_enabled		a list of words, one in brackets
 *				use_zero_page, shrink_underused, hpage_pmd_size
 *		khugepaged/	numbers
 *		hugepages-64kB/	enabled
 *			stats/	a number each
 *
 * Each kind of file has one pair of functions; what differs is in the table at the end of its part. A
 * written text ends at its first NUL and may have one newline at its end; whatever is not understood is
 * EINVAL and changes nothing.
 *
 * Left out: shmem_enabled of each size. The global one is kept and shown, but shared memory has order 0
 * only, as with "never". Linux: mm/huge_memory.c, mm/khugepaged.c, mm/shmem.c.
 */
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "mm/khugepaged.h"
#include "mm/thp_policy.h"

/* ---- Words in a list ---- */

/* The index in WORDS of what is written in TEXT, or -EINVAL. */
static int parse_word(char *text, const char *const *words)
{
	size_t len = strlen(text);

	if (len && text[len - 1] == '\n')
		text[len - 1] = '\0';
	for (int i = 0; words[i]; i++)
		if (strcmp(text, words[i]) == 0)
			return i;
	return -EINVAL;
}

static void show_words(struct seq_file *m, const char *const *words, int present)
{
	for (int i = 0; words[i]; i++)
		seq_printf(m, i == present ? "%s[%s]" : "%s%s", i ? " " : "", words[i]);
	seq_putc(m, '\n');
}

static const char *const enabled_words[] = { "always", "madvise", "never", NULL };
static const enum thp_mode enabled_modes[] = { THP_ALWAYS, THP_MADVISE, THP_NEVER };
static const char *const size_words[] = { "always", "inherit", "madvise", "never", NULL };
static const enum thp_mode size_modes[] = { THP_ALWAYS, THP_INHERIT, THP_MADVISE, THP_NEVER };

/* MODE is one of MODES. */
static int mode_index(const enum thp_mode *modes, enum thp_mode mode)
{
	int i = 0;

	while (modes[i] != mode)
		i++;
	return i;
}

static int enabled_show(struct seq_file *m, void *data)
{
	show_words(m, enabled_words, mode_index(enabled_modes, READ_ONCE(thp_knobs.global)));
	return 0;
}

static ssize_t enabled_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	int i = parse_word(buf, enabled_words), err;

	if (i < 0)
		return i;
	WRITE_ONCE(thp_knobs.global, enabled_modes[i]);
	err = khugepaged_start_stop();
	return err ? err : (ssize_t)len;
}

/* DATA is the order. */
static int size_enabled_show(struct seq_file *m, void *data)
{
	enum thp_mode mode;

	spin_lock(&thp_knobs_lock);
	mode = thp_order_mode(&thp_knobs, (unsigned long)data);
	spin_unlock(&thp_knobs_lock);
	show_words(m, size_words, mode_index(size_modes, mode));
	return 0;
}

static ssize_t size_enabled_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	int i = parse_word(buf, size_words), err;

	if (i < 0)
		return i;
	spin_lock(&thp_knobs_lock);
	thp_set_order_mode(&thp_knobs, (unsigned long)data, size_modes[i]);
	spin_unlock(&thp_knobs_lock);
	err = khugepaged_start_stop();
	return err ? err : (ssize_t)len;
}

static const char *const defrag_words[] = {
	[THP_DEFRAG_ALWAYS] = "always", [THP_DEFRAG_DEFER] = "defer",
	[THP_DEFRAG_DEFER_MADVISE] = "defer+madvise",
	[THP_DEFRAG_MADVISE] = "madvise", [THP_DEFRAG_NEVER] = "never", NULL,
};

static int defrag_show(struct seq_file *m, void *data)
{
	show_words(m, defrag_words, READ_ONCE(thp_defrag));
	return 0;
}

static ssize_t defrag_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	int i = parse_word(buf, defrag_words);

	if (i < 0)
		return i;
	WRITE_ONCE(thp_defrag, i);
	return len;
}

static const char *const shmem_words[] = {
	"always", "within_size", "advise", "never", "deny", "force", NULL
};
static int shmem_word = 3;

static int shmem_show(struct seq_file *m, void *data)
{
	show_words(m, shmem_words, READ_ONCE(shmem_word));
	return 0;
}

static ssize_t shmem_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	int i = parse_word(buf, shmem_words);

	if (i < 0)
		return i;
	WRITE_ONCE(shmem_word, i);
	return len;
}

static const struct pseudo_ops enabled_ops = { .show = enabled_show, .write = enabled_write };
static const struct pseudo_ops size_enabled_ops = { .show = size_enabled_show, .write = size_enabled_write };
static const struct pseudo_ops defrag_ops = { .show = defrag_show, .write = defrag_write };
static const struct pseudo_ops shmem_ops = { .show = shmem_show, .write = shmem_write };

/* ---- Flags. DATA: a bool ---- */

static int flag_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%d\n", READ_ONCE(*(bool *)data));
	return 0;
}

/* 0 or 1. As in Linux, what is no number of 64 bits is ERANGE here, unlike with khugepaged's numbers. */
static ssize_t flag_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	unsigned long v;
	int err = kstrtoul(buf, 10, &v);

	if (err)
		return err;
	if (v > 1)
		return -EINVAL;
	WRITE_ONCE(*(bool *)data, v);
	return len;
}

/* What Linux takes for a boolean by its first letters: yes, true, on, enable, 1 and their opposites. */
static ssize_t boolean_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	bool on;

	if (*buf && strchr("1yYtTeE", buf[0]))
		on = true;
	else if (*buf && strchr("0nNfFdD", buf[0]))
		on = false;
	else if ((buf[0] == 'o' || buf[0] == 'O') && buf[1] && strchr("nNfF", buf[1]))
		on = buf[1] == 'n' || buf[1] == 'N';
	else
		return -EINVAL;
	WRITE_ONCE(*(bool *)data, on);
	return len;
}

static int pmd_size_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%lu\n", PMD_SIZE);
	return 0;
}

static const struct pseudo_ops flag_ops = { .show = flag_show, .write = flag_write };
static const struct pseudo_ops boolean_ops = { .show = flag_show, .write = boolean_write };
static const struct pseudo_ops pmd_size_ops = { .show = pmd_size_show };

/* ---- khugepaged's numbers (ABI-8) ---- */

static const struct number_knob {
	const char *name;
	unsigned int *value, min, max;
	void (*changed)(void);	/* NULL: nobody needs to know */
} khugepaged_numbers[] = {
	{ "pages_to_scan", &khugepaged_pages_to_scan, 1, ~0u, NULL },
	{ "scan_sleep_millisecs", &khugepaged_scan_sleep_millisecs, 0, ~0u, khugepaged_wake },
	{ "alloc_sleep_millisecs", &khugepaged_alloc_sleep_millisecs, 0, ~0u, khugepaged_wake },
	{ "max_ptes_none", &khugepaged_max_ptes_none, 0, HPAGE_PMD_NR - 1, NULL },
	{ "max_ptes_swap", &khugepaged_max_ptes_swap, 0, HPAGE_PMD_NR - 1, NULL },
	{ "max_ptes_shared", &khugepaged_max_ptes_shared, 0, HPAGE_PMD_NR - 1, NULL },
};

static int number_show(struct seq_file *m, void *data)
{
	const struct number_knob *k = data;

	seq_printf(m, "%u\n", READ_ONCE(*k->value));
	return 0;
}

static ssize_t number_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	const struct number_knob *k = data;
	unsigned int v;

	if (kstrtouint(buf, 10, &v) || v < k->min || v > k->max)
		return -EINVAL;
	WRITE_ONCE(*k->value, v);
	if (k->changed)
		k->changed();
	return len;
}

/* DATA: an unsigned long. */
static int count_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%lu\n", READ_ONCE(*(unsigned long *)data));
	return 0;
}

static const struct pseudo_ops number_ops = { .show = number_show, .write = number_write };
static const struct pseudo_ops count_ops = { .show = count_show };

/* ---- Counters of each size (ABI-7) ---- */

static const char *const stat_names[NR_MTHP_STAT_ITEMS] = {
	[MTHP_STAT_ANON_FAULT_ALLOC] = "anon_fault_alloc",
	[MTHP_STAT_ANON_FAULT_FALLBACK] = "anon_fault_fallback",
	[MTHP_STAT_ANON_FAULT_FALLBACK_CHARGE] = "anon_fault_fallback_charge",
	[MTHP_STAT_SWPIN] = "swpin",
	[MTHP_STAT_SWPIN_FALLBACK] = "swpin_fallback",
	[MTHP_STAT_SWPIN_FALLBACK_CHARGE] = "swpin_fallback_charge",
	[MTHP_STAT_SWPOUT] = "swpout",
	[MTHP_STAT_SWPOUT_FALLBACK] = "swpout_fallback",
	[MTHP_STAT_SPLIT] = "split",
	[MTHP_STAT_SPLIT_FAILED] = "split_failed",
	[MTHP_STAT_SPLIT_DEFERRED] = "split_deferred",
	[MTHP_STAT_NR_ANON] = "nr_anon",
	[MTHP_STAT_NR_ANON_PARTIALLY_MAPPED] = "nr_anon_partially_mapped",
};
/* Of compressed swap and large shared memory, of which there is none: always 0. Programs read them. */
static const char *const zero_stat_names[] = {
	"zswpout", "shmem_alloc", "shmem_fallback", "shmem_fallback_charge"
};

/* DATA: order and item in one number. */
#define STAT_KEY(order, item) ((void *)((unsigned long)(order) << 8 | (item)))

static int stat_show(struct seq_file *m, void *data)
{
	unsigned long key = (unsigned long)data;

	seq_printf(m, "%ld\n", mthp_stat_sum(key >> 8, key & 0xff));
	return 0;
}

static int zero_show(struct seq_file *m, void *data)
{
	seq_puts(m, "0\n");
	return 0;
}

static const struct pseudo_ops stat_ops = { .show = stat_show };
static const struct pseudo_ops zero_ops = { .show = zero_show };

/* ---- The tree ---- */

static void make_khugepaged_files(struct pseudo_node *dir)
{
	pseudo_create(dir, "defrag", 0644, &flag_ops, &khugepaged_defrag);
	pseudo_create(dir, "pages_collapsed", 0444, &count_ops, &khugepaged_pages_collapsed);
	pseudo_create(dir, "full_scans", 0444, &count_ops, &khugepaged_full_scans);
	for (int i = 0; i < ARRAY_SIZE(khugepaged_numbers); i++) {
		const struct number_knob *k = &khugepaged_numbers[i];

		pseudo_create(dir, k->name, 0644, &number_ops, (void *)k);
	}
}

static void make_size_files(struct pseudo_node *dir, unsigned int order)
{
	struct pseudo_node *stats = pseudo_mkdir(dir, "stats");

	pseudo_create(dir, "enabled", 0644, &size_enabled_ops, (void *)(unsigned long)order);
	for (int item = 0; item < NR_MTHP_STAT_ITEMS; item++)
		pseudo_create(stats, stat_names[item], 0444, &stat_ops, STAT_KEY(order, item));
	for (int i = 0; i < ARRAY_SIZE(zero_stat_names); i++)
		pseudo_create(stats, zero_stat_names[i], 0444, &zero_ops, NULL);
}

static int thp_sysfs_init(void)
{
	struct pseudo_node *dir = pseudo_mkpath(sysfs_root, "kernel/mm/transparent_hugepage");

	pseudo_create(dir, "enabled", 0644, &enabled_ops, NULL);
	pseudo_create(dir, "defrag", 0644, &defrag_ops, NULL);
	pseudo_create(dir, "shmem_enabled", 0644, &shmem_ops, NULL);
	pseudo_create(dir, "use_zero_page", 0644, &flag_ops, &thp_zero_page_knob);
	pseudo_create(dir, "shrink_underused", 0644, &boolean_ops, &thp_shrink_underused_knob);
	pseudo_create(dir, "hpage_pmd_size", 0444, &pmd_size_ops, NULL);
	make_khugepaged_files(pseudo_mkdir(dir, "khugepaged"));
	for (unsigned int order = 0; order <= HPAGE_PMD_ORDER; order++) {
		char name[32];

		if (!(THP_ORDERS_ALL_ANON & BIT(order)))
			continue;
		snprintf(name, sizeof(name), "hugepages-%lukB", (PAGE_SIZE << order) / 1024);
		make_size_files(pseudo_mkdir(dir, name), order);
	}
	return 0;
}
fs_initcall(thp_sysfs_init);
