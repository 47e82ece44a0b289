/*
 * kernel/sched/sched.h - the task, and what the scheduler offers.
 *
 * A task is one thread of control: a user thread or a kernel thread. Threads of a process share mm, files,
 * fs, sighand and signal (kernel/task/signal.h). The scheduler has one run queue per CPU.
 */
#ifndef KERNEL_SCHED_SCHED_H
#define KERNEL_SCHED_SCHED_H

#include "arch-x86_64/percpu.h"
#include "kernel/lib/atomic.h"
#include "kernel/lib/list.h"
#include "kernel/lib/rbtree.h"
#include "kernel/locking/spinlock.h"
#include "kernel/locking/wait.h"
#include "kernel/sched/time.h"

struct mm_struct;
struct files_struct;
struct fs_struct;
struct signal_struct;
struct sighand_struct;
struct pid;
struct pt_regs;

/* task->__state: one of these; what /proc shows as R S D T Z X (I for idle kernel threads). */
#define TASK_RUNNING		0x00
#define TASK_INTERRUPTIBLE	0x01
#define TASK_UNINTERRUPTIBLE	0x02
#define TASK_STOPPED		0x04
#define TASK_WAKEKILL		0x100	/* a fatal signal wakes it */
#define TASK_NOLOAD		0x400
#define TASK_DEAD		0x80	/* scheduled away for the last time */
#define TASK_KILLABLE		(TASK_WAKEKILL | TASK_UNINTERRUPTIBLE)
#define TASK_IDLE		(TASK_UNINTERRUPTIBLE | TASK_NOLOAD)
#define TASK_NORMAL		(TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE)
/* task->policy */
#define SCHED_OTHER	0
#define SCHED_BATCH	3
#define SCHED_IDLE	5
/* task->exit_state */
#define EXIT_ZOMBIE	0x20
#define EXIT_DEAD	0x10

/* task->flags (owner writes, others read) */
#define PF_IDLE		0x00000002
#define PF_EXITING	0x00000004
#define PF_FORKNOEXEC	0x00000040
#define PF_MEMALLOC	0x00000800	/* may use the last reserves; allocation must not reclaim (RCL-12) */
#define PF_KTHREAD	0x00200000
#define PF_VFORK	0x00400000	/* vfork child before exec or exit */

/* task->ti_flags, atomic bits: work to do before returning to user mode. */
#define TIF_SIGPENDING	0
#define TIF_NOTIFY_SIGNAL 1
#define TIF_MEMDIE	2		/* OOM victim: reserves allowed (RCL-9) */

#define TASK_COMM_LEN	16
#ifndef CONFIG_KASAN
#define THREAD_SIZE	16384		/* kernel stack, bytes; guard page below */
#else
#define THREAD_SIZE	32768		/* with red zones around variables */
#endif
#define LOCKDEP_MAX_HELD 48

/* Saved by switch.S: the kernel stack pointer; callee-saved registers are on that stack. */
struct thread_struct {
	unsigned long sp;
	unsigned long sp0;		/* top of the kernel stack: where the CPU enters from user mode */
	unsigned long fsbase, gsbase;	/* user's */
	void *fpu_state;		/* 64-byte aligned XSAVE or FXSAVE area; NULL for kernel threads */
	unsigned long trap_nr, error_code, cr2;	/* of the last fault, for the signal frame */
};

struct held_lock {
	struct lock_class *class;
	const void *lock;
	unsigned long ip;
	u8 subclass, read, try;
};

/*
 * Locks:  R: run-queue lock   P: tasklist_lock   S: sighand lock   A: alloc_lock   o: only the task itself
 *	   c: constant once the task is visible   a: atomic
 */
struct task_struct {
	/* Scheduling. */
	unsigned int __state;		/* set by the task itself, to running by the waker under R */
	int on_rq, on_cpu;		/* R */
	int cpu;			/* R: where it runs or waits */
	int static_prio;		/* 100..139: 120 + nice; R */
	int policy;			/* SCHED_*; may be written at any time */
	unsigned long cpus_allowed;	/* R: never without an online CPU */
	u64 vruntime;			/* R */
	u64 slice_start_ns, sum_exec_ns;	/* R: CPU time when its turn began; CPU time so far */
	u64 utime_ns, stime_ns;		/* written by the tick and the entry code on its CPU */
	u64 start_time_ns;		/* c: boot clock */
	u64 moved_ns;			/* R: when it was last pulled to another CPU */
	u64 nvcsw, nivcsw;		/* o */
	u64 rchar, wchar, syscr, syscw;	/* o: for /proc/PID/io; read and write calls count here */
	struct rb_node run_node;	/* R */
	int preempt_count_saved;	/* preempt_count while not running: always 1 */
	unsigned int flags;		/* o: PF_* */
	struct { unsigned long cpus; bool dirty; } tlb_ubc;	/* own: TLB flushes it owes (mm/try_to_unmap.c) */
	struct { const char *why; unsigned long pfn; } compact_refusal;	/* o: see mm/why_not_huge.h */
	bool mid_kernel;		/* o: last switched away in the middle of kernel code: preempted there, or asleep */
	unsigned long ti_flags;		/* a: TIF_* */
	void *stack;			/* c: lowest address of the kernel stack */
	atomic_t usage;			/* references to this structure: get_task_struct, put_task_struct */

	/* Identity and family. */
	pid_t pid, tgid;		/* c */
	struct pid *thread_pid;		/* c */
	struct list_head pid_links[4];	/* P: in struct pid's lists, by pid_type */
	char comm[TASK_COMM_LEN];	/* A */
	struct task_struct *real_parent, *parent;	/* P: parent == real_parent: no ptrace */
	struct list_head children, sibling;	/* P */
	struct task_struct *group_leader;	/* P */
	struct list_head thread_node;	/* P: in signal->thread_head */
	struct list_head tasks;		/* P: all group leaders, from init_task.tasks */
	int exit_state, exit_code, exit_signal;	/* P */
	const struct cred *cred;	/* A: never NULL; see kernel/task/cred.h */

	/* Memory. */
	struct mm_struct *mm;		/* A: NULL for kernel threads and after exit_mm */
	struct mm_struct *active_mm;	/* whose tables are loaded */
	u64 min_flt, maj_flt;		/* o: FLT-2 */
	int rss_cached[4];
	int pagefault_disabled;		/* o */

	/* Shared with threads of the process (or not: CLONE_FILES, CLONE_FS). */
	struct files_struct *files;	/* A */
	struct fs_struct *fs;		/* A */
	struct signal_struct *signal;
	struct sighand_struct *sighand;

	/* Signals: kernel/task/signal.h. */
	u64 blocked, real_blocked, saved_sigmask;	/* S, o */
	bool restore_sigmask;		/* o: sigsuspend and ppoll: put saved_sigmask back after the handler */
	struct sigpending { struct list_head list; u64 signal; } pending;	/* S */
	unsigned long sas_ss_sp;	/* o: sigaltstack */
	size_t sas_ss_size;
	unsigned int sas_ss_flags;
	unsigned int jobctl;		/* S: stop bookkeeping */
	int pdeath_signal;		/* o: sent to it when its parent ends (prctl) */
	unsigned int personality;	/* o: kept for personality(2), no effect */
	bool no_new_privs;		/* o: exec changes no ids (prctl) */
	struct restart_block {		/* o: for restart_syscall */
		long (*fn)(struct restart_block *);
		u64 a, b, c, d;
	} restart_block;

	/* Threads. */
	int __user *set_child_tid, *clear_child_tid;	/* o */
	void __user *robust_list;	/* o */
	void *pi_state;			/* unused: PI futexes answer ENOSYS */
	struct completion *vfork_done;	/* A: set in a vfork child */

	spinlock_t alloc_lock;		/* A */
	struct thread_struct thread;	/* o, and the switch code */

	/* lockdep */
	int lockdep_depth;		/* o */
	int lockdep_recursion;
	struct held_lock held_locks[LOCKDEP_MAX_HELD];
	struct kthread *kthread;	/* what kthread_run made; NULL for all other tasks */
	const void *inside[3];		/* o: kernel/trace/concurrency.h; others look */
	const char *wchan;		/* o: pause point or wait the task sleeps at, for /proc */
};

DECLARE_PER_CPU(struct task_struct *, current_task);
#define current this_cpu_read(current_task)

extern struct task_struct init_task;	/* CPU 0's idle task; head of the task list */
/* The family fields, exit states. Never taken in interrupts: plain spin_lock. Outside siglock and alloc_lock. */
extern spinlock_t tasklist_lock;

static inline void get_task_struct(struct task_struct *t) { atomic_inc(&t->usage); }
/* The last put frees stack and structure; any context with interrupts on. */
void put_task_struct(struct task_struct *t);

static inline bool signal_pending(struct task_struct *t) { return test_bit(TIF_SIGPENDING, &t->ti_flags); }
/* SIGKILL is pending (or the group is exiting): give up waits and long work. */
bool fatal_signal_pending(struct task_struct *t);
static inline bool signal_pending_state(unsigned int state, struct task_struct *t)
{
	if (!(state & (TASK_INTERRUPTIBLE | TASK_WAKEKILL)) || !signal_pending(t))
		return false;
	return (state & TASK_INTERRUPTIBLE) || fatal_signal_pending(t);
}

/* Give up the CPU: to run again later (state RUNNING) or after wake_up_process. May sleep. */
void schedule(void);
/* The same while a device works for us: the CPU's idle time counts as iowait, the task as blocked. */
void io_schedule(void);
/* Set the state, sleep until woken or until NS nanoseconds passed; returns what is left (0: timed out). */
s64 schedule_timeout_ns(s64 ns);
/* Uninterruptible sleep of at least MS milliseconds. Kernel threads only: a wait for a state is better. */
void msleep(unsigned int ms);
/* Store with a barrier, as sleepers need it between announcing and testing. */
#define set_current_state(s) do { WRITE_ONCE(current->__state, (s)); smp_mb(); } while (0)
#define __set_current_state(s) WRITE_ONCE(current->__state, (s))
/* For states whose sleeper does not test again (STOPPED): no wake-up that was under way can undo it. */
void set_special_state(unsigned int state);
/* Make T runnable if it is in one of the states of MASK. True if it was. Any context. */
bool try_to_wake_up(struct task_struct *t, unsigned int mask);
static inline bool wake_up_process(struct task_struct *t) { return try_to_wake_up(t, TASK_NORMAL); }
static inline bool wake_up_state(struct task_struct *t, unsigned int mask) { return try_to_wake_up(t, mask); }
/* First wake-up of a forked task: chooses its CPU. */
void wake_up_new_task(struct task_struct *t);
/* Prepare the scheduling part of a new task (state RUNNING, not on a queue). */
void sched_fork(struct task_struct *child);
/* Let others run if they want to: for long loops, no lock held. */
void cond_resched(void);
/* sched_yield(2). */
void yield(void);
/* Move T to allowed CPUs only; waits until it has left the others. 0 or -EINVAL for an empty set. */
int set_cpus_allowed(struct task_struct *t, unsigned long mask);
void set_user_nice(struct task_struct *t, int nice);
/* The running task dies here: never returns; the next task drops its last scheduler reference. */
void do_task_dead(void) __noreturn;

/* The boot thread has become the idle task: from now on sleeping is possible. */
extern bool sched_started;
/* Boot: run queue of CPU 0 and init_task; then each AP's idle task (from smp.c); the idle loop itself. */
void sched_init(void);
struct task_struct *idle_task_create(int cpu);
void cpu_idle_loop(void) __noreturn;
/* Timer interrupt, once per tick on each CPU, interrupts off; USER: it hit user mode. */
void sched_tick(bool user);
/* Load and statistics for /proc. */
u64 nr_context_switches(void);
unsigned int nr_running(void);
void get_avenrun(unsigned long load[3]);	/* fixed point, 11 bits of fraction, as Linux */
/* CPU time of T in ns, to the moment. */
u64 task_sched_runtime(struct task_struct *t);
/* The same, parted into user and system time in the proportion that the ticks saw. */
void task_cputime_adjusted(struct task_struct *t, u64 *ut, u64 *st);
struct cpu_times { u64 user, nice, system, idle, iowait, irq; };	/* ns */
void get_cpu_times(int cpu, struct cpu_times *t);
/* An interrupt took NS on this CPU. => interrupts off */
void account_irq(u64 ns);

/*
 * Kernel threads. FN(ARG) runs in process context; when it returns, the thread is gone. kthread_run starts
 * it at once; NULL if there is no memory. kthread_stop sets the flag, wakes it and waits until it is gone.
 */
struct task_struct *kthread_run(int (*fn)(void *), void *arg, const char *namefmt, ...) __printf(3, 4);
bool kthread_should_stop(void);
int kthread_stop(struct task_struct *t);

/* switch.S: saves PREV's stack, goes on with NEXT's; returns, as NEXT, the task that ran before. */
struct task_struct *__switch_to_asm(struct task_struct *prev, struct task_struct *next);
/* Finishes a switch, on the new stack: from schedule() and from the first instructions of a new task. */
void schedule_tail(struct task_struct *prev);
/*
 * arch: set up CHILD's kernel stack so that it first runs FN(ARG) (kernel thread) or, with FN == NULL,
 * returns to user mode with a copy of the current task's registers, rax = 0, and SP if not 0.
 */
void copy_thread(struct task_struct *child, unsigned long sp, int (*fn)(void *), void *arg);

#endif
