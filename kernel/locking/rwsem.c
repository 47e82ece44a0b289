/*
 * kernel/locking/rwsem.c - the fair reader-writer semaphore: many readers or one writer.
 *
 *	count   WRITER, a writer holds it | WAITING, somebody is queued | HANDOFF | READER for each reader
 *
 * While nobody is queued, taking and releasing is one atomic operation. Once somebody is, newcomers queue
 * behind him, readers behind a writer too, so that neither kind starves. One exception keeps a busy lock
 * from standing idle while the first of the queue is still waking up: a lock that is free may be taken by
 * whoever runs. A writer who comes too late for that reason sets HANDOFF: the next release then makes him
 * the owner before he is woken. So each waiter is overtaken for one wake-up at most.
 *
 * A reader must not take the lock again: a writer might have queued in between.
 *
 * Linux: kernel/locking/rwsem.c (ours has no optimistic spinning).
 */
#include "kernel/locking/mutex.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/trace_kernel.h"

#define WRITER	1L
#define WAITING	2L
#define HANDOFF	4L
#define READER	8L
#define OWNERS	(~(WAITING | HANDOFF))	/* a writer or readers */
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

	/* Nobody queued and no writer; or queued, but free. */
	while (likely(!(c & (WRITER | WAITING))) || c == WAITING) {
		long seen = cmpxchg(&s->count, c, c + READER);

		if (likely(seen == c))
			return true;
		c = seen;
	}
	return false;
}

static __always_inline bool try_write(struct rw_semaphore *s)
{
	long c = READ_ONCE(s->count);

	if (unlikely(c & ~WAITING) || cmpxchg(&s->count, c, c + WRITER) != c)
		return false;
	s->owner = current;
	return true;
}

/* Make W, the first of the queue, an owner and unlink it, if its kind fits what is held. => wait_lock held */
static bool admit(struct rw_semaphore *s, struct rwsem_waiter *w)
{
	long c = READ_ONCE(s->count), seen;

	for (;;) {
		if (c & (w->write ? OWNERS : WRITER))
			return false;
		/* The promise, if there was one, is kept now. */
		seen = cmpxchg(&s->count, c, (c & ~HANDOFF) + (w->write ? WRITER : READER));
		if (seen == c)
			break;
		c = seen;
	}
	if (w->write)
		s->owner = w->task;
	list_del(&w->list);
	if (list_empty(&s->waiters))
		__atomic_fetch_and(&s->count, ~WAITING, __ATOMIC_SEQ_CST);
	w->granted = true;
	return true;
}

/*
 * The lock may have become free, or freer: admit the readers at the front; give a writer at the front the
 * lock if it was promised, else wake him to take it himself. => wait_lock held
 */
static void wake_front(struct rw_semaphore *s)
{
	struct rwsem_waiter *w;

	while ((w = list_first_entry_or_null(&s->waiters, struct rwsem_waiter, list)) != NULL) {
		long c = READ_ONCE(s->count);
		bool admitted = (!w->write || (c & HANDOFF)) && admit(s, w);

		if (!admitted && (c & OWNERS))
			return;
		/* W stays valid: to go on it needs wait_lock. */
		wake_up_state(w->task, TASK_NORMAL);
		if (!admitted)
			return;
	}
}

static noinline void wake_after_release(struct rw_semaphore *s)
{
	preempt_disable();
	raw_spin_lock(&s->wait_lock);
	wake_front(s);
	raw_spin_unlock(&s->wait_lock);
	preempt_enable();
}

/* W gives up; those behind it may fit now. => wait_lock held */
static void leave_queue_locked(struct rw_semaphore *s, struct rwsem_waiter *w)
{
	long drop = 0;

	if (s->waiters.next == &w->list)
		drop = HANDOFF;
	list_del(&w->list);
	if (list_empty(&s->waiters))
		drop |= WAITING;
	__atomic_fetch_and(&s->count, ~drop, __ATOMIC_SEQ_CST);
	wake_front(s);
}

/* W's next look: is it an owner, or can it be? LATE: it was woken before. => wait_lock held */
static bool look_again_locked(struct rw_semaphore *s, struct rwsem_waiter *w, bool late)
{
	if (w->granted)
		return true;
	if (s->waiters.next != &w->list)
		return false;
	if (admit(s, w)) {
		if (!w->write)
			wake_front(s);	/* the readers behind us */
		return true;
	}
	if (late && w->write)
		__atomic_fetch_or(&s->count, HANDOFF, __ATOMIC_SEQ_CST);
	return false;
}

/* Sleep until S is ours. 0, or -EINTR if STATE is killable and a fatal signal came. */
static noinline int wait_turn(struct rw_semaphore *s, bool write, unsigned int state)
{
	struct rwsem_waiter w = { .task = current, .write = write };
	bool late = false;
	int err = 0;

	trace_contention_begin(s, write ? LCB_F_WRITE : LCB_F_READ);
	preempt_disable();
	raw_spin_lock(&s->wait_lock);
	list_add_tail(&w.list, &s->waiters);
	/* From here on every release that leaves no owner calls wake_front(). */
	__atomic_fetch_or(&s->count, WAITING, __ATOMIC_SEQ_CST);
	for (;;) {
		set_current_state(state);
		if (look_again_locked(s, &w, late))
			break;
		if (signal_pending_state(state, current)) {
			leave_queue_locked(s, &w);
			err = -EINTR;
			break;
		}
		raw_spin_unlock(&s->wait_lock);
		preempt_enable_no_resched();
		schedule();
		preempt_disable();
		raw_spin_lock(&s->wait_lock);
		late = true;
	}
	__set_current_state(TASK_RUNNING);
	raw_spin_unlock(&s->wait_lock);
	preempt_enable();
	trace_contention_end(s, err);
	return err;
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
	if (unlikely(c & WAITING) && !(c & OWNERS))
		wake_after_release(s);
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
		wake_after_release(s);
}

void downgrade_write(struct rw_semaphore *s)
{
	unsigned long ip = CALLER;

	KASSERT(s->count & WRITER, "LOCK-10");
	lock_release(s->class, s);
	s->owner = NULL;
	if (__atomic_add_fetch(&s->count, READER - WRITER, __ATOMIC_SEQ_CST) & WAITING)
		wake_after_release(s);
	lock_acquire(s->class, s, 0, true, true, ip);
}

bool rwsem_is_locked(struct rw_semaphore *s)
{
	return READ_ONCE(s->count) & OWNERS;
}

bool rwsem_is_contended(struct rw_semaphore *s)
{
	return READ_ONCE(s->count) & WAITING;
}
