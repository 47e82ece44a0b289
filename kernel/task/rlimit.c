/*
 * kernel/task/rlimit.c - limits of a process, and what it has used.
 *
 * A limit is read where it matters (RLIMIT_STACK when the stack grows, RLIMIT_NOFILE when a descriptor is
 * wanted); here it is only kept. RLIMIT_CPU is the exception: the tick watches it (timers.c).
 *
 * User and system time are the exact run time, divided in the proportion that the tick sampled.
 * Linux: kernel/sys.c.
 */
#include "kernel/lib/string.h"
#include "kernel/task/internal.h"
#include "kernel/task/syscall.h"
#include "mm/mm.h"

#define NR_OPEN (1U << 20)

/* ---- Limits ---- */

/* May the current task look at or change T's limits? */
static bool may_prlimit(struct task_struct *t)
{
	const struct cred *me = current->cred, *c;
	bool ok;

	if (same_thread_group(t, current) || capable(CAP_SYS_RESOURCE))
		return true;
	c = get_task_cred(t);
	ok = me->uid == c->euid && me->uid == c->suid && me->uid == c->uid &&
	     me->gid == c->egid && me->gid == c->sgid && me->gid == c->gid;
	put_cred(c);
	return ok;
}

/* Give T's process the limit NEW (NULL: keep) and store the old one in *OLD. 0 or -errno. */
static int do_prlimit(struct task_struct *t, unsigned int what, const struct rlimit *new, struct rlimit *old)
{
	struct rlimit *r;
	int err = 0;

	if (what >= RLIM_NLIMITS)
		return -EINVAL;
	if (new && new->rlim_cur > new->rlim_max)
		return -EINVAL;
	if (new && what == RLIMIT_NOFILE && new->rlim_max > NR_OPEN)
		return -EPERM;
	r = &t->signal->rlim[what];
	/* The group leader is there as long as T is hashed. */
	spin_lock(&tasklist_lock);
	if (!t->thread_pid) {
		spin_unlock(&tasklist_lock);
		return -ESRCH;
	}
	spin_lock(&t->group_leader->alloc_lock);
	*old = *r;
	if (new && new->rlim_max > r->rlim_max && !capable(CAP_SYS_RESOURCE))
		err = -EPERM;
	else if (new)
		*r = *new;
	spin_unlock(&t->group_leader->alloc_lock);
	spin_unlock(&tasklist_lock);
	if (!err && new && what == RLIMIT_CPU)
		update_rlimit_cpu(t->signal);
	return err;
}

SYSCALL_DEFINE4(prlimit64, pid_t, nr, unsigned int, what, const struct rlimit __user *, unew,
		struct rlimit __user *, uold)
{
	struct rlimit new, old;
	struct task_struct *t;
	int err;

	if (unew && copy_from_user(&new, unew, sizeof(new)))
		return -EFAULT;
	t = find_get_task_by_pid(nr ? nr : current->pid);
	if (!t)
		return -ESRCH;
	err = may_prlimit(t) ? do_prlimit(t, what, unew ? &new : NULL, &old) : -EPERM;
	put_task_struct(t);
	if (!err && uold && copy_to_user(uold, &old, sizeof(old)))
		err = -EFAULT;
	return err;
}

SYSCALL_DEFINE2(getrlimit, unsigned int, what, struct rlimit __user *, uold)
{
	struct rlimit old;
	int err = do_prlimit(current, what, NULL, &old);

	if (!err && copy_to_user(uold, &old, sizeof(old)))
		err = -EFAULT;
	return err;
}

SYSCALL_DEFINE2(setrlimit, unsigned int, what, const struct rlimit __user *, unew)
{
	struct rlimit new, old;

	if (copy_from_user(&new, unew, sizeof(new)))
		return -EFAULT;
	return do_prlimit(current, what, &new, &old);
}

/* ---- Used ---- */

static void put_time(s64 tv[2], u64 ns)
{
	tv[0] = ns / NSEC_PER_SEC;
	tv[1] = ns % NSEC_PER_SEC / NSEC_PER_USEC;
}

/* The process of T: living and dead threads. => siglock or tasklist_lock, so that threads stay */
static void add_self(struct task_struct *p, struct rusage_k *r)
{
	struct signal_struct *s = p->signal;
	struct task_struct *t;

	r->ru_minflt += s->min_flt;
	r->ru_majflt += s->maj_flt;
	r->ru_nvcsw += s->nvcsw;
	r->ru_nivcsw += s->nivcsw;
	r->ru_maxrss = max(r->ru_maxrss, (long)s->maxrss);
	for_each_thread(p, t) {
		r->ru_minflt += t->min_flt;
		r->ru_majflt += t->maj_flt;
		r->ru_nvcsw += t->nvcsw;
		r->ru_nivcsw += t->nivcsw;
	}
}

static void add_children(struct signal_struct *s, struct rusage_k *r)
{
	r->ru_minflt += s->cmin_flt;
	r->ru_majflt += s->cmaj_flt;
	r->ru_nvcsw += s->cnvcsw;
	r->ru_nivcsw += s->cnivcsw;
	r->ru_maxrss = max(r->ru_maxrss, (long)s->cmaxrss);
}

/* => T is current, or tasklist_lock is held. Does not sleep. */
void get_rusage(struct task_struct *t, int who, struct rusage_k *r)
{
	struct signal_struct *s = t->signal;
	u64 ut = 0, st = 0, sum;
	unsigned long flags;

	memset(r, 0, sizeof(*r));
	lock_task_sighand(t, &flags);
	if (who == RUSAGE_THREAD) {
		task_cputime_adjusted(t, &ut, &st);
		r->ru_minflt = t->min_flt;
		r->ru_majflt = t->maj_flt;
		r->ru_nvcsw = t->nvcsw;
		r->ru_nivcsw = t->nivcsw;
		r->ru_maxrss = s->maxrss;
	}
	if (who == RUSAGE_SELF || who == RUSAGE_BOTH) {
		thread_group_cputime(t, &ut, &st, &sum);
		add_self(t, r);
	}
	if (who == RUSAGE_CHILDREN || who == RUSAGE_BOTH) {
		ut += s->cutime_ns;
		st += s->cstime_ns;
		add_children(s, r);
	}
	unlock_task_sighand(t, flags);
	put_time(r->ru_utime, ut);
	put_time(r->ru_stime, st);
	if (t == current && t->mm && who != RUSAGE_CHILDREN) {
		long rss = max(t->mm->hiwater_rss, get_mm_rss(t->mm)) << (PAGE_SHIFT - 10);

		r->ru_maxrss = max(r->ru_maxrss, rss);
	}
}

SYSCALL_DEFINE2(getrusage, int, who, struct rusage_k __user *, out)
{
	struct rusage_k r;

	if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD)
		return -EINVAL;
	get_rusage(current, who, &r);
	return copy_to_user(out, &r, sizeof(r)) ? -EFAULT : 0;
}

SYSCALL_DEFINE1(times, s64 __user *, out)
{
	struct signal_struct *s = current->signal;
	s64 t[4];
	u64 ut, st, sum;

	if (out) {
		spin_lock_irq(&current->sighand->siglock);
		thread_group_cputime(current, &ut, &st, &sum);
		t[0] = ns_to_clock_t(ut);
		t[1] = ns_to_clock_t(st);
		t[2] = ns_to_clock_t(s->cutime_ns);
		t[3] = ns_to_clock_t(s->cstime_ns);
		spin_unlock_irq(&current->sighand->siglock);
		if (copy_to_user(out, t, sizeof(t)))
			return -EFAULT;
	}
	return ns_to_clock_t(ktime_get());
}
