/*
 * kernel/fs/mount.c - which file systems are mounted where.
 *
 *	rootfs "/" --- dentry /proc --d_mounted--> mount of proc: mnt_parent, mnt_mountpoint, mnt_root
 *
 * One tree for all processes (no mount name spaces). A mount in the tree has one reference for that, and one
 * for each mount upon it and each path that stands in it; it is busy if there are more than the tree's.
 * Detaching takes it (with MNT_DETACH all that is mounted below, too) off the tree; the last reference frees
 * it.
 *
 * Locks: mount_mutex: changes, and the list; dcache_lock inside it: what path walks look at.
 * Linux: fs/namespace.c, fs/filesystems.c, fs/proc_namespace.c.
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/task/syscall.h"

#define MNT_DETACH	2
#define UMOUNT_NOFOLLOW	8
#define MNT_FLAGS	(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_RELATIME)

DEFINE_MUTEX(mount_mutex);
LIST_HEAD(mount_list);
static LIST_HEAD(fs_types);		/* mount_mutex */
static struct mount *root_mnt;
static int next_mnt_id = 1;		/* mount_mutex */

/* ---- File system types ---- */

void register_filesystem(struct file_system_type *t)
{
	mutex_lock(&mount_mutex);
	list_add_tail(&t->list, &fs_types);
	mutex_unlock(&mount_mutex);
}

/* Types are never unregistered, so no reference is needed. */
struct file_system_type *get_fs_type(const char *name)
{
	struct file_system_type *t, *found = NULL;

	mutex_lock(&mount_mutex);
	list_for_each_entry(t, &fs_types, list)
		if (!strcmp(t->name, name))
			found = t;
	mutex_unlock(&mount_mutex);
	return found;
}

/* ---- Mounts ---- */

void mntget(struct mount *m)
{
	atomic_inc(&m->mnt_count);
}

/* => may sleep: the last one takes the file system down */
void mntput(struct mount *m)
{
	if (!atomic_dec_and_test(&m->mnt_count))
		return;
	dput(m->mnt_root);
	deactivate_super(m->mnt_sb);
	kfree(m->mnt_devname);
	kfree(m);
}

/* A mount of SB (whose s_active reference it takes over) at ROOT, in no tree yet. NULL: no memory. */
static struct mount *mount_alloc(struct super_block *sb, struct dentry *root, const char *devname,
				 unsigned int flags)
{
	struct mount *m = kzalloc(sizeof(*m), GFP_KERNEL);

	if (m)
		m->mnt_devname = kstrdup(devname && *devname ? devname : "none", GFP_KERNEL);
	if (!m || !m->mnt_devname) {
		kfree(m);
		return NULL;
	}
	dget(root);
	m->mnt_root = root;
	m->mnt_sb = sb;
	m->mnt_parent = m;
	m->mnt_mountpoint = root;
	m->mnt_flags = flags & MNT_FLAGS;
	atomic_set(&m->mnt_count, 1);
	INIT_LIST_HEAD(&m->mnt_list);
	return m;
}

struct mount *kern_mount(struct file_system_type *t)
{
	struct super_block *sb = t->get_sb(t, t->name, NULL, 0);
	struct mount *m = IS_ERR(sb) ? NULL : mount_alloc(sb, sb->s_root, t->name, 0);

	if (!m)
		panic("no memory to mount %s at boot", t->name);
	return m;
}

struct mount *lookup_mnt(struct mount *parent, struct dentry *d)
{
	struct mount *m = d->d_mounted;

	while (m && m->mnt_parent != parent)
		m = m->mnt_next;
	return m;
}

/* => mount_mutex */
static int attach(struct mount *m, const struct path *at)
{
	if (at->dentry->d_flags & DCACHE_UNLINKED)
		return -ENOENT;
	if (S_ISDIR(at->dentry->d_inode->i_mode) != S_ISDIR(m->mnt_root->d_inode->i_mode))
		return -ENOTDIR;
	if (at->mnt->mnt_sb == m->mnt_sb && at->mnt->mnt_root == at->dentry && m->mnt_root == at->dentry)
		return -EBUSY;	/* the same thing on itself */
	path_get(at);
	m->mnt_id = next_mnt_id++;
	list_add_tail(&m->mnt_list, &mount_list);
	spin_lock(&dcache_lock);
	m->mnt_parent = at->mnt;
	m->mnt_mountpoint = at->dentry;
	m->mnt_next = at->dentry->d_mounted;
	at->dentry->d_mounted = m;
	spin_unlock(&dcache_lock);
	return 0;
}

/*
 * Take M off the tree; the tree's reference to it passes to the caller, *WHERE is to be put.
 *
 * => mount_mutex and dcache_lock
 */
static void detach_locked(struct mount *m, struct path *where)
{
	struct mount **p = &m->mnt_mountpoint->d_mounted;

	while (*p != m)
		p = &(*p)->mnt_next;
	*p = m->mnt_next;
	where->mnt = m->mnt_parent;
	where->dentry = m->mnt_mountpoint;
	m->mnt_parent = m;
	m->mnt_mountpoint = m->mnt_root;
	list_del_init(&m->mnt_list);
}

static bool is_below(const struct mount *m, const struct mount *top)
{
	while (m != top && m->mnt_parent != m)
		m = m->mnt_parent;
	return m == top;
}

/* Detach all that is mounted below TOP, the latest first. => mount_mutex */
static void detach_children(struct mount *top)
{
	struct mount *m, *prev;

	for (m = list_entry(mount_list.prev, struct mount, mnt_list); &m->mnt_list != &mount_list; m = prev) {
		struct path where;

		prev = list_entry(m->mnt_list.prev, struct mount, mnt_list);
		if (m == top || !is_below(m, top))
			continue;
		spin_lock(&dcache_lock);
		detach_locked(m, &where);
		spin_unlock(&dcache_lock);
		path_put(&where);
		mntput(m);
	}
}

int path_mount(struct path *p, struct file_system_type *t, const char *devname, char *data,
	       unsigned int flags)
{
	struct super_block *sb = t->get_sb(t, devname, data, flags);
	struct mount *m;
	int err;

	if (IS_ERR(sb))
		return PTR_ERR(sb);
	m = mount_alloc(sb, sb->s_root, devname, flags);
	if (!m) {
		deactivate_super(sb);
		return -ENOMEM;
	}
	mutex_lock(&mount_mutex);
	err = attach(m, p);
	mutex_unlock(&mount_mutex);
	if (err)
		mntput(m);
	return err;
}

/* MS_BIND: what OLDNAME leads to appears at P as well. */
static int bind_mount(struct path *p, const char *oldname)
{
	struct path old;
	struct mount *m;
	int err = kern_path(oldname, LOOKUP_FOLLOW, &old);

	if (err)
		return err;
	m = mount_alloc(old.mnt->mnt_sb, old.dentry, old.mnt->mnt_devname, old.mnt->mnt_flags);
	err = -ENOMEM;
	if (m) {
		atomic_inc(&m->mnt_sb->s_active);
		mutex_lock(&mount_mutex);
		err = attach(m, p);
		mutex_unlock(&mount_mutex);
		if (err)
			mntput(m);
	}
	path_put(&old);
	return err;
}

static int remount(struct path *p, char *data, unsigned int flags)
{
	struct mount *m = p->mnt;
	int err = 0;

	if (p->dentry != m->mnt_root)
		return -EINVAL;
	if (m->mnt_sb->s_op && m->mnt_sb->s_op->remount && data)
		err = m->mnt_sb->s_op->remount(m->mnt_sb, data);
	if (!err)
		WRITE_ONCE(m->mnt_flags, flags & MNT_FLAGS);
	return err;
}

static int do_mount(const char *devname, struct path *p, const char *type, unsigned int flags, char *data)
{
	struct file_system_type *t;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (flags & MS_REMOUNT)
		return remount(p, data, flags);
	if (flags & MS_BIND)
		return devname ? bind_mount(p, devname) : -EINVAL;
	if (flags & MS_MOVE || !type)
		return -EINVAL;
	t = get_fs_type(type);
	return t ? path_mount(p, t, devname, data, flags) : -ENODEV;
}

/* An optional string of the user's: NULL stays NULL. ERR_PTR. */
static char *copy_mount_string(const char __user *s, size_t max)
{
	char *buf;
	long n;

	if (!s)
		return NULL;
	buf = kmalloc(max, GFP_KERNEL);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	n = strncpy_from_user(buf, s, max);
	if (n == (long)max)
		n = -EINVAL;
	if (n < 0) {
		kfree(buf);
		return ERR_PTR(n);
	}
	return buf;
}

SYSCALL_DEFINE5(mount, const char __user *, udev, const char __user *, udir, const char __user *, utype,
		unsigned long, flags, const char __user *, udata)
{
	char *dev, *type, *data;
	struct path p;
	long err;

	type = copy_mount_string(utype, PATH_MAX);
	if (IS_ERR(type))
		return PTR_ERR(type);
	dev = copy_mount_string(udev, PATH_MAX);
	err = PTR_ERR(dev);
	if (IS_ERR(dev))
		goto out_type;
	data = copy_mount_string(udata, PAGE_SIZE);
	err = PTR_ERR(data);
	if (IS_ERR(data))
		goto out_dev;
	err = user_path_at(AT_FDCWD, udir, LOOKUP_FOLLOW, &p);
	if (!err) {
		err = do_mount(dev, &p, type, flags, data);
		path_put(&p);
	}
	kfree(data);
out_dev:
	kfree(dev);
out_type:
	kfree(type);
	return err;
}

/* P (which the caller puts) is the root of what is to be unmounted. */
static int do_umount(struct path *p, int flags)
{
	struct mount *m = p->mnt;
	struct path where;
	int err = 0;

	if (p->dentry != m->mnt_root || m->mnt_parent == m)
		return -EINVAL;
	mutex_lock(&mount_mutex);
	if (flags & MNT_DETACH)
		detach_children(m);
	spin_lock(&dcache_lock);
	/* Two: the tree's and the one that P holds. */
	if (m->mnt_parent == m)
		err = -EINVAL;	/* another umount was faster */
	else if (!(flags & MNT_DETACH) && atomic_read(&m->mnt_count) > 2)
		err = -EBUSY;
	else
		detach_locked(m, &where);
	spin_unlock(&dcache_lock);
	mutex_unlock(&mount_mutex);
	if (err)
		return err;
	path_put(&where);
	mntput(m);
	return 0;
}

SYSCALL_DEFINE2(umount2, const char __user *, name, int, flags)
{
	struct path p;
	int err;

	if (flags & ~(1 | MNT_DETACH | 4 | UMOUNT_NOFOLLOW))
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = user_path_at(AT_FDCWD, name, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	err = do_umount(&p, flags);
	path_put(&p);
	return err;
}

bool path_noexec(const struct path *p)
{
	return p->mnt->mnt_flags & MS_NOEXEC;
}

/* Boot: the root of everything, and init_task's place in it. */
void mount_rootfs(void)
{
	static struct fs_struct init_fs;
	struct path root;

	root_mnt = kern_mount(&rootfs_type);
	root_mnt->mnt_id = next_mnt_id++;
	list_add_tail(&root_mnt->mnt_list, &mount_list);
	root = (struct path){ root_mnt, root_mnt->mnt_root };
	atomic_set(&init_fs.users, 1);
	spin_lock_init(&init_fs.lock);
	init_fs.umask = 022;
	init_fs.root = init_fs.pwd = root;
	path_get(&root);
	path_get(&root);
	init_task.fs = &init_fs;
}

/* ---- /proc/PID/mounts, mountinfo, /proc/filesystems ---- */

static void *list_seq_start(struct list_head *head, loff_t pos)
{
	struct list_head *e;

	list_for_each(e, head)
		if (pos-- == 0)
			return e;
	return NULL;
}

static void *mounts_start(struct seq_file *m, loff_t *pos)
{
	mutex_lock(&mount_mutex);
	return list_seq_start(&mount_list, *pos);
}

static void *mounts_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct list_head *e = v;

	++*pos;
	return e->next == &mount_list ? NULL : e->next;
}

static void mounts_stop(struct seq_file *m, void *v)
{
	mutex_unlock(&mount_mutex);
}

static void show_mnt_flags(struct seq_file *m, const struct mount *mnt)
{
	seq_puts(m, mnt->mnt_flags & MS_RDONLY ? "ro" : "rw");
	if (mnt->mnt_flags & MS_NOSUID)
		seq_puts(m, ",nosuid");
	if (mnt->mnt_flags & MS_NODEV)
		seq_puts(m, ",nodev");
	if (mnt->mnt_flags & MS_NOEXEC)
		seq_puts(m, ",noexec");
	if (mnt->mnt_flags & MS_NOATIME)
		seq_puts(m, ",noatime");
	if (mnt->mnt_flags & MS_RELATIME)
		seq_puts(m, ",relatime");
}

static void show_sb_options(struct seq_file *m, struct super_block *sb)
{
	char buf[160];

	buf[0] = '\0';
	if (sb->s_op && sb->s_op->show_options && sb->s_op->show_options(sb, buf, sizeof(buf)) == 0)
		seq_puts(m, buf);
}

/* The reader's path of mount point MNT in BUF, or NULL when it cannot be reached from its root. */
static char *mount_point_path(struct mount *mnt, char *buf)
{
	struct path p = { mnt, mnt->mnt_root }, root;
	bool reached;
	char *s;

	get_fs_root(&root);
	s = d_path_from(&p, &root, buf, PATH_MAX, &reached);
	path_put(&root);
	return IS_ERR(s) || !reached ? NULL : s;
}

static int mounts_show(struct seq_file *m, void *v)
{
	struct mount *mnt = list_entry((struct list_head *)v, struct mount, mnt_list);
	char *buf = kmalloc(PATH_MAX, GFP_KERNEL), *s;

	if (!buf)
		return -ENOMEM;
	s = mount_point_path(mnt, buf);
	if (s) {
		seq_path_escaped(m, mnt->mnt_devname, " \t\n\\#");
		seq_putc(m, ' ');
		seq_path_escaped(m, s, " \t\n\\#");
		seq_printf(m, " %s ", mnt->mnt_sb->s_type->name);
		show_mnt_flags(m, mnt);
		show_sb_options(m, mnt->mnt_sb);
		seq_puts(m, " 0 0\n");
	}
	kfree(buf);
	return 0;
}

static int mountinfo_show(struct seq_file *m, void *v)
{
	struct mount *mnt = list_entry((struct list_head *)v, struct mount, mnt_list);
	char *buf = kmalloc(2 * PATH_MAX, GFP_KERNEL), *part_buf = buf + PATH_MAX, *s, *part;

	if (!buf)
		return -ENOMEM;
	s = mount_point_path(mnt, buf);
	if (s) {
		seq_printf(m, "%d %d %u:%u ", mnt->mnt_id, mnt->mnt_parent->mnt_id,
			   MAJOR(mnt->mnt_sb->s_dev), MINOR(mnt->mnt_sb->s_dev));
		/* A bind mount may show a part of its file system. */
		part = dentry_path(mnt->mnt_root, part_buf, PATH_MAX);
		seq_path_escaped(m, IS_ERR(part) ? "?" : part, " \t\n\\#");
		seq_putc(m, ' ');
		seq_path_escaped(m, s, " \t\n\\#");
		seq_putc(m, ' ');
		show_mnt_flags(m, mnt);
		seq_printf(m, " - %s ", mnt->mnt_sb->s_type->name);
		seq_path_escaped(m, mnt->mnt_devname, " \t\n\\#");
		seq_puts(m, " rw");
		show_sb_options(m, mnt->mnt_sb);
		seq_putc(m, '\n');
	}
	kfree(buf);
	return 0;
}

static const struct seq_operations mounts_seq = {
	.start = mounts_start, .next = mounts_next, .stop = mounts_stop, .show = mounts_show,
};
static const struct seq_operations mountinfo_seq = {
	.start = mounts_start, .next = mounts_next, .stop = mounts_stop, .show = mountinfo_show,
};

static int filesystems_show(struct seq_file *m, void *data)
{
	struct file_system_type *t;

	mutex_lock(&mount_mutex);
	list_for_each_entry(t, &fs_types, list)
		seq_printf(m, "%s\t%s\n", t->nodev ? "nodev" : "", t->name);
	mutex_unlock(&mount_mutex);
	return 0;
}

static const struct pseudo_ops mounts_ops = { .seq = &mounts_seq };
static const struct pseudo_ops mountinfo_ops = { .seq = &mountinfo_seq };
static const struct pseudo_ops filesystems_ops = { .show = filesystems_show };

static int mount_proc_init(void)
{
	proc_pid_create("mounts", 0444, &mounts_ops, NULL, 0);
	proc_pid_create("mountinfo", 0444, &mountinfo_ops, NULL, 0);
	pseudo_symlink(proc_root, "mounts", "self/mounts");
	pseudo_create(proc_root, "filesystems", 0444, &filesystems_ops, NULL);
	return 0;
}
fs_initcall(mount_proc_init);
