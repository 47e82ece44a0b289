/*
 * kernel/sched/preempt.h - may this code be interrupted by another task?
 *
 * preempt_count, per CPU (it belongs to the running task and is saved with it):
 *	bits 0..15   depth of preempt_disable()
 *	bits 16..23  hard interrupt nesting
 *	bits 24..27  NMI nesting
 * Zero with interrupts on: the task may be preempted, and may sleep.
 */
#ifndef KERNEL_SCHED_PREEMPT_H
#define KERNEL_SCHED_PREEMPT_H

#include "arch-x86_64/percpu.h"

#define PREEMPT_MASK	0x0000ffff
#define HARDIRQ_OFFSET	0x00010000
#define HARDIRQ_MASK	0x00ff0000
#define NMI_OFFSET	0x01000000
#define NMI_MASK	0x0f000000

DECLARE_PER_CPU(int, __preempt_count);
/* Byte 0, set by any CPU: this CPU should call schedule(). Byte 1, its own: it has put off sending IPIs. */
DECLARE_PER_CPU(int, need_resched_flag);

#define preempt_count()	this_cpu_read(__preempt_count)
#define in_irq()	(preempt_count() & (HARDIRQ_MASK | NMI_MASK))
#define in_atomic()	(preempt_count() != 0)
#define need_resched()	((this_cpu_read(need_resched_flag) & 0xff) != 0)

/* Do what need_resched_flag says, as far as it is allowed here; from preempt_enable. */
void preempt_schedule(void);
/* The same at the end of an interrupt that hit kernel code. => interrupts off, and off again on return */
void preempt_schedule_irq(void);

static __always_inline void preempt_disable(void) { this_cpu_inc(__preempt_count); barrier(); }
static __always_inline void preempt_enable_no_resched(void) { barrier(); this_cpu_dec(__preempt_count); }
static __always_inline void preempt_enable(void)
{
	preempt_enable_no_resched();
	if (unlikely(this_cpu_read(need_resched_flag) != 0))
		preempt_schedule();
}

#endif
