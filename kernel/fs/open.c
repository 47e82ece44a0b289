/*
 * kernel/fs/open.c - open files: making, opening, closing; and the calls that change attributes.
 *
 *	openat -> do_filp_open -> (walk, perhaps create) -> vfs_open -> the inode's or the driver's open
 *	close  -> filp_close (flush, this process's record locks) -> fput -> last one: release
 *
 * Linux: fs/open.c, path_openat() in fs/namei.c, fs/file_table.c. Here fput() runs release at once, so it may
 * sleep.
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/tlbflush.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/task/signal.h"
#include "kernel/task/syscall.h"

static struct kmem_cache *file_cache;
static const struct file_operations empty_fops;

/* ---- struct file ---- */

struct file *alloc_file(int flags)
{
	struct file *f;

	if (!file_cache)	/* the very first one, at boot, by one CPU */
		file_cache = KMEM_CACHE(file);
	f = kmem_cache_zalloc(file_cache, GFP_KERNEL);
	if (!f)
		return ERR_PTR(-ENOMEM);
	atomic_set(&f->f_count, 1);
	f->f_flags = flags & ~(O_CREAT | O_NOCTTY | O_TRUNC | O_CLOEXEC);
	f->f_mode = (flags + 1) & (FMODE_READ | FMODE_WRITE);
	f->f_op = &empty_fops;
	mutex_init(&f->f_pos_lock);
	f->f_cred = get_cred(current_cred());
	return f;
}

/* A writer of a regular file, or a program's file that must not change: counted until the file is closed. */
static int get_write_access(struct file *f, struct inode *inode)
{
	if (!(f->f_mode & FMODE_WRITE) || !S_ISREG(inode->i_mode))
		return 0;
	for (int c = atomic_read(&inode->i_writecount); c >= 0; c = atomic_read(&inode->i_writecount)) {
		if (atomic_cmpxchg(&inode->i_writecount, c, c + 1) == c) {
			f->f_mode |= FMODE_WRITER;
			return 0;
		}
	}
	return -ETXTBSY;
}

int deny_write_access(struct file *f)
{
	atomic_t *count = &f->f_inode->i_writecount;

	for (int c = atomic_read(count); c <= 0; c = atomic_read(count)) {
		if (atomic_cmpxchg(count, c, c - 1) == c) {
			f->f_mode |= FMODE_DENY_WRITE;
			return 0;
		}
	}
	return -ETXTBSY;
}

static void put_write_access(struct file *f)
{
	if (f->f_mode & FMODE_WRITER)
		atomic_dec(&f->f_inode->i_writecount);
	else if (f->f_mode & FMODE_DENY_WRITE)
		atomic_inc(&f->f_inode->i_writecount);
}

/*
 * Drop a reference; the last one closes.
 *
 * => may sleep
 */
void fput(struct file *f)
{
	if (!atomic_dec_and_test(&f->f_count))
		return;
	if (f->f_inode) {
		locks_remove_file(f);
		if (f->f_op->release)
			f->f_op->release(f->f_inode, f);
		put_write_access(f);
		path_put(&f->f_path);
	}
	put_cred(f->f_cred);
	kmem_cache_free(file_cache, f);
}

struct file *alloc_file_pseudo(struct mount *mnt, struct dentry *d, int flags,
			       const struct file_operations *fops)
{
	struct file *f = alloc_file(flags);

	if (IS_ERR(f))
		return f;
	mntget(mnt);
	f->f_path = (struct path){ mnt, d };
	f->f_inode = d->d_inode;
	f->f_op = fops;
	if (fops->llseek)
		f->f_mode |= FMODE_LSEEK;
	if (d->d_flags & DCACHE_DNAME)
		f->f_anon_name = d->d_name;
	return f;
}

static const struct file_operations *fops_for(struct inode *inode)
{
	return S_ISFIFO(inode->i_mode) ? &pipefifo_fops : inode->i_fop;
}

/*
 * Tie F to P and let the file's own open method agree.
 * 0, or -errno with F as it was (to be dropped by fput).
 *
 * => permission has been checked; takes its own reference on P; may sleep
 */
int vfs_open(struct file *f, const struct path *p)
{
	struct inode *inode = p->dentry->d_inode;
	int err = 0;

	path_get(p);
	f->f_path = *p;
	f->f_inode = inode;
	if (f->f_flags & O_PATH) {
		f->f_mode = FMODE_PATH;
		return 0;
	}
	if (S_ISCHR(inode->i_mode) || S_ISBLK(inode->i_mode)) {
		err = device_open(inode, f);
	} else {
		f->f_op = fops_for(inode);
		err = f->f_op ? get_write_access(f, inode) : -ENXIO;
		if (!err && f->f_op->open) {
			err = f->f_op->open(inode, f);
			if (err)
				put_write_access(f);
		}
	}
	if (err) {
		f->f_op = &empty_fops;
		f->f_inode = NULL;
		path_put(p);
		return err;
	}
	f->f_flags &= ~O_EXCL;	/* of a disk's node: its open method has seen it */
	if (f->f_op->llseek)
		f->f_mode |= FMODE_LSEEK;
	if (p->dentry->d_flags & DCACHE_DNAME)
		f->f_anon_name = p->dentry->d_name;
	return 0;
}

struct file *dentry_open(const struct path *p, int flags)
{
	struct file *f = alloc_file(flags);
	int err;

	if (IS_ERR(f))
		return f;
	err = vfs_open(f, p);
	if (!err)
		return f;
	fput(f);
	return ERR_PTR(err);
}

/* ---- open by name ---- */

static int open_mask(int flags)
{
	static const u8 mask[4] = { MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE };

	return mask[flags & O_ACCMODE] | (flags & O_TRUNC ? MAY_WRITE : 0);
}

/* May P be opened with FLAGS? CREATED: this very call made it, so its mode does not matter. */
static int may_open(const struct path *p, int flags, bool created)
{
	struct inode *inode = p->dentry->d_inode;
	int mask = open_mask(flags);

	if (flags & O_PATH)
		return (flags & O_DIRECTORY) && !S_ISDIR(inode->i_mode) ? -ENOTDIR : 0;
	if (S_ISLNK(inode->i_mode))
		return -ELOOP;
	if (S_ISDIR(inode->i_mode) && ((mask & MAY_WRITE) || (flags & O_CREAT)))
		return -EISDIR;
	if ((flags & O_DIRECTORY) && !S_ISDIR(inode->i_mode))
		return -ENOTDIR;
	if ((S_ISCHR(inode->i_mode) || S_ISBLK(inode->i_mode)) && (p->mnt->mnt_flags & MS_NODEV))
		return -EACCES;
	if ((mask & MAY_WRITE) && S_ISREG(inode->i_mode) && mnt_readonly(p))
		return -EROFS;
	return created ? 0 : inode_permission(inode, mask);
}

static struct file *open_path(const struct path *p, int flags, bool created)
{
	struct file *f;
	int err = may_open(p, flags, created);

	if (err)
		return ERR_PTR(err);
	f = dentry_open(p, flags);
	if (IS_ERR(f) || !(flags & O_TRUNC) || created || !S_ISREG(p->dentry->d_inode->i_mode))
		return f;
	/* O_RDONLY | O_TRUNC does not count as a writer, but must not cut a running program either. */
	err = atomic_read(&p->dentry->d_inode->i_writecount) < 0 ? -ETXTBSY : do_truncate(p, 0);
	if (!err)
		return f;
	fput(f);
	return ERR_PTR(err);
}

/* O_TMPFILE: a file in the directory P without a name. */
static struct file *open_tmpfile(const struct path *p, int flags, umode_t mode)
{
	struct inode *dir = p->dentry->d_inode;
	struct file *f;
	struct path tmp = { p->mnt, NULL };
	int err = inode_permission(dir, MAY_WRITE | MAY_EXEC);

	if (!err && mnt_readonly(p))
		err = -EROFS;
	if (!err && !dir->i_op->tmpfile)
		err = -EOPNOTSUPP;
	if (err)
		return ERR_PTR(err);
	tmp.dentry = d_alloc(p->dentry, "#tmpfile", 8);
	if (!tmp.dentry)
		return ERR_PTR(-ENOMEM);
	tmp.dentry->d_flags |= DCACHE_UNLINKED;
	err = dir->i_op->tmpfile(dir, tmp.dentry, mode);
	if (err) {
		f = ERR_PTR(err);
	} else {
		tmp.dentry->d_inode->i_linkable = !(flags & O_EXCL);
		f = open_path(&tmp, flags & ~(O_TMPFILE | O_EXCL), true);
	}
	dput(tmp.dentry);
	return f;
}

/*
 * The last component of a walk with O_CREAT, once: returns the file or an error; or NULL when it was a
 * symbolic link, and *TEXT is to be walked.
 */
static struct file *open_last(struct nameidata *nd, int flags, umode_t mode, const char **text)
{
	struct inode *dir = nd->path.dentry->d_inode;
	struct path p = { nd->path.mnt, NULL };
	struct file *f;
	int err = 0;
	bool created = false;

	if (nd->last_type != LAST_NORM || nd->last_slash)
		return ERR_PTR(-EISDIR);
	p.dentry = lookup_child(nd->path.dentry, nd->last, nd->last_len, false);
	if (PTR_ERR(p.dentry) == -ENOENT) {
		down_write(&dir->i_rwsem);
		/* Someone may have made it while we waited for the lock. */
		p.dentry = lookup_child(nd->path.dentry, nd->last, nd->last_len, true);
		if (PTR_ERR(p.dentry) == -ENOENT) {
			p.dentry = d_alloc(nd->path.dentry, nd->last, nd->last_len);
			err = p.dentry ? vfs_create(&nd->path, p.dentry, S_IFREG | mode, 0) : -ENOMEM;
			created = true;
		}
		up_write(&dir->i_rwsem);
		if (err) {
			if (p.dentry)
				dput(p.dentry);
			return ERR_PTR(err);
		}
	}
	if (IS_ERR(p.dentry))
		return ERR_PTR(PTR_ERR(p.dentry));
	mntget(p.mnt);
	if (!created && (flags & O_EXCL)) {
		f = ERR_PTR(-EEXIST);
		goto out;
	}
	follow_mount(&p);
	if (S_ISLNK(p.dentry->d_inode->i_mode) && !(flags & O_NOFOLLOW)) {
		err = follow_link(nd, &p, "", false, text);
		if (err < 0)
			return ERR_PTR(err);
		if (err == 1)
			return NULL;
		/* Jumped to the object itself (/proc/PID/fd). */
		return open_path(&nd->path, flags, false);
	}
	f = open_path(&p, created ? flags & ~O_CREAT : flags, created);
out:
	path_put(&p);
	return f;
}

static struct file *open_create(int dfd, const char *name, int flags, umode_t mode)
{
	struct nameidata nd;
	struct file *f = NULL;
	int err = nd_begin(&nd, dfd, name, LOOKUP_PARENT);

	if (err)
		return ERR_PTR(err);
	while (!f) {
		err = nd_walk(&nd, name);
		f = err ? ERR_PTR(err) : open_last(&nd, flags, mode, &name);
	}
	nd_end(&nd);
	return f;
}

/*
 * Open NAME as openat(2) does; MODE without the umask.
 *
 * => may sleep (FIFOs until the other side comes); ERR_PTR
 */
struct file *do_filp_open(int dfd, const char *name, int flags, umode_t mode)
{
	unsigned int how = flags & O_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct file *f;
	struct path p;
	int err;

	mode &= 07777 & ~READ_ONCE(current->fs->umask);
	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	if ((flags & O_TMPFILE) == O_TMPFILE) {
		if (!(open_mask(flags) & MAY_WRITE))
			return ERR_PTR(-EINVAL);
	} else if (flags & O_CREAT) {
		if (flags & O_DIRECTORY)
			return ERR_PTR(-EINVAL);
		return open_create(dfd, name, flags, mode);
	}
	if (flags & O_DIRECTORY)
		how |= LOOKUP_DIRECTORY;
	err = path_lookup(dfd, name, how, &p);
	if (err)
		return ERR_PTR(err);
	if ((flags & O_TMPFILE) == O_TMPFILE)
		f = open_tmpfile(&p, flags, mode);
	else
		f = open_path(&p, flags, false);
	path_put(&p);
	return f;
}

struct file *filp_open(const char *name, int flags, umode_t mode)
{
	return do_filp_open(AT_FDCWD, name, flags, mode);
}

static long do_sys_open(int dfd, const char __user *uname, int flags, umode_t mode)
{
	char *name = getname(uname, 0);
	struct file *f;
	int fd;

	if (IS_ERR(name))
		return PTR_ERR(name);
	fd = get_unused_fd_flags(flags);
	if (fd >= 0) {
		f = do_filp_open(dfd, name, flags | O_LARGEFILE, mode);
		if (IS_ERR(f)) {
			put_unused_fd(fd);
			fd = PTR_ERR(f);
		} else {
			fd_install(fd, f);
		}
	}
	putname(name);
	return fd;
}

SYSCALL_DEFINE4(openat, int, dfd, const char __user *, name, int, flags, umode_t, mode)
{
	return do_sys_open(dfd, name, flags, mode);
}

SYSCALL_DEFINE3(open, const char __user *, name, int, flags, umode_t, mode)
{
	return do_sys_open(AT_FDCWD, name, flags, mode);
}

SYSCALL_DEFINE2(creat, const char __user *, name, umode_t, mode)
{
	return do_sys_open(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* One close(2) of F by the process with table OWNER. */
int filp_close(struct file *f, struct files_struct *owner)
{
	int err = 0;

	if (f->f_op->flush)
		err = f->f_op->flush(f);
	if (!(f->f_mode & FMODE_PATH))
		locks_remove_posix(f, owner);
	fput(f);
	return err;
}

SYSCALL_DEFINE1(close, unsigned int, fd)
{
	return close_fd(fd);
}

/* ---- Attributes ---- */

/* May the file become SIZE bytes long? Growing beyond RLIMIT_FSIZE: SIGXFSZ and -EFBIG. => i_rwsem */
static int newsize_allowed(const struct inode *inode, loff_t size)
{
	if (size <= inode->i_size || (u64)size <= rlimit(RLIMIT_FSIZE))
		return 0;
	send_sig(SIGXFSZ, current, 0);
	return -EFBIG;
}

/* May the caller change VALID of INODE to ST? => i_rwsem for write */
static int setattr_allowed(struct inode *inode, struct kstat *st, unsigned int valid)
{
	const struct cred *c = current_cred();

	if ((valid & ATTR_MODE) && !inode_owner_or_root(inode))
		return -EPERM;
	if ((valid & ATTR_UID) && c->fsuid && (c->fsuid != inode->i_uid || st->uid != inode->i_uid))
		return -EPERM;
	if ((valid & ATTR_GID) && c->fsuid &&
	    (c->fsuid != inode->i_uid ||
	     (st->gid != inode->i_gid && st->gid != c->fsgid && !in_group_p(st->gid))))
		return -EPERM;
	/* A set-group-id file of a group that one is not in could be used to become its member. */
	if ((valid & ATTR_MODE) && c->fsuid && inode->i_gid != c->fsgid && !in_group_p(inode->i_gid))
		st->mode &= ~S_ISGID;
	return valid & ATTR_SIZE ? newsize_allowed(inode, st->size) : 0;
}

/*
 * Change the attributes VALID of P.
 *
 * => may sleep; takes i_rwsem; ST may be altered to what is allowed
 */
int notify_change(const struct path *p, const struct kstat *attr, unsigned int valid)
{
	struct inode *inode = p->dentry->d_inode;
	struct kstat st = *attr;
	int err;

	if (mnt_readonly(p))
		return -EROFS;
	down_write(&inode->i_rwsem);
	if ((valid & (ATTR_UID | ATTR_GID)) && !S_ISDIR(inode->i_mode) &&
	    (inode->i_mode & (S_ISUID | S_ISGID))) {
		/* Another owner, or by someone else: the rights of the old one must not pass on. */
		st.mode = inode->i_mode & ~S_ISUID;
		if (st.mode & 0010)
			st.mode &= ~S_ISGID;
		err = setattr_allowed(inode, &st, valid);
		valid |= ATTR_MODE;
	} else {
		err = setattr_allowed(inode, &st, valid);
	}
	if (!err) {
		if (inode->i_op->setattr)
			err = inode->i_op->setattr(p->dentry, &st, valid);
		else if (valid & ATTR_SIZE)
			err = -EINVAL;
		else
			setattr_copy(inode, &st, valid);
	}
	up_write(&inode->i_rwsem);
	return err;
}

int do_truncate(const struct path *p, loff_t len)
{
	struct kstat st = { .size = len };

	return notify_change(p, &st, ATTR_SIZE);
}

SYSCALL_DEFINE2(truncate, const char __user *, name, loff_t, len)
{
	struct path p;
	struct inode *inode;
	int err;

	if (len < 0)
		return -EINVAL;
	err = user_path_at(AT_FDCWD, name, LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	inode = p.dentry->d_inode;
	err = S_ISDIR(inode->i_mode)	? -EISDIR
	      : !S_ISREG(inode->i_mode) ? -EINVAL
					: inode_permission(inode, MAY_WRITE);
	if (!err && atomic_read(&inode->i_writecount) < 0)
		err = -ETXTBSY;
	if (!err)
		err = do_truncate(&p, len);
	path_put(&p);
	return err;
}

SYSCALL_DEFINE2(ftruncate, int, fd, loff_t, len)
{
	struct file *f;
	int err;

	if (len < 0)
		return -EINVAL;
	f = fget(fd);
	if (!f)
		return -EBADF;
	if (!(f->f_mode & FMODE_WRITE) || !S_ISREG(f->f_inode->i_mode))
		err = -EINVAL;
	else
		err = do_truncate(&f->f_path, len);
	fput(f);
	return err;
}

#define FALLOC_FL_KEEP_SIZE	1
#define FALLOC_FL_PUNCH_HOLE	2

static long vfs_fallocate(struct file *f, int mode, loff_t off, loff_t len)
{
	if (off < 0 || len <= 0)
		return -EINVAL;
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (!(f->f_mode & FMODE_WRITE))
		return -EBADF;
	if (S_ISFIFO(f->f_inode->i_mode))
		return -ESPIPE;
	if (S_ISDIR(f->f_inode->i_mode))
		return -EISDIR;
	if (!S_ISREG(f->f_inode->i_mode) && !S_ISBLK(f->f_inode->i_mode))
		return -ENODEV;
	if (off + len < 0)
		return -EFBIG;
	return f->f_op->fallocate ? f->f_op->fallocate(f, mode, off, len) : -EOPNOTSUPP;
}

SYSCALL_DEFINE4(fallocate, int, fd, int, mode, loff_t, off, loff_t, len)
{
	struct file *f = fget(fd);
	long err;

	if (!f)
		return -EBADF;
	err = vfs_fallocate(f, mode, off, len);
	fput(f);
	return err;
}

static long chmod_path(const struct path *p, umode_t mode)
{
	struct kstat st = { .mode = mode & 07777 };

	return notify_change(p, &st, ATTR_MODE);
}

static long do_fchmodat(int dfd, const char __user *name, umode_t mode)
{
	struct path p;
	long err = user_path_at(dfd, name, LOOKUP_FOLLOW, &p);

	if (err)
		return err;
	err = chmod_path(&p, mode);
	path_put(&p);
	return err;
}

SYSCALL_DEFINE2(chmod, const char __user *, name, umode_t, mode)
{
	return do_fchmodat(AT_FDCWD, name, mode);
}

SYSCALL_DEFINE3(fchmodat, int, dfd, const char __user *, name, umode_t, mode)
{
	return do_fchmodat(dfd, name, mode);
}

SYSCALL_DEFINE2(fchmod, int, fd, umode_t, mode)
{
	struct file *f = fget(fd);
	long err;

	if (!f)
		return -EBADF;
	err = chmod_path(&f->f_path, mode);
	fput(f);
	return err;
}

static long chown_path(const struct path *p, uid_t uid, gid_t gid)
{
	struct kstat st = { .uid = uid, .gid = gid };

	return notify_change(p, &st, (uid != (uid_t)-1 ? ATTR_UID : 0) | (gid != (gid_t)-1 ? ATTR_GID : 0));
}

static long do_fchownat(int dfd, const char __user *name, uid_t uid, gid_t gid, int flags)
{
	unsigned int how = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct path p;
	long err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (flags & AT_EMPTY_PATH)
		how |= LOOKUP_EMPTY;
	err = user_path_at(dfd, name, how, &p);
	if (err)
		return err;
	err = chown_path(&p, uid, gid);
	path_put(&p);
	return err;
}

SYSCALL_DEFINE3(chown, const char __user *, name, uid_t, uid, gid_t, gid)
{
	return do_fchownat(AT_FDCWD, name, uid, gid, 0);
}

SYSCALL_DEFINE3(lchown, const char __user *, name, uid_t, uid, gid_t, gid)
{
	return do_fchownat(AT_FDCWD, name, uid, gid, AT_SYMLINK_NOFOLLOW);
}

SYSCALL_DEFINE5(fchownat, int, dfd, const char __user *, name, uid_t, uid, gid_t, gid, int, flags)
{
	return do_fchownat(dfd, name, uid, gid, flags);
}

SYSCALL_DEFINE3(fchown, int, fd, uid_t, uid, gid_t, gid)
{
	struct file *f = fget(fd);
	long err;

	if (!f)
		return -EBADF;
	err = chown_path(&f->f_path, uid, gid);
	fput(f);
	return err;
}

/* ---- Times ---- */

#define UTIME_NOW	((1L << 30) - 1)
#define UTIME_OMIT	((1L << 30) - 2)

/* TIMES: NULL (the present time), or access and modification time. */
static long utimes_path(const struct path *p, const struct timespec64 *times)
{
	struct inode *inode = p->dentry->d_inode;
	struct timespec64 now = current_time();
	struct kstat st = { .atime = now, .mtime = now };
	unsigned int valid = ATTR_ATIME | ATTR_MTIME;
	bool all_now = !times || (times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW);
	int err;

	for (int i = 0; times && i < 2; i++) {
		if (times[i].tv_nsec == UTIME_OMIT)
			valid &= ~(i ? ATTR_MTIME : ATTR_ATIME);
		else if (times[i].tv_nsec == UTIME_NOW)
			continue;
		else if (times[i].tv_nsec < 0 || times[i].tv_nsec >= (s64)NSEC_PER_SEC)
			return -EINVAL;
		else if (i)
			st.mtime = times[i];
		else
			st.atime = times[i];
	}
	if (!valid)
		return 0;
	if (!inode_owner_or_root(inode)) {
		err = all_now ? inode_permission(inode, MAY_WRITE) : -EPERM;
		if (err)
			return err;
	}
	return notify_change(p, &st, valid);
}

static long do_utimensat(int dfd, const char __user *name, const struct timespec64 *times, int flags)
{
	unsigned int how = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct path p;
	long err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (!name && dfd != AT_FDCWD) {
		struct file *f = fget(dfd);

		if (!f)
			return -EBADF;
		err = utimes_path(&f->f_path, times);
		fput(f);
		return err;
	}
	if (flags & AT_EMPTY_PATH)
		how |= LOOKUP_EMPTY;
	err = user_path_at(dfd, name, how, &p);
	if (err)
		return err;
	err = utimes_path(&p, times);
	path_put(&p);
	return err;
}

SYSCALL_DEFINE4(utimensat, int, dfd, const char __user *, name, const struct timespec64 __user *, utimes, int,
		flags)
{
	struct timespec64 times[2];

	if (utimes && copy_from_user(times, utimes, sizeof(times)))
		return -EFAULT;
	return do_utimensat(dfd, name, utimes ? times : NULL, flags);
}

/* The old forms with microseconds: struct timeval is two s64. */
static long do_futimesat(int dfd, const char __user *name, const s64 __user *utimes)
{
	struct timespec64 times[2];
	s64 tv[4];

	if (utimes && copy_from_user(tv, utimes, sizeof(tv)))
		return -EFAULT;
	for (int i = 0; utimes && i < 2; i++) {
		if (tv[2 * i + 1] < 0 || tv[2 * i + 1] >= 1000000)
			return -EINVAL;
		times[i] = (struct timespec64){ tv[2 * i], tv[2 * i + 1] * 1000 };
	}
	return do_utimensat(dfd, name, utimes ? times : NULL, 0);
}

SYSCALL_DEFINE2(utimes, const char __user *, name, const s64 __user *, times)
{
	return do_futimesat(AT_FDCWD, name, times);
}

SYSCALL_DEFINE3(futimesat, int, dfd, const char __user *, name, const s64 __user *, times)
{
	return do_futimesat(dfd, name, times);
}

SYSCALL_DEFINE2(utime, const char __user *, name, const s64 __user *, utimes)
{
	struct timespec64 times[2] = { };
	s64 sec[2];

	if (utimes && copy_from_user(sec, utimes, sizeof(sec)))
		return -EFAULT;
	if (utimes) {
		times[0].tv_sec = sec[0];
		times[1].tv_sec = sec[1];
	}
	return do_utimensat(AT_FDCWD, name, utimes ? times : NULL, 0);
}

/* ---- access ---- */

/* Make the file-system ids the real ones for a while; returns what is to be put back, or NULL. */
static const struct cred *use_real_ids(void)
{
	const struct cred *old = current->cred;
	struct cred *c = prepare_creds();

	if (!c)
		return NULL;
	c->fsuid = c->uid;
	c->fsgid = c->gid;
	spin_lock(&current->alloc_lock);
	current->cred = c;
	spin_unlock(&current->alloc_lock);
	return old;
}

static void restore_ids(const struct cred *old)
{
	const struct cred *tmp = current->cred;

	spin_lock(&current->alloc_lock);
	current->cred = old;
	spin_unlock(&current->alloc_lock);
	tlb_remove_table_sync();	/* a signal may be counted by TMP just now: see commit_creds() */
	put_cred(tmp);
}

static long access_as_is(int dfd, const char __user *name, int mode)
{
	struct inode *inode;
	struct path p;
	long err = user_path_at(dfd, name, LOOKUP_FOLLOW, &p);

	if (err)
		return err;
	inode = p.dentry->d_inode;
	if ((mode & MAY_EXEC) && S_ISREG(inode->i_mode) && path_noexec(&p))
		err = -EACCES;
	if (!err && mode)
		err = inode_permission(inode, mode);
	if (!err && (mode & MAY_WRITE) && mnt_readonly(&p) &&
	    (S_ISREG(inode->i_mode) || S_ISDIR(inode->i_mode)))
		err = -EROFS;
	path_put(&p);
	return err;
}

static long do_faccessat(int dfd, const char __user *name, int mode)
{
	const struct cred *c = current_cred(), *old = NULL;
	long err;

	if (mode & ~(MAY_READ | MAY_WRITE | MAY_EXEC))
		return -EINVAL;
	if (c->fsuid != c->uid || c->fsgid != c->gid) {
		old = use_real_ids();
		if (!old)
			return -ENOMEM;
	}
	err = access_as_is(dfd, name, mode);
	if (old)
		restore_ids(old);
	return err;
}

SYSCALL_DEFINE2(access, const char __user *, name, int, mode)
{
	return do_faccessat(AT_FDCWD, name, mode);
}

SYSCALL_DEFINE3(faccessat, int, dfd, const char __user *, name, int, mode)
{
	return do_faccessat(dfd, name, mode);
}
