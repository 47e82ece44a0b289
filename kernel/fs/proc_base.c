/*
 * kernel/fs/proc_base.c - the directories /proc/PID, made when somebody looks.
 *
 *	/proc/PID/NAME		files and links that others registered (proc_pid_create, proc_pid_link)
 *	/proc/PID/fd, fdinfo	one link, one file for each open file
 *	/proc/PID/task/TID	the same again for each thread
 *	/proc/self, thread-self	links that read differently for each reader
 *
 * Dentries below PID directories are never linked into the tree: each lookup makes one with an inode that
 * holds the task_struct. The structure outlives the task; proc_task_alive() tells whether the task itself
 * still is there: after that, lookups say ENOENT and reads ESRCH. Owner of all is the task's effective user
 * at the lookup. Linux: fs/proc/base.c, fs/proc/fd.c.
 */
#include "kernel/fs/pseudofs_internal.h"
#include "kernel/init.h"
#include "kernel/task/pid.h"
#include "kernel/task/signal.h"

#define PID_OFF_BASE (1LL << 40)	/* directory positions of PIDs, above those of registered files */

enum entry_kind { ENTRY_FILE, ENTRY_LINK, ENTRY_DIR };
struct pid_entry {
	struct list_head link;
	const char *name;
	enum entry_kind kind;
	umode_t mode;
	unsigned int flags;		/* PROC_PID_* */
	unsigned int number;		/* from 1: part of the inode number and the directory position */
	const struct pseudo_ops *ops;
	void *data;
	int (*get_path)(struct task_struct *t, struct path *res);
	const struct inode_operations *iops;	/* ENTRY_DIR */
	const struct file_operations *fops;
};
static LIST_HEAD(pid_entries);		/* grows at boot only */
static unsigned int nr_entries;

static const struct inode_operations pid_dir_iops, fd_dir_iops, fdinfo_dir_iops, task_dir_iops, fd_link_iops;
static const struct file_operations pid_dir_fops, fd_dir_fops, task_dir_fops;

bool proc_task_alive(struct task_struct *t)
{
	struct task_struct *now = find_get_task_by_pid(t->pid);

	if (now)
		put_task_struct(now);
	return now == t;
}

/* ---- Registering ---- */

static struct pid_entry *add_entry(const char *name, enum entry_kind kind, umode_t mode, unsigned int flags)
{
	struct pid_entry *e = kzalloc(sizeof(*e), GFP_KERNEL);

	if (!e)
		panic("no memory to register /proc/PID/%s", name);
	e->name = name;
	e->kind = kind;
	e->mode = mode;
	e->flags = flags;
	e->number = ++nr_entries;
	list_add_tail(&e->link, &pid_entries);
	return e;
}

void proc_pid_create(const char *name, umode_t mode, const struct pseudo_ops *ops, void *data,
		     unsigned int flags)
{
	struct pid_entry *e = add_entry(name, ENTRY_FILE, S_IFREG | mode, flags);

	e->ops = ops;
	e->data = data;
}

void proc_pid_link(const char *name, int (*get_path)(struct task_struct *t, struct path *res))
{
	add_entry(name, ENTRY_LINK, S_IFLNK | 0777, 0)->get_path = get_path;
}

static void add_dir(const char *name, umode_t mode, unsigned int flags, const struct inode_operations *iops,
		    const struct file_operations *fops)
{
	struct pid_entry *e = add_entry(name, ENTRY_DIR, S_IFDIR | mode, flags);

	e->iops = iops;
	e->fops = fops;
}

/* ---- Making dentries ---- */

/* Inode numbers follow from what the file is: they are the same at each lookup. KIND: 0 PID, 1 TID, 2 fd, 3
 * fdinfo. */
static u64 pid_ino(struct task_struct *t, unsigned int kind, unsigned int number)
{
	return 1ULL << 56 | (u64)kind << 52 | (u64)t->pid << 24 | number;
}

/*
 * A dentry NAME below PARENT about task T, whose reference it takes over. ERR_PTR with T put.
 */
static struct dentry *task_dentry(struct dentry *parent, const char *name, unsigned int len,
				  struct task_struct *t, umode_t mode, const struct pseudo_ops *ops,
				  void *data, u64 ino)
{
	struct inode *inode = pseudo_new_inode(parent->d_sb, mode, ops, data);
	const struct cred *c;
	struct dentry *d;

	if (!inode) {
		put_task_struct(t);
		return ERR_PTR(-ENOMEM);
	}
	pseudo_node(inode)->task = t;
	inode->i_ino = ino;
	c = get_task_cred(t);
	inode->i_uid = c->euid;
	inode->i_gid = c->egid;
	put_cred(c);
	d = d_alloc(parent, name, len);
	if (!d) {
		iput(inode);
		return ERR_PTR(-ENOMEM);
	}
	d_instantiate(d, inode);
	return d;
}

/* A decimal number of LEN digits without leading zeroes; -1: it is none. */
static long name_to_number(const char *name, unsigned int len)
{
	long n = 0;

	if (!len || len > 9 || (name[0] == '0' && len > 1))
		return -1;
	while (len--) {
		if (*name < '0' || *name > '9')
			return -1;
		n = n * 10 + (*name++ - '0');
	}
	return n;
}

static struct task_struct *dir_task(const struct inode *dir)
{
	return pseudo_node(dir)->task;
}

/* The task of a directory, alive and referenced; NULL. */
static struct task_struct *get_dir_task(const struct inode *dir)
{
	struct task_struct *t = dir_task(dir);

	if (!proc_task_alive(t))
		return NULL;
	get_task_struct(t);
	return t;
}

/* data of a directory's node: is it one of task/TID? */
static bool is_tid_dir(const struct inode *dir)
{
	return pseudo_node(dir)->data != NULL;
}

static struct dentry *pid_dir_dentry(struct dentry *parent, const char *name, unsigned int len,
				     struct task_struct *t, bool tid)
{
	struct dentry *d =
		task_dentry(parent, name, len, t, S_IFDIR | 0555, NULL, tid ? t : NULL, pid_ino(t, tid, 0));

	if (!IS_ERR(d)) {
		d->d_inode->i_op = &pid_dir_iops;
		d->d_inode->i_fop = &pid_dir_fops;
	}
	return d;
}

/* ---- Links ---- */

static int pid_link_path(struct dentry *d, struct path *res)
{
	struct pseudo_node *n = pseudo_node(d->d_inode);

	if (!ptrace_may_access(n->task))
		return -EACCES;
	return n->get_path(n->task, res);
}

static const struct inode_operations pid_link_iops = { .get_path = pid_link_path, .setattr = pseudo_setattr };

static int fd_link_path(struct dentry *d, struct path *res)
{
	struct pseudo_node *n = pseudo_node(d->d_inode);
	struct file *f;

	if (!ptrace_may_access(n->task))
		return -EACCES;
	f = fget_task(n->task, n->fd);
	if (!f)
		return -ENOENT;
	*res = f->f_path;
	path_get(res);
	fput(f);
	return 0;
}

static const struct inode_operations fd_link_iops = { .get_path = fd_link_path, .setattr = pseudo_setattr };

/* Working directory (PWD) or root of T. */
static int task_fs_path(struct task_struct *t, struct path *res, bool pwd)
{
	int err = -ENOENT;

	spin_lock(&t->alloc_lock);
	if (t->fs) {
		spin_lock(&t->fs->lock);
		*res = pwd ? t->fs->pwd : t->fs->root;
		path_get(res);
		spin_unlock(&t->fs->lock);
		err = 0;
	}
	spin_unlock(&t->alloc_lock);
	return err;
}

static int cwd_path(struct task_struct *t, struct path *res)
{
	return task_fs_path(t, res, true);
}

static int root_path(struct task_struct *t, struct path *res)
{
	return task_fs_path(t, res, false);
}

/* ---- /proc/PID ---- */

/* Opening needs the right to look into the task. */
static int ptrace_permission(struct inode *inode, int mask)
{
	int err = generic_permission(inode, mask);

	if (!err && !ptrace_may_access(dir_task(inode)))
		err = -EACCES;
	return err;
}

static const struct inode_operations pid_file_ptrace_iops = { .permission = ptrace_permission,
							     .setattr = pseudo_setattr };

static struct dentry *entry_dentry(struct dentry *parent, const struct pid_entry *e, struct task_struct *t,
				   bool tid)
{
	void *data = e->kind == ENTRY_DIR && tid ? t : e->data;
	struct dentry *d = task_dentry(parent, e->name, strlen(e->name), t, e->mode, e->ops, data,
				       pid_ino(t, tid, e->number));
	struct inode *inode;

	if (IS_ERR(d))
		return d;
	inode = d->d_inode;
	if (e->kind == ENTRY_LINK) {
		inode->i_op = &pid_link_iops;
		pseudo_node(inode)->get_path = e->get_path;
	} else if (e->kind == ENTRY_DIR) {
		inode->i_op = e->iops;
		inode->i_fop = e->fops;
	} else if (e->flags & PROC_PID_PTRACE) {
		inode->i_op = &pid_file_ptrace_iops;
	}
	return d;
}

static struct dentry *pid_dir_lookup(struct inode *dir, const char *name, unsigned int len,
				     struct dentry *parent)
{
	bool tid = is_tid_dir(dir);
	struct task_struct *t;
	struct pid_entry *e;

	list_for_each_entry(e, &pid_entries, link) {
		if (strlen(e->name) != len || memcmp(e->name, name, len) ||
		    (tid && (e->flags & PROC_PID_NOTASK)))
			continue;
		t = get_dir_task(dir);
		return t ? entry_dentry(parent, e, t, tid) : ERR_PTR(-ENOENT);
	}
	return ERR_PTR(-ENOENT);
}

static int pid_dir_iterate(struct file *f, struct dir_context *ctx)
{
	bool tid = is_tid_dir(f->f_inode);
	struct task_struct *t = dir_task(f->f_inode);
	struct pid_entry *e;

	if (!proc_task_alive(t))
		return -ENOENT;
	if (!dir_emit_dots(f, ctx))
		return 0;
	list_for_each_entry(e, &pid_entries, link) {
		loff_t at = DIR_OFF_FIRST + e->number;

		if (at < ctx->pos || (tid && (e->flags & PROC_PID_NOTASK)))
			continue;
		if (!dir_emit(ctx, e->name, strlen(e->name), at + 1, pid_ino(t, tid, e->number), e->mode))
			break;
	}
	return 0;
}

static const struct inode_operations pid_dir_iops = { .lookup = pid_dir_lookup, .setattr = pseudo_setattr };
static const struct file_operations pid_dir_fops = {
	.read = generic_read_dir, .llseek = dcache_dir_llseek, .iterate = pid_dir_iterate,
};

/* ---- fd and fdinfo ---- */

static int fdinfo_show(struct seq_file *m, void *data)
{
	struct file *f = fget_task(m->task, (long)data);
	char *buf;

	if (!f)
		return -ENOENT;
	seq_printf(m, "pos:\t%lld\nflags:\t0%o\nmnt_id:\t%d\nino:\t%llu\n", (long long)f->f_pos, f->f_flags,
		   f->f_path.mnt->mnt_id, (unsigned long long)f->f_inode->i_ino);
	buf = f->f_op->show_fdinfo ? kzalloc(256, GFP_KERNEL) : NULL;
	if (buf) {
		f->f_op->show_fdinfo(f, buf, 256);
		seq_puts(m, buf);
		kfree(buf);
	}
	fput(f);
	return 0;
}

static const struct pseudo_ops fdinfo_ops = { .show = fdinfo_show };

/* The mode of fd/N: readable and writable as the file is. 0: no such file. */
static umode_t fd_mode(struct task_struct *t, int fd)
{
	struct file *f = fget_task(t, fd);
	umode_t mode = S_IFLNK;

	if (!f)
		return 0;
	if (f->f_mode & FMODE_READ)
		mode |= 0500;
	if (f->f_mode & FMODE_WRITE)
		mode |= 0300;
	fput(f);
	return mode;
}

static struct dentry *fd_lookup(struct inode *dir, const char *name, unsigned int len, struct dentry *parent,
				bool info)
{
	struct task_struct *t = get_dir_task(dir);
	long fd = name_to_number(name, len);
	umode_t mode = t && fd >= 0 ? fd_mode(t, fd) : 0;
	struct dentry *d;

	if (!mode) {
		if (t)
			put_task_struct(t);
		return ERR_PTR(-ENOENT);
	}
	d = task_dentry(parent, name, len, t, info ? S_IFREG | 0444 : mode, info ? &fdinfo_ops : NULL,
			(void *)fd, pid_ino(t, 2 + info, fd));
	if (!IS_ERR(d) && !info) {
		d->d_inode->i_op = &fd_link_iops;
		pseudo_node(d->d_inode)->fd = fd;
	}
	return d;
}

static struct dentry *fd_dir_lookup(struct inode *dir, const char *name, unsigned int len,
				    struct dentry *parent)
{
	return fd_lookup(dir, name, len, parent, false);
}

static struct dentry *fdinfo_dir_lookup(struct inode *dir, const char *name, unsigned int len,
					struct dentry *parent)
{
	return fd_lookup(dir, name, len, parent, true);
}

static int fd_dir_iterate(struct file *f, struct dir_context *ctx)
{
	struct task_struct *t = dir_task(f->f_inode);
	bool info = f->f_inode->i_op == &fdinfo_dir_iops;
	int fd;

	if (!proc_task_alive(t))
		return -ENOENT;
	if (!dir_emit_dots(f, ctx))
		return 0;
	while ((fd = task_next_fd(t, ctx->pos - DIR_OFF_FIRST)) >= 0) {
		char name[12];
		int len = snprintf(name, sizeof(name), "%d", fd);

		if (!dir_emit(ctx, name, len, DIR_OFF_FIRST + fd + 1, pid_ino(t, 2 + info, fd),
			      info ? S_IFREG : S_IFLNK))
			break;
	}
	return 0;
}

/* A process may always see its own files, even after it has changed its ids. */
static int fd_dir_permission(struct inode *inode, int mask)
{
	if (dir_task(inode)->tgid == current->tgid)
		return 0;
	return ptrace_permission(inode, mask);
}

static const struct inode_operations fd_dir_iops = {
	.lookup = fd_dir_lookup, .permission = fd_dir_permission, .setattr = pseudo_setattr,
};
static const struct inode_operations fdinfo_dir_iops = {
	.lookup = fdinfo_dir_lookup, .permission = fd_dir_permission, .setattr = pseudo_setattr,
};
static const struct file_operations fd_dir_fops = {
	.read = generic_read_dir, .llseek = dcache_dir_llseek, .iterate = fd_dir_iterate,
};

/* ---- task ---- */

static struct dentry *task_dir_lookup(struct inode *dir, const char *name, unsigned int len,
				      struct dentry *parent)
{
	long nr = name_to_number(name, len);
	struct task_struct *t = nr > 0 ? find_get_task_by_pid(nr) : NULL;

	if (t && t->tgid != dir_task(dir)->tgid) {
		put_task_struct(t);
		t = NULL;
	}
	return t ? pid_dir_dentry(parent, name, len, t, true) : ERR_PTR(-ENOENT);
}

/* Lowest thread id >= FROM in T's group, or 0. */
static pid_t next_tid(struct task_struct *t, pid_t from)
{
	struct task_struct *thread;
	unsigned long flags;
	pid_t best = 0;

	spin_lock_irqsave(&tasklist_lock, flags);
	if (find_task_by_pid(t->pid) == t)
		for_each_thread(t, thread)
			if (thread->pid >= from && (!best || thread->pid < best))
				best = thread->pid;
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return best;
}

static int task_dir_iterate(struct file *f, struct dir_context *ctx)
{
	struct task_struct *t = dir_task(f->f_inode);
	pid_t tid;

	if (!dir_emit_dots(f, ctx))
		return 0;
	while ((tid = next_tid(t, ctx->pos - DIR_OFF_FIRST))) {
		char name[12];
		int len = snprintf(name, sizeof(name), "%d", tid);

		if (!dir_emit(ctx, name, len, DIR_OFF_FIRST + tid + 1,
			      1ULL << 56 | 1ULL << 52 | (u64)tid << 24, S_IFDIR))
			break;
	}
	return 0;
}

static const struct inode_operations task_dir_iops = { .lookup = task_dir_lookup, .setattr = pseudo_setattr };
static const struct file_operations task_dir_fops = {
	.read = generic_read_dir, .llseek = dcache_dir_llseek, .iterate = task_dir_iterate,
};

/* ---- /proc itself ---- */

static struct dentry *proc_root_lookup(struct inode *dir, const char *name, unsigned int len,
				       struct dentry *parent)
{
	long nr = name_to_number(name, len);
	struct task_struct *t = nr > 0 ? find_get_task_by_pid(nr) : NULL;

	return t ? pid_dir_dentry(parent, name, len, t, false) : ERR_PTR(-ENOENT);
}

static int proc_root_iterate(struct file *f, struct dir_context *ctx)
{
	if (ctx->pos < PID_OFF_BASE) {
		if (!dcache_emit(f, ctx))
			return 0;
		ctx->pos = PID_OFF_BASE;
	}
	for (;;) {
		pid_t nr = ctx->pos - PID_OFF_BASE;
		struct task_struct *t = next_tgid(&nr);
		char name[12];
		bool more;

		if (!t)
			break;
		more = dir_emit(ctx, name, snprintf(name, sizeof(name), "%d", nr), PID_OFF_BASE + nr + 1,
				pid_ino(t, 0, 0), S_IFDIR);
		put_task_struct(t);
		if (!more)
			break;
	}
	return 0;
}

static const struct inode_operations proc_root_iops = {
	.lookup = proc_root_lookup, .setattr = pseudo_setattr,
};
static const struct file_operations proc_root_fops = {
	.read = generic_read_dir, .llseek = dcache_dir_llseek, .iterate = proc_root_iterate,
};

static int self_readlink(struct dentry *d, char *buf, size_t size)
{
	return scnprintf(buf, size, "%d", current->tgid);
}

static int thread_self_readlink(struct dentry *d, char *buf, size_t size)
{
	return scnprintf(buf, size, "%d/task/%d", current->tgid, current->pid);
}

static const struct inode_operations self_iops = { .readlink = self_readlink, .setattr = pseudo_setattr };
static const struct inode_operations thread_self_iops = { .readlink = thread_self_readlink,
							 .setattr = pseudo_setattr };

/* A link whose text depends on the reader. */
static void add_self_link(const char *name, const struct inode_operations *iops)
{
	struct inode *inode = pseudo_symlink(proc_root, name, "")->dentry->d_inode;

	kfree(inode->i_link);
	inode->i_link = NULL;
	inode->i_op = iops;
}

void proc_base_init(void)
{
	struct inode *root = proc_root->dentry->d_inode;

	root->i_op = &proc_root_iops;
	root->i_fop = &proc_root_fops;
	add_self_link("self", &self_iops);
	add_self_link("thread-self", &thread_self_iops);
	add_dir("task", 0555, PROC_PID_NOTASK, &task_dir_iops, &task_dir_fops);
	add_dir("fd", 0500, 0, &fd_dir_iops, &fd_dir_fops);
	add_dir("fdinfo", 0555, 0, &fdinfo_dir_iops, &fd_dir_fops);
	proc_pid_link("cwd", cwd_path);
	proc_pid_link("root", root_path);
}
