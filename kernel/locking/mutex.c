/*
 * kernel/locking/mutex.c - the sleeping mutual exclusion lock.
 *
 *	owner = task | flags		task 0: free
 *	WAITERS				somebody is queued: unlock must wake the first of them
 *	HANDOFF				the first has waited long enough: unlock gives it the lock itself
 *
 * Unlock normally just releases and wakes: until the woken task runs, any running task may take the lock,
 * so a busy lock is not idle for the length of a wake-up. A waiter that was woken and came too late asks
 * for HANDOFF, and gets the lock next; so nobody starves.
 *
 * Linux: kernel/locking/mutex.c, which also lets waiters spin while the owner runs.
 */
#include "kernel/locking/mutex.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/trace_kernel.h"

#define WAITERS 1UL
#define HANDOFF 2UL
#define FLAGS	(WAITERS | HANDOFF)
#define CALLER ((unsigned long)__builtin_return_address(0))

struct mutex_waiter {
	struct list_head list;		/* W: in m->waiters */
	struct task_struct *task;
};

void mutex_init_class(struct mutex *m, struct lock_class *class)
{
	spin_lock_init_class(&m->wait_lock, NULL);
	m->owner = 0;
	INIT_LIST_HEAD(&m->waiters);
	m->class = class;
}

/* Take M if it is free and not promised to a waiter. */
static __always_inline bool try_take(struct mutex *m)
{
	unsigned long old = READ_ONCE(m->owner);

	while (!(old & ~WAITERS)) {
		unsigned long seen = cmpxchg(&m->owner, old, old | (unsigned long)current);

		if (likely(seen == old))
			return true;
		old = seen;
	}
	return false;
}

static bool is_first(struct mutex *m, struct mutex_waiter *w)
{
	return m->waiters.next == &w->list;
}

/* W leaves the queue, with or without the lock. => wait_lock held */
static void leave_queue_locked(struct mutex *m, struct mutex_waiter *w)
{
	unsigned long drop = HANDOFF;

	/* A promise is to the first only; if that is somebody else it may stand. */
	if (!is_first(m, w))
		drop = 0;
	list_del(&w->list);
	if (list_empty(&m->waiters))
		drop = FLAGS;
	if (drop)
		__atomic_fetch_and(&m->owner, ~drop, __ATOMIC_SEQ_CST);
}

/*
 * W's next look at the lock. True: it is ours, and W is off the queue. Otherwise, if W was woken before
 * (LATE) and is the first, ask for the lock to be handed over. => wait_lock held
 */
static bool look_again_locked(struct mutex *m, struct mutex_waiter *w, bool late)
{
	bool ours = (READ_ONCE(m->owner) & ~FLAGS) == (unsigned long)current || try_take(m);

	if (ours)
		leave_queue_locked(m, w);
	else if (late && is_first(m, w))
		__atomic_fetch_or(&m->owner, HANDOFF, __ATOMIC_SEQ_CST);
	return ours;
}

/* Sleep until M is ours. 0, or -ERESTARTSYS if STATE allows signals and one came. */
static noinline int lock_slow(struct mutex *m, unsigned int state)
{
	struct mutex_waiter w = { .task = current };
	bool late = false, ours;
	int err = 0;

	trace_contention_begin(m, LCB_F_MUTEX);
	preempt_disable();
	raw_spin_lock(&m->wait_lock);
	list_add_tail(&w.list, &m->waiters);
	/* From here on unlock cannot use its fast path. */
	__atomic_fetch_or(&m->owner, WAITERS, __ATOMIC_SEQ_CST);
	for (;;) {
		set_current_state(state);
		ours = look_again_locked(m, &w, late);
		if (ours)
			break;
		if (signal_pending_state(state, current)) {
			leave_queue_locked(m, &w);
			err = -ERESTARTSYS;
			break;
		}
		raw_spin_unlock(&m->wait_lock);
		preempt_enable_no_resched();
		schedule();
		preempt_disable();
		raw_spin_lock(&m->wait_lock);
		late = true;
	}
	__set_current_state(TASK_RUNNING);
	raw_spin_unlock(&m->wait_lock);
	preempt_enable();
	trace_contention_end(m, err);
	return err;
}

/* Release M, for which somebody waits or did a moment ago. */
static noinline void unlock_slow(struct mutex *m)
{
	struct mutex_waiter *w;
	unsigned long owner;

	preempt_disable();
	raw_spin_lock(&m->wait_lock);
	w = list_first_entry_or_null(&m->waiters, struct mutex_waiter, list);
	/* The flags change only under wait_lock, which we hold. */
	owner = READ_ONCE(m->owner) & FLAGS;
	if (w && (owner & HANDOFF))
		owner = WAITERS | (unsigned long)w->task;
	smp_store_release(&m->owner, owner);
	if (w)
		wake_up_state(w->task, TASK_NORMAL);
	raw_spin_unlock(&m->wait_lock);
	preempt_enable();
}

static __always_inline int lock_common(struct mutex *m, unsigned int state, unsigned subclass,
				       unsigned long ip)
{
	int err = 0;

	might_sleep();
	lock_acquire(m->class, m, subclass, false, false, ip);
	if (unlikely(!try_take(m))) {
		err = lock_slow(m, state);
		if (err)
			lock_release(m->class, m);
	}
	return err;
}

void mutex_lock(struct mutex *m)
{
	lock_common(m, TASK_UNINTERRUPTIBLE, 0, CALLER);
}

void mutex_lock_nested(struct mutex *m, unsigned subclass)
{
	lock_common(m, TASK_UNINTERRUPTIBLE, subclass, CALLER);
}

int mutex_lock_interruptible(struct mutex *m)
{
	return lock_common(m, TASK_INTERRUPTIBLE, 0, CALLER);
}

bool mutex_trylock(struct mutex *m)
{
	if (!try_take(m))
		return false;
	lock_acquire(m->class, m, 0, false, true, CALLER);
	return true;
}

void mutex_unlock(struct mutex *m)
{
	unsigned long me = (unsigned long)current;

	KASSERT_EQ(m->owner & ~FLAGS, me, "LOCK-10");
	lock_release(m->class, m);
	if (unlikely(cmpxchg(&m->owner, me, 0) != me))
		unlock_slow(m);
}

bool mutex_is_locked(struct mutex *m)
{
	return (READ_ONCE(m->owner) & ~FLAGS) != 0;
}
