/*
 * kernel/task/sys_misc.c - small system calls about the machine and the scheduler: uname, sysinfo, sched_*, nice,
 * reboot, personality.
 *
 * Linux: kernel/sys.c, kernel/sched/syscalls.c, kernel/reboot.c.
 */
#include "arch-x86_64/setup.h"
#include "arch-x86_64/smp.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/lib/err.h"
#include "kernel/lib/string.h"
#include "kernel/locking/mutex.h"
#include "kernel/task/internal.h"
#include "kernel/task/syscall.h"
#include "mm/gfp.h"
#include "mm/show_mem.h"
#include "mm/swap.h"
#include "mm/vmstat.h"

/* ---- Names ---- */

char utsname_nodename[65] = "(none)", utsname_domainname[65] = "(none)";
static DEFINE_SPINLOCK(uts_lock);	/* the two names */

struct new_utsname { char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65]; };

SYSCALL_DEFINE1(uname, struct new_utsname __user *, out)
{
	struct new_utsname u = { .sysname = "Linux", .release = UTS_RELEASE, .version = UTS_VERSION, .machine = "x86_64" };

	spin_lock(&uts_lock);
	memcpy(u.nodename, utsname_nodename, 65);
	memcpy(u.domainname, utsname_domainname, 65);
	spin_unlock(&uts_lock);
	return copy_to_user(out, &u, sizeof(u)) ? -EFAULT : 0;
}

void uts_set(char *name, const char *text)
{
	spin_lock(&uts_lock);
	memset(name, 0, 65);
	strscpy(name, text, 65);
	spin_unlock(&uts_lock);
}

static long set_name(char *name, const char __user *from, int len)
{
	char buf[65] = "";

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (len < 0 || len > 64)
		return -EINVAL;
	if (copy_from_user(buf, from, len))
		return -EFAULT;
	uts_set(name, buf);
	return 0;
}

SYSCALL_DEFINE2(sethostname, const char __user *, name, int, len)
{
	return set_name(utsname_nodename, name, len);
}

SYSCALL_DEFINE2(setdomainname, const char __user *, name, int, len)
{
	return set_name(utsname_domainname, name, len);
}

struct sysinfo_k {
	s64 uptime;
	u64 loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	u16 procs, pad;
	u32 pad2;			/* named, so that it is cleared: the structure is copied out whole */
	u64 totalhigh, freehigh;
	u32 mem_unit;
	char _f[4];
};
static_assert(sizeof(struct sysinfo_k) == 112, "sysinfo's layout");

SYSCALL_DEFINE1(sysinfo, struct sysinfo_k __user *, out)
{
	struct sysinfo_k s = { .uptime = DIV_ROUND_UP(ktime_get(), NSEC_PER_SEC), .mem_unit = 1 };
	unsigned long load[3];

	get_avenrun(load);
	for (int i = 0; i < 3; i++)
		s.loads[i] = load[i] << (16 - 11);	/* SI_LOAD_SHIFT is 16 */
	s.totalram = totalram_pages() * PAGE_SIZE;
	s.freeram = nr_free_pages() * PAGE_SIZE;
	s.sharedram = node_page_state(NR_SHMEM) * PAGE_SIZE;
	s.totalswap = (u64)total_swap_pages() * PAGE_SIZE;
	s.freeswap = (u64)get_nr_swap_pages() * PAGE_SIZE;
	s.procs = nr_threads;
	return copy_to_user(out, &s, sizeof(s)) ? -EFAULT : 0;
}

/* ---- Scheduling ---- */

/* The task that PID names (0: oneself), referenced; ERR_PTR(-ESRCH). */
static struct task_struct *sched_target(pid_t pid)
{
	struct task_struct *t = current;

	if (pid < 0)
		return ERR_PTR(-EINVAL);
	if (pid) {
		t = find_get_task_by_pid(pid);
		return t ? t : ERR_PTR(-ESRCH);
	}
	get_task_struct(t);
	return t;
}

static bool same_owner(struct task_struct *t)
{
	const struct cred *c = get_task_cred(t);
	bool same = current_cred()->euid == c->euid || current_cred()->euid == c->uid;

	put_cred(c);
	return same || capable(CAP_SYS_NICE);
}

SYSCALL_DEFINE3(sched_setaffinity, pid_t, pid, unsigned int, len, unsigned long __user *, mask)
{
	struct task_struct *t;
	unsigned long m = 0;
	long err;

	if (copy_from_user(&m, mask, min_t(unsigned int, len, sizeof(m))))
		return -EFAULT;
	t = sched_target(pid);
	if (IS_ERR(t))
		return PTR_ERR(t);
	err = same_owner(t) ? set_cpus_allowed(t, m & cpu_online_mask) : -EPERM;
	put_task_struct(t);
	return err;
}

SYSCALL_DEFINE3(sched_getaffinity, pid_t, pid, unsigned int, len, unsigned long __user *, mask)
{
	struct task_struct *t;
	unsigned long m;

	if (len < sizeof(m) || len % sizeof(m))
		return -EINVAL;
	t = sched_target(pid);
	if (IS_ERR(t))
		return PTR_ERR(t);
	m = t->cpus_allowed & cpu_online_mask;
	put_task_struct(t);
	return copy_to_user(mask, &m, sizeof(m)) ? -EFAULT : (long)sizeof(m);
}

struct sched_param { int sched_priority; };
#define SCHED_FIFO 1
#define SCHED_RR 2
#define SCHED_RESET_ON_FORK 0x40000000

SYSCALL_DEFINE3(sched_setscheduler, pid_t, pid, int, policy, const struct sched_param __user *, param)
{
	struct sched_param p;
	struct task_struct *t;
	long err = 0;

	policy &= ~SCHED_RESET_ON_FORK;
	if (policy < 0 || !param)
		return -EINVAL;
	if (copy_from_user(&p, param, sizeof(p)))
		return -EFAULT;
	t = sched_target(pid);
	if (IS_ERR(t))
		return PTR_ERR(t);
	if (policy == SCHED_FIFO || policy == SCHED_RR)
		err = p.sched_priority < 1 || p.sched_priority > 99 ? -EINVAL : -EPERM;	/* no real-time class here */
	else if ((policy != SCHED_OTHER && policy != SCHED_BATCH && policy != SCHED_IDLE) || p.sched_priority)
		err = -EINVAL;
	else if (!same_owner(t))
		err = -EPERM;
	else
		WRITE_ONCE(t->policy, policy);
	put_task_struct(t);
	return err;
}

SYSCALL_DEFINE1(sched_getscheduler, pid_t, pid)
{
	struct task_struct *t = sched_target(pid);
	long policy;

	if (IS_ERR(t))
		return PTR_ERR(t);
	policy = t->policy;
	put_task_struct(t);
	return policy;
}

SYSCALL_DEFINE2(sched_getparam, pid_t, pid, struct sched_param __user *, param)
{
	struct task_struct *t = sched_target(pid);

	if (IS_ERR(t))
		return PTR_ERR(t);
	put_task_struct(t);
	return put_user(0, &param->sched_priority);
}

SYSCALL_DEFINE2(sched_setparam, pid_t, pid, const struct sched_param __user *, param)
{
	struct task_struct *t;
	int prio;

	if (get_user(prio, &param->sched_priority))
		return -EFAULT;
	t = sched_target(pid);
	if (IS_ERR(t))
		return PTR_ERR(t);
	put_task_struct(t);
	return prio ? -EINVAL : 0;
}

SYSCALL_DEFINE1(sched_get_priority_max, int, policy)
{
	if (policy == SCHED_FIFO || policy == SCHED_RR)
		return 99;
	return policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE ? 0 : -EINVAL;
}

SYSCALL_DEFINE1(sched_get_priority_min, int, policy)
{
	if (policy == SCHED_FIFO || policy == SCHED_RR)
		return 1;
	return policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE ? 0 : -EINVAL;
}

SYSCALL_DEFINE2(sched_rr_get_interval, pid_t, pid, struct timespec64 __user *, out)
{
	struct timespec64 ts = ns_to_timespec(4 * NSEC_PER_MSEC);
	struct task_struct *t = sched_target(pid);

	if (IS_ERR(t))
		return PTR_ERR(t);
	put_task_struct(t);
	return copy_to_user(out, &ts, sizeof(ts)) ? -EFAULT : 0;
}

SYSCALL_DEFINE0(sched_yield)
{
	yield();
	return 0;
}

SYSCALL_DEFINE3(getcpu, unsigned int __user *, cpu, unsigned int __user *, node, void __user *, unused)
{
	if ((cpu && put_user(smp_processor_id(), cpu)) || (node && put_user(0, node)))
		return -EFAULT;
	return 0;
}

static uid_t task_uid(struct task_struct *t)
{
	const struct cred *c = get_task_cred(t);
	uid_t uid = c->uid;

	put_cred(c);
	return uid;
}

#define PRIO_PROCESS	0
#define PRIO_PGRP	1
#define PRIO_USER	2

/* FN for each thread that WHICH and WHO name; -ESRCH if there is none, else the last error or the largest result. */
static long for_each_prio_target(int which, int who, long (*fn)(struct task_struct *t, long arg), long arg)
{
	struct task_struct *p, *t;
	long ret = -ESRCH;

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	spin_lock(&tasklist_lock);
	for_each_process(p)
		for_each_thread(p, t) {
			bool match;

			if (which == PRIO_PROCESS)
				match = t->pid == (who ? who : current->pid);
			else if (which == PRIO_PGRP)
				match = pid_nr(task_pgrp(p)) == (who ? who : pid_nr(task_pgrp(current)));
			else
				match = task_uid(t) == (who ? (uid_t)who : current_cred()->uid);
			if (match) {
				long r = fn(t, arg);

				ret = ret == -ESRCH ? r : max(ret, r);
			}
		}
	spin_unlock(&tasklist_lock);
	return ret;
}

static long get_nice_raw(struct task_struct *t, long unused)
{
	return 20 - (t->static_prio - 120);
}

static long set_nice(struct task_struct *t, long nice)
{
	bool root = current_cred()->euid == 0;

	if (!same_owner(t))
		return -EPERM;
	if (!root && nice < t->static_prio - 120)
		return -EACCES;
	set_user_nice(t, nice);
	return 0;
}

SYSCALL_DEFINE2(getpriority, int, which, int, who)
{
	return for_each_prio_target(which, who, get_nice_raw, 0);
}

SYSCALL_DEFINE3(setpriority, int, which, int, who, int, nice)
{
	return for_each_prio_target(which, who, set_nice, clamp(nice, -20, 19));
}

/* ---- The end ---- */

#define REBOOT_MAGIC1		0xfee1dead
#define REBOOT_RESTART		0x01234567
#define REBOOT_HALT		0xcdef0123
#define REBOOT_POWER_OFF	0x4321fedc
#define REBOOT_CAD_ON		0x89abcdef
#define REBOOT_CAD_OFF		0

static DEFINE_MUTEX(reboot_mutex);	/* the machine ends once, by one task */

SYSCALL_DEFINE4(reboot, u32, magic1, u32, magic2, u32, cmd, void __user *, arg)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (magic1 != REBOOT_MAGIC1 || (magic2 != 0x28121969 && magic2 != 85072278 && magic2 != 369367448 && magic2 != 537993216))
		return -EINVAL;
	switch (cmd) {
	case REBOOT_RESTART:
		mutex_lock(&reboot_mutex);
		machine_restart();
	case REBOOT_HALT:
		mutex_lock(&reboot_mutex);
		pr_emerg("reboot: System halted\n");
		machine_power_off();
	case REBOOT_POWER_OFF:
		mutex_lock(&reboot_mutex);
		machine_power_off();
	case REBOOT_CAD_ON:
	case REBOOT_CAD_OFF:
		return 0;
	default:
		return -EINVAL;
	}
}

/* ---- Odds and ends ---- */

SYSCALL_DEFINE1(personality, unsigned int, persona)
{
	/* Only the plain personality exists; asking (all ones) and switching off a randomisation that is not there are fine. */
	return persona == 0xffffffff || !(persona & ~0x0040000u) ? 0 : -EINVAL;
}
