/*
 * kernel/task/syscall.c - from a number to its function, and the work before a return to user mode.
 *
 * The table is filled at boot from the entries that SYSCALL_DEFINEn left in section .syscalls. On the way
 * back, with interrupts off, nothing may be pending: a reschedule or a signal that came in between is
 * served first, again and again until there is none.
 *
 * Linux: arch/x86/entry/common.c, kernel/entry/common.c.
 */
#include "kernel/task/syscall.h"
#include "arch-x86_64/internal.h"
#include "arch-x86_64/irqflags.h"
#include "kernel/init.h"
#include "kernel/lib/bug.h"
#include "kernel/locking/lockdep.h"
#include "kernel/sched/sched.h"
#include "kernel/task/signal.h"

#define NR_SYSCALLS 512
#define TIF_WORK (BIT(TIF_SIGPENDING) | BIT(TIF_NOTIFY_SIGNAL))

extern const struct syscall_entry _syscalls_start[], _syscalls_end[];

static syscall_fn_t syscall_table[NR_SYSCALLS];

DEFINE_PER_CPU(unsigned long, sysret_count);
DEFINE_PER_CPU(unsigned long, iret_count);

void syscall_table_init(void)
{
	for (const struct syscall_entry *e = _syscalls_start; e < _syscalls_end; e++) {
		if (e->nr >= NR_SYSCALLS || syscall_table[e->nr])
			panic("system call %u (%s) is out of range or defined twice", e->nr, e->name);
		syscall_table[e->nr] = e->fn;
	}
}

void do_syscall_64(struct pt_regs *regs)
{
	unsigned int nr = regs->orig_ax;	/* as in Linux, the upper half of rax does not count */

	if (nr < NR_SYSCALLS && syscall_table[nr])
		regs->ax = syscall_table[nr](regs->di, regs->si, regs->dx, regs->r10, regs->r8, regs->r9);
}

static bool exit_work_pending(void)
{
	return need_resched() || (READ_ONCE(current->ti_flags) & TIF_WORK);
}

void exit_to_user_mode_work(struct pt_regs *regs)
{
	do {
		local_irq_enable();
		if (need_resched())
			schedule();
		if (READ_ONCE(current->ti_flags) & TIF_WORK)
			arch_do_signal_or_restart(regs);
		local_irq_disable();
	} while (exit_work_pending());
}

static bool canonical(u64 addr)
{
	return (u64)((s64)(addr << 16) >> 16) == addr;
}

/* Would IRET accept this? A program can put anything into the frame that sigreturn loads. */
static bool user_frame_ok(const struct pt_regs *regs)
{
	return regs->cs == __USER_CS && regs->ss == __USER_DS && canonical(regs->ip);
}

/*
 * entry.S, before each return to user mode: serve what is pending.
 * => interrupts off on entry and return
 */
void prepare_exit_to_user_mode(struct pt_regs *regs)
{
	for (;;) {
		if (unlikely(exit_work_pending()))
			exit_to_user_mode_work(regs);
		if (likely(user_frame_ok(regs)))
			break;
		local_irq_enable();
		regs->cs = __USER_CS;
		regs->ss = __USER_DS;
		if (!canonical(regs->ip))
			regs->ip = 0;
		force_sig(SIGSEGV);
		local_irq_disable();
	}
	lockdep_assert_none_held("return to user mode");
}

/*
 * The same after a system call; true if SYSRET may be used. It loads rip from rcx and flags from r11, so
 * these must agree (they do unless exec or sigreturn changed the registers). SYSRET with an rip that is not
 * canonical would fault with the user's stack in ring 0 on Intel's CPUs: only user addresses pass.
 */
bool syscall_exit_to_user_mode(struct pt_regs *regs)
{
	if (unlikely(exit_work_pending()))
		exit_to_user_mode_work(regs);
	if (likely(regs->cx == regs->ip && regs->r11 == regs->flags && regs->ip < TASK_SIZE_MAX &&
		   !(regs->flags & (X86_EFLAGS_TF | X86_EFLAGS_RF)))) {
		lockdep_assert_none_held("return to user mode");
		this_cpu_inc(sysret_count);
		return true;
	}
	prepare_exit_to_user_mode(regs);
	this_cpu_inc(iret_count);
	return false;
}

/*
 * entry.S, at the end of a trap or interrupt that hit the kernel: if it made a reschedule necessary and the
 * interrupted code can bear it, do it here (kernel preemption).
 * => interrupts off on entry and return
 */
void irq_return_to_kernel(struct pt_regs *regs)
{
	if ((regs->flags & X86_EFLAGS_IF) && !preempt_count() && need_resched())
		preempt_schedule_irq();
}
