/*
 * kernel/sched/cputime.c - who used how much CPU, and the load average.
 *
 * Two measures. The exact one, sum_exec_ns, is taken at every switch. How much of it was user mode is only
 * sampled: each tick charges the time since the last one to the mode it interrupted. /proc shows the exact
 * sum, divided in the sampled proportion (task_cputime_adjusted), as Linux does. The time of interrupts is
 * taken exactly too, and kept out of the modes. Idle time counts as iowait while a task that went to sleep on
 * this CPU waits for a device (io_schedule).
 *
 * The load average counts runnable tasks and those in uninterruptible sleep every 5 s, and lets each sample
 * fade with 1, 5 and 15 minutes. Ticks stop in idle, so a sample may come late; then the missed ones are
 * made up for with the number of now.
 *
 * Linux: kernel/sched/cputime.c, kernel/sched/loadavg.c.
 */
#include "kernel/sched/internal.h"

#define LOAD_INTERVAL_NS (5 * NSEC_PER_SEC)
#define LOAD_MEMORY_NS	 (3600 * NSEC_PER_SEC)	/* nothing of longer ago would be seen */
#define FSHIFT	11
#define FIXED_1	(1UL << FSHIFT)
/* 2048 / exp(5 s / 1 min), and for 5 and 15 minutes. */
static const unsigned long load_decay[3] = { 1884, 2014, 2037 };

static spinlock_t load_lock;	/* raw */
static unsigned long avenrun[3];	/* L: 11 bits of fraction */
static u64 next_sample;		/* L: ns */

/* Where RQ's idle time goes at the moment. */
static u64 *idle_account(struct rq *rq, struct cpu_times *times)
{
	return atomic_read(&rq->nr_iowait) > 0 ? &times->iowait : &times->idle;
}

/* Charge the time since the last charge to the current task and mode. => interrupts off */
void account_tick(struct rq *rq, bool user)
{
	struct task_struct *t = rq->curr;
	u64 now = tsc_clock_ns();
	s64 delta = now - rq->accounted;

	if (delta <= 0)
		return;
	rq->accounted = now;
	if (t == rq->idle) {
		*idle_account(rq, &rq->times) += delta;
	} else if (!user) {
		rq->times.system += delta;
		t->stime_ns += delta;
	} else {
		if (t->static_prio > 120)
			rq->times.nice += delta;
		else
			rq->times.user += delta;
		t->utime_ns += delta;
	}
}

/* The idle task is about to give way: all since the last charge was idle. => interrupts off */
void account_idle(void)
{
	account_tick(this_rq(), false);
}

void account_irq(u64 ns)
{
	struct rq *rq = this_rq();

	rq->times.irq += ns;
	rq->accounted += ns;	/* no mode is charged for it */
}

void get_cpu_times(int cpu, struct cpu_times *t)
{
	struct rq *rq = cpu_rq(cpu);
	s64 pending;

	*t = rq->times;
	pending = tsc_clock_ns() - READ_ONCE(rq->accounted);
	if (READ_ONCE(rq->curr) == rq->idle && pending > 0)
		*idle_account(rq, t) += pending;
}

u64 task_sched_runtime(struct task_struct *t)
{
	unsigned long flags;
	struct rq *rq;
	u64 ns;

	local_irq_save(flags);
	rq = task_rq_lock(t);
	if (rq->curr == t)
		update_curr(rq);
	ns = t->sum_exec_ns;
	raw_spin_unlock(&rq->lock);
	local_irq_restore(flags);
	return ns;
}

void task_cputime_adjusted(struct task_struct *t, u64 *ut, u64 *st)
{
	u64 total = task_sched_runtime(t);
	u64 u = READ_ONCE(t->utime_ns), s = READ_ONCE(t->stime_ns);

	if (s == 0) {
		*st = t->flags & PF_KTHREAD ? total : 0;
	} else if (u == 0) {
		*st = total;
	} else {
		/* Only the proportion counts: make both small enough for the products below. */
		while (s > 0x7fffffff || u > 0x7fffffff) {
			s >>= 1;
			u >>= 1;
		}
		*st = total / (u + s) * s + total % (u + s) * s / (u + s);
	}
	*ut = total - *st;
}

u64 nr_context_switches(void)
{
	u64 sum = 0;
	int cpu;

	for_each_online_cpu(cpu)
		sum += READ_ONCE(cpu_rq(cpu)->nr_switches);
	return sum;
}

unsigned int nr_running(void)
{
	unsigned int sum = 0;
	int cpu;

	for_each_online_cpu(cpu)
		sum += READ_ONCE(cpu_rq(cpu)->nr_running);
	return sum;
}

/* Runnable, or asleep and counted as load. */
static unsigned long nr_active(void)
{
	long sum = 0;
	int cpu;

	for_each_online_cpu(cpu)
		sum += READ_ONCE(cpu_rq(cpu)->nr_running) + READ_ONCE(cpu_rq(cpu)->nr_uninterruptible);
	return sum > 0 ? sum : 0;
}

/* Take the samples that are due. => load_lock held */
static void sample_load_locked(u64 now)
{
	unsigned long active = nr_active() * FIXED_1;
	int i;

	if (!next_sample)
		next_sample = now + LOAD_INTERVAL_NS;
	if (now > next_sample + LOAD_MEMORY_NS)
		next_sample = now - LOAD_MEMORY_NS;
	while (now >= next_sample) {
		for (i = 0; i < 3; i++) {
			unsigned long sum = avenrun[i] * load_decay[i] + active * (FIXED_1 - load_decay[i]);

			/* A rising average is rounded up, so that it reaches the number of tasks. */
			if (active >= avenrun[i])
				sum += FIXED_1 - 1;
			avenrun[i] = sum / FIXED_1;
		}
		next_sample += LOAD_INTERVAL_NS;
	}
}

/* From every tick of every CPU. => interrupts off */
void calc_load_tick(u64 now)
{
	if (now < READ_ONCE(next_sample) || !raw_spin_trylock(&load_lock))
		return;
	sample_load_locked(now);
	raw_spin_unlock(&load_lock);
}

void get_avenrun(unsigned long load[3])
{
	unsigned long flags;
	int i;

	local_irq_save(flags);
	raw_spin_lock(&load_lock);
	sample_load_locked(ktime_get());
	for (i = 0; i < 3; i++)
		load[i] = avenrun[i];
	raw_spin_unlock(&load_lock);
	local_irq_restore(flags);
}
