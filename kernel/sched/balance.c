/*
 * kernel/sched/balance.c - on which CPU a task runs.
 *
 *	woken or new		the CPU it used last if that is idle, else any idle one, else stay
 *	CPU goes idle		pulls a waiting task from the longest queue (idle_pull)
 *	tick, queue too long	kicks an idle CPU, which then pulls
 *	tick, another's longer	takes a task from it. By one longer too: three that only compute on two CPUs
 *				would be {A, B} and {C} for ever; so every BALANCE_INTERVAL the shorter queue
 *				takes the task that sat longest in the longer one, and all get their share
 *	affinity changed	a queued task is moved at once; a running one is made to leave, and
 *				push_away() moves it as soon as it is off the CPU
 *
 * The lock of both run queues is held while a task moves, the lower CPU number first.
 *
 * Not here: caches, sockets, NUMA: all CPUs are equally near. Linux: select_task_rq_fair(), load_balance().
 */
#include "kernel/sched/internal.h"

#define BALANCE_INTERVAL_NS (64 * NSEC_PER_MSEC)
#define KICK_INTERVAL_NS    (4 * NSEC_PER_MSEC)

static bool cpu_is_idle(int cpu)
{
	return READ_ONCE(cpu_rq(cpu)->nr_running) == 0;
}

/* An idle CPU of MASK, or -1. */
static int find_idle_cpu(unsigned long mask)
{
	int cpu;

	for_each_online_cpu(cpu) {
		if ((mask & BIT(cpu)) && cpu_is_idle(cpu))
			return cpu;
	}
	return -1;
}

/* The CPU of MASK with the shortest queue. */
static int find_least_loaded(unsigned long mask)
{
	unsigned int least = ~0u;
	int cpu, best = 0;

	for_each_online_cpu(cpu) {
		unsigned int nr = READ_ONCE(cpu_rq(cpu)->nr_running);

		if ((mask & BIT(cpu)) && nr < least) {
			least = nr;
			best = cpu;
		}
	}
	return best;
}

/* The CPU on which T, about to become runnable, should run. FORK: it never ran. => interrupts off */
int select_task_rq(struct task_struct *t, bool fork)
{
	unsigned long mask = READ_ONCE(t->cpus_allowed);
	int cpu = fork ? smp_processor_id() : t->cpu;
	int idle;

	if (nr_cpu_ids <= 1)
		return 0;
	if ((mask & BIT(cpu)) && cpu_is_idle(cpu))
		return cpu;
	idle = find_idle_cpu(mask);
	if (idle >= 0)
		return idle;
	if (!(mask & BIT(cpu)) || fork)
		return find_least_loaded(mask);
	return cpu;
}

/*
 * Lock OTHER too, RQ being locked. False: RQ's lock was dropped on the way, what was seen under it may have
 * changed. Both are locked in any case.
 */
bool lock_second(struct rq *rq, struct rq *other)
{
	if (other->cpu > rq->cpu) {
		raw_spin_lock(&other->lock);
		return true;
	}
	if (raw_spin_trylock(&other->lock))
		return true;
	raw_spin_unlock(&rq->lock);
	raw_spin_lock(&other->lock);
	raw_spin_lock(&rq->lock);
	return false;
}

/* T, not queued, is governed by TO from now on; its lead or lag stays the same. => both locked */
void set_task_cpu(struct task_struct *t, struct rq *from, struct rq *to)
{
	t->vruntime += to->min_vruntime - from->min_vruntime;
	WRITE_ONCE(t->cpu, to->cpu);
}

static void move_queued(struct task_struct *t, struct rq *from, struct rq *to)
{
	dequeue_queued(from, t);
	set_task_cpu(t, from, to);
	t->moved_ns = tsc_clock_ns();
	enqueue_task(to, t);
	check_preempt(to, t);
}

/*
 * T has just left RQ's CPU and may not come back to it. It is runnable but in no tree, and on_cpu is still
 * set: nobody else touches it until we clear that. => rq->lock held, dropped and retaken perhaps
 */
void push_away(struct rq *rq, struct task_struct *t)
{
	for (;;) {
		struct rq *to = cpu_rq(find_least_loaded(t->cpus_allowed));

		if (to == rq) {			/* allowed here again */
			tree_insert(rq, t);
			resched_curr(rq);
			break;
		}
		lock_second(rq, to);
		if (t->cpus_allowed & BIT(to->cpu)) {
			rq->nr_running--;
			set_task_cpu(t, rq, to);
			enqueue_task(to, t);
			WRITE_ONCE(t->on_cpu, 0);
			check_preempt(to, t);
			raw_spin_unlock(&to->lock);
			return;
		}
		raw_spin_unlock(&to->lock);
	}
	WRITE_ONCE(t->on_cpu, 0);
}

/*
 * Take one waiting task of FROM that may run on TO: the one that was moved longest ago, and before BEFORE.
 * Moving the same one to and fro would be fair to nobody. => both locked
 */
static bool pull_one(struct rq *from, struct rq *to, u64 before)
{
	struct task_struct *best = NULL;
	struct rb_node *n;

	for (n = from->leftmost; n; n = rb_next(n)) {
		struct task_struct *t = rb_entry(n, struct task_struct, run_node);

		if ((t->cpus_allowed & BIT(to->cpu)) && t->moved_ns < before &&
		    (!best || t->moved_ns < best->moved_ns))
			best = t;
	}
	if (best)
		move_queued(best, from, to);
	return best;
}

/* Pull a task to this CPU from the longest queue, if that has at least MIN_NR tasks. => interrupts off */
static bool pull_from_busiest(struct rq *rq, unsigned int min_nr)
{
	struct rq *busiest = NULL;
	bool pulled = false;
	u64 before = ~0ULL;
	int cpu;

	for_each_online_cpu(cpu) {
		unsigned int nr = READ_ONCE(cpu_rq(cpu)->nr_running);

		if (cpu != rq->cpu && nr >= min_nr) {
			min_nr = nr + 1;
			busiest = cpu_rq(cpu);
		}
	}
	if (!busiest)
		return false;
	raw_spin_lock(&rq->lock);
	lock_second(rq, busiest);
	/* One more than here: the queues only change roles. Whoever was moved last time stays for a while. */
	if (rq->nr_running && busiest->nr_running == rq->nr_running + 1)
		before = tsc_clock_ns() - 2 * BALANCE_INTERVAL_NS;
	if (busiest->nr_running > rq->nr_running)
		pulled = pull_one(busiest, rq, before);
	raw_spin_unlock(&busiest->lock);
	raw_spin_unlock(&rq->lock);
	return pulled;
}

/* This CPU has nothing to do: find something. True: schedule() will. => interrupts off */
bool idle_pull(void)
{
	return nr_cpu_ids > 1 && pull_from_busiest(this_rq(), 2);
}

/* From the tick: is this queue longer than need be, or shorter than another? => interrupts off */
void balance_tick(struct rq *rq, u64 now)
{
	int cpu;

	if (nr_cpu_ids <= 1 || now < rq->next_kick)
		return;
	rq->next_kick = now + KICK_INTERVAL_NS;
	if (rq->nr_running >= 2) {
		cpu = find_idle_cpu(~BIT(rq->cpu));
		if (cpu >= 0)
			resched_curr(cpu_rq(cpu));
	}
	/* Without success it is tried again soon: the task to take may have been running. */
	if (rq->nr_running && now >= rq->next_balance && pull_from_busiest(rq, rq->nr_running + 1))
		rq->next_balance = now + BALANCE_INTERVAL_NS;
}

/* ---- Affinity ---- */

/* T waits in RQ's tree (locked) and may not: move it. RQ is unlocked on return. */
static void move_to_allowed(struct rq *rq, struct task_struct *t)
{
	struct rq *to = cpu_rq(find_least_loaded(t->cpus_allowed));

	/* If the lock was dropped, the caller's next look decides again. */
	if (lock_second(rq, to) && (t->cpus_allowed & BIT(to->cpu)))
		move_queued(t, rq, to);
	raw_spin_unlock(&to->lock);
	raw_spin_unlock(&rq->lock);
}

/*
 * Is T where it may be? If not, start what brings it there: a queued task is moved at once; a running one is
 * interrupted, and leaves through push_away().
 */
static bool settle(struct task_struct *t)
{
	unsigned long flags;
	struct rq *rq;
	bool done;

	local_irq_save(flags);
	rq = task_rq_lock(t);
	done = !t->on_rq || (t->cpus_allowed & BIT(rq->cpu));
	if (!done && !t->on_cpu) {
		move_to_allowed(rq, t);
	} else {
		if (!done)
			resched_curr(rq);
		raw_spin_unlock(&rq->lock);
	}
	local_irq_restore(flags);
	return done;
}

/* See sched.h. => caller holds a reference to T; may sleep */
int set_cpus_allowed(struct task_struct *t, unsigned long mask)
{
	unsigned long flags;
	struct rq *rq;

	might_sleep();
	mask &= cpu_online_mask;
	if (!mask)
		return -EINVAL;
	local_irq_save(flags);
	rq = task_rq_lock(t);
	t->cpus_allowed = mask;
	raw_spin_unlock(&rq->lock);
	local_irq_restore(flags);

	while (!settle(t)) {
		if (t == current) {
			schedule();
		} else {
			__set_current_state(TASK_UNINTERRUPTIBLE);
			schedule_timeout_ns(50 * NSEC_PER_USEC);
		}
	}
	return 0;
}
