/*
 * kernel/task/timers.c - clocks, sleeping, interval timers, and the limit of CPU time.
 *
 *	CLOCK_MONOTONIC, BOOTTIME, RAW	 time since boot		CLOCK_REALTIME, TAI   wall clock
 *	CLOCK_*_CPUTIME_ID, negative ids exact run time of a thread or process
 *
 *	ITIMER_REAL	a high-resolution timer; the next interval starts when its SIGALRM was taken
 *	ITIMER_VIRTUAL	user time of the process   } looked at in each tick that hits the process, so
 *	ITIMER_PROF	user and system time	   } they are exact to a tick (1 ms)
 *	RLIMIT_CPU	likewise: SIGXCPU at the soft limit and each second after, SIGKILL at the hard one
 *
 * All clocks run at one rate and the wall clock is only ever set, so an absolute sleep on CLOCK_REALTIME is
 * turned into a monotonic one at its start; a later clock_settime does not move it.
 *
 * POSIX timers: posix_timers.c. Linux: kernel/time/{posix-timers,itimer,posix-cpu-timers,hrtimer}.c.
 */
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "kernel/task/internal.h"
#include "kernel/task/syscall.h"

#define CLOCK_REALTIME		 0
#define CLOCK_MONOTONIC		 1
#define CLOCK_PROCESS_CPUTIME_ID 2
#define CLOCK_THREAD_CPUTIME_ID	 3
#define CLOCK_MONOTONIC_RAW	 4
#define CLOCK_REALTIME_COARSE	 5
#define CLOCK_MONOTONIC_COARSE	 6
#define CLOCK_BOOTTIME		 7
#define CLOCK_TAI		 11
#define TIMER_ABSTIME		 1

/* A negative clock id: ~pid << 3, and what of that thread or process is meant. */
#define CPUCLOCK_PERTHREAD	 4
#define CPUCLOCK_WHICH		 3
enum { CPUCLOCK_PROF, CPUCLOCK_VIRT, CPUCLOCK_SCHED };

#define ITIMER_REAL	0
#define ITIMER_VIRTUAL	1
#define ITIMER_PROF	2

u64 timespec_to_ns_sat(const struct timespec64 *ts)
{
	if (ts->tv_sec >= (s64)(KTIME_MAX / NSEC_PER_SEC))
		return KTIME_MAX;
	return timespec_to_ns(ts);
}

/* ---- CPU time ---- */

void thread_group_cputime(struct task_struct *p, u64 *utime, u64 *stime, u64 *sum_exec)
{
	struct signal_struct *s = p->signal;
	u64 ut = s->utime_ns, st = s->stime_ns, sum = s->sum_exec_ns, total;
	struct task_struct *t;

	for_each_thread(p, t) {
		ut += t->utime_ns;
		st += t->stime_ns;
		sum += task_sched_runtime(t);
	}
	*sum_exec = sum;
	/* The exact sum, divided in the sampled proportion; that is made small so that the products fit. */
	total = ut + st;
	while (total > 0x7fffffff) {
		total >>= 1;
		st >>= 1;
	}
	*stime = total ? sum / total * st + sum % total * st / total : 0;
	*utime = sum - *stime;
}

/* The value of CPU clock ID of task T. */
static u64 cpu_clock_of(struct task_struct *t, unsigned int which, bool thread)
{
	u64 ut, st, sum;
	unsigned long flags;

	if (thread) {
		task_cputime_adjusted(t, &ut, &st);
		sum = task_sched_runtime(t);
	} else {
		lock_task_sighand(t, &flags);
		thread_group_cputime(t, &ut, &st, &sum);
		unlock_task_sighand(t, flags);
	}
	return which == CPUCLOCK_SCHED ? sum : which == CPUCLOCK_VIRT ? ut : ut + st;
}

/* A negative ID. *NS may be NULL: only whether it exists. 0 or -EINVAL. */
static int read_cpu_clock(int id, u64 *ns)
{
	unsigned int which = id & CPUCLOCK_WHICH;
	bool thread = id & CPUCLOCK_PERTHREAD;
	struct task_struct *t;
	pid_t nr = ~(id >> 3);
	int err = 0;

	if (which > CPUCLOCK_SCHED)
		return -EINVAL;
	spin_lock(&tasklist_lock);
	if (!nr)
		t = current;
	else
		t = find_task_by_pid(nr);
	if (!t || (thread ? !same_thread_group(t, current) : !thread_group_leader(t) && t != current))
		err = -EINVAL;
	else if (ns)
		*ns = cpu_clock_of(t, which, thread);
	spin_unlock(&tasklist_lock);
	return err;
}

/* ---- Clocks ---- */

static int read_clock(int id, u64 *ns)
{
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		*ns = ktime_get_real();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		*ns = ktime_get();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		*ns = cpu_clock_of(current, CPUCLOCK_SCHED, false);
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
		*ns = cpu_clock_of(current, CPUCLOCK_SCHED, true);
		return 0;
	}
	return id < 0 ? read_cpu_clock(id, ns) : -EINVAL;
}

SYSCALL_DEFINE2(clock_gettime, int, id, struct timespec64 __user *, out)
{
	struct timespec64 ts;
	u64 ns;
	int err = read_clock(id, &ns);

	if (err)
		return err;
	ts = ns_to_timespec(ns);
	return copy_to_user(out, &ts, sizeof(ts)) ? -EFAULT : 0;
}

SYSCALL_DEFINE2(clock_getres, int, id, struct timespec64 __user *, out)
{
	struct timespec64 ts = { 0, 1 };
	u64 ns;
	int err = read_clock(id, &ns);

	if (err)
		return err;
	if (id == CLOCK_REALTIME_COARSE || id == CLOCK_MONOTONIC_COARSE)
		ts.tv_nsec = TICK_NSEC;
	return out && copy_to_user(out, &ts, sizeof(ts)) ? -EFAULT : 0;
}

static long set_wall_clock(u64 ns)
{
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	/* The monotonic clock plus an offset: the wall clock cannot be before the start of the machine. */
	if (ns < ktime_get() || ns > KTIME_MAX / 2)
		return -EINVAL;
	timekeeping_set_real(ns);
	return 0;
}

SYSCALL_DEFINE2(clock_settime, int, id, const struct timespec64 __user *, in)
{
	struct timespec64 ts;

	if (id != CLOCK_REALTIME)
		return -EINVAL;
	if (copy_from_user(&ts, in, sizeof(ts)))
		return -EFAULT;
	if (!timespec_valid(&ts))
		return -EINVAL;
	return set_wall_clock(timespec_to_ns_sat(&ts));
}

struct timeval_k { s64 tv_sec, tv_usec; };

SYSCALL_DEFINE2(gettimeofday, struct timeval_k __user *, tv, int __user *, tz)
{
	u64 ns = ktime_get_real();
	struct timeval_k t = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / NSEC_PER_USEC };
	int zone[2] = { 0, 0 };

	if (tv && copy_to_user(tv, &t, sizeof(t)))
		return -EFAULT;
	return tz && copy_to_user(tz, zone, sizeof(zone)) ? -EFAULT : 0;
}

static bool timeval_valid(const struct timeval_k *t)
{
	return t->tv_sec >= 0 && t->tv_usec >= 0 && t->tv_usec < 1000000;
}

static u64 timeval_to_ns(const struct timeval_k *t)
{
	struct timespec64 ts = { t->tv_sec, t->tv_usec * NSEC_PER_USEC };

	return timespec_to_ns_sat(&ts);
}

SYSCALL_DEFINE2(settimeofday, const struct timeval_k __user *, tv, const int __user *, tz)
{
	struct timeval_k t;

	(void)tz;			/* the kernel's time zone is always UTC */
	if (!tv)
		return capable(CAP_SYS_TIME) ? 0 : -EPERM;
	if (copy_from_user(&t, tv, sizeof(t)))
		return -EFAULT;
	return timeval_valid(&t) ? set_wall_clock(timeval_to_ns(&t)) : -EINVAL;
}

SYSCALL_DEFINE1(time, s64 __user *, out)
{
	s64 now = ktime_get_real() / NSEC_PER_SEC;

	return out && put_user(now, out) ? -EFAULT : now;
}

/* ---- Sleeping ---- */

/* Sleep until monotonic time END. True: it has come; false: a signal. */
static bool sleep_until(u64 end)
{
	for (;;) {
		s64 left = end - ktime_get();

		if (left <= 0)
			return true;
		if (signal_pending(current))
			return false;
		set_current_state(TASK_INTERRUPTIBLE);
		schedule_timeout_ns(left);
	}
}

/* Tell how much was left. 0 or -EFAULT. */
static int put_rest(u64 end, struct timespec64 __user *rest)
{
	s64 left = end - ktime_get();
	struct timespec64 ts = ns_to_timespec(left > 0 ? left : 0);

	return rest && copy_to_user(rest, &ts, sizeof(ts)) ? -EFAULT : 0;
}

static long nanosleep_restart(struct restart_block *r)
{
	if (sleep_until(r->a))
		return 0;
	return put_rest(r->a, (struct timespec64 __user *)r->b) ? -EFAULT : -ERESTART_RESTARTBLOCK;
}

static long sleep_relative(u64 ns, struct timespec64 __user *rest)
{
	u64 now = ktime_get(), end = ns > KTIME_MAX - now ? KTIME_MAX : now + ns;

	if (sleep_until(end))
		return 0;
	if (put_rest(end, rest))
		return -EFAULT;
	current->restart_block = (struct restart_block){ .fn = nanosleep_restart, .a = end, .b = (u64)rest };
	return -ERESTART_RESTARTBLOCK;
}

SYSCALL_DEFINE2(nanosleep, const struct timespec64 __user *, in, struct timespec64 __user *, rest)
{
	struct timespec64 ts;

	if (copy_from_user(&ts, in, sizeof(ts)))
		return -EFAULT;
	return timespec_valid(&ts) ? sleep_relative(timespec_to_ns_sat(&ts), rest) : -EINVAL;
}

SYSCALL_DEFINE4(clock_nanosleep, int, id, int, flags, const struct timespec64 __user *, in,
		struct timespec64 __user *, rest)
{
	struct timespec64 ts;
	u64 ns, now;

	if (id == CLOCK_THREAD_CPUTIME_ID)
		return -EINVAL;
	if (id != CLOCK_REALTIME && id != CLOCK_MONOTONIC && id != CLOCK_BOOTTIME && id != CLOCK_TAI)
		return read_clock(id, &now) ? -EINVAL : -EOPNOTSUPP;
	if (copy_from_user(&ts, in, sizeof(ts)))
		return -EFAULT;
	if (!timespec_valid(&ts))
		return -EINVAL;
	ns = timespec_to_ns_sat(&ts);
	if (!(flags & TIMER_ABSTIME))
		return sleep_relative(ns, rest);
	read_clock(id, &now);
	if (ns <= now || sleep_until(ktime_get() + (ns - now)))
		return 0;
	return -ERESTARTNOHAND;
}

/* ---- ITIMER_REAL ---- */

/* The expiry after the one that has passed: in step with it, leaving out what was missed. */
static u64 next_real_expiry(struct signal_struct *sig, u64 now)
{
	u64 last = sig->real_timer.expires;

	return now < last ? last : last + ((now - last) / sig->real_interval + 1) * sig->real_interval;
}

/* In the timer interrupt. exit cancels the timer before the leader may be released. */
void it_real_fn(struct hrtimer *timer)
{
	struct signal_struct *sig = container_of(timer, struct signal_struct, real_timer);
	struct task_struct *t = sig->leader_task;
	unsigned long flags;

	WRITE_ONCE(sig->real_expired, true);
	do_send_sig_info(SIGALRM, SEND_SIG_PRIV, t, true);
	lock_task_sighand(t, &flags);
	/* If it is ignored nobody will take it: go on here, but not faster than the tick. */
	if (sig->real_expired && sig->real_interval && !(sig->shared_pending.signal & sigmask(SIGALRM))) {
		u64 now = ktime_get();

		sig->real_expired = false;
		hrtimer_start(timer, max(next_real_expiry(sig, now), now + TICK_NSEC));
	}
	unlock_task_sighand(t, flags);
}

void it_real_rearm(struct signal_struct *sig)
{
	if (!sig->real_expired)
		return;
	sig->real_expired = false;
	if (sig->real_interval)
		hrtimer_start(&sig->real_timer, next_real_expiry(sig, ktime_get()));
}

/* Values in ns: what is left, and the interval. Setting returns the old ones. */
struct itimer_ns { u64 interval, value; };

static void get_real_timer(struct signal_struct *sig, struct itimer_ns *old)
{
	s64 left = sig->real_timer.expires - ktime_get();

	old->interval = sig->real_interval;
	old->value = hrtimer_active(&sig->real_timer) ? max_t(s64, left, NSEC_PER_USEC) : 0;
}

static void set_real_timer(struct signal_struct *sig, const struct itimer_ns *new, struct itimer_ns *old)
{
	u64 now = ktime_get();

	get_real_timer(sig, old);
	/* Not under siglock: the timer's function takes it. */
	hrtimer_cancel(&sig->real_timer);
	spin_lock_irq(&current->sighand->siglock);
	sig->real_expired = false;
	sig->real_interval = new->value ? new->interval : 0;
	if (new->value)
		hrtimer_start(&sig->real_timer, new->value > KTIME_MAX - now ? KTIME_MAX : now + new->value);
	spin_unlock_irq(&current->sighand->siglock);
}

/* ---- ITIMER_VIRTUAL and ITIMER_PROF, RLIMIT_CPU ---- */

/* Sampled times: what the tick charges. => siglock */
static void sampled_times(struct task_struct *p, u64 *ut, u64 *both)
{
	struct signal_struct *s = p->signal;
	u64 u = s->utime_ns, st = s->stime_ns;
	struct task_struct *t;

	for_each_thread(p, t) {
		u += t->utime_ns;
		st += t->stime_ns;
	}
	*ut = u;
	*both = u + st;
}

/* => siglock, or nobody else sees SIG yet */
static void note_cpu_timers(struct signal_struct *sig)
{
	WRITE_ONCE(sig->cpu_timers, sig->it_virt[0] || sig->it_prof[0] || sig->cpu_limit_next_ns);
}

void update_rlimit_cpu(struct signal_struct *sig)
{
	u64 soft = sig->rlim[RLIMIT_CPU].rlim_cur;

	sig->cpu_limit_next_ns = soft >= KTIME_MAX / NSEC_PER_SEC ? 0 : max_t(u64, soft, 1) * NSEC_PER_SEC;
	note_cpu_timers(sig);
}

/* IT = { expiry in CPU time or 0, interval }. Did it expire? Starts the next interval. */
static bool cpu_itimer_expired(u64 it[2], u64 now)
{
	if (!it[0] || now < it[0])
		return false;
	it[0] = it[1] ? it[0] + ((now - it[0]) / it[1] + 1) * it[1] : 0;
	return true;
}

/* 0, SIGXCPU or SIGKILL. => siglock */
static int cpu_limit_reached(struct signal_struct *sig, u64 now)
{
	u64 hard = sig->rlim[RLIMIT_CPU].rlim_max;

	if (!sig->cpu_limit_next_ns || now < sig->cpu_limit_next_ns)
		return 0;
	sig->cpu_limit_next_ns += NSEC_PER_SEC;
	return now / NSEC_PER_SEC >= hard ? SIGKILL : SIGXCPU;
}

/* The tick hit the current task. Interrupts off. */
static void check_cpu_timers(bool user)
{
	struct signal_struct *sig = current->signal;
	bool virt, prof;
	unsigned long flags;
	u64 ut, both;
	int limit;

	if (likely(!READ_ONCE(sig->cpu_timers)) || current->exit_state || (current->flags & PF_KTHREAD))
		return;
	lock_task_sighand(current, &flags);
	sampled_times(current, &ut, &both);
	virt = cpu_itimer_expired(sig->it_virt, ut);
	prof = cpu_itimer_expired(sig->it_prof, both);
	limit = cpu_limit_reached(sig, both);
	note_cpu_timers(sig);
	unlock_task_sighand(current, flags);
	if (virt)
		do_send_sig_info(SIGVTALRM, SEND_SIG_PRIV, current, true);
	if (prof)
		do_send_sig_info(SIGPROF, SEND_SIG_PRIV, current, true);
	if (limit)
		do_send_sig_info(limit, SEND_SIG_PRIV, current, true);
}

static int cpu_timers_init(void)
{
	tick_hook = check_cpu_timers;
	return 0;
}
core_initcall(cpu_timers_init);

/* NEW NULL: only read. */
static void do_cpu_itimer(int which, const struct itimer_ns *new, struct itimer_ns *old)
{
	struct signal_struct *sig = current->signal;
	u64 *it = which == ITIMER_VIRTUAL ? sig->it_virt : sig->it_prof, ut, both, now;

	spin_lock_irq(&current->sighand->siglock);
	sampled_times(current, &ut, &both);
	now = which == ITIMER_VIRTUAL ? ut : both;
	old->interval = it[1];
	old->value = !it[0] ? 0 : it[0] > now ? it[0] - now : TICK_NSEC;
	if (new) {
		it[0] = new->value ? now + min_t(u64, new->value, KTIME_MAX - now) : 0;
		it[1] = new->value ? new->interval : 0;
		note_cpu_timers(sig);
	}
	spin_unlock_irq(&current->sighand->siglock);
}

struct itimerval_k { struct timeval_k interval, value; };

static struct timeval_k ns_to_timeval(u64 ns)
{
	return (struct timeval_k){ ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / NSEC_PER_USEC };
}

static int put_itimer(struct itimerval_k __user *out, const struct itimer_ns *it)
{
	struct itimerval_k v = { ns_to_timeval(it->interval), ns_to_timeval(it->value) };

	return copy_to_user(out, &v, sizeof(v)) ? -EFAULT : 0;
}

SYSCALL_DEFINE2(getitimer, int, which, struct itimerval_k __user *, out)
{
	struct itimer_ns it;

	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	if (which == ITIMER_REAL)
		get_real_timer(current->signal, &it);
	else
		do_cpu_itimer(which, NULL, &it);
	return put_itimer(out, &it);
}

SYSCALL_DEFINE3(setitimer, int, which, const struct itimerval_k __user *, in,
		struct itimerval_k __user *, out)
{
	struct itimerval_k v = { { 0, 0 }, { 0, 0 } };
	struct itimer_ns new, old;

	if (in && copy_from_user(&v, in, sizeof(v)))
		return -EFAULT;
	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	if (!timeval_valid(&v.interval) || !timeval_valid(&v.value))
		return -EINVAL;
	new.interval = timeval_to_ns(&v.interval);
	new.value = timeval_to_ns(&v.value);
	if (which == ITIMER_REAL)
		set_real_timer(current->signal, &new, &old);
	else
		do_cpu_itimer(which, &new, &old);
	return out ? put_itimer(out, &old) : 0;
}

SYSCALL_DEFINE1(alarm, unsigned int, seconds)
{
	struct itimer_ns new = { 0, seconds * NSEC_PER_SEC }, old;

	set_real_timer(current->signal, &new, &old);
	/* Rounded, but a running alarm is never reported as none. */
	if (old.value && old.value < NSEC_PER_SEC)
		return 1;
	return (old.value + NSEC_PER_SEC / 2) / NSEC_PER_SEC;
}
