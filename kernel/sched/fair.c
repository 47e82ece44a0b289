/*
 * kernel/sched/fair.c - who runs next on a CPU.
 *
 *	vruntime of the runnable tasks:   A 10.2   B 11.0   C 14.7	(ms, in a tree)
 *					  ^ leftmost: runs next
 *
 * A task's virtual run time grows while it runs, slower the heavier its nice value makes it. The one with the
 * least is the one that got least: it goes next, and runs until it has had a slice or a woken task is more
 * than WAKEUP_GRAN behind it. Who slept comes back a little to the left of everybody (SLEEP_BONUS), not with
 * all the time it slept through.
 *
 * Not here: real-time classes, groups, bandwidth limits. Linux: kernel/sched/fair.c as it was before EEVDF.
 */
#include "kernel/sched/internal.h"

#define SLICE_NS	(3 * NSEC_PER_MSEC)
#define MIN_SLICE_NS	(NSEC_PER_MSEC * 3 / 4)
#define WAKEUP_GRAN_NS	NSEC_PER_MSEC
#define SLEEP_BONUS_NS	(2 * NSEC_PER_MSEC)
#define WEIGHT_NICE_0	1024
#define WEIGHT_IDLE	3

/* 1024 / 1.25^nice: one step is about 10% of a CPU that two tasks share. */
static const u32 nice_weight[40] = {
	88818, 71054, 56843, 45475, 36380, 29104, 23283, 18626, 14901, 11921,
	9537, 7629, 6104, 4883, 3906, 3125, 2500, 2000, 1600, 1280,
	1024, 819, 655, 524, 419, 336, 268, 215, 172, 137,
	110, 88, 70, 56, 45, 36, 29, 23, 18, 15,
};

/* NS of real time as virtual time of T. */
static u64 virtual_ns(const struct task_struct *t, u64 ns)
{
	u32 weight = t->policy == SCHED_IDLE ? WEIGHT_IDLE : nice_weight[t->static_prio - 100];

	return likely(weight == WEIGHT_NICE_0) ? ns : ns * WEIGHT_NICE_0 / weight;
}

static struct task_struct *leftmost_task(struct rq *rq)
{
	return rq->leftmost ? rb_entry(rq->leftmost, struct task_struct, run_node) : NULL;
}

/* min_vruntime follows the least of all runnable tasks, but never back. */
static void update_min_vruntime(struct rq *rq)
{
	struct task_struct *left = leftmost_task(rq);
	struct task_struct *curr = rq->curr;
	u64 v;

	if (curr != rq->idle && curr->on_rq) {
		v = curr->vruntime;
		if (left && (s64)(left->vruntime - v) < 0)
			v = left->vruntime;
	} else if (left) {
		v = left->vruntime;
	} else {
		return;
	}
	if ((s64)(v - rq->min_vruntime) > 0)
		rq->min_vruntime = v;
}

/* Charge the running task up to now. => rq->lock held */
void update_curr(struct rq *rq)
{
	struct task_struct *curr = rq->curr;
	u64 now = tsc_clock_ns();
	s64 delta = now - rq->exec_start;

	if (unlikely(delta <= 0))
		return;
	rq->exec_start = now;
	if (curr == rq->idle)
		return;
	curr->sum_exec_ns += delta;
	curr->vruntime += virtual_ns(curr, delta);
	update_min_vruntime(rq);
}

/* Link T into the tree of the waiting. => rq->lock held */
void tree_insert(struct rq *rq, struct task_struct *t)
{
	struct rb_node **link = &rq->tree.rb_node, *parent = NULL;
	bool first = true;

	while (*link) {
		parent = *link;
		if ((s64)(t->vruntime - rb_entry(parent, struct task_struct, run_node)->vruntime) < 0) {
			link = &parent->rb_left;
		} else {
			link = &parent->rb_right;
			first = false;
		}
	}
	rb_link_node(&t->run_node, parent, link);
	rb_insert_color(&t->run_node, &rq->tree);
	if (first)
		rq->leftmost = &t->run_node;
}

static void tree_erase(struct rq *rq, struct task_struct *t)
{
	if (rq->leftmost == &t->run_node)
		rq->leftmost = rb_next(&t->run_node);
	rb_erase(&t->run_node, &rq->tree);
	RB_CLEAR_NODE(&t->run_node);
}

/* T becomes runnable on RQ, or stops being so on it (waiting in the tree, not running). => rq->lock held */
void enqueue_task(struct rq *rq, struct task_struct *t)
{
	t->on_rq = 1;
	rq->nr_running++;
	tree_insert(rq, t);
}
void dequeue_queued(struct rq *rq, struct task_struct *t)
{
	tree_erase(rq, t);
	t->on_rq = 0;
	rq->nr_running--;
}

/*
 * The task to run after PREV, taken out of the tree; the idle task if there is none. PREV goes back into the
 * tree if it is runnable; if it may not run here any more it is left in rq->push for push_away().
 */
struct task_struct *pick_next_task(struct rq *rq, struct task_struct *prev)
{
	struct task_struct *next;

	if (prev != rq->idle && prev->on_rq) {
		if (unlikely(!(prev->cpus_allowed & BIT(rq->cpu))))
			rq->push = prev;
		else if (!rq->leftmost)
			return prev;
		else
			tree_insert(rq, prev);
	}
	next = leftmost_task(rq);
	if (!next)
		return rq->idle;
	tree_erase(rq, next);
	next->slice_start_ns = next->sum_exec_ns;
	return next;
}

/* T comes back from sleep: at most SLEEP_BONUS ahead of the others. => rq->lock held, T->cpu is RQ's */
void place_woken(struct rq *rq, struct task_struct *t)
{
	u64 floor = rq->min_vruntime - SLEEP_BONUS_NS;

	if ((s64)(t->vruntime - floor) < 0)
		t->vruntime = floor;
}

/* T is new: it starts behind the running task, so that forking buys no time. */
void place_new(struct rq *rq, struct task_struct *t)
{
	u64 v = rq->min_vruntime;

	if (rq->curr != rq->idle && (s64)(rq->curr->vruntime - v) > 0)
		v = rq->curr->vruntime;
	t->vruntime = v;
}

/* T was just enqueued: should it run at once? => rq->lock held */
void check_preempt(struct rq *rq, struct task_struct *t)
{
	struct task_struct *curr = rq->curr;

	if (curr == rq->idle || (curr->policy == SCHED_IDLE && t->policy != SCHED_IDLE)) {
		resched_curr(rq);
		return;
	}
	if (t->policy != SCHED_OTHER)
		return;
	update_curr(rq);
	if ((s64)(curr->vruntime - t->vruntime) > (s64)virtual_ns(t, WAKEUP_GRAN_NS))
		resched_curr(rq);
}

/* The tick: is the running task's turn over? => rq->lock held */
void fair_tick(struct rq *rq)
{
	struct task_struct *curr = rq->curr, *left = leftmost_task(rq);
	u64 ran;

	update_curr(rq);
	if (curr == rq->idle || !left)
		return;
	ran = curr->sum_exec_ns - curr->slice_start_ns;
	if (ran >= SLICE_NS ||
	    (ran >= MIN_SLICE_NS && (s64)(curr->vruntime - left->vruntime) > (s64)SLICE_NS))
		resched_curr(rq);
}

/* sched_yield(2): behind everybody who waits on this CPU. => rq->lock held */
void fair_yield(struct rq *rq)
{
	struct rb_node *last = rb_last(&rq->tree);
	u64 v;

	update_curr(rq);
	if (!last)
		return;
	v = rb_entry(last, struct task_struct, run_node)->vruntime;
	if ((s64)(v - rq->curr->vruntime) > 0)
		rq->curr->vruntime = v;
}
