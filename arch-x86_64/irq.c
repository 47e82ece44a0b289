/*
 * arch-x86_64/irq.c - interrupts arriving: who gets them, and counting them; non-maskable ones.
 *
 *	vector 0x30+n  device n     handler of request_irq() or msi_alloc_vector()
 *	vector 0xec    LAPIC timer  timer_interrupt()
 *	vector 0xfb    IPI          smp_call_function_interrupt()
 *	vector 0xfd    IPI          nothing: the way out of the interrupt looks at need_resched
 *	NMI            stop (panic), backtrace (asked for), or from outside: QEMU's "nmi" on a hung machine
 *
 * Handlers run with interrupts off and do not nest. Preemption on return is the entry code's business.
 * Linux: arch/x86/kernel/irq.c, nmi.c.
 */
#include "arch-x86_64/apic.h"
#include "arch-x86_64/internal.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/setup.h"
#include "arch-x86_64/smp.h"
#include "kernel/lib/printk.h"
#include "kernel/locking/spinlock.h"
#include "kernel/sched/sched.h"

struct irq_action {
	void (*handler)(void *);	/* NULL: free. Stored last: a handler that is seen has its ARG */
	void *arg;
	const char *name;
};
static struct irq_action actions[NR_IRQS];
DEFINE_SPINLOCK(irq_action_lock);
static DEFINE_PER_CPU(u64, vector_counts[256]);
static DEFINE_PER_CPU(struct pt_regs *, irq_regs);	/* what this CPU's interrupt hit; they do not nest */

bool nmi_stop_requested;
unsigned long nmi_backtrace_mask;
unsigned long cpus_stopped_mask;

/* --------------------------------------------------------------- devices ---- */

static int install(int irq, void (*handler)(void *), void *arg, const char *name)
{
	unsigned long flags;
	int err = -EBUSY;

	spin_lock_irqsave(&irq_action_lock, flags);
	if (!actions[irq].handler) {
		actions[irq].arg = arg;
		actions[irq].name = name;
		smp_store_release(&actions[irq].handler, handler);
		err = 0;
	}
	spin_unlock_irqrestore(&irq_action_lock, flags);
	return err;
}

int request_irq(int irq, void (*handler)(void *), void *arg, const char *name)
{
	int err;

	if (irq < 0 || irq >= NR_ISA_IRQS)
		return -EINVAL;
	err = install(irq, handler, arg, name);
	return err ? err : ioapic_enable_irq(irq);
}

int msi_alloc_vector(void (*handler)(void *), void *arg, const char *name)
{
	for (int irq = FIRST_MSI_IRQ; irq < NR_IRQS; irq++)
		if (install(irq, handler, arg, name) == 0)
			return IRQ_VECTOR(irq);
	return -ENOSPC;
}

const char *irq_name(int irq)
{
	return smp_load_acquire(&actions[irq].handler) ? actions[irq].name : NULL;
}

u64 vector_count(int vector, int cpu)	{ return READ_ONCE(*per_cpu_ptr(&vector_counts[vector], cpu)); }
u64 irq_count(int irq, int cpu)		{ return vector_count(IRQ_VECTOR(irq), cpu); }

static void handle_device(int vector)
{
	int irq = vector - IRQ_VECTOR(0);
	void (*handler)(void *) = NULL;

	if (irq >= 0 && irq < NR_IRQS)
		handler = smp_load_acquire(&actions[irq].handler);
	if (handler)
		handler(actions[irq].arg);
	lapic_eoi();		/* after the handler: a level-triggered line is quiet by now */
}

/* --------------------------------------------------------------- arrival ---- */

bool irq_hit_user_mode(void) { return user_mode(this_cpu_read(irq_regs)); }

static void irq_enter(void)
{
	this_cpu_add(__preempt_count, HARDIRQ_OFFSET);
	lockdep_irq_enter();
}

static void irq_exit(void)
{
	lockdep_irq_exit();
	this_cpu_sub(__preempt_count, HARDIRQ_OFFSET);
}

void do_irq(struct pt_regs *regs, int vector)
{
	u64 began = tsc_clock_ns();

	regs->orig_ax = -1;	/* not a system call: nothing to restart */
	this_cpu_write(irq_regs, regs);
	irq_enter();
	this_cpu_inc(vector_counts[vector]);
	switch (vector) {
	case LOCAL_TIMER_VECTOR:
		lapic_eoi();
		timer_interrupt(user_mode(regs));
		break;
	case CALL_FUNCTION_VECTOR:
		lapic_eoi();
		smp_call_function_interrupt();
		break;
	case RESCHEDULE_VECTOR:
		lapic_eoi();
		break;
	case SPURIOUS_APIC_VECTOR:	/* was never accepted: no EOI */
		break;
	default:
		handle_device(vector);
	}
	account_irq(tsc_clock_ns() - began);
	irq_exit();
}

/* ------------------------------------------------------------------- NMI ---- */

/*
 * Reports of several CPUs, one after the other. The wait is bounded: whoever printed may be stuck, and two
 * mixed reports are better than none.
 */
static void nmi_report(struct pt_regs *regs, const char *why)
{
	static int printing;
	u64 give_up = tsc_clock_ns() + 2 * NSEC_PER_SEC;
	struct task_struct *t = current;

	while (xchg(&printing, 1) && tsc_clock_ns() < give_up)
		cpu_relax();
	pr_emerg("%s: CPU %d, task %s[%d]\n", why, smp_processor_id(), t->comm, t->pid);
	show_regs(regs);
	if (!user_mode(regs))
		show_trace(regs->ip, regs->bp);
	lockdep_print_held(t);
	WRITE_ONCE(printing, 0);
}

static void __noreturn stop_this_cpu(void)
{
	set_bit((unsigned int)smp_processor_id(), &cpus_stopped_mask);
	for (;;)
		__asm__ volatile("cli; hlt");
}

/*
 * => on the NMI stack; may have interrupted anything, so no lock is taken
 */
void do_nmi(struct pt_regs *regs)
{
	unsigned int cpu = (unsigned int)smp_processor_id();

	this_cpu_add(__preempt_count, NMI_OFFSET);
	this_cpu_inc(vector_counts[X86_TRAP_NMI]);
	if (nmi_stop_requested)
		stop_this_cpu();
	if (test_bit(cpu, &nmi_backtrace_mask)) {
		nmi_report(regs, "NMI backtrace");
		clear_bit(cpu, &nmi_backtrace_mask);
	} else {
		nmi_report(regs, "NMI received");
	}
	this_cpu_sub(__preempt_count, NMI_OFFSET);
}
