/*
 * kernel/fs/locks.c - advisory locks: fcntl record locks and flock.
 *
 *	inode->i_flock: granted locks, in no order
 *	record lock: owned by a process (its file table), covers bytes [start, end], gone when the process
 *		     closes ANY descriptor of the file
 *	flock:	     owned by the open file, covers it all, gone with the last reference
 *
 * The two kinds do not see each other. One spinlock guards all lists, and waiters sleep on one queue: locks
 * are rare here, and a wake-up that finds its lock still taken sleeps again. A record lock that would close a
 * circle of waiters is -EDEADLK. As locks take memory that belongs to no address space, a user may have
 * MAX_USER_LOCKS of them; then ENOLCK. Linux: fs/locks.c (which leaves the bound to cgroups).
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/task/syscall.h"

#define F_SETLKW 7
#define F_RDLCK	 0
#define F_WRLCK	 1
#define F_UNLCK	 2
#define OFFSET_MAX 0x7fffffffffffffffLL
#define MAX_USER_LOCKS 8192
#define LOCK_SH	 1
#define LOCK_EX	 2
#define LOCK_NB	 4
#define LOCK_UN	 8

struct flock { short l_type, l_whence; loff_t l_start, l_len; pid_t l_pid; };	/* the user's layout */

struct file_lock {
	struct list_head link;		/* inode->i_flock */
	const void *owner;		/* file table (record) or open file (flock) */
	bool record;
	short type;
	loff_t start, end;		/* inclusive */
	pid_t pid;
	const struct file *file;	/* that it was asked for through */
	struct user_struct *user;	/* who is charged for it; referenced */
};

/* A process that sleeps for a record lock, and whom for: the edges that a circle is made of. */
struct lock_waiter {
	struct list_head link;
	const void *owner, *blocker;
};

static DEFINE_SPINLOCK(file_lock_lock);
static LIST_HEAD(lock_waiters);		/* file_lock_lock */
static DECLARE_WAIT_QUEUE_HEAD(file_lock_wait);

/* ---- Life of a lock ---- */

/* Not linked, nothing but its user filled in. NULL: no memory, or the user has too many. */
static struct file_lock *alloc_lock(void)
{
	struct user_struct *u = current_cred()->user;
	struct file_lock *l = NULL;

	if (atomic_inc_return(&u->locks) <= MAX_USER_LOCKS)
		l = kmalloc(sizeof(*l), GFP_KERNEL);
	if (l)
		l->user = get_uid(u);
	else
		atomic_dec(&u->locks);
	return l;
}

static void free_lock(struct file_lock *l)
{
	if (!l)
		return;
	atomic_dec(&l->user->locks);
	free_uid(l->user);
	kfree(l);
}

static void free_locks(struct list_head *dead)
{
	struct file_lock *l, *n;

	list_for_each_entry_safe(l, n, dead, link)
		free_lock(l);
}

/* TO becomes what FROM says, for the user that TO is charged to. */
static void copy_lock(struct file_lock *to, const struct file_lock *from)
{
	struct user_struct *user = to->user;

	*to = *from;
	to->user = user;
}

/* ---- Granting ---- */

static bool overlaps(const struct file_lock *a, const struct file_lock *b)
{
	return a->start <= b->end && b->start <= a->end;
}

/* A granted lock that keeps NEW from being granted, or NULL. => file_lock_lock */
static struct file_lock *find_conflict(struct inode *inode, const struct file_lock *new)
{
	struct file_lock *l;

	list_for_each_entry(l, &inode->i_flock, link)
		if (l->record == new->record && l->owner != new->owner && overlaps(l, new) &&
		    (l->type == F_WRLCK || new->type == F_WRLCK))
			return l;
	return NULL;
}

/*
 * Remove NEW's owner's rights on NEW's range from INODE's list. SPARE is used if a lock falls in two: true.
 *
 * => file_lock_lock
 */
static bool carve(struct inode *inode, const struct file_lock *new, struct file_lock *spare,
		  struct list_head *dead)
{
	struct file_lock *l, *n;
	bool split = false;

	list_for_each_entry_safe(l, n, &inode->i_flock, link) {
		if (l->record != new->record || l->owner != new->owner || !overlaps(l, new))
			continue;
		if (l->start < new->start && l->end > new->end) {
			copy_lock(spare, l);
			spare->start = new->end + 1;
			l->end = new->start - 1;
			list_add(&spare->link, &inode->i_flock);
			split = true;
		} else if (l->start < new->start) {
			l->end = new->start - 1;
		} else if (l->end > new->end) {
			l->start = new->end + 1;
		} else {
			list_move(&l->link, dead);
		}
	}
	return split;
}

/* Would OWNER, by waiting for BLOCKER, wait for itself? => file_lock_lock */
static bool would_deadlock(const void *owner, const void *blocker)
{
	struct lock_waiter *w;

	for (int depth = 0; depth < 64; depth++) {
		const void *next = NULL;

		if (blocker == owner)
			return true;
		list_for_each_entry(w, &lock_waiters, link)
			if (w->owner == blocker)
				next = w->blocker;
		if (!next)
			return false;
		blocker = next;
	}
	return false;
}

/* Try once. 0: granted (or unlocked); -EAGAIN with *BLOCKER. NEW and SPARE are NULL if they were used. */
static int try_lock(struct inode *inode, struct file_lock **new, struct file_lock **spare,
		    const void **blocker)
{
	struct file_lock *c;
	LIST_HEAD(dead);

	spin_lock(&file_lock_lock);
	c = (*new)->type == F_UNLCK ? NULL : find_conflict(inode, *new);
	if (c) {
		*blocker = c->owner;
		spin_unlock(&file_lock_lock);
		return -EAGAIN;
	}
	if (carve(inode, *new, *spare, &dead))
		*spare = NULL;
	if ((*new)->type != F_UNLCK) {
		list_add(&(*new)->link, &inode->i_flock);
		*new = NULL;
	}
	spin_unlock(&file_lock_lock);
	free_locks(&dead);
	wake_up_all(&file_lock_wait);
	return 0;
}

static bool still_blocked(struct inode *inode, const struct file_lock *new)
{
	bool ret;

	spin_lock(&file_lock_lock);
	ret = find_conflict(inode, new);
	spin_unlock(&file_lock_lock);
	return ret;
}

/* Sleep until the conflict is gone. 0, -EDEADLK, -ERESTARTSYS. */
static int wait_for_lock(struct inode *inode, const struct file_lock *new, const void *blocker)
{
	struct lock_waiter w = { .owner = new->owner, .blocker = blocker };
	int err;

	spin_lock(&file_lock_lock);
	err = new->record && would_deadlock(new->owner, blocker) ? -EDEADLK : 0;
	if (!err && new->record)
		list_add(&w.link, &lock_waiters);
	spin_unlock(&file_lock_lock);
	if (err)
		return err;
	err = wait_event_interruptible(file_lock_wait, !still_blocked(inode, new));
	if (new->record) {
		spin_lock(&file_lock_lock);
		list_del(&w.link);
		spin_unlock(&file_lock_lock);
	}
	return err;
}

static int apply_lock(struct inode *inode, const struct file_lock *wanted, bool wait)
{
	struct file_lock *new = alloc_lock(), *spare = alloc_lock();
	const void *blocker;
	int err = -ENOLCK;

	if (new && spare) {
		copy_lock(new, wanted);
		do {
			err = try_lock(inode, &new, &spare, &blocker);
			if (err != -EAGAIN || !wait)
				break;
			err = wait_for_lock(inode, new, blocker);
		} while (!err);
	}
	free_lock(new);
	free_lock(spare);
	return err;
}

/* ---- fcntl ---- */

static int to_lock(struct file *f, const struct flock *u, struct file_lock *l)
{
	loff_t base = u->l_whence == 1 ? f->f_pos : u->l_whence == 2 ? f->f_inode->i_size : 0;

	if (u->l_whence < 0 || u->l_whence > 2 || u->l_type < F_RDLCK || u->l_type > F_UNLCK)
		return -EINVAL;
	if (u->l_start > OFFSET_MAX - base)
		return -EOVERFLOW;
	base += u->l_start;
	if (base < 0)
		return -EINVAL;
	*l = (struct file_lock){ .owner = current->files, .record = true, .type = u->l_type,
				 .pid = current->tgid, .file = f };
	l->start = base;
	l->end = OFFSET_MAX;
	if (u->l_len > 0) {
		if (u->l_len - 1 > OFFSET_MAX - base)
			return -EOVERFLOW;
		l->end = base + u->l_len - 1;
	} else if (u->l_len < 0) {
		l->end = base - 1;
		l->start = base + u->l_len;
	}
	return l->start < 0 ? -EINVAL : 0;
}

long fcntl_setlk(struct file *f, unsigned int cmd, void __user *arg)
{
	struct file_lock l;
	struct flock u;
	int err;

	if (copy_from_user(&u, arg, sizeof(u)))
		return -EFAULT;
	err = to_lock(f, &u, &l);
	if (err)
		return err;
	if ((l.type == F_RDLCK && !(f->f_mode & FMODE_READ)) ||
	    (l.type == F_WRLCK && !(f->f_mode & FMODE_WRITE)))
		return -EBADF;
	return apply_lock(f->f_inode, &l, cmd == F_SETLKW);
}

long fcntl_getlk(struct file *f, void __user *arg)
{
	struct file_lock l, *c;
	struct flock u;
	int err;

	if (copy_from_user(&u, arg, sizeof(u)))
		return -EFAULT;
	err = u.l_type == F_UNLCK ? -EINVAL : to_lock(f, &u, &l);
	if (err)
		return err;
	spin_lock(&file_lock_lock);
	c = find_conflict(f->f_inode, &l);
	u.l_type = F_UNLCK;
	if (c) {	/* field by field: the gaps of U keep what the user had there */
		u.l_type = c->type;
		u.l_whence = 0;
		u.l_start = c->start;
		u.l_len = c->end == OFFSET_MAX ? 0 : c->end - c->start + 1;
		u.l_pid = c->pid;
	}
	spin_unlock(&file_lock_lock);
	return copy_to_user(arg, &u, sizeof(u)) ? -EFAULT : 0;
}

/* Take all locks of OWNER off INODE. */
static void remove_owner(struct inode *inode, const void *owner, bool record)
{
	struct file_lock all = { .owner = owner, .record = record, .end = OFFSET_MAX };
	LIST_HEAD(dead);

	if (list_empty(&inode->i_flock))
		return;
	spin_lock(&file_lock_lock);
	carve(inode, &all, NULL, &dead);
	spin_unlock(&file_lock_lock);
	free_locks(&dead);
	wake_up_all(&file_lock_wait);
}

void locks_remove_posix(struct file *f, struct files_struct *owner)
{
	remove_owner(f->f_inode, owner, true);
}

/*
 * The last reference to F goes. Record locks through it are normally gone by now; one is left when a thread
 * got it while another thread closed the descriptor.
 */
void locks_remove_file(struct file *f)
{
	struct file_lock *l, *n;
	LIST_HEAD(dead);

	if (list_empty(&f->f_inode->i_flock))
		return;
	spin_lock(&file_lock_lock);
	list_for_each_entry_safe(l, n, &f->f_inode->i_flock, link)
		if (l->file == f)
			list_move(&l->link, &dead);
	spin_unlock(&file_lock_lock);
	free_locks(&dead);
	wake_up_all(&file_lock_wait);
}

/* ---- flock ---- */

static bool has_flock(struct file *f, short type)
{
	struct file_lock *l;
	bool ret = false;

	spin_lock(&file_lock_lock);
	list_for_each_entry(l, &f->f_inode->i_flock, link)
		ret |= !l->record && l->owner == f && l->type == type;
	spin_unlock(&file_lock_lock);
	return ret;
}

SYSCALL_DEFINE2(flock, int, fd, unsigned int, op)
{
	static const short types[] = { [LOCK_SH] = F_RDLCK, [LOCK_EX] = F_WRLCK, [LOCK_UN] = F_UNLCK };
	struct file_lock l = { .end = OFFSET_MAX, .pid = current->tgid };
	unsigned int kind = op & ~LOCK_NB;
	struct file *f;
	long err;

	if (kind != LOCK_SH && kind != LOCK_EX && kind != LOCK_UN)
		return -EINVAL;
	f = fget(fd);
	if (!f)
		return -EBADF;
	l.owner = l.file = f;
	l.type = types[kind];
	/* Changing the kind is giving up and taking anew: two that upgrade do not wait for each other. */
	if (kind != LOCK_UN && has_flock(f, l.type)) {
		err = 0;
	} else {
		remove_owner(f->f_inode, f, false);
		err = kind == LOCK_UN ? 0 : apply_lock(f->f_inode, &l, !(op & LOCK_NB));
	}
	fput(f);
	return err;
}
