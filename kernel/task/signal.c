/*
 * kernel/task/signal.c - signals, the receiver's side: taking them, stopping, telling the parent.
 *
 *	signal_send.c			return to user mode
 *	  │ pending, shared_pending	      │
 *	  └──> TIF_SIGPENDING ────> get_signal ──> dequeue_signal ─┬─> handler's frame
 *								   ├─> stop, continue
 *								   └─> do_group_exit
 *
 * Job control, all under siglock. Each thread of a stopping process has JOBCTL_STOP_PENDING until it takes
 * part in the stop; the last one to do so makes the process SIGNAL_STOP_STOPPED and tells the parent:
 *
 *	running ── stop signal taken ──> stopping (group_stop_count threads to go) ──> stopped
 *	   ^────────────────────── SIGCONT or SIGKILL, at once, by the sender ───────────┘
 *
 * Not here: core dumps, ptrace, signalfd; the stack frame of a handler is arch-x86_64/signal.c. Linux:
 * kernel/signal.c.
 */
#include "kernel/lib/string.h"
#include "kernel/task/internal.h"

/* A fault's signals are taken before others: the handler must see the registers of the fault. */
#define SYNCHRONOUS_MASK (sigmask(SIGSEGV) | sigmask(SIGBUS) | sigmask(SIGILL) | sigmask(SIGTRAP) | \
			  sigmask(SIGFPE) | sigmask(SIGSYS))

/* ---- TIF_SIGPENDING ---- */

/* Set the flag if T has something to do; never clears it. => siglock */
static bool recalc_sigpending_task(struct task_struct *t)
{
	u64 pending = (t->pending.signal | t->signal->shared_pending.signal) & ~t->blocked;

	if (!pending && !(t->jobctl & JOBCTL_STOP_PENDING))
		return false;
	set_bit(TIF_SIGPENDING, &t->ti_flags);
	return true;
}

void recalc_sigpending(void)
{
	if (!recalc_sigpending_task(current))
		clear_bit(TIF_SIGPENDING, &current->ti_flags);
}

void signal_wake_up(struct task_struct *t, bool fatal)
{
	set_bit(TIF_SIGPENDING, &t->ti_flags);
	wake_up_state(t, fatal ? TASK_INTERRUPTIBLE | TASK_WAKEKILL | TASK_STOPPED : TASK_INTERRUPTIBLE);
}

/* Take SIG out of P; INFO: its first instance. The bit stays while more instances are queued. */
static void collect_signal(int sig, struct sigpending *p, siginfo_t *info)
{
	struct sigqueue *q, *first = NULL;
	bool more = false;

	list_for_each_entry(q, &p->list, list) {
		if (q->info.si_signo != sig)
			continue;
		if (first) {
			more = true;
			break;
		}
		first = q;
	}
	if (!more)
		p->signal &= ~sigmask(sig);
	memset(info, 0, sizeof(*info));
	if (first) {
		list_del_init(&first->list);
		*info = first->info;
		if (first->timer)
			posix_timer_requeue(first->timer, info);
		sigqueue_free(first);
	} else {
		/* There was no memory for the details. */
		info->si_signo = sig;
		info->si_code = SI_USER;
	}
}

static int next_signal(const struct sigpending *p, u64 mask)
{
	u64 x = p->signal & ~mask;

	if (x & SYNCHRONOUS_MASK)
		x &= SYNCHRONOUS_MASK;
	return x ? __builtin_ctzll(x) + 1 : 0;
}

int dequeue_signal(u64 mask, siginfo_t *info)
{
	struct sigpending *p = &current->pending;
	int sig = next_signal(p, mask);

	if (!sig) {
		p = &current->signal->shared_pending;
		sig = next_signal(p, mask);
	}
	if (sig) {
		collect_signal(sig, p, info);
		if (sigmask(sig) & SIG_KERNEL_STOP_MASK)
			current->jobctl |= JOBCTL_STOP_DEQUEUED;
		if (sig == SIGALRM)
			it_real_rearm(current->signal);
	}
	recalc_sigpending();
	return sig;
}

/* ---- Telling the parent ---- */

static void child_info(siginfo_t *info, struct task_struct *t, int sig)
{
	const struct cred *c = get_task_cred(t);	/* T may be running and changing its ids */
	u64 ut, st, sum;

	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->k.pid = t->pid;
	info->k.uid = c->uid;
	put_cred(c);
	thread_group_cputime(t, &ut, &st, &sum);
	info->k.utime = ns_to_clock_t(ut);
	info->k.stime = ns_to_clock_t(st);
}

bool do_notify_parent(struct task_struct *t, int sig)
{
	struct task_struct *parent = t->parent;
	int status = (t->signal->flags & SIGNAL_GROUP_EXIT) ? t->signal->group_exit_code : t->exit_code;
	bool autoreap = false;
	struct sigaction_k *sa;
	unsigned long flags;
	siginfo_t info;

	lockdep_assert_held(&tasklist_lock);
	child_info(&info, t, sig);
	info.si_code = (status & 0x7f) ? CLD_KILLED : CLD_EXITED;
	info.k.status = (status & 0x7f) ? (status & 0x7f) : status >> 8;
	lock_task_sighand(parent, &flags);
	sa = &parent->sighand->action[SIGCHLD - 1];
	if (sig == SIGCHLD && (sa->handler == SIG_IGN || (sa->flags & SA_NOCLDWAIT))) {
		/* POSIX: such a parent never waits. With NOCLDWAIT alone the signal is still sent. */
		autoreap = true;
		if (sa->handler == SIG_IGN)
			sig = 0;
	}
	if (sig > 0 && valid_signal(sig))
		send_signal_locked(sig, &info, parent, true, false);
	wake_up_parent(t, parent);
	unlock_task_sighand(parent, flags);
	return autoreap;
}

/* T's process stopped or went on (WHY: CLD_*). => no siglock; takes tasklist_lock */
static void do_notify_parent_cldstop(struct task_struct *t, int why)
{
	struct task_struct *parent;
	struct sigaction_k *sa;
	unsigned long flags;
	siginfo_t info;

	spin_lock(&tasklist_lock);
	t = t->group_leader;
	parent = t->real_parent;
	child_info(&info, t, SIGCHLD);
	info.si_code = why;
	info.k.status = why == CLD_CONTINUED ? SIGCONT : (t->signal->group_exit_code & 0x7f);
	lock_task_sighand(parent, &flags);
	sa = &parent->sighand->action[SIGCHLD - 1];
	if (sa->handler != SIG_IGN && !(sa->flags & SA_NOCLDSTOP))
		send_signal_locked(SIGCHLD, &info, parent, true, false);
	wake_up_all(&parent->signal->wait_chldexit);
	unlock_task_sighand(parent, flags);
	spin_unlock(&tasklist_lock);
}

/* ---- Stopping ---- */

/* The current task takes part in the stop that is under way. True: it was the last one. => siglock */
static bool participate_group_stop(struct task_struct *t)
{
	struct signal_struct *s = t->signal;
	bool consume = t->jobctl & JOBCTL_STOP_CONSUME;

	t->jobctl &= ~JOBCTL_PENDING_MASK;
	if (!consume)
		return false;
	if (s->group_stop_count > 0)
		s->group_stop_count--;
	if (s->group_stop_count || (s->flags & SIGNAL_STOP_STOPPED))
		return false;
	s->flags = (s->flags & ~SIGNAL_STOP_MASK) | SIGNAL_STOP_STOPPED;
	return true;
}

/* Ask all threads to stop by SIG. => siglock */
static void start_group_stop(int sig)
{
	struct signal_struct *s = current->signal;
	struct task_struct *t;

	if (!(s->flags & SIGNAL_STOP_STOPPED))
		s->group_exit_code = sig;
	s->group_stop_count = 0;
	for_each_thread(current, t) {
		if (t->flags & PF_EXITING || (t != current && t->__state == TASK_STOPPED))
			continue;
		t->jobctl &= ~JOBCTL_STOP_SIGMASK;
		t->jobctl |= sig | JOBCTL_STOP_PENDING | JOBCTL_STOP_CONSUME;
		s->group_stop_count++;
		if (t != current)
			signal_wake_up(t, false);
	}
}

/*
 * Stop until SIGCONT, in the stop that is pending or (SIG not 0) in a new one. False: there is no reason (any
 * more) to stop.
 *
 * => siglock, interrupts off; dropped if it returns true
 */
static bool do_signal_stop(int sig)
{
	struct sighand_struct *sh = current->sighand;
	bool notify;

	if (!(current->jobctl & JOBCTL_STOP_PENDING)) {
		/* A SIGCONT or an exit may have come after we took the stop signal. */
		if (!(current->jobctl & JOBCTL_STOP_DEQUEUED) || current->signal->group_exec_task ||
		    (current->signal->flags & SIGNAL_GROUP_EXIT))
			return false;
		start_group_stop(sig);
	}
	notify = participate_group_stop(current);
	/* Under siglock: who ends the stop or kills us comes later and finds us STOPPED. */
	set_special_state(TASK_STOPPED);
	spin_unlock_irq(&sh->siglock);
	if (notify)
		do_notify_parent_cldstop(current, CLD_STOPPED);
	schedule();
	return true;
}

/* SIGCONT left a note that the parent is to be told. => siglock; true: it was dropped for that */
static bool notify_continued(void)
{
	struct signal_struct *s = current->signal;
	int why;

	if (!(s->flags & (SIGNAL_CLD_STOPPED | SIGNAL_CLD_CONTINUED)))
		return false;
	why = s->flags & SIGNAL_CLD_CONTINUED ? CLD_CONTINUED : CLD_STOPPED;
	s->flags &= ~(SIGNAL_CLD_STOPPED | SIGNAL_CLD_CONTINUED);
	spin_unlock_irq(&current->sighand->siglock);
	do_notify_parent_cldstop(current, why);
	return true;
}

/* ---- Taking signals ---- */

enum verdict { SIG_HANDLED, SIG_NOTHING, SIG_AGAIN, SIG_DIE };

/* Stop signal SIG was taken and is not handled: DROP it, or stop. => siglock; kept iff SIG_NOTHING */
static enum verdict stop_by_default(int sig)
{
	if (sig != SIGSTOP) {
		/* Nobody could continue an orphaned group: POSIX forbids the terminal to stop it. */
		spin_unlock_irq(&current->sighand->siglock);
		if (is_current_pgrp_orphaned())
			return SIG_AGAIN;
		spin_lock_irq(&current->sighand->siglock);
	}
	return do_signal_stop(sig) ? SIG_AGAIN : SIG_NOTHING;
}

/* SIG was taken and its action is the default. => siglock; kept unless SIG_AGAIN */
static enum verdict default_action(int sig)
{
	u64 bit = sigmask(sig);

	if (bit & SIG_KERNEL_IGNORE_MASK)
		return SIG_NOTHING;
	if ((current->signal->flags & SIGNAL_UNKILLABLE) && !(bit & SIG_KERNEL_ONLY_MASK))
		return SIG_NOTHING;
	return (bit & SIG_KERNEL_STOP_MASK) ? stop_by_default(sig) : SIG_DIE;
}

/*
 * Take signals until one asks for something. SIG_HANDLED: KSIG has a handler to call; SIG_NOTHING: none is
 * left.
 *
 * => siglock, interrupts off; dropped if the result is SIG_AGAIN
 */
static enum verdict take_signals(struct ksignal *ksig)
{
	struct sigaction_k *action;
	enum verdict v;

	for (;;) {
		if ((current->signal->flags & SIGNAL_GROUP_EXIT) || current->signal->group_exec_task) {
			ksig->sig = SIGKILL;
			return SIG_DIE;
		}
		if (current->jobctl & JOBCTL_STOP_PENDING) {
			do_signal_stop(0);
			return SIG_AGAIN;
		}
		ksig->sig = dequeue_signal(current->blocked, &ksig->info);
		if (!ksig->sig)
			return SIG_NOTHING;
		action = &current->sighand->action[ksig->sig - 1];
		if (action->handler == SIG_IGN)
			continue;
		if (action->handler != SIG_DFL) {
			ksig->ka = *action;
			if (action->flags & SA_RESETHAND)
				action->handler = SIG_DFL;
			return SIG_HANDLED;
		}
		v = default_action(ksig->sig);
		if (v != SIG_NOTHING)
			return v;
	}
}

bool get_signal(struct ksignal *ksig)
{
	enum verdict v;

	do {
		spin_lock_irq(&current->sighand->siglock);
		v = notify_continued() ? SIG_AGAIN : take_signals(ksig);
	} while (v == SIG_AGAIN);
	if (v == SIG_NOTHING)
		recalc_sigpending();
	spin_unlock_irq(&current->sighand->siglock);
	if (v == SIG_DIE)
		do_group_exit(ksig->sig);
	return v == SIG_HANDLED;
}

/*
 * T will not take the signals of MASK that wait for its process: wake other threads that do not block them.
 * => siglock
 */
static void retarget_shared_pending_locked(struct task_struct *t, u64 mask)
{
	u64 left = t->signal->shared_pending.signal & mask;
	struct task_struct *i;

	for_each_thread(t, i) {
		if (!left)
			return;
		if (i == t || (i->flags & PF_EXITING) || !(left & ~i->blocked))
			continue;
		left &= i->blocked;
		if (!signal_pending(i))
			signal_wake_up(i, false);
	}
}

void set_current_blocked(u64 set)
{
	unsigned long flags;

	set &= ~SIG_KERNEL_ONLY_MASK;
	if (current->blocked == set)
		return;
	spin_lock_irqsave(&current->sighand->siglock, flags);
	/* A signal for the process that was ours to take goes to another thread when we block it. */
	if (signal_pending(current) && current->signal->nr_threads > 1)
		retarget_shared_pending_locked(current, set & ~current->blocked);
	current->blocked = set;
	recalc_sigpending();
	spin_unlock_irqrestore(&current->sighand->siglock, flags);
}

void set_user_sigmask_until_return(u64 set)
{
	current->saved_sigmask = current->blocked;
	current->restore_sigmask = true;
	set_current_blocked(set);
}

void restore_saved_sigmask(void)
{
	if (current->restore_sigmask) {
		current->restore_sigmask = false;
		set_current_blocked(current->saved_sigmask);
	}
}

void restore_saved_sigmask_unless(bool interrupted)
{
	if (!interrupted)
		restore_saved_sigmask();
}

void signal_setup_done(bool failed, struct ksignal *ksig)
{
	u64 set;

	if (failed) {
		/* No room for the frame of a SIGSEGV handler either: then nothing can be told to it. */
		if (ksig->sig == SIGSEGV) {
			spin_lock_irq(&current->sighand->siglock);
			current->sighand->action[SIGSEGV - 1].handler = SIG_DFL;
			spin_unlock_irq(&current->sighand->siglock);
		}
		force_sig(SIGSEGV);
		return;
	}
	/* What was saved for sigsuspend is in the frame now: sigreturn puts it back. */
	current->restore_sigmask = false;
	set = current->blocked | ksig->ka.mask;
	if (!(ksig->ka.flags & SA_NODEFER))
		set |= sigmask(ksig->sig);
	set_current_blocked(set);
	if (current->sas_ss_flags & SS_AUTODISARM) {
		current->sas_ss_sp = 0;
		current->sas_ss_size = 0;
		current->sas_ss_flags = SS_DISABLE;
	}
}

/* ---- Ends ---- */

int zap_other_threads(struct task_struct *p)
{
	struct task_struct *t;
	int n = 0;

	p->signal->group_stop_count = 0;
	for_each_thread(p, t) {
		t->jobctl &= ~JOBCTL_PENDING_MASK;
		if (t == p)
			continue;
		n++;
		if (t->exit_state)
			continue;
		t->pending.signal |= sigmask(SIGKILL);
		signal_wake_up(t, true);
	}
	return n;
}

/* From now on T takes no signals: hand on what was meant for the process, leave a stop that is under way. */
void exit_signals(struct task_struct *t)
{
	bool notify = false;
	unsigned long flags;

	spin_lock_irqsave(&t->sighand->siglock, flags);
	t->flags |= PF_EXITING;
	if (!(t->signal->flags & SIGNAL_GROUP_EXIT) && signal_pending(t))
		retarget_shared_pending_locked(t, ~0ULL);
	if (t->jobctl & JOBCTL_STOP_PENDING)
		notify = participate_group_stop(t);
	spin_unlock_irqrestore(&t->sighand->siglock, flags);
	if (notify)
		do_notify_parent_cldstop(t, CLD_STOPPED);
}

void flush_signal_handlers(struct task_struct *t, bool force_default)
{
	int i;

	for (i = 0; i < _NSIG; i++) {
		struct sigaction_k *a = &t->sighand->action[i];
		void __user *handler = a->handler;

		memset(a, 0, sizeof(*a));
		if (!force_default && handler == SIG_IGN)
			a->handler = SIG_IGN;
	}
}

void ignore_signals(struct task_struct *t)
{
	int i;

	for (i = 0; i < _NSIG; i++)
		t->sighand->action[i].handler = SIG_IGN;
}
