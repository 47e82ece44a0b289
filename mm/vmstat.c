/*
 * mm/vmstat.c - event counters and gauges, and the files that show them: /proc/vmstat (ABI-1).
 *
 * Events are counted per CPU without locks and summed when read.
 */
#include "mm/vmstat.h"
#include "arch-x86_64/smp.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "mm/gfp.h"

DEFINE_PER_CPU(struct vm_event_state, vm_event_states);
atomic_long_t vm_node_stat[NR_NODE_STAT_ITEMS];

unsigned long vm_event_sum(enum vm_event_item i)
{
	unsigned long sum = 0;
	int cpu;

	for_each_online_cpu(cpu)
		sum += READ_ONCE(per_cpu(vm_event_states, cpu).event[i]);
	return sum;
}

unsigned long node_page_state(enum node_stat_item i)
{
	long v = i == NR_FREE_PAGES ? (long)nr_free_pages() : atomic_long_read(&vm_node_stat[i]);

	/* A CPU may be between the two halves of a move: never show a negative number. */
	return v < 0 ? 0 : v;
}

/* In /proc/vmstat only: NR in the unit that it shows item I in. */
static unsigned long shown_unit(enum node_stat_item i, unsigned long nr)
{
	switch (i) {
	case NR_SHMEM_THPS:
	case NR_SHMEM_PMDMAPPED:
	case NR_FILE_THPS:
	case NR_FILE_PMDMAPPED:
	case NR_ANON_THPS:
		return nr / HPAGE_PMD_NR;
	default:
		return nr;
	}
}

static int vmstat_show(struct seq_file *m, void *data)
{
#define __NAME(e, t) #t,
	static const char *const node_names[] = { NODE_STAT_LIST(__NAME) };
	static const char *const event_names[] = { VM_EVENT_LIST(__NAME) };
#undef __NAME

	for (int i = 0; i < NR_NODE_STAT_ITEMS; i++)
		seq_printf(m, "%s %lu\n", node_names[i], shown_unit(i, node_page_state(i)));
	for (int i = 0; i < NR_VM_EVENT_ITEMS; i++)
		seq_printf(m, "%s %lu\n", event_names[i], vm_event_sum(i));
	return 0;
}

static const struct pseudo_ops vmstat_ops = { .show = vmstat_show };

static int vmstat_init(void)
{
	pseudo_create(proc_root, "vmstat", 0444, &vmstat_ops, NULL);
	return 0;
}
fs_initcall(vmstat_init);
