/*
 * kernel/locking/mutex.h - sleeping locks: the mutex and the fair reader-writer semaphore.
 *
 * Both may sleep (not the trylocks) and must not be taken in interrupts or with a spinlock held. The
 * rw_semaphore queues readers behind a waiting writer, so that neither starves (mmap_lock, anon_vma).
 */
#ifndef KERNEL_LOCKING_MUTEX_H
#define KERNEL_LOCKING_MUTEX_H

#include "kernel/lib/list.h"
#include "kernel/locking/spinlock.h"

struct task_struct;

struct mutex {
	spinlock_t wait_lock;		/* W; an internal lock, not known to lockdep */
	unsigned long owner;		/* a: the holder's task_struct (0: free) and two flags, see mutex.c */
	struct list_head waiters;	/* W */
	struct lock_class *class;
};

struct rw_semaphore {
	spinlock_t wait_lock;		/* W */
	long count;			/* a: owners and flags, see rwsem.c; 0: free, nobody waits */
	struct list_head waiters;	/* W: in order of arrival */
	struct task_struct *owner;	/* the writer, for reports; written by it */
	struct lock_class *class;
};

#define __SLEEPLOCK_INIT(x, cls) \
	{ .wait_lock = { 0, -1, NULL }, .waiters = LIST_HEAD_INIT((x).waiters), .class = cls }
#define DEFINE_MUTEX(x)  struct mutex x = __SLEEPLOCK_INIT(x, __STATIC_CLASS(#x, LOCK_MUTEX))
#define DECLARE_RWSEM(x) struct rw_semaphore x = __SLEEPLOCK_INIT(x, __STATIC_CLASS(#x, LOCK_RWSEM))
#define mutex_init(m) mutex_init_class(m, __LOCK_CLASS(#m, LOCK_MUTEX))
#define init_rwsem(s) init_rwsem_class(s, __LOCK_CLASS(#s, LOCK_RWSEM))
/* What the two macros above call; no lock is needed, nobody may use the lock yet. */
void mutex_init_class(struct mutex *m, struct lock_class *class);
void init_rwsem_class(struct rw_semaphore *s, struct lock_class *class);

/* Sleep until M is ours. The nested form names a subclass (LOCK-12). */
void mutex_lock(struct mutex *m);
void mutex_lock_nested(struct mutex *m, unsigned subclass);
/* As mutex_lock, but a signal ends the wait: -ERESTARTSYS, not held. */
int mutex_lock_interruptible(struct mutex *m);
bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);
bool mutex_is_locked(struct mutex *m);

/* Shared and exclusive. The killable forms return -EINTR, not held, when a fatal signal is pending. */
void down_read(struct rw_semaphore *s);
int down_read_killable(struct rw_semaphore *s);
bool down_read_trylock(struct rw_semaphore *s);
void up_read(struct rw_semaphore *s);
void down_write(struct rw_semaphore *s);
void down_write_nested(struct rw_semaphore *s, unsigned subclass);
int down_write_killable(struct rw_semaphore *s);
bool down_write_trylock(struct rw_semaphore *s);
void up_write(struct rw_semaphore *s);
/* Writer becomes reader without letting another writer in. */
void downgrade_write(struct rw_semaphore *s);
bool rwsem_is_locked(struct rw_semaphore *s);
/* A task waits for S: a long reader may want to give way. */
bool rwsem_is_contended(struct rw_semaphore *s);

#endif
