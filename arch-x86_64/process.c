/*
 * arch-x86_64/process.c - what of a task is x86: its kernel stack, its switch, its FS and GS bases.
 *
 *	stack + THREAD_SIZE  +--------------------------+ <- TSS.sp0
 *			     | struct pt_regs		| the user's (kernel threads: zero until exec)
 *			     +--------------------------+
 *			     | return: ret_from_fork_asm| only a new task: as if it had called
 *			     | rbp rbx r12 .. r15	| switch_stacks()
 *			     +--------------------------+ <- thread.sp
 *
 * The user's FS base belongs to thread-local storage, GS base is free for programs. With FSGSBASE a program
 * changes both without telling us, so they are read at each switch; without it only arch_prctl can.
 *
 * Segment selectors of user mode are not kept: a 64-bit program can only load null or __USER_DS there.
 * Linux: arch/x86/kernel/process_64.c.
 */
#include "arch-x86_64/fpu.h"
#include "arch-x86_64/internal.h"
#include "arch-x86_64/irqflags.h"
#include "arch-x86_64/processor.h"
#include "kernel/lib/bug.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "kernel/task/syscall.h"

#define EFLAGS_RESERVED	0x2UL

#define ARCH_SET_GS	0x1001
#define ARCH_SET_FS	0x1002
#define ARCH_GET_FS	0x1003
#define ARCH_GET_GS	0x1004

/* Constants of entry.S. */
static_assert(offsetof(struct pt_regs, orig_ax) == 120, "REGS_ORIG_AX");
static_assert(offsetof(struct pt_regs, cs) == 136, "REGS_CS");
static_assert(sizeof(struct pt_regs) == 168, "REGS_SIZE");
static_assert(offsetof(struct pt_regs, ax) == 80, "ax in entry_syscall");
static_assert(offsetof(struct tss, sp0) == 4, "TSS_SP0");

/* What switch_stacks() pops, lowest address first. */
struct switch_frame { unsigned long r15, r14, r13, r12, bx, bp, ret; };

struct task_struct *switch_stacks(unsigned long *prev_sp, unsigned long next_sp, struct task_struct *prev,
				  struct task_struct *next);
struct task_struct *__switch_to(struct task_struct *prev, struct task_struct *next);
void ret_from_fork(struct task_struct *prev, struct pt_regs *regs, int (*fn)(void *), void *arg);

struct pt_regs *task_pt_regs(struct task_struct *t)
{
	return (struct pt_regs *)((char *)t->stack + THREAD_SIZE) - 1;
}

static void save_user_bases(struct task_struct *t)
{
	if (!cpu_features.fsgsbase || (t->flags & PF_KTHREAD))
		return;
	__asm__ volatile("rdfsbase %0" : "=r"(t->thread.fsbase));
	t->thread.gsbase = rdmsr(MSR_KERNEL_GS_BASE);	/* swapped out while we are in the kernel */
}

static void load_user_bases(struct task_struct *t)
{
	if (t->flags & PF_KTHREAD)
		return;
	if (cpu_features.fsgsbase)
		__asm__ volatile("wrfsbase %0" : : "r"(t->thread.fsbase));
	else
		wrmsr(MSR_FS_BASE, t->thread.fsbase);
	wrmsr(MSR_KERNEL_GS_BASE, t->thread.gsbase);
}

/*
 * The second half of a switch, on NEXT's stack already. What it returns, PREV, is seen as the result of
 * __switch_to_asm() in NEXT.
 */
struct task_struct *__switch_to(struct task_struct *prev, struct task_struct *next)
{
	save_user_bases(prev);
	fpu_switch(prev, next);
	this_cpu_ptr(&cpu_tss)->sp0 = (unsigned long)next->stack + THREAD_SIZE;
	this_cpu_write(current_task, next);
	load_user_bases(next);
	return prev;
}

struct task_struct *__switch_to_asm(struct task_struct *prev, struct task_struct *next)
{
	return switch_stacks(&prev->thread.sp, next->thread.sp, prev, next);
}

void copy_thread(struct task_struct *child, unsigned long sp, int (*fn)(void *), void *arg)
{
	struct pt_regs *regs = task_pt_regs(child);
	struct switch_frame *frame = (struct switch_frame *)regs - 1;

	memset(frame, 0, sizeof(*frame));
	frame->ret = (unsigned long)ret_from_fork_asm;
	frame->bx = (unsigned long)fn;
	frame->r12 = (unsigned long)arg;
	child->thread.sp = (unsigned long)frame;
	child->thread.sp0 = (unsigned long)child->stack + THREAD_SIZE;
	if (fn) {
		memset(regs, 0, sizeof(*regs));
		return;
	}
	*regs = *current_pt_regs();
	regs->ax = 0;
	if (sp)
		regs->sp = sp;
	save_user_bases(current);
	child->thread.fsbase = current->thread.fsbase;
	child->thread.gsbase = current->thread.gsbase;
}

/* A new task's first C code. Goes on to user mode: a forked child at once, a kernel thread after its exec. */
void ret_from_fork(struct task_struct *prev, struct pt_regs *regs, int (*fn)(void *), void *arg)
{
	schedule_tail(prev);
	if (!fn)
		return;
	fn(arg);
	KASSERT(user_mode(regs), "a kernel thread returned without exec");
}

void start_thread(struct pt_regs *regs, unsigned long ip, unsigned long sp)
{
	memset(regs, 0, sizeof(*regs));
	regs->ip = ip;
	regs->sp = sp;
	regs->cs = __USER_CS;
	regs->ss = __USER_DS;
	regs->flags = X86_EFLAGS_IF | EFLAGS_RESERVED;
	regs->orig_ax = -1UL;
	preempt_disable();
	current->thread.fsbase = current->thread.gsbase = 0;
	load_user_bases(current);
	preempt_enable();
}

void set_task_fsbase(struct task_struct *t, unsigned long base)
{
	t->thread.fsbase = base;
}

static long set_base(unsigned long *base, unsigned long addr)
{
	if (addr >= TASK_SIZE_MAX)
		return -EPERM;
	preempt_disable();
	save_user_bases(current);
	*base = addr;
	load_user_bases(current);
	preempt_enable();
	return 0;
}

SYSCALL_DEFINE2(arch_prctl, int, option, unsigned long, addr)
{
	struct thread_struct *th = &current->thread;

	preempt_disable();
	save_user_bases(current);
	preempt_enable();
	switch (option) {
	case ARCH_SET_FS:
		return set_base(&th->fsbase, addr);
	case ARCH_SET_GS:
		return set_base(&th->gsbase, addr);
	case ARCH_GET_FS:
		return put_user(th->fsbase, (unsigned long __user *)addr);
	case ARCH_GET_GS:
		return put_user(th->gsbase, (unsigned long __user *)addr);
	}
	return -EINVAL;
}
