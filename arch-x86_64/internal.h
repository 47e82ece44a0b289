/*
 * arch-x86_64/internal.h - what the files of this folder share: trap numbers, the TSS, entry points.
 */
#ifndef ARCH_INTERNAL_H
#define ARCH_INTERNAL_H

/* Vectors of the CPU's own exceptions (Intel SDM vol. 3, table 6-1). 32 and above: interrupts. */
#define X86_TRAP_DE	0
#define X86_TRAP_DB	1
#define X86_TRAP_NMI	2
#define X86_TRAP_BP	3
#define X86_TRAP_OF	4
#define X86_TRAP_BR	5
#define X86_TRAP_UD	6
#define X86_TRAP_NM	7
#define X86_TRAP_DF	8
#define X86_TRAP_TS	10
#define X86_TRAP_NP	11
#define X86_TRAP_SS	12
#define X86_TRAP_GP	13
#define X86_TRAP_PF	14
#define X86_TRAP_MF	16
#define X86_TRAP_AC	17
#define X86_TRAP_MC	18
#define X86_TRAP_XF	19

/* Each stub of entry.S (push, push, jmp) fills one slot. */
#define VECTOR_STUB_SIZE 16

#ifndef __ASSEMBLY__
#include "arch-x86_64/percpu.h"
#include "arch-x86_64/ptrace.h"

/* Bits of a page fault's error code. */
#define X86_PF_PROT	BIT(0)	/* 0: not present */
#define X86_PF_WRITE	BIT(1)
#define X86_PF_USER	BIT(2)
#define X86_PF_RSVD	BIT(3)
#define X86_PF_INSTR	BIT(4)
#define X86_PF_PK	BIT(5)

#define X86_EFLAGS_TF	BIT(8)
#define X86_EFLAGS_RF	BIT(16)
#define X86_EFLAGS_AC	BIT(18)

enum { IST_DF, IST_NMI, IST_MC, NR_IST };

/* 64-bit task state segment. */
struct tss {
	u32 reserved0;
	u64 sp0, sp1, sp2;
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3, iomap_base;
} __packed;
DECLARE_PER_CPU(struct tss, cpu_tss);

/* entry.S */
extern char vector_stubs[], entry_double_fault[], entry_nmi[], entry_machine_check[], entry_syscall[];
extern char trap_return_point[], syscall_return_point[], paranoid_return_point[];
void ret_from_fork_asm(void);
/* How system calls went back to user mode: the quick way (sysret) and the thorough one (iret). */
DECLARE_PER_CPU(unsigned long, sysret_count);
DECLARE_PER_CPU(unsigned long, iret_count);

/* entry.S -> C, interrupts off. */
void do_trap(struct pt_regs *regs, int vector);
void do_paranoid(struct pt_regs *regs, int vector);
void irq_return_to_kernel(struct pt_regs *regs);
void prepare_exit_to_user_mode(struct pt_regs *regs);
bool syscall_exit_to_user_mode(struct pt_regs *regs);

/* irq.c: vectors 32..255, interrupts off; and NMIs, on their own stack. */
void do_irq(struct pt_regs *regs, int vector);
void do_nmi(struct pt_regs *regs);

/* fault.c: a page fault at ADDR; interrupts as they were where it happened. */
void do_page_fault(struct pt_regs *regs, u64 error_code, u64 addr);
/* traps.c: one line "comm[pid] WHAT ip:.. sp:.. error:.." about a user fault that will be fatal. */
void show_signal_line(struct pt_regs *regs, int sig, const char *what, u64 error_code, u64 addr);
/* traps.c: continue at the exception table's fixup for REGS->ip, if there is one. */
bool fixup_exception(struct pt_regs *regs);

/* dump.c: the kernel itself faulted. Prints everything there is to know and panics. */
void die(const char *what, struct pt_regs *regs, u64 error_code, u64 addr, bool page_fault) __noreturn;
void show_regs(struct pt_regs *regs);
void dump_pagetable(u64 addr);
#endif
#endif
