/*
 * kernel/fs/stat.c - stat and statfs in the user's layouts; extended attributes, of which there are none.
 *
 * Linux: fs/stat.c, fs/statfs.c, fs/xattr.c.
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/task/syscall.h"

struct user_stat {
	u64 st_dev, st_ino, st_nlink;
	u32 st_mode, st_uid, st_gid, pad0;
	u64 st_rdev;
	s64 st_size, st_blksize, st_blocks;
	struct timespec64 st_atim, st_mtim, st_ctim;
	s64 unused[3];
};
static_assert(sizeof(struct user_stat) == 144, "struct stat of x86-64");

struct user_statfs {
	s64 f_type, f_bsize;
	u64 f_blocks, f_bfree, f_bavail, f_files, f_ffree;
	s32 f_fsid[2];
	s64 f_namelen, f_frsize, f_flags, f_spare[4];
};
static_assert(sizeof(struct user_statfs) == 120, "struct statfs of x86-64");

/* Device numbers as user programs see them: 12 bits of major in the middle of 20 bits of minor. */
static u64 user_dev(dev_t d)
{
	return (MINOR(d) & 0xff) | (MAJOR(d) << 8) | ((MINOR(d) & ~0xffu) << 12);
}

static long copy_stat(const struct kstat *st, struct user_stat __user *ubuf)
{
	struct user_stat u = {
		.st_dev = user_dev(st->dev), .st_ino = st->ino, .st_nlink = st->nlink, .st_mode = st->mode,
		.st_uid = st->uid, .st_gid = st->gid, .st_rdev = user_dev(st->rdev), .st_size = st->size,
		.st_blksize = st->blksize, .st_blocks = st->blocks,
		.st_atim = st->atime, .st_mtim = st->mtime, .st_ctim = st->ctime,
	};

	return copy_to_user(ubuf, &u, sizeof(u)) ? -EFAULT : 0;
}

static long do_fstat(int fd, struct user_stat __user *ubuf)
{
	struct file *f = fget_raw(fd);
	struct kstat st;
	long err;

	if (!f)
		return -EBADF;
	err = vfs_getattr(&f->f_path, &st);
	fput(f);
	return err ? err : copy_stat(&st, ubuf);
}

static long do_stat(int dfd, const char __user *name, int flags, struct user_stat __user *ubuf)
{
	unsigned int how = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct path p;
	struct kstat st;
	long err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | 0x800 /* AT_NO_AUTOMOUNT */))
		return -EINVAL;
	if (flags & AT_EMPTY_PATH) {
		char first = 0;

		/* What fstat() of glibc calls: the common case goes without a path walk. */
		if (dfd >= 0 && (!name || (!get_user(first, name) && !first)))
			return do_fstat(dfd, ubuf);
		how |= LOOKUP_EMPTY;
	}
	err = user_path_at(dfd, name, how, &p);
	if (err)
		return err;
	err = vfs_getattr(&p, &st);
	path_put(&p);
	return err ? err : copy_stat(&st, ubuf);
}

SYSCALL_DEFINE2(stat, const char __user *, name, struct user_stat __user *, buf)
{
	return do_stat(AT_FDCWD, name, 0, buf);
}

SYSCALL_DEFINE2(lstat, const char __user *, name, struct user_stat __user *, buf)
{
	return do_stat(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, buf);
}

SYSCALL_DEFINE2(fstat, int, fd, struct user_stat __user *, buf)
{
	return do_fstat(fd, buf);
}

SYSCALL_DEFINE4(newfstatat, int, dfd, const char __user *, name, struct user_stat __user *, buf, int, flags)
{
	return do_stat(dfd, name, flags, buf);
}

/* ---- statfs ---- */

static long do_statfs(const struct path *p, struct user_statfs __user *ubuf)
{
	struct super_block *sb = p->mnt->mnt_sb;
	struct user_statfs u = {
		.f_type = sb->s_magic,
		.f_bsize = PAGE_SIZE,
		.f_frsize = PAGE_SIZE,
		.f_namelen = NAME_MAX,
		.f_fsid = { sb->s_dev, 0 },
		/* ST_VALID, and the mount flags, whose low bits are numbered alike. */
		.f_flags = 0x20 |
			   (p->mnt->mnt_flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME)),
	};

	if (sb->s_op && sb->s_op->statfs)
		sb->s_op->statfs(sb, &u.f_blocks, &u.f_bfree, &u.f_files, &u.f_ffree);
	u.f_bavail = u.f_bfree;
	return copy_to_user(ubuf, &u, sizeof(u)) ? -EFAULT : 0;
}

SYSCALL_DEFINE2(statfs, const char __user *, name, struct user_statfs __user *, buf)
{
	struct path p;
	long err = user_path_at(AT_FDCWD, name, LOOKUP_FOLLOW, &p);

	if (err)
		return err;
	err = do_statfs(&p, buf);
	path_put(&p);
	return err;
}

SYSCALL_DEFINE2(fstatfs, int, fd, struct user_statfs __user *, buf)
{
	struct file *f = fget_raw(fd);
	long err;

	if (!f)
		return -EBADF;
	err = do_statfs(&f->f_path, buf);
	fput(f);
	return err;
}

/* ---- Extended attributes: no file system has any ---- */

static long xattr_of_path(const char __user *name, unsigned int how)
{
	struct path p;
	long err = user_path_at(AT_FDCWD, name, how, &p);

	if (err)
		return err;
	path_put(&p);
	return -EOPNOTSUPP;
}

static long xattr_of_fd(int fd)
{
	struct file *f = fget(fd);

	if (!f)
		return -EBADF;
	fput(f);
	return -EOPNOTSUPP;
}

#define XATTR_CALL(call)								\
SYSCALL_DEFINE1(call, const char __user *, name)      { return xattr_of_path(name, LOOKUP_FOLLOW); }	\
SYSCALL_DEFINE1(l##call, const char __user *, name)   { return xattr_of_path(name, 0); }	\
SYSCALL_DEFINE1(f##call, int, fd)		      { return xattr_of_fd(fd); }
XATTR_CALL(setxattr)
XATTR_CALL(getxattr)
XATTR_CALL(listxattr)
XATTR_CALL(removexattr)
