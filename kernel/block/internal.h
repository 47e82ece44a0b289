/*
 * kernel/block/internal.h - what the files of kernel/block share; nobody else includes it.
 */
#ifndef KERNEL_BLOCK_INTERNAL_H
#define KERNEL_BLOCK_INTERNAL_H

#include "kernel/block/block.h"
#include "kernel/fs/fs.h"
#include "kernel/locking/spinlock.h"

/* block.c: all disks, in the order in which they came; disks are only added, so that a reader needs no lock to go on. */
extern struct list_head block_devices;		/* block_lock to add */
extern spinlock_t block_lock;			/* bd_holder, bd_openers */

/* blkdev_sysfs.c: /sys/block/NAME. */
void blkdev_add_sysfs(struct block_device *bdev);
/* blkdev_file.c: what open, read, write, ... on the device node do. */
extern const struct file_operations blkdev_fops;

static inline loff_t bdev_size(const struct block_device *bdev) { return (loff_t)bdev->bd_sectors << SECTOR_SHIFT; }

#endif
