/*
 * kernel/locking/spinlock.c - waiting for a spinlock, and spinlocks with lockdep around them.
 *
 *	tickets   31........16 15.........0
 *	          next ticket  now served	lock: take a ticket, wait until it is served
 *						unlock: serve the next one
 *
 * First come, first served. Our CPUs are threads of QEMU, often more of them than the host has processors:
 * then the next in line may have to wait for a time slice of the host, and everybody behind with it. What
 * helps is to hold no spinlock while another CPU is being woken (resched_curr in kernel/sched/core.c).
 *
 * The waiting is the part that all builds share; the rest of a RELEASE build's spinlock is inline in
 * spinlock.h. Linux: kernel/locking/qspinlock.c, where each waiter spins on a word of its own.
 */
#include "arch-x86_64/processor.h"
#include "kernel/locking/spinlock.h"

/* Wait until TICKET is served. */
void raw_spin_wait(spinlock_t *l, u16 ticket)
{
	const u16 *serving = (const u16 *)&l->tickets;

	while (smp_load_acquire(serving) != ticket)
		cpu_relax();
}

#ifndef RELEASE
#define CALLER ((unsigned long)__builtin_return_address(0))

static __always_inline void lock_at(spinlock_t *l, unsigned subclass, unsigned long ip)
{
	preempt_disable();
	/* Before the wait: a deadlock is reported, not suffered. */
	lock_acquire(l->class, l, subclass, false, false, ip);
	raw_spin_lock(l);
	l->owner_cpu = smp_processor_id();
}

/* All of spin_unlock() but the end of the critical section's other effects. */
static __always_inline void unlock(spinlock_t *l)
{
	lock_release(l->class, l);
	l->owner_cpu = -1;
	raw_spin_unlock(l);
}

void spin_lock_nested(spinlock_t *l, unsigned subclass)
{
	lock_at(l, subclass, CALLER);
}

void spin_lock(spinlock_t *l)
{
	lock_at(l, 0, CALLER);
}

bool spin_trylock(spinlock_t *l)
{
	preempt_disable();
	if (!raw_spin_trylock(l)) {
		preempt_enable();
		return false;
	}
	l->owner_cpu = smp_processor_id();
	lock_acquire(l->class, l, 0, false, true, CALLER);
	return true;
}

void spin_unlock(spinlock_t *l)
{
	unlock(l);
	preempt_enable();
}

unsigned long __spin_lock_irqsave(spinlock_t *l)
{
	unsigned long flags = arch_irq_save();

	lock_at(l, 0, CALLER);
	return flags;
}

void spin_unlock_irqrestore(spinlock_t *l, unsigned long flags)
{
	unlock(l);
	arch_irq_restore(flags);
	preempt_enable();
}

void spin_lock_irq(spinlock_t *l)
{
	local_irq_disable();
	lock_at(l, 0, CALLER);
}

void spin_unlock_irq(spinlock_t *l)
{
	unlock(l);
	local_irq_enable();
	preempt_enable();
}
#endif
