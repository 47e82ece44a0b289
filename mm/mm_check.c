/*
 * mm/mm_check.c - /sys/kernel/debug/quire/check: is the whole of memory as the rules say?
 *
 *	read ──> memory for the tallies ──> stop the CPUs ──> somebody in the middle of something? ──> go on, try again
 *	                                         │ no, or he stays there
 *	                                         └──> empty the batches, count (mm_check_tables.c), compare
 *	                                              (mm_check_folio.c), let the CPUs go ──> print
 *
 * A CPU stops in an interrupt, and only where the code that was hit held no spinlock: then every list and every
 * table is whole. What a task may hold without a spinlock is another matter: references between two steps, folios
 * it has locked or isolated. A task counts as "in the middle of something" if it was preempted in the kernel, runs there,
 * or is parked at a pause point; so does an mm whose mmap lock is held. Mostly a millisecond later it is not any
 * more. If it is, references beyond the expected ones are believed, as long as they are not too few (FOL-8), and each
 * such folio counts as skipped; so does a folio of its mm that is on no list. With nobody busy nothing is skipped.
 *
 * Not here: repair. Linux has no such thing; CONFIG_DEBUG_VM checks single steps.
 */
#include "mm/mm_check.h"
#include "arch-x86_64/processor.h"
#include "arch-x86_64/smp.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "kernel/sched/sched.h"
#include "kernel/task/pid.h"
#include "kernel/task/signal.h"
#include "kernel/trace/pause.h"
#include "mm/lru.h"
#include "mm/slab.h"

#ifndef RELEASE
#define MAX_LINES	25
#define TEXT_SIZE	(MAX_LINES * 120)
#define BUSY_TRIES	5		/* a millisecond apart, for tasks to finish what they do */
#define STOP_TRIES	2000		/* for CPUs to be hit outside spinlocks */
#define STOP_LIMIT_NS	(2 * NSEC_PER_SEC)

void check_fail(struct check *c, const char *rule, const char *what, unsigned long n, const char *field, long want,
		long have)
{
	if (c->violations++ < MAX_LINES)
		seq_printf(&c->out, "%s %s=%#lx %s want=%ld have=%ld\n", rule, what, n, field, want, have);
}

/* ---- Stopping the machine ---- */

struct stop {
	int master;
	atomic_t arrived, refused;
	bool go;
	bool (*fn)(struct check *c, bool last);
	struct check *c;
	bool last, done;		/* DONE: FN ran and was content */
};
/* This CPU stands still, and the task on it was hit in kernel code. */
static DEFINE_PER_CPU(bool, stopped_in_kernel);

/* The interrupted code holds no spinlock. The idle task runs with preemption off all the time. */
static bool may_stop_here(void)
{
	int idle = current->flags & PF_IDLE ? 1 : 0;

	return preempt_count() == HARDIRQ_OFFSET + idle;
}

static void empty_batches(void)
{
	lru_add_drain();	/* first: it may free pages */
	drain_this_cpu_pages();
}

static void stop_other(struct stop *s)
{
	if (!may_stop_here()) {
		atomic_inc(&s->refused);
		atomic_inc(&s->arrived);
		return;
	}
	this_cpu_write(stopped_in_kernel, !irq_hit_user_mode() && !(current->flags & PF_IDLE));
	empty_batches();
	atomic_inc(&s->arrived);
	while (!smp_load_acquire(&s->go))
		cpu_relax();
	this_cpu_write(stopped_in_kernel, false);
}

static int other_cpus_online(void)
{
	int cpu, n = -1;

	for_each_online_cpu(cpu)
		n++;
	return n;
}

static void stop_master(struct stop *s)
{
	u64 end = ktime_get() + STOP_LIMIT_NS;
	int others = other_cpus_online();

	while (atomic_read(&s->arrived) < others && ktime_get() < end)
		cpu_relax();
	if (atomic_read(&s->arrived) == others && !atomic_read(&s->refused)) {
		empty_batches();
		s->done = s->fn(s->c, s->last);
	}
	smp_store_release(&s->go, true);
}

static void stop_cpu(void *arg)
{
	struct stop *s = arg;

	if (smp_processor_id() == s->master)
		stop_master(s);
	else
		stop_other(s);
}

/* Run FN with all other CPUs stopped. 0, -EAGAIN: FN was not content; -EBUSY: the CPUs could not be stopped. */
static int stop_machine_for(struct check *c, bool (*fn)(struct check *c, bool last), bool last)
{
	for (int i = 0; i < STOP_TRIES && !pause_spinning(); i++) {
		struct stop s = { .fn = fn, .c = c, .last = last };

		preempt_disable();
		s.master = smp_processor_id();
		smp_call_function_mask(cpu_online_mask, stop_cpu, &s);
		preempt_enable();
		if (!atomic_read(&s.refused))
			return s.done ? 0 : -EAGAIN;
		/* Not always after the same time: a CPU in a loop would be hit at the same place again. */
		ndelay(5000 + i % 16 * 4000);
		cond_resched();
	}
	return -EBUSY;
}

/* ---- Who is in the middle of something ---- */

/* *SOON: it will be out of it as soon as it may run. */
static bool task_busy(const struct task_struct *t, bool *soon)
{
	if (t == current)
		return false;
	if (t->on_cpu) {
		*soon = true;
		return per_cpu(stopped_in_kernel, t->cpu);
	}
	*soon = t->on_rq;
	return t->on_rq ? t->mid_kernel : t->wchan != NULL;
}

static void note_busy(struct check *c, const struct task_struct *t)
{
	c->any_busy = true;
	if (!t->mm)
		c->kthread_busy = true;
	else if (t->mm->mm_id < BUSY_IDS)
		set_bit(t->mm->mm_id, c->busy_ids);
}

/* True if it is worth while to wait for somebody. */
static bool find_busy_tasks(struct check *c)
{
	struct task_struct *p, *t;
	bool wait = false, soon;

	memset(c->busy_ids, 0, BUSY_IDS / 8);
	c->any_busy = c->kthread_busy = false;
	for_each_process(p) {
		for_each_thread(p, t) {
			if (!task_busy(t, &soon))
				continue;
			note_busy(c, t);
			wait |= soon;
		}
	}
	return wait;
}

bool check_mm_busy(const struct check *c, const struct mm_struct *mm)
{
	return rwsem_is_locked((struct rw_semaphore *)&mm->mmap_lock) || mm->mm_id >= BUSY_IDS ||
	       test_bit(mm->mm_id, c->busy_ids);
}

/* ---- The check ---- */

static bool check_all(struct check *c, bool last)
{
	if (find_busy_tasks(c) && !last)
		return false;
	check_lru_lists(c);
	check_buddy_lists(c);
	check_page_tables(c);
	check_pipes(c);
	check_swap(c);
	check_folios(c);
	check_gauges(c);
	return true;
}

static void check_free(struct check *c)
{
	vfree(c->frames);
	vfree(c->large);
	kvfree(c->busy_ids);
	check_swap_free(c);
	kfree(c->out.buf);
}

static int check_alloc(struct check *c)
{
	c->nr_frames = max_pfn;
	c->frames = vzalloc(c->nr_frames * sizeof(*c->frames));
	c->large = vzalloc((c->nr_frames / 4 + 1) * sizeof(*c->large));
	c->busy_ids = kvmalloc(BUSY_IDS / 8, GFP_KERNEL);
	c->out.buf = kmalloc(TEXT_SIZE, GFP_KERNEL);
	c->out.size = TEXT_SIZE;
	if (c->frames && c->large && c->busy_ids && c->out.buf && !check_swap_alloc(c))
		return 0;
	check_free(c);
	return -ENOMEM;
}

/* 0, -EBUSY: the CPUs could not be stopped. */
static int run_check(struct check *c)
{
	int err = -EBUSY;

	for (int i = 0; i < BUSY_TRIES; i++) {
		err = stop_machine_for(c, check_all, i == BUSY_TRIES - 1);
		if (err != -EAGAIN)
			break;
		set_current_state(TASK_UNINTERRUPTIBLE);
		schedule_timeout_ns(NSEC_PER_MSEC);
	}
	return err;
}

static int check_show(struct seq_file *m, void *data)
{
	struct check c = { 0 };
	int err;

	/* First: a CPU that spins answers no flush, and giving back kernel memory needs one. */
	if (pause_spinning())
		return -EBUSY;
	err = check_alloc(&c);
	if (err)
		return err;
	err = run_check(&c);
	if (!err) {
		seq_write(m, c.out.buf, c.out.count);
		if (c.violations)
			seq_printf(m, "%ld violations, %ld folios, %ld skipped\n", c.violations, c.folios, c.skipped);
		else
			seq_printf(m, "ok %ld folios, %ld skipped\n", c.folios, c.skipped);
	}
	check_free(&c);
	return err;
}

static const struct pseudo_ops check_ops = { .show = check_show };

static int check_init(void)
{
	pseudo_create(quire_debug_root, "check", 0400, &check_ops, NULL);
	return 0;
}
fs_initcall(check_init);
#endif
