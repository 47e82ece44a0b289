/*
 * kernel/fs/read_write.c - read, write and their relatives, lseek, sendfile, sync.
 *
 * The position of an open file is guarded by f_pos_lock, so that threads and processes that share it take
 * turns (POSIX); files without a position (pipes, ttys) do not take it: their readers must not wait for each
 * other. Linux: fs/read_write.c, fs/sync.c.
 */
#include "kernel/fs/internal.h"
#include "kernel/block/block.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/task/syscall.h"

#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2

/* ---- lseek ---- */

/* For files whose end is i_size. => f_pos_lock */
loff_t generic_file_llseek(struct file *f, loff_t off, int whence)
{
	switch (whence) {
	case SEEK_END:
		off += READ_ONCE(f->f_inode->i_size);
		break;
	case SEEK_CUR:
		off += f->f_pos;
		break;
	case SEEK_SET:
		break;
	default:
		return -EINVAL;
	}
	if (off < 0)
		return -EINVAL;
	f->f_pos = off;
	return off;
}

loff_t noop_llseek(struct file *f, loff_t off, int whence)
{
	return f->f_pos;
}

int noop_fsync(struct file *f)
{
	return 0;
}

static bool has_position(const struct file *f)
{
	return f->f_mode & FMODE_LSEEK;
}

SYSCALL_DEFINE3(lseek, int, fd, loff_t, off, int, whence)
{
	struct file *f = fget(fd);
	loff_t ret;

	if (!f)
		return -EBADF;
	if ((unsigned int)whence > 4) {
		ret = -EINVAL;
	} else if (!has_position(f)) {
		ret = -ESPIPE;
	} else {
		mutex_lock(&f->f_pos_lock);
		ret = f->f_op->llseek(f, off, whence);
		mutex_unlock(&f->f_pos_lock);
	}
	fput(f);
	return ret;
}

/* ---- One read or write ---- */

ssize_t vfs_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
	if (!(f->f_mode & FMODE_READ))
		return -EBADF;
	if (!f->f_op->read)
		return -EINVAL;
	return f->f_op->read(f, to, pos);
}

ssize_t vfs_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
	if (!(f->f_mode & FMODE_WRITE))
		return -EBADF;
	if (!f->f_op->write)
		return -EINVAL;
	return f->f_op->write(f, from, pos);
}

typedef ssize_t rw_fn(struct file *f, struct iov_iter *it, loff_t *pos);

/* At the file's own position, which moves by what was done. */
static ssize_t rw_at_pos(struct file *f, struct iov_iter *it, rw_fn *fn)
{
	loff_t pos = 0;
	ssize_t n;

	if (!has_position(f))
		return fn(f, it, &pos);
	mutex_lock(&f->f_pos_lock);
	pos = f->f_pos;
	n = fn(f, it, &pos);
	f->f_pos = pos;
	mutex_unlock(&f->f_pos_lock);
	return n;
}

static ssize_t do_rw(int fd, char __user *buf, size_t count, rw_fn *fn)
{
	struct iovec iov = { buf, min_t(size_t, count, MAX_RW_COUNT) };
	struct iov_iter it;
	struct file *f = fget(fd);
	ssize_t n = -EFAULT;

	if (!f)
		return -EBADF;
	iov_iter_user(&it, &iov, 1, iov.iov_len);
	if ((ssize_t)count < 0)
		n = -EINVAL;
	else if (access_ok(buf, iov.iov_len))
		n = rw_at_pos(f, &it, fn);
	fput(f);
	return n;
}

SYSCALL_DEFINE3(read, int, fd, char __user *, buf, size_t, count)
{
	return do_rw(fd, buf, count, vfs_read);
}

SYSCALL_DEFINE3(write, int, fd, char __user *, buf, size_t, count)
{
	return do_rw(fd, buf, count, vfs_write);
}

static ssize_t do_prw(int fd, char __user *buf, size_t count, loff_t pos, rw_fn *fn)
{
	struct iovec iov = { buf, min_t(size_t, count, MAX_RW_COUNT) };
	struct iov_iter it;
	struct file *f;
	ssize_t n = -EFAULT;

	if (pos < 0)
		return -EINVAL;
	f = fget(fd);
	if (!f)
		return -EBADF;
	iov_iter_user(&it, &iov, 1, iov.iov_len);
	if (!has_position(f))
		n = -ESPIPE;
	else if ((ssize_t)count < 0)
		n = -EINVAL;
	else if (access_ok(buf, iov.iov_len))
		n = fn(f, &it, &pos);
	fput(f);
	return n;
}

SYSCALL_DEFINE4(pread64, int, fd, char __user *, buf, size_t, count, loff_t, pos)
{
	return do_prw(fd, buf, count, pos, vfs_read);
}

SYSCALL_DEFINE4(pwrite64, int, fd, char __user *, buf, size_t, count, loff_t, pos)
{
	return do_prw(fd, buf, count, pos, vfs_write);
}

/* ---- Vectors ---- */

/* POS: NULL for the file's own. */
static ssize_t do_vector(int fd, const struct iovec __user *uvec, unsigned long nr, loff_t *pos, rw_fn *fn)
{
	struct iovec fast[UIO_FASTIOV], *iov;
	struct iov_iter it;
	struct file *f;
	ssize_t n;

	if (pos && *pos < 0)
		return -EINVAL;
	f = fget(fd);
	if (!f)
		return -EBADF;
	n = pos && !has_position(f) ? -ESPIPE : import_iovec(uvec, nr, fast, &iov);
	if (n >= 0) {
		iov_iter_user(&it, iov, nr, n);
		n = pos ? fn(f, &it, pos) : rw_at_pos(f, &it, fn);
		if (iov != fast)
			kfree(iov);
	}
	fput(f);
	return n;
}

SYSCALL_DEFINE3(readv, int, fd, const struct iovec __user *, vec, unsigned long, nr)
{
	return do_vector(fd, vec, nr, NULL, vfs_read);
}

SYSCALL_DEFINE3(writev, int, fd, const struct iovec __user *, vec, unsigned long, nr)
{
	return do_vector(fd, vec, nr, NULL, vfs_write);
}

SYSCALL_DEFINE5(preadv, int, fd, const struct iovec __user *, vec, unsigned long, nr, loff_t, pos,
		unsigned long, high)
{
	return do_vector(fd, vec, nr, &pos, vfs_read);
}

SYSCALL_DEFINE5(pwritev, int, fd, const struct iovec __user *, vec, unsigned long, nr, loff_t, pos,
		unsigned long, high)
{
	return do_vector(fd, vec, nr, &pos, vfs_write);
}

SYSCALL_DEFINE6(preadv2, int, fd, const struct iovec __user *, vec, unsigned long, nr, loff_t, pos,
		unsigned long, high, int, flags)
{
	if (flags)
		return -EOPNOTSUPP;
	return do_vector(fd, vec, nr, pos == -1 ? NULL : &pos, vfs_read);
}

SYSCALL_DEFINE6(pwritev2, int, fd, const struct iovec __user *, vec, unsigned long, nr, loff_t, pos,
		unsigned long, high, int, flags)
{
	if (flags)
		return -EOPNOTSUPP;
	return do_vector(fd, vec, nr, pos == -1 ? NULL : &pos, vfs_write);
}

/* ---- From inside the kernel ---- */

ssize_t kernel_read(struct file *f, void *buf, size_t n, loff_t *pos)
{
	struct iov_iter it;

	iov_iter_kernel(&it, buf, n);
	return vfs_read(f, &it, pos);
}

ssize_t kernel_write(struct file *f, const void *buf, size_t n, loff_t *pos)
{
	struct iov_iter it;

	iov_iter_kernel(&it, (void *)buf, n);
	return vfs_write(f, &it, pos);
}

/* ---- sendfile ---- */

#define SENDFILE_CHUNK 65536

/* Copy up to COUNT bytes from IN at *POS to OUT at OUT's position; *POS moves by what OUT took. */
static ssize_t copy_between(struct file *in, loff_t *pos, struct file *out, size_t count)
{
	char *buf = kvmalloc(SENDFILE_CHUNK, GFP_KERNEL);
	ssize_t done = 0, n = 0, w;

	if (!buf)
		return -ENOMEM;
	while (count) {
		loff_t at = *pos;
		struct iov_iter it;

		n = kernel_read(in, buf, min_t(size_t, count, SENDFILE_CHUNK), &at);
		if (n <= 0)
			break;
		iov_iter_kernel(&it, buf, n);
		w = rw_at_pos(out, &it, vfs_write);
		if (w <= 0) {
			n = w;
			break;
		}
		*pos += w;
		done += w;
		count -= w;
		if (w < n || (signal_pending(current) && count))
			break;
	}
	kvfree(buf);
	return done ? done : n;
}

static ssize_t sendfile_files(struct file *out, struct file *in, loff_t __user *upos, size_t count)
{
	loff_t pos;
	ssize_t n;

	if (!(in->f_mode & FMODE_READ) || !(out->f_mode & FMODE_WRITE))
		return -EBADF;
	/* Texts made on the fly, devices: programs then read and write. */
	if (!in->f_op->splice_read || (out->f_flags & O_APPEND))
		return -EINVAL;
	count = min_t(size_t, count, MAX_RW_COUNT);
	if (!upos) {
		if (in == out)
			return -EINVAL;
		mutex_lock(&in->f_pos_lock);
		pos = in->f_pos;
		mutex_unlock(&in->f_pos_lock);
		n = copy_between(in, &pos, out, count);
		mutex_lock(&in->f_pos_lock);
		in->f_pos = pos;
		mutex_unlock(&in->f_pos_lock);
		return n;
	}
	if (get_user(pos, upos))
		return -EFAULT;
	if (pos < 0)
		return -EINVAL;
	n = copy_between(in, &pos, out, count);
	return put_user(pos, upos) ? -EFAULT : n;
}

SYSCALL_DEFINE4(sendfile, int, out_fd, int, in_fd, loff_t __user *, upos, size_t, count)
{
	struct file *in = fget(in_fd), *out;
	ssize_t n = -EBADF;

	if (!in)
		return -EBADF;
	out = fget(out_fd);
	if (out) {
		n = sendfile_files(out, in, upos, count);
		fput(out);
	}
	fput(in);
	return n;
}

/* ---- sync: only what is cached of disks has another home ---- */

static int do_fsync(int fd)
{
	struct file *f = fget(fd);
	int err = -EINVAL;

	if (!f)
		return -EBADF;
	if (f->f_op->fsync)
		err = f->f_op->fsync(f);
	fput(f);
	return err;
}

SYSCALL_DEFINE1(fsync, int, fd)
{
	return do_fsync(fd);
}

SYSCALL_DEFINE1(fdatasync, int, fd)
{
	return do_fsync(fd);
}

SYSCALL_DEFINE0(sync)
{
	sync_bdevs();
	return 0;
}

SYSCALL_DEFINE1(syncfs, int, fd)
{
	struct file *f = fget(fd);

	if (!f)
		return -EBADF;
	fput(f);
	return 0;
}

/* Advice about access patterns: all is in memory already. */
SYSCALL_DEFINE4(fadvise64, int, fd, loff_t, off, size_t, len, int, advice)
{
	struct file *f = fget(fd);
	long err = 0;

	if (!f)
		return -EBADF;
	if (S_ISFIFO(f->f_inode->i_mode))
		err = -ESPIPE;
	else if (advice < 0 || advice > 5)
		err = -EINVAL;
	fput(f);
	return err;
}
