/*
 * kernel/task/signal_syscalls.c - the system calls about signals: handlers, masks, waiting, sending.
 *
 * rt_sigreturn is arch-x86_64/signal.c, since it undoes the frame made there. Linux: kernel/signal.c.
 */
#include "arch-x86_64/ptrace.h"
#include "kernel/lib/err.h"
#include "kernel/lib/string.h"
#include "kernel/task/internal.h"
#include "kernel/task/syscall.h"

#define SIGSET_SIZE 8
#define SIG_BLOCK   0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2
#define SA_KNOWN (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_RESTORER | SA_ONSTACK | SA_RESTART | \
		  SA_NODEFER | SA_RESETHAND)

/* ---- Handlers ---- */

SYSCALL_DEFINE4(rt_sigaction, int, sig, const struct sigaction_k __user *, act,
		struct sigaction_k __user *, oact, size_t, size)
{
	struct sigaction_k new, old, *k;

	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (act && copy_from_user(&new, act, sizeof(new)))
		return -EFAULT;
	if (sig < 1 || !valid_signal(sig) || (act && (sigmask(sig) & SIG_KERNEL_ONLY_MASK)))
		return -EINVAL;
	k = &current->sighand->action[sig - 1];
	spin_lock_irq(&current->sighand->siglock);
	old = *k;
	if (act) {
		new.flags &= SA_KNOWN;		/* so that programs can find out what we know */
		new.mask &= ~SIG_KERNEL_ONLY_MASK;
		*k = new;
		/* POSIX: what is ignored from now on is not kept pending either, blocked or not. */
		if (new.handler == SIG_IGN ||
		    (new.handler == SIG_DFL && (sigmask(sig) & SIG_KERNEL_IGNORE_MASK)))
			flush_sigqueue_mask_group(sigmask(sig), current);
	}
	spin_unlock_irq(&current->sighand->siglock);
	return oact && copy_to_user(oact, &old, sizeof(old)) ? -EFAULT : 0;
}

struct stack_k { void __user *sp; int flags; size_t size; };

SYSCALL_DEFINE2(sigaltstack, const struct stack_k __user *, uss, struct stack_k __user *, uoss)
{
	bool on_it = !(current->sas_ss_flags & SS_AUTODISARM) && on_sig_stack(current_pt_regs()->sp);
	struct stack_k new, old;

	memset(&old, 0, sizeof(old));
	old.sp = (void __user *)current->sas_ss_sp;
	old.size = current->sas_ss_size;
	old.flags = (current->sas_ss_flags & SS_AUTODISARM) |
		    (!current->sas_ss_size ? SS_DISABLE : on_it ? SS_ONSTACK : 0);
	if (uss) {
		unsigned int mode;

		if (copy_from_user(&new, uss, sizeof(new)))
			return -EFAULT;
		if (on_it)
			return -EPERM;
		mode = new.flags & ~SS_AUTODISARM;
		if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
			return -EINVAL;
		if (mode == SS_DISABLE) {
			new.size = 0;
			new.sp = NULL;
		} else if (new.size < arch_min_sigstack()) {
			return -ENOMEM;
		}
		current->sas_ss_sp = (unsigned long)new.sp;
		current->sas_ss_size = new.size;
		current->sas_ss_flags = new.flags;
	}
	return uoss && copy_to_user(uoss, &old, sizeof(old)) ? -EFAULT : 0;
}

/* ---- Masks ---- */

SYSCALL_DEFINE4(rt_sigprocmask, int, how, const u64 __user *, nset, u64 __user *, oset, size_t, size)
{
	u64 old = current->blocked, set;

	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (nset) {
		if (copy_from_user(&set, nset, sizeof(set)))
			return -EFAULT;
		switch (how) {
		case SIG_BLOCK:
			set |= old;
			break;
		case SIG_UNBLOCK:
			set = old & ~set;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		set_current_blocked(set);
	}
	return oset && copy_to_user(oset, &old, sizeof(old)) ? -EFAULT : 0;
}

SYSCALL_DEFINE2(rt_sigpending, u64 __user *, uset, size_t, size)
{
	u64 set;

	if (size > SIGSET_SIZE)
		return -EINVAL;
	spin_lock_irq(&current->sighand->siglock);
	set = (current->pending.signal | current->signal->shared_pending.signal) & current->blocked;
	spin_unlock_irq(&current->sighand->siglock);
	return copy_to_user(uset, &set, size) ? -EFAULT : 0;
}

static long wait_for_signal(void)
{
	while (!signal_pending(current)) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (!signal_pending(current))
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	return -ERESTARTNOHAND;
}

SYSCALL_DEFINE2(rt_sigsuspend, const u64 __user *, uset, size_t, size)
{
	u64 set;

	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (copy_from_user(&set, uset, sizeof(set)))
		return -EFAULT;
	set_user_sigmask_until_return(set);
	return wait_for_signal();
}

SYSCALL_DEFINE0(pause)
{
	return wait_for_signal();
}

/* ---- Waiting for particular signals ---- */

/*
 * Take one of the signals WANTED, which are normally blocked; wait up to NS for one (< 0: for ever). While we
 * sleep they count as not blocked, so that the sender wakes us, but not as fatal (real_blocked).
 */
static int do_sigtimedwait(u64 wanted, siginfo_t *info, s64 ns)
{
	u64 mask = ~(wanted & ~SIG_KERNEL_ONLY_MASK);
	s64 left = 0;
	int sig;

	spin_lock_irq(&current->sighand->siglock);
	sig = dequeue_signal(mask, info);
	if (!sig && ns) {
		current->real_blocked = current->blocked;
		current->blocked &= mask;
		recalc_sigpending();
		spin_unlock_irq(&current->sighand->siglock);

		set_current_state(TASK_INTERRUPTIBLE);
		if (ns > 0) {
			left = schedule_timeout_ns(ns);
		} else {
			schedule();
			left = 1;
		}

		spin_lock_irq(&current->sighand->siglock);
		current->blocked = current->real_blocked;
		current->real_blocked = 0;
		recalc_sigpending();
		sig = dequeue_signal(mask, info);
	}
	spin_unlock_irq(&current->sighand->siglock);
	if (sig)
		return sig;
	return left ? -EINTR : -EAGAIN;
}

SYSCALL_DEFINE4(rt_sigtimedwait, const u64 __user *, uset, siginfo_t __user *, uinfo,
		const struct timespec64 __user *, uts, size_t, size)
{
	struct timespec64 ts;
	siginfo_t info;
	s64 ns = -1;
	u64 set;
	int sig;

	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (copy_from_user(&set, uset, sizeof(set)))
		return -EFAULT;
	if (uts) {
		if (copy_from_user(&ts, uts, sizeof(ts)))
			return -EFAULT;
		if (!timespec_valid(&ts))
			return -EINVAL;
		ns = ts.tv_sec >= KTIME_MAX / (s64)NSEC_PER_SEC ? KTIME_MAX : (s64)timespec_to_ns(&ts);
	}
	sig = do_sigtimedwait(set, &info, ns);
	if (sig > 0 && uinfo && copy_to_user(uinfo, &info, sizeof(info)))
		return -EFAULT;
	return sig;
}

/* ---- Sending ---- */

static void user_info(siginfo_t *info, int sig, int code)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = code;
	info->k.pid = current->tgid;
	info->k.uid = current->cred->uid;
}

/* kill(-1): everybody but init and ourselves. => tasklist_lock */
static int kill_all(int sig, siginfo_t *info)
{
	int err = -ESRCH, e;
	struct task_struct *p;

	for_each_process(p) {
		if (p->tgid <= 1 || same_thread_group(p, current) || (p->flags & PF_KTHREAD))
			continue;
		e = group_send_sig_info(sig, info, p);
		if (e != -EPERM)
			err = e;
		else if (err == -ESRCH)
			err = -EPERM;
	}
	return err;
}

static int kill_something(pid_t nr, int sig, siginfo_t *info)
{
	struct pid *pgrp;
	int err;

	if (nr > 0) {
		struct pid *pid = find_get_pid(nr);

		err = pid ? kill_pid_info(sig, info, pid) : -ESRCH;
		put_pid(pid);
		return err;
	}
	if (nr == INT32_MIN)
		return -ESRCH;
	spin_lock(&tasklist_lock);
	if (nr == -1) {
		err = kill_all(sig, info);
	} else {
		pgrp = nr ? find_pid(-nr) : task_pgrp(current);
		err = pgrp ? kill_pgrp_info_locked(sig, info, pgrp) : -ESRCH;
	}
	spin_unlock(&tasklist_lock);
	return err;
}

SYSCALL_DEFINE2(kill, pid_t, nr, int, sig)
{
	siginfo_t info;

	user_info(&info, sig, SI_USER);
	return kill_something(nr, sig, &info);
}

/* One thread. TGID < 0: whatever its process. */
static int do_send_specific(pid_t tgid, pid_t nr, int sig, siginfo_t *info)
{
	struct task_struct *t;
	int err = -ESRCH;

	spin_lock(&tasklist_lock);
	t = find_task_by_pid(nr);
	if (t && (tgid < 0 || t->tgid == tgid)) {
		err = check_kill_permission(sig, info, t);
		if (!err && sig)
			err = do_send_sig_info(sig, info, t, false);
	}
	spin_unlock(&tasklist_lock);
	return err;
}

SYSCALL_DEFINE3(tgkill, pid_t, tgid, pid_t, nr, int, sig)
{
	siginfo_t info;

	if (nr <= 0 || tgid <= 0)
		return -EINVAL;
	user_info(&info, sig, SI_TKILL);
	return do_send_specific(tgid, nr, sig, &info);
}

SYSCALL_DEFINE2(tkill, pid_t, nr, int, sig)
{
	siginfo_t info;

	if (nr <= 0)
		return -EINVAL;
	user_info(&info, sig, SI_TKILL);
	return do_send_specific(-1, nr, sig, &info);
}

/* A program may tell others anything, except that the kernel or kill() sent it. */
static int copy_user_info(siginfo_t *info, const siginfo_t __user *uinfo, int sig, pid_t target)
{
	if (copy_from_user(info, uinfo, sizeof(*info)))
		return -EFAULT;
	info->si_signo = sig;
	if ((info->si_code >= 0 || info->si_code == SI_TKILL) && target != current->tgid &&
	    target != current->pid)
		return -EPERM;
	return 0;
}

SYSCALL_DEFINE3(rt_sigqueueinfo, pid_t, nr, int, sig, const siginfo_t __user *, uinfo)
{
	siginfo_t info;
	struct pid *pid;
	int err = copy_user_info(&info, uinfo, sig, nr);

	if (err)
		return err;
	pid = find_get_pid(nr);
	if (!pid)
		return -ESRCH;
	err = kill_pid_info(sig, &info, pid);
	put_pid(pid);
	return err;
}

SYSCALL_DEFINE4(rt_tgsigqueueinfo, pid_t, tgid, pid_t, nr, int, sig, const siginfo_t __user *, uinfo)
{
	siginfo_t info;
	int err = copy_user_info(&info, uinfo, sig, nr);

	if (err)
		return err;
	if (nr <= 0 || tgid <= 0)
		return -EINVAL;
	return do_send_specific(tgid, nr, sig, &info);
}

SYSCALL_DEFINE4(pidfd_send_signal, int, fd, int, sig, const siginfo_t __user *, uinfo, unsigned int, flags)
{
	siginfo_t info;
	struct pid *pid;
	int err = 0;

	if (flags)
		return -EINVAL;
	pid = pidfd_get_pid(fd);
	if (IS_ERR(pid))
		return PTR_ERR(pid);
	if (uinfo) {
		int signo = 0;

		/* Not a second copy of INFO: what was checked is what is sent. */
		err = copy_user_info(&info, uinfo, sig, pid->nr);
		if (!err && get_user(signo, &uinfo->si_signo))
			err = -EFAULT;
		if (!err && signo != sig)
			err = -EINVAL;
	} else {
		user_info(&info, sig, SI_USER);
	}
	if (!err)
		err = kill_pid_info(sig, &info, pid);
	put_pid(pid);
	return err;
}

SYSCALL_DEFINE0(restart_syscall)
{
	struct restart_block *r = &current->restart_block;

	return r->fn ? r->fn(r) : -EINTR;
}
