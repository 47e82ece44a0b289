/*
 * kernel/sched/tick.c - each CPU's timer interrupt: expired timers, and the tick.
 *
 * The LAPIC timer is one-shot. After each interrupt it is set to the earlier of the next tick (every 1/HZ
 * s) and the CPU's first timer. When the CPU goes idle the tick only gets marked as stopped: one more may
 * come, which then sets the hardware to the first timer. A short idle therefore costs no programming at
 * all. With nohz=off the tick goes on in idle (record and replay wants a steady clock).
 *
 * Linux: kernel/time/tick-sched.c.
 */
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "kernel/sched/internal.h"

/* An idle CPU wakes at least this often; the LAPIC's counter would not reach much further. */
#define MAX_SLEEP_NS NSEC_PER_SEC

struct tick {
	u64 next;		/* when the next tick is due */
	u64 programmed;		/* what the hardware is set to */
	bool started, stopped;
};
static DEFINE_PER_CPU(struct tick, ticks);	/* this CPU only, interrupts off */

static bool nohz_off;
void (*tick_hook)(bool user);

static int parse_nohz(char *value)
{
	if (strcmp(value, "off") == 0)
		nohz_off = true;
	else if (strcmp(value, "on") == 0)
		nohz_off = false;
	else
		return -EINVAL;
	return 0;
}
boot_param("nohz=", parse_nohz);

static void program(struct tick *tk, u64 ns)
{
	tk->programmed = ns;
	lapic_timer_program(ns);
}

void tick_program(u64 expires)
{
	struct tick *tk = this_cpu_ptr(&ticks);

	if (tk->started && expires < tk->programmed)
		program(tk, expires);
}

void time_init_cpu(void)
{
	struct tick *tk = this_cpu_ptr(&ticks);
	unsigned long flags;

	local_irq_save(flags);
	tk->next = ktime_get() + TICK_NSEC;
	tk->started = true;
	program(tk, min(tk->next, hrtimer_next_expiry()));
	local_irq_restore(flags);
}

/* The scheduler's share of a tick. */
void sched_tick(bool user)
{
	struct rq *rq = this_rq();

	account_tick(rq, user);
	raw_spin_lock(&rq->lock);
	fair_tick(rq);
	raw_spin_unlock(&rq->lock);
	if (tick_hook)
		tick_hook(user);
}

void timer_interrupt(bool user)
{
	struct tick *tk = this_cpu_ptr(&ticks);
	u64 now = ktime_get();
	u64 next;

	tk->programmed = KTIME_MAX;
	hrtimer_run_expired(now);
	if (!tk->stopped && now >= tk->next) {
		sched_tick(user);
		calc_load_tick(now);
		balance_tick(this_rq(), now);
		tk->next += TICK_NSEC;
		if (tk->next <= now)	/* the host let us wait: skip what was missed */
			tk->next = now + TICK_NSEC;
	}
	next = tk->stopped ? now + MAX_SLEEP_NS : tk->next;
	program(tk, min(next, hrtimer_next_expiry()));
}

void tick_nohz_idle_enter(void)
{
	if (!nohz_off)
		this_cpu_ptr(&ticks)->stopped = true;
}

void tick_nohz_idle_exit(void)
{
	struct tick *tk = this_cpu_ptr(&ticks);

	if (!tk->stopped)
		return;
	tk->stopped = false;
	account_idle();
	tk->next = ktime_get() + TICK_NSEC;
	tick_program(tk->next);
}
