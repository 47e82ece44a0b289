/*
 * kernel/locking/spinlock.c - waiting for a spinlock, and spinlocks with lockdep around them.
 *
 *	look, PATIENCE times ──> take a ticket ──> wait for one's turn ──> reserve the lock, take it when free
 *	     │ free: take it			   (first come, first served)
 *
 * A plain ticket lock is fairer, but our CPUs are threads of QEMU, often more of them than the host has
 * processors. Then the next in line is not running most of the time, and everybody else spins through the
 * host's time slice for it: measured with 4 CPUs on 2 processors, that cost 3 to 20 times. So whoever runs
 * may take a free lock, but may overtake a waiter for PATIENCE looks only: then the lock is reserved, in
 * order of tickets.
 *
 * The waiting is the part that all builds share; the rest of a RELEASE build's spinlock is inline in
 * spinlock.h. Linux: kernel/locking/qspinlock.c; its paravirtual variant overtakes for the same reason.
 */
#include "arch-x86_64/processor.h"
#include "kernel/locking/spinlock.h"

#define PATIENCE 30000

/* The bytes of the lock word. */
struct lock_word { u8 locked, reserved, serving, next; };

/* Take L, which was not free a moment ago. */
void raw_spin_wait(spinlock_t *l)
{
	struct lock_word *w = (struct lock_word *)&l->tickets;
	u8 ticket;

	for (int i = 0; i < PATIENCE; i++) {
		if (raw_spin_trylock(l))
			return;
		cpu_relax();
	}
	ticket = __atomic_fetch_add(&w->next, 1, __ATOMIC_SEQ_CST);
	while (smp_load_acquire(&w->serving) != ticket)
		cpu_relax();
	WRITE_ONCE(w->reserved, 1);
	while (READ_ONCE(w->locked) || xchg(&w->locked, 1))
		cpu_relax();
	WRITE_ONCE(w->reserved, 0);
	smp_store_release(&w->serving, (u8)(ticket + 1));
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
