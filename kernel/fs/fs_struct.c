/*
 * kernel/fs/fs_struct.c - where a process is: its root, working directory and umask; and paths as it sees
 * them.
 *
 * Linux: fs/fs_struct.c, fs/d_path.c.
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/task/syscall.h"

struct fs_struct *copy_fs_struct(struct fs_struct *old)
{
	struct fs_struct *fs = kzalloc(sizeof(*fs), GFP_KERNEL);

	if (!fs)
		return NULL;
	atomic_set(&fs->users, 1);
	spin_lock_init(&fs->lock);
	spin_lock(&old->lock);
	fs->umask = old->umask;
	fs->root = old->root;
	fs->pwd = old->pwd;
	path_get(&fs->root);
	path_get(&fs->pwd);
	spin_unlock(&old->lock);
	return fs;
}

/* => may sleep */
void put_fs_struct(struct fs_struct *fs)
{
	if (!fs || !atomic_dec_and_test(&fs->users))
		return;
	path_put(&fs->root);
	path_put(&fs->pwd);
	kfree(fs);
}

void get_fs_root(struct path *p)
{
	struct fs_struct *fs = current->fs;

	spin_lock(&fs->lock);
	*p = fs->root;
	path_get(p);
	spin_unlock(&fs->lock);
}

void get_fs_pwd(struct path *p)
{
	struct fs_struct *fs = current->fs;

	spin_lock(&fs->lock);
	*p = fs->pwd;
	path_get(p);
	spin_unlock(&fs->lock);
}

/* Replace *PLACE (root or pwd of FS); consumes the reference on P. */
static void set_fs_path(struct fs_struct *fs, struct path *place, struct path p)
{
	struct path old;

	spin_lock(&fs->lock);
	old = *place;
	*place = p;
	spin_unlock(&fs->lock);
	path_put(&old);
}

/* Put TEXT of LEN bytes before *END; false when it does not fit above BUF. */
static bool prepend(char *buf, char **end, const char *text, int len)
{
	if (*end - buf < len)
		return false;
	*end -= len;
	memcpy(*end, text, len);
	return true;
}

/*
 * Build the path of P backwards into BUF. *REACHED: ROOT was met on the way.
 *
 * => dcache_lock held
 */
static char *build_path(const struct path *p, const struct path *root, char *buf, char *end, bool *reached)
{
	struct mount *mnt = p->mnt;
	struct dentry *d = p->dentry;
	char *start = end;

	*reached = false;
	for (;;) {
		if (d == root->dentry && mnt == root->mnt) {
			*reached = true;
			break;
		}
		if (d == mnt->mnt_root) {
			if (mnt->mnt_parent == mnt)
				break;
			d = mnt->mnt_mountpoint;
			mnt = mnt->mnt_parent;
			continue;
		}
		if (!prepend(buf, &start, d->d_name, d->d_namelen) || !prepend(buf, &start, "/", 1))
			return ERR_PTR(-ENAMETOOLONG);
		if (d->d_parent == d)
			break;
		d = d->d_parent;
	}
	if (start == end && !prepend(buf, &start, "/", 1))
		return ERR_PTR(-ENAMETOOLONG);
	return start;
}

char *d_path_from(const struct path *p, const struct path *root, char *buf, int size, bool *reached)
{
	char *end = buf + size, *start;

	if (!prepend(buf, &end, "", 1))
		return ERR_PTR(-ENAMETOOLONG);
	spin_lock(&dcache_lock);
	if (p->dentry->d_flags & DCACHE_DNAME) {
		*reached = true;
		start = end;
		if (!prepend(buf, &start, p->dentry->d_name, p->dentry->d_namelen))
			start = ERR_PTR(-ENAMETOOLONG);
	} else if ((p->dentry->d_flags & DCACHE_UNLINKED) && !prepend(buf, &end, " (deleted)", 10)) {
		start = ERR_PTR(-ENAMETOOLONG);
	} else {
		start = build_path(p, root, buf, end, reached);
	}
	spin_unlock(&dcache_lock);
	return start;
}

char *dentry_path(struct dentry *d, char *buf, int size)
{
	char *end = buf + size, *start;
	bool fits = prepend(buf, &end, "", 1);

	start = end;
	spin_lock(&dcache_lock);
	for (; fits && d->d_parent != d; d = d->d_parent)
		fits = prepend(buf, &start, d->d_name, d->d_namelen) && prepend(buf, &start, "/", 1);
	spin_unlock(&dcache_lock);
	if (start == end)
		fits = fits && prepend(buf, &start, "/", 1);
	return fits ? start : ERR_PTR(-ENAMETOOLONG);
}

char *d_path(const struct path *p, char *buf, int size)
{
	struct path root;
	bool reached;
	char *s;

	get_fs_root(&root);
	s = d_path_from(p, &root, buf, size, &reached);
	path_put(&root);
	return s;
}

SYSCALL_DEFINE2(getcwd, char __user *, ubuf, unsigned long, size)
{
	char *buf = kmalloc(PATH_MAX, GFP_KERNEL), *s;
	struct path pwd, root;
	bool reached = true;
	long n;

	if (!buf)
		return -ENOMEM;
	get_fs_pwd(&pwd);
	get_fs_root(&root);
	s = d_path_from(&pwd, &root, buf, PATH_MAX, &reached);
	if (pwd.dentry->d_flags & DCACHE_UNLINKED) {
		n = -ENOENT;
	} else if (IS_ERR(s)) {
		n = PTR_ERR(s);
	} else {
		static const char mark[] = "(unreachable)";

		/* The caller's root is elsewhere: say so instead of a path that means something else. */
		if (!reached && s - buf >= (long)sizeof(mark) - 1) {
			s -= sizeof(mark) - 1;
			memcpy(s, mark, sizeof(mark) - 1);
		}
		n = strlen(s) + 1;
		if (n > (long)size)
			n = -ERANGE;
		else if (copy_to_user(ubuf, s, n))
			n = -EFAULT;
	}
	path_put(&root);
	path_put(&pwd);
	kfree(buf);
	return n;
}

SYSCALL_DEFINE1(chdir, const char __user *, name)
{
	struct path p;
	int err = user_path_at(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	if (err)
		return err;
	err = inode_permission(p.dentry->d_inode, MAY_EXEC);
	if (err)
		path_put(&p);
	else
		set_fs_path(current->fs, &current->fs->pwd, p);
	return err;
}

SYSCALL_DEFINE1(fchdir, int, fd)
{
	struct file *f = fget_raw(fd);
	int err;

	if (!f)
		return -EBADF;
	err = S_ISDIR(f->f_inode->i_mode) ? inode_permission(f->f_inode, MAY_EXEC) : -ENOTDIR;
	if (!err) {
		path_get(&f->f_path);
		set_fs_path(current->fs, &current->fs->pwd, f->f_path);
	}
	fput(f);
	return err;
}

SYSCALL_DEFINE1(chroot, const char __user *, name)
{
	struct path p;
	int err = user_path_at(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	if (err)
		return err;
	err = inode_permission(p.dentry->d_inode, MAY_EXEC);
	if (!err && !capable(CAP_SYS_ADMIN))
		err = -EPERM;
	if (err)
		path_put(&p);
	else
		set_fs_path(current->fs, &current->fs->root, p);
	return err;
}

SYSCALL_DEFINE1(umask, int, mask)
{
	struct fs_struct *fs = current->fs;

	return xchg(&fs->umask, (umode_t)(mask & 0777));
}
