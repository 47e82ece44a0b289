/*
 * arch-x86_64/percpu.h - one copy of a variable for each CPU.
 *
 *	DEFINE_PER_CPU(int, preempt_count);
 *	this_cpu_inc(preempt_count);	one instruction, gs-relative: safe against preemption
 *	per_cpu(preempt_count, 3)	CPU 3's copy
 *
 * The variables lie together in .data..percpu. CPU 0 uses that section itself (its offset is 0, so the
 * variables work from the first instruction); for every other CPU smp.c allocates a zeroed copy, and the
 * CPU's GS base holds its distance. Therefore per-CPU variables start as zero and are initialised by code.
 */
#ifndef ARCH_PERCPU_H
#define ARCH_PERCPU_H

#include "kernel/lib/types.h"

#define NR_CPUS 16

#define DEFINE_PER_CPU(type, name)  __section(".data..percpu") __typeof__(type) name
#define DECLARE_PER_CPU(type, name) extern __section(".data..percpu") __typeof__(type) name

extern unsigned long per_cpu_offset[NR_CPUS];	/* distance of CPU n's copies from CPU 0's */
extern unsigned long this_cpu_off __section(".data..percpu");	/* this CPU's entry of it */
extern int cpu_number __section(".data..percpu");

#define per_cpu_ptr(ptr, cpu)	((__typeof__(&*(ptr)))((unsigned long)(ptr) + per_cpu_offset[cpu]))
#define per_cpu(var, cpu)	(*per_cpu_ptr(&(var), cpu))

/* One gs-relative instruction each; VAR is 4 or 8 bytes and scalar (pointer or integer). */
#define this_cpu_read(var) ({					\
	__typeof__(var) __v;					\
	if (sizeof(var) == 8)					\
		__asm__ volatile("movq %%gs:%1, %q0" : "=r"(__v) : "m"(var));	\
	else							\
		__asm__ volatile("movl %%gs:%1, %k0" : "=r"(__v) : "m"(var));	\
	__v; })
#define __this_cpu_op(op, var, val) do {			\
	__typeof__(var) __v = (val);				\
	if (sizeof(var) == 8)					\
		__asm__ volatile(op "q %q1, %%gs:%0" : "+m"(var) : "r"(__v) : "memory", "cc");	\
	else							\
		__asm__ volatile(op "l %k1, %%gs:%0" : "+m"(var) : "r"(__v) : "memory", "cc");	\
} while (0)
#define this_cpu_write(var, val) __this_cpu_op("mov", var, val)
#define this_cpu_add(var, val)	 __this_cpu_op("add", var, val)
#define this_cpu_sub(var, val)	 __this_cpu_op("sub", var, val)
#define this_cpu_inc(var)	 this_cpu_add(var, (__typeof__(var))1)
#define this_cpu_dec(var)	 this_cpu_sub(var, (__typeof__(var))1)

/* Address of this CPU's copy; meaningful only while preemption is off. */
#define this_cpu_ptr(ptr)	((__typeof__(&*(ptr)))((unsigned long)(ptr) + this_cpu_read(this_cpu_off)))

#define smp_processor_id()	this_cpu_read(cpu_number)

#endif
