/*
 * kernel/trace/pause.c - /sys/kernel/debug/quire/pause: parking threads inside the windows of mm's races.
 *
 *	arm NAME ──> a thread comes by ──> parked=1 ──> (the test does something else) ──> release NAME ──> it goes on
 *
 * A parked thread waits for the point's generation to change and for nothing else, so a release frees exactly
 * those that are there, and a point that disarms itself ("once") keeps the one thread that it caught. No lock
 * is taken on the way in: a spinning point may stand where interrupts are off or a leaf lock is held.
 *
 * A name may stand at several places; a control word means all of them, and the file shows their sum.
 */
#include "kernel/trace/pause.h"
#include "arch-x86_64/processor.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/sched/sched.h"
#include "kernel/trace/words.h"

#ifndef RELEASE
#define SPIN_LIMIT_NS (30 * NSEC_PER_SEC)

extern struct pause_point _pause_points_start[], _pause_points_end[];
#define for_each_pause_point(p) for ((p) = _pause_points_start; (p) < _pause_points_end; (p)++)
static DECLARE_WAIT_QUEUE_HEAD(pause_wait);

/* ---- The thread's side ---- */

static bool released(struct pause_point *p, unsigned int generation)
{
	return READ_ONCE(p->generation) != generation;
}

/* Interrupts stay as they are: with them off this CPU answers no TLB shootdown, which is what such a point is for. */
static void spin_here(struct pause_point *p, unsigned int generation)
{
	u64 end = ktime_get() + SPIN_LIMIT_NS;

	while (!released(p, generation)) {
		if (ktime_get() > end) {
			pr_warn("quire/pause: %s was not released in 30 s, going on\n", p->name);
			return;
		}
		cpu_relax();
	}
}

static void sleep_here(struct pause_point *p, unsigned int generation)
{
	WRITE_ONCE(current->wchan, p->name);
	if (current->flags & PF_EXITING)
		wait_event(pause_wait, released(p, generation));
	else
		(void)wait_event_killable(pause_wait, released(p, generation));
	WRITE_ONCE(current->wchan, NULL);
}

void __pause_here(struct pause_point *p)
{
	unsigned int generation = READ_ONCE(p->generation);
	int pid = READ_ONCE(p->pid);

	if (pid && pid != current->tgid && pid != current->pid)
		return;
	/* Of several threads that come to a "once" point together one stays. */
	if (READ_ONCE(p->once) && !cmpxchg(&p->armed, true, false))
		return;
	__atomic_fetch_add(&p->hits, 1, __ATOMIC_SEQ_CST);
	/* Visible only now: whoever sees parked=1 and releases, releases the generation read above. */
	__atomic_fetch_add(&p->parked, 1, __ATOMIC_SEQ_CST);
	if (p->spin)
		spin_here(p, generation);
	else
		sleep_here(p, generation);
	__atomic_fetch_sub(&p->parked, 1, __ATOMIC_SEQ_CST);
}

bool pause_hold(struct pause_point *p)
{
	if (!READ_ONCE(p->armed) || (READ_ONCE(p->once) && !cmpxchg(&p->armed, true, false)))
		return false;
	__atomic_fetch_add(&p->hits, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&p->parked, 1, __ATOMIC_SEQ_CST);
	return true;
}

void pause_hold_gone(struct pause_point *p, int nr)
{
	__atomic_fetch_sub(&p->parked, nr, __ATOMIC_SEQ_CST);
}

bool pause_spinning(void)
{
	struct pause_point *p;

	for_each_pause_point(p)
		if (p->spin && READ_ONCE(p->parked))
			return true;
	return false;
}

/* ---- The file ---- */

/* Is P the first point of its name? */
static bool first_of_name(const struct pause_point *p)
{
	const struct pause_point *q;

	for (q = _pause_points_start; q < p; q++)
		if (!strcmp(q->name, p->name))
			return false;
	return true;
}

static void show_point(struct seq_file *m, const struct pause_point *first)
{
	const struct pause_point *p;
	bool armed = false;
	int parked = 0;
	long hits = 0;

	for_each_pause_point(p) {
		if (strcmp(p->name, first->name))
			continue;
		armed |= READ_ONCE(p->armed);
		parked += READ_ONCE(p->parked);
		hits += READ_ONCE(p->hits);
	}
	seq_printf(m, "%s kind=%s armed=%d parked=%d hits=%ld pid=%d\n", first->name,
		   first->let_go ? "hold" : first->spin ? "spin" : "sleep", armed, parked, hits, READ_ONCE(first->pid));
}

static int pause_show(struct seq_file *m, void *data)
{
	const struct pause_point *p;

	seq_puts(m, "# write: arm NAME [PID] [once] | release NAME | disarm [NAME]\n");
	for_each_pause_point(p)
		if (first_of_name(p))
			show_point(m, p);
	return 0;
}

static void arm(struct pause_point *p, int pid, bool once)
{
	WRITE_ONCE(p->pid, pid);
	WRITE_ONCE(p->once, once);
	smp_store_release(&p->armed, true);
}

static void release(struct pause_point *p, bool disarm)
{
	if (disarm)
		WRITE_ONCE(p->armed, false);
	__atomic_fetch_add(&p->generation, 1, __ATOMIC_SEQ_CST);
	if (p->let_go)
		p->let_go(p);
}

/* The words after "arm NAME": [PID] [once]. */
static bool arm_options(char **words, int n, int *pid, bool *once)
{
	*pid = 0;
	*once = false;
	for (int i = 0; i < n; i++) {
		if (!strcmp(words[i], "once"))
			*once = true;
		else if (i || kstrtoint(words[i], 10, pid) || *pid <= 0)
			return false;
	}
	return true;
}

/* How many points the words reached; 0: not understood. */
static int pause_command(char **words, int n)
{
	bool is_arm = n >= 2 && !strcmp(words[0], "arm"), disarm = n && n <= 2 && !strcmp(words[0], "disarm"), once;
	bool is_release = n == 2 && !strcmp(words[0], "release");
	struct pause_point *p;
	int pid, found = 0;

	if (!(is_arm && arm_options(words + 2, n - 2, &pid, &once)) && !disarm && !is_release)
		return 0;
	for_each_pause_point(p) {
		if (n > 1 && strcmp(p->name, words[1]))
			continue;
		found++;
		if (is_arm)
			arm(p, pid, once);
		else
			release(p, disarm);
	}
	wake_up_all(&pause_wait);
	return found;
}

static ssize_t pause_write(struct file *f, char *buf, size_t len, void *data, struct task_struct *task)
{
	char *words[4];
	int n = split_words(buf, words, ARRAY_SIZE(words));

	if (n <= ARRAY_SIZE(words) && pause_command(words, n))
		return len;
	pr_warn("quire/pause: takes arm NAME [PID] [once], release NAME, disarm [NAME]; the file lists the names\n");
	return -EINVAL;
}

static const struct pseudo_ops pause_ops = { .show = pause_show, .write = pause_write };

static int pause_init(void)
{
	pseudo_create(quire_debug_root, "pause", 0600, &pause_ops, NULL);
	return 0;
}
fs_initcall(pause_init);
#endif
