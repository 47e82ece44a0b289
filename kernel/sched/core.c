/*
 * kernel/sched/core.c - switching from task to task, going to sleep, and waking up.
 *
 *	           schedule(), state != RUNNING
 *	 RUNNING on a CPU ───────────────────────────> asleep (on_rq = 0)
 *	   ^     │ preempted, yield: back into the tree      │
 *	   │     v                                           │ try_to_wake_up()
 *	 in the tree of a run queue <────────────────────────┘
 *
 *	sleeper				waker
 *	set_current_state(S)		condition = true
 *	if (!condition)			try_to_wake_up(t, S)
 *	    schedule()
 *
 * Both sides have a full barrier between their two steps, so one of them sees the other. If the waker comes
 * before schedule() took the run-queue lock, it finds the task still on_rq and only sets it RUNNING again;
 * schedule() then does not put it to sleep. All of this is decided under the lock of the run queue that
 * task->cpu names. That lock is held until the switch is complete, hence a task that is not on_rq is not on
 * any CPU's stack either, and can be woken anywhere at once (Linux releases the lock earlier and spins on
 * p->on_cpu).
 *
 * Every switch happens at preempt_count 1 with interrupts off, so the per-CPU count needs no saving.
 *
 * Not here: scheduling classes, core scheduling, cgroups. Linux: kernel/sched/core.c.
 */
#include "arch-x86_64/setup.h"
#include "arch-x86_64/tlbflush.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/sched/internal.h"
#include "kernel/task/fork.h"
#include "kernel/trace/trace_kernel.h"
#include "mm/mm.h"

DEFINE_PER_CPU(int, __preempt_count);
DEFINE_PER_CPU(int, need_resched_flag);
/* CPU 0 runs on init_task from its first instruction; smp.c sets the others'. */
DEFINE_PER_CPU(struct task_struct *, current_task) = &init_task;
DEFINE_PER_CPU(struct rq, runqueues);

bool sched_started;

/* The run queue that governs T, locked. => interrupts off */
struct rq *task_rq_lock(struct task_struct *t)
{
	for (;;) {
		struct rq *rq = cpu_rq(READ_ONCE(t->cpu));

		raw_spin_lock(&rq->lock);
		if (likely(t->cpu == rq->cpu))
			return rq;
		raw_spin_unlock(&rq->lock);	/* it was moved meanwhile */
	}
}

/* The two bytes of need_resched_flag on CPU. */
struct resched_flags { u8 resched, ipis_put_off; };
static struct resched_flags *resched_flags(int cpu)
{
	return (struct resched_flags *)per_cpu_ptr(&need_resched_flag, cpu);
}
static DEFINE_PER_CPU(unsigned long, put_off_ipis);	/* CPUs to interrupt; this CPU, interrupts off */

/*
 * RQ's CPU shall call schedule(). The interrupt that tells it so is put off until we hold no spinlock: the
 * woken CPU's first step may be to take the very lock that we hold (and its host thread may displace ours).
 * => rq->lock held, or a spurious call does no harm; interrupts off
 */
void resched_curr(struct rq *rq)
{
	struct resched_flags *f = resched_flags(rq->cpu);
	int self = smp_processor_id();

	if (READ_ONCE(f->resched))
		return;
	WRITE_ONCE(f->resched, 1);
	if (rq->cpu == self)
		return;
	if (in_irq()) {
		smp_send_reschedule(rq->cpu);
	} else {
		*this_cpu_ptr(&put_off_ipis) |= BIT(rq->cpu);
		resched_flags(self)->ipis_put_off = 1;
	}
}

/* Send the interrupts that were put off. Any context without spinlocks. */
static noinline void send_put_off_ipis(void)
{
	unsigned long flags, mask;
	int cpu;

	local_irq_save(flags);
	mask = *this_cpu_ptr(&put_off_ipis);
	*this_cpu_ptr(&put_off_ipis) = 0;
	resched_flags(smp_processor_id())->ipis_put_off = 0;
	local_irq_restore(flags);
	for_each_online_cpu(cpu) {
		if (mask & BIT(cpu))
			smp_send_reschedule(cpu);
	}
}

/* Does sleeping in this state count as load? */
static bool contributes_to_load(unsigned int state)
{
	return (state & TASK_UNINTERRUPTIBLE) && !(state & TASK_NOLOAD);
}

/* ---- Switching ---- */

/*
 * First thing on the new stack: PREV is off the CPU now. Drops the run-queue lock, switches interrupts on and
 * releases what PREV could not release while it was running.
 */
static void finish_task_switch(struct task_struct *prev)
{
	struct rq *rq = this_rq();
	struct mm_struct *mm = rq->prev_mm;
	bool dead = prev->__state == TASK_DEAD;

	rq->prev_mm = NULL;
	if (unlikely(rq->push)) {
		rq->push = NULL;
		push_away(rq, prev);
	} else {
		WRITE_ONCE(prev->on_cpu, 0);
	}
	raw_spin_unlock(&rq->lock);
	local_irq_enable();
	if (unlikely(this_cpu_read(need_resched_flag) & ~0xff))
		send_put_off_ipis();	/* push_away() may have woken a CPU; the idle task would not look */
	if (mm)
		mmdrop(mm);
	if (unlikely(dead))
		put_task_struct(prev);
}

/* The first thing a new task does, on its own stack, coming from the switch code. */
void schedule_tail(struct task_struct *prev)
{
	finish_task_switch(prev);
	preempt_enable();
	if (current->set_child_tid)
		(void)put_user(current->pid, current->set_child_tid);
}

/*
 * Go on with NEXT. A kernel thread borrows the page tables that are loaded (lazy TLB) and holds the mm by a
 * reference, which is handed from one borrower to the next.
 */
static void context_switch(struct rq *rq, struct task_struct *prev, struct task_struct *next)
{
	if (!next->mm) {
		next->active_mm = prev->active_mm;
		if (prev->mm)
			mmgrab(prev->active_mm);
		else
			prev->active_mm = NULL;
		switch_mm(next->active_mm, NULL);
	} else {
		switch_mm(prev->active_mm, next->mm);
		if (!prev->mm) {
			rq->prev_mm = prev->active_mm;
			prev->active_mm = NULL;
		}
	}
	prev = __switch_to_asm(prev, next);
	/* Perhaps much later, perhaps on another CPU; PREV is whoever ran here before us. */
	finish_task_switch(prev);
}

static noinline void trace_switch(bool preempt, const struct task_struct *prev, const struct task_struct *next)
{
	trace_sched_switch(trace_comm_of(prev->comm), prev->pid, prev->static_prio,
			   preempt && prev->pid ? SWITCH_PREEMPTED : (long)prev->__state, trace_comm_of(next->comm), next->pid,
			   next->static_prio);
}

/*
 * Choose the next task and switch to it. PREEMPT: the current one does not want to sleep, whatever its state
 * says (it was interrupted between announcing its sleep and schedule()).
 *
 * => preempt_count is exactly 1; interrupts on, and on again on return
 */
static void __schedule(bool preempt)
{
	struct task_struct *prev = current, *next;
	struct rq *rq;

	if (unlikely(preempt_count() != 1))
		panic("BUG: scheduling while atomic: %s/%d/0x%08x", prev->comm, prev->pid, preempt_count());
	local_irq_disable();
	if (unlikely(this_cpu_read(need_resched_flag) & ~0xff))
		send_put_off_ipis();
	rq = this_rq();
	raw_spin_lock(&rq->lock);
	WRITE_ONCE(resched_flags(rq->cpu)->resched, 0);
	update_curr(rq);

	if (!preempt && prev->__state != TASK_RUNNING) {
		if (signal_pending_state(prev->__state, prev)) {
			WRITE_ONCE(prev->__state, TASK_RUNNING);
		} else {
			prev->on_rq = 0;
			rq->nr_running--;
			if (contributes_to_load(prev->__state))
				rq->nr_uninterruptible++;
		}
	}
	next = pick_next_task(rq, prev);
	if (next == prev) {
		raw_spin_unlock(&rq->lock);
		local_irq_enable();
		return;
	}
	rq->nr_switches++;
	prev->mid_kernel = preempt || prev->__state != TASK_RUNNING;
	if (prev->on_rq)
		prev->nivcsw++;
	else
		prev->nvcsw++;
	rq->curr = next;
	if (trace_sched_switch_enabled())
		trace_switch(preempt, prev, next);
	WRITE_ONCE(next->on_cpu, 1);
	context_switch(rq, prev, next);
}

/* See sched.h. */
void schedule(void)
{
	do {
		preempt_disable();
		__schedule(false);
		preempt_enable_no_resched();
	} while (need_resched());
}

void io_schedule(void)
{
	struct rq *rq = cpu_rq(READ_ONCE(current->cpu));

	atomic_inc(&rq->nr_iowait);
	schedule();
	atomic_dec(&rq->nr_iowait);
}

/* The idle task gives way; it runs with preempt_count 1 all the time. */
void schedule_idle(void)
{
	__schedule(true);
}

void preempt_schedule(void)
{
	if (preempt_count())
		return;
	if (this_cpu_read(need_resched_flag) & ~0xff)
		send_put_off_ipis();
	while (need_resched() && !irqs_disabled()) {
		preempt_disable();
		__schedule(true);
		preempt_enable_no_resched();
	}
}

void preempt_schedule_irq(void)
{
	if (preempt_count())
		return;
	do {
		preempt_disable();
		local_irq_enable();
		__schedule(true);
		local_irq_disable();
		preempt_enable_no_resched();
	} while (need_resched());
}

void cond_resched(void)
{
	might_sleep();
	if (need_resched())
		preempt_schedule();
}

void yield(void)
{
	struct rq *rq;

	preempt_disable();
	local_irq_disable();
	rq = this_rq();
	raw_spin_lock(&rq->lock);
	fair_yield(rq);
	raw_spin_unlock(&rq->lock);
	local_irq_enable();
	preempt_enable_no_resched();
	schedule();
}

void set_special_state(unsigned int state)
{
	unsigned long flags;
	struct rq *rq;

	local_irq_save(flags);
	rq = this_rq();
	raw_spin_lock(&rq->lock);
	WRITE_ONCE(current->__state, state);
	raw_spin_unlock(&rq->lock);
	local_irq_restore(flags);
}

void do_task_dead(void)
{
	preempt_disable();
	set_special_state(TASK_DEAD);
	__schedule(false);
	panic("BUG: a dead task runs: %s/%d", current->comm, current->pid);
}

/* ---- Waking ---- */

/*
 * Make T, asleep or new (FORK) and governed by RQ (locked), runnable on the best CPU. Returns that run
 * queue, locked, RQ unlocked; or NULL, both unlocked: the lock had to be dropped and T is not as it was;
 * decide again.
 */
static struct rq *activate_on_best_cpu(struct rq *rq, struct task_struct *t, bool fork)
{
	unsigned int state = t->__state;
	int cpu = select_task_rq(t, fork);

	if (cpu != rq->cpu) {
		struct rq *to = cpu_rq(cpu);

		if (!lock_second(rq, to) && (t->cpu != rq->cpu || t->on_rq || t->__state != state ||
					     !(t->cpus_allowed & BIT(cpu)))) {
			raw_spin_unlock(&to->lock);
			raw_spin_unlock(&rq->lock);
			return NULL;
		}
		set_task_cpu(t, rq, to);
		raw_spin_unlock(&rq->lock);
		rq = to;
	}
	if (contributes_to_load(state))
		rq->nr_uninterruptible--;
	WRITE_ONCE(t->__state, TASK_RUNNING);
	if (fork)
		place_new(rq, t);
	else
		place_woken(rq, t);
	enqueue_task(rq, t);
	check_preempt(rq, t);
	return rq;
}

/* The part of try_to_wake_up() with interrupts off. */
static bool wake_up_locked(struct task_struct *t, unsigned int mask)
{
	struct rq *rq;
	bool woken;

	do {
		rq = task_rq_lock(t);
		woken = t->__state & mask;
		if (woken && t->on_rq)
			WRITE_ONCE(t->__state, TASK_RUNNING);
		else if (woken)
			rq = activate_on_best_cpu(rq, t, false);
	} while (!rq);
	if (woken && trace_sched_wakeup_enabled())
		trace_sched_wakeup(trace_comm_of(t->comm), t->pid, t->static_prio, t->cpu);
	raw_spin_unlock(&rq->lock);
	return woken;
}

bool try_to_wake_up(struct task_struct *t, unsigned int mask)
{
	unsigned long flags;
	bool woken;

	preempt_disable();
	local_irq_save(flags);
	woken = wake_up_locked(t, mask);
	local_irq_restore(flags);
	preempt_enable();
	return woken;
}

void wake_up_new_task(struct task_struct *t)
{
	unsigned long flags;
	struct rq *rq;

	preempt_disable();
	local_irq_save(flags);
	do {
		rq = activate_on_best_cpu(task_rq_lock(t), t, true);
	} while (!rq);
	raw_spin_unlock(&rq->lock);
	local_irq_restore(flags);
	preempt_enable();
}

/* ---- New tasks and start-up ---- */

void sched_fork(struct task_struct *child)
{
	child->__state = TASK_RUNNING;
	child->on_rq = child->on_cpu = 0;
	child->cpu = smp_processor_id();
	child->slice_start_ns = child->sum_exec_ns = child->moved_ns = 0;
	child->utime_ns = child->stime_ns = 0;
	child->nvcsw = child->nivcsw = 0;
	child->preempt_count_saved = 1;
	child->start_time_ns = ktime_get();
	child->kthread = NULL;
	child->lockdep_depth = child->lockdep_recursion = 0;
	RB_CLEAR_NODE(&child->run_node);
}

/* Make T the idle task of RQ: what runs when nothing else does. */
static void rq_init(int cpu, struct task_struct *idle)
{
	struct rq *rq = cpu_rq(cpu);

	spin_lock_init_class(&rq->lock, NULL);
	rq->cpu = cpu;
	rq->tree = RB_ROOT;
	idle->cpu = cpu;
	idle->on_cpu = idle->on_rq = 1;
	idle->active_mm = &init_mm;
	mmgrab(&init_mm);
	rq->accounted = rq->exec_start = tsc_clock_ns();
	rq->idle = rq->curr = idle;
}

/* The boot thread goes on unpreempted until it becomes the idle task. */
void sched_init(void)
{
	preempt_disable();
	init_task.stack = boot_stack;
	rq_init(0, &init_task);
}

struct task_struct *idle_task_create(int cpu)
{
	struct task_struct *t = alloc_task_struct_with_stack();

	if (!t)
		return NULL;
	sched_fork(t);
	t->flags = PF_KTHREAD | PF_IDLE;
	t->static_prio = 120;
	t->cpus_allowed = BIT(cpu);
	snprintf(t->comm, sizeof(t->comm), "swapper/%d", cpu);
	rq_init(cpu, t);
	return t;
}

void set_user_nice(struct task_struct *t, int nice)
{
	unsigned long flags;
	struct rq *rq;

	local_irq_save(flags);
	rq = task_rq_lock(t);
	if (rq->curr == t)
		update_curr(rq);
	t->static_prio = 120 + clamp(nice, -20, 19);
	raw_spin_unlock(&rq->lock);
	local_irq_restore(flags);
}
