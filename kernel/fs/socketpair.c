/*
 * kernel/fs/socketpair.c - local sockets, as far as socketpair(2) goes: two ends that talk to each other.
 *
 *	struct sock_pair { lock, end[2] }		freed with the last close
 *
 *	end[0] --send--> end[1].queue of messages --recv--> who reads end[1]; and the other way round
 *
 * A message is copied in before it is queued, and out before it is taken off: the pair's spinlock is held for
 * a few instructions only. `iolock` keeps the readers of one end in turn meanwhile. A stream is cut into
 * messages for the transport and its readers do not see the cuts; SOCK_SEQPACKET and SOCK_DGRAM keep them.
 *
 * Not here: names (bind, listen, accept: ENOSYS), other families (EAFNOSUPPORT: libraries then do without),
 * passing of descriptors and credentials (EINVAL). Linux: net/unix/af_unix.c, net/socket.c.
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/task/signal.h"
#include "kernel/task/syscall.h"

#define AF_UNIX		1
#define SOCK_STREAM	1
#define SOCK_DGRAM	2
#define SOCK_SEQPACKET	5
#define SOCK_TYPE_MASK	0xf
#define MSG_OOB		0x1u
#define MSG_PEEK	0x2u
#define MSG_TRUNC	0x20u
#define MSG_DONTWAIT	0x40u
#define MSG_WAITALL	0x100u
#define MSG_NOSIGNAL	0x4000u
#define SOL_SOCKET	1
enum { SO_REUSEADDR = 2, SO_TYPE, SO_ERROR, SO_SNDBUF = 7, SO_RCVBUF, SO_KEEPALIVE, SO_PEERCRED = 17,
       SO_ACCEPTCONN = 30, SO_PROTOCOL = 38, SO_DOMAIN = 39 };
#define FIONREAD	0x541B

#define DEF_SNDBUF	212992		/* bytes, as Linux's wmem_default */
#define MSG_OVERHEAD	512		/* charged for each message, so that many tiny ones are bounded too */
#define STREAM_CHUNK	16000		/* a stream's message: below four pages with its header */

struct message {
	struct list_head link;		/* receiver's queue */
	size_t len, done;		/* bytes; how many a stream's reader has had */
	char data[];
};

/* L: pair->lock   I: iolock (taking off the queue needs both)   c: constant */
struct sock_end {
	struct sock_pair *pair;		/* c */
	struct sock_end *peer;		/* c; NULL: not connected */
	struct mutex iolock;
	struct list_head queue;		/* L, I: what came and was not read */
	size_t charged;			/* L: memory of the queue */
	size_t sndbuf, rcvbuf;		/* limit of the peer's queue; only told */
	bool shut_rd, shut_wr, dead;	/* L */
	int err;			/* L: reported once, by the next call or SO_ERROR */
	wait_queue_head_t rd_wait;	/* something came, or nothing will */
	wait_queue_head_t wr_wait;	/* the peer's queue has room, or is gone */
};
struct ucred { pid_t pid; uid_t uid; gid_t gid; };	/* the user's layout */
struct sock_pair {
	spinlock_t lock;
	atomic_t refs;			/* open ends */
	int type;			/* c */
	struct ucred maker;		/* c */
	struct sock_end end[2];
};
struct user_msghdr {			/* the user's layout */
	void __user *name;
	int namelen, pad0;
	const struct iovec __user *iov;
	u64 iovlen;
	void __user *control;
	u64 controllen;
	unsigned int flags, pad1;
};
static_assert(sizeof(struct user_msghdr) == 56, "struct msghdr of x86-64");
static const struct file_operations socket_fops;

static bool is_stream(const struct sock_end *e)
{
	return e->pair->type == SOCK_STREAM;
}

static size_t charge(const struct message *m)
{
	return m->len + MSG_OVERHEAD;
}

/* ---- Life ---- */

static void end_init(struct sock_end *e, struct sock_pair *pair, struct sock_end *peer)
{
	e->pair = pair;
	e->peer = peer;
	e->sndbuf = e->rcvbuf = DEF_SNDBUF;
	INIT_LIST_HEAD(&e->queue);
	mutex_init(&e->iolock);
	init_waitqueue_head(&e->rd_wait);
	init_waitqueue_head(&e->wr_wait);
}

/* A pair with ENDS (1 or 2) ends in use; NULL: no memory. */
static struct sock_pair *pair_alloc(int type, int ends)
{
	struct sock_pair *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return NULL;
	spin_lock_init(&p->lock);
	atomic_set(&p->refs, ends);
	p->type = type;
	p->maker = (struct ucred){ current->tgid, current_cred()->euid, current_cred()->egid };
	end_init(&p->end[0], p, ends == 2 ? &p->end[1] : NULL);
	end_init(&p->end[1], p, ends == 2 ? &p->end[0] : NULL);
	return p;
}

/* The last reference to E's file went. The peer keeps what it was sent. */
static void end_close(struct sock_end *e)
{
	struct sock_end *peer = e->peer;
	struct message *m, *n;
	LIST_HEAD(unread);

	spin_lock(&e->pair->lock);
	e->dead = true;
	if (peer && e->pair->type != SOCK_DGRAM) {
		peer->shut_rd = peer->shut_wr = true;
		if (!list_empty(&e->queue))
			peer->err = -ECONNRESET;
	}
	list_splice_init(&e->queue, &unread);
	spin_unlock(&e->pair->lock);
	if (peer) {
		wake_up_all(&peer->rd_wait);
		wake_up_all(&peer->wr_wait);
	}
	list_for_each_entry_safe(m, n, &unread, link)
		kvfree(m);
	if (atomic_dec_and_test(&e->pair->refs))
		kfree(e->pair);
}

static void socket_release(struct inode *inode, struct file *f)
{
	end_close(f->private_data);
}

/* An open file for E, which it owns from now on (also on failure: E is closed). ERR_PTR. */
static struct file *sock_file(struct sock_end *e, int flags)
{
	struct dentry *d = anon_dentry(sock_mnt, "socket", S_IFSOCK | 0777);
	struct file *f = ERR_PTR(PTR_ERR(d));

	if (!IS_ERR(d))
		f = alloc_file_pseudo(sock_mnt, d, O_RDWR | flags, &socket_fops);
	if (!IS_ERR(f)) {
		f->private_data = e;
		return f;
	}
	if (!IS_ERR(d))
		dput(d);
	end_close(e);
	return f;
}

/* ---- Sending ---- */

static int take_error(struct sock_end *e)
{
	int err = e->err;

	e->err = 0;
	return err;
}

/* Why E cannot send, or 0. => lock */
static int send_error(struct sock_end *e)
{
	if (!is_stream(e) && e->err)
		return take_error(e);
	if (e->shut_wr || e->peer->shut_rd)
		return -EPIPE;
	return e->peer->dead ? -ECONNREFUSED : 0;
}

/* Put M on the peer's queue. 0; -EAGAIN: no room; or what send_error says. */
static int try_queue(struct sock_end *e, struct message *m)
{
	struct sock_end *peer = e->peer;
	int err;

	spin_lock(&e->pair->lock);
	err = send_error(e);
	if (!err && peer->charged && peer->charged + charge(m) > e->sndbuf + MSG_OVERHEAD)
		err = -EAGAIN;
	if (!err) {
		list_add_tail(&m->link, &peer->queue);
		peer->charged += charge(m);
	}
	spin_unlock(&e->pair->lock);
	if (!err && waitqueue_active(&peer->rd_wait))
		wake_up(&peer->rd_wait);
	return err;
}

/* Send the next LEN bytes of FROM as one message. 0 or -errno. */
static int send_one(struct sock_end *e, struct iov_iter *from, size_t len, bool nonblock)
{
	struct message *m = kvmalloc(sizeof(*m) + len, GFP_KERNEL);
	int err, sig;

	if (!m)
		return -ENOMEM;
	m->len = len;
	m->done = 0;
	err = copy_from_iter(m->data, len, from) == len ? try_queue(e, m) : -EFAULT;
	if (err == -EAGAIN && !nonblock) {
		sig = wait_event_interruptible(e->wr_wait, (err = try_queue(e, m)) != -EAGAIN);
		err = sig ? sig : err;
	}
	if (err)
		kvfree(m);
	return err;
}

/* => may sleep */
static ssize_t sock_send(struct sock_end *e, struct iov_iter *from, unsigned int flags)
{
	bool nonblock = flags & MSG_DONTWAIT;
	ssize_t done = 0;
	int err = 0;

	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (!e->peer)
		return -ENOTCONN;
	if (!is_stream(e)) {
		size_t len = from->count;

		err = len > e->sndbuf - MSG_OVERHEAD ? -EMSGSIZE : send_one(e, from, len, nonblock);
		return err ? err : (ssize_t)len;
	}
	while (from->count) {
		size_t n = min_t(size_t, from->count, STREAM_CHUNK);

		err = send_one(e, from, n, nonblock);
		if (err)
			break;
		done += n;
	}
	if (err == -EPIPE && !done && !(flags & MSG_NOSIGNAL))
		send_sig(SIGPIPE, current, 0);
	return done ? done : err;
}

/* ---- Receiving ---- */

static struct message *first_message(struct sock_end *e)
{
	struct message *m;

	spin_lock(&e->pair->lock);
	m = list_first_entry_or_null(&e->queue, struct message, link);
	spin_unlock(&e->pair->lock);
	return m;
}

/* M is read: free it, and let a sender go on. => iolock */
static void drop_message(struct sock_end *e, struct message *m)
{
	spin_lock(&e->pair->lock);
	list_del(&m->link);
	e->charged -= charge(m);
	spin_unlock(&e->pair->lock);
	kvfree(m);
	if (e->peer && waitqueue_active(&e->peer->wr_wait))
		wake_up_all(&e->peer->wr_wait);
}

static bool end_has_news(struct sock_end *e)
{
	return !list_empty(&e->queue) || READ_ONCE(e->shut_rd) || READ_ONCE(e->err);
}

/* The queue is empty. 1: look again; 0: end of file; -errno. => iolock, dropped while it sleeps */
static int wait_for_message(struct sock_end *e, bool nonblock)
{
	int err;

	spin_lock(&e->pair->lock);
	err = take_error(e);
	if (!err)
		err = !list_empty(&e->queue) ? 1 : e->shut_rd ? 0 : nonblock ? -EAGAIN : 2;
	spin_unlock(&e->pair->lock);
	if (err != 2)
		return err;
	mutex_unlock(&e->iolock);
	err = wait_event_interruptible(e->rd_wait, end_has_news(e));
	mutex_lock(&e->iolock);
	return err ? err : 1;
}

/* One message, or what of it TO has room for; *TRUNC if that was not all. */
static ssize_t recv_packet(struct sock_end *e, struct iov_iter *to, unsigned int flags, bool *trunc)
{
	struct message *m;
	size_t n, got;
	ssize_t ret;

	mutex_lock(&e->iolock);
	while (!(m = first_message(e))) {
		ret = wait_for_message(e, flags & MSG_DONTWAIT);
		if (ret <= 0)
			goto out;
	}
	n = min(to->count, m->len);
	got = copy_to_iter(m->data, n, to);
	*trunc = n < m->len;
	ret = got < n ? -EFAULT : (flags & MSG_TRUNC) ? (ssize_t)m->len : (ssize_t)n;
	if (!(flags & MSG_PEEK))
		drop_message(e, m);
out:
	mutex_unlock(&e->iolock);
	return ret;
}

static ssize_t recv_stream(struct sock_end *e, struct iov_iter *to, unsigned int flags)
{
	size_t want = (flags & MSG_WAITALL) ? to->count : 1;
	ssize_t done = 0, ret = 0;

	mutex_lock(&e->iolock);
	while (to->count) {
		struct message *m = first_message(e);
		size_t n, got;

		if (!m) {
			if ((size_t)done >= want)
				break;
			ret = wait_for_message(e, flags & MSG_DONTWAIT);
			if (ret <= 0)
				break;
			continue;
		}
		n = min(to->count, m->len - m->done);
		got = copy_to_iter(m->data + m->done, n, to);
		done += got;
		ret = got < n ? -EFAULT : 0;
		if (flags & MSG_PEEK)	/* a look at the first piece is enough */
			break;
		m->done += got;
		if (m->done == m->len)
			drop_message(e, m);
		if (ret)
			break;
	}
	mutex_unlock(&e->iolock);
	return done ? done : ret;
}

/* => may sleep */
static ssize_t sock_recv(struct sock_end *e, struct iov_iter *to, unsigned int flags, bool *trunc)
{
	*trunc = false;
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (!is_stream(e))
		return e->peer || e->pair->type == SOCK_DGRAM ? recv_packet(e, to, flags, trunc) : -ENOTCONN;
	return e->peer ? recv_stream(e, to, flags) : -EINVAL;
}

/* ---- As a file ---- */

static unsigned int nonblock_flag(struct file *f)
{
	return f->f_flags & O_NONBLOCK ? MSG_DONTWAIT : 0;
}

static ssize_t socket_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
	bool trunc;

	return to->count ? sock_recv(f->private_data, to, nonblock_flag(f), &trunc) : 0;
}

static ssize_t socket_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
	return sock_send(f->private_data, from, nonblock_flag(f));
}

static unsigned int socket_poll(struct file *f, struct poll_table *pt)
{
	struct sock_end *e = f->private_data;
	unsigned int mask = 0;

	poll_wait(f, &e->rd_wait, pt);
	poll_wait(f, &e->wr_wait, pt);
	spin_lock(&e->pair->lock);
	if (e->err)
		mask |= EPOLLERR;
	if ((e->shut_rd && e->shut_wr) || (!e->peer && e->pair->type != SOCK_DGRAM))
		mask |= EPOLLHUP;
	if (e->shut_rd)
		mask |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
	if (!list_empty(&e->queue))
		mask |= EPOLLIN | EPOLLRDNORM;
	/* Worth waking up for: a good part of the buffer is free. */
	if (!e->peer || e->peer->charged * 4 <= e->sndbuf)
		mask |= EPOLLOUT | EPOLLWRNORM;
	spin_unlock(&e->pair->lock);
	return mask;
}

/* FIONREAD: what a stream has in all; the length of the next packet. */
static long socket_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
	struct sock_end *e = f->private_data;
	struct message *m;
	int count = 0;

	if (cmd != FIONREAD)
		return -ENOTTY;
	mutex_lock(&e->iolock);
	spin_lock(&e->pair->lock);
	list_for_each_entry(m, &e->queue, link) {
		count += m->len - m->done;
		if (!is_stream(e))
			break;
	}
	spin_unlock(&e->pair->lock);
	mutex_unlock(&e->iolock);
	return put_user(count, (int __user *)arg);
}

static const struct file_operations socket_fops = {
	.read = socket_read,
	.write = socket_write,
	.poll = socket_poll,
	.ioctl = socket_ioctl,
	.release = socket_release,
};

/* ---- Making them ---- */

/* The kind of socket, or -errno for what there is none of. */
static int check_kind(int family, int type, int protocol)
{
	int kind = type & SOCK_TYPE_MASK;

	if (type & ~(SOCK_TYPE_MASK | O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	if (family != AF_UNIX)
		return -EAFNOSUPPORT;
	if (protocol && protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	return kind == SOCK_STREAM || kind == SOCK_DGRAM || kind == SOCK_SEQPACKET ? kind : -ESOCKTNOSUPPORT;
}

SYSCALL_DEFINE3(socket, int, family, int, type, int, protocol)
{
	int kind = check_kind(family, type, protocol), fd;
	struct sock_pair *p;
	struct file *f;

	if (kind < 0)
		return kind;
	fd = get_unused_fd_flags(type & O_CLOEXEC);
	if (fd < 0)
		return fd;
	p = pair_alloc(kind, 1);
	f = p ? sock_file(&p->end[0], type & O_NONBLOCK) : ERR_PTR(-ENOMEM);
	if (IS_ERR(f)) {
		put_unused_fd(fd);
		return PTR_ERR(f);
	}
	fd_install(fd, f);
	return fd;
}

SYSCALL_DEFINE4(socketpair, int, family, int, type, int, protocol, int __user *, ufd)
{
	int kind = check_kind(family, type, protocol);
	struct sock_pair *p;
	struct file *f[2];

	if (kind < 0)
		return kind;
	p = pair_alloc(kind, 2);
	if (!p)
		return -ENOMEM;
	f[0] = sock_file(&p->end[0], type & O_NONBLOCK);
	f[1] = sock_file(&p->end[1], type & O_NONBLOCK);
	if (!IS_ERR(f[0]) && !IS_ERR(f[1]))
		return install_pair(f, type & O_CLOEXEC, ufd);
	for (int i = 0; i < 2; i++)
		if (!IS_ERR(f[i]))
			fput(f[i]);
	return IS_ERR(f[0]) ? PTR_ERR(f[0]) : PTR_ERR(f[1]);
}

/* ---- Sending and receiving calls ---- */

/* The socket FD; *FP is its referenced file. ERR_PTR(-EBADF, -ENOTSOCK). */
static struct sock_end *sock_get(int fd, struct file **fp)
{
	struct file *f = fget(fd);

	if (!f)
		return ERR_PTR(-EBADF);
	if (f->f_op != &socket_fops) {
		fput(f);
		return ERR_PTR(-ENOTSOCK);
	}
	*fp = f;
	return f->private_data;
}

/* One buffer as a vector; 0 or -EFAULT. */
static int import_buffer(void __user *buf, size_t len, struct iovec *iov, struct iov_iter *it)
{
	*iov = (struct iovec){ buf, min_t(size_t, len, MAX_RW_COUNT) };
	iov_iter_user(it, iov, 1, iov->iov_len);
	return access_ok(buf, iov->iov_len) ? 0 : -EFAULT;
}

SYSCALL_DEFINE6(sendto, int, fd, void __user *, buf, size_t, len, unsigned int, flags, void __user *, addr,
		int, addrlen)
{
	struct file *f;
	struct sock_end *e = sock_get(fd, &f);
	struct iov_iter it;
	struct iovec iov;
	ssize_t n;

	if (IS_ERR(e))
		return PTR_ERR(e);
	n = import_buffer(buf, len, &iov, &it);
	if (!n && addr && addrlen)
		n = e->peer ? -EISCONN : -EOPNOTSUPP;
	if (!n)
		n = sock_send(e, &it, flags | nonblock_flag(f));
	fput(f);
	return n;
}

SYSCALL_DEFINE6(recvfrom, int, fd, void __user *, buf, size_t, len, unsigned int, flags, void __user *, addr,
		int __user *, addrlen)
{
	struct file *f;
	struct sock_end *e = sock_get(fd, &f);
	struct iov_iter it;
	struct iovec iov;
	bool trunc;
	ssize_t n;

	if (IS_ERR(e))
		return PTR_ERR(e);
	n = import_buffer(buf, len, &iov, &it);
	if (!n)
		n = sock_recv(e, &it, flags | nonblock_flag(f), &trunc);
	/* The sender has no name. */
	if (n >= 0 && addr && put_user(0, addrlen))
		n = -EFAULT;
	fput(f);
	return n;
}

/* The header and its vector into MSG, IT. *IOV is to be kfreed if it is not FAST. Bytes or -errno. */
static ssize_t import_msg(const struct user_msghdr __user *umsg, struct user_msghdr *msg, struct iovec *fast,
			  struct iovec **iov, struct iov_iter *it)
{
	ssize_t n;

	*iov = fast;
	if (copy_from_user(msg, umsg, sizeof(*msg)))
		return -EFAULT;
	if (msg->iovlen > 1024)
		return -EMSGSIZE;
	n = import_iovec(msg->iov, msg->iovlen, fast, iov);
	if (n >= 0)
		iov_iter_user(it, *iov, msg->iovlen, n);
	return n;
}

SYSCALL_DEFINE3(sendmsg, int, fd, const struct user_msghdr __user *, umsg, unsigned int, flags)
{
	struct iovec fast[UIO_FASTIOV], *iov;
	struct file *f;
	struct sock_end *e = sock_get(fd, &f);
	struct user_msghdr msg;
	struct iov_iter it;
	ssize_t n;

	if (IS_ERR(e))
		return PTR_ERR(e);
	n = import_msg(umsg, &msg, fast, &iov, &it);
	if (n >= 0 && msg.control && msg.controllen)
		n = -EINVAL;
	if (n >= 0 && msg.name && msg.namelen)
		n = e->peer ? -EISCONN : -EOPNOTSUPP;
	if (n >= 0)
		n = sock_send(e, &it, flags | nonblock_flag(f));
	if (iov != fast)
		kfree(iov);
	fput(f);
	return n;
}

SYSCALL_DEFINE3(recvmsg, int, fd, struct user_msghdr __user *, umsg, unsigned int, flags)
{
	struct iovec fast[UIO_FASTIOV], *iov;
	struct file *f;
	struct sock_end *e = sock_get(fd, &f);
	struct user_msghdr msg;
	struct iov_iter it;
	bool trunc = false;
	ssize_t n;

	if (IS_ERR(e))
		return PTR_ERR(e);
	n = import_msg(umsg, &msg, fast, &iov, &it);
	if (n >= 0)
		n = sock_recv(e, &it, flags | nonblock_flag(f), &trunc);
	if (iov != fast)
		kfree(iov);
	fput(f);
	if (n < 0)
		return n;
	return put_user(0, &umsg->namelen) || put_user(0, &umsg->controllen) ||
	       put_user(trunc ? MSG_TRUNC : 0, &umsg->flags) ? -EFAULT : n;
}

/* ---- The other calls ---- */

SYSCALL_DEFINE2(shutdown, int, fd, int, how)
{
	struct file *f;
	struct sock_end *e = sock_get(fd, &f), *peer;

	if (IS_ERR(e))
		return PTR_ERR(e);
	if (how < 0 || how > 2) {
		fput(f);
		return -EINVAL;
	}
	peer = e->pair->type == SOCK_DGRAM ? NULL : e->peer;
	spin_lock(&e->pair->lock);
	if (how != 1) {
		e->shut_rd = true;
		if (peer)
			peer->shut_wr = true;
	}
	if (how != 0) {
		e->shut_wr = true;
		if (peer)
			peer->shut_rd = true;
	}
	spin_unlock(&e->pair->lock);
	for (int i = 0; i < 2; i++) {
		wake_up_all(&e->pair->end[i].rd_wait);
		wake_up_all(&e->pair->end[i].wr_wait);
	}
	fput(f);
	return 0;
}

/* Nobody can listen here: a name either does not exist or has nobody behind it. */
static int connect_error(struct sock_end *e, const void __user *addr, int len)
{
	struct { u16 family; char path[109]; } a = { 0 };
	struct path p;
	int err;

	if (len < 0 || len > 110)
		return -EINVAL;
	if (copy_from_user(&a, addr, len))
		return -EFAULT;
	if (len <= 2 || a.family != AF_UNIX)
		return -EINVAL;
	if (e->peer)
		return -EISCONN;
	if (!a.path[0])
		return -ECONNREFUSED;
	err = kern_path(a.path, LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	path_put(&p);
	return -ECONNREFUSED;
}

SYSCALL_DEFINE3(connect, int, fd, const void __user *, addr, int, len)
{
	struct file *f;
	struct sock_end *e = sock_get(fd, &f);
	int err;

	if (IS_ERR(e))
		return PTR_ERR(e);
	err = connect_error(e, addr, len);
	fput(f);
	return err;
}

/* Store SIZE bytes at P, as far as the *ULEN bytes at UP reach, and how many that were (WHOLE: SIZE). */
static int store_answer(void __user *up, int __user *ulen, const void *p, int size, bool whole)
{
	int len;

	if (get_user(len, ulen))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	len = min(len, size);
	if (copy_to_user(up, p, len))
		return -EFAULT;
	return put_user(whole ? size : len, ulen);
}

/* All names are empty: only the family is told. */
static int store_no_name(int fd, void __user *addr, int __user *len, bool of_peer)
{
	u16 family = AF_UNIX;
	struct file *f;
	struct sock_end *e = sock_get(fd, &f);
	int err;

	if (IS_ERR(e))
		return PTR_ERR(e);
	err = of_peer && !e->peer ? -ENOTCONN : store_answer(addr, len, &family, sizeof(family), true);
	fput(f);
	return err;
}

SYSCALL_DEFINE3(getsockname, int, fd, void __user *, addr, int __user *, len)
{
	return store_no_name(fd, addr, len, false);
}

SYSCALL_DEFINE3(getpeername, int, fd, void __user *, addr, int __user *, len)
{
	return store_no_name(fd, addr, len, true);
}

static int get_option(struct sock_end *e, int opt, void __user *val, int __user *len)
{
	static const struct ucred none = { 0, -1u, -1u };
	int v;

	switch (opt) {
	case SO_TYPE:
		v = e->pair->type;
		break;
	case SO_DOMAIN:
		v = AF_UNIX;
		break;
	case SO_SNDBUF:
		v = e->sndbuf;
		break;
	case SO_RCVBUF:
		v = e->rcvbuf;
		break;
	case SO_ERROR:
		spin_lock(&e->pair->lock);
		v = -take_error(e);
		spin_unlock(&e->pair->lock);
		break;
	case SO_PROTOCOL:
	case SO_ACCEPTCONN:
	case SO_REUSEADDR:
	case SO_KEEPALIVE:
		v = 0;
		break;
	case SO_PEERCRED:
		return store_answer(val, len, e->peer ? &e->pair->maker : &none, sizeof(none), false);
	default:
		return -ENOPROTOOPT;
	}
	return store_answer(val, len, &v, sizeof(v), false);
}

SYSCALL_DEFINE5(getsockopt, int, fd, int, level, int, opt, void __user *, val, int __user *, len)
{
	struct file *f;
	struct sock_end *e = sock_get(fd, &f);
	int err;

	if (IS_ERR(e))
		return PTR_ERR(e);
	err = level == SOL_SOCKET ? get_option(e, opt, val, len) : -EOPNOTSUPP;
	fput(f);
	return err;
}

/* Linux doubles what is asked for, for its own bookkeeping, and tells the doubled value. */
static size_t buffer_size(int wanted, int least)
{
	return 2 * (size_t)clamp(wanted, least / 2, DEF_SNDBUF);
}

static int set_option(struct sock_end *e, int opt, int v)
{
	switch (opt) {
	case SO_SNDBUF:
		WRITE_ONCE(e->sndbuf, buffer_size(v, 4608));
		return 0;
	case SO_RCVBUF:
		WRITE_ONCE(e->rcvbuf, buffer_size(v, 2304));
		return 0;
	}
	return -ENOPROTOOPT;
}

SYSCALL_DEFINE5(setsockopt, int, fd, int, level, int, opt, void __user *, val, int, len)
{
	struct file *f;
	struct sock_end *e = sock_get(fd, &f);
	int err, v;

	if (IS_ERR(e))
		return PTR_ERR(e);
	if (level != SOL_SOCKET)
		err = -EOPNOTSUPP;
	else if (len < (int)sizeof(v))
		err = -EINVAL;
	else
		err = copy_from_user(&v, val, sizeof(v)) ? -EFAULT : set_option(e, opt, v);
	fput(f);
	return err;
}
