/*
 * mm/alloc_control.c - /sys/kernel/debug/quire/alloc: blocks of frames for the tests, and memory that is nearly full.
 *
 *	take ORDER TYPE COUNT [KIND]	allocate COUNT blocks, as unmovable, movable or reclaimable. KIND: how hard to try:
 *					nowait (and what is not given), atomic, noio, kernel, noretry, retry, nofail
 *	free [ORDER TYPE]		give them back, or those of this order and type
 *	thin ORDER TYPE			give back those that do not begin a pageblock: one is left in each
 *	fill PAGES			take single frames until so many are free, reserves or not; or give back until then
 *	drain				empty the lists of the CPUs, so that what is free is free for anybody
 *
 * Several may be written at once, with semicolons between them: where memory is nearly full, each system call could be
 * the one that has none left.
 *
 * Reading shows how many blocks each "take" of the last write got, what is held, and how many frames are free. Only
 * "take" with another kind than nowait reclaims or wakes anybody.
 */
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/locking/mutex.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/words.h"
#include "mm/vmscan.h"

#ifndef RELEASE
static const char *const type_names[MIGRATE_TYPES] = {
	[MIGRATE_UNMOVABLE] = "unmovable", [MIGRATE_MOVABLE] = "movable", [MIGRATE_RECLAIMABLE] = "reclaimable",
};
static const gfp_t type_gfp[MIGRATE_TYPES] = {
	[MIGRATE_MOVABLE] = __GFP_MOVABLE, [MIGRATE_RECLAIMABLE] = __GFP_RECLAIMABLE,
};
static const struct { const char *name; gfp_t gfp; } kinds[] = {
	{ "nowait", __GFP_NOWARN }, { "atomic", GFP_ATOMIC }, { "noio", GFP_NOIO }, { "kernel", GFP_KERNEL },
	{ "noretry", GFP_KERNEL | __GFP_NORETRY }, { "retry", GFP_KERNEL | __GFP_RETRY_MAYFAIL },
	{ "nofail", GFP_KERNEL | __GFP_NOFAIL },
};

struct held { struct list_head list; unsigned long count; };

static DEFINE_MUTEX(alloc_lock);
static struct held held[NR_PAGE_ORDERS][MIGRATE_TYPES];		/* alloc_lock; blocks by page->lru */
static unsigned long last_got[8];				/* alloc_lock */
static unsigned int nr_got;					/* alloc_lock */

/* => alloc_lock */
static unsigned long take(unsigned int order, int type, unsigned long count, gfp_t gfp)
{
	struct held *h = &held[order][type];
	unsigned long got = 0;

	while (got < count && !fatal_signal_pending(current)) {
		struct page *p = alloc_pages(gfp | type_gfp[type], order);

		if (!p)
			break;
		list_add(&p->lru, &h->list);
		h->count++;
		got++;
		cond_resched();
	}
	return got;
}

/* => alloc_lock */
static void give_back(unsigned int order, int type, unsigned long count)
{
	struct held *h = &held[order][type];

	while (count-- && h->count) {
		struct page *p = list_first_entry(&h->list, struct page, lru);

		list_del(&p->lru);
		h->count--;
		__free_pages(p, order);
		cond_resched();
	}
}

/* => alloc_lock */
static void thin(unsigned int order, int type)
{
	struct held *h = &held[order][type];
	struct page *p, *next;

	list_for_each_entry_safe(p, next, &h->list, lru) {
		if (page_to_pfn(p) % PAGEBLOCK_NR_PAGES) {
			list_del(&p->lru);
			h->count--;
			__free_pages(p, order);
			cond_resched();
		}
	}
}

/*
 * Take or give until PAGES are free. The per-CPU lists are emptied, so that free means free for anybody.
 * => alloc_lock
 */
static void fill(unsigned long pages)
{
	unsigned int old = memalloc_noreclaim_save();
	unsigned long free;

	drain_all_pages();
	for (int order = MAX_PAGE_ORDER; order >= 0; order--) {
		free = nr_free_pages();
		if (free >= pages + (1UL << order))
			(void)take((unsigned int)order, MIGRATE_UNMOVABLE, (free - pages) >> order, __GFP_NOWARN);
	}
	memalloc_noreclaim_restore(old);
	drain_all_pages();
	for (int order = 0; order < NR_PAGE_ORDERS; order++) {
		free = nr_free_pages();
		if (free < pages)
			give_back((unsigned int)order, MIGRATE_UNMOVABLE, DIV_ROUND_UP(pages - free, 1UL << order));
	}
	drain_all_pages();
}

static int parse_order(const char *word)
{
	int order;

	return kstrtoint(word, 0, &order) || order < 0 || order > MAX_PAGE_ORDER ? -1 : order;
}

static int parse_type(const char *word)
{
	for (int t = 0; t < MIGRATE_TYPES; t++)
		if (!strcmp(word, type_names[t]))
			return t;
	return -1;
}

static bool parse_kind(const char *word, gfp_t *gfp)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!strcmp(word, kinds[i].name)) {
			*gfp = kinds[i].gfp;
			return true;
		}
	}
	return false;
}

/* => alloc_lock. False: not understood. */
static bool command_take(char **words, int n)
{
	int order = n >= 4 ? parse_order(words[1]) : -1, type = n >= 4 ? parse_type(words[2]) : -1;
	gfp_t gfp = __GFP_NOWARN;
	long long count;

	if (order < 0 || type < 0 || kstrtoll(words[3], 0, &count) || count < 0 || (n == 5 && !parse_kind(words[4], &gfp)))
		return false;
	if (nr_got == ARRAY_SIZE(last_got))
		return false;
	last_got[nr_got++] = take((unsigned int)order, type, (unsigned long)count, gfp);
	return true;
}

static void free_blocks(unsigned int order, int type) { give_back(order, type, ~0UL); }

static void free_everything(void)
{
	for (unsigned int o = 0; o < NR_PAGE_ORDERS; o++)
		for (int t = 0; t < MIGRATE_TYPES; t++)
			free_blocks(o, t);
}

/* COMMAND ORDER TYPE: some of what is held goes back. => alloc_lock */
static bool command_give(char **words, int n, void (*give)(unsigned int order, int type))
{
	int order = n == 3 ? parse_order(words[1]) : -1, type = n == 3 ? parse_type(words[2]) : -1;

	if (order < 0 || type < 0)
		return false;
	give((unsigned int)order, type);
	return true;
}

/* => alloc_lock */
static bool command(char **words, int n)
{
	long long pages;

	if (n >= 4 && !strcmp(words[0], "take"))
		return command_take(words, n);
	if (n == 1 && !strcmp(words[0], "free")) {
		free_everything();
		return true;
	}
	if (n && !strcmp(words[0], "free"))
		return command_give(words, n, free_blocks);
	if (n && !strcmp(words[0], "thin"))
		return command_give(words, n, thin);
	if (n == 1 && !strcmp(words[0], "drain")) {
		drain_all_pages();
		return true;
	}
	if (n != 2 || strcmp(words[0], "fill") || kstrtoll(words[1], 0, &pages) || pages < 0)
		return false;
	fill((unsigned long)pages);
	return true;
}

static ssize_t alloc_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	char *words[5], *rest = buf, *text;
	bool ok = true;

	mutex_lock(&alloc_lock);
	nr_got = 0;
	while (ok && (text = kstrsep(&rest, ";"))) {
		int n = split_words(text, words, ARRAY_SIZE(words));

		ok = n <= (int)ARRAY_SIZE(words) && command(words, n);
	}
	mutex_unlock(&alloc_lock);
	if (ok)
		return (ssize_t)len;
	pr_warn("quire/alloc: takes take ORDER TYPE COUNT [KIND], free [ORDER TYPE], thin ORDER TYPE, fill PAGES, drain; the file lists the words\n");
	return -EINVAL;
}

static int alloc_show(struct seq_file *m, void *data)
{
	seq_puts(m, "# write: take ORDER TYPE COUNT [KIND], free [ORDER TYPE], thin ORDER TYPE, fill PAGES, drain\n# KIND:");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		seq_printf(m, " %s", kinds[i].name);
	mutex_lock(&alloc_lock);
	seq_puts(m, "\ngot");
	for (unsigned int i = 0; i < nr_got; i++)
		seq_printf(m, " %lu", last_got[i]);
	seq_printf(m, "\nfree %lu\n", nr_free_pages());
	for (int o = 0; o < NR_PAGE_ORDERS; o++)
		for (int t = 0; t < MIGRATE_TYPES; t++)
			if (held[o][t].count)
				seq_printf(m, "held %d %s %lu\n", o, type_names[t], held[o][t].count);
	mutex_unlock(&alloc_lock);
	return 0;
}

static const struct pseudo_ops alloc_ops = { .show = alloc_show, .write = alloc_write };

static int alloc_control_init(void)
{
	for (int o = 0; o < NR_PAGE_ORDERS; o++)
		for (int t = 0; t < MIGRATE_TYPES; t++)
			INIT_LIST_HEAD(&held[o][t].list);
	pseudo_create(quire_debug_root, "alloc", 0600, &alloc_ops, NULL);
	return 0;
}
fs_initcall(alloc_control_init);
#endif
