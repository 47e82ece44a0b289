/*
 * kernel/task/fork.c - making tasks: fork, vfork, clone, clone3, kernel threads.
 *
 *	kernel_clone ─> copy_process ─┬─ dup_task_struct	structure, kernel stack
 *				      ├─ copy_creds, copy_files, copy_fs, copy_sighand, copy_signal, copy_mm
 *				      │			each shared or copied, as the CLONE_ flags say
 *				      ├─ copy_thread		what it runs first
 *				      ├─ alloc_pid
 *				      └─ publish		tasklist_lock: parent, lists, numbers
 *		   ─> wake_up_new_task
 *
 * Until it is published nobody can see the child, and every failure unwinds in reverse order by the labels of
 * copy_process. Signals: a signal for a whole process group must not miss a child that is being made, so
 * fork notes signal->group_kill_seq at its start and starts over if such a signal came in between.
 *
 * References to a task_struct: one by the scheduler (dropped after the last switch away from it), one by
 * its place in the family (dropped by release_task). The structure keeps signal, sighand and cred alive
 * until it is freed itself, so t->sighand of a referenced task is always a valid pointer.
 *
 * Not here: name spaces, cgroups, ptrace events. Linux: kernel/fork.c.
 */
#include "arch-x86_64/fpu.h"
#include "arch-x86_64/ptrace.h"
#include "kernel/fs/tty.h"
#include "kernel/init.h"
#include "kernel/lib/err.h"
#include "kernel/lib/string.h"
#include "kernel/task/fork.h"
#include "kernel/task/internal.h"
#include "kernel/task/syscall.h"
#include "kernel/trace/concurrency.h"
#include "mm/mm.h"
#include "mm/slab.h"

#define CSIGNAL 0xffUL

DEFINE_SPINLOCK(tasklist_lock);
int nr_threads, max_threads;
u64 total_forks;

static struct kmem_cache *task_cache, *signal_cache, *sighand_cache;

/* ---- Structures ---- */

static void init_task_lists(struct task_struct *t)
{
	int i;

	for (i = 0; i < PIDTYPE_MAX; i++)
		INIT_LIST_HEAD(&t->pid_links[i]);
	INIT_LIST_HEAD(&t->children);
	INIT_LIST_HEAD(&t->sibling);
	INIT_LIST_HEAD(&t->thread_node);
	INIT_LIST_HEAD(&t->tasks);
	INIT_LIST_HEAD(&t->pending.list);
	t->pending.signal = 0;
	spin_lock_init(&t->alloc_lock);
}

/* Structure and stack, the structure not initialised; NULL: no memory. */
static struct task_struct *alloc_task_and_stack(void)
{
	struct task_struct *t = kmem_cache_alloc(task_cache, GFP_KERNEL);
	void *stack;

	if (!t)
		return NULL;
	stack = alloc_thread_stack();
	if (!stack) {
		kmem_cache_free(task_cache, t);
		return NULL;
	}
	t->stack = stack;
	return t;
}

static void free_task_and_stack(struct task_struct *t)
{
	free_thread_stack(t->stack);
	kmem_cache_free(task_cache, t);
}

struct task_struct *alloc_task_struct_with_stack(void)
{
	struct task_struct *t = alloc_task_and_stack();
	void *stack;

	if (!t)
		return NULL;
	stack = t->stack;
	memset(t, 0, sizeof(*t));
	t->stack = stack;
	init_task_lists(t);
	atomic_set(&t->usage, 1);
	t->flags = PF_KTHREAD;
	t->static_prio = 120;
	t->group_leader = t->real_parent = t->parent = t;
	t->cred = get_cred(&init_cred);
	t->signal = init_task.signal;
	t->sighand = init_task.sighand;
	atomic_inc(&t->signal->sigcnt);
	atomic_inc(&t->sighand->count);
	t->thread_pid = &init_struct_pid;
	t->thread.sp0 = (unsigned long)t->stack + THREAD_SIZE;
	return t;
}

void put_signal_struct(struct signal_struct *sig)
{
	if (!atomic_dec_and_test(&sig->sigcnt))
		return;
	flush_sigqueue(&sig->shared_pending);
	kmem_cache_free(signal_cache, sig);
}

void put_sighand_struct(struct sighand_struct *sh)
{
	if (atomic_dec_and_test(&sh->count))
		kmem_cache_free(sighand_cache, sh);
}

/*
 * A zombie that has left its CPU for good needs neither stack nor registers: thousands of them may wait for
 * their parents. The scheduler's put comes right after the last switch, so that is when this happens.
 */
static void free_dead_stack(struct task_struct *t)
{
	void *stack = xchg(&t->stack, NULL);

	if (!stack)
		return;
	free_thread_stack(stack);
	fpu_free(t);
}

void put_task_struct(struct task_struct *t)
{
	if (READ_ONCE(t->__state) == TASK_DEAD && !smp_load_acquire(&t->on_cpu))
		free_dead_stack(t);
	if (!atomic_dec_and_test(&t->usage))
		return;
	KASSERT(t != &init_task && t != current, "task: freed while in use");
	flush_sigqueue(&t->pending);
	put_signal_struct(t->signal);
	put_sighand_struct(t->sighand);
	put_cred(t->cred);
	free_dead_stack(t);		/* one that never ran */
	kmem_cache_free(task_cache, t);
}

/* A copy of PARENT with a stack of its own, that shares nothing counted yet. NULL: no memory. */
static struct task_struct *dup_task_struct(struct task_struct *parent)
{
	struct task_struct *t = alloc_task_and_stack();
	void *stack;

	if (!t)
		return NULL;
	stack = t->stack;
	memcpy(t, parent, sizeof(*t));
	t->stack = stack;
	init_task_lists(t);
	atomic_set(&t->usage, 2);
	memset(&t->thread, 0, sizeof(t->thread));
	t->lockdep_depth = t->lockdep_recursion = 0;
	t->ti_flags = 0;
	t->flags &= ~(PF_IDLE | PF_MEMALLOC | PF_VFORK | PF_EXITING);
	t->flags |= PF_FORKNOEXEC;
	t->mm = t->active_mm = NULL;
	t->min_flt = t->maj_flt = 0;
	memset(t->rss_cached, 0, sizeof(t->rss_cached));
	t->pagefault_disabled = 0;
	t->rchar = t->wchar = t->syscr = t->syscw = 0;
	t->exit_state = t->exit_code = 0;
	t->jobctl = 0;
	t->restore_sigmask = false;
	t->real_blocked = 0;
	t->restart_block.fn = NULL;
	t->robust_list = NULL;
	t->set_child_tid = t->clear_child_tid = NULL;
	t->vfork_done = NULL;
	t->pdeath_signal = 0;
	t->wchan = NULL;
	memset(t->inside, 0, sizeof(t->inside));	/* the parent is inside fork, the child is not */
	return t;
}

/* ---- What is shared or copied. Each returns 0 or -errno ---- */

static int copy_files(u64 flags, struct task_struct *t)
{
	if (!t->files)
		return 0;
	if (flags & CLONE_FILES) {
		get_files_struct(t->files);
		return 0;
	}
	t->files = dup_fd(t->files);
	return t->files ? 0 : -ENOMEM;
}

static int copy_fs(u64 flags, struct task_struct *t)
{
	if (!t->fs)
		return 0;
	if (flags & CLONE_FS) {
		atomic_inc(&t->fs->users);
		return 0;
	}
	t->fs = copy_fs_struct(t->fs);
	return t->fs ? 0 : -ENOMEM;
}

/* New, with the lock class of OLD; the actions are not set. NULL: no memory. */
struct sighand_struct *alloc_sighand_like(struct sighand_struct *old)
{
	struct sighand_struct *sh = kmem_cache_alloc(sighand_cache, GFP_KERNEL);

	if (!sh)
		return NULL;
	spin_lock_init_class(&sh->siglock, old->siglock.class);
	atomic_set(&sh->count, 1);
	return sh;
}

static int copy_sighand(u64 flags, struct task_struct *t)
{
	struct sighand_struct *sh, *old = t->sighand;
	unsigned long irq;

	if (flags & CLONE_SIGHAND) {
		atomic_inc(&old->count);
		return 0;
	}
	sh = alloc_sighand_like(old);
	if (!sh)
		return -ENOMEM;
	spin_lock_irqsave(&old->siglock, irq);
	memcpy(sh->action, old->action, sizeof(sh->action));
	spin_unlock_irqrestore(&old->siglock, irq);
	t->sighand = sh;
	if (flags & CLONE_CLEAR_SIGHAND)
		flush_signal_handlers(t, false);
	return 0;
}

static int copy_signal(u64 flags, struct task_struct *t)
{
	struct signal_struct *sig, *old = t->signal;

	if (flags & CLONE_THREAD)
		return 0;		/* counted when it is published */
	sig = kmem_cache_zalloc(signal_cache, GFP_KERNEL);
	if (!sig)
		return -ENOMEM;
	atomic_set(&sig->sigcnt, 1);
	atomic_set(&sig->live, 1);
	sig->nr_threads = 1;
	INIT_LIST_HEAD(&sig->thread_head);
	init_waitqueue_head(&sig->wait_chldexit);
	INIT_LIST_HEAD(&sig->shared_pending.list);
	INIT_LIST_HEAD(&sig->posix_timers);
	hrtimer_init(&sig->real_timer, it_real_fn);
	spin_lock(&current->group_leader->alloc_lock);
	memcpy(sig->rlim, old->rlim, sizeof(sig->rlim));
	spin_unlock(&current->group_leader->alloc_lock);
	sig->oom_score_adj = old->oom_score_adj;
	sig->oom_score_adj_min = old->oom_score_adj_min;
	update_rlimit_cpu(sig);
	t->signal = sig;
	return 0;
}

static int copy_mm(u64 flags, struct task_struct *t)
{
	struct mm_struct *mm = current->mm;

	if (!mm || (t->flags & PF_KTHREAD))
		return 0;
	if (flags & CLONE_VM) {
		mmget(mm);
	} else {
		mm = dup_mm(mm);
		if (!mm)
			return fatal_signal_pending(current) ? -EINTR : -ENOMEM;
		mm->owner = t;
	}
	t->mm = t->active_mm = mm;
	return 0;
}

/* May this user have one more task, and the machine? */
static int check_task_limits(void)
{
	struct user_struct *u = current->cred->user;

	if (nr_threads >= max_threads)
		return -EAGAIN;
	if (u->uid == 0 || capable(CAP_SYS_RESOURCE))
		return 0;
	if ((u64)atomic_read(&u->processes) >= rlimit(RLIMIT_NPROC))
		return -EAGAIN;
	return 0;
}

/* ---- Flags ---- */

static int check_clone_flags(const struct kernel_clone_args *a)
{
	u64 f = a->flags;

	if (f & CLONE_UNSUPPORTED)
		return capable(CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
	if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && !(f & CLONE_VM))
		return -EINVAL;
	if ((f & CLONE_PARENT) && (current->signal->flags & SIGNAL_UNKILLABLE))
		return -EINVAL;
	if ((f & CLONE_PIDFD) && (f & (CLONE_THREAD | CLONE_DETACHED)))
		return -EINVAL;
	if ((f & CLONE_CLEAR_SIGHAND) && (f & CLONE_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_SETTLS) && a->tls >= TASK_SIZE_MAX)
		return -EPERM;
	return 0;
}

/* ---- Publishing ---- */

static void link_new_process(struct task_struct *t, struct pid *pid)
{
	struct signal_struct *sig = t->signal;
	/* Kernel threads belong to task 0, whoever asked for them. */
	struct task_struct *like = (t->flags & PF_KTHREAD) ? &init_task : current;

	t->group_leader = t;
	t->tgid = t->pid;
	sig->leader_task = t;
	list_add_tail(&t->sibling, &t->real_parent->children);
	list_add_tail(&t->tasks, &init_task.tasks);
	list_add_tail(&t->thread_node, &sig->thread_head);
	attach_pid(t, PIDTYPE_PID, pid);
	attach_pid(t, PIDTYPE_TGID, pid);
	attach_pid(t, PIDTYPE_PGID, like->signal->pids[PIDTYPE_PGID]);
	attach_pid(t, PIDTYPE_SID, like->signal->pids[PIDTYPE_SID]);
}

static void link_new_thread(struct task_struct *t, struct pid *pid)
{
	struct signal_struct *sig = t->signal;

	t->group_leader = current->group_leader;
	t->tgid = current->tgid;
	atomic_inc(&sig->sigcnt);
	atomic_inc(&sig->live);
	sig->nr_threads++;
	list_add_tail(&t->thread_node, &sig->thread_head);
	attach_pid(t, PIDTYPE_PID, pid);
}

/*
 * Make T visible to everybody. 0, or -errno with nothing changed: a signal that T would have missed came.
 *
 * => GROUP_KILL_SEQ: what the counter was when the fork began
 */
static int publish(struct task_struct *t, struct pid *pid, u64 flags, unsigned int group_kill_seq)
{
	struct signal_struct *sig = current->signal;
	unsigned long irq;
	int err = 0;

	spin_lock(&tasklist_lock);
	if (t->flags & PF_KTHREAD) {
		t->real_parent = &init_task;
	} else if (flags & (CLONE_PARENT | CLONE_THREAD)) {
		t->real_parent = current->real_parent;
		t->exit_signal = flags & CLONE_THREAD ? -1 : current->group_leader->exit_signal;
	} else {
		t->real_parent = current;
	}
	t->parent = t->real_parent;
	if (!(t->flags & PF_KTHREAD) && !(flags & CLONE_THREAD))
		tty_inherit(t->signal);
	spin_lock_irqsave(&current->sighand->siglock, irq);
	if (!(t->flags & PF_KTHREAD)) {
		if (fatal_signal_pending(current))
			err = -EINTR;
		else if (!(flags & CLONE_THREAD) && sig->group_kill_seq != group_kill_seq &&
			 signal_pending(current))
			err = -ERESTARTNOINTR;
	}
	if (!err) {
		if (flags & CLONE_THREAD)
			link_new_thread(t, pid);
		else
			link_new_process(t, pid);
		nr_threads++;
		total_forks++;
	}
	spin_unlock_irqrestore(&current->sighand->siglock, irq);
	spin_unlock(&tasklist_lock);
	return err;
}

/* ---- copy_process ---- */

/* The first instruction and user-visible ids of T. */
static void set_up_start(struct task_struct *t, const struct kernel_clone_args *a)
{
	unsigned long sp = a->stack ? a->stack + a->stack_size : 0;

	copy_thread(t, a->fn ? 0 : sp, a->fn, a->fn_arg);
	if (a->flags & CLONE_SETTLS)
		set_task_fsbase(t, a->tls);
	if (a->flags & CLONE_CHILD_SETTID)
		t->set_child_tid = a->child_tid;
	if (a->flags & CLONE_CHILD_CLEARTID)
		t->clear_child_tid = a->child_tid;
	/* Two threads cannot use one alternate signal stack (but vfork: the parent waits). */
	if ((a->flags & (CLONE_VM | CLONE_VFORK)) == CLONE_VM) {
		t->sas_ss_sp = t->sas_ss_size = 0;
		t->sas_ss_flags = SS_DISABLE;
	}
}

/* All that a process is made of, shared or copied as FLAGS say. 0 or -errno, then nothing is held. */
static int copy_resources(u64 flags, struct task_struct *t)
{
	int err = copy_files(flags, t);

	if (err)
		return err;
	err = copy_fs(flags, t);
	if (err)
		goto out_files;
	err = copy_sighand(flags, t);
	if (err)
		goto out_fs;
	err = copy_signal(flags, t);
	if (err)
		goto out_sighand;
	err = copy_mm(flags, t);
	if (!err)
		return 0;

	if (!(flags & CLONE_THREAD))
		put_signal_struct(t->signal);
out_sighand:
	put_sighand_struct(t->sighand);
out_fs:
	if (t->fs)
		put_fs_struct(t->fs);
out_files:
	if (t->files)
		put_files_struct(t->files);
	return err;
}

static void drop_resources(u64 flags, struct task_struct *t)
{
	if (t->mm)
		mmput(t->mm);
	if (!(flags & CLONE_THREAD))
		put_signal_struct(t->signal);
	put_sighand_struct(t->sighand);
	if (t->fs)
		put_fs_struct(t->fs);
	if (t->files)
		put_files_struct(t->files);
}

/* Kernel threads belong to root, whoever asked for them. Counts the task with its user. */
static const struct cred *copy_creds(const struct kernel_clone_args *a)
{
	const struct cred *c = a->fn ? &init_cred : current->cred;

	atomic_inc(&c->user->processes);
	return get_cred(c);
}

/* CLONE_PIDFD: the caller knows the descriptor before the child exists. 0, or -errno with nothing held. */
static int prepare_pidfd(const struct kernel_clone_args *a, struct pid *pid, int *fd, struct file **file)
{
	*fd = pidfd_prepare(pid, O_RDWR, file);
	if (*fd < 0)
		return *fd;
	if (!put_user(*fd, a->pidfd))
		return 0;
	put_unused_fd(*fd);
	fput(*file);
	return -EFAULT;
}

/*
 * Give T a number (NR, or the next free one), perhaps a pidfd, and publish it. 0 or -errno with nothing done.
 *
 * => SEQ: signal->group_kill_seq when the fork began
 */
static int number_and_publish(struct task_struct *t, const struct kernel_clone_args *a, pid_t nr,
			      unsigned int seq)
{
	struct pid *pid = alloc_pid_nr(nr);
	struct file *pidfile = NULL;
	int err, fd = -1;

	if (IS_ERR(pid))
		return PTR_ERR(pid);
	t->pid = pid->nr;
	err = a->flags & CLONE_PIDFD ? prepare_pidfd(a, pid, &fd, &pidfile) : 0;
	if (err)
		goto out_pid;
	err = publish(t, pid, a->flags, seq);
	if (err)
		goto out_pidfd;
	if (pidfile)
		fd_install(fd, pidfile);
	return 0;

out_pidfd:
	if (pidfile) {
		put_unused_fd(fd);
		fput(pidfile);
	}
out_pid:
	spin_lock(&tasklist_lock);
	free_pid(pid);
	spin_unlock(&tasklist_lock);
	return err;
}

/* The parts that belong to T alone: kind, scheduling, FPU state, ids. 0 or -ENOMEM, then nothing is held. */
static int copy_own_state(struct task_struct *t, const struct kernel_clone_args *a)
{
	int err;

	if (a->fn)
		t->flags |= PF_KTHREAD;
	t->exit_signal = a->exit_signal;
	sched_fork(t);
	err = a->fn ? 0 : fpu_fork(t);
	if (!err)
		t->cred = copy_creds(a);
	return err;
}

static void drop_own_state(struct task_struct *t)
{
	atomic_dec(&t->cred->user->processes);
	put_cred(t->cred);
	fpu_free(t);
}

/*
 * A new task that does not run yet, a copy of LIKE (current; or task 0, for kernel threads), or ERR_PTR.
 *
 * => may sleep. NR: the number it must get (init), or 0
 */
static struct task_struct *copy_process(struct task_struct *like, const struct kernel_clone_args *a, pid_t nr)
{
	unsigned int seq = READ_ONCE(current->signal->group_kill_seq);
	struct task_struct *t;
	int err;

	err = check_task_limits();
	if (err)
		return ERR_PTR(err);
	t = dup_task_struct(like);
	if (!t)
		return ERR_PTR(-ENOMEM);
	err = copy_own_state(t, a);
	if (err)
		goto out_task;
	err = copy_resources(a->flags, t);
	if (err)
		goto out_own;
	set_up_start(t, a);
	err = number_and_publish(t, a, nr, seq);
	if (!err)
		return t;

	drop_resources(a->flags, t);
out_own:
	drop_own_state(t);
out_task:
	free_task_and_stack(t);
	return ERR_PTR(err);
}

struct task_struct *copy_process_kthread(int (*fn)(void *), void *arg)
{
	struct kernel_clone_args a = { .flags = CLONE_VM | CLONE_FS | CLONE_FILES, .fn = fn, .fn_arg = arg };
	struct task_struct *t = copy_process(&init_task, &a, 0);

	if (!IS_ERR(t))
		ignore_signals(t);
	return t;
}

pid_t start_init_thread(int (*fn)(void *), void *arg)
{
	struct kernel_clone_args a = { .fn = fn, .fn_arg = arg, .exit_signal = SIGCHLD };
	struct task_struct *t = copy_process(&init_task, &a, 1);

	if (IS_ERR(t))
		panic("init: cannot be started: error %ld", -PTR_ERR(t));
	strscpy(t->comm, "init", sizeof(t->comm));
	t->signal->flags |= SIGNAL_UNKILLABLE;
	wake_up_new_task(t);
	return 1;
}

/* ---- User processes ---- */

/* Sleep until CHILD has left our memory (exec or exit). A fatal signal ends the wait. */
static void wait_for_vfork_done(struct task_struct *child, struct completion *vfork)
{
	(void)wait_for_completion_killable(vfork);
	/* VFORK is on our stack: the child must neither find it any more nor be still busy with it. */
	spin_lock(&child->alloc_lock);
	child->vfork_done = NULL;
	spin_unlock(&child->alloc_lock);
	put_task_struct(child);
}

pid_t kernel_clone(struct kernel_clone_args *a)
{
	struct completion vfork;
	struct task_struct *t;
	pid_t nr;
	int err;

	err = check_clone_flags(a);
	if (err)
		return err;
	/* A signal that is pending now is handled first; the child would only inherit half of it. */
	if (!(a->flags & CLONE_THREAD) && signal_pending(current))
		return -ERESTARTNOINTR;
	concurrency_enter(IN_FORK, current->mm);
	t = copy_process(current, a, 0);
	concurrency_exit(IN_FORK);
	if (IS_ERR(t))
		return PTR_ERR(t);
	nr = t->pid;
	if (a->flags & CLONE_PARENT_SETTID)
		(void)put_user(nr, a->parent_tid);
	if (a->flags & CLONE_VFORK) {
		init_completion(&vfork);
		t->vfork_done = &vfork;
		t->flags |= PF_VFORK;
		get_task_struct(t);
	}
	wake_up_new_task(t);
	if (a->flags & CLONE_VFORK)
		wait_for_vfork_done(t, &vfork);
	return nr;
}

SYSCALL_DEFINE0(fork)
{
	struct kernel_clone_args a = { .exit_signal = SIGCHLD };

	return kernel_clone(&a);
}

SYSCALL_DEFINE0(vfork)
{
	struct kernel_clone_args a = { .flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD };

	return kernel_clone(&a);
}

SYSCALL_DEFINE5(clone, unsigned long, flags, unsigned long, stack, int __user *, parent_tid,
		int __user *, child_tid, unsigned long, tls)
{
	struct kernel_clone_args a = {
		.flags = (u32)flags & ~CSIGNAL & ~((flags & CLONE_PIDFD) ? 0 : CLONE_DETACHED),
		.pidfd = parent_tid,
		.child_tid = child_tid,
		.parent_tid = parent_tid,
		.exit_signal = flags & CSIGNAL,
		.stack = stack,
		.tls = tls,
	};

	/* One address for two answers. */
	if ((flags & CLONE_PIDFD) && (flags & CLONE_PARENT_SETTID))
		return -EINVAL;
	return kernel_clone(&a);
}

/* The structure of clone3; programs may pass its first 64 bytes, 80, 88, or more with zeroes. */
struct clone_args {
	u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	u64 set_tid, set_tid_size;
	u64 cgroup;
};
#define CLONE_ARGS_SIZE_VER0 64

static int copy_clone_args(struct clone_args *args, const void __user *u, size_t size)
{
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	memset(args, 0, sizeof(*args));
	if (copy_from_user(args, u, min(size, sizeof(*args))))
		return -EFAULT;
	for (size_t at = sizeof(*args); at < size; at++) {
		u8 byte;

		if (get_user(byte, (u8 __user *)(unsigned long)u + at))
			return -EFAULT;
		if (byte)
			return -E2BIG;
	}
	return 0;
}

SYSCALL_DEFINE2(clone3, const void __user *, uargs, size_t, size)
{
	struct kernel_clone_args a;
	struct clone_args args;
	int err = copy_clone_args(&args, uargs, size);

	if (err)
		return err;
	if (args.set_tid || args.set_tid_size || (args.flags & (CSIGNAL | CLONE_DETACHED)))
		return -EINVAL;
	if (args.exit_signal & ~CSIGNAL || args.exit_signal > _NSIG)
		return -EINVAL;
	if ((args.flags & (CLONE_THREAD | CLONE_PARENT)) && args.exit_signal)
		return -EINVAL;
	if (args.flags >> 34)
		return -EINVAL;
	if (!args.stack != !args.stack_size || !access_ok((void __user *)args.stack, args.stack_size))
		return -EINVAL;
	a = (struct kernel_clone_args) {
		.flags = args.flags,
		.pidfd = (int __user *)args.pidfd,
		.child_tid = (int __user *)args.child_tid,
		.parent_tid = (int __user *)args.parent_tid,
		.exit_signal = args.exit_signal,
		.stack = args.stack,
		.stack_size = args.stack_size,
		.tls = args.tls,
	};
	return kernel_clone(&a);
}

SYSCALL_DEFINE1(set_tid_address, int __user *, tidptr)
{
	current->clear_child_tid = tidptr;
	return current->pid;
}

/* ---- Leaving an address space ---- */

/* Let the parent of a vfork go on. */
static void complete_vfork_done(struct task_struct *t)
{
	spin_lock(&t->alloc_lock);
	if (t->vfork_done)
		complete(t->vfork_done);
	t->vfork_done = NULL;
	t->flags &= ~PF_VFORK;
	spin_unlock(&t->alloc_lock);
}

void mm_release(bool for_exit)
{
	struct task_struct *t = current;

	exit_robust_list(t);
	if (t->clear_child_tid) {
		/* Only other users of the memory could look at it. The address may be gone: no harm. */
		if (atomic_read(&t->mm->mm_users) > 1 && !put_user(0, t->clear_child_tid))
			futex_wake((u32 __user *)t->clear_child_tid, true, 1, ~0u);
		t->clear_child_tid = NULL;
	}
	if (!for_exit)
		t->robust_list = NULL;
	complete_vfork_done(t);
}

/* ---- Start-up ---- */

/* As many tasks as an eighth of memory holds kernel stacks for, as Linux; at least 20. */
static int default_max_threads(void)
{
	unsigned long n = totalram_pages() * PAGE_SIZE / (THREAD_SIZE * 8);

	return clamp(n, 20UL, (unsigned long)PID_MAX_DEFAULT - 1);
}

void fork_init(void)
{
	struct signal_struct *sig = init_task.signal;
	int i;

	task_cache = kmem_cache_create("task_struct", sizeof(struct task_struct), 64, 0);
	signal_cache = KMEM_CACHE(signal_struct);
	sighand_cache = KMEM_CACHE(sighand_struct);
	max_threads = default_max_threads();
	for (i = 0; i < 2; i++) {
		int what = i ? RLIMIT_SIGPENDING : RLIMIT_NPROC;

		sig->rlim[what].rlim_cur = sig->rlim[what].rlim_max = max_threads / 2;
	}
	init_task.thread_pid = &init_struct_pid;
	init_waitqueue_head(&init_struct_pid.wait_pidfd);
	for (i = 0; i < PIDTYPE_MAX; i++) {
		INIT_LIST_HEAD(&init_task.pid_links[i]);
		sig->pids[i] = &init_struct_pid;
	}
	sig->leader_task = &init_task;
	hrtimer_init(&sig->real_timer, it_real_fn);
}
