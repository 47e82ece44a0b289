/*
 * kernel/locking/spinlock.h - fair spinning locks. Preemption is off while one is held.
 *
 * spin_lock_irqsave for locks that interrupt handlers take too. A ticket lock: 32 bits, the next ticket in
 * the upper half, the one being served in the lower. May be taken anywhere; its holder must not sleep.
 */
#ifndef KERNEL_LOCKING_SPINLOCK_H
#define KERNEL_LOCKING_SPINLOCK_H

#include "arch-x86_64/irqflags.h"
#include "kernel/lib/bug.h"
#include "kernel/locking/lockdep.h"
#include "kernel/sched/preempt.h"

typedef struct spinlock {
	u32 tickets;
	int owner_cpu;			/* -1: free; for panic messages */
	struct lock_class *class;
} spinlock_t;

#define __LOCK_CLASS(str, k) ({ static struct lock_class __class = { .name = str, .kind = k }; &__class; })
/* File scope only; may be preceded by static. */
#define __STATIC_CLASS(str, k)	(&(struct lock_class){ .name = str, .kind = k })
#define DEFINE_SPINLOCK(x) \
	spinlock_t x = { .tickets = 0, .owner_cpu = -1, .class = __STATIC_CLASS(#x, LOCK_SPIN) }
#define spin_lock_init(l) spin_lock_init_class(l, __LOCK_CLASS(#l, LOCK_SPIN))
static inline void spin_lock_init_class(spinlock_t *l, struct lock_class *class)
{
	l->tickets = 0;
	l->owner_cpu = -1;
	l->class = class;
}

/*
 * The bare lock: no preemption control, no lockdep. For what lockdep and the scheduler stand on: run queues,
 * timer bases, lockdep's own graph, the inside of sleeping locks. Everybody else takes spin_lock.
 * => preemption off (and interrupts, if a handler takes L too)
 */
void raw_spin_wait(spinlock_t *l, u16 ticket);
static __always_inline void raw_spin_lock(spinlock_t *l)
{
	u32 t = __atomic_fetch_add(&l->tickets, 0x10000, __ATOMIC_SEQ_CST);

	if (unlikely((u16)t != (u16)(t >> 16)))
		raw_spin_wait(l, t >> 16);
}
static __always_inline bool raw_spin_trylock(spinlock_t *l)
{
	u32 t = READ_ONCE(l->tickets);

	return (u16)t == (u16)(t >> 16) && cmpxchg(&l->tickets, t, t + 0x10000) == t;
}
static __always_inline void raw_spin_unlock(spinlock_t *l)
{
	/* Only the holder writes the lower half: a plain 16-bit store passes the lock on. */
	u16 *serving = (u16 *)&l->tickets;

	smp_store_release(serving, (u16)(*serving + 1));
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
	u32 t = READ_ONCE(l->tickets);

	return (t >> 16) != (t & 0xffff);
}
#define spin_lock_irqsave(l, flags) do { (flags) = __spin_lock_irqsave(l); } while (0)

#endif
