/*
 * kernel/fs/pseudofs.c - procfs, sysfs and debugfs: trees of files whose contents the kernel makes when they
 * are read.
 *
 * One superblock each, made at boot, so that files can be registered before anything is mounted; every mount
 * shows the same tree. Registered files stay for ever. /proc/PID is made on lookup: proc_base.c.
 *
 * A write hands the method one whole value. O_TRUNC and O_CREAT on an existing file are harmless, as the shell's
 * redirection needs them. Linux: fs/proc/generic.c, fs/kernfs, fs/debugfs, kernel/sysctl.c.
 */
#include "kernel/fs/pseudofs_internal.h"

struct pseudo_fs {
	struct file_system_type type;
	u64 magic;
	umode_t root_mode;
	struct super_block *sb;
};

static struct pseudo_fs proc_fs, sysfs_fs, debugfs_fs;
struct pseudo_node *proc_root, *sysfs_root, *debugfs_root, *quire_debug_root, *tracefs_root;
static const struct file_operations pseudo_file_fops;
static const struct inode_operations pseudo_file_iops;

/* ---- Inodes ---- */

struct inode *pseudo_new_inode(struct super_block *sb, umode_t mode, const struct pseudo_ops *ops, void *data)
{
	struct pseudo_node *n = kzalloc(sizeof(*n), GFP_KERNEL);
	struct inode *inode = n ? new_inode(sb) : NULL;

	if (!inode) {
		kfree(n);
		return NULL;
	}
	n->ops = ops;
	n->data = data;
	inode->i_private = n;
	inode->i_mode = mode;
	if (S_ISDIR(mode)) {
		inode->i_nlink = 2;
		inode->i_op = &pseudo_dir_iops;
		inode->i_fop = &pseudo_dir_fops;
	} else if (S_ISREG(mode)) {
		inode->i_op = &pseudo_file_iops;
		inode->i_fop = ops->fops ? ops->fops : &pseudo_file_fops;
		inode->i_size = sb->s_magic == SYSFS_MAGIC ? PAGE_SIZE : 0;
	}
	return inode;
}

static void pseudo_evict(struct inode *inode)
{
	struct pseudo_node *n = inode->i_private;

	if (n && n->task)
		put_task_struct(n->task);
	kfree(n);
}

int pseudo_setattr(struct dentry *d, struct kstat *st, unsigned int valid)
{
	const struct pseudo_ops *ops = pseudo_node(d->d_inode)->ops;

	if ((valid & ATTR_SIZE) && ops && ops->truncate)
		ops->truncate(pseudo_node(d->d_inode)->data);
	if (!(valid & ~ATTR_SIZE))
		return 0;	/* O_TRUNC: the contents of most files are made anew anyway */
	if (d->d_sb == proc_fs.sb)
		return -EPERM;
	setattr_copy(d->d_inode, st, valid & ~ATTR_SIZE);
	return 0;
}

const struct inode_operations pseudo_dir_iops = { .setattr = pseudo_setattr };
static const struct inode_operations pseudo_file_iops = { .setattr = pseudo_setattr };
const struct file_operations pseudo_dir_fops = {
	.read = generic_read_dir, .llseek = dcache_dir_llseek, .iterate = dcache_readdir,
};

void *pseudo_data(struct file *f)
{
	return pseudo_node(f->f_inode)->data;
}

struct task_struct *pseudo_task(struct file *f)
{
	return pseudo_node(f->f_inode)->task;
}

/* ---- Files ---- */

static int pseudo_open(struct inode *inode, struct file *f)
{
	struct pseudo_node *n = pseudo_node(inode);
	struct seq_file *m;
	int err = 0;

	f->private_data = NULL;
	if (n->ops->seq)
		err = seq_open(f, n->ops->seq);
	else if (n->ops->show)
		err = single_open(f, n->ops->show, n->data);
	m = f->private_data;
	if (!err && m) {
		m->private = n->data;
		m->task = n->task;
	}
	return err;
}

static ssize_t pseudo_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
	struct pseudo_node *n = pseudo_node(f->f_inode);

	if (!f->private_data)
		return -EIO;
	if (n->task && !proc_task_alive(n->task))
		return -ESRCH;
	return seq_read(f, to, pos);
}

static ssize_t pseudo_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
	struct pseudo_node *n = pseudo_node(f->f_inode);
	size_t len = from->count, max = n->ops->max_write ? n->ops->max_write : PAGE_SIZE - 1;
	ssize_t ret;
	char *buf;

	if (!n->ops->write)
		return -EIO;
	if (n->task && !proc_task_alive(n->task))
		return -ESRCH;
	if (!len)
		return 0;
	if (len > max)
		return -EINVAL;
	buf = kmalloc(len + 1, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	ret = -EFAULT;
	if (copy_from_iter(buf, len, from) == len) {
		buf[len] = '\0';
		ret = n->ops->write(f, buf, len, n->data, n->task);
	}
	kfree(buf);
	if (ret > 0)
		*pos += ret;
	return ret;
}

static loff_t pseudo_llseek(struct file *f, loff_t off, int whence)
{
	return seq_lseek(f, off, whence);
}

static const struct file_operations pseudo_file_fops = {
	.open = pseudo_open,
	.read = pseudo_read,
	.write = pseudo_write,
	.llseek = pseudo_llseek,
	.release = seq_release,
};

/* ---- Building the trees ---- */

/* What is called NAME (LEN bytes) in PARENT, or NULL. */
static struct pseudo_node *find(struct pseudo_node *parent, const char *name, size_t len)
{
	struct dentry *d = d_lookup(parent->dentry, name, len);
	struct pseudo_node *n = NULL;

	if (d) {
		n = pseudo_node(d->d_inode);
		dput(d);	/* it stays for ever */
	}
	return n;
}

/* Make it, unless it is there. */
static struct pseudo_node *make(struct pseudo_node *parent, const char *name, size_t len, umode_t mode,
				const struct pseudo_ops *ops, void *data, const char *target)
{
	struct inode *dir = parent->dentry->d_inode, *inode;
	struct pseudo_node *n;
	struct dentry *d;

	down_write(&dir->i_rwsem);
	n = find(parent, name, len);
	if (n) {
		up_write(&dir->i_rwsem);
		return n;
	}
	d = d_alloc(parent->dentry, name, len);
	inode = pseudo_new_inode(parent->dentry->d_sb, mode, ops, data);
	if (inode && target)
		inode->i_link = kstrdup(target, GFP_KERNEL);
	if (!d || !inode || (target && !inode->i_link))
		panic("no memory to register the file %s", name);
	n = pseudo_node(inode);
	n->dentry = d;
	if (target)
		inode->i_size = strlen(target);
	if (S_ISDIR(mode))
		dir->i_nlink++;
	d_instantiate(d, inode);
	d_add(d);
	dput(d);	/* the tree's own reference keeps it */
	up_write(&dir->i_rwsem);
	return n;
}

static umode_t dir_mode(const struct pseudo_node *parent)
{
	return S_IFDIR | (parent->dentry->d_sb == proc_fs.sb ? 0555 : 0755);
}

struct pseudo_node *pseudo_mkdir(struct pseudo_node *parent, const char *name)
{
	return make(parent, name, strlen(name), dir_mode(parent), NULL, NULL, NULL);
}

struct pseudo_node *pseudo_mkpath(struct pseudo_node *parent, const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len)
			parent = make(parent, path, len, dir_mode(parent), NULL, NULL, NULL);
		path += len;
		while (*path == '/')
			path++;
	}
	return parent;
}

struct pseudo_node *pseudo_create(struct pseudo_node *parent, const char *name, umode_t mode,
				  const struct pseudo_ops *ops, void *data)
{
	return make(parent, name, strlen(name), S_IFREG | (mode & 07777), ops, data, NULL);
}

struct pseudo_node *pseudo_symlink(struct pseudo_node *parent, const char *name, const char *target)
{
	return make(parent, name, strlen(name), S_IFLNK | 0777, NULL, NULL, target);
}

/* ---- /proc/sys: integers with limits ---- */

struct sysctl_int { int *value, min, max; };

static int sysctl_show(struct seq_file *m, void *data)
{
	struct sysctl_int *s = data;

	seq_printf(m, "%d\n", READ_ONCE(*s->value));
	return 0;
}

static ssize_t sysctl_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	struct sysctl_int *s = data;
	int v, err = kstrtoint(strim(buf), 0, &v);

	if (err || v < s->min || v > s->max)
		return -EINVAL;
	WRITE_ONCE(*s->value, v);
	return len;
}

static const struct pseudo_ops sysctl_ops = { .show = sysctl_show, .write = sysctl_write };

struct pseudo_node *proc_sys_int(const char *path, umode_t mode, int *value, int min, int max)
{
	struct sysctl_int *s = kzalloc(sizeof(*s), GFP_KERNEL);
	struct pseudo_node *dir = pseudo_mkdir(proc_root, "sys");
	const char *name = strrchr(path, '/');
	char *head;

	if (!s)
		panic("no memory to register /proc/sys/%s", path);
	*s = (struct sysctl_int){ value, min, max };
	if (name) {
		head = kstrndup(path, name - path, GFP_KERNEL);
		if (!head)
			panic("no memory to register /proc/sys/%s", path);
		dir = pseudo_mkpath(dir, head);
		kfree(head);
	}
	return pseudo_create(dir, name ? name + 1 : path, mode, &sysctl_ops, s);
}

/* ---- The three file systems ---- */

static int pseudo_statfs(struct super_block *sb, u64 *blocks, u64 *bfree, u64 *files, u64 *ffree)
{
	return 0;
}

static const struct super_operations pseudo_sops = { .evict_inode = pseudo_evict, .statfs = pseudo_statfs };

static struct super_block *pseudo_get_sb(struct file_system_type *t, const char *dev, char *data,
					 unsigned int flags)
{
	struct super_block *sb = container_of(t, struct pseudo_fs, type)->sb;

	atomic_inc(&sb->s_active);
	return sb;
}

static struct pseudo_fs proc_fs = {
	.type = { .name = "proc", .nodev = true, .get_sb = pseudo_get_sb },
	.magic = PROC_SUPER_MAGIC,
	.root_mode = 0555,
};
static struct pseudo_fs sysfs_fs = {
	.type = { .name = "sysfs", .nodev = true, .get_sb = pseudo_get_sb },
	.magic = SYSFS_MAGIC,
	.root_mode = 0555,
};
static struct pseudo_fs debugfs_fs = {
	.type = { .name = "debugfs", .nodev = true, .get_sb = pseudo_get_sb },
	.magic = DEBUGFS_MAGIC,
	.root_mode = 0700,
};

static struct pseudo_fs tracefs_fs = {
	.type = { .name = "tracefs", .nodev = true, .get_sb = pseudo_get_sb },
	.magic = TRACEFS_MAGIC,
};

/* tracefs has no tree of its own: a mount of it shows the directory tracing of debugfs. */
static void make_tracefs(void)
{
	tracefs_root = pseudo_mkdir(debugfs_root, "tracing");
	tracefs_root->dentry->d_inode->i_mode = S_IFDIR | 0700;
	tracefs_fs.sb = sb_alloc(&tracefs_fs.type, tracefs_fs.magic, &pseudo_sops);
	if (!tracefs_fs.sb)
		panic("no memory for tracefs");
	tracefs_fs.sb->s_root = tracefs_root->dentry;
	register_filesystem(&tracefs_fs.type);
}

static struct pseudo_node *make_fs(struct pseudo_fs *fs)
{
	struct inode *root;
	struct pseudo_node *n;

	fs->sb = sb_alloc(&fs->type, fs->magic, &pseudo_sops);
	root = fs->sb ? pseudo_new_inode(fs->sb, S_IFDIR | fs->root_mode, NULL, NULL) : NULL;
	if (root)
		fs->sb->s_root = d_make_root(fs->sb, root);
	if (!root || !fs->sb->s_root)
		panic("no memory for %s", fs->type.name);
	n = pseudo_node(root);
	n->dentry = fs->sb->s_root;
	register_filesystem(&fs->type);
	return n;
}

void pseudofs_init(void)
{
	proc_root = make_fs(&proc_fs);
	sysfs_root = make_fs(&sysfs_fs);
	debugfs_root = make_fs(&debugfs_fs);
	quire_debug_root = pseudo_mkdir(debugfs_root, "quire");
	make_tracefs();
	pseudo_mkpath(sysfs_root, "kernel/debug");
	pseudo_mkpath(sysfs_root, "kernel/mm");
	pseudo_mkpath(sysfs_root, "kernel/tracing");
	pseudo_mkpath(sysfs_root, "fs");
	pseudo_mkpath(sysfs_root, "block");
	pseudo_mkpath(sysfs_root, "dev/block");
	pseudo_mkpath(sysfs_root, "dev/char");
}
