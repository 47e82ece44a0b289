/*
 * kernel/block/blkdev_sysfs.c - /sys/block/NAME, /sys/dev/block, /proc/partitions and diskstats: what is
 * known about disks.
 *
 * Times are not measured: they read 0. Ours alone: in_flight; max_in_flight, the most requests that were at
 * the driver at once; writing 0 begins anew. Linux: block/genhd.c, block/blk-sysfs.c.
 */
#include "kernel/block/internal.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"

/* ---- Files with one number ---- */

static int size_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%llu\n", (unsigned long long)((struct block_device *)data)->bd_sectors);
	return 0;
}

static int ro_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%d\n", ((struct block_device *)data)->bd_read_only);
	return 0;
}

static int dev_show(struct seq_file *m, void *data)
{
	struct block_device *bdev = data;

	seq_printf(m, "%u:%u\n", MAJOR(bdev->bd_dev), MINOR(bdev->bd_dev));
	return 0;
}

static int uevent_show(struct seq_file *m, void *data)
{
	struct block_device *bdev = data;

	seq_printf(m, "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\nDEVTYPE=disk\n", MAJOR(bdev->bd_dev), MINOR(bdev->bd_dev),
		   bdev->bd_name);
	return 0;
}

static int logical_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%u\n", ((struct block_device *)data)->bd_logical_block);
	return 0;
}

static int rotational_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%d\n", READ_ONCE(((struct block_device *)data)->bd_rotational));
	return 0;
}

static ssize_t rotational_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	unsigned long v;

	if (kstrtoul(buf, 10, &v))
		return -EINVAL;
	WRITE_ONCE(((struct block_device *)data)->bd_rotational, v != 0);
	return len;
}

static int max_in_flight_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%d\n", READ_ONCE(((struct block_device *)data)->bd_max_in_flight));
	return 0;
}

static ssize_t max_in_flight_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	unsigned long v;

	if (kstrtoul(buf, 10, &v) || v)
		return -EINVAL;
	WRITE_ONCE(((struct block_device *)data)->bd_max_in_flight, 0);
	return len;
}

static int inflight_show(struct seq_file *m, void *data)
{
	seq_printf(m, "%d\n", atomic_read(&((struct block_device *)data)->bd_in_flight));
	return 0;
}

/*
 * Reads, merged, sectors, ms; the same of writes; in flight, ms, ms; the same of discards and flushes, which
 * are none.
 */
static void show_stat(struct seq_file *m, const struct block_device *bdev)
{
	seq_printf(m, "%8ld 0 %8ld 0 %8ld 0 %8ld 0 %8d 0 0 0 0 0 0 0 0\n", atomic_long_read(&bdev->bd_ios[0]),
		   atomic_long_read(&bdev->bd_sectors_done[0]), atomic_long_read(&bdev->bd_ios[1]),
		   atomic_long_read(&bdev->bd_sectors_done[1]), atomic_read(&bdev->bd_in_flight));
}

static int stat_show(struct seq_file *m, void *data)
{
	show_stat(m, data);
	return 0;
}

static const struct { const char *name; umode_t mode; struct pseudo_ops ops; } disk_files[] = {
	{ "stat", 0444, { .show = stat_show } },
	{ "size", 0444, { .show = size_show } },
	{ "ro", 0444, { .show = ro_show } },
	{ "dev", 0444, { .show = dev_show } },
	{ "uevent", 0444, { .show = uevent_show } },
	{ "in_flight", 0444, { .show = inflight_show } },
	{ "max_in_flight", 0644, { .show = max_in_flight_show, .write = max_in_flight_write } },
}, queue_files[] = {
	{ "logical_block_size", 0444, { .show = logical_show } },
	{ "physical_block_size", 0444, { .show = logical_show } },
	{ "hw_sector_size", 0444, { .show = logical_show } },
	{ "rotational", 0644, { .show = rotational_show, .write = rotational_write } },
};

void blkdev_add_sysfs(struct block_device *bdev)
{
	struct pseudo_node *dir = pseudo_mkpath(sysfs_root, "block"), *queue;
	char number[24], target[40];

	dir = pseudo_mkdir(dir, bdev->bd_name);
	queue = pseudo_mkdir(dir, "queue");
	for (size_t i = 0; i < ARRAY_SIZE(disk_files); i++)
		pseudo_create(dir, disk_files[i].name, disk_files[i].mode, &disk_files[i].ops, bdev);
	for (size_t i = 0; i < ARRAY_SIZE(queue_files); i++)
		pseudo_create(queue, queue_files[i].name, queue_files[i].mode, &queue_files[i].ops, bdev);
	scnprintf(number, sizeof(number), "%u:%u", MAJOR(bdev->bd_dev), MINOR(bdev->bd_dev));
	scnprintf(target, sizeof(target), "../../block/%s", bdev->bd_name);
	pseudo_symlink(pseudo_mkpath(sysfs_root, "dev/block"), number, target);
}

/* ---- /proc ---- */

static int diskstats_show(struct seq_file *m, void *data)
{
	struct block_device *bdev;

	list_for_each_entry(bdev, &block_devices, bd_list) {
		seq_printf(m, "%4u %7u %s ", MAJOR(bdev->bd_dev), MINOR(bdev->bd_dev), bdev->bd_name);
		show_stat(m, bdev);
	}
	return 0;
}

static int partitions_show(struct seq_file *m, void *data)
{
	struct block_device *bdev;

	if (!list_empty(&block_devices))
		seq_puts(m, "major minor  #blocks  name\n\n");
	list_for_each_entry(bdev, &block_devices, bd_list)
		seq_printf(m, "%4u  %7u %10llu %s\n", MAJOR(bdev->bd_dev), MINOR(bdev->bd_dev),
			   (unsigned long long)bdev->bd_sectors >> 1, bdev->bd_name);
	return 0;
}

static const struct pseudo_ops partitions_ops = { .show = partitions_show };
static const struct pseudo_ops diskstats_ops = { .show = diskstats_show };

static int blkdev_sysfs_init(void)
{
	pseudo_create(proc_root, "partitions", 0444, &partitions_ops, NULL);
	pseudo_create(proc_root, "diskstats", 0444, &diskstats_ops, NULL);
	return 0;
}
fs_initcall(blkdev_sysfs_init);
