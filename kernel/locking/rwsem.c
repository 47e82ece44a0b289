/*
 * kernel/locking/rwsem.c - the fair reader-writer semaphore: many readers or one writer.
 *
 *	count   bit 0 a writer holds it | bit 1 somebody is queued | 4 for each reader
 *
 * While bit 1 is clear, taking and releasing is one atomic operation. When someone has to wait, bit 1 is
 * set and sends every newcomer, readers too, to the end of the queue. Releases then call grant(), which
 * admits from the front what fits: one writer, or all readers up to the next writer. A waiter is made an
 * owner before it is woken, so nobody overtakes it. A reader must not take the lock again: a writer might
 * have queued in between.
 *
 * Linux: kernel/locking/rwsem.c (ours has no optimistic spinning and no lock stealing).
 */
#include "kernel/locking/mutex.h"
#include "kernel/sched/sched.h"

#define WRITER	1L
#define WAITING	2L
#define READER	4L
#define CALLER ((unsigned long)__builtin_return_address(0))

struct rwsem_waiter {
	struct list_head list;		/* W: in s->waiters */
	struct task_struct *task;
	bool write;
	bool granted;			/* W to set: admitted */
};

void init_rwsem_class(struct rw_semaphore *s, struct lock_class *class)
{
	spin_lock_init_class(&s->wait_lock, NULL);
	s->count = 0;
	INIT_LIST_HEAD(&s->waiters);
	s->owner = NULL;
	s->class = class;
}

static __always_inline bool try_read(struct rw_semaphore *s)
{
	long c = READ_ONCE(s->count);

	while (likely(!(c & (WRITER | WAITING)))) {
		long seen = cmpxchg(&s->count, c, c + READER);

		if (likely(seen == c))
			return true;
		c = seen;
	}
	return false;
}

static __always_inline bool try_write(struct rw_semaphore *s)
{
	if (unlikely(cmpxchg(&s->count, 0, WRITER) != 0))
		return false;
	s->owner = current;
	return true;
}

/* Admit W, the first of the queue, if its kind fits what is held now. => wait_lock held, WAITING set */
static bool admit(struct rw_semaphore *s, struct rwsem_waiter *w)
{
	struct task_struct *task = w->task;

	/* With WAITING set nobody but us adds owners; the others can only leave. */
	if (READ_ONCE(s->count) & (w->write ? ~WAITING : WRITER))
		return false;
	__atomic_fetch_add(&s->count, w->write ? WRITER : READER, __ATOMIC_SEQ_CST);
	if (w->write)
		s->owner = task;
	list_del(&w->list);
	smp_store_release(&w->granted, true);
	/* W may be gone from here on; the task is not: it takes wait_lock before it goes on. */
	wake_up_state(task, TASK_NORMAL);
	return true;
}

/* Admit as many as fit, in order. => wait_lock held */
static void grant(struct rw_semaphore *s)
{
	while (!list_empty(&s->waiters)) {
		if (!admit(s, list_first_entry(&s->waiters, struct rwsem_waiter, list)))
			return;
	}
	__atomic_fetch_and(&s->count, ~WAITING, __ATOMIC_SEQ_CST);
}

static noinline void grant_after_release(struct rw_semaphore *s)
{
	preempt_disable();
	raw_spin_lock(&s->wait_lock);
	grant(s);
	raw_spin_unlock(&s->wait_lock);
	preempt_enable();
}

static void join_queue(struct rw_semaphore *s, struct rwsem_waiter *w)
{
	preempt_disable();
	raw_spin_lock(&s->wait_lock);
	list_add_tail(&w->list, &s->waiters);
	__atomic_fetch_or(&s->count, WAITING, __ATOMIC_SEQ_CST);
	/* Whoever left before seeing WAITING did not call grant(): look once ourselves. */
	grant(s);
	raw_spin_unlock(&s->wait_lock);
	preempt_enable();
}

/* Stop waiting. False: too late, we are in. */
static bool leave_queue(struct rw_semaphore *s, struct rwsem_waiter *w)
{
	bool left;

	preempt_disable();
	raw_spin_lock(&s->wait_lock);
	left = !w->granted;
	if (left) {
		list_del(&w->list);
		grant(s);	/* those behind us may fit now */
	}
	raw_spin_unlock(&s->wait_lock);
	preempt_enable();
	return left;
}

/* Sleep until admitted. 0, or -EINTR if STATE is killable and a fatal signal came. */
static noinline int wait_turn(struct rw_semaphore *s, bool write, unsigned int state)
{
	struct rwsem_waiter w = { .task = current, .write = write };

	join_queue(s, &w);
	for (;;) {
		set_current_state(state);
		if (smp_load_acquire(&w.granted))
			break;
		if (signal_pending_state(state, current) && leave_queue(s, &w)) {
			__set_current_state(TASK_RUNNING);
			return -EINTR;
		}
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	/* Whoever admitted us may still be about to wake us: wait until it let go of wait_lock. */
	leave_queue(s, &w);
	return 0;
}

static __always_inline int read_common(struct rw_semaphore *s, unsigned int state, unsigned long ip)
{
	int err = 0;

	might_sleep();
	lock_acquire(s->class, s, 0, true, false, ip);
	if (unlikely(!try_read(s))) {
		err = wait_turn(s, false, state);
		if (err)
			lock_release(s->class, s);
	}
	return err;
}

static __always_inline int write_common(struct rw_semaphore *s, unsigned int state, unsigned subclass,
					unsigned long ip)
{
	int err = 0;

	might_sleep();
	lock_acquire(s->class, s, subclass, false, false, ip);
	if (unlikely(!try_write(s))) {
		err = wait_turn(s, true, state);
		if (err)
			lock_release(s->class, s);
	}
	return err;
}

void down_read(struct rw_semaphore *s)
{
	read_common(s, TASK_UNINTERRUPTIBLE, CALLER);
}

int down_read_killable(struct rw_semaphore *s)
{
	return read_common(s, TASK_KILLABLE, CALLER);
}

bool down_read_trylock(struct rw_semaphore *s)
{
	if (!try_read(s))
		return false;
	lock_acquire(s->class, s, 0, true, true, CALLER);
	return true;
}

void up_read(struct rw_semaphore *s)
{
	long c;

	KASSERT_GE(s->count, READER, "LOCK-10");
	lock_release(s->class, s);
	c = __atomic_sub_fetch(&s->count, READER, __ATOMIC_SEQ_CST);
	if (unlikely(c == WAITING))
		grant_after_release(s);
}

void down_write(struct rw_semaphore *s)
{
	write_common(s, TASK_UNINTERRUPTIBLE, 0, CALLER);
}

void down_write_nested(struct rw_semaphore *s, unsigned subclass)
{
	write_common(s, TASK_UNINTERRUPTIBLE, subclass, CALLER);
}

int down_write_killable(struct rw_semaphore *s)
{
	return write_common(s, TASK_KILLABLE, 0, CALLER);
}

bool down_write_trylock(struct rw_semaphore *s)
{
	if (!try_write(s))
		return false;
	lock_acquire(s->class, s, 0, false, true, CALLER);
	return true;
}

void up_write(struct rw_semaphore *s)
{
	KASSERT(s->count & WRITER, "LOCK-10");
	lock_release(s->class, s);
	s->owner = NULL;
	if (unlikely(__atomic_sub_fetch(&s->count, WRITER, __ATOMIC_SEQ_CST) & WAITING))
		grant_after_release(s);
}

void downgrade_write(struct rw_semaphore *s)
{
	unsigned long ip = CALLER;

	KASSERT(s->count & WRITER, "LOCK-10");
	lock_release(s->class, s);
	s->owner = NULL;
	if (__atomic_add_fetch(&s->count, READER - WRITER, __ATOMIC_SEQ_CST) & WAITING)
		grant_after_release(s);
	lock_acquire(s->class, s, 0, true, true, ip);
}

bool rwsem_is_locked(struct rw_semaphore *s)
{
	return READ_ONCE(s->count) & ~WAITING;
}

bool rwsem_is_contended(struct rw_semaphore *s)
{
	return READ_ONCE(s->count) & WAITING;
}
