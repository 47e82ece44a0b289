/*
 * kernel/locking/wait.h - wait queues: sleep until a condition holds.
 *
 *	wait_event(wq, cond);			uninterruptible
 *	err = wait_event_interruptible(wq, cond);	-ERESTARTSYS if a signal came
 *	wake_up(&wq);				after making cond true
 *
 * COND is evaluated with no lock held, possibly often. The waker's stores before wake_up() are seen by
 * the woken task.
 */
#ifndef KERNEL_LOCKING_WAIT_H
#define KERNEL_LOCKING_WAIT_H

#include "kernel/lib/list.h"
#include "kernel/locking/spinlock.h"

struct task_struct;

typedef struct wait_queue_head {
	spinlock_t lock;
	struct list_head head;
} wait_queue_head_t;

struct wait_queue_entry {
	struct task_struct *task;
	bool exclusive;			/* wake_up() stops after waking one of these */
	/* NULL: wake TASK. Otherwise called by wake_up with the queue locked; returns true if it counts as woken. */
	bool (*func)(struct wait_queue_entry *w, void *key);
	void *priv;
	struct list_head entry;
};

#define DECLARE_WAIT_QUEUE_HEAD(x) \
	wait_queue_head_t x = { { 0, -1, __STATIC_CLASS(#x, LOCK_SPIN) }, LIST_HEAD_INIT(x.head) }
#define init_waitqueue_head(wq) do {							\
	spin_lock_init_class(&(wq)->lock, __LOCK_CLASS(#wq, LOCK_SPIN));		\
	INIT_LIST_HEAD(&(wq)->head);							\
} while (0)

/* Put the current task on WQ and into STATE, ready to schedule(); repeat after each wake-up. */
void prepare_to_wait(wait_queue_head_t *wq, struct wait_queue_entry *w, int state);
void prepare_to_wait_exclusive(wait_queue_head_t *wq, struct wait_queue_entry *w, int state);
/* Back to running, off the queue. */
void finish_wait(wait_queue_head_t *wq, struct wait_queue_entry *w);
void init_wait(struct wait_queue_entry *w);
/* For poll and epoll-like users that supply FUNC. */
void add_wait_queue(wait_queue_head_t *wq, struct wait_queue_entry *w);
void remove_wait_queue(wait_queue_head_t *wq, struct wait_queue_entry *w);
/* Wake all non-exclusive waiters and NR exclusive ones (wake_up: 1, wake_up_all: every one). Any context. */
void __wake_up(wait_queue_head_t *wq, int nr_exclusive, void *key);
/* The same with WQ->lock held by the caller. */
void __wake_up_locked(wait_queue_head_t *wq, int nr_exclusive, void *key);
#define wake_up(wq)		__wake_up(wq, 1, NULL)
#define wake_up_all(wq)		__wake_up(wq, 0x7fffffff, NULL)
#define wake_up_interruptible(wq) wake_up(wq)
static inline bool waitqueue_active(wait_queue_head_t *wq) { smp_mb(); return !list_empty(&wq->head); }

/* Implementation of wait_event*: STATE is TASK_*, TIMEOUT_NS < 0 means none. */
#define ___wait_event(wq, cond, state, excl, timeout_ns) ({				\
	struct wait_queue_entry __w;							\
	long __ret = 0;									\
	s64 __left = (timeout_ns);							\
	init_wait(&__w);								\
	for (;;) {									\
		if (excl)								\
			prepare_to_wait_exclusive(&(wq), &__w, state);			\
		else									\
			prepare_to_wait(&(wq), &__w, state);				\
		if (cond)								\
			break;								\
		if (signal_pending_state(state, current)) {				\
			__ret = -ERESTARTSYS;						\
			break;								\
		}									\
		if (__left < 0)								\
			schedule();							\
		else if (__left == 0) {							\
			__ret = -ETIME;							\
			break;								\
		} else									\
			__left = schedule_timeout_ns(__left);				\
	}										\
	finish_wait(&(wq), &__w);							\
	__ret; })
#define wait_event(wq, cond)			((void)({ might_sleep(); if (!(cond)) ___wait_event(wq, cond, TASK_UNINTERRUPTIBLE, 0, -1); }))
#define wait_event_interruptible(wq, cond)	({ might_sleep(); (cond) ? 0 : ___wait_event(wq, cond, TASK_INTERRUPTIBLE, 0, -1); })
#define wait_event_killable(wq, cond)		({ might_sleep(); (cond) ? 0 : ___wait_event(wq, cond, TASK_KILLABLE, 0, -1); })
#define wait_event_interruptible_exclusive(wq, cond) ({ might_sleep(); (cond) ? 0 : ___wait_event(wq, cond, TASK_INTERRUPTIBLE, 1, -1); })
/* 0, -ETIME when NS nanoseconds passed, -ERESTARTSYS. NS < 0: for ever. */
#define wait_event_interruptible_timeout(wq, cond, ns) ({ might_sleep(); (cond) ? 0 : ___wait_event(wq, cond, TASK_INTERRUPTIBLE, 0, ns); })

struct completion {
	unsigned int done;
	wait_queue_head_t wait;
};
#define init_completion(c) do { (c)->done = 0; init_waitqueue_head(&(c)->wait); } while (0)
/* Let one waiter (or all, for good) go on. Any context. */
void complete(struct completion *c);
void complete_all(struct completion *c);
/* Sleep until complete(); the killable form returns -ERESTARTSYS on a fatal signal. */
void wait_for_completion(struct completion *c);
void wait_for_completion_io(struct completion *c);	/* a device will call complete(): counts as iowait */
int wait_for_completion_killable(struct completion *c);

#endif
