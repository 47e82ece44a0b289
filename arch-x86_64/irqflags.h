/*
 * arch-x86_64/irqflags.h - interrupts on this CPU: off, on, as they were.
 */
#ifndef ARCH_IRQFLAGS_H
#define ARCH_IRQFLAGS_H

#include "kernel/lib/types.h"

#define X86_EFLAGS_IF 0x200UL

static inline unsigned long local_save_flags(void)
{
	unsigned long f;
	__asm__ volatile("pushfq; popq %0" : "=r"(f) : : "memory");
	return f;
}
static inline bool irqs_disabled(void)	    { return !(local_save_flags() & X86_EFLAGS_IF); }
static inline void local_irq_disable(void)  { __asm__ volatile("cli" : : : "memory"); }
static inline void local_irq_enable(void)   { __asm__ volatile("sti" : : : "memory"); }
static inline unsigned long arch_irq_save(void)
{
	unsigned long f = local_save_flags();
	local_irq_disable();
	return f;
}
static inline void arch_irq_restore(unsigned long f)
{
	if (f & X86_EFLAGS_IF)
		local_irq_enable();
	else
		local_irq_disable();
}
#define local_irq_save(flags)	 do { (flags) = arch_irq_save(); } while (0)
#define local_irq_restore(flags) arch_irq_restore(flags)

#endif
