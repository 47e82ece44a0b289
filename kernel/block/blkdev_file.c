/*
 * kernel/block/blkdev_file.c - device nodes of disks: open, read, write, seek, fsync, sizes by ioctl.
 *
 * Ordinary reads and writes go through the cache (blkdev_cache.c), those of a file opened with O_DIRECT past
 * it (blkdev_direct.c). The last close writes everything and drops the cache, as in Linux.
 *
 * Not here: mmap, partitions, discard, read-only by ioctl. Linux: block/fops.c, block/ioctl.c.
 */
#include "arch-x86_64/uaccess.h"
#include "kernel/block/internal.h"
#include "kernel/task/cred.h"
#include "mm/page.h"

#define O_DSYNC		010000		/* a part of O_SYNC */

#define BLKROSET	0x125D
#define BLKROGET	0x125E
#define BLKRRPART	0x125F
#define BLKGETSIZE	0x1260
#define BLKFLSBUF	0x1261
#define BLKRASET	0x1262
#define BLKRAGET	0x1263
#define BLKFRASET	0x1264
#define BLKFRAGET	0x1265
#define BLKSSZGET	0x1268
#define BLKDISCARD	0x1277
#define BLKIOMIN	0x1278
#define BLKIOOPT	0x1279
#define BLKALIGNOFF	0x127A
#define BLKPBSZGET	0x127B
#define BLKSECDISCARD	0x127D
#define BLKROTATIONAL	0x127E
#define BLKZEROOUT	0x127F
#define BLKBSZGET	0x80081270
#define BLKBSZSET	0x40081271
#define BLKGETSIZE64	0x80081272

static int blkdev_open(struct inode *inode, struct file *f)
{
	struct block_device *bdev = f->private_data;
	int err = 0;

	if ((f->f_mode & FMODE_WRITE) && bdev->bd_read_only)
		return -EROFS;
	spin_lock(&block_lock);
	/*
	 * The node is free to be opened by many, but not by one who wants it alone while another uses it
	 * alone.
	 */
	if ((f->f_flags & O_EXCL) && bdev->bd_holder)
		err = -EBUSY;
	else if (f->f_flags & O_EXCL)
		bdev->bd_holder = f;
	if (!err)
		bdev->bd_openers++;
	spin_unlock(&block_lock);
	return err;
}

static void blkdev_release(struct inode *inode, struct file *f)
{
	struct block_device *bdev = f->private_data;
	bool last;

	spin_lock(&block_lock);
	last = bdev->bd_openers == 1;
	spin_unlock(&block_lock);
	/* Before the disk is free for another holder. Whoever opens it meanwhile loses nothing by this. */
	if (last)
		invalidate_bdev(bdev);
	spin_lock(&block_lock);
	if (bdev->bd_holder == f)
		bdev->bd_holder = NULL;
	bdev->bd_openers--;
	spin_unlock(&block_lock);
}

static ssize_t blkdev_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
	struct block_device *bdev = f->private_data;

	if (!to->count || *pos >= bdev_size(bdev))
		return 0;
	if ((f->f_flags & O_DIRECT) && !to->kernel)
		return blkdev_direct_io(bdev, REQ_OP_READ, to, pos);
	return blkdev_cached_read(bdev, to, pos);
}

static ssize_t blkdev_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
	struct block_device *bdev = f->private_data;
	ssize_t n;
	int err;

	if (!from->count)
		return 0;
	if (*pos >= bdev_size(bdev))
		return -ENOSPC;
	if ((f->f_flags & O_DIRECT) && !from->kernel)
		n = blkdev_direct_io(bdev, REQ_OP_WRITE, from, pos);
	else
		n = blkdev_cached_write(bdev, from, pos);
	if (n <= 0 || !(f->f_flags & O_DSYNC))
		return n;
	err = blkdev_flush(bdev);
	return err ? err : n;
}

static int blkdev_fsync(struct file *f)
{
	return blkdev_flush(f->private_data);
}

static loff_t blkdev_llseek(struct file *f, loff_t off, int whence)
{
	struct block_device *bdev = f->private_data;

	switch (whence) {
	case 2:
		off += bdev_size(bdev);
		break;
	case 1:
		off += f->f_pos;
		break;
	case 0:
		break;
	default:
		return -EINVAL;
	}
	if (off < 0 || off > bdev_size(bdev))
		return -EINVAL;
	f->f_pos = off;
	return off;
}

static long blkdev_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
	struct block_device *bdev = f->private_data;
	void __user *p = (void __user *)arg;

	switch (cmd) {
	case BLKGETSIZE64:
		return put_user((u64)bdev_size(bdev), (u64 __user *)p);
	case BLKGETSIZE:
		return put_user((unsigned long)bdev->bd_sectors, (unsigned long __user *)p);
	case BLKSSZGET:
	case BLKPBSZGET:
	case BLKIOMIN:
		return put_user((int)bdev->bd_logical_block, (int __user *)p);
	case BLKBSZGET:
		return put_user((int)PAGE_SIZE, (int __user *)p);
	case BLKROGET:
		return put_user((int)bdev->bd_read_only, (int __user *)p);
	case BLKIOOPT:
	case BLKALIGNOFF:
		return put_user(0, (int __user *)p);
	case BLKROTATIONAL:
		return put_user((u16)bdev->bd_rotational, (u16 __user *)p);
	case BLKRAGET:
	case BLKFRAGET:
		return put_user(0L, (long __user *)p);
	case BLKRASET:		/* nothing is read ahead of buffered readers: all sizes are the same */
	case BLKFRASET:
	case BLKBSZSET:
		return capable(CAP_SYS_ADMIN) ? 0 : -EACCES;
	case BLKFLSBUF:
		if (!capable(CAP_SYS_ADMIN))
			return -EACCES;
		invalidate_bdev(bdev);
		return 0;
	case BLKDISCARD:
	case BLKSECDISCARD:
	case BLKZEROOUT:
		return -EOPNOTSUPP;
	case BLKROSET:
	case BLKRRPART:
		return -EINVAL;
	}
	return -ENOTTY;
}

const struct file_operations blkdev_fops = {
	.open = blkdev_open, .release = blkdev_release, .read = blkdev_read, .write = blkdev_write,
	.llseek = blkdev_llseek, .fsync = blkdev_fsync, .ioctl = blkdev_ioctl,
};
