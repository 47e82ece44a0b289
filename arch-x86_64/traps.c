/*
 * arch-x86_64/traps.c - exceptions: who is to blame, and what he gets.
 *
 *	from user mode    a signal with Linux's number and code, one log line if it will kill
 *	from the kernel   page faults: fault.c; an expected one (exception table): go on at the fixup;
 *			  anything else is our own mistake: die()
 *
 * Interrupts are off on entry and stay off only where the handler needs it. Linux: arch/x86/kernel/traps.c.
 */
#include "arch-x86_64/internal.h"
#include "arch-x86_64/irqflags.h"
#include "arch-x86_64/pgtable.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/fs/fs.h"
#include "kernel/lib/bug.h"
#include "kernel/lib/err.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "kernel/task/signal.h"
#include "mm/mm.h"

#define FPE_INTDIV	1
#define FPE_FLTDIV	3
#define FPE_FLTOVF	4
#define FPE_FLTUND	5
#define FPE_FLTRES	6
#define FPE_FLTINV	7
#define ILL_ILLOPN	2
#define BUS_ADRALN	1
#define TRAP_BRKPT	1
#define TRAP_TRACE	2

#define LINE_BURST	10		/* log lines about dying programs in each ... */
#define LINE_INTERVAL	(5 * NSEC_PER_SEC)

static const struct trap {
	const char *name;
	int sig, code;		/* what a user gets; sig 0: never comes from user mode */
	bool has_addr;		/* si_addr is the instruction */
} traps[32] = {
	[X86_TRAP_DE] = { "divide error", SIGFPE, FPE_INTDIV, true },
	[X86_TRAP_DB] = { "debug", SIGTRAP, TRAP_TRACE, true },
	[X86_TRAP_NMI] = { "NMI", 0, 0, false },
	[X86_TRAP_BP] = { "int3", SIGTRAP, SI_KERNEL, false },
	[X86_TRAP_OF] = { "overflow", SIGSEGV, SI_KERNEL, false },
	[X86_TRAP_BR] = { "bounds", SIGSEGV, SI_KERNEL, false },
	[X86_TRAP_UD] = { "invalid opcode", SIGILL, ILL_ILLOPN, true },
	[X86_TRAP_NM] = { "device not available", SIGSEGV, SI_KERNEL, false },
	[X86_TRAP_DF] = { "double fault", 0, 0, false },
	[X86_TRAP_TS] = { "invalid TSS", SIGSEGV, SI_KERNEL, false },
	[X86_TRAP_NP] = { "segment not present", SIGBUS, SI_KERNEL, false },
	[X86_TRAP_SS] = { "stack segment", SIGBUS, SI_KERNEL, false },
	[X86_TRAP_GP] = { "general protection fault", SIGSEGV, SI_KERNEL, false },
	[X86_TRAP_PF] = { "page fault", 0, 0, false },
	[X86_TRAP_MF] = { "fpu exception", SIGFPE, 0, true },
	[X86_TRAP_AC] = { "alignment check", SIGBUS, BUS_ADRALN, false },
	[X86_TRAP_MC] = { "machine check", 0, 0, false },
	[X86_TRAP_XF] = { "simd exception", SIGFPE, 0, true },
};

static const char *trap_name(int vector)
{
	return traps[vector].name ? traps[vector].name : "unknown exception";
}

/* A few lines in each interval; the rest is dropped (thousands of faults are some programs' way of life). */
static bool line_allowed(void)
{
	static u64 begin;
	static int printed;
	u64 now = ktime_get();

	if (now - READ_ONCE(begin) > LINE_INTERVAL) {
		begin = now;
		printed = 0;
	}
	return printed++ < LINE_BURST;
}

/* " in program[offset,start+size]" for the mapping that IP is in; nothing if that is not a file. */
static void describe_mapping(char *buf, size_t size, unsigned long ip)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	char path[128], *name;

	buf[0] = '\0';
	if (!mm || !mmap_read_trylock(mm))
		return;
	vma = vma_lookup(mm, ip);
	if (vma && vma->vm_file) {
		name = d_path(&vma->vm_file->f_path, path, sizeof(path));
		if (IS_ERR(name))
			name = "?";
		else if (strrchr(name, '/'))
			name = strrchr(name, '/') + 1;
		snprintf(buf, size, " in %s[%lx,%lx+%lx]", name,
			 ip - vma->vm_start + (vma->vm_pgoff << PAGE_SHIFT), vma->vm_start,
			 vma->vm_end - vma->vm_start);
	}
	mmap_read_unlock(mm);
}

void show_signal_line(struct pt_regs *regs, int sig, const char *what, u64 error_code, u64 addr)
{
	void __user *handler = current->sighand->action[sig - 1].handler;
	char where[192];

	if (handler != SIG_DFL && handler != SIG_IGN)
		return;
	if (!line_allowed())
		return;
	describe_mapping(where, sizeof(where), regs->ip);
	if (addr != -1UL)
		pr_info("%s[%d]: %s at %lx ip %016lx sp %016lx error %lx%s\n", current->comm, current->pid,
			what, addr, regs->ip, regs->sp, error_code, where);
	else
		pr_info("traps: %s[%d] trap %s ip:%lx sp:%lx error:%lx%s\n", current->comm, current->pid,
			what, regs->ip, regs->sp, error_code, where);
}

bool fixup_exception(struct pt_regs *regs)
{
	unsigned long fixup = search_exception_table(regs->ip);

	if (fixup)
		regs->ip = fixup;
	return fixup != 0;
}

/* si_code of a floating-point fault, from the x87 status or MXCSR: the first exception that is not masked. */
static int fpe_code(int vector)
{
	u32 pending;

	if (vector == X86_TRAP_XF) {
		u32 mxcsr;

		__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
		pending = mxcsr & ~(mxcsr >> 7) & 0x3f;
	} else {
		u16 cw, sw;

		__asm__ volatile("fnstcw %0; fnstsw %1" : "=m"(cw), "=m"(sw));
		pending = sw & ~cw & 0x3f;
	}
	if (pending & 0x01)
		return FPE_FLTINV;
	if (pending & 0x04)
		return FPE_FLTDIV;
	if (pending & 0x08)
		return FPE_FLTOVF;
	if (pending & 0x12)	/* denormal operand: as underflow */
		return FPE_FLTUND;
	return pending & 0x20 ? FPE_FLTRES : FPE_FLTINV;
}

static void user_trap(struct pt_regs *regs, int vector, u64 error_code)
{
	const struct trap *t = &traps[vector];
	int code = t->code;

	local_irq_enable();
	current->thread.trap_nr = vector;
	current->thread.error_code = error_code;
	if (!t->sig) {
		force_sig(SIGSEGV);
		return;
	}
	if (vector == X86_TRAP_MF || vector == X86_TRAP_XF)
		code = fpe_code(vector);
	if (t->sig != SIGTRAP)
		show_signal_line(regs, t->sig, trap_name(vector), error_code, -1UL);
	if (code == SI_KERNEL)
		force_sig(t->sig);
	else
		force_sig_fault(t->sig, code, t->has_addr ? (void __user *)regs->ip : NULL);
}

/* Single step: one trap, then the flag goes, unless the debugger or the program sets it again. */
static void user_debug_trap(struct pt_regs *regs)
{
	u64 dr6;

	__asm__ volatile("movq %%dr6, %0" : "=r"(dr6));
	__asm__ volatile("movq %0, %%dr6" : : "r"(0xffff0ff0UL));
	local_irq_enable();
	current->thread.trap_nr = X86_TRAP_DB;
	current->thread.error_code = 0;
	/* INT1 leaves no bit: as a breakpoint, TRAP_BRKPT. */
	force_sig_fault(SIGTRAP, dr6 & BIT(14) ? TRAP_TRACE : TRAP_BRKPT, (void __user *)regs->ip);
}

void do_trap(struct pt_regs *regs, int vector)
{
	u64 error_code = regs->orig_ax, cr2 = read_cr2();	/* before anything else can fault */

	regs->orig_ax = -1UL;
	if (vector == X86_TRAP_PF) {
		if (regs->flags & X86_EFLAGS_IF)
			local_irq_enable();
		do_page_fault(regs, error_code, cr2);
	} else if (user_mode(regs)) {
		if (vector == X86_TRAP_DB)
			user_debug_trap(regs);
		else
			user_trap(regs, vector, error_code);
	} else if (!(vector == X86_TRAP_GP || vector == X86_TRAP_SS) || !fixup_exception(regs)) {
		/* #GP in a user copy: a pointer that is not canonical. Everything else is fatal. */
		die(trap_name(vector), regs, error_code, 0, false);
	}
}

/* The double fault of a stack that grew into its guard page deserves a clear word. */
static const char *double_fault_name(struct pt_regs *regs, u64 cr2)
{
	struct task_struct *t = current;
	unsigned long stack = t ? (unsigned long)t->stack : 0;

	if (stack && cr2 < stack && cr2 >= stack - PAGE_SIZE)
		return "double fault: kernel stack overflow (guard page hit)";
	return "double fault";
}

void do_paranoid(struct pt_regs *regs, int vector)
{
	u64 error_code = regs->orig_ax, cr2 = read_cr2();

	regs->orig_ax = -1UL;
	if (vector == X86_TRAP_NMI)
		do_nmi(regs);
	else if (vector == X86_TRAP_DF)
		die(double_fault_name(regs, cr2), regs, error_code, cr2, true);
	else
		die("machine check", regs, error_code, 0, false);
}
