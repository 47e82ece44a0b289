/*
 * kernel/fs/anon_inode.c - files without a directory entry: pipes, sockets, eventfds, pidfds.
 *
 * Each kind lives in a file system of its own that is mounted nowhere, so that stat and statfs have something
 * to say. The dentry's name ("pipe:[7]") is what /proc/PID/fd shows. All files of anon_inode_getfile() share
 * one inode, as in Linux: fs/anon_inodes.c, alloc_file_pseudo().
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/uaccess.h"

#define SOCKFS_MAGIC 0x534f434b

struct mount *anon_mnt, *pipe_mnt, *sock_mnt;
static struct inode *anon_inode;

static int anon_statfs(struct super_block *sb, u64 *blocks, u64 *bfree, u64 *files, u64 *ffree)
{
	return 0;
}

static const struct super_operations anon_sops = { .statfs = anon_statfs };

static struct super_block *nameless_get_sb(struct file_system_type *t, u64 magic)
{
	struct super_block *sb = sb_alloc(t, magic, &anon_sops);
	struct inode *root = sb ? new_inode(sb) : NULL;

	if (!root)
		return ERR_PTR(-ENOMEM);
	root->i_mode = S_IFDIR | 0600;
	sb->s_root = d_make_root(sb, root);
	return sb->s_root ? sb : ERR_PTR(-ENOMEM);
}

static struct super_block *anon_get_sb(struct file_system_type *t, const char *dev, char *data,
				       unsigned int flags)
{
	return nameless_get_sb(t, ANON_INODE_MAGIC);
}

static struct super_block *pipe_get_sb(struct file_system_type *t, const char *dev, char *data,
				       unsigned int flags)
{
	return nameless_get_sb(t, PIPEFS_MAGIC);
}

static struct super_block *sock_get_sb(struct file_system_type *t, const char *dev, char *data,
				       unsigned int flags)
{
	return nameless_get_sb(t, SOCKFS_MAGIC);
}

static struct file_system_type anon_type = { .name = "anon_inodefs", .nodev = true, .get_sb = anon_get_sb };
static struct file_system_type pipe_type = { .name = "pipefs", .nodev = true, .get_sb = pipe_get_sb };
static struct file_system_type sock_type = { .name = "sockfs", .nodev = true, .get_sb = sock_get_sb };

void anon_inode_init(void)
{
	anon_mnt = kern_mount(&anon_type);
	pipe_mnt = kern_mount(&pipe_type);
	sock_mnt = kern_mount(&sock_type);
	anon_inode = new_inode(anon_mnt->mnt_sb);
	if (!anon_inode)
		panic("no memory for the anonymous inode");
	anon_inode->i_mode = 0600;
}

struct dentry *anon_dentry(struct mount *mnt, const char *kind, umode_t mode)
{
	struct inode *inode = new_inode(mnt->mnt_sb);
	struct dentry *d;
	char name[40];

	if (!inode)
		return ERR_PTR(-ENOMEM);
	inode_init_owner(inode, NULL, mode);
	snprintf(name, sizeof(name), "%s:[%llu]", kind, (unsigned long long)inode->i_ino);
	d = d_alloc_detached(mnt->mnt_sb, name, inode, DCACHE_DNAME);
	if (d)
		return d;
	iput(inode);
	return ERR_PTR(-ENOMEM);
}

/* NAME "[pidfd]" shows as "anon_inode:[pidfd]"; any other name as it is. */
struct file *anon_inode_getfile(const char *name, const struct file_operations *fops, void *priv, int flags)
{
	char full[64];
	struct dentry *d;
	struct file *f;

	snprintf(full, sizeof(full), "%s%s", name[0] == '[' ? "anon_inode:" : "", name);
	ihold(anon_inode);
	d = d_alloc_detached(anon_mnt->mnt_sb, full, anon_inode, DCACHE_DNAME);
	if (!d) {
		iput(anon_inode);
		return ERR_PTR(-ENOMEM);
	}
	f = alloc_file_pseudo(anon_mnt, d, flags & (O_ACCMODE | O_NONBLOCK), fops);
	if (IS_ERR(f))
		dput(d);
	else
		f->private_data = priv;
	return f;
}

int anon_inode_getfd(const char *name, const struct file_operations *fops, void *priv, int flags)
{
	int fd = get_unused_fd_flags(flags);
	struct file *f;

	if (fd < 0)
		return fd;
	f = anon_inode_getfile(name, fops, priv, flags);
	if (IS_ERR(f)) {
		put_unused_fd(fd);
		return PTR_ERR(f);
	}
	fd_install(fd, f);
	return fd;
}

int install_pair(struct file *f[2], int flags, int __user *ufd)
{
	int fd[2];

	fd[0] = get_unused_fd_flags(flags);
	if (fd[0] < 0)
		goto bad0;
	fd[1] = get_unused_fd_flags(flags);
	if (fd[1] < 0)
		goto bad1;
	if (copy_to_user(ufd, fd, sizeof(fd))) {
		put_unused_fd(fd[1]);
		fd[1] = -EFAULT;
		goto bad1;
	}
	fd_install(fd[0], f[0]);
	fd_install(fd[1], f[1]);
	return 0;
bad1:
	put_unused_fd(fd[0]);
	fd[0] = fd[1];
bad0:
	fput(f[0]);
	fput(f[1]);
	return fd[0];
}
