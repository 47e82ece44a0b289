/*
 * kernel/task/signal.h - signals and what the threads of a process share.
 *
 * Lock: sighand->siglock (spinlock, irqsave; also taken from timers). Order: tasklist_lock > siglock > rq lock.
 */
#ifndef KERNEL_TASK_SIGNAL_H
#define KERNEL_TASK_SIGNAL_H

#include "arch-x86_64/ptrace.h"
#include "kernel/sched/sched.h"

#define _NSIG 64
enum { SIGHUP = 1, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGUSR1, SIGSEGV, SIGUSR2,
       SIGPIPE, SIGALRM, SIGTERM, SIGSTKFLT, SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGXCPU,
       SIGXFSZ, SIGVTALRM, SIGPROF, SIGWINCH, SIGIO, SIGPWR, SIGSYS, SIGRTMIN = 32 };
#define sigmask(n) (1ULL << ((n) - 1))
#define SIG_DFL ((void __user *)0)
#define SIG_IGN ((void __user *)1)
#define SA_NOCLDSTOP 0x1u
#define SA_NOCLDWAIT 0x2u
#define SA_SIGINFO   0x4u
#define SA_RESTORER  0x04000000u
#define SA_ONSTACK   0x08000000u
#define SA_RESTART   0x10000000u
#define SA_NODEFER   0x40000000u
#define SA_RESETHAND 0x80000000u
#define SI_USER 0
#define SI_KERNEL 0x80
#define SI_QUEUE -1
#define SI_TIMER -2
#define SI_TKILL -6

/* The user's layout (128 bytes). */
typedef struct siginfo {
	int si_signo, si_errno, si_code, __pad0;
	union {
		struct { pid_t pid; uid_t uid; union { int status; void __user *value; }; s64 utime, stime; } k;
		struct { void __user *addr; short addr_lsb; } fault;
		struct { int tid, overrun; void __user *value; } timer;
		char __pad[112];
	};
} siginfo_t;
static_assert(sizeof(siginfo_t) == 128, "siginfo is 128 bytes for user programs");

struct sigaction_k { void __user *handler; unsigned long flags; void __user *restorer; u64 mask; };	/* the user's layout */
struct ksignal { struct sigaction_k ka; siginfo_t info; int sig; };

struct sighand_struct {
	spinlock_t siglock;
	atomic_t count;
	struct sigaction_k action[_NSIG];
};

struct rlimit { u64 rlim_cur, rlim_max; };
enum { RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_CORE, RLIMIT_RSS, RLIMIT_NPROC, RLIMIT_NOFILE, RLIMIT_MEMLOCK,
       RLIMIT_AS, RLIMIT_LOCKS, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO, RLIMIT_RTTIME, RLIM_NLIMITS };
#define RLIM_INFINITY (~0ULL)

struct tty_struct;
/* One per process. P: tasklist_lock  S: siglock */
struct signal_struct {
	atomic_t sigcnt, live;
	int nr_threads;			/* P */
	struct list_head thread_head;	/* P: all threads, by task->thread_node */
	wait_queue_head_t wait_chldexit;	/* wait4 sleeps here; pidfd polls wait on struct pid */
	struct sigpending shared_pending;	/* S */
	int group_exit_code;		/* S */
	struct task_struct *group_exec_task;	/* S: exec is killing the other threads */
	unsigned int flags;		/* S: SIGNAL_* */
	int group_stop_count;		/* S */
	struct pid *pids[4];		/* P: indexed by PIDTYPE_TGID, PGID, SID */
	struct tty_struct *tty;		/* S: controlling terminal */
	int leader;			/* session leader */
	struct rlimit rlim[RLIM_NLIMITS];	/* alloc_lock of the group leader */
	u64 utime_ns, stime_ns, cutime_ns, cstime_ns;	/* P: of dead threads; of waited-for children */
	u64 min_flt, maj_flt, cmin_flt, cmaj_flt, nvcsw, nivcsw, cnvcsw, cnivcsw;	/* P */
	unsigned long maxrss, cmaxrss;	/* KiB */
	struct hrtimer real_timer;	/* ITIMER_REAL */
	u64 real_interval;
	bool real_expired;		/* S: it fired, and its SIGALRM was not taken yet */
	u64 it_virt[2], it_prof[2];	/* value, interval in ns: checked in the tick */
	struct list_head posix_timers;
	int oom_score_adj, oom_score_adj_min;
	bool oom_flag_origin;		/* in swapoff: the first choice of the OOM killer (RCL-30) */
	bool is_child_subreaper;
	struct task_struct *leader_task;	/* the group leader; changes in de_thread only, see there */
	unsigned int group_kill_seq;	/* S: signals sent to this process as one of several: fork looks at it */
	u64 sum_exec_ns;		/* P: of dead threads */
	u64 rchar, wchar, syscr, syscw;	/* P: of dead threads */
	bool cpu_timers;		/* S: it_virt, it_prof or RLIMIT_CPU are to be checked in the tick */
	u64 cpu_limit_next_ns;		/* S: process CPU time at which RLIMIT_CPU sends its next SIGXCPU */
};
#define SIGNAL_STOP_STOPPED	1u
#define SIGNAL_STOP_CONTINUED	2u
#define SIGNAL_GROUP_EXIT	4u
#define SIGNAL_CLD_STOPPED	0x10u
#define SIGNAL_CLD_CONTINUED	0x20u
#define SIGNAL_UNKILLABLE	0x40u	/* init: signals without handler are ignored, SIGKILL too */

static inline u64 rlimit(unsigned int what) { return READ_ONCE(current->signal->rlim[what].rlim_cur); }

#define SEND_SIG_NOINFO ((siginfo_t *)0)
#define SEND_SIG_PRIV	((siginfo_t *)1)
/* Send. Any context except NMI (info: NULL = SI_USER from current, (void *)1 = from the kernel). 0 or -errno. */
int send_sig_info(int sig, siginfo_t *info, struct task_struct *t, bool group);
int send_sig(int sig, struct task_struct *t, int priv);
/* In interrupts, or with them off, a kernel thread does it a moment later: it needs tasklist_lock. */
int kill_pgrp(struct pid *pgrp, int sig, int priv);
int kill_pid_info(int sig, siginfo_t *info, struct pid *pid);
/*
 * T's siglock, interrupts off, with t->sighand stable; T must be referenced, current, or found under
 * tasklist_lock. Works in interrupts.
 */
struct sighand_struct *lock_task_sighand(struct task_struct *t, unsigned long *flags);
void unlock_task_sighand(struct task_struct *t, unsigned long flags);
/* A fault of the running task: delivered even if blocked or ignored (then it kills). */
void force_sig(int sig);
void force_sig_fault(int sig, int code, void __user *addr);
/* Recompute TIF_SIGPENDING. => siglock held */
void recalc_sigpending(void);
void set_current_blocked(u64 set);	/* never blocks KILL and STOP */
/* For the return path: next signal with a handler into KSIG; handles stops and default actions itself. */
bool get_signal(struct ksignal *ksig);
/* The frame was built (FAILED: could not be: SIGSEGV). Blocks the mask, RESETHAND, altstack state. */
void signal_setup_done(bool failed, struct ksignal *ksig);
void restore_saved_sigmask(void);
/* sigsuspend and its like: install SET until the call returns; saved_sigmask is put back on the way out. */
void set_user_sigmask_until_return(u64 set);
/* After such a call: put the mask back now, unless INTERRUPTED (then the signal's delivery does it). */
void restore_saved_sigmask_unless(bool interrupted);
/* True if the process of the current task is orphaned in the sense of job control (no one could continue it). */
bool is_current_pgrp_orphaned(void);
/* True if the current task blocks or ignores SIG (tty job control). */
bool sig_blocked_or_ignored(int sig);
void flush_signal_handlers(struct task_struct *t, bool force_default);
void signal_wake_up(struct task_struct *t, bool fatal);
void do_group_exit(int exit_code) __noreturn;	/* exit_code: wait status */
void do_exit(long code) __noreturn;
/* exec: make the current thread the only one of its group. 0 or -EAGAIN. */
int de_thread(void);

#define SS_ONSTACK 1
#define SS_DISABLE 2
#define SS_AUTODISARM (1u << 31)
static inline bool on_sig_stack(unsigned long sp)
{
	return sp > current->sas_ss_sp && sp - current->sas_ss_sp <= current->sas_ss_size;
}

#endif
