/*
 * kernel/task/syscall.h - how a system call is defined.
 *
 *	SYSCALL_DEFINE3(read, int, fd, char __user *, buf, size_t, count)
 *	{
 *		...
 *	}
 *
 * puts an entry for __NR_read into the system call table at link time; nothing else is to be edited. The
 * numbers are in kernel/task/unistd.h. A number without an entry answers ENOSYS. Returns >= 0 or -errno.
 */
#ifndef KERNEL_TASK_SYSCALL_H
#define KERNEL_TASK_SYSCALL_H

#include "arch-x86_64/uaccess.h"
#include "kernel/task/unistd.h"

typedef long (*syscall_fn_t)(u64, u64, u64, u64, u64, u64);
struct syscall_entry { unsigned int nr; syscall_fn_t fn; const char *name; };

#define __SC_HEAD(name)									\
	static long __se_sys_##name(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);	\
	static const struct syscall_entry __sysent_##name __used __aligned(8) __section(".syscalls") =	\
		{ __NR_##name, __se_sys_##name, #name };				\
	static long __se_sys_##name(u64 a0 __unused, u64 a1 __unused, u64 a2 __unused,	\
				    u64 a3 __unused, u64 a4 __unused, u64 a5 __unused)

#define SYSCALL_DEFINE0(name)								\
	static long __do_sys_##name(void);						\
	__SC_HEAD(name) { return __do_sys_##name(); }					\
	static long __do_sys_##name(void)
#define SYSCALL_DEFINE1(name, t0, n0)							\
	static long __do_sys_##name(t0 n0);						\
	__SC_HEAD(name) { return __do_sys_##name((t0)a0); }				\
	static long __do_sys_##name(t0 n0)
#define SYSCALL_DEFINE2(name, t0, n0, t1, n1)						\
	static long __do_sys_##name(t0 n0, t1 n1);					\
	__SC_HEAD(name) { return __do_sys_##name((t0)a0, (t1)a1); }			\
	static long __do_sys_##name(t0 n0, t1 n1)
#define SYSCALL_DEFINE3(name, t0, n0, t1, n1, t2, n2)					\
	static long __do_sys_##name(t0 n0, t1 n1, t2 n2);				\
	__SC_HEAD(name) { return __do_sys_##name((t0)a0, (t1)a1, (t2)a2); }		\
	static long __do_sys_##name(t0 n0, t1 n1, t2 n2)
#define SYSCALL_DEFINE4(name, t0, n0, t1, n1, t2, n2, t3, n3)				\
	static long __do_sys_##name(t0 n0, t1 n1, t2 n2, t3 n3);			\
	__SC_HEAD(name) { return __do_sys_##name((t0)a0, (t1)a1, (t2)a2, (t3)a3); }	\
	static long __do_sys_##name(t0 n0, t1 n1, t2 n2, t3 n3)
#define SYSCALL_DEFINE5(name, t0, n0, t1, n1, t2, n2, t3, n3, t4, n4)			\
	static long __do_sys_##name(t0 n0, t1 n1, t2 n2, t3 n3, t4 n4);			\
	__SC_HEAD(name) { return __do_sys_##name((t0)a0, (t1)a1, (t2)a2, (t3)a3, (t4)a4); } \
	static long __do_sys_##name(t0 n0, t1 n1, t2 n2, t3 n3, t4 n4)
#define SYSCALL_DEFINE6(name, t0, n0, t1, n1, t2, n2, t3, n3, t4, n4, t5, n5)		\
	static long __do_sys_##name(t0 n0, t1 n1, t2 n2, t3 n3, t4 n4, t5 n5);		\
	__SC_HEAD(name) { return __do_sys_##name((t0)a0, (t1)a1, (t2)a2, (t3)a3, (t4)a4, (t5)a5); } \
	static long __do_sys_##name(t0 n0, t1 n1, t2 n2, t3 n3, t4 n4, t5 n5)

/* Called by the syscall entry code (entry.S) with interrupts on; the result is in regs->ax afterwards. */
struct pt_regs;
void do_syscall_64(struct pt_regs *regs);
/* Boot: fill the table. Panics if two entries claim one number. */
void syscall_table_init(void);
/* signal.c of the architecture: deliver pending signals, or restart the system call that one interrupted. */
void arch_do_signal_or_restart(struct pt_regs *regs);
/* Before each return to user mode with work pending (TIF flags or need_resched): signals, rescheduling. */
void exit_to_user_mode_work(struct pt_regs *regs);

#endif
