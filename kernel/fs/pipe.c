/*
 * kernel/fs/pipe.c - pipes and FIFOs.
 *
 *	        tail                      head
 *	bufs: [page,off,len] [page,off,len] ...        a ring; head - tail buffers are full
 *	        ^ readers take from here   ^ writers add here
 *
 * Each pipe has one mutex, held while bytes are copied (which may fault); readers and writers that must wait
 * drop it and sleep on rd_wait or wr_wait, one behind the other: a wake-up goes to one of them, and he passes
 * it on if he leaves something behind. A wake-up is due only when the pipe stops being empty, or full.
 *
 * A page that a writer filled itself can be appended to (PIPE_BUF_CAN_MERGE), so that many small writes share
 * pages; pages that splice brought in are only references and never written.
 *
 * A write of at most 4096 bytes is atomic: it finds room in the last page or takes a new one, never both.
 * Linux: fs/pipe.c.
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/fs/pipe.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/task/signal.h"
#include "kernel/task/syscall.h"
#include "kernel/trace/concurrency.h"

#define F_SETPIPE_SZ 1031
#define F_GETPIPE_SZ 1032
#define FIONREAD     0x541B

static int pipe_max_size = 1048576;	/* bytes: limit of F_SETPIPE_SZ without privilege */

LIST_HEAD(pipe_list);
DEFINE_SPINLOCK(pipe_list_lock);

static struct pipe_inode_info *alloc_pipe(void)
{
	struct pipe_inode_info *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return NULL;
	p->bufs = kvmalloc(PIPE_DEF_BUFFERS * sizeof(*p->bufs), GFP_KERNEL);
	if (!p->bufs) {
		kfree(p);
		return NULL;
	}
	p->ring_size = PIPE_DEF_BUFFERS;
	mutex_init(&p->mutex);
	init_waitqueue_head(&p->rd_wait);
	init_waitqueue_head(&p->wr_wait);
	spin_lock(&pipe_list_lock);
	list_add_tail(&p->all, &pipe_list);
	spin_unlock(&pipe_list_lock);
	return p;
}

static void free_pipe(struct pipe_inode_info *p)
{
	spin_lock(&pipe_list_lock);
	list_del(&p->all);
	spin_unlock(&pipe_list_lock);
	while (p->tail != p->head)
		put_page(pipe_buf(p, p->tail++)->page);
	if (p->tmp_page)
		put_page(p->tmp_page);
	kvfree(p->bufs);
	kfree(p);
}

struct pipe_inode_info *get_pipe_info(struct file *f)
{
	return f->f_op == &pipefifo_fops ? f->f_inode->i_pipe : NULL;
}

/*
 * News for the side that sleeps on WQ: wake one reader or writer, and all that poll, splice or open.
 *
 * => what the sleepers test was stored before
 */
static void wake_side(wait_queue_head_t *wq)
{
	if (waitqueue_active(wq))
		wake_up(wq);
}

/* The oldest buffer is used up: keep its page for the next write if nobody else has it. => mutex */
static void pipe_drop_tail(struct pipe_inode_info *p)
{
	struct pipe_buffer *b = pipe_buf(p, p->tail);
	struct page *page = b->page;

	WRITE_ONCE(p->tail, p->tail + 1);
	if (!p->tmp_page && (b->flags & PIPE_BUF_CAN_MERGE) && folio_ref_count(page_folio(page)) == 1)
		p->tmp_page = page;
	else
		put_page(page);
}

/* ---- read ---- */

/* Copy out what the oldest buffer has, as far as wanted. Bytes, or -EFAULT. => mutex, not empty */
static ssize_t read_tail(struct pipe_inode_info *p, struct iov_iter *to)
{
	struct pipe_buffer *b = pipe_buf(p, p->tail);
	size_t n = min_t(size_t, b->len, to->count);
	size_t got = copy_to_iter((char *)page_address(b->page) + b->offset, n, to);

	if (got < n && !got)
		return -EFAULT;
	b->offset += got;
	b->len -= got;
	if (b->flags & PIPE_BUF_PACKET) {	/* what was not wanted of a packet is lost */
		to->count = 0;
		b->len = 0;
	}
	if (!b->len)
		pipe_drop_tail(p);
	return got;
}

static ssize_t pipe_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
	struct pipe_inode_info *p = f->f_inode->i_pipe;
	bool was_full, more;
	ssize_t done = 0, n;

	if (!to->count)
		return 0;
	mutex_lock(&p->mutex);
	was_full = pipe_full(p);
	for (;;) {
		if (!pipe_empty(p)) {
			n = read_tail(p, to);
			if (n >= 0)
				done += n;
			else if (!done)
				done = n;
			if (n < 0 || !to->count)
				break;
			continue;
		}
		if (done || !p->writers)
			break;
		if (f->f_flags & O_NONBLOCK) {
			done = -EAGAIN;
			break;
		}
		mutex_unlock(&p->mutex);
		n = wait_event_interruptible_exclusive(p->rd_wait, !pipe_empty(p) || !READ_ONCE(p->writers));
		if (n)
			return n;
		mutex_lock(&p->mutex);
		was_full = pipe_full(p);
	}
	was_full = was_full && !pipe_full(p);
	more = !pipe_empty(p);
	mutex_unlock(&p->mutex);
	if (was_full)
		wake_side(&p->wr_wait);
	if (more)
		wake_side(&p->rd_wait);
	return done;
}

/* ---- write ---- */

/*
 * Append to the last page the part of the write that does not fill whole pages. Bytes; 0: no room; -EFAULT.
 *
 * => mutex
 */
static ssize_t write_merge(struct pipe_inode_info *p, struct iov_iter *from)
{
	size_t chars = from->count & (PAGE_SIZE - 1), got;
	struct pipe_buffer *b;

	if (!chars || pipe_empty(p))
		return 0;
	b = pipe_buf(p, p->head - 1);
	if (!(b->flags & PIPE_BUF_CAN_MERGE) || b->offset + b->len + chars > PAGE_SIZE)
		return 0;
	got = copy_from_iter((char *)page_address(b->page) + b->offset + b->len, chars, from);
	b->len += got;
	return got ? got : -EFAULT;
}

/* A new buffer with up to a page of FROM. Bytes or -errno. => mutex, not full */
static ssize_t write_new(struct pipe_inode_info *p, struct iov_iter *from, unsigned int flags)
{
	struct page *page = p->tmp_page ? p->tmp_page : alloc_pages(GFP_USER, 0);
	size_t got;

	if (!page)
		return -ENOMEM;
	p->tmp_page = NULL;
	got = copy_from_iter(page_address(page), PAGE_SIZE, from);
	if (!got) {
		p->tmp_page = page;
		return -EFAULT;
	}
	*pipe_buf(p, p->head) = (struct pipe_buffer){ .page = page, .len = got, .flags = flags };
	WRITE_ONCE(p->head, p->head + 1);
	return got;
}

static ssize_t broken_pipe(void)
{
	send_sig(SIGPIPE, current, 0);
	return -EPIPE;
}

static ssize_t pipe_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
	struct pipe_inode_info *p = f->f_inode->i_pipe;
	unsigned int flags = f->f_flags & O_DIRECT ? PIPE_BUF_PACKET : PIPE_BUF_CAN_MERGE;
	ssize_t done = 0, n;
	bool was_empty, room;

	if (!from->count)
		return 0;
	mutex_lock(&p->mutex);
	concurrency_enter(IN_PIPE_WRITE, p);
	was_empty = pipe_empty(p);
	n = p->readers && !(f->f_flags & O_DIRECT) ? write_merge(p, from) : 0;
	for (;;) {
		if (n > 0)
			done += n;
		if (n < 0 || (n > 0 && !from->count))
			break;
		if (!p->readers) {
			n = broken_pipe();
			break;
		}
		if (!pipe_full(p)) {
			n = write_new(p, from, flags);
			continue;
		}
		n = f->f_flags & O_NONBLOCK ? -EAGAIN : signal_pending(current) ? -ERESTARTSYS : 0;
		if (n)
			break;
		mutex_unlock(&p->mutex);
		if (was_empty)
			wake_side(&p->rd_wait);
		n = wait_event_interruptible_exclusive(p->wr_wait, !pipe_full(p) || !READ_ONCE(p->readers));
		mutex_lock(&p->mutex);
		was_empty = pipe_empty(p);
	}
	was_empty = was_empty && !pipe_empty(p);
	room = !pipe_full(p);
	concurrency_exit(IN_PIPE_WRITE);
	mutex_unlock(&p->mutex);
	if (was_empty)
		wake_side(&p->rd_wait);
	if (room)
		wake_side(&p->wr_wait);
	return done ? done : n;
}

/* ---- For splice ---- */

int pipe_lock_room(struct pipe_inode_info *p, bool wait)
{
	int err = 0;

	mutex_lock(&p->mutex);
	while (p->readers && pipe_full(p)) {
		mutex_unlock(&p->mutex);
		if (!wait)
			return -EAGAIN;
		err = wait_event_interruptible(p->wr_wait, !pipe_full(p) || !READ_ONCE(p->readers));
		if (err)
			return err;
		mutex_lock(&p->mutex);
	}
	if (p->readers)
		return 0;
	mutex_unlock(&p->mutex);
	return broken_pipe();
}

void pipe_add_page_locked(struct pipe_inode_info *p, struct page *page, unsigned int offset, unsigned int len)
{
	*pipe_buf(p, p->head) = (struct pipe_buffer){ .page = page, .offset = offset, .len = len };
	WRITE_ONCE(p->head, p->head + 1);
}

int pipe_push_page(struct pipe_inode_info *p, struct page *page, unsigned int offset, unsigned int len,
		   bool wait)
{
	int err = pipe_lock_room(p, wait);

	if (err)
		return err;
	pipe_add_page_locked(p, page, offset, len);
	mutex_unlock(&p->mutex);
	wake_side(&p->rd_wait);
	return 0;
}

/* ---- poll, ioctl, fcntl ---- */

/* A FIFO that never had a writer is not "hung up": private_data is the count of writers at open. */
static bool hung_up(struct file *f, struct pipe_inode_info *p)
{
	unsigned long at_open = (unsigned long)f->private_data;

	return !READ_ONCE(p->writers) && READ_ONCE(p->w_counter) != (unsigned int)at_open;
}

static unsigned int pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe_inode_info *p = f->f_inode->i_pipe;
	unsigned int mask = 0;

	if (f->f_mode & FMODE_READ)
		poll_wait(f, &p->rd_wait, pt);
	if (f->f_mode & FMODE_WRITE)
		poll_wait(f, &p->wr_wait, pt);
	if (f->f_mode & FMODE_READ) {
		if (!pipe_empty(p))
			mask |= EPOLLIN | EPOLLRDNORM;
		if (hung_up(f, p))
			mask |= EPOLLHUP;
	}
	if (f->f_mode & FMODE_WRITE) {
		if (!pipe_full(p))
			mask |= EPOLLOUT | EPOLLWRNORM;
		if (!READ_ONCE(p->readers))
			mask |= EPOLLERR;
	}
	return mask;
}

static long pipe_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
	struct pipe_inode_info *p = f->f_inode->i_pipe;
	int count = 0;

	if (cmd != FIONREAD)
		return -ENOTTY;
	mutex_lock(&p->mutex);
	for (unsigned int i = p->tail; i != p->head; i++)
		count += pipe_buf(p, i)->len;
	mutex_unlock(&p->mutex);
	return put_user(count, (int __user *)arg);
}

/* => mutex */
static long set_ring_size(struct pipe_inode_info *p, unsigned int slots)
{
	unsigned int used = p->head - p->tail;
	struct pipe_buffer *bufs;

	if (used > slots)
		return -EBUSY;
	bufs = kvmalloc(slots * sizeof(*bufs), GFP_KERNEL);
	if (!bufs)
		return -ENOMEM;
	for (unsigned int i = 0; i < used; i++)
		bufs[i] = *pipe_buf(p, p->tail + i);
	kvfree(p->bufs);
	p->bufs = bufs;
	WRITE_ONCE(p->ring_size, slots);
	WRITE_ONCE(p->tail, 0);
	WRITE_ONCE(p->head, used);
	return (long)slots * PAGE_SIZE;
}

long pipe_fcntl(struct file *f, unsigned int cmd, unsigned long arg)
{
	struct pipe_inode_info *p = get_pipe_info(f);
	unsigned long size = PAGE_SIZE;
	long ret;

	if (!p)
		return -EBADF;
	if (cmd == F_SETPIPE_SZ) {
		if (arg > 1UL << 31)
			return -EINVAL;
		while (size < arg)
			size *= 2;
	}
	mutex_lock(&p->mutex);
	if (cmd == F_GETPIPE_SZ)
		ret = (long)p->ring_size * PAGE_SIZE;
	else if (size > (unsigned long)pipe_max_size && size > p->ring_size * PAGE_SIZE &&
		 !capable(CAP_SYS_RESOURCE))
		ret = -EPERM;
	else
		ret = set_ring_size(p, size / PAGE_SIZE);
	mutex_unlock(&p->mutex);
	wake_up_all(&p->wr_wait);
	return ret;
}

/* ---- open and release ---- */

/* The inode's pipe with one more file on it, made if there is none. NULL: no memory. */
static struct pipe_inode_info *get_inode_pipe(struct inode *inode)
{
	struct pipe_inode_info *p, *spare = NULL;

	if (!READ_ONCE(inode->i_pipe)) {
		spare = alloc_pipe();
		if (!spare)
			return NULL;
	}
	for (;;) {
		spin_lock(&inode->i_lock);
		if (!inode->i_pipe && spare) {
			inode->i_pipe = spare;
			spare = NULL;
		}
		p = inode->i_pipe;
		if (p)
			p->files++;
		spin_unlock(&inode->i_lock);
		if (p)
			break;
		spare = alloc_pipe();	/* the last user left between the two looks */
		if (!spare)
			return NULL;
	}
	if (spare)
		free_pipe(spare);
	return p;
}

static void put_inode_pipe(struct inode *inode, struct pipe_inode_info *p)
{
	bool last;

	spin_lock(&inode->i_lock);
	last = --p->files == 0;
	if (last)
		inode->i_pipe = NULL;
	spin_unlock(&inode->i_lock);
	if (last)
		free_pipe(p);
}

/* One side comes or goes. => mutex */
static void count_sides(struct pipe_inode_info *p, unsigned int mode, int n)
{
	if (mode & FMODE_READ)
		p->readers += n;
	if (mode & FMODE_WRITE)
		p->writers += n;
	if (n > 0 && (mode & FMODE_READ))
		p->r_counter++;
	if (n > 0 && (mode & FMODE_WRITE))
		p->w_counter++;
}

/* Sleep until *COUNTER, the number of opens of the other side, moves on. => mutex, dropped meanwhile */
static int wait_for_partner(struct pipe_inode_info *p, unsigned int *counter, wait_queue_head_t *wq)
{
	unsigned int seen = *counter;
	int err;

	mutex_unlock(&p->mutex);
	err = wait_event_interruptible(*wq, READ_ONCE(*counter) != seen);
	mutex_lock(&p->mutex);
	return err;
}

static void wake_both(struct pipe_inode_info *p)
{
	if (waitqueue_active(&p->rd_wait))
		wake_up_all(&p->rd_wait);
	if (waitqueue_active(&p->wr_wait))
		wake_up_all(&p->wr_wait);
}

static int fifo_open(struct inode *inode, struct file *f)
{
	bool named = inode->i_sb->s_magic != PIPEFS_MAGIC;
	unsigned int mode = f->f_mode & (FMODE_READ | FMODE_WRITE);
	struct pipe_inode_info *p = get_inode_pipe(inode);
	int err = 0;

	if (!p)
		return -ENOMEM;
	mutex_lock(&p->mutex);
	if (named && mode == FMODE_WRITE && (f->f_flags & O_NONBLOCK) && !p->readers) {
		mutex_unlock(&p->mutex);
		put_inode_pipe(inode, p);
		return -ENXIO;
	}
	count_sides(p, mode, 1);
	f->private_data = NULL;
	wake_both(p);
	if (named && mode == FMODE_READ && !p->writers) {
		if (f->f_flags & O_NONBLOCK)
			f->private_data = (void *)(unsigned long)p->w_counter;
		else
			err = wait_for_partner(p, &p->w_counter, &p->rd_wait);
	} else if (named && mode == FMODE_WRITE && !p->readers) {
		err = wait_for_partner(p, &p->r_counter, &p->wr_wait);
	}
	if (err)
		count_sides(p, mode, -1);
	mutex_unlock(&p->mutex);
	if (err) {
		wake_both(p);
		put_inode_pipe(inode, p);
	}
	return err;
}

static void pipe_release(struct inode *inode, struct file *f)
{
	struct pipe_inode_info *p = inode->i_pipe;

	mutex_lock(&p->mutex);
	count_sides(p, f->f_mode, -1);
	mutex_unlock(&p->mutex);
	wake_both(p);
	put_inode_pipe(inode, p);
}

const struct file_operations pipefifo_fops = {
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.open = fifo_open,
	.release = pipe_release,
};

/* ---- pipe(2) ---- */

static int make_pipe(struct file *f[2], int flags)
{
	struct dentry *d = anon_dentry(pipe_mnt, "pipe", S_IFIFO | 0600);
	struct pipe_inode_info *p;

	if (IS_ERR(d))
		return PTR_ERR(d);
	p = alloc_pipe();
	f[0] = p ? alloc_file_pseudo(pipe_mnt, d, O_RDONLY | flags, &pipefifo_fops) : ERR_PTR(-ENOMEM);
	if (IS_ERR(f[0])) {
		if (p)
			free_pipe(p);
		dput(d);
		return PTR_ERR(f[0]);
	}
	d->d_inode->i_pipe = p;
	p->files = p->readers = p->r_counter = 1;
	dget(d);
	f[1] = alloc_file_pseudo(pipe_mnt, d, O_WRONLY | flags, &pipefifo_fops);
	if (IS_ERR(f[1])) {
		dput(d);
		fput(f[0]);
		return PTR_ERR(f[1]);
	}
	p->files = 2;
	p->writers = p->w_counter = 1;
	return 0;
}

static long do_pipe2(int __user *ufd, int flags)
{
	struct file *f[2];
	int err;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	err = make_pipe(f, flags & (O_NONBLOCK | O_DIRECT));
	return err ? err : install_pair(f, flags, ufd);
}

SYSCALL_DEFINE1(pipe, int __user *, fd)
{
	return do_pipe2(fd, 0);
}

SYSCALL_DEFINE2(pipe2, int __user *, fd, int, flags)
{
	return do_pipe2(fd, flags);
}

static int pipe_sysctl_init(void)
{
	proc_sys_int("fs/pipe-max-size", 0644, &pipe_max_size, PAGE_SIZE, 1 << 30);
	return 0;
}
fs_initcall(pipe_sysctl_init);
