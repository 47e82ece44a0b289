/*
 * mm/compact_sysctl.c - compaction's files (MIG-11, MIG-19): in /proc/sys/vm compact_memory, which compacts everything now,
 * and the knobs; in /sys/kernel/debug/extfrag how fragmented free memory is.
 *
 *	extfrag_index	for each order, would an allocation fail for lack of memory (towards 0) or because it is in
 *			pieces (towards 1)? -1: it would not fail
 *	unusable_index	the share of free memory that is in smaller pieces
 *
 * Linux: mm/compaction.c, mm/vmstat.c.
 */
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "mm/compaction.h"

static int proactiveness;	/* left out: 0 is all that it can be */

static ssize_t compact_memory_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	int v, err = kstrtoint(buf, 10, &v);

	if (err)
		return err;
	if (v != 1)
		return -EINVAL;
	err = compact_nodes();
	return err ? err : (ssize_t)len;
}

/* One line for each zone: an index for each order, which is in thousandths. */
static int index_show(struct seq_file *m, void *data)
{
	int (*index)(const struct zone *z, unsigned int order) = data;
	struct zone *z;

	for_each_populated_zone(z) {
		seq_printf(m, "Node 0, zone %8s ", z->name);
		for (unsigned int o = 0; o < NR_PAGE_ORDERS; o++) {
			int i = index(z, o), size = i < 0 ? -i : i;

			seq_printf(m, "%s%d.%03d ", i < 0 ? "-" : "", size / 1000, size % 1000);
		}
		seq_putc(m, '\n');
	}
	return 0;
}

static const struct pseudo_ops compact_memory_ops = { .write = compact_memory_write };
static const struct pseudo_ops index_ops = { .show = index_show };

static int compact_sysctl_init(void)
{
	struct pseudo_node *extfrag = pseudo_mkpath(debugfs_root, "extfrag");

	pseudo_create(pseudo_mkpath(proc_root, "sys/vm"), "compact_memory", 0200, &compact_memory_ops, NULL);
	proc_sys_int("vm/extfrag_threshold", 0644, &sysctl_extfrag_threshold, 0, 1000);
	proc_sys_int("vm/compact_unevictable_allowed", 0644, &sysctl_compact_unevictable_allowed, 0, 1);
	proc_sys_int("vm/compaction_proactiveness", 0644, &proactiveness, 0, 0);
	pseudo_create(extfrag, "extfrag_index", 0400, &index_ops, fragmentation_index);
	pseudo_create(extfrag, "unusable_index", 0400, &index_ops, unusable_free_index);
	return 0;
}
fs_initcall(compact_sysctl_init);
