/*
 * kernel/task/internal.h - what the files of kernel/task tell each other.
 *
 *	fork.c	    a task is made			exit.c	  it ends, and is released
 *	exec.c	    it becomes another program		wait.c	  its parent looks at it
 *	  binfmt_elf.c, binfmt_script.c			signal_send.c, signal.c  to whom; what becomes of it
 *	cred.c pid.c pidfd.c pgrp.c rlimit.c prctl.c	  signal_syscalls.c
 *	futex.c robust.c timers.c			proc_task.c proc_kernel.c  what /proc shows of it
 */
#ifndef KERNEL_TASK_INTERNAL_H
#define KERNEL_TASK_INTERNAL_H

#include "kernel/fs/fs.h"
#include "kernel/task/cred.h"
#include "kernel/task/pid.h"
#include "kernel/task/signal.h"

struct seq_file;

/* ---- fork.c ---- */
#define CLONE_VM		0x00000100UL
#define CLONE_FS		0x00000200UL
#define CLONE_FILES		0x00000400UL
#define CLONE_SIGHAND		0x00000800UL
#define CLONE_PIDFD		0x00001000UL
#define CLONE_PTRACE		0x00002000UL
#define CLONE_VFORK		0x00004000UL
#define CLONE_PARENT		0x00008000UL
#define CLONE_THREAD		0x00010000UL
#define CLONE_SYSVSEM		0x00040000UL
#define CLONE_SETTLS		0x00080000UL
#define CLONE_PARENT_SETTID	0x00100000UL
#define CLONE_CHILD_CLEARTID	0x00200000UL
#define CLONE_DETACHED		0x00400000UL
#define CLONE_UNTRACED		0x00800000UL
#define CLONE_CHILD_SETTID	0x01000000UL
#define CLONE_CLEAR_SIGHAND	0x100000000ULL
/* Name spaces of every kind, cgroups: not here. */
#define CLONE_UNSUPPORTED	(0x7e020000UL | 0x200000000ULL | 0x00000080UL)

extern int nr_threads, max_threads;	/* tasklist_lock; limit of /proc/sys/kernel/threads-max */
extern u64 total_forks;			/* tasklist_lock: "processes" of /proc/stat */
/* The current mm is left for good: futexes that threads wait for, the vfork parent. FOR_EXIT or for exec. */
void mm_release(bool for_exit);
void put_signal_struct(struct signal_struct *sig);
struct sighand_struct *alloc_sighand_like(struct sighand_struct *old);
void put_sighand_struct(struct sighand_struct *sh);

/* ---- exit.c ---- */
void release_task(struct task_struct *t);
void set_task_comm(struct task_struct *t, const char *name);
void get_task_comm(char buf[TASK_COMM_LEN], struct task_struct *t);
/* Wake who waits for the end of T's process by pidfd or wait4. => tasklist_lock */
void wake_up_parent(struct task_struct *t, struct task_struct *parent);
bool is_orphaned_pgrp(struct pid *pgrp);	/* => tasklist_lock */

/* ---- signal.c, signal_send.c ---- */
/* task->jobctl */
#define JOBCTL_STOP_SIGMASK	0xffffu		/* the signal that started the stop */
#define JOBCTL_STOP_DEQUEUED	0x10000u	/* a stop signal was taken, and no SIGCONT came since */
#define JOBCTL_STOP_PENDING	0x20000u	/* shall take part in a stop */
#define JOBCTL_STOP_CONSUME	0x40000u	/* is counted in group_stop_count */
#define JOBCTL_PENDING_MASK	(JOBCTL_STOP_PENDING | JOBCTL_STOP_CONSUME | JOBCTL_STOP_SIGMASK)
#define SIGNAL_STOP_MASK (SIGNAL_CLD_STOPPED | SIGNAL_CLD_CONTINUED | SIGNAL_STOP_STOPPED | \
			  SIGNAL_STOP_CONTINUED)
#define SIG_KERNEL_ONLY_MASK	(sigmask(SIGKILL) | sigmask(SIGSTOP))
#define SIG_KERNEL_STOP_MASK	(sigmask(SIGSTOP) | sigmask(SIGTSTP) | sigmask(SIGTTIN) | sigmask(SIGTTOU))
#define SIG_KERNEL_IGNORE_MASK	(sigmask(SIGCONT) | sigmask(SIGCHLD) | sigmask(SIGWINCH) | sigmask(SIGURG))
#define CLD_EXITED	1
#define CLD_KILLED	2
#define CLD_STOPPED	5
#define CLD_CONTINUED	6
#define SEGV_MAPERR	1
#define valid_signal(sig) ((unsigned int)(sig) <= _NSIG)

struct posix_timer;
struct sigqueue {
	struct list_head list;		/* S */
	siginfo_t info;
	struct user_struct *user;	/* whose sigpending it counts in */
	struct posix_timer *timer;	/* S: whose it is; not freed when delivered */
};
/* Drop all signals of P. => siglock, or P can no longer be found */
void flush_sigqueue(struct sigpending *p);
/* Drop the signals of MASK from the pending sets of the whole group. => siglock */
void flush_sigqueue_mask_group(u64 mask, struct task_struct *t);
/* Take the next signal that MASK (blocked ones) lets through. 0: none. => siglock; current */
int dequeue_signal(u64 mask, siginfo_t *info);
/* As send_sig_info, with the permission check of kill(2); also SIG 0. => T referenced or tasklist_lock */
int group_send_sig_info(int sig, siginfo_t *info, struct task_struct *t);
int check_kill_permission(int sig, siginfo_t *info, struct task_struct *t);
int do_send_sig_info(int sig, siginfo_t *info, struct task_struct *t, bool group);
/* A timer's entry. SENT, or what became of it instead. Works in interrupts. */
enum sigqueue_result { SIGQUEUE_SENT, SIGQUEUE_ALREADY, SIGQUEUE_IGNORED };
enum sigqueue_result send_sigqueue(struct sigqueue *q, struct task_struct *t, bool group);
struct sigqueue *sigqueue_alloc_for_timer(struct posix_timer *timer);	/* NULL: limit or no memory */
void sigqueue_release_from_timer(struct sigqueue *q);	/* freed now, or when it was delivered */
void sigqueue_free(struct sigqueue *q);
/*
 * The one door for all signals. FORCE: also to init. 0, or -EAGAIN (queue of a real-time signal full).
 * => siglock
 */
int send_signal_locked(int sig, const siginfo_t *info, struct task_struct *t, bool group, bool force);
int kill_pgrp_info_locked(int sig, siginfo_t *info, struct pid *pgrp);	/* => tasklist_lock */
/* Tell T's parent that it ended by SIG_TO_SEND; true if it shall reap itself. => tasklist_lock */
bool do_notify_parent(struct task_struct *t, int sig_to_send);
/* SIGKILL for all other threads of the group; how many. => siglock */
int zap_other_threads(struct task_struct *t);
void exit_signals(struct task_struct *t);
void ignore_signals(struct task_struct *t);
u64 sigset_from_user_size(const void __user *p, size_t size, int *err);

/* ---- exec.c and the formats ---- */
#define BINPRM_BUF_SIZE 256
#define MAX_ARG_STRLEN	(32 * PAGE_SIZE)
struct linux_binprm {
	struct file *file;		/* what is mapped: the program, or the script's interpreter */
	char *filename;			/* as the caller named it: AT_EXECFN and comm */
	const char *interp;		/* path of FILE: filename, or */
	char interp_buf[BINPRM_BUF_SIZE];	/* as a script gave it */
	char buf[BINPRM_BUF_SIZE];	/* the first bytes of FILE, zero filled */
	struct mm_struct *mm;		/* the new one, until exec_mmap */
	struct cred *cred;		/* new ids (set-uid program), or NULL */
	bool secure;			/* AT_SECURE */
	bool point_of_no_return;
	/* Strings: PREFIX (put there by scripts), then pages of argv from SKIP on, then of envp. */
	char *prefix;
	size_t prefix_len;
	struct page **pages;
	unsigned int nr_pages;
	size_t skip, len, argv_end, limit;	/* bytes in PAGES */
	int argc, envc;
	/* After setup_arg_strings: where they are in the new stack. */
	unsigned long p, arg_start, arg_end, env_end, exec_fn;
};
/* 0, -ENOEXEC: not this format, or another error. A script changes file and strings and returns 1: again. */
int load_elf_binary(struct linux_binprm *bprm);
int load_script(struct linux_binprm *bprm);
/* Point of no return: other threads gone, new mm active, handlers reset. 0 or -errno (then maybe past it). */
int begin_new_exec(struct linux_binprm *bprm);
/* Copy the strings to the top of the new stack; sets p .. exec_fn. 0 or -errno. */
int setup_arg_strings(struct linux_binprm *bprm);
struct file *open_exec(const char *name);
int prepare_binprm(struct linux_binprm *bprm);

/* ---- futex.c, robust.c ---- */
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define FUTEX_WAITERS		0x80000000u
#define FUTEX_OWNER_DIED	0x40000000u
#define FUTEX_TID_MASK		0x3fffffffu
/* Wake up to NR waiters of the word at UADDR whose bits meet BITSET: how many, or -errno. May sleep. */
int futex_wake(u32 __user *uaddr, bool shared, int nr, u32 bitset);
void exit_robust_list(struct task_struct *t);

/* ---- timers.c ---- */
void it_real_fn(struct hrtimer *timer);
void it_real_rearm(struct signal_struct *sig);	/* SIGALRM was taken: start the next interval. => siglock */
u64 timespec_to_ns_sat(const struct timespec64 *ts);	/* at most KTIME_MAX */
/* ---- posix_timers.c ---- */
void exit_itimers(struct signal_struct *sig);	/* all of them: the last thread ends, or exec. May sleep */
void posix_timer_requeue(struct posix_timer *timer, siginfo_t *info);	/* its signal is being taken. => siglock */
/* CPU time of all threads of T's process, living and dead. => siglock of the group, or a hint */
void thread_group_cputime(struct task_struct *t, u64 *utime, u64 *stime, u64 *sum_exec);
void update_rlimit_cpu(struct signal_struct *sig);

/* ---- rlimit.c ---- */
struct rusage_k {
	s64 ru_utime[2], ru_stime[2];
	long ru_maxrss, ru_ixrss, ru_idrss, ru_isrss, ru_minflt, ru_majflt, ru_nswap, ru_inblock, ru_oublock;
	long ru_msgsnd, ru_msgrcv, ru_nsignals, ru_nvcsw, ru_nivcsw;
};
#define RUSAGE_SELF	0
#define RUSAGE_CHILDREN	-1
#define RUSAGE_BOTH	-2
#define RUSAGE_THREAD	1
/* Fill R for T as WHO says; times and counts only grow. */
void get_rusage(struct task_struct *t, int who, struct rusage_k *r);
static inline u64 ns_to_clock_t(u64 ns) { return ns / (NSEC_PER_SEC / USER_HZ); }

/* ---- pid.c ---- */
extern struct pid init_struct_pid;
extern int pid_max;
struct pid *alloc_pid_nr(pid_t nr);	/* this number, or the next free one if NR is 0 */
void free_pid(struct pid *p);		/* nobody bears it (any more). => tasklist_lock */
extern pid_t last_pid;			/* for /proc/loadavg */
/* Thread numbers of a de_thread. */
void transfer_pid(struct task_struct *from, struct task_struct *to, enum pid_type type);
void exchange_pids(struct task_struct *a, struct task_struct *b);
/*
 * A file for PID (which it references) and a close-on-exec number reserved for it: the number, or -errno. The
 * caller ends it by fd_install(), or by put_unused_fd() and fput().
 */
int pidfd_prepare(struct pid *pid, unsigned int flags, struct file **file);
/* As pidfd_get_pid(); *FLAGS becomes the f_flags of the descriptor's file. */
struct pid *pidfd_get_pid_flags(int fd, unsigned int *flags);

/* ---- misc ---- */
extern char utsname_nodename[65], utsname_domainname[65];
/* Set one of the two to TEXT, at most 64 bytes of it. */
void uts_set(char *name, const char *text);
#define UTS_RELEASE "7.1.0-quire"
#define UTS_VERSION "#1 SMP PREEMPT"

#endif
