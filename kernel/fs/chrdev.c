/*
 * kernel/fs/chrdev.c - from a device number to its driver. Drivers stay for ever once registered.
 *
 * Linux: fs/char_dev.c, and the opening half of block/fops.c.
 */
#include "kernel/fs/internal.h"

struct device_range {
	struct list_head link;
	bool block;
	unsigned int major, minor, count;
	const struct file_operations *fops;
	void *priv;
};
static LIST_HEAD(device_ranges);	/* device_lock */
static DEFINE_SPINLOCK(device_lock);

static int add_range(bool block, unsigned int major, unsigned int minor, unsigned int count,
		     const struct file_operations *fops, void *priv)
{
	struct device_range *r = kmalloc(sizeof(*r), GFP_KERNEL);

	if (!r)
		return -ENOMEM;
	*r = (struct device_range){
		.block = block, .major = major, .minor = minor, .count = count, .fops = fops, .priv = priv };
	spin_lock(&device_lock);
	list_add_tail(&r->link, &device_ranges);
	spin_unlock(&device_lock);
	return 0;
}

int register_chrdev(unsigned int major, unsigned int minor, unsigned int count,
		    const struct file_operations *fops, void *priv)
{
	return add_range(false, major, minor, count, fops, priv);
}

int register_blkdev(unsigned int major, unsigned int minor, unsigned int count,
		    const struct file_operations *fops, void *priv)
{
	return add_range(true, major, minor, count, fops, priv);
}

static struct device_range *find_range(bool block, dev_t dev)
{
	struct device_range *r, *found = NULL;

	spin_lock(&device_lock);
	list_for_each_entry(r, &device_ranges, link)
		if (r->block == block && r->major == MAJOR(dev) && MINOR(dev) - r->minor < r->count)
			found = r;
	spin_unlock(&device_lock);
	return found;
}

int device_open(struct inode *inode, struct file *f)
{
	struct device_range *r = find_range(S_ISBLK(inode->i_mode), inode->i_rdev);

	if (!r)
		return -ENXIO;
	f->f_op = r->fops;
	f->private_data = r->priv;
	return f->f_op->open ? f->f_op->open(inode, f) : 0;
}
