/*
 * kernel/locking/spinlock.h - spinning locks. Preemption is off while one is held.
 *
 * spin_lock_irqsave for locks that interrupt handlers take too. Whoever comes at the right moment gets the
 * lock (see spinlock.c). May be taken anywhere; its holder must not sleep.
 */
#ifndef KERNEL_LOCKING_SPINLOCK_H
#define KERNEL_LOCKING_SPINLOCK_H

#include "arch-x86_64/irqflags.h"
#include "kernel/lib/bug.h"
#include "kernel/locking/lockdep.h"
#include "kernel/sched/preempt.h"

typedef struct spinlock {
	u32 locked;			/* 1: somebody holds it */
	int owner_cpu;			/* -1: free; for panic messages */
	struct lock_class *class;
} spinlock_t;

#define __LOCK_CLASS(str, k) ({ static struct lock_class __class = { .name = str, .kind = k }; &__class; })
/* File scope only; may be preceded by static. */
#define __STATIC_CLASS(str, k)	(&(struct lock_class){ .name = str, .kind = k })
#define DEFINE_SPINLOCK(x) \
	spinlock_t x = { .locked = 0, .owner_cpu = -1, .class = __STATIC_CLASS(#x, LOCK_SPIN) }
#define spin_lock_init(l) spin_lock_init_class(l, __LOCK_CLASS(#l, LOCK_SPIN))
static inline void spin_lock_init_class(spinlock_t *l, struct lock_class *class)
{
	l->locked = 0;
	l->owner_cpu = -1;
	l->class = class;
}

/*
 * The bare lock: no preemption control, no lockdep. For what lockdep and the scheduler stand on: run queues,
 * timer bases, lockdep's own graph, the inside of sleeping locks. Everybody else takes spin_lock.
 * => preemption off (and interrupts, if a handler takes L too)
 */
void raw_spin_wait(spinlock_t *l);
static __always_inline bool raw_spin_trylock(spinlock_t *l)
{
	return !READ_ONCE(l->locked) && xchg(&l->locked, 1) == 0;
}
static __always_inline void raw_spin_lock(spinlock_t *l)
{
	if (unlikely(xchg(&l->locked, 1)))
		raw_spin_wait(l);
}
static __always_inline void raw_spin_unlock(spinlock_t *l)
{
	smp_store_release(&l->locked, 0);
}

#ifndef RELEASE
/* Take L; SUBCLASS 1.. says that another lock of this class is held on purpose (LOCK-12). */
void spin_lock_nested(spinlock_t *l, unsigned subclass);
void spin_lock(spinlock_t *l);
bool spin_trylock(spinlock_t *l);
void spin_unlock(spinlock_t *l);
unsigned long __spin_lock_irqsave(spinlock_t *l);
void spin_unlock_irqrestore(spinlock_t *l, unsigned long flags);
void spin_lock_irq(spinlock_t *l);
void spin_unlock_irq(spinlock_t *l);
#else
static inline void spin_lock(spinlock_t *l) { preempt_disable(); raw_spin_lock(l); }
static inline void spin_lock_nested(spinlock_t *l, unsigned subclass) { (void)subclass; spin_lock(l); }
static inline void spin_unlock(spinlock_t *l) { raw_spin_unlock(l); preempt_enable(); }
static inline bool spin_trylock(spinlock_t *l)
{
	preempt_disable();
	if (raw_spin_trylock(l))
		return true;
	preempt_enable();
	return false;
}
static inline unsigned long __spin_lock_irqsave(spinlock_t *l)
{
	unsigned long flags = arch_irq_save();

	spin_lock(l);
	return flags;
}
static inline void spin_unlock_irqrestore(spinlock_t *l, unsigned long flags)
{
	raw_spin_unlock(l);
	arch_irq_restore(flags);
	preempt_enable();
}
static inline void spin_lock_irq(spinlock_t *l) { local_irq_disable(); spin_lock(l); }
static inline void spin_unlock_irq(spinlock_t *l)
{
	raw_spin_unlock(l);
	local_irq_enable();
	preempt_enable();
}
#endif
static inline bool spin_is_locked(spinlock_t *l)
{
	return READ_ONCE(l->locked);
}
#define spin_lock_irqsave(l, flags) do { (flags) = __spin_lock_irqsave(l); } while (0)

#endif
