/*
 * kernel/fs/socketpair.c - AF_UNIX sockets as pairs: a two-way pipe. No other sockets exist.
 *
 *	end 0  --- send ---> queue[1] ---> recv  end 1
 *	       <-- recv ---- queue[0] <--- send
 *
 * queue[i] is what end i reads: a list of messages. SOCK_STREAM runs them together, the others keep them apart. A sender
 * waits while more than QUEUE_LIMIT bytes lie there. Readers of one end take turns by a mutex, so that copying to
 * user memory, which may sleep, happens outside the queue's spinlock.
 *
 * Not here: names, connect, ancillary data (descriptors). Linux: net/unix/af_unix.c.
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/task/signal.h"
#include "kernel/task/syscall.h"

#define AF_UNIX		1
#define SOCK_STREAM	1
#define SOCK_DGRAM	2
#define SOCK_SEQPACKET	5
#define MSG_PEEK	2
#define MSG_TRUNC	0x20
#define MSG_DONTWAIT	0x40
#define MSG_NOSIGNAL	0x4000
#define QUEUE_LIMIT	212992u
#define STREAM_CHUNK	32768u
#define FIONREAD	0x541B

struct sock_msg {
	struct list_head link;
	size_t len, off;		/* bytes; how many of them have been read */
	char data[];
};

struct sock_queue {
	spinlock_t lock;
	struct mutex reader;		/* held while messages are taken off */
	struct list_head msgs;		/* lock */
	size_t bytes;			/* lock */
	bool no_writer, no_reader;	/* lock: set for good by shutdown and close */
	wait_queue_head_t wait;		/* for data, for room */
};

struct sock_pair {
	atomic_t ends;			/* open */
	int type;
	struct sock_queue queue[2];
};

/* One end: private_data of its file. */
struct sock_end {
	struct sock_pair *pair;
	int side;
};

static const struct file_operations socket_fops;

static struct sock_queue *in_queue(struct sock_end *e)
{
	return &e->pair->queue[e->side];
}

static struct sock_queue *out_queue(struct sock_end *e)
{
	return &e->pair->queue[!e->side];
}

/* ---- send ---- */

static bool may_append(struct sock_queue *q, size_t len)
{
	return q->no_reader || q->no_writer || !q->bytes || q->bytes + len <= QUEUE_LIMIT;
}

static ssize_t broken(unsigned int flags)
{
	if (!(flags & MSG_NOSIGNAL))
		send_sig(SIGPIPE, current, 0);
	return -EPIPE;
}

/* Put MSG on Q when there is room. 0: it is the queue's; else -errno. */
static int append(struct sock_queue *q, struct sock_msg *msg, bool nonblock)
{
	for (;;) {
		int err = 0;

		spin_lock(&q->lock);
		if (q->no_reader || q->no_writer) {
			err = -EPIPE;
		} else if (may_append(q, msg->len)) {
			list_add_tail(&msg->link, &q->msgs);
			q->bytes += msg->len;
		} else {
			err = -EAGAIN;
		}
		spin_unlock(&q->lock);
		if (err != -EAGAIN || nonblock) {
			if (!err)
				wake_up_all(&q->wait);
			return err;
		}
		err = wait_event_interruptible(q->wait, may_append(q, msg->len));
		if (err)
			return err;
	}
}

static ssize_t sock_send(struct file *f, struct iov_iter *from, unsigned int flags)
{
	struct sock_end *e = f->private_data;
	bool stream = e->pair->type == SOCK_STREAM, nonblock = (f->f_flags & O_NONBLOCK) || (flags & MSG_DONTWAIT);
	ssize_t done = 0;
	int err = 0;

	if (!stream && from->count > QUEUE_LIMIT)
		return -EMSGSIZE;
	if (stream && !from->count)
		return 0;
	do {
		size_t len = stream ? min_t(size_t, from->count, STREAM_CHUNK) : from->count;
		struct sock_msg *msg = kvmalloc(sizeof(*msg) + len, GFP_KERNEL);

		err = msg ? 0 : -ENOMEM;
		if (!err && copy_from_iter(msg->data, len, from) != len)
			err = -EFAULT;
		if (!err) {
			msg->len = len;
			msg->off = 0;
			err = append(out_queue(e), msg, nonblock);
		}
		if (err) {
			kvfree(msg);
			break;
		}
		done += len;
	} while (stream && from->count);
	if (err == -EPIPE && !done)
		return broken(flags);
	return done || !err ? done : err;
}

/* ---- receive ---- */

static bool readable(struct sock_queue *q)
{
	return !list_empty(&q->msgs) || READ_ONCE(q->no_writer) || READ_ONCE(q->no_reader);
}

/* Wait for data. 1: there is some, q->reader held; 0: end of file; -errno. */
static int lock_readable(struct sock_queue *q, bool nonblock)
{
	for (;;) {
		int err;

		mutex_lock(&q->reader);
		if (!list_empty(&q->msgs))
			return 1;
		mutex_unlock(&q->reader);
		if (READ_ONCE(q->no_writer) || READ_ONCE(q->no_reader)) {
			smp_rmb();	/* a last message may have come just before */
			if (list_empty(&q->msgs))
				return 0;
			continue;
		}
		if (nonblock)
			return -EAGAIN;
		err = wait_event_interruptible(q->wait, readable(q));
		if (err)
			return err;
	}
}

/* The first message is read: take it off and free it. => q->reader */
static void drop_first(struct sock_queue *q)
{
	struct sock_msg *msg = list_first_entry(&q->msgs, struct sock_msg, link);

	spin_lock(&q->lock);
	list_del(&msg->link);
	q->bytes -= msg->len;
	spin_unlock(&q->lock);
	kvfree(msg);
}

/* Copy from the first message. Bytes or -EFAULT. => q->reader, not empty */
static ssize_t read_first(struct sock_queue *q, struct iov_iter *to, bool stream, bool peek, bool *cut)
{
	struct sock_msg *msg = list_first_entry(&q->msgs, struct sock_msg, link);
	size_t n = min(to->count, msg->len - msg->off);
	size_t got = copy_to_iter(msg->data + msg->off, n, to);

	if (got < n && !(stream && got))
		return -EFAULT;
	*cut = !stream && n < msg->len;
	if (peek)
		return got;
	msg->off += got;
	if (!stream || msg->off == msg->len)
		drop_first(q);
	return got;
}

static ssize_t sock_recv(struct file *f, struct iov_iter *to, unsigned int flags, bool *cut)
{
	struct sock_end *e = f->private_data;
	struct sock_queue *q = in_queue(e);
	bool stream = e->pair->type == SOCK_STREAM, nonblock = (f->f_flags & O_NONBLOCK) || (flags & MSG_DONTWAIT);
	ssize_t done = 0, n;

	if (stream && !to->count)
		return 0;
	n = lock_readable(q, nonblock);
	if (n <= 0)
		return n;
	do {
		n = read_first(q, to, stream, flags & MSG_PEEK, cut);
		if (n > 0)
			done += n;
	} while (stream && n > 0 && to->count && !(flags & MSG_PEEK) && !list_empty(&q->msgs));
	mutex_unlock(&q->reader);
	wake_up_all(&q->wait);
	return done || n >= 0 ? done : n;
}

/* ---- The file ---- */

static ssize_t socket_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
	bool cut;

	return sock_recv(f, to, 0, &cut);
}

static ssize_t socket_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
	return sock_send(f, from, 0);
}

static unsigned int socket_poll(struct file *f, struct poll_table *pt)
{
	struct sock_end *e = f->private_data;
	struct sock_queue *in = in_queue(e), *out = out_queue(e);
	unsigned int mask = 0;

	poll_wait(f, &in->wait, pt);
	poll_wait(f, &out->wait, pt);
	if (readable(in))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(in->no_writer))
		mask |= EPOLLRDHUP;
	if (READ_ONCE(in->no_writer) && READ_ONCE(out->no_reader))
		mask |= EPOLLHUP;
	if (READ_ONCE(out->bytes) < QUEUE_LIMIT / 2 || READ_ONCE(out->no_reader))
		mask |= EPOLLOUT | EPOLLWRNORM;
	return mask;
}

static long socket_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
	struct sock_queue *q = in_queue(f->private_data);
	int n;

	if (cmd != FIONREAD)
		return -ENOTTY;
	spin_lock(&q->lock);
	n = q->bytes;
	spin_unlock(&q->lock);
	return put_user(n, (int __user *)arg);
}

static void queue_shut(struct sock_queue *q, bool reader, bool writer)
{
	spin_lock(&q->lock);
	q->no_reader |= reader;
	q->no_writer |= writer;
	spin_unlock(&q->lock);
	wake_up_all(&q->wait);
}

static void free_pair(struct sock_pair *p)
{
	struct sock_msg *msg, *n;

	for (int i = 0; i < 2; i++)
		list_for_each_entry_safe(msg, n, &p->queue[i].msgs, link)
			kvfree(msg);
	kfree(p);
}

static void socket_release(struct inode *inode, struct file *f)
{
	struct sock_end *e = f->private_data;

	queue_shut(in_queue(e), true, false);
	queue_shut(out_queue(e), false, true);
	if (atomic_dec_and_test(&e->pair->ends))
		free_pair(e->pair);
	kfree(e);
}

static const struct file_operations socket_fops = {
	.read = socket_read,
	.write = socket_write,
	.poll = socket_poll,
	.ioctl = socket_ioctl,
	.release = socket_release,
};

/* ---- The calls ---- */

static struct sock_pair *alloc_pair(int type)
{
	struct sock_pair *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return NULL;
	p->type = type;
	for (int i = 0; i < 2; i++) {
		struct sock_queue *q = &p->queue[i];

		spin_lock_init(&q->lock);
		mutex_init(&q->reader);
		INIT_LIST_HEAD(&q->msgs);
		init_waitqueue_head(&q->wait);
	}
	return p;
}

/* The file of one end; it counts in PAIR->ends. ERR_PTR. */
static struct file *open_end(struct sock_pair *pair, int side, int flags)
{
	struct sock_end *e = kmalloc(sizeof(*e), GFP_KERNEL);
	struct dentry *d;
	struct file *f;

	if (!e)
		return ERR_PTR(-ENOMEM);
	*e = (struct sock_end){ pair, side };
	d = anon_dentry(sock_mnt, "socket", S_IFSOCK | 0777);
	f = IS_ERR(d) ? ERR_PTR(PTR_ERR(d)) : alloc_file_pseudo(sock_mnt, d, O_RDWR | flags, &socket_fops);
	if (IS_ERR(f)) {
		if (!IS_ERR(d))
			dput(d);
		kfree(e);
		return f;
	}
	f->private_data = e;
	atomic_inc(&pair->ends);
	return f;
}

SYSCALL_DEFINE4(socketpair, int, family, int, type, int, protocol, int __user *, ufd)
{
	int kind = type & 15, flags = type & ~15;
	struct sock_pair *pair;
	struct file *f[2];

	if (flags & ~(O_NONBLOCK | O_CLOEXEC))
		return -EINVAL;
	if (family != AF_UNIX)
		return -EAFNOSUPPORT;
	if (kind != SOCK_STREAM && kind != SOCK_DGRAM && kind != SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	if (protocol != 0 && protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	pair = alloc_pair(kind);
	if (!pair)
		return -ENOMEM;
	f[0] = open_end(pair, 0, flags & O_NONBLOCK);
	if (IS_ERR(f[0])) {
		kfree(pair);
		return PTR_ERR(f[0]);
	}
	f[1] = open_end(pair, 1, flags & O_NONBLOCK);
	if (IS_ERR(f[1])) {
		fput(f[0]);
		return PTR_ERR(f[1]);
	}
	return install_pair(f, flags, ufd);
}

SYSCALL_DEFINE3(socket, int, family, int, type, int, protocol)
{
	return -EAFNOSUPPORT;
}

/* The socket FD, referenced; ERR_PTR(-EBADF or -ENOTSOCK). */
static struct file *fget_socket(int fd)
{
	struct file *f = fget(fd);

	if (!f)
		return ERR_PTR(-EBADF);
	if (f->f_op == &socket_fops)
		return f;
	fput(f);
	return ERR_PTR(-ENOTSOCK);
}

SYSCALL_DEFINE2(shutdown, int, fd, int, how)
{
	struct file *f = fget_socket(fd);
	struct sock_end *e;

	if (IS_ERR(f))
		return PTR_ERR(f);
	e = f->private_data;
	if (how == 0 || how == 2)
		queue_shut(in_queue(e), true, true);
	if (how == 1 || how == 2)
		queue_shut(out_queue(e), false, true);
	fput(f);
	return how < 0 || how > 2 ? -EINVAL : 0;
}

SYSCALL_DEFINE6(sendto, int, fd, void __user *, buf, size_t, len, unsigned int, flags, void __user *, addr, int, addrlen)
{
	struct iovec iov = { buf, min_t(size_t, len, MAX_RW_COUNT) };
	struct file *f = fget_socket(fd);
	struct iov_iter it;
	ssize_t n;

	if (IS_ERR(f))
		return PTR_ERR(f);
	iov_iter_user(&it, &iov, 1, iov.iov_len);
	n = addr ? -EISCONN : sock_send(f, &it, flags);
	fput(f);
	return n;
}

SYSCALL_DEFINE6(recvfrom, int, fd, void __user *, buf, size_t, len, unsigned int, flags, void __user *, addr,
		int __user *, addrlen)
{
	struct iovec iov = { buf, min_t(size_t, len, MAX_RW_COUNT) };
	struct file *f = fget_socket(fd);
	struct iov_iter it;
	bool cut = false;
	ssize_t n;

	if (IS_ERR(f))
		return PTR_ERR(f);
	iov_iter_user(&it, &iov, 1, iov.iov_len);
	n = sock_recv(f, &it, flags, &cut);
	if (n >= 0 && addr && addrlen && put_user(0, addrlen))
		n = -EFAULT;
	fput(f);
	return n;
}

struct user_msghdr {
	void __user *name;
	int namelen, pad0;
	struct iovec __user *iov;
	size_t iovlen;
	void __user *control;
	size_t controllen;
	int flags, pad1;
};
static_assert(sizeof(struct user_msghdr) == 56, "struct msghdr of x86-64");

/* Both directions of messages: the header H has been read from UMSG. */
static ssize_t do_msg(struct file *f, struct user_msghdr __user *umsg, struct user_msghdr *h, unsigned int flags, bool send)
{
	struct iovec fast[UIO_FASTIOV], *iov = fast;
	struct iov_iter it;
	bool cut = false;
	ssize_t n;

	if (send && h->controllen)
		return -EOPNOTSUPP;
	n = import_iovec(h->iov, h->iovlen, fast, &iov);
	if (n < 0)
		return n;
	iov_iter_user(&it, iov, h->iovlen, n);
	n = send ? sock_send(f, &it, flags) : sock_recv(f, &it, flags, &cut);
	if (iov != fast)
		kfree(iov);
	if (send || n < 0)
		return n;
	if (put_user(0, &umsg->namelen) || put_user(0, &umsg->controllen) || put_user(cut ? MSG_TRUNC : 0, &umsg->flags))
		return -EFAULT;
	return n;
}

static ssize_t do_msg_call(int fd, struct user_msghdr __user *umsg, unsigned int flags, bool send)
{
	struct user_msghdr h;
	struct file *f;
	ssize_t n;

	if (copy_from_user(&h, umsg, sizeof(h)))
		return -EFAULT;
	f = fget_socket(fd);
	if (IS_ERR(f))
		return PTR_ERR(f);
	n = do_msg(f, umsg, &h, flags, send);
	fput(f);
	return n;
}

SYSCALL_DEFINE3(sendmsg, int, fd, struct user_msghdr __user *, msg, unsigned int, flags)
{
	return do_msg_call(fd, msg, flags, true);
}

SYSCALL_DEFINE3(recvmsg, int, fd, struct user_msghdr __user *, msg, unsigned int, flags)
{
	return do_msg_call(fd, msg, flags, false);
}
