/*
 * kernel/fs/namei.c - from a path to the object.
 *
 *	"a/link/../b"	nd_walk(): component by component, each step: may I search this directory? which
 *			child? is something mounted on it? is it a symbolic link? A link's text takes the
 *			place of the component and the walk goes on with it (at most 40 times), so nothing
 *			recurses.
 *
 * A walk holds references on the place it stands at; single steps take dcache_lock, no lock is held between
 * them. What changes directories is in dir_ops.c.
 *
 * Not here: lockless walks, automounts, openat2 restrictions. Linux: fs/namei.c.
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/task/syscall.h"

const struct inode_operations empty_iops;

/* ---- Names ---- */

char *getname(const char __user *name, unsigned int flags)
{
	char *buf = kmalloc(PATH_MAX, GFP_KERNEL);
	long n;

	if (!buf)
		return ERR_PTR(-ENOMEM);
	n = strncpy_from_user(buf, name, PATH_MAX);
	if (n == PATH_MAX)
		n = -ENAMETOOLONG;
	else if (n == 0 && !(flags & LOOKUP_EMPTY))
		n = -ENOENT;
	if (n < 0) {
		kfree(buf);
		return ERR_PTR(n);
	}
	return buf;
}

void putname(char *name)
{
	kfree(name);
}

void path_get(const struct path *p)
{
	mntget(p->mnt);
	dget(p->dentry);
}

void path_put(const struct path *p)
{
	dput(p->dentry);
	mntput(p->mnt);
}

/* ---- One step ---- */

struct dentry *lookup_child(struct dentry *dir, const char *name, unsigned int len, bool locked)
{
	struct inode *inode = dir->d_inode;
	struct dentry *d = d_lookup(dir, name, len);

	if (d)
		return d;
	if (!inode->i_op->lookup)
		return ERR_PTR(-ENOENT);
	if (!locked)
		down_read(&inode->i_rwsem);
	d = inode->i_op->lookup(inode, name, len, dir);
	if (!locked)
		up_read(&inode->i_rwsem);
	return d ? d : ERR_PTR(-ENOENT);
}

void follow_mount(struct path *p)
{
	while (READ_ONCE(p->dentry->d_mounted)) {
		struct path down;

		spin_lock(&dcache_lock);
		down.mnt = lookup_mnt(p->mnt, p->dentry);
		if (down.mnt) {
			down.dentry = down.mnt->mnt_root;
			path_get(&down);
		}
		spin_unlock(&dcache_lock);
		if (!down.mnt)
			return;
		path_put(p);
		*p = down;
	}
}

/* "..": out of a mount through its mount point, never above the process's root. */
static void follow_dotdot(struct nameidata *nd)
{
	struct path up = nd->path;

	spin_lock(&dcache_lock);
	while (!(up.mnt == nd->root.mnt && up.dentry == nd->root.dentry)) {
		if (up.dentry != up.mnt->mnt_root) {
			up.dentry = up.dentry->d_parent;
			break;
		}
		if (up.mnt->mnt_parent == up.mnt)
			break;
		up.dentry = up.mnt->mnt_mountpoint;
		up.mnt = up.mnt->mnt_parent;
	}
	path_get(&up);
	spin_unlock(&dcache_lock);
	path_put(&nd->path);
	nd->path = up;
	follow_mount(&nd->path);
}

static void nd_to_root(struct nameidata *nd)
{
	path_get(&nd->root);
	path_put(&nd->path);
	nd->path = nd->root;
}

/* Text of the link D, to be kfreed; ERR_PTR. */
static char *link_text(struct dentry *d)
{
	struct inode *inode = d->d_inode;
	char *buf;
	int n;

	if (inode->i_link) {
		buf = kstrdup(inode->i_link, GFP_KERNEL);
		return buf ? buf : ERR_PTR(-ENOMEM);
	}
	if (!inode->i_op->readlink)
		return ERR_PTR(-EINVAL);
	buf = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	n = inode->i_op->readlink(d, buf, PATH_MAX - 1);
	if (n < 0) {
		kfree(buf);
		return ERR_PTR(n);
	}
	buf[n] = '\0';
	return buf;
}

int follow_link(struct nameidata *nd, struct path *p, const char *rest, bool slash, const char **next)
{
	struct inode *inode = p->dentry->d_inode;
	struct path target;
	char *text, *joined;
	int err;

	err = ++nd->links > MAXSYMLINKS ? -ELOOP : 0;
	if (!err && inode->i_op->get_path) {
		err = inode->i_op->get_path(p->dentry, &target);
		path_put(p);
		if (err)
			return err;
		path_put(&nd->path);
		nd->path = target;
		*next = rest;
		return 0;
	}
	text = err ? ERR_PTR(err) : link_text(p->dentry);
	path_put(p);
	if (IS_ERR(text))
		return PTR_ERR(text);
	joined = kasprintf(GFP_KERNEL, "%s%s%s", text, slash ? "/" : "", rest);
	kfree(text);
	if (!joined)
		return -ENOMEM;
	kfree(nd->buf);		/* REST pointed into it */
	nd->buf = joined;
	if (*joined == '/')
		nd_to_root(nd);
	*next = joined;
	return 1;
}

/* ---- The walk ---- */

/* Start at the root or at DFD. 0, or -errno and nothing to end. */
int nd_begin(struct nameidata *nd, int dfd, const char *name, unsigned int flags)
{
	memset(nd, 0, offsetof(struct nameidata, last));
	nd->flags = flags;
	if (*name == '/') {
		get_fs_root(&nd->path);
	} else if (dfd == AT_FDCWD) {
		get_fs_pwd(&nd->path);
	} else {
		struct file *f = fget_raw(dfd);

		if (!f)
			return -EBADF;
		if (*name && !S_ISDIR(f->f_inode->i_mode)) {
			fput(f);
			return -ENOTDIR;
		}
		nd->path = f->f_path;
		path_get(&nd->path);
		fput(f);
	}
	get_fs_root(&nd->root);
	return 0;
}

void nd_end(struct nameidata *nd)
{
	path_put(&nd->path);
	path_put(&nd->root);
	kfree(nd->buf);
}

static enum last_type last_type_of(const char *name, unsigned int len)
{
	if (name[0] == '.' && len == 1)
		return LAST_DOT;
	if (name[0] == '.' && name[1] == '.' && len == 2)
		return LAST_DOTDOT;
	return LAST_NORM;
}

static int may_search(struct nameidata *nd)
{
	struct inode *inode = nd->path.dentry->d_inode;

	return S_ISDIR(inode->i_mode) ? inode_permission(inode, MAY_EXEC) : -ENOTDIR;
}

/* To the child LEN bytes of NAME. 0: *NEXT = REST; 1: *NEXT is a link's text; -errno. */
static int step(struct nameidata *nd, const char *name, unsigned int len, bool follow, const char *rest,
		bool slash, const char **next)
{
	struct path p = { .mnt = nd->path.mnt, .dentry = lookup_child(nd->path.dentry, name, len, false) };

	if (IS_ERR(p.dentry))
		return PTR_ERR(p.dentry);
	mntget(p.mnt);
	follow_mount(&p);
	if (follow && S_ISLNK(p.dentry->d_inode->i_mode))
		return follow_link(nd, &p, rest, slash, next);
	path_put(&nd->path);
	nd->path = p;
	*next = rest;
	return 0;
}

/*
 * Walk NAME from where ND stands: to the object, or with LOOKUP_PARENT to the directory of its last
 * component, which is left in ND->last.
 *
 * => ND begun, and to be ended by the caller whatever happens; may sleep
 */
int nd_walk(struct nameidata *nd, const char *name)
{
	bool slash = false;

	nd->last_type = LAST_ROOT;
	nd->last_len = 0;
	for (;;) {
		const char *rest;
		unsigned int len;
		int err;

		while (*name == '/')
			name++;
		if (!*name)
			break;
		len = strcspn(name, "/");
		rest = name + len;
		slash = *rest == '/';
		while (*rest == '/')
			rest++;
		err = may_search(nd);
		if (err)
			return err;
		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		nd->last_type = last_type_of(name, len);
		if (!*rest && (nd->flags & LOOKUP_PARENT)) {
			memcpy(nd->last, name, len);
			nd->last[len] = '\0';
			nd->last_len = len;
			nd->last_slash = slash;
			return 0;
		}
		if (nd->last_type == LAST_DOTDOT)
			follow_dotdot(nd);
		if (nd->last_type != LAST_NORM) {
			name = rest;
			continue;
		}
		err = step(nd, name, len, *rest || slash || (nd->flags & LOOKUP_FOLLOW), rest, slash, &name);
		if (err < 0)
			return err;
	}
	if ((slash || (nd->flags & LOOKUP_DIRECTORY)) && !S_ISDIR(nd->path.dentry->d_inode->i_mode))
		return -ENOTDIR;
	return 0;
}

int path_lookup(int dfd, const char *name, unsigned int flags, struct path *res)
{
	struct nameidata nd;
	int err = nd_begin(&nd, dfd, name, flags & ~LOOKUP_PARENT);

	if (err)
		return err;
	err = nd_walk(&nd, name);
	if (!err) {
		*res = nd.path;
		path_get(res);
	}
	nd_end(&nd);
	return err;
}

int kern_path(const char *name, unsigned int flags, struct path *res)
{
	return path_lookup(AT_FDCWD, name, flags, res);
}

int user_path_at(int dfd, const char __user *uname, unsigned int flags, struct path *res)
{
	char *name = getname(uname, flags);
	int err;

	if (IS_ERR(name))
		return PTR_ERR(name);
	err = path_lookup(dfd, name, flags, res);
	putname(name);
	return err;
}

/* ---- readlink ---- */

/* What readlink shows of D: its text, or the path that it would jump to. Length in BUF (not terminated), or
 * -errno. */
static int read_link(struct dentry *d, char *buf, int size)
{
	struct inode *inode = d->d_inode;
	struct path p;
	char *text;
	int err;

	if (inode->i_link) {
		int n = min_t(int, strlen(inode->i_link), size);

		memcpy(buf, inode->i_link, n);
		return n;
	}
	if (inode->i_op->readlink)
		return inode->i_op->readlink(d, buf, size);
	if (!inode->i_op->get_path)
		return -EINVAL;
	err = inode->i_op->get_path(d, &p);
	if (err)
		return err;
	text = d_path(&p, buf, size);
	if (!IS_ERR(text)) {
		err = strlen(text);
		memmove(buf, text, err);
	} else {
		err = PTR_ERR(text);
	}
	path_put(&p);
	return err;
}

static long do_readlinkat(int dfd, const char __user *uname, char __user *ubuf, int size)
{
	struct path p;
	char *buf;
	long n;

	if (size <= 0)
		return -EINVAL;
	n = user_path_at(dfd, uname, LOOKUP_EMPTY, &p);
	if (n)
		return n;
	if (!S_ISLNK(p.dentry->d_inode->i_mode)) {
		char first = 1;

		n = get_user(first, uname);
		path_put(&p);
		return first ? -EINVAL : -ENOENT;
	}
	buf = kmalloc(PATH_MAX, GFP_KERNEL);
	n = buf ? read_link(p.dentry, buf, PATH_MAX) : -ENOMEM;
	path_put(&p);
	if (n > 0) {
		n = min_t(long, n, size);
		if (copy_to_user(ubuf, buf, n))
			n = -EFAULT;
	}
	kfree(buf);
	return n;
}

SYSCALL_DEFINE3(readlink, const char __user *, name, char __user *, buf, int, size)
{
	return do_readlinkat(AT_FDCWD, name, buf, size);
}

SYSCALL_DEFINE4(readlinkat, int, dfd, const char __user *, name, char __user *, buf, int, size)
{
	return do_readlinkat(dfd, name, buf, size);
}
