/*
 * mm/force_compact.c - "compact" of /sys/kernel/debug/quire/force, and /sys/kernel/debug/quire/pageblock.
 *
 *	compact 0 0 ORDER async|sync-light|full	one attempt as an allocation of a movable block of ORDER would make it, but
 *						for the allocation; prints what came of it
 *
 *	pageblock	write a frame's number: reading then tells of its pageblock: type, whether it is marked fruitless,
 *			how many of its frames are free, on LRU lists, and neither
 *
 * For the tests of compaction (T-MIG-8..10).
 */
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "kernel/trace/control.h"
#include "mm/compaction.h"
#include "mm/internal.h"
#include "mm/vmscan.h"

static bool parse_priority(const char *text, enum compact_priority *prio)
{
	static const char *const names[] = {
		[COMPACT_PRIO_SYNC_FULL] = "full", [COMPACT_PRIO_SYNC_LIGHT] = "sync-light", [COMPACT_PRIO_ASYNC] = "async",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(text, names[i])) {
			*prio = (enum compact_priority)i;
			return true;
		}
	}
	return false;
}

static int force_compact(struct mm_struct *mm, unsigned long start, unsigned long order, char *args, struct seq_file *out)
{
	enum compact_priority prio;
	enum compact_result r;
	unsigned int old;

	if (!order || order > MAX_PAGE_ORDER || !parse_priority(args, &prio))
		return -EINVAL;
	old = memalloc_noreclaim_save();
	r = try_to_compact_pages(GFP_HIGHUSER_MOVABLE, (unsigned int)order, prio);
	memalloc_noreclaim_restore(old);
	seq_printf(out, "compact=%s\n", compact_result_word(r));
	return 0;
}
FORCE_WORD("compact", "async|sync-light|full", force_compact);

#ifndef RELEASE
static unsigned long block_pfn;		/* what the file tells of; the last writer's */

static ssize_t pageblock_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	long long pfn;

	if (kstrtoll(buf, 0, &pfn) || pfn < 0 || !pfn_valid((unsigned long)pfn))
		return -EINVAL;
	WRITE_ONCE(block_pfn, pageblock_start((unsigned long)pfn));
	return (ssize_t)len;
}

static int pageblock_show(struct seq_file *m, void *data)
{
	unsigned long start = READ_ONCE(block_pfn), free, lru, flags;
	struct page *p = pfn_to_page(start);
	struct zone *z;

	if (!pfn_valid(start))
		return 0;
	z = page_zone(p);
	spin_lock_irqsave(&z->lock, flags);
	count_pageblock(p, &free, &lru);
	spin_unlock_irqrestore(&z->lock, flags);
	seq_printf(m, "pfn=0x%lx zone=%s type=%s fruitless=%d free=%lu lru=%lu other=%lu\n", start, z->name,
		   migratetype_names[get_pageblock_migratetype(p)], pageblock_is_fruitless(start), free, lru,
		   PAGEBLOCK_NR_PAGES - free - lru);
	return 0;
}

static const struct pseudo_ops pageblock_ops = { .show = pageblock_show, .write = pageblock_write };

static int pageblock_control_init(void)
{
	pseudo_create(quire_debug_root, "pageblock", 0600, &pageblock_ops, NULL);
	return 0;
}
fs_initcall(pageblock_control_init);
#endif
