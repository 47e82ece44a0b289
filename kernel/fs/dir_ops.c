/*
 * kernel/fs/dir_ops.c - changing directories: mknod, mkdir, symlink, link; unlink, rmdir; rename.
 *
 *	create_begin()	walk to the directory, lock it, the name is free --> a fresh dentry
 *	   the file system's own method gives it an inode and links it
 *	create_end()	unlock, drop
 *
 * Changes hold the directory's i_rwsem for write; two directories (rename) are locked ancestor first under
 * rename_mutex, and a victim directory as third, so that nothing is created in what is being removed.
 *
 * Linux: fs/namei.c, its second half.
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/task/syscall.h"

/* ---- Permission to change a directory ---- */

int may_create(struct path *dir)
{
	if (dir->dentry->d_flags & DCACHE_UNLINKED)
		return -ENOENT;
	if (mnt_readonly(dir))
		return -EROFS;
	return inode_permission(dir->dentry->d_inode, MAY_WRITE | MAY_EXEC);
}

/* May VICTIM be taken out of DIR (by rmdir: ISDIR)? => DIR's i_rwsem for write */
static int may_delete(struct path *dir, struct dentry *victim, bool isdir)
{
	const struct inode *di = dir->dentry->d_inode, *vi = victim->d_inode;
	uid_t me = current_cred()->fsuid;
	int err;

	if (mnt_readonly(dir))
		return -EROFS;
	err = inode_permission(dir->dentry->d_inode, MAY_WRITE | MAY_EXEC);
	if (err)
		return err;
	if ((di->i_mode & S_ISVTX) && me && me != vi->i_uid && me != di->i_uid)
		return -EPERM;
	if (isdir != S_ISDIR(vi->i_mode))
		return isdir ? -ENOTDIR : -EISDIR;
	return victim->d_mounted ? -EBUSY : 0;
}

/* ---- Making objects ---- */

static umode_t with_umask(umode_t mode)
{
	return mode & ~READ_ONCE(current->fs->umask);
}

/* In procfs a name that is not there can never be, so that is the error; others tell what they do not do. */
static int cannot_make(const struct path *dir, int err)
{
	return dir->dentry->d_sb->s_magic == PROC_SUPER_MAGIC ? -ENOENT : err;
}

/* => DIR's i_rwsem for write; D is a fresh child of it */
int vfs_create(struct path *dir, struct dentry *d, umode_t mode, dev_t dev)
{
	struct inode *inode = dir->dentry->d_inode;
	int err = may_create(dir);

	if (err)
		return err;
	return inode->i_op->create ? inode->i_op->create(inode, d, mode, dev) : cannot_make(dir, -EACCES);
}

/*
 * Begin to make the object NAME: walk to its directory, lock it, and see that the name is free.
 * Returns a fresh dentry, or ERR_PTR with nothing held.
 *
 * => on success end with create_end()
 */
struct dentry *create_begin(struct nameidata *nd, int dfd, const char *name, bool isdir)
{
	struct dentry *d, *dir;
	int err = nd_begin(nd, dfd, name, LOOKUP_PARENT);

	if (err)
		return ERR_PTR(err);
	err = nd_walk(nd, name);
	if (!err && nd->last_type != LAST_NORM)
		err = -EEXIST;
	if (err)
		goto out;
	dir = nd->path.dentry;
	down_write(&dir->d_inode->i_rwsem);
	d = lookup_child(dir, nd->last, nd->last_len, true);
	if (!IS_ERR(d)) {
		dput(d);
		err = -EEXIST;
	} else if (PTR_ERR(d) != -ENOENT) {
		err = PTR_ERR(d);
	} else if (nd->last_slash && !isdir) {
		err = -ENOENT;
	} else {
		d = d_alloc(dir, nd->last, nd->last_len);
		if (d)
			return d;
		err = -ENOMEM;
	}
	up_write(&dir->d_inode->i_rwsem);
out:
	nd_end(nd);
	return ERR_PTR(err);
}

void create_end(struct nameidata *nd, struct dentry *d)
{
	up_write(&nd->path.dentry->d_inode->i_rwsem);
	dput(d);
	nd_end(nd);
}

static long do_mknodat(int dfd, const char __user *uname, umode_t mode, unsigned int udev)
{
	dev_t dev = MKDEV((udev >> 8) & 0xfff, (udev & 0xff) | ((udev >> 12) & 0xfff00));
	umode_t type = mode & S_IFMT;
	struct nameidata nd;
	struct dentry *d;
	char *name;
	long err;

	if (S_ISDIR(mode))
		return -EPERM;
	if (type && !S_ISREG(mode) && !S_ISFIFO(mode) && !S_ISCHR(mode) && !S_ISBLK(mode) && type != S_IFSOCK)
		return -EINVAL;
	if ((S_ISCHR(mode) || S_ISBLK(mode)) && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	name = getname(uname, 0);
	if (IS_ERR(name))
		return PTR_ERR(name);
	d = create_begin(&nd, dfd, name, false);
	err = PTR_ERR(d);
	if (!IS_ERR(d)) {
		mode = (type ? type : S_IFREG) | with_umask(mode & 07777);
		err = vfs_create(&nd.path, d, mode, S_ISCHR(mode) || S_ISBLK(mode) ? dev : 0);
		create_end(&nd, d);
	}
	putname(name);
	return err;
}

SYSCALL_DEFINE3(mknod, const char __user *, name, umode_t, mode, unsigned int, dev)
{
	return do_mknodat(AT_FDCWD, name, mode, dev);
}

SYSCALL_DEFINE4(mknodat, int, dfd, const char __user *, name, umode_t, mode, unsigned int, dev)
{
	return do_mknodat(dfd, name, mode, dev);
}

static long do_mkdirat(int dfd, const char __user *uname, umode_t mode)
{
	char *name = getname(uname, 0);
	struct nameidata nd;
	struct dentry *d;
	long err;

	if (IS_ERR(name))
		return PTR_ERR(name);
	d = create_begin(&nd, dfd, name, true);
	err = PTR_ERR(d);
	if (!IS_ERR(d)) {
		struct inode *dir = nd.path.dentry->d_inode;

		err = may_create(&nd.path);
		if (!err)
			err = dir->i_op->mkdir ? dir->i_op->mkdir(dir, d, with_umask(mode & 01777)) :
						 cannot_make(&nd.path, -EPERM);
		create_end(&nd, d);
	}
	putname(name);
	return err;
}

SYSCALL_DEFINE2(mkdir, const char __user *, name, umode_t, mode)
{
	return do_mkdirat(AT_FDCWD, name, mode);
}

SYSCALL_DEFINE3(mkdirat, int, dfd, const char __user *, name, umode_t, mode)
{
	return do_mkdirat(dfd, name, mode);
}

static long do_symlinkat(const char __user *utarget, int dfd, const char __user *uname)
{
	char *target = getname(utarget, 0), *name;
	struct nameidata nd;
	struct dentry *d;
	long err;

	if (IS_ERR(target))
		return PTR_ERR(target);
	name = getname(uname, 0);
	err = PTR_ERR(name);
	if (IS_ERR(name))
		goto out_target;
	d = create_begin(&nd, dfd, name, false);
	err = PTR_ERR(d);
	if (!IS_ERR(d)) {
		struct inode *dir = nd.path.dentry->d_inode;

		err = may_create(&nd.path);
		if (!err)
			err = dir->i_op->symlink ? dir->i_op->symlink(dir, d, target)
						 : cannot_make(&nd.path, -EPERM);
		create_end(&nd, d);
	}
	putname(name);
out_target:
	putname(target);
	return err;
}

SYSCALL_DEFINE2(symlink, const char __user *, target, const char __user *, name)
{
	return do_symlinkat(target, AT_FDCWD, name);
}

SYSCALL_DEFINE3(symlinkat, const char __user *, target, int, dfd, const char __user *, name)
{
	return do_symlinkat(target, dfd, name);
}

/* A further name D in the directory DIR for what OLD leads to. => DIR's i_rwsem for write */
static int vfs_link(struct path *old, struct path *dir, struct dentry *d)
{
	struct inode *inode = old->dentry->d_inode, *di = dir->dentry->d_inode;
	int err = may_create(dir);

	if (err)
		return err;
	if (old->mnt != dir->mnt)
		return -EXDEV;
	if (S_ISDIR(inode->i_mode) || !di->i_op->link)
		return -EPERM;
	down_write_nested(&inode->i_rwsem, 1);
	err = inode->i_nlink == 0 && !inode->i_linkable ? -ENOENT : di->i_op->link(old->dentry, di, d);
	if (!err)
		inode->i_linkable = false;
	up_write(&inode->i_rwsem);
	return err;
}

static long do_linkat(int olddfd, const char __user *uold, int newdfd, const char __user *unew, int flags)
{
	unsigned int how = flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0;
	struct nameidata nd;
	struct dentry *d;
	struct path old;
	char *name;
	long err;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (flags & AT_EMPTY_PATH)
		how |= LOOKUP_EMPTY;
	err = user_path_at(olddfd, uold, how, &old);
	if (err)
		return err;
	name = getname(unew, 0);
	err = PTR_ERR(name);
	if (IS_ERR(name))
		goto out;
	d = create_begin(&nd, newdfd, name, false);
	err = PTR_ERR(d);
	if (!IS_ERR(d)) {
		err = vfs_link(&old, &nd.path, d);
		create_end(&nd, d);
	}
	putname(name);
out:
	path_put(&old);
	return err;
}

SYSCALL_DEFINE2(link, const char __user *, old, const char __user *, new)
{
	return do_linkat(AT_FDCWD, old, AT_FDCWD, new, 0);
}

SYSCALL_DEFINE5(linkat, int, olddfd, const char __user *, old, int, newdfd, const char __user *, new, int,
		flags)
{
	return do_linkat(olddfd, old, newdfd, new, flags);
}

/* ---- Removing ---- */

/* => DIR's i_rwsem for write */
static int vfs_unlink(struct path *dir, struct dentry *victim, bool slash)
{
	struct inode *di = dir->dentry->d_inode;
	int err;

	if (slash)
		return S_ISDIR(victim->d_inode->i_mode) ? -EISDIR : -ENOTDIR;
	err = may_delete(dir, victim, false);
	if (err)
		return err;
	if (!di->i_op->unlink)
		return -EPERM;
	/* Its other names may be in other directories: i_nlink needs a lock of its own. */
	down_write_nested(&victim->d_inode->i_rwsem, 1);
	err = di->i_op->unlink(di, victim);
	up_write(&victim->d_inode->i_rwsem);
	return err;
}

/* => DIR's i_rwsem for write. The victim's lock keeps others from creating in it while it dies. */
static int vfs_rmdir(struct path *dir, struct dentry *victim)
{
	struct inode *di = dir->dentry->d_inode, *vi = victim->d_inode;
	int err = may_delete(dir, victim, true);

	if (err)
		return err;
	if (!di->i_op->rmdir)
		return -EPERM;
	down_write_nested(&vi->i_rwsem, 1);
	err = d_empty(victim) ? di->i_op->rmdir(di, victim) : -ENOTEMPTY;
	up_write(&vi->i_rwsem);
	return err;
}

static int last_type_error(enum last_type t, bool isdir)
{
	if (!isdir)
		return -EISDIR;
	return t == LAST_DOT ? -EINVAL : t == LAST_DOTDOT ? -ENOTEMPTY : -EBUSY;
}

/* Remove NAME, a directory or anything else. */
int unlink_path(int dfd, const char *name, bool isdir)
{
	struct nameidata nd;
	struct dentry *d;
	struct inode *di;
	int err = nd_begin(&nd, dfd, name, LOOKUP_PARENT);

	if (err)
		return err;
	err = nd_walk(&nd, name);
	if (!err && nd.last_type != LAST_NORM)
		err = last_type_error(nd.last_type, isdir);
	if (err)
		goto out;
	di = nd.path.dentry->d_inode;
	down_write(&di->i_rwsem);
	d = lookup_child(nd.path.dentry, nd.last, nd.last_len, true);
	err = PTR_ERR(d);
	if (!IS_ERR(d))
		err = isdir ? vfs_rmdir(&nd.path, d) : vfs_unlink(&nd.path, d, nd.last_slash);
	up_write(&di->i_rwsem);
	if (!IS_ERR(d))
		dput(d);	/* frees the object, if it was the last: outside the lock */
out:
	nd_end(&nd);
	return err;
}

static long do_unlinkat(int dfd, const char __user *uname, bool isdir)
{
	char *name = getname(uname, 0);
	long err;

	if (IS_ERR(name))
		return PTR_ERR(name);
	err = unlink_path(dfd, name, isdir);
	putname(name);
	return err;
}

SYSCALL_DEFINE1(unlink, const char __user *, name)
{
	return do_unlinkat(AT_FDCWD, name, false);
}

SYSCALL_DEFINE1(rmdir, const char __user *, name)
{
	return do_unlinkat(AT_FDCWD, name, true);
}

SYSCALL_DEFINE3(unlinkat, int, dfd, const char __user *, name, int, flags)
{
	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	return do_unlinkat(dfd, name, flags & AT_REMOVEDIR);
}

/* ---- rename ---- */

#define RENAME_NOREPLACE	1u
#define RENAME_EXCHANGE		2u

/* Lock two directories: ancestor first, unrelated ones by address. => rename_mutex held if they differ */
static void lock_two(struct dentry *a, struct dentry *b)
{
	if (a == b) {
		down_write(&a->d_inode->i_rwsem);
		return;
	}
	if (d_is_ancestor(b, a) || (!d_is_ancestor(a, b) && b < a))
		swap(a, b);
	down_write(&a->d_inode->i_rwsem);
	down_write_nested(&b->d_inode->i_rwsem, 1);
}

static void unlock_two(struct dentry *a, struct dentry *b)
{
	up_write(&a->d_inode->i_rwsem);
	if (a != b)
		up_write(&b->d_inode->i_rwsem);
}

/* May OLD take NEW's place? NEW is positive. => both directories locked */
static int may_replace(struct path *newdir, struct dentry *old, struct dentry *new, unsigned int flags)
{
	bool old_is_dir = S_ISDIR(old->d_inode->i_mode);

	if (flags & RENAME_EXCHANGE)
		return may_delete(newdir, new, S_ISDIR(new->d_inode->i_mode));
	return may_delete(newdir, new, old_is_dir);
}

/*
 * OLD in OLDDIR becomes NEW in NEWDIR. NEW is what is there now, or a fresh dentry.
 *
 * => both directories locked, rename_mutex if they differ
 */
static int vfs_rename(struct path *olddir, struct dentry *old, struct path *newdir, struct dentry *new,
		      unsigned int flags)
{
	struct inode *odi = olddir->dentry->d_inode, *ndi = newdir->dentry->d_inode, *target = new->d_inode;
	bool replace = target && !(flags & RENAME_EXCHANGE);
	int err;

	if (target == old->d_inode)
		return 0;	/* two names of one object: nothing happens */
	err = may_delete(olddir, old, S_ISDIR(old->d_inode->i_mode));
	if (!err)
		err = target ? may_replace(newdir, old, new, flags) : may_create(newdir);
	/* A directory that moves gets another "..": that is writing to it. */
	if (!err && odi != ndi && S_ISDIR(old->d_inode->i_mode))
		err = inode_permission(old->d_inode, MAY_WRITE);
	if (err)
		return err;
	if (!odi->i_op->rename)
		return -EPERM;
	if (replace) {	/* loses a name, as in vfs_unlink() or vfs_rmdir() */
		down_write_nested(&target->i_rwsem, 2);
		err = S_ISDIR(target->i_mode) && !d_empty(new) ? -ENOTEMPTY : 0;
	}
	if (!err)
		err = odi->i_op->rename(odi, old, ndi, new, flags);
	if (replace)
		up_write(&target->i_rwsem);
	return err;
}

/* With both directories locked: find both ends, then rename. */
static int rename_locked(struct nameidata *from, struct nameidata *to, unsigned int flags)
{
	struct dentry *olddir = from->path.dentry, *newdir = to->path.dentry, *old, *new;
	int err;

	old = lookup_child(olddir, from->last, from->last_len, true);
	if (IS_ERR(old))
		return PTR_ERR(old);
	new = lookup_child(newdir, to->last, to->last_len, true);
	if (PTR_ERR(new) == -ENOENT && !(flags & RENAME_EXCHANGE)) {
		new = d_alloc(newdir, to->last, to->last_len);
		if (!new)
			new = ERR_PTR(-ENOMEM);
	}
	err = PTR_ERR(new);
	if (IS_ERR(new))
		goto out_old;
	if (new->d_inode && (flags & RENAME_NOREPLACE))
		err = -EEXIST;
	else if (!S_ISDIR(old->d_inode->i_mode) &&
		 (from->last_slash || (to->last_slash && !(flags & RENAME_EXCHANGE))))
		err = -ENOTDIR;
	else if (olddir != newdir && d_is_ancestor(old, newdir))
		err = -EINVAL;	/* into itself */
	else if (olddir != newdir && d_is_ancestor(new, olddir))
		err = flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	else
		err = vfs_rename(&from->path, old, &to->path, new, flags);
	dput(new);
out_old:
	dput(old);
	return err;
}

static int rename_walked(struct nameidata *from, struct nameidata *to, unsigned int flags)
{
	struct dentry *a = from->path.dentry, *b = to->path.dentry;
	int err;

	if (from->path.mnt != to->path.mnt)
		return -EXDEV;
	if (from->last_type != LAST_NORM || to->last_type != LAST_NORM)
		return (flags & RENAME_NOREPLACE) && to->last_type != LAST_NORM ? -EEXIST : -EBUSY;
	if (mnt_readonly(&from->path))
		return -EROFS;
	if (a != b)
		mutex_lock(&rename_mutex);
	lock_two(a, b);
	err = rename_locked(from, to, flags);
	unlock_two(a, b);
	if (a != b)
		mutex_unlock(&rename_mutex);
	return err;
}

static long do_renameat(int olddfd, const char __user *uold, int newdfd, const char __user *unew,
			unsigned int flags)
{
	struct nameidata *nd;	/* two of them are too large for the stack */
	char *old, *new;
	long err;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE) || flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	nd = kmalloc(2 * sizeof(*nd), GFP_KERNEL);
	if (!nd)
		return -ENOMEM;
	old = getname(uold, 0);
	err = PTR_ERR(old);
	if (IS_ERR(old))
		goto out_nd;
	new = getname(unew, 0);
	err = PTR_ERR(new);
	if (IS_ERR(new))
		goto out_old;
	err = nd_begin(&nd[0], olddfd, old, LOOKUP_PARENT);
	if (err)
		goto out_new;
	err = nd_walk(&nd[0], old);
	if (err)
		goto out_from;
	err = nd_begin(&nd[1], newdfd, new, LOOKUP_PARENT);
	if (err)
		goto out_from;
	err = nd_walk(&nd[1], new);
	if (!err)
		err = rename_walked(&nd[0], &nd[1], flags);
	nd_end(&nd[1]);
out_from:
	nd_end(&nd[0]);
out_new:
	putname(new);
out_old:
	putname(old);
out_nd:
	kfree(nd);
	return err;
}

SYSCALL_DEFINE2(rename, const char __user *, old, const char __user *, new)
{
	return do_renameat(AT_FDCWD, old, AT_FDCWD, new, 0);
}

SYSCALL_DEFINE4(renameat, int, olddfd, const char __user *, old, int, newdfd, const char __user *, new)
{
	return do_renameat(olddfd, old, newdfd, new, 0);
}

SYSCALL_DEFINE5(renameat2, int, olddfd, const char __user *, old, int, newdfd, const char __user *, new,
		unsigned int, flags)
{
	return do_renameat(olddfd, old, newdfd, new, flags);
}
