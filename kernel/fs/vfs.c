/*
 * kernel/fs/vfs.c - start-up of the file systems, and the few files of sysfs that belong to nobody else.
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/smp.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/fs/tmpfs.h"
#include "kernel/init.h"

void vfs_init(void)
{
	tmpfs_init();
	mount_rootfs();
	shmem_init();
	anon_inode_init();
	init_task.files = files_alloc();
	if (!init_task.files)
		panic("no memory for the first file table");
}

/* What nobody needs before the wall clock runs, so that its files bear the right time. */
static int pseudo_trees_init(void)
{
	devtmpfs_init();
	pseudofs_init();
	proc_base_init();
	return 0;
}
core_initcall(pseudo_trees_init);

static int cpu_list_show(struct seq_file *m, void *data)
{
	if (nr_cpu_ids == 1)
		seq_puts(m, "0\n");
	else
		seq_printf(m, "0-%d\n", nr_cpu_ids - 1);
	return 0;
}

static int console_active_show(struct seq_file *m, void *data)
{
	seq_puts(m, "ttyS0\n");
	return 0;
}

static const struct pseudo_ops cpu_list_ops = { .show = cpu_list_show };
static const struct pseudo_ops console_active_ops = { .show = console_active_show };

static int sysfs_files_init(void)
{
	struct pseudo_node *cpu = pseudo_mkpath(sysfs_root, "devices/system/cpu");
	char name[16];

	pseudo_create(cpu, "online", 0444, &cpu_list_ops, NULL);
	pseudo_create(cpu, "possible", 0444, &cpu_list_ops, NULL);
	pseudo_create(cpu, "present", 0444, &cpu_list_ops, NULL);
	for (int i = 0; i < nr_cpu_ids; i++) {
		snprintf(name, sizeof(name), "cpu%d", i);
		pseudo_mkdir(cpu, name);
	}
	pseudo_create(pseudo_mkpath(sysfs_root, "class/tty/console"), "active", 0444, &console_active_ops,
		      NULL);
	return 0;
}
fs_initcall(sysfs_files_init);
