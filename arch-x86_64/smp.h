/*
 * arch-x86_64/smp.h - the other CPUs: starting them, interrupting them, calling functions on them.
 */
#ifndef ARCH_SMP_H
#define ARCH_SMP_H

#include "arch-x86_64/percpu.h"

extern unsigned long cpu_online_mask;	/* bit n: CPU n runs. Set by smp_boot_cpus, never cleared. */
extern int nr_cpu_ids;			/* online CPUs are 0 .. nr_cpu_ids - 1 */

#define for_each_online_cpu(cpu) for ((cpu) = 0; (cpu) < nr_cpu_ids; (cpu)++) if (cpu_online_mask & BIT(cpu))

/* Start the application processors found by ACPI (at most maxcpus=); returns when all of them run. */
void smp_boot_cpus(void);

/*
 * Call FN(ARG) on every CPU in MASK (the caller's own bit: directly, interrupts off) with interrupts off;
 * returns when all have returned. Interrupts must be on; FN must not sleep. Spinlocks may be held only
 * if they are never taken with interrupts off.
 */
void smp_call_function_mask(unsigned long mask, void (*fn)(void *), void *arg);
void smp_call_function_single(int cpu, void (*fn)(void *), void *arg);

/* In a handler: the interrupt hit user mode (irq.c). */
bool irq_hit_user_mode(void);
/* The IPI's handler (irq.c): run what others want run here. */
void smp_call_function_interrupt(void);

/* Make CPU look at its need_resched flag. */
void smp_send_reschedule(int cpu);
/* For panic: stop the others by NMI; never waits for ever. */
void smp_stop_others(void);
/* Print the backtraces of all CPUs (by NMI); for a hung machine and sysrq 'l'. */
void trigger_all_cpu_backtrace(void);

#endif
