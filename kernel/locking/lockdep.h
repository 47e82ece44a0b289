/*
 * kernel/locking/lockdep.h - the lock-order validator (LOCK-10).
 *
 * Every lock belongs to a class: one per static initialiser or per *_init() call site, with the name
 * written there. "B taken while A is held" is remembered per pair of classes; an edge that closes a cycle
 * is reported with the whole chain and the backtrace of each acquisition, although no deadlock happened. Also
 * reported: sleeping with a spinlock held, a class taken both in interrupts and with interrupts on, locks
 * held on return to user mode, and taking a class again that is held, unless by another subclass (nesting).
 *
 * A report prints once per defect, counts in /sys/kernel/debug/quire/lockdep and fails the test run.
 * In a RELEASE build all of this compiles to nothing.
 */
#ifndef KERNEL_LOCKING_LOCKDEP_H
#define KERNEL_LOCKING_LOCKDEP_H

#include "kernel/lib/types.h"

#define LOCKDEP_SUBCLASSES 4
#define SINGLE_DEPTH_NESTING 1

enum lock_kind { LOCK_SPIN, LOCK_MUTEX, LOCK_RWSEM, LOCK_OTHER };

/* One per class; static storage, zero but for the name and kind. Numbered at its first acquisition. */
struct lock_class {
	const char *name;
	enum lock_kind kind;
	u16 id[LOCKDEP_SUBCLASSES];	/* 0: not yet seen */
};

struct task_struct;

#ifndef RELEASE
/* LOCK is about to be (TRY: was just) acquired, by a caller at return address IP. READ: shared. */
void lock_acquire(struct lock_class *class, const void *lock, unsigned subclass, bool read, bool try,
		  unsigned long ip);
void lock_release(struct lock_class *class, const void *lock);
bool lock_is_held(const void *lock);
/* Complain if this context must not sleep. */
void might_sleep_at(const char *file, int line);
/* Complain if the current task holds any lock (return to user mode, exit). */
void lockdep_assert_none_held(const char *where);
void lockdep_print_held(struct task_struct *t);
/* Reports of real defects so far (demonstrations are not counted). */
unsigned long lockdep_report_count(void);
/* Interrupt entry and exit: locks taken in between are "taken in interrupts". */
void lockdep_irq_enter(void);
void lockdep_irq_exit(void);
#define might_sleep() might_sleep_at(__FILE__, __LINE__)
#define lockdep_assert_held(l) do {								\
	if (unlikely(!lock_is_held(l)))								\
		panic("BUG LOCK %s:%d: %s is not held", __FILE__, __LINE__, #l);		\
} while (0)
#else
static inline void lock_acquire(struct lock_class *c, const void *l, unsigned s, bool r, bool t, unsigned long ip)
{
	(void)c; (void)l; (void)s; (void)r; (void)t; (void)ip;
}
static inline void lock_release(struct lock_class *c, const void *l) { (void)c; (void)l; }
static inline bool lock_is_held(const void *l) { (void)l; return true; }
static inline void lockdep_assert_none_held(const char *w) { (void)w; }
static inline void lockdep_print_held(struct task_struct *t) { (void)t; }
static inline unsigned long lockdep_report_count(void) { return 0; }
static inline void lockdep_irq_enter(void) { }
static inline void lockdep_irq_exit(void) { }
#define might_sleep() do { } while (0)
#define lockdep_assert_held(l) do { (void)(l); } while (0)
#endif

/* Boot-time demonstrations (lockdep_test.c): provoke each report once with demo classes, check it came. */
int lockdep_selftest(void);

#endif
