/*
 * kernel/fs/devtmpfs.c - the /dev that fills itself: one superblock for all mounts; drivers add their nodes.
 *
 * Linux: drivers/base/devtmpfs.c (a kernel thread there, plain calls here).
 */
#include "kernel/fs/internal.h"
#include "kernel/fs/tmpfs.h"

static struct super_block *devtmpfs_sb;

static struct super_block *devtmpfs_get_sb(struct file_system_type *t, const char *dev, char *data,
					   unsigned int flags)
{
	atomic_inc(&devtmpfs_sb->s_active);
	return devtmpfs_sb;
}

static struct file_system_type devtmpfs_type = {
	.name = "devtmpfs", .nodev = true, .get_sb = devtmpfs_get_sb,
};

/*
 * The entry LEN bytes of NAME of DIR, made with MODE if it is not there. Consumes DIR's reference. ERR_PTR.
 */
static struct dentry *dev_entry(struct dentry *dir, const char *name, unsigned int len, umode_t mode,
				dev_t dev)
{
	struct inode *di = dir->d_inode;
	struct dentry *d;
	int err = -ENOMEM;

	down_write(&di->i_rwsem);
	d = d_lookup(dir, name, len);
	if (!d) {
		d = d_alloc(dir, name, len);
		if (d)
			err = S_ISDIR(mode) ? di->i_op->mkdir(di, d, mode & 07777)
					    : di->i_op->create(di, d, mode, dev);
		if (err) {
			if (d)
				dput(d);
			d = ERR_PTR(err);
		}
	}
	up_write(&di->i_rwsem);
	dput(dir);
	return d;
}

/* NAME may contain directories ("input/mice"). */
int devtmpfs_create(const char *name, umode_t mode, dev_t dev)
{
	struct dentry *d = devtmpfs_sb->s_root;

	dget(d);
	while (!IS_ERR(d) && *name) {
		unsigned int len = strcspn(name, "/");
		bool last = !name[len];

		d = dev_entry(d, name, len, last ? mode : S_IFDIR | 0755, last ? dev : 0);
		name += len + !last;
	}
	if (IS_ERR(d))
		return PTR_ERR(d);
	dput(d);
	return 0;
}

void devtmpfs_init(void)
{
	devtmpfs_sb = tmpfs_new_super(&devtmpfs_type, TMPFS_MAGIC, 0755);
	if (IS_ERR(devtmpfs_sb))
		panic("no memory for devtmpfs");
	register_filesystem(&devtmpfs_type);
	devtmpfs_create("shm", S_IFDIR | 01777, 0);
	devtmpfs_create("pts", S_IFDIR | 0755, 0);
}
