/*
 * kernel/task/wait.c - wait4, waitid: a parent learns what became of its children.
 *
 *	children of all our threads ──> eligible? (pid, group, __WCLONE)
 *		zombie	   (WEXITED)	status, sums to our children's; then release_task()
 *		stopped	   (WUNTRACED)	once for each stop, unless WNOWAIT
 *		continued  (WCONTINUED)	likewise
 *		none of these		sleep on signal->wait_chldexit, unless WNOHANG
 *		nobody eligible		ECHILD
 *
 * The scan holds tasklist_lock, the state of a child that is to be reported is taken under it (so that only
 * one waiter gets it), and user memory is written after everything is dropped.
 *
 * Not here: ptrace. Linux: kernel/exit.c, do_wait() and below.
 */
#include "kernel/fs/fs.h"
#include "kernel/lib/err.h"
#include "kernel/lib/string.h"
#include "kernel/task/internal.h"
#include "kernel/task/syscall.h"

#define WNOHANG		0x00000001
#define WUNTRACED	0x00000002
#define WSTOPPED	WUNTRACED
#define WEXITED		0x00000004
#define WCONTINUED	0x00000008
#define WNOWAIT		0x01000000
#define __WNOTHREAD	0x20000000
#define __WALL		0x40000000
#define __WCLONE	0x80000000

#define P_ALL	0
#define P_PID	1
#define P_PGID	2
#define P_PIDFD	3

/* One wait call: the question, and the answer. */
struct wait_opts {
	enum pid_type type;		/* PIDTYPE_MAX: any child */
	struct pid *pid;
	unsigned int flags;
	pid_t found;			/* 0: none yet */
	uid_t uid;
	int status;			/* as wait4 gives it */
	int cause, code;		/* si_code, si_status */
	struct rusage_k rusage;
	bool nonblock;			/* WNOHANG only because the pidfd is O_NONBLOCK */
	bool candidates;		/* somebody could still change his state */
	struct task_struct *release;	/* reaped by us: release when no lock is held */
};

static bool eligible_child(const struct wait_opts *wo, struct task_struct *p)
{
	bool clone_child = p->exit_signal != SIGCHLD;

	if (wo->type == PIDTYPE_PID && p->thread_pid != wo->pid)
		return false;
	if (wo->type == PIDTYPE_PGID && task_pgrp(p) != wo->pid)
		return false;
	return (wo->flags & __WALL) || clone_child == !!(wo->flags & __WCLONE);
}

static void fill_answer(struct wait_opts *wo, struct task_struct *p, int cause, int code)
{
	const struct cred *c = get_task_cred(p);	/* a stopped child may be changing its ids */

	wo->found = p->pid;
	wo->uid = c->uid;
	put_cred(c);
	wo->cause = cause;
	wo->code = code;
}

/* The sums of child P become part of "our children's". => tasklist_lock */
static void account_child(struct task_struct *p)
{
	struct signal_struct *mine = current->signal, *sig = p->signal;
	unsigned long irq;
	u64 ut, st, sum;

	thread_group_cputime(p, &ut, &st, &sum);
	spin_lock_irqsave(&current->sighand->siglock, irq);
	mine->cutime_ns += ut + sig->cutime_ns;
	mine->cstime_ns += st + sig->cstime_ns;
	mine->cmin_flt += p->min_flt + sig->min_flt + sig->cmin_flt;
	mine->cmaj_flt += p->maj_flt + sig->maj_flt + sig->cmaj_flt;
	mine->cnvcsw += p->nvcsw + sig->nvcsw + sig->cnvcsw;
	mine->cnivcsw += p->nivcsw + sig->nivcsw + sig->cnivcsw;
	mine->cmaxrss = max(mine->cmaxrss, max(sig->maxrss, sig->cmaxrss));
	spin_unlock_irqrestore(&current->sighand->siglock, irq);
}

/* => tasklist_lock. True: P is the answer. */
static bool wait_task_zombie(struct wait_opts *wo, struct task_struct *p)
{
	int status = (p->signal->flags & SIGNAL_GROUP_EXIT) ? p->signal->group_exit_code : p->exit_code;

	if (!(wo->flags & WEXITED))
		return false;
	get_rusage(p, RUSAGE_BOTH, &wo->rusage);
	wo->status = status;
	if (status & 0x7f)
		fill_answer(wo, p, CLD_KILLED, status & 0x7f);
	else
		fill_answer(wo, p, CLD_EXITED, status >> 8);
	if (wo->flags & WNOWAIT)
		return true;
	account_child(p);
	p->exit_state = EXIT_DEAD;
	wo->release = p;
	return true;
}

static bool wait_task_stopped(struct wait_opts *wo, struct task_struct *p)
{
	unsigned long irq;
	int code = 0;

	if (!(wo->flags & WSTOPPED) || !(READ_ONCE(p->signal->flags) & SIGNAL_STOP_STOPPED))
		return false;
	spin_lock_irqsave(&p->sighand->siglock, irq);
	if ((p->signal->flags & SIGNAL_STOP_STOPPED) && p->signal->group_exit_code) {
		code = p->signal->group_exit_code;
		if (!(wo->flags & WNOWAIT))
			p->signal->group_exit_code = 0;
	}
	spin_unlock_irqrestore(&p->sighand->siglock, irq);
	if (!code)
		return false;
	get_rusage(p, RUSAGE_BOTH, &wo->rusage);
	wo->status = code << 8 | 0x7f;
	fill_answer(wo, p, CLD_STOPPED, code);
	return true;
}

static bool wait_task_continued(struct wait_opts *wo, struct task_struct *p)
{
	unsigned long irq;
	bool yes;

	if (!(wo->flags & WCONTINUED) || !(READ_ONCE(p->signal->flags) & SIGNAL_STOP_CONTINUED))
		return false;
	spin_lock_irqsave(&p->sighand->siglock, irq);
	yes = p->signal->flags & SIGNAL_STOP_CONTINUED;
	if (yes && !(wo->flags & WNOWAIT))
		p->signal->flags &= ~SIGNAL_STOP_CONTINUED;
	spin_unlock_irqrestore(&p->sighand->siglock, irq);
	if (!yes)
		return false;
	get_rusage(p, RUSAGE_BOTH, &wo->rusage);
	wo->status = 0xffff;
	fill_answer(wo, p, CLD_CONTINUED, SIGCONT);
	return true;
}

/* => tasklist_lock */
static bool wait_consider_task(struct wait_opts *wo, struct task_struct *p)
{
	if (p->exit_state == EXIT_DEAD || !eligible_child(wo, p))
		return false;
	if (p->exit_state == EXIT_ZOMBIE && thread_group_empty(p))
		return wait_task_zombie(wo, p);		/* nothing else can be reported of it any more */
	wo->candidates = true;
	return wait_task_stopped(wo, p) || wait_task_continued(wo, p);
}

/* Look at all children once. True: one is the answer. */
static bool do_wait_scan(struct wait_opts *wo)
{
	struct task_struct *t, *p;
	bool found = false;

	wo->candidates = false;
	spin_lock(&tasklist_lock);
	/* One child by number: no need to look at the others. */
	if (wo->type == PIDTYPE_PID) {
		p = pid_task(wo->pid, PIDTYPE_TGID);
		if (p && same_thread_group(p->real_parent, current) &&
		    (!(wo->flags & __WNOTHREAD) || p->real_parent == current))
			found = wait_consider_task(wo, p);
		goto out;
	}
	for_each_thread(current, t) {
		if ((wo->flags & __WNOTHREAD) && t != current)
			continue;
		list_for_each_entry(p, &t->children, sibling) {
			found = wait_consider_task(wo, p);
			if (found)
				goto out;
		}
	}
out:
	spin_unlock(&tasklist_lock);
	return found;
}

/* The pid of the child found, 0 (WNOHANG, none yet), or -errno. */
static long do_wait(struct wait_opts *wo)
{
	struct wait_queue_entry w;
	long ret;

	init_wait(&w);
	for (;;) {
		prepare_to_wait(&current->signal->wait_chldexit, &w, TASK_INTERRUPTIBLE);
		if (do_wait_scan(wo)) {
			ret = wo->found;
			break;
		}
		ret = wo->candidates ? 0 : -ECHILD;
		if (ret || (wo->flags & WNOHANG))
			break;
		ret = -ERESTARTSYS;
		if (signal_pending(current))
			break;
		schedule();
	}
	finish_wait(&current->signal->wait_chldexit, &w);
	if (wo->release)
		release_task(wo->release);
	return ret;
}

SYSCALL_DEFINE4(wait4, pid_t, upid, int __user *, status, int, options, struct rusage_k __user *, ru)
{
	struct wait_opts wo = { .type = PIDTYPE_MAX, .flags = options | WEXITED };
	long ret;

	if ((unsigned int)options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	if (upid == INT32_MIN)
		return -ESRCH;
	if (upid < -1) {
		wo.type = PIDTYPE_PGID;
		wo.pid = find_get_pid(-upid);
	} else if (upid == 0) {
		spin_lock(&tasklist_lock);
		wo.type = PIDTYPE_PGID;
		wo.pid = get_pid(task_pgrp(current));
		spin_unlock(&tasklist_lock);
	} else if (upid > 0) {
		wo.type = PIDTYPE_PID;
		wo.pid = find_get_pid(upid);
	}
	if (wo.type != PIDTYPE_MAX && !wo.pid)
		return -ECHILD;
	ret = do_wait(&wo);
	put_pid(wo.pid);
	if (ret > 0 && status && put_user(wo.status, status))
		ret = -EFAULT;
	if (ret > 0 && ru && copy_to_user(ru, &wo.rusage, sizeof(*ru)))
		ret = -EFAULT;
	return ret;
}

/* Whom waitid(2) asks for. 0, or -errno; wo->pid is a reference (NULL: any, or one that does not exist). */
static int waitid_target(struct wait_opts *wo, int which, pid_t id)
{
	unsigned int f_flags;

	switch (which) {
	case P_ALL:
		wo->type = PIDTYPE_MAX;
		return 0;
	case P_PID:
		wo->type = PIDTYPE_PID;
		if (id <= 0)
			return -EINVAL;
		wo->pid = find_get_pid(id);
		return 0;
	case P_PGID:
		wo->type = PIDTYPE_PGID;
		if (id < 0)
			return -EINVAL;
		spin_lock(&tasklist_lock);
		wo->pid = get_pid(id ? find_pid(id) : task_pgrp(current));
		spin_unlock(&tasklist_lock);
		return 0;
	case P_PIDFD:
		wo->type = PIDTYPE_PID;
		if (id < 0)
			return -EINVAL;
		wo->pid = pidfd_get_pid_flags(id, &f_flags);
		if (IS_ERR(wo->pid))
			return PTR_ERR(wo->pid);
		/* A non-blocking pidfd: with nothing to report the answer is EAGAIN. */
		if ((f_flags & O_NONBLOCK) && !(wo->flags & WNOHANG)) {
			wo->flags |= WNOHANG;
			wo->nonblock = true;
		}
		return 0;
	}
	return -EINVAL;
}

SYSCALL_DEFINE5(waitid, int, which, pid_t, id, siginfo_t __user *, uinfo, int, options,
		struct rusage_k __user *, ru)
{
	struct wait_opts wo = { .flags = options };
	siginfo_t info;
	long ret;

	if ((unsigned int)options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD |
				      __WCLONE | __WALL))
		return -EINVAL;
	if (!(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	ret = waitid_target(&wo, which, id);
	if (ret)
		return ret;
	ret = wo.type == PIDTYPE_MAX || wo.pid ? do_wait(&wo) : -ECHILD;
	put_pid(wo.pid);
	if (!ret && wo.nonblock)
		ret = -EAGAIN;
	if (ret < 0)
		return ret;
	memset(&info, 0, sizeof(info));
	if (ret > 0) {
		info.si_signo = SIGCHLD;
		info.si_code = wo.cause;
		info.k.pid = wo.found;
		info.k.uid = wo.uid;
		info.k.status = wo.code;
		if (ru && copy_to_user(ru, &wo.rusage, sizeof(*ru)))
			return -EFAULT;
	}
	/* The fields up to si_status; what lies behind belongs to the caller. */
	if (uinfo && copy_to_user(uinfo, &info, offsetof(siginfo_t, k.status) + sizeof(int)))
		return -EFAULT;
	return 0;
}
