/*
 * arch-x86_64/fault.c - page faults: from the CPU's report to handle_mm_fault().
 *
 *	                  user address                           kernel address
 *	from user code    find the VMA, check rights,            SIGSEGV
 *	                  handle_mm_fault(), or a signal
 *	from the kernel   the same if the instruction is in      fixup of a user-copy instruction,
 *	                  the exception table; else oops         else oops
 *
 * Kernel code reaches user memory only through instructions of the exception table. Where they may not sleep
 * (preemption off, pagefault_disabled) the fault is not served: they fail at once.
 *
 * The mmap lock is taken here for reading; a handler that had to drop it says VM_FAULT_RETRY, and the VMA
 * is looked up afresh (FLT-1). Linux: arch/x86/mm/fault.c, without its per-VMA locks.
 */
#include "arch-x86_64/internal.h"
#include "arch-x86_64/irqflags.h"
#include "arch-x86_64/pgtable.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/lib/bug.h"
#include "kernel/sched/sched.h"
#include "kernel/task/signal.h"
#include "kernel/trace/trace_kernel.h"
#include "mm/mm.h"

#define SEGV_MAPERR	1
#define SEGV_ACCERR	2
#define BUS_ADRERR	2

/* One fault on its way. */
struct user_fault {
	struct pt_regs *regs;
	u64 error_code, addr;
	struct mm_struct *mm;
	unsigned int flags;	/* FAULT_FLAG_* */
};

static void send_fault_signal(struct user_fault *f, int sig, int code)
{
	struct thread_struct *th = &current->thread;

	th->trap_nr = X86_TRAP_PF;
	/* What a kernel address holds is none of the program's business: always "present". */
	th->error_code = f->error_code | (f->addr >= TASK_SIZE_MAX ? X86_PF_PROT : 0);
	th->cr2 = f->addr;
	if (sig == SIGSEGV)
		show_signal_line(f->regs, sig, "segfault", f->error_code, f->addr);
	force_sig_fault(sig, code, (void __user *)f->addr);
}

/* Cannot be served: a signal for user code, the fixup for a user copy, the end for other kernel code. */
static void bad_area(struct user_fault *f, int sig, int code)
{
	if (user_mode(f->regs))
		send_fault_signal(f, sig, code);
	else if (!fixup_exception(f->regs))
		die("page fault", f->regs, f->error_code, f->addr, true);
}

static bool access_error(u64 error_code, const struct vm_area_struct *vma)
{
	if (error_code & X86_PF_WRITE)
		return !(vma->vm_flags & VM_WRITE);
	if (error_code & X86_PF_INSTR)
		return !(vma->vm_flags & VM_EXEC);
	/* On x86 each of the rights implies reading. */
	return !(vma->vm_flags & VM_ACCESS_FLAGS);
}

/* The VMA that ADDR is in, after growing the stack if that is what it needs. => mmap lock held for read */
static struct vm_area_struct *find_vma_or_grow(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma = find_vma(mm, addr);

	if (!vma || vma->vm_start <= addr)
		return vma;
	return vma->vm_flags & VM_GROWSDOWN ? expand_stack(mm, addr) : NULL;
}

/* Errors of handle_mm_fault(). => mmap lock not held */
static void fault_error(struct user_fault *f, vm_fault_t result)
{
	if (fatal_signal_pending(current) && !user_mode(f->regs)) {
		bad_area(f, SIGKILL, 0);
	} else if (result & VM_FAULT_OOM) {
		if (user_mode(f->regs))
			pagefault_out_of_memory();	/* back to the instruction: it tries again */
		else
			bad_area(f, SIGSEGV, SEGV_MAPERR);
	} else if (result & VM_FAULT_SIGBUS) {
		bad_area(f, SIGBUS, BUS_ADRERR);
	} else {
		bad_area(f, SIGSEGV, SEGV_MAPERR);
	}
}

/* A retry ends early when somebody kills us: user mode dies on the way out, a user copy fails. */
static bool killed_during_retry(struct user_fault *f, vm_fault_t result)
{
	if (!(result & VM_FAULT_RETRY) || !fatal_signal_pending(current))
		return false;
	if (!user_mode(f->regs))
		bad_area(f, SIGKILL, 0);
	return true;
}

static void handle_user_address(struct user_fault *f)
{
	struct vm_area_struct *vma;
	vm_fault_t result;

	do {
		mmap_read_lock(f->mm);
		vma = find_vma_or_grow(f->mm, f->addr);
		if (!vma || access_error(f->error_code, vma)) {
			mmap_read_unlock(f->mm);
			bad_area(f, SIGSEGV, vma ? SEGV_ACCERR : SEGV_MAPERR);
			return;
		}
		result = handle_mm_fault(vma, f->addr, f->flags, f->regs);
		if (killed_during_retry(f, result))
			return;
		f->flags |= FAULT_FLAG_TRIED;
	} while (result & VM_FAULT_RETRY);

	if (!(result & VM_FAULT_COMPLETED))
		mmap_read_unlock(f->mm);
	if (unlikely(result & VM_FAULT_ERROR))
		fault_error(f, result);
}

static unsigned int fault_flags(struct pt_regs *regs, u64 error_code)
{
	unsigned int flags = FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE;

	flags |= user_mode(regs) ? FAULT_FLAG_USER | FAULT_FLAG_INTERRUPTIBLE : 0;
	flags |= error_code & X86_PF_WRITE ? FAULT_FLAG_WRITE : 0;
	flags |= error_code & X86_PF_INSTR ? FAULT_FLAG_INSTRUCTION : 0;
	return flags;
}

/* Kernel code may touch a user address only in an instruction with a fixup, and not through SMAP or SMEP. */
static bool kernel_access_is_bug(struct pt_regs *regs, u64 error_code)
{
	if (user_mode(regs))
		return false;
	if (error_code & X86_PF_INSTR)
		return true;
	if (cpu_features.smap && !(regs->flags & X86_EFLAGS_AC))
		return true;
	return !search_exception_table(regs->ip);
}

void do_page_fault(struct pt_regs *regs, u64 error_code, u64 addr)
{
	struct user_fault f = {
		.regs = regs, .error_code = error_code, .addr = addr,
		.mm = current ? current->mm : NULL, .flags = fault_flags(regs, error_code),
	};

	if (user_mode(regs))
		trace_page_fault_user(addr, regs->ip, error_code);
	else
		trace_page_fault_kernel(addr, regs->ip, error_code);
	if (error_code & X86_PF_RSVD)
		die("page fault: corrupt page table", regs, error_code, addr, true);
	if (addr >= TASK_SIZE_MAX) {
		bad_area(&f, SIGSEGV, SEGV_MAPERR);
		return;
	}
	if (kernel_access_is_bug(regs, error_code))
		die("page fault", regs, error_code, addr, true);
	if (!f.mm || in_atomic() || irqs_disabled() || current->pagefault_disabled) {
		bad_area(&f, SIGSEGV, SEGV_MAPERR);
		return;
	}
	handle_user_address(&f);
}
