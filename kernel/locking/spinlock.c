/*
 * kernel/locking/spinlock.c - waiting for a spinlock, and spinlocks with lockdep around them.
 *
 *	lock	exchange 1 for what is there, until that was 0		unlock	store 0
 *
 * There is no queue. Our CPUs are threads of QEMU, often more of them than the host has processors: with first
 * come, first served the next in line may have to wait for a time slice of the host, and everybody behind
 * with it (hogs on four CPUs of a busy two-processor host took ten times as long). Here the lock goes to a CPU
 * that runs. For the same reason no spinlock is held while another CPU is being woken (resched_curr in
 * kernel/sched/core.c).
 *
 * The waiting is the part that all builds share; the rest of a RELEASE build's spinlock is inline in
 * spinlock.h. Linux: kernel/locking/qspinlock.c, where waiters queue; in a virtual machine it does as we do
 * (virt_spin_lock).
 */
#include "arch-x86_64/processor.h"
#include "kernel/locking/spinlock.h"
#include "kernel/trace/trace_kernel.h"

/* L is taken: wait until it is ours. Looking does not disturb the holder's cache line, an exchange would. */
void raw_spin_wait(spinlock_t *l)
{
	trace_contention_begin(l, LCB_F_SPIN);
	do {
		while (READ_ONCE(l->locked))
			cpu_relax();
	} while (xchg(&l->locked, 1));
	trace_contention_end(l, 0);
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
