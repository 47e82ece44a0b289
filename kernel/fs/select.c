/*
 * kernel/fs/select.c - poll and select: wait until one of many files is ready.
 *
 *	first round: ask every file, leaving an entry on each of its wait queues
 *	sleep        until one of the entries is woken, the time is over, or a signal comes
 *	next rounds: ask again, without new entries
 *
 * An entry keeps its file referenced: another thread may close the number meanwhile, but the queue must live.
 * Linux: fs/select.c. epoll is not here.
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/task/signal.h"
#include "kernel/task/syscall.h"

struct poll_entry {
	struct wait_queue_entry wait;
	wait_queue_head_t *wq;
	struct file *file;
};
#define CHUNK_ENTRIES 40
struct poll_chunk {
	struct poll_chunk *next;
	unsigned int nr;
	struct poll_entry entries[CHUNK_ENTRIES];
};
#define INLINE_ENTRIES 8		/* enough for most callers: no allocation */
struct poll_wait_set {
	struct poll_table pt;		/* pt.queue == NULL: only ask */
	struct task_struct *task;
	struct file *file;		/* being asked */
	struct poll_chunk *chunks;
	int triggered, error;
	unsigned int nr_inline;
	struct poll_entry entries[INLINE_ENTRIES];
};

/* A queue was woken: => any context, queue locked */
static bool poll_wake(struct wait_queue_entry *w, void *key)
{
	struct poll_wait_set *set = w->priv;

	WRITE_ONCE(set->triggered, 1);
	smp_mb();
	wake_up_process(set->task);
	return true;
}

/* Room for one more entry; NULL: no memory. */
static struct poll_entry *new_entry(struct poll_wait_set *set)
{
	struct poll_chunk *c = set->chunks;

	if (set->nr_inline < INLINE_ENTRIES)
		return &set->entries[set->nr_inline++];
	if (!c || c->nr == CHUNK_ENTRIES) {
		c = kmalloc(sizeof(*c), GFP_KERNEL);
		if (!c)
			return NULL;
		c->nr = 0;
		c->next = set->chunks;
		set->chunks = c;
	}
	return &c->entries[c->nr++];
}

static void poll_queue(struct poll_table *pt, wait_queue_head_t *wq)
{
	struct poll_wait_set *set = container_of(pt, struct poll_wait_set, pt);
	struct poll_entry *e = new_entry(set);

	if (!e) {
		set->error = -ENOMEM;
		return;
	}
	init_wait(&e->wait);
	e->wait.func = poll_wake;
	e->wait.priv = set;
	e->wq = wq;
	e->file = set->file;
	get_file(e->file);
	add_wait_queue(wq, &e->wait);
	smp_mb();	/* in the queue before the file is asked; pairs with waitqueue_active() */
}

static void set_init(struct poll_wait_set *set)
{
	set->pt.queue = poll_queue;
	set->task = current;
	set->chunks = NULL;
	set->triggered = set->error = 0;
	set->nr_inline = 0;
}

static void free_entries(struct poll_entry *e, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		remove_wait_queue(e[i].wq, &e[i].wait);
		fput(e[i].file);
	}
}

static void set_free(struct poll_wait_set *set)
{
	struct poll_chunk *c;

	free_entries(set->entries, set->nr_inline);
	while ((c = set->chunks)) {
		set->chunks = c->next;
		free_entries(c->entries, c->nr);
		kfree(c);
	}
}

/* Sleep until woken or UNTIL (monotonic ns). False: the time is over. */
static bool set_sleep(struct poll_wait_set *set, u64 until)
{
	bool more = true;

	set_current_state(TASK_INTERRUPTIBLE);
	if (!READ_ONCE(set->triggered)) {
		if (until == KTIME_MAX) {
			schedule();
		} else {
			s64 left = until - ktime_get();

			more = left > 0 && schedule_timeout_ns(left) > 0;
		}
	}
	__set_current_state(TASK_RUNNING);
	WRITE_ONCE(set->triggered, 0);
	smp_mb();	/* before the files are asked again */
	return more;
}

/* What FD has to say; EPOLLNVAL if it is not open. */
static unsigned int poll_fd(struct poll_wait_set *set, int fd)
{
	struct file *f = fget(fd);
	unsigned int mask;

	if (!f)
		return EPOLLNVAL;
	set->file = f;
	mask = f->f_op->poll ? f->f_op->poll(f, &set->pt) : EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;
	fput(f);
	return mask;
}

/*
 * The loop of both calls: CHECK asks all files once and returns how many are ready.
 * That number, 0 when the time was over, -ERESTARTNOHAND, -ENOMEM.
 */
static int poll_loop(struct poll_wait_set *set, u64 until, int (*check)(struct poll_wait_set *, void *),
		     void *arg)
{
	bool more = until != 0;
	int n;

	for (;;) {
		if (!more)
			set->pt.queue = NULL;
		n = check(set, arg);
		set->pt.queue = NULL;	/* every queue has its entry now */
		if (n)
			return n;
		if (set->error)
			return set->error;
		if (signal_pending(current))
			return -ERESTARTNOHAND;
		if (!more)
			return 0;
		more = set_sleep(set, until);
	}
}

/* A relative time as an absolute one; 0: do not wait at all. */
static u64 deadline(const struct timespec64 *t)
{
	u64 now = ktime_get();

	if (!t->tv_sec && !t->tv_nsec)
		return 0;
	if (t->tv_sec > (s64)(KTIME_MAX / NSEC_PER_SEC) / 2)
		return KTIME_MAX;
	return now + timespec_to_ns(t);
}

/* ---- The signal mask of ppoll and pselect ---- */

static int set_user_sigmask(const u64 __user *umask, size_t size)
{
	u64 mask;

	if (!umask)
		return 0;
	if (size != sizeof(mask))
		return -EINVAL;
	if (get_user(mask, umask))
		return -EFAULT;
	set_user_sigmask_until_return(mask);
	return 0;
}

/* After an interruption the handler runs under the temporary mask: the return path puts the old one back. */
static void finish_sigmask(bool was_set, long ret)
{
	if (was_set && ret != -ERESTARTNOHAND)
		restore_saved_sigmask();
}

/* ---- poll ---- */

struct pollfd { int fd; short events, revents; };
struct poll_args { struct pollfd *fds; unsigned int nr; };

static int check_pollfds(struct poll_wait_set *set, void *arg)
{
	struct poll_args *a = arg;
	int ready = 0;

	for (unsigned int i = 0; i < a->nr; i++) {
		struct pollfd *p = &a->fds[i];

		p->revents = 0;
		if (p->fd < 0)
			continue;
		p->revents = poll_fd(set, p->fd) & ((u16)p->events | EPOLLERR | EPOLLHUP | EPOLLNVAL);
		if (p->revents) {
			ready++;
			set->pt.queue = NULL;	/* it will not sleep */
		}
	}
	return ready;
}

#define INLINE_POLLFDS 32

static long do_poll(struct pollfd __user *ufds, unsigned int nr, u64 until)
{
	struct pollfd few[INLINE_POLLFDS];
	struct poll_args a = { .fds = few, .nr = nr };
	struct poll_wait_set set;
	long n;

	if (nr > rlimit(RLIMIT_NOFILE))
		return -EINVAL;
	if (nr > INLINE_POLLFDS)
		a.fds = kvmalloc(nr * sizeof(*a.fds), GFP_KERNEL);
	if (!a.fds)
		return -ENOMEM;
	n = -EFAULT;
	if (copy_from_user(a.fds, ufds, nr * sizeof(*a.fds)))
		goto out;
	set_init(&set);
	n = poll_loop(&set, until, check_pollfds, &a);
	set_free(&set);
	for (unsigned int i = 0; i < nr; i++)
		if (put_user(a.fds[i].revents, &ufds[i].revents))
			n = -EFAULT;
out:
	if (a.fds != few)
		kvfree(a.fds);
	return n;
}

static long poll_restart(struct restart_block *r)
{
	long n = do_poll((struct pollfd __user *)r->a, r->b, r->c);

	if (n != -ERESTARTNOHAND)
		return n;
	r->fn = poll_restart;
	return -ERESTART_RESTARTBLOCK;
}

/* An interruption without a handler (stop and continue) goes on with the time that is left. */
SYSCALL_DEFINE3(poll, struct pollfd __user *, ufds, unsigned int, nr, int, timeout_ms)
{
	u64 until = timeout_ms < 0 ? KTIME_MAX :
		    timeout_ms == 0 ? 0 : ktime_get() + timeout_ms * NSEC_PER_MSEC;
	long n = do_poll(ufds, nr, until);

	if (n != -ERESTARTNOHAND)
		return n;
	current->restart_block = (struct restart_block){
		.fn = poll_restart, .a = (u64)ufds, .b = nr, .c = until };
	return -ERESTART_RESTARTBLOCK;
}

/* Write the time that is left back to UTS, as ppoll and pselect of the kernel do. */
static void store_left(struct timespec64 __user *uts, u64 until)
{
	u64 now = ktime_get();
	struct timespec64 left = ns_to_timespec(until > now && until != KTIME_MAX ? until - now : 0);

	/* A read-only timeout is legal in C: then it stays as it is. */
	if (until == KTIME_MAX || copy_to_user(uts, &left, sizeof(left)))
		return;
}

SYSCALL_DEFINE5(ppoll, struct pollfd __user *, ufds, unsigned int, nr, struct timespec64 __user *, uts,
		const u64 __user *, umask, size_t, size)
{
	u64 until = KTIME_MAX;
	struct timespec64 ts;
	long n;

	if (uts) {
		if (copy_from_user(&ts, uts, sizeof(ts)))
			return -EFAULT;
		if (!timespec_valid(&ts))
			return -EINVAL;
		until = deadline(&ts);
	}
	n = set_user_sigmask(umask, size);
	if (n)
		return n;
	n = do_poll(ufds, nr, until);
	finish_sigmask(umask, n);
	if (uts)
		store_left(uts, until);
	return n;
}

/* ---- select ---- */

#define FD_SETSIZE_MAX 65536
enum { SET_IN, SET_OUT, SET_EX, NR_SETS };

struct select_args {
	int nr;				/* numbers 0..nr-1 */
	unsigned long *in[NR_SETS], *res[NR_SETS];	/* NULL: not asked for */
};

/* Ask FD, which is in some of the sets, and put it into the result sets. How many of them, or -EBADF. */
static int check_one(struct poll_wait_set *set, struct select_args *a, int fd)
{
	static const unsigned int bits[NR_SETS] = {
		EPOLLIN | EPOLLRDNORM | EPOLLHUP | EPOLLERR, EPOLLOUT | EPOLLWRNORM | EPOLLERR, EPOLLPRI,
	};
	unsigned int mask = poll_fd(set, fd);
	int ready = 0;

	if (mask & EPOLLNVAL)
		return -EBADF;
	for (int s = 0; s < NR_SETS; s++) {
		if (!a->in[s] || !test_bit(fd, a->in[s]) || !(mask & bits[s]))
			continue;
		__set_bit(fd, a->res[s]);
		ready++;
		set->pt.queue = NULL;
	}
	return ready;
}

static int check_select(struct poll_wait_set *set, void *arg)
{
	struct select_args *a = arg;
	int ready = 0;

	for (int base = 0; base < a->nr; base += BITS_PER_LONG) {
		unsigned long wanted = 0;

		for (int s = 0; s < NR_SETS; s++)
			wanted |= a->in[s] ? a->in[s][base / BITS_PER_LONG] : 0;
		if (a->nr - base < BITS_PER_LONG)
			wanted &= (1UL << (a->nr - base)) - 1;
		for (; wanted; wanted &= wanted - 1) {
			int n = check_one(set, a, base + __builtin_ctzl(wanted));

			if (n < 0)
				return n;
			ready += n;
		}
	}
	return ready;
}

static size_t set_bytes(int nr)
{
	return DIV_ROUND_UP(nr, 64) * 8;
}

/* The sets at USETS[3] of numbers below NR; results are stored only on success. */
static long do_select(int nr, unsigned long __user *usets[NR_SETS], u64 until)
{
	struct select_args a = { .nr = min(nr, FD_SETSIZE_MAX) };
	size_t bytes = set_bytes(a.nr);
	struct poll_wait_set set;
	unsigned long few[2 * NR_SETS], *mem = few;	/* numbers below 64 */
	long n;

	if (nr < 0)
		return -EINVAL;
	if (a.nr > BITS_PER_LONG)
		mem = kvmalloc(2 * NR_SETS * bytes, GFP_KERNEL);
	if (!mem)
		return -ENOMEM;
	memset(mem, 0, 2 * NR_SETS * bytes);
	for (int s = 0; s < NR_SETS; s++) {
		if (!usets[s])
			continue;
		a.in[s] = mem + 2 * s * bytes / 8;
		a.res[s] = a.in[s] + bytes / 8;
		n = -EFAULT;
		if (copy_from_user(a.in[s], usets[s], bytes))
			goto out;
	}
	set_init(&set);
	n = poll_loop(&set, until, check_select, &a);
	set_free(&set);
	for (int s = 0; s < NR_SETS && n >= 0; s++)
		if (usets[s] && copy_to_user(usets[s], a.res[s], bytes))
			n = -EFAULT;
out:
	if (mem != few)
		kvfree(mem);
	return n;
}

SYSCALL_DEFINE5(select, int, nr, unsigned long __user *, in, unsigned long __user *, out,
		unsigned long __user *, ex, s64 __user *, utv)
{
	unsigned long __user *sets[NR_SETS] = { in, out, ex };
	u64 until = KTIME_MAX, now;
	s64 tv[2];
	long n;

	if (utv) {
		struct timespec64 ts;

		if (copy_from_user(tv, utv, sizeof(tv)))
			return -EFAULT;
		if (tv[0] < 0 || tv[1] < 0)
			return -EINVAL;
		ts.tv_sec = tv[0] + tv[1] / 1000000;
		ts.tv_nsec = tv[1] % 1000000 * 1000;
		until = deadline(&ts);
	}
	n = do_select(nr, sets, until);
	if (utv && until != KTIME_MAX) {
		now = ktime_get();
		tv[0] = until > now ? (until - now) / NSEC_PER_SEC : 0;
		tv[1] = until > now ? (until - now) % NSEC_PER_SEC / NSEC_PER_USEC : 0;
		if (copy_to_user(utv, tv, sizeof(tv)))
			return n;
	}
	return n;
}

SYSCALL_DEFINE6(pselect6, int, nr, unsigned long __user *, in, unsigned long __user *, out,
		unsigned long __user *, ex, struct timespec64 __user *, uts, const u64 __user *, usig)
{
	unsigned long __user *sets[NR_SETS] = { in, out, ex };
	u64 until = KTIME_MAX, sig[2] = { 0, 0 };	/* pointer to the mask, its size */
	struct timespec64 ts;
	long n;

	if (usig && copy_from_user(sig, usig, sizeof(sig)))
		return -EFAULT;
	if (uts) {
		if (copy_from_user(&ts, uts, sizeof(ts)))
			return -EFAULT;
		if (!timespec_valid(&ts))
			return -EINVAL;
		until = deadline(&ts);
	}
	n = set_user_sigmask((const u64 __user *)sig[0], sig[1]);
	if (n)
		return n;
	n = do_select(nr, sets, until);
	finish_sigmask(sig[0], n);
	if (uts)
		store_left(uts, until);
	return n;
}
