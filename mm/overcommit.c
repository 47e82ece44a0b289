/*
 * mm/overcommit.c - promising memory: who may map how much, and the /proc/sys/vm files about it.
 *
 * Private writable pages (VM_ACCOUNT) and shared memory are promised when mapped, used when touched.
 * vm_committed_as is the sum of the promises. Mode 0 refuses only a single request larger than all there
 * is; 1 refuses nothing; 2 keeps the sum below CommitLimit. Linux: mm/util.c.
 */
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "kernel/task/cred.h"
#include "mm/mm.h"
#include "mm/swap.h"

#define OVERCOMMIT_GUESS 0
#define OVERCOMMIT_ALWAYS 1

atomic_long_t vm_committed_as;
int sysctl_overcommit_memory, sysctl_overcommit_ratio = 50;
int sysctl_max_map_count = DEFAULT_MAX_MAP_COUNT;
unsigned long mmap_min_addr = 65536;

/* What mode 2 keeps back: for root to log in with; for a process to recover in (pages). */
static long admin_reserve, user_reserve;

unsigned long vm_commit_limit(void)
{
	return totalram_pages() * (unsigned long)sysctl_overcommit_ratio / 100 + (unsigned long)total_swap_pages();
}

int security_vm_enough_memory(struct mm_struct *mm, long pages)
{
	long committed = atomic_long_add_return(pages, &vm_committed_as), allowed;

	if (sysctl_overcommit_memory == OVERCOMMIT_ALWAYS)
		return 0;
	if (sysctl_overcommit_memory == OVERCOMMIT_GUESS) {
		if (pages <= (long)totalram_pages() + total_swap_pages())
			return 0;
		goto refuse;
	}
	allowed = (long)vm_commit_limit();
	if (!capable(CAP_SYS_ADMIN))
		allowed -= admin_reserve;
	if (mm)
		allowed -= min((long)mm->total_vm / 32, user_reserve);
	if (committed < allowed)
		return 0;
refuse:
	vm_unacct_memory(pages);
	return -ENOMEM;
}

static int min_addr_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%lu\n", mmap_min_addr);
	return 0;
}

static ssize_t min_addr_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	unsigned long v;

	if (kstrtoul(strim(buf), 0, &v))
		return -EINVAL;
	mmap_min_addr = PAGE_ALIGN(v);
	return (ssize_t)len;
}

static const struct pseudo_ops min_addr_ops = { .show = min_addr_show, .write = min_addr_write };

static int __overcommit_init(void)
{
	long free = (long)nr_free_pages();

	admin_reserve = min(free / 32, 8L << (20 - PAGE_SHIFT));
	user_reserve = min(free / 32, 128L << (20 - PAGE_SHIFT));
	proc_sys_int("vm/overcommit_memory", 0644, &sysctl_overcommit_memory, 0, 2);
	proc_sys_int("vm/overcommit_ratio", 0644, &sysctl_overcommit_ratio, 0, 0x7fffffff);
	proc_sys_int("vm/max_map_count", 0644, &sysctl_max_map_count, 0, 0x7fffffff);
	pseudo_create(pseudo_mkpath(proc_root, "sys/vm"), "mmap_min_addr", 0644, &min_addr_ops, NULL);
	return 0;
}
fs_initcall(__overcommit_init);
