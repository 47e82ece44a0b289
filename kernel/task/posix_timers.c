/*
 * kernel/task/posix_timers.c - timer_create and its family.
 *
 *	armed ── expires ──> signal queued (the timer's own queue entry, so it cannot fail)
 *	   ^                     │ the signal is taken: posix_timer_requeue()
 *	   └── next interval ────┘ the intervals missed meanwhile are the overrun count
 *
 * A periodic timer is not started again before its signal was taken, so no interval can flood the machine.
 *
 * posix_timer_mutex serialises the calls; the timer function runs in the timer interrupt and touches only the
 * queue entry (siglock). Clocks: REALTIME, MONOTONIC, BOOTTIME. Not here: timers on CPU clocks.
 * Linux: kernel/time/posix-timers.c.
 */
#include "kernel/lib/string.h"
#include "kernel/task/internal.h"
#include "kernel/task/syscall.h"
#include "mm/slab.h"

#define CLOCK_REALTIME	0
#define CLOCK_MONOTONIC	1
#define CLOCK_BOOTTIME	7
#define TIMER_ABSTIME	1
#define SIGEV_SIGNAL	0
#define SIGEV_NONE	1
#define SIGEV_THREAD_ID	4
#define MAX_TIMERS	1024	/* of one process; the signal queue limit usually ends it earlier */
#define OVERRUN_MAX	0x7fffffff

struct posix_timer {
	struct list_head list;		/* mutex: in signal->posix_timers */
	int id, clock, notify;		/* c */
	struct task_struct *thread;	/* c: SIGEV_THREAD_ID, referenced; NULL: the process */
	struct signal_struct *signal;	/* c */
	struct sigqueue *q;		/* c: NULL for SIGEV_NONE */
	struct hrtimer timer;
	u64 interval;			/* S */
	int overrun, overrun_last;	/* S */
};

struct sigevent_k { void __user *value; int signo, notify, tid; int pad[11]; };
struct itimerspec_k { struct timespec64 interval, value; };

static DEFINE_MUTEX(posix_timer_mutex);

/* => mutex */
static struct posix_timer *find_timer(int id)
{
	struct posix_timer *t;

	list_for_each_entry(t, &current->signal->posix_timers, list) {
		if (t->id == id)
			return t;
	}
	return NULL;
}

/* The smallest free id, or -EAGAIN. The list is sorted by id; *AT: insert before it. => mutex */
static int free_timer_id(struct list_head **at)
{
	struct posix_timer *t;
	int id = 0;

	*at = &current->signal->posix_timers;
	list_for_each_entry(t, &current->signal->posix_timers, list) {
		if (t->id != id) {
			*at = &t->list;
			break;
		}
		id++;
	}
	return id < MAX_TIMERS ? id : -EAGAIN;
}

/* How many intervals are over since the timer's expiry; moves the expiry behind now. */
static u64 forward(struct posix_timer *t)
{
	u64 now = ktime_get(), expires = t->timer.expires, n;

	if (now < expires)
		return 0;
	n = (now - expires) / t->interval + 1;
	t->timer.expires = expires + n * t->interval;
	return n;
}

/* In the timer interrupt. */
static void posix_timer_fn(struct hrtimer *timer)
{
	struct posix_timer *t = container_of(timer, struct posix_timer, timer);
	struct task_struct *target = t->thread ? t->thread : t->signal->leader_task;

	if (!t->q)
		return;
	/* Nobody will take an ignored signal: go on at once, but not faster than the tick. */
	if (send_sigqueue(t->q, target, !t->thread) == SIGQUEUE_IGNORED && t->interval) {
		u64 next = timer->expires + t->interval;

		hrtimer_start(timer, max(next, ktime_get() + TICK_NSEC));
	}
}

/* => siglock, current takes the signal */
void posix_timer_requeue(struct posix_timer *t, siginfo_t *info)
{
	if (t->interval) {
		u64 n = forward(t);

		t->overrun = n ? min_t(u64, n - 1, OVERRUN_MAX) : 0;
		hrtimer_start(&t->timer, t->timer.expires);
	}
	t->overrun_last = t->overrun;
	t->overrun = 0;
	info->timer.overrun = t->overrun_last;
}

/* Stop and free T, which is on no list any more. */
static void free_timer(struct posix_timer *t)
{
	/* Once the interval is 0 nobody starts it again. */
	spin_lock_irq(&current->sighand->siglock);
	t->interval = 0;
	spin_unlock_irq(&current->sighand->siglock);
	hrtimer_cancel(&t->timer);
	if (t->q)
		sigqueue_release_from_timer(t->q);
	if (t->thread)
		put_task_struct(t->thread);
	kfree(t);
}

void exit_itimers(struct signal_struct *sig)
{
	struct posix_timer *t, *n;

	if (list_empty(&sig->posix_timers))
		return;
	mutex_lock(&posix_timer_mutex);
	list_for_each_entry_safe(t, n, &sig->posix_timers, list) {
		list_del(&t->list);
		free_timer(t);
	}
	mutex_unlock(&posix_timer_mutex);
}

/* Whom T signals, by EV. 0 or -EINVAL, -EAGAIN. */
static int set_up_event(struct posix_timer *t, const struct sigevent_k *ev)
{
	if (ev->notify == SIGEV_NONE)
		return 0;
	if (ev->signo < 1 || !valid_signal(ev->signo))
		return -EINVAL;
	if (ev->notify == (SIGEV_SIGNAL | SIGEV_THREAD_ID)) {
		t->thread = find_get_task_by_pid(ev->tid);
		if (!t->thread)
			return -EINVAL;
		if (!same_thread_group(t->thread, current))
			return -EINVAL;
	} else if (ev->notify != SIGEV_SIGNAL) {
		return -EINVAL;
	}
	t->q = sigqueue_alloc_for_timer(t);
	if (!t->q)
		return -EAGAIN;
	t->q->info.si_signo = ev->signo;
	t->q->info.si_code = SI_TIMER;
	t->q->info.timer.tid = t->id;
	t->q->info.timer.value = ev->value;
	return 0;
}

SYSCALL_DEFINE3(timer_create, int, clock, const struct sigevent_k __user *, uev, int __user *, uid)
{
	struct sigevent_k ev = { .signo = SIGALRM, .notify = SIGEV_SIGNAL };
	struct posix_timer *t;
	struct list_head *at;
	int err;

	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME)
		return clock < 0 || clock <= CLOCK_BOOTTIME ? -EOPNOTSUPP : -EINVAL;
	if (uev && copy_from_user(&ev, uev, sizeof(ev)))
		return -EFAULT;
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return -EAGAIN;
	t->clock = clock;
	t->notify = ev.notify;
	t->signal = current->signal;
	hrtimer_init(&t->timer, posix_timer_fn);
	mutex_lock(&posix_timer_mutex);
	err = t->id = free_timer_id(&at);
	if (err >= 0) {
		if (!uev)
			ev.value = (void __user *)(long)t->id;
		err = set_up_event(t, &ev);
	}
	if (!err && put_user(t->id, uid))
		err = -EFAULT;
	if (err < 0)
		free_timer(t);
	else
		list_add_tail(&t->list, at);
	mutex_unlock(&posix_timer_mutex);
	return err;
}

/* What is left until the next expiry, at least 1 ns if it is armed. => mutex */
static void get_setting(struct posix_timer *t, struct itimerspec_k *s)
{
	s64 left;

	spin_lock_irq(&current->sighand->siglock);
	left = t->timer.expires - ktime_get();
	memset(s, 0, sizeof(*s));
	s->interval = ns_to_timespec(t->interval);
	if (t->interval && left <= 0)
		left = t->interval - (-left) % t->interval;
	if (t->interval || hrtimer_active(&t->timer))
		s->value = ns_to_timespec(max_t(s64, left, 1));
	spin_unlock_irq(&current->sighand->siglock);
}

static void arm(struct posix_timer *t, int flags, const struct itimerspec_k *s)
{
	u64 value = timespec_to_ns_sat(&s->value), now = ktime_get(), base = now, expires;

	spin_lock_irq(&current->sighand->siglock);
	t->interval = 0;
	spin_unlock_irq(&current->sighand->siglock);
	hrtimer_cancel(&t->timer);
	t->overrun = t->overrun_last = 0;
	if (!value)
		return;
	if (flags & TIMER_ABSTIME)
		base = t->clock == CLOCK_REALTIME ? now - ktime_get_real() : 0;
	spin_lock_irq(&current->sighand->siglock);
	t->interval = timespec_to_ns_sat(&s->interval);
	expires = base + value;
	if (value >= KTIME_MAX - now)
		expires = KTIME_MAX;
	else if ((s64)expires < 0)
		expires = 0;		/* a wall-clock time before the boot */
	hrtimer_start(&t->timer, expires);
	spin_unlock_irq(&current->sighand->siglock);
}

SYSCALL_DEFINE4(timer_settime, int, id, int, flags, const struct itimerspec_k __user *, in,
		struct itimerspec_k __user *, out)
{
	struct itimerspec_k new, old;
	struct posix_timer *t;

	if (copy_from_user(&new, in, sizeof(new)))
		return -EFAULT;
	if (!timespec_valid(&new.interval) || !timespec_valid(&new.value))
		return -EINVAL;
	mutex_lock(&posix_timer_mutex);
	t = find_timer(id);
	if (t) {
		get_setting(t, &old);
		arm(t, flags, &new);
	}
	mutex_unlock(&posix_timer_mutex);
	if (!t)
		return -EINVAL;
	return out && copy_to_user(out, &old, sizeof(old)) ? -EFAULT : 0;
}

SYSCALL_DEFINE2(timer_gettime, int, id, struct itimerspec_k __user *, out)
{
	struct itimerspec_k now;
	struct posix_timer *t;

	mutex_lock(&posix_timer_mutex);
	t = find_timer(id);
	if (t)
		get_setting(t, &now);
	mutex_unlock(&posix_timer_mutex);
	if (!t)
		return -EINVAL;
	return copy_to_user(out, &now, sizeof(now)) ? -EFAULT : 0;
}

SYSCALL_DEFINE1(timer_getoverrun, int, id)
{
	struct posix_timer *t;
	int n = -EINVAL;

	mutex_lock(&posix_timer_mutex);
	t = find_timer(id);
	if (t)
		n = READ_ONCE(t->overrun_last);
	mutex_unlock(&posix_timer_mutex);
	return n;
}

SYSCALL_DEFINE1(timer_delete, int, id)
{
	struct posix_timer *t;

	mutex_lock(&posix_timer_mutex);
	t = find_timer(id);
	if (t) {
		list_del(&t->list);
		free_timer(t);
	}
	mutex_unlock(&posix_timer_mutex);
	return t ? 0 : -EINVAL;
}
