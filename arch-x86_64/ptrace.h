/*
 * arch-x86_64/ptrace.h - the registers that every entry into the kernel saves, in stack order.
 */
#ifndef ARCH_PTRACE_H
#define ARCH_PTRACE_H

#include "kernel/lib/types.h"

struct pt_regs {
	u64 r15, r14, r13, r12, bp, bx;
	u64 r11, r10, r9, r8, ax, cx, dx, si, di;
	u64 orig_ax;	/* system call number, or -1: a trap or an interrupt (then nothing to restart) */
	/* From here on pushed by the CPU (or by the syscall entry in its stead). */
	u64 ip, cs, flags, sp, ss;
};

#define __KERNEL_CS	0x10
#define __KERNEL_DS	0x18
#define __USER32_CS	0x23	/* only so that sysret finds its layout; no 32-bit code runs */
#define __USER_DS	0x2b
#define __USER_CS	0x33
#define GDT_ENTRY_TSS	8

static inline bool user_mode(const struct pt_regs *regs) { return (regs->cs & 3) == 3; }

/* The user registers of the running task, at the top of its kernel stack. Not for kernel threads. */
struct task_struct;
struct pt_regs *task_pt_regs(struct task_struct *t);
#define current_pt_regs() task_pt_regs(current)

/*
 * exec: REGS (of the running task) become those of a fresh program at IP with stack SP; FS and GS bases 0.
 * The FPU is reset by fpu_reset().
 */
void start_thread(struct pt_regs *regs, unsigned long ip, unsigned long sp);
/* CLONE_SETTLS: the user FS base of T, which has not run yet (after copy_thread). */
void set_task_fsbase(struct task_struct *t, unsigned long base);

/* AT_MINSIGSTKSZ: bytes that the largest signal frame takes on the stack (signal.c). */
unsigned int arch_min_sigstack(void);

#endif
