/*
 * kernel/locking/completion.c - wait until someone says "done".
 *
 * A counter under the lock of its wait queue: each complete() lets one waiter through, before or after it
 * came. The waiter owns the structure, usually on its stack, and leaves only with the lock taken after
 * complete() has dropped it; so it may go away at once.
 *
 * Linux: kernel/sched/completion.c.
 */
#include "kernel/locking/wait.h"
#include "kernel/sched/sched.h"

#define DONE_FOR_GOOD (~0U)

void complete(struct completion *c)
{
	unsigned long flags;

	spin_lock_irqsave(&c->wait.lock, flags);
	if (c->done != DONE_FOR_GOOD)
		c->done++;
	__wake_up_locked(&c->wait, 1, NULL);
	spin_unlock_irqrestore(&c->wait.lock, flags);
}

void complete_all(struct completion *c)
{
	unsigned long flags;

	spin_lock_irqsave(&c->wait.lock, flags);
	c->done = DONE_FOR_GOOD;
	__wake_up_locked(&c->wait, 0x7fffffff, NULL);
	spin_unlock_irqrestore(&c->wait.lock, flags);
}

/* Sleep in STATE until there is a completion to consume; IO: from a device. 0 or -ERESTARTSYS. */
static int wait_common(struct completion *c, unsigned int state, bool io)
{
	struct wait_queue_entry w;
	int err = 0;

	might_sleep();
	init_wait(&w);
	w.exclusive = true;
	spin_lock_irq(&c->wait.lock);
	while (!c->done) {
		if (signal_pending_state(state, current)) {
			err = -ERESTARTSYS;
			break;
		}
		if (list_empty(&w.entry))
			list_add_tail(&w.entry, &c->wait.head);
		/* The waker needs the lock that we hold: no barrier is missing. */
		__set_current_state(state);
		spin_unlock_irq(&c->wait.lock);
		if (io)
			io_schedule();
		else
			schedule();
		spin_lock_irq(&c->wait.lock);
	}
	__set_current_state(TASK_RUNNING);
	list_del_init(&w.entry);
	if (!err && c->done != DONE_FOR_GOOD)
		c->done--;
	spin_unlock_irq(&c->wait.lock);
	return err;
}

void wait_for_completion(struct completion *c)
{
	wait_common(c, TASK_UNINTERRUPTIBLE, false);
}

void wait_for_completion_io(struct completion *c)
{
	wait_common(c, TASK_UNINTERRUPTIBLE, true);
}

int wait_for_completion_killable(struct completion *c)
{
	return wait_common(c, TASK_KILLABLE, false);
}
