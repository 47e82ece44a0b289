/*
 * kernel/sched/hrtimer.c - one-shot timers with nanosecond times, and sleeping for a time.
 *
 * Each CPU has a base: a tree of its pending timers by expiry. The earliest of all bases' firsts is what the
 * CPU's LAPIC timer is set to (tick.c). A timer lives on the base of the CPU that started it.
 *
 *	idle ── hrtimer_start ──> pending ── expired ──> running ──> idle
 *	                             │  hrtimer_cancel       │ FN may start it again
 *	                             └──> idle               └──> pending, and running
 *
 * Only the base knows which timer it is running: a timer may be pending on one base while its function is
 * still returning on another, so hrtimer_cancel() asks every base that the timer has been on.
 *
 * Linux: kernel/time/hrtimer.c. Ours have no slack and no clocks but the monotonic one.
 */
#include "arch-x86_64/processor.h"
#include "kernel/sched/internal.h"

struct timer_base {
	spinlock_t lock;		/* raw, interrupts off */
	struct rb_root tree;		/* L: pending timers by expiry */
	struct rb_node *leftmost;	/* L */
	struct hrtimer *running;	/* L to change: its function is being called */
};
static DEFINE_PER_CPU(struct timer_base, timer_bases);

void hrtimer_init(struct hrtimer *t, void (*fn)(struct hrtimer *t))
{
	t->fn = fn;
	t->cpu = -1;
	t->used = 0;
	t->expires = 0;
}

/* Take T off BASE's tree. => base locked */
static void dequeue_timer(struct timer_base *base, struct hrtimer *t)
{
	if (base->leftmost == &t->node)
		base->leftmost = rb_next(&t->node);
	rb_erase(&t->node, &base->tree);
}

/* Put T into BASE's tree. True: it is the first to expire now. => base locked */
static bool enqueue_timer(struct timer_base *base, struct hrtimer *t)
{
	struct rb_node **link = &base->tree.rb_node, *parent = NULL;
	bool first = true;

	while (*link) {
		parent = *link;
		if (t->expires < rb_entry(parent, struct hrtimer, node)->expires) {
			link = &parent->rb_left;
		} else {
			link = &parent->rb_right;
			first = false;
		}
	}
	rb_link_node(&t->node, parent, link);
	rb_insert_color(&t->node, &base->tree);
	if (first)
		base->leftmost = &t->node;
	return first;
}

/* Make T not pending. True if it was. => interrupts off */
static bool unqueue(struct hrtimer *t)
{
	int cpu;

	while ((cpu = READ_ONCE(t->cpu)) >= 0) {
		struct timer_base *base = per_cpu_ptr(&timer_bases, cpu);
		bool here;

		raw_spin_lock(&base->lock);
		here = t->cpu == cpu;
		if (here) {
			dequeue_timer(base, t);
			WRITE_ONCE(t->cpu, -1);
		}
		raw_spin_unlock(&base->lock);
		if (here)
			return true;
	}
	return false;
}

/* See time.h. */
void hrtimer_start(struct hrtimer *t, u64 expires)
{
	struct timer_base *base;
	unsigned long flags;

	local_irq_save(flags);
	unqueue(t);
	base = this_cpu_ptr(&timer_bases);
	raw_spin_lock(&base->lock);
	t->expires = expires;
	t->used |= BIT(smp_processor_id());
	WRITE_ONCE(t->cpu, smp_processor_id());
	if (enqueue_timer(base, t))
		tick_program(expires);
	raw_spin_unlock(&base->lock);
	local_irq_restore(flags);
}

/*
 * Dequeue T from CPU's base; its FN is running there: *RUNNING = true. True if it was pending there.
 * Both facts are found under one hold of the lock: FN restarts the timer on its own CPU.
 */
static bool cancel_on(struct hrtimer *t, int cpu, bool *running)
{
	struct timer_base *base = per_cpu_ptr(&timer_bases, cpu);
	unsigned long flags;
	bool pending;

	local_irq_save(flags);
	raw_spin_lock(&base->lock);
	pending = t->cpu == cpu;
	if (pending) {
		dequeue_timer(base, t);
		WRITE_ONCE(t->cpu, -1);
	}
	if (base->running == t)
		*running = true;
	raw_spin_unlock(&base->lock);
	local_irq_restore(flags);
	return pending;
}

bool hrtimer_cancel(struct hrtimer *t)
{
	bool was_pending = false, running;
	u32 cpus;

	do {
		running = false;
		for (cpus = READ_ONCE(t->used); cpus; cpus &= cpus - 1)
			was_pending |= cancel_on(t, __builtin_ctz(cpus), &running);
		if (running)
			cpu_relax();
	} while (running);
	/* USED stays: somebody else may be starting T just now, and the next cancel must find it. */
	return was_pending;
}

bool hrtimer_active(const struct hrtimer *t)
{
	u32 cpus;

	if (READ_ONCE(t->cpu) >= 0)
		return true;
	for (cpus = READ_ONCE(t->used); cpus; cpus &= cpus - 1) {
		if (READ_ONCE(per_cpu(timer_bases, __builtin_ctz(cpus)).running) == t)
			return true;
	}
	return false;
}

/* Call the functions of this CPU's expired timers. => interrupts off, in the timer interrupt */
void hrtimer_run_expired(u64 now)
{
	struct timer_base *base = this_cpu_ptr(&timer_bases);

	raw_spin_lock(&base->lock);
	while (base->leftmost) {
		struct hrtimer *t = rb_entry(base->leftmost, struct hrtimer, node);

		if (t->expires > now)
			break;
		dequeue_timer(base, t);
		base->running = t;
		WRITE_ONCE(t->cpu, -1);
		raw_spin_unlock(&base->lock);
		t->fn(t);
		raw_spin_lock(&base->lock);
		base->running = NULL;
	}
	raw_spin_unlock(&base->lock);
}

u64 hrtimer_next_expiry(void)
{
	struct timer_base *base = this_cpu_ptr(&timer_bases);
	u64 next = KTIME_MAX;

	raw_spin_lock(&base->lock);
	if (base->leftmost)
		next = rb_entry(base->leftmost, struct hrtimer, node)->expires;
	raw_spin_unlock(&base->lock);
	return next;
}

/* ---- Sleeping for a time ---- */

struct sleeper {
	struct hrtimer timer;
	struct task_struct *task;
};

static void wake_sleeper(struct hrtimer *t)
{
	wake_up_process(container_of(t, struct sleeper, timer)->task);
}

/* The caller has set the state. */
s64 schedule_timeout_ns(s64 ns)
{
	struct sleeper s = { .task = current };
	u64 end = ktime_get() + ns;
	s64 left;

	if (ns <= 0) {
		__set_current_state(TASK_RUNNING);
		return 0;
	}
	if (ns == KTIME_MAX || (s64)end < 0) {
		schedule();
		return ns;
	}
	hrtimer_init(&s.timer, wake_sleeper);
	hrtimer_start(&s.timer, end);
	schedule();
	if (!hrtimer_cancel(&s.timer))
		return 0;		/* it fired */
	left = end - ktime_get();
	return max(left, (s64)1);
}

void msleep(unsigned int ms)
{
	s64 left = ms * NSEC_PER_MSEC;

	while (left > 0) {
		__set_current_state(TASK_UNINTERRUPTIBLE);
		left = schedule_timeout_ns(left);
	}
}
