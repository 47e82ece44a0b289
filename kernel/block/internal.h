/*
 * kernel/block/internal.h - what the files of kernel/block share; nobody else includes it.
 */
#ifndef KERNEL_BLOCK_INTERNAL_H
#define KERNEL_BLOCK_INTERNAL_H

#include "kernel/block/block.h"
#include "kernel/fs/fs.h"
#include "kernel/locking/spinlock.h"

/*
 * block.c: all disks, in the order in which they came; disks are only added, so that a reader needs no lock
 * to go on.
 */
extern struct list_head block_devices;		/* block_lock to add */
extern spinlock_t block_lock;			/* bd_holder, bd_openers */

/* blkdev_sysfs.c: /sys/block/NAME. */
void blkdev_add_sysfs(struct block_device *bdev);
/* blkdev_cache.c: the inode that bdev's cached blocks hang on. 0 or -ENOMEM. */
int blkdev_cache_init(struct block_device *bdev);
/*
 * Copy between the cache and an iterator, up to its end or the end of the disk; *POS moves. Bytes or -errno.
 * May sleep.
 */
ssize_t blkdev_cached_read(struct block_device *bdev, struct iov_iter *to, loff_t *pos);
ssize_t blkdev_cached_write(struct block_device *bdev, struct iov_iter *from, loff_t *pos);
/*
 * Write, or drop, what is cached of N bytes from POS on: before and after somebody goes to the disk directly.
 */
int blkdev_write_range(struct block_device *bdev, loff_t pos, size_t n);
void blkdev_drop_range(struct block_device *bdev, loff_t pos, size_t n);
/* Everything that was written so far is safe on the medium: cache, then the disk's own. 0 or -EIO. */
int blkdev_flush(struct block_device *bdev);

/* blkdev_direct.c: O_DIRECT, straight into or out of the user's pages. Bytes or -errno. May sleep. */
ssize_t blkdev_direct_io(struct block_device *bdev, enum req_op op, struct iov_iter *it, loff_t *pos);

/* blkdev_file.c: what open, read, write, ... on the device node do. */
extern const struct file_operations blkdev_fops;

static inline loff_t bdev_size(const struct block_device *bdev)
{
	return (loff_t)bdev->bd_sectors << SECTOR_SHIFT;
}

#endif
