/*
 * kernel/sched/internal.h - the run queue, and what the scheduler's files tell each other.
 *
 *	core.c	   switching tasks, sleeping and waking
 *	fair.c	   who is next: a tree of the runnable tasks by virtual run time
 *	balance.c  on which CPU: placement of the woken, pulling by the idle, affinity
 *	cputime.c  who used how much; load average
 *	idle.c, kthread.c, hrtimer.c, tick.c, timekeeping.c, init_task.c
 */
#ifndef KERNEL_SCHED_INTERNAL_H
#define KERNEL_SCHED_INTERNAL_H

#include "arch-x86_64/smp.h"
#include "kernel/sched/sched.h"

/*
 * One per CPU. LOCK (a raw lock, interrupts off) protects all of it and the R fields of every task whose
 * ->cpu names it, sleeping ones too. It stays held across a context switch: taken by the outgoing task,
 * dropped by the incoming one in finish_task_switch(). Therefore whoever holds it never sees a task that has
 * left the queue but is still on the CPU. Two at once: the lower CPU number first.
 */
struct rq {
	spinlock_t lock;
	int cpu;
	unsigned int nr_running;	/* queued tasks and the running one; not the idle task */
	struct task_struct *curr, *idle;
	struct rb_root tree;		/* runnable, not running, by vruntime */
	struct rb_node *leftmost;
	u64 min_vruntime;		/* only grows: where sleepers and newcomers are placed */
	u64 exec_start;			/* curr's time is accounted up to here */
	struct task_struct *push;	/* just left this CPU, runnable, but not allowed here any more */
	struct mm_struct *prev_mm;	/* reference to drop after the switch */
	u64 nr_switches;
	long nr_uninterruptible;	/* fell asleep here minus woken here: only the sum has a meaning */
	atomic_t nr_iowait;		/* fell asleep here in io_schedule(); any CPU */
	u64 next_kick, next_balance;	/* ns */
	struct cpu_times times;		/* written on this CPU, interrupts off */
	u64 accounted;			/* times are complete up to here */
};
DECLARE_PER_CPU(struct rq, runqueues);
#define cpu_rq(cpu)	per_cpu_ptr(&runqueues, cpu)
#define this_rq()	this_cpu_ptr(&runqueues)

/* core.c */
struct rq *task_rq_lock(struct task_struct *t);
void resched_curr(struct rq *rq);
void schedule_idle(void);

/* fair.c. All => rq->lock held. */
void update_curr(struct rq *rq);
void enqueue_task(struct rq *rq, struct task_struct *t);
void dequeue_queued(struct rq *rq, struct task_struct *t);
void tree_insert(struct rq *rq, struct task_struct *t);
struct task_struct *pick_next_task(struct rq *rq, struct task_struct *prev);
void place_woken(struct rq *rq, struct task_struct *t);
void place_new(struct rq *rq, struct task_struct *t);
void check_preempt(struct rq *rq, struct task_struct *t);
void fair_tick(struct rq *rq);
void fair_yield(struct rq *rq);

/* balance.c */
int select_task_rq(struct task_struct *t, bool fork);
bool lock_second(struct rq *rq, struct rq *other);
void set_task_cpu(struct task_struct *t, struct rq *from, struct rq *to);
void push_away(struct rq *rq, struct task_struct *t);
bool idle_pull(void);
void balance_tick(struct rq *rq, u64 now);

/* cputime.c */
void account_tick(struct rq *rq, bool user);
void account_idle(void);
void calc_load_tick(u64 now);

/* hrtimer.c and tick.c: this CPU's timers, and its timer interrupt. => interrupts off */
void hrtimer_run_expired(u64 now);
u64 hrtimer_next_expiry(void);		/* KTIME_MAX: none */
void tick_program(u64 expires);		/* a timer expires then: interrupt no later */

#endif
