/*
 * kernel/task/pgrp.c - who I am: process, parent, process group, session.
 *
 *	session (a login)  >  process groups (jobs)  >  processes  >  threads
 *
 * Groups never leave their session. A shell puts each job into a group; the terminal's keys and its
 * foreground rules work on groups (kernel/fs/tty_jobctrl.c).
 *
 * Linux: kernel/sys.c.
 */
#include "kernel/task/internal.h"
#include "kernel/task/syscall.h"

SYSCALL_DEFINE0(getpid)	 { return current->tgid; }
SYSCALL_DEFINE0(gettid)	 { return current->pid; }

SYSCALL_DEFINE0(getppid)
{
	pid_t nr;

	spin_lock(&tasklist_lock);
	nr = current->real_parent->tgid;
	spin_unlock(&tasklist_lock);
	return nr;
}

/* Why P may not move to the group PGRP_NR, or 0. => tasklist_lock */
static int setpgid_check(struct task_struct *p, pid_t pgrp_nr)
{
	struct task_struct *me = current->group_leader;

	if (same_thread_group(p->real_parent, me)) {
		if (task_session(p) != task_session(me))
			return -EPERM;
		/* After its exec a child is a program of its own: too late. */
		if (!(p->flags & PF_FORKNOEXEC))
			return -EACCES;
	} else if (p != me) {
		return -ESRCH;
	}
	if (p->signal->leader)
		return -EPERM;
	if (pgrp_nr != p->tgid) {
		struct task_struct *member = pid_task(find_pid(pgrp_nr), PIDTYPE_PGID);

		if (!member || task_session(member) != task_session(me))
			return -EPERM;
	}
	return 0;
}

SYSCALL_DEFINE2(setpgid, pid_t, nr, pid_t, pgrp_nr)
{
	struct task_struct *p;
	int err;

	if (!nr)
		nr = current->tgid;
	if (!pgrp_nr)
		pgrp_nr = nr;
	if (pgrp_nr < 0)
		return -EINVAL;
	spin_lock(&tasklist_lock);
	p = find_task_by_pid(nr);
	if (!p)
		err = -ESRCH;
	else
		err = thread_group_leader(p) ? setpgid_check(p, pgrp_nr) : -EINVAL;
	if (!err && task_pgrp(p)->nr != pgrp_nr)
		change_pid(p, PIDTYPE_PGID, find_pid(pgrp_nr));
	spin_unlock(&tasklist_lock);
	return err;
}

/* The number of the group (or session) of process NR, 0 being ourselves. */
static long get_group_of(pid_t nr, enum pid_type type)
{
	struct task_struct *p;
	long ret = -ESRCH;

	spin_lock(&tasklist_lock);
	p = nr ? find_task_by_pid(nr) : current;
	if (p)
		ret = pid_nr(p->signal->pids[type]);
	spin_unlock(&tasklist_lock);
	return ret;
}

SYSCALL_DEFINE1(getpgid, pid_t, nr) { return get_group_of(nr, PIDTYPE_PGID); }
SYSCALL_DEFINE0(getpgrp)	    { return get_group_of(0, PIDTYPE_PGID); }
SYSCALL_DEFINE1(getsid, pid_t, nr)  { return get_group_of(nr, PIDTYPE_SID); }

SYSCALL_DEFINE0(setsid)
{
	struct task_struct *me = current->group_leader;
	struct pid *sid = me->thread_pid;
	unsigned long irq;
	long ret = -EPERM;

	spin_lock(&tasklist_lock);
	/* A group with our number would end up in two sessions. */
	if (!me->signal->leader && !pid_task(sid, PIDTYPE_PGID)) {
		me->signal->leader = 1;
		change_pid(me, PIDTYPE_SID, sid);
		change_pid(me, PIDTYPE_PGID, sid);
		spin_lock_irqsave(&me->sighand->siglock, irq);
		me->signal->tty = NULL;
		spin_unlock_irqrestore(&me->sighand->siglock, irq);
		ret = sid->nr;
	}
	spin_unlock(&tasklist_lock);
	return ret;
}
