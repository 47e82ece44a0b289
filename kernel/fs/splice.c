/*
 * kernel/fs/splice.c - moving data through pipes without copying: splice, tee, vmsplice.
 *
 *	file  --splice-->  pipe     references to page-cache pages (or freshly read pages)
 *	pipe  --splice-->  file     each buffer is written; pipe to pipe: buffers move
 *	pipe  --tee----->  pipe     references are doubled
 *	user  --vmsplice-> pipe     references to the user's own pages: what they hold when the pipe is READ
 *	                            counts, and they stay when the user unmaps them (T-COW-9)
 *
 * vmsplice takes plain references, not pins (PIN-6): a page that is shared stays shared, and a write to it by
 * any of its owners makes a copy, because there are more references than mappings (COW-8, COW-9). So the reader
 * never sees what others write later. A page of a large folio is held like any other; the whole folio stays
 * for it.
 *
 * Linux: fs/splice.c.
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/fs/pipe.h"
#include "kernel/task/signal.h"
#include "kernel/task/syscall.h"
#include "mm/mm.h"

#define SPLICE_F_NONBLOCK	2u
#define SPLICE_F_ALL		15u

/* ---- file to pipe ---- */

/* Read up to LEN bytes, at most a page, into a fresh page and append it. Bytes; 0: end of file; -errno. */
static ssize_t read_one(struct file *in, loff_t *pos, struct pipe_inode_info *pipe, size_t len)
{
	struct page *page = alloc_pages(GFP_USER, 0);
	ssize_t n;
	int err;

	if (!page)
		return -ENOMEM;
	n = kernel_read(in, page_address(page), min_t(size_t, len, PAGE_SIZE), pos);
	if (n > 0) {
		/* There was room a moment ago; what has been read must not be lost. */
		err = pipe_push_page(pipe, page, 0, n, true);
		if (!err)
			return n;
		n = err;
	}
	put_page(page);
	return n;
}

/* For files without a splice_read of their own. */
static ssize_t default_splice_read(struct file *in, loff_t *pos, struct pipe_inode_info *pipe, size_t len,
				   bool nonblock)
{
	ssize_t done = 0, n;

	while (len) {
		size_t want = min_t(size_t, len, PAGE_SIZE);

		n = pipe_lock_room(pipe, !done && !nonblock);
		if (!n) {
			mutex_unlock(&pipe->mutex);
			n = read_one(in, pos, pipe, want);
		}
		if (n <= 0)
			return done ? done : n;
		done += n;
		len -= n;
		if ((size_t)n < want)
			break;
	}
	return done;
}

static ssize_t splice_to_pipe(struct file *in, loff_t *pos, struct pipe_inode_info *pipe, size_t len,
			      unsigned int flags)
{
	size_t room = (size_t)READ_ONCE(pipe->ring_size) * PAGE_SIZE;

	if (!(in->f_mode & FMODE_READ))
		return -EBADF;
	if (S_ISDIR(in->f_inode->i_mode) || !in->f_op->read)
		return -EINVAL;
	len = min(len, room);
	if (in->f_op->splice_read)
		return in->f_op->splice_read(in, pos, pipe, len, flags);
	return default_splice_read(in, pos, pipe, len, flags & SPLICE_F_NONBLOCK);
}

/* ---- pipe to file ---- */

/* Wait until PIPE has something. 1: it has, and the mutex is held (only then); 0: no writers; -errno. */
static int lock_nonempty(struct pipe_inode_info *pipe, bool nonblock)
{
	mutex_lock(&pipe->mutex);
	while (pipe_empty(pipe)) {
		int err = !pipe->writers ? 0 : nonblock ? -EAGAIN : 1;

		mutex_unlock(&pipe->mutex);
		if (err <= 0)
			return err;
		wake_up_all(&pipe->wr_wait);
		err = wait_event_interruptible(pipe->rd_wait, !pipe_empty(pipe) || !READ_ONCE(pipe->writers));
		if (err)
			return err;
		mutex_lock(&pipe->mutex);
	}
	return 1;
}

/* Write the oldest buffer to OUT. Bytes or -errno. => pipe->mutex, not empty */
static ssize_t write_one(struct pipe_inode_info *pipe, struct file *out, loff_t *pos, size_t len)
{
	struct pipe_buffer *b = pipe_buf(pipe, pipe->tail);
	struct iov_iter it;
	ssize_t n;

	iov_iter_kernel(&it, (char *)page_address(b->page) + b->offset, min_t(size_t, len, b->len));
	n = vfs_write(out, &it, pos);
	if (n > 0) {
		b->offset += n;
		b->len -= n;
		if (!b->len) {
			put_page(b->page);
			WRITE_ONCE(pipe->tail, pipe->tail + 1);
		}
	}
	return n;
}

static ssize_t splice_from_pipe(struct pipe_inode_info *pipe, struct file *out, loff_t *pos, size_t len,
				unsigned int flags)
{
	ssize_t done = 0, n = 0;

	if (!(out->f_mode & FMODE_WRITE))
		return -EBADF;
	if (out->f_flags & O_APPEND)
		return -EINVAL;
	while (len) {
		n = lock_nonempty(pipe, done || (flags & SPLICE_F_NONBLOCK));
		if (n <= 0)
			break;
		n = write_one(pipe, out, pos, len);
		mutex_unlock(&pipe->mutex);
		if (n <= 0)
			break;
		done += n;
		len -= n;
	}
	if (done)
		wake_up_all(&pipe->wr_wait);
	return done ? done : n;
}

/* ---- pipe to pipe ---- */

static void lock_both(struct pipe_inode_info *a, struct pipe_inode_info *b)
{
	if (a > b)
		swap(a, b);
	mutex_lock(&a->mutex);
	mutex_lock_nested(&b->mutex, 1);
}

static void unlock_both(struct pipe_inode_info *a, struct pipe_inode_info *b)
{
	mutex_unlock(&a->mutex);
	mutex_unlock(&b->mutex);
}

/*
 * Wait until IN has something and OUT has room. 1: yes, both locked; 0: end; -errno.
 */
static int lock_movable(struct pipe_inode_info *in, struct pipe_inode_info *out, bool nonblock)
{
	for (;;) {
		int err;

		lock_both(in, out);
		if (!out->readers)
			err = -EPIPE;
		else if (!pipe_empty(in))
			err = pipe_full(out) ? 2 : 1;
		else
			err = in->writers ? 3 : 0;
		if (err == 1)
			return 1;
		unlock_both(in, out);
		if (err == -EPIPE)
			send_sig(SIGPIPE, current, 0);
		if (err <= 0)
			return err;
		if (nonblock)
			return -EAGAIN;
		if (err == 2)
			err = wait_event_interruptible(out->wr_wait,
						       !pipe_full(out) || !READ_ONCE(out->readers));
		else
			err = wait_event_interruptible(in->rd_wait,
						       !pipe_empty(in) || !READ_ONCE(in->writers));
		if (err)
			return err;
	}
}

/* Move (or with KEEP, duplicate) up to LEN bytes of buffers. */
static ssize_t pipe_to_pipe(struct pipe_inode_info *in, struct pipe_inode_info *out, size_t len,
			    unsigned int flags, bool keep)
{
	unsigned int i;
	ssize_t done = 0;
	int err;

	if (in == out)
		return -EINVAL;
	if (!len)
		return 0;
	err = lock_movable(in, out, flags & SPLICE_F_NONBLOCK);
	if (err <= 0)
		return err;
	for (i = in->tail; i != in->head && len && !pipe_full(out); i++) {
		struct pipe_buffer *b = pipe_buf(in, i);
		unsigned int n = min_t(size_t, b->len, len);

		get_page(b->page);
		*pipe_buf(out, out->head) = (struct pipe_buffer){
			.page = b->page, .offset = b->offset, .len = n, .flags = b->flags & PIPE_BUF_PACKET };
		WRITE_ONCE(out->head, out->head + 1);
		done += n;
		len -= n;
		if (keep)
			continue;
		b->offset += n;
		b->len -= n;
		if (!b->len) {
			put_page(b->page);
			WRITE_ONCE(in->tail, in->tail + 1);
		}
	}
	unlock_both(in, out);
	wake_up_all(&out->rd_wait);
	if (!keep)
		wake_up_all(&in->wr_wait);
	return done;
}

/* ---- The calls ---- */

/* One end is a pipe, the other the file F: use the position at UOFF, or F's own. */
static ssize_t splice_file(struct file *f, loff_t __user *uoff, struct pipe_inode_info *pipe, size_t len,
			   unsigned int flags, bool to_pipe)
{
	bool own = !uoff && (f->f_mode & FMODE_LSEEK);
	loff_t pos = 0;
	ssize_t n;

	if (uoff && !(f->f_mode & FMODE_LSEEK))
		return -EINVAL;
	if (uoff && get_user(pos, uoff))
		return -EFAULT;
	if (pos < 0)
		return -EINVAL;
	/* Not locked while we may wait for the pipe: as in Linux, who shares a position here must agree. */
	if (own)
		pos = READ_ONCE(f->f_pos);
	n = to_pipe ? splice_to_pipe(f, &pos, pipe, len, flags) : splice_from_pipe(pipe, f, &pos, len, flags);
	if (own)
		WRITE_ONCE(f->f_pos, pos);
	return uoff && put_user(pos, uoff) ? -EFAULT : n;
}

static ssize_t do_splice(struct file *in, loff_t __user *uin, struct file *out, loff_t __user *uout,
			 size_t len, unsigned int flags)
{
	struct pipe_inode_info *pin = get_pipe_info(in), *pout = get_pipe_info(out);

	if (!(in->f_mode & FMODE_READ) || !(out->f_mode & FMODE_WRITE))
		return -EBADF;
	if ((pin && uin) || (pout && uout))
		return -ESPIPE;
	if ((pin && (in->f_flags & O_NONBLOCK)) || (pout && (out->f_flags & O_NONBLOCK)))
		flags |= SPLICE_F_NONBLOCK;
	if (pin && pout)
		return pipe_to_pipe(pin, pout, len, flags, false);
	if (pin)
		return splice_file(out, uout, pin, len, flags, false);
	if (pout)
		return splice_file(in, uin, pout, len, flags, true);
	return -EINVAL;
}

SYSCALL_DEFINE6(splice, int, fd_in, loff_t __user *, off_in, int, fd_out, loff_t __user *, off_out,
		size_t, len, unsigned int, flags)
{
	struct file *in, *out;
	ssize_t n = -EBADF;

	if (!len)
		return 0;
	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	in = fget(fd_in);
	if (!in)
		return -EBADF;
	out = fget(fd_out);
	if (out) {
		n = do_splice(in, off_in, out, off_out, min_t(size_t, len, MAX_RW_COUNT), flags);
		fput(out);
	}
	fput(in);
	return n;
}

SYSCALL_DEFINE4(tee, int, fd_in, int, fd_out, size_t, len, unsigned int, flags)
{
	struct file *in, *out;
	ssize_t n = -EBADF;

	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	in = fget(fd_in);
	if (!in)
		return -EBADF;
	out = fget(fd_out);
	if (out && (in->f_mode & FMODE_READ) && (out->f_mode & FMODE_WRITE)) {
		struct pipe_inode_info *pin = get_pipe_info(in), *pout = get_pipe_info(out);

		if ((in->f_flags | out->f_flags) & O_NONBLOCK)
			flags |= SPLICE_F_NONBLOCK;
		n = pin && pout ? pipe_to_pipe(pin, pout, len, flags, true) : -EINVAL;
	}
	if (out)
		fput(out);
	fput(in);
	return n;
}

/* ---- vmsplice ---- */

#define VMSPLICE_BATCH 16

/*
 * Append the LEN bytes at UADDR, which lie in the NR pages of PAGES, as far as there is room; the references
 * of what did not fit are dropped. Bytes or -errno.
 */
static ssize_t push_pages(struct pipe_inode_info *pipe, struct page **pages, int nr, unsigned long uaddr,
			  size_t len, bool wait)
{
	ssize_t done = 0;
	int i = 0, err = pipe_lock_room(pipe, wait);

	if (!err) {
		for (; i < nr && !pipe_full(pipe); i++) {
			unsigned int offset = uaddr & (PAGE_SIZE - 1);
			size_t n = min_t(size_t, PAGE_SIZE - offset, len);

			pipe_add_page_locked(pipe, pages[i], offset, n);
			uaddr += n;
			len -= n;
			done += n;
		}
		mutex_unlock(&pipe->mutex);
		wake_up(&pipe->rd_wait);
	}
	for (; i < nr; i++)
		put_page(pages[i]);
	return err ? err : done;
}

/* References to the pages of LEN bytes at UADDR go into PIPE. Bytes or -errno; WAIT only for the first. */
static ssize_t push_user_range(struct pipe_inode_info *pipe, unsigned long uaddr, size_t len, bool wait)
{
	struct page *pages[VMSPLICE_BATCH];
	ssize_t done = 0;

	while (len) {
		size_t skip = uaddr & (PAGE_SIZE - 1);
		size_t want = min_t(size_t, len, VMSPLICE_BATCH * PAGE_SIZE - skip);
		int nr = DIV_ROUND_UP(skip + want, PAGE_SIZE);
		long got = get_user_pages_fast(uaddr & PAGE_MASK, nr, FOLL_GET, pages);
		ssize_t n;

		if (got <= 0)
			return done ? done : got ? got : -EFAULT;
		want = min_t(size_t, want, got * PAGE_SIZE - skip);
		n = push_pages(pipe, pages, got, uaddr, want, wait && !done);
		if (n < 0)
			return done ? done : n;
		done += n;
		uaddr += n;
		len -= n;
		if ((size_t)n < want)
			break;
	}
	return done;
}

static ssize_t vmsplice_to_pipe(struct pipe_inode_info *pipe, const struct iovec *iov, unsigned long nr,
				bool nonblock)
{
	ssize_t done = 0;

	for (unsigned long i = 0; i < nr; i++) {
		ssize_t n = push_user_range(pipe, (unsigned long)iov[i].iov_base, iov[i].iov_len,
					    !done && !nonblock);

		if (n < 0)
			return done ? done : n;
		done += n;
		if ((size_t)n < iov[i].iov_len)
			break;
	}
	return done;
}

SYSCALL_DEFINE4(vmsplice, int, fd, const struct iovec __user *, uiov, unsigned long, nr, unsigned int, flags)
{
	struct iovec fast[UIO_FASTIOV], *iov = fast;
	struct pipe_inode_info *pipe;
	struct iov_iter it;
	struct file *f;
	loff_t pos = 0;
	bool nonblock;
	ssize_t n;

	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	f = fget(fd);
	if (!f)
		return -EBADF;
	pipe = get_pipe_info(f);
	nonblock = (flags & SPLICE_F_NONBLOCK) || (f->f_flags & O_NONBLOCK);
	n = pipe ? import_iovec(uiov, nr, fast, &iov) : -EBADF;
	if (n > 0) {
		if (f->f_mode & FMODE_WRITE) {
			n = vmsplice_to_pipe(pipe, iov, nr, nonblock);
		} else {
			iov_iter_user(&it, iov, nr, n);
			n = vfs_read(f, &it, &pos);
		}
	}
	if (iov != fast)
		kfree(iov);
	fput(f);
	return n;
}
