/*
 * kernel/fs/eventfd.c - eventfd: a 64-bit counter to wait for. Linux: fs/eventfd.c.
 */
#include "kernel/fs/internal.h"
#include "kernel/task/syscall.h"

#define EFD_SEMAPHORE	1
#define EFD_MAX		(~0ULL - 1)

struct eventfd {
	wait_queue_head_t wait;		/* for a count above 0, and for room */
	spinlock_t lock;
	u64 count;			/* lock */
	bool semaphore;
};

/* Take what a read gets: all, or 1 of a semaphore; 0: nothing is there. */
static u64 take_count(struct eventfd *e)
{
	u64 n;

	spin_lock(&e->lock);
	n = e->semaphore ? min_t(u64, e->count, 1) : e->count;
	e->count -= n;
	spin_unlock(&e->lock);
	return n;
}

static bool add_count(struct eventfd *e, u64 n)
{
	bool fits;

	spin_lock(&e->lock);
	fits = n <= EFD_MAX - e->count;
	if (fits)
		e->count += n;
	spin_unlock(&e->lock);
	return fits;
}

static ssize_t eventfd_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
	struct eventfd *e = f->private_data;
	u64 n = 0;
	int err;

	if (to->count < sizeof(n))
		return -EINVAL;
	n = take_count(e);
	if (!n && (f->f_flags & O_NONBLOCK))
		return -EAGAIN;
	if (!n) {
		err = wait_event_interruptible(e->wait, (n = take_count(e)) != 0);
		if (err)
			return err;
	}
	wake_up_all(&e->wait);
	return copy_to_iter(&n, sizeof(n), to) == sizeof(n) ? (ssize_t)sizeof(n) : -EFAULT;
}

static ssize_t eventfd_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
	struct eventfd *e = f->private_data;
	u64 n;
	int err = 0;

	if (from->count < sizeof(n))
		return -EINVAL;
	if (copy_from_iter(&n, sizeof(n), from) != sizeof(n))
		return -EFAULT;
	if (n == ~0ULL)
		return -EINVAL;
	if (!add_count(e, n)) {
		if (f->f_flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(e->wait, add_count(e, n));
		if (err)
			return err;
	}
	wake_up_all(&e->wait);
	return sizeof(n);
}

static unsigned int eventfd_poll(struct file *f, struct poll_table *pt)
{
	struct eventfd *e = f->private_data;
	u64 count;

	poll_wait(f, &e->wait, pt);
	count = READ_ONCE(e->count);
	return (count ? EPOLLIN : 0) | (count < EFD_MAX ? EPOLLOUT : 0);
}

static void eventfd_release(struct inode *inode, struct file *f)
{
	kfree(f->private_data);
}

static const struct file_operations eventfd_fops = {
	.read = eventfd_read,
	.write = eventfd_write,
	.poll = eventfd_poll,
	.release = eventfd_release,
};

static long do_eventfd(unsigned int count, int flags)
{
	struct eventfd *e;
	int fd;

	if (flags & ~(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	e = kzalloc(sizeof(*e), GFP_KERNEL);
	if (!e)
		return -ENOMEM;
	init_waitqueue_head(&e->wait);
	spin_lock_init(&e->lock);
	e->count = count;
	e->semaphore = flags & EFD_SEMAPHORE;
	fd = anon_inode_getfd("[eventfd]", &eventfd_fops, e, O_RDWR | (flags & ~EFD_SEMAPHORE));
	if (fd < 0)
		kfree(e);
	return fd;
}

SYSCALL_DEFINE1(eventfd, unsigned int, count)
{
	return do_eventfd(count, 0);
}

SYSCALL_DEFINE2(eventfd2, unsigned int, count, int, flags)
{
	return do_eventfd(count, flags);
}
