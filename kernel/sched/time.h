/*
 * kernel/sched/time.h - clocks and timers. All times are nanoseconds in a u64 or s64.
 *
 * The monotonic clock is the TSC, scaled; it starts near 0 at boot and never goes back on any CPU. The wall
 * clock is monotonic + an offset (from the CMOS clock, or set).
 */
#ifndef KERNEL_SCHED_TIME_H
#define KERNEL_SCHED_TIME_H

#include "kernel/lib/rbtree.h"
#include "kernel/lib/types.h"

#define HZ		1000
#define TICK_NSEC	1000000ULL
#define USER_HZ		100		/* AT_CLKTCK, /proc/PID/stat */
#define NSEC_PER_SEC	1000000000ULL
#define NSEC_PER_MSEC	1000000ULL
#define NSEC_PER_USEC	1000ULL
#define KTIME_MAX	0x7fffffffffffffffLL

struct timespec64 { s64 tv_sec; s64 tv_nsec; };		/* the user's layout too */

/* Any context. */
u64 ktime_get(void);			/* monotonic (CLOCK_MONOTONIC, BOOTTIME) */
u64 ktime_get_real(void);		/* since 1970 */
void timekeeping_set_real(u64 ns);
static inline u64 timespec_to_ns(const struct timespec64 *t)
{
	return (u64)t->tv_sec * NSEC_PER_SEC + t->tv_nsec;
}
static inline struct timespec64 ns_to_timespec(u64 ns)
{
	return (struct timespec64){ .tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC };
}
static inline bool timespec_valid(const struct timespec64 *t)
{
	return t->tv_sec >= 0 && t->tv_nsec >= 0 && t->tv_nsec < (s64)NSEC_PER_SEC;
}

/*
 * A one-shot timer: FN runs in the timer interrupt of the CPU that started it, interrupts off, at or soon
 * after EXPIRES. FN may start the timer again (then other starts need a lock that FN takes too).
 * hrtimer_cancel waits for a running FN (do not call it from FN or with a lock FN takes); it returns true
 * if the timer was pending.
 */
struct hrtimer {
	struct rb_node node;
	u64 expires;			/* monotonic ns */
	void (*fn)(struct hrtimer *t);
	int cpu;			/* base it is queued on; -1: not queued */
	u32 used;			/* CPUs whose bases it was on since it was last known to be idle */
};
/* Set up, once; start at the monotonic time EXPIRES; cancel. */
void hrtimer_init(struct hrtimer *t, void (*fn)(struct hrtimer *t));
void hrtimer_start(struct hrtimer *t, u64 expires);
bool hrtimer_cancel(struct hrtimer *t);
bool hrtimer_active(const struct hrtimer *t);

/* arch -> here: the LAPIC timer of this CPU fired, interrupts off. Runs timers and the tick. */
void timer_interrupt(bool user);
/* Called by the tick, if set (boot, once): interval timers and limits of the running task. Interrupts off. */
extern void (*tick_hook)(bool user);
/* here -> arch: interrupt this CPU at monotonic time NS (as soon as possible if that has passed). */
void lapic_timer_program(u64 ns);
/* arch: monotonic ns from the TSC; 0 before tsc_init. */
u64 tsc_clock_ns(void);
/* Idle: no tick is needed until the next timer (nohz=off: keep ticking). Interrupts off. */
void tick_nohz_idle_enter(void);
void tick_nohz_idle_exit(void);
void time_init(void);			/* wall clock; this CPU's tick starts with time_init_cpu */
void time_init_cpu(void);
/* Busy-wait, from boot on. */
void ndelay(u64 ns);

#endif
