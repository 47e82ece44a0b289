/*
 * kernel/locking/wait.c - wait queues.
 *
 * A sleeper puts an entry on its own stack into the queue and calls schedule(); a waker goes through the
 * queue from the front. Non-exclusive entries stand in front of the exclusive ones, so that a wake-up
 * reaches all of the former and as many of the latter as asked for. An entry that was woken is taken off at
 * once: the next wake-up goes to somebody else even if this sleeper has not run yet.
 *
 * Linux: kernel/sched/wait.c.
 */
#include "kernel/locking/wait.h"
#include "kernel/sched/sched.h"

void init_wait(struct wait_queue_entry *w)
{
	w->task = current;
	w->exclusive = false;
	w->func = NULL;
	w->priv = NULL;
	INIT_LIST_HEAD(&w->entry);
}

static void prepare(wait_queue_head_t *wq, struct wait_queue_entry *w, int state, bool exclusive)
{
	unsigned long flags;

	spin_lock_irqsave(&wq->lock, flags);
	w->exclusive = exclusive;
	if (list_empty(&w->entry)) {
		if (exclusive)
			list_add_tail(&w->entry, &wq->head);
		else
			list_add(&w->entry, &wq->head);
	}
	/* In the queue before the caller tests its condition: set_current_state() has the barrier. */
	set_current_state(state);
	spin_unlock_irqrestore(&wq->lock, flags);
}

void prepare_to_wait(wait_queue_head_t *wq, struct wait_queue_entry *w, int state)
{
	prepare(wq, w, state, false);
}

void prepare_to_wait_exclusive(wait_queue_head_t *wq, struct wait_queue_entry *w, int state)
{
	prepare(wq, w, state, true);
}

/*
 * W leaves WQ. Without the lock only if both links say that the waker is done with it: list_del_init() writes
 * `next` last.
 */
static void unlink_entry(wait_queue_head_t *wq, struct wait_queue_entry *w)
{
	unsigned long flags;

	if (smp_load_acquire(&w->entry.next) == &w->entry && READ_ONCE(w->entry.prev) == &w->entry)
		return;
	spin_lock_irqsave(&wq->lock, flags);
	list_del_init(&w->entry);
	spin_unlock_irqrestore(&wq->lock, flags);
}

void finish_wait(wait_queue_head_t *wq, struct wait_queue_entry *w)
{
	__set_current_state(TASK_RUNNING);
	unlink_entry(wq, w);
}

void add_wait_queue(wait_queue_head_t *wq, struct wait_queue_entry *w)
{
	unsigned long flags;

	spin_lock_irqsave(&wq->lock, flags);
	if (w->exclusive)
		list_add_tail(&w->entry, &wq->head);
	else
		list_add(&w->entry, &wq->head);
	spin_unlock_irqrestore(&wq->lock, flags);
}

void remove_wait_queue(wait_queue_head_t *wq, struct wait_queue_entry *w)
{
	unsigned long flags;

	spin_lock_irqsave(&wq->lock, flags);
	list_del_init(&w->entry);
	spin_unlock_irqrestore(&wq->lock, flags);
}

/* Wake W's task. True if it slept. => wq->lock held */
static bool wake_entry(struct wait_queue_entry *w, void *key)
{
	if (w->func)
		return w->func(w, key);
	if (!wake_up_state(w->task, TASK_NORMAL))
		return false;
	list_del_init(&w->entry);
	return true;
}

void __wake_up_locked(wait_queue_head_t *wq, int nr_exclusive, void *key)
{
	struct wait_queue_entry *w, *next;

	list_for_each_entry_safe(w, next, &wq->head, entry) {
		bool exclusive = w->exclusive;	/* W may be gone once it is woken */

		if (wake_entry(w, key) && exclusive && --nr_exclusive <= 0)
			break;
	}
}

void __wake_up(wait_queue_head_t *wq, int nr_exclusive, void *key)
{
	unsigned long flags;

	spin_lock_irqsave(&wq->lock, flags);
	__wake_up_locked(wq, nr_exclusive, key);
	spin_unlock_irqrestore(&wq->lock, flags);
}
