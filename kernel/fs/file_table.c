/*
 * kernel/fs/file_table.c - the numbers of open files of a process.
 *
 *	files_struct: fd[] pointers, open_fds bitmap (number taken), close_on_exec bitmap; grown by doubling
 *
 * A number is reserved (bit set, pointer NULL) before the file exists, so that a failing open never has to
 * undo an installed file. Lookups take the table's spinlock for a few instructions; processes do not share
 * tables, so they do not meet. Linux: fs/file.c (lockless lookups by RCU).
 */
#include "kernel/fs/internal.h"
#include "kernel/task/signal.h"
#include "kernel/task/syscall.h"

#define NR_OPEN_MAX	(1u << 20)

struct files_struct {
	atomic_t count;
	spinlock_t lock;		/* all below */
	unsigned int max_fds;		/* a multiple of 64 */
	unsigned int next_fd;		/* no free number below */
	struct file **fd;
	unsigned long *open_fds, *close_on_exec;	/* in the same allocation as fd */
};

static size_t table_bytes(unsigned int n)
{
	return n * sizeof(struct file *) + 2 * (n / 8);
}

/* The three arrays for N numbers, zeroed, into FS; false without memory. */
static bool table_alloc(struct files_struct *fs, unsigned int n)
{
	char *p = kvmalloc(table_bytes(n), GFP_KERNEL);

	if (!p)
		return false;
	memset(p, 0, table_bytes(n));
	fs->fd = (struct file **)p;
	fs->open_fds = (unsigned long *)(p + n * sizeof(struct file *));
	fs->close_on_exec = fs->open_fds + n / 64;
	fs->max_fds = n;
	return true;
}

struct files_struct *files_alloc(void)
{
	struct files_struct *fs = kzalloc(sizeof(*fs), GFP_KERNEL);

	if (fs && !table_alloc(fs, 64)) {
		kfree(fs);
		return NULL;
	}
	if (fs) {
		atomic_set(&fs->count, 1);
		spin_lock_init(&fs->lock);
	}
	return fs;
}

/* Copy N numbers' worth of FROM into TO. => FROM's lock held or FROM private */
static void table_copy(struct files_struct *to, const struct files_struct *from, unsigned int n)
{
	memcpy(to->fd, from->fd, n * sizeof(struct file *));
	memcpy(to->open_fds, from->open_fds, n / 8);
	memcpy(to->close_on_exec, from->close_on_exec, n / 8);
}

/*
 * Make room for number FD. 1: the lock was dropped and the table grew; -EMFILE, -ENOMEM.
 *
 * => fs->lock held, before and after; may sleep in between
 */
static int expand_files(struct files_struct *fs, unsigned int fd)
{
	struct files_struct bigger;
	unsigned int n = fs->max_fds;
	void *old;

	if (fd >= NR_OPEN_MAX)
		return -EMFILE;
	while (n <= fd)
		n *= 2;
	spin_unlock(&fs->lock);
	bool ok = table_alloc(&bigger, n);
	spin_lock(&fs->lock);
	if (!ok)
		return -ENOMEM;
	old = fs->fd;
	if (n > fs->max_fds) {	/* another thread may have been faster */
		table_copy(&bigger, fs, fs->max_fds);
		fs->fd = bigger.fd;
		fs->open_fds = bigger.open_fds;
		fs->close_on_exec = bigger.close_on_exec;
		fs->max_fds = n;
	} else {
		old = bigger.fd;
	}
	spin_unlock(&fs->lock);
	kvfree(old);
	spin_lock(&fs->lock);
	return 1;
}

static unsigned int highest_used(const struct files_struct *fs)
{
	unsigned int i = fs->max_fds / 64;

	while (i > 1 && !fs->open_fds[i - 1])
		i--;
	return i * 64;
}

struct files_struct *dup_fd(struct files_struct *old)
{
	struct files_struct *new = kzalloc(sizeof(*new), GFP_KERNEL);
	unsigned int n;

	if (!new)
		return NULL;
	atomic_set(&new->count, 1);
	spin_lock_init(&new->lock);
	for (;;) {
		spin_lock(&old->lock);	/* another thread may be replacing the bitmap */
		n = highest_used(old);
		spin_unlock(&old->lock);
		if (!table_alloc(new, n)) {
			kfree(new);
			return NULL;
		}
		spin_lock(&old->lock);
		if (highest_used(old) <= n)
			break;
		spin_unlock(&old->lock);
		kvfree(new->fd);
	}
	table_copy(new, old, n);
	new->next_fd = old->next_fd;
	for (unsigned int i = 0; i < n; i++) {
		if (new->fd[i]) {
			get_file(new->fd[i]);
		} else {	/* reserved by another thread of the parent: not ours */
			__clear_bit(i, new->open_fds);
			if (i < new->next_fd)
				new->next_fd = i;
		}
	}
	spin_unlock(&old->lock);
	return new;
}

void get_files_struct(struct files_struct *fs)
{
	atomic_inc(&fs->count);
}

/* => may sleep: the last user closes everything */
void put_files_struct(struct files_struct *fs)
{
	if (!fs || !atomic_dec_and_test(&fs->count))
		return;
	for (unsigned int i = 0; i < fs->max_fds; i++)
		if (fs->fd[i])
			filp_close(fs->fd[i], fs);
	kvfree(fs->fd);
	kfree(fs);
}

int unshare_files(void)
{
	struct files_struct *old = current->files, *new;

	if (atomic_read(&old->count) == 1)
		return 0;
	new = dup_fd(old);
	if (!new)
		return -ENOMEM;
	spin_lock(&current->alloc_lock);
	current->files = new;
	spin_unlock(&current->alloc_lock);
	put_files_struct(old);
	return 0;
}

/* Take FD out of the table; the caller owns the reference. NULL: not open. => fs->lock */
static struct file *take_fd(struct files_struct *fs, unsigned int fd)
{
	struct file *f = fd < fs->max_fds ? fs->fd[fd] : NULL;

	if (f) {
		fs->fd[fd] = NULL;
		__clear_bit(fd, fs->open_fds);
		__clear_bit(fd, fs->close_on_exec);
		if (fd < fs->next_fd)
			fs->next_fd = fd;
	}
	return f;
}

void do_close_on_exec(struct files_struct *fs)
{
	for (unsigned int i = 0; ; i++) {
		struct file *f = NULL;

		spin_lock(&fs->lock);
		while (i < fs->max_fds && !test_bit(i, fs->close_on_exec))
			i += fs->close_on_exec[i / 64] ? 1 : 64 - i % 64;
		if (i < fs->max_fds)
			f = take_fd(fs, i);
		spin_unlock(&fs->lock);
		if (i >= fs->max_fds)
			break;
		if (f)
			filp_close(f, fs);
	}
}

/* Lowest free number >= FROM and below LIMIT, reserved. => may sleep */
static int alloc_fd(unsigned int from, u64 limit, unsigned int flags)
{
	struct files_struct *fs = current->files;
	unsigned int fd;
	int err;

	spin_lock(&fs->lock);
again:
	fd = max(from, fs->next_fd);
	while (fd < fs->max_fds && test_bit(fd, fs->open_fds))
		fd += fs->open_fds[fd / 64] == ~0UL ? 64 - fd % 64 : 1;
	err = -EMFILE;
	if (fd >= limit)
		goto out;
	if (fd >= fs->max_fds) {
		err = expand_files(fs, fd);
		if (err < 0)
			goto out;
		goto again;
	}
	if (from <= fs->next_fd)
		fs->next_fd = fd + 1;
	__set_bit(fd, fs->open_fds);
	if (flags & O_CLOEXEC)
		__set_bit(fd, fs->close_on_exec);
	else
		__clear_bit(fd, fs->close_on_exec);
	err = fd;
out:
	spin_unlock(&fs->lock);
	return err;
}

int get_unused_fd_flags(unsigned int flags)
{
	return alloc_fd(0, rlimit(RLIMIT_NOFILE), flags);
}

void put_unused_fd(int fd)
{
	struct files_struct *fs = current->files;

	spin_lock(&fs->lock);
	__clear_bit(fd, fs->open_fds);
	__clear_bit(fd, fs->close_on_exec);
	if ((unsigned int)fd < fs->next_fd)
		fs->next_fd = fd;
	spin_unlock(&fs->lock);
}

void fd_install(int fd, struct file *f)
{
	struct files_struct *fs = current->files;

	spin_lock(&fs->lock);
	KASSERT(!fs->fd[fd], "fd_install: the number is reserved and empty");
	fs->fd[fd] = f;
	spin_unlock(&fs->lock);
}

static struct file *fget_files(struct files_struct *fs, unsigned int fd, unsigned int refuse)
{
	struct file *f = NULL;

	spin_lock(&fs->lock);
	if (fd < fs->max_fds)
		f = fs->fd[fd];
	if (f && (f->f_mode & refuse))
		f = NULL;
	if (f)
		get_file(f);
	spin_unlock(&fs->lock);
	return f;
}

struct file *fget(int fd)
{
	return fget_files(current->files, fd, FMODE_PATH);
}

struct file *fget_raw(int fd)
{
	return fget_files(current->files, fd, 0);
}

/* T's table with a reference, or NULL when T is exiting. */
static struct files_struct *get_task_files(struct task_struct *t)
{
	struct files_struct *fs;

	spin_lock(&t->alloc_lock);
	fs = t->files;
	if (fs)
		get_files_struct(fs);
	spin_unlock(&t->alloc_lock);
	return fs;
}

struct file *fget_task(struct task_struct *t, int fd)
{
	struct files_struct *fs = get_task_files(t);
	struct file *f;

	if (!fs)
		return NULL;
	f = fget_files(fs, fd, 0);
	put_files_struct(fs);
	return f;
}

int task_next_fd(struct task_struct *t, int fd)
{
	struct files_struct *fs = get_task_files(t);
	unsigned int i = fd;

	if (!fs)
		return -1;
	spin_lock(&fs->lock);
	while (i < fs->max_fds && !fs->fd[i])
		i++;
	if (i >= fs->max_fds)
		i = -1u;
	spin_unlock(&fs->lock);
	put_files_struct(fs);
	return i;
}

int close_fd(int fd)
{
	struct files_struct *fs = current->files;
	struct file *f;
	int err;

	spin_lock(&fs->lock);
	f = take_fd(fs, fd);
	spin_unlock(&fs->lock);
	if (!f)
		return -EBADF;
	err = filp_close(f, fs);
	/* The number is gone: closing must not be tried again. */
	return err == -ERESTARTSYS || err == -ERESTARTNOINTR ? -EINTR : err;
}

/* ---- dup ---- */

/* Duplicate F, consuming the caller's reference, to the lowest number >= FROM. */
static int dup_from(struct file *f, unsigned int from, unsigned int flags)
{
	u64 limit = rlimit(RLIMIT_NOFILE);
	int fd = from >= limit ? -EINVAL : alloc_fd(from, limit, flags);

	if (fd < 0)
		fput(f);
	else
		fd_install(fd, f);
	return fd;
}

SYSCALL_DEFINE1(dup, unsigned int, fd)
{
	struct file *f = fget_raw(fd);

	if (!f)
		return -EBADF;
	fd = get_unused_fd_flags(0);
	if ((int)fd < 0)
		fput(f);
	else
		fd_install(fd, f);
	return (int)fd;
}

static long do_dup3(unsigned int oldfd, unsigned int newfd, unsigned int flags)
{
	struct files_struct *fs = current->files;
	struct file *f, *old;

	if (newfd >= rlimit(RLIMIT_NOFILE) || newfd >= NR_OPEN_MAX)
		return -EBADF;
	f = fget_raw(oldfd);
	if (!f)
		return -EBADF;
	spin_lock(&fs->lock);
	while (newfd >= fs->max_fds) {
		int err = expand_files(fs, newfd);

		if (err < 0) {
			spin_unlock(&fs->lock);
			fput(f);
			return err;
		}
	}
	old = fs->fd[newfd];
	if (!old && test_bit(newfd, fs->open_fds)) {	/* another thread's open is about to use it */
		spin_unlock(&fs->lock);
		fput(f);
		return -EBUSY;
	}
	fs->fd[newfd] = f;
	__set_bit(newfd, fs->open_fds);
	if (flags & O_CLOEXEC)
		__set_bit(newfd, fs->close_on_exec);
	else
		__clear_bit(newfd, fs->close_on_exec);
	spin_unlock(&fs->lock);
	if (old)
		filp_close(old, fs);
	return newfd;
}

SYSCALL_DEFINE2(dup2, unsigned int, oldfd, unsigned int, newfd)
{
	if (oldfd == newfd) {
		struct file *f = fget_raw(oldfd);

		if (!f)
			return -EBADF;
		fput(f);
		return newfd;
	}
	return do_dup3(oldfd, newfd, 0);
}

SYSCALL_DEFINE3(dup3, unsigned int, oldfd, unsigned int, newfd, int, flags)
{
	if ((flags & ~O_CLOEXEC) || oldfd == newfd)
		return -EINVAL;
	return do_dup3(oldfd, newfd, flags);
}

/* ---- fcntl: the commands on numbers; the others are in fcntl.c ---- */

int fd_get_cloexec(unsigned int fd)
{
	struct files_struct *fs = current->files;
	int ret;

	spin_lock(&fs->lock);
	ret = fd < fs->max_fds && test_bit(fd, fs->close_on_exec);
	spin_unlock(&fs->lock);
	return ret;
}

void fd_set_cloexec(unsigned int fd, bool on)
{
	struct files_struct *fs = current->files;

	spin_lock(&fs->lock);
	if (fd < fs->max_fds && fs->fd[fd]) {
		if (on)
			__set_bit(fd, fs->close_on_exec);
		else
			__clear_bit(fd, fs->close_on_exec);
	}
	spin_unlock(&fs->lock);
}

int fd_dup_from(struct file *f, unsigned int from, unsigned int flags)
{
	get_file(f);
	return dup_from(f, from, flags);
}
