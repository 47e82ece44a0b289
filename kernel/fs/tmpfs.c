/*
 * kernel/fs/tmpfs.c - directories in memory: tmpfs, ramfs, the root file system, and devpts (an empty one).
 *
 * A directory is its list of dentries (dcache.c); the contents of regular files are mm/shmem.c's. The file
 * system types differ in limits and in the magic number alone: tmpfs takes at most half of RAM unless size=
 * says otherwise, the root and ramfs what there is.
 *
 * Options: size= (bytes, K, M, G, or N%), nr_blocks=, nr_inodes=, mode= (octal), uid=, gid=, huge= (accepted;
 * pages are small whatever it says). Linux: the second half of mm/shmem.c, fs/ramfs.
 */
#include "kernel/fs/internal.h"
#include "kernel/fs/tmpfs.h"
#include "mm/gfp.h"
#include "mm/shmem.h"

#define RAMFS_MAGIC	0x858458f6
#define DIRENT_SIZE	20 /* what an entry adds to the size of its directory, as Linux's tmpfs shows it */

static const struct inode_operations tmpfs_dir_iops, tmpfs_file_iops, tmpfs_symlink_iops;
static const struct file_operations tmpfs_dir_fops;

struct inode *tmpfs_get_inode(struct super_block *sb, struct inode *dir, umode_t mode, dev_t dev)
{
	struct shmem_sb_info *si = sb->s_fs_info;
	struct inode *inode;

	if (si->max_inodes && atomic_long_read(&si->used_inodes) >= (long)si->max_inodes)
		return NULL;
	inode = new_inode(sb);
	if (!inode)
		return NULL;
	atomic_long_inc(&si->used_inodes);
	inode_init_owner(inode, dir, mode);
	inode->i_op = &tmpfs_file_iops;
	inode->i_rdev = dev;
	if (S_ISREG(mode)) {
		inode->i_fop = &shmem_file_operations;
	} else if (S_ISDIR(mode)) {
		inode->i_op = &tmpfs_dir_iops;
		inode->i_fop = &tmpfs_dir_fops;
		inode->i_nlink = 2;
	} else if (S_ISLNK(mode)) {
		inode->i_op = &tmpfs_symlink_iops;
	}
	inode->i_seals = F_SEAL_SEAL;	/* only memfds can be sealed */
	return inode;
}

/* DIR gains (N = 1) or loses (-1) an entry. => DIR's i_rwsem */
static void dir_changed(struct inode *dir, int n)
{
	dir->i_size += n * DIRENT_SIZE;
	inode_set_mtime(dir);
}

/* An inode of MODE becomes D in DIR. 0 or -ENOSPC. */
static int make_node(struct inode *dir, struct dentry *d, umode_t mode, dev_t dev, char *link)
{
	struct inode *inode = tmpfs_get_inode(dir->i_sb, dir, mode, dev);

	if (!inode)
		return -ENOSPC;
	if (link) {
		inode->i_link = link;
		inode->i_size = strlen(link);
	}
	d_instantiate(d, inode);
	d_add(d);
	dir_changed(dir, 1);
	if (S_ISDIR(mode))
		dir->i_nlink++;
	return 0;
}

static int tmpfs_create(struct inode *dir, struct dentry *d, umode_t mode, dev_t dev)
{
	return make_node(dir, d, mode, dev, NULL);
}

static int tmpfs_mkdir(struct inode *dir, struct dentry *d, umode_t mode)
{
	return make_node(dir, d, S_IFDIR | mode, 0, NULL);
}

static int tmpfs_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	char *link = kstrdup(target, GFP_KERNEL);
	int err;

	if (!link)
		return -ENOMEM;
	err = make_node(dir, d, S_IFLNK | 0777, 0, link);
	if (err)
		kfree(link);
	return err;
}

static int tmpfs_link(struct dentry *old, struct inode *dir, struct dentry *d)
{
	struct inode *inode = old->d_inode;

	inode->i_nlink++;
	inode_set_ctime(inode);
	ihold(inode);
	d_instantiate(d, inode);
	d_add(d);
	dir_changed(dir, 1);
	return 0;
}

static int tmpfs_unlink(struct inode *dir, struct dentry *d)
{
	struct inode *inode = d->d_inode;

	inode->i_nlink--;
	inode_set_ctime(inode);
	dir_changed(dir, -1);
	d_unlink(d);
	return 0;
}

static int tmpfs_rmdir(struct inode *dir, struct dentry *d)
{
	d->d_inode->i_nlink--;	/* its "." */
	dir->i_nlink--;
	return tmpfs_unlink(dir, d);
}

static int tmpfs_rename(struct inode *olddir, struct dentry *old, struct inode *newdir, struct dentry *new,
			unsigned int flags)
{
	bool old_is_dir = S_ISDIR(old->d_inode->i_mode);

	if (flags & 2 /* RENAME_EXCHANGE */) {
		int delta = (int)S_ISDIR(new->d_inode->i_mode) - (int)old_is_dir;

		if (olddir != newdir) {
			olddir->i_nlink += delta;
			newdir->i_nlink -= delta;
		}
		d_exchange(old, new);
		inode_set_mtime(olddir);
		inode_set_mtime(newdir);
		return 0;
	}
	if (new->d_inode) {
		if (old_is_dir)
			tmpfs_rmdir(newdir, new);
		else
			tmpfs_unlink(newdir, new);
	}
	if (old_is_dir && olddir != newdir) {
		olddir->i_nlink--;
		newdir->i_nlink++;
	}
	dir_changed(olddir, -1);
	dir_changed(newdir, 1);
	inode_set_ctime(old->d_inode);
	d_move(old, new);
	return 0;
}

static int tmpfs_tmpfile(struct inode *dir, struct dentry *d, umode_t mode)
{
	struct inode *inode = tmpfs_get_inode(dir->i_sb, dir, S_IFREG | mode, 0);

	if (!inode)
		return -ENOSPC;
	inode->i_nlink = 0;
	d_instantiate(d, inode);
	return 0;
}

static int tmpfs_setattr(struct dentry *d, struct kstat *st, unsigned int valid)
{
	struct inode *inode = d->d_inode;
	int err = 0;

	if ((valid & ATTR_MODE) && (inode->i_seals & F_SEAL_EXEC) && ((inode->i_mode ^ st->mode) & 0111))
		return -EPERM;
	if (valid & ATTR_SIZE)
		err = S_ISREG(inode->i_mode) ? shmem_set_size(inode, st->size) : -EINVAL;
	if (!err)
		setattr_copy(inode, st, valid);
	return err;
}

static const struct inode_operations tmpfs_dir_iops = {
	.create = tmpfs_create,
	.mkdir = tmpfs_mkdir,
	.symlink = tmpfs_symlink,
	.link = tmpfs_link,
	.unlink = tmpfs_unlink,
	.rmdir = tmpfs_rmdir,
	.rename = tmpfs_rename,
	.tmpfile = tmpfs_tmpfile,
	.setattr = tmpfs_setattr,
};
static const struct inode_operations tmpfs_file_iops = { .setattr = tmpfs_setattr };
static const struct inode_operations tmpfs_symlink_iops = { .setattr = tmpfs_setattr };
static const struct file_operations tmpfs_dir_fops = {
	.read = generic_read_dir,
	.llseek = dcache_dir_llseek,
	.iterate = dcache_readdir,
	.fsync = noop_fsync,
};

/* ---- Superblocks ---- */

static int tmpfs_statfs(struct super_block *sb, u64 *blocks, u64 *bfree, u64 *files, u64 *ffree)
{
	struct shmem_sb_info *si = sb->s_fs_info;
	u64 used = atomic_long_read(&si->used_blocks), inodes = atomic_long_read(&si->used_inodes);

	*blocks = si->max_blocks;
	*bfree = si->max_blocks > used ? si->max_blocks - used : 0;
	*files = si->max_inodes;
	*ffree = si->max_inodes > inodes ? si->max_inodes - inodes : 0;
	return 0;
}

static void tmpfs_put_super(struct super_block *sb)
{
	kfree(sb->s_fs_info);
}

/* size= and friends: bytes with a suffix, or a percentage of RAM; in pages. */
static int parse_size(const char *value, u64 *pages)
{
	char *end;
	u64 n = memparse(value, &end);

	if (end == value)
		return -EINVAL;
	if (*end == '%') {
		*pages = n * totalram_pages() / 100;
		end++;
	} else {
		*pages = DIV_ROUND_UP(n, PAGE_SIZE);
	}
	return *end ? -EINVAL : 0;
}

static int parse_option(struct shmem_sb_info *si, const char *name, const char *value)
{
	unsigned long n;
	int err;

	if (!strcmp(name, "size"))
		return parse_size(value, &si->max_blocks);
	if (!strcmp(name, "nr_blocks") || !strcmp(name, "nr_inodes")) {
		char *end;

		n = memparse(value, &end);
		if (end == value || *end)
			return -EINVAL;
		*(name[3] == 'b' ? &si->max_blocks : &si->max_inodes) = n;
		return 0;
	}
	if (!strcmp(name, "huge"))
		return !strcmp(value, "never") || !strcmp(value, "always") || !strcmp(value, "within_size") ||
		       !strcmp(value, "advise") ? 0 : -EINVAL;
	if (!strcmp(name, "mode")) {
		err = kstrtoul(value, 8, &n);
		si->mode = n & 07777;
		return err;
	}
	if (!strcmp(name, "uid") || !strcmp(name, "gid")) {
		err = kstrtoul(value, 10, &n);
		*(name[0] == 'u' ? &si->uid : &si->gid) = n;
		return err;
	}
	return -EINVAL;
}

/* DATA is altered; NULL: nothing to do. */
static int parse_options(struct shmem_sb_info *si, char *data)
{
	char *word, *value;
	int err;

	while (data && (word = kstrsep(&data, ","))) {
		if (!*word)
			continue;
		value = strchr(word, '=');
		if (!value)
			return -EINVAL;
		*value++ = '\0';
		err = parse_option(si, word, value);
		if (err)
			return -EINVAL;
	}
	return 0;
}

static int tmpfs_remount(struct super_block *sb, char *data)
{
	struct shmem_sb_info *si = sb->s_fs_info, new = *si;

	if (parse_options(&new, data))
		return -EINVAL;
	/* Not below what is in use. */
	if ((new.max_blocks && (long)new.max_blocks < atomic_long_read(&si->used_blocks)) ||
	    (new.max_inodes && (long)new.max_inodes < atomic_long_read(&si->used_inodes)))
		return -EINVAL;
	si->max_blocks = new.max_blocks;
	si->max_inodes = new.max_inodes;
	return 0;
}

static int tmpfs_show_options(struct super_block *sb, char *buf, size_t size)
{
	struct shmem_sb_info *si = sb->s_fs_info;
	size_t n = 0;

	if (si->max_blocks)
		n += scnprintf(buf + n, size - n, ",size=%lluk",
			       (unsigned long long)si->max_blocks * (PAGE_SIZE / 1024));
	if (si->max_inodes)
		n += scnprintf(buf + n, size - n, ",nr_inodes=%llu", (unsigned long long)si->max_inodes);
	if (si->mode != 01777)
		scnprintf(buf + n, size - n, ",mode=%03o", si->mode);
	return 0;
}

static const struct super_operations tmpfs_sops = {
	.evict_inode = shmem_evict_inode,
	.statfs = tmpfs_statfs,
	.put_super = tmpfs_put_super,
	.remount = tmpfs_remount,
	.show_options = tmpfs_show_options,
};

/* A superblock with these limits and a root directory; SI is consumed. ERR_PTR. */
static struct super_block *fill_super(struct file_system_type *t, u64 magic, struct shmem_sb_info *si)
{
	struct super_block *sb = sb_alloc(t, magic, &tmpfs_sops);
	struct inode *root;

	if (!sb) {
		kfree(si);
		return ERR_PTR(-ENOMEM);
	}
	sb->s_fs_info = si;
	root = tmpfs_get_inode(sb, NULL, S_IFDIR | si->mode, 0);
	if (root) {
		root->i_uid = si->uid;
		root->i_gid = si->gid;
		sb->s_root = d_make_root(sb, root);
	}
	if (sb->s_root)
		return sb;
	deactivate_super(sb);
	return ERR_PTR(-ENOMEM);
}

static struct super_block *tmpfs_get_sb(struct file_system_type *t, const char *dev, char *data,
					unsigned int flags)
{
	struct shmem_sb_info *si = kzalloc(sizeof(*si), GFP_KERNEL);

	if (!si)
		return ERR_PTR(-ENOMEM);
	si->max_blocks = si->max_inodes = totalram_pages() / 2;
	si->mode = 01777;
	si->uid = current_cred()->fsuid;
	si->gid = current_cred()->fsgid;
	if (parse_options(si, data)) {
		kfree(si);
		return ERR_PTR(-EINVAL);
	}
	return fill_super(t, TMPFS_MAGIC, si);
}

struct super_block *tmpfs_new_super(struct file_system_type *t, u64 magic, umode_t mode)
{
	struct shmem_sb_info *si = kzalloc(sizeof(*si), GFP_KERNEL);

	if (!si)
		return ERR_PTR(-ENOMEM);
	si->mode = mode;
	return fill_super(t, magic, si);
}

static struct super_block *rootfs_get_sb(struct file_system_type *t, const char *dev, char *data,
					 unsigned int flags)
{
	return tmpfs_new_super(t, TMPFS_MAGIC, 0755);
}

static struct super_block *ramfs_get_sb(struct file_system_type *t, const char *dev, char *data,
					unsigned int flags)
{
	return tmpfs_new_super(t, RAMFS_MAGIC, 0755);
}

static struct super_block *devpts_get_sb(struct file_system_type *t, const char *dev, char *data,
					 unsigned int flags)
{
	return tmpfs_new_super(t, DEVPTS_MAGIC, 0755);
}

struct file_system_type tmpfs_type = { .name = "tmpfs", .nodev = true, .get_sb = tmpfs_get_sb };
struct file_system_type rootfs_type = { .name = "rootfs", .nodev = true, .get_sb = rootfs_get_sb };
static struct file_system_type ramfs_type = { .name = "ramfs", .nodev = true, .get_sb = ramfs_get_sb };
static struct file_system_type devpts_type = { .name = "devpts", .nodev = true, .get_sb = devpts_get_sb };

void tmpfs_init(void)
{
	register_filesystem(&tmpfs_type);
	register_filesystem(&ramfs_type);
	register_filesystem(&devpts_type);
}
