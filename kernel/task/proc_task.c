/*
 * kernel/task/proc_task.c - one task as /proc/PID shows it: stat, status, cmdline, comm, environ, limits, ...
 *
 * A task may end at any moment: what hangs off signal and sighand is looked at under tasklist_lock, and mm through
 * get_task_mm(). Memory's own files (maps, smaps, ...) are in mm/.
 *
 * Linux: fs/proc/array.c, fs/proc/base.c.
 */
#include "kernel/fs/pseudofs.h"
#include "kernel/fs/tty.h"
#include "kernel/init.h"
#include "kernel/lib/err.h"
#include "kernel/lib/string.h"
#include "kernel/task/internal.h"
#include "mm/mm.h"
#include "mm/slab.h"
#include "mm/task_mmu.h"

/* ---- What stat and status both need ---- */

struct task_view {
	char state;
	pid_t ppid, pgrp, session, tpgid;
	int tty_nr, num_threads;
	u64 sigpending, shpending, sigblocked, sigign, sigcgt;
	u64 utime, stime, cutime, cstime;
	u64 min_flt, maj_flt, cmin_flt, cmaj_flt;
	int nice, exit_code;
	struct rlimit rss;
	int sigq, sigq_limit;
};

static char task_state_char(struct task_struct *t)
{
	unsigned int s = READ_ONCE(t->__state);

	if (t->exit_state & EXIT_DEAD)
		return 'X';
	if (t->exit_state & EXIT_ZOMBIE)
		return 'Z';
	/* One that has announced its sleep may still find that it need not, and may be preempted meanwhile. */
	if (s == TASK_RUNNING || READ_ONCE(t->on_rq))
		return 'R';
	if (s & TASK_STOPPED)
		return 'T';
	if (s & TASK_INTERRUPTIBLE)
		return 'S';
	return s & TASK_NOLOAD ? 'I' : s & TASK_UNINTERRUPTIBLE ? 'D' : 'X';
}

static const char *task_state_name(char c)
{
	switch (c) {
	case 'R': return "R (running)";
	case 'S': return "S (sleeping)";
	case 'D': return "D (disk sleep)";
	case 'T': return "T (stopped)";
	case 'Z': return "Z (zombie)";
	case 'I': return "I (idle)";
	default:  return "X (dead)";
	}
}

/* => siglock held */
static void view_signals(struct task_struct *t, struct task_view *v)
{
	v->sigpending = t->pending.signal;
	v->shpending = t->signal->shared_pending.signal;
	v->sigblocked = t->blocked;
	for (int i = 0; i < _NSIG; i++) {
		void __user *h = t->sighand->action[i].handler;

		if (h == SIG_IGN)
			v->sigign |= 1ULL << i;
		else if (h != SIG_DFL)
			v->sigcgt |= 1ULL << i;
	}
}

/* => tasklist_lock held, T not released */
static void view_process(struct task_struct *t, struct task_view *v, bool whole)
{
	struct signal_struct *sig = t->signal;
	struct task_struct *p;
	u64 sum;

	v->ppid = t->real_parent ? t->real_parent->tgid : 0;
	v->pgrp = task_pgrp(t) ? pid_nr(task_pgrp(t)) : 0;
	v->session = task_session(t) ? pid_nr(task_session(t)) : 0;
	v->num_threads = sig->nr_threads;
	v->cutime = sig->cutime_ns;
	v->cstime = sig->cstime_ns;
	v->cmin_flt = sig->cmin_flt;
	v->cmaj_flt = sig->cmaj_flt;
	v->rss = sig->rlim[RLIMIT_RSS];
	v->min_flt = t->min_flt;
	v->maj_flt = t->maj_flt;
	v->utime = t->utime_ns;
	v->stime = t->stime_ns;
	if (!whole)
		return;
	thread_group_cputime(t, &v->utime, &v->stime, &sum);
	v->min_flt = sig->min_flt;
	v->maj_flt = sig->maj_flt;
	for_each_thread(t, p) {
		v->min_flt += p->min_flt;
		v->maj_flt += p->maj_flt;
	}
}

/* WHOLE: figures of the process, not of the one thread. */
static void view_task(struct task_struct *t, struct task_view *v, bool whole)
{
	unsigned long flags;

	memset(v, 0, sizeof(*v));
	v->state = task_state_char(t);
	v->nice = t->static_prio - 120;
	v->exit_code = t->exit_code;
	v->tpgid = -1;
	v->num_threads = 1;
	v->utime = t->utime_ns;
	v->stime = t->stime_ns;
	spin_lock(&tasklist_lock);
	if (t->signal && t->sighand) {
		view_process(t, v, whole);
		spin_lock_irqsave(&t->sighand->siglock, flags);
		view_signals(t, v);
		spin_unlock_irqrestore(&t->sighand->siglock, flags);
		proc_tty_info(t, &v->tty_nr, &v->tpgid);
	}
	spin_unlock(&tasklist_lock);
}

/* ---- stat: 52 fields ---- */

static int show_stat(struct seq_file *m, bool whole)
{
	struct task_struct *t = m->task;
	struct mm_struct *mm = get_task_mm(t);
	bool may_see = ptrace_may_access(t);
	char comm[TASK_COMM_LEN];
	struct task_view v;

	view_task(t, &v, whole);
	get_task_comm(comm, t);
	seq_printf(m, "%d (%s) %c %d %d %d %d %d %u ", t->pid, comm, v.state, v.ppid, v.pgrp, v.session, v.tty_nr, v.tpgid, t->flags);
	seq_printf(m, "%llu %llu %llu %llu ", (unsigned long long)v.min_flt, (unsigned long long)v.cmin_flt,
		   (unsigned long long)v.maj_flt, (unsigned long long)v.cmaj_flt);
	seq_printf(m, "%llu %llu %llu %llu ", (unsigned long long)ns_to_clock_t(v.utime), (unsigned long long)ns_to_clock_t(v.stime),
		   (unsigned long long)ns_to_clock_t(v.cutime), (unsigned long long)ns_to_clock_t(v.cstime));
	seq_printf(m, "%d %d %d 0 %llu ", 20 + v.nice, v.nice, v.num_threads, (unsigned long long)ns_to_clock_t(t->start_time_ns));
	seq_printf(m, "%lu %lu %llu ", mm ? mm->total_vm << PAGE_SHIFT : 0, mm ? get_mm_rss(mm) : 0, (unsigned long long)v.rss.rlim_cur);
	if (mm && may_see)
		seq_printf(m, "%lu %lu %lu ", mm->start_code, mm->end_code, mm->start_stack);
	else
		seq_puts(m, mm ? "1 1 0 " : "0 0 0 ");
	seq_printf(m, "0 0 %llu %llu %llu %llu ", (unsigned long long)v.sigpending & 0x7fffffff, (unsigned long long)v.sigblocked & 0x7fffffff,
		   (unsigned long long)v.sigign & 0x7fffffff, (unsigned long long)v.sigcgt & 0x7fffffff);
	/* wchan, nswap, cnswap, exit_signal, processor, rt_priority, policy, delays, guest times */
	seq_printf(m, "%d 0 0 %d %d 0 %d 0 0 0 ", v.state == 'R' ? 0 : 1, whole ? t->exit_signal : -1, t->cpu, t->policy);
	if (mm && may_see)
		seq_printf(m, "%lu %lu %lu %lu %lu %lu %lu ", mm->start_data, mm->end_data, mm->start_brk, mm->arg_start, mm->arg_end,
			   mm->env_start, mm->env_end);
	else
		seq_puts(m, "0 0 0 0 0 0 0 ");
	seq_printf(m, "%d\n", may_see ? v.exit_code : 0);
	if (mm)
		mmput(mm);
	return 0;
}

static int stat_show(struct seq_file *m, void *data)
{
	return show_stat(m, m->task->pid == m->task->tgid);
}

/* ---- status ---- */

static void status_ids(struct seq_file *m, struct task_struct *t)
{
	const struct cred *c = get_task_cred(t);

	seq_printf(m, "Uid:\t%u\t%u\t%u\t%u\n", c->uid, c->euid, c->suid, c->fsuid);
	seq_printf(m, "Gid:\t%u\t%u\t%u\t%u\n", c->gid, c->egid, c->sgid, c->fsgid);
	seq_printf(m, "FDSize:\t%d\nGroups:\t", 64);
	for (int i = 0; i < c->ngroups; i++)
		seq_printf(m, "%u ", c->groups[i]);
	seq_puts(m, "\n");
	put_cred(c);
}

static void status_caps(struct seq_file *m, struct task_struct *t)
{
	const struct cred *c = get_task_cred(t);
	unsigned long long permitted = cap_permitted(c), effective = cap_effective(c);

	put_cred(c);
	seq_printf(m, "CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\nCapBnd:\t%016llx\nCapAmb:\t%016llx\n", 0ULL,
		   permitted, effective, CAP_ALL, 0ULL);
	seq_printf(m, "NoNewPrivs:\t0\nSeccomp:\t0\n");
}

static void show_cpu_list(struct seq_file *m, unsigned long mask)
{
	const char *sep = "";

	for (int i = 0; i < NR_CPUS; i++) {
		int from = i;

		if (!(mask & BIT(i)))
			continue;
		while (i + 1 < NR_CPUS && (mask & BIT(i + 1)))
			i++;
		seq_printf(m, from == i ? "%s%d" : "%s%d-%d", sep, from, i);
		sep = ",";
	}
	seq_putc(m, '\n');
}

static void show_name_escaped(struct seq_file *m, const char *s)
{
	for (; *s; s++) {
		if (*s == '\n')
			seq_puts(m, "\\n");
		else if (*s == '\\')
			seq_puts(m, "\\\\");
		else
			seq_putc(m, *s);
	}
}

static umode_t task_umask(struct task_struct *t)
{
	umode_t mask;

	spin_lock(&t->alloc_lock);
	mask = t->fs ? t->fs->umask : 022;
	spin_unlock(&t->alloc_lock);
	return mask;
}

static int status_show(struct seq_file *m, void *data)
{
	struct task_struct *t = m->task;
	struct mm_struct *mm = get_task_mm(t);
	char comm[TASK_COMM_LEN];
	struct task_view v;

	view_task(t, &v, false);
	get_task_comm(comm, t);
	seq_puts(m, "Name:\t");
	show_name_escaped(m, comm);
	seq_printf(m, "\nUmask:\t%04o\nState:\t%s\n", task_umask(t), task_state_name(v.state));
	seq_printf(m, "Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n", t->tgid, t->pid, v.ppid);
	status_ids(m, t);
	seq_printf(m, "NStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", t->tgid, t->pid, v.pgrp, v.session);
	seq_printf(m, "Kthread:\t%d\n", !!(t->flags & PF_KTHREAD));
	if (mm) {
		task_mem_status(m, mm);
		mmput(mm);
	}
	seq_printf(m, "Threads:\t%d\nSigQ:\t%d/%d\n", v.num_threads, v.sigq, max_threads / 2);
	seq_printf(m, "SigPnd:\t%016llx\nShdPnd:\t%016llx\nSigBlk:\t%016llx\nSigIgn:\t%016llx\nSigCgt:\t%016llx\n",
		   (unsigned long long)v.sigpending, (unsigned long long)v.shpending, (unsigned long long)v.sigblocked,
		   (unsigned long long)v.sigign, (unsigned long long)v.sigcgt);
	status_caps(m, t);
	seq_printf(m, "Cpus_allowed:\t%lx\nCpus_allowed_list:\t", t->cpus_allowed & 0xffff);
	show_cpu_list(m, t->cpus_allowed);
	seq_printf(m, "voluntary_ctxt_switches:\t%llu\nnonvoluntary_ctxt_switches:\t%llu\n", (unsigned long long)t->nvcsw,
		   (unsigned long long)t->nivcsw);
	return 0;
}

/* ---- What lies in the process's own memory: cmdline, environ ---- */

/* Copy the arguments or (ENV) the environment out of the task's memory. */
static int show_task_memory(struct seq_file *m, bool env)
{
	struct mm_struct *mm = get_task_mm(m->task);
	char *page = kmalloc(PAGE_SIZE, GFP_KERNEL);
	unsigned long a, end;

	if (mm && page) {
		a = env ? mm->env_start : mm->arg_start;
		end = env ? mm->env_end : mm->arg_end;
		while (a < end) {
			int n = access_remote_vm(mm, a, page, min_t(unsigned long, end - a, PAGE_SIZE), 0);

			if (n <= 0)
				break;
			seq_write(m, page, n);
			a += n;
		}
	}
	kfree(page);
	if (mm)
		mmput(mm);
	return page ? 0 : -ENOMEM;
}

static int cmdline_show(struct seq_file *m, void *data)	 { return show_task_memory(m, false); }

/* Whoever opened the file might look into the task then; it may have become another program meanwhile. */
static int environ_show(struct seq_file *m, void *data)
{
	return ptrace_may_access(m->task) ? show_task_memory(m, true) : -EACCES;
}

static int auxv_show(struct seq_file *m, void *data)
{
	struct mm_struct *mm = get_task_mm(m->task);
	size_t n = 0;

	if (!mm)
		return 0;
	if (!ptrace_may_access(m->task)) {
		mmput(mm);
		return -EACCES;
	}
	while (n + 2 < ARRAY_SIZE(mm->saved_auxv) && mm->saved_auxv[n])
		n += 2;
	seq_write(m, mm->saved_auxv, (n + 2) * sizeof(mm->saved_auxv[0]));
	mmput(mm);
	return 0;
}

/* ---- comm, limits and the small ones ---- */

static int comm_show(struct seq_file *m, void *data)
{
	char comm[TASK_COMM_LEN];

	get_task_comm(comm, m->task);
	seq_printf(m, "%s\n", comm);
	return 0;
}

static ssize_t comm_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	char comm[TASK_COMM_LEN];

	if (task->tgid != current->tgid)
		return -EINVAL;
	strscpy(comm, buf, sizeof(comm));
	set_task_comm(task, comm);
	return len;
}

static const struct { const char *name, *unit; } limit_names[RLIM_NLIMITS] = {
	[RLIMIT_CPU] = { "Max cpu time", "seconds" }, [RLIMIT_FSIZE] = { "Max file size", "bytes" },
	[RLIMIT_DATA] = { "Max data size", "bytes" }, [RLIMIT_STACK] = { "Max stack size", "bytes" },
	[RLIMIT_CORE] = { "Max core file size", "bytes" }, [RLIMIT_RSS] = { "Max resident set", "bytes" },
	[RLIMIT_NPROC] = { "Max processes", "processes" }, [RLIMIT_NOFILE] = { "Max open files", "files" },
	[RLIMIT_MEMLOCK] = { "Max locked memory", "bytes" }, [RLIMIT_AS] = { "Max address space", "bytes" },
	[RLIMIT_LOCKS] = { "Max file locks", "locks" }, [RLIMIT_SIGPENDING] = { "Max pending signals", "signals" },
	[RLIMIT_MSGQUEUE] = { "Max msgqueue size", "bytes" }, [RLIMIT_NICE] = { "Max nice priority", "" },
	[RLIMIT_RTPRIO] = { "Max realtime priority", "" }, [RLIMIT_RTTIME] = { "Max realtime timeout", "us" },
};

static void show_limit(struct seq_file *m, u64 v)
{
	if (v == RLIM_INFINITY)
		seq_printf(m, "%-20s ", "unlimited");
	else
		seq_printf(m, "%-20llu ", (unsigned long long)v);
}

static int limits_show(struct seq_file *m, void *data)
{
	struct rlimit lim[RLIM_NLIMITS];
	bool alive;

	spin_lock(&tasklist_lock);
	alive = m->task->signal != NULL;
	if (alive)
		memcpy(lim, m->task->signal->rlim, sizeof(lim));
	spin_unlock(&tasklist_lock);
	if (!alive)
		return -ESRCH;
	seq_printf(m, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		seq_printf(m, "%-25s ", limit_names[i].name);
		show_limit(m, lim[i].rlim_cur);
		show_limit(m, lim[i].rlim_max);
		seq_printf(m, "%-10s\n", limit_names[i].unit);
	}
	return 0;
}

static int wchan_show(struct seq_file *m, void *data)
{
	const char *w = READ_ONCE(m->task->wchan);

	seq_puts(m, w && m->task->__state != TASK_RUNNING ? w : "0");
	return 0;
}

static int personality_show(struct seq_file *m, void *data)
{
	seq_puts(m, "00000000\n");
	return 0;
}

static int exe_path(struct task_struct *t, struct path *res)
{
	struct mm_struct *mm = get_task_mm(t);
	struct file *f;

	if (!mm)
		return -ENOENT;
	f = get_mm_exe_file(mm);
	mmput(mm);
	if (!f)
		return -ENOENT;
	*res = f->f_path;
	path_get(res);
	fput(f);
	return 0;
}

static const struct pseudo_ops stat_ops = { .show = stat_show }, status_ops = { .show = status_show },
	cmdline_ops = { .show = cmdline_show }, environ_ops = { .show = environ_show }, auxv_ops = { .show = auxv_show },
	comm_ops = { .show = comm_show, .write = comm_write }, limits_ops = { .show = limits_show },
	wchan_ops = { .show = wchan_show }, personality_ops = { .show = personality_show };

static int proc_task_init(void)
{
	proc_pid_create("stat", 0444, &stat_ops, NULL, 0);
	proc_pid_create("status", 0444, &status_ops, NULL, 0);
	proc_pid_create("cmdline", 0444, &cmdline_ops, NULL, 0);
	proc_pid_create("environ", 0400, &environ_ops, NULL, PROC_PID_PTRACE);
	proc_pid_create("auxv", 0400, &auxv_ops, NULL, PROC_PID_PTRACE);
	proc_pid_create("comm", 0644, &comm_ops, NULL, 0);
	proc_pid_create("limits", 0444, &limits_ops, NULL, 0);
	proc_pid_create("wchan", 0444, &wchan_ops, NULL, 0);
	proc_pid_create("personality", 0400, &personality_ops, NULL, PROC_PID_PTRACE);
	proc_pid_link("exe", exe_path);
	return 0;
}
fs_initcall(proc_task_init);
