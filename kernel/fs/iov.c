/*
 * kernel/fs/iov.c - iov_iter: where the bytes of a read or write come from or go to.
 *
 * One interface for user memory in pieces (readv), in one piece (read), and kernel memory, so that a file's
 * read and write methods exist once. Linux: lib/iov_iter.c.
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/uaccess.h"

#define UIO_MAXIOV 1024

void iov_iter_user(struct iov_iter *it, const struct iovec *iov, unsigned int nr, size_t count)
{
	*it = (struct iov_iter){ .iov = iov, .nr_segs = nr, .count = count };
}

void iov_iter_kernel(struct iov_iter *it, void *buf, size_t count)
{
	*it = (struct iov_iter){ .kernel = true, .kbuf = buf, .count = count };
}

enum direction { TO_ITER, FROM_ITER, CLEAR_ITER };

/* N bytes at U: how many were done. */
static size_t user_piece(enum direction dir, char __user *u, void *k, size_t n)
{
	if (!access_ok(u, n))
		return 0;
	if (dir == TO_ITER)
		return n - copy_to_user(u, k, n);
	if (dir == FROM_ITER)
		return n - copy_from_user(k, u, n);
	return n - clear_user(u, n);
}

/*
 * Move up to N bytes between K and IT, and advance IT by what was done.
 *
 * => no spinlock held when IT is user memory: may fault and sleep
 */
static size_t iter_move(enum direction dir, char *k, size_t n, struct iov_iter *it)
{
	size_t done = 0;

	n = min(n, it->count);
	if (it->kernel) {
		if (dir == TO_ITER)
			memcpy(it->kbuf, k, n);
		else if (dir == FROM_ITER)
			memcpy(k, it->kbuf, n);
		else
			memset(it->kbuf, 0, n);
		it->kbuf += n;
		it->count -= n;
		return n;
	}
	while (done < n && it->nr_segs) {
		size_t part = min(n - done, it->iov->iov_len - it->iov_offset), got;

		got = user_piece(dir, (char __user *)it->iov->iov_base + it->iov_offset, k + done, part);
		done += got;
		it->count -= got;
		it->iov_offset += got;
		if (got < part)
			break;
		if (it->iov_offset == it->iov->iov_len) {
			it->iov++;
			it->nr_segs--;
			it->iov_offset = 0;
		}
	}
	return done;
}

size_t copy_to_iter(const void *from, size_t n, struct iov_iter *it)
{
	return iter_move(TO_ITER, (char *)from, n, it);
}

size_t copy_from_iter(void *to, size_t n, struct iov_iter *it)
{
	return iter_move(FROM_ITER, to, n, it);
}

size_t clear_iter(size_t n, struct iov_iter *it)
{
	return iter_move(CLEAR_ITER, NULL, n, it);
}

ssize_t import_iovec(const struct iovec __user *uvec, unsigned long nr, struct iovec *fast,
		     struct iovec **res)
{
	struct iovec *iov = fast;
	size_t total = 0;
	ssize_t err = -EFAULT;

	*res = fast;
	if (nr > UIO_MAXIOV)
		return -EINVAL;
	if (nr > UIO_FASTIOV) {
		iov = kmalloc(nr * sizeof(*iov), GFP_KERNEL);
		if (!iov)
			return -ENOMEM;
	}
	if (copy_from_user(iov, uvec, nr * sizeof(*iov)))
		goto bad;
	for (unsigned long i = 0; i < nr; i++) {
		err = -EINVAL;
		if ((ssize_t)iov[i].iov_len < 0)
			goto bad;
		err = -EFAULT;
		if (!access_ok(iov[i].iov_base, iov[i].iov_len))
			goto bad;
		/* The total is cut at the largest count of one call. */
		iov[i].iov_len = min_t(size_t, iov[i].iov_len, MAX_RW_COUNT - total);
		total += iov[i].iov_len;
	}
	*res = iov;
	return total;
bad:
	if (iov != fast)
		kfree(iov);
	return err;
}
