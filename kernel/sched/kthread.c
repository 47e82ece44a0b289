/*
 * kernel/sched/kthread.c - threads of the kernel itself: oom_reaper, ksignald and their like.
 *
 * A kernel thread has no mm; it runs on whatever page tables are loaded. kthread_stop() asks it to end and
 * waits for the answer; a thread that ends by itself must not be stopped any more (hold a task reference to
 * ask).
 *
 * Linux: kernel/kthread.c. Ours are made by the caller, not by a kthreadd.
 */
#include "kernel/lib/err.h"
#include "kernel/sched/internal.h"
#include "kernel/task/fork.h"
#include "kernel/task/signal.h"
#include "mm/slab.h"

/* A request to stop, on the requester's stack. */
struct kthread_stop {
	struct completion done;
	int result;
};

/* L: kthread_lock. Freed by the thread itself when it ends. */
struct kthread {
	int (*fn)(void *);		/* c */
	void *arg;			/* c */
	struct kthread_stop *stop;	/* L: NULL: nobody asked */
};

static DEFINE_SPINLOCK(kthread_lock);

/* The first function of every kernel thread. */
static int kthread_main(void *arg)
{
	struct kthread *k = arg;
	struct kthread_stop *stop;
	int ret = k->fn(k->arg);

	spin_lock(&kthread_lock);
	current->kthread = NULL;
	stop = k->stop;
	spin_unlock(&kthread_lock);
	kfree(k);
	if (stop) {
		stop->result = ret;
		complete(&stop->done);
	}
	do_exit(0);
}

struct task_struct *kthread_run(int (*fn)(void *), void *arg, const char *namefmt, ...)
{
	struct kthread *k = kmalloc(sizeof(*k), GFP_KERNEL);
	struct task_struct *t;
	va_list ap;

	if (!k)
		return NULL;
	k->fn = fn;
	k->arg = arg;
	k->stop = NULL;
	t = copy_process_kthread(kthread_main, k);
	if (IS_ERR_OR_NULL(t)) {
		kfree(k);
		return NULL;
	}
	va_start(ap, namefmt);
	vsnprintf(t->comm, sizeof(t->comm), namefmt, ap);
	va_end(ap);
	t->kthread = k;
	wake_up_new_task(t);
	return t;
}

bool kthread_should_stop(void)
{
	return READ_ONCE(current->kthread->stop) != NULL;
}

/* Returns what the thread's function returned, or -EINTR if the thread had ended already. */
int kthread_stop(struct task_struct *t)
{
	struct kthread_stop stop = { .result = -EINTR };
	bool asked = false;

	init_completion(&stop.done);
	get_task_struct(t);
	spin_lock(&kthread_lock);
	if (t->kthread) {
		WRITE_ONCE(t->kthread->stop, &stop);
		asked = true;
	}
	spin_unlock(&kthread_lock);
	if (asked) {
		wake_up_process(t);
		wait_for_completion(&stop.done);
	}
	put_task_struct(t);
	return stop.result;
}
