/*
 * kernel/sched/idle.c - what a CPU does when it has nothing to do.
 *
 * Each CPU has one idle task, which is never in a run queue's tree and is chosen when that is empty. It
 * looks for waiting tasks on other CPUs, then halts until an interrupt. It runs with preempt_count 1 for
 * ever, so only the call of schedule_idle() below switches away from it.
 *
 * Linux: do_idle() in kernel/sched/idle.c.
 */
#include "kernel/sched/internal.h"

/* Sleep until the next interrupt, unless there is work. Interrupts on at both ends. */
static void idle_wait(void)
{
	local_irq_disable();
	if (!need_resched() && !idle_pull()) {
		tick_nohz_idle_enter();
		/* sti takes effect after hlt has begun: a wake-up since the test ends it at once. */
		__asm__ volatile("sti; hlt" : : : "memory");
	} else {
		local_irq_enable();
	}
}

/* The end of start_kernel() and start_secondary(): the boot thread becomes the CPU's idle task. */
void cpu_idle_loop(void)
{
	this_cpu_write(__preempt_count, 1);
	sched_started = true;
	local_irq_enable();
	for (;;) {
		while (!need_resched())
			idle_wait();
		local_irq_disable();
		tick_nohz_idle_exit();
		local_irq_enable();
		schedule_idle();
	}
}
