/*
 * kernel/task/futex.c - sleeping on a word of user memory.
 *
 *	FUTEX_WAIT: lock bucket, compare the word, queue, unlock, sleep
 *	FUTEX_WAKE: lock bucket, take waiters with an equal key off, wake them
 *
 * Two tasks mean the same futex if their keys are equal: (inode, page, offset) in a shared mapping of a file or
 * of shared anonymous memory, else (mm, page, offset). Because the word is compared under the bucket's lock, a
 * waker that changed the word before it takes that lock cannot be missed.
 *
 * Linux: kernel/futex/. Priority inheritance is left out: its operations answer ENOSYS.
 */
#include "arch-x86_64/uaccess.h"
#include "kernel/init.h"
#include "kernel/lib/hash.h"
#include "kernel/task/internal.h"
#include "kernel/task/syscall.h"
#include "mm/mm.h"

#define FUTEX_REQUEUE		3
#define FUTEX_CMP_REQUEUE	4
#define FUTEX_WAKE_OP		5
#define FUTEX_WAIT_BITSET	9
#define FUTEX_WAKE_BITSET	10
#define FUTEX_PRIVATE_FLAG	128
#define FUTEX_CLOCK_REALTIME	256
#define FUTEX_BITSET_ANY	0xffffffffu

#define FUTEX_BUCKETS 256

struct futex_bucket { spinlock_t lock; struct list_head waiters; };
struct futex_key { const void *object; u64 index; };	/* inode or mm; byte offset in it */

struct futex_q {
	struct list_head list;		/* bucket lock */
	struct task_struct *task;
	struct futex_key key;		/* bucket lock */
	u32 bitset;
	struct futex_bucket *bucket;	/* where it is queued; NULL: woken. Written under the bucket's lock */
};

static struct futex_bucket buckets[FUTEX_BUCKETS];

static int futex_init(void)
{
	for (int i = 0; i < FUTEX_BUCKETS; i++) {
		spin_lock_init(&buckets[i].lock);
		INIT_LIST_HEAD(&buckets[i].waiters);
	}
	return 0;
}
core_initcall(futex_init);

/* ---- Keys ---- */

static struct futex_bucket *hash_key(const struct futex_key *k)
{
	return &buckets[hash_64((u64)k->object ^ k->index, 8)];
}

static bool key_equal(const struct futex_key *a, const struct futex_key *b)
{
	return a->object == b->object && a->index == b->index;
}

/* The inode is only compared, never looked into: a stale key can wake nobody wrongly for long. */
static int get_futex_key(u32 __user *uaddr, bool shared, struct futex_key *key)
{
	unsigned long addr = (unsigned long)uaddr;
	struct vm_area_struct *vma;

	if (addr % sizeof(u32))
		return -EINVAL;
	if (!access_ok(uaddr, sizeof(u32)))
		return -EFAULT;
	*key = (struct futex_key){ .object = current->mm, .index = addr };
	if (!shared)
		return 0;
	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, addr);
	if (vma && (vma->vm_flags & VM_MAYSHARE) && vma->vm_file) {
		key->object = vma->vm_file->f_inode;
		key->index = ((u64)linear_page_index(vma, addr) << PAGE_SHIFT) | (addr & ~PAGE_MASK);
	}
	mmap_read_unlock(current->mm);
	return vma ? 0 : -EFAULT;
}

/* ---- Waking ---- */

/* => Q's bucket lock held */
static void wake_futex(struct futex_q *q)
{
	struct task_struct *t = q->task;

	get_task_struct(t);
	list_del(&q->list);
	/* From here on the waiter may return and its Q, on its stack, be gone. */
	smp_store_release(&q->bucket, NULL);
	wake_up_state(t, TASK_NORMAL);
	put_task_struct(t);
}

static int wake_in_bucket(struct futex_bucket *b, const struct futex_key *key, int nr, u32 bitset)
{
	struct futex_q *q, *next;
	int woken = 0;

	list_for_each_entry_safe(q, next, &b->waiters, list) {
		if (!key_equal(&q->key, key) || !(q->bitset & bitset))
			continue;
		wake_futex(q);
		if (++woken >= nr)
			break;
	}
	return woken;
}

int futex_wake(u32 __user *uaddr, bool shared, int nr, u32 bitset)
{
	struct futex_bucket *b;
	struct futex_key key;
	int ret;

	if (!bitset)
		return -EINVAL;
	ret = get_futex_key(uaddr, shared, &key);
	if (ret)
		return ret;
	b = hash_key(&key);
	spin_lock(&b->lock);
	ret = wake_in_bucket(b, &key, nr, bitset);
	spin_unlock(&b->lock);
	return ret;
}

/* ---- Waiting ---- */

/* Read the word with a spinlock held: -EFAULT then only means "not in memory just now". */
static int peek_user(u32 *val, u32 __user *uaddr)
{
	return get_user(*val, uaddr);
}

static void queue_locked(struct futex_bucket *b, struct futex_q *q)
{
	q->bucket = b;
	list_add_tail(&q->list, &b->waiters);
}

/* Take Q off its queue. False: a waker was faster. */
static bool unqueue(struct futex_q *q)
{
	struct futex_bucket *b;

	while ((b = smp_load_acquire(&q->bucket))) {
		spin_lock(&b->lock);
		if (q->bucket == b) {
			list_del(&q->list);
			q->bucket = NULL;
			spin_unlock(&b->lock);
			return true;
		}
		/* A requeue moved it meanwhile. */
		spin_unlock(&b->lock);
	}
	return false;
}

/* Compare and queue in one step. 0: queued, state INTERRUPTIBLE. */
static int futex_wait_setup(u32 __user *uaddr, u32 val, struct futex_q *q)
{
	struct futex_bucket *b = hash_key(&q->key);
	u32 now;

	for (;;) {
		spin_lock(&b->lock);
		if (!peek_user(&now, uaddr))
			break;
		spin_unlock(&b->lock);
		if (get_user(now, uaddr))
			return -EFAULT;
	}
	if (now != val) {
		spin_unlock(&b->lock);
		return -EAGAIN;
	}
	set_current_state(TASK_INTERRUPTIBLE);
	queue_locked(b, q);
	spin_unlock(&b->lock);
	return 0;
}

static long futex_wait_restart(struct restart_block *r);

/* DEADLINE: monotonic ns, 0: none. */
static long futex_wait(u32 __user *uaddr, bool shared, u32 val, u64 deadline, u32 bitset)
{
	struct futex_q q = { .task = current, .bitset = bitset };
	long err;

	if (!bitset)
		return -EINVAL;
	err = get_futex_key(uaddr, shared, &q.key);
	if (err)
		return err;
	err = futex_wait_setup(uaddr, val, &q);
	if (err)
		return err;
	for (;;) {
		u64 now = deadline ? ktime_get() : 0;

		if (!smp_load_acquire(&q.bucket) || signal_pending(current) || (deadline && now >= deadline))
			break;
		if (deadline)
			schedule_timeout_ns(deadline - now);
		else
			schedule();
		set_current_state(TASK_INTERRUPTIBLE);
	}
	__set_current_state(TASK_RUNNING);
	if (!unqueue(&q))
		return 0;
	if (deadline && ktime_get() >= deadline)
		return -ETIMEDOUT;
	if (!deadline)
		return -ERESTARTSYS;
	current->restart_block = (struct restart_block){ .fn = futex_wait_restart, .a = (u64)uaddr,
		.b = (u64)bitset << 32 | val, .c = deadline, .d = shared };
	return -ERESTART_RESTARTBLOCK;
}

static long futex_wait_restart(struct restart_block *r)
{
	return futex_wait((u32 __user *)r->a, r->d, (u32)r->b, r->c, r->b >> 32);
}

/* ---- Two futexes at once ---- */

static int get_two_keys(u32 __user *uaddr1, u32 __user *uaddr2, bool shared, struct futex_key *k1, struct futex_key *k2)
{
	int err = get_futex_key(uaddr1, shared, k1);

	return err ? err : get_futex_key(uaddr2, shared, k2);
}

static void lock_two(struct futex_bucket *a, struct futex_bucket *b)
{
	if (a > b)
		swap(a, b);
	spin_lock(&a->lock);
	if (a != b)
		spin_lock_nested(&b->lock, SINGLE_DEPTH_NESTING);
}

static void unlock_two(struct futex_bucket *a, struct futex_bucket *b)
{
	if (a != b)
		spin_unlock(&b->lock);
	spin_unlock(&a->lock);
}

static int requeue_locked(struct futex_bucket *from, struct futex_bucket *to, const struct futex_key *k1,
			  const struct futex_key *k2, int nr_wake, int nr_requeue)
{
	struct futex_q *q, *next;
	int done = 0;

	list_for_each_entry_safe(q, next, &from->waiters, list) {
		if (!key_equal(&q->key, k1))
			continue;
		if (done < nr_wake) {
			wake_futex(q);
		} else if (done < nr_wake + nr_requeue) {
			/* One key: moved to the end of its own list, Q would be met again and again. */
			if (!key_equal(k1, k2)) {
				list_del(&q->list);
				q->key = *k2;
				queue_locked(to, q);
			}
		} else {
			break;
		}
		done++;
	}
	return done;
}

/* CMP: only if the word still is VAL. Returns how many were woken or moved. */
static long futex_requeue(u32 __user *uaddr1, u32 __user *uaddr2, bool shared, int nr_wake, int nr_requeue, bool cmp, u32 val)
{
	struct futex_bucket *b1, *b2;
	struct futex_key k1, k2;
	long ret;
	u32 now;

	if (nr_wake < 0 || nr_requeue < 0)
		return -EINVAL;
	ret = get_two_keys(uaddr1, uaddr2, shared, &k1, &k2);
	if (ret)
		return ret;
	b1 = hash_key(&k1);
	b2 = hash_key(&k2);
	for (;;) {
		lock_two(b1, b2);
		if (!cmp || !peek_user(&now, uaddr1))
			break;
		unlock_two(b1, b2);
		if (get_user(now, uaddr1))
			return -EFAULT;
	}
	if (cmp && now != val)
		ret = -EAGAIN;
	else
		ret = requeue_locked(b1, b2, &k1, &k2, nr_wake, min(nr_requeue, 0x7fffffff - nr_wake));
	unlock_two(b1, b2);
	return ret;
}

struct wake_op { int op, cmp; u32 oparg; int cmparg; };

static int decode_wake_op(u32 enc, struct wake_op *w)
{
	int oparg = (int)(enc << 8) >> 20;

	w->op = (enc >> 28) & 7;
	w->cmp = (enc >> 24) & 15;
	w->cmparg = (int)(enc << 20) >> 20;
	if (enc & (8u << 28))
		oparg = 1 << (oparg & 31);
	w->oparg = oparg;
	return w->op > 4 || w->cmp > 5 ? -ENOSYS : 0;
}

static bool wake_op_holds(const struct wake_op *w, int old)
{
	switch (w->cmp) {
	case 0:  return old == w->cmparg;
	case 1:  return old != w->cmparg;
	case 2:  return old < w->cmparg;
	case 3:  return old <= w->cmparg;
	case 4:  return old > w->cmparg;
	default: return old >= w->cmparg;
	}
}

static long futex_wake_op(u32 __user *uaddr1, u32 __user *uaddr2, bool shared, int nr1, int nr2, u32 enc)
{
	struct futex_bucket *b1, *b2;
	struct futex_key k1, k2;
	struct wake_op w;
	u32 old;
	long ret = decode_wake_op(enc, &w);

	if (!ret)
		ret = get_two_keys(uaddr1, uaddr2, shared, &k1, &k2);
	if (ret)
		return ret;
	b1 = hash_key(&k1);
	b2 = hash_key(&k2);
	for (;;) {
		lock_two(b1, b2);
		if (!futex_atomic_op(w.op, uaddr2, &old, w.oparg))
			break;
		unlock_two(b1, b2);
		/* Outside the lock the fault is served; "or 0" makes the page writable and changes nothing. */
		if (futex_atomic_op(2, uaddr2, &old, 0))
			return -EFAULT;
	}
	ret = wake_in_bucket(b1, &k1, nr1, FUTEX_BITSET_ANY);
	if (wake_op_holds(&w, (int)old))
		ret += wake_in_bucket(b2, &k2, nr2, FUTEX_BITSET_ANY);
	unlock_two(b1, b2);
	return ret;
}

/* ---- The system call ---- */

/* WAIT takes a relative time, WAIT_BITSET an absolute one; the result is on the monotonic clock, never 0. */
static int futex_deadline(const struct timespec64 __user *utime, bool absolute, bool realtime, u64 *deadline)
{
	struct timespec64 ts;
	u64 ns, now = ktime_get();

	if (copy_from_user(&ts, utime, sizeof(ts)))
		return -EFAULT;
	if (!timespec_valid(&ts))
		return -EINVAL;
	if ((u64)ts.tv_sec >= KTIME_MAX / NSEC_PER_SEC) {
		*deadline = KTIME_MAX;
		return 0;
	}
	ns = timespec_to_ns(&ts);
	if (!absolute)
		ns = ns > KTIME_MAX - now ? KTIME_MAX : now + ns;
	else if (realtime) {
		u64 offset = ktime_get_real() - now;

		ns = ns > offset ? ns - offset : 1;
	}
	*deadline = ns ? ns : 1;
	return 0;
}

SYSCALL_DEFINE6(futex, u32 __user *, uaddr, int, op, u32, val, const struct timespec64 __user *, utime, u32 __user *, uaddr2, u32, val3)
{
	int cmd = op & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
	bool shared = !(op & FUTEX_PRIVATE_FLAG), realtime = op & FUTEX_CLOCK_REALTIME;
	int val2 = (int)(unsigned long)utime;	/* the same argument, as a number */
	u64 deadline = 0;
	int err;

	if (realtime && cmd != FUTEX_WAIT_BITSET)
		return -ENOSYS;
	if (utime && (cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET)) {
		err = futex_deadline(utime, cmd == FUTEX_WAIT_BITSET, realtime, &deadline);
		if (err)
			return err;
	}
	switch (cmd) {
	case FUTEX_WAIT:
		return futex_wait(uaddr, shared, val, deadline, FUTEX_BITSET_ANY);
	case FUTEX_WAIT_BITSET:
		return futex_wait(uaddr, shared, val, deadline, val3);
	case FUTEX_WAKE:
		return futex_wake(uaddr, shared, val, FUTEX_BITSET_ANY);
	case FUTEX_WAKE_BITSET:
		return futex_wake(uaddr, shared, val, val3);
	case FUTEX_REQUEUE:
		return futex_requeue(uaddr, uaddr2, shared, val, val2, false, 0);
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(uaddr, uaddr2, shared, val, val2, true, val3);
	case FUTEX_WAKE_OP:
		return futex_wake_op(uaddr, uaddr2, shared, val, val2, val3);
	default:
		return -ENOSYS;
	}
}
