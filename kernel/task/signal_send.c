/*
 * kernel/task/signal_send.c - signals, the sender's side: may I, whom does it wake, where does it wait.
 *
 *	kill, a fault, a timer
 *	      │
 *	send_signal_locked ──> pending (one thread)  ──> taken by dequeue_signal (signal.c)
 *	      │                shared_pending (process)
 *	      └─ complete_signal: who shall take it? wake him
 *
 * A signal for a process lies in shared_pending until any thread that does not block it takes it. Signals
 * below 32 are pending or not; from 32 on each instance is queued with its siginfo. A fatal signal is
 * noticed already when it is sent: then every thread gets SIGKILL, so that no thread has to be scheduled
 * first to find that out.
 *
 * Interrupts: everything that works by siglock may be called in interrupts (timers do). What needs
 * tasklist_lock (process groups) may not; kill_pgrp() passes such a call on to a thread.
 *
 * Linux: kernel/signal.c.
 */
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "kernel/task/internal.h"
#include "mm/slab.h"

/* ---- The lock ---- */

/*
 * Only exec replaces t->sighand, and waits until all CPUs were seen with interrupts on before it lets the
 * old one go. So with interrupts off the pointer is good for long enough to lock it and look again.
 */
struct sighand_struct *lock_task_sighand(struct task_struct *t, unsigned long *flags)
{
	struct sighand_struct *sh;

	for (;;) {
		unsigned long f;

		local_irq_save(f);
		sh = READ_ONCE(t->sighand);
		spin_lock_irqsave(&sh->siglock, *flags);
		if (likely(sh == READ_ONCE(t->sighand))) {
			*flags = f;
			return sh;
		}
		spin_unlock_irqrestore(&sh->siglock, *flags);
		local_irq_restore(f);
	}
}

void unlock_task_sighand(struct task_struct *t, unsigned long flags)
{
	spin_unlock_irqrestore(&t->sighand->siglock, flags);
}

/* ---- Small questions ---- */

static bool siginfo_from_user(const siginfo_t *info)
{
	return info == SEND_SIG_NOINFO || (info != SEND_SIG_PRIV && info->si_code <= 0);
}

bool fatal_signal_pending(struct task_struct *t)
{
	return signal_pending(t) && (t->pending.signal & sigmask(SIGKILL));
}

static void __user *handler_of(struct task_struct *t, int sig)
{
	return t->sighand->action[sig - 1].handler;
}

static bool handler_ignores(void __user *handler, int sig)
{
	return handler == SIG_IGN || (handler == SIG_DFL && (sigmask(sig) & SIG_KERNEL_IGNORE_MASK));
}

/* Would T throw SIG away? Blocked signals are kept: the handler may change before they are unblocked. */
static bool sig_ignored(struct task_struct *t, int sig, bool force)
{
	void __user *handler = handler_of(t, sig);

	if ((t->blocked | t->real_blocked) & sigmask(sig))
		return false;
	/* Init gets only what it has a handler for; its own faults excepted. */
	if ((t->signal->flags & SIGNAL_UNKILLABLE) && handler == SIG_DFL &&
	    !(force && (sigmask(sig) & SIG_KERNEL_ONLY_MASK)))
		return true;
	if ((t->flags & PF_KTHREAD) && !force)
		return true;
	return handler_ignores(handler, sig);
}

static bool sig_fatal(struct task_struct *t, int sig)
{
	return !(sigmask(sig) & (SIG_KERNEL_IGNORE_MASK | SIG_KERNEL_STOP_MASK)) &&
	       handler_of(t, sig) == SIG_DFL;
}

bool sig_blocked_or_ignored(int sig)
{
	return (current->blocked & sigmask(sig)) || handler_of(current, sig) == SIG_IGN;
}

/* ---- Queues ---- */

/* A queue entry, counted with T's user. NULL: no memory, or the limit (unless OVERRIDE). Any context. */
static struct sigqueue *sigqueue_alloc(struct task_struct *t, bool override)
{
	/* Interrupts are off: commit_creds waits for us before it drops the cred. */
	struct user_struct *user = READ_ONCE(t->cred)->user;
	struct sigqueue *q;

	u64 limit = t->signal->rlim[RLIMIT_SIGPENDING].rlim_cur;

	if ((u64)atomic_inc_return(&user->sigpending) > limit && !override)
		goto out_count;
	q = kmalloc(sizeof(*q), GFP_ATOMIC | __GFP_NOWARN);
	if (!q)
		goto out_count;
	q->user = get_uid(user);
	q->timer = NULL;
	return q;

out_count:
	atomic_dec(&user->sigpending);
	return NULL;
}

void sigqueue_free(struct sigqueue *q)
{
	if (q->timer)
		return;			/* used again for its next expiry */
	atomic_dec(&q->user->sigpending);
	free_uid(q->user);
	kfree(q);
}

void flush_sigqueue(struct sigpending *p)
{
	struct sigqueue *q, *n;

	p->signal = 0;
	list_for_each_entry_safe(q, n, &p->list, list) {
		list_del_init(&q->list);
		sigqueue_free(q);
	}
}

static void flush_sigqueue_mask(u64 mask, struct sigpending *p)
{
	struct sigqueue *q, *n;

	if (!(p->signal & mask))
		return;
	p->signal &= ~mask;
	list_for_each_entry_safe(q, n, &p->list, list) {
		if (sigmask(q->info.si_signo) & mask) {
			list_del_init(&q->list);
			sigqueue_free(q);
		}
	}
}

void flush_sigqueue_mask_group(u64 mask, struct task_struct *t)
{
	struct task_struct *p;

	flush_sigqueue_mask(mask, &t->signal->shared_pending);
	for_each_thread(t, p)
		flush_sigqueue_mask(mask, &p->pending);
}

/* ---- Sending ---- */

/*
 * What SIG does to T's process whatever becomes of it later: SIGCONT lets it go on, stop signals and SIGCONT
 * cancel each other. False: there is nothing more to do. => siglock
 */
static bool prepare_signal(int sig, struct task_struct *p, bool force)
{
	struct signal_struct *sig_s = p->signal;
	struct task_struct *t;
	unsigned int why = 0;

	if (sig_s->flags & SIGNAL_GROUP_EXIT)
		return sig == SIGKILL;
	if (sigmask(sig) & SIG_KERNEL_STOP_MASK) {
		flush_sigqueue_mask_group(sigmask(SIGCONT), p);
	} else if (sig == SIGCONT) {
		flush_sigqueue_mask_group(SIG_KERNEL_STOP_MASK, p);
		for_each_thread(p, t) {
			t->jobctl &= ~(JOBCTL_PENDING_MASK | JOBCTL_STOP_DEQUEUED);
			wake_up_state(t, TASK_STOPPED);
		}
		/* The stop may be complete, or on its way; either way the parent hears that it is over. */
		if (sig_s->flags & SIGNAL_STOP_STOPPED)
			why = SIGNAL_CLD_CONTINUED;
		else if (sig_s->group_stop_count)
			why = SIGNAL_CLD_STOPPED;
		if (why) {
			sig_s->flags = (sig_s->flags & ~SIGNAL_STOP_MASK) | why | SIGNAL_STOP_CONTINUED;
			sig_s->group_stop_count = 0;
			sig_s->group_exit_code = 0;
		}
	}
	return !sig_ignored(p, sig, force);
}

/* Should T be the one to take a signal for its process? */
static bool wants_signal(int sig, struct task_struct *t)
{
	if ((t->blocked & sigmask(sig)) || (t->flags & PF_EXITING))
		return false;
	if (sig == SIGKILL)
		return true;
	return t->__state != TASK_STOPPED && (t == current || !signal_pending(t));
}

/* SIG was put into a pending set: find a thread to take it, or end them all at once. => siglock */
static void complete_signal(int sig, struct task_struct *p, bool group)
{
	struct signal_struct *s = p->signal;
	struct task_struct *t = NULL, *i;

	if (wants_signal(sig, p)) {
		t = p;
	} else if (group) {
		for_each_thread(p, i) {
			if (wants_signal(sig, i)) {
				t = i;
				break;
			}
		}
	}
	if (!t)
		return;		/* whoever unblocks it first will find it */
	if (sig_fatal(p, sig) && !(s->flags & SIGNAL_GROUP_EXIT) && !(t->real_blocked & sigmask(sig)) &&
	    !(s->flags & SIGNAL_UNKILLABLE)) {
		s->flags = SIGNAL_GROUP_EXIT;
		s->group_exit_code = sig;
		s->group_stop_count = 0;
		for_each_thread(p, i) {
			i->jobctl &= ~JOBCTL_PENDING_MASK;
			i->pending.signal |= sigmask(SIGKILL);
			signal_wake_up(i, true);
		}
		return;
	}
	signal_wake_up(t, sig == SIGKILL);
}

static void fill_info(siginfo_t *to, int sig, const siginfo_t *info)
{
	if (info == SEND_SIG_NOINFO || info == SEND_SIG_PRIV) {
		memset(to, 0, sizeof(*to));
		to->si_signo = sig;
		to->si_code = info == SEND_SIG_NOINFO ? SI_USER : SI_KERNEL;
		if (info == SEND_SIG_NOINFO) {
			to->k.pid = current->tgid;
			to->k.uid = current->cred->uid;
		}
	} else {
		*to = *info;
		to->si_signo = sig;
	}
}

int send_signal_locked(int sig, const siginfo_t *info, struct task_struct *t, bool group, bool force)
{
	struct sigpending *p = group ? &t->signal->shared_pending : &t->pending;
	struct sigqueue *q;
	bool special = info == SEND_SIG_NOINFO || info == SEND_SIG_PRIV;
	bool rt = sig >= SIGRTMIN;

	lockdep_assert_held(&t->sighand->siglock);
	if (!prepare_signal(sig, t, force))
		return 0;
	if (!rt && (p->signal & sigmask(sig)))
		return 0;
	/* SIGKILL has no handler that could look at the details. */
	if (sig != SIGKILL && !(t->flags & PF_KTHREAD)) {
		q = sigqueue_alloc(t, !rt && (special || info->si_code >= 0));
		if (q) {
			fill_info(&q->info, sig, info);
			list_add_tail(&q->list, &p->list);
		} else if (rt && !special && info->si_code != SI_USER) {
			return -EAGAIN;
		}
	}
	p->signal |= sigmask(sig);
	complete_signal(sig, t, group);
	return 0;
}

/* As send_sig_info; signals from the kernel reach init too. */
int do_send_sig_info(int sig, siginfo_t *info, struct task_struct *t, bool group)
{
	bool force = info == SEND_SIG_PRIV || (info != SEND_SIG_NOINFO && info->si_code == SI_KERNEL);
	unsigned long flags;
	int err;

	lock_task_sighand(t, &flags);
	err = send_signal_locked(sig, info, t, group, force);
	unlock_task_sighand(t, flags);
	return err;
}

int send_sig_info(int sig, siginfo_t *info, struct task_struct *t, bool group)
{
	if (!valid_signal(sig))
		return -EINVAL;
	return sig ? do_send_sig_info(sig, info, t, group) : 0;
}

int send_sig(int sig, struct task_struct *t, int priv)
{
	return send_sig_info(sig, priv ? SEND_SIG_PRIV : SEND_SIG_NOINFO, t, false);
}

enum sigqueue_result send_sigqueue(struct sigqueue *q, struct task_struct *t, bool group)
{
	enum sigqueue_result result = SIGQUEUE_IGNORED;
	struct sigpending *p;
	unsigned long flags;

	lock_task_sighand(t, &flags);
	p = group ? &t->signal->shared_pending : &t->pending;
	if (!list_empty(&q->list)) {
		result = SIGQUEUE_ALREADY;
	} else if (prepare_signal(q->info.si_signo, t, false)) {
		list_add_tail(&q->list, &p->list);
		p->signal |= sigmask(q->info.si_signo);
		complete_signal(q->info.si_signo, t, group);
		result = SIGQUEUE_SENT;
	}
	unlock_task_sighand(t, flags);
	return result;
}

struct sigqueue *sigqueue_alloc_for_timer(struct posix_timer *timer)
{
	struct sigqueue *q;

	spin_lock_irq(&current->sighand->siglock);
	q = sigqueue_alloc(current, false);
	spin_unlock_irq(&current->sighand->siglock);
	if (q) {
		memset(&q->info, 0, sizeof(q->info));
		INIT_LIST_HEAD(&q->list);
		q->timer = timer;
	}
	return q;
}

void sigqueue_release_from_timer(struct sigqueue *q)
{
	bool queued;

	spin_lock_irq(&current->sighand->siglock);
	q->timer = NULL;
	queued = !list_empty(&q->list);
	spin_unlock_irq(&current->sighand->siglock);
	if (!queued)
		sigqueue_free(q);
}

/* ---- Permission, and targets by number ---- */

static bool kill_ok_by_cred(struct task_struct *t)
{
	const struct cred *me = current->cred, *c;
	bool ok;

	spin_lock(&t->alloc_lock);
	c = t->cred;
	ok = me->euid == c->suid || me->euid == c->uid || me->uid == c->suid || me->uid == c->uid;
	spin_unlock(&t->alloc_lock);
	return ok || capable(CAP_KILL);
}

int check_kill_permission(int sig, siginfo_t *info, struct task_struct *t)
{
	if (!valid_signal(sig))
		return -EINVAL;
	if (!siginfo_from_user(info) || same_thread_group(current, t) || kill_ok_by_cred(t))
		return 0;
	if (sig == SIGCONT && task_session(current) == task_session(t))
		return 0;
	return -EPERM;
}

int group_send_sig_info(int sig, siginfo_t *info, struct task_struct *t)
{
	int err = check_kill_permission(sig, info, t);

	if (!err && sig)
		err = do_send_sig_info(sig, info, t, true);
	return err;
}

/* One of several: a fork that is under way in T's process must not let its child escape. => tasklist_lock */
static int group_send_one_of_many(int sig, siginfo_t *info, struct task_struct *t)
{
	unsigned long flags;

	lock_task_sighand(t, &flags);
	t->signal->group_kill_seq++;
	unlock_task_sighand(t, flags);
	return group_send_sig_info(sig, info, t);
}

int kill_pgrp_info_locked(int sig, siginfo_t *info, struct pid *pgrp)
{
	struct task_struct *p;
	bool success = false;
	int err = -ESRCH;

	list_for_each_entry(p, &pgrp->tasks[PIDTYPE_PGID], pid_links[PIDTYPE_PGID]) {
		err = group_send_one_of_many(sig, info, p);
		success |= !err;
	}
	return success ? 0 : err;
}

int kill_pid_info(int sig, siginfo_t *info, struct pid *pid)
{
	struct task_struct *t;
	int err = -ESRCH;

	spin_lock(&tasklist_lock);
	t = pid_task(pid, PIDTYPE_PID);
	if (t)
		err = group_send_sig_info(sig, info, t);
	spin_unlock(&tasklist_lock);
	return err;
}

/* ---- kill_pgrp from interrupts: a small queue and a thread ---- */

#define NR_DEFERRED 16
static struct deferred_kill { struct pid *pgrp; int sig; } deferred[NR_DEFERRED];	/* deferred_lock */
static unsigned int deferred_head, deferred_tail;
static DEFINE_SPINLOCK(deferred_lock);
static DECLARE_WAIT_QUEUE_HEAD(deferred_wait);

static int defer_kill(struct pid *pgrp, int sig)
{
	unsigned long flags;
	bool room;

	spin_lock_irqsave(&deferred_lock, flags);
	room = deferred_head - deferred_tail < NR_DEFERRED;
	if (room) {
		deferred[deferred_head % NR_DEFERRED] = (struct deferred_kill){ get_pid(pgrp), sig };
		deferred_head++;
	}
	spin_unlock_irqrestore(&deferred_lock, flags);
	wake_up(&deferred_wait);
	return room ? 0 : -EAGAIN;
}

static bool next_deferred(struct deferred_kill *k)
{
	unsigned long flags;
	bool any;

	spin_lock_irqsave(&deferred_lock, flags);
	any = deferred_head != deferred_tail;
	if (any)
		*k = deferred[deferred_tail++ % NR_DEFERRED];
	spin_unlock_irqrestore(&deferred_lock, flags);
	return any;
}

static bool any_deferred(void)
{
	return READ_ONCE(deferred_head) != READ_ONCE(deferred_tail);
}

static int deferred_kill_thread(void *arg)
{
	struct deferred_kill k;

	for (;;) {
		___wait_event(deferred_wait, any_deferred(), TASK_IDLE, 0, -1);
		while (next_deferred(&k)) {
			kill_pgrp(k.pgrp, k.sig, 1);
			put_pid(k.pgrp);
		}
	}
	return 0;
}

static int start_deferred_kill(void)
{
	return kthread_run(deferred_kill_thread, NULL, "ksignald") ? 0 : -ENOMEM;
}
core_initcall(start_deferred_kill);

int kill_pgrp(struct pid *pgrp, int sig, int priv)
{
	int err;

	if (in_irq() || irqs_disabled())
		return defer_kill(pgrp, sig);
	spin_lock(&tasklist_lock);
	err = kill_pgrp_info_locked(sig, priv ? SEND_SIG_PRIV : SEND_SIG_NOINFO, pgrp);
	spin_unlock(&tasklist_lock);
	return err;
}

/* ---- Faults of the running task ---- */

static void force_sig_info(siginfo_t *info)
{
	struct task_struct *t = current;
	struct sigaction_k *action = &t->sighand->action[info->si_signo - 1];
	u64 bit = sigmask(info->si_signo);
	unsigned long flags;

	spin_lock_irqsave(&t->sighand->siglock, flags);
	if ((t->blocked & bit) || action->handler == SIG_IGN) {
		action->handler = SIG_DFL;
		t->blocked &= ~bit;
	}
	/* Even init dies of its own faults. */
	if (action->handler == SIG_DFL)
		t->signal->flags &= ~SIGNAL_UNKILLABLE;
	send_signal_locked(info->si_signo, info, t, false, true);
	recalc_sigpending();
	spin_unlock_irqrestore(&t->sighand->siglock, flags);
}

void force_sig(int sig)
{
	siginfo_t info;

	fill_info(&info, sig, SEND_SIG_PRIV);
	force_sig_info(&info);
}

void force_sig_fault(int sig, int code, void __user *addr)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = code;
	info.fault.addr = addr;
	force_sig_info(&info);
}
