/*
 * kernel/task/exit.c - the end of a task, and what is left of it.
 *
 *	RUNNING ── do_exit() ──> ZOMBIE ── wait4 by the parent ──> DEAD ── last reference ──> freed
 *				   └── nobody is interested (autoreap) ──────^
 *
 * do_exit() gives back everything the task holds in the order in which it hurts others least: memory (which
 * wakes a vfork parent), files, the terminal. Then exit_notify() hands its children to a new parent and
 * tells its own. A zombie is only the task_struct, the exit status and the sums for rusage.
 *
 * A process is dead when its last thread is. A leader that ends first stays as a zombie, invisible to wait,
 * until the others are released; the last one of them reports the leader.
 *
 * Process groups: when the death of a process leaves a group without any member whose parent is in another
 * group of the same session, nobody could continue its stopped members: they get SIGHUP and SIGCONT.
 *
 * Not here: ptrace, core dumps, accounting files, cgroups. Linux: kernel/exit.c.
 */
#include "arch-x86_64/setup.h"
#include "arch-x86_64/tlbflush.h"
#include "kernel/fs/tty.h"
#include "kernel/lib/string.h"
#include "kernel/task/fork.h"
#include "kernel/task/internal.h"
#include "kernel/task/syscall.h"
#include "mm/mm.h"

/* ---- Release ---- */

/* T's sums go to the process: they outlive the thread. => tasklist_lock, siglock */
static void account_dead_thread(struct task_struct *t)
{
	struct signal_struct *sig = t->signal;

	sig->utime_ns += t->utime_ns;
	sig->stime_ns += t->stime_ns;
	sig->sum_exec_ns += task_sched_runtime(t);
	sig->min_flt += t->min_flt;
	sig->maj_flt += t->maj_flt;
	sig->nvcsw += t->nvcsw;
	sig->nivcsw += t->nivcsw;
	sig->rchar += t->rchar;
	sig->wchar += t->wchar;
	sig->syscr += t->syscr;
	sig->syscw += t->syscw;
}

/* Take T off all lists; its numbers are free afterwards. => tasklist_lock */
static void unhash_task(struct task_struct *t)
{
	struct signal_struct *sig = t->signal;
	unsigned long irq;

	spin_lock_irqsave(&t->sighand->siglock, irq);
	account_dead_thread(t);
	list_del_init(&t->thread_node);
	sig->nr_threads--;
	spin_unlock_irqrestore(&t->sighand->siglock, irq);
	nr_threads--;
	detach_pid(t, PIDTYPE_PID);
	if (thread_group_leader(t)) {
		detach_pid(t, PIDTYPE_TGID);
		detach_pid(t, PIDTYPE_PGID);
		detach_pid(t, PIDTYPE_SID);
		list_del_init(&t->tasks);
		list_del_init(&t->sibling);
	}
}

/*
 * A thread that wants to exec waits until the others, and a leader as a zombie, are out of its way. It takes
 * back group_exec_task without our lock, but cannot end while we hold it: one read, and the pointer is good.
 *
 * => tasklist_lock
 */
static void wake_exec_task(struct signal_struct *sig)
{
	struct task_struct *t = READ_ONCE(sig->group_exec_task);

	if (t)
		wake_up_process(t);
}

/*
 * T is dead and nobody will ask for it any more. If it was the last thread besides a dead leader, the
 * leader is reported to its parent now, and released too if the parent does not care.
 */
void release_task(struct task_struct *t)
{
	struct task_struct *leader, *next;

	while (t) {
		next = NULL;
		spin_lock(&tasklist_lock);
		atomic_dec(&t->cred->user->processes);
		leader = t->group_leader;
		unhash_task(t);
		if (leader != t && leader->signal->nr_threads == 1 && leader->exit_state == EXIT_ZOMBIE &&
		    do_notify_parent(leader, leader->exit_signal)) {
			leader->exit_state = EXIT_DEAD;
			next = leader;
		}
		wake_exec_task(t->signal);
		spin_unlock(&tasklist_lock);
		put_task_struct(t);
		t = next;
	}
}

/* ---- Process groups ---- */

/* => tasklist_lock. IGNORED: a task that does not count (it is ending). */
static bool will_become_orphaned_pgrp(struct pid *pgrp, struct task_struct *ignored)
{
	struct task_struct *p;

	list_for_each_entry(p, &pgrp->tasks[PIDTYPE_PGID], pid_links[PIDTYPE_PGID]) {
		if (p == ignored || (p->exit_state && thread_group_empty(p)) || p->real_parent->pid <= 1)
			continue;
		if (task_pgrp(p->real_parent) != pgrp && task_session(p->real_parent) == task_session(p))
			return false;
	}
	return true;
}

bool is_orphaned_pgrp(struct pid *pgrp)
{
	return will_become_orphaned_pgrp(pgrp, NULL);
}

bool is_current_pgrp_orphaned(void)
{
	bool orphaned;

	spin_lock(&tasklist_lock);
	orphaned = is_orphaned_pgrp(task_pgrp(current));
	spin_unlock(&tasklist_lock);
	return orphaned;
}

static bool has_stopped_jobs(struct pid *pgrp)
{
	struct task_struct *p;

	list_for_each_entry(p, &pgrp->tasks[PIDTYPE_PGID], pid_links[PIDTYPE_PGID]) {
		if (p->signal->flags & SIGNAL_STOP_STOPPED)
			return true;
	}
	return false;
}

/*
 * T is ending, or its parent is (PARENT not NULL): if that orphans its group, with stopped members, let
 * them know. => tasklist_lock
 */
static void kill_orphaned_pgrp(struct task_struct *t, struct task_struct *parent)
{
	struct pid *pgrp = task_pgrp(t);
	struct task_struct *ignored = t;

	if (!parent)
		parent = t->real_parent;
	else
		ignored = NULL;
	if (task_pgrp(parent) != pgrp && task_session(parent) == task_session(t) &&
	    will_become_orphaned_pgrp(pgrp, ignored) && has_stopped_jobs(pgrp)) {
		kill_pgrp_info_locked(SIGHUP, SEND_SIG_PRIV, pgrp);
		kill_pgrp_info_locked(SIGCONT, SEND_SIG_PRIV, pgrp);
	}
}

/* ---- New parents ---- */

static struct task_struct *find_alive_thread(struct task_struct *p)
{
	struct task_struct *t;

	for_each_thread(p, t) {
		if (!(t->flags & PF_EXITING))
			return t;
	}
	return NULL;
}

/* Who becomes the parent of FATHER's children: another thread, a subreaper among the ancestors, init. */
static struct task_struct *find_new_reaper(struct task_struct *father)
{
	struct task_struct *t = find_alive_thread(father), *p, *init = find_task_by_pid(1);

	if (t)
		return t;
	for (p = father->real_parent; p != &init_task && p != init; p = p->real_parent) {
		if (p->signal->is_child_subreaper) {
			t = find_alive_thread(p);
			if (t)
				return t;
		}
	}
	t = init ? find_alive_thread(init) : NULL;
	return t ? t : &init_task;
}

/* Child P (a leader) changed its parent process: a zombie is offered to the new one. */
static void reparent_leader(struct task_struct *father, struct task_struct *p, struct list_head *dead)
{
	p->exit_signal = SIGCHLD;
	if (p->exit_state == EXIT_ZOMBIE && thread_group_empty(p) && do_notify_parent(p, p->exit_signal)) {
		p->exit_state = EXIT_DEAD;
		list_move(&p->sibling, dead);
	}
	kill_orphaned_pgrp(p, father);
}

/* FATHER's children get another parent. Those that nobody waits for are put on DEAD. => tasklist_lock */
static void forget_original_parent(struct task_struct *father, struct list_head *dead)
{
	struct task_struct *reaper, *p, *n, *t;

	if (list_empty(&father->children))
		return;
	reaper = find_new_reaper(father);
	list_for_each_entry_safe(p, n, &father->children, sibling) {
		for_each_thread(p, t) {
			t->real_parent = t->parent = reaper;
			if (t->pdeath_signal)
				do_send_sig_info(t->pdeath_signal, SEND_SIG_NOINFO, t, true);
		}
		list_move_tail(&p->sibling, &reaper->children);
		if (!same_thread_group(reaper, father))
			reparent_leader(father, p, dead);
	}
}

/* ---- exit_notify ---- */

void wake_up_parent(struct task_struct *t, struct task_struct *parent)
{
	struct pid *tgid = t->signal->pids[PIDTYPE_TGID];

	if (tgid)
		wake_up_all(&tgid->wait_pidfd);
	wake_up_all(&parent->signal->wait_chldexit);
}

bool pid_has_exited(struct pid *p)
{
	struct task_struct *t = pid_task(p, PIDTYPE_PID);

	return !t || (t->exit_state && (!thread_group_leader(t) || thread_group_empty(t)));
}

/* Become a zombie, or gone at once, and tell everybody concerned. */
static void exit_notify(struct task_struct *t, bool group_dead)
{
	struct task_struct *p, *n;
	LIST_HEAD(dead);
	bool autoreap;

	spin_lock(&tasklist_lock);
	forget_original_parent(t, &dead);
	if (group_dead)
		kill_orphaned_pgrp(t->group_leader, NULL);
	t->exit_state = EXIT_ZOMBIE;
	if (t->flags & PF_KTHREAD)
		autoreap = true;
	else if (thread_group_leader(t))
		autoreap = thread_group_empty(t) && do_notify_parent(t, t->exit_signal);
	else
		autoreap = true;
	if (autoreap)
		t->exit_state = EXIT_DEAD;
	wake_exec_task(t->signal);
	spin_unlock(&tasklist_lock);

	list_for_each_entry_safe(p, n, &dead, sibling) {
		list_del_init(&p->sibling);
		release_task(p);
	}
	if (autoreap)
		release_task(t);
}

/* ---- do_exit ---- */

static void exit_mm(struct task_struct *t)
{
	struct mm_struct *mm = t->mm;
	unsigned long rss;

	if (!mm)
		return;
	mm_release(true);
	rss = max(mm->hiwater_rss, get_mm_rss(mm)) << (PAGE_SHIFT - 10);
	if (rss > t->signal->maxrss)
		t->signal->maxrss = rss;
	/* We go on as a kernel thread does: with the tables loaded, by a reference on the structure only. */
	mmgrab(mm);
	spin_lock(&t->alloc_lock);
	if (mm->owner == t->group_leader && atomic_read(&t->signal->live) == 0)
		mm->owner = NULL;
	local_irq_disable();
	t->mm = NULL;
	switch_mm(mm, NULL);
	local_irq_enable();
	spin_unlock(&t->alloc_lock);
	mmput(mm);
}

static void exit_files(struct task_struct *t)
{
	struct files_struct *files = t->files;
	struct fs_struct *fs = t->fs;

	spin_lock(&t->alloc_lock);
	t->files = NULL;
	t->fs = NULL;
	spin_unlock(&t->alloc_lock);
	if (files)
		put_files_struct(files);
	if (fs)
		put_fs_struct(fs);
}

/* The last thread of its process ends. */
static void group_dead_cleanup(struct task_struct *t, long code)
{
	struct signal_struct *sig = t->signal;

	if (t->tgid == 1)
		panic("Attempted to kill init! exitcode=0x%08x",
		      sig->group_exit_code ? sig->group_exit_code : (int)code);
	hrtimer_cancel(&sig->real_timer);
	exit_itimers(sig);
	if (t->mm) {
		unsigned long rss = max(t->mm->hiwater_rss, get_mm_rss(t->mm)) << (PAGE_SHIFT - 10);

		sig->maxrss = max(sig->maxrss, rss);
	}
}

void do_exit(long code)
{
	struct task_struct *t = current;
	bool group_dead;

	if (in_irq() || !t->pid)
		panic("do_exit: %s/%d in a place where nothing may end", t->comm, t->pid);
	might_sleep();
	exit_signals(t);
	group_dead = atomic_dec_and_test(&t->signal->live);
	if (group_dead)
		group_dead_cleanup(t, code);
	t->exit_code = code;
	exit_mm(t);
	exit_files(t);
	if (group_dead && t->group_leader->signal->leader)
		disassociate_ctty(1);
	lockdep_assert_none_held("exit");
	exit_notify(t, group_dead);
	do_task_dead();
}

void do_group_exit(int exit_code)
{
	struct signal_struct *sig = current->signal;
	unsigned long irq;

	spin_lock_irqsave(&current->sighand->siglock, irq);
	if (sig->flags & SIGNAL_GROUP_EXIT) {
		exit_code = sig->group_exit_code;
	} else if (sig->group_exec_task) {
		exit_code = 0;
	} else {
		sig->group_exit_code = exit_code;
		sig->flags = SIGNAL_GROUP_EXIT | (sig->flags & SIGNAL_UNKILLABLE);
		zap_other_threads(current);
	}
	spin_unlock_irqrestore(&current->sighand->siglock, irq);
	do_exit(exit_code);
}

SYSCALL_DEFINE1(exit, int, code)	{ do_exit((code & 0xff) << 8); }
SYSCALL_DEFINE1(exit_group, int, code)	{ do_group_exit((code & 0xff) << 8); }
